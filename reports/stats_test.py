# SPDX-License-Identifier: GPL-2.0-only
"""Arithmetic against literal values; beside each how it was worked out."""

import copy

import pytest

import stats


def test_ratio_tax_percent():  # by hand; the figures are those of the trials
    assert stats.ratio(69410, 17882) == pytest.approx(3.881557)
    assert stats.ratio(1, 0) is None and stats.ratio(None, 1) is None and stats.ratio(1, None) is None
    assert stats.tax(5669, 5172) == 497
    assert stats.tax(5172, 5669) == -497
    assert stats.tax(None, 1) is None and stats.tax(1, None) is None
    assert stats.percent(5161, 5150) == pytest.approx(0.2135922)
    assert stats.percent(5150, 5161) == pytest.approx(-0.2131370)
    assert stats.percent(1, 0) is None and stats.percent(None, 1) is None and stats.percent(1, None) is None
    assert stats.percent(0, 0) == 0 and stats.percent(-3, -4) == 25 and stats.percent(3, 0, share=True) == 3


def rows_of(synthetic):
    return {row["name"]: row for row in synthetic.pair("map_sync", None, "hole") + synthetic.pair("volatile")}


def test_identical_to_itself(synthetic):
    a = rows_of(synthetic)
    found = stats.identical(a, copy.deepcopy(a))
    assert (len(found.compared), found.same, found.share, found.differences) == (4, 4, 1, [])


PLANTED = [(key,) for key in (
    "per_fault", "per_page", "loop_cost", "touches", "pages", "faults", "syncs", "app_syncs", "commits",
    "fast_commits", "fallbacks", "mapped_order", "dax", "map_sync", "tax", "tax_page", "p50", "p90", "p99", "p99_9",
    "max", "vcpus", "iterations", "cpu_time", "seed", "mtime_changes")]
PLANTED += [("losses", "missed"), ("probe", "fault", "sum"), ("probe", "commit", "count"),
            ("probe", "fault", "histogram", 1, 2), ("probe", "sync", "histogram", 0, 0), ("later", "field")]


@pytest.mark.parametrize("path", PLANTED, ids=lambda p: ".".join(map(str, p)))
def test_identical_finds_a_planted_difference(synthetic, path):
    a = rows_of(synthetic)
    name = "6.1/ext4/map_sync/first_touch/hole/pte/t1/on"
    a[name]["later"] = {"field": 1}
    b = copy.deepcopy(a)
    at = b[name]
    for part in path[:-1]:
        at = at[part]
    old = at[path[-1]]
    at[path[-1]] = (not old) if isinstance(old, bool) else "pmd" if isinstance(old, str) else (old or 0) + 1
    found = stats.identical(a, b)
    assert found.differing == [name] and found.same == 3 and found.share == 0.75
    expected = path[0] + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path[1:])
    assert [(d.name, d.field, d.a, d.b) for d in found.differences] == [(name, expected, old, at[path[-1]])]


CONTEST_PLANTED = [(key,) for key in (
    "slowdown", "slowdown_p50", "progress_max", "attack_rate", "period_us", "retries_p50", "retries_max", "syncs",
    "p50", "max")]
CONTEST_PLANTED += [("starved", "n"), ("starved", "of"), ("refused", "n"), ("refused", "error"), ("reference", "each"),
                    ("reference", "longest"), ("reference", "stores"), ("module", "retries")]
CONTEST_PLANTED += [("scan", 1, key) for key in (
    "period_us", "phase_us", "stores", "kernel_faults", "starved", "each", "longest", "slowdown", "retries",
    "retries_max", "touches", "refused")]


@pytest.mark.parametrize("path", CONTEST_PLANTED, ids=lambda p: ".".join(map(str, p)))
def test_identical_finds_a_planted_difference_in_a_contest(synthetic, path):
    row = synthetic.contest("sync_retry")
    a = {row["name"]: row}
    b = copy.deepcopy(a)
    assert stats.identical(a, b).differences == []
    at = b[row["name"]]
    for part in path[:-1]:
        at = at[part]
    old = at[path[-1]]
    at[path[-1]] = not old if isinstance(old, bool) else "EPERM" if old is None else old + 1
    expected = path[0] + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path[1:])
    assert [(d.field, d.a, d.b) for d in stats.identical(a, b).differences] == [(expected, old, at[path[-1]])]


def test_identical_takes_the_fields_of_contests_for_null_in_an_older_result(synthetic):
    row = synthetic.row()
    new = {**row, "touch": None, "attackers": None, "setting": None, "scan": None, "slowdown": None}
    assert stats.identical({row["name"]: row}, {row["name"]: new}).differences == []


def test_identical_sees_null_and_lengths(synthetic):
    a = rows_of(synthetic)
    name = "6.1/ext4/map_sync/first_touch/hole/pte/t1/on"
    b = copy.deepcopy(a)
    b[name]["commits"] = None
    del b[name]["fallbacks"]
    b[name]["probe"]["fault"]["histogram"].pop()
    assert [d.field for d in stats.identical(a, b).differences] == ["commits", "fallbacks", "probe.fault.histogram"]


@pytest.mark.parametrize("key, value", [
    ("real_time", 1.0), ("elapsed_s", 3), ("family_index", 9), ("per_family_instance_index", 9),
    ("life", "booted"), ("tax", None), ("tax_page", None)])
def test_identical_ignores_what_is_no_figure_of_the_cell(synthetic, key, value):
    a = rows_of(synthetic)
    b = copy.deepcopy(a)
    for row in b.values():
        row[key] = value
    assert stats.identical(a, b).differences == []


def test_identical_ignores_where_samples_lie_and_not_how_many_there_are(synthetic):
    row, = synthetic.pair("map_sync", None, "hole")[:1]
    here, there, fewer = ({"a": {**row, "samples": {"file": "samples.bin", "first": first, "count": count}}}
                          for first, count in ((0, 9), (700, 9), (0, 8)))
    assert stats.identical(here, there).same == 1
    assert [one.field for one in stats.identical(here, fewer).differences] == ["samples.count"]


def test_identical_and_rows_that_are_not_ok(synthetic):
    a = rows_of(synthetic)
    b = copy.deepcopy(a)
    first, second, third, fourth = a
    b[first] = synthetic.skip(b[first], "lost a sample", "incomplete")
    a[second], b[second] = synthetic.skip(a[second]), synthetic.skip(b[second])
    del a[third], b[fourth]
    found = stats.identical(a, b)
    assert [(d.field, d.a, d.b) for d in found.differences] == [("status", "ok", "incomplete")]
    assert (found.compared, found.not_ok, found.only_a, found.only_b) == ([first], [second], [fourth], [third])
    assert found.share == 0


def test_identical_with_nothing_in_common():
    found = stats.identical({}, {})
    assert found.share is None and found.same == 0


def test_the_greatest_difference_of_each_row():
    """A cost first; else what moved farthest for its size: 2 of 10 before 5 of 100; else what comes first."""
    def of(name, *fields):
        return [stats.Difference(name, *one) for one in fields]
    rows = [*of("a", ("faults", 1, 9), ("per_fault", 100, 101), ("per_page", 100, 101)), *of("b", ("x", 95, 100), ("y", 8, 10)),
            *of("c", ("mapped_order", "pte", "pmd"), ("dax", True, False)), *of("d", ("seen", None, 3), ("z", 0, 0.0))]
    assert [(one.name, one.field, more) for one, more in stats.greatest(rows)] == [
        ("a", "per_page", 2), ("b", "y", 1), ("c", "mapped_order", 1), ("d", "z", 1)]
    assert stats.greatest([]) == []
