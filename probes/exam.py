"""What the probes that mark a model share: whom they ask, about which held-out text, and who stands beside.

A mark says little by itself, so each probe asks the same shape with random weights too, and any other folder that is
named by `--beside`.
"""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from corpora.document import CORPUS, read_documents, shards
from pipeline.artifact import Figures, open_artifact
from pipeline.errors import InputError
from pipeline.files import hash_file
from pipeline.recipe import Recipe
from pipeline.stage import artifact_folder, positive, stage_parser
from pretrain.folder import model_files
from pretrain.quiet import silence
from probes.model import MaskedModel
from probes.opening import check_exported

#: Name of the same shape with random weights in tables and figures.
RANDOM = "random weights"


@dataclass(frozen=True)
class Share:
    """`right` of `of` answers."""

    right: int
    of: int

    @property
    def share(self) -> float:
        """Of 1; 0 for no answers."""
        return self.right / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share (Wilson 1927); (0, 1) for no answers."""
        if not self.of:
            return 0.0, 1.0
        found = binomtest(self.right, self.of).proportion_ci(method="wilson")
        return float(found.low), float(found.high)

    def figures(self, name: str) -> Figures:
        """Flat, for a manifest: the share by its name, then `_low`, `_high` and `_of`."""
        low, high = self.interval
        return {
            name: round(self.share, 4),
            f"{name}_low": round(low, 4),
            f"{name}_high": round(high, 4),
            f"{name}_of": self.of,
        }


@dataclass(frozen=True)
class Exam:
    """Who is asked about what.

    documents: held-out documents of sentences, in their order. inputs: content of all that decides the outcome, for
    an artifact's key.
    """

    model: Path
    beside: tuple[Path, ...]
    random_weights: bool
    documents: tuple[tuple[str, ...], ...]
    items: int
    seed: int
    inputs: dict[str, str]

    def models(self) -> Iterator[tuple[str, MaskedModel]]:
        """Name and model, one after the other: the one that is asked, the others beside it, random weights."""
        yield self.model.name, MaskedModel(self.model)
        for folder in self.beside:
            yield folder.name, MaskedModel(folder)
        if self.random_weights:
            yield RANDOM, MaskedModel(self.model, random_weights=self.seed)

    def draw(self, population: int) -> list[int]:
        """At most `items` of `population` things, in their order: a function of the seed."""
        generator = np.random.Generator(np.random.Philox(self.seed))
        return sorted(int(number) for number in generator.permutation(population)[: self.items])


def exam_parser(module: str, purpose: str, items: int) -> argparse.ArgumentParser:
    """A parser for a probe that marks models on held-out text, `items` of it unless told otherwise."""
    parser = stage_parser(module, purpose)
    add_models(parser, "which of it, and random weights (default: 0)")
    parser.add_argument(
        "--corpus", type=Path, help="corpus artifact with held-out text (default: artifacts/corpus/<name>)"
    )
    parser.add_argument(
        "--text", type=Path, help="ask about this text instead: a sentence a line, documents between blank lines"
    )
    parser.add_argument("--items", type=positive, default=items, help=f"most that is asked (default: {items:,})")
    return parser


def add_models(parser: argparse.ArgumentParser, seed: str) -> None:
    """The flags that say who is asked, and by which seed; `seed`: what that decides."""
    parser.add_argument("--model", type=Path, help="a Hugging Face folder (default: artifacts/export/<name>)")
    parser.add_argument("--beside", type=Path, action="append", default=[], help="another folder; may be given often")
    parser.add_argument("--no-random-weights", action="store_true", help="do not ask the same shape untrained")
    parser.add_argument("--seed", type=_seed, default=0, help=seed)


def _seed(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is not a number from 0 on")
    return number


def read_exam(arguments: argparse.Namespace, recipe: Recipe, held_out: bool = True) -> Exam:
    """The exam that a command line asks for; raises InputError if model or text are absent, or two share a name.

    Without `held_out` nothing is read but the models: what they are asked comes from elsewhere.
    """
    silence()
    model = _named(Path(arguments.model or artifact_folder(arguments, "export", recipe)))
    folders = (model, *map(_named, arguments.beside))
    names = [folder.name for folder in folders]
    if len({*names, RANDOM}) != len(names) + 1:
        raise InputError(f"the models are told apart by their folders' names, and these are alike: {', '.join(names)}")
    for folder in folders:
        check_exported(folder)
    inputs = {f"{folder.name}/{path.name}": hash_file(path) for folder in folders for path in model_files(folder)}
    documents: tuple[tuple[str, ...], ...] = ()
    if not held_out:
        pass
    elif arguments.text:
        documents = _documents([arguments.text])
        inputs["text"] = hash_file(arguments.text)
    else:
        corpus = arguments.corpus or artifact_folder(arguments, CORPUS.stage, recipe)
        inputs["corpus"] = open_artifact(corpus, CORPUS).content
        documents = _documents(shards(corpus, "heldout"))
    if held_out and not documents:
        raise InputError("there is no held-out text to ask about: name one with --text, or set corpus.held_out above 0")
    return Exam(
        model,
        folders[1:],
        not arguments.no_random_weights,
        documents,
        arguments.items,
        arguments.seed,
        inputs,
    )


def _named(folder: Path) -> Path:
    """A folder by a path that ends in its name: `.` has none."""
    return folder.resolve() if folder.name in ("", "..") else folder


def _documents(paths: list[Path]) -> tuple[tuple[str, ...], ...]:
    try:
        return tuple(document for lines in read_documents(paths) for document in _clean(lines))
    except FileNotFoundError as error:
        raise InputError(f"no such file: {error.filename}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{paths[0]} is not UTF-8 text: {error}") from None


def _clean(lines: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Sentences in NFC; a line of white space ends a document too, as every blank line of a file from Windows does."""
    sentences = (unicodedata.normalize("NFC", line.removeprefix("\ufeff")).strip() for line in lines)
    return (tuple(some) for there, some in groupby(sentences, bool) if there)
