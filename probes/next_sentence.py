"""Stage `nextsentence`: does a model's head for pairs know what follows what.

    python -m probes.next_sentence --model artifacts/export/law                       (make nextsentence)
    python -m probes.next_sentence --model artifacts/export/law --first "비가 왔다." --second "우산을 폈다."

Asks about held-out pairs (`probes.sentence_pairs` says how they are made) and writes `artifacts/nextsentence/<name>/`:
`items.jsonl`, `report.md`, figures in the manifest. With `--first` and `--second` it shows the probability that the one
follows the other, and writes nothing.

* accuracy: pairs, true and wrong ones as many, that are judged right at a probability of 0.5;
* preferred: places where the true segment is more probable than the wrong one, which asks for no threshold.

Beside them stands what lengths alone give away: a small decision tree on the lengths of A and B, cross-validated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from pipeline.artifact import Figures, Kind, build
from pipeline.console import say, table, warn
from pipeline.errors import InputError
from pipeline.stage import artifact_folder, positive, read_recipe, run_stage
from probes.exam import RANDOM, Exam, Share, exam_parser, read_exam
from probes.sentence_pairs import Objective, Pair, PairModel, draw_pairs, objective_of
from tokenizer.markdown import cell
from tokenizer.markdown import table as markdown_table

#: What this stage makes.
NEXT_SENTENCE = Kind("nextsentence", 1, "make nextsentence")
#: Name of the baseline in tables and figures.
LENGTH = "length alone"
_FOLDS = 5
_SHOWN = 20


def main(argv: list[str] | None) -> None:
    """Parse the command line, ask the models if that is not done, print what came out."""
    parser = exam_parser("probes.next_sentence", "Ask a model which sentence follows which.", 1000)
    parser.add_argument("--sentences", type=positive, default=1, help="most sentences of a segment (default: 1)")
    parser.add_argument(
        "--objective", choices=["nsp", "sop"], help="what the head was trained for (default: what the folder says)"
    )
    parser.add_argument("--first", help="judge this pair instead: the segment that comes first")
    parser.add_argument("--second", help="and the one that may follow it")
    arguments = parser.parse_args(argv)
    by_hand = arguments.first is not None or arguments.second is not None
    if by_hand and not ((arguments.first or "").strip() and (arguments.second or "").strip()):
        raise InputError("--first and --second: give both, each with some text")
    recipe = read_recipe(arguments)
    exam = read_exam(arguments, recipe, held_out=not by_hand)
    models = dict(_models(exam, arguments.objective))
    objective = _objective(exam.model, arguments.objective)
    if by_hand:
        _judge(models, exam.seed, objective, (arguments.first.strip(), arguments.second.strip()))
        return
    settings = {
        "items": exam.items,
        "seed": exam.seed,
        "sentences": arguments.sentences,
        "objective": objective,
        "models": list(models),
    }
    folder = artifact_folder(arguments, NEXT_SENTENCE.stage, recipe)

    def make(workspace: Path) -> Figures:
        pairs = draw_pairs(exam.documents, exam.items, arguments.sentences, exam.seed)
        return _ask(models, pairs, objective, exam.seed, workspace)

    manifest, built = build(folder, NEXT_SENTENCE.key(settings, exam.inputs), make)
    table(_title(manifest.figures), _COLUMNS, _rows(manifest.figures), stdout=True)
    say(f"nextsentence -> {folder}" if built else f"nextsentence: {folder} is up to date")


def _objective(folder: Path, given: str | None) -> Objective:
    return "sop" if (given or objective_of(folder)) == "sop" else "nsp"


def _models(exam: Exam, given: str | None) -> Iterator[tuple[str, PairModel]]:
    """The models that can be asked; of those beside it is told which cannot.

    Raises InputError if it is the one that is asked that cannot.
    """
    yield exam.model.name, PairModel(exam.model)
    objective = _objective(exam.model, given)
    for folder in exam.beside:
        try:
            model = PairModel(folder)
        except InputError as error:
            warn(f"not marked: {error}")
            continue
        if _objective(folder, given) != objective:
            warn(f"not marked: {folder} was trained for {_objective(folder, given)}, {exam.model} for {objective}")
            continue
        yield folder.name, model
    if exam.random_weights:
        yield RANDOM, PairModel(exam.model, random_weights=exam.seed)


def _judge(models: dict[str, PairModel], seed: int, objective: Objective, pair: tuple[str, str]) -> None:
    for name, model in models.items():
        tokens = sum(len(model.tokenizer.encode(text, add_special_tokens=False)) for text in pair) + 3
        if tokens > model.limit:
            warn(f"{name}: the pair is {tokens} tokens long and was cut to {model.limit}, as training cuts")
    told = "the second follows the first" if objective == "nsp" else "the two are in their order"
    rows = [(name, f"{model.probabilities([pair], seed)[0]:.1%}") for name, model in models.items()]
    table(f"{pair[0]} | {pair[1]}", ("model", f"probability that {told}"), rows, stdout=True)


def _ask(
    models: dict[str, PairModel], pairs: Sequence[Pair], objective: Objective, seed: int, workspace: Path
) -> Figures:
    asked = [one for pair in pairs for one in pair.asked(objective)]
    figures: Figures = {"pairs": len(pairs), "objective": objective, "models": []}
    answered: dict[str, list[tuple[float, float]]] = {}
    for name, model in models.items():
        found = model.probabilities(asked, seed)
        answered[name] = list(zip(found[::2], found[1::2], strict=True))
        figures["models"].append(name)
        figures |= _figures(name, answered[name])
    figures |= by_length(asked).figures(f"{LENGTH}.accuracy")
    with (workspace / "items.jsonl").open("w", encoding="utf-8") as stream:
        for number, pair in enumerate(pairs):
            right, wrong = pair.asked(objective)
            own = {name: [round(one, 8) for one in found[number]] for name, found in answered.items()}
            stream.write(json.dumps({"right": right, "wrong": wrong, "follows": own}, ensure_ascii=False) + "\n")
    (workspace / "report.md").write_text(_report(figures, pairs, answered), "utf-8")
    return figures


def _figures(name: str, answered: Sequence[tuple[float, float]]) -> Figures:
    right = sum((follows > 0.5) + (other < 0.5) for follows, other in answered)
    preferred = sum(follows > other for follows, other in answered)
    return {
        **Share(right, 2 * len(answered)).figures(f"{name}.accuracy"),
        **Share(preferred, len(answered)).figures(f"{name}.preferred"),
        f"{name}.says_follows": round(float(np.mean([one > 0.5 for pair in answered for one in pair])), 4),
    }


def by_length(asked: Sequence[tuple[str, str]]) -> Share:
    """What a tree of three questions knows of pairs, right and wrong ones in turn, that sees lengths alone.

    Cross-validated; the two pairs of a place are never on different sides.
    """
    lengths = np.array([(len(a), len(b), len(b) - len(a)) for a, b in asked])
    truth = np.arange(len(asked)) % 2
    groups = np.arange(len(asked)) // 2
    if len(asked) < 2 * _FOLDS:
        return Share(0, 0)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    found = cross_val_predict(tree, lengths, truth, groups=groups, cv=GroupKFold(_FOLDS))
    return Share(int((found == truth).sum()), len(asked))


_COLUMNS = ("model", "accuracy", "95 %", "preferred", "95 %", "says it follows")


def _title(figures: Figures) -> str:
    wrong = "swapped" if figures["objective"] == "sop" else "of another document"
    return f"next sentence: {figures['pairs']:,} places, the true pair and one {wrong}"


def _rows(figures: Figures) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in [*figures["models"], LENGTH]:
        row = [name]
        for measure in ("accuracy", "preferred"):
            prefix = f"{name}.{measure}"
            of = figures.get(f"{prefix}_of")
            row += (
                [f"{figures[prefix]:.1%}", f"{figures[f'{prefix}_low']:.1%} to {figures[f'{prefix}_high']:.1%}"]
                if of
                else ["", ""]
            )
        told = figures.get(f"{name}.says_follows")
        rows.append((*row, "" if told is None else f"{told:.1%}"))
    return rows


def _report(figures: Figures, pairs: Sequence[Pair], answered: dict[str, list[tuple[float, float]]]) -> str:
    name = figures["models"][0]
    shown = list(zip(pairs[:_SHOWN], answered[name], strict=False))
    if figures["objective"] == "sop":
        columns: tuple[str, ...] = ("A", "B", "in their order", "swapped")
        rows: list[tuple[str, ...]] = [
            (cell(pair.a), cell(pair.follows), f"{right:.1%}", f"{wrong:.1%}") for pair, (right, wrong) in shown
        ]
    else:
        columns = ("A", "B that follows", "probability", "B of another document", "probability")
        rows = [
            (cell(pair.a), cell(pair.follows), f"{right:.1%}", cell(pair.other), f"{wrong:.1%}")
            for pair, (right, wrong) in shown
        ]
    lines = [
        f"# {_title(figures)}",
        "",
        *markdown_table(_COLUMNS, [tuple(map(cell, row)) for row in _rows(figures)]),
        f"The first {len(rows)} places, and the probabilities that {cell(name)} gives them.",
        "",
        *markdown_table(columns, rows),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(main)
