"""Chapter 13. Accuracy against safety: figures, checks and their mathematics."""
