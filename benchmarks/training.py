"""Steps a second on a CPU beside the stock Trainer, in one run.

    python benchmarks/training.py EXAMPLES TEXT [--recipe small] [--batch 64] [--steps 12] [--threads 2]

EXAMPLES is an examples artifact, TEXT a text, one sentence a line and blank lines between documents. The baseline is
`transformers.Trainer` with `BertForPreTraining` and `DataCollatorForLanguageModeling`, 32 bits, on pairs of the same
block, vocabulary and shape, as the lectures set it up; its data set is our drop-in class, so that what is compared is
training alone. Ours is `pretrain.train`. Each is a process of its own with the same threads; both sides are measured
after their first ten steps, by the clock.

Rows between them take our levers away one at a time: the vocabulary head at all places instead of the masked ones, and
threads that spin while they wait (`OMP_WAIT_POLICY`), which the Makefile's setting keeps from happening.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from watched import watched

from pipeline.console import answer, say, table
from pipeline.recipe import load_recipe
from pipeline.stage import positive, run_stage

#: The baseline: tokenizer folder, text, block, batch, steps, shape as JSON.
STOCK = """
import json, sys, time
from transformers import (AutoTokenizer, BertConfig, BertForPreTraining, DataCollatorForLanguageModeling, Trainer,
                          TrainerCallback, TrainingArguments)
from pretrain import TextDatasetForNextSentencePrediction
folder, text, block, batch, steps, shape, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
dataset = TextDatasetForNextSentencePrediction(tokenizer, text, int(block), cache_dir=out)
model = BertForPreTraining(BertConfig(vocab_size=len(tokenizer), **json.loads(shape)))
times = []
class Clock(TrainerCallback):
    def on_step_end(self, *arguments, **named):
        times.append(time.perf_counter())
options = TrainingArguments(out, per_device_train_batch_size=int(batch), max_steps=10 + int(steps), use_cpu=True,
                            save_strategy="no", report_to="none", disable_tqdm=True, logging_strategy="no")
collator = DataCollatorForLanguageModeling(tokenizer, mlm=True, mlm_probability=0.15)
Trainer(model, options, data_collator=collator, train_dataset=dataset, callbacks=[Clock()]).train()
print(json.dumps((len(times) - 10) / (times[-1] - times[9])))
"""
#: Ours: flags of pretrain.train, and whether the head is applied everywhere.
OURS = """
import json, sys, time
from pretrain import loop, model
from pretrain.train import main
dense, flags = sys.argv[1] == "dense", sys.argv[2:]
times, rate = [], loop.set_learning_rate
def clocked(*arguments):
    times.append(time.perf_counter())
    return rate(*arguments)
loop.set_learning_rate = clocked
if dense:
    from torch.nn.functional import cross_entropy
    def forward(self, batch):
        hidden = self.model.bert(**{name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")})
        scores = self.model.cls.predictions(hidden.last_hidden_state)
        relation, follows = self.model.cls.seq_relationship(hidden.pooler_output), batch["next_sentence_label"]
        labels = batch["labels"]
        return model.Sums(
            cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="sum"),
            cross_entropy(relation, follows, reduction="sum"),
            (scores.argmax(-1) == labels).sum(), (relation.argmax(-1) == follows).sum(),
            (labels != -100).sum(), (follows != -100).sum())
    model.PretrainingObjective.forward = forward
main(flags)
print(json.dumps((len(times) - 11) / (times[-1] - times[10])))
"""


def main(argv: list[str] | None) -> None:
    """Run each side, print the table."""
    parser = argparse.ArgumentParser(description="Steps a second beside the stock Trainer, on a CPU.")
    parser.add_argument("examples", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--batch", type=positive, default=64)
    parser.add_argument("--steps", type=positive, default=12)
    parser.add_argument("--threads", type=positive, default=2)
    arguments = parser.parse_args(argv)
    passive, spinning = {"OMP_WAIT_POLICY": "passive"}, {"OMP_WAIT_POLICY": "active"}
    runs = {
        "stock Trainer": (_stock, "", spinning),
        "stock Trainer, passive waiting": (_stock, "", passive),
        "ours, head everywhere, threads spin": (_ours, "dense", spinning),
        "ours, head everywhere": (_ours, "dense", passive),
        "ours, threads spin": (_ours, "masked", spinning),
        "ours": (_ours, "masked", passive),
    }
    found = {}
    for name, (run, head, environment) in runs.items():
        with tempfile.TemporaryDirectory() as scratch:
            found[name] = run(arguments, Path(scratch), head, environment)
        say(f"{name}: {found[name]:.3f} steps a second")
    first = found["stock Trainer"]
    rows = [(name, f"{speed:.3f}", f"{speed / first:.2f}") for name, speed in found.items()]
    title = f"recipe {arguments.recipe}, batch {arguments.batch}, {arguments.threads} thread(s), 32 bits"
    table(title, ("", "steps a second", "times the stock Trainer"), rows, stdout=True)
    answer(f"{arguments.steps} steps each, after ten that do not count; the aim is 1.4")


def _stock(arguments: argparse.Namespace, scratch: Path, head: str, environment: dict[str, str]) -> float:
    manifest = json.loads((arguments.examples / "manifest.json").read_text("utf-8"))
    shape = json.dumps(load_recipe(arguments.recipe).tables["model"])
    block = manifest["figures"]["block_size"]
    values = (arguments.examples, arguments.text, block, arguments.batch, arguments.steps, shape, scratch)
    printed = watched([sys.executable, "-c", STOCK, *values], arguments.threads, environment).printed
    return float(json.loads(printed.splitlines()[-1]))


def _ours(arguments: argparse.Namespace, scratch: Path, head: str, environment: dict[str, str]) -> float:
    flags = ("--recipe", arguments.recipe, "--from-examples", arguments.examples, "--artifacts", scratch, "--cpu")
    steps = 11 + arguments.steps
    sets = (f"train.max_steps={steps}", f"train.batch_size={arguments.batch}", f"train.eval_every={steps}")
    values = (head, *flags, "--set", *sets, "train.eval_examples=1", f"train.save_every={steps}")
    printed = watched([sys.executable, "-c", OURS, *values], arguments.threads, environment).printed
    return float(json.loads(printed.splitlines()[-1]))


if __name__ == "__main__":
    run_stage(main)
