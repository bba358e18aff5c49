# SPDX-License-Identifier: GPL-2.0-only
"""Synthetic results for the tests: shaped like real ones (orders of magnitude from trials), measured by nobody."""

import copy
import json
import os

import pytest

import load
from testing import browser

NEEDS_BROWSER = pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A headless Chromium, as testing.browser drives it."""
    with browser.Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


VARIANTS = (("volatile", None), ("fsync", 1), ("fsync", 8), ("fsync", 64), ("fsync", 512), ("fsync", "all"),
            ("msync", 1), ("msync", 8), ("msync", 64), ("msync", 512), ("map_sync", None), ("prealloc", None),
            ("pwrite", 1), ("pwrite", 64))
FILE_SYSTEMS = ("ext4", "ext4-fc", "xfs")
STATES = ("hole", "unwritten", "written")
TOUCH = {"ext4": (17882, 12145, 5150), "ext4-fc": (17890, 12150, 5152), "xfs": (33631, 20400, 4609)}
SYNC_FAULT = {"ext4": (51528, 39785, 11), "ext4-fc": (22310, 19870, 11), "xfs": (50730, 45946, 1)}
FSYNC, PER_DIRTY_PAGE, FLUSH, PROBES = 61200, 1730, 69, 497
TOUCHES = 2048
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "result.schema.json"), encoding="utf-8") as file:
    ROW_SCHEMA = json.load(file)["definitions"]["row"]


# The tables of a result that the command wrote; vocabulary_test.py holds them to those that it has.
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "testdata", "tables.json"), encoding="utf-8") as file:
    TABLES = json.load(file)


def make_context(**changes):
    """A context as of one virtual run of one kernel; keyword arguments replace fields."""
    context = {
        "schema_version": 1, "date": "2020-01-01T00:00:02+00:00", "executable": "faultline-guest", "num_cpus": 1,
        "mhz_per_cpu": 1000, "cpu_scaling_enabled": False, "library_build_type": "release",
        "faultline": {"version": "0.1", "git_revision": "0123456789abcdef"},
        "command_line": ["faultline", "run", "--kernel", "6.1", "--out", "out/first results"], "complete": True,
        "host": {"cpu_model": "Synthetic CPU", "kernel": "6.1.0", "memory_bytes": 8 << 30},
        "accel": "tcg-icount", "time_domain": "virtual", "unit": "instr",
        "qemu": {"version": "7.2.0", "binary_sha256": "a" * 64,
                 "arguments": {"6.1": ["-machine", "q35", "-accel", "tcg,thread=single", "-icount",
                                       "shift=0,sleep=off", "-append", "console=ttyS0 nokaslr memmap=512M!1G"]}},
        "kernels": {"6.1": {"release": "6.1.0-synthetic", "version": "#1 SMP", "package": "linux-image-synthetic",
                            "vmlinuz_sha256": "b" * 64, "config_sha256": "c" * 64, "btf_crc32": "d" * 8,
                            "image_sha256": "e" * 64, "command_line": "console=ttyS0 nokaslr", "cpu_model": "TCG"}},
        "file_systems": {fs: {"mkfs": f"mkfs.{fs} /dev/pmem0", "mount": "mount -o dax=always /dev/pmem0 /mnt",
                              "tool_version": "1.0"} for fs in FILE_SYSTEMS},
        "tables": copy.deepcopy(TABLES), "elapsed_s": 41.5,
    }
    context.update(changes)
    return context


def other_build(**changes):
    """What a context has of kernels where faultline was built anew: another image. Keyword arguments replace fields of them."""
    about = make_context()["kernels"]["6.1"]
    return {"kernels": {"6.1": {**about, "image_sha256": "f" * 64, **changes}}}


def make_histogram(mean, count):
    """Log-linear buckets of `count` faults around `mean`, most of them at it, a few far above."""
    step = max(1, int(mean) // 16)
    low = int(mean) // step * step
    tail = max(1, count // 400)
    body = [[low - step, low, count // 5], [low, low + step, count - count // 5 - 2 * tail],
            [low + 2 * step, low + 3 * step, tail], [low * 6, low * 6 + step * 4, tail]]
    return [bucket for bucket in body if bucket[2] > 0]


def make_probe(mean, count, target):
    """One entry of `probe`."""
    h = make_histogram(mean, count) if count else []
    top = [int(mean * factor) if count else 0 for factor in (1, 1, 1.15, 6.1, 6.2)]
    return {"count": count, "sum": int(mean * count), "mean": mean if count else None,
            **dict(zip(("p50", "p90", "p99", "p99_9", "max"), top)), "target": target, "means": "fentry",
            "histogram": h}


def make_row(strategy="volatile", k=None, state="written", probes="off", fs="ext4", kernel="6.1",
             workload="first_touch", order="pte", threads=1, **changes):
    """One row that is ok, with figures a model would give; keyword arguments replace fields."""
    nth = STATES.index("hole" if state == "shared" else state)  # either allocates
    touch = TOUCH.get(fs, TOUCH["ext4"])[nth]
    extra = SYNC_FAULT.get(fs, SYNC_FAULT["ext4"])[nth]
    mapping = strategy != "pwrite"
    if strategy == "prealloc":
        touch, extra = TOUCH.get(fs, TOUCH["ext4"])[2], 11
    fault = touch if mapping else 2890
    synced_faults = 0
    if strategy in ("map_sync", "prealloc"):
        fault += extra
        synced_faults = TOUCHES if extra > 1000 else 0
    if fs == "ext4-fc" and workload == "paced" and strategy == "map_sync":
        synced_faults = TOUCHES
    page, app_syncs = fault, 0
    if k is not None:
        writes = TOUCHES if k == "all" else k
        page += FSYNC / writes + PER_DIRTY_PAGE
        app_syncs = TOUCHES // writes
    elif strategy != "volatile":
        page += FLUSH
    on = probes == "on"
    if on and mapping:
        fault, page = fault + PROBES, page + PROBES
    pages = TOUCHES * (512 if order == "pmd" else 1)
    name = strategy if k is None else f"{strategy}:{k}"
    run_name = "/".join([kernel, fs, name, workload, state, order, f"t{threads}"])
    faults = TOUCHES if mapping else 0
    row = {
        "name": f"{run_name}/{probes}", "cell": run_name, "run_name": f"{run_name}/{probes}", "run_type": "iteration", "repetitions": 1,
        "repetition_index": 0, "family_index": 0, "per_family_instance_index": 0, "threads": threads,
        "iterations": TOUCHES, "real_time": page, "cpu_time": fault, "time_unit": "instr",
        "kernel": kernel, "fs": fs, "strategy": strategy, "writes_per_sync": k, "workload": workload, "state": state,
        "order": order, "probes": probes, "seed": 1, "vary": "all", "accel": "tcg-icount", "time_domain": "virtual", "unit": "instr",
        "status": "ok", "reason": "", "per_fault": fault, "per_page": page, "loop_cost": 4,
        "touches": TOUCHES, "pages": pages, "faults": faults, "syncs": synced_faults if on else None,
        "app_syncs": app_syncs, "commits": synced_faults + app_syncs if on else None,
        "fast_commits": 0 if on else None, "fallbacks": 0 if on else None,
        "mtime_changes": TOUCHES if workload == "paced" else None, "mapped_order": order if mapping else "none",
        "dax": True, "map_sync": strategy in ("map_sync", "prealloc"),
        "tax": PROBES * mapping if on else None, "tax_page": PROBES * mapping if on else None,
        "probe": None, "losses": {"dropped": 0, "missed": 0, "recursion": 0, "slots": 0}, "life": "restored",
        "vcpus": 1,
    }
    row = {**dict.fromkeys(ROW_SCHEMA["required"]), **row}  # what is not said here is null, as in a real row
    quantiles = make_probe(fault, faults, "dax_iomap_fault") if on else {}
    row.update({q: quantiles.get(q) for q in ("p50", "p90", "p99", "p99_9", "max")})
    if on:
        row["probe"] = {"fault": quantiles, "sync": make_probe(48000, synced_faults, "dax_finish_sync_fault"),
                        "commit": make_probe(31000, row["commits"], "jbd2_journal_commit_transaction"),
                        "fast_commit": None}
    row.update(changes)
    if row.get("dirty_inodes"):
        row = beside(row, row["dirty_inodes"])
    return row


def beside(row, inodes):
    """The row beside so many unrelated dirty inodes: its name says so."""
    cell = "/".join([kernel_and_on(row), *([f"d{inodes}"] if inodes else [])])
    return {**row, "dirty_inodes": inodes or None, "cell": cell, "name": f"{cell}/{row['probes']}"}


def kernel_and_on(row):
    """The name of a row's cell up to its threads."""
    strategy = row["strategy"] + ("" if row["writes_per_sync"] is None else f":{row['writes_per_sync']}")
    return "/".join([row["kernel"], row["fs"], strategy, row["workload"], row["state"], row["order"],
                     f"t{row['threads']}"])


def make_samples(rows, figures, repetitions=False):
    """Each row once per seed (or repetition), its costs as `figures` says: [factor], or function(row) -> [factor]."""
    made = []
    for row in rows:
        factors = figures(row) if callable(figures) else figures
        for index, factor in enumerate(factors):
            one = copy.deepcopy(row)
            one.update(seed=0 if repetitions else index, repetition_index=index, repetitions=len(factors))
            for key in ("per_page", "per_fault"):
                if one[key] is not None:
                    one[key] *= factor
            one.update(real_time=one["per_page"], cpu_time=one["per_fault"])
            made.append(one)
    return made


def make_phases(**nets):
    """`phases` of a row: their costs without those of their marks; as measured each costs 100 more."""
    return [{"id": name, "mean": 100 + (net or 0), "marks_cost": 40, "tax": None if net is None else 100, "net": net}
            for name, net in nets.items()]


def make_run(slowdown=1.5, starved=False, period=10, phase=0, each=5000, **changes):
    """One entry of a contest's `scan`."""
    run = {"period_us": period, "phase_us": phase, "stores": 128, "kernel_faults": 128, "starved": starved,
           "each": each * slowdown, "longest": 20_050_000 if starved else 40_000, "slowdown": slowdown, "retries": 3,
           "retries_max": 2, "touches": 40, "refused": 0}
    return {**run, **changes}


def make_module():
    """`module` of a row: 128 faults, two of which were retried."""
    return {"attempts": 131, "faults": 128, "syncs": 0, "syncs_dropped": 3, "retries": 3, "passed_over": 0,
            "not_droppable": 0, "mmap_locks": 131, "vma_locks": 0, "errors": 0,
            "retries_per_fault": [[0, 126], [1, 1], [2, 1]]}


def make_contest(strategy="map_sync", touch="utimens", attackers=1, setting="deterministic", workload="dos", runs=None,
                 k=None, **changes):
    """A row of a contest that is ok. runs: its scan, the worst of them first; keyword arguments replace fields."""
    if runs is None:
        runs = [make_run(period=10 if attackers else 0), make_run(1.2, period=50)][:2 if attackers else 1]
    slowdowns = sorted(run["slowdown"] for run in runs)
    row = make_row(strategy, k, probes="off", workload=workload, **changes)
    deadline = [f"f{changes['fault_deadline_ms']}"] if "fault_deadline_ms" in changes else []
    cell = "/".join([row["cell"], touch, f"a{attackers}", setting, *deadline])
    module = strategy.startswith("sync_")
    row.update(name=cell + "/off", cell=cell, run_name=cell + "/off", loop_cost=None, touches=128, pages=128, faults=130,
               iterations=128, p50=5000, p90=6000, p99=7000, p99_9=40_000, max=40_000, touch=touch, attackers=attackers,
               setting=setting, period_us=runs[0]["period_us"] or None,
               starved={"n": sum(run["starved"] for run in runs), "of": len(runs)}, slowdown=runs[0]["slowdown"],
               slowdown_p50=slowdowns[(len(runs) - 1) // 2], progress_max=max(run["longest"] for run in runs),
               attack_rate=20_000.5 if attackers else 0, refused={"n": 0, "error": None},
               reference={"each": 5000, "longest": 9000, "stores": 128}, scan=runs,
               module=make_module() if module else None, retries_p50=0 if module else None,
               retries_max=2 if module else None, syncs=3 if module else None, mtime_changes=None)
    row.update(changes)
    return row


def make_refused(strategy="daxfile", touch="pwrite", error="ETXTBSY", **changes):
    """A contest of which each touch was refused."""
    return make_contest(strategy, touch, attack_rate=0, refused={"n": 7, "error": error},
                        runs=[make_run(1, touches=0, refused=7)], **changes)


def make_pair(*args, **kwargs):
    """A cell: its row without probes and its row with them."""
    return [make_row(*args, probes=probes, **kwargs) for probes in ("off", "on")]


def skip(row, reason="the kernel has no such strategy", status="skipped"):
    """The row as it is when it was not measured: figures are null."""
    row = copy.deepcopy(row)
    row.update(status=status, reason=reason, probe=None, iterations=0)
    for key in ("real_time", "cpu_time", "per_fault", "per_page", "loop_cost", "touches", "pages",
                "faults", "syncs", "app_syncs", "commits", "fast_commits", "fallbacks", "mtime_changes",
                "mapped_order", "dax", "map_sync", "tax", "tax_page", "p50", "p90", "p99", "p99_9", "max"):
        row[key] = None
    if row.get("touch") is not None:
        row.update(dict.fromkeys(("period_us", "starved", "slowdown", "slowdown_p50", "progress_max", "attack_rate",
                                  "refused", "reference", "scan", "module", "retries_p50", "retries_max")))
    return row


def to_wall(document):
    """The same document as if it came from KVM: nanoseconds."""
    document = copy.deepcopy(document)
    for part in [document["context"], *document["benchmarks"]]:
        part.update(accel="kvm", time_domain="wall", unit="ns")
    return document


def to_host(document):
    """The same document as if it came from the running kernel."""
    document = to_wall(document)
    for part in [document["context"], *document["benchmarks"]]:
        part["accel"] = "none"
    document["context"].update(on="host", qemu=None)
    for row in document["benchmarks"]:
        row.update(life=None, vcpus=None, vary="none")
    return document


def make_document(rows=None, **context):
    """A whole result; without rows, the full matrix: 3 file systems x 14 variants x 3 states x twins."""
    if rows is None:
        rows = [row for fs in FILE_SYSTEMS for strategy, k in VARIANTS for state in STATES
                for row in make_pair(strategy, k, state, fs=fs)]
        rows += [row for fs in FILE_SYSTEMS for strategy in ("volatile", "map_sync")
                 for row in make_pair(strategy, None, "written", fs=fs, workload="paced")]
        reason = "huge page faults need 2 MiB extents, which this state does not have on this file system"
        rows += [skip(row, reason) for fs in FILE_SYSTEMS for row in make_pair("map_sync", None, "hole", fs=fs,
                                                                              order="pmd")]
    return {"context": make_context(**context), "benchmarks": rows}


class Synthetic:
    """What a test needs to make results and save them."""

    context = staticmethod(make_context)
    other_build = staticmethod(other_build)
    row = staticmethod(make_row)
    pair = staticmethod(make_pair)
    run = staticmethod(make_run)
    samples = staticmethod(make_samples)
    phases = staticmethod(make_phases)
    contest = staticmethod(make_contest)
    refused = staticmethod(make_refused)
    skip = staticmethod(skip)
    wall = staticmethod(to_wall)
    document = staticmethod(make_document)

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def save(self, document, name=None):
        """Write a document (or raw text or bytes) as a result folder; returns the folder as text."""
        self.count += 1
        folder = self.folder / (name or f"run{self.count}")
        folder.mkdir(parents=True)
        if isinstance(document, dict):
            document = json.dumps(document)
        if isinstance(document, str):
            document = document.encode()
        (folder / "result.json").write_bytes(document)
        return str(folder)

    def wall_result(self, rows, **context):
        """The Result of these rows, as if they came from KVM."""
        return load.load(self.save(to_wall(make_document(rows, **context))))

    def load(self, rows=None, **context):
        """The Result of these rows, by way of a file."""
        return load.load(self.save(self.document(rows, **context)))


@pytest.fixture
def synthetic(tmp_path):
    """Makes results in a folder of the test's own."""
    return Synthetic(tmp_path)


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    """The full matrix, loaded once; tests do not change it."""
    return Synthetic(tmp_path_factory.mktemp("full")).load()
