# SPDX-License-Identifier: GPL-2.0-only
"""The history: what goes in comes out, once, also when many write at a time."""

import hashlib
import csv
import io
import json
import os
import sqlite3
import subprocess
import sys

import pytest

import faultline_report
import history
import load

CELL = "6.1/ext4/volatile/first_touch/written/pte/t1"


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "below" / "h.sqlite")


def dated(synthetic, day, rows, **context):
    return synthetic.load(rows, date=f"2020-01-{day:02d}T00:00:00+00:00", **context)


def test_added_listed_shown(synthetic, path):
    rows = synthetic.samples([*synthetic.pair(), synthetic.row("map_sync")], [1, 3, 2])
    rows.append(synthetic.skip(synthetic.row("msync", 1)))
    result = dated(synthetic, 2, rows)
    assert history.add(path, result, "v1") == (1, True)
    assert history.add(path, dated(synthetic, 1, [synthetic.row()])) == (2, True)
    entries = history.results(path)
    assert [(e["id"], e["label"], e["cells"], e["figures"], e["complete"]) for e in entries] == [
        (2, "", 1, 2, True), (1, "v1", 2, 15, True)]  # 3 seeds of: per_page, per_fault, tax; per_page, per_fault
    assert entries[1]["kernels"] == {"6.1": "6.1.0-synthetic"}
    one = history.one(path, 1)
    medians = {(s["cell"], s["metric"]): (s["samples"], s["median"]) for s in one["series"]}
    assert medians[CELL, "per_page"] == (3, 10300)
    assert one["not_measured"] == [{"cell": "6.1/ext4/msync:1/first_touch/written/pte/t1", "status": "skipped",
                                    "reason": "the kernel has no such strategy"}]
    assert one["environment"]["qemu"]["version"] == "7.2.0"
    json.dumps([entries, one], allow_nan=False)
    with pytest.raises(load.ReportError, match="holds no result 9"):
        history.one(path, 9)


def test_a_boot_is_no_cell(synthetic, path):
    document = synthetic.document([synthetic.row(), synthetic.row("map_sync")])
    document["context"]["kernels"]["6.1"]["boot"] = {"ext4": {"ready": 1000}, "xfs": {"ready": 2000}}
    history.add(path, load.load(synthetic.save(document)))
    [entry] = history.results(path)
    assert (entry["cells"], entry["figures"]) == (2, 6)


def test_the_same_measurement_is_there_once(synthetic, path):
    document = synthetic.document([synthetic.row()])
    first, copy = (load.load(synthetic.save(document)) for _ in "ab")
    assert history.add(path, first) == (1, True)
    assert history.add(path, first) == history.add(path, copy, "other label") == (1, False)
    document["benchmarks"][0]["per_page"] += 1
    assert history.add(path, load.load(synthetic.save(document))) == (2, True)
    assert len(history.results(path)) == 2


@pytest.fixture
def three(synthetic, path):
    """Results 1 to 3; 1 and 3 have one label, and 3 has a cell that no other has."""
    history.add(path, dated(synthetic, 1, [synthetic.row()]), "v1")
    history.add(path, dated(synthetic, 2, [synthetic.row(), synthetic.skip(synthetic.row("msync", 1))]), "v2")
    history.add(path, dated(synthetic, 3, [synthetic.row(), synthetic.row("map_sync")]), "v1")
    return path


def counts(path):
    with sqlite3.connect(path) as connection:
        return {table: [row for row, in connection.execute(f"SELECT DISTINCT {column} FROM {table} ORDER BY 1")] for table, column
                in (("results", "id"), ("figures", "result"), ("kernels", "result"), ("not_measured", "result"), ("cells", "cell"))}


def test_a_result_that_is_removed_leaves_nothing(three):
    there = history.results(three)
    assert history.remove(three, [3, 3]) == [there[2]]
    assert history.results(three) == there[:2]
    msync = "6.1/ext4/msync:1/first_touch/written/pte/t1"
    assert counts(three) == {"results": [1, 2], "figures": [1, 2], "kernels": [1, 2], "not_measured": [2], "cells": [msync, CELL]}
    assert history.remove(three, [2]) == [there[1]]
    assert counts(three) == {"results": [1], "figures": [1], "kernels": [1], "not_measured": [], "cells": [CELL]}


def test_all_of_a_label_are_removed(three, synthetic):
    assert [entry["id"] for entry in history.remove(three, label="v1")] == [1, 3]
    history.add(three, dated(synthetic, 4, [synthetic.row()]))
    assert [entry["label"] for entry in history.remove(three, label="0123456789abcdef")] == ["v2", ""]  # faultline's commit
    assert history.results(three) == []


def test_what_is_not_there_removes_nothing(three, tmp_path):
    for wanted, words in (({"numbers": [1, 33]}, "holds no result 33; did you mean 3: `faultline history list`"),
                          ({"numbers": [9]}, "holds no result 9; there are 1, 2, 3: "),
                          ({"label": "v12"}, "holds no result of 'v12'; did you mean v2: "),
                          ({"label": ""}, "holds no result of ''; there are v1, v2: ")):
        with pytest.raises(load.ReportError, match=words):
            history.remove(three, **wanted)
    assert len(history.results(three)) == 3
    with pytest.raises(load.ReportError, match="no history there"):
        history.remove(str(tmp_path / "nothing"), [1])
    assert not (tmp_path / "nothing").exists()


def test_schema(synthetic, path):
    history.add(path, dated(synthetic, 1, [synthetic.row()]))
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        connection.execute("PRAGMA user_version = 2")
    for use in (lambda: history.results(path), lambda: history.add(path, dated(synthetic, 2, []))):
        with pytest.raises(load.ReportError, match="has schema version 2, this faultline reads up to 1: update"):
            use()


def test_files_that_are_no_history(synthetic, tmp_path):
    result = dated(synthetic, 1, [synthetic.row()])
    text = tmp_path / "text"
    text.write_text("not a data base " * 100)
    other = str(tmp_path / "other.sqlite")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, words in ((str(text), "no sound history"), (other, "no history of faultline"),
                        (str(folder), "unable to")):
        for use in (lambda name=name: history.add(name, result), lambda name=name: history.results(name)):
            with pytest.raises(load.ReportError, match=words):
                use()
    assert text.read_text().startswith("not a data base")
    with sqlite3.connect(other) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    with pytest.raises(load.ReportError, match="no history there"):
        history.results(str(tmp_path / "nothing"))
    (tmp_path / "empty").touch()
    with pytest.raises(load.ReportError, match="is empty"):
        history.results(str(tmp_path / "empty"))


def test_damage_is_one_line(synthetic, path):
    history.add(path, synthetic.load([synthetic.row(workload=f"w{index}") for index in range(200)]))
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    with pytest.raises(load.ReportError, match="no sound history"):
        history.results(path)
        history.samples(path)


def test_what_fails_halfway_adds_nothing(synthetic, path):
    history.add(path, dated(synthetic, 1, [synthetic.row()]))
    with pytest.raises(RuntimeError):
        with history.open_history(path, write=True) as connection:
            connection.execute("DELETE FROM figures")
            raise RuntimeError
    assert history.results(path)[0]["figures"] == 2


def test_a_writer_that_is_killed_leaves_nothing(synthetic, path):
    history.add(path, dated(synthetic, 1, [synthetic.row()]))
    code = ("import os, signal, sys; sys.path.insert(0, sys.argv[1]); import history\n"
            "with history.open_history(sys.argv[2], write=True) as connection:\n"
            "    connection.execute('PRAGMA cache_size = 1')\n"
            "    connection.executemany('INSERT INTO kernels VALUES (1, ?, ?)',\n"
            "                           ((str(i), 'x' * 99) for i in range(999)))\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n")
    done = subprocess.run([sys.executable, "-c", code, os.path.dirname(history.__file__), path], check=False)
    assert done.returncode == -9
    assert history.results(path)[0]["kernels"] == {"6.1": "6.1.0-synthetic"}
    assert history.add(path, dated(synthetic, 2, [synthetic.row()])) == (2, True)


WRITERS, EACH = 6, 4


def test_many_writers_at_a_time(synthetic, path):
    # Each process adds results of its own and one that all have; the file is not there when they begin.
    shared = synthetic.save(synthetic.document([synthetic.row()]), "shared")
    children = []
    for writer in range(WRITERS):
        own = [synthetic.save(synthetic.document([synthetic.row(per_page=1000 * writer + index)]), f"w{writer}-{index}")
               for index in range(EACH)]
        words = [sys.executable, faultline_report.__file__, "history", "add", *own, shared, "--file", path]
        children.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    done = [(*child.communicate(timeout=120), child.returncode) for child in children]
    assert [(error, code) for _, error, code in done] == [("", 0)] * WRITERS
    lines = [line for out, _, _ in done for line in out.splitlines()]
    assert sum("added as" in line for line in lines) == WRITERS * EACH + 1
    assert sum("is there already" in line for line in lines) == WRITERS - 1
    entries = history.results(path)
    assert len(entries) == WRITERS * EACH + 1 and sorted(e["id"] for e in entries) == list(range(1, len(entries) + 1))
    assert all(entry["figures"] == 2 for entry in entries)


def test_a_writer_holds_the_file_before_it_looks(synthetic, path):
    # else two that look whether a result is there both find that it is not
    history.add(path, dated(synthetic, 1, [synthetic.row()]))
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        with history.open_history(path, write=True):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
    finally:
        other.close()


def test_a_writer_waits_and_then_says_so(synthetic, path, monkeypatch):
    history.add(path, dated(synthetic, 1, [synthetic.row()]))
    monkeypatch.setattr(history, "BUSY_SECONDS", 0.2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(load.ReportError, match="others have been writing to it for 0.2 s"):
            history.add(path, dated(synthetic, 2, [synthetic.row()]))
        assert len(history.results(path)) == 1  # a reader need not wait
    finally:
        other.close()
    assert history.add(path, dated(synthetic, 2, [synthetic.row()])) == (2, True)


def test_export(synthetic, path):
    for day, factor in ((3, 3), (1, 1), (2, 2)):
        rows = synthetic.samples([synthetic.row()], [factor, 10 * factor, factor])
        extra = [synthetic.row("map_sync")] if day != 2 else []
        history.add(path, dated(synthetic, day, rows + extra), "" if day == 2 else f"commit {day}, \"x\"")
    history.add(path, synthetic.wall_result([synthetic.row()]))
    text, left_out = history.export(path, ["per_page"])
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["time", "commit", "result", "kernels", f"{CELL}:per_page"]
    assert [(row[0][:10], row[1], row[4]) for row in rows[1:]] == [
        ("2020-01-01", "commit 1, \"x\"", "5150.0"), ("2020-01-02", "0123456789abcdef", "10300.0"),
        ("2020-01-03", "commit 3, \"x\"", "15450.0")]
    assert left_out == ["6.1/ext4/map_sync/first_touch/written/pte/t1:per_page"]
    assert len(history.export(path, None)[0].splitlines()[0].split(",")) == 6
    assert len(history.export(path, None, "*map_sync*")[0].splitlines()) == 3
    assert len(history.export(path, None, domain="wall")[0].splitlines()) == 2
    with pytest.raises(load.ReportError, match="holds nothing of the virtual domain"):
        history.export(path, None, "*nothing*")


def test_export_as_change_point_tools_read_it(synthetic, path):
    # What Hunter's and Apache Otava's CSV importer demands: as many fields as titles in each line, a time that parses,
    # a number in each field of a series.
    import datetime
    for day in (1, 2):
        history.add(path, dated(synthetic, day, synthetic.pair()))
    titles, *rows = csv.reader(io.StringIO(history.export(path)[0]), delimiter=",", quotechar='"')
    assert titles[0] == "time" and len(set(titles)) == len(titles)
    for row in rows:
        assert len(row) == len(titles) and datetime.datetime.fromisoformat(row[0])
        assert all(float(field) > 0 for field in row[4:])


def test_default_path(monkeypatch):
    monkeypatch.setenv("FAULTLINE_CACHE", "/c")
    assert history.default_path() == os.path.join("/c", "history.sqlite")


def test_an_older_result_is_known_again(synthetic):
    """What load adds to the rows of a result is no part of what it is known by."""
    row = {key: value for key, value in synthetic.row().items() if key != "cell"}
    document = synthetic.document([row])
    text = json.dumps([document["context"], {row["name"]: [row]}], sort_keys=True)
    result = load.load(synthetic.save(document))
    assert result.samples[row["name"]][0]["cell"]
    assert history.digest(result) == hashlib.sha256(text.encode()).hexdigest()
