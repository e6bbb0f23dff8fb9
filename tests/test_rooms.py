"""Imports only go down the list of rooms; stage modules are roofs; torch stays where it belongs."""

import ast
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

#: Top to bottom: a room may import itself and what is below it.
ROOMS = ["pages", "finetune", "probes", "pretrain", "tokenizer", "corpora", "pipeline"]
#: Stage modules: nothing imports them.
ROOFS = {
    "pretrain.budget",
    "corpora.build",
    "tokenizer.train",
    "pretrain.examples",
    "pretrain.export",
    "probes.ask",
    "probes.cloze",
    "probes.josa",
    "probes.leaks",
    "probes.next_sentence",
    "pages.demo",
    "pages.report",
    "finetune.embed",
    "finetune.features",
    "finetune.ladder",
    "finetune.predict",
    "finetune.search",
    "finetune.train",
    "pretrain.train",
}
#: Modules of pretrain that lay examples on disk do so without torch.
WITHOUT_TORCH = {
    "pretrain.tokens",
    "pretrain.nsp",
    "pretrain.draws",
    "pretrain.batches",
    "pretrain.bert_text",
    "pretrain.encode",
    "pretrain.examples",
    "pretrain.masks",
    "pretrain.plans",
    "pretrain.prepared",
    "pretrain.report",
    "pretrain.schedule",
    "pretrain.show",
    "pretrain.settings",
}
#: What is handed on is loaded there as those will load it who get it.
AS_USERS_DO = {"tokenizer.gates": {"transformers"}}
MODULES = [path for room in ROOMS for path in sorted((REPOSITORY / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    room = path.relative_to(REPOSITORY).parts[0]
    allowed = ROOMS[ROOMS.index(room) :]
    ours = {name for name in imported(path) if name.split(".")[0] in ROOMS}
    assert {name for name in ours if name.split(".")[0] not in allowed} == set()
    assert ours & ROOFS == set(), "a stage module is a roof: nothing stands on it"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_torch_stays_upstairs(path: Path) -> None:
    heavy = {"torch", "transformers", "accelerate"} & {name.split(".")[0] for name in imported(path)}
    if (
        path.relative_to(REPOSITORY).parts[0] not in ("pretrain", "probes", "finetune", "pages")
        or name_of(path) in WITHOUT_TORCH
    ):
        assert heavy - AS_USERS_DO.get(name_of(path), set()) == set()


def test_the_check_sees_a_wrong_import(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import torch\nfrom pretrain.loop import fit\n")
    assert imported(wrong) == {"torch", "pretrain.loop"}
