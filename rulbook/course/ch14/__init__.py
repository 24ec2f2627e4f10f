"""Chapter 14. Weights that grow towards failure: figures, checks and their mathematics."""
