"""Many attacks on the command line: ``python tests/fuzz/run.py --tries 100000`` (see README.md beside it)."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch
from attacks import KINDS, Workshop, fault


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first try; a fault names its own")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    kinds = args.kind or list(KINDS)
    tried, faults, started = Counter[str](), Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        for number in range(args.seed, args.seed + args.tries):
            kind = kinds[number % len(kinds)]
            tried[kind] += 1
            if found := fault(workshop.case(kind, random.Random(number))):
                faults[kind] += 1
                if faults[kind] <= 20:
                    print(f"--seed {number} --tries 1 --kind '{kind}': {found.strip()}", flush=True)
    for kind in kinds:
        print(f"{kind:20}{tried[kind]:8,} tries{faults[kind]:6,} faults")
    print(f"{time.monotonic() - started:.0f} seconds")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
