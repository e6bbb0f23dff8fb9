"""The end of a run: sealed, with what came out told."""

from __future__ import annotations

from typing import Any

from pipeline.artifact import Key, peak_memory_mb, seal
from pipeline.console import say, table
from pipeline.errors import InputError
from pipeline.files import hash_file
from pretrain.checkpoint import MODEL, best_checkpoint, latest_checkpoint
from pretrain.curves import SVG, draw_curves
from pretrain.hardware import device_name, versions
from pretrain.metrics import METRICS, read_metrics
from pretrain.run import Outcome, Run

#: What is measured on held-out text, and how it is told.
_MEASURES = {
    "mlm_loss": ".3f",
    "mlm_accuracy": ".1%",
    "mlm_bits_per_character": ".3f",
    "nsp_loss": ".3f",
    "nsp_accuracy": ".1%",
}
#: Share of [UNK] among masked tokens from which it is told.
_MANY_UNKNOWN = 0.001


def finish(run: Run, key: Key, outcome: Outcome) -> None:
    """Seal the finished run: configuration and tokenizer beside the weights, the plot, the manifest."""
    final = latest_checkpoint(run.checkpoints)
    if final is None or final.step != outcome.steps:
        raise InputError(
            f"the last checkpoint of {run.folder}, of step {outcome.steps:,}, cannot be read back: check the disk; "
            "the same command goes on from the one before it"
        )
    for name, data in run.beside().items():
        (run.folder / name).write_bytes(data)
    plot = draw_curves(run.folder)
    start = next((record for record in read_metrics(run.folder / METRICS) if record["step"] == 0), {})
    figures = {
        "objective": run.prepared.settings.objective,
        "steps": outcome.steps,
        "parameters": run.objective.model.num_parameters(),
        "tokens_per_second": round(outcome.tokens_per_second),
        "seconds": round(outcome.seconds, 2),
        "peak_memory_mb": peak_memory_mb(),
        # Of the last session: a run may go on elsewhere.
        "device": device_name(run.accelerator.device),
        "processes": run.accelerator.num_processes,
        "precision": run.accelerator.mixed_precision,
        "versions": versions(),
        "checkpoint": final.folder.relative_to(run.folder).as_posix(),
        "model_sha256": hash_file(final.folder / MODEL),
        **_best(run),
        **{name.replace("held_out_", "start_"): value for name, value in start.items() if name != "step"},
        **(outcome.held_out.as_dict("held_out_") if outcome.held_out else {}),
    }
    seal(run.folder, key, figures)
    measured = {name: form for name, form in _MEASURES.items() if f"held_out_{name}" in figures}
    blocks = [phase.block_size for phase in run.schedule.phases]
    # Examples of another block are other examples.
    start_name = "start" if blocks[0] == blocks[-1] else f"start, block {blocks[0]}"
    rows = [
        (name, *(format(figures[f"{prefix}_{measure}"], form) for measure, form in measured.items()))
        for name, prefix in (
            (start_name, "start"),
            (f"best, step {figures.get('best_step', 0):,}", "best"),
            ("end", "held_out"),
        )
        if f"{prefix}_mlm_loss" in figures
    ]
    pair = run.prepared.settings.objective
    columns = (
        "held out",
        *(name.replace("nsp", pair.upper()).replace("mlm", "MLM").replace("_", " ") for name in measured),
    )
    if rows:
        table(f"pretrain -> {run.folder}", columns, rows)
    say(f"  {outcome.tokens_per_second:,.0f} tokens/s; losses drawn in {plot} and {SVG}")
    unknown = (outcome.held_out.mlm_unknown_share if outcome.held_out else None) or 0.0
    if unknown >= _MANY_UNKNOWN:
        say(f"  {unknown:.2%} of the masked tokens are [UNK]: what they hide is not in the bits per character")


def _best(run: Run) -> dict[str, Any]:
    """Figures of the checkpoint with the lowest held-out MLM loss; none if none was evaluated."""
    best = best_checkpoint(run.checkpoints)
    if best is None or best.held_out_mlm_loss is None:
        return {}
    measured = {"held_out_mlm_loss": round(best.held_out_mlm_loss, 5)}
    for record in read_metrics(run.folder / METRICS):
        if record["step"] == best.step:
            measured.update((name, value) for name, value in record.items() if name.startswith("held_out_"))
    return {
        "best_checkpoint": best.folder.relative_to(run.folder).as_posix(),
        "best_step": best.step,
        **{name.replace("held_out_", "best_"): value for name, value in measured.items()},
    }
