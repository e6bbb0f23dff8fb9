"""Documents to a WordPiece vocabulary, text to ids."""
