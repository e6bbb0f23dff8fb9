"""What other number formats cost: torch, ONNX and 8 bits asked for the same masked tokens of the held-out text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, BertForPreTraining

from pipeline.console import warn
from pipeline.errors import InputError
from pretrain.dataset import PairDataset
from pretrain.draws import EVALUATION, stream
from pretrain.lineage import Lineage
from pretrain.masking import PairMaskingCollator
from pretrain.masks import IGNORED
from pretrain.onnx_export import INT8, ONNX, OPSET, TOLERANCE, Answer, onnx_answer, torch_answer
from pretrain.prepared import Prepared, open_prepared
from pretrain.settings import TrainSettings
from tokenizer.markdown import table

#: Held-out examples that are asked about at most, and how many at once: all logits of a batch are in memory.
_EXAMPLES, _BATCH = 512, 8
TORCH = "torch"


@dataclass(frozen=True)
class FormatScore:
    """Mean loss (nats) and accuracy on masked tokens, and the share whose first answer is torch's."""

    loss: float
    accuracy: float
    agreement: float


@dataclass(frozen=True)
class OnnxResult:
    """The ONNX files of a folder: what they are, how far from torch, and what they score.

    difference: largest of any logit, torch to ONNX. scores: by `torch` or file; {} if `gap` says why. tokens: masked
    ones that were asked about.
    """

    sizes: dict[str, int]
    difference: float
    scores: dict[str, FormatScore]
    tokens: int = 0
    gap: str = ""

    @property
    def files(self) -> list[str]:
        """Names of the files."""
        return list(self.sizes)

    @property
    def figures(self) -> dict[str, Any]:
        """For the manifest."""
        return {"opset": OPSET, **asdict(self)}

    @property
    def markdown(self) -> str:
        """A section of the model card."""
        rows = []
        for name in (TORCH, *self.sizes):
            size = f"{self.sizes[name] / 1e6:.1f}" if name in self.sizes else ""
            score = self.scores.get(name)
            told = (f"{score.loss:.4f}", f"{score.accuracy:.2%}", f"{score.agreement:.2%}") if score else ("", "", "")
            rows.append((f"`{name}`", size, *told))
        columns = ("", "MB", "loss of masked tokens", "accuracy", "first answer is torch's")
        what = f"On {self.tokens:,} masked tokens of the held-out text, the same for all." if not self.gap else self.gap
        eight = f"`{INT8}` has matrices and embeddings in 8 bits; what that costs stands in the table. " * (
            INT8 in self.sizes
        )
        return "\n".join(
            [
                "## ONNX",
                "",
                f"`{ONNX}` (opset {OPSET}, any batch and length) gives torch's logits within {TOLERANCE:g}: the",
                f"largest difference over several shapes was {self.difference:.1e}. {eight}{what}",
                "",
                *table(columns, rows),
            ]
        )


def score_formats(
    model: BertForPreTraining, folder: Path, files: list[str], difference: float, lineage: Lineage
) -> OnnxResult:
    """Ask torch and each of `files` in `folder`, which holds the tokenizer too, on the held-out text of the examples.

    Where those are not there nothing is scored, and the result says so.
    """
    sizes = {name: sum(path.stat().st_size for path in folder.glob(f"{name}*")) for name in files}
    if lineage.examples.folder is None:
        return OnnxResult(sizes, difference, {}, gap=f"Not measured on held-out text: {lineage.examples.gap}.")
    try:
        prepared = open_prepared(lineage.examples.folder)
    except InputError as error:
        # It names a place on this machine, which is not for a model card.
        warn(str(error))
        return OnnxResult(sizes, difference, {}, gap="Not measured on held-out text: the examples are damaged.")
    if prepared.heldout is None:
        return OnnxResult(sizes, difference, {}, gap="Not measured: the corpus holds no text out.")
    answers = {TORCH: torch_answer(model), **{name: onnx_answer(folder / name) for name in files}}
    scores, tokens = _score(answers, _batches(prepared, TrainSettings(**lineage.run.settings["train"]), folder))
    return OnnxResult(sizes, difference, scores, tokens)


def _batches(prepared: Prepared, settings: TrainSettings, folder: Path) -> Iterator[Mapping[str, Tensor]]:
    """The examples and masks of the run's own last evaluation."""
    block = settings.phases[-1].block_size if settings.phases else 0
    plan = prepared.heldout_plan_at(block)
    assert prepared.heldout is not None and plan is not None
    dataset = PairDataset(prepared.heldout, plan, prepared.frame, stream(settings.seed, EVALUATION))
    collator = PairMaskingCollator(
        AutoTokenizer.from_pretrained(str(folder), local_files_only=True),
        mlm_probability=settings.mlm_probability,
        mask_replace_prob=settings.mask_replace_prob,
        random_replace_prob=settings.random_replace_prob,
        whole_word_mask=settings.whole_word_mask,
        fixed=settings.fixed_mask_count,
    )
    rows = range(min(_EXAMPLES, settings.eval_examples, len(dataset)))
    for first in rows[::_BATCH]:
        yield collator.torch_call(dataset.__getitems__(rows[first : first + _BATCH]))


def _score(
    answers: Mapping[str, Answer], batches: Iterator[Mapping[str, Tensor]]
) -> tuple[dict[str, FormatScore], int]:
    sums = {name: torch.zeros(3, dtype=torch.float64) for name in answers}
    tokens = 0
    for batch in batches:
        there = batch["labels"] != IGNORED
        wanted, first = batch["labels"][there], None
        tokens += len(wanted)
        for name, answer in answers.items():
            logits = answer(batch)[there]
            best = logits.argmax(-1)
            first = best if first is None else first
            loss = cross_entropy(logits.double(), wanted, reduction="sum")
            sums[name] += torch.stack([loss, (best == wanted).sum().double(), (best == first).sum().double()])
    return {
        name: FormatScore(*(round(value, 5) for value in (found / max(tokens, 1)).tolist()))
        for name, found in sums.items()
    }, tokens
