"""Pages of a MediaWiki XML dump, one after the other, in constant memory.

expat reads the stream. A dump has no document type, so one that declares any stops at once: entity definitions are how
XML is made to fill a memory ("billion laughs") or to read other files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from corpora.drops import Drops
from corpora.sources.text import Advance
from corpora.sources.unpack import damage_told, unpacked
from pipeline.errors import InputError

#: Characters of the longest page taken; MediaWiki itself allows two million bytes.
LONGEST_PAGE = 4_000_000

_BLOCK = 1 << 18
#: What a page in the content language of another kind is: code, style sheets, data.
_PROSE_MODELS = ("wikitext", "")


@dataclass(frozen=True)
class Page:
    """An article: its title and its markup."""

    title: str
    markup: str


def read_pages(path: Path, advance: Advance | None = None, dropped: Drops | None = None) -> Iterator[Page]:
    """Articles of a dump: namespace 0, no redirects, nothing but wikitext; the rest is counted in `dropped`.

    Of a page with several revisions the last one counts. Raises InputError naming file and line for what is not
    well-formed XML, has a document type, or is cut off.
    """
    reader = _Reader(path, Drops() if dropped is None else dropped)
    told = 0
    with damage_told(path, lambda: f", after line {reader.line}"), unpacked(path) as opened:
        while True:
            block = opened.stream.read(_BLOCK)
            reader.feed(block)
            while reader.pages:
                yield reader.pages.popleft()
            if advance:
                advance(opened.plain.tell() - told)
                told = opened.plain.tell()
            if not block:
                return


class _Reader:
    """expat's handlers: fills `pages`."""

    def __init__(self, path: Path, dropped: Drops) -> None:
        self.pages: deque[Page] = deque()
        self._path, self._dropped = path, dropped
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = 1 << 16
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._namespaces: set[str] = set()
        self._begin_page()

    @property
    def line(self) -> int:
        return self._parser.CurrentLineNumber

    def feed(self, block: bytes) -> None:
        try:
            self._parser.Parse(block, not block)
        except expat.ExpatError as error:
            what = "cut off" if not block else f"not well-formed XML ({expat.ErrorString(error.code)})"
            raise InputError(f"{self._path}, line {error.lineno}: {what}") from None

    def _doctype(self, *_: object) -> None:
        raise InputError(
            f"{self._path}, line {self.line}: a DOCTYPE; a MediaWiki dump has none, and entity definitions are refused"
        )

    def _begin_page(self) -> None:
        self._fields = {"title": "", "ns": "", "model": "", "text": "", "namespace": ""}
        self._redirect = self._too_long = False
        self._listen(None)

    def _listen(self, field: str | None) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._field = field
        self._parser.CharacterDataHandler = self._characters if field else None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "page":
            self._begin_page()
        elif name == "redirect":
            self._redirect = True
        elif name in self._fields:
            self._listen(name)

    def _characters(self, data: str) -> None:
        self._length += len(data)
        if self._length <= LONGEST_PAGE:
            self._parts.append(data)

    def _end(self, name: str) -> None:
        if name == self._field:
            if name == "text":
                self._too_long = self._length > LONGEST_PAGE
            self._fields[name] = "".join(self._parts)
            if name == "namespace":
                self._namespaces.add(self._fields[name].strip())
            self._listen(None)
        elif name == "page":
            self._finish()

    def _finish(self) -> None:
        title, markup = self._fields["title"].strip(), self._fields["text"]
        place = f"{self._path.name} [[{title[:200]}]]"
        # Old exports do not number a page's namespace; then its title begins with the name of one.
        prefix = title.partition(":")[0] if ":" in title else ""
        if (self._fields["ns"].strip() or ("named" if prefix and prefix in self._namespaces else "0")) != "0":
            self._dropped.add("other_namespace", place, title)
        elif self._redirect:
            self._dropped.add("redirect", place, title)
        elif self._fields["model"].strip() not in _PROSE_MODELS:
            self._dropped.add("not_wikitext", place, self._fields["model"].strip())
        elif self._too_long:
            self._dropped.add("page_too_long", place, markup)
        else:
            self.pages.append(Page(title, markup))
        self._begin_page()
