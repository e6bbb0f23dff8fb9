"""Stage `features`: a frozen encoder's vectors and a head from scikit-learn, or no encoder at all.

    python -m finetune.features --model DIR --task nsmc --train FILE [--dev FILE] [--test FILE] [--pool P] [--head H]
    python -m finetune.features --baseline tfidf --task nsmc --train FILE ...

(make features MODEL=DIR TASK=nsmc TRAIN=FILE TEST=FILE HEAD=mlp). The same rows, scores and report as `finetune.train`,
and the same protocol: the head's one open setting is chosen on dev, test is scored once a seed and its use recorded.
Vectors are kept in `artifacts/vectors/` by the bytes of model and texts, so that another head on them costs no pass
through the encoder. Writes `artifacts/features/<name>/`: `metrics.json`, `predictions.jsonl`, `report.md`, `task.json`;
of a linear head on vectors `head.safetensors` too (other heads would need a pickle, and are not saved).
Two texts a row go through the encoder together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from finetune.flags import data_flags, read_data
from finetune.headed import FEATURES, TFIDF, Headed, make_features
from finetune.heads import HEADS, default_head
from finetune.job import Job
from finetune.publish import show
from finetune.settings import FinetuneSettings
from finetune.vectors import POOLS
from pipeline.console import say
from pipeline.errors import InputError
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser


def main(argv: list[str] | None) -> None:
    """Parse the command line, run the stage, report."""
    arguments = _parser().parse_args(argv)
    recipe = read_recipe(arguments)
    tfidf = arguments.baseline == TFIDF
    if tfidf and (arguments.model or arguments.pool or arguments.random_weights):
        raise InputError("--baseline tfidf uses no encoder: leave --model, --pool and --random-weights out")
    job = Job(
        model=Path(TFIDF) if tfidf else arguments.model or artifact_folder(arguments, "export", recipe),
        data=read_data(arguments),
        folder=arguments.out.resolve() if arguments.out else artifact_folder(arguments, FEATURES.stage, recipe),
        settings=recipe.section("finetune", FinetuneSettings),
        artifacts=arguments.artifacts,
        random_weights=arguments.random_weights,
        cpu=arguments.cpu,
    )
    head = arguments.head or default_head(job.data.source.resolved().kind)
    headed = Headed(job, head, None if tfidf else arguments.pool or "mean")
    manifest, built = make_features(headed)
    if built:
        show(job, manifest, headed.called)
    else:
        say(f"features: {job.folder} is up to date")


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("finetune.features", "Train a head on a frozen encoder's vectors.")
    parser.add_argument("--model", type=Path, help="encoder folder (default: artifacts/export/<name>)")
    data_flags(parser)
    parser.add_argument("--pool", choices=POOLS, help="what a text's vector is (default: mean)")
    parser.add_argument("--head", choices=sorted(HEADS), help="default: logistic; of a regression ridge")
    parser.add_argument("--baseline", choices=(TFIDF,), help="TF-IDF of characters and words instead of an encoder")
    parser.add_argument("--out", type=Path, help="output folder (default: artifacts/features/<name>)")
    parser.add_argument("--random-weights", action="store_true", help="an untrained encoder, to compare")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    return parser


if __name__ == "__main__":
    run_stage(main)
