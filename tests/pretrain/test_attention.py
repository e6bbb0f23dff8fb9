"""Packed batches give the losses and gradients of padded ones, which are the stock model's."""

import dataclasses

import pytest
import torch
from transformers import BertForPreTraining

from pretrain import attention
from pretrain.attention import EXACT, VARLEN, attend_exact, attend_varlen, take_unpadded
from pretrain.layout import Layout
from pretrain.masks import IGNORED
from pretrain.model import PretrainingObjective, bert_config, new_model
from tests.pretrain.test_model import SHAPE, beside_stock

CPU = torch.device("cpu")
LENGTHS = (20, 3, 11, 20, 7, 1)


@pytest.fixture
def model() -> BertForPreTraining:
    return new_model(bert_config(SHAPE, 100, 32), seed=0)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 100, (len(LENGTHS), 20), generator=generator)
    mask = (torch.arange(20) < torch.tensor(LENGTHS)[:, None]).long()
    chosen = (torch.rand(ids.shape, generator=generator) < 0.3) & (mask == 1)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": (torch.arange(20) > 5).long().expand(ids.shape).contiguous(),
        "labels": torch.where(chosen, ids, IGNORED),
        "next_sentence_label": torch.tensor([0, 1, IGNORED, 1, 0, 1]),
    }


@pytest.fixture
def sides() -> list[torch.Tensor]:
    """Queries, keys and values (1, heads, tokens, size) as the library gives them."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(1, sum(LENGTHS), 2, 16, generator=generator).transpose(1, 2).requires_grad_() for _ in range(3)]


def packed(batch) -> dict[str, torch.Tensor]:
    return {name: Layout(unpadded=True)(batch)[name] for name in ("bounds", "slots", "grid")}


def test_losses_and_gradients_are_the_stock_ones(model: BertForPreTraining, batch) -> None:
    _, sums = beside_stock(model, batch, Layout(unpadded=True), lambda: take_unpadded(model, CPU, half=False))
    assert int(sums.masked) == int((batch["labels"] != IGNORED).sum()) and int(sums.pairs) == 5


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_it_is_one_graph(model: BertForPreTraining, batch, backend: str) -> None:
    layout = Layout(unpadded=True, compiled=True)
    beside_stock(model, batch, layout, lambda: take_unpadded(model, CPU, half=False), backend=backend)


@pytest.mark.parametrize("unpadded", [False, True])
def test_compiled_once_for_all_batches(model: BertForPreTraining, batch, unpadded: bool) -> None:
    """Other numbers of tokens and of masked places are no other graph."""
    if unpadded:
        take_unpadded(model, CPU, half=False)
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    objective, layout = PretrainingObjective(model), Layout(unpadded, compiled=True)
    objective.compile(backend=counter, fullgraph=True)
    for shift in (0, 1, 2):
        batch["attention_mask"][:, 17 - shift :] = 0
        batch["labels"][:, 17 - shift :] = IGNORED
        sums = objective(layout.to_device(layout(batch), CPU))
        assert int(sums.masked) == int((batch["labels"] != IGNORED).sum())
        (sums.mlm_loss + sums.nsp_loss).backward()
    assert counter.frame_count == 1


def test_no_token_sees_another_sequence(batch, sides: list[torch.Tensor]) -> None:
    """Against softmax(scale q k) v written out, a sequence at a time, values and gradients."""
    found, _ = attend_exact(torch.nn.Module(), *sides, None, scaling=0.4, **packed(batch))
    parts = []
    for query, key, value in zip(*(side.split(LENGTHS, dim=2) for side in sides), strict=True):
        parts.append((torch.softmax(query @ key.transpose(2, 3) * 0.4, -1) @ value).transpose(1, 2))
    expected = torch.cat(parts, dim=1)
    torch.testing.assert_close(found, expected)
    weights = torch.rand_like(expected)
    of_mine, of_other = (torch.autograd.grad((side * weights).sum(), sides) for side in (found, expected))
    torch.testing.assert_close(of_mine, of_other)


def test_the_way_of_other_devices(batch, sides: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """Padded for attention alone, as where it is compiled."""
    expected, _ = attend_exact(torch.nn.Module(), *sides, None, **packed(batch))
    wanted = torch.autograd.grad(expected.square().sum(), sides)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    found, _ = attend_exact(torch.nn.Module(), *sides, None, **packed(batch))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found.square().sum(), sides), wanted)


def test_the_kernel_gets_what_it_takes(batch, sides: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch's kernel stood in for by attention under a mask of blocks."""

    def kernel(query, key, value, bounds_q, bounds_k, longest_q, longest_k, *, scale):
        assert query.shape == (sum(LENGTHS), 2, 16) and bounds_q.dtype == bounds_k.dtype == torch.int32
        assert longest_q >= max(LENGTHS) and longest_k >= max(LENGTHS)
        owner = torch.repeat_interleave(torch.arange(len(LENGTHS)), bounds_q.diff())
        scores = torch.einsum("qhd,khd->hqk", query, key) * scale
        scores = scores.masked_fill(owner[:, None] != owner[None], -torch.inf)
        return torch.einsum("hqk,khd->qhd", scores.softmax(-1), value)

    monkeypatch.setattr(attention, "varlen_attn", kernel)
    found, _ = attend_varlen(torch.nn.Module(), *sides, None, scaling=0.4, dropout=0.0, **packed(batch))
    expected, _ = attend_exact(torch.nn.Module(), *sides, None, scaling=0.4, **packed(batch))
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match=r"model\.attention_probs_dropout_prob has to be 0"):
        attend_varlen(torch.nn.Module(), *sides, None, dropout=0.1, **packed(batch))


@pytest.mark.skipif(attention.varlen_attn is None, reason="torch has no kernel for sequences of different lengths")
def test_torch_has_the_kernel_that_is_called(model: BertForPreTraining, batch) -> None:
    """Forwards and backwards through the real operator, as far as shapes go; compiled, in one graph."""
    meta = torch.device("meta")
    model.to(meta).set_attn_implementation(VARLEN)
    layout = Layout(unpadded=True, compiled=True)
    objective = PretrainingObjective(model)
    for _ in range(2):
        sums = objective(layout.to_device(layout(batch), meta))
        (sums.mlm_loss + sums.nsp_loss).backward()
        assert model.bert.encoder.layer[0].attention.self.query.weight.grad.shape == (32, 32)
        objective.compile(backend="aot_eager", fullgraph=True)


def test_dropout_drops(batch, sides: list[torch.Tensor]) -> None:
    still, _ = attend_exact(torch.nn.Module(), *sides, None, **packed(batch))
    drawn = torch.stack(
        [attend_exact(torch.nn.Module(), *sides, None, dropout=0.5, **packed(batch))[0].detach() for _ in range(400)]
    )
    assert not torch.equal(drawn[0], drawn[1])
    torch.testing.assert_close(drawn.mean(0), still.detach(), atol=0.25, rtol=0)


@pytest.mark.parametrize(
    ("device", "half", "dropout", "capability", "name", "told"),
    [
        ("cpu", False, 0.0, (0, 0), EXACT, "scaled_dot_product_attention"),
        ("cuda", True, 0.0, (9, 0), VARLEN, "by the kernel"),
        ("cuda", True, 0.1, (9, 0), EXACT, r"has no model.attention_probs_dropout_prob 0.1"),
        ("cuda", False, 0.0, (9, 0), EXACT, "wants 16 bits"),
        ("cuda", True, 0.0, (7, 5), EXACT, "compute capability 8.0"),
    ],
)
def test_which_way(monkeypatch: pytest.MonkeyPatch, device, half, dropout, capability, name, told) -> None:
    monkeypatch.setattr(attention, "varlen_attn", print)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    model = new_model(bert_config(dataclasses.replace(SHAPE, attention_probs_dropout_prob=dropout), 100, 32), 0)
    assert told in take_unpadded(model, torch.device(device), half=half)
    assert model.config._attn_implementation == name == model.bert.config._attn_implementation
    assert "hanbeot" not in model.config.to_json_string(), "what is exported is a stock model"


def test_a_padded_batch_is_refused(model: BertForPreTraining, batch) -> None:
    take_unpadded(model, CPU, half=False)
    with pytest.raises(ValueError, match="packed batches only"):
        PretrainingObjective(model)(Layout()(batch))
