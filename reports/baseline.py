# SPDX-License-Identifier: GPL-2.0-only
"""Baselines: results kept under a name, to compare later ones with."""

import os
import re

import files
import load
from load import ReportError, plain
from options import near

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def folder():
    """Where they are kept: in faultline's cache folder. ReportError when there is none."""
    own = os.environ.get("FAULTLINE_CACHE")
    if own:
        if not os.path.isabs(own):
            raise ReportError(f"FAULTLINE_CACHE is not an absolute path: {own}; give one that starts with /")
        return os.path.join(own, "baselines")
    for variable, below in (("XDG_CACHE_HOME", ()), ("HOME", (".cache",))):
        path = os.environ.get(variable)
        if path and os.path.isabs(path):
            return os.path.join(path, *below, "faultline", "baselines")
    raise ReportError("no cache folder: HOME is not set; set FAULTLINE_CACHE")


def is_path(text):
    """Whether a word means a place in the file system and no name: it has a slash, or there is something so called."""
    return os.sep in text or os.path.exists(text)


def find(text):
    """The path of the baseline that `text`, a name or a path, means. ReportError naming those that there are."""
    if is_path(text):
        return text
    path = os.path.join(folder(), text)
    if not NAME.fullmatch(text) or not os.path.isdir(path):
        raise ReportError(f"no baseline {text!r}, nor a file of that name; there are: {', '.join(names()) or 'none'} "
                          "(`faultline baseline save NAME RESULT` makes one)")
    return path


def remove(names_):
    """Remove those kept under these names; returns [path]. ReportError, and none is removed, where one is not kept: a
    path is its owner's, and nothing but what `save` has written is touched."""
    known = names()
    for name in names_:
        if os.sep in name:
            raise ReportError(f"{plain(name)}: is a path, and no baseline kept under a name: `rm` of the shell removes it")
        if name not in known:
            raise ReportError(f"no baseline {plain(name)!r}" + (near(name, known) if known else "; there are none"))
    paths = [os.path.join(folder(), name) for name in dict.fromkeys(names_)]
    for path in paths:
        others = sorted(set(os.listdir(path)) - {load.RESULT_NAME})
        if others:
            raise ReportError(f"{path}: holds {plain(others[0])} too, which no `save` has put there: move it away first")
    for path in paths:
        try:
            os.unlink(os.path.join(path, load.RESULT_NAME))
            os.rmdir(path)
        except OSError as error:
            raise ReportError(f"{path}: cannot be removed: {error.strerror}: it must be writable to you") from None
    return paths


def names():
    """The names of those kept, in order."""
    try:
        found = os.listdir(folder())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ReportError(f"{folder()}: cannot be read: {error.strerror}") from None
    return sorted(name for name in found if NAME.fullmatch(name)
                  and os.path.isfile(os.path.join(folder(), name, load.RESULT_NAME)))


def save(text, result_path, replace=False):
    """Keep a result, which is read and must be complete, under a name or at a path; returns where. The file is whole or
    not there."""
    result = load.load(result_path)
    if not result.context["complete"]:
        raise ReportError(f"{result.path} is incomplete ({result.context['reason']}): a gate would refuse it as a "
                          "baseline; measure it again, to the end")
    named = os.sep not in text
    if named and not NAME.fullmatch(text):
        raise ReportError(f"{text!r} is no name for a baseline: letters, digits and . _ + - , or a path with a slash")
    place = os.path.join(folder(), text) if named else text
    target = place if place.endswith(".json") and not named else os.path.join(place, load.RESULT_NAME)
    if os.path.exists(target) and not replace:
        raise ReportError(f"{target}: is there already: add --replace, or choose another name")
    source = os.path.join(result_path, load.RESULT_NAME) if os.path.isdir(result_path) else result_path
    with open(source, "rb") as file:
        data = file.read()
    where, name = os.path.split(target)
    files.write_files(where, {name: data})
    return target


def about(path):
    """What a baseline is, as data that JSON can hold."""
    result = load.load(path)
    context = result.context
    seeds = sorted({row["seed"] for rows in result.samples.values() for row in rows})
    return {"path": path, "date": context["date"], "git_revision": context["faultline"]["git_revision"],
            "time_domain": context["time_domain"], "unit": context["unit"], "rows": len(result.rows),
            "samples": max((len(rows) for rows in result.samples.values()), default=0), "seeds": seeds,
            "kernels": {name: kernel["release"] for name, kernel in context["kernels"].items()},
            "qemu": context["qemu"]["version"] if context["qemu"] else "none, on the host", "complete": context["complete"]}
