"""Learning a vocabulary: the same every time, and the one that a slow and obvious learner finds."""

import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from corpora.document import shards
from corpora.privacy import PLACEHOLDERS
from pipeline.errors import InputError
from pipeline.executor import Pool, Workers, worker_pool
from tokenizer.learn import choose_alphabet, learn_vocabulary
from tokenizer.quality import composition, measure
from tokenizer.settings import TokenizerSettings
from tokenizer.train import train_tokenizer
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, vocabulary_of
from tokenizer.words import count_words

WORDS = {"먹었다": 6, "먹는다": 5, "먹고": 4, "갔다": 6, "갔고": 3, "온다": 2, "오고": 2, "다시": 1, ".": 9}


def settings(**changes) -> TokenizerSettings:
    values = {"vocab_size": 64, "min_frequency": 2, "character_coverage": 1.0, "unused": 2}
    return TokenizerSettings(**{**values, **changes})


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


def test_against_the_obvious_learner() -> None:
    learned = learn_vocabulary(WORDS, settings())
    assert learned[:16] == [*SPECIAL_TOKENS, *PLACEHOLDERS.values(), "[unused0]", "[unused1]"]
    assert learned[16:] == reference(WORDS, merges=100)
    assert {"먹", "##었", "갔다", "##고", "."} <= set(learned)


def test_rare_pairs_are_not_merged() -> None:
    assert "다시" not in learn_vocabulary(WORDS, settings())
    assert "다시" in learn_vocabulary(WORDS, settings(min_frequency=1))


def test_coverage_cuts_the_rarest_characters() -> None:
    words = {"가": 98, "나": 1, "다": 1}
    assert choose_alphabet(words, 1.0) == {"가", "나", "다"}
    assert choose_alphabet(words, 0.98) == {"가"}
    assert choose_alphabet(words, 0.985) == {"가", "나"}, "ties go by code point"


def test_characters_that_do_not_fit_are_told() -> None:
    words = {chr(0xAC00 + number): 2 for number in range(100)}
    with pytest.raises(InputError, match=r"100 single characters .* 16 reserved .* do not fit; raise vocab_size"):
        learn_vocabulary(words, settings())


def test_private_use_characters_in_a_word_cannot_pass_for_ours() -> None:
    assert "\U000f0001" not in "".join(split for split in count_words_of("가\U000f0001나"))


def count_words_of(text: str) -> list[str]:
    from tokenizer.words import split_words

    return split_words(text)


def test_more_entries_than_the_text_can_fill(sample_corpus: Path, tmp_path: Path) -> None:
    manifest, _ = train_tokenizer(sample_corpus, settings(vocab_size=50_000), tmp_path / "out", workers=Workers())
    size = manifest.figures["vocab_size"]
    assert 3000 < size < 50_000
    assert len((tmp_path / "out" / "vocab.txt").read_text("utf-8").splitlines()) == size


def test_counting_does_not_depend_on_workers(sample_corpus: Path) -> None:
    paths = shards(sample_corpus, "train")
    with worker_pool(Workers(2)) as pool:
        assert count_words(paths, pool) == count_words(paths, Pool(None, 1))


SCRIPT = """
import sys
from tokenizer.learn import learn_vocabulary
from tokenizer.settings import TokenizerSettings
# Many ties: every pair of syllables as often as every other.
syllables = [chr(0xAC00 + 28 * number) for number in range(40)]
words = {a + b + c: 3 for a in syllables for b in syllables[:20] for c in syllables[20:]}
settings = TokenizerSettings(vocab_size=600, min_frequency=2, character_coverage=1.0, unused=0)
sys.stdout.buffer.write("\\n".join(learn_vocabulary(words, settings)).encode())
"""


def test_the_same_bytes_whatever_the_hash_seed_and_threads(tmp_path: Path) -> None:
    outputs = set()
    for seed, threads in (("0", "1"), ("1", "2"), ("2", "4"), ("random", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=True)
        outputs.add(run.stdout)
    assert len(outputs) == 1 and outputs.pop().count(b"\n") == 599


def test_an_artifact_is_byte_identical(sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path) -> None:
    from tests.conftest import TOKENIZER

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
