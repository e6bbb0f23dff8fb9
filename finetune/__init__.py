"""From an encoder to a task: single-sentence classification on our export or any Hugging Face folder."""
