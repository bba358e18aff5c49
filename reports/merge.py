# SPDX-License-Identifier: GPL-2.0-only
"""Shards of one run as one result: all rows in the order of the undivided run, and the side file of their samples."""

import json
import os
from dataclasses import dataclass

import canonical
import files
import load
from load import ReportError

SAMPLES_NAME = "samples.bin"
SHARD = "--shard"
# Options of `run` that shards of one run may have each its own of: no row hangs on them, or the context says what came of it.
OF_EACH_SHARD = frozenset((SHARD, "--out", "--force", "--jobs", "--reverse", "--json", "--quiet", "--no-table", "--deadline",
                           "--boot-deadline", "--cell-deadline", "--kernel", "--modules", "--fs-row"))
# Of the context, what must be equal beside that which the hash is of.
ALIKE = ("library_build_type", "tables")
ALIKE_IN_WALL_TIME = ("host", "num_cpus")
SHOWN = 24  # characters of a value that is named in an error


@dataclass
class Shard:
    """One result of `run --shard`. index: from 0 on, of count; result: the Result; folder: where its side file is; options:
    {option: values} of its command line that all shards share; cells: names, in their order."""

    index: int
    count: int
    result: object
    folder: str
    options: dict
    cells: list

    @property
    def name(self):
        """As the command line has it, and where it is."""
        return f"shard {self.index + 1}/{self.count} ({self.result.path})"


@dataclass
class Merged:
    """context, rows: of the result; places: of each row with samples [(folder, the row as it was)], in order; shards: how many;
    audit: the Audit of it, None where nothing was measured a second time."""

    context: dict
    rows: list
    places: list
    shards: int
    audit: object = None

    @property
    def samples(self):
        """How many records the side file gets."""
        return sum(row["samples"]["count"] for _, row in self.places)


@dataclass
class Audit:
    """What measuring some cells a second time has shown. cells: how many were measured both times; differing: a Difference
    for each cell with other figures the second time."""

    cells: int
    differing: list


@dataclass
class Difference:
    """cell; field: the first that differs, of its row with this seed; shard, audit: paths of the results, as given."""

    cell: str
    seed: int
    field: str
    shard: str
    audit: str


def merge(paths, audits=()):
    """The Merged result of these shards, named by folders or files, in any order. audits: shards of any division, of the
    same run, which are no part of the result: it is held against them. ReportError when they are not all shards
    of one run: one is missing or incomplete, lacks a cell, is of another environment or another selection, or two have
    one row with different figures."""
    shards = sorted((_shard(load.load(path)) for path in paths), key=lambda shard: shard.index)
    again = [_shard(load.load(path)) for path in audits]
    first = shards[0]
    for shard in shards:
        if shard.count != first.count:
            raise ReportError(f"{shard.name} and {first.name} are not of one division: name shards with one N")
    for shard in [*shards, *again]:
        if not shard.result.context["complete"]:
            raise ReportError(f"{shard.name} is incomplete ({shard.result.context['reason']}): run it again, to the end, and "
                              "merge then")
    missing = sorted(set(range(first.count)) - {shard.index for shard in shards})
    if missing:
        also = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise ReportError(f"shard {missing[0] + 1}/{first.count}{also} is missing: name its folder too, or measure it: the "
                          f"command of {first.result.path} with {SHARD} {missing[0] + 1}/{first.count}")
    for shard in [*shards, *again]:
        _same_selection(first, shard)
        _same_context(first, shard)
    rows, owners = _rows(shards)
    order = _order(shards)
    names = sorted(rows, key=lambda name: order[rows[name][0]["cell"]])  # stable: twins stay as they stood
    _same_samples(rows, owners, first.result.words.twin)
    ordered = [row for name in names for row in rows[name]]
    context = _context(shards, [(row, owners[name, load.sample_key(row)]) for name in names for row in rows[name]])
    places, numbered, records = [], [], 0
    for row in ordered:
        if row.get("samples"):
            places.append((owners[row["name"], load.sample_key(row)].folder, row))
            row = {**row, "samples": {"file": SAMPLES_NAME, "first": records, "count": row["samples"]["count"]}}
            records += row["samples"]["count"]
        numbered.append(row)
    return Merged(context, numbered, places, first.count, _audit(rows, owners, again) if again else None)


def write(merged, folder, paths, force=False):
    """Write a Merged result into a folder; returns the paths of what was written. paths: of the shards. ReportError when
    there is a result already and not `force`, when the folder is a shard's, or a side file is not whole."""
    target = os.path.join(folder, load.RESULT_NAME)
    for path in paths:
        if os.path.realpath(target) == os.path.realpath(os.path.join(path, load.RESULT_NAME) if os.path.isdir(path) else path):
            raise ReportError(f"--out: {folder} is one of the shards: give another")
    if os.path.exists(target) and not force:
        raise ReportError(f"{folder} holds another {load.RESULT_NAME}; give another --out, or --force to replace it")
    text = json.dumps({"benchmarks": merged.rows, "context": merged.context}, indent=1, sort_keys=True, allow_nan=False)
    records = (piece for place, row in merged.places for piece in canonical.sample_pieces(place, row))
    # One after the other: at no time does a result stand beside samples that are not its own.
    side = files.write_files(folder, {SAMPLES_NAME + ".new": records}) if merged.places else []
    files.remove(os.path.join(folder, name) for name in (load.RESULT_NAME, SAMPLES_NAME))
    if side:
        os.replace(side[0], os.path.join(folder, SAMPLES_NAME))
    return files.write_files(folder, {load.RESULT_NAME: (text + "\n").encode("utf-8")}) + [
        os.path.join(folder, SAMPLES_NAME)] * bool(side)


def _shard(result):
    options = _options(result.context["command_line"])
    index, _, count = (options.get(SHARD) or [""])[-1].partition("/")
    if not (index.isdecimal() and count.isdecimal() and 0 < int(index) <= int(count)):
        raise ReportError(f"{result.path}: is no shard: its command line has no {SHARD} I/N; `faultline table` and `report` take "
                          "several results as they are")
    cells = list(dict.fromkeys(rows[0]["cell"] for rows in result.samples.values()))
    return Shard(int(index) - 1, int(count), result, canonical.folder_of(result), options, cells)


def _options(words):
    """{option: [values]} of a command line of `run`, in which a word that is no option belongs to the one before it."""
    found, last = {}, None
    for word in words[1:]:
        if word.startswith("--"):
            last, equals, value = word.partition("=")
            found.setdefault(last, []).extend([value] * bool(equals))
        elif last is not None:
            found[last].append(word)
    return found


def _same_selection(first, shard):
    for option in sorted((set(first.options) | set(shard.options)) - OF_EACH_SHARD):
        one, other = (side.options.get(option) for side in (first, shard))
        if one != other:
            one, other = ("is not there" if words is None else " ".join(words) or "is there" for words in (one, other))
            raise ReportError(f"{first.name} and {shard.name} are not of one command line: {option}: {one} and {other}: run the "
                              "shards with the same options")


def _same_context(first, shard):
    wall = ALIKE_IN_WALL_TIME if first.result.context["time_domain"] == "wall" else ()
    one, other = ({**canonical.context(side.result.context), **{key: side.result.context.get(key) for key in (*ALIKE, *wall)}}
                  for side in (first, shard))
    apart = sorted(set(one["kernels"]) ^ set(other["kernels"]))
    if apart:
        raise ReportError(f"{first.name} and {shard.name} are not of the same kernels: only one has {apart[0]}: run the shards "
                          "with the same --kernel")
    for trail, a, b in _differing(one, other, ()):
        raise ReportError(f"{first.name} and {shard.name} differ in {'.'.join(trail)}: {_short(a)} and {_short(b)}: measure all "
                          "shards with one build of faultline, one kernel, one QEMU and one set of tools")


def _short(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def _differing(one, other, trail):
    """(path, one value, other value) of what differs. What only one has, or is null there, is of cells that the other has
    none of: a file system's, the module's, what a guest says of its kernel."""
    if one is None or other is None:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) & set(other)):
            yield from _differing(one[key], other[key], (*trail, key))
    elif isinstance(one, bool) != isinstance(other, bool) or one != other:
        yield trail, one, other


def _rows(shards):
    """{name: [row]}, each row once, and {(name, sample): its Shard}."""
    rows, owners, kept = {}, {}, {}
    for shard in shards:
        for name, samples in shard.result.samples.items():
            for row in samples:
                mark = (name, load.sample_key(row))
                if mark not in owners:
                    rows.setdefault(name, []).append(row)
                    owners[mark], kept[mark] = shard, row
                else:
                    _same_row(kept[mark], owners[mark], row, shard)
    for samples in rows.values():
        samples.sort(key=load.sample_key)
    return rows, owners


def _audit(rows, owners, again):
    first = {(name, load.sample_key(row)): row for name, samples in rows.items() for row in samples}
    cells, differing = set(), {}
    for shard in again:
        for name, samples in shard.result.samples.items():
            for row in samples:
                mark = (name, load.sample_key(row))
                if mark not in first:
                    raise ReportError(f"{shard.name} has {name!r} seed {row['seed']}, which no shard has: it is not of this run")
                if row["status"] != "skipped":
                    cells.add(row["cell"])
                field = _differing_field(first[mark], owners[mark], row, shard)
                if field is not None:
                    differing.setdefault(row["cell"], Difference(row["cell"], row["seed"], field, owners[mark].result.path,
                                                                 shard.result.path))
    return Audit(len(cells), list(differing.values()))


def _same_row(one, owner, other, shard):
    field = _differing_field(one, owner, other, shard)
    if field is not None:
        raise ReportError(f"{one['name']!r} seed {one['seed']} repetition {one['repetition_index']} is in {owner.name} and in "
                          f"{shard.name} with different figures ({field}): name the one that counts alone")


def _differing_field(one, owner, other, shard):
    """The first field of what the hash is made of that two rows do not have in common; None where they say the same."""
    said = [canonical.row(row, canonical.samples_hash(side.folder, row)) for row, side in ((one, owner), (other, shard))]
    if canonical.text(said[0]) == canonical.text(said[1]):
        return None
    return min(key for key in set(said[0]) | set(said[1])
               if canonical.text(said[0].get(key)) != canonical.text(said[1].get(key)))


def _order(shards):
    """{cell: its number in the undivided run}: of N shards the Ith has each Nth cell from the Ith on."""
    order, at = {}, {}
    for shard in shards:
        for number, cell in enumerate(shard.cells):
            place = number * shard.count + shard.index
            if at.setdefault(place, (cell, shard))[0] != cell:
                raise ReportError(f"{at[place][1].name} and {shard.name} have other cells, the first {at[place][0]!r} and {cell!r}: "
                                  "one of them lacks some or is of another run: run that shard again")
            if order.setdefault(cell, (place, shard))[0] != place:
                raise ReportError(f"{cell!r} is in {order[cell][1].name} and in {shard.name} as another cell of the run: they are "
                                  "not of one run, or one was edited: run that shard again")
    lacking = next((place for place in range(len(at)) if place not in at), None)
    if lacking is not None:
        shard = next(shard for shard in shards if shard.index == lacking % shard.count)
        raise ReportError(f"{shard.name} lacks cells: it has {len(shard.cells)}, and the run as a whole at least {max(at) + 1}: run that "
                          "shard again")
    return {cell: place for cell, (place, _) in order.items()}


def _same_samples(rows, owners, twin):
    """ReportError when a row is missing: the cells of a run have all the same seeds or repetitions, those with probes and
    contests theirs, and what was skipped as it was planned stands there once."""
    expected = {}
    for name, samples in rows.items():
        if all(row["status"] == "skipped" for row in samples):
            continue
        keys = [load.sample_key(row) for row in samples]
        known, owner = expected.setdefault((samples[0].get("touch") is not None, samples[0]["probes"] == twin), (keys, name))
        if keys != known:
            lacking, key = next(((name, key) for key in known if key not in keys),
                                (owner, next((key for key in keys if key not in known), None)))
            shard = owners[lacking, load.sample_key(rows[lacking][0])]
            raise ReportError(f"{shard.name} lacks a row: {lacking!r} has no seed {key[0]} repetition {key[1]}, which others "
                              "have: run that shard again")


def _context(shards, owned):
    """The context of all. owned: [(row, its Shard)] in the order of the run."""
    contexts = [shard.result.context for shard in shards]
    merged = _joined(contexts)
    for row, shard in owned:  # the last guest of a kernel is the one that the undivided run would tell of
        if row["status"] == "skipped":
            continue
        kernel, about = row["kernel"], shard.result.context
        if merged["qemu"] and kernel in about["qemu"]["arguments"]:
            merged["qemu"]["arguments"][kernel] = about["qemu"]["arguments"][kernel]
        line = about["kernels"].get(kernel, {}).get("command_line")
        if line is not None:
            merged["kernels"][kernel]["command_line"] = line
    merged["date"] = min(context["date"] for context in contexts)
    merged["elapsed_s"] = round(sum(context["elapsed_s"] for context in contexts), 1)
    if "peak_rss_kib" in merged:
        merged["peak_rss_kib"] = max(context.get("peak_rss_kib", 0) for context in contexts)
    merged["command_line"] = _without_shard(contexts[0]["command_line"])
    return merged


def _joined(values):
    """Objects as one, with the members of all: of one member the first that is not null."""
    if not all(isinstance(value, dict) for value in values):
        return values[0]
    keys = dict.fromkeys(key for value in values for key in value)
    joined = {}
    for key in keys:
        given = [value[key] for value in values if value.get(key) is not None]
        joined[key] = _joined(given) if given else None
    return joined


def _without_shard(words):
    kept, skipping = [], False
    for word in words:
        if skipping:
            skipping = False
        elif word == SHARD:
            skipping = True
        elif not word.startswith(SHARD + "="):
            kept.append(word)
    return kept
