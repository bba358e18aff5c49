# SPDX-License-Identifier: GPL-2.0-only
"""What a crash test wrote: read, refused, and put beside the price."""

import copy
import json

import pytest

import crash
import load


def outcome(**changes):
    """One test that is ok: 50 points, pages and size promised, mtime not."""
    return {"kernel": "6.1", "release": "6.1.0", "fs": "ext4", "strategy": "map_sync", "state": "hole", "seed": 0,
            "points": 50, "checked": 50, "status": "ok", "reason": "",
            "promised": {"pages": 800, "size": 50, "mtime": 0}, "lost": {"pages": 0, "torn": 0, "size": 0, "mtime": 0},
            "unpromised": {"pages": 20, "survived": 11, "size": 0, "size_survived": 0, "mtime": 50, "mtime_survived": 7},
            "recovery": {"replayed": 49, "fsck_clean": 50, "fsck_errors": 0, "unmountable": 0}, "failures": [], **changes}


def document(tests):
    return {"schema_version": 1, "context": {"command_line": ["faultline", "crashtest"], "complete": True, "reason": ""},
            "tests": tests}


def save(folder, data, name="crashtest.json"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return str(folder / name)


def test_beside_the_price(synthetic):
    result = synthetic.load(synthetic.pair("map_sync", None, "hole") + synthetic.pair("volatile", None, "hole"))
    rows = crash.guarantees([document([outcome(strategy="fsync:8"), outcome(strategy="fsync:64"), outcome(),
                                       outcome(fs="xfs"), outcome(state="written")])], result)
    assert [(row["fs"], row["strategy"], row["state"]) for row in rows] == [
        ("ext4", "fsync:8", "hole"), ("ext4", "fsync:64", "hole"), ("ext4", "map_sync", "hole"),
        ("ext4", "map_sync", "written"), ("xfs", "map_sync", "hole")]
    priced = rows[2]
    assert (priced["per_page"], priced["unit"]) == (69479, "instr") and priced["ratio"] == pytest.approx(69479 / 17882)
    assert priced["cell"] == "6.1/ext4/map_sync/first_touch/hole/pte/t1/off"
    assert rows[0]["per_page"] is rows[4]["cell"] is None
    assert priced["kept"] == {"pages": {"promised": 800, "lost": 0, "written": 20, "survived": 11},
                              "size": {"promised": 50, "lost": 0, "written": 0, "survived": 0},
                              "mtime": {"promised": 0, "lost": 0, "written": 50, "survived": 7}}


@pytest.mark.parametrize("changes, kind, words", [
    ({}, "pages", "kept, 800"), ({}, "mtime", "not promised; 7 of 50 there"),
    ({"lost": {"pages": 3, "torn": 1, "size": 0, "mtime": 0}}, "pages", "LOST 4 of 800"),
    ({"promised": {"pages": 0, "size": 0, "mtime": 0}}, "size", "-")])
def test_words(synthetic, changes, kind, words):
    row, = crash.guarantees([document([outcome(**changes)])], synthetic.load([]))
    assert crash.words(row["kept"][kind]) == words


def test_a_test_that_was_skipped_has_a_reason_and_no_counts(synthetic):
    test = {key: outcome()[key] for key in ("kernel", "fs", "strategy", "state", "points")}
    row, = crash.guarantees([document([{**test, "checked": 0, "status": "skipped", "reason": "no module"}])],
                            synthetic.load([]))
    assert row["kept"] is None and row["reason"] == "no module"


def broken(change):
    data = copy.deepcopy(document([outcome()]))
    change(data)
    return data


@pytest.mark.parametrize("data, words", [
    ("{", "is not JSON"), ("[]", "has no list of tests"), ({"tests": []}, "has schema version None"),
    (broken(lambda d: d.update(schema_version=2)), "has schema version 2"),
    (broken(lambda d: d["tests"].append(3)), r"\$.tests\[1\]: 3 is not of type 'object'"),
    (broken(lambda d: d["tests"][0].update(status="fine")), r"\$.tests\[0\].status: 'fine' is not one of"),
    (broken(lambda d: d["tests"][0].update(state="gone")), r"\$.tests\[0\].state: 'gone' is not one of"),
    (broken(lambda d: d["tests"][0].update(fs=3)), r"\$.tests\[0\].fs: 3 is not of type 'string'"),
    (broken(lambda d: d["tests"][0].update(points=-1)), r"\$.tests\[0\].points: -1 is less than the minimum of 0"),
    (broken(lambda d: d["tests"][0].update(checked=True)), r"\$.tests\[0\].checked: True is not of type 'integer'"),
    (broken(lambda d: d["tests"][0].update(points=2**63)), r"\$.tests\[0\].points: .* is greater than the maximum"),
    (broken(lambda d: d["tests"][0].update(tear="page")), r"\$.tests\[0\].tear: 'page' is not one of"),
    (broken(lambda d: d["tests"][0].pop("kernel")), r"\$.tests\[0\]: 'kernel' is a required property"),
    (broken(lambda d: d["tests"][0].pop("lost")), r"\$.tests\[0\]: 'lost' is a required property"),
    (broken(lambda d: d["tests"][0]["lost"].pop("torn")), r"\$.tests\[0\].lost: 'torn' is a required property"),
    (broken(lambda d: d["tests"][0].update(failures={})), r"\$.tests\[0\].failures: {} is not of type 'array'"),
    (broken(lambda d: d.update(context=[])), r"\$.context: \[\] is not of type 'object'")])
def test_what_is_no_crash_test_is_refused(tmp_path, data, words):
    with pytest.raises(load.ReportError, match=words):
        crash.load(save(tmp_path, data))


@pytest.mark.parametrize("models, words", [
    ((), []), ((None,), ["model order"]), (("px86",), ["model px86"]), (("px86", "order", "px86"), ["model order", "model px86"])])
def test_what_a_test_is_of_hangs_on_its_model(models, words):
    tests = [outcome(**({"model": model} if model else {})) for model in models] + [outcome(write="rename", model="px86")]
    notes = crash.model_notes([document([test]) for test in tests])
    assert len(notes) == len(words) and all(f"({word})" in note for word, note in zip(words, notes))
    assert ["what is tested is metadata" in note for note in notes] == [word == "model order" for word in words]


def test_how_stores_are_torn_may_be_said(tmp_path):
    tests = [outcome(), outcome(tear="sector"), outcome(tear="store")]
    assert [test.get("tear") for test in crash.load(save(tmp_path, document(tests)))["tests"]] == [None, "sector", "store"]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(load.ReportError, match="cannot be read"):
        crash.load(str(tmp_path / "none.json"))


def test_what_is_not_of_pages_has_no_price_and_no_row(synthetic):
    other = {**outcome(), "write": "rename", "strategy": "map_sync", "state": None}
    program = {**other, "write": "program", "strategy": None}
    row, = crash.guarantees([document([other, outcome(), program])], synthetic.load([]))
    assert row["strategy"] == outcome()["strategy"]
