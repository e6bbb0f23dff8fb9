"""ONNX files: torch's logits at every shape, the scores that the run itself measured, nothing of this machine."""

import ast
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertForMaskedLM, BertForPreTraining

from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from pretrain.export import export_run
from pretrain.lineage import trace
from pretrain.onnx_export import INT8, ONNX, need_onnx, onnx_answer, write_onnx
from pretrain.onnx_scores import score_formats
from tests.conftest import REPOSITORY

needs_onnx = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnx", "onnxruntime", "onnxscript")), reason="extra onnx is absent"
)


@pytest.fixture(scope="module")
def road(sample_corpus: Path, sample_tokenizer: Path, sample_examples: Path, exported: Path, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("road")
    made = {"corpus": sample_corpus, "tokenizer": sample_tokenizer, "examples": sample_examples}
    for stage, folder in {**made, "pretrain": exported.parent / "pretrain" / "t"}.items():
        (root / stage).mkdir()
        (root / stage / "t").symlink_to(folder)
    return root


@pytest.fixture(scope="module")
def folder(road: Path) -> Path:
    export_run(road / "pretrain" / "t", road / "export" / "t", onnx=(ONNX, INT8))
    return road / "export" / "t"


@needs_onnx
@pytest.mark.slow
def test_real_text_gets_torchs_logits(folder: Path, held_out_lines: list[str]) -> None:
    """Compared with transformers' own masked-language model, in batches of sizes that were not exported or checked."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / ONNX), providers=["CPUExecutionProvider"])
    tokenizer, model = AutoTokenizer.from_pretrained(folder), BertForMaskedLM.from_pretrained(folder).eval()
    for rows in (1, 2, 5, 13):
        some = held_out_lines[:rows]
        batch = tokenizer(some, some[::-1], padding=True, truncation=True, return_tensors="pt")
        (found,) = session.run(None, {name: tensor.numpy() for name, tensor in batch.items()})
        with torch.no_grad():
            expected = model(**batch).logits.numpy()
        there = batch["attention_mask"].bool().numpy()
        assert found.shape == expected.shape and np.abs(found - expected)[there].max() < 1e-4


@needs_onnx
@pytest.mark.slow
def test_scores_are_those_of_the_run(folder: Path, road: Path) -> None:
    """The loss that training measured last, by other code, is what torch and ONNX score here."""
    figures, onnx = read_manifest(road / "pretrain" / "t").figures, read_manifest(folder).figures["onnx"]
    assert set(onnx["scores"]) == {"torch", ONNX, INT8} and onnx["tokens"] > 100 and not onnx["gap"]
    for name in ("torch", ONNX):
        assert onnx["scores"][name]["loss"] == pytest.approx(figures["held_out_mlm_loss"], abs=2e-5)
        assert onnx["scores"][name]["accuracy"] == pytest.approx(figures["held_out_mlm_accuracy"], abs=2e-5)
        assert onnx["scores"][name]["agreement"] == 1
    eight = onnx["scores"][INT8]
    assert eight["loss"] != onnx["scores"]["torch"]["loss"], "8 bits are not 32"
    assert eight["loss"] == pytest.approx(figures["held_out_mlm_loss"], abs=0.05)
    assert (folder / INT8).stat().st_size < 0.6 * (folder / ONNX).stat().st_size
    assert f"{eight['loss']:.4f}" in (folder / "README.md").read_text("utf-8")


@needs_onnx
@pytest.mark.slow
def test_nothing_of_this_machine_is_inside(folder: Path) -> None:
    import onnx

    for name in (ONNX, INT8):
        held = (folder / name).read_bytes()
        for path in (REPOSITORY, folder, Path(torch.__file__).parent, Path.home()):
            assert str(path).encode() not in held, name
        assert b"stack_trace" not in held
    model = onnx.load(folder / ONNX)
    onnx.checker.check_model(model, full_check=True)
    axes = [[axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim] for one in model.graph.input]
    assert axes == [["batch", "sequence"]] * 3


@needs_onnx
@pytest.mark.slow
def test_the_cards_snippet_runs_without_torch(folder: Path) -> None:
    text = (folder / "README.md").read_text("utf-8")
    (code,) = (
        token.content
        for token in MarkdownIt().parse(text)
        if token.type == "fence" and "onnxruntime" in token.content and token.info == "python"
    )
    # The snippet is for whoever has the two packages alone.
    alone = f"import sys\nsys.modules['torch'] = sys.modules['transformers'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", alone], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer("이순신은 [MASK] 중기의 무신이다.", return_tensors="pt")
    logits = onnx_answer(folder / INT8)(batch)[0, batch["input_ids"][0] == tokenizer.mask_token_id][0]
    best = Tokenizer.from_file(str(folder / "tokenizer.json")).id_to_token(int(logits.argmax()))
    assert len(found) == 5 and found[0] == best


@needs_onnx
@pytest.mark.slow
def test_without_examples_it_says_that_nothing_was_measured(road: Path, tmp_path: Path) -> None:
    shutil.copytree(road / "pretrain" / "t", tmp_path / "pretrain" / "t")
    manifest, _ = export_run(tmp_path / "pretrain" / "t", tmp_path / "export" / "t", onnx=(ONNX,))
    onnx = manifest.figures["onnx"]
    assert onnx["scores"] == {} and "`examples/t` is not there" in onnx["gap"]
    assert "Not measured on held-out text" in (tmp_path / "export" / "t" / "README.md").read_text("utf-8")
    assert ONNX in manifest.files and INT8 not in manifest.files


def test_damaged_examples_name_no_place_of_this_machine(road: Path, tmp_path: Path, capsys) -> None:
    """What is published says that nothing was measured; the console says why."""
    for stage in ("examples", "pretrain"):
        shutil.copytree(road / stage / "t", tmp_path / stage / "t")
    file = tmp_path / "examples" / "t" / "vocab.txt"
    file.write_bytes(file.read_bytes()[::-1])
    run = tmp_path / "pretrain" / "t"
    found = score_formats(None, tmp_path, [], 0.0, trace(run, read_manifest(run)))
    assert found.gap == "Not measured on held-out text: the examples are damaged."
    assert str(tmp_path) not in found.markdown and f"{file} was changed" in capsys.readouterr().err.replace("\n", "")


@needs_onnx
@pytest.mark.slow
def test_a_file_that_answers_otherwise_is_not_published(exported: Path, tmp_path: Path, monkeypatch) -> None:
    model = BertForPreTraining.from_pretrained(exported).eval()
    other = BertForPreTraining(model.config).eval()
    from pretrain import onnx_export

    monkeypatch.setattr(onnx_export, "torch_answer", lambda _, real=onnx_export.torch_answer: real(other))
    with pytest.raises(RuntimeError, match=r"differ from torch's by up to"):
        write_onnx(model, tmp_path)


def test_without_the_extra_one_line_names_it(exported: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"--int8 needs .*onnxscript.*pip install 'hanbeot\[onnx\]'") as caught:
        need_onnx("--int8")
    assert "\n" not in str(caught.value)


def test_an_export_imports_nothing_of_the_extra(exported: Path, tmp_path: Path) -> None:
    """`make pretrain` exports without it."""
    code = (
        "import sys\nfor name in ('onnx', 'onnxruntime', 'onnxscript'): sys.modules[name] = None\n"
        "from pretrain.export import main\nmain(sys.argv[1:])"
    )
    run = exported.parent / "pretrain" / "t"
    flags = ["--from-run", str(run), "--artifacts", str(tmp_path), "--name", "x"]
    done = subprocess.run(
        [sys.executable, "-c", code, *flags], capture_output=True, text=True, env={**os.environ}, cwd=REPOSITORY
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "export" / "x" / "manifest.json").read_text())["format"] == 2
