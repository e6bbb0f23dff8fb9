"""Stage `examples`: a corpus and a vocabulary to examples for pretraining.

    python -m pretrain.examples --recipe base --name law         (make examples RECIPE=base NAME=law)
    python -m pretrain.examples --recipe base --name law --show 20
    python -m pretrain.examples --recipe base --name law --which 1000

Reads `artifacts/corpus/<name>/` and `artifacts/tokenizer/<name>/`, writes `artifacts/examples/<name>/`: the token
store, the plan of the first epoch, the held-out plan, `report.md`, and `examples.txt` with 20 decoded examples for the
eye. `--show` prints some in colour with their masks, `--which` those of any training step. `--workers` and
`--scheduler` serve vocabularies of `unigram` and `bpe`: WordPiece is matched faster than text is handed to others.
"""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from pathlib import Path

from tokenizers import Tokenizer

from corpora.document import CORPUS, SPLITS, read_documents, shards
from pipeline.artifact import Figures, Key, Kind, Manifest, build, canonical, open_artifact, still_there
from pipeline.console import progress, say, table, warn
from pipeline.errors import InputError
from pipeline.executor import ALONE, Workers, worker_pool
from pipeline.files import link_or_copy
from pipeline.recipe import Recipe, as_table
from pipeline.stage import artifact_folder, positive, read_recipe, read_workers, run_stage, stage_parser, workers_flags
from pretrain.encode import encode_batch, is_matched
from pretrain.plans import PLAN, load_plan, write_plan
from pretrain.prepared import EXAMPLES, heldout_plan_path, open_prepared, train_plan_path
from pretrain.report import plan_figures, write_report
from pretrain.settings import ExamplesSettings, TrainSettings
from pretrain.show import decoded, show_examples, show_step
from pretrain.tokens import TokenStore, open_store, store_files, write_store
from tokenizer.wordpiece import FILES, TOKENIZER, load_tokenizer

#: The token stores by themselves, before there are examples.
TOKENS = Kind("tokens", 1, "make examples")
SHOWN = 20
#: What more random pairs than asked for are worth a warning.
_UNEVEN = 0.005


def main(argv: list[str] | None) -> None:
    """Parse the command line, build the examples if they are not there, say what came out, show what is asked for."""
    parser = stage_parser("pretrain.examples", "Tokenise a corpus and plan its examples.")
    parser.add_argument("--from-corpus", type=Path, help="corpus artifact (default: artifacts/corpus/<name>)")
    parser.add_argument("--from-tokenizer", type=Path, help="tokenizer artifact (default: artifacts/tokenizer/<name>)")
    parser.add_argument("--show", type=positive, metavar="N", help="print N examples: segments, labels, masks")
    parser.add_argument("--which", type=positive, metavar="STEP", help="print the examples of a training step (from 1)")
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
    _show(arguments, recipe, folder)


def build_examples(
    corpus: Path, vocabulary: Path, settings: ExamplesSettings, folder: Path, workers: Workers = ALONE
) -> tuple[Manifest, bool]:
    """The examples artifact of a corpus artifact under a tokenizer artifact; see `pipeline.artifact.build`.

    An interrupted call is gone on with; one with other settings keeps the tokens of the artifact that stands there.
    """
    source = open_artifact(corpus, CORPUS)
    pieces = open_artifact(vocabulary, TOKENIZER)
    made_by = {"examples": as_table(settings), "formats": {"plan": PLAN.format, "tokens": TOKENS.format}}
    key = EXAMPLES.key(made_by, {"corpus": source.content, "tokenizer": pieces.content})
    begun = folder.parent / f".{folder.name}.tokens"

    def make(workspace: Path) -> Figures:
        tokenizer = load_tokenizer(vocabulary)
        tokens = _standing_tokens(folder, key)
        if tokens is None:
            tokens = begun / TOKENS.key({}, key.inputs).made_from[:32]
            _tokenise(corpus, source, tokenizer, tokens, workers)
        for path in (path for split in SPLITS for path in store_files(tokens, split)):
            link_or_copy(path, workspace / path.name)
        stores = {split: open_store(workspace, split, tokenizer.get_vocab_size()) for split in SPLITS}
        figures = _plan(stores, settings, workspace)
        for name in FILES:
            shutil.copyfile(vocabulary / name, workspace / name)
        plan = load_plan(train_plan_path(workspace))
        (workspace / "examples.txt").write_text(decoded(stores["train"], plan, tokenizer, settings, SHOWN), "utf-8")
        # Part of the content, since it decides what later epochs hold.
        (workspace / "plan.json").write_text(canonical(made_by) + "\n", "utf-8")
        write_report(workspace / "report.md", figures, settings)
        still_there(corpus, source)
        still_there(vocabulary, pieces)
        return figures

    return build(folder, key, make, after=partial(shutil.rmtree, begun, ignore_errors=True))


def _tokenise(corpus: Path, source: Manifest, tokenizer: Tokenizer, folder: Path, workers: Workers) -> None:
    """Write the token stores of a corpus into `folder`; what an interrupted call left there is gone on with."""
    for other in folder.parent.iterdir() if folder.parent.exists() else ():
        shared = any(path.stat().st_nlink > 1 for path in other.iterdir())
        if other != folder or shared:  # begun from something else, or the files of examples that were made of it
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    encode = partial(encode_batch, tokenizer=tokenizer.to_str())
    total = sum(source.figures[split]["sentences"] for split in SPLITS)
    if is_matched(tokenizer) and not workers.scheduler:
        workers = ALONE
    with worker_pool(workers) as pool, progress("tokens", total) as advance:
        for split in SPLITS:
            documents = read_documents(shards(corpus, split))
            size = tokenizer.get_vocab_size()
            write_store(documents, encode, size, folder, split, pool, partial(advance, note=split))


def _standing_tokens(folder: Path, key: Key) -> Path | None:
    """The folder of the standing examples, if they are of the same corpus and vocabulary and whole."""
    try:
        standing = open_artifact(folder, EXAMPLES)
    except InputError:
        return None
    same = standing.inputs == key.inputs and standing.settings.get("formats", {}).get("tokens") == TOKENS.format
    return folder if same else None


def _plan(stores: dict[str, TokenStore], settings: ExamplesSettings, workspace: Path) -> Figures:
    """Write the plans; returns what there is to know of them."""
    write_plan(stores["train"], settings, 0, train_plan_path(workspace))
    random = settings.objective == "nsp" and settings.nsp_probability > 0
    if stores["heldout"].document_count >= (2 if random else 1):
        write_plan(stores["heldout"], settings, 0, heldout_plan_path(workspace))
    return {
        "block_size": settings.block_size,
        "objective": settings.objective,
        "tokens": {split: len(store.ids) for split, store in stores.items()},
        **plan_figures(stores["train"], load_plan(train_plan_path(workspace)), settings),
    }


def _tell(folder: Path, manifest: Manifest) -> None:
    figures = manifest.figures
    tokens, paired = figures["tokens"], [name for name in ("nsp", "sop") if name == figures["objective"]]
    columns = {
        "train tokens": f"{tokens['train']:,}",
        "held-out tokens": f"{tokens['heldout']:,}",
        "examples an epoch": f"{figures['examples']:,}",
        **{"random B" if name == "nsp" else "swapped": f"{figures['other_share']:.1%}" for name in paired},
        "full": f"{figures['full_share']:.1%}",
        "padding to block": f"{figures['padding_share']:.1%}",
        "text used": f"{figures['used_share']:.1%}",
    }
    table(f"examples -> {folder}", tuple(columns), [tuple(columns.values())])
    say(f"  {figures['seconds']:.1f} s; to read: {folder / 'report.md'}, {folder / 'examples.txt'}")
    if not heldout_plan_path(folder).exists():
        warn("too few documents are held out: training will run without evaluation")
    if "nsp" in paired and figures["other_share"] > manifest.settings["examples"]["nsp_probability"] + _UNEVEN:
        warn(
            f"{figures['other_share']:.1%} of the pairs are random, since {figures['single_share']:.0%} of the "
            "documents hold one sentence, which has no next one: examples.objective=none trains without pairs"
        )


def _show(arguments: argparse.Namespace, recipe: Recipe, folder: Path) -> None:
    if arguments.show or arguments.which:
        prepared, settings = open_prepared(folder), recipe.section("train", TrainSettings)
        if arguments.show:
            show_examples(prepared, settings, arguments.show)
        if arguments.which:
            show_step(prepared, settings, arguments.which)


if __name__ == "__main__":
    run_stage(main)
