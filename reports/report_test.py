# SPDX-License-Identifier: GPL-2.0-only
"""The page: what stands on it, that nothing in a result can become markup, and that a browser shows it."""

import errno
import html.parser
import os
import re
import shutil
import subprocess

import pytest

import load
import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(html.parser.HTMLParser):
    """Collects elements, attributes and text, and insists that tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text, self.ids = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "text"):
            self.text.append(data)

    @property
    def words(self):
        return re.sub("[ \\n]+", " ", " ".join(self.text))

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)


def page_of(result, folder):
    paths = report.write(result, str(folder))
    with open(os.path.join(folder, "report.html"), encoding="utf-8") as file:
        text = file.read()
    return paths, text, Page(text)


def small(synthetic):
    return [row for name, k in (("volatile", None), ("fsync", 1), ("fsync", 8), ("map_sync", None))
            for row in synthetic.pair(name, k, "hole")] + [synthetic.skip(synthetic.row("pwrite", 1))]


def test_the_page_has_it_all(synthetic, tmp_path):
    result = synthetic.load(small(synthetic))
    paths, text, page = page_of(result, tmp_path / "deep" / "out")
    assert sorted(os.listdir(tmp_path / "deep" / "out")) == sorted(os.path.basename(p) for p in paths) == [
        "cost-6.1-first-touch-pte-t1.png", "latency-6.1-first-touch-pte-t1.png", "report.html",
        "syncs-6.1-first-touch-pte-t1.png"]
    assert page.count("figure") == page.count("figcaption") == page.count("svg") == 3
    for words in ("cells: 4 ok, 1 skipped, 0 incomplete, 0 failed", "faultline run --kernel 6.1 --out",
                  "a virtual count is the length of the path in instructions: it knows nothing of caches, TLBs or the "
                  "medium", "the kernel has no such strategy", "6.1/ext4/pwrite:1/first_touch/written/pte/t1/off",
                  "69\u202f410", "+497", "+0.7\u00a0%", "3.89", "p99.9", "How to read it", "6.1.0-synthetic",
                  "mkfs.xfs /dev/pmem0", "shift=0,sleep=off", "'out/first results'"):
        assert words in page.words, words
    assert "Incomplete." not in page.words
    assert "\\u" not in page.words and "None" not in page.words
    with open(paths[0], "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    assert len(page.ids) == len(set(page.ids))
    links = [a["href"] for tag, a in page.elements if tag == "a"]
    assert links and all(link[1:] in page.ids for link in links)


def contests(synthetic):
    return [synthetic.contest(), synthetic.contest("sync_retry", runs=[synthetic.run(3849.1, True), synthetic.run(2)]),
            synthetic.refused(), synthetic.contest("sync_fault", "mmap", workload="bystander")]


def test_contests_have_sections_of_their_own(synthetic, tmp_path):
    rows = contests(synthetic)
    paths, _, page = page_of(synthetic.load(small(synthetic) + rows), tmp_path / "both")
    assert [os.path.basename(p) for p in paths][3:] == [
        "bystander-6.1-written-deterministic.png", "dos-6.1-written-deterministic.png", "report.html"]
    assert page.count("figure") == 5 and {"figures", "table", "dos", "bystander"} <= set(page.ids)
    for words in ("\u22653849", "ETXTBSY", "1 of 2", "20\u202f050\u202f000", "a victim and its attackers",
                  "an errno in place of figures", "bystander: slowdown is the bystander's time per touch"):
        assert words in page.words, words
    assert "None" not in page.words and len(page.ids) == len(set(page.ids))
    links = [a["href"][1:] for tag, a in page.elements if tag == "a"]
    assert "dos" in links and "bystander" in links and set(links) <= set(page.ids)
    _, _, page = page_of(synthetic.load(rows[:2]), tmp_path / "alone")
    links = [a["href"][1:] for tag, a in page.elements if tag == "a"]
    assert links == ["dos", "reading", "environment"] and set(links) <= set(page.ids)
    assert "ETXTBSY" not in page.words and "an errno" not in page.words.replace("An errno", "")


def test_a_page_without_contests_has_no_word_of_them(synthetic, tmp_path):
    page = page_of(synthetic.load(small(synthetic)), tmp_path)[2]
    assert "attackers" not in page.words and "starved" not in page.words


def test_everything_in_the_context_is_on_the_page(synthetic, tmp_path):
    context = synthetic.context(new={"deep": {"list": [1, {"x": None}], "flag": True, "none": {}}})
    result = load.load(synthetic.save({"context": context, "benchmarks": []}))
    page = page_of(result, tmp_path / "out")[2]

    def leaves(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from leaves(inner)
        elif isinstance(value, str):
            yield value
        elif isinstance(value, list) and all(isinstance(v, str) for v in value):
            yield from value

    for leaf in leaves(context):
        assert leaf in page.words, leaf
    assert ("new / deep / flag", "yes") in report.environment_rows(context)
    assert ("new / deep / none", "-") in report.environment_rows(context)


def test_the_page_needs_nothing_but_itself(synthetic, tmp_path):
    _, text, page = page_of(synthetic.load(small(synthetic) + contests(synthetic)), tmp_path)
    assert not {"script", "link", "img", "iframe", "image"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for key, value in attributes.items():
            if key in ("src", "href", "xlink:href", "action"):
                assert value.startswith("#"), (tag, key, value)
            assert not key.startswith("on")
    assert "@import" not in text and not re.search(r"url\((?!#)", text)


def test_the_same_result_gives_the_same_page(synthetic, tmp_path):
    result = synthetic.load([synthetic.row()])
    assert page_of(result, tmp_path / "a")[1] == page_of(result, tmp_path / "b")[1]


HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;\n\u202e\x00{{ 7*7 }}日本\ud800"


def test_hostile_strings_stay_text(synthetic, tmp_path):
    context = synthetic.context(command_line=[HOSTILE], executable=HOSTILE, complete=False, reason=HOSTILE,
                                date="</style><script>alert(2)</script>", **{HOSTILE: HOSTILE})
    context["kernels"] = {HOSTILE: context["kernels"]["6.1"] | {"release": HOSTILE}}
    rows = [*synthetic.pair("map_sync", kernel=HOSTILE), synthetic.skip(synthetic.row(kernel=HOSTILE), HOSTILE)]
    result = load.load(synthetic.save({"context": context, "benchmarks": rows}))
    result.path, result.notes = HOSTILE, [HOSTILE]
    _, text, page = page_of(result, tmp_path / "out")
    assert page.count("script") == page.count("img") == 0
    assert "<script" not in text and "\x00" not in text and "\u202e" not in text
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "{{ 7*7 }}日本" in page.words and "&amp;\\n\\u202e\\x00" in page.words


@pytest.mark.parametrize("kind, figures, words", [
    ("one", 1, "cells: 1 ok, 0 skipped, 0 incomplete, 0 failed"),
    ("none", 0, "no cells: this result holds no measurement"),
    ("skips", 0, "cells: 0 ok, 1 skipped, 0 incomplete, 0 failed; none was measured")])
def test_one_cell_none_and_only_skips(synthetic, tmp_path, kind, figures, words):
    rows = {"one": [synthetic.row()], "none": [], "skips": [synthetic.skip(synthetic.row())]}[kind]
    paths, _, page = page_of(synthetic.load(rows), tmp_path / "out")
    assert page.count("figure") == figures and len(paths) == figures + 1
    assert words in page.words and "Environment" in page.words
    assert ("the kernel has no such strategy" in page.words) == (kind == "skips")


def test_an_incomplete_run_has_a_banner(synthetic, tmp_path):
    page = page_of(synthetic.load([synthetic.row()], complete=False, reason="interrupted by a signal"), tmp_path)[2]
    assert ("p", {"class": "warn", "role": "alert"}) in page.elements
    assert "Incomplete. This run did not measure all it was asked to: interrupted by a signal" in page.words


def test_differing_environments_are_on_the_page(synthetic, tmp_path):
    a = synthetic.save(synthetic.document([synthetic.row()]))
    b = synthetic.save(synthetic.document([synthetic.row("map_sync")],
                                          faultline={"version": "0.2", "git_revision": "f"}))
    page = page_of(load.load_all([a, b]), tmp_path / "out")[2]
    assert "differ in faultline.version" in page.words


def test_a_failed_write_leaves_neither_half_files_nor_a_changed_page(synthetic, tmp_path, monkeypatch):
    result = synthetic.load([synthetic.row()])
    before = page_of(result, tmp_path / "out")[1]
    names = sorted(os.listdir(tmp_path / "out"))

    def full_disk(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(load.ReportError, match="No space left on device: free some space") as caught:
        report.write(synthetic.load([synthetic.row("map_sync")]), str(tmp_path / "out"))
    assert caught.value.exit_code == 2
    assert sorted(os.listdir(tmp_path / "out")) == names
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == before


def test_a_folder_that_cannot_be_made(synthetic, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(load.ReportError, match="cannot be written to: .*name another folder with --out"):
        report.write(synthetic.load([synthetic.row()]), str(tmp_path / "file" / "out"))


def contrast(a, b):
    """WCAG 2.1 contrast of two #rrggbb colours."""
    def luminance(colour):
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_has_contrast_aa_in_light_dark_and_print():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)  # literal, from WCAG
    with open(os.path.join(report.TEMPLATES, "report.html.j2"), encoding="utf-8") as file:
        palettes = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in
                    re.findall(r":root \{([^}]*)\}", file.read())]
    assert len(palettes) == 3
    for p in palettes:
        for text, back in (("text", "back"), ("quiet", "back"), ("text", "band"), ("warn", "warnback")):
            assert contrast(p[text], p[back]) >= 4.5, (text, back, p)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [360, 1024, 1920])
def test_a_browser_shows_the_page_without_overflow(synthetic, tmp_path, width):
    rows = small(synthetic) + synthetic.pair(kernel="k" * 120) + contests(synthetic)
    _, text, _ = page_of(synthetic.load(rows), tmp_path / "out")
    # The page itself forbids scripts; a copy that measures itself in a frame of the wanted width, since a window has
    # a least width of its own.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    inner = text.replace("</body>", "<script>parent.postMessage([document.documentElement.scrollWidth, innerWidth, "
                         "document.querySelectorAll('figure svg text').length, "
                         "Math.min(...[...document.querySelectorAll('figure svg')].map(s => "
                         "s.getBoundingClientRect().height))].join(' '), '*')</script></body>")
    (tmp_path / "inner.html").write_text(inner, encoding="utf-8")
    (tmp_path / "outer.html").write_text(
        "<!DOCTYPE html><title>waiting</title><p id=answer></p><script>onmessage = e => "
        "document.getElementById('answer').textContent = 'answer ' + e.data</script>"
        f"<iframe width={width} height=800 style='border:0' src=inner.html></iframe>")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=5000", "--dump-dom",
         (tmp_path / "outer.html").as_uri()], capture_output=True, text=True, timeout=120, check=False)
    answer = re.search(r"answer (\d+) (\d+) (\d+) ([\d.]+)", done.stdout)
    assert answer, done.stderr[-2000:]
    scroll, inner_width, labels, height = int(answer[1]), int(answer[2]), int(answer[3]), float(answer[4])
    assert inner_width == width
    assert scroll <= width
    assert labels > 30 and height > 100
