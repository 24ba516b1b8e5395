"""Release: a folder of files that is there whole or not at all.

Files are written to a hidden folder beside the target, flushed to the disk, and renamed in one step. What
a killed run left behind is recognised by its name and cleared by the next one. An existing folder is never
changed. Knows nothing of what is in the files.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import platform
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipeline.errors import ExportError
from pipeline.records import content_id

MANIFEST, CARD = "manifest.json", "README.md"
"""The two files of a release that every reader of it knows by name."""

UNFINISHED = ".unfinished-release"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def explain(error: OSError, folder: Path) -> ExportError:
    """Translate a failure of the file system into one a person can act on; nothing was kept of the release."""
    if error.errno in _FULL:
        return ExportError(
            f"The disk of {folder} is full: the release could not be written, and no part of it was left behind.",
            hint="Free some space, or choose a folder on another disk, and export again.",
        )
    return ExportError(
        f"The release cannot be written to {folder}: {error.strerror or error}.",
        hint="Choose a folder you may write to, and export again.",
    )


@contextmanager
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """Give an empty hidden folder in `parent`, made if missing; it is removed afterwards unless it was published.

    Raises:
        ExportError: The file system refused something, here or inside the block.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(parent)
        folder = parent / "-".join((UNFINISHED, _host(), str(os.getpid()), _started(os.getpid()), secrets.token_hex(4)))
        folder.mkdir()
    except OSError as error:
        raise explain(error, parent) from error
    try:
        yield folder
    except OSError as error:
        raise explain(error, parent) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, target: Path) -> bool:
    """Give the finished folder its name; return False, changing nothing, when that name holds something."""
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    if target.exists():
        return False
    _flush_folders(folder)
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    _flush(target.parent)
    return True


def clear_leftovers(parent: Path) -> int:
    """Remove the hidden folders of runs that ended before they were done; return how many there were."""
    dead = [folder for folder in parent.glob(f"{UNFINISHED}-*-*-*-*") if folder.is_dir() and not _is_live(folder.name)]
    for folder in dead:
        shutil.rmtree(folder, ignore_errors=True)
    return len(dead)


def flush_file(path: Path) -> str:
    """Force a written file to the disk and return its SHA-256."""
    with path.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def same_files(one: Path, other: Path) -> bool:
    """Say whether two folders hold the same files with the same bytes."""

    def digests(folder: Path) -> dict[str, str]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): digest_of(path) for path in files}

    return other.is_dir() and digests(one) == digests(other)


def zip_folder(folder: Path, *, name: str) -> bytes:
    """Return the folder as one zip file, in which it is called `name`; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                # A fixed date, for the date of the files would make each download differ.
                entry = zipfile.ZipInfo(f"{name}/{path.relative_to(folder).as_posix()}", (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _host() -> str:
    return content_id(platform.node())[:8]


def _started(pid: int) -> str:
    return str(int(psutil.Process(pid).create_time()))


def _is_live(name: str) -> bool:
    """A folder of another machine may be live, for all we can see; one of ours is while its process runs."""
    host, pid, started = name.removeprefix(f"{UNFINISHED}-").split("-")[:3]
    if host != _host():
        return True
    try:
        # The start tells a process from a later one that was given the same number.
        return _started(int(pid)) == started
    except (psutil.NoSuchProcess, ValueError):
        return False


def _flush_folders(folder: Path) -> None:
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        _flush(path)


def _flush(folder: Path) -> None:
    """Force the names in a folder to the disk, where the system can (Windows cannot, and need not)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
