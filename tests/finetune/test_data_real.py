"""The published files, where they are on this machine: counts, and offsets against the texts that annotators marked."""

import lzma
import re
from collections import Counter

import pytest

from finetune.data.duplicates import find_overlap
from finetune.data.read import Source, read_rows
from finetune.data.split import split_rows
from tests.conftest import REPOSITORY

TASKS = REPOSITORY.parent / "shared" / "data" / "tasks"
pytestmark = pytest.mark.skipif(not TASKS.is_dir(), reason="the task data are not on this machine")


def read(task: str, name: str):
    return read_rows(TASKS / name, Source(task))


@pytest.mark.parametrize(
    "task, name, count",
    [
        ("nsmc", "nsmc/test.tsv.xz", 10_006),
        ("3i4k", "3i4k/fci_train_val.txt.xz", 55_134),
        ("3i4k", "3i4k/fci_test.txt.xz", 6_121),
        ("korsts", "korsts/sts-train.tsv.xz", 5_749),
        ("korsts", "korsts/sts-dev.tsv.xz", 1_500),
        ("klue-nli", "klue-nli/klue-nli-v1.1_dev.json.xz", 3_000),
        ("klue-ner", "klue-ner/klue-ner-v1.1_dev.tsv.xz", 5_000),
        ("korquad", "korquad/KorQuAD_v1.0_dev.json.xz", 5_774),
    ],
)
def test_every_row_is_read(task, name, count) -> None:
    rows = read(task, name)
    assert (len(rows), rows.skipped, rows.notes) == (count, (), ())
    assert len({row.place for row in rows.rows}) == count


def test_entities_are_those_that_the_sentences_mark() -> None:
    """KLUE writes each sentence twice: by character, and with its entities marked, as <박:PS>씨."""
    name = "klue-ner/klue-ner-v1.1_dev.tsv.xz"
    lines = lzma.open(TASKS / name, "rt", encoding="utf-8").read().splitlines()
    marked = [line.split("\t", 1)[1] for line in lines if line.startswith("## klue-ner")]
    rows = read("klue-ner", name).rows
    assert len(marked) == len(rows)
    for row, sentence in zip(rows, marked, strict=True):
        pieces, place = [], 0
        for span in row.target:
            pieces += [row.text[place : span.start], f"<{row.text[span.start : span.end]}:{span.label}>"]
            place = span.end
        told = "".join((*pieces, row.text[place:]))
        assert re.sub(r"\s+", "", told) == re.sub(r"\s+", "", sentence), row.name


def test_answers_stand_in_their_passages() -> None:
    for row in read("korquad", "korquad/KorQuAD_v1.0_dev.json.xz").rows:
        for answer in row.target:
            assert row.text[answer.start : answer.start + len(answer.text)] == answer.text


def test_splits_of_dev_sets_keep_premises_and_passages_apart() -> None:
    for task, name in (
        ("klue-nli", "klue-nli/klue-nli-v1.1_dev.json.xz"),
        ("korquad", "korquad/KorQuAD_v1.0_dev.json.xz"),
    ):
        rows = read(task, name)
        split = split_rows(rows, dev=0.1, test=0.2, seed=0)
        sides = [{row.text for row in part.rows} for part in (split.train, split.dev, split.test)]
        assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
        assert abs(len(split.test) / len(rows) - 0.2) < 0.01
        assert find_overlap(split.train, split.test).first == 0
    counts = Counter(
        row.target for row in split_rows(read("klue-nli", "klue-nli/klue-nli-v1.1_dev.json.xz"), 0.1, 0.2, 0).dev.rows
    )
    assert set(counts.values()) == {100}
