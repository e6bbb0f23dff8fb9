"""What the page asks by JSON: the probes' own answers, strict questions, hostile ones, other hosts and sites."""

import json
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

import probes.josa_pairs
from pages.app import MOST_BYTES, page_app
from pages.asking import MOST_COSTED, MOST_WORDS, Asking
from pages.languages import LANGUAGES, language_of, words_in
from pages.turns import Turns
from probes.fillmask import fill
from probes.model import MaskedModel
from probes.pairs import ANOTHER_READING
from tests.conftest import REPOSITORY
from tests.probes.tiny import wordpiece_folder

ADDRESS = "http://127.0.0.1:8017"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[MaskedModel]:
    root = tmp_path_factory.mktemp("models")
    return [MaskedModel(wordpiece_folder(root / "first")), MaskedModel(wordpiece_folder(root / "second", "바다", 64))]


@pytest.fixture(scope="module")
def page(models: list[MaskedModel]) -> Iterator[TestClient]:
    turns = Turns()
    with TestClient(page_app(Asking(["first", "second"], models), turns, {"lab.example"}), base_url=ADDRESS) as client:
        yield client


def asked(page: TestClient, what: str, **question: object) -> dict:
    reply = page.post(f"/api/{what}", json=question)
    assert reply.status_code == 200, reply.text
    return reply.json()


def refused(page: TestClient, what: str, **question: object) -> tuple[int, str, str]:
    reply = page.post(f"/api/{what}", json=question)
    return reply.status_code, reply.json()["code"], reply.json()["error"]


def test_gaps_are_filled_as_the_probe_fills_them(page: TestClient, models: list[MaskedModel]) -> None:
    text = "나 [MASK]를 [GAP] 鿿 다"
    found = asked(page, "fill", text=text, top=3)["answers"]
    assert [answer["model"] for answer in found] == ["first", "second"]
    for answer, model in zip(found, models, strict=True):
        oracle = fill(model, text, 3)
        assert [gap["whole"] for gap in answer["gaps"]] == [False, True]
        told = [[(guess["piece"], guess["probability"]) for guess in gap["guesses"]] for gap in answer["gaps"]]
        assert told == [[(guess.piece, guess.probability) for guess in gap] for gap in oracle.gaps]
        pieces = [(piece["text"], piece["part"]) for piece in answer["pieces"]]
        assert pieces == [
            ("나", "word"),
            ("[MASK]", "gap"),
            ("##를", "inner"),
            ("[MASK]", "gap"),
            ("[UNK]", "unknown"),
            ("다", "word"),
        ]
        assert tuple(answer["unknown_characters"]) == oracle.unknown_characters
        assert "鿿" in answer["unknown_characters"]
    assert len(asked(page, "fill", text="[MASK]")["answers"][0]["gaps"][0]["guesses"]) == 5


def test_costs_are_what_each_token_loses_behind_a_mask(page: TestClient, models: list[MaskedModel]) -> None:
    found = asked(page, "cost", text="나 바다 가 .")["answers"]
    for answer, model in zip(found, models, strict=True):
        ids = model.tokenizer("나 바다 가 .", return_tensors="pt")["input_ids"]
        for place, piece in enumerate(answer["pieces"], 1):
            hidden = ids.clone()
            hidden[0, place] = model.mask
            with torch.inference_mode():
                loss = torch.nn.functional.cross_entropy(model.model(hidden).logits[0, place], ids[0, place])
            assert piece["cost"] == pytest.approx(float(loss), abs=1e-4)
        assert answer["total"] == pytest.approx(sum(piece["cost"] for piece in answer["pieces"]))


def test_a_josa_is_judged_however_it_was_typed(page: TestClient) -> None:
    """Right and wrong are the same question: the two probabilities add up to 1, and the rule tells which is right."""
    right = asked(page, "josa", text="바다를 보았다.")
    wrong = asked(page, "josa", text="바다을 보았다.")
    assert asked(page, "josa", text=unicodedata.normalize("NFD", "바다을 보았다.")) == wrong, "as a Mac may write it"
    assert right["models"] == ["first", "second"] and wrong["left_out"] == []
    (one,), (other,) = right["judged"], wrong["judged"]
    assert (one["noun"], one["typed"], one["other"], one["right"]) == ("바다", "를", "을", True)
    assert (other["noun"], other["typed"], other["other"], other["right"]) == ("바다", "을", "를", False)
    for mine, theirs in zip(one["shares"], other["shares"], strict=True):
        assert mine + theirs == pytest.approx(1)
    assert one["shares"][0] != pytest.approx(0.5), "the model was asked"
    for text in ("바다을 보았다.", "서울으로 갔다.", "학교으로 바다와 갔다."):
        found = asked(page, "josa", text=text)
        places = {judged["noun"] + judged["typed"] for judged in found["judged"]}
        assert places and not places & {place for place, _ in found["left_out"]}, "judged, so not left out"
    several = asked(page, "josa", text="학교은 산이 바다가 나은 것")
    assert [(judged["noun"], judged["right"]) for judged in several["judged"]][:2] == [("학교", False), ("산", True)]
    assert "나" not in {judged["noun"] for judged in several["judged"]}, "나은 is a word"


def test_reasons_and_refusals_are_said_in_both_languages(page: TestClient) -> None:
    words = [words_in(language) for language in LANGUAGES]
    assert words[0].keys() == words[1].keys()
    for one, other in zip(words[0].values(), words[1].values(), strict=True):
        assert one and other and set(re.findall(r"\{\w+\}", one)) == set(re.findall(r"\{\w+\}", other))
    reasons = {
        value
        for name, value in vars(probes.josa_pairs).items()
        if name.isupper() and isinstance(value, str) and not name.startswith("_") and name != "COPULA"
    }
    for reason in {*reasons, ANOTHER_READING}:
        assert f"left_out: {reason}" in words[0]
    script = (REPOSITORY / "pages/demo/demo.js").read_text("utf-8")
    for name in re.findall(r'say\("(\w+)"', script):
        assert name in words[0], name
    for text, what in (
        ("", "fill"),
        ("나", "fill"),
        ("나 [MASK]", "cost"),
        ("나 " * 200, "cost"),
        ("[GAP]" * 9, "fill"),
    ):
        _, code, _ = refused(page, what, text=text)
        assert f"error_{code}" in words[0], code


@pytest.mark.parametrize(
    ("what", "text", "code", "told"),
    [
        ("fill", "   ", "empty", "the text is empty"),
        ("cost", "\n", "empty", "the text is empty"),
        ("cost", "\u200b", "empty", "the text is empty"),
        ("fill", "나 다", "no_gap", "nothing to fill"),
        ("fill", "나 <mask>", "text", "<mask> is no mark of a gap"),
        ("fill", "나 " * 30 + "[MASK]", "too_long", "first: the text is 33 tokens long"),
        ("fill", "[GAP] " * (MOST_WORDS + 1), "many_gaps", "4 of them"),
        ("fill", "[MASK]" * 33, "many_gaps", "at most 32 gaps"),
        ("fill", "가" * 2000, "too_long", "2,000 characters"),
        ("josa", "바다" * 150 + "은", "too_long", "the text is 301 characters long, and here at most 176 are read"),
        ("cost", "나 [GAP]", "has_gap", "write the sentence out"),
        ("josa", "나 [MASK]", "has_gap", "write the sentence out"),
        ("cost", "나 " * (MOST_COSTED + 1), "too_long", "129 tokens long, and here at most 22 are read"),
    ],
)
def test_texts_that_cannot_be_asked(page: TestClient, what: str, text: str, code: str, told: str) -> None:
    status, named, message = refused(page, what, text=text)
    assert (status, named) == (400, code) and told in message


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "Invalid JSON"),
        (b"\xff\xfe\x00binary\x00", 400, "Invalid JSON"),
        (b"[" * 60_000, 400, "Invalid JSON"),
        (b'["text"]', 400, "object"),
        (b'{"top": 5}', 400, "text: Field required"),
        (b'{"text": 5}', 400, "text: Input should be a valid string"),
        (b'{"text": "[MASK]", "top": "5"}', 400, "top: Input should be a valid integer"),
        (b'{"text": "[MASK]", "top": true}', 400, "top: Input should be a valid integer"),
        (b'{"text": "[MASK]", "top": 0}', 400, "top: Input should be greater"),
        (b'{"text": "[MASK]", "top": 21}', 400, "top: Input should be less"),
        (b'{"text": "[MASK]", "model": "/etc"}', 400, "model: Extra inputs"),
        (b'{"text": "\\ud800 [MASK]"}', 400, "Invalid JSON"),
        (b'{"text": "' + b"a" * MOST_BYTES + b'"}', 413, "65,536 bytes"),
        (b'{"text": "' + b"a" * (1 << 20) + b'"}', 413, "65,536 bytes"),
    ],
)
def test_questions_are_strict(page: TestClient, body: bytes, status: int, told: str) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (body, iter([body[:1000], body[1000:]])):  # with its length declared, and in pieces
        reply = page.post("/api/fill", content=content, headers=headers)
        assert reply.status_code == status and told in reply.json()["error"], reply.text
        assert "\n" not in reply.json()["error"]


def test_a_question_at_the_limit_is_read(page: TestClient) -> None:
    body = b'{"text": "[MASK]"}'
    reply = page.post(
        "/api/fill",
        content=body + b" " * (MOST_BYTES - len(body)),
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert reply.status_code == 200


def test_other_types_methods_and_places(page: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert page.post("/api/fill", content=b'{"text": "[MASK]"}', headers={"Content-Type": kind}).status_code == 415
    assert page.get("/api/fill").status_code == 405
    for place in ("/api", "/demo/words.en.json", "/demo/../app.py", "/demo/%2e%2e/app.py", "/demo/index.html"):
        reply = page.get(place)
        assert (reply.status_code, reply.json()["code"]) == (404, "request")
    assert page.get("/health").json() == {"status": "ok", "waiting": 0}


def test_other_hosts_and_other_sites_are_refused(page: TestClient) -> None:
    question = {"text": "[MASK]"}
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8017", "", "a b", "127.0.0.1/@evil"):
        for reply in (
            page.get("/", headers={"Host": host}),
            page.post("/api/fill", json=question, headers={"Host": host}),
        ):
            assert (reply.status_code, reply.json()["code"]) == (400, "host"), host
    for host in ("localhost:8017", "LOCALHOST", "[::1]:8017", "192.168.0.7:8017", "lab.example:8017"):
        assert page.get("/health", headers={"Host": host}).status_code == 200, host
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        reply = page.post("/api/fill", json=question, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "origin"), headers
    own = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}
    assert page.post("/api/fill", json=question, headers=own).status_code == 200
    assert "access-control-allow-origin" not in page.options("/api/fill", headers={"Origin": "http://a.b"}).headers


class Seen(HTMLParser):
    """What a page refers to, and what of it a policy against code within the page would stop."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        self.within += [name for name in named if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in named):
            self.within.append(tag)


def test_the_page_brings_all_it_needs_and_says_so(page: TestClient) -> None:
    for language in LANGUAGES:
        reply = page.get("/", headers={"Accept-Language": language})
        assert f'<html lang="{language}">' in reply.text and words_in(language)["title"] in reply.text
        seen = Seen()
        seen.feed(reply.text)
        assert seen.within == []
        for reference in seen.references:
            assert reference == "data:," or page.get(reference).status_code == 200, reference
    for place in ("/", "/demo/demo.js", "/theme.css", "/health", "/absent", "/demo/demo.css"):
        headers = page.get(place).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
        if place.startswith("/demo") or place.endswith("css"):
            assert not re.search(r"https?://|@import|innerHTML|insertAdjacentHTML|eval\(", page.get(place).text)
    assert page.get("/?lang=ko", headers={"Accept-Language": "en"}).text.count('lang="ko"') > 1
    assert page.get("/?lang=<script>").status_code == 200


def test_names_are_text_in_the_page(models: list[MaskedModel]) -> None:
    evil = '<script>alert(1)</script>"\x1b'
    with TestClient(page_app(Asking([evil], models[:1]), Turns()), base_url=ADDRESS) as page:
        text = page.get("/").text
        assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text and "\x1b" not in text


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("fr-FR, ko;q=0.1", "ko"),
        ("en;q=0.2, ko;q=0.3", "ko"),
        ("ko;q=0", "en"),
        ("ko;q=x,*", "en"),
        (";;;,,=", "en"),
    ],
)
def test_the_language_that_a_browser_asks_for(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


def test_damaged_weights_are_told_not_shown(tmp_path: Path) -> None:
    model = MaskedModel(wordpiece_folder(tmp_path / "nan"))
    with torch.no_grad():
        model.model.cls.predictions.bias.fill_(torch.nan)
    with TestClient(page_app(Asking(["nan"], [model]), Turns()), base_url=ADDRESS) as page:
        for what, text in (("fill", "나 [MASK]"), ("cost", "나 다")):
            status, _, told = refused(page, what, text=text)
            assert status == 400 and "weights are damaged" in told


def test_a_fault_of_ours_is_json_too(models: list[MaskedModel], monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(["first"], models[:1])
    monkeypatch.setattr(asking, "fill", lambda *_: json.loads("secret path"))
    app = page_app(asking, Turns())
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as page:
        reply = page.post("/api/fill", json={"text": "[MASK]"})
    assert (reply.status_code, reply.json()["code"]) == (500, "fault") and "secret" not in reply.text
