"""Stage `export`: a finished run to a Hugging Face folder.

    python -m pretrain.export --recipe base --name law         (make export RECIPE=base NAME=law)

Reads `artifacts/pretrain/<name>/`, writes `artifacts/export/<name>/`: config, safetensors, tokenizer, model card.
The weights are those of the last checkpoint, or with `--checkpoint best` of the one with the lowest held-out MLM loss.
The folder is read back before it is published: no missing or unexpected key, the same logits as the checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from safetensors.torch import load_model
from transformers import BertConfig, BertForPreTraining

from pipeline.artifact import Figures, Kind, Manifest, build, open_artifact
from pipeline.console import say
from pipeline.errors import InputError
from pipeline.files import hash_file
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.checkpoint import MODEL
from pretrain.rundir import PRETRAIN
from pretrain.start import START
from tokenizer.wordpiece import FILES, load_tokenizer, save_tokenizer

#: What this stage makes.
EXPORT = Kind("export", 1, "make export")
_TASKS = {
    "nsp": "masked-language-model and next-sentence prediction",
    "sop": "masked-language-model and sentence-order prediction",
    "none": "masked-language-model prediction (the head for pairs is untrained)",
}
_LOOK = "이순신은 조선 중기의 무신이다."
Which = Literal["last", "best"]
#: Prefix of the figures that were measured on held-out text at a checkpoint.
_MEASURED: dict[Which, str] = {"last": "held_out_", "best": "best_"}


def main(argv: list[str] | None) -> None:
    """Parse the command line, export the run if that is not done."""
    parser = stage_parser("pretrain.export", "Write a finished run as a Hugging Face folder.")
    parser.add_argument("--from-run", type=Path, help="finished run (default: artifacts/pretrain/<name>)")
    parser.add_argument(
        "--checkpoint",
        choices=["last", "best"],
        default="last",
        help="whose weights: the last step's, or those with the lowest held-out MLM loss (default: last)",
    )
    arguments = parser.parse_args(argv)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    recipe = read_recipe(arguments)
    folder = artifact_folder(arguments, EXPORT.stage, recipe)
    run = arguments.from_run or artifact_folder(arguments, PRETRAIN.stage, recipe)
    _, built = export_run(run, folder, arguments.checkpoint)
    say(f"export -> {folder}" if built else f"export: {folder} is up to date")


def export_run(run: Path, folder: Path, which: Which = "last") -> tuple[Manifest, bool]:
    """The export artifact of a finished run; see `pipeline.artifact.build`.

    Raises InputError if the best checkpoint is asked for and none was evaluated.
    """
    source = open_artifact(run, PRETRAIN)
    checkpoint = source.figures.get("checkpoint" if which == "last" else "best_checkpoint")
    if checkpoint is None:
        raise InputError(
            f"{run} does not know its best checkpoint, since none was evaluated on held-out text: "
            "export the last one (--checkpoint last), or train on a corpus with held-out text (corpus.held_out)"
        )
    weights = f"{checkpoint}/{MODEL}"
    inputs = {"model": source.files[weights]["sha256"], **{name: hash_file(run / name) for name in FILES}}
    key = EXPORT.key({"checkpoint": which}, inputs)

    def make(workspace: Path) -> Figures:
        config = BertConfig.from_json_file(str(run / "config.json"))
        model = BertForPreTraining(config).eval()
        load_model(model, run / weights, strict=True)
        model.save_pretrained(workspace)
        save_tokenizer(load_tokenizer(run), workspace, config.max_position_embeddings)
        (workspace / "README.md").write_text(_card(source, config, which, _begun(run)), "utf-8")
        _read_back(model, workspace)
        return {"parameters": model.num_parameters()}

    return build(folder, key, make)


@torch.no_grad()
def _read_back(model: BertForPreTraining, folder: Path) -> None:
    """Load the folder as its users will, and compare; a difference is a fault of ours."""
    loaded: Any = BertForPreTraining.from_pretrained(
        str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    again, report = loaded
    wrong = {name: keys for name, keys in report.items() if keys}
    if wrong:
        raise RuntimeError(f"the exported folder does not hold the model: {wrong}")
    ids = torch.tensor([load_tokenizer(folder).encode(_LOOK).ids[: model.config.max_position_embeddings]])
    before, after = model(input_ids=ids), again.eval()(input_ids=ids)
    if not torch.equal(before.prediction_logits, after.prediction_logits):
        raise RuntimeError("the exported model answers differently from its checkpoint")


def _begun(run: Path) -> str:
    """What a run began from, for the card; "" for random weights."""
    if not (run / START).is_file():
        return ""
    note = json.loads((run / START).read_text("utf-8"))
    carried = "; ".join(f"{part}: {told}" for part, told in note["carried"].items())
    return f"Training began from the weights in `{Path(note['folder']).name}`, whose licence goes on: {carried}.\n"


def _card(run: Manifest, config: BertConfig, which: Which, begun: str) -> str:
    """The folder's README: what it is, how to load it, what it was trained with."""
    figures = run.figures
    prefix = _MEASURED[which]
    measures = ("mlm_loss", "mlm_accuracy", "mlm_bits_per_character", "nsp_loss", "nsp_accuracy")
    scores = {name: figures[prefix + name] for name in measures if prefix + name in figures}
    weights = "the last step"
    if which == "best":
        weights = f"step {figures['best_step']:,}, of the checkpoints the one with the lowest held-out MLM loss"
    settings = json.dumps(run.settings, indent=1)
    return f"""---
language: ko
library_name: transformers
pipeline_tag: fill-mask
tags: [bert, korean, hanbeot]
---

# A Korean BERT trained with Hanbeot

{config.num_hidden_layers} layers of width {config.hidden_size}, a vocabulary of {config.vocab_size:,} entries, inputs
of up to {config.max_position_embeddings} tokens, {figures["parameters"] / 1e6:.1f} million parameters;
{_TASKS[figures["objective"]]} for {figures["steps"]:,} steps.
The weights are those of {weights}.
{begun}
```python
from transformers import AutoModelForMaskedLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForMaskedLM.from_pretrained(folder)
```

Load the tokenizer with `AutoTokenizer`: under `BertTokenizer`, transformers 5 drops the NFC step and decomposed
Hangul turns into [UNK].

Held out: {", ".join(f"{name} {value}" for name, value in scores.items()) or "not measured"}.

```json
{settings}
```
"""


if __name__ == "__main__":
    run_stage(main)
