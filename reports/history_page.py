# SPDX-License-Identifier: GPL-2.0-only
"""The history as one HTML page that needs nothing but itself: a small multiple a series, its changes marked."""

import base64
import fnmatch
import hashlib
import os

import jinja2
from markupsafe import Markup, escape

import changepoint
import infer
import load
import metrics
import stats
import vocabulary
from compare_text import percent
from load import ReportError, plain
from number import counted, number

TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
WIDTH, HEIGHT, MARGIN = 300, 90, 6  # of a picture, in its own units
LAST = 10
ROUNDING = 1e-6  # percent: what _paired() adds up is rounded, and one instruction in the longest cells is thirty times that


def build(samples, chosen, domain="virtual", pattern=None, floors=None, last=LAST):
    """The page as data that JSON can hold, of what history.samples returns.

    results: [{id, date, label, accel, kernels}] of the domain, by date. series: of each cell, metric and accelerator
    {cell, metric, accel, unit, fields, floor, share, points: [{result (its place in `results`), value, low, high, samples,
    paired}], changes: [{result, before, after, percent}]}; a value is the median of a result's samples, low and high their range,
    and paired the value less what a choice of other seeds moved it by, as _paired has it: changes are of these.
    floor: that of two builds, but where all results are of one build that of one.
    regressions: [{series, ...change}] with which something began to cost more in one of the `last` results, the greatest
    first. ReportError when nothing matches."""
    wanted = {metric.id: metric for metric in chosen}
    taken = [sample for sample in samples if sample[0]["time_domain"] == domain]
    found, sides, builds, tables, units = {}, {}, {}, [], {}
    results = []
    for entry, values, _ in taken:
        tables.append(entry["tables"] or load.tables_of({}, entry["fields"].values()))
        for (cell, metric), those in values.items():
            if metrics.id_of(metric) in wanted and (pattern is None or fnmatch.fnmatchcase(cell, pattern)):
                figures = list(those.values())
                key = cell, metric, entry["accel"]
                units[key] = wanted[metrics.id_of(metric)].unit or entry["unit"]
                found.setdefault(key, []).append({
                    "result": len(results), "value": infer.median(figures), "low": min(figures), "high": max(figures),
                    "samples": len(figures)})
                sides.setdefault(key, []).append(those)
                builds.setdefault(key, []).append(entry["builds"].get(entry["fields"][cell].get("kernel")))
        results.append({"id": entry["id"], "date": entry["date"], "label": entry["label"] or entry["git_revision"],
                        "accel": entry["accel"], "kernels": entry["kernels"]})
    if not found:
        raise ReportError(f"the history holds nothing of the {domain} domain that matches: `faultline history list` shows what "
                          "there is")
    fields = {cell: about for entry, _, _ in taken for cell, about in entry["fields"].items()}
    words = vocabulary.Vocabulary(vocabulary.merge_tables(tables), {})
    series = []
    for key in sorted(found, key=lambda key: _order(words, fields[key[0]], *key)):
        cell, metric, accel = key
        about = wanted[metrics.id_of(metric)]
        alike = metrics.hangs_on_builds(about, domain) and _of_one_build(builds[key])
        floor = {None: about.one_build if alike else about.floor[domain], **(floors or {})}
        floor = floor.get(about.id, floor[None])
        points = found[key]
        for point, value in zip(points, _paired(sides[key], domain)):
            point["paired"] = value
        changes = [{"result": points[at]["result"], "before": before, "after": after,
                    "percent": stats.percent(after, before, about.share)}
                   for at, before, after in changepoint.changes([point["paired"] for point in points], max(floor, ROUNDING), about.share)]
        series.append({"cell": cell, "metric": metric, "accel": accel, "unit": units[key], "fields": fields[cell],
                       "floor": floor, "share": about.share, "points": points, "changes": changes})
    worse = [{"series": index, **change} for index, one in enumerate(series) for change in one["changes"]
             if change["after"] > change["before"] and change["result"] >= len(results) - last]
    worse.sort(key=lambda change: float("inf") if change["percent"] is None else change["percent"], reverse=True)
    return {"time_domain": domain, "last": last, "results": results, "series": series, "regressions": worse}


def _of_one_build(several):
    """Whether there are results beside each other, and each is of the build of the one before."""
    return len(several) > 1 and all(metrics.one_build(one, other) for one, other in zip(several, several[1:]))


def _paired(several, domain):
    """The median of each result's samples, {seed and repetition: value}. Where two results that follow each other are of other
    seeds (of virtual time, where a seed is the same for ever), the earlier ones are moved so that the two are as far apart as
    the seeds that both have are; by what they have none in common for, nothing is known to have changed."""
    values = [infer.median(list(one.values())) for one in several]
    if domain != "virtual":
        return values
    found, moved = values[-1:], 0
    for index in range(len(several) - 2, -1, -1):
        before, after = several[index], several[index + 1]
        if before.keys() != after.keys():
            both = before.keys() & after.keys()
            step = infer.median([after[key] for key in both]) - infer.median([before[key] for key in both]) if both else 0
            moved += values[index + 1] - values[index] - step
        found.append(values[index] + moved)
    return found[::-1]


def _order(words, fields, cell, metric, accel):
    if "strategy" not in fields:  # a guest's boot
        return accel, metric, words.kernel_rank(fields.get("kernel") or ""), fields["fs"], (), 0, cell
    return (accel, metric, words.kernel_rank(fields.get("kernel") or ""), fields["fs"],
            words.strategy_rank({"writes_per_sync": None, **fields}), words.rank("state", fields.get("state")), cell)


def page(data):
    """The page of this data as text."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined,
                                     finalize=lambda value: plain(value) if isinstance(value, str) and not isinstance(value, Markup)
                                     else value)
    environment.filters.update(number=number, signed=percent, parted=parted)
    script = environment.loader.get_source(environment, "history.js")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    count = len(data["results"])
    several = len({one["accel"] for one in data["series"]}) > 1
    return environment.get_template("history.html.j2").render(
        data=data, pictures=[picture(one, count) for one in data["series"]], several=several, width=WIDTH, height=HEIGHT,
        filters=[(field, list(dict.fromkeys(str(one["fields"][field]) for one in data["series"] if one["fields"].get(field))))
                 for field in ("kernel", "fs", "strategy")], said=said, script=Markup(script), digest=digest, counted=counted)


def parted(name):
    """The name of a cell as markup: a line of it ends behind a slash."""
    return Markup(escape(plain(name)).replace("/", Markup("/<wbr>")))


def said(change, share):
    """How much a change is: `+2.10 %`, `+3 points`, or `from 0`."""
    return "from 0" if change["percent"] is None else f"{percent(change['percent'])} {'points' if share else '%'}"


def picture(one, count):
    """Where things of a series stand in its picture: {line: the points of a path, levels: [(x1, x2, y)], marks: [(x, worse)],
    dots: [(x, y)]}. All series have the same x, that of all results, count of them."""
    points = one["points"]
    low, high = min(point["paired"] for point in points), max(point["paired"] for point in points)
    # Less than the floor is drawn as little.
    least = one["floor"] if one["share"] else one["floor"] / 100 * abs(high)
    middle, span = (low + high) / 2, max(high - low, 2 * least) or 1.0

    def x(result):
        return round(MARGIN + (WIDTH - 2 * MARGIN) * (result / (count - 1) if count > 1 else 0.5), 1)

    def y(value):
        return round(HEIGHT / 2 - (value - middle) / span * (HEIGHT - 2 * MARGIN), 1)

    places = [(x(point["result"]), y(point["paired"])) for point in points]
    marks = [(x(change["result"]), change["after"] > change["before"]) for change in one["changes"]]
    edges = [points[0]["result"], *(change["result"] for change in one["changes"]), points[-1]["result"]]
    values = [change["before"] for change in one["changes"]] + [one["changes"][-1]["after"]] if one["changes"] else []
    levels = [(x(a), x(b), y(value)) for a, b, value in zip(edges, edges[1:], values)]
    return {"line": " ".join(f"{a},{b}" for a, b in places), "levels": levels, "marks": marks, "dots": places[-1:]}
