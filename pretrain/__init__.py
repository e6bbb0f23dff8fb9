"""Documents and a vocabulary to an encoder: examples, MLM + NSP pretraining, export, probe."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pretrain.text_dataset import TextDatasetForNextSentencePrediction

__all__ = ["TextDatasetForNextSentencePrediction"]


def __getattr__(name: str) -> object:
    """What old notebooks import from here; only then torch is imported, which most of these modules do without."""
    if name in __all__:
        return getattr(import_module("pretrain.text_dataset"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
