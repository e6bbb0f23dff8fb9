"""Each kind of task is learned end to end, and its folder answers the same through transformers alone."""

import json

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, pipeline

from finetune.data.read import read_rows
from finetune.predict import Predictor
from tests.finetune.conftest import THINGS
from tests.finetune.taught import Taught, records


def answered(taught: Taught, kind: str):
    """(rows of test, our answers)."""
    rows = read_rows(taught.test(kind), taught.job(kind).data.source)
    return rows, list(Predictor.load(taught.folder(kind), cpu=True).answers(rows))


@pytest.mark.parametrize(
    "kind, measure",
    [("multilabel", "micro_f1"), ("regression", "pearson"), ("pairs", "macro_f1"), ("ner", "entity_f1"), ("qa", "f1")],
)
def test_it_is_learned(taught: Taught, kind, measure) -> None:
    metrics = taught.metrics(kind)
    assert metrics["choice"] == measure
    assert metrics["test"][measure]["mean"] > 0.9
    # What was scored is what prediction gives.
    rows, said = answered(taught, kind)
    lines = [json.loads(line) for line in (taught.folder(kind) / "predictions.jsonl").read_text("utf-8").splitlines()]
    for row, one, line in zip(rows.rows, said, lines, strict=True):
        assert line["name"] == row.name and line["text"] == row.text
        assert line["confidence"] == pytest.approx(one.confidence, abs=1e-5)
        if kind == "regression":
            assert line["answer"] == pytest.approx(one.answer, abs=1e-5)
        for name, share in zip(taught_names(taught, kind), one.probabilities, strict=False):
            assert line["probabilities"][name] == pytest.approx(share, abs=1e-5)


def taught_names(taught: Taught, kind: str) -> list[str]:
    return json.loads((taught.folder(kind) / "task.json").read_text("utf-8"))["names"]


def test_multilabel_as_transformers_has_it(taught: Taught) -> None:
    rows, said = answered(taught, "multilabel")
    ask = pipeline("text-classification", model=str(taught.folder("multilabel")), top_k=None, device="cpu")
    names = taught_names(taught, "multilabel")
    for one, theirs in zip(said, ask(list(rows.texts)), strict=True):
        shares = {each["label"]: each["score"] for each in theirs}
        assert [shares[name] for name in names] == pytest.approx(list(one.probabilities), abs=1e-5)
        assert set(one.answer) == {name for name in names if shares[name] >= 0.5}


def test_regression_as_transformers_has_it(taught: Taught) -> None:
    rows, said = answered(taught, "regression")
    ask = pipeline("text-classification", model=str(taught.folder("regression")), device="cpu")
    theirs = [each["score"] for each in ask(list(rows.texts), function_to_apply="none")]
    assert theirs == pytest.approx([one.answer for one in said], abs=1e-5)
    # Theirs rounds nothing and squashes nothing of one output that is a regression's.
    assert [each["score"] for each in ask(list(rows.texts))] == pytest.approx(theirs, abs=1e-6)


def test_pairs_as_transformers_has_them(taught: Taught) -> None:
    rows, said = answered(taught, "pairs")
    ask = pipeline("text-classification", model=str(taught.folder("pairs")), device="cpu")
    theirs = [ask({"text": row.text, "text_pair": row.pair}) for row in rows.rows]
    assert [each["label"] for each in theirs] == [one.answer for one in said]
    assert [each["score"] for each in theirs] == pytest.approx([one.confidence for one in said], abs=1e-5)


def test_entities_as_transformers_has_them(taught: Taught) -> None:
    rows, said = answered(taught, "ner")
    ask = pipeline("token-classification", model=str(taught.folder("ner")), aggregation_strategy="simple", device="cpu")
    for row, one in zip(rows.rows, said, strict=True):
        theirs = [(each["start"], each["end"], each["entity_group"]) for each in ask(row.text)]
        assert theirs == [(span.start, span.end, span.label) for span in one.answer]
        assert all(row.text[span.start : span.end].strip() == row.text[span.start : span.end] for span in one.answer)


def test_answers_as_a_plain_model_has_them(taught: Taught) -> None:
    rows, said = answered(taught, "qa")
    folder = str(taught.folder("qa"))
    model, tokenizer = AutoModelForQuestionAnswering.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for row, one in zip(rows.rows, said, strict=True):
        inputs = tokenizer(row.pair, row.text, return_tensors="pt", return_offsets_mapping=True)
        offsets = inputs.pop("offset_mapping")[0].tolist()
        with torch.inference_mode():
            outputs = model(**inputs)
        passage = [place for place, of in enumerate(inputs.sequence_ids(0)) if of == 1]
        both = {
            (start, end): float(outputs.start_logits[0, start] + outputs.end_logits[0, end])
            for start in passage
            for end in passage
            if start <= end
        }
        start, end = max(both, key=both.get)
        assert one.answer[0].start == offsets[start][0]
        assert one.answer[0].text == row.text[offsets[start][0] : offsets[end][1]]


def test_toys_are_not_told_by_their_test(taught: Taught) -> None:
    """No thing of test is in train: what was learned is the words."""
    assert not {row["text"] for row in records("regression", THINGS[:9])} & set(
        read_rows(taught.test("regression"), taught.job("regression").data.source).texts
    )
