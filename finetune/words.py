"""Texts as TF-IDF: what can be known of a text from its characters and words alone, without any encoder.

Characters within words (1 to 4) stand in for a stemmer, which Korean endings would want; words are counted beside them.
Of two texts a row there are both vectors, their product and their distance (as Conneau et al. 2017 have it of
sentence vectors): a linear head could not compare them else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

from finetune.vectors import Pair
from pipeline.errors import InputError

#: From so many texts on, what stands in one of them alone is left out.
MANY = 1000


class Words:
    """A vocabulary with its weights, learned from the texts of train."""

    def __init__(self, texts: Iterable[Pair]) -> None:
        """Learn it; raises InputError if the texts hold no word."""
        flat = [text for pair in texts for text in pair if text is not None]
        least = 2 if len(flat) >= MANY else 1
        common = {"min_df": least, "sublinear_tf": True}
        self._union = FeatureUnion(
            [
                ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), **common)),
                ("words", TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", **common)),
            ]
        )
        try:
            self._union.fit(flat)
        except ValueError as error:
            raise InputError(f"TF-IDF of these texts is not possible: {error}") from None

    @property
    def width(self) -> int:
        """Numbers of a text's vector."""
        return len(self._union.get_feature_names_out())

    def vectors(self, texts: Iterable[Pair]) -> csr_matrix:
        """(texts, width), or (texts, 4 * width) of two texts a row."""
        pairs = list(texts)
        first: Any = csr_matrix(self._union.transform([text for text, _ in pairs]))
        if all(other is None for _, other in pairs):
            return first
        second = csr_matrix(self._union.transform([other or "" for _, other in pairs]))
        return csr_matrix(hstack([first, second, first.multiply(second), abs(first - second)]))
