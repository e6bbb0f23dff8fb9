"""What is left out of a corpus: every reason counted, and some of each kept for the eye."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Examples kept of each reason, and how much of each is shown.
EXAMPLES = 20
SHOWN_CHARACTERS = 200


@dataclass
class Drops:
    """Counts by reason, and the first examples of each: (reason, place, text)."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, reason: str, place: str = "", text: str = "") -> None:
        """Count one; without a text there is nothing to show."""
        self.counts[reason] += 1
        if text and self.counts[reason] <= EXAMPLES:
            self.examples.append((reason, place, text[:SHOWN_CHARACTERS]))

    def merge(self, later: Drops) -> None:
        """Add what was dropped further on."""
        before = Counter(reason for reason, _, _ in self.examples)
        self.counts.update(later.counts)
        for example in later.examples:
            before[example[0]] += 1
            if before[example[0]] <= EXAMPLES:
                self.examples.append(example)
