"""What fill-mask answers beside transformers' own pipeline, on held-out text.

    python benchmarks/fill_mask.py --model artifacts/export/small --corpus artifacts/corpus/small [--items 1000]

* alone: a word of one piece is hidden, and the mask stands alone. The answers have to be the pipeline's: how many best
  ones are, and the largest difference of a probability.
* particle: the last piece of a noun before its particle is hidden (`[MASK]를`), so that what follows is glued to the
  mask. P@1 of both; the pipeline's tokenizer takes 를 for the beginning of a word. Particles are told by a closed list
  and not by an analyser, so some are none (the 도 of 제도): both sides are asked the same.
* words: a whole eojeol of one to four pieces is hidden (`[GAP]`): P@1 and P@10 by three ways to compare words of
  different lengths: `probes.spans`' own, the sum of log-probabilities, and their mean.

Random weights of the same shape stand beside. Which sentences: a function of --seed.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
import transformers
from transformers import pipeline

from corpora.document import read_documents, shards
from pipeline.console import progress, table
from pipeline.stage import positive, run_stage
from pretrain.quiet import silence
from probes.exam import RANDOM, Share
from probes.fillmask import encode, fill
from probes.model import MaskedModel
from probes.spans import MOST_PIECES, Spelled, candidates

JOSA = re.compile(
    "[은는이가을를의에와과도만로랑께]|으로|에서|에게|한테|께서|까지|부터|보다|처럼|마다|조차|마저|밖에|이나|이라|라는|이라는|에는|에도|"
    "에서[는도]|에게는|으?로는|와는|과는|까지[는도]|만은|만이|이랑|하고"
)
_HANGUL = re.compile("[가-힣]+")
#: Ways to compare words of different numbers of pieces.
SCORES: dict[str, Callable[[Spelled], float]] = {
    "pieces and what stands beside": lambda one: one.score,
    "sum over pieces": lambda one: one.total,
    "mean over pieces": lambda one: one.total / len(one.ids),
}


@dataclass(frozen=True)
class Item:
    """A sentence with a gap at [start, end), and the pieces that stood there."""

    sentence: str
    start: int
    end: int
    pieces: tuple[int, ...]

    def text(self, mark: str) -> str:
        """The sentence with a mark in the gap."""
        return self.sentence[: self.start] + mark + self.sentence[self.end :]


def main(argv: list[str] | None) -> None:
    """Ask, compare, print the tables."""
    arguments = _parser().parse_args(argv)
    silence()
    model, drawn = MaskedModel(arguments.model), MaskedModel(arguments.model, random_weights=arguments.seed)
    sentences = [line for document in read_documents(shards(arguments.corpus, "heldout")) for line in document]
    random.Random(arguments.seed).shuffle(sentences)
    found = {kind: list(islice(places(model, sentences, arguments.seed), arguments.items)) for kind, places in KINDS}
    stock = pipeline("fill-mask", model=str(arguments.model), top_k=10)
    _alone(model, stock, found["alone"])
    _particles({model.folder.name: model, RANDOM: drawn}, stock, found["particle"])
    _words(model.folder.name, model, found["words"][: arguments.words])
    _words(RANDOM, drawn, found["words"][: min(arguments.words, 100)])


def _alone(model: MaskedModel, stock: transformers.Pipeline, items: Sequence[Item]) -> None:
    best = ids = 0
    largest = 0.0
    with progress("alone", len(items)) as advance:
        for item in items:
            text = item.text(model.mask_token)
            theirs = stock(text)
            (ours,) = fill(model, text, 10).gaps
            names = model.tokenizer.convert_ids_to_tokens([one["token"] for one in theirs])
            best += ours[0].piece == names[0]
            ids += [guess.piece for guess in ours] == names
            largest = max(
                largest, *(abs(guess.probability - one["score"]) for guess, one in zip(ours, theirs, strict=True))
            )
            advance(1)
    rows = [(f"{len(items):,}", f"{best:,}", f"{ids:,}", f"{largest:.1e}")]
    table("the mask stands alone", ("sentences", "same best", "same ten", "largest difference"), rows, stdout=True)


def _particles(models: dict[str, MaskedModel], stock: transformers.Pipeline, items: Sequence[Item]) -> None:
    """Rows for all items and for those whose hidden piece is the whole noun."""
    rights: dict[str, list[bool]] = {name: [] for name in (*models, "pipeline")}
    model = next(iter(models.values()))
    with progress("particle", len(items)) as advance:
        for item in items:
            text = item.text(model.mask_token)
            (truth,) = model.tokenizer.convert_ids_to_tokens(list(item.pieces))
            for name, asked in models.items():
                rights[name].append(fill(asked, text, 1).gaps[0][0].piece == truth)
            rights["pipeline"].append(stock(text, top_k=1)[0]["token"] == item.pieces[0])
            advance(1)
    nouns = [not item.sentence[: item.start][-1:].strip() for item in items]
    rows = []
    for name, right in rights.items():
        wholly = [one for one, noun in zip(right, nouns, strict=True) if noun]
        rows.append((name, _share(sum(right), len(right)), _share(sum(wholly), len(wholly))))
    table("a particle is glued to the mask: P@1", ("", "all", "the noun is one piece"), rows, stdout=True)


def _words(name: str, model: MaskedModel, items: Sequence[Item]) -> None:
    hits = {way: [0, 0] for way in SCORES}
    with progress("words", len(items)) as advance:
        for item in items:
            truth = item.sentence[item.start : item.end]
            parts = [item.sentence[: item.start], item.sentence[item.end :]]
            found = [one for words in candidates(model, parts, 0) for one in words]
            for way, score in SCORES.items():
                words = dict.fromkeys(model.spelling.word(one.ids) for one in sorted(found, key=score, reverse=True))
                hits[way][0] += next(iter(words)) == truth
                hits[way][1] += truth in list(words)[:10]
            advance(1)
    rows = [(way, _share(first, len(items)), _share(ten, len(items))) for way, (first, ten) in hits.items()]
    table(f"{name}: a whole eojeol is hidden", ("words compared by", "P@1", "P@10"), rows, stdout=True)


def alone(model: MaskedModel, sentences: Sequence[str], seed: int) -> Iterator[Item]:
    """Words of one piece between spaces."""
    for sentence, spans in _eojeols(model, sentences):
        fits = [(start, end, ids) for start, end, ids in spans if len(ids) == 1]
        yield from _draw(seed, sentence, fits)


def particle(model: MaskedModel, sentences: Sequence[str], seed: int) -> Iterator[Item]:
    """Of eojeols that end in a particle, the piece before it, where what is read is the sentence with a mask in it."""
    names = model.tokenizer.convert_ids_to_tokens
    for sentence, spans in _eojeols(model, sentences):
        fits = []
        for start, end, ids in spans:
            pieces = [name.removeprefix("##") for name in names(list(ids))]
            at = [number for number in range(1, len(ids)) if JOSA.fullmatch("".join(pieces[number:]))]
            if at and "".join(pieces) == sentence[start:end]:
                begin = start + len("".join(pieces[: at[0] - 1]))
                fits.append((begin, begin + len(pieces[at[0] - 1]), (ids[at[0] - 1],)))
        yield from (item for item in _draw(seed, sentence, fits) if _read_as_trained(model, item))


def words(model: MaskedModel, sentences: Sequence[str], seed: int) -> Iterator[Item]:
    """Whole eojeols of one to four pieces, where four have room."""
    for sentence, spans in _eojeols(model, sentences, room=MOST_PIECES - 1):
        yield from _draw(seed, sentence, [span for span in spans if len(span[2]) <= MOST_PIECES])


KINDS = (("alone", alone), ("particle", particle), ("words", words))


def _eojeols(
    model: MaskedModel, sentences: Sequence[str], room: int = 0
) -> Iterator[tuple[str, list[tuple[int, int, tuple[int, ...]]]]]:
    """Sentences that fit, and of each eojeol of Hangul alone its place and pieces."""
    tokenizer = model.tokenizer
    for sentence in sentences:
        if len(sentence.split()) < 4 or len(tokenizer.encode(sentence)) + room > (model.limit or 512):
            continue
        spans = []
        for found in re.finditer(r"\S+", sentence):
            ids = tokenizer.encode(found.group(), add_special_tokens=False)
            if _HANGUL.fullmatch(found.group()) and tokenizer.unk_token_id not in ids:
                spans.append((*found.span(), tuple(ids)))
        yield sentence, spans


def _draw(seed: int, sentence: str, fits: Sequence[tuple[int, int, tuple[int, ...]]]) -> list[Item]:
    if not fits:
        return []
    return [Item(sentence, *random.Random(f"{seed} {sentence}").choice(fits))]


def _read_as_trained(model: MaskedModel, item: Item) -> bool:
    """What is read is the sentence with a mask in it, and the pipeline, which cuts it otherwise, has room for it."""
    text = item.text(model.mask_token)
    ids = [item.pieces[0] if number == model.mask else number for number in encode(model, text)]
    whole = model.tokenizer.encode(item.sentence)
    return ids == whole and len(model.tokenizer.encode(text)) <= (model.limit or len(whole) + 1)


def _share(right: int, of: int) -> str:
    share = Share(right, of)
    low, high = share.interval
    return f"{share.share:.1%} ({right:,} of {of:,}; {low:.1%} to {high:.1%})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare fill-mask with transformers' pipeline.")
    parser.add_argument("--model", type=Path, required=True, help="a Hugging Face folder")
    parser.add_argument("--corpus", type=Path, required=True, help="a corpus artifact with held-out text")
    parser.add_argument("--items", type=positive, default=1000, help="sentences of each kind (default 1,000)")
    parser.add_argument("--words", type=positive, default=1000, help="hidden eojeols (default 1,000; the slow part)")
    parser.add_argument("--seed", type=int, default=0, help="which sentences, and random weights (default 0)")
    return parser


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    run_stage(main)
