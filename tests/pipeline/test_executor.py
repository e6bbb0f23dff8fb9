"""Results come in order, and little is in flight."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpora.build import build_corpus
from corpora.sources.names import SAMPLE
from pipeline.errors import InputError
from pipeline.executor import Pool, Workers, in_batches, ordered_map, worker_pool
from tests.conftest import CORPUS, REPOSITORY, sources


def square(number: int) -> int:
    return number * number


def test_same_answer_for_any_number_of_workers() -> None:
    expected = [number * number for number in range(30)]
    for workers in (1, 2):
        with worker_pool(Workers(workers)) as pool:
            assert list(ordered_map(pool, square, range(30))) == expected


def test_inputs_are_taken_as_they_are_needed() -> None:
    taken = 0

    def count() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with worker_pool(Workers(2)) as pool:
        results = ordered_map(Pool(pool.executor, 4), square, count())
        next(results)
        assert taken <= 5
        results.close()


def test_batches() -> None:
    assert list(in_batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_batches([], 2)) == []


def who(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


BUSY = """
import time
from pipeline.executor import Workers, ordered_map, worker_pool
from pipeline.stage import run_stage
from tests.pipeline.test_executor import who

def main(argv):
    with worker_pool(Workers(2)) as pool:
        print(*{*ordered_map(pool, who, range(20))}, flush=True)
        time.sleep(600)

if __name__ == "__main__":
    run_stage(main)
"""


def lives(process: int) -> bool:
    """Whether it runs: an orphan that ended may stay a zombie where nobody collects it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="who lives is read from /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_the_stage(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "busy.py"
    script.write_text(BUSY, "utf-8")
    stage = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert stage.stdout is not None and stage.stderr is not None
    workers = [int(number) for number in stage.stdout.readline().split()]
    assert len(workers) == 2 and all(map(lives, workers)) and stage.pid not in workers
    if how == signal.SIGINT:
        # The keyboard's interrupt reaches everyone; one of them has something to say.
        os.killpg(stage.pid, how)
    else:
        stage.send_signal(how)
    stage.wait(30)
    deadline = time.monotonic() + 30
    while any(map(lives, workers)):
        assert time.monotonic() < deadline, "a worker waits for work that nobody will give it"
        time.sleep(0.1)
    told = stage.stderr.read()
    assert "Traceback" not in told and ("interrupted; what was finished stands" in told) == (how == signal.SIGINT)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_corpus(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        address = cluster.scheduler_address
        with worker_pool(Workers(scheduler=address)) as pool:
            assert pool.in_flight == 8
            assert list(ordered_map(pool, square, range(30))) == [number * number for number in range(30)]
        files = sources(SAMPLE)
        here, two, dask = (
            build_corpus(files, CORPUS, tmp_path / name, workers)[0].files
            for name, workers in (("here", Workers()), ("two", Workers(2)), ("dask", Workers(scheduler=address)))
        )
        assert here == two == dask and "report.md" in here
        with pytest.raises(InputError, match="nothing is left of"):
            strict = dataclasses.replace(CORPUS, min_chars=900, max_chars=1000)
            build_corpus(files, strict, tmp_path / "none", Workers(scheduler=address))


def test_no_scheduler_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("pipeline.executor._CONNECT", 1)
    with (
        pytest.raises(InputError, match=r"--scheduler tcp://127\.0\.0\.1:1: no Dask scheduler answers"),
        worker_pool(Workers(scheduler="tcp://127.0.0.1:1")),
    ):
        pass
