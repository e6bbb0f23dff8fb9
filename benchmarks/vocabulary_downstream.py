"""Does the choice of vocabulary matter downstream? Small models of equal compute, compared on whole words and on NSMC.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive python benchmarks/vocabulary_downstream.py --corpus TEXT ... --work DIR \\
        --nsmc-train train.tsv.xz --nsmc-test test.tsv.xz [--algorithms wordpiece morpheme particle] [--seeds 3]

Runs the road's own stages into DIR: one corpus; for each algorithm a vocabulary and examples; for each seed a
pretraining, its export and its fine-tunings. What is done stands: the same command goes on where it was interrupted.
All models have the same shape and take the same steps of the same number of tokens; a coarser vocabulary sees more
characters in them, and the table says how many.

* bits/char, eojeols: held-out eojeols, the same for all, are hidden whole and spelled piece after piece, those before
  it in the eojeol shown, so that the sum of -log2 p is what the eojeol costs; by its characters. How many masks there
  are tells how many pieces, which is worth more where the number varies more: `and their number` adds that.
* bits/char, eojeols at once: the same eojeols with all pieces guessed apart from each other, which a finer vocabulary
  pays for by construction.
* bits/char, single pieces: 15 % of the pieces hidden, by the characters of those. Not the same text for all.
* NSMC accuracy: fine-tuned on some rows, the best epoch chosen on a part of them, test scored once; once more from
  random weights, to show what the pretraining gave.

Eojeols with an [UNK] in some vocabulary are left out for all. The baseline is the first algorithm, differences are
paired by seed. The second table has the bits of guessing by how often a piece occurs: a model near them has learned
little that could tell vocabularies apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from road import STARTS, Files, Road
from scipy import stats
from vocabulary_masks import Examination, examine, frequency_bits, model_bits
from vocabulary_stock import OPEN_GATES

from corpora.document import read_documents, shards
from pipeline.console import answer, table
from pipeline.stage import positive, run_stage
from pretrain.prepared import open_prepared
from tokenizer.wordpiece import load_tokenizer

#: At this block a small model learns within minutes to look at its neighbours; at 64 it goes on guessing by frequency.
BLOCK, BATCH = 32, 64
#: A model that one core trains in minutes; without dropout, since it sees its text but once or twice.
SHAPE = (
    f"examples.block_size={BLOCK}",
    f"model.max_position_embeddings={BLOCK}",
    *("model.hidden_size=128", "model.num_hidden_layers=2", "model.num_attention_heads=2"),
    *("model.intermediate_size=512", "model.hidden_dropout_prob=0.0", "model.attention_probs_dropout_prob=0.0"),
    *(
        f"train.batch_size={BATCH}",
        "train.learning_rate=2e-3",
        "train.schedule=constant",
        "train.eval_examples=512",
        "train.keep_checkpoints=1",
    ),
)
#: Fewer characters than a real vocabulary has, so that most of a small one is pieces.
COVERAGE = (
    *("tokenizer.coverage.syllables=0.999", "tokenizer.coverage.jamo=0.99", "tokenizer.coverage.hanja=0"),
    *("tokenizer.coverage.latin=0.99", "tokenizer.coverage.symbols=0.999", "tokenizer.coverage.emoji=0"),
    "tokenizer.coverage.other=0",
)


def main(argv: list[str] | None) -> None:
    """Run the road for all algorithms and seeds, print the tables."""
    arguments = _parser().parse_args(argv)
    road = Road(arguments.work, "small", SHAPE)
    corpus = arguments.work / "corpus" / "text"
    road.stage("corpora.build", "text", "--workers", 1, "--corpus", *arguments.corpus)
    algorithms, seeds = arguments.algorithms, range(arguments.seeds)
    for algorithm in algorithms:
        name = _name(algorithm, arguments)
        sets = (
            f"tokenizer.algorithm={algorithm}",
            f"tokenizer.vocab_size={arguments.vocab_size}",
            *COVERAGE,
            *OPEN_GATES,
        )
        road.stage("tokenizer.train", name, "--from-corpus", corpus, "--workers", 1, sets=sets)
        road.stage("pretrain.examples", name, "--from-corpus", corpus, sets=sets)
    # Seed by seed, so that an interrupted comparison has whole pairs.
    for seed in seeds:
        for algorithm in algorithms:
            _pretrain(road, algorithm, seed, arguments)
            if arguments.nsmc_train:
                files = Files(arguments.nsmc_train, arguments.nsmc_test, arguments.train_rows)
                for start in STARTS:
                    road.finetune(_model(algorithm, seed, arguments), start, files, seed)
    folders = {algorithm: road.folder("tokenizer", _name(algorithm, arguments)) for algorithm in algorithms}
    tokenizers = {algorithm: load_tokenizer(folder) for algorithm, folder in folders.items()}
    sentences = [sentence for document in read_documents(shards(corpus, "heldout")) for sentence in document]
    exams = examine(tokenizers, sentences, BLOCK, arguments.sentences)
    _tell_vocabularies(road, exams, arguments)
    scores = {
        algorithm: [_scores(road, algorithm, seed, exams[algorithm], arguments) for seed in seeds]
        for algorithm in algorithms
    }
    _tell_scores(scores)


def _name(algorithm: str, arguments: argparse.Namespace) -> str:
    """Of a vocabulary and its examples."""
    return f"{algorithm}-{arguments.vocab_size}"


def _model(algorithm: str, seed: int, arguments: argparse.Namespace) -> str:
    """Of a pretraining and its export."""
    return f"{_name(algorithm, arguments)}-{arguments.steps}-{seed}"


def _pretrain(road: Road, algorithm: str, seed: int, arguments: argparse.Namespace) -> None:
    name, steps = _model(algorithm, seed, arguments), arguments.steps
    examples = road.folder("examples", _name(algorithm, arguments))
    sets = (f"train.max_steps={steps}", f"train.eval_every={steps}", f"train.save_every={steps}")
    road.stage("pretrain.train", name, "--from-examples", examples, "--cpu", sets=(*sets, f"train.seed={seed}"))
    road.stage("pretrain.export", name)


def _scores(
    road: Road, algorithm: str, seed: int, exam: Examination, arguments: argparse.Namespace
) -> tuple[float, ...]:
    """Of one model, in the order of MEASURES."""
    name = _model(algorithm, seed, arguments)
    at_once, in_order, pieces = model_bits(road.folder("export", name), (exam.words, exam.in_order, exam.pieces))
    bits = in_order, in_order + exam.count_bits(), at_once, pieces
    if not arguments.nsmc_train:
        return bits
    return (*bits, *(100 * road.accuracy(name, start) for start in STARTS))


def _tell_vocabularies(road: Road, exams: dict[str, Examination], arguments: argparse.Namespace) -> None:
    """What each vocabulary is like, what a model sees through it, and what guessing by frequency is worth."""
    characters = road.figures("corpus", "text")["train"]["characters"]
    rows, asked = [], []
    for algorithm, exam in exams.items():
        prepared = open_prepared(road.folder("examples", _name(algorithm, arguments)))
        figures = prepared.manifest.figures
        a_token = characters / figures["tokens"]["train"]
        tokens = arguments.steps * BATCH * figures["mean_length"] / 1e6
        epochs = arguments.steps * BATCH / figures["examples"]
        seen = f"{tokens:.2f}", f"{tokens * a_token:.2f}", f"{epochs:.2f}"
        rows.append((algorithm, f"{prepared.vocab_size:,}", f"{a_token:.3f}", *seen))
        counts = np.bincount(prepared.train.ids, minlength=prepared.vocab_size)
        for kind, gaps in (("eojeols", exam.words), ("single pieces", exam.pieces)):
            pieces, masked = sum(len(one.truth) for one in gaps), sum(one.characters for one in gaps)
            asked.append((algorithm, kind, f"{pieces:,}", f"{masked:,}", f"{frequency_bits(counts, gaps):.3f}"))
    title = f"{arguments.steps:,} steps of {BATCH} examples of up to {BLOCK} tokens"
    names = ("vocabulary", "entries", "characters a token", "million tokens", "million characters", "epochs")
    table(title, names, rows, stdout=True)
    columns = ("vocabulary", "masked", "pieces", "characters", "bits/char by frequency")
    table("what is asked", columns, asked, stdout=True)


MEASURES = (
    "bits/char, eojeols",
    "bits/char, eojeols and their number of pieces",
    "bits/char, eojeols at once",
    "bits/char, single pieces",
    "NSMC accuracy (%)",
    "NSMC accuracy (%), random weights",
)


def _tell_scores(scores: dict[str, list[tuple[float, ...]]]) -> None:
    """A table of means and deviations over seeds, and a line on each difference from the first algorithm."""
    columns = {algorithm: np.array(values).T for algorithm, values in scores.items()}
    baseline, *others = columns
    rows = []
    for place, measure in enumerate(MEASURES[: len(columns[baseline])]):
        for algorithm, values in columns.items():
            differences = values[place] - columns[baseline][place]
            told = ("", "", "") if algorithm == baseline else judge(differences)
            mean_and_deviation = f"{values[place].mean():.4f} ± {deviation(values[place]):.4f}"
            rows.append((measure, algorithm, mean_and_deviation, *told))
    seeds = len(scores[baseline])
    names = ("measure", "vocabulary", f"mean ± deviation of {seeds}", f"minus {baseline}", "95 % interval", "so")
    table("downstream", names, rows, stdout=True)
    if others:
        answer(
            "An interval is Student's, over pairs of the same seed; it knows nothing of other texts and other shapes."
        )


def judge(differences: NDArray[np.float64]) -> tuple[str, str, str]:
    """The mean paired difference and its deviation, half its 95 % interval, and whether it exceeds noise."""
    mean, count = float(differences.mean()), len(differences)
    if count < 2:
        return f"{mean:+.4f}", "?", "one seed: noise unknown"
    half = float(stats.t.ppf(0.975, count - 1)) * deviation(differences) / count**0.5
    verdict = "exceeds noise" if abs(mean) > half else "within noise"
    return f"{mean:+.4f} ± {deviation(differences):.4f}", f"{mean - half:+.4f} to {mean + half:+.4f}", verdict


def deviation(values: NDArray[np.float64]) -> float:
    """Standard deviation of a sample; 0 of one."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Small models of equal compute on different vocabularies, compared.")
    parser.add_argument("--corpus", nargs="+", required=True, metavar="FILE", help="text, as for corpora.build")
    parser.add_argument("--work", type=Path, required=True, help="folder of all artifacts; kept, so it can go on")
    parser.add_argument(
        "--algorithms", nargs="+", default=["wordpiece", "morpheme", "particle"], help="the first is the baseline"
    )
    parser.add_argument("--vocab-size", type=positive, default=8_000)
    parser.add_argument("--seeds", type=positive, default=3, help="pretrainings of each vocabulary")
    parser.add_argument("--steps", type=positive, default=3000)
    parser.add_argument("--sentences", type=positive, default=2000, help="most held-out sentences that are masked")
    parser.add_argument(
        "--nsmc-train", type=Path, metavar="FILE", help="columns document and label; no fine-tuning without"
    )
    parser.add_argument("--nsmc-test", type=Path, metavar="FILE")
    parser.add_argument("--train-rows", type=positive, default=10_000, help="rows of it to learn from")
    return parser


if __name__ == "__main__":
    run_stage(main)
