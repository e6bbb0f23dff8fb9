"""The stage: a second way to score, which sides are chosen, what is written and what is refused."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from probes import josa
from probes.exam import RANDOM, Share
from probes.judgement import Judged, breakdowns, by_kind, judge, keeps_boundary
from probes.model import MaskedModel
from probes.pairs import Pair
from tests.conftest import TOKENIZER
from tokenizer.sentencepieces import learn_pieces
from tokenizer.wordpiece import save_tokenizer

CANDIDATES = ("--items", 60, "--seed", 3)


def run(exported: Path, corpus: Path, root: Path, *flags: object) -> Path:
    given = ("--model", exported, "--corpus", corpus, "--artifacts", root, "--name", "t", *flags)
    josa.main([str(flag) for flag in given])
    return root / "josa" / "t"


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="session")
def judged(exported: Path, sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(exported, sample_corpus, tmp_path_factory.mktemp("judged"), *CANDIDATES)


def plain_score(model, tokenizer, text: str, way: str) -> float:
    """The sum over a sentence's pieces, one input at a time: nothing of the probes'."""
    ids = tokenizer(text)["input_ids"]
    names = tokenizer.convert_ids_to_tokens(ids)
    total = 0.0
    for place in range(1, len(ids) - 1):
        hidden = [place]
        if way == "within_word":
            while names[hidden[-1] + 1].startswith("##"):
                hidden.append(hidden[-1] + 1)
        shown = torch.tensor([ids])
        shown[0, hidden] = tokenizer.mask_token_id
        with torch.no_grad():
            logits = model(input_ids=shown).logits[0, place]
        total += float(logits[ids[place]] - torch.logsumexp(logits, 0))
    return total


@pytest.mark.parametrize("way", ["within_word", "each"])
def test_two_ways_to_score_agree(exported: Path, judged: Path, way: str) -> None:
    """On every pair of the stage's own output: the same side, and scores equal to 1e-4."""
    stock, tokenizer = AutoModelForMaskedLM.from_pretrained(exported).eval(), AutoTokenizer.from_pretrained(exported)
    written = lines(judged)
    pairs = [Pair(**{name: line[name] for name in Pair.__dataclass_fields__}) for line in written]
    ours = judge(MaskedModel(exported), pairs, way)
    for line, one in zip(written, ours, strict=True):
        right, wrong = (plain_score(stock, tokenizer, line[side], way) for side in ("sentence", "wrong"))
        assert (one.right, one.wrong) == pytest.approx((right, wrong), rel=0, abs=1e-4)
        assert one.knows == (right > wrong), line
        if way == "within_word":
            scores = line["scores"]["export"]
            assert (scores["right"], scores["wrong"]) == pytest.approx((right, wrong), rel=0, abs=1e-4)
            assert scores["pieces"] == [len(tokenizer.tokenize(line[side])) for side in ("sentence", "wrong")]


def test_what_is_written(judged: Path) -> None:
    manifest, written = read_manifest(judged), lines(judged)
    assert manifest is not None and manifest.figures["pairs"] == len(written) > 20
    assert all(line["scores"].keys() == {"export", RANDOM} for line in written)
    for name, kinds in manifest.figures["models"].items():
        assert sum(kind["of"] for kind in kinds.values()) == len(written)
        for kind, figures in kinds.items():
            own = [line["scores"][name] for line in written if line["kind"] == kind]
            assert figures["right"] == sum(one["right"] > one["wrong"] for one in own) and figures["of"] == len(own)
            assert figures["low"] <= figures["share"] == figures["right"] / figures["of"] <= figures["high"]
    report = (judged / "report.md").read_text("utf-8")
    assert report.startswith("# Minimal pairs: export") and "| 은/는 |" in report and "## Left out" in report


def test_the_same_is_not_made_twice(exported: Path, sample_corpus: Path, judged: Path, capsys) -> None:
    before = (judged / "manifest.json").read_text("utf-8")
    run(exported, sample_corpus, judged.parent.parent, *CANDIDATES)
    captured = capsys.readouterr()
    assert (judged / "manifest.json").read_text("utf-8") == before
    assert "stands already" in captured.err and "은/는" in captured.out and RANDOM in captured.out


def test_all_models_judge_the_same_pairs(
    exported: Path, sample_corpus: Path, held_out_lines: list[str], tmp_path: Path
) -> None:
    """A model beside with another vocabulary and a shorter limit: what it cannot read is left out for both."""
    other = tmp_path / "other"
    other.mkdir()
    eojeols = Counter(eojeol for line in held_out_lines for eojeol in line.split())
    settings = replace(TOKENIZER, algorithm="unigram", vocab_size=1024)
    pieces = learn_pieces(eojeols, frozenset("".join(eojeols)), settings)
    save_tokenizer(pieces.tokenizer, other)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=pieces.tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=14,
    )
    BertForMaskedLM(config).save_pretrained(other)
    alone = lines(run(exported, sample_corpus, tmp_path / "a", "--items", 500, "--no-random-weights"))
    both = lines(run(exported, sample_corpus, tmp_path / "b", "--items", 500, "--no-random-weights", "--beside", other))
    tokenizer = AutoTokenizer.from_pretrained(other)
    assert all(line["scores"].keys() == {"export", "other"} for line in both)
    assert all(len(tokenizer(line[side])["input_ids"]) <= 14 for line in both for side in ("sentence", "wrong"))
    assert any(len(tokenizer(line["sentence"])["input_ids"]) > 14 for line in alone)


def test_no_pair_can_be_made(exported: Path, write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pair could be made"):
        run(exported, tmp_path, tmp_path, "--text", write("text.txt", "어서 가자.\n"))


def test_shares_and_what_they_are_told_apart_by() -> None:
    def pair(noun: str, form: str, particle: str = "은/는", kind="josa") -> Pair:
        return Pair(kind, f"{noun}{form} 크다.", f"{noun}x 크다.", noun, particle, form, len(noun))

    verdicts = [
        (pair("학교", "는"), Judged(-3.0, -4.0, (3, 3), 1, True)),
        (pair("집", "은"), Judged(-3.0, -3.0, (3, 4), 2, False)),
        (pair("금강송면", "으로", "으로/로"), Judged(-9.0, -4.0, (5, 3), 4, True)),
        (pair("학교", "에서", "torn off", "josa torn off"), Judged(-1.0, -4.0, (3, 4), 1, True)),
    ]
    assert by_kind(verdicts) == {"josa": Share(1, 3), "josa torn off": Share(1, 1)}, "a tie is wrong"
    found = dict(breakdowns(verdicts))
    assert found["particle"] == {"은/는": Share(1, 2), "으로/로": Share(0, 1)}
    assert found["syllables of the noun"] == {
        "1 syllable": Share(0, 1),
        "2 syllables": Share(1, 1),
        "4 syllables or more": Share(0, 1),
    }
    assert found["the noun alone is"] == {
        "1 piece": Share(1, 1),
        "2 pieces": Share(0, 1),
        "3 pieces or more": Share(0, 1),
    }
    assert found["noun and josa are"] == {"cut apart": Share(1, 2), "not cut apart": Share(0, 1)}
    assert found["the real sentence has"] == {
        "as many pieces": Share(1, 1),
        "fewer pieces": Share(0, 1),
        "more pieces": Share(0, 1),
    }


def test_where_noun_and_josa_are_cut(exported: Path, held_out_lines: list[str]) -> None:
    """By the pieces' own letters, which spell the text again."""
    tokenizer = AutoTokenizer.from_pretrained(exported)
    checked = {True: 0, False: 0}
    for line in held_out_lines[:60]:
        text = " ".join(line.split())
        pieces = tokenizer.tokenize(text)
        if "[UNK]" in pieces:
            continue
        ends, place = set(), 0
        for piece in pieces:
            while text[place] == " ":
                place += 1
            ends.add(place)
            place += len(piece.removeprefix("##"))
        for boundary in range(len(text)):
            if text[boundary] != " ":
                pair = Pair("josa", text, text, "x", "은/는", "은", boundary)
                assert keeps_boundary(tokenizer, pair) == (boundary in ends)
                checked[boundary in ends] += 1
    assert min(checked.values()) > 100
