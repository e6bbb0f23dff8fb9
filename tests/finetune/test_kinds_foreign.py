"""Entities and answers through the tokenizers of others and back: bytes, jamo, spaces in tokens, text as jamo (NFD)."""

import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from finetune.data.rows import Answer, Row, Rows, Span
from finetune.kinds.entities import Entities, ceiling
from finetune.kinds.kind import Reading
from finetune.kinds.passages import Passages
from finetune.kinds.windows import characters_of, windows
from tests.finetune import foreign
from tests.finetune.test_kinds_entities import perfect as perfect_tags
from tests.finetune.test_kinds_passages import perfect as perfect_places
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, save_tokenizer

NAMES = ("LC", "PS")
WORDS = ["이", "서울", "조선은", "갔다", "뷁", ".", "Seoul", "값을", "김철수가"]
TEXTS = ["이순신은 서울에 갔다 .", "조선은 이 서울 갔다", "김철수가 값을", "서울 조선은"]
SYLLABLES = "이순신은서울에갔다조선값을김철수가"


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    own = [*SPECIAL_TOKENS, *SYLLABLES, *(f"##{one}" for one in SYLLABLES), "."]
    (folder / "own").mkdir()
    save_tokenizer(build_tokenizer(own), folder / "own")
    for name, merges in (("bytes", 0), ("merged", 150)):
        foreign.roberta(folder / name, TEXTS, merges)
    foreign.distilbert(folder / "jamo", TEXTS)
    found = {name: AutoTokenizer.from_pretrained(str(folder / name)) for name in ("own", "bytes", "merged", "jamo")}
    return {**found, "marked": marked()}


def marked() -> PreTrainedTokenizerFast:
    """A token is a syllable with the space before it, as SentencePiece's are."""
    entries = [
        "<s>",
        "</s>",
        "<pad>",
        "<unk>",
        *(mark + one for one in [*SYLLABLES, *".뷁Seoul"] for mark in ("", "▁")),
    ]
    made = Tokenizer(WordLevel({entry: place for place, entry in enumerate(dict.fromkeys(entries))}, unk_token="<unk>"))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex("▁?[^▁]"), "isolated")]
    )
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


KINDS = ("own", "bytes", "merged", "jamo", "marked")


def rows(text: str, pair: str | None, target: tuple) -> Rows:
    return Rows(Path("rows"), (Row(text, pair, target, "record 1", "1"),))


def entities(tokenizer, text: str, spans: tuple[Span, ...], length: int = 64, stride: int = 8) -> tuple[Span, ...]:
    encoded = Entities().encode(tokenizer, rows(text, None, spans), NAMES, Reading(length, stride))
    [said] = Entities().answers(perfect_tags(encoded), encoded, NAMES)
    assert ceiling(encoded)[0].answer == said.answer
    return said.answer


def answer(tokenizer, text: str, target: Answer, length: int = 240, stride: int = 60) -> Answer:
    encoded = Passages().encode(tokenizer, rows(text, "이 갔다?", (target,)), (), Reading(length, stride))
    [said] = Passages().answers(perfect_places(encoded), encoded, ())
    return said.answer[0]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", KINDS)
def test_words_come_back_with_all_their_characters(tokenizers, name: str, form: str) -> None:
    words = [
        unicodedata.normalize(form, word) for word in ("김철수", "는", " ", "뷁뷁", "  ", "서울", " ", "값을", " 갔다.")
    ]
    text, places = "".join(words), [sum(map(len, words[:place])) for place in range(len(words))]
    spans = tuple(
        Span(places[place], places[place] + len(words[place]), label) for place, label in ((3, "PS"), (5, "LC"))
    )
    assert entities(tokenizers[name], text, spans) == spans
    for first, last in ((3, 3), (5, 7), (7, 7), (3, 7)):
        wanted = Answer("".join(words[first : last + 1]), places[first])
        assert answer(tokenizers[name], text, wanted) == wanted


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["bytes", "own"])
def test_bytes_and_syllables_tell_an_entity_from_its_particle(tokenizers, name: str, form: str) -> None:
    name_, rest = (unicodedata.normalize(form, part) for part in ("이순신", "은 서울에 갔다"))
    spans = (Span(0, len(name_), "PS"), Span(len(name_) + len(rest[: rest.index(" ")]) + 1, len(name_ + rest), "LC"))
    assert entities(tokenizers[name], name_ + rest, spans) == spans
    assert answer(tokenizers[name], name_ + rest, Answer(name_, 0)) == Answer(name_, 0)


def test_neighbours_of_one_kind_stay_two_in_bytes(tokenizers) -> None:
    spans = (Span(0, 2, "LC"), Span(2, 4, "LC"), Span(5, 6, "PS"))
    assert entities(tokenizers["bytes"], "서울조선 이", spans) == spans


@settings(max_examples=40, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", KINDS)
def test_any_words_survive_windows(tokenizers, name: str, data) -> None:
    form = data.draw(st.sampled_from(["NFC", "NFD"]))
    words = data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30))
    gap = data.draw(st.sampled_from([" ", "  ", "\n", "\u3000"]))
    text, spans = "", []
    for word in words:
        word = unicodedata.normalize(form, word)
        start, text = len(text), text + word + gap
        if data.draw(st.booleans()):
            spans.append(Span(start, start + len(word), data.draw(st.sampled_from(NAMES))))
    assert entities(tokenizers[name], text, tuple(spans), 24, 7) == tuple(spans)
    if spans:
        wanted = data.draw(st.sampled_from(spans))
        told = Answer(text[wanted.start : wanted.end], wanted.start)
        assert answer(tokenizers[name], text, told, 96, 45) == told


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([*"서울값이가 \u3000\u200bA.", "\u1112\u1161\u11ab", "👍🏽", "é"]), max_size=60).map(
        "".join
    ),
    st.data(),
)
@pytest.mark.parametrize("name", KINDS)
def test_windows_say_the_same_of_a_token_as_the_whole_text(tokenizers, name: str, text: str, data) -> None:
    tokenizer = tokenizers[name]
    stride = data.draw(st.integers(0, 8))
    _, _, [whole], _ = windows(tokenizer, [text], None, Reading(1000))
    _, owners, parts, many = windows(tokenizer, [text], None, Reading(12, stride))
    assert (len(owners) > 1) == bool(many)
    step = 10 - stride
    for place, part in enumerate(parts):
        inner = part[1:-1]
        assert inner == whole[1:-1][place * step : place * step + len(inner)]
    found = [offset for offset in whole if offset]
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    assert all(start < end and text[start:end] == text[start:end].strip() for start, end in found)
    if name == "bytes":
        held = "".join(text[start:end] for start, end in found)
        assert held == "".join(text.split())  # no character is lost, none is there twice


def test_characters_of() -> None:
    assert characters_of("서울", [(0, 1), (0, 1), (0, 2), (1, 2)]) == [(0, 1), None, (1, 2), None]
    assert characters_of("\u1109\u1165 \u110b\u116e\u11af", [(0, 1), (2, 4)]) == [(0, 2), (3, 6)]
    assert characters_of("\u1109\u1165", [(0, 1), (1, 2)]) == [(0, 1), (1, 2)]
    assert characters_of("가 \t나", [(0, 1), (1, 3), (2, 4)]) == [(0, 1), None, (3, 4)]
    assert characters_of("", []) == []


def test_a_tokenizer_that_cuts_on_the_left_reads_windows_all_the_same(tokenizers) -> None:
    tokenizer = tokenizers["bytes"]
    tokenizer.truncation_side = "left"
    text = "서울 갔다 " * 12
    spans = tuple(Span(6 * n, 6 * n + 2, "LC") for n in range(12))
    assert entities(tokenizer, text, spans, 24, 7) == spans


def test_white_space_at_an_answers_ends_does_not_hide_it(tokenizers) -> None:
    found = answer(tokenizers["own"], "  서울에 갔다 ", Answer("  서울에 ", 0))
    assert found == Answer("서울에", 2)
