"""Parts: cut the same way always, kept over an interruption, and used again."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import corpora.parts
import corpora.raw
from corpora.build import build_corpus
from corpora.raw import BATCH_CHARACTERS, PART_BATCHES, RawDocument, fingerprint, parts
from corpora.refine import refine
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from pipeline.executor import Workers
from tests.conftest import CORPUS, sources

SETTINGS = dataclasses.replace(CORPUS, held_out=0.02, duplicate_documents=0.8, sentence_copies=2, privacy="redact")
#: Characters of a batch here; two of them make a file that fills a part.
BATCH = 20_000
BIG = 2 * BATCH


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora.raw, "BATCH_CHARACTERS", BATCH)


def raw(label: str, number: int, characters: int) -> RawDocument:
    return RawDocument.of_lines("source", label, [(number, "가" * characters)], "sentences")


def text(start: int, characters: int) -> str:
    """Documents of three sentences, about so many characters in all."""
    lines, size = [], 0
    while size < characters:
        document = [
            f"{start}번 글의 {line}째 문장은 연락처 010-{start % 9000 + 1000}-{line}234로 끝난다." for line in range(3)
        ]
        lines += [*document, ""]
        size += sum(map(len, document))
        start += 1
    return "\n".join(lines)


def test_documents_stay_in_order_and_whole() -> None:
    documents = [raw("a", number, size) for number, size in enumerate([5, BATCH, 7, 9, BIG, 3])]
    grouped = list(parts([*documents, None]))
    assert [document for part in grouped for batch in part for document in batch] == documents
    assert [[len(batch) for batch in part] for part in grouped] == [[2, 3, 1]]


def test_a_part_is_bounded_and_ends_with_a_file_that_fills_a_batch() -> None:
    many = [raw("a", number, BATCH) for number in range(PART_BATCHES + 2)]
    assert [len(part) for part in parts(many)] == [PART_BATCHES, 2]
    small = [raw("a", 1, 5), None, raw("b", 1, 5), None]
    assert [len(part) for part in parts(small)] == [1], "many small files share a part"
    large = [raw("a", 1, BIG), None, raw("b", 1, 5), None]
    assert [len(part) for part in parts(large)] == [1, 1]
    assert list(parts([None, None])) == []


def test_a_fingerprint_changes_with_everything() -> None:
    one = raw("a", 1, 5)
    others = [
        dataclasses.replace(one, lines=("가나",)),
        dataclasses.replace(one, source="other"),
        dataclasses.replace(one, label="other"),
        dataclasses.replace(one, places=("2",)),
        dataclasses.replace(one, markup="paragraphs"),
        dataclasses.replace(one, title="제목"),
    ]
    prints = [fingerprint([(document,)]) for document in (one, *others)]
    prints += [fingerprint([(one, one)]), fingerprint([(one,), (one,)]), fingerprint([])]
    assert len(set(prints)) == len(prints)


def test_an_interrupted_build_goes_on_and_gives_the_same_bytes(write, tmp_path: Path, monkeypatch) -> None:
    """It is interrupted at the second batch of b.txt; the second build refines only what is missing."""
    for name, start, size in (("a", 0, BIG), ("b", 50_000, BIG), ("c", 90_000, 9000)):
        write(f"in/{name}.txt", text(start, size))
    whole = build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "whole", Workers())[0]
    refined = []

    def failing(batch, settings):
        refined.append(batch)
        if sum(batch[0].label == "b.txt" for batch in refined) == 2:
            raise KeyboardInterrupt
        return refine(batch, settings)

    monkeypatch.setattr(corpora.parts, "refine", failing)
    with pytest.raises(KeyboardInterrupt):
        build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "out", Workers())
    assert read_manifest(tmp_path / "out") is None

    def counting(batch, settings):
        refined.append(batch)
        return refine(batch, settings)

    refined.clear()
    monkeypatch.setattr(corpora.parts, "refine", counting)
    manifest, _ = build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "out", Workers())
    assert manifest.files == whole.files
    assert manifest.figures["parts"]["found"] >= 1 and manifest.figures["parts"]["made"] >= 1
    assert all(batch == () or batch[0].label != "a.txt" for batch in refined), "a.txt was not done again"
    assert [path.name for path in tmp_path.glob(".*.parts")] == [], "parts go when the corpus is finished"


def test_work_survives_a_damaged_file_that_is_mended(write, tmp_path: Path) -> None:
    write("in/a.txt", text(0, BIG))
    bad = write("in/b.txt", text(50_000, 9000).encode() + b"\xff\n")
    with pytest.raises(InputError, match=r"b\.txt, line \d+: not UTF-8"):
        build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "out", Workers())
    bad.write_bytes(bad.read_bytes().replace(b"\xff\n", b""))
    manifest, _ = build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "out", Workers())
    assert manifest.figures["parts"] == {"made": 1, "found": 1}


@pytest.mark.parametrize("workers", [1, 4])
def test_what_was_handed_out_before_an_error_is_kept(write, tmp_path: Path, workers: int) -> None:
    for name in "ab":
        write(f"in/{name}.txt", text(ord(name) * 500, BIG))
    write("in/c.txt", b"\xff\n")
    with pytest.raises(InputError):
        build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "out", Workers(workers))
    assert len(list((tmp_path / ".out.parts").glob("*/manifest.json"))) == 2


def test_parts_of_another_build_stay_when_nothing_is_to_do(write, tmp_path: Path) -> None:
    done = write("done.txt", text(0, 900))
    build_corpus(sources(done), SETTINGS, tmp_path / "out", Workers())
    write("in/a.txt", text(0, BIG))
    write("in/b.txt", b"\xff\n")
    with pytest.raises(InputError):
        build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "out", Workers())
    assert not build_corpus(sources(done), SETTINGS, tmp_path / "out", Workers())[1]
    assert len(list((tmp_path / ".out.parts").glob("*/manifest.json"))) == 1


def test_more_parts_than_files_may_be_open(write, tmp_path: Path) -> None:
    for number in range(40):
        write(f"in/{number}.txt", text(number * 1000, BIG))
    program = (
        "import resource, corpora.raw; resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32));"
        f"corpora.raw.BATCH_CHARACTERS = {BATCH};"
        "from corpora.build import main; main(None)"
    )
    flags = ["--corpus", str(tmp_path / "in"), "--recipe", "base", "--workers", "1", "--artifacts", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", program, *flags], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(tmp_path / "corpus" / "base")
    assert manifest is not None and manifest.figures["parts"]["made"] == 40


def test_a_file_that_changes_while_it_is_read(write, tmp_path: Path, monkeypatch) -> None:
    path = write("a.txt", text(0, 900))

    def changing(batch, settings):
        path.write_text(text(0, 900) + "더 있다.\n", "utf-8")
        return refine(batch, settings)

    monkeypatch.setattr(corpora.parts, "refine", changing)
    with pytest.raises(InputError, match=r"a\.txt was changed while it was read; run this again"):
        build_corpus(sources(path), SETTINGS, tmp_path / "out", Workers())


def test_a_torn_part_is_made_again(write, tmp_path: Path) -> None:
    write("in/a.txt", text(0, BIG))
    bad = write("in/b.txt", b"\xff\n")
    with pytest.raises(InputError):
        build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "out", Workers())
    (part,) = [path for path in (tmp_path / ".out.parts").iterdir() if path.is_dir()]
    (part / "text.txt").write_text("다른 글이다.\n\n", "utf-8")
    bad.unlink()
    manifest, _ = build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "out", Workers())
    assert manifest.figures["parts"] == {"made": 1, "found": 0}


@pytest.mark.slow
def test_killed_at_any_moment_and_by_several_workers_the_bytes_are_the_same(write, tmp_path: Path) -> None:
    size = BATCH_CHARACTERS // 4
    for number in range(4):
        write(f"in/{number}.txt", text(number * 40_000, 2 * size))
    flags = ["--corpus", str(tmp_path / "in"), "--recipe", "base", "--name", "x"]
    program = f"import corpora.raw; corpora.raw.BATCH_CHARACTERS = {size}; from corpora.build import main; main(None)"
    command = [sys.executable, "-c", program, *flags]
    subprocess.run(
        [*command, "--workers", "1", "--artifacts", str(tmp_path / "whole")], check=True, capture_output=True
    )
    killed = [*command, "--workers", "2", "--artifacts", str(tmp_path / "killed")]
    for finished in (0, 1, 2):
        process = subprocess.Popen(killed, start_new_session=True, stderr=subprocess.DEVNULL)
        while len(list((tmp_path / "killed/corpus").glob(".x.parts/*/manifest.json"))) < finished:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(killed, check=True, capture_output=True)
    one, other = (read_manifest(tmp_path / name / "corpus" / "x") for name in ("whole", "killed"))
    assert one.files == other.files and one.figures["parts"]["found"] == 0
    assert other.figures["parts"]["found"] >= 2, "what was finished before the kills was used"


def test_settings_that_only_put_together_do_not_make_parts_anew(write, tmp_path: Path) -> None:
    write("in/a.txt", text(0, BIG))
    bad = write("in/b.txt", b"\xff\n")
    with pytest.raises(InputError):
        build_corpus(sources(tmp_path / "in"), SETTINGS, tmp_path / "out", Workers())
    bad.unlink()
    other = dataclasses.replace(SETTINGS, held_out=0.5, sentence_copies=1, duplicate_documents=0.7, seed=3)
    manifest, _ = build_corpus(sources(tmp_path / "in"), other, tmp_path / "out", Workers())
    assert manifest.figures["parts"] == {"made": 0, "found": 1}
