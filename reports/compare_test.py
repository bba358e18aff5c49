# SPDX-License-Identifier: GPL-2.0-only
"""What a comparison says of two results whose difference is known."""

import copy

import pytest

import compare
import load
import metrics

CELL = "6.1/ext4/volatile/first_touch/written/pte/t1"
EVEN = [1, 1, 1, 1, 1]
# The same work under five seeds, as in trials: layout and tick phase move a cell by hundredths of a percent.
SEEDS = [1, 1.0002, 0.9998, 1.0001, 1.0003]


@pytest.fixture
def two(synthetic):
    """function(factors of A, factors of B, rows) -> the comparison of rows that differ by these factors."""
    def made(of_a, of_b, rows=None, wall=False, builds=1, **options):
        rows = rows or [synthetic.row()]
        results = []
        for factors, context in ((of_a, {}), (of_b, synthetic.other_build() if builds == 2 else {})):
            samples = synthetic.samples(rows, factors, wall)
            results.append((synthetic.wall_result if wall else synthetic.load)(samples, **context))
        return compare.compare(*results, **options)
    return made


def only(data, metric="per_page", cell=CELL):
    found = [row for row in data["rows"] if (row["cell"], row["metric"]) == (cell, metric)]
    assert len(found) == 1
    return found[0]


def test_identical_inputs_are_exactly_zero(full):
    data = compare.compare(full, full)
    assert data["counts"] == {"regression": 0, "improvement": 0, "unclear": 0, "differs": 0, "unknown": 0, "same": 0,
                              "identical": 264}
    assert all((row["difference"], row["percent"], row["low"], row["high"]) == (0, 0, 0, 0) for row in data["rows"])
    assert data["only_a"] == data["only_b"] == data["not_comparable"] == data["environment"] == []
    assert len(data["not_measured"]) == 6  # three cells, both sides


@pytest.mark.parametrize("seeds", [1, 2, 5, 9])
def test_identical_with_any_number_of_seeds(two, seeds):
    data = two((SEEDS * 2)[:seeds], (SEEDS * 2)[:seeds])
    assert only(data)["verdict"] == "identical" and only(data)["pairs"] == seeds


def test_a_regression_of_half_a_percent(two):
    # by hand: volatile, written costs 5150; 5150 * 1.005 = 5175.75; each seed grows by 0.5 %
    row = only(two(EVEN, [1.005] * 5))
    assert (row["a"], row["verdict"], row["pairs"], row["samples"]) == (5150, "regression", 5, [5, 5])
    assert row["b"] == pytest.approx(5175.75) and row["difference"] == pytest.approx(25.75)
    assert [row["percent"], row["low"], row["high"]] == pytest.approx([0.5] * 3)
    assert row["confidence"] == 0.9375 and row["p"] == 0.0625


def test_an_improvement_is_the_other_way_round(two):
    row = only(two([1.005] * 5, EVEN))
    assert row["verdict"] == "improvement" and row["percent"] == pytest.approx(-0.4975124)
    assert row["b"] == 5150


def test_each_seed_is_compared_with_itself(two):
    # Seeds spread over 9 %, and each grows by 0.2 %: no overlap of the sides matters
    spread = [1, 1.02, 1.04, 1.06, 1.09]
    row = only(two(spread, [x * 1.002 for x in spread]))
    assert row["verdict"] == "regression"
    assert [row["low"], row["high"]] == pytest.approx([0.2, 0.2])
    # in another order they are other seeds: 4.9 % less to 9 % more
    assert only(two(spread, [x * 1.002 for x in (1.09, 1, 1.02, 1.04, 1.06)]))["verdict"] == "unclear"


def test_the_percentage_is_of_the_first_side(two):
    # by hand: growth from 4 to 5 is 25 %, from 5 to 4 it is -20 %
    assert only(two([1] * 5, [1.25] * 5))["percent"] == pytest.approx(25)
    assert only(two([1.25] * 5, [1] * 5))["percent"] == pytest.approx(-20)


def test_the_median_stands_between(two):
    row = only(two(EVEN, [1.001, 1.002, 1.003, 1.004, 1.09]))
    assert row["percent"] == pytest.approx(0.3) and row["b"] == pytest.approx(5150 * 1.003)
    assert [row["low"], row["high"]] == pytest.approx([0.1, 9])


def test_the_floor(two):
    # 0.4 % under each seed: the interval is above 0, the difference does not count
    assert only(two(EVEN, [1.004] * 5, builds=2))["verdict"] == "same"
    assert only(two(EVEN, [1.006] * 5, builds=2))["verdict"] == "regression"
    assert only(two([1.006] * 5, EVEN, builds=2))["verdict"] == "improvement"
    assert only(two(EVEN, [1.0011] * 5, floors={None: 0.2}))["verdict"] == "same"
    assert only(two(EVEN, [1.0011] * 5, floors={"per_page": 0.2}))["verdict"] == "same"
    assert only(two(EVEN, [1.0011] * 5, floors={"per_fault": 0.2}))["verdict"] == "regression"
    assert only(two(EVEN, [1.0009] * 5, floors={None: 0}))["verdict"] == "regression"
    assert only(two(EVEN, [1.0011] * 5, floors={None: 1, "per_page": 0.05}))["verdict"] == "regression"


def test_of_one_build_any_difference_counts(two):
    """By hand: 5151 of 5150 are 0.0194 % more."""
    data = two(EVEN, [5151 / 5150] * 5)
    assert [(row["metric"], row["floor"], row["builds"], row["verdict"]) for row in data["rows"]] == [
        ("per_page", 0, "one build", "regression"), ("per_fault", 0, "one build", "regression")]
    assert only(data)["difference"] == pytest.approx(1)
    data = two(EVEN, [5151 / 5150] * 5, builds=2)
    assert [(row["metric"], row["floor"], row["builds"], row["verdict"]) for row in data["rows"]] == [
        ("per_page", 0.5, "two builds", "same"), ("per_fault", 0.5, "two builds", "same")]
    # what is said to count is not asked of the builds
    for builds in (1, 2):
        row = only(two(EVEN, [5151 / 5150] * 5, builds=builds, floors={None: 0.1}))
        assert (row["floor"], row["builds"], row["verdict"]) == (0.1, None, "same")
    data = two(EVEN, [1.004] * 5, floors={"per_page": 0})
    assert [(row["floor"], row["builds"]) for row in data["rows"]] == [(0, None), (0, "one build")]
    data = two([1] * 10, [1] * 10, wall=True)
    assert [(row["floor"], row["builds"]) for row in data["rows"]] == [(1, None), (1, None)]


def test_path_hangs_on_the_build_and_a_tax_a_contest_a_phase_and_a_boot_do_not(synthetic):
    off, on = synthetic.pair()
    rows = [{**off, "path": 5000}, {**on, "phases": synthetic.phases(sync=600)}, synthetic.contest()]
    context = synthetic.context()["kernels"]["6.1"]
    result = synthetic.load(rows, kernels={"6.1": {**context, "boot": {"ext4": {"ready": 2_000_000}}}})
    found = {row["metric"]: (row["floor"], row["builds"]) for row in compare.compare(result, result, list(metrics.IDS))["rows"]}
    assert found == {"per_page": (0, "one build"), "per_fault": (0, "one build"), "path": (0, "one build"), "slowdown": (5, None),
                     "starved": (1, None), "tax": (pytest.approx(0.4 * 5150 / 497), None), "phase.sync": (1, None), "boot": (0.5, None)}


@pytest.mark.parametrize("a, b, builds", [
    ({}, {}, "one build"), ({"image_sha256": "9" * 64}, {}, "two builds"),
    # an image holds no more of a kernel than its modules
    ({}, {"vmlinuz_sha256": "9" * 64}, "two builds"), ({}, {"qemu": "9" * 64}, "two builds"),
    # what is not said is not known to be equal, were it so on both sides
    ({"image_sha256": None}, {"image_sha256": None}, "two builds"), ({}, {"image_sha256": None}, "two builds"),
    ({"qemu": None}, {"qemu": None}, "two builds"), ({"vmlinuz_sha256": None}, {"vmlinuz_sha256": None}, "two builds"),
    # the second image holds the module too: where only one side had a cell of it, nothing of it is compared
    ({"module": "8"}, {"module": "8"}, "one build"), ({"module": "8"}, {"module": "9"}, "two builds"), ({"module": "8"}, {}, "one build"),
    # what the host or a revision is called says nothing of the guest
    ({"release": "6.1.0"}, {"release": "6.1.1"}, "one build")])
def test_what_one_build_is(synthetic, a, b, builds):
    def of(changes):
        context = synthetic.context()
        about = context["kernels"]["6.1"]
        changes = dict(changes)
        if "qemu" in changes:
            context["qemu"]["binary_sha256"] = changes.pop("qemu")
        if "module" in changes:
            about["module"] = {"sha256": "1", "compiler": "gcc", "image_sha256": changes.pop("module")}
        about.update(changes)
        return load.load(synthetic.save({"context": context, "benchmarks": [synthetic.row()]}))
    assert {row["builds"] for row in compare.compare(of(a), of(b))["rows"]} == {builds}


def test_of_a_pair_of_kernels_the_builds_are_theirs(synthetic):
    """Planted delays share an image; another kernel has one of its own, whichever faultline it is."""
    def of(kernel, **changes):
        return synthetic.load(synthetic.samples([synthetic.row(kernel=kernel)], EVEN), kernels={
            **synthetic.context()["kernels"], kernel: {**synthetic.context()["kernels"]["6.1"], **changes}})
    plain, planted, other = of("6.1+200"), of("6.1+201"), of("7.3", image_sha256="9" * 64, vmlinuz_sha256="8" * 64)

    def builds(a, b, kernels=None):
        return {row["builds"] for row in compare.compare(a, b, kernels=kernels)["rows"]}
    assert builds(plain, planted) == builds(plain, planted, ("6.1+200", "6.1+201")) == builds(other, other) == {"one build"}
    assert builds(plain, other) == builds(other, planted, ("7.3", "6.1+201")) == {"two builds"}
    both = load.make_result("both", {**plain.context, "kernels": {**plain.context["kernels"], **other.context["kernels"]}},
                            {**plain.samples, **other.samples}, [*plain.parts, *other.parts])
    assert builds(both, both, ("6.1+200", "7.3")) == {"two builds"} and builds(both, both) == {"one build"}
    again = of("7.3", image_sha256="7" * 64, vmlinuz_sha256="8" * 64)  # parts of two builds: which row is of which is not known
    mixed = load.make_result("mixed", other.context, other.samples, [*other.parts, *again.parts])
    assert builds(mixed, mixed) == builds(mixed, other) == {"two builds"}
    kernels = compare.compare(both, load.make_result("b", both.context, both.samples, [*plain.parts, *again.parts]))["rows"]
    assert {(row["cell"].split("/")[0], row["builds"]) for row in kernels} == {("6.1+200", "one build"), ("7.3", "two builds")}


def test_one_seed_out_of_line_is_no_verdict(two):
    # as in trials: one cell of 96 jumped by 9 % when only the tick phase moved
    assert only(two(EVEN, [1, 1, 1.09, 1, 1]))["verdict"] == "unclear"
    assert only(two(EVEN, [1, 1, 0.91, 1, 1]))["verdict"] == "unclear"
    # and neither does it call the others the same
    row = only(two(EVEN, [1.0002, 1.0001, 1.09, 1.0003, 1.0002], builds=2))
    assert (row["verdict"], row["low"] > 0) == ("unclear", True)
    # four of five grow: the fifth denies it
    assert only(two(EVEN, [1.01, 1.01, 1.01, 1.01, 0.999]))["verdict"] == "unclear"


def test_with_nine_seeds_one_may_be_out_of_line(two):
    nine = [1.01] * 8 + [0.9]
    row = only(two([1] * 9, nine))
    assert row["verdict"] == "regression" and row["confidence"] == pytest.approx(0.9609375)
    assert only(two([1] * 8, nine[1:]))["verdict"] == "unclear"


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_with_few_seeds_there_is_no_interval(two, seeds):
    row = only(two([1] * seeds, [1.5] * seeds))
    assert (row["verdict"], row["low"], row["high"], row["p"]) == ("differs", None, None, None)
    assert row["percent"] == pytest.approx(50)


def test_only_common_seeds_are_paired(synthetic):
    rows = synthetic.samples([synthetic.row()], SEEDS)
    more = synthetic.samples([synthetic.row()], [x * 1.01 for x in SEEDS] + [3, 4])
    row = only(compare.compare(synthetic.load(rows), synthetic.load(more)))
    assert (row["pairs"], row["samples"], row["verdict"]) == (5, [5, 7], "regression")
    assert row["high"] == pytest.approx(1)
    apart = compare.compare(synthetic.load(rows[:2]), synthetic.load(more[5:]))
    assert apart["rows"] == [] and apart["not_comparable"][0] == {"cell": CELL, "metric": "per_page",
                                                                  "reason": "no seed in common"}


def test_order_in_the_file_does_not_matter(synthetic):
    rows = synthetic.samples([synthetic.row()], [1, 1.02, 1.04, 1.06, 1.09])
    data = compare.compare(synthetic.load(rows), synthetic.load(rows[::-1]))
    assert only(data)["verdict"] == "identical"


def test_the_twin_without_probes_is_compared(synthetic):
    a, b = synthetic.load(synthetic.pair()), synthetic.load(synthetic.pair())
    b.samples[CELL + "/on"][0]["per_page"] *= 2
    assert only(compare.compare(a, b))["verdict"] == "identical"
    on = compare.compare(*[synthetic.load([synthetic.row(probes="on")]) for _ in "ab"])
    assert only(on)["probed"] is True
    mixed = compare.compare(synthetic.load([synthetic.row(probes="on")]), a)
    assert mixed["rows"] == []
    assert [x["reason"] for x in mixed["not_comparable"]] == ["the figures are with probes on and off: there is no "
                                                              "twin"] * 2


def test_nothing_is_dropped(synthetic):
    rows = [synthetic.row(), synthetic.row("map_sync"), synthetic.row("fsync", 8), synthetic.row("fsync", 64),
            synthetic.row("msync", 1)]
    lost = [synthetic.row(), synthetic.skip(rows[1], "3 samples dropped", "incomplete"), synthetic.row("fsync", 8),
            synthetic.row("msync", 8), {**rows[4], "touches": 1024}]
    a, b = synthetic.load(rows), synthetic.load(lost, complete=False, reason="interrupted")
    data = compare.compare(a, b)
    places = [{row["cell"] for row in data["rows"]}, set(data["only_a"]), set(data["only_b"]),
              {bad["cell"] for bad in data["not_measured"]}, {apart["cell"] for apart in data["not_comparable"]}]
    assert sorted(len(place) for place in places) == [1, 1, 1, 1, 2]
    assert set().union(*places) == {name.rpartition("/")[0] for result in (a, b) for name in result.rows}
    assert data["only_a"] == ["6.1/ext4/fsync:64/first_touch/written/pte/t1"]
    assert data["only_b"] == ["6.1/ext4/msync:8/first_touch/written/pte/t1"]
    assert data["not_measured"] == [{"cell": "6.1/ext4/map_sync/first_touch/written/pte/t1", "side": "b",
                                     "status": "incomplete", "reason": "3 samples dropped"}]
    assert data["not_comparable"][0]["reason"] == "not the same work: touches 2048 and 1024"
    assert data["incomplete"] == [{"side": "b", "reason": "interrupted"}]


def test_a_cell_without_the_figure_is_listed(synthetic):
    off, on = synthetic.pair()
    other = synthetic.row("map_sync")
    data = compare.compare(synthetic.load([off, on, other]), synthetic.load([off, on, other]), ["tax"])
    assert [row["cell"] for row in data["rows"]] == [CELL]
    assert data["not_comparable"] == [{"cell": "6.1/ext4/map_sync/first_touch/written/pte/t1", "metric": "tax",
                                       "reason": "was not measured on either side"}]
    one = compare.compare(synthetic.load([off, on]), synthetic.load([off]), ["tax"])
    assert one["only_a"] == [CELL] and one["not_comparable"] == []
    # a contest has no per_page to be compared: nothing is missing
    contest = synthetic.load([synthetic.contest(), off])
    assert compare.compare(contest, contest, ["per_page"])["not_comparable"] == []
    assert compare.compare(contest, contest, ["tax"], pattern="*/xfs/*")["not_comparable"] == []


def test_one_bad_seed_makes_the_cell_incomplete(synthetic):
    rows = synthetic.samples([synthetic.row()], EVEN)
    bad = copy.deepcopy(rows)
    bad[3] = synthetic.skip(bad[3], "1 missed", "incomplete")
    for a, b, side in ((rows, bad, "b"), (bad, rows, "a")):
        data = compare.compare(synthetic.load(a), synthetic.load(b))
        assert data["rows"] == [] and data["not_measured"][0]["side"] == side
    # a loss in the row with probes is a loss of the cell
    off, on = synthetic.pair()
    data = compare.compare(synthetic.load([off, on]), synthetic.load([off, synthetic.skip(on, "lost", "incomplete")]))
    assert data["rows"] == [] and data["not_measured"][0]["reason"] == "lost"
    # a probe that this kernel does not have is none
    skipped = [off, synthetic.skip(on, "no such function")]
    assert only(compare.compare(synthetic.load(skipped), synthetic.load(skipped)))["verdict"] == "identical"


@pytest.mark.parametrize("field, value", [("pages", 4096), ("mapped_order", "pmd"), ("dax", False), ("map_sync", True),
                                          ("vcpus", 2), ("line_flush", "clwb")])
def test_figures_of_other_work_are_not_compared(synthetic, field, value):
    data = compare.compare(synthetic.load([synthetic.row()]), synthetic.load([synthetic.row(**{field: value})]))
    assert data["rows"] == [] and len(data["not_comparable"]) == 2
    assert f"not the same work: {field} " in data["not_comparable"][0]["reason"]


def test_virtual_and_wall_are_never_compared(synthetic):
    a, b = synthetic.load([synthetic.row()]), synthetic.wall_result([synthetic.row()])
    for pair in ((a, b), (b, a)):
        with pytest.raises(load.ReportError, match="never mixed"):
            compare.compare(*pair)


@pytest.mark.parametrize("change, field, weight", [
    (lambda c: c["kernels"]["6.1"].update(vmlinuz_sha256="9" * 64), "kernels.6.1.vmlinuz_sha256", "subject"),
    (lambda c: c["kernels"]["6.1"].update(image_sha256="9" * 64), "kernels.6.1.image_sha256", "subject"),
    (lambda c: c["kernels"]["6.1"].update(command_line="mitigations=off"), "kernels.6.1.command_line", "surroundings"),
    (lambda c: c["kernels"]["6.1"].update(cpu_model="other"), "kernels.6.1.cpu_model", "surroundings"),
    (lambda c: c["faultline"].update(git_revision="fe"), "faultline.git_revision", "subject"),
    (lambda c: c["qemu"].update(version="9.0"), "qemu.version", "surroundings"),
    (lambda c: c["file_systems"]["ext4"].update(mkfs="mkfs"), "file_systems.ext4.mkfs", "surroundings"),
    (lambda c: c["host"].update(cpu_model="Z80"), "host.cpu_model", "harmless")])
def test_environments(synthetic, change, field, weight):
    context = synthetic.context()
    change(context)
    a = synthetic.load([synthetic.row()])
    b = load.load(synthetic.save({"context": context, "benchmarks": [synthetic.row()]}))
    found = compare.compare(a, b)["environment"]
    assert [(entry["field"], entry["weight"]) for entry in found] == [(field, weight)]
    assert found[0]["a"] != found[0]["b"]


def of_options(synthetic, *notes):
    context = synthetic.context()
    if notes:
        context["kernels"]["6.1"]["config_notes"] = list(notes)
    return load.load(synthetic.save({"context": context, "benchmarks": [synthetic.row()]}))


@pytest.mark.parametrize("a, b, words", [
    (("HZ is 1000: ticks",), (), ["A: HZ is 1000: ticks"]),
    ((), ("HZ is 1000: ticks",), ["B: HZ is 1000: ticks"]),
    (("SMP is not set: locks", "HZ is 100: ticks"), ("SMP is not set: locks", "HZ is 1000: ticks", "RT is y: locks"),
     ["A: HZ is 100: ticks", "B: HZ is 1000: ticks", "B: RT is y: locks"]),
    (("HZ is 100: ticks",), ("HZ is 100: ticks",), [])])
def test_options_that_make_the_path_another_one_are_told(synthetic, a, b, words):
    entries = compare.compare(of_options(synthetic, *a), of_options(synthetic, *b))["environment"]
    assert [note for entry in entries for note in compare.config_notes(entry)] == words
    assert [entry["weight"] for entry in entries] == ["subject"] * bool(words)


def test_another_host_matters_to_wall_time(synthetic):
    host = {"cpu_model": "Z80", "kernel": "6.1.0", "memory_bytes": 8 << 30}
    a, b = synthetic.wall_result([synthetic.row()]), synthetic.wall_result([synthetic.row()], host=host)
    assert [entry["weight"] for entry in compare.compare(a, b)["environment"]] == ["surroundings"]


def test_a_section_calls_a_kernel_by_its_version(synthetic):
    def of(kernel, release):
        context = synthetic.context()
        context["kernels"][kernel] = {**context["kernels"].pop("6.1"), "release": release}
        context["qemu"]["arguments"] = {kernel: context["qemu"]["arguments"]["6.1"]}
        return load.load(synthetic.save({"context": context, "benchmarks": [synthetic.row(kernel=kernel)]}))

    def called(a, b):
        data = compare.compare(a, b)
        assert compare.section_text(data, data["rows"][0]["section"])[1:] == ["ext4", "first_touch", "pte", "t1"]
        return compare.section_text(data, data["rows"][0]["section"])[0]
    old, new = of("bookworm", "6.1.0-56-cloud-amd64"), of("trixie", "6.12.1-amd64")
    assert called(old, new) == "6.1 (bookworm) to 6.12 (trixie)"
    assert called(old, of("bookworm", "6.1.0-57-cloud-amd64")) == "6.1 (bookworm)"
    assert called(of("mine", "6.9.0"), of("mine", "6.10.0")) == "6.9 (mine) to 6.10 (mine)"


def test_two_kernels(synthetic):
    def of(kernel, factor):
        rows = synthetic.samples([synthetic.row(kernel=kernel)], [factor] * 5)
        context = synthetic.context()
        context["kernels"][kernel] = {**context["kernels"].pop("6.1"), "release": kernel}
        context["qemu"]["arguments"] = {kernel: context["qemu"]["arguments"]["6.1"]}
        return load.load(synthetic.save({"context": context, "benchmarks": rows}))

    a, b = of("6.1", 1), of("7.3", 1.02)
    data = compare.compare(a, b, kernels=("6.1", "7.3"))
    assert data["paired"] == "" and data["called"] == {"6.1=7.3": "6.1 to 7.3"}
    assert [row["verdict"] for row in data["rows"]] == ["regression"] * 2
    assert data["rows"][0]["cell"] == "6.1=7.3/ext4/volatile/first_touch/written/pte/t1"
    assert [entry["field"] for entry in data["environment"]] == ["kernels.6.1=7.3.release"]
    assert data["only_a"] == data["only_b"] == []
    # one result may hold both: the cells of other kernels are not asked for
    both = load.load(synthetic.save({"context": {**a.context, "kernels": {**a.context["kernels"],
                                                                          **b.context["kernels"]}},
                                     "benchmarks": [row for result in (a, b) for rows in result.samples.values()
                                                    for row in rows]}))
    again = compare.compare(both, both, kernels=("6.1", "7.3"))
    assert [(row["cell"], row["verdict"]) for row in again["rows"]] == [
        (row["cell"], row["verdict"]) for row in data["rows"]] and again["only_a"] == again["only_b"] == []
    assert compare.compare(both, b)["only_a"] == ["6.1/ext4/volatile/first_touch/written/pte/t1"]  # 7.3 is in both
    # neither of the two can be meant alone: the pair must be named
    data = compare.compare(both, of("5.10", 1))
    assert data["rows"] == [] and data["paired"] == ""
    assert data["hint"] == ("the cells are of kernel 6.1, 7.3 and of kernel 5.10: to compare two kernels, name both: "
                            "--kernels OLD=NEW")
    with pytest.raises(load.ReportError, match="holds no cell of kernel '5.10'; it has 7.3"):
        compare.compare(a, b, kernels=("6.1", "5.10"))


def test_a_pattern_of_cells(full):
    data = compare.compare(full, full, pattern="*/xfs/fsync:8/*")
    assert {row["cell"].split("/")[2] for row in data["rows"]} == {"fsync:8"} and len(data["rows"]) == 6
    assert data["not_measured"] == []


def test_metrics(synthetic):
    with pytest.raises(load.ReportError, match="no metric 'speed'; there are per_page, per_fault"):
        metrics.choose(["speed"])
    assert [metric.id for metric in metrics.choose([])] == ["per_page", "per_fault", "path", "slowdown", "starved"]

    def result(tax, ready):
        off, on = synthetic.pair()
        on["per_fault"] = off["per_fault"] + tax
        on["phases"] = synthetic.phases(sync=600 + tax, map=None)
        context = synthetic.context()
        context["kernels"]["6.1"]["boot"] = {"ext4": {"hello": 1, "ready": ready, "boot_s": 2.5}}
        return load.load(synthetic.save({"context": context,
                                         "benchmarks": synthetic.samples([off, on], lambda row: EVEN)}))

    data = compare.compare(result(500, 2_000_000), result(550, 2_200_000), ["tax", "boot", "phase"])
    # by hand: 550 / 500, 1150 / 1100, 2.2 / 2.0
    assert [(row["cell"], row["metric"], row["verdict"]) for row in data["rows"]] == [
        (CELL, "tax", "regression"), (CELL, "phase.sync", "regression"), ("6.1/ext4/boot", "boot", "differs")]
    assert [row["percent"] for row in data["rows"]] == pytest.approx([10, 50 / 11, 10])
    assert data["environment"] == []


def taxed(synthetic, tax, figure, threads=1):
    off, on = synthetic.pair(threads=threads)
    key = "per_fault" if threads == 1 else "per_page"
    off[key], on[key] = figure, figure + tax
    return synthetic.load(synthetic.samples([off, on], EVEN))


# by hand: 0.4 % of 5000 are 20, 6.67 % of a tax of 300 and 0.67 % of one of 3000; of 10 000 they are 40, more than 10 %
@pytest.mark.parametrize("figure, a, b, floor, verdict", [
    (5000, 300, 315, 20 / 3, "same"), (5000, 300, 319, 20 / 3, "same"), (5000, 300, 321, 20 / 3, "regression"),
    (5000, 300, 360, 20 / 3, "regression"), (5000, 300, 285, 20 / 3, "same"), (5000, 300, 240, 20 / 3, "improvement"),
    (5000, 3000, 3045, 2, "same"), (5000, 3000, 3075, 2, "regression"),
    (10000, 300, 329, 10, "same"), (10000, 300, 331, 10, "regression")])
@pytest.mark.parametrize("threads", [1, 4])
def test_the_floor_of_a_tax_is_of_what_it_is_a_tax_on(synthetic, figure, a, b, floor, verdict, threads):
    one, other = (taxed(synthetic, tax, figure, threads) for tax in (a, b))
    row, = compare.compare(one, other, ["tax"])["rows"]
    assert (row["floor"], row["verdict"]) == (pytest.approx(floor), verdict)


def test_a_floor_that_is_given_is_the_floor_of_a_tax(synthetic):
    one, other = taxed(synthetic, 300, 5000), taxed(synthetic, 315, 5000)
    for floors in ({"tax": 1}, {None: 1}):
        row, = compare.compare(one, other, ["tax"], floors=floors)["rows"]
        assert (row["floor"], row["verdict"]) == (1, "regression")


def test_the_tax_with_several_threads_is_of_a_page(synthetic):
    def result(per_fault, per_page):
        off, on = synthetic.pair(threads=4)
        on.update(per_fault=off["per_fault"] + per_fault, per_page=off["per_page"] + per_page)
        return synthetic.load(synthetic.samples([off, on], EVEN))

    row, = compare.compare(result(-4068, 1000), result(-500, 1050), ["tax"])["rows"]
    assert (row["a"], row["b"], row["percent"], row["verdict"]) == (1000, 1050, 5, "regression")


def test_contests(synthetic):
    calm = synthetic.contest()
    wild = synthetic.contest(runs=[synthetic.run(40, starved=True), synthetic.run(1.2, period=50)])
    data = compare.compare(*[synthetic.load(synthetic.samples([row], EVEN)) for row in (calm, wild)])
    found = {row["metric"]: row for row in data["rows"]}
    assert sorted(found) == ["slowdown", "starved"]
    assert found["slowdown"]["verdict"] == found["starved"]["verdict"] == "regression"
    assert (found["starved"]["a"], found["starved"]["b"], found["starved"]["percent"]) == (0, 50, 50)  # points
    assert found["starved"]["unit"] == "%" and found["slowdown"]["unit"] == "times"


def test_a_figure_of_zero_has_no_percentage(synthetic):
    a, b = synthetic.row(per_page=0), synthetic.row(per_page=5)
    data = compare.compare(synthetic.load([a]), synthetic.load([b]))
    assert [row["metric"] for row in data["rows"]] == ["per_fault"]
    assert "not above 0" in data["not_comparable"][0]["reason"]
    same = compare.compare(synthetic.load([a]), synthetic.load([copy.deepcopy(a)]))
    assert only(same)["verdict"] == "identical"


NOISE = [1, 1.01, 0.99, 1.02, 0.98, 1.005, 0.995, 1.015, 0.985, 1.0]


def test_wall_needs_ten_repetitions(two):
    for of_a, of_b in ((NOISE[:9], NOISE), (NOISE, NOISE[:9]), ([1], [5])):
        row = only(two(of_a, [3 * x for x in of_b], wall=True))
        assert (row["verdict"], row["low"], row["p"], row["q"]) == ("unknown", None, None, None)
    assert only(two(NOISE, NOISE, wall=True))["p"] is not None


def test_wall_regression_and_improvement(two):
    for factor, verdict in ((1.2, "regression"), (0.8, "improvement")):
        row = only(two(NOISE, [x * factor for x in NOISE], wall=True))
        assert row["verdict"] == verdict and row["percent"] == pytest.approx((factor - 1) * 100)
        # all apart: as in infer_test, U = 100 of 100, z = 3.742
        assert row["p"] == pytest.approx(1.8e-4, rel=0.03) and row["q"] == row["p"]


def test_wall_repetitions_may_be_of_any_seed(synthetic):
    sides = [synthetic.samples([synthetic.row()], NOISE, repetitions=True) for _ in "ab"]
    for row in sides[1]:
        row["seed"] = 7
    assert only(compare.compare(*map(synthetic.wall_result, sides)))["p"] == 1


def test_wall_noise_is_no_change(two):
    row = only(two(NOISE, NOISE[3:] + NOISE[:3], wall=True))
    assert row["verdict"] == "unclear" and row["percent"] == 0 and row["p"] == 1
    # all within the floor of 1 %
    quiet = [1 + (x - 1) / 20 for x in NOISE]
    assert only(two(quiet, quiet[5:] + quiet[:5], wall=True))["verdict"] == "same"
    # beyond chance, but below the floor
    row = only(two(quiet, [x * 1.005 for x in quiet], wall=True))
    assert row["p"] < 0.001 and row["verdict"] == "same"


def test_wall_is_judged_with_all_cells_in_view(synthetic):
    # p is near 0.014 in one cell: alone that is a change, beside 19 cells of noise it is not. An interval that does not
    # hold 0 would say so of one in twenty.
    slow = [x + 0.018 for x in NOISE]
    rows = [synthetic.row("volatile", workload=f"w{index}") for index in range(20)]

    def result(chosen, factors):
        return synthetic.wall_result(synthetic.samples(
            rows[:chosen], lambda row: factors if row["workload"] == "w0" else NOISE, repetitions=True))

    def verdict(chosen):
        data = compare.compare(result(chosen, NOISE), result(chosen, slow), ["per_page"])
        row = next(row for row in data["rows"] if "/w0/" in row["cell"])
        return row["p"], row["q"], row["verdict"]

    p, q, alone = verdict(1)
    assert 0.01 < p < 0.05 and q == p and alone == "regression"
    again, q, among = verdict(20)
    assert again == p and q > 0.05 and among == "unclear"


def test_regressions_come_worst_first(two, synthetic):
    rows = [synthetic.row(), synthetic.row("map_sync"), synthetic.row("fsync", 8)]
    growth = {"volatile": 1.01, "map_sync": 1.03, "fsync": 1.02}
    data = two(EVEN, lambda row: [growth[row["strategy"]]] * 5, rows, chosen=["per_page"])
    assert [row["what"][0] for row in compare.regressions(data)] == ["map_sync", "fsync:8", "volatile"]


def test_an_empty_result_compares_nothing(synthetic):
    data = compare.compare(synthetic.load([]), synthetic.load([synthetic.row()]))
    assert data["rows"] == [] and data["only_b"] == [CELL]


def test_kernels_are_paired_by_fields_whatever_their_names(synthetic):
    """A kernel given by its path has slashes in its name; a cell of the other side may be named by another grammar."""
    path = "/boot/vmlinuz-6.1/t1"
    context = synthetic.context()
    context["kernels"][path] = context["kernels"]["6.1"]
    old = synthetic.load(synthetic.pair("map_sync") + synthetic.pair("fsync", 8))
    rows = synthetic.pair("map_sync", kernel=path) + synthetic.pair("fsync", 8, kernel=path)
    new = load.load(synthetic.save({"context": context, "benchmarks": rows}))
    data = compare.compare(old, new, kernels=("6.1", path))
    assert [row["verdict"] for row in data["rows"]] == ["identical"] * 4 and not data["only_a"] + data["only_b"]
    assert data["rows"][0]["cell"] == f"6.1={path}/ext4/fsync:8/first_touch/written/pte/t1"
    renamed = [{**row, "cell": f"{path}/other words {row['strategy']}",
                "name": f"{path}/other words {row['strategy']}/{row['probes']}"} for row in rows]
    other = load.load(synthetic.save({"context": context, "benchmarks": renamed}))
    data = compare.compare(old, other, kernels=("6.1", path))
    assert [row["verdict"] for row in data["rows"]] == ["identical"] * 4 and not data["only_a"] + data["only_b"]
    assert compare.compare(old, synthetic.load(synthetic.pair("fsync", 64)))["rows"] == []


def test_one_kernel_on_each_side_is_paired_by_itself(synthetic):
    mine = "./old/bzImage"
    base = synthetic.load(synthetic.pair("map_sync") + synthetic.pair("fsync", 8))
    other = synthetic.load(synthetic.pair("map_sync", kernel=mine, per_page=9000) + synthetic.pair("fsync", 8, kernel=mine))
    data = compare.compare(base, other)
    assert data["kernels"] == ["6.1", mine] and data["hint"] == ""
    assert data["paired"] == (f"kernel 6.1 in {base.path} is compared with {mine} in {other.path}: each has no other")
    assert [(row["cell"], row["metric"], row["verdict"]) for row in data["rows"]] == [
        ("6.1=./old/bzImage/ext4/fsync:8/first_touch/written/pte/t1", "per_page", "identical"),
        ("6.1=./old/bzImage/ext4/fsync:8/first_touch/written/pte/t1", "per_fault", "identical"),
        ("6.1=./old/bzImage/ext4/map_sync/first_touch/written/pte/t1", "per_page", "differs"),
        ("6.1=./old/bzImage/ext4/map_sync/first_touch/written/pte/t1", "per_fault", "identical")]
    assert data["only_a"] == data["only_b"] == []
    # a pattern may name the cells as either result does, or by what both share
    for pattern in ("6.1/ext4/fsync:8/*", "./old/bzImage/ext4/fsync:8/*", "6.1=*/fsync:8/*", "*/fsync:8/*"):
        assert len(compare.compare(base, other, pattern=pattern)["rows"]) == 2
    assert compare.compare(base, other, pattern="7.3/*")["rows"] == []
    assert compare.compare(base, base)["kernels"] is None and compare.compare(base, base)["paired"] == ""


def test_two_kernels_of_the_host(synthetic):
    """There is no QEMU whose arguments could be renamed."""
    from conftest import to_host
    result = load.load(synthetic.save(to_host(synthetic.document([synthetic.row(kernel="host")]))))
    assert len(compare.compare(result, result, kernels=("host", "host"))["rows"]) == 2
