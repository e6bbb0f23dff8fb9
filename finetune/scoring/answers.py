"""Scores of answers from a passage: exact match and F1 of characters as KorQuAD has them, and both without josa.

What is compared are characters without marks, in lower case, words one space apart:

* `korquad_form`: KorQuAD 1.0's official script (evaluate-v1.0.py, korquad.github.io) puts a space for quotation marks
  and brackets and deletes other ASCII punctuation.
* `klue_form`: KLUE's baseline (KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/utils.py) only deletes ASCII
  punctuation: its pattern for quotation marks and brackets closes too early and matches next to nothing, so 《》 stay.

F1 is of characters, spaces not counted, as multisets (KorQuAD, since eojeols carry josa: Lim et al. 2019,
arXiv:1909.07005). `rouge_w` is what KLUE calls so: F1 of the longest stretch of characters that both have (paper,
arXiv:2105.09680: the longest common consecutive subsequence), not Lin's weighted subsequence. Of several accepted
answers the best counts. A question without accepted answers is right if the answer is empty, as in SQuAD 2.0.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from itertools import product

from finetune.scoring.particles import readings
from finetune.scoring.scores import Scores

#: Text without its marks, in its own case.
Form = Callable[[str], str]
_QUOTES_AND_BRACKETS = re.compile("['\"《》<>〈〉()‘’]")
_DELETED = str.maketrans("", "", string.punctuation)


def korquad_form(text: str) -> str:
    """Text as KorQuAD compares it, but for its case.

    >>> korquad_form("《난중일기》(1592~1598년)")
    '난중일기 15921598년'
    """
    return " ".join(_QUOTES_AND_BRACKETS.sub(" ", text).translate(_DELETED).split())


def klue_form(text: str) -> str:
    """Text as KLUE's baseline compares it, but for its case.

    >>> klue_form("《난중일기》(1592~1598년)")
    '《난중일기》15921598년'
    """
    return " ".join(text.translate(_DELETED).split())


def score_answers(truth: Sequence[Sequence[str]], answers: Sequence[str], *, form: Form = korquad_form) -> Scores:
    """`f1`, `em`, `f1_no_josa`, `em_no_josa`, `rouge_w`: means over questions, in [0, 1].

    truth: the accepted answers of each question, none if it has no answer. Without josa an answer is the best of its
    `readings` against the best of each accepted one's. Raises ValueError if there are no questions.
    """
    if not answers:
        raise ValueError("no rows to score")
    sums: Counter[str] = Counter()
    for accepted, answer in zip(truth, answers, strict=True):
        sums.update(score_answer(accepted, answer, form))
    names = ("f1", "em", "f1_no_josa", "em_no_josa", "rouge_w")
    return Scores({name: sums[name] / len(answers) for name in names}, len(answers))


def score_answer(accepted: Sequence[str], answer: str, form: Form = korquad_form) -> dict[str, float]:
    """The measures of one question, as `score_answers` has them."""
    trues, said = [form(text) for text in accepted or [""]], form(answer)
    pairs = [(said.lower(), true.lower()) for true in trues]
    bare = [(a.lower(), b.lower()) for true in trues for a, b in product(readings(said), readings(true))]
    return {
        "f1": max(_characters_f1(*pair) for pair in pairs),
        "em": max(float(a == b) for a, b in pairs),
        "f1_no_josa": max(_characters_f1(*pair) for pair in bare),
        "em_no_josa": max(float(a == b) for a, b in bare),
        "rouge_w": max(_stretch_f1(*pair) for pair in pairs),
    }


def _characters_f1(first: str, second: str) -> float:
    """KorQuAD's script has 0 where both are empty; here they are equal, as they are to its exact match."""
    one, other = Counter(first.replace(" ", "")), Counter(second.replace(" ", ""))
    if not one or not other:
        return float(one == other)
    return 2 * (one & other).total() / (one.total() + other.total())


def _stretch_f1(first: str, second: str) -> float:
    """Spaces count here. difflib's `autojunk`, which leaves frequent characters of long texts out, is off."""
    if not first or not second:
        return float(first == second)
    common = SequenceMatcher(None, first, second, autojunk=False).find_longest_match().size
    return 2 * common / (len(first) + len(second))
