"""The corpus that ships: enough of it, in order, and holding what the probe asks."""

import unicodedata

from corpora.sentences import split_sentences
from tests.conftest import REPOSITORY

FILES = sorted((REPOSITORY / "corpora" / "sample").glob("*.txt"))
TEXT = {path.stem: path.read_text("utf-8") for path in FILES}
DOCUMENTS = [document.split("\n") for text in TEXT.values() for document in text.strip().split("\n\n")]
SENTENCES = [sentence for document in DOCUMENTS for sentence in document]


def test_size_and_subjects() -> None:
    assert len(DOCUMENTS) >= 300 and sum(len(text.encode()) for text in TEXT.values()) >= 120_000
    assert len(TEXT) >= 10
    assert all(4 <= len(document) <= 10 for document in DOCUMENTS)


def test_format() -> None:
    for text in TEXT.values():
        assert unicodedata.is_normalized("NFC", text)
        assert text.endswith("\n") and not text.endswith("\n\n") and "\n\n\n" not in text and "\r" not in text
        assert all(line == " ".join(line.split()) for line in text.split("\n"))
    assert all(sentence[-1] in ".!?\"'”’)" for sentence in SENTENCES)


def test_every_line_is_one_sentence() -> None:
    assert [sentence for sentence in SENTENCES if split_sentences(sentence) != [sentence]] == []


def test_no_sentence_stands_twice() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES)


def test_no_stock_phrases() -> None:
    """No generator wrote it: few sentences begin alike or end alike."""
    for place in (slice(0, 8), slice(-8, None)):
        ends = [sentence[place] for sentence in SENTENCES]
        assert len(set(ends)) > 0.9 * len(ends)


def test_the_probed_fact_is_told_in_several_ways_and_so_are_other_people_s() -> None:
    told = [
        sentence for sentence in SENTENCES if "이순신" in sentence and "조선 중기" in sentence and "무신" in sentence
    ]
    assert len(told) >= 5 and told.count("이순신은 조선 중기의 무신이다.") <= 3
    others = [
        s
        for s in SENTENCES
        if "이순신" not in s and any(f"{era}의 무신" in s for era in ("말기", "전기", "후기", "중기"))
    ]
    assert len(others) >= 3 and any("고려" in sentence for sentence in others)
