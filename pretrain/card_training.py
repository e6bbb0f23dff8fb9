"""A model card's sections on how the model was trained, what was measured, and how to make it again."""

from __future__ import annotations

import shlex
from typing import Any, Literal

from transformers import BertConfig

from pipeline.console import duration
from pipeline.recipe_text import RECIPE, as_toml
from pretrain.card_parts import MEASURES, MOMENTS, fenced
from pretrain.curves import PNG
from pretrain.hardware import versions
from pretrain.lineage import Lineage, recipe_of
from tokenizer.markdown import cell, table

_HOUR = 3600
_SHOWN = (
    ("optimizer", "optimizer"),
    ("learning rate", "learning_rate"),
    ("schedule", "schedule"),
    ("share of warm-up", "warmup_ratio"),
    ("weight decay", "weight_decay"),
    ("examples in a step", "batch_size"),
    ("share of tokens to predict", "mlm_probability"),
    ("whole words masked", "whole_word_mask"),
    ("seed", "seed"),
)


def training_section(lineage: Lineage, config: BertConfig) -> str:
    """Recipe in short and in full, hardware and time."""
    figures, train = lineage.run.figures, lineage.run.settings.get("train", {})
    examples = lineage.examples.settings
    rows = [
        ("layers, width, heads", f"{config.num_hidden_layers}, {config.hidden_size}, {config.num_attention_heads}"),
        ("objective", cell(str(figures["objective"]))),
        ("steps", f"{figures['steps']:,}"),
        *([("block (tokens)", f"{examples['block_size']:,}")] if "block_size" in examples else []),
        *((words, cell(_short(train[name]))) for words, name in _SHOWN if name in train),
    ]
    phases = [f"{len(phases)} phases, told in the recipe"] if (phases := train.get("phases")) else []
    return "\n".join(
        [
            "## Training",
            "",
            *table(("", "value"), [*rows, *(("phases", phase) for phase in phases)]),
            *_cost(figures),
            "",
            f"The whole recipe, in [{RECIPE}]({RECIPE}) too:",
            "",
            fenced(as_toml(recipe_of(lineage)), "toml"),
        ]
    )


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _cost(figures: dict[str, Any]) -> list[str]:
    unit = "hours, minutes, seconds" if figures["seconds"] >= _HOUR else "minutes, seconds"
    told = f"It took {duration(figures['seconds'])} ({unit}) at {figures['tokens_per_second']:,} tokens a second"
    if "device" in figures:
        told += f", on {figures['processes']} x {cell(figures['device'])}, precision {cell(figures['precision'])}"
    return [f"{told}. Energy and carbon were not measured."]


def measured_section(lineage: Lineage, which: Literal["last", "best"]) -> str:
    """Held-out figures at the start, at the best checkpoint and at the end, and the curves."""
    figures = lineage.run.figures
    there = {moment: prefix for moment, prefix in MOMENTS.items() if f"{prefix}mlm_loss" in figures}
    lines = ["## Measured on held-out text", ""]
    if there:
        rows = [
            (
                words,
                *(
                    format(figures[prefix + name], form) if prefix + name in figures else ""
                    for prefix in there.values()
                ),
            )
            for name, (words, form) in MEASURES.items()
            if any(prefix + name in figures for prefix in there.values())
        ]
        heads = [f"best (step {figures['best_step']:,})" if moment == "best" else moment for moment in there]
        exported = "best" if which == "best" else "end"
        lines += [*table(("", *heads), rows), f"The weights here are those of `{exported}`.", ""]
    else:
        lines += ["Held out: not measured.", ""]
    return "\n".join([*lines, f"![Losses, learning rate, norm of the gradients and speed over the steps]({PNG})"])


def reproduce_section(lineage: Lineage, exported_with: str) -> str:
    """The commands that make the model again, the last one with the flags that it had, and versions."""
    name = shlex.quote(" ".join(lineage.name.split()))
    corpus = lineage.corpus.manifest
    named = [" ".join(known["name"].split()) for known in corpus.settings.get("names", [])] if corpus else []
    texts = " ".join(map(shlex.quote, named)) or "TEXT"
    flags = f"--recipe {RECIPE} --name {name}"
    commands = [
        f"python -m corpora.build {flags} --corpus {texts}",
        f"python -m tokenizer.train {flags}",
        f"python -m pretrain.examples {flags}",
        f"python -m pretrain.train {flags}",
        f"python -m pretrain.export {flags} {exported_with}".rstrip(),
    ]
    trained, now = lineage.run.figures.get("versions", {}), versions()
    rows = [
        (cell(each), cell(str(trained.get(each, "not recorded"))), cell(now.get(each, "")))
        for each in {**now, **trained}
    ]
    notes = ["Names of files stand for files of the sha256 above, wherever they lie.", ""]
    if lineage.start:
        notes = [*notes, f"`train.init_from` stands for the folder {cell(lineage.start.folder)}, by its content:", ""]
        notes += [
            f"* {cell(name)}: `{digest}`" for name, digest in lineage.run.inputs.items() if name.startswith("start ")
        ]
        notes += [""]
    return "\n".join(
        [
            "## Making it again",
            "",
            fenced("\n".join(commands), "sh"),
            "",
            *notes,
            *table(("", "trained with", "exported with"), rows),
        ]
    )
