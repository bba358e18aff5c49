# SPDX-License-Identifier: GPL-2.0-only
"""Writing files so that each is complete or not there."""

import errno
import os
import tempfile

from load import ReportError


def write_files(folder, files, remedy="name another folder"):
    """Write {name: bytes} into a folder, which is made; returns the paths. ReportError, which ends in the remedy, when
    it cannot be written to."""
    try:
        os.makedirs(folder, exist_ok=True)
        for name, data in files.items():
            _write_whole(os.path.join(folder, name), data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space"
        raise ReportError(f"{folder}: cannot be written to: {error.strerror}: {remedy}") from None
    return [os.path.join(folder, name) for name in files]


def _write_whole(path, data):
    """Write a file so that its name never stands for half of it."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
