"""``python -m rulbook.course.measurement``: list the measurements; with ``index``, write the page that lists them."""

from __future__ import annotations

import argparse
import sys

from rulbook.course.measurement._declared import cost
from rulbook.course.measurement._found import measurements
from rulbook.course.measurement._page import index_page, index_path
from rulbook.errors import InputError
from rulbook.files import write_atomically


def main(argv: list[str] | None = None) -> int:
    """List what there is, or write the page; 1 if ``--check`` finds it out of step, 2 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m rulbook.course.measurement", description=__doc__)
    parser.add_argument("action", nargs="?", choices=("list", "index"), default="list")
    parser.add_argument("--check", action="store_true", help="with index: write nothing, fail if it is out of step")
    args = parser.parse_args(argv)
    try:
        if args.action == "list":
            for one in measurements().values():
                print(f"{one.command({}):70} {cost(one.minutes)}. {one.what}")
            return 0
        page, path = index_page(), index_path()
        if args.check:
            stale = not path.is_file() or path.read_text(encoding="utf-8") != page
            if stale:
                print(f"{path.name} is out of step: run python -m rulbook.course.measurement index", file=sys.stderr)
            return int(stale)
        write_atomically(path, page)
        print(f"wrote {path}")
    except (InputError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
