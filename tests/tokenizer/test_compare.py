"""Other people's vocabularies: read as data, refused in one line, measured like ours."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from pipeline.errors import InputError
from tokenizer import compare as module
from tokenizer.compare import COLUMNS, Other, compare, comparison, load_other
from tokenizer.josa import JosaCase
from tokenizer.quality import count_eojeols
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, save_tokenizer

OURS = [*SPECIAL_TOKENS, "비", "##가", "왔", "##다", "."]


def tokens(other: Other, text: str) -> list[str]:
    return other.tokenizer.encode(text, add_special_tokens=False).tokens


def test_a_vocab_txt_with_its_own_order_and_odd_lines(write) -> None:
    """Special tokens may stand anywhere; U+2028 and U+0085 are entries, not ends of lines."""
    other = load_other(write("klue/vocab.txt", "\ufeff[PAD]\r\n비\r\n\u2028\r\n\x85\r\n[UNK]\r\n##가\r\nA\r\n"))
    assert other.name == "klue" and other.tokenizer.get_vocab_size() == 7
    assert tokens(other, "비가 A a") == ["비", "##가", "A", "[UNK]"]
    assert other.tokenizer.token_to_id("##가") == 5
    assert load_other(write("mine.txt", "[UNK]\n비")).name == "mine"


def test_no_upper_case_means_lower_cased(write) -> None:
    lower = load_other(write("a.txt", "[UNK]\n[MASK]\nbert\n##가\n"))
    assert tokens(lower, "BERT가") == ["bert", "##가"]
    cased = load_other(write("b.txt", "[UNK]\nbert\nX\n"))
    assert tokens(cased, "BERT") == ["[UNK]"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"v\.txt: the file is empty"),
        ("\n\n", r"v\.txt: the file is empty"),
        ("[UNK]\n가\n나\n가\n", r"v\.txt: line 4 repeats '가' of line 2"),
        ("가\n나\n", r"v\.txt: no line is \[UNK\]"),
        ("[UNK]\n▁가\n나\n", r"v\.txt: entries with ▁ are SentencePiece's.*name its tokenizer\.json"),
        ("[UNK]\n가".encode("cp949"), r"v\.txt: not UTF-8 \(byte 6\)"),
        (b"\x80\x03}q\x00.", r"v\.txt: not UTF-8"),
    ],
)
def test_a_wrong_vocab_txt_is_told_in_a_line(write, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_other(write("v.txt", content))
    assert "\n" not in str(caught.value)


def test_wrong_paths(tmp_path: Path, write, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_other(tmp_path / "absent.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no tokenizer\.json and no vocab\.txt in this folder"):
        load_other(tmp_path / "empty")
    monkeypatch.setattr(module, "LARGEST", 10)
    with pytest.raises(InputError, match=r"20 bytes are no vocabulary \(at most 10\)"):
        load_other(write("large.txt", "x" * 20))


def definition(model: dict, **parts) -> str:
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None}
    whole |= {"pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None, "model": model}
    return json.dumps({**whole, **parts})


WORDPIECE = {"type": "WordPiece", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
LEVEL = {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}
BPE = {"type": "BPE", "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None}
TEMPLATE = [{"SpecialToken": {"id": "[X]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1, 2",
        "{}",
        "null",
        "[" * 100_000,
        definition({**WORDPIECE, "unk_token": "[UNK]", "vocab": {"가": 0}}),  # no word for the unknown
        definition({**WORDPIECE, "unk_token": "[UNK]", "vocab": {"[UNK]": 4_294_967_295}}),  # 32 GB of counts
        definition({**LEVEL, "vocab": {}}),
        definition({"type": "Unigram", "vocab": [], "unk_id": None}),
        definition({**BPE, "vocab": {"a": 0}, "merges": ["a b"]}),
        # The library panics, and what it raises is no Exception.
        definition({**BPE, "continuing_subword_prefix": "가나", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}),
        definition(LEVEL, normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        definition(LEVEL, pre_tokenizer={"type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated"}),
    ],
)
def test_a_wrong_tokenizer_json_is_told_in_a_line(write, content: str) -> None:
    with pytest.raises(InputError, match=r"--compare .*tokenizer\.json") as caught:
        load_other(write("x/tokenizer.json", content))
    assert "\n" not in str(caught.value)


def test_a_folder_and_what_a_model_needs_is_left_out(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(OURS)
    tokenizer.enable_padding(length=50)
    tokenizer.enable_truncation(3)
    save_tokenizer(tokenizer, tmp_path)
    other = load_other(tmp_path)
    assert other.name == tmp_path.name
    assert tokens(other, "비가 왔다. 비가 왔다.") == ["비", "##가", "왔", "##다", "."] * 2
    assert load_other(tmp_path / "tokenizer.json").name == load_other(tmp_path / "vocab.txt").name == tmp_path.name


def test_no_dropout(write) -> None:
    model = {**BPE, "dropout": 1.0, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
    assert tokens(load_other(write("d/tokenizer.json", definition(model))), "abab") == ["ab", "ab"]


def test_figures_by_hand() -> None:
    pieces = [("[UNK]", 0.0), ("▁", -5.0), ("▁비", -2.0), ("가", -2.0), ("▁왔다", -2.0), ("다", -2.0)]
    unigram = Tokenizer(models.Unigram(pieces, unk_id=0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(models.BPE({symbol: number for number, symbol in enumerate(alphabet)}, []))
    bytewise.pre_tokenizer, bytewise.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    text = count_eojeols({"x": ["비가 왔다.", "눈이"]})
    cases = [JosaCase("비가", 1), JosaCase("눈이", 1)]
    rows = compare(build_tokenizer(OURS), [Other("uni|gram", unigram), Other("bytes", bytewise)], text, cases)
    assert [row.cells for row in rows] == [
        # 비 ##가 | 왔 ##다 . | [UNK]
        ("this one", "10", "2.000", "1.167", "33.3333%", "50.00%", "5"),
        # ▁비 가 | ▁왔다 [UNK] | ▁ [UNK]; shared: 비, ##가, ##다
        ("uni|gram", "6", "2.000", "1.167", "66.6667%", "50.00%", "3"),
        # three bytes a syllable
        ("bytes", "256", "6.333", "0.368", "0.0000%", "100.00%", "-"),
    ]
    text = comparison(rows)
    assert text.count("\n|") == 5 and "| uni\\|gram | 6 |" in text
    assert all(len(row.cells) == len(COLUMNS) for row in rows)
