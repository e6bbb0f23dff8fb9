"""Answer with a fine-tuned model: a text typed in, or a file in and a file out.

    python -m finetune.predict --model artifacts/finetune/sample --text "..." [--pair "..."]
    python -m finetune.predict --model DIR --file reviews.tsv --out answers.jsonl

(make predict MODEL=DIR TEXT="..." or FILE=reviews.tsv OUT=answers.jsonl). Texts are cleaned and cut as in training
(`task.json`). Of a question, the passage is the text and the question its pair. Answers go to `--out` by its suffix
(.jsonl, .tsv or .csv), or to standard output, as a table where they are few, else as JSON lines. A file's rows come out
in their order, each with its line; those without text have no answer, and are told.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.answers import show_answers, write_answers
from finetune.data.cleaning import clean
from finetune.data.read import Source, read_unlabelled
from finetune.data.rows import Row, Rows
from finetune.forward import forward, load_for_use
from finetune.kinds.entities import Entities
from finetune.kinds.kind import Said
from finetune.kinds.passages import Passages
from finetune.results import prediction_lines
from finetune.taskfile import TaskFile, read_task
from pipeline.console import answer, progress, say, warn
from pipeline.errors import InputError
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.folder import check_vocabulary, load_folder_tokenizer, model_files
from pretrain.quiet import quiet

#: Rows that are answered at once: what is kept in memory besides the file.
CHUNK = 1024
#: Up to so many answers are shown as a table.
FEW = 20
_SUFFIXES = (".jsonl", ".tsv", ".csv")


@dataclass(frozen=True)
class Predictor:
    """A fine-tuned model, ready to answer."""

    task: TaskFile
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @staticmethod
    def load(folder: Path, *, cpu: bool = False) -> Predictor:
        """Read a folder that `make finetune` made; raises InputError if it is none, or is damaged."""
        model_files(folder)
        task = read_task(folder)
        with quiet():
            tokenizer = load_folder_tokenizer(folder)
            model = load_for_use(folder, task.kind_of_task.loader, cpu=cpu)
        check_vocabulary(folder, model, tokenizer)
        return Predictor(task, model, tokenizer)

    def answers(self, rows: Rows) -> Iterator[Said]:
        """One answer a row, in their order; raises InputError for rows of one text where the task has two."""
        for begin in range(0, len(rows), CHUNK):
            part = tuple(self._checked(rows, row) for row in rows.rows[begin : begin + CHUNK])
            yield from self._answers(self._cleaned(Rows(rows.path, part)))

    def _cleaned(self, rows: Rows) -> Rows:
        """As in training; where answers are places in the text it stays as it is, the spaces before it too."""
        if isinstance(self.task.kind_of_task, Entities | Passages):
            return rows
        return clean(rows, self.task.cleaning, keep=True)[0]

    def _checked(self, rows: Rows, row: Row) -> Row:
        if (row.pair is None) != (self.task.pair is None):
            wanted = "two texts a row: give --pair, too" if self.task.pair else "one text a row: leave --pair out"
            raise InputError(f"{rows.path}, {row.place}: the model was taught on {wanted}")
        return replace(row, target=None)

    def _answers(self, rows: Rows) -> list[Said]:
        kind, names = self.task.kind_of_task, self.task.names
        with quiet():
            encoded = kind.encode(self.tokenizer, rows, names, self.task.reading)
            found = forward(self.model, self.tokenizer, encoded.examples, _logits)
        outputs = tuple(_filled([parts[place] for parts in found]) for place in range(len(found[0])))
        return kind.answers(outputs, encoded, names)


def main(argv: list[str] | None) -> None:
    """Parse the command line, answer, print or write."""
    arguments = _parser().parse_args(argv)
    if (arguments.text is None) == (arguments.file is None):
        raise InputError("give --text or --file")
    if arguments.file is not None and arguments.pair is not None:
        raise InputError("--pair goes with --text; of a file name the column with --pair-column")
    if arguments.out:
        _check_out(arguments.out, arguments.file)
    predictor = Predictor.load(
        arguments.model or artifact_folder(arguments, "finetune", read_recipe(arguments)), cpu=arguments.cpu
    )
    rows = _rows(arguments, predictor.task)
    if rows.skipped:
        warn(f"{rows.path}: {len(rows.skipped):,} rows without text have no answer ({rows.skipped[0]} ...)")
    said: list[Said] = []
    with progress("predict", len(rows), quiet=len(rows) <= FEW) as advance:
        for one in predictor.answers(rows):
            said.append(one)
            advance(1)
    if arguments.out:
        write_answers(arguments.out, rows, said, predictor.task.names)
        say(f"predict: {len(said):,} answers -> {arguments.out}")
    elif len(rows) <= FEW and not arguments.json:
        show_answers(rows, said, predictor.task)
    else:
        for line in prediction_lines(rows, said, predictor.task.names):
            answer(line)


def _rows(arguments: argparse.Namespace, task: TaskFile) -> Rows:
    if arguments.file is not None:
        columns = (arguments.text_column or task.text, arguments.pair_column or task.pair, task.label)
        return read_unlabelled(arguments.file, Source(task.task, *columns, arguments.encoding))
    for name, text in (("--text", arguments.text), ("--pair", arguments.pair)):
        if text is not None and not text.strip():
            raise InputError(f"{name} is empty")
    return Rows(Path("--text"), (Row(arguments.text, arguments.pair, None, "the text", "text"),))


def _check_out(out: Path, file: str | None) -> None:
    """Raise InputError for a place that answers cannot be written to, before there are any."""
    if out.suffix not in _SUFFIXES:
        raise InputError(f"--out {out}: name it {', '.join(f'*{suffix}' for suffix in _SUFFIXES)}")
    if out.is_dir():
        raise InputError(f"--out {out} is a folder; name a file")
    if file is not None and out.resolve() == Path(file).resolve():
        raise InputError(f"--out and --file are both {out}; the answers would replace the rows")


def _logits(outputs: object, inputs: object, place: int) -> tuple[np.ndarray, ...]:
    heads = [outputs[name] for name in ("logits", "start_logits", "end_logits") if name in outputs]  # type: ignore[index,operator]
    return tuple(head[place].cpu().double().numpy() for head in heads)


def _filled(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of different lengths as one array; what is filled up is no answer's."""
    longest = max(len(row) for row in rows)
    return np.stack([np.pad(row, [(0, longest - len(row)), *[(0, 0)] * (row.ndim - 1)]) for row in rows])


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("finetune.predict", "Answer with a fine-tuned model.")
    parser.add_argument("--model", type=Path, help="a fine-tuned folder (default: artifacts/finetune/<name>)")
    parser.add_argument("--text", help="a text (of a question: the passage)")
    parser.add_argument("--pair", help="the second text (of a question: the question)")
    parser.add_argument("--file", help="a file of rows, or a folder of texts")
    parser.add_argument("--text-column", metavar="COLUMN", help="column of the text (default: as in training)")
    parser.add_argument("--pair-column", metavar="COLUMN", help="column of the second text (default: as in training)")
    parser.add_argument("--encoding", default="utf-8", help="of a text file: utf-8 or cp949 (default: utf-8)")
    parser.add_argument("--out", type=Path, help=".jsonl, .tsv or .csv (default: standard output)")
    parser.add_argument("--json", action="store_true", help="print JSON lines, however few")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    return parser


if __name__ == "__main__":
    run_stage(main)
