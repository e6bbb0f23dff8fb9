"""The token store holds what tokenising each sentence alone gives."""

import contextlib
import pickle
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from corpora.document import read_documents, shards
from pipeline.errors import InputError
from pipeline.executor import Workers, worker_pool
from pretrain import tokens
from pretrain.encode import Encoded, encode_batch
from pretrain.tokens import id_type, open_store, write_store
from tokenizer.wordpiece import load_tokenizer


def encoder_of(tokenizer: Tokenizer) -> Callable[[list[str]], Encoded]:
    return partial(encode_batch, tokenizer=tokenizer.to_str())


@pytest.mark.parametrize("batch", [1, 7, 10_000])
def test_against_one_sentence_at_a_time(
    sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(tokens, "_BATCH", batch)
    tokenizer = load_tokenizer(sample_tokenizer)
    documents = list(read_documents(shards(sample_corpus, "heldout")))
    documents[2:2] = [
        [],
        ["\u200b"],
        ["\u200b", documents[0][0], "\x00"],
    ]  # nothing, nothing left, a middle left
    store = write_store(documents, encoder_of(tokenizer), tokenizer.get_vocab_size(), tmp_path, "train")
    expected = []
    for document in documents:
        encoded = [tokenizer.encode(sentence, add_special_tokens=False).ids for sentence in document]
        if kept := [ids for ids in encoded if ids]:
            expected.append(kept)
    assert store.document_count == len(expected)
    found = [
        [store.ids[store.sentences[s] : store.sentences[s + 1]].tolist() for s in range(first, last)]
        for first, last in zip(store.documents[:-1], store.documents[1:], strict=True)
    ]
    assert found == expected


@pytest.mark.slow
def test_the_same_bytes_from_any_pool(
    sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_BATCH", 100)
    tokenizer = load_tokenizer(sample_tokenizer)
    written = []
    for name, workers in (("one", Workers()), ("three", Workers(3))):
        (tmp_path / name).mkdir()
        with worker_pool(workers) as pool:
            documents = read_documents(shards(sample_corpus, "train"))
            size = tokenizer.get_vocab_size()
            write_store(documents, encoder_of(tokenizer), size, tmp_path / name, "train", pool)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1] and len(written[0]) == 4


def test_special_tokens_in_a_text_are_text(sample_tokenizer: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(sample_tokenizer)
    texts = [["가 [SEP] 나 [MASK] 다 [PAD]"]]
    store = write_store(texts, encoder_of(tokenizer), tokenizer.get_vocab_size(), tmp_path, "train")
    specials = {tokenizer.token_to_id(token) for token in ("[SEP]", "[MASK]", "[PAD]", "[CLS]")}
    assert specials.isdisjoint(store.ids.tolist())


def test_no_documents(sample_tokenizer: Path, tmp_path: Path) -> None:
    encode = encoder_of(load_tokenizer(sample_tokenizer))
    for _ in range(2):  # a finished one is not begun again
        store = write_store([], encode, 100, tmp_path, "heldout")
        assert (store.document_count, len(store.sentences), len(store.ids)) == (0, 1, 0)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("stop", [0, 1, 7, 40, 150])
@pytest.mark.parametrize("sure", [1, 3])
def test_an_interrupted_store_is_gone_on_with(
    sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int, sure: int
) -> None:
    """Broken off after some batches, with half a write at the end of each file: the same bytes as in one go."""
    monkeypatch.setattr(tokens, "_BATCH", 30)
    monkeypatch.setattr(tokens, "_SURE", sure)
    tokenizer = load_tokenizer(sample_tokenizer)
    encode, size = encoder_of(tokenizer), tokenizer.get_vocab_size()
    documents = [[], *read_documents(shards(sample_corpus, "train")), []]
    documents[5:5] = [[], ["\u200b"]]
    calls = 0

    def breaking(sentences: list[str]) -> Encoded:
        nonlocal calls
        calls += 1
        if calls > stop:
            raise StoppedError
        return encode(sentences)

    once, again = tmp_path / "once", tmp_path / "again"
    for folder in (once, again):
        folder.mkdir()
    write_store(documents, encode, size, once, "train")
    with contextlib.suppress(StoppedError):
        write_store(documents, breaking, size, again, "train")
    for path in tokens.store_files(again, "train"):
        with path.open("ab") as stream:
            stream.write(b"torn")
    write_store(documents, encode, size, again, "train")
    assert {path.name: path.read_bytes() for path in once.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }


def test_a_journal_that_promises_too_much_is_not_believed(sample_tokenizer: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(sample_tokenizer)
    encode, size = encoder_of(tokenizer), tokenizer.get_vocab_size()
    documents = [["첫 문장이다.", "둘째 문장이다."], ["다른 문서다."]]
    expected = write_store(documents, encode, size, tmp_path, "train").ids.tolist()
    for damage in (b"", b"{}garbage", (tmp_path / "train.json").read_bytes()):
        (tmp_path / "train.json").write_bytes(damage)
        ids = tmp_path / "train.ids.bin"
        ids.write_bytes(ids.read_bytes()[:-2])
        assert write_store(documents, encode, size, tmp_path, "train").ids.tolist() == expected


def test_the_id_type_fits_the_vocabulary() -> None:
    assert [id_type(size).itemsize for size in (1000, 65_536, 65_537)] == [2, 2, 4]


def test_a_worker_opens_the_store_again_instead_of_getting_a_copy(sample_examples: Path) -> None:
    size = load_tokenizer(sample_examples).get_vocab_size()
    store = open_store(sample_examples, "train", size)
    sent = pickle.dumps(store)  # what multiprocessing does between our own processes
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).ids, store.ids)


def test_a_worker_does_not_read_another_store_in_its_place(sample_examples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(sample_examples, folder)
    sent = pickle.dumps(open_store(folder, "train", load_tokenizer(folder).get_vocab_size()))
    folder.rename(tmp_path / "old")
    shutil.copytree(sample_examples, folder)
    with pytest.raises(InputError, match="was replaced while it was in use"):
        pickle.loads(sent)
