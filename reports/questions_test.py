# SPDX-License-Identifier: GPL-2.0-only
"""What the lists have asked, and the tables that answer it."""

import itertools

import pytest

import load
import mail
import questions


def programs(synthetic, kinds, kernels=("6.1", "7.3"), added=100):
    """A result of bpf_cost cells whose programs cost `added` times their place in the list, and 1 more on XFS."""
    rows = []
    for kernel, fs, state in itertools.product(kernels, ("ext4", "xfs"), ("hole", "written")):
        twin = 70000 if state == "hole" else 5000
        made = {"kernel": kernel, "fs": fs, "strategy": "map_sync", "state": state}
        rows.append(synthetic.row(**made, per_page=twin))
        rows += [synthetic.row(**made, probes=f"bpf_cost:{kind}", per_page=twin + added * (place + 1) + (fs == "xfs"))
                 for place, kind in enumerate(kinds)]
    return synthetic.load(rows)


def test_every_question_has_its_words():
    assert len(set(questions.IDS)) == len(questions.QUESTIONS) >= 5
    for question in questions.QUESTIONS:
        assert len(f"{question.id:10} {question.asked}") <= 80, question.id
        assert questions.of(question.id) is question
    with pytest.raises(load.ReportError, match="no question 'cost'; there are bpf_cost, iomap"):
        questions.of("cost")


def test_what_a_program_costs_is_the_difference_from_its_twin(synthetic):
    data = questions.build(questions.of("bpf_cost"), programs(synthetic, ["empty", "hash"]))
    assert data["columns"] == ["6.1", "7.3"]
    assert data["lines"] == [{"line": "empty", "values": [[100, 101], [100, 101]]},
                             {"line": "hash", "values": [[200, 201], [200, 201]]}]


def test_each_seed_is_held_against_its_twin(synthetic):
    rows = [synthetic.row("map_sync", probes=probes, per_page=5000 + at, seed=seed)
            for probes, places in (("off", (0, 90, 7)), ("bpf_cost:empty", (100, 191, 400))) for seed, at in enumerate(places)]
    data = questions.build(questions.of("bpf_cost"), synthetic.load(rows))
    assert data["lines"] == [{"line": "empty", "values": [[101, 101]]}]


def test_holes_are_not_in_the_table(synthetic):
    result = programs(synthetic, ["empty"])
    assert sum(row["probes"] != "off" for row in result.rows.values()) == 8
    data = questions.build(questions.of("bpf_cost"), result)
    assert data["lines"] == [{"line": "empty", "values": [[100, 101], [100, 101]]}]


def test_a_probed_cell_without_its_twin_has_no_cost(synthetic):
    result = synthetic.load([synthetic.row(probes="bpf_cost:empty")])
    with pytest.raises(load.ReportError, match="nothing in .* answers bpf_cost: measure it with `faultline run --kernel"):
        questions.build(questions.of("bpf_cost"), result)


def test_other_questions_are_of_twins(synthetic):
    result = synthetic.load(synthetic.pair("map_sync", state="hole", per_page=70000))
    data = questions.build(questions.of("iomap"), result)
    assert data["lines"] == [{"line": "ext4 map_sync hole", "values": [[70000, 70000]]}]


def test_a_failed_cell_is_told_of(synthetic):
    rows = [synthetic.row(), synthetic.skip(synthetic.row("msync", 1))]
    text = questions.text(questions.of("releases"), synthetic.load(rows))
    assert "1 skipped: " in text


@pytest.mark.parametrize("count", [2, 13])
def test_the_text_fits_a_mail(synthetic, count):
    kinds = ("empty", "array", "hash", "inode_storage", *(f"chain{length}" for length in range(1, 9)), "ringbuf")[:count]
    text = questions.text(questions.of("bpf_cost"), programs(synthetic, kinds, kernels=("5.10", "6.1", "6.12", "7.2", "7.3")))
    lines = text.splitlines()
    assert len(lines) <= mail.LINES and max(map(len, lines)) <= mail.WIDTH
    assert lines[0] == questions.of("bpf_cost").asked
    for place, kind in enumerate(kinds):
        cost = f"{100 * (place + 1)}-{100 * (place + 1) + 1}"
        assert [line.split()[1:] for line in lines if line.startswith(f"{kind} ")] == [[cost] * 5]


def test_what_does_not_fit_is_counted(synthetic):
    rows = [synthetic.row("fsync", k, state=state) for k in range(1, 21) for state in ("hole", "written")]
    lines = questions.text(questions.of("releases"), synthetic.load(rows)).splitlines()
    assert len(lines) <= mail.LINES
    shown = sum(line.startswith("ext4 fsync:") for line in lines)
    assert f"{40 - shown} lines left out: `faultline answer releases" in " ".join(lines)


def test_kernels_stand_by_version_and_by_their_series(synthetic):
    rows = [synthetic.row(kernel=kernel, per_page=at) for at, kernel in enumerate(("7.3", "6.1", "5.10"), 1)]
    result = synthetic.load(rows)
    assert list(questions.titles(result).values()) == ["5.10", "6.1", "7.3"]
    data = questions.build(questions.of("releases"), result)
    assert data["columns"] == ["5.10", "6.1", "7.3"]
    assert data["lines"][0]["values"] == [[3, 3], [2, 2], [1, 1]]
    for name, release in (("7.3", "6.1.0-9-amd64"), ("6.1", "6.1.0-56-amd64")):
        result.context["kernels"].setdefault(name, {})["release"] = release
    assert questions.titles(result)["7.3"] == "6.1.0-9" and questions.titles(result)["6.1"] == "6.1.0-56"


def test_how_far_seeds_are_apart_is_said(synthetic):
    rows = [synthetic.row(state=state, per_page=value, seed=seed)
            for state, values in (("hole", (100, 110, 90)), ("written", (7, 7, 7))) for seed, value in enumerate(values)]
    result = synthetic.load(rows)
    data = questions.build(questions.of("releases"), result)
    assert data["seeds"] == [3, 3] and data["spread_percent"] == pytest.approx(20)
    assert "median of 3 seeds, 75.0 % interval <= 20 %" in questions.text(questions.of("releases"), result)


def test_the_command_is_of_no_place(synthetic):
    result = synthetic.load([synthetic.row()])
    result.parts[0][1]["command_line"] = ["/opt/here/faultline", "run", "--out", "/tmp/x", "--force", "--fs", "ext4", "--out=y",
                                          "--jobs", "2", "--no-table"]
    assert questions.text(questions.of("releases"), result).splitlines()[-1] == "faultline run --fs ext4"


def test_skips_give_way_to_lines_and_failures_do_not(synthetic):
    rows = [synthetic.row("fsync", k, state=state) for k in range(1, 9) for state in ("hole", "written")]
    rows += [synthetic.skip(synthetic.row("msync", 1))]
    failed = synthetic.row("msync", 2)
    failed.update(status="failed", reason="it broke")
    text = questions.text(questions.of("releases"), synthetic.load([*rows, failed]))
    assert "1 failed: it broke" in text and "skipped" not in text
    assert sum(line.startswith("ext4 fsync:") for line in text.splitlines()) == 16


def test_a_sync_beside_dirt_is_called_by_its_call_and_told_by_how_much_is_dirty(synthetic):
    rows = [synthetic.row(strategy, k, "hole", kernel="7.3", workload="unrelated", dirty_inodes=dirty, per_page=1000 + dirty)
            for strategy, k in (("fsync", 1), ("pwrite", 1)) for dirty in (0, 1000)]
    data = questions.build(questions.of("dirt"), synthetic.load(rows))
    assert data["columns"] == ["0 dirty", "1000 dirty"]
    assert {line["line"]: line["values"] for line in data["lines"]} == {
        "7.3 ext4 fsync:1": [[1000, 1000], [2000, 2000]], "7.3 ext4 fdatasync": [[1000, 1000], [2000, 2000]]}


def test_the_tail_is_that_of_stores_with_their_syncs(synthetic):
    durable = {"p50": 10, "p90": 20, "p99": 30, "p99_9": 400, "max": 500}
    rows = [synthetic.row("map_sync", state="hole", workload="background", durable=durable),
            synthetic.row("volatile", state="hole", workload="background")]
    data = questions.build(questions.of("tail"), synthetic.load(rows))
    assert [line["values"] for line in data["lines"]] == [[[400, 400]]]
