"""One run and its record, many runs, and what their comparison says.

:mod:`~rulbook.runs.run` does one, from data to record; :mod:`~rulbook.runs.sweep` does many that a file plans, each in
a worker process. :mod:`~rulbook.runs.record` is what is kept of a run, and :mod:`~rulbook.runs.comparison` what many
records say together. :mod:`~rulbook.runs.settings` reads settings out of a text, :mod:`~rulbook.runs.plots` draws.
"""
