"""What happens to text before pieces are looked up: one normaliser and one pre-tokenizer for learning and for use.

* NFC in front: text typed on a Mac (NFD) has to give the same ids.
* `strip_accents=False`, always: stripping decomposes Hangul into jamo and turns most of Korean into [UNK].
* Case is kept: Latin words in Korean text are mostly names and units.
* Hanja are set apart as single characters, as words need it; punctuation is split off; control characters go.
* Not NFKC: it turns the ㅋㅋ of comments into conjoining jamo that no vocabulary holds.
"""

from __future__ import annotations

from tokenizers import normalizers, pre_tokenizers


def korean_normalizer(*, hanja_apart: bool = True) -> normalizers.Normalizer:
    """NFC, then BERT's cleaning without lower-casing and without accent stripping; spaces around Hanja, or none."""
    bert = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=hanja_apart, strip_accents=False, lowercase=False
    )
    return normalizers.Sequence([normalizers.NFC(), bert])


def word_splitter() -> pre_tokenizers.PreTokenizer:
    """BERT's: white space separates, every punctuation mark is a word of its own."""
    return pre_tokenizers.BertPreTokenizer()
