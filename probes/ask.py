"""Stage `probe`: ask a model what stands in the gaps of a text.

    python -m probes.ask --model artifacts/export/law --text "이순신은 [MASK] 중기의 무신이다."
    python -m probes.ask --text "세종은 [GAP]을 만들었다." --compare artifacts/export/other
    python -m probes.ask --file texts.txt --json

(make probe TEXT="...", with MODEL=, COMPARE= and FILE=). [MASK] is a gap for one piece, [GAP] (or [빈칸]) for a whole
word; what is glued to either goes on with the word.

Answers on standard output; `--json` as JSON, `--out DIR` also writes `report.json` and `report.md` there. All texts are
looked at before the first is answered.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.console import answer, visible, warn
from pipeline.errors import InputError
from pipeline.files import write_atomic
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.quiet import silence
from probes.answers import as_json, as_markdown, show
from probes.fillmask import Answer, encode, fill
from probes.model import MaskedModel
from probes.opening import in_words_of, names_of, open_model
from probes.texts import read_texts

#: Answers for a gap; as many beginnings of a word are followed up at once.
MOST_ANSWERS = 1000
TEXT = "이순신은 [MASK] 중기의 무신이다."


def main(argv: list[str] | None) -> None:
    """Parse the command line, fill the gaps, print the answers."""
    arguments = _parser().parse_args(argv)
    if not 1 <= arguments.top <= MOST_ANSWERS:
        raise InputError(f"--top: at least 1, at most {MOST_ANSWERS:,}")
    silence()
    folders = [arguments.model or artifact_folder(arguments, "export", read_recipe(arguments)), *arguments.compare]
    names = names_of(folders)
    texts = list(_texts(arguments))
    models = [open_model(folder) for folder in folders]
    asked = [[in_words_of(model, models[0], text) for model in models] for _, text in texts]
    for (place, _), of_text in zip(texts, asked, strict=True):
        for model, text in zip(models, of_text, strict=True):
            _check(model, place, text)
    answers = []
    for of_text in asked:
        answers.append([fill(model, text, arguments.top) for model, text in zip(models, of_text, strict=True)])
        _warn(names, answers[-1])
        if not arguments.json:
            show(names, answers[-1])
    if arguments.json:
        answer(as_json(names, answers))
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_atomic(arguments.out / "report.json", as_json(names, answers) + "\n")
        write_atomic(arguments.out / "report.md", "\n".join(as_markdown(names, found) for found in answers))


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("probes.ask", "Fill the gaps of a text with an exported model.")
    parser.add_argument("--model", type=Path, help="a Hugging Face folder (default: artifacts/export/<name>)")
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        help=f"a text with [MASK] (one piece) or [GAP] (a whole word); may be given often (default: {TEXT})",
    )
    parser.add_argument(
        "--file", type=Path, action="append", default=[], help='one text a line, or .jsonl with {"text": ...}'
    )
    parser.add_argument(
        "--compare", type=Path, action="append", default=[], help="another folder, side by side; may be given often"
    )
    parser.add_argument("--top", type=int, default=5, help="answers for each gap (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--out", type=Path, help="folder for report.json and report.md")
    return parser


def _texts(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """(what to call it where there are several, text) of every text that is asked about."""
    typed = arguments.text or ([] if arguments.file else [TEXT])
    for number, text in enumerate(typed, 1):
        yield (f"text {number}" if len(typed) > 1 or arguments.file else ""), text
    for path in arguments.file:
        yield from read_texts(path)


def _check(model: MaskedModel, place: str, text: str) -> None:
    try:
        encode(model, text)
    except InputError as error:
        raise InputError(f"{place}: {error}" if place else str(error)) from None


def _warn(names: Sequence[str], of_text: Sequence[Answer]) -> None:
    for name, found in zip(names, of_text, strict=True):
        if found.unknown:
            told = ", ".join(
                f"{visible(one)} (U+{ord(one):04X})" if len(one) == 1 else visible(one)
                for one in found.unknown_characters[:10]
            )
            pieces = visible(" ".join(found.pieces[:60]))
            warn(f"{found.unknown} token(s) of the text are unknown to {visible(name)}, for {told}: {pieces}")


if __name__ == "__main__":
    run_stage(main)
