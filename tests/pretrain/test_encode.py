"""Eojeols one by one give the ids of the whole sentence by the tokenizer itself, for whatever text."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from corpora.document import read_documents, shards
from corpora.privacy import PLACEHOLDERS
from pretrain import encode
from pretrain.encode import Encoder, id_type
from tests.conftest import TOKENIZER
from tokenizer.sentencepieces import learn_pieces
from tokenizer.wordpiece import load_tokenizer

#: What a rule that cuts at spaces could get wrong: marks, letters apart, signs, spaces of all kinds, what is dropped.
PARTS = (
    *"가나다한국학교에서는을를이 .,?!()'\"-#@[]{}\\\\^_`|~/:;09AZaz",
    *"\t\n\r\v\x1c\x85\x00\u00a0\u3000\u200b\u200d\ufeff▁▅",
    *"“”‘’〈〉《》「」『』·…ㆍ–—°",
    *"ㅋㅠ漢字ＡΩж한\u1112\u1161\u11ab\u0301é\ufffd\ue000😀👍🏽",
    *("##", " ", "  ", "[SEP]", "[MASK]", "[UNK]", "[unused0]", "국", "a" * 60, "가" * 60),
    *PLACEHOLDERS.values(),
)
TEXT = st.lists(st.sampled_from(PARTS), max_size=24).map("".join) | st.text(max_size=20)


@pytest.fixture(scope="module")
def lines(sample_corpus: Path) -> list[str]:
    return [line for document in read_documents(shards(sample_corpus, "heldout")) for line in document]


@pytest.fixture(scope="module", params=["wordpiece", "unigram", "bpe"])
def tokenizer(request: pytest.FixtureRequest, lines: list[str], sample_tokenizer: Path) -> Tokenizer:
    if request.param == "wordpiece":
        return load_tokenizer(sample_tokenizer)
    eojeols = Counter(eojeol for line in lines for eojeol in line.split())
    wanted = replace(TOKENIZER, algorithm=request.param, vocab_size=1024)
    return learn_pieces(eojeols, frozenset("".join(eojeols)), wanted).tokenizer


@pytest.fixture(scope="module")
def fresh(tokenizer: Tokenizer) -> Encoder:
    return Encoder(Tokenizer.from_str(tokenizer.to_str()))


def check(tokenizer: Tokenizer, encoder: Encoder, sentences: list[str]) -> None:
    tokenizer.encode_special_tokens = True
    expected = [tokenizer.encode(sentence, add_special_tokens=False).ids for sentence in sentences]
    found = encoder.encode(sentences)
    assert found.ids.dtype == id_type(tokenizer.get_vocab_size())
    assert found.lengths.tolist() == [len(ids) for ids in expected], sentences
    divided = np.split(found.ids, np.cumsum(found.lengths)[:-1]) if sentences else []
    assert [ids.tolist() for ids in divided] == expected, sentences


def test_real_sentences(tokenizer: Tokenizer, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Met before or not, and after older ones were forgotten."""
    monkeypatch.setattr(encode, "REMEMBERED", 300)
    encoder = Encoder(Tokenizer.from_str(tokenizer.to_str()))
    for first in range(0, len(lines), 50):
        check(tokenizer, encoder, lines[first : first + 50])
        assert len(encoder._known) < 300 + 50 * 60
    check(tokenizer, encoder, lines)
    check(tokenizer, encoder, [])
    check(tokenizer, encoder, ["", " ", "\u200b"])


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(TEXT, max_size=4))
@example(["《한국.》 ‘나·다’…", "한국. 한국 《 》", "【나】 “다”"])
@example([" \U00018cd6", "\U00018cd6 \U00018cd6", "\ufeff\U00018cd6 가"])  # not assigned, to some libraries
def test_any_text(tokenizer: Tokenizer, fresh: Encoder, sentences: list[str]) -> None:
    fresh._known.clear()
    check(tokenizer, fresh, sentences)
