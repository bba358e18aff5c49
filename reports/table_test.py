# SPDX-License-Identifier: GPL-2.0-only
"""The table: which figures it shows, beside what, and that it fits a terminal."""

import json
import subprocess
import sys
import unicodedata

import pytest

import cells
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
    text = table.text(data)
    assert "map_sync  hole       69410     69479   3.89  +497        1.000" in text
    assert "unit instr (virtual)" in text and "kernel 6.1.0-synthetic" in text and "tcg-icount" in text
    assert table.VIRTUAL_NOTE in " ".join(text.split())
    assert "*" not in text


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


def test_one_cell_none_and_only_skips(synthetic):
    assert rows_of(built(synthetic, [synthetic.row()])) == [("volatile", "written")]
    none = built(synthetic, [])
    assert "no cells: this result holds no measurement" in table.text(none)
    skips = built(synthetic, [synthetic.skip(synthetic.row())])
    assert skips["sections"] == [] and "none was measured" in table.text(skips)


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
    rows = {row["name"]: row for row in (synthetic.row(*name) for name in names)}
    assert [cell.label for cell in cells.cells(rows)] == [
        "volatile", "fsync:8", "fsync:64", "fsync:all", "daxfile", "a_new_one"]


def test_the_table_verb_starts_without_matplotlib(synthetic):
    folder = synthetic.save(synthetic.document([synthetic.row()]))
    code = ("import sys; sys.path.insert(0, sys.argv[1]); import faultline_report as f; "
            "assert f.main(['table', sys.argv[2]]) == 0; "
            "assert not {'matplotlib', 'numpy', 'scipy', 'jinja2'} & set(sys.modules), sorted(sys.modules)")
    here = table.__file__.rpartition("/")[0]
    subprocess.run([sys.executable, "-c", code, here, folder], check=True, stdout=subprocess.DEVNULL)
