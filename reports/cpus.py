# SPDX-License-Identifier: GPL-2.0-only
"""How many CPUs this process may use."""

import math
import os

CGROUPS = "/sys/fs/cgroup"
OWN = "/proc/self/cgroup"  # which group of which hierarchy the process is in: `number:controllers:path`


def usable(cgroups=CGROUPS, own=OWN):
    """The CPUs that the process is bound to, or fewer where the quota of a group that it is in has no more time."""
    found = len(os.sched_getaffinity(0))
    for quota in _quotas(cgroups, own):
        found = min(found, max(1, math.ceil(quota)))
    return found


def _quotas(cgroups, own):
    """The quotas of its groups and of all above, in CPUs."""
    for line in _read(own).splitlines():
        _, controllers, group = (line.split(":", 2) + ["", ""])[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = os.path.join(cgroups, controllers) if controllers else cgroups
        parts = [part for part in group.split("/") if part not in ("", "..")]
        for length in range(len(parts) + 1):  # in a container the path may be the host's: what is not there has no quota
            folder = os.path.join(top, *parts[:length])
            if controllers:
                words = [_read(os.path.join(folder, f"cpu.cfs_{name}_us")).strip() for name in ("quota", "period")]
            else:
                words = _read(os.path.join(folder, "cpu.max")).split()
            if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
                yield int(words[0]) / int(words[1])


def _read(path):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
