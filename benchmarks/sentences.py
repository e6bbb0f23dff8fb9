"""Sentence splitters compared: our rule, kss and kiwi, on hard cases, on real text, by speed and on hostile lines.

    python benchmarks/sentences.py [--data FOLDER] [--splitters rule kss kiwi] [--limit 60] [--failures]

`FOLDER` holds kowiki-00.txt .. kowiki-02.txt, law.txt and reviews.txt, plain or as .xz; the text itself is not ours to
ship, so benchmarks/sentence_sample.json names lines, their sha256 and the hand-checked boundaries. Without the folder
the real part is left out. kss and kiwipiepy are looked for and never required. kss stands for its pecab backend (what
it takes by itself where no mecab is installed); kss-fast and kss-punct are its backends of those names.

A boundary is the number of characters before it, white space not counted, so that it does not matter who strips what.
Boundaries that the sample calls undecided are counted neither for nor against. The sample was drawn by seed: reviews
of 30 characters or more, 3 to 6 neighbouring lines of Wikipedia, 1 to 4 of law, and ("marks within") lines of Wikipedia
with a sentence mark inside and the next line; every boundary was read before the rule was tuned.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import lzma
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from multiprocessing.connection import Connection
from pathlib import Path

from corpora.sentences import split_sentences
from pipeline.console import say, table
from pipeline.errors import InputError
from pipeline.stage import positive, run_stage

REPOSITORY = Path(__file__).resolve().parents[1]
CASES = REPOSITORY / "tests" / "corpora" / "sentence_cases.txt"
SAMPLE = Path(__file__).with_name("sentence_sample.json")
SPLITTERS = ("rule", "kss", "kss-fast", "kss-punct", "kiwi")
#: Seconds of running text that the speed of each splitter is measured on, and the most text for it.
SPEED_SECONDS, SPEED_BYTES = 10.0, 4_000_000
#: Lines of one kind only, repeated to a length.
HOSTILE = {
    "ordinary text": "비가 많이 와서 길이 젖었다. 우산은 집에 있었고 나는 밖에 있었다! ",
    "no punctuation": "비가 많이 와서 길이 젖고 우산은 집에 있고 나는 밖에 있는데 ",
    "no spaces": "가나다라마바사",
    "all dots": ".",
    "dots, spaced": ". ",
    "open quotes": "“",
    "alternating quotes": "\"'",
    "digits and dots": "1.2. 3",
    "final endings": "다요죠까 ",
    "jamo and marks": "ㅋㅋ ^^ ~! ",
}

Splitter = Callable[[str], list[str]]


@dataclass(frozen=True)
class Case:
    """A paragraph and where its sentences end, in characters without white space."""

    group: str
    text: str
    boundaries: frozenset[int]
    undecided: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Score:
    """Counts over paragraphs: right, given and wanted boundaries; paragraphs, and those exactly right."""

    right: int = 0
    given: int = 0
    wanted: int = 0
    paragraphs: int = 0
    exact: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Score)))

    def cells(self) -> tuple[str, ...]:
        """Precision, recall, F1 and the share of paragraphs exactly right; `-` where there is nothing to divide by."""
        f1 = (2 * self.right, self.given + self.wanted)
        shares = ((self.right, self.given), (self.right, self.wanted), f1, (self.exact, self.paragraphs))
        return tuple(f"{part / whole:.1%}" if whole else "-" for part, whole in shares)


def ends(sentences: Sequence[str]) -> frozenset[int]:
    """The boundaries between sentences.

    >>> sorted(ends(["비가 왔다.", "갈까?", "가자."]))
    [5, 8]
    """
    return frozenset(list(accumulate(len("".join(sentence.split())) for sentence in sentences))[:-1])


def held_out(text: str) -> bool:
    """Whether a hard case belongs to the third that no rule was tuned on; told from its text alone."""
    return hashlib.sha256(text.encode()).digest()[0] % 3 == 0


def read_cases(path: Path) -> list[Case]:
    """The hard cases of a file: `|` at each boundary, `# group` lines, `##` comments."""
    cases: list[Case] = []
    group = ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("# "):
            group = line[2:]
        elif line.strip() and not line.startswith("#"):
            text = line.replace(" | ", " ").replace("|", "")
            cases.append(Case(group, text, ends(line.split("|"))))
    return cases


def read_sample(path: Path, folder: Path) -> list[Case]:
    """The real paragraphs whose lines and boundaries `path` names; their lines are joined by a space."""
    items = json.loads(path.read_text("utf-8"))
    lines = {
        name: _lines(folder, name, {number for item in items if item["file"] == name for number in item["lines"]})
        for name in sorted({item["file"] for item in items})
    }
    cases = []
    for item in items:
        found = lines[item["file"]]
        text = " ".join(found.get(number, "") for number in item["lines"])
        if hashlib.sha256(text.encode()).hexdigest() != item["sha256"]:
            place = f"{item['file']}: line {item['lines'][0]}"
            raise InputError(f"{place} is not the text that {path.name} was made from; take the files it names")
        cases.append(Case(item["source"], text, frozenset(item["boundaries"]), frozenset(item.get("undecided", ()))))
    return cases


def _lines(folder: Path, name: str, numbers: set[int]) -> dict[int, str]:
    path = folder / name
    if path.exists():
        stream = path.open(encoding="utf-8", newline="\n")
    elif path.with_name(f"{name}.xz").exists():
        stream = lzma.open(path.with_name(f"{name}.xz"), "rt", encoding="utf-8", newline="\n")
    else:
        raise InputError(f"{folder}: neither {name} nor {name}.xz is there; leave --data out to do without real text")
    with stream:
        return {number: line.rstrip("\n") for number, line in enumerate(stream, 1) if number in numbers}


def load(name: str) -> Splitter:
    """The splitter of that name; raises ImportError if its package is missing."""
    if name == "rule":
        return split_sentences
    if name == "kiwi":
        kiwi = importlib.import_module("kiwipiepy").Kiwi(num_workers=1)
        return lambda text: [sentence.text for sentence in kiwi.split_into_sents(text)]
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="pecab")
    split = importlib.import_module("kss").Kss("split_sentences")
    backend = {"kss": "pecab", "kss-fast": "fast", "kss-punct": "punct"}[name]
    return lambda text: list(split(text, backend=backend, num_workers=1))


def score(case: Case, answer: frozenset[int]) -> Score:
    """One paragraph's counts."""
    given = answer - case.undecided
    return Score(len(given & case.boundaries), len(given), len(case.boundaries), 1, given == case.boundaries)


def scores(split: Splitter, cases: Iterable[Case], failures: str = "") -> dict[str, Score]:
    """Scores of all and of each group.

    A paragraph whose text the splitter changes counts as not split. With `failures`, every paragraph that is not
    exactly right is printed under that heading.
    """
    found = {"all": Score()}
    for case in cases:
        sentences = split(case.text)
        whole = "".join("".join(sentences).split()) == "".join(case.text.split())
        one = score(case, ends(sentences) if whole else frozenset())
        for group in ("all", case.group):
            found[group] = found.get(group, Score()) + one
        if failures and not one.exact:
            say(f"{failures}, {case.group}{'' if whole else ', text changed'}: {' | '.join(sentences)}")
    return found


def quality(splitters: dict[str, Splitter], title: str, cases: Sequence[Case], failures: bool = False) -> None:
    """Print one table: all, and by group if there are several."""
    found = {name: scores(split, cases, f"{name}, {title}" if failures else "") for name, split in splitters.items()}
    groups = ["all", *dict.fromkeys(case.group for case in cases if case.group)]
    places = [(group, name, found[name][group]) for group in groups for name in splitters]
    rows = [(group, name, str(part.paragraphs), *part.cells()) for group, name, part in places]
    table(title, ("group", "splitter", "paragraphs", "precision", "recall", "F1", "exact"), rows, stdout=True)


def running_text(folder: Path | None) -> list[str]:
    """Paragraphs to measure speed on: of Wikipedia if it is there, else of the sample corpus that ships."""
    files = sorted((REPOSITORY / "corpora" / "sample").glob("*.txt"))
    joined = "\n\n".join(path.read_text("utf-8") for path in files)
    if folder:
        joined = "\n".join(_lines(folder, "kowiki-00.txt", set(range(1, 40_000))).values())
    return [document.replace("\n", " ") for document in joined.split("\n\n")]


def megabytes_a_second(split: Splitter, paragraphs: Sequence[str]) -> float:
    """Million bytes of UTF-8 a second, over at most `SPEED_SECONDS` and `SPEED_BYTES`; the text's start warms up."""
    split(paragraphs[0])
    done, began = 0, time.perf_counter()
    for paragraph in paragraphs:
        split(paragraph)
        done += len(paragraph.encode())
        if done > SPEED_BYTES or time.perf_counter() - began > SPEED_SECONDS:
            break
    return done / (time.perf_counter() - began) / 1e6


def hostile_line(unit: str, size: int) -> str:
    """One line of about `size` bytes."""
    return (unit * (size // len(unit.encode()) + 1)).strip()


def _timed(name: str, line: str, pipe: Connection) -> None:
    split = load(name)
    split("비가 왔다. 길이 젖었다.")
    pipe.send(0.0)
    began = time.perf_counter()
    split(line)
    pipe.send(time.perf_counter() - began)


def seconds_within(name: str, line: str, limit: float) -> tuple[float | None, str]:
    """Seconds for one line in a process of its own, and the same in words; None if it took longer or died."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_timed, args=(name, line, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()
        if not ours.poll(limit):
            return None, f"> {limit:g} s"
        seconds = float(ours.recv())
    except EOFError:
        return None, "died"
    finally:
        process.kill()
        process.join()
    return seconds, f"{seconds:.2f} s"


def hostile(name: str, limit: float) -> list[tuple[str, ...]]:
    """Rows (kind, splitter, 0.25 MB, 1 MB, their ratio); 1 MB is not tried where a quarter was too much."""
    rows: list[tuple[str, ...]] = []
    for kind, unit in HOSTILE.items():
        quarter, told = seconds_within(name, hostile_line(unit, 250_000), limit)
        if quarter is None:
            rows.append((kind, name, told, told, "-"))
            continue
        whole, whole_told = seconds_within(name, hostile_line(unit, 1_000_000), limit)
        rows.append((kind, name, told, whole_told, "-" if whole is None else f"{whole / max(quarter, 1e-9):.1f}"))
    return rows


def main(argv: list[str] | None) -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description="Sentence splitters compared.")
    parser.add_argument("--data", type=Path, help="folder with kowiki-00.txt ... (or .xz); without it, no real text")
    parser.add_argument("--splitters", nargs="+", choices=SPLITTERS, default=["rule", "kss", "kiwi"])
    parser.add_argument("--limit", type=positive, default=60, help="seconds for one hostile line (default: 60)")
    parser.add_argument("--failures", action="store_true", help="print the paragraphs that are not exactly right")
    parser.add_argument("--no-hostile", action="store_true", help="leave the hostile lines out, which take minutes")
    arguments = parser.parse_args(argv)
    if arguments.data and not arguments.data.is_dir():
        say(f"real text is left out: {arguments.data} is not a folder")
        arguments.data = None
    real = read_sample(SAMPLE, arguments.data) if arguments.data else []
    splitters: dict[str, Splitter] = {}
    for name in arguments.splitters:
        try:
            splitters[name] = load(name)
        except ImportError as error:
            say(f"{name} is left out: {error}; pip install kss==6.0.6 kiwipiepy==0.24.1")
    cases = read_cases(CASES)
    quality(splitters, "hard cases, all", cases, arguments.failures)
    for part, title in enumerate(("tuned", "held out")):
        few = [Case("", case.text, case.boundaries) for case in cases if held_out(case.text) == part]
        quality(splitters, f"hard cases, {title}", few)
    if real:
        quality(splitters, "real text", real, arguments.failures)
    paragraphs = running_text(arguments.data)
    speeds = [(name, f"{megabytes_a_second(split, paragraphs):.2g}") for name, split in splitters.items()]
    table("running text", ("splitter", "MB/s"), speeds, stdout=True)
    if not arguments.no_hostile:
        rows = [row for name in splitters for row in hostile(name, arguments.limit)]
        table("one line", ("kind", "splitter", "0.25 MB", "1 MB", "ratio"), rows, stdout=True)


if __name__ == "__main__":
    run_stage(main)
