# SPDX-License-Identifier: GPL-2.0-only
"""The command that measures given rows again."""

import rerun
from conftest import TABLES


def test_the_command_that_makes_rows_again(synthetic):
    rows = synthetic.samples(synthetic.pair("fsync", 8, "hole") + synthetic.pair("map_sync", fs="xfs"), [1, 1.1, 1.2])
    result = synthetic.load(rows)
    assert rerun.command(result, list(result.rows.values()), "o p") == (
        "faultline run --kernel 6.1 --fs ext4,xfs --strategy fsync:8,map_sync --workload first_touch --state hole,written "
        "--seeds 3 --out 'o p'")
    result = synthetic.load([row for row in rows if row["probes"] == "off" or row["seed"] == 0])
    assert rerun.command(result, list(result.rows.values()), "o").endswith(" --seeds 3 --probe-seeds 1 --out o")
    result = synthetic.load([synthetic.contest("sync_retry", attackers=n) for n in (1, 4)]
                            + [synthetic.contest(touch="none", attackers=0)])
    assert rerun.command(result, list(result.rows.values()), "o") == (
        "faultline run --kernel 6.1 --fs ext4 --strategy map_sync,sync_retry --workload dos --state written --touch utimens "
        "--attackers 0,1,4 --setting deterministic --out o")
    result = synthetic.load([synthetic.row(order="pmd", threads=2), synthetic.row(probes="phases")])
    assert rerun.command(result, list(result.rows.values()), "o") == (
        "faultline run --kernel 6.1 --fs ext4 --strategy volatile --workload first_touch --state written --order pte,pmd "
        "--threads 1,2 --probes phases --out o")


def test_the_command_has_every_axis_that_the_result_has(synthetic):
    tables = {**TABLES, "axes": [*TABLES["axes"], {"id": "depth", "field": "depth", "default": "2"}]}
    for depths, said in (((2,), ""), ((2, 10, 3), " --depth 2,3,10"), ((None,), "")):
        result = synthetic.load([synthetic.row()], tables=tables)
        rows = [{**row, "depth": depth} for row in result.rows.values() for depth in depths]
        assert rerun.command(result, rows, "o") == (
            f"faultline run --kernel 6.1 --fs ext4 --strategy volatile --workload first_touch --state written{said} --out o")


def test_what_a_row_means_that_says_nothing_of_an_axis(synthetic):
    """Beside 1000 inodes, and beside none: both are asked for, whether or not the result knows a default."""
    for default in ({}, {"default": None}):
        axes = [{**axis, **(default if axis["id"] == "dirty-inodes" else {})} for axis in TABLES["axes"]]
        rows = [synthetic.row(workload="unrelated", dirty_inodes=count) for count in (None, 1000)]
        result = synthetic.load(rows, tables={**TABLES, "axes": axes})
        assert " --dirty-inodes 0,1000 --out o" in rerun.command(result, list(result.rows.values()), "o")
        assert "--dirty" not in rerun.command(result, [synthetic.row()], "o")
    late = [synthetic.contest(fault_deadline_ms=200), synthetic.contest()]
    result = synthetic.load(late)
    assert " --fault-deadline 20,200 --out o" in rerun.command(result, list(result.rows.values()), "o")
