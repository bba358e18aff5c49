# SPDX-License-Identifier: GPL-2.0-only
"""The page in a real browser: nothing is cut or too small, by light and in the dark, and its script does what it is for."""

import re

import pytest

import inputs
from conftest import NEEDS_BROWSER
from report_test import contests, crashes, page_of, small


@pytest.fixture(scope="module")
def page_url(tmp_path_factory):
    """A page with something of everything."""
    from conftest import Synthetic
    synthetic = Synthetic(tmp_path_factory.mktemp("browser"))
    rows = small(synthetic) + synthetic.pair(kernel="k" * 120) + contests(synthetic)
    rows += synthetic.pair("map_sync", None, "hole", fs="xfs")
    given = inputs.Inputs(synthetic.load(rows), crashes(), [("a-flame", {("fault", "x" * 200): 3})])
    folder = synthetic.folder / "page"
    page_of(given, folder)
    return (folder / "report.html").as_uri()


@NEEDS_BROWSER
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1024, 1920])
def test_a_browser_shows_the_page_without_overflow_or_complaint(chromium, page_url, width, dark):
    chromium.show(page_url, width, dark=dark)
    assert chromium.complaints() == []
    assert chromium.value("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    assert chromium.value("[...document.querySelectorAll('figure svg text')].filter(text => text.checkVisibility()).length") > 30
    assert chromium.value("Math.min(...[...document.querySelectorAll('figure svg')].filter(svg => svg.checkVisibility()).map("
                          "svg => svg.getBoundingClientRect().height))") > (60 if width > 400 else 40)
    paint = chromium.value("new Promise(done => new PerformanceObserver(list => done(list.getEntries()[0].startTime))"
                           ".observe({type: 'paint', buffered: true}))")
    assert paint < 1000


CUT = """[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth + 1 &&
  !one.closest('.flame')%s).map(one => one.getAttribute('aria-label'))"""


@NEEDS_BROWSER
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_but_flame_graphs_and_in_a_narrow_window_figures_scrolls_sideways(chromium, page_url, width):
    cut = CUT % (" && !one.closest('figure')" if width == 400 else "")
    chromium.show(page_url, width)
    chromium.value("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert chromium.value("document.querySelectorAll('.wide').length") > 20
    assert chromium.value(cut) == []
    chromium.value("document.querySelectorAll('.stacked').forEach(one => { one.style.minWidth = '90rem'; })")
    assert chromium.value(cut) != []


@NEEDS_BROWSER
@pytest.mark.parametrize("width", [360, 400, 1280])
def test_the_words_of_a_figure_can_be_read(chromium, page_url, width):
    """None is smaller than 9 pixels: in a narrow window a figure keeps its size and scrolls in its own box."""
    chromium.show(page_url, width)
    heights = ("[...document.querySelectorAll('figure:not(.flame) svg text')].filter(text => text.checkVisibility())"
               ".map(text => text.getBoundingClientRect().height)")
    assert chromium.value(f"{heights}.length") > 30 and chromium.value(f"Math.min(...{heights})") >= 9
    assert chromium.value("document.documentElement.scrollWidth") == width
    chromium.value("document.querySelectorAll('figure svg').forEach(one => { one.style = 'min-width: 0; width: 20rem'; })")
    assert chromium.value(f"Math.min(...{heights})") < 9


@NEEDS_BROWSER
@pytest.mark.parametrize("width, drawn", [(360, "narrow"), (400, "narrow"), (480, "narrow"), (481, "wide"), (1280, "wide")])
def test_the_first_figure_is_drawn_for_its_window(chromium, page_url, width, drawn):
    """A narrow one is whole in its box, and none of its words stands out of it."""
    chromium.show(page_url, width)
    shown = chromium.value("[...document.querySelector('figure').querySelectorAll('.wide, .narrow')].filter(one => one.checkVisibility())"
                           ".map(one => one.className)")
    assert [name.split()[0] for name in shown] == [drawn]
    if drawn == "narrow":
        right = "[...document.querySelectorAll('figure .narrow {}')].map(one => one.getBoundingClientRect().right)"
        assert chromium.value("document.querySelectorAll('figure .narrow svg text').length") > 20
        for what in ("svg", "text", "path"):
            assert max(chromium.value(right.format(what))) <= width - 16, what
        widths = "[...document.querySelectorAll('figure .narrow svg')].map(one => one.getBoundingClientRect().width)"
        assert chromium.value(f"Math.min(...{widths})") == min(width - 32, 416)


@NEEDS_BROWSER
def test_the_first_screen_is_the_answer_and_one_figure(chromium, page_url):
    chromium.show(page_url, 1280)
    top = "document.querySelector('{}').getBoundingClientRect().top"
    assert 0 < chromium.value(top.format("#answer")) < chromium.value(top.format("figure")) < 600
    assert chromium.value("document.querySelector('#answer strong').getBoundingClientRect().bottom") < 400
    assert chromium.value(top.format("figure h3")) < chromium.value(top.format("figure svg"))
    assert chromium.value("[...document.querySelectorAll('details')].filter(one => one.open).length") == 0


# WCAG 2.1, over every text that is shown: its colour against the nearest background that is not transparent.
CONTRAST = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 :
    ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const back = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || node.closest("svg, script, [hidden]")) continue;
    const pair = [light(parse(getComputedStyle(node).color)), light(back(node))].sort((a, b) => b - a);
    if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) bad.push(walker.currentNode.data.trim().slice(0, 60));
  }
  return bad;
})()"""


@NEEDS_BROWSER
@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast_aa(chromium, page_url, dark):
    chromium.show(page_url, dark=dark)
    back = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(19, 24, 29)" if dark else "rgb(255, 255, 255)")
    assert chromium.value(CONTRAST) == []
    chromium.value("document.querySelector('p.quiet').style.color = getComputedStyle(document.body).backgroundColor")
    assert chromium.value(CONTRAST) != []


@NEEDS_BROWSER
def test_everything_can_be_reached_by_keyboard(chromium, page_url):
    chromium.show(page_url)
    wanted = chromium.value("[...document.querySelectorAll('a[href], summary, [tabindex=\"0\"], input, button')].filter("
                            "e => e.checkVisibility()).length")
    assert wanted > 40
    reached = []
    for _ in range(wanted + 5):
        chromium.press("Tab")
        reached.append(chromium.value(
            "(() => { const e = document.activeElement; if (e === document.body) return null; e.dataset.seen = 1;"
            " const s = getComputedStyle(e); return s.outlineStyle !== 'none' && s.outlineWidth !== '0px'; })()"))
    assert chromium.value("document.querySelectorAll('[data-seen]').length") == wanted
    assert all(ring for ring in reached if ring is not None)


@NEEDS_BROWSER
def test_the_filter_hides_what_is_not_chosen(chromium, page_url):
    chromium.show(page_url)
    count = ("(() => [document.querySelectorAll('#table ~ section:not([hidden]), main section:not([hidden])').length, "
             "document.querySelectorAll('g.mark.dim').length, "
             "document.querySelectorAll('tbody tr[data-strategy]:not([hidden])').length])()")
    sections, dim, rows = chromium.value(count)
    assert dim == 0 and sections >= 5
    chromium.value("document.querySelector('#filter input[value=\"xfs\"]').click()")
    fewer = chromium.value(count)
    assert fewer[0] == sections - 1 and fewer[1] > 0
    chromium.value("document.querySelector('#filter input[name=\"strategy\"][value=\"map_sync\"]').click()")
    assert chromium.value(count)[2] < rows
    assert "hidden" in chromium.value("document.getElementById('filtered').textContent")
    chromium.value("document.querySelector('#filter button').click()")
    chromium.value("new Promise(done => setTimeout(done, 50))")
    assert chromium.value(count) == [sections, 0, rows]


@NEEDS_BROWSER
def test_hover_says_value_and_cell(chromium, page_url):
    chromium.show(page_url)
    chromium.value("(() => { const m = document.querySelector('g.mark'); m.scrollIntoView({block: 'center'}); const b = "
                   "m.getBoundingClientRect(); m.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, clientX: "
                   "b.x + 2, clientY: b.y + 2})); })()")
    text = chromium.value("document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent")
    assert re.fullmatch(r"[\d.]+ instr per page, [\d.]+ times volatile\n[^/]+/ext4/\w+(:\d+)?/first_touch/\w+/pte/t1/off",
                        text), text


@NEEDS_BROWSER
def test_without_scripts_nothing_is_missing(chromium, page_url):
    chromium.show(page_url, scripts=False)
    chromium.call("Emulation.setScriptExecutionDisabled", value=False)
    assert chromium.value("document.getElementById('filter').hidden")
    assert chromium.value("document.querySelectorAll('g.mark > title').length") == chromium.value(
        "document.querySelectorAll('g.mark').length") > 20
    assert chromium.value("document.querySelectorAll('details, section, article').length") > 10
    assert chromium.value("document.documentElement.scrollWidth") == 1024
