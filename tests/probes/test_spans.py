"""Gaps for whole words: beam search against all words there are, what may stand where, what a score is made of."""

import itertools
import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from probes import spans
from probes.fillmask import fill
from probes.model import MaskedModel
from probes.spans import best_words, candidates, spelled
from tests.probes.tiny import sentencepiece_folder, wordpiece_folder

#: Of both vocabularies: the text around a gap, and ids of what stands around it as pieces.
WORDPIECE_TEXTS = [
    (("나 ", " 다."), ["나"], ["다", "."]),
    (("나 ", "를 다."), ["나"], ["##를", "다", "."]),
    (("바다", " 다"), ["바다"], ["다"]),
    (("(", ")"), ["("], ["[UNK]"]),
    (("漢", ""), ["漢"], []),
    (("", "나 가"), [], ["##나", "가"]),
]
SENTENCEPIECE_TEXTS = [
    (("나 ", " 나."), ["▁나"], ["▁나", "."]),
    (("나 ", "를 나"), ["▁나"], ["를", "▁나"]),
    (("바다", " 나"), ["▁바다"], ["▁나"]),
    (("", "."), [], ["."]),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {"##": wordpiece_folder(root / "wordpiece"), "▁": sentencepiece_folder(root / "sentencepiece")}


def every_word(folder: Path, before: list[str], after: list[str], first: list[str], more: list[str], pieces: int):
    """By hand: all words of so many pieces, one input at a time; {pieces: (log-probability, of what stands beside)}."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder).eval()
    number, mask = tokenizer.convert_tokens_to_ids, tokenizer.mask_token_id
    left, right = [tokenizer.cls_token_id, *number(before)], [*number(after), tokenizer.sep_token_id]

    def scores(ids: list[int], place: int) -> torch.Tensor:
        with torch.no_grad():
            return model(input_ids=torch.tensor([ids])).logits[0, place].log_softmax(-1)

    found = {}
    for word in itertools.product(first, *[more] * (pieces - 1)):
        ids = number(list(word))
        total = 0.0
        for step in range(pieces):
            shown = [*left, *ids[:step], *[mask] * (pieces - step), *right]
            total += float(scores(shown, len(left) + step)[ids[step]])
        beside = 0.0
        if before:
            beside += float(scores([*left[:-1], mask, *ids, *right], len(left) - 1)[left[-1]])
        if after:
            beside += float(scores([*left, *ids, mask, *right[1:]], len(left) + pieces)[right[0]])
        found[tuple(ids)] = (total, beside)
    return found


def cases():
    for parts, before, after in WORDPIECE_TEXTS:
        glued = parts[0] == "바다"
        letters = parts[1][:1].isalnum()
        alone = ["가", "나", "다", "바다", "x"]
        more = ["##가", "##나", "##를", "##다", "##x"]
        yield "##", parts, before, after, more if glued else alone, more, [] if letters or glued else ["漢"]
    for parts, before, after in SENTENCEPIECE_TEXTS:
        more = ["가", "나", "를", "다"]
        yield "▁", parts, before, after, more if parts[0] == "바다" else ["▁가", "▁나", "▁바다", "▁漢"], more, []


@pytest.mark.parametrize(("kind", "parts", "before", "after", "first", "more", "alone"), cases())
def test_a_wide_beam_finds_what_trying_all_words_finds(
    folders: dict[str, Path], kind: str, parts, before, after, first, more, alone
) -> None:
    model = MaskedModel(folders[kind])
    for pieces in (1, 2, 3):
        expected = every_word(folders[kind], before, after, [*first, *(alone if pieces == 1 else [])], more, pieces)
        found = next(itertools.islice(candidates(model, parts, 0, beam=1000), pieces - 1, None))
        assert {one.ids for one in found} == set(expected)
        for one in found:
            assert (one.total, one.beside) == pytest.approx(expected[one.ids], abs=1e-4)
        assert [one.total for one in found] == sorted((one.total for one in found), reverse=True)


@pytest.mark.parametrize("kind", ["##", "▁"])
def test_probabilities_are_shares_of_all_words(
    folders: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to three pieces, so that all can be tried: then nothing about the sum is estimated but for entries that make
    no word, which are taken to be as good on average."""
    monkeypatch.setattr(spans, "MOST_PIECES", 3)
    model = MaskedModel(folders[kind])
    parts, before, after, first, more, alone = next(case[1:] for case in cases() if case[0] == kind)
    scores: dict[str, float] = {}
    total = 0.0
    for pieces in (1, 2, 3):
        words = every_word(folders[kind], before, after, [*first, *(alone if pieces == 1 else [])], more, pieces)
        weighed = sum(math.exp(own + beside) for own, beside in words.values())
        total += weighed / sum(math.exp(own) for own, _ in words.values())
        for ids, (own, beside) in words.items():
            text = model.spelling.word(ids)
            scores[text] = max(scores.get(text, -math.inf), own + beside)
    found = best_words(model, parts, 0, top=2000, beam=2000)
    assert [word.text for word in found] == sorted(scores, key=scores.__getitem__, reverse=True)
    assert len({word.text for word in found}) == len(found), "a word that is spelled in two ways counts once"
    for word in found:
        assert word.probability == pytest.approx(math.exp(scores[word.text]) / total, rel=1e-3)
    assert sum(word.probability for word in found) <= 1.0001


def test_a_narrow_beam_keeps_the_best_beginnings(folders: dict[str, Path]) -> None:
    model = MaskedModel(folders["##"])
    first = spelled(model, ("나 ", " 다."), 0, 2, beam=1000)
    narrow = spelled(model, ("나 ", " 다."), 0, 2, beam=1)
    steps = sorted({one.ids[0]: one.costs[0] for one in first}.items(), key=lambda item: -item[1])
    assert len(narrow) == 1 and narrow[0].ids[0] == steps[0][0]
    assert narrow[0] == max((one for one in first if one.ids[0] == steps[0][0]), key=lambda one: one.total)


@pytest.mark.parametrize("kind", ["##", "▁"])
def test_several_gaps_and_masks(folders: dict[str, Path], kind: str) -> None:
    """While one is filled the others are one mask each, whatever they are for."""
    model = MaskedModel(folders[kind])
    found = fill(model, "[GAP] 나 [MASK]를 [빈칸].", top=3)
    masks = fill(model, "[MASK] 나 [MASK]를 [MASK].", top=3)
    assert found.pieces == masks.pieces and found.gaps[1] == masks.gaps[1]
    assert [len(gap) for gap in found.gaps] == [3, 3, 3]
    everything = fill(model, "[MASK] 나 [MASK]를 [MASK].", top=100)
    for gap in (0, 2):
        words = best_words(model, ("", " 나 ", "를 ", "."), gap, 3)
        assert [guess.piece for guess in found.gaps[gap]] == [word.text for word in words]
        shares = {guess.piece: guess.probability for guess in everything.gaps[gap]}
        for one in spelled(model, ("", " 나 ", "를 ", "."), gap, 1):
            (piece,) = model.tokenizer.convert_ids_to_tokens(list(one.ids))
            assert math.exp(one.total) == pytest.approx(shares[piece], rel=1e-4)


def test_what_is_never_a_word(tmp_path: Path) -> None:
    """The model is sure of an entry that is none: it answers it to [MASK], and not to [GAP]."""
    for known in ("[PHONE]", "[unused0]", "[SEP]", ".", "##."):
        model = MaskedModel(wordpiece_folder(tmp_path / str(ord(known[2:3] or "x")), known))
        found = fill(model, "나 [MASK] [GAP] 다", top=50)
        assert found.gaps[0][0].piece == known
        words = [guess.piece for guess in found.gaps[1]]
        assert words and all(word.isalnum() for word in words), words


def test_the_answer_that_is_known(tmp_path: Path) -> None:
    known = fill(MaskedModel(wordpiece_folder(tmp_path / "a", "바다")), "나 [GAP]를 가 [MASK]", top=1)
    assert known.gaps[0][0].piece == "바다" and known.gaps[0][0].pieces == ("바다",)
    assert known.gaps[1][0].piece == "바다" and known.gaps[1][0].probability == pytest.approx(1)
    more = fill(MaskedModel(wordpiece_folder(tmp_path / "b", "##나")), "바다[GAP]", top=1)
    assert set(more.gaps[0][0].pieces) == {"##나"} and set(more.gaps[0][0].piece) == {"나"}
