# SPDX-License-Identifier: GPL-2.0-only
import conftest
import load
import outliers
import table


def make_outlier(row, percent, **changes):
    sample = {"seed": 3, "alone": {"tick": 5150.0, "pages": 5610.0},
              "interruptions": [{"kind": "tick", "name": "local_timer", "count": 3, "sum": 9000, "max": 4000},
                                {"kind": "thread", "name": "rcu_preempt", "count": 2, "sum": 7000, "max": 4000}]}
    typical = {"seed": 0, "alone": {"tick": 5100.0, "pages": 5100.0},
               "interruptions": [{"kind": "tick", "name": "local_timer", "count": 2, "sum": 6000, "max": 4000}]}
    return dict(row, seed=3, outlier={"median": 5100.0, "percent": percent, "here": sample, "typical": typical,
                                      **changes})


def result_of(*rows):
    return load.make_result("out", {}, {"a": list(rows)}, [])


def test_an_outlier_says_which_accident_moves_it_and_what_fell_into_it():
    row = conftest.make_row()
    found = outliers.find(result_of(row, make_outlier(row, 10.25)))
    assert len(found) == 1
    assert found[0]["seed"] == 3 and found[0]["percent"] == 10.25
    assert round(found[0]["alone"]["tick"], 3) == 0.98  # 50 of 5100
    assert round(found[0]["alone"]["pages"], 3) == 10.0  # 510 of 5100
    assert found[0]["more"] == [{"kind": "thread", "name": "rcu_preempt", "count": 2, "sum": 7000},
                                {"kind": "tick", "name": "local_timer", "count": 1, "sum": 3000}]
    assert outliers.lines(found)[0].endswith(
        "seed 3: +10.25 % of the median; alone pages +10.00 %, tick +0.98 %; "
        "interrupted by thread rcu_preempt +2 times, +7000, tick local_timer +1 times, +3000")


def test_the_farthest_comes_first_on_either_side():
    row = conftest.make_row()
    found = outliers.find(result_of(make_outlier(row, 4.0), make_outlier(row, -9.0)))
    assert [outlier["percent"] for outlier in found] == [-9.0, 4.0]


def test_one_that_was_not_measured_again_says_so():
    found = outliers.find(result_of(make_outlier(conftest.make_row(), 4.0, here=None, typical=None)))
    assert found[0]["alone"] == {} and found[0]["more"] == []
    assert outliers.lines(found)[0].endswith("not explained: it was not measured again")


def test_the_table_tells_them(synthetic):
    row = conftest.make_row()
    built = table.build(synthetic.load([dict(row, seed=0), make_outlier(row, 4.0)]))
    assert [outlier["percent"] for outlier in built["outliers"]] == [4.0]
    text = " ".join(table.text(built).split())
    assert "alone pages +10.00 %" in text
