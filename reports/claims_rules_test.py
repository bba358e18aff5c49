# SPDX-License-Identifier: GPL-2.0-only
"""Each rule with results made to support it, to contradict it, to starve it, and to lie on both sides of its limit."""

import pytest

import claims
import load
from claims import DEPENDS, FAILS, HOLDS, NOT_DECIDED

HOLE = "hole, in order, 4 KiB, 1 thread"
MERGED_HOLE = f"as merged: MAP_SYNC, {HOLE}"
PACED, TIGHT, BESIDE = "paced attacker, one CPU", "tight loop, second CPU", "paced attacker, second CPU"
ONE = {"setting": "deterministic"}
MERGED, PROPOSED = "as merged: MAP_SYNC, one fault per tick", "as proposed: all dirty metadata, one fault per tick"


def verdict_of(result, claim, case, fs="ext4"):
    found = [one for one in claims.judge(result) if (one["id"], one["case"], one["fs"]) == (claim, case, fs)]
    assert len(found) == 1, [one["case"] for one in claims.judge(result) if one["id"] == claim]
    return found[0]


def result_of(synthetic, rows):
    """The Result of these rows without a file between: what a file must be, load_test.py says."""
    samples = {}
    for row in rows:
        samples.setdefault(row["name"], []).append(row)
    context = synthetic.context()
    return load.make_result("made up", context, samples, [("made up", context)])


def cell(synthetic, strategy, page, k=None, state="written", probed=None, **changes):
    """A cell of that cost, with its twin; probed: what the row with probes has alone."""
    costs = {} if page is None else {"per_page": page, "per_fault": page}
    return [{**row, **(costs if row["probes"] == "off" else probed or {})}
            for row in synthetic.pair(strategy, k, state, **changes)]


def seeds(synthetic, rows, strategy, factors):
    """The rows five times, those of the strategy times each factor."""
    return synthetic.samples(rows, lambda row: factors if row["strategy"] == strategy else [1] * len(factors))


def c1(synthetic, factor, **changes):
    """factor: a fault on a written block with that sync added, over the same without; both faults alone cost as much."""
    return cell(synthetic, "map_sync", 1000, **changes) + [
        row for strategy, page in (("volatile", 1000), ("map_sync", 1000 * factor))
        for row in cell(synthetic, strategy, page, state="hole", **changes)]


def c2(synthetic, factor, strategy="sync_fault", **changes):
    return cell(synthetic, strategy, 1000 * factor, **changes) + cell(synthetic, "map_sync", 1000, **changes)


def asked(fault, kernel=0):
    return {"journal": {"kernel": None, "asked": {"fault": fault, "fsync": 0, "kernel": kernel}, "log_forces": None,
                        "served": None, "log_bytes": 0, "commits_per_fault": 0.0, "log_bytes_per_fault": 0.0,
                        "sync_waiting": None}}


def c3(synthetic, found, strategy="sync_fault", fast=0, kernel=0, **changes):
    return cell(synthetic, strategy, None, **{"workload": "paced", "faults": 100, "touches": 100, "mtime_changes": 100, **changes},
                probed={**asked(found, kernel), "fast_commits": fast})


def c4(synthetic, level, curve=(9000, 2000, 1800, 1500), state="hole", ks=(1, 8, 64, 512), strategy="map_sync", **changes):
    return cell(synthetic, strategy, level, state=state, **changes) + [
        row for k, page in zip(ks, curve) for row in cell(synthetic, "fsync", page, k, state, **changes)]


def c5(synthetic, synced, floor=1.0, strategy="daxfile"):
    return (cell(synthetic, strategy, None, workload="paced", mtime_changes=100, faults=100, probed={"syncs": synced})
            + cell(synthetic, strategy, 1000 * floor) + cell(synthetic, "volatile", 1000))


def unwritten(synthetic, synced, floor):
    return (cell(synthetic, "daxfile", 12000 * floor, state="unwritten", faults=1024, probed={"syncs": synced})
            + cell(synthetic, "volatile", 12000, state="unwritten"))


def behind(synthetic, longest, alone=1000, plain=1000):
    return (cell(synthetic, "daxfile", None, workload="behind_commit", probed={"max": longest})
            + cell(synthetic, "volatile", None, workload="behind_commit", probed={"max": plain})
            + cell(synthetic, "volatile", 900, probed={"max": alone}))


def c6(synthetic, mine, without=1.0, control=1.0, touch="mmap", worst=9.0, **changes):
    return [synthetic.contest(strategy, touch, workload="bystander", state=state,
                              runs=[synthetic.run(worst), synthetic.run(median), synthetic.run(median)], **changes)
            for strategy, state, median in (("map_sync", "hole", mine), ("volatile", "hole", without),
                                            ("prealloc", "written", control), ("volatile", "written", 1.0))]


def dos(synthetic, strategy, touch="utimens", starved=False, retries=0, period=10, **changes):
    return [synthetic.contest(strategy, touch, runs=[synthetic.run(3, starved, period), synthetic.run(2)], retries_max=retries,
                              **changes)]


def all_touches(synthetic, strategy, retries=0, but=(), **changes):
    return [row for touch in claims.ATTACKS if touch not in but for row in dos(synthetic, strategy, touch, retries=retries,
                                                                              **changes)]


def c7(synthetic, starved, retries, steady=False, strategy="sync_retry", **changes):
    return (all_touches(synthetic, strategy, retries, ("utimens",), **changes)
            + dos(synthetic, strategy, "utimens", starved, retries, **changes)
            + all_touches(synthetic, "map_sync", 0, ("utimens",), **changes)
            + dos(synthetic, "map_sync", "utimens", steady, **changes))


def own(synthetic, touch, plain, extent, starved=False, steady=False, plain_starved=False):
    state = claims.OWN_EXTENT.get(touch, "written")
    return (dos(synthetic, "sync_retry", touch, plain_starved, plain, state=state)
            + dos(synthetic, "sync_retry_extent", touch, starved, extent, state=state)
            + dos(synthetic, "map_sync", touch, steady, state=state))


def elsewhere(synthetic, extent, plain=200, starved=False, steady=False):
    return (all_touches(synthetic, "sync_retry", plain) + all_touches(synthetic, "sync_retry_extent", 1, ("utimens",))
            + dos(synthetic, "sync_retry_extent", "utimens", starved, extent) + dos(synthetic, "map_sync", "utimens", steady))


def dirt(synthetic, strategy, growth, state="hole", k=None, count=10000):
    return cell(synthetic, strategy, 1000, k, state, workload="unrelated") + cell(
        synthetic, strategy, 1000 * growth, k, state, workload="unrelated", dirty_inodes=count)


def tail(synthetic, strategy, spread, state, k=None, faults=10000, median=1000):
    durable = {"p50": median, "p90": median, "p99": median, "p99_9": median * spread, "max": median * spread * 3}
    return cell(synthetic, strategy, None, k, state, workload="background", faults=faults, touches=faults, durable=durable)


PAYS, MORE, JUMPS = "pays for the dirt of others", "pays more than an fsync would", "unpredictable, beside a steady load"
LONGER = "a longer tail than an fsync's, beside a steady load"
FREED, STALL, UNWRITTEN = "daxfile (map frozen)", "daxfile, behind another's commits", "unwritten extents allowed"
PUNCH, ELSEWHERE = "touch of its own extent: punch_same", "touches elsewhere in the file"
NOBODY, TAKEN = "all dirty metadata, nobody touches", "its own block taken: punch_same, paced, one CPU"

RULES = [
    ("C1", HOLE, lambda s: c1(s, 2.0), HOLDS), ("C1", HOLE, lambda s: c1(s, 1.1), FAILS),
    ("C1", HOLE, lambda s: c1(s, 1.99), NOT_DECIDED), ("C1", HOLE, lambda s: c1(s, 1.11), NOT_DECIDED),
    ("C1", HOLE, lambda s: c1(s, 3)[2:], NOT_DECIDED),
    ("C1", HOLE, lambda s: c1(s, 3)[:4], NOT_DECIDED),
    ("C1", "hole, in order, 2 MiB, 1 thread", lambda s: c1(s, 1.05, order="pmd") + c1(s, 4), FAILS),
    # That the fault clears 2 MiB makes no sync short: 950 000 of 1 000 000 are not the sync's.
    ("C1", "hole, in order, 2 MiB, 1 thread", lambda s: cell(s, "volatile", 950000, state="hole", order="pmd") + cell(
        s, "map_sync", 1000000, state="hole", order="pmd") + cell(s, "map_sync", 13000, order="pmd"), HOLDS),
    ("C1", "hole, scattered, 4 KiB, 1 thread", lambda s: c1(s, 2, workload="random_touch"), HOLDS),
    ("C1", "hole, in order, 4 KiB, 2 threads", lambda s: c1(s, 2, threads=2), HOLDS),  # found, not asked for
    ("C1", "the CPU rather than the medium", lambda s: c1(s, 4), NOT_DECIDED),
    ("C2", "fsync's rule, tight loop", lambda s: c2(s, 2), HOLDS),
    ("C2", "fsync's rule, tight loop", lambda s: c2(s, 1.1), FAILS),
    ("C2", "fsync's rule, tight loop", lambda s: c2(s, 1.45), NOT_DECIDED),
    ("C2", "fsync's rule, tight loop", lambda s: c2(s, 6, workload="paced"), NOT_DECIDED),  # the pace decides nothing
    ("C2", "fdatasync's rule, tight loop", lambda s: c2(s, 6) + c2(s, 1, "sync_fault_data")[:2], FAILS),
    ("C2", "fsync's rule, many files", lambda s: c2(s, 6, workload="many_files"), HOLDS),
    ("C2", "fsync's rule, 4 threads", lambda s: c2(s, 6, threads=4), HOLDS),
    ("C2", "fsync's rule, written, in order, 4 KiB, 2 threads", lambda s: c2(s, 6, threads=2), HOLDS),
    ("C3", PROPOSED, lambda s: c3(s, 90), HOLDS), ("C3", PROPOSED, lambda s: c3(s, 10), FAILS),
    ("C3", PROPOSED, lambda s: c3(s, 89), NOT_DECIDED), ("C3", PROPOSED, lambda s: c3(s, 11), NOT_DECIDED),
    ("C3", PROPOSED, lambda s: c3(s, 63, faults=63), NOT_DECIDED), ("C3", PROPOSED, lambda s: c3(s, 64, faults=64), HOLDS),
    ("C3", MERGED, lambda s: c3(s, 100) + c3(s, 0, "map_sync"), FAILS),
    ("C3", MERGED, lambda s: c3(s, 100), NOT_DECIDED),
    # As a study has it of ext4 with fast_commit: 26 fast commits, a full one, and then none.
    ("C3", MERGED, lambda s: c3(s, 27, "map_sync", fast=26, faults=128, mtime_changes=128), DEPENDS),
    ("C3", MERGED, lambda s: c3(s, 9, "map_sync", fast=8), DEPENDS),  # of few as of many: it is where a timer stood
    ("C3", MERGED, lambda s: c3(s, 27, "map_sync", fast=27), NOT_DECIDED),  # no full commit
    ("C3", MERGED, lambda s: c3(s, 27, "map_sync"), NOT_DECIDED),
    ("C3", MERGED, lambda s: c3(s, 27, "map_sync", fast=26, mtime_changes=80), NOT_DECIDED),  # the pace may be why
    ("C3", MERGED, lambda s: c3(s, 100, "map_sync", fast=98), HOLDS), ("C3", MERGED, lambda s: c3(s, 95, "map_sync", fast=94), HOLDS),
    ("C3", "as proposed: all dirty metadata, tight loop on one file", lambda s: c3(s, 0, workload="first_touch"), FAILS),
    ("C4", MERGED_HOLE, lambda s: c4(s, 4000), HOLDS), ("C4", MERGED_HOLE, lambda s: c4(s, 3999), NOT_DECIDED),
    ("C4", MERGED_HOLE, lambda s: c4(s, 1650), FAILS), ("C4", MERGED_HOLE, lambda s: c4(s, 1651), NOT_DECIDED),
    ("C4", MERGED_HOLE, lambda s: c4(s, 1650, (1400, 2000, 1800, 1500)), NOT_DECIDED),  # at K = 1 it is dearer
    ("C4", MERGED_HOLE, lambda s: c4(s, 4000, (9000, 2000, 1800), ks=(1, 8, 64)), NOT_DECIDED),
    # Any other K counts as well: from 8 on for the one word, each of them for the other.
    ("C4", MERGED_HOLE, lambda s: c4(s, 4000, (9000, 3000, 2000, 2000, 1800, 1500), ks=(1, 7, 8, 16, 64, 512)), HOLDS),
    ("C4", MERGED_HOLE, lambda s: c4(s, 4000, (9000, 3000, 2000, 2001, 1800, 1500), ks=(1, 7, 8, 16, 64, 512)), NOT_DECIDED),
    ("C4", MERGED_HOLE, lambda s: c4(s, 1650, (9000, 1499, 2000, 1800, 1500), ks=(1, 7, 8, 64, 512)), NOT_DECIDED),
    ("C4", MERGED_HOLE, lambda s: c4(s, 1650, (9000, 1500, 2000, 1800, 1500), ks=(1, 7, 8, 64, 512)), FAILS),
    ("C4", MERGED_HOLE, lambda s: c4(s, 4000) + [s.skip(row, "hung", "failed") for row in cell(s, "fsync", 9, 16, "hole")], HOLDS),
    ("C4", "as merged: MAP_SYNC, hole, in order, 4 KiB, 4 threads", lambda s: c4(s, 3800, threads=4) + c4(s, 4000), NOT_DECIDED),
    ("C4", "as merged: MAP_SYNC, hole, scattered, 4 KiB, 1 thread", lambda s: c4(s, 4000, workload="random_touch"), HOLDS),
    ("C4", "as merged: MAP_SYNC, hole, in order, 2 MiB, 1 thread", lambda s: c4(s, 1500, order="pmd"), FAILS),
    # Each kernel that syncs in the fault has cases of its own.
    ("C4", f"as proposed: all dirty metadata, {HOLE}", lambda s: c4(s, 4000, strategy="sync_fault"), HOLDS),
    ("C4", f"as proposed: all dirty metadata, {HOLE}", lambda s: c4(s, 4000) + cell(s, "sync_fault", 1650, state="hole"), FAILS),
    ("C4", f"as proposed: all dirty metadata, {HOLE}", lambda s: c4(s, 4000), NOT_DECIDED),
    ("C4", "as proposed: all dirty metadata, hole, in order, 4 KiB, 2 threads",
     lambda s: c4(s, 4000, strategy="sync_fault", threads=2), HOLDS),
    # With fewer touches than K there is one sync at the end, whatever K says.
    ("C4", MERGED_HOLE, lambda s: c4(s, 4000, touches=512), HOLDS), ("C4", MERGED_HOLE, lambda s: c4(s, 4000, touches=511), NOT_DECIDED),
    ("C4", "as merged: MAP_SYNC, hole, in order, 4 KiB, 2 threads", lambda s: c4(s, 4000, threads=2), HOLDS),
    ("C5", FREED, lambda s: c5(s, 10), HOLDS), ("C5", FREED, lambda s: c5(s, 90), FAILS),
    ("C5", FREED, lambda s: c5(s, 11), NOT_DECIDED), ("C5", FREED, lambda s: c5(s, 0, 1.11), NOT_DECIDED),
    ("C5", FREED, lambda s: c5(s, 0, 1.1), HOLDS), ("C5", FREED, lambda s: c5(s, 0, 2), FAILS),
    ("C5", FREED, lambda s: c5(s, 0)[:2], NOT_DECIDED),
    ("C5", "daxfile_nocmtime (map frozen, mtime left alone)", lambda s: c5(s, 0, strategy="daxfile_nocmtime"), HOLDS),
    ("C5", STALL, lambda s: behind(s, 1100), HOLDS), ("C5", STALL, lambda s: behind(s, 2000), FAILS),
    # What a fault without any guarantee waits for as well is no cost of the file's.
    ("C5", STALL, lambda s: behind(s, 2000, plain=1100), FAILS), ("C5", STALL, lambda s: behind(s, 2000, plain=1101), NOT_DECIDED),
    ("C5", STALL, lambda s: behind(s, 1100, plain=9000), HOLDS),
    ("C5", STALL, lambda s: behind(s, 1101), NOT_DECIDED), ("C5", STALL, lambda s: c5(s, 0), NOT_DECIDED),
    # The module's own cost is none of the file's.
    ("C5", FREED, lambda s: c5(s, 0, 1.2) + cell(s, "map_sync_wrapped", 1150), HOLDS),
    ("C5", FREED, lambda s: c5(s, 0, 1.05) + cell(s, "map_sync_wrapped", 500), FAILS),
    ("C5", UNWRITTEN, lambda s: unwritten(s, 1024, 4.6), FAILS), ("C5", UNWRITTEN, lambda s: unwritten(s, 0, 1.1), HOLDS),
    ("C5", UNWRITTEN, lambda s: unwritten(s, 1024, 1), FAILS), ("C5", UNWRITTEN, lambda s: unwritten(s, 0, 1.5), NOT_DECIDED),
    ("C5", UNWRITTEN, lambda s: unwritten(s, 0, 1) + cell(s, "volatile", 100), HOLDS),  # a written one decides nothing
    ("C5", UNWRITTEN, lambda s: c5(s, 0), NOT_DECIDED),
    ("C6", "mmap", lambda s: c6(s, 3, 1.5), HOLDS), ("C6", "mmap", lambda s: c6(s, 1.1), FAILS),
    ("C6", "mmap", lambda s: c6(s, 1.99), NOT_DECIDED),  # the worst run is at 9
    ("C6", "mmap", lambda s: c6(s, 3, control=2), NOT_DECIDED), ("C6", "mmap", lambda s: c6(s, 3)[:2], NOT_DECIDED),
    ("C6", "anon", lambda s: c6(s, 1) + c6(s, 4, touch="anon"), HOLDS),
    ("C6", "mmap, deterministic2", lambda s: c6(s, 1) + c6(s, 4, setting="deterministic2"), HOLDS),
    ("C7", PACED, lambda s: c7(s, True, 200), HOLDS), ("C7", PACED, lambda s: c7(s, False, 3), FAILS),
    ("C7", PACED, lambda s: c7(s, False, 4), NOT_DECIDED),  # it was held up, not stopped
    ("C7", PACED, lambda s: c7(s, True, 200, steady=True), NOT_DECIDED),  # mainline starves as well
    ("C7", PACED, lambda s: dos(s, "sync_retry", starved=True, retries=10) + dos(s, "map_sync"), HOLDS),
    ("C7", PACED, lambda s: dos(s, "sync_retry", starved=True, retries=9) + dos(s, "map_sync"), NOT_DECIDED),  # not by retries
    ("C7", PACED, lambda s: c7(s, False, 3) + dos(s, "sync_retry", "chmod", True, 200) + dos(s, "map_sync", "chmod"), HOLDS),
    # A touch that takes the block away is more than a touch of the file.
    ("C7", PACED, lambda s: c7(s, False, 3) + own(s, "punch_same", 200, 3, plain_starved=True), FAILS),
    ("C7", PACED, lambda s: c7(s, False, 3) + own(s, "reflink", 200, 3, plain_starved=True), FAILS),
    ("C7", TAKEN, lambda s: c7(s, False, 3) + own(s, "punch_same", 200, 3, plain_starved=True), HOLDS),
    ("C7", TAKEN, lambda s: c7(s, True, 200) + own(s, "punch_same", 3, 3), FAILS),
    ("C7", TAKEN, lambda s: own(s, "punch_same", 200, 3, steady=True, plain_starved=True), NOT_DECIDED),
    ("C7", "its own block taken: dedupe, paced, one CPU", lambda s: own(s, "dedupe", 200, 3, plain_starved=True), HOLDS),
    ("C7", PACED, lambda s: dos(s, "sync_retry", starved=True), NOT_DECIDED),
    ("C7", PACED, lambda s: dos(s, "sync_retry", starved=True, attackers=2) + dos(s, "map_sync"), NOT_DECIDED),
    ("C7", PACED, lambda s: dos(s, "sync_retry") + dos(s, "map_sync"), NOT_DECIDED),
    ("C7", PACED, lambda s: c7(s, True, 200, setting="concurrent"), NOT_DECIDED),
    ("C7", TIGHT, lambda s: c7(s, True, 200, setting="concurrent"), HOLDS),
    ("C7", TIGHT, lambda s: c7(s, False, 3, setting="concurrent"), FAILS),
    ("C7", TIGHT, lambda s: c7(s, True, 200, setting="deterministic2"), NOT_DECIDED),  # it is paced
    ("C7", BESIDE, lambda s: c7(s, True, 200, setting="deterministic2"), NOT_DECIDED),  # not on a 6.1
    ("C7", BESIDE, lambda s: c7(s, True, 200, setting="deterministic2", kernel="6.12"), HOLDS),
    ("C7", BESIDE, lambda s: c7(s, False, 3, setting="deterministic2", kernel="6.12"), FAILS),
    ("C7", BESIDE, lambda s: c7(s, False, 4, setting="deterministic2", kernel="6.12"), NOT_DECIDED),
    ("C7", TIGHT, lambda s: c7(s, True, 200), NOT_DECIDED),  # a timer is no tight loop
    ("C7", "bounded: the second attempt syncs under the lock", lambda s: c7(s, False, 1, strategy="sync_retry_once"), FAILS),
    ("C7", "bounded: the second attempt syncs under the lock", lambda s: c7(s, True, 1, strategy="sync_retry_once"),
     NOT_DECIDED),  # late after one retry, the most that it has
    ("C7", PACED, lambda s: c7(s, False, 3) + c7(s, True, 200, fault_deadline_ms=200), FAILS),  # a deadline is another cell
    ("C7", PACED, lambda s: c7(s, True, 200, fault_deadline_ms=200) + c7(s, False, 3), FAILS),
    ("C7", PACED, lambda s: c7(s, True, 200, fault_deadline_ms=200), NOT_DECIDED),
    ("C7", f"{PACED}, 200 ms", lambda s: c7(s, False, 3) + c7(s, True, 200, fault_deadline_ms=200), HOLDS),
    ("C7", f"{PACED}, 1000 ms", lambda s: c7(s, True, 200) + c7(s, False, 3, fault_deadline_ms=1000), FAILS),
    ("C7", f"{PACED}, 200 ms", lambda s: c7(s, True, 200) + dos(s, "sync_retry", starved=True, fault_deadline_ms=200),
     NOT_DECIDED),  # map_sync has no such deadline
    ("C7", NOBODY, lambda s: dos(s, "sync_retry_strict", "none", retries=10, attackers=0), HOLDS),
    ("C7", NOBODY, lambda s: dos(s, "sync_retry_strict", "none", retries=3, attackers=0), FAILS),
    ("C7", NOBODY, lambda s: dos(s, "sync_retry_strict", "none", retries=9, attackers=0), NOT_DECIDED),
    ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 3), HOLDS), ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 10), FAILS),
    ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 4), NOT_DECIDED),
    ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 1), NOT_DECIDED),  # nothing shows that the rule saw it
    ("C8", PUNCH, lambda s: own(s, "punch_same", 9, 3), NOT_DECIDED),  # no attack
    ("C8", PUNCH, lambda s: own(s, "punch_same", 10, 2), HOLDS),
    ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 2, starved=True), FAILS),
    # What a fault that is not retried suffers as well is no fault of the rule.
    ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 2, starved=True, steady=True), NOT_DECIDED),
    ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 180, steady=True), NOT_DECIDED),
    ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 3, steady=True), HOLDS),
    ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 2, starved=True)[:2], NOT_DECIDED),
    ("C8", PUNCH, lambda s: elsewhere(s, 1), NOT_DECIDED),
    ("C8", PUNCH, lambda s: own(s, "punch_same", 200, 3) + own(s, "extend", 200, 50), HOLDS),
    ("C8", ELSEWHERE, lambda s: elsewhere(s, 1) + own(s, "punch_same", 200, 50), HOLDS),
    ("C8", "touch of its own extent: convert", lambda s: own(s, "convert", 200, 3), HOLDS),
    ("C8", "touch of its own extent: reflink", lambda s: own(s, "reflink", 200, 10), FAILS),  # found, not asked for
    ("C8", "touch of its own extent: dedupe", lambda s: own(s, "dedupe", 200, 3), HOLDS),
    ("C8", ELSEWHERE, lambda s: elsewhere(s, 1) + own(s, "reflink", 200, 50), HOLDS),
    ("C8", ELSEWHERE, lambda s: elsewhere(s, 3), HOLDS), ("C8", ELSEWHERE, lambda s: elsewhere(s, 10), FAILS),
    ("C8", ELSEWHERE, lambda s: elsewhere(s, 1), HOLDS), ("C8", ELSEWHERE, lambda s: elsewhere(s, 9), NOT_DECIDED),
    ("C8", ELSEWHERE, lambda s: elsewhere(s, 1, 9), NOT_DECIDED), ("C8", ELSEWHERE, lambda s: elsewhere(s, 1, 10), HOLDS),
    ("C8", ELSEWHERE, lambda s: own(s, "punch_same", 200, 2), NOT_DECIDED),
    # One touch that is asked for was not measured.
    ("C8", ELSEWHERE, lambda s: [row for row in elsewhere(s, 1) if row["touch"] != "append"], NOT_DECIDED),
    ("C9", PAYS, lambda s: dirt(s, "map_sync", 10) + dirt(s, "prealloc", 1.1, "written"), HOLDS),
    ("C9", PAYS, lambda s: dirt(s, "map_sync", 10) + dirt(s, "prealloc", 2.1, "written"), NOT_DECIDED),
    ("C9", PAYS, lambda s: dirt(s, "map_sync", 2) + dirt(s, "prealloc", 1, "written"), FAILS),
    ("C9", PAYS, lambda s: dirt(s, "map_sync", 9.9) + dirt(s, "prealloc", 1, "written"), NOT_DECIDED),
    ("C9", PAYS, lambda s: dirt(s, "map_sync", 50), NOT_DECIDED),
    ("C9", PAYS, lambda s: dirt(s, "map_sync", 50, count=1000) + dirt(s, "prealloc", 1, "written", count=1000), NOT_DECIDED),
    ("C9", MORE, lambda s: dirt(s, "map_sync", 50) + dirt(s, "fsync", 50, k=1), FAILS),
    ("C9", MORE, lambda s: dirt(s, "map_sync", 50) + dirt(s, "fsync", 25, k=1), HOLDS),
    ("C9", MORE, lambda s: dirt(s, "map_sync", 50) + dirt(s, "fsync", 30, k=1), NOT_DECIDED),
    # Beside the same dirt, though one of them was measured with more.
    ("C9", MORE, lambda s: dirt(s, "map_sync", 50) + dirt(s, "map_sync", 250, count=50000)[2:] + dirt(s, "fsync", 50, k=1), FAILS),
    ("C9", MORE, lambda s: dirt(s, "map_sync", 50, count=50000) + dirt(s, "fsync", 50, k=1), NOT_DECIDED),
    ("C9", PAYS, lambda s: dirt(s, "map_sync", 9) + dirt(s, "map_sync", 250, count=50000)[2:] + dirt(
        s, "prealloc", 1, "written"), NOT_DECIDED),
    ("C9", JUMPS, lambda s: tail(s, "map_sync", 10, "hole") + tail(s, "prealloc", 2, "written"), HOLDS),
    ("C9", JUMPS, lambda s: tail(s, "map_sync", 9, "hole") + tail(s, "prealloc", 1, "written"), NOT_DECIDED),
    ("C9", JUMPS, lambda s: tail(s, "map_sync", 2, "hole") + tail(s, "prealloc", 2, "written"), FAILS),
    # Without the control, with one whose tail is long as well, and of too few.
    ("C9", JUMPS, lambda s: tail(s, "map_sync", 10, "hole"), NOT_DECIDED),
    ("C9", JUMPS, lambda s: tail(s, "map_sync", 10, "hole") + tail(s, "prealloc", 2.1, "written"), NOT_DECIDED),
    ("C9", JUMPS, lambda s: tail(s, "map_sync", 100, "hole") + tail(s, "prealloc", 700, "written"), NOT_DECIDED),
    ("C9", JUMPS, lambda s: tail(s, "map_sync", 2, "hole", faults=9999) + tail(s, "prealloc", 2, "written"), NOT_DECIDED),
    # By the time, and not by the tail over its own median.
    ("C9", LONGER, lambda s: tail(s, "map_sync", 4, "hole") + tail(s, "fsync", 4, "hole", 1, median=500), HOLDS),
    ("C9", LONGER, lambda s: tail(s, "map_sync", 4, "hole") + tail(s, "fsync", 2, "hole", 1, median=2000), FAILS),
    ("C9", LONGER, lambda s: tail(s, "map_sync", 6, "hole") + tail(s, "fsync", 4, "hole", 1), NOT_DECIDED),
    ("C9", LONGER, lambda s: tail(s, "map_sync", 4, "hole") + tail(s, "fsync", 1, "hole", 1, faults=9999), NOT_DECIDED),
    # Of a result from before each durable store was timed.
    ("C9", LONGER, lambda s: [{**row, "durable": None} for row in tail(s, "map_sync", 4, "hole") + tail(
        s, "fsync", 2, "hole", 1)], NOT_DECIDED),
]


@pytest.mark.parametrize("claim, case, make, verdict", RULES)
def test_each_rule(synthetic, claim, case, make, verdict):
    found = verdict_of(result_of(synthetic, make(synthetic)), claim, case)
    assert found["verdict"] == verdict, found
    assert (verdict == NOT_DECIDED) == bool(found["reasons"] or found["missing"])
    assert found["word"].startswith(verdict) and found["rule"] and found["claim"] and found["said"]
    assert found["sensitivity"]["2"] == verdict
    if verdict in (HOLDS, FAILS):
        assert "one sample" in found["word"] and found["samples"] == 1 and found["band"] is not None
    for figure in found["figures"]:
        assert figure["name"] and figure["unit"] and figure["cells"] and figure["low"] <= figure["value"] <= figure["high"]


# Of a rule, the words that no result above gives it, and why.
LACKING = {"cpu_or_medium": ({HOLDS, FAILS}, "it goes by the lines that a sync writes, which rows of medium_test.py have alone")}


def rule_of(case):
    """The name of the function that decides a case."""
    return getattr(case.judge, "func", case.judge).__name__


def test_every_rule_is_supported_contradicted_and_starved_by_some_result(synthetic):
    """The cases of one rule differ by what they give it; those that only some results have are in `more`."""
    words = {rule_of(case): set() for claim in claims.CLAIMS for case in claim.cases}
    by_id = {claim.id: claim for claim in claims.CLAIMS}
    for number, name, make, verdict in RULES:
        claim = by_id[number]
        views = claims.places(result_of(synthetic, make(synthetic)))
        there = {case.name: case for view in views for case in (*claim.cases, *claim.more(view))}
        words[rule_of(there[name])].add(verdict)
    assert len(words) >= 17 and {claim for claim, *_ in RULES} == set(by_id)
    lacking = {rule: {HOLDS, FAILS, NOT_DECIDED} - found for rule, found in words.items()}
    assert {rule: missed for rule, missed in lacking.items() if missed} == {rule: missed for rule, (missed, _) in LACKING.items()}


STRADDLING = (0.9, 0.95, 1, 1.05, 1.1)


@pytest.mark.parametrize("claim, case, strategy, make", [
    ("C1", HOLE, "map_sync", lambda s: c1(s, 2)), ("C1", HOLE, "map_sync", lambda s: c1(s, 1.1)),
    ("C2", "fsync's rule, tight loop", "sync_fault", lambda s: c2(s, 2.05)), ("C4", MERGED_HOLE, "map_sync", lambda s: c4(s, 4100)),
    ("C4", MERGED_HOLE, "map_sync", lambda s: c4(s, 1650)), ("C5", FREED, "daxfile", lambda s: c5(s, 0, 1.09)),
    ("C9", PAYS, "map_sync", lambda s: dirt(s, "map_sync", 10) + dirt(s, "prealloc", 1, "written")),
    ("C9", MORE, "map_sync", lambda s: dirt(s, "map_sync", 50) + dirt(s, "fsync", 25, k=1))])
def test_samples_on_both_sides_of_a_limit_decide_nothing(synthetic, claim, case, strategy, make):
    rows = make(synthetic)
    if claim == "C9":  # else the cells with and without dirt would move alike
        dirty = [row for row in rows if row.get("dirty_inodes") and row["strategy"] == "map_sync"]
        rows = [row for row in rows if row not in dirty]
        rows = synthetic.samples(rows, [1] * 5) + synthetic.samples(dirty, STRADDLING)
    else:
        rows = seeds(synthetic, rows, strategy, STRADDLING)
    found = verdict_of(result_of(synthetic, rows), claim, case)
    assert found["verdict"] == NOT_DECIDED and found["samples"] == 5
    assert len(found["reasons"]) == 1 and "its samples lie on both sides of a limit" in found["reasons"][0]


def straddle_contests(synthetic, make):
    """Two samples of contests that differ."""
    return [{**row, "seed": seed} for seed, rows in enumerate(make) for row in rows]


@pytest.mark.parametrize("claim, case, make", [
    ("C3", PROPOSED, lambda s: [c3(s, 80), c3(s, 95)]), ("C5", STALL, lambda s: [behind(s, 1050), behind(s, 1150)]),
    ("C5", STALL, lambda s: [behind(s, 1950), behind(s, 2050)]),
    # Of the control: that it is short in one sample alone takes the word away.
    ("C5", STALL, lambda s: [behind(s, 2500, plain=1050), behind(s, 2500, plain=1150)]), ("C6", "mmap", lambda s: [c6(s, 1.9), c6(s, 2.5)]),
    ("C7", PACED, lambda s: [c7(s, False, 3), c7(s, False, 5)]), ("C7", PACED, lambda s: [c7(s, True, 90), c7(s, False, 90)]),
    ("C8", PUNCH, lambda s: [own(s, "punch_same", 20, 3), own(s, "punch_same", 20, 5)]),
    ("C8", ELSEWHERE, lambda s: [elsewhere(s, 3), elsewhere(s, 5)])])
def test_samples_of_contests_that_disagree_decide_nothing(synthetic, claim, case, make):
    found = verdict_of(result_of(synthetic, straddle_contests(synthetic, make(synthetic))), claim, case)
    assert found["verdict"] == NOT_DECIDED and found["reasons"], found


def again(synthetic, level, curve=(2000, 1800), stores=8):
    return result_of(synthetic, c4(synthetic, level, curve, ks=(8, 64), workload="store_again", stores_per_page=stores))


@pytest.mark.parametrize("level, verdict", [(4000, HOLDS), (3999, NOT_DECIDED), (1970, FAILS), (1990, NOT_DECIDED)])
def test_pages_that_are_stored_to_again(synthetic, level, verdict):
    found = verdict_of(again(synthetic, level), "C4", "as merged: MAP_SYNC, hole, 8 stores a page, 4 KiB, 1 thread")
    assert found["verdict"] == verdict
    assert verdict_of(again(synthetic, level), "C4", "as merged: MAP_SYNC, hole, 1 store a page, 4 KiB, 1 thread")["missing"]


def test_of_pages_that_are_stored_to_again_a_k_counts_stores(synthetic):
    for touches, verdict in ((8, HOLDS), (7, NOT_DECIDED)):  # 64 stores, or 56
        rows = c4(synthetic, 4000, (2000, 1800), ks=(8, 64), workload="store_again", stores_per_page=8, touches=touches)
        found = verdict_of(result_of(synthetic, rows), "C4", "as merged: MAP_SYNC, hole, 8 stores a page, 4 KiB, 1 thread")
        assert found["verdict"] == verdict


def test_more_stores_than_the_table_names_are_a_case(synthetic):
    assert verdict_of(again(synthetic, 4000, stores=16), "C4", "as merged: MAP_SYNC, hole, 16 stores a page, 4 KiB, 1 thread")["verdict"] == HOLDS


def test_the_k_at_which_it_turns_is_between_the_nearest_that_were_measured(synthetic):
    """A straight line in 1/K: between 1 and 8 it would turn at 1.875, between 1 and 2 at 1.5."""
    def turn(rows):
        found = verdict_of(result_of(synthetic, rows), "C4", MERGED_HOLE)
        figure = next(one for one in found["figures"] if one["name"] == "fsync:K costs less from this K on")
        assert claims.figure_words(figure).startswith("K = 1.")  # and not 1.5 K
        return [figure["value"]]

    assert turn(c4(synthetic, 5000, (9000, 1500, 1400, 1300))) == [pytest.approx(1 / (1 - 4000 / 7500 * 7 / 8))]
    assert turn(c4(synthetic, 5000, (9000, 3000, 1500, 1400, 1300), ks=(1, 2, 8, 64, 512))) == [pytest.approx(1.5)]


def test_a_k_that_nobody_asked_for_is_not_missed(synthetic):
    rows = c4(synthetic, 3999) + [synthetic.skip(row, "hung", "failed") for row in cell(synthetic, "fsync", 9, 16, "hole")]
    found = verdict_of(result_of(synthetic, rows), "C4", MERGED_HOLE)
    assert found["verdict"] == NOT_DECIDED and found["missing"] == [] and "hung" not in found["reasons"]
