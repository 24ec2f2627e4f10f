"""How long FD004 takes from NASA's files to windows, and how fast windows reach a network.

    python benchmarks/data_path.py [--root FOLDER] [--rounds 7] [--rul-datasets FOLDER]

Every measurement is a process of its own, and the ways take turns within each round, so that a slow minute of the
machine slows all of them. The clock starts after the imports; memory is the peak of the process above what the imports
took. All ways end with the same: windows of 30 cycles of the training, the validation and the test engines, 14 sensors
scaled within each operating condition on training engines, RUL capped at 125. The loops of rul-datasets and pandas make
one array per window; rulbook's windows share their rows. Writes benchmarks/results/data_path.json.

rul-datasets is measured where it can be imported (``--rul-datasets`` names a folder to import it from, as made by
``pip install --no-deps --target FOLDER rul-datasets==0.18.0 lightning lightning-utilities torchmetrics h5py``).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

SUBSET, WINDOW, MAX_RUL, BATCH = "FD004", 30, 125, 256
RESULT = Path(__file__).parent / "results" / "data_path.json"
OURS, PANDAS, FIRST, AGAIN = "rulbook", "plain pandas", "rul-datasets, first use", "rul-datasets, again"
INDEXED, LOADER = "one tensor, indexed", "DataLoader over a Dataset"


def rulbook_way(root: Path, scratch: Path) -> Callable[[], int]:
    """Load and prepare, as every chapter does."""
    import sklearn.cluster  # noqa: F401  (loaded by the others too)

    from rulbook.data import load_cmapss, prepare

    def run() -> int:
        data = prepare(load_cmapss(SUBSET, root), n_conditions=6)
        return len(data.train) + len(data.validation) + len(data.test)

    return run


def pandas_way(root: Path, scratch: Path) -> Callable[[], int]:
    """What a tutorial does: read, cluster, groupby, and one array per window in a loop."""
    import numpy as np
    import pandas as pd
    from sklearn.cluster import KMeans

    settings = ["setting_1", "setting_2", "setting_3"]
    names = ["unit", "cycle", *settings, *(f"s{i}" for i in range(1, 22))]
    sensors = [f"s{i}" for i in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)]

    def read(part: str) -> Any:
        return pd.read_csv(root / f"{part}_{SUBSET}.txt", sep=r"\s+", header=None, names=names)

    def run() -> int:
        train, test = read("train"), read("test")
        rul = np.loadtxt(root / f"RUL_{SUBSET}.txt")
        units = train["unit"].unique()
        held_out = np.random.default_rng(0).choice(units, len(units) // 5, replace=False)
        fit_on = ~train["unit"].isin(held_out)
        clusters = KMeans(6, n_init=10, random_state=0).fit(train.loc[fit_on, settings])
        for part in (train, test):
            part["condition"] = clusters.predict(part[settings])
        statistics_of = train[fit_on].groupby("condition")[sensors]
        mean, std = statistics_of.mean(), statistics_of.std()
        for part in (train, test):
            condition = part["condition"]
            part[sensors] = (part[sensors] - mean.loc[condition].to_numpy()) / std.loc[condition].to_numpy()
        train["rul"] = (train.groupby("unit")["cycle"].transform("max") - train["cycle"]).clip(upper=MAX_RUL)
        windows, labels = [], []
        for _, engine in train.groupby("unit"):
            values, left = engine[sensors].to_numpy(np.float32), engine["rul"].to_numpy()
            for end in range(WINDOW, len(values) + 1):
                windows.append(values[end - WINDOW : end])
                labels.append(left[end - 1])
        x, y = np.stack(windows), np.array(labels)
        last = []
        for _, engine in test.groupby("unit"):
            values = engine[sensors].to_numpy(np.float32)[-WINDOW:]
            last.append(np.concatenate([np.repeat(values[:1], WINDOW - len(values), axis=0), values]))
        x_test, y_test = np.stack(last), np.minimum(rul, MAX_RUL)
        assert (len(x), len(x_test)) == (len(y), len(y_test))
        return len(x) + len(x_test)

    return run


def rul_datasets_way(root: Path, scratch: Path) -> Callable[[], int]:
    """CmapssReader with its per-condition scaling; ``scratch`` keeps what it writes on first use."""
    files = scratch / "CMAPSS"
    if not files.exists():
        files.mkdir(parents=True)
        for part in ("train", "test", "RUL"):
            (files / f"{part}_{SUBSET}.txt").symlink_to((root / f"{part}_{SUBSET}.txt").resolve())
    os.environ["RUL_DATASETS_DATA_ROOT"] = str(scratch)
    warnings.simplefilter("ignore")
    from rul_datasets import CmapssReader

    def run() -> int:
        reader = CmapssReader(4, window_size=WINDOW, max_rul=MAX_RUL, operation_condition_aware_scaling=True)
        reader.prepare_data()
        parts = [reader.load_split(split)[0] for split in ("dev", "val", "test")]
        return sum(len(engine) for part in parts for engine in part)

    return run


def feed(root: Path, loader: bool, train: bool, steps: int = 20) -> Callable[[], int]:
    """Batches of 256 shuffled windows of FD001, one thread; with ``train``, a step of the compact network on each."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    from rulbook.data import load_cmapss, prepare
    from rulbook.methods import METHODS
    from rulbook.model import DualTaskModel
    from rulbook.training import step

    torch.set_num_threads(1)
    torch.manual_seed(0)
    windows = prepare(load_cmapss("FD001", root)).train
    model, method = DualTaskModel(14, "compact", max_rul=MAX_RUL), METHODS["baseline"]
    balancer = method.balancer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    class PerSample(Dataset[Any]):
        def __len__(self) -> int:
            return len(windows)

        def __getitem__(self, index: int) -> Any:
            return torch.from_numpy(windows[index]), float(windows.rul[index]), int(windows.health[index])

    def batches() -> Any:
        if loader:
            yield from DataLoader(PerSample(), batch_size=BATCH, shuffle=True)
            return
        rows, starts = torch.from_numpy(windows.rows), torch.from_numpy(windows.starts)
        rul, health = torch.from_numpy(windows.rul), torch.from_numpy(windows.health)
        offsets = torch.arange(WINDOW)
        for index in torch.randperm(len(windows)).split(BATCH):
            yield rows[starts[index][:, None] + offsets], rul[index], health[index]

    def run() -> int:
        seen = 0
        for number, (x, rul, health) in enumerate(batches()):
            if number == steps:
                break
            seen += len(x)
            if train:
                step(model, (x, rul.float(), health), method, balancer, optimizer)
        return seen

    return run


NETWORK = tuple(f"{kind}: {way}" for kind in ("feed", "train") for way in (INDEXED, LOADER))
WAYS: dict[str, Callable[[Path, Path], Callable[[], int]]] = {
    OURS: rulbook_way,
    PANDAS: pandas_way,
    FIRST: rul_datasets_way,
    AGAIN: rul_datasets_way,
    f"feed: {INDEXED}": lambda root, _: feed(root, loader=False, train=False),
    f"feed: {LOADER}": lambda root, _: feed(root, loader=True, train=False),
    f"train: {INDEXED}": lambda root, _: feed(root, loader=False, train=True),
    f"train: {LOADER}": lambda root, _: feed(root, loader=True, train=True),
}


def work(way: str, root: Path, scratch: Path) -> dict[str, float]:
    """In a fresh process: import, then run once under the clock."""
    run = WAYS[way](root, scratch)
    before = resident_mib()
    started, worked = time.perf_counter(), time.process_time()
    count = run()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "mib": peak - before, "windows": count}


def resident_mib() -> float:
    """Memory that this process holds now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure(way: str, root: Path, scratch: Path, extra: str | None) -> dict[str, float]:
    """One measurement in a process of its own."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    if extra:
        environment["PYTHONPATH"] = extra
    command = [sys.executable, __file__, "--worker", way, "--root", str(root), "--scratch", str(scratch)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def has_rul_datasets(extra: str | None) -> str | None:
    """The version of rul-datasets, if it can be imported."""
    path = [extra, *sys.path] if extra else sys.path
    found = next(importlib.metadata.distributions(name="rul-datasets", path=path), None)
    return found.version if found else None


def main() -> None:
    """Measure all ways in turns, print the tables, write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="NASA's files (default: where rulbook finds them)")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each way (default 7)")
    parser.add_argument("--rul-datasets", metavar="FOLDER", help="import rul-datasets from here")
    parser.add_argument("--files-only", action="store_true", help="leave out the second table")
    parser.add_argument("--out", type=Path, default=RESULT, help="the record to write")
    parser.add_argument("--worker", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(work(args.worker, args.root, args.scratch)))
        return
    from rulbook.data.sources.cmapss import ARCHIVE

    root, extra = ARCHIVE.found(args.root).resolve(), args.rul_datasets
    version = has_rul_datasets(extra)
    ways = [OURS, PANDAS, *([FIRST, AGAIN] if version else []), *([] if args.files_only else NETWORK)]
    if not version:
        print("rul-datasets cannot be imported here: left out (see --rul-datasets).", file=sys.stderr)
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    bar = tqdm(total=args.rounds * len(ways), unit="run")
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            for way in ways:
                bar.set_postfix_str(way)
                taken[way].append(measure(way, root, Path(scratch), extra))
                bar.update()
    bar.close()
    record = {
        "command": "python benchmarks/data_path.py",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {**versions(), "rul-datasets": version},
        "rounds": args.rounds,
        "median": {
            way: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for way, runs in taken.items()
        },
        "runs": taken,
    }
    print(tables(record))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def tables(record: dict[str, Any]) -> str:
    """The medians as two tables in Markdown."""
    median = record["median"]
    lines = [
        f"| {SUBSET}, files to windows | seconds | x rulbook | of CPU time | x rulbook | MiB | x rulbook | windows |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    ours = median[OURS]
    for way in (OURS, PANDAS, FIRST, AGAIN):
        if (one := median.get(way)) is not None:
            lines.append(
                f"| {way} | {one['seconds']:.3f} | {one['seconds'] / ours['seconds']:.1f} "
                f"| {one['cpu_seconds']:.3f} | {one['cpu_seconds'] / ours['cpu_seconds']:.1f} "
                f"| {one['mib']:.0f} | {one['mib'] / ours['mib']:.1f} | {one['windows']:,.0f} |"
            )
    if NETWORK[0] not in median:
        return "\n".join(lines)
    lines += ["", "| windows to network, one thread | feeding, samples/s | training, samples/s |", "|---|---|---|"]
    for way in (INDEXED, LOADER):
        feeding, training = (median[f"{kind}: {way}"] for kind in ("feed", "train"))
        speeds = [f"{one['windows'] / one['seconds']:,.0f}" for one in (feeding, training)]
        lines.append(f"| {way} | {speeds[0]} | {speeds[1]} |")
    return "\n".join(lines)


def machine() -> str:
    """Processor and cores, as the operating system names them."""
    try:
        names = [
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ]
    except OSError:
        names = []
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}"


def versions() -> dict[str, str]:
    """What the numbers depend on."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "pandas", "scikit-learn", "torch")},
    }


if __name__ == "__main__":
    main()
