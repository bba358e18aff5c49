# SPDX-License-Identifier: GPL-2.0-only
"""The verbs that compare results, keep them and follow them over kernels. What they need is imported when they run:
`--help` needs none of it."""

import json
import os
import sys

import options

PASS, UNUSABLE = 0, 2


def add(verbs):
    """Add the verbs to argparse's subparsers."""
    sub = options.add_verb(verbs, "compare", _compare, epilog=COMPARE_EPILOG)
    sub.add_argument("a", metavar="A", help="folder or file of a result, or name of a baseline")
    sub.add_argument("b", metavar="B", help="the other")
    _add_selection(sub)
    sub.add_argument("--changed", action="store_true", help="leave out what is identical or the same")
    sub.add_argument("--all", action="store_true", help="all figures of a cell: also those that say what its first one says")
    form = sub.add_mutually_exclusive_group()
    options.add_json(form)
    form.add_argument("--mail", action="store_true", help="print 25 lines of 72 columns at most, to paste into a mail")
    form.add_argument("--ktap", action="store_true", help="print as KTAP")
    form.add_argument("--benchmark-json", metavar="DIR", help="write DIR/a.json and DIR/b.json for Google Benchmark's "
                      "compare.py")

    sub = options.add_verb(verbs, "gate", _gate, epilog=GATE_EPILOG)
    sub.add_argument("result", metavar="RESULT", help="folder or file of a result")
    sub.add_argument("--baseline", metavar="FILE|NAME", required=True, help="what to compare with")
    _add_selection(sub)
    sub.add_argument("--across-environments", action="store_true", help="compare although QEMU or the like differ")
    sub.add_argument("--subset", action="store_true", help="the result may lack cells of the baseline, which is refused "
                     "otherwise")
    sub.add_argument("--single", metavar="PERCENT", type=_percent, help="with too few seeds or repetitions for an "
                     "interval: growth by more is a regression, all else is none (default: a difference above the floor "
                     "is refused)")
    options.add_json(sub)

    sub = options.add_verb(verbs, "explain", _explain, epilog=EXPLAIN_EPILOG)
    sub.add_argument("a", metavar="A", help="folder or file of a result, or name of a baseline")
    sub.add_argument("b", metavar="B", help="the other")
    sub.add_argument("--perf", metavar="DIR", nargs=2, help="folders of `faultline perf` of both: the functions too")
    _add_selection(sub)
    options.add_json(sub)

    sub = options.add_verb(verbs, "baseline", None, epilog="example:\n  faultline baseline save v6.12 out")
    parts = sub.add_subparsers(metavar="save|list|show|rm", required=True)
    part = options.add_verb(parts, "save", _baseline_save, "Keep a result under a name, or at a path")
    part.add_argument("name", metavar="NAME|PATH", help="a name, kept in faultline's cache, or a path with a slash")
    part.add_argument("result", metavar="RESULT", help="folder or file of a result")
    part.add_argument("--replace", action="store_true", help="take the place of one that is there")
    options.add_json(options.add_verb(parts, "list", _baseline_list, "List the baselines"))
    part = options.add_verb(parts, "show", _baseline_show, "Say what a baseline is")
    part.add_argument("name", metavar="NAME|PATH", help="as it was saved")
    options.add_json(part)
    part = options.add_verb(parts, "rm", _baseline_rm, "Remove baselines that are kept under a name", RM_EXIT)
    part.add_argument("names", metavar="NAME", nargs="+", help="as `list` says")
    options.add_json(part)

    sub = options.add_verb(verbs, "history", None, epilog=HISTORY_EPILOG)
    parts = sub.add_subparsers(metavar="add|list|show|export|page|rm", required=True)
    part = options.add_verb(parts, "add", _history_add, "Add results")
    part.add_argument("results", metavar="RESULT", nargs="+", help="folder or file of a result")
    part.add_argument("--label", default="", help="what was measured, such as the commit under test (default: "
                      "faultline's own commit)")
    _add_file(part)
    part = options.add_verb(parts, "list", _history_list, "List the results in it")
    _add_file(part)
    options.add_json(part)
    part = options.add_verb(parts, "show", _history_show, "Show the figures of one result")
    part.add_argument("id", metavar="ID", type=int, help="its number, as `list` says")
    _add_file(part)
    options.add_json(part)
    part = options.add_verb(parts, "export", _history_export, "Write a CSV file for tools that look for change points")
    part.add_argument("out", metavar="CSV", help="file to write; - is standard output")
    part.add_argument("--wall", action="store_true", help="the results of wall time, not those of virtual")
    _add_cells(part)
    _add_file(part)
    part = options.add_verb(parts, "page", _history_page, "Write one HTML page: each series over all results, changes marked",
                            epilog="example:\n  faultline history page --out history.html")
    part.add_argument("--out", metavar="FILE", required=True, help="HTML file to write")
    part.add_argument("--last", metavar="N", type=_count, default=10, help="results whose regressions stand on top (default: 10)")
    part.add_argument("--wall", action="store_true", help="the results of wall time, not those of virtual")
    _add_cells(part, "per_page")
    _add_floor(part, "the metric's own, that of one build where all results are of one")
    _add_file(part)
    options.add_json(part)
    part = options.add_verb(parts, "rm", _history_rm, "Remove results, with their figures", RM_EXIT)
    part.add_argument("ids", metavar="ID", type=int, nargs="*", help="their numbers, as `list` says")
    part.add_argument("--label", metavar="LABEL", help="all results of a label, or of a commit of faultline, as `list` says")
    _add_file(part)
    options.add_json(part)

    sub = options.add_verb(verbs, "trend", _trend, epilog="example:\n  faultline trend kernels --out kernels")
    sub.add_argument("results", metavar="RESULT", nargs="*", help="folder or file of a result")
    sub.add_argument("--history", metavar="FILE", nargs="?", const="", help="the results of a history, in place of RESULT "
                     "(without FILE: history.sqlite in faultline's cache)")
    sub.add_argument("--wall", action="store_true", help="of a history: the results of wall time")
    sub.add_argument("--out", metavar="DIR", help="folder to write figures to, as PNG")
    _add_cells(sub, "per_page")
    _add_floor(sub, "1 %%, or the metric's own where that is more; that of one build between kernels of one")
    options.add_json(sub)


COMPARE_EPILOG = """A and B are folders of results, or names of baselines. The gate is what judges.

exit: 0 compared; 2 nothing to compare

examples:
  faultline compare before after --changed
  faultline compare kernels kernels --kernels bookworm=7.3"""
GATE_EPILOG = """exit: 0 no regression; 1 regression; 2 incomplete or not comparable

example:
  faultline gate --baseline v6.12 out"""
EXPLAIN_EPILOG = """Measure both with `faultline run ... --observe profile` for functions, to the
instruction; with `--probes off,phases` for phases.

exit: 0 explained, or nothing changed; 2 nothing was measured that explains it

example:
  faultline explain before after --cell '*/map_sync/*'"""
RM_EXIT = "exit: 0 removed, which are printed; 2 one is not there: none is removed"
HISTORY_EPILOG = """examples:
  faultline history add out --label "$(git rev-parse HEAD)"
  faultline history page --out history.html
  faultline history export series.csv"""


def _add_selection(parser):
    import metrics
    floors = ", ".join(f"{metric.id} {metric.floor['virtual']:g}/{metric.floor['wall']:g}" for metric in metrics.METRICS)
    alike = {}
    for metric in metrics.METRICS:
        if metric.one_build is not None:
            alike.setdefault(metric.one_build, []).append(metric.id)
    floors += "".join(f"; of {', '.join(ids)} in virtual time {least:g} where both sides are of one build" for least, ids in alike.items())
    _add_cells(parser)
    _add_floor(parser, f"in virtual/wall time {floors}")
    add_kernels(parser, "A", "B")


def add_kernels(parser, one, other):
    """The option that pairs two kernels, one of each side."""
    parser.add_argument("--kernels", metavar="OLD=NEW", type=_pair, help=f"compare the cells of one kernel in {one} "
                        f"with those of another in {other} (where each has one kernel alone these two are compared)")


def _add_cells(parser, default=None):
    import metrics
    default = default or ",".join(metric.id for metric in metrics.METRICS if metric.default)
    parser.add_argument("--metric", action="append", metavar="NAME,...", type=lambda text: text.split(","),
                        help=f"which figures, of {', '.join(metrics.IDS)}; `all` for all of them (default: {default})")
    parser.add_argument("--cell", metavar="PATTERN", help="only cells whose name matches, as a shell would (default: all)")


def _add_floor(parser, default):
    parser.add_argument("--floor", action="append", metavar="[METRIC=]PERCENT", type=_floor,
                        help=f"a smaller difference does not count (default: {default})")


def _add_file(parser):
    parser.add_argument("--file", metavar="FILE", help="the history (default: history.sqlite in faultline's cache)")


def _percent(text):
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


def _count(text):
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _floor(text):
    name, equals, value = text.rpartition("=")
    return (name if equals else None), _percent(value)


def _pair(text):
    old, _, new = text.partition("=")
    if not old or not new:
        raise ValueError(text)
    return old, new


_percent.__name__, _count.__name__, _floor.__name__, _pair.__name__ = "percent", "count", "floor", "OLD=NEW"  # in argparse's complaints


def _metrics(options):
    import metrics
    names = [name for part in options.metric or () for name in part]
    return list(metrics.IDS) if names == ["all"] else names


def _floors(options):
    import metrics
    from load import ReportError
    floors = dict(options.floor or ())
    for name in floors:
        if name is not None and name not in metrics.IDS:
            raise ReportError(f"--floor: no metric {name!r}; there are {', '.join(metrics.IDS)}")
    return floors


def _say(line):
    print(f"faultline: {line}", file=sys.stderr)


def _print_json(data):
    print(json.dumps(data, indent=1, allow_nan=False))


def _compared(options, first, second):
    """Two Results and their comparison, as options choose."""
    import baseline
    import compare
    import load
    a, b = load.load(baseline.find(first)), load.load(baseline.find(second))
    return a, b, compare.compare(a, b, _metrics(options), _floors(options), options.kernels, options.cell)


def _chosen(options):
    """The words that chose what is compared."""
    words = [] if options.kernels is None else ["--kernels", "=".join(options.kernels)]
    words += [] if options.cell is None else ["--cell", options.cell]
    for names in options.metric or ():
        words += ["--metric", ",".join(names)]
    for name, value in options.floor or ():
        words += ["--floor", f"{value:g}" if name is None else f"{name}={value:g}"]
    return words


def _nothing(data):
    """Says that nothing was compared, if so; the exit code."""
    from load import plain
    if data["rows"]:
        return PASS
    _say(plain(f"{data['a']} and {data['b']} have no figure in common: nothing to compare"
               + (f"; {data['hint']}" if data["hint"] else "")))
    return UNUSABLE


def _compare(options):
    a, b, data = _compared(options, options.a, options.b)
    import compare_text
    if options.json:
        _print_json(data)
    elif options.ktap:
        sys.stdout.write(compare_text.ktap(data))
    elif options.benchmark_json:
        import explain
        return _write_google(options.benchmark_json, *explain.sides(a, b, data))
    elif options.mail:
        import mail
        sys.stdout.write(mail.of_comparison(a, b, data, _chosen(options)))
    else:
        sys.stdout.write(compare_text.text(data, options.changed, options.all))
    return _nothing(data)


def _write_google(folder, a, b):
    import compare_text
    import files
    written = {f"{side}.json": json.dumps(compare_text.google_benchmark(result), indent=1).encode("utf-8")
               for side, result in (("a", a), ("b", b))}
    for path in files.write_files(folder, written):
        print(path)
    return PASS


def _gate(options):
    baseline, result, data = _compared(options, options.baseline, options.result)
    import gate
    from load import plain
    verdict = gate.gate(baseline, result, data, options.across_environments, options.subset, options.single)
    if options.json:
        _print_json({**verdict, "comparison": data})
    else:
        for line in gate.text(verdict):
            print(plain(line))
    return verdict["exit"]


def _explain(options):
    a, b, data = _compared(options, options.a, options.b)
    import explain
    found = explain.explain(a, b, data, options.cell, options.perf)
    if options.json:
        _print_json({"a": data["a"], "b": data["b"], "unit": data["unit"], "cells": found})
    else:
        sys.stdout.write(explain.text(found, data))
    missing = [entry for entry in found if entry["missing"] and not entry.get("functions")]
    return _nothing(data) or (UNUSABLE if missing and len(missing) == len(found) else PASS)


def _baseline_save(options):
    import baseline
    print(baseline.save(options.name, options.result, options.replace))
    return PASS


def _baseline_list(options):
    import baseline
    entries = [{"name": name, "path": os.path.join(baseline.folder(), name)} for name in baseline.names()]
    if options.json:
        _print_json(entries)
        return PASS
    for entry in entries:
        print(f"{entry['name']:<24} {entry['path']}")
    if not entries:
        print(f"no baselines in {baseline.folder()}")
    return PASS


def _baseline_show(options):
    import baseline
    from table import wrap
    about = baseline.about(baseline.find(options.name))
    if options.json:
        _print_json(about)
        return PASS
    for key, value in about.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {text}" for name, text in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        for line in wrap(f"{key.replace('_', ' ')}: {value}"):
            print(line)
    return PASS


def _baseline_rm(options):
    import baseline
    removed = baseline.remove(options.names)
    if options.json:
        _print_json({"removed": removed})
        return PASS
    for path in removed:
        print(f"removed: {path}")
    return PASS


def _history_file(options):
    import history
    return options.file or history.default_path()


def _history_add(options):
    import history
    import load
    from load import plain
    path = _history_file(options)
    for result in [load.load(path) for path in options.results]:  # one that cannot be read adds none
        number, new = history.add(path, result, options.label)
        print(plain(f"{result.path}: {'added as' if new else 'is there already as'} result {number}"))
    return PASS


def _print_entries(entries):
    from load import plain
    from number import counted
    for entry in entries:
        kernels = ", ".join(release if name == release else f"{name} ({release})" for name, release in entry["kernels"].items())
        print(plain(f"{entry['id']:>4} {entry['date'][:19]} {entry['accel']:<10} {counted(entry['cells'], 'cell'):>10}  "
                    f"{entry['label'] or entry['git_revision']}"
                    f"{'' if entry['complete'] else '  INCOMPLETE'}"))
        print(plain(f"     {kernels}"))


def _history_list(options):
    import history
    entries = history.results(_history_file(options))
    if options.json:
        _print_json(entries)
        return PASS
    _print_entries(entries)
    return PASS


def _history_rm(options):
    import history
    from load import ReportError
    if bool(options.ids) == (options.label is not None):
        raise ReportError("history rm: name either the numbers of results or --label, and not both; `faultline history "
                          "list` shows both")
    removed = history.remove(_history_file(options), options.ids, options.label)
    if options.json:
        _print_json({"removed": removed})
        return PASS
    print("removed:")
    _print_entries(removed)
    return PASS


def _history_show(options):
    import history
    from table import number, wrap
    entry = history.one(_history_file(options), options.id)
    if options.json:
        _print_json(entry)
        return PASS
    lines = wrap(f"result {entry['id']} of {entry['date']}, {entry['label'] or entry['git_revision']}, "
                 f"{entry['accel']}; {entry['unit']}, medians")
    for one in entry["series"]:
        lines += wrap(f"{one['cell']} {one['metric']} {number(one['median'])} ({one['samples']})")
    for bad in entry["not_measured"]:
        lines += wrap(f"{bad['cell']}: {bad['status']}: {bad['reason']}")
    print("\n".join(lines))
    return PASS


def _history_export(options):
    import history
    from load import plain
    from number import counted
    text, left_out = history.export(_history_file(options), _metrics(options), options.cell,
                                    "wall" if options.wall else "virtual")
    if options.out == "-":
        sys.stdout.write(text)
    else:
        import files
        folder, name = os.path.split(options.out)
        files.write_files(folder or ".", {name: text.encode("utf-8", "backslashreplace")})
        print(f"{counted(text.count(chr(10)) - 1, 'result')}: {options.out}")
    if left_out:
        _say(plain(f"left out, since not every result has them: {len(left_out)} series, the first is {left_out[0]}; "
                   "--cell narrows down what is asked for"))
    return PASS


def _history_page(options):
    import files
    import history
    import history_page
    import metrics
    from number import counted
    data = history_page.build(history.samples(_history_file(options)), metrics.choose(_metrics(options) or ["per_page"]),
                              "wall" if options.wall else "virtual", options.cell, _floors(options), options.last)
    folder, name = os.path.split(options.out)
    files.write_files(folder or ".", {name: history_page.page(data).encode("utf-8")}, "choose another --out")
    if options.json:
        _print_json({**data, "written": options.out})
    else:
        changed = sum(bool(one["changes"]) for one in data["series"])
        print(f"{len(data['series'])} series of {counted(len(data['results']), 'result')}, {changed} with changes, "
              f"{counted(len(data['regressions']), 'regression')} in the last {data['last']}: {options.out}")
    return PASS


def _trend(options):
    import load
    import metrics
    import trend
    from load import ReportError
    chosen = metrics.choose(_metrics(options) or ["per_page"])
    if bool(options.results) == (options.history is not None):
        raise ReportError("name either results or --history, and not both")
    if options.results:
        points = trend.points_of_results([load.load(path) for path in options.results], chosen, options.cell)
    else:
        import history
        points = trend.points_of_history(history.samples(options.history or history.default_path()), chosen,
                                         "wall" if options.wall else "virtual", options.cell)
    data = trend.build(points, chosen, _floors(options))
    written = []
    if options.out:
        import files
        from figures.trend import trend_figures
        written = files.write_files(options.out, {f"{figure.slug}.png": figure.png
                                                   for figure in trend_figures(data)})
    if options.json:
        _print_json({**data, "written": written})
        return PASS
    sys.stdout.write(trend.text(data))
    for path in written:
        print(path)
    return PASS
