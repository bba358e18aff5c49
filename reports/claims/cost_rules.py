# SPDX-License-Identifier: GPL-2.0-only
"""Rules on what faults and pages cost: C1 to C5 and C9. Each is a function(View, ...) -> Ruling."""

from dataclasses import replace

import medium
import stats

from .spec import (DEPENDS, FAILS, HOLDS, HUGE, SHARE, THRESHOLD, TICK, TIMES, Deciding, Measured, Ruling, Spec, controlled, difference,
                   large, ratio, small, total, undecided)

WHEN_NECESSARY = 64  # K of an application that syncs when it must: the claim's own words give none
SWEEP = (1, 8, 64, 512)  # the K that must be measured; others count as well
AGAIN = (8, 64)  # the same, where pages are stored to several times
OFTEN = 8  # from this K on a sync is not one for each write
DIRTY = 10000  # "tens of thousands"
TAIL = 10000  # faults, for a p99.9 that ten of them lie above


def sync_is_long(view, at):
    """C1: the sync alone against a fault that has nothing to sync, of the same size and pattern: that fault with the sync added
    over the same without. What the fault on the synced block itself takes, as clearing 2 MiB, is no part of a sync."""
    if not view.virtual:
        view.reasons.append("wall time does not tell a CPU that works from one that waits: measure in virtual time")
        return undecided([])

    def fault(strategy, state=at.state):
        return view.cost(replace(at, strategy=strategy, state=state), key="per_fault")
    synced, plain, clean = fault("map_sync"), fault("volatile"), fault("map_sync", "written")
    alone = difference("the sync alone", synced, plain)
    factor = ratio("a fault with nothing to sync, written, with that sync added over the same without", total(
        "", clean, alone), clean)
    share = ratio("the fault with its sync over the same fault without; decides nothing", synced, plain)
    figures = [figure for figure in (alone, factor, share) if figure]
    return undecided(figures) if factor is None else large(figures, Deciding(factor, TIMES))


def cpu_or_medium(view):
    """C1's other half: whether that is the CPU rather than the medium. The sync's instructions over the price of the lines
    that it writes, on each medium whose price is known, for the range of that price."""
    if not view.virtual:
        view.reasons.append("wall time on this machine is of its memory, not of persistent memory, and does not tell working "
                            "from waiting")
        return undecided([])
    synced, plain = Spec("map_sync", "hole"), Spec("volatile", "hole")
    instructions = difference("the sync alone", *(
        view.figure(spec, lambda row: row["per_fault"], "per fault", view.unit) for spec in (synced, plain)))
    written = difference("lines that the sync writes", *(view.lines(spec, "per_fault") for spec in (synced, plain)))
    even = ratio("price of a line at which the medium takes as long as the CPU", instructions, written, "instr")
    figures = [figure for figure in (instructions, written, even) if figure]
    if even is None:
        view.reasons.append("what a sync stores to the medium was not observed: `--observe vector`")
        return undecided(figures)
    prices = medium.Cpu().prices(medium.load_media())
    unknown = [name for name, price in prices.items() if price is None]
    shares = {}
    for name, price in prices.items():
        if price is not None:
            shares[name] = Measured(f"{medium.DOMAIN}: CPU over medium, {name}", "times", even.values, even.cells,
                                    (even.low / max(price), even.high / min(price)))
    deciding = [Deciding(figure, TIMES) for figure in shares.values()]

    def word(threshold):
        if all(one.much(threshold) for one in deciding):
            return HOLDS
        return FAILS if all(one.little(threshold) for one in deciding) else DEPENDS
    sides = "; ".join(f"{name}: the CPU takes {medium.span(figure.low, figure.high)} times as long" for name, figure in shares.items())
    if unknown:
        sides += f"; {', '.join(unknown)}: not known"
    return Ruling(figures + list(shares.values()), deciding, word, f"the medium and the CPU. {sides[0].upper()}{sides[1:]}")


def every_fault(view, strategy, at):
    """C2: a sync in every fault, over MAP_SYNC, which syncs there only what finding the data depends on."""
    factor = ratio(f"{strategy} over map_sync", view.cost(replace(at, strategy=strategy)),
                   view.cost(replace(at, strategy="map_sync")))
    figures = [factor]
    if at == Spec("map_sync"):
        paced = [view.cost(Spec(name, workload="paced"), needed=False) for name in (strategy, "map_sync")]
        figures.append(ratio("one fault per tick, decides nothing: the same", *paced))
        extra = difference("", *paced)
        if extra and view.virtual:
            figures.append(Measured("of a CPU of 1e9 instructions a second, one such fault in each tick of 4 ms", "of a CPU",
                                    {key: value / TICK for key, value in extra.values.items()}, extra.cells))
    figures = [figure for figure in figures if figure]
    return undecided(figures) if factor is None else large(figures, Deciding(factor, TIMES))


def _asked(row):
    journal = row.get("journal")
    return None if journal is None or journal.get("asked") is None else journal["asked"]["fault"]


def _until_a_full_commit(row):
    """Whether each fault moved mtime, and those that asked for a commit got fast ones until a full one, and then no more asked:
    the share of them is where the journal's timer stood."""
    asked = _asked(row)
    return row["mtime_changes"] == row["faults"] > asked > (row["fast_commits"] or 0) > 0


def always_dirty(view, strategy, at):
    """C3: whether each fault finds something to sync. What is counted are commits that a fault asked for: a call of the sync
    that finds nothing asks for none."""
    spec = replace(at, strategy=strategy)
    found = view.share(spec, _asked, "found something to sync")
    moved = None
    if at.workload == "paced":
        moved = view.share(spec, lambda row: row["mtime_changes"], "mtime moved", needed=False)
    figures = [figure for figure in (found, moved) if figure]
    if found is None:
        return undecided(figures)
    ruling = large(figures, Deciding(found, SHARE))
    if ruling.word(THRESHOLD) != HOLDS and all(map(_until_a_full_commit, view.find(spec, "on")[0])):
        return Ruling(figures, [], lambda threshold: DEPENDS,
                      "whether the journal had a full commit since: faults before it sync, those after it do not")
    return ruling


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


def _turn(name, level, curve, factor):
    at = crossing({k: one.value for k, one in curve.items()}, level.value / factor)
    used = level.cells + [cell for one in curve.values() for cell in one.cells]
    if at is None:
        return Measured(f"{name} at no K up to", "K", {(0, 0): max(curve)}, used)
    return Measured(f"{name} from this K on", "K", {(0, 0): max(at, 1)}, used)


def _curve(view, at, asked):
    """{K: cost} of fsync:K, those that are asked for in any case; None where one was not measured. With fewer touches than K
    there is one sync at the end, whatever K says: such a K was not measured."""
    ks = sorted({*asked, *(spec.k for spec, probes in view.rows if probes == "off" and isinstance(spec.k, int) and
                           spec == replace(at, strategy="fsync", k=spec.k))})
    curve = {}
    for k in ks:
        spec = replace(at, strategy="fsync", k=k)
        curve[k] = view.cost(spec, needed=k in asked)
        if curve[k] and any(row["touches"] * max(at.stores, 1) < k for rows in view.find(spec) for row in rows):
            curve[k] = None
            if k in asked:
                view.lack(spec)
    return {k: one for k, one in curve.items() if one or k in asked}


def slower_than_fsync(view, strategy, at):
    """C4: the strategy over fsync:K at every K of at least 8; the K and the stores a page at which it turns."""
    level = view.cost(replace(at, strategy=strategy))
    curve = _curve(view, at, AGAIN if at.stores else SWEEP)
    factors = {k: ratio(f"{strategy} over fsync:{k}", level, one) for k, one in curve.items()}
    if None in factors.values():
        return undecided([level, *factors.values()])
    figures = [level, *(factors[k] for k in curve if k >= OFTEN)]
    if not at.stores:
        figures += [_turn("fsync:K costs less", level, curve, 1),
                    _turn(f"fsync:K costs less than 1/{THRESHOLD:g}", level, curve, THRESHOLD)]
    if replace(at, strategy="") == Spec("", at.state):
        again = view.cost(Spec("fsync", "written", "rewrite", WHEN_NECESSARY), needed=False)
        figures.append(ratio(f"later durable stores to a page after which {strategy} costs no more than fsync:"
                             f"{WHEN_NECESSARY}, each of its own taken as free", difference("", level, curve[WHEN_NECESSARY]),
                             again, "stores"))
    often = [Deciding(factors[k], TIMES) for k in curve if k >= OFTEN]
    every = [Deciding(factors[k], TIMES) for k in curve]

    def word(threshold):
        if all(one.much(threshold) for one in often):
            return HOLDS
        return FAILS if all(one.little(threshold) for one in every) else None
    return Ruling([figure for figure in figures if figure], every, word)


def no_overhead(view, strategy, state="written"):
    """C5: a file whose map cannot change: no sync in its faults, and no longer a path than without any guarantee. Of a written
    block a fault in each tick is asked whether it syncs, for that moves mtime."""
    spec = Spec(strategy, state)
    asked = replace(spec, workload="paced") if state == "written" else spec
    synced = view.share(asked, lambda row: row["syncs"], "synced")
    moved = view.share(replace(spec, workload="paced"), lambda row: row["mtime_changes"], "mtime moved; decides nothing",
                       needed=False) if state == "written" else None
    page, plain, wrapped = view.cost(spec), view.cost(Spec("volatile", state)), view.cost(Spec("map_sync_wrapped", state), False)
    whole = ratio(f"{state}, tight loop: its page over that of volatile", page, plain)
    # What the module itself costs is no cost of the file.
    own = ratio(f"{state}, tight loop: its page over that of map_sync_wrapped, mainline's through the module", page,
                wrapped) if state == "written" else None
    over_written = ratio("its page over a written one of volatile; decides nothing", page, view.cost(
        Spec("volatile"), False)) if state != "written" else None
    floor = own or whole
    figures = [figure for figure in (synced, own, whole, over_written, moved) if figure]
    if synced is None or floor is None:
        return undecided(figures)
    return small(figures, [Deciding(synced, SHARE), Deciding(floor, TIMES)])


def behind_commit(view, strategy):
    """C5: its longest fault beside another's commits, over the longest without any guarantee and with nobody beside. What a
    fault without any guarantee takes as long for there, the other's turn on the CPU before all, is no cost of this file's."""
    def longest(spec):
        return view.figure(spec, lambda row: row["max"], "longest fault", view.unit, "on")
    mine, alone = longest(Spec(strategy, workload="behind_commit")), longest(Spec("volatile"))
    beside = longest(Spec("volatile", workload="behind_commit"))
    others = {name: view.figure(Spec(name, workload="behind_commit"), lambda row: row["max"], "longest fault", view.unit, "on",
                                needed=False) for name in ("map_sync", "prealloc")}
    factor = ratio("longest fault beside another's commits over the longest of volatile alone", mine, alone)
    control = ratio("control, without any guarantee: volatile's beside them over that", beside, alone)
    figures = [figure for figure in (factor, control, mine, alone, beside, *others.values()) if figure]
    if factor is None:
        return undecided(figures)
    slow = Deciding(factor, TIMES)
    if slow.much() and control and not Deciding(control, TIMES).little():
        view.reasons.append("a fault without any guarantee is as long there: the other's turn on the CPU is in both")
    return controlled(figures, slow, control, FAILS, HOLDS)


DIRTIED = (("map_sync", "hole", None), ("fsync", "hole", 1), ("prealloc", "written", None))


def _with_dirt(view, which, needed):
    """[{strategy: cost of a page}] with the dirty inodes of others and with none, and how many there are: the most that each of
    those needed was measured with, so that they are compared beside the same."""
    specs = {strategy: Spec(strategy, state, "unrelated", k) for strategy, state, k in which}
    counts = [{found.unrelated for found, probes in view.rows if probes == "off" and replace(found, unrelated=0) == specs[name]
               and found.unrelated >= DIRTY} for name in needed]
    count = max(set.intersection(*counts), default=DIRTY)
    return [{name: view.cost(replace(spec, unrelated=many), name in needed) for name, spec in specs.items()}
            for many in (count, 0)], count


def pays_for_others(view):
    """C9: what others' dirt adds to a fault that syncs; a fault that does not is the control."""
    (beside, alone), count = _with_dirt(view, DIRTIED, ("map_sync", "prealloc"))
    growth, fsync, control = (ratio(f"{name}{'' if k is None else f':{k}'}, {state}: a page with {count} dirty inodes of others "
                                    "over one with none", beside[name], alone[name]) for name, state, k in DIRTIED)
    figures = [figure for figure in (growth, control, fsync) if figure]
    if growth is None:
        return undecided(figures)
    return controlled(figures, Deciding(growth, HUGE), control, HOLDS, FAILS)


def pays_more_than_fsync(view):
    """C9: the same page beside the same dirt, by MAP_SYNC and by an fsync after each write."""
    (beside, _), count = _with_dirt(view, DIRTIED[:2], ("map_sync", "fsync"))
    factor = ratio(f"map_sync over fsync:1, holes, beside {count} dirty inodes of others", beside["map_sync"], beside["fsync"])
    return undecided([]) if factor is None else large([factor], Deciding(factor, TIMES))


def _tails(view, function, what, unit, *which):
    """function(durable) of touches made durable beside a steady load, as Measured; which: (strategy, state, K, whether it is
    needed)."""
    return [view.figure(Spec(strategy, state, "background", k), lambda row: row.get("durable") and function(row["durable"]), what,
                        unit, needed=needed, least=TAIL) for strategy, state, k, needed in which]


def unpredictable(view):
    """C9: the tail over the median of a store made durable, beside a process that creates, fills and removes files at a rate; a
    store that waits for no sync is the control, and an fsync's own tail stands beside."""
    mine, control, fsync = _tails(view, lambda durable: stats.ratio(durable["p99_9"], durable["p50"]),
                                  "a durable store that one in 1000 outlasts, over the median", "times", ("map_sync", "hole", None, True),
                                  ("prealloc", "written", None, True), ("fsync", "hole", 1, False))
    figures = [figure for figure in (mine, control, fsync) if figure]
    if mine is None:
        return undecided(figures)
    long = Deciding(mine, HUGE)
    if long.much() and control and not Deciding(control, HUGE).little():
        view.reasons.append("a store that waits for no sync has such a tail as well: the other's turn on the CPU is in both")
    return controlled(figures, long, control, HOLDS, FAILS)


def outlasts_fsync(view):
    """C9: the same tail by MAP_SYNC and by an fsync after each store, which waits for the same journal."""
    mine, fsync = _tails(view, lambda durable: durable["p99_9"], "a durable store that one in 1000 outlasts", view.unit,
                         ("map_sync", "hole", None, True), ("fsync", "hole", 1, True))
    factor = ratio("map_sync over fsync:1, holes, beside a steady load: what one durable store in 1000 outlasts", mine, fsync)
    figures = [figure for figure in (factor, mine, fsync) if figure]
    return undecided(figures) if factor is None else large(figures, Deciding(factor, TIMES))
