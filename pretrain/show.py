"""Examples for the eye: their segments, labels and masks, in colour in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pipeline.console import answer_styled
from pipeline.errors import InputError
from pretrain.batches import Arrays, FrameIds, assemble
from pretrain.draws import SHOWN, child, permuted, stream
from pretrain.masks import IGNORED, Masking, MaskTable, mask_tokens
from pretrain.nsp import NEXT, OTHER, PairPlan
from pretrain.prepared import Prepared
from pretrain.schedule import mask_key, masking_at
from pretrain.settings import ExamplesSettings, TrainSettings
from pretrain.tokens import TokenStore
from tokenizer.wordpiece import MASK, SPECIAL_TOKENS, load_tokenizer, vocabulary_of

#: Texts with their colours.
Styled = list[tuple[str, str]]
#: Colours of special tokens, of the segments, and of what is to be predicted.
_SPECIAL, _SEGMENTS, _MASKED = "dim", ("cyan", "green"), "bold reverse"


def decoded(store: TokenStore, plan: PairPlan, tokenizer: Tokenizer, settings: ExamplesSettings, count: int) -> str:
    """Some examples as text, pieces apart, each with its label."""
    rows, objective = _some(plan, settings.seed, count), settings.objective
    if not len(rows):
        return ""
    arrays = assemble(store, plan[rows], FrameIds.of(tokenizer))
    names = vocabulary_of(tokenizer)
    lines = []
    for row in range(len(rows)):
        length = int(arrays["attention_mask"][row].sum())
        pieces = [names[number] for number in arrays["input_ids"][row, :length]]
        told = f"{row + 1:2}  {_label(int(arrays['next_sentence_label'][row]), objective)}, {length} tokens"
        lines.append(f"{told}\n    {' '.join(pieces)}\n")
    return "\n".join(lines)


def show_examples(prepared: Prepared, settings: TrainSettings, count: int) -> None:
    """Print some examples of the first epoch, masked as a run with these settings does in its first step."""
    rows = _some(prepared.first_plan, prepared.settings.seed, count)
    for parts in _masked(prepared, prepared.first_plan, rows, masking_at(0.0, settings), settings, 0):
        answer_styled(parts)


def show_step(prepared: Prepared, settings: TrainSettings, step: int) -> None:
    """Print the examples of a step (from 1) of a run with these settings; raises InputError if it has no such step."""
    for parts in _step(prepared, settings, step):
        answer_styled(parts)


def step_text(prepared: Prepared, settings: TrainSettings, step: int) -> str:
    """What `show_step` prints, without colours."""
    return "".join("".join(text for text, _ in parts) + "\n" for parts in _step(prepared, settings, step))


def _step(prepared: Prepared, settings: TrainSettings, step: int) -> Iterator[Styled]:
    """What is told of a step: its place, then each example."""
    schedule = prepared.schedule(settings)
    if schedule.steps and step > schedule.steps:
        raise InputError(f"--which {step}: a run with these settings has {schedule.steps:,} steps")
    place = schedule.place(step - 1)
    plan = prepared.plan(place.epoch, place.phase.block_size)
    rows = schedule.order(plan, place, settings).rows(place.offset)
    where = f"epoch {place.epoch + 1}, batch {place.offset + 1:,} of {place.phase.steps_per_epoch:,}"
    yield [(f"step {step:,}: {where}\n", "bold")]
    yield from _masked(prepared, plan, rows, schedule.masking(step - 1, settings), settings, place.epoch)


def _some(plan: PairPlan, seed: int, count: int) -> NDArray[np.int64]:
    """Row numbers of some examples, the same each time."""
    positions = np.arange(min(count, len(plan)), dtype=np.int64)
    return permuted(stream(seed, SHOWN), len(plan), positions)


def _masked(
    prepared: Prepared, plan: PairPlan, rows: NDArray[np.int64], masking: Masking, settings: TrainSettings, epoch: int
) -> Iterator[Styled]:
    """Each example as a head and its pieces."""
    if not len(rows):
        return
    tokenizer = load_tokenizer(prepared.folder)
    names, vocabulary = vocabulary_of(tokenizer), tokenizer.get_vocab()
    arrays = assemble(prepared.train, plan[rows], prepared.frame)
    before, labels = arrays["input_ids"].copy(), np.empty_like(arrays["input_ids"])
    keys = np.asarray(child(mask_key(settings, epoch), rows.astype(np.uint64)))
    table = MaskTable.of(vocabulary, vocabulary[MASK], [vocabulary[token] for token in SPECIAL_TOKENS])
    mask_tokens(arrays["input_ids"], arrays["special_tokens_mask"].astype(bool), keys, table, masking, labels)
    for number in range(len(rows)):
        label = _label(int(arrays["next_sentence_label"][number]), prepared.settings.objective)
        length, masked = int(arrays["attention_mask"][number].sum()), int((labels[number] != IGNORED).sum())
        head = f"{number + 1}  {label}, {length} tokens, {masked} to predict  (example {rows[number]:,})\n"
        yield [(head, "bold"), *_pieces(arrays, before, labels, number, names), ("\n", "")]


def _pieces(arrays: Arrays, before: NDArray[np.int64], labels: NDArray[np.int64], row: int, names: list[str]) -> Styled:
    """Pieces with their colours, and what is to be predicted with what stood there: `[MASK]{was}`, `other{was}`,
    `same{=}`."""
    parts = []
    for place in range(int(arrays["attention_mask"][row].sum())):
        now, was = (names[int(ids[row, place])] for ids in (arrays["input_ids"], before))
        style = _SEGMENTS[arrays["token_type_ids"][row, place]]
        if arrays["special_tokens_mask"][row, place]:
            style = _SPECIAL
        if labels[row, place] != IGNORED:
            now, style = f"{now}{{{'=' if now == was else was}}}", f"{style} {_MASKED}"
        parts += [(now, style), (" ", "")]
    return parts


def _label(label: int, objective: str) -> str:
    """What an example's label says."""
    if label == NEXT:
        return "B follows A"
    if label == OTHER:
        return "B is random" if objective == "nsp" else "B comes before A"
    return "one segment"
