"""Wikitext to prose: one small page for each rule, then hostile and random pages."""

import bz2
import html
import re

import mwparserfromhell
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.clean import HOLE
from corpora.wiki.names import FORMULAS, LITERAL, NOTES, SHOWN
from corpora.wiki.prose import Prose, is_disambiguation, to_prose
from tests.conftest import REPOSITORY

PAGE = REPOSITORY.parent / "shared" / "data" / "wiki-dump" / "one-page-ko.xml.bz2"


def words(text: str) -> list[str]:
    return text.split()


# Markup, and its paragraphs joined by ` | `. A hole is shown as □.
RULES = [
    # links
    ("[[독일]]의 [[베를린 (독일)|베를린]]이다.", "독일의 베를린이다."),
    ("[[:분류:독일]]을 보라. [[#역사]]도 보라.", "분류:독일을 보라. 역사도 보라."),
    ("말이다. [[분류:말]][[Category:A]][[en:Horse]]", "말이다."),
    ("[[:en:Horse|영어판]]에 있다. [[re:제로]]를 보았다.", "영어판에 있다. re:제로를 보았다."),
    ("[[파일:a.jpg|섬네일|[[경성부|경성]]에서 <ref>가</ref> 찍었다.]]\n본문이다.", "본문이다."),
    ("[[File:a.jpg|thumb|두 줄\n설명이다.]] 본문이다. [[그림:b.png|20px]] 그렇다.", "본문이다. 그렇다."),
    ("[http://a.kr/b?c=1 누리집]이 있다. [http://a.kr] 그렇다.", "누리집이 있다. 그렇다."),
    ("주소는 http://a.kr/b?c=1 이다. 끝이다.", "주소는 □ 이다. 끝이다."),
    ("[[[대괄호]]]이다.", "[대괄호]이다."),
    # tags
    ("물은 H<sub>2</sub>O이다. 넓이는 3km<sup>2</sup>이다.", "물은 H₂O이다. 넓이는 3km²이다."),
    ("<small>작은</small> <span style='a'>글</span>이<br />다.<ref name=a/><BR>끝이다.", "작은 글이 다. 끝이다."),
    ("가이다.<ref>나이다.</ref> 다이다.<ref name='x'>라.</ref>", "가이다. 다이다."),
    ("가이다. <ref>나</ref>\n\n1945년 <ref>다</ref>.\n\n끝이다 <ref>라</ref>.", "가이다. | 끝이다."),
    ("가이다.<gallery>\n나이다.\n</gallery>다이다.<timeline>라이다.</timeline>", "가이다. | 다이다."),
    (
        "<poem>\n산에 간다.\n강에 간다.\n</poem>\n<blockquote>울었다.</blockquote>웃었다.",
        "산에 간다. 강에 간다. | 울었다. | 웃었다.",
    ),
    ("<table><tr><td>칸이다.<table><tr><td>속이다.</td></tr></table></td></tr></table>밖이다.", "밖이다."),
    ("<p>하나이다.</p><p>둘이다.</p>셋이다.<br><br/>넷이다.", "하나이다. | 둘이다. | 셋이다. | 넷이다."),
    ("<The Sun>과 <Time>지이다. 1 < 2이다.", "<The Sun>과 <Time>지이다. 1 < 2이다."),
    ("<foo>모르는</foo> 꼬리표이다. <ruby>漢<rt>한</rt></ruby>자이다.", "모르는 꼬리표이다. 漢자이다."),
    ("<nowiki>''</nowiki>은 기울임이다. <nowiki>* 별</nowiki>이다.", "''은 기울임이다. * 별이다."),
    # text
    ("'''굵은 ''기운'' 글'''이다. ''그렇다.''", "굵은 기운 글이다. 그렇다."),
    ("가&nbsp;나 &lt;다&gt; &amp; &#44032;이다. &없음; 이다.", "가 나 <다> & 가이다. &없음; 이다."),
    ("가이다.<!-- 나이다. --> 다이다.\n<!-- 줄 -->\n라이다.", "가이다. 다이다. 라이다."),
    ("__목차숨김__가이다.__NOTOC__\n----\n나이다.", "가이다. | 나이다."),
    ("첫 줄이다.\n둘째 줄이다.\n\n새 문단이다.", "첫 줄이다. 둘째 줄이다. | 새 문단이다."),
    # templates
    ("{{도시 정보\n| 이름 = {{lang|de|A}}\n| 표 = \n{|\n| 가다.\n|}\n}}'''가'''는 도시이다.", "가는 도시이다."),
    ("{{다른 뜻|나}}'''가'''는 가이다.{{모르는 틀|다}}", "가는 가이다."),
    ("{{lang|en|A}}, {{llang|en|B}}, {{lang-en|C}}, {{langx|en|D}}이다.", "A, B, C, D이다."),
    ("{{nowrap|{{small|[[가|{{lang|en|나}}]]}}}}이다.", "나이다."),
    ("{{ruby|漢|한}}{{·}}{{큰따옴표|가}}{{nbsp}}{{작은 따옴표|나}}이다.", "漢·“가” ‘나’이다."),
    ("{{국기나라|독일}}과 {{국기|일본}}이다. {{글자색|red|빨강}}이다.", "독일과 일본이다. 빨강이다."),
    ("{{날짜|1592|5|23}}이다. {{시작 날짜|2001|3}}이다.", "1592년 5월 23일이다. 2001년 3월이다."),
    ("{{변환|3|km2|sqmi}}이다. {{convert|3|ft}}이다. {{변환|3|to|4|km}}이다.", "3 km²이다. 3피트이다. □이다."),
    ("{{formatnum:12345}}명이다. {{lc:A}}이다. {{{1|가}}}이다.", "12,345명이다. A이다. 이다."),
    ("앞이다. {{인용문|말이다.|홍길동}} 뒤이다. {{인용문|내용=글이다.}}", "앞이다. | 말이다. | 뒤이다. | 글이다."),
    ("가이다.{{-}}나이다. {{lang|en|a{{=}}b{{!}}c}}이다.", "가이다. | 나이다. a=b|c이다."),
    ("가{{Sfn|김}}는 {{언제}} 나이다.{{출처 필요|날짜=1}} {{웹 인용|제목=다}}", "가는 나이다."),
    # tables
    ("가이다.\n{| class=a\n|-\n| 나이다.\n{|\n| 다이다.\n|}\n|}\n라이다.", "가이다. | 라이다."),
    (
        "가이다.\n{|\n| 나이다.\n이어진 칸이다.\n== 다음 ==\n다이다.\n|}\n라이다.",
        "가이다. | 이어진 칸이다. | 다이다. | 라이다.",
    ),
    ("{{표 시작}}\n|-\n| 가이다.\n! 나이다.\n{{표 끝}}\n다이다.", "다이다."),
    # headings, sections
    ("가이다.\n== 절 ==\n나이다.\n===작은 절===\n다이다.", "가이다. | 나이다. | 다이다."),
    ("== 각주 ==\n가이다.\n=== 속 ===\n나이다.\n== 평가 ==\n다이다.", "다이다."),
    ("=== 외부 링크 ===\n가이다.\n== '''[[참고 문헌]]''' 및 각주 ==\n나이다.\n== 영향과 의의 ==\n다이다.", "다이다."),
    # lists
    (
        "* 하나\n* 둘이다.\n** 셋(三)임.\n# “넷이다.”\n: 다섯\n;여섯\n이어진다.",
        "둘이다. | 셋(三)임. | “넷이다.” | 이어진다.",
    ),
    ("<ul><li>하나</li><li>둘이다.</li></ul>", "둘이다."),
    ("* 홍길동: 과학자.\n* 홍길동 (1990년 ~ 2000년.)\n* 값은 3.5\n* 한국음악. 서울.", ""),
    # what is no prose
    ("표 제목\n\n다음과 같다:\n\n== 절 ==", ""),
    ("#넘겨주기 [[베를린]]", ""),
    ("", ""),
]


def shown(markup: str) -> str:
    return " | ".join(to_prose(markup).paragraphs).replace(HOLE, "□")


@pytest.mark.parametrize(("markup", "expected"), RULES)
def test_rules(markup: str, expected: str) -> None:
    assert shown(markup) == expected


# The sentence's markup and what becomes of it.
HOLES = [
    ("베를린({{소리|x.ogg}})은 도시이다.", "베를린은 도시이다."),
    ("베를린 ({{소리|x.ogg}})은 도시이다.", "베를린은 도시이다."),
    ("가({{x}}, 1900년)는 가이다.", "가(1900년)는 가이다."),
    ("가(1900년, {{x}}; {{y}})는 가이다.", "가(1900년)는 가이다."),
    ("가({{llang|de|A}} {{IPA|x}} {{소리|x}})는 가이다.", "가(A)는 가이다."),
    ("가(한자: {{x}}, 영어: A)는 가이다.", "가(영어: A)는 가이다."),
    ("가（{{x}}）는 나[{{y}}] 가이다.", "가는 나 가이다."),
    ("가(나({{x}}), 1900년)는 가이다.", "가(나, 1900년)는 가이다."),
    ("가(1900년 ~ )는 main() 함수이다.", "가(1900년 ~ )는 main() 함수이다."),
    ("그는 {{x}} 갔다 {{y}}. 또 {{z}}, 왔다.", "그는 갔다. 또, 왔다."),
    ("인구는 {{인구}}명이다.", "인구는 □명이다."),
    ("인구는 {{인구}} 이다.", "인구는 □ 이다."),
    ("인구는 {{인구}}.\n다음이다.", "인구는 □. 다음이다."),
    ("“{{x}}는 왔다.”", "“□는 왔다.”"),
    ("주식은 ({{x}})에 있다.", "주식은 □에 있다."),
    ("넓이는 {{x}} km이고 {{y}}km이다.", "넓이는 km이고 □km이다."),
    ("함수 <math>f</math>는 좋다. 값(<math>x</math>)이다.", "함수 □는 좋다. 값(□)이다."),
    ("{{math|x}}는 <chem>H2O</chem> 이다. <code>f()</code>이다.", "□는 □ 이다. □이다."),
    ("독일{{해설}}은 나라이다.", "독일은 나라이다."),
    ("그는 {{국기그림|독일}}독일로 갔다.", "그는 독일로 갔다."),
    ("식은 다음과 같다.\n:<math>x</math>\n여기서 끝이다.", "식은 다음과 같다. | 여기서 끝이다."),
    ("에너지는\n<math>E</math>\n이다.", "에너지는 □ 이다."),
    ("인구는 {{x}} {{y}}명이다. 값 {{x}} <math>f</math>이다.", "인구는 □명이다. 값 □이다."),
    ("끝이다.<math>x</math>", "끝이다.□"),
]


@pytest.mark.parametrize(("markup", "expected"), HOLES)
def test_holes(markup: str, expected: str) -> None:
    assert shown(markup) == expected


@pytest.mark.parametrize(
    ("markup", "dropped"),
    [
        ("* 하나", [("list_item", "하나")]),
        ("표 [[제목]] ({{x}})", [("fragment", "표 제목")]),
        ("[[독일]의 수도이다.\n\n그렇다.", [("broken_markup", "독일]의 수도이다.")]),
        ("{{틀|그는 왔다.\n\n그렇다.", [("broken_markup", "틀|그는 왔다.")]),
        ("왔다]]. 그는 갔다}}.", [("broken_markup", "왔다. 그는 갔다.")]),
        ("<ref>책이다. 왔다.\n\n그렇다.", [("broken_markup", "책이다. 왔다.")]),
        ("왔다.</ref>", [("broken_markup", "왔다.")]),
        ("<nowiki>[[</nowiki>는 표이다.", [("broken_markup", "[[는 표이다.")]),
        ("[http://a.kr 왔다.", [("broken_markup", "왔다.")]),
        ("== 각주 ==\n왔다.", [("skipped_section", "각주")]),
        ("왔다.<!-- 그는", [("broken_markup", "<!-- 그는")]),
    ],
)
def test_reasons(markup: str, dropped: list[tuple[str, str]]) -> None:
    assert to_prose(markup).dropped == dropped


def test_a_lost_mark_spoils_its_paragraph_only() -> None:
    assert (
        shown("{{인물 정보\n| 이름 = [[가]]\n\n'''가'''는 왔다.\n\n[[나]는 왔다.\n\n다는 왔다.")
        == "가는 왔다. | 다는 왔다."
    )
    assert shown("{{가|\n== 절 ==\n나는 왔다. }}\n\n다는 왔다.") == "다는 왔다."
    assert shown("{{가\n|}}\n}}\n'''나'''는 왔다.") == "나는 왔다."


@pytest.mark.parametrize(
    ("title", "markup", "answer"),
    [
        ("배", "* 과일\n{{동음이의}}", True),
        ("배", "{{ 동명이인 }}", True),
        ("배", "{{Disambig|x}}", True),
        ("배", "{{틀:인명_동음이의}}", True),
        ("배", "{{지명 동음이의어\n|x}}", True),
        ("배 (동음이의)", "", True),
        ("배 (동명이인)", "* 과일", True),
        ("배", "{{다른 뜻}}\n{{다른 뜻 넘어옴|동음이의}}", False),
        ("배", "[[배 (동음이의)]]를 보라. 동음이의", False),
        ("배", "<!-- {{동음이의}} -->", False),
        ("배 (과일)", "", False),
    ],
)
def test_disambiguation(title: str, markup: str, answer: bool) -> None:
    assert is_disambiguation(title, markup) is answer


def test_the_compiled_tokenizer_is_in_use() -> None:
    assert mwparserfromhell.parser.use_c


def test_no_template_is_in_two_tables() -> None:
    tables = [set(SHOWN), set(LITERAL), NOTES, FORMULAS]
    assert sum(map(len, tables)) == len(set().union(*tables))
    assert all(name == name.casefold().strip() for table in tables for name in table)


# A parser that reads on for every opening mark takes minutes for these; a recursive one gets too deep.
HOSTILE = [
    *words(
        "{{ {{a| {{lang|a| [[ [[a| [[파일:a| {{{ <ref> <ref/> <b> <table> <Time> <nowiki> <math> <!-- [ ''' = * : &"
    ),
    *words("( ({{x}} {{x}} {{x}}, }} ]] }}{{ ]][[ &amp; <br> <li> {{lang|a|b}} [[a]] 다. “ {{lang|[[a| {{nowrap|{{x}}"),
    *["{{x|[[a|", "<ref name=", "{|\n", "{|\n|", "__T__{|", "<br>{|", "[http://a ", "[mailto:a ", "http://a ", "==\n"],
    *["=a=\n", "|-\n", "----\n", "\n", "\n\n", "다.\n\n", "{{a ", " ", "\n* ", "<ref/> {{x}} "],
]


@pytest.mark.parametrize("unit", HOSTILE, ids=repr)
def test_a_hostile_page(unit: str) -> None:
    """Linear time: anything quadratic would sit here for minutes."""
    page = unit * (60_000 // len(unit))
    assert_sound(to_prose(page + "x"))
    is_disambiguation("가", page)


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("{{nowrap|", "}}"), ("[[a|", "]]"), ("{{x|", "}}"), ("{{{", "}}}"), ("(", ")"), ("({{x}}", ")"), ("<b>", "</b>")],
)
def test_deep_nesting(opening: str, closing: str) -> None:
    assert_sound(to_prose(opening * 20_000 + "왔다." + closing * 20_000))


def test_depth_that_is_kept() -> None:
    assert shown("{{nowrap|" * 10 + "왔다." + "}}" * 10) == "왔다."


def test_a_page_of_links_alone_is_dropped() -> None:
    prose = to_prose("[[a]] " * 60_001)
    assert not prose.paragraphs
    assert [reason for reason, _ in prose.dropped] == ["broken_markup"]


def assert_sound(prose: Prose) -> None:
    for paragraph in prose.paragraphs:
        assert paragraph == " ".join(paragraph.split())
        assert not re.search(r"[\ue000-\ue03f]|\[\[|\]\]|\{\{|\}\}|</?ref(?![a-z])", paragraph)
    assert not any(re.search("[\ue000-\ue03f]", text) for _, text in prose.dropped)


TOKENS = [
    *words("{{ }} [[ ]] | = == {{{ }}} <ref> </ref> <ref/> <math> </math> <nowiki> </nowiki> <table> </table> <br>"),
    *words("<div> {| |} |- ! <!-- --> '' ''' * # : ; [http://a ] [ lang|de| nowrap| 인용문| 소리|x 파일:a.jpg| 분류:"),
    *words("en: ( ) , 다. 가 독일은 &nbsp; &#91; &lt;ref &#xe000; __TOC__ ---- < > </ ~ {{!}} {{-}} <li> 변환|1|km 😀"),
    *["\n", "\n\n", " ", "\ue000", "\ue006", "\ufffc", "\n{|\n", "\n|}\n", "== 각주 ==\n", "\r\n", "\u200b"],
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(TOKENS), max_size=40).map("".join))
def test_random_markup(markup: str) -> None:
    prose = to_prose(markup)
    assert_sound(prose)
    assert to_prose(markup) == prose


@given(st.text(max_size=80))
def test_random_text(text: str) -> None:
    assert_sound(to_prose(text))


WRAPS = [
    *words("{} {} [[{}]] '''{}''' ''{}'' {{{{nowrap|{}}}}} <b>{}</b> {}{{{{출처}}}} {{{{lang|ko|[[{}]]}}}}"),
    *["{}({{{{소리|x}}}})", "[[다른 제목|{}]]", "{}<ref>{{{{웹 인용|제목=[[가]]}}}}</ref>", "{}<!-- 나 -->"],
    *["[http://a.kr {}]", "<span>{}</span><ref name=a />"],
]


@given(
    st.lists(
        st.tuples(st.sampled_from(["봄은", "강이", "산에서", "물과", "바람을"]), st.sampled_from(WRAPS)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([" ", "\n", " \n "]),
)
def test_markup_around_words_leaves_the_words(words: list[tuple[str, str]], space: str) -> None:
    """The oracle is the text that was marked up."""
    markup = space.join(wrap.format(word) for word, wrap in words) + " 왔다."
    assert to_prose(markup).paragraphs == [" ".join(word for word, _ in words) + " 왔다."]


@pytest.mark.skipif(not PAGE.exists(), reason="the real page is not here")
def test_a_real_page() -> None:
    xml = bz2.decompress(PAGE.read_bytes()).decode()
    markup = html.unescape(re.search(r"<text[^>]*>(.*?)</text>", xml, re.DOTALL)[1])
    prose = to_prose(markup)
    assert prose.paragraphs[0].startswith("베를린(Berlin)은 독일의 수도이다. 2014년 12월 현재 인구 3,562,166명으로,")
    assert prose.paragraphs[-1].endswith("암스테르담 등지에서 환승해야 한다.")
    assert len(prose.paragraphs) == 16
    assert not re.search(r"[|{}\[\]=*<>\ufffc]|  |\( | \)(?!이다)|파일|px", "\n".join(prose.paragraphs))
    assert all(paragraph.endswith("다.") for paragraph in prose.paragraphs)
    reasons = {reason for reason, _ in prose.dropped}
    assert reasons == {"skipped_section", "fragment", "list_item"}
    assert not is_disambiguation("베를린", markup)
