# SPDX-License-Identifier: GPL-2.0-only
"""What a report is made of is told apart by its files."""

import os

import pytest

import inputs
import load
from crash_test import document, outcome, save


def test_a_folder_may_hold_all_three(synthetic, tmp_path):
    folder = synthetic.save(synthetic.document([synthetic.row()]))
    save(synthetic.folder / "run1", document([outcome()]))
    save(synthetic.folder / "run1" / "perf", "a;b 3\n", "one.folded")
    found = inputs.read([folder])
    assert len(found.result.rows) == len(found.crashes) == 1
    assert found.flames == [("one", {("a", "b"): 3})]


def test_each_may_be_given_alone(synthetic, tmp_path):
    folder = synthetic.save(synthetic.document([synthetic.row()]))
    crash = save(tmp_path / "crash", document([outcome()]))
    stacks = save(tmp_path / "stacks", "a;b 3\n", "two.folded")
    for paths in ([folder, crash, stacks], [os.path.dirname(stacks), os.path.join(folder, "result.json"),
                                            os.path.dirname(crash)]):
        found = inputs.read(paths)
        assert (len(found.result.rows), len(found.crashes), [name for name, _ in found.flames]) == (1, 1, ["two"])
    assert len(inputs.read([folder, crash, crash]).crashes) == 1


def test_without_a_result_there_is_no_report(synthetic, tmp_path):
    crash = save(tmp_path / "crash", document([outcome()]))
    with pytest.raises(load.ReportError, match="no result among what was given"):
        inputs.read([crash])
    (tmp_path / "empty").mkdir()
    with pytest.raises(load.ReportError, match="no result.json in this folder"):
        inputs.read([str(tmp_path / "empty")])


def test_rows_of_other_touches_are_no_contradiction(synthetic):
    row, other = synthetic.row(), synthetic.row(touches=512, faults=512)
    first = synthetic.save(synthetic.document([row]))
    second = synthetic.save(synthetic.document([other, synthetic.row("map_sync")]))
    found = inputs.read([first, second]).result
    assert [one["touches"] for one in found.rows.values()] == [2048, 2048]
    assert "1 row left out, 6.1/ext4/volatile" in found.notes[-1]
    third = synthetic.save(synthetic.document([synthetic.row(per_page=1)]))
    with pytest.raises(load.ReportError, match="with different figures"):
        inputs.read([first, third])


def test_karas_table_is_of_each_result(synthetic):
    def rows(touches):
        return [{**row, "touches": touches} for workload, state in (("first_touch", "written"), ("first_touch", "hole"),
                                                                    ("copy_beside", "hole"))
                for name in ("volatile", "map_sync") for row in synthetic.pair(name, None, state, workload=workload)]
    paths = [synthetic.save(synthetic.document(rows(touches))) for touches in (1024, 512)]
    assert [one["fs"] for one in inputs.read(paths).result.kara] == ["ext4"]
    assert inputs.read(paths[:1]).result.kara == []
