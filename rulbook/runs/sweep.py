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

import math
import os
import pickle
import sys
import threading
import time
import tomllib
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import product
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, TypeVar

from tqdm.auto import tqdm

from rulbook._check import existing_file, one_of, shown, whole
from rulbook.data import sources
from rulbook.errors import InputError
from rulbook.files import one_line, sentence_of
from rulbook.runs import _worker
from rulbook.runs.record import Record, RecordError, read_record
from rulbook.runs.settings import Setting, settings_of
from rulbook.training import TrainingConfig
from rulbook.training.run_folder import RunFolder, RunInUseError, held

__all__ = ["PlannedRun", "SweepError", "plan", "read_sweep", "run_sweep"]

_SPLITS = ("engines", "windows")
# One thread each: networks this small gain nothing from a second. And glibc gives each large block of memory back to
# the system, to ask for it again in the next step: if it keeps them, a step is faster (benchmarks/step_memory.py).
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "67108864",
}
# More than anybody waits for: such a file is a slip.
_MOST_RUNS = 100_000
# How long a run that another process has waits before it is looked at again, in seconds.
_PAUSE = 2.0
_AXES = {"datasets": "dataset", "methods": "method", "presets": "preset", "splits": "split", "seeds": "seed"}


class SweepError(RuntimeError):
    """Some runs of a sweep ended with an error. All others were finished first, and have their records.

    Attributes:
        errors: What went wrong, by name of the run.
    """

    def __init__(self, errors: dict[str, BaseException], planned: int) -> None:
        self.errors = errors
        lines = [f"{name}: {_said(error)}" for name, error in errors.items()]
        super().__init__("\n  ".join([f"{len(errors)} of {planned} runs failed, the others are finished.", *lines]))


def _said(error: BaseException) -> str:
    """One line about an error: an InputError speaks for itself, others are named."""
    return one_line(error) if isinstance(error, InputError) else f"{type(error).__name__}: {sentence_of(error)}"


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep: a data set, how it is split, and the settings."""

    dataset: str
    config: TrainingConfig
    split: str = "engines"

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        name = f"{self.dataset}-{self.config.method_name}-{self.config.preset}-{self.config.seed}"
        return name if self.split == "engines" else f"{name}-{self.split}"


def read_sweep(path: str | Path) -> list[PlannedRun]:
    """The runs that a TOML file plans.

    Raises:
        ValueError: If the file is missing or no TOML, names something unknown, or plans one run in two ways.
    """
    file = existing_file("sweep", path)
    where = f"sweep {str(path)!r}"
    try:
        # Editors on Windows put a mark in front, which TOML does not know.
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is no TOML: it is not written in UTF-8.") from error
    except RecursionError as error:
        raise InputError(f"{where} is no TOML that can be read: it is nested too deep.") from error
    except ValueError as error:
        raise InputError(f"{where} is no TOML: {one_line(error)}.") from error
    runs, defaults = content.get("runs"), content.get("defaults", {})
    if set(content) - {"runs", "defaults"} or not isinstance(runs, list) or not isinstance(defaults, dict):
        raise InputError(
            f"{where} must hold [[runs]] tables, [defaults] if wanted, and nothing else; it has {shown(list(content))}."
        )
    if not runs:
        raise InputError(f"{where} plans nothing: it needs at least one [[runs]] table.")
    for number, grid in enumerate(runs, start=1):
        if not isinstance(grid, dict):
            raise InputError(f"{where} has {shown(grid)} as entry {number} of runs: it must be a table.")
    try:
        return plan([{**defaults, **grid} for grid in runs])
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def plan(grids: list[dict[str, Any]]) -> list[PlannedRun]:
    """Multiply out grids such as ``{"datasets": ["FD001"], "methods": ["amnl"], "seeds": [0, 1]}``, in their order."""
    planned: dict[str, PlannedRun] = {}
    for grid in grids:
        for run in _multiplied(dict(grid)):
            if planned.setdefault(run.name, run) != run:
                raise InputError(f"sweep plans {run.name} twice, with different settings.")
    return list(planned.values())


def _multiplied(grid: dict[str, Any]) -> Iterator[PlannedRun]:
    settings = {setting.name: setting for setting in settings_of(TrainingConfig)}
    others = [name for name in settings if name not in _AXES.values()]
    if unknown := sorted(set(grid) - set(_AXES) - set(others)):
        raise InputError(f"sweep has {shown(', '.join(unknown))[1:-1]}: known are {', '.join([*_AXES, *others])}.")
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
            raise InputError(f"{name} is {shown(values)}: it must be a list with at least one entry.")
    if (count := math.prod(map(len, axes.values()))) > _MOST_RUNS:
        raise InputError(f"one [[runs]] table plans {count:,} runs: at most {_MOST_RUNS:,} are read.")
    read = {name: _reader(name, settings) for name in _AXES}
    axes = {name: [read[name](value) for value in values] for name, values in axes.items()}
    common = {name: settings[name].read(value) for name, value in grid.items()}
    for dataset, method, preset, split, seed in product(*axes.values()):
        yield PlannedRun(dataset, TrainingConfig(method, preset, seed=seed, **common), split)


def _reader(axis: str, settings: dict[str, Setting]) -> Callable[[Any], Any]:
    """How an entry of an axis is read: one of the names that are known, or as the setting of that name has it."""
    known = {"datasets": sources.names(), "splits": _SPLITS}.get(axis)
    if known is not None:
        return lambda value: one_of(axis, value, known)
    setting = settings[_AXES[axis]]
    return setting.read


def run_sweep(
    runs: list[PlannedRun],
    folder: str | Path,
    *,
    root: str | None = None,
    verify: bool = True,
    workers: int = 2,
    executor: Executor | None = None,
    progress: bool = True,
) -> list[Record]:
    """Do every run that has no record yet, and return all records in the order of ``runs``.

    Args:
        runs: From :func:`read_sweep` or :func:`plan`.
        folder: Gets one folder per run.
        root: Where NASA's files are, as for :func:`rulbook.data.load_cmapss`.
        verify: Refuse NASA's files if their bytes differ, as for :func:`rulbook.data.load_cmapss`.
        workers: Processes at a time, each with one thread.
        executor: Any other :class:`concurrent.futures.Executor` in place of the processes, such as Dask's
            ``client.get_executor()``. It must see the same ``folder`` and the same ``root``.
        progress: Show a progress bar over the runs, with the epochs of those under way.

    Raises:
        ValueError: If a finished run in ``folder`` had other settings than the one planned under its name, or a method
            of your own cannot be sent to a worker process.
        SweepError: After all other runs are finished, if some ended with an error or have a record that is damaged.

    Warns:
        UserWarning: If another process is at one of the runs: that run is waited for, and its record taken.
    """
    folder = Path(folder)
    errors: dict[str, BaseException] = {}
    open_runs = []
    for run in runs:
        try:
            if finished_record(run, folder) is None:
                open_runs.append(run)
        except RecordError as damaged:
            errors[run.name] = damaged
    if executor is None:
        for run in open_runs:
            _require_sendable(run)
    done = len(runs) - len(open_runs)
    pool = nullcontext(executor) if executor else _processes(whole("workers", workers, 1))
    bar = tqdm(total=len(runs), initial=done, desc="sweep", unit="run", disable=not progress)
    with pool as submit_to, bar:

        def submit(run: PlannedRun) -> Future[Record]:
            return submit_to.submit(_work, run, str(folder.absolute()), root, verify)

        pending = {submit(run): run for run in open_runs}
        elsewhere: list[PlannedRun] = []
        told = False
        try:
            while pending:
                for future in wait(pending, timeout=2.0 if progress else None, return_when="FIRST_COMPLETED").done:
                    run = pending.pop(future)
                    error = future.exception()
                    if isinstance(error, RunInUseError):
                        elsewhere.append(run)
                        continue
                    if error is not None:
                        errors[run.name] = error
                    bar.update()
                bar.set_postfix_str(_under_way(pending.values(), folder) if progress else "")
                if elsewhere and not pending:
                    if not told:
                        names = ", ".join(run.name for run in elsewhere)
                        warnings.warn(f"another process is at {names}: waiting for it.", stacklevel=2)
                        told = True
                    time.sleep(_PAUSE)
                    pending, elsewhere = {submit(run): run for run in elsewhere}, []
        except BaseException:
            for future in pending:
                future.cancel()
            raise
    if errors:
        raise SweepError(errors, len(runs))
    return [found for run in runs if (found := finished_record(run, folder)) is not None]


def finished_record(run: PlannedRun, folder: str | Path) -> Record | None:
    """The record of a finished run, or None.

    Raises:
        RecordError: If the record is damaged, or has a setting that this version does not know.
        ValueError: If the record is of a run with other settings or on other data.
    """
    file = RunFolder(Path(folder) / run.name).record
    if not file.exists():
        return None
    record = read_record(file)
    try:
        differing = run.config.differing(record.config)
    except InputError as error:
        raise RecordError(f"record {str(file)!r} is damaged, or of another version: {error}.") from error
    for name, found, wanted in (("subset", record.dataset, run.dataset), ("split", record.split, run.split)):
        if found != wanted:
            differing.append(name)
    if differing:
        raise InputError(f"{str(file)!r} is of a run with another {', '.join(differing)}: give another folder.")
    return record


def _require_sendable(run: PlannedRun) -> None:
    """Refuse a method that a worker process could not be given, before any run begins."""
    try:
        sent = pickle.dumps(run)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(_NOT_SENDABLE.format(run.name, one_line(error))) from error
    # A worker imports the script of this process again; what was typed into a notebook it cannot find.
    if b"__main__" in sent and not hasattr(sys.modules["__main__"], "__file__"):
        raise InputError(_NOT_SENDABLE.format(run.name, "it was defined in a notebook, not in a file"))


_NOT_SENDABLE = (
    "the method of {} cannot be sent to a worker process: {}. Make its balancer by a function in a module, or by "
    "functools.partial of one; or give an executor of threads."
)


def epochs_done(run: PlannedRun, folder: str | Path) -> int:
    """How many epochs a run has behind it."""
    try:
        return max(RunFolder(Path(folder) / run.name).history.read_bytes().count(b"\n") - 1, 0)
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _under_way(runs: Iterable[PlannedRun], folder: Path) -> str:
    """The runs that have begun, with their epochs."""
    return ", ".join(f"{run.name} epoch {done}" for run in runs if (done := epochs_done(run, folder)))


_Answer = TypeVar("_Answer")


class _Processes(ThreadPoolExecutor):
    """Worker processes, one behind each thread: one that dies takes its own run with it, and no other.

    In a common pool of processes, the death of one fails all that was submitted.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self._others = set(active_children())
        self._stopped = False
        self._own = threading.local()
        self._pools: list[ProcessPoolExecutor] = []

    def submit(self, fn: Callable[..., _Answer], /, *args: Any, **kwargs: Any) -> Future[_Answer]:
        return super().submit(self._elsewhere, fn, *args, **kwargs)

    def _elsewhere(self, fn: Callable[..., _Answer], *args: Any, **kwargs: Any) -> _Answer:
        pool: ProcessPoolExecutor | None = getattr(self._own, "pool", None)
        if pool is None:
            # Forking a process that has used torch's threads can hang; a spawned one starts clean.
            pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_worker.begin)
            self._own.pool = pool
            self._pools.append(pool)
        try:
            future = pool.submit(fn, *args, **kwargs)
            if self._stopped:
                self._end_workers()
            return future.result()
        except BrokenProcessPool as error:
            self._own.pool = None
            raise RuntimeError("its process was ended from outside, as by a system short of memory") from error

    def stop(self) -> None:
        """End the workers at once, in the middle of their runs."""
        self._stopped = True
        super().shutdown(wait=False, cancel_futures=True)
        self._end_workers()

    def _end_workers(self) -> None:
        for child in set(active_children()) - self._others:
            child.terminate()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait, cancel_futures=cancel_futures)
        for pool in self._pools:
            pool.shutdown(wait)


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Worker processes with an environment of their own, which they find at their start; an error here ends them."""
    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    os.environ.update(WORKER_ENVIRONMENT)
    try:
        with _Processes(workers) as pool:
            try:
                yield pool
            except BaseException:
                pool.stop()
                raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _work(planned: PlannedRun, folder: str, root: str | None, verify: bool) -> Record:
    """One run, in a worker."""
    import torch

    from rulbook.data import prepare
    from rulbook.runs.run import run

    torch.set_num_threads(1)
    with held(Path(folder) / planned.name) as kept:
        # Another sweep may have finished it since this one looked.
        if (record := finished_record(planned, folder)) is not None:
            return record
        fleet = sources.load(planned.dataset, root, verify=verify)
        data = prepare(fleet, split=planned.split, seed=planned.config.seed)
        return run(data, planned.config, kept or folder, resume=True, progress=False)
