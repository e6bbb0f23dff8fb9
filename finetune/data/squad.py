"""Questions on passages: SQuAD 1.1 and 2.0, KorQuAD 1.0, KLUE-MRC, and tables with the same columns.

An answer stands in its passage: `answer_start` is where. Where it does not, the nearest place at which its text stands
is taken if it is near (offsets counted in other units, spaces left around), and counted; else the file is wrong.
A question without an answer (`is_impossible`) keeps none: (). Sources: Rajpurkar et al. 2016 and 2018, Lim et al. 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune.data.decoding import read_json
from finetune.data.labelled import name_of, text_of
from finetune.data.rows import Answer, Row, Rows
from finetune.data.tables import Record, Table, cell, layout_of, open_table
from pipeline.errors import InputError

#: Characters that an answer may lie from where it is said to be.
NEAR = 100
_CONTEXT, _QUESTION, _ANSWERS = "context", "question", "answers"


def open_passages(path: Path, encoding: str = "utf-8") -> Table:
    """Questions as records: out of SQuAD's nesting, or of any table that has them one a row already."""
    if path.is_file() and layout_of(path) == "json":
        value = read_json(path, encoding)
        if isinstance(value, dict) and isinstance(value.get("data"), list):
            return Table(path, None, _flattened(path, value["data"]))
    return open_table(path, encoding)


def rows_of_passages(table: Table, text: str, pair: str, label: str, labelled: bool = True) -> Rows:
    """Rows with the passage as `text` and the question as `pair`, neither of them stripped: answers are counted in it.

    Raises InputError naming the question for an answer that does not stand in its passage, or for none at all.
    """
    path = table.path
    table.need(text, pair, *([label] if labelled else []))
    rows: list[Row] = []
    skipped: list[str] = []
    mended: list[str] = []
    for record in table.records:
        passage, question = text_of(path, record, text), text_of(path, record, pair)
        if not passage.strip() or not question.strip():
            skipped.append(record.place)
            continue
        target = None
        if labelled or (table.has(label) and label in record.cells):
            target = _answers(path, record, passage, label, mended)
            if target is None and labelled:
                raise InputError(f"{path}, {record.place}: no answer in {label!r}, and is_impossible is not true")
        rows.append(Row(passage, question, target, record.place, name_of(record)))
    notes: tuple[str, ...] = ()
    if mended:
        notes = (
            f"{path}: {len(mended):,} answers stand up to {NEAR} characters from where they are said to, "
            f"and were moved (first: {mended[0]})",
        )
    return Rows(path, tuple(rows), tuple(skipped), notes)


def _flattened(path: Path, data: list[Any]) -> Iterator[Record]:
    number = 0
    for article, paragraph in _paragraphs(path, data):
        for asked in _list(path, paragraph, "qas", f"article {article}"):
            number += 1
            name = asked.get("id", asked.get("guid"))
            place = f"question {name}" if name not in (None, "") else f"question number {number}"
            if _QUESTION not in asked:
                raise InputError(f"{path}, {place}: no key {_QUESTION!r}")
            yield Record(place, {**asked, "id": name, _CONTEXT: paragraph.get(_CONTEXT)})


def _paragraphs(path: Path, data: list[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for article, each in enumerate(data, 1):
        if not isinstance(each, dict):
            raise InputError(f"{path}, article {article}: an object with 'paragraphs' is expected")
        for paragraph in _list(path, each, "paragraphs", f"article {article}"):
            if not isinstance(paragraph.get(_CONTEXT), str):
                raise InputError(f"{path}, article {article}: a paragraph without {_CONTEXT!r}")
            yield article, paragraph


def _list(path: Path, value: dict[str, Any], key: str, place: str) -> list[dict[str, Any]]:
    found = value.get(key)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InputError(f"{path}, {place}: no list of objects called {key!r}; this is not the layout of SQuAD")
    return found


def _answers(path: Path, record: Record, passage: str, label: str, mended: list[str]) -> tuple[Answer, ...] | None:
    """Accepted answers in the file's order, each once; None if there is none and nothing says why."""
    if record.cells.get("is_impossible") is True:
        return ()
    value = cell(path, record, label)
    if isinstance(value, dict):
        # As the Hub's tables have them: two lists; empty ones say that there is no answer.
        texts, starts = value.get("text"), value.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
            raise InputError(f"{path}, {record.place}: 'text' and 'answer_start' are lists of one length")
        found = tuple(_placed(path, record, passage, each, mended) for each in zip(texts, starts, strict=True))
        return tuple(dict.fromkeys(found))
    if value is not None and not isinstance(value, list):
        raise InputError(f'{path}, {record.place}: {label!r} is a list: [{{"text": "서울", "answer_start": 0}}]')
    found = tuple(
        _placed(path, record, passage, (each.get("text"), each.get("answer_start")), mended)
        if isinstance(each, dict)
        else _placed(path, record, passage, (None, None), mended)
        for each in value or ()
    )
    return tuple(dict.fromkeys(found)) or None


def _placed(path: Path, record: Record, passage: str, said: tuple[Any, Any], mended: list[str]) -> Answer:
    text, start = said
    if not isinstance(text, str) or not text.strip() or type(start) is not int:
        raise InputError(f"{path}, {record.place}: an answer has a text and a whole number answer_start")
    if start >= 0 and passage.startswith(text, start):
        return Answer(text, start)
    text = text.strip()
    places = [place for place in _places(passage, text, start) if abs(place - start) <= NEAR]
    if not places:
        there = passage[max(0, start) : max(0, start) + len(text)]
        raise InputError(
            f"{path}, {record.place}: the answer {text[:40]!r} does not stand at {start} (there is {there[:40]!r}) "
            f"nor within {NEAR} characters of it"
        )
    mended.append(record.place)
    return Answer(text, min(places, key=lambda place: (abs(place - start), place)))


def _places(passage: str, text: str, start: int) -> Iterator[int]:
    place = passage.find(text, max(0, start - NEAR))
    while 0 <= place <= start + NEAR:
        yield place
        place = passage.find(text, place + 1)
