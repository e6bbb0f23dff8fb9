"""The report's text and picture: what stands in them, and that nothing from outside breaks them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tokenizer.alphabet import Price
from tokenizer.entries import entry_lengths
from tokenizer.gates import Gate
from tokenizer.josa import JosaCase, kept
from tokenizer.markdown import cell, code, table
from tokenizer.picture import label, picture
from tokenizer.quality import count_eojeols, inspect
from tokenizer.report import Findings, report, segment
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, vocabulary_of

SOURCES = {
    "wiki": ["비가 왔다.", "눈이 `|` 왔다.", "# 비가"],
    "영화|평": ["비가 ㅋㅋ", "$x$ <b>비가</b>", "비가 왔다. [MASK]"],
}
CASES = [JosaCase("비가", 1), JosaCase("눈이", 1)]
MARKDOWN = MarkdownIt("commonmark").enable("table")


def findings() -> Findings:
    tokenizer = build_tokenizer([*SPECIAL_TOKENS, "비", "##가", "왔", "##다", ".", "`", "|", "#", "<", "b", ">"])
    return Findings(
        algorithm="morpheme",
        vocabulary=vocabulary_of(tokenizer),
        split="heldout",
        inspection=inspect(tokenizer, count_eojeols(SOURCES)),
        josa=kept(tokenizer, CASES),
        gates=[Gate("nothing lost", True, "0", "0"), Gate("few | unknown", False, "2 %", "1 %", "눈`이", "raise it")],
        prices=[Price("syllables", 20, 10, 0.99, 0.995, 10, 10), Price("hanja", 5, 2, 0.5, 0.6, 2, 0)],
        replaced=3,
        dead=["##왔다", "a`b"],
        sentences=segment(tokenizer, SOURCES),
    )


def rendered(text: str) -> list[tuple[str, str]]:
    """Tags of blocks, and contents of inline ones as a reader sees them."""
    found = []
    for token in MARKDOWN.parse(text):
        if token.type == "inline":
            children = token.children or []
            assert {child.type for child in children} <= {"text", "code_inline", "strong_open", "strong_close"}
            found.append(("", "".join(child.content for child in children)))
        elif token.nesting >= 0:
            found.append((token.tag, ""))
    return found


def rows_of(text: str) -> list[list[str]]:
    """The cells of every table row."""
    rows: list[list[str]] = []
    inside = False
    for tag, content in rendered(text):
        if tag == "tr":
            rows.append([])
        elif tag in ("th", "td"):
            inside = True
        elif not tag and inside:
            rows[-1].append(content)
            inside = False
    return rows


def test_what_stands_in_it() -> None:
    text = report(findings())
    rows = rows_of(text)
    for expected in (
        ["wiki", "3", "7", "2.143", "1.067", "14.2857%"],
        ["영화|평", "3", "7", "3.000", "1.286", "42.8571%"],
        ["few | unknown", "1 %", "2 %", "FAILED"],
        ["비+가", "비 ##가", "1", "눈+이", "[UNK]", "1"],
        ["hanja", "50.0000%", "60.0000%", "5", "2", "2", "0"],
        ["all", "", "", "25", "12", "12", "10"],
        ["jamo", "2", "2", "100.0000%", "2", "100.0000%"],
    ):
        assert expected in rows, rows
    assert "**1 of 2 gates failed: do not pretrain on this vocabulary.**" in text
    assert "All 1 gates passed." in report(replace(findings(), gates=findings().gates[:1]))
    assert "now: 2 (`##왔다`, `` a`b ``)." in text
    assert "\n\n\n" not in text and text.endswith("\n")


def test_headings_and_sentences_are_ours_and_all() -> None:
    blocks = rendered(report(findings()))
    assert [tag for tag, _ in blocks if tag in ("h1", "h2", "h3")] == ["h1", *["h2"] * 8, "h3", "h3"]
    contents = {content for _, content in blocks}
    for texts in SOURCES.values():
        assert set(texts) <= contents


def test_nothing_to_tell() -> None:
    empty = build_tokenizer(SPECIAL_TOKENS)
    found = replace(
        findings(),
        vocabulary=list(SPECIAL_TOKENS),
        inspection=inspect(empty, count_eojeols({})),
        josa=kept(empty, []),
        gates=[],
        prices=[],
        dead=[],
        sentences=[],
    )
    assert "| 5 | 0.000 | 0.000 | - | - |" in report(found)


@given(st.text("|`\\*_[]<>&~$#-+.1) 가\u2028a!(:/", max_size=12))
def test_text_from_outside_is_shown_and_does_nothing(text: str) -> None:
    shown = " ".join(text.split())
    assert rows_of("\n".join(table(("x", "y"), [(cell(text), "z")])))[1] == [shown, "z"]
    assert rendered(f"* {cell(text)}\n  * {code(text)}")[:3] == [("ul", ""), ("li", ""), ("p", "")] or not shown
    contents = [content for tag, content in rendered(f"x\n\n* {cell(text)}\n  * y {code(text)}") if not tag]
    assert contents == ["x", *([shown] if shown else []), f"y {shown}"] or not shown


@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(0, 60), min_size=1),
    st.integers(1, 30),
)
def test_sentences_are_spread_over_all_sources(sizes: dict[str, int], number: int) -> None:
    sources = {name: [f"{name} {place}" for place in range(size)] for name, size in sizes.items()}
    chosen = segment(build_tokenizer([*SPECIAL_TOKENS, "가"]), sources, number)
    assert len(chosen) == min(number, sum(sizes.values())) == len({shown.sentence for shown in chosen})
    counts = {name: sum(shown.source == name for shown in chosen) for name in sources}
    for name, size in sizes.items():
        # Nobody has two more than another who had more to give.
        assert all(counts[name] >= min(size, counts[other] - 1) for other in sources)
        places = [int(shown.sentence.split()[1]) for shown in chosen if shown.source == name]
        assert places == sorted(places)
        gaps = [after - before for before, after in zip([-1, *places], [*places, size], strict=True)]
        assert not places or max(gaps) <= size / len(places) + 1


def draw(path: Path) -> bytes:
    found = findings()
    picture(path, found.inspection, entry_lengths(found.vocabulary), found.josa)
    return path.read_bytes()


def test_the_picture_depends_on_the_figures_alone(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    import matplotlib as mpl

    first = draw(tmp_path / "a.png")
    assert first.startswith(b"\x89PNG") and b"Software" not in first and b"tEXt" not in first
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 30, "text.usetex": True}):
        assert draw(tmp_path / "b.png") == first
        assert mpl.rcParams["font.size"] == 20, "settings are left as they were"
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_the_picture_of_nothing(tmp_path: Path) -> None:
    empty = build_tokenizer(SPECIAL_TOKENS)
    picture(tmp_path / "x.png", inspect(empty, count_eojeols({})), entry_lengths([]), kept(empty, []))
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_names_that_the_font_may_lack() -> None:
    assert label("kowiki", 1) == "kowiki" and label("한국어", 2) == label("", 2) == label("a\n", 2) == "source 2"
    assert label("a$b$", 1) == r"a\$b\$" and len(label("x" * 100, 1)) < 30


SCRIPT = """
import sys
from tests.tokenizer.test_vocabulary_report import findings
from tokenizer.report import report
sys.stdout.buffer.write(report(findings()).encode())
"""


def test_the_same_bytes_whatever_the_hash_seed() -> None:
    import os

    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."}
        root = Path(__file__).resolve().parents[2]
        run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, cwd=root, capture_output=True, check=True)
        assert run.stdout.decode() == report(findings())
