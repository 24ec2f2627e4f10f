"""Many runs from one small file: method x data set x preset x seed, in worker processes, resumable at any moment.

The file is TOML. Each ``[[runs]]`` table is a grid; its lists are multiplied out::

    [[runs]]
    datasets = ["FD001", "FD003"]
    methods = ["baseline", "amnl", "gaba", "grace"]
    seeds = [0, 1, 2, 3, 4]

    [[runs]]
    datasets = ["FD002"]
    methods = ["amnl"]
    seeds = [0, 1, 2]
    epochs = 20            # any field of TrainingConfig

Each run has a folder of its own and ends with its ``record.json``: a run with a record is finished and is never run
again. A run without one goes on from its last epoch.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from rulbook._check import existing_file, one_of, whole
from rulbook.training import TrainingConfig

__all__ = ["PlannedRun", "plan", "read_sweep", "run_sweep"]

_DATASETS = ("demo", "FD001", "FD002", "FD003", "FD004")
_AXES = {"datasets": "dataset", "methods": "method", "presets": "preset", "seeds": "seed"}


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep: a data set and the settings."""

    dataset: str
    config: TrainingConfig

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return f"{self.dataset}-{self.config.method}-{self.config.preset}-{self.config.seed}"


def read_sweep(path: str | Path) -> list[PlannedRun]:
    """The runs that a TOML file plans.

    Raises:
        ValueError: If the file is missing or no TOML, names something unknown, or plans one run in two ways.
    """
    file = existing_file("sweep", path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"sweep {str(path)!r} is no TOML: {error}.") from error
    unknown = sorted(set(content) - {"runs"})
    if unknown or not isinstance(content.get("runs"), list):
        raise ValueError(f"sweep {str(path)!r} must hold [[runs]] tables and nothing else; it has {sorted(content)}.")
    return plan(content["runs"])


def plan(grids: list[dict[str, Any]]) -> list[PlannedRun]:
    """Multiply out grids such as ``{"datasets": ["FD001"], "methods": ["amnl"], "seeds": [0, 1]}``, in their order."""
    planned: dict[str, PlannedRun] = {}
    for grid in grids:
        for run in _multiplied(dict(grid)):
            if planned.setdefault(run.name, run) != run:
                raise ValueError(f"sweep plans {run.name} twice, with different settings.")
    return list(planned.values())


def _multiplied(grid: dict[str, Any]) -> Iterator[PlannedRun]:
    settings = {field.name for field in fields(TrainingConfig)} - set(_AXES.values())
    unknown = sorted(set(grid) - set(_AXES) - settings)
    if unknown:
        raise ValueError(f"sweep has {', '.join(unknown)}: known are {', '.join([*_AXES, *sorted(settings)])}.")
    axes: dict[str, list[Any]] = {"datasets": [], "methods": [], "presets": ["compact"], "seeds": [0]}
    axes |= {name: grid.pop(name) for name in _AXES if name in grid}
    for name, values in axes.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"{name} is {values!r}: it must be a list with at least one entry.")
    for dataset, method, preset, seed in product(*axes.values()):
        one_of("datasets", dataset, _DATASETS)
        yield PlannedRun(dataset, TrainingConfig(method=method, preset=preset, seed=seed, **grid))


def run_sweep(
    runs: list[PlannedRun],
    folder: str | Path,
    *,
    root: str | None = None,
    workers: int = 2,
    executor: Executor | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Do every run that has no record yet, and return all records in the order of ``runs``.

    Args:
        runs: From :func:`read_sweep` or :func:`plan`.
        folder: Gets one folder per run.
        root: Where NASA's files are, as for :func:`rulbook.data.load_cmapss`.
        workers: Processes at a time, each with one thread.
        executor: Any other :class:`concurrent.futures.Executor` in place of the processes, such as Dask's
            ``client.get_executor()``. It must see the same ``folder``.
        progress: Show a progress bar over the runs.

    Raises:
        ValueError: If a finished run in ``folder`` had other settings than the one planned under its name.
    """
    folder = Path(folder)
    open_runs = [run for run in runs if _record(run, folder) is None]
    pool: AbstractContextManager[Executor]
    # Forking a process that has used torch's threads can hang; a spawned one starts clean.
    pool = (
        nullcontext(executor) if executor else ProcessPoolExecutor(whole("workers", workers, 1), get_context("spawn"))
    )
    bar = tqdm(total=len(runs), initial=len(runs) - len(open_runs), desc="sweep", unit="run", disable=not progress)
    with pool as submit_to, bar:
        futures = {submit_to.submit(_work, run, str(folder), root): run for run in open_runs}
        try:
            for future in as_completed(futures):
                record = future.result()
                bar.update()
                bar.set_postfix_str(f"{futures[future].name}: test RMSE {record['test']['rmse']:.2f}")
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    return [found for run in runs if (found := _record(run, folder)) is not None]


def _record(run: PlannedRun, folder: Path) -> dict[str, Any] | None:
    """The record of a finished run, or None."""
    file = folder / run.name / "record.json"
    if not file.exists():
        return None
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    kept = TrainingConfig(**record["config"])
    if kept != run.config:
        differing = [f.name for f in fields(TrainingConfig) if getattr(kept, f.name) != getattr(run.config, f.name)]
        raise ValueError(f"{str(file)!r} is of a run with another {', '.join(differing)}: give another folder.")
    return record


def _work(run: PlannedRun, folder: str, root: str | None) -> dict[str, Any]:
    """One run, in a worker."""
    import torch

    from rulbook.data import demo_fleet, load_cmapss, prepare
    from rulbook.experiments import run_experiment

    torch.set_num_threads(1)
    fleet = demo_fleet() if run.dataset == "demo" else load_cmapss(run.dataset, root)
    data = prepare(fleet, seed=run.config.seed)
    return run_experiment(data, run.config, Path(folder) / run.name, resume=True, progress=False)
