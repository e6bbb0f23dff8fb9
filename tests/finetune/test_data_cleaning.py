"""Each cleaning step by itself and in a list: what it finds, what it must leave alone, and hostile texts."""

import doctest
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data import noise
from finetune.data.addresses import cut_addresses
from finetune.data.cleaning import STEPS, clean, clean_text, resolve_steps
from finetune.data.rows import Answer, Row, Rows, Span
from pipeline.errors import InputError

#: Those that need nothing: no file, no library.
PLAIN = [name for name in STEPS if "english" not in name and name != "stop_words"]


def rows_of(*texts, targets=None) -> Rows:
    targets = targets or ["x"] * len(texts)
    rows = (
        Row(text, None, target, f"line {n}", f"line {n}")
        for n, (text, target) in enumerate(zip(texts, targets, strict=True), 1)
    )
    return Rows(Path("a.tsv"), tuple(rows))


@pytest.mark.parametrize("module", ["noise", "addresses"])
def test_the_examples_in_the_docstrings(module) -> None:
    found = doctest.testmod(import_module(f"finetune.data.{module}"))
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    "step, before, after",
    [
        ("byte_strings", repr("이력서: 김\t\n'".encode()), "이력서: 김\t\n'"),
        ("byte_strings", str("경력".encode("cp949")), "경력"),
        ("byte_strings", str("경력".encode()[:-1]), "경"),
        ("byte_strings", r"b'\xff\xfe ok'", "\ufffd\ufffd ok"),
        ("byte_strings", r'  b"it\'s \d"  ', "it's \\d"),
        ("byte_strings", "b'a' + b'b'", "b'a' + b'b'"),
        ("byte_strings", "b'한글'", "b'한글'"),
        ("byte_strings", r"b'\x4'", r"b'\x4'"),
        ("byte_strings", "__import__('os')", "__import__('os')"),
        ("byte_strings", "그는 b'x'라고 했다", "그는 b'x'라고 했다"),
        ("escapes", r"\ud83d\ude00 \U0001F600 \\n \/", "😀 😀 \\n /"),
        ("escapes", r"\xb0C \xea\xb0\x80 \ud800", "°C 가 \ufffd"),
        ("escapes", "100% \\ 그대로", "100% \\ 그대로"),
        ("entities", "&lt;좋다&gt; &amp;amp; &nbsp;R&D", "<좋다> &amp; \xa0R&D"),
        ("markup", "<script>if (a<b) x</script>값<!-- 주석 -->은 <a href='x'>여기</a>", " 값 은 여기"),
        ("markup", "<!--<!-- 하나 --> 둘 --><style>열린 <!DOCTYPE html>", "  둘 --> 열린  "),
        ("markup", "<P CLASS=x>문단</P><br>a<b, <ㅇㅇ> <Parasite> <3", " 문단  a<b, <ㅇㅇ> <Parasite> <3"),
        ("line_breaks", "가 \n\n\t나\u2028다\r라", "가 나 다 라"),
        ("urls", "봐 http://a.kr/b?c=d 또 www.naver.com에서", "봐 [URL] 또 [URL]에서"),
        ("urls", "아무 것도 없다. a.b", "아무 것도 없다. a.b"),
        ("emails", "메일은 hong.gd@example.co.kr로", "메일은 [EMAIL]로"),
        ("phones", "☎ 010-1234-5678 (가격 1,234,567원)", "☎ [PHONE] (가격 1,234,567원)"),
        ("phones", "a@example.com, 010-1234-5678", "a@example.com, [PHONE]"),
        ("special_characters", "★별★ 5점! [URL] A&B 50% ㅠㅠ ▶", " 별  5점! [URL] A&B 50% ㅠㅠ  "),
        ("repeats", "ㅋㅋㅋㅋ 와!!!! 10000원 ㅠㅜㅠㅜㅠㅜ", "ㅋㅋ 와!! 10000원 ㅠㅜㅠㅜ"),
        ("repeats:1", "ㅋㅋㅋㅋ", "ㅋ"),
        ("spaces", " 한글\u3000 \u200b글 ", "한글 글"),
        ("too_short:3", "가 나 다", "가 나 다"),
        ("too_short:4", "가 나 다", None),
    ],
)  # fmt: skip
def test_a_step(step, before, after) -> None:
    name, _, argument = step.partition(":")
    function = STEPS[name].make(argument or STEPS[name].default or "")
    assert function(before) == after


@pytest.mark.parametrize(
    "address",
    [
        "서울특별시 강남구 테헤란로 152, 12층 (역삼동)",
        "(06236) 서울시 강남구 역삼동 737",
        "경기도 성남시 분당구 판교역로 166",
        "부산 해운대구 우동 1408-1번지",
        "수원시 영통구 광교로42번길 90, 101동 1203호",
        "전남 담양군 담양읍 죽녹원로 119",
        "경기 파주시 문산읍 마정리 산 1-5",
        "서울 마포구 와우산로29길 4",
        "350 Fifth Ave, New York, NY 10118",
        "1600 Pennsylvania Avenue NW, Washington, DC 20500",
        "12 N. Main St. Apt 4B, Springfield, IL 62704-1234",
        "P.O. Box 123, Austin, TX 78701",
    ],
)
def test_addresses_are_cut_whole(address) -> None:
    assert cut_addresses(f"앞 {address} 뒤") == "앞   뒤"


@pytest.mark.parametrize(
    "text",
    [
        "강남구에서 3시에 만나", "세종대로 21번 버스", "서울 종로구 청운동 3명이 왔다", "서울 가는 길 3개",
        "제주도 3박 4일", "서울시 인구 900만", "부산에서 서울로 2시간", "I drove 5 miles on the road",
        "Room 12, Main Building", "서울 강남구 역삼동 5000원짜리 국밥",
    ],
)  # fmt: skip
def test_places_in_sentences_stay(text) -> None:
    assert cut_addresses(text) == text


def test_stop_words_come_from_a_file_and_stay_with_the_list(write) -> None:
    path = write("stop.txt", "그리고\n정말 the\n그리고\n")
    steps = resolve_steps([f"stop_words:{path}", "too_short"])
    assert steps == ("stop_words=그리고 정말 the", "too_short:2")
    path.unlink()
    assert resolve_steps(steps) == steps
    assert clean_text("그리고, 정말 좋다 The 정말로", steps) == "좋다 정말로"


def test_the_list_is_run_in_its_order() -> None:
    text = str("<b>좋다</b>!!!!&lt;br&gt;끝\n010-1234-5678".encode())
    steps = ["byte_strings", "entities", "markup", "line_breaks", "phones", "repeats"]
    assert clean_text(text, steps) == "좋다!! 끝 [PHONE]"
    assert clean_text(r"가\n나", ["escapes", "line_breaks"]) == "가 나"
    assert clean_text(r"가\n나", ["line_breaks", "escapes"]) == "가\n나"


def test_rows_are_counted_by_step() -> None:
    rows = rows_of("좋다!!!!", "★★", "굿", "좋다!!", "좋다!!")
    cleaned, counts = clean(rows, ["special_characters", "repeats", "too_short", "duplicates"])
    assert [row.text for row in cleaned.rows] == ["좋다!!"]
    assert counts == {"special_characters": 1, "repeats": 1, "too_short": 2, "duplicates": 2}
    cleaned, counts = clean(rows, ["special_characters"])
    assert (len(cleaned), counts) == (4, {"special_characters": 1, "empty": 1})


def test_in_prediction_every_row_stays() -> None:
    rows = rows_of("좋다!!!!", "★★", "굿", "좋다!!!!")
    cleaned, counts = clean(rows, ["special_characters", "repeats", "too_short", "duplicates"], keep=True)
    assert [row.text for row in cleaned.rows] == ["좋다!!", "★★", "굿", "좋다!!"]
    assert counts["duplicates"] == 0


def test_both_texts_of_a_pair_are_cleaned() -> None:
    rows = Rows(Path("a"), (Row("가!!!!", "나!!!!", 1.0, "line 1", "1"), Row("가나", "!", 1.0, "line 2", "2")))
    cleaned, _ = clean(rows, ["repeats", "too_short"])
    assert [(row.text, row.pair) for row in cleaned.rows] == [("가!!", "나!!")]


def test_offsets_are_not_moved() -> None:
    for target in ((Span(0, 2, "LC"),), (Answer("서울", 0),)):
        rows = rows_of("서울!!!! ", targets=[target])
        with pytest.raises(InputError, match=r"step 'repeats' changes texts, but the targets of a\.tsv are places"):
            clean(rows, ["repeats"])
        assert clean(rows, ["too_short"])[0] == rows
    with pytest.raises(InputError, match="task kind qa are places"):
        resolve_steps(["urls"], "qa")
    assert resolve_steps(["duplicates", "too_short"], "ner") == ("duplicates", "too_short:2")


@pytest.mark.parametrize(
    "steps, said",
    [
        (["url"], "no step 'url'; there are: byte_strings, "),
        (["repeats:0"], "step repeats takes a whole number from 1"),
        (["repeats:x"], "step repeats takes a whole number"),
        (["urls:3"], "step urls takes no argument"),
        (["stop_words"], "stop_words needs a file"),
        (["stop_words:/absent"], "there is no '/absent'"),
        (["urls", "spaces", "urls"], "step 'urls' stands twice"),
    ],
)
def test_wrong_lists_stop(steps, said) -> None:
    with pytest.raises(InputError, match=said):
        resolve_steps(steps)


def test_cleaning_everything_away_stops() -> None:
    with pytest.raises(InputError, match="drops every row"):
        clean(rows_of("가", "나"), ["too_short"])


@given(st.text(max_size=60))
def test_steps_are_pure_and_take_any_text(text) -> None:
    for name in PLAIN:
        if name == "duplicates":
            continue
        function = STEPS[name].make(STEPS[name].default or "")
        assert function(text) == function(text)


@given(st.binary(max_size=40))
def test_any_bytes_literal_of_utf8_comes_back(raw) -> None:
    text = raw.decode("utf-8", "ignore")
    assert noise.decode_bytes(repr(text.encode())) == text


@pytest.mark.parametrize(
    "text",
    [
        "<script>",
        "<!--",
        "b'" + "\\x",
        " \t",
        "\\u",
        "서울 ",
        "강남구 ",
        "1 A",
        "&lt",
        "www.",
        "a@",
        "ㅋㅠ",
        "0",
        "<a ",
        "[",
        "P.O. ",
    ],
)
def test_long_hostile_texts_take_no_time(text) -> None:
    hostile = (text * (100_000 // len(text) + 1))[:100_000]
    began = time.perf_counter()
    for name in PLAIN:
        if name != "duplicates":
            STEPS[name].make(STEPS[name].default or "")(hostile)
    assert time.perf_counter() - began < 10


@pytest.mark.skipif(find_spec("snowballstemmer") is None, reason="snowballstemmer (extra english) is absent")
def test_english_stems() -> None:
    assert clean_text("Running 하는 studies를 [URL]", ["stem_english"]) == "run 하는 studi를 [URL]"


@pytest.mark.skipif(find_spec("simplemma") is None, reason="simplemma (extra english) is absent")
def test_english_lemmas() -> None:
    assert clean_text("mice went 갔다 [EMAIL]", ["lemmatise_english"]) == "mouse go 갔다 [EMAIL]"


@pytest.mark.parametrize("step, library", [("stem_english", "snowballstemmer"), ("lemmatise_english", "simplemma")])
def test_without_the_library_it_is_said(monkeypatch, step, library) -> None:
    from finetune.data import english

    monkeypatch.setitem(__import__("sys").modules, library, None)
    for loaded in (english._stemmer, english._simplemma):
        loaded.cache_clear()
    with pytest.raises(InputError, match=rf"step {step} needs a library .*hanbeot\[english\]"):
        clean_text("word", [step])
