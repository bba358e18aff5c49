# SPDX-License-Identifier: GPL-2.0-only
"""Figures: which there are, what stands in them, which rows they show, and that they are the same bytes each time."""

import os
import re
import xml.etree.ElementTree

import pytest

import conftest
import figures
import plot
from figures import phases, slowdown, syncs

SVG = "{http://www.w3.org/2000/svg}"


def texts(figure):
    return ["".join(t.itertext()) for t in xml.etree.ElementTree.fromstring(figure.svg).iter(SVG + "text")]


def hovers(figure):
    return ["".join(t.itertext()) for t in xml.etree.ElementTree.fromstring(figure.svg).iter(SVG + "title")]


def by_kind(found):
    return {figure.kind: figure for figure in found}


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """Two file systems, two states, a curve: [Figure]."""
    from conftest import Synthetic, make_pair
    variants = (("volatile", None), ("fsync", 1), ("fsync", 8), ("fsync", "all"), ("map_sync", None))
    rows = [row for fs in ("ext4", "xfs") for state in ("hole", "written") for name, k in variants
            for row in make_pair(name, k, state, fs=fs)]
    return figures.figures(Synthetic(tmp_path_factory.mktemp("some")).load(rows))


def test_ticks_of_any_k_do_not_stand_on_each_other():
    """By hand, at 0.4 inches a doubling: the word of 2 ends at 0.4 + 0.073; that of 7 is from 1.05 to 1.20, that of 8 from
    1.127; that of 100 from 2.51 on."""
    assert syncs._apart([2, 7, 8, 100], ["2", "7", "8", "100"], 0.4) == ["2", "7", "", "100"]
    assert syncs._apart([1, 8, 64, 512], ["1", "8", "64", "all"], 0.2) == ["1", "8", "64", "all"]


def test_a_strategy_stands_in_the_rows_of_the_file_systems_that_it_was_measured_on(tmp_path):
    """And in a narrow window, where each panel is a row, in those of its states."""
    from conftest import Synthetic, make_row
    rows = [make_row(name, k, state, fs=fs) for fs, variants in (("ext4", (("volatile", None), ("fsync", 8), ("map_sync", None))),
                                                               ("xfs", (("volatile", None), ("map_sync", None))))
            for state in ("hole", "written") for name, k in variants if (name, state) != ("map_sync", "hole")]
    made = figures.figures(Synthetic(tmp_path).load(rows))
    cost = by_kind(made)["cost"]
    assert [texts(cost).count(name) for name in ("volatile", "fsync:8", "map_sync")] == [2, 1, 2]
    narrow = plot.Figure("", "", "", "", False, cost.narrow, b"")
    assert [texts(narrow).count(name) for name in ("volatile", "fsync:8", "map_sync")] == [4, 2, 2]
    panels = ["ext4, hole", "ext4, written", "xfs, hole", "xfs, written"]
    assert [word for word in texts(narrow) if ", " in word] == panels
    assert sorted(hovers(narrow)) == sorted(hovers(cost)) and len(hovers(cost)) == 8
    width = float(re.match(r'<svg [^>]*width="([\d.]+)pt"', cost.narrow)[1])
    assert width * 96 / 72 <= 360 - 2 * 16
    assert [figure.kind for figure in made if figure.narrow] == ["cost"]


def test_a_long_name_leaves_room_in_a_narrow_window(tmp_path):
    from conftest import Synthetic, make_row
    cost, = [figure for figure in figures.figures(Synthetic(tmp_path).load([make_row("s" * 90)])) if figure.kind == "cost"]
    drawn = re.sub("<title>.*?</title>|data-strategy=\"s*\"", "", cost.narrow, flags=re.S)
    assert "s" * 17 + "\u2026" in drawn and "s" * 18 not in drawn
    assert float(re.match(r'<svg [^>]*width="([\d.]+)pt"', cost.narrow)[1]) * 96 / 72 <= 360 - 2 * 16


def test_names_and_labels(some):
    assert [f.slug for f in some] == [f"{kind}-6.1-first-touch-pte-t1" for kind in ("cost", "syncs", "latency", "tax")]
    kinds = by_kind(some)
    cost = texts(kinds["cost"])
    for word in ("ext4, hole", "xfs, written", "volatile", "fsync:1", "fsync:8", "fsync:all", "map_sync",
                 "instr per page (virtual)", "tax of the probes"):
        assert word in cost, word
    assert not any("unwritten" in word for word in cost)
    # one ratio a bar: 2 file systems x 2 states x 5 variants; 69479 / 17882 and 5230 / 5150
    values = [t for t in cost if "×" in t]
    assert len(values) == 20 and "69\u202f479  ×3.89" in values and "5\u202f230  ×1.02" in values
    curve = texts(kinds["syncs"])
    for word in ("ext4, hole", "xfs, written", "1", "8", "all", "K, writes per sync", "map_sync", "volatile"):
        assert word in curve, word
    latency = texts(kinds["latency"])
    for word in ("p50", "p99.9", "max", "instr per fault (virtual)", "10 %", "faults slower than that", "fsync:1"):
        assert word in latency, word
    assert "fsync:8" not in latency  # a fault is the same whatever the K
    assert "percent of a fault" in texts(kinds["tax"])


def test_the_title_is_in_the_png_alone(some):
    import io
    import matplotlib.image
    for figure in some:
        left, top, width, height = map(float, re.search(r'viewBox="([^"]*)"', figure.svg)[1].split())
        assert (left, top) == (0, pytest.approx((plot.TITLE - 0.06) * 72)) and figure.title not in texts(figure)
        pixels = matplotlib.image.imread(io.BytesIO(figure.png))
        assert pixels.shape[:2] == (pytest.approx((height + top) / 72 * plot.PNG_DPI, abs=1),
                                    pytest.approx(width / 72 * plot.PNG_DPI, abs=1))
        assert (pixels[:int(0.25 * plot.PNG_DPI), :, 0] < 0.5).any()  # the strip that the SVG lacks has the title's ink


def test_a_mark_for_each_row_with_value_and_name(some):
    kinds = by_kind(some)
    assert {kind: len(figure.rows) for kind, figure in kinds.items()} == {"cost": 20, "syncs": 20, "latency": 12, "tax": 20}
    found = hovers(kinds["cost"])
    assert len(found) == 20
    assert "69479 instr per page, 3.89 times volatile\n6.1/ext4/map_sync/first_touch/hole/pte/t1/off" in found
    assert "p50 69410, p90 69410, p99 79822, p99.9 4.23e+05" not in found[0]
    assert any(text.startswith("p50 ") and text.endswith("6.1/ext4/map_sync/first_touch/hole/pte/t1/on")
               for text in hovers(kinds["latency"]))
    for figure in some:
        assert len(hovers(figure)) == len(re.findall('class="mark"', figure.svg)) >= len(figure.rows)


def test_a_strategy_has_one_colour_everywhere(some):
    for name in ("map_sync", "fsync", "volatile"):
        colour = plot.strategy_styles(conftest.TABLES["strategy"])[name][0].lower()
        assert all(colour in figure.svg.lower() for figure in some), name


def test_a_bar_is_as_long_as_its_value_and_begins_at_0(some):
    svg = by_kind(some)["cost"].svg
    widths = {}
    for text, path in re.findall(r'<title>[^<]*?([^/<\n]+/[^<]*)</title><path d="([^"]*)"', svg):
        xs = [float(x) for x in re.findall(r"[ML] ([\d.]+)", path)]
        widths[text] = min(xs), max(xs) - min(xs)
    ext4 = {name.split("/")[2]: width for name, width in widths.items() if "/ext4/" in name and "/hole/" in name}
    assert len({start for start, _ in ext4.values()}) == 1
    assert ext4["map_sync"][1] / ext4["volatile"][1] == pytest.approx(69479 / 17882, rel=1e-3)


def test_the_crossing_is_marked(synthetic):
    rows = [{**synthetic.row(name, k, "hole"), "per_page": page} for name, k, page in (
        ("fsync", 1, 9000), ("fsync", 8, 3000), ("map_sync", None, 4000))]
    figure = by_kind(figures.figures(synthetic.load(rows)))["syncs"]
    assert "map_sync: K = 4 (3.69)" in texts(figure)  # 1 / (1 - 5/6 * 7/8)
    colour = plot.styles(synthetic.load(rows))("map_sync")[0].lower()
    assert re.search(f"fill-opacity: 0; stroke: {colour}; stroke-width: 1.4", figure.svg)


def test_the_same_result_gives_the_same_bytes(synthetic):
    result = synthetic.load(synthetic.pair("volatile") + synthetic.pair("map_sync"))
    first, second = figures.figures(result), figures.figures(result)
    assert [(f.svg, f.png) for f in first] == [(f.svg, f.png) for f in second]
    for figure in first:
        assert not re.search(r"<metadata|<dc:date|Matplotlib", figure.svg)
        assert figure.png.startswith(b"\x89PNG\r\n\x1a\n")


def test_processes_change_nothing(synthetic):
    rows = [row for kernel in ("a", "b", "c") for row in synthetic.pair("volatile", kernel=kernel)]
    result = synthetic.load(rows)
    one, two = figures.figures(result, processes=1), figures.figures(result, processes=2)
    assert len(one) == 10 >= figures.PARALLEL_FROM  # 3 kernels x cost, latency, tax; and the kernels
    assert [(f.slug, f.svg, f.png) for f in one] == [(f.slug, f.svg, f.png) for f in two]


def test_ids_are_unique_over_all_figures_and_references_resolve(some):
    svg = "".join(f.svg for f in some)
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg)) <= set(ids)
    assert plot.INK not in svg and "currentColor" in svg and "<image" not in svg and "data:" not in svg


def test_nothing_measured_nothing_drawn(synthetic):
    for rows in ([], [synthetic.skip(synthetic.row())]):
        result = synthetic.load(rows)
        assert figures.figures(result) == []
        assert [one["kind"] for one in figures.missing(result, [])] == [
            "cost", "syncs", "phases", "latency", "unrelated", "kernels", "threads", "orders", "tax", "lineprice", "kara2017", "dos",
            "crowd", "retries", "bystander"]


def test_what_is_left_out_says_how_to_measure_it(synthetic):
    result = synthetic.load([synthetic.row()])
    left = {one["kind"]: one["command"] for one in figures.missing(result, figures.figures(result))}
    assert "cost" not in left
    assert left["phases"] == ("faultline run --kernel 6.1 --fs ext4 --strategy volatile,map_sync,sync_fault --probes "
                              "phases --out more/phases")


def test_what_is_left_out_of_a_host_s_result_is_measured_there(synthetic):
    import load
    from conftest import to_host
    document = to_host(synthetic.document([synthetic.row(kernel="host")]))
    document["context"]["command_line"] = ["faultline", "run", "--on", "host", "--dir", "/mnt/my pmem"]
    result = load.load(synthetic.save(document))
    left = {one["kind"]: one["command"] for one in figures.missing(result, [])}
    assert left["tax"] == "faultline run --on host --dir '/mnt/my pmem' --fs ext4 --probes on --out more/tax"


def test_one_cell(synthetic):
    assert [f.kind for f in figures.figures(synthetic.load([synthetic.row()]))] == ["cost"]
    assert [f.kind for f in figures.figures(synthetic.load([synthetic.row(probes="on")]))] == ["cost", "latency"]


@pytest.mark.parametrize("changes", [{"per_page": 0}, {"per_page": 1e15}, {"per_page": 1e-9}, {"p50": 0, "max": 0},
                                     {"per_fault": 0}, {"per_fault": 1e15}])
def test_odd_figures_are_drawn_without_a_complaint(synthetic, changes, recwarn):
    for probes in ("on",) if "p50" in changes else ("on", "off"):
        for rows in (["volatile"], ["volatile", "map_sync"]):
            figures.figures(synthetic.load([synthetic.row(name, probes=probes, **changes) for name in rows]))
    if "p50" not in changes:
        figures.figures(synthetic.load(synthetic.pair(**changes) + synthetic.pair("fsync", 1, **changes)
                                       + synthetic.pair("fsync", 8, **changes)))
    assert [str(w.message) for w in recwarn] == []


def test_hostile_names_stay_text(synthetic):
    kernels = ["</svg><script>alert(1)</script>", "$\\frac{$", "../../etc/passwd", "日本\n\x1b[2J", "a b", "a_b",
               "\ud800"]
    found = figures.figures(synthetic.load([synthetic.row(kernel=kernel) for kernel in kernels]))
    slugs = [f.slug for f in found]
    assert len(set(slugs)) == len(kernels) + 1
    for figure in found:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", figure.slug) and ".." not in figure.slug
        assert "<script" not in figure.svg
        xml.etree.ElementTree.fromstring(figure.svg.encode())


def test_wall_time_says_ns(synthetic):
    assert "ns per page (wall)" in texts(figures.figures(synthetic.wall_result([synthetic.row()]))[0])


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_each_strategy_looks_different_on_white_and_on_dark():
    by_family = [style for styles in plot.FAMILY_STYLES.values() for style in styles]
    for styles in (by_family, plot.NEUTRAL_STYLES):
        assert len({colour for colour, _ in styles}) == len({marker for _, marker in styles}) == len(styles) == 15
    for colour, _ in [*by_family, *plot.NEUTRAL_STYLES]:
        assert 1.05 / (luminance(colour) + 0.05) >= 2.1, colour
        assert (luminance(colour) + 0.05) / (luminance("#13181d") + 0.05) >= 3, colour


def test_every_phase_has_a_colour():
    path = os.path.join(os.path.dirname(figures.__file__), "..", "..", "bpf", "phases.def")
    with open(path, encoding="utf-8") as file:
        ids = re.findall(r"^PHASE\((\w+)", file.read(), re.M)
    colours = phases.phase_colours(ids)
    assert set(colours) == {*ids, "other"} and len(set(colours.values())) == len(colours)
    assert colours["entry"] == phases.WAY_COLOURS[0] and colours["sync"] == phases.SYNC_COLOURS[0]
    assert phases.phase_colours(["a", "b"]) == {"a": phases.WAY_COLOURS[0], "b": phases.WAY_COLOURS[1],
                                                 "other": "#7F7F7F"}


def test_strategies_of_a_family_are_of_its_hue():
    found = plot.strategy_styles(conftest.TABLES["strategy"])
    assert found["fsync"] == plot.FAMILY_STYLES["call"][0] and found["msync"] == plot.FAMILY_STYLES["call"][1]
    assert found["pwrite"] == plot.FAMILY_STYLES["call"][2]
    assert found["sync_retry_extent"] == plot.FAMILY_STYLES["sync_retry"][1]
    many = plot.strategy_styles([*conftest.TABLES["strategy"], *({"id": f"mine {n} {family}", "family": family} for n in range(12) for family in
                                                               (*plot.FAMILY_STYLES, None))])
    assert len(set(many.values())) == len(many) == len(conftest.TABLES["strategy"]) + 12 * 7 and {colour for colour, _ in many.values()} == {
        colour for colour, _ in plot.NEUTRAL_STYLES}
    unknown = plot.strategy_styles([{"id": "mine"}, {"id": "yours", "family": "unheard of"}])
    assert unknown == {"mine": plot.NEUTRAL_STYLES[0], "yours": plot.NEUTRAL_STYLES[1]}


def test_phases(synthetic):
    rows = [synthetic.row("map_sync", state="hole"),
            synthetic.row("map_sync", state="hole", probes="phases", phases=synthetic.phases(map=1000, sync=2000, other=50))]
    figure = by_kind(figures.figures(synthetic.load(rows)))["phases"]
    found = texts(figure)
    for word in ("map", "sync", "other", "map_sync, hole", "3\u202f050", "instr per fault (virtual)"):
        assert any(word in text for text in found), word
    assert "sync: 2000 instr of 3050\n6.1/ext4/map_sync/first_touch/hole/pte/t1/phases" in hovers(figure)


def test_kernels_stand_in_the_order_of_their_versions(synthetic):
    context = synthetic.context()
    context["kernels"] = {name: {**context["kernels"]["6.1"], "release": release}
                          for name, release in (("new", "7.3.4"), ("old", "5.10.0"), ("mid", "6.12.1"))}
    rows = [synthetic.row("map_sync", kernel=name) for name in ("new", "old", "mid")]
    import load
    figure = by_kind(figures.figures(load.load(synthetic.save({"context": context, "benchmarks": rows}))))["kernels"]
    found = [text for text in texts(figure) if text in ("7.3.4", "5.10.0", "6.12.1")]
    assert found == ["5.10.0", "6.12.1", "7.3.4"] and len(figure.rows) == 3


def test_unrelated_dirt(synthetic):
    rows = [row for n in (None, 1000, 10000) for row in synthetic.pair("map_sync", None, "hole", workload="unrelated",
                                                                        dirty_inodes=n)]
    found = figures.figures(synthetic.load(rows))
    assert [figure.slug for figure in found] == ["unrelated-6.1-hole"] and len(found[0].rows) == 6
    assert sum("a page 69479 instr" in text for text in hovers(found[0])) == 3
    alone = [row for row in rows if row["probes"] == "off"]
    [figure] = figures.figures(synthetic.load(alone))
    assert len(figure.rows) == len(hovers(figure)) == 3
    for word in ("0", "1\u202f000", "10\u202f000", "dirty inodes of other files", "map_sync", "a page", "longest fault"):
        assert word in texts(found[0]), word
    assert any(text.startswith("map_sync, 1000 dirty inodes: longest fault ") and
               text.endswith("6.1/ext4/map_sync/unrelated/hole/pte/t1/d1000/on") for text in hovers(found[0]))


def test_threads_and_orders(synthetic):
    rows = [synthetic.row("map_sync", threads=n) for n in (1, 2, 4)]
    rows += [synthetic.row("map_sync", order="pmd"), synthetic.row("map_sync", order="pmd", probes="on", fallbacks=512)]
    found = by_kind(figures.figures(synthetic.load(rows)))
    assert [t for t in texts(found["threads"]) if t in ("1", "2", "4")] == ["1", "2", "4"]
    assert {"threads", "orders"} <= set(found)
    assert "ext4, map_sync, written, pmd" in texts(found["orders"])
    hover = "\n".join(hovers(found["orders"]))
    # 512 of 2048 fell back
    assert "75.0% of the touches mapped as pmd" in hover and "25.0% of the touches mapped as pte" in hover
    assert "100.0% of the touches mapped as pte" in hover


def test_spread_of_samples_is_drawn(synthetic):
    rows = synthetic.samples([synthetic.row("map_sync")], [0.9, 1, 1.2])
    assert "least to greatest sample" in texts(by_kind(figures.figures(synthetic.load(rows)))["cost"])
    assert "least to greatest sample" not in texts(figures.figures(synthetic.load([synthetic.row()]))[0])


@pytest.fixture
def contests(synthetic):
    """A result of contests: two file systems, three strategies, a starved cell, one that never ended, a refused one."""
    rows = [synthetic.contest(name, touch, fs=fs) for fs in ("ext4", "xfs") for name in ("sync_retry", "map_sync")
            for touch in ("append", "utimens")]
    rows += [synthetic.refused(), synthetic.contest(touch="none", attackers=0),
             synthetic.contest("sync_fault", "utimens", runs=[synthetic.run(3849.1, True), synthetic.run(2)]),
             synthetic.contest("sync_fault", "mmap", workload="bystander",
                               runs=[synthetic.run(0, True), synthetic.run(2)])]
    return synthetic.load(rows)


def test_contests(contests):
    found = figures.figures(contests)
    assert [(f.slug, f.contest) for f in found] == [
        ("dos-6.1-written-deterministic", "dos"), ("crowd-6.1-written-deterministic", "dos"),
        ("retries-6.1-written-deterministic", "dos"), ("bystander-6.1-written-deterministic", "bystander"),
        ("stalls-6.1-written-deterministic", "bystander")]
    dos, crowd, retries, bystander, stalls = map(texts, found)
    for word in ("ext4", "xfs", "map_sync", "sync_fault", "sync_retry", "daxfile", "append", "utimens", "pwrite",
                 "1.50", "≥3849", "ETXTBSY", "starved"):
        assert word in dos, word
    assert dos.count("1.50") == 8 and "none" not in dos and "never" not in dos
    # a frame for the cell, one for its legend
    assert len(re.findall(f"stroke: {slowdown.STARVED.lower()}", found[0].svg)) == 2
    assert "never" in bystander and "mmap" in bystander and "utimens" not in bystander
    assert "attackers" in crowd and "ext4: runs starved, percent" in crowd and len(found[1].rows) == 6
    assert "most retries of one fault" in retries and "map_sync" not in retries and len(found[2].rows) == 4
    assert "longest touch, instr (virtual)" in stalls
    assert [len(found[0].rows), len(found[3].rows)] == [10, 1]


def test_touches_with_several_numbers_of_attackers(synthetic):
    rows = [synthetic.contest("sync_retry", "store", n) for n in (1, 4)]
    figure = by_kind(figures.figures(synthetic.load(rows)))["dos"]
    assert "store ×1" in texts(figure) and "store ×4" in texts(figure) and "starved" not in texts(figure)


def test_contests_leave_the_figures_of_ordinary_cells_alone(synthetic):
    ordinary = synthetic.pair("volatile") + synthetic.pair("map_sync")
    alone = figures.figures(synthetic.load(ordinary))
    both = figures.figures(synthetic.load([synthetic.contest(), *ordinary, synthetic.contest("volatile")]))
    assert [(f.svg, f.png) for f in both[:-1]] == [(f.svg, f.png) for f in alone]
    assert [f.contest for f in both] == ["", "", "", "dos"]


@pytest.mark.parametrize("rows", [
    lambda s: [s.refused()], lambda s: [s.contest(runs=[s.run(0), s.run(0)])],
    lambda s: [s.contest(runs=[s.run(1e12, True)])], lambda s: [s.contest(runs=[s.run(0.5)])],
    lambda s: [s.contest("sync_retry", attackers=n, retries_max=10**9) for n in (1, 2)],
    lambda s: [s.contest(workload="bystander", touch="mmap", progress_max=0)],
    lambda s: [s.contest("volatile", "t" * 60, fs="f" * 60)]])
def test_odd_contests_are_drawn_without_a_complaint(synthetic, rows, recwarn):
    assert figures.figures(synthetic.load(rows(synthetic)))
    assert [str(w.message) for w in recwarn] == []


def test_no_contest_with_attackers_no_heat_map(synthetic):
    assert figures.figures(synthetic.load([synthetic.contest(touch="none", attackers=0)])) == []


def test_words_on_a_heat_map_have_contrast_aa():
    from report_test import contrast
    import matplotlib.colors
    for step in range(32):
        colour = slowdown.HEAT(step / 31)
        assert contrast(slowdown._readable(colour), matplotlib.colors.to_hex(colour)) >= 4.5


def test_a_kind_of_figure_is_one_file():
    """What is in the folder is drawn: no list beside it."""
    folder = os.path.dirname(figures.__file__)
    without = {"__init__", "kind", "drawing", "trend"}  # what several share, and what no report draws
    files = {name[:-3] for name in os.listdir(folder) if name.endswith(".py")} - without
    makers = {kind.draw.__module__.rpartition(".")[2] for kind in figures.KINDS}
    assert makers == files
    ids = [kind.id for kind in figures.KINDS]
    assert len(set(ids)) == len(ids) == 16 and ids[0] == "cost"
    assert [kind.place for kind in figures.KINDS] == sorted({kind.place for kind in figures.KINDS})


def test_without_room_for_processes_it_draws_alone(synthetic, monkeypatch):
    """A sandbox may have no /dev/shm, no semaphores, or no room for another process."""
    rows = [row for kernel in ("a", "b", "c") for row in synthetic.pair("volatile", kernel=kernel)]
    result = synthetic.load(rows)
    one = figures.figures(result, processes=1)
    for error in (OSError(30, "Read-only file system"), PermissionError(13, "no"), BlockingIOError(11, "no"),
                  ImportError("no synchronize")):
        class Context:
            def Pool(self, processes):
                raise error
        monkeypatch.setattr(figures.multiprocessing, "get_context", lambda _: Context())
        alone = figures.figures(result, processes=2)
        assert [(f.slug, f.svg, f.png) for f in one] == [(f.slug, f.svg, f.png) for f in alone]


def test_processes_are_those_that_may_run(synthetic, monkeypatch):
    asked = []
    rows = [row for kernel in ("a", "b", "c") for row in synthetic.pair("volatile", kernel=kernel)]
    monkeypatch.setattr(figures, "_pool", asked.append)
    monkeypatch.setattr(figures, "_draw", lambda job: None)
    monkeypatch.setattr(figures.cpus, "usable", lambda: 3)
    figures.figures(synthetic.load(rows))
    assert asked == [3]
