"""What is learned from: rows out of every format that Korean tasks come in, cleaned and split."""
