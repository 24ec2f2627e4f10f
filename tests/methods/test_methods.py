"""The one table of methods: found by file, readable without torch, and no two drawn alike."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rulbook import palette
from rulbook.balancing.balancer import Balancer
from rulbook.looks import LOOKS, Look, numbered
from rulbook.methods import CANDIDATES, FAMILIES, METHODS, Method, Quoted
from rulbook.methods._method import UNSEEN
from rulbook.methods._table import alike, table
from rulbook.weighting.samples import SAMPLES, SampleWeighting, Sigmoid, Uniform

ROOT = Path(__file__).resolve().parents[2]
found = pytest.mark.parametrize("name", CANDIDATES)
trained = pytest.mark.parametrize("name", METHODS)


def build() -> Balancer:
    raise AssertionError("A table builds no balancer.")


def method(name: str, **settings: object) -> Method:
    return Method(name, name.upper(), "For a test.", build, **settings)


@found
def test_a_method_is_named_described_and_drawn(name):
    one = CANDIDATES[name]
    assert one.name == name
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name), "it is typed after --method, and is part of a folder's name"
    assert len(one.label) < 30
    assert one.description.endswith(".")
    assert one.family in FAMILIES
    assert one.look != UNSEEN


@trained
def test_a_method_builds_a_balancer_of_its_own_for_each_run_and_can_be_sent_to_a_worker(name):
    one = METHODS[name]
    assert isinstance(one.samples, SampleWeighting)
    first, second = one.balancer(), one.balancer()
    assert isinstance(first, Balancer)
    assert first is not second
    sent = pickle.loads(pickle.dumps(one))
    assert replace(sent, balancer=one.balancer) == one
    assert repr(sent.balancer()) == repr(first)


def test_no_two_are_drawn_alike():
    assert [f"{first} and {second} are drawn alike" for first, second in alike(CANDIDATES)] == []


def test_labels_are_told_apart():
    assert len({one.label for one in CANDIDATES.values()}) == len(CANDIDATES)


def test_families_stand_in_order_and_the_square_first():
    assert list(METHODS)[:4] == ["baseline", "amnl", "gaba", "grace"]
    families = [one.family for one in CANDIDATES.values()]
    assert families == sorted(families, key=list(FAMILIES).index)
    assert set(METHODS) == {name for name, one in CANDIDATES.items() if one.family != "quoted"}


def test_a_collision_is_found_and_names_both():
    twins = {"first": method("first", look=numbered(3)), "second": method("second", look=numbered(3))}
    assert alike({**CANDIDATES, **twins}) == [("single_task", "first"), ("single_task", "second")]


@pytest.mark.parametrize("more", [1, 20, 40])
def test_methods_that_give_no_look_get_free_ones_and_move_no_other(more):
    given = {"book": list(CANDIDATES.values()), "more": [method(f"m{i}", family="control") for i in range(more)]}
    whole = table(given)
    assert len(whole) == len(CANDIDATES) + more > 18
    assert alike(whole) == []
    assert {name: whole[name] for name in CANDIDATES} == CANDIDATES
    # The square first, then the family that they are of.
    assert list(whole)[:4] == list(CANDIDATES)[:4]
    assert list(whole).index("m0") < list(whole).index("uncertainty")


def test_a_name_is_given_once_and_looks_end_some_day():
    with pytest.raises(ValueError, match="b and a both name a method 'amnl'"):
        table({"a": [METHODS["amnl"]], "b": [METHODS["amnl"]]})
    with pytest.raises(ValueError, match="finds no look that is free: all 60 are taken"):
        table({"many": [method(f"m{i}") for i in range(len(LOOKS) + 1)]})


def test_looks_differ_in_what_is_drawn():
    assert len(set(LOOKS)) == len(LOOKS) >= 40
    # A line shows colour and pattern, a dot colour, marker and filling: each alone tells at least twenty apart.
    assert len({(look.color, look.dash) for look in LOOKS}) == len(LOOKS)
    assert len({(look.color, look.marker, look.hollow) for look in LOOKS}) == len(LOOKS)
    assert not {look.color for look in LOOKS} & set(palette.METHOD_COLORS.values())
    with pytest.raises(ValueError, match=f"number is 60: it must be a whole number from 0 to {len(LOOKS) - 1}"):
        numbered(60)


def test_matplotlib_can_draw_every_look():
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    for look in [*LOOKS, *(one.look for one in CANDIDATES.values())]:
        style = {"linestyle": look.linestyle, "marker": look.marker, "fillstyle": look.fillstyle}
        (line,) = axes.plot([0, 1], [0, 1], color=look.color, **style)
        assert (line.get_linestyle() == "--") == look.dashed
    axes.figure.canvas.draw()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Look("red"), "color is 'red': it must be #"),
        (lambda: Look("#AABBCC"), "color is '#AABBCC'"),
        (lambda: Look("#aabbcc", dash="6"), "dash is '6': it must be pairs of whole numbers"),
        (lambda: Look("#aabbcc", marker="*"), r"marker is '\*': it must be one of o, s"),
        (lambda: method(" "), "name is ' ': it must be a text"),
        (lambda: Method("a", "", "b", build), "label is ''"),
        (lambda: Quoted("a", "b", "\n"), "description is"),
        (lambda: method("a", rul_scale=0.0), r"rul_scale is 0\.0: it must be greater than 0"),
        (lambda: method("a", family="cousin"), "family is 'cousin': it must be one of square, control, peer"),
    ],
)
def test_what_is_no_method_and_no_look_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_the_edge_names_what_hints_would_catch_in_tests():
    code = """
from rulbook.methods import Method
from rulbook.losses import task_losses
for given in ({"samples": 2.0}, {"balancer": None}, {"look": "#aabbcc"}):
    try:
        Method(**{"name": "a", "label": "a", "description": "A.", "balancer": print, **given})
    except ValueError as error:
        print(error)
try:
    task_losses([1.0], [[0.0, 0.0]], [1.0], [0], samples=2.0)
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[0] == said[3] == "samples is 2.0: it must be a sample weighting, such as Linear(w_max=2.0)."
    assert said[1].startswith("balancer is None: it must be a function that builds a balancer")
    assert said[2].startswith("look is '#aabbcc': it must be a Look")


def test_the_table_and_the_palette_are_read_without_torch():
    code = """
import sys
sys.modules["torch"] = sys.modules["matplotlib"] = None
from rulbook import palette
from rulbook.methods import METHODS
print(len(METHODS), palette.METHOD_COLORS["amnl"], METHODS["grace"].label, METHODS["grace"].samples)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(METHODS)} #0072b2 GRACE Linear(w_max=2.0)\n"


def test_labels_and_colours_of_methods_are_written_in_no_other_file():
    """One table: neither the library nor the rooms of the course say again how a method is called or drawn."""
    told = {one.look.color for one in CANDIDATES.values() if one.family == "square"}
    told |= {f'"{one.label}"' for one in CANDIDATES.values() if one.family in ("control", "peer", "quoted")}
    again = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in [
            ROOT / "rulbook/palette.py",
            *(ROOT / "rulbook/course").rglob("*.*"),
            *(ROOT / "rulbook/runs").rglob("*.py"),
        ]
        if path.suffix in (".py", ".js", ".css")
        for text in told
        if text in path.read_text(encoding="utf-8")
    }
    assert again == set()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_method_of_any_shape_is_one_line(name):
    one = replace(METHODS["grace"], name="mine", samples=SAMPLES[name](w_max=3.0))
    assert one.samples == SAMPLES[name](3.0)
    assert Method("mine", "mine", "Mine.", build).samples == Uniform()
    assert Method("mine", "mine", "Mine.", build, Sigmoid()).samples == Sigmoid()
