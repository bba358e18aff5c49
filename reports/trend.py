# SPDX-License-Identifier: GPL-2.0-only
"""What a cell costs over kernels, in the order of their versions, with the points where it changes."""

import fnmatch
from dataclasses import dataclass, field

import cells
import compare
import infer
import load
import metrics
import table
import vocabulary
from load import ReportError
from releases import apart, label, short, version_key
from table import number, wrap

LEAST_FLOOR = 1.0  # percent: two builds of a kernel differ in layout as a whole, which no seed varies
ACCIDENT = 10.0  # percent: more than the accident of one seed's tick phase and layout has been seen to be (9 %)
UP, DOWN, UNSURE = "+", "-", "?"


@dataclass
class Point:
    """What one result says of one kernel. cells: {(cell without kernel, metric): {sample_key: value}}; bad: {cell
    without kernel: (status, reason)}; fields: {cell without kernel: {axis: value}}; tables: the result's; date: of the
    result, by which the later of two counts; build: as metrics.build_of() says it."""

    release: str
    clock: tuple
    source: str
    date: str
    cells: dict = field(default_factory=dict)
    bad: dict = field(default_factory=dict)
    fields: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    build: tuple = None


def points_of_results(results, chosen, pattern=None):
    """The Points of Results."""
    found = []
    called = apart([(result.path, {name: (label(name, about["release"], about["package"]), about["vmlinuz_sha256"])
                                   for name, about in result.context["kernels"].items()}) for result in results])
    for result, (_, releases) in zip(results, called):
        load.same_clock(results[0], result)
        clock = tuple(result.context[key] for key in ("time_domain", "unit", "accel"))
        everything = metrics.series(result, chosen).values()
        series = {(one.cell, one.label): one.values for one in everything if not one.bad}
        bad = {one.cell: one.bad for one in everything if one.bad}
        fields = {one.cell: one.fields for one in everything}
        found += _points(releases, metrics.builds(result), clock, result.path, result.context["date"], series, bad, fields,
                         result.tables, pattern)
    return found


def points_of_history(samples, chosen, domain, pattern=None):
    """The Points of what history.samples returns, of one time domain. ReportError when they are of two accelerators."""
    wanted = {metric.id for metric in chosen}
    found = []
    samples = [sample for sample in samples if sample[0]["time_domain"] == domain]
    called = apart([(f"result {entry['id']}", {name: (label(name, release), None) for name, release in
                                               entry["kernels"].items()}) for entry, _, _ in samples])
    for (entry, values, bad), (source, releases) in zip(samples, called):
        series = {key: value for key, value in values.items() if metrics.id_of(key[1]) in wanted}
        fields = {cell: entry["fields"][cell] for cell in {*(cell for cell, _ in series), *bad}}
        clock = tuple(entry[key] for key in ("time_domain", "unit", "accel"))
        found += _points(releases, entry["builds"], clock, source, entry["date"], series, bad, fields,
                         entry["tables"] or load.tables_of({}, entry["fields"].values()), pattern)
    clocks = {point.clock for point in found}
    if len(clocks) > 1:
        raise ReportError("the history holds figures of "
                          f"{' and '.join(sorted(clock[2] for clock in clocks))}, which are never mixed: keep one "
                          "history per accelerator")
    return found


def _points(releases, builds, clock, source, date, series, bad, fields, tables, pattern):
    points = {kernel: Point(release, clock, source, date, tables=tables, build=builds.get(kernel))
              for kernel, release in releases.items()}

    def place(cell):
        """(Point, name of the cell there), or None."""
        kernel = fields[cell].get("kernel")
        if kernel not in points or not (pattern is None or fnmatch.fnmatchcase(cell, pattern)):
            return None
        rest = load.beyond_kernel(cell, kernel)
        points[kernel].fields[rest] = {key: value for key, value in fields[cell].items() if key != "kernel"}
        return points[kernel], rest

    for (cell, metric), values in series.items():
        if found := place(cell):
            found[0].cells[found[1], metric] = values
    for cell, why in bad.items():
        if found := place(cell):
            found[0].bad[found[1]] = why
    return [point for point in points.values() if point.cells or point.bad]


def build(points, chosen, floors=None):
    """The trend as data that JSON can hold: `kernels` (releases in order), and for each cell and metric one of `rows`
    with `figures` (medians; null where not measured, for which `why` has the reason), `marks` and `changes`.

    From the first kernel on, each is compared with the one that the present level began with (as `compare` compares two
    results); where it has changed a new level begins. So a drift in small steps is found as well as one jump. A
    difference that the seeds are too few to judge counts when it is above the floor, and is marked as unsure up to
    ACCIDENT. `floor` is that of two builds; where kernels that are compared are of one build (they differ in what is planted),
    theirs is `floor_of_one_build`, else null.
    """
    if not any(point.cells for point in points):
        raise ReportError("no figure to draw a trend of: name results that hold measured cells")
    domain, unit, accel = points[0].clock
    releases = sorted(dict.fromkeys(point.release for point in points), key=version_key)
    newest, notes = {}, []
    for point in sorted(points, key=lambda point: point.date):
        for what in (*point.cells, *((cell, None) for cell in point.bad)):
            key = (point.release, *what)
            values = point.cells.get(what) if what[1] else point.bad[what[0]]
            if what[1] and key in newest and newest[key][0] != values:
                notes.append(f"{point.release}: {what[0]} {what[1]} is in {newest[key][1]} and in {point.source} with "
                             "different figures: the later one counts")
            newest[key] = values, point.source, point.build
    floor = {metric.id: max(LEAST_FLOOR, metric.floor[domain]) for metric in chosen}
    floor.update({name: value for name, value in (floors or {}).items() if name in floor})
    if None in (floors or {}):
        floor = dict.fromkeys(floor, floors[None])
    alike = {metric.id: metric.one_build for metric in chosen
             if metrics.hangs_on_builds(metric, domain) and not {metric.id, None} & set(floors or {})}
    names = list(dict.fromkeys(what for point in points for what in point.cells))
    steps = sum(max(0, sum((release, *what) in newest for release in releases) - 1) for what in names)
    shares = {metric.id: metric.share for metric in chosen}
    rows = []
    fields = {cell: about for point in points for cell, about in point.fields.items()}
    words = vocabulary.Vocabulary(vocabulary.merge_tables([point.tables for point in points]), {})
    for cell, metric in sorted(names, key=lambda what: _order(words, fields[what[0]], *what)):
        base = metrics.id_of(metric)
        series = [newest.get((release, cell, metric), (None,))[0] for release in releases]
        builds = [newest.get((release, cell, metric), (None,))[-1] for release in releases]
        why = {release: ": ".join(newest[release, cell, None][0]) for release, values in zip(releases, series)
               if values is None and (release, cell, None) in newest}
        rows.append({"cell": cell, "fields": fields[cell], "metric": metric, "floor": floor[base], "why": why,
                     **_levels(series, builds, releases, (floor[base], alike.get(base)), domain, shares[base], steps)})
    return {"time_domain": domain, "unit": unit, "accel": accel, "kernels": releases, "rows": rows,
            "strategies": [{"id": name, "family": words.family(name)} for name in words.ids("strategy")
                           if any(about.get("strategy") == name for about in fields.values())],
            "notes": list(dict.fromkeys(notes))}


def _levels(series, builds, releases, floors, domain, share, steps):
    """figures, marks and changes of one row: series holds {sample_key: value} or None per release, builds their builds; floors:
    that of two builds, and that of one or None."""
    figures, marks, changes, base, lesser = [], [], [], None, None
    judge = compare.judge_virtual if domain == "virtual" else compare.judge_wall
    for release, values, build in zip(releases, series, builds):
        mark = ""
        figures.append(None if values is None else infer.median(list(values.values())))
        if values is not None and base is None:
            base = release, values, build
        elif values is not None:
            floor = floors[0]
            if floors[1] is not None and metrics.one_build(base[2], build):
                floor = lesser = floors[1]
            step = _step(judge, base[1], values, floor, share, steps)
            if step:
                mark = step["mark"]
                changes.append({"from": base[0], "to": release, **step})
                base = release, values, build
        marks.append(mark)
    return {"figures": figures, "marks": marks, "changes": changes, "floor_of_one_build": lesser}


def _step(judge, old, new, floor, share, steps):
    """What changed between two kernels: {mark, percent, low, high, verdict}, or None."""
    if judge is compare.judge_virtual and not set(old) & set(new):
        return None
    if not share and min(old.values()) < compare.LEAST:
        return None
    row = judge(old, new, floor, share)
    if row["verdict"] in compare.CHANGED:
        if row["pairs"] is None and row["p"] * steps > compare.FALSE_DISCOVERIES:
            return None  # of so many steps looked at, one like this comes by chance
        mark = UP if row["verdict"] == compare.WORSE else DOWN
    elif row["verdict"] == compare.DIFFERS and abs(row["percent"]) > floor:
        mark = UNSURE if abs(row["percent"]) <= ACCIDENT else UP if row["percent"] > 0 else DOWN
    else:
        return None
    return {"mark": mark, **{key: row[key] for key in ("percent", "low", "high", "verdict")}}


def _order(words, fields, cell, metric):
    if "strategy" not in fields:  # a guest's boot
        return fields["fs"], "", "", 0, metric, 0, (), False, 0, cell
    return (fields["fs"], fields["workload"], fields["order"], fields["threads"], metric,
            words.rank("state", fields["state"]), words.strategy_rank(fields), bool(fields.get("touch")),
            load.unrelated(fields), cell)


def text(data):
    """For a terminal: lines of at most 80 columns, wide trends in blocks of kernels."""
    lines = wrap(f"unit {data['unit']} ({data['time_domain']}, {data['accel']}); + and -: changed against the kernel "
                 "that the level began with; ?: differs by more than the floor, but by what one seed's accident may be "
                 f"(up to {ACCIDENT:g} %)")
    for note in data["notes"]:
        lines += wrap(f"note: {note}")
    titles, legend = _titles(data["kernels"])
    for line in legend:
        lines += wrap(line)
    groups = {}
    for row in data["rows"]:
        groups.setdefault(section(row), []).append(row)
    for (fs, workload, order, threads, metric), rows in groups.items():
        lines.append("")
        lines += wrap(", ".join(filter(None, (fs, workload, order, threads))) + f"; {metric}, floor "
                      f"{rows[0]['floor']:g} %" + "".join(sorted({f", {row['floor_of_one_build']:g} % between kernels of one build"
                                                                  for row in rows if row["floor_of_one_build"] is not None})))
        lines += _blocks(titles, rows)
    missing = sorted({f"{release}: {row['cell']}: {why}" for row in data["rows"]
                      for release, why in row["why"].items()})
    if missing:
        lines += ["", "not measured:", *(line for entry in missing for line in wrap(entry, "  "))]
    changes = [(row, change) for row in data["rows"] for change in row["changes"]]
    lines += ["", *wrap("changes:" if changes else "no change")]
    for release in data["kernels"]:
        found = [(row, change) for row, change in changes if change["to"] == release]
        if found:
            row, most = max(found, key=lambda pair: abs(pair[1]["percent"]))
            counts = ", ".join(f"{count} {word}" for mark, word in ((UP, "up"), (DOWN, "down"), (UNSURE, "unsure"))
                               if (count := sum(change["mark"] == mark for _, change in found)))
            lines += wrap(f"{release}: {counts}; the most {row['cell']} {row['metric']}, {most['percent']:+.2f} % "
                          f"since {most['from']}", "  ")
    return "\n".join(lines) + "\n"


TITLE = 20  # columns that the title of a kernel may have


def _titles(kernels):
    """The kernels as titles of columns; one that is too long is a number, which a line of the legend explains."""
    titles, legend = short(kernels), []
    for index, title in enumerate(titles):
        if len(title) > TITLE:
            titles[index] = f"#{index + 1}"
            legend.append(f"#{index + 1}: {kernels[index]}")
    return titles, legend


def section(row):
    """What rows of a trend must share to stand together: file system, workload, order, threads, metric."""
    of = row["fields"]
    if "strategy" not in of:
        return row["cell"], "", "", "", row["metric"]
    return of["fs"], of["workload"], of["order"], f"t{of['threads']}", row["metric"]


def names(row):
    """(what tells a row of a trend from the others of its section, its state)."""
    of = row["fields"]
    if "strategy" not in of:
        return row["cell"], ""
    beside = [f"d{load.unrelated(of)}"] if load.unrelated(of) else []
    contest = [of["touch"], f"a{of['attackers']}", of["setting"]] if of.get("touch") else []
    return " ".join([cells.label(of), *beside, *contest]), of["state"]


def _blocks(titles, rows):
    left = sum(max(len(names(row)[part]) for row in rows) + 2 for part in (0, 1))
    width = max(10, *(len(title) + 2 for title in titles))
    count = max(1, (table.WIDTH - min(left, table.WIDTH // 2)) // width)
    lines = []
    for start in range(0, len(titles), count):
        columns = [("cell", lambda r: names(r)[0]), ("state", lambda r: names(r)[1])]
        for index in range(start, min(start + count, len(titles))):
            columns.append((titles[index], lambda r, i=index: number(r["figures"][i]) + (r["marks"][i] or " ")))
        lines += table.grid(columns, rows, words=("cell", "state"))
    return lines
