"""The command ``rulbook``: look at the data, train, evaluate, predict, teach.

One file for each command; ``_main`` lists them. What they share: ``_arguments`` (options), ``_machines`` (from a name
or files to a fleet), ``_words`` (what is said). Nothing heavy is imported before a command runs.
"""

from rulbook.cli._main import main

__all__ = ["main"]
