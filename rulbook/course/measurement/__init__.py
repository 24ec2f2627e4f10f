'''The kit for measured numbers: a script says what it measures, and the rest is done here.

A measurement is one file, ``book/measure/NAME.py``; nothing is entered into a list. All of one::

    """How many cycles the engines of the demo fleet live."""

    from typing import Any

    from rulbook.course.measurement import Bench, measurement


    @measurement(
        "How many cycles the made-up engines live.",
        pages=("how-to-use",),
        data=("demo",),
        minutes=0.1,
        cheap=True,
    )
    def measure(bench: Bench, least: int = 100) -> dict[str, Any]:
        """Engines, and how many live longer than ``least`` cycles."""
        lives = bench.load("demo").train.groupby("unit")["cycle"].max()
        return {"engines": len(lives), "longer": int((lives > least).sum())}


    if __name__ == "__main__":
        measure.main()

``python book/measure/NAME.py`` writes ``book/results/NAME.json``: the numbers, and under ``provenance`` the command,
its arguments, the date, the versions and a checksum of the data. Options come from the function's arguments
(``--least 120``); ``--out`` names another file, ``--quick`` takes the short version that the script declares, and
``--check`` compares with the file in place of writing it.

A measurement of seconds is ``cheap``: a test reruns all of it. A longer one computes its parts with
:meth:`Bench.part`, which shows how far it is and goes on after a stop, and declares a *piece* that a test can rerun::

    @measure.piece
    def piece(bench: Bench) -> dict[str, Any]:
        return {"runs": [one_run(bench, seed=0)]}  # the first of ten in the file

What is typed in by hand from a source says so itself: its ``provenance`` has ``by_hand`` in place of a command.
``python -m rulbook.course.measurement index`` writes the page that lists them all, ``book/measurements.md``.
'''

from __future__ import annotations

from rulbook.course.measurement._declared import ByHand, Measurement, measurement
from rulbook.course.measurement._found import by_hand, measurements, owners, readers
from rulbook.course.measurement._run import Bench
from rulbook.course.measurement._text import as_text, digits, disagreements

__all__ = [
    "Bench",
    "ByHand",
    "Measurement",
    "as_text",
    "by_hand",
    "digits",
    "disagreements",
    "measurement",
    "measurements",
    "owners",
    "readers",
]
