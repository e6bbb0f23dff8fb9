"""What the page asks of its models: gaps filled, what each token costs, which form of a josa is likelier.

What cannot be asked is refused with a word for it (`Refused.code`), which the page says in its reader's language.
Entries of a vocabulary are other people's: what is invisible in them is shown as what it is.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.console import visible
from pipeline.errors import InputError
from probes.analysis import analyse
from probes.fillmask import Guess, fill
from probes.josa_pairs import josa_pairs
from probes.likelihood import Likelihood, log_likelihoods
from probes.model import MaskedModel
from probes.opening import in_words_of
from probes.pairs import ANOTHER_READING, Pair, has_reading
from probes.particles import ALTERNATIONS
from probes.spans import MOST_PIECES
from probes.spelling import SPACE
from probes.texts import CHARACTERS_A_TOKEN, WORD_GAPS, split_at_gaps
from tokenizer.wordpiece import PREFIX

#: Answers to a gap.
MOST_GUESSES = 20
#: Gaps of a text; each gap for a whole word is a beam search.
MOST_GAPS, MOST_WORDS = 32, 4
#: Tokens of a text whose cost is asked for: one of n is read n times.
MOST_COSTED = 128
#: Tokens and josa of a text whose josa are judged: it is read that many times for each josa.
MOST_JUDGED, MOST_JOSA = 64, 12
#: Characters for each of these tokens: English has five.
_LETTERS_A_TOKEN = 8
#: Tokens that a model without a known limit is taken to read.
_TOKENS = 512

#: The last letters of an eojeol that may be a josa with two forms, and the other form of each.
_OTHER_FORMS = {
    form: one.other(form) for one in ALTERNATIONS if not one.stem for form in (one.after_consonant, one.after_vowel)
}
_ENDS_AS_JOSA = re.compile(f"(?<=[가-힣])({'|'.join(sorted(_OTHER_FORMS, key=len, reverse=True))})(?![가-힣])")

Part = Literal["word", "inner", "gap", "unknown"]


class Refused(InputError):  # noqa: N818 - says how it is
    """A question that cannot be asked; `code` names the reason for the page, "" where only the message does."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Piece:
    """A token as a model reads it, the part it has in its word, and its loss in nats where that was asked for."""

    text: str
    part: Part
    cost: float | None = None


@dataclass(frozen=True)
class Gap:
    """A gap for a whole word or for one piece, and the best guesses first."""

    whole: bool
    guesses: tuple[Guess, ...]


@dataclass(frozen=True)
class Filled:
    """A model's answer to a text with gaps."""

    model: str
    pieces: tuple[Piece, ...]
    gaps: tuple[Gap, ...]
    unknown_characters: tuple[str, ...]


@dataclass(frozen=True)
class Costed:
    """What a text costs a model: nats of each piece, and their sum."""

    model: str
    pieces: tuple[Piece, ...]
    total: float


@dataclass(frozen=True)
class Judged:
    """A noun with its josa as typed, the other form, and of each model the probability of what was typed.

    typed and other: the rest of the eojeol. right: what was typed is the form that the noun takes by rule.
    """

    noun: str
    typed: str
    other: str
    right: bool
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Josa:
    """The josa of a text: those judged by `models`, and (place, reason) of those that are not."""

    models: tuple[str, ...]
    judged: tuple[Judged, ...]
    left_out: tuple[tuple[str, str], ...]


class Asking:
    """Models side by side. Not for several threads at once."""

    def __init__(self, names: Sequence[str], models: Sequence[MaskedModel]) -> None:
        self.names = tuple(visible(name) for name in names)
        self._models = tuple(models)
        self.mask_token = models[0].mask_token

    def fill(self, text: str, top: int) -> tuple[Filled, ...]:
        """Each model's `top` guesses for every gap; raises Refused."""
        first, text = self._models[0], _composed(text)
        _check(first, text)
        whole = split_at_gaps(first, text).whole
        if not whole and not any(mark in text.casefold() for mark in ("mask", "gap")):
            raise Refused("no_gap", f"nothing to fill: put {self.mask_token} or {WORD_GAPS[0]} into the text")
        if len(whole) > MOST_GAPS or sum(whole) > MOST_WORDS:
            raise Refused("many_gaps", f"at most {MOST_GAPS} gaps, {MOST_WORDS} of them {WORD_GAPS[0]}, in one text")
        answers = []
        for name, model in zip(self.names, self._models, strict=True):
            try:
                found = fill(model, in_words_of(model, first, text), top)
            except InputError as error:
                code = "too_long" if _too_long(model, in_words_of(model, first, text)) else ""
                raise Refused(code, self._of(name, str(error))) from None
            gaps = tuple(
                Gap(is_whole, tuple(map(_shown, guesses))) for is_whole, guesses in zip(whole, found.gaps, strict=True)
            )
            pieces = tuple(_piece(model, piece) for piece in found.pieces[1:-1])
            answers.append(Filled(name, pieces, gaps, tuple(map(visible, found.unknown_characters))))
        return tuple(answers)

    def cost(self, text: str) -> tuple[Costed, ...]:
        """What each token of a text costs each model; raises Refused."""
        text = _composed(text)
        self._check_whole(text, MOST_COSTED)
        answers = []
        for name, model in zip(self.names, self._models, strict=True):
            (found,) = _measured(model, [text])
            pieces = tuple(_piece(model, piece, -cost) for piece, cost in zip(found.pieces, found.costs, strict=True))
            answers.append(Costed(name, pieces, -found.total))
        return tuple(answers)

    def josa(self, text: str) -> Josa:
        """The josa of a text against their other form, by pseudo-log-likelihood; raises Refused."""
        text = _composed(text)
        self._check_whole(text, MOST_JUDGED)
        pairs, left_out = _josa_of(text)
        shares = []
        for model in self._models:
            typed, *others = _measured(model, [text, *(_other(pair, text) for pair in pairs)])
            shares.append([1 / (1 + math.exp(min(other.total - typed.total, 700.0))) for other in others])
        judged = tuple(
            _judged(pair, text, of_pair) for pair, of_pair in zip(pairs, zip(*shares, strict=True), strict=True)
        )
        return Josa(self.names, judged, left_out)

    def _check_whole(self, text: str, most: int) -> None:
        """Refuse a text with gaps, or one that a model would be too long at work on."""
        for model in self._models:
            _check(model, text)
            if split_at_gaps(model, text).whole:
                raise Refused("has_gap", f"write the sentence out: {model.mask_token} has no probability of its own")
            limit = min(most, (model.limit or _TOKENS) - 2)
            count = len(model.tokenizer(text, add_special_tokens=False)["input_ids"])
            if not count:
                raise Refused("empty", "the text is empty: write a sentence")
            if count > limit:
                raise Refused("too_long", f"the text is {count:,} tokens long, and here at most {limit} are read")
            # A word of any length is one [UNK], and the analyser reads all of it, many times over.
            longest = _LETTERS_A_TOKEN * limit
            if len(text) > longest:
                told = f"the text is {len(text):,} characters long, and here at most {longest} are read"
                raise Refused("too_long", told)

    def _of(self, name: str, message: str) -> str:
        return f"{name}: {message}" if len(self.names) > 1 else message


def _composed(text: str) -> str:
    """In NFC, as texts were that a model learned from: a Mac may write Hangul in its parts."""
    return unicodedata.normalize("NFC", text)


def _check(model: MaskedModel, text: str) -> None:
    if not text.strip():
        raise Refused("empty", "the text is empty: write a sentence")
    longest = CHARACTERS_A_TOKEN * (model.limit or _TOKENS)
    if len(text) > longest:
        raise Refused("too_long", f"the text is {len(text):,} characters long, and at most {longest:,} are read")


def _too_long(model: MaskedModel, text: str) -> bool:
    gapped = split_at_gaps(model, text)
    count = len(model.spelling.around(gapped.parts, [[model.mask]] * len(gapped.whole)))
    return model.limit is not None and count + (MOST_PIECES - 1 if any(gapped.whole) else 0) > model.limit


def _measured(model: MaskedModel, texts: Sequence[str]) -> list[Likelihood]:
    found = log_likelihoods(model, texts)
    if not all(math.isfinite(one.total) for one in found):
        raise Refused("", f"{model.folder} answers with what is no number: its weights are damaged")
    return found


def _piece(model: MaskedModel, text: str, cost: float | None = None) -> Piece:
    part: Part = "word"
    if text == model.mask_token:
        part = "gap"
    elif text == model.tokenizer.unk_token:
        part = "unknown"
    elif text.startswith(PREFIX) if model.spelling.is_wordpiece else _goes_on(model, text):
        part = "inner"
    return Piece(visible(text), part, cost)


def _goes_on(model: MaskedModel, text: str) -> bool:
    return model.spelling.is_sentencepiece and not text.startswith(SPACE)


def _shown(guess: Guess) -> Guess:
    return Guess(visible(guess.piece), guess.probability, tuple(map(visible, guess.pieces)))


def _josa_of(text: str) -> tuple[list[Pair], tuple[tuple[str, str], ...]]:
    """The first pairs of which `text` is one half, in its order, and (place, reason) of josa that make none."""
    (tokens,) = analyse([text])
    pairs = list(_breaches(text))
    # The two forms need not be of one length: 서울으로 is judged against 서울로.
    broken = {pair.noun + _OTHER_FORMS.get(pair.form, pair.form) for pair in pairs}
    left_out: list[tuple[str, str]] = []
    for one in josa_pairs(text, tokens):
        if isinstance(one, Pair) and not has_reading(one):
            pairs.append(one)
        elif isinstance(one, Pair):
            left_out.append((visible(one.noun + one.form), ANOTHER_READING))
        elif one.place not in broken:
            left_out.append((visible(one.place), one.reason))
    return sorted(pairs, key=lambda pair: pair.boundary)[:MOST_JOSA], tuple(left_out)


def _breaches(text: str) -> Iterator[Pair]:
    """Pairs whose wrong half is `text`: the analyser need not see a josa in 학교은, it does in 학교는."""
    for found in _ENDS_AS_JOSA.finditer(text):
        right = text[: found.start(1)] + _OTHER_FORMS[found[1]] + text[found.end(1) :]
        (tokens,) = analyse([right])
        for one in josa_pairs(right, tokens):
            if isinstance(one, Pair) and one.wrong == text and not has_reading(one):
                yield one


def _other(pair: Pair, text: str) -> str:
    """The half of a pair that is not `text`."""
    return pair.wrong if pair.sentence == text else pair.sentence


def _rest(pair: Pair, text: str) -> str:
    """What stands behind the noun in its eojeol."""
    return text[pair.boundary :].split(maxsplit=1)[0]


def _judged(pair: Pair, text: str, shares: Sequence[float]) -> Judged:
    typed, other = visible(_rest(pair, text)), visible(_rest(pair, _other(pair, text)))
    return Judged(visible(pair.noun), typed, other, pair.sentence == text, tuple(shares))
