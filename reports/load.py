# SPDX-License-Identifier: GPL-2.0-only
"""Read result files: the one place where what a run wrote becomes data that the rest may trust."""

import functools
import json
import os
from dataclasses import dataclass, field

import infer
import schema
import stats
import vocabulary

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
    tables: of what there is, {strategy: [{id, ...}], state: ..., ...}, as tables_of returns them.
    kara: Kara's table of 2017 beside each of the results merged, as kara2017.compare returns it.
    notes: one line each, to be shown to the reader: how the environments of merged results differ.
    """

    path: str
    context: dict
    rows: dict
    parts: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    samples: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    kara: list = field(default_factory=list)

    @functools.cached_property
    def words(self):
        """The Vocabulary."""
        return vocabulary.Vocabulary(self.tables or tables_of(self.context, self.rows.values()),
                                     self.context.get("kernels", {}))

    @functools.cached_property
    def axes(self):
        """The fields that tell cells apart."""
        return axes_of(self.tables)

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


def tool(context):
    """Which faultline wrote a result, and of which commit; a build of other than that commit says so."""
    about = context["faultline"]
    commit, dirty, _ = about["git_revision"].partition(DIRTY)
    return f"faultline {about['version']} ({commit[:COMMIT]}{dirty})"


DIRTY, COMMIT = "-dirty", 12  # the end of a build's commit that has changes of its own; letters of a commit that are shown


# What tells one cell from another, in results that do not say it themselves. `probes`, `seed` and `repetition_index` tell
# apart the rows of one cell.
AXES = ("kernel", "writes_per_sync", *(axis["field"] for axis in vocabulary.AXES))
OF_ROWS = ("probes", "seed", "repetition_index", "vary")


def cell_of(row):
    """The name of a row's cell where the row does not say it, as none did at first: its own less the set of probes. With
    beyond_kernel this is all that reports/ knows of how names are made. ValueError for a name that does not end so."""
    end = name_of("", row["probes"])
    if not row["name"].endswith(end):
        raise ValueError(row["name"])
    return row["name"][:-len(end)]


def of_other_kernel(cell, kernel, other):
    """The name that a cell of that kernel has on another."""
    return f"{other}/{beyond_kernel(cell, kernel)}"


def name_of(cell, probes):
    """The name of a cell's row with that set of probes."""
    return f"{cell}/{probes}"


def guest_of(kernel, fs):
    """What a guest is called in place of a cell, of which its boot is a figure."""
    return f"{kernel}/{fs}/boot"


def beyond_kernel(cell, kernel):
    """The name of a cell of that kernel without it, by which cells of two kernels are shown side by side."""
    return cell[len(kernel) + 1:] if cell.startswith(kernel + "/") else cell


def fields_of(cell, kernels):
    """The fields of a cell, of which there is no more than the name: in a history of before it kept fields. kernels: the
    ids of the result's kernels."""
    kernel = next((kernel for kernel in kernels if cell.startswith(kernel + "/")), None)
    parts = beyond_kernel(cell, kernel).split("/") if kernel else []
    if len(parts) < 6:
        return {"kernel": kernel, "fs": parts[0] if parts else cell}
    fs, strategy, workload, state, order, threads, *rest = parts
    strategy, _, k = strategy.partition(":")
    fields = {"kernel": kernel, "fs": fs, "strategy": strategy, "writes_per_sync": int(k) if k.isdigit() else k or None,
              "workload": workload, "state": state, "order": order, "threads": int(threads[1:])}
    counted = {axis["letter"]: axis["field"] for axis in vocabulary.AXES if "letter" in axis}
    words = ["touch", "setting"]
    for part in rest:
        if part[:1] in counted and part[1:].isdigit():
            fields[counted[part[0]]] = int(part[1:])
        elif words:
            fields[words.pop(0)] = part
    return fields


def axes_of(tables):
    """The fields that tell cells apart, by the tables of a result."""
    said = [axis["field"] for axis in tables.get("axes", ()) if axis.get("field")]
    return tuple(field for field in dict.fromkeys([*AXES, *said]) if field not in OF_ROWS)


def identity(row, axes):
    """What the cell of a row is, by its fields: equal for two rows of one cell, and of no two cells. A field that is not
    there is one that is null, or 0."""
    return frozenset((field, row[field]) for field in axes if row.get(field))


def tables_of(context, rows):
    """The tables of a result: those that it brings, and at the end of each what only its rows name.

    A result of before there were any has them made from its rows: strategies, states, probes as they come up, the others
    by name, as they always stood; what kind of workload it is is all that rows tell beyond that.
    """
    rows = list(rows)
    given = context.get("tables") or {}
    tables = {name: list(table) for name, table in given.items()}
    for name, field_ in vocabulary.FIELDS.items():
        table = tables.setdefault(name, [])
        known = {row["id"] for row in table}
        found = [value for value in dict.fromkeys(row.get(field_) for row in rows) if value and value not in known]
        table += [{"id": value, **(_kind_of(value, rows) if name == "workload" else {})} for value in found]
    phases = dict.fromkeys(tuple(phase["id"] for phase in row.get("phases") or ()) for row in rows)
    table = tables.setdefault("phase", [])
    known = [row["id"] for row in table]
    found = vocabulary.merge_orders([known, *phases])
    table += [{"id": value} for value in sorted(found, key=lambda value: value == REST) if value not in known]
    return tables if given else _by_name(tables)


def _by_name(tables):
    """Tables that no result has put in order."""
    return {name: sorted(table, key=lambda row: (row["id"] != NOBODY, row["id"])) if name in ORDERED_BY_NAME else table
            for name, table in tables.items()}


ORDERED_BY_NAME = ("fs", "workload", "order", "setting", "touch")


NOBODY = "none"  # the touch of a contest with 0 attackers
REST = "other"  # what of a fault no phase has: the last of its phases


def _kind_of(workload, rows):
    contest = any(row["workload"] == workload and row.get("touch") for row in rows)
    return {"kind": "loop" if not contest else "bystander" if workload == "bystander" else "victim"}


def unrelated(row):
    """How many inodes that have nothing to do with the file were dirty while the row was measured."""
    return row.get("dirty_inodes") or 0


def load(path):
    """Read one result: the file itself, or the folder that holds its result.json. ReportError if it cannot be used."""
    path = os.fspath(path)
    document = _parse(path, _read(path))
    _validate(path, document)
    context = document["context"]
    samples, seen, named = {}, set(), {}
    axes = axes_of(context.get("tables") or {})
    for index, row in enumerate(document["benchmarks"]):
        name = row["name"]
        _check_cell(path, index, row, axes, named)
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


def _check_cell(path, index, row, axes, named):
    """ReportError when a row's name and its fields are not of one cell. named: {name of a cell: its identity}, and the
    other way round, of the rows before; the row gains its `cell`."""
    def refuse(what):
        raise ReportError(f"{path}: benchmarks[{index}], {row['name']!r}, {what}: the file was edited or damaged; run the "
                          "measurement again")

    try:
        cell = cell_of(row)
    except ValueError:
        refuse(f"is not named after its probes, {row['probes']!r}")
    if row.setdefault("cell", cell) != cell:
        rest = beyond_kernel(cell, row["kernel"])
        if rest == cell or not row["cell"].endswith(f"/{rest}"):
            refuse(f"says that its cell is {row['cell']!r}")
        row["cell"] = cell  # somebody gave the kernel another name, and did not know of this field
    key = identity(row, axes)
    if named.setdefault(cell, key) != key:
        fields = sorted({field_ for field_, _ in key ^ named[cell]})
        refuse(f"has another {' and '.join(fields)} than a row before it of the same cell")
    if named.setdefault(key, cell) != cell:
        refuse(f"has the same fields as a row before it of the cell {named[key]!r}")


def make_result(path, context, samples, parts, notes=(), tables=None):
    """The Result of these rows, {name: [row]}, which are sorted. tables: those of the results that they are from, where
    these are more than context and rows tell."""
    for rows in samples.values():
        rows.sort(key=sample_key)
    tables = tables or tables_of(context, (row for rows in samples.values() for row in rows))
    twin = vocabulary.Vocabulary(tables, {}).twin
    return Result(path, context, _representatives(samples, twin), parts, list(notes), samples, tables=tables)


def _per_page(row):
    return row["per_page"]


def _representatives(samples, twin):
    """{name: row}, as `Result.rows`."""
    chosen = {}
    for rows in samples.values():  # twins: the one without probes decides, wherever it stands in the file
        cell = rows[0]["cell"]
        if cell not in chosen or rows[0]["probes"] == twin:
            measured = [row for row in rows if row["per_page"] is not None]
            chosen[cell] = sample_key(infer.middle_sample(measured, _per_page) if measured else rows[0])

    def one(rows):
        bad = (row for row in rows if row["status"] != "ok")
        same = (row for row in rows if sample_key(row) == chosen[row["cell"]])
        return next(bad, None) or next(same, infer.middle_sample(rows, sample_key))

    return {name: one(rows) for name, rows in samples.items()}


def load_all(paths):
    """Read and merge several results of one environment, such as two selections of cells.

    ReportError when time domain or accelerator differ, or when a row of the same name differs: which of the two
    counts is not ours to choose. A row that is the same in both is kept once; what only one of them was observed for
    stands in it.
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
                    continue
                kept, path = owner[mark]
                both = {key: row.get(key) if kept.get(key) is None else kept[key] for key in sorted(stats.OBSERVED)}
                if _without_run({**row, **both}) != _without_run({**kept, **both}):
                    raise ReportError(f"{name!r} is in {path} and in {result.path} with different figures: "
                                      "report them one at a time, or see `faultline identical`")
                if any(kept.get(key) is None and value is not None for key, value in both.items()):
                    whole = {**kept, **both}
                    samples[name] = [whole if sample_key(one) == sample_key(row) else one for one in samples[name]]
                    owner[mark] = whole, path
        for what in environment_difference(first.context, result.context):
            notes.append(f"{first.path} and {result.path} differ in {what}: their rows are of different environments")
    return make_result(", ".join(r.path for r in results), _merged_context(results), samples,
                       [(r.path, r.context) for r in results], notes, _merged_tables(results))


def _merged_tables(results):
    tables = vocabulary.merge_tables([r.tables for r in results])
    return tables if any(r.context.get("tables") for r in results) else _by_name(tables)


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
    if problem and problem.unknown:
        about = context["faultline"] if isinstance(context["faultline"], dict) else {}
        raise ReportError(f"{path}: has fields that this faultline does not know: {problem.text}: a later one wrote it "
                          f"(version {str(about.get('version'))[:20]}, revision {str(about.get('git_revision'))[:20]}), or "
                          "the file is damaged: update faultline, or run the measurement again")
    if problem:
        raise ReportError(f"{path}: {problem.text}: not what docs/result-format.md says of version 1; the file was edited or is "
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
