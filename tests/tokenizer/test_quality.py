"""Figures of a vocabulary on a text, against hand counts and a slow and obvious tokenizer."""

from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from corpora.scripts import script_of
from tokenizer.entries import EntryLengths, composition, entry_lengths
from tokenizer.quality import (
    LISTED,
    Counted,
    Inspection,
    Quality,
    ScriptUnknown,
    count_eojeols,
    inspect,
    measure,
    most_common,
    unknown_id,
)
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, vocabulary_of

#: Letters of three scripts; the full stop is a word of its own, so is the Hanja.
LETTERS = "가나다aㅋ"
ALONE = ".漢"


def inspected(vocabulary: list[str], sources: dict[str, list[str]]) -> Inspection:
    return inspect(build_tokenizer([*SPECIAL_TOKENS, *vocabulary]), count_eojeols(sources))


def test_by_hand() -> None:
    found = inspected(
        ["비", "##가", "왔", "##다", "."], {"news": ["비가 왔다.", "눈이  왔다."], "chat": ["비", "가비"]}
    )
    # 비 ##가 | 왔 ##다 . || [UNK] | 왔 ##다 . ||| 비 || [UNK]
    assert found.sources == {"news": Quality(2, 4, 10, 9, 1), "chat": Quality(2, 2, 3, 2, 1)}
    assert found.total == Quality(4, 6, 13, 11, 2)
    assert found.eojeol_pieces == {"1": 3, "2": 1, "3": 2, "4": 0, "5": 0, "6+": 0}
    # 눈 and ##이 have no entry, nor has 가 at a word's beginning, nor ##비.
    assert found.scripts == (ScriptUnknown("Hangul", 11, 4, 4), ScriptUnknown("punctuation", 2, 0, 0))
    assert [item.text for item in found.culprits] == ["가", "눈", "비", "이"]
    assert found.unknown_eojeols == (Counted("가비", 1), Counted("눈이", 1))
    assert found.pieces[:3] == (Counted("##다", 2), Counted(".", 2), Counted("[UNK]", 2))
    assert found.used == 6


def test_a_culprit_takes_its_word_along_but_not_its_eojeol() -> None:
    found = inspected(["가", "##나", ".", "漢"], {"": ["가나A.가漢나"]})
    # 가나A is one word, 漢 stands alone, 나 begins a word.
    assert found.scripts == (
        ScriptUnknown("Hangul", 4, 1, 3),
        ScriptUnknown("Hanja", 1, 0, 0),
        ScriptUnknown("Latin", 1, 1, 1),
        ScriptUnknown("punctuation", 1, 0, 0),
    )
    assert found.total.unknown_eojeols == 1


def test_a_word_that_is_only_too_long_has_no_culprit() -> None:
    found = inspected(["가", "##가"], {"": ["가" * 101]})
    assert found.scripts == (ScriptUnknown("Hangul", 101, 0, 101),)


def split(eojeol: str) -> list[str]:
    words = []
    for alone, group in groupby(eojeol, ALONE.__contains__):
        letters = list(group)
        words += letters if alone else ["".join(letters)]
    return words


def longest_match(entries: set[str], word: str) -> list[str]:
    pieces, place = [], 0
    while place < len(word):
        prefix = "##" if place else ""
        ends = [end for end in range(len(word), place, -1) if prefix + word[place:end] in entries]
        if not ends:
            return ["[UNK]"]
        pieces.append(prefix + word[place : ends[0]])
        place = ends[0]
    return pieces


def names(word: str) -> list[str]:
    return [("##" if place else "") + character for place, character in enumerate(word)]


ENTRIES = st.sets(
    st.tuples(st.sampled_from(["", "##"]), st.text(LETTERS, min_size=1, max_size=3)).map("".join)
    | st.sampled_from([*LETTERS, *ALONE, *(f"##{letter}" for letter in LETTERS)])
)
SENTENCES = st.lists(st.text(LETTERS + ALONE + "  ", max_size=12), max_size=6)


@given(ENTRIES, st.dictionaries(st.sampled_from(["x", "y", "z"]), SENTENCES))
def test_against_the_obvious_tokenizer(entries: set[str], sources: dict[str, list[str]]) -> None:
    found = inspected(sorted(entries), sources)
    pieces, lengths = Counter[str](), Counter[str]()
    scripts: dict[str, list[int]] = {}
    for source, sentences in sources.items():
        eojeols = [eojeol for sentence in sentences for eojeol in sentence.split()]
        tokenized = [[piece for word in split(e) for piece in longest_match(entries, word)] for e in eojeols]
        assert found.sources[source] == Quality(
            len(sentences),
            len(eojeols),
            sum(map(len, eojeols)),
            sum(map(len, tokenized)),
            sum("[UNK]" in tokens for tokens in tokenized),
        )
        for eojeol, tokens in zip(eojeols, tokenized, strict=True):
            pieces.update(tokens)
            lengths[str(len(tokens)) if len(tokens) < 6 else "6+"] += 1
            for word in split(eojeol):
                lost = longest_match(entries, word) == ["[UNK]"]
                for character, name in zip(word, names(word), strict=True):
                    row = scripts.setdefault(script_of(character), [0, 0, 0])
                    row[0] += 1
                    row[1] += lost and name not in entries
                    row[2] += lost
    assert {row.script: [row.characters, row.culprits, row.lost] for row in found.scripts} == scripts
    assert found.pieces == most_common(pieces, LISTED) and found.used == len(pieces)
    assert found.eojeol_pieces == {name: lengths[name] for name in ("1", "2", "3", "4", "5", "6+")}
    texts = [sentence for sentences in sources.values() for sentence in sentences]
    assert measure(build_tokenizer([*SPECIAL_TOKENS, *sorted(entries)]), texts) == found.total


@given(ENTRIES, st.lists(st.text(LETTERS + ALONE + " ", max_size=30), min_size=1))
def test_eojeols_apart_are_tokenized_as_in_their_sentence(entries: set[str], sentences: list[str]) -> None:
    tokenizer = build_tokenizer([*SPECIAL_TOKENS, *sorted(entries)])
    whole = tokenizer.encode_batch(sentences, add_special_tokens=False)
    assert measure(tokenizer, sentences).tokens == sum(len(encoding) for encoding in whole)


def test_other_models_and_their_name_for_the_unknown() -> None:
    pieces = [("<unk>", 0.0), ("▁", -5.0), ("▁비", -2.0), ("가", -2.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    assert unknown_id(tokenizer) == 0
    found = inspect(tokenizer, count_eojeols({"": ["비가 비漢字가", "雨"]}))
    # ▁비 가 | ▁비 <unk> 가 | ▁ <unk>
    assert found.total == Quality(2, 3, 7, 7, 2)
    assert found.scripts == (ScriptUnknown("Hangul", 4, 0, 0), ScriptUnknown("Hanja", 3, 3, 3))
    level = Tokenizer(models.WordLevel({"비": 0}, unk_token="비"))
    assert unknown_id(level) == 0
    assert unknown_id(Tokenizer(models.BPE())) is None


def test_culprits_are_looked_for_after_the_normaliser() -> None:
    tokenizer = build_tokenizer([*SPECIAL_TOKENS, "a", "##b"])
    tokenizer.normalizer = normalizers.Sequence([tokenizer.normalizer, normalizers.Lowercase()])
    found = inspect(tokenizer, count_eojeols({"": ["ABC", "AB"]}))
    assert found.culprits == (Counted("c", 1),)
    assert found.scripts == (ScriptUnknown("Latin", 5, 1, 3),)


def test_placeholders_and_eojeols_without_pieces() -> None:
    found = inspected(["[PHONE]", "가"], {"": ["[PHONE]가 가[PHONE] \u200b \x07 가"]})
    assert found.total.tokens == 5 and found.total.eojeols == 5
    assert sum(found.eojeol_pieces.values()) == 3


def test_nothing_to_measure() -> None:
    for sources in ({}, {"empty": []}, {"blank": ["", " "]}):
        found = inspected(["가"], sources)
        assert found.total.tokens == 0 and found.total.unknown_share == 0 and found.pieces == ()


def test_more_distinct_eojeols_than_a_batch() -> None:
    syllables = [chr(0xAC00 + number) for number in range(200)]
    text = [f"{a}{b}" for a in syllables for b in syllables]
    found = inspected([*syllables[:150], *(f"##{syllable}" for syllable in syllables)], {"x": text, "y": text[:1]})
    assert found.total == Quality(40_001, 40_001, 80_002, 30_000 * 2 + 10_000 + 2, 10_000)
    assert [item.count for item in found.culprits] == [200] * 50
    assert len(found.unknown_eojeols) == LISTED
    # The first syllable begins 200 eojeols in x and one in y.
    assert found.pieces[:2] == (Counted("[UNK]", 10_000), Counted(syllables[0], 201))
    assert found.used == 151 + 200


@pytest.mark.parametrize(
    ("vocabulary", "parts", "lengths"),
    [
        (
            [*SPECIAL_TOKENS, "[PHONE]", "[unused0]", "가", "나다", "##라", "##마바사", ".", "#", "##", "▁", "["],
            {"reserved": 7, "begin a word": 7, "continue a word": 2, "single characters": 6},
            EntryLengths({1: 5, 2: 2}, {1: 1, 3: 1}),
        ),
        (
            ["<unk>", "[CLS]", "▁", "▁가", "▁나다", "라", "마바", "##"],
            {"reserved": 2, "begin a word": 3, "continue a word": 3, "single characters": 2},
            EntryLengths({0: 1, 1: 1, 2: 1}, {1: 1, 2: 2}),
        ),
        ([], {"reserved": 0, "begin a word": 0, "continue a word": 0, "single characters": 0}, EntryLengths({}, {})),
    ],
)
def test_entries(vocabulary: list[str], parts: dict[str, int], lengths: EntryLengths) -> None:
    assert composition(vocabulary) == parts
    assert entry_lengths(vocabulary) == lengths


def test_the_old_names() -> None:
    from tokenizer.quality import composition as same

    vocabulary = vocabulary_of(build_tokenizer([*SPECIAL_TOKENS, "가"]))
    assert same(vocabulary) == composition(vocabulary)
