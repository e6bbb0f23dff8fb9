"""Folders that fit are loaded, whatever the architecture; folders that do not are refused with the reason."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from finetune.data.rows import Row, Rows
from finetune.kinds.classes import Classification
from finetune.kinds.kind import Reading
from finetune.learn import unknown_share
from finetune.model import load_model, longest_input, write_model
from pipeline.errors import InputError
from pretrain.folder import check_vocabulary, load_folder_tokenizer, model_files
from tests.finetune.conftest import VOCABULARY, save_encoder, tiny_config

NAMES = ("긍정", "부정", "중립")
KIND = Classification()


def load_classifier(folder: Path, names, seed: int, **flags):
    return load_model(folder, KIND, names, seed, **flags)


def encode(tokenizer, texts, labels, max_length):
    rows = [
        Row(text, None, NAMES[label], f"line {n}", str(n))
        for n, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]
    encoded = KIND.encode(tokenizer, Rows(Path("rows"), tuple(rows)), NAMES, Reading(max_length))
    return encoded.examples, encoded.longer


@pytest.fixture
def copy(encoder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoder, tmp_path / "copy"))


def test_the_encoder_is_kept_and_the_head_comes_from_the_seed(encoder: Path) -> None:
    state = torch.random.get_rng_state()
    model, again, other = (load_classifier(encoder, NAMES, seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    saved = load_file(encoder / "model.safetensors")
    for name, weight in model.bert.state_dict().items():
        assert torch.equal(weight, saved[f"bert.{name}"])
    assert torch.equal(model.classifier.weight, again.classifier.weight)
    assert not torch.equal(model.classifier.weight, other.classifier.weight)
    assert model.config.id2label == {0: "긍정", 1: "부정", 2: "중립"}


def test_random_weights_are_not_the_pretrained_ones(encoder: Path, copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no \*\.safetensors"):
        model_files(copy)
    assert model_files(copy, random_weights=True)
    pretrained, random = (
        load_classifier(encoder, NAMES, 0),
        load_classifier(copy, NAMES, 0, random_weights=True),
    )
    same = load_classifier(encoder, NAMES, 0, random_weights=True)
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight"):
        assert not torch.equal(pretrained.bert.state_dict()[name], random.bert.state_dict()[name])
        assert torch.equal(same.bert.state_dict()[name], random.bert.state_dict()[name])


@pytest.mark.parametrize(
    "kind, config, changes, limit",
    [
        ("BertForMaskedLM", "BertConfig", {}, 16),
        ("ElectraModel", "ElectraConfig", {"embedding_size": 16}, 16),
        ("RobertaModel", "RobertaConfig", {"pad_token_id": 0}, 15),
        (
            "DistilBertModel",
            "DistilBertConfig",
            {"dim": 32, "n_heads": 2, "n_layers": 1, "hidden_dim": 64},
            16,
        ),
    ],
)
def test_other_encoders(tmp_path: Path, kind, config, changes, limit) -> None:
    shape = {name: getattr(tiny_config(), name) for name in ("vocab_size", "max_position_embeddings")}
    if kind != "DistilBertModel":
        shape |= {
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 64,
        }
    encoder = getattr(transformers, kind)(getattr(transformers, config)(**shape, **changes))
    folder = save_encoder(tmp_path / "other", encoder)
    model, tokenizer = load_classifier(folder, NAMES, 0), load_folder_tokenizer(folder)
    check_vocabulary(folder, model, tokenizer)
    assert longest_input(folder, model, tokenizer, 0) == limit


def test_half_precision_weights_are_trained_in_single(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "half", transformers.BertModel(tiny_config()).to(torch.bfloat16))
    assert {weight.dtype for weight in load_classifier(folder, NAMES, 0).parameters()} == {torch.float32}


def test_another_tasks_head_may_go(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "five", transformers.BertForSequenceClassification(tiny_config(num_labels=5)))
    assert load_classifier(folder, NAMES, 0).classifier.out_features == 3


@pytest.mark.parametrize(
    "absent, said",
    [
        (["config.json"], "no config.json"),
        (["tokenizer.json", "vocab.txt"], "no tokenizer"),
        (["model.safetensors"], r"no \*\.safetensors"),
    ],
)
def test_incomplete_folders_are_refused(copy: Path, absent, said) -> None:
    for name in absent:
        (copy / name).unlink()
    with pytest.raises(InputError, match=said):
        model_files(copy)


def test_no_folder_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pretrain\.export"):
        model_files(tmp_path / "klue" / "bert-base")


def test_more_entries_than_embeddings_are_refused_with_both_numbers(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "small", transformers.BertModel(tiny_config(vocab_size=20)))
    with pytest.raises(InputError, match=f"has {len(VOCABULARY)} entries, the model's embedding only 20 rows"):
        check_vocabulary(folder, load_classifier(folder, NAMES, 0), load_folder_tokenizer(folder))


def test_weights_that_leave_the_encoder_random_are_refused(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    renamed = {name.replace("bert.encoder", "encoder.of.another"): weight for name, weight in weights.items()}
    save_file(renamed, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="encoder's weights are absent or of another shape"):
        load_classifier(copy, NAMES, 0)


def test_a_configuration_of_another_size_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    with pytest.raises(InputError, match="of another shape"):
        load_classifier(copy, NAMES, 0)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_damaged_files_are_refused(copy: Path, name) -> None:
    (copy / name).write_text('{"model_type": ')
    with pytest.raises(InputError, match="cannot be loaded"):
        load_folder_tokenizer(copy)
        load_classifier(copy, NAMES, 0)


def test_longest_input(encoder: Path, copy: Path) -> None:
    model, tokenizer = load_classifier(encoder, NAMES, 0), load_folder_tokenizer(encoder)
    assert [longest_input(encoder, model, tokenizer, asked) for asked in (0, 8, 16)] == [16, 8, 16]
    with pytest.raises(InputError, match="max_length 17 is more than the 16 tokens"):
        longest_input(encoder, model, tokenizer, 17)
    tokenizer.model_max_length = 12
    assert longest_input(encoder, model, tokenizer, 0) == 12


def test_long_texts_are_cut_and_counted(encoder: Path) -> None:
    tokenizer = load_folder_tokenizer(encoder)
    examples, longer = encode(tokenizer, ["영화 좋다", "영화 정말 좋다", "참 " * 9], [0, 1, 0], max_length=5)
    assert [len(example["input_ids"]) for example in examples] == [4, 5, 5]
    assert all(example["input_ids"][-1] == tokenizer.sep_token_id for example in examples)
    assert (longer, [example["labels"] for example in examples]) == (1, [0, 1, 0])


def test_the_tokenizer_is_written_as_it_was(encoder: Path, tmp_path: Path) -> None:
    tokenizer = load_folder_tokenizer(encoder)
    encode(tokenizer, ["영화 좋다"], [0], max_length=5)
    write_model(load_classifier(encoder, NAMES, 0), encoder, 5, tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == (encoder / "tokenizer.json").read_bytes()
    written = AutoTokenizer.from_pretrained(str(tmp_path), local_files_only=True)
    assert written.model_max_length == 5
    assert len(written("영화 좋다 좋다 좋다")["input_ids"]) == 6


def test_the_share_of_unknown_tokens(encoder: Path) -> None:
    tokenizer = load_folder_tokenizer(encoder)
    examples, _ = encode(tokenizer, ["영화 좋다", "뷁 정말"], [0, 1], max_length=8)
    assert unknown_share(tokenizer, examples) == 1 / 4
    assert unknown_share(tokenizer, []) == 0
