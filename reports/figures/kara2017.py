# SPDX-License-Identifier: GPL-2.0-only
"""Jan Kara's table of 2017 beside ours."""

from matplotlib.patches import Patch

from figures.drawing import names_left
from figures.kind import Kind
from plot import Sheet, linear, quiet_grid


def _kara(result):
    return {(one["kernel"], one["fs"]): (one, result.rows) for one in result.kara}


def _kara_bars(data, result):
    """His ratios with MAP_SYNC to without beside ours: averages."""
    one, rows = data
    names = [row["name"] for row in one["rows"]]
    kinds = (("his", "Kara 2017, ext4, ramdisk, wall time", "#7F7F7F"), ("ours", f"ours, {one['unit']}", "#D55E00"))
    sheet = Sheet(1, 1, (5.0, 0.5 * len(names) + 0.1), names,
                  legend=[Patch(facecolor=colour, label=label) for _, label, colour in kinds])
    ax, most = sheet.axes[0], 1
    for y, row in enumerate(one["rows"]):
        for place, (who, label, colour) in enumerate(kinds):
            value = row[who]["ratio"][1] or 0
            bar, = ax.barh(y + 0.2 * (2 * place - 1), value, 0.36, color=colour)
            ax.text(value, y + 0.2 * (2 * place - 1), f" ×{value:.2f}", va="center", fontsize=8)
            shown = next((r for r in rows.values() if (r["kernel"], r["fs"], r["strategy"]) == (
                one["kernel"], one["fs"], "map_sync")), None)
            if who == "ours" and shown:
                sheet.mark(bar, shown, f"{label}: {value:.2f} times")
            most = max(most, value)
    ax.set_xlim(0, most * 1.15)
    linear(ax.xaxis, 6)
    quiet_grid(ax, "x")
    names_left(ax, names, True)
    ax.set_xlabel("average fault with MAP_SYNC over without, times")
    return sheet


KIND = Kind(100, "kara2017", "Jan Kara's table of 2017 beside ours",
            "Ratios of averages. His times are of real hardware and hold the wait for a journal thread on another CPU; "
            "ours, where in instr, are lengths of path on one.", "the cells of his table",
            "faultline run {where} --preset kara2017 --out more/kara2017", _kara,
            lambda key: ", ".join(key), _kara_bars)
