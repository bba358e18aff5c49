# SPDX-License-Identifier: GPL-2.0-only
"""The only published table of what a synchronous fault costs, beside ours.

Jan Kara's cover letters of the MAP_SYNC series (2017): 512 faults on ext4 on a ramdisk, microseconds, min / average /
max. His figures are of wall time on one machine, ours may be counts of instructions: what is compared is the ratio of
a cell with MAP_SYNC to the same cell without.
"""

import cells
import medium
import stats

FAULTS = 512
ROUNDED = 0.5  # us by which a figure of his may be off: they are whole
# row: (what it is called, our workload, our state, his figures without and with MAP_SYNC). His "preallocated" file is
# one that was written: with MAP_SYNC it costs nothing more, which an unwritten extent would.
ROWS = (
    ("preallocated", "first_touch", "written", (9, 10, 46), (9, 10, 47)),
    ("empty file", "first_touch", "hole", (21, 22, 70), (40, 124, 242)),
    ("empty file, copy beside", "copy_beside", "hole", (21, 23, 67), (94, 112, 181)),
)


def compare(result):
    """His rows beside ours, for each kernel and file system of which a Result holds all cells (order pte, one thread,
    512 touches). Each entry: kernel, fs, unit, rows of `name`, `his` and `ours`, each with `without`, `with` and
    `ratio` as [min, avg, max], and `media`: {low, high, his, holds}, our ratio of averages over the price of a written line from
    0 to the dearest that a cited medium may have (medium.py), his as far as whole microseconds tell it, and whether the two
    meet; None where no lines were counted.
    Ours: avg of the twin without probes; min (the lower end of its histogram's first
    bucket, at most 3.1 % wide) and max of the probed one."""
    found = {}
    for key, group in cells.sections(result).items():
        kernel, fs, workload, order, threads = key
        if order == "pte" and threads == 1:
            found.setdefault((kernel, fs), {})[workload] = group
    tables = []
    for (kernel, fs), groups in found.items():
        rows = [_row(groups.get(row[1], []), row) for row in ROWS]
        if all(rows):
            tables.append({"kernel": kernel, "kernel_name": result.words.kernel_name(kernel), "fs": fs, "unit": result.context["unit"],
                           "rows": rows})
    return tables


def _row(group, row):
    name, _, state, without, with_sync = row
    plain, synced = (cells.find(group, strategy, state) for strategy in ("volatile", "map_sync"))
    ours = [_ours(cell) for cell in (plain, synced)]
    if not all(ours):
        return None
    his = _ratios(without, with_sync)
    span = medium.ratio_over_media(synced.off, plain.off, medium.load_media(), medium.Cpu())
    his_span = (with_sync[1] - ROUNDED) / (without[1] + ROUNDED), (with_sync[1] + ROUNDED) / (without[1] - ROUNDED)
    return {"name": name, "his": his, "ours": _ratios(*ours),
            "media": None if span is None else {"low": span[0], "high": span[1], "his": list(his_span),
                                                "holds": span[0] <= his_span[1] and his_span[0] <= span[1]}}


def _ours(cell):
    if cell is None or not cells.is_ok(cell.off) or not cells.is_ok(cell.on) or cell.off["touches"] != FAULTS:
        return None
    fault = cell.on["probe"]["fault"]
    if fault is None or not fault["histogram"]:
        return None
    return (fault["histogram"][0][0], cell.off["per_fault"], fault["max"])


def _ratios(without, with_sync):
    return {"without": list(without), "with": list(with_sync),
            "ratio": [stats.ratio(b, a) for a, b in zip(without, with_sync)]}


def text(tables, number):
    """Lines of at most 80 columns; `number` formats a figure."""
    lines = []
    for table in tables:
        lines += ["", f"{table['kernel_name']}, {table['fs']}: MAP_SYNC against none, 512 faults, min / avg / max",
                  "Jan Kara 2017: us, ext4, ramdisk; ours: " + table["unit"], ""]
        lines.append(f"{'':<6}{'without':>26}{'with':>26}{'ratio':>19}")
        for row in table["rows"]:
            lines.append(row["name"])
            for who in ("his", "ours"):
                entry = row[who]
                lines.append(f"  {who:<4}" + f"{' '.join(number(v) for v in entry['without']):>26}"
                             + f"{' '.join(number(v) for v in entry['with']):>26}"
                             + f"{' '.join('-' if r is None else f'{r:.2f}' for r in entry['ratio']):>19}")
            if row["media"]:
                lines.append(f"  over media, modelled: {row['media']['low']:.2f} to {row['media']['high']:.2f}; his, "
                             f"unrounded, {row['media']['his'][0]:.2f} to {row['media']['his'][1]:.2f}: "
                             f"{'they meet' if row['media']['holds'] else 'they do not meet'}")
    return lines
