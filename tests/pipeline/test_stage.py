"""How a stage ends: one line and a code for what the user can mend; a disk that is full loses nothing."""

import resource
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from runpy import run_module

import pytest

from pipeline.artifact import read_manifest
from pretrain.train import main as pretrain

STAGES = ("corpora.build", "tokenizer.train", "pretrain.examples", "pretrain.train", "pretrain.export")
OTHERS = (
    "probes.ask",
    "probes.josa",
    "probes.cloze",
    "probes.next_sentence",
    "probes.leaks",
    "finetune.train",
    "pages.report",
    "pages.demo",
)


def small_files_only(limit: int):
    """For `preexec_fn`: writing past `limit` bytes fails, as on a full disk (EFBIG in place of ENOSPC)."""

    def set_limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return set_limit


def stage(module: str, folder: Path, *flags: str, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, "--artifacts", str(folder), "--name", "x", *flags]
    before = small_files_only(limit) if limit else None
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=before)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk_loses_nothing(tmp_path: Path, workers: str) -> None:
    small = tmp_path / "small.txt"
    small.write_text("비가 많이 왔다.\n길이 모두 젖었다.\n\n해가 다시 났다.\n", "utf-8")
    assert stage("corpora.build", tmp_path, "--corpus", str(small)).returncode == 0
    before = read_manifest(tmp_path / "corpus" / "x")
    full = stage("corpora.build", tmp_path, "--workers", workers, limit=50_000)
    assert full.returncode == 2 and "error: no space left to write" in full.stderr, full.stderr
    assert "Traceback" not in full.stderr
    assert read_manifest(tmp_path / "corpus" / "x") == before
    assert {path.name for path in (tmp_path / "corpus").iterdir() if path.is_dir()} == {"x", ".x.parts"}
    assert not list((tmp_path / "corpus" / ".x.parts").glob("*/")), "only finished parts are kept"


@pytest.mark.slow
def test_a_full_disk_while_saving_a_checkpoint(tmp_path: Path, sample_examples: Path) -> None:
    flags = ["--from-examples", str(sample_examples), "--cpu", "--set", "train.max_steps=6", "train.save_every=3"]
    full = stage("pretrain.train", tmp_path, *flags, limit=200_000)
    assert full.returncode == 2 and "error: no space left to write" in full.stderr, full.stderr
    assert "Traceback" not in full.stderr
    assert not list((tmp_path / "pretrain" / "x").glob("checkpoints/*")), "no half-written checkpoint stays"
    after = stage("pretrain.train", tmp_path, *flags)
    assert after.returncode == 0, after.stderr


def test_an_unwritable_place(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    done = stage("corpora.build", place)
    assert done.returncode == 2 and f"error: cannot use {place}" in done.stderr and place.read_text() == ""


def test_names_that_are_no_names(tmp_path: Path) -> None:
    for name in ("../x", "a/b", ".x", "/x"):
        done = stage("corpora.build", tmp_path, "--name", name)
        assert done.returncode == 2 and "a name is one folder's name" in done.stderr, name
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("module", [*STAGES, *OTHERS])
def test_help_of_every_stage_names_its_command(
    module: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `python -m` runs it, in this process: what it imports is loaded once."""
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.warns(RuntimeWarning) if module in sys.modules else nullcontext(), pytest.raises(SystemExit) as end:
        run_module(module, run_name="__main__", alter_sys=True)
    told = capsys.readouterr().out
    assert not end.value.code and f"python -m {module}" in told and "--set" in told


@pytest.mark.slow
def test_a_full_disk_in_every_stage(
    tmp_path: Path, sample_corpus: Path, sample_tokenizer: Path, sample_examples: Path
) -> None:
    """Libraries report a full disk each in its own way; the user hears one, and what stood there stands."""
    road = [
        ("corpora.build", sample_corpus, "corpus.seed=1"),
        ("tokenizer.train", sample_tokenizer, "tokenizer.min_frequency=3"),
        ("pretrain.examples", sample_examples, "examples.seed=1"),
    ]
    for _, made, _ in road:
        shutil.copytree(made, tmp_path / made.name / "x")
    for module, made, change in road:
        before = read_manifest(tmp_path / made.name / "x")
        full = stage(module, tmp_path, "--set", change, limit=20_000)
        assert full.returncode == 2 and "error: no space left to write" in full.stderr, (module, full.stderr)
        assert "Traceback" not in full.stderr and read_manifest(tmp_path / made.name / "x") == before is not None
    pretrain(["--artifacts", str(tmp_path), "--name", "x", "--cpu", "--set", "train.max_steps=2"])
    full = stage("pretrain.export", tmp_path, limit=20_000)
    assert full.returncode == 2 and "error: no space left to write" in full.stderr, full.stderr
    assert "Traceback" not in full.stderr and read_manifest(tmp_path / "export" / "x") is None
