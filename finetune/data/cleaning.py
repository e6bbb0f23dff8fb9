"""Cleaning as a list of named steps, in the order of the recipe: `cleaning = ["byte_strings", "markup", "repeats:3"]`.

A step takes a text and gives a text, or None to drop its row. Some take an argument behind a colon. The list as
`resolve_steps` gives it is whole in itself (a file of stop words is in it as words), so it can be kept with a model and
does to a text at prediction what it did in training; only, nothing is dropped then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from corpora.clean import clean_line, shorten_repeats
from finetune.data import noise
from finetune.data.addresses import cut_addresses
from finetune.data.decoding import read_lines
from finetune.data.duplicates import drop_duplicates
from finetune.data.english import lemmatise_english, stem_english
from finetune.data.known import Kind
from finetune.data.rows import Answer, Row, Rows, Span
from pipeline.errors import InputError

Clean = Callable[[str], str | None]
#: What stands between a step's name and the words that a file of stop words held.
_WORDS = "="
#: The step that looks at all rows, not at one.
DUPLICATES = "duplicates"
#: Rows left without any text are counted under this name, whichever step emptied them.
EMPTY = "empty"
_EDGES = "\"'“”‘’()[]{}.,!?~…·:;"


@dataclass(frozen=True)
class Step:
    """`make` gives the function for an argument; `default` is the argument without one, None if it must be given."""

    about: str
    make: Callable[[str], Clean]
    default: str | None = ""
    changes: bool = True


def _plain(function: Callable[[str], str]) -> Callable[[str], Clean]:
    def make(argument: str) -> Clean:
        if argument:
            raise ValueError("takes no argument")
        return function

    return make


def _repeats(argument: str) -> Clean:
    most = _number(argument)
    return lambda text: shorten_repeats(text, most)


def _too_short(argument: str) -> Clean:
    least = _number(argument)
    return lambda text: text if len("".join(text.split())) >= least else None


def _stop_words(argument: str) -> Clean:
    words = frozenset(word.casefold() for word in argument.split())

    def clean(text: str) -> str:
        kept = [word for word in text.split() if not {word.casefold(), word.strip(_EDGES).casefold()} & words]
        return " ".join(kept)

    return clean


def _number(argument: str) -> int:
    if not argument.isascii() or not argument.isdigit() or int(argument) < 1:
        raise ValueError("takes a whole number from 1, as too_short:5")
    return int(argument)


#: In the order that suits most data: what was written out is undone first, what would hide something is cut last.
STEPS: dict[str, Step] = {
    "byte_strings": Step("b'...' literals decoded", _plain(noise.decode_bytes)),
    "escapes": Step("\\n, \\uac00, \\xea as characters", _plain(noise.undo_escapes)),
    "entities": Step("HTML entities as characters", _plain(noise.undo_entities)),
    "markup": Step("HTML tags cut", _plain(noise.cut_markup)),
    "line_breaks": Step("line breaks as spaces", _plain(noise.join_lines)),
    "urls": Step("URLs as [URL]", _plain(noise.mark_urls)),
    "emails": Step("e-mail addresses as [EMAIL]", _plain(noise.mark_emails)),
    "phones": Step("telephone numbers as [PHONE]", _plain(noise.mark_phones)),
    "addresses": Step("postal addresses cut, Korean and US", _plain(cut_addresses)),
    "special_characters": Step("symbols, emoji and the like cut", _plain(noise.cut_special)),
    "repeats": Step("runs of a character cut to two: ㅋㅋㅋㅋ as ㅋㅋ", _repeats, "2"),
    "stop_words": Step("words of a file cut: stop_words:FILE", _stop_words, None),
    "lemmatise_english": Step("English words as in a dictionary", _plain(lemmatise_english)),
    "stem_english": Step("English words as stems", _plain(stem_english)),
    "spaces": Step("NFC, runs of white space as one space", _plain(clean_line)),
    "too_short": Step("rows of fewer characters than this dropped", _too_short, "2", changes=False),
    DUPLICATES: Step("rows that stand there already dropped", _plain(str), changes=False),
}


def resolve_steps(steps: Sequence[str], kind: Kind | None = None) -> tuple[str, ...]:
    """The steps checked and whole: arguments written out, the words of a file of stop words in the place of its name.

    Raises InputError for a step there is not, a wrong argument, one named twice, a file that cannot be read, and for
    steps that change texts where targets are places in them (`kind` ner or qa).
    """
    resolved: list[str] = []
    for step in steps:
        name, argument = _split(step)
        found = STEPS.get(name)
        if found is None:
            raise InputError(f"finetune.cleaning: no step {name!r}; there are: {', '.join(STEPS)}")
        if any(_split(other)[0] == name for other in resolved):
            raise InputError(f"finetune.cleaning: step {name!r} stands twice; remove one")
        if kind in ("ner", "qa") and found.changes:
            raise InputError(_refused(name, f"task kind {kind}"))
        if name == "stop_words" and _WORDS not in step:
            argument = " ".join(_words(argument))
            resolved.append(f"{name}{_WORDS}{argument}")
        else:
            argument = argument or found.default or ""
            resolved.append(step if _WORDS in step else f"{name}:{argument}" if argument else name)
        _make(name, argument)
    return tuple(resolved)


def clean_text(text: str, steps: Sequence[str]) -> str | None:
    """A text through all steps; None if one of them drops it or nothing is left."""
    for _, function in _functions(steps):
        cleaned = function(text)
        if cleaned is None:
            return None
        text = cleaned
    return text.strip() or None


def clean(rows: Rows, steps: Sequence[str], keep: bool = False) -> tuple[Rows, dict[str, int]]:
    """Rows through the steps, and how many rows each step changed or dropped (0 is told too).

    With `keep`, for prediction, no row is dropped: one that would be stays with what it has, or with its own text if
    nothing is left. Raises InputError for what `resolve_steps` raises.
    """
    steps = resolve_steps(steps)
    _check_targets(rows, steps)
    counts = {_split(step)[0]: 0 for step in steps} | {EMPTY: 0}
    functions = _functions(steps)
    kept: list[Row] = []
    for row in rows.rows:
        cleaned = _clean_row(row, functions, counts, keep)
        if cleaned is not None:
            kept.append(cleaned)
    cleaned_rows = replace(rows, rows=tuple(kept))
    if DUPLICATES in counts and not keep:
        cleaned_rows, counts[DUPLICATES] = drop_duplicates(cleaned_rows)
    if not cleaned_rows.rows and rows.rows:
        raise InputError(f"{rows.path}: finetune.cleaning drops every row: {counts}; take steps out")
    if not counts[EMPTY]:
        del counts[EMPTY]
    return cleaned_rows, counts


def _clean_row(row: Row, functions: Sequence[tuple[str, Clean]], counts: dict[str, int], keep: bool) -> Row | None:
    now = row
    for name, function in functions:
        texts = [text if text is None else function(text) for text in (now.text, now.pair)]
        if texts[0] is None or (texts[1] is None and now.pair is not None):
            counts[name] += 1
            if keep:
                continue
            return None
        if (texts[0], texts[1]) != (now.text, now.pair):
            counts[name] += 1
            now = replace(now, text=texts[0], pair=texts[1])
    if not _is_offset(row):
        now = replace(now, text=now.text.strip(), pair=now.pair and now.pair.strip())
    if now.text.strip() and (now.pair is None or now.pair.strip()):
        return now
    counts[EMPTY] += 1
    return row if keep else None


def _functions(steps: Sequence[str]) -> list[tuple[str, Clean]]:
    return [(name, _make(name, argument)) for name, argument in map(_split, steps) if name != DUPLICATES]


def _make(name: str, argument: str) -> Clean:
    step = STEPS[name]
    if not argument and step.default is None:
        raise InputError(f"finetune.cleaning: step {name} needs an argument: {step.about}")
    try:
        return step.make(argument or step.default or "")
    except ValueError as error:
        raise InputError(f"finetune.cleaning: step {name} {error}") from None


def _split(step: str) -> tuple[str, str]:
    """(name, argument) of `name`, `name:argument` or `stop_words=words`."""
    for mark in (_WORDS, ":"):
        name, found, argument = step.partition(mark)
        if found and name in STEPS:
            return name, argument
    return step.partition(":")[0], step.partition(":")[2]


def _words(name: str) -> list[str]:
    path = Path(name)
    if not name or not path.is_file():
        raise InputError(f"finetune.cleaning: stop_words needs a file with a word a line; there is no {name!r}")
    words = [word for _, line in read_lines(path) for word in line.split()]
    if not words:
        raise InputError(f"{path} holds no words; write a stop word a line")
    return list(dict.fromkeys(words))


def _is_offset(row: Row) -> bool:
    target = row.target
    return isinstance(target, tuple) and bool(target) and isinstance(target[0], Span | Answer)


def _check_targets(rows: Rows, steps: Sequence[str]) -> None:
    if not any(map(_is_offset, rows.rows)):
        return
    for name, _ in map(_split, steps):
        if STEPS[name].changes:
            raise InputError(_refused(name, str(rows.path)))


def _refused(name: str, what: str) -> str:
    allowed = ", ".join(step for step in STEPS if not STEPS[step].changes)
    return (
        f"finetune.cleaning: step {name!r} changes texts, but the targets of {what} are places in them; "
        f"leave it out (allowed: {allowed})"
    )
