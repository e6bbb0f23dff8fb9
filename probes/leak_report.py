"""What an audit for leaks found, as figures, tables and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.artifact import Figures
from pipeline.console import visible
from probes.canaries import Canary
from probes.exam import Share
from probes.exposure import Exposure, chance_bits, mean_interval
from probes.leak_names import Tied
from probes.leak_patterns import Answered, Filling
from tokenizer.markdown import cell
from tokenizer.markdown import table as markdown_table

#: Rows of a list that the report shows; items.jsonl has all.
_SHOWN = 30

Rows = list[tuple[str, ...]]


@dataclass(frozen=True)
class Findings:
    """What one model gives away.

    entries: of each canary, whether a part is an entry of the vocabulary. strangers: made-up names, beside the people
    asked about.
    """

    canaries: list[tuple[Canary, Exposure | None]]
    entries: list[bool]
    answered: list[Answered]
    people: list[Tied]
    strangers: list[Tied]


def figures_of(found: dict[str, Findings], candidates: int, counts: dict[str, int] | None) -> Figures:
    """Flat: `<model>.<what>.<figure>`; shares with `_low`, `_high` and `_of`, exposures in bits with their interval."""
    first = next(iter(found.values()))
    figures: Figures = {"candidates": candidates, "chance_bits": round(chance_bits(candidates + 1), 3), "models": []}
    figures |= {"canaries": len(first.canaries), "patterns": len(first.answered), "names": len(first.people)}
    if counts is not None:
        figures["canaries_in_text"] = sum(counts.get(canary.secret, 0) > 0 for canary, _ in first.canaries)
    for name, own in found.items():
        figures["models"].append(name)
        for copies in sorted({canary.copies for canary, _ in own.canaries}, key=lambda count: (not count, count)):
            prefix = f"{name}.{f'copies {copies}' if copies else 'controls'}"
            figures |= _exposures(prefix, [exposure for canary, exposure in own.canaries if canary.copies == copies])
            entries = zip(own.canaries, own.entries, strict=True)
            figures |= _share(
                f"{prefix}.vocabulary", [entry for (canary, _), entry in entries if canary.copies == copies]
            )
        if own.answered:
            figures |= _patterns(name, own.answered, counts)
        if own.people:
            figures |= _people(name, own)
    return figures


def _exposures(prefix: str, group: Sequence[Exposure | None]) -> Figures:
    known = [exposure for exposure in group if exposure]
    figures: Figures = {f"{prefix}.secrets": len(known), f"{prefix}.unspelled": len(group) - len(known)}
    if known:
        mean, low, high = mean_interval([exposure.bits for exposure in known])
        figures[f"{prefix}.exposure_bits"] = round(mean, 3)
        if len(known) > 1:
            figures |= {f"{prefix}.exposure_from": round(low, 3), f"{prefix}.exposure_to": round(high, 3)}
        figures |= _share(f"{prefix}.first", [exposure.rank == 1 for exposure in known])
        figures |= _share(f"{prefix}.extracted", [exposure.extracted for exposure in known])
        figures[f"{prefix}.pieces"] = round(sum(exposure.pieces for exposure in known) / len(known), 1)
        alike = sum(exposure.alike for exposure in known) / max(1, sum(exposure.of - 1 for exposure in known))
        figures[f"{prefix}.as_long"] = round(alike, 3)
    return figures


def _patterns(name: str, answered: Sequence[Answered], counts: dict[str, int] | None) -> Figures:
    figures = _share(f"{name}.patterns.personal", [bool(one.personal) for one in answered])
    if counts is not None:
        real = [any(counts.get(filling.text) for filling in one.personal) for one in answered]
        figures |= _share(f"{name}.patterns.personal_and_in_text", real)
    if any(one.pattern.secret for one in answered):
        figures |= _exposures(f"{name}.secrets given", [one.exposure for one in answered if one.pattern.secret])
    return figures


def _people(name: str, own: Findings) -> Figures:
    most = max(one.bits for one in own.strangers)
    return {
        f"{name}.names.bits": round(sum(one.bits for one in own.people) / len(own.people), 4),
        f"{name}.names.made_up_bits": round(sum(one.bits for one in own.strangers) / len(own.strangers), 4),
        **_share(f"{name}.names.beyond_all_made_up", [one.bits > most for one in own.people]),
    }


def _share(name: str, found: Sequence[bool]) -> Figures:
    return Share(sum(found), len(found)).figures(name)


def tables(figures: Figures) -> list[tuple[str, tuple[str, ...], Rows]]:
    """(title, columns, rows) of what was asked."""
    shown: list[tuple[str, tuple[str, ...], Rows]] = []
    whats = list(dict.fromkeys(key.split(".")[-2] for key in figures if key.endswith(".exposure_bits")))
    rows = [row for what in whats for name in figures["models"] for row in _exposure_row(figures, name, what)]
    if rows:
        title = (
            f"secrets among {figures['candidates']:,} others; by chance {figures['chance_bits']:.2f} bits of exposure"
        )
        shown.append(
            (
                title,
                ("secrets", "model", "exposure", "95 %", "first", "extracted", "pieces", "as long", "vocabulary", "of"),
                rows,
            )
        )
    for key, title in (
        ("patterns.personal", "patterns filled with personal data"),
        ("patterns.personal_and_in_text", "patterns filled with personal data that stands in the text"),
        ("names.beyond_all_made_up", "names that change the answers more than any made-up one"),
    ):
        told: Rows = [
            (name, *_share_cells(figures, f"{name}.{key}")) for name in figures["models"] if f"{name}.{key}" in figures
        ]
        if told:
            shown.append((title, ("model", "share", "95 %", "of"), told))
    return shown


def _exposure_row(figures: Figures, name: str, what: str) -> Rows:
    prefix = f"{name}.{what}"
    if f"{prefix}.exposure_bits" not in figures:
        return []
    low, high = figures.get(f"{prefix}.exposure_from"), figures.get(f"{prefix}.exposure_to")
    between = "" if low is None else f"{low:.2f} to {high:.2f}"
    shares = [f"{figures[f'{prefix}.{key}']:.1%}" for key in ("first", "extracted")]
    spelled = f"{figures[f'{prefix}.pieces']:.1f}", f"{figures[f'{prefix}.as_long']:.0%}"
    mean = f"{figures[f'{prefix}.exposure_bits']:.2f}"
    entries = f"{figures[f'{prefix}.vocabulary']:.1%}" if f"{prefix}.vocabulary" in figures else ""
    return [(what, name, mean, between, *shares, *spelled, entries, str(figures[f"{prefix}.secrets"]))]


def _share_cells(figures: Figures, key: str) -> tuple[str, str, str]:
    low, high = figures[f"{key}_low"], figures[f"{key}_high"]
    return f"{figures[key]:.1%}", f"{low:.1%} to {high:.1%}", str(figures[f"{key}_of"])


def markdown(figures: Figures, found: dict[str, Findings], counts: dict[str, int] | None) -> str:
    """The report; what is asked of the first model is shown item by item."""
    lines = [
        "# Leaks",
        "",
        "Exposure is log2 of the number of secrets ranked less log2 of the rank (Carlini et al. 2019), secrets hidden "
        "as wholes. `first`: the secret is likelier than all others. `extracted`: the likeliest pieces, one after the "
        "other, are the secret. `as long`: how many of those it was ranked among have as many pieces. `vocabulary`: a "
        "part of the secret, four digits or letters or more, is an entry of the vocabulary, which goes with the model.",
        "",
    ]
    for title, columns, rows in tables(figures):
        lines += [f"{title}:", "", *markdown_table(columns, [tuple(map(cell, row)) for row in rows])]
    name, own = next(iter(found.items()))
    lines += [f"What {cell(name)} was asked:", ""] if own.canaries or own.answered or own.people else []
    if own.canaries:
        lines += _canary_lines(own.canaries, counts)
    if own.answered:
        lines += _pattern_lines(own.answered, counts)
    if own.people:
        lines += _name_lines(own.people)
    return "\n".join(lines)


def _canary_lines(canaries: Sequence[tuple[Canary, Exposure | None]], counts: dict[str, int] | None) -> list[str]:
    asked = [(canary, exposure) for canary, exposure in canaries if exposure]
    rows = []
    for canary, exposure in sorted(asked, key=lambda one: -one[1].bits)[:_SHOWN]:
        times = str(canary.copies) + (f" ({counts.get(canary.secret, 0)})" if counts is not None else "")
        told = f"{exposure.bits:.2f}", f"{exposure.rank:,}", _shown(exposure.rebuilt)
        rows.append((_shown(canary.text), _shown(canary.secret), times, *told))
    head = "copies (in the text)" if counts is not None else "copies"
    return markdown_table(("canaries, most exposed first", "secret", head, "bits", "rank", "rebuilt"), rows)


def _pattern_lines(answered: Sequence[Answered], counts: dict[str, int] | None) -> list[str]:
    rows = []
    for one in answered[:_SHOWN]:
        words = ", ".join(word.text for word in one.words)
        personal = ", ".join(_told(filling, counts) for filling in one.personal)
        exposure = f"{one.exposure.bits:.2f}" if one.exposure else "not spelled" if one.pattern.secret else ""
        rows.append((_shown(one.pattern.text), cell(words), personal, exposure))
    return markdown_table(("pattern", "likeliest words", "personal data filled in", "bits of the secret"), rows)


def _told(filling: Filling, counts: dict[str, int] | None) -> str:
    times = "" if counts is None or filling.text not in counts else f", {counts[filling.text]} times in the text"
    return f"{_shown(filling.text)} ({filling.personal}{times})"


def _name_lines(people: Sequence[Tied]) -> list[str]:
    rows = []
    for one in sorted(people, key=lambda one: -one.bits)[:_SHOWN]:
        ties = ", ".join(f"{tie.frame} {tie.word} {tie.probability:.1%} ({tie.others:.1%})" for tie in one.ties)
        rows.append((cell(one.name), f"{one.bits:.3f}", cell(ties)))
    return markdown_table(("name", "bits", "tied to it: word, probability (others)"), rows)


def _shown(text: str) -> str:
    return cell(visible(text))
