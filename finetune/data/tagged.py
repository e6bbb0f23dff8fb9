"""Entities: files with a token and its tag a line (KLUE-NER, CoNLL), and records with entities or with tags.

Tags are BIO; BIOES is taken too (S- begins, E- goes on). An `I-` that follows nothing of its type begins an entity, as
`conlleval` (Tjong Kim Sang and Buchholz, 2000) has it; how many did is said. Tokens of one character each (KLUE, with
spaces as tokens of their own) are joined as they stand, words by a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from finetune.data.decoding import read_lines
from finetune.data.labelled import name_of, text_of
from finetune.data.rows import Row, Rows, Span
from finetune.data.tables import Record, Table, cell
from pipeline.errors import InputError

_TAG = re.compile(r"O|([BIES])-(\S+)")
_BEGINS, _GOES_ON = "BS", "IE"
#: KLUE's comments have two of them; CoNLL's files say where a document begins.
_COMMENT, _DOCUMENT = "## ", "-DOCSTART-"


@dataclass(frozen=True)
class _Sentence:
    """Tokens with their tags and the places they stand at; tags of a sentence to be answered are None."""

    tokens: list[str]
    tags: list[str | None]
    places: list[str]
    name: str


def read_tagged(path: Path, encoding: str, labelled: bool = True) -> Rows:
    """Sentences of a file of lines, with blank lines between them; the first column is the token, the last its tag.

    Raises InputError naming file and line for a line without a tag (if `labelled`) and for what is none.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    return _rows(path, list(_sentences(path, encoding, labelled)))


def rows_of_table(table: Table, text: str, label: str, labelled: bool = True) -> Rows:
    """Rows of records: a text with entities (`[{"start": 0, "end": 2, "label": "PS"}]`), or tokens with their tags.

    Raises InputError naming file and place for entities that overlap, reach out of the text or are shaped otherwise.
    """
    path = table.path
    table.need(text, *([label] if labelled else []))
    known = table.has(label)
    rows: list[Row] = []
    skipped: list[str] = []
    sentences: list[_Sentence] = []
    for record in table.records:
        there = known and (labelled or label in record.cells)
        value = cell(path, record, label) if there else None
        if labelled and value is None:
            raise InputError(f"{path}, {record.place}: no entities in {label!r}; write [] where there are none")
        tokens = cell(path, record, text)
        if isinstance(tokens, list):
            sentences.append(_sentence(path, record, tokens, value))
            continue
        passage = text_of(path, record, text)
        if not passage.strip():
            skipped.append(record.place)
            continue
        target = None if value is None else _entities(path, record, passage, value)
        rows.append(Row(passage, None, target, record.place, name_of(record)))
    if sentences:
        found = _rows(path, sentences)
        return Rows(path, (*rows, *found.rows), (*skipped, *found.skipped), found.notes)
    return Rows(path, tuple(rows), tuple(skipped))


def _sentences(path: Path, encoding: str, labelled: bool) -> Iterator[_Sentence]:
    current = _Sentence([], [], [], "")
    for number, line in read_lines(path, encoding):
        if line.startswith(_COMMENT):
            name = line.removeprefix(_COMMENT).split("\t")[0]
            current = _Sentence(current.tokens, current.tags, current.places, "" if " " in name else name)
        elif not line:
            if current.tokens:
                yield current
            current = _Sentence([], [], [], "")
        elif not line.startswith(_DOCUMENT):
            fields = line.split("\t") if "\t" in line else line.split()
            if len(fields) < 2 and labelled:
                raise InputError(f"{path}, line {number}: a token and its tag are expected, with a tab between them")
            current.tokens.append(fields[0] if fields else line)
            current.tags.append(fields[-1] if len(fields) > 1 else None)
            current.places.append(f"line {number}")
    if current.tokens:
        yield current


def _sentence(path: Path, record: Record, tokens: list[Any], tags: Any) -> _Sentence:
    where = f"{path}, {record.place}"
    if not all(isinstance(token, str) for token in tokens):
        raise InputError(f"{where}: tokens are texts; this list holds others")
    if tags is None:
        return _Sentence(tokens, [None] * len(tokens), [record.place] * len(tokens), name_of(record))
    if not isinstance(tags, list) or len(tags) != len(tokens):
        count = len(tags) if isinstance(tags, list) else "no"
        raise InputError(f"{where}: {len(tokens)} tokens, but {count} tags; each token has one")
    if not all(isinstance(tag, str) for tag in tags):
        raise InputError(f"{where}: tags are names as B-PS, not numbers; write the names")
    return _Sentence(tokens, tags, [record.place] * len(tokens), name_of(record))


def _rows(path: Path, sentences: Sequence[_Sentence]) -> Rows:
    joint = "" if all(len(token) == 1 for each in sentences for token in each.tokens) else " "
    rows: list[Row] = []
    skipped: list[str] = []
    orphans: list[str] = []
    for sentence in sentences:
        text = joint.join(sentence.tokens)
        place = sentence.places[0] if sentence.places else sentence.name
        if not text.strip():
            skipped.append(place)
            continue
        target = None
        if None not in sentence.tags:
            target = tuple(_spans(path, sentence, len(joint), orphans))
        rows.append(Row(text, None, target, place, sentence.name or place))
    notes: tuple[str, ...] = ()
    if orphans:
        notes = (
            f"{path}: {len(orphans):,} tags I- follow no entity of their type and begin one (first: {orphans[0]})",
        )
    return Rows(path, tuple(rows), tuple(skipped), notes)


def _spans(path: Path, sentence: _Sentence, joint: int, orphans: list[str]) -> Iterator[Span]:
    start, kind, end, place = 0, "", 0, 0
    for token, tag, where in zip(sentence.tokens, sentence.tags, sentence.places, strict=True):
        match = _TAG.fullmatch(tag or "")
        if match is None:
            raise InputError(f"{path}, {where}: {tag!r} is no tag; write O, B-TYPE or I-TYPE")
        goes_on = match[1] in (*_GOES_ON,) and match[2] == kind
        if not goes_on:
            if kind:
                yield Span(start, end, kind)
            if match[1] in (*_GOES_ON,):
                orphans.append(where)
            start, kind = place, match[2] or ""
        end = place + len(token)
        if match[1] in ("E", "S"):
            yield Span(start, end, kind)
            kind = ""
        place = end + joint
    if kind:
        yield Span(start, end, kind)


def _entities(path: Path, record: Record, text: str, value: Any) -> tuple[Span, ...]:
    """Entities in the order of the text, whatever order they were written in."""
    where = f"{path}, {record.place}"
    if not isinstance(value, list):
        raise InputError(f'{where}: entities are a list: [{{"start": 0, "end": 2, "label": "PS"}}]')
    spans = sorted((_span(where, each, text) for each in value), key=lambda span: (span.start, span.end))
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise InputError(
                f"{where}: entities overlap: {one.label} {one.start} to {one.end} and "
                f"{other.label} {other.start} to {other.end}; keep one"
            )
    return tuple(spans)


def _span(where: str, value: Any, text: str) -> Span:
    if isinstance(value, dict):
        start, end, label = (value.get(key) for key in ("start", "end", "label"))
        if type(start) is int and type(end) is int and isinstance(label, str) and label.strip():
            if 0 <= start < end <= len(text):
                return Span(start, end, label.strip())
            raise InputError(f"{where}: entity {start} to {end} does not lie in the text of {len(text)} characters")
    raise InputError(f"{where}: an entity has start, end and label; this is {str(value)[:60]}")
