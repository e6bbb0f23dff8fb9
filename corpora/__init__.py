"""Raw Korean text to clean documents of sentences, in the classic BERT text format."""
