"""A font with Hangul for pictures, wherever this machine keeps one.

matplotlib's own fonts have none and would draw boxes. It finds others by a list that it made once, so a font that was
installed later is not in it; here the fonts that are there are asked whether they have what is to be written.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

#: What a font for Hangul must have, and what is preferred among such: plain ones for screens.
_ASKED = frozenset(map(ord, "가각뷁힣ㄱㅏ"))
_PREFERRED = ("nanumgothic", "notosanskr", "notosanscjk", "malgun", "applesdgothic", "pretendard", "gothic", "sans")
_AVOIDED = ("bold", "black", "light", "thin", "italic", "oblique", "mono", "coding", "serif")
#: The font of everything else; it comes with matplotlib.
LATIN = "DejaVu Sans"


@lru_cache(maxsize=1)
def korean_font() -> str | None:
    """The name of a font with Hangul that matplotlib can draw with from now on; None if this machine has none."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    for path in sorted(findSystemFonts(), key=_rank):
        font = _opened(path)
        if font is not None and font.get_charmap().keys() >= _ASKED:
            fontManager.addfont(path)
            return str(fontManager.ttflist[-1].name)
    return None


@lru_cache(maxsize=4)
def _characters(name: str) -> frozenset[int]:
    from matplotlib.font_manager import findfont

    font = _opened(findfont(name))
    return frozenset(font.get_charmap()) if font is not None else frozenset()


def drawable(text: str) -> bool:
    """Whether every character of a text can be drawn, none as a box."""
    fonts = [LATIN, *filter(None, [korean_font()])]
    return all(any(ord(character) in _characters(font) for font in fonts) for character in text)


def all_drawable(texts: Iterable[str]) -> bool:
    """Whether every one of the texts is `drawable`."""
    return all(drawable(text) for text in texts)


def _rank(path: str) -> tuple[int, int, str]:
    name = Path(path).stem.lower().replace("-", "").replace("_", "").replace(" ", "")
    wanted = next((place for place, part in enumerate(_PREFERRED) if part in name), len(_PREFERRED))
    return sum(part in name.replace("sansserif", "") for part in _AVOIDED), wanted, path


def _opened(path: str) -> Any:
    from matplotlib.ft2font import FT2Font

    try:
        return FT2Font(path)
    except (RuntimeError, OSError):  # a damaged font, or a format that FreeType does not know
        return None
