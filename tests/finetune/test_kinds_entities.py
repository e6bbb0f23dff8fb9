"""Entities through tokens and back: particles, unknown eojeols, spaces, windows, odd tags."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data.rows import Row, Rows, Span
from finetune.kinds.entities import OUTSIDE, Entities, ceiling, join_tokens, tag_tokens, tags_of
from finetune.kinds.kind import Reading
from pipeline.errors import InputError
from pretrain.folder import load_folder_tokenizer
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, save_tokenizer

KIND = Entities()
NAMES = ("LC", "PS")
SYLLABLES = "이순신은서울에갔다조선"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """Every syllable is an entry, alone and within a word; so is 이순신은, entity and particle in one."""
    folder = tmp_path_factory.mktemp("syllables")
    entries = [*SPECIAL_TOKENS, *SYLLABLES, *(f"##{one}" for one in SYLLABLES), "순신은", "."]
    save_tokenizer(build_tokenizer(entries), folder)
    return load_folder_tokenizer(folder)


def rows(*given: tuple[str, tuple[Span, ...]]) -> Rows:
    from pathlib import Path

    return Rows(
        Path("rows"), tuple(Row(text, None, spans, f"record {n}", str(n)) for n, (text, spans) in enumerate(given))
    )


def perfect(encoded) -> tuple[np.ndarray]:
    """What a model that is always right gives, filled up as Trainer does."""
    tags = len(tags_of(NAMES))
    longest = max(len(example["input_ids"]) for example in encoded.examples)
    logits = np.full((len(encoded.examples), longest, tags), -100.0)
    for own, example in zip(logits, encoded.examples, strict=True):
        own[: len(example["labels"])] = 0.0
        for place, label in enumerate(example["labels"]):
            own[place, max(label, 0)] = 10.0
    return (logits,)


def through(tokenizer, given: Rows, length: int = 32, stride: int = 4) -> list[tuple[Span, ...]]:
    encoded = KIND.encode(tokenizer, given, NAMES, Reading(length, stride))
    said = KIND.answers(perfect(encoded), encoded, NAMES)
    assert [one.answer for one in ceiling(encoded)] == [one.answer for one in said]
    return [one.answer for one in said]


def test_entities_come_back_as_they_were(tokenizer) -> None:
    given = rows(
        ("이순신은 서울에 갔다.", (Span(0, 3, "PS"), Span(5, 7, "LC"))),
        ("서울 서울", (Span(0, 2, "LC"), Span(3, 5, "LC"))),  # neighbours of one kind stay two
        ("조선 서울에", (Span(0, 5, "LC"),)),  # with a space within
        ("  서울\t서울  ", (Span(2, 4, "LC"),)),
        ("갔다", ()),
        ("", ()),
    )
    assert through(tokenizer, given) == [row.target for row in given.rows]


def test_a_token_of_entity_and_particle_cannot_be_told_apart(tokenizer) -> None:
    given = rows(("순신은 갔다", (Span(0, 2, "PS"),)))
    assert through(tokenizer, given) == [(Span(0, 3, "PS"),)]


def test_an_eojeol_that_cannot_be_spelled_is_one_token(tokenizer) -> None:
    given = rows(("뷁뷁이 서울에", (Span(0, 2, "PS"), Span(4, 6, "LC"))))
    assert through(tokenizer, given) == [(Span(0, 3, "PS"), Span(4, 6, "LC"))]


def test_long_texts_lose_nothing(tokenizer) -> None:
    text = "이순신은 서울에 갔다 . " * 40
    step = len("이순신은 서울에 갔다 . ")
    spans = tuple(
        span for n in range(40) for span in (Span(n * step, n * step + 3, "PS"), Span(n * step + 5, n * step + 7, "LC"))
    )
    given = rows(("갔다", ()), (text, spans))
    encoded = KIND.encode(tokenizer, given, NAMES, Reading(16, 5))
    assert set(encoded.owners) == {0, 1}
    assert all(len(example["input_ids"]) <= 16 for example in encoded.examples)
    assert through(tokenizer, given, 16, 5) == [(), spans]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_text_and_entities_at_word_bounds_survive(tokenizer, data) -> None:
    words = data.draw(st.lists(st.sampled_from(["이", "서울", "조선", "갔다", "뷁", "."]), max_size=40))
    gaps = data.draw(st.lists(st.sampled_from([" ", "  ", "\n", "\u3000"]), min_size=len(words), max_size=len(words)))
    text, spans, end = "", [], 0
    for word, gap in zip(words, gaps, strict=True):
        start, text = len(text), text + word + gap
        if start >= end and data.draw(st.booleans()):
            end = start + len(word)
            spans.append(Span(start, end, data.draw(st.sampled_from(NAMES))))
    assert through(tokenizer, rows((text, tuple(spans))), 12, 3) == [tuple(spans)]


def test_tags_out_of_order_are_read_as_conll_does() -> None:
    def token(at: int, tag: str):
        return (at, at + 1, tag, 0.9)

    tags = ["I-PS", "I-PS", "I-LC", OUTSIDE, "I-LC", "B-LC", "I-LC"]
    found = join_tokens([token(at, tag) for at, tag in enumerate(tags)])
    assert found == (Span(0, 2, "PS"), Span(2, 3, "LC"), Span(4, 5, "LC"), Span(5, 7, "LC"))


def test_a_window_that_begins_within_an_entity_begins_with_its_i() -> None:
    assert tag_tokens([(2, 3), (3, 5)], [Span(0, 4, "PS")]) == ["I-PS", "I-PS"]
    assert tag_tokens([(0, 5), (5, 6)], [Span(1, 2, "PS"), Span(3, 4, "LC")]) == ["B-PS", OUTSIDE]


def test_what_train_does_not_teach_is_refused() -> None:
    train, test = rows(("서울", (Span(0, 2, "LC"),))), rows(("이순신", (Span(0, 3, "PS"),)))
    with pytest.raises(InputError, match="record 0: 'PS' \\('이순신'\\) does not occur"):
        KIND.check(test, train, KIND.names(train))
    with pytest.raises(InputError, match="no row has an entity"):
        KIND.names(rows(("서울", ())))


def test_loss_is_of_asked_tokens_alone(tokenizer) -> None:
    given = rows(("이순신은 서울에", (Span(0, 3, "PS"),)), ("서울", ()))
    encoded = KIND.encode(tokenizer, given, NAMES, Reading(32, 4))
    even = (np.zeros((2, 9, len(tags_of(NAMES)))),)
    assert KIND.loss(even, encoded) == pytest.approx(np.log(5))
    assert KIND.loss(perfect(encoded), encoded) == pytest.approx(np.log(1 + 4 * np.exp(-10)))
