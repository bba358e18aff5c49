# SPDX-License-Identifier: GPL-2.0-only
"""The figures of a result. Each module here that has a KIND (or KINDS) is a family of figures: what it shows, what it
needs, how it is drawn. A new one is found by being there."""

import importlib
import multiprocessing
import pkgutil
import shlex
import warnings

from mpl import matplotlib

import claims
import cpus
from load import plain
from plot import STYLE, slug_of

PARALLEL_FROM = 6  # figures: below, a second process costs more than it saves


def _collect():
    found = []
    for module in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module.name}")
        found += getattr(module, "KINDS", ()) or filter(None, [getattr(module, "KIND", None)])
    return tuple(sorted(found, key=lambda kind: (kind.place, kind.id)))


KINDS = _collect()


def figures(result, processes=None):
    """All figures that a Result has data for: [plot.Figure] in the order of KINDS; empty when nothing was measured."""
    jobs, slugs = [], set()
    first = result.words.default("workload")
    for kind in KINDS:
        for key, data in sorted(kind.groups(result).items(), key=lambda group: first not in group[0]):
            name = "-".join([kind.id, *(str(part) for part in key)])
            jobs.append((kind, key, data, slug_of(name, slugs), f"f{len(jobs)}", result))
    global _JOBS  # a forked process has them without their being copied
    _JOBS = jobs
    pool = _pool(min(processes or cpus.usable(), len(jobs))) if len(jobs) >= PARALLEL_FROM else None
    if pool is None:
        made = [_draw(job) for job in jobs]
    else:
        with pool:
            made = pool.map(_draw_nth, range(len(jobs)), chunksize=1)
    _JOBS = []
    return [figure for figure in made if figure is not None]


def _pool(processes):
    """Processes that draw; None where one is enough, or a sandbox lets us have no more: without /dev/shm, semaphores
    or room for another process."""
    if processes == 1:
        return None
    try:
        return multiprocessing.get_context("fork").Pool(processes)
    except (OSError, ImportError):
        return None


_JOBS = []


def _draw_nth(index):
    return _draw(_JOBS[index])


def _draw(job):
    kind, key, data, slug, prefix, result = job
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name may be in any script
        sheet = kind.draw(data, result)
        if sheet is None:
            return None
        where = kind.where((*map(result.words.kernel_name, key[:1]), *key[1:]))  # a kernel stands first, or none is in it
        title = f"{kind.title}: {where}" if where else kind.title
        figure = sheet.finish(slug, kind.id, title, kind.caption, kind.contest, prefix)
        if kind.narrow:
            figure.narrow = kind.narrow(data, result).svg(title, f"{prefix}n")
        return figure


def missing(result, made):
    """What is left out: [{kind, title, needs, command}] of the kinds of which none of the figures `made` is."""
    there = {figure.kind for figure in made}
    rows = list(result.rows.values())
    kernels = sorted({row["kernel"] for row in rows} or result.context["kernels"], key=result.words.kernel_rank)
    file_systems = list(dict.fromkeys(row["fs"] for row in rows)) or result.words.by_default("fs")
    where = shlex.join(claims.where(result.context, kernels))
    found = []
    for kind in KINDS:
        if kind.id not in there and kind.command:
            command = kind.command.format(where=where, fs=shlex.quote(",".join(file_systems)))
            found.append({"kind": kind.id, "title": kind.title, "needs": kind.needs, "command": plain(command)})
    return found
