"""Files as people have them: read rightly, or refused with the line and the remedy; never shifted by a column."""

from __future__ import annotations

import csv
import gzip
import random
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nasafiles import nasa_text
from owntables import machines

from rulbook.data import COLUMNS, Columns, demo_fleet, read_frame, read_table
from rulbook.data.fleet import is_number
from rulbook.data.textfiles import cmapss_text, read_cmapss_text, rul_vector
from rulbook.errors import InputError

TABLE = machines((5, 4)).round(3)
PLAIN = TABLE.to_csv(index=False)
NEEDED = ["setting_1", "s1", "s2"]


def read(tmp_path, content, columns=NEEDED):
    file = tmp_path / "own.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(file, columns=columns)


WRITTEN = {
    "commas": PLAIN,
    "semicolons": TABLE.to_csv(index=False, sep=";"),
    "tabs": TABLE.to_csv(index=False, sep="\t"),
    "bars": TABLE.to_csv(index=False, sep="|"),
    "several blanks": TABLE.to_string(index=False),
    "semicolons and decimal commas": TABLE.to_csv(index=False, sep=";", decimal=","),
    "tabs and decimal commas": TABLE.to_csv(index=False, sep="\t", decimal=","),
    "Excel's first line": "sep=;\n" + TABLE.to_csv(index=False, sep=";"),
    "blanks after commas": PLAIN.replace(",", ", "),
    "blanks before commas": PLAIN.replace(",", " ,"),
    "quotes around all": TABLE.to_csv(index=False, quoting=1),
    "a comma at the end of every line": PLAIN.replace("\n", ",\n"),
    "a comma at the end of every row": PLAIN.replace("\n", ",\n").replace(",\n", "\n", 1),
    "a comma at the end of the names": PLAIN.replace("\n", ",\n", 1),
    "blank and comment lines": "\n# made by hand\n" + PLAIN.replace("\n", "\n\n# more\n   \n,,,,\n", 3),
    "carriage returns": PLAIN.replace("\n", "\r"),
    "carriage returns and line feeds": PLAIN.replace("\n", "\r\n"),
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "UTF-32": PLAIN.encode("utf-32"),
    "gzip": gzip.compress(PLAIN.encode(), mtime=0),
    "no line end at the end": PLAIN.rstrip("\n"),
    "other names": PLAIN.replace("unit", "Unit Nr").replace("cycle", "time, in cycles".replace(",", ""), 1),
    "other names of sensors": PLAIN.replace("setting_1", "OpSetting1").replace("s1", "SensorMeasure1", 1),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_the_same_table_is_read_however_it_is_written(tmp_path, how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = read(tmp_path, WRITTEN[how])
    pd.testing.assert_frame_equal(frame[list(TABLE.columns)], TABLE, check_column_type=False)


def test_a_western_file_is_read_with_a_word_and_a_chinese_one_is_refused(tmp_path):
    western = PLAIN.replace("s2", "temp °C,s2").replace("\n", ",5\n").replace(",5\n", "\n", 1)
    with pytest.warns(UserWarning, match=r"own\.csv is not in UTF-8: read as Windows-1252"):
        frame = read(tmp_path, western.encode("cp1252"))
    assert "temp °C" in frame.columns
    with pytest.raises(ValueError, match="no text in an encoding that can be told: save it as UTF-8"):
        read(tmp_path, PLAIN.replace("unit", "发动机").encode("gbk"))


REFUSED = {
    "a field more in one row": (
        lambda rows: [*rows[:3], rows[3] + ",7", *rows[4:]],
        "line 4 has 6 fields and 5 are wanted",
    ),
    "a field less in one row": (lambda rows: [*rows[:3], rows[3].rsplit(",", 1)[0], *rows[4:]], "line 4 has 4 fields"),
    "a field more in every row": (
        lambda rows: [rows[0], *(row + ",7" for row in rows[1:])],
        "every row, from line 2 on, has 6 fields but the first line names 5",
    ),
    "a number in front of every row": (
        lambda rows: [rows[0], *(f"{i},{row}" for i, row in enumerate(rows[1:]))],
        "If the first field numbers the rows",
    ),
    "an empty field more in one row": (lambda rows: [*rows[:3], rows[3] + ",", *rows[4:]], "line 4 has 6 fields"),
    "one more and one less": (
        lambda rows: [*rows[:2], rows[2] + ",1", rows[3].rsplit(",", 1)[0], *rows[4:]],
        "line 3 has 6 fields",
    ),
    "the first fault after blanks and comments": (
        lambda rows: [rows[0], "", "# x", rows[1], "", rows[2] + ",1", *rows[3:]],
        "line 6 has 6 fields",
    ),
    "a decimal comma among commas": (lambda rows: [*rows[:3], rows[3].replace(".", ",", 1), *rows[4:]], "line 4 has 6"),
    "a row or a comment": (lambda rows: [*rows[:3], "#" + rows[3], *rows[4:]], "line 4 begins with '#'"),
    "a quoted row or a comment": (lambda rows: [*rows[:3], '#1,"3",10.0,1,3', *rows[4:]], "line 4 begins with '#'"),
    "a column twice": (lambda rows: [rows[0] + ",s1", *(row + ",0" for row in rows[1:])], "has the column s1 twice"),
    "no names": (lambda rows: rows[1:], "starts with numbers: a CSV needs a first line that names its columns"),
    "names behind a sign": (lambda rows: ["# " + rows[0], *rows[1:]], "names of its columns behind a '#'"),
    "a quote left open": (lambda rows: [*rows[:3], '"' + rows[3], *rows[4:]], r"own\.csv: line \d+"),
    "a byte 0": (lambda rows: [*rows[:3], rows[3] + "\0", *rows[4:]], "is no text: line 4 holds a byte 0"),
    "text in a sensor": (lambda rows: [*rows[:3], "1,3,10.0,1_12,3", *rows[4:]], "'1_12' in column s1.*line 4"),
    "other digits": (lambda rows: [*rows[:3], "1,3,10.0,٣,3", *rows[4:]], "'٣' in column s1.*line 4"),
    "not a number": (lambda rows: [*rows[:3], "1,3,10.0,nan,3", *rows[4:]], "nan in column s1, row 3.*line 4"),
    "an empty field": (lambda rows: [*rows[:3], "1,3,10.0,,3", *rows[4:]], "nan in column s1, row 3.*line 4"),
    "infinity": (lambda rows: [*rows[:3], "1,3,10.0,-inf,3", *rows[4:]], "-inf in column s1, row 3.*line 4"),
    "a cycle beyond all counting": (
        lambda rows: [*rows[:3], "1,1e22,10.0,1,3", *rows[4:]],
        "cycle 1e.22 in row 3.*line 4",
    ),
    "a cycle of twenty digits": (
        lambda rows: [*rows[:3], f"1,{10**20},10.0,1,3", *rows[4:]],
        "in row 3.*line 4|column cycle",
    ),
    "an engine beyond all counting": (lambda rows: [*rows[:3], "1e22,3,10.0,1,3", *rows[4:]], r"has engine 1e\+22"),
    "an engine of thirty digits": (
        lambda rows: [*rows[:3], "9" * 30 + ",3,10.0,1,3", *rows[4:]],
        "has engine 9{30}: whole",
    ),
    "a whole column of flags": (lambda rows: [rows[0], *(f"1,{i},10.0,True,3" for i in range(1, 9))], "in column s1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_for_certain_is_refused_with_its_line(tmp_path, what):
    change, message = REFUSED[what]
    content = "\n".join(change(PLAIN.rstrip("\n").split("\n"))) + "\n"
    for end in ("\n", "\r\n"):
        with pytest.raises(ValueError, match=message):
            read(tmp_path, content.replace("\n", end))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "is a zip archive or an Excel workbook: save the table as a CSV"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-9], "gzip"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:40] + b"xxxx", "gzip"),
        (b"PAR1 and nothing else PAR1", "Parquet"),
        (PLAIN.encode("utf-16")[:-1], "no whole UTF-16 text"),
        (b"unit;cycle;setting_1;s1;s2\n1;1;10;1,234;2,345\n", "such as 1,234, which may be thousands"),
        (b"unit;cycle;setting_1;s1;s2\n1;1;10;1,5;2.5\n", "decimal points and numbers with commas"),
        (b"unit;cycle;setting_1;s1;s2\n1;1;10;1.234,5;2,5\n", "'1.234,5' in column s1"),
        (b'unit,cycle,setting_1,s1,s2\n1,1,10,"9,987",3\n', "'9,987' in column s1.*line 2"),
        (b"<html><body>sign in</body></html>", "looks like HTML or XML: save the table as a CSV file"),
        (b'[{"unit": 1, "cycle": 1}]', "looks like JSON"),
        (b"Export of May\n\nunit,cycle,s1\n1,1,2\n", "fields and 3 are wanted"),
        (b"Export,,\nunit,cycle,setting_1,s1\n1,1,1,2\n", "if the first line is a title, take it away"),
    ],
)
def test_what_is_no_such_table_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)


def test_a_quoted_field_may_hold_what_separates(tmp_path):
    rows = PLAIN.rstrip("\n").split("\n")
    content = rows[0] + ",note\n" + rows[1] + ',"a, b"\n' + rows[2] + ',"two\nlines, ""q"""\n' + rows[3] + ",x,y\n"
    with pytest.raises(ValueError, match="line 5 has 7 fields and 6 are wanted"):
        read(tmp_path, content)
    frame = read(tmp_path, content.replace(",x,y", ",x"))
    assert frame["note"].tolist() == ["a, b", 'two\nlines, "q"', "x"]
    assert frame["s2"].tolist() == TABLE["s2"].tolist()[:3]


def test_blanks_after_commas_are_no_part_of_a_text(tmp_path):
    frame = read(tmp_path, "unit, cycle, setting_1, s1, s2, note\n a, 1, 10, 2, 3, ok\n")
    assert frame.iloc[0].tolist() == ["a", 1, 10, 2, 3, "ok"]


def test_parquet_where_it_can_be_read(tmp_path):
    file = tmp_path / "own.parquet"
    try:
        TABLE.to_parquet(file)
    except ImportError:
        file.write_bytes(b"PAR1....PAR1")
        with pytest.raises(ValueError, match="needs pyarrow"):
            read_table(file, columns=NEEDED)
    else:
        pd.testing.assert_frame_equal(read_table(file, columns=NEEDED), TABLE)


def test_names_of_a_fleets_user_are_looked_for_in_a_file(tmp_path):
    columns = Columns("motor", "day", ("setting_1",), ("s1", "heat"))
    named = TABLE.rename(columns={"unit": "motor", "cycle": "day", "s2": "heat"})
    frame = read(tmp_path, named.assign(unit="other").to_csv(index=False), columns)
    assert frame[["unit", "cycle", "setting_1", "s1", "heat"]].to_numpy().tolist() == TABLE.to_numpy().tolist()
    with pytest.raises(ValueError, match=r"own\.csv has s_1 and sensor_1, which may both be s1"):
        read(tmp_path, TABLE.rename(columns={"s1": "s_1"}).assign(sensor_1=0.0).to_csv(index=False))


def test_a_file_for_a_fleet_keeps_the_names_of_the_file(tmp_path):
    file = tmp_path / "own.csv"
    TABLE.rename(columns={"unit": "engine_id"}).to_csv(file, index=False, sep=";")
    assert read_frame(file).columns.tolist() == ["engine_id", *TABLE.columns[1:]]


# NASA's layout.


def nasa_lines(rows=6):
    return nasa_text(demo_fleet(engines=1, test_engines=0).train.head(rows)).rstrip("\n").split("\n")


NASA_WRITTEN = {
    "several blanks": lambda text: text.replace(" ", "   "),
    "tabs": lambda text: text.replace(" ", "\t"),
    "no blanks at the end": lambda text: "".join(line.rstrip() + "\n" for line in text.splitlines()),
    "blanks in front": lambda text: "".join("  " + line + "\n" for line in text.splitlines()),
    "blank lines": lambda text: text.replace("\n", "\n\n  \n"),
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "a byte order mark": lambda text: "\ufeff" + text,
    "whole numbers with a point": lambda text: "".join("1.0" + line[1:] + "\n" for line in text.splitlines()),
}


@pytest.mark.parametrize("how", NASA_WRITTEN)
def test_nasas_layout_is_read_however_it_is_spaced(how):
    text = "\n".join(nasa_lines()) + "\n"
    expected = cmapss_text(text.encode(), "x").frame
    again = cmapss_text(NASA_WRITTEN[how](text).encode(), "x").frame
    pd.testing.assert_frame_equal(again, expected)
    assert expected.dtypes.tolist() == [np.dtype(np.int64)] * 2 + [np.dtype(np.float64)] * 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.rstrip() + " 7.5  ", "line 3 has 27 values and 26 are wanted"),
        (lambda line: "7 " + line, "line 3 has 27 values"),
        (lambda line: line.rstrip().rsplit(" ", 1)[0] + "  ", "line 3 has 25 values"),
        (lambda line: line.rstrip() + "   7", "line 3 has 27 values"),
        (lambda line: line.replace("1 3 ", '"1" 3 ', 1), "line 3 holds '\"1\"' as unit: a finite number is wanted"),
        (lambda line: line.replace("1 3 ", "1_2 3 ", 1), "line 3 holds '1_2' as unit"),
        (lambda line: line.replace("1 3 ", "1e22 3 ", 1), "line 3 holds '1e22' as unit: too large"),
        (lambda line: line.replace("1 3 ", f"1 {2**63} ", 1), "line 3 holds '9223372036854775808' as cycle: too large"),
        (
            lambda line: line.replace("1 3 ", f"1 {2**53 + 2} ", 1),
            "line 3 holds '9007199254740994' as cycle: too",
        ),
        (lambda line: line.replace("1 3 ", "1 1e400 ", 1), "line 3 holds '1e400' as cycle: a finite number"),
        (lambda line: line.replace("1 3 ", "1 ٣ ", 1), "line 3 holds '٣' as cycle"),
        (lambda line: line.replace("1 3 ", "1\u00a03 ", 1), r"line 3 holds '1\\xa03' as unit"),
        (lambda line: line.replace("1 3 ", "1\x0b3 ", 1), "line 3 holds"),
        (lambda line: "# " + line, "line 3 holds '#' as unit"),
        (lambda line: line.replace("1 3 ", "1 3,0 ", 1), "line 3 holds '3,0' as cycle"),
    ],
)
def test_a_line_of_nasas_layout_at_fault_is_named(tmp_path, change, message):
    lines = nasa_lines()
    lines[2] = change(lines[2])
    for every in (False, True):
        text = "\n".join(map(change, lines) if every and "27" in message else lines) + "\n"
        (tmp_path / "train.txt").write_text(text)
        with pytest.raises(ValueError, match=message.replace("line 3", "line [13]")):
            read_cmapss_text(tmp_path / "train.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1_12\n", "line 1 holds '1_12'"),
        ("5\n٣\n", "line 2 holds '٣'"),
        ("5\n\n-1\n", "holds -1 in line 3: an engine cannot have fewer than 0"),
        ("5 6\n", "line 1 has 2 values and 1 is wanted"),
        ("nan\n", "line 1 holds 'nan'"),
        ("1e999\n", "line 1 holds '1e999'"),
    ],
)
def test_a_line_of_a_rul_file_at_fault_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        rul_vector(text, "RUL.txt")


def test_a_rul_file_is_read_whatever_its_line_ends():
    for text in ("112 \n98 \n", "112\r\n98\r\n", "\ufeff112\n\n98", "112\r98"):
        assert rul_vector(text, "RUL.txt").tolist() == [112, 98]


def as_python_reads(text, separator):
    """The table by the plain rules of Python, one line and one word at a time; None where these give none."""
    rows = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip()]
    words = [row.split(separator) for row in rows]
    names, words = (list(COLUMNS), words) if separator is None else ([name.strip() for name in words[0]], words[1:])
    if not words or any(len(row) != len(names) for row in words):
        return None
    try:
        return [[float(word) for word in row] for row in words]
    except ValueError:
        return None


BROKEN_WORDS = [
    "",
    "x",
    "5",
    "-0",
    "1e5",
    "+7.",
    ".5",
    "nan",
    "1e400",
    "1 2",
    "1,5",
    "#",
    '"',
    "'",
    "_",
    "9" * 30,
    "\t",
]


@given(seed=st.integers(0, 10**6), nasas=st.booleans())
def test_a_damaged_file_is_refused_or_read_as_python_reads_it(tmp_path_factory, seed, nasas):
    rng = random.Random(seed)
    separator = None if nasas else ","
    lines = nasa_lines() if nasas else PLAIN.rstrip("\n").split("\n")
    for _ in range(rng.choice([1, 1, 2])):
        line = rng.randrange(len(lines))
        words = lines[line].split(separator)
        place = rng.randrange(max(len(words), 1))
        words = words or [""]
        change = rng.randrange(6)
        if change == 0:
            words[place] = rng.choice(BROKEN_WORDS)
        elif change == 1:
            words.pop(place)
        elif change == 2:
            words.insert(place, rng.choice(BROKEN_WORDS))
        elif change == 3:
            words[place] = words[place][: rng.randrange(len(words[place]) + 1)]
        elif change == 4:
            lines.insert(line, rng.choice(["", "  ", "#", "unit", lines[0]]))
        lines[line] = (separator or " ").join(words) if change < 4 else lines[line]
    text = rng.choice(["\n", "\r\n", "\r"]).join(lines)
    file = tmp_path_factory.mktemp("damaged") / "own.csv"
    file.write_bytes(text.encode())
    try:
        frame = read_cmapss_text(file) if nasas else read_table(file, columns=NEEDED)
    except InputError:
        return
    expected = as_python_reads(text, separator)
    if expected is None:
        # More is read than by the plain rules, with quotes and comments; but every row is one of the file's, unshifted.
        fields = [row[-4:] for row in csv.reader(text.splitlines()) if len(row) >= 5]
        rows = [[float(field) for field in row] for row in fields if all(map(is_number, row))]
        assert not nasas
        assert all(row in rows for row in frame[["cycle", *NEEDED]].to_numpy(dtype=float).tolist())
    else:
        ordered = sorted(expected, key=lambda row: row[:2])
        assert sorted(frame.to_numpy(dtype=float).tolist(), key=lambda row: row[:2]) == ordered
