"""Make a MediaWiki dump of real articles, with the text that has to come back, to measure extraction by.

    python benchmarks/make_dump.py OUT TEXT... [--megabytes 200] [--seed 0] [--plain]

TEXT are files of one sentence a line with a blank line between documents, plain or .xz. OUT becomes a mirror in
the layout of dumps.wikimedia.org, and gets the gold:

    OUT/kowiki/20260901/kowiki-20260901-pages-articles-multistream.xml.bz2    (--plain: pages-articles.xml.bz2)
    OUT/kowiki/20260901/kowiki-20260901-sha1sums.txt
    OUT/kowiki/latest/kowiki-latest-sha1sums.txt
    OUT/gold.txt        the sentences of each article, in the order of the dump, a blank line between articles

The articles are dressed up by `wiki_markup`, which says what is in the gold and why. Between them stand pages whose
text must not come back: redirects, disambiguation pages, other namespaces, code. The same arguments give the same
bytes.
"""

from __future__ import annotations

import argparse
import bz2
import hashlib
import lzma
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import IO

from wiki_decoys import NOUNS, PLACES, decoy, infobox
from wiki_markup import article, usable
from wiki_xml import NAMESPACES, Page, header, page_xml

from pipeline.console import progress, say
from pipeline.errors import InputError
from pipeline.stage import run_stage

DATE = "20260901"
#: Pages a bz2 stream holds, as in the published dumps.
STREAM_PAGES = 100

#: How many of the other pages are of each kind.
_OTHERS = {
    "redirect": 40,
    "disambiguation": 6,
    "talk": 6,
    "user": 2,
    "template": 12,
    "category": 26,
    "file": 4,
    "code": 4,
    "empty": 1,
}
_REDIRECTS = ("#넘겨주기", "#REDIRECT", "#redirect", "#넘겨주기:")
#: Their namespaces, and the words that mark their text.
_SPACES = {
    "talk": (1, "토론"),
    "user": (2, "사용자"),
    "template": (10, "틀문서"),
    "category": (14, "분류문서"),
    "file": (6, "파일문서"),
}
_CODE = (
    ("Scribunto", 828, ""),
    ("sanitized-css", 10, "styles.css"),
    ("css", 2, "common.css"),
    ("javascript", 8, "Gadget.js"),
    ("json", 8, "Data.json"),
    ("wikitext", 828, "설명문서"),
)
#: Other pages to an article.
_OTHERS_EACH = 0.6
_SUBJECT = re.compile(r"[가-힣A-Za-z0-9][가-힣A-Za-z0-9 ]{0,30}?(?=은 |는 |이 |가 |\()")


def main(argv: list[str] | None) -> None:
    """Parse the command line and make the dump."""
    parser = argparse.ArgumentParser(description="Make a MediaWiki dump of real articles, and its gold.")
    parser.add_argument("out", type=Path)
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--megabytes", type=float, default=200.0, help="XML to make, in million bytes unpacked")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="one bz2 stream instead of many")
    arguments = parser.parse_args(argv)
    dump = make_dump(arguments.out, arguments.text, arguments.megabytes, arguments.seed, plain=arguments.plain)
    say(f"{dump}: {dump.stat().st_size / 1e6:,.1f} MB packed; gold in {arguments.out / 'gold.txt'}")


def make_dump(out: Path, texts: Sequence[Path], megabytes: float, seed: int, *, plain: bool = False) -> Path:
    """Write the mirror and the gold into `out`; the dump's path. Raises InputError if the text is too little."""
    folder = out / "kowiki" / DATE
    folder.mkdir(parents=True, exist_ok=True)
    name = f"kowiki-{DATE}-pages-articles{'' if plain else '-multistream'}.xml.bz2"
    gold, limit = out / "gold.txt", int(megabytes * 1e6)
    with (
        (folder / name).open("wb") as packed,
        gold.open("w", encoding="utf-8", newline="\n") as answers,
        progress("dump", limit) as advance,
    ):
        stream = _Stream(packed, plain)
        stream.write(header())
        stream.end()
        for number, (sentences, page) in enumerate(_pages(_documents(texts), seed), 1):
            if sentences:
                answers.write("\n".join(sentences) + "\n\n")
            xml = page_xml(page, number, seed)
            stream.write(xml)
            advance(len(xml))
            if number % STREAM_PAGES == 0:
                stream.end()
            if stream.bytes >= limit:
                break
        stream.end()
        stream.write(b"</mediawiki>\n")
        stream.close()
    if stream.bytes < limit:
        raise InputError(f"the text gave {stream.bytes / 1e6:,.0f} MB of {megabytes:,.0f}: name more files")
    _write_sums(out, folder / name)
    return folder / name


class _Stream:
    """The packed file: bz2 streams one after the other, or a single one."""

    def __init__(self, packed: IO[bytes], plain: bool) -> None:
        self.bytes = 0
        self._packed, self._plain = packed, plain
        self._packer = bz2.BZ2Compressor()
        self._filled = False

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        self._filled = True
        self._packed.write(self._packer.compress(data))

    def end(self) -> None:
        if self._filled and not self._plain:
            self.close()
            self._packer, self._filled = bz2.BZ2Compressor(), False

    def close(self) -> None:
        self._packed.write(self._packer.flush())


def _documents(texts: Iterable[Path]) -> Iterator[list[str]]:
    """The usable sentences of each document."""
    for path in texts:
        opened = lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8")
        with opened as lines:
            held: list[str] = []
            for line in lines:
                sentence = line.rstrip("\n")
                if not sentence and held:
                    yield held
                    held = []
                elif usable(sentence):
                    held.append(sentence)
        if held:
            yield held


def _pages(documents: Iterable[list[str]], seed: int) -> Iterator[tuple[list[str], Page]]:
    """Articles with their gold, and other pages, with none, between them. Titles are unique."""
    taken: set[str] = set()
    for number, sentences in enumerate(documents):
        rng = Random(f"{seed} {number}")
        while rng.random() < _OTHERS_EACH / (1 + _OTHERS_EACH):
            page = _other(rng)
            yield [], page._replace(title=_unique(page.title, taken))
        subject = _SUBJECT.match(sentences[0])
        title = _unique(subject[0] if subject else f"{rng.choice(PLACES)}의 {rng.choice(NOUNS)}", taken)
        yield sentences, Page(title, 0, article(rng, title, sentences))


def _unique(title: str, taken: set[str]) -> str:
    if title in taken:
        title = f"{title} ({len(taken)})"
    taken.add(title)
    return title


def _other(rng: Random) -> Page:
    """A page whose text must not come back."""
    name = f"{rng.choice(PLACES)} {rng.choice(NOUNS)}"
    kind = rng.choices(list(_OTHERS), list(_OTHERS.values()))[0]
    if kind == "redirect":
        target = f"{rng.choice(PLACES)} {rng.choice(NOUNS)}"
        word, more = rng.choice(_REDIRECTS), rng.choice(["", "\n{{넘겨주기 분류}}", f"\n\n{decoy(rng, '넘겨주기')}"])
        return Page(name, 0, f"{word} [[{target}]]{more}", redirect=target)
    if kind == "disambiguation":
        items = "\n".join(f"* [[{name} ({noun})]]: {decoy(rng, '동음이의')}" for noun in rng.sample(NOUNS, 4))
        text = f"{decoy(rng, '동음이의')}\n{items}\n\n{{{{{rng.choice(['동음이의', '동명이인', 'disambig'])}}}}}"
        return Page(f"{name} (동음이의)" if rng.random() < 0.5 else name, 0, text)
    if kind == "code":
        model, space, title = rng.choice(_CODE)
        text = f"-- {decoy(rng, '모듈')}\nreturn {{ a = '[[b]]' }}"
        return Page(f"{NAMESPACES[space]}:{name} {title}", space, text, model)
    if kind == "empty":
        return Page(name, 0, "")
    space, construct = _SPACES[kind]
    text = f"{decoy(rng, construct)} [[{name}]]\n\n== {name} ==\n: {decoy(rng, construct)} --[[사용자:가|가]]"
    if kind == "template":
        text = f"<includeonly>{infobox(rng)}</includeonly><noinclude>{text}</noinclude>"
    return Page(f"{NAMESPACES[space]}:{name}", space, text)


def _write_sums(out: Path, dump: Path) -> None:
    """The lists of checksums, with lines for files around the dump, as the published ones have."""
    with dump.open("rb") as stream:
        sha1 = hashlib.file_digest(stream, "sha1").hexdigest()
    sums = ""
    for name in (f"kowiki-{DATE}-site_stats.sql.gz", dump.name, f"kowiki-{DATE}-pages-articles-index.txt.bz2"):
        sums += f"{sha1 if name == dump.name else hashlib.sha1(name.encode()).hexdigest()}  {name}\n"
    for date in (DATE, "latest"):
        path = out / "kowiki" / date / f"kowiki-{date}-sha1sums.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sums, "ascii")


if __name__ == "__main__":
    run_stage(main)
