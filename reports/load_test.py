# SPDX-License-Identifier: GPL-2.0-only
"""What load accepts, what it refuses, and with which words."""

import copy
import json
import os

import pytest

import compare
import conftest
import explain
import load
import metrics
import trend

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "testdata", "example", "phases.json")


def refused(path):
    with pytest.raises(load.ReportError) as caught:
        load.load(path)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_full_matrix_has_every_row(full):
    assert len(full.rows) == 3 * 14 * 3 * 2 + 3 * 2 * 2 + 3 * 2
    assert full.context["time_domain"] == "virtual"
    assert full.notes == []


def test_reads_the_folder_or_the_file(synthetic):
    folder = synthetic.save(synthetic.document([synthetic.row()]))
    by_file = load.load(os.path.join(folder, "result.json"))
    assert load.load(folder).rows == by_file.rows
    assert list(by_file.rows) == ["6.1/ext4/volatile/first_touch/written/pte/t1/off"]


def test_later_fields_are_allowed_in_the_context_alone(synthetic):
    document = synthetic.document([synthetic.row()], new_field={"a": 1})
    assert load.load(synthetic.save(document)).context["new_field"] == {"a": 1}
    document = synthetic.document([synthetic.row(new_field=[1])])
    assert refused(synthetic.save(document)).endswith(
        ": has fields that this faultline does not know: $.benchmarks[0]: 'new_field': a later one wrote it (version 0.1, "
        "revision 0123456789abcdef), or the file is damaged: update faultline, or run the measurement again")
    document = synthetic.document([synthetic.row(), synthetic.row("map_sync", **{f"f{n}": n for n in range(9)})])
    assert "$.benchmarks[1]: 'f0', 'f1', 'f2', 'f3', 'f4' and more: a later one" in refused(synthetic.save(document))
    # within an object of a row as well
    row = synthetic.row()
    row["losses"]["stolen"] = 0
    assert "know: $.benchmarks[0].losses: 'stolen': a later one" in refused(synthetic.save(synthetic.document([row])))
    # one that is wrong besides is what it was
    assert "$.benchmarks[0].touches: 'x' is not" in refused(synthetic.save(synthetic.document([synthetic.row(touches="x")])))


def test_missing_things(synthetic, tmp_path):
    assert "no such file or folder" in refused(str(tmp_path / "nothing"))
    assert "no result.json in this folder" in refused(str(tmp_path))
    odd = tmp_path / "odd"
    (odd / "result.json").mkdir(parents=True)
    assert "cannot be read" in refused(str(odd))


@pytest.mark.parametrize("content, expected", [
    ("", "empty"),
    (" \n\n", "empty"),
    ("hello, world", "is not JSON: name a folder"),
    (b"\xff\xfe\x00garbage", "is not JSON: name a folder"),
    ("[" * 100000, "is not JSON"),
    ("{\"context\": 1" + "0" * 5000 + "}", "is not JSON"),
    ("{\"a\": 1} trailing", "is not JSON from line 1 column 10"),
    ("{\"a\": 1, \"a\": 2}", "the key 'a' is there twice"),
    ("{\"a\": NaN}", "holds NaN"),
    ("{\"a\": -Infinity}", "holds -Infinity"),
    ("{\"a\": 1e999}", "holds 1e999"),
    ("[]", "not a result of faultline"),
    ("{}", "not a result of faultline"),
    ("3", "is not JSON: name a folder|not a result of faultline"),
    ("{\"context\": {\"date\": \"\"}, \"benchmarks\": []}", "not a result of faultline"),
])
def test_garbage(synthetic, content, expected):
    message = refused(synthetic.save(content))
    assert any(words in message for words in expected.split("|")), message


def test_every_truncation_is_one_line(synthetic):
    text = json.dumps(synthetic.document([synthetic.row(), synthetic.row(probes="on")]), indent=1)
    for index, end in enumerate(range(1, len(text) - 1, 97)):
        message = refused(synthetic.save(text[:end], f"cut{index}"))
        assert "ends too early" in message or "is not JSON" in message


def test_cut_inside_a_text_says_so(synthetic):
    assert "ends too early" in refused(synthetic.save("{\"context\": {\"date\": \"2020-"))


def test_newer_version_says_both_versions(synthetic):
    message = refused(synthetic.save(synthetic.document([], schema_version=7)))
    assert "schema version 7" in message and "reads up to 1" in message and "update faultline" in message


def change(document, path, value):
    """The document with one field replaced, or removed when value is `...`."""
    document = copy.deepcopy(document)
    at = document
    for part in path[:-1]:
        at = at[part]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return document


ROW = ("benchmarks", 0)


@pytest.mark.parametrize("path, value", [
    (("benchmarks",), ...),
    (("benchmarks",), {}),
    (("context", "kernels"), ...),
    (("context", "kernels", "6.1", "release"), None),
    (("context", "complete"), "yes"),
    (("context", "complete"), False),  # without a reason
    (("context", "unit"), "ns"),  # virtual
    (("context", "accel"), "kvm"),
    (("context", "qemu", "arguments"), []),
    (("context", "schema_version"), "1"),
    ((*ROW, "status"), "fine"),
    ((*ROW, "status"), "failed"),  # without a reason
    ((*ROW, "reason"), "why"),  # ok with a reason
    ((*ROW, "per_fault"), None),
    ((*ROW, "per_page"), "17"),
    ((*ROW, "per_page"), -1),
    ((*ROW, "touches"), -1),
    ((*ROW, "faults"), 1.5),
    ((*ROW, "faults"), True),
    ((*ROW, "loop_cost"), ...),
    ((*ROW, "writes_per_sync"), 0),
    ((*ROW, "writes_per_sync"), "some"),
    ((*ROW, "state"), "gone"),
    ((*ROW, "strategy"), "<b>"),
    ((*ROW, "order"), "pud"),
    ((*ROW, "threads"), 0),
    ((*ROW, "vcpus"), 0),
    ((*ROW, "losses", "dropped"), -1),
    ((*ROW, "losses", "dropped"), 1),  # a loss makes the row incomplete
    ((*ROW, "losses", "slots"), ...),
    ((*ROW, "probe", "fault", "histogram", 0), [1, 2]),
    ((*ROW, "probe", "fault", "histogram", 0), [1, 2, -3]),
    ((*ROW, "probe", "fault", "histogram", 0), [1, 2, 0]),
    ((*ROW, "probe", "fault", "means"), "guess"),
    ((*ROW, "probe"), None),  # an ok row with probes
    ((*ROW, "syncs"), None),
    ((*ROW, "tax"), ...),
    ((*ROW, "per_page"), 1e200),
    ((*ROW, "per_fault"), 10**400),
    ((*ROW, "seed"), 2**63),
    ((*ROW, "repetition_index"), 2**63),
    ((*ROW, "phases"), [{"id": "sync", "mean": 1, "marks_cost": 0, "tax": 0, "net": 10**400}]),
    ((*ROW, "phases"), {}),
    ((*ROW, "phases"), [{"net": 3}]),
    ((*ROW, "phases"), [{"id": "<b>", "mean": 1, "marks_cost": 0, "tax": 0, "net": 3}]),
    ((*ROW, "phases"), [{"id": "sync", "mean": 1, "marks_cost": 0, "tax": 0, "net": "3"}]),
    ((*ROW, "time_domain"), "wall"),
])
def test_schema_violations_name_the_place(synthetic, path, value):
    good = synthetic.document([synthetic.row(probes="on")])
    load.load(synthetic.save(good, "good"))
    message = refused(synthetic.save(change(good, path, value), "bad"))
    assert "$: " in message if path == ("benchmarks",) and value is ... else "$." in message
    assert "not what docs/result-format.md says" in message


def test_the_first_violation_is_named_by_its_path(synthetic):
    document = synthetic.document([synthetic.row(), synthetic.row(probes="on", faults=-3, touches="x")])
    assert "$.benchmarks[1].faults: -3 is less than the minimum of 0" in refused(synthetic.save(document))


@pytest.mark.parametrize("key", ["syncs", "commits", "fast_commits", "fallbacks", "p50", "max", "probe", "tax"])
def test_a_row_without_probes_counts_nothing(synthetic, key):
    row = synthetic.row(**{key: {} if key == "probe" else 3})
    assert f"$.benchmarks[0].{key}" in refused(synthetic.save(synthetic.document([row])))


CONTEST_FIELDS = ("touch", "attackers", "setting", "period_us", "starved", "slowdown", "slowdown_p50", "progress_max",
                  "attack_rate", "refused", "reference", "scan")


def test_contests_and_rows_with_and_without_their_fields(synthetic):
    rows = [synthetic.contest(), synthetic.contest("sync_retry"), synthetic.refused(),
            synthetic.contest(touch="none", attackers=0), synthetic.contest(touch="mmap", workload="bystander"),
            synthetic.skip(synthetic.contest(setting="concurrent")), synthetic.row(),
            synthetic.row("map_sync", **dict.fromkeys(CONTEST_FIELDS))]
    assert list(synthetic.load(rows).rows)[::4] == [
        "6.1/ext4/map_sync/dos/written/pte/t1/utimens/a1/deterministic/off",
        "6.1/ext4/map_sync/bystander/written/pte/t1/mmap/a1/deterministic/off"]


@pytest.mark.parametrize("path, value", [
    (("touch",), None), (("touch",), ...), (("touch",), "Touch"), (("touch",), "none"), (("attackers",), 0),
    (("attackers",), None), (("setting",), "quiet"), (("setting",), None), (("period_us",), 0), (("period_us",), "5"),
    (("starved",), 1), (("starved",), None), (("starved", "of"), 0), (("starved", "n"), ...), (("slowdown",), None),
    (("slowdown",), -1), (("slowdown_p50",), ...), (("progress_max",), None), (("attack_rate",), "much"),
    (("refused",), None), (("refused", "error"), "no"), (("refused", "error"), ...), (("reference", "each"), None),
    (("reference",), ...), (("scan",), []), (("scan",), None), (("scan", 0, "starved"), 1),
    (("scan", 0, "kernel_faults"), ...), (("scan", 0, "kernel_faults"), 1.5), (("scan", 1, "slowdown"), None),
    (("workload",), "first_touch"), (("probes",), "on"), (("module",), ...), (("commits",), 1)])
def test_schema_violations_of_a_contest(synthetic, path, value):
    good = synthetic.document([synthetic.contest("sync_retry")])
    load.load(synthetic.save(good, "good"))
    assert "$.benchmarks[0]" in refused(synthetic.save(change(good, (*ROW, *path), value), "bad"))


@pytest.mark.parametrize("key", CONTEST_FIELDS[1:])
def test_a_row_that_is_no_contest_has_none_of_its_fields(synthetic, key):
    row = synthetic.row(**{key: synthetic.contest()[key]})
    assert f"$.benchmarks[0].{key}" in refused(synthetic.save(synthetic.document([row])))


@pytest.mark.parametrize("workload", ["dos", "bystander"])
def test_a_contest_without_its_fields_is_no_ordinary_row(synthetic, workload):
    document = synthetic.document([synthetic.row(workload=workload)])
    assert "$.benchmarks[0].touch: None is not of type 'string'" in refused(synthetic.save(document))


@pytest.mark.parametrize("key, value", [
    ("touch", "chmod"), ("attackers", 2), ("setting", "concurrent"), ("fault_deadline_ms", 200)])
def test_the_name_of_a_contest_says_who_touches(synthetic, key, value):
    rows = [synthetic.contest(), {**synthetic.contest(), key: value, "seed": 2}]
    assert f"has another {key} than a row before it of the same cell" in refused(synthetic.save(synthetic.document(rows)))


def test_duplicate_rows_are_refused(synthetic):
    message = refused(synthetic.save(synthetic.document([synthetic.row(), synthetic.row()])))
    assert "'6.1/ext4/volatile/first_touch/written/pte/t1/off' is there twice (seed 1, repetition 0)" in message


def test_seeds_of_one_cell(synthetic):
    name = "6.1/ext4/volatile/first_touch/written/pte/t1/off"
    rows = synthetic.samples(synthetic.pair(), [1.3, 1.0, 1.2, 1.1, 1.4])
    result = synthetic.load(rows[::-1])
    assert [row["seed"] for row in result.samples[name]] == [0, 1, 2, 3, 4]
    # the median stands for the cell, and its twin is of the same seed
    assert [(row["seed"], row["probes"]) for row in result.rows.values()] == [(2, "on"), (2, "off")]
    assert result.rows[name]["per_page"] == pytest.approx(5150 * 1.2)
    assert list(result.every)[5:7] == [name, name + " seed 1 repetition 1"] and len(result.every) == 10
    even = synthetic.load(synthetic.samples([synthetic.row()], [1.3, 1.0, 1.2, 1.1]))
    assert even.rows[name]["seed"] == 3  # the lower of the two in the middle


def test_the_twin_decides_which_sample_stands_for_the_cell(synthetic):
    off = synthetic.samples([synthetic.row()], [1.0, 1.1, 1.2])
    on = synthetic.samples([synthetic.row(probes="on")], [1.5, 1.1, 1.2])
    for rows in (off + on, on + off):
        assert {row["seed"] for row in synthetic.load(rows).rows.values()} == {1}


def test_a_seed_that_is_not_ok_stands_for_the_cell(synthetic):
    rows = synthetic.samples([synthetic.row()], [1, 2, 3])
    rows[2] = synthetic.skip(rows[2], "lost", "incomplete")
    assert [row["reason"] for row in synthetic.load(rows).rows.values()] == ["lost"]


def test_a_seed_may_be_there_once(synthetic):
    rows = synthetic.samples([synthetic.row()], [1, 1])
    for changes in ({"seed": 0}, {"seed": 0, "repetition_index": 0}):
        message = refused(synthetic.save(synthetic.document([rows[0], {**rows[1], **changes}])))
        assert "is there twice (seed 0" in message
    # wall time is repeated with one seed
    wall = synthetic.wall_result(synthetic.samples([synthetic.row()], [1, 1, 1], repetitions=True))
    assert [len(rows) for rows in wall.samples.values()] == [3]


def test_merging_results_of_other_seeds(synthetic):
    rows = synthetic.samples([synthetic.row()], [1, 1.1, 1.2])
    merged = load.load_all([synthetic.save(synthetic.document(part)) for part in (rows[:2], rows[1:])])
    assert [[row["seed"] for row in rows] for rows in merged.samples.values()] == [[0, 1, 2]]
    other = {**rows[1], "per_page": 7}
    with pytest.raises(load.ReportError, match="with different figures"):
        load.load_all([synthetic.save(synthetic.document(part)) for part in (rows[:2], [other])])


def test_a_name_that_its_fields_deny_is_refused(synthetic):
    off, on = synthetic.pair("fsync", 8)
    for pair in ([off, {**on, "writes_per_sync": 64}], [{**off, "writes_per_sync": 64}, on]):
        assert "benchmarks[1], '6.1/ext4/fsync:8/first_touch/written/pte/t1/on', has another writes_per_sync" in refused(
            synthetic.save(synthetic.document(pair)))
    cell = "6.1/ext4/fsync:64/first_touch/written/pte/t1"
    renamed = {**on, "name": f"{cell}/on", "cell": cell}
    assert "has the same fields as a row before it of the cell '6.1/ext4/fsync:8/first_touch/written/pte/t1'" in refused(
        synthetic.save(synthetic.document([off, renamed])))
    assert "is not named after its probes, 'on'" in refused(synthetic.save(synthetic.document([{**on, "name": off["name"]}])))
    assert f"says that its cell is {cell!r}" in refused(synthetic.save(synthetic.document([{**off, "cell": cell}])))


def of_kernel(kernel, factor=1):
    """Real rows as scripts of others make them of another kernel: `cell` is not known to them."""
    with open(EXAMPLE, encoding="utf-8") as file:
        document = json.load(file)
    [(old, about)] = document["context"]["kernels"].items()
    document["context"]["kernels"] = {kernel: about}
    for row in document["benchmarks"]:
        row.update(cell=load.cell_of(row), kernel=kernel)
        for key in ("name", "run_name"):
            row[key] = row[key].replace(old + "/", kernel + "/", 1)
        for key in ("per_fault", "per_page"):
            row[key] *= factor
    return document


@pytest.fixture
def renamed(synthetic):
    """Results of two kernels given by their paths, the second a fifth dearer."""
    return [load.load(synthetic.save(of_kernel(kernel, factor), name))
            for kernel, factor, name in (("./old/bzImage", 1, "p1"), ("./new/bzImage", 1.2, "p2"))]


def test_a_kernel_that_a_script_has_renamed(renamed):
    cell = "ext4/map_sync/first_touch/hole/pte/t1"
    assert f"./old/bzImage/{cell}" in {row["cell"] for row in renamed[0].rows.values()}
    assert len(renamed[0].rows) == 30
    data = compare.compare(*renamed)
    assert data["counts"]["differs"] == len(data["rows"]) == 30 and not data["only_a"] + data["only_b"]
    assert {round(row["percent"], 6) for row in data["rows"]} == {20}
    explained = explain.explain(*renamed, data, f"./*/{cell}")
    assert [one["cell"] for one in explained] == [f"./old/bzImage=./new/bzImage/{cell}"]
    [waits] = [one for one in explained[0]["phases"] if one["phase"] == "commit_wait"]
    assert (round(waits["a"]), round(waits["b"])) == (48281, 48281) and explained[0]["missing"] == []
    chosen = metrics.choose(["per_page"])
    rows = {row["cell"]: row for row in trend.build(trend.points_of_results(renamed, chosen), chosen, None)["rows"]}
    assert len(rows) == 15 and [round(figure) for figure in rows[cell]["figures"]] == [72872, 87446]
    assert rows[cell]["marks"] == ["", "+"]


def test_a_script_that_has_renamed_more_than_the_kernel_is_refused(synthetic):
    document = of_kernel("./bzImage")
    for row in document["benchmarks"]:
        row["cell"] = row["cell"].replace("/pte/", "/pmd/")
    assert "says that its cell is 'bookworm/ext4/volatile/first_touch/hole/pmd/t1'" in refused(synthetic.save(document))
    document = of_kernel("./bzImage")
    row = document["benchmarks"][0]
    row.update(kernel="other", cell=f"other/{load.cell_of(row)}")  # the name does not begin with its kernel
    assert "says that its cell is 'other/./bzImage/ext4/volatile/" in refused(synthetic.save(document))


def without_tables(synthetic, rows):
    """A document as results were before they brought their words."""
    document = synthetic.document([{key: value for key, value in row.items() if key != "cell"} for row in rows])
    del document["context"]["tables"]
    return document


def test_words_of_a_result_are_its_own(synthetic):
    rows = synthetic.pair("mine", None, "written") + synthetic.pair("daxfile", None, "hole", fs="btrfs")
    words = synthetic.load(rows).words
    assert words.ids("strategy")[-2:] == ["daxfile", "mine"]  # what only rows name stands last
    assert words.ids("fs") == ["ext4", "ext4-fc", "xfs", "ext4-nodax", "xfs-nodax", "btrfs"]
    assert words.family("daxfile") == "frozen" and words.family("mine") is None
    assert (words.floor, words.twin) == ("volatile", "off")
    other = synthetic.context()
    other["tables"].update(strategy=[{"id": "bare", "family": "floor"}], probes=[{"id": "none_at_all", "twin": True}])
    result = load.load(synthetic.save({"context": other, "benchmarks": []}))
    assert (result.words.floor, result.words.twin) == ("bare", "none_at_all")


def test_words_of_an_older_result_are_those_of_its_rows(synthetic):
    rows = (synthetic.pair("mine", None, "written") + synthetic.pair("daxfile", None, "hole", fs="btrfs")
            + [synthetic.contest("daxfile", "utimens"), synthetic.contest("daxfile", "append")])
    result = load.load(synthetic.save(without_tables(synthetic, rows)))
    assert result.words.ids("strategy") == ["mine", "daxfile"] and result.words.ids("state") == ["written", "hole"]
    assert result.words.ids("fs") == ["btrfs", "ext4"] and result.words.ids("touch") == ["append", "utimens"]
    assert result.words.about("workload", "dos")["kind"] == "victim" and result.words.family("mine") is None
    assert [row["cell"] for row in result.rows.values()][:2] == ["6.1/ext4/mine/first_touch/written/pte/t1"] * 2


def test_words_of_merged_results_keep_the_order_of_each(synthetic):
    parts = [["volatile", "fsync", "daxfile"], ["fsync", "sync_fault", "daxfile"], ["sync_fault", "sync_retry", "daxfile"]]
    paths = [synthetic.save(without_tables(synthetic, [synthetic.row(name, state=state) for name in part]))
             for part, state in zip(parts, ("hole", "unwritten", "written"))]
    assert load.load_all(paths).words.ids("strategy") == ["volatile", "fsync", "sync_fault", "sync_retry", "daxfile"]
    assert load.load_all(paths[::-1]).words.ids("state") == ["written", "unwritten", "hole"]
    new = synthetic.save(synthetic.document([synthetic.row("map_sync")]))
    assert load.load_all([*paths, new]).words.family("sync_fault") == "sync_fault"
    assert load.load_all([*paths, new]).words.ids("strategy")[:3] == ["volatile", "fsync", "msync"]


@pytest.mark.parametrize("tables", [[], {"strategy": {}}, {"strategy": ["volatile"]}, {"strategy": [{"family": "floor"}]},
                                    {"probes": [{"id": "off", "twin": "yes"}]}, {"axes": [{"id": "fs"}]}])
def test_tables_that_are_none_are_refused(synthetic, tables):
    assert "$.context.tables" in refused(synthetic.save(synthetic.document([], tables=tables)))


def test_a_row_of_the_other_clock_is_refused(synthetic):
    document = synthetic.document([synthetic.row()])
    document["benchmarks"] = synthetic.wall(document)["benchmarks"]
    assert "virtual and wall time are never mixed" in refused(synthetic.save(document))


def test_merging_selections_keeps_all_rows(synthetic):
    a = synthetic.save(synthetic.document(synthetic.pair("volatile")))
    b = synthetic.save(synthetic.document(synthetic.pair("map_sync") + synthetic.pair("volatile")))
    merged = load.load_all([a, b])
    assert len(merged.rows) == 4
    assert merged.notes == [] and [path for path, _ in merged.parts] == [a, b]
    assert merged.context["elapsed_s"] == 83.0


def test_merging_refuses_two_clocks(synthetic):
    document = synthetic.document([synthetic.row()])
    paths = [synthetic.save(document), synthetic.save(synthetic.wall(document))]
    for order in (paths, paths[::-1]):
        with pytest.raises(load.ReportError, match="never mixed") as caught:
            load.load_all(order)
        assert caught.value.exit_code == 2


def test_merging_refuses_a_row_that_differs(synthetic):
    paths = [synthetic.save(synthetic.document([synthetic.row(per_fault=x)])) for x in (5150, 5151)]
    with pytest.raises(load.ReportError, match="with different figures"):
        load.load_all(paths)


def test_merging_says_how_environments_differ(synthetic):
    other = synthetic.context(complete=False, reason="interrupted")
    other["kernels"]["6.1"]["config_sha256"] = "f" * 64
    other["kernels"]["6.12"] = other["kernels"].pop("6.1") | {"release": "6.12.1"}
    other["qemu"]["version"] = "9.0"
    a = synthetic.save(synthetic.document([synthetic.row()]))
    b = synthetic.save({"context": other, "benchmarks": [synthetic.row(kernel="6.12")]})
    merged = load.load_all([a, b])
    assert merged.notes == [f"{a} and {b} differ in qemu.version: their rows are of different environments"]
    assert sorted(merged.context["kernels"]) == ["6.1", "6.12"]
    assert merged.context["complete"] is False and merged.context["reason"] == f"{b}: interrupted"


def test_the_module_is_compared_only_where_both_have_it(synthetic):
    def context(sha256):
        made = synthetic.context()
        if sha256:
            made["kernels"]["6.1"]["module"] = {"sha256": sha256, "compiler": "gcc-12", "image_sha256": "a" * 64}
        return made

    assert load.environment_difference(context(None), context("b" * 64)) == []
    assert load.environment_difference(context("b" * 64), context("b" * 64)) == []
    assert load.environment_difference(context("b" * 64), context("c" * 64)) == ["kernels.6.1.module.sha256"]


def test_nothing_to_load():
    with pytest.raises(load.ReportError, match="no result given"):
        load.load_all([])


def test_plain_takes_the_teeth_out_of_a_string():
    assert load.plain("a\n\x1b[31m\u202eb\ud800") == "a\\n\\x1b[31m\\u202eb\\ud800"
    assert load.plain("größer 日本") == "größer 日本"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_unreadable(synthetic):
    folder = synthetic.save("{}")
    os.chmod(os.path.join(folder, "result.json"), 0)
    assert "cannot be read" in refused(folder)


def test_results_of_the_running_kernel(synthetic, tmp_path):
    document = conftest.to_host(conftest.make_document(conftest.make_pair("volatile", None, "hole")))
    document["benchmarks"][0]["counters"] = {"instructions": 5, "cycles": None, "dtlb_load_misses": None,
                                             "reason": "cycles: no such counter"}
    paths = []
    for name in ("a", "b"):
        paths.append(tmp_path / name)
        paths[-1].mkdir()
        (paths[-1] / "result.json").write_text(json.dumps(document))
    assert load.load_all(paths).context["qemu"] is None
    document["context"]["qemu"] = {"version": "7.2", "binary_sha256": None, "arguments": {}}
    (paths[0] / "result.json").write_text(json.dumps(document))
    assert "qemu" in refused(paths[0])


VECTOR = dict.fromkeys(("bytes", "bytes_nt", "lines", "blocks256", "flushed", "flushed_clean", "fences", "fences_idle", "lines_read",
                        "tlb_refills", "tlb_invalidations", "locked", "exceptions", "journal_bytes", "amplification"), 7.0)


def test_a_row_that_was_observed_in_one_result_alone_is_one_row(synthetic):
    plain, seen = synthetic.row(), synthetic.row()
    seen["vector"] = VECTOR
    for order in ([plain, seen], [seen, plain]):
        merged = load.merge([synthetic.load([row]) for row in order])
        assert [row["vector"] for rows in merged.samples.values() for row in rows] == [VECTOR]
    other = synthetic.row(per_page=1.0)
    other["vector"] = VECTOR
    with pytest.raises(load.ReportError, match="different figures"):
        load.merge([synthetic.load([plain]), synthetic.load([other])])


@pytest.mark.parametrize("name, fields", [
    ("d100", {"dirty_inodes": 100}), ("w8", {"stores_per_page": 8}), ("d5/w8", {"dirty_inodes": 5, "stores_per_page": 8}),
    ("utimens/a1/deterministic", {"touch": "utimens", "attackers": 1, "setting": "deterministic"}),
    ("none/a0/concurrent/f200", {"touch": "none", "attackers": 0, "setting": "concurrent", "fault_deadline_ms": 200})])
def test_the_fields_of_a_cell_that_has_a_name_alone(name, fields):
    cell = {"kernel": "mine/6.1", "fs": "ext4", "strategy": "fsync", "writes_per_sync": 8, "workload": "paced", "state": "hole",
            "order": "pte", "threads": 2}
    assert load.fields_of(f"mine/6.1/ext4/fsync:8/paced/hole/pte/t2/{name}", ["6.1", "mine/6.1"]) == {**cell, **fields}
