"""The benchmark of extraction: its dump is a dump, its gold is what stands in it, its score counts right."""

import bz2
import hashlib
import random
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.sources.kowiki import fetch_dump
from pipeline.errors import InputError
from tests.conftest import REPOSITORY
from tests.corpora.loopback import Loopback

sys.path.append(str(REPOSITORY / "benchmarks"))
from make_dump import DATE, make_dump
from wiki_decoys import DECOY
from wiki_markup import usable
from wiki_score import align, common_length, score

SPACE = "{http://www.mediawiki.org/xml/export-0.11/}"
GOLD = [["비가 왔다.", "길이 젖었다."], ["해가 났다.", "무지개가 떴다."], ["눈이 왔다."]]
CHARACTERS = 5 + 6 + 5 + 7 + 5


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's sentences as sentence files, with some that hold what means something in wikitext."""
    sentences = [
        sentence
        for file in sorted((REPOSITORY / "corpora" / "sample").glob("*.txt"))
        for sentence in re.split(r"(?<=[.?!])\s+", file.read_text("utf-8"))
    ]
    sentences[::17] = ["* 별표로 시작하는 <글>은 R&B라고 한다."] * len(sentences[::17])
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(f"{sentence}\n" + "\n" * (i % 7 == 6) for i, sentence in enumerate(sentences)), "utf-8")
    return path


@pytest.fixture(scope="module")
def dump(text: Path) -> Path:
    return make_dump(text.parent / "out", [text], 0.2, seed=0)


def documents(path: Path) -> list[list[str]]:
    return [block.split("\n") for block in path.read_text("utf-8").split("\n\n") if block]


def test_the_dump_is_one(dump: Path, text: Path) -> None:
    packed = dump.read_bytes()
    root = ElementTree.fromstring(bz2.decompress(packed))
    pages = root.findall(f"{SPACE}page")
    titles = [page.findtext(f"{SPACE}title") for page in pages]
    assert len(titles) == len(set(titles)) > 50
    assert len({page.findtext(f"{SPACE}ns") for page in pages}) > 3
    # The first bz2 stream holds the header alone, the next one a hundred pages.
    first = bz2.BZ2Decompressor()
    assert first.decompress(packed).rstrip().endswith(b"</siteinfo>")
    second = bz2.BZ2Decompressor()
    assert second.decompress(first.unused_data).count(b"<page>") == min(100, len(pages))
    again = make_dump(text.parent / "again", [text], 0.2, seed=0)
    assert again.read_bytes() == packed
    other = make_dump(text.parent / "other", [text], 0.2, seed=1, plain=True)
    assert other.name == f"kowiki-{DATE}-pages-articles.xml.bz2" and other.read_bytes() != packed
    with pytest.raises(InputError, match="name more files"):
        make_dump(text.parent / "more", [text], 50, seed=0)


def test_the_folder_is_a_mirror(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Loopback(dump.parents[2]) as server:
        path, found, _ = fetch_dump("kowiki", server.address, tmp_path)
    assert found.date == DATE and hashlib.sha1(path.read_bytes()).hexdigest() == found.sha1


def test_the_gold_is_in_the_articles_and_in_order(dump: Path) -> None:
    """Bare letters of each gold sentence are found, in order, in its article's markup."""
    root = ElementTree.fromstring(bz2.decompress(dump.read_bytes()))
    gold = documents(dump.parents[2] / "gold.txt")
    articles = [
        page.findtext(f"{SPACE}revision/{SPACE}text") or ""
        for page in root.findall(f"{SPACE}page")
        if page.find(f"{SPACE}redirect") is None and page.findtext(f"{SPACE}ns") == "0"
    ]
    other = re.compile(r"\{\{(?:동음이의|동명이인|disambig)\}\}")
    articles = [markup for markup in articles if markup and not other.search(markup)]
    assert len(articles) == len(gold) > 20
    for markup, sentences in zip(articles, gold, strict=True):
        letters = iter(re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), markup))
        wanted = re.sub(r"[^가-힣A-Za-z0-9]", "", "".join(sentences))
        assert all(letter in letters for letter in wanted), sentences[0]
        assert all(map(usable, sentences))
    assert any("<nowiki>*</nowiki>" in markup for markup in articles)
    assert any("&lt;글" in markup for markup in articles)


@pytest.mark.parametrize(
    ("sentence", "good"),
    [
        ("비가 왔다.", True),
        ('"비가 왔다."', True),
        ("비가 왔다(2001년).", True),
        ("비가 왔다", False),
        ("비(, 雨)가 왔다.", False),
        ("비()가 왔다.", False),
        ("비가  왔다.", False),
        ("[[비]]가 왔다.", False),
        ("http://a.kr 에 있다.", False),
        (f"{DECOY}이 왔다.", False),
    ],
)
def test_sentences_of_the_gold_are_beyond_dispute(sentence: str, good: bool) -> None:
    assert usable(sentence) == good


def test_gold_against_itself() -> None:
    perfect = score(GOLD, GOLD)
    assert (perfect.gold, perfect.extracted, perfect.true, perfect.exact) == (CHARACTERS,) * 4
    assert perfect.precision == perfect.recall == 1.0 and not perfect.missing and not perfect.surplus
    cut_elsewhere = [["비가 왔다. 길이 젖었다."], ["해가", "났다. 무지개가 떴다."], ["눈이 왔다."]]
    assert score(GOLD, cut_elsewhere).precision == score(GOLD, cut_elsewhere).recall == 1.0


def test_damage_counts_as_computed_by_hand() -> None:
    lost_sentence = score(GOLD, [["비가 왔다."], *GOLD[1:]])
    assert lost_sentence.precision == 1.0 and lost_sentence.recall == (CHARACTERS - 6) / CHARACTERS
    assert lost_sentence.missing == ["길이 젖었다."]
    lost_document = score(GOLD, GOLD[1:])
    assert lost_document.recall == (CHARACTERS - 11) / CHARACTERS and lost_document.lost_documents == 1
    leak = score(GOLD, [[*GOLD[0], f"{DECOY}각주 하나."], *GOLD[1:]])
    assert leak.recall == 1.0 and leak.precision == CHARACTERS / (CHARACTERS + 6)
    assert dict(leak.leaks) == {"각주": 1} and leak.surplus == [f"{DECOY}각주 하나."]
    stray = score(GOLD, [*GOLD, ["전혀 다른 글이다."]])
    assert stray.precision == CHARACTERS / (CHARACTERS + 8) and stray.stray_documents == 1
    residue = score(GOLD, [["비가 '''왔다.", "길이 젖었다."], *GOLD[1:]])
    assert (residue.true, residue.exact, residue.extracted) == (CHARACTERS, CHARACTERS - 5, CHARACTERS + 3)
    letter = score(GOLD, [["비가 왔다.", "길이 젖다."], *GOLD[1:]])
    assert (letter.true, letter.exact) == (CHARACTERS - 1, CHARACTERS - 6)
    nothing = score(GOLD, [])
    assert nothing.recall == 0.0 and nothing.lost_documents == 3


def test_documents_are_aligned_wherever_they_went() -> None:
    assert align(GOLD, [GOLD[2], GOLD[0], GOLD[1]]) == [2, 0, 1]
    assert align(GOLD, [GOLD[0], GOLD[2]]) == [0, 2]
    assert align([GOLD[0], GOLD[0]], [GOLD[0], GOLD[0]]) == [0, 1]
    assert align(GOLD, [GOLD[0], ["해가 났구나.", "무지개가 떴어."], GOLD[2]]) == [0, 1, 2]
    assert align(GOLD, [["해가 났구나.", "무지개가 떴어."], ["아무 상관이 없는 글이다."]]) == [None, None]


@given(st.text("가나다라", max_size=12), st.text("가나다라", max_size=12))
def test_common_length_is_that_of_the_longest_common_subsequence(one: str, other: str) -> None:
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, left in enumerate(one):
        for j, right in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    assert common_length(one, other) == table[-1][-1]


def test_long_texts_are_compared_quickly() -> None:
    letters = random.Random(0).choices("가나다라마바사", k=30_000)
    one, other = "".join(letters), "".join(letters[::2])
    assert common_length(one, other) == len(other)
