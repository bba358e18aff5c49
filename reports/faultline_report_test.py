# SPDX-License-Identifier: GPL-2.0-only
"""The verbs as the user's command runs them: output, exit codes, and no trace whatever happens."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import faultline_report

SCRIPT = faultline_report.__file__


def run(*arguments, **kwargs):
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=120,
                          check=False, **kwargs)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def one(synthetic):
    return synthetic.save(synthetic.document(synthetic.pair()), "one")


@pytest.mark.parametrize("arguments", [
    (), ("table",), ("report", "x"), ("report", "x", "--out", "y", "--text", "--json"), ("identical", "x"),
    ("check",), ("dance",), ("table", "x", "--colour")])
def test_usage_is_exit_2(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and "usage: faultline" in done.stderr and done.stdout == ""


def test_help_is_exit_0():
    for arguments in (("--help",), ("table", "--help"), ("report", "--help"), ("identical", "-h"), ("check", "-h")):
        assert run(*arguments).returncode == 0


@pytest.mark.parametrize("verb", [("table",), ("check",), ("report", "--out", "OUT"), ("identical", "ONE")])
def test_a_bad_result_is_one_line_and_exit_2(synthetic, one, tmp_path, verb):
    words = [{"OUT": str(tmp_path / "out"), "ONE": one}.get(word, word) for word in verb]
    bad = synthetic.save("{\"context\"", "bad")
    done = run(*words, bad)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("faultline: ") and bad in done.stderr
    assert not (tmp_path / "out").exists()


def test_table(one):
    done = run("table", one)
    assert done.returncode == 0 and done.stderr == ""
    assert "volatile  written       5150      5150   1.00  +497        0.000" in done.stdout
    data = json.loads(run("table", one, "--json").stdout)
    assert data["sections"][0]["rows"][0]["tax"] == 497


def test_merging_notes_go_to_stderr(synthetic, one):
    other = synthetic.save(synthetic.document([synthetic.row("map_sync")], qemu={
        "version": "9.0", "binary_sha256": "a" * 64, "arguments": {}}))
    done = run("table", one, other, "--json")
    assert done.returncode == 0
    assert done.stderr == (f"faultline: note: {one} and {other} differ in qemu.version: "
                           "their rows are of different environments\n")
    assert len(json.loads(done.stdout)["notes"]) == 1


def test_virtual_and_wall_are_never_mixed(synthetic, one):
    wall = synthetic.save(synthetic.wall(synthetic.document(synthetic.pair())))
    for verb in (("table",), ("check",), ("identical",), ("report", "--out", one + "-out")):
        done = run(*verb, one, wall)
        assert done.returncode == 2 and "never mixed" in done.stderr and done.stdout == ""


def test_report_prints_the_paths_it_wrote(one, tmp_path):
    out = str(tmp_path / "out")
    done = run("report", one, "--out", out)
    assert done.returncode == 0 and done.stderr == ""
    paths = done.stdout.splitlines()
    assert paths[-1] == os.path.join(out, "report.html") and all(map(os.path.isfile, paths)) and len(paths) == 3
    text = run("report", one, "--out", out, "--text").stdout
    assert text == run("table", one).stdout + "\n" + done.stdout
    data = json.loads(run("report", one, "--out", out, "--json").stdout)
    assert data["written"] == paths and data["table"]["cells"]["ok"] == 1


def test_report_into_a_place_that_is_no_folder(one):
    done = run("report", one, "--out", os.path.join(one, "result.json"))
    assert done.returncode == 2 and "cannot be written to" in done.stderr and done.stderr.count("\n") == 1


def test_identical(synthetic, one):
    assert run("identical", one, one).stdout == "2 of 2 rows have identical figures\n"
    off, on = synthetic.pair()
    on["probe"]["fault"]["sum"] += 1
    other = synthetic.save(synthetic.document([off, on, synthetic.row("map_sync")]))
    done = run("identical", one, other)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "1 of 2 rows have identical figures"
    assert lines[1] == ("6.1/ext4/volatile/first_touch/written/pte/t1/on: probe.fault.sum: "
                        f"{on['probe']['fault']['sum'] - 1} and {on['probe']['fault']['sum']}")
    assert lines[2] == f"not compared: 1 rows are only in {other}"
    data = json.loads(run("identical", one, other, "--json").stdout)
    assert (data["compared"], data["identical"], data["share"], data["differences"][0]["field"]) == (
        2, 1, 0.5, "probe.fault.sum")


def test_identical_without_a_common_ok_cell_is_exit_2(synthetic, one):
    other = synthetic.save(synthetic.document([synthetic.row("map_sync")]))
    failed = synthetic.save(synthetic.document([synthetic.skip(row, "hung", "failed") for row in synthetic.pair()]))
    empty = synthetic.save(synthetic.document([]))
    for b in (other, failed, empty):
        done = run("identical", one, b)
        assert done.returncode == 2 and "nothing to compare" in done.stderr
    assert run("identical", empty, empty).returncode == 2


def test_identical_lists_a_status_that_changed(synthetic, one):
    off, on = synthetic.pair()
    other = synthetic.save(synthetic.document([off, synthetic.skip(on, "3 dropped", "incomplete")]))
    done = run("identical", one, other)
    assert done.returncode == 1 and '/on: status: "ok" and "incomplete"' in done.stdout


def test_check(synthetic, one):
    done = run("check", one)
    assert done.returncode == 0 and "2 pass, 0 FAIL, 9 not measured" in done.stdout
    assert "not measured: map-sync-hole" in done.stdout and "needs: map_sync and volatile, hole" in done.stdout
    bad = synthetic.save(synthetic.document([synthetic.row(faults=2047)]))
    done = run("check", bad)
    assert done.returncode == 1 and "FAIL: faults-are-touches" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    data = json.loads(run("check", bad, "--json").stdout)
    assert data["counts"] == {"pass": 1, "FAIL": 1, "not measured": 9}
    starved = run("check", synthetic.save(synthetic.document([])))
    assert starved.returncode == 2 and "0 pass, 0 FAIL, 11 not measured" in starved.stdout


def test_check_says_that_the_run_is_incomplete(synthetic):
    part = synthetic.save(synthetic.document([synthetic.row()], complete=False, reason="interrupted"))
    assert "the run is INCOMPLETE: interrupted" in run("check", part).stdout


def test_a_reader_that_leaves_early(one):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([sys.executable, SCRIPT, "table", one], stdout=writer, stderr=subprocess.PIPE, text=True,
                              check=False)
    finally:
        os.close(writer)
    assert done.returncode == 141 and done.stderr == ""


@pytest.mark.skipif(not pathlib.Path("/dev/full").is_char_device(), reason="/dev/full is no device here")
def test_no_space_on_stdout(one):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, SCRIPT, "table", one], stdout=full, stderr=subprocess.PIPE, text=True,
                              check=False)
    assert done.returncode == 2 and done.stderr == "faultline: no space left to write to: free some and try again\n"


def test_control_c(tmp_path):
    fifo = tmp_path / "result.json"  # a result that never comes
    os.mkfifo(fifo)
    child = subprocess.Popen([sys.executable, SCRIPT, "table", str(tmp_path)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    writer = None
    try:
        for _ in range(600):
            try:
                writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)  # works once the child reads
                break
            except OSError:
                time.sleep(0.05)
        assert writer is not None
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    finally:
        child.kill()
        if writer is not None:
            os.close(writer)
    assert (child.returncode, out, err) == (130, "", "")


def test_a_defect_is_one_line_unless_debugging(one, monkeypatch, capsys):
    import table

    def defect(_):
        raise KeyError("what\nnow")

    monkeypatch.setattr(table, "build", defect)
    monkeypatch.delenv("FAULTLINE_DEBUG", raising=False)
    assert faultline_report.main(["table", one]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "KeyError" in error and "FAULTLINE_DEBUG=1" in error
    monkeypatch.setenv("FAULTLINE_DEBUG", "1")
    with pytest.raises(KeyError):
        faultline_report.main(["table", one])


def test_a_locale_without_the_letter(synthetic):
    odd = synthetic.save(synthetic.document([synthetic.row(kernel="größer-日本")]))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run("table", odd, env=environment)
    assert done.returncode == 0 and "gr\\xf6\\xdfer" in done.stdout
