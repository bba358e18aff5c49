# SPDX-License-Identifier: GPL-2.0-only
"""The help of the verbs, and what is said of words that there are not."""

import os
import re

import pytest

import faultline_report
import options


def said(capsys, *arguments):
    """(exit code, stdout, stderr) of a command line."""
    with pytest.raises(SystemExit) as caught:
        faultline_report.main(list(arguments))
    out, error = capsys.readouterr()
    return caught.value.code, out, error


PARTS = {"baseline": ("save", "list", "show", "rm"), "history": ("add", "list", "show", "export", "page", "rm")}
ALL = [*((verb,) for verb in options.VERBS), *((verb, part) for verb, parts in PARTS.items() for part in parts)]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_says_all_in_80_columns(capsys, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # whatever the terminal
    code, out, error = said(capsys, *words, "--help")
    assert (code, error) == (0, "")
    assert out.count("usage:") == 1 and out.lower().startswith(f"usage: faultline {' '.join(words)}")
    assert max(map(len, out.splitlines())) <= 80
    if len(words) == 1:
        assert options.VERBS[words[0]] in " ".join(out.split()) and "example" in out
    for option in re.findall(r"--[a-z-]+", out.split("\n\n")[0]):
        assert re.search(rf"^ +(-h, )?{option}( .*)?(  +|\n +)\S", out, re.M), option


def test_defaults_and_choices(capsys):
    _, out, _ = said(capsys, "gate", "--help")
    text = " ".join(out.split())
    assert "of per_page, per_fault, path, slowdown, starved, tax, phase, boot; `all` for all of them (default: " in text
    assert "(default: per_page,per_fault,path,slowdown,starved)" in text
    assert "(default: in virtual/wall time per_page 0.5/1, per_fault 0.5/1, path 0.5/1, slowdown 5/10" in text
    assert "exit: 0 no regression; 1 regression; 2 incomplete or not comparable" in text
    _, out, _ = said(capsys, "trend", "--help")
    assert "(default: per_page)" in out


@pytest.mark.parametrize("words, message", [
    (["gate", "--subst", "--baseline", "x", "y"],
     "faultline: gate: no option --subst; did you mean --subset; `faultline gate --help` says more\n"),
    (["table", "x", "--colour"], "faultline: table: no option --colour; `faultline table --help` says more\n"),
    (["compare", "x", "y", "--flor=1"],
     "faultline: compare: no option --flor; did you mean --floor; `faultline compare --help` says more\n"),
    (["identical", "x", "y", "z"], "faultline: identical: too many arguments: z; `faultline identical --help` says more\n"),
    (["baseline", "sav", "x"],
     "faultline: baseline: no verb 'sav'; did you mean save; `faultline baseline --help` says more\n"),
    (["tabel", "x"], "faultline: no verb 'tabel'; did you mean table; `faultline --help` says more\n"),
    (["history", "export"],
     "faultline: history export: the following arguments are required: CSV; `faultline history export --help` says more\n"),
    (["compare", "x", "y", "--floor", "much"],
     "faultline: compare: argument --floor: invalid floor value: 'much'; `faultline compare --help` says more\n")])
def test_a_word_that_is_none(capsys, words, message):
    assert said(capsys, *words) == (2, "", message)


def test_the_command_lists_the_same_verbs():
    """`faultline --help` is printed without Python: its list stands in cli/reports.cc as well."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli", "reports.cc")
    if not os.path.exists(path):
        pytest.skip("cli/ is not beside reports/")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    table = text[text.index("kReportVerbs[] = {"):]
    rows = re.findall(r'\.name = "(\w+)",\s+\.summary = "([^"]*)"\}', table[:table.index("};")])
    assert rows == list(options.VERBS.items())
