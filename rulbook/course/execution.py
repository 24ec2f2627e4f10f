"""Run a notebook in place, and say which files of the project it read: a page is rerun when one of those changed.

``python -m rulbook.course.execution notebooks/NN-topic.ipynb --target _build/synced/NN-topic`` also writes
``_build/synced/NN-topic.d``, a rule for make that names the files, as a compiler does for the headers of a source.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rulbook._needs import needed
from rulbook.course.exercises._notebook import read_notebook, write_notebook
from rulbook.course.storing import without_programs
from rulbook.errors import InputError

__all__ = ["execute", "main", "rule"]

_WATCH = """
def _watch():
    import sys
    opened, commands = set(), []
    def note(event, args):
        if event == "open" and isinstance(args[0], str):
            opened.add(args[0])
        elif event in ("subprocess.Popen", "os.system", "os.posix_spawn"):
            commands.append(event)
    sys.addaudithook(note)
    return opened, commands
_watched = _watch()
del _watch
"""
_TELL = """
import json as _json, sys as _sys
_of_modules = [getattr(module, "__file__", None) for module in list(_sys.modules.values())]
print(_json.dumps({"files": sorted({*filter(None, _of_modules), *_watched[0]}), "commands": len(_watched[1])}))
"""


def execute(path: str | Path, root: str | Path = ".") -> list[str]:
    """Run the notebook at ``path`` in its own folder and store its outputs in it, without programs.

    Args:
        path: The notebook.
        root: The project; files outside of it are not reported.

    Returns:
        The files below ``root`` that its kernel imported or opened, relative to it and in order. A page that starts
        another process depends on the whole package, whose files it may import there.

    Raises:
        InputError: If there is no such notebook.
        nbclient.exceptions.CellExecutionError: If a cell fails; the notebook keeps what it held.
    """
    with needed():
        from nbclient import NotebookClient

    path, root = Path(path), Path(root).resolve()
    if not path.is_file():
        raise InputError(f"path is {path}: there is no such notebook.")
    notebook = read_notebook(path)
    place = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=600, record_timing=False, coalesce_streams=True, resources=place)
    with client.setup_kernel():
        _told(client, _WATCH)
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
        told = json.loads(_told(client, _TELL))
    write_notebook(path, without_programs(notebook))
    found = {_source(path.parent, name) for name in told["files"]}
    if told["commands"]:
        found |= set((root / "rulbook").rglob("*.py"))
    inside = (file.relative_to(root) for file in found if file.is_relative_to(root) and file.is_file())
    # What is stored holds no program of a figure or a walkthrough: an edit of one changes nothing.
    kept = (
        file.as_posix()
        for file in inside
        if not file.parts[0].startswith((".", "_build")) and file.suffix not in (".js", ".css")
    )
    return sorted(set(kept) - {path.resolve().relative_to(root).as_posix()})


def _told(client: Any, code: str) -> str:
    """What the kernel prints for code that is no cell of the notebook."""
    from nbclient.util import run_sync

    said: list[str] = []
    reply = run_sync(client.kc.execute_interactive)(
        code,
        silent=False,
        store_history=False,
        timeout=60,
        output_hook=lambda message: said.append(message["content"].get("text", "")),
    )
    if reply["content"]["status"] != "ok":
        raise RuntimeError(f"the kernel could not say what it read: {reply['content'].get('evalue')}")
    return "".join(said)


def _source(folder: Path, name: str) -> Path:
    """The file that was meant: of bytecode its source."""
    path = (folder / name).resolve()
    if path.suffix == ".pyc" and path.parent.name == "__pycache__":
        return path.parents[1] / f"{path.name.split('.')[0]}.py"
    return path


def rule(target: str, files: list[str]) -> str:
    """A rule for make: the target depends on the files; that one of them is gone stops nothing."""
    spelled = [file.replace("$", "$$").replace(" ", "\\ ") for file in files]
    return "\n".join([" ".join([f"{target}:", *spelled]), *(f"{file}:" for file in spelled), ""])


def main(argv: list[str] | None = None) -> int:
    """The command; see the top of this module."""
    parser = argparse.ArgumentParser(prog="python -m rulbook.course.execution", description=__doc__)
    parser.add_argument("notebook", type=Path, help="the notebook to run; outputs are stored in it")
    parser.add_argument("--target", required=True, help="the target of make that stands for this run")
    args = parser.parse_args(argv)
    files = execute(args.notebook)
    Path(f"{args.target}.d").write_text(rule(args.target, files), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
