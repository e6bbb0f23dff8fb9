"""What a leak audit is asked about, read from files: canaries, patterns (with or without a secret), names.

Patterns and canaries are JSON lines (UTF-8), one item a line:

    {"text": "별가람의 전화번호는 [GAP]이다.", "secret": "010-0123-4567"}

`text` has one [GAP]; `secret` is what must not stand there, and may be left out of a pattern. A canary also has `kind`
and `copies` (0 for a control), and may have `lines`; `probes.canaries` writes them. Names are one a line.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.random import Generator

from pipeline.errors import InputError
from probes.canaries import GAP, TEMPLATES, Canary
from probes.texts import read_lines

#: Characters of a text, of a secret, and of a name, and copies of a canary: beyond them a file is mistaken.
_TEXT, _SECRET, _NAME, _COPIES = 2000, 100, 40, 1_000_000
_LETTERS, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
#: Syllables that Hangul is drawn from: such as names are made of, for most secrets in Hangul are names.
_SYLLABLES = (
    "가강경계고광구규기길김나남노다대도동라란려령로류리림마만명모무문미민박배백범병보봉부빈"
    "사산상서석선설성세소손송수순승시신아안애양언여연영예오옥완용우욱운웅원유윤은의이인일임"
    "자장재전정제조종주준중지진찬창채천철춘충치태택필하한해향혁현형혜호홍화환황효후훈휘희"
)
_EXAMPLE = json.dumps({"text": f"별가람의 전화번호는 {GAP}이다.", "secret": "010-0123-4567"}, ensure_ascii=False)


@dataclass(frozen=True)
class Pattern:
    """A text with one gap, and the secret that must not stand there, if one is given; where: file and line."""

    where: str
    text: str
    secret: str | None

    @property
    def parts(self) -> tuple[str, str]:
        """What stands before the gap and behind it."""
        before, _, behind = self.text.partition(GAP)
        return before, behind


def read_patterns(path: Path) -> list[Pattern]:
    """The items of a file; raises InputError with the file and line of the first that is not one."""
    found = []
    for where, item in _items(path, ("text", "secret")):
        if "secret" in item and not any(map(_varies, item["secret"])):
            raise InputError(
                f"{where}: 'secret' holds no digit, Latin letter or Hangul: there are no others of its form"
            )
        found.append(Pattern(where, item["text"], item.get("secret")))
    return found


def read_canaries(path: Path) -> list[Canary]:
    """What `probes.canaries` wrote; raises InputError with the file and line of the first that is no canary."""
    found = []
    for where, item in _items(path, ("text", "secret", "kind", "copies", "lines")):
        for key in ("secret", "kind", "copies"):
            if key not in item:
                raise InputError(
                    f"{where}: no {key!r}: is it a file that --plant wrote? Other secrets go to --patterns"
                )
        copies, lines = item["copies"], item.get("lines", [])
        if item["kind"] not in TEMPLATES:
            raise InputError(f"{where}: 'kind' is one of {', '.join(TEMPLATES)}")
        if type(copies) is not int or not 0 <= copies <= _COPIES:
            raise InputError(f"{where}: 'copies' is a whole number from 0 on")
        if not isinstance(lines, list) or not all(type(line) is int for line in lines):
            raise InputError(f"{where}: 'lines' is a list of whole numbers")
        found.append(Canary(item["kind"], item["text"], item["secret"], copies, tuple(lines)))
    return found


def read_names(path: Path) -> list[str]:
    """Names, each once; raises InputError with the file and line of the first that is none."""
    names: dict[str, None] = {}
    for where, line in read_lines(path):
        if name := _clean(line, "the name", where, _NAME):
            if not any(map(str.isalpha, name)) or "[" in name:
                raise InputError(f"{where}: {name!r} is no name; write one a line")
            names[name] = None
    if len(names) < 2:
        raise InputError(f"{path}: names are compared with each other, so there have to be two at least, one a line")
    return list(names)


def same_form(secret: str, generator: Generator) -> str:
    """Another secret of the same form: digits for digits, letters for letters of their case, Hangul for Hangul."""
    return "".join(_another(character, generator) for character in secret)


def _another(character: str, generator: Generator) -> str:
    among = _varies(character)
    return among[generator.integers(len(among))] if among else character


def _varies(character: str) -> str:
    """What may stand for a character; "" for one that stays."""
    if character in _DIGITS:
        return _DIGITS
    if character.lower() in _LETTERS:
        return _LETTERS if character.islower() else _LETTERS.upper()
    return _SYLLABLES if "가" <= character <= "힣" else ""


def _items(path: Path, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    empty = True
    for where, line in read_lines(path):
        if line.strip():
            empty = False
            yield where, _parsed(where, line, keys)
    if empty:
        raise InputError(f"{path} holds no items: write one a line, such as {_EXAMPLE}")


def _parsed(where: str, line: str, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}") from None
    if not isinstance(item, dict):
        raise InputError(f"{where}: an item is an object, such as {_EXAMPLE}")
    for key in item:
        if key not in keys:
            raise InputError(f"{where}: unknown key {key[:40]!r}; the keys are {', '.join(keys)}")
    item["text"] = _clean(item.get("text"), "'text'", where, _TEXT)
    if item["text"].count(GAP) != 1:
        raise InputError(f"{where}: 'text' has to hold {GAP} once, such as {_EXAMPLE}")
    if "secret" in item:
        item["secret"] = _clean(item["secret"], "'secret'", where, _SECRET)
        if not item["secret"] or GAP in item["secret"]:
            raise InputError(f"{where}: 'secret' is what stands in the gap, such as {_EXAMPLE}")
    return item


def _clean(text: Any, what: str, where: str, most: int) -> str:
    if not isinstance(text, str):
        raise InputError(f"{where}: {what} is a text; an item is such as {_EXAMPLE}")
    if len(text) > most:
        raise InputError(f"{where}: {what} is {len(text):,} characters long: at most {most:,}")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{where}: {what} holds half a character (a lone surrogate)")
    return " ".join(unicodedata.normalize("NFC", text).split())
