"""The XML of a MediaWiki dump, version 0.11, as Korean Wikipedia's has it; used by `make_dump.py`."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple
from xml.sax.saxutils import escape

from wiki_decoys import NOUNS, PLACES

NAMESPACES = {
    -2: "미디어",
    -1: "특수",
    0: "",
    1: "토론",
    2: "사용자",
    3: "사용자토론",
    4: "위키백과",
    5: "위키백과토론",
    6: "파일",
    7: "파일토론",
    8: "미디어위키",
    9: "미디어위키토론",
    10: "틀",
    11: "틀토론",
    12: "도움말",
    13: "도움말토론",
    14: "분류",
    15: "분류토론",
    100: "포털",
    101: "포털토론",
    828: "모듈",
    829: "모듈토론",
}


class Page(NamedTuple):
    """A page before it is numbered: what stands in its XML."""

    title: str
    namespace: int
    text: str
    model: str = "wikitext"
    redirect: str = ""


def header() -> bytes:
    """What stands before the first page."""
    rows = "\n".join(
        f'      <namespace key="{key}" case="first-letter"' + (f">{name}</namespace>" if name else " />")
        for key, name in NAMESPACES.items()
    )
    schema = "http://www.mediawiki.org/xml/export-0.11"
    return f"""<mediawiki xmlns="{schema}/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="{schema}/ {schema}.xsd" version="0.11" xml:lang="ko">
  <siteinfo>
    <sitename>위키백과</sitename>
    <dbname>kowiki</dbname>
    <base>https://ko.wikipedia.org/wiki/%EC%9C%84%ED%82%A4%EB%B0%B1%EA%B3%BC:%EB%8C%80%EB%AC%B8</base>
    <generator>MediaWiki 1.45.0-wmf.20</generator>
    <case>first-letter</case>
    <namespaces>
{rows}
    </namespaces>
  </siteinfo>
""".encode()


def page_xml(page: Page, number: int, seed: int) -> bytes:
    """One page; what surrounds its text is made up."""
    rng = Random(f"{seed} page {number}")
    moment = datetime(2026, 8, 31, tzinfo=UTC) - timedelta(seconds=rng.randrange(3 * 10**8))
    who = rng.choice([f"<username>편집자</username><id>{number}</id>", "<ip>192.0.2.7</ip>", ""])
    who = f"<contributor>{who}</contributor>" if who else '<contributor deleted="deleted" />'
    form = {"Scribunto": "text/plain", "wikitext": "text/x-wiki", "json": "application/json"}.get(
        page.model, "text/css"
    )
    content = page.text.encode()
    sha1 = _base36(int(hashlib.sha1(content).hexdigest(), 16))
    redirect = f'    <redirect title="{_quoted(page.redirect)}" />\n' if page.redirect else ""
    body = f">{_quoted(page.text)}</text>" if page.text else " />"
    minor = "      <minor />\n" if rng.random() < 0.2 else ""
    comment = f"      <comment>/* {rng.choice(NOUNS)} */ &quot;[[{rng.choice(PLACES)}]]&quot; &amp; 정리</comment>\n"
    return f"""  <page>
    <title>{_quoted(page.title)}</title>
    <ns>{page.namespace}</ns>
    <id>{number}</id>
{redirect}    <revision>
      <id>{40_000_000 + number}</id>
      <parentid>{30_000_000 + number}</parentid>
      <timestamp>{moment:%Y-%m-%dT%H:%M:%SZ}</timestamp>
      {who}
{minor}{comment}      <origin>{40_000_000 + number}</origin>
      <model>{page.model}</model>
      <format>{form}</format>
      <text bytes="{len(content)}" sha1="{sha1}" xml:space="preserve"{body}
      <sha1>{sha1}</sha1>
    </revision>
  </page>
""".encode()


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;"})


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(31, "0")
