"""Ways to tune: which weights move, at what rate, by what loss; against plain transformers, torch and formulas."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

from finetune.data.rows import Row, Rows
from finetune.kinds.classes import Classification, MultiLabel
from finetune.kinds.entities import IGNORED
from finetune.kinds.kind import Reading
from finetune.kinds.numbers import Regression
from finetune.layers import check_ways, freeze, optimiser, reinitialise
from finetune.losses import mean_loss
from finetune.model import load_model, match_inputs
from finetune.trainer import Lesson, fit, training_arguments
from pipeline.errors import InputError
from pretrain.folder import load_folder_tokenizer
from tests.finetune.conftest import BAD, GOOD, THINGS, VOCABULARY, save_encoder, settings, table

NAMES = ("긍정", "부정")
LAYERS = 3
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
#: Architecture -> its class, its configuration, and how the weights of layer n begin.
KINDS = {
    "bert": ("BertModel", "BertConfig", "bert.encoder.layer.{}."),
    "roberta": ("RobertaModel", "RobertaConfig", "roberta.encoder.layer.{}."),
    "electra": ("ElectraModel", "ElectraConfig", "electra.encoder.layer.{}."),
    "distilbert": ("DistilBertModel", "DistilBertConfig", "distilbert.transformer.layer.{}."),
}
ROWS = Rows(
    Path("rows"),
    tuple(
        Row(f"{thing}이 {word}", None, label, f"line {number}", str(number))
        for number, (thing, word, label) in enumerate(
            [(thing, GOOD[0], "긍정") for thing in THINGS] + [(thing, BAD[0], "부정") for thing in THINGS]
        )
    ),
)


def save_kind(name: str, folder: Path, **changes) -> Path:
    model, config, _ = KINDS[name]
    shape = {"vocab_size": len(VOCABULARY), "max_position_embeddings": 20, **changes}
    if name == "distilbert":
        shape |= {"dim": 16, "n_heads": 2, "n_layers": LAYERS, "hidden_dim": 32}
    else:
        shape |= {
            "hidden_size": 16, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 32,
        }  # fmt: skip
    return save_encoder(folder, getattr(transformers, model)(getattr(transformers, config)(**shape)))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("kinds")
    made = {name: save_kind(name, root / name) for name in KINDS}
    return {**made, "still": save_kind("bert", root / "still", **NO_DROPOUT)}


def depth(weight: str, name: str) -> int:
    """Of a weight, by its name alone: an oracle for what `finetune.layers` finds out from the model."""
    for layer in range(LAYERS):
        if weight.startswith(KINDS[name][2].format(layer)):
            return layer + 1
    return 0 if ".embeddings" in weight else LAYERS + 1


def teach(folder: Path, scratch: Path, classify=None, weights=None, **changes):
    """(weights at the start, weights after each epoch, what `fit` gives)."""
    snapshots = []

    class Watched(Classification):
        def loss(self, outputs, encoded):
            snapshots.append({name: value.detach().clone() for name, value in model.named_parameters()})
            return super().loss(outputs, encoded)

    chosen = settings(**{"epochs": 1, "batch_size": 6, "learning_rate": 1e-3, **changes})
    kind = Watched()
    tokenizer = load_folder_tokenizer(folder)
    model = load_model(folder, kind, NAMES, chosen.seed)
    match_inputs(tokenizer, model)
    if chosen.reinit_layers:
        reinitialise(model, chosen.reinit_layers, chosen.seed)
    if chosen.train_layers >= 0:
        freeze(model, chosen.train_layers)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    encoded = kind.encode(tokenizer, ROWS, NAMES, Reading(16))
    lesson = Lesson(kind, NAMES, "accuracy", encoded, {"train": encoded, "dev": encoded}, weights)
    if classify:
        object.__setattr__(lesson, "score", classify)
    arguments = training_arguments(chosen, len(ROWS), 1, scratch, cpu=True)
    fitted = fit(model, lesson, chosen, arguments, kind.collator(tokenizer), lambda *_: None)
    # After each epoch train is looked at, then dev.
    return before, snapshots[::2], fitted


def moved(before, after) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("name", KINDS)
def test_exactly_the_top_layers_and_the_head_move(folders, tmp_path: Path, name, count) -> None:
    before, [after], _ = teach(folders[name], tmp_path, train_layers=count)
    assert moved(before, after) == {weight for weight in before if depth(weight, name) > LAYERS - count}


def test_all_layers_are_not_the_embeddings(folders, tmp_path: Path) -> None:
    before, [after], _ = teach(folders["bert"], tmp_path, train_layers=LAYERS)
    assert {weight for weight in before if ".embeddings." in weight} == set(before) - moved(before, after)


@pytest.mark.parametrize("name", ["bert", "distilbert"])
def test_a_layer_more_each_epoch(folders, tmp_path: Path, name) -> None:
    before, epochs, _ = teach(folders[name], tmp_path, epochs=3, gradual_unfreezing=True, warmup_ratio=0.0)
    for number, after in enumerate(epochs):
        assert moved(before, after) == {weight for weight in before if depth(weight, name) >= LAYERS + 1 - number}


@pytest.mark.parametrize("name", KINDS)
def test_the_rate_of_each_layer(folders, name) -> None:
    chosen = settings(layer_decay=0.5, learning_rate=0.8)
    model = load_model(folders[name], Classification(), NAMES, 0)
    decayed = [weight for weight, values in model.named_parameters() if values.ndim > 1]
    groups = optimiser(model, chosen, decayed).param_groups
    found = {id(values): group for group in groups for values in group["params"]}
    for weight, values in model.named_parameters():
        group = found.pop(id(values))
        assert group["lr"] == pytest.approx(0.8 * 0.5 ** (LAYERS + 1 - depth(weight, name)))
        assert group["weight_decay"] == (0.01 if values.ndim > 1 else 0.0)
    assert not found


@pytest.mark.parametrize("decay", [1.0, 0.999999999999])
def test_without_decay_it_is_plain_transformers(folders, tmp_path: Path, decay) -> None:
    folder, epochs = folders["still"], 2
    before, after, fitted = teach(folder, tmp_path / "ours", epochs=epochs, layer_decay=decay, warmup_ratio=0.25)
    kind, tokenizer = Classification(), load_folder_tokenizer(folder)
    model = load_model(folder, kind, NAMES, 0)
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "plain"), num_train_epochs=epochs, per_device_train_batch_size=6, learning_rate=1e-3,
        warmup_steps=2, weight_decay=0.01, adam_epsilon=1e-6, optim="adamw_torch", lr_scheduler_type="linear",
        save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True, seed=0, data_seed=0,
    )  # fmt: skip
    encoded = kind.encode(tokenizer, ROWS, NAMES, Reading(16)).examples
    plain = Trainer(
        model=model, args=arguments, train_dataset=encoded, data_collator=DataCollatorWithPadding(tokenizer)
    )
    plain.train()
    assert len(moved(before, after[-1])) == len(before)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(after[-1][name], weight.detach(), atol=1e-6, rtol=0)
    losses = [epoch.train_loss for epoch in fitted.epochs]
    assert len(losses) == epochs and all(np.isfinite(losses))


def test_new_layers_are_new_and_the_others_are_not(folders) -> None:
    folder = folders["bert"]
    kept, made, again, other = (load_model(folder, Classification(), NAMES, 0) for _ in range(4))
    state = torch.random.get_rng_state()
    for model, seed in ((made, 7), (again, 7), (other, 8)):
        reinitialise(model, 2, seed)
    assert torch.equal(state, torch.random.get_rng_state())
    old, new, same, else_ = (dict(model.named_parameters()) for model in (kept, made, again, other))
    # Biases and the scales of LayerNorm begin at 0 and 1, as they do in the folder, which was never trained.
    drawn = {name for name in old if depth(name, "bert") in (2, 3) and old[name].ndim > 1}
    assert moved(old, new) == drawn == moved(new, else_)
    assert moved(new, same) == set()
    assert all(0.01 < new[name].std() < 0.03 for name in drawn), "drawn as the configuration says"


@pytest.mark.parametrize("way", ["train_layers", "reinit_layers"])
def test_more_layers_than_there_are(folders, way) -> None:
    model = load_model(folders["bert"], Classification(), NAMES, 0)
    with pytest.raises(InputError, match=rf"finetune\.{way} 4: the model has 3 layers"):
        check_ways(model, settings(**{way: 4}))


def test_epochs_that_do_not_reach_the_bottom_are_told(folders) -> None:
    model = load_model(folders["bert"], Classification(), NAMES, 0)
    assert check_ways(model, settings(gradual_unfreezing=True, epochs=5)) == ()
    [note] = check_ways(model, settings(gradual_unfreezing=True, epochs=3))
    assert "come down to 2 of 3 layers; 5 epochs would train all" in note


@pytest.mark.parametrize("shape", ["one", "tokens", "sets"])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_loss_is_torchs_however_a_step_is_divided(shape, weighted) -> None:
    torch.manual_seed(0)
    weights = torch.tensor([0.5, 2.0, 1.0]) if weighted else None
    if shape == "sets":
        logits, labels = torch.randn(8, 3), torch.randint(0, 2, (8, 3)).float()
        expected = binary_cross_entropy_with_logits(logits, labels, pos_weight=weights)
    elif shape == "tokens":
        logits, labels = torch.randn(8, 5, 3), torch.randint(0, 3, (8, 5))
        labels[:3, 1:] = IGNORED  # tokens that are not asked about lie unevenly
        flat = labels.reshape(-1)
        each = cross_entropy(logits.reshape(-1, 3), flat, weight=weights, reduction="none")
        expected = each.sum() / (flat != IGNORED).sum()
    else:
        logits, labels = torch.randn(8, 3), torch.randint(0, 3, (8,))
        expected = cross_entropy(logits, labels, weight=weights, reduction="none").mean()
    loss = mean_loss(weights)
    torch.testing.assert_close(loss({"logits": logits}, labels), expected)
    items = labels.ne(IGNORED).sum()
    parts = [loss({"logits": logits[part]}, labels[part], items) for part in (slice(0, 3), slice(3, 4), slice(4, 8))]
    torch.testing.assert_close(sum(parts), expected)


def test_balanced_weights_make_torchs_weighted_mean() -> None:
    rows = Rows(Path("rows"), tuple(Row("글", None, "가" if n else "나", str(n), str(n)) for n in range(5)))
    weights = Classification().weights(rows, ("가", "나"))
    assert weights.tolist() == [5 / (2 * 4), 5 / (2 * 1)]
    logits, labels = torch.randn(5, 2), torch.tensor([1, 0, 0, 0, 0])
    expected = cross_entropy(logits, labels, weight=weights)
    torch.testing.assert_close(mean_loss(weights)({"logits": logits}, labels), expected)
    sets = Rows(Path("rows"), tuple(Row("글", None, ("가",) if n else (), str(n), str(n)) for n in range(5)))
    assert MultiLabel().weights(sets, ("가",)).tolist() == [1 / 4]


def test_numbers_are_learned_by_their_squared_error_from_their_mean_on(folders) -> None:
    numbers = Rows(Path("rows"), tuple(Row("글", None, float(n), str(n), str(n)) for n in (1, 2, 6)))
    loss = mean_loss(None)({"logits": torch.tensor([[1.0], [4.0]])}, torch.tensor([3.0, 4.0]))
    assert loss.item() == 2.0
    for name in KINDS:
        model = load_model(folders[name], Regression(), ("score",), 0)
        Regression().prepare(model, numbers)
        out = model(input_ids=torch.tensor([[2, 5, 3]])).logits
        assert out.item() == pytest.approx(3.0, abs=0.5)
        [bias] = [values for weight, values in model.named_parameters() if values.shape == (1,)]
        assert bias.item() == 3.0


def scripted(scores: list[float]):
    """Dev scores as told instead of those the model has; train's do not matter."""
    given = iter([score for score in scores for _ in range(2)])

    def score(outputs, encoded):
        return SimpleNamespace(choice=next(given)), []

    return score


def test_patience_stops_and_keeps_the_best(folders, tmp_path: Path) -> None:
    scores = [0.5, 0.7, 0.6, 0.6, 0.9, 0.9]
    _, epochs, fitted = teach(folders["bert"], tmp_path, scripted(scores), epochs=6, patience=2)
    assert len(fitted.epochs) == len(epochs) == 4 and fitted.best_epoch == 2
    assert not moved(epochs[1], dict(fitted.model.named_parameters()))
    assert moved(epochs[3], epochs[1])


def test_without_patience_all_epochs_are_run(folders, tmp_path: Path) -> None:
    scores = [0.5, 0.7, 0.6, 0.6]
    _, epochs, fitted = teach(folders["bert"], tmp_path, scripted(scores), epochs=4)
    assert len(fitted.epochs) == 4 and fitted.best_epoch == 2
    assert not moved(epochs[1], dict(fitted.model.named_parameters()))


def test_divergence_is_told(folders, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"diverged in epoch 1.*learning_rate \(1e\+30\) lower"):
        teach(folders["bert"], tmp_path, learning_rate=1e30, warmup_ratio=0.0)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(folders, tmp_path: Path) -> None:
    train, test = tmp_path / "train.tsv", tmp_path / "test.tsv"
    train.write_text(table(THINGS[:8]) + "옷이 좋다\t긍정\n" * 8, "utf-8")
    test.write_text(table(THINGS[8:]), "utf-8")
    job = ["-m", "finetune.train", "--model", str(folders["still"]), "--cpu", "--train", str(train)]
    job += ["--dev", str(test), "--test", str(test), "--set", "finetune.class_weights=balanced", "finetune.epochs=2"]
    job += ["finetune.gradual_unfreezing=true", "finetune.batch_size=8", "finetune.learning_rate=1e-3", "--out"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    weights, losses = [], []
    for name, start in (("one", []), ("two", launch)):
        done = subprocess.run(
            [sys.executable, *start, *job, str(tmp_path / name)], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        weights.append(load_file(tmp_path / name / "model.safetensors"))
        [run] = json.loads((tmp_path / name / "metrics.json").read_text("utf-8"))["runs"]
        losses.append([epoch["train_loss"] for epoch in run["epochs"]])
    start = load_file(folders["still"] / "model.safetensors")
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, atol=2e-5, rtol=0)
        if name.startswith("bert.encoder.layer.0.") or ".embeddings." in name:
            assert torch.equal(weights[1][name], start[name.removeprefix("bert.")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
