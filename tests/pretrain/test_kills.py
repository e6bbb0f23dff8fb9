"""kill -9 at any moment of a build, and many processes at once: what comes out is what an undisturbed build gives.

Processes are forked from one that has imported everything and has no threads, so that fifty fit into a minute.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: What the forking program shares: two corpora's worth of paths come as arguments.
PRELUDE = """
import hashlib, json, os, random, shutil, signal, sys, time
from pathlib import Path
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # no threads before a fork
from pretrain import plans, tokens
from pretrain.examples import build_examples
from pretrain.prepared import open_prepared
from tests.conftest import EXAMPLES

corpus, vocabulary, root = map(Path, sys.argv[1:])
folder = root / "examples"
tokens._BATCH, tokens._SURE = 20, 1  # a small corpus in many steps

def fork(work):
    number = os.fork()
    if not number:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    return number

def ended(number):
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])

def build(place=folder):
    return build_examples(corpus, vocabulary, EXAMPLES, place)

def content(place):
    files = [path for path in sorted(place.iterdir()) if path.name != "manifest.json"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
"""
KILLS = """
build(root / "undisturbed")  # here, so that what is compiled is loaded once
started = time.monotonic()
assert ended(fork(lambda: build(root / "again"))) == 0
seconds = time.monotonic() - started
expected = content(root / "undisturbed")
assert expected == content(root / "again")
draws = random.Random(0)
killed = resumed = 0
turn = 0
while killed < 50 and turn < 200:
    turn += 1
    process = fork(build)
    time.sleep(draws.uniform(0, seconds))
    os.kill(process, signal.SIGKILL)
    in_time = ended(process) == -signal.SIGKILL
    killed += in_time
    seconds *= 1.03 if in_time else 0.9  # a busy machine gives another pace from one build to the next
    left = [path for path in root.glob(".examples.tokens/*/*.json") if json.loads(path.read_text())["read"]]
    resumed += bool(left)
    assert ended(fork(build)) == 0, turn
    assert content(folder) == expected, turn
    assert not (root / ".examples.tokens").exists() and not (root / ".examples.building").exists()
    shutil.rmtree(folder)
print(json.dumps({"killed": killed, "resumed": resumed}))
"""
TOGETHER = """
def report(kind, work):
    with open(root / kind, "a") as stream:
        stream.write(f"{int(work())}\\n")

write = plans.write_plan
def counted(*arguments):
    report("drawn", lambda: 1)
    return write(*arguments)
plans.write_plan = counted

processes = [fork(lambda: report("built", lambda: build()[1])) for _ in range(8)]
assert [ended(process) for process in processes] == [0] * 8
processes = [fork(lambda: report("length", lambda: len(open_prepared(folder).plan(3)))) for _ in range(8)]
assert [ended(process) for process in processes] == [0] * 8
numbers = lambda name: [int(line) for line in (root / name).read_text().split()]
found = {name: numbers(name) for name in ("built", "drawn", "length")}

def several():  # other epochs than the others, and again: what one prunes another has just found
    draws = random.Random(os.getpid())
    for _ in range(30):
        open_prepared(folder).plan(draws.randint(1, 6))
processes = [fork(several) for _ in range(4)]
assert [ended(process) for process in processes] == [0] * 4
print(json.dumps(found))
"""


def told(program: str, *arguments: Path) -> dict[str, object]:
    command = [sys.executable, "-c", PRELUDE + program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_fifty_kills(sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path) -> None:
    counts = told(KILLS, sample_corpus, sample_tokenizer, tmp_path)
    assert counts["killed"] == 50, "in 200 tries: the others had ended before"
    assert counts["resumed"] >= 5, "work that was done was not done again"


@pytest.mark.slow
def test_eight_at_once_build_once(sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path) -> None:
    found = told(TOGETHER, sample_corpus, sample_tokenizer, tmp_path)
    assert sorted(found["built"]) == [0] * 7 + [1]
    assert len(found["drawn"]) == 1 and len(set(found["length"])) == 1 and len(found["length"]) == 8
