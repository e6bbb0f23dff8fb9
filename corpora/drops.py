"""What is left out of a corpus: every reason counted, and some of each kept for the eye."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Examples kept of each reason, how much of each is kept, and how much is shown in the end. Personal data is taken out
#: in between, and a number that is cut in two is no longer known for one.
EXAMPLES = 20
KEPT_CHARACTERS = 2000
SHOWN_CHARACTERS = 200


def legible(text: str) -> str:
    r"""A name from outside as one line of text: file names may hold line ends, or bytes that are no UTF-8.

    >>> legible("a\tb\n \udcb9")
    'a b \\udcb9'
    """
    return " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split())


@dataclass
class Drops:
    """Counts by reason, and the first examples of each: (reason, place, text)."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, reason: str, place: str = "", text: str = "") -> None:
        """Count one; without a text there is nothing to show."""
        self.counts[reason] += 1
        if text and self.counts[reason] <= EXAMPLES:
            self.examples.append((reason, legible(place), text[:KEPT_CHARACTERS]))

    def merge(self, later: Drops) -> None:
        """Add what was dropped further on."""
        before = Counter(reason for reason, _, _ in self.examples)
        self.counts.update(later.counts)
        for example in later.examples:
            before[example[0]] += 1
            if before[example[0]] <= EXAMPLES:
                self.examples.append(example)
