"""Recipes are read strictly: what is wrong is named with the file, the key and the nearest spelling."""

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.recipe import load_recipe, section_kinds, shipped_recipes


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_loads(name: str) -> None:
    recipe = load_recipe(name)
    for section, kind in section_kinds().items():
        assert isinstance(recipe.section(section, kind), kind)


def test_the_lecture_says_what_the_lecture_says() -> None:
    tables = load_recipe("lecture").tables
    tokenizer = tables["tokenizer"]
    # 20,000 of its own, and as many unused ones as make a multiple of 64.
    assert (tokenizer["vocab_size"] - tokenizer["unused"], tokenizer["min_frequency"]) == (20_000, 2)
    assert tables["examples"] == {
        "block_size": 128,
        "objective": "nsp",
        "short_seq_probability": 0.1,
        "nsp_probability": 0.5,
        "random_segments": "documents",
        "duplicate_epochs": 1,
        "seed": tables["examples"]["seed"],
    }
    shape = (
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
    )
    assert [tables["model"][key] for key in shape] == [768, 12, 12, 3072, 128]
    train = ("epochs", "max_steps", "batch_size", "learning_rate", "mlm_probability")
    assert [tables["train"][key] for key in train] == [10, 0, 32, 5e-5, 0.15]


def test_overrides_are_applied_and_recorded() -> None:
    recipe = load_recipe("sample", ["train.learning_rate=2e-4", "corpus.layout=lines", "train.max_steps=7"])
    assert recipe.tables["train"]["learning_rate"] == 2e-4
    assert recipe.tables["corpus"]["layout"] == "lines" and recipe.tables["train"]["max_steps"] == 7
    assert "train.learning_rate=2e-4" in recipe.origin


def test_a_table_within_a_section_is_reached_by_one_more_name() -> None:
    before = load_recipe("sample").tables["tokenizer"]
    after = load_recipe("sample", ["tokenizer.gates.min_josa=0.5", "tokenizer.coverage.hanja=0"]).tables["tokenizer"]
    assert after["gates"] == {**before["gates"], "min_josa": 0.5}
    assert after["coverage"] == {**before["coverage"], "hanja": 0}


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("tokenizer.gates.min_jsoa=0", r"unknown key tokenizer\.gates\.min_jsoa; did you mean 'min_josa'"),
        ("tokenizer.gates.min_josa=2", r"tokenizer\.gates\.min_josa: .*less than or equal to 1"),
        ("tokenizer.gates.min_josa.half=1", r"tokenizer\.gates\.min_josa is a value, not a table"),
        ("tokenizer.unused.more=1", r"tokenizer\.unused is a value, not a table"),
        ("tokenizer.gates.=1", r"write it as section\.key=value"),
        ("train.lerning_rate=1", r"unknown key train\.lerning_rate; did you mean 'learning_rate'"),
        ("trian.seed=1", "unknown section 'trian'; did you mean 'train'"),
        ("train.seed", r"write it as section\.key=value"),
        ("seed=1", r"write it as section\.key=value"),
        ("train.batch_size=many", r"train\.batch_size: .*integer.*'many'"),
        ("train.batch_size=1.5", r"train\.batch_size: .*integer.*1\.5"),
        ("train.batch_size=true", r"train\.batch_size: .*integer"),
        ("train.batch_size=0", r"train\.batch_size: .*greater than or equal to 1"),
        ("train.mlm_probability=1.5", r"train\.mlm_probability: .*less than 1"),
        ("train.schedule=linaer", r"train\.schedule: .*'linear', 'cosine', 'constant' or 'trapezoid'"),
        ("model.num_attention_heads=3", "hidden_size 128 is not a multiple|hidden_size .* is not a multiple"),
        ("corpus.max_chars=2", "max_chars 2 is less than min_chars"),
    ],
)
def test_a_wrong_override_is_named(override: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        load_recipe("sample", [override])


def test_an_integer_will_do_for_a_number() -> None:
    assert load_recipe("sample", ["train.max_grad_norm=0"]).tables["train"]["max_grad_norm"] == 0


def shipped_text(name: str = "sample") -> str:
    from importlib.resources import files

    return (files("pipeline") / "recipes" / f"{name}.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "vocab_size =",
            "vocabsize =",
            r"mine\.toml: unknown key tokenizer\.vocabsize; did you mean 'vocab_size'",
        ),
        (
            "[tokenizer]",
            "[tokeniser]",
            r"mine\.toml: unknown section \[tokeniser\]; did you mean 'tokenizer'",
        ),
        ("min_chars = 5\n", "", r"mine\.toml: corpus\.min_chars is missing"),
        ("min_chars = 5", "min_chars = '5'", r"mine\.toml: corpus\.min_chars: .*integer"),
        ("[corpus]", "corpus = 3\n[x]", r"mine\.toml: "),
        ("[corpus]", "[corpus", r"mine\.toml: not valid TOML: .*line"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, before: str, after: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    text = shipped_text()
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(InputError, match=told):
        load_recipe(str(path))


def test_an_own_file_is_named_after_its_stem(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(shipped_text(), "utf-8")
    assert load_recipe(str(path)).name == "mine"


def test_an_unknown_recipe(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'small'"):
        load_recipe("smal")
    with pytest.raises(InputError, match=r"cannot read the recipe .*none\.toml"):
        load_recipe(str(tmp_path / "none.toml"))


def test_a_missing_section_is_told_when_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(shipped_text().split("[train]")[0], "utf-8")
    recipe = load_recipe(str(path))
    with pytest.raises(InputError, match=r"section \[train\] is missing"):
        recipe.section("train", section_kinds()["train"])
