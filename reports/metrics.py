# SPDX-License-Identifier: GPL-2.0-only
"""What of a result is compared: one table of metrics, and the samples that each has in a cell."""

from dataclasses import dataclass, field

import cells
import infer
import load
import stats
from load import ReportError


@dataclass(frozen=True)
class Metric:
    """One figure that is compared; for all of them less is better.

    id, text: its name and what it is. unit: None is the result's own. floor: {time domain: the least difference that
    counts}, in percent, of points where it is a share. one_build: that of virtual time where both sides are of one build; None: the
    same. default: compared unless others are chosen.
    share: the figure is a percentage already: differences are in points, not in percent of it.
    where_both: compared where both sides have it, and missed by nobody where one has not. doubles: the metric that it is all but
    a small part of: told beside it only where it says something else, and no reason for the gate to refuse for too few samples
    where that one has enough.
    seeds: the option of `faultline run` that says how many samples have it; None: it has one, whatever is asked for.
    values: function(Cell of one sample's rows that are ok) -> (row it was read from, number, or
    {part: number} of a metric in parts), or None. of: which cells have it.
    base: of a small difference of two great figures, function(Cell) -> one of these, or None; base_floor: {time domain:
    (percent of that, percent)}: the first is the floor where it is more than `floor`, up to the second.
    """

    id: str
    text: str
    floor: dict
    values: object
    of: str = "cell"
    one_build: float = None
    default: bool = False
    unit: str = None
    share: bool = False
    base: object = None
    base_floor: dict = field(default_factory=dict)
    where_both: bool = False
    doubles: str = None
    seeds: str = "--seeds"


def _figure(key):
    def values(cell):
        return cell.best and (cell.best, cell.best.get(key))
    return values


def _starved(cell):
    row = cell.best
    return row and (row, row["starved"]["n"] * 100 / row["starved"]["of"])


def _tax(cell):
    key = _taxed(cell)
    return key and (cell.on, stats.tax(cell.on[key], cell.off[key]))


def _tax_is_on(cell):
    key = _taxed(cell)
    return key and cell.off[key]


def _taxed(cell):
    if cell.on is None or cell.off is None:
        return None
    return "per_fault" if cells.taxed(cell.on, "per_fault") else "per_page"


def _phases(cell):
    row = next((row for row in cell.rows if row.get("phases")), None)
    return row and (row, {phase["id"]: phase.get("net") for phase in row["phases"]})


# Floors, virtual: where both sides are of one build nothing but the change moves a cell, and one instruction counts; another
# build moves layout and tick phase, and with them a cell by less than 0.5 % (docs/gate-study.md). A tax is the small difference of two: where our own
# binary is laid out anew it moves by up to 0.3 % of what it is a tax on (of seven baselines, one after the other: 15 of
# 4880 instr on written blocks, 5 % of the tax; on holes 21 of 26 200, 7 %). Wall: what two equal guests on a shared
# machine differ by is rarely below these.
METRICS = (
    Metric("per_page", "all that a durable page takes", {"virtual": 0.5, "wall": 1.0}, _figure("per_page"),
           default=True, one_build=0.0),
    Metric("per_fault", "a touch alone", {"virtual": 0.5, "wall": 1.0}, _figure("per_fault"), default=True, one_build=0.0),
    Metric("path", "per_page without what interrupts, of observed cells", {"virtual": 0.5, "wall": 1.0}, _figure("path"),
           default=True, one_build=0.0, where_both=True, doubles="per_page", seeds="--observe-seeds"),
    Metric("slowdown", "worst slowdown of a contest", {"virtual": 5.0, "wall": 10.0}, _figure("slowdown"),
           of="contest", default=True, unit="times"),
    Metric("starved", "share of a contest's runs that starved", {"virtual": 1.0, "wall": 10.0}, _starved,
           of="contest", default=True, unit="%", share=True),
    Metric("tax", "what probes add to a touch, with several threads to a page", {"virtual": 2.0, "wall": 10.0}, _tax,
           base=_tax_is_on, base_floor={"virtual": (0.4, 10.0)}, seeds="--probe-seeds"),
    Metric("phase", "a phase of the fault, less what its probes cost", {"virtual": 1.0, "wall": 5.0}, _phases, seeds="--probe-seeds"),
    Metric("boot", "from power-on until the guest is ready", {"virtual": 0.5, "wall": 5.0}, None, of="guest", seeds=None),
)
BY_ID = {metric.id: metric for metric in METRICS}
IDS = tuple(BY_ID)


def id_of(label):
    """The id of the metric that a Series of this label is of."""
    return label.partition(".")[0]


def choose(names):
    """The metrics of these names, of none the default ones. ReportError for one that is not there."""
    for name in names or ():
        if name not in IDS:
            raise ReportError(f"no metric {name!r}; there are {', '.join(IDS)}")
    return [metric for metric in METRICS if (metric.id in names if names else metric.default)]


@dataclass
class Series:
    """The samples that one metric has in one cell.

    cell: its name; label: the metric, of one in parts `phase.sync`; part: that part; row: one of its rows, to read the cell from
    (None: the metric is of a guest); fields: what tells the cell from others; values: {sample_key: number}; of: how many samples
    the cell has, of which only some may have the metric; probes: from which rows; probed: whether these are no twin's; work:
    {field: values} of what makes two figures of the same work; bad: (status, reason) when a row of the cell is not ok: the
    figures are not to be used.
    """

    cell: str
    label: str
    metric: Metric
    row: dict = None
    values: dict = field(default_factory=dict)
    of: int = 1
    probes: str = ""
    work: dict = field(default_factory=dict)
    bases: dict = field(default_factory=dict)
    bad: tuple = None
    fields: dict = field(default_factory=dict)
    part: str = ""
    probed: bool = False


ONE_BUILD, TWO_BUILDS = "one build", "two builds"


def build_of(context, kernel):
    """What tells the build of a kernel's guest in a result's context: SHA-256s of QEMU, of the kernel, of the image and, where
    there is one, of the module's. None where a word is missing."""
    about = context["kernels"].get(kernel) or {}
    words = ((context["qemu"] or {}).get("binary_sha256"), about.get("vmlinuz_sha256"), about.get("image_sha256"))
    return (*words, (about.get("module") or {}).get("image_sha256")) if all(words) else None


def one_build(one, other):
    """Whether two, as build_of() says them, are one build; what is not known is none. A module counts where both have it."""
    if one is None or other is None or one[:3] != other[:3]:
        return False
    return one[3] == other[3] or None in (one[3], other[3])


def builds(result):
    """{kernel: its build_of()} of a Result; None where its parts were not of one build."""
    found = {}
    for _, context in result.parts:
        for kernel in context["kernels"]:
            found.setdefault(kernel, []).append(build_of(context, kernel))
    return {kernel: parts[0] if all(one_build(parts[0], part) for part in parts) else None for kernel, parts in found.items()}


def hangs_on_builds(metric, domain):
    """Whether the floor of a Metric is another where both sides are of one build."""
    return domain == "virtual" and metric.one_build is not None


def floor(one, domain, alike=False):
    """The least difference that counts of a Series, in percent of its median: the metric's own, or what that of the
    metric's base comes to. alike: whether both sides are of one build."""
    if alike and hangs_on_builds(one.metric, domain):
        return one.metric.one_build
    least, middle = one.metric.floor[domain], infer.median(one.values.values())
    share, most = one.metric.base_floor.get(domain, (0, 0))
    if not share or middle <= 0:
        return least
    return max(least, min(most, share * infer.median(one.bases.values()) / middle))


# Figures are of the same work only where these agree. A contest is timed: how many stores end is its outcome.
SAME_WORK = ("touches", "pages", "mapped_order", "dax", "map_sync", "line_flush", "vcpus")
OUTCOME_OF_CONTESTS = ("touches", "pages", "mapped_order", "line_flush")


def series(result, chosen):
    """{(identity of the cell, label): Series} of the metrics `chosen`, in reading order. A cell that is not ok has them
    too, marked."""
    found = {}
    for cell, samples in _cells(result):
        first = _first(samples)
        key = load.identity(first, result.axes)
        bad = _bad([row for rows in samples.values() for row in rows.values()])
        for metric in chosen:
            if metric.of == ("contest" if cells.is_contest(first) else "cell"):
                for one in ([Series(cell.name, metric.id, metric, first, bad=bad)] if bad
                            else _of_cell(cell, samples, metric)):
                    one.fields = fields_of(first, result.axes)
                    found[key, one.label] = one
    for metric in chosen:
        if metric.of == "guest":
            for one in _of_guests(result.context, metric):
                found[frozenset([("guest", True), *one.fields.items()]), one.label] = one
    return found


def fields_of(row, axes):
    """What a row says of its cell: {axis: value}."""
    return {field_: row.get(field_) for field_ in axes}


def cells_of(result, chosen):
    """{identity: name} of the cells that should have one of the metrics `chosen`, in reading order."""
    kinds = {metric.of for metric in chosen}
    return {load.identity(cell.any, result.axes): cell.name for cell in cells.cells(result)
            if ("contest" if cells.is_contest(cell.any) else "cell") in kinds}


def _first(samples):
    return next(row for rows in samples.values() for row in rows.values())


def _cells(result):
    """[(Cell, {sample_key: {probes: row}})] in reading order; of each sample the twin's row comes first."""
    found = []
    for cell in cells.cells(result):
        samples = {}
        for row in cell.rows:
            for sample in result.samples[row["name"]]:
                samples.setdefault(load.sample_key(sample), {})[sample["probes"]] = sample
        found.append((cell, dict(sorted(samples.items()))))
    return found


def _bad(rows):
    """(status, reason) of the worst row, or None. A twin that was skipped takes nothing from the other."""
    measured = any(row["status"] == "ok" for row in rows)
    bad = [row for row in rows if row["status"] != "ok" and not (measured and row["status"] == "skipped")]
    worst = min(bad, key=lambda row: cells.STATUSES.index(row["status"]), default=None)
    return (worst["status"], worst["reason"]) if worst else None


def _of_cell(cell, samples, metric):
    parts = {}
    for key, rows in samples.items():
        good = cells.Cell({probes: row for probes, row in rows.items() if row["status"] == "ok"}, cell.twin)
        found = metric.values(good)
        row, value = found or (None, None)
        for part, number in value.items() if isinstance(value, dict) else [(None, value)]:
            if number is None:
                continue
            label = metric.id if part is None else f"{metric.id}.{part}"
            one = parts.setdefault(label, Series(cell.name, label, metric, row, of=len(samples), probes=row["probes"], part=part or "",
                                                  probed=row["probes"] != cell.twin))
            one.values[key] = number
            if metric.base:
                one.bases[key] = metric.base(good)
            for work in SAME_WORK:
                if not (cells.is_contest(row) and work in OUTCOME_OF_CONTESTS):
                    one.work.setdefault(work, set()).add(row.get(work))
    return parts.values()


LARGEST = 2**63  # a boot is no part of the schema's promises


def _of_guests(context, metric):
    for kernel, about in context["kernels"].items():
        boot = about.get("boot")
        for fs, times in boot.items() if isinstance(boot, dict) else ():
            ready = times.get("ready") if isinstance(times, dict) else None
            if isinstance(ready, (int, float)) and not isinstance(ready, bool) and abs(ready) < LARGEST:
                yield Series(load.guest_of(kernel, fs), metric.id, metric, values={(0, 0): ready},
                             fields={"kernel": kernel, "fs": fs})
