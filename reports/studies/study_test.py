# SPDX-License-Identifier: GPL-2.0-only
import json
import os
import subprocess

import pytest

import conftest
import load
import study

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools")
BESIDE = pytest.mark.skipif(not os.path.isdir(TOOLS), reason="tools/ is not beside reports/")


def result_of(figures, wall=False):
    """A Result of one cell: {kernel: figures of its samples}."""
    context = conftest.make_context()
    about = context["kernels"]["6.1"]
    context["kernels"] = {kernel: about for kernel in figures}
    if wall:
        context.update(time_domain="wall", unit="ns", accel="tcg")
    samples = {}
    for kernel, values in figures.items():
        for index, value in enumerate(values):
            row = conftest.make_row(kernel=kernel, per_page=value, per_fault=value, seed=0 if wall else index)
            row.update(repetition_index=index if wall else 0)
            if wall:
                row.update(time_domain="wall", unit="ns", accel="tcg")
            samples.setdefault(row["name"], []).append(row)
    return load.make_result("made", context, samples, [("made", context)])


def test_interval_is_clopper_and_pearsons():
    # R: binom.test(0, 200)$conf.int, binom.test(10, 200)$conf.int, binom.test(200, 200)$conf.int
    assert study.interval(0, 200) == pytest.approx((0, 1.827534), abs=1e-4)
    assert study.interval(10, 200) == pytest.approx((2.4235, 9.0027), abs=1e-3)
    assert study.interval(200, 200) == pytest.approx((98.172466, 100), abs=1e-4)


def test_plan_is_in_instructions_of_the_cell():
    result = result_of({"k+200": [10000]})
    assert study.plan(result, "k") == ["k+200", "k+210", "k+220", "k+250", "k+300", "k+400", "k+700"]


def test_false_alarms_of_equal_and_of_unequal_samples():
    assert study.false_alarms([result_of({"k+200": [5000] * 12})], "k+200", 20)["floors"][0]["pass"] == 20
    # Each draw of five of the one half against five of the other would be a regression or none.
    jumps = result_of({"k+200": [5000] * 6 + [6000] * 6})
    narrow, _, wide = study.false_alarms([jumps], "k+200", 60)["floors"]
    assert (narrow["floor"], narrow["comparisons"]) == (0.1, 60)
    assert narrow["regression"] + narrow["refused"] > 0
    assert wide["floor"] == 0.5
    with pytest.raises(load.ReportError, match="need more"):
        study.false_alarms([result_of({"k+200": [5000] * 9})], "k+200")


def test_injections_are_found_or_not():
    result = result_of({"k+200": [5000 + i for i in range(12)], "k+300": [5100 + i for i in range(6)],
                        "k+201": [5001 + i for i in range(6)]})
    small, large = study.injections(result, "k+200", 5000, 10)
    assert (small["planted"], large["planted"]) == (1, 100)
    assert small["same"]["pass"] == 10  # below the floor
    assert large["same"]["regression"] == 10
    assert large["other"]["regression"] == 10
    assert large["percent_measured"] == pytest.approx(2.0, abs=0.01)


def test_injections_of_wall_time():
    result = result_of({"k+200": [5000 + i for i in range(20)], "k+700": [5500 + i for i in range(20)]}, wall=True)
    [found] = study.injections(result, "k+200", 10000, 5)
    assert found["other"]["regression"] == 5
    assert "same" not in found
    assert found["percent_planted"] == 5


def test_seeds_in_two_results_are_one_cells():
    one, other = result_of({"k+200": [5000] * 5}), result_of({"k+200": [5000] * 12})
    for rows in other.samples.values():
        rows[:] = rows[5:]
    assert len(study.keys_of(study.merged([one, other]), "k+200")) == 12


def test_text_fits_and_has_the_counts():
    result = result_of({"k+200": [5000 + i for i in range(12)], "k+300": [5100 + i for i in range(6)]})
    part = {"false_alarms": study.false_alarms([result], "k+200", 10), "again": None,
            "injections": {"ext4/x": study.injections(result, "k+200", 5000, 10)}}
    text = study.text({"virtual": part})
    assert "| +100 | 2.00 |" in text
    assert "10 of 10" in text


def test_measured_alike_is_identical_or_not():
    one = result_of({"k+200": [5000, 5001, 5002]})
    assert study.identical([(one, one), (one, result_of({"k+200": [5000, 5001]}))]).startswith("2 of 2 cells")
    assert study.identical([(one, result_of({"k+200": [5000, 5001.5]}))]).startswith("0 of 1 cells")


# A command of which `run` writes down its words and a result of the build that REVISION names.
COMMAND = """#!/usr/bin/python3
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
revision = (here / "revision").read_text()
if sys.argv[1:] == ["--version"]:
    print(f"faultline 0.1 ({revision})\\nresult schema 1")
    sys.exit()
with open(here / "ran", "a", encoding="utf-8") as file:
    print(*sys.argv[1:], file=file)
folder = pathlib.Path(sys.argv[3])
folder.mkdir(exist_ok=True)
(folder / "result.json").write_text(json.dumps({"context": {
    "command_line": sys.argv, "complete": True, "faultline": {"version": "0.1", "git_revision": revision}}}))
"""


class Once:
    """study.once() with that command, into one folder."""

    def __init__(self, path):
        self.path, self.command = path, path / "faultline"
        self.command.write_text(COMMAND)
        self.command.chmod(0o755)
        self.build("one")

    def build(self, revision):
        (self.path / "revision").write_text(revision)

    def ran(self, *options):
        """What the command is told, if it is asked to measure."""
        log = self.path / "ran"
        log.write_text("")
        assert study.once(str(self.command), str(self.path / "out"), list(options)) == 0
        return log.read_text().replace(str(self.path), "")


def test_what_is_measured_is_not_measured_again(tmp_path):
    once = Once(tmp_path)
    assert once.ran("--kernel", "k+200", "--seeds", "20") == "run --out /out --force --kernel k+200 --seeds 20\n"
    assert once.ran("--kernel", "k+200", "--seeds", "20") == ""


@BESIDE
def test_the_tool_measures_once(tmp_path):
    once = Once(tmp_path)
    tool = [os.path.join(TOOLS, "measure-once"), once.command, tmp_path / "out", "--kernel", "k+200", "--seeds"]
    for seeds in ("20", "20", "30"):
        subprocess.run([*tool, seeds], check=True)
    ran = (tmp_path / "ran").read_text().replace(str(tmp_path), "")
    assert ran == "".join(f"run --out /out --force --kernel k+200 --seeds {seeds}\n" for seeds in (20, 30))


def test_what_other_options_measured_is_measured_again(tmp_path):
    once = Once(tmp_path)
    once.ran("--kernel", "k+200", "--seeds", "20")
    assert once.ran("--kernel", "k+200", "--seeds", "30").endswith(" --seeds 30\n")
    assert once.ran("--kernel", "k+200") and once.ran("--kernel", "k+200", "--no-table")
    assert once.ran("--kernel", "k+200", "--no-table") == ""


def test_what_another_build_or_half_a_run_measured_is_measured_again(tmp_path):
    once = Once(tmp_path)
    once.ran("--seeds", "5")
    once.build("two")
    assert once.ran("--seeds", "5") and not once.ran("--seeds", "5")
    result = tmp_path / "out" / "result.json"
    document = json.loads(result.read_text())
    document["context"]["complete"] = False
    result.write_text(json.dumps(document, separators=(",", ":")))
    assert once.ran("--seeds", "5")
    result.write_text("")
    assert once.ran("--seeds", "5")


def test_results_of_two_builds_are_no_study(monkeypatch, capsys):
    results = [result_of({"k+200": [5000 + i for i in range(12)], "k+300": [5100 + i for i in range(6)]}) for _ in range(3)]
    monkeypatch.setattr(load, "load", lambda index: results[int(index)])
    arguments = ["judge", "k+200", "0", "--again", "1", "2"]
    assert study.main(arguments) == 0 and "Measured twice under the same seeds: 2 of 2 cells" in capsys.readouterr().out
    results[2].context["faultline"] = {"version": "0.1", "git_revision": "fedcba9876543210"}
    with pytest.raises(load.ReportError, match=r"0\.1 \(0123456789ab\), .* 0\.1 \(fedcba987654\): measure them with one build"):
        study.main(arguments)


@BESIDE
@pytest.mark.parametrize("tool", ["answers", "blind-trial", "gate-study", "probe-cost", "study"])
def test_what_is_published_is_of_a_commit(tmp_path, tool):
    once = Once(tmp_path)
    once.build("0123456789ab-dirty")
    done = subprocess.run([os.path.join(TOOLS, tool), once.command], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and not (tmp_path / "ran").exists()
    # `answers` refuses a tree with changes before it asks for the command.
    assert "was built from no commit" in done.stderr or "changes that are not committed" in done.stderr
