"""What `CORPUS` names, as files: paths, folders and globs; dumps and data sets are fetched into a folder first.

my.txt  law/  "notes/*.jsonl"     files as they lie there
kowiki  kowiki:20260901           a dump of Korean Wikipedia, the latest or of a date
hf:org/name:config:split          a data set of the Hugging Face Hub
law                               a source by the name that the recipe gives it
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from corpora.drops import legible
from corpora.privacy import redact
from corpora.settings import CorpusSettings, SourceSettings
from corpora.sources.hub import fetch_dataset, is_dataset
from corpora.sources.kowiki import fetch_dump, is_dump
from pipeline.console import say
from pipeline.errors import InputError

#: The corpus used when none is named: it ships with the package.
SAMPLE = "corpora/sample"
#: Kinds of files that are read from a named folder, and how they may be packed.
KINDS = (".txt", ".jsonl", ".ndjson", ".parquet", ".xml")
PACKED = ("", ".xz", ".gz", ".zst", ".bz2")
SUFFIXES = tuple(kind + packed for kind in KINDS for packed in PACKED if not packed or kind != ".parquet")

#: Files about a folder, expected beside its texts.
_ABOUT = ("LICENSE", "README")
_OURS = SourceSettings(name=SAMPLE, licence="CC0-1.0", attribution="written for Hanbeot")
#: Licence of the dumps (https://dumps.wikimedia.org/legal.html).
_WIKIPEDIA = SourceSettings(
    name="kowiki", licence="CC BY-SA 4.0", attribution="the authors of Korean Wikipedia, https://ko.wikipedia.org"
)


Named = TypeVar("Named", str, tuple[str, str])


@dataclass(frozen=True)
class Source:
    """A file, the name it goes by in reports (its path inside the folder that was named), and what is known of it."""

    path: Path
    label: str
    known: SourceSettings


def find_sources(names: Sequence[str], settings: CorpusSettings, downloads: Path) -> list[Source]:
    """The files that `names` stand for, each once, folders in sorted order; what is not here is fetched first.

    Raises InputError for a name that leads nowhere.
    """
    found: dict[Path, Source] = {}
    shown = _distinct(list(dict.fromkeys(names)))
    for name in names:
        known = _known(name, shown[name], settings)
        for source in _expand(known.path or name, known, settings, downloads):
            found.setdefault(source.path.resolve(), _more_known(source, name, settings))
    labels = _distinct([(str(source.path), source.label) for source in found.values()])
    return [
        replace(source, label=_discreet(labels[str(source.path), source.label], settings)) for source in found.values()
    ]


def _known(name: str, shown: str, settings: CorpusSettings) -> SourceSettings:
    """What the recipe says of a source: of this very name, else of a pattern that fits.

    A path goes by its last part: where a file lies on someone's machine says nothing about a corpus.
    """
    for known in (*settings.sources, _OURS):
        if known.name.rstrip("/") == name.rstrip("/"):
            return known
    shown = _discreet(name if is_dump(name) or is_dataset(name) else shown, settings)
    fitting = [known for known in settings.sources if fnmatchcase(name, known.name)]
    return replace(fitting[0], name=shown) if fitting else SourceSettings(name=shown)


def _more_known(source: Source, name: str, settings: CorpusSettings) -> Source:
    """A folder of which nothing is known may hold files of which something is: by path, or by a pattern for paths."""
    if source.known != SourceSettings(name=source.known.name):
        return source
    path = f"{name.rstrip('/')}/{source.label}"
    fitting = [known for known in settings.sources if fnmatchcase(path, known.name)]
    return replace(source, known=fitting[0]) if fitting else source


def _discreet(label: str, settings: CorpusSettings) -> str:
    """A label fit for reports: one line, and nobody's telephone number."""
    text = legible(label)
    return text if settings.privacy == "keep" else redact(text)[0]


def _distinct(names: Sequence[Named]) -> dict[Named, str]:
    """For each path the shortest tail that no other has; a pair brings a path and the least it is called."""
    tails: dict[Named, str] = {}
    paths = {name: Path(name if isinstance(name, str) else name[0]).parts for name in names}
    depths = {name: 1 if isinstance(name, str) else len(Path(name[1]).parts) for name in names}
    while True:
        tails = {name: "/".join(paths[name][-depths[name] :]) or str(name) for name in names}
        taken = Counter(tails.values())
        longer = [name for name in names if taken[tails[name]] > 1 and depths[name] < len(paths[name])]
        if not longer:
            return tails
        for name in longer:
            depths[name] += 1


def _expand(name: str, known: SourceSettings, settings: CorpusSettings, downloads: Path) -> Iterator[Source]:
    path = Path(name) if name else Path("\0")
    if name.rstrip("/") == SAMPLE and not path.exists():
        path = Path(str(files("corpora") / "sample"))
    if path.is_file():
        yield Source(path, path.name, known)
    elif path.is_dir():
        yield from _inside(path, known)
    elif is_dump(name):
        file, dump, _ = fetch_dump(name, settings.dump_mirror, downloads)
        yield Source(file, file.name, _filled(known, _WIKIPEDIA, dump.address, dump.date))
    elif is_dataset(name):
        file, data = fetch_dataset(name, downloads, known.text_field or settings.text_field)
        stated = SourceSettings(name=name, licence=data.licence or "", text_field="text")
        filled = _filled(known, stated, data.address, "")
        yield Source(file, file.name, replace(filled, text_field="text", encoding="utf-8"))
    else:
        yield from _matches(name, known)


def _filled(known: SourceSettings, stated: SourceSettings, address: str, date: str) -> SourceSettings:
    """What the recipe says, and where it says nothing, what the publisher does."""
    return replace(
        known,
        licence=known.licence or stated.licence,
        attribution=known.attribution or stated.attribution,
        address=known.address or address,
        date=known.date or date,
    )


def _matches(name: str, known: SourceSettings) -> Iterator[Source]:
    if not name or Path(name).exists():
        raise InputError(f"{name or 'an empty name'}: not a file or folder that can be read")
    matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
    if not matches:
        raise InputError(f"no such file or folder: {name}")
    if not (chosen := [match for match in matches if match.is_file()]):
        raise InputError(f"{name} matches folders only; name a folder without the pattern, or files")
    yield from (Source(match, match.name, known) for match in chosen)


def _inside(folder: Path, known: SourceSettings) -> list[Source]:
    """Texts of a folder, deep down; hidden files are left out in silence, others of other names are told."""
    shown: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        entries = [Path(place) / name for name in (*folders, *names) if not name.startswith(".")]
        for entry in entries:
            stay_inside(entry, folder)
        shown += [entry for entry in entries if entry.is_file()]
    shown.sort()
    texts = [Source(file, file.relative_to(folder).as_posix(), known) for file in shown if file.name.endswith(SUFFIXES)]
    if not texts:
        raise InputError(
            f"the folder {folder} holds no text file ({', '.join(KINDS)}, packed too: {', '.join(PACKED[1:])})"
        )
    if left := [file.name for file in shown if not file.name.endswith(SUFFIXES) and file.stem not in _ABOUT]:
        say(f"{folder}: {len(texts):,} text files are read; {len(left):,} others are not, as {legible(left[0])}")
    return texts


def _unreadable(error: OSError) -> None:
    raise InputError(f"cannot read the folder {error.filename}: {error.strerror}")


def stay_inside(entry: Path, folder: Path) -> None:
    """A link in a folder that someone handed over must not pull other files of this machine into a corpus."""
    if not entry.is_symlink():
        return
    try:
        target = entry.resolve(strict=True)
    except (OSError, RuntimeError):
        raise InputError(f"{entry} is a link that leads nowhere, or to itself; remove it") from None
    if not target.is_relative_to(folder.resolve()):
        raise InputError(f"{entry} is a link that leads out of the folder, to {target}; remove it, or name that itself")
