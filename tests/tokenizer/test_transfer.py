"""Vocabulary transfer beside a naive oracle, and on vocabularies that the library learned."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from corpora.document import read_documents, shards
from corpora.privacy import PLACEHOLDERS
from pipeline.errors import InputError
from tokenizer.transfer import Transfer, transfer
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, load_tokenizer, reserved_entries, vocabulary_of

PIECES = st.lists(
    st.builds("".join, st.tuples(st.sampled_from(["", "##"]), st.text("학교에A", min_size=1, max_size=4))), unique=True
)


def vocabulary(pieces: Sequence[str], unused: int = 0) -> list[str]:
    return [*reserved_entries(unused), *pieces]


def naive_spelling(entries: Sequence[str], wanted: str) -> tuple[int, ...]:
    """WordPiece by definition: the longest entry that fits, again and again; () if at one place none does."""
    ids: list[int] = []
    rest, mark = (wanted[2:], "##") if wanted.startswith("##") else (wanted, "")
    while rest:
        fitting = [mark + rest[:end] for end in range(len(rest), 0, -1) if mark + rest[:end] in entries]
        if not fitting:
            return ()
        ids.append(entries.index(fitting[0]))
        rest, mark = rest[len(fitting[0].removeprefix(mark)) :], "##"
    return tuple(ids)


@given(PIECES, PIECES, st.integers(0, 3), st.integers(0, 3))
def test_against_the_naive_oracle(old_pieces: list[str], new_pieces: list[str], old_unused: int, unused: int) -> None:
    old, new = vocabulary(old_pieces, old_unused), vocabulary(new_pieces, unused)
    found = transfer(old, new)
    assert len(found.rows) == len(found.parts) == len(new) and found.rows.dtype == np.int64
    for number, entry in enumerate(new):
        if entry in old:
            assert (found.rows[number], found.parts[number]) == (old.index(entry), ())
        else:
            expected = () if entry.startswith("[") else naive_spelling(old, entry)
            assert (found.rows[number], found.parts[number]) == (-1, expected)
    assert found.lost == tuple(entry for entry in old if entry not in new)
    assert found.carried + found.composed + found.fresh == len(new)
    assert found.carried == len(set(old) & set(new)) and found.carried + len(found.lost) == len(old)


@given(PIECES, PIECES, st.integers(0, 5), st.sampled_from([np.float32, np.float64]), st.integers(-(2**70), 2**70))
def test_rows_against_plain_arithmetic(
    old_pieces: list[str], new_pieces: list[str], padding: int, dtype: type[np.floating], seed: int
) -> None:
    old, new = vocabulary(old_pieces), vocabulary(new_pieces)
    found = transfer(old, new)
    matrix = np.random.default_rng(0).normal(size=(len(old) + padding, 3)).astype(dtype)
    made = found.initial_rows(matrix, seed)
    assert made.shape == (len(new), 3) and made.dtype == dtype
    for number, entry in enumerate(new):
        if entry in old:
            assert (made[number] == matrix[old.index(entry)]).all()
        elif spelled := naive_spelling(old, entry):
            mean = [statistics.fmean(float(matrix[part, column]) for part in spelled) for column in range(3)]
            assert np.allclose(made[number], mean, atol=1e-6)


def test_rows_that_are_drawn_depend_on_seed_and_id_alone() -> None:
    old = vocabulary(["가"])
    matrix = np.random.default_rng(1).normal(5, 2, size=(len(old), 4000))
    one = transfer(old, vocabulary(["나", "다"])).initial_rows(matrix, 7)
    other = transfer(old, vocabulary(["가", "다"])).initial_rows(matrix, 7)
    assert (one[-1] == other[-1]).all(), "whether 나 was drawn before makes no difference"
    assert not np.allclose(one[-1], one[-2])
    assert not np.allclose(one[-1], transfer(old, vocabulary(["나", "다"])).initial_rows(matrix, 8)[-1])
    standard = (one[-1] - matrix.mean(axis=0)) / matrix.std(axis=0)
    assert abs(standard.mean()) < 0.06 and abs(standard.std() - 1) < 0.05, "4,000 draws: three deviations of the mean"


def test_padding_rows_do_not_count_as_old_ones() -> None:
    old = vocabulary(["가"])
    matrix = np.full((len(old) + 50, 2), 1e9)
    matrix[: len(old)] = 3.0
    assert (transfer(old, vocabulary(["나"])).initial_rows(matrix, 0) == 3.0).all()


def test_a_bias_has_one_number_an_entry() -> None:
    old, new = vocabulary(["가", "##나"]), vocabulary(["가나", "##나", "다"])
    bias = np.arange(len(old), dtype=np.float32)
    made = transfer(old, new).initial_rows(bias, 0)
    assert made.shape == (len(new),) and made[-3] == (bias[-2] + bias[-1]) / 2 and made[-2] == bias[-1]


def test_too_small_a_matrix_is_refused() -> None:
    old = vocabulary(["가", "나"])
    with pytest.raises(InputError, match=rf"matrix has 3 rows, the old vocabulary {len(old)} entries"):
        transfer(old, old).initial_rows(np.zeros((3, 2)), 0)


def test_reserved_entries_map_by_name_alone() -> None:
    old = [*SPECIAL_TOKENS, "[unused0]", "[unused7]", "[", "]", "un", "##used", "##1", "P", "##HONE"]
    mark = PLACEHOLDERS["phone"]
    found = transfer(old, [*SPECIAL_TOKENS, mark, "[unused7]", "[unused1]"])
    assert found.rows.tolist() == [0, 1, 2, 3, 4, -1, 6, -1]
    assert found.parts == ((),) * 8, f"{mark} could be spelled with [ P ##HONE ], which is not what it means"
    assert "[unused0]" in found.lost and found.fresh == 2


def test_what_the_old_tokenizer_does_to_text_is_done() -> None:
    """Splitting off punctuation and Hanja, NFC, the 100 characters of a word: all as in text."""
    old = build_tokenizer([*SPECIAL_TOKENS, "가", "##나", ".", "漢", "##漢", "A"])
    wanted = ["가.", "##나.", "##.", "##漢", "가漢나", "\u1100\u1161", "가" + "나" * 100, "a"]
    found = transfer(old, [*SPECIAL_TOKENS, *wanted])
    assert found.parts[5:8] == ((5, 7), (6, 7), (7,)), "a mark is a word of its own, whatever it is glued to"
    assert found.rows[8] == 9 and found.parts[9] == (), "나 after a Hanja begins a word, and 나 is no entry"
    assert found.parts[10:] == ((5,), (), ())


@given(st.lists(st.text("학교에", min_size=1, max_size=6), min_size=1, max_size=5))
def test_parts_are_what_the_old_tokenizer_says_in_text(words: list[str]) -> None:
    old = build_tokenizer(vocabulary(["학", "교", "에", "##학", "##교", "##에", "학교", "##학교", "##에학"]))
    new = vocabulary(sorted(set(words) | {"##" + word for word in words}))
    found = transfer(old, new)
    for number, entry in enumerate(new):
        if found.rows[number] >= 0 or entry.startswith("["):
            continue
        if entry.startswith("##"):
            # 에 is never merged with what follows it here, so it can stand in front.
            assert list(found.parts[number]) == old.encode("에" + entry[2:], add_special_tokens=False).ids[1:]
        else:
            assert list(found.parts[number]) == old.encode(entry, add_special_tokens=False).ids


def metaspace(model: models.Model) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def test_unigram_and_wordpiece_map_onto_each_other() -> None:
    scores = [("[UNK]", 0.0), ("▁학교", -1.0), ("▁", -3.0), ("학", -2.0), ("교", -2.0), ("에서", -1.5), (".", -2.0)]
    unigram = metaspace(models.Unigram(scores, unk_id=0))
    pieces = [*SPECIAL_TOKENS, "학교", "##학", "##에서", "학교에서", "##교에서", "밥", "##밥", "학", "##.", "."]
    found = transfer(unigram, pieces)
    assert found.rows.tolist() == [-1, 0, -1, -1, -1, 1, 3, 5, -1, -1, -1, -1, -1, 6, -1]
    assert found.parts[8:] == ((1, 5), (4, 5), (), (), (3,), (), (6,)), "a ▁ alone is no part"
    back = transfer(pieces, unigram)
    assert back.rows.tolist() == [1, 5, -1, 6, -1, 7, 13]
    assert back.parts == ((),) * 7, "▁ alone spells nothing, and ##교 is no entry"


def test_bytes_do_not_spell_characters() -> None:
    ids = {"<unk>": 0, "▁가": 1, **{f"<0x{byte:02X}>": byte + 2 for byte in range(256)}}
    bpe = metaspace(models.BPE(ids, [], unk_token="<unk>", byte_fallback=True))
    assert transfer(bpe, [*SPECIAL_TOKENS, "나"]).parts[-1] == ()


def test_pieces_without_a_mark_of_words_are_refused() -> None:
    level = Tokenizer(models.BPE())
    level.pre_tokenizer = pre_tokenizers.ByteLevel()
    level.train_from_iterator(["학교에서 학교로"], trainers.BpeTrainer(show_progress=False))
    with pytest.raises(InputError, match="BPE vocabulary without '▁'"):
        transfer(level, [*SPECIAL_TOKENS])


def test_onto_itself_is_the_identity(sample_tokenizer: Path) -> None:
    tokenizer = load_tokenizer(sample_tokenizer)
    found = transfer(tokenizer, tokenizer)
    assert found.rows.tolist() == list(range(len(found.rows))) and found.lost == () and found.composed == 0


def test_a_learned_vocabulary_of_another_size(sample_tokenizer: Path, sample_corpus: Path) -> None:
    """Every text comes out in the old ids, if new ids are replaced by what they carry over."""
    new = load_tokenizer(sample_tokenizer)
    # Half the entries: characters first, so all can still be spelled.
    old = build_tokenizer(vocabulary_of(new)[:2560])
    found: Transfer = transfer(old, new)
    assert found.fresh == 0 and found.carried == 2560 and found.composed == len(found.rows) - 2560
    same = total = 0
    for document in read_documents(shards(sample_corpus, "heldout")):
        for sentence in document:
            ids = new.encode(sentence, add_special_tokens=False).ids
            carried = [part for number in ids for part in found.parts[number] or (int(found.rows[number]),)]
            same += carried == old.encode(sentence, add_special_tokens=False).ids
            total += 1
    # Not all: a longer piece that reaches across two new ones is taken first by the old.
    assert same / total > 0.5


def test_ids_with_gaps() -> None:
    """Foreign vocabularies have them; the rows are there all the same."""
    ids = {**{token: number for number, token in enumerate(SPECIAL_TOKENS)}, "가": 20, "##나": 30}
    old = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    found = transfer(old, [*SPECIAL_TOKENS, "가", "##나", "가나"])
    assert found.rows.tolist() == [0, 1, 2, 3, 4, 20, 30, -1] and found.parts[7] == (20, 30)
    matrix = np.arange(31.0)
    assert found.initial_rows(matrix, 0).tolist() == [0, 1, 2, 3, 4, 20, 30, 25]
    with pytest.raises(InputError, match="30 rows, the old vocabulary 31"):
        found.initial_rows(matrix[:-1], 0)
    back = transfer([*SPECIAL_TOKENS, "가"], old)
    assert len(back.rows) == 31 and back.fresh == 25
