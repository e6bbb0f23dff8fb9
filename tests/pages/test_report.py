"""The report of a run: what it says is what the artifacts say, and it does nothing else."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from corpora.build import build_corpus
from pages.report import main, write_report
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from pipeline.executor import Workers
from pipeline.files import write_atomic
from pipeline.recipe import load_recipe
from tests.conftest import CORPUS, sources
from tests.pages.conftest import JOSA, write_artifact
from tests.pages.reading import Page, markdown_html, markdown_tables, read_html

HOSTILE = '<img src=x onerror="alert(1)"> | `a` [b](http://evil.example) *c* \' </td></table><script>alert(2)</script>'
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def figures(root: Path, stage: str, name: str = "t") -> dict:
    manifest = read_manifest(root / stage / name)
    assert manifest is not None
    return manifest.figures


def pages(root: Path, *others: str, name: str = "t") -> tuple[Page, str]:
    write_report(root, name, others)
    folder = root / "report" / name
    return read_html((folder / "report.html").read_text("utf-8")), (folder / "report.md").read_text("utf-8")


def test_its_figures_are_the_manifests(root: Path) -> None:
    page, _ = pages(root)
    trained, corpus = figures(root, "pretrain"), figures(root, "corpus")
    assert page.row("MLM loss")[1::2] == [f"{trained['start_mlm_loss']:.3f}", f"{trained['held_out_mlm_loss']:.3f}"]
    assert page.row("train") == ["train", *(f"{count:,}" for count in corpus["train"].values())]
    assert page.row("heldout") == ["heldout", *(f"{count:,}" for count in corpus["heldout"].values())]
    assert f"{trained['steps']:,}" in page.words
    assert f"{figures(root, 'tokenizer')['unknown_share']:.2%}" in page.words
    assert page.row("1") == ["1", "조선", "62.5%"]
    assert ["을/를", "t", "90.0% (77.0–96.0)", "40"] in [row for table in page.tables for row in table]
    assert ["을/를", "random weights", "50.0% (35.0–65.0)", "40"] in [row for table in page.tables for row in table]
    assert page.row("this export")[3:] == ["accuracy", "75.0% (40.9–92.9)", "0.750", "1", "8"]
    assert page.row("좋음") == ["좋음", "0.700", "0.600", "0.650", "8"]


def test_answers_of_several_models_are_told_apart(root: Path) -> None:
    answers = [
        {"model": name, "text": "이순신은 [MASK]", "gaps": [[{"piece": piece, "probability": 0.5}]]}
        for name, piece in (("t", "조선"), ("other", "고려"))
    ]
    write_atomic(root / "probe/t/report.json", json.dumps(answers))
    page, _ = pages(root)
    assert "이순신은 [MASK], says t" in page.words and "이순신은 [MASK], says other" in page.words


@pytest.mark.parametrize("answers", ["5", "[5]", '{"gaps": [5]}', '[{"gaps": [null, [5]]}]', '[{"gaps": {"a": 1}}]'])
def test_answers_that_are_none(root: Path, answers: str) -> None:
    write_atomic(root / "probe/t/report.json", answers)
    assert "It was asked nothing." in " ".join(pages(root)[0].words)


def test_every_record_is_in_a_curve(root: Path) -> None:
    page, _ = pages(root)
    records = [json.loads(line) for line in (root / "pretrain/t/metrics.jsonl").read_text().splitlines()]
    measured = [record for record in records if "held_out_mlm_loss" in record]
    told = " ".join(page.words)
    for record in measured:
        assert f"held out, step {record['step']:,}: {record['held_out_mlm_loss']:.3f}" in told
    drawn = [attributes["aria-label"] or "" for tag, attributes in page.tags if attributes.get("class") == "chart"]
    assert {label.split(" (")[0] for label in drawn} >= {
        "MLM loss",
        "MLM accuracy",
        "Learning rate",
        "Gradient norm",
        "Speed",
    }


def test_the_twin_has_the_same_tables(root: Path) -> None:
    page, twin = pages(root)
    found = [[[" ".join(cell.split()) for cell in row] for row in table] for table in markdown_tables(twin)]
    for table in page.tables:
        assert [[" ".join(cell.split()) for cell in row] for row in table] in found
    headings = re.findall(r"^## (.*)", twin, re.M)
    assert headings == [title for title in headings if title in page.text]
    assert len(headings) == figures(root, "report")["sections"]


def test_it_fetches_and_runs_nothing(root: Path) -> None:
    page, _ = pages(root)
    for tag, attributes in page.tags:
        assert tag not in ("script", "iframe", "object", "embed", "img", "base", "form")
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "action", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith("#") or value == "data:," or (tag == "a" and value.startswith("http"))
    style = re.search(r"<style>(.*?)</style>", (root / "report/t/report.html").read_text("utf-8"), re.S)
    assert style
    assert not re.search(r"url\(|@import|expression|</", style[1])


def test_it_can_be_heard(root: Path) -> None:
    page, _ = pages(root)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in page.tags if tag == "th")
    for tag, attributes in page.tags:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or (attributes["role"] == "img" and attributes["aria-label"])
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    labels = {name for _, attributes in page.tags if (name := attributes.get("aria-labelledby"))}
    assert labels <= set(names)


def test_text_from_outside_stays_text(root: Path, tmp_path: Path) -> None:
    source = tmp_path / f"{HOSTILE.replace('/', '_')}.txt"
    source.write_text("\n".join(f"{number}번 문장이다 {HOSTILE}." for number in range(60)), "utf-8")
    shutil.rmtree(root / "corpus" / "t")
    build_corpus(sources(source), CORPUS, root / "corpus" / "t", Workers())
    for stage in ("tokenizer", "examples", "pretrain"):
        shutil.rmtree(root / stage / "t")
    shutil.rmtree(root / "josa" / "t")
    marks = {"models": {HOSTILE: {HOSTILE: {"share": 0.5, "low": 0.1, "high": 0.9, "of": 2}}}, HOSTILE: HOSTILE}
    write_artifact(
        root / "josa" / "t", "josa", marks, {}, report__md=f"# x\n\n{HOSTILE}\n\n<script>alert(3)</script>\n"
    )
    answer = {"text": HOSTILE, "gaps": [[{"piece": HOSTILE, "probability": 0.5}]]}
    write_atomic(root / "probe/t/report.json", json.dumps([answer]))
    page, twin = pages(root)
    assert {tag for tag, _ in page.tags} <= ALLOWED
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert [HOSTILE, HOSTILE, "50.0% (10.0–90.0)", "2"] in [row for table in page.tables for row in table]
    assert any(HOSTILE.split("</")[0] in cell for table in page.tables for row in table for cell in row)
    assert source.name in [row[0] for table in page.tables for row in table]
    assert markdown_html(twin) == []
    # The one link is that of the probe's own Markdown, which is a link to the web and told as one.
    assert {attributes["href"] for tag, attributes in page.tags if tag == "a" and attributes["href"][0] != "#"} <= {
        "http://evil.example"
    }


HEAD = {"html", "head", "meta", "title", "link", "style", "body"}
PARTS = {
    "div",
    "header",
    "nav",
    "main",
    "section",
    "h1",
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "details",
    "summary",
}
WORDS = {
    "a",
    "b",
    "code",
    "pre",
    "small",
    "span",
    "strong",
    "fieldset",
    "legend",
    "label",
    "input",
    "details",
    "summary",
}
FIGURES = {"table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "svg", "path", "rect", "text"}
ALLOWED = HEAD | PARTS | WORDS | FIGURES


def test_the_same_artifacts_give_the_same_bytes(root: Path) -> None:
    pages(root)
    folder = root / "report" / "t"
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    shutil.rmtree(folder)
    pages(root)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_it_is_made_anew_when_something_came(root: Path) -> None:
    assert write_report(root, "t")[1]
    assert not write_report(root, "t")[1]
    write_artifact(root / "cloze" / "t", "cloze", {"t.first": 0.25, "t.first_low": 0.1, "t.first_high": 0.4}, {})
    assert write_report(root, "t")[1]
    page = read_html((root / "report/t/report.html").read_text("utf-8"))
    assert page.row("first") == ["first", "t", "25.0% (10.0–40.0)", "–"]


@pytest.mark.parametrize("stage", ["corpus", "tokenizer", "examples", "pretrain", "export", "josa", "finetune"])
def test_what_is_missing_is_told(root: Path, stage: str) -> None:
    shutil.rmtree(root / stage / "t")
    page, twin = pages(root)
    assert f"make {stage}" in page.text
    assert f"`make {stage}" in twin


def test_a_run_without_anything_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="nothing of a run 'law'; its runs: t"):
        write_report(root, "law")
    with pytest.raises(InputError, match="nothing of a run 'law'"):
        write_report(root, "t", ("law",))
    with pytest.raises(InputError, match="one folder's name"):
        write_report(root, "t", ("../t",))


def test_a_corpus_of_the_same_name_is_not_taken_for_the_one_that_was_trained_on(root: Path, tmp_path: Path) -> None:
    (root / "corpus" / "t").rename(root / "corpus" / "before")
    text = tmp_path / "other.txt"
    text.write_text("\n".join(f"다른 글의 {number}번째 문장이다." for number in range(80)), "utf-8")
    build_corpus(sources(text), CORPUS, root / "corpus" / "t", Workers())
    page, _ = pages(root)
    assert page.row("train")[1:] == [f"{count:,}" for count in figures(root, "corpus", "before")["train"].values()]
    shutil.rmtree(root / "corpus" / "before")
    page, _ = pages(root)
    assert "other.txt" not in page.text
    assert "is not in" in page.text


def test_a_changed_file_is_named(root: Path) -> None:
    path = root / "pretrain/t/metrics.jsonl"
    text = path.read_text()
    path.write_text(text.replace(text[10], "x", 1))
    page, _ = pages(root)
    assert f"{path} was changed after it was written" in page.text


def test_a_damaged_line_of_a_run_that_goes_on_is_named(root: Path) -> None:
    (root / "pretrain/t/manifest.json").unlink()
    path = root / "pretrain/t/metrics.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:-5]
    path.write_text("\n".join(lines) + "\n")
    page, twin = pages(root)
    for text in (page.text, twin.replace("\\", "")):
        assert f"{path}, line 3 is damaged" in text
    assert "The run has not ended" in page.text
    # A line that is cut off at the end is what a crash leaves.
    path.write_text("\n".join(lines[:3]))
    assert "is damaged" not in pages(root)[0].text
    path.write_text(f'{lines[0]}\n["no record"]\n{lines[1]}\n')
    assert "line 2: no record of a step" in pages(root)[0].text
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in pages(root)[0].text


def test_marks_of_other_weights_are_told_so(root: Path) -> None:
    assert "of other weights" not in pages(root)[0].text
    shutil.rmtree(root / "josa" / "t")
    write_artifact(root / "josa" / "t", "josa", JOSA, {"t/model.safetensors": "0" * 64})
    assert "josa/t was asked of other weights" in pages(root)[0].text


def other_run(root: Path, **settings: float) -> None:
    """A run `u` that differs from `t` in settings of [train]."""
    folder = root / "pretrain" / "u"
    shutil.copytree(root / "pretrain" / "t", folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["settings"]["train"] |= settings
    manifest["figures"]["held_out_mlm_loss"] = 1.5
    write_atomic(folder / "manifest.json", json.dumps(manifest))


def test_runs_stand_beside_each_other(root: Path) -> None:
    other_run(root, learning_rate=0.5, seed=7)
    page, twin = pages(root, "u")
    assert "Runs compared" in page.text
    settings = next(table for table in page.tables if table[0][0] == "setting")
    assert [row[0] for row in settings[1:]] == ["train.learning_rate", "train.seed"]
    assert [row[2] for row in settings[1:]] == ["0.5", "7"]
    assert page.row("MLM loss, held out") == [
        "MLM loss, held out",
        f"{figures(root, 'pretrain')['held_out_mlm_loss']:.3f}",
        "1.500",
    ]
    label = next(
        attributes["aria-label"] or ""
        for _, attributes in page.tags
        if (attributes.get("aria-label") or "").startswith("MLM loss, training")
    )
    assert re.search(r"t from .*; u from", label)
    assert "different vocabularies" not in page.text
    assert "train.learning" in twin


def test_runs_of_other_text_and_vocabulary_are_warned_of(root: Path) -> None:
    other_run(root)
    folder = root / "examples" / "u"
    shutil.copytree(root / "examples" / "t", folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["content"], manifest["inputs"] = "1" * 64, {"corpus": "2" * 64, "tokenizer": "3" * 64}
    write_atomic(folder / "manifest.json", json.dumps(manifest))
    run = json.loads((root / "pretrain/u/manifest.json").read_text("utf-8"))
    run["inputs"]["examples"] = "1" * 64
    write_atomic(root / "pretrain/u/manifest.json", json.dumps(run))
    page, _ = pages(root, "u")
    assert "different held-out text" in page.text
    assert "different vocabularies" in page.text


def test_too_many_runs_are_refused(root: Path) -> None:
    with pytest.raises(InputError, match="too many for a plot"):
        write_report(root, "t", ("a", "b", "c", "d", "e"))


def test_the_recipe_makes_it_again(root: Path) -> None:
    page, _ = pages(root)
    path = root / "report/t/recipe.toml"
    tables = tomllib.loads(path.read_text("utf-8"))
    for stage, sections in {"corpus": ["corpus"], "tokenizer": ["tokenizer"], "pretrain": ["model", "train"]}.items():
        manifest = read_manifest(root / stage / "t")
        assert manifest is not None
        for section in sections:
            assert tables[section] == manifest.settings[section]
    tables.pop("finetune")
    (root / "mine.toml").write_text(re.sub(r"\[finetune\][^\[]*", "", path.read_text("utf-8")))
    assert load_recipe(str(root / "mine.toml")).tables == tables
    assert "python -m pretrain.train --recipe" in page.text


def test_the_command_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--name", "t", "--artifacts", str(root), "--runs", "t"])
    assert "report.html" in capsys.readouterr().err
    main(["--name", "t", "--artifacts", str(root)])
    assert "up to date" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium to look with")
def test_a_browser_shows_it_on_a_phone_and_in_both_themes(root: Path, tmp_path: Path) -> None:
    from matplotlib.image import imread

    write_report(root, "t")
    page = root / "report/t/report.html"

    def browse(*words: str) -> str:
        flags = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        return subprocess.run([*flags, *words], capture_output=True, text=True, timeout=120, check=True).stdout

    inner = html.escape(page.read_text("utf-8"), quote=True)
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<meta charset="utf-8"><iframe id="f" width="390" height="800" srcdoc="{inner}"></iframe><p id="p"></p>'
        "<script>"
        'f.onload = () => { p.textContent = "wide " + f.contentDocument.documentElement.scrollWidth }</script>'
    )
    wide = re.search(r"wide (\d+)", browse("--dump-dom", "--virtual-time-budget=3000", frame.as_uri()))
    assert wide
    assert int(wide[1]) <= 390
    for scheme, dark in ((0, True), (1, False)):
        picture = tmp_path / f"{scheme}.png"
        browse(f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={picture}", page.as_uri())
        assert bool(imread(picture)[..., :3].mean() < 0.5) is dark
