"""The record of test uses: several processes, cut lines, what counts as the same test."""

import hashlib
import multiprocessing
from pathlib import Path

import pytest
from filelock import FileLock

from finetune.scoring.protocol import RECORD, count_uses, digest, peer_maximum, record_use, uses_of
from pipeline.errors import InputError


def use(artifacts: Path, test: str, model: str = "small", **settings: object) -> None:
    record_use(
        artifacts,
        test,
        [Path("somewhere/test.tsv")],
        model=model,
        task="nsmc",
        measure="accuracy",
        value=0.85,
        seeds=[0, 1, 2],
        settings=settings,
    )


def use_often(artifacts: Path, number: int) -> None:
    for time in range(10):
        use(artifacts, "same", model="모델" * 500, number=number, time=time)


def test_uses_are_counted_by_model_and_settings(tmp_path: Path) -> None:
    assert str(count_uses(uses_of(tmp_path, "a"))) == "this test has not been looked at before"
    for rate in (1e-5, 2e-5, 2e-5):
        use(tmp_path, "a", learning_rate=rate)
    use(tmp_path, "a", model="random", learning_rate=2e-5)
    use(tmp_path, "b", learning_rate=2e-5)
    uses = uses_of(tmp_path, "a")
    found = count_uses(uses)
    assert (found.times, found.models, found.settings) == (4, 2, 2)
    assert str(found) == "this test has been looked at 4 times with 2 different settings of 2 models"
    assert str(count_uses(uses[:1])) == "this test has been looked at 1 time with 1 different setting of 1 model"
    first = uses[0]
    assert (first.files, first.seeds, first.settings) == (["test.tsv"], [0, 1, 2], {"learning_rate": 1e-5})
    assert first.date.startswith("20")
    assert first.date.endswith("+00:00")


def test_several_processes_lose_no_line(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=use_often, args=(tmp_path, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert count_uses(uses_of(tmp_path, "same")).settings == 40


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    use(tmp_path, "a")
    other = multiprocessing.get_context("fork").Process(target=use, args=(tmp_path, "a"))
    with FileLock(tmp_path / "finetune" / f".{RECORD}.lock"):
        other.start()
        other.join(0.5)
        assert other.is_alive()
        assert len(uses_of(tmp_path, "a")) == 1
    other.join(30)
    assert len(uses_of(tmp_path, "a")) == 2


def test_a_line_that_was_cut_off_is_named_and_swallows_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(tmp_path, "a")
    path = tmp_path / "finetune" / RECORD
    path.write_bytes(path.read_bytes()[:-20])
    use(tmp_path, "a", model="after")
    assert [found.model for found in uses_of(tmp_path, "a")] == ["after"]
    assert "test-uses.jsonl, line 1 is damaged and not counted" in capsys.readouterr().err


@pytest.mark.parametrize("line", [b"[]", b'"text"', b'{"date": "x"}', b"1", b"\xff\xfe"])
def test_lines_of_something_else_are_named(tmp_path: Path, line: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    use(tmp_path, "a")
    path = tmp_path / "finetune" / RECORD
    path.write_bytes(path.read_bytes() + line + b"\n")
    assert len(uses_of(tmp_path, "a")) == 1
    assert "line 2 is damaged" in capsys.readouterr().err


def test_a_test_is_known_by_its_bytes(tmp_path: Path) -> None:
    one, two, same = (tmp_path / name for name in ("one", "two", "same"))
    for path, text in ((one, "1"), (two, "2"), (same, "1")):
        path.write_text(text)
    assert digest([one]) == digest([same]) == hashlib.sha256(b"1").hexdigest()
    assert digest([one, two]) == digest([two, same]) != digest([one])
    with pytest.raises(InputError, match="absent"):
        digest([tmp_path / "absent"])


def test_the_peers_choose_on_test() -> None:
    found = peer_maximum([[0.80, 0.84, 0.82], [0.86, 0.81]])
    assert (found.mean, found.n) == (pytest.approx(0.85), 2)
