"""The whole road by `make`, in a copy of the repository, and the README's commands as they stand there."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

#: What a clone brings.
CLONED = ("Makefile", "README.md", "README.ko.md", "pyproject.toml", "constraints.txt", "LICENSE")
ROOMS = ("pipeline", "corpora", "tokenizer", "pretrain", "probes", "finetune", "pages", "tests")
#: Makes every run short; a command's own SET stands above the environment's.
SHORT = "train.max_steps=4 train.eval_every=2 train.batch_size=8 train.eval_examples=32 finetune.epochs=1"
README = (REPOSITORY / "README.md").read_text("utf-8")
README_KO = (REPOSITORY / "README.ko.md").read_text("utf-8")


def shell_lines(markdown: str) -> list[str]:
    """The commands of all ```sh blocks, continuation lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", markdown, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [" ".join(line.split("  #")[0].split()) for line in lines if line.strip() and not line.startswith("#")]


def copy_of_the_repository(folder: Path) -> Path:
    """A fresh checkout that finds the environment already made (setting up is what CI itself has just done)."""
    folder.mkdir()
    for name in CLONED:
        shutil.copy(REPOSITORY / name, folder / name)
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "accelerate"):
        # Not a link: a linked python would look for its packages beside the link.
        (binaries / name).write_text(f'#!/bin/sh\nexec "{Path(sys.executable).with_name(name)}" "$@"\n')
        (binaries / name).chmod(0o755)
    for stamp in (".installed", ".installed-dev"):
        (folder / ".venv" / stamp).touch()
    return folder


def run(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["bash", "-euc", command], cwd=folder, env={**kept, **environment}, capture_output=True, text=True
    )


def made(folder: Path, name: str) -> dict[str, str]:
    """Stage -> when its artifact was made."""
    manifests = sorted((folder / "artifacts").glob(f"*/{name}/manifest.json"))
    return {path.parent.parent.name: json.loads(path.read_text("utf-8"))["created"] for path in manifests}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A fresh checkout in which the first two commands of a user ran, and what the second one said."""
    checkout = copy_of_the_repository(tmp_path_factory.mktemp("road") / "hanbeot")
    for command in ("make tokenizer", "make pretrain"):
        done = run(checkout, command, SET=SHORT)
        assert done.returncode == 0, done.stderr
    return checkout, done.stdout


@pytest.fixture
def checkout(pretrained: tuple[Path, str]) -> Path:
    return pretrained[0]


def test_make_help_lists_every_target_with_its_own_words() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    documented = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()) - {"FORCE"}
    assert documented == phony
    told = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert all(re.search(rf"make {target}\s", told) for target in documented)
    assert "sample" in told and "lecture" in told


def test_both_readmes_have_the_same_commands() -> None:
    assert shell_lines(README) == shell_lines(README_KO)
    assert len(shell_lines(README)) > 10


@pytest.mark.slow
def test_a_second_make_does_nothing_and_a_change_rebuilds_what_depends_on_it(pretrained: tuple[Path, str]) -> None:
    checkout, said = pretrained
    assert "이순신은 [MASK] 중기의 무신이다." in said
    before = made(checkout, "sample")
    assert set(before) == {"corpus", "tokenizer", "examples", "pretrain", "export"}
    time.sleep(1.1)  # manifests say when to the second
    second = run(checkout, "make pretrain", SET=SHORT)
    assert second.returncode == 0 and "python" not in second.stdout, "nothing was even asked"
    assert "이순신은 [MASK] 중기의 무신이다." in second.stdout
    touched = run(checkout, "touch corpora/*.py && make pretrain", SET=SHORT)
    assert touched.returncode == 0 and made(checkout, "sample") == before, "asked, but nothing to do"
    refused = run(checkout, "make pretrain", SET=SHORT + " train.learning_rate=5e-4")
    assert refused.returncode != 0 and "train.learning_rate" in refused.stderr and "5e-4" not in refused.stdout.split()
    assert made(checkout, "sample") == before, "a finished run is never overwritten"
    plain = run(checkout, "make pretrain")
    assert plain.returncode == 0 and made(checkout, "sample") == before, "what was refused is not remembered"
    other = run(checkout, "make pretrain NAME=other", SET=SHORT + " train.learning_rate=5e-4")
    assert other.returncode == 0, other.stderr
    assert made(checkout, "sample") == before


@pytest.mark.slow
def test_the_readme_s_commands_run(checkout: Path) -> None:
    """Every command of the README, as written and in its order, only with shorter training."""
    mine = checkout / "my.txt"
    mine.write_text((REPOSITORY / "corpora" / "sample" / "science.txt").read_text("utf-8"), "utf-8")
    (checkout / "notes.jsonl").write_text(
        '{"title": "비", "text": "어제는 비가 많이 왔다. 길이 모두 젖었다."}\n', "utf-8"
    )
    (checkout / "questions.txt").write_text("대한민국의 수도는 [GAP]이다.\n물은 [MASK]에서 언다.\n", "utf-8")
    skipped = {"make test", "make check"}  # this very run
    for command in shell_lines(README):
        if command in skipped or command.startswith(("git clone", "cd ")):
            continue
        command = command.replace("train.max_steps=300", SHORT)
        if any(word in command for word in ("GPUS=8", "RECIPE=base", "RECIPE=lecture")):
            command = command.replace("make ", "make -n ", 1)  # needs what a test machine does not have
        done = run(checkout, command, SET=SHORT, PATH=f"{checkout / '.venv' / 'bin'}:{os.environ['PATH']}")
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("readme", [README, README_KO])
def test_the_notebook_s_cell_runs(sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path, readme: str) -> None:
    """As it stands, only with a small model and one epoch."""
    cell = next(code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "TextDataset" in code)
    shutil.copy(next(sample_corpus.glob("heldout-*.txt")), tmp_path / "corpus.txt")
    shutil.copy(sample_tokenizer / "vocab.txt", tmp_path)
    small = "BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, "
    cell = cell.replace("BertConfig(vocab_size", f"{small}vocab_size").replace(
        "num_train_epochs=10", "num_train_epochs=1"
    )
    assert small in cell and "num_train_epochs=1," in cell
    code = cell + "assert len(dataset) > 20 and trainer.state.global_step > 0\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model_output" / "model.safetensors").exists()


@pytest.mark.slow
def test_a_name_remembers_what_it_was_asked_with(tmp_path: Path) -> None:
    checkout = copy_of_the_repository(tmp_path / "hanbeot")
    mine = checkout / "my.txt"
    mine.write_text((REPOSITORY / "corpora" / "sample" / "nature.txt").read_text("utf-8"), "utf-8")
    first = run(checkout, 'make corpus NAME=mine CORPUS=my.txt SET="corpus.held_out=0.1"')
    assert first.returncode == 0, first.stderr
    again = run(checkout, "make corpus NAME=mine")
    assert again.returncode == 0 and "python" not in again.stdout, again.stdout
    other = run(checkout, "make corpus NAME=mine SET=")
    assert other.returncode == 0 and "--corpus my.txt" in other.stdout and "--set" not in other.stdout
    sample = run(checkout, "make corpus")
    assert "--corpus corpora/sample" in sample.stdout and "--name sample" in sample.stdout


@pytest.mark.slow
def test_errors_reach_the_user_as_one_line(checkout: Path) -> None:
    for command, told in (
        ("make corpus CORPUS=none.txt NAME=bad", "error: no such file or folder: none.txt"),
        ("make tokenizer NAME=bad SET=tokenizer.vocabsize=3", "did you mean 'vocab_size'"),
        ("make corpus RECIPE=smaal", "did you mean 'small'"),
        ("make probe MODEL=none", "no model folder none"),
    ):
        done = run(checkout, command)
        assert done.returncode != 0 and told in done.stderr, (command, done.stderr)
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_every_stage_runs_from_any_folder_without_make(tmp_path: Path) -> None:
    """Installed, with no checkout around: the default corpus is the one in the package."""
    stages = (
        "corpora.build",
        "tokenizer.train",
        "pretrain.examples",
        "pretrain.train",
        "pretrain.export",
        "probes.ask",
    )
    for module in stages:
        command = [sys.executable, "-m", module, "--name", "x", "--set", *SHORT.split()]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{module}\n{done.stderr}"
    assert done.stdout.splitlines()[0].strip() == "이순신은 [MASK] 중기의 무신이다."


@pytest.mark.slow
def test_the_sample_learns_the_fact_and_does_not_parrot_it(tmp_path: Path) -> None:
    """`make pretrain` as it stands: 조선 comes first where it belongs, and does not where it does not."""
    checkout = copy_of_the_repository(tmp_path / "hanbeot")
    done = run(checkout, "make pretrain")
    assert done.returncode == 0, done.stderr
    answers = re.findall(r"^1\s+(\S+)", done.stdout, re.MULTILINE)
    assert answers == ["조선"], done.stdout
    corpus = "".join(path.read_text("utf-8") for path in (checkout / "corpora" / "sample").glob("*.txt"))
    unseen = "이순신 장군은 [MASK] 중기에 바다를 지킨 무신이다."
    assert unseen.replace("[MASK]", "조선") not in corpus, "a wording that the corpus does not have"
    others = [
        unseen,
        "을지문덕은 [MASK]의 장군이다.",
        "김유신은 [MASK]의 장군이다.",
        "물은 수소와 [MASK]로 이루어져 있다.",
    ]
    texts = " ".join(f"--text '{text}'" for text in others)
    asked = run(checkout, f".venv/bin/python -m probes.ask --top 1 --json {texts}")
    best = [answer["gaps"][0][0]["piece"] for answer in json.loads(asked.stdout)]
    assert best[0] == "조선" and len(best) == 4 and "조선" not in best[1:], best
    figures = json.loads((checkout / "artifacts/pretrain/sample/manifest.json").read_text("utf-8"))["figures"]
    assert figures["held_out_mlm_loss"] < figures["start_mlm_loss"] - 2
    assert figures["held_out_mlm_accuracy"] > 0.15
