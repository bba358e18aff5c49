# SPDX-License-Identifier: GPL-2.0-only
"""Figures: which there are, what stands in them, and that they are the same bytes each time."""

import re
import xml.etree.ElementTree

import pytest

import plot

SVG = "{http://www.w3.org/2000/svg}"


def texts(figure):
    return ["".join(t.itertext()) for t in xml.etree.ElementTree.fromstring(figure.svg).iter(SVG + "text")]


def by_kind(figures):
    return {figure.slug.split("-")[0]: figure for figure in figures}


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """Two file systems, two states, a curve: [Figure]."""
    from conftest import Synthetic, make_pair
    variants = (("volatile", None), ("fsync", 1), ("fsync", 8), ("fsync", "all"), ("map_sync", None))
    rows = [row for fs in ("ext4", "xfs") for state in ("hole", "written") for name, k in variants
            for row in make_pair(name, k, state, fs=fs)]
    return plot.figures(Synthetic(tmp_path_factory.mktemp("some")).load(rows))


def test_names_and_labels(some):
    assert [f.slug for f in some] == [
        "cost-6.1-first-touch-pte-t1", "syncs-6.1-first-touch-pte-t1", "latency-6.1-first-touch-pte-t1"]
    kinds = by_kind(some)
    cost = texts(kinds["cost"])
    for word in ("ext4", "xfs", "volatile", "fsync:1", "fsync:8", "fsync:all", "map_sync", "hole", "written",
                 "instr per page (virtual)", "tax of the probes"):
        assert word in cost, word
    assert "unwritten" not in cost
    # one ratio a bar: 2 file systems x 2 states x 5 variants; 69479 / 17882 and 5230 / 5150
    ratios = [t for t in cost if t.startswith("×")]
    assert len(ratios) == 20 and "×3.89" in ratios and "×1.02" in ratios
    curve = texts(kinds["syncs"])
    for word in ("ext4, hole", "xfs, written", "1", "8", "all", "K, writes per sync", "map_sync", "volatile"):
        assert word in curve, word
    latency = texts(kinds["latency"])
    for word in ("p50", "p99.9", "max", "instr per fault (virtual)"):
        assert word in latency, word


def test_a_bar_a_tax_and_a_colour_for_each_cell(some):
    svg = by_kind(some)["cost"].svg
    for state, bars in (("hole", 10), ("written", 10), ("unwritten", 0)):
        # and one patch in the legend
        assert len(re.findall(f"fill: {plot.STATE_COLOUR[state].lower()}", svg)) == bars + (bars > 0)
    assert len(re.findall(r"fill: url\(#", svg)) == 20 + 1


def test_the_same_result_gives_the_same_bytes(synthetic):
    result = synthetic.load(synthetic.pair("volatile") + synthetic.pair("map_sync"))
    first, second = plot.figures(result), plot.figures(result)
    assert [(f.svg, f.png) for f in first] == [(f.svg, f.png) for f in second]
    for figure in first:
        assert not re.search(r"<metadata|<dc:date|Matplotlib", figure.svg)


def test_ids_are_unique_over_all_figures_and_references_resolve(some):
    svg = "".join(f.svg for f in some)
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg)) <= set(ids)
    assert plot.INK not in svg and "currentColor" in svg


def test_nothing_measured_nothing_drawn(synthetic):
    assert plot.figures(synthetic.load([])) == []
    assert plot.figures(synthetic.load([synthetic.skip(synthetic.row())])) == []


def test_one_cell(synthetic):
    assert [f.slug.split("-")[0] for f in plot.figures(synthetic.load([synthetic.row()]))] == ["cost"]
    assert [f.slug.split("-")[0] for f in plot.figures(synthetic.load([synthetic.row(probes="on")]))] == [
        "cost", "latency"]


@pytest.mark.parametrize("changes", [{"per_page": 0}, {"per_page": 1e15}, {"per_page": 1e-9}, {"p50": 0, "max": 0}])
def test_odd_figures_are_drawn_without_a_complaint(synthetic, changes, recwarn):
    probes = "on" if "p50" in changes else "off"
    plot.figures(synthetic.load([synthetic.row(probes=probes, **changes)]))
    plot.figures(synthetic.load([synthetic.row(probes=probes, **changes), synthetic.row("map_sync", probes=probes)]))
    assert [str(w.message) for w in recwarn] == []


def test_hostile_names_stay_text(synthetic):
    kernels = ["</svg><script>alert(1)</script>", "$\\frac{$", "../../etc/passwd", "日本\n\x1b[2J", "a b", "a_b",
               "\ud800"]
    figures = plot.figures(synthetic.load([synthetic.row(kernel=kernel) for kernel in kernels]))
    slugs = [f.slug for f in figures]
    assert len(set(slugs)) == len(kernels)
    for figure in figures:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", figure.slug) and ".." not in figure.slug
        assert "<script" not in figure.svg
        xml.etree.ElementTree.fromstring(figure.svg.encode())


def test_wall_time_says_ns(synthetic):
    import load
    document = synthetic.wall(synthetic.document([synthetic.row()]))
    assert "ns per page (wall)" in texts(plot.figures(load.load(synthetic.save(document)))[0])


def test_each_strategy_looks_different():
    assert len(set(plot.STRATEGY_STYLE.values())) == len(plot.STRATEGY_STYLE)
    assert len(set(plot.STATE_COLOUR.values())) == 3


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


def test_a_heat_map_of_contests(contests):
    figures = plot.figures(contests)
    assert [(f.slug, f.contest) for f in figures] == [
        ("bystander-6.1-written-deterministic", "bystander"), ("dos-6.1-written-deterministic", "dos")]
    dos = texts(figures[1])
    for word in ("ext4", "xfs", "map_sync", "sync_fault", "sync_retry", "daxfile", "append", "utimens", "pwrite",
                 "1.50", "≥3849", "ETXTBSY", "starved", "slowdown, times"):
        assert word in dos, word
    assert dos.count("1.50") == 8 and "none" not in dos and "never" not in dos
    # a frame for the cell, one for its legend
    assert len(re.findall(f"stroke: {plot.STARVED.lower()}", figures[1].svg)) == 2
    bystander = texts(figures[0])
    assert "never" in bystander and "mmap" in bystander and "utimens" not in bystander


def test_touches_with_several_numbers_of_attackers(synthetic):
    rows = [synthetic.contest("sync_retry", "store", n) for n in (1, 4)]
    figure, = plot.figures(synthetic.load(rows))
    assert "store ×1" in texts(figure) and "store ×4" in texts(figure) and "starved" not in texts(figure)


def test_contests_leave_the_figures_of_ordinary_cells_alone(synthetic):
    ordinary = synthetic.pair("volatile") + synthetic.pair("map_sync")
    alone = plot.figures(synthetic.load(ordinary))
    both = plot.figures(synthetic.load([synthetic.contest(), *ordinary, synthetic.contest("volatile")]))
    assert [(f.svg, f.png) for f in both[:-1]] == [(f.svg, f.png) for f in alone]
    assert [f.contest for f in both] == ["", "", "dos"]


@pytest.mark.parametrize("rows", [
    lambda s: [s.refused()], lambda s: [s.contest(runs=[s.run(0), s.run(0)])],
    lambda s: [s.contest(runs=[s.run(1e12, True)])], lambda s: [s.contest(runs=[s.run(0.5)])],
    lambda s: [s.contest("volatile", "t" * 60, fs="f" * 60)]])
def test_odd_contests_are_drawn_without_a_complaint(synthetic, rows, recwarn):
    assert len(plot.figures(synthetic.load(rows(synthetic)))) == 1
    assert [str(w.message) for w in recwarn] == []


def test_no_contest_with_attackers_no_heat_map(synthetic):
    assert plot.figures(synthetic.load([synthetic.contest(touch="none", attackers=0)])) == []


def test_a_heat_map_needs_no_bitmap_and_repeats(contests):
    first, second = plot.figures(contests), plot.figures(contests)
    assert [(f.svg, f.png) for f in first] == [(f.svg, f.png) for f in second]
    assert all("<image" not in f.svg and "data:" not in f.svg for f in first)


def test_words_on_a_heat_map_have_contrast_aa():
    from report_test import contrast
    import matplotlib.colors
    for step in range(32):
        colour = plot.HEAT(step / 31)
        assert contrast(plot._readable(colour), matplotlib.colors.to_hex(colour)) >= 4.5
