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
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.data.cleaning import clean
from finetune.data.read import Source, read_unlabelled
from finetune.data.rows import Row, Rows
from finetune.forward import forward, load_for_use
from finetune.kinds.kind import Said
from finetune.results import prediction_lines, told
from finetune.taskfile import TaskFile, read_task
from pipeline.console import answer, progress, say, table, visible, warn
from pipeline.errors import InputError
from pipeline.files import write_atomic
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.folder import check_vocabulary, load_folder_tokenizer, model_files
from pretrain.quiet import quiet

#: Rows that are answered at once: what is kept in memory besides the file.
CHUNK = 1024
#: Up to so many answers are shown as a table.
FEW = 20
_SUFFIXES = (".jsonl", ".tsv", ".csv")
_BAR = 20


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
            yield from self._answers(clean(Rows(rows.path, part), self.task.cleaning, keep=True)[0])

    def _checked(self, rows: Rows, row: Row) -> Row:
        if (row.pair is None) != (self.task.pair is None):
            wanted = "two texts" if self.task.pair else "one text"
            raise InputError(f"{rows.path}, {row.place}: the model was taught on {wanted} a row")
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
    if arguments.out and arguments.out.suffix not in _SUFFIXES:
        raise InputError(f"--out {arguments.out}: name it {', '.join(f'*{suffix}' for suffix in _SUFFIXES)}")
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
        _write(arguments.out, rows, said, predictor.task.names)
        say(f"predict: {len(said):,} answers -> {arguments.out}")
    elif len(rows) <= FEW and not arguments.json:
        _show(rows, said, predictor.task)
    else:
        for line in prediction_lines(rows, said, predictor.task.names):
            answer(line)


def _rows(arguments: argparse.Namespace, task: TaskFile) -> Rows:
    if arguments.file is not None:
        source = Source(task.task, arguments.text_column or task.text, arguments.pair_column or task.pair, None)
        return read_unlabelled(arguments.file, source)
    for name, text in (("--text", arguments.text), ("--pair", arguments.pair)):
        if text is not None and not text.strip():
            raise InputError(f"{name} is empty")
    return Rows(Path("--text"), (Row(arguments.text, arguments.pair, None, "the text", "text"),))


def _logits(outputs: object, inputs: object, place: int) -> tuple[np.ndarray, ...]:
    heads = [outputs[name] for name in ("logits", "start_logits", "end_logits") if name in outputs]  # type: ignore[index,operator]
    return tuple(head[place].double().cpu().numpy() for head in heads)


def _filled(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of different lengths as one array; what is filled up is no answer's."""
    longest = max(len(row) for row in rows)
    return np.stack([np.pad(row, [(0, longest - len(row)), *[(0, 0)] * (row.ndim - 1)]) for row in rows])


def _show(rows: Rows, said: Sequence[Said], task: TaskFile) -> None:
    if len(rows) == 1 and said[0].probabilities:
        order = sorted(zip(said[0].probabilities, task.names, strict=True), reverse=True)
        cells = [(name, f"{share:.1%}", "█" * round(share * _BAR)) for share, name in order[:FEW]]
        table(visible(rows.rows[0].text[:60]), ("class", "probability", ""), cells, stdout=True)
        return
    cells = [
        (visible(row.text[:50]), visible(told(one.answer, row.text)), f"{one.confidence:.1%}")
        for row, one in zip(rows.rows, said, strict=True)
    ]
    table(f"{task.task}", ("text", "answer", "confidence"), cells, stdout=True)


def _write(path: Path, rows: Rows, said: Sequence[Said], names: Sequence[str]) -> None:
    lines = prediction_lines(rows, said, names)
    if path.suffix == ".jsonl":
        write_atomic(path, "".join(f"{line}\n" for line in lines))
        return
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
    writer.writerow(("name", "text", *(("pair",) if rows.rows[0].pair is not None else ()), "answer", "confidence"))
    for cells in _cells(lines, rows, said):
        writer.writerow(cells)
    write_atomic(path, stream.getvalue())


def _cells(lines: Iterable[str], rows: Rows, said: Sequence[Said]) -> Iterator[tuple[str, ...]]:
    for line, row, one in zip(lines, rows.rows, said, strict=True):
        texts = (row.text,) if row.pair is None else (row.text, row.pair)
        simple = isinstance(one.answer, str | float)
        told = one.answer if simple else json.dumps(json.loads(line)["answer"], ensure_ascii=False)
        yield row.name, *texts, str(told), f"{one.confidence:.6f}"


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("finetune.predict", "Answer with a fine-tuned model.")
    parser.add_argument("--model", type=Path, help="a fine-tuned folder (default: artifacts/finetune/<name>)")
    parser.add_argument("--text", help="a text (of a question: the passage)")
    parser.add_argument("--pair", help="the second text (of a question: the question)")
    parser.add_argument("--file", help="a file of rows, or a folder of texts")
    parser.add_argument("--text-column", metavar="COLUMN", help="column of the text (default: as in training)")
    parser.add_argument("--pair-column", metavar="COLUMN", help="column of the second text (default: as in training)")
    parser.add_argument("--out", type=Path, help=".jsonl, .tsv or .csv (default: standard output)")
    parser.add_argument("--json", action="store_true", help="print JSON lines, however few")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    return parser


if __name__ == "__main__":
    run_stage(main)
