# SPDX-License-Identifier: GPL-2.0-only
"""The answer in a minute: what is cheapest, what that promises, and where it turns, by hand for made-up costs."""

import json

import pytest

import answer
import table
from crash_test import document, outcome
from medium_test import FENCED

HOLE = {"volatile": 1000, "map_sync": 5000, ("fsync", 1): 9000, ("fsync", 8): 2000, ("fsync", 64): 1800}


def rows_of(synthetic, costs, state="hole", **changes):
    """Rows of these costs, by strategy or (strategy, K)."""
    return [synthetic.row(*(name if isinstance(name, tuple) else (name, None)), state, per_page=page, per_fault=page, **changes)
            for name, page in costs.items()]


def said(synthetic, rows, crashes=()):
    result = synthetic.load(rows)
    return [sentence for one in answer.say(answer.build(result, crashes), "instr") for sentence in one["sentences"]]


def test_what_is_cheapest_by_when_it_is_durable(synthetic):
    [row] = answer.build(synthetic.load(rows_of(synthetic, HOLE)))
    assert row["cheapest"] == [
        {"when": "call", "strategy": "fsync:64", "per_page": 1800, "durable": "data, size and mtime", "cuts": None},
        {"when": "store", "strategy": "map_sync", "per_page": 5000, "durable": "data and size", "cuts": None}]
    # by hand: 5000 is half of the way from 9000 to 2000 and 1/14 of it on, in 1/K
    assert row["against"] == {"strategy": "map_sync", "other": "fsync:64", "ratio": pytest.approx(5000 / 1800),
                              "turn": pytest.approx(1 / (1 - 4 / 7 * 7 / 8)), "ks": [1, 64], "media": None}
    assert (row["kernel"], row["fs"], row["state"], row["summary"], row["samples"], row["spread"]) == (
        "6.1", "ext4", "hole", "no block", 1, 0)
    json.dumps(row, allow_nan=False)


def test_the_farthest_that_samples_lie_apart_is_in_percent(synthetic):
    rows = synthetic.samples(rows_of(synthetic, {"map_sync": 5000}), [1, 1.04, 1.01])
    rows += synthetic.samples(rows_of(synthetic, {("fsync", 64): 1800}), [1, 1, 1])
    [row] = answer.build(synthetic.load(rows))
    assert (row["samples"], row["spread"]) == (3, pytest.approx(100 * 0.04 / 1.01))


def test_in_words(synthetic):
    assert said(synthetic, rows_of(synthetic, HOLE)) == [
        "fsync:64 costs least: 1800 instr a page; data, size and mtime are durable when the call has returned.",
        "Durable when the store has returned: map_sync, 5000 instr a page (data and size).",
        "map_sync costs 2.78 times fsync:64.", "fsync:K costs less from K = 2 on (the costs meet at 2)."]


# By hand, the last: 3500 is 2/3 of the way from 5000 to 2750, and so is K between 1 and 1/2 in 1/K.
@pytest.mark.parametrize("level, curve, words, short", [
    (1000, {1: 9000, 8: 8000}, "fsync:K costs less at no K that was measured, 1 to 8.", ">8"),
    (1000, {7: 9000}, "fsync:7 does not cost less, the one K that was measured.", ">7"),
    (9001, {7: 9000, 8: 8000}, "fsync:K costs less at each K that was measured, 7 to 8.", "<=7"),
    (9001, {64: 9000}, "fsync:64 costs less, the one K that was measured.", "<=64"),
    (9001, {1: 9000, 8: 8000}, "fsync:K costs less at each K that was measured, 1 to 8.", "1"),
    (3500, {1: 5000, 2: 2750}, "fsync:K costs less from K = 2 on (the costs meet at 1.5).", "2 (1.5)")])
def test_where_it_turns(synthetic, level, curve, words, short):
    costs = {"map_sync": level, **{("fsync", k): page for k, page in curve.items()}}
    [row] = answer.build(synthetic.load(rows_of(synthetic, costs)))
    assert answer.turn_column(row["against"]) == short
    assert said(synthetic, rows_of(synthetic, costs))[-1] == words


@pytest.mark.parametrize("ks, other", [((1, 7), 7), ((8, 64, 512), 64), ((8, 512), 8), ((1, 100, 4096), 100), ((16, 120), 120)])
def test_the_k_that_is_nearest_to_64_is_compared_with(synthetic, ks, other):
    [row] = answer.build(synthetic.load(rows_of(synthetic, {"map_sync": 9, **{("fsync", k): 5 for k in ks}, ("fsync", "all"): 4})))
    assert row["against"]["other"] == f"fsync:{other}" and row["against"]["ks"] == [min(ks), max(ks)]
    assert row["cheapest"][0]["strategy"] == "fsync:all"


def test_of_costs_that_are_no_farther_apart_than_the_floor_the_first_is_named(synthetic):
    for cost, name in ((999.0, "map_sync"), (998.9, "prealloc")):
        [row] = answer.build(synthetic.load(rows_of(synthetic, {"map_sync": 1000.0 - 0.002, "prealloc": cost}, "written")))
        assert row["cheapest"][0]["strategy"] == name


def test_what_no_stock_kernel_has_is_not_named(synthetic):
    [row] = answer.build(synthetic.load(rows_of(synthetic, {"volatile": 1, "daxfile": 2, "sync_fault": 3, "map_sync": 4})))
    assert [one["strategy"] for one in row["cheapest"]] == ["map_sync"] and row["against"] is None
    assert answer.build(synthetic.load(rows_of(synthetic, {"volatile": 1, "daxfile": 2}))) == []


def test_a_result_that_says_nothing_of_promises(synthetic):
    rows = rows_of(synthetic, HOLE)
    result = synthetic.load(rows, tables={})
    [row] = answer.build(result)
    assert row["cheapest"] == [{"when": "", "strategy": "fsync:64", "per_page": 1800, "durable": "", "cuts": None}]
    assert answer.say([row], "instr")[0]["sentences"][0] == "fsync:64 costs least: 1800 instr a page."
    assert not answer.is_untried([row])


def test_twins_are_compared_with_twins(synthetic):
    rows = [synthetic.row("map_sync", None, "hole"), synthetic.row("fsync", 8, "hole", probes="on"), synthetic.row("fsync", 1, "hole")]
    [row] = answer.build(synthetic.load(rows))
    assert row["against"]["other"] == "fsync:1"


def test_what_has_no_twin_is_left_out_or_marked(synthetic):
    """A figure with probes is never set beside one without; where there are none without, it is said."""
    rows = rows_of(synthetic, HOLE, probes="on")
    twin = rows_of(synthetic, {"map_sync": 4000})
    [row] = answer.build(synthetic.load(rows + twin))
    assert [(one["strategy"], one["per_page"]) for one in row["cheapest"]] == [("map_sync", 4000)]
    assert not row["probed"] and row["against"] is None and answer.PROBED not in said(synthetic, rows + twin)
    [row] = answer.build(synthetic.load(rows))
    assert row["probed"] and [one["per_page"] for one in row["cheapest"]] == [1800, 5000]
    assert said(synthetic, rows)[-1] == "Only measured with probes: each figure contains what they cost."
    assert [form(row) for _, form in answer.columns([row])][2] == "map_sync*" and "; *: only measured with probes" in answer.note([row], "")


@pytest.mark.parametrize("about, durable, when", [
    ({"promises": "data and size, after the store"}, "data and size", "store"), ({"promises": "nothing"}, "nothing", ""), ({}, "", ""),
    ({"durable": "data and size", "when": "the call", "promises": "else"}, "data and size", "call"),
    ({"durable": "data", "when": "store"}, "data", "store"), ({"durable": "nothing", "when": ""}, "nothing", ""),
    ({"durable": "data", "when": "the end of time"}, "data", "")])
def test_what_a_strategy_promises(about, durable, when):
    assert answer._promise(about) == (durable, when)


def test_several_places(synthetic):
    rows = [row for fs, factor in (("ext4", 1), ("xfs", 2)) for row in rows_of(
        synthetic, {name: cost * factor for name, cost in HOLE.items()}, fs=fs)]
    assert said(synthetic, rows) == [
        "fsync:64 costs least: 1800 (ext4) and 3600 (xfs) instr a page; data, size and mtime are durable when the call has returned.",
        "Durable when the store has returned: map_sync, 5000 (ext4) and 10000 (xfs) instr a page (data and size).",
        "map_sync costs 2.78 times fsync:64.", "fsync:K costs less from K = 2 on (the costs meet at 2)."]
    rows += rows_of(synthetic, {"volatile": 1, "map_sync": 2, ("fsync", 64): 3}, fs="ext4-fc")
    assert said(synthetic, rows)[:2] == [
        "fsync:64 costs least on ext4 and xfs: 1800 (ext4) and 3600 (xfs) instr a page; data, size and mtime are durable when the "
        "call has returned.",
        "map_sync costs least on ext4-fc: 2 instr a page; data and size are durable when the store has returned."]
    many = [row for index in range(5) for row in rows_of(synthetic, {**HOLE, "map_sync": 5000 + index}, fs=f"fs{index}")]
    assert "Durable when the store has returned: map_sync, 5000 to 5004 instr a page (data and size)." in said(synthetic, many)


def test_what_a_power_cut_found(synthetic):
    rows = rows_of(synthetic, HOLE)
    kept = [document([outcome(strategy="map_sync", state="hole"), outcome(strategy="fsync:64", state="hole")])]
    found = answer.build(synthetic.load(rows), kept)
    assert [one["cuts"] for row in found for one in row["cheapest"]] == [{"points": 50, "lost": 0, "status": "ok"}] * 2
    assert not answer.is_untried(found) and answer.is_untried(answer.build(synthetic.load(rows)))
    assert said(synthetic, rows, kept)[1].endswith("(data and size; all kept in 50 power cuts).")
    for lost, words in (({"pages": 2, "torn": 1, "size": 4, "mtime": 0}, "LOST 7 in 50 power cuts"),
                        (outcome()["lost"], "FAILED, see the crash test, in 50 power cuts")):  # it did not mount
        bad = [document([outcome(strategy="fsync:64", state="hole", status="failed", lost=lost)])]
        assert said(synthetic, rows, bad)[0].endswith(f"when the call has returned; {words}.")


def observed(synthetic, costs):
    rows = []
    for name, (page, lines) in costs.items():
        rows += rows_of(synthetic, {name: page}, vector={**FENCED, "lines": lines, "blocks256": lines / 4})
    return rows


def test_where_it_turns_by_the_medium(synthetic):
    # by hand: 5000 + 10 p = 2000 + 40 p at p = 100
    rows = observed(synthetic, {"map_sync": (5000.0, 10), ("fsync", 64): (2000.0, 40)})
    media = answer.build(synthetic.load(rows))[0]["against"]["media"]
    assert (media["price"], media["below"], media["above"]) == (100, "fsync:64", "map_sync")
    assert media["sides"]["dram"] == ["fsync:64"] and media["sides"]["optane100"] == ["fsync:64", "map_sync"]
    assert media["sides"]["cxl140"] is None
    assert said(synthetic, rows)[-1] == ("By medium: fsync:64, and map_sync where a written line costs more than 100 instr: it may on "
                                         "optane100.")
    rows = observed(synthetic, {"map_sync": (5000.0, 50), ("fsync", 64): (2000.0, 40)})
    assert said(synthetic, rows)[-1] == "By medium: fsync:64 at every price of a written line."
    rows = observed(synthetic, {"map_sync": (500000.0, 10), ("fsync", 64): (2000.0, 40)})
    assert said(synthetic, rows)[-1].endswith("more than 16600 instr, as on no cited medium that is known.")


def test_the_grid(synthetic):
    rows = answer.build(synthetic.load(rows_of(synthetic, HOLE) + rows_of(synthetic, {"prealloc": 7}, "written")))
    assert [line.split() for line in table.grid(answer.columns(rows), rows, answer.WORDS)] == [
        "fs state at the store cost at the call cost vs fsync:64 from K".split(),
        "ext4 hole map_sync 5000 fsync:64 1800 2.78 2".split(), "ext4 written prealloc 7 - - - -".split()]
    assert answer.note(rows, "instr").endswith(
        "vs fsync:64: map_sync over fsync:64; from K: from this K on fsync:K costs less than map_sync (where their costs meet)")
    rows += answer.build(synthetic.load(rows_of(synthetic, {"map_sync": 6, ("fsync", 8): 3}, fs="xfs")))
    assert [title for title, _ in answer.columns(rows)][-2] == "vs fsync" and "vs fsync: map_sync over fsync:64 and fsync:8;" in answer.note(rows, "")


def test_one_section_a_place(synthetic):
    """The first in reading order: one thread, 4 KiB."""
    rows = rows_of(synthetic, HOLE, threads=2) + rows_of(synthetic, {"map_sync": 3})
    assert [(row["threads"], row["cheapest"][0]["per_page"]) for row in answer.build(synthetic.load(rows))] == [(1, 3)]
