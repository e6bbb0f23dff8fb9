"""What every stage shares: recipes, artifacts, the worker pool, the console. Imports no other room."""
