"""A model card's sections on what the model was made from: texts, tokenizer, and the limits that follow."""

from __future__ import annotations

from typing import Any

from pretrain.lineage import ATTRIBUTION, Lineage
from tokenizer.markdown import cell, table

_NOT_STATED = "not stated"
#: Files of a corpus that are listed one by one.
_FILES = 20
_PRIVACY = {
    "redact": "found by pattern and check digit, and replaced by a placeholder",
    "drop": "found by pattern and check digit; the sentence that held it was left out",
    "keep": "not looked for: whatever the texts hold, the model may have learned",
}


def data_section(lineage: Lineage) -> str:
    """Texts, with licences, attribution, dates and sizes; what is not known is said."""
    lines = ["## Training data", ""]
    if lineage.gaps:
        lines += [
            "Not all of what the model was made from could be found when it was exported, and is not guessed:",
            "",
        ]
        lines += [f"* {gap}" for gap in lineage.gaps] + [""]
    corpus = lineage.corpus.manifest
    if corpus is None:
        return "\n".join([*lines, "Sources, licences and dates of the texts are therefore not known here."])
    names = corpus.settings.get("names", [])
    rows = [
        tuple(
            cell(_text(known.get(key))) or _NOT_STATED for key in ("name", "licence", "attribution", "address", "date")
        )
        for known in names
    ]
    lines += table(("source", "licence", "by", "from", "date"), rows)
    lines += table(
        ("split", "documents", "sentences", "characters"),
        [_split(corpus.figures, split) for split in ("train", "heldout")],
    )
    tokens = lineage.examples.figures.get("tokens", {}).get("train")
    lines += [
        f"{tokens:,} tokens to train on. " if tokens else "",
        f"The corpus was built on {corpus.created[:10]}.",
        "",
    ]
    lines += ["The files that were read:", "", *_files(corpus.inputs)]
    if lineage.attribution:
        lines += [f"[{ATTRIBUTION}]({ATTRIBUTION}) has to go along with the model."]
    else:
        lines += [f"The corpus has no `{ATTRIBUTION}` as it was written, so none goes along."]
    return "\n".join(lines)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _split(figures: dict[str, Any], split: str) -> tuple[str, ...]:
    found = figures.get(split, {})
    return split, *(f"{found.get(unit, 0):,}" for unit in ("documents", "sentences", "characters"))


def _files(inputs: dict[str, str]) -> list[str]:
    rows = [(cell(label.partition(" ")[2]), f"`{digest}`") for label, digest in list(inputs.items())[:_FILES]]
    more = [f"... and {len(inputs) - _FILES:,} more.", ""] if len(inputs) > _FILES else []
    return [*table(("file", "sha256"), rows), *more]


def tokenizer_section(lineage: Lineage, vocab_size: int) -> str:
    """Algorithm, size, and what was measured when the vocabulary was learned."""
    lines = ["## Tokenizer", ""]
    settings, figures = lineage.tokenizer.settings, lineage.tokenizer.figures
    rows = [("entries", f"{vocab_size:,}")]
    if figures:
        rows = [("algorithm", cell(str(settings.get("algorithm", _NOT_STATED)))), *rows]
        told = (
            ("reserved, without a meaning yet", "unused", ","),
            ("tokens per eojeol (space-separated word)", "tokens_per_eojeol", ".3f"),
            ("eojeols with [UNK]", "unknown_share", ".3%"),
            ("nouns kept apart from their particle", "josa_kept", ".1%"),
        )
        rows += [(words, format(figures[name], form)) for words, name, form in told if name in figures]
        rows += [("measured on", f"{cell(str(figures['measured_on']))} text")] if "measured_on" in figures else []
    lines += table(("", "value"), rows)
    return "\n".join(lines if figures else [*lines, "How it was learned is not known here."])


def limits_section(lineage: Lineage, positions: int) -> str:
    """What the model cannot do or may do wrong."""
    corpus = lineage.corpus.manifest
    privacy = corpus.settings.get("corpus", {}).get("privacy") if corpus else None
    found = {kind: count for kind, count in (corpus.figures.get("personal", {}) if corpus else {}).items() if count}
    counted = f" ({', '.join(f'{count:,} {cell(kind)}' for kind, count in sorted(found.items()))})" if found else ""
    personal = f"{_PRIVACY[privacy]}{counted}" if privacy in _PRIVACY else "it is not known how it was treated"
    sources = len(corpus.settings.get("names", [])) if corpus else 0
    register = "its texts, which are not known here"
    if sources:
        register = f"the {sources} sources listed above" if sources > 1 else "the one source listed above"
    return f"""## Limits

* Personal data: {personal}. Names, addresses and what only a reader would recognise were not looked for in any case:
  what the model gives away of them is to be tried out before it is handed on.
* Register: it knows the language and the opinions of {register}, and little of others.
* Languages: it was made for Korean. Other languages are in it as far as they stand in the texts.
* Length: up to {positions:,} tokens; what is longer has to be cut.
* It fills gaps and is to be fine-tuned. It does not write text, and what it fills in is likely, not true.
"""
