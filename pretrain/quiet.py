"""Other libraries' own console output, switched off while we print ours.

transformers reports every weight that a new classification head lacks, bars for loading and writing, and
lengths past a tokenizer's limit. What of that matters is checked or counted here and said by us.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging as hugging_face


def silence() -> None:
    """Only errors of transformers are printed from now on: for a command whose whole output is ours."""
    hugging_face.set_verbosity_error()
    hugging_face.disable_progress_bar()


@contextmanager
def quiet() -> Iterator[None]:
    """Only errors of transformers are printed inside; afterwards all is as it was."""
    verbosity, bars = hugging_face.get_verbosity(), hugging_face.is_progress_bar_enabled()
    silence()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"transformers\.")
            yield
    finally:
        hugging_face.set_verbosity(verbosity)
        if bars:
            hugging_face.enable_progress_bar()


@contextmanager
def quiet_onnx() -> Iterator[None]:
    """Exporter and quantiser speak of optional packages and of their own workings."""
    loggers = [logging.getLogger(name) for name in ("", "torch.onnx", "torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
