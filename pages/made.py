"""What a model was made from: corpus, tokenizer and examples, in figures of the manifests and tables of the stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from corpora.report import REASONS
from pages.document import Block, Code, Fold, Link, Listing, Missing, Notice, Share, Table, Tiles, paragraph, table
from pages.gather import Part, Run
from pages.stage_report import Chapter, chapter, read_chapters
from pages.training import is_number

_SPLITS = ("train", "heldout")
_COUNTS = ("documents", "sentences", "characters", "bytes")
#: Examples shown open, of those that the stage wrote down.
_EXAMPLES = 5
#: What a source says of itself.
_ORIGIN = ("name", "licence", "attribution", "address", "date")


def corpus(run: Run) -> tuple[Block, ...]:
    """Sizes, sources with their licences, what was left out and why."""
    part = run["corpus"]
    if part.manifest is None:
        return _absent(part, "corpus")
    figures, chapters = part.figures, read_chapters(part.text("report.md"))
    rows = [
        (split, *(f"{figures[split][count]:,}" for count in _COUNTS))
        for split in _SPLITS
        if isinstance(figures.get(split), dict)
    ]
    blocks: list[Block] = [table("Size", ("split", *_COUNTS), rows)]
    blocks += _sources(part)
    blocks += _dropped(figures.get("dropped", {}), chapters)
    personal = chapter(chapters, "Personal data")
    blocks += [Fold("Personal data", personal)] if personal else []
    text = [
        replace(block, title=block.columns[0].capitalize())
        for block in chapter(chapters, "Text")
        if isinstance(block, Table)
    ]
    blocks += [Fold("Scripts and lengths of sentences", tuple(text))] if text else []
    return tuple(blocks)


def _sources(part: Part) -> list[Block]:
    origins = [origin for origin in part.settings.get("names", []) if isinstance(origin, dict)]
    if not origins:
        return []
    documents = {split: dict(part.figures.get("runs", {}).get(split, [])) for split in _SPLITS}
    rows = []
    for origin in origins:
        name, licence, by, address, date = (str(origin.get(key) or "") for key in _ORIGIN)
        place = Link(address, address) if address.startswith(("http://", "https://")) else address or "not stated"
        count = sum(documents[split].get(name, 0) for split in _SPLITS)
        rows.append((name, licence or "not stated", by or "–", place, date or "not stated", f"{count:,}"))
    blocks: list[Block] = [table("Sources", ("source", "licence", "by", "address", "date", "documents"), rows)]
    silent = sum(not origin.get("licence") for origin in origins)
    if silent:
        whose = "The licence of the source is" if len(origins) == 1 else f"The licences of {silent} sources are"
        blocks.append(Notice(f"{whose} not stated: who hands the model on has to know it."))
    return blocks


def _dropped(dropped: dict[str, int], chapters: Sequence[Chapter]) -> list[Block]:
    if not dropped:
        return [paragraph("Nothing was left out.")]
    total = sum(dropped.values())
    rows = [
        (reason, f"{count:,}", Share(count / total), REASONS.get(reason, "").replace("`", ""))
        for reason, count in sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    ]
    left_out = table("Left out, by reason", ("reason", "count", "share of what was left out", "meaning"), rows)
    shown = [block for block in chapter(chapters, "Left out") if isinstance(block, Table) and "text" in block.columns]
    return [left_out, *([Fold("Some of what was left out", tuple(shown))] if shown else [])]


def tokenizer(run: Run) -> tuple[Block, ...]:
    """Figures, gates, [UNK], particles, sentences in pieces."""
    part = run["tokenizer"]
    if part.manifest is None:
        return _absent(part, "tokenizer")
    figures, chapters = part.figures, read_chapters(part.text("report.md"))
    known = (
        ("vocab_size", "entries", "{:,}"),
        ("tokens_per_eojeol", "tokens per eojeol", "{:.3f}"),
        ("unknown_share", "eojeols with [UNK]", "{:.2%}"),
        ("josa_kept", "noun and josa kept apart", "{:.2%}"),
    )
    tiles = [(title, form.format(figures[name]), "") for name, title, form in known if is_number(figures.get(name))]
    blocks: list[Block] = [Tiles(tuple(tiles))]
    if part.settings.get("tokenizer"):
        algorithm = str(part.settings["tokenizer"].get("algorithm", "not known"))
        on = str(figures.get("measured_on", "unknown")).replace("heldout", "held-out").replace("train", "training")
        blocks.append(paragraph("Algorithm ", Code(algorithm), f"; measured on {on} text."))
    if not chapters[1:]:
        return (*blocks, Missing("The tokenizer's own report is not there.", "make tokenizer"))
    blocks += [*chapter(chapters, "Gates")]
    for title in ("Sentences as a model sees them", "Noun and josa", "Unknown characters", "Fit, by source"):
        found = chapter(chapters, title)
        blocks += [Fold(title, found)] if found else []
    for title in ("Alphabet", "Entries", "Most frequent pieces"):
        found = chapter(chapters, title)
        blocks += [Fold(title, found)] if found else []
    return tuple(blocks)


def examples(run: Run) -> tuple[Block, ...]:
    """What a step reads."""
    part = run["examples"]
    if part.manifest is None:
        return _absent(part, "examples")
    chapters = read_chapters(part.text("report.md"))
    told = chapter(chapters, "Examples")
    blocks: list[Block] = []
    for block in told:
        if isinstance(block, Table) and not any(block.columns):
            block = Table("Examples", ("figure", "value"), block.rows)
        if not isinstance(block, Table) or block.rows:
            blocks.append(block)
    blocks = [block for block in blocks if block.kind in ("paragraph", "table")][:2]
    counts = [(int(most), int(count)) for most, count in part.figures.get("lengths", [])]
    total = sum(count for _, count in counts) or 1
    lengths = [(str(most), f"{count:,}", Share(count / total)) for most, count in counts]
    blocks.append(Fold("Lengths", (table("Lengths", ("tokens, up to", "examples", "share"), lengths),)))
    shown = part.text("examples.txt").strip("\n").split("\n\n")
    if any(shown):
        blocks.append(Listing(f"{min(_EXAMPLES, len(shown))} of them", "\n\n".join(shown[:_EXAMPLES])))
    return tuple(blocks)


def _absent(part: Part, what: str) -> tuple[Block, ...]:
    if part.problem:
        return (Notice(part.problem), Missing(f"So there is no {what} to show.", f"make {what}"))
    return (Missing(f"There is no {what} at {part.folder}.", f"make {what}"),)
