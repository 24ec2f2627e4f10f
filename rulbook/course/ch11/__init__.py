"""Chapter 11. The dual-task network and its outputs: figures, checks and their mathematics."""
