"""``from rulbook.weighted_sum import WeightedSum``: the import line of notebooks in readers' hands.

It lives with the other ways of applying task weights: :mod:`rulbook.balancing`.
"""

from rulbook.balancing.weighted_sum import MEASURES, WeightedSum

__all__ = ["MEASURES", "WeightedSum"]
