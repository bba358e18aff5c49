# SPDX-License-Identifier: GPL-2.0-only
"""What is pasted into a mail: it fits, says enough, and leaves out the least telling."""

import os
import subprocess

import pytest

import claims
import compare
import inputs
import load
import mail
from testing import golden


def lines_of(text):
    """The lines, which fit a mail."""
    lines = text.split("\n")
    assert lines.pop() == "" and len(lines) <= mail.LINES == 25 and max(map(len, lines)) <= mail.WIDTH == 72
    assert "\x1b" not in text
    return lines


def squeezed(text):
    return " ".join(text.split())


def compared(synthetic, growth, rows, **context):
    """(a, b, comparison) of rows; growth: function(row) -> factor of B."""
    a = synthetic.load(synthetic.samples(rows, [1] * 5))
    b = synthetic.load(synthetic.samples(rows, lambda row: [growth(row)] * 5), **context)
    a.path, b.path = "one", "two"
    return a, b, compare.compare(a, b)


def test_a_comparison_says_all(synthetic):
    rows = [synthetic.row(), synthetic.row("map_sync", None, "hole"), synthetic.row("fsync", 7)]
    a, b, data = compared(synthetic, lambda row: 1.05 if row["strategy"] == "map_sync" else 1, rows,
                          qemu={"version": "9.0", "binary_sha256": "a" * 64, "arguments": {}})
    text = squeezed(mail.of_comparison(a, b, data))
    lines_of(mail.of_comparison(a, b, data))
    for words in ("faultline compare: A = one, B = two", "A: 6.1.0-synthetic (6.1); faultline 0.1 (0123456789ab)", "NOT THE SAME: qemu.",
                  "6 figures of 3 cells compared: 2 regression, 4 identical (3 say what another of their cell says)",
                  "seeds 5 and 5; interval 93.8 %, errs in 1 figure of 16; floor 0 %: one build; instr,", "virtual time",
                  "6.1, ext4, first_touch, pte, t1, per_page cell state A B diff verdict "
                  "map_sync hole 69479 72953 +5.000 regression volatile written 5150",
                  "A, B: faultline run --kernel 6.1"):
        assert words in text, words
    assert text.endswith("--kernel 6.1")  # where it lay is of one place
    assert "left out" not in text
    a, b, data = compared(synthetic, lambda row: 1, rows, **synthetic.other_build())
    assert "; floor 0.5 %: two builds; instr," in squeezed("\n".join(lines_of(mail.of_comparison(a, b, data))))


def test_what_is_left_out_is_what_tells_least(synthetic):
    grown = {1: 1.002, 2: 0.9, 3: 1.004}
    rows = [synthetic.row("fsync", k, state, fs=fs) for fs in ("ext4", "xfs") for state in ("hole", "written")
            for k in range(1, 12)]
    a, b, data = compared(synthetic, lambda row: grown.get(row["writes_per_sync"], 1), rows)
    lines = lines_of(mail.of_comparison(a, b, data, ["--metric", "per_page,per_fault", "--cell", "*"]))
    assert len(lines) == 25
    first = next(index for index, line in enumerate(lines) if line.startswith("where"))
    shown = [(*line.split()[1:2], line.split()[-1]) for line in lines[first + 1:first + 13]]
    assert shown == [("fsync:3", "regression")] * 4 + [("fsync:1", "regression")] * 4 + [("fsync:2", "improvement")] * 4
    rest = [line for line in lines[first + 13:] if line.split()[-1] == "identical"]
    assert squeezed("\n".join(lines)).endswith(
        f"{32 - len(rest)} figures left out ({32 - len(rest)} identical): `faultline compare one two --metric "
        "per_page,per_fault --cell '*'`")


def test_beyond_its_floor_is_what_tells(synthetic):
    """20 % of a tax, whose floor is 10, are less than 5 % of a page."""
    def of(tax, page):
        return synthetic.load(synthetic.samples([row for pair in (synthetic.pair(), synthetic.pair("map_sync")) for row in (
            {**pair[0], "per_fault": 5000, "per_page": page}, {**pair[1], "per_fault": 5000 + tax, "per_page": page})], [1] * 5))
    a, b = of(100, 1000), of(120, 1050)
    lines = lines_of(mail.of_comparison(a, b, compare.compare(a, b, ["per_page", "tax"])))
    assert [line.split()[1] for line in lines if line.endswith("  regression")] == ["per_page", "per_page", "tax", "tax"]


def test_what_counts_of_one_build_whatever_it_is_does_not_stand_before_all_else(synthetic):
    """0.1 % of a page are little beside a slowdown of twice its floor."""
    def of(page, slowdown):
        return synthetic.load(synthetic.samples([synthetic.row(per_page=page), synthetic.contest(slowdown=slowdown)], [1] * 5))
    a, b = of(1000, 2), of(1001, 2.3)
    lines = lines_of(mail.of_comparison(a, b, compare.compare(a, b, ["per_page", "slowdown"])))
    assert [word for line in lines if line.endswith(" regression") for word in line.split() if word in ("slowdown", "per_page")] == [
        "slowdown", "per_page"]


def test_the_command_that_shows_the_rest(synthetic, tmp_path, monkeypatch):
    rows = [synthetic.row("fsync", k) for k in range(1, 40)]
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        synthetic.save(synthetic.document(rows), name)
    a, b = load.load("one"), load.load("two")
    text = mail.of_comparison(a, b, compare.compare(a, b), ["--floor", "0.2"])
    assert squeezed("\n".join(lines_of(text)[-2:])).endswith("identical): `faultline compare one two --floor 0.2`")


def test_a_row_says_where_it_is_only_as_far_as_they_differ(synthetic):
    rows = [synthetic.row(fs="ext4"), synthetic.row(fs="xfs", threads=2), synthetic.contest()]
    a, b, data = compared(synthetic, lambda row: 1, rows)
    text = mail.of_comparison(a, b, data)
    assert "\n6.1, pte, written\nwhere " in text and "\nxfs first_touch t2 volatile " in text
    assert "floor 0 %: one build (per_page), 5 % (slowdown), 1 points (starved)" in squeezed(text)


def test_what_only_the_rows_left_out_differ_in_is_said_of_those_shown(synthetic):
    """All that fit are of ext4: what they share stands above them, though xfs is there too."""
    rows = [synthetic.row("fsync", k, fs=fs) for fs in ("ext4", "xfs") for k in range(1, 25)]
    a, b, data = compared(synthetic, lambda row: 1.05 if row["fs"] == "ext4" else 1, rows)
    lines = lines_of(mail.of_comparison(a, b, data))
    assert "6.1, ext4, first_touch, pte, t1, written, per_page" in lines and not [line for line in lines if "xfs" in line]


def test_a_build_of_other_than_its_commit_says_so(synthetic):
    dirty = {"version": "0.1", "git_revision": "d40b4deb2ca4-dirty"}
    a, b, data = compared(synthetic, lambda row: 1, [synthetic.row()], faultline=dirty)
    assert "; faultline 0.1 (d40b4deb2ca4-dirty)" in squeezed(mail.of_comparison(a, b, data))
    result = synthetic.load([synthetic.row()], faultline={"version": "0.1", "git_revision": "d40b4deb2ca4" + "0" * 28 + "-dirty"})
    assert "faultline 0.1 (d40b4deb2ca4-dirty), 2020-01-01" in mail.of_report(inputs.Inputs(result), [])


def test_a_report_says_all(synthetic):
    rows = [synthetic.row(name, k, state, fs=fs) for fs in ("ext4", "xfs") for state in ("hole", "written")
            for name, k in (("volatile", None), ("map_sync", None), ("fsync", 1), ("fsync", 7))]
    result = synthetic.load(synthetic.samples(rows, [1, 1.01, 1, 1, 1]))
    text = mail.of_report(inputs.Inputs(result), claims.judge(result))
    lines_of(text)
    for words in ("faultline report: 6.1.0-synthetic (6.1); ext4, xfs", "2020-01-01; cells: 16 ok",
                  "medians of 5 seeds, 93.8 % interval <= 1 %",
                  "ext4 hole map_sync 69479 fsync:7 28355 2.45 2 (1.23)", "xfs written map_sync 4679 fsync:7 15082 0.31 >7",
                  "vs fsync:7: map_sync over fsync:7", "faultline run --kernel 6.1"):
        assert words in squeezed(text), words
    assert squeezed(text).endswith("--kernel 6.1")


def test_a_report_of_one_sample_says_so(synthetic):
    result = synthetic.load([synthetic.row("map_sync"), synthetic.row("fsync", 8)])
    text = squeezed(mail.of_report(inputs.Inputs(result), claims.judge(result)))
    assert "figures of one seed: what accident adds is not known" in text


def test_a_report_leaves_out_by_turns(synthetic):
    """Of each state in turn the ratio that is farthest from 1."""
    factor = {f"fs{index}": 1 + index / 10 for index in range(12)}
    rows = [synthetic.row(name, k, state, fs=fs, per_page=1000.0 * (f if name == "map_sync" else 1)) for fs, f in factor.items()
            for state in ("hole", "written") for name, k in (("map_sync", None), ("fsync", 64))]
    result = synthetic.load(rows)
    lines = lines_of(mail.of_report(inputs.Inputs(result), []))
    shown = [line.split()[:2] for line in lines if line.startswith("fs") and "fs:64" not in line and line.split()[1] in ("hole", "written")]
    count = len(shown)
    assert 6 <= count < 24 and f"{24 - count} lines left out: " in squeezed("\n".join(lines))
    holes = [fs for fs, state in shown if state == "hole"]
    assert holes == [f"fs{index}" for index in range(12 - len(holes), 12)] and len(holes) in (count // 2, count - count // 2)


def test_nothing_measured(synthetic):
    result = synthetic.load([], complete=False, reason="interrupted")
    text = mail.of_report(inputs.Inputs(result), [])
    lines_of(text)
    assert "no cells: this result holds no measurement; the run is INCOMPLETE: interrupted" in squeezed(text)


def test_long_and_hostile_names_fit(synthetic):
    rows = [synthetic.row(kernel="k" * 200 + "\x1b[31m\n", workload="w" * 90, strategy=f"s{index}" * 50, fs="f" * 99)
            for index in range(30)]
    result = synthetic.load(rows, command_line=["faultline", "run", "--fs", "x y" * 40, "\x1b" * 9])
    lines_of(mail.of_report(inputs.Inputs(result), claims.judge(result)))
    lines = lines_of(mail.of_comparison(result, result, compare.compare(result, result)))
    assert "left out" in " ".join(lines[-3:])


@pytest.mark.parametrize("words", [
    ["faultline", "run", "--out", "out"], ["faultline", "run", "--strategy", "fsync:1," * 40 + "map_sync", "--out", "a b"],
    ["faultline", *["--seeds"] * 20]])
def test_a_command_is_one_for_a_shell(words):
    lines = mail._command(words, "")
    text = "set -- " + "\n".join(lines) + "; printf '%s\\0' \"$@\""
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert max(map(len, lines)) <= 72 and done.stdout.split("\0")[:-1] == words


LONG = "volatile,fsync:1,fsync:8,fsync:64,fsync:512,map_sync,sync_fault,daxfile,daxfile_nocmtime"


def test_a_command_is_parted_between_options_and_behind_commas():
    words = ["faultline", "run", "--fs", "ext4,xfs", "--strategy", LONG, "--workload", "first_touch", "--state", "hole"]
    assert mail._command(words, "A: ") == ["A: faultline run --fs ext4,xfs \\",
                     "  --strategy volatile,fsync:1,fsync:8,fsync:64,fsync:512,map_sync,\\",
                     "sync_fault,daxfile,daxfile_nocmtime --workload first_touch \\", "  --state hole"]


def test_a_command_that_cannot_be_parted_is_said_to_be_elsewhere(synthetic):
    result = synthetic.load([synthetic.row()], command_line=["/a/faultline", "run", "--kernel", "mine=/" + "k" * 80])
    assert mail._again(result) == ["faultline run ..., whole in result.json, command_line"]


@pytest.mark.parametrize("one, other, end", [
    # What is of one place is no difference, and neither is shown.
    (["b/faultline", "run", "--seeds", "5", "--out", "a", "--force"], ["/c/faultline", "run", "--seeds", "5", "--out=b", "--jobs", "2",
                                                                      "--no-table"], "identical A, B: faultline run --seeds 5"),
    (["faultline", "run", "--seeds", "5"], ["faultline", "run", "--seeds", "6"], "A: faultline run --seeds 5 B: faultline run --seeds 6"),
    # Two that differ are two, though both are too long to be shown.
    (["faultline", "run", *["--strategy", LONG] * 9], ["faultline", "run", *["--strategy", LONG] * 8],
     "A: faultline run ..., whole in result.json, command_line B: faultline run ..., whole in result.json, command_line")])
def test_commands_are_one_where_they_measure_the_same(synthetic, one, other, end):
    a, b = (synthetic.load([synthetic.row()], command_line=words) for words in (one, other))
    assert squeezed("\n".join(lines_of(mail.of_comparison(a, b, compare.compare(a, b))))).endswith(end)


def test_of_too_few_samples_no_interval_is_said_to_be_missing(synthetic):
    a, b = synthetic.load([synthetic.row()]), synthetic.load([synthetic.row(per_page=9000.0)])
    assert "seeds 1 and 1; no interval; floor 0 %: one build" in squeezed(mail.of_comparison(a, b, compare.compare(a, b)))
    assert "seeds 1 and 1; floor 0 %: one build" in squeezed(mail.of_comparison(a, a, compare.compare(a, a)))  # identical


def test_the_example_fits(monkeypatch):
    folder = os.path.join(golden.REPORTS, "..", "docs", "example")
    if not os.path.isdir(folder):
        pytest.skip("docs/example is not beside reports/")
    monkeypatch.chdir(folder)
    given = inputs.read([f"{name}.json" for name in golden.NAMES])
    text = mail.of_report(given, claims.judge(given.result))
    lines_of(text)
    for words in ("6.1.0-56-cloud-amd64 (bookworm); ext4, xfs", "medians of 5 seeds, 93.8 % interval <= ",
                  "\next4 hole      map_sync ", " 2 (1.03)", "run --fs ext4,xfs --seeds 5", "(and 5 more, each in its result.json)"):
        assert words in text, words
