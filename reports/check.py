# SPDX-License-Identifier: GPL-2.0-only
"""Known answers: what any sound result must show, because the kernel's source leaves no other outcome.

A rule is one row of RULES; its function looks at the sections of a result and says what it saw. A result that breaks
a rule was measured wrongly, or the kernel no longer does what the source of the rule says.
"""

from dataclasses import dataclass, field

import cells
import stats
from number import counted, number

PASS, FAIL, NOT_MEASURED = "pass", "FAIL", "not measured"
MAX_LOOP_COST = 30  # instructions: a store, an address, a compare and a branch, with room for a checked loop
SAME_PERCENT = 1.0  # phase against the tick and layout move a cell by up to 0.1 %
ALONE_PERCENT = 5.0  # the same runs twice, each with a fresh file: other blocks, another place in the log
RETRY_TOUCHES = ("utimens",)  # a truncate unmaps the page as well, and so stalls mainline too
EXTENT_TOUCHES = ("utimens", "chmod", "xattr", "append", "pwrite", "others", "store")
SYNC_FACTOR = 2.0  # a journal commit is longer than the allocation it commits


@dataclass
class Finding:
    """What a rule saw at one place. ok: whether it holds; text: the place and the figures."""

    ok: bool
    text: str


@dataclass
class Verdict:
    """A rule's answer. verdict: pass, FAIL or `not measured`; needs: what would have to be measured."""

    rule: object
    verdict: str
    findings: list = field(default_factory=list)

    @property
    def failures(self):
        """The findings that break the rule."""
        return [finding for finding in self.findings if not finding.ok]


@dataclass(frozen=True)
class Rule:
    """id; text: what must hold; source: why it must; needs: the cells it looks at; function(result) -> [Finding];
    virtual_only: the limit is one of instruction counts and says nothing of wall time."""

    id: str
    text: str
    source: str
    needs: str
    function: object
    virtual_only: bool = False


def check(result):
    """Apply every rule to a Result; returns [Verdict] in the order of RULES."""
    verdicts = []
    for rule in RULES:
        wrong_clock = rule.virtual_only and result.context["time_domain"] != "virtual"
        findings = [] if wrong_clock else rule.function(result)
        failed = any(not finding.ok for finding in findings)
        verdicts.append(Verdict(rule, FAIL if failed else PASS if findings else NOT_MEASURED, findings))
    return verdicts


def _places(result, file_systems=None, workload=None, order=None):
    """(name of the place, its cells) for each section that matches."""
    for key, group in cells.sections(result).items():
        _, fs, its_workload, its_order, threads = key
        if ((file_systems is None or fs in file_systems) and workload in (None, its_workload)
                and order in (None, its_order)):
            yield ", ".join([*key[:4], counted(threads, "thread")]), group


def _twin(group, strategy, state, k=None):
    """The row without probes, if it is ok."""
    cell = cells.find(group, strategy, state, k)
    return cell.off if cell is not None and cells.is_ok(cell.off) else None


def _map_sync_written(result):
    found = []
    for place, group in _places(result, ("ext4", "xfs")):
        if any(cell.any["workload"] in ("copy_beside", "background") for cell in group):
            continue  # the time of another process is in it
        one, base = _twin(group, "map_sync", "written"), _twin(group, "volatile", "written")
        off = stats.percent(one["per_fault"], base["per_fault"]) if one and base else None
        if off is not None:
            found.append(Finding(abs(off) <= SAME_PERCENT,
                                 f"{place}: map_sync {number(one['per_fault'])}, volatile {number(base['per_fault'])} "
                                 f"{one['unit']} per fault ({off:+.2f} %)"))
    return found


def _map_sync_costs(state):
    def function(result):
        found = []
        for place, group in _places(result, ("ext4", "xfs"), order="pte"):
            one, base = _twin(group, "map_sync", state), _twin(group, "volatile", state)
            factor = stats.ratio(one["per_page"], base["per_page"]) if one and base else None
            if factor is not None:
                found.append(Finding(factor >= SYNC_FACTOR,
                                     f"{place}, {state}: map_sync {number(one['per_page'])}, volatile "
                                     f"{number(base['per_page'])} {one['unit']} per page ({factor:.2f} times)"))
        return found
    return function


def _fsync_falls(result):
    found = []
    for place, group in _places(result):
        for state in result.words.ids("state"):
            rows = [cell.off for cell in group if cells.is_ok(cell.off) and cell.off["strategy"] == "fsync"
                    and cell.off["state"] == state and isinstance(cell.off["writes_per_sync"], int)]
            if len(rows) < 2:
                continue
            costs = [row["per_page"] for row in rows]  # the cells come with K ascending
            curve = " > ".join(f"{number(row['per_page'])} (K={row['writes_per_sync']})" for row in rows)
            syncs = [row["app_syncs"] for row in rows]  # of 1024 writes K of 64 and of 65 have as many
            falls = all(a > b or n == m for a, b, n, m in zip(costs, costs[1:], syncs, syncs[1:]))
            found.append(Finding(falls, f"{place}, {state}: {curve if falls else curve.replace(' > ', ', ')} "
                                        f"{rows[0]['unit']} per page"))
    return found


def _paced_syncs(file_systems, holds):
    def function(result):
        found = []
        for place, group in _places(result, file_systems, workload="paced"):
            cell = cells.find(group, "map_sync", "written")
            if cell is None or not cells.is_ok(cell.on):
                continue
            row = cell.on
            found.append(Finding(holds(row), f"{place}: {row['syncs']} syncs in {row['faults']} faults, "
                                             f"{row['commits'] - row['fast_commits']} full commits"))
        return found
    return function


def _costs_more(dear, cheap, **where):
    """A volatile fault on a block of the state `dear` than on one of the state `cheap`."""
    words = {"hole": "a hole", "written": "a written block", "shared": "a shared block"}

    def function(result):
        found = []
        for place, group in _places(result, workload="first_touch", **where):
            one, other = _twin(group, "volatile", dear), _twin(group, "volatile", cheap)
            if one and other:
                found.append(Finding(one["per_fault"] > other["per_fault"],
                                     f"{place}: volatile {number(one['per_fault'])} on {words[dear]}, "
                                     f"{number(other['per_fault'])} {other['unit']} per fault on {words[cheap]}"))
        return found
    return function


def _no_journal_syncs(result):
    found = []
    for place, group in _places(result, ("ext4-nojournal",), workload="first_touch", order="pte"):
        for state, syncs in (("hole", True), ("written", False)):
            cell = cells.find(group, "map_sync", state)
            row = cell.on if cell is not None and cells.is_ok(cell.on) else None
            if row is not None and row["threads"] == 1 and row["faults"] > 0:
                found.append(Finding(row["syncs"] == (row["faults"] if syncs else 0),
                                     f"{place}, {state}: {row['syncs']} syncs in {row['faults']} faults"))
    return found


def _ext2_has_no_map_sync(result):
    rows = [row for row in result.every.values() if row["fs"] == "ext2" and row["status"] == "ok"]
    wrong = [row for row in rows if row["map_sync"]]
    if wrong:
        return [Finding(False, f"{row['name']}: mapped with MAP_SYNC") for row in wrong]
    return [Finding(True, f"none of {counted(len(rows), 'row')} is mapped with it")] if rows else []


def _faults_are_touches(result):
    rows = [row for row in result.every.values() if row["status"] == "ok" and row["strategy"] != "pwrite"
            and not cells.is_contest(row)]
    wrong = [row for row in rows if row["faults"] != row["touches"]]
    if wrong:
        return [Finding(False, f"{row['name']}: {row['faults']} faults for {row['touches']} touches") for row in wrong]
    return [Finding(True, f"all agree: {counted(len(rows), 'row')}, {counted(sum(row['faults'] for row in rows), 'fault')}")] if rows else []


def _loop_is_short(result):
    rows = [row for row in result.every.values() if row["status"] == "ok" and row["loop_cost"] is not None]
    wrong = [row for row in rows if row["loop_cost"] > MAX_LOOP_COST]
    if wrong:
        return [Finding(False, f"{row['name']}: {number(row['loop_cost'])} {row['unit']} per touch") for row in wrong]
    top = max((row["loop_cost"] for row in rows), default=None)
    return [Finding(True, f"at most {number(top)} {rows[0]['unit']} per touch in {counted(len(rows), 'row')}")] if rows else []


def _dos(result, strategy=None):
    """Rows of the victim's contests that are ok and in which someone touched, or nobody was to."""
    return [row for row in result.rows.values()
            if row["status"] == "ok" and cells.is_contest(row) and row["workload"] == "dos"
            and strategy in (None, row["strategy"]) and (row["attackers"] == 0 or row["attack_rate"] > 0)]


def _starved(row):
    return f"{row['starved']['n']} of {row['starved']['of']} runs starved"


def _retry_can_starve(result):
    rows = [row for row in _dos(result, "sync_retry") if row["fs"] == "xfs" and row["touch"] in RETRY_TOUCHES]
    starved = [row for row in rows if row["starved"]["n"] > 0]
    return [Finding(bool(starved), f"{row['name']}: {_starved(row)}") for row in starved or rows]


def _extent_makes_progress(result):
    rows = [row for row in _dos(result, "sync_retry_extent") if row["touch"] in EXTENT_TOUCHES]
    wrong = [row for row in rows if row["starved"]["n"] > 0]
    if wrong:
        return [Finding(False, f"{row['name']}: {_starved(row)}") for row in wrong]
    runs = sum(row["starved"]["of"] for row in rows)
    return [Finding(True, f"none of {counted(runs, 'run')} in {counted(len(rows), 'row')} starved")] if rows else []


def _nobody_alone_is_slowed(result):
    rows = [row for row in _dos(result) if row["attackers"] == 0]
    least, most = 1 - ALONE_PERCENT / 100, 1 + ALONE_PERCENT / 100
    wrong = [row for row in rows if row["starved"]["n"] > 0 or not least <= row["slowdown"] <= most]
    if wrong:
        return [Finding(False, f"{row['name']}: slowdown {row['slowdown']:.3f}, {_starved(row)}") for row in wrong]
    low, high = (f([row["slowdown"] for row in rows], default=None) for f in (min, max))
    return [Finding(True, f"slowdown {low:.3f} to {high:.3f} in {counted(len(rows), 'row')}")] if rows else []


DAX_SYNC = "fs/dax.c: a write fault syncs only with VM_SYNC and IOMAP_F_DIRTY"
RULES = (
    Rule("map-sync-written", f"MAP_SYNC on written blocks costs what volatile costs, within {SAME_PERCENT:g} %",
         f"{DAX_SYNC}; ext4 and xfs set that flag for a change of the block map, not for mtime",
         "map_sync and volatile, written, without probes, on ext4 or xfs (virtual)", _map_sync_written,
         virtual_only=True),
    Rule("map-sync-hole", f"MAP_SYNC on holes costs at least {SYNC_FACTOR:g} times volatile per page",
         f"{DAX_SYNC}, and a fault on a hole has just changed the block map",
         "map_sync and volatile, hole, pte, without probes", _map_sync_costs("hole")),
    Rule("map-sync-unwritten", f"MAP_SYNC on unwritten extents costs at least {SYNC_FACTOR:g} times volatile per page",
         f"{DAX_SYNC}, and a fault on an unwritten extent has just converted it",
         "map_sync and volatile, unwritten, pte, without probes", _map_sync_costs("unwritten")),
    Rule("fsync-falls", "fsync costs less per page the more writes it covers",
         "one journal commit is shared by K writes",
         "fsync at two K or more, same state, without probes", _fsync_falls),
    Rule("fast-commit-paced-syncs",
         "on ext4 with fast_commit each paced MAP_SYNC fault syncs, until a full commit",
         "fs/ext4/inode.c, ext4_inode_datasync_dirty: any entry in i_fc_list counts, mtime's too, until the "
         "transaction of the last change to the block map is committed in full (fast-commit area full, or the timer)",
         "map_sync, paced, written, with probes, on ext4-fc",
         _paced_syncs(("ext4-fc",), lambda row: row["faults"] > 0 and (
             row["syncs"] == row["faults"] or row["syncs"] > 0 and row["commits"] > row["fast_commits"]))),
    Rule("paced-no-syncs", "on ext4 and xfs no paced MAP_SYNC fault on a written block syncs",
         "mtime alone moves neither i_datasync_tid (ext4) nor what xfs looks at (ili_fsync_fields less the time stamp; "
         "from 6.18 on ili_datasync_seq)",
         "map_sync, paced, written, with probes, on ext4 or xfs",
         _paced_syncs(("ext4", "xfs"), lambda row: row["syncs"] == 0)),
    Rule("holes-cost-more", "a volatile fault on a hole costs more than one on a written block",
         "both run the fault of fs/dax.c, and one allocates in it; ext2_get_blocks zeroes the block too",
         "volatile, first_touch, hole and written, without probes", _costs_more("hole", "written")),
    Rule("shared-costs-more", "a volatile fault on a shared block costs more than one on a hole",
         "both allocate a block; of a shared one xfs_reflink_end_cow() then moves it into the file in a second transaction "
         "(fs/xfs/xfs_iomap.c, xfs_dax_write_iomap_end(); 6.0 on)",
         "volatile, first_touch, shared and hole, pte, without probes",
         _costs_more("shared", "hole", order="pte")),
    Rule("no-journal-syncs", "on ext4 without a journal each MAP_SYNC fault on a hole syncs, and none on a written block",
         "fs/ext4/inode.c, ext4_inode_datasync_dirty: without a journal I_DIRTY_DATASYNC counts, which dquot_alloc_block "
         "sets for each block (mark_inode_dirty) and each sync clears; mtime sets I_DIRTY_SYNC alone",
         "map_sync, first_touch, hole or written, pte, one thread, with probes, on ext4-nojournal", _no_journal_syncs),
    Rule("ext2-no-map-sync", "nothing on ext2 is mapped with MAP_SYNC",
         "fs/ext2/file.c: ext2_file_operations names no flag of mmap that is supported, so mmap refuses it",
         "any row on ext2", _ext2_has_no_map_sync),
    Rule("faults-are-touches", "every touch took exactly one fault",
         "each cell touches pages that are not mapped writable, each once",
         "any row of a mapping strategy (all but pwrite)", _faults_are_touches),
    Rule("loop-is-short", f"the loop itself costs at most {MAX_LOOP_COST} instructions per touch",
         "a store, an address, a compare and a branch",
         "any row with loop_cost (virtual)", _loop_is_short, virtual_only=True),
    Rule("retry-can-starve", "on xfs a fault that retries while the inode is dirty can be kept from ending",
         "fs/xfs/xfs_iomap.c, xfs_bmbt_to_iomap: IOMAP_F_DIRTY while the inode is pinned with any field to sync but "
         "time stamps of a write; xfs_setattr_nonsize and xfs_setattr_size log the core, which a touch repeats faster "
         "than the fault can sync and ask again",
         "dos, sync_retry, touch utimens, on xfs (virtual)", _retry_can_starve, virtual_only=True),
    Rule("extent-makes-progress",
         "a fault that retries only while its own extent is dirty ends, unless that extent is moved",
         "kmod/faultline_ioctl.h, FL_KMOD_SYNC_RETRY_EXTENT: once synced, the page's pfn is durable whatever else in "
         "the file is dirty, and none of these touches changes a block of the victim's",
         f"dos, sync_retry_extent, touch {', '.join(EXTENT_TOUCHES[:-1])} or {EXTENT_TOUCHES[-1]}",
         _extent_makes_progress),
    Rule("nobody-alone-is-slowed",
         f"a victim whom nobody attacks is as fast as its reference, within {ALONE_PERCENT:g} %",
         "both are the same run", "dos with 0 attackers (virtual)", _nobody_alone_is_slowed, virtual_only=True),
)
