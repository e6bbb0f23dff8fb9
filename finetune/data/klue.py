"""What KLUE (Park et al. 2021, https://arxiv.org/abs/2105.09680) lays out in a way of its own: relations.

YNAT, NLI and STS are lists of records (`finetune.data.tables`), NER is tagged lines (`finetune.data.tagged`), MRC has
the nesting of SQuAD (`finetune.data.squad`); `finetune.data.known` says which column is what.

Relation extraction is classification of a sentence in which the two entities are marked. The marks are the typed entity
markers (punct) of Zhou and Chen, "An Improved Baseline for Sentence-level Relation Extraction"
(https://arxiv.org/abs/2102.01373): `@ * type * subject @` and `# ^ type ^ object #`. They need no new token, so any
tokenizer and any model take them, and there the types are words; so here they are Korean words.

Dependency parsing is left out: a parser scores pairs of words (a head for each), which none of the kinds of tasks here
does, and one made of labels on tokens would not be comparable with any published score. Dialogue states likewise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.data.labelled import text_of
from finetune.data.tables import Record, cell
from pipeline.errors import InputError

#: KLUE-RE's types of entities as words.
TYPES = {"PER": "사람", "ORG": "단체", "LOC": "장소", "DAT": "날짜", "POH": "이름", "NOH": "수량"}
ROLES = ("subject_entity", "object_entity")
_MARKS = {"subject_entity": ("@", "*"), "object_entity": ("#", "^")}


def marked(path: Path, record: Record, text: str) -> str:
    """The sentence with marks around its two entities; "" for an empty sentence.

    Raises InputError naming file and record for an entity that does not stand where it is said to, and for two that
    overlap. `end_idx` is the place of an entity's last character, as KLUE has it.
    """
    sentence = text_of(path, record, text)
    if not sentence.strip():
        return ""
    places = {role: _place(path, record, sentence, role) for role in ROLES}
    (first, (start, end, _)), (second, (begin, finish, _)) = sorted(places.items(), key=lambda item: item[1])
    if begin < end:
        raise InputError(f"{path}, {record.place}: {first} and {second} overlap, so they cannot be marked")
    parts = [sentence[:start], _mark(first, places[first][2], sentence[start:end]), sentence[end:begin]]
    parts += [_mark(second, places[second][2], sentence[begin:finish]), sentence[finish:]]
    return "".join(parts)


def _mark(role: str, kind: str, words: str) -> str:
    outer, inner = _MARKS[role]
    return f"{outer} {inner} {TYPES.get(kind, kind)} {inner} {words} {outer}"


def _place(path: Path, record: Record, sentence: str, role: str) -> tuple[int, int, str]:
    entity: Any = cell(path, record, role)
    where = f"{path}, {record.place}"
    keys = ("word", "start_idx", "end_idx", "type")
    if not isinstance(entity, dict) or any(key not in entity for key in keys):
        raise InputError(f"{where}: {role} is an object with {', '.join(keys)}")
    word, start, last, kind = (entity[key] for key in keys)
    if type(start) is not int or type(last) is not int or not isinstance(kind, str):
        raise InputError(f"{where}: {role}: start_idx and end_idx are whole numbers, type is a text")
    if not 0 <= start <= last < len(sentence) or sentence[start : last + 1] != word:
        there = sentence[max(0, start) : last + 1]
        raise InputError(f"{where}: {role} {str(word)[:40]!r} does not stand at {start} to {last}: {there[:40]!r}")
    return start, last + 1, kind
