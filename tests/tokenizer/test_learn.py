"""Learning a vocabulary: the same every time, and the one that a slow and obvious learner finds."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from corpora.document import shards
from pipeline.errors import InputError
from pipeline.executor import Pool, Workers, worker_pool
from tests.conftest import EVERY_CHARACTER, REPOSITORY, TOKENIZER
from tests.tokenizer.reference import longest_match
from tokenizer.alphabet import choose_alphabet
from tokenizer.learn import Learned, learn_vocabulary
from tokenizer.quality import composition, measure
from tokenizer.settings import Coverage, TokenizerSettings
from tokenizer.train import train_tokenizer
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, reserved_entries, vocabulary_of
from tokenizer.words import count_words

WORDS = {"먹었다": 6, "먹는다": 5, "먹고": 4, "갔다": 6, "갔고": 3, "온다": 2, "오고": 2, "다시": 1, ".": 9}


def settings(**changes) -> TokenizerSettings:
    return replace(TOKENIZER, **{"vocab_size": 64, "unused": 2, **changes})


def learn(words: dict[str, int], splits=None, coverage: Coverage = EVERY_CHARACTER, **changes) -> Learned:
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    return learn_vocabulary(words, splits or {}, choose_alphabet(counts, coverage), settings(**changes))


def reference(words: dict[str, int], merges: int) -> list[str]:
    """Pairs by count, ties by the order in which pieces came to be (characters by code point, word-initial first)."""
    spelled = {word: [word[0], *("##" + character for character in word[1:])] for word in words}
    pieces = sorted({piece for pieces in spelled.values() for piece in pieces}, key=lambda p: (p[:2] == "##", p))
    for _ in range(merges):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in spelled.items():
            for pair in pairwise(parts):
                pairs[pair] += words[word]
        pairs = Counter({pair: count for pair, count in pairs.items() if count >= 2})
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pieces.index(pair[0]), pieces.index(pair[1])))
        joined = best[0] + best[1].removeprefix("##")
        if joined not in pieces:
            pieces.append(joined)
        for word, parts in spelled.items():
            place = 0
            while place < len(parts) - 1:
                if (parts[place], parts[place + 1]) == best:
                    parts[place : place + 2] = [joined]
                place += 1
            spelled[word] = parts
    return pieces


def living(words: dict[str, int], pieces: list[str], least: int = 2) -> list[str]:
    """Without the pieces that longest match takes too rarely, until none is left."""
    while True:
        used = Counter(piece for word, count in words.items() for piece in longest_match(set(pieces), word) * count)
        kept = [piece for piece in pieces if used[piece] >= least or len(piece.removeprefix("##")) == 1]
        if kept == pieces:
            return pieces
        pieces = kept


def without_reserved(vocabulary: list[str]) -> list[str]:
    return [piece for piece in vocabulary if not piece.startswith("[")]


def test_against_the_obvious_learner() -> None:
    learned = learn(WORDS)
    pieces = without_reserved(learned.vocabulary)
    singles = {name for word in WORDS for character in word for name in (character, f"##{character}")} - {"##."}
    assert set(pieces) - singles == set(living(WORDS, reference(WORDS, merges=100))) - singles
    assert pieces[: len(singles)] == sorted(singles, key=lambda piece: (piece.startswith("##"), piece))
    assert {"먹었다", "##고", "."} <= set(pieces)
    assert learned.vocabulary[: len(learned.vocabulary) - len(pieces)] == reserved_entries(learned.unused)


def test_no_entry_is_dead_and_others_took_their_room(sample_corpus: Path) -> None:
    words = count_words(shards(sample_corpus, "train"), Pool(None, 1), sample_corpus).words
    learned = learn(words, vocab_size=3008)
    assert learned.dead > 0 and len(learned.vocabulary) == 3008 and learned.unused == 2
    vocabulary = set(learned.vocabulary)
    used = Counter(piece for word, count in words.items() for piece in longest_match(vocabulary, word) * count)
    pieces = without_reserved(learned.vocabulary)
    assert [piece for piece in pieces if len(piece.removeprefix("##")) > 1 and used[piece] < 2] == []


def test_merges_stay_within_the_splits() -> None:
    words = {"학교에서": 9, "집에서": 9, "학교에": 9}
    learned = set(learn(words, {"학교에서": (2,), "집에서": (1,), "학교에": (2,)}, vocab_size=128).vocabulary)
    assert {"학교", "##에서"} <= learned and not {"학교에", "집에", "학교에서"} & learned
    assert "학교에서" in learn(words, vocab_size=128).vocabulary


def test_the_size_is_a_multiple_of_64() -> None:
    learned = learn(WORDS, vocab_size=6400)
    assert len(learned.vocabulary) % 64 == 0 and len(learned.vocabulary) < 6400
    assert learned.vocabulary.count(f"[unused{learned.unused - 1}]") == 1
    assert sum(piece.startswith("[unused") for piece in learned.vocabulary) == learned.unused > 2


def test_rare_pieces_are_not_kept() -> None:
    assert "다시" not in learn(WORDS).vocabulary
    assert "다시" in learn(WORDS, min_frequency=1).vocabulary


def test_coverage_cuts_the_rarest_characters_of_each_script() -> None:
    counts = {"가": 98, "나": 1, "다": 1, "漢": 3, "字": 1, "ㅋ": 5, "👍": 1}
    chosen = choose_alphabet(counts, replace(EVERY_CHARACTER, syllables=0.985, hanja=0.75))
    assert chosen.characters == {"가", "나", "漢", "ㅋ", "👍"}, "ties go by code point"
    assert chosen.alone == {"漢"} and chosen.slots == 9
    prices = {price.script: price for price in chosen.prices}
    assert (prices["hanja"].covered, prices["hanja"].initial, prices["hanja"].inner) == (0.75, 1, 0)
    assert (prices["syllables"].distinct, prices["syllables"].taken, prices["syllables"].inner) == (3, 2, 2)


def test_each_character_begins_words_and_goes_on_in_them() -> None:
    learned = set(learn({"가나": 5, "나다": 5, "漢": 2}, vocab_size=128).vocabulary)
    assert {"가", "##가", "나", "##나", "다", "##다", "漢"} <= learned and "##漢" not in learned


def test_characters_that_do_not_fit_are_told() -> None:
    words = {chr(0xAC00 + number): 2 for number in range(100)}
    with pytest.raises(InputError, match=r"200 single characters .* 16 reserved .* do not fit; .*coverage\.syllables"):
        learn(words)


def test_private_use_characters_in_a_word_cannot_pass_for_ours() -> None:
    assert "\U000f0001" not in "".join(split for split in count_words_of("가\U000f0001나"))


def count_words_of(text: str) -> list[str]:
    from tokenizer.words import split_words

    return split_words(text)


def test_more_entries_than_the_text_can_fill(sample_corpus: Path, tmp_path: Path) -> None:
    manifest, _ = train_tokenizer(sample_corpus, settings(vocab_size=50_048), tmp_path / "out", workers=Workers())
    size = manifest.figures["vocab_size"]
    assert 3000 < size < 50_048 and size % 64 == 0
    assert len((tmp_path / "out" / "vocab.txt").read_text("utf-8").splitlines()) == size


def test_counting_does_not_depend_on_workers(sample_corpus: Path, tmp_path: Path) -> None:
    paths = shards(sample_corpus, "train")
    alone = count_words(paths, Pool(None, 1), tmp_path)
    with worker_pool(Workers(2)) as pool:
        assert count_words(paths, pool, tmp_path) == alone


def test_counts_that_went_to_disk_are_the_same(sample_corpus: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tokenizer.words.BATCH_LINES", 100)
    paths = shards(sample_corpus, "train")
    for unit in ("word", "eojeol"):
        whole = count_words(paths, Pool(None, 1), tmp_path, least=2, unit=unit)
        spilled = count_words(paths, Pool(None, 1), tmp_path, least=2, unit=unit, in_memory=500)
        assert spilled == whole and list(spilled.words) == sorted(spilled.words)
    assert list(tmp_path.iterdir()) == [] and min(whole.words.values()) == 2 and whole.distinct > len(whole.words)


def test_counting_does_not_depend_on_the_order_of_shards(tmp_path: Path) -> None:
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path, text in zip(paths, ("나는 학교에 간다.\n나는\n", "학교에\n[PHONE]으로 나는\n"), strict=True):
        path.write_text(text, "utf-8")
    counts = count_words(paths, Pool(None, 1), tmp_path)
    assert counts == count_words(paths[::-1], Pool(None, 1), tmp_path)
    assert counts.words == {".": 1, "간다": 1, "나는": 3, "으로": 1, "학교에": 2}
    assert counts.characters["나"] == 3 and (counts.distinct, counts.total) == (5, 8)


SCRIPT = """
import sys
from tests.tokenizer.test_learn import learn
# Many ties: every pair of syllables as often as every other.
syllables = [chr(0xAC00 + 28 * number) for number in range(40)]
words = {a + b + c: 3 for a in syllables for b in syllables[:20] for c in syllables[20:]}
sys.stdout.buffer.write("\\n".join(learn(words, vocab_size=640, unused=0).vocabulary).encode())
"""


def test_the_same_bytes_whatever_the_hash_seed_and_threads(tmp_path: Path) -> None:
    outputs = set()
    for seed, threads in (("0", "1"), ("1", "2"), ("2", "4"), ("random", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, cwd=REPOSITORY, capture_output=True, check=True
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1 and outputs.pop().count(b"\n") == 639


def test_an_artifact_is_byte_identical(sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path) -> None:
    train_tokenizer(sample_corpus, TOKENIZER, tmp_path / "again", workers=Workers(2))
    for path in sample_tokenizer.iterdir():
        if path.name != "manifest.json":
            assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_quality_by_hand() -> None:
    vocabulary = [*SPECIAL_TOKENS, "비", "##가", "왔", "##다", "."]
    tokenizer = build_tokenizer(vocabulary)
    quality = measure(tokenizer, ["비가 왔다.", "눈이 왔다."])
    # 비 ##가 | 왔 ##다 . | [UNK] | 왔 ##다 .
    assert (quality.sentences, quality.eojeols, quality.tokens, quality.unknown_eojeols) == (2, 4, 9, 1)
    assert quality.characters == 10 and quality.unknown_share == 0.25
    assert composition(vocabulary_of(tokenizer)) == {
        "reserved": 5,
        "begin a word": 3,
        "continue a word": 2,
        "single characters": 5,
    }
