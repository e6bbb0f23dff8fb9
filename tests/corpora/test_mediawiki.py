"""Dumps: which pages are read, and what hostile or broken XML comes to."""

import bz2
import tracemalloc

import pytest

from corpora.drops import Drops
from corpora.sources.mediawiki import LONGEST_PAGE, Page, read_pages
from pipeline.errors import InputError

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="ko">
  <siteinfo><sitename>위키백과</sitename><namespaces><namespace key="0" /></namespaces></siteinfo>
"""


def page(title: str, text: str, ns: str = "0", extra: str = "", model: str = "wikitext") -> str:
    return (
        f"<page><title>{title}</title><ns>{ns}</ns><id>1</id>{extra}<revision><id>2</id><contributor><username>title"
        f"</username></contributor><model>{model}</model><text bytes='9' xml:space='preserve'>{text}</text>"
        "</revision></page>\n"
    )


def dump(*pages: str) -> str:
    return HEAD + "".join(pages) + "</mediawiki>\n"


def test_articles_and_nothing_else(write) -> None:
    path = write(
        "a.xml",
        dump(
            page("비", "비는 &lt;b&gt;물&lt;/b&gt;이다. &amp;nbsp;\n둘째 줄"),
            page("토론:비", "토론이다.", ns="1"),
            page("우천", "#넘겨주기 [[비]]", extra='<redirect title="비" />'),
            page("모듈", "return 1", model="Scribunto"),
            page("눈", "눈은 얼음이다."),
        ),
    )
    dropped = Drops()
    assert list(read_pages(path, dropped=dropped)) == [
        Page("비", "비는 <b>물</b>이다. &nbsp;\n둘째 줄"),
        Page("눈", "눈은 얼음이다."),
    ]
    assert dropped.counts == {"other_namespace": 1, "redirect": 1, "not_wikitext": 1}


def test_multistream_and_single_stream_are_the_same(write) -> None:
    pieces = [HEAD, *(page(f"쪽{number}", f"글 {number}이다." * 50) for number in range(300)), "</mediawiki>"]
    single = write("a.xml.bz2", bz2.compress("".join(pieces).encode()))
    multi = write("b.xml.bz2", b"".join(bz2.compress(piece.encode()) for piece in pieces))
    assert list(read_pages(single)) == list(read_pages(multi)) and len(list(read_pages(multi))) == 300


def test_of_several_revisions_the_last(write) -> None:
    first = page("비", "낡은 글이다.")
    both = first.replace("</page>", "<revision><text>새 글이다.</text></revision></page>")
    assert list(read_pages(write("a.xml", dump(both)))) == [Page("비", "새 글이다.")]


def test_old_exports_do_not_number_the_namespace(write) -> None:
    head = HEAD.replace('<namespace key="0" />', '<namespace key="0" /><namespace key="1">토론</namespace>')
    pages = [page(title, f"{title}의 글이다.").replace("<ns>0</ns>", "") for title in ("비", "토론:비", "2001: 우주")]
    path = write("a.xml", head + "".join(pages) + "</mediawiki>")
    assert [found.title for found in read_pages(path)] == ["비", "2001: 우주"]


def test_billion_laughs_is_refused_before_it_laughs(write) -> None:
    lol = '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    )
    text = f'<?xml version="1.0"?>\n<!DOCTYPE mediawiki [{lol}]>\n' + dump(page("비", "&j;"))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.xml, line 2: a DOCTYPE"):
        list(read_pages(write("a.xml", text)))
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_external_entities_are_refused(write) -> None:
    secret = write("secret.txt", "비밀")
    text = f'<!DOCTYPE mediawiki [<!ENTITY x SYSTEM "{secret.as_uri()}">]>' + dump(page("비", "&x;"))
    with pytest.raises(InputError, match="DOCTYPE"):
        list(read_pages(write("a.xml", text)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (dump(page("비", "글"))[:-30], r"line 3: cut off|line 4: cut off"),
        (HEAD + "<page><title>비</page>", "line 3: not well-formed XML"),
        (dump(page("비", "&bull;")), "line 3: not well-formed XML"),
        (dump(page("비", "글\x00")), "line 3: not well-formed XML"),
    ],
    ids=["cut off", "wrong end", "unknown entity", "control character"],
)
def test_broken_xml_names_the_line(write, text: str, told: str) -> None:
    with pytest.raises(InputError, match=rf"a\.xml, ({told})"):
        list(read_pages(write("a.xml", text)))


def test_a_truncated_bz2_gives_its_whole_pages_and_then_stops(write) -> None:
    pieces = [HEAD, *(page(f"쪽{number}", f"글 {number}이다." * 500) for number in range(1000)), "</mediawiki>"]
    packed = b"".join(bz2.compress(piece.encode()) for piece in pieces)
    whole = 0
    with pytest.raises(InputError, match=r"a\.xml\.bz2: damaged or cut-off compressed file, after line \d+"):
        for _ in read_pages(write("a.xml.bz2", packed[: len(packed) // 2])):
            whole += 1
    assert 200 < whole < 510


def test_a_giant_page_is_left_out_and_not_held(write) -> None:
    giant = "가" * (LONGEST_PAGE + 1)
    path = write("a.xml.bz2", bz2.compress(dump(page("큰", giant * 5), page("눈", "눈은 얼음이다.")).encode()))
    dropped = Drops()
    tracemalloc.start()
    assert list(read_pages(path, dropped=dropped)) == [Page("눈", "눈은 얼음이다.")]
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()
    assert dropped.counts == {"page_too_long": 1}
