"""Numbers as the figures' scripts write them: each function here is the twin of one in ``shared.js``.

A read-out is made twice, in the browser and in Python, and the two sentences are compared letter by letter. So both
round halves away from zero, on the exact value of the binary number, and write a minus sign, not a hyphen.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal

from rulbook._check import above, finite_number, within
from rulbook._check import whole as whole_number

__all__ = ["fixed", "percent", "short", "whole"]

# From here on JavaScript changes to an exponent.
_LARGEST = 1e21
_EXACT = Context(prec=60)


def fixed(value: float, digits: int = 2) -> str:
    """``value`` with this many digits after the point.

    Args:
        value: A finite number below 1e21 in magnitude.
        digits: 0 to 20.

    Raises:
        InputError: If ``value`` is not finite or too large, or ``digits`` is out of range.
    """
    number = within("value", value, -_LARGEST, _LARGEST)
    places = whole_number("digits", digits, 0, 20)
    # Exact in decimals, with room for all of the digits; a zero has no sign, what rounds to zero keeps its own.
    rounded = Decimal(number or 0.0).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)
    return f"{rounded:f}".replace("-", "−")


def percent(share: float, digits: int = 1) -> str:
    """A share of 1 in percent: ``percent(0.25)`` is ``"25.0 %"``."""
    return f"{fixed(100 * finite_number('share', share), digits)} %"


def whole(value: float) -> str:
    """``value`` rounded to a whole number, halves upwards, its thousands parted by commas."""
    return f"{math.floor(finite_number('value', value) + 0.5):,}".replace("-", "−")


def short(value: float) -> str:
    """A positive number with three digits, without an exponent: ``0.0123``, ``1.23``, ``12.3``, ``1,234``."""
    number = above("value", value, 0)
    return whole(number) if number >= 100 else fixed(number, max(0, 2 - math.floor(math.log10(number))))
