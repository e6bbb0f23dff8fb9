"""Questions to a trained encoder: what it knows, what it has taken for Korean, what it gives away."""
