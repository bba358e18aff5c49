# SPDX-License-Identifier: GPL-2.0-only
"""The page: what stands on it, that nothing in a result can become markup, and that a browser shows it."""

import base64
import errno
import hashlib
import html.parser
import json
import os
import re
import subprocess
import sys
import time

import markupsafe
import pytest

import claims
import compare_report
import faultline_report
import inputs
import load
import report
from conftest import TABLES

HOLE = "as merged: MAP_SYNC, hole, in order, 4 KiB, 1 thread"
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
        if self.open and self.open[-1] not in ("style", "text", "script", "title"):
            self.text.append(data)

    @property
    def words(self):
        return re.sub("[ \\n]+", " ", " ".join(self.text))

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)


def page_of(given, folder, comparison=None):
    given = given if isinstance(given, inputs.Inputs) else inputs.Inputs(given)
    paths = report.write(given, str(folder), claims.judge(given.result), comparison)
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
        "claims.json", "cost-6.1-first-touch-pte-t1.png", "latency-6.1-first-touch-pte-t1.png", "report.html",
        "syncs-6.1-first-touch-pte-t1.png", "tax-6.1-first-touch-pte-t1.png"]
    assert page.count("figure") == page.count("figcaption") == 4 and page.count("svg") == 5  # the first for a narrow window too
    for words in ("cells: 4 ok, 1 skipped, 0 incomplete, 0 failed", "faultline run --kernel 6.1 --out",
                  "a virtual count is the length of the path in instructions: it knows nothing of caches, TLBs or the "
                  "medium", "the kernel has no such strategy", "6.1/ext4/pwrite:1/first_touch/written/pte/t1/off",
                  "69\u202f410", "+497", "+0.7\u00a0%", "3.89", "p99.9", "How to read it", "6.1.0-synthetic",
                  "mkfs.xfs /dev/pmem0", "shift=0,sleep=off", "'out/first results'", "Figures left out",
                  "Phases of a write fault: needs the set `phases` of probes",
                  "faultline run --kernel 6.1 --fs ext4 --strategy volatile,fsync:1,fsync:8,map_sync --workload first_touch "
                  "--state hole --out again/cost"):
        assert words in page.words, words
    assert "Incomplete." not in page.words
    assert "\\u" not in page.words and "None" not in page.words
    assert len(page.ids) == len(set(page.ids))
    links = [a["href"] for tag, a in page.elements if tag == "a"]
    assert links and all(link[1:] in page.ids for link in links)


def test_verdicts_come_first_and_stand_beside_the_page(synthetic, tmp_path):
    rows = [row for fs in ("ext4", "xfs") for k in claims.SWEEP for row in synthetic.pair("fsync", k, "hole", fs=fs)]
    rows += synthetic.pair("map_sync", None, "hole") + synthetic.pair("volatile", None, "hole")
    paths, text, page = page_of(synthetic.load(rows), tmp_path)
    assert text.index('id="claims"') < text.index('id="figures"') < text.index('id="table"')
    for words in ("C4 . ", "substantially slower than the existing", "\u2713 holds here", "? not decided", "map_sync over fsync:64: 3.38 times",
                  "One sample; for thresholds up to", "nearest to a limit: map_sync over fsync:", "Verdicts at other thresholds",
                  "Scope: 6.1.0-synthetic, ext4, 1 CPU, 4 KiB entries, 1 thread",
                  "Rule: Cost of a durable page, of each kernel that syncs in the fault (as proposed, as merged) over fsync every K writes.",
                  "faultline run --kernel 6.1 --fs ext4,xfs --workload paced --state written --strategy map_sync",
                  "To decide the rest"):
        assert words.replace("C4 .", "C4.") in page.words, words
    with open(tmp_path / "claims.json", encoding="utf-8") as file:
        found = json.load(file)
    assert len(found) == 2 * sum(len(claim.cases) for claim in claims.CLAIMS)  # 2 file systems
    assert {"id", "verdict", "figures", "rule", "cells", "fs", "kernel", "claim", "case", "commands"} <= set(found[0])
    hole = next(one for one in found if (one["id"], one["case"], one["fs"]) == ("C4", HOLE, "ext4"))
    assert hole["verdict"] == "holds here" and hole["figures"][1]["unit"] == "times"
    assert "6.1/ext4/map_sync/first_touch/hole/pte/t1/off" in hole["cells"]
    assert found == claims.public(claims.judge(synthetic.load(rows)))


def contests(synthetic):
    return [synthetic.contest(), synthetic.contest("sync_retry", runs=[synthetic.run(3849.1, True), synthetic.run(2)]),
            synthetic.refused(), synthetic.contest("sync_fault", "mmap", workload="bystander")]


def test_the_answer_stands_first(synthetic, tmp_path):
    _, text, page = page_of(synthetic.load(small(synthetic)), tmp_path)
    order = [text.index(words) for words in ("Kernel 6.1.0-synthetic (6.1). ext4. Measured 2020-01-01 by faultline 0.1 (0123456789ab).",
                                             'id="answer"', "<strong>fsync:8 costs least: 27\u202f262 instr a page", 'id="cost-6.1-first',
                                             "<nav ", 'id="claims"', 'id="figures"', 'id="environment"', "cells: 4 ok, 1 skipped")]
    assert order == sorted(order) and text.count('id="cost-6.1-first') == 1
    for words in ("no block", "map_sync costs 2.55 times fsync:8.", "fsync:K costs less from K = 2 on (the costs meet at 1.23).",
                  "no power cut has tried it here: faultline crashtest"):
        assert words in re.sub(" +", " ", page.words.replace(" ,", ",")), words
    _, text, page = page_of(synthetic.load([synthetic.row()]), tmp_path / "nothing")
    assert "answer" not in page.ids and 'id="cost' not in text[:text.index("<nav ")]


def test_the_page_explains_the_words_that_it_has(synthetic, tmp_path):
    rows = small(synthetic) + contests(synthetic) + [synthetic.row(workload="paced", phases=synthetic.phases(entry=1))]
    _, text, page = page_of(synthetic.load(rows), tmp_path)
    reading = text[text.index('id="reading"'):text.index('id="environment"')]
    for word in ("map_sync", "sync_retry", "hole", "first_touch", "paced", "dos", "utimens", "mmap", "deterministic", "pte", "ext4", "on", "entry"):
        table = next(rows for rows in TABLES.values() if any(row["id"] == word for row in rows))
        summary = next(row["summary"] for row in table if row["id"] == word)
        assert f"<dt>{word}</dt><dd>{markupsafe.escape(summary)}</dd>" in reading, word
    for word in ("daxfile_nocmtime", "unwritten", "pmd", "append"):
        assert f"<dt>{word}</dt>" not in reading, word
    assert "<summary>Strategies</summary>" in reading and "<dt>loop</dt>" in reading
    _, text, _ = page_of(synthetic.load(rows, tables={}), tmp_path / "old")
    assert "<summary>Strategies</summary>" not in text


def test_what_is_open_is_linked_where_not_measured_is(synthetic, tmp_path):
    _, text, page = page_of(synthetic.load([synthetic.row("map_sync"), synthetic.row("volatile")]), tmp_path)
    assert '<a href="#missing">Not measured</a>' in text and {"missing", "open", "leftout"} <= set(page.ids)
    missing = text[text.index('id="missing"'):]
    assert 'href="#open"' in missing and 'href="#leftout"' in missing and " kinds of figures left out" in missing


def test_a_bystander_has_no_attackers(synthetic, tmp_path):
    for workload, touch, there in (("dos", "utimens", True), ("bystander", "mmap", False)):
        _, text, _ = page_of(synthetic.load([synthetic.contest(touch=touch, workload=workload)]), tmp_path / workload)
        assert ('<th scope="col">attackers</th>' in text) == there == ('data-is="attackers"' in text)
        assert '<th scope="col">longest</th>' in text


def test_a_title_stands_above_its_figure(synthetic, tmp_path):
    given = inputs.Inputs(synthetic.load(small(synthetic)), [], [("a-flame", {("fault", "x"): 3})])
    _, text, page = page_of(given, tmp_path)
    found = re.findall(r"<figure[^>]*>\s*<h3>([^<]*)</h3>\s*<div[^>]*>\s*<svg", text)
    assert len(found) == page.count("figure") == 5 and found[0].startswith("Cost of a durable page") and "a-flame" in found


def test_the_environment_is_folded_and_in_words(synthetic, tmp_path):
    context = synthetic.context(probes=[{"id": "commit.end", "error": "", "targets": [], "n": 0}, {"id": "sync", "error": "gone"}],
                                caches=[], ran=401.20000000000005)
    rows = dict(report.environment_rows(context))
    assert (rows["probes"], rows["caches"], rows["ran"]) == ("id commit.end, n 0; id sync, error gone", "-", "401.2")
    result = load.load(synthetic.save({"context": context, "benchmarks": small(synthetic)}))
    text = page_of(result, tmp_path)[1]
    tail = text[text.index('id="environment"'):]
    assert tail.index("<details>") < tail.index("id commit.end") < tail.index("</details>") and "{&#39;" not in text


def test_contests_have_sections_of_their_own(synthetic, tmp_path):
    rows = contests(synthetic)
    paths, _, page = page_of(synthetic.load(small(synthetic) + rows), tmp_path / "both")
    assert [os.path.basename(p) for p in paths][4:] == [
        "dos-6.1-written-deterministic.png", "retries-6.1-written-deterministic.png",
        "bystander-6.1-written-deterministic.png", "stalls-6.1-written-deterministic.png", "claims.json", "report.html"]
    assert page.count("figure") == 8 and {"figures", "table", "dos", "bystander"} <= set(page.ids)
    for words in ("\u22653849", "ETXTBSY", "1 of 2", "20\u202f050\u202f000", "a victim and its attackers",
                  "an errno in place of figures", "bystander: slowdown is the bystander's time per touch"):
        assert words in page.words, words
    assert "None" not in page.words and len(page.ids) == len(set(page.ids))
    links = [a["href"][1:] for tag, a in page.elements if tag == "a"]
    assert "dos" in links and "bystander" in links and set(links) <= set(page.ids)
    _, _, page = page_of(synthetic.load(rows[:2]), tmp_path / "alone")
    links = [a["href"][1:] for tag, a in page.elements if tag == "a"]
    assert links[:5] == ["claims", "dos", "missing", "reading", "environment"] and set(links) <= set(page.ids)
    assert "ETXTBSY" not in page.words and "an errno" not in page.words.replace("An errno", "")


def test_a_page_without_contests_has_no_section_of_them(synthetic, tmp_path):
    page = page_of(synthetic.load(small(synthetic)), tmp_path)[2]
    assert "dos" not in page.ids and "bystander" not in page.ids


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

    for leaf in leaves({key: value for key, value in context.items() if key != "tables"}):
        assert leaf in page.words, leaf
    assert ("new / deep / flag", "yes") in report.environment_rows(context)
    assert ("new / deep / none", "-") in report.environment_rows(context)
    assert not [name for name, _ in report.environment_rows(synthetic.context()) if name.startswith("tables")]


def test_the_page_needs_nothing_but_itself(synthetic, tmp_path):
    _, text, page = page_of(synthetic.load(small(synthetic) + contests(synthetic)), tmp_path)
    assert not {"link", "img", "iframe", "image"} & {tag for tag, _ in page.elements}
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "content" in a and "http-equiv" in a)
    script, = re.findall(r"<script>(.*?)</script>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
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
    assert page.count("script") == 1 and page.count("img") == 0
    assert text.count("<script") == 1 and "\x00" not in text and "\u202e" not in text
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "{{ 7*7 }}日本" in page.words and "&amp;\\n\\u202e\\x00" in page.words


@pytest.mark.parametrize("kind, figures, words", [
    ("one", 1, "cells: 1 ok, 0 skipped, 0 incomplete, 0 failed"),
    ("none", 0, "no cells: this result holds no measurement"),
    ("skips", 0, "cells: 0 ok, 1 skipped, 0 incomplete, 0 failed; none was measured")])
def test_one_cell_none_and_only_skips(synthetic, tmp_path, kind, figures, words):
    rows = {"one": [synthetic.row()], "none": [], "skips": [synthetic.skip(synthetic.row())]}[kind]
    paths, _, page = page_of(synthetic.load(rows), tmp_path / "out")
    assert page.count("figure") == figures and len(paths) == figures + 2
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
        page_of(synthetic.load([synthetic.row("map_sync")]), tmp_path / "out")
    assert caught.value.exit_code == 2
    assert sorted(os.listdir(tmp_path / "out")) == names
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == before


def test_a_folder_that_cannot_be_made(synthetic, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(load.ReportError, match="cannot be written to: .*name another folder with --out"):
        page_of(synthetic.load([synthetic.row()]), tmp_path / "file" / "out")


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
        for text, back in (("text", "back"), ("quiet", "back"), ("text", "band"), ("quiet", "band"), ("warn", "warnback"),
                           ("good", "goodback"), ("warn", "back"), ("back", "text")):
            assert contrast(p[text], p[back]) >= 4.5, (text, back, p)


def crashes():
    from crash_test import document, outcome
    return [document([outcome(), outcome(strategy="fsync:8", lost={"pages": 3, "torn": 1, "size": 0, "mtime": 0},
                                         status="failed", failures=[{"point": 17, "instant": 5, "what": "page 12: zeroes",
                                                                     "command": "faultline crashtest --points 17"}]),
                      outcome(strategy="volatile", status="skipped", reason="no <b>module</b>")])]


def test_the_guarantee_stands_beside_the_price(synthetic, tmp_path):
    given = inputs.Inputs(synthetic.load(small(synthetic)), crashes())
    _, text, page = page_of(given, tmp_path)
    for words in ("Guarantee and price", "kept, 800", "LOST 4 of 800", "not promised; 7 of 50 there", "69\u202f479",
                  "3.89", "page 12: zeroes", "faultline crashtest --points 17", "no <b>module</b>",
                  "what is tested is metadata", "1 failure, the first at point 17"):
        assert words in page.words, words
    assert "px86" not in page.words
    for document in given.crashes:
        for test in document["tests"]:
            test["model"] = "px86"
    words = page_of(given, tmp_path)[2].words
    assert "Caches were modelled (model px86)" in words and "what is tested is metadata" not in words
    assert "<b>module" not in text


def test_what_no_fsck_checked_is_not_called_clean(synthetic, tmp_path):
    from crash_test import document, outcome
    unchecked = {"replayed": 0, "fsck_clean": 0, "fsck_errors": 0, "unmountable": 0, "not_checked": 50}
    given = inputs.Inputs(synthetic.load(small(synthetic)), [document([outcome(recovery=unchecked)])])
    assert "not checked" in page_of(given, tmp_path)[2].words
    assert "not checked" not in page_of(inputs.Inputs(synthetic.load(small(synthetic)), crashes()), tmp_path)[2].words


def test_flame_graphs_stand_on_the_page(synthetic, tmp_path):
    given = inputs.Inputs(synthetic.load([synthetic.row()]), flames=[
        ("6.1-ext4-<script>", {("fault", "do_user_addr_fault", "<img>"): 10})])
    _, text, page = page_of(given, tmp_path)
    assert "flames" in page.ids and "do_user_addr_fault" in text and "<img" not in text and text.count("<script") == 1
    assert "faultline perf" not in page.words


def test_what_changed_stands_at_the_top(synthetic, tmp_path):
    def result(factor):
        rows = synthetic.pair("map_sync", None, "hole") + synthetic.pair("volatile", None, "hole")
        return synthetic.load(synthetic.samples(
            rows, lambda row: [(factor if row["strategy"] == "map_sync" else 1) * (1 + i / 1e4) for i in range(5)]))
    before, after = result(1), result(1.5)
    verdicts = claims.judge(after)
    _, text, page = page_of(after, tmp_path, compare_report.build(before, after, verdicts))
    assert text.index('id="changed"') < text.index('id="claims"')
    for words in ("2 regression, 2 identical", "6.1/ext4/map_sync/first_touch/hole/pte/t1 per_page", "+50.0",
                  "[+50.0, +50.0]"):
        assert words in page.words.replace(" per_page 69", " per_page 69"), words
    assert page.words.count("6.1/ext4/volatile/first_touch/hole/pte/t1 per_page") == 0


LARGE = pytest.mark.skipif(os.environ.get("FAULTLINE_TEST_LARGE") != "1", reason="FAULTLINE_TEST_LARGE=1 runs it")


@LARGE
def test_a_long_matrix_stays_quick(synthetic, tmp_path):
    """5 kernels, 3 file systems, 10 strategies with their K, all states, 5 seeds: in 20 s and 500 MB."""
    from conftest import FILE_SYSTEMS, VARIANTS
    variants = [*VARIANTS, ("fsync", 2), ("msync", "all"), ("sync_fault", None), ("sync_retry", None),
                ("sync_retry_extent", None), ("daxfile", None), ("pwrite", 8), ("pwrite", 512)]
    rows = [row for kernel in ("5.10", "6.1", "6.12", "7.2", "7.3") for fs in FILE_SYSTEMS for name, k in variants
            for state in ("hole", "unwritten", "written") for row in synthetic.pair(name, k, state, fs=fs, kernel=kernel)]
    folder = synthetic.save(synthetic.document(synthetic.samples(rows, [1, 1.001, 1.002, 1.003, 1.004])))
    assert len({row["run_name"] for row in rows}) == 990
    begin = time.monotonic()
    done = subprocess.run(["/usr/bin/time", "-f", "%M %U %S", sys.executable, faultline_report.__file__, "report", folder],
                          capture_output=True, text=True, check=True)
    seconds = time.monotonic() - begin
    kib, user, system = done.stderr.split()[-3:]
    print(f"{seconds:.1f} s, {user} s user, {system} s system, {int(kib) / 1024:.0f} MiB")
    # Of the processor's time: the wall clock knows what else the machine does. Two processes share most of the work.
    assert (float(user) + float(system)) / min(2, os.cpu_count()) < 20 and int(kib) < 500 * 1024


def test_claims_that_are_decided_otherwise(synthetic):
    def result(page):
        rows = [row for k in claims.SWEEP for row in synthetic.pair("fsync", k, "hole")]
        return synthetic.load(rows + synthetic.pair("map_sync", None, "hole", per_page=page))
    before, after = result(90000), result(1000)
    found = compare_report.build(before, after, claims.judge(after))
    assert found["claims"] == [{"id": "C4", "case": HOLE, "kernel": "6.1", "fs": "ext4",
                                "before": "holds here", "after": "does not hold here"}]
    assert compare_report.build(before, before, claims.judge(before))["claims"] == []


@pytest.mark.parametrize("probes", ["phases", "locks", "interruptions", "ballast"])
def test_a_row_of_any_set_of_probes_alone(synthetic, tmp_path, probes):
    page = page_of(synthetic.load([synthetic.row(probes=probes, phases=None, locks=None)]), tmp_path)[2]
    assert "cells: 1 ok, 0 skipped" in page.words
