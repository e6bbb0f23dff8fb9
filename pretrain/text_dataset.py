"""`TextDatasetForNextSentencePrediction`, which transformers 5 removed, on top of the token store and the pair plan.

A notebook that was written for it changes its import and goes on:

    from pretrain import TextDatasetForNextSentencePrediction  # was: from transformers import ...

Beside the text file lies `.nsp_cache/<file>-<hash>-<block>/`: token store and plan, an artifact like any other. What it
was made from (the text's sha256, the tokenizer, the settings) is checked each time, so it is not stale. The code of a
tokenizer written in Python cannot be hashed: for it stand the ids of the first 200 sentences.
"""

from __future__ import annotations

import hashlib
import operator
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch.utils.data import Dataset

from pipeline.artifact import Figures, Kind, build, open_artifact, read_manifest
from pipeline.console import progress
from pipeline.errors import InputError
from pipeline.files import link_or_copy
from pipeline.recipe import as_table
from pretrain.any_tokenizer import Encode, Frame, frame_of, identity_of, largest_vocab_size, need_words
from pretrain.bert_text import documents_of, hash_text, need, need_documents, sample_of
from pretrain.nsp import ALONE, PairPlan
from pretrain.plans import PLAN, load_plan, write_plan
from pretrain.settings import ExamplesSettings
from pretrain.tokens import TokenStore, open_store, store_files, write_store

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Item = dict[str, torch.Tensor]
Ids = NDArray[np.int64]

#: What lies in the cache. Its format is raised when the same text and tokenizer give other tokens.
CACHE = Kind("nsp_dataset", 1, "TextDatasetForNextSentencePrediction(tokenizer, file_path, block_size)")
_SPLIT = "text"
#: The fewest text tokens that a pair is drawn for.
_FEWEST = 5


class TextDatasetForNextSentencePrediction(Dataset[Item]):
    """Pairs of segments for BERT's next-sentence prediction, from a text file: one sentence a line, blank lines between
    documents, UTF-8.

        from pretrain import TextDatasetForNextSentencePrediction

        dataset = TextDatasetForNextSentencePrediction(tokenizer, "corpus.txt", block_size=128)
        dataset[0]  # {"input_ids": ..., "token_type_ids": ..., "next_sentence_label": ...}

    Takes what the class of transformers 4 took, and gives the same: `input_ids` and `token_type_ids` (tokens,) and
    `next_sentence_label` (), all torch.long; 0 where the second segment follows the first, 1 where it is from another
    document. The tokenizer may be any of transformers', fast or slow; its own special tokens frame the pair. `examples`
    is what it was, but cannot be written to. What differs:

    * No item is longer than `block_size`, and blocks are filled wherever a document is long enough.
    * A random second segment is never from the same document, and `nsp_probability` of all pairs are random.
    * The pairs are a function of `seed`, and the same ones every epoch, as they were. (`make pretrain` draws new ones.)
    * The cache is made anew when text, tokenizer or arguments change. It lies in a hidden folder beside the text, or
      in `cache_dir`: one for each text and block size. It is mapped, not read: memory does not grow with the text.
    * Blank lines may stand anywhere. With `nsp_probability=0` a document of one sentence gives no pair.

    Raises InputError for a file that is absent, not UTF-8 or not divided into documents, for a cache that cannot be
    written, and for a tokenizer that knows no words.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        file_path: str | Path,
        block_size: int,
        overwrite_cache: bool = False,
        short_seq_probability: float = 0.1,
        nsp_probability: float = 0.5,
        *,
        seed: int = 0,
        cache_dir: Path | None = None,
    ) -> None:
        path = Path(file_path).absolute()
        if not path.is_file():
            raise InputError(
                f"no file {file_path}: give a text with one sentence a line and blank lines between documents"
            )
        for name, share in (("short_seq_probability", short_seq_probability), ("nsp_probability", nsp_probability)):
            if not 0 <= share <= 1:
                raise InputError(f"{name} {share} is no probability: give a number from 0 to 1")
        self.tokenizer = tokenizer
        self.short_seq_probability, self.nsp_probability = short_seq_probability, nsp_probability
        need_words(tokenizer)
        need_documents(path, 2 if nsp_probability else 1)
        frame = frame_of(tokenizer, sample_of(path))
        text_tokens = operator.index(block_size) - frame.size
        if text_tokens < _FEWEST:
            raise InputError(
                f"block_size {block_size} leaves {text_tokens} tokens of text: at least {_FEWEST} are needed"
            )
        settings = ExamplesSettings(
            block_size=text_tokens + 3,  # a plan counts [CLS] and two [SEP], whatever the frame is
            objective="nsp",
            short_seq_probability=float(short_seq_probability),
            nsp_probability=float(nsp_probability),
            random_segments="text",
            duplicate_epochs=1,
            seed=operator.index(seed),
        )
        place = path.parent / ".nsp_cache" if cache_dir is None else Path(cache_dir).absolute()
        # Texts of one name from several folders may share a cache_dir.
        mark = hashlib.sha256(str(path if cache_dir else path.name).encode()).hexdigest()[:8]
        folder = place / f"{path.name[:40]}-{mark}-{block_size}"
        self.examples: Sequence[Item] = _Cache(tokenizer, path, settings, folder).open(frame, overwrite_cache)

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Item:
        """One example; raises IndexError past the end."""
        return self.examples[index]


class Examples(Sequence[Item]):
    """Items made when they are asked for. A worker process opens the files again instead of receiving a copy."""

    def __init__(self, folder: Path, content: str, vocab_size: int, frame: Frame) -> None:
        found = read_manifest(folder)
        if found is None or found.content != content:
            raise InputError(
                f"{folder} was replaced while it was in use: run this again, and give each of several data sets of one "
                "text its own cache_dir"
            )
        self._made_by = folder, content, vocab_size, frame
        self._store: TokenStore = open_store(folder, _SPLIT, vocab_size)
        self._plan: PairPlan = load_plan(folder / "plan.npy")
        self._frame = frame

    def __reduce__(self) -> tuple[type[Examples], tuple[Path, str, int, Frame]]:
        return Examples, self._made_by

    def __len__(self) -> int:
        return len(self._plan)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        """One item, or a list of those of a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        row = self._plan[operator.index(index)]
        store, a, b = self._store.ids, int(row["a_start"]), int(row["b_start"])
        ids, types = self._frame.around(store[a : a + int(row["a_len"])], store[b : b + int(row["b_len"])])
        return {
            "input_ids": torch.from_numpy(ids),
            "token_type_ids": torch.from_numpy(types),
            "next_sentence_label": torch.tensor(int(row["label"]), dtype=torch.long),
        }


@dataclass(frozen=True)
class _Cache:
    """The cache of a text, `folder`: made if it is not that of this tokenizer and these settings."""

    tokenizer: PreTrainedTokenizerBase
    path: Path
    settings: ExamplesSettings
    folder: Path

    def open(self, frame: Frame, overwrite: bool) -> Examples:
        """The examples. Of several processes one makes them, the others wait."""
        text = hash_text(self.path)
        inputs = {"text": text, "tokenizer": identity_of(self.tokenizer, sample_of(self.path))}
        key = CACHE.key({"examples": as_table(self.settings), "plan": PLAN.format}, inputs)
        make = partial(self._make, inputs=inputs, overwrite=overwrite)
        vocab_size = largest_vocab_size(self.tokenizer)
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder.parent / f".{self._text_name}.lock"):
                if overwrite or not _whole(self.folder):
                    shutil.rmtree(self.folder, ignore_errors=True)
                manifest, _ = build(self.folder, key, make)
                return Examples(self.folder, manifest.content, vocab_size, frame)
        except OSError as error:
            standing = None if overwrite or not _whole(self.folder) else read_manifest(self.folder)
            if standing is not None and standing.made_from == key.made_from:
                return Examples(self.folder, standing.content, vocab_size, frame)
            raise InputError(
                f"cannot write {self.folder} ({error.strerror or error}): name a folder for it, "
                "TextDatasetForNextSentencePrediction(..., cache_dir=FOLDER)"
            ) from error

    @property
    def _text_name(self) -> str:
        """What the names of all caches of this text begin with."""
        return self.folder.name.rpartition("-")[0]

    def _make(self, workspace: Path, inputs: dict[str, str], overwrite: bool) -> Figures:
        vocab_size = largest_vocab_size(self.tokenizer)
        tokens = None if overwrite else self._tokens_at_hand(inputs)
        for path in store_files(tokens, _SPLIT) if tokens else ():
            link_or_copy(path, workspace / path.name)
        if tokens:
            store = open_store(workspace, _SPLIT, vocab_size)
        else:
            encode = Encode(self.tokenizer, vocab_size)
            with progress(f"sentences of {self.path.name}", 0) as advance:
                store = write_store(documents_of(self.path), encode, vocab_size, workspace, _SPLIT, progress=advance)
        need(2 if self.settings.nsp_probability else 1, store.document_count, self.path)
        pairs = _write_pairs(store, self.settings, workspace / "plan.npy")
        if not pairs:
            raise InputError(f"{self.path} gives no pair: with nsp_probability=0 a document needs two sentences")
        if hash_text(self.path) != inputs["text"]:
            raise InputError(f"{self.path} was changed while it was being read: run this again")
        return {"documents": store.document_count, "tokens": len(store.ids), "pairs": pairs}

    def _tokens_at_hand(self, inputs: dict[str, str]) -> Path | None:
        """A cache of the same text and tokenizer under other settings, or of another block size."""
        for folder in sorted(self.folder.parent.iterdir()):
            if folder.name.rpartition("-")[0] == self._text_name and _whole(folder, inputs):
                return folder
        return None


def _whole(folder: Path, inputs: dict[str, str] | None = None) -> bool:
    """Whether a cache stands there undamaged (and is made from `inputs`)."""
    try:
        found = read_manifest(folder)
        if found is None or inputs not in (None, dict(found.inputs)):
            return False
        open_artifact(folder, CACHE)
    except InputError:
        return False
    return True


def _write_pairs(store: TokenStore, settings: ExamplesSettings, path: Path) -> int:
    """Write the plan; a document of one sentence that may have no random B gives no pair."""
    write_plan(store, settings, 0, path)
    plan = load_plan(path)
    paired = plan["label"] != ALONE
    if not paired.all():
        pairs = np.array(plan[paired])
        del plan
        np.save(path, pairs, allow_pickle=False)
    return int(paired.sum())
