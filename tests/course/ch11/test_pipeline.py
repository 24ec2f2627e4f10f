"""The blocks that the figure shows are those of the network."""

from __future__ import annotations

import numpy as np
import pytest

from rulbook.course.ch11.pipeline import pipeline_table


@pytest.mark.parametrize("features", [14, 17])
@pytest.mark.parametrize("preset", ["paper", "compact"])
def test_the_pipeline_is_the_network(preset: str, features: int) -> None:
    from rulbook.model import DualTaskModel, parameter_counts

    table = pipeline_table(preset, features)
    counts = parameter_counts(DualTaskModel(features, preset))
    assert [block["parameters"] for block in table["blocks"]] == [0, *list(counts.values())[:-1]]
    assert table["total"] == counts["total"]
    blocks = {block["name"]: block for block in table["blocks"]}
    assert blocks["window"]["gives"] == [30, features]
    assert blocks["funnel"]["gives"] == blocks["RUL head"]["takes"] == blocks["health head"]["takes"] == [32]
    assert (blocks["RUL head"]["gives"], blocks["health head"]["gives"]) == ([1], [3])


def test_what_the_pipelines_title_and_alt_say_is_true() -> None:
    blocks = pipeline_table("paper", 14)["blocks"]
    numbers = [int(np.prod(block["gives"])) for block in blocks]
    assert numbers == [420, 1920, 15360, 512, 32, 1, 3]
    share = [block["parameters"] / pipeline_table("paper", 14)["total"] for block in blocks]
    assert round(100 * share[2]) == 64
    assert share[5] + share[6] < 0.002
    for preset in ("paper", "compact"):
        table = pipeline_table(preset, 17)
        numbers = [int(np.prod(block["gives"])) for block in table["blocks"]]
        assert np.argmax(numbers) == 2
        assert table["blocks"][2]["parameters"] > table["total"] / 2
