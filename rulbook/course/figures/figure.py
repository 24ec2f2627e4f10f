"""The base of every live figure: one Python class, one ES module, one picture for where nothing can run."""

from __future__ import annotations

import base64
import inspect
import io
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import matplotlib as mpl
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rulbook import palette
from rulbook.course import scripts
from rulbook.course.figures.controls import Control
from rulbook.errors import InputError

__all__ = ["LiveFigure"]

_HERE = Path(__file__).parent


class LiveFigure(anywidget.AnyWidget):
    """A figure that is live in Jupyter and, from stored numbers alone, on a page without a kernel.

    A kernel sends the script with the figure. What a notebook stores is its address and the numbers
    (:meth:`stored`); the pages of the book have the scripts as files (:mod:`rulbook.course.scripts`).

    A subclass sets ``script``, ``title``, ``alt`` and ``hint``, declares its controls as class attributes (see
    :mod:`rulbook.course.figures.controls`), and overrides :meth:`read_out`, :meth:`picture` and, if its script needs
    numbers, :meth:`tables`.

    Attributes:
        script: File name of the ES module, beside the module of the class.
        title: What to see; the heading of the figure.
        alt: What a reader who sees no picture should know is drawn.
        hint: The one thing to try first.
    """

    script: ClassVar[str]
    title: ClassVar[str]
    alt: ClassVar[str]
    hint: ClassVar[str] = ""

    _css = (_HERE / "shared.css").read_text(encoding="utf-8")
    _address: ClassVar[str]
    _spec = traitlets.Dict().tag(sync=True)
    _data = traitlets.Dict().tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Compose the one self-contained module that a front end of a kernel is sent."""
        # ipywidgets makes an unnamed subclass for every instance: those inherit.
        if "script" in vars(cls):
            script = Path(inspect.getfile(cls)).with_name(cls.script)
            cls._esm, cls._address = scripts.for_kernel(script), scripts.address(script)
        super().__init_subclass__(**kwargs)

    def __init__(self, **values: Any) -> None:
        unknown = sorted(set(values) - set(self.controls()))
        if unknown:
            raise InputError(
                f"{unknown[0]} is no control of {type(self).__name__}: it has {', '.join(self.controls())}."
            )
        super().__init__(_spec=self._describe(), _data=_packed(self.tables()), **values)

    @classmethod
    def controls(cls) -> dict[str, Control]:
        """The traits a reader can move, by name, in the order of their declaration."""
        attributes = {name: value for owner in reversed(cls.__mro__) for name, value in vars(owner).items()}
        return {name: value for name, value in attributes.items() if isinstance(value, Control)}

    def tables(self) -> dict[str, Any]:
        """What the script draws from, as ``data``: numbers, strings, lists, dicts; arrays travel as float32."""
        return {}

    def read_out(self) -> str:
        """What the figure says of its present state: the sentence that its script returns, from Python's own numbers.

        Numbers are written by :mod:`rulbook.course.figures.numerals`, as the script writes them.
        """
        raise NotImplementedError(f"{type(self).__name__} has no read-out: override read_out().")

    def picture(self, axes: Axes) -> None:
        """Draw the present state for places that run nothing: a code host, a notebook not yet run, a PDF."""
        raise NotImplementedError(f"{type(self).__name__} has no picture: override picture(axes).")

    def png(self) -> bytes:
        """The picture as a PNG file."""
        with mpl.rc_context():
            palette.use_book_style()
            canvas = Canvas()
            axes = canvas.subplots()
            axes.set_title(self.title)
            self.picture(axes)
            file = io.BytesIO()
            canvas.savefig(file, format="png", dpi=100)
        return file.getvalue()

    def stored(self) -> dict[str, Any]:
        """What a page without a kernel needs, as JSON: the address of the script, and the numbers it draws from."""
        state = {name: getattr(self, name) for name in self.controls()}
        return {"script": self._address, "spec": self._spec, "data": _written(self._data), "state": state}

    def __repr__(self) -> str:
        """The call that makes this figure, the same on every machine."""
        values = (f"{name}={getattr(self, name)!r}" for name in self.controls())
        return f"{type(self).__name__}({', '.join(values)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        # anywidget says nothing of a widget without a view, and ours have one.
        assert bundle is not None
        data, metadata = bundle
        words, picture = f"{self!r}\n{self.read_out()}", base64.b64encode(self.png()).decode("ascii")
        own = {"text/plain": words, "image/png": picture, scripts.FIGURE_MIME: self.stored()}
        return {**data, **own}, metadata

    def _describe(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "alt": self.alt,
            "hint": self.hint,
            "controls": [{"name": name, **trait.metadata["control"]} for name, trait in self.controls().items()],
            "colors": {**palette.METHOD_COLORS, "accent": palette.ACCENT, "others": list(palette.OTHERS)},
        }


def _packed(value: Any) -> Any:
    """Arrays as shape and little-endian float32 bytes, at any depth; the rest as it is."""
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "float32": value.astype("<f4").tobytes()}
    if isinstance(value, dict):
        return {key: _packed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(item) for item in value]
    return value


def _written(value: Any) -> Any:
    """What :func:`_packed` made, as JSON: bytes in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return value
