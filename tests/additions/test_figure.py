"""A figure is a class and a script of the same name in the room of its chapter. One with a wrong number fails."""

import re

FIGURE = '''
    """How long an average remembers."""

    from __future__ import annotations

    import math

    import numpy as np
    from matplotlib.axes import Axes

    from rulbook.course.figures import LiveFigure, Slider, fixed

    __all__ = ["HalfLife"]


    class HalfLife(LiveFigure):
        """The weight that an average still gives to what it met some steps ago."""

        script = "half_life.js"
        title = "An average forgets by halves"
        alt = (
            "The weight of a value in an average, as a share of its first weight, against the steps since it was met: "
            "a curve that falls by the same share in each step."
        )
        hint = "raise the memory from 0.9 to 0.99. How many times longer does it take to forget half?"

        beta = Slider(0.9, low=0.5, high=0.99, step=0.01, label="Memory")

        def read_out(self) -> str:
            """After how many steps half is left."""
            steps = fixed(math.log(0.5) / math.log(self.beta), 1)
            return f"With a memory of {fixed(self.beta)} half of a weight is left after {steps} steps."

        def picture(self, axes: Axes) -> None:
            """The weight over the steps."""
            steps = np.arange(101)
            axes.plot(steps, self.beta**steps)
            axes.set(xlabel="steps", ylabel="weight that is left")
'''

SCRIPT = """
    // @ts-check
    import { figure, fixed, range } from "../figures/shared.js";

    export default figure(({ state: { beta }, colors, plot }) => {
      const panel = plot({ x: { domain: [0, 100], label: "steps" }, y: { domain: [0, 1], label: "weight left" } });
      panel.line(range(101).map((step) => [step, beta ** step]), { color: colors.gaba });
      return `With a memory of ${fixed(beta)} half of a weight is left after ${fixed(1 / -Math.log2(beta), 1)} steps.`;
    });
"""

SAYS, DRAWS = "fixed(1 / -Math.log2(beta), 1)", "[step, beta ** step]"
TESTS = [f"tests/course/figures/test_{name}.py" for name in ("read_outs", "drawings", "live_figure")]


def put(project, name, script):
    """The figure by another name, with this script."""
    stem = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    project.put(f"rulbook/course/ch17/{stem}.py", FIGURE.replace("HalfLife", name).replace("half_life", stem))
    project.put(f"rulbook/course/ch17/{stem}.js", script)


def test_a_figure_is_found_and_fails_if_it_says_or_draws_a_wrong_number(project):
    assert SCRIPT.count(SAYS) == SCRIPT.count(DRAWS) == 1
    put(project, "HalfLife", SCRIPT)
    put(project, "HalfLifeSaid", SCRIPT.replace(SAYS, "fixed(1 / -Math.log2(beta) + 7, 1)"))
    put(project, "HalfLifeDrawn", SCRIPT.replace(DRAWS, "[step, beta ** (step + 7)]"))
    printed = project.python("-c", "from rulbook.widgets import HalfLife; print(HalfLife(beta=0.99).read_out())")
    assert printed == "With a memory of 0.99 half of a weight is left after 69.0 steps.\n"

    run = f"import pytest; pytest.main(['-q', '-rA', '-p', 'no:cacheprovider', '-k', 'HalfLife', *{TESTS}])"
    told = project.python("-c", run)
    ends = {
        (name, outcome): set(re.findall(rf"^{outcome} \S+::(\w+)\[{name}\]", told, re.MULTILINE))
        for name in ("HalfLife", "HalfLifeSaid", "HalfLifeDrawn")
        for outcome in ("PASSED", "FAILED")
    }
    sentence = "test_a_figure_says_in_the_browser_what_it_says_in_python"
    curve = "test_the_curves_of_the_picture_are_among_those_of_the_script"
    assert ends["HalfLife", "FAILED"] == set(), told
    assert ends["HalfLife", "PASSED"] >= {sentence, curve, "test_the_output_carries_a_view_a_picture_and_words"}
    assert ends["HalfLifeSaid", "FAILED"] == {sentence}
    assert "half of a weight is left after 13.6 steps" in told
    assert ends["HalfLifeDrawn", "FAILED"] == {curve}
