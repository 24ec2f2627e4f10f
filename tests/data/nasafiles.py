"""NASA's text layout and its archives, written from tables made here."""

from __future__ import annotations

import io
import zipfile

import pandas as pd

from rulbook.data import COLUMNS


def nasa_text(frame: pd.DataFrame) -> str:
    """A table in NASA's layout: spaces between, two at the end of a line, no header."""
    lines = frame[list(COLUMNS)].itertuples(index=False)
    return "".join(" ".join(f"{value:g}" for value in line) + "  \n" for line in lines)


def zipped(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return buffer.getvalue()
