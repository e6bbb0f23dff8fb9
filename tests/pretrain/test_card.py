"""A model card: read by the Hub's own library, true to what the run was made from, harmless whatever is in it."""

import ast
import dataclasses
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from transformers import BertConfig

from corpora.settings import SourceSettings
from pipeline.artifact import Manifest, read_manifest
from pipeline.recipe import load_recipe
from pipeline.recipe_text import as_toml
from pretrain.card import Card
from pretrain.export import export_run
from pretrain.licence import NOT_STATED, Licence, read_licence
from pretrain.lineage import Lineage, Part, recipe_of, trace
from tests.conftest import REPOSITORY

#: What a recipe may say of a source, or a folder be called.
HOSTILE = (
    "a\n---\nlicense: mit\n---\n# heading",
    '"; DROP: [x, {y: "z"}] # & *anchor !!python/object:os.system',
    "|pipe| a | b |\n|---|---|",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) ![x](http://127.0.0.1/track.png)",
    "```\n</details>\n# out of the fence\n```",
    "'single' \\ back ` tick `` ticks \x07 \u2028 \u202e",
)


@pytest.fixture(scope="module")
def road(sample_corpus: Path, sample_tokenizer: Path, sample_examples: Path, exported: Path, tmp_path_factory) -> Path:
    """Artifacts as the stages leave them: `<root>/<stage>/t`."""
    root = tmp_path_factory.mktemp("road")
    made = {"corpus": sample_corpus, "tokenizer": sample_tokenizer, "examples": sample_examples}
    for stage, folder in {**made, "pretrain": exported.parent / "pretrain" / "t"}.items():
        (root / stage).mkdir()
        (root / stage / "t").symlink_to(folder)
    return root


@pytest.fixture(scope="module")
def whole(road: Path) -> Path:
    """An export that knows all of its road, with a licence's text."""
    text = road / "text"
    text.write_text("all rights are yours")
    export_run(road / "pretrain" / "t", road / "export" / "t", licence=read_licence("CC BY-SA 4.0", text))
    return road / "export" / "t"


def with_corpus(lineage: Lineage, **settings: object) -> Lineage:
    """The same with another corpus manifest."""
    corpus = lineage.corpus.manifest
    changed = dataclasses.replace(corpus, settings={**corpus.settings, **settings})
    return dataclasses.replace(lineage, corpus=dataclasses.replace(lineage.corpus, manifest=changed))


def card_of(lineage: Lineage, **changes: object) -> Card:
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=99)
    return dataclasses.replace(Card(lineage, config, NOT_STATED, "last", frozenset({"##를"})), **changes)


def test_the_front_matter_is_the_hubs(whole: Path, road: Path) -> None:
    card = ModelCard.load(whole / "README.md")
    data, figures = card.data, read_manifest(road / "pretrain" / "t").figures
    assert (data.language, data.license, data.library_name, data.pipeline_tag) == (
        "ko",
        "cc-by-sa-4.0",
        "transformers",
        "fill-mask",
    )
    assert data.model_name == "t" and data.datasets is None
    values = {result.metric_name: result.metric_value for result in data.eval_results}
    assert values["loss of masked tokens (nats)"] == figures["held_out_mlm_loss"]
    assert values["accuracy of pairs"] == figures["held_out_nsp_accuracy"]
    assert f"{figures['start_mlm_loss']:.4f}" in card.text and f"{figures['best_mlm_loss']:.4f}" in card.text


def test_what_lies_beside(whole: Path, road: Path) -> None:
    files = read_manifest(whole).files
    assert {"LICENSE", "ATTRIBUTION.md", "loss.png", "recipe.toml", "README.md"} <= set(files)
    assert "generation_config.json" not in files
    assert (whole / "LICENSE").read_text() == "all rights are yours"
    for name, stage in (("ATTRIBUTION.md", "corpus"), ("loss.png", "pretrain")):
        assert (whole / name).read_bytes() == (road / stage / "t" / name).read_bytes()
    card = (whole / "README.md").read_text("utf-8")
    assert "![Losses" in card and "(loss.png)" in card and "CC0-1.0" in card and "written for Hanbeot" in card
    assert "nothing" not in card and "not looked for: whatever the texts hold" in card, "privacy = keep is told"
    for path in (Path.home(), REPOSITORY, road):
        assert str(path) not in card, "a card is read elsewhere"


def test_the_recipe_makes_the_same(whole: Path, road: Path) -> None:
    """Read as any recipe is, it has the sections that the artifacts were made by."""
    recipe = load_recipe(str(whole / "recipe.toml"))
    for stage, sections in {"corpus": ["corpus"], "tokenizer": ["tokenizer"], "examples": ["examples"]}.items():
        settings = read_manifest(road / stage / "t").settings
        found = {name: dict(recipe.tables[name]) for name in sections}
        found.get("corpus", {}).pop("sources", None)
        assert all(found[name] == settings[name] for name in sections)
    run = read_manifest(road / "pretrain" / "t").settings
    assert {name: recipe.tables[name] for name in ("model", "train")} == run
    assert (whole / "recipe.toml").read_text("utf-8").strip() in (whole / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_its_python_runs_as_it_stands(whole: Path) -> None:
    blocks = [
        token.content
        for token in MarkdownIt().parse((whole / "README.md").read_text("utf-8"))
        if token.type == "fence" and token.info == "python"
    ]
    assert len(blocks) == 2, "loading, and a particle behind the mask"
    code = "\n".join(blocks)
    done = subprocess.run([sys.executable, "-c", code], cwd=whole, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [len(ast.literal_eval(line)) for line in done.stdout.splitlines()] == [5, 5]


def test_no_licence_is_invented(road: Path) -> None:
    lineage = trace(road / "pretrain" / "t", read_manifest(road / "pretrain" / "t"))
    card = ModelCard(card_of(lineage).text)
    assert card.data.license is None and "Licence of the weights: not stated." in card.text
    other = ModelCard(card_of(lineage, licence=Licence("my-own-2", Path("x"))).text).data
    assert (other.license, other.to_dict()["license_name"], other.to_dict()["license_link"]) == (
        "other",
        "my-own-2",
        "LICENSE",
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_from_outside_do_nothing(road: Path, text: str) -> None:
    """As a source's name, licence and attribution, as a kind of personal data, as the model's own name."""
    lineage = trace(road / "pretrain" / "t", read_manifest(road / "pretrain" / "t"))
    known = dataclasses.asdict(SourceSettings(name=text, licence=text, attribution=text, address=text, date=text))
    hostile = dataclasses.replace(with_corpus(lineage, names=[known]), name=text)
    calm = card_of(lineage).text
    card = card_of(hostile).text
    data = ModelCard(card).data
    assert data.license is None and data.language == "ko" and data.model_name == " ".join(text.split())
    before, after = (MarkdownIt("commonmark").enable("table").parse(ModelCard(one).text) for one in (calm, card))
    count = lambda tokens, kind: sum(token.type == kind for token in tokens)  # noqa: E731
    for kind in ("heading_open", "table_open", "tr_open", "td_open", "fence", "hr", "html_block", "bullet_list_open"):
        assert count(before, kind) == count(after, kind), kind
    inline = [child for token in after for child in token.children or []]
    assert not [child for child in inline if child.type == "html_inline"]
    targets = [
        child.attrs.get("href") or child.attrs.get("src") for child in inline if child.type in ("link_open", "image")
    ]
    assert set(targets) <= {"ATTRIBUTION.md", "recipe.toml", "loss.png"}
    assert tomllib.loads(as_toml(recipe_of(hostile)))["corpus"]["sources"][0]["attribution"] == text


def test_data_sets_of_the_hub_are_named(road: Path) -> None:
    lineage = trace(road / "pretrain" / "t", read_manifest(road / "pretrain" / "t"))
    names = [
        {"name": "hf:org/news:2024:train"},
        {"name": "law", "address": "https://huggingface.co/datasets/other/law/tree/0123abc"},
        {"name": "hf/with/slashes.txt", "address": "https://example.com"},
    ]
    assert ModelCard(card_of(with_corpus(lineage, names=names)).text).data.datasets == ["org/news", "other/law"]


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("corpus", "`corpus/t` has another content than what was used"),
        ("tokenizer", "`tokenizer/t` has another content than what was used"),
        ("examples", "`examples/t` has another content than what was used"),
    ],
)
def test_what_was_made_anew_is_not_shown_in_its_place(road: Path, tmp_path: Path, stage: str, told: str) -> None:
    for name in ("corpus", "tokenizer", "examples", "pretrain"):
        shutil.copytree(road / name / "t", tmp_path / name / "t")
    path = tmp_path / stage / "t" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "content": "0" * 64}))
    run = tmp_path / "pretrain" / "t"
    lineage = trace(run, read_manifest(run))
    card = card_of(lineage).text
    assert told in card
    assert ("CC0-1.0" in card) == (stage == "tokenizer"), "the sources, where the corpus is still known"
    shutil.copytree(road / stage / "t", tmp_path / stage / "elsewhere")
    again = trace(run, read_manifest(run))
    assert not again.gaps and again.digest != lineage.digest, "found by content, under another name"
    shutil.rmtree(tmp_path / stage)
    assert f"`{stage}/t` is not there" in card_of(trace(run, read_manifest(run))).text


def test_an_attribution_that_was_changed_does_not_go_along(road: Path, tmp_path: Path) -> None:
    for name in ("corpus", "tokenizer", "examples", "pretrain"):
        shutil.copytree(road / name / "t", tmp_path / name / "t")
    page = tmp_path / "corpus" / "t" / "ATTRIBUTION.md"
    page.write_bytes(page.read_bytes().replace(b"CC0-1.0", b"GPL-3.0"))
    run = tmp_path / "pretrain" / "t"
    lineage = trace(run, read_manifest(run))
    assert lineage.attribution == "" and "as it was written, so none goes along" in card_of(lineage).text


#: A share as probes write it: the card names it without its interval.
SHARE = {"share": 0.5, "low": 0.4, "high": 0.6, "right": 5, "of": 10}


def test_marks_of_these_weights_and_no_others(road: Path, tmp_path: Path) -> None:
    for name in ("corpus", "tokenizer", "examples", "pretrain"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t").symlink_to((road / name / "t").resolve())
    run, weights = tmp_path / "pretrain" / "t", "a" * 64
    asked = {"t": {"accuracy": 0.75, "items": 12, "by particle": {"을": 0.5}}, "random weights": {"accuracy": 0.5}}
    for stage, name, inputs, figures in (
        ("josa", "t", {"t/model.safetensors": weights, "corpus": "c" * 64}, {**asked, "seconds": 3.0}),
        (
            "josa",
            "kinds",
            {"t/model.safetensors": weights},
            {"pairs": 9, "models": {"t": {"은/는": SHARE}, "u": {"은/는": SHARE}}},
        ),
        (
            "cloze",
            "t",
            {"t/model.safetensors": weights},
            {
                "models": ["t", "u", "t.5"],
                "t.sum.p_at_1": 0.2,
                "t.sum.p_at_1_low": 0.1,
                "u.sum.p_at_1": 0.3,
                "t.5.sum.p_at_1": 0.4,
            },
        ),
        ("josa", "other", {"t/model.safetensors": "b" * 64}, {"accuracy": 0.1}),
        (
            "finetune",
            "news",
            {"model model.safetensors": weights},
            {"kind": "ner", "test": {"macro_f1": 0.9}, "best_epoch": 2},
        ),
    ):
        folder = tmp_path / stage / name
        folder.mkdir(parents=True)
        made = Manifest(stage, 1, {}, inputs, "m", "c", {}, figures, "2026-01-01")
        (folder / "manifest.json").write_text(json.dumps(dataclasses.asdict(made)))
    lineage = trace(run, read_manifest(run), frozenset({weights}))
    assert {(mark.stage, mark.name): dict(mark.figures) for mark in lineage.marks} == {
        ("josa", "kinds"): {"은/는, share": 0.5},
        ("cloze", "t"): {"sum.p_at_1": 0.2},
        ("josa", "t"): {"accuracy": 0.75, "items": 12, "by particle, 을": 0.5},
        ("finetune", "news"): {"test, macro_f1": 0.9, "best_epoch": 2},
    }
    card = ModelCard(card_of(lineage).text)
    assert "| josa | t | accuracy | 0.75 |" in card.text
    assert {(one.dataset_name, one.metric_value) for one in card.data.eval_results} >= {
        ("josa t", 0.75),
        ("finetune news", 0.9),
    }


def test_an_export_learns_of_marks_made_since(road: Path, whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "again"
    shutil.copytree(road, root, symlinks=True)
    run, folder = root / "pretrain" / "t", root / "export" / "new"
    first, built = export_run(run, folder)
    assert built and not export_run(run, folder)[1]
    asked = {"new/model.safetensors": first.files["model.safetensors"]["sha256"]}
    made = Manifest("cloze", 1, {}, asked, "m", "c", {}, {"first": 0.25}, "2026-01-01")
    (root / "cloze" / "new").mkdir(parents=True)
    (root / "cloze" / "new" / "manifest.json").write_text(json.dumps(dataclasses.asdict(made)))
    again, built = export_run(run, folder)
    assert built and "| cloze | new | first | 0.25 |" in (folder / "README.md").read_text("utf-8")
    assert again.content == first.content, "a page for people: what was asked of the model stands"


def test_a_licence_that_is_none(tmp_path: Path) -> None:
    from pipeline.errors import InputError

    for name in ("unknown", "other", "a\nb", "<x>", "x" * 65):
        with pytest.raises(InputError, match="--license"):
            read_licence(name, None)
    with pytest.raises(InputError, match="cannot read"):
        read_licence("mit", tmp_path / "none")
    with pytest.raises(InputError, match="short name"):
        (tmp_path / "text").write_text("x")
        read_licence(None, tmp_path / "text")
    assert read_licence(None, None) == NOT_STATED


def test_a_run_that_knows_little(road: Path) -> None:
    """Figures that older versions did not write, no held-out text, no road."""
    run = read_manifest(road / "pretrain" / "t")
    few = {name: run.figures[name] for name in ("objective", "steps", "parameters", "seconds", "tokens_per_second")}
    gone = Part("x", gap="`x/t` is not there")
    lineage = Lineage("t", dataclasses.replace(run, figures=few), gone, gone, gone, "")
    card = ModelCard(card_of(lineage).text)
    assert "Held out: not measured." in card.text and card.data.eval_results is None
    assert "Sources, licences and dates of the texts are therefore not known" in card.text
