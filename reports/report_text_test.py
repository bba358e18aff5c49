# SPDX-License-Identifier: GPL-2.0-only
"""The report without a page: widths, what stands in it, and that no name becomes markup or a formula."""

import csv
import io
import re

import pytest

import claims
import inputs
import report_text
from crash_test import document, outcome

HOSTILE = "<script>|`*_[x](y)\n\x1b[2J\u202e=1+1"


@pytest.fixture
def given(synthetic):
    rows = [row for state in ("hole", "written") for name, k in (("volatile", None), ("map_sync", None), ("fsync", 1),
            ("fsync", 8), ("fsync", 64), ("fsync", 512)) for row in synthetic.pair(name, k, state)]
    rows += [synthetic.contest("sync_retry_extent", "utimens"), synthetic.refused(),
             synthetic.skip(synthetic.row("pwrite", 1), "r" * 300)]
    return inputs.Inputs(synthetic.load(rows), [document([outcome(), outcome(strategy="fsync:8", state="written")])])


def test_a_mail_is_72_columns_wide_and_says_it_all(given):
    text = report_text.text(given, claims.judge(given.result))
    lines = text.split("\n")
    assert 60 < max(map(len, lines)) <= 72
    assert text.endswith("\n") and not text.endswith("\n\n")
    for words in ("C4 \"substantially slower than the existing", "HOLDS HERE (one sample): 6.1, ext4, as merged: MAP_SYNC, hole, in order",
                  "Chinner, 22 June 2017", "As a whole: depends on the case. Holds here: as merged: MAP_SYNC, hole, in order", "VERDICTS BY THRESHOLD",
                  "C4 as merged: MAP_SYNC, written, in order, 4 KiB, 1 thread 6.1 ext4 - - - - - -",
                  "map_sync over fsync:64: 3.38 times", "DOES NOT HOLD HERE (one sample): 6.1, ext4, as merged: MAP_SYNC, written, in order", "To decide the rest, measure:",
                  "faultline run --kernel 6.1 --fs ext4 --workload dos", "GUARANTEE AND PRICE", "kept 800", "(7/50)",
                  "map_sync hole 69479 3.89 +497 1.000", "ETXTBSY", "skipped: rrr",
                  "NOT DECIDED, not measured: hole, scattered, 4 KiB, 1 thread; hole, in order, 2 MiB, 1 thread;"):
        assert words in text or words in re.sub(r"\s+", " ", text), words
    commands = [line for line in lines if line.endswith(" \\")]
    assert commands and all(line.startswith("  ") for line in commands)


def test_what_was_lost_is_never_cut(synthetic):
    """Names give way: the counts of a table about lost data stand whole, whatever else there is in its line."""
    lost = outcome(fs="a-file-system-of-ones-own", strategy="sync_retry_extent_and_more", status="failed", checked=120,
                   promised={"pages": 40960, "size": 120, "mtime": 120}, lost={"pages": 1860, "torn": 4, "size": 118, "mtime": 120})
    lines = report_text.text(inputs.Inputs(synthetic.load([]), [document([lost])]), []).split("\n")
    [line] = [line for line in lines if "LOST" in line]
    assert line.endswith(" 120 LOST 1864/40960 LOST 118/120 LOST 120/120") and line.startswith("a-f~ syn~ hole ") and len(line) <= 72


def test_little_measured_is_little_said(synthetic):
    rows = [synthetic.row(strategy, fs=fs, state=state) for fs, state in (("ext4", "hole"), ("xfs", "written"))
            for strategy in ("volatile", "map_sync")]
    result = synthetic.load(rows)
    words = re.sub(r"\s+", " ", report_text.text(inputs.Inputs(result), claims.judge(result)))
    assert words.count("NOT DECIDED, not measured:") == words.count(" Rule: ") == 2
    # Of some cases one file system has something; of the others nobody has.
    assert "NOT DECIDED, not measured: hole, in order, 4 KiB, 1 thread (6.1 xfs); hole, scattered, 4 KiB, 1 thread " \
           "(6.1 ext4, 6.1 xfs);" in words
    assert "C2, C3, C5, C6, C7, C8, C9: NOT DECIDED, nothing that they ask for was measured" in words
    assert words.index("strategy state per_page") < words.index("CLAIMS of a thread") < words.index("To decide the rest")


def test_markdown(given):
    text = report_text.markdown(given, claims.judge(given.result))
    for words in ("| claim | its words | as a whole |", "| case |  | 6.1.0-synthetic (6.1), ext4 |",
                  "| C4 | as merged: MAP\\_SYNC, hole, in order, 4 KiB, 1 thread | holds here (one sample) |", "| map\\_sync | hole | 69479 | 3.89 | +497 | 1.000 |",
                  "<details><summary>6.1.0-synthetic (6.1), ext4, first\\_touch, pte, threads 1</summary>",
                  "faultline run --kernel 6.1 --fs ext4 --workload paced"):
        assert words in text, words
    assert text.count("<details>") == text.count("</details>") == 4


def test_markdown_says_first_what_changed(synthetic):
    import compare_report
    before, after = (synthetic.load(synthetic.samples([synthetic.row("map_sync")], [f, f, f, f, f])) for f in (1, 2))
    given, verdicts = inputs.Inputs(after), claims.judge(after)
    text = report_text.markdown(given, verdicts, compare_report.build(before, after, verdicts))
    assert text.startswith("**What changed**\n\n2 figures of 1 cell compared: 2 regression.")
    assert ("| 6.1/ext4/map\\_sync/first\\_touch/written/pte/t1 | per\\_page, per\\_fault | 5230 | 10460 | +100.0 % | "
            "\\[+100.0, +100.0\\] | regression |") in text
    assert "What changed" not in report_text.markdown(given, verdicts)


def test_csv_has_a_line_a_row(given):
    rows = list(csv.DictReader(io.StringIO(report_text.csv_text(given))))
    assert len(rows) == 27
    row = next(row for row in rows if row["name"] == "6.1/ext4/map_sync/first_touch/hole/pte/t1/off")
    assert (row["per_page"], row["unit"], row["status"], row["dirty_inodes"]) == ("69479", "instr", "ok", "0")
    assert float(row["ratio"]) == pytest.approx(69479 / 17882)
    assert next(row for row in rows if row["strategy"] == "daxfile")["starved"] == "0"


def test_what_is_incomplete_says_so_before_its_answer(synthetic):
    rows = [synthetic.row("map_sync"), synthetic.row("fsync", 64)]
    for complete in (True, False):
        given = inputs.Inputs(synthetic.load(rows, complete=complete, reason="" if complete else "the *host* slept"))
        text, markdown = report_text.text(given, []), report_text.markdown(given, [])
        assert text.startswith("INCOMPLETE: the *host* slept\n\nTHE ANSWER\n") == (not complete)
        assert markdown.startswith("**INCOMPLETE: the \\*host\\* slept**\n\n**written") == (not complete)
        assert text.startswith("THE ANSWER") == markdown.startswith("**written") == complete


def test_hostile_names_are_text_in_all_forms(synthetic):
    rows = [synthetic.row(kernel=kernel) for kernel in (HOSTILE, "=cmd()", "+1", "@x")]
    rows += [synthetic.skip(synthetic.row("map_sync", kernel=HOSTILE), HOSTILE)]
    given = inputs.Inputs(synthetic.load(rows), [document([outcome(fs=HOSTILE, reason=HOSTILE)])])
    verdicts = claims.judge(given.result)
    mail, markdown = report_text.text(given, verdicts), report_text.markdown(given, verdicts)
    for text in (mail, markdown, report_text.csv_text(given)):
        assert "\x1b" not in text and "\u202e" not in text
    fenced = markdown.split("```")
    for part in fenced[::2]:
        assert "<script" not in part and "|`" not in part
    assert all(line.startswith("faultline run ") for line in fenced[1].strip().split("\n"))
    rows = list(csv.DictReader(io.StringIO(report_text.csv_text(given))))
    assert [row["kernel"][:2] for row in rows] == ["<s", "'=", "'+", "'@", "<s"]


def test_nothing_measured(synthetic):
    given = inputs.Inputs(synthetic.load([]))
    assert report_text.text(given, []).startswith("no cells: this result holds no measurement\n")
    assert "no cells" in report_text.markdown(given, [])
    assert report_text.csv_text(given).count("\n") == 1


def test_the_tax_with_several_threads_is_of_a_page(synthetic):
    off, on = synthetic.pair("map_sync", None, "hole", threads=2)
    on.update(tax=-7068, tax_page=1030, per_page=off["per_page"] + 1030, per_fault=off["per_fault"] - 7068)
    given = inputs.read([synthetic.save(synthetic.document([off, on]))])
    assert "-7068" not in report_text.csv_text(given) + report_text.text(given, []) + report_text.markdown(given, [])
    assert "+1030" in report_text.text(given, []) and ",,1030," in report_text.csv_text(given)
