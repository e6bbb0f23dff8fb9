"""What is printed where there is no terminal is plain text."""

import pytest

from pipeline import console
from pipeline.console import answer, duration, progress, say, table, visible


def test_plain_progress_has_no_control_codes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0.0)
    with progress("pretrain", 4) as advance:
        advance(1, "loss [6.2]")
        advance(3, "loss [6.1]")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("pretrain:  25 %  ") and lines[0].endswith("left  loss [6.2]")
    assert lines[1].startswith("pretrain: 100 %  in 0:00  loss [6.1]")
    assert "\x1b" not in "".join(lines) and "\r" not in "".join(lines)


def test_progress_counts_from_where_a_run_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0.0)
    with progress("pretrain", 10, start=5) as advance:
        advance(1, "")
    assert capsys.readouterr().err.startswith("pretrain:  60 %")


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("pretrain", 1, quiet=True) as advance:
        advance(1, "x")
    assert capsys.readouterr() == ("", "")


def test_markup_in_a_users_text_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    said = "[MASK] [red]x[/red] [/b] [unused61] :b:"
    say(said)
    answer(said)
    table(said, ("a",), [(said,)])
    output = capsys.readouterr()
    assert output.err.count(said) == 3 and output.out == said + "\n"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (75, "1:15"), (4000, "1:06:40"), (-1, "0:00")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_nothing_invisible_is_shown_as_it_is() -> None:
    for character in "\x00\x07\x1b\r\n\t\x7f\x9b\u200b\u202e\u2028\U000e0041\ud800":
        assert visible(character).startswith("\\") and visible(character).isascii(), repr(character)
    assert visible("나 漢 ㅋㅋ 😀 é", "") == "나 漢 ㅋㅋ 😀 é"
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\u001b"


def test_what_is_told_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.warn("a\x1b[2J folder")
    console.fail("line\n\u202etwo")
    assert capsys.readouterr().err == "warning: a\\u001b[2J folder\nerror: line\n\\u202etwo\n"


def test_tables_and_lines_steer_no_terminal_either(capsys: pytest.CaptureFixture[str]) -> None:
    """Folders and files have names, and these are told."""
    red = "\x1b[31mred"
    say(red)
    table(red, [red], [[red]], stdout=True)
    with progress(red, 1) as advance:
        advance(1, red)
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err
    assert (told.out + told.err).count("\\u001b[31mred") == 6


def test_figures_stand_right_where_some_are_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    table("", ["name", "share", "none"], [["a", "12.5%", ""], ["b", "", ""], ["c", "1.5%", ""]], stdout=True)
    _, *rows = (line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip())
    assert rows[0].index("%") == rows[2].index("%")
