"""What the title says of the recorded ratios."""

from __future__ import annotations

import numpy as np

from rulbook.course.ch12.ratio_over_epochs import PLACES, UNITS, recorded_ratios


def test_the_title_on_recorded_ratios_is_true() -> None:
    cycles, lives = (recorded_ratios("all shared parameters", unit)[:, 3] for unit in UNITS)
    places = [recorded_ratios(place, "cycles")[:, 3] for place in PLACES]
    moved_by_training, moved_by_place = cycles.max() / cycles.min(), np.max(places, axis=0) / np.min(places, axis=0)
    assert moved_by_training > 10
    assert moved_by_place.max() > 2
    assert (cycles / lives).min() > max(moved_by_training, moved_by_place.max())
