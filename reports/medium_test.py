# SPDX-License-Identifier: GPL-2.0-only

import json

import claims
import load
import medium
import pytest
from claims import cost_rules
from load import ReportError

FENCED = {"bytes": 4104, "bytes_nt": 4096, "lines": 64, "blocks256": 16, "flushed": 0, "flushed_clean": None, "fences": 0,
          "fences_idle": 0, "lines_read": 0, "tlb_refills": None, "tlb_invalidations": 0, "locked": 4, "exceptions": 1,
          "journal_bytes": 0, "amplification": 513.0}


def observed(synthetic, per_page, lines, strategy="volatile", k=None, state="hole", **changes):
    vector = {**FENCED, "lines": lines, "blocks256": lines / 4}
    return synthetic.row(strategy, k, state=state, per_page=per_page, per_fault=per_page, vector=vector, **changes)


# By hand: 100 + 10 p = 200 + 2 p at p = 12.5.
@pytest.mark.parametrize("a, b, price, below, above", [
    ((100, 10), (200, 2), 12.5, True, False),
    ((200, 2), (100, 10), 12.5, False, True),
    ((200, 10), (100, 2), None, False, False),
    ((100, 2), (200, 10), None, True, True),
    ((100, 5), (200, 5), None, True, True),
    ((100, 2), (100, 5), None, True, True)])
def test_where_two_straight_lines_cross(a, b, price, below, above):
    found = medium.crossing(a, b)
    assert (found.price, found.below, found.above) == (price, below, above)


def test_a_line_on_a_medium_of_one_byte_a_nanosecond(synthetic):
    slow = medium.Medium("slow", "slow", 256, (100.0, 200.0), (1.0, 2.0), {})
    cpu = medium.Cpu((1.0, 2.0), (1.0, 1.0), (1.0, 4.0))
    assert slow.line_ns() == (32, 64)
    assert cpu.price(slow) == (16, 64)
    row = observed(synthetic, 1000, 8)
    row["vector"].update(lines_read=3, blocks256=5)
    # 8 lines in 5 blocks of 256 bytes: 640 to 1280 ns. 3 lines read: 75 to 600 ns. 1000 instructions: 1000 to 2000 ns.
    found = medium.modelled(row, slow, cpu)
    assert (found["cpu"], found["read"], found["write"]) == ((1000, 2000), (75, 600), (640, 1280))
    assert (found["low"], found["high"], found["left_out"]) == (1715, 3880, [])


def test_what_is_not_known_is_left_out_and_said(synthetic):
    dark = medium.Medium("dark", "dark", 64, (100.0, 100.0), None, {})
    found = medium.modelled(observed(synthetic, 1000, 8), dark, medium.Cpu((1.0, 1.0), (1.0, 1.0)))
    assert (found["low"], found["high"], found["left_out"]) == (1000, 1000, ["write"])
    assert medium.Cpu().price(dark) is None
    assert medium.modelled(synthetic.row(), dark, medium.Cpu()) is None


def test_media_that_we_ship_say_where_each_number_is_from():
    media = {one.id: one for one in medium.load_media()}
    assert list(media) == ["dram", "cxl140", "cxl250", "optane100", "cxl410"]
    assert media["optane100"].block == 256 and media["optane100"].read_ns == (305, 350)
    assert media["cxl410"].write_gb_s is None
    assert all(set(one.sources) >= {"read_ns"} and all(one.sources.values()) for one in media.values())


@pytest.mark.parametrize("text, says", [
    ("title = 'x'\nblock = 64\n", "read_ns are needed"),
    ("title = 'x'\nblock = 64\n[read_ns]\nrange = [2, 1]\nsource = 's'\nuncertainty = 'u'\n", "the least first"),
    ("title = 'x'\nblock = 64\n[read_ns]\nrange = [1, 2]\nuncertainty = 'u'\n", "read_ns has no source"),
    ("title = 'x'\nblock = 64\n[read_ns]\nrange = [1, 2]\nsource = 's'\n", "read_ns has no uncertainty"),
    ("title = 'x'\nblock = 32\n[read_ns]\nrange = [1, 2]\nsource = 's'\nuncertainty = 'u'\n", "at least 64"),
    ("title = 'x'\nspeed = 3\n", "no field speed"),
    ("title", "after a key")])
def test_a_file_that_cannot_be_used_says_why(tmp_path, text, says):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ReportError, match=says):
        medium.choose([str(path)])


def test_a_medium_that_there_is_not():
    with pytest.raises(ReportError, match="did you mean optane100"):
        medium.choose(["optane10"])


def test_a_rule_turns_where_the_ratio_reaches_its_limit(synthetic):
    # map_sync over fsync:8 is (1000 + 10 p) / (400 + 20 p): 2.5 at 0, 2 at 6.67, 1.1 at 46.7; over fsync:64 and :512 more.
    rows = [observed(synthetic, 1000, 10, "map_sync")] + [
        observed(synthetic, cost, lines, "fsync", k) for k, cost, lines in ((1, 600, 20), (8, 400, 20), (64, 400, 20), (512, 400, 20))]
    result = synthetic.load(rows)
    [verdict] = [one for one in claims.judge(result) if one["id"] == "C4" and one["verdict"] != claims.NOT_DECIDED]
    assert verdict["verdict"] == claims.HOLDS
    turns = verdict["media"]["turns"]
    assert [word for _, word in turns] == [claims.HOLDS, claims.NOT_DECIDED, claims.FAILS]
    assert turns[1][0] == pytest.approx(200 / 30, rel=2e-3) and turns[2][0] == pytest.approx(560 / 12, rel=2e-3)
    assert verdict["media"]["media"]["cxl140"] is None
    said = claims.media_words(verdict["media"])
    assert said.startswith("By medium: holds here; from 6.67 instr a line on not decided") and "cxl140, cxl250, cxl410: not known" in said


@pytest.mark.parametrize("price, words", [((12, 15), ["b"]), ((0, 9), ["a"]), ((5, 10), ["a", "b"]), ((10, 20), ["b", "c"]),
                                          ((1, 1e9), ["a", "b", "c"]), ((30, 40), ["c"])])
def test_the_words_between_two_prices(price, words):
    assert medium.word_on([(0, "a"), (10, "b"), (20, "c")], price) == words


def test_each_k_that_was_measured_is_a_pair(synthetic):
    ks = (64, 7, "all", 1)
    rows = [observed(synthetic, 10000, 100, "map_sync"), *(observed(synthetic, 4000, 400, "fsync", k) for k in ks),
            observed(synthetic, 4000, 400, "msync", 7)]
    data = medium.build(synthetic.load(rows), medium.load_media(), medium.Cpu())
    assert [(pair["a"], pair["b"], pair["price"]) for pair in data["pairs"]] == [
        ("map_sync", f"fsync:{k}", 20) for k in (1, 7, 64)]
    assert "map_sync         fsync:7 " in medium.text(data, str)


def compared(synthetic, monkeypatch):
    """{(strategy, strategy)}: whose costs the rules of the claims divide by each other, where all that they ask for is there."""
    rules, found, of = cost_rules, set(), {}
    context = synthetic.context()
    specs = {spec for _, _, specs in claims.asked(context, "6.1", "ext4") for spec in specs if spec.touch is None}
    rows = [row for spec in specs for row in synthetic.pair(
        spec.strategy, spec.k, spec.state, workload=spec.workload, order=spec.order, threads=spec.threads,
        stores_per_page=spec.stores or None, dirty_inodes=spec.unrelated or None)]

    def told(one, *parts):
        """The Measured, of whose parts it is known of which strategies they are costs."""
        if one is not None and all(part is not None and id(part) in of for part in parts):
            of[id(one)] = one, frozenset().union(*(of[id(part)][1] for part in parts))
        return one

    def cost(view, spec, *more, **options):
        one = own(view, spec, *more, **options)
        if one is not None:
            of[id(one)] = one, {spec.strategy}
        return one

    def ratio(name, a, b, *more):
        if id(a) in of and id(b) in of:
            found.update((x, y) for x in of[id(a)][1] for y in of[id(b)][1] if x != y)
        return divided(name, a, b, *more)

    own, divided = claims.View.cost, rules.ratio
    monkeypatch.setattr(claims.View, "cost", cost)
    monkeypatch.setattr(rules, "ratio", ratio)
    for name in ("difference", "total"):
        function = getattr(rules, name)
        monkeypatch.setattr(rules, name, lambda name, a, b, function=function: told(function(name, a, b), a, b))
    samples = {f"{row['name']} {index}": [row] for index, row in enumerate(rows)}  # of stores to a page a name says nothing
    claims.judge(load.make_result("made up", context, samples, [("made up", context)]))
    return found


def test_each_two_strategies_that_a_claim_compares_by_cost_are_a_pair(synthetic, monkeypatch):
    found = compared(synthetic, monkeypatch)
    assert {("map_sync", "fsync"), ("sync_fault", "fsync"), ("sync_fault_data", "map_sync"), ("volatile", "map_sync"),
            ("daxfile_nocmtime", "volatile"), ("daxfile", "map_sync_wrapped")} <= found
    assert found - {pair for a, b in medium.PAIRS for pair in ((a, b), (b, a))} == set()


def test_a_rule_that_no_price_turns(synthetic):
    rows = [observed(synthetic, 1000, 100, "map_sync"), observed(synthetic, 100, 10),
            observed(synthetic, 100, 10, "map_sync", state="written")]
    verdict = next(one for one in claims.judge(synthetic.load(rows)) if one["id"] == "C1" and one["verdict"] == claims.HOLDS)
    assert claims.media_words(verdict["media"]) == "By medium: the same at every price of a written line."
    seen = [{**row, "vector": None} for row in rows]
    verdict = next(one for one in claims.judge(synthetic.load(seen)) if one["id"] == "C1" and one["verdict"] == claims.HOLDS)
    assert verdict["media"] == {"unobserved": [one["cell"] for one in seen]}
    assert claims.media_words(verdict["media"]) == "By medium: not observed (`--observe vector`)."
    assert claims.media_words(None) == ""


def of_the_cpu(synthetic, lines):
    rows = [observed(synthetic, 40100, 10 + lines, "map_sync"), observed(synthetic, 100, 10)]
    return next(one for one in claims.judge(synthetic.load(rows)) if one["case"] == "the CPU rather than the medium")


def test_the_cpu_rather_than_the_medium(synthetic):
    # 40 000 instructions of sync; a line costs at most 167 (Optane, one module, the fastest CPU), at least 0.48 (DRAM).
    assert of_the_cpu(synthetic, 100)["verdict"] == claims.HOLDS  # 400 a line
    assert of_the_cpu(synthetic, 1000)["verdict"] == claims.DEPENDS  # 40 a line
    assert of_the_cpu(synthetic, 10000)["verdict"] == claims.DEPENDS  # 4 a line: below Optane's 6.9, amid DRAM's
    assert of_the_cpu(synthetic, 100000)["verdict"] == claims.FAILS  # 0.4 a line
    assert of_the_cpu(synthetic, 100)["media"] is None


def test_the_verb(synthetic, capsys, tmp_path):
    import faultline_report
    rows = [observed(synthetic, 10000, 100, "map_sync"), observed(synthetic, 4000, 400)]
    path = synthetic.save(synthetic.document(rows))
    assert faultline_report.main(["media", str(path), "--json", "--cpi", "1", "--ghz", "1"]) == 0
    data = json.loads(capsys.readouterr().out)
    [pair] = data["pairs"]
    assert (pair["a"], pair["b"], pair["price"], pair["cheaper_below"], pair["cheaper_above"]) == (
        "map_sync", "volatile", 20, "volatile", "map_sync")
    assert pair["price_ns"] == [20, 20]
    assert pair["cheaper"]["optane100"] == "either" and pair["cheaper"]["cxl140"] is None
    assert data["domain"] == "modelled" and len(data["cells"]) == 2
    assert faultline_report.main(["media", str(path)]) == 0
    text = capsys.readouterr().out
    assert "turns at 20" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert faultline_report.main(["media", str(synthetic.save(synthetic.document([synthetic.row()])))]) == 2
    assert "--observe vector" in capsys.readouterr().err


def test_a_place_is_all_axes_but_the_strategy(synthetic):
    """Cells that differ by one are of two places, and no break-even is between them."""
    rows = [synthetic.row(name, None, "hole", workload="unrelated", dirty_inodes=count, vector=FENCED)
            for name in ("map_sync", "volatile") for count in (None, 1000)]
    data = medium.build(synthetic.load(rows), medium.load_media(), medium.Cpu())
    assert [(pair["a"], pair["b"], pair["dirty_inodes"]) for pair in data["pairs"]] == [("map_sync", "volatile", None), ("map_sync", "volatile", 1000)]
    assert data["pairs"][1]["place"] == ["kernel", "fs", "workload", "state", "order", "threads", "dirty_inodes"]
    text = medium.text(data, str)
    assert "6.1, ext4, unrelated, hole, pte, threads 1\n" in text
    assert "6.1, ext4, unrelated, hole, pte, threads 1, 1000 dirty inodes of others\n" in text


def test_samples_that_were_not_observed_have_the_lines_of_those_that_were(synthetic):
    """One seed of three was observed: what a line costs is in all three, and in the break-even."""
    def cell(name, page, lines):
        rows = [{**row, "seed": seed, "per_page": page + seed, "per_fault": page + seed}
                for seed, row in enumerate([observed(synthetic, page, lines, name)] * 3)]
        return [rows[0], *({**row, "vector": None} for row in rows[1:])]
    rows = cell("map_sync", 1000, 100) + cell("volatile", 100, 10) + [
        {**row, "state": "written", "cell": row["cell"].replace("hole", "written"), "name": row["name"].replace("hole", "written")}
        for row in cell("map_sync", 100, 10)]
    result = synthetic.load(rows)
    [pair] = medium.build(result, medium.load_media(), medium.Cpu())["pairs"]
    assert (pair["instr"], pair["lines"], pair["price"]) == ([1001, 101], [100, 10], None)
    verdicts = {one["case"]: one for one in claims.judge(result) if one["id"] == "C1" and one["fs"] == "ext4"}
    whole = verdicts["hole, in order, 4 KiB, 1 thread"]
    assert claims.media_words(whole["media"]) == "By medium: the same at every price of a written line."
    of_the_medium = {one["name"]: one for one in verdicts["the CPU rather than the medium"]["figures"]}
    assert (of_the_medium["lines that the sync writes"]["value"], of_the_medium["lines that the sync writes"]["samples"]) == (90, 3)


def test_the_lines_of_a_cell_are_the_median_of_its_samples(synthetic):
    rows = [observed(synthetic, 1000, lines) for lines in (4, 9, 5)] + [{**observed(synthetic, 1000, 1), "vector": None}]
    assert medium.lines_of_cell(rows) == 5 and medium.lines_of_cell(rows[3:]) is None and medium.lines_of_cell([]) is None
