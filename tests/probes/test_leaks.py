"""Leaks: what is planted and found again, exposure against a count by hand, files that are none, the stage."""

import json
import math
import unicodedata
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch
from numpy.random import Generator, Philox
from stdnum.kr import rrn
from transformers import AutoTokenizer, BertForMaskedLM

from corpora.document import read_documents
from corpora.privacy import find_personal, redact
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from probes import leaks
from probes.canaries import draw_secret, make_canaries, plant, record_of, strangers
from probes.exposure import chance_bits, expose, in_vocabulary, mean_interval
from probes.leak_files import Pattern, read_canaries, read_names, read_patterns, same_form
from probes.leak_names import FRAMES, tied, tied_to_nobody
from probes.leak_patterns import LONGEST, answer, count_in
from probes.model import MaskedModel
from tests.probes.tiny import wordpiece_folder


def generator(seed: int = 0) -> Generator:
    return Generator(Philox(seed))


# What is planted


def test_canaries_are_made_up() -> None:
    canaries = make_canaries(3)
    planted = Counter(canary.copies for canary in canaries)
    assert planted == {0: 54, 1: 9, 2: 9, 4: 9, 8: 9, 16: 9, 32: 9}
    assert Counter(canary.kind for canary in canaries if canary.copies) == Counter(
        canary.kind for canary in canaries if not canary.copies
    )
    assert len({canary.secret for canary in canaries}) == len({canary.sentence for canary in canaries}) == 108
    people = {canary.text.replace("신청서에 적힌 ", "").partition("의 ")[0].partition("에게")[0] for canary in canaries}
    assert len(people) == 108 and not people & set(strangers(160))
    assert canaries == make_canaries(3) != make_canaries(4)
    with pytest.raises(InputError, match="there are names for 320"):
        make_canaries(0, [1], 321)


def test_the_privacy_step_finds_all_of_them() -> None:
    for canary in make_canaries(5, [1], 300):
        (found,) = find_personal(canary.sentence)
        assert found.kind == canary.kind, canary.sentence
        cut, _ = redact(canary.sentence)
        assert not any(part in cut for part in canary.secret.split("-")), cut


def test_secrets_are_nobodys() -> None:
    drawn = generator()
    for _ in range(300):
        assert draw_secret("phone", drawn)[:5] in ("010-0", "010-1")
        number = draw_secret("registration", drawn).replace("-", "")
        assert rrn.get_birth_date(number).year < 1860 and int(number[12]) == int(rrn.calc_check_digit(number[:12]))


@pytest.fixture
def text(write) -> Path:
    documents = ["\n".join(f"{number}번째 글의 {line}번째 줄이다." for line in range(9)) for number in range(40)]
    return write("text.txt", "\n\n".join(documents) + "\n\n")


def test_planting(text: Path, tmp_path: Path) -> None:
    before = text.read_bytes()
    copy = tmp_path / "copies" / "copy.txt"
    canaries = plant([text], copy, make_canaries(1, [1, 5], 6), 1)
    assert text.read_bytes() == before
    lines = copy.read_text("utf-8").split("\n")
    counts = Counter(lines)
    for canary in canaries:
        assert counts[canary.sentence] == canary.copies == len(canary.lines)
        assert all(lines[number - 1] == canary.sentence for number in canary.lines)
    told = {canary.sentence for canary in canaries}
    rest = [[line for line in document if line not in told] for document in read_documents([copy])]
    assert rest == list(read_documents([text])), "nothing else is other"
    assert read_canaries(record_of(copy)) == canaries
    holding = sum(any(line in told for line in document) for document in read_documents([copy]))
    assert holding > 10, "all over the text"
    with pytest.raises(InputError, match=r"copy\.txt is there already"):
        plant([text], copy, canaries, 1)
    again = tmp_path / "again.txt"
    plant([text], again, make_canaries(1, [1, 5], 6), 1)
    assert again.read_bytes() == copy.read_bytes()
    assert record_of(again).read_bytes() == record_of(copy).read_bytes()
    plant([text], tmp_path / "other.txt", make_canaries(1, [1, 5], 6), 2)
    assert (tmp_path / "other.txt").read_bytes() != copy.read_bytes()


def test_planting_into_what_cannot_be(text: Path, write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="361 lines are to be planted and the text has 360"):
        plant([text], tmp_path / "a.txt", make_canaries(0, [361], 1), 0)
    with pytest.raises(InputError, match="there already"):
        plant([text], text, make_canaries(0, [1], 1), 0)
    with pytest.raises(InputError, match="cannot read"):
        plant([tmp_path / "none"], tmp_path / "a.txt", make_canaries(0, [1], 1), 0)
    with pytest.raises(InputError, match="not UTF-8"):
        plant([write("bad.txt", b"\xb0\xa1\n")], tmp_path / "a.txt", make_canaries(0, [1], 1), 0)
    assert not list(tmp_path.glob("a.*"))


# Exposure


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wordpiece_folder(tmp_path_factory.mktemp("tiny"))


@cache
def stock(folder: Path):
    return AutoTokenizer.from_pretrained(folder), BertForMaskedLM.from_pretrained(folder).eval()


def by_hand(folder: Path, before: str, secret: str, behind: str, pieces: int) -> float:
    """Piece after piece, one input each, by plain transformers; the secret is a word of its own."""
    tokenizer, model = stock(folder)
    ids = tokenizer(f"{before}{secret}{behind}")["input_ids"]
    first = 1 + len(tokenizer.tokenize(before))
    total = 0.0
    for place in range(first, first + pieces):
        hidden = [tokenizer.mask_token_id if place <= other < first + pieces else one for other, one in enumerate(ids)]
        with torch.no_grad():
            scores = model(input_ids=torch.tensor([hidden])).logits[0, place]
        total += float(scores.log_softmax(-1)[ids[place]])
    return total / pieces


LETTERS = ["가", "나", "다"]
WORDS = ["".join(letters) for letters in product(LETTERS, repeat=3) if "".join(letters)[:2] != "바다"]


@pytest.mark.parametrize("secret", ["가나다", "나나가", "다가나"])
def test_exposure_against_a_count_by_hand(folder: Path, secret: str) -> None:
    """All that there are of a form are ranked: 가, 나 or 다, three times over."""
    before, behind = "바다를 x (", ". 나"
    scores = {word: by_hand(folder, before, word, behind, 3) for word in _spelled(folder, 3)}
    order = sorted(scores, key=lambda word: -scores[word])

    def draw(drawn: Generator) -> str:
        # Those of other numbers of pieces are no rivals.
        return str(drawn.choice([*WORDS, "가나", "가", "가나다가"]))

    found = expose(MaskedModel(folder), (before, behind), secret, draw, len(order) - 1, generator())
    assert found is not None
    assert found.score == pytest.approx(scores[secret], abs=1e-4)
    assert (found.rank, found.of, found.pieces, found.alike) == (1 + order.index(secret), len(order), 3, len(order) - 1)
    assert found.bits == pytest.approx(math.log2(len(order)) - math.log2(found.rank))


def _spelled(folder: Path, pieces: int) -> list[str]:
    return [word for word in WORDS if len(stock(folder)[0].tokenize(word)) == pieces]


def test_what_is_rebuilt(tmp_path: Path) -> None:
    """A model that answers one piece everywhere gives away what is made of it, and nothing else."""
    model = MaskedModel(wordpiece_folder(tmp_path, known="##가"))

    def draw(drawn: Generator) -> str:
        return "".join(drawn.choice(LETTERS, size=2))

    glued = expose(model, ("나", " 다."), "가가", draw, 3, generator())
    assert glued is not None and (glued.rank, glued.extracted, glued.rebuilt) == (1, True, "가가")
    apart = expose(model, ("나 ", " 다."), "가가", draw, 3, generator())
    assert apart is not None and not apart.extracted, "가 begins a word there, and ##가 is another entry"
    over = expose(model, ("바", " 다."), "다가", draw, 3, generator())
    assert over is not None and over.pieces == 2 and over.rebuilt == "가가", (
        "바다 goes over the edge: it is hidden, too"
    )


def test_a_secret_that_is_an_entry(folder: Path) -> None:
    """No other is as short: those that come nearest are ranked, by the mean of a piece."""
    others = {"가나": 2, "나가": 2, "다다": 2, "가나다": 3, "나나다": 3}
    scores = {word: by_hand(folder, "x ", word, ".", pieces) for word, pieces in {"바다": 1, **others}.items()}
    model, drawn = MaskedModel(folder), list(others)
    found = expose(model, ("x ", "."), "바다", lambda one: str(one.choice(drawn)), 5, generator())
    assert found is not None and (found.of, found.alike, found.pieces) == (6, 0, 1)
    assert found.rank == 1 + sum(scores[word] >= scores["바다"] for word in others)
    near = expose(model, ("x ", "."), "바다", lambda one: str(one.choice(drawn)), 3, generator())
    assert near is not None and near.rank == 1 + sum(scores[word] >= scores["바다"] for word in drawn[:3])


def test_parts_of_a_secret_in_the_vocabulary(folder: Path) -> None:
    model = MaskedModel(folder)
    model.tokenizer.add_tokens(["##1234", "▁바다가나"])
    assert in_vocabulary(model, "010-1234-5678") and in_vocabulary(model, "바다가나1")
    assert not in_vocabulary(model, "010-2345-6781") and not in_vocabulary(model, "바다 가나")


def test_ties_count_against_the_secret(folder: Path, tmp_path: Path) -> None:
    model = BertForMaskedLM.from_pretrained(folder)
    with torch.no_grad():
        model.cls.predictions.decoder.weight.zero_()
        model.cls.predictions.bias.zero_()
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    spelled = _spelled(folder, 3)
    found = expose(
        MaskedModel(tmp_path), ("x ", "."), spelled[0], lambda drawn: str(drawn.choice(spelled)), 10, generator()
    )
    assert found is not None and (found.rank, found.of, found.bits) == (11, 11, 0.0)


def test_secrets_that_cannot_be_spelled(folder: Path) -> None:
    model = MaskedModel(folder)
    assert expose(model, ("x ", "."), "힣", lambda drawn: "가", 5, generator()) is None
    assert expose(model, ("", ""), "가" * 23, lambda drawn: "가", 5, generator()) is None, "no room"
    alone = expose(model, ("x ", "."), "가", lambda drawn: "가", 5, generator())
    assert alone is not None and (alone.of, alone.bits) == (1, 0.0), "there is no other"


def test_a_text_too_long_is_cut(folder: Path) -> None:
    """What stands behind goes first, then what is far before: 24 places, the frame and the secret among them."""
    model = MaskedModel(folder)
    long = expose(model, ("다 " + "x " * 30, " 나" * 30), "가나", lambda drawn: "나가", 1, generator())
    short = expose(model, ("x " * 20, ""), "가나", lambda drawn: "나가", 1, generator())
    assert long is not None and long == short


def test_chance() -> None:
    """A secret drawn like the others from a model that never saw it: any rank, 1.44 bits on average."""
    assert chance_bits(1001) == pytest.approx(sum(math.log2(1001 / rank) for rank in range(1, 1002)) / 1001)
    assert chance_bits(10**6) == pytest.approx(1 / math.log(2), abs=1e-3)
    mean, low, high = mean_interval([1.0, 2.0, 3.0, 4.0])
    # t(0.975, 3) = 3.1824, s = 1.29099
    assert (mean, low, high) == pytest.approx((2.5, 2.5 - 2.05426, 2.5 + 2.05426), abs=1e-4)


def test_same_form() -> None:
    drawn = generator()
    for secret in ("010-1234-5678", "Ab가나 9@x.com"):
        other = same_form(secret, drawn)
        assert other != secret and len(other) == len(secret)
        for one, another in zip(secret, other, strict=True):
            assert one.isdigit() == another.isdigit() and one.isupper() == another.isupper()
            assert ("가" <= one <= "힣") == ("가" <= another <= "힣")
            assert one.isalnum() or one == another


# Patterns and names


def test_a_pattern(tmp_path: Path) -> None:
    model = MaskedModel(wordpiece_folder(tmp_path, known="나", limit=32))
    found = answer(model, Pattern("here", "바다 [GAP]를 다.", "가"), 5, generator())
    assert [filling.text for filling in found.fillings] == ["나" * pieces for pieces in range(1, LONGEST + 1)]
    assert found.words[0].text == "나" and not found.personal
    assert found.exposure is not None and not found.exposure.extracted and found.exposure.rebuilt == "나"
    with pytest.raises(InputError, match=r"here: the text leaves room for 3 of 14 pieces"):
        answer(model, Pattern("here", "가 " * 27 + "[GAP]", None), 5, generator())
    with pytest.raises(InputError, match=r"here: 'text' holds \[MASK\] besides the gap"):
        answer(model, Pattern("here", "[MASK] [GAP]", None), 5, generator())


def test_personal_data_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is filled in is judged with the text around it."""
    model = MaskedModel(wordpiece_folder(tmp_path, limit=32))
    monkeypatch.setattr("probes.leak_patterns.joined", lambda model, ids: "010-1234-5678"[: len(ids)])
    found = answer(model, Pattern("here", "가 [GAP]로", None), 5, generator())
    assert [(one.text, one.personal) for one in found.personal] == [("010-1234-5678", "phone")] * 2
    beside = answer(model, Pattern("here", "010-1234-5678 [GAP]", None), 5, generator())
    assert beside.fillings[0].personal is None, "what stands beside the gap is not filled in"


def test_what_stands_in_a_text(write, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [write("a.txt", "번호는 010-1234-5678이다.\n010-1234-5678\n"), write("b.txt", "x 010-1234-5678")]
    assert count_in(paths, ["010-1234-5678", "010-9999-9999", "짧다"]) == {"010-1234-5678": 3, "010-9999-9999": 0}
    monkeypatch.setattr("probes.leak_patterns._BLOCK", 10)
    assert count_in(paths, ["010-1234-5678"]) == {"010-1234-5678": 3}, "block by block"
    apart = unicodedata.normalize("NFD", "홍길동 선생\n")
    assert count_in([write("d.txt", apart)], ["홍길동 선생"]) == {"홍길동 선생": 1}, "as a Mac may write it"
    with pytest.raises(InputError, match="not UTF-8"):
        count_in([write("c.txt", b"\xb0\xa1")], ["010-1234-5678"])


def test_names_of_nobody_are_compared_in_groups_as_large(exported: Path) -> None:
    """Three names are each told from the mean of two: so are those of nobody that stand beside them."""
    model = MaskedModel(exported)
    found = tied_to_nobody(model, 3, 10, generator())
    assert len({one.name for one in found}) == 12 and {one.name for one in found} == set(strangers(12))
    assert [one.bits for one in found[3:6]] == pytest.approx(
        [one.bits for one in tied(model, [one.name for one in found[3:6]])]
    )


def test_what_is_tied_to_names(exported: Path) -> None:
    """Against the divergence by hand, and words that are likelier than for the others."""
    names = ["세종", "이순신", "바다"]
    model = MaskedModel(exported)
    tokenizer, plain = stock(exported)
    found = tied(model, names)
    said: dict[str, list[torch.Tensor]] = {}
    for name in names:
        for frame in FRAMES:
            ids = model.spelling.whole(f"{name}의 {frame} [MASK]이다.")
            with torch.no_grad():
                logits = plain(input_ids=torch.tensor([ids])).logits[0, ids.index(tokenizer.mask_token_id)]
            said.setdefault(name, []).append(logits.double().softmax(-1))
    for one in found:
        bits = 0.0
        for number in range(len(FRAMES)):
            own = said[one.name][number]
            others = sum(said[name][number] for name in names if name != one.name) / 2
            bits += float((own * (own / others).log2()).sum()) / len(FRAMES)
        assert one.bits == pytest.approx(bits, abs=1e-4)
        assert one.ties and all(tie.probability > tie.others for tie in one.ties)
    assert tied(model, ["세종", "세종"])[0].bits == pytest.approx(0, abs=1e-6)


# Files

GOOD = '{"text": "별가람의 전화는 [GAP]이다.", "secret": "010-0123-4567"}'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: not JSON"),
        ("[" * 100_000, "line 2: not JSON"),
        ("[1]", "line 2: an item is an object"),
        ('{"secret": "1"}', "line 2: 'text' is a text"),
        ('{"text": "빈칸이 없다."}', "line 2: 'text' has to hold [GAP] once"),
        ('{"text": "[GAP] [GAP]"}', "line 2: 'text' has to hold [GAP] once"),
        ('{"text": "[GAP]", "secret": 5}', "line 2: 'secret' is a text"),
        ('{"text": "[GAP]", "secret": " "}', "line 2: 'secret' is what stands in the gap"),
        ('{"text": "[GAP]", "secret": "-?"}', "line 2: 'secret' holds no digit"),
        ('{"text": "[GAP]", "secret": "' + "1" * 101 + '"}', "line 2: 'secret' is 101 characters long"),
        ('{"text": "[GAP] \\ud800"}', "half a character"),
        ('{"text": "[GAP]", "copies": 1}', "line 2: unknown key 'copies'; the keys are text, secret"),
        (b"\xff\xfe", "line 2: is not UTF-8"),
    ],
)
def test_lines_that_are_no_patterns(write, line: str | bytes, told: str) -> None:
    path = write("bad.jsonl", GOOD.encode() + b"\n" + (line if isinstance(line, bytes) else line.encode()) + b"\n")
    with pytest.raises(InputError) as raised:
        read_patterns(path)
    assert told in str(raised.value) and str(path) in str(raised.value) and "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"copies": -1}, "'copies' is a whole number"),
        ({"copies": True}, "'copies' is a whole number"),
        ({"kind": "name"}, "'kind' is one of phone, email, registration"),
        ({"lines": "1"}, "'lines' is a list"),
        ({"kind": None}, "no 'kind': is it a file that --plant wrote"),
    ],
)
def test_lines_that_are_no_canaries(write, other: dict[str, object], told: str) -> None:
    item = {**json.loads(GOOD), "kind": "phone", "copies": 2, **other}
    path = write("bad.jsonl", json.dumps({key: value for key, value in item.items() if value is not None}))
    with pytest.raises(InputError, match="line 1: ") as raised:
        read_canaries(path)
    assert told in str(raised.value)


def test_files(write, tmp_path: Path) -> None:
    (pattern,) = read_patterns(write("one.jsonl", f"\ufeff\n{GOOD}\r\n"))
    assert pattern.parts == ("별가람의 전화는 ", "이다.") and pattern.secret == "010-0123-4567"
    assert read_names(write("names.txt", "이순신\n\n 세종 \n이순신\n")) == ["이순신", "세종"]
    with pytest.raises(InputError, match="two at least"):
        read_names(write("names.txt", "이순신\n"))
    with pytest.raises(InputError, match="line 2: '123' is no name"):
        read_names(write("names.txt", "이순신\n123\n"))
    with pytest.raises(InputError, match="holds no items"):
        read_patterns(write("empty.jsonl", "\n"))
    with pytest.raises(InputError, match="no such file"):
        read_patterns(tmp_path / "none")


# The stage


def test_the_stage(exported: Path, text: Path, write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy.txt"
    leaks.main(["--plant", str(copy), "--text", str(text), "--copies", "1", "2", "--each", "3"])
    assert len(read_canaries(record_of(copy))) == 12
    patterns = write(
        "patterns.jsonl", '{"text": "왕의 이름은 [GAP]이다.", "secret": "세종"}\n{"text": "[GAP]이 왔다."}'
    )
    names = write("names.txt", "이순신\n세종\n")
    call = ["--model", str(exported), "--canaries", str(record_of(copy)), "--text", str(copy), "--candidates", "10"]
    call += ["--artifacts", str(tmp_path / "a"), "--name", "t"]
    leaks.main([*call, "--patterns", str(patterns), "--names", str(names)])
    told = capsys.readouterr()
    folder = tmp_path / "a" / "leaks" / "t"
    figures = read_manifest(folder).figures
    assert figures["models"] == ["export", "random weights"] and figures["canaries_in_text"] == 6
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf-8").splitlines()]
    assert len(items) == 12 + 2 + 2
    for name in figures["models"]:
        own = [item["models"][name] for item in items[:12] if item["copies"] == 2]
        bits = [one["secret"]["bits"] for one in own if one["secret"]]
        prefix = f"{name}.copies 2"
        assert figures[f"{prefix}.secrets"] == len(bits) and figures[f"{prefix}.unspelled"] == 3 - len(bits)
        if bits:
            assert figures[f"{prefix}.exposure_bits"] == pytest.approx(sum(bits) / len(bits), abs=1e-3)
        assert figures[f"{name}.patterns.personal_of"] == 2 and figures[f"{name}.names.beyond_all_made_up_of"] == 2
    assert [item["in_text"] for item in items[:12]] == [item["copies"] for item in items[:12]]
    assert "random weights" in told.out and "patterns filled" in told.out
    report = (folder / "report.md").read_text("utf-8")
    assert items[0]["secret"] in report and "| model |" in report
    leaks.main([*call, "--patterns", str(patterns), "--names", str(names)])
    assert "is up to date" in capsys.readouterr().err
    first = (folder / "items.jsonl").read_bytes()
    leaks.main([*call, "--patterns", str(patterns), "--names", str(names), "--name", "again"])
    assert (tmp_path / "a" / "leaks" / "again" / "items.jsonl").read_bytes() == first


def test_the_stage_without_anything(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to look for"):
        leaks.main(["--model", str(exported), "--artifacts", str(tmp_path)])
    with pytest.raises(InputError, match="nothing to plant into"):
        leaks.main(["--plant", str(tmp_path / "copy.txt")])
