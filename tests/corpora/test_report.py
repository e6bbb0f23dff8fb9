"""The report tells what was counted, shows nothing that was taken out, and cannot be broken by what it quotes."""

import dataclasses
import re
import unicodedata
from pathlib import Path

from corpora.build import build_corpus
from corpora.document import SPLITS, read_documents, shards
from corpora.report import REASONS
from corpora.settings import SourceSettings
from corpora.statistics import LENGTHS, Statistics
from pipeline.executor import Workers
from tests.conftest import CORPUS, sources

SETTINGS = dataclasses.replace(
    CORPUS,
    min_chars=5,
    min_hangul=0.3,
    privacy="redact",
    sentence_copies=1,
    duplicate_documents=1.0,
    boilerplate=["무단 ?전재"],
    sources=[
        SourceSettings(name="*a.txt", licence="CC BY-SA 4.0", attribution="여러 사람", address="https://example.org")
    ],
)
TEXT = """비가 많이 왔다.
연락은 010-1234-5678로 한다.
네.
010-2345-6789 call me at home please now 네.

비가 많이 왔다.
길이 | <b>모두</b> *젖었다*.
이 글의 무단 전재를 금지한다.

비가 많이 왔다.
길이 | <b>모두</b> *젖었다*.
이 글의 무단 전재를 금지한다.
"""


def built(write, tmp_path: Path, settings=SETTINGS):
    folder = tmp_path / "out"
    manifest, _ = build_corpus(sources(write("a.txt", TEXT), settings=settings), settings, folder, Workers())
    return manifest, (folder / "report.md").read_text("utf-8"), folder


def rows(report: str, heading: str) -> dict[str, list[str]]:
    """Tables under a heading: first cell -> the others."""
    section = report.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    found: dict[str, list[str]] = {}
    for row in cells:
        found.setdefault(row[0], row[1:])
    return found


def test_figures_are_those_of_the_files(write, tmp_path: Path) -> None:
    _, report, folder = built(write, tmp_path, dataclasses.replace(SETTINGS, held_out=0.0))
    documents = list(read_documents(shards(folder, "train")))
    assert documents == [["비가 많이 왔다.", "연락은 [PHONE]로 한다."], ["길이 | <b>모두</b> *젖었다*."]]
    characters = sum(len(sentence) for document in documents for sentence in document)
    source = next(row for row in report.splitlines() if "CC BY-SA 4.0" in row)
    assert source.endswith(f"| https://example.org | {'not stated'} | 2 | 3 | {characters} |")
    left = {name.strip("`"): int(row[0]) for name, row in rows(report, "Left out").items() if row[0].isdigit()}
    assert left == {
        "boilerplate": 2,
        "duplicate_document": 1,
        "duplicate_sentence": 1,
        "little_hangul": 1,
        "too_short": 1,
    }
    assert rows(report, "Personal data")["phone"] == ["2", "`[PHONE]`"]
    scripts = {name: int(row[0]) for name, row in rows(report, "Text").items() if name in ("Hangul", "Latin", "digits")}
    text = "".join(sentence for document in documents for sentence in document)
    assert scripts["Hangul"] == sum("HANGUL" in unicodedata.name(character) for character in text)
    assert scripts["Latin"] == sum(character.isascii() and character.isalpha() for character in text)


def test_nothing_that_was_taken_out_is_shown(write, tmp_path: Path) -> None:
    for policy in ("redact", "drop"):
        _, _, folder = built(write, tmp_path, dataclasses.replace(SETTINGS, privacy=policy))
        for path in folder.iterdir():
            assert "5678" not in path.read_text("utf-8").replace(path.name, "") or path.name == "manifest.json", path
            assert "010-" not in path.read_text("utf-8"), path


def test_nothing_personal_is_shown_by_halves(write, tmp_path: Path) -> None:
    """An example is cut to be shown; a number that lies across the cut must be gone before."""
    lines = [
        f"{'가' * length} 010-1234-5678 900101-1234568 hong@example.com 그리고 더 있다" for length in range(150, 205)
    ]
    lines += ["나" * 1985 + " 010-1234-5678 이다", "다" * 1990 + " 010-1234-5678 이다"]
    path = write("a.jsonl", "")
    for start in range(0, len(lines), 20):
        path.write_text('{"text": "비가 많이 왔다."}\n' + "\n".join(lines[start : start + 20]) + "\n", "utf-8")
        settings = dataclasses.replace(SETTINGS, errors="skip")
        build_corpus(sources(path, settings=settings), settings, tmp_path / "out", Workers())
        for name in ("dropped.tsv", "report.md"):
            shown = (tmp_path / "out" / name).read_text("utf-8")
            assert not re.search(r"010-|9001|hong", shown), shown


def test_keep_looks_for_nothing_and_says_so(write, tmp_path: Path) -> None:
    manifest, report, folder = built(write, tmp_path, dataclasses.replace(SETTINGS, privacy="keep"))
    assert manifest.figures["personal"] == {} and "nothing was looked for" in report
    assert "010-1234-5678" in "".join(path.read_text("utf-8") for split in SPLITS for path in shards(folder, split))


def test_quoted_text_cannot_break_the_page(write, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, max_chars=9)
    _, report, _ = built(write, tmp_path, settings)
    quoted = next(line for line in report.splitlines() if "젖었다" in line)
    assert r"길이 \| &lt;b>모두&lt;/b> \*젖었다\*." in quoted
    for line in report.splitlines():
        if line.startswith("| ") and "too_long" in line:
            assert line.replace(r"\|", "").count("|") == 4


def test_attribution_names_who_has_to_be_named(write, tmp_path: Path) -> None:
    _, _, folder = built(write, tmp_path)
    page = (folder / "ATTRIBUTION.md").read_text("utf-8")
    assert "Licence: CC BY-SA 4.0" in page and "By: 여러 사람" in page and "Changes: " in page


def test_every_reason_in_the_code_is_explained() -> None:
    found = set()
    for path in Path(__file__).parents[2].joinpath("corpora").rglob("*.py"):
        text = path.read_text("utf-8")
        found |= {part.split('"')[1] for part in text.split(".add(")[1:] if part.startswith('"')}
        found |= set(re.findall(r'return "(\w+)"\n', text)) if path.name == "clean.py" else set()
    assert {"redirect", "bad_record", "too_short", "hole"} <= found
    assert {reason for reason in found if not reason.startswith("not_")} <= set(REASONS)


def test_lengths_are_classed_by_their_upper_bounds() -> None:
    statistics = Statistics()
    statistics.add(["가" * length for length in (1, 10, 11, 1280, 1281)], "a")
    lengths = statistics.lengths()
    assert {name: count for name, count in lengths.items() if count} == {
        "1-10": 2,
        "11-20": 1,
        "641-1280": 1,
        ">1280": 1,
    }
    assert len(lengths) == len(LENGTHS) + 1
