"""One run and its record, many runs, and what their comparison says."""
