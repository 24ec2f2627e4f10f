"""Many runs from one small file: method x data set x preset x seed, in worker processes, resumable at any moment.

The file is TOML. Each ``[[runs]]`` table is a grid; its lists are multiplied out. ``[defaults]`` go for all of them::

    [defaults]
    patience = 5           # any field of TrainingConfig

    [[runs]]
    datasets = ["FD001", "FD003"]
    methods = ["baseline", "amnl", "gaba", "grace"]
    seeds = [0, 1, 2, 3, 4]

    [[runs]]
    datasets = ["FD002"]
    methods = ["amnl"]
    seeds = [0, 1, 2]
    splits = ["windows"]   # hold out windows instead of engines: this leaks
    epochs = 20

Each run has a folder of its own and ends with its ``record.json``: a run with a record is finished and is never run
again. A run without one goes on from its last epoch.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from rulbook._check import existing_file, one_of, whole
from rulbook.errors import InputError
from rulbook.training import TrainingConfig

__all__ = ["PlannedRun", "SweepError", "plan", "read_sweep", "run_sweep"]

_DATASETS = ("demo", "FD001", "FD002", "FD003", "FD004")
_SPLITS = ("engines", "windows")
# One thread each: networks this small gain nothing from a second. And glibc gives each large block of memory back to
# the system, to ask for it again in the next step: if it keeps them, a step is faster (benchmarks/step_memory.py).
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "67108864",
}
_AXES = {"datasets": "dataset", "methods": "method", "presets": "preset", "splits": "split", "seeds": "seed"}


class SweepError(RuntimeError):
    """Some runs of a sweep ended with an error. All others were finished first, and have their records.

    Attributes:
        errors: What went wrong, by name of the run.
    """

    def __init__(self, errors: dict[str, BaseException], planned: int) -> None:
        self.errors = errors
        lines = [f"{name}: {type(error).__name__}: {error}" for name, error in errors.items()]
        super().__init__("\n  ".join([f"{len(errors)} of {planned} runs failed, the others are finished.", *lines]))


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep: a data set, how it is split, and the settings."""

    dataset: str
    config: TrainingConfig
    split: str = "engines"

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        name = f"{self.dataset}-{self.config.method}-{self.config.preset}-{self.config.seed}"
        return name if self.split == "engines" else f"{name}-{self.split}"


def read_sweep(path: str | Path) -> list[PlannedRun]:
    """The runs that a TOML file plans.

    Raises:
        ValueError: If the file is missing or no TOML, names something unknown, or plans one run in two ways.
    """
    file = existing_file("sweep", path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"sweep {str(path)!r} is no TOML: {error}.") from error
    runs, defaults = content.get("runs"), content.get("defaults", {})
    if set(content) - {"runs", "defaults"} or not isinstance(runs, list) or not isinstance(defaults, dict):
        raise InputError(
            f"sweep {str(path)!r} must hold [[runs]] tables, [defaults] if wanted, and nothing else; "
            f"it has {sorted(content)}."
        )
    return plan([{**defaults, **grid} for grid in runs])


def plan(grids: list[dict[str, Any]]) -> list[PlannedRun]:
    """Multiply out grids such as ``{"datasets": ["FD001"], "methods": ["amnl"], "seeds": [0, 1]}``, in their order."""
    planned: dict[str, PlannedRun] = {}
    for grid in grids:
        for run in _multiplied(dict(grid)):
            if planned.setdefault(run.name, run) != run:
                raise InputError(f"sweep plans {run.name} twice, with different settings.")
    return list(planned.values())


def _multiplied(grid: dict[str, Any]) -> Iterator[PlannedRun]:
    settings = {field.name for field in fields(TrainingConfig)} - set(_AXES.values())
    unknown = sorted(set(grid) - set(_AXES) - settings)
    if unknown:
        raise InputError(f"sweep has {', '.join(unknown)}: known are {', '.join([*_AXES, *sorted(settings)])}.")
    axes: dict[str, list[Any]] = {
        "datasets": [],
        "methods": [],
        "presets": ["compact"],
        "splits": ["engines"],
        "seeds": [0],
    }
    axes |= {name: grid.pop(name) for name in _AXES if name in grid}
    for name, values in axes.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"{name} is {values!r}: it must be a list with at least one entry.")
    for dataset, method, preset, split, seed in product(*axes.values()):
        one_of("datasets", dataset, _DATASETS)
        one_of("splits", split, _SPLITS)
        yield PlannedRun(dataset, TrainingConfig(method=method, preset=preset, seed=seed, **grid), split)


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
            ``client.get_executor()``. It must see the same ``folder`` and the same ``root``.
        progress: Show a progress bar over the runs, with the epochs of those under way.

    Raises:
        ValueError: If a finished run in ``folder`` had other settings than the one planned under its name.
        SweepError: After all other runs are finished, if some ended with an error.
    """
    folder = Path(folder)
    open_runs = [run for run in runs if finished_record(run, folder) is None]
    errors: dict[str, BaseException] = {}
    pool = nullcontext(executor) if executor else _processes(whole("workers", workers, 1))
    bar = tqdm(total=len(runs), initial=len(runs) - len(open_runs), desc="sweep", unit="run", disable=not progress)
    with pool as submit_to, bar:
        pending: dict[Future[dict[str, Any]], PlannedRun] = {
            submit_to.submit(_work, run, str(folder.absolute()), root): run for run in open_runs
        }
        try:
            while pending:
                for future in wait(pending, timeout=2.0 if progress else None, return_when="FIRST_COMPLETED").done:
                    run = pending.pop(future)
                    if (error := future.exception()) is not None:
                        errors[run.name] = error
                    bar.update()
                bar.set_postfix_str(_under_way(pending.values(), folder) if progress else "")
        except BaseException:
            for future in pending:
                future.cancel()
            raise
    if errors:
        raise SweepError(errors, len(runs))
    return [found for run in runs if (found := finished_record(run, folder)) is not None]


def finished_record(run: PlannedRun, folder: str | Path) -> dict[str, Any] | None:
    """The record of a finished run, or None.

    Raises:
        ValueError: If the record is of a run with other settings.
    """
    file = Path(folder) / run.name / "record.json"
    if not file.exists():
        return None
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    kept = TrainingConfig(**record["config"])
    if kept != run.config:
        differing = [f.name for f in fields(TrainingConfig) if getattr(kept, f.name) != getattr(run.config, f.name)]
        raise InputError(f"{str(file)!r} is of a run with another {', '.join(differing)}: give another folder.")
    return record


def epochs_done(run: PlannedRun, folder: str | Path) -> int:
    """How many epochs a run has behind it."""
    history = Path(folder) / run.name / "history.csv"
    return max(history.read_text(encoding="utf-8").count("\n") - 1, 0) if history.exists() else 0


def _under_way(runs: Iterable[PlannedRun], folder: Path) -> str:
    """The runs that have begun, with their epochs."""
    return ", ".join(f"{run.name} epoch {done}" for run in runs if (done := epochs_done(run, folder)))


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Worker processes with an environment of their own, which they find at their start."""
    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    os.environ.update(WORKER_ENVIRONMENT)
    try:
        # Forking a process that has used torch's threads can hang; a spawned one starts clean.
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _work(run: PlannedRun, folder: str, root: str | None) -> dict[str, Any]:
    """One run, in a worker."""
    import torch

    from rulbook.data import demo_fleet, load_cmapss, prepare
    from rulbook.experiments import run_experiment

    torch.set_num_threads(1)
    fleet = demo_fleet() if run.dataset == "demo" else load_cmapss(run.dataset, root)
    data = prepare(fleet, split=run.split, seed=run.config.seed)
    return run_experiment(data, run.config, Path(folder) / run.name, resume=True, progress=False)
