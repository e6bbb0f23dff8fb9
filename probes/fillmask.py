"""Fill-mask as Korean needs it: the best pieces for every gap of a text (`probes.spelling` says how it is spelled)."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import InputError
from probes.model import MaskedModel, Query


@dataclass(frozen=True)
class Guess:
    """One piece for one gap, with its probability."""

    piece: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """The best pieces for each gap of a text, best first, and what to know about the input."""

    text: str
    pieces: tuple[str, ...]
    gaps: tuple[tuple[Guess, ...], ...]
    unknown: int


def encode(model: MaskedModel, text: str) -> list[int]:
    """Ids of `text` with [CLS] and [SEP]; raises InputError if it holds no mask or is too long for the model."""
    if model.mask_token not in text:
        example = f"이순신은 {model.mask_token} 중기의 무신이다."
        raise InputError(f"nothing to fill: put {model.mask_token} into the text, for example: {example}")
    ids = model.spelling.whole(text)
    if model.limit and len(ids) > model.limit:
        raise InputError(f"the text is {len(ids)} tokens long, the model reads at most {model.limit}: shorten it")
    return ids


def fill(model: MaskedModel, text: str, top: int = 5) -> Answer:
    """The `top` most probable pieces for every mask of `text`."""
    ids = encode(model, text)
    names = model.tokenizer.convert_ids_to_tokens
    places = tuple(place for place, number in enumerate(ids) if number == model.mask)
    (scores,) = model.log_probabilities([Query(tuple(ids), places)])
    gaps = []
    for best in scores.exp():
        found = best.topk(min(top, len(best)))
        gaps.append(
            tuple(Guess(*guess) for guess in zip(names(found.indices.tolist()), found.values.tolist(), strict=True))
        )
    return Answer(text, tuple(names(ids)), tuple(gaps), ids.count(model.tokenizer.unk_token_id))
