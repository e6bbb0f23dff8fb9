"""Is it worth beginning from a general model? One domain's text, continued from another's and from nothing.

    python benchmarks/adaptation.py --general wiki.txt --domain law.txt --work DIR [--general-steps 900] [--steps 300]

Both texts go through the road's own stages into DIR, each with a vocabulary of its own, and models of one shape are
trained: on the general text; on the domain's from that model (`train.init_from`), with the domain's vocabulary and with
the general one; on the domain's from random weights, for as many steps as the continuation takes, and with `--both`
once more for as many as both trainings together.

* bits/char, eojeols: held-out eojeols of the domain, the same for all, are hidden whole and spelled piece after piece,
  those before it in the eojeol shown, so that the sum of -log2 p is what the eojeol costs; by its characters. It can be
  compared between vocabularies.
* bits/char, masked pieces: what the run itself says of its held-out text. Other pieces are masked with another
  vocabulary.

What is done stands: the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from road import Road
from vocabulary_masks import examine, model_bits
from vocabulary_stock import OPEN_GATES

from corpora.document import read_documents, shards
from pipeline.console import table
from pipeline.stage import positive, run_stage
from tokenizer.wordpiece import load_tokenizer


def main(argv: list[str] | None) -> None:
    """Run the road, print the table."""
    arguments = _parser().parse_args(argv)
    road = Road(arguments.work, arguments.recipe, (*OPEN_GATES, *arguments.sets))
    texts = {"general": arguments.general, "domain": arguments.domain}
    for name, files in texts.items():
        road.stage("corpora.build", name, "--corpus", *files)
        road.stage("tokenizer.train", name)
    vocabularies = {"general": "general", "domain": "domain", "domain-general": "general"}
    for examples, vocabulary in vocabularies.items():
        corpus = road.folder("corpus", examples.partition("-")[0])
        tokenizer = road.folder("tokenizer", vocabulary)
        road.stage("pretrain.examples", examples, "--from-corpus", corpus, "--from-tokenizer", tokenizer)
    once, both = arguments.steps, arguments.steps + arguments.general_steps
    _train(road, "general", "general", arguments.general_steps)
    start = f"train.init_from={road.folder('export', 'general')}"
    models = {
        "the general model": ("general", arguments.general_steps),
        "continued, the domain's vocabulary": (_train(road, "continued", "domain", once, start), once),
        "continued, the general vocabulary": (_train(road, "kept", "domain-general", once, start), once),
        "from nothing": (_train(road, "nothing", "domain", once), once),
    }
    if arguments.both:
        models["from nothing, steps of both"] = (_train(road, "nothing-both", "domain", both), both)
    _tell(road, models, arguments)


def _train(road: Road, name: str, examples: str, steps: int, *sets: str) -> str:
    length = (f"train.max_steps={steps}", f"train.eval_every={steps}", f"train.save_every={max(steps // 5, 1)}")
    road.stage("pretrain.train", name, "--from-examples", road.folder("examples", examples), sets=(*length, *sets))
    road.stage("pretrain.export", name)
    return name


def _tell(road: Road, models: dict[str, tuple[str, int]], arguments: argparse.Namespace) -> None:
    folders = {name: road.folder("export", name) for name, _ in models.values()}
    tokenizers = {name: load_tokenizer(folder) for name, folder in folders.items()}
    corpus = road.folder("corpus", "domain")
    sentences = [sentence for document in read_documents(shards(corpus, "heldout")) for sentence in document]
    block = int(road.figures("examples", "domain")["block_size"])
    exams = examine(tokenizers, sentences, block, arguments.sentences)
    rows = []
    for model, (name, steps) in models.items():
        figures = road.figures("pretrain", name)
        eojeols = model_bits(folders[name], (exams[name].in_order,))[0]
        # The general model's own held-out text is not the domain's.
        own = (
            ("", "", "")
            if name == "general"
            else (
                f"{figures['start_mlm_bits_per_character']:.3f}",
                f"{figures['held_out_mlm_bits_per_character']:.3f}",
                f"{figures['held_out_mlm_accuracy']:.1%}",
            )
        )
        rows.append((model, f"{steps:,}", f"{eojeols:.3f}", *own))
    title = f"{len(sentences):,} held-out sentences of {' '.join(map(str, arguments.domain))}"
    columns = ("model", "steps", "bits/char, eojeols", "masked pieces, start", "end", "accuracy")
    table(title, columns, rows, stdout=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="A domain's text, continued from a general model and from nothing.")
    parser.add_argument("--general", nargs="+", required=True, type=Path, metavar="FILE", help="text, as for CORPUS")
    parser.add_argument("--domain", nargs="+", required=True, type=Path, metavar="FILE")
    parser.add_argument("--work", type=Path, required=True, help="folder of all artifacts; kept, so it can go on")
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--general-steps", type=positive, default=900)
    parser.add_argument("--steps", type=positive, default=300)
    parser.add_argument("--both", action="store_true", help="from nothing for the steps of both trainings, too")
    parser.add_argument("--sentences", type=positive, default=2000, help="most held-out sentences that are masked")
    parser.add_argument("--set", dest="sets", nargs="*", default=[], metavar="SECTION.KEY=VALUE", help="for all stages")
    return parser


if __name__ == "__main__":
    run_stage(main)
