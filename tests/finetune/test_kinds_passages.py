"""Answers through tokens and back to the passage's own characters, particles, spaces and windows included."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data.rows import Answer, Row, Rows
from finetune.kinds.kind import Reading
from finetune.kinds.passages import NOTHING, Passages, answer_tokens
from pipeline.errors import InputError
from pretrain.folder import load_folder_tokenizer
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, save_tokenizer

KIND = Passages()
SYLLABLES = "이순신은서울에갔다조선누가"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("syllables")
    save_tokenizer(build_tokenizer([*SPECIAL_TOKENS, *SYLLABLES, *(f"##{one}" for one in SYLLABLES), "?", "."]), folder)
    return load_folder_tokenizer(folder)


def row(text: str, *answers: str, question: str = "누가?") -> Row:
    return Row(text, question, tuple(Answer(answer, text.index(answer)) for answer in answers), "record 1", "q1")


def rows(*given: Row) -> Rows:
    return Rows(Path("rows"), given)


def perfect(encoded) -> tuple[np.ndarray, np.ndarray]:
    """Sure of the answer in windows that hold it, of [CLS] in others, filled up as Trainer does."""
    longest = max(len(example["input_ids"]) for example in encoded.examples)
    both = np.full((2, len(encoded.examples), longest), -100.0)
    for logits, name in zip(both, ("start_positions", "end_positions"), strict=True):
        for own, example in zip(logits, encoded.examples, strict=True):
            own[: len(example["input_ids"])] = 0.0
            own[example[name]] = 10.0
    return both[0], both[1]


def through(tokenizer, given: Rows, length: int = 64, stride: int = 8, names=()) -> list:
    encoded = KIND.encode(tokenizer, given, names, Reading(length, stride))
    return [said.answer for said in KIND.answers(perfect(encoded), encoded, names)]


def test_answers_are_the_passages_own_characters(tokenizer) -> None:
    given = rows(
        row("이순신은 서울에 갔다.", "이순신"),
        row("이순신은 서울에 갔다.", "서울에 갔다"),
        row("  조선  서울 ", "조선  서울"),
        row("뷁은 갔다", "뷁은"),
    )
    assert through(tokenizer, given) == [one.target for one in given.rows]


def test_an_answer_within_a_token_takes_the_whole_token(tokenizer) -> None:
    assert through(tokenizer, rows(row("뷁뷁은 갔다", "뷁뷁"))) == [(Answer("뷁뷁은", 0),)]


def test_the_answer_is_found_in_whichever_window_it_stands(tokenizer) -> None:
    for before, behind in ((60, 0), (30, 30), (0, 60)):
        given = rows(row("갔다 " * before + "이순신 " + "갔다 " * behind, "이순신"))
        encoded = KIND.encode(tokenizer, given, (), Reading(24, 6))
        assert len(encoded.examples) > 5
        holding = [example for example in encoded.examples if example["start_positions"]]
        assert holding and len(holding) < len(encoded.examples)
        assert through(tokenizer, given, 24, 6) == [given.rows[0].target]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["이", "서울", "조선은", "갔다", "뷁", "."]), min_size=1, max_size=50), st.data())
def test_any_words_of_a_passage_come_back(tokenizer, words, data) -> None:
    gap = data.draw(st.sampled_from([" ", "  ", "\n"]))
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, min(first + 2, len(words) - 1)))
    start = len(gap.join([*words[:first], ""]))
    answer = Answer(gap.join(words[first : last + 1]), start)
    given = rows(Row(gap.join(words), "누가?", (answer,), "record 1", "q1"))
    assert through(tokenizer, given, 24, 9) == [(answer,)]


def test_no_answer_is_said_only_where_it_was_taught(tokenizer) -> None:
    given = rows(row("이순신은 갔다"), row("이순신은 갔다", "이순신"))
    assert KIND.names(given) == (NOTHING,)
    assert KIND.names(rows(given.rows[1])) == ()
    assert through(tokenizer, given, names=(NOTHING,)) == [(), given.rows[1].target]
    assert through(tokenizer, given)[0] != ()


def test_the_end_is_not_before_the_beginning(tokenizer) -> None:
    given = rows(row("조선 서울", "조선"))
    encoded = KIND.encode(tokenizer, given, (), Reading(32, 4))
    size = len(encoded.examples[0]["input_ids"])
    first = next(place for place, offset in enumerate(encoded.offsets[0]) if offset)
    starts, ends = np.zeros((1, size)), np.zeros((1, size))
    starts[0, first + 3], ends[0, first] = 5.0, 4.0
    [said] = KIND.answers((starts, ends), encoded, ())
    assert said.answer[0].text == "울"
    assert 0 < said.confidence < 1


def test_a_question_that_fills_the_window_is_refused(tokenizer) -> None:
    given = rows(row("조선 서울", "조선", question="서울 " * 20))
    with pytest.raises(InputError, match="is 40 tokens long"):
        KIND.encode(tokenizer, given, (), Reading(24, 6))


def test_answer_tokens() -> None:
    offsets = [None, None, (0, 2), (2, 3), (4, 6), None]
    assert answer_tokens(offsets, Answer("ab", 0)) == (2, 2)
    assert answer_tokens(offsets, Answer("b", 1)) == (2, 2)
    assert answer_tokens(offsets, Answer("bcd", 1)) == (2, 3)
    assert answer_tokens(offsets, Answer("bcde", 1)) == (2, 4)
    assert answer_tokens(offsets, Answer("efg", 5)) == (0, 0)


def test_loss(tokenizer) -> None:
    given = rows(row("조선 서울", "조선"), row("서울", "서울"))
    encoded = KIND.encode(tokenizer, given, (), Reading(32, 4))
    lengths = [len(example["input_ids"]) for example in encoded.examples]
    even = np.zeros((2, max(lengths)))
    assert KIND.loss((even, even), encoded) == pytest.approx(np.mean(np.log(lengths)))
