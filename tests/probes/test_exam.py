"""Who is asked about what."""

import shutil
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.stage import read_recipe
from probes.exam import RANDOM, Exam, Share, exam_parser, read_exam


def exam(*flags: object) -> Exam:
    arguments = exam_parser("probes.test", "A test.", 5).parse_args([str(flag) for flag in flags])
    return read_exam(arguments, read_recipe(arguments))


def test_a_text_of_ones_own(exported: Path, write) -> None:
    text = write("text.txt", "가나다.\r\n라마바. \n\n\n\n사아자.\n")
    found = exam("--model", exported, "--text", text)
    assert found.documents == (("가나다.", "라마바."), ("사아자.",))
    assert [name for name, _ in found.models()] == ["export", RANDOM]
    other = exam("--model", exported, "--text", write("other.txt", "가.\n"), "--no-random-weights")
    assert [name for name, _ in other.models()] == ["export"]
    assert other.inputs.keys() == found.inputs.keys() and other.inputs["text"] != found.inputs["text"]


def test_a_text_from_windows(exported: Path, tmp_path: Path) -> None:
    """Its blank lines are not empty, and it may begin with a mark of its encoding."""
    text = tmp_path / "text.txt"
    text.write_bytes("\ufeff가나다.\r\n라마바.\r\n\r\n \r\n사아자.\r\n".encode())
    assert exam("--model", exported, "--text", text).documents == (("가나다.", "라마바."), ("사아자.",))


def test_a_folder_without_a_name(exported: Path, write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write("text.txt", "가.\n")
    monkeypatch.chdir(exported)
    (folder, *_) = [name for name, _ in exam("--model", ".", "--text", text).models()]
    assert folder == exported.name and f"{exported.name}/config.json" in exam("--model", ".", "--text", text).inputs
    with pytest.raises(InputError, match="are alike: export, export"):
        exam("--model", exported, "--beside", ".", "--text", text)


def test_a_corpus(exported: Path, sample_corpus: Path, held_out_lines: list[str]) -> None:
    found = exam("--model", exported, "--corpus", sample_corpus)
    assert [line for document in found.documents for line in document] == held_out_lines


def test_what_is_drawn(exported: Path, sample_corpus: Path) -> None:
    first, other = (exam("--model", exported, "--corpus", sample_corpus, "--seed", seed) for seed in (0, 1))
    assert first.draw(3) == [0, 1, 2] and len(set(first.draw(1000))) == 5
    assert first.draw(1000) == sorted(first.draw(1000)) != other.draw(1000)


def test_what_cannot_be_asked(exported: Path, write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        exam("--model", exported, "--text", tmp_path / "none.txt")
    with pytest.raises(InputError, match="is not UTF-8"):
        exam("--model", exported, "--text", write("bytes.txt", b"\xff\xfe\x00"))
    with pytest.raises(InputError, match="no held-out text"):
        exam("--model", exported, "--text", write("empty.txt", "\n\n"))
    with pytest.raises(InputError, match="are alike: export, export"):
        exam("--model", exported, "--beside", exported, "--text", write("text.txt", "가.\n"))


def test_weights_changed_after_the_export(exported: Path, write, tmp_path: Path) -> None:
    """What is marked, too, and not the models that are asked one text alone."""
    ours = shutil.copytree(exported, tmp_path / "ours")
    weights = bytearray((ours / "model.safetensors").read_bytes())
    weights[-50] ^= 0x40
    (ours / "model.safetensors").write_bytes(weights)
    for flags in (["--model", ours], ["--model", exported, "--beside", ours]):
        with pytest.raises(InputError, match=r"model\.safetensors was changed after it was exported"):
            exam(*flags, "--text", write("text.txt", "가.\n"))


def test_intervals() -> None:
    assert Share(0, 0).interval == (0.0, 1.0)
    low, high = Share(50, 100).interval
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4), "Wilson's interval, as textbooks have it"
