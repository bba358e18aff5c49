# SPDX-License-Identifier: GPL-2.0-only
"""Questions that people have asked on the lists, each with the run that answers it and one table to paste into a mail."""

from dataclasses import dataclass

import cells
import compare
import infer
import mail
import releases
import stats
import table
from load import ReportError
from table import number


@dataclass(frozen=True)
class Question:
    """What was asked, and how it is answered.

    id, asked: its name, and the question in one line. run: the words after `faultline run` that measure it.
    line: function(row, kernel) -> the label of its line; kernel: what its kernel is called. column: the same, the title of its
    column. value: function(row, twin) -> number or None. unit: what the numbers are, in words. note: what else a reader must
    know, one or two lines.
    where: function(row, id of the twin) -> whether the row is told of: cells without probes, unless the question is of probes.
    """

    id: str
    asked: str
    run: tuple
    line: object
    column: object
    value: object
    unit: str
    note: str
    where: object = lambda row, twin: row["probes"] == twin


def _kernel(_, kernel):
    return kernel


def _cell(row, _=None):
    return f"{row['fs']} {cells.label(row)} {row['state']}"


def _tax(row, twin):
    return stats.tax(row["per_page"], twin["per_page"]) if cells.is_ok(twin) else None


def _per_page(row, _):
    return row["per_page"]


SYNCED = {"pwrite": "fdatasync"}  # what that strategy makes durable by
PROGRAMS = "bpf_cost:"  # what the sets of probes are called that are a program each
PATHS = ("--strategy", "volatile,map_sync,fsync:8", "--state", "hole,written", "--probes", "off")
KERNELS = ("--kernel", "6.1,6.12,7.2,7.3")

QUESTIONS = (
    Question("bpf_cost", "What does a BPF program in the DAX write fault cost? (April 2026)",
             (*KERNELS, "--fs", "ext4,xfs", "--strategy", "map_sync", "--state", "hole,written",
              "--probes", "bpf_cost:*", "--seeds", "1"),
             lambda row, _: row["probes"].removeprefix(PROGRAMS), _kernel, _tax,
             "instructions that one fentry program on iomap_begin() adds to a page",
             "Written blocks, a-b of ext4 and XFS; holes are in the result. empty: the trampoline alone, which struct_ops has too.",
             where=lambda row, _: row["probes"].startswith(PROGRAMS) and row["state"] == "written"),
    Question("iomap", "What did iomap's new iteration cost or save? (7.2 to 7.3)",
             ("--kernel", "7.2,7.3", "--fs", "ext2,ext4,xfs", *PATHS),
             _cell, _kernel, _per_page,
             "instructions a durable page", "By function: run with --observe profile, then `faultline explain`."),
    Question("releases", "What does a kernel release cost?",
             ("--kernel", "all", "--fs", "ext4,xfs", *PATHS),
             _cell, _kernel, _per_page,
             "instructions a durable page", "By function: run with --observe profile, then `faultline explain`."),
    Question("threads", "Does MAP_SYNC destroy scalability? (a database's report of 2022)",
             ("--kernel", "6.1,7.3", "--fs", "ext4,xfs", "--strategy", "map_sync,fsync:8,prealloc",
              "--state", "hole,unwritten,written", "--threads", "1,2,4", "--probes", "off"),
             _cell, lambda row, kernel: f"{kernel} t{row['threads']}",
             _per_page, "instructions a durable page, by threads",
             "One vCPU runs the threads in turn: a figure that grows is work and not waiting for a lock another CPU holds."),
    Question("reflink", "What does a copy-on-write fault cost? And none of a journal?",
             ("--kernel", "6.1,7.3", "--fs", "ext2,ext4-nojournal,ext4,xfs-reflink", "--strategy", "volatile,map_sync",
              "--state", "hole,written,shared", "--probes", "off"),
             lambda row, kernel: f"{kernel} {row['fs']} {cells.label(row)}", lambda row, _: row["state"], _per_page,
             "instructions a durable page", "shared: a block that a reflink copy has too, which the fault copies."),
    Question("dirt", "What does a sync pay for others' dirty inodes, DAX or not? (2025)",
             ("--kernel", "7.3", "--fs", "ext4,ext4-nodax,ext4-fc,xfs,xfs-nodax", "--workload", "unrelated",
              "--strategy", "fsync:1,pwrite:1,map_sync", "--state", "hole", "--dirty-inodes", "0,1000,10000,50000",
              "--probes", "off", "--seeds", "1"),
             lambda row, kernel: f"{kernel} {row['fs']} {SYNCED.get(row['strategy'], cells.label(row))}",
             lambda row, _: f"{row['dirty_inodes']} dirty", _per_page,
             "instructions until 8 bytes into a hole are durable",
             "-nodax: the page cache. fdatasync: behind a pwrite(). Of the others' inodes time stamps alone are dirty."),
    Question("tail", "Beside a normal load, how long does one store in 1000 take? (2017)",
             ("--kernel", "6.1,7.3", "--fs-row", "docs/answers/ext4-log1g.json", "--fs", "ext4,ext4-log1g,xfs", "--pmem", "4096",
              "--workload", "background", "--strategy", "map_sync,fsync:1,prealloc", "--state", "hole,written",
              "--probes", "off", "--seeds", "2"),
             _cell, _kernel, lambda row, _: row.get("durable") and row["durable"]["p99_9"],
             "instructions that one durable store in 1000 outlasts",
             "Beside it a file of 64 KiB comes and one goes each 10 ms. ext4-log1g: a journal of 1 GiB. One CPU."),
)
IDS = tuple(question.id for question in QUESTIONS)


def of(name):
    """The Question of this id. ReportError names those that there are."""
    found = next((question for question in QUESTIONS if question.id == name), None)
    if found is None:
        raise ReportError(f"no question {name!r}; there are {', '.join(IDS)}")
    return found


def titles(result):
    """{id of a kernel: what a table calls it}, by version: 6.1 where no other of the result is of that series."""
    ids = compare.kernels_of(result)
    labels = [releases.label(name, about.get("release") or name, about.get("package"))
              for name in ids for about in [result.context["kernels"].get(name, {})]]
    return dict(zip(ids, releases.titles(labels)))


def build(question, result):
    """The answer as data that JSON can hold: {id, asked, unit, seeds: [fewest, most of a cell], spread_percent: how far
    apart a cell's seeds are at most, columns, lines: [{line, values: [[low, high] or None]}], failed}. A cell's value is the
    median of its seeds', each with the twin of that seed; a place that several cells meet has their lowest and their
    highest."""
    found, columns, failed, seeds, spreads, kernels = {}, [], [], [], [], titles(result)
    twins = {(row["cell"], row["seed"]): row for samples in result.samples.values() for row in samples
             if row["probes"] == result.words.twin}
    for name, samples in sorted(result.samples.items(), key=lambda item: list(kernels).index(item[1][0]["kernel"])):
        row = samples[0]
        if not question.where(row, result.words.twin):
            continue
        bad = next((sample for sample in samples if not cells.is_ok(sample)), None)
        if bad is not None:
            failed.append({"cell": name, "status": bad["status"], "reason": bad["reason"]})
            continue
        values = [question.value(sample, twins.get((sample["cell"], sample["seed"]))) for sample in samples]
        if None in values:
            continue
        column = question.column(row, kernels[row["kernel"]])
        columns += [column] * (column not in columns)
        median = infer.median(values)
        found.setdefault(question.line(row, kernels[row["kernel"]]), {}).setdefault(column, []).append(median)
        seeds.append(len(values))
        spreads.append(infer.spread(values))
    if not found:
        raise ReportError(f"nothing in {result.path} answers {question.id}: measure it with `faultline run "
                          f"{' '.join(question.run)}`")
    lines = [{"line": line, "values": [[min(of_line[column]), max(of_line[column])] if column in of_line else None
                                       for column in columns]} for line, of_line in found.items()]
    return {"id": question.id, "asked": question.asked, "unit": question.unit, "seeds": [min(seeds), max(seeds)],
            "spread_percent": max(spreads), "columns": columns, "lines": lines, "failed": failed}


def text(question, result):
    """At most 25 lines of 72 columns."""
    data = build(question, result)
    columns = [("", lambda line: line["line"])]
    for index, title in enumerate(data["columns"]):
        columns.append((title, lambda line, index=index: _shown(line["values"][index])))
    reasons = {}
    for entry in data["failed"]:
        reasons.setdefault((entry["status"], entry["reason"].split(": ")[-1]), []).append(entry["cell"])
    told = {skipped: [line for (status, reason), names in reasons.items() if (status == "skipped") == skipped
                      for line in mail.wrap(f"{len(names)} {status}: {reason}")[:2]] for skipped in (False, True)}
    unit = f"{question.unit}; " + ("1 seed, no interval" if data["seeds"][-1] == 1 else
                                   f"median {mail.samples(data['seeds'], 'seeds', data['spread_percent'])}")
    return mail.of_answer(question, unit, result, data["lines"],
                          lambda lines: table.grid(columns, lines, ("",), mail.WIDTH), told[False], told[True])


def _shown(pair):
    if pair is None:
        return "-"
    low, high = map(number, pair)
    return low if low == high else f"{low}-{high}"
