"""A tiny encoder folder and a task that a tiny encoder can learn: 좋 is positive, 나쁘 is negative."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForPreTraining

from finetune.settings import FinetuneSettings
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, save_tokenizer

THINGS = ["영화", "음식", "노래", "여행", "날씨", "음악", "방", "길", "책", "옷", "집", "차"]
GOOD, BAD = ("좋다", "멋지다", "훌륭하다"), ("나쁘다", "싫다", "별로다")
VOCABULARY = [*SPECIAL_TOKENS, *THINGS, *GOOD, *BAD, "참", "정말", "너무", "이", "##이", "##은", ".", "##다"]
SETTINGS = {
    "epochs": 8, "batch_size": 8, "learning_rate": 5e-3, "warmup_ratio": 0.1, "weight_decay": 0.01,
    "max_length": 0, "dev_share": 0.25, "seed": 0,
}  # fmt: skip


def settings(**changes) -> FinetuneSettings:
    return FinetuneSettings(**{**SETTINGS, **changes})


def tiny_config(**changes) -> BertConfig:
    shape = {
        "vocab_size": len(VOCABULARY), "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 16,
    }  # fmt: skip
    return BertConfig(**{**shape, **changes})


def save_encoder(folder: Path, model=None) -> Path:
    folder.mkdir(parents=True)
    save_tokenizer(build_tokenizer(VOCABULARY), folder)
    if model is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = BertForPreTraining(tiny_config())
    model.save_pretrained(str(folder))
    return folder


def table(things: list[str]) -> str:
    """Every thing with every good and every bad word, as TSV."""
    rows = [
        f"{thing}이 {word}\t긍정\n{thing}이 {bad}\t부정\n"
        for thing in things
        for word, bad in zip(GOOD, BAD, strict=True)
    ]
    return "text\tlabel\n" + "".join(rows)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("finetune") / "encoder")


@pytest.fixture
def toy(write) -> tuple[Path, Path]:
    """Train (48 rows) and test (24 rows), about different things."""
    return write("train.tsv", table(THINGS[:8])), write("test.tsv", table(THINGS[8:]))


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory):
    """Fine-tuned folders of each kind (`taught.folder("ner")`), made when asked for."""
    from tests.finetune.taught import Taught

    return Taught(tmp_path_factory.mktemp("taught"))
