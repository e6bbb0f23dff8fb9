"""Every algorithm, from shards to saved files: the same bytes always, and cut where it promises."""

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.executor import HERE, Pool, Workers, worker_pool
from tests.conftest import REPOSITORY, TOKENIZER
from tests.tokenizer.reference import longest_match
from tokenizer.algorithms import WORDPIECE, Result, learn
from tokenizer.morphemes import Morpheme, analyse
from tokenizer.wordpiece import FILES, save_tokenizer, vocabulary_of

ALGORITHMS = ("wordpiece", "morpheme", "particle", "unigram", "bpe")
EOJEOLS = ("unigram", "bpe")
SAMPLE = REPOSITORY / "corpora" / "sample"


def learned(paths: Sequence[Path], algorithm: str, pool: Pool, folder: Path, **changes: Any) -> Result:
    table: dict[str, Any] = {"algorithm": algorithm, "vocab_size": 2048, **changes}
    settings = replace(TOKENIZER, **table)
    return learn(paths, sum(path.read_bytes().count(b"\n") for path in paths), settings, pool, folder)


def saved(paths: Sequence[Path], algorithm: str, pool: Pool, folder: Path) -> dict[str, bytes]:
    """The files of the tokenizer, by name."""
    folder.mkdir(parents=True)
    save_tokenizer(learned(paths, algorithm, pool, folder).tokenizer, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES), "nothing else is left"
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def text() -> list[str]:
    names = ("economy", "food", "sport")
    return [line for name in names for line in (SAMPLE / f"{name}.txt").read_text("utf-8").splitlines() if line]


@pytest.fixture(scope="module")
def shard(text: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of the text in one shard."""
    path = tmp_path_factory.mktemp("shards") / "train-00000.txt"
    path.write_text("".join(f"{line}\n" for line in text), "utf-8")
    return path


@pytest.fixture(scope="module")
def first(shard: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """What each algorithm saves, learned in this process from one shard."""
    folder = tmp_path_factory.mktemp("first")
    return {name: saved([shard], name, HERE, folder / name) for name in ALGORITHMS}


def test_five_algorithms_are_five(first: dict[str, dict[str, bytes]]) -> None:
    assert len({files["vocab.txt"] for files in first.values()}) == len(ALGORITHMS)
    for name, files in first.items():
        entries = files["vocab.txt"].decode().split("\n")[:-1]
        long = [entry for entry in entries if len(entry.removeprefix("##")) > 1 and not entry.startswith("[")]
        assert len(entries) % 64 == 0 and len(long) > 200, name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_neither_the_order_of_shards_nor_their_number_matters(
    text: list[str], first: dict[str, dict[str, bytes]], algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = random.Random(0).sample(text, len(text))
    paths = []
    for number, (start, end) in enumerate(pairwise((0, 1, 40, 300, len(mixed)))):
        paths.append(tmp_path / f"train-{number:05}.txt")
        paths[-1].write_text("".join(f"{line}\n" for line in mixed[start:end]), "utf-8")
    assert saved(paths, algorithm, HERE, tmp_path / "mixed") == first[algorithm]
    monkeypatch.setattr("tokenizer.words.BATCH_LINES", 50)
    monkeypatch.setattr("tokenizer.morphemes._BATCH", 100)
    assert saved(paths[::-1], algorithm, HERE, tmp_path / "reversed") == first[algorithm]


@pytest.mark.slow
def test_the_number_of_workers_does_not_matter(
    shard: Path, first: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenizer.words.BATCH_LINES", 50)
    monkeypatch.setattr("tokenizer.morphemes._BATCH", 300)
    monkeypatch.setattr("tokenizer.algorithms.FEW_WORDS", 0)
    with worker_pool(Workers(2)) as pool:
        for name in ALGORITHMS:
            assert saved([shard], name, pool, tmp_path / name) == first[name], name


def test_rare_words_are_cut_but_for_unigram(shard: Path, tmp_path: Path) -> None:
    """Its seeds are counted over different eojeols, so each of them counts."""
    for name in ALGORITHMS:
        counts = learned([shard], name, HERE, tmp_path, min_word_count=3).counts
        assert min(counts.words.values()) == (1 if name == "unigram" else 3), name


@pytest.mark.parametrize("algorithm", EOJEOLS)
def test_a_character_of_sentencepiece_takes_one_entry(shard: Path, tmp_path: Path, algorithm: str) -> None:
    result = learned([shard], algorithm, HERE, tmp_path)
    single = {piece for piece in vocabulary_of(result.tokenizer) if len(piece) == 1} - {"▁"}
    assert len(single) == result.alphabet.slots == sum(price.initial for price in result.alphabet.prices)
    assert not any(price.inner for price in result.alphabet.prices)


SCRIPT = """
import sys
from pathlib import Path
from tests.tokenizer.test_algorithms import ALGORITHMS, HERE, saved
shard, folder = map(Path, sys.argv[1:])
for name in ALGORITHMS:
    saved([shard], name, HERE, folder / name)
"""


@pytest.mark.slow
def test_the_same_bytes_whatever_the_hash_seed_and_threads(
    shard: Path, first: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    """Another process with everything else; this one's hash seed is a random one and its threads are one."""
    environment = {**os.environ, "PYTHONHASHSEED": "1", "RAYON_NUM_THREADS": "4", "OMP_NUM_THREADS": "3"}
    command = [sys.executable, "-c", SCRIPT, str(shard), str(tmp_path)]
    run = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for name, files in first.items():
        assert {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} == files, name


def met(word: str, morphemes: Sequence[Morpheme], particles_alone: bool) -> set[int]:
    """Boundaries by definition: at the place some morpheme begins, and none lies on both of its sides."""
    found = set()
    for place in range(1, len(word)):
        begin = [number for number, each in enumerate(morphemes) if each.start == place]
        if not begin or any(each.start < place < each.end for each in morphemes):
            continue
        for number in begin:
            particle = morphemes[number].tag[0] == "J" and (number == 0 or morphemes[number - 1].tag[0] != "J")
            if particle or not particles_alone:
                found.add(place)
    return found


def starts(pieces: Sequence[str]) -> Iterator[int]:
    place = 0
    for piece in pieces:
        yield place
        place += len(piece.removeprefix("##"))


def within_parts(words: Mapping[str, int], cuts: Mapping[str, set[int]], pieces: set[str]) -> Counter[str]:
    """How often each of `pieces` stands in a word without going over one of its cuts."""
    found: Counter[str] = Counter()
    for word, count in words.items():
        places = sorted({0, len(word), *cuts[word]})
        for start, end in pairwise(places):
            for low in range(start, end):
                for high in range(low + 2, end + 1):
                    piece = "##" * (low > 0) + word[low:high]
                    if piece in pieces:
                        found[piece] += count
    return found


@pytest.fixture(scope="module")
def words_alike(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """The algorithms that learn from words, over all of the sample."""
    folder = tmp_path_factory.mktemp("words")
    paths = sorted(SAMPLE.glob("*.txt"))
    return {name: learned(paths, name, HERE, folder, vocab_size=4032, unused=0) for name in WORDPIECE}


def long_pieces(result: Result) -> set[str]:
    entries = vocabulary_of(result.tokenizer)
    return {entry for entry in entries if len(entry.removeprefix("##")) > 1 and not entry.startswith("[")}


@pytest.fixture(scope="module")
def analysed(words_alike: dict[str, Result]) -> dict[str, list[Morpheme]]:
    words = list(words_alike["wordpiece"].counts.words)
    assert len(words) > 10_000
    return dict(zip(words, analyse(words), strict=True))


@pytest.mark.parametrize("algorithm", ["morpheme", "particle"])
def test_no_piece_is_learned_over_a_boundary(
    words_alike: dict[str, Result], analysed: dict[str, list[Morpheme]], algorithm: str
) -> None:
    cuts = {word: met(word, morphemes, algorithm == "particle") for word, morphemes in analysed.items()}
    words = words_alike["wordpiece"].counts.words
    for name in (algorithm, "wordpiece"):
        pieces = long_pieces(words_alike[name])
        found = within_parts(words, cuts, pieces)
        over = {piece for piece in pieces if found[piece] < TOKENIZER.min_frequency}
        assert len(pieces) > 1000
        if name == algorithm:
            assert over == set()
        else:
            assert len(over) > 200, "plain merges go over boundaries, so the check above can fail"


def test_particles_are_kept_apart_where_plain_wordpiece_does_not(
    words_alike: dict[str, Result], analysed: dict[str, list[Morpheme]]
) -> None:
    cuts = {word: met(word, morphemes, True) for word, morphemes in analysed.items()}
    holders = [word for word, places in cuts.items() if places]
    assert len(holders) > 5000
    shares = {}
    for name, result in words_alike.items():
        vocabulary = set(vocabulary_of(result.tokenizer))
        kept = sum(cuts[word] <= set(starts(longest_match(vocabulary, word))) for word in holders)
        shares[name] = kept / len(holders)
    assert shares["particle"] > 0.95 and shares["morpheme"] > 0.95
    assert shares["wordpiece"] < 0.85 and shares["particle"] - shares["wordpiece"] > 0.15, shares


@pytest.mark.parametrize("algorithm", WORDPIECE)
def test_longest_match_takes_every_piece(words_alike: dict[str, Result], algorithm: str) -> None:
    result = words_alike[algorithm]
    vocabulary, uses = set(vocabulary_of(result.tokenizer)), Counter[str]()
    for word, count in result.counts.words.items():
        for piece in longest_match(vocabulary, word):
            uses[piece] += count
    assert min(uses[piece] for piece in long_pieces(result)) >= TOKENIZER.min_frequency
    assert result.dead == () and result.replaced > 0 and result.longest_match


@pytest.mark.parametrize("algorithm", EOJEOLS)
def test_dead_entries_are_those_that_no_eojeol_yields(shard: Path, algorithm: str, tmp_path: Path) -> None:
    result = learned([shard], algorithm, HERE, tmp_path)
    lines = shard.read_text("utf-8").splitlines()
    # The lines whole, where the stage asks eojeol by eojeol.
    yielded = {piece for line in lines for piece in result.tokenizer.encode(line, add_special_tokens=False).tokens}
    entries = [entry for entry in vocabulary_of(result.tokenizer) if not entry.startswith("[")]
    unused = [entry for entry in entries if len(entry.removeprefix("▁")) > 1 and entry not in yielded]
    assert list(result.dead) == unused
    assert bool(unused) == (algorithm == "bpe"), "merges that later merges use up"
    assert not result.longest_match and result.replaced == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_encodes_the_training_text_gives_the_ids_of_the_files(
    text: list[str], shard: Path, algorithm: str, tmp_path: Path
) -> None:
    """A trainer's own encoder and the tokenizer that is saved."""
    result = learned([shard], algorithm, HERE, tmp_path)
    expected = [result.tokenizer.encode(line, add_special_tokens=False).ids for line in text]
    assert result.encode(text) == expected
    assert all(expected) and max(map(max, expected)) > 1000
