"""The first screen of a report: what the model is, what came out, what it says of one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pages.document import Block, Heading, Missing, Notice, Share, Tiles, paragraph, table
from pages.gather import Run
from pages.training import HELD_OUT, held_out, is_number
from pipeline.console import duration

_OBJECTIVES = {
    "nsp": "masked tokens and next sentences",
    "sop": "masked tokens and the order of sentences",
    "none": "masked tokens",
}
#: How a guess is named in what a probe wrote down.
_GUESS = ("piece", "text", "word", "answer", "token")
_THOUSAND, _MILLION = 1e3, 1e6


def summary(run: Run) -> tuple[Block, ...]:
    """The section's blocks."""
    blocks: list[Block] = [paragraph(_shape(run)), Tiles(tuple(_tiles(run)))]
    unchanged = run["export"].inputs.get("model") in (None, run["pretrain"].figures.get("model_sha256"))
    best = run["export"].settings.get("checkpoint") == "best"
    if run["export"].manifest and run["pretrain"].manifest and not unchanged and not best:
        blocks.append(Notice("The export was made from other weights than the run's last: make it anew."))
    measured = held_out(run)
    if measured:
        blocks.append(measured)
    else:
        blocks.append(Missing("Nothing was measured on held-out text: the corpus holds none (corpus.held_out)."))
    return (*blocks, *_answers(run))


def parameters(run: Run) -> int | None:
    """How many weights the model has, if that is known."""
    for stage in ("pretrain", "export"):
        count = run[stage].figures.get("parameters")
        if isinstance(count, int):
            return count
    return None


def _shape(run: Run) -> str:
    model = run.settings.get("model")
    if not isinstance(model, Mapping):
        return "The shape of the model is not known, since its run is not there."
    entries = run["tokenizer"].figures.get("vocab_size")
    told = [
        f"A BERT of {model.get('num_hidden_layers')} layers of width {model.get('hidden_size')} with "
        f"{model.get('num_attention_heads')} attention heads",
        f"a vocabulary of {entries:,} entries" if isinstance(entries, int) else "",
        f"inputs of up to {model.get('max_position_embeddings')} tokens",
    ]
    objective = run["pretrain"].figures.get("objective") or run["examples"].figures.get("objective")
    task = _OBJECTIVES.get(str(objective))
    return ", ".join(filter(None, told)) + (f"; trained on {task}." if task else ".")


def _tiles(run: Run) -> list[tuple[str, str, str]]:
    figures = run["pretrain"].figures
    weights, tokens = parameters(run), _tokens(run)
    last = max((record["step"] for record in run.records), default=None)
    steps = figures.get("steps", last)
    tiles = [
        ("parameters", _large(weights), "") if weights else None,
        ("steps", f"{steps:,.0f}", "" if figures else "so far") if is_number(steps) else None,
        ("tokens read", _large(tokens), "") if tokens else None,
        ("time", duration(figures["seconds"]), _speed(figures)) if is_number(figures.get("seconds")) else None,
        _end(run, "mlm_loss", "held-out MLM loss", "{:.3f}"),
        _end(run, "mlm_accuracy", "held-out MLM accuracy", "{:.1%}"),
    ]
    return [tile for tile in tiles if tile]


def _end(run: Run, name: str, title: str, form: str) -> tuple[str, str, str] | None:
    figures: Mapping[str, Any] = run["pretrain"].figures
    end, start = figures.get(HELD_OUT + name), figures.get(f"start_{name}")
    if not is_number(end):
        return None
    return title, form.format(end), f"from {form.format(start)}" if is_number(start) else ""


def _speed(figures: Mapping[str, Any]) -> str:
    speed = figures.get("tokens_per_second")
    return f"{speed:,.0f} tokens/s" if is_number(speed) else ""


def _tokens(run: Run) -> int | None:
    """Tokens read up to the last checkpoint, which keeps count."""
    text = run["pretrain"].text(f"{run['pretrain'].figures.get('checkpoint')}/state.json")
    try:
        count = json.loads(text)["tokens"]
    except (ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) else None


def _large(count: float) -> str:
    if count >= _MILLION:
        return f"{count / _MILLION:,.2f} M"
    return f"{count / _THOUSAND:,.1f} k" if count >= _THOUSAND else f"{count:,.0f}"


def _answers(run: Run) -> list[Block]:
    """What the model puts in the gaps of a text, whatever else the probe wrote down."""
    blocks: list[Block] = [Heading("What it says")]
    found = run.answers if isinstance(run.answers, list) else [run.answers]
    answers = [answer for answer in found if isinstance(answer, dict) and isinstance(answer.get("gaps"), list)]
    several = len({str(answer.get("model")) for answer in answers}) > 1
    for answer in answers:
        gaps = [guesses for guesses in answer["gaps"] if isinstance(guesses, list)]
        for number, guesses in enumerate(gaps, 1):
            rows = [row for rank, guess in enumerate(guesses, 1) if (row := _guess(rank, guess))]
            title = str(answer.get("text", "")) + (f" (gap {number})" if len(gaps) > 1 else "")
            title += f", says {answer.get('model')}" if several else ""
            blocks += [table(title, ("rank", "answer", "probability"), rows)] if rows else []
    if len(blocks) == 1:
        blocks.append(Missing("It was asked nothing.", f"make pretrain NAME={run.name}"))
    return blocks


def _guess(rank: int, guess: object) -> tuple[str, str, Share] | None:
    if not isinstance(guess, dict) or not is_number(guess.get("probability")):
        return None
    name = next((str(guess[key]) for key in _GUESS if key in guess), "")
    return str(rank), name, Share(float(guess["probability"]))
