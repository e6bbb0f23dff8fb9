"""Artifacts: a stage's output folder is finished or absent.

A folder is built beside its place and renamed; `manifest.json` is written last. Two hashes drive the pipeline:

* `made_from` = hash(stage, format, settings, inputs) decides whether there is work to do;
* `content`   = hash(files) is what the next stage depends on; pages for people (`.md`) are no part of it.

So a stale output cannot be served, and a rebuild that yields the same bytes does not ripple on. A `filelock` lets one
of several processes build while the others wait, then all read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.errors import InputError
from pipeline.files import changed_files, flush, hash_file, write_atomic

MANIFEST = "manifest.json"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of artifact: the stage that makes it, the command for that, and the format of what it writes.

    `format` is raised by hand when the meaning of the output changes: what was written before counts as absent.
    """

    stage: str
    format: int
    command: str

    def key(self, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> Key:
        """What an artifact of this kind is made from."""
        return Key(self.stage, self.format, settings, inputs)


@dataclass(frozen=True)
class Key:
    """What an artifact is made from."""

    stage: str
    format: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def made_from(self) -> str:
        """Hash of everything that decides the output, 64 hexadecimal digits."""
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: key, hashes, the files with their sizes in bytes, and figures for people and later stages."""

    stage: str
    format: int
    settings: dict[str, Any]
    inputs: dict[str, str]
    made_from: str
    content: str
    files: dict[str, dict[str, Any]]
    figures: Figures
    created: str

    @property
    def key(self) -> Key:
        """What this artifact was made from."""
        return Key(self.stage, self.format, self.settings, self.inputs)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a finished artifact, None if there is none; a damaged one raises InputError naming the file."""
    path = folder / MANIFEST
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    try:
        manifest = Manifest(**json.loads(text))
        expected = {name: int(record["bytes"]) for name, record in manifest.files.items()}
        tables = (manifest.settings, manifest.inputs, manifest.figures)
        if not all(isinstance(table, dict) for table in tables) or any(map(_leads_out, expected)):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"{path} is damaged; delete the folder {folder} and build it again") from None
    for name, size in expected.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            state = f"has {file.stat().st_size} bytes, not {size}" if file.is_file() else "is missing"
            raise InputError(f"{file} {state}: the artifact is damaged; delete {folder} and build it again")
    return manifest


def _leads_out(name: str) -> bool:
    """Whether a file's name leads out of its artifact: such a file would be read, and handed on, as a part of it."""
    return ".." in Path(name).parts or Path(name).is_absolute()


def open_artifact(folder: Path, kind: Kind) -> Manifest:
    """The manifest of a finished artifact that a later stage is about to read, its files checked by their sha256 (large
    ones once, and again when they were written to).

    Raises InputError if the folder is absent, of another stage or an older format, or if a file was changed.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"no {kind.stage} at {folder}: make it first with `{kind.command}`")
    if manifest.stage != kind.stage:
        raise InputError(f"{folder} holds the output of stage {manifest.stage!r}, not {kind.stage!r}")
    if manifest.format != kind.format:
        raise InputError(
            f"{folder} has format {manifest.format}, this version reads {kind.format}: "
            f"make it anew with `{kind.command}`"
        )
    for name in changed_files(folder, {name: record["sha256"] for name, record in manifest.files.items()}):
        raise InputError(f"{folder / name} was changed after it was written; delete {folder} and build it again")
    return manifest


def find_artifact(root: Path, kind: Kind, name: str, content: str) -> tuple[Path, Manifest] | None:
    """Folder and manifest of the artifact `<root>/<stage>/.../` of this content: under `name`, else under any other.

    Those that are damaged or of another format are passed over.
    """
    folder = root / kind.stage
    for place in (folder / name, *sorted(path for path in folder.glob("[!.]*") if path.name != name)):
        found = _standing(place)
        if found and (found.stage, found.format, found.content) == (kind.stage, kind.format, content):
            return place, found
    return None


def still_there(folder: Path, manifest: Manifest) -> None:
    """Raise InputError if another process replaced an artifact while it was being read."""
    now = read_manifest(folder)
    if now is None or now.content != manifest.content:
        raise InputError(f"{folder} was replaced while it was being read: run this again")


def build(
    folder: Path, key: Key, make: Callable[[Path], Figures], after: Callable[[], None] = lambda: None
) -> tuple[Manifest, bool]:
    """Return the artifact at `folder` made from `key`, and whether it had to be built.

    `make(workspace)` writes files into an empty folder and returns figures; `seconds` and `peak_memory_mb` are
    added; `after()` is called when the folder stands. If it fails, whatever stood at `folder` before stands there
    still. Several processes may call this at once: one builds, the others wait and read.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        _recover(folder)
        manifest = _standing(folder)
        if manifest is not None and manifest.made_from == key.made_from:
            return manifest, False
        workspace = _beside(folder, "building")
        shutil.rmtree(workspace, ignore_errors=True)
        workspace.mkdir()
        try:
            started = time.monotonic()
            figures = make(workspace)
            cost = {"seconds": round(time.monotonic() - started, 2), "peak_memory_mb": peak_memory_mb()}
            manifest = seal(workspace, key, {**figures, **cost})
            _swap(workspace, folder)
            after()
        finally:
            shutil.rmtree(workspace, ignore_errors=True)
        return manifest, True


def seal(folder: Path, key: Key, figures: Figures) -> Manifest:
    """Flush every file of `folder` to disk, hash it, and write the manifest last."""
    records = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST):
        flush(path)
        path.chmod(0o644)  # safetensors leaves weights readable by their owner alone; folders are handed on
        name = path.relative_to(folder).as_posix()
        records[name] = {"bytes": path.stat().st_size, "sha256": hash_file(path)}
    content = canonical({name: record["sha256"] for name, record in records.items() if not name.endswith(".md")})
    manifest = Manifest(
        stage=key.stage,
        format=key.format,
        settings=dict(key.settings),
        inputs=dict(key.inputs),
        made_from=key.made_from,
        content=hashlib.sha256(content.encode()).hexdigest(),
        files=records,
        figures=figures,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_atomic(folder / MANIFEST, json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n")
    return manifest


def peak_memory_mb() -> int:
    """The most memory held so far, in million bytes: by this process, and by the largest of its finished workers."""
    unit = 1 if sys.platform == "darwin" else 1024
    return (
        sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        * unit
        // 10**6
    )


def differences(old: Key, new: Key) -> list[str]:
    """What separates two keys, one readable line each: `train.learning_rate 0.0001 -> 0.0002`."""
    lines = [
        f"{name} {getattr(old, name)} -> {getattr(new, name)}"
        for name in ("stage", "format")
        if getattr(old, name) != getattr(new, name)
    ]
    before, after = dict(_flat(old.settings)), dict(_flat(new.settings))
    lines += _changes(before, after, str)
    lines += _changes(old.inputs, new.inputs, lambda content: content[:12], "input ")
    return lines


def _changes(
    before: Mapping[str, Any], after: Mapping[str, Any], show: Callable[[Any], str], prefix: str = ""
) -> list[str]:
    lines = []
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            old, new = (show(side[name]) if name in side else "absent" for side in (before, after))
            lines.append(f"{prefix}{name} {old} -> {new}")
    return lines


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _beside(folder: Path, role: str) -> Path:
    return folder.parent / f".{folder.name}.{role}"


def _standing(folder: Path) -> Manifest | None:
    """The finished artifact at `folder`; a damaged one counts as absent here."""
    with contextlib.suppress(InputError):
        return read_manifest(folder)
    return None


def _swap(workspace: Path, folder: Path) -> None:
    """Put `workspace` where `folder` is. A crash in between leaves the old one beside, and `_recover` puts it back."""
    old = _beside(folder, "old")
    if folder.exists():
        folder.rename(old)
    workspace.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _recover(folder: Path) -> None:
    old = _beside(folder, "old")
    if old.exists():
        if folder.exists():
            shutil.rmtree(old)
        else:
            old.rename(folder)
