"""Runs that begin from a folder: what is carried is the source's, and what a cut leaves is a model of its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM, BertForPreTraining, BertModel

from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from pretrain.cut import layers_kept
from pretrain.export import export_run
from pretrain.metrics import read_metrics
from pretrain.model import new_model
from pretrain.source import open_source
from pretrain.start import START, Start, start_from, start_inputs
from pretrain.train import main
from tests.pretrain.test_model import TRAIN
from tests.pretrain.test_train import arguments, weights
from tokenizer.wordpiece import FILES, build_tokenizer, load_tokenizer, save_tokenizer, vocabulary_of

ENTRIES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "학", "##교", "##에서", "나", "##는", "바다", "##를", "꿈"]
MINE = build_tokenizer(ENTRIES)


def config(**changes: object) -> BertConfig:
    """16 wide, 4 layers, 4 heads of 4, 24 neurons, 12 positions."""
    shape = {
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 24,
        "max_position_embeddings": 12,
        "vocab_size": len(ENTRIES),
    }
    return BertConfig(**{**shape, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, **changes})


def lively(model, seed: int = 0):
    """All weights of a model drawn anew, biases and layer norms too, so that a mix-up of any two shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = 0.3 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + drawn if name.endswith("LayerNorm.weight") else drawn)
    return model.eval()


def saved(model, folder: Path, tokenizer: Tokenizer = MINE, **options: object) -> Path:
    model.save_pretrained(folder, **options)
    save_tokenizer(tokenizer, folder)
    return folder


def begun(folder: Path, wanted: BertConfig, tokenizer: Tokenizer = MINE, seed: int = 0) -> Start:
    start = start_from(open_source(folder), wanted, seed, tokenizer)
    start.model.eval()
    return start


@torch.no_grad()
def logits(model: BertForPreTraining, size: int = len(ENTRIES)) -> tuple[Tensor, Tensor]:
    ids = torch.randint(0, size, (3, 10), generator=torch.Generator().manual_seed(1))
    out = model.eval()(input_ids=ids, token_type_ids=(torch.arange(10) > 4).long().expand(3, 10))
    return out.prediction_logits, out.seq_relationship_logits


def same(one: BertForPreTraining, other: BertForPreTraining, **options: float) -> None:
    for found, expected in zip(logits(one), logits(other), strict=True):
        torch.testing.assert_close(found, expected, **(options or {"rtol": 0.0, "atol": 0.0}))


def test_layers_are_kept_evenly_first_and_last_among_them() -> None:
    assert layers_kept(12, 6) == (0, 2, 4, 7, 9, 11), "those of DistilBERT"
    for source in range(1, 26):
        for target in range(1, source + 1):
            kept = layers_kept(source, target)
            assert len(set(kept)) == target and list(kept) == sorted(kept) and kept[0] == 0
            assert target == 1 or kept[-1] == source - 1
            gaps = np.diff(kept)
            assert target == 1 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("options", [{}, {"max_shard_size": "4KB"}], ids=["one file", "shards"])
def test_the_same_vocabulary_and_shape_is_the_source(tmp_path: Path, options: dict[str, str]) -> None:
    folder = saved(lively(BertForPreTraining(config())), tmp_path / "m", **options)
    assert len(list(folder.glob("*.safetensors"))) > 1 or not options
    torch.manual_seed(5)
    before = torch.get_rng_state()
    start = begun(folder, config())
    assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    same(start.model, BertForPreTraining.from_pretrained(folder))
    assert dict(start.carried) == {
        "layers": "all 4",
        "width": "all 16 dimensions",
        "entries": "all 13",
        "positions": "all 12",
    }
    assert start.model.cls.predictions.decoder.weight is start.model.bert.embeddings.word_embeddings.weight


def test_what_the_folder_keeps_of_its_own_configuration(tmp_path: Path) -> None:
    folder = saved(lively(BertForPreTraining(config(hidden_act="relu", layer_norm_eps=1e-3))), tmp_path)
    start = begun(folder, config())
    same(start.model, BertForPreTraining.from_pretrained(folder))
    assert (start.model.config.hidden_act, start.model.config.layer_norm_eps) == ("relu", 1e-3)
    assert "relu" in dict(start.carried)["kept"]


def test_rows_of_another_vocabulary(tmp_path: Path) -> None:
    source = lively(BertForPreTraining(config()))
    new = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "꿈", "학교", "##에서", "나", "별", "##에서는"]
    start = begun(saved(source, tmp_path), config(vocab_size=len(new)), build_tokenizer(new))
    for get in (
        lambda model: model.bert.embeddings.word_embeddings.weight,
        lambda model: model.cls.predictions.decoder.bias,
    ):
        old, found = get(source).detach(), get(start.model).detach()
        for entry in set(new) & set(ENTRIES):
            assert torch.equal(found[new.index(entry)], old[ENTRIES.index(entry)]), entry
        # What the old tokenizer makes of the text: the mean of those rows.
        pieces = [ENTRIES.index(token) for token in MINE.encode("학교", add_special_tokens=False).tokens]
        assert pieces == [5, 6]
        torch.testing.assert_close(found[new.index("학교")], old[pieces].mean(0))
        within = [ENTRIES.index(piece) for piece in MINE.encode("나에서는", add_special_tokens=False).tokens[1:]]
        torch.testing.assert_close(found[new.index("##에서는")], old[within].mean(0))
        assert not any(torch.equal(found[new.index("별")], row) for row in old)
    entries = dict(start.carried)["entries"]
    assert entries == "8 of 11 carried, 2 composed of their pieces, 1 new; 5 of the folder's left out"
    again = begun(tmp_path, config(vocab_size=len(new)), build_tokenizer(new))
    other = begun(tmp_path, config(vocab_size=len(new)), build_tokenizer(new), seed=1)
    row = [start.model.bert.embeddings.word_embeddings.weight[9] for start in (start, again, other)]
    assert torch.equal(row[0], row[1]) and not torch.equal(row[0], row[2]), "new rows come from the seed"


def test_special_tokens_by_name_wherever_they_stand(tmp_path: Path) -> None:
    """A foreign vocabulary has [CLS] at 2 too, but its [MASK] somewhere else."""
    foreign = MINE.to_str()
    told = json.loads(foreign)
    swapped = {"[MASK]": ENTRIES.index("꿈"), "꿈": ENTRIES.index("[MASK]")}
    told["model"]["vocab"].update(swapped)
    for entry in told["added_tokens"]:
        entry["id"] = swapped.get(entry["content"], entry["id"])
    told["added_tokens"].sort(key=lambda entry: entry["id"])
    source = lively(BertForPreTraining(config()))
    start = begun(saved(source, tmp_path, Tokenizer.from_str(json.dumps(told))), config())
    found, old = (model.bert.embeddings.word_embeddings.weight for model in (start.model, source))
    assert torch.equal(found[ENTRIES.index("[MASK]")], old[ENTRIES.index("꿈")])
    assert torch.equal(found[ENTRIES.index("꿈")], old[ENTRIES.index("[MASK]")])
    assert torch.equal(found[5], old[5])


@pytest.mark.parametrize(
    ("kind", "anew", "prefixes"),
    [
        (BertForMaskedLM, "pooler, head for pairs", ("bert.pooler.", "cls.seq_relationship.")),
        (BertModel, "masked-language-model head, head for pairs", ("cls.",)),
    ],
)
def test_missing_parts_are_those_of_a_new_model(tmp_path: Path, kind, anew: str, prefixes: tuple[str, ...]) -> None:
    folder = saved(lively(kind(config())), tmp_path)
    start = begun(folder, config(), seed=3)
    assert dict(start.carried)["drawn anew"] == anew
    fresh = dict(new_model(config(), 3).named_parameters())
    stock = dict(kind.from_pretrained(folder).named_parameters())
    for name, parameter in start.model.named_parameters():
        expected = fresh if name.startswith(prefixes) else stock
        key = name if name in expected else name.removeprefix("bert.")
        assert torch.equal(parameter, expected[key]), name


@pytest.mark.parametrize("types", [1, 3])
def test_other_numbers_of_segment_types(tmp_path: Path, types: int) -> None:
    source = lively(BertForPreTraining(config(type_vocab_size=types)))
    start = begun(saved(source, tmp_path), config())
    found, old = (model.bert.embeddings.token_type_embeddings.weight for model in (start.model, source))
    fresh = new_model(config(), 0).bert.embeddings.token_type_embeddings.weight
    assert torch.equal(found[0], old[0]) and torch.equal(found[1], old[1] if types > 1 else fresh[1])
    assert ("segment types from the 2. on" in dict(start.carried).get("drawn anew", "")) == (types == 1)


def test_what_has_no_place_is_told(tmp_path: Path) -> None:
    folder = saved(lively(BertForPreTraining(config())), tmp_path)
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "classifier.weight": torch.ones(2)}, folder / "model.safetensors", {"format": "pt"})
    assert dict(begun(folder, config()).carried)["left out"] == "classifier.weight"


def test_a_decoder_of_its_own_is_told(tmp_path: Path) -> None:
    source = lively(BertForPreTraining(config(tie_word_embeddings=False)))
    start = begun(saved(source, tmp_path), config())
    assert dict(start.carried)["left out"].startswith("cls.predictions.decoder.weight")
    assert torch.equal(start.model.cls.predictions.decoder.bias, source.cls.predictions.decoder.bias)
    assert torch.equal(start.model.cls.predictions.decoder.weight, source.bert.embeddings.word_embeddings.weight)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_fewer_layers(tmp_path: Path, layers: int) -> None:
    source = lively(BertForPreTraining(config()))
    start = begun(saved(source, tmp_path), config(num_hidden_layers=layers))
    kept = layers_kept(4, layers)
    assert dict(start.carried)["layers"] == f"{layers} of 4: {' '.join(map(str, kept))}"
    source.bert.encoder.layer = torch.nn.ModuleList(source.bert.encoder.layer[layer] for layer in kept)
    source.config.num_hidden_layers = layers
    same(start.model, source)


def test_positions_cut_and_grown(tmp_path: Path) -> None:
    source = lively(BertForPreTraining(config()))
    old = source.bert.embeddings.position_embeddings.weight
    saved(source, tmp_path)
    fewer = begun(tmp_path, config(max_position_embeddings=10))
    assert torch.equal(fewer.model.bert.embeddings.position_embeddings.weight, old[:10])
    same(fewer.model, source)
    more = begun(tmp_path, config(max_position_embeddings=30))
    assert torch.equal(more.model.bert.embeddings.position_embeddings.weight, torch.cat([old, old, old[:6]]))
    same(more.model, source)
    told = [dict(start.carried)["positions"] for start in (fewer, more)]
    assert told == ["the first 10 of 12", "12 grown to 30: the rows again from the first"]


# --- width


def twice(small: BertForPreTraining, unread: float, order: Tensor) -> BertForPreTraining:
    """A model twice as wide that answers as `small` does, its dimensions in another `order`.

    Each dimension of the stream stands there twice, so layer norms find the same mean and variance; the copies are read
    with weights `unread` (0: by nothing). The second half of the heads and of the neurons is written nowhere.
    """
    shape = small.config
    big = lively(BertForPreTraining(config(**{name: 2 * getattr(shape, name) for name in WIDTHS})), seed=9)
    half = dict(small.named_parameters())
    with torch.no_grad():
        for name, parameter in big.named_parameters():
            parameter.copy_(doubled(name, half[name], parameter, unread))
        for name, parameter in big.named_parameters():
            for axis, length in enumerate(parameter.shape):
                if length == 2 * shape.hidden_size and not INSIDE.get((name.split(".", 4)[-1], axis)):
                    parameter.copy_(parameter.index_select(axis, order))
    return big


WIDTHS = ("hidden_size", "num_attention_heads", "intermediate_size")
#: Axes as long as the stream is wide that are not the stream.
INSIDE = {
    **{(f"attention.self.{part}.weight", 0): True for part in ("query", "key", "value")},
    **{(f"attention.self.{part}.bias", 0): True for part in ("query", "key", "value")},
    ("attention.output.dense.weight", 1): True,
}


def doubled(name: str, half: Tensor, drawn: Tensor, unread: float) -> Tensor:
    written = torch.cat([half, half])
    if name.endswith("embeddings.weight"):
        return torch.cat([half, half], 1)
    if "transform.LayerNorm" in name:
        return torch.cat([half, torch.full_like(half, unread)])
    if "pooler" in name or "query" in name or "key" in name or "value" in name or "intermediate" in name:
        wide = drawn.clone()  # what the new heads, neurons and pooled dimensions hold does not matter
        if wide.dim() == 1:
            wide[: len(half)] = half
        else:
            wide[:, half.shape[1] :] = unread * drawn[:, half.shape[1] :]
            wide[: len(half), : half.shape[1]] = half
        return wide
    if "transform.dense.weight" in name:
        return torch.cat([written, torch.full_like(written, unread)], 1)
    if name.endswith("output.dense.weight"):
        return torch.cat([written, unread * drawn[:, half.shape[1] :]], 1)
    if "seq_relationship.weight" in name:
        return torch.cat([half, unread * drawn[:, half.shape[1] :]], 1)
    return half if name in ("cls.predictions.bias", "cls.seq_relationship.bias") else written


@pytest.mark.parametrize("unread", [0.0, 1e-7])
def test_a_narrow_model_is_found_again_within_a_wide_one(tmp_path: Path, unread: float) -> None:
    small = lively(BertForPreTraining(config()))
    order = torch.randperm(32, generator=torch.Generator().manual_seed(2))
    big = twice(small, unread, order)
    same(big, small, rtol=1e-4, atol=1e-4)
    start = begun(saved(big, tmp_path), config())
    same(start.model, small, rtol=1e-4, atol=1e-4)
    kept = [int(place) for place in order if place < 16]
    word = start.model.bert.embeddings.word_embeddings.weight
    assert torch.equal(word, small.bert.embeddings.word_embeddings.weight[:, kept])
    told = dict(start.carried)["width"]
    assert told.startswith("16 of 32 dimensions, 4 of 8 heads a layer, 24 of 48 neurons a layer")


def test_heads_and_neurons_that_say_nothing_go(tmp_path: Path) -> None:
    """Whole heads, other ones in each layer, and neurons: the stream too, since heads keep their size."""
    small = lively(BertForPreTraining(config()))
    big = twice(small, 0.0, torch.arange(32))
    with torch.no_grad():
        for number, layer in enumerate(big.bert.encoder.layer):
            heads = torch.arange(8).roll(number + 1)
            inner = (heads[:, None] * 4 + torch.arange(4)).flatten()
            attention = layer.attention.self
            for linear in (attention.query, attention.key, attention.value):
                linear.weight.copy_(linear.weight[inner])
                linear.bias.copy_(linear.bias[inner])
            layer.attention.output.dense.weight.copy_(layer.attention.output.dense.weight[:, inner])
            neurons = torch.randperm(48, generator=torch.Generator().manual_seed(number))
            layer.intermediate.dense.weight.copy_(layer.intermediate.dense.weight[neurons])
            layer.intermediate.dense.bias.copy_(layer.intermediate.dense.bias[neurons])
            layer.output.dense.weight.copy_(layer.output.dense.weight[:, neurons])
    same(big, small, rtol=1e-4, atol=1e-4)
    same(begun(saved(big, tmp_path), config()).model, small, rtol=1e-4, atol=1e-4)


def test_dimensions_that_layer_norms_make_small_go_first(tmp_path: Path) -> None:
    source = lively(BertForPreTraining(config()))
    with torch.no_grad():
        for name, parameter in source.named_parameters():
            if "LayerNorm" in name:
                parameter[1::2] *= 1e-3
    kept = begun(saved(source, tmp_path), config(hidden_size=8, num_attention_heads=2)).model
    assert torch.equal(kept.bert.embeddings.LayerNorm.weight, source.bert.embeddings.LayerNorm.weight[::2])


def test_neurons_alone(tmp_path: Path) -> None:
    source = lively(BertForPreTraining(config()))
    with torch.no_grad():
        for layer in source.bert.encoder.layer:
            layer.output.dense.weight[:, ::2] = 0
    start = begun(saved(source, tmp_path), config(intermediate_size=12))
    same(start.model, source, rtol=1e-5, atol=1e-5)


def test_a_cut_without_heads_for_tasks(tmp_path: Path) -> None:
    """What a folder lacks is no reason to keep a dimension; what is drawn has the new shape."""
    small = lively(BertForPreTraining(config()))
    order = torch.randperm(32, generator=torch.Generator().manual_seed(2))
    folder = saved(twice(small, 0.0, order).bert, tmp_path)
    found = begun(folder, config()).model
    ids = torch.arange(5, 11)[None]
    with torch.no_grad():
        hidden, expected = (model.bert(input_ids=ids).last_hidden_state for model in (found, small))
    kept = [int(place) for place in order if place < 16]
    torch.testing.assert_close(hidden, expected[..., kept], rtol=1e-4, atol=1e-4)


# --- refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 5}, r"model\.num_hidden_layers 5 is more than the 4"),
        ({"hidden_size": 20, "num_attention_heads": 5}, r"model\.hidden_size 20 is more than the 16"),
        ({"intermediate_size": 25}, r"model\.intermediate_size 25 is more than the 24"),
        ({"num_attention_heads": 2}, r"makes heads of 8, those of train\.init_from are of 4"),
        ({"hidden_size": 12}, r"makes heads of 3, those of train\.init_from are of 4"),
    ],
)
def test_shapes_that_the_source_cannot_give(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    saved(lively(BertForPreTraining(config())), tmp_path)
    with pytest.raises(InputError, match=message):
        begun(tmp_path, config(**changes))


def edited(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "electra"}, "holds a model of type 'electra'"),
        ({"position_embedding_type": "relative_key"}, "positions of type 'relative_key'"),
        ({"is_decoder": True}, "sets is_decoder"),
        ({"hidden_size": 32}, "cannot be loaded"),
        ({"num_hidden_layers": 5}, "lacks 16 of its encoder's weights, for example bert.encoder.layer.4"),
    ],
)
def test_folders_of_another_kind(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    saved(lively(BertForPreTraining(config())), tmp_path)
    edited(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        open_source(tmp_path)


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.init_from: no folder .*hf download"):
        open_source(tmp_path / "none")
    folder = saved(lively(BertForPreTraining(config())), tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pickles .* are not read"):
        open_source(folder)
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])
    with pytest.raises(InputError, match="cannot be loaded"):
        open_source(folder)
    (folder / "model.safetensors").write_bytes(data[:-4] + np.array([np.nan], np.float32).tobytes())
    with pytest.raises(InputError, match="values that are no numbers"):
        open_source(folder)
    (folder / "model.safetensors").write_bytes(data)
    for name in FILES:
        (folder / name).unlink()
    with pytest.raises(InputError, match="holds no tokenizer"):
        open_source(folder)


# --- whole runs


def begins(folder: Path, *changes: str) -> tuple[str, ...]:
    return (f"train.init_from={folder}", "train.max_steps=10", "train.save_every=5", *changes)


@pytest.fixture(scope="module")
def exported(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's export: two layers 32 wide over the sample's vocabulary."""
    root = tmp_path_factory.mktemp("source")
    main(arguments(sample_examples, root, changes=("train.max_steps=10",)))
    export_run(root / "pretrain" / "t", root / "export")
    return root / "export"


@pytest.fixture(scope="module")
def adapted(sample_examples: Path, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of a run that began from it."""
    root = tmp_path_factory.mktemp("adapted")
    main(arguments(sample_examples, root, changes=begins(exported)))
    return root


def held_out(root: Path, step: int) -> dict[str, float]:
    records = read_metrics(root / "pretrain" / "t" / "metrics.jsonl")
    return next(record for record in records if record["step"] == step and "held_out_mlm_loss" in record)


def test_a_run_begins_where_its_source_ended(
    exported: Path, adapted: Path, sample_examples: Path, tmp_path: Path
) -> None:
    """The same held-out examples under the same masks: the last losses of the one are the first of the other."""
    ended, began = held_out(exported.parent, 10), held_out(adapted, 0)
    for name in ("held_out_mlm_loss", "held_out_nsp_loss"):
        assert began[name] == pytest.approx(ended[name], abs=1e-6), name
    assert held_out(adapted, 10)["held_out_mlm_loss"] < began["held_out_mlm_loss"]
    note = json.loads((adapted / "pretrain" / "t" / START).read_text())
    assert note["folder"] == str(exported) and note["carried"]["layers"] == "all 2"
    export_run(adapted / "pretrain" / "t", tmp_path / "again")
    card = (tmp_path / "again" / "README.md").read_text("utf-8")
    assert "began from the weights in `export`, whose licence goes on: layers: all 2;" in card
    assert "began from" not in (exported / "README.md").read_text("utf-8")


def test_its_export_is_a_model(adapted: Path) -> None:
    export_run(adapted / "pretrain" / "t", adapted / "export")
    model = BertForMaskedLM.from_pretrained(adapted / "export")
    trained = weights(adapted, 10)
    assert torch.equal(model.bert.embeddings.word_embeddings.weight, trained["bert.embeddings.word_embeddings.weight"])


def interrupted(adapted: Path, root: Path) -> Path:
    """A copy of the run as it stood after its first checkpoint."""
    shutil.copytree(adapted, root)
    run = root / "pretrain" / "t"
    (run / "manifest.json").unlink()
    shutil.rmtree(run / "checkpoints" / "step-00000010")
    return run


@pytest.mark.parametrize("place", ["there", "moved", "gone"])
def test_resumed_bit_for_bit(
    adapted: Path, exported: Path, sample_examples: Path, tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever the folder is by then, the same or gone: its weights are in the checkpoint."""
    root, folder = tmp_path / "again", exported
    interrupted(adapted, root)
    if place != "there":
        folder = tmp_path / "moved"
    if place == "moved":
        shutil.copytree(exported, folder)
    main(arguments(sample_examples, root, changes=begins(folder)))
    expected, found = weights(adapted, 10), weights(root, 10)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert ("is gone" in capsys.readouterr().err) == (place == "gone")
    main(arguments(sample_examples, root, changes=begins(folder)))
    assert "is finished" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_changed_folder_is_another_run(
    adapted: Path, exported: Path, sample_examples: Path, tmp_path: Path, name: str
) -> None:
    root, folder = tmp_path / "again", tmp_path / "folder"
    interrupted(adapted, root)
    shutil.copytree(exported, folder)
    data = bytearray((folder / name).read_bytes())
    data[-3] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"input start {name} [0-9a-f]{{12}} -> [0-9a-f]{{12}}\n"):
        main(arguments(sample_examples, root, changes=begins(folder)))
    with pytest.raises(InputError, match=rf"input start {name} [0-9a-f]{{12}} -> absent"):
        main(arguments(sample_examples, root, changes=("train.max_steps=10", "train.save_every=5")))


def test_what_names_a_run_is_the_content(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "copy")
    one, other = (
        start_inputs(replace(TRAIN, init_from=str(folder)), tmp_path) for folder in (exported, tmp_path / "copy")
    )
    assert one == other and {"start config.json", "start model.safetensors", "start tokenizer.json"} <= set(one)
    (tmp_path / "copy" / "README.md").write_text("a card is for people")
    assert start_inputs(replace(TRAIN, init_from=str(tmp_path / "copy")), tmp_path) == one


def test_a_gone_folder_before_there_is_a_checkpoint(adapted: Path, sample_examples: Path, tmp_path: Path) -> None:
    root = tmp_path / "again"
    shutil.rmtree(interrupted(adapted, root) / "checkpoints")
    with pytest.raises(InputError, match="no folder"):
        main(arguments(sample_examples, root, changes=begins(tmp_path / "gone")))
    assert (root / "pretrain" / "t" / "metrics.jsonl").exists()


def test_a_run_that_could_not_begin_leaves_its_name_free(exported: Path, sample_examples: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.num_hidden_layers 3 is more than the 2"):
        main(arguments(sample_examples, tmp_path, changes=begins(exported, "model.num_hidden_layers=3")))
    main(arguments(sample_examples, tmp_path, changes=begins(exported, "model.num_hidden_layers=1")))
    assert read_manifest(tmp_path / "pretrain" / "t") is not None


def test_a_run_begins_from_a_checkpoint_but_not_from_a_run(
    exported: Path, sample_examples: Path, tmp_path: Path
) -> None:
    """A checkpoint is a folder that transformers loads: it begins where the exported model does."""
    run = exported.parent / "pretrain" / "t"
    checkpoint = run / "checkpoints" / "step-00000010"
    with pytest.raises(InputError, match="is a run: name one of its checkpoints"):
        main(arguments(sample_examples, tmp_path, changes=begins(run)))
    main(arguments(sample_examples, tmp_path, changes=begins(checkpoint)))
    began, ended = held_out(tmp_path, 0), held_out(exported.parent, 10)
    assert began["held_out_mlm_loss"] == pytest.approx(ended["held_out_mlm_loss"], abs=1e-5)
    inputs = json.loads((tmp_path / "pretrain" / "t" / "run.json").read_text("utf-8"))["inputs"]
    assert "start model.safetensors" in inputs and "start optimizer.safetensors" not in inputs
    loaded = AutoModelForMaskedLM.from_pretrained(checkpoint)
    assert torch.equal(
        loaded.get_input_embeddings().weight,
        load_file(exported / "model.safetensors")["bert.embeddings.word_embeddings.weight"],
    )


def test_another_vocabulary_smaller_shape_and_other_configuration_in_one_run(
    sample_examples: Path, sample_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A foreign wider, deeper model over half of the entries, without heads, resumed when its folder is gone."""
    half = vocabulary_of(load_tokenizer(sample_examples))[::2]
    entries = list(dict.fromkeys([*ENTRIES[:5], *half]))
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}
    foreign = config(**shape, vocab_size=len(entries), layer_norm_eps=1e-5)
    folder = saved(BertModel(foreign), tmp_path / "foreign", build_tokenizer(entries))
    main(arguments(sample_examples, tmp_path, changes=begins(folder)))
    told = capsys.readouterr().err
    assert "2 of 4: 0 3" in told and "32 of 64 dimensions" in told and "composed of their pieces" in told
    run = tmp_path / "pretrain" / "t"
    assert json.loads((run / "config.json").read_text())["layer_norm_eps"] == 1e-5
    expected = weights(tmp_path, 10)
    interrupted(tmp_path, root := tmp_path / "again")
    shutil.rmtree(folder)
    main(arguments(sample_examples, root, changes=begins(folder)))
    found = weights(root, 10)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert json.loads((root / "pretrain" / "t" / "config.json").read_text())["layer_norm_eps"] == 1e-5
