# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts: each case of each claim on each kernel and file system, and what they come to."""

import load
import medium
import releases

from .claims_table import CLAIMS
from .commands import cell_name, commands, spec_order
from .spec import DEPENDS, FAILS, HOLDS, NOT_DECIDED, SENSITIVITY, THRESHOLD
from .view import View, places
from .words import case_word, open_words

BETWEEN = "the figures lie between the limits of the rule"
STRADDLE = "its samples lie on both sides of a limit"
NAMED = 3  # cases that a sentence names before it counts


def judge(result):
    """[verdict], one per claim, case, kernel and file system of a Result, in that order: {id, claim, source, said, rule, kernel,
    fs, case, note, verdict, word, scope, samples, band, nearest, sensitivity, figures, cells, missing, reasons, commands, media},
    as JSON holds it."""
    views = places(result)
    found = []
    for claim in CLAIMS:
        cases = {case.name: {index: case for index in range(len(views))} for case in claim.cases}
        for index, view in enumerate(views):
            for case in claim.more(view):
                cases.setdefault(case.name, {})[index] = case
        for of_places in cases.values():
            found += [_verdict(claim, of_places[index], views[index]) for index in sorted(of_places)]
    return found


def asked(context, kernel, fs):
    """[(claim's id, case, [Spec])]: what each case of the table would read of a kernel and file system, and show beside."""
    view = View(load.Result("", context, {}), kernel, fs, {})
    found = []
    for claim in CLAIMS:
        for case in claim.cases:
            view.fresh()
            case.judge(view)
            found.append((claim.id, case.name, list(view.wished)))
    return found


def _verdict(claim, case, view):
    view.fresh()
    ruling = case.judge(view)
    word = ruling.word(THRESHOLD)
    verdict = word or NOT_DECIDED
    wanted = list(view.missing) if word is None else []
    failures = list(dict.fromkeys(view.failures)) if word is None else []
    reasons = list(dict.fromkeys(view.reasons)) if word is None else []
    why = open_words(ruling, wanted, reasons, failures)
    reasons = failures + reasons
    if word is None and not wanted and not reasons:
        straddling = [one.figure.name for one in ruling.deciding if one.straddles]
        reasons.append(f"{straddling[0]}: {STRADDLE}" if straddling else BETWEEN)
    samples, band = ruling.samples(), list(ruling.band()) if ruling.deciding else None
    if word == DEPENDS:
        samples = min((len(figure.values) for figure in ruling.figures), default=0)
    figures = [figure.data() for figure in ruling.figures if figure is not None]
    used = list(dict.fromkeys(row["cell"] for row in view.used))
    specs = [(view.kernel, view.fs, spec) for spec in wanted]
    return {"id": claim.id, "claim": claim.text, "source": claim.source, "said": claim.said, "rule": claim.rule,
            "kernel": view.kernel, "fs": view.fs, "case": case.name, "note": case.note, "verdict": verdict,
            "word": case_word(verdict, samples, band, ruling.sides, why),
            "scope": view.scope(), "samples": samples, "band": band,
            "nearest": ruling.nearest(),
            "sensitivity": {title: ruling.word(threshold) or NOT_DECIDED for title, threshold in SENSITIVITY.items()},
            "figures": figures, "cells": list(dict.fromkeys(name for figure in figures for name in figure["cells"])),
            "missing": [cell_name(view, spec) for spec in wanted], "reasons": reasons,
            "commands": commands(view.result.context, specs, f"more/{claim.id}"), "specs": specs, "read": used, "why": why,
            "media": _by_price(case, view) if word is not None else None}


def _by_price(case, view):
    """{turns: [(price of a written line from which on, verdict)], media: {id: [verdict]}} of a case that goes by what pages
    cost in instructions; None for another, and {unobserved: cells} where the lines that they write were not counted.
    media: the verdicts over the range of a medium's price (medium.Cpu); None where that is not known."""
    if not view.virtual or not view.costs:
        return None
    unobserved = [cell for cell, observed in view.costs.items() if not observed]
    if unobserved:
        return {"unobserved": unobserved}

    def word(price):
        return case.judge(View(view.result, view.kernel, view.fs, view.rows, price=price)).word(THRESHOLD) or NOT_DECIDED
    found = medium.turns(word)
    prices = medium.Cpu().prices(medium.load_media())
    return {"turns": [list(turn) for turn in found],
            "media": {name: None if price is None else medium.word_on(found, price) for name, price in prices.items()}}


def public(verdicts):
    """The verdicts as JSON holds them."""
    return [{key: value for key, value in one.items() if key not in ("specs", "read", "why")} for one in verdicts]


def grid(verdicts):
    """The verdicts as a table: {places: [(kernel, fs)], rows: [(id, case, [verdict or None])]}."""
    found = list(dict.fromkeys((one["kernel"], one["fs"]) for one in verdicts))
    by_key = {(one["id"], one["case"], one["kernel"], one["fs"]): one for one in verdicts}
    return {"places": found, "rows": [(*key, [by_key.get((*key, *place)) for place in found])
                                      for key in dict.fromkeys((one["id"], one["case"]) for one in verdicts)]}


def unread(result, verdicts):
    """[(workload, [cell])]: the cells of kernels and file systems with verdicts that no rule has read."""
    read = {cell for one in verdicts for cell in one["read"]}
    where = {(one["kernel"], one["fs"]) for one in verdicts}
    found = {}
    for row in result.rows.values():
        if row["cell"] not in read and (row["kernel"], row["fs"]) in where:
            cells = found.setdefault(row["workload"], [])
            if row["cell"] not in cells:
                cells.append(row["cell"])
    return list(found.items())


def to_decide(context, verdicts, out):
    """The fewest commands that measure what these verdicts lack."""
    wanted = list(dict.fromkeys(spec for one in verdicts for spec in one["specs"]))
    wanted.sort(key=lambda place: spec_order(place[2]))
    return commands(context, wanted, out)


def overall(claim, verdicts):
    """{verdict, word}: what is said of a claim as a whole. A word only where all its cases agree; both sides where decided
    cases differ, and what is open beside them; nothing where one that the claim needs is open."""
    by_word = {}
    for one in verdicts:
        by_word.setdefault(one["verdict"], []).append(one)
    lacking = [name for name in claim.needs if any(one["case"] == name and one["verdict"] == NOT_DECIDED for one in verdicts)]
    if lacking:
        return {"verdict": NOT_DECIDED, "word": f"{NOT_DECIDED}: that needs {listed(claim, lacking)}"}
    if not verdicts or set(by_word) == {NOT_DECIDED}:
        return {"verdict": NOT_DECIDED, "word": f"{NOT_DECIDED}{_open_everywhere(claim, verdicts)}"}
    if len(by_word) == 1 and DEPENDS not in by_word:
        return {"verdict": verdicts[0]["verdict"], "word": verdicts[0]["verdict"]}
    sides = [f"{word[0].upper()}{word[1:]}: {_names(claim, by_word[word], verdicts)}" for word in (HOLDS, FAILS) if word in by_word]
    both = len(sides) == 2 or DEPENDS in by_word
    for words in dict.fromkeys(one["word"] for one in by_word.get(DEPENDS, [])):
        alike = [one for one in by_word[DEPENDS] if one["word"] == words]
        names = _names(claim, alike, verdicts)
        sides.append(f"{names[0].upper()}{names[1:]}: {words}")
    if NOT_DECIDED in by_word:
        sides.append(f"Open: {_names(claim, by_word[NOT_DECIDED], verdicts)}")
    if both:
        return {"verdict": DEPENDS, "word": f"{DEPENDS} the case. {'. '.join(sides)}"}
    return {"verdict": NOT_DECIDED, "word": f"{NOT_DECIDED} in all cases. {'. '.join(sides)}"}


def listed(claim, names):
    """Names of a claim's cases in a list; those of one title stand in brackets behind it. names: whatever may go on behind them."""
    groups = {}
    for name in names:
        title = next((title for title in claim.titles if name.startswith((f"{title}, ", f"{title}: "))), None)
        groups.setdefault(name if title is None else name[:len(title) + 2], []).append(name)
    return "; ".join(several[0] if len(several) == 1 else f"{begin}[{'; '.join(name[len(begin):] for name in several)}]"
                     for begin, several in groups.items())


def _open_everywhere(claim, verdicts):
    """Why no case is decided: of those that were measured."""
    measured = [one for one in verdicts if one["read"]]
    if not measured:
        return ": not measured" if verdicts else ""
    named = [_names(claim, [one], verdicts) + f" ({one['why']})" * bool(one["why"]) for one in measured]
    return f": {'; '.join(named[:NAMED])}" + (f"; and {len(named) - NAMED} more" if len(named) > NAMED else "")


def _names(claim, mine, every):
    """Their cases, and where, if the case is not the same everywhere."""
    called = releases.names({one["kernel"]: releases.label(one["kernel"], one.get("scope", one)["kernel"]) for one in every})
    names = []
    for case in dict.fromkeys(one["case"] for one in mine):
        here = [one for one in mine if one["case"] == case]
        where_ = ", ".join(f"{one['fs']} on {called[one['kernel']]}" if len(called) > 1 else one["fs"] for one in here)
        names.append(case if len(here) == sum(one["case"] == case for one in every) else f"{case} ({where_})")
    return listed(claim, names[:NAMED]) + (f"; and {len(names) - NAMED} more" if len(names) > NAMED else "")
