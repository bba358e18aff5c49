# SPDX-License-Identifier: GPL-2.0-only
"""The hash of a result: one of all that it says, and of nothing that says when, where and in which order it was measured.
docs/result-format.md defines it ("The hash"); this is that definition in Python."""

import hashlib
import json
import os

from load import ReportError

# Of the context: what figures hang on.
CONTEXT = ("schema_version", "on", "accel", "time_domain", "unit", "faultline", "qemu", "kernels", "file_systems")
QEMU = ("version", "binary_sha256")  # its arguments are those of the cell that was planned last
# What a kernel has of the guest that came last, and where its file lay.
NOT_OF_A_KERNEL = ("boot", "command_line", "path")
NOT_OF_A_MODULE = ("boot",)
# Of a row: what its name says already, where it stood in its run, how its guest came up.
NOT_OF_A_ROW = ("cell", "family_index", "per_family_instance_index", "life")

RECORD = 48  # bytes of a sample in the side file
PIECE = RECORD << 14  # bytes of samples in memory at a time


def text(value):
    """A value as JSON in the one form that RFC 8785 gives it, less the members of objects that are null. UnicodeError for
    text with half a surrogate pair, which is none."""
    if isinstance(value, dict):
        members = sorted((item for item in value.items() if item[1] is not None), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(f"{_quoted(key)}:{text(one)}" for key, one in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    return json.dumps(value)


def _quoted(value):
    return json.dumps(value, ensure_ascii=False)


def number(value):
    """A number as ECMAScript prints it: the IEEE 754 double nearest to it, by the fewest digits that mean that double."""
    double = float(value)
    if double == 0:
        return "0"
    mantissa, _, exponent = repr(abs(double)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)  # of the digits, those before the decimal point
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    sign = "-" if double < 0 else ""
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}{'.' * (len(digits) > 1)}{digits[1:]}e{point - 1:+d}"


def _without(found, names):
    return {key: value for key, value in found.items() if key not in names}


def context(given):
    """What of a result's context figures hang on; of each kernel and file system all that does not hang on which cells
    there were."""
    kept = {key: given.get(key) for key in CONTEXT}
    if kept["qemu"]:
        kept["qemu"] = {key: kept["qemu"].get(key) for key in QEMU}
    kept["kernels"] = {name: kernel_of(kernel) for name, kernel in kept["kernels"].items()}
    return kept


def kernel_of(kernel):
    """Of a kernel of the context, what figures hang on."""
    kept = _without(kernel, NOT_OF_A_KERNEL)
    if kept.get("module"):
        kept["module"] = _without(kept["module"], NOT_OF_A_MODULE)
    return kept


def row_order(given):
    """The sort key of rows: name, by code points; then seed and repetition."""
    return given["name"], given["seed"], given["repetition_index"]


def row(given, samples=None):
    """What a row says. samples: the SHA-256 of its records in the side file, if it has any."""
    return {**_without(given, NOT_OF_A_ROW), "samples": samples}


def sample_pieces(folder, given):
    """The records of a row's samples, as bytes in pieces; none for a row without. ReportError when the side file, in the
    result's folder, is not there or lacks some of them."""
    about = given.get("samples")
    if not about:
        return
    path = os.path.join(folder, os.path.basename(about["file"]))
    left = about["count"] * RECORD
    try:
        with open(path, "rb") as file:
            file.seek(about["first"] * RECORD)
            while left:
                piece = file.read(min(left, PIECE))
                if not piece:
                    raise ReportError(f"{path}: ends before the last sample of {given['name']!r}: it was cut short, or is of "
                                      "another run: copy it from where the run wrote it, or run the measurement again")
                left -= len(piece)
                yield piece
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror}: the samples of the result are in it: copy it from "
                          "where the run wrote it") from None


def samples_hash(folder, given):
    """The SHA-256 of a row's records in the side file; None for a row without. ReportError as sample_pieces."""
    if not given.get("samples"):
        return None
    found = hashlib.sha256()
    for piece in sample_pieces(folder, given):
        found.update(piece)
    return found.hexdigest()


def folder_of(result):
    """The folder that a Result was read from, where its side file is."""
    return result.path if os.path.isdir(result.path) else os.path.dirname(result.path) or "."


def document(result):
    """What is hashed of a Result that was read from one file: {context, benchmarks}."""
    rows = sorted((given for rows in result.samples.values() for given in rows), key=row_order)
    folder = folder_of(result)
    return {"context": context(result.context), "benchmarks": [row(given, samples_hash(folder, given)) for given in rows]}


def digest(result):
    """The hash of a Result that was read from one file, as 64 hexadecimal digits. ReportError when its side file is not as
    the rows say, or a text is no Unicode."""
    try:
        return hashlib.sha256(text(document(result)).encode("utf-8")).hexdigest()
    except UnicodeEncodeError:
        raise ReportError(f"{result.path}: holds half a surrogate pair, which no UTF-8 can: the file was edited; run the "
                          "measurement again") from None
