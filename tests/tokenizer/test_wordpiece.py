"""The tokenizer as it is saved and used."""

import json
import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from corpora.document import read_documents, shards
from pipeline.errors import InputError
from tokenizer.wordpiece import (
    SPECIAL_TOKENS,
    build_tokenizer,
    continue_word,
    load_tokenizer,
    save_tokenizer,
    vocabulary_of,
)
from tokenizer.words import count_batch, split_words

VOCABULARY = [
    *SPECIAL_TOKENS,
    "이",
    "순",
    "이순신",
    "##은",
    "##를",
    "를",
    "조선",
    "##의",
    ".",
    "漢",
    "字",
    "##신",
    "A",
    "a",
]
ODD = [
    "이순신은 조선 중기의 무신이다.",
    unicodedata.normalize("NFD", "이순신은 조선 중기의 무신이다."),
    "ｆｕｌｌ　ｗｉｄｔｈ １２３",
    "漢字와 한글을 섞어 쓴다(混用).",
    "👩‍💻👍🏽 이모지",
    "ㅋㅋㅋㅋ ㅠㅠ 진짜ㅋㅋ",
    "제어\x00문자\x07와 \u200b너비 없는 공백\ufeff",
    "가나다 [MASK]를 [SEP] [unused0] [없음]",
    "BERT와 GPT-4, 3.14km², 50%!",
    "",
    " \t\n",
]


@pytest.fixture(scope="module")
def tiny():
    return build_tokenizer(VOCABULARY)


def test_special_tokens_come_first_and_frame_pairs(tiny) -> None:
    encoding = tiny.encode("이순신은", "조선")
    assert encoding.tokens == ["[CLS]", "이순신", "##은", "[SEP]", "조선", "[SEP]"]
    assert encoding.type_ids == [0, 0, 0, 0, 1, 1]
    assert [tiny.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]


def test_case_hanja_accents_and_nfd(tiny) -> None:
    assert tiny.encode("漢字", add_special_tokens=False).tokens == ["漢", "字"]
    assert tiny.encode("A a", add_special_tokens=False).tokens == ["A", "a"]
    decomposed = unicodedata.normalize("NFD", "이순신은 조선")
    assert tiny.encode(decomposed).ids == tiny.encode("이순신은 조선").ids


def test_a_wrong_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with"):
        build_tokenizer(["가", *SPECIAL_TOKENS])
    with pytest.raises(ValueError, match="twice"):
        build_tokenizer([*SPECIAL_TOKENS, "가", "가"])


def test_files(tiny, tmp_path: Path) -> None:
    save_tokenizer(tiny, tmp_path, 64)
    assert (tmp_path / "vocab.txt").read_text("utf-8").splitlines() == VOCABULARY == vocabulary_of(tiny)
    assert load_tokenizer(tmp_path).to_str() == tiny.to_str()
    config = json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast" and config["model_max_length"] == 64


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="is not a tokenizer"):
        load_tokenizer(tmp_path)


def test_auto_tokenizer_gives_our_ids(sample_tokenizer: Path, sample_corpus: Path) -> None:
    auto = AutoTokenizer.from_pretrained(sample_tokenizer)
    ours = load_tokenizer(sample_tokenizer)
    lines = [line for document in read_documents(shards(sample_corpus, "heldout")) for line in document]
    assert len(lines) > 50
    for line in [*lines, *ODD, "가나다라" * 25_000]:
        assert auto(line)["input_ids"] == ours.encode(line).ids
        assert auto(unicodedata.normalize("NFD", line))["input_ids"] == ours.encode(line).ids
    assert list(auto(lines[0], lines[1])) == ["input_ids", "token_type_ids", "attention_mask"]
    assert (auto.pad_token_id, auto.mask_token_id, auto.unk_token_id) == (0, 4, 1)


def test_decode_gives_the_text_back_up_to_spacing(sample_tokenizer: Path, sample_corpus: Path) -> None:
    auto = AutoTokenizer.from_pretrained(sample_tokenizer)
    for document in read_documents(shards(sample_corpus, "train")):
        for line in document:
            text = auto.decode(auto(line)["input_ids"], skip_special_tokens=True)
            assert text.replace(" ", "") == line.replace(" ", "")


@pytest.mark.parametrize("text", ODD)
def test_words_are_counted_as_the_tokenizer_splits_them(sample_tokenizer: Path, text: str) -> None:
    """Counting goes by eojeol to save time; splitting the whole line must give the same words."""
    tokenizer = load_tokenizer(sample_tokenizer)
    tokenizer.encode_special_tokens = True
    spans = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
    whole = [word for word, _ in spans]
    assert [word for eojeol in text.split() for word in split_words(eojeol)] == whole
    assert sorted(count_batch([text]).elements()) == sorted(whole)


def reference_longest_match(vocabulary: set[str], word: str) -> list[str] | None:
    """WordPiece by definition, for the continuation of a word."""
    pieces = []
    while word:
        longest = max((end for end in range(1, len(word) + 1) if "##" + word[:end] in vocabulary), default=0)
        if not longest:
            return None
        pieces.append("##" + word[:longest])
        word = word[longest:]
    return pieces


@given(st.sets(st.text("가나다", min_size=1, max_size=3)), st.text("가나다라", max_size=8))
def test_continuation_is_longest_match(entries: set[str], word: str) -> None:
    names = sorted("##" + entry for entry in entries)
    vocabulary = {name: number for number, name in enumerate(names)}
    found = continue_word(vocabulary, word)
    assert (found and [names[number] for number in found]) == reference_longest_match(set(names), word)


def test_continuation_is_what_stands_after_a_word_s_beginning(sample_tokenizer: Path) -> None:
    tokenizer = load_tokenizer(sample_tokenizer)
    vocabulary = tokenizer.get_vocab()
    generator = random.Random(0)
    for word in generator.sample(sorted(vocabulary), 300):
        if word.startswith(("#", "[")) or not word.isalpha():
            continue
        alone = tokenizer.encode(word + "에서는", add_special_tokens=False)
        if alone.tokens[0] == word:
            assert continue_word(vocabulary, "에서는") == alone.ids[1:]
