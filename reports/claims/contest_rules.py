# SPDX-License-Identifier: GPL-2.0-only
"""Rules on contests: what others lose beside a fault that syncs (C6), and who can stop a fault that retries (C7, C8)."""

from dataclasses import replace

import cells
import load
import stats

from .spec import (FAILS, HOLDS, NOBODY, RETRIES, TIMES, Deciding, Measured, Ruling, Spec, controlled, large, ratio, undecided)

BYSTANDER = ("mmap", "anon", "read_fault", "other_file", "resize")  # freeze: takes longer than a run under any strategy
ATTACKS = ("utimens", "append", "truncate", "fallocate")  # least kinds of touch before "nobody can" is said
OWN_EXTENT = {"punch_same": "written", "extend": "written", "convert": "unwritten"}  # and the state that it works on
SHARED = {"reflink": "written", "dedupe": "written"}  # the same, where a file system can share blocks
ONE_CPU = ("deterministic",)
SECOND_CPU = ("concurrent", "deterministic2")
MANY_RETRIES = 10  # of one fault: an attack that works


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
    longest = [of(name, "progress_max", "longest touch", view.unit) for name in ("volatile", "map_sync", "sync_retry")]
    figures = [figure for figure in (factor, control, worst, *longest) if figure]
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


def attacks(view, strategy, settings, needed, deadline=0):
    """{what must be the same to compare two contests: samples} of dos, of the settings, with that deadline. needed: {touch:
    state} asked for."""
    asked = {Spec(strategy, state, "dos", touch=touch, setting=_setting(view, settings), deadline=deadline): None
             for touch, state in needed.items()}
    there = {spec for spec, probes in view.rows if spec.workload == "dos" and spec.strategy == strategy and spec.attackers
             and spec.setting in settings and spec.deadline == deadline}
    reached = {(spec.touch, spec.state) for spec in there}
    found = {}
    for spec in dict.fromkeys([*asked, *sorted(there, key=lambda spec: (spec.touch, spec.state, spec.setting))]):
        wanted = spec in asked and (spec in there or (spec.touch, spec.state) not in reached)
        for rows in view.find(spec, needed=wanted):
            if not any(cells.is_refused(row) for row in rows):
                found[spec.touch, spec.state, rows[0]["attackers"], rows[0]["setting"]] = rows
    return found


def _steady(view, settings, needed, deadline=0):
    """The same attacks on map_sync, which are asked for only where something starves."""
    for touch, state in needed.items():
        view.wish(Spec("map_sync", state, "dos", touch=touch, setting=_setting(view, settings), deadline=deadline))
    return attacks(view, "map_sync", settings, {}, deadline)


def _setting(view, settings):
    """The setting to measure: a second CPU in virtual time needs a kernel that this emulator can turn between."""
    if len(settings) == 1:
        return settings[0]
    version = [int(part) for part in view.release.split(".")[:2] if part.isdigit()]
    return "deterministic2" if view.virtual and version >= [6, 12] else "concurrent"


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


def can_be_starved(view, strategy, settings, deadline=0):
    """C7: in some run a fault outlasted its deadline, where under the same attack none of map_sync's did."""
    needed = dict.fromkeys(ATTACKS, "written")
    attacked = attacks(view, strategy, settings, needed, deadline)
    steady = _steady(view, settings, needed, deadline)
    alone = {key for key, rows in attacked.items() if key in steady and _always_starved(rows) and _never_starved(steady[key])}
    worst = max(alone or attacked, key=lambda key: (_count(attacked[key], _starved), _count(attacked[key], _retries)),
                default=None)
    if worst is None:
        return undecided([])
    rows = attacked[worst]
    most = _of(worst, rows, _retries, "most retries of one fault", "retries")
    figures = [_of(worst, rows, _share_starved, "runs in which a fault was not done at its deadline", "of runs"), most,
               _of(worst, rows, lambda row: row["progress_max"] / max(_retries(row), 1), "time of one of its retries",
                   view.unit),
               _of(worst, rows, lambda row: row["slowdown_p50"], "slowdown of the median run (the least, if starved)", "times")]
    if worst in steady:
        figures += [_of(worst, steady[worst], _share_starved, "runs in which a fault was not done at its deadline", "of runs"),
                    _of(worst, steady[worst], lambda row: row["slowdown_p50"], "slowdown of the median run", "times")]
    if alone:
        view.missing.clear()
        return Ruling(figures, [Deciding(figures[0], _ANY)], lambda threshold: HOLDS)
    for (touch, state, _, setting), rows in attacked.items():
        compared = (touch, state) in needed.items() or _count(rows, _starved)
        if compared and not any(key[:2] == (touch, state) for key in steady):
            view.find(Spec("map_sync", state, "dos", touch=touch, setting=setting, deadline=deadline))
    every = [Deciding(_of(key, rows, _retries, "most retries of one fault", "retries"), RETRIES)
             for key, rows in attacked.items()]
    if view.missing:
        return undecided(figures)
    if any(_count(rows, _starved) for rows in attacked.values()):
        view.reasons.append("a fault starved, but not in every sample, or map_sync's did as well")
        return undecided(figures)
    return Ruling(figures, every, lambda threshold: FAILS if all(one.little(threshold) for one in every) else None)


class _AnyShare:
    """No limit: that it happens is what decides."""

    much = little = staticmethod(lambda threshold: 0)
    edges = staticmethod(lambda low, high: ())


_ANY = _AnyShare()


def denied_by_nobody(view):
    """C7: the mail's pseudo code, which syncs while any metadata is dirty, with nobody beside."""
    retries = view.figure(Spec("sync_retry_strict", "written", "dos", touch=NOBODY, attackers=0, setting=ONE_CPU[0]), _retries,
                          "most retries of one fault, nobody touches", "retries")
    return undecided([]) if retries is None else large([retries], Deciding(retries, RETRIES))


def _own_or_else(view, needed):
    """(attacks under which sync_retry is retried often, the same of the rule by extent, map_sync's)."""
    attacked = attacks(view, "sync_retry", ONE_CPU, needed)
    extent = attacks(view, "sync_retry_extent", ONE_CPU, needed)
    steady = _steady(view, ONE_CPU, needed)
    works = {key for key, rows in attacked.items() if min(map(_retries, rows)) >= MANY_RETRIES}
    return attacked, {key: rows for key, rows in extent.items() if key in works}, steady


def _by_extent(view, same, attacked, steady, blind):
    worst = max(same, key=lambda key: (_count(same[key], _starved), _count(same[key], _retries)))
    most = [Deciding(_of(key, rows, _retries, "most retries of one fault", "retries"), RETRIES) for key, rows in same.items()]
    figures = [_of(worst, same[worst], _retries, "most retries of one fault", "retries"),
               _of(worst, attacked[worst], _retries, "most retries of one fault", "retries"),
               _of(worst, same[worst], _share_starved, "runs in which a fault was not done at its deadline", "of runs")]
    starved = [key for key, rows in same.items() if _count(rows, _starved)]
    own = any(key in steady and _never_starved(steady[key]) for key in starved)
    other = any(key not in steady for key in starved)

    def word(threshold):
        if own or any(one.much(threshold) for one in most):
            return FAILS
        if view.missing or blind or other:
            return None
        return HOLDS if all(one.little(threshold) for one in most) else None
    return Ruling(figures, most, word)


def extent_is_safe(view, touch):
    """C8: the rule by extent, where the touch changes the extent that the victim stores to."""
    attacked, same, steady = _own_or_else(view, {touch: {**OWN_EXTENT, **SHARED}[touch]})
    same = {key: rows for key, rows in same.items() if key[0] == touch}
    if not same:
        return _no_attack(view, any(key[0] == touch for key in attacked))
    # The first retry of a page may be for its own allocation; only one more shows that the rule saw the touch.
    blind = all(_count(rows, _retries) < 2 for rows in same.values())
    ruling = _by_extent(view, same, attacked, steady, blind)
    if blind:
        view.reasons.append("no fault was retried twice: nothing shows that the rule, which looks at the page's frame, saw "
                            "what the touch did to the extent")
    return ruling


def elsewhere_is_safe(view):
    """C8: the same under touches that leave the victim's extent alone."""
    needed = dict.fromkeys(ATTACKS, "written")
    attacked, same, steady = _own_or_else(view, needed)
    same = {key: rows for key, rows in same.items() if key[0] not in {*OWN_EXTENT, *SHARED}}
    if not same:
        return _no_attack(view, attacked)
    return _by_extent(view, same, attacked, steady, False)


def _no_attack(view, attacked):
    if attacked and not view.missing:
        view.reasons.append(f"no attack here made sync_retry retry one fault {MANY_RETRIES} times, so that there is none to be "
                            "safe from")
    return undecided([])
