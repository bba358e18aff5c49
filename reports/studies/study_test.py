# SPDX-License-Identifier: GPL-2.0-only
import pytest

import conftest
import load
import study


def result_of(figures, wall=False):
    """A Result of one cell: {kernel: figures of its samples}."""
    context = conftest.make_context()
    about = context["kernels"]["6.1"]
    context["kernels"] = {kernel: about for kernel in figures}
    if wall:
        context.update(time_domain="wall", unit="ns", accel="tcg")
    samples = {}
    for kernel, values in figures.items():
        for index, value in enumerate(values):
            row = conftest.make_row(kernel=kernel, per_page=value, per_fault=value, seed=0 if wall else index)
            row.update(repetition_index=index if wall else 0)
            if wall:
                row.update(time_domain="wall", unit="ns", accel="tcg")
            samples.setdefault(row["name"], []).append(row)
    return load.make_result("made", context, samples, [("made", context)])


def test_interval_is_clopper_and_pearsons():
    # R: binom.test(0, 200)$conf.int, binom.test(10, 200)$conf.int, binom.test(200, 200)$conf.int
    assert study.interval(0, 200) == pytest.approx((0, 1.827534), abs=1e-4)
    assert study.interval(10, 200) == pytest.approx((2.4235, 9.0027), abs=1e-3)
    assert study.interval(200, 200) == pytest.approx((98.172466, 100), abs=1e-4)


def test_plan_is_in_instructions_of_the_cell():
    result = result_of({"k+200": [10000]})
    assert study.plan(result, "k") == ["k+200", "k+210", "k+220", "k+250", "k+300", "k+400", "k+700"]


def test_false_alarms_of_equal_and_of_unequal_samples():
    assert study.false_alarms([result_of({"k+200": [5000] * 12})], "k+200", 20)["floors"][0]["pass"] == 20
    # Each draw of five of the one half against five of the other would be a regression or none.
    jumps = result_of({"k+200": [5000] * 6 + [6000] * 6})
    narrow, _, wide = study.false_alarms([jumps], "k+200", 60)["floors"]
    assert (narrow["floor"], narrow["comparisons"]) == (0.1, 60)
    assert narrow["regression"] + narrow["refused"] > 0
    assert wide["floor"] == 0.5
    with pytest.raises(load.ReportError, match="need more"):
        study.false_alarms([result_of({"k+200": [5000] * 9})], "k+200")


def test_injections_are_found_or_not():
    result = result_of({"k+200": [5000 + i for i in range(12)], "k+300": [5100 + i for i in range(6)],
                        "k+201": [5001 + i for i in range(6)]})
    small, large = study.injections(result, "k+200", 5000, 10)
    assert (small["planted"], large["planted"]) == (1, 100)
    assert small["same"]["pass"] == 10  # below the floor
    assert large["same"]["regression"] == 10
    assert large["other"]["regression"] == 10
    assert large["percent_measured"] == pytest.approx(2.0, abs=0.01)


def test_injections_of_wall_time():
    result = result_of({"k+200": [5000 + i for i in range(20)], "k+700": [5500 + i for i in range(20)]}, wall=True)
    [found] = study.injections(result, "k+200", 10000, 5)
    assert found["other"]["regression"] == 5
    assert "same" not in found
    assert found["percent_planted"] == 5


def test_seeds_in_two_results_are_one_cells():
    one, other = result_of({"k+200": [5000] * 5}), result_of({"k+200": [5000] * 12})
    for rows in other.samples.values():
        rows[:] = rows[5:]
    assert len(study.keys_of(study.merged([one, other]), "k+200")) == 12


def test_text_fits_and_has_the_counts():
    result = result_of({"k+200": [5000 + i for i in range(12)], "k+300": [5100 + i for i in range(6)]})
    part = {"false_alarms": study.false_alarms([result], "k+200", 10), "again": None,
            "injections": {"ext4/x": study.injections(result, "k+200", 5000, 10)}}
    text = study.text({"virtual": part})
    assert "| +100 | 2.00 |" in text
    assert "10 of 10" in text


def test_measured_alike_is_identical_or_not():
    one = result_of({"k+200": [5000, 5001, 5002]})
    assert study.identical([(one, one), (one, result_of({"k+200": [5000, 5001]}))]).startswith("2 of 2 cells")
    assert study.identical([(one, result_of({"k+200": [5000, 5001.5]}))]).startswith("0 of 1 cells")
