"""Next sentence: probabilities of the stock class, pairs whose lengths tell nothing, heads that say nothing."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    RobertaConfig,
    RobertaForMaskedLM,
)

from corpora.document import read_documents, shards
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from probes import next_sentence, sentence_pairs
from probes.next_sentence import by_length
from probes.sentence_pairs import Pair, PairModel, draw_pairs, objective_of


@pytest.fixture(scope="module")
def documents(sample_corpus: Path) -> list[list[str]]:
    return list(read_documents(shards(sample_corpus, "train")))


@pytest.fixture(scope="module")
def decided(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that has been trained for a few steps says about the same of all; this one does not."""
    folder = tmp_path_factory.mktemp("decided") / "decided"
    shutil.copytree(exported, folder)
    model = BertForPreTraining.from_pretrained(exported)
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if name.endswith("weight") and "LayerNorm" not in name and not name.startswith("cls.predictions"):
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(folder)
    # Else it would be an export that was changed.
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "files": {}}))
    return folder


def test_the_stock_class_says_the_same(decided: Path, monkeypatch: pytest.MonkeyPatch, documents) -> None:
    monkeypatch.setattr(sentence_pairs, "_BATCH_TOKENS", 64)
    tokenizer = AutoTokenizer.from_pretrained(decided)
    stock = BertForNextSentencePrediction.from_pretrained(decided).eval()
    lines = [line for document in documents for line in document]
    asked = [(a, b) for a, b in pairwise(lines) if len(tokenizer(a, b)["input_ids"]) <= 32][:20]
    found = PairModel(decided).probabilities(asked, 0)
    for (a, b), ours in zip(asked, found, strict=True):
        inputs = tokenizer(a, b, return_tensors="pt")
        assert inputs["token_type_ids"].any() and not inputs["token_type_ids"].all()
        with torch.no_grad():
            assert ours == pytest.approx(float(stock(**inputs).logits.softmax(-1)[0, 0]), abs=1e-5)
    assert len(asked) == 20 and max(found) - min(found) > 0.1


def test_a_pair_too_long_loses_its_longer_segment_first(exported: Path) -> None:
    model = PairModel(exported)
    a, b = "나라 바다 " * 20, "조선 중기"
    ids, types = model.encode(a, b, np.uint64(1))
    own = model.tokenizer.encode(b, add_special_tokens=False)
    assert len(ids) == len(types) == model.limit == 32
    assert ids[-1 - len(own) : -1] == own and types == [0] * (31 - len(own)) + [1] * (1 + len(own))
    both, types = model.encode(a, a, np.uint64(1))
    assert len(both) == 32 and abs(types.count(0) - 1 - types.count(1)) <= 1
    assert any(model.encode(a, a, np.uint64(draw))[0] != both for draw in range(2, 9)), "front or back by a coin"
    written = model.encode("가 [SEP] 나", "다", np.uint64(1))[0]
    assert written.count(model.tokenizer.sep_token_id) == 2, "a special token that is written out is text"


def test_pairs_of_documents(documents) -> None:
    found = draw_pairs(documents, 300, 2, 0)
    assert found == draw_pairs(documents, 300, 2, 0) != draw_pairs(documents, 300, 2, 1)
    where = {line: number for number, document in enumerate(documents) for line in document}
    texts = [" ".join(document) for document in documents]
    differences = []
    for pair in found:
        (home,) = {number for line, number in where.items() if pair.a.startswith(line)}
        assert f"{pair.a} {pair.follows}" in texts[home]
        assert pair.other not in texts[home] and any(pair.other in text for text in texts)
        differences.append(abs(len(pair.other) - len(pair.follows)))
    assert np.mean(differences) < 2, "characters"
    assert len({pair.other for pair in found}) > 200
    assert sentence_pairs.draw_pairs([["가", "나"], ["다", "라"]], 9, 1, 0)[0].other == "라"
    for few in ([["가", "나", "다"]], [["가"], ["나"], ["다", "라"]]):
        with pytest.raises(InputError, match="two documents of two sentences"):
            draw_pairs(few, 9, 1, 0)


def test_what_follows_everywhere_is_wrong_nowhere() -> None:
    """A line that ends many documents is no wrong segment behind itself: no head could tell the two apart."""
    ends = [["가나", "끝."], ["다라", "끝."], ["마바", "끝."], ["사아", "자."]]
    pairs = draw_pairs(ends, 9, 1, 0)
    assert [(pair.follows, pair.other) for pair in pairs[:3]] == [("끝.", "자.")] * 3 and pairs[3].other == "끝."
    with pytest.raises(InputError, match="not alike in all documents"):
        draw_pairs(ends[:3], 9, 1, 0)


def test_what_length_gives_away() -> None:
    """Where the wrong segments are short, length alone tells; where they are matched, it does not."""
    draw = np.random.default_rng(0)
    right = [("가" * 30, "나" * int(draw.integers(20, 40))) for _ in range(200)]
    short = [("가" * 30, "나" * int(draw.integers(2, 18))) for _ in range(200)]
    assert by_length([one for two in zip(right, short, strict=True) for one in two]).share > 0.95
    alike = by_length([one for two in zip(right, right, strict=True) for one in two])
    assert alike.of == 400 and alike.share <= 0.5
    assert by_length(right[:4]).of == 0


def test_lengths_of_drawn_pairs_tell_nothing(documents) -> None:
    found = by_length([one for pair in draw_pairs(documents, 500, 1, 0) for one in pair.asked("nsp")])
    low, high = found.interval
    assert found.of == 1000 and low < 0.5 < high + 0.03


def copied(exported: Path, folder: Path) -> Path:
    shutil.copytree(exported, folder)
    (folder / "README.md").unlink()
    (folder / "manifest.json").unlink()
    return folder


def test_heads_that_say_nothing(exported: Path, tmp_path: Path) -> None:
    folder = copied(exported, tmp_path / "masked")
    BertForMaskedLM.from_pretrained(exported).save_pretrained(folder)
    with pytest.raises(InputError, match=r"no head for pairs \(cls\.seq_relationship\.weight is absent"):
        PairModel(folder)
    untrained = copied(exported, tmp_path / "untrained")
    model = BertForNextSentencePrediction.from_pretrained(exported)
    torch.nn.init.zeros_(model.cls.seq_relationship.bias)
    model.save_pretrained(untrained)
    with pytest.raises(InputError, match="never trained"):
        PairModel(untrained)
    PairModel(untrained, random_weights=0)
    other = copied(exported, tmp_path / "other")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    RobertaForMaskedLM(RobertaConfig(vocab_size=len(AutoTokenizer.from_pretrained(exported)), **sizes)).save_pretrained(
        other
    )
    with pytest.raises(InputError, match="is a roberta model: next-sentence prediction is a head of BERT's alone"):
        PairModel(other)
    (other / "config.json").write_text('{"model_type": "nothing of the kind"}')
    with pytest.raises(InputError, match="cannot read"):
        PairModel(other)


def test_what_a_folder_says_of_its_head(exported: Path, tmp_path: Path) -> None:
    assert objective_of(exported) == "nsp"
    folder = copied(exported, tmp_path / "copy")
    assert objective_of(folder) is None
    (folder / "README.md").write_text("x masked-language-model and sentence-order prediction for 1 steps", "utf-8")
    assert objective_of(folder) == "sop"
    (folder / "README.md").write_text("masked-language-model prediction (the head for pairs is untrained)", "utf-8")
    with pytest.raises(InputError, match="never trained"):
        PairModel(folder)
    for manifest, told in (
        ('{"figures": {"objective": "sop"}}', "sop"),
        ('{"figures": {"objective": ["sop"]}}', "none"),
        ("[1]", "none"),
        ('{"figures": 1}', "none"),
        ("{", "none"),
    ):
        (folder / "manifest.json").write_text(manifest)
        assert objective_of(folder) == told, manifest


def test_the_stage(decided: Path, sample_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masked = copied(decided, tmp_path / "masked")
    AutoModelForMaskedLM.from_pretrained(decided).save_pretrained(masked)
    call = ["--model", str(decided), "--corpus", str(sample_corpus), "--beside", str(masked)]
    call += ["--artifacts", str(tmp_path / "a"), "--name", "t", "--items", "40"]
    next_sentence.main(call)
    told = capsys.readouterr()
    assert "not marked" in told.err and "length alone" in told.out
    folder = tmp_path / "a" / "nextsentence" / "t"
    figures = read_manifest(folder).figures
    assert figures["models"] == ["decided", "random weights"] and figures["pairs"] == 40
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf-8").splitlines()]
    said = np.array([item["follows"]["decided"] for item in items])
    assert figures["decided.accuracy"] == pytest.approx(((said[:, 0] > 0.5).sum() + (said[:, 1] < 0.5).sum()) / 80)
    assert figures["decided.preferred"] == pytest.approx((said[:, 0] > said[:, 1]).mean())
    assert figures["decided.accuracy_of"] == 80 and figures["decided.preferred_of"] == 40
    next_sentence.main(call)
    assert "is up to date" in capsys.readouterr().err
    next_sentence.main([*call, "--objective", "sop"])
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf-8").splitlines()]
    assert all(item["right"] == item["wrong"][::-1] for item in items) and "swapped" in capsys.readouterr().out
    with pytest.raises(InputError, match="no head for pairs"):
        next_sentence.main([*call[2:4], "--model", str(masked), *call[6:]])


def test_two_sentences_by_hand(decided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["--model", str(decided), "--artifacts", str(tmp_path / "a")]
    next_sentence.main([*call, "--first", "비가 왔다.", "--second", "우산을 폈다."])
    probability = PairModel(decided).probabilities([("비가 왔다.", "우산을 폈다.")], 0)[0]
    assert f"{probability:.1%}" in capsys.readouterr().out
    assert not (tmp_path / "a").exists(), "nothing is written, and no held-out text is needed"
    next_sentence.main([*call, "--first", "나라 " * 50, "--second", "우산을 폈다."])
    assert "was cut to 32" in capsys.readouterr().err
    for half in (["--first", "가"], ["--second", "가"], ["--first", " ", "--second", "가"]):
        with pytest.raises(InputError, match="give both"):
            next_sentence.main([*call, *half])


def test_a_pair_in_its_order() -> None:
    pair = Pair("가", "나", "다")
    assert pair.asked("nsp") == (("가", "나"), ("가", "다")) and pair.asked("sop") == (("가", "나"), ("나", "가"))
