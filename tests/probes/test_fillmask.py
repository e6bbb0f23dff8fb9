"""Fill-mask: what is glued to a gap, what the stock pipeline says of gaps that stand alone, what cannot be answered."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForMaskedLM, pipeline

from pipeline.errors import InputError
from probes import ask
from probes.fillmask import encode, fill
from probes.model import MaskedModel
from tests.conftest import TOKENIZER
from tokenizer.sentencepieces import learn_pieces
from tokenizer.wordpiece import save_tokenizer


@pytest.mark.parametrize(
    "text",
    [
        "이순신은 [MASK] 중기의 무신이다.",
        "[MASK] 나라에 봄이 왔다.",
        "오늘은 [MASK].",
        "서울은 [MASK] 수도 [MASK] 이다.",
    ],
)
def test_the_probe_agrees_with_the_stock_pipeline(exported: Path, text: str) -> None:
    stock = pipeline("fill-mask", model=str(exported), top_k=5)(text)
    gaps = stock if isinstance(stock[0], list) else [stock]
    found = fill(MaskedModel(exported), text, top=5)
    assert len(found.gaps) == len(gaps)
    for ours, theirs in zip(found.gaps, gaps, strict=True):
        tokenizer = AutoTokenizer.from_pretrained(exported)
        assert [guess.piece for guess in ours] == tokenizer.convert_ids_to_tokens([item["token"] for item in theirs])
        assert [guess.probability for guess in ours] == pytest.approx([item["score"] for item in theirs], rel=1e-4)


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_pieces_that_mark_beginnings_are_asked_as_the_stock_pipeline_asks(
    tmp_path: Path, held_out_lines: list[str], algorithm: str
) -> None:
    eojeols = Counter(eojeol for line in held_out_lines for eojeol in line.split())
    settings = replace(TOKENIZER, algorithm=algorithm, vocab_size=1024)
    pieces = learn_pieces(eojeols, frozenset("".join(eojeols)), settings)
    save_tokenizer(pieces.tokenizer, tmp_path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=pieces.tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertForMaskedLM(config).save_pretrained(tmp_path)
    asked, model = pipeline("fill-mask", model=str(tmp_path)), MaskedModel(tmp_path)
    for text in (
        "세종은 [MASK]을 만들었다.",
        "나는 [MASK].",
        "바다[MASK]를 [MASK] 보았다.",
        "[MASK] 나라에 봄이 왔다.",
    ):
        assert encode(model, text) == asked.tokenizer(text)["input_ids"], text
        stock = asked(text, top_k=3)
        gaps = stock if isinstance(stock[0], list) else [stock]
        answers = [[guess.probability for guess in gap] for gap in fill(model, text, top=3).gaps]
        assert answers == [pytest.approx([item["score"] for item in gap], rel=1e-4) for gap in gaps]
    glued = model.tokenizer.convert_ids_to_tokens(encode(model, "세종은 [MASK]을"))
    assert "".join(glued[glued.index("[MASK]") :]) == "[MASK]을[SEP]", "a continuation, as it stood in training"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("[MASK]를 보았다.", ["[MASK]", "##를"]),
        ("[MASK]에서 왔다.", ["[MASK]", "##에서"]),
        ("[MASK], 그리고", ["[MASK]", ","]),
        ("[MASK] 를 보았다.", ["[MASK]", "를"]),
        ("바다[MASK]를 보았다.", ["바다", "[MASK]", "##를"]),
    ],
)
def test_what_is_glued_to_a_mask_continues_a_word(exported: Path, text: str, pieces: list[str]) -> None:
    model = MaskedModel(exported)
    found = model.tokenizer.convert_ids_to_tokens(encode(model, text))
    assert found[1 : 1 + len(pieces)] == pieces
    assert found.count("[MASK]") == 1 and found[0] == "[CLS]" and found[-1] == "[SEP]"


def test_glued_text_is_read_as_in_training(exported: Path, held_out_lines: list[str]) -> None:
    """Hide a word's first piece: the rest must be the very pieces that stood there."""
    model = MaskedModel(exported)
    tokenizer = model.tokenizer
    checked = 0
    for line in held_out_lines:
        encoding = tokenizer(line, return_offsets_mapping=True)
        ids, offsets = encoding["input_ids"], encoding["offset_mapping"]
        for place in range(1, len(ids) - 2):
            follows = tokenizer.convert_ids_to_tokens(ids[place + 1]).startswith("##")
            begins = not tokenizer.convert_ids_to_tokens(ids[place]).startswith("##")
            if follows and begins and len(ids) <= 32:
                start, end = offsets[place]
                expected = [*ids[:place], tokenizer.mask_token_id, *ids[place + 1 :]]
                assert encode(model, line[:start] + "[MASK]" + line[end:]) == expected
                checked += 1
    assert checked > 200


def test_input_that_cannot_be_answered(exported: Path, tmp_path: Path) -> None:
    model = MaskedModel(exported)
    with pytest.raises(InputError, match=r"put \[MASK\] into the text"):
        fill(model, "빈칸이 없다.")
    with pytest.raises(InputError, match=r"tokens long, the model reads at most 32"):
        fill(model, "[MASK] " + "아주 긴 글이다. " * 50)
    assert fill(model, "鿿 [MASK]").unknown == 1
    with pytest.raises(InputError, match=r"holds no config\.json"):
        MaskedModel(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds no tokenizer"):
        MaskedModel(tmp_path)


def test_the_stage_prints_and_writes(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "이순신은 [MASK] 중기의 무신이다."
    ask.main(["--model", str(exported), "--text", text, "--out", str(tmp_path / "out"), "--top", "3"])
    table = capsys.readouterr().out
    assert table.splitlines()[0].strip() == text and "probability" in table
    written = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert [guess["piece"] for guess in written[0]["gaps"][0]] == [row.split()[1] for row in table.splitlines()[2:5]]
    ask.main(["--model", str(exported), "--text", text, "--json", "--top", "3"])
    assert json.loads(capsys.readouterr().out) == written


def test_folders_that_would_answer_noise_are_refused(exported: Path, tmp_path: Path) -> None:
    other_task = tmp_path / "task"
    AutoModelForSequenceClassification.from_pretrained(exported).save_pretrained(other_task)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(exported / name, other_task / name)
    with pytest.raises(InputError, match=r"holds no masked language model: cls\.predictions"):
        MaskedModel(other_task)
    damaged = tmp_path / "damaged"
    for name, size in (("model.safetensors", 1000), ("tokenizer.json", 100)):
        shutil.copytree(exported, damaged)
        (damaged / name).write_bytes((damaged / name).read_bytes()[:size])
        with pytest.raises(InputError, match="cannot"):
            MaskedModel(damaged)
        shutil.rmtree(damaged)
