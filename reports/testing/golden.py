#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What reports/ prints of real rows, kept as files: golden_test.py compares, `reports/testing/golden.py --update` writes
them anew. Read the difference before committing it.

testdata/example holds rows of a docs/example that was measured once and does not change with later ones, so that these
files move only when the code does.
"""

import copy
import html
import json
import os
import re
import sys

REPORTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, REPORTS)

# pylint: disable=wrong-import-position
import cells  # noqa: E402
import check  # noqa: E402
import claims  # noqa: E402
import compare  # noqa: E402
import compare_report  # noqa: E402
import compare_text  # noqa: E402
import explain  # noqa: E402
import figures  # noqa: E402
import gate  # noqa: E402
import inputs  # noqa: E402
import load  # noqa: E402
import mail  # noqa: E402
import metrics  # noqa: E402
import report  # noqa: E402
import report_text  # noqa: E402
import table  # noqa: E402
import trend  # noqa: E402

EXAMPLE = os.path.join(REPORTS, "testdata", "example")
GOLDEN = os.path.join(REPORTS, "testdata", "golden")
NAMES = ("result", "paced", "phases", "dos", "bystander", "unrelated")  # as tools/example gives them to the report


def _json(data):
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def changed(document, kernel=None):
    """A copy of a document as a later run may have left it: each third cell costs more, each fifth less, by 0.05 to 4 %,
    one is skipped, one is missing. kernel: (old, new) ids, to be of another kernel."""
    document = copy.deepcopy(document)
    if kernel:
        old, new = kernel
        document = json.loads(json.dumps(document).replace(f'"{old}"', f'"{new}"').replace(f'"{old}/', f'"{new}/'))
        for about in document["context"]["kernels"].values():
            about.update(release="6.12.5", vmlinuz_sha256="f" * 64, image_sha256="e" * 64)
    rows = document["benchmarks"]
    del rows[-1]
    for index, row in enumerate(rows):
        if row["status"] != "ok":
            continue
        factor = 1 + (0.0005, 0, 0.04, 0, -0.02)[index % 5]
        for key in ("per_page", "per_fault", "slowdown"):
            if row.get(key) is not None:
                row[key] *= factor
        for phase in row["phases"] or ():
            phase["net"] = None if phase["net"] is None else phase["net"] * factor
    rows[0].update(status="failed", reason="made up: it failed here")
    return document


def _document(name):
    with open(os.path.join(EXAMPLE, f"{name}.json"), encoding="utf-8") as file:
        return json.load(file)


def _told(document):
    """A copy of a document that says of its strategies what they promise, as later ones do."""
    with open(os.path.join(REPORTS, "testdata", "tables.json"), encoding="utf-8") as file:
        return {**document, "context": {**document["context"], "tables": json.load(file)}}


def _twice(document):
    """A copy of a document that has each row of fsync as one of msync too, a page of it dearer by 0.4 %, and none of volatile in holes."""
    document = copy.deepcopy(document)
    rows = [row for row in document["benchmarks"] if row["strategy"] != "volatile" or row["state"] != "hole"]
    for row in [row for row in rows if row["strategy"] == "fsync" and row["status"] == "ok"]:
        other = json.loads(json.dumps(row).replace("/fsync:", "/msync:"))
        rows.append({**other, "strategy": "msync", "per_page": row["per_page"] * 1.004})
    return {**document, "benchmarks": rows}


def _saved(folder, document, name):
    """The Result of a document by way of a file, called by its name alone."""
    path = os.path.join(folder, f"{name}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)
    result = load.load(path)
    result.path = f"{name}.json"
    return result


def _names(results):
    lines = []
    for name, result in results.items():
        lines += [f"{name}: rows", *result.every, f"{name}: cells in reading order",
                  *(cell.name for cell in cells.cells(result))]
    return "\n".join(lines) + "\n"


def _figures(made):
    """What is drawn: file, title, caption, rows, and the hover text of each mark."""
    lines = []
    for figure in made:
        lines += [f"{figure.kind}: {figure.slug}.png: {figure.title}", f"  {figure.caption}", *(
            f"  row {name}" for name in figure.rows)]
        for title in re.findall(r"<title>(.*?)</title>", figure.svg, flags=re.S):
            lines.append("  mark " + html.unescape(title).replace("\n", " | "))
    return "\n".join(lines) + "\n"


def _page(text):
    """The page without what is drawn and how it looks: a line an element."""
    text = re.sub(r"<(svg|style|script)\b.*?</\1>", "", text, flags=re.S)
    text = re.sub(r"<meta[^>]*Content-Security-Policy[^>]*>", "", text)
    return re.sub(r"\n\s*\n+", "\n", text)


def outputs(folder):
    """{name of the file: text}. folder: where files in between are written."""
    os.chdir(EXAMPLE)  # paths are printed as they were given
    results = {name: load.load(f"{name}.json") for name in NAMES}
    given = inputs.read([f"{name}.json" for name in NAMES])
    verdicts = claims.judge(given.result)
    made = {"names.txt": _names(results)}
    for name, result in results.items():
        made[f"table-{name}.txt"] = table.text(table.build(result), wide=True, journal=True)
    made["table.txt"] = table.text(table.build(given.result))
    made["table.json"] = _json(table.build(results["paced"]))
    made["claims.json"] = _json(claims.public(verdicts))
    made["to-decide.txt"] = "\n".join(claims.to_decide(given.result.context, verdicts, "more/claims")) + "\n"
    made["mail-report.txt"] = mail.of_report(given, verdicts)
    told = inputs.Inputs(_saved(folder, _told(_document("result")), "told"), [])
    made["table-told.txt"] = table.text(table.build(_saved(folder, _twice(_told(_document("result"))), "twice")))
    made["mail-report-told.txt"] = mail.of_report(told, claims.judge(told.result))
    made["report.txt"] = report_text.text(given, verdicts)
    made["report.csv"] = report_text.csv_text(given)
    made["check.txt"] = "\n".join(f"{verdict.verdict}: {verdict.rule.id}: {finding.text}" for verdict in
                                  check.check(given.result) for finding in verdict.findings) + "\n"
    itself = compare.compare(results["result"], load.load("result.json"), list(metrics.IDS))
    made["compare-itself.txt"] = compare_text.text(itself)
    later = _saved(folder, changed(_document("result")), "later")
    comparison = compare_report.build(results["result"], later, claims.judge(later))
    data = compare.compare(results["result"], later, list(metrics.IDS))
    made["report.md"] = report_text.markdown(given, verdicts, comparison)
    made["compare.txt"] = compare_text.text(data)
    made["compare-all.txt"] = compare_text.text(data, every=True)
    made["compare.json"] = _json(data)
    made["mail-compare.txt"] = mail.of_comparison(results["result"], later, data, ["--metric", "all"])
    made["compare.ktap"] = compare_text.ktap(data)
    made["gate.txt"] = "\n".join(gate.text(gate.gate(results["result"], later, data, single=1))) + "\n"
    contests = _saved(folder, changed(_document("dos")), "later-dos")
    made["compare-dos.txt"] = compare_text.text(compare.compare(results["dos"], contests))
    phases = _saved(folder, changed(_document("phases")), "later-phases")
    data = compare.compare(results["phases"], phases)
    made["explain.txt"] = explain.text(explain.explain(results["phases"], phases, data), data)
    other = _saved(folder, changed(_document("phases"), ("bookworm", "6.12")), "other-phases")
    pair = ("bookworm", "6.12")
    data = compare.compare(results["phases"], other, kernels=pair)
    made["compare-kernels.txt"] = compare_text.text(data)
    made["mail-compare-kernels.txt"] = mail.of_comparison(results["phases"], other, data, ["--kernels", "=".join(pair)])
    made["explain-kernels.txt"] = explain.text(explain.explain(results["phases"], other, data), data)
    chosen = metrics.choose(["per_page", "slowdown"])
    other_dos = _saved(folder, changed(_document("dos"), pair), "other-dos")
    points = trend.points_of_results([results["phases"], other, results["dos"], other_dos], chosen)
    made["trend.txt"] = trend.text(trend.build(points, chosen))
    drawn = figures.figures(given.result)
    made["figures.txt"] = _figures(drawn)
    made["page.html"] = _page(report.page(given, drawn, verdicts, comparison))
    return made


def main():
    """Print what differs; with --update write it."""
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        made = outputs(folder)
    update = sys.argv[1:] == ["--update"]
    os.makedirs(GOLDEN, exist_ok=True)
    for name in set(os.listdir(GOLDEN)) - set(made) if update else ():
        os.unlink(os.path.join(GOLDEN, name))
    differing = []
    for name, text in made.items():
        path = os.path.join(GOLDEN, name)
        known = open(path, encoding="utf-8").read() if os.path.exists(path) else None
        if known != text:
            differing.append(name)
            if update:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
    print(*(f"{'written' if update else 'differs'}: {name}" for name in differing), sep="\n")
    return 0 if update or not differing else 1


if __name__ == "__main__":
    sys.exit(main())
