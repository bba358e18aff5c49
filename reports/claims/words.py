# SPDX-License-Identifier: GPL-2.0-only
"""Figures, scope, samples and bands in words."""

import re

import table

from .spec import DEPENDS, ENOUGH_SAMPLES, NOT_DECIDED, STURDY
from .view import PATTERNS

ORDERS = {"pte": "4 KiB entries", "pmd": "2 MiB entries"}


def _one(value, unit):
    if unit.startswith("of "):
        return f"{value * 100:.3g} %"
    if unit in ("times", "K", "stores"):
        return f"{value:.3g}"
    return table.number(value)


def with_unit(value, unit):
    """A value with its unit. K is a variable, and would be read as kilo behind a number."""
    return f"{unit} = {_one(value, unit)}" if unit == "K" else f"{_one(value, unit)} {unit}"


def figure_words(figure):
    """A figure (as in a verdict) with its unit."""
    if figure["value"] is None:
        return f"{_one(figure['low'], figure['unit'])} to {with_unit(figure['high'], figure['unit'])}"
    text = with_unit(figure["value"], figure["unit"])
    if figure["low"] != figure["high"]:
        text += (f" ({_one(figure['low'], figure['unit'])} to {_one(figure['high'], figure['unit'])} in {figure['samples']} "
                 "samples)")
    return text


def samples_words(count):
    """How many samples there were."""
    return f"{count} samples" if count > 1 else "one sample" if count else "no sample"


def is_narrow(band):
    """Whether a word stays for less than all the thresholds that nobody would mind."""
    low, high = band
    return (low or 0) > STURDY[0] or (high is not None and high < STURDY[1])


def band_words(band):
    """The thresholds for which a word stays."""
    low, high = band
    if low is None and high is None:
        return "at every threshold"
    if low is None:
        return f"for thresholds up to {high:.3g}"
    return f"for thresholds from {low:.3g}{' on' if high is None else f' to {high:.3g}'}"


def failure_words(reason):
    """Why a row failed, without what no two rows have alike: the kernel's clock, its CPU and process, the code's offset."""
    return re.sub(r"\[ *\d+\.\d+\] |CPU: \d+ PID: \d+ |\+0x\w+/0x\w+", "", reason)


def open_words(ruling, missing, reasons, failures=()):
    """Why a case is not decided, in a line. missing: the Specs of cells that are not there; failures: why some are not ok."""
    if failures:
        return f"measured, failed: {failure_words(failures[0])}"
    if reasons:
        return reasons[0]
    if missing:
        lacking = ", ".join(dict.fromkeys(spec.lacked for spec in missing))
        if ruling.alone:
            figure = ruling.deciding[0].figure
            return f"{with_unit(figure.value, figure.unit)}, control not measured: {lacking}"
        return f"not measured: {lacking}" if ruling.figures else "not measured"
    for one in ruling.deciding:
        if one.straddles:
            return "samples on both sides of a limit"
        if not one.much() and not one.little():
            return f"{with_unit(one.figure.value, one.figure.unit)}, between the limits"
    return ""


def case_word(verdict, samples, band, sides="", why=""):
    """The verdict with what weakens it: too few samples, a narrow band; of one that is open, why it is."""
    if verdict == DEPENDS:
        return f"{DEPENDS} {sides}"
    if verdict == NOT_DECIDED:
        return verdict + (f" ({why})" if why else "")
    weak = []
    if samples < ENOUGH_SAMPLES:
        weak.append(samples_words(samples))
    if band is not None and is_narrow(band):
        weak.append(f"only {band_words(band)}")
    return verdict + (f" ({'; '.join(weak)})" if weak else "")


def nearest_words(nearest):
    """The figure nearest to a limit."""
    if nearest is None:
        return "none has a limit"
    unit = nearest["unit"]
    return f"{nearest['name']}: {with_unit(nearest['value'], unit)}, the limit is {_one(nearest['limit'], unit)}"


def media_words(media):
    """Whether a word holds on every medium, or from which price of a written line on another does; nothing of a case that
    does not go by cost."""
    if media is None:
        return ""
    if "unobserved" in media:
        return "By medium: not observed (`--observe vector`)."
    (_, first), *later = media["turns"]
    if not later:
        return "By medium: the same at every price of a written line."
    turns_ = "; ".join(f"from {_one(price, 'instr')} instr a line on {word}" for price, word in later)
    on = [f"{name}: {'either' if len(words) > 1 else words[0]}" for name, words in media["media"].items() if words]
    unknown = [name for name, words in media["media"].items() if not words]
    return (f"By medium: {first}; {turns_}. Modelled, {', '.join(on)}" + (f"; {', '.join(unknown)}: not known" if unknown else "") +
            ".")


def _range(numbers):
    """Sorted numbers; more than two as from where to where."""
    return " and ".join(map(str, numbers)) if len(numbers) < 3 else f"{numbers[0]} to {numbers[-1]}"


def scope_words(scope):
    """Of what a verdict speaks, on a line."""
    def join(values, form=str):
        return " and ".join(form(value) for value in values)
    parts = [scope["kernel"], scope["fs"]]
    if scope["cpus"]:
        parts.append(f"{join(scope['cpus'])} CPU{'s' * (scope['cpus'] != [1])}")
    if scope["order"]:
        parts.append(join(scope["order"], lambda order: ORDERS.get(order, order)))
    if scope["threads"]:
        parts.append(f"{join(scope['threads'])} thread{'s' * (scope['threads'] != [1])}")
    if scope["workload"]:
        parts.append(join(scope["workload"], lambda name: f"{name} ({PATTERNS[name]})" if name in PATTERNS else name))
    if scope["touch"]:
        parts.append(join(scope["touch"]))
    if scope["setting"]:
        parts.append(join(scope["setting"]))
    if scope["periods_us"]:
        parts.append(f"a touch every {_range(scope['periods_us'])} us")
    if scope["deadline_ms"]:
        parts.append(f"deadline {join(scope['deadline_ms'])} ms")
    if scope["state"]:
        parts.append(join(scope["state"]))
    parts += [f"{_range(scope[what])} {what}" for what in ("touches", "stores") if scope[what]]
    return ", ".join(parts)
