# SPDX-License-Identifier: GPL-2.0-only
"""Each known answer with a result that has it, one that has not, and one that does not say."""

import pytest

import check
import load

IDS = [rule.id for rule in check.RULES]


def verdict(result, rule):
    return next(v for v in check.check(result) if v.rule.id == rule)


def test_ids_are_unique_and_the_full_matrix_passes_all(full):
    assert len(set(IDS)) == len(IDS) == 15
    assert [v.verdict for v in check.check(full)] == (
        ["pass"] * 7 + ["not measured"] * 3 + ["pass"] * 2 + ["not measured"] * 3)
    assert [len(v.findings) for v in check.check(full)] == [4, 2, 2, 9, 1, 2, 3, 0, 0, 0, 1, 1, 0, 0, 0]


def pair_of(synthetic, state, per_fault, per_page, **kwargs):
    return [synthetic.row("volatile", state=state, per_fault=1000, per_page=1000, **kwargs),
            synthetic.row("map_sync", state=state, per_fault=per_fault, per_page=per_page, **kwargs)]


def paced(synthetic, fs, syncs, **kwargs):
    return [synthetic.row("map_sync", probes="on", fs=fs, workload="paced", syncs=syncs, faults=1000, touches=1000,
                          **kwargs)]


def volatile(synthetic, hole, written, **kwargs):
    return [synthetic.row("volatile", state="hole", per_fault=hole, **kwargs),
            synthetic.row("volatile", state="written", per_fault=written, **kwargs)]


def shared(synthetic, copied, hole, **kwargs):
    return [synthetic.row("volatile", state="shared", fs="xfs-reflink", per_fault=copied, **kwargs),
            synthetic.row("volatile", state="hole", fs="xfs-reflink", per_fault=hole, **kwargs)]


def no_journal(synthetic, state, syncs, **kwargs):
    return synthetic.row("map_sync", **{"state": state, "syncs": syncs, "probes": "on", "fs": "ext4-nojournal",
                                        "faults": 64, "touches": 64, **kwargs})


def dos(synthetic, strategy, touch, *starved, **kwargs):
    """A victim's contest with a run for each of these: whether it starved."""
    return synthetic.contest(strategy, touch, runs=[synthetic.run(9, starves) for starves in starved],
                             **{"fs": "xfs", **kwargs})


def alone(synthetic, slowdown, **kwargs):
    return synthetic.contest(touch="none", attackers=0, runs=[synthetic.run(slowdown, period=0)], **kwargs)


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
    ("fsync-falls", lambda s: [s.row("fsync", k, per_page=c, app_syncs=n) for k, c, n in
                               ((7, 9, 293), (64, 7, 32), (65, 7.1, 32))],
     lambda s: [s.row("fsync", k, per_page=c, app_syncs=n) for k, c, n in ((7, 9, 293), (64, 7, 32), (65, 7.1, 31))],
     lambda s: [s.row("fsync", 7)]),
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
    ("holes-cost-more", lambda s: volatile(s, 5151, 5150), lambda s: volatile(s, 5150, 5150, fs="ext2"),
     lambda s: [*volatile(s, 9, 10, workload="rewrite"), s.row("volatile", state="hole")]),
    ("shared-costs-more", lambda s: shared(s, 26229, 26228), lambda s: shared(s, 26228, 26228),
     lambda s: [*shared(s, 9, 10, workload="many_files"), s.row("volatile", state="shared")]),
    ("no-journal-syncs", lambda s: [no_journal(s, "hole", 64), no_journal(s, "written", 0)],
     lambda s: [no_journal(s, "hole", 64), no_journal(s, "written", 1)],
     lambda s: [no_journal(s, "hole", 63, threads=2), no_journal(s, "unwritten", 0), no_journal(s, "hole", 63, fs="ext4"),
                no_journal(s, "hole", 63, order="pmd"), no_journal(s, "hole", 63, workload="paced")]),
    ("no-journal-syncs", lambda s: [no_journal(s, "written", 0)], lambda s: [no_journal(s, "hole", 63)], lambda s: []),
    ("ext2-no-map-sync", lambda s: [s.row(fs="ext2", map_sync=False)],
     lambda s: [s.row(fs="ext2", map_sync=False), s.row("fsync", 8, fs="ext2", map_sync=True)],
     lambda s: [s.row("map_sync", map_sync=True), s.skip(s.row("map_sync", fs="ext2"), "no MAP_SYNC")]),
    ("faults-are-touches", lambda s: [s.row("fsync", 8)], lambda s: [s.row(), s.row("fsync", 8, faults=2047)],
     lambda s: [s.row("pwrite", 8)]),
    ("loop-is-short", lambda s: [s.row(loop_cost=30)], lambda s: [s.row(), s.row("fsync", 8, loop_cost=30.5)],
     lambda s: [s.row(loop_cost=None)]),
    # contests are no ordinary cells: 130 faults for 128 touches
    ("faults-are-touches", lambda s: [s.row(), s.contest()], lambda s: [s.row(faults=2047), s.contest()],
     lambda s: [s.contest(), s.contest("sync_retry", workload="bystander", touch="mmap")]),
    ("map-sync-written", lambda s: pair_of(s, "written", 1000, 1000) + [s.contest("map_sync", per_fault=9)],
     lambda s: pair_of(s, "written", 1100, 1000), lambda s: [s.contest("map_sync"), s.contest("volatile")]),
    ("retry-can-starve",
     lambda s: [dos(s, "sync_retry", "utimens", False, True), dos(s, "sync_retry", "truncate", False)],
     lambda s: [dos(s, "sync_retry", "utimens", False, False), dos(s, "sync_retry", "truncate", False),
                dos(s, "sync_retry", "chmod", True), dos(s, "sync_retry_extent", "truncate", True),
                dos(s, "sync_retry", "truncate", True, fs="ext4")],
     lambda s: [dos(s, "sync_retry", "utimens", True, fs="ext4"), dos(s, "sync_retry", "append", True),
                dos(s, "map_sync", "truncate", True), s.refused("sync_retry", "utimens", fs="xfs"),
                dos(s, "sync_retry", "truncate", True, workload="bystander")]),
    ("extent-makes-progress",
     lambda s: [dos(s, "sync_retry_extent", "store", False), dos(s, "sync_retry_extent", "truncate", True)],
     lambda s: [dos(s, "sync_retry_extent", touch, touch == "others", fs="ext4") for touch in ("store", "others")],
     lambda s: [dos(s, "sync_retry_extent", "punch", True), dos(s, "sync_retry", "utimens", True),
                s.refused("sync_retry_extent", "xattr")]),
    ("nobody-alone-is-slowed", lambda s: [alone(s, 1.05), alone(s, 0.951, fs="xfs"), s.contest()],
     lambda s: [alone(s, 1), alone(s, 1.051, fs="xfs")], lambda s: [s.contest(), s.row()]),
    ("nobody-alone-is-slowed", lambda s: [alone(s, 1)], lambda s: [alone(s, 0.949)], lambda s: []),
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


@pytest.mark.parametrize("touch", ["utimens", "chmod", "xattr", "append", "pwrite", "others", "store"])
def test_each_touch_that_leaves_the_extent_alone_counts(synthetic, touch):
    assert verdict(synthetic.load([dos(synthetic, "sync_retry_extent", touch, True)]),
                   "extent-makes-progress").verdict == check.FAIL


def test_contests_in_wall_time(synthetic):
    rows = [dos(synthetic, "sync_retry", "utimens", False, setting="concurrent"), alone(synthetic, 1.4),
            dos(synthetic, "sync_retry_extent", "utimens", False, setting="concurrent")]
    result = load.load(synthetic.save(synthetic.wall(synthetic.document(rows))))
    assert [verdict(result, rule).verdict for rule in IDS[-3:]] == [
        check.NOT_MEASURED, check.PASS, check.NOT_MEASURED]


def test_findings_of_contests(synthetic):
    result = synthetic.load([dos(synthetic, "sync_retry", "utimens", True, False),
                             dos(synthetic, "sync_retry_extent", "utimens", False, False), alone(synthetic, 0.98)])
    assert [f.text for rule in IDS[-3:] for f in verdict(result, rule).findings] == [
        "6.1/xfs/sync_retry/dos/written/pte/t1/utimens/a1/deterministic/off: 1 of 2 runs starved",
        "none of 2 runs in 1 row starved", "slowdown 0.980 to 0.980 in 1 row"]


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
        "6.1, ext4, first_touch, pte, 1 thread, hole: map_sync 3890, volatile 1000 instr per page (3.89 times)"]


def test_every_seed_is_checked(synthetic):
    rows = synthetic.samples([synthetic.row()], [1, 2, 3])
    rows[2].update(faults=2047, loop_cost=99)
    verdicts = {v.rule.id: v.verdict for v in check.check(synthetic.load(rows))}
    assert (verdicts["faults-are-touches"], verdicts["loop-is-short"]) == (check.FAIL, check.FAIL)
