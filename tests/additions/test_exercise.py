"""An exercise is a check in the room of its chapter and a source in book/exercises."""

import json

CHECK = """
    from rulbook.course.exercises import Exercise, Miss, function

    half_life = Exercise("15.1", "steps until half is left", function("steps(decay)"), "You can now read a decay.")


    @half_life.requires("a decay of one half needs one step")
    def _(steps):
        if steps.number(0.5) != 1:
            raise Miss(f"it needs {steps.number(0.5):g}", "What is left after one step?")


    @half_life.requires("a larger decay needs more steps")
    def _(steps):
        if not steps.number(0.99) > steps.number(0.9) > 1:
            raise Miss("it does not grow", "Which forgets more slowly, 0.9 or 0.99?")
"""

SOURCE = """
    ---
    jupytext: {text_representation: {extension: .md, format_name: myst}}
    kernelspec: {display_name: Python 3, language: python, name: python3}
    ---

    # Exercises: how long an average remembers

    ```{code-cell} ipython3
    import math

    from rulbook.exercises import check
    ```

    ## 15.1 Steps until half is left

    After how many steps is half of the weight left?

    ```{code-cell} ipython3
    :tags: [stub]

    def steps(decay):
        raise NotImplementedError
    ```

    +++ {"tags": ["solution"]}

    The weight left after $n$ steps is $d^n$; it is one half at $n = \\ln 0.5 / \\ln d$.

    ```{code-cell} ipython3
    :tags: [solution]

    def steps(decay):
        return math.log(0.5) / math.log(decay)
    ```

    ```{code-cell} ipython3
    :tags: [check]

    check("15.1", steps)
    ```

    ```{code-cell} ipython3
    ---
    tags: [wrong]
    says: it needs 2
    ---
    def steps(decay):
        return 1 / decay
    ```

    ```{code-cell} ipython3
    ---
    tags: [wrong]
    says: it does not grow
    ---
    def steps(decay):
        return 1.0
    ```

    ```{code-cell} ipython3
    ---
    tags: [wrong]
    says: it needs 0.5
    ---
    def steps(decay):
        return decay
    ```
"""


def test_an_exercise_is_two_files(project):
    project.put("rulbook/course/ch15/__init__.py", '"""Chapter 15. Training."""')
    project.put("rulbook/course/ch15/checks_average.py", CHECK)
    project.put("book/exercises/15-training.md", SOURCE)
    says = "from rulbook.exercises import check; print(check('15.1', lambda decay: decay))"
    assert "it needs 0.5" in project.python("-c", says)
    assert " passed" in project.pytest("tests/course/exercises/test_sources.py", "-k", "15.1 or every_check")
    project.python("-m", "rulbook.exercises", "build", "15-training")
    folder = project.folder / "notebooks" / "exercises"
    student, page = (folder / f"exercises-15-training{end}.ipynb" for end in ("", "-solutions"))
    assert "math.log(0.5) / math.log(decay)" not in student.read_text(encoding="utf-8")
    outputs = [cell.get("outputs") for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]]
    assert "You can now read a decay." in json.dumps(outputs)
