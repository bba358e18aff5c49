# SPDX-License-Identifier: GPL-2.0-only
"""Which comparison ends in which exit code, and with which words."""

import copy

import pytest

import compare
import explain
import gate
import load

CELL = "6.1/ext4/volatile/first_touch/written/pte/t1"
EVEN = [1, 1, 1, 1, 1]


def judge(a, b, options=None, **how):
    return gate.gate(a, b, compare.compare(a, b, **(options or {})), **how)


def reasons(verdict):
    return [found["what"] for found in verdict["refused"]]


@pytest.fixture
def grown(synthetic):
    """function(factors) -> (a result of five even seeds, one that differs by these factors)."""
    def made(factors, rows=None, of_a=None, builds=1):
        rows = rows or [synthetic.row()]
        return (synthetic.load(synthetic.samples(rows, of_a or [1] * len(factors))),
                synthetic.load(synthetic.samples(rows, factors), **(synthetic.other_build() if builds == 2 else {})))
    return made


def test_against_itself_it_passes(full, grown):
    assert judge(full, full)["exit"] == 0
    a, _ = grown(EVEN)
    verdict = judge(a, a)
    assert (verdict["exit"], verdict["regressions"], verdict["refused"]) == (0, [], [])


def test_a_regression_is_1(grown):
    verdict = judge(*grown([1.002] * 5))
    assert verdict["exit"] == 1 and len(verdict["regressions"]) == 2
    assert verdict["regressions"][0]["cell"] == CELL
    assert verdict["regressions"][0]["figures"] == "5150 -> 5160 (+0.200 %, interval [+0.200, +0.200])"
    assert gate.text(verdict)[0] == (f"REGRESSION: {CELL} per_page 5150 -> 5160 (+0.200 %, interval [+0.200, +0.200])"
                                     "; likewise per_fault"
                                     "; where it went is not in the rows: `--observe profile` says by function, "
                                     "`--probes off,phases` by phase")
    assert gate.text(verdict)[-2] == "floor 0 %: one build"
    assert gate.text(verdict)[-1].startswith("gate: REGRESSION; 2 figures against ")


def test_one_instruction_is_a_regression_of_one_build_and_of_two_is_none(synthetic, grown):
    one = judge(*grown([5151 / 5150] * 5))
    assert one["exit"] == 1 and [(found["floor"], found["builds"]) for found in one["regressions"]] == [(0, "one build")] * 2
    two = judge(*grown([5151 / 5150] * 5, builds=2))
    assert (two["exit"], two["refused"], two["floors"]) == (0, [], "floor 0.5 %: two builds")
    assert gate.text(two)[-2:] == ["floor 0.5 %: two builds", f"gate: pass; 2 figures against {two['baseline']}: 2 same"]
    assert [judge(*grown([factor] * 5, builds=2))["exit"] for factor in (1.004, 1.006)] == [0, 1]
    # what is asked for wins, and nothing is said of builds
    for builds in (1, 2):
        asked = judge(*grown([5151 / 5150] * 5, builds=builds), {"floors": {None: 0.1}})
        assert (asked["exit"], asked["floors"]) == (0, "") and len(gate.text(asked)) == 1
    assert judge(*grown([5151 / 5150] * 5, builds=2), {"floors": {"per_page": 0.01}})["exit"] == 1
    # one seed's accident is told from a change as ever: the median did not move
    assert judge(*grown([1, 1, 1.0001, 1, 1]))["exit"] == 0
    long = synthetic.load(synthetic.samples([synthetic.row(path=5000), synthetic.contest()], EVEN))
    lines = gate.text(judge(long, long))
    assert " ".join(" ".join(lines[:-1]).split()) == "floor 0 %: one build (per_page, per_fault, path), 5 % (slowdown), 1 points (starved)"
    assert max(map(len, lines[:-1])) <= 80


def test_an_improvement_passes_and_so_does_the_floor(grown):
    assert judge(*grown([0.9] * 5))["exit"] == 0
    assert judge(*grown([1.004] * 5, builds=2))["exit"] == 0
    assert judge(*grown([1.002] * 5), options={"floors": {None: 0.5}})["exit"] == 0


def test_a_tax_may_move_by_what_a_new_layout_of_our_binary_moves_it(synthetic):
    def of(tax):
        off, on = synthetic.pair()
        off["per_fault"], on["per_fault"] = 5000, 5000 + tax
        return synthetic.load(synthetic.samples([off, on], EVEN))

    assert judge(of(300), of(315), {"chosen": ["tax"]})["exit"] == 0
    assert judge(of(300), of(360), {"chosen": ["tax"]})["exit"] == 1


def test_a_regression_wins_over_a_reason_to_refuse(synthetic, grown):
    a, b = grown([1.002] * 5)
    b.context = {**b.context, "complete": False, "reason": "interrupted"}
    verdict = judge(a, b)
    assert verdict["exit"] == 1 and reasons(verdict) == [f"{b.path} is incomplete: interrupted"]


def test_the_phase_that_grew_is_named(synthetic, grown):
    off, on = synthetic.pair("map_sync", None, "hole")
    factor = 1.01

    def phases(sync, gap):
        return [{**phase, "mean": 9e9} for phase in synthetic.phases(map=800, sync=sync, unlock=gap)]

    rows = [off, {**on, "phases": phases(5000, 20)}]
    a, b = grown([factor] * 5, rows)
    for row in b.samples[on["name"]]:
        row["phases"] = phases(5600 + row["seed"], 70)
    verdict = judge(a, b)
    assert verdict["exit"] == 1
    # by hand: 5602 - 5000, the median over seeds 0 to 4; the mean, which holds the probes' cost, did not change
    assert verdict["regressions"][0]["phase"] == {"phase": "sync", "a": 5000, "b": 5602, "difference": 602}
    assert gate.text(verdict)[0].endswith("; phase sync grew most, by 602")


@pytest.mark.parametrize("factors, exit_code", [
    ([1], 0), ([1.004], 0), ([0.996], 0), ([1.006], 2), ([0.994], 2), ([1.004, 1.006], 2), ([1.5] * 4, 2)])
def test_too_few_seeds(grown, factors, exit_code):
    verdict = judge(*grown(factors, builds=2))
    assert judge(*grown(factors))["exit"] == (0 if factors == [1] else 2)  # of one build any difference is one
    assert verdict["exit"] == exit_code
    if exit_code:
        assert "fewer than 5 seeds" in reasons(verdict)[0]
        assert "--seeds 5" in verdict["refused"][0]["remedy"] and "--single" in verdict["refused"][0]["remedy"]


def with_paths(synthetic, factors, paths, **context):
    """The result of a cell under as many seeds as there are factors, of which the first have these paths."""
    samples = synthetic.samples([synthetic.row()], factors)
    for row, path in zip(samples, paths):
        row["path"] = path
    return synthetic.load(samples, **context)


def test_a_figure_that_few_samples_have_is_judged_by_the_one_it_repeats(synthetic):
    """per_page of five seeds stays within the floor; the path of the one that was observed grows by 0.6 %."""
    other = synthetic.other_build()
    a, b = with_paths(synthetic, EVEN, [5000]), with_paths(synthetic, [1.004] * 5, [5030], **other)
    verdict = judge(a, b)
    assert (verdict["exit"], verdict["refused"]) == (0, [])
    assert gate.text(verdict)[-1].endswith(": 1 differs, 2 same")
    assert judge(a, with_paths(synthetic, [1.006] * 5, [5030], **other))["exit"] == 1
    # with a limit it counts as whatever has too few seeds
    assert judge(a, b, single=0.5)["exit"] == 1 and judge(a, b, single=0.7)["exit"] == 0


@pytest.mark.parametrize("seeds, paths, options, remedy", [
    (5, 1, {"chosen": ["path"]}, "--observe-seeds 5"), (3, 1, {"chosen": ["path"]}, "--seeds 5 --observe-seeds 5"),
    (3, 1, {}, "--seeds 5 --observe-seeds 5"), (5, 4, {"chosen": ["path", "per_fault"]}, "--observe-seeds 5")])
def test_too_few_seeds_of_a_figure_that_only_some_have(synthetic, seeds, paths, options, remedy):
    a, b = (with_paths(synthetic, [factor] * seeds, [path] * paths, **context)
            for factor, path, context in ((1, 5000, {}), (1.004, 5030, synthetic.other_build())))
    verdict = judge(a, b, options)
    assert verdict["exit"] == 2 and len(verdict["refused"]) == 1
    assert verdict["refused"][0] == {
        "what": f"1 figure beyond the floor with fewer than 5 seeds, the most {CELL} path: 5000 -> 5030 (+0.600 %)",
        "remedy": f"measure both with {remedy}, or set a limit with --single PERCENT"}


def test_what_to_measure_of_a_tax_of_one_seed(synthetic):
    """As a run leaves it by default: five seeds, of which the first has probes."""
    def of(tax):
        off, on = synthetic.pair()
        return synthetic.load(synthetic.samples([off], EVEN) + synthetic.samples([{**on, "per_fault": off["per_fault"] + tax}], [1]))

    verdict = judge(of(300), of(360), {"chosen": ["per_page", "tax"]})
    assert verdict["exit"] == 2  # nothing else says what a tax says
    assert verdict["refused"][0]["remedy"] == "measure both with --probe-seeds 5, or set a limit with --single PERCENT"


def test_a_boot_has_one_sample_whatever_is_measured(synthetic):
    def of(ready):
        context = synthetic.context()
        context["kernels"]["6.1"]["boot"] = {"ext4": {"ready": ready}}
        return load.load(synthetic.save({"context": context, "benchmarks": [synthetic.row()]}))

    assert judge(of(2_000_000), of(2_200_000), {"chosen": ["boot"]})["refused"][0]["remedy"] == "set a limit with --single PERCENT"


@pytest.mark.parametrize("factors, exit_code", [
    ([1], 0), ([1.09], 0), ([0.5], 0), ([1.11], 1), ([1.11, 1.12], 1), ([1, 1.5], 1)])
def test_a_limit_for_too_few_seeds(grown, factors, exit_code):
    assert judge(*grown(factors), single=10)["exit"] == exit_code
    # it changes nothing where there are seeds enough
    assert judge(*grown([1.002] * 5), single=10)["exit"] == 1


def test_growth_that_one_seed_denies_is_refused(synthetic, grown):
    verdict = judge(*grown([1.01, 1.01, 1.01, 1.01, 0.999]))
    assert verdict["exit"] == 2 and "grew by more than the floor, but not under each seed" in reasons(verdict)[0]
    assert "--seeds 9" in verdict["refused"][0]["remedy"]
    growing = [5050, 5050, 5050, 5050, 4995]
    hidden = judge(with_paths(synthetic, [1] * 9, [5000] * 5), with_paths(synthetic, [1] * 9, growing))
    assert hidden["exit"] == 2 and hidden["refused"][0]["remedy"] == (
        "measure both with --observe-seeds 9, of which one may be an accident")
    assert judge(*grown([1, 1, 1.09, 1, 1]))["exit"] == 0  # one seed's accident is no growth of the median
    assert judge(*grown([0.99, 0.99, 0.99, 0.99, 1.001]))["exit"] == 0


def test_cells_that_are_missing_or_new(synthetic):
    one, two = synthetic.row(), synthetic.row("map_sync")
    a, b = synthetic.load([one, two]), synthetic.load([one])
    verdict = judge(a, b)
    assert verdict["exit"] == 2
    assert reasons(verdict) == ["in the baseline alone: 1 cell, the first is 6.1/ext4/map_sync/first_touch/"
                                "written/pte/t1"]
    assert judge(a, b, subset=True)["exit"] == 0
    new = judge(b, a)
    assert new["exit"] == 0 and len(new["new"]) == 1
    assert "new, not in the baseline: 1 cell" in gate.text(new)[0]


def test_rows_that_are_not_ok(synthetic):
    good, other = synthetic.row(), synthetic.row("map_sync")

    def exits(a, b):
        return judge(synthetic.load([good, a]), synthetic.load([good, b]))["exit"]

    for status in ("incomplete", "failed"):
        bad = synthetic.skip(other, "lost", status)
        assert (exits(other, bad), exits(bad, other), exits(bad, bad)) == (2, 2, 2)
    gone = synthetic.skip(other)
    assert (exits(gone, gone), exits(gone, other), exits(other, gone)) == (0, 0, 2)
    assert exits(gone, synthetic.skip(other, "hung", "failed")) == 2
    verdict = judge(synthetic.load([good, other]), synthetic.load([good, gone]))
    assert "is skipped in" in reasons(verdict)[0] and "the kernel has no such strategy" in reasons(verdict)[0]


def test_incomplete_on_either_side(synthetic):
    whole, part = synthetic.load([synthetic.row()]), synthetic.load([synthetic.row()], complete=False, reason="SIGINT")
    for a, b in ((whole, part), (part, whole)):
        assert judge(a, b)["exit"] == 2


def test_other_surroundings_are_refused_unless_asked(synthetic):
    qemu = {"version": "9.0", "binary_sha256": "a" * 64, "arguments": {}}
    a, b = synthetic.load([synthetic.row()]), synthetic.load([synthetic.row()], qemu=qemu)
    verdict = judge(a, b)
    assert verdict["exit"] == 2 and reasons(verdict) == ["the surroundings differ in qemu.version"]
    assert judge(a, b, across=True)["exit"] == 0
    under_test = synthetic.load([synthetic.row()], faultline={"version": "0.2", "git_revision": "1"})
    assert judge(a, under_test)["exit"] == 0
    host = {"cpu_model": "Z80", "kernel": "6.1.0", "memory_bytes": 1}
    assert judge(a, synthetic.load([synthetic.row()], host=host))["exit"] == 0


def test_other_work_is_refused(synthetic):
    verdict = judge(synthetic.load([synthetic.row()]), synthetic.load([synthetic.row(touches=1024)]))
    assert verdict["exit"] == 2 and "not the same work" in reasons(verdict)[0]


def test_nothing_in_common(synthetic):
    empty = synthetic.load([])
    for a, b in ((empty, empty), (empty, synthetic.load([synthetic.row()]))):
        verdict = judge(a, b)
        assert verdict["exit"] == 2 and "no figure in common" in reasons(verdict)[-1]


def test_wall_with_few_repetitions(synthetic):
    def result(factors):
        return synthetic.wall_result(synthetic.samples([synthetic.row()], factors, repetitions=True))

    verdict = judge(result([1] * 9), result([1] * 10))
    assert verdict["exit"] == 2 and "2 figures of 9 repetitions: the noise floor is unknown" in reasons(verdict)[0]
    assert judge(result([1] * 10), result([1] * 10))["exit"] == 0
    assert judge(result([1] * 10), result([1.5] * 10))["exit"] == 1
    assert judge(result([1]), result([1.5]), single=10)["exit"] == 1
    # unclear is what noise looks like: no reason to refuse
    noise = [1, 1.05, 0.95, 1.1, 0.9, 1.02, 0.98, 1.07, 0.93, 1.0]
    assert judge(result(noise), result([x + 0.02 for x in noise]))["exit"] == 0


def test_many_reasons_are_cut_short(synthetic):
    rows = [synthetic.row(workload=f"w{index}") for index in range(30)]
    bad = [synthetic.skip(row, "hung", "failed") for row in rows]
    verdict = judge(synthetic.load(rows), synthetic.load(bad))
    text = gate.text(verdict)
    assert len(verdict["refused"]) == 31 and len(text) == 22
    assert text[-2] == "REFUSED: and 11 more (--json lists all)"


def test_explain(synthetic, grown):
    off, on = synthetic.pair("map_sync", None, "hole")
    on["phases"] = synthetic.phases(map=1000, sync=4000)
    a, b = grown([1.01] * 5, [off, on, synthetic.row()])
    for row in b.samples[on["name"]]:
        row["phases"] = synthetic.phases(sync=4500, map=900, flush=294.1)
    data = compare.compare(a, b)
    found = explain.explain(a, b, data, "*/map_sync/*")
    # by hand: the fault costs 69410 (17882 + 51528), 1 % more is 694.1
    assert [(e["phase"], e["a"], e["b"], e["difference"], round(e["share"], 2)) for e in found[0]["phases"]] == [
        ("sync", 4000, 4500, 500, 72.04), ("flush", 0, 294.1, 294.1, 42.37), ("map", 1000, 900, -100, -14.41)]
    assert found[0]["missing"] == []
    both = explain.explain(a, b, data)
    assert [entry["cell"] for entry in both] == [on["name"][:-3], CELL]
    assert both[1]["missing"] == [a.path, b.path]
    text = explain.text(both, data)
    assert "sync 4000 4500 +500 +72.0" in [" ".join(line.split()) for line in text.splitlines()]
    assert "no phases in" in text and "--probes off,phases" in text.replace("\n    ", " ")
    assert "or on both sides with `--observe profile` (by function, to the instruction)" in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())


def observed(row, functions):
    """The row, as if the observer had seen these functions in 10 pages of it."""
    row["path"] = row["per_page"] = sum(functions.values()) / 10
    row["profile"] = {"total": sum(functions.values()), "pages": 10, "unattributed": 0, "parties": {},
                      "functions": [list(one) for one in functions.items()]}


def test_explain_by_functions_of_observed_cells(synthetic, grown):
    a, b = grown([1.01] * 5, [synthetic.row()])
    for row in a.samples[CELL + "/off"]:
        observed(row, {"walk": 10000, "map": 500})
    for row in b.samples[CELL + "/off"]:
        observed(row, {"walk": 10000 + row["seed"], "zero": 1500})
    data = compare.compare(a, b)
    # by hand: the seeds 0 to 4 differ by 100 to 100.4, of which the third is the middle
    found = explain.explain(a, b, data)[0]
    assert found["missing"] == []
    assert found["exact"]["seed"] == 2
    assert [(e["function"], e["a"], e["b"], round(e["difference"], 9)) for e in found["exact"]["functions"]] == [
        ("zero", 0, 150, 150), ("map", 50, 0, -50), ("walk", 1000, 1000.2, 0.2)]
    assert round(sum(e["difference"] for e in found["exact"]["functions"]), 9) == round(found["exact"]["difference"], 9)
    text = [" ".join(line.split()) for line in explain.text([found], data).splitlines()]
    assert "zero 0 150 +150" in text and "in all, per page 1050 1150 +100.2" in text, text
    verdict = gate.gate(a, b, data)
    assert verdict["regressions"][0]["function"]["function"] == "zero"
    assert "function zero grew most, by 150" in gate.text(verdict)[0]
    assert explain.grown_function({}, None) is None


def test_the_path_is_compared_where_both_sides_have_it(synthetic, grown):
    a, b = grown([1] * 5, [synthetic.row()])
    for row in b.samples[CELL + "/off"]:
        observed(row, {"walk": round(row["per_page"] * 10)})
    data = compare.compare(a, b)
    assert "path" not in {row["metric"] for row in data["rows"]} and data["not_comparable"] == []
    data = compare.compare(b, a)
    assert data["not_comparable"] == []
    assert "path" in {row["metric"] for row in compare.compare(b, b)["rows"]}


def test_explain_says_which_side_lacks_phases(synthetic, grown):
    off, on = synthetic.pair()
    a, b = grown([1.01] * 5, [off, on])
    for row in b.samples[on["name"]]:
        row["phases"] = synthetic.phases(sync=None, map=3)
    assert explain.explain(a, b, compare.compare(a, b))[0]["missing"] == [a.path]
    assert explain.explain(a, a, compare.compare(a, a)) == []
    assert "nothing to explain" in explain.text([], compare.compare(a, a))
    nothing = explain.text([], {**compare.compare(a, a), "rows": []})
    assert "nothing was compared" in nothing and "no cell changed" not in nothing


def test_no_phase_is_blamed_that_did_not_grow():
    assert explain.grown([]) is None
    assert explain.grown([{"phase": "map", "difference": 0}, {"phase": "sync", "difference": -3}]) is None
    assert explain.grown([{"phase": "map", "difference": 1}])["phase"] == "map"
    assert explain.phases({}, {"map": {(0, 0): 1}}, True) == explain.phases(None, None, True) == []
    # not paired: the difference of the medians, 5 - 3
    assert explain.phases({"map": {(0, 0): 1, (0, 1): 3, (0, 2): 9}}, {"map": {(0, 0): 5}}, False)[0]["difference"] == 2
    # paired: the median of 4 - 1 and 5 - 3
    assert explain.phases({"map": {(0, 0): 1, (1, 0): 3, (2, 0): 9}}, {"map": {(0, 0): 4, (1, 0): 5}}, True)[0][
        "difference"] == 2.5


def test_no_function_is_blamed_that_did_not_grow(synthetic):
    def seen(**functions):
        row = synthetic.row()
        observed(row, functions)
        return {(0, 0): row}

    assert explain.grown_function(seen(walk=100, map=50), seen(walk=100, map=40)) is None
    assert explain.grown_function(seen(walk=100, map=50), seen(walk=110, map=10))["function"] == "walk"


def test_phases_of_two_kernels(synthetic):
    def of(kernel, net):
        off, on = synthetic.pair(kernel=kernel)
        on["phases"] = synthetic.phases(sync=net)
        context = synthetic.context()
        context["kernels"] = {kernel: context["kernels"]["6.1"]}
        context["qemu"]["arguments"] = {}
        rows = synthetic.samples([off, on], [1 + net / 1000] * 5)
        return load.load(synthetic.save({"context": context, "benchmarks": rows}))

    a, b = of("6.1", 10), of("6.2", 40)
    verdict = judge(a, b, options={"kernels": ("6.1", "6.2")})
    assert verdict["exit"] == 1 and verdict["regressions"][0]["phase"]["difference"] == 30


def test_results_are_left_as_they_were(synthetic, grown):
    a, b = grown([1.002] * 5)
    before = copy.deepcopy((a, b))
    judge(a, b)
    assert (a, b) == before


def test_functions_are_shares_of_the_cost_by_their_own_samples():
    before = {("fault", "walk", "find"): 30, ("fault", "walk"): 60, ("fault", "clear"): 10}
    after = {("fault", "walk", "find"): 30, ("fault", "walk"): 20, ("fault", "burn"): 50}
    found = explain.functions(before, after, 1000, 2000)
    assert [(e["function"], e["a"], e["b"], e["difference"]) for e in found] == [
        ("burn", 0, 1000, 1000), ("find", 300, 600, 300), ("walk", 600, 400, -200), ("clear", 100, 0, -100)]


def test_explain_names_functions(synthetic, grown, tmp_path):
    a, b = grown([1.05] * 5, [synthetic.row("map_sync", None, "hole"), synthetic.row("map_sync", None, "hole", fs="xfs")])
    for side, burn in (("a", ""), ("b", "fault;burn 50\n")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "6.1-ext4-map_sync-first_touch-hole.folded").write_text("fault;walk 950\n" + burn)
    data = compare.compare(a, b)
    perf = [str(tmp_path / "a"), str(tmp_path / "b")]
    [entry] = explain.explain(a, b, data, "6.1/ext4/*", perf)
    assert entry["functions"][0]["function"] == "burn"
    assert entry["functions"][0]["difference"] > 0
    assert "burn" in explain.text([entry], data)
    other = explain.explain(a, b, data, "6.1/xfs/*", perf)[0]
    assert other["functions"] == []
    assert len(other["missing_perf"]) == 2
    assert "faultline perf --out" in " ".join(explain.text([other], data).split())
