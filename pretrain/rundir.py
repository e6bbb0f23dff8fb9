"""A run's folder: fresh, in progress, or finished, and never another run's.

`run.json` holds what the run is made from and is written first; `manifest.json` is written when it is done. A
folder whose `run.json` differs from what is asked for is refused with the difference spelled out, never
overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.artifact import Key, Kind, differences, read_manifest
from pipeline.errors import InputError
from pipeline.files import write_atomic

#: What the pretrain stage makes.
PRETRAIN = Kind("pretrain", 2, "make pretrain")
RUN = "run.json"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the lock of a run; raises InputError if another process trains into the same folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.parent / f".{folder.name}.lock", timeout=0):
            yield
    except Timeout:
        raise InputError(
            f"another process is training into {folder}: wait for it, or give this run another NAME"
        ) from None


def claim(folder: Path, key: Key) -> bool:
    """Make the folder of a new run or accept one in progress; True if the run is finished already.

    Raises InputError if the folder belongs to a run made from something else.
    """
    manifest = read_manifest(folder)
    if manifest is not None:
        _refuse_other(folder, manifest.key, key, "holds a finished run")
        return True
    path = folder / RUN
    if path.exists():
        try:
            old = Key(**json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError):
            raise InputError(f"{path} is damaged: delete {folder}, or give this run another NAME") from None
        _refuse_other(folder, old, key, "holds a run in progress")
        return False
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no run: delete it, or give this run another NAME")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(asdict(key), indent=1, ensure_ascii=False) + "\n")
    return False


def _refuse_other(folder: Path, old: Key, new: Key, state: str) -> None:
    if old.made_from == new.made_from:
        return
    changes = "\n".join(f"  {line}" for line in differences(old, new))
    raise InputError(
        f"{folder} {state} made from something else:\n{changes}\n"
        f"Give the new run a name of its own (NAME=..., --name), or delete {folder} to train it anew."
    )
