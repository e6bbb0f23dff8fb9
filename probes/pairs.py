"""Minimal pairs: a real sentence, and the same with one thing made wrong by rule.

Each maker (`probes.josa_pairs`, `probes.grammar_pairs`) finds candidates in an analysed sentence and names why others
are left out. Here one a sentence is chosen, so that every form that is right has its turn equally often as far as the
text allows: a model that always prefers 은 gets half of 은/는.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from probes.analysis import Token, analyse

Kind = Literal["josa", "josa torn off", "josa glued on", "honorific", "negative polarity"]

TOO_LONG = "too long for one of the models, or for --longest"
ANOTHER_READING = "what would be wrong is another word"

#: Tags of stems and endings.
_PREDICATE = ("V", "E", "XSV", "XSA")


@dataclass(frozen=True)
class Pair:
    """A sentence, and what is wrong instead.

    form: what is right, as it stands in the sentence. particle: the name of its row in tables. boundary: the place
    between noun and josa, `sentence[:boundary]` ends in the noun; -1 and no noun where the pair is about no josa.
    """

    kind: Kind
    sentence: str
    wrong: str
    noun: str
    particle: str
    form: str
    boundary: int

    @property
    def turn(self) -> tuple[str, str, str]:
        """What takes turns: 으로서 with 으로; of the josa that are torn off or glued on, the short and the long."""
        if self.kind == "josa":
            return self.kind, self.particle, self.form[0]
        spacing = self.boundary >= 0
        return self.kind, self.particle, ("one syllable" if len(self.form) == 1 else "more") if spacing else self.form


@dataclass(frozen=True)
class LeftOut:
    """A place where no pair is made, and why."""

    reason: str
    place: str


Maker = Callable[[str, Sequence[Token]], Iterable[Pair | LeftOut]]


@dataclass(frozen=True)
class Found:
    """Pairs in the order of the text, and how many candidates were left out for which reason."""

    pairs: tuple[Pair, ...]
    left_out: dict[str, int]
    sentences: int


def find_pairs(
    sentences: Sequence[str], items: int, makers: Sequence[Maker], fits: Callable[[str], bool] = lambda text: True
) -> Found:
    """At most `items` pairs, one a sentence, every right form in turn; `fits` tells whether models can read a text."""
    counts: Counter[str] = Counter()
    different = list(dict.fromkeys(sentences))
    short = [text for text in different if fits(text)]
    if len(short) < len(different):
        counts[TOO_LONG] = len(different) - len(short)
    groups: dict[tuple[str, str, str], list[tuple[int, Pair]]] = defaultdict(list)
    for number, (text, tokens) in enumerate(zip(short, analyse(short), strict=True)):
        for make in makers:
            for one in make(text, tokens):
                if isinstance(one, LeftOut):
                    counts[one.reason] += 1
                else:
                    groups[one.turn].append((number, one))
    chosen = _in_turn(groups, items, lambda pair: _refusal(pair, fits), counts)
    return Found(tuple(pair for _, pair in sorted(chosen)), dict(counts.most_common()), len(short))


def _in_turn(
    groups: dict[tuple[str, str, str], list[tuple[int, Pair]]],
    items: int,
    refusal: Callable[[Pair], str | None],
    counts: Counter[str],
) -> Iterator[tuple[int, Pair]]:
    """Take from each group in turn, small groups first: else the large ones would have used up their sentences."""
    queues = [iter(groups[name]) for name in sorted(groups, key=lambda name: (len(groups[name]), name))]
    used: set[int] = set()
    while queues and len(used) < items:
        for queue in list(queues):
            taken = _next(queue, used, refusal, counts)
            if taken is None:
                queues.remove(queue)
                continue
            used.add(taken[0])
            yield taken
            if len(used) == items:
                break


def _next(
    queue: Iterator[tuple[int, Pair]], used: set[int], refusal: Callable[[Pair], str | None], counts: Counter[str]
) -> tuple[int, Pair] | None:
    for number, pair in queue:
        if number in used:
            continue
        reason = refusal(pair)
        if reason is None:
            return number, pair
        counts[reason] += 1
    return None


def _refusal(pair: Pair, fits: Callable[[str], bool]) -> str | None:
    if not fits(pair.wrong):
        return TOO_LONG
    return ANOTHER_READING if pair.kind == "josa" and has_reading(pair) else None


def has_reading(pair: Pair) -> bool:
    """Whether the analyser finds a word where the josa is wrong: 나은 (better), 창고 (warehouse), 건축가 (architect).

    It looks at the sentence, and at the eojeol alone. A word is what goes over the boundary, a stem or an ending that
    ends there, a suffix that begins there. Where the noun stays, the rest is no word, whatever is made of 사람는.
    """
    begin = max(pair.wrong.rfind(" ", 0, pair.boundary) + 1, 0)
    end = pair.wrong.find(" ", pair.boundary)
    eojeol = pair.wrong[begin : end if end > 0 else len(pair.wrong)]
    whole, alone = analyse([pair.wrong, eojeol])
    return _read(whole, pair.boundary) or _read(alone, pair.boundary - begin)


def _read(tokens: Sequence[Token], boundary: int) -> bool:
    for token in tokens:
        crosses = token.start < boundary < token.end
        if crosses and token.known:
            return True
        if token.end == boundary and token.start < boundary and token.part.startswith(_PREDICATE):
            return True
        if token.start == boundary and token.part == "XSN":
            return True
    return False
