"""Real sentences dressed up as wikitext, in the ways that editors of Korean Wikipedia do it; used by `make_dump.py`.

The gold stays honest by what is left out and what is escaped:

* Sentences are used only if nothing about them is in dispute (`usable`): they end in a sentence mark, are clean
  already, and hold neither addresses nor markup, nor the scars of an earlier extraction such as `(, 1900년)`.
* `<` and `&` are written as entities, as editors do; a first character that means something at the head of a line
  stands in `<nowiki>`.
* Everything else on a page is made up and marked (`wiki_decoys`), so that what leaks is counted by construct. It must
  not come back: captions, notes, tables, templates, headings, list items that are no sentences.

What has to come back are the real sentences, wherever they stand: in paragraphs, quotations, indented, in list items.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from wiki_decoys import BLOCKS, DECOY, NOUNS, PLACES, aside, decoy, foot, hatnote, heading, infobox, note

from corpora.clean import clean_line

_ENDS = re.compile(r"[.!?。…][\"'”’」』》〉)\]]*$")
_SCARS = re.compile(
    r"\(\s*[,;·:/]*\s*\)|[(,;]\s*[,;)]|\[\s*\]|\s[.,]|''|__|\[\[|\]\]|\{\{|\}\}|https?:|www\.|~~~|&#?\w+;"
)
_WORD = re.compile(r"(?P<head>[(\"“‘「『《〈]*)(?P<core>[가-힣A-Za-z0-9]+)(?P<tail>[^\w&<>']*)")
_PARTICLE = re.compile(
    r"(?P<stem>[가-힣A-Za-z0-9]{2,}?)(?P<particle>에서는|에서|으로|에게|까지|부터|은|는|이|가|을|를|의|에|로|와|과|도)"
)
_LATIN = re.compile(r"[A-Za-z]{3,}")
_LINE_HEADS = "=*#:;|!{- "
_ENTITIES = {
    "·": "&middot;",
    "–": "&ndash;",
    "—": "&mdash;",
    "…": "&hellip;",
    "×": "&times;",
    '"': "&quot;",
    "'": "&#39;",
}

#: What shows nothing in the text, and brackets of which nothing is left.
_SILENT = ("{{출처 필요}}", "{{출처 필요|날짜=2020-1-1}}", "{{앵커|자리}}", "<nowiki/>", "</small>")
_EMPTIED = (
    "({{소리|ko-word.ogg}})",
    "({{소리|a.ogg|}}, {{소리|b.ogg}})",
    "(<!-- 발음 -->{{소리|d.ogg}})",
    "( {{소리|c.ogg}} )",
)
#: Forms of links to the text {0}.
_LINKS = {
    "[[{0}]]": 60,
    "[[{1}|{0}]]": 20,
    "[[{1}#{2}|{0}]]": 4,
    "[[:분류:{1}|{0}]]": 2,
    "[[:en:Word|{0}]]": 2,
    "[[w:ko:{1}|{0}]]": 1,
    "[[{1} ({2})|{0}]]": 11,
}


def usable(sentence: str) -> bool:
    """Whether a real sentence can be part of the gold."""
    return bool(
        _ENDS.search(sentence)
        and not _SCARS.search(sentence)
        and DECOY not in sentence
        and clean_line(sentence) == sentence
    )


def article(rng: Random, title: str, sentences: Sequence[str]) -> str:
    """The markup of an article whose prose is `sentences`, in order."""
    lines: list[str] = [hatnote(rng, title)] * (rng.random() < 0.3) + [infobox(rng)] * (rng.random() < 0.6)
    place, level = 0, 1
    while place < len(sentences):
        if place and (rng.random() < 0.3 or level == 1):
            level = rng.choice([2, 2, 2, 3, 3, 4]) if level > 1 else 2
            lines += aside(rng) if rng.random() < 0.03 else []
            lines.append(heading(rng, level))
        lines += [rng.choice(BLOCKS)(rng) for _ in range(rng.choice([0, 0, 0, 1, 1, 2]))]
        taken = sentences[place : place + rng.choice([1, 2, 2, 3, 3, 4, 5, 6])]
        place += len(taken)
        lines.append(_prose(rng, taken))
    return "\n".join([*lines, *foot(rng, title)])


def dress(rng: Random, sentence: str) -> str:
    """One sentence with links, emphasis, entities, notes and empty templates; its text is what it was."""
    words = sentence.split(" ")
    dressed: list[str] = []
    place = 0
    while place < len(words):
        pair = " ".join(words[place : place + 2])
        if rng.random() < 0.02 and len(words) > place + 2 and re.fullmatch(r"[가-힣]+ [가-힣]+", pair):
            dressed.append(_link(rng, pair))
            place += 2
        else:
            dressed.append(_dress_word(rng, words[place]))
            place += 1
    text = dressed[0]
    for word in dressed[1:]:
        text += rng.choices([" ", "&nbsp;", "\n", "  "], [9900, 80, 5, 15])[0] + word
    if sentence[0] in _LINE_HEADS and text[0] == sentence[0]:
        text = f"<nowiki>{text[0]}</nowiki>{text[1:]}"
    # A line break before one of these would make it a list or a heading.
    text = re.sub(r"\n(?=[=*#:;|!{ -])", " ", text)
    return text + (note(rng) if rng.random() < 0.12 else "") + ("{{출처}}" if rng.random() < 0.02 else "")


def _dress_word(rng: Random, word: str) -> str:
    chance = rng.random()
    match = _WORD.fullmatch(word)
    if chance > 0.25 or match is None:
        return _escape(rng, word)
    head, core, tail = (_escape(rng, match[name]) for name in ("head", "core", "tail"))
    if chance < 0.14:
        return f"{head}{_link(rng, core)}{tail}"
    if chance < 0.17:
        quotes = rng.choice(["''", "'''", "'''''"])
        return f"{head}{quotes}{core}{quotes}{tail}"
    if chance < 0.19:
        return head + "".join(f"&#{ord(letter)};" if rng.random() < 0.3 else letter for letter in core) + tail
    if chance < 0.21:
        language = rng.choice(["en", "de", "fr"])
        return head + _LATIN.sub(lambda found: f"{{{{lang|{language}|{found[0]}}}}}", core) + tail
    if chance < 0.22:
        tag, more = rng.choice([("small", ""), ("span", ' style="color:red"'), ("big", ""), ("u", "")])
        return f"{head}<{tag}{more}>{core}</{tag}>{tail}"
    if chance < 0.225:
        return f"{head}[http://example.org/{rng.randrange(999)} {core}]{tail}"
    if chance < 0.23:
        return f"{head}<nowiki>{core}</nowiki>{tail}"
    if chance < 0.235:
        return f"{head}{core}<!-- {decoy(rng, '숨은글')} [[{{{{ -->{tail}"
    return f"{head}{core}{rng.choice(_SILENT if chance < 0.24 else _EMPTIED)}{tail}"


def _escape(rng: Random, text: str) -> str:
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text) if rng.random() < 0.5 else text.replace("&", "&amp;")
    text = text.replace("<", "&lt;").replace(">", rng.choice([">", "&gt;"]))
    if rng.random() < 0.02:
        for letter, entity in _ENTITIES.items():
            text = text.replace(letter, entity)
    return text


def _link(rng: Random, text: str) -> str:
    if (match := _PARTICLE.fullmatch(text)) and rng.random() < 0.8:
        return _link(rng, match["stem"]) + match["particle"]
    form = rng.choices(list(_LINKS), list(_LINKS.values()))[0]
    return form.format(text, rng.choice(PLACES), rng.choice(NOUNS))


def _prose(rng: Random, sentences: Sequence[str]) -> str:
    """Real sentences: mostly a paragraph, now and then a list, a quotation or an indented paragraph."""
    dressed = [dress(rng, sentence) for sentence in sentences]
    chance = rng.random()
    if chance < 0.05:
        # One item a line, so no line breaks inside.
        bullet = rng.choice(["* ", "# ", "*", "** ", ": ", "*: "])
        return "\n".join(bullet + " ".join(text.split("\n")) for text in dressed) + "\n"
    if chance < 0.06:
        return f"; {DECOY}목록 용어\n: " + " ".join(" ".join(dressed).split("\n")) + "\n"
    text = dressed[0]
    for later in dressed[1:]:
        text += rng.choices([" ", "\n", "<br/>", "<br>\n"], [95, 3, 1, 1])[0] + later
    if chance < 0.07:
        return f"<blockquote>{text}</blockquote>\n"
    if chance < 0.08:
        return f'<div style="margin-left:2em">\n{text}\n</div>\n'
    if chance < 0.095:
        return f"[[파일:{rng.choice(PLACES)}.jpg|섬네일|{decoy(rng, '그림')}]]{text}\n"
    if chance < 0.10:
        return f"[[파일:작은 그림.svg|20px|링크=]] {text}\n"
    return f"{text}\n"
