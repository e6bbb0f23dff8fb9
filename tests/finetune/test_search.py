"""A search chooses on dev, never looks at test, and loses nothing when it is interrupted."""

import shlex
from pathlib import Path

import pytest

from finetune.grid import combinations, some_of
from finetune.kinds.classes import Classification
from finetune.learn import tune
from finetune.search import main
from finetune.train import main as train
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from tests.finetune.conftest import SETTINGS

GRID = ["finetune.learning_rate=5e-3,1e-7", "finetune.epochs=1,3"]


@pytest.fixture
def flags(encoder: Path, toy: tuple[Path, Path], tmp_path: Path) -> list[str]:
    recipe = tmp_path / "toy.toml"
    recipe.write_text("[finetune]\n" + "".join(f"{name} = {value}\n" for name, value in SETTINGS.items()), "utf-8")
    return [
        "--recipe", str(recipe), "--artifacts", str(tmp_path / "artifacts"), "--model", str(encoder), "--cpu",
        "--train", str(toy[0]), "--test", str(toy[1]),
    ]  # fmt: skip


def test_every_combination_and_which_of_many() -> None:
    every = combinations(["finetune.epochs=1,2,3", "finetune.batch_size=4,8"])
    assert len(every) == len(set(every)) == 6
    assert every[1] == ("finetune.epochs=1", "finetune.batch_size=8")
    drawn = some_of(every, 4, seed=1)
    assert len(drawn) == 4
    assert drawn == [one for one in every if one in drawn] == some_of(every, 4, seed=1)
    assert len({tuple(some_of(every, 4, seed)) for seed in range(9)}) > 1
    assert some_of(every, 6, 0) == every


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (["finetune.epochs"], "write it as"),
        (["finetune.epochs=1,"], "write it as"),
        (["train.max_steps=1,2"], "write it as"),
        (["finetune.seed=1,2"], "another finetune.seed"),
        (["finetune.dev_share=0.1,0.2"], "another finetune.dev_share"),
        (["finetune.choice=mcc,accuracy"], "another finetune.choice"),
        (["finetune.epochs=1", "finetune.epochs=2"], "twice"),
        (["finetune.epochs=1,1"], "twice"),
        (["finetune.epoch=1,2"], "epoch"),
        (["finetune.epochs=1,many"], "epochs"),
        (["finetune.train_layers=0", "finetune.gradual_unfreezing=false,true"], "gradual_unfreezing decides"),
    ],
)
def test_grids_that_make_no_sense(flags: list[str], grid: list[str], words: str, monkeypatch) -> None:
    monkeypatch.setattr("finetune.search.tune", lambda *_, **__: pytest.fail("trained before all were checked"))
    with pytest.raises(InputError, match=words):
        main([*flags, "--grid", *grid])


def test_test_is_never_scored_and_the_command_gives_what_was_promised(
    flags: list[str], toy: tuple[Path, Path], tmp_path: Path, monkeypatch, capsys
) -> None:
    seen: set[str] = set()
    for name in ("encode", "score"):
        real = getattr(Classification, name)

        def watched(self, *arguments, real=real):
            rows = next(each for each in arguments if hasattr(each, "rows"))
            seen.update(row.text for row in rows.rows)
            return real(self, *arguments)

        monkeypatch.setattr(Classification, name, watched)
    main([*flags, "--grid", *GRID])
    told = capsys.readouterr()
    texts = {line.split("\t")[0] for line in toy[1].read_text("utf-8").splitlines()[1:]}
    assert seen
    assert not seen & texts
    assert not (tmp_path / "artifacts" / "finetune").exists(), "no use of test is recorded"
    assert told.err.count("5e-3") >= 2
    assert told.err.count(" best") >= 1
    assert {path.suffix for path in (tmp_path / "artifacts" / "search").rglob("*") if path.is_file()} <= {
        ".json",
        ".lock",
    }
    assert not [path for path in (tmp_path / "artifacts" / "search").iterdir() if path.name.endswith(".runs")]

    python, dash, module, *rest = shlex.split(told.out)
    assert (python, dash, module) == ("python", "-m", "finetune.train")
    assert rest[-2:] == ["finetune.learning_rate=5e-3", "finetune.epochs=3"]
    train([*rest, "--out", str(tmp_path / "out")])
    trained = read_manifest(tmp_path / "out")
    kept = [read_manifest(path) for path in (tmp_path / "artifacts" / "search").glob("[!.]*")]
    assert len(kept) == 4
    assert trained.figures["dev"]["macro_f1"] == pytest.approx(max(one.figures["dev"] for one in kept), abs=1e-6)
    assert seen & texts, "the watch sees a test that is scored"


def test_what_was_tried_is_not_tried_again(flags: list[str], monkeypatch, capsys) -> None:
    tried = []

    def interrupted(job, *rest, **named):
        if len(tried) == 2:
            raise KeyboardInterrupt
        tried.append(job.settings.epochs)
        return tune(job, *rest, **named)

    monkeypatch.setattr("finetune.search.tune", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main([*flags, "--grid", "finetune.epochs=1,2,3"])
    tried.clear()
    main([*flags, "--set", "finetune.seeds=5", "--grid", "finetune.epochs=1,2,3"])
    assert tried == [3]
    assert capsys.readouterr().out.count("finetune.seeds=5") == 1
    tried.clear()
    main([*flags, "--grid", "finetune.epochs=3,1", "--most", "1"])
    assert tried == []
