"""What `CORPUS` names, as files: paths, folders and globs; dumps and data sets are fetched into a folder first.

my.txt  law/  "notes/*.jsonl"     files as they lie there
kowiki  kowiki:20260901           a dump of Korean Wikipedia, the latest or of a date
hf:org/name:config:split          a data set of the Hugging Face Hub
law                               a source by the name that the recipe gives it
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path

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
SUFFIXES = tuple(kind + packed for kind in KINDS for packed in PACKED)

#: Files about a folder, expected beside its texts.
_ABOUT = ("LICENSE", "README")
#: Licence of the dumps (https://dumps.wikimedia.org/legal.html).
_WIKIPEDIA = SourceSettings(
    name="kowiki", licence="CC BY-SA 4.0", attribution="the authors of Korean Wikipedia, https://ko.wikipedia.org"
)


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
    for name in names:
        known = _known(name, settings)
        for source in _expand(known.path or name, known, settings, downloads):
            found.setdefault(source.path.resolve(), source)
    return list(found.values())


def _known(name: str, settings: CorpusSettings) -> SourceSettings:
    """What the recipe says of a source: of this very name, else of a pattern that fits.

    A path goes by its last part: where a file lies on someone's machine says nothing about a corpus.
    """
    for known in settings.sources:
        if known.name.rstrip("/") == name.rstrip("/"):
            return known
    shown = name if is_dump(name) or is_dataset(name) else Path(name).name or name
    fitting = [known for known in settings.sources if fnmatchcase(name, known.name)]
    return replace(fitting[0], name=shown) if fitting else SourceSettings(name=shown)


def _expand(name: str, known: SourceSettings, settings: CorpusSettings, downloads: Path) -> Iterator[Source]:
    path = Path(name)
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
    matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
    if not matches:
        raise InputError(f"no such file or folder: {name}")
    if not (chosen := [match for match in matches if match.is_file()]):
        raise InputError(f"{name} matches folders only; name a folder without the pattern, or files")
    yield from (Source(match, match.name, known) for match in chosen)


def _inside(folder: Path, known: SourceSettings) -> list[Source]:
    """Texts of a folder, deep down; hidden files are left out in silence, others of other names are told."""
    seen = [entry for entry in sorted(folder.rglob("*")) if not _hidden(entry.relative_to(folder))]
    for entry in seen:
        _stay_inside(entry, folder)
    shown = [entry for entry in seen if entry.is_file()]
    texts = [Source(file, file.relative_to(folder).as_posix(), known) for file in shown if file.name.endswith(SUFFIXES)]
    if not texts:
        raise InputError(
            f"the folder {folder} holds no text file ({', '.join(KINDS)}, each also packed: {', '.join(PACKED[1:])})"
        )
    if left := [file.name for file in shown if not file.name.endswith(SUFFIXES) and file.stem not in _ABOUT]:
        say(f"{folder}: {len(texts):,} text files are read; {len(left):,} others are not, as {left[0]}")
    return texts


def _hidden(inside: Path) -> bool:
    return any(part.startswith(".") for part in inside.parts)


def _stay_inside(entry: Path, folder: Path) -> None:
    """A link in a folder that someone handed over must not pull other files of this machine into a corpus."""
    if entry.is_symlink() and not entry.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{entry} is a link that leads out of the folder, to {entry.resolve()}; remove it, or name that one itself"
        )
