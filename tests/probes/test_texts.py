"""What people type and what lies in files: marks that are mistyped, texts that cannot be read, all told in one line."""

import time
import unicodedata
from pathlib import Path

import pytest

from pipeline.errors import InputError
from probes.fillmask import fill
from probes.model import MaskedModel
from probes.texts import read_texts, split_at_gaps
from tests.probes.tiny import wordpiece_folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    return MaskedModel(wordpiece_folder(tmp_path_factory.mktemp("tiny")))


@pytest.mark.parametrize(
    "mark",
    ["<mask>", "[mask]", "［MASK］", "[ MASK ]", "[ＭＡＳＫ]", "[Gap]", "［빈칸］", "[빈 칸]", "[마스크]", "[MASK*]"],
)
def test_mistyped_marks(model: MaskedModel, mark: str) -> None:
    for text in (f"나 {mark} 다", f"[MASK] {mark}"):
        with pytest.raises(InputError) as told:
            fill(model, text)
        assert str(told.value).startswith(f"{mark} is no mark of a gap: type [MASK] for one piece, or [GAP]")


def test_marks_of_a_gap(model: MaskedModel) -> None:
    text = f"나 [GAP] [빈칸]를 [MASK] {unicodedata.normalize('NFD', '[빈칸]')}"
    assert split_at_gaps(model, text).whole == (True, True, False, True)
    assert fill(model, "(mask) gap [MASK] [나]").gaps, "no mark, and no mistyped one"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the text is empty: write a sentence"),
        (" \n\t", "the text is empty"),
        ("나 다", r"nothing to fill: put \[MASK\] into the text, for example: 이순신은 \[MASK\]"),
        ("나 \udcff [MASK]", "not valid Unicode"),
        (
            "[MASK] " + "나 " * 30,
            r"33 tokens long, the model reads at most 24: end it behind '.*나 나' \(character 48\)",
        ),
        ("나 " * 30 + "[MASK]", r"33 tokens long, the model reads at most 24: begin it at '나 나.*' \(character 19\)"),
        ("[MASK] " + "나 " * 30 + "[MASK]", "34 tokens long, the model reads at most 24: shorten it"),
        ("[GAP] " + "나 " * 20, r"26 tokens long with a word in its gap, .* \(character 41\)"),
    ],
)
def test_texts_that_cannot_be_answered(model: MaskedModel, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        fill(model, text)


def test_what_is_told_fits(model: MaskedModel) -> None:
    assert fill(model, ("[MASK] " + "나 " * 30)[:48]).gaps
    assert fill(model, ("나 " * 30 + "[MASK]")[18:]).gaps
    assert fill(model, ("[GAP] " + "나 " * 20)[:41]).gaps
    with pytest.raises(InputError):
        fill(model, ("[MASK] " + "나 " * 30)[:49] + "나")


@pytest.mark.parametrize("unit", ["나", "나 ", "[", "[MASK]", "[ ", "\x1b[31m", "a" * 1000 + " "])
def test_a_megabyte_is_refused_at_once(model: MaskedModel, unit: str) -> None:
    text = "[MASK] " + unit * (1_000_000 // len(unit))
    began = time.process_time()
    with pytest.raises(InputError, match=r"1,000,\d+ characters long, .* reads at most 24 tokens"):
        fill(model, text)
    assert time.process_time() - began < 0.5


def test_unknown_characters_are_named(model: MaskedModel) -> None:
    found = fill(model, "鿿 나가힣 [MASK] 바다ㅋ 다")
    assert found.unknown == 3 and found.unknown_characters == ("鿿", "힣", "ㅋ")
    assert fill(model, "나 [MASK]").unknown_characters == ()
    long = "나" + "가" * 120
    assert fill(model, f"{long} [MASK]").unknown_characters == (long[:20],), "each is known, together they are too long"


def test_files_of_texts(tmp_path: Path) -> None:
    plain, lines = tmp_path / "a.txt", tmp_path / "a.jsonl"
    plain.write_bytes("\ufeff나 [MASK]\r\n\r\n  \n다 [MASK]\x85 [MASK]".encode())
    assert list(read_texts(plain)) == [(f"{plain}, line 1", "나 [MASK]"), (f"{plain}, line 4", "다 [MASK]\x85 [MASK]")]
    lines.write_text('{"text": "나\\n[MASK]", "other": 1}\n\n{"text": ""}\n', "utf-8")
    assert list(read_texts(lines)) == [(f"{lines}, line 1", "나\n[MASK]"), (f"{lines}, line 3", "")]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", b"", "a.txt holds no text"),
        ("a.txt", b"\n \n", "a.txt holds no text"),
        ("a.txt", b"[MASK]\n\x00\x01", "line 2: is no text"),
        ("a.txt", "[MASK]\n나\n".encode() + "[MASK] 나\n".encode("cp949"), "line 3: is not UTF-8 .* iconv -f cp949"),
        ("a.txt", "[MASK]\n".encode("utf-16"), "line 1: is no"),
        ("a.txt", b"[MASK]\n" + b"a" * 2_000_000, "line 2: longer than a megabyte"),
        ("a.jsonl", b'{"text": "a"}\n{"text"', r"line 2: is no JSON"),
        ("a.jsonl", b"[" * 100_000, r"line 1: is no JSON"),
        ("a.jsonl", b'{"text": 1}', r'line 1: wanted {"text": '),
        ("a.jsonl", b'["text"]', r'line 1: wanted {"text": '),
    ],
)
def test_files_that_hold_no_texts(write, name: str, content: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        list(read_texts(write(name, content)))


def test_places_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(read_texts(tmp_path / "none"))
    with pytest.raises(InputError, match="cannot read"):
        list(read_texts(tmp_path))
