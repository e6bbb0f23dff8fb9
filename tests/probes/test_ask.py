"""The command: several texts and models, tables and JSON of the same figures, errors before anything is answered."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.artifact import Key, seal
from pipeline.errors import InputError
from probes import ask
from probes.answers import as_json, as_markdown, show
from probes.fillmask import Answer, Guess, encode, fill
from probes.model import MaskedModel
from tests.probes.tiny import sentencepiece_folder, wordpiece_folder
from tokenizer.markdown import cell


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wordpiece_folder(tmp_path_factory.mktemp("tiny") / "first")


def run(*flags: object) -> None:
    ask.main([str(flag) for flag in flags])


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_table_json_and_markdown_tell_the_same(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["나 [GAP]를 다", "[MASK] 나"]
    flags = ["--model", folder, "--text", texts[0], "--text", texts[1], "--top", 4, "--out", tmp_path]
    run(*flags)
    lines = capsys.readouterr().out.splitlines()
    run(*flags, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert [one["text"] for one in told] == texts and {one["model"] for one in told} == {"first"}
    markdown = (tmp_path / "report.md").read_text("utf-8")
    for number, (one, head) in enumerate(zip(told, ("word", "piece"), strict=True)):
        title, heads, *rows = lines[6 * number : 6 * number + 6]
        assert title.strip() == one["text"] and cells(heads)[:2] == [head, "probability"]
        for rank, (row, guess) in enumerate(zip(rows, one["gaps"][0], strict=True), 1):
            shown = cells(row)
            share = f"{guess['probability']:.1%}"
            assert shown[:3] == [str(rank), guess["piece"], share], row
            assert "".join(shown[3:]) == "█" * round(20 * guess["probability"])
            assert f"| {rank} | {cell(guess['piece'])} | {share} |" in markdown


def test_models_side_by_side(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each column is what that model says by itself; where its mask is spelled otherwise, the text is, too."""
    known = wordpiece_folder(tmp_path / "known", "바다")
    other = wordpiece_folder(tmp_path / "other" / "first")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        path = other / name
        path.write_text(path.read_text("utf-8").replace("[MASK]", "<mask>"), "utf-8")
    text = "나 [MASK]를 [GAP]"
    flags = ["--model", folder, "--compare", known, "--compare", other, "--text", text, "--top", 2]
    run(*flags, "--json")
    told = json.loads(capsys.readouterr().out)
    assert [one["model"] for one in told] == [str(folder), str(known), str(other)], "two folders are called alike"
    assert [one["text"] for one in told] == [text, text, "나 <mask>를 [GAP]"]
    with pytest.raises(InputError, match=r"^\[MASK\] is no mark of a gap: type <mask> for one piece"):
        run("--model", other, "--text", text)
    alone = fill(MaskedModel(folder), text, 2)
    for one in (told[0], told[2]):
        assert [[guess["piece"] for guess in gap] for gap in one["gaps"]] == [
            [guess.piece for guess in gap] for gap in alone.gaps
        ]
    run("--model", folder, "--compare", known, "--text", text, "--top", 2)
    lines = capsys.readouterr().out.splitlines()
    assert cells(lines[1]) == ["first", "probability", "known", "probability"]
    assert cells(lines[2])[:2] == ["1", alone.gaps[0][0].piece] and "바다  100.0%" in re.sub(" {2,}", "  ", lines[2])
    with pytest.raises(InputError, match="a folder is named twice"):
        run("--model", folder, "--compare", folder, "--text", text)


def test_texts_from_files(folder: Path, write, capsys: pytest.CaptureFixture[str]) -> None:
    texts, lines = write("a.txt", "나 [MASK]\n\n다 [MASK]\n"), write("a.jsonl", '{"text": "가 [MASK]"}\n')
    run("--model", folder, "--file", texts, "--file", lines, "--text", "x [MASK]", "--json")
    assert [one["text"] for one in json.loads(capsys.readouterr().out)] == [
        "x [MASK]",
        "나 [MASK]",
        "다 [MASK]",
        "가 [MASK]",
    ]
    bad = write("bad.txt", "나 [MASK]\n나 <mask>\n")
    with pytest.raises(InputError, match=r"bad\.txt, line 2: <mask> is no mark of a gap"):
        run("--model", folder, "--file", bad)
    with pytest.raises(InputError, match=r"^text 2: nothing to fill"):
        run("--model", folder, "--text", "[MASK]", "--text", "나")
    assert capsys.readouterr().out == "", "nothing is answered before all texts are looked at"
    for top in (0, 1001):
        with pytest.raises(InputError, match="--top: at least 1, at most 1,000"):
            run("--model", folder, "--text", "나 [GAP]", "--top", top)


def test_no_text_and_no_vocabulary_steers_a_terminal(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\x1b[31m나\x9b2J\u202e \r[MASK] <b>`|` 鿿\x07\x1b"
    run("--model", folder, "--text", text, "--out", tmp_path)
    run("--model", folder, "--text", text, "--json")
    with pytest.raises(InputError) as told:
        run("--model", folder, "--text", text + " 나" * 40)
    printed = capsys.readouterr()
    written = "".join((tmp_path / name).read_text("utf-8") for name in ("report.json", "report.md"))
    for shown in (printed.out, printed.err, str(told.value), written):
        assert not set(shown) & set("\x1b\x9b\x07\r\u202e"), repr(shown)
    assert "\\u001b[31m나\\u009b2J\\u202e \\r[MASK]" in printed.out and "unknown to first" in printed.err
    assert json.loads(printed.out[printed.out.index("[\n {") :])[0]["text"] == text, "JSON says what was typed"
    evil = Answer("[MASK]", ("[MASK]",), ((Guess("\x1b[2Ja|b`<i>", 0.5),),), 0)
    show(["\x1b]0;x\x07"], [evil])
    shown = capsys.readouterr().out + as_json(["\x1b"], [[evil]]) + as_markdown(["\x1b|"], [evil])
    assert "\x1b" not in shown and "| 1 | \\\\u001b\\[2Ja\\|b\\`&lt;i> | 50.0% |" in shown
    ticks = Answer("나 ``[MASK]`` `", ("[MASK]",), ((Guess("가", 0.5), Guess("나", 0.2)), ()), 0)
    few = Answer("나", ("[MASK]",), ((Guess("다", 0.5),), ()), 0)
    told = as_markdown(["a", "b"], [ticks, few])
    assert "``` 나 ``[MASK]`` ` ```, gap 1" in told and "| 2 | 나 | 20.0% |  |  |" in told, (
        "as typed; no answer is none"
    )


def test_folders_that_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    pickle = shutil.copytree(folder, tmp_path / "pickle")
    (pickle / "model.safetensors").rename(pickle / "pytorch_model.bin")
    cut = shutil.copytree(folder, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    header = shutil.copytree(folder, tmp_path / "header")
    (header / "model.safetensors").write_bytes(b"\xff" * 8 + (folder / "model.safetensors").read_bytes()[8:])
    broken = shutil.copytree(folder, tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    save_file({name: torch.full_like(one, torch.nan) for name, one in weights.items()}, broken / "model.safetensors")
    for name, told in (
        ("absent", "no model folder"),
        ("none", r"holds no config\.json"),
        ("pickle", r"weights in pickles \(\*\.bin\) are not read"),
        ("cut", "cannot load a masked language model"),
        ("header", "cannot load a masked language model"),
        ("broken", "answers with what is no number"),
    ):
        for flags in (["--model", tmp_path / name], ["--model", folder, "--compare", tmp_path / name]):
            with pytest.raises(InputError, match=told):
                run(*flags, "--text", "나 [MASK]")


def test_weights_changed_after_the_export(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """safetensors has no checksum: what a folder's manifest says of its files does."""
    ours = shutil.copytree(folder, tmp_path / "ours")
    (ours / "README.md").write_text("a model card")
    seal(ours, Key("export", 1, {}, {}), {})
    run("--model", ours, "--text", "나 [MASK]")
    (ours / "README.md").write_text("a model card, finished by hand")
    run("--model", ours, "--text", "나 [MASK]")
    content = bytearray((ours / "model.safetensors").read_bytes())
    content[-50] ^= 0x40
    (ours / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors was changed after it was exported"):
        run("--model", ours, "--text", "나 [MASK]")
    for others in (
        '{"name": "another program\'s"}',
        "[]",
        '{"files": ["a"]}',
        '{"files": {"model.safetensors": 1}}',
        "no",
    ):
        (ours / "manifest.json").write_text(others)
        run("--model", ours, "--text", "나 [MASK]")


def test_vocabularies_without_words(folder: Path, tmp_path: Path) -> None:
    """An entry that is called as the mark, and pieces that tell nothing of words."""
    taken = shutil.copytree(folder, tmp_path / "taken")
    path = taken / "tokenizer.json"
    path.write_text(path.read_text("utf-8").replace("[unused0]", "[GAP]"), "utf-8")
    with pytest.raises(InputError, match=r"\[GAP\] is an entry of .*taken's vocabulary: ask with \[MASK\]"):
        fill(MaskedModel(taken), "나 [GAP]")
    bare = sentencepiece_folder(tmp_path / "bare")
    path = bare / "tokenizer.json"
    path.write_text(re.sub("▁(?=[가-힣漢(])", "Ġ", path.read_text("utf-8")), "utf-8")
    with pytest.raises(InputError, match=r"neither WordPiece's .* ask with \[MASK\] instead of \[GAP\]"):
        fill(MaskedModel(bare), "나 [GAP]")
    assert encode(MaskedModel(bare), "나 [MASK]")
