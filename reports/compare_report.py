# SPDX-License-Identifier: GPL-2.0-only
"""What changed between two results, as it stands at the top of the later one's report."""

import claims
import compare
import compare_text
from number import counted

SHOWN = 200  # rows on the page; `faultline compare` has all


def build(before, after, verdicts, kernels=None):
    """The comparison of two Results for the page: {data, lines, rows, claims}. verdicts: of the later one. kernels: as
    compare.compare takes them.

    rows: those that changed, the worst first; `metric` names all figures of the cell that say the same, and of how many samples
    one is that only some have. lines: counts, floors, and what keeps the two from being compared, in words."""
    data = compare.compare(before, after, kernels=kernels)
    rank = {compare.WORSE: 0, compare.BETTER: 1, compare.UNCLEAR: 2, compare.DIFFERS: 3, compare.NO_FLOOR: 4}
    changed = sorted(((row, labels) for row, labels in compare.folded(data["rows"]) if row["verdict"] in rank),
                     key=lambda told: (rank[told[0]["verdict"]], -abs(told[0]["percent"])))
    rows = [{**row, "metric": ", ".join([row["metric"] + compare_text.partial([row]), *labels]),
             "percent": compare_text.percent(row["percent"]), "interval": compare_text.interval(row)}
            for row, labels in changed[:SHOWN]]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in data["counts"].items() if count)
    lines = [f"{compare_text.figures_of_cells(data['rows'])} compared: {counts or 'none'}."]
    if data["rows"]:
        floors = compare_text.floors(data["rows"])
        lines.append(f"{floors[0].upper()}{floors[1:]}.")
    if len(changed) > SHOWN:
        lines.append(f"The first {SHOWN} of {len(changed)} that changed are shown; `faultline compare` prints all.")
    surroundings = [entry["field"] for entry in data["environment"] if entry["weight"] == compare.SURROUNDINGS]
    if surroundings:
        lines.append(f"Not the same surroundings: the two differ in {', '.join(surroundings)}.")
    subject = [entry["field"] for entry in data["environment"] if entry["weight"] == compare.SUBJECT]
    if subject:
        lines.append(f"Under test: the two differ in {', '.join(subject)}.")
    lines += [f"{note[0].upper()}{note[1:]}." for entry in data["environment"]
              for note in compare.config_notes(entry, ("before", "after"))]
    for side, names in (("before", data["only_a"]), ("after", data["only_b"])):
        if names:
            lines.append(f"Only {side}: {counted(len(names), 'cell')}, such as {names[0]}.")
    for line in filter(None, (data["paired"], data["hint"])):
        lines.append(f"{line[0].upper()}{line[1:]}.")
    decided, unmeasured = _claims((before, after), (claims.judge(before), verdicts), data["kernels"])
    if unmeasured:
        lines.append(f"{counted(unmeasured, 'case')} of the claims {'is' if unmeasured == 1 else 'are'} decided on one side alone: "
                     f"the other has not measured {'its' if unmeasured == 1 else 'their'} cells.")
    return {"data": data, "lines": lines, "rows": rows, "claims": decided}


def _claims(results, verdicts, kernels):
    """(the verdicts that changed, how many more would have but for cells that one side has not measured); of a pair of
    kernels, from that of the one to that of the other."""
    def key(one, side):
        kernel = one["kernel"]
        if kernels:
            kernel = compare.joined(kernels) if kernel == kernels[side] else None
        return one["id"], one["case"], kernel, one["fs"]
    # A cell that failed, or was skipped, was asked for: what it leaves open is a change.
    failed = [{row["cell"] for row in result.rows.values() if row["status"] != "ok"} for result in results]
    old = {key(one, 0): one for one in verdicts[0] if key(one, 0)[2]}
    pairs = [(old[key(one, 1)], one) for one in verdicts[1]
             if key(one, 1) in old and old[key(one, 1)]["verdict"] != one["verdict"]]
    measured = [pair for pair in pairs if not any(set(one["missing"]) - cells for one, cells in zip(pair, failed))]
    return [{"id": b["id"], "case": b["case"], "kernel": key(b, 1)[2], "fs": b["fs"], "before": a["verdict"],
             "after": b["verdict"]} for a, b in measured], len(pairs) - len(measured)


def text(comparison, width):
    """Lines for a mail. A path stays whole, however long it is."""
    import textwrap
    found = [line for text_ in comparison["lines"] for line in
             textwrap.wrap(text_, width, break_on_hyphens=False, break_long_words=False)]
    for row in comparison["rows"]:
        found += textwrap.wrap(f"{row['verdict']}: {row['cell']} {row['metric']}: {row['percent']} "
                               f"{'points' if row['share'] else '%'} {row['interval']}", width, initial_indent="  ",
                               subsequent_indent="    ", break_on_hyphens=False)
    for one in comparison["claims"]:
        found += textwrap.wrap(f"{one['id']} {one['case']} {one['kernel']} {one['fs']}: {one['before']} -> {one['after']}",
                               width, initial_indent="  ", subsequent_indent="    ")
    return found
