"""Names of Korean Wikipedia: which templates, tags, sections and links show prose, and how.

A template that no table knows is taken for something visible that is no prose.
"""

from __future__ import annotations

import re

# Stand-ins from the private-use area, which the input is rid of first. They are what the steps tell each other.
VISIBLE = "\ue000"  #: Something visible was here: an unknown template, a bare address, a small picture.
FORMULA = "\ue001"  #: A formula or code was here, part of its sentence for sure.
NOTE = "\ue002"  #: Something was here that does not belong to the sentence: a footnote, a floating picture.
GONE = "\ue003"  #: Brackets that held nothing else were here.
BREAK = "\ue004"  #: A paragraph ends here.
ITEM = "\ue005"  #: Stands for the list marks at the head of a line.
OPENER = "\ue006"  #: Stands for `{{`, `[[` or `<ref>` without an end.
CLOSER = "\ue007"  #: Stands for `}}`, `]]` or `</ref>` without a beginning.
LINE = "\ue008"  #: A line break within a paragraph; two in a row are a paragraph's end.
HEADING = "\ue009"  #: A section begins here.
STAND_INS = "\ue000-\ue03f"  #: All of them, for a class of characters.

_MEANINGFUL = "[]{}|'<>&*#:;=!_-~/"
_HIDING = range(0xE010, 0xE010 + len(_MEANINGFUL))
#: Makes characters that mean something to the wiki plain (`str.translate`), and back.
HIDE = {ord(character): code for character, code in zip(_MEANINGFUL, _HIDING, strict=True)} | {ord("\n"): " "}
TABLE = "{|".translate(HIDE)
UNHIDE = dict(zip(_HIDING, _MEANINGFUL, strict=True))


def _names(text: str) -> frozenset[str]:
    return frozenset(name for line in text.splitlines() for name in re.split(r"\s*,\s*", line.strip()) if name)


def template_name(text: str) -> str:
    """The name of a template as the tables have it, from all that stands before its first `|`.

    >>> template_name("틀:Lang_de\\n")
    'lang de'
    """
    name = " ".join(text.replace("_", " ").split()).casefold()
    for prefix in ("틀:", "template:"):
        name = name.removeprefix(prefix).lstrip()
    return name


_FIRST = """
    nowrap, nobr, nobold, 줄 바꿈 금지, 줄바꿈 금지, 줄바꿈금지, 줄 바꿈 없음, small, 작게, 작은 글씨, smaller, big
    크게, larger, large, huge, center, 가운데, 가운데 정렬, 굵게, bold, b, i, em, strong, italic, 기울임, 기울임꼴, u
    underline, 밑줄, s, sup, sub, 위 첨자, 위첨자, 아래 첨자, 아래첨자, 한글, 한자, 옛한글, 옛한글 처리, 옛 한글
    첫가끝, 첫가끝 처리, pua, 유니코드, unicode, 루비, ruby, 루비-ja, ruby-ja, 후리가나, abbr, abbrlink, 약어, 약자
    tooltip, 툴팁, 풍선 도움말, hover title, 국기나라, 국기, 국기2, 국기나라2, 국기나라별, flag, flagcountry, flagu
    ill, 임시링크, 임시 링크, interlanguage link, 인터위키 링크, 링크, lk, no italic, noitalic, normal, mono, samp
    kbd, var, serif, sc, sc2, smallcaps, 작은 대문자, 화면낭독기, visible anchor, vanchor, 강조, dfn, no wrap
    """
_SECOND = """
    lang, langx, llang, 언어, 범례, legend, legend2, color, 색, 글자색, 글씨색, font color, fontcolor, font, 색깔
    color text, 글자 색, 글꼴 크기, resize, font size, 글자 크기, transl, transliteration, 음역, 로마자, 글꼴, 배경색
    background color
    """
_QUOTE = """
    인용문, 인용문2, 인용문 2, 인용, 인용구, quote, cquote, quotation, blockquote, 긴 인용문, 긴인용문, 블록인용, bquote
    centered quote
    """
_QUOTE_ARGUMENTS = ("1", "내용", "인용문", "인용", "글", "text", "quote", "content")
_DATE = "날짜, date, start date, end date, 시작 날짜, 시작날짜, 종료 날짜, 끝 날짜, 개봉일, film date"
#: Templates that show prose. Each pattern names arguments in braces; the first whose arguments are all there is shown.
SHOWN: dict[str, tuple[str, ...]] = {
    name: patterns
    for names, patterns in (
        (_FIRST, ("{1}",)),
        (_SECOND, ("{2}",)),
        (_QUOTE, tuple(f"{BREAK}{{{argument}}}{BREAK}" for argument in _QUOTE_ARGUMENTS)),
        (_DATE, ("{1}년 {2}월 {3}일", "{1}년 {2}월", "{1}년")),
        ("변환, convert, cvt, 단위 변환", ("{1}{unit:2}",)),
        ("작은따옴표, 작은 따옴표, single quotes", ("‘{1}’",)),
        ("큰따옴표, 큰 따옴표, double quotes", ("“{1}”",)),
        ("낫표, 홑낫표", ("「{1}」",)),
        ("겹낫표", ("『{1}』",)),
        ("nihongo, 니혼고, 일본어 표기", ("{1}({2})", "{1}", "{2}")),
    )
    for name in _names(names)
}

#: `lang-de`: what is shown is the text, without the name of the language.
LANGUAGE = re.compile(r"lang-[a-z]{2,3}(?:-[a-z]+)*")
LANGUAGE_SHOWN = ("{1}",)

#: Templates that stand for a few characters.
LITERAL = {
    **dict.fromkeys(_names("nbsp, space, spaces, 공백, 띄어쓰기, thinsp, zwsp, wbr, 0"), " "),
    **dict.fromkeys(
        _names("-, clear, clr, clear left, clear right, 단락 나눔, 문단 나눔, 빈 줄, paragraph break, pb"), BREAK
    ),
    **dict.fromkeys(_names("br, break, crlf, 줄바꿈, 줄 바꿈"), LINE),
    **dict.fromkeys(_names("·, •, bullet, 가운뎃점, 중점, dot, middot, ·w, 중간점"), "·"),
    **dict.fromkeys(_names("–, ndash, en dash, snd, spaced ndash, spnd"), "–"),
    **dict.fromkeys(_names("—, mdash, em dash"), "—"),
    "=": "=".translate(HIDE),
    "'": "'".translate(HIDE),
    "!": "|".translate(HIDE),
    "\\": "/",
}

#: Templates that do not belong to the sentence they stand in: footnotes, remarks, hatnotes, signs. No hole is left.
NOTES = _names("""
    sfn, sfnp, sfnm, sfnref, r, rp, ref, refn, ref label, note, note label, ref group, efn, efn-ua, efn-lr, efn-lg
    harv, harvnb, harvp, harvtxt, harvcoltxt, 각주, 각주2, 각주 시작, 각주 끝, reflist, notelist, 주, 주석, 주해
    내용주, 내용주 목록, 내용주목록, 주석 목록, 출처, 출처 필요, 출처필요, 출처 요청, 출처 부족, fact, cn
    citation needed, citation, 출처 밝힘, 확인 필요, 사실 확인, 검증 필요, 검증필요, 비검증, 신뢰할 수 없는 출처
    1차 출처, 페이지 필요, 쪽 번호, 쪽번호, 언제, when, 누구, who, 누가, 어디, where, 어느, which, 모호, 명확화 필요
    불명확, clarify, 해명 필요, 뜻 불명, 독자 연구, 독자연구, 중립 필요, 중립성, 피동형 편집, 과도한 인용, 최신화
    깨진 링크, 깨진링크, dead link, 죽은 링크, 구식, 오래됨, update after, 갱신 필요, 앵커, anchor, anchors, 참고
    본문, main, 주요 문서, 본문2, 더 보기, 더보기, 자세히, further, see also, 같이 보기, 다른 뜻, 다른뜻
    다른 뜻 넘어옴, about, redirect, 넘어옴, 혼동, 구별, otheruses, other uses, hatnote, 역링크 안내, 토막글, 빈 문단
    번역, 번역 확장 필요, 정리 필요, 국기그림, flagicon, flag icon, 국기 그림, 아이콘, 언어링크, 언어 표시, 언어표시
    언어 아이콘, language icon, en icon, ko icon, ja icon, 좌표, coord, 위치 좌표, 소리 아이콘, 자물쇠, sic
    원문 그대로, 원문대로, isbn, issn, doi, oclc, 쉬운 문서, 위키공용, 위키공용분류, wikinews, commons, commonscat
    위키인용집, 위키문헌, 목차, toc, toc limit, 목차 제한, 외부 링크, pp-protected, 보호 문서, col-begin, col-break
    col-end, col-2, 다단, 다단 시작, 다단 끝, 여러 그림, multiple image, good article, 알찬 글, 좋은 글, 전거 통제
    authority control, 기본정렬, 서비스 종료, 현재 진행, 편집 중, 공사중, 사람 이름, 한국 이름, 중국 이름, 일본 이름
    """)
#: Families of such names: `cite web`, `웹 인용`, `en icon`, `USA 토막글`.
NOTE_FAMILY = re.compile(
    r"cite .+|.+ (?:인용|토막글|icon|각주|출처|넘어옴|필요)|(?:다른 뜻|위키|토막글|자매).+"
    r"|(?:기본정렬|defaultsort|displaytitle|표시제목|제목):.*"
)
#: Templates that stand for a formula.
FORMULAS = _names("""
    math, mvar, 수식, 수학, frac, sfrac, 분수, 분수2, chem, chem2, 화학식, 화학, val, 값, e, su, sqrt, 제곱근
    overline, abs, nuclide, 핵종, physics particle, su2, tmath, bra, ket, bra-ket, intmath, equation, 방정식, code
    코드, syntaxhighlight
    """)
#: Functions of the wiki that show their argument.
FUNCTIONS = ("formatnum:", "lc:", "uc:", "lcfirst:", "ucfirst:")
#: Units of `변환` as they are shown.
UNITS = {
    unit: f" {sign}" if sign[0].isascii() else sign
    for unit, sign in (
        pair.split("=")
        for pair in _names("""
            km=km, m=m, cm=cm, mm=mm, kg=kg, g=g, mg=mg, t=t, ha=ha, l=L, km/h=km/h, kph=km/h, kw=kW, mw=MW, k=K
            km2=km², sqkm=km², m2=m², cm2=cm², km3=km³, m3=m³, cm3=cm³, c=°C, °c=°C, f=°F, °f=°F, mi=마일, ft=피트
            in=인치, yd=야드, lb=파운드, oz=온스, nmi=해리, kn=노트, hp=마력, acre=에이커, sqmi=제곱마일, mi2=제곱마일
            sqft=제곱피트, ft2=제곱피트
            """)
    )
}

#: Headings, without spaces, of sections that hold no prose; `각주 및 참고 문헌` is made of two.
SKIPPED_SECTIONS = _names("""
    각주, 주해, 주석, 내용주, 미주, 원주, 역주, 외부링크, 외부고리, 외부연결, 바깥고리, 바깥링크, 관련링크, 링크
    참고문헌, 참고자료, 참고서적, 참고사이트, 참고도서, 참고, 참조, 참조문헌, 인용문헌, 출처, 같이보기, 같이읽기
    함께보기, 더보기, 더읽어보기, 읽어보기, 읽을거리, 더읽을거리, 추가읽을거리, 관련항목, 관련문서, 관련서적, 관련도서
    갤러리, 사진, 사진갤러리, 사진첩, 화보, 이미지, 저서목록, 작품목록, 논문목록, 음반목록, 출연작품목록, 서지
    서지정보, 공식홈페이지, references, externallinks, seealso, notes, furtherreading, bibliography
    """)
#: What joins two such headings.
JOINED = re.compile(r"(?<=.)(?:및|[·,/&]|와(?=\S)|과(?=\S))(?=.)")

#: Tags that go with all they hold.
DROPPED_TAGS = _names("""
    references, gallery, timeline, score, imagemap, graph, mapframe, maplink, templatedata, inputbox, categorytree
    includeonly, style, script, rt, rp, indicator, section, templatestyles, table, pre, chart, dynamicpagelist, poll
    """)
#: Those of them that do not end the paragraph.
UNSEEN_TAGS = _names("includeonly, style, script, rt, rp, indicator")
#: Tags whose content is something visible that is no prose.
FORMULA_TAGS = _names("math, chem, ce, code, syntaxhighlight, source, hiero")
#: Tags of which only the mark goes.
KEPT_TAGS = _names("""
    sub, sup, small, b, i, u, s, span, font, big, abbr, mark, noinclude, onlyinclude, del, ins, strike, strong, em
    cite, dfn, tt, kbd, samp, var, q, bdi, bdo, ruby, rb, rtc, time, data, nobr, translate, tvar, wbr, img, caption
    thead, tbody, tfoot, th, td, noindex, ol, ul, dl
    """)
#: Tags that begin or end a paragraph.
BLOCK_TAGS = _names(
    "div, center, p, blockquote, poem, hr, tr, h1, h2, h3, h4, h5, h6, ol, ul, dl, caption, th, td, table"
)
ITEM_TAGS = _names("li, dd, dt")

#: Namespaces of links that show no text of the page.
FILE_SPACES = _names("파일, 그림, 이미지, 미디어, file, image, media, 화일")
CATEGORY_SPACES = _names("분류, category")
#: A picture with one of these stands beside the text, not in it.
FLOATING = re.compile(
    r"\|\s*(?:섬네일|썸네일|thumb|thumbnail|프레임|frame|왼쪽|오른쪽|left|right|center|가운데|중앙|축소판|none|없음)\b"
)
#: Wikis whose plain `[[de:...]]` is a link in the margin. (`re:` or `CSI:` begin titles.)
LANGUAGES = _names("""
    af, als, am, an, ang, ar, arc, arz, as, ast, av, ay, az, azb, ba, bar, bat-smg, bcl, be, be-tarask, be-x-old, bg
    bh, bi, bjn, bm, bn, bo, bpy, br, bs, bug, bxr, ca, cdo, ce, ceb, ch, chr, chy, ckb, co, cr, crh, cs, csb, cu, cv
    cy, da, de, diq, dsb, dv, dz, ee, el, eml, en, eo, es, et, eu, ext, fa, ff, fi, fiu-vro, fj, fo, fr, frp, frr, fur
    fy, ga, gag, gan, gd, gl, glk, gn, got, gu, gv, ha, hak, haw, he, hi, hif, hr, hsb, ht, hu, hy, ia, id, ie, ig, ik
    ilo, io, is, it, iu, ja, jbo, jv, ka, kaa, kab, kbd, kg, ki, kk, kl, km, kn, ko, koi, krc, ks, ksh, ku, kv, kw, ky
    la, lad, lb, lbe, lez, lg, li, lij, lmo, ln, lo, lt, ltg, lv, map-bms, mdf, mg, mhr, mi, min, mk, ml, mn, mr, mrj
    ms, mt, mwl, my, myv, mzn, na, nah, nap, nds, nds-nl, ne, new, nl, nn, no, nov, nrm, nso, nv, ny, oc, om, or, os
    pa, pag, pam, pap, pcd, pdc, pfl, pi, pih, pl, pms, pnb, pnt, ps, pt, qu, rm, rmy, rn, ro, roa-rup, roa-tara, ru
    rue, rw, sa, sah, sc, scn, sco, sd, se, sg, sh, si, simple, sk, sl, sm, sn, so, sq, sr, srn, ss, st, stq, su, sv
    sw, szl, ta, te, tet, tg, th, ti, tk, tl, tn, to, tpi, tr, ts, tt, tum, tw, ty, udm, ug, uk, ur, uz, ve, vec, vep
    vi, vls, vo, wa, war, wo, wuu, xal, xh, xmf, yi, yo, za, zea, zh, zh-classical, zh-min-nan, zh-yue, zu
    """)

#: Templates of pages that list the meanings of their title. `다른 뜻` only points at such a page.
DISAMBIGUATION = re.compile(
    r"(?:.*\s)?(?:동음이의|동음이의어|동명이인|다의어)|disambig|disambiguation|dab|hndis|geodis|tladisambig|(?:인명|지명|학교|성씨)동음이의어?"
)
