"""`report.md` and `ATTRIBUTION.md`: what a corpus is, where it came from, and what was left out of it.

Nothing in them depends on when or how fast a corpus was built, so the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from corpora.assemble import Assembled
from corpora.document import SPLITS
from corpora.privacy import PLACEHOLDERS
from corpora.settings import CorpusSettings
from corpora.sources.names import Source

#: What each reason means.
REASONS = {
    "bad_record": 'a line that is not the JSON object it should be (`errors = "skip"`)',
    "boilerplate": "fits a `boilerplate` expression",
    "broken_markup": "wiki markup that does not close",
    "disambiguation": "a page that only lists meanings of its title",
    "duplicate_document": "the same text as an earlier document",
    "duplicate_sentence": "a sentence that occurred `sentence_copies` times before",
    "empty_document": "a document of which nothing was left",
    "fragment": "a paragraph of a wiki page without the end of a sentence",
    "hole": "a sentence with a formula or a template in its midst, which is no text",
    "list_item": "an item of a wiki list that is not a sentence",
    "little_hangul": "less Hangul among its letters than `min_hangul`",
    "near_duplicate_document": "as similar to an earlier document as `duplicate_documents` says",
    "not_cp949": 'a line that is not text in the encoding (`errors = "skip"`)',
    "not_utf8": 'a line that is not text in the encoding (`errors = "skip"`)',
    "not_wikitext": "a page of code or data",
    "other_namespace": "a page that is no article: talk, user, template, category",
    "page_too_long": "a page longer than any wiki allows",
    "personal_data": 'a sentence with personal data (`privacy = "drop"`)',
    "redirect": "a page that only leads to another",
    "skipped_section": "a section of references, links or further reading",
    "too_long": "more characters than `max_chars`",
    "too_short": "fewer characters than `min_chars`",
}
#: Files listed one by one; the manifest lists all.
_FILES = 100
_EXAMPLES = 3
_NOT_STATED = "not stated"


class FileRecord(NamedTuple):
    """A file that went in."""

    label: str
    format: str
    bytes: int
    sha256: str


def report(
    settings: CorpusSettings,
    sources: Sequence[Source],
    files: Sequence[FileRecord],
    made: Assembled,
) -> str:
    """The text of `report.md`."""
    return "\n".join(
        [
            "# Corpus",
            "",
            *_table(
                ("split", "documents", "sentences", "characters", "bytes"),
                [(split, *(f"{value:,}" for value in made.splits[split].values())) for split in SPLITS],
            ),
            *_sources(sources, files, made),
            *_dropped(made),
            *_personal(settings, made),
            *_text(made),
            "## Settings",
            "",
            *_table(("key", "value"), _settings(settings)),
        ]
    )


def _sources(sources: Sequence[Source], files: Sequence[FileRecord], made: Assembled) -> list[str]:
    known = {source.known.name: source.known for source in sources}
    counts = made.statistics
    rows = [
        (
            _cell(name),
            _cell(origin.licence) or _NOT_STATED,
            _cell(origin.address) or _NOT_STATED,
            _cell(origin.date) or _NOT_STATED,
            f"{counts.documents[name]:,}",
            f"{counts.sentences[name]:,}",
            f"{counts.characters[name]:,}",
        )
        for name, origin in known.items()
    ]
    listed = [(_cell(file.label), file.format, f"{file.bytes:,}", f"`{file.sha256}`") for file in files[:_FILES]]
    more = [f"... and {len(files) - _FILES:,} more, all in `manifest.json`.", ""] if len(files) > _FILES else []
    columns = ("source", "licence", "address", "date", "documents", "sentences", "characters")
    return [
        "## Sources",
        "",
        *_table(columns, rows),
        *_table(("file", "read as", "bytes", "sha256"), listed),
        *more,
    ]


def _dropped(made: Assembled) -> list[str]:
    dropped = made.dropped
    rows = [(f"`{reason}`", f"{count:,}", REASONS.get(reason, "")) for reason, count in sorted(dropped.counts.items())]
    lines = ["## Left out", "", *_table(("reason", "count", "meaning"), rows)]
    lines += ["Some of it, as it stood (more in `dropped.tsv`):", ""] if dropped.examples else []
    shown = [
        (f"`{reason}`", _cell(place), _cell(text))
        for reason in sorted(dropped.counts)
        for _, place, text in [example for example in dropped.examples if example[0] == reason][:_EXAMPLES]
    ]
    return [*lines, *(_table(("reason", "place", "text"), shown) if shown else [])]


def _personal(settings: CorpusSettings, made: Assembled) -> list[str]:
    lines = ["## Personal data", ""]
    if settings.privacy == "keep":
        return [*lines, '`privacy = "keep"`: nothing was looked for.', ""]
    done = {"redact": "a placeholder stands in its place", "drop": "the sentence that held it was left out"}
    rows = [(kind, f"{made.personal[kind]:,}", f"`{mark}`") for kind, mark in PLACEHOLDERS.items()]
    note = (
        f'`privacy = "{settings.privacy}"`: {done[settings.privacy]}. Found by pattern and check digit; names, '
        "addresses and what only a reader would recognise are not looked for. Counted before duplicates were taken out."
    )
    return [*lines, note, "", *_table(("kind", "found", "placeholder"), rows)]


def _text(made: Assembled) -> list[str]:
    scripts, lengths = made.statistics.scripts(), made.statistics.lengths()
    return [
        "## Text",
        "",
        *_table(("script", "characters", "share"), _shares(scripts)),
        *_table(("characters in a sentence", "sentences", "share"), _shares(lengths)),
    ]


def _shares(counts: Mapping[str, int]) -> list[tuple[str, str, str]]:
    total = sum(counts.values()) or 1
    return [(name, f"{count:,}", f"{count / total:.2%}") for name, count in counts.items()]


def _settings(settings: CorpusSettings) -> list[tuple[str, str]]:
    names = [name for name in settings.__dataclass_fields__ if name != "sources"]
    return [(f"`{name}`", _cell(str(getattr(settings, name)))) for name in names]


def attribution(sources: Sequence[Source]) -> str:
    """The text of `ATTRIBUTION.md`: what has to go along with the corpus, and with a model made from it."""
    lines = ["# Attribution", ""]
    for known in {source.known.name: source.known for source in sources}.values():
        lines += [f"## {_cell(known.name)}", ""]
        lines += [f"* Licence: {_cell(known.licence) or _NOT_STATED}"]
        lines += [f"* By: {_cell(known.attribution)}"] if known.attribution else []
        lines += [f"* From: {_cell(known.address)}"] if known.address else []
        lines += [f"* Date: {_cell(known.date)}"] if known.date else []
        lines += [
            "* Changes: markup removed, text normalised and cut into sentences; what `report.md` lists was left out.",
            "",
        ]
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def _cell(text: str) -> str:
    """Text from outside as Markdown that shows it and does nothing else."""
    for mark in "\\|[]*_`":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())
