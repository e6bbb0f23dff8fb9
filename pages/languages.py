"""The languages of the page, and which of them a browser asks for."""

from __future__ import annotations

import json
from importlib.resources import files

#: Code -> its own name; the first where a browser asks for neither.
LANGUAGES = {"en": "English", "ko": "한국어"}


def words_in(language: str) -> dict[str, str]:
    """What the page says, by the names that its template and its script use."""
    words: dict[str, str] = json.loads(files("pages").joinpath(f"demo/words.{language}.json").read_text("utf-8"))
    return words


def language_of(accepted: str) -> str:
    """The language that an Accept-Language header (RFC 9110, 12.5.4) likes best.

    >>> language_of("fr, ko-KR;q=0.9, en;q=0.8"), language_of("fr")
    ('ko', 'en')
    """
    best, most = next(iter(LANGUAGES)), 0.0
    for one in accepted.split(","):
        name, _, rest = one.strip().partition(";")
        code = name.partition("-")[0].lower()
        quality = _quality(rest)
        if code in LANGUAGES and quality > most:
            best, most = code, quality
    return best


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
