# SPDX-License-Identifier: GPL-2.0-only
"""The order of words, and what a result says of them."""

import json
import os
import re
import subprocess

import pytest

import conftest
import vocabulary


def test_lists_are_merged_in_the_order_of_each():
    assert vocabulary.merge_orders([["a", "c"], ["a", "b", "c"]]) == ["a", "b", "c"]
    assert vocabulary.merge_orders([["b", "c"], ["a", "c"]]) == ["b", "a", "c"]
    assert vocabulary.merge_orders([["x"], ["b", "x"], ["a", "b"]]) == ["a", "b", "x"]
    assert vocabulary.merge_orders([["a", "b"], ["b", "a"], ["c"]]) == ["a", "b", "c"]  # no order keeps both
    assert vocabulary.merge_orders([["a", "a", "b"], []]) == ["a", "b"]
    assert vocabulary.merge_orders([]) == []


def test_tables_are_merged_and_the_most_is_known_of_each():
    old, new = {"strategy": [{"id": "x"}, {"id": "volatile"}]}, {"strategy": [{"id": "volatile", "family": "floor"}]}
    for several in ([old, new], [new, old]):
        assert vocabulary.merge_tables(several) == {"strategy": [{"id": "x"}, {"id": "volatile", "family": "floor"}]}


def words(**kernels):
    return vocabulary.Vocabulary(conftest.TABLES, {name: {"release": release} for name, release in kernels.items()})


def test_ranks():
    found = words()
    assert [found.rank("state", name) for name in ("hole", "written", "gone")] == [0, 2, 3]
    assert found.rank("no such table", "x") == 0 and found.about("strategy", "x") == {}
    assert (found.floor, found.twin, found.family("msync"), found.family("x")) == ("volatile", "off", "call", None)
    rows = [{"strategy": name, "writes_per_sync": k} for name, k in (
        ("volatile", None), ("fsync", 8), ("fsync", 64), ("fsync", "all"), ("map_sync", None), ("a new one", None))]
    assert sorted(rows[::-1], key=found.strategy_rank) == rows


def test_an_axis_is_by_default_what_the_result_says_or_what_it_always_was():
    found = vocabulary.Vocabulary({"axes": [{"id": "order", "field": "order", "default": "pmd"}, {"id": "threads", "field": "threads"},
                                            {"id": "depth", "field": "depth", "default": 3}, {"id": "accel"}],
                                   "fs": [{"id": "ext4", "default": True}, {"id": "ext2", "default": False}]}, {})
    assert [(axis["id"], axis["field"], axis["default"]) for axis in found.axes][:4] == [
        ("order", "order", "pmd"), ("threads", "threads", "1"), ("depth", "depth", "3"), ("fs", "fs", None)]
    assert (found.default("order"), found.default("depth"), found.default("workload")) == ("pmd", "3", "first_touch")
    assert found.by_default("fs") == ["ext4"] and found.by_default("nothing") == []
    older = vocabulary.Vocabulary({}, {})
    assert (older.default("workload"), older.default("order"), older.default("threads"), older.default("fs")) == (
        "first_touch", "pte", "1", None)


def test_kernels_by_version():
    found = words(old="5.10.0", new="7.3.4", mid="6.12.1")
    assert sorted(["new", "mid", "old"], key=found.kernel_rank) == ["old", "mid", "new"]
    assert found.kernel_text("old") == "5.10.0 (old)" and words(**{"6.1": "6.1"}).kernel_text("6.1") == "6.1"
    assert words(**{"7.3": "7.3.4"}).kernel_text("7.3") == "7.3.4 (7.3)" and found.kernel_name("old") == "5.10 (old)"
    assert found.kernel_text("nowhere") == found.kernel_name("nowhere") == "nowhere"


FIELD = r"(?:kernel|kernels|fs|strategy|workload|state|cell|name|probes|place|new|old)\b"
APART = r"""(?:partition|split)\(["'][/:]["']"""
TOGETHER = rf"""["'][/:]["']\.join\(|\{{[^{{}}]*{FIELD}[^{{}}]*\}}/|/\{{[^{{}}]*{FIELD}[^{{}}]*\}}"""


@pytest.mark.parametrize("text, there", [
    ('name.split("/")', True), ("name.rpartition(':')", True), ('"/".join(parts)', True), ('f"{kernel}/{fs}"', True),
    ('f"{kernel}/boot"', True), ("f\"{row['cell']}/x\"", True), ('f"{old}/{load.rest(x)}"', True), ('f"{least}/{most}"', False),
    ('f"{index + 1}/{count}"', False), ('", ".join(parts)', False), ("a / b", False)])
def test_what_takes_a_name_apart_or_puts_one_together_is_found(text, there):
    assert bool(re.search(f"{APART}|{TOGETHER}", text)) == there


def test_nobody_takes_a_name_apart_or_puts_one_together():
    """Rows have fields and a `cell`; load.py alone knows how the names of older results end, and how a cell is called on
    another kernel."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sources = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names
               if name.endswith((".py", ".j2")) and not name.endswith(("_test.py", "conftest.py"))]
    assert len(sources) > 40
    # Names of older results; a thread's in what perf prints; a cgroup's; `--shard I/N`.
    # Cells that nobody measured yet, as `faultline run` calls them; names in the forms of CI systems; counts; folders of parts.
    allowed = {"load.py", "flamegraph.py", "cpus.py", "merge.py", "commands.py", "export.py", "table.py", "claims_study.py", "golden.py"}
    for path in sources:
        with open(path, encoding="utf-8") as file:
            found = re.findall(f"{APART}|{TOGETHER}", file.read())
        assert not found or os.path.basename(path) in allowed, path


COMMAND = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", os.environ.get("FAULTLINE_BUILD", "build"),
                       "faultline")
NOT_OF_A_RESULT, NOT_LISTED = {"kernel", "accel"}, {"selftest"}


def shape(tables):
    """{table: {(field, type) of its rows}}."""
    return {name: {(key, type(value).__name__) for row in rows for key, value in row.items()}
            for name, rows in tables.items()}


def test_the_tables_of_the_tests_have_the_shape_of_real_ones():
    found = shape(conftest.TABLES)
    named = {("id", "str"), ("summary", "str"), ("default", "bool")}
    assert found["axes"] == {("id", "str"), ("field", "str"), ("letter", "str"), ("summary", "str"), ("default", "str"), ("default", "int"),
                             ("default", "NoneType")}
    assert found["strategy"] == named | {("family", "str"), ("mapped", "bool"), ("module", "bool"), ("promises", "str"),
                                         ("durable", "str"), ("when", "str"), ("only_written", "bool"), ("writes_per_sync", "list")}
    assert found["workload"] == found["selftest"] == named | {("kind", "str"), ("touches", "int"), ("life_s", "float")}
    assert found["probes"] == named | {("twin", "bool")} and found["touch"] == named | {("workload", "str")}
    for name in ("state", "order", "setting", "vary", "probe", "phase"):
        assert found[name] == named
    # kernel and probes are no axes of the tables, nobody is no touch, and an id need not be the field's name
    axes = {axis["id"]: axis["field"] for axis in conftest.TABLES["axes"]}
    assert "kernel" not in axes and "probes" not in axes and axes["dirty-inodes"] == "dirty_inodes"
    assert "none" not in [row["id"] for row in conftest.TABLES["touch"]]


@pytest.mark.skipif(not os.path.exists(COMMAND), reason="the command is not built")
def test_the_tables_of_the_tests_are_those_of_the_command():
    done = subprocess.run([COMMAND, "list", "--json"], capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    assert set(conftest.TABLES) == set(listed) - NOT_OF_A_RESULT | NOT_LISTED
    of_tests = shape({name: rows for name, rows in conftest.TABLES.items() if name not in NOT_LISTED})
    assert of_tests == shape({name: rows for name, rows in listed.items() if name not in NOT_OF_A_RESULT})
