# SPDX-License-Identifier: GPL-2.0-only
"""Which phases and which functions a change went into."""

import json

import pytest

import compare
import explain
import load

BEFORE, AFTER = "entry;map;walk 80\nentry;map 20\n", "entry;map;walk 40\nentry;map 60\n"


@pytest.fixture
def pair(synthetic):
    """(A, B, their comparison): a cell that costs twice as much in B."""
    a, b = (synthetic.load([synthetic.row("fsync", 8, kernel="6.1", per_page=page, per_fault=page)]) for page in (1000, 2000))
    return a, b, compare.compare(a, b)


def folder(tmp_path, name, file, text, index=None):
    """A folder as `faultline perf` leaves it."""
    made = tmp_path / name
    made.mkdir()
    (made / file).write_text(text)
    if index is not None:
        (made / "perf.json").write_text(index if isinstance(index, str) else json.dumps(index))
    return str(made)


ENTRY = {"kernel": "6.1", "fs": "ext4", "strategy": "fsync", "writes_per_sync": 8, "workload": "first_touch",
         "state": "written", "folded": "typed-ext4-fsync:8-first_touch-written.folded", "svg": "typed.svg"}
NAMED = "6.1-ext4-fsync:8-first_touch-written.folded"


def functions(pair, a, b):
    """{function: (cost in A, cost in B)} and the files that are not there."""
    [entry] = explain.explain(*pair, perf=(a, b))
    return {one["function"]: (one["a"], one["b"]) for one in entry.get("functions", ())}, entry["missing_perf"]


FOUND = {"walk": (800, 800), "map": (200, 1200)}


def test_functions_by_the_name_of_the_file(pair, tmp_path):
    a, b = folder(tmp_path, "a", NAMED, BEFORE), folder(tmp_path, "b", NAMED, AFTER)
    assert functions(pair, a, b) == (FOUND, [])


def test_functions_by_the_index_whatever_the_file_is_called(pair, tmp_path):
    """A kernel may be typed by another name than its id."""
    other = {**ENTRY, "writes_per_sync": 64, "folded": "other.folded"}
    a = folder(tmp_path, "a", ENTRY["folded"], BEFORE, [other, ENTRY])
    b = folder(tmp_path, "b", ENTRY["folded"], AFTER, [other, ENTRY])
    assert functions(pair, a, b) == (FOUND, [])


def test_functions_of_two_kernels(synthetic, tmp_path):
    a = synthetic.load([synthetic.row("fsync", 8, kernel="6.1")])
    context = synthetic.context()
    context["kernels"] = {"bookworm": context["kernels"]["6.1"]}
    rows = [synthetic.row("fsync", 8, kernel="bookworm", per_page=9000, per_fault=9000)]
    b = load.load(synthetic.save({"context": context, "benchmarks": rows}))
    data = compare.compare(a, b, kernels=("6.1", "bookworm"))
    folders = (folder(tmp_path, "a", NAMED, BEFORE), folder(tmp_path, "b", "x.folded", AFTER,
                                                            [{**ENTRY, "kernel": "bookworm", "folded": "x.folded"}]))
    found, missing = functions((a, b, data), *folders)
    assert set(found) == {"walk", "map"} and missing == []


def test_a_cell_that_was_not_sampled_is_named(pair, tmp_path):
    a = folder(tmp_path, "a", NAMED, BEFORE)
    b = folder(tmp_path, "b", "x.folded", AFTER, [{**ENTRY, "state": "hole", "folded": "x.folded"}])
    assert functions(pair, a, b) == ({}, [f"{b}/{NAMED}"])
    text = explain.text(explain.explain(*pair, perf=(a, b)), pair[2])
    assert f"no{b}/{NAMED}:samplethecellthere" in "".join(text.split())  # wherever the lines end


@pytest.mark.parametrize("index", ["{", "{}", "[3]", [{"kernel": "6.1"}]])
def test_an_index_that_is_none(pair, tmp_path, index):
    a = folder(tmp_path, "a", NAMED, BEFORE, index)
    with pytest.raises(load.ReportError, match="perf.json: is not what"):
        explain.explain(*pair, perf=(a, a))


def test_a_file_of_another_folder_is_not_read(pair, tmp_path):
    a = folder(tmp_path, "a", NAMED, BEFORE)
    b = folder(tmp_path, "b", "y", AFTER, [{**ENTRY, "folded": f"../a/{NAMED}"}])
    assert functions(pair, a, b)[1] == [f"{b}/{NAMED}"]
