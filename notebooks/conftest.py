"""Which notebooks are run: the student versions are meant to fail until somebody solves them; tests/course/exercises proves it."""

from pathlib import Path

collect_ignore = [
    f"exercises/{path.name}"
    for path in (Path(__file__).parent / "exercises").glob("*.ipynb")
    if not path.stem.endswith("-solutions")
]
