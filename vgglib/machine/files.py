"""Files that appear whole or not at all, and downloads that end."""

from __future__ import annotations

import glob
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# No write takes so long, in seconds: an older part belongs to a process that was killed.
_ABANDONED = 3600


# Seconds that a server may be silent.
_PATIENCE = 30


@contextmanager
def patience() -> Iterator[None]:
    """Within it, a server that accepts and says nothing is an error, and not a wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces ``path`` only when the block ends without an error.

    The bytes go to a temporary file in the same folder, so that a full disk, a crash or a kill
    leaves the former file as it was. The folder is made if it does not exist. What a killed process
    left of the same file an hour ago or more is removed.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that only their owner reads
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_writable(folder: str | Path, purpose: str) -> None:
    """Make ``folder`` if need be and prove that files can be written there.

    Called before hours of work, whose result would be lost otherwise.

    Raises:
        OSError: it cannot; the message names the folder and the ``purpose``.
    """
    folder = Path(folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"cannot write {purpose} to {str(folder)!r} ({error.strerror}): choose a folder that"
            " you may write to, or change its permissions"
        ) from error


def _remove_abandoned(path: Path) -> None:
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):  # another process was faster, or it is another user's
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
