"""Text files as people have them: any usual separator, encoding and line end, and not one number in a wrong column.

What cannot be told for certain is refused, with the line and the remedy. Fields are counted on the bytes of the whole
file at once before pandas reads it, so that no row is ever shifted or cut.
"""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rulbook._check import existing_file, shown
from rulbook.data.fleet import is_number, require_rows
from rulbook.data.layout import COLUMNS
from rulbook.errors import InputError

__all__ = ["RawTable", "cmapss_text", "raw_table", "read_cmapss_text", "read_frame", "rul_vector"]

_LARGEST_UNPACKED = 2 * 2**30
_NUMBERS_ONLY = b"0123456789+-.eE \t\n"
_COMMENT_OR_ROW = (
    "{}: line {} begins with '#' but has as many fields as there are names: a comment, or a row? Take it out."
)
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# NASA ends each line with two spaces, which read as two empty columns.
_TRAILING = ("space_1", "space_2")
_DTYPES = {name: np.int64 if name in ("unit", "cycle") else np.float64 for name in COLUMNS}


class RawTable(NamedTuple):
    """A table under the file's own names, the name of the file, and the line that each row stood on, from 1."""

    frame: pd.DataFrame
    source: str
    lines: NDArray[np.int64] | None


def read_frame(path: str | Path) -> pd.DataFrame:
    """The table that a file holds, under the file's own names, for :func:`fleet_from_frame` to look at.

    Args:
        path: A CSV with a line of names, separated by commas, semicolons, tabs, bars or blanks; a file in NASA's text
            format, which gets NASA's names; either of them packed by gzip; or Parquet, where pyarrow is installed.

    Raises:
        ValueError: If the file is missing, empty, or cannot be read for certain: the line and the remedy are named.
    """
    return raw_table(path).frame


def raw_table(path: str | Path) -> RawTable:
    """The table in a file, whichever of the known layouts it has."""
    file = existing_file("path", path)
    data, source = file.read_bytes(), file.name
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(data, source)
    if data[:4] == b"PAR1":
        return RawTable(_parquet(data, source), source, None)
    if data[:2] == b"PK":
        raise InputError(f"{source} is a zip archive or an Excel workbook: save the table as a CSV file.")
    if data.startswith(b"version https://git-lfs"):
        raise InputError(f"{source} is a pointer of Git LFS, not the file itself: fetch it with 'git lfs pull'.")
    plain = _plain(data, source)
    if (kind := {b"{": "JSON", b"[": "JSON", b"<": "HTML or XML"}.get(plain.lstrip()[:1])) is not None:
        raise InputError(f"{source} looks like {kind}: save the table as a CSV file.")
    return _text_table(plain, source)


def read_cmapss_text(path: str | Path) -> pd.DataFrame:
    """Read a file in NASA's format: 26 numbers a line, separated by blanks, no header.

    Raises:
        ValueError: If the file is missing or empty, or a line is at fault: it is named.
    """
    file = existing_file("path", path)
    frame, source, lines = cmapss_text(file.read_bytes(), file.name)
    require_rows(frame, COLUMNS[2:], source, lines)
    return frame


def cmapss_text(data: bytes, source: str) -> RawTable:
    """The table in the bytes of a file in NASA's format: 26 numbers a line, separated by blanks, no header.

    Raises:
        ValueError: If a line holds another number of values or something that is no number: it is named.
    """
    return _cmapss(_plain(data, source), source)


def _cmapss(plain: bytes, source: str) -> RawTable:
    body = np.frombuffer(plain, dtype=np.uint8)
    counts = _values_per_line(body)
    lines = np.flatnonzero(counts) + 1
    fault = None
    if len(lines) == 0:
        fault = "it is empty."
    elif (counts[lines - 1] != len(COLUMNS)).any() or plain.translate(None, _NUMBERS_ONLY):
        fault = _first_fault(plain)
    # Splitting at single spaces, as NASA writes them, takes half the time of splitting at any white space.
    as_nasa = (" ", _TRAILING) if plain.count(b" ") == (len(COLUMNS) + 1) * len(lines) else None
    for separator, trailing in filter(None, (as_nasa, (r"\s+", ()))):
        if fault:
            break
        names = [*COLUMNS, *trailing]
        try:
            frame = pd.read_csv(io.BytesIO(plain), sep=separator, header=None, names=names, index_col=False)
        except ValueError:
            continue
        if len(frame) == len(lines) and _is_sound(frame, trailing):
            return RawTable(frame[list(COLUMNS)].astype(_DTYPES), source, lines)
    fault = fault or _first_fault(plain) or "it is not in NASA's layout."
    raise InputError(f"{source} cannot be read: {fault}")


def _values_per_line(body: NDArray[np.uint8]) -> NDArray[np.int32]:
    """How many values separated by white space each line holds."""
    if len(body) == 0:
        return np.zeros(0, dtype=np.int32)
    begins = body > 32
    begins[1:] &= body[:-1] <= 32
    return _per_line(begins, _line_starts(body))


def _line_starts(body: NDArray[np.uint8]) -> NDArray[np.intp]:
    starts = np.concatenate([[0], np.flatnonzero(body == 10) + 1])
    return starts[starts < len(body)]


def _per_line(marks: NDArray[np.bool_], starts: NDArray[np.intp]) -> NDArray[np.int32]:
    return np.asarray(np.add.reduceat(marks, starts, dtype=np.int32))


def _is_sound(frame: pd.DataFrame, trailing: tuple[str, ...]) -> bool:
    """Whether every line held finite numbers, the first two of them whole and exact, and nothing more."""
    values = [frame[name] for name in COLUMNS]
    return (
        all(pd.api.types.is_numeric_dtype(column) and np.isfinite(column.to_numpy()).all() for column in values)
        and all((column % 1 == 0).all() and (column.abs() <= 2**53).all() for column in values[:2])
        and all(frame[name].isna().all() for name in trailing)
    )


def _first_fault(plain: bytes) -> str | None:
    """What is wrong with the first bad line of a file in NASA's format."""
    for number, line in enumerate(plain.decode("utf-8", errors="replace").split("\n"), start=1):
        # Only blanks and tabs separate: another sign that looks like a blank is a fault, and has to be seen.
        values = [value for value in re.split(r"[ \t]+", line) if value]
        if not values:
            continue
        for name, value in zip(COLUMNS, values, strict=False):
            if not is_number(value) or not math.isfinite(float(value)):
                return f"line {number} holds {shown(value)} as {name}: a finite number is wanted."
            if name in ("unit", "cycle") and not float(value).is_integer():
                return f"line {number} holds {shown(value)} as {name}: a whole number is wanted."
            if name in ("unit", "cycle") and abs(float(value)) > 2**53:
                return f"line {number} holds {shown(value)} as {name}: too large to be counted exactly."
        if len(values) != len(COLUMNS):
            return f"line {number} has {len(values)} values and {len(COLUMNS)} are wanted. Is the file cut off?"
    return None


def rul_vector(text: str, source: str) -> NDArray[np.float64]:
    """The RUL values of a file of NASA's, one a line.

    Raises:
        ValueError: If a line holds anything but one number that is not below 0.
    """
    values = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) > 1:
            raise InputError(f"{source} cannot be read: line {number} has {len(words)} values and 1 is wanted.")
        if not is_number(words[0]) or not math.isfinite(float(words[0])):
            fault = f"line {number} holds {shown(words[0])}: could not convert it to a finite number"
            raise InputError(f"{source} cannot be read: {fault}.")
        if float(words[0]) < 0:
            raise InputError(
                f"{source} holds {words[0]} in line {number}: an engine cannot have fewer than 0 cycles left."
            )
        values.append(float(words[0]))
    return np.array(values, dtype=np.float64)


def _unpacked(data: bytes, source: str) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    try:
        content = unpack.decompress(data, _LARGEST_UNPACKED)
    except zlib.error as error:
        raise InputError(f"{source} is a damaged gzip file: {error}.") from error
    if not unpack.eof:
        reason = "it is cut off" if len(content) < _LARGEST_UNPACKED else "it unpacks to more than 2 GiB"
        raise InputError(f"{source} is no gzip file to be read: {reason}.")
    return content


def _parquet(data: bytes, source: str) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(data))
    except ImportError as error:
        raise InputError(f"{source} is a Parquet file, which needs pyarrow: install it, or save as CSV.") from error
    except Exception as error:  # pyarrow has errors of many kinds for a damaged file
        raise InputError(f"{source} is no whole Parquet file: {' '.join(str(error).split())[:120]}.") from error


def _plain(data: bytes, source: str) -> bytes:
    """The same text as UTF-8 with line feeds, if its encoding can be told.

    Raises:
        ValueError: If it cannot, or the file is no text.
    """
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            data = _decoded(data[3:] if encoding == "utf-8" else data, encoding, source).encode()
            break
    else:
        if not data.isascii():
            data = _told(data, source)
        elif b"\0" in data[:4096] and len(data) % 2 == 0 and (not any(data[1::2]) or not any(data[0::2])):
            data = _decoded(data, "utf-16-le" if not any(data[1::2]) else "utf-16-be", source).encode()
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise InputError(f"{source} is no text: line {line} holds a byte 0.")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data


def _decoded(data: bytes, encoding: str, source: str) -> str:
    try:
        return data.decode(encoding).lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(f"{source} is no whole {encoding.upper()} text: {error.reason}. Save it as UTF-8.") from error


def _told(data: bytes, source: str) -> bytes:
    """Text beyond ASCII: UTF-8 if it can be, else Windows-1252 if every accented letter stands alone."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return data
    # Encodings of two bytes a letter put such bytes side by side; Western European ones hardly ever do.
    if b"\0" not in data and re.search(rb"[\x80-\xff]{2}", data) is None:
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            pass
        else:
            warnings.warn(
                f"{source} is not in UTF-8: read as Windows-1252. If names look wrong, save it as UTF-8.", stacklevel=5
            )
            return text.encode()
    raise InputError(f"{source} is no text in an encoding that can be told: save it as UTF-8.")


def _text_table(plain: bytes, source: str) -> RawTable:
    number, header, after = _header(plain, source)
    separator = None
    if re.fullmatch(r"sep=.", header.strip(), re.IGNORECASE):
        separator = header.strip()[4]
        skipped, header, rest = _header(plain[after:], source)
        number, after = number + skipped, after + rest
    if all(map(is_number, header.split())):
        return _cmapss(plain, source)
    if any(header.count(sign) and all(map(is_number, _fields(header, sign))) for sign in _SEPARATORS):
        raise InputError(f"{source} starts with numbers: a CSV needs a first line that names its columns.")
    body = plain[after:]
    separator = separator or _separator(header, body)
    names = _fields(header, separator)
    body, lines, names = _even(body, names, separator, number, source)
    doubled = next((name for name in names if name and names.count(name) > 1), None)
    if doubled is not None:
        raise InputError(f"{source} has the column {doubled} twice: drop one or give it another name.")
    labels = [name or f"Unnamed: {index}" for index, name in enumerate(names)]
    if not lines.size:
        return RawTable(pd.DataFrame(columns=labels), source, lines)
    decimal = _decimal(body, separator, source)
    try:
        frame = pd.read_csv(
            io.BytesIO(body),
            sep=r"\s+" if separator == " " else separator,
            header=None,
            names=labels,
            index_col=False,
            skipinitialspace=True,
            low_memory=False,
            decimal=decimal,
        )
    except ValueError as error:
        raise InputError(f"{source} is no CSV: {' '.join(str(error).split())}.") from error
    if len(frame) != len(lines):
        raise InputError(f"{source} is no CSV: {len(lines)} lines make {len(frame)} rows. Are quotes left open?")
    empty = [label for label, name in zip(labels, names, strict=True) if not name and frame[label].isna().all()]
    return RawTable(frame.drop(columns=empty), source, lines)


def _header(plain: bytes, source: str) -> tuple[int, str, int]:
    """The number and the text of the first line that says something, and where the next begins."""
    place, commented = 0, ""
    number = 0
    while place < len(plain):
        end = plain.find(b"\n", place)
        end = len(plain) if end < 0 else end
        line = plain[place:end].decode("utf-8")
        number, place = number + 1, end + 1
        if line.strip() and not line.lstrip().startswith("#"):
            if commented and all(map(is_number, re.split(r"[,;\t| ]+", line.strip()))):
                raise InputError(f"{source} has the names of its columns behind a '#': take the '#' away.")
            return number, line, place
        if len(line.lstrip("# ").split(",")) > 2 or len(line.lstrip("# ").split()) > 2:
            commented = line
    raise InputError(f"{source} is empty: at least one cycle of one engine is needed.")


def _fields(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    return [field.strip() for field in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def _separator(header: str, body: bytes) -> str:
    """What stands between the names: whatever gives most of them, and as many as the next line has fields."""
    second = body.lstrip(b"\n").partition(b"\n")[0].decode("utf-8")
    counts = {sign: len(_fields(header, sign)) for sign in _SEPARATORS}
    fitting = {sign: count for sign, count in counts.items() if count > 1 and len(_fields(second, sign)) == count}
    counts = fitting or counts
    best = max(counts, key=lambda sign: counts[sign])
    return best if counts[best] > 1 else " "


def _even(
    body: bytes, names: list[str], separator: str, number: int, source: str
) -> tuple[bytes, NDArray[np.int64], list[str]]:
    """The rows without blank and comment lines, the line of each, and the names, after every row has been counted."""
    if b'"' in body:
        body, lines, counts, last_empty = _quoted(body, len(names), separator, number, source)
    else:
        marks = np.frombuffer(body, dtype=np.uint8)
        starts = _line_starts(marks)
        if not len(starts):
            return b"", np.zeros(0, dtype=np.int64), names
        sign = ord(separator)
        said = _per_line((marks > 32) & (marks != sign), starts) > 0
        commented = said & (marks[starts] == ord("#"))
        kept = said & ~commented
        values = _values_per_line(marks) if separator == " " else _per_line(marks == sign, starts) + 1
        counts = values.astype(np.int64)
        doubtful = np.flatnonzero(commented & (counts == len(names)))
        if len(doubtful) and len(names) > 1:
            raise InputError(_COMMENT_OR_ROW.format(source, doubtful[0] + number + 1))
        ends = np.append(starts[1:], len(marks))
        # A field more that is empty on every line is how some programs end a line.
        last = body.rstrip(b"\n").split(b"\n") if (counts[kept] == len(names) + 1).all() else []
        last_empty = bool(last) and all(line.rstrip(b" ").endswith(separator.encode()) for line in last if line.strip())
        if not kept.all():
            body = marks[np.repeat(kept, ends - starts)].tobytes()
        lines, counts = np.flatnonzero(kept) + number + 1, counts[kept]
    wanted = len(names)
    if len(lines) and (counts == wanted + 1).all() and last_empty:
        return body, lines, [*names, ""]
    if len(lines) and names[-1] == "" and (counts == wanted - 1).all():
        return body, lines, names[:-1]
    if len(lines) and (counts == wanted + 1).all():
        raise InputError(
            f"{source}: every row, from line {lines[0]} on, has {wanted + 1} fields but the first line names {wanted}. "
            "If the first field numbers the rows, give it a name or write the file without it; if the first line is a "
            "title, take it away."
        )
    wrong = np.flatnonzero(counts != wanted)
    if len(wrong):
        line, count = lines[wrong[0]], counts[wrong[0]]
        between = _SEPARATORS.get(separator, "blanks")
        raise InputError(
            f"{source}: line {line} has {count} fields and {wanted} are wanted, separated by {between}. "
            "Is the file cut off, or a comma within a number?"
        )
    return body, lines, names


def _quoted(
    body: bytes, wanted: int, separator: str, number: int, source: str
) -> tuple[bytes, NDArray[np.int64], NDArray[np.int64], bool]:
    """The same for a file with quotes, which may hold separators and line ends: slower, one row at a time."""
    if separator == " ":
        raise InputError(f"{source} has quotes between blanks: separate its columns by commas.")
    reader = csv.reader(
        io.StringIO(body.decode("utf-8"), newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    rows, lines, last_empty = [], [], True
    try:
        before = 0
        for row in reader:
            commented = bool(row) and row[0].startswith("#")
            if commented and len(row) == wanted > 1:
                raise InputError(_COMMENT_OR_ROW.format(source, number + before + 1))
            if any(field.strip() for field in row) and not commented:
                rows.append(row)
                lines.append(number + before + 1)
                last_empty &= not row[-1].strip()
            before = reader.line_num
    except csv.Error as error:
        raise InputError(f"{source}: line {number + reader.line_num} is no CSV: {error}.") from error
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator="\n").writerows(rows)
    counts = np.array([len(row) for row in rows], dtype=np.int64)
    return written.getvalue().encode(), np.array(lines, dtype=np.int64), counts, last_empty


def _decimal(body: bytes, separator: str, source: str) -> str:
    """The sign of decimals: a comma where commas can be nothing else.

    Raises:
        ValueError: If ``1,234`` may be one or a thousand, or points and commas are mixed.
    """
    if separator == "," or b"," not in body:
        return "."
    edge = re.escape(separator).encode() + rb'\n" '
    number = rb"(?:^|(?<=[" + edge + rb"]))[+-]?(\d*),(\d+)(?:[eE][+-]?\d+)?(?=[" + edge + rb"]|$)"
    commas = [(match[1], match[2]) for match in re.finditer(number, body)]
    if not commas:
        return "."
    if re.search(rb"(?:^|(?<=[" + edge + rb"]))[+-]?\d*\.\d+(?:[eE][+-]?\d+)?(?=[" + edge + rb"]|$)", body):
        raise InputError(f"{source} has numbers with decimal points and numbers with commas: write all with a point.")
    if all(len(after) == 3 and 1 <= len(before) <= 3 and not before.startswith(b"0") for before, after in commas):
        shown_number = b",".join(commas[0]).decode()
        raise InputError(
            f"{source} has numbers such as {shown_number}, which may be thousands: write decimals with a point."
        )
    return ","
