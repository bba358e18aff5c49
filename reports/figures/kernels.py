# SPDX-License-Identifier: GPL-2.0-only
"""Cost of a durable page over kernels."""

from figures.drawing import draw_lines
from figures.kind import Kind, along
from releases import apart, short, version_key


def _kernels(result):
    (_, releases), = apart([("", {name: (about.get("release") or name, None)
                                  for name, about in result.context["kernels"].items()})])
    return {key: (panels, releases) for key, panels in along(result, "kernel", result.words.default("order")).items() if key[-1] == "t1"}


def _over_kernels(data, result):
    panels, names = data
    found = {x for lines in panels.values() for points in lines.values() for x, _ in points}
    xs = sorted(found, key=lambda kernel: (version_key(names.get(kernel, kernel)), kernel))
    return draw_lines(panels, xs, short([names.get(x, x) for x in xs]), result, "", slant=True)


KIND = Kind(60, "kernels", "Cost of a durable page over kernels",
            "Without probes. `faultline trend` says which steps are changes.", "the same cells on two kernels or more",
            "faultline run --kernel all --fs {fs} --strategy volatile,map_sync,fsync:1,fsync:64 --out more/kernels",
            _kernels, lambda key: ", ".join(key[:2]), _over_kernels)
