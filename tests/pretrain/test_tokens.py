"""The token store holds what tokenising each sentence alone gives."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from corpora.document import read_documents, shards
from pipeline.errors import InputError
from pipeline.executor import Workers, worker_pool
from pretrain import tokens
from pretrain.tokens import id_type, open_store, write_store
from tokenizer.wordpiece import load_tokenizer


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
    store = write_store(documents, tokenizer, tmp_path, "train")
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
            write_store(read_documents(shards(sample_corpus, "train")), tokenizer, tmp_path / name, "train", pool)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1] and len(written[0]) == 3


def test_special_tokens_in_a_text_are_text(sample_tokenizer: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(sample_tokenizer)
    store = write_store([["가 [SEP] 나 [MASK] 다 [PAD]"]], tokenizer, tmp_path, "train")
    specials = {tokenizer.token_to_id(token) for token in ("[SEP]", "[MASK]", "[PAD]", "[CLS]")}
    assert specials.isdisjoint(store.ids.tolist())


def test_no_documents(sample_tokenizer: Path, tmp_path: Path) -> None:
    store = write_store([], load_tokenizer(sample_tokenizer), tmp_path, "heldout")
    assert (store.document_count, len(store.sentences), len(store.ids)) == (0, 1, 0)


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
