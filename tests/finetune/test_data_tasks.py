"""KLUE's and SQuAD's layouts: offsets say what they say, and what does not is told by record or mended and counted."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.known import TASKS
from finetune.data.read import Source, read_rows, read_unlabelled
from finetune.data.rows import Answer, Span
from finetune.data.tagged import read_tagged
from pipeline.errors import InputError

NER = """## 토큰, 레이블 구분자 : \\t
## 컬럼명 : CHAR\tNE_TAG
## klue-ner-v1_dev_00000-wikitree\t<박:PS>씨 <32:QT>
박\tB-PS
씨\tO
 \tO
3\tB-QT
2\tI-QT

## klue-ner-v1_dev_00001-nsmc\t<서울 역:LC><1:QT>#
서\tB-LC
울\tI-LC
 \tI-LC
역\tI-LC
1\tB-QT
#\tO
"""


def texts_of(row) -> list[tuple[str, str]]:
    return [(row.text[span.start : span.end], span.label) for span in row.target]


def test_klue_ner_by_character(write) -> None:
    rows = read_rows(write("a.tsv", NER), Source("klue-ner"))
    assert [(row.text, row.name, row.place) for row in rows.rows] == [
        ("박씨 32", "klue-ner-v1_dev_00000-wikitree", "line 4"),
        ("서울 역1#", "klue-ner-v1_dev_00001-nsmc", "line 11"),
    ]
    assert texts_of(rows.rows[0]) == [("박", "PS"), ("32", "QT")]
    assert texts_of(rows.rows[1]) == [("서울 역", "LC"), ("1", "QT")]


def test_words_are_joined_by_spaces(write) -> None:
    conll = "-DOCSTART- -X- O\n\nHan NNP B-PER\nSeoul NNP B-LOC\nCity NNP I-LOC\n. . O\n"
    row = read_rows(write("a.txt", conll), Source("ner")).rows[0]
    assert (row.text, texts_of(row)) == ("Han Seoul City .", [("Han", "PER"), ("Seoul City", "LOC")])


def test_an_inside_that_follows_nothing_begins_as_conlleval_has_it(write) -> None:
    tags = ["I-A", "I-A", "I-B", "O", "I-B", "B-B", "S-A", "I-A", "B-C", "E-C", "I-C"]
    rows = read_tagged(write("a.tsv", "".join(f"{n % 10}\t{tag}\n" for n, tag in enumerate(tags))), "utf-8")
    spans = [Span(0, 2, "A"), Span(2, 3, "B"), Span(4, 5, "B"), Span(5, 6, "B"), Span(6, 7, "A"), Span(7, 8, "A")]
    assert rows.rows[0].target == (*spans, Span(8, 10, "C"), Span(10, 11, "C"))
    assert "5 tags I- follow no entity" in rows.notes[0]
    assert "first: line 1" in rows.notes[0]


@given(st.lists(st.tuples(st.sampled_from(["가", "나다", "x"]), st.sampled_from(["", "A", "B"])), min_size=1))
def test_spans_and_tags_say_the_same(parts) -> None:
    """A sentence made of parts, tagged by character: the entities come back as the parts they were."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    lines, wanted, place = [], [], 0
    for text, kind in parts:
        for number, character in enumerate(text):
            lines.append(f"{character}\t{('I-' if number else 'B-') + kind if kind else 'O'}\n")
        if kind:
            wanted.append(Span(place, place + len(text), kind))
        place += len(text)
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.tsv")
        path.write_text("".join(lines), "utf-8")
        row = read_tagged(path, "utf-8").rows[0]
    assert row.target == tuple(wanted)
    assert row.text == "".join(text for text, _ in parts)


def test_entities_of_records(write) -> None:
    record = {"text": " 박씨는 서울에 ", "entities": [
        {"start": 5, "end": 7, "label": "LC"}, {"start": 1, "end": 2, "label": "PS"}]}  # fmt: skip
    row = read_rows(write("a.jsonl", json.dumps(record)), Source("ner")).rows[0]
    assert row.text == " 박씨는 서울에 "
    assert texts_of(row) == [("박", "PS"), ("서울", "LC")]
    hub = {"tokens": ["박", "씨", " ", "1"], "ner_tags": ["B-PS", "O", "O", "B-QT"], "id": "n1"}
    row = read_rows(write("b.jsonl", json.dumps(hub)), Source("klue-ner")).rows[0]
    assert (row.text, texts_of(row), row.name) == ("박씨 1", [("박", "PS"), ("1", "QT")], "n1")


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.tsv", "박\tB-PS\n씨\n", "line 2: a token and its tag are expected"),
        ("a.tsv", "박\tPS\n", "line 1: 'PS' is no tag; write O, B-TYPE or I-TYPE"),
        ("a.tsv", "\n\n", "has no row with text"),
        (
            "a.jsonl",
            '{"text": "서울", "entities": [{"start": 0, "end": 3, "label": "L"}]}',
            "entity 0 to 3 does not lie",
        ),
        (
            "a.jsonl",
            '{"text": "서울", "entities": [{"start": 0, "end": "2", "label": "L"}]}',
            "has start, end and label",
        ),
        (
            "a.jsonl",
            '{"text": "서울역", "entities": [{"start": 1, "end": 3, "label": "A"},'
            ' {"start": 0, "end": 2, "label": "B"}]}',
            "line 1: entities overlap: B 0 to 2 and A 1 to 3",
        ),
        ("a.jsonl", '{"text": "서울"}', "no key 'entities'"),
        ("a.jsonl", '{"text": "서울", "entities": null}', r"no entities in 'entities'; write \[\]"),
        ("a.jsonl", '{"text": ["서"], "entities": [1]}', "tags are names as B-PS, not numbers"),
        ("a.jsonl", '{"text": ["서", "울"], "entities": ["O"]}', "2 tokens, but 1 tags"),
    ],
)
def test_bad_entities_stop(write, name, content, said) -> None:
    with pytest.raises(InputError, match=said):
        read_rows(write(name, content), Source("ner"))


def test_sentences_to_be_tagged(write) -> None:
    assert [row.target for row in read_unlabelled(write("a.txt", "박씨가 왔다.\n"), Source("klue-ner")).rows] == [None]
    assert [row.target for row in read_unlabelled(write("b.jsonl", '{"text": "박씨"}'), Source("ner")).rows] == [None]
    assert read_unlabelled(write("c.tsv", NER), Source("klue-ner")).rows[0].target


def korquad(*asked, context="서울은 한국의 수도이다. 서울은 크다.") -> str:
    return json.dumps(
        {"version": "1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(asked)}]}]}
    )


def question(name="q1", *answers, **more) -> dict:
    found = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": name, "question": "수도는?", "answers": found, **more}


def test_answers_stand_in_their_passage(write) -> None:
    asked = [
        question("q1", ("서울", 14), ("서울", 0), ("서울", 14)),
        question("q2", is_impossible=True),
        question("q3", ("한국", 4), is_impossible=False),
    ]
    rows = read_rows(write("a.json", korquad(*asked)), Source("korquad"))
    first, second, third = rows.rows
    assert (first.pair, first.name, first.place) == ("수도는?", "q1", "question q1")
    assert first.target == (Answer("서울", 14), Answer("서울", 0))
    assert second.target == ()
    assert third.text[4:6] == third.target[0].text
    assert rows.notes == ()


def test_answers_beside_their_place_are_mended_and_counted(write) -> None:
    asked = [question("q1", ("서울", 12)), question("q2", (" 수도 ", 8)), question("q3", ("한국", 4))]
    rows = read_rows(write("a.json", korquad(*asked)), Source("korquad"))
    assert [row.target for row in rows.rows] == [(Answer("서울", 14),), (Answer("수도", 8),), (Answer("한국", 4),)]
    assert "2 answers stand up to 100 characters from" in rows.notes[0]
    assert "first: question q1" in rows.notes[0]


@pytest.mark.parametrize(
    "content, said",
    [
        (korquad(question("q9", ("부산", 0))), "question q9: the answer '부산' does not stand at 0 .there is '서울'"),
        (korquad(question("q9", ("부산", 200)), context="가" * 200 + "나" * 150 + "부산"), "nor within 100 characters"),
        (korquad(question("q9")), "question q9: no answer in 'answers', and is_impossible is not true"),
        (korquad(question("q9", ("서울", "0"))), "question q9: an answer has a text and a whole number answer_start"),
        (korquad(question("q9", ("", 0))), "question q9: an answer has a text"),
        (korquad({"id": "q9", "answers": []}), "question q9: no key 'question'"),
        ('{"data": [{"paragraphs": 3}]}', "article 1: no list of objects called 'paragraphs'"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', "article 1: a paragraph without 'context'"),
        ('{"data": []}', "has no row with text"),
    ],
)
def test_bad_answers_stop(write, content, said) -> None:
    path = write("a.json", content)
    with pytest.raises(InputError, match=said) as stopped:
        read_rows(path, Source("korquad"))
    assert str(path) in str(stopped.value)


def test_questions_of_tables(tmp_path, write) -> None:
    records = [
        {"id": "a", "context": "서울은", "question": "어디?", "answers": {"text": ["서울"], "answer_start": [0]}},
        {"id": "b", "context": "서울은", "question": "왜?", "answers": {"text": [], "answer_start": []}},
    ]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    rows = read_rows(tmp_path / "a.parquet", Source("qa"))
    assert [(row.name, row.target) for row in rows.rows] == [("a", (Answer("서울", 0),)), ("b", ())]
    with pytest.raises(InputError, match="line 1: 'answers' is a list"):
        read_rows(write("a.jsonl", '{"context": "서울은", "question": "어디?", "answers": "서울"}'), Source("qa"))


def test_questions_to_be_answered(write) -> None:
    asked = {"id": "q1", "question": "수도는?"}
    assert read_unlabelled(write("a.json", korquad(asked)), Source("korquad")).rows[0].target is None
    assert read_unlabelled(write("a.tsv", "context\tquestion\n서울은\t왜?\n"), Source("qa")).rows[0].pair == "왜?"
    with pytest.raises(InputError, match="no key 'answers'"):
        read_rows(write("a.json", korquad(asked)), Source("korquad"))


def test_klue_pairs_and_titles(write) -> None:
    nli = [{"guid": "g1", "premise": "가", "hypothesis": "나", "gold_label": "neutral", "label2": "x"}]
    row = read_rows(write("n.json", json.dumps(nli)), Source("klue-nli")).rows[0]
    assert (row.text, row.pair, row.target, row.name) == ("가", "나", "neutral", "g1")
    sts = [{"sentence1": "가", "sentence2": "나", "labels": {"label": 3.7, "real-label": 3.714, "binary-label": 1}}]
    path = write("s.json", json.dumps(sts))
    assert read_rows(path, Source("klue-sts")).rows[0].target == 3.714
    yes = Source("classification", text="sentence1", pair="sentence2", label="labels.binary-label")
    assert read_rows(path, yes).rows[0].target == "1"
    ynat = [{"guid": "y", "title": "제목", "label": "정치", "annotations": {"annotators": ["1"]}}]
    assert read_rows(write("y.json", json.dumps(ynat)), Source("klue-ynat")).rows[0].target == "정치"


def relation(subject=("이순신", 4, 6), other=("조선", 0, 1), kind="PER") -> str:
    entities = [
        {"word": word, "start_idx": start, "end_idx": last, "type": each}
        for (word, start, last), each in ((subject, kind), (other, "LOC"))
    ]
    record = {
        "sentence": "조선의 이순신 장군",
        "subject_entity": entities[0],
        "object_entity": entities[1],
        "label": "x",
    }
    return json.dumps([record])


def test_klue_relations_are_marked(write) -> None:
    row = read_rows(write("r.json", relation()), Source("klue-re")).rows[0]
    assert (row.text, row.target) == ("# ^ 장소 ^ 조선 #의 @ * 사람 * 이순신 @ 장군", "x")
    row = read_rows(write("r.json", relation(kind="XYZ")), Source("klue-re")).rows[0]
    assert "@ * XYZ * 이순신 @" in row.text


@pytest.mark.parametrize(
    "content, said",
    [
        (relation(subject=("이순신", 3, 5)), "record 1: subject_entity '이순신' does not stand at 3 to 5: ' 이순'"),
        (relation(subject=("이순신", 4, 60)), "does not stand at 4 to 60"),
        (relation(other=("이순", 4, 5)), "record 1: .* overlap"),
        ('[{"sentence": "가", "label": "x", "subject_entity": 3, "object_entity": {}}]', "subject_entity is an object"),
        ('[{"sentence": "가", "label": "x"}]', "no key 'subject_entity'"),
    ],
)
def test_bad_relations_stop(write, content, said) -> None:
    with pytest.raises(InputError, match=said):
        read_rows(write("r.json", content), Source("klue-re"))


def test_the_table_of_tasks_is_whole() -> None:
    kinds = {task.kind for task in TASKS.values()}
    assert kinds == {"classification", "regression", "multilabel", "ner", "qa"} <= set(TASKS)
    for name, task in TASKS.items():
        assert name == task.name
        assert (task.layout == "passages") == (task.kind == "qa")
        assert (task.layout == "tagged") == (task.kind == "ner")
        assert name in kinds or (task.url.startswith("https://") and task.licence)
