"""Sentences with one gap and what belongs there, read from a file.

It is JSON lines (UTF-8), one item a line:

    {"text": "이순신은 [MASK] 중기의 무신이다.", "answers": ["조선"], "candidates": ["조선", "고려"], "id": "yi"}

`candidates` are what a model has to choose from; without them all answers of the file are. `id` names the item (else
its line does), `source` is for the reader: where the fact stands. No other key is allowed.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

#: What stands for the gap in a text, whatever the model calls it.
GAP = "[MASK]"
#: Bytes of a line, characters of a text and of an answer, candidates of an item: beyond them a file is mistaken.
_LINE, _TEXT, _ANSWER, _CANDIDATES = 1 << 18, 2000, 60, 1000
_KEYS = ("text", "answers", "candidates", "id", "source")


@dataclass(frozen=True)
class Gap:
    """A text with one `GAP`, what belongs there, and what there is to choose from: the answers first, each once."""

    name: str
    text: str
    answers: tuple[str, ...]
    candidates: tuple[str, ...]


def read_gaps(path: Path) -> tuple[Gap, ...]:
    """The items of a file; raises InputError with the file and line of the first that is not one."""
    found: list[tuple[str, dict[str, Any]]] = []
    names: dict[str, int] = {}
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        item = _parsed(line, where)
        name = str(item.get("id", f"line {number}"))
        if name in names:
            raise InputError(f"{where}: the id {name!r} was given before, in line {names[name]}")
        names[name] = number
        found.append((name, item))
    if not found:
        raise InputError(f"{path} holds no items: write one a line, such as {_EXAMPLE}")
    everyone = list(dict.fromkeys(answer for _, item in found for answer in item["answers"]))
    return tuple(
        Gap(name, item["text"], tuple(item["answers"]), _once(item["answers"], item.get("candidates", everyone)))
        for name, item in found
    )


_EXAMPLE = json.dumps({"text": f"이순신은 {GAP} 중기의 무신이다.", "answers": ["조선"]}, ensure_ascii=False)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as stream:
            number = 0
            while line := stream.readline(_LINE + 1):
                number += 1
                if len(line) > _LINE:
                    raise InputError(
                        f"{path}, line {number}: longer than {_LINE:,} bytes: is it JSON lines, an item a line?"
                    )
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, line {number}: not UTF-8 ({error.reason}): save the file as UTF-8") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except RecursionError:
        raise InputError(f"{where}: not JSON: nested too deep") from None
    except ValueError as error:
        raise InputError(f"{where}: not JSON: {error}") from None
    if not isinstance(item, dict):
        raise InputError(f"{where}: an item is an object, such as {_EXAMPLE}")
    for key in item:
        if key not in _KEYS:
            raise InputError(f"{where}: unknown key {key[:40]!r}; the keys are {', '.join(_KEYS)}")
    for key in ("text", "answers"):
        if key not in item:
            raise InputError(f"{where}: no {key!r}; an item is such as {_EXAMPLE}")
    if isinstance(item.get("id"), bool) or not isinstance(item.get("id", ""), str | int):
        raise InputError(f"{where}: 'id' is a text or a number")
    item["text"] = _text(item["text"], where)
    for key in ("answers", "candidates"):
        if key in item:
            item[key] = _words(item[key], key, where)
    return item


def _text(text: Any, where: str) -> str:
    if not isinstance(text, str):
        raise InputError(f"{where}: 'text' is a sentence with one {GAP}")
    if (gaps := text.count(GAP)) != 1:
        raise InputError(f"{where}: 'text' has {gaps or 'no'} gap{'s' * (gaps > 1)}: put {GAP} into it once")
    if len(text) > _TEXT:
        raise InputError(f"{where}: 'text' is {len(text):,} characters long: at most {_TEXT:,}")
    return _clean(text, "text", where)


def _words(words: Any, key: str, where: str) -> list[str]:
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise InputError(f'{where}: {key!r} is a list of words, such as ["조선"]')
    if len(words) > _CANDIDATES:
        raise InputError(f"{where}: {key!r} are {len(words):,}: at most {_CANDIDATES:,}")
    cleaned = [_clean(word, key, where) for word in words]
    for word in cleaned:
        if not word:
            raise InputError(f"{where}: {key!r} holds an empty word")
        if GAP in word:
            raise InputError(f"{where}: {key!r} holds {GAP}, which is the gap itself")
        if len(word) > _ANSWER:
            raise InputError(f"{where}: {key!r} holds a word of {len(word):,} characters: at most {_ANSWER}")
    return cleaned


def _clean(text: str, key: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{where}: {key!r} holds half a character (a lone surrogate)") from None
    return " ".join(unicodedata.normalize("NFC", text).split())


def _once(answers: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*answers, *others]))
