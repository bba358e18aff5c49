# SPDX-License-Identifier: GPL-2.0-only
"""Flame graphs: what is folded, and what is drawn."""

import os
import re
import xml.etree.ElementTree as ElementTree

import pytest

import faultline_report
import flamegraph
from load import ReportError

SVG = "{http://www.w3.org/2000/svg}"

# As perf 6.1 prints it: `perf script` of `perf record -e cpu-clock -g`.
PERF_SCRIPT = """\
# ========
# captured on    : Thu Jan  1 00:00:04 2026
#
faultline-guest    85 [000]     4.100250:     250000 cpu-clock:pppH: 
\tffffffff813f2b1a jbd2_log_wait_commit+0x9a ([kernel.kallsyms])
\tffffffff8135a0c7 ext4_sync_file+0x147 ([kernel.kallsyms])
\t          4711ab operator()(int, char) const+0x1b (/init (deleted))
\t    7f00deadbeef [unknown] (/usr/lib/libc.so.6)

faultline-guest    85 [000]     4.100500:     250000 cpu-clock:pppH: 
\tffffffff8135a0c7 ext4_sync_file+0x200 ([kernel.kallsyms])
\t          4711ab operator()(int, char) const+0x1b (/init (deleted))
\t    7f00deadbeef [unknown] (/usr/lib/libc.so.6)

jbd2/pmem0-8    70/70    4.100750:     500000 cpu-clock:pppH: 
\tffffffff8139a000 evil;name+0x10 ([jbd2])

swapper     0 [000]     4.2:          1 cycles: ffffffff81000000 default_idle ([kernel.kallsyms])

"""
FOLDED = {
    ("faultline-guest", "[libc.so.6]", "operator()(int, char) const", "ext4_sync_file", "jbd2_log_wait_commit"): 250000,
    ("faultline-guest", "[libc.so.6]", "operator()(int, char) const", "ext4_sync_file"): 250000,
    ("jbd2/pmem0-8", "evil:name"): 500000,
}


def test_perf_script_folds_by_period_and_one_event():
    assert flamegraph.fold_perf_script(PERF_SCRIPT) == (FOLDED, "cpu-clock:pppH")
    assert flamegraph.fold_perf_script(PERF_SCRIPT, event="cycles") == ({("swapper", "default_idle"): 1}, "cycles")


def test_tracepoints_without_a_period_count_one_each():
    text = "dd 7 [001] 12.5: syscalls:sys_enter_fsync: fd: 0x3\n\t  1f __GI_fsync+0x1 (/lib/libc.so.6)\n\n" * 2
    assert flamegraph.fold_perf_script(text) == ({("dd", "__GI_fsync"): 2}, "syscalls:sys_enter_fsync")


def test_what_faultline_exports_folds():
    text = ("# faultline export\nthread-85 85 0.000001500:        200 instr: \n\t            2000 fault (pmd,NOPAGE)\n"
            "\t               0 k/ext4/on ([cell])\n\n")
    assert flamegraph.fold_perf_script(text) == ({("thread-85", "k/ext4/on", "fault"): 200}, "instr")


def case(name):
    """What perf printed elsewhere, as a file of testdata/perf."""
    with open(os.path.join(os.path.dirname(__file__), "testdata", "perf", f"perf-{name}.txt"), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("text, stacks, notes", [
    (case("srcline"), {("cell", "foo"): 100}, ["x: 1 line is not of `perf script` and left out, the first is line 3: "
                                               "'file.c:12'"]),
    (case("parentheses"), {("a", "f"): 5}, []),
    (case("hash-comm"), {("#init", "f"): 5}, []),
    ("# comm 1 two\n# cmdline : perf record -c 5\na 1 1.0: 5 cycles:\n\t12 f+0x1 (k)\n# in between\n\t13 g+0x1 (k)\n\n",
     {("a", "g", "f"): 5}, []),
    # frames of a head that is none are of no sample
    ("a 1 1.0: 5 cycles:\n\t12 f+0x1 (k)\n\nwhat 1 is this\n\t12 f+0x1 (k)\n\t13 g+0x1 (k)\n\n", {("a", "f"): 5},
     ["x: 3 lines are not of `perf script` and left out, the first is line 4: 'what 1 is this'"]),
    ("a 1 1.0: 5 cycles:\n\t12 f+0x1 (k)\nPERF_RECORD_LOST lost 7\n\t13 g+0x1 (k)\n\n", {("a", "f"): 5},
     ["x: 2 lines are not of `perf script` and left out, the first is line 3: 'PERF_RECORD_LOST lost 7'"]),
    ("a 1 1.0: 5 cycles:\n\t12 f+0x1 (k)\n\nb 1 1.0: 9 faults:\n\t12 f+0x1 (k)\n\n" * 2, {("a", "f"): 10},
     ["x: only samples of cycles are taken; left out are 2 of faults"]),
    # brackets in symbols and paths, with and without offsets; no object; no symbol
    ("a 1 1.0: 1 c:\n 1 operator()(int) const+0x1 (/a (b)/c (deleted))\n 2 f(int) (/a(b/c)\n 3 [unknown] (/a (b)/lib.so)\n"
     " 4 g+0x2\n 5 h (inlined)\n 6 i\n 7 j (/d (e)/f)\n\n",
     {("a", "j", "i", "h", "g", "[lib.so]", "f(int) (/a(b/c)", "operator()(int) const"): 1}, []),
    ("         dd 7 [001] 1.0: 5 c:\n         dd 7 [001] 2.0: 6 c:\n\t1 f+0x1 (k)\n\n", {("dd",): 5, ("dd", "f"): 6}, []),
    ("  # odd 1 [000] 1.0: 5 c:\n\t1 f+0x1 (k)\n\n", {("#_odd", "f"): 5}, [])])
def test_what_others_print(text, stacks, notes):
    said = []
    folded, _ = flamegraph.fold_perf_script(text, "x", notes=said)
    assert (folded, said) == (stacks, notes)
    # what was folded is read back whole
    assert flamegraph.parse_folded(flamegraph.format_folded(folded)) == folded


def test_odd_lines_are_one_note(tmp_path, capsys):
    (tmp_path / "perf.txt").write_text(case("srcline") * 3)
    code, said = run([tmp_path / "perf.txt", "--perf-script", "--out", tmp_path / "g.svg"], capsys)
    assert code == 0 and said.err == (f"faultline: note: {tmp_path}/perf.txt: 3 lines are not of `perf script` and left out, "
                                      "the first is line 3: 'file.c:12'\n")


@pytest.mark.parametrize("text, words", [("hello\n", "line 1 is not of `perf script`: 'hello'"), ("", "no samples"),
                                         ("# only a head\n", "no samples")])
def test_what_is_not_of_perf_script(text, words):
    with pytest.raises(ReportError, match=re.escape(words)):
        flamegraph.fold_perf_script(text, "x")


def test_folded_text_round_trips_and_adds_up():
    assert flamegraph.parse_folded("a;b 2\n\na;b 3\n# note\na b;c 1.5\n") == {("a", "b"): 5, ("a b", "c"): 1.5}
    assert flamegraph.parse_folded(flamegraph.format_folded(FOLDED)) == FOLDED


@pytest.mark.parametrize("text, words", [("a;b\n", "x: line 1 is no folded stack"), ("a 1\nb -2\n", "line 2"),
                                         ("", "no stacks in it"), ("a;b 0\n", "no stacks in it")])
def test_what_is_not_folded(text, words):
    with pytest.raises(ReportError, match=re.escape(words)):
        flamegraph.parse_folded(text, "x")


def frames(picture):
    """{hover text: (x, y, width, fill, label)} of each frame."""
    found = {}
    for group in ElementTree.fromstring(picture).iter(f"{SVG}g"):
        rect, text = group.find(f"{SVG}rect"), group.find(f"{SVG}text")
        found[group.find(f"{SVG}title").text] = (float(rect.get("x")), float(rect.get("y")), float(rect.get("width")),
                                                 rect.get("fill"), None if text is None else text.text)
    return found


def test_widths_are_shares_and_children_stand_on_their_parents():
    drawn = frames(flamegraph.svg({("a", "b"): 60, ("a",): 20, ("c",): 20}, "what", "instr"))
    assert list(drawn) == ["all: 100 instr, 100.00 %", "c: 20 instr, 20.00 %", "a: 80 instr, 80.00 %",
                           "b: 60 instr, 60.00 %"]
    root, c, a, b = drawn.values()
    assert root[:3] == (10, 100, 1179.5)
    assert a[:3] == (10, 82, 943.5) and b[:3] == (10, 64, 707.5) and c[:3] == (954, 82, 235.5)
    assert [frame[4] for frame in drawn.values()] == ["all", "c", "a", "b"]


def test_title_says_what_and_in_which_unit():
    picture = flamegraph.svg({("a",): 1234567}, "where a sync goes", "instr")
    texts = [text.text for text in ElementTree.fromstring(picture).findall(f"{SVG}text")]
    assert texts[0] == "where a sync goes"
    assert texts[1].startswith("1 234 567 instr; width: share of all instr")


def test_the_same_picture_whatever_the_order():
    turned = dict(reversed(FOLDED.items()))
    assert flamegraph.svg(FOLDED, "t", "ns") == flamegraph.svg(turned, "t", "ns")
    assert flamegraph.svg(FOLDED, "t", "ns", turned) == flamegraph.svg(turned, "t", "ns", FOLDED)


def test_hostile_names_are_text():
    name = '</title><script>alert("x")</script>&\x00\x1b[31m\u202e'
    picture = flamegraph.svg({(name,): 1}, name, name)
    root = ElementTree.fromstring(picture)
    assert not list(root.iter(f"{SVG}script")) and "<script" not in picture
    assert "\x1b" not in picture and "\x00" not in picture and "\u202e" not in picture
    assert any('<script>alert("x")</script>&\\x00\\x1b[31m\\u202e: 1 ' in hover for hover in frames(picture))


def test_labels_fit_their_frames():
    drawn = frames(flamegraph.svg({("wide" * 100,): 90, ("narrow_name_here",): 10}, "t", "ns"))
    for x, _, width, _, label in drawn.values():
        assert label is None or len(label) * flamegraph.CHARACTER <= width
    assert any(label and label.endswith("…") for *_, label in drawn.values())


def test_a_deep_stack_and_slivers():
    deep = tuple(f"f{i}" for i in range(3000))
    drawn = frames(flamegraph.svg({deep: 10**6, ("sliver",): 1}, "t", "ns"))
    assert len(drawn) == 3001 and not any(hover.startswith("sliver") for hover in drawn)


def test_difference_is_of_shares_and_coloured_by_sign():
    ours, theirs = {("a",): 50, ("b",): 50, ("same",): 100}, {("a",): 10, ("b",): 190, ("same",): 200, ("gone",): 0}
    drawn = frames(flamegraph.svg(ours, "t", "instr", theirs, ("new", "old")))
    a = "a: 50 instr, 25.00 % of new; 10 instr, 2.50 % of old; +22.50 points"
    b = "b: 50 instr, 25.00 % of new; 190 instr, 47.50 % of old; -22.50 points"
    same = "same: 100 instr, 50.00 % of new; 200 instr, 50.00 % of old; +0.00 points"

    def parts(hover):
        return [int(drawn[hover][3][i:i + 2], 16) for i in (1, 3, 5)]

    assert parts(a)[0] > 200 > 80 > parts(a)[2] and parts(b)[2] > 180 > 80 > parts(b)[0]
    assert parts(same) == [245, 245, 245]


def test_per_touch_what_did_not_move_is_white_though_its_share_grew():
    """By hand: 400 a touch without the sync of 600; by share `path` would grow from 40 to 100 %."""
    ours, theirs = {("path",): 40_000}, {("path",): 20_000, ("sync",): 30_000}
    picture = flamegraph.svg(ours, "t", "instr", theirs, ("new", "old"), (100, 50))
    drawn = frames(picture)
    same = "path: 400 instr a touch, 100.00 % of new; 400 instr a touch, 40.00 % of old; +0 instr a touch"
    whole = "all: 400 instr a touch, 100.00 % of new; 1 000 instr a touch, 100.00 % of old; -600 instr a touch"
    assert drawn[same][3] == "#f5f5f5" and int(drawn[whole][3][5:], 16) > 180 > 80 > int(drawn[whole][3][1:3], 16)
    assert "red: more than in the other, blue: less; 400 instr a touch, other 1 000" in picture
    assert "60.0 % of the other is in no frame here" in picture and "percent of the greater instr a touch" in picture


def test_folded_stacks_say_of_how_many_touches_they_are(tmp_path, capsys):
    assert flamegraph.touches_of(flamegraph.format_folded({("x",): 3}, 512)) == 512
    assert flamegraph.parse_folded(flamegraph.format_folded({("x",): 3}, 512)) == {("x",): 3}
    assert flamegraph.touches_of("x;# touches 4 3\nx 1\n") is None and flamegraph.touches_of("# touches 0\n") is None
    (tmp_path / "a.folded").write_text("# touches 2\nx 8\n")
    (tmp_path / "b.folded").write_text("x 8\n")
    out, kept = tmp_path / "g.svg", tmp_path / "kept"
    run([tmp_path / "a.folded", "--out", out, "--diff", tmp_path / "b.folded"], capsys)
    assert "points" in out.read_text() and "a touch" not in out.read_text()  # the other does not say
    run([tmp_path / "b.folded", "--touches", 4, "--folded", kept, "--out", out, "--diff", tmp_path / "a.folded"], capsys)
    assert kept.read_text() == "# touches 4\nx 8\n"
    assert "x: 2 samples a touch, 100.00 % of b.folded; 4 samples a touch, 100.00 % of a.folded; -2 samples a touch" in frames(
        out.read_text())


def test_what_only_the_other_has_is_said():
    picture = flamegraph.svg({("a", "b"): 1}, "t", "ns", {("a", "b"): 3, ("a", "gone", "deep"): 1}, ("new", "old"))
    assert "25.0 % of the other is in no frame here" in picture
    assert "no frame here" not in flamegraph.svg({("a",): 1}, "t", "ns", {("a",): 3})


def run(arguments, capsys):
    code = faultline_report.main(["flamegraph", *map(str, arguments)])
    return code, capsys.readouterr()


def test_the_verb_writes_a_picture(tmp_path, capsys):
    (tmp_path / "a.folded").write_text("x;y 3\nx 1\n")
    (tmp_path / "b.folded").write_text("x;y 1\nx 3\n")
    out = tmp_path / "g.svg"
    code, said = run([tmp_path / "a.folded", "--out", out, "--unit", "instr"], capsys)
    assert (code, said.out) == (0, f"{out}\n")
    assert "y: 3 instr, 75.00 %" in frames(out.read_text())
    code, said = run([tmp_path / "a.folded", "--out", out, "--diff", tmp_path / "b.folded", "--json"], capsys)
    assert code == 0 and '"total": [\n  4,\n  4\n ]' in said.out
    assert "y: 3 samples, 75.00 % of a.folded; 1 samples, 25.00 % of b.folded; +50.00 points" in frames(out.read_text())
    assert "a.folded against b.folded" in out.read_text()


def test_the_verb_takes_perf_script(tmp_path, capsys):
    (tmp_path / "perf.txt").write_text(PERF_SCRIPT)
    code, _ = run([tmp_path / "perf.txt", "--perf-script", "--out", tmp_path / "g.svg"], capsys)
    assert code == 0
    assert "evil:name: 500 000 cpu-clock:pppH, 50.00 %" in frames((tmp_path / "g.svg").read_text())


def test_the_verb_refuses_in_one_line(tmp_path, capsys):
    (tmp_path / "bad").write_text("no count\n")
    (tmp_path / "good").write_text("a 1\n")
    for arguments, words in (([tmp_path / "bad", "--out", tmp_path / "x"], "line 1 is no folded stack"),
                             ([tmp_path / "gone", "--out", tmp_path / "x"], "gone: cannot be read"),
                             ([tmp_path / "good", "--out", tmp_path / "no" / "x"], "cannot be written")):
        code, said = run(arguments, capsys)
        assert code == 2 and words in said.err and said.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "good"]


def test_what_faults_ran_and_what_served_them_is_kept():
    # a thread that is gone by the time of `perf script` has no name and no number
    text = ("faultline-cell    90 [000]     6.1:       2000 cpu-clock:k: \n"
            "\tffffffff81000030 ext4_dax_fault+0x10 ([kernel.kallsyms])\n"
            "\tffffffff81000020 exc_page_fault+0x10 ([kernel.kallsyms])\n"
            "\tffffffff81000010 asm_exc_page_fault+0x10 ([kernel.kallsyms])\n"
            "\t    55550000 Touch+0x10 (/usr/bin/faultline-cell)\n\n"
            "jbd2/pmem0-8    70 [000]     6.2:       2000 cpu-clock:k: \n"
            "\tffffffff81000050 memcpy+0x10 ([kernel.kallsyms])\n"
            "\tffffffff81000040 jbd2_journal_commit_transaction+0x10 ([kernel.kallsyms])\n"
            "\tffffffff81000035 kthread+0x10 ([kernel.kallsyms])\n\n"
            ":-1    -1 [000]     6.3:       2000 cpu-clock:k: \n"
            "\tffffffff81000060 do_exit+0x10 ([kernel.kallsyms])\n\n")
    stacks, event = flamegraph.fold_perf_script(text)
    assert event == "cpu-clock:k" and len(stacks) == 3
    assert flamegraph.of_faults(stacks) == {
        ("fault", "asm_exc_page_fault", "exc_page_fault", "ext4_dax_fault"): 2000,
        ("jbd2", "jbd2_journal_commit_transaction", "memcpy"): 2000}
