"""The network block by block: what comes in, what leaves, and how many parameters it costs (section 11.4)."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from matplotlib.axes import Axes

from rulbook.course.figures.controls import Choice, Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import percent, whole
from rulbook.palette import ACCENT, OTHERS

__all__ = ["Pipeline", "pipeline_table"]

FEATURES = {"14 sensors": 14, "14 sensors + 3 settings": 17}
WINDOW = 30


@cache
def pipeline_table(preset: str, n_features: int) -> dict[str, Any]:
    """Every block of the network as a run of it shows them, the window itself first.

    Args:
        preset: A name in :data:`rulbook.model.PRESETS`.
        n_features: Numbers per cycle.

    Returns:
        ``total`` parameters, and ``blocks``: each with ``name``, ``takes`` and ``gives`` (shapes of one window),
        ``parameters``, and ``layers``, one row of kind, shapes and parameters for each.
    """
    # Only a figure that is drawn needs torch; importing the figures does not.
    from rulbook.course.ch11.blueprint import BLOCKS, blueprint
    from rulbook.model import DualTaskModel

    layers = blueprint(DualTaskModel(n_features, preset), WINDOW)
    window = [WINDOW, n_features]
    blocks = [{"name": "window", "takes": window, "gives": window, "parameters": 0, "layers": []}]
    for name in BLOCKS:
        own = [layer for layer in layers if layer.block == name]
        blocks.append(
            {
                "name": name,
                "takes": list(own[0].takes),
                "gives": list(own[-1].gives),
                "parameters": sum(layer.parameters for layer in own),
                "layers": [[layer.kind, list(layer.takes), list(layer.gives), layer.parameters] for layer in own],
            }
        )
    return {"total": sum(layer.parameters for layer in layers), "blocks": blocks}


class Pipeline(LiveFigure):
    """The blocks of the network, with the numbers that leave each and its share of the parameters.

    Args:
        block: Which block is opened, 1 (the window) to 7 (the health head).
        preset: ``"paper"`` or ``"compact"``.
        features: What a cycle of the window holds.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "pipeline.js"
    title = "A window swells, then leaves as 32 numbers; most parameters sit where it swells"
    alt = (
        "Above, how many numbers describe one window after each block, on a logarithmic axis: 420 in the window, 1,920 "
        "after the CNN, 15,360 after the BiLSTM, 512 after attention, 32 after the funnel, 1 and 3 after the heads. "
        "Below, each block's share of the parameters: the BiLSTM holds 64 percent, the two heads less than a fifth of "
        "a percent. A table lists the layers of the chosen block."
    )
    hint = "click on the blocks from left to right. Which one shrinks the data most? Then choose compact."

    block = Slider(3, low=1, high=7, step=1, label="Block, in the order of the data")
    preset = Choice("paper", ["paper", "compact"], label="Size")
    features = Choice("14 sensors", list(FEATURES), label="Each cycle has")

    def tables(self) -> dict[str, Any]:
        """The blocks for every preset and every set of features."""
        return {
            preset: {label: pipeline_table(preset, count) for label, count in FEATURES.items()}
            for preset in self.controls()["preset"].metadata["control"]["choices"]
        }

    def read_out(self) -> str:
        """What goes into the chosen block and what leaves it, and its share of the parameters."""
        table = pipeline_table(self.preset, FEATURES[self.features])
        block, total = table["blocks"][int(self.block) - 1], whole(table["total"])
        takes, gives = (" × ".join(map(str, block[end])) for end in ("takes", "gives"))
        if not block["layers"]:
            return (
                f"Block 1 is the window itself: {gives} = {whole(math.prod(block['gives']))} numbers. "
                f"All blocks together have {total} parameters."
            )
        return (
            f"Block {whole(self.block)}, {block['name']}: {takes} numbers come in, {gives} leave. It has "
            f"{whole(block['parameters'])} of {total} parameters, {percent(block['parameters'] / table['total'], 2)}."
        )

    def picture(self, axes: Axes) -> None:
        """Shares of the parameters, the chosen block marked."""
        table = pipeline_table(self.preset, FEATURES[self.features])
        names = [block["name"] for block in table["blocks"]]
        shares = [100 * block["parameters"] / table["total"] for block in table["blocks"]]
        colors = [ACCENT if i + 1 == self.block else OTHERS[1] for i in range(len(names))]
        axes.set_title("One block holds most of the parameters")
        axes.bar(names, shares, color=colors)
        for i, share in enumerate(shares):
            axes.text(i, share + 1, f"{share:.2f} %", ha="center")
        axes.set(ylabel=f"share of {table['total']:,} parameters (%)", ylim=(0, 75))
