# SPDX-License-Identifier: GPL-2.0-only
"""What the medium adds to a count of instructions: the price of a written line at which one strategy overtakes another,
which needs no model of anybody's machine, and ranges of time on media that are cited, which are a model.

A written line is a distinct 64-byte line of pmem that is stored to between two fences (`vector.lines`, per page). Its price
is in instructions: what the CPU could have executed while the medium takes the line.
"""

import functools
import math
import os
import tomllib
from dataclasses import dataclass

import cells
import infer
from load import ReportError, plain
from number import counted
from options import near

LINE = 64  # bytes
DOMAIN = "modelled"  # beside `virtual` and `wall`; never mixed with them
MEDIA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "observe", "media")
# What claims compare: (dearer by the words, cheaper by the words); a strategy with a K is meant with each K that was measured.
PAIRS = (("map_sync", "volatile"), ("sync_fault", "map_sync"), ("sync_fault_data", "map_sync"), ("map_sync", "fsync"),
         ("sync_fault", "fsync"), ("daxfile", "volatile"), ("daxfile_nocmtime", "volatile"), ("daxfile", "map_sync_wrapped"),
         ("daxfile_nocmtime", "map_sync_wrapped"), ("prealloc", "map_sync"))


@dataclass(frozen=True)
class Medium:
    """id; title; block: bytes that are written at once; read_ns: (least, greatest) latency of a line; write_gb_s: (least,
    greatest) 1e9 bytes a second; None where no number was found that could be checked. sources: {name: text}."""

    id: str
    title: str
    block: int
    read_ns: tuple
    write_gb_s: tuple
    sources: dict

    def line_ns(self):
        """(least, greatest) ns that the medium takes for a written line of a whole block; None where that is not known."""
        return None if self.write_gb_s is None else (LINE / self.write_gb_s[1], LINE / self.write_gb_s[0])


@dataclass(frozen=True)
class Cpu:
    """What a reader takes of a CPU; ranges as (least, greatest). cpi: cycles an instruction; ghz: its clock; mlp: loads of pmem
    that it has under way at a time."""

    cpi: tuple = (0.5, 2.0)
    ghz: tuple = (3.0, 3.0)
    mlp: tuple = (1.0, 10.0)

    def ns(self):
        """(least, greatest) ns an instruction."""
        return self.cpi[0] / self.ghz[1], self.cpi[1] / self.ghz[0]

    def price(self, medium):
        """(least, greatest) price of a written line, in instructions; None where the medium's is not known."""
        line, instr = medium.line_ns(), self.ns()
        return None if line is None else (line[0] / instr[1], line[1] / instr[0])

    def prices(self, media):
        """{id: price} of media."""
        return {one.id: self.price(one) for one in media}


@functools.cache
def load_media(folder=MEDIA):
    """The Medium of each TOML file of a folder, by latency. ReportError where one does not say what it must."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".toml"))
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}: the media that faultline prices lie there") from error
    return tuple(sorted((load_medium(os.path.join(folder, name)) for name in names), key=lambda one: (one.read_ns[0], one.id)))


def load_medium(path):
    """The Medium of a TOML file."""
    try:
        with open(path, "rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: {error}") from error
    except RecursionError:
        raise ReportError(f"{path}: nests deeper than a medium does") from None

    def constant(name):
        entry = data.get(name)
        if entry is None:
            return None
        span = entry.get("range") if isinstance(entry, dict) else None
        good = isinstance(span, list) and len(span) == 2 and all(isinstance(x, (int, float)) for x in span)
        if not good or not 0 < span[0] <= span[1]:
            raise ReportError(f"{path}: {name}: range must be two numbers above 0, the least first")
        for key in ("source", "uncertainty"):
            if not isinstance(entry.get(key), str) or not entry[key]:
                raise ReportError(f"{path}: {name} has no {key}: a number that cannot be checked is left out")
        return float(span[0]), float(span[1])

    unknown = set(data) - {"title", "block", "read_ns", "write_gb_s"}
    if unknown:
        raise ReportError(f"{path}: no field {sorted(unknown)[0]}: there are title, block, read_ns, write_gb_s")
    read = constant("read_ns")
    if not isinstance(data.get("title"), str) or not isinstance(data.get("block"), int) or data["block"] < LINE or read is None:
        raise ReportError(f"{path}: title, block (bytes, at least {LINE}) and read_ns are needed")
    return Medium(os.path.basename(path).removesuffix(".toml"), data["title"], data["block"], read, constant("write_gb_s"),
                  {name: data[name]["source"] for name in ("read_ns", "write_gb_s") if name in data})


def choose(names):
    """[Medium] by names and paths of TOML files; all where none is given. ReportError for one that there is not."""
    known = {one.id: one for one in load_media()}
    found = []
    for name in names or known:
        if name in known:
            found.append(known[name])
        elif name.endswith(".toml"):
            found.append(load_medium(name))
        else:
            raise ReportError(f"no medium {name!r}{near(name, known)}; or name a TOML file")
    return found


def lines_of(row, key="per_page"):
    """Written lines per page, or per fault, of a row; None where they were not counted."""
    vector = row.get("vector")
    if vector is None or vector.get("lines") is None:
        return None
    if key == "per_page":
        return vector["lines"]
    return vector["lines"] * row["pages"] / row["faults"] if row["faults"] else None


def lines_of_cell(rows, key="per_page"):
    """Likewise of a cell, the median of those of its samples that were observed (`faultline run --observe-seeds`); None where none
    was. Seeds move them little: in 108 of the 120 cells of the default matrix on 6.1 not at all."""
    lines = [found for row in rows if (found := lines_of(row, key)) is not None]
    return infer.median(lines) if lines else None


@dataclass(frozen=True)
class Crossing:
    """Of a and b, each (instructions, written lines) per page: price, in instructions a line, at which a and b cost the same,
    None where they do at none; below and above: whether a is the cheaper one before and after it."""

    price: float
    below: bool
    above: bool


def crossing(a, b):
    """The Crossing of two costs, which are straight lines over the price: I + L x price."""
    more_instructions, more_lines = a[0] - b[0], a[1] - b[1]
    if more_lines and -more_instructions / more_lines > 0:
        return Crossing(-more_instructions / more_lines, more_instructions < 0, more_lines < 0)
    cheaper = more_instructions < 0 or (more_instructions == 0 and more_lines < 0)
    return Crossing(None, cheaper, cheaper)


def modelled(row, medium, cpu):
    """{cpu, read, write, low, high, left_out}: ns a page on a medium, each term (least, greatest):

        cost = I x CPI / clock + lines read x latency / MLP + bytes of blocks written / bandwidth

    None where the row has no vector. left_out: terms whose constant is not known; the sum is then of the others."""
    vector = row.get("vector")
    if vector is None:
        return None
    instr = cpu.ns()
    terms = {"cpu": (row["per_page"] * instr[0], row["per_page"] * instr[1]), "read": None, "write": None}
    left_out = []
    if vector["lines_read"] is None:
        left_out.append("read")
    else:
        terms["read"] = (vector["lines_read"] * medium.read_ns[0] / cpu.mlp[1], vector["lines_read"] * medium.read_ns[1] / cpu.mlp[0])
    if medium.write_gb_s is None:
        left_out.append("write")
    else:
        written = vector["lines"] * LINE if medium.block == LINE else vector["blocks256"] * medium.block
        terms["write"] = (written / medium.write_gb_s[1], written / medium.write_gb_s[0])
    known = [term for term in terms.values() if term]
    return {**terms, "low": sum(term[0] for term in known), "high": sum(term[1] for term in known), "left_out": left_out}


def median_row(rows):
    """(per_page, lines) of a cell's samples, each the median; None where no sample has a vector."""
    lines = lines_of_cell(rows)
    return None if lines is None else (infer.median([row["per_page"] for row in rows]), lines)


def build(result, media, cpu):
    """What the medium adds to a Result, as JSON holds it: {domain, cpu, media, cells, pairs, unobserved}."""
    observed, unobserved, fields = {}, 0, _fields(result)
    for rows in result.samples.values():
        if rows[0]["probes"] != result.words.twin or any(row["status"] != "ok" for row in rows) or cells.is_contest(rows[0]):
            continue
        if median_row(rows) is None:
            unobserved += 1
            continue
        place = tuple((field, rows[0].get(field)) for field in fields)
        observed.setdefault(place, {})[cells.label(rows[0])] = rows
    found, pairs = [], []
    for place, group in observed.items():
        for rows in group.values():
            found.append(_cell(place, rows, media, cpu))
        for a, b in PAIRS:
            pairs += [_pair(place, (one, group[one]), (other, group[other]), media, cpu)
                      for one in _measured(group, a) for other in _measured(group, b)]
    return {"domain": DOMAIN, "cpu": {"cpi": cpu.cpi, "ghz": cpu.ghz, "mlp": cpu.mlp},
            "media": [{"id": one.id, "title": one.title, "line_ns": one.line_ns(), "price": cpu.price(one), "sources": one.sources}
                      for one in media], "cells": found, "pairs": pairs, "unobserved": unobserved}


def _measured(group, strategy):
    """The labels of a strategy in a group, its K rising; one sync at the end is no K."""
    found = {label: rows[0]["writes_per_sync"] for label, rows in group.items() if rows[0]["strategy"] == strategy}
    return sorted((label for label, k in found.items() if k != "all"), key=lambda label: found[label] or 0)


def _fields(result):
    """The fields by which places differ: the kernel, and the axes that any row but a contest's has, less the strategy."""
    rows = [rows[0] for rows in result.samples.values() if not cells.is_contest(rows[0])]
    return ["kernel", *(axis["field"] for axis in result.words.axes
                        if axis["field"] != "strategy" and any(row.get(axis["field"]) is not None for row in rows))]


def _cell(place, rows, media, cpu):
    observed = [row for row in rows if row.get("vector")]
    vector, (per_page, lines) = observed[0]["vector"], median_row(rows)
    costs = {one.id: [modelled(row, one, cpu) for row in observed] for one in media}
    return {**dict(place), "place": [field for field, _ in place], "strategy": cells.label(rows[0]), "cell": rows[0]["cell"], "per_page": per_page,
            "lines": lines, "bytes": vector["bytes"], "amplification": vector["amplification"], "fences": vector["fences"],
            "modelled": {name: {"low": min(one["low"] for one in several), "high": max(one["high"] for one in several),
                                "left_out": several[0]["left_out"]} for name, several in costs.items()}}


def _pair(place, a, b, media, cpu):
    cost_a, cost_b = median_row(a[1]), median_row(b[1])
    found = crossing(cost_a, cost_b)
    ns = cpu.ns()
    sides = {}
    for name, price in cpu.prices(media).items():
        if price is None:
            sides[name] = None
            continue
        cheaper = {found.below if found.price is None or at < found.price else found.above for at in price}
        sides[name] = "either" if len(cheaper) == 2 else (a if cheaper.pop() else b)[0]
    return {**dict(place), "place": [field for field, _ in place], "a": a[0], "b": b[0],
            "instr": [cost_a[0], cost_b[0]], "lines": [cost_a[1], cost_b[1]], "price": found.price,
            "price_ns": None if found.price is None else [found.price * ns[0], found.price * ns[1]],
            "cheaper_below": (a if found.below else b)[0], "cheaper_above": (a if found.above else b)[0],
            "cheaper": sides}


def span(low, high, unit=""):
    """A range in words, at three digits."""
    a, b = f"{low:.3g}", f"{high:.3g}"
    return (a if a == b else f"{a} to {b}") + unit


def text(data, number):
    """Lines of at most 80 columns; `number` formats a figure."""
    cpu = data["cpu"]
    lines = ["break-even: the price of a written line of 64 bytes, in instructions, at which",
             "two strategies cost the same; between counts, so that it is exact", ""]
    last = None
    for pair in data["pairs"]:
        place = _place_words(pair)
        if place != last:
            lines += [] if last is None else [""]
            lines += [plain(place), f"  {'a':<17}{'b':<16}{'instr a':>9}{'instr b':>9}{'lines a':>8}{'lines b':>8}  cheaper"]
            last = place
        lines.append(f"  {pair['a']:<17}{pair['b']:<16}{number(pair['instr'][0]):>9}{number(pair['instr'][1]):>9}"
                     f"{pair['lines'][0]:>8.4g}{pair['lines'][1]:>8.4g}  {_side(pair)}")
        if pair["price"] is not None:
            lines.append(f"    turns at {number(pair['price'])} instr a line ({span(*pair['price_ns'], ' ns')}); then "
                         f"{pair['cheaper_above']}")
    if not data["pairs"]:
        lines.append("no pair of strategies that the claims compare was observed")
    lines += ["", f"{DOMAIN}, us a page: instructions x CPI + lines read x latency / MLP + bytes /",
              f"bandwidth, for CPI {span(*cpu['cpi'])} at {span(*cpu['ghz'])} GHz, MLP {span(*cpu['mlp'])}; +: the medium's",
              "bandwidth is not known, and what it takes to write comes on top", ""]
    known = [one["id"] for one in data["media"]]
    last = None
    for cell in data["cells"]:
        place = _place_words(cell)
        if place != last:
            lines += [] if last is None else [""]
            lines += [plain(f"{place}; {DOMAIN}"), *_columns("  ", known)]
            last = place
        lines += _columns(f"  {cell['strategy']}", [_range(cell["modelled"][name]) for name in known])
    lines.append("")
    lines.append("price of a written line, in instructions at that CPI:")
    for one in data["media"]:
        price = "not known" if one["price"] is None else f"{span(*one['price'])} ({span(*one['line_ns'], ' ns')})"
        lines.append(f"  {one['id']:<12}{price}")
    if data["unobserved"]:
        lines.append(f"left out: {counted(data['unobserved'], 'cell')} without a vector: `faultline run --observe vector`")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def ratio_over_media(a, b, media, cpu):
    """(least, greatest) of a over b per fault, rows of one cell each, over all prices that media may have, and 0; None where
    the lines of either were not counted. The ratio moves one way only with the price, so that its ends are enough."""
    lines = lines_of(a, "per_fault"), lines_of(b, "per_fault")
    if None in lines:
        return None
    prices = [0.0] + [price[1] for price in cpu.prices(media).values() if price]
    ratios = [(a["per_fault"] + price * lines[0]) / (b["per_fault"] + price * lines[1]) for price in prices]
    return min(ratios), max(ratios)


def _side(pair):
    side = "a" if pair["cheaper_below"] == pair["a"] else "b"
    return side if pair["price"] is None else f"{side} first"


def _columns(first, texts):
    """Lines of 80 columns: a first column, and as many others as fit, on further lines where not all do."""
    lines, width = [], 12
    for start in range(0, max(len(texts), 1), 5):
        lines.append(f"{first if start == 0 else '':<19.19}" + "".join(f"{one:>{width}}" for one in texts[start:start + 5]))
    return lines


def _range(one):
    return f"{one['low'] / 1000:.3g}-{one['high'] / 1000:.3g}" + ("+" if "write" in one["left_out"] else "")


WORDS = {"threads": lambda count: f"threads {count}", "stores_per_page": lambda count: f"{counted(count, 'store')} a page",
         "dirty_inodes": lambda count: f"{counted(count, 'dirty inode')} of others"}


def _place_words(one):
    return ", ".join(WORDS.get(field, str)(one[field]) for field in one["place"] if one[field])


# Prices at which a rule is asked again; between two with different words the turn is found.
PRICES = (0.0, *(10 ** (exponent / 4) for exponent in range(0, 25)))  # up to a million instructions


def turns(word):
    """[(price from which on, word)] of a function of the price, the first at 0."""
    found = [(0.0, word(0.0))]
    for low, high in zip(PRICES, PRICES[1:]):
        now = word(high)
        if now == found[-1][1]:
            continue
        before, least, most = found[-1][1], low, high
        while most - least > max(1e-3 * most, 1e-3):
            middle = (least + most) / 2 if least == 0 else math.sqrt(least * most)
            if word(middle) == before:
                least = middle
            else:
                most = middle
        found.append((most, now))
    return found


def word_on(found, price):
    """The words that hold anywhere between two prices, of `turns`."""
    low, high = price
    said = []
    for index, (since, word) in enumerate(found):
        until = found[index + 1][0] if index + 1 < len(found) else math.inf
        if since <= high and until > low and word not in said:
            said.append(word)
    return said
