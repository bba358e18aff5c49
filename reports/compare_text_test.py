# SPDX-License-Identifier: GPL-2.0-only
"""The forms of a comparison: text of 80 columns, KTAP, Google Benchmark's JSON."""

import json
import os
import re
import subprocess
import sys

import pytest

import claims
import compare
import compare_report
import compare_text
import load
import mail

COMPARE_PY = "/usr/share/benchmark/compare.py"  # Debian's libbenchmark-tools


@pytest.fixture
def mixed(synthetic):
    """A comparison with one of each: worse, same, unclear, only one side, not ok, other work."""
    rows = [synthetic.row(), synthetic.row("map_sync", None, "hole"), synthetic.row("fsync", 8),
            synthetic.row("fsync", 64), synthetic.row("msync", 1)]
    growth = {"volatile": [1.0001] * 5, "map_sync": [1.05] * 5, "fsync": [1, 1, 1, 1, 1.09], "msync": [1] * 5}
    a = synthetic.load(synthetic.samples(rows, [1] * 5))
    grown = synthetic.samples(rows[:4], lambda row: growth[row["strategy"]])
    grown = [row for row in grown if row["writes_per_sync"] != 64]
    bad = synthetic.skip(rows[3], "hung #1\nand again", "failed")
    b = synthetic.load([*grown, bad, synthetic.row("msync", 8), synthetic.row("prealloc")],
                       qemu={"version": "9.0", "binary_sha256": "a" * 64, "arguments": {}}, **synthetic.other_build())
    return a, b, compare.compare(a, b, ["per_page"])


def test_text(mixed):
    _, _, data = mixed
    text = compare_text.text(data)
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "3 figures of 3 cells compared: 1 regression, 1 unclear, 1 same, 1 only in A, 2" in text
    grid = [" ".join(line.split()) for line in lines]
    assert "6.1, ext4, first_touch, pte, t1; per_page (instr), floor 0.5 %: two builds" in grid
    assert "cell state A B diff interval verdict" in grid
    # by hand: 69479 (17882 + 51528 + 69) times 1.05
    assert "map_sync hole 69479 72953 +5.000 [+5.000, +5.000] regression" in grid
    assert "volatile written 5150 5151 +0.010 [+0.010, +0.010] same" in grid
    assert "fsync:8 written 14530 14530 0 [0, +9.000] unclear" in grid
    assert "the environments differ (NOT THE SAME) in qemu.version: 7.2.0 and 9.0" in lines
    assert "  6.1/ext4/msync:1/first_touch/written/pte/t1" in lines
    assert "6.1/ext4/fsync:64/first_touch/written/pte/t1: B failed: hung #1\\nand again" in " ".join(grid)
    assert text.index("only in A") < text.index("only in B") < text.index("not measured:")


def test_text_has_the_range_of_floors(synthetic):
    def of(tax):
        rows = [*synthetic.pair(), *synthetic.pair("map_sync")]
        for row, figure in zip(rows, (5000, 5000 + tax, 100, 100 + tax)):
            row["per_fault"] = figure
        return synthetic.load(synthetic.samples(rows, [1] * 5))

    # by hand: 20 of 301, and 2 % where 0.4 are less of the tax
    assert "tax (instr), floor 2 to 6.64 %\n" in compare_text.text(compare.compare(of(301), of(301), ["tax"]))


def test_text_says_which_floor_and_why(synthetic):
    """A result of two kernels, one of which was built anew."""
    about = synthetic.context()["kernels"]["6.1"]
    rows = [synthetic.row(), synthetic.row(kernel="7.3"), synthetic.contest()]
    a = synthetic.load(rows, kernels={"6.1": about, "7.3": about})
    b = synthetic.load(rows, kernels={"6.1": about, "7.3": {**about, "image_sha256": "f" * 64}})
    data = compare.compare(a, b)
    text = compare_text.text(data)
    assert "\n6.1, ext4, first_touch, pte, t1; per_page (instr), floor 0 %: one build\n" in text
    assert "\n7.3, ext4, first_touch, pte, t1; per_page (instr), floor 0.5 %: two builds\n" in text
    assert "; slowdown (times), floor 5 %\n" in text and all(len(line) <= 80 for line in text.splitlines())
    assert compare_text.floors(data["rows"]) == (
        "floor 0 to 0.5 %: one build and two builds (per_page, per_fault), 5 % (slowdown), 1 points (starved)")
    asked = compare.compare(a, b, floors={None: 0.5})
    assert "floor 0.5 %\n" in compare_text.text(asked) and "build" not in compare_text.floors(asked["rows"])


def test_text_names_options_that_make_the_path_another_one(synthetic):
    def of(**notes):
        context = synthetic.context()
        context["kernels"]["6.1"].update(notes)
        return load.load(synthetic.save({"context": context, "benchmarks": [synthetic.row()]}))

    slow = "CONFIG_CRYPTO_CRC32C_INTEL is not set: checksums go without the CPU's crc32"
    a, b = of(), of(config_notes=[slow])
    assert ("the environments differ (under test) in kernels.6.1.config_notes:\n"
            "  B: CONFIG_CRYPTO_CRC32C_INTEL is not set: checksums go without the CPU's crc32\n") in compare_text.text(compare.compare(a, b))
    lines = compare_report.build(b, a, [])["lines"]
    assert "Under test: the two differ in kernels.6.1.config_notes." in lines
    assert f"Before: {slow}." in lines


def test_claims_whose_cells_one_side_has_not_measured_have_not_changed(synthetic):
    rows = [row for k in claims.SWEEP for row in synthetic.pair("fsync", k, "hole")]
    whole = synthetic.load(rows + synthetic.pair("map_sync", None, "hole", per_page=90000))
    part = synthetic.load(rows)
    told = "1 case of the claims is decided on one side alone: the other has not measured its cells."
    for before, after in ((whole, part), (part, whole)):
        found = compare_report.build(before, after, claims.judge(after))
        assert found["claims"] == [] and found["lines"][-1] == told
    assert told not in compare_report.build(whole, whole, claims.judge(whole))["lines"]
    # What failed was measured: that it is open now is a change.
    failed = synthetic.load(rows + [synthetic.skip(row, "it hung", "failed") for row in synthetic.pair("map_sync", None, "hole")])
    found = compare_report.build(whole, failed, claims.judge(failed))
    assert [(one["id"], one["before"], one["after"]) for one in found["claims"]] == [("C4", "holds here", "not decided")]


def test_text_of_what_changed(mixed):
    _, _, data = mixed
    text = compare_text.text(data, only_changed=True)
    assert "not shown: 1 that are identical or the same within the floor" in text
    assert "volatile" not in text and "map_sync  hole" in text


def test_a_figure_that_says_what_the_first_says_is_left_out(synthetic):
    """per_fault of map_sync grows by 0.05 points more, next to nothing; that of fsync by 0.2."""
    def of(factor, more):
        return synthetic.load(synthetic.samples([synthetic.row(name, k, per_page=1000 * factor, per_fault=1000 * (factor + extra))
                                                 for name, k, extra in (("map_sync", None, more), ("fsync", 8, more * 4))], [1] * 5))
    data = compare.compare(of(1, 0), of(1.05, 0.0005))
    assert [(row["cell"].split("/")[2], row["metric"], labels) for row, labels in compare.folded(data["rows"])] == [
        ("fsync:8", "per_page", []), ("fsync:8", "per_fault", []), ("map_sync", "per_page", ["per_fault"])]
    text = compare_text.text(data)
    assert text.count("\nmap_sync ") == 1 and text.count("\nfsync:8 ") == 2
    assert "not shown: figures that say of their cell what another says (1 of per_fault);" in text and "--all shows them" in text
    assert compare_text.text(data, every=True).count("\nmap_sync ") == 2
    regressions = compare.folded([{**row, "verdict": "same" if row["metric"] == "per_fault" else row["verdict"]} for row in data["rows"]])
    assert len(regressions) == 4  # another verdict is another answer
    # of growth that is small itself a tenth is little, and no more: by hand, 0.02 % and 0.0216 or 0.0224 %
    small = compare.compare(of(1, 0), of(1.0002, 0.000016 / 4))
    assert [labels for _, labels in compare.folded(small["rows"])] == [["per_fault"], ["per_fault"]]
    assert len(compare.folded(compare.compare(of(1, 0), of(1.0002, 0.000024))["rows"])) == 4
    # and of two builds all that is less than the floor
    assert len(compare.folded([{**row, "floor": 0.5} for row in data["rows"]])) == 2


def test_a_path_stands_beside_its_page_only_where_it_says_something_else(synthetic):
    """By hand: a page grows by 10 %, its path by 10.9 or 11.1 %, or by nothing at all."""
    def of(factor, paths):
        return synthetic.load(synthetic.samples([synthetic.row("fsync", k, per_page=1000 * factor, per_fault=1000 * factor, path=path)
                                                 for k, path in zip((1, 2, 3), paths)], [1] * 5))
    data = compare.compare(of(1, (1000, 1000, 1000)), of(1.1, (1109, 1111, 1000)))
    assert [(row["what"][0], row["metric"], labels) for row, labels in compare.folded(data["rows"])] == [
        ("fsync:1", "per_page", ["per_fault", "path"]), ("fsync:2", "per_page", ["per_fault"]), ("fsync:2", "path", []),
        ("fsync:3", "per_page", ["per_fault"]), ("fsync:3", "path", [])]


def test_a_path_of_one_seed_stands_beside_a_page_that_is_the_same_only_where_it_moved(synthetic):
    """Of one observed seed there is no verdict; the floor is 0.1 %, and by hand a path of 1000 moves by 0.1, by 0.11 or not at all."""
    def of(factor, paths):
        rows = [synthetic.row("fsync", k, per_page=1000.0, per_fault=500.0, path=path) for k, path in zip((1, 2, 3, 4), paths)]
        grown = synthetic.samples(rows, [1] * 5)
        for row in grown:
            row["per_page"] *= 1 if row["writes_per_sync"] == 4 else factor
            row["path"] = row["path"] if row["seed"] == 0 else None
        return synthetic.load(grown)
    data = compare.compare(of(1, (1000, 1000, 1000, 1000)), of(0.9996, (1001, 1001.1, 998.9, 1001)), floors={None: 0.1})
    assert [(row["what"][0], row["metric"], row["verdict"], labels) for row, labels in compare.folded(data["rows"])] == [
        ("fsync:1", "per_page", "same", ["path"]), ("fsync:1", "per_fault", "identical", []),
        ("fsync:2", "per_page", "same", []), ("fsync:2", "per_fault", "identical", []), ("fsync:2", "path", "differs", []),
        ("fsync:3", "per_page", "same", []), ("fsync:3", "per_fault", "identical", []), ("fsync:3", "path", "differs", []),
        ("fsync:4", "per_page", "identical", ["per_fault"]), ("fsync:4", "path", "differs", [])]  # identical it is not


def test_text_says_why_there_is_no_verdict(synthetic):
    a, b = synthetic.load([synthetic.row()]), synthetic.load([synthetic.row(per_page=5160)])
    text = " ".join(compare_text.text(compare.compare(a, b)).split())
    assert "differs: fewer than 5 seeds: no interval, so no verdict; measure both with --seeds 5" in text
    walls = [synthetic.wall_result([row]) for row in (synthetic.row(), synthetic.row(per_page=5160))]
    text = " ".join(compare_text.text(compare.compare(*walls)).split())
    assert "unknown: noise floor unknown: fewer than 10 repetitions a side, so no verdict" in text


@pytest.fixture
def observed(synthetic):
    """Of two builds a cell of five seeds, each 0.4 % dearer, of which the first was observed: its path grows by 0.6 %."""
    def of(factor, path, **context):
        samples = synthetic.samples([synthetic.row()], [factor] * 5)
        samples[0]["path"] = path
        return synthetic.load(samples, **context)
    return of(1, 5000), of(1.004, 5030, **synthetic.other_build())


def test_text_says_of_how_many_samples_a_figure_is_that_only_some_have(observed):
    data = compare.compare(*observed)
    assert [(row["metric"], row["samples"], row["cell_samples"]) for row in data["rows"]] == [
        ("per_page", [5, 5], [5, 5]), ("per_fault", [5, 5], [5, 5]), ("path", [1, 1], [5, 5])]
    text = compare_text.text(data)
    words = " ".join(text.split())
    assert "6.1, ext4, first_touch, pte, t1; path (instr), floor 0.5 %: two builds, of 1 of 5 seeds cell" in words
    assert "per_page (instr), floor 0.5 %: two builds cell" in words
    assert "; seeds 5 and 5 (per_page, per_fault), 1 and 1 (path); interval 93.8 %, errs in 1 figure of 16;" in words
    assert "differs: fewer than 5 seeds: no interval, so no verdict; measure both with --observe-seeds 5 " in words
    ktap = compare_text.ktap(data).splitlines()
    assert ktap[-1].endswith("# SKIP differs: fewer than 5 seeds: no interval, so no verdict; measure both with --observe-seeds 5")
    assert "seeds 5 and 5 (per_page, per_fault), 1 and 1 (path)" in " ".join(mail.of_comparison(*observed, data).split())


def test_what_changed_says_of_how_many_samples_a_figure_is_that_only_some_have(observed):
    built = compare_report.build(*observed, [])
    assert built["lines"][:2] == ["3 figures of 1 cell compared: 1 differs, 2 same.", "Floor 0.5 %: two builds."]
    rows = built["rows"]
    assert [(row["metric"], row["verdict"]) for row in rows] == [("path, of 1 of 5 seeds", "differs")]


def test_a_boot_is_not_said_to_want_seeds(synthetic):
    def of(ready):
        context = synthetic.context()
        context["kernels"]["6.1"]["boot"] = {"ext4": {"ready": ready}}
        return load.load(synthetic.save({"context": context, "benchmarks": [synthetic.row()]}))
    text = compare_text.text(compare.compare(of(2_000_000), of(2_200_000), ["boot"]))
    assert "\ndiffers: fewer than 5 seeds: no interval, so no verdict\n" in text and ", of 1 of" not in text


def test_text_of_long_names_and_hostile_ones(synthetic):
    rows = [synthetic.row(kernel="k" * 90 + "\x1b[31m\n", workload="w" * 60, strategy="s" * 50)]
    result = synthetic.load(rows)
    text = compare_text.text(compare.compare(result, result))
    assert "\x1b" not in text and all(len(line) <= 80 for line in text.splitlines())
    ktap = compare_text.ktap(compare.compare(result, result))
    assert "\x1b" not in ktap and len(ktap.splitlines()) == 4


def test_text_of_contests_and_guests(synthetic):
    context = synthetic.context()
    context["kernels"]["6.1"]["boot"] = {"ext4": {"ready": 2_000_000}}
    import load
    result = load.load(synthetic.save({"context": context, "benchmarks": [synthetic.contest()]}))
    text = compare_text.text(compare.compare(result, result, ["slowdown", "starved", "boot"]))
    grid = [" ".join(line.split()) for line in text.splitlines()]
    assert "6.1, ext4, dos, pte, t1, deterministic; starved (%), floor 1 points" in grid
    assert "map_sync utimens a1 written 1.50 1.50 0 [0, 0] identical" in grid
    assert "6.1/ext4/boot 2000000 2000000 0 [0, 0] identical" in grid


@pytest.mark.parametrize("value, text", [
    (None, "-"), (0, "0"), (0.5, "+0.500"), (-0.5, "-0.500"), (12.34, "+12.3"), (0.0012, "+0.0012"),
    (0.00012, "+1.2e-04"), (123456, "+1.2e+05"), (-9.9999, "-10.000")])
def test_percent(value, text):
    assert compare_text.percent(value) == text


def test_ktap(mixed):
    _, _, data = mixed
    lines = compare_text.ktap(data).splitlines()
    assert lines[:2] == ["KTAP version 1", "1..7"]
    results = [re.fullmatch(r"(ok|not ok) (\d+) [^#]*(?: # (SKIP|ERROR) .*)?", line) for line in lines[2:]]
    assert all(results) and [int(found[2]) for found in results] == list(range(1, 8))
    kinds = {line.split(" ", 2)[2].split(" ")[0] if found[1] == "ok" else line.split(" ", 3)[3].split(" ")[0]:
             (found[1], found[3]) for found, line in zip(results, lines[2:])}
    place = "first_touch/written/pte/t1"
    assert kinds == {f"6.1/ext4/volatile/{place}": ("ok", None), f"6.1/ext4/fsync:8/{place}": ("ok", None),
                     "6.1/ext4/map_sync/first_touch/hole/pte/t1": ("not ok", None),
                     f"6.1/ext4/msync:1/{place}": ("not ok", "ERROR"), f"6.1/ext4/msync:8/{place}": ("ok", "SKIP"),
                     f"6.1/ext4/prealloc/{place}": ("ok", "SKIP"), f"6.1/ext4/fsync:64/{place}": ("not ok", "ERROR")}


def test_ktap_has_no_verdict_without_seeds(synthetic):
    a, b = synthetic.load([synthetic.row()]), synthetic.load([synthetic.row(per_page=9999)])
    lines = compare_text.ktap(compare.compare(a, b, ["per_page"])).splitlines()
    assert lines[2].startswith("ok 1 ") and " # SKIP differs: fewer than 5 seeds" in lines[2]


def test_google_benchmark(synthetic):
    rows = synthetic.samples([synthetic.row(), synthetic.row("map_sync")], [1, 1.1])
    rows.append(synthetic.skip(synthetic.row("msync", 1)))
    found = compare_text.google_benchmark(synthetic.load(rows))
    assert [(row["family_index"], row["repetition_index"], row["repetitions"], row["real_time"], row["time_unit"])
            for row in found["benchmarks"]] == [
        (0, 0, 2, 5150, "ns"), (0, 1, 2, pytest.approx(5665), "ns"), (1, 0, 2, 5230, "ns"),
        (1, 1, 2, pytest.approx(5753), "ns")]
    assert found["context"]["not_ok"] == ["6.1/ext4/msync:1/first_touch/written/pte/t1/off"]
    assert found["context"]["unit"] == "instr"


@pytest.mark.skipif(not os.path.exists(COMPARE_PY), reason="libbenchmark-tools is not installed")
def test_google_benchmarks_own_tool_reads_it(synthetic, tmp_path):
    for name, factor in (("a", 1), ("b", 1.5)):
        rows = synthetic.samples([synthetic.row()], [factor] * 10) + [synthetic.skip(synthetic.row("map_sync"))]
        (tmp_path / f"{name}.json").write_text(json.dumps(compare_text.google_benchmark(synthetic.load(rows))))
    done = subprocess.run([sys.executable, COMPARE_PY, "--no-color", "benchmarks", str(tmp_path / "a.json"),
                           str(tmp_path / "b.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if "volatile" in line).split()
    assert line[1:] == ["+0.5000", "+0.5000", "5150", "7725", "5150", "7725"]
    assert "U Test, Repetitions: 10 vs 10" in done.stdout
