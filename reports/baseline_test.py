# SPDX-License-Identifier: GPL-2.0-only
"""Where baselines are kept, what is taken for one, what is refused."""

import json
import os

import pytest

import baseline
import load


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FAULTLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_saved_found_listed_shown(synthetic, cache):
    run = synthetic.save(synthetic.document(synthetic.samples(synthetic.pair(), [1, 1, 1])))
    assert baseline.names() == []
    assert baseline.save("v6.1", run) == str(cache / "baselines/v6.1/result.json")
    assert baseline.names() == ["v6.1"] and baseline.find("v6.1") == str(cache / "baselines/v6.1")
    with open(os.path.join(run, "result.json"), "rb") as a, open(cache / "baselines/v6.1/result.json", "rb") as b:
        assert a.read() == b.read()
    about = baseline.about(baseline.find("v6.1"))
    assert (about["rows"], about["samples"], about["seeds"]) == (2, 3, [0, 1, 2])
    assert about["kernels"] == {"6.1": "6.1.0-synthetic"} and about["complete"] is True
    json.dumps(about)


def test_a_path_is_a_path(synthetic, tmp_path):
    run = synthetic.save(synthetic.document([synthetic.row()]))
    assert baseline.save("ci/base.json", run) == "ci/base.json"
    assert baseline.save("./folder", run) == "./folder/result.json"
    assert load.load(baseline.find("ci/base.json")).rows == load.load(baseline.find("./folder")).rows
    assert baseline.find(str(tmp_path / "nothing")) == str(tmp_path / "nothing")  # load says that it is not there
    assert baseline.names() == []


def test_nothing_is_replaced_unasked(synthetic):
    runs = [synthetic.save(synthetic.document([synthetic.row(per_page=figure)])) for figure in (1, 2)]
    baseline.save("x", runs[0])
    with pytest.raises(load.ReportError, match="is there already: add --replace"):
        baseline.save("x", runs[1])
    baseline.save("x", runs[1], replace=True)
    assert [row["per_page"] for row in load.load(baseline.find("x")).rows.values()] == [2]
    assert os.listdir(os.path.dirname(baseline.find("x") + "/result.json")) == ["result.json"]


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a b", "a\nb", "-x", "ü"])
def test_names_that_are_none(synthetic, name):
    run = synthetic.save(synthetic.document([synthetic.row()]))
    with pytest.raises(load.ReportError, match="is no name for a baseline"):
        baseline.save(name, run)


def test_what_is_no_sound_result_is_not_kept(synthetic, cache):
    part = synthetic.save(synthetic.document([], complete=False, reason="SIGINT"))
    for bad in (synthetic.save("{"), part, "nowhere"):
        with pytest.raises(load.ReportError):
            baseline.save("x", bad)
    assert not cache.exists()


def test_an_unknown_name_names_the_others(synthetic):
    for name in ("b", "a"):
        baseline.save(name, synthetic.save(synthetic.document([synthetic.row()])))
    with pytest.raises(load.ReportError, match="no baseline 'c'.*there are: a, b"):
        baseline.find("c")


def test_a_place_that_cannot_be_written(synthetic, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(load.ReportError, match="cannot be written to"):
        baseline.save("./file/below", synthetic.save(synthetic.document([synthetic.row()])))


@pytest.mark.parametrize("variables, expected", [
    ({"FAULTLINE_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c/baselines"),
    ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/faultline/baselines"),
    ({"XDG_CACHE_HOME": "x", "HOME": "/h"}, "/h/.cache/faultline/baselines"),
    ({"FAULTLINE_CACHE": "", "HOME": "/h"}, "/h/.cache/faultline/baselines")])
def test_folder(monkeypatch, variables, expected):
    for name in ("FAULTLINE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert baseline.folder() == expected


def test_no_folder(monkeypatch):
    monkeypatch.setenv("FAULTLINE_CACHE", "here")
    with pytest.raises(load.ReportError, match="not an absolute path: here"):
        baseline.folder()
    for name in ("FAULTLINE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(load.ReportError, match="HOME is not set"):
        baseline.folder()


def test_a_baseline_of_the_host_has_no_qemu(synthetic):
    from conftest import to_host
    path = synthetic.save(to_host(synthetic.document([synthetic.row(kernel="host")])))
    assert baseline.about(path)["qemu"] == "none, on the host"


def test_one_that_is_removed_is_gone_and_no_other(synthetic, cache):
    run = synthetic.save(synthetic.document([synthetic.row()]))
    for name in ("v6.1", "v6.12", "v7"):
        baseline.save(name, run)
    assert baseline.remove(["v7", "v6.1", "v7"]) == [str(cache / "baselines/v7"), str(cache / "baselines/v6.1")]
    assert baseline.names() == ["v6.12"] and os.path.isfile(os.path.join(run, "result.json"))
    assert baseline.save("v7", run)  # the name is free


def test_what_is_no_baseline_is_not_removed(synthetic, cache, tmp_path):
    run = synthetic.save(synthetic.document([synthetic.row()]))
    with pytest.raises(load.ReportError, match="no baseline 'v6'; there are none"):
        baseline.remove(["v6"])
    for name in ("v6.1", "v7.3"):
        baseline.save(name, run)
    with pytest.raises(load.ReportError, match="no baseline 'v6.2'; did you mean v6.1"):
        baseline.remove(["v7.3", "v6.2"])
    with pytest.raises(load.ReportError, match="is a path"):
        baseline.remove(["v7.3", run])
    (tmp_path / "v8").mkdir()  # what `show` would take for a path
    with pytest.raises(load.ReportError, match="no baseline 'v8'; there are v6.1, v7.3"):
        baseline.remove(["v8"])
    (cache / "baselines/v7.3/notes").write_text("mine")
    with pytest.raises(load.ReportError, match="holds notes too"):
        baseline.remove(["v6.1", "v7.3"])
    assert baseline.names() == ["v6.1", "v7.3"] and os.path.isdir(run)
