# SPDX-License-Identifier: GPL-2.0-only
"""Read result files: the one place where what a run wrote becomes data that the rest may trust."""

import json
import os
from dataclasses import dataclass, field

import infer
import schema

SCHEMA_VERSION = 1
RESULT_NAME = "result.json"
NOT_COMPARABLE = 2  # exit code: usage, or a result that is incomplete or not comparable

# What must agree for two results to be of one environment. The rest of the context (date, command line, cells
# chosen, seconds taken) differs from run to run and says nothing about the figures.
ENVIRONMENT = ("accel", "faultline", "host", "qemu", "kernels", "file_systems")
# Of these, mappings by kernel or file system are compared for the names that both results have.
BY_NAME = (("kernels",), ("file_systems",), ("qemu", "arguments"))


class ReportError(Exception):
    """A problem the user can act on: one line that says what is wrong, where, and what to do."""

    def __init__(self, message, exit_code=NOT_COMPARABLE):
        super().__init__(plain(message))
        self.exit_code = exit_code


@dataclass
class Result:
    """One result, or several merged.

    path: where it was read from, as the user wrote it (merged: joined with ", ").
    context: the `context` object (merged: mappings by name joined, `complete` only when all are).
    samples: {name: [row]}: all rows of that name, one per seed (virtual) or repetition (wall), in their order.
    rows: {name: row}, in the order of the file: of several samples the one that stands for them. Both twins of a cell
        are of one sample: that whose per_page is the median (of an even number the lower of the two), or the first
        that is not ok.
    parts: [(path, context)] of each file read.
    kara: Kara's table of 2017 beside each of the results merged, as kara2017.compare returns it.
    notes: one line each, to be shown to the reader: how the environments of merged results differ.
    """

    path: str
    context: dict
    rows: dict
    parts: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    samples: dict = field(default_factory=dict)
    kara: list = field(default_factory=list)

    @property
    def every(self):
        """All rows by a name of their own: a cell's first sample has the name alone, the others say which they are."""
        found = {}
        for name, rows in self.samples.items():
            for index, row in enumerate(rows):
                found[f"{name} seed {row['seed']} repetition {row['repetition_index']}" if index else name] = row
        return found


def sample_key(row):
    """What tells apart the samples of one name: the seed and, of wall time, the repetition. A seed of the virtual
    domain is identical for ever: measured twice it would count twice in the statistics."""
    return row["seed"], row["repetition_index"] if row["time_domain"] == "wall" else 0


def plain(text):
    """Text with nothing in it that could move a cursor, start a line or turn the direction of writing."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def row_name(row):
    """The name that the contract gives a row with these fields."""
    strategy = row["strategy"]
    if row["writes_per_sync"] is not None:
        strategy += f":{row['writes_per_sync']}"
    beside = [f"d{unrelated(row)}"] if unrelated(row) else []
    contest = [] if row.get("touch") is None else [row["touch"], f"a{row['attackers']}", row["setting"]]
    return "/".join([row["kernel"], row["fs"], strategy, row["workload"], row["state"], row["order"],
                     f"t{row['threads']}", *beside, *contest, row["probes"]])


def unrelated(row):
    """How many inodes that have nothing to do with the file were dirty while the row was measured."""
    return row.get("dirty_inodes") or 0


def load(path):
    """Read one result: the file itself, or the folder that holds its result.json. ReportError if it cannot be used."""
    path = os.fspath(path)
    document = _parse(path, _read(path))
    _validate(path, document)
    context = document["context"]
    samples, seen = {}, set()
    for index, row in enumerate(document["benchmarks"]):
        name = row["name"]
        if name != row_name(row):
            raise ReportError(f"{path}: benchmarks[{index}] is named {name!r}, but its fields say {row_name(row)!r}: "
                              "the file was edited or damaged; run the measurement again")
        for key in ("time_domain", "accel"):
            if row[key] != context[key]:
                raise ReportError(f"{path}: the row {name!r} has {key} {row[key]}, the run has {context[key]}: "
                                  "virtual and wall time are never mixed; run the measurement again")
        mark = (name, sample_key(row))
        if mark in seen:
            raise ReportError(f"{path}: the row {name!r} is there twice (seed {row['seed']}, repetition "
                              f"{row['repetition_index']}): the file was edited or damaged; run the measurement again")
        seen.add(mark)
        samples.setdefault(name, []).append(row)
    return make_result(path, context, samples, [(path, context)])


def make_result(path, context, samples, parts, notes=()):
    """The Result of these rows, {name: [row]}, which are sorted."""
    for rows in samples.values():
        rows.sort(key=sample_key)
    return Result(path, context, _representatives(samples), parts, list(notes), samples)


def _per_page(row):
    return row["per_page"]


def _representatives(samples):
    """{name: row}, as `Result.rows`."""
    chosen = {}
    for name, rows in samples.items():  # twins: the one without probes decides, wherever it stands in the file
        cell, _, probes = name.rpartition("/")
        if cell not in chosen or probes == "off":
            measured = [row for row in rows if row["per_page"] is not None]
            chosen[cell] = sample_key(infer.middle_sample(measured, _per_page) if measured else rows[0])

    def one(name, rows):
        bad = (row for row in rows if row["status"] != "ok")
        same = (row for row in rows if sample_key(row) == chosen[name.rpartition("/")[0]])
        return next(bad, None) or next(same, infer.middle_sample(rows, sample_key))

    return {name: one(name, rows) for name, rows in samples.items()}


def load_all(paths):
    """Read and merge several results of one environment, such as two selections of cells.

    ReportError when time domain or accelerator differ, or when a row of the same name differs: which of the two
    counts is not ours to choose. A row that is the same in both is kept once.
    """
    if not paths:
        raise ReportError("no result given: name the folder that a run wrote")
    return merge([load(path) for path in paths])


def merge(results):
    """As load_all, of Results that have been read."""
    first = results[0]
    if len(results) == 1:
        return first
    samples, owner, notes = {}, {}, []
    for result in results:
        same_clock(first, result)
        for name, rows in result.samples.items():
            for row in rows:
                mark = (name, sample_key(row))
                if mark not in owner:
                    samples.setdefault(name, []).append(row)
                    owner[mark] = row, result.path
                elif _without_run(row) != _without_run(owner[mark][0]):
                    raise ReportError(f"{name!r} is in {owner[mark][1]} and in {result.path} with different figures: "
                                      "report them one at a time, or see `faultline identical`")
        for what in environment_difference(first.context, result.context):
            notes.append(f"{first.path} and {result.path} differ in {what}: their rows are of different environments")
    return make_result(", ".join(r.path for r in results), _merged_context(results), samples,
                       [(r.path, r.context) for r in results], notes)


def same_clock(a, b):
    """ReportError unless both results count the same thing: time domain, unit and accelerator agree."""
    for key in ("time_domain", "unit", "accel"):
        if a.context[key] != b.context[key]:
            raise ReportError(f"{a.path} has {key} {a.context[key]}, {b.path} has {b.context[key]}: "
                              "they are never mixed; name results of one kind")


def environment_difference(a, b):
    """The names of the context fields by which two contexts are of different environments, in a fixed order."""
    return [".".join(trail) for trail, _, _ in environment_differences(a, b)]


def environment_differences(a, b):
    """[(path of the field as a tuple, value in a, value in b)] of what environment_difference names."""
    def differing(a, b, trail):
        if trail in BY_NAME or trail[2:] == ("probes",):  # of a kernel: by file system, those that the run had
            for name in sorted(set(a or ()) & set(b or ())):
                yield from differing(a[name], b[name], trail + (name,))
        elif isinstance(a, dict) and isinstance(b, dict):
            # How long a guest took to boot is a measurement, and absent where a saved state was there.
            # A kernel's `module` is absent where no cell needed it: no difference to the others.
            for key in sorted((set(a) | set(b)) - {"boot"} - ({"module"} - (set(a) & set(b)))):
                yield from differing(a.get(key), b.get(key), trail + (key,))
        elif a != b:
            yield trail, a, b

    return [found for key in ENVIRONMENT for found in differing(a.get(key), b.get(key), (key,))]


def _read(path):
    name = os.path.join(path, RESULT_NAME) if os.path.isdir(path) else path
    try:
        with open(name, "rb") as file:
            return file.read()
    except FileNotFoundError:
        if name != path:
            raise ReportError(f"{path}: no {RESULT_NAME} in this folder: name a folder that `faultline run` "
                              "wrote") from None
        raise ReportError(f"{path}: no such file or folder: name a folder that `faultline run` wrote") from None
    except OSError as error:
        raise ReportError(f"{name}: cannot be read: {error.strerror}") from None


def _parse(path, data):
    if not data.strip():
        raise ReportError(f"{path}: the result is empty: the run was cut short; run it again")

    def refuse_constant(text):
        raise ReportError(f"{path}: holds {text}, which is no figure: the file was edited or is a defect of "
                          "faultline; run the measurement again")

    def finite(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            refuse_constant(text[:40])
        return number

    def unique(pairs):
        seen = dict(pairs)
        if len(seen) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ReportError(f"{path}: the key {twice!r} is there twice in one object: the file was edited; "
                              "run the measurement again")
        return seen

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse_constant, parse_float=finite,
                          object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        text = error.doc
        if not text.lstrip().startswith(("{", "[")):
            raise ReportError(f"{path}: is not JSON: name a folder that `faultline run` wrote") from None
        if not text[error.pos:].strip() or error.msg.startswith("Unterminated string"):
            raise ReportError(f"{path}: the JSON ends too early, in line {error.lineno}: the run was cut short or the "
                              "disk was full; run it again") from None
        raise ReportError(f"{path}: is not JSON from line {error.lineno} column {error.colno} on "
                          f"({error.msg}): the file was edited or damaged; run the measurement again") from None
    except (ValueError, RecursionError):  # not UTF-8, a number of thousands of digits, thousands of brackets
        raise ReportError(f"{path}: is not JSON: name a folder that `faultline run` wrote") from None


def _validate(path, document):
    context = document.get("context") if isinstance(document, dict) else None
    version = context.get("schema_version") if isinstance(context, dict) else None
    if version is None or "faultline" not in context:
        raise ReportError(f"{path}: is JSON, but not a result of faultline: name a folder that `faultline run` wrote")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ReportError(f"{path}: has schema version {version}, this faultline reads up to {SCHEMA_VERSION}: "
                          "update faultline")
    problem = schema.problem("result", document)
    if problem:
        raise ReportError(f"{path}: {problem}: not what docs/result-format.md says of version 1; the file was edited or is "
                          "a defect of faultline")


def _without_run(row):
    """A row less what says only where it stood in its run."""
    return {key: value for key, value in row.items() if key not in ("family_index", "per_family_instance_index")}


def _merged_context(results):
    contexts = [r.context for r in results]
    merged = dict(contexts[0])
    merged["complete"] = all(c["complete"] for c in contexts)
    if not merged["complete"]:
        merged["reason"] = "; ".join(f"{r.path}: {r.context['reason']}" for r in results if not r.context["complete"])
    for key in ("kernels", "file_systems"):
        merged[key] = {name: value for c in reversed(contexts) for name, value in c[key].items()}
    if merged["qemu"] is not None:  # as on the host
        arguments = {name: value for c in reversed(contexts) for name, value in c["qemu"]["arguments"].items()}
        merged["qemu"] = {**contexts[0]["qemu"], "arguments": arguments}
    merged["elapsed_s"] = sum(c["elapsed_s"] for c in contexts)
    return merged
