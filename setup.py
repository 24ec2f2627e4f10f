"""Two steps that pyproject.toml cannot state: what travels with the package, and a README that stands alone.

Measured results and exercise sources stand once, in the folders where the book reads them. The wheel gets a copy below
``rulbook/_shipped``, in the same layout, so that ``rulbook._book`` finds them anywhere. And its description leaves out
pictures and links to files that only a clone has.
"""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = (
    "book/results/*.json",
    "book/results/*.csv",
    "book/results/*.toml",
    "book/exercises/*.md",
    "benchmarks/results/*.json",
)


class BuildWithResults(build_py):
    """Copies ``SHIPPED`` into the wheel; an editable install reads the clone itself."""

    def run(self) -> None:
        """Build as always, then copy."""
        super().run()
        if not self.editable_mode:
            for source, target in self._copies():
                target.parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What ``run`` writes."""
        copies = [] if self.editable_mode else [str(target) for _, target in self._copies()]
        return [*super().get_outputs(include_bytecode), *copies]

    def _copies(self) -> list[tuple[Path, Path]]:
        shipped = Path(self.build_lib) / "rulbook" / "_shipped"
        return [(source, shipped / source) for pattern in SHIPPED for source in sorted(Path().glob(pattern))]


def description() -> str:
    """The README without what points into the repository."""
    text = Path("README.md").read_text(encoding="utf-8")
    text = re.sub(r"^!\[[^\]]*\]\((?!https:)[^)]*\)\n+", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]*)\]\((?!https:)[^)]*\)", r"\1", text)


setup(
    cmdclass={"build_py": BuildWithResults},
    long_description=description(),
    long_description_content_type="text/markdown",
)
