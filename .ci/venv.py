"""Keep .venv what the Makefile means by it: made here, by one Python that the project supports, and whole.

    python .ci/venv.py .venv [--named]

`make` runs this first. Nothing happens while .venv is as its mark says: this folder, this interpreter, this version. A
.venv that something else made is taken over if it is sound; one that is not is made anew, and why is said. `--named`:
the user chose this Python (`make PYTHON=...`), so a .venv of another one gives way; otherwise it keeps its own.

Standard library only, and Python 3.8: it runs before anything is installed, and refuses the Pythons that are too old.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

LOWEST, HIGHEST = (3, 11), (3, 14)
"""The bounds of `requires-python` in pyproject.toml."""


class Environment(NamedTuple):
    """What a Python says of itself."""

    version: tuple[int, int, int]
    prefix: str
    base: str

    @property
    def number(self) -> str:
        """The version as one writes it."""
        return ".".join(map(str, self.version))

    @property
    def supported(self) -> bool:
        """Whether the project runs on it."""
        return LOWEST <= self.version[:2] <= HIGHEST


HERE = Environment(sys.version_info[:3], sys.prefix, sys.base_prefix)
_ASK = "import json, sys; print(json.dumps([sys.version_info[:3], sys.prefix, sys.base_prefix]))"


def main() -> int:
    """Compare .venv with its mark and with this Python; make it anew if it cannot serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--named", action="store_true")
    args = parser.parse_args()
    folder = args.folder.absolute()
    flaw = flaw_of(folder, args.named)
    if flaw is not None:
        if not HERE.supported:
            return refuse()
        if folder.exists():
            print(f"{folder.name} is made anew: {flaw}.", flush=True)
        # Asked of the interpreter below any environment: the one that runs this may be inside of the folder itself.
        python = getattr(sys, "_base_executable", sys.executable)
        if subprocess.run([python, "-m", "venv", "--clear", str(folder)]).returncode:
            print(f"{folder} could not be made: the reason stands above.", file=sys.stderr)
            return 1
    inside = ask(folder)
    if inside is None:
        print(f"{folder} was made, but its Python does not start.", file=sys.stderr)
        return 1
    if read(folder / ".python") != inside:
        (folder / ".python").write_text(json.dumps(inside) + "\n", encoding="utf-8")
    return 0


def refuse() -> int:
    """Say which Python is needed, and name one that this machine has."""
    supported = [f"3.{minor}" for minor in range(LOWEST[1], HIGHEST[1] + 1)]
    found = next((f"python{v}" for v in reversed(supported) if shutil.which(f"python{v}")), "/path/to/python3.12")
    print(
        f"Python {', '.join(supported[:-1])} or {supported[-1]} is needed, and {sys.executable} is {HERE.number}: "
        f"name one with 'make PYTHON={found} ...'. README.md says how to get one.",
        file=sys.stderr,
    )
    return 1


def flaw_of(folder: Path, named: bool) -> str | None:
    """Why the environment cannot serve, in words; None if it can."""
    inside, marked = ask(folder), read(folder / ".python")
    if inside is None:
        return "its Python does not start"
    if not inside.supported:
        return f"its Python is {inside.number}, which this project does not run on"
    if (folder / ".unfinished").exists():
        return "the last installation into it was interrupted"
    made_in = marked.prefix if marked else noted_place(folder)
    if made_in not in (None, inside.prefix):
        return f"it was made in {made_in}, and what is installed in it remembers that place"
    if marked and marked.version != inside.version:
        return f"it was filled under Python {marked.number} and is {inside.number} now"
    libraries = [path.name for path in (folder / "lib").glob("python3.*")]
    if libraries != [f"python3.{inside.version[1]}"]:
        return f"it holds the libraries of {' and '.join(sorted(libraries)) or 'no Python'}"
    if not any(folder.glob("lib/python3.*/site-packages/pip-*.dist-info")):
        return "it has no pip"
    if named and (inside.version, inside.base) != (HERE.version, HERE.base):
        return f"its Python is {inside.number} of {inside.base}, and you named {HERE.number} of {HERE.base}"
    return None


def ask(folder: Path) -> Environment | None:
    """What the Python in ``folder`` says of itself, or None if there is none that starts."""
    try:
        told = subprocess.run([str(folder / "bin" / "python"), "-I", "-c", _ASK], capture_output=True, check=True)
        return parsed(told.stdout)
    except (OSError, subprocess.CalledProcessError):
        return None


def read(mark: Path) -> Environment | None:
    """What the mark says; None if there is none, or an empty one."""
    try:
        return parsed(mark.read_bytes())
    except OSError:
        return None


def parsed(text: bytes) -> Environment | None:
    """An answer or a mark, or None if it is neither."""
    try:
        version, prefix, base = json.loads(text.decode("utf-8"))
        return Environment(tuple(version), prefix, base)
    except (TypeError, ValueError):
        return None


def noted_place(folder: Path) -> str | None:
    """Where an environment without our mark was made, by its own note; None if it does not say."""
    try:
        lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    command = next((line.partition("=")[2] for line in lines if line.startswith("command")), "")
    place = command.partition(" -m venv ")[2].strip()
    while place.startswith("--"):
        place = place.partition(" ")[2]
    return place or None


if __name__ == "__main__":
    sys.exit(main())
