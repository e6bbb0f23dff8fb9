"""How good answers are: the measures of each kind of task, and the tables and plots they are shown in."""
