# SPDX-License-Identifier: GPL-2.0-only
"""Each known answer with a result that has it, one that has not, and one that does not say."""

import pytest

import check
import load

IDS = [rule.id for rule in check.RULES]


def verdict(result, rule):
    return next(v for v in check.check(result) if v.rule.id == rule)


def test_ids_are_unique_and_the_full_matrix_passes_all(full):
    assert len(set(IDS)) == len(IDS) == 8
    assert [v.verdict for v in check.check(full)] == ["pass"] * 8
    assert [len(v.findings) for v in check.check(full)] == [4, 2, 2, 9, 1, 2, 1, 1]


def pair_of(synthetic, state, per_fault, per_page, **kwargs):
    return [synthetic.row("volatile", state=state, per_fault=1000, per_page=1000, **kwargs),
            synthetic.row("map_sync", state=state, per_fault=per_fault, per_page=per_page, **kwargs)]


def paced(synthetic, fs, syncs, **kwargs):
    return [synthetic.row("map_sync", probes="on", fs=fs, workload="paced", syncs=syncs, faults=1000, touches=1000,
                          **kwargs)]


CASES = [
    # rule, rows that pass, rows that fail, rows that do not say
    ("map-sync-written", lambda s: pair_of(s, "written", 1010, 5000), lambda s: pair_of(s, "written", 1011, 1000),
     lambda s: pair_of(s, "hole", 1000, 1000)),
    ("map-sync-written", lambda s: pair_of(s, "written", 990, 9), lambda s: pair_of(s, "written", 989, 9, fs="xfs"),
     lambda s: pair_of(s, "written", 1000, 1000, fs="ext4-fc")),
    ("map-sync-hole", lambda s: pair_of(s, "hole", 1, 2000), lambda s: pair_of(s, "hole", 3000, 1999),
     lambda s: pair_of(s, "hole", 3000, 3000, order="pmd")),
    ("map-sync-unwritten", lambda s: pair_of(s, "unwritten", 1, 2000), lambda s: pair_of(s, "unwritten", 3000, 1999),
     lambda s: pair_of(s, "unwritten", 3000, 3000)[1:]),
    ("fsync-falls", lambda s: [s.row("fsync", k, per_page=c) for k, c in ((1, 9), (8, 8), (64, 7), (512, 6.9))],
     lambda s: [s.row("fsync", k, per_page=c) for k, c in ((1, 9), (8, 8), (64, 8), (512, 7))],
     lambda s: [s.row("fsync", 1), s.row("msync", 8), s.row("fsync", "all")]),
    ("fsync-falls", lambda s: [s.row("fsync", 64, per_page=8), s.row("fsync", 8, per_page=9)],
     lambda s: [s.row("fsync", 64, per_page=9), s.row("fsync", 8, per_page=8)],
     lambda s: [s.row("fsync", 1, state="hole"), s.row("fsync", 8)]),
    ("fast-commit-paced-syncs", lambda s: paced(s, "ext4-fc", 1000), lambda s: paced(s, "ext4-fc", 999, commits=999, fast_commits=999),
     lambda s: paced(s, "ext4", 1000)),
    ("fast-commit-paced-syncs", lambda s: paced(s, "ext4-fc", 47, commits=47, fast_commits=46),
     lambda s: paced(s, "ext4-fc", 0, commits=1, fast_commits=0), lambda s: paced(s, "ext4", 1000)),
    ("paced-no-syncs", lambda s: paced(s, "xfs", 0), lambda s: paced(s, "ext4", 1), lambda s: paced(s, "ext4-fc", 0)),
    ("paced-no-syncs", lambda s: paced(s, "ext4", 0), lambda s: paced(s, "xfs", 1),
     lambda s: [s.row("map_sync", workload="paced"), s.row("map_sync", probes="on")]),
    ("faults-are-touches", lambda s: [s.row("fsync", 8)], lambda s: [s.row(), s.row("fsync", 8, faults=2047)],
     lambda s: [s.row("pwrite", 8)]),
    ("loop-is-short", lambda s: [s.row(loop_cost=30)], lambda s: [s.row(), s.row("fsync", 8, loop_cost=30.5)],
     lambda s: [s.row(loop_cost=None)]),
]


@pytest.mark.parametrize("rule, passing, failing, silent", CASES, ids=[case[0] for case in CASES])
def test_pass_fail_starve(synthetic, rule, passing, failing, silent):
    for rows, expected in ((passing, check.PASS), (failing, check.FAIL), (silent, check.NOT_MEASURED)):
        found = verdict(synthetic.load(rows(synthetic)), rule)
        assert found.verdict == expected, found
        assert bool(found.failures) == (expected == check.FAIL)
        assert bool(found.findings) == (expected != check.NOT_MEASURED)


def test_every_rule_has_a_case():
    assert sorted({case[0] for case in CASES}) == sorted(IDS)


@pytest.mark.parametrize("rule", IDS)
def test_rows_that_are_not_ok_prove_nothing(synthetic, full, rule):
    for rows in ([synthetic.skip(row, "lost", "incomplete") for row in full.rows.values()],
                 [{**row, "reason": "lost", "status": "incomplete"} for row in full.rows.values()]):  # figures kept
        result = load.Result("x", full.context, {row["name"]: row for row in rows})
        assert verdict(result, rule).verdict == "not measured"


def test_limits_on_instructions_say_nothing_of_wall_time(synthetic):
    document = synthetic.wall(synthetic.document(pair_of(synthetic, "written", 1500, 1500)))
    result = load.load(synthetic.save(document))
    assert verdict(result, "map-sync-written").verdict == check.NOT_MEASURED
    assert verdict(result, "loop-is-short").verdict == check.NOT_MEASURED
    assert verdict(result, "faults-are-touches").verdict == check.PASS


def test_figures_are_in_the_findings(synthetic):
    found = verdict(synthetic.load(pair_of(synthetic, "hole", 1, 3890)), "map-sync-hole").findings
    assert [f.text for f in found] == [
        "6.1/ext4/first_touch/pte/t1/hole: map_sync 3890, volatile 1000 instr per page (3.89 times)"]
