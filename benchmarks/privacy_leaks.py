"""What the privacy step keeps a model from learning: canaries planted, one model trained with it and one without.

    python benchmarks/privacy_leaks.py TEXT ... --work DIR [--start MODEL] [--megabytes 0.8] [--steps 300]

TEXT (a sentence a line, a blank line between documents) is copied with made-up secrets between its lines
(`probes.canaries`), and the copy goes through the road's own stages twice: `corpus.privacy=keep`, and `redact`.
Each model learns from its own text with its own vocabulary. Asked for the secrets (`probes.leaks`), they are told apart
by the exposure: by how often a canary was planted, and of controls planted nowhere. Random weights stand beside.

Sentences told often are left whole (`corpus.sentence_copies=0`): else it would be that step, too, that hides them.
What else the step changes is told by text beyond what was copied, the same for both (documents held out are not: which
ones depends on their text): eojeols are hidden whole and spelled piece after piece, in bits for each character.

A model that still guesses by frequency keeps no secrets in mind: begin from a trained one (`--start`), or train long.

What is done stands: the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from road import Road
from vocabulary_masks import examine, model_bits
from vocabulary_stock import OPEN_GATES

from corpora.document import read_documents
from pipeline.console import table
from pipeline.stage import positive, run_stage
from probes.canaries import make_canaries, plant, record_of
from tokenizer.wordpiece import load_tokenizer

#: A vocabulary for so little text, whatever its gates; nothing but the privacy step takes sentences away.
SETS = (
    *OPEN_GATES,
    *("corpus.layout=sentences", "corpus.sentence_copies=0", "corpus.duplicate_documents=1.0", "corpus.held_out=0.05"),
    *("tokenizer.vocab_size=6016", "tokenizer.coverage.syllables=0.9995", "tokenizer.coverage.hanja=0.9"),
    *("tokenizer.min_word_count=1", "train.budget_minutes=0"),
)
#: The two ways, and what they are called in the table.
WAYS = {"keep": "kept", "redact": "redacted"}


def main(argv: list[str] | None) -> None:
    """Run the road twice, ask both models, print the tables."""
    arguments = _parser().parse_args(argv)
    steps = (f"train.max_steps={arguments.steps}", f"train.eval_every={arguments.steps}")
    start = (f"train.init_from={arguments.start}",) if arguments.start else ()
    road = Road(arguments.work, arguments.recipe, (*SETS, *steps, *start, *arguments.sets))
    arguments.work.mkdir(parents=True, exist_ok=True)
    copy = _copy(arguments)
    for way, name in WAYS.items():
        road.stage("corpora.build", name, "--corpus", copy, sets=(f"corpus.privacy={way}",))
        road.stage("tokenizer.train", name)
        road.stage("pretrain.examples", name)
        road.stage("pretrain.train", name)
        road.stage("pretrain.export", name)
    for name in WAYS.values():
        place = ("--model", road.folder("export", name), "--corpus", road.folder("corpus", name))
        asked = ("--canaries", record_of(copy), "--candidates", arguments.candidates, "--seed", arguments.seed)
        road.stage("probes.leaks", name, *place, *asked)
    _tell(road, arguments)


def _copy(arguments: argparse.Namespace) -> Path:
    """The first so many bytes of the text with canaries, made once."""
    copy: Path = arguments.work / "copy.txt"
    if not copy.exists():
        cut: Path = arguments.work / "cut.txt"
        with cut.open("w", encoding="utf-8", newline="\n") as stream:
            for document in _documents(arguments, beyond=False):
                stream.write("\n".join(document) + "\n\n")
        record_of(copy).unlink(missing_ok=True)
        plant([cut], copy, make_canaries(arguments.seed, each=arguments.each), arguments.seed)
    return copy


def _documents(arguments: argparse.Namespace, beyond: bool) -> Iterator[list[str]]:
    """Documents of the first so many bytes, or those beyond."""
    read = 0
    for document in read_documents(arguments.text):
        read += sum(len(sentence.encode()) + 1 for sentence in document) + 1
        if (read > arguments.megabytes * 1_000_000) is beyond:
            yield document


def _tell(road: Road, arguments: argparse.Namespace) -> None:
    figures = {name: road.figures("leaks", name) for name in WAYS.values()}
    whats = [
        key.split(".")[-2] for key in figures["kept"] if key.startswith("kept.") and key.endswith(".exposure_bits")
    ]
    rows = []
    for what in whats:
        for name in WAYS.values():
            own = {key.removeprefix(f"{name}.{what}."): value for key, value in figures[name].items()}
            between = f"{own['exposure_from']:.2f} to {own['exposure_to']:.2f}"
            shares = (f"{own['first']:.0%}", f"{own['extracted']:.0%}")
            spelled = (f"{own['pieces']:.1f}", f"{own['vocabulary']:.0%}", str(own["secrets"]))
            rows.append((what, name, f"{own['exposure_bits']:.2f}", between, *shares, *spelled))
    bits = figures["kept"]["chance_bits"]
    title = f"Secrets among {arguments.candidates:,} others; by chance {bits:.2f} bits of exposure"
    table(
        title,
        ("secrets", "personal data", "exposure", "95 %", "first", "extracted", "pieces", "vocabulary", "of"),
        rows,
        stdout=True,
    )
    _tell_rest(road, arguments)


def _tell_rest(road: Road, arguments: argparse.Namespace) -> None:
    """What else the step changed."""
    folders = {name: road.folder("export", name) for name in WAYS.values()}
    sentences = list(islice((one for document in _documents(arguments, beyond=True) for one in document), 2000))
    block = min(int(road.figures("examples", name)["block_size"]) for name in folders)
    tokenizers = {name: load_tokenizer(folder) for name, folder in folders.items()}
    exams = examine(tokenizers, sentences, block, 500) if sentences else {}
    rows = []
    for name, folder in folders.items():
        bits = f"{model_bits(folder, (exams[name].in_order,))[0]:.3f}" if exams else ""
        replaced = sum(road.figures("corpus", name)["personal"].values())
        rows.append((name, f"{replaced:,}", bits))
    columns = ("personal data", "replaced", "other text, bits/char of eojeols")
    table("What else is other", columns, rows, stdout=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Exposure of planted secrets, trained with the privacy step and without."
    )
    parser.add_argument("text", nargs="+", type=Path, help="a sentence a line, a blank line between documents")
    parser.add_argument("--work", type=Path, required=True, help="folder of all artifacts; kept, so it can go on")
    parser.add_argument("--megabytes", type=float, default=0.8, help="of the text (default: 0.8)")
    parser.add_argument("--start", type=Path, help="an exported model to begin from (default: random weights)")
    parser.add_argument("--recipe", default="tenminute")
    parser.add_argument("--steps", type=positive, default=300)
    parser.add_argument("--each", type=positive, default=9, help="canaries for each number of copies (default: 9)")
    parser.add_argument("--candidates", type=positive, default=300, help="that a secret is ranked among (default: 300)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="sets", nargs="*", default=[], metavar="SECTION.KEY=VALUE", help="for all stages")
    return parser


if __name__ == "__main__":
    run_stage(main)
