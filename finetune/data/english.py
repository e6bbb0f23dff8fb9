"""English words brought to one form, by kept libraries (the extra `english`): stems, or the forms of a dictionary.

Only runs of Latin letters are touched; Korean around them, and josa behind them, stay.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from pipeline.errors import InputError

#: Not half of a placeholder ([URL]).
_WORD = re.compile(r"(?<![A-Za-z\[])[A-Za-z]{2,}(?![A-Za-z\]])")


def stem_english(text: str) -> str:
    """English words as their Porter2 stems, in small letters (snowballstemmer).

    Raises InputError without the library.
    """
    stemmer = _stemmer()
    return _WORD.sub(lambda word: str(stemmer.stemWord(word.group().lower())), text)


def lemmatise_english(text: str) -> str:
    """English words as their dictionary forms: went as go, mice as mouse (simplemma). Raises InputError without it."""
    simplemma = _simplemma()
    return _WORD.sub(lambda word: str(simplemma.lemmatize(word.group(), lang="en")), text)


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    try:
        import snowballstemmer
    except ImportError as error:
        raise _absent("stem_english", error) from None
    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=1)
def _simplemma() -> Any:
    try:
        import simplemma
    except ImportError as error:
        raise _absent("lemmatise_english", error) from None
    return simplemma


def _absent(step: str, error: ImportError) -> InputError:
    return InputError(f"cleaning step {step} needs a library ({error}): pip install 'hanbeot[english]'")
