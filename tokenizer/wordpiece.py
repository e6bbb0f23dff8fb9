"""A WordPiece vocabulary as a tokenizer: built, saved for `AutoTokenizer`, loaded, and continued after a mask.

Saved as `tokenizer.json` + `tokenizer_config.json` with the class `PreTrainedTokenizerFast`: with it
`AutoTokenizer` keeps `tokenizer.json` as it is, in transformers 4.57 and 5. Under the class name `BertTokenizer`,
transformers 5 rebuilds the normaliser without NFC, and decomposed Hangul turns into [UNK].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, processors

from corpora.privacy import PLACEHOLDERS
from pipeline.artifact import Kind
from pipeline.errors import InputError
from tokenizer.normalize import korean_normalizer, word_splitter

#: What the tokenizer stage makes.
TOKENIZER = Kind("tokenizer", 2, "make tokenizer")

PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
#: What marks a piece that continues a word.
PREFIX = "##"
#: A word of more characters is [UNK]; longest-match search is quadratic in a word's length.
LONGEST_WORD = 100

#: The three files a tokenizer consists of.
FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")


def build_tokenizer(vocabulary: Sequence[str]) -> Tokenizer:
    """A tokenizer over `vocabulary` (entry -> its index), special tokens first, `[CLS] a [SEP] b [SEP]` around text."""
    if tuple(vocabulary[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise ValueError(f"a vocabulary begins with {SPECIAL_TOKENS}, not {vocabulary[: len(SPECIAL_TOKENS)]}")
    tokenizer = Tokenizer(longest_match(vocabulary))
    tokenizer.normalizer = korean_normalizer()
    tokenizer.pre_tokenizer = word_splitter()
    tokenizer.decoder = decoders.WordPiece(prefix=PREFIX)
    return frame(tokenizer)


def longest_match(vocabulary: Sequence[str]) -> models.WordPiece:
    """The model alone, which splits a word. Raises ValueError for an entry that stands twice."""
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    if len(ids) != len(vocabulary):
        raise ValueError("the vocabulary names an entry twice")
    return models.WordPiece(ids, unk_token=UNK, continuing_subword_prefix=PREFIX, max_input_chars_per_word=LONGEST_WORD)


def reserved_entries(unused: int) -> list[str]:
    """What every vocabulary begins with: special tokens, placeholders of personal data, `[unused0]`, ..."""
    return [*SPECIAL_TOKENS, *PLACEHOLDERS.values(), *(f"[unused{number}]" for number in range(unused))]


def frame(tokenizer: Tokenizer) -> Tokenizer:
    """Add what all tokenizers have in common: special tokens, `[CLS] a [SEP] b [SEP]`, placeholders."""
    ids = {piece: tokenizer.token_to_id(piece) for piece in (*SPECIAL_TOKENS, *PLACEHOLDERS.values())}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(CLS, ids[CLS]), (SEP, ids[SEP])],
    )
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    # Found in text and kept whole, as words are that they stand for; not special, so a model learns to predict them.
    placeholders = [mark for mark in PLACEHOLDERS.values() if ids[mark] is not None]
    tokenizer.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in placeholders])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, max_length: int | None = None) -> None:
    """Write `FILES` into `folder`; `max_length` (tokens) is the longest input of the model it goes with, if known."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    }
    if max_length is not None:
        config["model_max_length"] = max_length
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocabulary_of(tokenizer)), "utf-8")


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder; raises InputError if there is none."""
    path = folder / "tokenizer.json"
    try:
        return Tokenizer.from_str(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"no tokenizer.json in {folder}") from None
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{path} is not a tokenizer: {error}") from None


def vocabulary_of(tokenizer: Tokenizer) -> list[str]:
    """Entries in the order of their ids."""
    by_id = sorted((number, piece) for piece, number in tokenizer.get_vocab(with_added_tokens=True).items())
    return [piece for _, piece in by_id]


def continue_word(vocabulary: dict[str, int], word: str) -> list[int] | None:
    """Ids of `word` as the continuation of a word that began before it: 를 -> `##를`; None if it cannot be spelled.

    A gap's particle is glued to the gap (`[MASK]를`). The tokenizer splits at the mask and would take 를 for the
    beginning of a word, which the model never saw there. Longest match first, as WordPiece does.
    """
    ids: list[int] = []
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            number = vocabulary.get(PREFIX + word[start:end])
            if number is not None:
                ids.append(number)
                start = end
                break
        else:
            return None
    return ids
