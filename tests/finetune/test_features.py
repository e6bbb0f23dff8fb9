"""A frozen encoder with a head: the same protocol and the same scores as a fine-tuning, vectors made once."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler

from finetune.data.read import Source, read_rows
from finetune.features import main
from finetune.headed import Headed, make_features
from finetune.heads import HEADS
from finetune.job import Data, Job
from finetune.scoring.protocol import digest, uses_of
from finetune.sets import read_sets
from finetune.vectors import Encoder, embed, stored_vectors
from finetune.words import Words
from pipeline.errors import InputError
from tests.finetune.conftest import BAD, GOOD, THINGS, settings


@pytest.fixture
def job(encoder: Path, toy: tuple[Path, Path], tmp_path: Path) -> Job:
    data = Data(str(toy[0]), None, str(toy[1]), Source("classification"))
    return Job(encoder, data, tmp_path / "out" / "toy", settings(), tmp_path / "artifacts", cpu=True)


def changed(job: Job, **changes) -> Job:
    return Job(**{**{name: getattr(job, name) for name in job.__dataclass_fields__}, **changes})


def answers(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text("utf-8").splitlines()]


def test_the_head_is_what_scikit_learn_makes_of_the_vectors(job: Job) -> None:
    manifest, built = make_features(Headed(job, "logistic", "mean"))
    assert built
    # By hand: vectors of every row, standardised on train, C by macro F1 on dev.
    sets = read_sets(job)
    vectors = {name: embed(Encoder(job.model, cpu=True), getattr(sets, name)) for name in ("train", "dev", "test")}
    labels = {name: [row.label for row in getattr(sets, name).rows] for name in vectors}
    scale = StandardScaler().fit(vectors["train"])
    fitted = {}
    for strength in HEADS["logistic"].values:
        fitted[strength] = LogisticRegression(C=strength, max_iter=1000).fit(
            scale.transform(vectors["train"]), labels["train"]
        )
    dev = {c: f1_score(labels["dev"], f.predict(scale.transform(vectors["dev"])), average="macro")
           for c, f in fitted.items()}  # fmt: skip
    best = max(dev, key=lambda c: (dev[c], -c))
    said = fitted[best].predict(scale.transform(vectors["test"]))
    assert manifest.figures["setting"] == best
    assert manifest.figures["dev"]["macro_f1"] == pytest.approx(dev[best], abs=1e-6)
    assert manifest.figures["test"]["accuracy"] == pytest.approx(accuracy_score(labels["test"], said), abs=1e-6)
    assert [line["answer"] for line in answers(job.folder)] == said.tolist()

    # The saved weights alone give the same probabilities.
    head = load_file(job.folder / "head.safetensors")
    logits = vectors["test"] @ head["weight"].T + head["bias"]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    told = [[line["probabilities"][name] for name in sets.names] for line in answers(job.folder)]
    assert np.allclose(shares, told, atol=1e-4)


def test_the_same_protocol_as_a_fine_tuning(job: Job) -> None:
    make_features(Headed(job, "logistic", "mean"))
    [use] = uses_of(job.artifacts, digest([Path(job.data.test)]))
    assert use.model == "encoder, frozen, mean + logistic"
    assert (use.settings["head"], use.settings["vectors"], use.seeds) == ("logistic", "mean", [0])
    report = (job.folder / "report.md").read_text("utf-8")
    assert "after the head's setting had been chosen on dev" in report
    assert "was chosen by macro" in report
    assert {path.name for path in job.folder.iterdir()} == {
        "manifest.json", "metrics.json", "mistakes.json", "predictions.jsonl", "report.md", "task.json",
        "head.safetensors", "confusion.png", "confusion.svg",
    }  # fmt: skip
    assert make_features(Headed(job, "logistic", "mean"))[1] is False
    assert len(uses_of(job.artifacts, digest([Path(job.data.test)]))) == 1


def test_vectors_are_made_once_for_all_heads(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_features(Headed(job, "logistic", "cls"))

    def never(*arguments):
        raise AssertionError("the encoder was asked again")

    monkeypatch.setattr("finetune.vectors.embed", never)
    make_features(Headed(changed(job, folder=tmp_path / "b"), "knn", "cls"))
    # Another split is of the same texts.
    make_features(Headed(changed(job, folder=tmp_path / "c", settings=settings(seed=3)), "logistic", "cls"))
    with pytest.raises(AssertionError, match="asked again"):
        make_features(Headed(changed(job, folder=tmp_path / "d"), "knn", "mean"))


def test_stored_vectors_are_those_of_their_texts(encoder: Path, toy: tuple[Path, Path], tmp_path: Path) -> None:
    rows = read_rows(toy[0], Source("classification"))
    frozen = Encoder(encoder, "last4", cpu=True)
    wanted = [(row.text, None) for row in rows.rows]
    store = stored_vectors(frozen, [*reversed(wanted), *wanted[:3]], tmp_path)
    assert np.allclose(np.stack([store[pair] for pair in wanted]), embed(frozen, rows), atol=1e-6)
    [folder] = [path for path in (tmp_path / "vectors").iterdir() if path.is_dir()]
    few = stored_vectors(frozen, [("영화이 싫다", None), *wanted[:2]], tmp_path)
    assert len(few) == 3
    assert np.allclose(few[wanted[0]], store[wanted[0]], atol=1e-6)
    (folder / "vectors.npy").write_bytes((folder / "vectors.npy").read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match=r"vectors\.npy was changed"):
        stored_vectors(frozen, wanted, tmp_path)


@pytest.mark.parametrize("head", sorted(set(HEADS) - {"linear"}))
def test_every_head_classifies(job: Job, head: str) -> None:
    manifest, _ = make_features(Headed(changed(job, settings=settings(seeds=2)), head, "mean"))
    assert manifest.figures["dev"]["accuracy"] >= 0.5
    assert manifest.figures["seeds"] == (2 if HEADS[head].seeded else 1)
    for line in answers(job.folder):
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert max(line["probabilities"], key=line["probabilities"].get) == line["answer"]
    assert not [path for path in job.folder.iterdir() if path.suffix in (".pkl", ".joblib")]


def test_words_alone_tell_a_toy_apart(job: Job, tmp_path: Path) -> None:
    manifest, _ = make_features(Headed(changed(job, model=Path("tfidf")), "logistic", None))
    assert manifest.figures["test"]["accuracy"] == 1.0
    assert not (job.folder / "head.safetensors").exists()
    assert not any(name.startswith("model") for name in manifest.inputs)
    assert not (job.artifacts / "vectors").exists()
    with pytest.raises(InputError, match="sparse"):
        make_features(Headed(changed(job, folder=tmp_path / "b"), "boosting", None))


def test_words_compare_two_texts() -> None:
    words = Words([("영화 좋다", "영화 좋다"), ("음식", "노래")])
    same, other = words.vectors([("영화 좋다", "영화 좋다"), ("음식", "노래")]).toarray().reshape(2, 4, words.width)
    assert np.array_equal(same[0], same[1])
    assert np.allclose(same[2], same[0] ** 2)
    assert not same[3].any()
    # Nothing in common but the edges of words.
    assert np.count_nonzero(other[2]) == 1
    assert np.allclose(other[3], abs(other[0] - other[1]))
    with pytest.raises(InputError, match="TF-IDF"):
        Words([("", None)])


def label_sets(things: list[str]) -> str:
    """A thing is good, or bad, or both, and the first three are things of their own."""
    rows = []
    for thing in things:
        own = ",상" if thing in THINGS[:3] else ""
        rows += [
            f"{thing}이 {word}\t긍정{own}\n{thing}이 {bad}\t부정{own}\n" for word, bad in zip(GOOD, BAD, strict=True)
        ]
    return "text\tlabels\n" + "".join(rows)


@pytest.mark.parametrize("head", ["logistic", "linear-svm", "forest", "knn", "mlp"])
def test_sets_of_labels(job: Job, write, head: str) -> None:
    train, test = write("m.tsv", label_sets(THINGS[:8])), write("n.tsv", label_sets(THINGS[8:]))
    multi = changed(job, data=Data(str(train), None, str(test), Source("multilabel")))
    manifest, _ = make_features(Headed(multi, head, "mean"))
    first = answers(job.folder)[0]
    assert set(first["probabilities"]) == {"긍정", "부정", "상"}
    for line in answers(job.folder):
        given = {name for name, share in line["probabilities"].items() if share >= 0.5}
        assert given == set(line["answer"])
    assert 0 < manifest.figures["dev"]["micro_f1"] <= 1


@pytest.mark.parametrize("head", ["ridge", "linear", "linear-svm", "forest", "knn", "mlp"])
def test_numbers(job: Job, write, head: str) -> None:
    def scored(things: list[str]) -> str:
        return "text\tlabel\n" + "".join(
            f"{thing}이 {word}\t{number}\n" for thing in things for number, word in enumerate((*GOOD, *BAD))
        )

    train, test = write("m.tsv", scored(THINGS[:8])), write("n.tsv", scored(THINGS[8:]))
    numbers = changed(job, data=Data(str(train), None, str(test), Source("regression")))
    manifest, _ = make_features(Headed(numbers, head, "mean"))
    assert manifest.figures["dev"]["pearson"] > 0.3
    if head == "ridge":
        weights = load_file(job.folder / "head.safetensors")
        vectors = embed(Encoder(job.model, cpu=True), read_rows(test, numbers.data.source))
        by_hand = vectors @ weights["weight"].T + weights["bias"]
        assert np.allclose(by_hand[:, 0], [line["answer"] for line in answers(job.folder)], atol=1e-3)


def test_random_weights_are_another_encoder_with_each_seed(job: Job) -> None:
    random = changed(job, random_weights=True, settings=settings(seeds=2))
    manifest, _ = make_features(Headed(random, "logistic", "mean"))
    assert manifest.figures["seeds"] == 2
    assert len([path for path in (job.artifacts / "vectors").iterdir() if path.is_dir()]) == 2
    rows = read_sets(job).dev
    drawn = [embed(Encoder(job.model, random_seed=seed, cpu=True), rows) for seed in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0], drawn[2])
    assert not np.allclose(drawn[0], embed(Encoder(job.model, cpu=True), rows))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--task", "ner", "--train", "x.tsv"], "task ner answers within a text"),
        (["--task", "qa", "--train", "x.json"], "task qa answers within a text"),
        (
            ["--task", "regression", "--train", "x.tsv", "--head", "logistic"],
            "--head logistic does no regression; .*ridge",
        ),
        (["--head", "linear"], "--head linear does no classification; .*logistic"),
        (["--head", "knn", "--set", "finetune.class_weights=balanced"], "knn has no weights of classes"),
        (["--baseline", "tfidf", "--pool", "cls"], "uses no encoder"),
    ],
)
def test_what_does_not_go_together_is_refused(encoder: Path, tmp_path: Path, flags: list[str], words: str) -> None:
    model = [] if "--baseline" in flags else ["--model", str(encoder)]
    with pytest.raises(InputError, match=words):
        main([*model, *flags, "--artifacts", str(tmp_path)])


def test_the_sample_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--baseline", "tfidf", "--artifacts", str(tmp_path)]
    main(flags)
    told = capsys.readouterr().err
    assert "from tfidf + logistic" in told
    main(flags)
    assert "is up to date" in capsys.readouterr().err
    assert (tmp_path / "features" / "sample" / "report.md").is_file()
