"""A run with all its artifacts, and one of its probes and tasks, as files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifact import Key, build, read_manifest

JOSA = {
    "pairs": 40,
    "left_out": {"too long": 3},
    "models": {
        "t": {"을/를": {"share": 0.9, "low": 0.77, "high": 0.96, "right": 36, "of": 40}},
        "random weights": {"을/를": {"share": 0.5, "low": 0.35, "high": 0.65, "right": 20, "of": 40}},
    },
}
TASK = {"accuracy": 0.75, "macro_f1": 0.65}


def write_artifact(folder: Path, stage: str, figures: dict[str, Any], inputs: dict[str, str], **files: str) -> None:
    """An artifact of any stage."""

    def make(workspace: Path) -> dict[str, Any]:
        for name, text in files.items():
            (workspace / name.replace("__", ".")).write_text(text, "utf-8")
        return figures

    build(folder, Key(stage, 1, {"finetune": {"seed": 0}}, inputs), make)


@pytest.fixture(scope="session")
def whole(
    sample_corpus: Path, sample_tokenizer: Path, sample_examples: Path, exported: Path, tmp_path_factory: Any
) -> Path:
    """A root of artifacts in which everything of the run `t` is there; copy it before you change it."""
    root: Path = tmp_path_factory.mktemp("whole") / "a"
    made = {
        "corpus": sample_corpus,
        "tokenizer": sample_tokenizer,
        "examples": sample_examples,
        "pretrain": exported.parent / "pretrain" / "t",
        "export": exported,
    }
    for stage, folder in made.items():
        shutil.copytree(folder, root / stage / "t")
    manifest = read_manifest(root / "export" / "t")
    assert manifest is not None
    model = {f"model {name}": record["sha256"] for name, record in manifest.files.items() if not name.endswith(".md")}
    asked = {"t/model.safetensors": manifest.files["model.safetensors"]["sha256"]}
    write_artifact(
        root / "josa" / "t", "josa", JOSA, asked, report__md="# Pairs\n\n## By noun\n\n| a |\n|---|\n| 1 |\n"
    )
    classes = [{"name": "좋음", "precision": 0.7, "recall": 0.6, "f1": 0.65, "rows": 8}]
    scores = {"choice": "accuracy", "chosen": 0, "runs": [{"test": {"measures": TASK, "classes": classes}}]}
    task = {"task": "nsmc", "kind": "classification", "choice": "accuracy", "seeds": 1}
    task |= {"rows": {"train": 10, "dev": 2, "test": 8}, "dev": TASK, "test": TASK}
    write_artifact(
        root / "finetune" / "t",
        "finetune",
        task,
        {"train": "1", "test": "2", **model},
        metrics__json=json.dumps(scores),
    )
    (root / "probe" / "t").mkdir(parents=True)
    answer = {"text": "이순신은 [MASK] 중기의 무신이다.", "gaps": [[{"piece": "조선", "probability": 0.625}]]}
    (root / "probe" / "t" / "report.json").write_text(json.dumps([answer]), "utf-8")
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, of this test's own."""
    return Path(shutil.copytree(whole, tmp_path / "a"))
