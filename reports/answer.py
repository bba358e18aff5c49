# SPDX-License-Identifier: GPL-2.0-only
"""The answer in a minute: for each state of the block what costs least and what that guarantees, what MAP_SYNC costs beside
an fsync, and where that turns, by K or by the medium. All of it is read from the rows; no words are kept for any state."""

import math

import cells
import claims
import crash
import infer
import medium
import stats
from number import counted, first_k, first_k_text, number

MAP_SYNC, FSYNC, COMMON_K = "map_sync", "fsync", 64  # compared with the measured K that is nearest to it
TIE = 0.1  # percent: of costs no farther apart the one that a reader meets first is named; `compare` has this floor too
NOTHING, SENTENCE = "nothing", ", after the "  # what the floor promises; between what is durable and when, in a sentence
PROBED = "Only measured with probes: each figure contains what they cost."
# How a promise says when it holds: the title of a column, and the words of a sentence.
WHEN = {"store": ("at the store", "when the store has returned"), "call": ("at the call", "when the call has returned"),
        "": ("cheapest", "")}
NO_CUTS = ("What is durable is what each strategy promises; no power cut has tried it here: `faultline crashtest`, and give "
           "its folder to the report as well.")


def build(result, crashes=()):
    """[row], one per kernel, file system and state, in reading order, as JSON holds it: {kernel, fs, workload, order, threads,
    state, summary, probed, cheapest: [{when, strategy, per_page, durable, cuts}], against, samples, spread}.

    probed: no cell of that state has a twin, so that its figures contain what the probes cost; where any has, those without are
    left out. cheapest: of strategies that a stock kernel has, by when their promise holds (a key of WHEN), the least first; cuts: {points,
    lost, status} of a crash test of that very cell, or null. against: {strategy, other, ratio, turn, ks, media}: MAP_SYNC over an fsync;
    turn: the K from which on fsync costs less, null at none of ks, which are the least and the greatest K measured; media:
    {price, below, above, sides}, of `medium`, null where no lines were counted. samples, spread: how many of a cell, and how far
    those of the cells named are apart at most, in percent."""
    cuts = {(row["kernel"], row["fs"], row["strategy"], row["state"]): row for row in crash.guarantees(crashes, result)}
    found, seen = [], set()
    for key, group in cells.sections(result).items():
        if key[:2] in seen or not any(cell.best for cell in group):
            continue
        rows = [_row(result, key, group, state, cuts) for state in result.words.ids("state")]
        rows = [row for row in rows if row]
        if rows:
            seen.add(key[:2])
            found += rows
    return found


def _row(result, key, group, state, cuts):
    there = _alike(result.words, [cell for cell in group if cell.any["state"] == state and cell.best])
    kinds = {}
    for cell in there:
        about = result.words.about("strategy", cell.any["strategy"])
        durable, when = _promise(about)
        floor = durable == NOTHING if durable else cell.any["strategy"] == result.words.floor
        if not floor and not about.get("module"):
            kinds.setdefault(when, []).append((cell, durable if when else ""))
    if not kinds:
        return None
    cheapest, shown = [], []
    for when, several in kinds.items():
        least = min(cell.best["per_page"] for cell, _ in several)
        cell, durable = next(one for one in several if one[0].best["per_page"] <= least * (1 + TIE / 100))
        shown.append(cell)
        cheapest.append({"when": when, "strategy": cell.label, "per_page": cell.best["per_page"], "durable": durable,
                         "cuts": _cuts(cuts.get((*key[:2], cell.label, state)))})
    cheapest.sort(key=lambda one: one["per_page"])
    against, compared = _against(result, there)
    samples = [[row["per_page"] for row in result.samples[cell.best["name"]] if row["status"] == "ok"]
               for cell in (*shown, *compared)]
    return {**dict(zip(("kernel", "fs", "workload", "order", "threads"), key)), "state": state,
            "summary": result.words.about("state", state).get("summary", ""), "probed": shown[0].probed_only, "cheapest": cheapest, "against": against,
            "samples": min(map(len, samples)),
            "spread": max(map(infer.spread, samples))}


def _alike(words, there):
    """Those cells whose figures are of the same set of probes: of none, where any is."""
    sets = {cell.best["probes"] for cell in there}
    least = min(sets, key=lambda probes: (probes != words.twin, words.rank("probes", probes), probes), default=None)
    return [cell for cell in there if cell.best["probes"] == least]


def _promise(about):
    """What of a page is durable, and when (a key of WHEN), by the row of a strategy; a result of before there were fields for
    both says it in a sentence."""
    if "durable" in about:
        durable, when = about["durable"], about.get("when", "").removeprefix("the ")
    else:
        durable, _, when = about.get("promises", "").rpartition(SENTENCE)
        durable, when = (durable, when) if durable else (when, "")
    return durable, when if when in WHEN else ""


def _cuts(row):
    if row is None or row["kept"] is None:
        return None
    return {"points": row["checked"], "lost": sum(one["lost"] for one in row["kept"].values()), "status": row["status"]}


def _against(result, there):
    """(`against` of a row, the two cells)."""
    mine = next((cell for cell in there if cell.any["strategy"] == MAP_SYNC), None)
    curve = {cell.any["writes_per_sync"]: cell for cell in there if cell.any["strategy"] == FSYNC and
             isinstance(cell.any["writes_per_sync"], int)}
    if not curve or mine is None:
        return None, ()
    other = curve[min(curve, key=lambda k: (abs(math.log(k / COMMON_K)), k))]
    ratio = stats.ratio(mine.best["per_page"], other.best["per_page"])
    turn = claims.crossing({k: cell.best["per_page"] for k, cell in curve.items()}, mine.best["per_page"])
    found = {"strategy": mine.label, "other": other.label, "ratio": ratio, "turn": turn, "ks": [min(curve), max(curve)],
             "media": _media(result, mine, other)}
    return found, (mine, other)


def _media(result, mine, other):
    costs = [medium.median_row(result.samples[cell.best["name"]]) for cell in (mine, other)]
    if None in costs or result.context["time_domain"] != "virtual":
        return None
    turn = medium.crossing(*costs)
    names = {True: mine.label, False: other.label}
    sides = {}
    for name, price in medium.Cpu().prices(medium.load_media()).items():
        sides[name] = None if price is None else list(dict.fromkeys(
            names[turn.below if turn.price is None or at < turn.price else turn.above] for at in price))
    return {"price": turn.price, "below": names[turn.below], "above": names[turn.above], "sides": sides}


def turn_column(against):
    """From which K on fsync costs less, in few words: at, below or beyond what was measured."""
    least, most = against["ks"]
    if against["turn"] is None:
        return f">{most}"
    return first_k_text(against["turn"]) if against["turn"] else f"<={least}" if least > 1 else "1"


def turn_words(against):
    """Where fsync costs less, in words, if it does not turn between two K."""
    least, most = against["ks"]
    if least == most:
        less = "costs less" if against["turn"] is not None else "does not cost less"
        return f"{FSYNC}:{least} {less}, the one K that was measured"
    return f"{FSYNC}:K costs less at {'no' if against['turn'] is None else 'each'} K that was measured, {least} to {most}"


def say(rows, unit, kernel_text=str):
    """[{state, summary, sentences}]: the answer in words, a state at a time."""
    found = []
    name = _namer(rows, kernel_text)
    for state in dict.fromkeys(row["state"] for row in rows):
        mine = [row for row in rows if row["state"] == state]
        found.append({"state": state, "summary": mine[0]["summary"], "sentences": [
            *_cheapest_words(mine, unit, name), *_against_words(mine, name), *[PROBED] * any(row["probed"] for row in mine)]})
    return found


def title(one):
    """The heading of a state, as `say` has it."""
    return f"{one['state']}: {one['summary']}" if one["summary"] else one["state"]


def is_untried(rows):
    """Whether no power cut has tried what any strategy named here promises, and the result says what that is."""
    named = [one for row in rows for one in row["cheapest"] if one["when"]]
    return bool(named) and not any(one["cuts"] for one in named)


def scope(rows):
    """Of which cells an answer is."""
    return "; ".join(dict.fromkeys(f"{row['workload']}, {row['order']}, {counted(row['threads'], 'thread')}"
                                   for row in rows))


def _namer(rows, kernel_text):
    """function(row) -> its place: what tells places apart."""
    kernels, file_systems = ({row[key] for row in rows} for key in ("kernel", "fs"))

    def name(row):
        return " ".join([row["fs"]] * (len(file_systems) > 1 or len(kernels) == 1) +
                        [f"on {kernel_text(row['kernel'])}"] * (len(kernels) > 1))
    return name


NAMED = 3  # places that a sentence names, each with its figure; of more it says the least and the greatest


def _figures(pairs, name, form):
    """The figures of [(row, value)]."""
    values = [value for _, value in pairs]
    if len({form(value) for value in values}) == 1:
        return form(values[0])
    if len(pairs) <= NAMED:
        return _join([f"{form(value)} ({name(row)})" for row, value in pairs])
    return f"{form(min(values))} to {form(max(values))}"


def _join(words):
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:])


def _grouped(rows, text):
    """{text(row): [row]} of rows that have one."""
    found = {}
    for row in rows:
        words = text(row)
        if words:
            found.setdefault(words, []).append(row)
    return found


def _places(mine, every, name):
    """Where, if it is not everywhere."""
    if len(mine) == len(every):
        return ""
    return f" on {_join([name(row) for row in mine])}" if len(mine) <= NAMED else f" in {len(mine)} of {len(every)} places"


def _cheapest_words(rows, unit, name):
    sentences = []
    for nth in range(max(len(row["cheapest"]) for row in rows)):
        ranked = [row for row in rows if nth < len(row["cheapest"])]
        groups = _grouped(ranked, lambda row: (row["cheapest"][nth]["strategy"], row["cheapest"][nth]["when"]))
        for (strategy, when), mine in groups.items():
            of = [row["cheapest"][nth] for row in mine]
            cost = _figures([(row, one["per_page"]) for row, one in zip(mine, of)], name, number)
            where = _places(mine, rows, name)
            if nth == 0:
                promise = f"; {of[0]['durable']} are durable {WHEN[when][1]}{_cut_words(of)}" if when else ""
                sentences.append(f"{strategy} costs least{where}: {cost} {unit} a page{promise}.")
            else:
                promise = f" ({of[0]['durable']}{_cut_words(of)})" if when else ""
                sentences.append(f"{'D' if when else 'Not said when d'}urable {WHEN[when][1]}{where}: {strategy}, {cost} {unit} a "
                                 f"page{promise}.".replace("  ", " "))
    return sentences


def _cut_words(of):
    tried = [one["cuts"] for one in of if one["cuts"]]
    if not tried:
        return ""
    points, lost = sum(one["points"] for one in tried), sum(one["lost"] for one in tried)
    kept = "all kept" if all(one["status"] == "ok" for one in tried) else "FAILED, see the crash test,"
    return f"; {f'LOST {lost}' if lost else kept} in {counted(points, 'power cut')}"


TURNS = FSYNC + ":K costs less from K = {least} on (the costs meet at {meet})"


def _against_words(rows, name):
    mine = [row for row in rows if row["against"]]
    sentences = []
    for other, group in _grouped(mine, lambda row: row["against"]["other"]).items():
        times = _figures([(row, row["against"]["ratio"]) for row in group], name, lambda value: f"{value:.2f}")
        sentences.append(f"{MAP_SYNC} costs {times} times {other}.")
    sides = _grouped(mine, lambda row: TURNS if row["against"]["turn"] else turn_words(row["against"]))
    for words, group in sides.items():
        if words == TURNS:
            turns = [(row, row["against"]["turn"]) for row in group]
            least = _figures([(row, first_k(turn)) for row, turn in turns], name, str)
            words = words.format(least=least, meet=_figures(turns, name, lambda value: f"{value:.3g}"))
        sentences.append(f"{words}{_places(group, mine, name)}.")
    observed = [row for row in mine if row["against"]["media"]]
    for words, group in _grouped(observed, lambda row: _side_words(row["against"]["media"])).items():
        prices = [(row, row["against"]["media"]["price"]) for row in group if row["against"]["media"]["price"]]
        price = f" {_figures(prices, name, number)} instr" if prices else ""
        sentences.append(words.replace("PRICE", price) + f"{_places(group, mine, name)}.")
    return sentences


def _side_words(media):
    if media["price"] is None:
        return f"By medium: {media['below']} at every price of a written line"
    moved = [name for name, sides in media["sides"].items() if sides and sides != [media["below"]]]
    return (f"By medium: {media['below']}, and {media['above']} where a written line costs more thanPRICE" +
            (f": it may on {_join(moved)}" if moved else ", as on no cited medium that is known"))


def columns(rows):
    """((title, function(row) -> text), ...) of the answer as a grid, without the kernel."""
    kinds = [when for when in WHEN if any(one["when"] == when for row in rows for one in row["cheapest"])]

    def cheapest(row, when):
        return next((one for one in row["cheapest"] if one["when"] == when), None)

    def strategy(when):
        return lambda row: cheapest(row, when)["strategy"] + "*" * row["probed"] if cheapest(row, when) else "-"

    def cost(when):
        return lambda row: number(cheapest(row, when)["per_page"]) if cheapest(row, when) else "-"
    found = [("fs", lambda row: row["fs"]), ("state", lambda row: row["state"])]
    for when in kinds:
        found += [(WHEN[when][0], strategy(when)), ("cost", cost(when))]
    if any(row["against"] for row in rows):
        found += [(_against_title(rows), lambda row: f"{row['against']['ratio']:.2f}" if row["against"] else "-"),
                  ("from K", lambda row: turn_column(row["against"]) if row["against"] else "-")]
    return tuple(found)


def _others(rows):
    return list(dict.fromkeys(row["against"]["other"] for row in rows if row["against"]))


def _against_title(rows):
    """The title of the column of ratios: over which fsync they are, if it is one."""
    return f"vs {_others(rows)[0] if len(_others(rows)) == 1 else FSYNC}"


WORDS = ("fs", "state", *(title for title, _ in WHEN.values()))  # columns that stand left


def note(rows, unit):
    """What the columns mean."""
    words = [f"cost: {unit} a page, of the cheapest whose promise holds at the store, or at the call that syncs"]
    if _others(rows):
        words += [f"{_against_title(rows)}: {MAP_SYNC} over {_join(_others(rows))}",
                  f"from K: from this K on {FSYNC}:K costs less than {MAP_SYNC} (where their costs meet)"]
    if any(row["probed"] for row in rows):
        words.append(f"*: {PROBED[0].lower()}{PROBED[1:-1]}")
    return "; ".join(words)
