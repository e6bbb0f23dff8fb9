"""The compiled longest match against the library's, for any vocabulary, any word and every character."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models

from tokenizer.match import Matcher
from tokenizer.normalize import korean_normalizer, word_splitter
from tokenizer.wordpiece import load_tokenizer


def tokenizer_of(pieces: list[str], longest: int = 100) -> Tokenizer:
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(["[UNK]", *pieces]))}
    model = models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=longest)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer, tokenizer.pre_tokenizer = korean_normalizer(), word_splitter()
    return tokenizer


def check(tokenizer: Tokenizer, texts: list[str], matcher: Matcher | None = None) -> int:
    """What is matched is what the library gives; returns how many eojeols were handed back."""
    joined, (ids, counts, others) = (matcher or Matcher(tokenizer)).match(texts)
    assert joined == "".join(texts)
    of_texts = iter(np.split(ids, np.cumsum(counts)[:-1])) if len(texts) else iter(())
    begin = place = 0
    for number, text in enumerate(texts):
        # What was handed back is left out on both sides, an eojeol at a time.
        gone = others[others[:, 0] == number]
        kept, left = [], list(text)
        for _, at, first, last in gone.tolist():
            assert place <= at <= place + counts[number]
            assert " " not in joined[first:last]
            left[first - begin : last - begin] = ["\0"] * (last - first)
        kept = "".join(left).replace("\0", "")
        assert next(of_texts).tolist() == tokenizer.encode(kept, add_special_tokens=False).ids, text
        begin, place = begin + len(text), place + int(counts[number])
    return len(others)


PIECE = st.text("가나다a1", min_size=1, max_size=4)
WORD = st.text("가나다라a1.,(", max_size=12)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(PIECE), st.lists(PIECE), st.lists(st.lists(WORD, max_size=12).map(" ".join), max_size=20))
def test_any_vocabulary(beginnings: list[str], continuations: list[str], texts: list[str]) -> None:
    assert check(tokenizer_of([*beginnings, *(f"##{piece}" for piece in continuations), "."]), texts) == 0


@pytest.mark.parametrize("prefix", ["##", "###", "####가"])
def test_pieces_that_look_like_the_prefix(prefix: str) -> None:
    assert check(tokenizer_of([prefix, "#", "##가", "가"]), ["## ### 가## ##가 가#가 #", "####가"]) == 0


def test_words_that_are_too_long() -> None:
    tokenizer = tokenizer_of(["가", "##가"], longest=10)
    texts = ["가" * 9, "가" * 10, "가" * 11, f"가 {'가' * 30} 가", f"{'가' * 11}.{'가' * 10}"]
    assert check(tokenizer, texts) == 0


def test_no_text() -> None:
    for texts in ([], [""], ["", " ", "   "]):
        assert check(tokenizer_of(["가"]), texts) == 0


@pytest.mark.slow
@pytest.mark.parametrize("around", ["가{0}나 {0}", "か{0}{0}", "{0}\u0301 {0} 가"])
def test_every_character(sample_tokenizer: Path, around: str) -> None:
    """In the midst of a word, alone, before and after what composes, doubled: all of the first plane, some beyond."""
    tokenizer = load_tokenizer(sample_tokenizer)
    tokenizer.encode_special_tokens = True
    codes = [*range(0xD800), *range(0xE000, 0x10000), *range(0x10000, 0x30000, 37)]
    texts = [around.format(chr(code)) for code in codes if code]
    eojeols = sum(len(text.split(" ")) for text in texts)
    assert check(tokenizer, texts, Matcher(tokenizer)) < 0.6 * eojeols, "and what is common was matched"


def test_korean_text_is_matched_and_not_handed_back(sample_tokenizer: Path) -> None:
    tokenizer = load_tokenizer(sample_tokenizer)
    texts = [
        "《훈민정음》은 1443년(세종 25년)에 만들었다.",
        "“뭐라고요?” 하고 물었다… 大韓民國ㅋㅋㅋ 3·1 운동, 50%~60%",
    ]
    assert check(tokenizer, texts) == 0
    assert check(tokenizer, ["전화는 [PHONE]이다", "가\u0301 나\t다 \U0001f600"]) == 4


def test_an_added_token_is_left_to_the_library() -> None:
    tokenizer = tokenizer_of(["가", "나", "다", "##다"])
    tokenizer.add_tokens([AddedToken("나다")])
    assert check(tokenizer, ["가 나다 가"]) == 1 and check(tokenizer, ["가 다"]) == 0


def test_other_models_are_refused() -> None:
    with pytest.raises(ValueError, match="BPE"):
        Matcher(Tokenizer(models.BPE()))
