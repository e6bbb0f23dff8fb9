"""The gates of an exported folder: read as its users will read it, and compared with what it was made from.

A difference is a fault of ours, so it raises RuntimeError, and nothing is published.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoModel,
    AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForPreTraining,
)

from pretrain.quiet import quiet

#: Loader -> (prefixes of weights it has no use for, prefixes of weights it makes up): its own head, no more.
_HEADS: dict[Any, tuple[tuple[str, ...], tuple[str, ...]]] = {
    BertForMaskedLM: (("cls.seq_relationship.", "bert.pooler."), ()),
    AutoModel: (("cls.",), ()),
    AutoModelForNextSentencePrediction: (("cls.predictions.",), ()),
    AutoModelForSequenceClassification: (("cls.",), ("classifier.",)),
    AutoModelForMultipleChoice: (("cls.",), ("classifier.",)),
    AutoModelForTokenClassification: (("cls.", "bert.pooler."), ("classifier.",)),
    AutoModelForQuestionAnswering: (("cls.", "bert.pooler."), ("qa_outputs.",)),
}
#: What tokenizers stumble over: Hanja, jamo, emoji, marks, masks, placeholders, white space, words too long.
LOOKS = (
    "이순신은 [MASK] 중기의 무신이다.",
    "그는 [MASK]를 샀다. ㅋㅋㅋ ㅠㅠ",
    "大韓民國은 민주공화국이다(헌법 제1조 1항).",
    "전화는 [PHONE], 메일은 [EMAIL] 😀👨‍👩‍👧",
    "  Größe\tnaïve\u3000ＡＢＣ １２３ \u200b끝 ",
    "가" * 120,
    "각\u1100\u1161\u11a8 ᄒᆞᆫ글 ①②½",
    "x",
)
#: Held-out lines that are compared besides.
_LINES = 200


def check_folder(folder: Path, model: BertForPreTraining, tokenizer: Tokenizer, lines: Iterable[str]) -> None:
    """Raise RuntimeError unless `folder` gives back `model`, in every class, and the ids of `tokenizer` on `lines`."""
    some = [*LOOKS, *islice(lines, _LINES)]
    with quiet():
        _check_tokenizer(folder, tokenizer, some)
        _check_logits(folder, model, some)
        for loader, (unused, made_up) in _HEADS.items():
            _load(folder, loader, unused, made_up)
    if (folder / "generation_config.json").exists():
        raise RuntimeError("the exported folder says how to generate text, which an encoder does not")


def _load(folder: Path, loader: Any, unused: tuple[str, ...] = (), made_up: tuple[str, ...] = ()) -> Any:
    """The folder's weights in a class of transformers; RuntimeError if others than these are missing or left over."""
    model, report = loader.from_pretrained(
        str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    allowed = {"missing_keys": made_up, "unexpected_keys": unused}
    wrong = {
        name: found
        for name, keys in report.items()
        if (found := [key for key in keys if not str(key).startswith(allowed.get(name, ()))])
    }
    if wrong:
        raise RuntimeError(f"the exported folder does not hold the model, says {loader.__name__}: {wrong}")
    return model.eval()


def _check_tokenizer(folder: Path, tokenizer: Tokenizer, lines: Sequence[str]) -> None:
    """Composed and decomposed, alone and as pairs."""
    auto = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    for line in lines:
        decomposed = unicodedata.normalize("NFD", line)
        expected = tokenizer.encode(line)
        pair = auto(line, decomposed)
        if not (
            auto(line)["input_ids"] == expected.ids
            and auto(decomposed)["input_ids"] == tokenizer.encode(decomposed).ids
            and pair["input_ids"] == tokenizer.encode(line, decomposed).ids
            and pair["token_type_ids"] == tokenizer.encode(line, decomposed).type_ids
        ):
            raise RuntimeError(f"AutoTokenizer reads {line!r} otherwise than the tokenizer that the model learned with")


@torch.no_grad()
def _check_logits(folder: Path, model: BertForPreTraining, lines: Sequence[str]) -> None:
    """Of a batch of pairs of different lengths, so that it is padded."""
    again = _load(folder, BertForPreTraining)
    auto = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    some = list(lines[:16])
    batch = auto(some, some[::-1], padding=True, truncation=True, return_tensors="pt")
    before, after = model.eval()(**batch), again(**batch)
    for name in ("prediction_logits", "seq_relationship_logits"):
        if not torch.equal(getattr(before, name), getattr(after, name)):
            raise RuntimeError(f"the exported model answers differently from its checkpoint ({name})")
