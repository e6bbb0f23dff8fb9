"""The model card of an exported folder, in the Hub's format: front matter that `huggingface_hub` writes, then Markdown.

Names of sources, attributions and the like come from recipes and from outside. They are shown and do nothing: YAML is
written by the library, Markdown goes through `tokenizer.markdown`, code blocks have longer fences than what they hold.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from huggingface_hub import EvalResult, ModelCardData
from transformers import BertConfig

from pretrain.card_parts import fenced, held_out_rows
from pretrain.card_sources import data_section, limits_section, tokenizer_section
from pretrain.card_training import measured_section, reproduce_section, training_section
from pretrain.licence import LICENSE, Licence
from pretrain.lineage import Lineage
from pretrain.onnx_export import INT8
from pretrain.onnx_scores import OnnxResult
from tokenizer.markdown import cell, code, table

Which = Literal["last", "best"]
_TASKS = {
    "nsp": "masked-language-model and next-sentence prediction",
    "sop": "masked-language-model and sentence-order prediction",
    "none": "masked-language-model prediction (the head for pairs is untrained)",
}
_DATASET = re.compile(
    r"^hf:([\w-][\w.-]*(?:/[\w-][\w.-]*)?)(?::|$)|/datasets/([\w-][\w.-]*/[\w-][\w.-]*)/tree/", re.ASCII
)
#: What the model-index holds of the held-out figures: ours -> the Hub's metric, in words.
#: The Hub's names of the kinds of tasks.
_TASK_TYPES = {
    "classification": "text-classification",
    "multilabel": "text-classification",
    "regression": "text-classification",
    "ner": "token-classification",
    "qa": "question-answering",
}
_METRICS = {
    "mlm_loss": ("loss", "loss of masked tokens (nats)"),
    "mlm_accuracy": ("accuracy", "accuracy of masked tokens"),
    "mlm_bits_per_character": ("bits_per_character", "bits per character of masked tokens"),
    "nsp_accuracy": ("accuracy", "accuracy of pairs"),
}

_LOAD = """import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

folder = "."  # this folder, or its name on the Hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForMaskedLM.from_pretrained(folder).eval()


def answers(inputs):
    with torch.no_grad():
        logits = model(**inputs).logits
    gap = inputs["input_ids"][0] == tokenizer.mask_token_id
    return tokenizer.convert_ids_to_tokens(logits[0, gap].topk(5).indices[0].tolist())


print(answers(tokenizer("이순신은 [MASK] 중기의 무신이다.", return_tensors="pt")))"""
_PARTICLE = """inputs = tokenizer("그는 [MASK]를 샀다.", return_tensors="pt")
after = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id) + 1
inputs["input_ids"][0, after] = tokenizer.convert_tokens_to_ids("##를")
print(answers(inputs))"""
_ONNX = """import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
session = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])
encoded = tokenizer.encode("이순신은 [MASK] 중기의 무신이다.")
inputs = {{"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}}
(logits,) = session.run(None, {{name: np.array([ids], np.int64) for name, ids in inputs.items()}})
best = logits[0, encoded.tokens.index("[MASK]")].argsort()[::-1][:5]
print([tokenizer.id_to_token(int(number)) for number in best])"""


@dataclass(frozen=True)
class Card:
    """All that a model card tells. `pieces`: entries of the vocabulary; `onnx`: None if it was not asked for."""

    lineage: Lineage
    config: BertConfig
    licence: Licence
    which: Which
    pieces: frozenset[str]
    onnx: OnnxResult | None = None

    @property
    def text(self) -> str:
        """The whole README.md."""
        parts = [
            self._about(),
            self._use(),
            data_section(self.lineage),
            tokenizer_section(self.lineage, self.config.vocab_size),
            training_section(self.lineage, self.config),
            measured_section(self.lineage, self.which),
            marks_section(self.lineage),
            "" if self.onnx is None else self.onnx.markdown,
            limits_section(self.lineage, self.config.max_position_embeddings),
            reproduce_section(self.lineage, self._flags()),
        ]
        front = ModelCardData(**self._metadata()).to_yaml()
        return f"---\n{front}\n---\n\n" + "\n".join(part.strip() + "\n" for part in parts if part)

    def _metadata(self) -> dict[str, Any]:
        tags = ["bert", "korean", "hanbeot", *(["onnx"] if self.onnx else [])]
        results = list(self._results())
        return {
            "language": "ko",
            **self.licence.metadata,
            "library_name": "transformers",
            "pipeline_tag": "fill-mask",
            "tags": tags,
            **({"datasets": found} if (found := _datasets(self.lineage)) else {}),
            **({"model_name": _line(self.lineage.name), "eval_results": results} if results else {}),
        }

    def _results(self) -> Iterator[EvalResult]:
        for measure, _, values in held_out_rows(self.lineage, self.which):
            if measure in _METRICS and values:
                kind, words = _METRICS[measure]
                yield EvalResult(
                    task_type="fill-mask",
                    dataset_type="held-out",
                    dataset_name="held-out documents of its corpus",
                    metric_type=kind,
                    metric_name=words,
                    metric_value=values[-1],
                )
        for mark in self.lineage.marks:
            for name, value in mark.figures:
                if isinstance(value, float) and 0 <= value <= 1:
                    yield EvalResult(
                        task_type=_TASK_TYPES.get(mark.kind, "fill-mask"),
                        # Of one type the library would put them all under the first one's name.
                        dataset_type=_line(f"{mark.stage}-{mark.name}"),
                        dataset_name=_line(f"{mark.stage} {mark.name}"),
                        metric_type=_line(name.rpartition(", ")[2]),
                        metric_name=_line(name),
                        metric_value=value,
                    )

    def _flags(self) -> str:
        """What `pretrain.export` was told."""
        flags = ["--checkpoint", self.which] if self.which != "last" else []
        flags += ["--license", self.licence.name] if self.licence.name else []
        flags += ["--license-file", LICENSE] if self.licence.file else []
        if self.onnx:
            flags += ["--int8" if INT8 in self.onnx.files else "--onnx"]
        return shlex.join(flags)

    def _about(self) -> str:
        config, figures = self.config, self.lineage.run.figures
        weights = "the last step"
        if self.which == "best":
            weights = f"step {figures['best_step']:,}, of the checkpoints the one with the lowest held-out MLM loss"
        start = self.lineage.start
        begun = ""
        if start:
            carried = "; ".join(f"{cell(part)}: {cell(told)}" for part, told in start.carried.items())
            begun = f"Training began from the weights in {code(start.folder)}, whose licence goes on: {carried}.\n"
        stated = f"`{self.licence.name}`, as who exported them says" if self.licence.name else "not stated"
        text = f"; its text is in `{LICENSE}`" if self.licence.file else ""
        return f"""# {cell(self.lineage.name)}: a Korean BERT trained with Hanbeot

{config.num_hidden_layers} layers of width {config.hidden_size}, a vocabulary of {config.vocab_size:,} entries, inputs
of up to {config.max_position_embeddings} tokens, {figures["parameters"] / 1e6:.1f} million parameters;
{_TASKS[figures["objective"]]} for {figures["steps"]:,} steps.
The weights are those of {weights}.
{begun}
Licence of the weights: {stated}{text}.
"""

    def _use(self) -> str:
        lines = ["## How to use it", "", fenced(_LOAD, "python"), ""]
        lines += [
            "Load the tokenizer with `AutoTokenizer`: under `BertTokenizer`, transformers 5 drops the NFC step and",
            "decomposed Hangul turns into [UNK].",
            "",
        ]
        if "##를" in self.pieces:
            lines += [
                "A particle glued to the gap has to be encoded as what continues a word, as it was in training;",
                '`pipeline("fill-mask")` takes it for a word of its own. `python -m probes.ask` does it by itself:',
                "",
                fenced(_PARTICLE, "python"),
                "",
            ]
        if self.onnx:
            lines += [
                "Without torch and transformers, by `onnxruntime` and `tokenizers` alone:",
                "",
                fenced(_ONNX.format(file=self.onnx.files[-1]), "python"),
                "",
            ]
        return "\n".join(lines)


def marks_section(lineage: Lineage) -> str:
    """What probes and tasks found out about these weights, "" if there is nothing."""
    rows = [
        (cell(mark.stage), cell(mark.name), cell(name), f"{value:,.4g}" if isinstance(value, float) else f"{value:,}")
        for mark in lineage.marks
        for name, value in mark.figures
    ]
    return "\n".join(["## Probes and tasks", "", *table(("stage", "name", "figure", "value"), rows)]) if rows else ""


def _datasets(lineage: Lineage) -> list[str]:
    """Data sets of the Hub among the sources, by their names there."""
    names = lineage.corpus.manifest.settings.get("names", []) if lineage.corpus.manifest else []
    found = [_DATASET.search(known.get(key, "")) for known in names for key in ("name", "address")]
    return sorted({match[1] or match[2] for match in found if match})


def _line(text: str) -> str:
    return " ".join(text.split())
