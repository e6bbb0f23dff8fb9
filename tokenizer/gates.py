"""Gates: what a saved vocabulary must do before the tokenizer stage publishes it.

A model is bound to its vocabulary for good: what is wrong in it cannot be mended after pretraining. So the files are
loaded as their users will load them (`transformers.AutoTokenizer`, 4.57 or 5) and held against the trainer's own
tokenizer, over all of the held-out text and over lines that have broken tokenizers before.

transformers imports torch where that is installed, though nothing here computes with it: the first load takes 2 s and
220 MB more. Therefore it is imported where it is used, and no other module of this room needs it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat, zip_longest
from pathlib import Path
from typing import Any, cast

import regex

from corpora.privacy import PLACEHOLDERS
from pipeline.errors import InputError
from pipeline.executor import in_batches
from tokenizer.odd_lines import ODD_LINES
from tokenizer.settings import SIZE_UNIT, TokenizerSettings
from tokenizer.wordpiece import CLS, SEP, SPECIAL_TOKENS, load_tokenizer

#: Raw lines -> their ids, without [CLS] and [SEP] around them.
Encode = Callable[[Sequence[str]], list[list[int]]]

#: Held-out eojeols, and such of noun+josa, below which a share of them says nothing.
EOJEOL_FLOOR, JOSA_FLOOR = 1000, 100
_BATCH = 1000
_IDS, _NFD, _DECODING = "ids", "decomposed Hangul (NFD)", "decoding"
_UNUSED = re.compile(r"\[unused\d+\]")
# White space comes and goes in decoding (▁ is SentencePiece's); control characters and U+FFFD are cleaned away.
_NOT_COMPARED = regex.compile(r"[\s\p{C}\uFFFD▁]+")
_OURS = "no recipe key mends this: install the versions in constraints.txt, and report it if it stays"


@dataclass(frozen=True)
class Gate:
    """One thing that a vocabulary must do: what was measured, what was wanted, and what to do about it."""

    name: str
    passed: bool
    found: str
    wanted: str
    #: A line, an eojeol or an entry that shows the failure.
    example: str = ""
    #: What the user can change.
    remedy: str = _OURS
    #: Whether there was enough text to tell; if not, it has passed.
    judged: bool = True

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """A row of the report's table: gate, wanted, found, verdict."""
        verdict = ("passed" if self.passed else "FAILED") if self.judged else "not judged"
        return self.name, self.wanted, self.found, verdict

    @property
    def message(self) -> str:
        """One line for the user."""
        example = f" (for example {self.example})" if self.example else ""
        return f"{self.name}: {self.found}{example}, wanted {self.wanted}; {self.remedy}"


@dataclass(frozen=True)
class Measured:
    """What others counted on held-out text, with a few examples of what went wrong."""

    #: What white space separates; those that hold an [UNK].
    eojeols: int
    unknown_eojeols: int
    #: Eojeols of a noun and a josa; those cut into pieces where the two meet.
    josa_cases: int
    josa_kept: int
    #: Entries that no text can yield.
    dead: int
    unknown_examples: tuple[str, ...] = ()
    #: Keys of `[tokenizer.coverage]` whose characters have no entry, the most to blame first.
    unknown_kinds: tuple[str, ...] = ()
    josa_examples: tuple[str, ...] = ()
    dead_examples: tuple[str, ...] = ()


def run_gates(
    folder: Path, encode: Encode, settings: TokenizerSettings, heldout: Iterable[str], measured: Measured
) -> list[Gate]:
    """Load `folder` (tokenizer.json, tokenizer_config.json, vocab.txt) as its users will, and judge it.

    `encode` is the trainer's own; `heldout` are lines, read once, a batch in memory at a time. A folder that cannot be
    loaded is a failed gate, not an exception.
    """
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        files = _read_files(folder, loaded)
    except Exception as error:  # transformers raises whatever happened below
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return [Gate("loading", False, reason, "AutoTokenizer loads the folder")]
    return [
        _special_ids(loaded),
        _kept_whole(loaded, "special tokens in text", SPECIAL_TOKENS, special=True),
        _kept_whole(loaded, "placeholders", PLACEHOLDERS.values(), special=False),
        *_compare(loaded, encode, heldout),
        _unknown(measured, settings),
        _josa(measured, settings),
        Gate("dead entries", not measured.dead, f"{measured.dead:,}", "none", _shown(*measured.dead_examples)),
        _unused(files["tokenizer.json"], settings.unused),
        _size(len(loaded)),
        _files_agree(files),
    ]


def stop_if_failed(gates: Iterable[Gate]) -> None:
    """Raise InputError with a line for each gate that failed."""
    gates = list(gates)
    failed = [gate.message for gate in gates if not gate.passed]
    if failed:
        reasons = "\n  ".join(failed)
        raise InputError(f"the vocabulary is not published, it fails {len(failed)} of {len(gates)} gates:\n  {reasons}")


def _ids(loaded: Any, lines: Sequence[str]) -> list[list[int]]:
    batch = loaded(list(lines), add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False)
    return cast(list[list[int]], batch["input_ids"])


def _special_ids(loaded: Any) -> Gate:
    wrong = []
    for number, token in enumerate(SPECIAL_TOKENS):
        known, entry = getattr(loaded, f"{token[1:-1].lower()}_token_id"), loaded.convert_ids_to_tokens(number)
        if known != number or entry != token:
            wrong.append(f"id {number} is {entry} and {token} has id {known}")
    if others := sorted(set(loaded.all_special_tokens) - set(SPECIAL_TOKENS)):
        wrong.append(f"{', '.join(others)} is special too")
    first, second = _ids(loaded, ["가", "나"])
    one, two = [loaded.cls_token_id, *first, loaded.sep_token_id], [*second, loaded.sep_token_id]
    framed = loaded("가", "나")
    if framed["input_ids"] != one + two or framed.get("token_type_ids") != [0] * len(one) + [1] * len(two):
        wrong.append(f"a pair is not framed as {CLS} a {SEP} b {SEP} with types 0 and 1")
    wanted = f"{' '.join(SPECIAL_TOKENS)} as ids 0 to 4, and {CLS} a {SEP} b {SEP} around a pair"
    return Gate("special tokens", not wrong, "; ".join(wrong[:2]) or "in order", wanted)


def _kept_whole(loaded: Any, name: str, tokens: Collection[str], special: bool) -> Gate:
    """Whether each of `tokens` stays one id where it is glued between Hangul."""
    wrong = [reason for token in tokens if (reason := _broken(loaded, token, special))]
    wanted = f"each one id inside a word, {'' if special else 'not '}special"
    return Gate(name, not wrong, f"{len(tokens) - len(wrong)} of {len(tokens)}", wanted, "; ".join(wrong[:1]))


def _broken(loaded: Any, token: str, special: bool) -> str:
    """What is wrong with a token, empty if nothing is."""
    number = loaded.convert_tokens_to_ids(token)
    if number is None or loaded.convert_ids_to_tokens(number) != token:
        return f"there is no {token}"
    line = f"가나{token}다라"
    before, ids, after = _ids(loaded, ["가나", line, "다라"])
    wanted = before.count(number) + 1 + after.count(number)
    if ids.count(number) != wanted:
        return f"{line} becomes {' '.join(loaded.convert_ids_to_tokens(ids))}"
    if loaded.decode(ids).count(token) != wanted:
        return f"{line} is decoded as {loaded.decode(ids)}"
    dropped = token not in loaded.decode(ids, skip_special_tokens=True)
    if not special == dropped == (token in loaded.all_special_tokens):
        return f"{token} is {'not ' * special}special"
    return ""


def _compare(loaded: Any, encode: Encode, heldout: Iterable[str]) -> list[Gate]:
    """The gates that look at every line."""
    failed: Counter[str] = Counter()
    first: dict[str, str] = {}
    lines = judged = 0
    numbered = ((f"held-out line {number:,}", line) for number, line in enumerate(heldout, 1))
    for batch in in_batches(chain(zip(repeat("the built-in line"), ODD_LINES), numbered), _BATCH):
        texts = [line for _, line in batch]
        nfd = _ids(loaded, [unicodedata.normalize("NFD", line) for line in texts])
        for (name, line), own, ids, apart in zip(batch, encode(texts), _ids(loaded, texts), nfd, strict=True):
            lines += 1
            judged += loaded.unk_token_id not in ids
            for gate, reason in _failures(loaded, line, list(own), ids, apart):
                failed[gate] += 1
                first.setdefault(gate, f"{name} {_shown(line)}: {reason}")
    gates = (
        (_IDS, f"{lines:,} lines differ", "the trainer's ids from AutoTokenizer"),
        (_NFD, f"{lines:,} lines differ", "the ids of composed Hangul"),
        (_DECODING, f"{judged:,} lines without [UNK] come back changed", "the text up to spacing"),
    )
    return [
        Gate(name, not failed[name], f"{failed[name]:,} of {of}", to, first.get(name, "")) for name, of, to in gates
    ]


def _failures(loaded: Any, line: str, own: list[int], ids: list[int], nfd: list[int]) -> Iterator[tuple[str, str]]:
    """Gates that a line fails, and how."""
    if ids != own:
        yield _IDS, _difference(loaded, ids, own, "the trainer's")
    if ids != nfd:
        yield _NFD, _difference(loaded, nfd, ids, "composed")
    if loaded.unk_token_id not in ids and _comparable(text := loaded.decode(ids)) != _comparable(line):
        yield _DECODING, _shown(text)


def _comparable(text: str) -> str:
    # Composed again: what stood between two letters may be gone.
    return unicodedata.normalize("NFC", _NOT_COMPARED.sub("", unicodedata.normalize("NFC", text)))


def _difference(loaded: Any, found: Sequence[int], wanted: Sequence[int], whose: str) -> str:
    """The pieces of both from where they part."""
    pairs = enumerate(zip_longest(found, wanted))
    start = next(place for place, (one, other) in pairs if one != other)
    parts = [" ".join(map(str, loaded.convert_ids_to_tokens(list(ids[start : start + 4])))) for ids in (found, wanted)]
    return f"{parts[0] or 'nothing'} where {whose} are {parts[1] or 'nothing'}"


def _shown(*texts: str) -> str:
    """The first five of `texts`, each shortened, invisible characters as their codes."""
    return ", ".join(repr(text if len(text) <= 40 else text[:39] + "…") for text in texts[:5])


def _unknown(measured: Measured, settings: TokenizerSettings) -> Gate:
    share, most = measured.unknown_eojeols / max(measured.eojeols, 1), settings.gates.max_unknown
    found = f"{share:.3%} ({measured.unknown_eojeols:,} of {measured.eojeols:,}) hold an [UNK]"
    if measured.eojeols < EOJEOL_FLOOR:
        return Gate("unknown eojeols", True, f"only {measured.eojeols:,} eojeols", f"at most {most:.3%}", judged=False)
    shares = {kind: getattr(settings.coverage, kind) for kind in measured.unknown_kinds}
    keys = [f"tokenizer.coverage.{kind} ({share:g})" for kind, share in shares.items() if share < 1]
    remedy = f"raise {', '.join(keys)}{' or ' * bool(keys)}tokenizer.gates.max_unknown"
    examples = _shown(*measured.unknown_examples)
    return Gate("unknown eojeols", share <= most, found, f"at most {most:.3%}", examples, remedy)


def _josa(measured: Measured, settings: TokenizerSettings) -> Gate:
    kept, cases, least = measured.josa_kept, measured.josa_cases, settings.gates.min_josa
    wanted = f"at least {least:.2%}"
    if cases < JOSA_FLOOR:
        return Gate("josa boundaries", True, f"only {cases:,} cases", wanted, judged=False)
    found = f"{kept / cases:.2%} ({kept:,} of {cases:,}) are boundaries of pieces"
    other = (
        ""
        if settings.algorithm in ("morpheme", "particle")
        else 'set tokenizer.algorithm to "particle" or "morpheme", or '
    )
    remedy = f"{other}lower tokenizer.gates.min_josa"
    return Gate("josa boundaries", kept / cases >= least, found, wanted, _shown(*measured.josa_examples), remedy)


def _unused(entries: Mapping[int, str], wanted: int) -> Gate:
    slots = {piece for piece in entries.values() if _UNUSED.fullmatch(piece)}
    missing = [f"no {name}" for number in range(wanted) if (name := f"[unused{number}]") not in slots]
    remedy = f"lower tokenizer.unused ({wanted}) or raise tokenizer.vocab_size"
    return Gate("unused slots", not missing, f"{len(slots):,}", f"{wanted:,} or more", "".join(missing[:1]), remedy)


def _size(size: int) -> Gate:
    smaller = max(size // SIZE_UNIT, 1) * SIZE_UNIT
    remedy = f"set tokenizer.vocab_size to {smaller} or give it more text"
    return Gate("vocabulary size", size % SIZE_UNIT == 0, f"{size:,}", f"a multiple of {SIZE_UNIT}", "", remedy)


def _read_files(folder: Path, loaded: Any) -> dict[str, dict[int, str]]:
    """id -> entry as each of the three tells it."""
    # Split at line feeds alone: an entry may hold what str.splitlines takes for the end of a line.
    listed = (folder / "vocab.txt").read_bytes().decode().removesuffix("\n").split("\n")
    told = {"tokenizer.json": load_tokenizer(folder).get_vocab(), "AutoTokenizer": loaded.get_vocab()}
    named = {name: {number: piece for piece, number in ids.items()} for name, ids in told.items()}
    return {"vocab.txt": dict(enumerate(listed)), **named}


def _files_agree(files: Mapping[str, Mapping[int, str]]) -> Gate:
    numbers = range(max(max(entries, default=-1) for entries in files.values()) + 1)
    told = {number: {name: entries.get(number, "nothing") for name, entries in files.items()} for number in numbers}
    wrong = [number for number, names in told.items() if len(set(names.values())) > 1]
    example = f"id {wrong[0]}: " + ", ".join(f"{told[wrong[0]][name]} in {name}" for name in files) if wrong else ""
    return Gate("files agree", not wrong, f"{len(wrong):,} ids differ", f"the same in {', '.join(files)}", example)
