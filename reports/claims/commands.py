# SPDX-License-Identifier: GPL-2.0-only
"""The command lines that measure cells."""

import shlex
from dataclasses import dataclass, replace

from .cost_rules import SWEEP
from .spec import ENOUGH_SAMPLES, NOBODY, STATES, STRATEGIES

PMEM = 2048  # MiB, for as many touches of 2 MiB as the greatest K


def spec_order(spec):
    """A sort key of Specs, so that cells asked for by two claims stand in one order."""
    return (spec.workload, spec.setting, spec.deadline, spec.order, spec.threads, spec.stores,
            STRATEGIES.index(spec.strategy) if spec.strategy in STRATEGIES else len(STRATEGIES), spec.k or 0,
            STATES.index(spec.state) if spec.state in STATES else len(STATES), spec.touch or "", spec.unrelated)


def cell_name(view, spec):
    """As the command names the cell."""
    values = {"fs": view.fs, "strategy": spec.asked, "workload": spec.workload, "state": spec.state, "order": spec.order,
              "threads": spec.threads, "dirty-inodes": spec.unrelated or None, "stores-per-page": spec.stores or None}
    if spec.touch:
        values |= {"touch": spec.touch, "attackers": spec.attackers, "setting": spec.setting, "fault-deadline": spec.deadline or None}
    return "/".join([view.kernel, *(f"{axis.get('letter', '')}{values[axis['id']]}" for axis in view.result.words.axes
                                    if values.get(axis["id"]) is not None)])


@dataclass(frozen=True)
class Group:
    """Cells that one command line measures. options: of `faultline run`, less --out and how many samples; members: [(kernel,
    fs, Spec)]."""

    options: tuple
    samples: tuple
    members: tuple

    @property
    def spec(self):
        """One of its cells."""
        return self.members[0][2]


def commands(context, wanted, out):
    """Command lines that measure the cells of [(kernel, fs, Spec)]."""
    found = groups(context, wanted)
    return [shlex.join(["faultline", "run", *group.options, *group.samples,
                        "--out", out + (f"-{index + 1}" if len(found) > 1 else "")]) for index, group in enumerate(found)]


def groups(context, wanted):
    """[Group] of the cells [(kernel, fs, Spec)], as few as name them all."""
    lists, members = {}, {}
    for kernel, fs, spec in wanted:
        same = {other for *place, other in wanted if place == [kernel, fs]}
        states = tuple(state for state in STATES if replace(spec, state=state) in same) or (spec.state,)
        what = (spec.workload, states, spec.order, spec.threads, spec.stores, spec.setting, spec.deadline,
                "" if spec.attackers else NOBODY)
        asks = lists.setdefault((kernel, fs), {}).setdefault(what, {})
        members.setdefault((kernel, fs, what), []).append((kernel, fs, spec))
        for option, value in (("--strategy", spec.asked), ("--touch", spec.touch if spec.attackers else None),
                              ("--dirty-inodes", spec.unrelated if spec.workload == "unrelated" else None)):
            if value is not None:
                asks.setdefault(option, []).append(str(value))
    alike = {}
    for (kernel, fs), groups in lists.items():
        for what, asks in groups.items():
            group = (what, tuple((option, tuple(dict.fromkeys(values))) for option, values in asks.items()))
            alike.setdefault((kernel, group), []).append(fs)
    merged = {}
    for (kernel, group), file_systems in alike.items():
        merged.setdefault((group, tuple(dict.fromkeys(file_systems))), []).append(kernel)
    found = []
    for ((what, asks), file_systems), kernels in merged.items():
        options = [*where(context, kernels, what[5]), "--fs", ",".join(file_systems), *_options(what, asks),
                   *_room(context, what[2])]
        found.append(Group(tuple(options), _samples(context, what[5]), tuple(
            place for kernel in kernels for fs in file_systems for place in members[kernel, fs, what])))
    return found


def _samples(context, setting):
    virtual = context["time_domain"] == "virtual" and setting != "concurrent"
    # What it stores to the medium, too: no figure changes, and seeds hardly move it. A contest is not observed.
    observed = ["--observe", "vector", "--observe-seeds", "1"] if virtual and not setting else []
    return "--seeds" if virtual else "--repetitions", str(ENOUGH_SAMPLES), *observed


def _options(what, asks):
    workload, states, order, threads, stores, setting, deadline, nobody = what
    words = ["--workload", workload, "--state", ",".join(states)]
    for option, value, default in (("--order", order, "pte"), ("--threads", threads, 1), ("--stores-per-page", stores, 0),
                                   ("--setting", setting, ""), ("--attackers", "0" if nobody else "", ""),
                                   ("--fault-deadline", deadline, 0)):
        if value != default:
            words += [option, str(value)]
    for option, values in asks:
        words += [option, ",".join(values)]
    # The loop times each store by itself, and probes would be in it.
    return [*words, "--probes", "off"] if workload == "background" else words


def _room(context, order):
    """With entries of 2 MiB as many touches as the greatest K takes more memory than there is by default."""
    if order != "pmd":
        return []
    return ["--touches", str(max(SWEEP)), *([] if context.get("on") == "host" else ["--pmem", str(PMEM)])]


def where(context, kernels, setting=""):
    """The options that say where cells are measured."""
    if context.get("on") == "host":
        given = context["command_line"]
        folder = given[given.index("--dir") + 1] if "--dir" in given[:-1] else "DIR"
        return ["--on", "host", "--dir", folder]
    accel = [] if context["accel"] == "tcg-icount" else ["--accel", context["accel"]]
    if setting == "concurrent" and not accel:
        accel = ["--accel", "tcg"]  # parties that run at once have no virtual time
    given = context["command_line"]
    modules = given[given.index("--modules") + 1:][:1] if "--modules" in given else []
    if modules and "--kernel" in given[:-1]:
        return ["--kernel", given[given.index("--kernel") + 1], "--modules", modules[0], *accel]
    return ["--kernel", ",".join(kernels), *accel]
