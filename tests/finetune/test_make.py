"""What `make` passes on: what was given to it, quotes and spaces too, and nothing of other targets' defaults."""

import subprocess

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    "given, there, absent",
    [
        (["predict", "FILE=a.tsv", "OUT=b.csv"], ['--file "$HANBEOT_TEXTS"', "--out b.csv"], ["--text", "--model"]),
        (["predict", "MODEL=m", 'TEXT=참 "좋다"', "PAIR=왜?"], ["--model m", '"$HANBEOT_TEXT"', "--pair"], ["--out"]),
        (["embed", "MODEL=m", "FILE=a.txt", "OUT=b.npy"], ["--model m", "--out b.npy"], ["--text"]),
        (["finetune", "MODEL=m", "TASK=nsmc", "TRAIN=a", "DEV=b"], ["--task nsmc", "--dev b"], ["--text", "--label"]),
        (["finetune", "MODEL=m", "COLUMN=c", "LABEL=l", "PAIR=p"], ['--text "c"', '--label "l"', "--pair"], ["--task"]),
        (["finetune", "MODEL=m", "TUNE=--peer-protocol --cpu"], ["--peer-protocol --cpu"], ["--task", "--pair"]),
    ],
)  # fmt: skip
def test_targets_pass_on_what_is_given(given, there, absent) -> None:
    done = subprocess.run(["make", "-n", *given], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    command = done.stdout[done.stdout.index(f"-m finetune.{'train' if given[0] == 'finetune' else given[0]}") :]
    assert all(part in command for part in there), command
    assert not any(part in command for part in absent), command
