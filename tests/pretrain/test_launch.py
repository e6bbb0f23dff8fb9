"""Several processes and machines: the same run however launched, one run a folder, a job that queues itself again."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate.utils import is_deepspeed_available

from pipeline.errors import InputError
from pretrain import zero
from pretrain.metrics import read_metrics
from pretrain.train import main
from tests.conftest import REPOSITORY
from tests.pretrain.test_train import arguments, command, launcher, losses, weights

HELD_OUT = "held_out_mlm_loss"
WITH_DEEPSPEED = pytest.mark.skipif(not is_deepspeed_available(), reason="DeepSpeed is not installed")
STILL = ("model.hidden_dropout_prob=0.0", "model.attention_probs_dropout_prob=0.0")
FIFTY = (*STILL, "train.max_steps=50", "train.eval_every=25", "train.save_every=25", "train.eval_examples=33")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def nodes(number: int, *, processes: int = 1) -> list[tuple[str, ...]]:
    """Launchers of several machines, as the Makefile starts them, all on this one."""
    port = free_port()
    return [
        (
            *("-m", "accelerate.commands.launch", "--multi_gpu", f"--num_machines={number}"),
            *(f"--num_processes={number * processes}", "--mixed_precision=no", "--dynamo_backend=no"),
            *(f"--machine_rank={rank}", "--main_process_ip=127.0.0.1", f"--main_process_port={port}"),
        )
        for rank in range(number)
    ]


def together(*commands: list[str], timeout: float = 240) -> list[tuple[int, str]]:
    """Exit code and standard error of programs that run at the same time."""
    running = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for words in commands]
    told = [process.communicate(timeout=timeout)[1] for process in running]
    return [(process.returncode, text) for process, text in zip(running, told, strict=True)]


def numbers(root: Path, name: str) -> dict[int, float]:
    """What metrics.jsonl has under `name`, by step."""
    records = read_metrics(root / "pretrain" / "t" / "metrics.jsonl")
    found = {int(record["step"]): record[name] for record in records if name in record}
    assert found, name
    return found


def assert_same_run(one: Path, other: Path, tolerance: float = 1e-5) -> None:
    """Training and held-out losses, step by step, and the norms of gradients."""
    assert losses(one) == pytest.approx(losses(other), rel=0, abs=tolerance)
    assert numbers(one, HELD_OUT) == pytest.approx(numbers(other, HELD_OUT), rel=0, abs=tolerance)
    assert numbers(one, "grad_norm") == pytest.approx(numbers(other, "grad_norm"), rel=1e-3)


@pytest.fixture(scope="module")
def alone(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty steps in one process, without dropout."""
    root = tmp_path_factory.mktemp("alone")
    main(arguments(sample_examples, root, changes=FIFTY))
    assert len(losses(root)) == 6 and len(numbers(root, HELD_OUT)) == 3
    return root


@pytest.mark.slow
def test_fifty_steps_are_the_same(alone: Path, sample_examples: Path, tmp_path: Path) -> None:
    """In four processes; in two they are on two machines, below."""
    flags = arguments(sample_examples, tmp_path, changes=FIFTY)
    subprocess.run(command(*flags, launcher=launcher(4)), check=True, capture_output=True)
    assert_same_run(alone, tmp_path)


def on_two_machines(*flags: list[str]) -> list[tuple[int, str]]:
    return together(*(command(*words, launcher=node) for words, node in zip(flags, nodes(2), strict=True)), timeout=150)


@pytest.mark.slow
def test_two_machines(alone: Path, sample_examples: Path, tmp_path: Path) -> None:
    """The second one sees the examples, but no run, and writes none: it goes on from a checkpoint that it has not."""
    first, second = tmp_path / "first", tmp_path / "second"
    flags = [arguments(sample_examples, place, changes=FIFTY) for place in (first, second)]
    done = on_two_machines(*flags)
    assert [code for code, _ in done] == [0, 0], done
    assert_same_run(alone, first)
    folder = first / "pretrain" / "t"
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "checkpoints" / "step-00000050")
    done = on_two_machines(*flags)
    assert [code for code, _ in done] == [0, 0] and "going on after step 25" in done[0][1], done
    assert_same_run(alone, first)
    assert not (second / "pretrain").exists()


@pytest.mark.slow
@pytest.mark.parametrize("missing", [True, False])
def test_a_machine_with_other_examples(sample_examples: Path, tmp_path: Path, missing: bool) -> None:
    """None at all, or another recipe: told at once by both machines, not after the half hour that others would wait."""
    examples, changes = (tmp_path / "nothing", ()) if missing else (sample_examples, ("train.seed=1",))
    done = on_two_machines(arguments(sample_examples, tmp_path), arguments(examples, tmp_path, changes=changes))
    assert all(code != 0 for code, _ in done)
    wanted = "process 1 of 2" + ("" if missing else r" has a recipe or examples .* other than process 0")
    assert all(re.search(wanted, text) and "InputError" not in text for _, text in done), done
    assert not (tmp_path / "pretrain" / "t").exists()


@pytest.mark.slow
def test_two_runs_into_one_name_at_the_same_time(sample_examples: Path, tmp_path: Path) -> None:
    """One trains to its end, the other says why it does not and leaves with 2."""
    words = command(*arguments(sample_examples, tmp_path))
    (first, told_first), (second, told_second) = together(words, words)
    assert sorted((first, second)) == [0, 2], (told_first, told_second)
    refused = told_first if first else told_second
    assert "another process is training into" in refused and "Traceback" not in refused
    assert (tmp_path / "pretrain" / "t" / "manifest.json").exists() and len(losses(tmp_path)) == 4


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, "FSDP needs accelerators.*no LAUNCH=fsdp"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "fsdp_version: 2"),
        pytest.param(
            {"ACCELERATE_USE_DEEPSPEED": "true"},
            "DeepSpeed needs accelerators.*no LAUNCH=deepspeed",
            marks=WITH_DEEPSPEED,
        ),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, "zero_stage is 3.*LAUNCH=fsdp"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "0"}, "zero_stage is 0.*LAUNCH=ddp"),
        (
            {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_CONFIG_FILE": "own.json"},
            "is not read.*zero_stage",
        ),
        (
            {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE": "cpu"},
            "does not offload",
        ),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "does not run on Megatron-LM"),
    ],
)
def test_launches_that_cannot_work(
    sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        main(arguments(sample_examples, tmp_path))
    assert not (tmp_path / "pretrain").exists()


def test_deepspeed_is_not_installed(sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setattr(zero, "is_deepspeed_available", lambda: False)
    with pytest.raises(InputError, match=r"not installed: pip install 'hanbeot\[deepspeed\]'"):
        main(arguments(sample_examples, tmp_path))


def made(*variables: str) -> str:
    """What make would run to train."""
    told = subprocess.run(
        ["make", "-n", "pretrain", *variables], cwd=REPOSITORY, capture_output=True, text=True, env=os.environ
    )
    return next((line for line in told.stdout.splitlines() if "pretrain.train" in line), told.stderr)


@pytest.mark.parametrize(
    ("variables", "wanted", "unwanted"),
    [
        (["GPUS=8"], "--multi_gpu --num_machines 1 --num_processes 8", "machine_rank"),
        (
            ["GPUS=8", "LAUNCH=fsdp"],
            "--config_file pretrain/launch/fsdp.yaml --num_machines 1 --num_processes 8",
            "_gpu",
        ),
        (["LAUNCH=fsdp"], "--num_processes 1", "multi_gpu"),
        (["GPUS=8", "NODES=2", "NODE=1", "MAIN=a.b:77"], "--num_processes 16", "--num_machines 1"),
        (
            ["NODES=2", "NODE=1", "MAIN=a.b:77"],
            "--machine_rank 1 --main_process_ip a.b --main_process_port 77",
            "config",
        ),
        (["NODES=2", "MAIN=a.b"], "--machine_rank 0 --main_process_ip a.b --main_process_port 29500", "config"),
        (["NODES=2"], "NODES=2 needs MAIN=host:port", "accelerate"),
        (
            ["GPUS=8", "LAUNCH=deepspeed"],
            "--config_file pretrain/launch/deepspeed.yaml --num_machines 1 --num_processes 8",
            "_gpu",
        ),
        (["LAUNCH=horovod"], "LAUNCH=horovod: it is ddp, fsdp or deepspeed", "accelerate"),
        ([], "-m pretrain.train", "accelerate"),
    ],
)
def test_what_make_launches(
    variables: list[str], wanted: str, unwanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE", "/usr/bin/node")  # other programs have such names
    line = made(f"ARTIFACTS={tmp_path}", *variables)
    assert wanted in re.sub(r"\s+", " ", line) and unwanted not in line


SRUN = """#!/usr/bin/env bash
# Two tasks, each in a process group of its own; a signal goes to all of a group, as SLURM has it.
set -uo pipefail
echo "srun $*" >> "$CALLS"
while [[ $1 == --* ]]; do shift; done
tasks=()
trap 'for task in "${tasks[@]}"; do kill -USR1 -- "-$task" || true; done' USR1
for node in 0 1; do SLURM_NODEID=$node setsid "$@" & tasks+=($!); done
status=0
for task in "${tasks[@]}"; do
    while kill -0 "$task" 2> /dev/null; do wait "$task"; done
    wait "$task" || status=$?
done
exit "$status"
"""
SCONTROL = """#!/usr/bin/env bash
echo "scontrol $*" >> "$CALLS"
if [ "$1" = show ]; then printf '127.0.0.1\\n127.0.0.1\\n'; fi
"""


@pytest.fixture
def slurm(tmp_path: Path, sample_examples: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts slurm.sh as sbatch would: a copy, with SLURM's variables; CALLS holds how its programs were called."""
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    copied = tmp_path / "slurm_script"
    copied.write_text((REPOSITORY / "pretrain" / "launch" / "slurm.sh").read_text("utf-8"))
    variables = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "PYTHON": sys.executable,
        "PYTHONPATH": str(REPOSITORY),
        "NAME": "t",
        "ARTIFACTS": str(tmp_path),
        "SLURM_JOB_ID": str(free_port()),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_GPUS_ON_NODE": "1",
    }

    def start(*changes: str) -> subprocess.Popen[str]:
        flags = arguments(sample_examples, tmp_path, changes=changes)
        # Where artifacts lie and what they are called is said by variables.
        flags = [*flags[:2], *flags[6:]]
        variables["SLURM_JOB_ID"] = str(free_port())
        return subprocess.Popen(
            ["bash", str(copied), *flags],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


@pytest.mark.slow
def test_a_slurm_job_queues_itself_again(slurm: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    """Two nodes: USR1 to the batch script on the way, saved, queued again; the second job goes on and ends."""
    long = ("train.max_steps=400", "train.save_every=100000", "train.eval_every=100000", "train.keep_checkpoints=2")
    first = slurm(*long)
    deadline = time.monotonic() + 120
    while not losses(tmp_path) and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.2)
    first.send_signal(signal.SIGUSR1)
    told = first.communicate(timeout=120)[0]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert first.returncode == 0 and "asked to leave: saved after step" in told, told
    assert "scontrol show hostnames node[1-2]" in calls and "queued again" in told
    assert calls[-1].startswith("scontrol requeue ") and any("--kill-on-bad-exit=1" in call for call in calls)
    (saved,) = (tmp_path / "pretrain" / "t" / "checkpoints").iterdir()
    assert 0 < int(saved.name.removeprefix("step-")) < 400 and not list(tmp_path.glob("pretrain/t/manifest.json"))

    (tmp_path / "calls").unlink()
    second = slurm(*long)
    told = second.communicate(timeout=240)[0]
    assert second.returncode == 0 and f"going on after step {int(saved.name[5:])}" in told, told
    assert (tmp_path / "pretrain" / "t" / "manifest.json").exists() and weights(tmp_path, 400)
    assert "requeue" not in (tmp_path / "calls").read_text() and "is finished" in told


@pytest.mark.slow
def test_a_slurm_job_that_fails_does_not_queue_again(
    slurm: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    job = slurm("train.learning_rate=1e30", "train.max_grad_norm=0.0")
    told = job.communicate(timeout=120)[0]
    assert job.returncode not in (0, None) and "the loss is" in told and "is not finished" in told
    assert "requeue" not in (tmp_path / "calls").read_text()


def test_the_scripts_are_plain_bash() -> None:
    for path in (REPOSITORY / "pretrain" / "launch").glob("*.sh"):
        subprocess.run(["bash", "-n", str(path)], check=True)
        text = path.read_text("utf-8")
        assert "set -euo pipefail" in text and not re.search(r"\beval\b", text) and os.access(path, os.X_OK)
