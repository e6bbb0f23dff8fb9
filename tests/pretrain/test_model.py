"""Our losses are stock BertForPreTraining's, and the schedule is what it says."""

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from transformers import BertForPreTraining

from pipeline.errors import InputError
from pretrain.attention import take_unpadded
from pretrain.layout import Layout
from pretrain.masks import IGNORED
from pretrain.model import PretrainingObjective, bert_config, compile_in_place, new_model
from pretrain.optim import learning_rate, make_optimizer
from pretrain.pace import Point
from pretrain.settings import ModelSettings, TrainSettings

SHAPE = ModelSettings(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=32,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    initializer_range=0.02,
    sinusoidal_range=0.0,
)
TRAIN = TrainSettings(
    batch_size=16,
    epochs=1,
    max_steps=0,
    max_tokens=0,
    budget_minutes=0.0,
    init_from="",
    optimizer="adamw",
    learning_rate=1e-3,
    schedule_by="steps",
    warmup_ratio=0.1,
    schedule="linear",
    decay_ratio=0.2,
    weight_decay=0.01,
    adam_beta1=0.9,
    adam_beta2=0.98,
    adam_epsilon=1e-6,
    muon_momentum=0.95,
    max_grad_norm=1.0,
    max_loss_rise=2.0,
    group_by_length=False,
    mlm_probability=0.15,
    mlm_probability_end=0.15,
    whole_word_mask=False,
    fixed_mask_count=False,
    mask_replace_prob=0.8,
    random_replace_prob=0.1,
    eval_every=10,
    eval_examples=32,
    save_every=10,
    keep_checkpoints=2,
    seed=0,
    grow_positions=False,
)


@pytest.fixture
def model() -> BertForPreTraining:
    return new_model(bert_config(SHAPE, 100, 32), seed=0)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 100, (6, 20), generator=generator)
    attention = torch.ones_like(ids)
    attention[2, 15:] = 0
    labels = torch.where(torch.rand(6, 20, generator=generator) < 0.2, ids, IGNORED)
    labels[attention == 0] = IGNORED
    return {
        "input_ids": ids,
        "attention_mask": attention,
        "token_type_ids": (torch.arange(20) > 10).long().expand(6, 20),
        "labels": labels,
        "next_sentence_label": torch.tensor([0, 1, 1, 0, 1, 0]),
    }


def beside_stock(
    model: BertForPreTraining, batch: dict[str, torch.Tensor], layout: Layout, take: Callable[[], str] = str, **compiled
):
    """The stock model's output and our sums, whose mean losses and gradients are the same; `take` makes the model take
    what the layout gives."""
    stock = model(**batch)
    stock.loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    take()
    objective = PretrainingObjective(model)
    if compiled:
        objective.compile(fullgraph=True, **compiled)
    sums = objective(layout.to_device(layout(batch), torch.device("cpu")))
    loss = sums.mlm_loss / sums.masked + sums.nsp_loss / sums.pairs
    loss.backward()
    torch.testing.assert_close(loss, stock.loss, rtol=1e-5, atol=1e-6)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-6, msg=name)
    assert [name for name, _ in objective.model.named_parameters()] == list(expected)
    return stock, sums


def test_losses_and_gradients_are_the_stock_ones(model: BertForPreTraining, batch) -> None:
    stock, sums = beside_stock(model, batch, Layout())
    right = stock.prediction_logits.argmax(-1) == batch["labels"]
    assert int(sums.mlm_right) == int(right.sum())
    assert int(sums.nsp_right) == int((stock.seq_relationship_logits.argmax(-1) == batch["next_sentence_label"]).sum())
    assert int(sums.masked) == int((batch["labels"] != IGNORED).sum()) and sums.pairs == 6


def test_parts_of_a_batch_add_up_to_the_whole(model: BertForPreTraining, batch) -> None:
    objective, layout = PretrainingObjective(model).eval(), Layout()
    parts = [{name: tensor[part] for name, tensor in batch.items()} for part in (slice(0, 2), slice(2, 6))]
    together = sum(objective(layout(part)).stacked() for part in parts)
    torch.testing.assert_close(together, objective(layout(batch)).stacked(), rtol=1e-5, atol=1e-5)


def test_a_mask_of_ones_is_left_out(model: BertForPreTraining, batch) -> None:
    """Where nothing is padded the losses and gradients are the stock ones, which get the mask."""
    assert "attention_mask" in Layout()(batch), "some of it is padded"
    batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    assert "attention_mask" not in Layout()(batch) and "attention_mask" in batch
    beside_stock(model, batch, Layout())


def test_a_batch_with_nothing_masked(model: BertForPreTraining, batch) -> None:
    batch["labels"] = torch.full_like(batch["labels"], IGNORED)
    sums = PretrainingObjective(model)(Layout()(batch))
    (sums.mlm_loss + sums.nsp_loss).backward()
    assert float(sums.mlm_loss) == 0 and int(sums.masked) == 0
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("unpadded", [False, True])
def test_the_host_does_not_wait(batch, unpadded: bool) -> None:
    """On a device whose tensors hold no numbers, where whoever looks at one fails."""
    meta = torch.device("meta")
    model = new_model(bert_config(SHAPE, 100, 32), 0).to(meta)
    if unpadded:
        take_unpadded(model, meta, half=False)
    layout = Layout(unpadded)
    sums = PretrainingObjective(model)(layout.to_device(layout(batch), meta))
    (sums.mlm_loss + sums.nsp_loss).backward()
    with pytest.raises(RuntimeError, match="meta"):
        float(sums.mlm_loss)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_it_is_one_graph(model: BertForPreTraining, batch, backend: str) -> None:
    beside_stock(model, batch, Layout(compiled=True), backend=backend)


def test_without_a_compiler(model: BertForPreTraining, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"--compile needs a compiler for C\+\+"):
        compile_in_place(PretrainingObjective(model))


def test_weights_depend_on_the_seed_alone() -> None:
    config = bert_config(SHAPE, 100, 32)
    torch.manual_seed(123)
    first = new_model(config, seed=0)
    state = torch.get_rng_state()
    again = new_model(config, seed=0)
    other = new_model(config, seed=1)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    for (name, a), b, c in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        assert not torch.equal(a, c) or a.unique().numel() == 1, name


def test_positions_that_begin_as_sines_and_cosines() -> None:
    """What stands between two of them depends on their distance alone; everything else begins as without."""
    config = bert_config(SHAPE, 100, 32)
    random, begun = new_model(config, 0), new_model(config, 0, 0.05)
    positions = begun.bert.embeddings.position_embeddings.weight.detach()
    assert positions.pow(2).mean().sqrt().item() == pytest.approx(0.05, rel=1e-5)
    products = positions @ positions.T
    for distance in range(32):
        found = products.diagonal(distance)
        torch.testing.assert_close(found, found[0].expand_as(found))
    half, wide = positions[3, 4].item(), 0.05 * math.sqrt(2)
    assert half == pytest.approx(wide * math.sin(3 / 10_000 ** (4 / SHAPE.hidden_size)))
    for (name, a), b in zip(random.named_parameters(), begun.parameters(), strict=True):
        assert torch.equal(a, b) != ("position_embeddings" in name), name


def test_the_shape_comes_from_recipe_and_vocabulary() -> None:
    config = bert_config(SHAPE, 123, 32)
    assert (config.vocab_size, config.hidden_size, config.type_vocab_size, config.pad_token_id) == (
        123,
        32,
        2,
        0,
    )
    with pytest.raises(InputError, match=r"block_size 33 is more than model\.max_position_embeddings 32"):
        bert_config(SHAPE, 123, 33)


def test_biases_and_layer_norms_do_not_decay(model: BertForPreTraining) -> None:
    decayed, free = (group["params"] for group in make_optimizer(model, TRAIN, fused=False).param_groups)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert {id(p) for p in [*decayed, *free]} == set(names), "every parameter once"
    assert all("bias" in names[id(p)] or "LayerNorm" in names[id(p)] for p in free)
    assert not any("bias" in names[id(p)] or "LayerNorm" in names[id(p)] for p in decayed)


def rates_of(settings: TrainSettings, steps: range, total: int = 100) -> list[float]:
    return [learning_rate(Point(step, 1, total), settings, 1e-3) for step in steps]


def test_learning_rate_rises_and_falls() -> None:
    rates = rates_of(TRAIN, range(101))
    assert rates[:10] == pytest.approx([1e-4 * (step + 1) for step in range(10)])
    assert rates[10] == pytest.approx(1e-3) and rates[55] == pytest.approx(5e-4)
    assert rates[99] == pytest.approx(1e-3 / 90) and rates[100] == 0
    cosine = dataclasses.replace(TRAIN, schedule="cosine", warmup_ratio=0.0)
    assert rates_of(cosine, range(0, 101, 50)) == pytest.approx([1e-3, 5e-4, 0.0])
    trapezoid = dataclasses.replace(TRAIN, schedule="trapezoid")
    rates = rates_of(trapezoid, range(101))
    assert rates[:10] == pytest.approx([1e-4 * (step + 1) for step in range(10)]) and set(rates[9:81]) == {1e-3}
    assert rates[81:] == pytest.approx([1e-3 * left / 20 for left in range(19, -1, -1)])
    assert rates_of(dataclasses.replace(trapezoid, decay_ratio=0.0), range(99, 100)) == [1e-3]
    with pytest.raises(ValueError, match="more than 1"):
        dataclasses.replace(trapezoid, decay_ratio=0.95)
    constant = dataclasses.replace(TRAIN, schedule="constant", warmup_ratio=0.0)
    assert rates_of(constant, range(99, 100)) == [1e-3] and rates_of(TRAIN, range(1), 1) == [1e-3]


def test_learning_rate_by_the_clock_and_by_tokens() -> None:
    """The same shape whatever is counted; a first step whose length is not known yet is taken with care."""
    seconds = [learning_rate(Point(7.5 * step, 7.5, 750), TRAIN, 1e-3) for step in range(101)]
    assert seconds == pytest.approx(rates_of(TRAIN, range(101)))
    assert learning_rate(Point(0, 0, 600), TRAIN, 1e-3) == 0
    assert learning_rate(Point(600, 3, 600), TRAIN, 1e-3) == 0
    assert learning_rate(Point(40, 8, 600), dataclasses.replace(TRAIN, warmup_ratio=0.08), 1e-3) == 1e-3
