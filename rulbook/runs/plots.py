"""The pictures that ``rulbook train`` and ``rulbook evaluate`` leave beside their numbers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rulbook._check import not_empty
from rulbook._needs import needed
from rulbook.errors import InputError
from rulbook.files import write_atomically
from rulbook.metrics import rmse
from rulbook.palette import ACCENT, METHOD_COLORS, OTHERS, use_book_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rulbook.inference import Evaluation

__all__ = ["learning_curves", "predicted_against_true", "save_figure"]


def learning_curves(history: pd.DataFrame, *, title: str = "", time_unit: str = "cycle") -> Figure:
    """Losses of both tasks and the validation RMSE over the epochs, with the chosen epoch marked.

    Args:
        history: As in :class:`rulbook.training.TrainingResult`.
        title: Put before what the picture says.
        time_unit: What RUL is counted in, in the singular, as the data's horizon has it.

    Raises:
        ValueError: If there is no epoch.
    """
    with needed():
        import matplotlib.pyplot as plt

    not_empty("history", history)
    use_book_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6))
    epoch = history["epoch"]
    best = history.iloc[int(history["validation_rmse"].argmin())]
    left.plot(epoch, history["loss_rul"], color=OTHERS[1], label=f"RUL loss ({time_unit}s²)")
    left.plot(epoch, history["loss_health"], color=OTHERS[0], label="health loss (nats)")
    left.set(yscale="log", xlabel="epoch", ylabel="training loss", title="Both losses, on one logarithmic scale")
    left.legend()
    right.plot(epoch, history["validation_rmse"], color=OTHERS[3])
    right.plot(best["epoch"], best["validation_rmse"], "o", color=ACCENT, markersize=8)
    right.annotate(
        f"epoch {best['epoch']:.0f}: {best['validation_rmse']:.2f}",
        (best["epoch"], best["validation_rmse"]),
        textcoords="offset points",
        xytext=(0, 14),
        ha="center",
        color=ACCENT,
    )
    right.set(xlabel="epoch", ylabel=f"validation RMSE ({time_unit}s)", title="Validation engines choose the epoch")
    if title:
        figure.suptitle(title)
    return figure


def predicted_against_true(evaluation: Evaluation, *, title: str = "", time_unit: str = "cycle") -> Figure:
    """Predicted against true RUL, one dot per engine: above the line is late, the dangerous side.

    Args:
        evaluation: One sample per engine, as :func:`rulbook.training.evaluate` gives for ``data.test``.
        title: Put before what the picture says.
        time_unit: What RUL is counted in, in the singular, as the data's horizon has it.

    Raises:
        ValueError: If there is no engine, or its true RUL is not known.
    """
    with needed():
        import matplotlib.pyplot as plt

    error = rmse(evaluation.rul, evaluation.true_rul)
    use_book_style()
    late = evaluation.rul > evaluation.true_rul
    top = 1.04 * max(evaluation.rul.max(), evaluation.true_rul.max(), 1.0)
    figure, axes = plt.subplots(figsize=(5.2, 5.2))
    axes.fill_between([0, top], [0, top], [top, top], color=OTHERS[4], alpha=0.08, linewidth=0)
    axes.plot([0, top], [0, top], color=METHOD_COLORS["baseline"], linewidth=1, label="perfect")
    dots: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.5, "s": 38}
    for side, color, marker, label in ((late, OTHERS[4], "o", "late"), (~late, OTHERS[1], "s", "early")):
        true, predicted = evaluation.true_rul[side], evaluation.rul[side]
        axes.scatter(true, predicted, color=color, marker=marker, label=label, **dots)
    share = 100.0 * float(np.mean(late))
    axes.set(
        xlabel=f"true RUL ({time_unit}s)",
        ylabel=f"predicted RUL ({time_unit}s)",
        title=f"{title + ': ' if title else ''}{share:.0f} % of engines late, RMSE {error:.1f} {time_unit}s",
        xlim=(0, top),
        ylim=(0, top),
        aspect="equal",
    )
    axes.legend(loc="upper left")
    return figure


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure to ``path``, as its ending says or as PNG if it has none, and let go of it.

    Raises:
        ValueError: If the ending names no kind of picture.
    """
    with needed():
        import matplotlib.pyplot as plt

    try:
        kinds = figure.canvas.get_supported_filetypes()
        kind = Path(path).suffix.removeprefix(".").lower() or "png"
        if kind not in kinds:
            raise InputError(
                f"picture {str(path)!r} ends in .{kind}: it must end in one of {', '.join(sorted(kinds))}."
            )
        content = io.BytesIO()
        figure.savefig(content, format=kind)
        write_atomically(path, content.getvalue())
    finally:
        plt.close(figure)
