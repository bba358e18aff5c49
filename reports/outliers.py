# SPDX-License-Identifier: GPL-2.0-only
"""Samples that lie far off their cell's median, and which accident did it."""

import stats

SHOWN = 2  # interruptions that differ most


def find(result):
    """The outliers of a Result, the farthest first: [{cell, seed, percent, alone, more}].

    percent: of per_page over the cell's median. alone: {accident: percent by which it alone moves per_page from what
    it does to the typical sample}, empty where it was not measured. more: what interrupted otherwise than in the
    typical sample, most time first: [{kind, name, count, sum}], both differences, sum in the clock's ns.
    """
    found = [_outlier(row) for rows in result.samples.values() for row in rows if row.get("outlier")]
    return sorted(found, key=lambda outlier: -abs(outlier["percent"]))


def _outlier(row):
    outlier = row["outlier"]
    here, typical = outlier.get("here") or {}, outlier.get("typical") or {}
    alone = {accident: stats.percent(figure, typical["alone"][accident])
             for accident, figure in (here.get("alone") or {}).items()
             if figure is not None and (typical.get("alone") or {}).get(accident) is not None}
    return {"cell": row["name"], "seed": row["seed"], "percent": outlier["percent"], "alone": alone,
            "more": _more(here.get("interruptions"), typical.get("interruptions"))}


def _more(here, typical):
    if here is None or typical is None:
        return []
    seen = {}
    for sign, side in ((1, here), (-1, typical)):
        for one in side:
            both = seen.setdefault((one["kind"], one["name"]), {"count": 0, "sum": 0})
            for key in both:
                both[key] += sign * one[key]
    more = [{"kind": kind, "name": name, **both} for (kind, name), both in seen.items() if both["sum"]]
    return sorted(more, key=lambda one: (-abs(one["sum"]), one["kind"], one["name"]))


def lines(outliers):
    """One line of text per outlier."""
    return [_line(outlier) for outlier in outliers]


def _line(outlier):
    parts = [f"{outlier['cell']} seed {outlier['seed']}: {outlier['percent']:+.2f} % of the median"]
    alone = [f"{name} {percent:+.2f} %" for name, percent in
             sorted(outlier["alone"].items(), key=lambda item: -abs(item[1]))]
    if alone:
        parts.append("alone " + ", ".join(alone))
    more = [f"{one['kind']} {one['name']} {one['count']:+d} times, {one['sum']:+d}" for one in outlier["more"][:SHOWN]]
    if more:
        parts.append("interrupted by " + ", ".join(more))
    if not alone and not more:
        parts.append("not explained: it was not measured again")
    return "; ".join(parts)
