"""The one table of tasks: what kind each is, how its files are laid out, which column is what, what papers quote.

Five kinds stand for data of one's own; the others are published Korean data sets in the layout they are published in.
`choice` is the measure that papers quote for it, and the one to choose by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import InputError

Kind = Literal["classification", "regression", "multilabel", "ner", "qa"]
#: records: a table or JSON, columns named. tagged: a token and its tag a line (tables too). relation: KLUE-RE's
#: records with two entities. passages: SQuAD's nesting of passages and questions (tables too).
Layout = Literal["records", "tagged", "relation", "passages"]

_KLUE = "https://github.com/KLUE-benchmark/KLUE"
_NLU = "https://github.com/kakaobrain/kor-nlu-datasets"
_BY_SA = "CC BY-SA 4.0"


@dataclass(frozen=True)
class Task:
    """A task by name; `text`, `pair` and `label` are its columns, `columns` those of files without a header."""

    name: str
    kind: Kind
    layout: Layout
    text: str
    pair: str | None
    label: str
    choice: str
    about: str
    url: str = ""
    licence: str = ""
    columns: tuple[str, ...] = ()


_ALL = (
    Task("classification", "classification", "records", "text", None, "label", "macro_f1", "one label for a text"),
    Task("regression", "regression", "records", "text", None, "label", "pearson", "a number for a text or two"),
    Task("multilabel", "multilabel", "records", "text", None, "labels", "micro_f1", "any number of labels for a text"),
    Task("ner", "ner", "tagged", "text", None, "entities", "entity_f1", "entities in a text"),
    Task("qa", "qa", "passages", "context", "question", "answers", "f1", "an answer that stands in a passage"),
    Task(
        "nsmc", "classification", "records", "document", None, "label", "accuracy",
        "film reviews: 0 negative, 1 positive", "https://github.com/e9t/nsmc", "CC0 1.0",
    ),
    Task(
        "3i4k", "classification", "records", "text", None, "label", "accuracy",
        "what a spoken sentence is for: fragment, statement, question, command, rhetorical ones, intonation (0 to 6)",
        "https://github.com/warnikchow/3i4k", _BY_SA, columns=("label", "text"),
    ),
    Task(
        "korsts", "regression", "records", "sentence1", "sentence2", "score", "spearman",
        "how alike two sentences are, 0 to 5", _NLU, _BY_SA,
    ),
    Task(
        "kornli", "classification", "records", "sentence1", "sentence2", "gold_label", "accuracy",
        "whether one sentence follows from another", _NLU, _BY_SA,
    ),
    Task(
        "klue-ynat", "classification", "records", "title", None, "label", "macro_f1", "topics of news titles",
        _KLUE, _BY_SA,
    ),
    Task(
        "klue-nli", "classification", "records", "premise", "hypothesis", "gold_label", "accuracy",
        "whether one sentence follows from another", _KLUE, _BY_SA,
    ),
    Task(
        "klue-sts", "regression", "records", "sentence1", "sentence2", "labels.real-label", "pearson",
        "how alike two sentences are, 0 to 5 (`labels.binary-label` for the yes or no of it)", _KLUE, _BY_SA,
    ),
    Task(
        "klue-ner", "ner", "tagged", "tokens", None, "ner_tags", "entity_macro_f1", "six kinds of entities",
        _KLUE, _BY_SA,
    ),
    Task(
        "klue-re", "classification", "relation", "sentence", None, "label", "micro_f1",
        "how two marked entities are related; papers leave `no_relation` out of the F1", _KLUE, _BY_SA,
    ),
    Task(
        "klue-mrc", "qa", "passages", "context", "question", "answers", "em", "answers in news, some have none",
        _KLUE, _BY_SA,
    ),
    Task(
        "korquad", "qa", "passages", "context", "question", "answers", "em", "answers in Wikipedia (KorQuAD 1.0)",
        "https://korquad.github.io/KorQuad%201.0/", "CC BY-ND 2.0 KR",
    ),
)  # fmt: skip

TASKS: dict[str, Task] = {task.name: task for task in _ALL}


def find_task(name: str) -> Task:
    """The task of this name. Raises InputError naming those there are."""
    task = TASKS.get(name.lower())
    if task is None:
        raise InputError(f"no task {name!r}; there are: {', '.join(TASKS)}")
    return task
