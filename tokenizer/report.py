"""`report.md` of the tokenizer stage: what someone reads before a model is bound to a vocabulary for good.

Nothing in it depends on when, where or how fast the vocabulary was learned: same input, same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from tokenizers import Tokenizer

from tokenizer.alphabet import Price
from tokenizer.entries import composition, entry_lengths
from tokenizer.gates import Gate
from tokenizer.josa import JosaExample, JosaKept
from tokenizer.markdown import cell, code, table
from tokenizer.quality import Counted, Inspection, Quality

#: Sentences shown with their pieces, and examples of each other kind.
SHOWN = 20
_EXAMPLES = 30


class Segmented(NamedTuple):
    """A sentence of the measured text, its source, and its pieces."""

    source: str
    sentence: str
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """What is known of a vocabulary."""

    algorithm: str
    vocabulary: Sequence[str]
    #: What it was measured on, in words: `heldout`, or `train` if nothing was held out.
    split: str
    inspection: Inspection
    josa: JosaKept
    gates: Sequence[Gate]
    prices: Sequence[Price]
    #: Pieces left out while learning because longest match never takes them; entries that no word of the corpus yields.
    replaced: int
    dead: Sequence[str]
    sentences: Sequence[Segmented]


def report(found: Findings) -> str:
    """The text of `report.md`."""
    parts = (
        _summary(found),
        _gates(found.gates),
        _sources(found.inspection),
        _josa(found.josa),
        _unknown(found.inspection),
        _prices(found.prices),
        _entries(found),
        _frequent(found.inspection),
        _sentences(found.sentences),
    )
    return "\n".join(line for part in parts for line in part).rstrip("\n") + "\n"


def segment(tokenizer: Tokenizer, sources: Mapping[str, Sequence[str]], number: int = SHOWN) -> list[Segmented]:
    """`number` sentences and their pieces, as many of each source as it has and the next, evenly over each."""
    quotas = _quotas([len(texts) for texts in sources.values()], number)
    shown = []
    for (source, texts), quota in zip(sources.items(), quotas, strict=True):
        for turn in range(quota):
            text = texts[(2 * turn + 1) * len(texts) // (2 * quota)]  # the middles of equal stretches
            shown.append(Segmented(source, text, tuple(tokenizer.encode(text, add_special_tokens=False).tokens)))
    return shown


def _quotas(sizes: Sequence[int], number: int) -> list[int]:
    """Equal parts of `number`, no part larger than its size; others stand in for small ones.

    >>> _quotas([100, 2, 50], 10)
    [4, 2, 4]
    """
    quotas = [0] * len(sizes)
    while sum(quotas) < min(number, sum(sizes)):
        for place, size in enumerate(sizes):
            if quotas[place] < size and sum(quotas) < number:
                quotas[place] += 1
    return quotas


def _summary(found: Findings) -> list[str]:
    quality = found.inspection.total
    parts = ", ".join(f"{count:,} {name}" for name, count in composition(found.vocabulary).items())
    columns = ("entries", "tokens per eojeol", "characters per token", "eojeols with [UNK]", "noun and josa kept apart")
    row = (f"{len(found.vocabulary):,}", *_figures(quality), _percent(found.josa.kept, found.josa.cases))
    return [
        "# Tokenizer",
        "",
        f"Algorithm `{found.algorithm}`. {_verdict(found.gates)}",
        "",
        *table(columns, [row]),
        f"Measured on {quality.sentences:,} {found.split} sentences ({quality.eojeols:,} eojeols; an eojeol is what "
        f"white space separates). Entries: {parts}.",
        "",
    ]


def _verdict(gates: Sequence[Gate]) -> str:
    failed = sum(not gate.passed for gate in gates)
    not_judged = sum(not gate.judged for gate in gates)
    if failed:
        return f"**{failed} of {len(gates)} gates failed: do not pretrain on this vocabulary.**"
    if not_judged:
        return f"{len(gates) - not_judged} gates passed, {not_judged} had too little text to be judged on."
    return f"All {len(gates)} gates passed."


def _gates(gates: Sequence[Gate]) -> list[str]:
    failed = [f"* **{cell(gate.name)}**: {cell(gate.message)}" for gate in gates if not gate.passed]
    rows = [tuple(map(cell, gate.cells)) for gate in gates]
    return ["## Gates", "", *table(("gate", "wanted", "found", "verdict"), rows), *failed, *([""] if failed else [])]


def _sources(inspection: Inspection) -> list[str]:
    named = [*inspection.sources.items(), *([("all", inspection.total)] if len(inspection.sources) > 1 else [])]
    rows = [(cell(name), f"{part.sentences:,}", f"{part.eojeols:,}", *_figures(part)) for name, part in named]
    columns = ("source", "sentences", "eojeols", "tokens per eojeol", "characters per token", "eojeols with [UNK]")
    classes = inspection.eojeol_pieces
    return [
        "## Fit, by source",
        "",
        *table(columns, rows),
        "Eojeols by the number of their pieces:",
        "",
        *table(
            ("pieces", *classes), [("share", *(_percent(count, sum(classes.values())) for count in classes.values()))]
        ),
    ]


def _josa(josa: JosaKept) -> list[str]:
    lines = [
        "## Noun and josa",
        "",
        f"{josa.kept:,} of {josa.cases:,} eojeols of a noun and a josa ({_percent(josa.kept, josa.cases)}) have pieces "
        "that meet where the two meet. The most frequent of both kinds (+ is the boundary):",
        "",
    ]
    pairs = zip_longest(josa.good, josa.bad)
    rows = [(*_example(good), *_example(bad)) for good, bad in pairs]
    return lines + (table(("kept", "pieces", "count", "cut", "pieces", "count"), rows) if rows else [])


def _example(example: JosaExample | None) -> tuple[str, str, str]:
    if example is None:
        return "", "", ""
    eojeol, boundary = example.case
    return cell(f"{eojeol[:boundary]}+{eojeol[boundary:]}"), cell(" ".join(example.pieces)), f"{example.count:,}"


def _unknown(inspection: Inspection) -> list[str]:
    rows = [
        (
            row.script,
            f"{row.characters:,}",
            f"{row.culprits:,}",
            _small(row.culprits, row.characters),
            f"{row.lost:,}",
            _small(row.lost, row.characters),
        )
        for row in inspection.scripts
    ]
    columns = ("script", "characters", "no entry where they stand", "share", "lost in an [UNK]", "share")
    return [
        "## Unknown characters",
        "",
        "One character without an entry makes its whole word an [UNK]: what it takes along is counted as lost.",
        "",
        *table(columns, rows),
        *_listed("Most frequent characters without an entry", inspection.culprits),
        *_listed("Most frequent eojeols that hold an [UNK]", inspection.unknown_eojeols),
    ]


def _listed(title: str, counted: Sequence[Counted]) -> list[str]:
    shown = ", ".join(f"{code(item.text)} {item.count:,}" for item in counted[:_EXAMPLES])
    return [f"{title}: {shown}.", ""] if shown else []


def _prices(prices: Sequence[Price]) -> list[str]:
    columns = ("kind", "share wanted", "share covered", "characters", "taken", "entries at a word's start", "inside")
    rows = [
        (
            price.script,
            f"{price.wanted:.4%}",
            f"{price.covered:.4%}",
            *(f"{number:,}" for number in (price.distinct, price.taken, price.initial, price.inner)),
        )
        for price in prices
    ]
    sums = [sum(column) for column in zip(*((p.distinct, p.taken, p.initial, p.inner) for p in prices), strict=True)]
    rows += [("all", "", "", *(f"{number:,}" for number in sums))] if sums else []
    note = "What it costs to spell the corpus's characters (`[tokenizer.coverage]`), in entries:"
    return ["## Alphabet", "", note, "", *table(columns, rows)]


def _entries(found: Findings) -> list[str]:
    lengths, total = entry_lengths(found.vocabulary), len(found.vocabulary)
    sizes = sorted({*lengths.initial, *lengths.inner})
    rows = [
        ("begin a word", *(f"{lengths.initial.get(size, 0):,}" for size in sizes)),
        ("continue a word", *(f"{lengths.inner.get(size, 0):,}" for size in sizes)),
    ]
    used = found.inspection.used
    dead = ", ".join(map(code, found.dead[:_EXAMPLES]))
    return [
        "## Entries",
        "",
        f"{used:,} of {total:,} ({_percent(used, total)}) occur in the measured text. While learning, "
        f"{found.replaced:,} pieces were found dead (longest match never takes them) and replaced. Entries that no "
        f"word of the corpus yields now: {len(found.dead):,}{f' ({dead})' if dead else ''}.",
        "",
        *table(("characters", *map(str, sizes)), rows),
    ]


def _frequent(inspection: Inspection) -> list[str]:
    rows = [
        (str(place), cell(piece.text), f"{piece.count:,}", _percent(piece.count, inspection.total.tokens))
        for place, piece in enumerate(inspection.pieces, start=1)
    ]
    return ["## Most frequent pieces", "", *table(("", "piece", "count", "share of tokens"), rows)]


def _sentences(sentences: Iterable[Segmented]) -> list[str]:
    lines = ["## Sentences as a model sees them"]
    source = None
    for shown in sentences:
        if shown.source != source:
            source = shown.source
            lines += ["", f"### {cell(source)}", ""]
        lines += [f"* {cell(shown.sentence)}", f"  * {code(' '.join(shown.pieces))}"]
    return [*lines, ""]


def _figures(quality: Quality) -> tuple[str, str, str]:
    unknown = _small(quality.unknown_eojeols, quality.eojeols)
    return f"{quality.tokens_per_eojeol:.3f}", f"{quality.characters_per_token:.3f}", unknown


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def _small(part: int, whole: int) -> str:
    return f"{part / whole:.4%}" if whole else "-"
