"""Adding a measurement is putting a file: it is found, run, listed and repeated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project

SCRIPT = '''
    """How long the made-up engines live."""

    from typing import Any

    from rulbook.course.measurement import Bench, digits, measurement


    @measurement(
        "How long the engines of the made-up fleet live.",
        pages=("lives-of-the-made-up",),
        data=("demo",),
        minutes=0.1,
        cheap=True,
    )
    def measure(bench: Bench, least: int = 200) -> dict[str, Any]:
        """Mean life, and how many engines live longer than ``least`` cycles."""
        lives = bench.load("demo").train.groupby("unit")["cycle"].max()
        return {"least": least, "mean": digits(lives.mean()), "longer": int((lives > least).sum())}


    if __name__ == "__main__":
        measure.main()
'''
PAGE = """
    # Lives of the made-up

    ```python
    results.read_json("made_up_lives")
    ```
"""
REPEATED = "tests/measure/test_measurements.py"


def test_a_measurement_is_a_file(project: Project) -> None:
    project.put("book/measure/made_up_lives.py", SCRIPT)
    project.put("book/lives-of-the-made-up.md", PAGE)
    assert "made_up_lives.json" in project.python("book/measure/made_up_lives.py", "--least", "150")
    result = project.folder / "book" / "results" / "made_up_lives.json"
    facts = json.loads(result.read_text(encoding="utf-8"))
    assert facts["provenance"]["command"] == "python book/measure/made_up_lives.py --least 150"
    assert set(facts["provenance"]["data"]) == {"demo"}
    project.python("-m", "rulbook.course.measurement", "index")
    listed = (project.folder / "book" / "measurements.md").read_text(encoding="utf-8")
    assert "\n### `made_up_lives.json`\n\nHow long the engines of the made-up fleet live.\n" in listed
    # Its pages, that it can be repeated, its provenance, its numbers; and the page that lists it.
    assert "5 passed" in project.pytest(REPEATED, "-k", "made_up_lives or index_is_in_step")
