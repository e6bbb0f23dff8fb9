"""The examples stage: built once, rebuilt for exactly what it depends on, refused when it cannot be."""

import dataclasses
import errno
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from corpora.build import build_corpus
from pipeline.artifact import MANIFEST, build, read_manifest
from pipeline.errors import InputError
from pipeline.executor import Workers
from pipeline.recipe import load_recipe
from pretrain import report
from pretrain.dataset import PairDataset
from pretrain.examples import TOKENS, build_examples, main
from pretrain.masking import PairMaskingCollator
from pretrain.nsp import draw_plan, lengths_of
from pretrain.prepared import open_prepared
from pretrain.schedule import mask_key
from pretrain.settings import TrainSettings
from pretrain.tokens import open_store, store_files
from tests.conftest import CORPUS, EXAMPLES, TOKENIZER, sources
from tokenizer.train import train_tokenizer
from tokenizer.wordpiece import TOKENIZER as TOKENIZER_KIND
from tokenizer.wordpiece import build_tokenizer, load_tokenizer, save_tokenizer, vocabulary_of


def test_figures_and_what_lies_there(sample_examples: Path) -> None:
    manifest = read_manifest(sample_examples)
    assert manifest is not None
    prepared = open_prepared(sample_examples)
    figures, plan = manifest.figures, prepared.plan(0)
    assert figures["block_size"] == 32 and figures["examples"] == len(plan) > 1000
    assert figures["tokens"] == {"train": len(prepared.train.ids), "heldout": len(prepared.heldout.ids)}
    lengths = lengths_of(plan)
    assert figures["mean_length"] == pytest.approx(lengths.mean(), abs=0.01) and lengths.max() == 32
    text = (sample_examples / "examples.txt").read_text("utf-8")
    assert text.count("[CLS]") == 20 and text.count("[SEP]") == 40


def test_the_saved_plan_is_the_drawn_one_and_later_ones_are_fresh(sample_examples: Path) -> None:
    prepared = open_prepared(sample_examples)
    assert np.array_equal(prepared.plan(0), draw_plan(prepared.train, EXAMPLES, 0))
    assert not np.array_equal(prepared.plan(1)["a_start"][:50], prepared.plan(0)["a_start"][:50])


def test_rebuilt_for_exactly_what_it_depends_on(write, tmp_path: Path) -> None:
    text = "\n\n".join(f"문서 {n}의 첫 문장이다.\n둘째 문장도 있다.\n셋째 문장은 {n}로 끝난다." for n in range(60))
    folders = {name: tmp_path / name for name in ("corpus", "tokenizer", "examples")}
    settings = dataclasses.replace(TOKENIZER, vocab_size=256)

    def tokens() -> tuple[int, bytes]:
        path = folders["examples"] / "train.ids.bin"
        return path.stat().st_ino, path.read_bytes()

    def run(source: str, tokenizer=settings, examples=EXAMPLES) -> list[bool]:
        corpus = build_corpus(sources(write("a.txt", source)), CORPUS, folders["corpus"], Workers())[1]
        vocabulary = train_tokenizer(folders["corpus"], tokenizer, folders["tokenizer"], Workers())[1]
        built = build_examples(folders["corpus"], folders["tokenizer"], examples, folders["examples"])[1]
        return [corpus, vocabulary, built]

    assert run(text) == [True, True, True]
    assert run(text) == [False, False, False]
    assert run(text + "\n") == [True, False, False], "other bytes, same documents: nothing ripples on"
    assert run(text.replace("문서 7의", "문서 7은")) == [True, True, True]
    assert run(text) == [True, True, True]
    assert run(text, tokenizer=dataclasses.replace(settings, vocab_size=320)) == [False, True, False], (
        "the same entries"
    )
    assert run(text, tokenizer=dataclasses.replace(settings, unused=90)) == [False, True, True]
    assert run(text, examples=dataclasses.replace(EXAMPLES, seed=1)) == [False, True, True]
    kept = tokens()
    contents = {read_manifest(folders["examples"]).content}
    for changes in (
        {"nsp_probability": 0.4},
        {"seed": 2},
        {"block_size": 16},
        {"objective": "none"},
        {"duplicate_epochs": 1},
    ):
        assert run(text, examples=dataclasses.replace(EXAMPLES, **changes)) == [False, False, True]
        assert tokens() == kept, "the same file: only the plan is drawn anew"
        contents.add(read_manifest(folders["examples"]).content)
        prepared = open_prepared(folders["examples"])
        expected = draw_plan(prepared.train, dataclasses.replace(EXAMPLES, **changes), 0)
        assert np.array_equal(prepared.plan(0), expected)
    assert len(contents) == 6, "a run is never continued with other epochs than it was begun with"
    assert run(text.replace("문서 8의", "문서 8은")) == [True, True, True] and tokens() != kept


def test_one_entry_of_the_vocabulary(sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path) -> None:
    """Another piece in the place of a common one: all is tokenised anew, and that piece's id is not met any more."""
    build_examples(sample_corpus, sample_tokenizer, EXAMPLES, tmp_path / "examples")
    before = open_prepared(tmp_path / "examples").train.ids.tolist()
    common = Counter(before).most_common(30)[-1][0]
    entries = vocabulary_of(load_tokenizer(sample_tokenizer))
    entries[common] = "옛날말아님"

    def make(workspace: Path) -> dict[str, int]:
        save_tokenizer(build_tokenizer(entries), workspace)
        return {}

    build(tmp_path / "tokenizer", TOKENIZER_KIND.key({}, {}), make)
    assert build_examples(sample_corpus, tmp_path / "tokenizer", EXAMPLES, tmp_path / "examples")[1]
    after = open_prepared(tmp_path / "examples").train.ids.tolist()
    assert common in before and common not in after


def test_a_plan_is_kept_for_those_who_come_later(sample_examples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(sample_examples, folder)
    first = open_prepared(folder).plan(1)
    place = next(tmp_path.glob(".examples.plans/*/32-00001"))
    drawn = place.stat().st_ino
    assert isinstance(first, np.memmap) and not first.flags.writeable
    assert np.array_equal(first, draw_plan(open_prepared(folder).train, EXAMPLES, 1))
    assert np.array_equal(open_prepared(folder).plan(1), first) and place.stat().st_ino == drawn
    for epoch in (2, 3, 4):
        open_prepared(folder).plan(epoch)
    assert sorted(path.name for path in place.parent.iterdir() if path.is_dir()) == ["32-00003", "32-00004"]
    again = open_prepared(folder).plan(1)
    assert np.array_equal(again, first), "the first one is mapped still, though its file is gone"


def test_plans_where_nothing_can_be_written(
    sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(sample_examples, folder)

    def refused(self: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refused)
    plan = open_prepared(folder).plan(1)
    assert np.array_equal(plan, draw_plan(open_prepared(folder).train, EXAMPLES, 1)) and not plan.flags.writeable
    assert "in its own memory" in capsys.readouterr().err


def test_a_leftover_that_shares_its_files_is_not_gone_on_with(sample_corpus, sample_tokenizer, tmp_path: Path) -> None:
    """Killed after the examples stood: their own files are left, and may have been damaged since."""
    folder = tmp_path / "examples"
    build_examples(sample_corpus, sample_tokenizer, EXAMPLES, folder)
    expected = open_prepared(folder).train.ids.tolist()
    inputs = read_manifest(folder).inputs
    left = tmp_path / ".examples.tokens" / TOKENS.key({}, inputs).made_from[:32]
    left.mkdir(parents=True)
    for split in ("train", "heldout"):
        store = open_store(folder, split, 3008)
        written = {"read": 10**9, "tokens": len(store.ids), "sentences": len(store.sentences) - 1}
        (left / f"{split}.json").write_text(json.dumps({**written, "documents": store.document_count}))
        for path in store_files(folder, split):
            (left / path.name).hardlink_to(path)
    damage(folder / "train.ids.bin")
    build_examples(sample_corpus, sample_tokenizer, dataclasses.replace(EXAMPLES, seed=5), folder)
    assert open_prepared(folder).train.ids.tolist() == expected


def test_duplicate_epochs_take_the_plans_there_are(sample_corpus, sample_tokenizer, tmp_path: Path) -> None:
    settings = dataclasses.replace(EXAMPLES, duplicate_epochs=2)
    build_examples(sample_corpus, sample_tokenizer, settings, tmp_path / "examples")
    prepared = open_prepared(tmp_path / "examples")
    plans = [prepared.plan(epoch) for epoch in range(4)]
    assert np.array_equal(plans[0], plans[2]) and np.array_equal(plans[1], plans[3])
    assert not np.array_equal(plans[0], plans[1])
    assert [path.name for path in tmp_path.glob(".examples.plans/*/32-*")] == ["32-00001"]


FILES = ["train.ids.bin", "train.sentences.bin", "train.documents.bin", "heldout.ids.bin", "train-epoch-0.npy"]


@pytest.mark.parametrize("name", [*FILES, "heldout.npy", "tokenizer.json"])
def test_a_damaged_file_is_named(sample_examples: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(sample_examples, folder)
    damage(folder / name)
    with pytest.raises(InputError, match=re.escape(name)):
        open_prepared(folder)


def test_a_damaged_plan_is_named(sample_examples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(sample_examples, folder)
    open_prepared(folder).plan(1)
    damage(next(tmp_path.glob(".examples.plans/*/32-00001")) / "plan.npy")
    with pytest.raises(InputError, match=r"32-00001/plan\.npy was changed"):
        open_prepared(folder).plan(1)


def test_damaged_examples_are_made_anew(sample_corpus, sample_tokenizer, sample_examples: Path, tmp_path: Path) -> None:
    """Their tokens are not handed on to examples with another seed."""
    folder = tmp_path / "examples"
    shutil.copytree(sample_examples, folder)
    damage(folder / "train.ids.bin")
    build_examples(sample_corpus, sample_tokenizer, dataclasses.replace(EXAMPLES, seed=5), folder)
    assert np.array_equal(open_prepared(folder).train.ids, open_prepared(sample_examples).train.ids)


def test_examples_of_before_formats_were_noted_are_made_anew(
    sample_corpus, sample_tokenizer, sample_examples: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(sample_examples, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["settings"]["formats"]
    manifest["made_from"] = "0" * 64
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert build_examples(sample_corpus, sample_tokenizer, EXAMPLES, folder)[1]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("objective", ["nsp", "sop", "none"])
def test_the_report_tells_what_the_plan_is(sample_corpus, sample_tokenizer, tmp_path: Path, objective: str) -> None:
    settings = dataclasses.replace(EXAMPLES, objective=objective)
    figures = build_examples(sample_corpus, sample_tokenizer, settings, tmp_path / "examples")[0].figures
    prepared = open_prepared(tmp_path / "examples")
    plan, store = prepared.plan(0), prepared.train
    used = {
        place
        for row in plan
        for start, length in (("a_start", "a_len"), ("b_start", "b_len"))
        for place in range(row[start], row[start] + row[length])
    }
    lengths = lengths_of(plan)
    assert figures["used_share"] == pytest.approx(len(used) / len(store.ids), abs=1e-5) and figures["used_share"] > 0.5
    assert figures["padding_share"] == pytest.approx(1 - lengths.mean() / 32, abs=1e-5)
    assert figures["full_share"] == pytest.approx((lengths == 32).mean(), abs=1e-5)
    assert figures["other_share"] == pytest.approx(0.0 if objective == "none" else 0.5, abs=0.005)
    label, right = plan["label"], 0
    for row in range(1, len(plan), 2):
        seen = label[::2][lengths[::2] == lengths[row]]
        right += label[row] == int((seen == 1).sum() > (seen == 0).sum())
    expected = 0.0 if objective == "none" else right / (len(plan) // 2)
    assert figures["told_by_length"] == pytest.approx(expected, abs=1e-5) and expected < 0.8
    bars = dict(figures["lengths"])
    assert sum(bars.values()) == len(plan) and bars[32] == ((lengths > 30) & (lengths <= 32)).sum()
    page = (tmp_path / "examples" / "report.md").read_text("utf-8")
    assert f"{len(plan):,}" in page and ("another document" in page) == (objective == "nsp")
    assert f"{figures['used_share']:.2%}" in page and page.count("█") >= 40


def test_used_tokens_are_counted_in_windows(sample_examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = open_prepared(sample_examples)
    expected = report.used_tokens(prepared.train, prepared.plan(0))
    for window in (1000, len(prepared.train.ids) - 1, len(prepared.train.ids)):
        monkeypatch.setattr(report, "_WINDOW", window)
        assert report.used_tokens(prepared.train, prepared.plan(0)) == expected


def stage(corpus: Path, tokenizer: Path, root: Path, *flags: str) -> list[str]:
    (root / "examples").mkdir(exist_ok=True)
    examples = [f"examples.{name}={value}" for name, value in dataclasses.asdict(EXAMPLES).items()]
    inputs = ["--from-corpus", str(corpus), "--from-tokenizer", str(tokenizer), "--artifacts", str(root), "--name", "t"]
    return [*inputs, *flags, "--workers", "1", "--set", *examples, "train.batch_size=8", "train.max_steps=1000"]


def test_examples_are_shown(
    sample_corpus, sample_tokenizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(stage(sample_corpus, sample_tokenizer, tmp_path, "--show", "5"))
    shown = capsys.readouterr().out
    assert shown.count("[CLS]") == 5 and shown.count("[SEP]") == 10 and "\x1b" not in shown
    assert "[MASK]{" in shown and ("B follows A" in shown or "B is random" in shown)


@pytest.mark.parametrize("step", [1, 170, 1000])
def test_any_step_is_shown_as_it_is_trained_on(
    sample_corpus, sample_tokenizer, tmp_path: Path, capsys: pytest.CaptureFixture[str], step: int
) -> None:
    """The printed pieces are those of the batch that the training loop makes for that step."""
    arguments = stage(sample_corpus, sample_tokenizer, tmp_path, "--which", str(step))
    main(arguments)
    shown = capsys.readouterr().out
    prepared = open_prepared(tmp_path / "examples" / "t")
    settings = load_recipe("sample", ["train.batch_size=8", "train.max_steps=1000"]).section("train", TrainSettings)
    schedule = prepared.schedule(settings)
    epoch, place = divmod(step - 1, len(prepared.plan(0)) // 8)
    plan = prepared.plan(epoch)
    dataset = PairDataset(prepared.train, plan, prepared.frame, mask_key(settings, epoch))
    batch = PairMaskingCollator(AutoTokenizer.from_pretrained(prepared.folder))(
        dataset.__getitems__(schedule.order(plan, schedule.place(step - 1), settings).rows(place))
    )
    names = vocabulary_of(load_tokenizer(prepared.folder))
    lines = [line for line in shown.splitlines() if line.startswith("[CLS]")]
    assert len(lines) == 8 and f"epoch {epoch + 1}, batch {place + 1}" in shown
    for row, line in enumerate(lines):
        length = int(batch["attention_mask"][row].sum())
        ids, labels = batch["input_ids"][row, :length].tolist(), batch["labels"][row, :length].tolist()
        pieces = [
            names[now] if was == -100 else f"{names[now]}{{{'=' if now == was else names[was]}}}"
            for now, was in zip(ids, labels, strict=True)
        ]
        assert line.split() == pieces


def test_a_step_that_there_is_not(sample_corpus, sample_tokenizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--which 1001: a run with these settings has 1,000 steps"):
        main(stage(sample_corpus, sample_tokenizer, tmp_path, "--which", "1001"))


def test_one_document_is_told_and_the_earlier_artifact_stands(write, tmp_path: Path) -> None:
    many = "\n\n".join(f"문서 {n}의 문장이다.\n또 하나의 문장이다." for n in range(30))
    one = "하나뿐인 문서의 문장이다.\n그다음 문장이다.\n마지막 문장이다."
    settings = dataclasses.replace(TOKENIZER, vocab_size=128, unused=0)
    for source in (many, one):
        build_corpus(sources(write("a.txt", source)), CORPUS, tmp_path / "corpus", Workers())
        train_tokenizer(tmp_path / "corpus", settings, tmp_path / "tokenizer", Workers())
        if source is many:
            before, _ = build_examples(tmp_path / "corpus", tmp_path / "tokenizer", EXAMPLES, tmp_path / "examples")
    with pytest.raises(InputError, match=r"1 document\(s\): "):
        build_examples(tmp_path / "corpus", tmp_path / "tokenizer", EXAMPLES, tmp_path / "examples")
    assert read_manifest(tmp_path / "examples") == before
    alone = dataclasses.replace(EXAMPLES, nsp_probability=0.0)
    manifest, built = build_examples(tmp_path / "corpus", tmp_path / "tokenizer", alone, tmp_path / "examples")
    assert built and manifest.figures["other_share"] == 0.0 and open_prepared(tmp_path / "examples").heldout is None


def test_documents_of_one_sentence(write, tmp_path: Path) -> None:
    text = "\n\n".join(f"문서 {n}에는 문장이 하나다." for n in range(200))
    settings = dataclasses.replace(TOKENIZER, vocab_size=128, unused=0)
    build_corpus(sources(write("a.txt", text)), CORPUS, tmp_path / "corpus", Workers())
    train_tokenizer(tmp_path / "corpus", settings, tmp_path / "tokenizer", Workers())
    manifest, _ = build_examples(tmp_path / "corpus", tmp_path / "tokenizer", EXAMPLES, tmp_path / "examples")
    train = read_manifest(tmp_path / "corpus").figures["train"]["documents"]
    assert manifest.figures["examples"] == train and manifest.figures["other_share"] == 1.0
    assert manifest.figures["single_share"] == 1.0 and "100.00%" in (tmp_path / "examples" / "report.md").read_text()


def test_absent_inputs_name_the_command(tmp_path: Path, sample_corpus: Path) -> None:
    with pytest.raises(InputError, match="make corpus"):
        build_examples(tmp_path / "none", tmp_path / "none", EXAMPLES, tmp_path / "out")
    with pytest.raises(InputError, match="make tokenizer"):
        build_examples(sample_corpus, tmp_path / "none", EXAMPLES, tmp_path / "out")
