# SPDX-License-Identifier: GPL-2.0-only
"""The claims and their cases: what was said, by whom, and each case on a row with the rule that decides it. docs/report.md
says why the rules are what they are."""

from dataclasses import dataclass, field, replace
from functools import partial

from . import contest_rules as contests
from . import cost_rules as costs
from .spec import STATES, Spec
from .view import PATTERNS

MAIL, REPLY = "Chinner, 19 June 2017", "the reply to it, June 2017"
NEXT_DAY, LATER = "Chinner, 20 June 2017", "Chinner, 22 June 2017"
ORDERS = {"pte": "4 KiB", "pmd": "2 MiB"}


@dataclass(frozen=True)
class Case:
    """name: what is judged apart, without a semicolon, which parts the names of a list; judge: function(View) -> Ruling;
    note: what the reader must know of it."""

    name: str
    judge: object
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """id; text: the words, at most 15 of them; source: whose, of what day; said: what was said, in our words; rule: how it is
    decided, in words; cases: those that must be measured; more: function(View) -> [Case], those that were measured besides;
    needs: names of cases without which there is no word for the claim as a whole; titles: what names of several cases begin with, and
    a comma or a colon behind it."""

    id: str
    text: str
    source: str
    said: str
    rule: str
    cases: tuple
    more: object = field(default=lambda view: [])
    needs: tuple = ()
    titles: tuple = ()


def _at(spec):
    """A cell's axes in words."""
    words = [spec.state, f"{spec.stores} store{'s' * (spec.stores != 1)} a page" if spec.stores else PATTERNS.get(spec.workload, spec.workload),
             ORDERS.get(spec.order, spec.order), f"{spec.threads} thread{'s' * (spec.threads != 1)}"]
    return ", ".join(words)


def _cases(judge, specs, title="", note=""):
    """note: text, or function(Spec) -> text."""
    return tuple(Case(title + _at(spec), partial(judge, at=spec), note(spec) if callable(note) else note) for spec in specs)


def _more(judge, workloads, states=STATES, known=(), strategy="map_sync", title="", note=""):
    """Cases of cells that were measured with the strategy in these workloads, and that no row of the table names."""
    def found(view):
        specs = {replace(spec, strategy="map_sync") for spec, _ in view.rows if spec.strategy == strategy and
                 spec.workload in workloads and spec.state in states}
        return list(_cases(judge, sorted(specs - set(known), key=_place), title, note))
    return found


def _place(spec):
    return STATES.index(spec.state) if spec.state in STATES else 9, spec.workload, spec.order, spec.threads, spec.stores


def _around(state, threads):
    """A state as it is measured by default, and with one axis moved: the pattern, the entry's size, the threads."""
    base = Spec("map_sync", state)
    return [base, replace(base, workload="random_touch"), replace(base, order="pmd"),
            *(replace(base, threads=count) for count in threads)]


C1_SPECS = [spec for state in ("hole", "unwritten") for spec in _around(state, ())]
C4_SPECS = [spec for state in STATES for spec in _around(state, (4,))] + [
    Spec("map_sync", "hole", "store_again", stores=count) for count in (1, 8, 64)]
C2_SPECS = {"tight loop": Spec("map_sync"), "many files": Spec("map_sync", workload="many_files"),
            "2 MiB": Spec("map_sync", order="pmd"), "4 threads": Spec("map_sync", threads=4)}
RULES = {"fsync's rule": "sync_fault", "fdatasync's rule": "sync_fault_data"}
PACES = {"one fault per tick": Spec("", workload="paced"), "tight loop on one file": Spec(""),
         "tight loop over many files": Spec("", workload="many_files")}
FILES = {"daxfile": "map frozen", "daxfile_nocmtime": "map frozen, mtime left alone"}

_MODEL = "Modelled: 0.5 to 2 cycles an instruction at 3 GHz, and the bandwidth of the cited media, written in whole blocks."
_NO_MTIME = "MAP_SYNC's rule leaves time stamps out, and mtime is then not durable: what was said does not arise"
_TOLD = "of the rule that was merged in November 2017, after these words"
PROPOSED, MERGED = ("as proposed: all dirty metadata", "sync_fault"), ("as merged: MAP_SYNC", "map_sync")
KERNELS = (PROPOSED[0], MERGED[0])
TAKEN, OWN = "its own block taken", "touch of its own extent"
TIGHT, PACED, PACED_BESIDE = "tight loop, second CPU", "paced attacker, one CPU", "paced attacker, second CPU"
STRICT, BOUNDED = "all dirty metadata, paced attacker, one CPU", "bounded: the second attempt syncs under the lock"
UNPREDICTABLE = "unpredictable, beside a steady load"


def _slower(strategy):
    return partial(costs.slower_than_fsync, strategy=strategy)


def _few_bytes(spec):
    return "8 bytes a touch, one touch an entry: an fsync writes back all of its lines." if spec.order == "pmd" else ""


def _states_rule(view):
    known = {(spec.workload, spec.order, spec.threads) for spec in C2_SPECS.values()}
    found = []
    for name, strategy in RULES.items():
        specs = {replace(spec, strategy="map_sync") for spec, _ in view.rows if spec.strategy == strategy and
                 spec.state == "written" and spec.workload in (*PATTERNS, "many_files") and
                 (spec.workload, spec.order, spec.threads) not in known}
        found += [Case(f"{name}, {_at(spec)}", partial(costs.every_fault, strategy=strategy, at=spec))
                  for spec in sorted(specs, key=_place)]
    return found


def _more_settings(view):
    """Bystanders in other settings than the one that is asked for."""
    there = sorted({(spec.setting, spec.touch) for spec, _ in view.rows if spec.workload == "bystander" and
                    spec.state == "hole" and spec.strategy == "map_sync"})
    return [Case(f"{touch}, {setting}", partial(contests.others_wait, touch=touch, setting=setting))
            for setting, touch in there if setting != "deterministic" or touch not in contests.BYSTANDER]


STARVED = {PACED: ("sync_retry", contests.ONE_CPU), TIGHT: ("sync_retry", contests.AT_ONCE),
           STRICT: ("sync_retry_strict", contests.ONE_CPU),
           BOUNDED: ("sync_retry_once", contests.ONE_CPU)}
# Touches that leave the victim's block where it is.
_ELSEWHERE = {"needed": dict.fromkeys(contests.ATTACKS, "written"), "but": tuple(contests.OWN_BLOCK)}
_ONCE = ("A limit: in 2017 a fault could be retried once (until 4064b982706, \"mm: allow VM_FAULT_RETRY for multiple times\"), "
         "and could not be denied service this way.")


def _starved(name, note="", deadline=0):
    strategy, settings = STARVED[name]
    return Case(name + (f", {deadline} ms" if deadline else ""),
                partial(contests.can_be_starved, strategy=strategy, settings=settings, deadline=deadline, **_ELSEWHERE), note)


def _deprived(touch):
    return Case(f"{TAKEN}: {touch}, paced, one CPU",
                partial(contests.can_be_starved, strategy="sync_retry", settings=contests.ONE_CPU,
                        needed={touch: contests.OWN_BLOCK[touch]}), "More than a touch of the file: the block itself is gone.")


def _own(touch):
    return Case(f"{OWN}: {touch}", partial(contests.extent_is_safe, touch=touch))


def _shared(case):
    """Cases of touches that not each file system has, where they were measured."""
    def found(view):
        there = {spec.touch for spec, _ in view.rows}
        return [case(touch) for touch in contests.SHARED if touch in there]
    return found


def _more_attacks(view):
    """Attacks with another deadline than the one that is asked for, and by touches that not each file system has."""
    return _shared(_deprived)(view) + [_starved(name, deadline=deadline) for name, (strategy, settings) in STARVED.items()
            for deadline in sorted({spec.deadline for spec, _ in view.rows if spec.deadline and spec.attackers and
                                    spec.strategy == strategy and spec.setting in settings})]


CLAIMS = (
    Claim("C1", "shitload of CPU that gets burnt to make sure that the metadata is synced correctly", MAIL,
          "A sync of metadata is a long path through the file system, however fast the medium is.",
          "Instructions of the sync alone (map_sync less volatile, where the fault must sync) added to those of a fault that has "
          "nothing to sync (map_sync on a written block), over that fault. Holds: at least 2 times. Does not: at most 1.1 times. "
          "The CPU rather than the medium: the time of "
          "the sync's instructions over that of the lines it writes, likewise, on all media of observe/media whose bandwidth "
          "is known; else it depends.",
          (*_cases(costs.sync_is_long, C1_SPECS), Case("the CPU rather than the medium", costs.cpu_or_medium, _MODEL)),
          _more(costs.sync_is_long, PATTERNS, ("hole", "unwritten"), C1_SPECS)),
    Claim("C2", "synchronously on *every* write page fault ... a serious performance problem", MAIL,
          "To sync all dirty metadata in each write fault makes a mapping slow.",
          "Cost of a page of a written block, where each fault syncs by that rule, over map_sync, which syncs there only what "
          "finding the data depends on. Holds: at least 2 times. Does not: at most 1.1 times. Faults at a slower pace "
          "decide nothing; their ratio stands beside the share of a CPU that it comes to.",
          tuple(Case(f"{rule}, {name}", partial(costs.every_fault, strategy=strategy, at=spec))
                for rule, strategy in RULES.items() for name, spec in C2_SPECS.items()), _states_rule, titles=tuple(RULES)),
    Claim("C3", "modify mtime, so will always have dirty metadata to sync", MAIL,
          "Since each write fault moves mtime, a sync in a fault never finds nothing to do.",
          "Share of the faults on written blocks whose sync asked the journal for a commit. Holds: at least 90 %. Does not: at "
          "most 10 %.",
          tuple(Case(f"{title}, {name}", partial(costs.always_dirty, strategy=strategy, at=spec), note)
                for title, strategy, note in ((*PROPOSED, ""), (*MERGED, f"{_NO_MTIME}; {_TOLD}."))
                for name, spec in PACES.items()), titles=KERNELS),
    Claim("C4", "substantially slower than the existing \"dirty page\" tracking ... fsync() when necessary", MAIL,
          "A kernel that syncs in the fault costs an application more than one that tracks dirty pages for its fsync.",
          "Cost of a durable page, of each kernel that syncs in the fault (as proposed, as merged) over fsync every K writes. "
          "Holds: at least 2 times for each K of 8, 64, 512. Does not: at most 1.1 times for each of these and K = 1. Where a "
          "page is stored to several times: K of 8 and 64. Any other K that was measured counts likewise, and none that is "
          "above the number of touches. The K at which it turns is on a straight line in 1/K.",
          tuple(case for title, strategy in (PROPOSED, MERGED)
                for case in _cases(_slower(strategy), C4_SPECS, f"{title}, ", _few_bytes)),
          lambda view: [case for title, strategy in (PROPOSED, MERGED) for case in _more(
              _slower(strategy), (*PATTERNS, "store_again"), STATES, C4_SPECS, strategy, f"{title}, ", _few_bytes)(view)], titles=KERNELS),
    Claim("C5", "there is never any extra overhead at page fault time", LATER,
          "With a block map that cannot change, a fault has no metadata to care for.",
          "By file: at most 10 % of its faults sync, one per tick (of an unwritten block: in a tight loop), and in a tight loop "
          "its page costs at most 1.1 times volatile's in that state, on written blocks map_sync_wrapped's where that was "
          "measured; that mtime moves is no part of the words. Beside another's commits: its longest fault at most 1.1 "
          "times the longest of volatile alone. Does not hold: 90 % sync, or 2 times, and beside another's commits volatile's "
          "longest at most 1.1 times.",
          (*(Case(f"{name} ({what})", partial(costs.no_overhead, strategy=name)) for name, what in FILES.items()),
           *(Case(f"{name}, behind another's commits", partial(costs.behind_commit, strategy=name)) for name in FILES),
           Case("unwritten extents allowed", partial(costs.no_overhead, strategy="daxfile", state="unwritten"),
                "As the words' author wanted them. The module takes such files: a fault converts its block, and syncs as under "
                "MAP_SYNC.")),
          needs=tuple(f"{name}, behind another's commits" for name in FILES)),
    Claim("C6", "all the problems with running sync operations in page fault context", MAIL,
          "A sync in a fault troubles more than its own thread. Here alone: other threads wait while it syncs.",
          "Another thread's slowdown beside map_sync faults on holes over that beside volatile faults, each of the median "
          "run; a case a touch. Holds: at least 2 times. Does not: at most 1.1 times. Lock order, reclaim and recursion are "
          "not looked at.",
          tuple(Case(touch, partial(contests.others_wait, touch=touch, setting="deterministic"))
                for touch in contests.BYSTANDER), _more_settings),
    Claim("C7", "trivial to DOS ... simply by touching the file in a tight loop", MAIL,
          "Another process can keep a fault that retries from ever ending, with no more than touches of the file.",
          "A fault that retries, under touches that leave its block alone. Holds: under some touch a fault was retried 10 times "
          "or more and not done at its deadline, where none of map_sync's was late. Does not: under each of utimens, append, "
          "truncate and fallocate none was late, and none was retried more than 3 times. With nobody beside: 10 retries of one "
          "fault, or at most 3.",
          (_starved(PACED, f"The attacker's timer keeps step with the sync: not the tight loop of the words. {_ONCE}"),
           Case(PACED_BESIDE, partial(contests.by_turns, strategy="sync_retry", **_ELSEWHERE),
                "By timer, in the emulator's turns between two CPUs: not the tight loop of the words either."),
           _starved(TIGHT, f"In wall time; with `--accel tcg` both CPUs are emulated. {_ONCE}"),
           _deprived("punch_same"),
           _starved(STRICT, "Syncs while any metadata is dirty, as the reply's pseudo code says."),
           Case("all dirty metadata, nobody touches", contests.denied_by_nobody,
                "A limit: a sync shorter than a tick. Its own mtime moves once a tick, so that it makes itself retry where a "
                "sync outlasts one."),
           _starved(BOUNDED)),
          _more_attacks, (TIGHT,), (TAKEN,)),
    Claim("C8", "only cause a retry when the extent being touched is dirty, this problem wouldn't exist", REPLY,
          "A fault that syncs and retries only for the extent that it touches cannot be stopped by touches of the file.",
          "sync_retry_extent under the touches that make sync_retry retry one fault 10 times. Holds: no fault was retried more "
          "than 3 times, none was late at its deadline. Does not: 10 retries, or late, where map_sync was not late. Under a "
          "touch of the victim's own extent it holds only where something shows that the rule saw that touch.",
          (*map(_own, contests.OWN_EXTENT),
           Case("touches elsewhere in the file", contests.elsewhere_is_safe,
                "Holds by construction: the module's rule passes over all but the page itself.")),
          _shared(_own), tuple(f"{OWN}: {touch}" for touch in contests.OWN_EXTENT), (OWN,)),
    Claim("C9", "huge, unpredictable page fault latencies ... every so often", NEXT_DAY,
          "Now and then a fault under MAP_SYNC must sync tens of thousands of objects that are none of its own.",
          "Pays: a page of map_sync on holes with 10 000 dirty inodes of others or more at least 10 times one with none, and one "
          "of prealloc at most 2 times; does not: map_sync's at most 2 times. More than fsync: at least 2 times fsync:1 "
          "beside the same dirt; does not: at most 1.1. Unpredictable: of 10 000 durable stores or more the one in 1000 takes at "
          "least 10 times the median, and prealloc's at most 2 times; does not: map_sync's at most 2 times. Longer than an "
          "fsync's: what one in 1000 outlasts is at least 2 times fsync:1's; does not: at most 1.1.",
          (Case("pays for the dirt of others", costs.pays_for_others,
                "Dirtied are the time stamps of inodes alone, before each page: how many is the input. The journal is the one that "
                "mkfs makes on 512 MiB (ext4: 16 MiB), where no larger device was asked for."),
           Case("pays more than an fsync would", costs.pays_more_than_fsync),
           Case(UNPREDICTABLE, costs.unpredictable,
                "The load is a process that creates, fills and removes a file of 64 KiB each 10 ms. On one CPU its turns are in "
                "every tail: prealloc, whose faults wait for no sync, says how much that is."),
           Case("a longer tail than an fsync's, beside a steady load", costs.outlasts_fsync)), needs=(UNPREDICTABLE,)),
)
