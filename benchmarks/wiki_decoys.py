"""What stands on a wiki page and is no prose: made up for `make_dump.py`, and marked so that leaks can be counted.

Everything bears `DECOY` and the name of its construct. None of it may come back from an extraction.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

#: A syllable that no Korean word has: it marks what must not come back.
DECOY = "뷁"

#: Words for what is made up.
NOUNS = (
    "역사",
    "지리",
    "문화",
    "경제",
    "교통",
    "인구",
    "기후",
    "행정",
    "구역",
    "생애",
    "작품",
    "평가",
    "음악",
    "영화",
    "과학",
    "철학",
    "도시",
    "학교",
    "왕조",
    "전쟁",
    "언어",
    "종교",
)
PLACES = (
    "서울",
    "부산",
    "베를린",
    "파리",
    "도쿄",
    "로마",
    "런던",
    "카이로",
    "모스크바",
    "시드니",
    "뉴욕",
    "하노이",
    "리마",
    "아테네",
)


def decoy(rng: Random, construct: str) -> str:
    """Made-up words that bear the name of the construct they stand in; half of them are a sentence."""
    words = f"{DECOY}{construct} {rng.choice(PLACES)}의 {rng.choice(NOUNS)}"
    return words if rng.random() < 0.5 else f"{words}에 관하여 {rng.randrange(1, 2000)}년에 적은 것이다."


def note(rng: Random) -> str:
    """A footnote."""
    name, text = f"주{rng.randrange(50)}", decoy(rng, "각주")
    web, book = f"url=http://example.org/?a=1&b={name}|제목={text}", f"|저자={{{{lang|en|Smith}}}}\n |제목={text}\n"
    return rng.choice(
        [
            f"<ref>{text}</ref>",
            f'<ref name="{name}">{text} [[{DECOY}각주|링크]]도 있다.</ref>',
            f'<ref name="{name}" />',
            f"<ref name={name}/>",
            f'<ref group="주">{text} 두 번째 {DECOY}각주 문장이다.</ref>',
            f"<ref>{{{{웹 인용|{web}|날짜=2019-03-04}}}}</ref>",
            f"<ref name='{name}'>{{{{서적 인용\n {book}}}}} {DECOY}각주 3쪽.</ref>",
            f"{{{{Sfn|{DECOY}각주|2001|p=3}}}}",
            f"<ref><!-- {DECOY}각주 --> http://example.org/{name} {text}</ref><ref name={name} />",
        ]
    )


def heading(rng: Random, level: int) -> str:
    """A section's heading."""
    words = rng.choice(["{0}", "'''{0}'''", "[[{0}]]", "{0} <small>{0}</small>", "{0}<!-- {0} -->"])
    marks, gap = "=" * level, rng.choice([" ", " ", ""])
    text = words.format(f"{DECOY}제목 {rng.choice(NOUNS)}")
    return f"{marks}{gap}{text}{gap}{marks}{rng.choice(['', '', ' '])}"


def hatnote(rng: Random, title: str) -> str:
    """What stands above an article."""
    return rng.choice(
        [
            f"{{{{다른 뜻|{title} ({DECOY}틀)|{decoy(rng, '틀')}}}}}",
            f"{{{{다른 뜻 넘어옴|{DECOY}틀}}}}\n{{{{위키데이터 속성 추적}}}}",
            f"__NOTOC__\n{{{{정리 필요|날짜=2020-01-01|이유={decoy(rng, '틀')}}}}}",
            f"<!-- {decoy(rng, '숨은글')}\n두 줄짜리 {DECOY}숨은글 [[링크]] -->",
            f"{{{{출처 필요|날짜=2015-7-1}}}}\n{{{{DISPLAYTITLE:''{title}''}}}}",
        ]
    )


def infobox(rng: Random) -> str:
    """A box of facts, with templates and tables in it."""
    rows = [
        f"| 이름 = {decoy(rng, '틀')}",
        f"| 그림 = {rng.choice(PLACES)} 1.jpg\n| 그림설명 = {decoy(rng, '틀')} [[링크|{DECOY}틀]]",
        f"| 출생 = {{{{출생일과 나이|19{rng.randrange(10, 99)}|5|{rng.randrange(1, 30)}}}}}{note(rng)}",
        f"| 목록 = {{{{plainlist|\n* {decoy(rng, '틀')}\n* [[{DECOY}틀|{{{{작은 글씨|둘}}}}]]\n}}}}",
        f"| 표 =\n{_table(rng)}",
        "| 좌표 = {{좌표|37|34|N|126|58|E|display={{#if:1|title|inline}}}}",
        f"| 웹사이트 = {{{{url|http://example.org/{rng.randrange(999)}}}}}",
        f"| 인구 = {rng.randrange(10**6):,}<br />{decoy(rng, '틀')} <!-- 2020 | {{{{ -->",
        f"|수상={{{{hlist|[[{DECOY}틀]]|{decoy(rng, '틀')}}}}}",
    ]
    rng.shuffle(rows)
    name = rng.choice(["인물 정보", "도시 정보", "Infobox settlement", "영화 정보\n", "축구 선수 정보 "])
    return f"{{{{{name}\n" + "\n".join(rows[: rng.randrange(4, 10)]) + "\n}}"


def _table(rng: Random, depth: int = 0) -> str:
    head = rng.choice(['{| class="wikitable sortable"', '{|style="width:100%" border=1', "{|"])
    lines = [head, f"|+ {decoy(rng, '표')}", f"! {DECOY}표 번호 !! {DECOY}표 이름<br/><small>2020</small>"]
    for number in range(rng.randrange(2, 9)):
        lines.append(rng.choice(["|-", '|- style="background:#eee"']))
        cell = rng.choice(
            [f"{number} || {decoy(rng, '표')}", f'rowspan="2" | [[{DECOY}표|{number}]] || {decoy(rng, "표")}']
        )
        lines.append(f"| {cell}")
        if rng.random() < 0.3:
            lines.append(f'| style="text-align:left" | {{{{국기나라|독일}}}} {decoy(rng, "표")}{note(rng)}')
        if rng.random() < 0.1:
            lines.append(f"|\n* {decoy(rng, '표')}\n* {DECOY}표 항목\n\n{decoy(rng, '표')}")
        if rng.random() < 0.08 and not depth:
            lines.append("|\n" + _table(rng, 1))
    return "\n".join([*lines, "|}"])


def _html_table(rng: Random) -> str:
    rows = "\n".join(f"<tr><td>{decoy(rng, '표')}</td><td>{DECOY}표</td></tr>" for _ in range(3))
    return f'<table class="wikitable">\n{rows}\n</table>'


def _file(rng: Random) -> str:
    caption = rng.choice(
        [
            decoy(rng, "그림"),
            f"{decoy(rng, '그림')} [[{DECOY}그림|링크]]와 [http://example.org {DECOY}그림]{note(rng)}",
            f"[[링크]]에 있는 {{{{lang|en|picture}}}} {decoy(rng, '그림')}",
            f"'''[[가|나]]'''의 {decoy(rng, '그림')} [[파일:안.svg|10px]] {DECOY}그림 끝이다.",
        ]
    )
    space = rng.choice(["파일", "파일", "File", "그림", "Image", "file"])
    form = rng.choice(["섬네일|250px", "섬네일|왼쪽", "thumb|right|upright=1.2", "섬네일|alt=설명 | 가운데", "프레임"])
    return f"[[{space}:{rng.choice(PLACES)} {rng.randrange(99)}.jpg|{form}|{caption}]]"


def _gallery(rng: Random) -> str:
    rows = "\n".join(
        f"파일:{place}.jpg|{decoy(rng, '갤러리')} [[{DECOY}갤러리|링크]]" for place in rng.sample(PLACES, 4)
    )
    more = rng.choice(["", ' mode=packed heights="120"'])
    return f"<gallery{more}>\n{rows}\n</gallery>"


def _list(rng: Random) -> str:
    mark = rng.choice(["*", "#", "**", "*#"])
    return "\n".join(
        rng.choice(
            [
                f"{mark} [[{place}]] {DECOY}목록 ({rng.randrange(1900, 2020)}년)",
                f"{mark} {{{{국기나라|독일}}}} [[{place} {DECOY}목록|{place}]]",
                f"{mark} ''{DECOY}목록 {place}'' – {rng.choice(NOUNS)}",
            ]
        )
        for place in rng.sample(PLACES, rng.randrange(2, 8))
    )


def _code(rng: Random) -> str:
    tag = rng.choice(["syntaxhighlight", "source", "pre", "timeline"])
    more = ' lang="python"' if tag in ("syntaxhighlight", "source") else ""
    code = decoy(rng, "코드") + " = a[['x']] {{ if (a < b) }"
    return f"<{tag}{more}>\n{code}\n</{tag}>"


def _template(rng: Random) -> str:
    return rng.choice(
        [
            f"{{{{본문|{DECOY}틀}}}}",
            "{{-}}",
            f"{{{{둘러보기 상자\n|제목={decoy(rng, '틀')}\n|목록1=[[링크|{DECOY}틀]] {{{{·}}}} 둘\n}}}}",
            f"{{{{historical populations|align=left\n|1721|65300\n|1750|113289\n|footnote={decoy(rng, '틀')}}}}}",
            f"<!-- {decoy(rng, '숨은글')} -->",
            f":<math>{DECOY}수식 = \\frac{{{{a}}}}{{b}}</math>",
            "----",
            f"<includeonly>{decoy(rng, '틀')}</includeonly>",
        ]
    )


BLOCKS: tuple[Callable[[Random], str], ...] = (
    *(_file,) * 5,
    *(_template,) * 3,
    *(_table,) * 2,
    _list,
    _list,
    _gallery,
    _html_table,
    _code,
)


def aside(rng: Random) -> list[str]:
    """A section that is no prose, in the midst of an article: the next heading ends it."""
    name = rng.choice(["같이 보기", "외부 링크", "참고 문헌"])
    return [f"== {name} ==", _links(rng), f"== {DECOY}제목 평가 =="]


def _links(rng: Random) -> str:
    return "\n".join(
        rng.choice(
            [
                f"* [[{place}의 {DECOY}링크]]",
                f"* {{{{언어링크|en}}}} [http://example.org/{place} {DECOY}링크 {place}] - {decoy(rng, '링크')}",
                f"* {{{{위키공용분류-줄|{place}}}}}",
                f"* 홍길동, 《{DECOY}링크 {place}》, {rng.randrange(1950, 2020)}년. {decoy(rng, '링크')}",
            ]
        )
        for place in rng.sample(PLACES, rng.randrange(1, 5))
    )


def foot(rng: Random, title: str) -> list[str]:
    """What stands below an article: sections of links, boxes, categories, other languages."""
    lines = []
    for name in ("같이 보기", "각주", "참고 문헌", "외부 링크"):
        if name == "각주":
            notes = ["{{각주}}", "<references />", f"{{{{각주|2}}}}\n=== 내용주 ===\n{decoy(rng, '링크')}"]
            lines += [f"== {name} ==", rng.choice(notes), ""]
        elif rng.random() < 0.4:
            lines += [f"== {name} ==", _links(rng), ""]
    lines += [f"{{{{{rng.choice(PLACES)}}}}}", "{{전거 통제}}", f"{{{{기본정렬:{title}}}}}"][: rng.randrange(4)]
    for place in rng.sample(PLACES, 3):
        name, key = rng.choice(["분류", "분류", "Category"]), rng.choice(["", "| ", "|*"])
        lines.append(f"[[{name}:{place}의 {rng.choice(NOUNS)}{key}]]")
    return lines + [f"[[{code}:{title}]]" for code in ("en", "de", "ja", "zh-yue") if rng.random() < 0.1]
