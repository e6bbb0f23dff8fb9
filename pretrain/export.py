"""Stage `export`: a finished run to a Hugging Face folder.

    python -m pretrain.export --recipe base --name law --license cc-by-sa-4.0
    python -m pretrain.export --recipe base --name law --onnx --int8     (make export NAME=law EXPORT="--onnx --int8")
    python -m pretrain.export --recipe base --name law --license mit --push org/law

Reads `artifacts/pretrain/<name>/`, writes `artifacts/export/<name>/`: config, safetensors, tokenizer, model card with
curves, `recipe.toml`, `ATTRIBUTION.md` of the texts, `LICENSE` if one is given, and ONNX files if they are asked for.
The weights are those of the last checkpoint, or with `--checkpoint best` of the one with the lowest held-out MLM loss.
The folder is read back before it is published (see `pretrain.verify`): the checkpoint's logits, no missing or
unexpected key in any class, the same ids.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path

from safetensors.torch import load_model
from transformers import BertConfig, BertForPreTraining

from corpora.document import read_documents, shards
from pipeline.artifact import Figures, Kind, Manifest, build, open_artifact, read_manifest
from pipeline.console import say, warn
from pipeline.errors import InputError
from pipeline.files import hash_file
from pipeline.recipe_text import RECIPE, as_toml
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.card import Card, Which
from pretrain.checkpoint import MODEL
from pretrain.curves import PNG
from pretrain.licence import KNOWN, LICENSE, NOT_STATED, Licence, read_licence
from pretrain.lineage import ATTRIBUTION, Lineage, recipe_of, trace
from pretrain.onnx_export import INT8, ONNX, need_onnx, write_int8, write_onnx
from pretrain.onnx_scores import OnnxResult, score_formats
from pretrain.push import check_name, push, reasons_against
from pretrain.quiet import silence
from pretrain.rundir import PRETRAIN
from pretrain.verify import check_folder
from tokenizer.wordpiece import FILES, load_tokenizer, save_tokenizer, vocabulary_of

#: What this stage makes.
EXPORT = Kind("export", 2, "make export")


def main(argv: list[str] | None) -> None:
    """Parse the command line, export the run if that is not done, hand it on if that is asked for."""
    arguments = _parser().parse_args(argv)
    silence()
    recipe = read_recipe(arguments)
    folder = artifact_folder(arguments, EXPORT.stage, recipe)
    run = arguments.from_run or artifact_folder(arguments, PRETRAIN.stage, recipe)
    licence = read_licence(arguments.license, arguments.license_file)
    if licence.name and licence.name not in KNOWN and licence.file is None:
        warn(f"the Hub does not know a licence {licence.name!r}: if it is your own, give its text with --license-file")
    files = _onnx_files(arguments)
    if arguments.public and not arguments.push:
        raise InputError("--public goes with --push org/name")
    if arguments.push:
        check_name(arguments.push)
        _check_push(trace(run, open_artifact(run, PRETRAIN)), licence, public=arguments.public)
    manifest, built = export_run(run, folder, arguments.checkpoint, licence, files)
    say(f"export -> {folder}" if built else f"export: {folder} is up to date")
    _tell(manifest, licence)
    if arguments.push:
        address = push(folder, open_artifact(folder, EXPORT), arguments.push, public=arguments.public)
        say(f"export: pushed to {address} ({'public' if arguments.public else 'private'})")


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("pretrain.export", "Write a finished run as a Hugging Face folder.")
    parser.add_argument("--from-run", type=Path, help="finished run (default: artifacts/pretrain/<name>)")
    parser.add_argument(
        "--checkpoint",
        choices=["last", "best"],
        default="last",
        help="whose weights: the last step's, or those with the lowest held-out MLM loss (default: last)",
    )
    parser.add_argument("--license", metavar="NAME", help="licence of the weights, for example cc-by-sa-4.0")
    parser.add_argument("--license-file", type=Path, metavar="FILE", help="its text, to go along as LICENSE")
    parser.add_argument("--onnx", action="store_true", help=f"write {ONNX} too (needs hanbeot[onnx])")
    parser.add_argument("--int8", action="store_true", help=f"write {ONNX} and {INT8}, and say what 8 bits cost")
    parser.add_argument("--push", metavar="ORG/NAME", help="put the folder on the Hugging Face Hub, private")
    parser.add_argument("--public", action="store_true", help="with --push: for all to see")
    return parser


def _onnx_files(arguments: argparse.Namespace) -> tuple[str, ...]:
    files = (ONNX, INT8) if arguments.int8 else (ONNX,) if arguments.onnx else ()
    if files:
        need_onnx("--int8" if arguments.int8 else "--onnx")
    return files


def _check_push(lineage: Lineage, licence: Licence, *, public: bool) -> None:
    """Public needs to be able to say what it hands on; among few it is a warning."""
    reasons = reasons_against(lineage, licence)
    if reasons and public:
        raise InputError(f"--public: {'; '.join(reasons)}")
    for reason in reasons:
        warn(f"--push: {reason}; --public would be refused")


def _tell(manifest: Manifest, licence: Licence) -> None:
    if not licence.name:
        say("  licence of the weights not stated: --license NAME says it")
    onnx = manifest.figures.get("onnx")
    for name, score in (onnx or {}).get("scores", {}).items():
        say(f"  {name}: held-out MLM loss {score['loss']:.4f}, accuracy {score['accuracy']:.2%}")
    if onnx and onnx["gap"]:
        warn(onnx["gap"])


def export_run(
    run: Path, folder: Path, which: Which = "last", licence: Licence = NOT_STATED, onnx: tuple[str, ...] = ()
) -> tuple[Manifest, bool]:
    """The export artifact of a finished run; see `pipeline.artifact.build`. `onnx`: its ONNX files.

    Raises InputError if the best checkpoint is asked for and none was evaluated.
    """
    source = open_artifact(run, PRETRAIN)
    weights = f"{_checkpoint(run, source, which)}/{MODEL}"
    digest = source.files[weights]["sha256"]
    lineage = trace(run, source, _known_weights(folder, digest))
    inputs = {"model": digest, **{name: hash_file(run / name) for name in FILES}, "lineage": lineage.digest}
    settings = {"checkpoint": which, **licence.settings, **({"onnx": list(onnx)} if onnx else {})}

    def make(workspace: Path) -> Figures:
        config = BertConfig.from_json_file(str(run / "config.json"))
        model = BertForPreTraining(config).eval()
        load_model(model, run / weights, strict=True)
        model.save_pretrained(workspace)
        tokenizer = load_tokenizer(run)
        save_tokenizer(tokenizer, workspace, config.max_position_embeddings)
        check_folder(workspace, model, tokenizer, _held_out_lines(lineage))
        made = _write_onnx(model, workspace, onnx, lineage) if onnx else None
        pieces = frozenset(vocabulary_of(tokenizer))
        _write_beside(workspace, run, Card(lineage, config, licence, which, pieces, made))
        return {"parameters": model.num_parameters(), **({"onnx": made.figures} if made else {})}

    return build(folder, EXPORT.key(settings, {**inputs, **licence.inputs}), make)


def _checkpoint(run: Path, source: Manifest, which: Which) -> str:
    checkpoint: str | None = source.figures.get("checkpoint" if which == "last" else "best_checkpoint")
    if checkpoint is None:
        raise InputError(
            f"{run} does not know its best checkpoint, since none was evaluated on held-out text: "
            "export the last one (--checkpoint last), or train on a corpus with held-out text (corpus.held_out)"
        )
    return checkpoint


def _known_weights(folder: Path, digest: str) -> frozenset[str]:
    """sha256 of a checkpoint's weights, and of the file that an earlier export of it was asked as."""
    try:
        standing = read_manifest(folder)
    except InputError:
        standing = None
    if standing is None or standing.inputs.get("model") != digest or MODEL not in standing.files:
        return frozenset({digest})
    return frozenset({digest, standing.files[MODEL]["sha256"]})


def _held_out_lines(lineage: Lineage) -> Iterable[str]:
    corpus = lineage.corpus.folder
    return (line for document in read_documents(shards(corpus, "heldout")) for line in document) if corpus else ()


def _write_onnx(model: BertForPreTraining, folder: Path, files: tuple[str, ...], lineage: Lineage) -> OnnxResult:
    say("export: writing ONNX")
    difference = write_onnx(model, folder)
    if INT8 in files:
        write_int8(folder)
    return score_formats(model, folder, list(files), difference, lineage)


def _write_beside(folder: Path, run: Path, card: Card) -> None:
    """What goes along with the weights: model card, curves, recipe, attribution, licence."""
    (folder / "README.md").write_text(card.text, "utf-8")
    shutil.copyfile(run / PNG, folder / PNG)
    (folder / RECIPE).write_text(as_toml(recipe_of(card.lineage)), "utf-8")
    if card.lineage.attribution:
        (folder / ATTRIBUTION).write_text(card.lineage.attribution, "utf-8")
    if card.licence.file:
        shutil.copyfile(card.licence.file, folder / LICENSE)


if __name__ == "__main__":
    run_stage(main)
