# SPDX-License-Identifier: GPL-2.0-only
"""The study's parts are those of the claims' cases; it goes on where it stood; what it publishes is the same bytes again."""

import hashlib
import io
import json
import os
import tarfile

import pytest

import claims
import claims_study
import conftest
import load

KERNELS = {"new": "6.12.95", "old": "6.1.0-56"}
REVISION = "0123456789abcdef"


def parts(full=False, others=()):
    return claims_study.parts_of(KERNELS, "old", ["ext4", "ext4-fc", "xfs"], others, full)


def option(part, name):
    return part.options[part.options.index(name) + 1] if name in part.options else None


def the(found, name):
    return next(part for part in found if part.name == name)


def test_each_case_that_data_can_decide_has_a_part_on_each_kernel():
    # Before 6.12 no guest has two CPUs in virtual time.
    for kernel, nowhere in (("old", {("C7", "paced attacker, second CPU")}), ("new", set())):
        covered = {case for part in parts() if part.kernel == kernel for case in part.cases}
        every = {(claim.id, case.name) for claim in claims.CLAIMS for case in claim.cases}
        assert every - covered == nowhere


def test_what_is_only_compared_with_is_measured_as_well():
    contest = the(parts(), "old/dos-written-deterministic")
    assert "map_sync" in option(contest, "--strategy").split(",") and "volatile" in option(
        the(parts(), "old/behind_commit-written"), "--strategy")


def test_names_are_of_one_part_each_and_the_default_kernel_comes_first():
    found = parts(others=["xfs-reflink", "ext2"])
    assert len({part.name for part in found}) == len(found)
    assert [part.kernel for part in found] == sorted((part.kernel for part in found), reverse=True)
    assert {option(part, "--fs") for part in found if "ext2" in option(part, "--fs")} == set()
    assert option(the(found, "old/paced-written-xfs-reflink"), "--fs") == "xfs-reflink"


def test_five_samples_but_of_what_takes_long_on_other_kernels():
    found = parts()
    slow = ("dos", "bystander", "behind_commit", "background", "unrelated", "random_touch")
    assert {option(part, "--seeds") for part in found if part.workload not in slow} == {"5"}
    contests = [part for part in found if part.workload in slow and "-f" not in part.name]
    assert {(part.kernel, option(part, "--seeds") or option(part, "--repetitions")) for part in contests} == {
        ("old", "5"), ("new", "1")}
    assert {option(part, "--fs") for part in found if part.kernel == "new"} == {"ext4,xfs"}
    assert option(the(found, "old/dos-written-deterministic"), "--fs") == "ext4,xfs"
    assert option(the(found, "old/first_touch-written"), "--fs") == "ext4,ext4-fc,xfs"
    full = parts(full=True)
    assert option(the(full, "old/dos-written-deterministic"), "--fs") == "ext4,ext4-fc,xfs"
    assert {option(part, "--fs") for part in full if part.kernel == "new"} == {"ext4,ext4-fc,xfs"}
    assert option(the(full, "new/dos-written-deterministic"), "--seeds") == "5"


def test_a_tight_loop_is_in_virtual_time_where_the_emulator_can():
    wall, virtual = the(parts(), "old/dos-written-concurrent"), the(parts(), "new/dos-written-deterministic2")
    assert option(wall, "--accel") == "tcg" and option(wall, "--repetitions") == "5" and option(virtual, "--accel") is None
    assert option(virtual, "--attackers") == "1" and option(the(parts(), "old/dos-written-deterministic-nobody"),
                                                            "--attackers") == "0"


def test_what_pages_cost_on_a_medium_is_observed_and_probes_that_are_read_have_five_samples():
    found = {part.name: part for part in parts()}
    observed = {part.workload for part in found.values() if option(part, "--observe") == "vector"}
    assert observed == {"first_touch", "paced", "many_files", "random_touch", "store_again", "unrelated"}
    once = {name for name, part in found.items() if option(part, "--probe-seeds") == "1"}
    assert {"old/store_again-hole-w8", "old/first_touch-hole-unwritten-written-pmd", "old/unrelated-hole"} <= once
    # C3's counts; C5's longest fault
    assert not once & {"old/paced-written", "old/first_touch-hole-unwritten-written", "old/behind_commit-written"}


def test_what_a_rule_reads_the_cost_of_is_observed(monkeypatch):
    """Else a verdict that goes by cost has no word on media."""
    read, own = set(), claims.View.cost

    def cost(view, spec, *more, **options):
        read.add(spec.workload)
        return own(view, spec, *more, **options)

    monkeypatch.setattr(claims.View, "cost", cost)
    claims.asked(conftest.make_context(), "6.1", "ext4")
    found = [part for part in parts() if part.workload in read]
    assert {"first_touch", "unrelated"} <= {part.workload for part in found}
    assert [part.name for part in found if option(part, "--observe") != "vector"] == []


def test_deadlines_and_shared_blocks_are_measured_besides():
    found = parts()
    assert [option(the(found, f"old/dos-written-deterministic-f{ms}"), "--fault-deadline") for ms in (200, 1000)] == [
        "200", "1000"]
    assert ("C8", "touch of its own extent: reflink") in the(found, "old/dos-written-deterministic-xfs-reflink").cases


def test_choosing_parts():
    found = parts()
    assert {part.workload for part in claims_study.chosen(found, ["c9"])} == {"unrelated", "background"}
    assert {part.kernel for part in claims_study.chosen(found, ["new"])} == {"new"}
    assert [part.name for part in claims_study.chosen(found, ["f1000"])] == ["old/dos-written-deterministic-f1000"]
    assert claims_study.chosen(found, []) == found
    with pytest.raises(load.ReportError, match="'c99'.*STUDY=list"):
        claims_study.chosen(found, ["c99"])
    # a kernel's id, and not all names that have it within
    near = claims_study.parts_of({"old": "6.1", "old-backports": "6.12"}, "old", ["ext4"])
    assert {part.kernel for part in claims_study.chosen(near, ["old"])} == {"old"}


def test_a_part_that_takes_long_is_cut():
    part = the(parts(), "old/dos-written-deterministic")
    # 102 cells, 500 lives of 5 s on 2 cores and 3 boots of 8 s: 1262 s, so that five shards are below 300 each.
    planned = claims_study.cut([part], lambda part: (102, 500, 3, 2, 1262.0))
    assert [one.name for one, _, _ in planned] == [f"{part.name}/{index}of5" for index in range(1, 6)]
    assert [size[0] for _, size, _ in planned] == [21, 21, 20, 20, 20]
    assert option(planned[1][0], "--shard") == "2/5" and sum(takes for _, _, takes in planned) == pytest.approx(1262)
    assert claims_study.cut([part], lambda part: (0, 0, 0, 2, 0.0)) == []
    assert [one for one, _, _ in claims_study.cut([part], lambda part: (102, 500, 3, 2, 1262.0), lambda part: True)] == [part]
    # the second part of the same guests has their saved states
    assert [takes for _, _, takes in claims_study.cut([part, part], lambda part: (4, 20, 3, 2, 62.0))] == [62, 50]


class Fake:
    """A command whose runs take no time but that of the clock below, and write what they are told to."""

    revision = REVISION

    def __init__(self, codes=None):
        self.codes, self.ran, self.time = codes or {}, [], 0

    def now(self):
        return self.time

    def measure(self, part, folder, _log):
        self.ran.append(part.name)
        self.time += 60
        code = self.codes.get(part.name, 0)
        if code in (0, 1, 77):
            write(folder, part)
        return code


def write(folder, part, **changes):
    os.makedirs(folder, exist_ok=True)
    strategy = f"s{sum(map(ord, part.name))}"
    changes = {"elapsed_s": 60.0, "command_line": ["faultline", "run", *part.options, "--out", str(folder)], **changes}
    document = conftest.make_document([conftest.make_row(strategy, probes=probes) for probes in ("off", "on")], **changes)
    with open(os.path.join(folder, "result.json"), "w", encoding="utf-8") as file:
        json.dump(document, file)


@pytest.fixture
def planned():
    return [(part, (4, 20, 1, 2), 60.0) for part in parts()[:3]]


def measure(fake, planned, out, minutes=180):
    said = []
    found = claims_study.measure_all(fake, planned, str(out), minutes, said.append, fake.now)
    return found, said


def test_what_is_done_is_not_measured_again(planned, tmp_path):
    first = Fake()
    assert measure(first, planned, tmp_path)[0] == ([], []) and first.ran == [part.name for part, _, _ in planned]
    again = Fake()
    assert measure(again, planned, tmp_path)[0] == ([], []) and again.ran == []
    other = planned[1][0].options
    for changes in ({"complete": False}, {"faultline": {"version": "0.1", "git_revision": "another"}},
                    {"command_line": ["faultline", "run", *other[:-4], "--touches", "7", *other[-4:]]},
                    {"command_line": ["faultline", "run", *other[2:]]}):
        write(tmp_path / planned[1][0].name, planned[1][0], **changes)
        again = Fake()
        measure(again, planned, tmp_path)
        assert again.ran == [planned[1][0].name]


def test_whether_outliers_were_explained_makes_no_other_part(planned, tmp_path):
    part = planned[0][0]
    explained = part.options[:part.options.index("--outlier")]
    write(tmp_path / part.name, part, command_line=["faultline", "run", *explained, "--out", "x"])
    fake = Fake()
    measure(fake, planned, tmp_path)
    assert part.name not in fake.ran and len(fake.ran) == 2


def test_progress_and_what_is_left(planned, tmp_path):
    _, said = measure(Fake(), planned, tmp_path)
    assert said[0].startswith(f"[1/3] {planned[0][0].name}: 4 cells, 20 lives, about 0:01:00 of 0:03:00; decides C")
    assert said[2].startswith("[3/3] ") and " of 0:01:00;" in said[2]
    lines = claims_study.listing(planned, {planned[0][0].name})
    assert lines[0].startswith("   done  ") and lines[1].startswith("0:01:00  ") and lines[-1] == (
        "3 parts, 1 done; about 0:02:00 left")


def test_what_does_not_fit_is_left(planned, tmp_path):
    fake = Fake()
    (failed, left), _ = measure(fake, planned, tmp_path, minutes=2)
    assert failed == [] and left == [planned[2][0]] and len(fake.ran) == 2
    slow = Fake()
    planned = [(part, size, 30.0) for part, size, _ in planned]  # each takes twice as long as was thought
    (_, left), said = measure(slow, planned, tmp_path / "slow", minutes=1.9)
    assert left == [part for part, _, _ in planned[1:]] and len(said) == 1


def test_an_interruption_ends_it_and_a_failure_does_not(planned, tmp_path):
    second = planned[1][0].name
    fake = Fake({second: 69})
    (failed, left), said = measure(fake, planned, tmp_path)
    assert failed == [second] and left == [] and len(fake.ran) == 3 and any("exit code 69" in line for line in said)
    with pytest.raises(load.ReportError, match="interrupted"):
        measure(Fake({second: 2}), planned, tmp_path)
    assert measure(Fake(), planned, tmp_path)[0] == ([], [])


def test_what_is_published(planned, tmp_path):
    measure(Fake(), planned[:2], tmp_path / "out")
    folder = tmp_path / "study"
    paths = claims_study.publish(planned, str(tmp_path / "out"), str(folder), REVISION)
    assert [os.path.basename(path) for path in paths] == ["data.tar.xz", "hash", "report.txt", "claims.json", "README.md"]
    data = (folder / "data.tar.xz").read_bytes()
    assert (folder / "hash").read_text() == f"{hashlib.sha256(data).hexdigest()}  data.tar.xz\n"
    names = [f"{part.name}.json" for part, _, _ in planned]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == sorted(names[:2])
        assert tar.extractfile(names[0]).read() == (tmp_path / "out" / planned[0][0].name / "result.json").read_bytes()
    verdicts = json.loads((folder / "claims.json").read_text())
    assert verdicts[0]["id"] == "C1" and "specs" not in verdicts[0] and "band" in verdicts[0] and "media" in verdicts[0]
    readme = (folder / "README.md").read_text()
    assert f"commit {REVISION}" in readme and "2 of 3 parts, 2 cells, 0:02:00" in readme and names[2][:-5] in readme.split(
        "Not measured yet")[1]
    whole, by_case = readme.split("## The claims, on 6.1, ext4 and xfs")[1].split("## By case")
    assert "| C1 |" in whole and "ext4 |" in by_case.split("\n")[2]
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    claims_study.publish(planned, str(tmp_path / "out"), str(folder), REVISION)
    assert before == {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    with pytest.raises(load.ReportError, match="nothing to publish"):
        claims_study.publish(planned, str(tmp_path / "out"), str(folder), "another")


def test_pages_are_written_again_from_the_data_alone(planned, tmp_path):
    measure(Fake(), planned[:2], tmp_path / "out")
    folder = tmp_path / "study"
    claims_study.publish(planned, str(tmp_path / "out"), str(folder), REVISION)
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    assert str(tmp_path) not in before["report.txt"].decode()
    for name in set(before) - {"data.tar.xz"}:
        (folder / name).unlink()
    assert claims_study.publish_again(planned, str(folder)) and before == {
        name: (folder / name).read_bytes() for name in os.listdir(folder)}


def test_a_part_that_is_cut_otherwise_now_is_not_missed():
    documents = {name: conftest.make_document([conftest.make_row()], elapsed_s=60.0) for name in ("old/a/1of3", "old/a/3of3", "old/b/1of2")}
    planned = [(claims_study.Part(name, (), (("C1", "case"),), "first_touch", "old"), (1, 1, 1, 1), 60.0) for name in (
        "old/a/1of3", "old/a/2of3", "old/a/3of3", "old/b/1of4", "old/c")]
    done, left = claims_study.readme(planned, documents, [], "digest", True).split("Not measured yet")
    assert "3 of 5 parts" in done and "old/b/1of2` | 1 | 0:01:00 | C1 case" in done
    assert "old/a/2of3" in left and "old/c" in left and "old/b" not in left


def test_what_was_measured_elsewhere_and_is_open_has_its_word():
    rows = [{**row, "fs": "ext2", "status": "failed", "reason": "it hung"} for row in conftest.make_pair("map_sync", None, "hole")]
    verdicts = claims.judge(load.make_result("made up", conftest.make_context(), {row["name"]: [row] for row in rows}, []))
    text = claims_study.readme([], {"old/a": conftest.make_document(rows, elapsed_s=60.0)}, verdicts, "digest", True)
    elsewhere = text.split("## On other file systems and kernels")[1]
    assert "| C1 | hole, in order, 4 KiB, 1 thread | not decided (measured, failed: it hung) |" in elsewhere


def test_data_that_are_too_large_lose_their_histograms_and_then_are_refused():
    row = conftest.make_row(probes="on")
    text = json.dumps(conftest.make_document([row] * 40)).encode()
    whole, complete = claims_study.packed({"a": text})
    assert complete
    less, complete = claims_study.packed({"a": text}, len(whole) - 1)
    assert not complete and len(less) < len(whole)
    with tarfile.open(fileobj=io.BytesIO(less)) as tar:
        kept = json.loads(tar.extractfile("a.json").read())
    assert "histogram" not in kept["benchmarks"][0]["probe"]["fault"] and kept["benchmarks"][0]["p50"] == row["p50"]
    with pytest.raises(load.ReportError, match="publish fewer parts"):
        claims_study.packed({"a": text}, len(less) - 1)


def verdict(domain, word, case="a", claim="C7", missing=(), figures=("a figure",)):
    return {"id": claim, "case": case, "kernel": "k", "fs": "ext4", "verdict": word, "domain": domain, "missing": list(missing),
            "figures": list(figures)}


def test_a_case_is_decided_in_the_domain_that_decides_it():
    virtual = [verdict("virtual", claims.NOT_DECIDED), verdict("virtual", claims.HOLDS, "b"), verdict("virtual", claims.FAILS,
                                                                                                      claim="C1")]
    wall = [verdict("wall", claims.FAILS), verdict("wall", claims.FAILS, "b"), verdict("wall", claims.NOT_DECIDED, "c")]
    assert [(one["id"], one["case"], one["domain"]) for one in claims_study.joined([virtual, wall])] == [
        ("C1", "a", "virtual"), ("C7", "a", "wall"), ("C7", "b", "virtual"), ("C7", "c", "wall")]
    # Measured and open is more than not measured.
    [one] = claims_study.joined([[verdict("virtual", claims.NOT_DECIDED, missing=["x"])], [verdict("wall", claims.NOT_DECIDED)]])
    assert one["domain"] == "wall"
    # Of a case that wall time cannot decide nothing is there, nor missing.
    [one] = claims_study.joined([[verdict("virtual", claims.NOT_DECIDED, missing=["x"])],
                                 [verdict("wall", claims.NOT_DECIDED, figures=())]])
    assert one["domain"] == "virtual"
