# SPDX-License-Identifier: GPL-2.0-only
"""The history: figures of many results in one SQLite file, which several processes may write at a time."""

import contextlib
import csv
import datetime
import fnmatch
import hashlib
import io
import json
import os
import sqlite3

import baseline
import infer
import load
import metrics
from load import ReportError, plain
from number import counted
from options import near

NAME = "history.sqlite"
SCHEMA_VERSION = 1
APPLICATION_ID = 0x666C686A  # so that `file` and a reader tell it from any other SQLite file
BUSY_SECONDS = 60  # how long a writer waits for others
TABLES = """
CREATE TABLE results (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, added TEXT NOT NULL, date TEXT NOT NULL, label TEXT NOT NULL,
    git_revision TEXT NOT NULL, accel TEXT NOT NULL, time_domain TEXT NOT NULL, unit TEXT NOT NULL,
    complete INTEGER NOT NULL, environment TEXT NOT NULL);
CREATE TABLE kernels (
    result INTEGER NOT NULL REFERENCES results, id TEXT NOT NULL, release TEXT NOT NULL, PRIMARY KEY (result, id))
    WITHOUT ROWID;
CREATE TABLE figures (
    result INTEGER NOT NULL REFERENCES results, cell TEXT NOT NULL, metric TEXT NOT NULL, seed INTEGER NOT NULL,
    repetition INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (result, cell, metric, seed, repetition))
    WITHOUT ROWID;
CREATE TABLE not_measured (
    result INTEGER NOT NULL REFERENCES results, cell TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (result, cell)) WITHOUT ROWID;
"""
OF_GUESTS = tuple(metric.id for metric in metrics.METRICS if metric.of == "guest")  # what has a name here and is no cell
# What the cells are, by their fields (JSON), in the order in which results named them. The first histories have none.
CELLS = "CREATE TABLE IF NOT EXISTS cells (id INTEGER PRIMARY KEY, cell TEXT NOT NULL UNIQUE, fields TEXT NOT NULL)"


def default_path():
    """Where the history is when the user does not say."""
    return os.path.join(os.path.dirname(baseline.folder()), NAME)


@contextlib.contextmanager
def open_history(path, write=False):
    """A connection to the history at `path`, which is made if it is to be written. ReportError for a file that is none,
    or of a newer faultline. On leaving, what was written is there as a whole or not at all."""
    if not write and not os.path.exists(path):
        raise ReportError(f"{path}: no history there: `faultline history add RESULT` makes one")
    connection = None
    try:
        if write:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        _check_schema(connection, path, write)
        yield connection
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise ReportError(f"{path}: others have been writing to it for {BUSY_SECONDS} s: try again") from None
        raise ReportError(f"{path}: {error}: choose a place that can be written to with --file") from None
    except sqlite3.DatabaseError as error:
        raise ReportError(f"{path}: is no sound history ({error}): name another file, or move it away") from None
    except OSError as error:
        raise ReportError(f"{path}: cannot be written: {error.strerror}: choose a place with --file") from None
    finally:
        if connection is not None:
            connection.close()  # rolls back what was not committed


def _check_schema(connection, path, write):
    version, = connection.execute("PRAGMA user_version").fetchone()
    application, = connection.execute("PRAGMA application_id").fetchone()
    tables, = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (version, application, tables) == (0, 0, 0):
        if not write:
            raise ReportError(f"{path}: is empty: `faultline history add RESULT` fills it")
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute(CELLS)
    elif application != APPLICATION_ID:
        raise ReportError(f"{path}: is an SQLite file, but no history of faultline: name another with --file")
    elif version > SCHEMA_VERSION:
        raise ReportError(f"{path}: has schema version {version}, this faultline reads up to {SCHEMA_VERSION}: "
                          "update faultline")
    elif write:
        connection.execute(CELLS)


def digest(result):
    """What two results share that are the same measurement, wherever they lie."""
    samples = {name: [{key: value for key, value in row.items() if key != "cell"} for row in rows]  # its name says it
               for name, rows in result.samples.items()}
    text = json.dumps([result.context, samples], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def add(path, result, label=""):
    """Add a Result; returns (its id, whether it is new): one that is there already is not added again."""
    mark, context = digest(result), result.context
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    figures, bad, fields = [], {}, {}
    for one in metrics.series(result, metrics.METRICS).values():
        if one.bad:
            bad[one.cell] = one.bad
        fields[one.cell] = json.dumps(one.fields)
        figures += [(one.cell, one.label, *key, value) for key, value in one.values.items()]
    tables = {name: result.tables[name] for name in ("strategy", "state")}  # what a trend is put in order and drawn by
    environment = json.dumps({**{key: context[key] for key in load.ENVIRONMENT}, "tables": tables}, sort_keys=True)
    with open_history(path, write=True) as connection:
        there = connection.execute("SELECT id FROM results WHERE digest = ?", (mark,)).fetchone()
        if there:
            return there[0], False
        number = connection.execute(
            "INSERT INTO results (digest, added, date, label, git_revision, accel, time_domain, unit, complete, "
            "environment) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (mark, now, context["date"], label, context["faultline"]["git_revision"], context["accel"],
             context["time_domain"], context["unit"], context["complete"], environment)).lastrowid
        connection.executemany("INSERT INTO kernels VALUES (?, ?, ?)",
                               [(number, name, kernel["release"]) for name, kernel in context["kernels"].items()])
        connection.executemany("INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?)", [(number, *row) for row in figures])
        connection.executemany("INSERT INTO not_measured VALUES (?, ?, ?, ?)",
                               [(number, cell, *why) for cell, why in bad.items()])
        connection.executemany("INSERT OR IGNORE INTO cells (cell, fields) VALUES (?, ?)", fields.items())
        return number, True


@contextlib.contextmanager
def _selected(path):
    with open_history(path) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def remove(path, numbers=(), label=None):
    """Remove results, by their numbers or all of a label, with their figures; returns their entries, as in `results`.
    ReportError, and none is removed, where one is not there."""
    there = {entry["id"]: entry for entry in results(path)}
    for number in numbers:
        if number not in there:
            raise ReportError(f"{path}: holds no result {number}{near(str(number), map(str, there)) if there else ''}: "
                              "`faultline history list` says what they are")
    chosen = [there[number] for number in dict.fromkeys(numbers)]
    if label is not None:
        chosen = [entry for entry in there.values() if label in (entry["label"], entry["git_revision"])]
        labels = dict.fromkeys(entry["label"] or entry["git_revision"] for entry in there.values())
        if not chosen:
            raise ReportError(f"{path}: holds no result of {plain(label)!r}{near(label, labels) if labels else ''}: "
                              "`faultline history list` shows all")
    with open_history(path, write=True) as connection:
        for entry in chosen:
            for table in ("figures", "not_measured", "kernels"):
                connection.execute(f"DELETE FROM {table} WHERE result = ?", (entry["id"],))
            if not connection.execute("DELETE FROM results WHERE id = ?", (entry["id"],)).rowcount:
                raise ReportError(f"{path}: result {entry['id']} has just been removed by another: look at `faultline history "
                                  "list` again")
        connection.execute("DELETE FROM cells WHERE cell NOT IN (SELECT cell FROM figures UNION SELECT cell FROM "
                           "not_measured)")
    return chosen


def results(path):
    """What the history holds, by date: [{id, date, added, label, git_revision, accel, time_domain, unit, complete,
    kernels, cells, figures}]."""
    with _selected(path) as connection:
        found = []
        for row in connection.execute(
                "SELECT id, date, added, label, git_revision, accel, time_domain, unit, complete FROM results "
                "ORDER BY date, id"):
            entry = dict(row)
            entry["complete"] = bool(entry["complete"])
            entry["kernels"] = dict(connection.execute("SELECT id, release FROM kernels WHERE result = ? ORDER BY id",
                                                       (row["id"],)).fetchall())
            entry["cells"], entry["figures"] = connection.execute(
                f"SELECT count(DISTINCT iif(metric IN ({', '.join('?' * len(OF_GUESTS))}), NULL, cell)), count(*) FROM figures "
                "WHERE result = ?", (*OF_GUESTS, row["id"])).fetchone()
            found.append(entry)
        return found


def one(path, number):
    """One result of the history: as in `results`, with `series` ([{cell, metric, samples, median}]), `not_measured`
    and `environment`. ReportError when it is not there."""
    entry = next((entry for entry in results(path) if entry["id"] == number), None)
    if entry is None:
        raise ReportError(f"{path}: holds no result {number}: `faultline history list` shows those there are")
    with _selected(path) as connection:
        found = {}
        for row in connection.execute("SELECT cell, metric, value FROM figures WHERE result = ? ORDER BY cell, metric",
                                      (number,)):
            found.setdefault((row["cell"], row["metric"]), []).append(row["value"])
        entry["series"] = [{"cell": cell, "metric": metric, "samples": len(values), "median": infer.median(values)}
                           for (cell, metric), values in found.items()]
        entry["not_measured"] = [dict(row) for row in connection.execute(
            "SELECT cell, status, reason FROM not_measured WHERE result = ? ORDER BY cell", (number,))]
        text, = connection.execute("SELECT environment FROM results WHERE id = ?", (number,)).fetchone()
        entry["environment"] = json.loads(text)
    return entry


def samples(path):
    """For a trend: [(entry as in `results`, {(cell, metric): {(seed, repetition): value}}, {cell: (status, reason)})]
    by date. entry["fields"]: {cell: {axis: value}}, the same of all; entry["tables"]: as
    of the result, {} where the history does not say; entry["builds"]: {kernel: what metrics.build_of() says}."""
    found = [(entry, {}, {}) for entry in results(path)]
    by_id = {entry["id"]: (values, bad) for entry, values, bad in found}
    with _selected(path) as connection:
        for row in connection.execute("SELECT * FROM figures"):
            if row["result"] in by_id:
                values, _ = by_id[row["result"]]
                values.setdefault((row["cell"], row["metric"]), {})[row["seed"], row["repetition"]] = row["value"]
        for row in connection.execute("SELECT * FROM not_measured"):
            if row["result"] in by_id:
                by_id[row["result"]][1][row["cell"]] = (row["status"], row["reason"])
        fields = _fields(connection)
        environments = {row["id"]: json.loads(row["environment"]) for row in
                        connection.execute("SELECT id, environment FROM results")}
    for entry, values, bad in found:
        for cell in [*(cell for cell, _ in values), *bad]:
            if cell not in fields:
                fields[cell] = load.fields_of(cell, entry["kernels"])
        environment = {"kernels": {}, "qemu": None, **environments[entry["id"]]}
        entry["fields"], entry["tables"] = fields, environment.get("tables", {})
        entry["builds"] = {kernel: metrics.build_of(environment, kernel) for kernel in entry["kernels"]}
    return found


def _fields(connection):
    """{cell: {axis: value}}, as far as the history says."""
    if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'cells'").fetchone()[0]:
        return {}
    return {row["cell"]: json.loads(row["fields"]) for row in connection.execute("SELECT cell, fields FROM cells ORDER BY id")}


FIXED = ("time", "commit", "result", "kernels")


def export(path, chosen=None, pattern=None, domain="virtual"):
    """(CSV text, series left out): a line a result by date, with its columns FIXED and one a series, `cell:metric`, the
    median over its samples. Tools that look for change points take no holes: a series that any of the results lacks is
    left out and named. ReportError when nothing is left."""
    wanted = {metric.id for metric in metrics.choose(chosen)}
    rows = [(entry, {(cell, metric): infer.median(list(found.values())) for (cell, metric), found in values.items()
                     if metrics.id_of(metric) in wanted and (pattern is None or fnmatch.fnmatchcase(cell, pattern))})
            for entry, values, _ in samples(path) if entry["time_domain"] == domain]
    rows = [(entry, values) for entry, values in rows if values]
    if not rows:
        raise ReportError(f"{path}: holds nothing of the {domain} domain that matches: `faultline history list` shows "
                          "what there is")
    names = sorted({key for _, values in rows for key in values})
    whole = [key for key in names if all(key in values for _, values in rows)]
    if not whole:
        raise ReportError(f"{path}: no series is in all of {counted(len(rows), 'result')}: narrow them down with --cell or --metric")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*FIXED, *(f"{cell}:{metric}" for cell, metric in whole)])
    for entry, values in rows:
        kernels = " ".join(f"{name}={release}" for name, release in entry["kernels"].items())
        writer.writerow([entry["date"], entry["label"] or entry["git_revision"], f"r{entry['id']}", kernels,
                         *(repr(values[key]) for key in whole)])
    return out.getvalue(), [f"{cell}:{metric}" for cell, metric in names if (cell, metric) not in set(whole)]
