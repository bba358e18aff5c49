# SPDX-License-Identifier: GPL-2.0-only
"""The verbs as the user's command runs them: output, exit codes, and no trace whatever happens.

One file because all its tests run the command, by the same few helpers, over the same results."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import faultline_report

SCRIPT = faultline_report.__file__
COMMAND = os.path.join(os.path.dirname(SCRIPT), "..", os.environ.get("FAULTLINE_BUILD", "build"), "faultline")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No test sees the user's cache."""
    monkeypatch.setenv("FAULTLINE_CACHE", str(tmp_path / "cache"))


def run(*arguments, python=("-I",), **kwargs):
    """As cli/reports.cc starts it."""
    done = subprocess.run([sys.executable, *python, SCRIPT, *arguments], capture_output=True, text=True, timeout=120,
                          check=False, **kwargs)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def one(synthetic):
    return synthetic.save(synthetic.document(synthetic.pair()), "one")


@pytest.mark.parametrize("arguments", [
    (), ("table",), ("report", "--before"), ("report", "x", "--out", "y", "--text", "--json"),
    ("report", "x", "--md", "--csv"), ("identical", "x"),
    ("check",), ("hash",), ("merge", "x"), ("dance",), ("table", "x", "--colour"), ("compare", "x"), ("compare", "x", "y", "--json", "--ktap"),
    ("compare", "x", "y", "--floor", "-1"), ("compare", "x", "y", "--floor", "much"),
    ("compare", "x", "y", "--kernels", "6.1"), ("gate", "x"), ("gate", "--baseline", "x"),
    ("gate", "--baseline", "x", "y", "--single", "nan"), ("explain", "x"), ("baseline",), ("baseline", "save", "x"),
    ("baseline", "rm"), ("history",), ("history", "add"), ("history", "show", "x"), ("history", "rm", "x"),
    ("history", "export"), ("history", "page"), ("history", "page", "--out", "x", "--last", "0"),
    ("trend", "x", "--flor", "1")])
def test_usage_is_exit_2(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("faultline: ") and done.stderr.count("\n") == 1 and "--help` says more" in done.stderr


def test_help_is_exit_0():
    for arguments in (("--help",), ("table", "--help"), ("report", "--help"), ("identical", "-h"), ("check", "-h"), ("hash", "-h"), ("merge", "-h"),
                      ("compare", "-h"), ("gate", "-h"), ("explain", "-h"), ("baseline", "save", "-h"),
                      ("history", "-h"), ("history", "export", "-h"), ("trend", "-h")):
        assert run(*arguments).returncode == 0


@pytest.mark.parametrize("verb", [
    ("table",), ("check",), ("hash",), ("merge", "--out", "OUT"), ("report", "--out", "OUT"), ("identical", "ONE"), ("compare", "ONE"), ("explain", "ONE"),
    ("gate", "--baseline", "ONE"), ("gate", "ONE", "--baseline"), ("baseline", "save", "x"), ("history", "add", "ONE"),
    ("trend", "ONE"), ("baseline", "show")])
def test_a_bad_result_is_one_line_and_exit_2(synthetic, one, tmp_path, verb):
    words = [{"OUT": str(tmp_path / "out"), "ONE": one}.get(word, word) for word in verb]
    bad = synthetic.save("{\"context\"", "bad")
    done = run(*words, bad)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("faultline: ") and bad in done.stderr
    assert not (tmp_path / "out").exists() and not (tmp_path / "cache").exists()


def test_table(one):
    done = run("table", one)
    assert (done.returncode, done.stderr) == (0, "") and "volatile  written    5150   1.00     5150\n" in done.stdout
    assert "volatile  written    5150   1.00     5150  +497        0.000\n" in run("table", one, "--wide").stdout
    data = json.loads(run("table", one, "--json").stdout)
    assert data["sections"][0]["rows"][0]["tax"] == 497


def test_hash(one):
    done = run("hash", one)
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout) == 65 and int(done.stdout, 16)
    assert run("hash", os.path.join(one, "result.json")).stdout == done.stdout
    assert json.loads(run("hash", one, "--json").stdout) == {"path": one, "sha256": done.stdout.strip(), "rows": 2}


def test_merging_notes_go_to_stderr(synthetic, one):
    other = synthetic.save(synthetic.document([synthetic.row("map_sync")], qemu={
        "version": "9.0", "binary_sha256": "a" * 64, "arguments": {}}))
    done = run("table", one, other, "--json")
    assert done.returncode == 0
    assert done.stderr == (f"faultline: note: {one} and {other} differ in qemu.version: "
                           "their rows are of different environments\n")
    assert len(json.loads(done.stdout)["notes"]) == 1


def test_virtual_and_wall_are_never_mixed(synthetic, one):
    wall = synthetic.save(synthetic.wall(synthetic.document(synthetic.pair())))
    for verb in (("table",), ("check",), ("identical",), ("report", "--out", one + "-out")):
        done = run(*verb, one, wall)
        assert done.returncode == 2 and "never mixed" in done.stderr and done.stdout == ""


def test_report_prints_the_paths_it_wrote(one, tmp_path):
    out = str(tmp_path / "out")
    done = run("report", one, "--out", out)
    assert done.returncode == 0 and done.stderr == ""
    paths = done.stdout.splitlines()
    assert paths[-1] == os.path.join(out, "report.html") and all(map(os.path.isfile, paths)) and len(paths) == 5
    text = run("report", one, "--out", out, "--text").stdout
    assert text.endswith(done.stdout) and "CLAIMS" in text
    data = json.loads(run("report", one, "--out", out, "--json").stdout)
    assert data["written"] == paths and data["table"]["cells"]["ok"] == 1 and data["claims"][0]["id"] == "C1"


def test_report_goes_beside_the_result_unless_it_is_printed(one):
    for form, words in (("--text", "CLAIMS"), ("--md", "| claim |"), ("--csv", "name,kernel,fs")):
        done = run("report", one, form)
        assert done.returncode == 0 and words in done.stdout and os.listdir(one) == ["result.json"]
    done = run("report", one)
    assert done.stdout.splitlines()[-1] == os.path.join(one, "report.html")
    assert os.path.isfile(os.path.join(one, "claims.json"))


def test_report_of_two(synthetic, one):
    other = synthetic.save(synthetic.document(synthetic.pair(per_page=9000)), "other")
    done = run("report", "--before", one, "--after", other, "--text")
    assert done.returncode == 0 and done.stdout.startswith("2 figures of 1 cell compared: 1 differs, 1 identical.")
    assert "6.1/ext4/volatile/first_touch/written/pte/t1 per_page: +74.8" in done.stdout
    done = run("report", "--before", one, "--after", other)
    with open(os.path.join(other, "report.html"), encoding="utf-8") as file:
        assert 'id="changed"' in file.read()
    for arguments in (("--before", one), ("--after", one), ()):
        done = run("report", *arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == ""


def test_the_sequence_of_a_kernel_by_its_path(synthetic, tmp_path, monkeypatch):
    """base of the table's kernel, mine of one given by its path: every verb that compares pairs the two by itself."""
    monkeypatch.chdir(tmp_path)  # longer names than a line are broken in their midst

    def saved(name, kernel, factor):
        rows = [row for strategy in ("volatile", "map_sync") for row in synthetic.pair(strategy, state="hole", kernel=kernel)]
        context = synthetic.context()
        context["kernels"] = {kernel: context["kernels"]["6.1"]}
        context["qemu"]["arguments"] = {kernel: context["qemu"]["arguments"]["6.1"]}
        return os.path.relpath(synthetic.save({"context": context, "benchmarks": synthetic.samples(rows, [factor] * 5)}, name))

    base, mine = saved("base", "6.1", 1), saved("mine", "./bzImage", 1.2)
    paired = f"kernel 6.1 in {base} is compared with ./bzImage in {mine}: each has no other"
    for verb in (("compare", base, mine), ("explain", base, mine), ("report", "--before", base, "--after", mine, "--text"),
                 ("report", "--before", base, "--after", mine, "--md")):
        done = run(*verb)
        assert done.returncode in (0, 2 * (verb[0] == "explain")) and done.stderr == ""
        assert paired[7:] in " ".join(done.stdout.replace("\\", "").split())
    assert "4 figures of 2 cells compared: 4 regression" in run("compare", base, mine).stdout
    done = run("gate", "--baseline", base, mine)
    assert done.returncode == 1 and f"{paired}\ngate: REGRESSION; 4 figures against {base}: 4 regression\n" in done.stdout
    assert run("gate", "--baseline", base, saved("same", "./bzImage", 1)).returncode == 0
    done = run("report", "--before", base, "--after", mine, "--text")
    assert done.stdout.startswith("4 figures of 2 cells compared: 4 regression.\n") and "Only before" not in done.stdout
    page = run("report", "--before", base, "--after", mine, "--kernels", "6.1=./bzImage", "--text").stdout
    assert page.startswith("4 figures of 2 cells compared: 4 regression.\n") and "each has no other" not in page
    assert run("report", base, "--kernels", "6.1=x").returncode == 2
    assert run("compare", base, mine, "--benchmark-json", str(tmp_path / "gb")).returncode == 0
    names = [[row["name"] for row in json.loads((tmp_path / "gb" / f"{side}.json").read_text())["benchmarks"]]
             for side in "ab"]
    assert names[0] == names[1] and names[0][0] == "6.1=./bzImage/ext4/volatile/first_touch/hole/pte/t1/off"


def test_claims_of_a_pair_of_kernels(synthetic):
    states = ("hole", "unwritten", "written")
    rows = [row for strategy in ("volatile", "map_sync") for state in states for row in
            synthetic.pair(strategy, state=state)]
    base = synthetic.save(synthetic.document(rows), "base")
    cheap = [{**row, "per_fault": 18000, "per_page": 18000, "cpu_time": 18000, "real_time": 18000} for state in
             states for strategy in ("volatile", "map_sync") for row in
             synthetic.pair(strategy, state=state, kernel="mine")]
    mine = synthetic.save(synthetic.document(cheap), "mine")
    done = run("report", "--before", base, "--after", mine, "--text")
    assert ("C1 hole, in order, 4 KiB, 1 thread 6.1=mine ext4: holds here -> does not hold here"
            in " ".join(done.stdout.split()))


def test_report_into_a_place_that_is_no_folder(one):
    done = run("report", one, "--out", os.path.join(one, "result.json"))
    assert done.returncode == 2 and "cannot be written to" in done.stderr and done.stderr.count("\n") == 1


def test_identical(synthetic, one):
    assert run("identical", one, one).stdout == "2 of 2 rows have identical figures\n"
    off, on = synthetic.pair()
    on["probe"]["fault"]["sum"] += 1
    other = synthetic.save(synthetic.document([off, on, synthetic.row("map_sync")]))
    done = run("identical", one, other)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "1 of 2 rows have identical figures"
    assert lines[1] == ("6.1/ext4/volatile/first_touch/written/pte/t1/on: probe.fault.sum: "
                        f"{on['probe']['fault']['sum'] - 1} and {on['probe']['fault']['sum']}")
    assert lines[2] == f"not compared: 1 row is only in {other}"
    data = json.loads(run("identical", one, other, "--json").stdout)
    assert (data["compared"], data["identical"], data["share"], data["differences"][0]["field"]) == (
        2, 1, 0.5, "probe.fault.sum")


def test_identical_says_why_first_and_a_line_a_row(synthetic, one):
    off, on = synthetic.pair()
    on.update(per_page=on["per_page"] + 1, faults=7, syncs=9)
    other = synthetic.save(synthetic.document([off, on], qemu={"version": "9.0", "binary_sha256": "a" * 64, "arguments": {}}))
    lines = run("identical", one, other).stdout.splitlines()
    assert lines[1].startswith("the environments differ in qemu.") and lines[-1].endswith("per_page: 5647 and 5648; 2 more of its figures")
    assert sum("/on: " in line for line in lines) == 1
    lines = run("identical", one, other, "--all").stdout.splitlines()
    assert sum("/on: " in line for line in lines) == 3 and "more of its" not in "".join(lines)


def test_identical_compares_each_seed(synthetic):
    rows = synthetic.samples([synthetic.row()], [1, 1, 1])
    one = synthetic.save(synthetic.document(rows))
    assert run("identical", one, one).stdout == "3 of 3 rows have identical figures\n"
    other = synthetic.save(synthetic.document([*rows[:2], {**rows[2], "faults": 7}]))
    done = run("identical", one, other)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1] == ("6.1/ext4/volatile/first_touch/written/pte/t1/off seed 2 repetition 2: "
                                           "faults: 2048 and 7")


def test_identical_without_a_common_ok_cell_is_exit_2(synthetic, one):
    other = synthetic.save(synthetic.document([synthetic.row("map_sync")]))
    failed = synthetic.save(synthetic.document([synthetic.skip(row, "hung", "failed") for row in synthetic.pair()]))
    empty = synthetic.save(synthetic.document([]))
    for b in (other, failed, empty):
        done = run("identical", one, b)
        assert done.returncode == 2 and "nothing to compare" in done.stderr
    assert run("identical", empty, empty).returncode == 2


def test_identical_lists_a_status_that_changed(synthetic, one):
    off, on = synthetic.pair()
    other = synthetic.save(synthetic.document([off, synthetic.skip(on, "3 dropped", "incomplete")]))
    done = run("identical", one, other)
    assert done.returncode == 1 and '/on: status: "ok" and "incomplete"' in done.stdout


@pytest.fixture
def seeds(synthetic):
    """function(factor) -> folder of a result of five seeds whose costs differ by the factor."""
    def made(factor=1.0, count=5):
        return synthetic.save(synthetic.document(synthetic.samples(synthetic.pair(), [factor] * count)))
    return made


def test_compare(seeds):
    a, b = seeds(), seeds(1.01)
    done = run("compare", a, b)
    assert done.returncode == 0 and done.stderr == ""
    assert "volatile  written  5150  5202  +1.000  [+1.000, +1.000]  regression" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    data = json.loads(run("compare", a, b, "--json", "--metric", "per_page,tax").stdout)
    assert {row["metric"]: row["verdict"] for row in data["rows"]} == {"per_page": "regression", "tax": "same"}
    assert run("compare", a, b, "--ktap").stdout.startswith("KTAP version 1\n1..2\nnot ok 1 ")
    assert "not shown: 1" in run("compare", a, a, "--changed").stdout
    assert "not shown: 2" in run("compare", a, a, "--changed", "--all").stdout
    assert len(json.loads(run("compare", a, a, "--metric", "all", "--json").stdout)["metrics"]) == 8
    assert "no metric 'speed'" in run("compare", a, b, "--metric", "speed").stderr
    assert "--floor: no metric 'speed'" in run("compare", a, b, "--floor", "speed=3").stderr
    assert "same" in run("compare", a, b, "--floor", "per_page=2", "--metric", "per_page").stdout


def test_compare_without_anything_in_common_is_exit_2(synthetic, seeds):
    other = synthetic.save(synthetic.document([synthetic.row("map_sync")]))
    done = run("compare", seeds(), other)
    assert done.returncode == 2 and "have no figure in common: nothing to compare" in done.stderr
    assert "only in A" in done.stdout


def test_compare_for_google_benchmark(seeds, tmp_path):
    done = run("compare", seeds(), seeds(1.5), "--benchmark-json", str(tmp_path / "gb"))
    assert done.returncode == 0
    assert done.stdout.splitlines() == [str(tmp_path / "gb" / name) for name in ("a.json", "b.json")]
    assert len(json.loads((tmp_path / "gb" / "b.json").read_text())["benchmarks"]) == 10
    full = run("compare", seeds(), seeds(), "--benchmark-json", "/dev/null/x")
    assert full.returncode == 2 and "cannot be written to" in full.stderr


def test_gate_by_path_and_by_name(synthetic, seeds, tmp_path):
    a = seeds()
    assert run("baseline", "save", "main", a).returncode == 0
    assert run("baseline", "list").stdout.split() == ["main", str(tmp_path / "cache/baselines/main")]
    assert json.loads(run("baseline", "show", "main", "--json").stdout)["samples"] == 5
    assert "seeds: 0, 1, 2, 3, 4" in run("baseline", "show", "main").stdout
    for baseline in ("main", a, os.path.join(a, "result.json")):
        assert run("gate", "--baseline", baseline, seeds()).returncode == 0
        worse = run("gate", "--baseline", baseline, seeds(1.01))
        assert worse.returncode == 1 and worse.stdout.startswith("REGRESSION: 6.1/ext4/volatile/")
        assert run("gate", "--baseline", baseline, seeds(1.01, 1)).returncode == 2
    assert run("gate", "--baseline", "main", seeds(1.2, 1), "--single", "10").returncode == 1
    assert run("gate", "--baseline", "main", seeds(1.01), "--floor", "2").returncode == 0
    assert run("gate", "--baseline", "main", seeds(), "--cell", "*xfs*").returncode == 2
    data = json.loads(run("gate", "--baseline", "main", seeds(1.01), "--json").stdout)
    assert (data["exit"], len(data["regressions"]), len(data["comparison"]["rows"])) == (1, 2, 2)
    part = synthetic.save(synthetic.document(synthetic.samples(synthetic.pair(), [1] * 5), complete=False,
                                             reason="interrupted"))
    assert run("gate", "--baseline", "main", part).returncode == 2
    assert run("baseline", "save", "part", part).returncode == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", "{\"context\": {}}", "\x00" * 100, "[" * 5000])
def test_a_gate_never_passes_a_damaged_file(seeds, synthetic, damage):
    bad = synthetic.save(damage)
    for a, b in ((seeds(), bad), (bad, seeds()), (bad, bad)):
        done = run("gate", "--baseline", a, b)
        assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


def test_figures_at_the_ends_of_what_is_allowed(synthetic, tmp_path):
    context = synthetic.context()
    paths = []
    for index, cost in enumerate((1e-99, 1e100, 1e-300)):
        context["kernels"]["6.1"]["boot"] = {"ext4": {"ready": 10**400}, "xfs": {"ready": "soon"}, "ext4-fc": 3}
        rows = synthetic.samples([synthetic.row(per_page=cost, per_fault=cost)], [1] * 5)
        paths.append(synthetic.save({"context": context, "benchmarks": rows}, f"end{index}"))
    path = str(tmp_path / "h")
    little, much, least = paths
    assert run("gate", "--baseline", least, much).returncode == 2
    for words, code in ((("compare", little, much, "--metric", "all"), 0), (("gate", "--baseline", little, much), 1),
                        (("gate", "--baseline", much, little), 0), (("compare", little, much, "--json"), 0),
                        (("history", "add", *paths, "--file", path), 0), (("trend", *paths), 0)):
        done = run(*words)
        assert (done.returncode, done.stderr) == (code, ""), done.stderr


def test_explain(synthetic, seeds):
    done = run("explain", seeds(), seeds(1.01))
    assert done.returncode == 2 and "no phases in" in done.stdout
    assert run("explain", seeds(), seeds()).returncode == 0

    def with_phases(factor):
        rows = synthetic.samples(synthetic.pair(), [factor] * 5)
        for row in rows:
            row["phases"] = synthetic.phases(map=1000 * factor) if row["probes"] == "on" else None
        return synthetic.save(synthetic.document(rows))

    done = run("explain", with_phases(1), with_phases(1.5))
    assert done.returncode == 0 and "map    1000  1500  +500" in done.stdout
    data = json.loads(run("explain", with_phases(1), with_phases(1.5), "--json").stdout)
    assert data["cells"][0]["phases"][0]["difference"] == 500


def test_mail(seeds, one, tmp_path):
    a, b = seeds(), seeds(1.5)
    done = run("compare", a, b, "--mail", "--metric", "per_page", "--floor", "0.2")
    assert done.returncode == 0 and "+50.0  regression" in done.stdout and "floor 0.2 %" in done.stdout
    assert run("compare", a, b, "--mail", "--json").returncode == 2
    done = run("report", one, "--mail")
    assert done.returncode == 0 and done.stdout.startswith("faultline report: 6.1.0-synthetic (6.1)\n") and os.listdir(one) == ["result.json"]
    done = run("report", one, "--mail", "--out", str(tmp_path / "page"))
    assert (tmp_path / "page/report.html").exists() and "report.html" not in done.stdout


def test_rm_says_what_it_removes(seeds, tmp_path):
    for name in ("v1", "v2"):
        assert run("baseline", "save", name, seeds()).returncode == 0
    done = run("baseline", "rm", "v2.3")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "faultline: no baseline 'v2.3'; did you mean v2\n")
    assert run("baseline", "rm", "v1").stdout == f"removed: {tmp_path}/cache/baselines/v1\n"
    assert json.loads(run("baseline", "rm", "v2", "--json").stdout) == {"removed": [f"{tmp_path}/cache/baselines/v2"]}
    assert run("history", "add", seeds(), seeds(1.01), seeds(1.02), "--label", "abc").returncode == 0
    for words in ((), ("1", "--label", "abc")):
        done = run("history", "rm", *words)
        assert done.returncode == 2 and done.stdout == "" and "either the numbers of results or --label" in done.stderr
    listed = run("history", "list").stdout.splitlines()
    assert run("history", "rm", "1").stdout.splitlines() == ["removed:", *listed[:2]]
    assert run("history", "list").stdout.splitlines() == listed[2:]
    assert [one["id"] for one in json.loads(run("history", "rm", "--label", "abc", "--json").stdout)["removed"]] == [2, 3]


def test_history_and_trend(seeds, tmp_path):
    path = str(tmp_path / "h.sqlite")
    added = run("history", "add", seeds(), seeds(1.01), "--label", "abc", "--file", path)
    assert added.returncode == 0 and [line.split()[-1] for line in added.stdout.splitlines()] == ["1", "2"]
    assert run("history", "list", "--file", path).stdout.count("abc") == 2
    assert "per_page 5202 (5)" in run("history", "show", "2", "--file", path).stdout
    assert json.loads(run("history", "show", "1", "--file", path, "--json").stdout)["id"] == 1
    assert run("history", "show", "3", "--file", path).returncode == 2
    text = run("history", "export", "-", "--metric", "per_page", "--file", path).stdout
    assert text.splitlines()[1].endswith(",abc,r1,6.1=6.1.0-synthetic,5150.0")
    exported = run("history", "export", str(tmp_path / "x.csv"), "--metric", "per_page", "--file", path)
    assert (exported.returncode, exported.stdout) == (0, f"2 results: {tmp_path / 'x.csv'}\n")
    assert (tmp_path / "x.csv").read_text() == text
    assert run("history", "add", seeds()).returncode == 0 and (tmp_path / "cache/history.sqlite").exists()
    done = run("trend", "--history", path, "--out", str(tmp_path / "png"))
    assert done.returncode == 0 and done.stdout.endswith("trend-first-touch-pte-t1-per-page.png\n")
    assert json.loads(run("trend", seeds(), "--json").stdout)["rows"][0]["figures"] == [5150]
    assert json.loads(run("trend", "--history", "--json").stdout)["kernels"] == ["6.1.0-synthetic"]
    for words in (("trend",), ("trend", seeds(), "--history"), ("trend", "--history", path, "--wall")):
        done = run(*words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_check(synthetic, one):
    done = run("check", one)
    assert done.returncode == 0 and "2 pass, 0 FAIL, 13 not measured" in done.stdout
    assert "not measured: map-sync-hole" in done.stdout and "needs: map_sync and volatile, hole" in done.stdout
    bad = synthetic.save(synthetic.document([synthetic.row(faults=2047)]))
    done = run("check", bad)
    assert done.returncode == 1 and "FAIL: faults-are-touches" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    data = json.loads(run("check", bad, "--json").stdout)
    assert data["counts"] == {"pass": 1, "FAIL": 1, "not measured": 13}
    starved = run("check", synthetic.save(synthetic.document([])))
    assert starved.returncode == 2 and "0 pass, 0 FAIL, 15 not measured" in starved.stdout


def test_check_says_that_the_run_is_incomplete(synthetic):
    part = synthetic.save(synthetic.document([synthetic.row()], complete=False, reason="interrupted"))
    assert "the run is INCOMPLETE: interrupted" in run("check", part).stdout


def test_a_reader_that_leaves_early(one):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([sys.executable, SCRIPT, "table", one], stdout=writer, stderr=subprocess.PIPE, text=True,
                              check=False)
    finally:
        os.close(writer)
    assert done.returncode == 141 and done.stderr == ""


@pytest.mark.skipif(not pathlib.Path("/dev/full").is_char_device(), reason="/dev/full is no device here")
def test_no_space_on_stdout(one):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, SCRIPT, "table", one], stdout=full, stderr=subprocess.PIPE, text=True,
                              check=False)
    assert done.returncode == 2 and done.stderr == "faultline: no space left to write to: free some and try again\n"


def test_control_c(tmp_path):
    fifo = tmp_path / "result.json"  # a result that never comes
    os.mkfifo(fifo)
    # A CI job may run with SIGINT ignored, which a child inherits.
    child = subprocess.Popen([sys.executable, SCRIPT, "table", str(tmp_path)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    writer = None
    try:
        for _ in range(600):
            try:
                writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)  # works once the child reads
                break
            except OSError:
                time.sleep(0.05)
        assert writer is not None
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    finally:
        child.kill()
        if writer is not None:
            os.close(writer)
    assert (child.returncode, out, err) == (130, "", "")


def test_a_defect_is_one_line_unless_debugging(one, monkeypatch, capsys):
    import table

    def defect(_):
        raise KeyError("what\nnow")

    monkeypatch.setattr(table, "build", defect)
    monkeypatch.delenv("FAULTLINE_DEBUG", raising=False)
    assert faultline_report.main(["table", one]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "KeyError" in error and "FAULTLINE_DEBUG=1" in error
    monkeypatch.setenv("FAULTLINE_DEBUG", "1")
    with pytest.raises(KeyError):
        faultline_report.main(["table", one])


def test_a_locale_without_the_letter(synthetic):
    odd = synthetic.save(synthetic.document([synthetic.row(kernel="größer-日本")]))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run("table", odd, env=environment, python=())
    assert done.returncode == 0 and "gr\\xf6\\xdfer" in done.stdout


def foreign_module(folder, text):
    """A folder with a json.py of somebody else's."""
    folder.mkdir()
    (folder / "json.py").write_text(text, encoding="utf-8")
    return str(folder)


ENVIRONMENTS = [{"PYTHONHOME": "/x"}, {"PYTHONSAFEPATH": "1"}, {"PYTHONIOENCODING": "bogus"}, {"PYTHONOPTIMIZE": "2"},
                {"PYTHONPATH": "FOREIGN"}, {"PYTHONUSERBASE": "FOREIGN"}, {"PYTHONMALLOC": "bogus"},
                {"PYTHONHASHSEED": "bogus"}, {"PYTHONWARNINGS": "error"}, {"PYTHONINSPECT": "1"}]


@pytest.mark.parametrize("changes", ENVIRONMENTS, ids=lambda changes: next(iter(changes)))
def test_what_is_set_for_other_programs_in_python_changes_nothing(one, tmp_path, changes):
    folder = foreign_module(tmp_path / "foreign", "raise RuntimeError('foreign')")
    changes = {name: value.replace("FOREIGN", folder) for name, value in changes.items()}
    done = run("gate", "--baseline", one, one, env={**os.environ, **changes})
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("floor 0 %: one build\ngate: pass; 2 figures against ")


def test_without_isolation_it_finds_its_modules(one):
    done = run("gate", "--baseline", one, one, python=(), env={**os.environ, "PYTHONSAFEPATH": "1"})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_nowhere(one, closed):
    for verb in (("gate", "--baseline", one, one), ("table", one, "--json")):
        done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-I", SCRIPT, *verb], capture_output=True,
                              text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert bool(done.stdout) == (">&-" not in closed.replace("2>&-", ""))


def test_a_verdict_has_the_exit_code_that_the_command_asks_for(synthetic, one):
    """Python ends in 1 where it cannot start: the command has a failed verdict told by another code."""
    other = synthetic.save(synthetic.document(synthetic.pair(per_page=9000)), "other")
    for asked, code in (((), 1), (("-X", "failed=101"), 101)):
        assert run("gate", "--baseline", one, other, "--single", "1", python=("-I", *asked)).returncode == code
        assert run("gate", "--baseline", one, one, python=("-I", *asked)).returncode == 0
        assert run("gate", "--baseline", one, python=("-I", *asked)).returncode == 2


def test_a_module_that_is_missing_is_named(one, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    monkeypatch.setitem(sys.modules, "fastjsonschema", None)
    import schema
    schema._is_valid.cache_clear()
    schema._validator.cache_clear()
    assert faultline_report.main(["table", one]) == 2
    schema._is_valid.cache_clear()
    assert capsys.readouterr().err == (f"faultline: {sys.executable} has no module jsonschema: install package "
                                       "python3-jsonschema (in a source tree, `make deps` does)\n")


needs_command = pytest.mark.skipif(not os.path.exists(COMMAND), reason="the command is not built")


def command(*arguments, **kwargs):
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False, **kwargs)


@needs_command
@pytest.mark.parametrize("changes", ENVIRONMENTS, ids=lambda changes: next(iter(changes)))
def test_the_command_has_a_python_of_its_own(one, tmp_path, changes):
    folder = foreign_module(tmp_path / "foreign", "raise RuntimeError('foreign')")
    changes = {name: value.replace("FOREIGN", folder) for name, value in changes.items()}
    done = command("gate", "--baseline", one, one, env={**os.environ, **changes})
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("floor 0 %: one build\ngate: pass; 2 figures against ")


@needs_command
def test_a_python_that_cannot_start_is_no_verdict(synthetic, one, tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)  # Python refuses to start with a folder as its standard input
    try:
        done = command("gate", "--baseline", one, one, stdin=folder)
    finally:
        os.close(folder)
    assert done.returncode == 2
    assert done.stderr.endswith("faultline: /usr/bin/python3 ended before it had an answer\n")
    other = synthetic.save(synthetic.document(synthetic.pair(per_page=9000)), "other")
    assert command("gate", "--baseline", one, other, "--single", "1").returncode == 1
    assert command("gate", "--baseline", one).returncode == 2
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", COMMAND, "gate", "--baseline", one, one], check=False)
    assert closed.returncode == 0


SETTINGS = "text.usetex: True\nsavefig.bbox: tight\nfont.size: 30\nlines.linewidth: 9\nno.such.key: 1\n"


def test_a_page_is_the_same_whatever_the_user_has_set(one, tmp_path):
    """Settings of matplotlib in all places that it looks for, a backend that is none, modules that raise on import."""
    def page(where, changes):
        where.mkdir(exist_ok=True)
        done = run("report", one, "--out", str(tmp_path / "out"), cwd=where,
                   env={**os.environ, "HOME": str(tmp_path / "home"), **changes})
        assert (done.returncode, done.stderr) == (0, "")
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    plain = page(tmp_path / "plain", {})
    assert len(plain) == 5
    for place in ("cwd/matplotlibrc", "home/.config/matplotlib/matplotlibrc", "config/matplotlib/matplotlibrc",
                  "mpl/matplotlibrc", "named"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SETTINGS, encoding="utf-8")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = tmp_path / "home" / ".local" / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    for name in ("numpy", "matplotlib", "jinja2", "fastjsonschema"):
        (site / f"{name}.py").write_text("raise ImportError('not for this numpy')", encoding="utf-8")
    for changes in ({}, {"XDG_CONFIG_HOME": str(tmp_path / "config")}, {"MPLCONFIGDIR": str(tmp_path / "mpl")},
                    {"MATPLOTLIBRC": str(tmp_path / "named"), "MPLBACKEND": "bogus",
                     "FREETYPE_PROPERTIES": "truetype:interpreter-version=35"}):
        assert page(tmp_path / "cwd", changes) == plain


def test_fonts_are_those_that_came_with_matplotlib():
    from plot import matplotlib
    from matplotlib import font_manager
    assert matplotlib.get_backend().lower() == "agg"
    folder = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "")
    assert any(font.fname == folder + "DejaVuSans.ttf" for font in font_manager.fontManager.ttflist)
    assert all(font.fname.startswith(folder) for font in font_manager.fontManager.ttflist)
