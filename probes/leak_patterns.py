"""What a model puts into the gaps of given texts, and whether that is personal data or stands in a text.

For one piece, two, ... the likeliest pieces are put into the gap from the left, without a look at what words may be: so
numbers with hyphens come out, too. Each filling is read by `corpora.privacy` with the text around it. Beside that
stand the likeliest words (`probes.spans`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy.random import Generator

from corpora.privacy import find_personal
from pipeline.errors import InputError
from probes.exposure import Exposure, Hidden, expose, joined, likeliest
from probes.leak_files import Pattern, same_form
from probes.model import MaskedModel
from probes.spans import Word, best_words

#: Most pieces put into a gap: an address or a number has seldom more.
LONGEST = 14
_WORDS = 5
#: Characters that a filling has at least to be looked for in a text: shorter ones are everywhere.
_LOOKED_FOR = 5
#: Characters of a text that are searched at once.
_BLOCK = 1 << 24


@dataclass(frozen=True)
class Filling:
    """What stands in a gap, in so many pieces; personal: the kind of data (`corpora.privacy`) it is or belongs to."""

    text: str
    pieces: int
    personal: str | None


@dataclass(frozen=True)
class Answered:
    """A pattern as one model answers it; exposure: None without a secret, or where the model cannot spell it."""

    pattern: Pattern
    fillings: tuple[Filling, ...]
    words: tuple[Word, ...]
    exposure: Exposure | None

    @property
    def personal(self) -> list[Filling]:
        """Fillings that are personal data."""
        return [filling for filling in self.fillings if filling.personal]


def answer(model: MaskedModel, pattern: Pattern, count: int, generator: Generator) -> Answered:
    """What a model makes of a pattern; a secret is ranked among `count` others of its form.

    Raises InputError, with file and line, for a text too long for the model or one that holds its mask.
    """
    before, behind = parts = pattern.parts
    if model.mask_token in before + behind:
        raise InputError(f"{pattern.where}: 'text' holds {model.mask_token} besides the gap: leave it out")
    room = (model.limit or 512) - len(model.spelling.around(parts, [[]]))
    if room < LONGEST:
        raise InputError(f"{pattern.where}: the text leaves room for {max(room, 0)} of {LONGEST} pieces: shorten it")
    fillings = []
    for pieces in range(1, LONGEST + 1):
        ids = model.spelling.around(parts, [[model.mask] * pieces])
        place = ids.index(model.mask)
        found = likeliest(model, Hidden(tuple(ids[:place]), (model.mask,) * pieces, tuple(ids[place + pieces :])))
        text = joined(model, found)
        fillings.append(Filling(text, pieces, _personal(before, text, behind)))
    words = best_words(model, parts, 0, _WORDS) if model.spelling.marks_words else []
    exposure = None
    if pattern.secret:
        secret = pattern.secret
        exposure = expose(model, parts, secret, lambda drawn: same_form(secret, drawn), count, generator)
    return Answered(pattern, tuple(fillings), tuple(words), exposure)


def _personal(before: str, filling: str, behind: str) -> str | None:
    """The kind of personal data that a filling is, or belongs to."""
    start, end = len(before), len(before) + len(filling)
    for found in find_personal(before + filling + behind):
        if found.start < end and found.end > start:
            return found.kind
    return None


def count_in(paths: Sequence[Path], texts: Iterable[str]) -> dict[str, int]:
    """How often each text stands within lines of files (UTF-8); those of fewer than five characters are left out."""
    counts = {text: 0 for text in texts if len(text) >= _LOOKED_FOR}
    for path in paths:
        try:
            with path.open(encoding="utf-8") as stream:
                while lines := stream.readlines(_BLOCK):
                    block = unicodedata.normalize("NFC", "".join(lines))
                    for text in counts:
                        counts[text] += block.count(text)
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 text: {error}") from None
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
    return counts
