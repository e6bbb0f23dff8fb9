"""Flags that say what is learned from: the same for every stage that reads labelled rows."""

from __future__ import annotations

import argparse
from importlib.resources import files as packaged
from pathlib import Path

from finetune.data.known import TASKS
from finetune.data.read import Source
from finetune.job import Data
from pipeline.errors import InputError


def data_flags(parser: argparse.ArgumentParser) -> None:
    """Add the task, its files and its columns."""
    parser.add_argument(
        "--task", choices=sorted(TASKS), default="classification", help="a kind of task or a known data set"
    )
    parser.add_argument("--train", help="a file, a folder of text files by label, or hf:NAME (default: sample)")
    parser.add_argument("--dev", help="to choose the best by (default: a share of --train)")
    parser.add_argument("--test", help="scored once a run, at the end (default: a share of --train)")
    parser.add_argument("--text", metavar="COLUMN", help="column of the text (default: the task's, or text)")
    parser.add_argument("--pair", metavar="COLUMN", help="column of a second text (default: the task's, or none)")
    parser.add_argument("--label", metavar="COLUMN", help="column of the label (default: the task's, or label)")
    parser.add_argument("--encoding", default="utf-8", help="of text files: utf-8 or cp949 (default: utf-8)")


def read_data(arguments: argparse.Namespace) -> Data:
    """What they name; raises InputError if it is half of something."""
    train, dev, test = arguments.train, arguments.dev, arguments.test
    if train is None:
        if dev or test or arguments.task != "classification":
            raise InputError("name --train, too; none of --train, --dev, --test and --task is the sample")
        sample = Path(str(packaged("finetune") / "sample"))
        train, test = str(sample / "sentiment-train.tsv"), str(sample / "sentiment-test.tsv")
    columns = (arguments.text, arguments.pair, arguments.label)
    return Data(train, dev, test, Source(arguments.task, *columns, arguments.encoding))
