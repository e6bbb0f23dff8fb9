"""The stage as its users run it: compared, refused, published, and reported."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from corpora.build import build_corpus
from corpora.document import CORPUS as CORPUS_KIND
from corpora.document import read_by_source, shards
from corpora.scripts import script_of
from pipeline.artifact import open_artifact, read_manifest
from pipeline.errors import InputError
from pipeline.executor import Workers
from pipeline.stage import run_stage
from tests.conftest import CORPUS, REPOSITORY, sources
from tokenizer.gates import EOJEOL_FLOOR, JOSA_FLOOR
from tokenizer.train import main
from tokenizer.wordpiece import FILES, SPECIAL_TOKENS, TOKENIZER, build_tokenizer, save_tokenizer

#: Quick to learn; every gate is open in the sample's recipe but those of the small text.
PLAIN = ("tokenizer.algorithm=wordpiece",)
PAGES = ("report.md", "report.png")


def train(corpus: Path, artifacts: Path, *settings: str, name: str = "mine", compare: tuple[Path, ...] = ()) -> Path:
    """Run the stage; its artifact's folder."""
    command = ["--from-corpus", str(corpus), "--artifacts", str(artifacts), "--name", name, "--workers", "1"]
    command += ["--compare", *map(str, compare)] if compare else []
    main([*command, "--set", *PLAIN, *settings])
    return artifacts / "tokenizer" / name


def as_program(run: Callable[[], object]) -> int:
    """The exit code of a program that does this."""

    def stage(argv: list[str] | None) -> None:
        run()

    with pytest.raises(SystemExit) as ended:
        run_stage(stage)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def section(page: str, heading: str) -> str:
    """The part of a page under a heading of level 2."""
    found = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, heading
    return str(found[0])


def rows(text: str) -> list[list[str]]:
    """The rows of a part's tables, without the lines under their heads; cells as they are shown."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not re.fullmatch(r"[|:-]+", line)]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [
        [re.sub(r"\\(.)", r"\1", cell.strip()).replace("&lt;", "<").replace("&amp;", "&") for cell in row]
        for row in cells
    ]


def measured(corpus: Path, split: str = "heldout") -> dict[str, list[str]]:
    """The sentences of a corpus by source."""
    found: dict[str, list[str]] = {}
    for source, document in read_by_source(corpus, split, open_artifact(corpus, CORPUS_KIND)):
        found.setdefault(source, []).extend(document)
    return found


def tokens(tokenizer: Tokenizer, sentence: str) -> list[str]:
    return tokenizer.encode(sentence, add_special_tokens=False).tokens


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of three sources, a quarter of it held out."""
    folder = tmp_path_factory.mktemp("three") / "corpus"
    names = ("food", "history", "sport")
    files = [REPOSITORY / "corpora" / "sample" / f"{name}.txt" for name in names]
    build_corpus(sources(*files), replace(CORPUS, held_out=0.25), folder, Workers())
    return folder


@pytest.fixture(scope="module")
def published(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage's output, with syllables cut so that some are unknown."""
    settings = ("tokenizer.coverage.syllables=0.995", "tokenizer.gates.max_unknown=1.0")
    return train(corpus, tmp_path_factory.mktemp("published"), *settings)


@pytest.fixture(scope="module")
def page(published: Path) -> str:
    return (published / "report.md").read_text("utf-8")


@pytest.fixture(scope="module")
def all_in_train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that holds nothing out."""
    folder = tmp_path_factory.mktemp("whole") / "corpus"
    food = REPOSITORY / "corpora" / "sample" / "food.txt"
    build_corpus(sources(food), replace(CORPUS, held_out=0.0), folder, Workers())
    assert shards(folder, "heldout") == []
    return folder


@pytest.fixture
def others(tmp_path: Path) -> tuple[Path, ...]:
    """A vocab.txt, a tokenizer.json and a folder."""
    small = tmp_path / "of-lines" / "vocab.txt"
    small.parent.mkdir()
    small.write_text("[UNK]\n이\n는\n##다\n.\n", "utf-8")
    for name, entries in (("of-json", "이는.가"), ("of-folder", "이는.가나다")):
        (tmp_path / name).mkdir()
        save_tokenizer(build_tokenizer([*SPECIAL_TOKENS, *entries]), tmp_path / name)
    return small, tmp_path / "of-json" / "tokenizer.json", tmp_path / "of-folder"


@pytest.mark.slow
def test_others_are_put_beside_it_now_or_later(sample_corpus: Path, tmp_path: Path, others: tuple[Path, ...]) -> None:
    folder = train(sample_corpus, tmp_path / "a", compare=others)
    written = folder / "comparison.md"
    at_once = written.read_text("utf-8")
    found = rows(section(at_once, "Beside other vocabularies"))
    assert [row[0] for row in found] == ["vocabulary", "this one", "of-lines", "of-json", "of-folder"]
    assert [row[1] for row in found[1:]] == ["3,520", "5", "9", "11"]
    ours = Tokenizer.from_file(str(folder / "tokenizer.json"))
    sentences = [sentence for part in measured(sample_corpus).values() for sentence in part]
    fertility = sum(len(tokens(ours, each)) for each in sentences) / sum(len(each.split()) for each in sentences)
    assert found[1][2] == f"{fertility:.3f}"
    assert float(found[2][4].rstrip("%")) > 90 > 10 > float(found[1][4].rstrip("%")), "eojeols with [UNK]"
    # An entry of ours that the small ones hold too: those that begin a word, and ##다 of the first.
    assert [row[6] for row in found[2:]] == ["4", "4", "6"]

    manifest, stamp = read_manifest(folder), (folder / "tokenizer.json").stat().st_mtime_ns
    written.unlink()
    train(sample_corpus, tmp_path / "a", compare=others)
    assert written.read_text("utf-8") == at_once
    train(sample_corpus, tmp_path / "a", compare=others[:1])
    assert len(rows(written.read_text("utf-8"))) == 3
    train(sample_corpus, tmp_path / "a")
    assert read_manifest(folder) == manifest and (folder / "tokenizer.json").stat().st_mtime_ns == stamp
    assert open_artifact(folder, TOKENIZER) == manifest, "a page beside the files leaves the artifact whole"


def test_a_wrong_path_to_compare_stops_before_anything_is_learned(
    sample_corpus: Path, tmp_path: Path, others: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent" / "vocab.txt"
    compare = (*others, absent)
    assert as_program(lambda: train(sample_corpus, tmp_path / "a", compare=compare)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"error: --compare {absent}: cannot be read: No such file or directory\n"
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gate", "shut"),
    [
        ("josa boundaries", ("tokenizer.gates.min_josa=1.0",)),
        ("unknown eojeols", ("tokenizer.gates.max_unknown=0.0", "tokenizer.coverage.syllables=0.95")),
    ],
)
def test_a_vocabulary_that_fails_a_gate_is_refused(
    all_in_train: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], gate: str, shut: tuple[str, ...]
) -> None:
    """Then it is mended, published, and stands when another one is refused."""
    place = tmp_path / "tokenizer"
    assert as_program(lambda: train(all_in_train, tmp_path, *shut)) == 2
    told = capsys.readouterr().err
    assert "error: the vocabulary is not published, it fails 1 of 12 gates:\n" in told
    reason = told.partition("gates:\n")[2]
    assert reason.startswith(f"  {gate}: ") and reason.count("\n") == 1 and "tokenizer.gates." in reason
    refused = place / "mine.refused.md"
    assert str(refused) in told
    assert {path.name for path in place.iterdir()} == {"mine.refused.md", ".mine.lock"}
    text = refused.read_text("utf-8")
    assert "**1 of 12 gates failed: do not pretrain on this vocabulary.**" in text
    verdicts = {row[0]: row[3] for row in rows(section(text, "Gates"))[1:]}
    assert [name for name, verdict in verdicts.items() if verdict != "passed"] == [gate]
    assert verdicts[gate] == "FAILED" and len(verdicts) == 12
    assert f"* **{gate}**: " in section(text, "Gates")

    open_gates = [f"{key.partition('=')[0]}={'0.0' if 'josa' in key else '1.0'}" for key in shut]
    folder = train(all_in_train, tmp_path, *open_gates)
    assert {path.name for path in place.iterdir()} == {"mine", ".mine.lock"}
    manifest = open_artifact(folder, TOKENIZER)
    assert {path.name for path in folder.iterdir()} == {*FILES, *PAGES, "manifest.json"}
    assert "All 12 gates passed." in (folder / "report.md").read_text("utf-8")

    with pytest.raises(InputError, match=gate):
        train(all_in_train, tmp_path, *shut)
    assert {path.name for path in place.iterdir()} == {"mine", "mine.refused.md", ".mine.lock"}
    assert open_artifact(folder, TOKENIZER) == manifest
    train(all_in_train, tmp_path, *open_gates)
    assert {path.name for path in place.iterdir()} == {"mine", ".mine.lock"}


@pytest.mark.slow
def test_without_held_out_text_it_is_judged_on_what_it_learned_from(all_in_train: Path, tmp_path: Path) -> None:
    folder = train(all_in_train, tmp_path)
    sentences = [sentence for part in measured(all_in_train, "train").values() for sentence in part]
    eojeols = sum(len(sentence.split()) for sentence in sentences)
    assert eojeols > EOJEOL_FLOOR
    text = (folder / "report.md").read_text("utf-8")
    assert f"Measured on {len(sentences):,} train sentences ({eojeols:,} eojeols;" in text
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.figures["measured_on"] == "train" and manifest.figures["josa_cases"] > JOSA_FLOOR


@pytest.mark.slow
def test_little_held_out_text_shuts_no_gate(tmp_path: Path) -> None:
    """Shares of fewer than `EOJEOL_FLOOR` eojeols and `JOSA_FLOOR` cases say nothing."""
    few = tmp_path / "few.txt"
    lines = (REPOSITORY / "corpora" / "sample" / "food.txt").read_text("utf-8").splitlines()
    few.write_text("\n".join(lines[:14]) + "\n", "utf-8")
    build_corpus(sources(few), replace(CORPUS, held_out=0.0), tmp_path / "corpus", Workers())
    shut = ("tokenizer.gates.min_josa=1.0", "tokenizer.gates.max_unknown=0.0", "tokenizer.coverage.syllables=0.5")
    folder = train(tmp_path / "corpus", tmp_path, *shut)
    text = (folder / "report.md").read_text("utf-8")
    told = rows(section(text, "Gates"))[1:]
    found = {row[0]: row[2] for row in told}
    eojeols = sum(len(line.split()) for line in lines[:14])
    assert found["unknown eojeols"] == f"only {eojeols} eojeols"
    assert re.fullmatch(r"only \d+ cases", found["josa boundaries"])
    assert [row[0] for row in told if row[3] == "not judged"] == ["unknown eojeols", "josa boundaries"]
    assert "10 gates passed, 2 had too little text to be judged on." in text
    figures = open_artifact(folder, TOKENIZER).figures
    assert (figures["gates"], figures["gates_not_judged"]) == (10, 2)


def test_the_report_tells_unknown_characters_by_script(corpus: Path, published: Path, page: str) -> None:
    characters: Counter[str] = Counter()
    culprits: Counter[str] = Counter()
    entries = set((published / "vocab.txt").read_text("utf-8").split("\n"))
    for sentences in measured(corpus).values():
        for character in "".join("".join(sentences).split()):
            characters[script_of(character)] += 1
            # Unless at least one of its two entries is there, it is unknown wherever it stands.
            culprits[script_of(character)] += not {character, f"##{character}"} & entries
    part = section(page, "Unknown characters")
    found = {row[0]: row[1:] for row in rows(part)[1:]}
    assert {script: row[0] for script, row in found.items()} == {
        script: f"{count:,}" for script, count in characters.items()
    }
    assert culprits["Hangul"] > 0 and {script: int(row[1]) for script, row in found.items()} == {
        script: culprits[script] for script in characters
    }
    hangul = found["Hangul"]
    assert int(hangul[3]) > int(hangul[1]), "whole words are lost with them"
    assert "Most frequent characters without an entry: `" in part and "eojeols that hold an [UNK]: `" in part


def test_the_report_tells_tokens_per_eojeol_by_source(corpus: Path, published: Path, page: str) -> None:
    tokenizer = Tokenizer.from_file(str(published / "tokenizer.json"))
    expected = []
    sums = Counter[str]()
    for source, sentences in measured(corpus).items():
        eojeols = sum(len(sentence.split()) for sentence in sentences)
        pieces = sum(len(tokens(tokenizer, sentence)) for sentence in sentences)
        expected.append([source, str(len(sentences)), f"{eojeols:,}", f"{pieces / eojeols:.3f}"])
        sums.update(sentences=len(sentences), eojeols=eojeols, pieces=pieces)
    assert len(expected) == 3
    fertility = f"{sums['pieces'] / sums['eojeols']:.3f}"
    expected.append(["all", f"{sums['sentences']:,}", f"{sums['eojeols']:,}", fertility])
    found = [row for row in rows(section(page, "Fit, by source")) if len(row) == 6]
    assert [row[:4] for row in found[1:]] == expected
    summary = rows(page.partition("## ")[0])
    assert summary[1][:2] == [f"{tokenizer.get_vocab_size():,}", fertility]


def test_the_report_tells_of_noun_and_josa_with_examples(corpus: Path, published: Path, page: str) -> None:
    part = section(page, "Noun and josa")
    manifest = read_manifest(published)
    assert manifest is not None
    cases = manifest.figures["josa_cases"]
    kept, of = re.match(r"\n([\d,]+) of ([\d,]+) eojeols", part).groups()
    assert of == f"{cases:,}" and cases > JOSA_FLOOR
    assert round(int(kept.replace(",", "")) / cases, 4) == manifest.figures["josa_kept"]
    heldout = Counter(" ".join(sentence for part in measured(corpus).values() for sentence in part).split())
    examples = rows(part)[1:]
    assert len(examples) == 20
    tokenizer = Tokenizer.from_file(str(published / "tokenizer.json"))
    for row in examples:
        for (eojeol, pieces, count), apart in ((row[:3], True), (row[3:], False)):
            noun, josa = eojeol.rsplit("+", 1)
            found = tokens(tokenizer, noun + josa)
            assert pieces == " ".join(found) and 1 <= int(count) <= heldout[noun + josa]
            ends = ["".join(piece.removeprefix("##") for piece in found[:number]) for number in range(len(found))]
            assert (noun in ends) == apart, eojeol


def test_the_report_tells_the_lengths_of_entries_and_dead_ones(published: Path, page: str) -> None:
    entries = (published / "vocab.txt").read_text("utf-8").split("\n")[:-1]
    reserved = re.compile(r"\[[A-Za-z]+\d*\]")
    spelled = [entry for entry in entries if not reserved.fullmatch(entry)]
    inner = Counter(len(entry) - 2 for entry in spelled if entry.startswith("##") and entry != "##")
    initial = Counter(len(entry) for entry in spelled if not entry.startswith("##") or entry == "##")
    part = section(page, "Entries")
    head, *lengths = rows(part)
    sizes = sorted({*inner, *initial})
    assert head == ["characters", *map(str, sizes)] and len(sizes) >= 4
    assert lengths == [
        ["begin a word", *(f"{initial[size]:,}" for size in sizes)],
        ["continue a word", *(f"{inner[size]:,}" for size in sizes)],
    ]
    manifest = read_manifest(published)
    assert manifest is not None
    replaced = manifest.figures["dead_replaced"]
    assert replaced > 0 and f"While learning, {replaced:,} pieces were found dead" in part
    assert "Entries that no word of the corpus yields now: 0." in part


def test_the_report_tells_the_most_frequent_pieces(corpus: Path, published: Path, page: str) -> None:
    tokenizer = Tokenizer.from_file(str(published / "tokenizer.json"))
    counts: Counter[str] = Counter()
    for sentences in measured(corpus).values():
        counts.update(piece for sentence in sentences for piece in tokens(tokenizer, sentence))
    expected = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:50]
    assert [row[:3] for row in rows(section(page, "Most frequent pieces"))[1:]] == [
        [str(number), piece, f"{count:,}"] for number, (piece, count) in enumerate(expected, start=1)
    ]


def test_the_report_shows_twenty_sentences(corpus: Path, published: Path, page: str) -> None:
    tokenizer = Tokenizer.from_file(str(published / "tokenizer.json"))
    heldout = measured(corpus)
    part = section(page, "Sentences as a model sees them")
    shown = re.findall(r"^\* (.*)\n  \* `+ ?(.*?) ?`+$", part, re.MULTILINE)
    assert len(shown) == 20 == len(set(shown))
    sentences = {sentence for part in heldout.values() for sentence in part}
    for text, pieces in shown:
        sentence = re.sub(r"\\(.)", r"\1", text)
        assert sentence in sentences and pieces == " ".join(tokens(tokenizer, sentence))
    headings = re.findall(r"^### (.*)$", part, re.MULTILINE)
    assert [re.sub(r"\\(.)", r"\1", heading) for heading in headings] == list(heldout)


def test_the_picture_is_one(published: Path) -> None:
    from matplotlib.image import imread

    assert (published / "report.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = imread(published / "report.png")
    height, width, _ = pixels.shape
    assert height > 300 and width > 300 and pixels.std() > 0.01, "something is drawn"


def test_what_the_manifest_tells(published: Path, page: str) -> None:
    manifest = open_artifact(published, TOKENIZER)
    assert set(manifest.files) == {*FILES, *PAGES}
    assert manifest.settings["tokenizer"]["gates"] == {"max_unknown": 1.0, "min_josa": 0.0}
    assert manifest.settings["tokenizer"]["coverage"]["syllables"] == 0.995
    assert manifest.figures["measured_on"] == "heldout" and manifest.figures["gates"] == 12
    assert f"{manifest.figures['unknown_share']:.4%}" in page and manifest.figures["unknown_share"] > 0
