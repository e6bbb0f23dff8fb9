"""What tokenizer/ leaves to a library, slow and obvious."""


def longest_match(vocabulary: set[str], word: str) -> list[str]:
    """WordPiece by definition; the vocabulary spells every character."""
    pieces: list[str] = []
    while word:
        names = ["##" * bool(pieces) + word[:end] for end in range(len(word), 0, -1)]
        pieces.append(next(name for name in names if name in vocabulary))
        word = word[len(pieces[-1].removeprefix("##")) :]
    return pieces
