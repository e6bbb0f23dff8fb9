"""Bits per character, against a count over stock logits, token by token in Python."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

from pipeline.executor import Workers
from pretrain.dataset import PairDataset, Share
from pretrain.draws import EVALUATION, stream
from pretrain.evaluate import Scores, Spelling, characters_of, evaluate
from pretrain.examples import build_examples
from pretrain.layout import Layout
from pretrain.masking import PairMaskingCollator
from pretrain.masks import IGNORED
from pretrain.model import PretrainingObjective, bert_config, new_model
from pretrain.prepared import open_prepared
from tests.conftest import EXAMPLES, TOKENIZER
from tests.pretrain.test_model import SHAPE
from tokenizer.train import train_tokenizer

ROWS = 24


@pytest.fixture(scope="module", params=["wordpiece", "unigram", "bpe"])
def examples(request: pytest.FixtureRequest, sample_corpus: Path, sample_examples: Path, tmp_path_factory) -> Path:
    if request.param == "wordpiece":
        return sample_examples
    folder = tmp_path_factory.mktemp(request.param)
    settings = dataclasses.replace(TOKENIZER, algorithm=request.param)
    train_tokenizer(sample_corpus, settings, folder / "tokenizer", Workers())
    build_examples(sample_corpus, folder / "tokenizer", EXAMPLES, folder / "examples")
    return folder / "examples"


def spelled(piece: str) -> int:
    """Characters by their code points, marks left out."""
    if piece in ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"):
        return 0
    return sum(1 for character in piece.removeprefix("##") if ord(character) != 0x2581)


def test_bits_per_character_are_those_of_a_count_token_by_token(examples: Path) -> None:
    prepared = open_prepared(examples)
    assert prepared.heldout is not None and prepared.heldout_plan is not None
    tokenizer = AutoTokenizer.from_pretrained(examples)
    model = new_model(bert_config(dataclasses.replace(SHAPE, initializer_range=0.5), prepared.vocab_size, 32), 0)
    objective, collator = PretrainingObjective(model), PairMaskingCollator(tokenizer)
    dataset = PairDataset(prepared.heldout, prepared.heldout_plan, prepared.frame, stream(0, EVALUATION))
    spelling = Spelling.of(prepared.tokenizer_files["tokenizer.json"])

    def scored(micro_batch: int) -> Scores:
        share = Share(0, 1, micro_batch, 0)
        return evaluate(objective, dataset, collator, Accelerator(cpu=True), share, ROWS, Layout(), spelling)

    rows = range(min(ROWS, len(dataset)))
    batch = collator.torch_call(dataset.__getitems__(rows))
    with torch.no_grad():
        logits = model.eval()(
            **{name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
        ).prediction_logits
    bits, characters = 0.0, 0
    for row, place in (batch["labels"] != IGNORED).nonzero().tolist():
        wanted = int(batch["labels"][row, place])
        bits -= math.log2(float(torch.softmax(logits[row, place].double(), -1)[wanted]))
        characters += spelled(tokenizer.convert_ids_to_tokens(wanted))
    whole, parts = scored(ROWS), scored(5)
    assert characters > 100
    assert whole.mlm_bits_per_character == pytest.approx(bits / characters, rel=1e-5)
    assert parts.mlm_bits_per_character == pytest.approx(whole.mlm_bits_per_character, rel=1e-5)
    assert "held_out_mlm_bits_per_character" in whole.as_dict("held_out_")


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [
        (["[UNK]", "[MASK]", "[unused0]", "가", "##나다", "##", "▁", "A"], [0, 0, 0, 1, 2, 2, 1, 1]),
        (["[UNK]", "[MASK]", "[unused0]", "▁가", "나다", "▁", "##"], [0, 0, 0, 1, 2, 0, 2]),
        (["[UNK]", "[PHONE]", "##\u1112\u1161\u11ab", "##e\u0301a", "😀"], [0, 7, 1, 2, 1]),
    ],
)
def test_what_entries_spell(vocabulary: list[str], expected: list[int]) -> None:
    """WordPiece's and SentencePiece's marks; placeholders; decomposed characters count as in NFC."""
    assert characters_of(vocabulary) == expected


def test_unknown_tokens_spell_nothing_and_are_counted() -> None:
    vocabulary = ["[PAD]", "[UNK]", "가", "##나다"]
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    spelling = Spelling.of(tokenizer.to_str().encode())
    labels = torch.tensor([[IGNORED, 1, 3], [2, IGNORED, 1]])
    assert spelling.counts(labels).tolist() == [3, 2]
    assert spelling.counts(torch.full((2, 3), IGNORED)).tolist() == [0, 0]
