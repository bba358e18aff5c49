# SPDX-License-Identifier: GPL-2.0-only
"""A result in the formats of CI systems: a test a cell. `faultline export` (cli/export.cc) calls this for those that are of
a result; those that are of samples are its own."""

import fnmatch
import json
import re
from dataclasses import dataclass
from xml.etree import ElementTree

import canonical
import cells
import load
from load import ReportError, plain

PASS, FAIL, ERROR, SKIP = "PASS", "FAIL", "ERROR", "SKIP"
# What the status of a cell is to a CI system.
STATUSES = {"ok": PASS, "failed": FAIL, "incomplete": ERROR, "skipped": SKIP}
LAVA = {PASS: "pass", FAIL: "fail", ERROR: "unknown", SKIP: "skip"}
JUNIT = {FAIL: "failure", ERROR: "error", SKIP: "skipped"}
SHOWN = 5  # names of cells in an error
ORIGIN = "faultline"
KCIDB_VERSION = {"major": 5, "minor": 3}
FIGURES = ("per_page", "per_fault", "slowdown")


@dataclass
class Case:
    """A cell as a test. name: the cell's; status: one of those above; reason: of one that did not pass, else empty; value:
    per_page in `unit`, None unless it passed; row: the one whose figures are shown; samples: all of them."""

    name: str
    status: str
    reason: str
    value: object
    unit: str
    row: dict
    samples: list


def cases(result, pattern=None):
    """[Case] of a Result, in the order of its tables. pattern: names and globs, separated by commas. ReportError when it
    matches no cell."""
    found = []
    patterns = [one for one in (pattern or "*").split(",") if one]
    for cell in cells.cells(result):
        if not any(fnmatch.fnmatchcase(cell.name, one) for one in patterns):
            continue
        status = cells.status(cell)
        row = next((row for row in cell.rows if row["status"] == status), cell.any)
        ok = status == "ok"
        found.append(Case(cell.name, STATUSES[status], "" if ok else plain(row["reason"]), row["per_page"] if ok else None,
                          row["unit"], row, result.samples[row["name"]]))
    if not found:
        names = list(dict.fromkeys(row["cell"] for row in result.rows.values()))
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise ReportError(f"--cell: no cell matches {pattern!r}; there is: {', '.join(names[:SHOWN])}{more}" if names else
                          f"{result.path}: holds no cell: run the measurement again")
    return found


def kcidb(result, tests, origin):
    """The text of a KCIDB submission, schema 5.3: a checkout and a build for each kernel, a test for each Case. What is
    tested is a kernel's image, so one image has one id, whoever measures it and when; a test's id is of the result's hash."""
    context = result.context
    kernels = list(dict.fromkeys(test.row["kernel"] for test in tests))
    ids = {name: f"{origin}:{_image(name, context['kernels'].get(name) or {})}" for name in kernels}
    run = canonical.digest(result)
    document = {"version": KCIDB_VERSION, "checkouts": [], "builds": [], "tests": []}
    for name in kernels:
        about = context["kernels"].get(name) or {}
        known = {key: about[key] for key in ("release", "version", "package", "vmlinuz_sha256", "config_sha256") if about.get(key)}
        comment = plain(about.get("package") or about.get("version") or about.get("release") or name)
        document["checkouts"].append({"id": ids[name], "origin": origin, "comment": comment, "valid": True})
        document["builds"].append({"id": ids[name], "checkout_id": ids[name], "origin": origin, "comment": comment,
                                   "status": PASS, "misc": known})
    for test in tests:
        document["tests"].append(_kcidb_test(test, result, origin, ids[test.row["kernel"]], run))
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _image(name, about):
    """What identifies the kernel that was tested."""
    return f"{plain(name)}:{about.get('vmlinuz_sha256') or plain(about.get('release') or '')}"


def _kcidb_test(test, result, origin, build, run):
    context, row = result.context, test.row
    qemu = context["qemu"]
    figures = {key: row[key] for key in FIGURES if row.get(key) is not None} if test.value is not None else {}
    found = {
        "id": f"{origin}:{run}:{plain(test.name)}", "origin": origin, "build_id": build,
        "path": "faultline." + re.sub(r"[^A-Za-z0-9_/-]", "_", _beyond_kernel(test)).replace("/", "."),
        "status": test.status, "start_time": context["date"],
        "environment": {"comment": plain(f"{qemu['version']}, {context['accel']}" if qemu else context["host"]["cpu_model"]),
                        "misc": {"accel": context["accel"], "time_domain": context["time_domain"],
                                 "faultline": context["faultline"]}},
        "misc": {"cell": {key: row[key] for key in result.axes if row.get(key) is not None}, "figures": figures,
                 "samples": len(test.samples)}}
    if test.reason:
        found["comment"] = test.reason
    if test.value is not None:
        # A prefix is for a unit that has none: `18.2 Kinstr`, but ns stay ns.
        found["number"] = {"value": test.value, "unit": test.unit, **({"prefix": "metric"} if test.unit == "instr" else {})}
        per_page = [one["per_page"] for one in test.samples]
        found["misc"].update(least=min(per_page), greatest=max(per_page))
    return found


def _beyond_kernel(test):
    return load.beyond_kernel(test.name, test.row["kernel"])


def lava(_result, tests, _origin):
    """The text of LAVA's signals, a line a Case: what `lava-test-case` would print. Ids hold neither blanks nor `=`, and
    none is there twice, which LAVA refuses."""
    lines, seen = [], {}
    for test in tests:
        name = re.sub(r"[^A-Za-z0-9._:+-]", "_", test.name.replace("/", "."))
        seen[name] = seen.get(name, 0) + 1
        name += f".{seen[name]}" if seen[name] > 1 else ""
        figure = f" MEASUREMENT={canonical.number(test.value)} UNITS={test.unit}" if test.value is not None else ""
        lines.append(f"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID={name} RESULT={LAVA[test.status]}{figure}>\n")
    return "".join(lines)


def junit(result, tests, _origin):
    """The text of a JUnit XML file: a test suite for each kernel and file system, a test case for each Case, its figure in
    `system-out`. A case has no `time`: what it took is not its figure."""
    context = result.context
    root = ElementTree.Element("testsuites", name="faultline", time=str(context["elapsed_s"]), **_counts(tests))
    suites = {}
    for test in tests:
        suites.setdefault((test.row["kernel"], test.row["fs"]), []).append(test)
    for (kernel, fs), its in suites.items():
        name = plain(f"{kernel}/{fs}")
        suite = ElementTree.SubElement(root, "testsuite", name=name, timestamp=context["date"][:19], **_counts(its),
                                       skipped=str(sum(test.status == SKIP for test in its)))
        properties = ElementTree.SubElement(suite, "properties")
        about = context["kernels"].get(kernel) or {}
        for key, value in (("release", about.get("release")), ("package", about.get("package")), ("accel", context["accel"]),
                           ("qemu", (context["qemu"] or {}).get("version")), ("faultline", context["faultline"]["git_revision"])):
            if value:
                ElementTree.SubElement(properties, "property", name=key, value=plain(value))
        for test in its:
            case = ElementTree.SubElement(suite, "testcase", classname=name.replace("/", "."),
                                          name=plain(_beyond_kernel(test)[len(fs) + 1:]))
            if test.status in JUNIT:
                ElementTree.SubElement(case, JUNIT[test.status], message=test.reason)
            if test.value is not None:
                ElementTree.SubElement(case, "system-out").text = f"per_page {canonical.number(test.value)} {test.unit}"
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _counts(tests):
    return {"tests": str(len(tests)), "failures": str(sum(test.status == FAIL for test in tests)),
            "errors": str(sum(test.status == ERROR for test in tests))}


# The rows of trace_formats() in trace/trace_format.cc that are of a result: id, what it is, who writes it. A test compares.
FORMATS = {
    "kcidb": ("a submission to KCIDB, schema 5.3: a test per cell", kcidb),
    "lava": ("LAVA's test case signals, a line per cell", lava),
    "junit": ("JUnit XML, a test case per cell", junit),
}


def write(result, to, pattern=None, origin=ORIGIN):
    """(text, [Case]) of a Result in a format of FORMATS. ReportError for an origin that KCIDB would not take, or a
    pattern that matches nothing."""
    if not re.fullmatch("[a-z0-9_]+", origin):
        raise ReportError(f"--origin: {origin!r} is no name for KCIDB: small letters, digits and _")
    tests = cases(result, pattern)
    return FORMATS[to][1](result, tests, origin), tests
