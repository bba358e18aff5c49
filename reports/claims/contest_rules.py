# SPDX-License-Identifier: GPL-2.0-only
"""Rules on contests: what others lose beside a fault that syncs (C6), and who can stop a fault that retries (C7, C8)."""

from dataclasses import replace

import cells
import load
import stats

from .spec import (FAILS, HOLDS, NOBODY, RETRIES, THRESHOLD, TICK, TIMES, Deciding, Measured, Ruling, Spec, controlled, large,
                   ratio, undecided)

BYSTANDER = ("mmap", "anon", "read_fault", "other_file", "resize")  # freeze: takes longer than a run under any strategy
ATTACKS = ("utimens", "append", "truncate", "fallocate")  # least kinds of touch before "nobody can" is said
OWN_EXTENT = {"punch_same": "written", "extend": "written", "convert": "unwritten"}  # and the state that it works on
SHARED = {"reflink": "written", "dedupe": "written"}  # the same, where a file system can share blocks
OWN_BLOCK = {"punch_same": OWN_EXTENT["punch_same"], **SHARED}  # of these, those that take the block itself
# Settings of contests: attackers by timer, on the victim's CPU and on another, by turns; in a tight loop on another.
ONE_CPU, TURNS, AT_ONCE = ("deterministic",), ("deterministic2",), ("concurrent",)
MANY_RETRIES = int(RETRIES.much(THRESHOLD))  # of one fault: an attack that works
MOST, LATE = "most retries of one fault", "runs in which a fault was not done at its deadline"


def others_wait(view, touch, setting):
    """C6: the bystander's slowdown in the median run beside map_sync, over that beside volatile."""
    spec = Spec("map_sync", "hole", "bystander", touch=touch, setting=setting)

    def of(strategy, key, what, unit, needed=False, state="hole"):
        return view.figure(replace(spec, strategy=strategy, state=state), lambda row: row[key], what, unit, needed=needed)

    def median(strategy, state):
        return of(strategy, "slowdown_p50", "slowdown in the median run", "times", True, state)
    factor = ratio("slowdown beside map_sync over that beside volatile, median run", median("map_sync", "hole"),
                   median("volatile", "hole"))
    # It has no hole: what it is compared with has none either.
    control = ratio("control, which never syncs: beside prealloc over that beside volatile, written",
                    median("prealloc", "written"), median("volatile", "written"))
    worst = ratio("the same in the worst run; decides nothing", *(
        of(name, "slowdown", "slowdown in the worst run", "times") for name in ("map_sync", "volatile")))
    # It syncs as well, with the lock dropped: what this adds to it is not the CPU's time, which the sync takes on one CPU.
    dropped = of("sync_retry", "slowdown_p50", "slowdown in the median run", "times")
    lock = ratio("slowdown beside map_sync over that beside sync_retry, which syncs without the lock; decides nothing",
                 of("map_sync", "slowdown_p50", "slowdown in the median run", "times"), dropped)
    longest = [of(name, "progress_max", "longest touch", view.unit) for name in ("volatile", "map_sync", "sync_retry")]
    figures = [figure for figure in (factor, control, lock, worst, *longest) if figure]
    if factor is None:
        return undecided(figures)
    mine = Deciding(factor, TIMES)
    if mine.much() and control and not Deciding(control, TIMES).little():
        view.reasons.append("the control, which never syncs, is waited for as well: that is not the sync")
    return controlled(figures, mine, control, HOLDS, FAILS)


def _count(rows, function):
    return max(function(row) for row in rows)


def _starved(row):
    return row["starved"]["n"]


def _retries(row):
    return row["retries_max"] or 0


def attacks(view, strategy, settings, needed, but=None, deadline=0, ask=True):
    """{what must be the same to compare two contests: samples} of dos, of the settings, with that deadline. needed: {touch:
    state}, asked for unless `ask` is not; but: None, or that other touches that are there count as well, less these."""
    asked = {Spec(strategy, state, "dos", touch=touch, setting=settings[0], deadline=deadline): None
             for touch, state in needed.items() if ask}
    there = {spec for spec, probes in view.rows if spec.workload == "dos" and spec.strategy == strategy and spec.attackers
             and spec.setting in settings and spec.deadline == deadline and
             (spec.touch in needed or but is not None and spec.touch not in but)}
    reached = {(spec.touch, spec.state) for spec in there}
    found = {}
    for spec in dict.fromkeys([*asked, *sorted(there, key=lambda spec: (spec.touch, spec.state, spec.setting))]):
        wanted = spec in asked and (spec in there or (spec.touch, spec.state) not in reached)
        for rows in view.find(spec, needed=wanted):
            if not any(cells.is_refused(row) for row in rows):
                found[spec.touch, spec.state, rows[0]["attackers"], rows[0]["setting"]] = rows
    return found


def _steady(view, settings, needed, but=None, deadline=0):
    """The same attacks on map_sync, which are asked for only where one works."""
    for touch, state in needed.items():
        view.wish(Spec("map_sync", state, "dos", touch=touch, setting=settings[0], deadline=deadline))
    return attacks(view, "map_sync", settings, needed, but, deadline, ask=False)


def _by_themselves(view, worked, steady, deadline=0):
    """Of the attacks that worked, those under which none of map_sync's faults was late: what a fault that is not retried
    suffers as well is not the retry's. Where there is none, view is told why."""
    found = {key: rows for key, rows in worked.items() if key in steady and _never_starved(steady[key])}
    unknown = [key for key in worked if key not in steady]
    if worked and not found:
        for touch, state, _, setting in unknown:
            if view.find(Spec("map_sync", state, "dos", touch=touch, setting=setting, deadline=deadline)):
                view.reasons.append("map_sync was measured with another number of attackers")
        if not unknown:
            view.reasons.append("map_sync starves as well")
    return found


def _of(key, rows, function, what, unit):
    touch, state, attackers, _ = key
    return Measured(f"{rows[0]['strategy']}, {touch} by {attackers}, {state}: {what}", unit,
                    {load.sample_key(row): function(row) for row in rows}, [rows[0]["name"]])


def _share_starved(row):
    return stats.ratio(row["starved"]["n"], row["starved"]["of"])


def _never_starved(rows):
    return not _count(rows, _starved)


def _always_starved(rows):
    return min(_starved(row) for row in rows) > 0


def can_be_starved(view, strategy, settings, needed, but=None, deadline=0):
    """C7: in some run a fault was retried often and outlasted its deadline, where under the same attack none of map_sync's
    did."""
    attacked = attacks(view, strategy, settings, needed, but, deadline)
    if not attacked:
        return undecided([])
    steady = _steady(view, settings, needed, but, deadline)
    late = {key: rows for key, rows in attacked.items() if _count(rows, _starved)}
    alone = _by_themselves(view, late, steady, deadline)
    most = {key: Deciding(_of(key, rows, _retries, MOST, "retries"), RETRIES) for key, rows in attacked.items()}
    denied = [most[key] for key, rows in alone.items() if _always_starved(rows)]
    worst = max(alone or late or attacked, key=lambda key: (_count(attacked[key], _starved), _count(attacked[key], _retries)))
    rows = attacked[worst]
    figures = [_of(worst, rows, _share_starved, LATE, "of runs"), most[worst].figure]
    if all(row.get("retry_time") for row in rows):
        figures.append(_of(worst, rows, lambda row: row["retry_time"], "time of one of its retries", view.unit))
    figures.append(_of(worst, rows, lambda row: row["slowdown_p50"], "slowdown of the median run (the least, if starved)", "times"))
    if worst in steady:
        figures += [_of(worst, steady[worst], _share_starved, LATE, "of runs"),
                    _of(worst, steady[worst], lambda row: row["slowdown_p50"], "slowdown of the median run", "times")]
    if not late and not view.missing and not all(one.little() for one in most.values()):
        view.reasons.append(f"no fault was late, and one was retried {most[worst].figure.high} times")
    if alone and not any(one.much() for one in denied):
        view.reasons.append("a fault was late, but not in every sample" if not denied else
                            f"a fault was late that was retried less than {MANY_RETRIES} times")

    def word(threshold):
        if any(one.much(threshold) for one in denied):
            return HOLDS
        if late or view.missing:
            return None
        return FAILS if all(one.little(threshold) for one in most.values()) else None
    return Ruling(figures, denied or list(most.values()), word)


def by_turns(view, **asked):
    """The same on two CPUs in virtual time, for which a kernel is needed that the emulator can turn between."""
    version = [int(part) for part in view.release.split(".")[:2] if part.isdigit()]
    if not view.virtual or version < [6, 12]:
        view.reasons.append("two CPUs in virtual time take a kernel from 6.12 on")
        return undecided([])
    return can_be_starved(view, settings=TURNS, **asked)


def denied_by_nobody(view):
    """C7: the mail's pseudo code, which syncs while any metadata is dirty, with nobody beside."""
    spec = Spec("sync_retry_strict", "written", "dos", touch=NOBODY, attackers=0, setting=ONE_CPU[0])
    retries = view.figure(spec, _retries, "most retries of one fault, nobody touches", "retries")
    if retries is None:
        return undecided([])
    took = view.figure(spec, lambda row: row.get("retry_time"), "one of its syncs", view.unit, needed=False)
    share = Measured("one of its syncs, of the tick of 4 ms that mtime moves by", "of a tick", {
        key: value / TICK for key, value in took.values.items()}, took.cells) if took and view.virtual else None
    return large([retries, *([share] if share else [])], Deciding(retries, RETRIES))


def _own_or_else(view, needed, but=None):
    """(attacks under which sync_retry is retried often, the same of the rule by extent, map_sync's)."""
    attacked = attacks(view, "sync_retry", ONE_CPU, needed, but)
    extent = attacks(view, "sync_retry_extent", ONE_CPU, needed, but)
    steady = _steady(view, ONE_CPU, needed, but)
    works = {key for key, rows in attacked.items() if min(map(_retries, rows)) >= MANY_RETRIES}
    return attacked, {key: rows for key, rows in extent.items() if key in works}, steady


def _by_extent(view, same, attacked, steady, blind):
    worst = max(same, key=lambda key: (_count(same[key], _starved), _count(same[key], _retries)))
    most = {key: Deciding(_of(key, rows, _retries, MOST, "retries"), RETRIES) for key, rows in same.items()}
    figures = [most[worst].figure, _of(worst, attacked[worst], _retries, MOST, "retries"),
               _of(worst, same[worst], _share_starved, LATE, "of runs")]
    if worst in steady:
        figures.append(_of(worst, steady[worst], _share_starved, LATE, "of runs"))
    late = {key: rows for key, rows in same.items() if _count(rows, _starved)}
    alone = _by_themselves(view, late | {key: same[key] for key, one in most.items() if one.much()}, steady)

    def word(threshold):
        if any(key in late or most[key].much(threshold) for key in alone):
            return FAILS
        if view.missing or blind or late:
            return None
        return HOLDS if all(one.little(threshold) for one in most.values()) else None
    return Ruling(figures, list(most.values()), word)


def extent_is_safe(view, touch):
    """C8: the rule by extent, where the touch changes the extent that the victim stores to."""
    attacked, same, steady = _own_or_else(view, {touch: {**OWN_EXTENT, **SHARED}[touch]})
    if not same:
        return _no_attack(view, attacked)
    # The first retry of a page may be for its own allocation; only one more shows that the rule saw the touch.
    blind = all(_count(rows, _retries) < 2 for rows in same.values())
    ruling = _by_extent(view, same, attacked, steady, blind)
    if blind:
        view.reasons.append("no fault was retried twice: nothing shows that the rule, which looks at the page's frame, saw "
                            "what the touch did to the extent")
    return ruling


def elsewhere_is_safe(view):
    """C8: the same under touches that leave the victim's extent alone."""
    attacked, same, steady = _own_or_else(view, dict.fromkeys(ATTACKS, "written"), {*OWN_EXTENT, *SHARED})
    if not same:
        return _no_attack(view, attacked)
    return _by_extent(view, same, attacked, steady, False)


def _no_attack(view, attacked):
    if attacked and not view.missing:
        view.reasons.append(f"no attack here made sync_retry retry one fault {MANY_RETRIES} times, so that there is none to be "
                            "safe from")
    return undecided([])
