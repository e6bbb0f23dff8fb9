"""A toy task of each kind that a tiny encoder learns, and the folders that fine-tuning on them makes."""

import json
from pathlib import Path

import torch
from transformers import BertForPreTraining

from finetune.data.read import Source
from finetune.job import Data, Job
from finetune.train import finetune
from tests.finetune.conftest import BAD, GOOD, THINGS, save_encoder, settings, tiny_config

STARS = dict(zip((*GOOD, *BAD), (3.0, 4.0, 5.0, 2.0, 1.0, 0.0), strict=True))
MUCH = ("참", "정말", "너무")


def _multilabel(thing: str, word: str, number: int) -> dict:
    loud = MUCH[number % 3] if number % 2 else ""
    labels = ["좋음" if word in GOOD else "나쁨", *(["강조"] if loud else [])]
    return {"text": f"{thing}이 {loud} {word}", "labels": labels}


def _regression(thing: str, word: str, number: int) -> dict:
    return {"text": f"{thing}이 {word}", "label": STARS[word]}


def _pairs(thing: str, word: str, number: int) -> dict:
    other = (GOOD if number % 2 else BAD)[number % 3]
    return {"a": f"{thing}이 {word}", "b": f"{thing}은 {other}", "label": "긍정" if word in GOOD else "부정"}


def _ner(thing: str, word: str, number: int) -> dict:
    text = f" {MUCH[number % 3]} {thing}이 {word}."  # begins with a space: places count from it
    found = [(thing, "TH"), (word, "GD" if word in GOOD else "BD")]
    spans = [{"start": text.index(w), "end": text.index(w) + len(w), "label": label} for w, label in found]
    return {"text": text, "entities": spans}


def _qa(thing: str, word: str, number: int) -> dict:
    # The answer stands now here, now there, and its full stop is no part of it.
    context, question, answer = f" {'너무 ' * (number % 3)}{thing}이 {word}.", "정말", word
    return {
        "context": context, "question": question, "answers": [{"text": answer, "answer_start": context.index(answer)}],
        "id": f"q{thing}{word}{number}",
    }  # fmt: skip


#: Kind -> how its rows are made, and what a pair of texts is called.
MAKERS = {"multilabel": _multilabel, "regression": _regression, "pairs": _pairs, "ner": _ner, "qa": _qa}

#: Of those that need more than a few.
EPOCHS = {"multilabel": 32, "regression": 32}


def records(kind: str, things: list[str]) -> list[dict]:
    pairs = [(thing, word) for thing in things for word in (*GOOD, *BAD)]
    # The number does not follow from the word.
    return [MAKERS[kind](thing, word, number + number // 6) for number, (thing, word) in enumerate(pairs)]


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def job_of(kind: str, encoder: Path, root: Path, **changes) -> Job:
    """What learns the toy task of a kind; its rows are written below `root`."""
    train = write_jsonl(root / "train.jsonl", records(kind, THINGS[:9]))
    test = write_jsonl(root / "test.jsonl", records(kind, THINGS[9:]))
    source = Source("classification", "a", "b") if kind == "pairs" else Source(kind)
    data = Data(str(train), str(test), str(test), source)
    return Job(encoder, data, root / kind, settings(**changes), root / "artifacts", cpu=True)


class Taught:
    """Folders of fine-tuned models by kind, each made when it is first asked for."""

    def __init__(self, root: Path) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.encoder = save_encoder(root / "encoder", BertForPreTraining(tiny_config(num_hidden_layers=2)))
        self.root = root
        self.jobs: dict[str, Job] = {}

    def job(self, kind: str) -> Job:
        if kind not in self.jobs:
            (self.root / kind).mkdir()
            self.jobs[kind] = job_of(kind, self.encoder, self.root / kind, epochs=EPOCHS.get(kind, 8))
            finetune(self.jobs[kind])
        return self.jobs[kind]

    def folder(self, kind: str) -> Path:
        return self.job(kind).folder

    def test(self, kind: str) -> Path:
        return Path(str(self.job(kind).data.test))

    def metrics(self, kind: str) -> dict:
        return json.loads((self.folder(kind) / "metrics.json").read_text("utf-8"))
