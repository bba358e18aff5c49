# SPDX-License-Identifier: GPL-2.0-only
"""Kernels by their releases: what each is called, and in which order they stand."""

import re

PLANTED = re.compile(r"\+(\d+)$")  # the end of the name of a kernel with a planted delay


def label(name, release, package=None):
    """What a kernel is called in a trend: a point release by its package's version (6.1.176-1), any other by its
    release; one with a planted delay by that too."""
    planted = PLANTED.search(name)
    if re.match(r"\d+\.\d+\.\d+", name) and package:
        release = package.rpartition(" ")[2].partition("~")[0]
    return release + (f" {planted[0]}" if planted else "")


def titles(labels):
    """A short title for each label: the series (6.1) where no other is of it, else as much of the version as tells them apart."""
    series = [(re.match(r"v?(\d+\.\d+)", one) or [one, one])[1] for one in labels]
    return series if len(set(series)) == len(series) else short(labels)


def names(labels):
    """{id: what a reader is told of a kernel}, of {id: label}: its title and its id, `6.1 (bookworm)`; the id alone where that is
    a version itself, or a release says no more."""
    return {name: name if re.match(r"v?\d+\.\d+", name) or title == name else f"{title} ({name})"
            for name, title in zip(labels, titles(list(labels.values())))}


def apart(several):
    """What kernels are called where several results are side by side: of [(source, {id: (label, build)})] the same with
    {id: name}. Kernels of one label are told apart by their ids, builds of one id by their sources; build: a digest of
    the kernel, None where it is not known."""
    ids, builds = {}, {}
    for _, kernels in several:
        for name, (release, build) in kernels.items():
            ids.setdefault(release, set()).add(name)
            builds.setdefault((release, name), set()).add(build)

    def called(source, name, release):
        parts = [name] * (len(ids[release]) > 1) + [source] * (len(builds[release, name]) > 1)
        return release + (f" [{', '.join(parts)}]" if parts else "")

    return [(source, {name: called(source, name, release) for name, (release, _) in kernels.items()})
            for source, kernels in several]


def version_key(release):
    """A sort key of a kernel's label: 5.10 before 6.1, a release candidate before its release, then by the numbers of
    the package (6.1.0-9 before 6.1.0-56), then by the planted delay."""
    release = release.partition(" [")[0]
    release, _, planted = release.partition(" +")
    match = re.match(r"v?(\d+(?:\.\d+)*)(?:[-~+.]?rc(\d+))?(.*)", release, re.DOTALL)
    if not match:
        return (), 0, [(0, 0, release)], release, 0
    version = [int(part) for part in match[1].split(".")]
    while version and version[-1] == 0:
        version.pop()
    rest = [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in re.split(r"(\d+)", match[3]) if word]
    return tuple(version), int(match[2]) if match[2] else float("inf"), rest, release, int(planted or 0)


def short(releases):
    """A short name for each: the version and the package's number where these tell them apart."""
    found = []
    for release in releases:
        release, bracket, apart = release.partition(" [")
        kernel, _, planted = release.partition(" +")
        kernel = re.match(r"[^a-zA-Z]*(?:rc\d+)?[^a-zA-Z]*", kernel)[0].rstrip("-+~._")
        found.append(kernel + (f" +{planted}" if kernel and planted else "") + (bracket + apart if kernel else ""))
    return found if all(found) and len(set(found)) == len(found) else list(releases)
