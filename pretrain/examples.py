"""Stage `examples`: a corpus and a vocabulary to next-sentence examples.

    python -m pretrain.examples --recipe base --name law         (make examples RECIPE=base NAME=law)

Reads `artifacts/corpus/<name>/` and `artifacts/tokenizer/<name>/`, writes `artifacts/examples/<name>/`: the token
store, the pair plan of the first epoch, the held-out pairs, and `examples.txt` with 20 decoded examples for the
eye.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from corpora.document import CORPUS, SPLITS, read_documents, shards
from pipeline.artifact import Figures, Manifest, build, open_artifact, still_there
from pipeline.console import progress, say, table, warn
from pipeline.executor import ALONE, Workers, worker_pool
from pipeline.recipe import as_table
from pipeline.stage import artifact_folder, read_recipe, read_workers, run_stage, stage_parser, workers_flags
from pretrain.batches import FrameIds, assemble
from pretrain.draws import ORDER, permutation, stream
from pretrain.nsp import FRAME, PairPlan, draw_plan
from pretrain.prepared import EXAMPLES, heldout_plan_path, train_plan_path
from pretrain.settings import ExamplesSettings
from pretrain.tokens import TokenStore, write_store
from tokenizer.wordpiece import FILES, TOKENIZER, load_tokenizer, vocabulary_of

SHOWN = 20


def main(argv: list[str] | None) -> None:
    """Parse the command line, build the examples if they are not there, say what came out."""
    parser = stage_parser("pretrain.examples", "Tokenise a corpus and plan its next-sentence examples.")
    parser.add_argument("--from-corpus", type=Path, help="corpus artifact (default: artifacts/corpus/<name>)")
    parser.add_argument("--from-tokenizer", type=Path, help="tokenizer artifact (default: artifacts/tokenizer/<name>)")
    workers_flags(parser)
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    settings = recipe.section("examples", ExamplesSettings)
    folder = artifact_folder(arguments, EXAMPLES.stage, recipe)
    manifest, built = build_examples(
        arguments.from_corpus or artifact_folder(arguments, CORPUS.stage, recipe),
        arguments.from_tokenizer or artifact_folder(arguments, TOKENIZER.stage, recipe),
        settings,
        folder,
        read_workers(arguments),
    )
    if built:
        _tell(folder, manifest)
    else:
        say(f"examples: {folder} is up to date")


def build_examples(
    corpus: Path, vocabulary: Path, settings: ExamplesSettings, folder: Path, workers: Workers = ALONE
) -> tuple[Manifest, bool]:
    """The examples artifact of a corpus artifact under a tokenizer artifact; see `pipeline.artifact.build`."""
    source = open_artifact(corpus, CORPUS)
    pieces = open_artifact(vocabulary, TOKENIZER)
    inputs = {"corpus": source.content, "tokenizer": pieces.content}
    key = EXAMPLES.key({"examples": as_table(settings)}, inputs)

    def make(workspace: Path) -> Figures:
        tokenizer = load_tokenizer(vocabulary)
        stores = {}
        total = sum(source.figures[split]["sentences"] for split in SPLITS)
        with worker_pool(workers) as pool, progress("tokens", total) as advance:
            for split in SPLITS:
                documents = read_documents(shards(corpus, split))
                stores[split] = write_store(documents, tokenizer, workspace, split, pool, partial(advance, note=split))
        plan = draw_plan(stores["train"], settings, 0)
        np.save(train_plan_path(workspace), plan, allow_pickle=False)
        if stores["heldout"].document_count >= 2:
            np.save(heldout_plan_path(workspace), draw_plan(stores["heldout"], settings, 0), allow_pickle=False)
        for name in FILES:
            shutil.copyfile(vocabulary / name, workspace / name)
        text = _decoded(stores["train"], plan, tokenizer, settings.seed)
        (workspace / "examples.txt").write_text(text, "utf-8")
        still_there(corpus, source)
        still_there(vocabulary, pieces)
        return _figures(stores, plan, settings)

    return build(folder, key, make)


def _figures(stores: dict[str, TokenStore], plan: PairPlan, settings: ExamplesSettings) -> Figures:
    lengths = plan["a_len"].astype(np.int64) + plan["b_len"] + FRAME
    pairs = len(plan)
    return {
        "block_size": settings.block_size,
        "tokens": {split: len(store.ids) for split, store in stores.items()},
        "pairs": pairs,
        "random_share": round(float(plan["is_random_next"].mean()), 4) if pairs else 0.0,
        "mean_length": round(float(lengths.mean()), 2) if pairs else 0.0,
        "padding_share": round(1 - float(lengths.mean()) / settings.block_size, 4) if pairs else 0.0,
    }


def _decoded(store: TokenStore, plan: PairPlan, tokenizer: Tokenizer, seed: int) -> str:
    """Some examples as text, pieces apart, each with its label."""
    chosen = plan[permutation(stream(seed, ORDER, 0), len(plan))[:SHOWN]]
    if not len(chosen):
        return ""
    arrays = assemble(store, chosen, FrameIds.of(tokenizer))
    names = vocabulary_of(tokenizer)
    lines = []
    for row, label in enumerate(arrays["next_sentence_label"]):
        length = int(arrays["attention_mask"][row].sum())
        pieces = [names[number] for number in arrays["input_ids"][row, :length]]
        name = "random" if label else "next"
        lines.append(f"{row + 1:2}  B is {name}, {length} tokens\n    {' '.join(pieces)}\n")
    return "\n".join(lines)


def _tell(folder: Path, manifest: Manifest) -> None:
    figures = manifest.figures
    tokens = figures["tokens"]
    columns = (
        "train tokens",
        "held-out tokens",
        "pairs an epoch",
        "random B",
        "mean length",
        "padding to block",
    )
    row = (
        f"{tokens['train']:,}",
        f"{tokens['heldout']:,}",
        f"{figures['pairs']:,}",
        f"{figures['random_share']:.1%}",
        f"{figures['mean_length']:.1f}",
        f"{figures['padding_share']:.1%}",
    )
    table(f"examples -> {folder}", columns, [row])
    say(f"  {figures['seconds']:.1f} s; {SHOWN} examples to read: {folder / 'examples.txt'}")
    if not heldout_plan_path(folder).exists():
        warn("fewer than two documents are held out: training will run without evaluation")


if __name__ == "__main__":
    run_stage(main)
