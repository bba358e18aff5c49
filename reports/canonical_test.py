# SPDX-License-Identifier: GPL-2.0-only
"""The hash of a result: computed once more by the docs' words, and what moves it."""

import copy
import decimal
import hashlib
import json
import os
import struct

import pytest

import canonical
import load

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "testdata", "example")


def by_the_docs(document, records=b""):
    """docs/result-format.md, "The hash", in other lines: numbers by way of decimal."""
    def form(value):
        if isinstance(value, dict):
            return "{%s}" % ",".join(form(k) + ":" + form(value[k]) for k in sorted(value) if value[k] is not None)
        if isinstance(value, list):
            return "[%s]" % ",".join(map(form, value))
        if isinstance(value, (bool, str)) or value is None:
            return json.dumps(value, ensure_ascii=False)
        digits = decimal.Decimal(repr(float(value))).normalize()
        assert digits == 0 or 1e-6 <= abs(digits) < 10**21
        return format(digits, "f") if digits else "0"

    def less(found, *names):
        return {k: v for k, v in found.items() if k not in names}

    context = {k: document["context"].get(k) for k in ("schema_version", "on", "accel", "time_domain", "unit", "faultline",
                                                       "qemu", "kernels", "file_systems")}
    context["kernels"] = {k: less(v, "boot", "command_line", "path") for k, v in context["kernels"].items()}
    for kernel in context["kernels"].values():
        if "module" in kernel:
            kernel["module"] = less(kernel["module"], "boot")
    if context["qemu"]:
        context["qemu"] = less(context["qemu"], "arguments", "fetched")
    rows = []
    for row in sorted(document["benchmarks"], key=lambda r: (r["name"], r["seed"], r["repetition_index"])):
        row = less(row, "cell", "family_index", "per_family_instance_index", "life")
        if row.get("samples"):
            first, count = row["samples"]["first"], row["samples"]["count"]
            row["samples"] = hashlib.sha256(records[48 * first:48 * (first + count)]).hexdigest()
        rows.append(row)
    return hashlib.sha256(form({"benchmarks": rows, "context": context}).encode()).hexdigest()


@pytest.mark.parametrize("value, text", [
    (0, "0"), (-0.0, "0"), (1, "1"), (18162.0, "18162"), (-1.5, "-1.5"), (0.1, "0.1"), (1e20, "100000000000000000000"),
    (123456789012345680000, "123456789012345680000"), (1e21, "1e+21"), (1.5e300, "1.5e+300"), (0.000001, "0.000001"),
    (1e-7, "1e-7"), (-2.5e-7, "-2.5e-7"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740993, "9007199254740992"), (333333333.33333329, "333333333.3333333"), (2e-3, "0.002"), (1e23, "1e+23"),
    (0.00012, "0.00012"), (1234.5, "1234.5")])
def test_numbers_as_in_rfc_8785(value, text):
    """Its appendix B, and the edges of its two forms."""
    assert canonical.number(value) == text


def test_text_as_in_rfc_8785():
    # Its section 3.2.3: members by UTF-16, where a pair of surrogates stands before U+FB33.
    given = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert canonical.text(given) == ('{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}')
    # Its section 3.2.2.2.
    assert canonical.text("\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/\x7f") == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'
    assert canonical.text([True, False, None, {"a": None, "b": [None]}, []]) == '[true,false,null,{"b":[null]},[]]'


@pytest.mark.parametrize("name", ["result", "dos", "phases"])
def test_the_hash_by_the_docs_words(name):
    path = os.path.join(EXAMPLES, f"{name}.json")
    with open(path, encoding="utf-8") as file:
        assert canonical.digest(load.load(path)) == by_the_docs(json.load(file))


@pytest.fixture
def document(synthetic):
    rows = synthetic.samples([*synthetic.pair(), *synthetic.pair("map_sync"), synthetic.contest()], [1, 1.25])
    return synthetic.document([*rows, synthetic.skip(synthetic.row("msync", 1))])


@pytest.fixture
def digest(synthetic):
    def of(document):
        return canonical.digest(load.load(synthetic.save(document)))
    return of


def test_a_known_one(synthetic, digest):
    """A result in full, and its hash as `sha256sum` prints it of the text that is written here."""
    row = {"name": "k/ext4/volatile/first_touch/hole/pte/t1/off", "seed": 0, "repetition_index": 0, "per_page": 18162.5}
    context = {"kernels": {"k": {"release": "6.1", "module": {"sha256": "x"}}}, "unit": "instr"}
    given = load.Result("x", {**context, "date": "2020", "kernels": {"k": {
        "release": "6.1", "package": None, "boot": 5, "path": "/k", "command_line": "y", "module": {"sha256": "x", "boot": 7}}}},
        {}, samples={"any": [{**row, "seed": 1}, {**row, "life": "booted", "cell": "c", "family_index": 3}]})
    text = ('{"benchmarks":[{"name":"k/ext4/volatile/first_touch/hole/pte/t1/off","per_page":18162.5,"repetition_index":0,'
            '"seed":0},{"name":"k/ext4/volatile/first_touch/hole/pte/t1/off","per_page":18162.5,"repetition_index":0,'
            '"seed":1}],"context":{"kernels":{"k":{"module":{"sha256":"x"},"release":"6.1"}},"unit":"instr"}}')
    given.context["file_systems"] = None
    assert canonical.text(canonical.document(given)) == text
    assert canonical.digest(given) == hashlib.sha256(text.encode()).hexdigest()


def every_number(value, trail=()):
    """(path) of each number of a value."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from every_number(one, (*trail, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from every_number(one, (*trail, index))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield trail


def test_any_number_of_a_row_moves_it(document):
    def digest_of(rows):
        return canonical.digest(load.Result("x", document["context"], {}, samples={"all": rows}))

    rows = document["benchmarks"]
    seen = {digest_of(rows)}
    for index in (0, 2, 8):
        for trail in every_number(rows[index]):
            if trail[0] in canonical.NOT_OF_A_ROW:
                continue
            place = rows[index]
            for part in trail[:-1]:
                place = place[part]
            before, place[trail[-1]] = place[trail[-1]], place[trail[-1]] + 0.25
            found = digest_of(rows)
            assert found not in seen, trail
            seen.add(found)
            place[trail[-1]] = before
    assert len(seen) > 100


def test_each_change_of_a_figure_is_seen(document, digest):
    before = digest(document)
    for index, field, value in ((0, "per_page", 5150.000001), (2, "tax", 497.5), (-1, "status", "failed"),
                                (8, "slowdown", 9), (-1, "reason", "another")):
        changed = copy.deepcopy(document)
        assert changed["benchmarks"][index][field] != value
        changed["benchmarks"][index][field] = value
        assert digest(changed) != before, field
    fewer = copy.deepcopy(document)
    del fewer["benchmarks"][-1]
    assert digest(fewer) != before


@pytest.mark.parametrize("trail, value", [
    (("faultline", "git_revision"), "f"), (("qemu", "binary_sha256"), "f" * 64), (("qemu", "version"), "9"),
    (("kernels", "6.1", "vmlinuz_sha256"), "f" * 64), (("kernels", "6.1", "cpu_model"), "f"),
    (("file_systems", "xfs", "mkfs"), "f"), (("kernels", "6.1", "module"), {"sha256": "f", "compiler": "", "image_sha256": ""})])
def test_what_figures_hang_on_moves_it(document, digest, trail, value):
    before = digest(document)
    place = document["context"]
    for part in trail[:-1]:
        place = place[part]
    place[trail[-1]] = value
    assert digest(document) != before


def test_when_where_and_in_which_order_do_not(document, digest):
    before = digest(document)
    context = document["context"]
    context.update(date="2031-01-01T00:00:00+00:00", elapsed_s=9, command_line=["x"], num_cpus=64, mhz_per_cpu=5, peak_rss_kib=4,
                   host={"cpu_model": "another", "kernel": "9", "memory_bytes": 5})
    context["qemu"].update(arguments={}, fetched=True)
    context["kernels"]["6.1"].update(path="/tmp/k", command_line="faultline.fs=ext4",
                                     boot={"ext4": {"hello": 1, "ready": 2, "steps": {}, "boot_s": 9.5}})
    for index, row in enumerate(document["benchmarks"]):
        row.update(life="booted", family_index=index, per_family_instance_index=index)
        del row["cell"]  # as in results of before there was the field
    document["benchmarks"].reverse()
    assert digest(document) == before
    document["benchmarks"][0]["per_page"] = 1
    assert digest(document) != before


def record(number):
    return struct.pack("<IIQQQIIQ", 0, 80, number, 5, 4096, 256, 0, 0)


def sampled(synthetic, parts):
    """A result whose rows have these samples, in this order in the side file. parts: [(index of the row, numbers)]."""
    document = synthetic.document(synthetic.samples(synthetic.pair(), [1, 2]))
    records = b""
    for index, numbers in parts:
        document["benchmarks"][index].update(
            samples={"file": "samples.bin", "first": len(records) // 48, "count": len(numbers)}, sample_kinds=["fault"])
        records += b"".join(map(record, numbers))
    folder = synthetic.save(document)
    with open(os.path.join(folder, "samples.bin"), "wb") as file:
        file.write(records)
    return folder, document, records


def test_samples_count_wherever_they_lie(synthetic):
    folder, document, records = sampled(synthetic, [(2, [1, 2, 3]), (3, [4])])
    found = canonical.digest(load.load(folder))
    assert found == by_the_docs(document, records)
    assert found == canonical.digest(load.load(os.path.join(folder, "result.json")))
    assert found == canonical.digest(load.load(sampled(synthetic, [(3, [4]), (2, [1, 2, 3])])[0]))
    assert found != canonical.digest(load.load(sampled(synthetic, [(2, [1, 2, 3]), (3, [5])])[0]))


def test_samples_in_pieces(synthetic, monkeypatch):
    folder = sampled(synthetic, [(2, list(range(100)))])[0]
    whole = canonical.digest(load.load(folder))
    monkeypatch.setattr(canonical, "PIECE", 48 * 7)
    assert canonical.digest(load.load(folder)) == whole


def test_a_side_file_that_is_not_whole(synthetic):
    folder = sampled(synthetic, [(2, [1, 2, 3])])[0]
    path = os.path.join(folder, "samples.bin")
    os.truncate(path, 48 * 3 - 1)
    with pytest.raises(load.ReportError, match=r"samples.bin: ends before the last sample of '6.1/ext4/volatile/.*/on': .* copy"):
        canonical.digest(load.load(folder))
    os.unlink(path)
    with pytest.raises(load.ReportError, match=r"samples.bin: cannot be read: No such file"):
        canonical.digest(load.load(folder))


def test_half_a_surrogate(synthetic, document):
    document["benchmarks"][-1]["reason"] = "\ud800"
    with pytest.raises(load.ReportError, match="half a surrogate pair"):
        canonical.digest(load.load(synthetic.save(document)))
