"""Chapter 17. Inverse-gradient weights: figures, checks and their mathematics."""
