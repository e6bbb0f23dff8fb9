"""The report of a fine-tuning: what it says, hostile names, pictures with and without a Korean font."""

import re
import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from matplotlib.image import imread

from finetune.scoring import fonts, plots, tables
from finetune.scoring.labels import score_classes
from finetune.scoring.mistakes import most_confident, one_line
from finetune.scoring.numbers import score_numbers
from finetune.scoring.outcome import Epoch, Outcome, Part, Run
from finetune.scoring.page import write_report
from finetune.scoring.protocol import Uses
from pipeline.console import table

NASTY = "<script>alert(1)</script>|[x](javascript:y) $\\frac{1}$ `*\n# 제목"
NAMES = ["긍정", "부정", NASTY]
TRUTH = [0, 0, 1, 1, 2, 2]
SCORES = score_classes(TRUTH, [0, 1, 1, 1, 2, 0], NAMES)
BETTER = score_classes(TRUTH, [0, 0, 1, 1, 2, 0], NAMES)


def runs(seeds: int = 2, *, test: bool = True, peer: bool = False) -> tuple[Run, ...]:
    return tuple(
        Run(
            seed,
            tuple(
                Epoch(number, 1 / number, 1.1 / number, 0.2 * number, 0.3 * number, 0.1 * number if peer else None)
                for number in (1, 2, 3)
            ),
            2,
            BETTER,
            (SCORES if seed else BETTER) if test else None,
        )
        for seed in range(seeds)
    )


def outcome(**changes) -> Outcome:
    return replace(
        Outcome(
            task="nsmc",
            kind="classification",
            model=NASTY,
            measure="macro_f1",
            parts=(
                Part("train", "train.tsv", 100, 2, classes=((NAMES[0], 60), (NASTY, 40))),
                Part("test", NASTY, 6, 0, 3, True, ((NAMES[0], 6),)),
            ),
            settings={"learning_rate": 5e-5, "cleaning": NASTY},
            runs=runs(),
            mistakes=most_confident([("line 2", NASTY)], [NAMES[0]], [NASTY], [0.9]),
            uses=Uses(7, 2, 3),
        ),
        **changes,
    )


def report(folder: Path, of: Outcome) -> str:
    return write_report(folder, of).read_text("utf-8")


def test_what_the_report_says(tmp_path: Path) -> None:
    text = report(tmp_path, outcome())
    assert "Before this, this test has been looked at 7 times with 3 different settings of 2 models." in text
    assert "Test was scored once for each seed, after the epoch had been chosen on dev." in text
    mean = (BETTER.measures["accuracy"] + SCORES.measures["accuracy"]) / 2
    assert re.search(rf"\| test \| accuracy \| {mean:.4f} \| 0\.1179 \| .* to .* \| 2 \|", text)
    assert "| 100 | 2 | 0 |" in text
    assert "| 6 | 0 | 3, left out |" in text
    assert "Test maximum" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "confusion.png",
        "confusion.svg",
        "history.png",
        "history.svg",
        "report.md",
    ]


def test_names_from_outside_only_show(tmp_path: Path) -> None:
    text = report(tmp_path, outcome())
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert not re.search(r"<(script|a)\b", page)
    assert [title for title in re.findall(r"<h\d>(.*?)</h\d>", page) if "제목" in title] == [
        re.search("<h1>(.*?)</h1>", page)[1]  # type: ignore[index]
    ]
    for shown in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        width = shown.count("</th>")
        assert {row.count("</td>") for row in re.findall("<tr>.*?</tr>", shown, re.DOTALL)[1:]} == {width}
    for name in ("confusion.svg", "history.svg"):
        root = ElementTree.parse(tmp_path / name).getroot()
        assert not [each for each in root.iter() if each.tag.endswith("script")]


def test_one_seed_and_no_test(tmp_path: Path) -> None:
    text = report(tmp_path, outcome(runs=runs(1, test=False), uses=None))
    assert "Test was not scored." in text
    assert "none of one seed" in text
    assert "## Classes on dev" in text


def test_the_peers_maximum_only_on_request_and_called_so(tmp_path: Path) -> None:
    peers = runs(peer=True)
    asked = report(tmp_path, outcome(runs=peers, peer=True))
    assert re.search(r"Test maximum over epochs, .*: 0\.3000 .*chosen on test.*no score of this model", asked)
    assert "scored after each of 3 epochs" in asked
    assert "Test maximum" not in report(tmp_path, outcome(runs=peers))
    assert "Test maximum" not in report(tmp_path, outcome(runs=runs(), peer=True)), "there is none to tell"


def test_numbers_have_no_classes(tmp_path: Path) -> None:
    scores = score_numbers([1.0, 2.0, 3.0], [1.5, 2.0, 2.5])
    alone = replace(runs(1)[0], dev=scores, test=scores, epochs=())
    text = report(tmp_path, outcome(kind="regression", measure="pearson", runs=(alone,), mistakes=()))
    assert "## Classes" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_many_classes_list_their_confusions(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(70)]
    scores = score_classes([*range(70), 0, 0], [*range(70), 5, 5], names)
    alone = replace(runs(1)[0], dev=scores, test=scores)
    text = report(tmp_path, outcome(runs=(alone,)))
    assert "| class 0 | class 5 | 2 | 67% |" in text
    assert not (tmp_path / "confusion.png").exists()


def test_pictures_are_the_same_again(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        write_report(folder, outcome())
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


@pytest.mark.skipif(fonts.korean_font() is None, reason="this machine has no font with Hangul")
def test_hangul_is_drawn(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that no font has
        plots.draw_confusion(tmp_path, SCORES)
    assert "긍정" in (tmp_path / "confusion.svg").read_text("utf-8")
    assert plots.labels(NAMES)[:2] == ["긍정", "부정"]
    # Nothing is cut: the picture's edge is white all around.
    pixels = imread(tmp_path / "confusion.png")[..., :3]
    assert min(edge.min() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])) == 1


def test_without_a_font_classes_have_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (fonts, plots):
        monkeypatch.setattr(module, "korean_font", lambda: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = report(tmp_path, outcome())
    assert capsys.readouterr().err.count("no font with Hangul") == 1
    assert "class 1" in (tmp_path / "confusion.svg").read_text("utf-8")
    assert "긍정" not in (tmp_path / "confusion.svg").read_text("utf-8")
    assert "| 1 | 긍정 |" in text, "the number is found in the table"


def test_a_name_that_no_font_has_gives_all_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fonts, "_characters", lambda name: frozenset(map(ord, "긍정")))
    assert plots.labels(["긍정", "정"]) == ["긍정", "정"]
    assert plots.labels(["긍정", "긍𓀀"]) == ["class 1", "class 2"]
    assert capsys.readouterr().err.count("warning") == 1


def test_dollars_are_no_mathematics(tmp_path: Path) -> None:
    names = [r"$\frac$", "$5 $6"]
    plots.draw_confusion(tmp_path, score_classes([0, 1], [0, 1], names))
    shown = (tmp_path / "confusion.svg").read_text("utf-8")
    assert all(f">{name}<" in shown for name in names)


def test_mistakes_are_the_surest_first() -> None:
    rows = [(f"line {number}", f"글 {number}") for number in range(5)]
    found = most_confident(rows, list("aaaab"), list("abbbb"), [0.99, 0.6, 0.9, 0.6, 1.0], most=3)
    assert [(each.place, each.confidence) for each in found] == [("line 2", 0.9), ("line 1", 0.6), ("line 3", 0.6)]
    assert (found[0].truth, found[0].answer) == ("a", "b")


def test_texts_are_one_short_line() -> None:
    assert one_line("가 " * 100_000, 10) == "가 가 가 가 가…"
    assert one_line("가" * 10, 10) == "가" * 10
    assert len(one_line(" " * 10_000 + "가", 10)) == 1, "what is cut off is told"
    assert one_line("\u202e\x1b[2J") == "\\u202e\\u001b[2J"


def test_tables_for_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table("confusion", *tables.confusion_table(SCORES))
    table("classes", *tables.classes_table(SCORES))
    shown = capsys.readouterr().err
    assert "긍정" in shown
    assert re.search(r"부정\s+0\s+2\s+0", shown)
