"""The page in a browser: typed, submitted, read; errors beside the field; keyboard, narrow window, both themes."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.asking import Asking
from pages.languages import words_in
from probes.model import MaskedModel
from tests.pages.served import served
from tests.probes.tiny import WORDPIECES, _save, wordpiece_folder
from tokenizer.wordpiece import build_tokenizer

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser", "chrome"))), None)
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium")

#: An entry of a vocabulary that would run as HTML.
EVIL = '<img src=x onerror="document.title=1">'
KOREAN, ENGLISH = words_in("ko"), words_in("en")


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Asking:
    root = tmp_path_factory.mktemp("models")
    pieces = (*WORDPIECES, EVIL)
    evil = _save(root / "evil", build_tokenizer(pieces), pieces, EVIL, 64)
    return Asking(
        ["plain", "<b>evil</b>"], [MaskedModel(wordpiece_folder(root / "plain", limit=64)), MaskedModel(evil)]
    )


@pytest.fixture(scope="module")
def address(asking: Asking) -> Iterator[str]:
    with served(asking) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, address: str, request: pytest.FixtureRequest) -> Iterator[object]:
    """A new window, in English unless the test is marked otherwise; what its console complains of fails the test."""
    context = browser.new_context(**{"locale": "en-US", **getattr(request, "param", {})})
    page = context.new_page()
    page.set_default_timeout(60_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if "Content Security" in told.text else None)
    page.on("request", lambda asked: faults.append(asked.url) if not asked.url.startswith((address, "data:")) else None)
    page.goto(address)
    yield page
    context.close()
    assert faults == []


def ask(page, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")
    page.wait_for_selector(".main:not([aria-disabled])")


def rows(page, model: int) -> list[list[str]]:
    """Of one model, the cells of all tables, row by row."""
    article = page.locator("article").nth(model)
    return [[cell.strip() for cell in row.locator("th, td").all_inner_texts()] for row in article.locator("tr").all()]


def test_type_submit_read(page, asking: Asking) -> None:
    text = "나 [MASK]를 [GAP] 다 鿿 <script>document.title=2</script>"
    ask(page, text)
    title = page.title()
    for number, answer in enumerate(asking.fill(text, 5)):
        guesses = [guess for gap in answer.gaps for guess in gap.guesses]
        shown = rows(page, number)
        assert len(shown) == len(guesses) and title not in ("1", "2")
        for row, guess in zip(shown, guesses, strict=True):
            assert row[0].startswith(guess.piece)
            assert row[2] == ("< 0.1%" if 0 < guess.probability < 0.0005 else f"{guess.probability:.1%}")
    assert EVIL in [row[0] for row in rows(page, 1)] and page.locator("#answers img, #answers script").count() == 0
    assert page.locator("article h2").all_inner_texts() == ["plain", "<b>evil</b>"]
    article = page.locator("article").first
    assert article.locator(".gap .piece").all_inner_texts() == ["[MASK]", "[MASK]"]
    assert article.locator(".inner .piece").first.inner_text() == "##를"
    assert article.locator(".unknown .piece").count() and "鿿" in article.locator(".unknowns").inner_text()
    widths = [bar.bounding_box()["width"] for bar in page.locator("article").nth(1).locator(".bar i").all()]
    room = page.locator("article").nth(1).locator(".bar").first.bounding_box()["width"]
    assert widths[0] == pytest.approx(room, abs=1), "a bar is as long as the probability says"
    assert widths[1] <= 2
    assert EVIL in page.locator("#heard").inner_text() and page.locator("#heard").get_attribute("aria-live") == "polite"


def test_errors_stand_beside_the_field_and_go_when_mended(page) -> None:
    problem, field = page.locator("#problem"), page.locator("#text")
    for text, told in (("나 다", ENGLISH["error_no_gap"]), ("  ", ENGLISH["error_empty"])):
        ask(page, text)
        assert problem.inner_text() == told and problem.get_attribute("role") == "alert"
        assert field.get_attribute("aria-invalid") == "true" and "problem" in field.get_attribute("aria-describedby")
        assert page.evaluate("document.activeElement.id") == "text" and page.locator("article").count() == 0
    ask(page, "나 ＜mask＞ <b>x</b>")
    assert "＜mask＞ is no mark of a gap" in problem.inner_text() and problem.locator("b").count() == 0
    ask(page, "가" * 70_000 + "[MASK]")
    assert problem.inner_text() == ENGLISH["error_size"]
    ask(page, "나 [MASK]")
    assert problem.inner_text() == "" and field.get_attribute("aria-invalid") is None
    assert page.locator("article").count() == 2
    page.route("**/api/fill", lambda route: route.abort())
    ask(page, "나 [MASK]")
    assert problem.inner_text() == ENGLISH["error_network"]


def test_loss_of_each_token(page, asking: Asking) -> None:
    ask(page, "나 다")
    page.fill("#text", page.locator("#text").get_attribute("data-gapped"))
    page.check("input[value=cost]", force=True)
    assert page.locator("#problem").inner_text() == "", "it was about another question"
    assert page.input_value("#text") == "이순신은 조선 중기의 무신이다.", "the example has no gap now"
    assert not page.locator(".only-fill").is_visible()
    ask(page, "바다 나다 가.")
    for number, answer in enumerate(asking.cost("바다 나다 가.")):
        items = page.locator("article").nth(number).locator(".cost")
        assert items.all_inner_texts() == [f"{piece.text}\n{piece.cost:.1f}" for piece in answer.pieces]
        heats = [float(item.evaluate("one => one.style.getPropertyValue('--heat')")) for item in items.all()]
        assert heats == pytest.approx([min(max(piece.cost, 0) / 10, 1) for piece in answer.pieces])
    ask(page, "나 [MASK]")
    assert page.locator("#problem").inner_text() == ENGLISH["error_has_gap"]


@pytest.mark.parametrize("page", [{"locale": "ko-KR"}], indirect=True)
def test_korean_by_the_browsers_wish_and_a_switch_that_keeps_the_text(page) -> None:
    assert page.locator("h1").inner_text() == KOREAN["title"] and page.locator("html").get_attribute("lang") == "ko"
    ask(page, "나 다")
    assert page.locator("#problem").inner_text() == KOREAN["error_no_gap"]
    page.get_by_text("English").click()
    page.wait_for_url("**/?lang=en")  # until its script has run, too
    assert page.locator("h1").inner_text() == ENGLISH["title"] and page.input_value("#text") == "나 다"


def test_with_the_keyboard_alone(page) -> None:
    page.focus("#text")
    page.keyboard.press("Control+a")
    page.keyboard.type("나 ")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the button that puts a gap in
    assert page.input_value("#text") == "나 [MASK]" and page.evaluate("document.activeElement.id") == "text"
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    composing = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true})"
    assert page.evaluate(f"document.getElementById('text').dispatchEvent({composing})"), "it ends a syllable"
    page.keyboard.press("Shift+Enter")
    assert page.input_value("#text") == "나 [MASK]\n" and asked == []
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("article")
    page.focus("input[value=fill]")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[value=cost]").is_checked()
    for field in page.locator("textarea, select, input").all():
        assert field.evaluate("one => one.labels.length") == 1


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 800}}], indirect=True)
def test_on_a_phone_nothing_is_wider_than_the_window(page) -> None:
    for mode, text in (("fill", "나 [MASK] [GAP] " + "x" * 40 + " <" + "ㅋ" * 60), ("cost", "나" * 30 + " 바다" * 20)):
        page.check(f"input[value={mode}]", force=True)
        ask(page, text)
        assert page.locator("article").count() == 2, page.locator("#problem").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        boxes = [page.locator("article").nth(number).bounding_box() for number in (0, 1)]
        assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"], "models stand below each other"


def background(page) -> int:
    """How light it is, 0 to 255."""
    return int(re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[0])


@pytest.mark.parametrize("page", [{"color_scheme": "dark"}], indirect=True)
def test_the_theme_is_the_systems_until_one_is_chosen(page) -> None:
    assert background(page) < 50
    page.check("#theme-light", force=True)
    assert background(page) > 200
    page.reload()
    assert background(page) > 200, "the choice is kept"
    page.check("#theme-auto", force=True)
    assert background(page) < 50


def test_script_that_got_into_the_page_would_not_run(browser, address: str) -> None:
    page = browser.new_context().new_page()
    page.goto(address)
    page.evaluate(
        "() => { const one = document.createElement('script'); one.textContent = 'document.title = 3';"
        "document.body.append(one);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=document.title=4>') }"
    )
    page.wait_for_timeout(200)
    assert page.title() not in ("3", "4")
    page.context.close()


def test_files_are_within_the_package() -> None:
    import pages

    assert {path.name for path in (Path(pages.__file__).parent / "demo").iterdir()} == {
        *("index.html", "demo.css", "demo.js", "words.en.json", "words.ko.json")
    }
