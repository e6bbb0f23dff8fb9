"""Files as artifacts need them: flushed, written whole, and known by their sha256.

Reading gigabytes to open them would make every start of a run wait. So the sha256 of a large file is checked once, and
what the file looked like then (size, times, inode) is noted beside the artifact; as long as it looks like that it is
not read again. What a disk loses without a write is not seen then.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Bytes from which a file that was checked is not read again: less takes a few hundredths of a second.
LARGE = 1 << 23
#: Seconds after which a file's time tells that it was written to: clocks of file systems are coarse.
_COARSE = 2.0


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def changed_files(folder: Path, expected: Mapping[str, str]) -> list[str]:
    """The first of the files of `folder` (name -> sha256) that is not what it was, in a list; none if all are."""
    note = folder.parent / f".{folder.name}.checked"
    before = _noted(note)
    after: dict[str, Any] = {}
    for name, digest in expected.items():
        path = folder / name
        looks = _looks(path)
        if looks["bytes"] >= LARGE and before.get(name) == {**looks, "sha256": digest}:
            after[name] = before[name]
            continue
        if hash_file(path) != digest:
            return [name]
        if looks["bytes"] >= LARGE and time.time() - max(looks["time"], looks["changed"]) / 1e9 > _COARSE:
            after[name] = {**looks, "sha256": digest}
    if after != before:
        # Without the note, in a folder that cannot be written, the files are read each time.
        with contextlib.suppress(OSError):
            write_atomic(note, json.dumps(after) + "\n") if after else note.unlink()
    return []


def _looks(path: Path) -> dict[str, int]:
    state = path.stat()
    # The time of the last change of anything about it, too: the time of writing can be put back.
    return {"bytes": state.st_size, "time": state.st_mtime_ns, "changed": state.st_ctime_ns, "inode": state.st_ino}


def _noted(note: Path) -> dict[str, Any]:
    try:
        found = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def link_or_copy(path: Path, target: Path) -> None:
    """The same bytes in another place, without a second copy where the file system can."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def flush(path: Path) -> None:
    """Have the disk itself hold what was written to a file."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_atomic(path: Path, text: str) -> None:
    """Write a small file so that readers see the old or the new bytes, never half of them."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
