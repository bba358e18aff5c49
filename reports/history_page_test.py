# SPDX-License-Identifier: GPL-2.0-only
"""The history as a page: what stands on it, that nothing in it can become markup, and that a browser shows it."""

import json
import re
import subprocess
import sys

import pytest

import faultline_report
import history
import history_page
import load
import metrics
from conftest import NEEDS_BROWSER, Synthetic

PER_PAGE = metrics.choose(["per_page"])
CELLS = [f"6.1/{fs}/{strategy}/first_touch/written/pte/t1" for fs in ("ext4", "xfs") for strategy in ("volatile", "map_sync")]


def fill(synthetic, path, days, label="c{}"):
    """A history of these days, each {(strategy, fs): factor}."""
    for day, factors in enumerate(days, 1):
        rows = [row for (strategy, fs), factor in factors.items()
                for row in synthetic.samples(synthetic.pair(strategy, fs=fs), [factor * 1.01, factor, factor * 0.99])]
        history.add(path, synthetic.load(rows, date=f"2020-01-{day:02d}T00:00:00+00:00"), label.format(day))
    return path


EVERY = {("volatile", "ext4"): 1, ("map_sync", "ext4"): 1, ("volatile", "xfs"): 1, ("map_sync", "xfs"): 1}


def days():
    """Twelve results: map_sync of ext4 is 10 % dearer from the 9th on, volatile of xfs 5 % cheaper from the 4th and, of the
    12th, 2 % dearer than that; volatile of ext4 was 3 % dearer from the 2nd on; map_sync of xfs is not in the 5th, and 20 %
    dearer from the 10th on."""
    found = [dict(EVERY) for _ in range(12)]
    for index, day in enumerate(found):
        day["map_sync", "ext4"] = 1.1 if index >= 8 else 1
        day["volatile", "xfs"] = 0.95 * 1.02 if index >= 11 else 0.95 if index >= 3 else 1
        day["volatile", "ext4"] = 1.03 if index >= 1 else 1
        day["map_sync", "xfs"] = 1.2 if index >= 9 else 1
    del found[4]["map_sync", "xfs"]
    return found


@pytest.fixture
def path(synthetic, tmp_path):
    return fill(synthetic, str(tmp_path / "h.sqlite"), days())


def built(path, **options):
    return history_page.build(history.samples(path), PER_PAGE, **options)


def test_series_and_changes(path):
    data = built(path)
    json.dumps(data, allow_nan=False)
    assert [one["cell"] for one in data["series"]] == CELLS
    assert [(r["label"], r["date"][:10], r["accel"]) for r in data["results"][:2]] == [
        ("c1", "2020-01-01", "tcg-icount"), ("c2", "2020-01-02", "tcg-icount")]
    found = {one["cell"]: [(change["result"], round(change["percent"], 6)) for change in one["changes"]]
             for one in data["series"]}
    assert found == dict(zip(CELLS, [[(1, 3.0)], [(8, 10.0)], [(3, -5.0), (11, 2.0)], [(9, 20.0)]]))
    points = data["series"][3]["points"]
    assert [point["result"] for point in points] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    first = data["series"][0]["points"][0]
    assert (first["value"], first["samples"]) == (5150, 3)
    assert (first["low"], first["high"]) == (pytest.approx(5150 * 0.99), pytest.approx(5150 * 1.01))
    assert {(one["unit"], one["floor"], one["metric"]) for one in data["series"]} == {("instr", 0, "per_page")}


def test_the_floor_is_that_of_one_build_where_all_results_are(synthetic, tmp_path):
    def floor_and_changes(*results):
        path = str(tmp_path / f"h{len(list(tmp_path.iterdir()))}.sqlite")
        for day, (per_page, context) in enumerate(results, 1):
            history.add(path, synthetic.load([synthetic.row(per_page=per_page)], date=f"2020-01-{day:02d}T00:00:00+00:00", **context))
        [one] = built(path)["series"]
        return one["floor"], [change["result"] for change in one["changes"]]
    other = synthetic.other_build()
    assert floor_and_changes((5000, {}), (5000, {}), (5001, {}), (5001, {})) == (0, [2])
    assert floor_and_changes((5000, {}), (5000, {}), (5001, other), (5001, other)) == (0.5, [])
    assert floor_and_changes((5000, {}), (5000, {}), (5040, other), (5040, other)) == (0.5, [2])
    assert floor_and_changes((5000, {}), (5040, other), (5000, {})) == (0.5, [1, 2])  # no two beside each other are of one
    assert floor_and_changes((5000, {})) == (0.5, [])
    gone = synthetic.other_build(image_sha256=None)
    assert floor_and_changes((5000, gone), (5001, gone)) == (0.5, [])


def test_regressions_of_the_last_results_the_greatest_first(path):
    def of(last):
        return [(change["series"], change["result"], round(change["percent"], 6)) for change in built(path, last=last)["regressions"]]
    assert of(10) == [(3, 9, 20.0), (1, 8, 10.0), (2, 11, 2.0)]  # what got cheaper is none, and the 2nd result was 11 ago
    assert of(11) == [(3, 9, 20.0), (1, 8, 10.0), (0, 1, 3.0), (2, 11, 2.0)]
    assert of(4) == [(3, 9, 20.0), (1, 8, 10.0), (2, 11, 2.0)] and of(2) == [(2, 11, 2.0)]


def test_selections(path):
    assert [one["cell"] for one in built(path, pattern="*/xfs/*")["series"]] == CELLS[2:]
    assert not any(one["changes"] for one in built(path, floors={None: 21})["series"])
    assert sum(len(one["changes"]) for one in built(path, floors={"per_page": 4})["series"]) == 3
    both = history_page.build(history.samples(path), metrics.choose(["per_page", "per_fault"]))
    assert [one["metric"] for one in both["series"]] == ["per_fault"] * 4 + ["per_page"] * 4
    for options in ({"domain": "wall"}, {"pattern": "x"}):
        with pytest.raises(load.ReportError, match="the history holds nothing of the (wall|virtual) domain that matches"):
            built(path, **options)


def test_shares_are_in_points_and_from_nothing_is_said(synthetic, tmp_path):
    path = str(tmp_path / "h.sqlite")
    for day, (starved, slowdown) in enumerate([(0, 1.5)] * 4 + [(1, 3)] * 4, 1):
        contest = synthetic.contest(slowdown=slowdown)
        contest["starved"] = {"n": starved, "of": 2}
        history.add(path, synthetic.load([contest], date=f"2020-01-{day:02d}T00:00:00+00:00"))
    data = history_page.build(history.samples(path), metrics.choose(["starved", "slowdown"]))
    slowdown, starved = data["series"]
    assert (slowdown["share"], starved["share"], starved["unit"]) == (False, True, "%")
    assert starved["changes"] == [{"result": 4, "before": 0, "after": 50, "percent": 50}]
    assert history_page.said(starved["changes"][0], True) == "+50.0 points"
    assert history_page.said({"percent": None}, False) == "from 0" and history_page.said({"percent": -2.5}, False) == "-2.500 %"


# By hand. One seed cost 5000, five have a median of 5100; then all cost 10 % more, then one that none has in common.
@pytest.mark.parametrize("several, domain, paired", [
    ([{0: 5000}, {0: 5000, 1: 5100, 2: 5200}], "virtual", [5100, 5100]),
    ([{0: 5000}, {0: 5500, 1: 5610, 2: 5720}], "virtual", [5110, 5610]),
    ([{0: 5000}, {0: 5000, 1: 5100, 2: 5200}, {0: 5100, 1: 5200, 2: 5300}, {2: 5300}], "virtual", [5200, 5200, 5300, 5300]),
    ([{0: 5000}, {7: 6000}], "virtual", [6000, 6000]), ([{0: 3}], "virtual", [3]),
    ([{0: 5000}, {0: 5000, 1: 5100, 2: 5200}], "wall", [5000, 5100])])
def test_results_of_other_seeds_are_set_beside_each_other_by_those_that_both_have(several, domain, paired):
    assert history_page._paired(several, domain) == paired


def test_other_seeds_are_no_new_level(synthetic, tmp_path):
    path = str(tmp_path / "h.sqlite")
    for day, factors in enumerate([[1]] * 4 + [[1, 1.04, 1.05]] * 4, 1):
        history.add(path, synthetic.load(synthetic.samples([synthetic.row()], factors), date=f"2020-01-{day:02d}T00:00:00+00:00"))
    [one] = built(path)["series"]
    assert one["changes"] == [] and [point["value"] for point in one["points"]] == [5150] * 4 + [5356] * 4


def test_the_name_of_a_cell_breaks_at_its_slashes():
    assert history_page.parted("a/<b>/c") == "a/<wbr>&lt;b&gt;/<wbr>c"


def test_a_picture():
    points = [{"result": result, "paired": value} for result, value in ((0, 100), (1, 100), (3, 110), (4, 110))]
    one = {"points": points, "floor": 1, "share": False,
           "changes": [{"result": 3, "before": 100, "after": 110, "percent": 10}]}
    drawn = history_page.picture(one, 5)  # 300 by 90 less 6 at each side: from 6 to 294, from 84 up to 6
    assert drawn == {"line": "6.0,84.0 78.0,84.0 222.0,6.0 294.0,6.0", "marks": [(222.0, True)], "dots": [(294.0, 6.0)],
                     "levels": [(6.0, 222.0, 84.0), (222.0, 294.0, 6.0)]}
    flat = history_page.picture({"points": [{"result": 0, "paired": 7}], "changes": [], "floor": 1, "share": False}, 1)
    assert flat == {"line": "150.0,45.0", "levels": [], "marks": [], "dots": [(150.0, 45.0)]}
    small = history_page.picture({"points": [{"result": 0, "paired": 1000}, {"result": 1, "paired": 1001}], "changes": [],
                                  "floor": 1, "share": False}, 2)
    assert small["line"] == "6.0,46.9 294.0,43.1"  # 0.1 % of a floor of 1 % is drawn as little


def test_the_page(path):
    text = history_page.page(built(path))
    assert text.count("<figure ") == 4 and text.count('class="up"') == 4 and text.count('class="down"') == 1
    assert re.search(r"Regressions of the last 10 results.*?\+20.0 %.*?#s3.*?c10, 2020-01-10.*?\+10.0 %.*?#s1.*?c9, 2020-01-09.*?\+2.000 %.*?#s2.*?c12", text, re.S)
    assert "http" not in text.replace("http-equiv", "") and "src=" not in text
    assert re.findall(r'<option>(\S+)</option>', text) == ["6.1", "ext4", "xfs", "volatile", "map_sync"]
    assert "<p>None.</p>" in history_page.page(built(path, floors={None: 21}))


def test_nothing_becomes_markup(synthetic, tmp_path):
    path = fill(synthetic, str(tmp_path / "h.sqlite"), days(), "<script>alert('{}')</script>\x1b[31m&")
    text = history_page.page(built(path))
    assert text.count("<script>") == 1 and "&lt;script&gt;" in text and "\x1b" not in text


def run(*arguments):
    done = subprocess.run([sys.executable, "-I", faultline_report.__file__, "history", "page", *arguments], capture_output=True,
                          text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_the_verb(path, tmp_path):
    out = str(tmp_path / "deep" / "page.html")
    done = run("--file", path, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"4 series of 12 results, 4 with changes, 3 regressions in the last 10: {out}\n"
    with open(out, encoding="utf-8") as file:
        assert file.read() == history_page.page(built(path))
    data = json.loads(run("--file", path, "--out", out, "--json", "--last", "2").stdout)
    assert data["written"] == out and len(data["regressions"]) == 1
    done = run("--file", path, "--out", out, "--cell", "no")
    assert done.returncode == 2 and "holds nothing of the virtual domain that matches" in done.stderr
    done = run("--file", str(tmp_path / "none"), "--out", out)
    assert done.returncode == 2 and "no history there" in done.stderr


@pytest.fixture(scope="module")
def page_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    path = fill(Synthetic(folder), str(folder / "h.sqlite"), days(), "a-commit-of-forty-letters-and-more-{}-0123456789abcdef")
    (folder / "page.html").write_text(history_page.page(built(path, floors={"per_page": 4})), encoding="utf-8")
    return (folder / "page.html").as_uri()


@NEEDS_BROWSER
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_it_without_overflow_or_complaint(chromium, page_url, width, dark):
    from report_browser_test import CONTRAST
    chromium.show(page_url, width, dark=dark)
    assert chromium.complaints() == []
    assert chromium.value("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    assert chromium.value("Math.min(...[...document.querySelectorAll('figure svg')].map(svg => svg.getBoundingClientRect().height))"
                          ) > 60
    assert chromium.value(CONTRAST) == []
    back = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(19, 24, 29)") == dark


@NEEDS_BROWSER
def test_the_filter_by_keyboard(chromium, page_url):
    chromium.show(page_url)
    shown = "[...document.querySelectorAll('figure')].filter(f => !f.hidden).map(f => f.dataset.fs + '/' + f.dataset.strategy)"
    assert len(chromium.value(shown)) == 4
    chromium.value("document.querySelector('select[name=fs]').focus()")
    for key in ("x",):  # letters choose in a list
        for kind in ("keyDown", "keyUp"):
            chromium.call("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "",
                          code="KeyX", windowsVirtualKeyCode=88)
    assert chromium.value(shown) == ["xfs/volatile", "xfs/map_sync"]
    assert chromium.value("document.getElementById('shown').textContent") == "2 of 4 shown"
    assert chromium.value("[...document.querySelectorAll('tbody tr[data-fs]')].map(r => r.hidden)") == [False, True]
    chromium.value("document.querySelector('select[name=fs]').value = ''; document.querySelector('input[name=changed]').click()")
    assert chromium.value(shown) == ["ext4/map_sync", "xfs/volatile", "xfs/map_sync"]
    chromium.value("document.querySelector('#filter button').click(); new Promise(done => setTimeout(done, 50))")
    assert len(chromium.value(shown)) == 4
    chromium.show(page_url, scripts=False)
    assert chromium.value("[document.getElementById('filter').hidden, document.querySelectorAll('figure').length]") == [True, 4]
