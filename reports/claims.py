# SPDX-License-Identifier: GPL-2.0-only
"""The claims of the mail of 19 June 2017 and its thread, each decided by figures of a result: one row of CLAIMS each.

A row's `judge` asks a View for figures by the cells that hold them, and answers with a verdict or None; what it asked
for and did not get is what must be measured. docs/report.md says why the rules are what they are.
"""

import shlex
from dataclasses import dataclass, field, replace

import cells
import infer
import load
import stats
import table

SUPPORTED, CONTRADICTED, NOT_DECIDED = "supported", "contradicted", "not decided"
VERDICTS = (SUPPORTED, CONTRADICTED, NOT_DECIDED)

BETWEEN = "the figures lie between the limits of the rule"
# The limits of the rules. Between `twice` and `a tenth more` nobody need agree what a word like "substantial" means.
MUCH = 2.0
LITTLE = 1.1
ALWAYS, NEVER = 0.9, 0.1  # shares of faults
WHEN_NECESSARY = 64  # K of an application that syncs when it must: the claim's own words give none
SWEEP = (1, 8, 64, 512)
MANY_RETRIES, FEW_RETRIES = 10, 3  # of one fault
ATTACKS = ("utimens", "append", "truncate")  # least kinds of touch before "nobody can" is said
UNRELATED = "unrelated"  # the workload
DIRTY = (0, 100, 1000, 10000, 50000)
TENS_OF_THOUSANDS = 10000
HUGE = 10.0
BLOCKS_TO_MAP = ("hole", "unwritten")  # states whose faults change the block map


# What the mails speak of, in the order of a reader.
STRATEGIES = ("volatile", "fsync", "map_sync", "sync_fault", "sync_retry", "sync_retry_extent", "daxfile")
STATES = ("hole", "unwritten", "written")


@dataclass(frozen=True)
class Spec:
    """What tells a cell from others of a kernel and file system. attackers: 0, or 1 for any number above 0."""

    strategy: str
    state: str = "written"
    workload: str = "first_touch"
    k: object = None
    touch: str = None
    attackers: int = 1
    unrelated: int = 0

    @property
    def label(self):
        """In words, for the name of a figure."""
        strategy = self.strategy if self.k is None else f"{self.strategy}:{self.k}"
        return ", ".join([strategy, self.state, *([self.workload] if self.workload != "first_touch" else []),
                          *([self.touch] if self.touch else []),
                          *([f"{self.unrelated} unrelated dirty inodes"] if self.unrelated else [])])


@dataclass
class Measured:
    """A figure that decides. values: {sample_key: number}; cells: the rows it is read from."""

    name: str
    unit: str
    values: dict
    cells: list

    @property
    def value(self):
        """The median of the samples."""
        return infer.median(list(self.values.values()))

    def data(self):
        """As JSON holds it."""
        numbers = list(self.values.values())
        return {"name": self.name, "value": self.value, "unit": self.unit, "low": min(numbers), "high": max(numbers),
                "samples": len(numbers), "cells": self.cells}


def ratio(name, a, b, unit="times"):
    """a over b as a Measured: sample by sample where they have samples in common, else of the medians. None when
    either is None or b is 0."""
    if a is None or b is None:
        return None
    common = [key for key in a.values if b.values.get(key)]
    if common:
        values = {key: a.values[key] / b.values[key] for key in common}
    elif b.value:
        values = {(0, 0): a.value / b.value}
    else:
        return None
    return Measured(name, unit, values, a.cells + b.cells)


@dataclass
class View:
    """The cells of one kernel and file system, as a judge sees them. missing: Specs it asked for in vain; reasons: why,
    where the cell is there but is not ok."""

    result: object
    kernel: str
    fs: str
    rows: dict  # {(Spec, probes): [[row]]}: the samples of each cell that the Spec names
    missing: list = field(default_factory=list)
    reasons: list = field(default_factory=list)

    @property
    def unit(self):
        """The result's unit."""
        return self.result.context["unit"]

    @property
    def virtual(self):
        """Whether figures are counts of instructions."""
        return self.result.context["time_domain"] == "virtual"

    def find(self, spec, probes="off", needed=True):
        """[[row, ...]]: the samples of each cell that the Spec names, if all are ok; [] if there is none."""
        found = self.rows.get((spec, probes), [])
        good = [rows for rows in found if all(row["status"] == "ok" for row in rows)]
        if not good and needed and spec not in self.missing:
            self.missing.append(spec)
            self.reasons += [row["reason"] for rows in found for row in rows
                             if row["status"] != "ok" and row["reason"] not in self.reasons]
        return good

    def figure(self, spec, function, what, unit, probes="off", needed=True):
        """function(row) of the Spec's cell as a Measured; None when it is missing, or the function says None."""
        found = self.find(spec, probes, needed)
        if not found:
            return None
        values = {load.sample_key(row): function(row) for row in found[0]}
        if any(value is None for value in values.values()):
            if needed and spec not in self.missing:
                self.missing.append(spec)
            return None
        return Measured(f"{spec.label}: {what}", unit, values, [found[0][0]["name"]])

    def cost(self, spec, needed=True, key="per_page"):
        """per_page (per_fault) without probes."""
        return self.figure(spec, lambda row: row[key], key.replace("_", " "), self.unit, needed=needed)

    def share(self, spec, key, what, needed=True):
        """A count of the probed row over its faults."""
        return self.figure(spec, lambda row: stats.ratio(row[key], row["faults"]), what, "of faults", "on", needed)


@dataclass(frozen=True)
class Claim:
    """id; text: what is claimed; source: who said so; rule: how it is decided, in words; judge: function(View, case) ->
    (verdict or None, [Measured]); cases: what is judged apart (states), or one empty name."""

    id: str
    text: str
    source: str
    rule: str
    judge: object
    cases: tuple = ("",)


def _between(value, much, little):
    """SUPPORTED from `much` on, CONTRADICTED up to `little`, None between."""
    return SUPPORTED if value >= much else CONTRADICTED if value <= little else None


def _burns(view, _):
    if not view.virtual:
        view.reasons.append("wall time does not tell a CPU that works from one that waits: measure in virtual time")
        return None, []
    figures, factors = [], []
    for state in BLOCKS_TO_MAP:
        synced = view.cost(Spec("map_sync", state), key="per_fault")
        factor = ratio(f"{state}: the fault with its sync over the same fault without", synced,
                       view.cost(Spec("volatile", state), key="per_fault"))
        figures += [synced, factor] if state == "hole" else [factor]
        factors.append(factor)
    if None in factors:
        return None, figures
    flush = view.figure(Spec("map_sync", "hole"), _share_of_device, "share that is the device's flush", "of fault",
                        "phases", needed=False)
    values = [factor.value for factor in factors]
    return _between(min(values), MUCH, 0) or _between(max(values), MUCH * 1e9, LITTLE), figures + [flush]


def _share_of_device(row):
    return stats.ratio(sum(phase["mean"] for phase in row["phases"] or () if phase["id"] == "flush"), row["per_fault"])


def _sync_always(view, _):
    paced, hole = Spec("sync_fault", workload="paced"), Spec("sync_fault", "hole")
    each = view.cost(paced)
    to_map_sync = ratio("one fault per tick, written: sync_fault over map_sync", each,
                        view.cost(Spec("map_sync", workload="paced")))
    to_fsync = ratio(f"holes: sync_fault over fsync:{WHEN_NECESSARY}", view.cost(hole),
                     view.cost(Spec("fsync", "hole", k=WHEN_NECESSARY)))
    tight = ratio("tight loop, written: sync_fault over map_sync", view.cost(Spec("sync_fault"), needed=False),
                  view.cost(Spec("map_sync"), needed=False))
    figures = [each, to_map_sync, to_fsync, tight]
    if to_map_sync is None or to_fsync is None:
        return None, figures
    values = to_map_sync.value, to_fsync.value
    return _between(min(values), MUCH, 0) or _between(max(values), MUCH * 1e9, LITTLE), figures


def _always_dirty(view, _):
    spec = Spec("map_sync", workload="paced")
    moved = view.share(spec, "mtime_changes", "mtime moved")
    found = view.share(spec, "syncs", "found something to sync")
    price = ratio("one fault per tick: map_sync over daxfile, which leaves mtime alone", view.cost(spec, needed=False),
                  view.cost(Spec("daxfile", workload="paced"), needed=False))
    figures = [moved, found, price]
    if moved is None or found is None:
        return None, figures
    if moved.value < ALWAYS:
        return CONTRADICTED if moved.value <= NEVER else None, figures
    return _between(found.value, ALWAYS, NEVER), figures


def crossing(costs, level):
    """The K from which on a sync every K writes costs less than `level`: {K: cost}, a straight line in 1/K between two.
    0 when it does at the least K, None when at none."""
    ks = sorted(costs)
    below = next((k for k in ks if costs[k] < level), None)
    if below is None:
        return None
    index = ks.index(below)
    if index == 0:
        return 0
    above = ks[index - 1]
    share = (costs[above] - level) / (costs[above] - costs[below])
    return 1 / (1 / above + share * (1 / below - 1 / above))


def _crossing(view, name, level, state):
    curve = {k: view.cost(Spec("fsync", state, k=k)) for k in SWEEP}
    if level is None or None in curve.values():
        return None
    used = level.cells + [name for one in curve.values() for name in one.cells]
    at = crossing({k: one.value for k, one in curve.items()}, level.value)
    if at is None:
        return Measured(f"{name}: fsync:K costs no less, up to the largest K", "K", {(0, 0): SWEEP[-1]}, used)
    return Measured(f"{name}: fsync:K costs less from this K on", "K", {(0, 0): max(at, 1)}, used)


def _clean_api(view, state):
    level = view.cost(Spec("map_sync", state))
    curve = {k: view.cost(Spec("fsync", state, k=k)) for k in SWEEP}
    beyond = ratio(f"map_sync over fsync:{WHEN_NECESSARY}", level, curve[WHEN_NECESSARY])
    other = view.cost(Spec("sync_fault", state), needed=False)
    figures = [level, beyond, _crossing(view, "map_sync", level, state),
               _crossing(view, "sync_fault", other, state) if other else None]
    if level is None or None in curve.values():
        return None, figures
    if beyond.value >= MUCH:
        return SUPPORTED, figures
    # The slowest it ever is, against any K.
    worst = max(level.value / one.value for one in curve.values())
    return CONTRADICTED if worst <= LITTLE else None, figures


def _flag_frees(view, _):
    spec = Spec("daxfile", workload="paced")
    moved = view.share(spec, "mtime_changes", "mtime moved")
    synced = view.share(spec, "syncs", "synced")
    floor = ratio("written, tight loop: daxfile over volatile", view.cost(Spec("daxfile")),
                  view.cost(Spec("volatile")))
    hole = ratio("map_sync on holes over daxfile", view.cost(Spec("map_sync", "hole")), view.cost(Spec("daxfile")))
    figures = [moved, synced, floor, hole]
    if None in figures:
        return None, figures
    shares = moved.value, synced.value
    if max(shares) <= NEVER and floor.value <= LITTLE:
        return SUPPORTED, figures
    return (CONTRADICTED if max(shares) >= ALWAYS else None), figures


BYSTANDER = ("mmap", "anon", "read_fault", "other_file", "resize")  # freeze: takes longer than a run under any strategy
NEEDS_THE_LOCK = "mmap"


def _others_lose(view, _):
    factors = {}
    for touch in BYSTANDER:
        needed = touch == NEEDS_THE_LOCK
        with_sync, without = (view.figure(Spec(strategy, "hole", "bystander", touch=touch), lambda row: row["slowdown"],
                                          "worst slowdown of the bystander", "times", needed=needed)
                              for strategy in ("map_sync", "volatile"))
        factor = ratio(f"{touch}: the bystander's slowdown beside map_sync over that beside volatile", with_sync, without)
        if factor:
            factors[touch] = factor
    longest = [view.figure(Spec(strategy, "hole", "bystander", touch=NEEDS_THE_LOCK), lambda row: row["progress_max"],
                           "longest touch", view.unit, needed=strategy != "sync_retry")
               for strategy in ("volatile", "map_sync", "sync_retry")]
    worst = max(factors.values(), key=lambda one: one.value, default=None)
    figures = [factors.get(NEEDS_THE_LOCK), *([worst] if worst is not factors.get(NEEDS_THE_LOCK) else []), *longest]
    if NEEDS_THE_LOCK not in factors:
        return None, figures
    return _between(worst.value, MUCH, LITTLE), figures


def _contests(view, strategy, touch, needed=True):
    """{what must be the same to compare two contests: samples} of dos."""
    found = {}
    for state in ("written", "hole"):
        for rows in view.find(Spec(strategy, state, "dos", touch=touch), needed=needed and state == "written"):
            row = rows[0]
            if not cells.is_refused(row):
                found[touch, state, row["attackers"], row["setting"]] = rows
    return found


def _attacks(view, strategy, needed):
    found = {}
    touches = {spec.touch for spec, _ in view.rows if spec.workload == "dos" and spec.attackers}
    for touch in dict.fromkeys([*needed, *sorted(touches)]):
        found.update(_contests(view, strategy, touch, touch in needed))
    return found


def _count(rows, function):
    return max(function(row) for row in rows)


def _starved(row):
    return row["starved"]["n"]


def _retries(row):
    return row["retries_max"] or 0


def _of_contest(key, rows, function, what, unit):
    touch, state, attackers, _ = key
    return Measured(f"{rows[0]['strategy']}, {touch} by {attackers}, {state}: {what}", unit,
                    {load.sample_key(row): function(row) for row in rows}, [rows[0]["name"]])


def _share_starved(row):
    return stats.ratio(row["starved"]["n"], row["starved"]["of"])


def _can_be_starved(view, _):
    attacked = _attacks(view, "sync_retry", ATTACKS)
    steady = _attacks(view, "map_sync", ())
    alone = {key: rows for key, rows in attacked.items() if key in steady and _count(rows, _starved)
             and not _count(steady[key], _starved)}
    figures = []
    worst = max(alone or attacked, key=lambda key: (_count(attacked[key], _starved), _count(attacked[key], _retries)),
                default=None)
    if worst is not None:
        figures = [_of_contest(worst, attacked[worst], _share_starved, "runs in which a fault starved", "of runs"),
                   _of_contest(worst, attacked[worst], _retries, "most retries of one fault", "retries")]
        if worst in steady:
            figures.append(_of_contest(worst, steady[worst], _share_starved, "runs in which a fault starved",
                                       "of runs"))
    if alone:
        view.missing.clear()
        return SUPPORTED, figures
    for touch in ATTACKS:
        view.find(Spec("map_sync", "written", "dos", touch=touch))
    if view.missing:
        return None, figures
    most = max(_count(rows, _retries) for rows in attacked.values())
    return CONTRADICTED if most <= FEW_RETRIES else None, figures


def _extent_is_safe(view, _):
    attacked = _attacks(view, "sync_retry", ATTACKS)
    works = {key for key, rows in attacked.items() if _count(rows, _retries) >= MANY_RETRIES}
    same = {key: rows for key, rows in _attacks(view, "sync_retry_extent", ATTACKS).items() if key in works}
    steady = _attacks(view, "map_sync", ())
    figures = []
    worst = max(same, key=lambda key: (_count(same[key], _retries), _count(same[key], _starved)), default=None)
    if worst is not None:
        figures = [_of_contest(worst, same[worst], _retries, "most retries of one fault", "retries"),
                   _of_contest(worst, attacked[worst], _retries, "most retries of one fault", "retries"),
                   Measured("sync_retry_extent: runs in which a fault starved, all attacks that work", "runs",
                            {(0, 0): sum(_count(rows, _starved) for rows in same.values())},
                            [rows[0]["name"] for rows in same.values()])]
    if not same:
        if attacked and not view.missing and not works:
            view.reasons.append(f"no attack here made sync_retry retry one fault {MANY_RETRIES} times, so that there is "
                                "none to be safe from")
        return None, figures
    for key, rows in same.items():
        own = _count(rows, _starved) and key in steady and not _count(steady[key], _starved)
        if own or _count(rows, _retries) >= MANY_RETRIES:
            view.missing.clear()
            return CONTRADICTED, figures
    if view.missing:
        return None, figures
    safe = all(_count(rows, _retries) <= FEW_RETRIES for rows in same.values())
    return (SUPPORTED if safe else None), figures


def _unrelated(view, _):
    found = {}
    for count in DIRTY:
        spec = Spec("map_sync", "hole", UNRELATED, unrelated=count)
        for key, what in (("max", "longest fault"), ("p50", "median fault")):
            found[count, key] = view.figure(spec, lambda row, q=key: row[q], what, view.unit, "on")
    most = max((count for count in DIRTY if found[count, "max"]), default=0)
    growth = ratio(f"longest fault with {most} over that with none", found[most, "max"], found[0, "max"])
    spread = ratio(f"longest over median, with {most}", found[most, "max"], found[most, "p50"])
    figures = [found[0, "max"], found[most, "max"] if most else None, growth if most else None, spread]
    if most < TENS_OF_THOUSANDS or growth is None:
        return None, figures
    view.missing.clear()
    return _between(growth.value, HUGE, MUCH), figures


MAIL, REPLY, NEXT_DAY = "Chinner, 19 June 2017", "the reply", "Chinner, 20 June 2017"
CLAIMS = (
    Claim("C1", "Syncing metadata burns much CPU, even when the medium is memory-fast", MAIL,
          f"Instructions per fault, map_sync over volatile in the same state, where the fault must sync (hole, "
          f"unwritten). Supported: at least {MUCH:g} times in both. Contradicted: at most {LITTLE:g} times in both.", _burns),
    Claim("C2", "A sync on every write fault is a serious performance problem", MAIL,
          f"Cost of a page where each fault has something to sync: one fault per clock tick on written blocks, over "
          f"map_sync, which syncs there only what the data depends on; and holes, over fsync:{WHEN_NECESSARY}. "
          f"Supported: at least {MUCH:g} times in both. Contradicted: at most {LITTLE:g} times in both.", _sync_always),
    Claim("C3", "Every write fault modifies mtime, so there is always dirty metadata to sync", MAIL,
          "One fault per clock tick on written blocks, the pace most in favour of the claim: the kernel moves mtime at "
          f"most once a tick. Supported: at least {ALWAYS:.0%} of the faults move mtime, and at least {ALWAYS:.0%} of map_sync's "
          f"find something to sync. Contradicted: at most {NEVER:.0%} do either.", _always_dirty),
    Claim("C4", "A sync in the fault is substantially slower than dirty tracking and fsync when needed", MAIL,
          f"Cost of a durable page, by state. Supported: map_sync at least {MUCH:g} times fsync:{WHEN_NECESSARY}. "
          f"Contradicted: at most {LITTLE:g} times fsync:K at every K of {', '.join(map(str, SWEEP))}. The K from which on "
          "fsync costs less is interpolated in 1/K.", _clean_api, STATES),
    Claim("C5", "Preallocating and setting a flag makes the fault path free of metadata", MAIL,
          f"daxfile, one fault per clock tick. Supported: at most {NEVER:.0%} of its faults move mtime or sync, and in a "
          f"tight loop it costs at most {LITTLE:g} times volatile on written blocks. Contradicted: at least {ALWAYS:.0%} of "
          "its faults move mtime, or sync.", _flag_frees),
    Claim("C6", "Sync operations in page-fault context have problems of their own", MAIL,
          "What another thread loses beside map_sync faults on holes: its worst slowdown over that beside volatile "
          f"faults. Supported: at least {MUCH:g} times with any kind of touch. Contradicted: at most {LITTLE:g} times with all "
          "measured, mmap among them.", _others_lose),
    Claim("C7", "A fault that is retried can be denied service by touching the file from another process", MAIL,
          "sync_retry under attack. Supported: in some run a fault starved (it outlasted its deadline), where under "
          "the same attack none of map_sync's did. Contradicted: under "
          f"{', '.join(ATTACKS[:-1])} and {ATTACKS[-1]}, at least, none starved so and no fault was retried more than {FEW_RETRIES} "
          "times.", _can_be_starved),
    Claim("C8", "There is no denial of service if the fault retries only when the extent touched is dirty", REPLY,
          f"sync_retry_extent under the attacks that make sync_retry retry one fault {MANY_RETRIES} times or more. Supported: "
          f"no fault was retried more than {FEW_RETRIES} times, none starved unless map_sync's did too. Contradicted: a fault "
          f"was retried {MANY_RETRIES} times or more, or starved where map_sync's did not.", _extent_is_safe),
    Claim("C9", "MAP_SYNC faults have huge, unpredictable latencies: a fault must sync tens of thousands of unrelated "
          "dirty objects", NEXT_DAY,
          f"Longest map_sync fault on holes with unrelated dirty inodes ({TENS_OF_THOUSANDS} or more) over that with none. "
          f"Supported: at least {HUGE:g} times. Contradicted: at most {MUCH:g} times.", _unrelated),
)


def judge(result):
    """[verdict], one per claim, case, kernel and file system of a Result, in that order: {id, claim, source, rule,
    kernel, fs, case, verdict, figures, cells, missing, reasons, commands}, as JSON holds it."""
    views = [View(result, kernel, fs, rows) for (kernel, fs), rows in _places(result).items()]
    found = []
    for claim in CLAIMS:
        for case in claim.cases:
            found += [_verdict(claim, case, view) for view in views]
    return found


def _verdict(claim, case, view):
    view.missing, view.reasons = [], []
    verdict, figures = claim.judge(view, case)
    figures = [figure.data() for figure in figures if figure is not None]
    wanted = view.missing if verdict is None else []
    if verdict is None and not wanted and not view.reasons:
        view.reasons.append(BETWEEN)
    return {"id": claim.id, "claim": claim.text, "source": claim.source, "rule": claim.rule, "kernel": view.kernel,
            "fs": view.fs, "case": case, "verdict": verdict or NOT_DECIDED, "figures": figures,
            "cells": list(dict.fromkeys(name for figure in figures for name in figure["cells"])),
            "missing": [_name(view, spec) for spec in wanted],
            "reasons": view.reasons if verdict is None else [],
            "commands": commands(view.result.context, [(view.kernel, view.fs, spec) for spec in wanted],
                                 f"more/{claim.id}"),
            "specs": [(view.kernel, view.fs, spec) for spec in wanted]}


def public(verdicts):
    """The verdicts as JSON holds them."""
    return [{key: value for key, value in one.items() if key != "specs"} for one in verdicts]


def to_decide(context, verdicts, out):
    """The fewest commands that measure what these verdicts lack."""
    wanted = list(dict.fromkeys(spec for one in verdicts for spec in one["specs"]))
    wanted.sort(key=lambda place: spec_order(place[2]))
    return commands(context, wanted, out)


def spec_order(spec):
    """A sort key of Specs, so that cells asked for by two claims stand in one order."""
    return (spec.workload, STRATEGIES.index(spec.strategy), spec.k or 0, STATES.index(spec.state), spec.touch or "",
            spec.unrelated)


def words(figure):
    """A figure (as in a verdict) with its unit, in words."""
    def one(value):
        if figure["unit"].startswith("of "):
            return f"{value * 100:.3g} %"
        if figure["unit"] in ("times", "K"):
            return f"{value:.3g}"
        return table.number(value)
    text = f"{one(figure['value'])} {figure['unit']}"
    if figure["low"] != figure["high"]:
        text += f" ({one(figure['low'])} to {one(figure['high'])} in {figure['samples']} samples)"
    return text


def _name(view, spec):
    strategy = spec.strategy if spec.k is None else f"{spec.strategy}:{spec.k}"
    touch = [spec.touch] if spec.touch else []
    return "/".join([view.kernel, view.fs, strategy, spec.workload, spec.state, "pte", "t1",
                     *([f"d{spec.unrelated}"] if spec.unrelated else []), *touch])


def _places(result):
    """{(kernel, fs): {(Spec, probes): [[row]]}} of file systems that are mounted with DAX; kernels by version."""
    places = {}
    for name, rows in result.samples.items():
        row = result.rows[name]
        place = places.setdefault((row["kernel"], row["fs"]), {})
        if row["order"] != "pte" or row["threads"] != 1:
            continue
        spec = Spec(row["strategy"], row["state"], row["workload"], row["writes_per_sync"], row.get("touch"),
                    min(row.get("attackers") or 0, 1) if row.get("touch") else 1, load.unrelated(row))
        place.setdefault((spec, row["probes"]), []).append(rows)
    dax = {key for key in places if any(row["dax"] is not False for row in result.rows.values()
                                        if (row["kernel"], row["fs"]) == key and row["status"] == "ok")
           or not any(row["status"] == "ok" for row in result.rows.values() if (row["kernel"], row["fs"]) == key)}
    return {key: places[key] for key in sorted(places, key=lambda key: result.words.kernel_rank(key[0])) if key in dax}


def overall(verdicts):
    """What is said of one claim as a whole: the one verdict of all (of those that are decided, if any is), or "mixed"."""
    decided = {one["verdict"] for one in verdicts} - {NOT_DECIDED}
    return decided.pop() if len(decided) == 1 else "mixed" if decided else NOT_DECIDED


def commands(context, wanted, out):
    """Command lines that measure the cells of [(kernel, fs, Spec)], as few as stand for exactly these."""
    lists = {}
    for kernel, fs, spec in wanted:
        asks = lists.setdefault((kernel, fs), {}).setdefault(
            (spec.workload, _states(spec, {other for *place, other in wanted if place == [kernel, fs]})), {})
        strategy = spec.strategy if spec.k is None else f"{spec.strategy}:{spec.k}"
        for option, value in (("--strategy", strategy), ("--touch", spec.touch),
                              ("--dirty-inodes", spec.unrelated if spec.workload == UNRELATED else None)):
            if value is not None:
                asks.setdefault(option, []).append(str(value))
    alike = {}
    for (kernel, fs), groups in lists.items():
        key = tuple((what, tuple((option, tuple(dict.fromkeys(values))) for option, values in asks.items()))
                    for what, asks in groups.items())
        for group in key:
            alike.setdefault((kernel, group), []).append(fs)
    merged = {}
    for (kernel, group), file_systems in alike.items():
        merged.setdefault((group, tuple(dict.fromkeys(file_systems))), []).append(kernel)
    lines = []
    for (((workload, states), asks), file_systems), kernels in merged.items():
        words = ["faultline", "run", *where(context, kernels), "--fs", ",".join(file_systems),
                 "--workload", workload, "--state", ",".join(states)]
        for option, values in asks:
            words += [option, ",".join(values)]
        number = f"-{len(lines) + 1}" if len(merged) > 1 else ""
        lines.append(shlex.join([*words, "--out", f"{out}{number}"]))
    return lines


def _states(spec, wanted):
    """The states of the wanted Specs that differ from this one by their state alone."""
    return tuple(state for state in STATES if replace(spec, state=state) in wanted)


def where(context, kernels):
    """The options that say where cells are measured."""
    if context.get("on") == "host":
        given = context["command_line"]
        folder = given[given.index("--dir") + 1] if "--dir" in given[:-1] else "DIR"
        return ["--on", "host", "--dir", folder]
    accel = [] if context["accel"] == "tcg-icount" else ["--accel", context["accel"]]
    given = context["command_line"]
    modules = given[given.index("--modules") + 1:][:1] if "--modules" in given else []
    if modules and "--kernel" in given[:-1]:
        return ["--kernel", given[given.index("--kernel") + 1], "--modules", modules[0], *accel]
    return ["--kernel", ",".join(kernels), *accel]
