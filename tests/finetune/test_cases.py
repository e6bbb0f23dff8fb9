"""What people bring: a noisy table, reviews, folders of texts, encoders of others; as they would do it, by command."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
    pipeline,
)

from finetune.predict import main as predict
from finetune.train import main as train
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from tests.finetune import foreign
from tests.finetune.conftest import BAD, GOOD, THINGS, table
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, save_tokenizer

QUICK = ("epochs=8", "batch_size=8", "learning_rate=5e-3", "max_length=0", "dev_share=0.25")


def finetune(model: Path, out: Path, *flags: object, **changes: object) -> dict:
    """`make finetune`; what metrics.json says."""
    changed = [f"finetune.{name}={value}" for name, value in changes.items()]
    quick = [f"finetune.{setting}" for setting in QUICK if setting.partition("=")[0] not in changes]
    command = ["--model", model, "--out", out, "--artifacts", out.parent / "artifacts", "--cpu"]
    train([*map(str, [*command, *flags]), "--set", *quick, *changed])
    return json.loads((out / "metrics.json").read_text("utf-8"))


def ask(model: Path, capsys: pytest.CaptureFixture[str], *flags: object) -> list[dict]:
    """`make predict`; its answers."""
    capsys.readouterr()
    predict(["--model", str(model), "--cpu", "--json", *map(str, flags)])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# A noisy table of 25 classes

JOBS = [
    "간호사", "개발자", "건축가", "경찰관", "교사", "기자", "농부", "디자이너", "모델", "목수", "물리학자",
    "미용사", "배우", "변호사", "번역가", "비서", "사서", "상담사", "세무사", "소방관", "수의사", "약사",
    "요리사", "작가", "조종사",
]  # fmt: skip
SKILLS = [
    "병동", "코드", "도면", "순찰", "수업", "취재", "밭일", "로고", "워킹", "목재", "실험", "염색", "대본",
    "소송", "통역", "일정", "대출", "면담", "장부", "화재", "동물", "조제", "주방", "원고", "비행",
]  # fmt: skip
FILLERS = ["경력", "책임", "담당", "성실", "근무", "우수", "팀장", "지원", "희망", "기간"]
STEPS = [
    "byte_strings", "escapes", "entities", "markup", "line_breaks", "urls", "emails", "phones", "addresses",
    "special_characters", "repeats:2", "spaces", "too_short:5", "duplicates",
]  # fmt: skip


def resume(skill: str, number: int) -> str:
    """A clean one: what it is about, twice, and three words that say nothing."""
    first, second, third = (FILLERS[place % len(FILLERS)] for place in (number, number // 10 + number, number * 7))
    return f"{first} {skill} {second} {skill} {third}"


def as_bytes(text: str) -> str:
    return repr(text.encode())


NOISE = (
    as_bytes,
    lambda text: as_bytes(f"Resume\n{text}\r\n"),
    lambda text: text.replace(" ", "\\n"),
    lambda text: text.replace(" ", "\n"),
    lambda text: f"<div class='cv'><p>{text}</p></div>",
    lambda text: f"{text} https://example.com/cv?id=7",
    lambda text: f"{text} hong.gildong@example.co.kr, 010-1234-5678",
    lambda text: f"{text} 서울특별시 강남구 테헤란로 123, 4층",
    lambda text: f"{text}!!!!!!!! ★★★ ㅋㅋㅋㅋㅋㅋㅋㅋ",
    lambda text: text.replace(" ", "&nbsp;&nbsp;"),
    lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    str,
)


def noisy_table(path: Path, numbers: range) -> Path:
    """Every class as often as there are numbers; some rows twice, some too short."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("번호", "이력서", "직업"))
        for place, (job, skill) in enumerate(zip(JOBS, SKILLS, strict=True)):
            for number in numbers:
                row = (place, NOISE[(number + place) % len(NOISE)](resume(skill, number + place)), job)
                writer.writerow(row)
                if number == numbers[0] and place < 10:
                    writer.writerow(row)
            if place < 5:
                writer.writerow((place, "ㅎ", job))
    return path


def test_a_noisy_table_of_25_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [*SPECIAL_TOKENS, *SKILLS, *FILLERS, "[URL]", "[EMAIL]", "[PHONE]", "Resume", "!", "ㅋㅋ", ","]
    encoder, model = tmp_path / "encoder", tmp_path / "jobs"
    foreign.bert(encoder, len(entries), 1, width=64)
    save_tokenizer(build_tokenizer(entries), encoder)
    data = (
        "--train",
        noisy_table(tmp_path / "a.csv", range(12)),
        "--test",
        noisy_table(tmp_path / "b.csv", range(12, 16)),
    )
    told = finetune(
        encoder,
        model,
        *data,
        "--text",
        "이력서",
        "--label",
        "직업",
        cleaning=json.dumps(STEPS),
        epochs=8,
    )

    assert told["test"]["macro_f1"]["mean"] > 0.9
    figures = read_manifest(model).figures
    assert (figures["classes"], figures["rows"]) == (25, {"train": 225, "dev": 75, "test": 4 * 25 + 10 + 5})
    assert figures["unknown"] < 0.02
    report = (model / "report.md").read_text("utf-8")
    assert "duplicates 10" in report and r"too\_short 5" in report and "15 of 315" in report
    classes = report[report.index("## Classes on test") :]
    assert all(f"| {job} |" in classes for job in JOBS)
    picture = (model / "confusion.svg").read_text("utf-8")
    assert all(job in picture for job in JOBS) or all(f"class {number}" in picture for number in range(1, 26))
    assert AutoTokenizer.from_pretrained(model).model_max_length == 64

    clean = [resume(skill, place) for place, skill in enumerate(SKILLS[: len(NOISE)])]
    noisy = [noise(text) for noise, text in zip(NOISE, clean, strict=True)]
    tables = {"noisy": noisy, "clean": clean}
    answers = {}
    for name, texts in tables.items():
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps({"이력서": text}) + "\n" for text in texts), "utf-8")
        predict(["--model", str(model), "--cpu", "--file", str(file), "--out", str(tmp_path / f"{name}-answers.jsonl")])
        lines = (tmp_path / f"{name}-answers.jsonl").read_text("utf-8").splitlines()
        answers[name] = [json.loads(line) for line in lines]
    assert [line["answer"] for line in answers["noisy"]] == [line["answer"] for line in answers["clean"]]
    assert [line["answer"] for line in answers["noisy"]] == JOBS[: len(NOISE)]
    assert [line["text"] for line in answers["noisy"]] == noisy
    assert answers["noisy"][0]["probabilities"] == pytest.approx(answers["clean"][0]["probabilities"])
    assert [one["answer"] for one in ask(model, capsys, "--text", NOISE[0](clean[3]))] == [JOBS[3]]


# Reviews: a tenth of them, plots, six sentences

SIX = (
    "영화이 정말 좋다", "음식이 너무 나쁘다", "노래이 참 멋지다.", "여행이 너무 싫다", "날씨이 정말 훌륭하다",
    "음악이 참 별로다.",
)  # fmt: skip


def reviews(rows: int) -> list[str]:
    """NSMC's layout: tabs, quotes that are never closed, here and there a review without words."""
    lines = ["id\tdocument\tlabel\n"]
    for number in range(rows):
        good = number % 2
        words = (GOOD if good else BAD)[number // 2 % 3]
        thing, much = THINGS[number // 7 % 12], ("참", "정말", "너무")[number // 3 % 3]
        text = "" if number % 97 == 50 else f"{thing}이 {much} {words}{'.' if number % 5 else ''}"
        lines.append(f"{1000 + number}\t{chr(34) if number % 11 == 3 else ''}{text}\t{good}\n")
    return lines


def test_a_tenth_of_the_reviews(encoder: Path, write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, model = reviews(1000), tmp_path / "nsmc"
    tenth, rest = (
        write("ratings_tenth.txt", "".join(lines[:101])),
        write("ratings_test.txt", lines[0] + "".join(lines[501:701])),
    )
    told = finetune(encoder, model, "--task", "nsmc", "--train", tenth, "--test", rest)
    assert told["choice"] == "accuracy" and told["test"]["accuracy"]["mean"] > 0.95
    assert "1 rows without text skipped" in (model / "report.md").read_text("utf-8")
    for name in ("history.png", "confusion.png"):
        assert (model / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        picture = imread(model / name)[..., :3]
        assert min(picture.shape[:2]) > 300 and np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 10

    six = write("six.txt", "".join(f"{sentence}\n" for sentence in SIX))
    ours = ask(model, capsys, "--file", six)
    theirs = pipeline("text-classification", model=str(model), device="cpu")(list(SIX))
    assert [line["answer"] for line in ours] == ["1", "0"] * 3 == [line["label"] for line in theirs]
    assert [line["confidence"] for line in ours] == pytest.approx([line["score"] for line in theirs], abs=1e-5)
    one = ask(model, capsys, "--text", SIX[0])
    assert one[0]["probabilities"] == pytest.approx(ours[0]["probabilities"], abs=1e-5)


# Folders of texts by label


def test_folders_in_the_layout_of_imdb(
    encoder: Path, write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, things in (("train", THINGS[:8]), ("test", THINGS[8:])):
        for label, words in (("pos", GOOD), ("neg", BAD)):
            for number, (thing, word) in enumerate((thing, word) for thing in things for word in words):
                write(f"영화평/{part}/{label}/{number}_{9 if label == 'pos' else 2}.txt", f"{thing}이\n정말 {word}.\n")
    write("영화평/train/unsup/0_0.txt", "영화이 좋다")
    data = tmp_path / "영화평"
    told = finetune(encoder, tmp_path / "imdb", "--train", data / "train", "--test", data / "test")
    assert told["test"]["accuracy"]["mean"] > 0.9
    assert read_manifest(tmp_path / "imdb").figures["rows"] == {"train": 36, "dev": 12, "test": 24}
    answers = ask(tmp_path / "imdb", capsys, "--file", data / "test" / "pos")
    assert len(answers) == 12 and [line["answer"] for line in answers].count("pos") > 10
    with pytest.raises(InputError, match="name one of them"):
        finetune(encoder, tmp_path / "both", "--train", data)


# Encoders that are cut, and those of others


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Path:
    """Four layers, with the tokenizer of the toy."""
    folder = tmp_path_factory.mktemp("cases") / "deep"
    entries = len(AutoTokenizer.from_pretrained(encoder))
    foreign.bert(folder, entries, 4)
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copyfile(encoder / file, folder / file)
    return folder


def check(model: Path, told: dict, capsys: pytest.CaptureFixture[str]) -> None:
    """It learned, and answers the same when transformers reads it alone."""
    assert told["test"]["accuracy"]["mean"] > 0.85
    sentences = ["영화이 좋다", "방이 나쁘다", "옷이 별로다", "차이 훌륭하다"]
    theirs = pipeline("text-classification", model=str(model), device="cpu")(sentences)
    ours = [ask(model, capsys, "--text", sentence)[0] for sentence in sentences]
    assert [line["answer"] for line in ours] == [line["label"] for line in theirs]
    assert [line["confidence"] for line in ours] == pytest.approx([line["score"] for line in theirs], abs=1e-5)


def test_an_encoder_cut_to_its_lower_layers(
    deep: Path, toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut"
    AutoModel.from_pretrained(deep, num_hidden_layers=2).save_pretrained(cut)
    AutoTokenizer.from_pretrained(deep).save_pretrained(cut)
    whole, kept = (load_file(folder / "model.safetensors") for folder in (deep, cut))
    assert set(whole) - set(kept) == {name for name in whole if ".layer.2." in name or ".layer.3." in name}
    assert all((whole[name] == weight).all() for name, weight in kept.items())
    told = finetune(cut, tmp_path / "model", "--train", toy[0], "--test", toy[1])
    check(tmp_path / "model", told, capsys)
    assert AutoModel.from_pretrained(tmp_path / "model").config.num_hidden_layers == 2


def test_layers_that_the_configuration_leaves_out_are_not_dropped_in_silence(deep: Path, toy, tmp_path: Path) -> None:
    edited = shutil.copytree(deep, tmp_path / "edited")
    config = json.loads((edited / "config.json").read_text())
    (edited / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(InputError, match=r"says fewer layers than the weights have: .*layer\.2"):
        finetune(edited, tmp_path / "model", "--train", toy[0], "--test", toy[1])


def test_a_distilbert_with_our_vocabulary(
    encoder: Path, toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = len(AutoTokenizer.from_pretrained(encoder))
    shape = DistilBertConfig(
        vocab_size=entries, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=32
    )
    folder = foreign.save_model(tmp_path / "distil", DistilBertModel, shape)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    told = finetune(folder, tmp_path / "model", "--train", toy[0], "--test", toy[1])
    check(tmp_path / "model", told, capsys)


def test_two_texts_by_a_roberta_with_berts_tokenizer(
    encoder: Path, write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """KLUE's RoBERTa: its tokenizer numbers the second text 1, for which it has no embedding."""
    entries = len(AutoTokenizer.from_pretrained(encoder))
    shape = RobertaConfig(
        vocab_size=entries, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=34, type_vocab_size=1, pad_token_id=0,
    )  # fmt: skip
    folder, model = foreign.save_model(tmp_path / "klue", RobertaModel, shape), tmp_path / "model"
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copyfile(encoder / file, folder / file)
    pairs = [(f"{thing}이 {word}", f"{thing}은 참 {word}") for thing in THINGS for word in (*GOOD, *BAD)]
    rows = [f"{first}\t{second}\t{number % 2}\n" for number, (first, second) in enumerate(pairs)]
    file = write("pairs.tsv", "sentence1\tsentence2\tgold_label\n" + "".join(rows))
    finetune(folder, model, "--task", "kornli", "--train", file, "--test", file, epochs=1)
    [ours] = ask(model, capsys, "--text", pairs[0][0], "--pair", pairs[0][1])
    theirs = pipeline("text-classification", model=str(model), device="cpu")(
        {"text": pairs[0][0], "text_pair": pairs[0][1]}
    )
    assert (ours["answer"], ours["confidence"]) == (theirs["label"], pytest.approx(theirs["score"], abs=1e-5))


LINES = [line.split("\t")[0] for line in table(THINGS).splitlines()[1:]]
PEOPLE, TOWNS = ["김철수", "이영희", "박뷁", "최민수"], ["서울", "부산", "대구 북구", "제주"]


def entities_file(people: list[str], towns: list[str]) -> str:
    """People and towns with particles on them, in places that vary."""
    lines = []
    for person in people:
        for town in towns:
            for form in ("{0}가 {1}에 갔다.", "{1}에서  {0}는 왔다", "어제 {1} 사는 {0}를 보았다"):
                text = form.format(person, town)
                spans = [(text.index(person), person, "사람"), (text.index(town), town, "곳")]
                found = [{"start": at, "end": at + len(word), "label": label} for at, word, label in sorted(spans)]
                lines.append(json.dumps({"text": text, "entities": found}, ensure_ascii=False) + "\n")
    return "".join(lines)


def questions_file() -> str:
    """Who went where, asked by turns."""
    lines = []
    for person in PEOPLE:
        for town in TOWNS:
            passage = f"어제 {person}가 {town}에 갔다."
            for question, answer in (("누가 갔나?", person), ("어디에 갔나?", town)):
                found = [{"text": answer, "answer_start": passage.index(answer)}]
                row = {"context": passage, "question": question, "answers": found}
                lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)


TEXTS = [*LINES, *(json.loads(line)["text"] for line in entities_file(PEOPLE, TOWNS).splitlines()), "누가 갔나? 어디에"]


@pytest.fixture(scope="module")
def byte_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RoBERTa with bytes."""
    return foreign.roberta(tmp_path_factory.mktemp("roberta") / "encoder", TEXTS, merges=40)


@pytest.fixture(scope="module")
def jamo_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DistilBERT with vocab.txt alone."""
    return foreign.distilbert(tmp_path_factory.mktemp("distilbert") / "encoder", TEXTS)


FOREIGN = ("byte_encoder", "jamo_encoder")


@pytest.mark.parametrize("name", FOREIGN)
def test_classes_by_encoders_of_others(
    name: str, request: pytest.FixtureRequest, toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = request.getfixturevalue(name)
    assert not (folder / "tokenizer.json").exists() and not (folder / "tokenizer_config.json").exists()
    told = finetune(folder, tmp_path / "model", "--train", toy[0], "--test", toy[1])
    check(tmp_path / "model", told, capsys)
    assert read_manifest(tmp_path / "model").figures["unknown"] < 0.05


@pytest.mark.parametrize("name", FOREIGN)
def test_entities_by_encoders_of_others(
    name: str, request: pytest.FixtureRequest, write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write("ner.jsonl", entities_file(PEOPLE, TOWNS))
    model = tmp_path / "model"
    told = finetune(
        request.getfixturevalue(name),
        model,
        "--task",
        "ner",
        "--train",
        file,
        "--dev",
        file,
        "--test",
        file,
        batch_size=4,
        epochs=15,
    )
    ceiling = read_manifest(model).figures["ceiling"]
    assert told["test"]["entity_f1"]["mean"] > 0.8 * ceiling
    text = "어제 부산 사는 이영희를 보았다"
    [line] = ask(model, capsys, "--text", text)
    found = [(text[one["start"] : one["end"]], one["label"]) for one in line["answer"]]
    theirs = pipeline("token-classification", model=str(model), device="cpu")(text)
    assert "B-곳" in [one["entity"] for one in theirs if text[one["start"] : one["end"]].startswith("부")]
    if name == "byte_encoder":
        assert ceiling == 1.0
        assert found == [("부산", "곳"), ("이영희", "사람")]
    else:
        assert [label for _, label in found] == ["곳", "사람"] and found[0][0] == "부산"


def test_answers_by_a_roberta_with_bytes(
    byte_encoder: Path, write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, model = write("qa.jsonl", questions_file()), tmp_path / "model"
    told = finetune(
        byte_encoder, model, "--task", "qa", "--train", file, "--dev", file, "--test", file, batch_size=4, epochs=12
    )
    assert told["test"]["em"]["mean"] > 0.8
    passage = "어제 박뷁가 대구 북구에 갔다."
    for question, answer in (("누가 갔나?", "박뷁"), ("어디에 갔나?", "대구 북구")):
        [line] = ask(model, capsys, "--text", passage, "--pair", question)
        assert line["answer"] == [{"text": answer, "start": passage.index(answer)}]


def test_a_vocab_txt_of_syllables_is_told_how_to_be_read(
    toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = foreign.distilbert(tmp_path / "encoder", LINES, lowercase=False)
    finetune(folder, tmp_path / "wrong", "--train", toy[0], "--test", toy[1], epochs=1)
    said = capsys.readouterr().err
    assert "tokens are unknown" in said and '{"do_lower_case": false}' in " ".join(said.split())
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    told = finetune(folder, tmp_path / "right", "--train", toy[0], "--test", toy[1])
    check(tmp_path / "right", told, capsys)
    assert read_manifest(tmp_path / "right").figures["unknown"] < 0.05
