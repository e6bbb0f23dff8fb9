"""The examples stage: built once, rebuilt for exactly what it depends on, refused when it cannot be."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from corpora.build import build_corpus
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from pipeline.executor import Workers
from pretrain.examples import build_examples
from pretrain.nsp import draw_plan, lengths_of
from pretrain.prepared import open_prepared
from tests.conftest import CORPUS, EXAMPLES, TOKENIZER, sources
from tokenizer.train import train_tokenizer


def test_figures_and_what_lies_there(sample_examples: Path) -> None:
    manifest = read_manifest(sample_examples)
    assert manifest is not None
    prepared = open_prepared(sample_examples)
    figures, plan = manifest.figures, prepared.plan(0)
    assert figures["block_size"] == 32 and figures["examples"] == len(plan) > 1000
    assert figures["tokens"] == {"train": len(prepared.train.ids), "heldout": len(prepared.heldout.ids)}
    lengths = lengths_of(plan)
    assert figures["mean_length"] == pytest.approx(lengths.mean(), abs=0.01) and lengths.max() == 32
    text = (sample_examples / "examples.txt").read_text("utf-8")
    assert text.count("[CLS]") == 20 and text.count("[SEP]") == 40


def test_the_saved_plan_is_the_drawn_one_and_later_ones_are_fresh(sample_examples: Path) -> None:
    prepared = open_prepared(sample_examples)
    assert np.array_equal(prepared.plan(0), draw_plan(prepared.train, EXAMPLES, 0))
    assert not np.array_equal(prepared.plan(1)["a_start"][:50], prepared.plan(0)["a_start"][:50])


def test_rebuilt_for_exactly_what_it_depends_on(write, tmp_path: Path) -> None:
    text = "\n\n".join(f"문서 {n}의 첫 문장이다.\n둘째 문장도 있다.\n셋째 문장은 {n}로 끝난다." for n in range(60))
    folders = {name: tmp_path / name for name in ("corpus", "tokenizer", "examples")}
    settings = dataclasses.replace(TOKENIZER, vocab_size=256)

    def run(source: str, tokenizer=settings, examples=EXAMPLES) -> list[bool]:
        corpus = build_corpus(sources(write("a.txt", source)), CORPUS, folders["corpus"], Workers())[1]
        vocabulary = train_tokenizer(folders["corpus"], tokenizer, folders["tokenizer"], Workers())[1]
        built = build_examples(folders["corpus"], folders["tokenizer"], examples, folders["examples"])[1]
        return [corpus, vocabulary, built]

    assert run(text) == [True, True, True]
    assert run(text) == [False, False, False]
    assert run(text + "\n") == [True, False, False], "other bytes, same documents: nothing ripples on"
    assert run(text.replace("문서 7의", "문서 7은")) == [True, True, True]
    assert run(text) == [True, True, True]
    assert run(text, tokenizer=dataclasses.replace(settings, vocab_size=320)) == [False, True, False], (
        "the same entries"
    )
    assert run(text, tokenizer=dataclasses.replace(settings, unused=90)) == [False, True, True]
    assert run(text, examples=dataclasses.replace(EXAMPLES, seed=1)) == [False, True, True]
    assert run(text, examples=dataclasses.replace(EXAMPLES, nsp_probability=0.4)) == [False, False, True]


def test_one_document_is_told_and_the_earlier_artifact_stands(write, tmp_path: Path) -> None:
    many = "\n\n".join(f"문서 {n}의 문장이다.\n또 하나의 문장이다." for n in range(30))
    one = "하나뿐인 문서의 문장이다.\n그다음 문장이다.\n마지막 문장이다."
    settings = dataclasses.replace(TOKENIZER, vocab_size=128, unused=0)
    for source in (many, one):
        build_corpus(sources(write("a.txt", source)), CORPUS, tmp_path / "corpus", Workers())
        train_tokenizer(tmp_path / "corpus", settings, tmp_path / "tokenizer", Workers())
        if source is many:
            before, _ = build_examples(tmp_path / "corpus", tmp_path / "tokenizer", EXAMPLES, tmp_path / "examples")
    with pytest.raises(InputError, match="1 document: "):
        build_examples(tmp_path / "corpus", tmp_path / "tokenizer", EXAMPLES, tmp_path / "examples")
    assert read_manifest(tmp_path / "examples") == before
    alone = dataclasses.replace(EXAMPLES, nsp_probability=0.0)
    manifest, built = build_examples(tmp_path / "corpus", tmp_path / "tokenizer", alone, tmp_path / "examples")
    assert built and manifest.figures["other_share"] == 0.0 and open_prepared(tmp_path / "examples").heldout is None


def test_documents_of_one_sentence(write, tmp_path: Path) -> None:
    text = "\n\n".join(f"문서 {n}에는 문장이 하나다." for n in range(200))
    settings = dataclasses.replace(TOKENIZER, vocab_size=128, unused=0)
    build_corpus(sources(write("a.txt", text)), CORPUS, tmp_path / "corpus", Workers())
    train_tokenizer(tmp_path / "corpus", settings, tmp_path / "tokenizer", Workers())
    manifest, _ = build_examples(tmp_path / "corpus", tmp_path / "tokenizer", EXAMPLES, tmp_path / "examples")
    train = read_manifest(tmp_path / "corpus").figures["train"]["documents"]
    assert manifest.figures["examples"] == train and manifest.figures["other_share"] == 1.0
    assert manifest.figures["single_share"] == 1.0 and "100.00%" in (tmp_path / "examples" / "report.md").read_text()


def test_absent_inputs_name_the_command(tmp_path: Path, sample_corpus: Path) -> None:
    with pytest.raises(InputError, match="make corpus"):
        build_examples(tmp_path / "none", tmp_path / "none", EXAMPLES, tmp_path / "out")
    with pytest.raises(InputError, match="make tokenizer"):
        build_examples(sample_corpus, tmp_path / "none", EXAMPLES, tmp_path / "out")
