"""An artifact is finished or absent, and never stale."""

import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from pipeline.artifact import MANIFEST, Key, Kind, build, differences, open_artifact, read_manifest, still_there
from pipeline.errors import InputError

CORPUS = Kind("corpus", 1, "make corpus")
KEY = CORPUS.key({"corpus": {"seed": 0}}, {"a.txt": "0" * 64})


def make(folder: Path) -> dict[str, int]:
    (folder / "sub").mkdir()
    (folder / "data.txt").write_text("하나")
    (folder / "sub" / "more.txt").write_text("둘")
    return {"count": 2}


def test_built_once_then_served(tmp_path: Path) -> None:
    folder = tmp_path / "corpus" / "x"
    first, built = build(folder, KEY, make)
    assert built and first.figures["count"] == 2 and set(first.files) == {"data.txt", "sub/more.txt"}

    def never(_: Path) -> dict[str, int]:
        raise AssertionError("built again")

    again, built = build(folder, KEY, never)
    assert not built and again == first
    assert open_artifact(folder, CORPUS) == first


@pytest.mark.parametrize(
    "other",
    [
        Key("corpus", 2, KEY.settings, KEY.inputs),
        Key("corpus", 1, {"corpus": {"seed": 1}}, KEY.inputs),
        Key("corpus", 1, KEY.settings, {"a.txt": "1" * 64}),
    ],
)
def test_any_change_rebuilds(tmp_path: Path, other: Key) -> None:
    folder = tmp_path / "x"
    build(folder, KEY, make)
    manifest, built = build(folder, other, make)
    assert built and manifest.key == other


def test_content_depends_on_files_alone(tmp_path: Path) -> None:
    one, _ = build(tmp_path / "one", KEY, make)
    two, _ = build(tmp_path / "two", Key("corpus", 9, {}, {}), make)
    assert one.content == two.content and one.made_from != two.made_from


def test_a_failing_build_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    old, _ = build(folder, KEY, make)

    def full_disk(workspace: Path) -> dict[str, int]:
        (workspace / "half.txt").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        build(folder, Key("corpus", 2, {}, {}), full_disk)
    assert read_manifest(folder) == old
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["x"], "nothing half-written stays beside"


def test_a_crash_between_the_renames_is_mended(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    old, _ = build(folder, KEY, make)
    folder.rename(tmp_path / ".x.old")
    manifest, built = build(folder, KEY, make)
    assert not built and manifest == old


def test_damage_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    build(folder, KEY, make)
    (folder / "data.txt").write_text("셋")  # as many bytes, other text
    with pytest.raises(InputError, match=r"data\.txt"):
        open_artifact(folder, CORPUS)
    (folder / "data.txt").unlink()
    with pytest.raises(InputError, match=r"data\.txt is missing"):
        read_manifest(folder)
    assert build(folder, KEY, make)[1], "asked to build, a damaged artifact is made anew"
    (folder / MANIFEST).write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        read_manifest(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": 5},
        {"inputs": []},
        {"figures": "x"},
        {"files": {"../secret": {"bytes": 6, "sha256": "x"}}},
        {"files": {"a/../../secret": {"bytes": 6, "sha256": "x"}}},
    ],
)
def test_a_manifest_that_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    """Files beside an artifact are no part of it, whatever a manifest says that came from elsewhere."""
    folder = tmp_path / "x"
    build(folder, KEY, make)
    (tmp_path / "secret").write_text("secret")
    (folder / "a").mkdir()
    told = json.loads((folder / MANIFEST).read_text("utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**told, **change}))
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        read_manifest(folder)


def test_absent_or_of_another_stage(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make corpus"):
        open_artifact(tmp_path / "none", CORPUS)
    build(tmp_path / "x", KEY, make)
    with pytest.raises(InputError, match="'corpus', not 'tokenizer'"):
        open_artifact(tmp_path / "x", Kind("tokenizer", 1, "make tokenizer"))
    with pytest.raises(InputError, match="has format 1, this version reads 2: make it anew with `make corpus`"):
        open_artifact(tmp_path / "x", Kind("corpus", 2, "make corpus"))


def test_differences_are_spelled_out() -> None:
    other = Key("corpus", 2, {"corpus": {"seed": 1, "new": True}}, {"a.txt": "1" * 64})
    assert differences(KEY, other) == [
        "format 1 -> 2",
        "corpus.new absent -> True",
        "corpus.seed 0 -> 1",
        "input a.txt 000000000000 -> 111111111111",
    ]
    assert differences(KEY, KEY) == []


def _slow_build(root: str) -> None:
    def slow(workspace: Path) -> dict[str, int]:
        with (Path(root) / "builds.log").open("a") as log:
            log.write(f"{os.getpid()}\n")
        time.sleep(0.5)
        return make(workspace)

    build(Path(root) / "x", KEY, slow)


def test_of_many_processes_one_builds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_slow_build, args=(str(tmp_path),)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert len((tmp_path / "builds.log").read_text().splitlines()) == 1


def test_the_manifest_is_plain_json(tmp_path: Path) -> None:
    build(tmp_path / "x", KEY, make)
    manifest = json.loads((tmp_path / "x" / MANIFEST).read_text("utf-8"))
    assert manifest["figures"]["seconds"] >= 0 and manifest["figures"]["peak_memory_mb"] > 0


def test_an_input_replaced_while_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    manifest, _ = build(folder, KEY, make)
    still_there(folder, manifest)

    def other(workspace: Path) -> dict[str, int]:
        (workspace / "data.txt").write_text("다른 것")
        return {}

    build(folder, Key("corpus", 1, {}, {}), other)
    with pytest.raises(InputError, match="was replaced while it was being read"):
        still_there(folder, manifest)
