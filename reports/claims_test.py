# SPDX-License-Identifier: GPL-2.0-only
"""Each rule with results made to support it, to contradict it and to starve it."""

import pytest

import claims
from claims import CONTRADICTED, NOT_DECIDED, SUPPORTED, Spec


def verdict_of(result, claim, case="", fs="ext4"):
    found = [one for one in claims.judge(result) if (one["id"], one["case"], one["fs"]) == (claim, case, fs)]
    assert len(found) == 1
    return found[0]


def cell(synthetic, strategy, page, k=None, state="written", probed=None, **changes):
    """A cell of that cost, with its twin; probed: what the row with probes has alone."""
    costs = {} if page is None else {"per_page": page, "per_fault": page}
    return [{**row, **(costs if row["probes"] == "off" else probed or {})}
            for row in synthetic.pair(strategy, k, state, **changes)]


def c1(synthetic, factor):
    return [row for strategy, page in (("volatile", 1000), ("map_sync", 1000 * factor))
            for state in ("hole", "unwritten", "written") for row in cell(synthetic, strategy, page, state=state)]


def c2(synthetic, paced, holes):
    return (cell(synthetic, "sync_fault", 1000 * paced, workload="paced") + cell(synthetic, "map_sync", 1000, workload="paced")
            + cell(synthetic, "sync_fault", 1000 * holes, state="hole") + cell(synthetic, "fsync", 1000, 64, "hole"))


def c3(synthetic, moved, synced):
    return cell(synthetic, "map_sync", None, workload="paced", mtime_changes=moved, faults=100, touches=100,
                probed={"syncs": synced})


def c4(synthetic, level, curve=(9000, 3000, 2000, 1500)):
    return cell(synthetic, "map_sync", level, state="hole") + [
        row for k, page in zip((1, 8, 64, 512), curve) for row in cell(synthetic, "fsync", page, k, "hole")]


def c5(synthetic, moved, synced, floor=1.0):
    return (cell(synthetic, "daxfile", None, workload="paced", mtime_changes=moved, faults=100, probed={"syncs": synced})
            + cell(synthetic, "daxfile", 1000 * floor) + cell(synthetic, "volatile", 1000)
            + cell(synthetic, "map_sync", 9000, state="hole"))


def by(synthetic, strategy, slowdown, touch="mmap"):
    return [synthetic.contest(strategy, touch, workload="bystander", state="hole", runs=[synthetic.run(slowdown)])]


def c6(synthetic, with_sync, without=1.0):
    return by(synthetic, "map_sync", with_sync) + by(synthetic, "volatile", without)


def dos(synthetic, strategy, touch="utimens", starved=False, retries=0, **changes):
    return [synthetic.contest(strategy, touch, runs=[synthetic.run(3, starved), synthetic.run(2)], retries_max=retries,
                              **changes)]


def all_touches(synthetic, strategy, retries=0):
    return [row for touch in claims.ATTACKS for row in dos(synthetic, strategy, touch, retries=retries)]


def c7(synthetic, starved, retries, steady=False):
    return (all_touches(synthetic, "sync_retry", retries)[1:] + dos(synthetic, "sync_retry", "utimens", starved, retries)
            + all_touches(synthetic, "map_sync")[1:] + dos(synthetic, "map_sync", "utimens", steady))


def c8(synthetic, extent, starved=False, steady=False):
    return (all_touches(synthetic, "sync_retry", 200) + all_touches(synthetic, "sync_retry_extent", 1)[1:]
            + dos(synthetic, "sync_retry_extent", "utimens", starved, extent)
            + dos(synthetic, "map_sync", "utimens", steady))


def c9(synthetic, longest, counts=(0, 100, 1000, 10000, 50000)):
    return [row for count, value in zip(counts, (1000, 1000, 1000, 1000, longest))
            for row in cell(synthetic, "map_sync", None, state="hole", workload="unrelated", probed={"p50": 900, "max": value},
                            **({"dirty_inodes": count} if count else {}))]


@pytest.mark.parametrize("claim, case, make, verdict", [
    ("C1", "", lambda s: c1(s, 2.0), SUPPORTED), ("C1", "", lambda s: c1(s, 1.1), CONTRADICTED),
    ("C1", "", lambda s: c1(s, 1.5), NOT_DECIDED),
    ("C1", "", lambda s: c1(s, 3)[:-2] + cell(s, "map_sync", 1000), SUPPORTED),  # written blocks are no matter
    ("C2", "", lambda s: c2(s, 2, 2), SUPPORTED), ("C2", "", lambda s: c2(s, 1.1, 1), CONTRADICTED),
    ("C2", "", lambda s: c2(s, 6, 1.9), NOT_DECIDED), ("C2", "", lambda s: c2(s, 1, 3), NOT_DECIDED),
    ("C3", "", lambda s: c3(s, 90, 90), SUPPORTED), ("C3", "", lambda s: c3(s, 100, 10), CONTRADICTED),
    ("C3", "", lambda s: c3(s, 10, 100), CONTRADICTED), ("C3", "", lambda s: c3(s, 100, 37), NOT_DECIDED),
    ("C3", "", lambda s: c3(s, 50, 0), NOT_DECIDED),
    ("C4", "hole", lambda s: c4(s, 4000), SUPPORTED), ("C4", "hole", lambda s: c4(s, 1650), CONTRADICTED),
    ("C4", "hole", lambda s: c4(s, 3999), NOT_DECIDED), ("C4", "hole", lambda s: c4(s, 1651), NOT_DECIDED),
    ("C4", "written", lambda s: c4(s, 4000), NOT_DECIDED),
    ("C5", "", lambda s: c5(s, 10, 10), SUPPORTED), ("C5", "", lambda s: c5(s, 90, 0), CONTRADICTED),
    ("C5", "", lambda s: c5(s, 0, 90), CONTRADICTED), ("C5", "", lambda s: c5(s, 0, 11), NOT_DECIDED),
    ("C5", "", lambda s: c5(s, 0, 0, 1.11), NOT_DECIDED),
    ("C6", "", lambda s: c6(s, 3, 1.5), SUPPORTED), ("C6", "", lambda s: c6(s, 1.1), CONTRADICTED),
    ("C6", "", lambda s: c6(s, 3, 1.6), NOT_DECIDED),
    ("C6", "", lambda s: c6(s, 1) + by(s, "map_sync", 4, "resize") + by(s, "volatile", 1, "resize"), SUPPORTED),
    ("C6", "", lambda s: by(s, "map_sync", 4, "resize") + by(s, "volatile", 1, "resize"), NOT_DECIDED),
    ("C7", "", lambda s: c7(s, True, 200), SUPPORTED), ("C7", "", lambda s: c7(s, False, 3), CONTRADICTED),
    ("C7", "", lambda s: c7(s, False, 4), NOT_DECIDED),  # it was held up, not stopped
    ("C7", "", lambda s: c7(s, True, 200, steady=True), NOT_DECIDED),  # mainline starves as well
    ("C7", "", lambda s: dos(s, "sync_retry", starved=True) + dos(s, "map_sync"), SUPPORTED),
    ("C7", "", lambda s: dos(s, "sync_retry", starved=True), NOT_DECIDED),
    ("C7", "", lambda s: dos(s, "sync_retry", starved=True, attackers=2) + dos(s, "map_sync"), NOT_DECIDED),
    ("C7", "", lambda s: dos(s, "sync_retry") + dos(s, "map_sync"), NOT_DECIDED),
    ("C8", "", lambda s: c8(s, 3), SUPPORTED), ("C8", "", lambda s: c8(s, 10), CONTRADICTED),
    ("C8", "", lambda s: c8(s, 1, starved=True), CONTRADICTED),
    ("C8", "", lambda s: c8(s, 1, starved=True, steady=True), SUPPORTED), ("C8", "", lambda s: c8(s, 9), NOT_DECIDED),
    ("C8", "", lambda s: all_touches(s, "sync_retry", 10) + all_touches(s, "sync_retry_extent", 3), SUPPORTED),
    ("C8", "", lambda s: all_touches(s, "sync_retry", 9) + all_touches(s, "sync_retry_extent", 3), NOT_DECIDED),
    ("C8", "", lambda s: all_touches(s, "sync_retry", 2) + all_touches(s, "sync_retry_extent"), NOT_DECIDED),
    ("C8", "", lambda s: dos(s, "sync_retry", retries=200) + dos(s, "sync_retry_extent", retries=1), NOT_DECIDED),
    ("C8", "", lambda s: dos(s, "sync_retry", retries=200) + dos(s, "sync_retry_extent", retries=50), CONTRADICTED),
    ("C9", "", lambda s: c9(s, 10000), SUPPORTED), ("C9", "", lambda s: c9(s, 2000), CONTRADICTED),
    ("C9", "", lambda s: c9(s, 10000)[2:] + cell(s, "map_sync", None, state="hole"), NOT_DECIDED),
    ("C9", "", lambda s: c9(s, 2001), NOT_DECIDED),
    ("C9", "", lambda s: c9(s, 0, (0, 100, 1000)), NOT_DECIDED)])
def test_each_rule(synthetic, claim, case, make, verdict):
    found = verdict_of(synthetic.load(make(synthetic)), claim, case)
    assert found["verdict"] == verdict, found
    assert (verdict == NOT_DECIDED) == bool(found["reasons"] or found["missing"])
    assert found["rule"] and found["claim"]
    for figure in found["figures"]:
        assert figure["name"] and figure["unit"] and figure["cells"] and figure["low"] <= figure["value"] <= figure["high"]


def test_every_claim_has_rows_here_and_starves_with_a_command(synthetic):
    result = synthetic.load([synthetic.row("volatile", state="hole")])
    found = claims.judge(result)
    assert [(one["id"], one["case"]) for one in found] == [
        ("C1", ""), ("C2", ""), ("C3", ""), ("C4", "hole"), ("C4", "unwritten"), ("C4", "written"), ("C5", ""),
        ("C6", ""), ("C7", ""), ("C8", ""), ("C9", "")]
    assert {one["verdict"] for one in found} == {NOT_DECIDED}
    assert all(one["commands"] for one in found)
    by_id = {one["id"]: one["commands"] for one in found}
    assert by_id["C3"] == [
        "faultline run --kernel 6.1 --fs ext4 --workload paced --state written --strategy map_sync --out more/C3"]
    assert by_id["C7"] == ["faultline run --kernel 6.1 --fs ext4 --workload dos --state written --strategy "
                           "sync_retry,map_sync --touch utimens,append,truncate --out more/C7"]
    assert by_id["C9"] == ["faultline run --kernel 6.1 --fs ext4 --workload unrelated --state hole --strategy map_sync "
                           "--dirty-inodes 0,100,1000,10000,50000 --out more/C9"]


def test_the_figures_decide(synthetic):
    found = verdict_of(synthetic.load(c4(synthetic, 4000)), "C4", "hole")
    values = {figure["name"]: figure["value"] for figure in found["figures"]}
    # between K=1 (9000) and K=8 (3000) by 1/K: 5/6 of the way from 1 to 1/8
    assert values == {"map_sync, hole: per page": 4000, "map_sync over fsync:64": 2.0,
                      "map_sync: fsync:K costs less from this K on": pytest.approx(1 / (1 - 5 / 6 * 7 / 8))}
    assert found["cells"] == ["6.1/ext4/map_sync/first_touch/hole/pte/t1/off"] + [
        f"6.1/ext4/fsync:{k}/first_touch/hole/pte/t1/off" for k in (64, 1, 8, 512)]


@pytest.mark.parametrize("level, at", [(9001, 0), (9000, pytest.approx(1)), (3000, pytest.approx(8)), (1500, None),
                                       (1400, None)])
def test_crossing(level, at):
    assert claims.crossing({1: 9000, 8: 3000, 64: 2000, 512: 1500}, level) == at


def test_samples_give_a_median_and_a_spread(synthetic):
    rows = synthetic.samples(c4(synthetic, 4000), [0.9, 1, 1.2])
    figure = verdict_of(synthetic.load(rows), "C4", "hole")["figures"][0]
    assert (figure["value"], figure["low"], figure["high"], figure["samples"]) == (4000, 3600, 4800, 3)


def test_one_bad_sample_takes_its_cell(synthetic):
    rows = c1(synthetic, 3)
    rows[-2] = {**synthetic.skip(rows[-2], "losses", "incomplete")}
    rows[-6] = {**synthetic.skip(rows[-6], "lost 3 samples", "incomplete")}
    found = verdict_of(synthetic.load(rows), "C1")
    assert found["verdict"] == NOT_DECIDED and found["reasons"] == ["lost 3 samples"]
    assert found["missing"] == ["6.1/ext4/map_sync/first_touch/hole/pte/t1"]


def test_one_bad_seed_takes_its_cell(synthetic):
    rows = c3(synthetic, 100, 0)
    rows += [synthetic.skip({**rows[-1], "seed": 7}, "lost 3 samples", "incomplete")]
    found = verdict_of(synthetic.load(rows), "C3")
    assert found["verdict"] == NOT_DECIDED and found["reasons"] == ["lost 3 samples"]


def test_wall_time_says_nothing_of_instructions(synthetic):
    found = verdict_of(synthetic.wall_result(c1(synthetic, 3)), "C1")
    assert found["verdict"] == NOT_DECIDED and "wall time" in found["reasons"][0]
    found = verdict_of(synthetic.wall_result(c4(synthetic, 4000)[:-2]), "C4", "hole")
    assert found["commands"] == ["faultline run --kernel 6.1 --accel kvm --fs ext4 --workload first_touch --state hole "
                                 "--strategy fsync:512 --out more/C4"]


def test_a_file_system_without_dax_is_none_of_the_mails(synthetic):
    rows = [{**row, "dax": False} for row in c1(synthetic, 3)]
    assert claims.judge(synthetic.load(rows)) == [] and claims.judge(synthetic.load([])) == []


def test_other_orders_and_threads_are_left_out(synthetic):
    rows = [row for state in ("hole", "unwritten") for changes in ({"threads": 2}, {"order": "pmd"})
            for row in cell(synthetic, "map_sync", 1000, state=state, **changes)] + c1(synthetic, 3)
    assert verdict_of(synthetic.load(rows), "C1")["verdict"] == SUPPORTED


def test_commands_merge_what_can_be_merged(synthetic):
    context = synthetic.context()
    wanted = [(kernel, fs, Spec("map_sync", state)) for kernel in ("6.1", "7.3") for fs in ("ext4", "xfs")
              for state in ("hole", "written")]
    assert claims.commands(context, wanted, "more") == [
        "faultline run --kernel 6.1,7.3 --fs ext4,xfs --workload first_touch --state hole,written --strategy map_sync "
        "--out more"]
    assert claims.commands(context, wanted[:5], "more") == [
        "faultline run --kernel 6.1 --fs ext4,xfs --workload first_touch --state hole,written --strategy map_sync "
        "--out more-1",
        "faultline run --kernel 7.3 --fs ext4 --workload first_touch --state hole --strategy map_sync --out more-2"]


def test_overall():
    def of(*verdicts):
        return claims.overall([{"verdict": verdict} for verdict in verdicts])
    assert of(SUPPORTED, NOT_DECIDED) == SUPPORTED and of(NOT_DECIDED) == NOT_DECIDED
    assert of(SUPPORTED, CONTRADICTED) == "mixed"
