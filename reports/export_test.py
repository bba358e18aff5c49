# SPDX-License-Identifier: GPL-2.0-only
"""A result in the formats of CI systems: each keeps to its schema, and says what the result says."""

import decimal
import json
import os
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import canonical
import export
import faultline_report
import load
import schema

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "testdata", "example")
NAMES = ("result", "dos", "phases", "paced", "unrelated", "bystander")


@pytest.fixture
def result(synthetic):
    """A cell of each status: five seeds that are ok, skipped, failed with a reason that needs care, lossy; and wall text."""
    rows = synthetic.samples(synthetic.pair("map_sync"), [1, 1.5, 2, 0.5, 4])
    rows += [synthetic.skip(synthetic.row("msync", 1)),
             synthetic.skip(synthetic.row("fsync", 8), "the kernel warned: <WARNING> & \"x\"\x1b[31m]]>", "failed"),
             synthetic.skip(synthetic.row("fsync", 64), "3 records dropped", "incomplete"),
             synthetic.row("fsync", 512, status="incomplete", reason="1 record dropped"),  # what it measured is there
             synthetic.row(fs="xfs", per_page=1e-7, real_time=1e-7)]
    return synthetic.load(rows)


CELL = "6.1/ext4/map_sync/first_touch/written/pte/t1"


def kcidb_of(result, **options):
    text, _ = export.write(result, "kcidb", **options)
    document = json.loads(text)
    assert schema.problem("kcidb", document) is None
    return document


def lava_of(result, **options):
    """The lines as LAVA's dispatcher reads them: words, each split at `=` into two; known results; a decimal figure;
    no id twice."""
    text, _ = export.write(result, "lava", **options)
    found = {}
    for line in text.splitlines():
        data = {}
        for word in re.fullmatch(r"<LAVA_SIGNAL_TESTCASE (.*)>", line)[1].split():
            key, value = word.split("=")
            data[key.lower()] = value
        if "measurement" in data:
            data["measurement"] = float(decimal.Decimal(data["measurement"]))
        assert data["result"] in ("pass", "fail", "skip", "unknown")
        name = data.pop("test_case_id")
        assert name not in found and not re.search(r"[\s/=<>]", name)
        found[name] = data
    return found


def junit_of(result, tmp_path, **options):
    text, _ = export.write(result, "junit", **options)
    path = tmp_path / "junit.xml"
    path.write_text(text, encoding="utf-8")
    if not shutil.which("xmllint"):
        pytest.skip("no xmllint: install package libxml2-utils")
    done = subprocess.run(["xmllint", "--noout", "--schema", os.path.join(HERE, "testing", "junit.xsd"), path],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return ElementTree.fromstring(text)


@pytest.mark.parametrize("name", NAMES)
def test_each_format_keeps_to_its_schema_and_has_each_cell(name, tmp_path):
    result = load.load(os.path.join(EXAMPLES, f"{name}.json"))
    names = {row["cell"] for row in result.rows.values()}
    tests = kcidb_of(result)["tests"]
    assert {test["id"].split(":", 2)[2] for test in tests} == names and len(tests) == len(names)
    assert {lava for lava in lava_of(result)} == {name.replace("/", ".") for name in names}
    root = junit_of(result, tmp_path)
    assert int(root.get("tests")) == len(names) == len(root.findall("testsuite/testcase"))
    figures = {test["id"].split(":", 2)[2]: test["number"]["value"] for test in tests if "number" in test}
    twins = {row["cell"]: row["per_page"] for row in result.rows.values() if row["probes"] == "off" and row["status"] == "ok"}
    assert figures == twins and figures
    assert {name: one["measurement"] for name, one in lava_of(result).items() if "measurement" in one} == {
        name.replace("/", "."): value for name, value in twins.items()}


def test_kcidb(result):
    document = kcidb_of(result)
    image = "faultline:6.1:" + "b" * 64
    assert document["version"] == {"major": 5, "minor": 3}
    assert document["checkouts"] == [{"id": image, "origin": "faultline", "comment": "linux-image-synthetic", "valid": True}]
    assert document["builds"] == [{
        "id": image, "checkout_id": image, "origin": "faultline", "comment": "linux-image-synthetic", "status": "PASS", "misc": {
            "release": "6.1.0-synthetic", "version": "#1 SMP", "package": "linux-image-synthetic", "vmlinuz_sha256": "b" * 64,
            "config_sha256": "c" * 64}}]
    tests = {test["path"]: test for test in document["tests"]}
    passed = tests["faultline.ext4.map_sync.first_touch.written.pte.t1"]
    assert passed["id"] == f"faultline:{canonical.digest(result)}:{CELL}" and passed["build_id"] == image
    assert passed["status"] == "PASS" and "comment" not in passed
    # The median of 1, 1.5, 2, 0.5 and 4 times what it costs; all rows have it as their own.
    assert passed["number"] == {"value": 1.5 * 5230, "unit": "instr", "prefix": "metric"}
    assert passed["misc"]["figures"] == {"per_page": 1.5 * 5230, "per_fault": 1.5 * 5161}
    assert (passed["misc"]["samples"], passed["misc"]["least"], passed["misc"]["greatest"]) == (5, 2615, 20920)
    assert passed["misc"]["cell"] == {"kernel": "6.1", "fs": "ext4", "strategy": "map_sync", "workload": "first_touch",
                                      "state": "written", "order": "pte", "threads": 1}
    assert passed["start_time"] == "2020-01-01T00:00:02+00:00"
    assert passed["environment"]["comment"] == "7.2.0, tcg-icount"
    other = {path.split(".")[2]: (test["status"], test.get("comment"), "number" in test) for path, test in tests.items()
             if "ext4" in path}
    assert other == {"map_sync": ("PASS", None, True), "msync_1": ("SKIP", "the kernel has no such strategy", False),
                     "fsync_8": ("FAIL", 'the kernel warned: <WARNING> & "x"\\x1b[31m]]>', False),
                     "fsync_64": ("ERROR", "3 records dropped", False), "fsync_512": ("ERROR", "1 record dropped", False)}


def test_kcidb_of_another_origin(result):
    document = kcidb_of(result, origin="my_ci")
    assert {one["origin"] for part in ("checkouts", "builds", "tests") for one in document[part]} == {"my_ci"}
    assert all(test["id"].startswith("my_ci:") and test["build_id"] == document["builds"][0]["id"] for test in document["tests"])
    for origin in ("My", "a-b", "", "a:b"):
        with pytest.raises(load.ReportError, match="--origin: .* is no name for KCIDB: small letters, digits and _"):
            export.write(result, "kcidb", origin=origin)


def test_in_wall_time_and_on_the_host(synthetic):
    import conftest
    host = load.load(synthetic.save(conftest.to_host(synthetic.document(synthetic.samples([synthetic.row()], [1] * 3, True)))))
    found = kcidb_of(host)["tests"][0]
    assert found["number"] == {"value": 5150, "unit": "ns"}  # no prefix: ns has one
    assert found["environment"]["comment"] == "Synthetic CPU"
    assert lava_of(host)["6.1.ext4.volatile.first_touch.written.pte.t1"]["units"] == "ns"


def test_a_contest_has_its_slowdown(synthetic):
    test = kcidb_of(synthetic.load([synthetic.contest()]))["tests"][0]
    assert test["misc"]["figures"]["slowdown"] == 1.5 and test["path"].endswith(".t1.utimens.a1.deterministic")


def test_lava(result):
    assert export.write(result, "lava", pattern=CELL)[0] == (
        "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=6.1.ext4.map_sync.first_touch.written.pte.t1 RESULT=pass MEASUREMENT=7845 UNITS=instr>\n")
    found = lava_of(result)
    assert {name.split(".")[3]: data for name, data in found.items() if "xfs" not in name} == {
        "map_sync": {"result": "pass", "measurement": 7845, "units": "instr"}, "msync:1": {"result": "skip"},
        "fsync:8": {"result": "fail"}, "fsync:64": {"result": "unknown"}, "fsync:512": {"result": "unknown"}}
    assert found["6.1.xfs.volatile.first_touch.written.pte.t1"]["measurement"] == 1e-7


def test_lava_refuses_an_id_that_is_there_twice(synthetic):
    rows = [synthetic.row(kernel=kernel) for kernel in ("a/b", "a.b", "a b=<c>")]
    context = synthetic.context()["kernels"]["6.1"]
    result = synthetic.load(rows, kernels={row["kernel"]: context for row in rows})
    assert sorted(lava_of(result)) == ["a.b.ext4.volatile.first_touch.written.pte.t1",
                                       "a.b.ext4.volatile.first_touch.written.pte.t1.2",
                                       "a_b__c_.ext4.volatile.first_touch.written.pte.t1"]
    assert len(kcidb_of(result)["tests"]) == 3


def test_junit(result, tmp_path):
    root = junit_of(result, tmp_path)
    assert root.attrib == {"name": "faultline", "time": "41.5", "tests": "6", "failures": "1", "errors": "2"}
    ext4, xfs = root
    assert ext4.attrib == {"name": "6.1/ext4", "timestamp": "2020-01-01T00:00:02", "tests": "5", "failures": "1", "errors": "2",
                           "skipped": "1"}
    assert (xfs.get("name"), xfs.get("tests"), xfs.get("failures")) == ("6.1/xfs", "1", "0")
    said = {one.get("name"): value for one, value in ((one, one.get("value")) for one in ext4.find("properties"))}
    assert said == {"release": "6.1.0-synthetic", "package": "linux-image-synthetic", "accel": "tcg-icount", "qemu": "7.2.0",
                    "faultline": "0123456789abcdef"}
    cases = {case.get("name"): [(part.tag, part.get("message"), part.text) for part in case] for case in ext4.findall("testcase")}
    assert cases == {"map_sync/first_touch/written/pte/t1": [("system-out", None, "per_page 7845 instr")],
                     "msync:1/first_touch/written/pte/t1": [("skipped", "the kernel has no such strategy", None)],
                     "fsync:8/first_touch/written/pte/t1": [("failure", 'the kernel warned: <WARNING> & "x"\\x1b[31m]]>', None)],
                     "fsync:64/first_touch/written/pte/t1": [("error", "3 records dropped", None)],
                     "fsync:512/first_touch/written/pte/t1": [("error", "1 record dropped", None)]}
    assert {case.get("classname") for case in ext4.findall("testcase")} == {"6.1.ext4"}


def test_one_bad_seed_fails_the_cell(synthetic):
    rows = synthetic.samples(synthetic.pair(), [1, 1, 1])
    rows[4].update(status="failed", reason="seed 1, with probes")
    test, = kcidb_of(synthetic.load(rows))["tests"]
    assert (test["status"], test["comment"]) == ("FAIL", "seed 1, with probes")
    probes_missing = [synthetic.row(), synthetic.skip(synthetic.row(probes="on"), "no probes here")]
    test, = kcidb_of(synthetic.load(probes_missing))["tests"]
    assert test["status"] == "PASS" and test["number"]["value"] == 5150


def test_cells_by_name(result):
    def taken(pattern):
        return [test.name.split("/")[2] for test in export.cases(result, pattern)]
    assert taken("*/map_sync/*,*fsync:8*") == ["fsync:8", "map_sync"]
    assert len(taken(None)) == 6 and taken("*/xfs/*") == ["volatile"]
    with pytest.raises(load.ReportError, match="--cell: no cell matches 'x'; there is: 6.1/ext4/map_sync/first.* and 1 more"):
        export.cases(result, "x")


def run(*arguments):
    done = subprocess.run([sys.executable, "-I", faultline_report.__file__, "export", *arguments], capture_output=True, text=True,
                          timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_the_verb(synthetic, tmp_path):
    folder = synthetic.save(synthetic.document(synthetic.pair()))
    out = str(tmp_path / "out.txt")
    done = run(folder, "--to", "lava", "--out", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"1 cell, 1 PASS: {out}\n")
    with open(out, encoding="utf-8") as file:
        text = file.read()
    assert run(folder, "--to", "lava", "--out", "-").stdout == text == run(folder, "--to", "lava", "--out", "/dev/stdout").stdout
    about = json.loads(run(folder, "--to", "kcidb", "--out", out, "--origin", "ci", "--json").stdout)
    assert about == {"format": "kcidb", "out": out, "bytes": os.path.getsize(out), "cells": 1,
                     "counts": {"PASS": 1, "FAIL": 0, "ERROR": 0, "SKIP": 0}}
    done = run(folder, "--to", "tap", "--out", out)
    assert done.returncode == 2
    assert done.stderr == "faultline: --to: no format is called 'tap'; there is: kcidb, lava, junit\n"
    done = run(folder, "--to", "junit", "--out", str(tmp_path / "no" / "out"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and str(tmp_path / "no" / "out") in done.stderr
    assert run(str(tmp_path), "--to", "junit", "--out", out).returncode == 2


COMMAND = os.path.join(HERE, "..", os.environ.get("FAULTLINE_BUILD", "build"), "faultline")


@pytest.mark.skipif(not os.path.exists(COMMAND), reason="the command is not built")
def test_the_command_hands_on_what_is_of_a_result(synthetic, tmp_path):
    folder = synthetic.save(synthetic.document([*synthetic.pair(), synthetic.row(fs="xfs")]))
    out = tmp_path / "out"

    def command(to, *more):
        return subprocess.run([COMMAND, "export", "--to", to, folder, "--out", str(out), *more], capture_output=True, text=True,
                              timeout=120, check=False)
    for to in export.FORMATS:
        done = command(to, "--json")
        assert (done.returncode, done.stderr) == (0, "") and json.loads(done.stdout)["cells"] == 2
        assert out.read_text() == export.write(load.load(folder), to)[0]
    done = command("kcidb", "--cell", "*/xfs/*", "--origin", "my_ci")
    assert done.returncode == 0 and done.stderr == f"1 cell, 1 PASS: {out}\n"
    assert [test["origin"] for test in json.loads(out.read_text())["tests"]] == ["my_ci"]
    done = command("junit", "--cell", "no")
    assert done.returncode == 2 and done.stderr.startswith("faultline: --cell: no cell matches 'no'; there is: 6.1/ext4")


def test_the_command_lists_the_same_formats():
    path = os.path.join(HERE, "..", "trace", "trace_format.cc")
    if not os.path.exists(path):
        pytest.skip("trace/ is not beside reports/")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    rows = re.findall(r'\.id = "([\w-]+)",\s+\.summary = "([^"]*)",\s+\.make = nullptr\}', text)
    assert rows == [(name, summary) for name, (summary, _) in export.FORMATS.items()]
