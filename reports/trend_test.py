# SPDX-License-Identifier: GPL-2.0-only
"""The order of kernels, and where a cell's cost changes."""

import json
import re
import sqlite3

import pytest

import history
import load
import metrics
import trend
from figures.trend import trend_figures

RELEASES = ["5.10.0-46-cloud-amd64", "6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64", "6.12.95+deb13-cloud-amd64",
            "7.2.1-cloud-amd64", "7.3~rc4-cloud-amd64", "7.3.4-1~exp1-cloud-amd64"]
CHOSEN = metrics.choose(["per_page"])


@pytest.fixture
def kernels(synthetic):
    """function(factors of each release, rows) -> one Result per release; a factor may be a list: seeds."""
    def made(factors, releases=None, wall=False, strategies=("volatile",)):
        found = []
        for release, factor in zip(releases or RELEASES, factors):
            rows = [synthetic.row(strategy, kernel="k") for strategy in strategies]
            if factor is None:
                rows = [synthetic.skip(row, "does not boot", "failed") for row in rows]
            rows = synthetic.samples(rows, factor if isinstance(factor, list) else [factor or 1], wall)
            context = synthetic.context(date="2020-01-01T00:00:00+00:00")
            context["kernels"] = {"k": {**context["kernels"]["6.1"], "release": release, "image_sha256": f"of {release}"}}
            context["qemu"]["arguments"] = {}
            document = {"context": context, "benchmarks": rows}
            found.append(load.load(synthetic.save(synthetic.wall(document) if wall else document)))
        return found
    return made


def of(results, floors=None, chosen=CHOSEN):
    return trend.build(trend.points_of_results(results, chosen), chosen, floors)


def marks(*args, **kwargs):
    return of(*args, **kwargs)["rows"][0]["marks"]


def test_a_level_line_has_no_marks(kernels):
    data = of(kernels([1, 1, 1, 1.0099, 0.9901, 1, 1][::-1]))
    assert data["kernels"] == RELEASES and data["rows"][0]["marks"] == [""] * 7
    assert data["rows"][0]["changes"] == [] and data["rows"][0]["figures"][0] == 5150
    assert "no change" in trend.text(data)


def test_steps(kernels):
    data = of(kernels([[1] * 5, [1] * 5, [1.02] * 5, [1.02] * 5, [0.9] * 5, [0.9] * 5, [0.9] * 5]))
    row = data["rows"][0]
    assert row["cell"] == "ext4/volatile/first_touch/written/pte/t1"
    assert row["marks"] == ["", "", "+", "", "-", "", ""]
    assert [(c["from"], c["to"], c["verdict"]) for c in row["changes"]] == [
        (RELEASES[0], RELEASES[2], "regression"), (RELEASES[2], RELEASES[4], "improvement")]
    assert [c["percent"] for c in row["changes"]] == pytest.approx([2, -11.764706])


def test_a_drift_in_small_steps_is_found(kernels):
    # 0.6 % a kernel: no step is above the floor of 1 %, every second one is, against the start of the level
    drift = [[1.006**index] * 5 for index in range(7)]
    assert marks(kernels(drift)) == ["", "", "+", "", "+", "", "+"]


def test_one_seed_is_unsure_up_to_what_an_accident_may_be(kernels):
    assert marks(kernels([1, 1.005, 1.05, 1.05, 1.5, 1.49, 0.5])) == ["", "", "?", "", "+", "", "-"]
    # five seeds of which one denies it: no mark
    assert marks(kernels([[1] * 5, [1.05, 1.05, 1.05, 1.05, 0.99]])) == ["", ""]


def test_floors(kernels):
    results = kernels([[1] * 5, [1.02] * 5])
    assert marks(results) == ["", "+"]
    assert marks(results, floors={None: 3}) == marks(results, floors={"per_page": 3}) == ["", ""]
    assert marks(kernels([[1] * 5, [1.002] * 5]), floors={None: 0.1}) == ["", "+"]


def test_kernels_of_one_build_are_compared_by_its_floor(synthetic, tmp_path):
    """Planted delays share an image, so that one instruction counts; of another kernel 0.9 % do not. Each is compared with the one
    that the level began with."""
    def of(kernel, factor, image="e"):
        about = {**synthetic.context()["kernels"]["6.1"], "release": kernel.partition("+")[0], "image_sha256": image * 64}
        return synthetic.load(synthetic.samples([synthetic.row(kernel=kernel)], [factor] * 5), kernels={kernel: about})
    results = [of("6.1+200", 1), of("6.1+201", 5151 / 5150), of("7.3+200", 1.009, "f"), of("7.3+300", 1.0095, "f")]
    data = trend.build(trend.points_of_results(results, CHOSEN), CHOSEN)
    assert data["kernels"] == ["6.1 +200", "6.1 +201", "7.3 +200", "7.3 +300"]
    row, = data["rows"]
    assert (row["marks"], row["floor"], row["floor_of_one_build"]) == (["", "+", "", ""], 1, 0)
    assert "; per_page, floor 1 %, 0 % between kernels of one build" in " ".join(trend.text(data).split())
    assert all(len(line) <= 80 for line in trend.text(data).splitlines())
    asked = trend.build(trend.points_of_results(results, CHOSEN), CHOSEN, {None: 0.5})["rows"][0]
    assert (asked["marks"], asked["floor_of_one_build"]) == (["", "", "+", ""], None)
    assert trend.build(trend.points_of_results(results, CHOSEN), CHOSEN, {"per_page": 0.5})["rows"][0] == asked
    path = str(tmp_path / "h")
    for result in results:
        history.add(path, result)
    assert trend.build(trend.points_of_history(history.samples(path), CHOSEN, "virtual"), CHOSEN) == data
    with sqlite3.connect(path) as connection:  # as of before it was kept
        connection.execute("UPDATE results SET environment = json_remove(environment, '$.qemu')")
    [old] = trend.build(trend.points_of_history(history.samples(path), CHOSEN, "virtual"), CHOSEN)["rows"]
    assert (old["marks"], old["floor_of_one_build"]) == ([""] * 4, None)


def test_a_kernel_that_was_not_measured_is_a_gap(kernels):
    data = of(kernels([[1] * 5, None, [1.5] * 5]))
    row = data["rows"][0]
    assert row["figures"] == [5150, None, 7725] and row["marks"] == ["", "", "+"]
    assert row["why"] == {RELEASES[1]: "failed: does not boot"}
    text = trend.text(data)
    assert "6.1.0-9-cloud-amd64: ext4/volatile/first_touch/written/pte/t1: failed:" in text
    with pytest.raises(load.ReportError, match="no figure to draw a trend of"):
        of(kernels([None]))


def test_wall(kernels):
    noise = [1, 1.01, 0.99, 1.02, 0.98, 1.005, 0.995, 1.015, 0.985, 1.0]
    data = of(kernels([noise, noise[::-1], [x * 1.3 for x in noise], [5] * 3], wall=True))
    assert data["rows"][0]["marks"] == ["", "", "+", ""] and data["unit"] == "ns"
    # beyond 0 and the floor alone, but one of as many steps as there are here looks like that by chance
    slow = [x + 0.018 for x in noise]
    assert marks(kernels([noise, slow], wall=True)) == ["", "+"]
    assert marks(kernels([noise, slow], wall=True, strategies=("volatile", *(f"s{i}" for i in range(9))))) == ["", ""]


def test_the_later_of_two_counts_and_is_said(kernels):
    old, new = kernels([1, 2], releases=RELEASES[:1] * 2)
    new.context["date"] = "2021"
    for results in ([old, new], [new, old]):
        data = of(results)
        assert data["rows"][0]["figures"] == [10300]
        assert "different figures: the later one counts" in data["notes"][0]
    assert of([old, old])["notes"] == []


def test_two_kernels_of_one_release_stay_two(synthetic, tmp_path):
    """Given by their paths, patched kernels have one release: each is a column, in the order in which they are given."""
    def of(kernel, factor):
        context = synthetic.context()
        context["kernels"] = {kernel: {**context["kernels"]["6.1"], "release": "6.1.0-56-cloud-amd64"}}
        rows = synthetic.samples([synthetic.row(kernel=kernel)], [factor] * 5)
        return load.load(synthetic.save({"context": context, "benchmarks": rows}))

    results = [of("./old/bzImage", 1), of("./new/bzImage", 1.2)]
    data = of_results = trend.build(trend.points_of_results(results, CHOSEN), CHOSEN)
    assert data["kernels"] == ["6.1.0-56-cloud-amd64 [./old/bzImage]", "6.1.0-56-cloud-amd64 [./new/bzImage]"]
    row, = data["rows"]
    assert (row["figures"], row["marks"], data["notes"]) == ([5150, pytest.approx(6180)], ["", "+"], [])
    text = trend.text(data)
    assert "#1: 6.1.0-56-cloud-amd64 [./old/bzImage]\n#2: 6.1.0-56-cloud-amd64 [./new/bzImage]\n" in text
    assert "volatile  written  5150   6180+\n" in text and max(map(len, text.splitlines())) <= 80
    assert len(trend_figures(data)) == 1
    path = str(tmp_path / "history.sqlite")
    for result in results:
        history.add(path, result)
    points = trend.points_of_history(history.samples(path), CHOSEN, "virtual")
    assert trend.build(points, CHOSEN)["rows"] == of_results["rows"]


def test_two_clocks_are_refused(synthetic, kernels):
    with pytest.raises(load.ReportError, match="never mixed"):
        of([*kernels([1]), *kernels([1], wall=True)])


def test_history_says_the_same(kernels, tmp_path):
    results = kernels([[1] * 5, None, [1.02] * 5, [0.9] * 5])
    path = str(tmp_path / "h")
    for result in results:
        history.add(path, result)
    history.add(path, kernels([1], wall=True)[0])
    found = trend.build(trend.points_of_history(history.samples(path), CHOSEN, "virtual"), CHOSEN)
    assert found == of(results)
    assert len(trend.points_of_history(history.samples(path), CHOSEN, "wall")) == 1
    assert trend.points_of_history(history.samples(path), CHOSEN, "virtual", "*xfs*") == []


def test_text(kernels, full):
    data = of(kernels([[1] * 5, [1] * 5, [1.02] * 5, [1] * 5, [1] * 5, [1] * 5, [1] * 5]))
    lines = trend.text(data).splitlines()
    assert all(len(line) <= 80 for line in lines)
    grid = [" ".join(line.split()) for line in lines]
    assert "ext4, first_touch, pte, t1; per_page, floor 1 %" in grid
    assert "cell state 5.10.0-46 6.1.0-9 6.1.0-56 6.12.95 7.2.1" in grid and "cell state 7.3~rc4 7.3.4-1" in grid
    assert "volatile written 5150 5150 5253+ 5150- 5150" in grid
    assert "6.1.0-56-cloud-amd64: 1 up; the most" in " ".join(grid) and "+2.00 % since 5.10.0" in " ".join(grid)
    whole = trend.text(of([full], chosen=metrics.choose(list(metrics.IDS))))
    assert all(len(line) <= 80 for line in whole.splitlines()) and "xfs, first_touch, pte, t1; tax" in whole
    json.dumps(data, allow_nan=False)


def test_hostile_names(synthetic):
    context = synthetic.context()
    context["kernels"]["6.1"]["release"] = "\x1b[31m\n" * 30
    result = load.load(synthetic.save({"context": context, "benchmarks": [synthetic.row()]}))
    text = trend.text(of([result]))
    assert "\x1b" not in text and all(len(line) <= 80 for line in text.splitlines())


def test_figure(kernels):
    results = kernels([[1] * 5, None, [1.02] * 5, [1] * 5], strategies=("volatile", "map_sync"))
    figures = trend_figures(of(results))
    assert [figure.slug for figure in figures] == ["trend-first-touch-pte-t1-per-page"]
    assert figures[0].png.startswith(b"\x89PNG") and "map_sync" in figures[0].svg and "6.1.0-56" in figures[0].svg
    assert figures[0].png == trend_figures(of(results))[0].png


def test_a_line_of_another_k_has_other_dashes(synthetic):
    rows = [synthetic.row(name, k) for name, k in (("volatile", None), ("fsync", 1), ("fsync", 8), ("fsync", 64))]
    [figure] = trend_figures(of([synthetic.load([{**row, "per_page": row["per_page"] + add} for row in rows]) for add in (0, 1)]))
    lines = set(re.findall(r'fill: none; (?:stroke-dasharray: ([\d., ]+); stroke-dashoffset: 0; )?stroke: (#0072b2)', figure.svg))
    assert len(lines) == 3 and "" in {dash for dash, _ in lines}


def test_a_history_of_before_it_kept_fields(synthetic, tmp_path):
    """Its cells are known by their names alone."""
    rows = [*synthetic.pair("fsync", 8), *synthetic.pair("map_sync", None, "hole", workload="unrelated", dirty_inodes=1000),
            synthetic.contest("sync_retry", touch="append", attackers=2)]
    result, path = synthetic.load(rows), str(tmp_path / "h")
    history.add(path, result)
    chosen = metrics.choose(["per_page", "slowdown"])

    def built():
        data = trend.build(trend.points_of_history(history.samples(path), chosen, "virtual"), chosen)
        return [(trend.section(row), trend.names(row)) for row in data["rows"]]

    known = built()
    assert known == [(("ext4", "dos", "pte", "t1", "slowdown"), ("sync_retry append a2 deterministic", "written")),
                     (("ext4", "first_touch", "pte", "t1", "per_page"), ("fsync:8", "written")),
                     (("ext4", "unrelated", "pte", "t1", "per_page"), ("map_sync d1000", "hole"))]
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE cells")
        connection.execute("UPDATE results SET environment = json_remove(environment, '$.tables')")
    assert built() == known
    assert history.add(path, result) == (1, False)  # and that it is the same result is still seen
