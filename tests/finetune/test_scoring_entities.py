"""F1 of entities and of characters: an independent reading of tags, and figures that seqeval 1.2.2 gave."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import classification_report

from finetune.data.rows import Span
from finetune.scoring.entities import score_entities

TEXT = "이순신은 1545년 한성에서 태어난 조선 중기의 무신이다."
CUTS = st.sets(st.integers(0, len(TEXT)), min_size=2)
KINDS = st.lists(st.sampled_from(["PS", "LC", "DT", None]), min_size=len(TEXT), max_size=len(TEXT))
SPANS = st.tuples(CUTS, KINDS).map(
    lambda drawn: [Span(a, b, kind) for (a, b), kind in zip(pairwise(sorted(drawn[0])), drawn[1], strict=False) if kind]
)


def tags(spans: list[Span], text: str = TEXT) -> list[str]:
    """Character by character, without spaces, as KLUE's files have them."""
    found = ["O"] * len(text)
    for span in spans:
        prefix = "B-"
        for place in range(span.start, span.end):
            if text[place] != " ":
                found[place], prefix = prefix + span.label, "I-"
    return [tag for tag, character in zip(found, text, strict=True) if character != " "]


def chunks(found: list[str]) -> set[tuple[int, int, str]]:
    """Entities read off BIO tags, without looking at spans."""
    begins = [place for place, tag in enumerate(found) if tag.startswith("B-")]
    ends = [next((p for p in range(b + 1, len(found)) if not found[p].startswith("I-")), len(found)) for b in begins]
    return {(begin, end, found[begin][2:]) for begin, end in zip(begins, ends, strict=True)}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=4))
def test_spans_score_as_their_tags_do(rows: list[tuple[list[Span], list[Span]]]) -> None:
    truth, answers = map(list, zip(*rows, strict=True))
    measures = score_entities(truth, answers, [TEXT] * len(rows)).measures
    true, said = (
        {(row, *chunk) for row, spans in enumerate(sets) for chunk in chunks(tags(spans))} for sets in (truth, answers)
    )
    assert measures["entity_precision"] == pytest.approx(len(true & said) / max(len(said), 1))
    assert measures["entity_recall"] == pytest.approx(len(true & said) / max(len(true), 1))
    assert measures["entity_f1"] == pytest.approx(2 * len(true & said) / max(len(true) + len(said), 1))
    ours, theirs = ([tag for spans in sets for tag in tags(spans)] for sets in (truth, answers))
    report = classification_report(ours, theirs, output_dict=True, zero_division=0)
    kept = [each["f1-score"] for tag, each in report.items() if tag[:2] in ("B-", "I-")]
    assert measures["char_macro_f1"] == pytest.approx(sum(kept) / max(len(kept), 1))
    assert measures["char_macro_f1_with_o"] == pytest.approx(report["macro avg"]["f1-score"])


def test_what_seqeval_gives() -> None:
    truth = [[Span(0, 3, "PS"), Span(5, 10, "DT"), Span(11, 13, "LC")], [Span(0, 3, "PS")]]
    answers = [[Span(0, 4, "PS"), Span(5, 10, "DT"), Span(11, 13, "PS")], [Span(0, 3, "PS")]]
    scores = score_entities(truth, answers, [TEXT] * 2)
    # seqeval 1.2.2, mode="strict", scheme=IOB2, of the same as tags: micro, macro.
    assert (scores.measures["entity_f1"], scores.measures["entity_macro_f1"]) == pytest.approx((0.5, 7 / 15))
    assert [(each.name, each.rows) for each in scores.classes] == [("DT", 1), ("LC", 1), ("PS", 2)]
    assert scores.classes[2].precision == pytest.approx(1 / 3)


def test_spaces_at_the_edge_do_not_count_and_josa_do() -> None:
    space = score_entities([[Span(11, 13, "LC")]], [[Span(10, 13, "LC")]], [TEXT])
    josa = score_entities([[Span(11, 13, "LC")]], [[Span(11, 15, "LC")]], [TEXT])
    assert (space.measures["entity_f1"], josa.measures["entity_f1"]) == (1, 0)
    assert 0 < josa.measures["char_macro_f1"] < 1


def test_no_entities_and_no_texts() -> None:
    scores = score_entities([[]], [[]], ["없다"])
    assert (scores.measures["entity_f1"], scores.measures["char_macro_f1"], scores.classes) == (0, 0, ())
    with pytest.raises(ValueError, match="no rows"):
        score_entities([], [], [])
    with pytest.raises(ValueError, match="zip"):
        score_entities([[]], [], ["a"])
