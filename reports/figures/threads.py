# SPDX-License-Identifier: GPL-2.0-only
"""Cost of a durable page with several threads."""

from figures.drawing import draw_lines
from figures.kind import Kind, RUN, along


def _over_threads(panels, result):
    xs = sorted({x for lines in panels.values() for points in lines.values() for x, _ in points})
    return draw_lines(panels, xs, [str(x) for x in xs], result, "threads")


KIND = Kind(70, "threads", "Cost of a durable page with several threads",
            "Without probes; threads take turns on one CPU where the run was in virtual time.",
            "the same cells with two numbers of threads",
            RUN + "--strategy volatile,map_sync,fsync:8 --threads 1,2,4 --out more/threads",
            lambda result: along(result, "threads"), lambda key: ", ".join(key), _over_threads)
