# SPDX-License-Identifier: GPL-2.0-only
"""What real rows are printed as: kept in testdata/golden, and held to what docs/example has today."""

import glob
import json
import os

import pytest

import claims
import compare
import figures
import inputs
import load
from testing import golden

LIVE = os.path.join(golden.REPORTS, "..", "docs", "example")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All outputs of the frozen rows."""
    before = os.getcwd()
    yield golden.outputs(str(tmp_path_factory.mktemp("golden")))
    os.chdir(before)


@pytest.mark.parametrize("name", sorted(os.listdir(golden.GOLDEN)))
def test_output_is_as_it_was(made, name):
    """`reports/testing/golden.py --update` writes the files anew, when they are meant to change."""
    with open(os.path.join(golden.GOLDEN, name), encoding="utf-8") as file:
        assert made[name] == file.read()


def test_every_output_is_kept(made):
    """A golden file for each output, and no others."""
    assert sorted(made) == sorted(os.listdir(golden.GOLDEN))


@pytest.fixture(scope="module")
def live():
    """docs/example, as the report of it reads it."""
    if not os.path.isdir(LIVE):
        pytest.skip("docs/example is not beside reports/")
    return inputs.read([os.path.join(LIVE, f"{name}.json") for name in golden.NAMES])


def test_example_has_each_result_and_cell_measured(live):
    """Loading has held them to the schema; nothing is incomplete or failed."""
    assert live.result.context["complete"]
    assert {row["status"] for row in live.result.every.values()} <= {"ok", "skipped"}
    assert {row["workload"] for row in live.result.rows.values()} == {"first_touch", "paced", "dos", "bystander",
                                                                      "unrelated"}


def test_claims_of_the_example_are_what_claims_says_now(live):
    """claims.json is not older than the code."""
    with open(os.path.join(LIVE, "claims.json"), encoding="utf-8") as file:
        kept = json.load(file)
    assert json.loads(json.dumps(claims.public(claims.judge(live.result)))) == kept


@pytest.mark.parametrize("name", golden.NAMES)
def test_example_is_the_same_as_itself(live, name):
    """Each figure is found on both sides, and identical."""
    assert live
    result = load.load(os.path.join(LIVE, f"{name}.json"))
    data = compare.compare(result, result, list(compare.metrics.IDS))
    assert data["rows"] and {row["verdict"] for row in data["rows"]} == {"identical"}
    assert not data["only_a"] and not data["only_b"]
    assert {entry["status"] for entry in data["not_measured"]} <= {"skipped"}


def test_every_picture_of_the_example_is_drawn(live):
    """The pictures that lie there are those that the figures draw, and the page holds each."""
    made = figures.figures(live.result)
    kept = {os.path.basename(path)[:-len(".png")] for path in glob.glob(os.path.join(LIVE, "*.png"))}
    assert {figure.slug for figure in made} == kept
    assert {figure.kind for figure in made} == {"cost", "syncs", "phases", "latency", "unrelated", "tax", "lineprice", "dos", "crowd",
                                                "retries", "bystander", "stalls"}
    with open(os.path.join(LIVE, "report.html"), encoding="utf-8") as file:
        page = file.read()
    assert all(figure.title in page for figure in made)
