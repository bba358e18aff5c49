# SPDX-License-Identifier: GPL-2.0-only
"""Files that were damaged, or never were what they are called: each reader takes them or says why not."""

import json
import os
import random

import pytest

import flamegraph
import flamegraph_test
import load
import medium

SEEDS = range(40)
MEDIUM = os.path.join(os.path.dirname(__file__), "..", "observe", "media")
ODD = [b"", b"\0", b"\xff\xfe", b"[" * 5000, b'"', b"}", b"-1", b"1e999", b"NaN", b"null", b"\n\n", b"\t", b"=", b"a" * 3000]


def damaged(data, seed):
    """The bytes with a few places cut out, doubled or replaced."""
    chance = random.Random(seed)
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((0, 1, 1, 4, 30)))
        data[at:end] = chance.choice((chance.choice(ODD), bytes([chance.randrange(256)]), bytes(data[at:end]) * 2))
    return bytes(data)


def taken_or_refused(read):
    """Whether it was taken; a refusal is one line."""
    try:
        read()
    except load.ReportError as error:
        assert str(error) and "\n" not in str(error)
        return False
    return True


@pytest.mark.parametrize("seed", SEEDS)
def test_a_result(synthetic, tmp_path, seed):
    file = tmp_path / "result.json"
    file.write_bytes(damaged(json.dumps(synthetic.document([synthetic.row()])).encode(), seed))
    taken_or_refused(lambda: load.load(str(file)))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_perf_script_printed(seed):
    text = damaged(flamegraph_test.PERF_SCRIPT.encode(), seed).decode(errors="replace")
    taken_or_refused(lambda: flamegraph.fold_perf_script(text))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_medium(tmp_path, seed):
    name = sorted(os.listdir(MEDIUM))[seed % len(os.listdir(MEDIUM))]
    file = tmp_path / "mine.toml"
    with open(os.path.join(MEDIUM, name), "rb") as whole:
        file.write_bytes(damaged(whole.read(), seed))
    taken_or_refused(lambda: medium.load_medium(str(file)))


def test_what_nests_too_deep(tmp_path):
    file = tmp_path / "result.json"
    file.write_text('{"context": ' + "[" * 100000 + "]" * 100000 + ', "benchmarks": []}')
    assert not taken_or_refused(lambda: load.load(str(file)))
    file = tmp_path / "mine.toml"  # one a Python that has no bound of its own ends at
    file.write_text("a = " + "[" * 100000)
    assert not taken_or_refused(lambda: medium.load_medium(str(file)))
