"""Walkthroughs, as pages import them: ``from rulbook.walkthrough import walkthrough``.

How they are made: :mod:`rulbook.course.walkthrough`.
"""

from rulbook.course.walkthrough import (
    HelperCall,
    Step,
    Value,
    Walkthrough,
    walkthrough,
)

__all__ = [
    "HelperCall",
    "Step",
    "Value",
    "Walkthrough",
    "walkthrough",
]
