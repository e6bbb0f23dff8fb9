"""The page on minimal pairs: tables of every model beside each other, errors, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from probes.exam import Share
from probes.judgement import Verdict, breakdowns, by_kind
from probes.likelihood import Way
from probes.pairs import Found
from tokenizer.markdown import cell, table

#: Errors that are shown.
_WORST = 10

Verdicts = Mapping[str, Sequence[Verdict]]


def markdown(asked: str, found: Found, verdicts: Verdicts, way: Way) -> str:
    """The page; `verdicts` by model, `asked` is the one whose errors are shown."""
    return "\n".join(
        [
            f"# Minimal pairs: {cell(asked)}",
            "",
            f"{len(found.pairs):,} pairs from {found.sentences:,} held-out sentences. A model is right where it finds",
            f"the real sentence likelier than the one made wrong (pseudo-log-likelihood, {way}); ties are wrong. In",
            "brackets the 95 % interval (Wilson). Half right is chance where both sides have as many pieces; a",
            "sentence with fewer pieces is likelier to begin with, so read each row beside random weights. Forms that",
            "alternate take turns: who always prefers 은 has half of 은/는. After ㄹ 로 alone is right: who always",
            "prefers it has all.",
            "",
            *_side_by_side("pairs", {name: by_kind(own) for name, own in verdicts.items()}),
            "## Josa, told apart",
            "",
            *_broken_down(verdicts),
            f"## Errors with the largest margin: {cell(asked)}",
            "",
            *_worst(verdicts[asked]),
            "## Left out",
            "",
            *table(("reason", "candidates"), [(cell(name), f"{count:,}") for name, count in found.left_out.items()]),
        ]
    )


def kinds_table(verdicts: Verdicts) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for the console: kinds and particles down, models across."""
    kinds = {name: by_kind(own) for name, own in verdicts.items()}
    particles = {
        name: {f"  {title}": one for title, one in next(breakdowns(own))[1].items()} for name, own in verdicts.items()
    }
    columns, rows = _columns_and_rows("pairs", kinds)
    own = _columns_and_rows("pairs", particles)[1]
    place = next((number for number, row in enumerate(rows) if row[0] == "josa"), -1) + 1
    return columns, rows[:place] + own + rows[place:]


def _columns_and_rows(title: str, shares: Mapping[str, Mapping[str, Share]]) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for own in shares.values() for name in own))
    rows = []
    for name in names:
        found = [own.get(name, Share(0, 0)) for own in shares.values()]
        # A model's own tokenizer decides how many pairs a row has, in some of the tables.
        sizes = " / ".join(f"{size:,}" for size in dict.fromkeys(one.of for one in found))
        rows.append([name, sizes, *map(_shown, found)])
    return [title, "of", *shares], rows


def _side_by_side(title: str, shares: Mapping[str, Mapping[str, Share]]) -> list[str]:
    columns, rows = _columns_and_rows(title, shares)
    return table([cell(name) for name in columns], [[cell(value) for value in row] for row in rows])


def _broken_down(verdicts: Verdicts) -> Iterator[str]:
    sections = [list(breakdowns(own)) for own in verdicts.values()]
    for number, (title, _) in enumerate(sections[0]):
        yield from _side_by_side(title, {name: own[number][1] for name, own in zip(verdicts, sections, strict=True)})


def _shown(found: Share) -> str:
    if not found.of:
        return "-"
    low, high = found.interval
    return f"{found.share:.1%} ({low:.0%} to {high:.0%})"


def _worst(verdicts: Sequence[Verdict]) -> list[str]:
    errors = [verdict for verdict in verdicts if not verdict[1].knows]
    errors.sort(key=lambda verdict: verdict[1].margin)
    rows = [
        (cell(pair.kind), cell(pair.sentence), cell(pair.wrong), f"{judged.margin:.1f}")
        for pair, judged in errors[:_WORST]
    ]
    return table(("pairs", "real", "made wrong, and likelier", "nats"), rows)
