# SPDX-License-Identifier: GPL-2.0-only
import json

import pytest

import blind
import load
import study_test

BASE = "k+200"


def result_of(kernels, seeds=range(12), noise=0):
    """A Result of one observed cell: {kernel: path}. noise: what a seed adds, times its number."""
    result = study_test.result_of({kernel: [path + 7 + noise * seed for seed in seeds] for kernel, path in kernels.items()})
    for rows in result.samples.values():
        for row in rows:
            row["path"] = row["per_page"] - 7
    return result


@pytest.fixture
def results():
    # A tick falls elsewhere under each seed: one per mille of the page, five times what is planted.
    one = result_of({BASE: 5000}, noise=5)
    again = result_of({BASE: 5000}, noise=5)
    return [one, again, result_of({"k+201": 5001, "k+700": 5500}, seeds=range(6), noise=5)]


def test_what_is_planted_is_found_in_one_build_and_nothing_else(results):
    trials, labels = blind.seal(results, BASE, 60, 40)
    assert len(trials["trials"]) == len(labels) == 100
    rows = {(row["build"], row["planted"], row["figure"], row["floor"]): row
            for row in blind.opened(labels, blind.judge(trials))}
    assert sum(row["comparisons"] for key, row in rows.items() if key[2:] == ("path", 0.0)) == 100
    null, small, large = (rows["one", more, "path", 0.0] for more in (0, 1, 500))
    assert null["comparisons"] >= 40 and null["pass"] == null["comparisons"]
    assert small["regression"] == small["comparisons"] > 0
    assert rows["one", 1, "path", 0.1]["pass"] == small["comparisons"]  # 0.02 % is below the gate's own floor
    assert large["regression"] == large["comparisons"] > 0
    # Other seeds hide one instruction, and not ten percent.
    assert rows["two", 500, "path", 0.1]["regression"] == rows["two", 500, "path", 0.1]["comparisons"] > 0
    assert rows["two", 1, "path", 0.0]["regression"] < rows["two", 1, "path", 0.0]["comparisons"]


def test_no_trial_tells_its_label(results):
    trials, labels = blind.seal(results, BASE, 40, 10)
    said = json.dumps(trials["rows"]) + json.dumps(trials["trials"])
    assert "k+2" not in said and "k+7" not in said and "planted" not in said
    assert {label["planted"] for label in labels} == {0, 1, 500}
    assert {label["build"] for label in labels} == {"one", "two"}
    assert trials["context"]["kernels"].keys() == {blind.NAMED}


def test_the_base_is_measured_twice(results):
    with pytest.raises(load.ReportError, match=r"k\+200 is to be measured twice"):
        blind.seal([results[0], results[2]], BASE, 5, 5)


def test_results_of_two_builds_are_no_trial(results):
    results[2].context["faultline"] = {"version": "0.1", "git_revision": "fedcba9876543210"}
    with pytest.raises(load.ReportError, match="measure them with one build"):
        blind.seal(results, BASE, 5, 5)


def trial(tmp_path, results, monkeypatch):
    """A sealed and judged trial in a folder."""
    monkeypatch.setattr(load, "load", lambda index: results[int(index)])
    out = str(tmp_path)
    blind.main(["seal", BASE, "0", "1", "2", "--out", out, "--seed", "7", "--trials", "30", "--nulls", "10"])
    blind.main(["judge", out])
    return out


def test_labels_are_opened_when_all_is_judged(tmp_path, results, monkeypatch, capsys):
    out = trial(tmp_path, results, monkeypatch)
    capsys.readouterr()
    blind.main(["open", out])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith("| +0 | path | 0/")]
    verdicts = json.loads((tmp_path / "verdicts.json").read_text())
    verdicts["verdicts"].pop()
    (tmp_path / "verdicts.json").write_text(json.dumps(verdicts))
    with pytest.raises(load.ReportError, match="39 verdicts of 40 trials"):
        blind.main(["open", out])


def test_other_labels_are_refused(tmp_path, results, monkeypatch):
    out = trial(tmp_path, results, monkeypatch)
    labels = json.loads((tmp_path / "labels.json").read_text())
    labels["labels"][0]["planted"] = 2
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(load.ReportError, match="not those that were sealed"):
        blind.main(["open", out])


def test_a_trial_that_was_not_judged_is_no_outcome(tmp_path):
    with pytest.raises(load.ReportError, match="trials.json"):
        blind.main(["judge", str(tmp_path)])
