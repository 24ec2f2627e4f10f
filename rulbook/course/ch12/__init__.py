"""Chapter 12. Gradients of two tasks: figures, checks and their mathematics."""
