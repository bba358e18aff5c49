#!/usr/bin/python3 -I
# SPDX-License-Identifier: GPL-2.0-only
"""The verbs of `faultline` that read results.

Exit codes: 0 pass, 1 a regression, a check that failed or figures that differ, 2 usage or a result that cannot be used
or compared.
"""

import contextlib
import dataclasses
import errno
import json
import os
import signal
import sys
import textwrap

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # an isolated Python leaves it out

# pylint: disable=wrong-import-position
import compare_verbs  # noqa: E402
import options  # noqa: E402
from number import counted  # noqa: E402

PASS, FAILED, UNUSABLE = 0, 1, 2
BROKEN_PIPE, INTERRUPTED = 128 + signal.SIGPIPE, 128 + signal.SIGINT  # as a shell shows them for any other program
SHOWN = 100  # differing figures printed as text; --json has all


def main(arguments=None):
    """Run one verb with these arguments; returns the exit code. Prints errors as one line on stderr."""
    try:
        chosen = options.parse(_parser(), arguments)
        code = chosen.run(chosen)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # pylint: disable=broad-except
        if os.environ.get("FAULTLINE_DEBUG") == "1":
            raise
        return _explain(error)


def _explain(error):
    import load
    if isinstance(error, load.ReportError):
        _say(str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _silence_stdout()
        _say("no space left to write to: free some and try again")
        return UNUSABLE
    if isinstance(error, ModuleNotFoundError) and not _is_ours(error.name):
        _say(load.plain(f"{sys.executable} has no module {error.name}: install package "
                        f"python3-{error.name.partition('.')[0]} (in a source tree, `make deps` does)"))
        return UNUSABLE
    _say(load.plain(f"{type(error).__name__}: {error}: a defect of faultline; FAULTLINE_DEBUG=1 shows where"))
    return UNUSABLE


def _is_ours(module):
    return os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{(module or '').partition('.')[0]}.py"))


def _say(line):
    print(f"faultline: {line}", file=sys.stderr)


def _silence_stdout():
    """Python flushes stdout once more at exit, and would complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _parser():
    parser = options.Parser(prog="faultline", description="The verbs that read results.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name, run, epilog="", many=True):
        sub = options.add_verb(verbs, name, run, epilog=epilog)
        if many:
            sub.add_argument("results", metavar="DIR", nargs="+", help="folder of a result; several are merged")
        return sub

    sub = verb("report", _report, REPORT_EPILOG, many=False)
    sub.add_argument("results", metavar="RESULT", nargs="*", help="folders of `run`, `crashtest` and `perf`, merged")
    sub.add_argument("--out", metavar="DIR", help="folder to write report.html, claims.json and the figures as PNG to "
                     "(default: the first RESULT's, or none with --mail, --text, --md or --csv)")
    sub.add_argument("--before", metavar="RESULT", help="or name of a baseline; with --after: what changed stands first")
    sub.add_argument("--after", metavar="RESULT", help="the later one, which the report is of")
    compare_verbs.add_kernels(sub, "BEFORE", "AFTER")
    form = sub.add_mutually_exclusive_group()
    form.add_argument("--mail", action="store_true", help="print its answer to paste into a mail: 25 lines of 72 columns at most")
    form.add_argument("--text", action="store_true", help="print all of it but the figures as text, 72 columns")
    form.add_argument("--md", action="store_true", help="print it as Markdown, for a comment")
    form.add_argument("--csv", action="store_true", help="print all rows as CSV")
    options.add_json(form)
    sub = verb("table", _table, "example:\n  faultline table out\n  faultline table out --wide --journal")
    sub.add_argument("--wide", action="store_true", help="with tax and syncs of each cell")
    sub.add_argument("--journal", action="store_true", help="with what the journal did in each cell")
    options.add_json(sub)
    sub = verb("answer", _answer, ANSWER_EPILOG, many=False)
    sub.add_argument("question", metavar="QUESTION", nargs="?", help="its id; without one all are printed")
    sub.add_argument("result", metavar="DIR", nargs="?", help="folder of the run that answers it; without it that run is "
                     "printed")
    options.add_json(sub)
    sub = verb("identical", _identical, IDENTICAL_EPILOG, many=False)
    sub.add_argument("a", metavar="DIR_A", help="folder of a result")
    sub.add_argument("b", metavar="DIR_B", help="folder of the other")
    sub.add_argument("--all", action="store_true", help="all figures that differ, not only a row's greatest difference")
    options.add_json(sub)
    sub = verb("merge", _merge, MERGE_EPILOG, many=False)
    sub.add_argument("shards", metavar="DIR", nargs="+", help="folder of a shard; all of them, in any order")
    sub.add_argument("--out", metavar="DIR", required=True, help="folder to write the result to")
    sub.add_argument("--audit", metavar="DIR", action="append", default=[], help="a shard of any division, measured a second "
                     "time, which must have the same figures; several times")
    sub.add_argument("--force", action="store_true", help="replace a result that is there")
    options.add_json(sub)
    sub = verb("hash", _hash, HASH_EPILOG, many=False)
    sub.add_argument("result", metavar="RESULT", help="folder or file of a result")
    options.add_json(sub)
    options.add_json(verb("check", _check, "exit: 0 none failed; 1 some failed; 2 nothing to check\n\n"
                          "example:\n  faultline check out"))
    sub = verb("media", _media, MEDIA_EPILOG)
    sub.add_argument("--cpi", metavar="LOW..HIGH", type=_span, default=(0.5, 2.0), help="cycles an instruction (default: 0.5..2)")
    sub.add_argument("--ghz", metavar="LOW..HIGH", type=_span, default=(3.0, 3.0), help="the CPU's clock (default: 3)")
    sub.add_argument("--mlp", metavar="LOW..HIGH", type=_span, default=(1.0, 10.0), help="loads of the medium that the CPU has under "
                     "way at a time (default: 1..10)")
    sub.add_argument("--medium", metavar="NAME|FILE", action="append", help="of these alone: a name, or a TOML file of yours "
                     "(default: all that faultline knows)")
    options.add_json(sub)
    compare_verbs.add(verbs)
    sub = verb("flamegraph", _flamegraph, many=False)
    sub.add_argument("stacks", metavar="IN", help="folded stacks, `frame;frame COUNT` a line; - for standard input")
    sub.add_argument("--out", metavar="FILE", required=True, help="SVG to write")
    sub.add_argument("--diff", metavar="OTHER", help="stacks to compare with: red is more in IN, blue in OTHER; per touch where "
                     "both say how many they are of, else by share")
    sub.add_argument("--touches", metavar="N", type=int, help="how many touches IN is of, which --folded says")
    sub.add_argument("--perf-script", action="store_true", help="IN and OTHER are what `perf script` printed")
    sub.add_argument("--faults", action="store_true", help="with --perf-script: what write faults ran, and what threads of "
                     "the kernel ran for them")
    sub.add_argument("--folded", metavar="FILE", help="the folded stacks of IN, written too")
    sub.add_argument("--title", help="what it is (default: the names of the files)")
    sub.add_argument("--unit", help="what is counted (default: perf script's event, or samples)")
    options.add_json(sub)
    sub = verb("export", _export, many=False)
    sub.add_argument("result", metavar="DIR", help="folder or file of a result")
    sub.add_argument("--to", metavar="FORMAT", required=True, help="kcidb, lava, junit")
    sub.add_argument("--out", metavar="FILE", required=True, help="file to write; - is standard output")
    sub.add_argument("--cell", metavar="PATTERNS", help="cells by name, globs, separated by commas (default: all)")
    sub.add_argument("--origin", metavar="NAME", help="of the CI system, for KCIDB (default: faultline)")
    options.add_json(sub)
    return parser


REPORT_EPILOG = """Writes report.html, claims.json and the figures as PNG.

examples:
  faultline report out
  faultline report out dos paced crash perf --out page
  faultline report --before v6.12 --after out
  faultline report out --md"""
MEDIA_EPILOG = """Reads what `run --observe vector` counted. --cpi, --ghz and --mlp are of what is
modelled; the break-even in instructions hangs on none of them.

exit: 0; 2 no cell was observed

examples:
  faultline run --observe vector --state hole --out seen
  faultline media seen
  faultline media seen --cpi 1 --ghz 2.2..3.9 --medium optane100"""
ANSWER_EPILOG = """example:
  faultline answer                      what there is
  faultline answer bpf_cost             the run that answers it
  faultline answer bpf_cost out         its table, 25 lines of 72 columns
exit: 0; 2 when nothing in DIR answers it"""
IDENTICAL_EPILOG = """exit: 0 all common cells are identical; 1 some differ; 2 nothing to compare

example:
  faultline identical out again"""

MERGE_EPILOG = """Writes what one run of all cells would have written, samples too, and prints its
hash. Rows that several shards have must be equal.

exit: 0; 1 what was measured again has other figures, and nothing is written;
2 not all shards of one run: one is missing, incomplete, or of another kernel,
build, QEMU or selection, or two have a row with different figures

examples:
  faultline run --kernel all --shard 1/2 --out one    # on one machine
  faultline run --kernel all --shard 2/2 --out two    # on another
  faultline merge one two --out whole
  faultline run --kernel all --shard 7/100 --out again
  faultline merge one two --audit again --out whole"""
HASH_EPILOG = """SHA-256 of all rows, and of that in the context which figures hang on: results
of one hash say the same. docs/result-format.md defines it for other programs.

exit: 0; 2 a result that cannot be read

example:
  faultline hash out"""


def _load(paths):
    import load
    result = load.load_all(paths)
    for note in result.notes:
        _say(f"note: {load.plain(note)}")
    return result


def _print_json(data):
    print(json.dumps(data, indent=1, allow_nan=False))


def _table(options):
    import table
    data = table.build(_load(options.results))
    if options.json:
        _print_json(data)
    else:
        sys.stdout.write(table.text(data, options.wide, options.journal))
    return PASS


def _report(options):
    import inputs
    import load
    import report_text
    if bool(options.before) != bool(options.after):
        raise load.ReportError("--before and --after go together: name two results")
    if options.kernels and not options.before:
        raise load.ReportError("--kernels is of --before and --after: name two results")
    paths = [*([options.after] if options.after else []), *options.results]
    if not paths:
        raise load.ReportError("no result given: name the folder that a run wrote")
    given = inputs.read(paths)
    for note in given.result.notes:
        _say(f"note: {load.plain(note)}")
    import claims
    verdicts = claims.judge(given.result)
    comparison = None
    if options.before:
        import baseline
        import compare_report
        comparison = compare_report.build(load.load(baseline.find(options.before)), given.result, verdicts,
                                          options.kernels)
    printed = options.mail or options.text or options.md or options.csv
    folder = options.out or (None if printed else _folder_of(paths[0]))
    written = []
    if folder is not None:
        import report
        written = report.write(given, folder, verdicts, comparison)
    if options.json:
        import table
        _print_json({"written": written, "claims": claims.public(verdicts), "comparison": comparison,
                     "table": table.build(given.result)})
        return PASS
    if options.text:
        if comparison:
            import compare_report
            print("\n".join(map(load.plain, compare_report.text(comparison, report_text.WIDTH))) + "\n")
        sys.stdout.write(report_text.text(given, verdicts))
    elif options.mail:
        import mail
        sys.stdout.write(mail.of_report(given, verdicts))
    elif options.md:
        sys.stdout.write(report_text.markdown(given, verdicts, comparison))
    elif options.csv:
        sys.stdout.write(report_text.csv_text(given))
    for path in written if not (options.mail or options.md or options.csv) else ():
        print(path)
    return PASS


def _folder_of(path):
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def _identical(options):
    import load
    import stats
    a, b = load.load(options.a), load.load(options.b)
    load.same_clock(a, b)
    environment = load.environment_difference(a.context, b.context)
    rows_a, rows_b = a.every, b.every
    found = stats.identical(rows_a, rows_b)
    usable = [n for n in found.compared if rows_a[n]["status"] == rows_b[n]["status"] == "ok"]
    if options.json:
        _print_json({"a": a.path, "b": b.path, "compared": len(found.compared), "identical": found.same,
                     "share": found.share, "differences": [vars(d) for d in found.differences],
                     "not_ok": found.not_ok, "only_a": found.only_a, "only_b": found.only_b,
                     "environment": environment})
    else:
        print(f"{found.same} of {len(found.compared)} rows have identical figures")
        for what in environment if found.differing else ():
            print(load.plain(f"the environments differ in {what}"))
        shown = [(d, 0) for d in found.differences] if options.all else stats.greatest(found.differences)
        for d, count in shown[:SHOWN]:
            print(load.plain(f"{d.name}: {d.field}: {json.dumps(d.a)} and {json.dumps(d.b)}"
                             + (f"; {count} more of its figures" if count else "")))
        if len(shown) > SHOWN:
            print(f"and {len(shown) - SHOWN} more (--json lists all)")
        for count, what in ((len(found.not_ok), "ok in neither"), (len(found.only_a), f"only in {a.path}"),
                            (len(found.only_b), f"only in {b.path}")):
            if count:
                print(load.plain(f"not compared: {count} row{'s are' if count > 1 else ' is'} {what}"))
        for what in () if found.differing else environment:
            print(load.plain(f"the environments differ in {what}"))
    if not usable:
        _say(load.plain(f"{a.path} and {b.path} have no row in common that is ok: nothing to compare"))
        return UNUSABLE
    return FAILED if found.differing else PASS


def _merge(options):
    import canonical
    import load
    import merge
    merged = merge.merge(options.shards, options.audit)
    audit = dataclasses.asdict(merged.audit) if merged.audit else None
    if merged.audit and merged.audit.differing:
        for one in merged.audit.differing:
            _say(load.plain(f"{one.cell} seed {one.seed} has different figures ({one.field}) in {one.shard} and in {one.audit}: "
                            "measure it a third time, to see which of the two machines is wrong"))
        if options.json:
            _print_json({"audit": audit})
        return FAILED
    written = merge.write(merged, options.out, options.shards, options.force)
    result = load.load(options.out)
    about = {"out": options.out, "written": written, "shards": merged.shards, "rows": len(merged.rows),
             "cells": len({row["cell"] for row in result.rows.values()}), "samples": merged.samples,
             "sha256": canonical.digest(result), "audit": audit}
    if options.json:
        _print_json(about)
    else:
        if audit:
            print(f"the same figures again: {counted(audit['cells'], 'cell')}")
        counts = ", ".join(counted(about[key], key[:-1]) for key in ("shards", "cells", "rows", "samples"))
        print(load.plain(f"{counts}: {options.out}"))
        print(about["sha256"])
    return PASS


def _answer(options):
    import shlex
    import load
    import questions
    if options.question is None:
        rows = [{"id": one.id, "asked": one.asked} for one in questions.QUESTIONS]
        if options.json:
            _print_json(rows)
        else:
            for row in rows:
                print(f"{row['id']:10} {row['asked']}")
        return PASS
    question = questions.of(options.question)
    if options.result is None:
        print(shlex.join(["faultline", "run", *question.run, "--out", question.id]))
        return PASS
    result = load.load(options.result)
    if options.json:
        _print_json(questions.build(question, result))
    else:
        print(questions.text(question, result), end="")
    return PASS


def _hash(options):
    import canonical
    import load
    result = load.load(options.result)
    found = canonical.digest(result)
    if options.json:
        _print_json({"path": result.path, "sha256": found, "rows": sum(map(len, result.samples.values()))})
    else:
        print(found)
    return PASS


def _span(given):
    import argparse
    low, _, high = given.partition("..")
    try:
        found = float(low), float(high or low)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{given}: a number, or LOW..HIGH") from error
    if not 0 < found[0] <= found[1] < 1e6:
        raise argparse.ArgumentTypeError(f"{given}: above 0, the least first")
    return found


def _media(options):
    import load
    import medium
    media = medium.choose(options.medium)
    result = _load(options.results)
    data = medium.build(result, media, medium.Cpu(options.cpi, options.ghz, options.mlp))
    if not data["cells"]:
        raise load.ReportError(f"{result.path}: no cell of it was observed: measure with `faultline run --observe vector`, in "
                               "virtual time")
    if options.json:
        _print_json(data)
    else:
        import table
        sys.stdout.write(medium.text(data, table.number))
    return PASS


def _check(options):
    import check
    from load import plain
    result = _load(options.results)
    verdicts = check.check(result)
    count = {kind: sum(v.verdict == kind for v in verdicts) for kind in (check.PASS, check.FAIL, check.NOT_MEASURED)}
    if options.json:
        _print_json({"path": result.path, "complete": result.context["complete"],
                     "counts": count, "rules": [{"id": v.rule.id, "text": v.rule.text, "source": v.rule.source,
                                                 "needs": v.rule.needs, "verdict": v.verdict,
                                                 "findings": [vars(f) for f in v.findings]} for v in verdicts]})
    else:
        for v in verdicts:
            print(f"{v.verdict}: {v.rule.id}")
            _print_wrapped(v.rule.text)
            _print_wrapped(f"because: {v.rule.source}")
            if v.verdict == check.NOT_MEASURED:
                _print_wrapped(f"needs: {v.rule.needs}")
            for finding in v.findings:
                _print_wrapped(f"{check.PASS if finding.ok else check.FAIL}: {plain(finding.text)}")
        print(", ".join(f"{number} {kind}" for kind, number in count.items()))
        if not result.context["complete"]:
            print(f"the run is INCOMPLETE: {plain(result.context['reason'])}")
    if count[check.FAIL]:
        return FAILED
    return PASS if count[check.PASS] else UNUSABLE


def _flamegraph(options):
    import flamegraph
    import load
    unit = options.unit
    profiles, touches = [], []
    for path in (options.stacks, options.diff):
        if path is None:
            continue
        text = _read_text(path)
        if options.perf_script:
            notes = []
            stacks, event = flamegraph.fold_perf_script(text, path, notes=notes)
            for note in notes:
                _say(f"note: {load.plain(note)}")
            unit = unit or event
            if options.faults:
                stacks = flamegraph.of_faults(stacks)
                if not stacks:
                    raise load.ReportError(f"{path}: no sample lies in a page fault: record more touches")
        else:
            stacks = flamegraph.parse_folded(text, path)
        touches.append((options.touches if path == options.stacks else None) or flamegraph.touches_of(text))
        profiles.append(stacks)
    names = [os.path.basename(path) for path in (options.stacks, options.diff) if path is not None]
    if options.folded:
        _write_text(options.folded, flamegraph.format_folded(profiles[0], options.touches))
    picture = flamegraph.svg(profiles[0], options.title or " against ".join(names), unit or "samples", *profiles[1:],
                             **({"names": names, "touches": touches if all(touches) else None} if options.diff else {}))
    _write_text(options.out, picture)
    if options.json:
        _print_json({"written": options.out, "unit": unit or "samples", "stacks": [len(p) for p in profiles],
                     "total": [sum(p.values()) for p in profiles]})
    else:
        print(options.out)
    return PASS


def _export(options):
    import export
    import load
    if options.to not in export.FORMATS:
        raise load.ReportError(f"--to: no format is called {options.to!r}; there is: {', '.join(export.FORMATS)}")
    result = load.load(options.result)
    text, tests = export.write(result, options.to, options.cell, options.origin or export.ORIGIN)
    if options.out == "-":
        sys.stdout.write(text)
    else:
        _write_text(options.out, text)
    counts = {status: sum(test.status == status for test in tests) for status in export.STATUSES.values()}
    if options.json:
        _print_json({"format": options.to, "out": options.out, "bytes": len(text.encode("utf-8")), "cells": len(tests),
                     "counts": counts})
    else:  # not on standard output, where the text itself may go
        said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        print(load.plain(f"{counted(len(tests), 'cell')}, {said}: {options.out}"), file=sys.stderr)
    return PASS


def _read_text(path):
    import load
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode("utf-8", "replace")
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise load.ReportError(f"{path}: cannot be read: {error.strerror}; name a file of stacks") from error


def _write_text(path, text):
    """The file whole or not at all; into what is no file, such as a pipe, as it comes."""
    import load
    beside = f"{path}.tmp"
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(beside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        if error.errno == errno.ENOSPC:
            raise
        raise load.ReportError(f"{path}: cannot be written: {error.strerror}; give another --out") from error


def _print_wrapped(line):
    print(textwrap.fill(line, 80, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))


def _open_standard_streams():
    """Where one is closed a file of ours would take its number, and what is printed would be written there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdin = sys.stdin or open(0, encoding="utf-8")
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")


def _exit_code(code):
    """The exit code under which the command that started this wants to hear FAILED: a Python that could not start ends
    in 1 as well."""
    return int(sys._xoptions.get("failed", FAILED)) if code == FAILED else code  # pylint: disable=protected-access


if __name__ == "__main__":
    _open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a locale without the letter must not end in a trace
    sys.exit(_exit_code(main()))
