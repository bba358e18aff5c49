# SPDX-License-Identifier: GPL-2.0-only
"""What survives a power cut, as `faultline crashtest` wrote it, beside what it costs."""

import json
import os

import cells
import schema
import vocabulary
from load import ReportError, plain

CRASH_NAME = "crashtest.json"
PAGES = "pages"  # the writer whose tests have a price: a strategy's
KINDS = (PAGES, "size", "mtime")
TEXTS = ("kernel", "fs", "strategy", "state", "status", "reason")
SCHEMA_VERSION = 1
# How stores became durable where the power was cut, and what that tests; a test that does not say it is of the first.
MODELS = {
    "order": "Each store was held to be in the persistent memory at once, in program order (model order): what is tested is "
             "metadata, and that lines are written back is taken on trust.",
    "px86": "Caches were modelled (model px86): of each line any prefix of its stores since its last write-back that was "
            "done may be there.",
}


def load(path):
    """The document in a crashtest.json. ReportError when it is none, or not of the form."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ReportError(f"{path}: is not JSON: run `faultline crashtest` again") from None
    if not isinstance(document, dict) or not isinstance(document.get("tests"), list):
        raise ReportError(f"{path}: has no list of tests: not what `faultline crashtest` writes; run it again")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ReportError(f"{path}: has schema version {version!r}, this faultline reads {SCHEMA_VERSION}: run "
                          "`faultline crashtest` again")
    problem = schema.problem("crashtest", document)
    if problem:
        raise ReportError(f"{path}: {problem.text}: not what `faultline crashtest` writes; run it again")
    return document


def find(folder):
    """The crashtest.json in a folder, or None."""
    path = os.path.join(folder, CRASH_NAME)
    return path if os.path.isfile(path) else None


def guarantees(documents, result):
    """One row per test of the documents that wrote pages, in reading order: {kernel, fs, strategy, state, status, reason, points, checked,
    kept: {kind: {promised, lost} or {written, survived}}, torn, recovery, failures, per_page, ratio, unit, cell}: what
    was kept, and what a page costs in the cell with that strategy and state that is the default in all else (null: not
    measured)."""
    words, groups = result.words, cells.sections(result)
    rows = []
    of_pages = list(map(_of_pages, documents))
    for tests in of_pages:
        for test in tests:
            rows.append({**{key: test.get(key, "") for key in TEXTS}, "points": test["points"],
                         "checked": test["checked"], "kept": _kept(test), "torn": (test.get("lost") or {}).get("torn"),
                         "recovery": test.get("recovery"), "failures": [_failure(one) for one in
                                                                        test.get("failures", [])],
                         **_price(words, groups, test, result.context["unit"])})

    # A test says its strategy and K in one word: it stands where the result has that, else where the tests have it.
    measured = map(cells.label, sorted(result.rows.values(), key=words.strategy_rank))
    orders = {field: vocabulary.merge_orders([list(known), *([test[field] for test in tests] for tests in of_pages)])
              for field, known in (("fs", words.ids("fs")), ("state", words.ids("state")), ("strategy", measured))}

    def order(row):
        return words.kernel_rank(row["kernel"]), *(found.index(row[field]) for field, found in orders.items())
    return sorted(rows, key=order)


def model_notes(documents):
    """What the models of the tests that wrote pages test, a sentence each."""
    found = {test.get("model", next(iter(MODELS))) for tests in map(_of_pages, documents) for test in tests}
    return [note for model, note in MODELS.items() if model in found]


def _of_pages(document):
    return [test for test in document["tests"] if test.get("write", PAGES) == PAGES]


def _kept(test):
    if test["status"] not in ("ok", "failed"):
        return None
    promised, lost, other = test["promised"], test["lost"], test["unpromised"]
    kept = {}
    for kind in KINDS:
        survived = other["survived" if kind == PAGES else f"{kind}_survived"]
        kept[kind] = {"promised": promised[kind], "lost": lost[kind] + (lost["torn"] if kind == PAGES else 0),
                      "written": other[kind], "survived": survived}
    return kept


def _failure(one):
    return {key: plain(one.get(key, "")) for key in ("point", "instant", "what", "command")}


def _price(words, groups, test, unit):
    workload, order, threads = map(words.default, ("workload", "order", "threads"))
    group = groups.get((test["kernel"], test["fs"], workload, order, int(threads)), [])
    cell = next((cell for cell in group if cell.label == test["strategy"] and cell.any["state"] == test["state"]
                 and cell.best), None)
    if cell is None:
        return {"per_page": None, "ratio": None, "unit": unit, "cell": None}
    return {"per_page": cell.best["per_page"], "ratio": cells.baseline_ratio(words, group, cell), "unit": unit,
            "cell": cell.best["name"]}


def words(one):
    """What became of one of KINDS, in few words."""
    if one["lost"]:
        return f"LOST {one['lost']} of {one['promised']}"
    if one["promised"]:
        return f"kept, {one['promised']}"
    if one["written"]:
        return f"not promised; {one['survived']} of {one['written']} there"
    return "-"
