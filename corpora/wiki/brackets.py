"""Matches `{{ }}` and `[[ ]]` in one pass over the page, and leaves the parser only what shows prose.

A mark without a partner spoils its own paragraph, not the page: it becomes a stand-in, for which the paragraph is
dropped later.
"""

from __future__ import annotations

import re

from corpora.wiki.names import (
    BREAK,
    CATEGORY_SPACES,
    CLOSER,
    FILE_SPACES,
    FLOATING,
    FORMULA,
    FORMULAS,
    FUNCTIONS,
    HEADING,
    HIDE,
    LANGUAGE,
    LANGUAGES,
    LITERAL,
    NOTE,
    NOTE_FAMILY,
    NOTES,
    OPENER,
    SHOWN,
    VISIBLE,
    template_name,
)

#: Templates and links are kept so deep inside one another. Nothing on a real page comes near.
_DEEPEST = 12
#: An unknown template of more characters, or of several lines, is a block of its own: it ends the paragraph.
_LONG_TEMPLATE = 200

_TOKEN = re.compile(rf"\{{\{{+|\}}\}}+|\[\[(?!\[)|\[+(?=\[\[)|\]\]|\n[^\S\n]*\n|{HEADING}")
_THOUSANDS = re.compile(r"^\d{4,15}(?=\.|$)")
_NAMESPACE = re.compile(r"\s*([^|:]{1,20}?)\s*:")


def match_brackets(text: str) -> str:
    """Without templates and links that show no prose; marks without a partner are replaced by stand-ins."""
    matcher, place = _Matcher(), 0
    for match in _TOKEN.finditer(text):
        matcher.pieces.append(text[place : match.start()])
        place = match.end()
        token = match[0]
        if token == "[[":
            matcher.open("[", 2)
        elif token == "]]":
            matcher.close_link()
        elif token[0] == "[":
            matcher.pieces.append(token.translate(HIDE))
        elif token[0] == "{":
            matcher.open("{", len(token))
        elif token[0] == "}":
            matcher.close_templates(len(token))
        else:
            # A link ends in its paragraph, a template in its section: so what one lost mark spoils has an end.
            matcher.give_up("[" if token[0] == "\n" else "[{")
            matcher.pieces.append("\n\n")
    matcher.pieces.append(text[place:])
    return "".join(matcher.pieces)


class _Frame:
    """An opening mark that waits for its end."""

    __slots__ = ("count", "depth", "index", "kind")

    def __init__(self, kind: str, count: int, index: int) -> None:
        self.kind, self.count, self.index = kind, count, index
        self.depth = 0


class _Matcher:
    """Matches `{{ }}` and `[[ ]]` with a stack; `pieces[frame.index]` is the opening mark, what follows is inside."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.frames: list[_Frame] = []
        self.templates = 0

    def open(self, kind: str, count: int) -> None:
        self.frames.append(_Frame(kind, count, len(self.pieces)))
        self.pieces.append(OPENER)
        self.templates += kind == "{"

    def give_up(self, kinds: str) -> None:
        """Forget the innermost frames of these kinds: their opening marks stay as what they stand for."""
        while self.frames and self.frames[-1].kind in kinds:
            self.templates -= self.frames.pop().kind == "{"

    def close_link(self) -> None:
        if not self.frames or self.frames[-1].kind != "[":
            self.pieces.append(CLOSER)
            return
        frame = self.frames[-1]
        frame.count = 0
        self._replace(frame, _link(self._content(frame)))

    def close_templates(self, count: int) -> None:
        while count >= 2 and self.templates:
            self.give_up("[")
            frame = self.frames[-1]
            size = 3 if min(count, frame.count) >= 3 else 2
            count -= size
            frame.count -= size
            shown = _template(self._content(frame)) if size == 2 else NOTE
            if frame.count == 1:
                shown, frame.count = "{" + shown, 0
            self.templates -= not frame.count
            self._replace(frame, shown)
        if count:
            self.pieces.append(CLOSER if count >= 2 else "}")

    def _content(self, frame: _Frame) -> str:
        return "".join(self.pieces[frame.index + 1 :])

    def _replace(self, frame: _Frame, shown: str) -> None:
        """Put what is shown of a frame in its place."""
        depth = frame.depth + 1 if "{{" in shown or "[[" in shown else 0
        if depth > _DEEPEST:
            shown, depth = OPENER, 0
        if frame.count:
            self.pieces[frame.index + 1 :] = [shown]
            frame.depth = depth
            return
        self.pieces[frame.index :] = [shown]
        self.frames.pop()
        if self.frames:
            self.frames[-1].depth = max(self.frames[-1].depth, depth)


def _template(content: str) -> str:
    """What is left for the parser of a template without its braces."""
    head = content.partition("|")[0]
    if len(head) > _LONG_TEMPLATE:
        return BREAK
    name = template_name(head)
    if name in SHOWN or LANGUAGE.fullmatch(name):
        return f"{{{{{content}}}}}"
    if name in LITERAL:
        return LITERAL[name]
    if name in NOTES or NOTE_FAMILY.fullmatch(name):
        return NOTE
    if name in FORMULAS:
        return FORMULA
    for function in FUNCTIONS:
        if name.startswith(function):
            return _THOUSANDS.sub(lambda digits: f"{int(digits[0]):,}", head.partition(":")[2].strip())
    return BREAK if len(content) > _LONG_TEMPLATE or "\n" in content.strip() else VISIBLE


def _link(content: str) -> str:
    """What is left for the parser of a link without its brackets."""
    space = _NAMESPACE.match(content)
    if space:
        name = space[1].casefold()
        if name in FILE_SPACES:
            return NOTE if "\n" in content or FLOATING.search(content) else VISIBLE
        if name in CATEGORY_SPACES or name in LANGUAGES:
            return NOTE
    return f"[[{content}]]"
