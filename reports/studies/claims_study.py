#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Measures what the claims' cases name, on all kernels, and publishes it. tools/study calls this; docs/study has the outcome.

The cells are those that the cases themselves ask for, of a kernel and file system of which there is no result, and EXTRA.
A part is one command line, or a shard of one. Its folder has its name: a part whose result is complete and of this build
is not measured again.
"""

import argparse
import contextlib
import hashlib
import io
import json
import math
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, replace

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # reports/

# pylint: disable=wrong-import-position
import claims  # noqa: E402
import files  # noqa: E402
import inputs  # noqa: E402
import load  # noqa: E402
import report_text  # noqa: E402
import study  # noqa: E402

DATA, HASH, PAGE, CLAIMS, README = "data.tar.xz", "hash", "report.txt", "claims.json", "README.md"
SAMPLES = claims.ENOUGH_SAMPLES
# Of a verdict; the claim's words and rule, its cells and commands are on the page.
KEPT = ("id", "kernel", "fs", "case", "verdict", "word", "scope", "samples", "band", "nearest", "sensitivity", "figures", "reasons",
        "media")
LIMIT = 2_000_000  # bytes of data
MINUTES = 180
# So that all of it takes three hours: contests on these file systems alone; on kernels but the default one all else too, and
# one sample of LONG, whose lives take seconds each.
FEWER_SAMPLES, FEWER_FILE_SYSTEMS = 1, ("ext4", "xfs")
BOOT = 8.0  # seconds of one core, as a plan counts them
CONTESTS = ("dos", "bystander")
TAILS = ("background", "behind_commit")  # go by the longest faults, and not by what pages cost on a medium
LONG = (*CONTESTS, *TAILS, "unrelated", "random_touch")
COUNTS = "C3"  # reads, of other workloads than those, cells with probes as well
SHARD = 300  # seconds that a part may take: what an interruption loses
UNEXPLAINED = ("--outlier", "1000")  # why a sample lies off is not what a study asks, and takes as long again


@dataclass(frozen=True)
class Part:
    """name: of its folder; options: of `faultline run`; cases: [(claim, case)] that its cells are of; shards: how many parts
    the command line is cut into."""

    name: str
    options: tuple
    cases: tuple
    workload: str
    kernel: str

    @property
    def claims(self):
        """The claims that it helps decide, C1 first."""
        return sorted({claim for claim, _ in self.cases})

    def shard(self, index, count):
        """One of so many parts that it is cut into."""
        return replace(self, name=f"{self.name}/{index}of{count}", options=(*self.options, "--shard", f"{index}/{count}"))


class Faultline:
    """The command, and what it says of itself."""

    def __init__(self, path):
        self.path = path
        self.revision = study.revision_of(path)
        self.lists = json.loads(self._say("list", "--json"))

    def _say(self, *words):
        return subprocess.run([self.path, *words], check=True, capture_output=True, text=True).stdout

    def kernels(self):
        """{id: release, or what of one its names say}."""
        found = {}
        for row in self.lists["kernel"]:
            numbers = [name for name in (row["id"], *row["aliases"]) if name[:1].isdigit()]
            found[row["id"]] = row["release"] or (numbers or [row["id"]])[0]
        return found

    def default(self, table):
        """The ids that are measured where nothing is named."""
        return [row["id"] for row in self.lists[table] if row["default"]]

    def size(self, part):
        """(cells, lives, boots, workers, seconds) of a part, boots included."""
        plan = json.loads(self._say("run", "--dry-run", "--json", *part.options))
        return tuple(plan[key] for key in ("cells", "lives", "boots", "workers", "seconds"))

    def measure(self, part, folder, log):
        """The exit code of its run."""
        return subprocess.call([self.path, "run", *part.options, "--out", folder, "--force", "--no-table"], stdout=log,
                               stderr=subprocess.STDOUT)


def extra(default, others):
    """[(file systems, samples, [((claim, case), Spec)])]: what no case of the table asks for, of the default kernel.
    others: file systems that are not measured by default."""
    spec, found = claims.Spec, []
    for deadline in (200, 1000):
        found.append((("ext4", "xfs"), 1, [
            (("C7", f"paced attacker, one CPU, {deadline} ms"),
             spec(strategy, "written", "dos", touch=touch, setting="deterministic", deadline=deadline))
            for strategy in ("map_sync", "sync_retry") for touch in claims.ATTACKS]))
    found.append((("xfs-reflink",), SAMPLES, [
        (("C8", f"touch of its own extent: {touch}"), spec(strategy, "written", "dos", touch=touch, setting="deterministic"))
        for strategy in ("map_sync", "sync_retry", "sync_retry_extent") for touch in ("reflink", "dedupe")]))
    for fs in others:
        if fs not in MADE_OTHERWISE:
            continue
        asked = claims.asked(_context({default: default}), default, fs)
        found.append(((fs,), SAMPLES, [((claim, case), one) for claim, case, specs in asked for one in specs if _plain(one)]))
    return found


# What a maintainer asks of: each is measured as the default cells are, and one fault per tick.
MADE_OTHERWISE = ("ext4-orphan", "ext4-log4m", "ext4-lazytime", "xfs-rmapbt", "xfs-reflink", "xfs-lazytime",
                  "xfs-quota", "ext4-full", "xfs-full")


def _plain(spec):
    return spec.workload in ("first_touch", "paced") and spec.order == "pte" and spec.threads == 1


def _context(kernels):
    return {"accel": "tcg-icount", "time_domain": "virtual", "unit": "instr", "command_line": [], "file_systems": {},
            "kernels": {kernel: {"release": release} for kernel, release in kernels.items()}}


def parts_of(kernels, default, file_systems, others=(), full=False):
    """[Part], those of the default kernel first. kernels: {id: release}; full: no less on the other kernels."""
    context, found = _context(kernels), []
    for kernel in sorted(kernels, key=lambda kernel: kernel != default):
        whole = full or kernel == default
        pairs = [(fs, (claim, case), spec) for fs in file_systems if whole or fs in FEWER_FILE_SYSTEMS
                 for claim, case, specs in claims.asked(context, kernel, fs) for spec in specs
                 if full or fs in FEWER_FILE_SYSTEMS or spec.touch is None]
        found += _parts(context, kernel, pairs, SAMPLES if whole else FEWER_SAMPLES, found)
        for where, samples, asked in extra(default, others) if kernel == default else ():
            found += _parts(context, kernel, [(fs, case, spec) for fs in where for case, spec in asked], samples, found)
    return found


def _parts(context, kernel, pairs, of_long_ones, before):
    cases = {}
    for fs, case, spec in pairs:
        cases.setdefault((kernel, fs, spec), []).append(case)
    wanted = sorted(cases, key=lambda place: claims.spec_order(place[2]))
    names, found = {part.name for part in before}, []
    for group in claims.groups(context, wanted):
        name = _name(kernel, group)
        if name in names:
            name += "-" + "+".join(dict.fromkeys(fs for _, fs, _ in group.members))
        names.add(name)
        # Else the victim alone would be measured with each attack.
        alone = ("--attackers", "1") if group.spec.workload == "dos" and group.spec.attackers else ()
        its = tuple(dict.fromkeys(case for place in group.members for case in cases[place]))
        long = group.spec.workload in LONG
        samples = (group.samples[0], str(of_long_ones if long else SAMPLES))
        if group.spec.workload not in (*CONTESTS, *TAILS):
            samples += group.samples[2:] + (() if COUNTS in dict(its) else ("--probe-seeds", "1"))
        found.append(Part(name, group.options + alone + samples + UNEXPLAINED, its, group.spec.workload, kernel))
    return found


def _name(kernel, group):
    spec = group.spec
    states = dict.fromkeys(member.state for _, _, member in group.members)
    words = [spec.workload, *states, *([spec.order] if spec.order != "pte" else []),
             *([f"t{spec.threads}"] if spec.threads != 1 else []), *([f"w{spec.stores}"] if spec.stores else []),
             *([spec.setting] if spec.setting else []), *([f"f{spec.deadline}"] if spec.deadline else []),
             *(["nobody"] if spec.touch and not spec.attackers else [])]
    return f"{kernel}/{'-'.join(words)}"


def chosen(parts, words):
    """Those that one of the words names: a claim (c7), a kernel, a workload, or a part of the name. All, where there is none."""
    exact = {word for part in parts for word in (part.kernel, part.workload)}

    def named(part, word):
        if re.fullmatch("[cC][1-9]", word):
            return word.upper() in part.claims
        return word in (part.kernel, part.workload) if word in exact else word in part.name
    for word in words:
        if not any(named(part, word) for part in parts):
            raise load.ReportError(f"no part of the study is of {word!r}; `STUDY=list` prints them")
    return [part for part in parts if not words or any(named(part, word) for word in words)]


def cut(parts, size, whole=lambda part: False):
    """[(Part, (cells, lives, boots, workers), seconds)]: parts that take long are cut into shards, unless they are there as a
    whole; those without cells are left out. size: function(Part) -> what Faultline.size returns; whole: function(Part)."""
    found, booted = [], set()
    for part in parts:
        cells, lives, boots, workers, takes = size(part)
        if not cells:
            continue
        guests = part.kernel, part.options[part.options.index("--fs") + 1], part.workload in CONTESTS
        if guests in booted and "--accel" not in part.options:
            takes, boots = takes - boots * BOOT / workers, 0  # their states are saved
        booted.add(guests)
        count = 1 if whole(part) else min(math.ceil(takes / SHARD), cells)
        for index in range(1, count + 1):  # as the command cuts: every Nth cell
            share = len(range(index, cells + 1, count)) / cells
            its = (round(cells * share), round(lives * share), boots, workers)
            found.append((part if count == 1 else part.shard(index, count), its, takes * share))
    return found


def result_of(out, part, revision):
    """The context of a part's result, if it is complete, of that build and of the part's options; else None."""
    context, wanted = study.whole(os.path.join(out, part.name), revision), _figures(part.options)
    return context if context and _figures(context["command_line"][2:])[:len(wanted)] == wanted else None


def _figures(options):
    """Those that a figure depends on."""
    return [word for word, before in zip(options, ("", *options)) if UNEXPLAINED[0] not in (word, before)]


def clock(value):
    """Seconds as h:mm:ss."""
    return f"{int(value) // 3600}:{int(value) // 60 % 60:02}:{int(value) % 60:02}"


def cases_words(cases, most=3):
    """What a part decides, on a line."""
    named = [f"{claim} {case}" for claim, case in cases]
    return "; ".join(named[:most]) + (f"; and {len(named) - most} more" if len(named) > most else "")


def listing(planned, done):
    """The parts with their sizes, and how long they take. done: names."""
    lines = []
    for part, (cells, lives, _, _), takes in planned:
        lines.append(f"{'done' if part.name in done else clock(takes):>7}  {part.name}: {cells} cells, {lives} lives; "
                     f"{cases_words(part.cases)}")
    left = sum(takes for part, _, takes in planned if part.name not in done)
    return lines + [f"{len(planned)} parts, {len(done)} done; about {clock(left)} left"]


def measure_all(command, planned, out, minutes, say=print, now=time.monotonic):
    """Measures what is not done and fits into the minutes; returns (names of parts that failed, parts that are left)."""
    done = {part.name for part, _, _ in planned if result_of(out, part, command.revision)}
    todo = [(part, size, takes) for part, size, takes in planned if part.name not in done]
    begin, failed, left, spent, thought = now(), [], [], 0.0, 0.0
    for index, (part, (cells, lives, _, _), takes) in enumerate(todo):
        pace = spent / thought if thought else 1  # of this machine, as it is loaded now
        rest = sum(one for _, _, one in todo[index:]) * pace
        if now() - begin + takes * pace > minutes * 60:
            left.append(part)
            continue
        say(f"[{len(done) + index + 1}/{len(planned)}] {part.name}: {cells} cells, {lives} lives, about {clock(takes * pace)} "
            f"of {clock(rest)}; decides {cases_words(part.cases)}")
        folder, start = os.path.join(out, part.name), now()
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
            code = command.measure(part, folder, log)
        spent, thought = spent + now() - start, thought + takes
        if not result_of(out, part, command.revision):
            if code == 2:  # interrupted: the user wants to stop, and not the next part
                raise load.ReportError(f"{part.name}: interrupted; the same command goes on from here")
            failed.append(part.name)
            say(f"{part.name}: exit code {code}, no complete result; {os.path.join(folder, 'log')} says why")
    return failed, left


def bare(document):
    """A result without what no verdict, table or comparison of medians reads: the histograms."""
    if isinstance(document, dict):
        return {key: bare(value) for key, value in document.items() if key != "histogram"}
    return [bare(value) for value in document] if isinstance(document, list) else document


def archive(named):
    """{name: bytes} as a tar file whose bytes hang on nothing else."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=9, format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(named):
            about = tarfile.TarInfo(name)
            about.size = len(named[name])
            tar.addfile(about, io.BytesIO(named[name]))
    return buffer.getvalue()


def packed(results, limit=LIMIT):
    """(the archive of {name: bytes of a result}, whether it has its histograms). ReportError when it is still too large."""
    data = archive({f"{name}.json": text for name, text in results.items()})
    if len(data) <= limit:
        return data, True
    data = archive({f"{name}.json": json.dumps(bare(json.loads(text)), separators=(",", ":")).encode()
                    for name, text in results.items()})
    if len(data) > limit:
        raise load.ReportError(f"the data take {len(data)} bytes compressed, more than {limit}: publish fewer parts (STUDY=)")
    return data, False


def joined(domains):
    """The verdicts of results of several time domains: of each case that which is decided, else one that is open though it
    was measured; those of the first domain first."""
    def rank(one):
        return one["verdict"] != claims.NOT_DECIDED, bool(one["figures"]) and not one["missing"]
    found = {}
    for verdicts in domains:
        for one in verdicts:
            key = one["id"], one["case"], one["kernel"], one["fs"]
            if key not in found or rank(one) > rank(found[key]):
                found[key] = one
    order = {claim.id: index for index, claim in enumerate(claims.CLAIMS)}
    return sorted(found.values(), key=lambda one: order[one["id"]])


def publish(planned, out, folder, revision, limit=LIMIT):
    """Writes what is complete to a folder; returns the paths."""
    texts = {}
    for part, _, _ in planned:
        if result_of(out, part, revision) is not None:
            with open(os.path.join(out, part.name, load.RESULT_NAME), "rb") as file:
                texts[part.name] = file.read()
    if not texts:
        raise load.ReportError(f"{out} has no complete part of this build: nothing to publish")
    data, whole = packed(texts, limit)
    return files.write_files(folder, {DATA: data, **_outcome(planned, texts, data, whole)})


def publish_again(planned, folder):
    """Writes anew what follows from the data that a folder has, which stay as they are; returns the paths."""
    with open(os.path.join(folder, DATA), "rb") as file:
        data = file.read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {member.name.removesuffix(".json"): tar.extractfile(member).read() for member in tar.getmembers()}
    order = {_shard(part.name)[0]: index for index, (part, _, _) in enumerate(planned)}
    texts = {name: found[name] for name in sorted(found, key=lambda name: (order.get(_shard(name)[0], len(order)), name))}
    return files.write_files(folder, _outcome(planned, texts, data, b'"histogram"' in b"".join(texts.values())))


def _outcome(planned, texts, data, whole):
    """{name: bytes} of what is published beside the data. texts: {part: its result}."""
    with tempfile.TemporaryDirectory() as where, contextlib.chdir(where):
        # By names that hang on no folder of this machine, for notes have them.
        documents, domains = {}, {}
        for name, text in texts.items():
            documents[name] = json.loads(text)
            domains.setdefault(documents[name]["context"]["time_domain"], []).append(f"{name}.json")
            os.makedirs(os.path.dirname(name), exist_ok=True)
            with open(f"{name}.json", "wb") as file:
                file.write(text)
        merged = [inputs.read(domains[domain]) for domain in sorted(domains)]  # virtual, wall
    judged = [claims.judge(one.result) for one in merged]
    verdicts = joined(judged)
    page = "\n".join(report_text.text(one, its) for one, its in zip(merged, judged))
    digest = hashlib.sha256(data).hexdigest()
    lines = ",\n".join(json.dumps({key: one[key] for key in KEPT}, allow_nan=False) for one in verdicts)
    return {HASH: f"{digest}  {DATA}\n".encode(), PAGE: page.encode("utf-8"), CLAIMS: f"[\n{lines}\n]\n".encode(),
            README: readme(planned, documents, verdicts, digest, whole).encode()}


def _shard(name):
    """(the part that a shard is of, the count of its shards): of a part that is not cut ""."""
    whole, count = re.fullmatch(r"(.*?)(?:/\d+of(\d+))?", name).groups()
    return whole, count or ""


def readme(planned, documents, verdicts, digest, whole):
    """What was measured, from which commit, in which time. documents: {part: its result}."""
    contexts = {name: document["context"] for name, document in documents.items()}
    sizes = {name: len({load.cell_of(row) for row in document["benchmarks"]}) for name, document in documents.items()}
    took = sum(context["elapsed_s"] for context in contexts.values())
    dates = sorted(context["date"][:10] for context in contexts.values())
    revisions = list(dict.fromkeys(context["faultline"]["git_revision"] for context in contexts.values()))
    kernels = {kernel: about["release"] for context in contexts.values() for kernel, about in context["kernels"].items()}
    cases = {_shard(part.name)[0]: part.cases for part, _, _ in planned}
    shards = set(map(_shard, contexts))
    # A part that was cut otherwise when it was measured is there all the same.
    left = [(part, takes) for part, _, takes in planned if part.name not in contexts and (
        _shard(part.name) in shards or _shard(part.name)[0] not in {whole for whole, _ in shards})]
    first = next(iter(kernels))
    text = [
        "# The study", "",
        "What `make study` wrote: the claims' cases over kernels, file systems and axes. Do not edit; run it again.", "",
        f"- commit {', '.join(revisions)}; {dates[0]}" + (f" to {dates[-1]}" if dates[-1] != dates[0] else ""),
        f"- {len(contexts)} of {len(contexts) + len(left)} parts, {sum(sizes.values())} cells, {clock(took)} of measuring on "
        f"{max(context['num_cpus'] for context in contexts.values())} cores; sha256 of `{DATA}`: `{digest}`",
        f"- kernels: {', '.join(f'{kernel} ({release})' for kernel, release in kernels.items())}",
        f"- `{DATA}`: the result file of each part" + ("" if whole else ", without histograms") +
        f"; `{PAGE}`: the report of them; `{CLAIMS}`: the verdicts, one a line", "",
        "`sha256sum -c hash` checks the data. The page with its figures, of virtual time, and of wall time, in which attackers run "
        "at once:", "", "```", f"mkdir study && tar xJf {DATA} -C study",
        "faultline report $(find study -name '*.json' ! -path '*concurrent*') --out page",
        "faultline report $(find study -name '*.json' -path '*concurrent*') --out page-wall", "```", "",
        f"## The claims, on {first}, {' and '.join(FEWER_FILE_SYSTEMS)}", ""]
    usual = [one for one in verdicts if one["kernel"] == first and one["fs"] in FEWER_FILE_SYSTEMS]
    # Elsewhere some cases alone are measured: what was read for one.
    others = [one for one in verdicts if one not in usual and one["read"]]
    text += report_text.claims_table(usual) + ["", "## By case", ""] + report_text.cases_table(usual, kernels.get)
    if others:
        text += ["", "## On other file systems and kernels", "", "Where nothing stands nothing was measured.", ""]
        text += report_text.cases_table(others, kernels.get)
    text += ["", "## Parts", "", "| part | cells | measured in | decides |", "|---|---|---|---|"]
    text += [f"| `{name}` | {sizes[name]} | {clock(context['elapsed_s'])} | {cases_words(cases.get(_shard(name)[0], ()))} |"
             for name, context in contexts.items()]
    if left:
        text += ["", "Not measured yet (`make study` goes on with them):", "",
                 "| part | takes about | decides |", "|---|---|---|"]
        text += [f"| `{part.name}` | {clock(takes)} | {cases_words(part.cases)} |" for part, takes in left]
    return "\n".join(text) + "\n"


def main(arguments=None):
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="study", description=__doc__.splitlines()[0])
    parser.add_argument("faultline")
    parser.add_argument("out", help="the parts' folders")
    parser.add_argument("--publish", metavar="DIR", help="where the outcome is written")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="what does not fit into them is left for the next time")
    parser.add_argument("words", nargs="*", help="claims (c7), kernels, workloads, or parts of a part's name; `list`: print "
                                                 "the parts and measure nothing; `publish`: what there is already; "
                                                 "`again`: the pages, of the data that are published")
    parser.add_argument("--full", action="store_true", help="five seeds of contests and all file systems on every kernel: "
                                                            "six hours")
    options = parser.parse_intermixed_args(arguments)
    command = Faultline(options.faultline)
    words = [word for word in options.words if word not in ("list", "publish", "again")]
    default = command.default("kernel")[0]
    usual = command.default("fs")
    others = [row["id"] for row in command.lists["fs"] if row["id"] not in usual]
    every = parts_of(command.kernels(), default, usual, others, options.full)
    planned = cut(chosen(every, words), command.size, lambda part: result_of(options.out, part, command.revision))
    done = {part.name for part, _, _ in planned if result_of(options.out, part, command.revision)}
    if "list" in options.words:
        print("\n".join(listing(planned, done)))
        return 0
    if "again" in options.words:
        print("\n".join(publish_again(planned, options.publish)))
        return 0
    failed, left = [], []
    if "publish" not in options.words:
        failed, left = measure_all(command, planned, options.out, options.minutes)
    if options.publish:
        print("\n".join(publish(planned, options.out, options.publish, command.revision)))
    if left:
        print(f"{len(left)} parts did not fit into {options.minutes:g} minutes, the first {left[0].name}; the same command goes "
              "on with them")
    return 1 if failed or left else 0


if __name__ == "__main__":
    study.as_program("study", main)
