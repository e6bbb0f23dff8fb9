"""Unigram and BPE pieces: SentencePiece's own ids come out of what AutoTokenizer loads, and are the same every time."""

import os
import random
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer

from corpora.document import read_documents, shards
from corpora.privacy import PLACEHOLDERS
from pipeline.errors import InputError
from tokenizer.normalize import korean_normalizer
from tokenizer.sentencepiece_export import eojeol_normalizer, insert_entries, learned_pieces, merges_of, round_scores
from tokenizer.sentencepieces import Pieces, learn_pieces, own_ids
from tokenizer.settings import Coverage, Gates, TokenizerSettings
from tokenizer.wordpiece import SPECIAL_TOKENS, UNK, reserved_entries, save_tokenizer, vocabulary_of

ALGORITHMS = ("unigram", "bpe")
SIZE = 3008
ODD = [
    "이순신은 조선 중기의 무신이다.",
    unicodedata.normalize("NFD", "이순신은 조선 중기의 무신이다."),
    "ｆｕｌｌ　ｗｉｄｔｈ １２３，（전각）！",
    "漢字와 한글을 섞어 쓴다(混用). 大韓民國 𠮷",
    "👩‍💻👍🏽🇰🇷❤️ 👨‍👩‍👧‍👦 이모지😀ㅋㅋ",
    "ㅋㅋㅋㅋㅋㅋㅋ ㅠㅠㅠ 진짜ㅋㅋㅋ!!!!!",
    "제어\x00문자\x07와 \u200b너비 없는 공백\ufeff \x1b[0m \x85",
    "\ufeff바이트 순서 표시",
    "\x07\u200b 제어 문자",
    " \t여러\u3000 칸\u00a0과\u2003\u2028줄  \r\n",
    "가나다 [MASK]를 [SEP] [unused0] [없음]",
    "[unused1][unused1]a [[unused0]] [unused [PAD]",
    "[PHONE]으로 전화[EMAIL]로 [URL]",
    "[MASK]",
    "  [MASK]\u200b를",
    "▁가▁▁나 ▅ ⁇ <unk> <s>",
    "BERT와 GPT-4, 3.14km², 50%! Straße é e\u0301",
    "",
    " \t\n",
    "\x00",
    "가나다라 " * 20_000,
    "가나다라" * 25_000,
    "ㅋ" * 1_001,
]


def settings(algorithm: str, **changes) -> TokenizerSettings:
    values = {
        "vocab_size": SIZE,
        "min_frequency": 2,
        "min_word_count": 1,
        "unused": 4,
        "coverage": Coverage(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        "gates": Gates(max_unknown=1.0, min_josa=0.0),
    }
    return TokenizerSettings(algorithm=algorithm, **{**values, **changes})


def count(lines: list[str]) -> Counter[str]:
    normalizer = korean_normalizer()
    return Counter(eojeol for line in lines for eojeol in normalizer.normalize_str(line).split())


@pytest.fixture(scope="session")
def lines(sample_corpus: Path) -> list[str]:
    paths = [*shards(sample_corpus, "train"), *shards(sample_corpus, "heldout")]
    return [line for document in read_documents(paths) for line in document]


@pytest.fixture(scope="session", params=ALGORITHMS)
def learned(request, lines: list[str]) -> Pieces:
    # Characters that occur once are unknown, so that [UNK] is met.
    eojeols = count([*lines, "ㅋㅋ ㅋㅋㅋ ㅋㅋㅋㅋㅋ 진짜ㅋㅋㅋ"])
    characters = Counter(character for eojeol in eojeols for character in eojeol)
    alphabet = {character for character, number in characters.items() if number > 1}
    return learn_pieces(eojeols, alphabet, settings(request.param))


@pytest.fixture(scope="session")
def auto(learned: Pieces, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("pieces")
    save_tokenizer(learned.tokenizer, folder)
    return AutoTokenizer.from_pretrained(folder)


def ids_of(auto, text: str) -> list[int]:
    return auto(text, add_special_tokens=False)["input_ids"]


def tokens_of(auto, text: str) -> list[str]:
    return auto.convert_ids_to_tokens(ids_of(auto, text))


def test_entries(learned: Pieces) -> None:
    vocabulary = vocabulary_of(learned.tokenizer)
    reserved = reserved_entries(learned.unused)
    assert len(vocabulary) == SIZE and learned.unused == 4, "exactly what was asked for"
    assert vocabulary[: len(reserved)] == reserved and len(set(vocabulary)) == SIZE
    processor = SentencePieceProcessor(model_proto=learned.processor)
    assert [processor.id_to_piece(number) for number in range(processor.vocab_size())] == vocabulary


def test_the_ids_of_sentencepiece(learned: Pieces, auto, lines: list[str]) -> None:
    assert len(lines) > 1000
    unknown = 0
    for line in [*lines, *ODD]:
        ids = ids_of(auto, line)
        assert ids == own_ids(learned, line), line[:80]
        assert ids == ids_of(auto, unicodedata.normalize("NFD", line)), line[:80]
        unknown += ids.count(auto.unk_token_id)
    assert unknown > 20, "the comparison is to see unknown characters"


def test_the_ids_of_sentencepiece_used_plainly(learned: Pieces, auto, lines: list[str]) -> None:
    """`own_ids` cuts lines up; the library that is given whole normalised lines has to say the same."""
    plain = SentencePieceProcessor(model_proto=learned.processor)
    normalizer = eojeol_normalizer()
    for line in [*lines, *(line for line in ODD if "[" not in line and len(line) < 10_000)]:
        assert plain.encode(normalizer.normalize_str(line)) == ids_of(auto, line), line[:80]


_SYMBOLS = st.sampled_from(
    [*"ㅋㅋㅠ가나다의이는을.!() ▁[]漢𠮷😀\u200d\u0301a1쀍", "[MASK]", "[PHONE]", "[unused0]", "[PAD"]
)


@given(st.data())
def test_any_text_gets_the_ids_of_sentencepiece(learned: Pieces, data) -> None:
    text = "".join(data.draw(st.lists(_SYMBOLS, max_size=30)))
    assert learned.tokenizer.encode(text, add_special_tokens=False).ids == own_ids(learned, text)


def test_pieces_in_any_order_get_the_ids_of_sentencepiece(learned: Pieces) -> None:
    generator = random.Random(0)
    pieces = [piece.replace("▁", " ") for piece in learned_pieces(learned.processor)]
    for _ in range(2000):
        text = "".join(generator.choices(pieces, k=generator.randint(1, 12)))
        assert learned.tokenizer.encode(text, add_special_tokens=False).ids == own_ids(learned, text), text


def test_decode_gives_the_text_back_up_to_spacing(auto, lines: list[str]) -> None:
    judged = 0
    for line in [*lines, *ODD]:
        ids = auto(line)["input_ids"]
        if auto.unk_token_id in ids or "[" in line:
            continue
        text = auto.decode(ids, skip_special_tokens=True)
        # The normaliser drops control characters; nothing else may change.
        assert text == eojeol_normalizer().normalize_str(line).strip(), line[:80]
        judged += 1
    assert judged > 1000


def test_hanja_stay_in_their_eojeol(auto) -> None:
    for text in ("朝鮮은", "조선(朝鮮)은", "대한민국大韓民國은 나라다."):
        assert "".join(tokens_of(auto, text)).count("▁") == len(text.split()), tokens_of(auto, text)


def test_what_stands_by_a_mask(auto) -> None:
    glued, apart = tokens_of(auto, "조선 [MASK]를"), tokens_of(auto, "조선 [MASK] 를")
    assert glued[-2:] == ["[MASK]", "를"], "the rest of a word"
    assert "".join(apart[apart.index("[MASK]") :]) == "[MASK]▁를", "a word of its own"
    assert tokens_of(auto, "가[MASK]나").count("[MASK]") == 1
    assert tokens_of(auto, "[PHONE]으로")[0] == "[PHONE]"
    assert "".join(tokens_of(auto, "\ufeff조선")) == "▁조선", "the beginning of a line, whatever is cleaned away there"


def test_special_tokens(auto) -> None:
    assert [auto.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]
    pair = auto("조선", "무신")
    assert auto.convert_ids_to_tokens(pair["input_ids"])[0] == "[CLS]" and pair["input_ids"].count(3) == 2
    assert sorted(pair["token_type_ids"]) == pair["token_type_ids"] and set(pair["token_type_ids"]) == {0, 1}
    for name in PLACEHOLDERS.values():
        assert tokens_of(auto, f"가{name}나").count(name) == 1 and name not in auto.all_special_tokens


def test_reserved_entries_are_not_found_in_text(learned: Pieces, auto) -> None:
    assert "[unused0]" not in tokens_of(auto, "[unused0] [[unused0]]")
    # As text is counted: special tokens written out are text too.
    learned.tokenizer.encode_special_tokens = True
    assert learned.tokenizer.encode("가 [MASK]", add_special_tokens=False).ids.count(4) == 0
    learned.tokenizer.encode_special_tokens = False
    assert not [piece for piece in learned_pieces(learned.processor) if re.search(r"\[[A-Za-z]", piece)]


def test_eojeols_one_by_one(learned: Pieces, lines: list[str]) -> None:
    whole = learned.tokenizer.encode_batch(lines, add_special_tokens=False)
    split = [line.split() for line in lines]
    apart = learned.tokenizer.encode_batch(split, is_pretokenized=True, add_special_tokens=False)
    assert [encoding.ids for encoding in whole] == [encoding.ids for encoding in apart]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_characters(algorithm: str) -> None:
    eojeols = {"가나": 5, "가나다": 4, "마바": 9, "가사": 3, "가▁": 9, "가▅": 9, "가" * 101: 9}
    pieces = learn_pieces(eojeols, set("가나다라사▁▅ "), settings(algorithm, vocab_size=64))
    learned = set(learned_pieces(pieces.processor))
    assert {*"가나다라사▁"} <= learned, "a character of the alphabet has an entry even if no eojeol holds it"
    assert not any(set(piece) & set("마바▅") for piece in learned)
    ids = pieces.tokenizer.encode("라 마바▅가", add_special_tokens=False).ids
    tokens = [pieces.tokenizer.id_to_token(number) for number in ids]
    assert "".join(tokens) == f"▁라▁{UNK}가", "unknown neighbours are one"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_more_entries_than_the_text_can_fill(algorithm: str) -> None:
    eojeols = {"[unused0]": 50, "[MASK]": 50, "먹었다": 6, "먹는다": 5, "먹고": 4, "갔다": 6, "갔고": 3}
    pieces = learn_pieces(eojeols, set("".join(eojeols)), settings(algorithm, vocab_size=6400))
    vocabulary = vocabulary_of(pieces.tokenizer)
    assert len(vocabulary) in (64, 128) and pieces.unused > 4
    assert vocabulary[: len(reserved_entries(pieces.unused))] == reserved_entries(pieces.unused)
    for text in ("먹었다 갔고", "[unused7] [unused0]를"):
        assert pieces.tokenizer.encode(text, add_special_tokens=False).ids == own_ids(pieces, text)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_does_not_fit_is_told(algorithm: str) -> None:
    syllables = [chr(0xAC00 + number) for number in range(64)]
    with pytest.raises(InputError, match=r"65 single characters and 18 reserved .* raise vocab_size or lower"):
        learn_pieces(dict.fromkeys(syllables, 2), syllables, settings(algorithm, vocab_size=64))
    room = 128 - len(reserved_entries(4)) - 1
    syllables = [chr(0xAC00 + number) for number in range(room)]
    pieces = learn_pieces(dict.fromkeys(syllables, 2), syllables, settings(algorithm, vocab_size=128))
    assert pieces.tokenizer.get_vocab_size() == 128 and pieces.unused == 4, "just fits"
    with pytest.raises(InputError, match="no eojeol to learn pieces from"):
        learn_pieces({"가": 2}, {"나"}, settings(algorithm))


def reference_merges(eojeols: dict[str, int], least: int) -> list[str]:
    """BPE by definition; SentencePiece takes of equally frequent pairs the shorter, then the one that sorts first."""
    spelled = {word: ["▁", *word] for word in eojeols}
    merged: list[str] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in spelled.items():
            for pair in pairwise(parts):
                pairs[pair] += eojeols[word]
        often = {pair for pair, number in pairs.items() if number >= least}
        if not often:
            return merged
        best = min(often, key=lambda pair: (-pairs[pair], len("".join(pair)), "".join(pair)))
        merged.append("".join(best))
        for parts in spelled.values():
            place = 0
            while place < len(parts) - 1:
                if (parts[place], parts[place + 1]) == best:
                    parts[place : place + 2] = ["".join(best)]
                place += 1


@pytest.mark.parametrize("least", [1, 2, 4])
def test_bpe_stops_where_pairs_are_too_rare(least: int) -> None:
    eojeols = {"먹었다": 6, "먹는다": 5, "먹고": 4, "갔다": 6, "갔고": 3, "온다": 2, "오고": 2, "다시": 1}
    pieces = learn_pieces(eojeols, set("".join(eojeols)), settings("bpe", vocab_size=640, min_frequency=least))
    merged = [piece for piece in learned_pieces(pieces.processor) if len(piece) > 1]
    assert merged == reference_merges(eojeols, least)


@given(st.lists(st.text("가나", min_size=2, max_size=4), unique=True))
def test_every_division_of_a_piece_is_a_merge(longer: list[str]) -> None:
    pieces = [*longer, "가", "나"]
    wanted = {
        (piece[:end], piece[end:])
        for piece in pieces
        for end in range(1, len(piece))
        if piece[:end] in pieces and piece[end:] in pieces
    }
    merges = list(merges_of(pieces))
    assert len(merges) == len(set(merges)) and set(merges) == wanted
    order = [pieces.index(left + right) for left, right in merges]
    assert order == sorted(order)


def test_scores_are_rounded_and_entries_moved(lines: list[str]) -> None:
    pieces = learn_pieces(count(lines), set("".join(lines)), settings("unigram"))
    processor = SentencePieceProcessor(model_proto=insert_entries(pieces.processor, 10, ["[a]", "[b]"]))
    plain = SentencePieceProcessor(model_proto=pieces.processor)
    assert [processor.id_to_piece(number) for number in range(9, 13)] == [
        plain.id_to_piece(9),
        "[a]",
        "[b]",
        plain.id_to_piece(10),
    ]
    scores = [plain.get_score(number) for number in range(SIZE)]
    assert all((score * 1024).is_integer() for score in scores) and min(scores) < -5
    assert round_scores(pieces.processor) == pieces.processor


SCRIPT = """
import random, sys
from tokenizer.sentencepieces import learn_pieces
from tokenizer.settings import Coverage, Gates, TokenizerSettings
coverage, gates = Coverage(*[1.0] * 8), Gates(1.0, 0.0)
# Many ties: every pair of syllables about as often as every other.
generator = random.Random(0)
syllables = [chr(0xAC00 + 28 * number) for number in range(60)]
words = {"".join(generator.choices(syllables, k=generator.randint(2, 5))): 3 for _ in range(6000)}
words = list(words.items())
random.Random(sys.argv[1]).shuffle(words)
for algorithm in ("unigram", "bpe"):
    settings = TokenizerSettings(algorithm, 1024, 2, 1, 4, coverage, gates)
    pieces = learn_pieces(dict(words), set(syllables), settings)
    sys.stdout.buffer.write(pieces.tokenizer.to_str().encode() + pieces.processor)
"""


def test_the_same_bytes_whatever_the_hash_seed_threads_and_order() -> None:
    outputs = set()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    for seed, threads in (("0", "1"), ("1", "2"), ("2", "4"), ("random", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        # One core, then all: the trainer's threads are to meet in another order.
        pinned = (lambda: os.sched_setaffinity(0, cores[:1])) if cores and threads == "1" else None
        command = [sys.executable, "-c", SCRIPT, seed]
        run = subprocess.run(command, env=environment, capture_output=True, check=True, preexec_fn=pinned)
        outputs.add(run.stdout)
    assert len(outputs) == 1 and len(outputs.pop()) > 50_000
