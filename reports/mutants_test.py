# SPDX-License-Identifier: GPL-2.0-only
"""Each line of tools/mutants and tools/mutants-reports still changes its file. The tools say so as well, an hour into a run that
is seldom made."""

import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What stands before the file in a line, and where the file is.
LISTS = {"mutants": (1, ""), "mutants-reports": (0, "reports")}


def lines_of(name):
    """(file, what sed does to it) of each line of a list."""
    path = os.path.join(ROOT, "tools", name)
    if not os.path.exists(path):
        pytest.skip("tools/ is not beside reports/")
    with open(path, encoding="utf-8") as file:
        listed = file.read().partition("<<'END'")[2].partition("\n")[2].partition("\nEND\n")[0].split("\n")
    before, folder = LISTS[name]
    words = [line.split(" ", before + 1)[before:] for line in listed]
    return [(os.path.join(folder, file), change) for file, change in words]


def changes(path, change):
    """Whether sed, which leaves the file alone here, would change it."""
    with open(path, "rb") as file:
        before = file.read()
    return subprocess.run(["sed", change, path], capture_output=True, check=True).stdout != before


@pytest.mark.parametrize("name", LISTS)
def test_each_mutant_applies(name):
    listed = lines_of(name)
    assert len(listed) > 100
    assert [f"{file} {change}" for file, change in listed if not changes(os.path.join(ROOT, file), change)] == []


def test_one_that_changes_nothing_is_found(tmp_path):
    (tmp_path / "one.py").write_text("a = 1\n")
    assert changes(tmp_path / "one.py", "s|a = 1|a = 2|") and not changes(tmp_path / "one.py", "s|b = 1|b = 2|")
