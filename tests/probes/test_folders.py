"""Models of others: half precision, matrices longer than the vocabulary, damaged weights, code and pickles beside."""

import json
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    BertForPreTraining,
    RobertaConfig,
    RobertaForMaskedLM,
)

from pipeline.errors import InputError
from probes.candidates import mark
from probes.exposure import expose
from probes.fillmask import encode
from probes.gaps import Gap
from probes.leak_files import Pattern
from probes.leak_names import tied
from probes.leak_patterns import answer
from probes.likelihood import log_likelihoods
from probes.model import MaskedModel
from probes.sentence_pairs import PairModel
from tests.probes.tiny import WORDPIECES, wordpiece_folder

GAP = Gap("a", "[MASK]다", ("가",), ("가", "나", "바다"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return wordpiece_folder(tmp_path / "model")


def changed(folder: Path, change: Callable[[torch.nn.Module], object]) -> Path:
    """The folder with its weights changed."""
    model = AutoModelForMaskedLM.from_pretrained(folder)
    with torch.no_grad():
        change(model)
    model.save_pretrained(folder)
    return folder


def roberta(entries: int) -> RobertaForMaskedLM:
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return RobertaForMaskedLM(RobertaConfig(vocab_size=entries, max_position_embeddings=26, pad_token_id=0, **shape))


def roberta_folder(folder: Path) -> Path:
    wordpiece_folder(folder)
    roberta(len(WORDPIECES)).save_pretrained(folder)
    return folder


def edited(path: Path, **values: object) -> None:
    """A JSON file with other values; None takes one away."""
    known = {**json.loads(path.read_text("utf-8")), **values}
    path.write_text(json.dumps({name: value for name, value in known.items() if value is not None}), "utf-8")


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_read_as_32_bits(folder: Path, half: torch.dtype) -> None:
    changed(folder, lambda model: model.to(half))
    assert json.loads((folder / "config.json").read_text())["dtype"] == str(half).removeprefix("torch.")
    found, drawn = MaskedModel(folder), MaskedModel(folder, random_weights=0)
    assert {found.model.dtype, drawn.model.dtype} == {torch.float32}
    alone = log_likelihoods(found, ["바다가"])[0].costs
    beside = log_likelihoods(found, ["가 나 다 바다 가나다", "바다가"])[1].costs
    assert alone == pytest.approx(beside, abs=1e-5), "not what padding makes of 8 bits of fraction"


def test_pairs_in_half_precision(tmp_path: Path) -> None:
    folder = wordpiece_folder(tmp_path / "pairs")
    model = BertForPreTraining(BertConfig.from_pretrained(folder))
    with torch.no_grad():
        model.cls.seq_relationship.bias[0] = 0.5
    model.to(torch.bfloat16).save_pretrained(folder)
    assert {PairModel(folder).model.dtype, PairModel(folder, random_weights=0).model.dtype} == {torch.float32}
    with torch.no_grad():
        model.bert.pooler.dense.weight[0, 0] = torch.nan
    model.save_pretrained(folder)
    with pytest.raises(InputError, match="answers with what is no number"):
        PairModel(folder).probabilities([("가", "나")], 0)


def test_weights_that_are_no_numbers_win_nothing(folder: Path) -> None:
    """What is no number compares as neither more nor less: every answer would be the first, every secret exposed."""

    def damage(model: torch.nn.Module) -> None:
        model.bert.embeddings.word_embeddings.weight[7:] = torch.nan

    model = MaskedModel(changed(folder, damage))
    with pytest.raises(InputError, match="answers with what is no number: its weights are damaged"):
        list(mark(model, [GAP]))
    with pytest.raises(InputError, match="answers with what is no number: its weights are damaged"):
        draw = iter(["나", "다", "바다"] * 99)
        expose(model, ("가 ", " 나"), "가", lambda generator: next(draw), 3, np.random.default_rng(0))


def test_a_matrix_longer_than_the_vocabulary(folder: Path) -> None:
    """As those are that were made a multiple of 64, here with weights that prefer what has no name."""

    def lengthen(model: torch.nn.Module) -> None:
        model.resize_token_embeddings(64)
        model.cls.predictions.bias[len(WORDPIECES) :] = 50.0

    model = MaskedModel(changed(folder, lengthen))
    assert [one.name for one in tied(model, ["가", "나", "바다"])] == ["가", "나", "바다"]
    found = answer(model, Pattern("x", "가 [GAP]", "가나"), 5, np.random.default_rng(0))
    assert found.exposure and len(found.exposure.rebuilt) >= 2 and all(one.text for one in found.fillings)
    (marked,) = mark(model, [GAP])
    assert {score.pieces for score in marked.scores} == {1}


def test_a_model_that_scores_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no BERT scores all entries everywhere: fewer inputs are read at once, the answers are the same."""
    folder = roberta_folder(tmp_path / "model")
    model = MaskedModel(folder)
    texts, read = ["가 나", "가 나 다 바다", "바다"], []
    whole = [one.total for one in log_likelihoods(model, texts)]
    monkeypatch.setattr("probes.model.DENSE_SCORES", 10 * len(WORDPIECES))
    model.model.register_forward_pre_hook(
        lambda module, given, named: read.append(named["input_ids"].numel()), with_kwargs=True
    )
    assert [one.total for one in log_likelihoods(model, texts)] == pytest.approx(whole, abs=1e-5)
    assert len(read) > 1 and max(read) <= 10
    assert model.limit == 25


def test_candidates_in_pieces_of_bytes_are_not_ranked(tmp_path: Path) -> None:
    """There a word behind a space is another piece (Ġ) than the word alone."""
    folder = roberta_folder(tmp_path / "model")
    alphabet = ByteLevel.alphabet()
    names = ["<s>", "</s>", "<pad>", "<mask>", "<unk>", *alphabet]
    tokenizer = Tokenizer(BPE({name: number for number, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens = {f"{name}_token": f"<{name}>" for name in ("pad", "mask", "unk")}
    frame = {"cls_token": "<s>", "sep_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**tokens, **frame}))
    roberta(len(names)).save_pretrained(folder)
    with pytest.raises(InputError, match=r"neither WordPiece's .* how a candidate is spelled in a gap"):
        list(mark(MaskedModel(folder), [GAP]))


def test_many_candidates_do_not_fill_the_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores of all entries are kept for one input of a gap, and not for each beginning of a candidate."""
    model, kept = MaskedModel(folder), []
    whole = model.log_probabilities
    monkeypatch.setattr(model, "log_probabilities", lambda queries: kept.append(len(queries)) or whole(queries))
    candidates = ("가", *(f"바다{one}{other}" for one in "가나다" for other in "가나다"))
    (marked,) = mark(model, [Gap("a", "[MASK]다", ("가",), candidates)])
    assert [score.pieces for score in marked.scores] == [1, *[3] * 9] and marked.open_rank and sum(kept) == 1


def test_folders_that_do_not_fit(folder: Path) -> None:
    settings = folder / "tokenizer_config.json"
    whole = settings.read_text()
    for name in ("cls_token", "sep_token", "unk_token"):
        edited(settings, **{name: None})
        with pytest.raises(InputError, match=f"the tokenizer has no {name}; name it in tokenizer_config.json"):
            MaskedModel(folder)
        settings.write_text(whole)
    edited(folder / "config.json", num_hidden_layers=1)
    with pytest.raises(InputError, match=r"config.json says fewer layers than the weights have: bert.encoder.layer.1"):
        MaskedModel(folder)


def test_pickles_behind_an_index_are_not_read(folder: Path) -> None:
    weights = AutoModelForMaskedLM.from_pretrained(folder).state_dict()
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    torch.save(weights, folder / "weights.bin")
    index = folder / "model.safetensors.index.json"
    for name in ("weights.bin", "../model.safetensors"):
        index.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(weights, name)}))
        with pytest.raises(InputError, match=rf"names '{name}': only \*.safetensors beside it are read"):
            MaskedModel(folder)
    for text in ("[]", "{}", "not JSON"):
        index.write_text(text)
        with pytest.raises(InputError, match="is no index of weights"):
            MaskedModel(folder)


def test_a_folders_own_code_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it asked whether it may, to which a pipe could say yes."""
    ran = folder.parent / "ran"
    (folder / "own.py").write_text(
        f"open({str(ran)!r}, 'w')\n"
        "from transformers import BertConfig, BertForMaskedLM\n"
        "class Config(BertConfig):\n    model_type = 'own'\n"
        "class Model(BertForMaskedLM):\n    config_class = Config\n"
    )
    own = {"AutoConfig": "own.Config", "AutoModelForMaskedLM": "own.Model"}
    edited(folder / "config.json", model_type="own", auto_map=own)
    monkeypatch.setattr(sys, "stdin", StringIO("y\n" * 9))
    for seed in (None, 0):
        with pytest.raises(InputError, match=r"own|custom code"):
            MaskedModel(folder, random_weights=seed)
    assert not ran.exists()


def test_what_has_no_width_before_a_particle(folder: Path) -> None:
    """The normaliser takes it away, as it did in training."""
    model = MaskedModel(folder)
    assert encode(model, "바다 [MASK]\u200b를") == encode(model, "바다 [MASK]를")
    assert encode(model, "[MASK]\u200b 가") == encode(model, "[MASK] 가")
