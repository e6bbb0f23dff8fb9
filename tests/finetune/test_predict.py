"""Predictions: those of Trainer whatever the batch, out of any file and into any, of texts as they come."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoModel, AutoTokenizer

from finetune.data.read import Source, read_rows, read_unlabelled
from finetune.data.rows import Row, Rows
from finetune.embed import main as embed_main
from finetune.forward import batches
from finetune.job import Data, Job
from finetune.predict import Predictor
from finetune.predict import main as predict_main
from finetune.train import finetune
from finetune.vectors import Encoder, embed
from pipeline.errors import InputError
from tests.finetune.conftest import save_encoder, settings, table, tiny_config
from tests.finetune.taught import Taught, write_jsonl

THINGS = ["영화", "음식", "노래", "여행", "날씨", "음악", "방", "길"]


@pytest.fixture(scope="module")
def classifier(encoder: Path, tmp_path_factory) -> Path:
    """Taught on TSV rows, with cleaning that matters."""
    root = tmp_path_factory.mktemp("classifier")
    train = root / "train.tsv"
    train.write_text(table(THINGS).replace("text\tlabel", "review\ttone"), "utf-8")
    source = Source("classification", "review", None, "tone")
    chosen = settings(epochs=8, cleaning=["markup", "stop_words:" + str(_words(root))])
    data = Data(str(train), str(train), str(train), source)
    finetune(Job(encoder, data, root / "model", chosen, root / "artifacts", cpu=True))
    return root / "model"


def _words(root: Path) -> Path:
    (root / "stop.txt").write_text("정말\n너무\n", "utf-8")
    return root / "stop.txt"


def rows_of(*texts: str) -> Rows:
    return Rows(Path("rows"), tuple(Row(text, None, None, str(n), str(n)) for n, text in enumerate(texts)))


def predict(*command: str, model: Path) -> None:
    predict_main(["--model", str(model), "--cpu", *command])


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("kind", ["pairs", "multilabel", "regression", "ner", "qa"])
def test_the_batch_does_not_matter(taught: Taught, kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """One text at a time, all together, in another order: those of Trainer, which are predictions.jsonl."""
    predictor = Predictor.load(taught.folder(kind), cpu=True)
    rows = read_rows(taught.test(kind), taught.job(kind).data.source)
    trainers = [line["confidence"] for line in lines_of(taught.folder(kind) / "predictions.jsonl")]
    found = [list(predictor.answers(rows))]
    monkeypatch.setattr("finetune.forward.TOKENS", 1)
    found.append(list(predictor.answers(rows)))
    monkeypatch.setattr("finetune.predict.CHUNK", 5)
    turned = Rows(rows.path, rows.rows[::-1])
    found.append(list(predictor.answers(turned))[::-1])
    for said in found:
        assert [one.confidence for one in said] == pytest.approx(trainers, abs=1e-5)
        if kind != "regression":
            assert [one.answer for one in said] == [one.answer for one in found[0]]


def test_batches_hold_each_place_once_and_no_more_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.forward.TOKENS", 20)
    lengths = [3, 30, 7, 7, 1, 10, 2]
    made = list(batches(lengths))
    assert sorted(place for batch in made for place in batch) == list(range(7))
    assert made[0] == [1] and all(len(batch) * max(lengths[place] for place in batch) <= 20 for batch in made[1:])


def test_texts_are_cleaned_as_in_training(classifier: Path) -> None:
    predictor = Predictor.load(classifier, cpu=True)
    plain, noisy = predictor.answers(rows_of("영화이 좋다", "<b>영화이</b> 너무 좋다"))
    assert plain.answer == "긍정" and noisy == plain
    assert predictor.task.cleaning[1] == "stop_words=정말 너무", "the words, not the file's name, are kept"
    [empty] = predictor.answers(rows_of("너무 정말"))  # cleaning would leave nothing
    assert empty.answer in ("긍정", "부정")


def test_very_long_and_strange_texts_have_an_answer(classifier: Path, taught: Taught) -> None:
    texts = ["영화이 좋다 " + "참 " * 50_000, "뷁" * 100_000, "\u200b\u202e", "좋다\x00\x1b[31m"]
    said = list(Predictor.load(classifier, cpu=True).answers(rows_of(*texts)))
    assert said[0].answer == "긍정" and len(said) == 4
    text = "참 " * 5_000 + "영화이 좋다. " + "정말 " * 5_000
    [found] = Predictor.load(taught.folder("ner"), cpu=True).answers(rows_of(text))
    assert ("영화", "TH") in [(text[span.start : span.end], span.label) for span in found.answer]


def test_places_count_from_the_spaces_before_a_text(taught: Taught) -> None:
    text = "   참 영화이 좋다."
    [said] = Predictor.load(taught.folder("ner"), cpu=True).answers(rows_of(text))
    assert [(text[span.start : span.end], span.label) for span in said.answer] == [("영화", "TH"), ("좋다", "GD")]
    row = Row("   영화이 좋다.", "정말", None, "1", "1")
    [said] = Predictor.load(taught.folder("qa"), cpu=True).answers(Rows(Path("rows"), (row,)))
    assert (said.answer[0].text, said.answer[0].start) == ("좋다", 7)


@pytest.mark.parametrize("name", ["in.tsv", "in.csv", "in.jsonl", "in.tsv.gz", "in.txt", "folder"])
def test_every_file_in(classifier: Path, tmp_path: Path, name, capfd) -> None:
    path, texts = tmp_path / name, ["영화이 좋다", "음식이 나쁘다", "길이 훌륭하다"]
    if name == "folder":
        path.mkdir()
        for number, text in enumerate(texts):
            (path / f"{number}.txt").write_text(text, "utf-8")
    elif name == "in.jsonl":
        write_jsonl(path, [{"review": text, "id": f"n{number}"} for number, text in enumerate(texts)])
    elif name == "in.txt":
        path.write_text("\n".join(texts) + "\n", "utf-8")
    else:
        text = "review\n" + "".join(f"{text}\n" for text in texts)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    out = tmp_path / "deep" / "out.jsonl"
    predict("--file", str(path), "--out", str(out), model=classifier)
    found = lines_of(out)
    assert [(line["text"], line["answer"]) for line in found] == list(zip(texts, ["긍정", "부정", "긍정"], strict=True))
    assert found[0]["name"] == {"in.jsonl": "n0", "folder": "0.txt", "in.txt": "line 1"}.get(name, "line 2")
    assert all(sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5) for line in found)
    captured = capfd.readouterr()
    assert captured.out == "" and "3 answers -> " in captured.err


def test_columns_and_encodings_are_named(classifier: Path, tmp_path: Path, capfd) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes("번호,글\n1,영화이 좋다\n".encode("cp949"))
    predict("--file", str(path), "--text-column", "글", "--encoding", "cp949", "--json", model=classifier)
    assert json.loads(capfd.readouterr().out)["answer"] == "긍정"
    with pytest.raises(InputError, match=r"in\.csv.*CP949"):
        predict("--file", str(path), "--text-column", "글", model=classifier)
    path.write_text("번호,글\n1,영화이 좋다\n", "utf-8")
    with pytest.raises(InputError, match=r"in\.csv: no column 'review'; there are: '번호', '글'"):
        predict("--file", str(path), model=classifier)


def test_rows_without_text_are_told_and_the_others_keep_their_lines(classifier: Path, tmp_path: Path, capfd) -> None:
    path = tmp_path / "in.tsv"
    path.write_text("review\tn\n영화이 좋다\t1\n\t2\n  \t3\n길이 나쁘다\t4\n", "utf-8")
    predict("--file", str(path), "--out", str(tmp_path / "out.jsonl"), model=classifier)
    assert [line["name"] for line in lines_of(tmp_path / "out.jsonl")] == ["line 2", "line 5"]
    assert "2 rows without text have no answer (line 3 ...)" in capfd.readouterr().err


NASTY = ["=1+1", "-좋다", "@영화", "+음식", '말 "인용" 끝', "가,나", "줄\n바꿈\t탭\r끝", "영화이 좋다"]


def test_a_csv_is_read_back_and_runs_nothing(classifier: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.jsonl", [{"review": text} for text in NASTY])
    for suffix in ("csv", "tsv", "jsonl"):
        predict("--file", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / f"out.{suffix}"), model=classifier)
    exact = lines_of(tmp_path / "out.jsonl")
    assert [line["text"] for line in exact] == NASTY
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["text"] for row in rows] == [f"'{text}" if text[0] in "=-+@" else text for text in NASTY]
    assert [row["answer"] for row in rows] == [line["answer"] for line in exact]
    for row, line in zip(rows, exact, strict=True):
        assert float(row["p(긍정)"]) == line["probabilities"]["긍정"]
    back = read_unlabelled(tmp_path / "out.tsv", Source("classification"))
    assert list(back.texts) == [*NASTY[:6], "줄 바꿈 탭 끝", NASTY[7]]


def test_answers_that_are_not_words_in_a_table(taught: Taught, tmp_path: Path) -> None:
    for kind in ("ner", "qa", "regression", "multilabel", "pairs"):
        out = tmp_path / f"{kind}.csv"
        predict("--file", str(taught.test(kind)), "--out", str(out), model=taught.folder(kind))
        with out.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == 18
        answer = rows[0]["answer"]
        if kind == "regression":
            assert not answer.startswith("'") and 0 <= float(answer) < 6
        elif kind == "pairs":
            assert answer in ("긍정", "부정") and rows[0]["pair"]
        else:
            assert isinstance(json.loads(answer), list)


def test_a_text_typed_in_is_shown_well(classifier: Path, taught: Taught, capfd) -> None:
    predict("--text", "영화이 \x1b[31m좋다", model=classifier)
    out = capfd.readouterr().out
    assert "\x1b[31m" not in out and "\\u001b[31m" in out
    assert "영화이" in out.splitlines()[0] and out.splitlines()[0].endswith(": 긍정")
    [good] = [line for line in out.splitlines() if line.startswith("긍정")]
    [bad] = [line for line in out.splitlines() if line.startswith("부정")]
    share = float(good.split("%")[0].split()[-1])
    assert share > 50 and good.count("█") == round(share / 5) and good.index("%") == bad.index("%")
    predict("--text", "영화이 좋다", model=taught.folder("regression"))
    out = capfd.readouterr().out
    assert "%" not in out and "영화이 좋다" in out
    predict("--text", "영화이 좋다.", "--pair", "정말", model=taught.folder("qa"))
    assert "정말 / 영화이 좋다." in capfd.readouterr().out
    predict("--text", "참 영화이 좋다.", model=taught.folder("ner"))
    assert "영화 (TH), 좋다 (GD)" in capfd.readouterr().out


@pytest.mark.parametrize(
    "command, said",
    [
        ([], "give --text or --file"),
        (["--text", "가", "--file", "b.tsv"], "give --text or --file"),
        (["--text", "  "], "--text is empty"),
        (["--text", "가", "--pair", "나"], "one text a row: leave --pair out"),
        (["--text", "가", "--out", "out.xlsx"], r"name it \*\.jsonl"),
        (["--file", "none.tsv"], "no such file or folder: none.tsv"),
        (["--file", "a.tsv", "--out", "a.tsv"], "would replace the rows"),
        (["--file", "a.tsv", "--pair", "나"], "--pair-column"),
    ],
)
def test_commands_that_cannot_be(classifier: Path, command, said) -> None:
    with pytest.raises(InputError, match=said):
        predict(*command, model=classifier)


def test_two_texts_are_asked_for_where_two_were_taught(taught: Taught) -> None:
    with pytest.raises(InputError, match="two texts a row: give --pair, too"):
        predict("--text", "가", model=taught.folder("pairs"))


def test_a_folder_that_is_not_fine_tuned(encoder: Path) -> None:
    with pytest.raises(InputError, match=r"holds no task\.json: it is not a model that `make finetune` made"):
        predict("--text", "가", model=encoder)


@pytest.mark.parametrize("name", ["RobertaModel", "DistilBertModel"])
def test_models_without_token_types_take_two_texts(tmp_path: Path, name) -> None:
    """Folders of RoBERTa come with BERT's tokenizer, which numbers the second text 1: beyond its one type."""
    shape = {"vocab_size": tiny_config().vocab_size, "max_position_embeddings": 20}
    if name == "RobertaModel":
        shape |= {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        config = transformers.RobertaConfig(**shape, type_vocab_size=1)
    else:
        config = transformers.DistilBertConfig(**shape, dim=16, n_heads=2, n_layers=1, hidden_dim=16)
    encoder = save_encoder(tmp_path / "encoder", getattr(transformers, name)(config))
    rows = [{"a": f"{thing}이", "b": "좋다", "label": str(number % 2)} for number, thing in enumerate(THINGS * 2)]
    train = str(write_jsonl(tmp_path / "train.jsonl", rows))
    data = Data(train, train, train, Source("classification", "a", "b"))
    job = Job(encoder, data, tmp_path / "model", settings(epochs=1), tmp_path / "artifacts", cpu=True)
    finetune(job)
    said = list(Predictor.load(job.folder, cpu=True).answers(read_rows(train, data.source)))
    ask = transformers.pipeline("text-classification", model=str(job.folder), device="cpu")
    theirs = [ask({"text": row["a"], "text_pair": row["b"]})["score"] for row in rows]
    assert theirs == pytest.approx([one.confidence for one in said], abs=1e-5)
    vectors = embed(Encoder(encoder, cpu=True), read_unlabelled(train, data.source))
    assert vectors.shape == (16, 16) and np.isfinite(vectors).all()


def test_vectors_are_means_computed_by_hand(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["영화이 좋다", "음식", "길이 정말 너무 참 나쁘다 ."]
    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).eval()
    expected = []
    for text in texts:
        with torch.inference_mode():
            expected.append(model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0])
    for tokens in (8192, 1):
        monkeypatch.setattr("finetune.forward.TOKENS", tokens)
        vectors = embed(Encoder(encoder, cpu=True), rows_of(*texts))
        assert vectors.dtype == np.float32 and vectors.shape == (3, 32)
        np.testing.assert_allclose(vectors, torch.stack([each.mean(0) for each in expected]), atol=1e-6)
        np.testing.assert_allclose(
            embed(Encoder(encoder, "cls", cpu=True), rows_of(*texts)),
            torch.stack([each[0] for each in expected]),
            atol=1e-6,
        )


def test_a_file_of_vectors_is_whole_or_not_there(encoder: Path, tmp_path: Path, monkeypatch) -> None:
    path, out = tmp_path / "in.txt", tmp_path / "out.npy"
    path.write_text("영화이 좋다\n\n음식이 나쁘다\n", "utf-8")
    command = ["--model", str(encoder), "--file", str(path), "--out", str(out), "--cpu"]
    embed_main(command)
    before = np.load(out, allow_pickle=False)
    assert before.shape == (2, 32)

    def half(stream, array, **named):
        stream.write(b"\x93NUMPY")
        raise KeyboardInterrupt

    monkeypatch.setattr("finetune.embed.np.save", half)
    with pytest.raises(KeyboardInterrupt):
        embed_main(command)
    np.testing.assert_array_equal(np.load(out, allow_pickle=False), before)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", "out.npy"]
    with pytest.raises(InputError, match=r"name it \*\.npy"):
        embed_main([*command[:4], "--out", "vectors.txt"])
