"""Cloze: ranks against a count by hand, what a model cannot spell, files that are not one, gaps made by rule."""

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from markdown_it import MarkdownIt
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

from corpora.document import read_documents, shards
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from probes import candidates, cloze
from probes.candidates import WAYS, mark
from probes.gaps import Gap, read_gaps
from probes.model import MaskedModel
from probes.noun_gaps import held_out_gaps
from tests.conftest import REPOSITORY, TOKENIZER
from tokenizer.sentencepieces import learn_pieces
from tokenizer.wordpiece import save_tokenizer

WORDS = ("조선", "고려", "신라", "대한제국", "한산도 대첩", "르네상스", "이순신", "바이칼호", "물", "빛")


@cache
def stock(folder: Path):
    return AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder).eval()


def by_hand(folder: Path, before: list[int], candidate: list[int], behind: list[int]) -> float:
    """One candidate alone, one piece after the other, by plain transformers."""
    tokenizer, model = stock(folder)
    total = 0.0
    for place, piece in enumerate(candidate):
        masks = [tokenizer.mask_token_id] * (len(candidate) - place)
        ids = [tokenizer.cls_token_id, *before, *candidate[:place], *masks, *behind, tokenizer.sep_token_id]
        with torch.no_grad():
            scores = model(input_ids=torch.tensor([ids])).logits[0, 1 + len(before) + place]
        total += float(scores.log_softmax(-1)[piece])
    return total


@pytest.mark.parametrize(
    ("before", "behind", "glued", "rest"),
    [("이순신은 ", " 중기의 무신이다.", [], "중기의 무신이다."), ("", "에서 왔다.", ["##에서"], "왔다.")],
)
def test_ranks_against_a_count_by_hand(
    exported: Path, monkeypatch: pytest.MonkeyPatch, before: str, behind: str, glued: list[str], rest: str
) -> None:
    monkeypatch.setattr(candidates, "_QUERIES", 4)
    tokenizer = AutoTokenizer.from_pretrained(exported)
    assert all(piece in tokenizer.get_vocab() for piece in glued)

    def ids(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    around = ids(before), [*tokenizer.convert_tokens_to_ids(glued), *ids(rest)]
    totals = {word: by_hand(exported, around[0], ids(word), around[1]) for word in WORDS}
    alone = {word: by_hand(exported, [], ids(word), tokenizer.convert_tokens_to_ids(glued)) for word in WORDS}
    gaps = [Gap(word, f"{before}[MASK]{behind}", (word,), WORDS) for word in WORDS]
    found = list(mark(MaskedModel(exported), gaps))
    assert {len(ids(word)) for word in WORDS} >= {1, 4, 5}, "of several numbers of pieces"
    assert [one.gap.name for one in found] == list(WORDS)
    values = {
        "sum": totals,
        "mean": {word: totals[word] / len(ids(word)) for word in WORDS},
        "gain": {word: totals[word] - alone[word] for word in WORDS},
    }
    for one in found:
        for score in one.scores:
            expected = (len(ids(score.candidate)), totals[score.candidate], alone[score.candidate])
            assert (score.pieces, score.total, score.alone) == pytest.approx(expected, abs=1e-4)
        for way in WAYS:
            order = sorted(WORDS, key=lambda word: -values[way][word])
            assert one.rank(way) == 1 + order.index(one.gap.name), way
            assert [score.candidate for score in one.best(way, 3)] == order[:3]
    mask = [tokenizer.cls_token_id, *around[0], tokenizer.mask_token_id, *around[1], tokenizer.sep_token_id]
    with torch.no_grad():
        row = stock(exported)[1](input_ids=torch.tensor([mask])).logits[0]
    order = row[1 + len(around[0])].argsort(descending=True).tolist()
    for one in found:
        pieces = ids(one.gap.name)
        assert one.open_rank == (1 + order.index(pieces[0]) if len(pieces) == 1 else None)


def test_what_stands_before_a_gap_without_a_space(exported: Path) -> None:
    """The candidate goes on with the word, piece by piece as it would stand there."""
    tokenizer = AutoTokenizer.from_pretrained(exported)
    # A word that is spelled with 를 behind it, as one eojeol: 바다|##를.
    whole = tokenizer.encode("바다를", add_special_tokens=False)
    assert tokenizer.convert_ids_to_tokens(whole) == ["바다", "##를"]
    (found,) = mark(MaskedModel(exported), [Gap("1", "바다[MASK] 보았다.", ("를",), ("를", "은", "에서"))])
    expected = by_hand(exported, whole[:1], whole[1:], tokenizer.encode("보았다.", add_special_tokens=False))
    assert found.scores[0].total == pytest.approx(expected, abs=1e-4)


@pytest.fixture(scope="module")
def unigram(tmp_path_factory: pytest.TempPathFactory, held_out_lines: list[str]) -> Path:
    folder = tmp_path_factory.mktemp("unigram")
    eojeols = Counter(eojeol for line in [*held_out_lines, *WORDS] for eojeol in line.split())
    settings = replace(TOKENIZER, algorithm="unigram", vocab_size=1024)
    pieces = learn_pieces(eojeols, frozenset("".join(eojeols)), settings)
    save_tokenizer(pieces.tokenizer, folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertForMaskedLM(BertConfig(vocab_size=pieces.tokenizer.get_vocab_size(), **sizes))
    torch.nn.init.normal_(model.cls.predictions.bias, std=2.0)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("before", ["세종은 ", "세종은 「", ""])
def test_pieces_that_mark_beginnings(unigram: Path, before: str) -> None:
    """▁조선 behind a space and at the beginning, 조선 behind what it is glued to; 을 goes on either way."""
    tokenizer = AutoTokenizer.from_pretrained(unigram)
    text = f"{before}[MASK]을 만들었다."
    ids = tokenizer.encode(text, add_special_tokens=False)
    place = ids.index(tokenizer.mask_token_id)
    (found,) = mark(MaskedModel(unigram), [Gap("1", text, ("조선",), WORDS)])
    for score in found.scores:
        if not score.pieces:
            continue
        spelled = tokenizer.encode(f"{before}{score.candidate}을 만들었다.", add_special_tokens=False)
        own = spelled[place : len(spelled) - (len(ids) - place - 1)]
        if [*ids[:place], *own, *ids[place + 1 :]] == spelled and before[-1:] != "「":
            expected = by_hand(unigram, ids[:place], own, ids[place + 1 :])
            assert score.total == pytest.approx(expected, abs=1e-4), score.candidate
    spelled = {score.candidate: score.pieces for score in found.scores}
    model, backend = MaskedModel(unigram), tokenizer.backend_tokenizer.model
    for word in ("조선", "물"):
        pieces = tokenizer.convert_ids_to_tokens(candidates._spell(model, before, word))
        assert spelled[word] == len(pieces) and "".join(pieces) == (word if before[-1:] == "「" else f"▁{word}")
    assert [piece.value for piece in backend.tokenize("물")] == ["물"], "a piece that marks no beginning is known"


def constant(exported: Path, folder: Path, favourite: str | None = None) -> Path:
    """A model that says the same everywhere: all entries are alike to it, but for a favourite."""
    model = BertForMaskedLM.from_pretrained(exported)
    with torch.no_grad():
        model.cls.predictions.decoder.weight.zero_()
        model.cls.predictions.bias.zero_()
        tokenizer = AutoTokenizer.from_pretrained(exported)
        if favourite:
            model.cls.predictions.bias[tokenizer.convert_tokens_to_ids(favourite)] = 5.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_ties_count_against_the_answer(exported: Path, tmp_path: Path) -> None:
    text, words = "이순신은 [MASK] 중기의 무신이다.", ("조선", "사람", "바다", "나라")
    model = MaskedModel(constant(exported, tmp_path / "same"))
    (found,) = mark(model, [Gap("1", text, ("조선",), words)])
    assert {way: found.rank(way) for way in WAYS} == dict.fromkeys(WAYS, 4)
    assert found.open_rank == len(model.tokenizer)
    knows = MaskedModel(constant(exported, tmp_path / "knows", favourite="조선"))
    (found,) = mark(knows, [Gap("1", text, ("조선",), words)])
    assert (found.rank("sum"), found.rank("mean"), found.open_rank) == (1, 1, 1)
    assert found.rank("gain") == 4, "it says so without the text, too"


def test_several_answers(exported: Path) -> None:
    """The best of them counts, and none stands in another's way."""
    text, model = "이순신은 [MASK] 중기의 무신이다.", MaskedModel(exported)
    words = [word for word in WORDS if len(model.tokenizer.tokenize(word)) == 1]
    (alone,) = mark(model, [Gap("1", text, (words[0],), tuple(words))])
    order = [score.candidate for score in alone.best("sum", 99)]
    answers = order[1:3]
    (both,) = mark(model, [Gap("1", text, tuple(answers), tuple(words))])
    assert both.rank("sum") == 2
    (best,) = mark(model, [Gap("1", text, (answers[0],), tuple(words))])
    assert both.open_rank == best.open_rank
    (last,) = mark(model, [Gap("1", text, (order[0], order[-1]), tuple(words))])
    assert last.rank("sum") == 1


def test_what_cannot_be_spelled_never_wins(exported: Path, tmp_path: Path) -> None:
    long = "나라사람물빛" * 8
    words = ("鿿", "조선", "[SEP]", long, "고려")
    model = MaskedModel(constant(exported, tmp_path / "unk", favourite="[UNK]"))
    (found,) = mark(model, [Gap("1", "[MASK] 나라", ("조선",), words)])
    assert found.unspelled == ("鿿", "[SEP]", long) and found.rank("sum") == 2
    (lost,) = mark(model, [Gap("1", "[MASK] 나라", ("鿿",), words)])
    assert {lost.rank(way) for way in WAYS} == {5} and lost.open_rank is None
    (nothing,) = mark(model, [Gap("1", "[MASK] 나라", ("鿿",), ("鿿",))])
    assert nothing.rank("sum") == 1 and nothing.best("sum", 5) == []


def test_a_text_too_long_is_cut_around_the_gap(exported: Path) -> None:
    model = MaskedModel(exported)
    short = Gap("1", "나라 " * 14 + "[MASK] 바다 " + "나라 " * 12, ("조선",), ("조선", "고려"))
    long = replace(short, text="나라 " * 500 + short.text + "나라 " * 500)
    assert model.limit == 32 == len(model.tokenizer(short.text)["input_ids"]) + 2
    fits, cut = mark(model, [short, long])
    assert (fits.cut, cut.cut) == (0, 1000 + 30 - 32)
    # 29 places beside the gap and the frame: 15 to the left of it, 14 to the right.
    same = replace(short, text="나라 " * 15 + "[MASK] 바다 " + "나라 " * 13)
    (expected,) = mark(model, [same])
    assert [score.total for score in cut.scores] == pytest.approx([score.total for score in expected.scores], abs=1e-4)
    (edge,) = mark(model, [replace(short, text="[MASK] 바다 " + "나라 " * 500)])
    (expected,) = mark(model, [replace(short, text="[MASK] 바다 " + "나라 " * 28)])
    assert edge.scores[0].total == pytest.approx(expected.scores[0].total, abs=1e-4)


def test_a_text_with_the_models_own_mask(exported: Path, tmp_path: Path) -> None:
    """Another model may call its mask otherwise; a gap is written [MASK] all the same."""
    folder = constant(exported, tmp_path / "other")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text("utf-8").replace("[MASK]", "<mask>")
        (folder / name).write_text(text, "utf-8")
    model = MaskedModel(folder)
    assert model.mask_token == "<mask>"
    (found,) = mark(model, [Gap("1", "[MASK] 나라", ("조선",), ("조선",))])
    assert found.scores[0].pieces == 1
    with pytest.raises(InputError, match="holds <mask> besides the gap"):
        list(mark(model, [Gap("1", "[MASK] 나라 <mask>", ("조선",), ("조선",))]))


GOOD = '{"text": "이순신은 [MASK] 중기의 무신이다.", "answers": ["조선"]}'


def test_a_file(write) -> None:
    # An answer in decomposed Hangul, a byte-order mark, a line without an item, carriage returns.
    decomposed = json.dumps({"text": "[MASK]를  보았다.", "answers": ["바다", "강"], "id": 7})
    own = '{"text": "[MASK] 나라", "answers": ["고려"], "candidates": ["신라", "고려", "신라"], "source": "s"}'
    path = write("a.jsonl", f"\ufeff{GOOD}\r\n\n{decomposed}\n{own}")
    assert read_gaps(path) == (
        Gap("line 1", "이순신은 [MASK] 중기의 무신이다.", ("조선",), ("조선", "바다", "강", "고려")),
        Gap("7", "[MASK]를 보았다.", ("바다", "강"), ("바다", "강", "조선", "고려")),
        Gap("line 4", "[MASK] 나라", ("고려",), ("고려", "신라")),
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: not JSON"),
        ("[" * 100_000, "line 2: not JSON"),
        ("[1]", "line 2: an item is an object"),
        ('{"answers": ["조선"]}', "line 2: no 'text'"),
        ('{"text": "[MASK]"}', "line 2: no 'answers'"),
        ('{"text": "빈칸이 없다.", "answers": ["조선"]}', "line 2: 'text' has no gap: put"),
        ('{"text": "[MASK] [MASK]", "answers": ["조선"]}', "line 2: 'text' has 2 gaps: put"),
        ('{"text": 5, "answers": ["조선"]}', "line 2: 'text' is a sentence"),
        ('{"text": "[MASK]", "answers": "조선"}', "line 2: 'answers' is a list of words"),
        ('{"text": "[MASK]", "answers": []}', "line 2: 'answers' is a list of words"),
        ('{"text": "[MASK]", "answers": [1]}', "line 2: 'answers' is a list of words"),
        ('{"text": "[MASK]", "answers": [" "]}', "line 2: 'answers' holds an empty word"),
        ('{"text": "[MASK]", "answers": ["[MASK]"]}', "which is the gap itself"),
        ('{"text": "[MASK]", "answers": ["' + "가" * 61 + '"]}', "a word of 61 characters: at most 60"),
        ('{"text": "[MASK]", "answers": ["가"], "candidates": [""]}', "'candidates' holds an empty word"),
        ('{"text": "[MASK]", "answers": ["가"], "candidates": ' + str(["가"] * 1001).replace("'", '"') + "}", "1,001"),
        ('{"text": "[MASK]' + "가" * 2000 + '", "answers": ["가"]}', "2,006 characters long"),
        ('{"text": "[MASK] \\ud800", "answers": ["가"]}', "half a character"),
        ('{"text": "[MASK]", "answers": ["가"], "answer": 1}', "unknown key 'answer'; the keys are text, answers"),
        ('{"text": "[MASK]", "answers": ["가"], "id": [1]}', "'id' is a text or a number"),
        ('{"text": "[MASK]", "answers": ["가"], "id": "line 1"}', "was given before, in line 1"),
        ("가" * 350_000, "line 2: longer than 262,144 bytes"),
        (b"\xff\xfe", "line 2: not UTF-8"),
    ],
)
def test_lines_that_are_no_items(write, line: str | bytes, told: str) -> None:
    path = write("bad.jsonl", GOOD.encode() + b"\n" + (line if isinstance(line, bytes) else line.encode()) + b"\n")
    with pytest.raises(InputError) as raised:
        read_gaps(path)
    assert told in str(raised.value) and str(path) in str(raised.value) and "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_files_without_items(write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no items: write one a line"):
        read_gaps(write("empty.jsonl", "\n\n"))
    with pytest.raises(InputError, match="cannot read"):
        read_gaps(tmp_path / "none")
    with pytest.raises(InputError, match="cannot read"):
        read_gaps(tmp_path)


def test_gaps_made_by_rule(sample_corpus: Path) -> None:
    documents = list(read_documents(shards(sample_corpus, "train")))
    lines = {line for document in documents for line in document}
    text = "\n".join(lines)
    gaps = held_out_gaps(documents, 60, 0)
    assert gaps == held_out_gaps(documents, 60, 0) != held_out_gaps(documents, 60, 1)
    assert len(gaps) == len({gap.name.split(":")[0] for gap in gaps}) == 60
    particles = Counter()
    for gap in gaps:
        before, behind = gap.text.split("[MASK]")
        (answer,) = gap.answers
        assert before + answer + behind in lines and answer not in before + behind
        assert not before[-1:].isalnum() and gap.candidates[0] == answer
        ending = behind[: next((place for place, letter in enumerate(behind) if not letter.isalnum()), None)]
        particles[ending] += 1
        assert 20 <= len(gap.candidates) == len(set(gap.candidates)) <= 100
        assert all(len(word) >= 2 and word + ending in text for word in gap.candidates)
    assert particles["을"] and particles["은"] and "" not in particles
    assert not {"하다", "다"} & set(particles)
    with pytest.raises(InputError, match="too little held-out text"):
        held_out_gaps([["나는 학교에 갔다."]], 5, 0)


def test_the_facts_of_the_sample() -> None:
    """Each is told by the sentence that it names, or by the document in which that stands."""
    texts = [path.read_text("utf-8") for path in sorted((REPOSITORY / "corpora" / "sample").glob("*.txt"))]
    documents = [document.split("\n") for text in texts for document in text.split("\n\n")]
    lines = {line for document in documents for line in document}
    gaps = {gap.name: gap for gap in read_gaps(cloze.SAMPLE)}
    items = [json.loads(line) for line in cloze.SAMPLE.read_text("utf-8").splitlines()]
    assert len(items) == len(gaps) == 40
    for item in items:
        (own,) = [document for document in documents if item["source"] in document][:1]
        assert any(answer in "\n".join(own) for answer in item["answers"]), item["id"]
        assert not {item["text"].replace("[MASK]", answer) for answer in item["answers"]} & lines, "in other words"
        assert all(word in "\n".join(lines) for word in gaps[item["id"]].candidates), item["id"]


def test_the_stage(exported: Path, write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write("own.jsonl", cloze.SAMPLE.read_bytes())
    call = ["--model", str(exported), "--cloze", str(file), "--artifacts", str(tmp_path / "a"), "--name", "t"]
    cloze.main(call)
    told = capsys.readouterr()
    folder = tmp_path / "a" / "cloze" / "t"
    manifest = read_manifest(folder)
    figures = manifest.figures
    assert figures["models"] == ["export", "random weights"] and "random weights" in told.out
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf-8").splitlines()]
    for name in figures["models"]:
        for way in WAYS:
            ranks = [item["models"][name]["rank"][way] for item in items]
            assert figures[f"{name}.{way}.p_at_1"] == pytest.approx(ranks.count(1) / 40, abs=1e-4)
            assert figures[f"{name}.{way}.p_at_10"] == pytest.approx(sum(rank <= 10 for rank in ranks) / 40, abs=1e-4)
            assert figures[f"{name}.{way}.mrr"] == pytest.approx(sum(1 / rank for rank in ranks) / 40, abs=1e-4)
        assert figures[f"{name}.vocabulary.of"] == sum(bool(i["models"][name]["vocabulary_rank"]) for i in items) > 5
        assert figures[f"{name}.gain.of"] == 40
    chance = sum(len(item["answers"]) / len(item["candidates"]) for item in items) / 40
    assert figures["chance"] == pytest.approx(chance, abs=1e-4)
    assert "| export | candidates, gain |" in (folder / "report.md").read_text("utf-8")
    cloze.main(call)
    assert "is up to date" in capsys.readouterr().err
    few = sum(len(item["candidates"]) <= 10 for item in items)
    assert figures["ten_or_fewer"] == few and f"{few} gap(s) have ten candidates or fewer" in told.err
    short = {"text": "이순신은 [MASK] 중기의 무신이다.", "answers": ["조선"], "candidates": ["고려", "신라"]}
    file.write_text(json.dumps(short), "utf-8")
    cloze.main(call)
    assert read_manifest(folder).figures["export.mean.p_at_10"] == 1
    assert "1 gap(s) have ten candidates or fewer: there P@10 says nothing" in capsys.readouterr().err
    file.write_text(GOOD.replace("이순신", "<b>이순신</b>|"), "utf-8")
    cloze.main(call)
    assert read_manifest(folder).figures["export.gain.of"] == 0, "with one candidate there is no choice"
    tokens = MarkdownIt("commonmark").enable("table").parse((folder / "report.md").read_text("utf-8"))
    cells = [token.children[0] for token in tokens if token.type == "inline" and token.children]
    shown = [one.content for one in cells if one.type == "code_inline" and "이순신" in one.content]
    assert shown == ["<b>이순신</b>|은 [MASK] 중기의 무신이다."], "a bar ends no cell"
    with pytest.raises(InputError, match="leave --text and --corpus out"):
        cloze.main([*call, "--text", str(file)])


def test_the_stage_on_held_out_text(exported: Path, sample_corpus: Path, write, tmp_path: Path) -> None:
    lines = [line for document in read_documents(shards(sample_corpus, "train")) for line in document]
    text = write("text.txt", "\n".join(lines[:600]))
    place = ["--artifacts", str(tmp_path / "a"), "--name", "t", "--no-random-weights", "--items", "12"]
    cloze.main(["--model", str(exported), "--text", str(text), *place])
    figures = read_manifest(tmp_path / "a" / "cloze" / "t").figures
    assert (figures["gaps"], figures["export.gain.of"], figures["models"]) == (12, 12, ["export"])
