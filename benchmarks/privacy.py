"""What corpora.privacy finds, misses and costs.

    python benchmarks/privacy.py --cases tests/corpora/privacy_cases.tsv [--show N] FILE...

On the test set: recall and precision by kind (a datum counts when kind, beginning and end are right) and what was
missed. On each FILE of text, its lines cleaned first: findings by kind, for a million bytes, and the speed of `redact`
beside that of one search for a character. Whether a finding in a file is a true one is for the eye: `--show N` lists N
of each kind, drawn evenly, with 30 characters on both sides.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from corpora.clean import clean_line
from corpora.privacy import PLACEHOLDERS, Finding, find_personal, redact
from pipeline.console import say, table
from pipeline.errors import InputError
from pipeline.stage import run_stage

_MARKS = re.compile("[«»]")
_AROUND = 30


@dataclass(frozen=True)
class Case:
    """A line of the test set: the text without marks, what is to be found, and whether it is known to be missed."""

    text: str
    expected: tuple[Finding, ...]
    known_miss: bool


@dataclass
class Score:
    """Counts by kind; a datum that is found with a wrong edge is missed and a false alarm."""

    there: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    missed: list[tuple[Finding, Case]] = field(default_factory=list)
    false: list[tuple[Finding, Case]] = field(default_factory=list)

    def recall(self, kind: str) -> float:
        """Share of the data of a kind that is found."""
        return self.hit[kind] / self.there[kind] if self.there[kind] else 1.0

    def precision(self, kind: str) -> float:
        """Share of the findings of a kind that are right."""
        return self.hit[kind] / self.found[kind] if self.found[kind] else 1.0


def read_cases(path: Path) -> list[Case]:
    """The test set: kind, text with « » around the personal parts, perhaps `known_miss`; lines with # are comments.

    Raises InputError with file and line.
    """
    cases = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        columns = line.split("\t")
        if len(columns) not in (2, 3) or columns[2:] not in ([], ["known_miss"]):
            raise InputError(f"{path}:{number}: want kind, text and perhaps known_miss, separated by tabs")
        cases.append(_case(columns, f"{path}:{number}"))
    return cases


def _case(columns: list[str], place: str) -> Case:
    kinds = [] if columns[0] == "none" else columns[0].split(",")
    pieces = _MARKS.split(columns[1])
    marked = len(pieces) // 2
    if len(kinds) == 1:
        kinds *= marked
    if len(pieces) % 2 == 0 or len(kinds) != marked or not set(kinds) <= set(PLACEHOLDERS):
        raise InputError(f"{place}: the kinds do not fit the « » marks")
    expected, offset = [], 0
    for number, piece in enumerate(pieces):
        if number % 2:
            expected.append(Finding(kinds[number // 2], offset, offset + len(piece)))
        offset += len(piece)
    return Case("".join(pieces), tuple(expected), len(columns) == 3)


def judge_cases(cases: list[Case]) -> Score:
    """Ask the rules for every case and compare."""
    score = Score()
    for case in cases:
        found = find_personal(case.text)
        score.there.update(finding.kind for finding in case.expected)
        score.found.update(finding.kind for finding in found)
        score.hit.update(finding.kind for finding in found if finding in case.expected)
        score.missed += [(finding, case) for finding in case.expected if finding not in found]
        score.false += [(finding, case) for finding in found if finding not in case.expected]
    return score


def _report_cases(path: Path) -> None:
    cases = read_cases(path)
    score = judge_cases(cases)
    rows = [
        (
            kind,
            str(score.there[kind]),
            str(score.hit[kind]),
            f"{score.recall(kind):.1%}",
            f"{score.precision(kind):.1%}",
        )
        for kind in PLACEHOLDERS
    ]
    total = (sum(score.there.values()), sum(score.hit.values()), sum(score.found.values()))
    rows.append(
        ("all", str(total[0]), str(total[1]), f"{total[1] / total[0]:.1%}", f"{total[1] / max(total[2], 1):.1%}")
    )
    negatives = sum(not case.expected for case in cases)
    title = f"{path.name}: {len(cases)} cases, {negatives} without personal data"
    table(title, ("kind", "data", "found", "recall", "precision"), rows, stdout=True)
    for finding, case in score.missed:
        known = " (known)" if case.known_miss else ""
        print(f"missed{known} {finding.kind}: {case.text[finding.start : finding.end]} | {case.text}")
    for finding, case in score.false:
        print(f"false {finding.kind}: {case.text[finding.start : finding.end]} | {case.text}")


def _report_file(path: Path, show: int) -> None:
    lines = [clean_line(line) for line in path.read_text("utf-8").split("\n")]
    megabytes = path.stat().st_size / 1e6
    counts: Counter[str] = Counter()
    begin = time.process_time()
    for line in lines:
        counts.update(redact(line)[1])
    seconds = time.process_time() - begin
    begin = time.process_time()
    for line in lines:
        line.find("\0")
    looked = time.process_time() - begin
    rows = [(kind, f"{counts[kind]:,}", f"{counts[kind] / megabytes:.2f}") for kind in PLACEHOLDERS]
    title = (
        f"{path.name}: {megabytes:.1f} MB, {megabytes / seconds:.1f} MB/s, "
        f"{seconds / looked:.0f} times one search for a character"
    )
    table(title, ("kind", "findings", "per MB"), rows, stdout=True)
    if show:
        _show(lines, show)


def _show(lines: list[str], show: int) -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        for finding in find_personal(line):
            before = line[max(0, finding.start - _AROUND) : finding.start]
            after = line[finding.end : finding.end + _AROUND]
            found[finding.kind].append(f"{number}: {before}«{line[finding.start : finding.end]}»{after}")
    for kind, examples in found.items():
        step = max(1, len(examples) / show)
        for place in range(min(show, len(examples))):
            print(f"{kind}\t{examples[int(place * step)]}")


def main(argv: list[str] | None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="What corpora.privacy finds, misses and costs.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--cases", type=Path, metavar="TSV")
    parser.add_argument("--show", type=int, default=0, metavar="N")
    arguments = parser.parse_args(argv)
    if not arguments.files and not arguments.cases:
        raise InputError("nothing to do: name --cases or files")
    if arguments.cases:
        _report_cases(arguments.cases)
    for path in arguments.files:
        say(str(path))
        _report_file(path, arguments.show)


if __name__ == "__main__":
    run_stage(main)
