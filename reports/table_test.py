# SPDX-License-Identifier: GPL-2.0-only
"""The table: which figures it shows, beside what, and that it fits a terminal."""

import json
import subprocess
import sys
import unicodedata

import pytest

import cells
import conftest
import load
import table


def built(synthetic, rows, **context):
    return table.build(synthetic.load(rows, **context))


def rows_of(data):
    return [(row["strategy"], row["state"]) for section in data["sections"] for row in section["rows"]]


def columns(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def test_full_matrix(full):
    data = table.build(full)
    assert [(s["fs"], s["workload"], len(s["rows"])) for s in data["sections"]] == [
        ("ext4", "first_touch", 42), ("ext4", "paced", 2), ("ext4-fc", "first_touch", 42), ("ext4-fc", "paced", 2),
        ("xfs", "first_touch", 42), ("xfs", "paced", 2)]
    assert data["cells"] == {"ok": 132, "skipped": 3, "incomplete": 0, "failed": 0}
    assert rows_of(data)[:15] == [(s, "hole") for s in (
        "volatile", "fsync:1", "fsync:8", "fsync:64", "fsync:512", "fsync:all", "msync:1", "msync:8", "msync:64",
        "msync:512", "map_sync", "prealloc", "pwrite:1", "pwrite:64")] + [("volatile", "unwritten")]
    json.dumps(data, allow_nan=False)


def test_figures_are_the_twins_with_the_tax_beside_them(synthetic):
    data = built(synthetic, synthetic.pair("volatile", state="hole") + synthetic.pair("map_sync", state="hole"))
    row = data["sections"][0]["rows"][1]
    assert {k: row[k] for k in ("strategy", "per_fault", "per_page", "tax", "tax_page", "probed_per_fault",
                                "syncs_per_fault", "probed_only")} == {
        "strategy": "map_sync", "per_fault": 69410, "per_page": 69479, "tax": 497, "tax_page": 497,
        "probed_per_fault": 69907, "syncs_per_fault": 1, "probed_only": False}
    assert row["ratio"] == pytest.approx(69479 / 17882)
    text = table.text(data, wide=True)
    assert "map_sync  hole    69479   3.89    69410  +497        1.000" in text
    assert "map_sync  hole    69479   3.89    69410\n" in table.text(data)
    assert "unit instr (virtual)" in text and "6.1.0-synthetic (6.1), ext4" in text and "tcg-icount" in text
    assert table.VIRTUAL_NOTE in " ".join(text.split())
    assert "*" not in text
    data["accel"] = "none"
    assert "on the running kernel, unit" in " ".join(table.text(data).split())


def threaded(synthetic, per_fault, tax_page):
    """A cell of two threads: with probes a touch seems to take this long, and a page that much more than without."""
    off, on = synthetic.pair("map_sync", state="hole", threads=2)
    on.update(per_fault=per_fault, per_page=off["per_page"] + tax_page, tax=per_fault - off["per_fault"], tax_page=tax_page)
    return [off, on]


def squeezed(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_columns_are_titled_in_words_that_are_told_with_their_fields(synthetic):
    lines = squeezed(table.text(built(synthetic, [synthetic.row()])))
    assert "strategy state a page ratio a fault" in lines
    assert table.FIELDS_NOTE in " ".join(lines) and "per_page" in table.FIELDS_NOTE and "per_fault" in table.FIELDS_NOTE


def test_what_costs_as_another_of_its_kind_is_told_in_a_line(synthetic):
    """By hand: 1 % of 14530 is 145.3; each strategy is held against the one of its K that is shown."""
    rows = [synthetic.row("volatile")]
    for k, page in ((8, 14675.3), (64, 8000.0), (512, 7900.0)):
        rows += [synthetic.row("fsync", k, per_page={8: 14530.0, 64: 7900.0, 512: 7900.0}[k], per_fault=5150.0),
                 synthetic.row("msync", k, per_page=page, per_fault=5150.0 if k != 512 else 5202.0)]
    rows += [synthetic.row(name, None, state, per_page=5230.0, per_fault=5161.0) for state in ("unwritten", "written")
             for name in ("map_sync", "prealloc")]
    rows += [synthetic.row("pwrite", 8, per_page=14530.0, per_fault=5150.0)]  # maps nothing: another kind
    data = built(synthetic, rows)
    assert {(row["strategy"], row["state"]): row["like"] for row in data["sections"][0]["rows"] if row["like"]} == {
        ("msync:8", "written"): "fsync:8", ("prealloc", "unwritten"): "map_sync", ("prealloc", "written"): "map_sync"}
    text = table.text(data)
    lines = squeezed(text)
    assert "not shown, within 1 %: prealloc as map_sync (unwritten, written); msync:8 as fsync:8 (written)" in " ".join(lines)
    assert not [line for line in lines if line.startswith(("msync:8 ", "prealloc "))]
    assert "msync:64 written 8000 1.55 5150" in lines and "msync:512 written 7900 1.53 5202" in lines
    assert lines[-1] == "not shown; --wide: tax, syncs, each strategy"
    wide = squeezed(table.text(data, wide=True))
    assert [line for line in wide if line.startswith("msync:8 written ")] and "within 1 %" not in " ".join(wide)


def test_strategies_are_held_against_each_other_by_the_medians_of_all_seeds(synthetic):
    """The sample with the median per_page may have any per_fault: its own is 10 % off here, the median is not."""
    def of(name, faults):
        return [synthetic.row(name, 8, seed=seed, per_page=page, per_fault=fault)
                for seed, (page, fault) in enumerate(zip((1000.0, 1001.0, 1002.0), faults))]
    rows = of("fsync", (500.0, 500.0, 500.0)) + of("msync", (500.0, 550.0, 500.0))
    data = built(synthetic, rows)
    assert [(row["per_fault"], row["like"]) for row in data["sections"][0]["rows"]] == [(500, None), (550, "fsync:8")]
    other = built(synthetic, of("fsync", (500.0, 500.0, 500.0)) + of("msync", (550.0, 500.0, 550.0)))
    assert [row["like"] for row in other["sections"][0]["rows"]] == [None, None]
    first = built(synthetic, of("fsync", (500.0, 500.0, 500.0)) + of("msync", (550.0, 500.0, 500.0)))
    assert [row["like"] for row in first["sections"][0]["rows"]] == [None, "fsync:8"]


def test_a_figure_with_what_the_probes_cost_stands_beside_one_without(synthetic):
    rows = [synthetic.row(name, 8, probes=probes, per_page=9000.0, per_fault=5150.0)
            for name, probes in (("fsync", "off"), ("msync", "on"))]
    assert [row["like"] for row in built(synthetic, rows)["sections"][0]["rows"]] == [None, None]


def test_a_result_that_does_not_say_of_what_kind_strategies_are_shows_all(synthetic):
    result = synthetic.load([synthetic.row("fsync", 8), synthetic.row("msync", 8, per_page=14530.0)], tables={})
    assert [row["like"] for row in table.build(result)["sections"][0]["rows"]] == [None, None]


def test_a_figure_that_is_not_there_has_its_note(synthetic):
    text = " ".join(squeezed(table.text(built(synthetic, [synthetic.row("fsync", 8), synthetic.row("volatile")]))))
    assert "- in " not in text
    text = " ".join(squeezed(table.text(built(synthetic, [synthetic.row("fsync", 8)]))))
    assert "fsync:8 written 14530 - 5150" in text and table.NO_FAULT_NOTE not in text
    assert "- in ratio: volatile, which it is over, was not measured in that state" in text
    data = built(synthetic, [synthetic.row("volatile"), synthetic.row("pwrite", 1)])
    assert data["sections"][0]["rows"][1]["per_fault"] is None
    text = table.text(data)
    assert "pwrite:1 written 65820 12.78 -" in squeezed(text) and table.NO_FAULT_NOTE in text and "- in ratio" not in text


def test_the_tax_with_several_threads_is_of_a_page(synthetic):
    """A touch is timed while the other threads run: 62342 - 69410 = -7068 says nothing of the probes."""
    data = built(synthetic, threaded(synthetic, 62342, 1030))
    row = data["sections"][0]["rows"][0]
    assert (row["tax"], row["tax_page"], row["probed_per_fault"]) == (None, 1030, 62342)
    text = table.text(data, wide=True)
    assert "map_sync  hole    69479      -    69410  +1030        1.000" in text and "7068" not in text
    assert table.TAX_OF_PAGE_NOTE in " ".join(text.split()) and table.NO_TAX_NOTE not in " ".join(text.split())
    alone = table.text(built(synthetic, synthetic.pair("map_sync", state="hole")), wide=True)
    assert table.TAX_OF_PAGE_NOTE not in " ".join(alone.split())
    lone = built(synthetic, threaded(synthetic, 62342, 1030)[:1])
    assert table.NO_TAX_NOTE in table.text(lone, wide=True) and table.NO_TAX_NOTE not in table.text(lone)


def test_the_baseline_is_of_the_same_state_and_section(synthetic):
    rows = [synthetic.row("volatile", state="hole"), synthetic.row("volatile", state="written", fs="xfs"),
            synthetic.row("map_sync", state="written")]
    data = built(synthetic, rows)
    assert [(r["state"], r["ratio"]) for s in data["sections"] for r in s["rows"]] == [
        ("hole", 1), ("written", None), ("written", 1)]


def test_only_probed_rows_are_shown_and_starred(synthetic):
    data = built(synthetic, [synthetic.row(probes="on"), synthetic.row("map_sync", probes="on")])
    row = data["sections"][0]["rows"][1]
    assert row["probed_only"] and row["per_fault"] == 5161 + 497 and row["tax"] is None
    text = table.text(data)
    assert "map_sync*" in text and table.PROBED_NOTE in text
    assert row["ratio"] == pytest.approx((5230 + 497) / (5150 + 497))


def test_probed_figures_are_never_set_against_a_twin(synthetic):
    data = built(synthetic, [synthetic.row(), synthetic.row("map_sync", probes="on")])
    assert [r["ratio"] for r in data["sections"][0]["rows"]] == [1, None]


def test_a_failed_twin_gives_no_figure_and_a_reason(synthetic):
    off, on = synthetic.pair("map_sync")
    data = built(synthetic, [synthetic.skip(off, "23 touches, 22 faults", "failed"), on])
    assert data["sections"][0]["rows"][0]["probed_only"]
    assert data["not_measured"] == [{"status": "failed", "reason": "23 touches, 22 faults",
                                     "cells": ["6.1/ext4/map_sync/first_touch/written/pte/t1/off"]}]
    assert data["cells"] == {"ok": 0, "skipped": 0, "incomplete": 0, "failed": 1}


def test_an_incomplete_probed_row_taxes_nothing(synthetic):
    off, on = synthetic.pair("map_sync")
    on.update(status="incomplete", reason="3 samples dropped", losses={**on["losses"], "dropped": 3})
    row = built(synthetic, [off, on])["sections"][0]["rows"][0]
    assert (row["tax"], row["syncs_per_fault"], row["p50"], row["probed_per_fault"]) == (None, None, None, None)


def test_the_same_reason_is_said_once_and_the_worst_first(synthetic):
    rows = [synthetic.skip(row) for fs in ("ext4", "xfs") for row in synthetic.pair("map_sync", fs=fs)]
    rows += [synthetic.skip(synthetic.row("pwrite", 1), "the guest hung", "failed")]
    data = built(synthetic, rows)
    assert [(g["status"], len(g["cells"])) for g in data["not_measured"]] == [("failed", 1), ("skipped", 2)]
    text = table.text(data)
    assert text.count("the kernel has no such strategy") == 1
    assert "  6.1/xfs/map_sync/first_touch/written/pte/t1\n" in text


def test_of_many_cells_with_one_reason_the_first_are_named(synthetic):
    rows = [synthetic.skip(synthetic.row("map_sync", workload=f"w{n}")) for n in range(10)]
    data = built(synthetic, rows)
    text = table.text(data)
    assert text.count("  6.1/ext4/map_sync/w") == 7
    assert "\n  and 3 more (--wide: all)\n" in text
    assert table.text(data, wide=True).count("  6.1/ext4/map_sync/w") == 10
    assert table.text(built(synthetic, rows[:8])).count("  6.1/ext4/map_sync/w") == 8


def test_one_cell_none_and_only_skips(synthetic):
    assert rows_of(built(synthetic, [synthetic.row()])) == [("volatile", "written")]
    none = built(synthetic, [])
    assert "no cells: this result holds no measurement" in " ".join(table.text(none).split())
    skips = built(synthetic, [synthetic.skip(synthetic.row())])
    assert skips["sections"] == [] and "none was measured" in " ".join(table.text(skips).split())


def test_an_incomplete_run_says_so(synthetic):
    text = table.text(built(synthetic, [synthetic.row()], complete=False, reason="interrupted after 1 of 6 cells"))
    assert "INCOMPLETE: interrupted after 1 of 6 cells" in " ".join(text.split())


def test_wall_time_says_ns_and_nothing_of_instructions(synthetic):
    import load
    result = load.load(synthetic.save(synthetic.wall(synthetic.document([synthetic.row()]))))
    text = table.text(table.build(result))
    assert "unit ns (wall)" in text and "instr" not in text


def test_every_line_fits_eighty_columns(full, synthetic):
    odd = "k" * 100 + "\n\x1b[2J" + "日本語" * 30
    rows = [synthetic.row("sync_retry_extent_of_a_very_long_name_indeed" * 2, 10 ** 9, kernel=odd, workload="w" * 90,
                          per_fault=123456789012.5, per_page=99999999.4, probes=p) for p in ("off", "on")]
    rows.append(synthetic.row(kernel=odd, workload="w" * 90, per_page=0.001))
    rows.append(synthetic.skip(synthetic.row("fsync", 8, kernel=odd), "日本" * 90 + "\r\nx"))
    for data in (table.build(full), built(synthetic, rows, complete=False, reason="a" * 300)):
        for line in table.text(data).splitlines():
            assert columns(line) <= 80 and line.isprintable(), line


@pytest.mark.parametrize("value, expected", [
    (None, "-"), (0, "0"), (5150, "5150"), (5150.4, "5150"), (34.25, "34.2"), (4, "4"), (1.5, "1.50"), (0.001, "0.00"),
    (99999999, "99999999"), (1e8, "1.00e+08"), (-12.5, "-12.5")])
def test_number(value, expected):
    assert table.number(value) == expected


def test_number_with_its_sign():
    assert [table.number(x, sign=True) for x in (497, 0, -3.25)] == ["+497", "+0", "-3.25"]


def test_reading_order_of_strategies(synthetic):
    names = [("daxfile", None), ("fsync", "all"), ("fsync", 64), ("fsync", 8), ("a_new_one", None), ("volatile", None)]
    result = synthetic.load([synthetic.row(*name) for name in names])
    assert [cell.label for cell in cells.cells(result)] == [
        "volatile", "fsync:8", "fsync:64", "fsync:all", "daxfile", "a_new_one"]


def test_contests_have_a_table_of_their_own(synthetic):
    ordinary = synthetic.pair("volatile") + synthetic.pair("map_sync")
    contests = [synthetic.contest(name, touch) for touch in ("utimens", "append")
                for name in ("sync_retry", "map_sync")]
    contests += [synthetic.contest(touch="none", attackers=0), synthetic.contest(touch="append", attackers=4),
                 synthetic.contest("volatile", touch="mmap", workload="bystander"), synthetic.contest(fs="xfs"),
                 synthetic.contest(state="hole"), synthetic.skip(synthetic.contest(setting="concurrent"))]
    alone, both = built(synthetic, ordinary), built(synthetic, contests[:3] + ordinary + contests[3:])
    assert both["sections"] == alone["sections"] and alone["contests"] == []
    assert [(c["fs"], c["workload"], c["state"], c["setting"], len(c["rows"])) for c in both["contests"]] == [
        ("ext4", "dos", "hole", "deterministic", 1), ("ext4", "dos", "written", "deterministic", 6),
        ("ext4", "bystander", "written", "deterministic", 1), ("xfs", "dos", "written", "deterministic", 1)]
    assert [(r["touch"], r["strategy"], r["attackers"]) for r in both["contests"][1]["rows"]] == [
        ("none", "map_sync", 0), ("utimens", "map_sync", 1), ("utimens", "sync_retry", 1), ("append", "map_sync", 1),
        ("append", "map_sync", 4), ("append", "sync_retry", 1)]
    assert both["cells"] == {"ok": 11, "skipped": 1, "incomplete": 0, "failed": 0}
    assert both["not_measured"][0]["cells"] == [
        "6.1/ext4/map_sync/dos/written/pte/t1/utimens/a1/concurrent/off"]
    json.dumps(both, allow_nan=False)


def test_figures_of_a_contest(synthetic):
    starved = [synthetic.run(3849.1, True, 50), synthetic.run(20, period=20), synthetic.run(8.017, period=5)]
    data = built(synthetic, [synthetic.contest("sync_retry", runs=starved, retries_max=981),
                             synthetic.contest("map_sync", runs=[synthetic.run(20.64), synthetic.run(10.72)]),
                             synthetic.contest(touch="none", attackers=0), synthetic.refused()])
    text = table.text(data)
    grid = text[text.index("6.1.0-synthetic (6.1)"):]
    assert data["contests"][0]["rows"][2] == {
        "touch": "utimens", "attackers": 1, "strategy": "sync_retry", "slowdown": 3849.1, "slowdown_p50": 20,
        "at_least": True, "p50_at_least": False, "retries_p50": 0, "retries_max": 981, "starved": {"n": 1, "of": 3},
        "progress_max": 20050000, "period_us": 50, "attack_rate": 20000.5, "touched": True,
        "refused": {"n": 0, "error": None}, "reference": {"each": 5000, "longest": 9000, "stores": 128}}
    assert grid.splitlines()[:6] == [
        "6.1.0-synthetic (6.1), ext4, dos, written, deterministic; instr",
        "touch    att  strategy    slowdown  median  retries  starved   longest   P",
        "none       0  map_sync        1.50    1.50        -   0 of 1     40000   -",
        "utimens    1  map_sync       20.64   10.72        -   0 of 2     40000  10",
        "utimens    1  sync_retry    >=3849   20.00    0/981   1 of 3  20050000  50",
        "pwrite     1  daxfile      ETXTBSY       -        -        -         -   -"]
    words = " ".join(text.split())
    assert table.CONTEST_NOTES["victim"].format(workload="dos", unit="instr") in words and table.REFUSED_NOTE in words
    assert "bystander" not in words


def test_a_median_with_a_starved_run_below_it_is_a_lower_bound(synthetic):
    runs = [synthetic.run(30, True), synthetic.run(20), synthetic.run(10, True)]
    row = built(synthetic, [synthetic.contest(runs=runs)])["contests"][0]["rows"][0]
    assert (row["slowdown_p50"], row["p50_at_least"]) == (20, True)


def test_a_bystander_that_never_ended_a_touch(synthetic):
    runs = [synthetic.run(0, True), synthetic.run(2)]
    text = table.text(built(synthetic, [synthetic.contest(touch="mmap", workload="bystander", runs=runs)]))
    assert " never   never " in text and "not one touch ended" in " ".join(text.split())
    assert "ETXTBSY" not in text and table.REFUSED_NOTE not in text


def test_some_refused_touches_are_no_errno(synthetic):
    row = synthetic.contest(refused={"n": 7, "error": "EPERM"})
    text = table.text(built(synthetic, [row]))
    assert "EPERM" not in text and " 1.50 " in text


def test_contests_alone_are_something_measured(synthetic):
    text = " ".join(table.text(built(synthetic, [synthetic.contest()])).split())
    assert "cells: 1 ok" in text and "none was measured" not in text


def test_every_line_of_contests_fits_eighty_columns(synthetic):
    odd = dict(kernel="k" * 100 + "\n\x1b[2J" + "\u65e5\u672c\u8a9e" * 30, progress_max=20069501.5, retries_max=12345)
    runs = [synthetic.run(123456.7, True, 200), synthetic.run(1, True)] * 9
    rows = [synthetic.contest(name, touch, 4, runs=runs, **odd) for name, touch in (
        ("sync_retry_extent", "fallocate"), ("sync_retry_extent" * 9, "t" * 90), ("map_sync", "read_fault"))]
    lines = table.text(built(synthetic, rows)).splitlines()
    for line in lines:
        assert columns(line) <= 80 and line.isprintable(), line
    grid = table.text(built(synthetic, rows[::2])).splitlines()
    assert "fallocate    4 sync_retry_extent >=123457 >=1.00 0/12345 18 of 18 20069502 200" in grid


def test_seeds_are_said_and_the_median_is_shown(synthetic):
    rows = synthetic.samples(synthetic.pair() + synthetic.pair("map_sync"), lambda row: {
        "volatile": [1, 1.02, 1.01], "map_sync": [2, 2, 2.18]}[row["strategy"]])
    text = " ".join(table.text(built(synthetic, rows)).split())
    # by hand: 5150 * 1.01; (2.18 - 2) / 2
    assert "volatile written 5202 1.00 5202" in text and "cells: 2 ok, 0 skipped, 0 incomplete, 0 failed cheapest" in text
    assert ("or the medium; up to 3 seeds a cell, its figures are of the one with the "
            "median per_page; farthest apart, by 9 %: 6.1/ext4/map_sync/first_touch/written/pte/t1/off") in text
    assert "seeds a cell" not in table.text(built(synthetic, synthetic.pair()))


def test_what_is_cheapest_stands_first_and_how_it_was_measured_last(synthetic):
    rows = [row for fs in ("ext4", "xfs") for name, k in (("volatile", None), ("map_sync", None), ("fsync", 8))
            for row in synthetic.pair(name, k, "hole", fs=fs)]
    data = built(synthetic, rows + synthetic.pair("map_sync", None, "hole", kernel="5.10"))
    lines = table.text(data).splitlines()
    assert "0 failed cheapest durable page" in " ".join(" ".join(lines).split())
    starts = [index for index, line in enumerate(lines) if line.startswith("cheapest durable page on ")]
    assert [lines[index].split()[4] for index in starts] == ["5.10;", "6.1;"]
    assert lines[starts[1] + 2].split() == ["ext4", "hole", "map_sync", "69479", "fsync:8", "27262", "2.55", "<=8"]
    assert starts[1] < next(index for index, line in enumerate(lines) if line.startswith("5.10, ext4, "))
    assert "unit instr (virtual)" in lines[-3] and lines[-1] == "not shown; --wide: tax, syncs"
    assert table.text(data, wide=True).splitlines()[-1] != lines[-1]
    assert data["answer"][1]["state"] == "hole"


def test_the_table_verb_starts_without_matplotlib(synthetic):
    folder = synthetic.save(synthetic.document([synthetic.row()]))
    code = ("import sys; sys.path.insert(0, sys.argv[1]); import faultline_report as f; "
            "assert f.main(['table', sys.argv[2]]) == 0; "
            "assert not {'matplotlib', 'numpy', 'scipy', 'jinja2'} & set(sys.modules), sorted(sys.modules)")
    here = table.__file__.rpartition("/")[0]
    subprocess.run([sys.executable, "-c", code, here, folder], check=True, stdout=subprocess.DEVNULL)


def journal(faults, bytes_per_fault=20480.0, waiting=0.86):
    return {"kernel": {"commits": faults, "forces": None, "log_bytes": None},
            "asked": {"fault": faults, "fsync": 0, "kernel": 3}, "log_forces": {"fault": 0, "fsync": 0, "kernel": 0},
            "served": {"faults": faults, "fsyncs": 0}, "log_bytes": 512, "commits_per_fault": 1.0,
            "log_bytes_per_fault": bytes_per_fault, "sync_waiting": waiting}


def phase(name, mean, net=None):
    return {"id": name, "mean": mean, "marks_cost": 100.0, "tax": None if net is None else mean - net, "net": net}


def test_the_journal_the_phases_and_the_locks_stand_below_their_section(synthetic):
    lock = {"thread": 1, "lock": "mmap_read", "faults": 4, "count": 4, "wait": 2000, "wait_max": 900, "hold": 40000,
            "hold_max": 12345}
    rows = [synthetic.row("map_sync", state="hole"),
            synthetic.row("map_sync", state="hole", probes="on", journal=journal(2048)),
            synthetic.row("map_sync", state="hole", probes="phases",
                          phases=[phase("entry", 1200.0, 1040.0), phase("commit_wait", 50000.0, 48000.0),
                                  phase("other", 700.0, 560.0)]),
            synthetic.row("volatile", state="hole", probes="phases",
                          phases=[phase("entry", 1300.0), phase("other", 600.0)]),
            synthetic.row("map_sync", state="hole", probes="locks", locks=[lock])]
    text = table.text(built(synthetic, rows), journal=True)
    assert "the journal: commits" in text and "the journal: commits" not in table.text(built(synthetic, rows))
    assert "--journal: what" in table.text(built(synthetic, rows)) and "--journal" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["map_sync", "hole", "1.000", "20480", "2048/0/3", "2048/0", "0.86"] in lines
    assert ["phase", "volatile", "hole", "map_sync", "hole"] in lines
    # net where there is a twin, else what was measured; nothing where a cell has no such phase
    assert ["entry", "1300", "1040"] in lines and ["commit_wait", "48000"] in lines
    assert lines.index(["other", "600", "560"]) > lines.index(["commit_wait", "48000"])
    assert ["map_sync", "hole", "1", "mmap_read", "4", "500", "10000", "12345"] in lines
    assert all(columns(line) <= 80 for line in text.splitlines())


def test_a_result_of_before_the_journal_was_looked_at_has_none(synthetic):
    text = table.text(built(synthetic, synthetic.pair("map_sync", state="hole")))
    assert "the journal" not in text and "phases of" not in text and "locks of" not in text


def test_a_cell_whose_probes_cannot_be_is_its_twin(synthetic):
    off, on = sorted(synthetic.pair("volatile", state="hole"), key=lambda row: row["probes"] == "on")
    skipped = conftest.skip(on, "no probe: kprobe on f: refused")
    assert built(synthetic, [off, skipped])["cells"] == {"ok": 1, "skipped": 0, "incomplete": 0, "failed": 0}
    both = [conftest.skip(off, "no room"), skipped]
    assert built(synthetic, both)["cells"] == {"ok": 0, "skipped": 1, "incomplete": 0, "failed": 0}


def test_kernels_stand_by_version(synthetic):
    context = synthetic.context()
    about = context["kernels"]["6.1"]
    context["kernels"] = {name: {**about, "release": release} for name, release in (
        ("a", "7.3.4"), ("b", "6.12.1"), ("c", "6.2.0"))}
    rows = [synthetic.row(kernel=name) for name in "abc"]
    data = table.build(load.load(synthetic.save({"context": context, "benchmarks": rows})))
    assert [(section["kernel"], section["release"]) for section in data["sections"]] == [
        ("c", "6.2.0"), ("b", "6.12.1"), ("a", "7.3.4")]


def test_a_kernel_is_called_by_its_version(synthetic):
    context = synthetic.context()
    context["kernels"] = {name: {**context["kernels"]["6.1"], "release": release} for name, release in (
        ("trixie", "6.12.1-amd64"), ("bullseye", "5.10.0-46-cloud-amd64"))}
    rows = [row for name in ("trixie", "bullseye") for row in (synthetic.row("map_sync", kernel=name), synthetic.contest(kernel=name))]
    lines = table.text(table.build(load.load(synthetic.save({"context": context, "benchmarks": rows})))).splitlines()
    heads = [line for line in lines if "bullseye" in line or "trixie" in line]
    assert heads == ["cheapest durable page on 5.10 (bullseye); first_touch, pte, 1 thread",
                     "cheapest durable page on 6.12 (trixie); first_touch, pte, 1 thread",
                     "5.10.0-46-cloud-amd64 (bullseye), ext4, first_touch, pte, threads 1; instr",
                     "6.12.1-amd64 (trixie), ext4, first_touch, pte, threads 1; instr",
                     "5.10.0-46-cloud-amd64 (bullseye), ext4, dos, written, deterministic; instr",
                     "6.12.1-amd64 (trixie), ext4, dos, written, deterministic; instr"]


def test_a_new_workload_of_victims_is_explained_as_one(synthetic):
    row = synthetic.contest(workload="dos")
    other = {**row, "workload": "siege", **{key: row[key].replace("/dos/", "/siege/") for key in ("name", "cell")}}
    context = synthetic.context()  # the schema has no such workload yet
    data = table.build(load.make_result("made", context, {other["name"]: [other]}, [("made", context)]))
    assert data["contests"][0]["kind"] == "victim"
    assert "siege: slowdown is the victim's time per store" in " ".join(table.text(data).split())
    assert list(table.contest_notes(data)) == ["siege"]


def test_phases_name_their_cells_in_full(synthetic):
    rows = [synthetic.row("sync_retry_extent", None, state, probes="phases", phases=synthetic.phases(entry=1.0, sync=2.0))
            for state in ("hole", "unwritten", "written")]
    lines = table.text(built(synthetic, rows)).splitlines()
    assert [line.split()[1:] for line in lines if line.startswith("phase ")] == [
        ["sync_retry_extent", "hole", "sync_retry_extent", "unwritten"], ["sync_retry_extent", "written"]]
    assert max(map(columns, lines)) <= 80
