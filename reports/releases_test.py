# SPDX-License-Identifier: GPL-2.0-only
"""Names of kernels, and their order."""

import releases

RELEASES = ["5.10.0-46-cloud-amd64", "6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64", "6.12.95+deb13-cloud-amd64",
            "7.2.1-cloud-amd64", "7.3~rc4-cloud-amd64", "7.3.4-1~exp1-cloud-amd64"]


def test_versions_in_order():
    assert sorted(RELEASES[::-1], key=releases.version_key) == RELEASES
    others = ["v5.9", "5.10-rc1", "5.10-rc12", "5.10", "5.10.1", "6.9.0-custom", "6.10"]
    assert sorted(others[::-1], key=releases.version_key) == others
    assert sorted(["6.1", "custom", ""], key=releases.version_key) == ["", "custom", "6.1"]
    assert releases.version_key("6.1")[0] == releases.version_key("6.1.0")[0]


def test_point_releases_and_planted_delays():
    package = "linux-image-6.1.0-50-cloud-amd64 6.1.176-1"
    assert releases.label("6.1.176", "6.1.0-50-cloud-amd64", package) == "6.1.176-1"
    assert releases.label("6.12.90-1", "6.12.90+deb12-cloud-amd64", "linux-image 6.12.90-1~bpo12+1") == "6.12.90-1"
    assert releases.label("bookworm", "6.1.0-50-cloud-amd64", package) == "6.1.0-50-cloud-amd64"
    assert releases.label("6.1.176+200", "6.1.0-50-cloud-amd64", package) == "6.1.176-1 +200"
    assert releases.label("/boot/bzImage", "6.9.0") == "6.9.0"
    in_order = ["6.1.176-1", "6.1.176-1 +200", "6.1.176-1 +1000", "6.1.192-1", "6.1.192-2"]
    assert sorted(in_order[::-1], key=releases.version_key) == in_order
    assert releases.short(["6.1.0-56-cloud-amd64", "6.1.0-56-cloud-amd64 +200"]) == ["6.1.0-56", "6.1.0-56 +200"]


def test_short_names():
    assert releases.short(RELEASES) == ["5.10.0-46", "6.1.0-9", "6.1.0-56", "6.12.95", "7.2.1", "7.3~rc4", "7.3.4-1"]
    assert releases.short(["6.1-a", "6.1-b"]) == ["6.1-a", "6.1-b"]
    assert releases.short(["mine"]) == ["mine"]
    assert releases.short(["6.1.0-56-cloud-amd64 [a]", "6.1.0-56-cloud-amd64 [b]"]) == ["6.1.0-56 [a]", "6.1.0-56 [b]"]


def test_names_say_the_version_and_the_id():
    assert releases.titles(["6.1.0-56-cloud-amd64", "7.3.4"]) == ["6.1", "7.3"]
    assert releases.titles(["6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64"]) == ["6.1.0-56", "6.1.0-9"]
    assert releases.names({"bookworm": "6.1.0-56-cloud-amd64", "7.3": "7.3.4", "mine": "6.9.0"}) == {
        "bookworm": "6.1 (bookworm)", "7.3": "7.3", "mine": "6.9 (mine)"}
    # two of a series; an id that is its version itself; a release that is no version; one that nothing is known of
    assert releases.names({"bookworm": "6.1.0-56-cloud-amd64", "6.1.176+200": "6.1.176-1 +200"}) == {
        "bookworm": "6.1.0-56 (bookworm)", "6.1.176+200": "6.1.176+200"}
    assert releases.names({"a": "custom"}) == {"a": "custom (a)"} and releases.names({"a": "a"}) == {"a": "a"} and releases.names({}) == {}


def test_kernels_of_one_release_are_told_apart():
    assert releases.apart([("p", {"a": ("6.1", "x"), "b": ("6.2", "y")}), ("q", {"a": ("6.1", "x")})]) == [
        ("p", {"a": "6.1", "b": "6.2"}), ("q", {"a": "6.1"})]
    # two ids of one release; two builds at one path; both
    assert releases.apart([("p", {"./a": ("6.1", "x")}), ("q", {"./b": ("6.1", "x")})]) == [
        ("p", {"./a": "6.1 [./a]"}), ("q", {"./b": "6.1 [./b]"})]
    assert releases.apart([("p", {"./a": ("6.1", "x")}), ("q", {"./a": ("6.1", "y")})]) == [
        ("p", {"./a": "6.1 [p]"}), ("q", {"./a": "6.1 [q]"})]
    assert releases.apart([("p", {"./a": ("6.1", "x")}), ("q", {"./a": ("6.1", "y"), "c": ("6.1", "z")})]) == [
        ("p", {"./a": "6.1 [./a, p]"}), ("q", {"./a": "6.1 [./a, q]", "c": "6.1 [c]"})]
    # builds that name themselves are apart as they are
    mine = ["6.9.0", "6.9.0+", "6.9.0-dirty", "6.9.0-rc1-g1a2b"]
    assert releases.apart([("p", {name: (name, None) for name in mine})]) == [("p", {name: name for name in mine})]
    assert sorted(mine, key=releases.version_key) == [mine[3], *mine[:3]]
