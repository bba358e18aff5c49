# SPDX-License-Identifier: GPL-2.0-only
"""Writing files so that each is complete or not there."""

import errno
import os
import tempfile

from load import ReportError


def write_files(folder, files, remedy="name another folder"):
    """Write {name: bytes, or bytes in pieces} into a folder, which is made; returns the paths. ReportError, which ends in
    the remedy, when it cannot be written to."""
    try:
        os.makedirs(folder, exist_ok=True)
        for name, data in files.items():
            _write_whole(os.path.join(folder, name), data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space"
        raise ReportError(f"{folder}: cannot be written to: {error.strerror}: {remedy}") from None
    return [os.path.join(folder, name) for name in files]


def remove(paths):
    """Remove these files, as far as they are there. ReportError when one cannot be."""
    for path in paths:
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise ReportError(f"{path}: cannot be replaced: {error.strerror}: name another folder") from None


def _write_whole(path, data):
    """Write a file so that its name never stands for half of it."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in (data,) if isinstance(data, bytes) else data:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
