# SPDX-License-Identifier: GPL-2.0-only
"""How the verbs that read results look to who types them: the one source of their names, their help and what is said of a
word that there is not. cli/reports.cc has the list of verbs once more, for `faultline --help`; options_test.py compares."""

import argparse
import difflib
import sys

USAGE = 2  # exit code
WIDTH = 80
# verb: what it does, in the order of `faultline --help`
VERBS = {
    "report": "Write a result as one HTML page: claims decided, figures, tables",
    "table": "Print a result as a table of 80 columns",
    "answer": "Answer a question of the lists from its run, in a table for a mail",
    "identical": "Compare all figures of two results, to the last digit",
    "merge": "Make one result of the shards of a run",
    "hash": "Print the hash of what a result says, whenever and wherever it was measured",
    "check": "Check a result against known answers",
    "compare": "Compare two results, cell by cell: figures, difference, interval, verdict",
    "gate": "Compare a result with a baseline; the exit code is the verdict",
    "explain": "Show which phases and functions of a fault account for a change",
    "media": "Say what written lines cost on other media: break-even, modelled time",
    "baseline": "Keep results to compare later ones with: save, list, show, rm",
    "history": "Keep figures of many results in one file: add, list, show, export, page, rm",
    "trend": "Show what cells cost over kernels, and where it changed",
}
# Of reports/ alone: `faultline perf` calls the one, `faultline export` the other.
HIDDEN = {"flamegraph": "Draw folded stacks as a flame graph", "export": "Write a result in a format of CI systems"}


class Help(argparse.RawDescriptionHelpFormatter):
    """At most 80 columns, whatever the terminal; the epilog as it is written."""

    def __init__(self, prog):
        super().__init__(prog, width=WIDTH, max_help_position=26)


class Parser(argparse.ArgumentParser):
    """A verb, or a part of one. What is wrong is said in one line, which ends in where to read more."""

    def __init__(self, **kwargs):
        super().__init__(formatter_class=Help, **kwargs)

    def error(self, message):
        _, _, verb = self.prog.partition(" ")
        print(f"faultline: {verb}{': ' * bool(verb)}{message}; `{self.prog} --help` says more", file=sys.stderr)
        sys.exit(USAGE)

    def _check_value(self, action, value):
        if action.choices is not None and value not in action.choices:
            kind = "verb" if isinstance(action.choices, dict) else "choice"
            raise argparse.ArgumentError(None, f"no {kind} {value!r}{near(value, action.choices)}")

    def options(self):
        """All option strings."""
        return [text for action in self._actions for text in action.option_strings]


def near(word, words):
    """`; did you mean X`, or what there is."""
    words = list(words)
    found = difflib.get_close_matches(word, words, 1, 0.6)
    return f"; did you mean {found[0]}" if found else f"; there are {', '.join(words)}"


def parse(parser, arguments):
    """The options; ends in exit code 2 where a word is left over."""
    options, left = parser.parse_known_args(arguments)
    if left:
        verb = options.parser
        unknown = next((word for word in left if word.startswith("-")), None)
        if unknown is None:
            verb.error(f"too many arguments: {' '.join(left)}")
        name = unknown.partition("=")[0]
        found = difflib.get_close_matches(name, verb.options(), 1, 0.6)
        verb.error(f"no option {name}" + (f"; did you mean {found[0]}" if found else ""))
    return options


def add_verb(place, name, run, text=None, epilog=""):
    """A verb among others, as a Parser. place: what add_subparsers returned; text: what it does, if it is no verb of
    VERBS; epilog: exit codes and examples."""
    text = text or VERBS.get(name) or HIDDEN[name]
    sub = place.add_parser(name, help=text, description=text + ".", epilog=epilog)
    sub.set_defaults(run=run, parser=sub)
    return sub


def add_json(parser):
    """The option that all verbs have."""
    parser.add_argument("--json", action="store_true", help="print as JSON")
