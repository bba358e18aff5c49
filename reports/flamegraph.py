# SPDX-License-Identifier: GPL-2.0-only
"""Flame graphs: folded stacks to a picture that stands alone, as one SVG without scripts.

A folded stack is a line `frame;frame;frame COUNT`, the outermost frame first.
"""

import re
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from load import ReportError, plain

WIDTH = 1200
MARGIN = 10
ROW = 18
FONT = 12
CHARACTER = 7.25  # width of one in the monospaced font at FONT
HEAD = 64
FOOT = 30
NARROWEST = 0.3  # pixels; what is narrower cannot be seen, and its parent shows that it is there

COUNT = re.compile(r"(?P<stack>.*\S)\s+(?P<count>\d+(\.\d+)?)\s*$")


@dataclass
class Frame:
    """A frame of the graph: all stacks that have these frames from the root on."""

    name: str
    count: float = 0
    other: float = 0  # the same frame's in the profile that this one is compared with
    children: dict = field(default_factory=dict)


def parse_folded(text, path="standard input"):
    """{(frame, ...): count} of folded stacks; equal stacks are added up. ReportError names a line that is none."""
    stacks = {}
    for number, line in enumerate(text.split("\n"), 1):
        found = COUNT.match(line)
        if not line.strip() or line.startswith("# ") or line.startswith("#") and not found:
            continue
        if not found:
            raise ReportError(f"{path}: line {number} is no folded stack (`frame;frame COUNT`): {line[:60]!r}")
        stack = tuple(frame or "?" for frame in found["stack"].strip().split(";"))
        count = float(found["count"]) if "." in found["count"] else int(found["count"])
        stacks[stack] = stacks.get(stack, 0) + count
    if not sum(stacks.values()):
        raise ReportError(f"{path}: there are no stacks in it: nothing was sampled, or it is another kind of file")
    return stacks


TOUCHES = re.compile(r"^# touches (\d+)$", re.M)


def format_folded(stacks, touches=None):
    """The stacks as lines, in a fixed order; before them of how many touches they are, where that is known."""
    return (f"# touches {touches}\n" if touches else "") + "".join(
        f"{';'.join(stack)} {count}\n" for stack, count in sorted(stacks.items()))


def touches_of(text):
    """Of how many touches folded stacks are; None where they do not say."""
    found = TOUCHES.search(text)
    return int(found[1]) or None if found else None


# `perf script`: a head per sample, "comm tid [cpu] time: period event:", then a line per frame, the
# innermost first: "address symbol+0xoffset (object)"; an empty line ends the sample.
# A thread that has ended is `:-1 -1`.
HEADER = re.compile(r"(?P<comm>\S.*?)\s+(?P<tid>-?\d+(/\d+)?)\s+(\[\d+\]\s+)?(\S{4,5}\s+)?[\d.]+:\s+"
                    r"((?P<period>\d+)\s+)?(?P<event>\S+?):(?P<rest>\s.*)?$")
FRAME = re.compile(r"\s+(?P<address>[0-9a-f]+)\s+(?P<text>\S.*?)\s*$")
# What follows the address. Symbols and paths may have brackets of their own: an offset tells where the symbol ends.
NAMED = (re.compile(r"(?P<symbol>.*?)\+0x[0-9a-f]+ \((?P<object>.*)\)$"),
         re.compile(r"(?P<symbol>\[unknown\]) \((?P<object>.*)\)$"))
OFFSET = re.compile(r"\+0x[0-9a-f]+$")
SOURCE_LINE = re.compile(r":\d+$")
MOST_NOTED = 60  # characters of a line that is quoted


def fold_perf_script(text, path="standard input", event=None, notes=None):
    """(stacks, event) of what `perf script` printed, its samples weighted by their periods.

    The outermost frame is the command's name. `event`: samples of this one alone; by default the first that the
    text has, since periods of two events have two units. notes: a list that gains a line for what was left out: lines
    that are none of perf script's, samples of other events. ReportError when there is no sample.
    """
    stacks, odd, others = {}, [], {}
    frames, head, other = [], None, False

    def finish():
        if head is not None:
            stack = (_folded_name(head["comm"]), *reversed(frames))
            stacks[stack] = stacks.get(stack, 0) + int(head["period"] or 1)
        frames.clear()

    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            finish()
            head, other = None, False
            continue
        found = None if line[0] == "\t" else HEADER.match(line.strip())  # a command may be called as an address
        frame = None if found else _frame(line)
        if frame is not None and (head is not None or other):
            frames.append(frame)
            continue
        if not found:
            if not line.startswith("#"):
                odd.append((number, line.strip()))
                if not line[0].isspace():  # what comes below it is of no sample that is known
                    finish()
                    head, other = None, False
            continue
        finish()
        event = event or found["event"]
        frame = _frame(found["rest"] or "")
        if frame is not None:
            frames.append(frame)
        head, other = (found, False) if found["event"] == event else (None, True)
        if other:
            others[found["event"]] = others.get(found["event"], 0) + 1
    finish()
    if not stacks and odd and not others:
        raise ReportError(f"{path}: line {odd[0][0]} is not of `perf script`: {odd[0][1][:MOST_NOTED]!r}")
    if not stacks:
        raise ReportError(f"{path}: no samples of `perf script` in it")
    if notes is not None:
        notes += _left_out(path, event, odd, others)
    return stacks, event


def _left_out(path, event, odd, others):
    if odd:
        yield (f"{path}: {len(odd)} {'lines are' if len(odd) > 1 else 'line is'} not of `perf script` and left out, the "
               f"first is line {odd[0][0]}: {odd[0][1][:MOST_NOTED]!r}")
    if others:
        counts = ", ".join(f"{count} of {name}" for name, count in sorted(others.items()))
        yield f"{path}: only samples of {event} are taken; left out are {counts}"


# What a write fault runs in, from the outermost frame on (arch/x86/entry, arch/x86/mm/fault.c), and what works for it
# in threads of the kernel: jbd2's commit, XFS's push of the CIL and the end of a log write.
FAULT_FRAMES = ("asm_exc_page_fault", "exc_page_fault", "do_user_addr_fault")
SERVING_FRAMES = ("jbd2_journal_commit_transaction", "xlog_cil_push_work", "xlog_ioend_work")


def of_faults(stacks):
    """Of {stack: count} what faults ran, and what the kernel's threads ran for their syncs: stacks that begin with
    `fault`, or with the kernel thread's name (without its number and device), each cut above the frame that tells."""
    kept = {}
    for stack, count in stacks.items():
        at = next((i for i, frame in enumerate(stack) if frame in FAULT_FRAMES), None)
        root = "fault"
        if at is None:
            at = next((i for i, frame in enumerate(stack) if frame in SERVING_FRAMES), None)
            root = stack[0].partition("/")[0]
        if at is not None:
            new = (root, *stack[at:])
            kept[new] = kept.get(new, 0) + count
    return kept


def _frame(line):
    """The frame that a line of `perf script` is, by its symbol, else by its object; None when it is none."""
    found = FRAME.match(line)
    if not found:
        return None
    text = found["text"]
    named = next(filter(None, (form.match(text) for form in NAMED)), None)
    if named:
        symbol, name = named["symbol"], named["object"]
    elif SOURCE_LINE.search(text):
        return None
    else:
        symbol, name = _bracketed(text)
    symbol = OFFSET.sub("", symbol.strip())
    if symbol and symbol != "[unknown]":
        return _folded_name(symbol)
    return _folded_name(f"[{name.rsplit('/', 1)[-1].strip('[]') or 'unknown'}]")


def _bracketed(text):
    """(what stands before the brackets at the end, what stands in them); without brackets at the end all is before."""
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[at], 0)
        if depth == 0:
            break
    if text.endswith(")") and at and text[at - 1].isspace():
        return text[:at], text[at + 1:-1]
    return text, ""


def _folded_name(name):
    """A name that cannot end a frame or a line of the folded form, nor be a comment of it."""
    return re.sub("^# ", "#_", plain(name).replace(";", ":"))


def build(stacks, other=None):
    """The tree of these stacks; with `other`, of both, each frame with both counts."""
    root = Frame("all")
    for source, attribute in ((stacks, "count"), (other or {}, "other")):
        for stack, count in source.items():
            frame = root
            setattr(frame, attribute, getattr(frame, attribute) + count)
            for name in stack:
                frame = frame.children.setdefault(name, Frame(name))
                setattr(frame, attribute, getattr(frame, attribute) + count)
    return root


def svg(stacks, title, unit, other=None, names=("this", "the other"), touches=None):
    """The picture as text: the same for the same stacks, in whatever order they come.

    other: the stacks that these are compared with. Widths are then of these stacks, and the colour says by how much
    a frame grew (red) or shrank (blue): per touch, where touches, of how many both are, is given, else its share of the
    whole, which grows where another shrinks. names: what to call the two in the hover texts.
    """
    if touches:
        stacks, other = ({stack: count / of for stack, count in part.items()} for part, of in zip((stacks, other), touches))
        unit = f"{unit} a touch"
    root = build(stacks, other)
    whole = (max(root.count, root.other),) * 2 if touches else (root.count, root.other)
    rectangles = []
    depth = _lay(root, 0, 0.0, (WIDTH - 2 * MARGIN) / root.count, rectangles)
    height = HEAD + (depth + 1) * ROW + FOOT
    if other is None:
        subtitle = f"{_number(root.count)} {unit}; width: share of all {unit}; outermost frame at the bottom"
    else:
        more, less = ("more", "less") if touches else ("larger share", "smaller")
        subtitle = f"red: {more} than in the other, blue: {less}; {_number(root.count)} {unit}, other {_number(root.other)}"
        gone = _gone(root)
        if gone:
            subtitle += f"; {100 * gone / root.other:.1f} % of the other is in no frame here"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<!-- SPDX-License-Identifier: GPL-2.0-only -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" font-family="DejaVu Sans Mono, Liberation Mono, Menlo, Consolas, monospace" '
        f'font-size="{FONT}">',
        f"<title>{_text(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{WIDTH / 2:g}" y="26" text-anchor="middle" font-size="17" font-family="sans-serif">'
        f"{_text(_cut(title, (WIDTH - 2 * MARGIN) / 9.5))}</text>",
        f'<text x="{WIDTH / 2:g}" y="46" text-anchor="middle" fill="#555555" font-family="sans-serif">'
        f"{_text(_cut(subtitle, (WIDTH - 2 * MARGIN) / 6.4))}</text>",
    ]
    for frame, level, x, width in rectangles:
        y = HEAD + (depth - level) * ROW
        fill = _warm(frame.name) if other is None else _difference(_share(frame, whole))
        lines.append(f"<g><title>{_text(_hover(frame, root, unit, whole if other is not None else None, names))}</title>"
                     f'<rect x="{MARGIN + x:.2f}" y="{y}" width="{max(width - 0.5, 0.2):.2f}" height="{ROW - 1}" '
                     f'rx="1.5" fill="{fill}"/>{_label(frame.name, MARGIN + x, y, width, fill)}</g>')
    if other is not None:
        lines.append(_legend(HEAD + (depth + 1) * ROW + 8, f"percent of the greater {unit}" if touches else
                             "percentage points of share"))
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def _lay(root, level, x, scale, into):
    """Puts (frame, level, x, width) of the whole tree into a list; returns the deepest level. No recursion: a stack
    may be as deep as it likes."""
    deepest = level
    todo = [(root, level, x)]
    while todo:
        frame, level, x = todo.pop()
        width = frame.count * scale
        if width < NARROWEST:
            continue
        into.append((frame, level, x, width))
        deepest = max(deepest, level)
        for child in sorted(frame.children.values(), key=lambda f: f.name):
            todo.append((child, level + 1, x))
            x += child.count * scale
    return deepest


def _gone(root):
    """How much of the other profile is in frames that this one has not at all."""
    gone, todo = 0, [root]
    while todo:
        frame = todo.pop()
        if frame.count:
            todo.extend(frame.children.values())
        else:
            gone += frame.other
    return gone


def _share(frame, whole):
    """By how much this frame grew, in parts of what is the whole of either side, -1 to 1."""
    return frame.count / whole[0] - frame.other / whole[1]


def _hover(frame, root, unit, whole, names):
    text = f"{frame.name}: {_number(frame.count)} {unit}, {100 * frame.count / root.count:.2f} %"
    if whole:
        text += (f" of {names[0]}; {_number(frame.other)} {unit}, {100 * frame.other / root.other:.2f} % of {names[1]}; "
                 + (f"{frame.count - frame.other:+.6g} {unit}" if whole[0] == whole[1] and unit.endswith("touch") else
                    f"{100 * _share(frame, whole):+.2f} points"))
    return text


def _number(count):
    return f"{count:,.0f}".replace(",", " ") if float(count).is_integer() else f"{count:.6g}"


def _label(name, x, y, width, fill):
    room = int((width - 7) / CHARACTER)
    if room < 3:
        return ""
    dark = sum(int(fill[i:i + 2], 16) * w for i, w in ((1, 0.3), (3, 0.59), (5, 0.11))) < 120
    return (f'<text x="{x + 3.5:.2f}" y="{y + ROW - 5.5:g}" fill="{"#ffffff" if dark else "#000000"}">'
            f"{_text(_cut(name, room))}</text>")


def _cut(text, room):
    room = int(room)
    text = plain(text)
    return text if len(text) <= room else text[:room - 1] + "…"


def _text(text):
    return escape(plain(text), {'"': "&quot;"})


def _warm(name):
    """A colour between yellow and red, the same for the same name in any graph."""
    code = 0
    for byte in name.encode("utf-8", "surrogatepass"):
        code = (code * 31 + byte) & 0xFFFFFFFF
    code = (code * 2654435761 & 0xFFFFFFFF) >> 8
    return f"#{225 + code % 30:02x}{120 + (code >> 6) % 110:02x}{60 + (code >> 14) % 50:02x}"


STRONGEST = 0.25  # of the whole: a share that moved by as much, or more, has the full colour


def _difference(share):
    """White for no difference, red for a larger share, blue for a smaller one."""
    strength = min(abs(share) / STRONGEST, 1) ** 0.5
    pale = [round(245 - strength * (245 - full)) for full in ((214, 47, 39) if share > 0 else (49, 98, 189))]
    return "#" + "".join(f"{value:02x}" for value in pale)


def _legend(y, what):
    parts = []
    for i, share in enumerate((-0.25, -0.1, -0.03, 0, 0.03, 0.1, 0.25)):
        fill = _difference(share)
        text = "0" if not share else f"{100 * share:+.0f}"
        x = MARGIN + 62 * i
        dark = abs(share) > 0.2
        parts.append(f'<rect x="{x}" y="{y}" width="60" height="{ROW - 2}" fill="{fill}"/>'
                     f'<text x="{x + 30}" y="{y + 12}" text-anchor="middle" fill="{"#ffffff" if dark else "#000000"}">'
                     f"{text}</text>")
    parts.append(f'<text x="{MARGIN + 62 * 7 + 6}" y="{y + 12}" fill="#555555" font-family="sans-serif">'
                 f"{_text(what)}</text>")
    return "".join(parts)
