"""What a task is: how rows become examples, what the model gives back, and what answers are made of it."""
