"""Stage `probe`: ask a model what stands behind [MASK].

    python -m probes.ask --model artifacts/export/law --text "이순신은 [MASK] 중기의 무신이다."

(make probe TEXT="...").

Answers on standard output; `--json` as JSON, `--out DIR` also writes `report.json` and `report.md` there.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import transformers

from pipeline.console import answer, table, warn
from pipeline.errors import InputError
from pipeline.files import write_atomic
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from probes.fillmask import Answer, fill
from probes.model import MaskedModel

TEXT = "이순신은 [MASK] 중기의 무신이다."
_BAR = 20


def main(argv: list[str] | None) -> None:
    """Parse the command line, fill the masks, print the answers."""
    parser = stage_parser("probes.ask", "Fill the masks of a text with an exported model.")
    parser.add_argument("--model", type=Path, help="a Hugging Face folder (default: artifacts/export/<name>)")
    parser.add_argument("--text", action="append", help=f"a text with [MASK]; may be given often (default: {TEXT})")
    parser.add_argument("--top", type=int, default=5, help="answers for each mask (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--out", type=Path, help="folder for report.json and report.md")
    arguments = parser.parse_args(argv)
    if arguments.top < 1:
        raise InputError("--top: at least 1")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    recipe = read_recipe(arguments)
    model = MaskedModel(arguments.model or artifact_folder(arguments, "export", recipe))
    answers = [fill(model, text, arguments.top) for text in arguments.text or [TEXT]]
    for found in answers:
        if found.unknown:
            warn(f"{found.unknown} token(s) of the text are unknown to the model: {' '.join(found.pieces)}")
    as_json = json.dumps([asdict(found) for found in answers], ensure_ascii=False, indent=1)
    if arguments.json:
        answer(as_json)
    else:
        for found in answers:
            _show(found)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_atomic(arguments.out / "report.json", as_json + "\n")
        write_atomic(arguments.out / "report.md", "\n".join(map(as_markdown, answers)))


def _show(found: Answer) -> None:
    for number, guesses in enumerate(found.gaps, 1):
        title = found.text if len(found.gaps) == 1 else f"{found.text}  (gap {number})"
        rows = [
            (str(rank), guess.piece, f"{guess.probability:.1%}", "█" * round(guess.probability * _BAR))
            for rank, guess in enumerate(guesses, 1)
        ]
        table(title, ("", "piece", "probability", ""), rows, stdout=True)


def as_markdown(found: Answer) -> str:
    """An answer as a Markdown table."""
    lines = []
    for number, guesses in enumerate(found.gaps, 1):
        lines += [f"`{found.text}`, gap {number}", "", "| rank | piece | probability |", "|---|---|---|"]
        lines += [f"| {rank} | {guess.piece} | {guess.probability:.1%} |" for rank, guess in enumerate(guesses, 1)]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(main)
