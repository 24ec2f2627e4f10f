"""The kit for measurements: what it writes, what it keeps of a run that was stopped, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rulbook.course import results
from rulbook.course.measurement import (
    Bench,
    Measurement,
    as_text,
    by_hand,
    digits,
    disagreements,
    measurement,
    measurements,
    owners,
)
from rulbook.course.measurement.__main__ import main as list_or_index
from rulbook.course.measurement._run import checksum
from rulbook.data import demo_fleet
from rulbook.errors import InputError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def declared(**changes: Any) -> Measurement:
    """A measurement of ten made-up squares."""
    fields: dict[str, Any] = {"pages": ("how-to-use",), "minutes": 0.1, "data": ("demo",), "cheap": True, **changes}

    @measurement(fields.pop("what", "The squares of the first numbers."), **fields)
    def measure(bench: Bench, count: int = 3, scale: float = 1.0) -> dict[str, Any]:
        """Each square is a part."""
        bench.load("demo")
        return {"squares": [bench.part(f"square {i}", lambda i: scale * i * i, i) for i in range(count)]}

    return measure


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty book with a page that reads nothing."""
    for name in ("results", "measure"):
        (tmp_path / "book" / name).mkdir(parents=True)
    (tmp_path / "book" / "how-to-use.md").write_text("# How to\n")
    monkeypatch.setattr(results, "book_root", lambda: tmp_path)
    return tmp_path / "book"


SCRIPT = '''
from rulbook.course.measurement import Bench, measurement


@measurement("How many engines there are.", pages=("how-to-use",), data=("demo",), minutes=0.1, cheap=True{more})
def measure(bench: Bench, least: int = 0) -> dict:
    """Engines of the demo fleet."""
    return {{"engines": int(bench.load("demo").train["unit"].nunique())}}


if __name__ == "__main__":
    measure.main()
'''


def put(book: Path, name: str, more: str = "") -> Measurement:
    (book / "measure" / f"{name}.py").write_text(SCRIPT.format(more=more))
    return measurements()[name]


# Text


@given(st.dictionaries(st.text(), JSON))
def test_the_text_of_a_result_reads_back_as_the_result(value: dict[str, Any]) -> None:
    assert json.loads(as_text(value)) == value


def test_lists_of_numbers_and_short_dictionaries_stand_on_one_line() -> None:
    text = as_text({"counts": list(range(99)), "runs": [{"seed": 0, "rmse": 1.5}, {"seed": 1, "rmse": 2.0}]})
    assert text.splitlines()[2:] == [
        ' "runs": [',
        '  {"seed": 0, "rmse": 1.5},',
        '  {"seed": 1, "rmse": 2.0}',
        " ]",
        "}",
    ]
    assert text.splitlines()[1].endswith("97, 98],")


def test_numbers_of_numpy_and_torch_become_plain_ones() -> None:
    value = {"a": np.float32(0.5), "b": np.arange(3), "c": torch.tensor([1.0, 2.0]), "d": (np.int64(4), np.bool_(True))}
    assert json.loads(as_text(value)) == {"a": 0.5, "b": [0, 1, 2], "c": [1.0, 2.0], "d": [4, True]}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": {"b": [1.0, float("nan")]}}, r"result\['a'\]\['b'\]\[1\] is nan: .* finite"),
        ({"a": np.array([np.inf])}, r"result\['a'\]\[0\] is inf"),
        ({"a": {3: 1}}, r"result\['a'\] has the key 3: a key must be text"),
        ({"a": Path("x")}, r"result\['a'\] is PosixPath.*must be a number"),
    ],
)
def test_what_json_cannot_hold_is_refused_where_it_stands(value: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        as_text(value)


@given(st.floats(1e-300, 1e300), st.integers(1, 12), st.sampled_from([-1, 1]))
def test_rounding_errs_by_half_of_the_last_digit_at_most(size: float, count: int, sign: int) -> None:
    assert digits(sign * size, count) == pytest.approx(sign * size, rel=0.5 * 10.0 ** (1 - count) * 1.001)
    assert float(f"{digits(size, count):.{count - 1}e}") == digits(size, count)


def test_a_number_has_four_digits_unless_told_otherwise() -> None:
    assert (digits(torch.tensor(123456.0)), digits(0.00123456), digits(-2.5, 1)) == (123500.0, 0.001235, -2.0)
    with pytest.raises(InputError, match="count"):
        digits(1.0, 0)


# Comparison


@given(JSON)
def test_a_result_agrees_with_itself(value: Any) -> None:
    assert disagreements(value, value) == []
    assert disagreements(value, value, piece=True) == []


STORED = {"a": [1.0, 2.0, 3.0], "b": {"name": "x", "yes": True}}


@pytest.mark.parametrize(
    ("again", "says"),
    [
        ({"a": [1.0, 2.1, 3.0], "b": STORED["b"]}, "['a'][1] is 2.1 now, and 2.0 in the file"),
        ({"a": [1.0, 2.0], "b": STORED["b"]}, "['a'] has 2 entries now, and 3 in the file"),
        ({"a": STORED["a"]}, "has no 'b' now"),
        ({**STORED, "c": 1}, "has no 'c' in the file"),
        ({**STORED, "b": {"name": "y", "yes": True}}, "['b']['name'] is 'y' now"),
        ({**STORED, "b": {"name": "x", "yes": 1}}, "['b']['yes'] is 1 now, and True"),
        ({**STORED, "a": None}, "['a'] is None now"),
    ],
)
def test_whatever_differs_is_told_with_its_place(again: Any, says: str) -> None:
    found = disagreements(again, STORED, 0.01)
    assert len(found) == 1
    assert says in found[0]


def test_a_piece_may_end_early_but_not_differ_or_go_on() -> None:
    assert disagreements({"a": [1.0]}, STORED, piece=True) == []
    assert disagreements({"a": [1.005]}, STORED, 0.01, piece=True) == []
    assert len(disagreements({"a": [1.5]}, STORED, 0.01, piece=True)) == 1
    assert len(disagreements({"a": [1.0, 2.0, 3.0, 4.0]}, STORED, piece=True)) == 1
    assert len(disagreements({"z": 1}, STORED, piece=True)) == 1


# Provenance


def test_a_file_says_command_arguments_day_versions_and_what_was_read(tmp_path: Path) -> None:
    one = declared()
    measured = one.run(count=2, scale=0.5)
    assert measured.value == {"squares": [0.0, 0.5]}
    facts = measured.provenance
    assert facts["command"] == "python book/measure/test_kit.py --count 2 --scale 0.5"
    assert facts["arguments"] == {"count": 2, "scale": 0.5}
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", facts["date"])
    assert {"rulbook", "python", "numpy", "torch"} <= set(facts["versions"])
    assert facts["data"] == {"demo": checksum(demo_fleet())}
    (path,) = one.write(measured, tmp_path / "squares.json")
    assert json.loads(path.read_text()) == {"provenance": facts, "squares": [0.0, 0.5]}


def test_the_checksum_changes_with_any_number_and_any_name() -> None:
    fleet = demo_fleet(engines=4, test_engines=2)
    before = checksum(fleet)
    assert checksum(demo_fleet(engines=4, test_engines=2)) == before
    seen = {before}
    for change in ("train", "test"):
        fleet = demo_fleet(engines=4, test_engines=2)
        table: pd.DataFrame = getattr(fleet, change)
        table.loc[3, "s3"] += 1e-9
        seen.add(checksum(fleet))
        table.columns = [*table.columns[:-1], "s99"]
        seen.add(checksum(fleet))
    fleet = demo_fleet(engines=4, test_engines=2)
    fleet.test_rul[0] += 1
    seen.add(checksum(fleet))
    assert len(seen) == 6


def test_a_table_becomes_csv_with_its_provenance_beside_it(tmp_path: Path) -> None:
    @measurement("Two rows of a table.", pages=("how-to-use",), minutes=0.1, result="rows.csv")
    def measure(bench: Bench) -> pd.DataFrame:
        return pd.DataFrame({"seed": [0, 1], "rmse": [1.5, 2.25]})

    table, beside = measure.write(measure.run(), tmp_path / "rows.csv")
    assert table.read_text() == "seed,rmse\n0,1.5\n1,2.25\n"
    assert beside.name == "rows.provenance.json"
    assert json.loads(beside.read_text())["provenance"]["data"] == {}


# Parts


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    done, keep = list[int](), tmp_path / "x.json.parts"

    def run(stop: int | None) -> list[float]:
        bench = Bench(keep=keep, key={"seed": 0})

        def square(i: int) -> float:
            if i == stop:
                raise KeyboardInterrupt
            done.append(i)
            return i / 3

        return [bench.part(f"part {i}", square, i) for i in range(4)]

    with pytest.raises(KeyboardInterrupt):
        run(stop=2)
    assert run(stop=None) == [0, 1 / 3, 2 / 3, 1.0]
    assert done == [0, 1, 2, 3]


def test_parts_of_another_script_or_other_arguments_are_not_used(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    keep = tmp_path / "x.json.parts"
    assert Bench(keep=keep, key={"count": 1}).part("one", lambda: 1) == 1
    again = Bench(keep=keep, key={"count": 2}, quiet=False)
    assert "begins anew" in capsys.readouterr().out
    assert again.part("one", lambda: 2) == 2


def test_parts_measured_on_other_data_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = tmp_path / "x.json.parts"
    first = Bench(keep=keep, data=("demo",))
    first.load("demo")
    first.part("one", lambda: 1)
    monkeypatch.setattr("rulbook.course.measurement._run.load_fleet", lambda *_: demo_fleet(engines=4, test_engines=2))
    with pytest.raises(InputError, match="other data named demo: remove it"):
        Bench(keep=keep, data=("demo",)).load("demo")


@pytest.mark.parametrize("text", ["", "[]", '{"parts": 3}', '{"key": {}, "parts": {}}', "\x00"])
def test_a_damaged_file_of_parts_is_refused(tmp_path: Path, text: str) -> None:
    keep = tmp_path / "x.json.parts"
    keep.write_text(text)
    with pytest.raises(InputError, match="does not hold parts"):
        Bench(keep=keep)


def test_two_parts_need_two_names_and_data_are_declared() -> None:
    bench = Bench(data=("demo",))
    bench.part("one", lambda: 1)
    with pytest.raises(InputError, match="two parts of the measurement are called 'one'"):
        bench.part("one", lambda: 2)
    with pytest.raises(InputError, match="loads 'FD001', but declares data demo"):
        bench.load("FD001")


# Declarations


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"what": "Squares"}, "what of test_kit is 'Squares': it must be a sentence"),
        ({"pages": ()}, "pages of test_kit"),
        ({"pages": ("how-to-use", "")}, "pages of test_kit"),
        ({"minutes": 0}, "minutes of test_kit is 0"),
        ({"tolerance": -1.0}, "tolerance of test_kit"),
        ({"quick": {"cuont": 1}}, "quick of test_kit names 'cuont'"),
        ({"result": "../elsewhere.json"}, "result of test_kit"),
        ({"result": "squares.txt"}, "result of test_kit"),
    ],
)
def test_a_declaration_that_says_nothing_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        declared(**changes)


def test_an_argument_that_cannot_be_typed_is_refused() -> None:
    for hint, name in ((list, "ceilings"), (int, "out")):

        def measure(bench: Bench, **_: int) -> dict[str, Any]:
            return {}

        source = f"def measure(bench, {name}: hint = 1): ..."
        scope = {"hint": hint}
        exec(source, scope)
        with pytest.raises(InputError, match=f"the argument '{name}'"):
            measurement("A sentence of words.", pages=("x",), minutes=1)(scope["measure"])  # type: ignore[arg-type]


def test_unknown_and_missing_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no argument 'size': it has count, scale"):
        declared().run(size=3)

    @measurement("What a finished run says.", pages=("how-to-use",), minutes=1)
    def measure(bench: Bench, run: Path) -> dict[str, Any]:
        return {"name": run.name}

    with pytest.raises(InputError, match="needs the argument 'run'"):
        measure.run()
    facts = measure.run(run=tmp_path / "a b").provenance
    assert facts["command"].endswith("a b'")
    assert measure.command(facts["arguments"]) == facts["command"]


# The command line


def test_the_command_line_writes_what_was_measured_and_leaves_no_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "new" / "squares.json"
    with pytest.raises(SystemExit) as ended:
        declared(quick={"count": 1}).main(["--quick", "--out", str(out)])
    assert ended.value.code == 0
    assert json.loads(out.read_text())["squares"] == [0.0]
    assert [file.name for file in out.parent.iterdir()] == ["squares.json"]
    assert "square 0: 0 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--quick"], 2, "--quick measures less than the book reads: name another file with --out"),
        (["--count", "many"], 2, "invalid int value: 'many'"),
        (["--help"], 0, "The squares of the first numbers. Seconds on one core."),
    ],
)
def test_wrong_words_end_in_one_line(words: list[str], code: int, says: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        declared(quick={"count": 1}).main(words)
    assert ended.value.code == code
    told = capsys.readouterr()
    assert says in " ".join((told.out + told.err).split())


def test_check_tells_what_differs_and_writes_nothing(book: Path, capsys: pytest.CaptureFixture) -> None:
    one = put(book, "engines")
    one.write(one.run())
    before = one.path.read_text()
    for wrong, code in ((False, 0), (True, 1)):
        if wrong:
            one.path.write_text(before.replace('"engines": ', '"engines": 1'))
        with pytest.raises(SystemExit) as ended:
            one.main(["--check"])
        assert ended.value.code == code
    assert "engines.json['engines'] is" in capsys.readouterr().out


def test_stored_arguments_are_those_of_the_check(book: Path) -> None:
    one = declared(result="squares.json")
    one.write(one.run(count=5), book / "results" / "squares.json")
    assert one.check() == []
    stored, provenance = one.stored()
    assert len(stored["squares"]) == 5
    provenance["arguments"]["count"] = 4
    one.path.write_text(as_text({"provenance": provenance, **stored}))
    assert one.check() == ["squares.json['squares'] has 4 entries now, and 5 in the file."]


def test_a_check_tells_that_the_data_are_others(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = declared(result="squares.json")
    one.write(one.run(), book / "results" / "squares.json")
    monkeypatch.setattr("rulbook.course.measurement._run.load_fleet", lambda *_: demo_fleet(engines=4, test_engines=2))
    assert one.check() == ["squares.json was measured on other data named demo."]


def test_of_a_long_measurement_the_piece_is_repeated(book: Path) -> None:
    one = declared(result="squares.json", cheap=False)
    one.write(one.run(count=5), book / "results" / "squares.json")
    with pytest.raises(InputError, match="declares no piece: mark one"):
        one.check()
    one.piece(lambda bench: {"squares": [0.0, 1.0]})
    assert one.check() == []
    one.piece(lambda bench: {"squares": [0.0, 1.5]})
    assert one.check() == ["squares.json['squares'][1] is 1.5 now, and 1.0 in the file."]


# What is found


def test_a_file_that_nobody_owns_is_found(book: Path) -> None:
    one = put(book, "engines")
    one.write(one.run())
    assert set(owners()) == {"engines.json"}
    (book / "results" / "stray.json").write_text("{}")
    with pytest.raises(InputError, match=r"book/results holds stray.json, which no script"):
        owners()
    assert list_or_index(["index"]) == 2


def test_two_owners_of_one_file_are_refused(book: Path) -> None:
    put(book, "engines")
    put(book, "motors", ', result="engines.json"')
    with pytest.raises(InputError, match=r"engines.json in book/results belongs to .*engines.* and to .*motors"):
        owners()


@pytest.mark.parametrize(
    ("text", "count"),
    [("x = 1\n", 0), (SCRIPT.format(more="") + SCRIPT.format(more="").replace("measure(", "two("), 2)],
)
def test_a_script_declares_one_measurement(book: Path, text: str, count: int) -> None:
    (book / "measure" / "engines.py").write_text(text)
    with pytest.raises(InputError, match=f"engines.py declares {count} measurements"):
        measurements()


@pytest.mark.parametrize(
    "lacking", [{"what": ""}, {"by_hand": ""}, {"pages": []}, {"pages": "results"}, {"what": None}], ids=str
)
def test_what_was_typed_in_says_from_what(book: Path, lacking: dict[str, Any]) -> None:
    said = {"by_hand": "a paper", "what": "Its table.", "pages": ["how-to-use"]}
    file = book / "results" / "theirs.json"
    file.write_text(as_text({"provenance": said, "rows": [1]}))
    assert by_hand()["theirs.json"].source == "a paper"
    file.write_text(as_text({"provenance": {**said, **lacking}, "rows": [1]}))
    with pytest.raises(InputError, match=r"provenance of theirs.json must"):
        by_hand()


def test_a_result_without_provenance_is_refused(book: Path) -> None:
    one = put(book, "engines")
    with pytest.raises(InputError, match=r"no engines.json in book/results: run python book/measure/engines.py"):
        one.stored()
    one.path.write_text('{"engines": 3}')
    with pytest.raises(InputError, match=r"engines.json does not say by which command"):
        one.stored()


def test_the_index_is_written_and_kept_in_step(book: Path) -> None:
    one = put(book, "engines")
    one.write(one.run())
    assert list_or_index(["index", "--check"]) == 1
    assert list_or_index(["index"]) == 0
    assert list_or_index(["index", "--check"]) == 0
    page = (book / "measurements.md").read_text()
    assert "### `engines.json`\n\nHow many engines there are.\n\n* Command: `python book/measure/engines.py`\n" in page
    assert "* Cost: seconds\n* Last run: 20" in page
    assert "* Read by: [How to](how-to-use.md)\n" in page
