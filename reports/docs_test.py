# SPDX-License-Identifier: GPL-2.0-only
"""README.md, CONTRIBUTING.md and docs/: their figures are those of docs/example, their links and paths lead somewhere, their
commands are commands. The tools that look are in tools/."""

import glob
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import tarfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("FAULTLINE_BUILD", "build"))
COMMAND = os.path.join(BUILD, "faultline")
needs_command = pytest.mark.skipif(not os.access(COMMAND, os.X_OK), reason="no built command")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(glob.glob("docs/*.md", root_dir=ROOT))]
MAILS = sorted(glob.glob("docs/reports/*.txt", root_dir=ROOT))


def tool(name):
    """A program of tools/ as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(ROOT, "tools", name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


figures, commands, doc_commands = tool("figures"), tool("commands"), tool("doc-commands")


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("path", DOCUMENTS)
def test_figures_and_outputs_are_what_they_come_from(path):
    problems = []
    figures.mended(text_of(path), BUILD, problems, [])
    assert not problems, "`make docs` (or tools/figures --update) writes them"


@pytest.mark.parametrize("path", MAILS)
def test_a_report_of_a_fault_is_a_short_mail_of_72_columns(path):
    lines = text_of(path).splitlines()
    assert 10 < len(lines) <= 60
    assert [line for line in lines if len(line) > 72 or line != line.rstrip() or not line.isascii()] == []


ROWS = {"bookworm/ext4/a/off": {"per_page": 72871.515625, "starved": {"n": 12, "of": 18},
                                "phases": [{"id": "sync", "net": 3220.4}], "status": "ok", "dax": True},
        "bookworm/ext4/b/off": {"per_page": 20587.38671875}, "bookworm/xfs/b/off": {"per_page": 1234.5}}


@pytest.fixture
def made_up(monkeypatch):
    """docs/example/result.json holds ROWS."""
    monkeypatch.setattr(figures, "_results", lambda name: [ROWS])


@pytest.mark.parametrize("text, source, expected", [
    ("1", "result ext4/a/off per_page", "72 872"), ("1", "result xfs/b/off per_page", "1234"),
    ("1.0", "result xfs/b/off per_page", "1234.5"), ("0", "result ext4/a/off starved.n", "12"),
    ("0", "result ext4/a/off phases.sync.net", "3220"),
    ("9.9", "result ext4/a/off per_page / result ext4/b/off per_page", "3.5"),
    ("9.99", "result ext4/a/off per_page / result ext4/b/off per_page", "3.54"),
    ("7", "result ext4/a/off per_page - result ext4/b/off per_page", "52 284")])
def test_a_figure_is_written_as_its_text_has_it(made_up, text, source, expected):
    problems = []
    marked = f"about {text}<!-- figure {source} --> times"
    assert figures.mended(marked, BUILD, problems, []) == f"about {expected}<!-- figure {source} --> times"
    assert problems == [(1, f"says {text}, its source says {expected} ({source})", False)]
    problems.clear()
    figures.mended(f"{expected}<!-- figure {source} -->", BUILD, problems, [])
    assert not problems


@pytest.mark.parametrize("marked, words", [
    ("5<!-- figure result ext4/c/off per_page -->", "0 rows of docs/example/result.json are named .../ext4/c/off"),
    ("5<!-- figure result b/off per_page -->", "2 rows"),
    ("5<!-- figure result ext4/a/off per_pgae -->", "is no number"),
    ("5<!-- figure result ext4/a/off status -->", "is no number"),
    ("5<!-- figure result ext4/a/off dax -->", "is no number"),
    ("5<!-- figure nowhere ext4/a/off per_page -->", "there is no docs/example/nowhere.json"),
    ("5<!-- figure result per_page -->", "is not FILE CELL FIELD"),
    ("five<!-- figure result ext4/a/off per_page -->", "1 markers, of which 0"),
    ("<!-- output: faultline table x -->\nno end", "1 markers, of which 0"),
    ("<!-- output: ls -->\n<!-- end -->", "is not `faultline"),
    ("<!-- output: faultline table nowhere -->\n<!-- end -->", "ended in 2")])
def test_a_marker_that_nothing_answers(made_up, marked, words):
    problems = []
    assert figures.mended(marked, BUILD, problems, []) == marked
    (_, message, fatal), = problems
    assert words in message and fatal


ANSWER = """What does it cost?
instructions a page; median of 5 seeds

                   6.1 t1   7.3 t1
map_sync hole       72871  121-140
map_sync           5456.5        -
A note, of 12 words.
faultline run --fs ext4
"""


@pytest.mark.parametrize("text, source, expected", [
    ("1", "answers/x 'map_sync hole' '6.1 t1'", "72 871"), ("1.0", "answers/x map_sync '6.1 t1'", "5456.5"),
    ("1", "answers/x 'map_sync hole' '7.3 t1' low", "121"), ("1", "answers/x 'map_sync hole' '7.3 t1' high", "140"),
    ("1", "answers/x 'map_sync hole' '6.1 t1' high", "72 871"),
    ("1", "answers/x 'map_sync hole' '7.3 t1' high - answers/x 'map_sync hole' '7.3 t1' low", "19"),
    ("1.00", "answers/x 'map_sync hole' '6.1 t1' / answers/x map_sync '6.1 t1'", "13.35")])
def test_a_figure_of_an_answer(tmp_path, monkeypatch, text, source, expected):
    monkeypatch.setattr(figures, "ROOT", str(tmp_path))
    (tmp_path / "docs/answers").mkdir(parents=True)
    (tmp_path / "docs/answers/x.txt").write_text(ANSWER)
    problems = []
    assert figures.mended(f"{text}<!-- figure {source} -->", BUILD, problems, []) == f"{expected}<!-- figure {source} -->"
    assert [fatal for _, _, fatal in problems] == [False]


@pytest.mark.parametrize("source, words", [
    ("answers/y map_sync '6.1 t1'", "there is no docs/answers/y.txt"), ("answers/x map_sync 6.1", "has the columns 6.1 t1, 7.3 t1"),
    ("answers/x fsync '6.1 t1'", "0 lines of docs/answers/x.txt are titled 'fsync'"), ("answers/x map_sync", "name a line, a column"),
    ("answers/x 'map_sync hole' '7.3 t1'", "is a range: 121-140"), ("answers/x map_sync '7.3 t1' low", "is no number: -"),
    ("answers/x map_sync '6.1 t1' middle", "name a line, a column"), ("answers/x 'map_sync", "No closing quotation"),
    ("answers/x 'A note, of' words.", "has the columns")])
def test_a_figure_that_no_answer_has(tmp_path, monkeypatch, source, words):
    monkeypatch.setattr(figures, "ROOT", str(tmp_path))
    (tmp_path / "docs/answers").mkdir(parents=True)
    (tmp_path / "docs/answers/x.txt").write_text(ANSWER)
    problems = []
    figures.mended(f"5<!-- figure {source} -->", BUILD, problems, [])
    (_, message, fatal), = problems
    assert words in message and fatal


def parts_of_a_study(tmp_path, monkeypatch, *others):
    """docs/study holds ROWS and these."""
    monkeypatch.setattr(figures, "ROOT", str(tmp_path))
    monkeypatch.setattr(figures, "_results", lambda name: [ROWS, *others])
    (tmp_path / "docs/study").mkdir(parents=True)
    (tmp_path / "docs/study/data.tar.xz").touch()


def test_a_cell_of_two_parts_of_the_study_has_one_figure_or_none(tmp_path, monkeypatch):
    parts_of_a_study(tmp_path, monkeypatch, {"bookworm/xfs/b/off": {"per_page": 1234.5}, "bookworm/ext4/b/off": {"per_page": 7}})
    problems = []
    marked = "1.0<!-- figure study bookworm/xfs/b/off per_page -->"
    assert figures.mended(marked, BUILD, problems, []).startswith("1234.5<")
    with pytest.raises(figures.Wrong, match="per_page of ext4/b/off in docs/study/data.tar.xz is 20587.38671875 and 7"):
        figures.value_of("study ext4/b/off per_page")


def test_a_cell_of_two_kernels_is_named_with_its_own(tmp_path, monkeypatch):
    parts_of_a_study(tmp_path, monkeypatch, {"bullseye/xfs/b/off": {"per_page": 1}})
    assert figures.value_of("study bullseye/xfs/b/off per_page") == 1
    with pytest.raises(figures.Wrong, match="2 rows of docs/study/data.tar.xz are named .../xfs/b/off"):
        figures.value_of("study xfs/b/off per_page")


def test_rows_of_the_studys_parts_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "ROOT", str(tmp_path))
    (tmp_path / "docs/study").mkdir(parents=True)
    with tarfile.open(tmp_path / "docs/study/data.tar.xz", "w:xz") as data:
        for name in ("bookworm/a.json", "bookworm/a/1of2.json"):
            data.add(os.path.join(ROOT, "docs/example/paced.json"), name)
    figures._results.cache_clear()
    one, other = figures._results("study")
    figures._results.cache_clear()
    assert one == other and "bookworm/ext4/map_sync/paced/written/pte/t1/off" in one


def test_a_file_of_the_study_is_an_output():
    problems = []
    marked = "<!-- output: docs/study/nowhere.md; section: x -->\n<!-- end -->"
    figures.mended(marked, BUILD, problems, [])
    assert "nor a file of docs/study" in problems[0][1]


PRINTED = """about it

bookworm, ext4; instr
strategy  state  per_page
volatile  hole      18159
map_sync  hole      72872

bookworm, xfs, with a name
  in two lines
strategy  state  per_page
volatile  hole      26229
map_sync  hole      72869
"""


@pytest.mark.parametrize("section, rows, expected", [
    (None, None, PRINTED.strip()),
    ("ext4", "^map_sync", "bookworm, ext4; instr\nstrategy  state  per_page\nmap_sync  hole      72872"),
    ("xfs", "volatile", "bookworm, xfs, with a name\n  in two lines\nstrategy  state  per_page\nvolatile  hole      26229"),
    ("ntfs", None, "")])
def test_an_output_is_cut_to_sections_and_rows(section, rows, expected):
    assert figures._paragraphs(PRINTED, section, rows) == expected


def test_what_needs_a_build_is_left_alone_without_one(tmp_path):
    text, problems, skipped = "<!-- output: faultline list --fields -->\nas it was\n<!-- end -->", [], []
    assert figures.mended(text, str(tmp_path), problems, skipped) == text
    assert not problems and skipped == [(1, f"there is no {tmp_path}/faultline")]


def test_update_writes_the_file(made_up, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "ROOT", str(tmp_path))
    (tmp_path / "x.md").write_text("3<!-- figure result ext4/a/off starved.n --> of 18")
    assert figures.main(["x.md"]) == 1 and figures.main(["--update", "x.md"]) == 0 == figures.main(["x.md"])
    assert (tmp_path / "x.md").read_text() == "12<!-- figure result ext4/a/off starved.n --> of 18"


HELP = {"host": """Does things.
Usage: faultline kernels [OPTIONS] [SUBCOMMAND]

Options:
  --json                      as JSON

Subcommands:
  list                        Print the kernels
  module                      Build the module against kernels'
                              headers

Examples:
  faultline kernels list
""", "report": """usage: faultline baseline [-h] save|list ...

positional arguments:
  save|list
    save          Keep a result
    list          List the baselines

options:
  -h, --help      show this
""", "leaf": "usage: faultline table [-h] DIR\n\noptions:\n  --json  as JSON\n"}


def test_verbs_below_a_verb():
    assert commands.parts_of(HELP["host"]) == {"list": "Print the kernels", "module": "Build the module against kernels' headers"}
    assert commands.parts_of(HELP["report"]) == {"save": "Keep a result", "list": "List the baselines"}
    assert commands.parts_of(HELP["leaf"]) == {}


DOCUMENT = """Say `faultline list` or `faultline run
--fs xfs`, never `faultlines`.
<!-- not run: takes long -->
```
faultline run --fs ext4 \\
    --out a   # a comment
build/faultline gate --baseline a b || faultline explain a b >log.txt
git bisect run sh -c 'make -j8 || exit 125
    faultline bisect --kernel-tree .'
```
```text
faultline printed --this
```
```
$ make test && faultline table a
faultline: an error
```
```
faultline report $(find a -name '*.json') --out b
```
"""


def test_commands_are_found():
    found = doc_commands.commands_of("x.md", DOCUMENT)
    assert [(c.line, " ".join(c.words), c.why, c.printed) for c in found] == [
        (1, "faultline list", "", True),
        (1, "faultline run --fs xfs", "", True),
        (5, "faultline run --fs ext4 --out a", "takes long", False),
        (7, "faultline gate --baseline a b", "takes long", False),
        (7, "faultline explain a b", "takes long", False),
        (8, "faultline bisect --kernel-tree .", "takes long", False),
        (12, "faultline printed --this", "", True),
        (15, "make test", "", False),
        (15, "faultline table a", "", False),
        (19, "faultline report", "", True)]
    assert "docs/study/README.md" in doc_commands.documents()


class Asked:
    """A command that knows little."""

    faultline = "/bin/false"
    helps = {"": "Subcommands:\n  run    Measure\n  kernels  Kernels\n", "run": "  --fs TEXT  file systems\n  --out TEXT\n",
             "kernels": HELP["host"], "kernels list": "  --json\n"}

    def help_of(self, verb):
        return self.helps.get(verb)

    def parts(self, verb):
        return commands.parts_of(self.helps[verb])

    def names(self, axis):
        return {"fs": ["ext4", "ext4-fc", "xfs"]}[axis]


@pytest.mark.parametrize("line, complaint", [
    ("faultline run --fs ext4,xfs --out x", ""), ("faultline run --fs 'ext4*'", ""), ("faultline run --fs F", ""),
    ("faultline VERB --help", ""), ("faultline kernels list --json", ""), ("make lint test", ""), ("make bench OUT=x", ""),
    ("faultline run -- --any", ""),
    ("faultline rnu", "there is no `faultline rnu`"), ("faultline run --filesystem x", "`faultline run` has no --filesystem"),
    ("faultline run --fs ext5", "--fs: there is no ext5"), ("faultline run --fs=ext5", "--fs: there is no ext5"),
    ("faultline kernels list --releases", "`faultline kernels list` has no --releases"),
    ("make tset", "the Makefile has no tset")])
def test_a_command_is_held_to_the_help(line, complaint):
    command, = doc_commands.commands_of("x.md", f"```\n{line}\n```\n")
    assert doc_commands.complaint_of(command, Asked()) == complaint


@pytest.mark.parametrize("block, complaint", [
    ("```\nfaultline run --out a\n```\n", "is too long for a test"),
    ("<!-- not run: guests -->\n```\nfaultline run --out a\nfaultline run --out b\n```\n", None),
    ("<!-- not run: guests -->\n```\nfaultline run --out a\nfaultline run --out a\n```\n", "holds an earlier command's result"),
    ("```\nfaultline kernels list\n```\n", "ended in 3")])
def test_a_command_is_run_or_its_block_says_why_not(block, complaint, monkeypatch):
    monkeypatch.setattr(doc_commands.Scratch, "run", lambda self, words: (3, ""))
    wrong, parsed, _ = doc_commands.tried("x.md", block, Asked())
    assert parsed and [complaint in said for _, said in wrong] == ([True] if complaint else [])


@needs_command
def test_the_documented_commands_are_right():
    done = subprocess.run([os.path.join(ROOT, "tools", "doc-commands"), "--build", BUILD], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr


LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("path", DOCUMENTS)
def test_links_lead_somewhere(path):
    for link in LINK.findall(re.sub(r"^```.*?^```$", "", text_of(path), flags=re.M | re.S)):
        if link.startswith("http"):
            continue
        target, _, anchor = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        assert os.path.exists(os.path.join(ROOT, target)), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", text_of(target), re.M)
            slugs = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, link


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_table_is_whole(path):
    """Rows without a head and a line below it are no table to a reader: an empty line has cut them off."""
    text = re.sub(r"^```.*?^```$", "", text_of(path), flags=re.M | re.S)
    for rows in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        assert len(rows.split("\n")) > 3 and re.fullmatch(r"\|( ?:?-+:? ?\|)+", rows.split("\n")[1]), rows


PLACE = re.compile(r"`((?:bpf|campaign|cell|cli|docs|fuzz|harness|kmod|observe|reports|tools|trace|vm|workloads|\.ci)/[\w./*-]*)`")


@pytest.mark.parametrize("path", DOCUMENTS)
def test_paths_are_of_files_that_are_there(path):
    """A capital word in a path (NAME) stands for any; a module may be named without its ending."""
    for place in PLACE.findall(text_of(path)):
        pattern = re.sub(r"\b[A-Z]{3,}\b", "*", place)
        assert glob.glob(os.path.join(ROOT, pattern)) or glob.glob(os.path.join(ROOT, pattern + ".*")), place


def test_every_metric_has_its_row():
    """docs/compare.md has a row a metric, in their order, with a star where it is compared by default, and its floors."""
    import metrics
    table = text_of("docs/compare.md").partition("| metric | what | of |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.split("\n")[2:]]
    assert [row[0] for row in rows] == [f"`{metric.id}`" + "*" * metric.default for metric in metrics.METRICS]
    for row, metric in zip(rows, metrics.METRICS):
        alike = f"{metric.one_build:g} or " if metric.one_build is not None else ""
        assert row[3].startswith(f"{alike}{metric.floor['virtual']:g} ") and row[4].startswith(f"{metric.floor['wall']:g} "), metric.id


def test_the_files_that_one_thing_touches_are_counted():
    """In CONTRIBUTING's table a number is that of the files named beside it; a row `one ...` adds to the row above."""
    table = text_of("CONTRIBUTING.md").partition("| add | files | edit |\n|---|---|---|\n")[2].partition("\n\n")[0]
    before, rows = set(), table.split("\n")
    assert len(rows) > 20
    for row in rows:
        _, add, count, edit, _ = (cell.strip() for cell in row.split("|"))
        named = set(PLACE.findall(re.sub(r"` or[^`]*`[^`]*`", "`", edit)))  # either of two is one
        if add.startswith("one "):
            named |= before
        else:
            before = named
        assert str(len(named)) in count.split(" or "), row


LONG = "int line;\n" * 600


@pytest.mark.parametrize("text, complaint", [
    (LONG, None),
    ("// SPDX\n" + LONG, "601 lines"),
    ("// SPDX\n// One file because it is\n// small no more.\n" + LONG, None),
    ("/*\n * SPDX\n *\n * One file because it is.\n */\n" + LONG, None),
    ("// SPDX\n#include <a>\n// One file because it is.\n" + LONG, "603 lines"),
    (LONG + "// One file because it is.\n", "601 lines")])
def test_a_long_file_says_why_it_is_one(text, complaint, tmp_path):
    (tmp_path / "long.cc").write_text(text)
    (tmp_path / "short.cc").write_text("")
    done = subprocess.run([os.path.join(ROOT, "tools/long-files"), "short.cc", "long.cc"], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == (complaint is not None)
    assert done.stderr == "" if complaint is None else f"long.cc: {complaint}, and" in done.stderr


def test_a_long_file_of_python_says_so_in_its_docstring(tmp_path):
    for name, text in (("good.py", '"""What it is.\n\nOne file because it is."""\nimport os\n'),
                       ("bad.py", '"""What it is."""\nimport os\n# One file because it is.\n')):
        (tmp_path / name).write_text(text + "line = 1\n" * 600)
    done = subprocess.run([os.path.join(ROOT, "tools/long-files"), "good.py", "bad.py"], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("bad.py: 603 lines") and "good.py" not in done.stderr


def test_each_field_of_the_context_is_told():
    context = json.loads(text_of("docs/example/result.json"))["context"]
    section = text_of("docs/result-format.md").split("## `context`")[1].split("\n## ")[0]
    told = {word for span in re.findall("`([^`]*)`", section) for word in re.findall("[a-z_0-9]+", span)}
    objects = [context, context["faultline"], context["host"], context["qemu"], *context["kernels"].values(),
               *context["file_systems"].values()]
    assert {key for one in objects for key in one} - told == set()


@needs_command
def test_what_each_strategy_promises_is_told():
    listed = json.loads(subprocess.run([COMMAND, "list", "--json"], check=True, capture_output=True, text=True).stdout)
    with open(os.path.join(ROOT, "docs", "crashtest.md"), encoding="utf-8") as file:
        section = file.read().split("## What each strategy promises")[1].split("\n## ")[0]
    told = {re.sub(":K$", "", name) for row in section.splitlines() if row.startswith("| `")
            for name in re.findall("`([^`]*)`", row.split("|")[1])}
    assert told == {row["id"] for row in listed["strategy"]}
