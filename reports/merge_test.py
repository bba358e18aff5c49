# SPDX-License-Identifier: GPL-2.0-only
"""Shards of a run as one result: what the run as a whole would have written, or why not."""

import copy
import json
import os
import random
import struct
import subprocess
import sys

import pytest

import canonical
import faultline_report
import load
import merge

HERE = os.path.dirname(os.path.abspath(__file__))
PLACES = [place for place in (os.path.join(HERE, "..", "docs", "example"), os.path.join(HERE, "testdata", "example"))
          if os.path.isdir(place)]  # of today's format, and of its first, which said less


def example(place, name):
    with open(os.path.join(place, f"{name}.json"), encoding="utf-8") as file:
        return json.load(file)


def of_cells(context, rows):
    """What a run of these rows alone would say of its context: the example's guests differ in the file system alone."""
    context = copy.deepcopy(context)
    kernels = {row["kernel"]: row["fs"] for row in rows if row["status"] != "skipped"}
    file_systems = {row["fs"] for row in rows if row["status"] != "skipped"}
    context["file_systems"] = {fs: about for fs, about in context["file_systems"].items() if fs in file_systems}
    for name, kernel in context["kernels"].items():
        for field in ("boot", "probes"):
            if field in kernel:
                kernel[field] = {fs: about for fs, about in kernel[field].items() if fs in file_systems}
        if name not in kernels:  # a guest tells it
            kernel.update(version=None, btf_crc32=None, command_line=None, cpu_model=None)
        if not any(row["strategy"].startswith("sync_") for row in rows):
            kernel.pop("module", None)
    context["qemu"]["arguments"] = {name: [word.replace("faultline.fs=xfs", f"faultline.fs={fs}") for word in
                                           context["qemu"]["arguments"][name]] for name, fs in kernels.items()}
    return context


def cut(document, count):
    """The documents of `--shard 1/count` and so on: each Nth cell."""
    cells = list(dict.fromkeys(row["name"][:-len("/" + row["probes"])] for row in document["benchmarks"]))
    for index in range(count):
        its = set(cells[index::count])
        rows = [copy.deepcopy(row) for row in document["benchmarks"] if row["name"][:-len("/" + row["probes"])] in its]
        context = of_cells(document["context"], rows)
        context.update(date=f"2026-11-27T1{index}:00:00+00:00", elapsed_s=100.25, peak_rss_kib=1000 + index,
                       host={**context["host"], "kernel": f"another {index}"},
                       command_line=[*context["command_line"], "--shard", f"{index + 1}/{count}"])
        for row in rows:
            row["life"] = "booted" if index else row["life"]
        yield {"context": context, "benchmarks": rows}


@pytest.fixture
def whole(synthetic):
    """A run of two cells of each of two file systems and one that was skipped, as a document."""
    rows = [row for fs in ("ext4", "xfs") for strategy in ("volatile", "map_sync")
            for row in synthetic.samples(synthetic.pair(strategy, fs=fs), [1, 1.5])]
    rows.append(synthetic.skip(synthetic.row("msync", 1)))
    whole = synthetic.document(rows)
    whole["context"]["file_systems"].pop("ext4-fc")
    return whole


@pytest.fixture
def shards(whole):
    """Three shards of it, as documents."""
    return list(cut(whole, 3))


def save(synthetic, documents):
    return [synthetic.save(document) for document in documents]


def refused(synthetic, documents, words):
    """That these are refused, in these words (a list, in order)."""
    with pytest.raises(load.ReportError) as caught:
        merge.merge(save(synthetic, documents))
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    at = 0
    for word in words:
        at = str(caught.value).find(word, at)
        assert at >= 0, (str(caught.value), word)


@pytest.mark.parametrize("name", ["result", "dos", "phases", "paced", "unrelated", "bystander"])
@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.split(os.sep)[-2])
def test_shards_are_the_whole(synthetic, tmp_path, place, name, count):
    whole = example(place, name)
    documents = list(cut(whole, count))
    random.Random(count).shuffle(documents)
    folders = save(synthetic, documents)
    out = str(tmp_path / "out")
    assert merge.write(merge.merge(folders), out, folders) == [os.path.join(out, "result.json")]
    with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
        merged = json.load(file)
    # Row by row and in its order, but for how guests came up (and the name of the cell, which old results lack).
    both = [[{**row, "life": 0, "cell": 0} for row in one["benchmarks"]] for one in (merged, whole)]
    assert both[0] == both[1]
    assert canonical.digest(load.load(out)) == canonical.digest(load.load(synthetic.save(whole)))
    context = merged["context"]
    for field in ("kernels", "file_systems", "qemu", "tables", "faultline", "command_line", "complete"):
        assert context.get(field) == whole["context"].get(field), field
    assert (context["date"], context["elapsed_s"], context["peak_rss_kib"]) == (
        "2026-11-27T10:00:00+00:00", round(100.25 * count, 1), 999 + count)
    assert context["host"]["kernel"] == "another 0"


def test_equal_rows_may_be_there_twice(synthetic, shards):
    once = merge.merge(save(synthetic, shards))
    again = copy.deepcopy(shards[1])
    again["benchmarks"][0]["life"] = "booted"
    twice = merge.merge(save(synthetic, [again, *shards]))
    assert twice.rows == once.rows or [row["name"] for row in twice.rows] == [row["name"] for row in once.rows]
    assert len(twice.rows) == 17 and twice.shards == 3


def test_probed_cells_may_have_fewer_seeds(synthetic, shards):
    """As of a run by default, or with --probe-seeds; all of them alike."""
    fewer = copy.deepcopy(shards)
    for shard in fewer:
        shard["benchmarks"] = [row for row in shard["benchmarks"] if row["probes"] == "off" or row["seed"] == 0]
    assert len(merge.merge(save(synthetic, fewer)).rows) == 13
    fewer[1] = shards[1]
    refused(synthetic, fewer, ["shard 1/3", "has no seed 1"])


def test_what_one_lacks_another_may_have(synthetic, shards):
    """A row that was lost, and the shard measured again."""
    again = copy.deepcopy(shards[1])
    del shards[1]["benchmarks"][0]
    once, twice = (merge.merge(save(synthetic, documents)).rows for documents in ([shards[0], again, shards[2]], [*shards, again]))
    assert [(row["name"], row["seed"]) for row in once] == [(row["name"], row["seed"]) for row in twice]


def test_a_shard_in_which_nothing_was_measured(synthetic):
    rows = [synthetic.skip(synthetic.row("msync", 1)), synthetic.row(), synthetic.row(fs="xfs"),
            synthetic.skip(synthetic.row("msync", 8))]
    whole = synthetic.document(rows)
    whole["context"]["file_systems"].pop("ext4-fc")
    whole["context"]["qemu"]["arguments"] = {"6.1": ["-append", "faultline.fs=xfs"]}
    for count in (2, 4):  # a shard's last cell is a skipped one; two of the shards have no other
        documents = list(cut(whole, count))
        merged = merge.merge(save(synthetic, documents))
        for field in ("kernels", "file_systems", "qemu"):
            assert merged.context[field] == whole["context"][field], field
        assert [row["name"] for row in merged.rows] == [row["name"] for row in rows]
    assert documents[0]["context"]["kernels"]["6.1"]["cpu_model"] is None


def test_rows_that_differ(synthetic, shards):
    again = copy.deepcopy(shards[1])
    again["benchmarks"][1]["per_page"] += 1
    name, seed, index = (again["benchmarks"][1][key] for key in ("name", "seed", "repetition_index"))
    refused(synthetic, [*shards, again], [f"'{name}' seed {seed} repetition {index} is in shard 2/3", "run2) and in shard 2/3", "run4)",
                                          "different figures (per_page): name the one that counts alone"])


@pytest.mark.parametrize("lacking, words", [
    ([1], ["shard 2/3 is missing", "measure it: the command of", "--shard 2/3"]),
    ([0, 2], ["shard 1/3 and 1 more is missing"]), ([2], ["shard 3/3 is missing"])])
def test_a_missing_shard(synthetic, shards, lacking, words):
    refused(synthetic, [shard for index, shard in enumerate(shards) if index not in lacking], words)


def again(document, index, count):
    """What measures each count-th cell of a run a second time, on another host."""
    audit = list(cut(document, count))[index]
    audit["context"]["host"]["kernel"] = "the auditor's"
    return audit


@pytest.mark.parametrize("index, count, cells", [(0, 5, 1), (1, 4, 1), (0, 2, 2), (0, 1, 4), (4, 5, 0)])
def test_an_audit_that_is_passed(synthetic, whole, shards, index, count, cells):
    plain = merge.merge(save(synthetic, shards))
    audited = merge.merge(save(synthetic, shards), save(synthetic, [again(whole, index, count)]))
    assert (audited.audit.cells, audited.audit.differing, plain.audit) == (cells, [], None)
    assert (audited.rows, audited.context) == (plain.rows, plain.context)


def test_what_was_skipped_is_not_audited(synthetic):
    document = synthetic.document([synthetic.skip(synthetic.row("msync", 1)), synthetic.row(), synthetic.row(fs="xfs")])
    audited = merge.merge(save(synthetic, cut(document, 2)), save(synthetic, [again(document, 0, 2)]))
    assert audited.audit.cells == 1


def test_an_audit_that_fails_names_each_cell_once(synthetic, whole, shards):
    audit = again(whole, 0, 2)
    for row in audit["benchmarks"][:2]:
        row["per_page"] += 0.5
    audit["benchmarks"][-2]["faults"] += 1
    folders, places = save(synthetic, shards), save(synthetic, [audit])
    differing = merge.merge(folders, places).audit.differing
    first, last = audit["benchmarks"][0], audit["benchmarks"][-2]
    assert [(one.cell, one.seed, one.field, one.audit) for one in differing] == [
        (cell, row["seed"], field, places[0]) for row, field in ((first, "per_page"), (last, "faults"))
        for cell in [row["name"].rpartition("/")[0]]]
    owner = {row["name"]: folder for shard, folder in zip(shards, folders) for row in shard["benchmarks"]}
    assert [one.shard for one in differing] == [owner[row["name"]] for row in (first, last)]


@pytest.mark.parametrize("change, words", [
    (lambda audit: audit["context"].update(complete=False, reason="interrupted"), "is incomplete (interrupted)"),
    (lambda audit: audit["context"]["command_line"].extend(["--seeds", "9"]), "are not of one command line: --seeds"),
    (lambda audit: audit["context"]["qemu"].update(version="9.0"), "differ in qemu.version"),
    (lambda audit: [row.update(seed=77 + row["seed"]) for row in audit["benchmarks"]], "which no shard has: it is not of this run")])
def test_an_audit_of_another_run(synthetic, whole, shards, change, words):
    audit = again(whole, 0, 2)
    change(audit)
    with pytest.raises(load.ReportError) as caught:
        merge.merge(save(synthetic, shards), save(synthetic, [audit]))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_the_verb_with_an_audit(synthetic, whole, shards, tmp_path):
    out, folders = str(tmp_path / "out"), save(synthetic, shards)
    audit = again(whole, 0, 2)
    done = run("merge", *folders, "--audit", *save(synthetic, [audit]), "--out", out, "--json")
    assert (done.returncode, json.loads(done.stdout)["audit"]) == (0, {"cells": 2, "differing": []})
    audit["benchmarks"][0]["per_page"] += 1
    place, = save(synthetic, [audit])
    out = str(tmp_path / "none")
    done = run("merge", *folders, "--audit", place, "--out", out, "--json")
    differing, = json.loads(done.stdout)["audit"]["differing"]
    assert (done.returncode, differing["field"], differing["audit"]) == (1, "per_page", place) and not os.path.exists(out)
    assert done.stderr.count("\n") == 1 and f"{differing['cell']} seed {differing['seed']} has different figures" in done.stderr


def test_an_incomplete_shard(synthetic, shards):
    shards[2]["context"].update(complete=False, reason="interrupted: 2 cells not run")
    refused(synthetic, shards, ["shard 3/3", "is incomplete (interrupted: 2 cells not run): run it again"])


def test_a_missing_cell(synthetic, shards):
    name = shards[0]["benchmarks"][0]["cell"]
    shards[0]["benchmarks"] = [row for row in shards[0]["benchmarks"] if row["cell"] != name]
    refused(synthetic, shards, ["shard 1/3", "lacks cells: it has 1, and the run as a whole at least 5: run that shard again"])


def test_a_missing_row(synthetic, shards):
    row = shards[1]["benchmarks"].pop(3)
    refused(synthetic, shards, ["shard 2/3", f"lacks a row: {row['name']!r} has no seed 1 repetition 0", "run that shard again"])


def test_a_missing_row_of_the_first(synthetic, shards):
    row = shards[0]["benchmarks"].pop(1)
    refused(synthetic, shards, ["shard 1/3", f"lacks a row: {row['name']!r} has no seed 1 repetition 0"])


def test_a_cell_of_another_shard(synthetic, shards):
    shards[2]["benchmarks"] = [*shards[2]["benchmarks"], *copy.deepcopy(shards[1]["benchmarks"][-4:])]
    refused(synthetic, shards, ["is in shard 2/3", "and in shard 3/3", "as another cell of the run"])


def test_another_selection_of_the_same_shard(synthetic, shards):
    again = copy.deepcopy(shards[1])
    again["benchmarks"] = again["benchmarks"][4:]
    refused(synthetic, [*shards, again], ["shard 2/3", "and shard 2/3", "have other cells, the first"])


@pytest.mark.parametrize("trail, value, words", [
    (("kernels", "6.1", "vmlinuz_sha256"), "f" * 64, "kernels.6.1.vmlinuz_sha256: bbbbbbbbbbbbbbbbbbbbbbbb... and ffff"),
    (("faultline", "git_revision"), "f", "faultline.git_revision: 0123456789abcdef and f"),
    (("qemu", "version"), "9.0", "qemu.version: 7.2.0 and 9.0"),
    (("qemu", "binary_sha256"), "f" * 64, "qemu.binary_sha256"),
    (("accel",), "tcg", "accel: tcg-icount and tcg"),
    (("library_build_type",), "debug", "library_build_type: release and debug"),
    (("file_systems", "ext4", "mkfs"), "x", "file_systems.ext4.mkfs"),
    (("tables", "fs"), [], "tables.fs")])
def test_another_environment(synthetic, shards, trail, value, words):
    place = shards[2]["context"]
    place["file_systems"].update(ext4={**shards[0]["context"]["file_systems"]["ext4"]})
    for part in trail[:-1]:
        place = place[part]
    place[trail[-1]] = value
    if trail == ("accel",):
        shards[2]["context"].update(time_domain="wall", unit="ns")
        for row in shards[2]["benchmarks"]:
            row.update(accel="tcg", time_domain="wall", unit="ns")
    refused(synthetic, shards, ["shard 1/3", "and shard 3/3", f"differ in {words}", "measure all shards with one build"])


def test_the_host_counts_in_wall_time_alone(synthetic, shards):
    merge.merge(save(synthetic, shards))  # whose hosts differ
    refused(synthetic, map(synthetic.wall, shards), ["differ in host.kernel: another 0 and another 1"])
    for shard in shards:
        shard["context"]["host"] = shards[0]["context"]["host"]
    merge.merge(save(synthetic, map(synthetic.wall, shards)))


def test_other_kernels(synthetic, shards):
    shards[1]["context"]["kernels"]["6.12"] = shards[1]["context"]["kernels"]["6.1"]
    refused(synthetic, shards, ["not of the same kernels: only one has 6.12: run the shards with the same --kernel"])


@pytest.mark.parametrize("words, error", [
    (["--shard", "2/4"], "shard 2/4 (RUN1) and shard 1/3 (RUN0) are not of one division: name shards with one N"),
    (["--shard=2/3", "--seeds", "9"], "are not of one command line: --seeds: is not there and 9: run the shards with the same"),
    (["--shard", "2/3", "--samples"], "are not of one command line: --samples: is not there and is there: run"),
    ([], "RUN1: is no shard: its command line has no --shard I/N; `faultline table` and `report` take several"),
    (["--shard", "4/3"], "RUN1: is no shard"), (["--shard", "0/3"], "RUN1: is no shard"),
    (["--shard", "x/3"], "RUN1: is no shard"), (["--shard"], "RUN1: is no shard")])
def test_command_lines_of_several_runs(synthetic, shards, words, error):
    shards[1]["context"]["command_line"] = [*shards[1]["context"]["command_line"][:-2], *words]
    folders = save(synthetic, shards)
    with pytest.raises(load.ReportError) as caught:
        merge.merge(folders)
    assert error.replace("RUN0", folders[0]).replace("RUN1", folders[1]) in str(caught.value)


def test_what_each_shard_may_have_of_its_own(synthetic, shards):
    shards[0]["context"]["command_line"] = ["/usr/bin/faultline", "run", "--shard=1/3", "--kernel", "6.1", "--force", "--jobs", "4",
                                            "--out=elsewhere", "--quiet"]
    merged = merge.merge(save(synthetic, shards))
    assert merged.context["command_line"] == ["/usr/bin/faultline", "run", "--kernel", "6.1", "--force", "--jobs", "4",
                                              "--out=elsewhere", "--quiet"]


def record(number):
    return struct.pack("<IIQQQIIQ", 0, 80, number, 5, 4096, 256, 0, 0)


def put_samples(document, numbers):
    """Samples for each probed row of a document, in the order of `numbers`, which is shuffled; the bytes of the side file."""
    records = b""
    rows = [row for row in document["benchmarks"] if row["probes"] == "on"]
    numbers.shuffle(rows)
    for row in rows:
        starts = [hash((row["name"], row["seed"])) % 1000 + step for step in range(1 + len(row["name"]) % 4)]
        row.update(samples={"file": "samples.bin", "first": len(records) // 48, "count": len(starts)}, sample_kinds=["fault"])
        records += b"".join(map(record, starts))
    return records


def with_samples(synthetic, document, seed):
    document = copy.deepcopy(document)
    records = put_samples(document, random.Random(seed))
    folder = synthetic.save(document)
    with open(os.path.join(folder, "samples.bin"), "wb") as file:
        file.write(records)
    return folder


def test_samples_come_along(synthetic, shards, tmp_path):
    folders = [with_samples(synthetic, shard, index) for index, shard in enumerate(shards)]
    out = str(tmp_path / "out")
    merged = merge.merge(folders[::-1])
    assert merge.write(merged, out, folders) == [os.path.join(out, name) for name in ("result.json", "samples.bin")]
    assert sorted(os.listdir(out)) == ["result.json", "samples.bin"]
    assert os.path.getsize(os.path.join(out, "samples.bin")) == 48 * merged.samples == sum(
        os.path.getsize(os.path.join(folder, "samples.bin")) for folder in folders)
    whole = {"context": merged.context, "benchmarks": [row for shard in shards for row in shard["benchmarks"]]}
    assert canonical.digest(load.load(out)) == canonical.digest(load.load(with_samples(synthetic, whole, 9)))
    # Row by row, as it was in its shard.
    was = {(row["name"], row["seed"]): (folder, row) for folder in folders
           for rows in load.load(folder).samples.values() for row in rows if row["samples"]}
    now = [row for rows in load.load(out).samples.values() for row in rows if row["samples"]]
    assert len(now) == len(was) == 8
    assert [row["samples"]["first"] for row in now] == [sum(row["samples"]["count"] for row in now[:index]) for index in range(8)]
    for row in now:
        folder, before = was[row["name"], row["seed"]]
        assert b"".join(canonical.sample_pieces(out, row)) == b"".join(canonical.sample_pieces(folder, before))


def test_samples_that_differ(synthetic, shards):
    folders = [with_samples(synthetic, shard, index) for index, shard in enumerate(shards)]
    same = with_samples(synthetic, shards[1], 5)
    merge.merge([*folders, same])
    with open(os.path.join(same, "samples.bin"), "r+b") as file:
        file.write(b"\1")
    with pytest.raises(load.ReportError, match=r"different figures \(samples\)"):
        merge.merge([*folders, same])


def test_a_side_file_that_is_cut_short_leaves_nothing(synthetic, shards, tmp_path):
    folders = [with_samples(synthetic, shard, index) for index, shard in enumerate(shards)]
    os.truncate(os.path.join(folders[2], "samples.bin"), 47)
    out = tmp_path / "out"
    with pytest.raises(load.ReportError, match="samples.bin: ends before the last sample"):
        merge.write(merge.merge(folders), str(out), folders)
    assert not list(out.iterdir())


def run(*arguments):
    done = subprocess.run([sys.executable, "-I", faultline_report.__file__, *arguments], capture_output=True, text=True,
                          timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_the_verb(synthetic, shards, tmp_path):
    out = str(tmp_path / "out")
    sampled = [with_samples(synthetic, shard, index) for index, shard in enumerate(shards)]
    done = run("merge", *sampled, "--out", out)
    digest = canonical.digest(load.load(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith("3 shards, 5 cells, 17 rows, ") and done.stdout.splitlines()[1] == digest
    plain = save(synthetic, shards)
    done = run("merge", *plain, "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"faultline: {out} holds another result.json; give another --out, or --force to replace it\n"
    assert canonical.digest(load.load(out)) == digest
    done = run("merge", *plain, "--out", out, "--force", "--json")
    about = json.loads(done.stdout)
    assert about.pop("sha256") == canonical.digest(load.load(out)) != digest
    assert about == {"out": out, "written": [os.path.join(out, "result.json")], "shards": 3, "rows": 17, "cells": 5, "samples": 0,
                     "audit": None}
    assert os.listdir(out) == ["result.json"]  # the samples of before were another result's


@pytest.mark.parametrize("named", ["", "/result.json", "/../run2/"])
def test_the_output_is_no_shard(synthetic, shards, named):
    folders = save(synthetic, shards)
    before = [canonical.digest(load.load(folder)) for folder in folders]
    done = run("merge", folders[0], folders[1] + named, folders[2], "--out", folders[1], "--force")
    assert done.returncode == 2 and done.stderr == f"faultline: --out: {folders[1]} is one of the shards: give another\n"
    assert before == [canonical.digest(load.load(folder)) for folder in folders]


def test_a_place_that_cannot_be_written_to(synthetic, shards, tmp_path):
    (tmp_path / "file").write_text("")
    done = run("merge", *save(synthetic, shards), "--out", str(tmp_path / "file" / "out"))
    assert done.returncode == 2 and "cannot be written to" in done.stderr and done.stderr.count("\n") == 1
