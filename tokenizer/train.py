"""Stage `tokenizer`: a corpus to a WordPiece vocabulary.

    python -m tokenizer.train --recipe base --name law         (make tokenizer RECIPE=base NAME=law)

Reads `artifacts/corpus/<name>/`, writes `artifacts/tokenizer/<name>/`: `tokenizer.json`, `tokenizer_config.json`,
`vocab.txt` (load the folder with `transformers.AutoTokenizer`) and `report.md`.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer

from corpora.document import CORPUS, read_documents, shards
from pipeline.artifact import Figures, Manifest, build, open_artifact, still_there
from pipeline.console import progress, say, table, warn
from pipeline.executor import Workers, worker_pool
from pipeline.recipe import as_table
from pipeline.stage import artifact_folder, read_recipe, read_workers, run_stage, stage_parser, workers_flags
from tokenizer.learn import learn_vocabulary
from tokenizer.quality import Quality, composition, measure
from tokenizer.settings import TokenizerSettings
from tokenizer.wordpiece import TOKENIZER, build_tokenizer, save_tokenizer
from tokenizer.words import count_words

#: Sentences that the report is measured on, and sentences it shows.
MEASURED, SHOWN = 20_000, 12


def main(argv: list[str] | None) -> None:
    """Parse the command line, learn the vocabulary if it is not there, say what came out."""
    parser = stage_parser("tokenizer.train", "Learn a WordPiece vocabulary from a corpus.")
    parser.add_argument("--from-corpus", type=Path, help="corpus artifact (default: artifacts/corpus/<name>)")
    workers_flags(parser)
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    settings = recipe.section("tokenizer", TokenizerSettings)
    corpus = arguments.from_corpus or artifact_folder(arguments, CORPUS.stage, recipe)
    folder = artifact_folder(arguments, TOKENIZER.stage, recipe)
    manifest, built = train_tokenizer(corpus, settings, folder, read_workers(arguments))
    if not built:
        say(f"tokenizer: {folder} is up to date")
        return
    figures = manifest.figures
    table(
        f"tokenizer -> {folder}",
        ("entries", "tokens per eojeol", "eojeols with [UNK]"),
        [
            (
                f"{figures['vocab_size']:,}",
                f"{figures['tokens_per_eojeol']:.2f}",
                f"{figures['unknown_share']:.2%}",
            )
        ],
    )
    say(f"  {figures['distinct_words']:,} distinct words, {figures['seconds']:.1f} s")
    if figures["vocab_size"] < settings.vocab_size:
        warn(
            f"the text fills only {figures['vocab_size']:,} of tokenizer.vocab_size {settings.vocab_size:,} entries "
            f"(no more pairs occur {settings.min_frequency} times); the model will have as many as there are"
        )


def train_tokenizer(corpus: Path, settings: TokenizerSettings, folder: Path, workers: Workers) -> tuple[Manifest, bool]:
    """The tokenizer artifact learned from a corpus artifact; see `pipeline.artifact.build`."""
    source = open_artifact(corpus, CORPUS)
    key = TOKENIZER.key({"tokenizer": as_table(settings)}, {"corpus": source.content})

    def make(workspace: Path) -> Figures:
        train = source.figures["train"]
        with worker_pool(workers) as pool, progress("words", train["sentences"] + train["documents"]) as advance:
            words = count_words(shards(corpus, "train"), pool, advance)
        say(f"tokenizer: learning {settings.vocab_size:,} entries from {len(words):,} distinct words")
        vocabulary = learn_vocabulary(words, settings)
        tokenizer = build_tokenizer(vocabulary)
        save_tokenizer(tokenizer, workspace)
        split = "heldout" if shards(corpus, "heldout") else "train"
        sentences = _sentences(corpus, split)
        quality = measure(tokenizer, sentences)
        (workspace / "report.md").write_text(_report(tokenizer, vocabulary, quality, split, sentences), "utf-8")
        still_there(corpus, source)
        return {
            "vocab_size": len(vocabulary),
            "distinct_words": len(words),
            "unknown_share": round(quality.unknown_share, 6),
            "tokens_per_eojeol": round(quality.tokens_per_eojeol, 4),
            "measured_on": split,
        }

    return build(folder, key, make)


def _sentences(corpus: Path, split: str) -> list[str]:
    flat = (sentence for document in read_documents(shards(corpus, split)) for sentence in document)
    return list(islice(flat, MEASURED))


def _report(tokenizer: Tokenizer, vocabulary: list[str], quality: Quality, split: str, sentences: list[str]) -> str:
    step = max(1, len(sentences) // SHOWN)
    parts = ", ".join(f"{count:,} {name}" for name, count in composition(vocabulary).items())
    lines = [
        "# Tokenizer",
        "",
        f"{len(vocabulary):,} entries: {parts}.",
        "",
        f"Measured on {quality.sentences:,} {split} sentences ({quality.eojeols:,} eojeols):",
        "",
        "| tokens per eojeol | characters per token | eojeols with [UNK] |",
        "|---|---|---|",
        f"| {quality.tokens_per_eojeol:.3f} | {quality.characters_per_token:.3f} | {quality.unknown_share:.3%} |",
        "",
        "## Sentences as the model sees them",
        "",
    ]
    for sentence in sentences[::step][:SHOWN]:
        pieces = " ".join(tokenizer.encode(sentence, add_special_tokens=False).tokens)
        lines += [f"- {sentence}", f"  `{pieces}`"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_stage(main)
