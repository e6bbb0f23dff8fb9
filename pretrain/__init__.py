"""Documents and a vocabulary to an encoder: examples, MLM + NSP pretraining, export, probe."""
