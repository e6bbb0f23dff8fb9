"""What reaches training, dev and test, and what the output's key knows of it."""

from pathlib import Path

import pytest
import torch
from transformers import BertForSequenceClassification

from finetune.data.read import Source
from finetune.job import Data, Job
from finetune.kinds.classes import Classification
from finetune.kinds.passages import Passages
from finetune.model import load_model
from finetune.sets import read_sets
from tests.finetune.conftest import save_encoder, settings, tiny_config


def lines(numbers: range) -> str:
    return "text\tlabel\n" + "".join(f"글 {number}\t{'긍정' if number % 2 else '부정'}\n" for number in numbers)


@pytest.fixture
def job(encoder: Path, write, tmp_path: Path) -> Job:
    train, test = write("train.tsv", lines(range(100))), write("test.tsv", lines(range(50)))
    data = Data(str(train), None, str(test), Source("classification"))
    return Job(encoder, data, tmp_path / "out", settings(exclude_overlap=True), tmp_path / "artifacts", cpu=True)


def changed(job: Job, **changes) -> Job:
    return Job(**{**{name: getattr(job, name) for name in job.__dataclass_fields__}, **changes})


def test_rows_of_test_choose_no_epoch_either(job: Job) -> None:
    sets = read_sets(job)
    tested = set(sets.test.texts)
    assert not tested & set(sets.train.texts) and not tested & set(sets.dev.texts)
    assert len(sets.train) + len(sets.dev) == 50
    assert [note for note in sets.notes if "50 of 50 test texts" in note and "50 rows of train left out" in note]
    kept = read_sets(changed(job, settings=settings()))
    assert len(kept.train) + len(kept.dev) == 100
    assert [note for note in kept.notes if "exclude_overlap=true" in note]


def test_a_dev_that_is_shared_is_told(job: Job, write) -> None:
    dev = write("dev.tsv", lines(range(40, 60)))
    sets = read_sets(changed(job, data=Data(job.data.train, str(dev), job.data.test, job.data.source)))
    assert [note for note in sets.notes if "10 of 20 dev texts also stand in train.tsv" in note]
    assert [note for note in sets.notes if "10 texts of dev stand in test too" in note]


def test_other_stop_words_are_another_job(job: Job, write) -> None:
    words = write("stop.txt", "글\n")
    asked = changed(job, settings=settings(cleaning=[f"stop_words:{words}"]))
    before = asked.key().made_from
    words.write_text("책\n", "utf-8")
    assert asked.key().made_from != before


def test_a_head_is_new_even_where_the_old_one_would_fit(tmp_path: Path) -> None:
    model = BertForSequenceClassification(tiny_config(num_labels=2))
    folder = save_encoder(tmp_path / "two", model)
    heads = [load_model(folder, Classification(), ("x", "y"), seed).classifier.weight for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2]) and not torch.equal(heads[0], model.classifier.weight)


def test_a_folder_of_three_classes_answers_questions(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "three", BertForSequenceClassification(tiny_config(num_labels=3)))
    assert load_model(folder, Passages(), (), 0).qa_outputs.out_features == 2
