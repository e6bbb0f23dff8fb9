"""What models make of minimal pairs: which side each finds likelier, and how often that is the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from probes.exam import Share
from probes.likelihood import Way, log_likelihoods
from probes.model import MaskedModel
from probes.pairs import Pair

#: Pairs that are scored between two signs of life.
_CHUNK = 25


@dataclass(frozen=True)
class Judged:
    """What one model makes of one pair.

    right, wrong: log-likelihoods in nats of the real sentence and of the other. pieces: of both. noun_pieces: how the
    noun alone is spelled. kept: a piece begins where the josa does and none goes over it; False for pairs without one.
    """

    right: float
    wrong: float
    pieces: tuple[int, int]
    noun_pieces: int
    kept: bool

    @property
    def knows(self) -> bool:
        """The real sentence is likelier; a tie is no knowledge."""
        return self.right > self.wrong

    @property
    def margin(self) -> float:
        """Nats by which the real sentence is likelier."""
        return self.right - self.wrong


Verdict = tuple[Pair, Judged]


def judge(
    model: MaskedModel, pairs: Sequence[Pair], way: Way, progress: Callable[[float], None] = lambda pairs: None
) -> list[Judged]:
    """What `model` makes of each pair; raises InputError for a pair that is too long for it."""
    judged: list[Judged] = []
    for begin in range(0, len(pairs), _CHUNK):
        chunk = pairs[begin : begin + _CHUNK]
        texts = [text for pair in chunk for text in (pair.sentence, pair.wrong)]
        found = log_likelihoods(model, texts, way)
        for pair, right, wrong in zip(chunk, found[::2], found[1::2], strict=True):
            pieces = len(right.pieces), len(wrong.pieces)
            noun = len(model.tokenizer.tokenize(pair.noun)) if pair.noun else 0
            judged.append(Judged(right.total, wrong.total, pieces, noun, keeps_boundary(model.tokenizer, pair)))
        progress(len(chunk))
    return judged


def keeps_boundary(tokenizer: PreTrainedTokenizerBase, pair: Pair) -> bool:
    """Whether noun and josa of the real sentence are cut apart by the tokenizer."""
    spans = tokenizer(pair.sentence).encodings[0].offsets
    begins = any(start == pair.boundary < end for start, end in spans)
    return begins and not any(start < pair.boundary < end for start, end in spans)


def share(verdicts: Sequence[Verdict]) -> Share:
    """In how many the real sentence is the likelier one."""
    return Share(sum(judged.knows for _, judged in verdicts), len(verdicts))


def by_kind(verdicts: Sequence[Verdict]) -> dict[str, Share]:
    """Of each kind of pair."""
    return _grouped(verdicts, lambda pair, _: pair.kind)


def breakdowns(verdicts: Sequence[Verdict]) -> Iterator[tuple[str, dict[str, Share]]]:
    """(what the josa pairs are told apart by, the shares)."""
    josa = [verdict for verdict in verdicts if verdict[0].kind == "josa"]
    yield "particle", _grouped(josa, lambda pair, _: pair.particle)
    yield "right form", _grouped(josa, lambda pair, _: f"{pair.particle}: {pair.form}")
    yield "syllables of the noun", _grouped(josa, lambda pair, _: _up_to(4, len(pair.noun), "syllable"))
    yield "the noun alone is", _grouped(josa, lambda _, judged: _up_to(3, judged.noun_pieces, "piece"))
    yield (
        "noun and josa are",
        _grouped(josa, lambda _, judged: "cut apart" if judged.kept else "not cut apart"),
    )
    yield "the real sentence has", _grouped(josa, lambda _, judged: _compared(*judged.pieces))


def _grouped(verdicts: Sequence[Verdict], name: Callable[[Pair, Judged], str]) -> dict[str, Share]:
    groups: dict[str, list[Verdict]] = {}
    for pair, judged in verdicts:
        groups.setdefault(name(pair, judged), []).append((pair, judged))
    return {title: share(groups[title]) for title in sorted(groups)}


def _up_to(most: int, number: int, unit: str) -> str:
    if number >= most:
        return f"{most} {unit}s or more"
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _compared(right: int, wrong: int) -> str:
    if right == wrong:
        return "as many pieces"
    return "fewer pieces" if right < wrong else "more pieces"
