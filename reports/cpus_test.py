# SPDX-License-Identifier: GPL-2.0-only
"""How many CPUs are used where affinity or a quota allows fewer than there are."""

import os

import pytest

import cpus


@pytest.fixture(autouse=True)
def eight(monkeypatch):
    """The process is bound to eight CPUs, whatever the machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def groups(folder, own, files):
    """The arguments of usable() for these groups: the text of /proc/self/cgroup, and {file: text} below /sys/fs/cgroup."""
    (folder / "own").write_text(own, encoding="ascii")
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return str(folder / "cgroup"), str(folder / "own")


V1 = "4:memory:/a\n3:cpu,cpuacct:/a/b\n0::/c\n"


@pytest.mark.parametrize("own, files, expected", [
    ("", {}, 8), ("0::/a/b\n", {}, 8), ("0::/a\n", {"a/cpu.max": "max 100000\n"}, 8),
    ("0::/a\n", {"a/cpu.max": "200000 100000\n"}, 2), ("0::/a\n", {"a/cpu.max": "150000 100000\n"}, 2),
    ("0::/a\n", {"a/cpu.max": "1000 100000\n"}, 1), ("0::/a\n", {"a/cpu.max": "1600000 100000\n"}, 8),
    ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),  # that of the group above
    ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),  # in a container
    ("0::/../../x\n", {"cpu.max": "400000 100000\n"}, 4),
    ("0::/a\n", {"a/cpu.max": "200000 0\n"}, 8), ("0::/a\n", {"a/cpu.max": "nonsense"}, 8), ("nonsense\n", {}, 8),
    (V1, {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/a/b/cpu.cfs_period_us": "50000\n"}, 5),
    (V1, {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/a/b/cpu.cfs_period_us": "50000\n"}, 8),
    (V1, {"c/cpu.max": "600000 100000\n"}, 6)])
def test_quotas(tmp_path, own, files, expected):
    assert cpus.usable(*groups(tmp_path, own, files)) == expected


def test_affinity(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert cpus.usable(*groups(tmp_path, "0::/a\n", {"a/cpu.max": "700000 100000\n"})) == 2
    assert cpus.usable(*groups(tmp_path, "0::/a\n", {"a/cpu.max": "100000 100000\n"})) == 1
