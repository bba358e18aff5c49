# SPDX-License-Identifier: GPL-2.0-only
"""What stands beside a verdict, what they come to, and the commands that measure the rest. The rules: claims_rules_test.py."""

import pytest

import claims
from claims import DEPENDS, FAILS, HOLDS, NOT_DECIDED, Spec, spec
from claims.spec import Measured
from claims_rules_test import HOLE, MERGED_HOLE, PACED, asked, c1, c3, c4, c5, c6, c7, cell, dos, own, result_of, verdict_of


def test_a_claim_is_quoted_in_at_most_15_words_and_its_cases_have_names_of_their_own():
    assert [claim.id for claim in claims.CLAIMS] == [f"C{number}" for number in range(1, 10)]
    for claim in claims.CLAIMS:
        names = [case.name for case in claim.cases]
        assert len(claim.text.replace("...", "").split()) <= 15 and "2017" in claim.source
        assert len(names) == len(set(names)) and set(claim.needs) <= set(names)
        assert not {"supported", "contradicted"} & set(f"{claim.said} {claim.rule}".lower().split())


def test_what_a_claim_needs():
    assert {claim.id: claim.needs for claim in claims.CLAIMS if claim.needs} == {
        "C5": ("daxfile, behind another's commits", "daxfile_nocmtime, behind another's commits"),
        "C7": ("tight loop, second CPU",), "C8": tuple(f"touch of its own extent: {touch}" for touch in
                                                       ("punch_same", "extend", "convert")),
        "C9": ("unpredictable, beside a steady load",)}


def test_every_case_has_rows_here_and_starves_with_a_command(synthetic):
    found = claims.judge(result_of(synthetic, [synthetic.row("volatile", state="hole")]))
    assert [(one["id"], one["case"]) for one in found] == [
        (claim.id, case.name) for claim in claims.CLAIMS for case in claim.cases]
    assert {one["verdict"] for one in found} == {NOT_DECIDED}
    assert [one["case"] for one in found if not one["commands"]] == ["paced attacker, second CPU"]
    by_case = {one["case"]: one["commands"] for one in found}
    assert by_case["as merged: MAP_SYNC, one fault per tick"] == [
        "faultline run --kernel 6.1 --fs ext4 --workload paced --state written --strategy map_sync --seeds 5 --observe vector --observe-seeds 1 "
        "--out more/C3"]
    assert by_case[PACED] == [
        "faultline run --kernel 6.1 --fs ext4 --workload dos --state written --setting deterministic --strategy sync_retry "
        "--touch utimens,append,truncate,fallocate --seeds 5 --out more/C7"]
    assert by_case["tight loop, second CPU"] == [
        "faultline run --kernel 6.1 --accel tcg --fs ext4 --workload dos --state written --setting concurrent --strategy "
        "sync_retry --touch utimens,append,truncate,fallocate --repetitions 5 --out more/C7"]
    assert by_case["all dirty metadata, nobody touches"] == [
        "faultline run --kernel 6.1 --fs ext4 --workload dos --state written --setting deterministic --attackers 0 --strategy "
        "sync_retry_strict --seeds 5 --out more/C7"]
    assert by_case["as merged: MAP_SYNC, hole, 8 stores a page, 4 KiB, 1 thread"] == [
        "faultline run --kernel 6.1 --fs ext4 --workload store_again --state hole --stores-per-page 8 --strategy "
        "map_sync,fsync:8,fsync:64 --seeds 5 --observe vector --observe-seeds 1 --out more/C4"]
    assert by_case["as merged: MAP_SYNC, written, in order, 2 MiB, 1 thread"] == [
        "faultline run --kernel 6.1 --fs ext4 --workload first_touch --state written --order pmd --strategy "
        "map_sync,fsync:1,fsync:8,fsync:64,fsync:512 --touches 512 --pmem 2048 --seeds 5 --observe vector --observe-seeds 1 --out more/C4"]
    assert by_case["pays for the dirt of others"][0] == (
        "faultline run --kernel 6.1 --fs ext4 --workload unrelated --state hole --strategy map_sync --dirty-inodes 10000,0 "
        "--seeds 5 --observe vector --observe-seeds 1 --out more/C9-1")
    assert by_case["unpredictable, beside a steady load"][0].endswith(
        "--workload background --state hole --strategy map_sync --probes off --seeds 5 --observe vector "
        "--observe-seeds 1 --out more/C9-1")


def test_a_deadline_of_its_own_is_in_cells_and_commands(synthetic):
    rows = dos(synthetic, "sync_retry", starved=True, fault_deadline_ms=200)
    found = verdict_of(result_of(synthetic, rows), "C7", f"{PACED}, 200 ms")
    assert "6.1/ext4/map_sync/dos/written/pte/t1/utimens/a1/deterministic/f200" in found["missing"]
    assert found["commands"] == [
        "faultline run --kernel 6.1 --fs ext4 --workload dos --state written --setting deterministic --fault-deadline 200 "
        "--strategy sync_retry,map_sync --touch append,truncate,fallocate,utimens --seeds 5 --out more/C7"]
    twenty = [{**row, "fault_deadline_ms": 20} for row in dos(synthetic, "sync_retry", starved=True)]
    assert verdict_of(result_of(synthetic, twenty), "C7", PACED)["figures"]


def test_a_second_cpu_in_virtual_time_from_6_12_on(synthetic):
    beside = "paced attacker, second CPU"
    found = verdict_of(result_of(synthetic, c7(synthetic, True, 99, setting="deterministic2")), "C7", beside)
    assert found["word"] == "not decided (two CPUs in virtual time take a kernel from 6.12 on)" and not found["commands"]
    context = synthetic.context()
    context["kernels"]["6.1"]["release"] = "6.12.5-synthetic"
    for rows, verdict in (([synthetic.row("volatile")], NOT_DECIDED), (c7(synthetic, True, 99, setting="deterministic2"), HOLDS),
                          (c7(synthetic, False, 3, setting="deterministic2"), FAILS)):
        result = result_of(synthetic, rows)
        result.context["kernels"] = context["kernels"]
        found = verdict_of(result, "C7", beside)
        assert found["verdict"] == verdict
        assert verdict != NOT_DECIDED or "--setting deterministic2 " in found["commands"][0]
        tight = verdict_of(result, "C7", "tight loop, second CPU")
        assert tight["verdict"] == NOT_DECIDED and "--accel tcg" in tight["commands"][0]


def test_of_a_contest_the_word_says_what_keeps_it_from_one(synthetic):
    def word(rows, claim="C7", case=PACED):
        return verdict_of(result_of(synthetic, rows), claim, case)["word"]
    punch = own(synthetic, "punch_same", 200, 180, steady=True, starved=True)
    assert word(punch, "C8", "touch of its own extent: punch_same") == "not decided (map_sync starves as well)"
    assert word(c7(synthetic, True, 99, steady=True)) == "not decided (map_sync starves as well)"
    assert word(c7(synthetic, True, 9)) == "not decided (a fault was late that was retried less than 10 times)"
    assert word(c7(synthetic, False, 44)) == "not decided (no fault was late, and one was retried 44 times)"
    rows = [dict(row, seed=seed) for seed, starved in enumerate((True, False)) for row in c7(synthetic, starved, 99)]
    assert word(rows) == "not decided (a fault was late, but not in every sample)"
    assert word(dos(synthetic, "sync_retry", starved=True, retries=99)) == (
        "not decided (not measured: sync_retry under append, sync_retry under truncate, sync_retry under fallocate, map_sync "
        "under utimens)")


def test_the_time_of_a_retry_is_the_row_s_own(synthetic):
    rows = dos(synthetic, "sync_retry", starved=True, retries=200, retry_time=97_000, progress_max=20_000_000)
    figures = {one["name"]: one["value"] for one in verdict_of(result_of(synthetic, rows), "C7", PACED)["figures"]}
    assert figures["sync_retry, utimens by 1, written: time of one of its retries"] == 97_000
    rows = dos(synthetic, "sync_retry_strict", "none", retries=1, attackers=0, retry_time=49_284)
    figures = {one["name"]: one["value"] for one in verdict_of(result_of(synthetic, rows), "C7",
                                                               "all dirty metadata, nobody touches")["figures"]}
    assert figures["one of its syncs, of the tick of 4 ms that mtime moves by"] == pytest.approx(0.012321)


def test_an_attack_on_the_extent_speaks_of_that_touch_alone(synthetic):
    rows = own(synthetic, "punch_same", 200, 3) + own(synthetic, "convert", 200, 3)
    scope = verdict_of(result_of(synthetic, rows), "C8", "touch of its own extent: punch_same")["scope"]
    assert (scope["touch"], scope["state"]) == (["punch_same"], ["written"])


def test_others_wait_is_compared_with_a_sync_that_drops_the_lock(synthetic):
    rows = c6(synthetic, 3) + [synthetic.contest("sync_retry", "mmap", workload="bystander", state="hole",
                                                 runs=[synthetic.run(0.6)] * 3)]
    figures = {one["name"]: one["value"] for one in verdict_of(result_of(synthetic, rows), "C6", "mmap")["figures"]}
    assert figures["slowdown beside map_sync over that beside sync_retry, which syncs without the lock; decides nothing"] == 5


@pytest.mark.parametrize("make, claim, case, band, word", [
    (lambda s: c1(s, 4), "C1", HOLE, (None, 4), "holds here (one sample)"),
    (lambda s: c1(s, 2.5), "C1", HOLE, (None, 2.5), "holds here (one sample)"),
    (lambda s: c1(s, 2.4), "C1", HOLE, (None, 2.4), "holds here (one sample; only for thresholds up to 2.4)"),
    (lambda s: c1(s, 1.4), "C1", HOLE, (1.4, 5), "not decided (1.4 times, between the limits)"),
    (lambda s: c1(s, 1.8), "C1", HOLE, (1.8, 9), "not decided (1.8 times, between the limits)"),
    (lambda s: c1(s, 1.08), "C1", HOLE, (1.8, None), "does not hold here (one sample; only for thresholds from 1.8 on)"),
    (lambda s: c1(s, 1), "C1", HOLE, (None, None), "does not hold here (one sample)"),
    (lambda s: c1(s, 0.5), "C1", HOLE, (None, None), "does not hold here (one sample)"),
    (lambda s: c3(s, 92), "C3", "as proposed: all dirty metadata, one fault per tick", (None, 2.5), "holds here (one sample)"),
    (lambda s: c3(s, 10), "C3", "as proposed: all dirty metadata, one fault per tick", (None, 2),
     "does not hold here (one sample; only for thresholds up to 2)"),
    (lambda s: c7(s, False, 3), "C7", PACED, (2, None), "does not hold here (one sample; only for thresholds from 2 on)"),
    (lambda s: c7(s, True, 99), "C7", PACED, (None, 19.8), "holds here (one sample)"),
    (lambda s: c7(s, True, 12), "C7", PACED, (None, 2.4), "holds here (one sample; only for thresholds up to 2.4)"),
    (lambda s: c4(s, 4400), "C4", MERGED_HOLE, (None, 2.2), "holds here (one sample; only for thresholds up to 2.2)")])
def test_band(synthetic, make, claim, case, band, word):
    found = verdict_of(result_of(synthetic, make(synthetic)), claim, case)
    assert found["band"] == [None if edge is None else pytest.approx(edge) for edge in band]
    assert found["word"] == word


def test_what_is_open_says_why(synthetic):
    rows = [dict(row, seed=seed) for seed, factor in enumerate((1.9, 2.1, 2, 2, 2)) for row in c1(synthetic, factor)]
    assert verdict_of(result_of(synthetic, rows), "C1", HOLE)["word"] == "not decided (samples on both sides of a limit)"
    rows = c1(synthetic, 4)
    assert verdict_of(result_of(synthetic, rows), "C1", "hole, in order, 2 MiB, 1 thread")["word"] == "not decided (not measured)"
    rows = c4(synthetic, 4000, (9000, 2000, 1800), ks=(1, 8, 64))
    assert verdict_of(result_of(synthetic, rows), "C4", MERGED_HOLE)["word"] == "not decided (not measured: fsync:512)"
    between = claims.Ruling([], [claims.Deciding(claims.Measured("a", "times", {0: 1.5}, []), claims.TIMES)])
    assert claims.open_words(between, [], []) == "1.5 times, between the limits"
    assert claims.open_words(between, [], ["a reason"]) == "a reason"


def test_where_a_control_alone_is_missing_the_word_has_what_was_measured(synthetic):
    found = verdict_of(result_of(synthetic, c6(synthetic, 2.48)[:2]), "C6", "mmap")
    assert found["word"] == "not decided (2.48 times, control not measured: prealloc, volatile)"
    found = verdict_of(result_of(synthetic, c6(synthetic, 1.05)[:2]), "C6", "mmap")
    assert found["verdict"] == FAILS  # what is little needs no control


def test_what_was_measured_and_failed_is_not_called_not_measured(synthetic):
    warned = ("the kernel warned: [    8.389662] WARNING: CPU: 0 PID: 106 at fs/dax.c:380 dax_insert_entry+0x227/0x320",
              "the kernel warned: [    8.393666] WARNING: CPU: 0 PID: 114 at fs/dax.c:380 dax_insert_entry+0x227/0x320")
    rows = [synthetic.skip({**row, "seed": seed}, reason, "failed") for seed, reason in enumerate(warned)
            for row in own(synthetic, "dedupe", 200, 3)]
    found = verdict_of(result_of(synthetic, rows), "C8", "touch of its own extent: dedupe")
    assert found["word"] == "not decided (measured, failed: the kernel warned: WARNING: at fs/dax.c:380 dax_insert_entry)"
    assert found["reasons"] == list(warned)


def test_what_is_known_between_two_ends_alone_has_no_middle_and_no_samples_of_its_own():
    span = claims.Measured("a", "times", {seed: 9.0 for seed in range(5)}, [], (7.35, 354))
    assert claims.figure_words(span.data()) == "7.35 to 354 times" and span.data()["samples"] == 5
    ruling = claims.Ruling([span], [claims.Deciding(span, claims.TIMES)], lambda threshold: None)
    assert (ruling.samples(), ruling.nearest()["value"], ruling.nearest()["limit"]) == (5, 7.35, 2)


@pytest.mark.parametrize("factor, words", [
    (2.2, [HOLDS] * 3 + [NOT_DECIDED] * 3), (1.2, [NOT_DECIDED] * 4 + [FAILS] * 2), (1, [FAILS] * 6), (9, [HOLDS] * 6)])
def test_sensitivity(synthetic, factor, words):
    found = verdict_of(result_of(synthetic, c1(synthetic, factor)), "C1", HOLE)["sensitivity"]
    assert list(found) == ["1.25", "1.5", "2", "2.5", "3", "4"] and list(found.values()) == words


def test_nearest_figure(synthetic):
    found = verdict_of(result_of(synthetic, c4(synthetic, 4400)), "C4", MERGED_HOLE)["nearest"]
    assert found == {"name": "map_sync over fsync:8", "value": 2.2, "unit": "times", "limit": 2, "threshold": 2.2}
    # No threshold brings a figure below 1 to a limit: the limit that it is nearer to is named.
    found = verdict_of(result_of(synthetic, c1(synthetic, 0.5)), "C1", HOLE)["nearest"]
    assert (found["value"], found["limit"], found["threshold"]) == (0.5, 1.1, None)
    found = verdict_of(result_of(synthetic, c5(synthetic, 0, 1.08)), "C5", "daxfile (map frozen)")["nearest"]
    assert (found["unit"], found["value"], found["threshold"]) == ("times", 1.08, pytest.approx(1.8))
    assert claims.nearest_words(None) == "none has a limit"


def test_samples_are_in_the_word_until_there_are_five(synthetic):
    for count, text in ((1, " (one sample)"), (4, " (4 samples)"), (5, "")):
        rows = synthetic.samples(c1(synthetic, 4), [1] * count)
        found = verdict_of(result_of(synthetic, rows), "C1", HOLE)
        assert (found["word"], found["samples"]) == (f"holds here{text}", count)


def test_the_fewest_samples_count(synthetic):
    rows = synthetic.samples(c5(synthetic, 0), [1] * 5)
    rows = [row for row in rows if row["workload"] == "first_touch" or row["seed"] == rows[0]["seed"]]
    assert verdict_of(result_of(synthetic, rows), "C5", "daxfile (map frozen)")["samples"] == 1


def test_scope(synthetic):
    found = verdict_of(synthetic.load(c1(synthetic, 4)), "C1", HOLE)
    scope = found["scope"]
    assert claims.scope_words(scope) == ("6.1.0-synthetic, ext4, 1 CPU, 4 KiB entries, 1 thread, first_touch (in order), hole and "
                                         "written, 2048 touches")
    assert (scope["accel"], scope["features"], scope["mount"]) == (
        "tcg-icount", None, "mount -o dax=always /dev/pmem0 /mnt")
    # Of a contest: its touches, how often, and after which time a fault has starved; what is counted are the victim's stores.
    scope = verdict_of(result_of(synthetic, dos(synthetic, "sync_retry", period=20) + dos(synthetic, "map_sync")), "C7",
                       PACED)["scope"]
    assert claims.scope_words(scope).endswith(
        "dos, utimens, deterministic, a touch every 10 and 20 us, deadline 20 ms, written, 128 stores")
    scope = verdict_of(result_of(synthetic, c7(synthetic, True, 99, setting="concurrent")), "C7", "tight loop, second CPU")
    assert scope["scope"]["deadline_ms"] == [640]
    # Of samples that differ.
    rows = [{**row, "seed": seed, "touches": 2048 + seed} for seed in range(3) for row in c1(synthetic, 4)]
    assert claims.scope_words(verdict_of(result_of(synthetic, rows), "C1", HOLE)["scope"]).endswith("2048 to 2050 touches")
    # Of a case of which nothing is there: what was asked for.
    scope = verdict_of(result_of(synthetic, c1(synthetic, 4)), "C1", "hole, in order, 2 MiB, 1 thread")["scope"]
    assert claims.scope_words(scope) == "6.1.0-synthetic, ext4, 2 MiB entries, 1 thread, first_touch (in order), hole and written"


def test_no_row_is_dropped_in_silence(synthetic):
    rows = c1(synthetic, 4) + cell(synthetic, "msync", 1000, 8) + cell(synthetic, "pwrite", 1, 8, workload="rewrite", threads=2)
    result = result_of(synthetic, rows)
    assert claims.unread(result, claims.judge(result)) == [
        ("first_touch", ["6.1/ext4/msync:8/first_touch/written/pte/t1"]), ("rewrite", ["6.1/ext4/pwrite:8/rewrite/written/pte/t2"])]


def test_the_figures_decide(synthetic):
    rows = c4(synthetic, 4000) + cell(synthetic, "fsync", 400, 64, "written", workload="rewrite")
    found = verdict_of(result_of(synthetic, rows), "C4", MERGED_HOLE)
    values = {figure["name"]: figure["value"] for figure in found["figures"]}
    # between K=1 (9000) and K=8 (2000) by 1/K: 5/7 and 1 of the way from 1 to 1/8
    assert values == {
        "map_sync, hole: per page": 4000, "map_sync over fsync:8": 2, "map_sync over fsync:64": pytest.approx(4000 / 1800),
        "map_sync over fsync:512": pytest.approx(4000 / 1500),
        "fsync:K costs less from this K on": pytest.approx(1 / (1 - 5 / 7 * 7 / 8)),
        "fsync:K costs less than 1/2 from this K on": pytest.approx(8),
        "later durable stores to a page after which map_sync costs no more than fsync:64, each of its own taken as free":
            pytest.approx((4000 - 1800) / 400)}
    assert set(found["cells"]) == {"6.1/ext4/map_sync/first_touch/hole/pte/t1/off", *(
        f"6.1/ext4/fsync:{k}/first_touch/hole/pte/t1/off" for k in (64, 1, 8, 512)),
        "6.1/ext4/fsync:64/rewrite/written/pte/t1/off"}


@pytest.mark.parametrize("level, at", [(9001, 0), (9000, pytest.approx(1)), (3000, pytest.approx(8)), (1500, None),
                                       (1400, None)])
def test_crossing(level, at):
    assert claims.crossing({1: 9000, 8: 3000, 64: 2000, 512: 1500}, level) == at


def test_a_slow_pace_stands_beside_and_decides_nothing(synthetic):
    rows = cell(synthetic, "sync_fault", 1400) + cell(synthetic, "map_sync", 1000) + cell(
        synthetic, "sync_fault", 49000, workload="paced") + cell(synthetic, "map_sync", 9000, workload="paced")
    figures = {figure["name"]: figure["value"] for figure in verdict_of(
        result_of(synthetic, rows), "C2", "fsync's rule, tight loop")["figures"]}
    assert figures["one fault per tick, decides nothing: the same"] == pytest.approx(49 / 9)
    # 40 000 instructions in each 4 million
    assert figures["of a CPU of 1e9 instructions a second, one such fault in each tick of 4 ms"] == pytest.approx(0.01)


def test_what_depends_names_both_sides(synthetic):
    rows = cell(synthetic, "map_sync", None, workload="paced", faults=100, mtime_changes=100,
                probed={**asked(20), "fast_commits": 19})
    found = verdict_of(result_of(synthetic, rows), "C3", "as merged: MAP_SYNC, one fault per tick")
    assert found["word"] == ("depends on whether the journal had a full commit since: faults before it sync, those after it "
                             "do not")


def test_samples_give_a_median_and_a_spread(synthetic):
    rows = synthetic.samples(c4(synthetic, 4000), [0.9, 1, 1.2])
    figure = verdict_of(result_of(synthetic, rows), "C4", MERGED_HOLE)["figures"][0]
    assert (figure["value"], figure["low"], figure["high"], figure["samples"]) == (4000, 3600, 4800, 3)
    assert claims.figure_words(figure) == "4000 instr (3600 to 4800 in 3 samples)"


def test_one_bad_sample_takes_its_cell(synthetic):
    rows = c1(synthetic, 3)
    rows[-2] = {**synthetic.skip(rows[-2], "lost 3 samples", "incomplete")}
    found = verdict_of(synthetic.load(rows), "C1", HOLE)
    assert found["verdict"] == NOT_DECIDED and found["reasons"] == ["lost 3 samples"]
    assert found["missing"] == ["6.1/ext4/map_sync/first_touch/hole/pte/t1"]


def test_one_bad_seed_takes_its_cell(synthetic):
    rows = c3(synthetic, 100)
    rows += [synthetic.skip({**rows[-1], "seed": 7}, "lost 3 samples", "incomplete")]
    found = verdict_of(result_of(synthetic, rows), "C3", "as proposed: all dirty metadata, one fault per tick")
    assert found["verdict"] == NOT_DECIDED and found["reasons"] == ["lost 3 samples"]


def test_a_refused_touch_is_no_attack(synthetic):
    rows = c7(synthetic, False, 3)[1:] + [synthetic.refused("sync_retry", "append", retries_max=50)]
    assert verdict_of(result_of(synthetic, rows), "C7", PACED)["verdict"] == FAILS


def test_wall_time_says_nothing_of_instructions(synthetic):
    found = verdict_of(synthetic.wall_result(c1(synthetic, 3)), "C1", HOLE)
    assert found["verdict"] == NOT_DECIDED and "wall time" in found["reasons"][0]
    found = verdict_of(synthetic.wall_result(c4(synthetic, 4000)[:-2]), "C4", MERGED_HOLE)
    assert found["commands"] == ["faultline run --kernel 6.1 --accel kvm --fs ext4 --workload first_touch --state hole "
                                 "--strategy fsync:512 --repetitions 5 --out more/C4"]


def test_a_file_system_without_dax_is_none_of_the_mails(synthetic):
    rows = [{**row, "dax": False} for row in c1(synthetic, 3)]
    assert claims.judge(synthetic.load(rows)) == [] and claims.judge(synthetic.load([])) == []


def test_commands_merge_what_can_be_merged(synthetic):
    context = synthetic.context()
    wanted = [(kernel, fs, Spec("map_sync", state)) for kernel in ("6.1", "7.3") for fs in ("ext4", "xfs")
              for state in ("hole", "written")]
    assert claims.commands(context, wanted, "more") == [
        "faultline run --kernel 6.1,7.3 --fs ext4,xfs --workload first_touch --state hole,written --strategy map_sync "
        "--seeds 5 --observe vector --observe-seeds 1 --out more"]
    assert claims.commands(context, wanted[:5], "more") == [
        "faultline run --kernel 6.1 --fs ext4,xfs --workload first_touch --state hole,written --strategy map_sync "
        "--seeds 5 --observe vector --observe-seeds 1 --out more-1",
        "faultline run --kernel 7.3 --fs ext4 --workload first_touch --state hole --strategy map_sync --seeds 5 --observe vector --observe-seeds 1 "
        "--out more-2"]


CLAIM = claims.Claim("C0", "words", "someone, 2017", "said", "rule", (), needs=("deciding", "other"))


@pytest.mark.parametrize("verdicts, verdict, word", [
    ([("a", HOLDS), ("b", HOLDS)], HOLDS, "holds here"), ([("a", FAILS)], FAILS, "does not hold here"),
    ([("a", HOLDS), ("b", FAILS)], DEPENDS, "depends on the case. Holds here: a. Does not hold here: b"),
    ([("a", HOLDS), ("b", FAILS), ("c", NOT_DECIDED)], DEPENDS,
     "depends on the case. Holds here: a. Does not hold here: b. Open: c"),
    ([("a", HOLDS), ("b", NOT_DECIDED)], NOT_DECIDED, "not decided in all cases. Holds here: a. Open: b"),
    ([("a", HOLDS), ("deciding", NOT_DECIDED), ("other", NOT_DECIDED)], NOT_DECIDED,
     "not decided: that needs deciding; other"),
    ([("a", NOT_DECIDED), ("b", NOT_DECIDED)], NOT_DECIDED, "not decided: a (too few); b (too few)"),
    ([("a", FAILS), ("deciding", HOLDS)], DEPENDS, "depends on the case. Holds here: deciding. Does not hold here: a"),
    ([(name, HOLDS) for name in "abcde"] + [("f", FAILS)], DEPENDS,
     "depends on the case. Holds here: a; b; c; and 2 more. Does not hold here: f"),
    ([("a", DEPENDS)], DEPENDS, "depends on the case. A: depends on x"), ([], NOT_DECIDED, "not decided")])
def test_overall(verdicts, verdict, word):
    found = [{"case": case, "verdict": one, "word": f"{one} x", "kernel": "6.1", "fs": "ext4", "read": ["a row"],
              "why": "too few"} for case, one in verdicts]
    assert claims.overall(CLAIM, found) == {"verdict": verdict, "word": word}


TITLED = claims.Claim("C0", "words", "someone, 2017", "said", "rule", (), needs=("touch of it: a", "touch of it: b", "else"),
                      titles=("as it was", "touch of it"))


def test_a_title_of_several_cases_is_named_once():
    names = ["as it was, hole", "alone", "as it was, written (xfs)", "touch of it: a", "as it was not, hole"]
    assert claims.listed(TITLED, names) == "as it was, [hole; written (xfs)]; alone; touch of it: a; as it was not, hole"
    assert claims.listed(TITLED, []) == "" and claims.listed(TITLED, names[:1]) == names[0]
    found = [{"case": case, "verdict": NOT_DECIDED, "word": "", "kernel": "6.1", "fs": "ext4", "read": []} for case in TITLED.needs]
    assert claims.overall(TITLED, found)["word"] == "not decided: that needs touch of it: [a; b]; else"
    found = [{**one, "case": case, "verdict": verdict} for one, case, verdict in zip(found, names, (HOLDS, FAILS, HOLDS))]
    assert claims.overall(TITLED, found)["word"] == (
        "depends on the case. Holds here: as it was, [hole; written (xfs)]. Does not hold here: alone")


def test_titles_are_of_cases_and_no_name_has_what_parts_a_list(full, synthetic):
    contests = [synthetic.contest("sync_retry", fault_deadline_ms=200), synthetic.contest("sync_retry", "dedupe"), synthetic.row(
        "sync_fault", workload="many_files", threads=2), synthetic.row("map_sync", state="hole", threads=2)]
    judged = claims.judge(full) + claims.judge(synthetic.load(contests))
    names = {(one["id"], one["case"]) for one in judged}
    assert ("C7", f"{PACED}, 200 ms") in names and ("C7", "its own block taken: dedupe, paced, one CPU") in names
    assert ("C4", "as merged: MAP_SYNC, hole, in order, 4 KiB, 2 threads") in names
    assert not [name for _, name in names if ";" in name or "[" in name]
    for claim in claims.CLAIMS:
        for title in claim.titles:
            assert sum(name.startswith((f"{title}, ", f"{title}: ")) for number, name in names if number == claim.id) > 1, title


def test_each_place_that_depends_is_named():
    found = [{"case": "a", "verdict": DEPENDS, "word": f"depends on {side}", "kernel": "6.1", "fs": fs}
             for fs, side in (("ext4", "x"), ("xfs", "y"), ("ext2", "x"))]
    assert claims.overall(CLAIM, found)["word"] == (
        "depends on the case. A (ext4, ext2): depends on x. A (xfs): depends on y")


def test_overall_says_where_a_case_differs():
    found = [{"case": "a", "verdict": verdict, "word": "", "kernel": kernel, "fs": fs} for verdict, kernel, fs in
             ((HOLDS, "6.1", "ext4"), (FAILS, "6.1", "xfs"), (FAILS, "7.3", "xfs"))]
    assert claims.overall(CLAIM, found)["word"] == (
        "depends on the case. Holds here: a (ext4 on 6.1). Does not hold here: a (xfs on 6.1, xfs on 7.3)")
    named = [{**one, "kernel": {"6.1": "bookworm"}.get(one["kernel"], one["kernel"]), "scope": {"kernel": one["kernel"] + ".0-56"}}
             for one in found]
    assert claims.overall(CLAIM, named)["word"] == (
        "depends on the case. Holds here: a (ext4 on 6.1 (bookworm)). Does not hold here: a (xfs on 6.1 (bookworm), xfs on 7.3)")


def test_json_has_what_stands_beside_a_word(synthetic):
    found = claims.public(claims.judge(result_of(synthetic, dos(synthetic, "sync_retry"))))
    assert {"id", "claim", "source", "said", "rule", "kernel", "fs", "case", "note", "verdict", "word", "scope", "samples", "band",
            "nearest", "sensitivity", "figures", "cells", "missing", "reasons", "commands", "media"} == set(found[0])


def test_what_a_case_asks_for_is_what_it_reads_where_it_is_there(synthetic):
    wished = {(claim, case): specs for claim, case, specs in claims.asked(synthetic.context(), "bookworm", "ext4")}
    assert {(spec.strategy, spec.state) for spec in wished["C1", HOLE]} == {
        ("volatile", "hole"), ("map_sync", "hole"), ("map_sync", "written")}
    assert len(wished["C1", HOLE]) == 3
    assert "sync_retry" in {spec.strategy for spec in wished["C7", PACED]}


def test_a_sample_of_nothing_is_subtracted_and_not_divided_by():
    a, b = Measured("a", "instr", {(0, 0): 5, (1, 0): 7}, ["a"]), Measured("b", "instr", {(0, 0): 0, (1, 0): 2}, ["b"])
    assert spec.difference("", a, b).values == {(0, 0): 5, (1, 0): 5}
    assert spec.ratio("", a, b).values == {(1, 0): 3.5}
