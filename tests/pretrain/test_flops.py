"""Needed arithmetic against torch's own count, and the stage that tells what a run would cost."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pipeline.errors import InputError
from pipeline.recipe import load_recipe
from pretrain.budget import main
from pretrain.flops import Work, needed_flops, peak_flops
from pretrain.layout import Layout
from pretrain.masks import IGNORED
from pretrain.memory import saved_bytes
from pretrain.model import PretrainingObjective, bert_config, new_model
from pretrain.nsp import lengths_of
from pretrain.prepared import open_prepared
from pretrain.settings import ModelSettings
from tests.pretrain.test_model import SHAPE

LARGER = dataclasses.replace(
    SHAPE, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=192, max_position_embeddings=64
)


@pytest.mark.parametrize("shape", [SHAPE, LARGER])
@pytest.mark.parametrize(("examples", "tokens", "masked"), [(3, 32, 4), (1, 20, 20), (2, 32, 1)])
def test_against_what_torch_counts(shape, examples: int, tokens: int, masked: int) -> None:
    """Forward and backward of the whole objective, every token real."""
    objective = PretrainingObjective(new_model(bert_config(shape, 500, 32), 0))
    ids = torch.randint(5, 500, (examples, tokens))
    labels = torch.full_like(ids, IGNORED)
    labels[:, :masked] = 7
    batch = {
        "input_ids": ids,
        "token_type_ids": torch.zeros_like(ids),
        "attention_mask": torch.ones_like(ids),
        "labels": labels,
        "next_sentence_label": torch.zeros(examples, dtype=torch.long),
    }
    # Attention as plain matrix products: the fused one of a CPU is not counted.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        sums = objective(Layout()(batch))
        (sums.mlm_loss + sums.nsp_loss).backward()
    work = Work(examples, examples * tokens, examples * tokens**2, examples * masked)
    assert needed_flops(shape, 500, work) == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_work_adds_up() -> None:
    parts = Work(1, 10, 100, 2) + Work(2, 20, 250, 3)
    assert parts == Work(3, 30, 350, 5)
    one, two = (needed_flops(SHAPE, 100, work) for work in (Work(1, 10, 100, 2), Work(2, 20, 250, 3)))
    assert needed_flops(SHAPE, 100, parts) == pytest.approx(one + two)
    assert needed_flops(SHAPE, 100, parts, pairs=False) < needed_flops(SHAPE, 100, parts)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10G", 70e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("Tesla T4", 65e12),
        ("NVIDIA H200 NVL", 835e12),
        ("NVIDIA RTX A1000", None),
        ("NVIDIA T400 4GB", None),
        ("Apple M3", None),
    ],
)
def test_devices(name: str, peak: float | None) -> None:
    assert peak_flops(name) == peak


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_what_is_kept_for_the_backward_pass(dropout: float) -> None:
    """In the order of the published 34 n h L for 16 bits (Korthikanti et al. 2022), head and 32-bit parts on top."""
    shape = dataclasses.replace(LARGER, hidden_dropout_prob=dropout)
    objective = PretrainingObjective(new_model(bert_config(shape, 300, 64), 0))
    found = saved_bytes(objective, 64, 300, 0.15)
    published = 34 * 64 * 64 * 3
    assert published < found < 2.5 * published


def test_the_stage_with_examples(sample_examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--from-examples", str(sample_examples), "--gpus", "2"])
    told = capsys.readouterr().out
    examples = open_prepared(sample_examples).manifest.figures["examples"]
    steps = 170 * (examples // 64)
    assert f"{steps:,} of 64 examples of up to 32 = {steps * 64 / examples:,.1f} epochs" in told
    assert "H100 x 2" in told and "no examples" not in told


def test_the_stage_without_examples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--recipe", "small", "--artifacts", str(tmp_path)])
    told = capsys.readouterr().out
    assert "every block is taken for full, the vocabulary for 16,000" in told and "the recipe counts epochs" in told
    main(["--recipe", "small", "--artifacts", str(tmp_path), "--set", "train.max_steps=10"])
    assert "10 of 64 examples" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [], "nothing is made"


def test_the_stage_with_phases_a_budget_and_a_measured_speed(
    sample_examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--from-examples", str(sample_examples), "--set"]
    main([*place, "train.phases=[{steps=30,block_size=16},{tokens=20000,batch_size=10}]"])
    told, prepared = capsys.readouterr().out, open_prepared(sample_examples)
    mean = lengths_of(prepared.first_plan).mean()
    assert (
        "30 of 64 examples of up to 16" in told and f"{round(20000 / mean / 10):,} of 10 examples of up to 32" in told
    )
    (tmp_path / "metrics.jsonl").write_text("".join(f'{{"step": {n}, "tflops_per_second": {n}}}\n' for n in (1, 2, 9)))
    main([*place, "train.budget_minutes=5", "train.epochs=1", "--measured", str(tmp_path)])
    told = capsys.readouterr().out
    assert "in its time on" in told and "steps" not in told
    shape = load_recipe("sample").section("model", ModelSettings)
    lengths = lengths_of(prepared.first_plan).astype(float)
    one = needed_flops(shape, prepared.vocab_size, Work(1, mean, (lengths**2).mean(), 0.15 * (mean - 3)))
    assert f"{mean * 2e12 * 300 / one / 1e6:,.1f} million tokens" in told.splitlines()[-1]
    with pytest.raises(InputError, match="no record of a speed"):
        main([*place, "train.max_steps=3", "--measured", str(tmp_path / "none")])


@pytest.mark.parametrize("flag", [["--utilisation", "0"], ["--utilisation", "2"], ["--gpus", "0"]])
def test_flags_that_make_no_sense(flag: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(flag)
