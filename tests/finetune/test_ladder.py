"""A ladder: one protocol for all, differences told apart from noise, nothing made twice."""

import json
import random
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest
from scipy.stats import t
from sklearn.metrics import f1_score

from finetune.data.rows import Answer, Row, Rows, Span
from finetune.features import main as features
from finetune.kinds.every import kind_of
from finetune.kinds.kind import Said
from finetune.ladder import command, main
from finetune.plan import Entry, read_plan
from finetune.results import prediction_lines, read_predictions
from finetune.rungs import Cell, by_seeds, compare, macro_f1, read_cell
from finetune.train import main as train
from pipeline.artifact import read_manifest
from pipeline.console import fail
from pipeline.errors import InputError
from tests.finetune.conftest import SETTINGS


def cell(right: list[bool], values: tuple[float, ...] = (), task: str = "nsmc", measure: str = "accuracy") -> Cell:
    rows = Rows(Path("t"), tuple(Row(f"글 {n}", None, str(n % 2), f"line {n}", str(n)) for n in range(len(right))))
    said = [
        Said(row.label if ok else str(1 - int(row.label)), 0.9, ()) for row, ok in zip(rows.rows, right, strict=True)
    ]
    score = fmean(right)
    return Cell(task, measure, values or (score,), score, rows, said, ("0", "1"))


def coins(share: float, seed: int, rows: int = 400) -> list[bool]:
    draw = random.Random(seed)
    return [draw.random() < share for _ in range(rows)]


def test_clear_and_unclear_differences() -> None:
    weak, strong = cell(coins(0.6, 1), (0.60, 0.61, 0.59)), cell(coins(0.9, 2), (0.90, 0.91, 0.89))
    assert compare(strong, weak).verdict == "better"
    assert compare(weak, strong).verdict == "worse"
    assert compare(strong, weak).value == pytest.approx(0.3)
    # The same answers but for two rows.
    near = [*coins(0.9, 2)]
    near[:2] = [not each for each in near[:2]]
    assert compare(cell(near), cell(coins(0.9, 2))).verdict == "within noise (of rows)"
    # Rows say yes, seeds do not.
    wide = cell(coins(0.9, 2), (0.9, 0.5, 0.7))
    assert compare(wide, weak).verdict == "within noise (of seeds)"


def test_other_rows_are_not_compared_row_by_row() -> None:
    one, other = cell(coins(0.9, 1)), cell(coins(0.6, 1, rows=300))
    found = compare(one, other)
    assert found.by_rows is None
    assert found.verdict == "not known"


@pytest.mark.parametrize("measure", ["macro_f1", "accuracy", "mcc"])
def test_every_measure_is_resampled(measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.rungs.FEWER", 40)
    weak, strong = cell(coins(0.6, 1, 60), measure=measure), cell(coins(0.95, 2, 60), measure=measure)
    found = compare(strong, weak).by_rows
    scores = [kind_of("nsmc").score(each.rows, each.said, each.names).measures[measure] for each in (strong, weak)]
    assert found.value == pytest.approx(scores[0] - scores[1])
    assert found.clear
    assert (found.low < found.value < found.high, found.rows) == (True, 60)


def test_macro_f1_is_scikit_learns() -> None:
    draw = random.Random(3)
    for size in (2, 3, 7):
        truth, said = ([draw.randrange(size) for _ in range(9)] for _ in range(2))
        assert macro_f1(truth, said) == pytest.approx(f1_score(truth, said, average="macro", zero_division=0))


def test_numbers_and_answers_are_resampled() -> None:
    rows = Rows(Path("t"), tuple(Row(f"{n}", "b", float(n), str(n), str(n)) for n in range(30)))
    exact = Cell("korsts", "spearman", (1.0,), 1.0, rows, [Said(float(n), 1.0) for n in range(30)], ("score",))
    mixed = [Said(float(n * 7 % 30), 1.0) for n in range(30)]
    assert compare(exact, replace(exact, said=mixed, values=(0.2,))).verdict == "better"
    rows = Rows(Path("t"), tuple(Row("서울은 크다", "어디?", (Answer("서울", 0),), str(n), str(n)) for n in range(30)))
    said = [Said((Answer("서울", 0),) if n % 2 else (), 1.0) for n in range(30)]
    half = Cell("korquad", "f1", (0.5,), 0.5, rows, said, ())
    found = compare(half, replace(half, said=[Said((), 1.0)] * 30, values=(0.0,)))
    assert (found.verdict, found.by_rows.value) == ("better", pytest.approx(0.5))


def test_intervals_by_seeds() -> None:
    ours, theirs = [0.80, 0.82, 0.84], [0.70, 0.75, 0.74, 0.73]
    # Welch (1947) by hand.
    variances = [stdev(ours) ** 2 / 3, stdev(theirs) ** 2 / 4]
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 3)
    half = t.ppf(0.975, freedom) * sum(variances) ** 0.5
    middle = fmean(ours) - fmean(theirs)
    assert by_seeds(ours, theirs) == pytest.approx((middle - half, middle + half))
    assert by_seeds(theirs, ours) == pytest.approx((-middle - half, -middle + half))
    # Against a constant.
    half = t.ppf(0.975, 2) * stdev(ours) / 3**0.5
    assert by_seeds(ours, [0.7]) == pytest.approx((0.12 - half, 0.12 + half))
    assert by_seeds([0.7], ours) == pytest.approx((-0.12 - half, -0.12 + half))
    assert by_seeds([0.8, 0.8], [0.7]) == pytest.approx((0.1, 0.1))
    assert by_seeds([0.8], [0.7]) is None


@pytest.mark.parametrize(
    ("kind", "target", "answer"),
    [
        ("classification", "긍정", "부정"),
        ("regression", 2.5, 1.0),
        ("multilabel", ("가", "나"), ()),
        ("ner", (Span(0, 2, "PS"),), (Span(0, 3, "LC"), Span(4, 5, "PS"))),
        ("qa", (Answer("서울", 3), Answer("서울시", 3)), (Answer("서", 3),)),
    ],
)
def test_answers_read_back_as_they_were_written(tmp_path: Path, kind: str, target, answer) -> None:
    rows = Rows(tmp_path, (Row("글\u2028이다", "둘째", target, "7", "7"), Row("또", "", target, "8", "8")))
    said = [Said(answer, 0.5, (0.25, 0.75) if kind == "classification" else ()), Said(target, 1.0)]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(f"{line}\n" for line in prediction_lines(rows, said, ("긍정", "부정"))), "utf-8")
    found, given = read_predictions(path, kind, ("긍정", "부정"))
    assert (found.rows, given) == (rows.rows, said)


def test_commands_differ_in_the_model_alone(tmp_path: Path) -> None:
    asked = Namespace(recipe="base", artifacts=tmp_path, overrides=["finetune.seeds=3"], cpu=True)
    entry = Entry("nsmc", "a.tsv", test="b.tsv", set=["finetune.max_length=64"])
    found = {model: command(asked, model, entry, Path("out"))[2:] for model in ("m", "random:m", "frozen:m", "tfidf")}
    common = ["--task", "nsmc", "--train", "a.tsv", "--test", "b.tsv"]
    settings = ["--cpu", "--set", "finetune.seeds=3", "finetune.max_length=64"]
    for words in found.values():
        place = words.index("--task")
        assert words[place : place + 6] == common
        assert words[-4:] == settings
    assert [words[0] for words in found.values()] == [
        "finetune.train", "finetune.train", "finetune.features", "finetune.features",
    ]  # fmt: skip
    assert ["--random-weights" in words for words in found.values()] == [False, True, False, False]
    assert found["tfidf"][found["tfidf"].index("--baseline") + 1] == "tfidf"
    assert "--model" not in found["tfidf"]


def test_a_plan_is_checked_before_anything_is_trained(write, encoder: Path, toy: tuple[Path, Path]) -> None:
    def plan(text: str):
        return read_plan(write("plan.toml", text), [], [])

    good = f'models = ["{encoder}", "random:{encoder}", "tfidf"]\n[[tasks]]\ntask = "classification"\n'
    found = plan(good + f'train = "{toy[0]}"\ntest = "{toy[1]}"\n')
    assert [entry.called for entry in found.tasks] == ["classification"]
    assert found == read_plan(None, found.models, [f"classification={toy[0]},{toy[1]}"])
    for text, words in [
        (good, "train"),
        (good + f'train = "{toy[0]}"\nepochs = 3\n', "epochs"),
        (good + 'train = "nowhere.tsv"\n', "nowhere.tsv"),
        (good.replace('"classification"', '"nsmk"') + f'train = "{toy[0]}"\n', "nsmk"),
        (good.replace('"tfidf"', f'"{encoder}/"') + f'train = "{toy[0]}"\n', "two models"),
        (good.replace('"tfidf"', '"frozen:nowhere"') + f'train = "{toy[0]}"\n', "nowhere"),
        (good + f'train = "{toy[0]}"\nname = "../up"\n', "folder"),
        ("models = [", "cannot read"),
    ]:
        with pytest.raises(InputError, match=words):
            plan(text)
    with pytest.raises(InputError, match="TASK=TRAIN"):
        read_plan(None, ["tfidf"], ["nsmc"])
    with pytest.raises(InputError, match="needs models and tasks"):
        read_plan(None, ["tfidf"], [])


@pytest.fixture
def flags(write, tmp_path: Path) -> list[str]:
    recipe = write("toy.toml", "[finetune]\n" + "".join(f"{name} = {value}\n" for name, value in SETTINGS.items()))
    return ["--recipe", str(recipe), "--artifacts", str(tmp_path / "a"), "--name", "l", "--cpu"]


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Cells made in this process, which is quicker; the exit codes that they would have had."""
    codes: list[int] = []

    def run(words: list[str]) -> int:
        try:
            {"finetune.train": train, "finetune.features": features}[words[2]](words[3:])
            codes.append(0)
        except InputError as error:
            fail(str(error))
            codes.append(2)
        return codes[-1]

    monkeypatch.setattr("finetune.ladder.start", run)
    return codes


def test_one_table_of_all(
    flags: list[str], in_process: list[int], write, encoder: Path, toy: tuple[Path, Path], tmp_path: Path, capfd
) -> None:
    home = tmp_path / "a" / "ladder" / "l"
    flags += [
        "--set",
        "finetune.seeds=2",
        "finetune.epochs=2",
        "--models",
        str(encoder),
        f"random:{encoder}",
        "tfidf",
        f"frozen:{encoder}",
    ]
    tasks = [f"classification={toy[0]},{toy[1]}"]
    main([*flags, "--tasks", *tasks])
    page, found = (home / "ladder.md").read_text("utf-8"), json.loads((home / "ladder.json").read_text("utf-8"))
    assert [len(line["values"]) for line in found] == [2, 2, 1, 1]
    cells = home / "cells" / "classification"
    assert fmean(found[0]["values"]) == pytest.approx(
        read_manifest(cells / "encoder").figures["test"]["macro_f1"], abs=1e-6
    )
    assert f"| encoder | {fmean(found[0]['values']):.4f} +- " in page
    assert "## Against encoder" in page
    assert {path.name for path in cells.glob("[!.]*")} == {"encoder", "encoder,-random", "tfidf", "encoder,-frozen"}
    words = compare(read_cell(cells / "tfidf"), read_cell(cells / "encoder")).verdict
    assert found[2]["verdict"] == words
    assert words in page

    # The same again makes nothing; a task that fails leaves the rest.
    stamps = {path: path.stat().st_mtime_ns for path in cells.rglob("manifest.json")}
    bad = write("bad.tsv", "text\tlabel\n영화이 좋다\t중립\n")
    capfd.readouterr()
    in_process.clear()
    with pytest.raises(InputError, match="6 of 12 cells failed"):
        main([*flags, "--tasks", *tasks, f"ner={bad}", f"multilabel={bad}"])
    assert in_process == [0] * 4 + [2] * 6, "words and vectors of whole texts are not asked for entities"
    told = capfd.readouterr().err
    assert told.count("is up to date") == 4
    assert "tfidf cannot do ner" in told
    assert {path: path.stat().st_mtime_ns for path in cells.rglob("manifest.json")} == stamps
    assert "| failed |" in (home / "ladder.md").read_text("utf-8")


def test_an_interruption_ends_it(flags: list[str], toy: tuple[Path, Path], monkeypatch) -> None:
    asked = []
    monkeypatch.setattr("finetune.ladder.start", lambda words: asked.append(words) or 130)
    with pytest.raises(KeyboardInterrupt):
        main([*flags, "--models", "tfidf", "--tasks", f"classification={toy[0]}", f"nsmc={toy[0]}"])
    assert len(asked) == 1


@pytest.mark.slow
def test_cells_are_made_in_processes_of_their_own(
    flags: list[str], encoder: Path, toy: tuple[Path, Path], capfd
) -> None:
    main(
        [*flags, "--set", "finetune.epochs=1", "--models", str(encoder), "tfidf", "--tasks", f"classification={toy[0]}"]
    )
    told = capfd.readouterr().err
    assert "finetune -> " in told
    assert "features -> " in told
    assert "encoder" in told.split("ladder -> ")[1]
