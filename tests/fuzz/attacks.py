"""Damaged and hostile input for the command line, made from good input by a seed, and what must hold whatever it is.

A case is a list of arguments for ``rulbook`` and a file that it reads. :func:`fault` runs it in this process and says
what is wrong with the answer: a traceback, an exit code that is not for bad input, more than one line of complaint, or
a prediction that differs in silence from that of the undamaged file.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load

from rulbook.checkpoint import save_checkpoint, save_tensors
from rulbook.cli import main
from rulbook.data import COLUMNS, Horizon, Preprocessor, demo_fleet, fleet_from_frame, read_frame
from rulbook.model import DualTaskModel, ModelConfig

SWEEP = """[defaults]
epochs = 2
learning_rate = 0.01
[[runs]]
datasets = ["demo"]
methods = ["baseline", "amnl"]
presets = ["compact"]
seeds = [0, 1]
splits = ["engines"]
"""
SCORES = {"rmse": 15.5, "nasa_score": 400.0, "health_accuracy": 0.7, "health_macro_f1": 0.6}
RECORD = {
    "data": {"subset": "demo", "split": "engines"},
    "config": {"method": "baseline", "preset": "compact", "seed": 0, "epochs": 2, "learning_rate": 0.01},
    "config_hash": "0" * 12,
    "selected_epoch": 2,
    "epochs": 2,
    "validation": SCORES,
    "test": SCORES,
    "other_protocols": {"uncapped": SCORES, "all_windows": SCORES, "best_test_epoch": {"epoch": 1, **SCORES}},
    "gradients": None,
    "task_weights": [0.5, 0.5],
    "last_task_weights": [0.5, 0.5],
    "training_seconds": 1.0,
    "windows_per_second": 1.0,
    "versions": {"torch": "2"},
    "machine": {"device": "cpu", "threads": 1},
    "date": "2026-01-01",
}
VALUES: list[Any] = [
    *(None, True, False, -1, 0, 1, 1.5, 2**31, 2**63, 2**64, 10**12, 10**400, 1e300, -1e300, 1e-320),
    *(
        float("nan"),
        float("inf"),
        -float("inf"),
        "",
        "0.1",
        "10",
        "compact",
        "../../x",
        "\ud800",
        "\0",
        "a\nb",
        "é" * 300,
    ),
    *([], [[]], [1], [[1]], [1, 2], [0, 0, 0], [10**9] * 3, [float("nan")], {}, {"a": 1}, {"": {"": []}}),
]
TOKENS = [
    *("nan", "NaN", "inf", "-inf", "1e400", "-1e400", "1e38", "1e300", "9" * 400, "0x10", "1_0", "٣", "--", "1.5.5"),
    *(
        "",
        " ",
        '"',
        '""',
        "'",
        ",",
        ";",
        "\t",
        "\0",
        "\r",
        "\n",
        "﻿",
        "é",
        "true",
        "[",
        "]",
        "{",
        "}",
        "=",
        "#",
        "é" * 300,
    ),
    *("-0", "0", "-1", "1e-320", "2024-01-01", "[[1]]", "[" * 500, "9223372036854775808", "None", "null"),
]


@dataclass(frozen=True)
class Case:
    """One attack: arguments of the command, and whether its answer must be that of the undamaged file or a refusal."""

    name: str
    arguments: list[str]
    same: str | None = None


class Workshop:
    """Good files in a folder, from which cases are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fleet = demo_fleet(engines=3, test_engines=2, seed=1)
        torch.manual_seed(0)
        config = ModelConfig(channels=(4, 4, 4), lstm_hidden=4, attention_heads=2, funnel=(4, 4, 4), dropout=0.1)
        self.preprocessor = Preprocessor().fit(self.fleet.train)
        model = DualTaskModel(len(self.preprocessor.sensors), config).eval()
        facts = {"data": {"subset": "demo", "split": "engines"}, "config": RECORD["config"]}
        save_checkpoint(folder / "good.safetensors", model.state_dict(), model, self.preprocessor, Horizon(), facts)
        self.table = self.fleet.test.to_csv(index=False)
        self.text = self.fleet.test[list(COLUMNS)].to_csv(index=False, header=False, sep=" ")
        (folder / "good.csv").write_text(self.table)
        self.good, self.roles = str(folder / "own.csv"), ["--unit", "pump", "--cycle", "day", "--settings", "duty"]
        rows = range(1, 25)
        lines = [
            f"{pump},{day},{day * pump % 5 % 2},{day * 7 % 11},{day * pump % 7}" for pump in (1, 2, 3) for day in rows
        ]
        self.own = "\n".join(["pump,day,duty,flow,noise", *lines]) + "\n"
        (folder / "own.csv").write_text(self.own)
        own = fleet_from_frame(read_frame(self.good), unit="pump", cycle="day", settings=["duty"], test_fraction=0)
        fitted = Preprocessor(sensors=own.sensors, settings=own.settings).fit(own.train)
        horizon = Horizon(10, 20.0, (12.0, 4.0), "day")
        small = DualTaskModel(len(fitted.sensors), config).eval()
        kept = folder / "own.safetensors"
        save_checkpoint(kept, small.state_dict(), small, fitted, horizon, {"data": {}}, columns=own.columns)
        self.model = (folder / "good.safetensors").read_bytes()
        self.tensors = load(self.model)
        (length,) = struct.unpack("<Q", self.model[:8])
        self.facts = json.loads(json.loads(self.model[8 : 8 + length])["__metadata__"]["facts"])
        code, self.answer, complaint = answered(self.predict(folder / "good.safetensors"))
        assert (code, complaint) == (0, "")

    def predict(self, model: Path, table: Path | None = None) -> list[str]:
        return ["predict", str(model), str(table or self.folder / "good.csv")]

    def case(self, kind: str, rng: random.Random) -> Case:
        """One case of a kind in :data:`KINDS`."""
        return KINDS[kind](self, rng)

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def damaged_checkpoint(self, rng: random.Random) -> Case:
        path = self.write("bad.safetensors", damaged(rng, self.model))
        return Case("checkpoint, damaged", self.predict(path), same=self.answer)

    def forged_checkpoint(self, rng: random.Random) -> Case:
        """One whose checksum is right: somebody wrote it so."""
        path, tensors, facts = self.folder / "forged.safetensors", dict(self.tensors), self.facts
        if rng.random() < 0.3:
            name = rng.choice(sorted(tensors))
            tensors |= rng.choice(FORGERIES)(name, tensors.pop(name))
        else:
            facts = changed(rng, facts)
        try:
            save_tensors(path, tensors, facts)
        except (ValueError, TypeError, OverflowError):
            return self.forged_checkpoint(rng)
        return Case("checkpoint, forged", self.predict(path))

    def damaged_record(self, rng: random.Random) -> Case:
        content = json.dumps(changed(rng, RECORD) if rng.random() < 0.6 else RECORD).encode()
        if rng.random() < 0.5:
            content = damaged(rng, content)
        self.write("runs/demo-baseline-compact-0/record.json", content)
        toml = self.write("good.toml", SWEEP.encode())
        return Case("record", ["sweep", str(toml), "--plan", "--out", str(self.folder / "runs")])

    def damaged_sweep(self, rng: random.Random) -> Case:
        content = garbled(rng, SWEEP) if rng.random() < 0.7 else damaged(rng, SWEEP.encode())
        toml = self.write("bad.toml", content)
        return Case("sweep", ["sweep", str(toml), "--plan", "--out", str(self.folder / "none")])

    def damaged_table(self, rng: random.Random) -> Case:
        content = garbled(rng, self.table) if rng.random() < 0.7 else damaged(rng, self.table.encode())
        return Case("table", self.predict(self.folder / "good.safetensors", self.write("bad.csv", content)))

    def damaged_text(self, rng: random.Random) -> Case:
        content = garbled(rng, self.text) if rng.random() < 0.7 else damaged(rng, self.text.encode())
        return Case("text", self.predict(self.folder / "good.safetensors", self.write("bad.txt", content)))

    def damaged_zip(self, rng: random.Random) -> Case:
        packed = io.BytesIO()
        rul = "\n".join(map(str, self.fleet.test_rul.tolist())) + "\n"
        with zipfile.ZipFile(packed, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            for number in range(1, 5):
                for part, text in (("train", self.text), ("test", self.text), ("RUL", rul)):
                    archive.writestr(f"{part}_FD00{number}.txt", text)
        path = self.write("bad.zip", damaged(rng, packed.getvalue()))
        return Case("zip", ["data", "--dataset", "FD001", "--no-verify", "--root", str(path)])

    def own_file(self, rng: random.Random) -> Case:
        """A damaged file of somebody's own, looked at or evaluated."""
        content = garbled(rng, self.own) if rng.random() < 0.7 else damaged(rng, self.own.encode())
        path = self.write(f"own-{rng.randrange(2)}.csv", content)
        if rng.random() < 0.3:
            given = ["evaluate", str(self.folder / "own.safetensors"), str(path)]
            rul = self.write("left.txt", damaged(rng, b"3\n5\n8\n")) if rng.random() < 0.5 else None
            given += ["--out", str(self.folder / "p.svg")] + (["--test-rul", str(rul)] if rul else [])
            return Case("own file", given)
        return Case("own file", ["data", str(path), *self.roles])

    def own_option(self, rng: random.Random) -> Case:
        """Hostile words for the options that say what a file holds."""
        options = [
            *("--unit", "--cycle", "--settings", "--sensors", "--test", "--test-rul", "--test-fraction", "--test-seed"),
            *("--window", "--cap", "--thresholds", "--time-unit", "--name", "--dataset", "--plot"),
        ]
        words = [
            *TOKENS,
            "pump",
            "day",
            "flow",
            "flow,flow",
            "12,4",
            "4,12",
            "1e999,1",
            "1,2,3",
            "/dev/null",
            "..",
            "demo",
        ]
        given = [f"{rng.choice(options)}={rng.choice(words)}" for _ in range(rng.randint(1, 3))]
        # What would be written is written where nobody looks.
        given = [one if not one.startswith("--plot") else f"--plot={self.folder}/{one[7:][:40]}" for one in given]
        files = rng.choice([[self.good], [self.good, self.good], [str(self.folder)], [self.good, "demo"], ["\0"], [""]])
        return Case("own option", ["data", *files, *(self.roles if rng.random() < 0.5 else []), *given])

    def wrong_option(self, rng: random.Random) -> Case:
        options = [
            "--seed",
            "--epochs",
            "--batch-size",
            "--learning-rate",
            "--method",
            "--preset",
            "--clip-norm",
            "--out",
        ]
        # There is no data, so that what passes trains nothing.
        given = [f"{rng.choice(options)}={rng.choice(TOKENS)}" for _ in range(rng.randint(1, 3))]
        nowhere = ["--root", str(self.folder / "nowhere")]
        return Case("option", ["train", "--dataset", "FD001", *nowhere, *given])


KINDS: dict[str, Callable[[Workshop, random.Random], Case]] = {
    "damaged checkpoint": Workshop.damaged_checkpoint,
    "forged checkpoint": Workshop.forged_checkpoint,
    "record": Workshop.damaged_record,
    "sweep": Workshop.damaged_sweep,
    "table": Workshop.damaged_table,
    "text": Workshop.damaged_text,
    "zip": Workshop.damaged_zip,
    "option": Workshop.wrong_option,
    "own file": Workshop.own_file,
    "own option": Workshop.own_option,
}

FORGERIES: list[Callable[[str, torch.Tensor], dict[str, torch.Tensor]]] = [
    lambda name, tensor: {},
    lambda name, tensor: {f"{name}.more": tensor},
    lambda name, tensor: {name: tensor.unsqueeze(0)},
    lambda name, tensor: {name: tensor.reshape(-1)[:0]},
    lambda name, tensor: {name: tensor.to(torch.float16)},
    lambda name, tensor: {name: tensor.to(torch.bfloat16)},
    lambda name, tensor: {name: tensor.to(torch.int32)},
    lambda name, tensor: {name: torch.full_like(tensor.float(), float("nan"))},
    lambda name, tensor: {name: torch.full_like(tensor.float(), float("inf"))},
    lambda name, tensor: {name: -tensor.abs() - 1},
]


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Flipped bits, a cut, a piece more, a piece twice."""
    made, where = bytearray(content), rng.randrange(len(content))
    length = rng.randint(1, 64)
    kind = rng.randrange(6)
    if kind <= 2:
        for _ in range(1 if kind else rng.randint(2, 5)):
            # The head of a file is small and full of meaning.
            at = rng.randrange(min(len(made), rng.choice([64, 4096, len(made)])))
            made[at] ^= 1 << rng.randrange(8)
    elif kind == 3:
        del made[where : where + rng.choice([length, len(made)])]
    elif kind == 4:
        made[where:where] = rng.randbytes(length)
    else:
        made[where:where] = made[max(0, where - length) : where]
    return bytes(made)


def changed(rng: random.Random, facts: Any) -> Any:
    """The same JSON with one entry replaced, removed, added or wrapped."""
    made = copy.deepcopy(facts)
    places = list(_places(made))
    holder, key = rng.choice(places)
    kind = rng.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice(["new", "", "é", "columns"])] = rng.choice(VALUES)
    elif kind == 2:
        for _ in range(rng.choice([1, 2, 700])):
            holder[key] = [holder[key]]
    elif kind == 3:
        return rng.choice(VALUES)
    else:
        holder[key] = copy.deepcopy(rng.choice(VALUES))
    return made


def _places(node: Any) -> Any:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in list(keys):
        yield node, key
        yield from _places(node[key])


def garbled(rng: random.Random, text: str) -> bytes:
    """The same text with some of its words, fields or lines replaced, doubled, swapped or dropped."""
    lines = text.splitlines(keepends=True)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        kind = rng.randrange(5)
        if kind == 0:
            lines[at] = lines[rng.randrange(len(lines))]
        elif kind == 1:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif kind == 2 and len(lines) > 1:
            del lines[at]
        else:
            separator = rng.choice([",", " ", "=", '"', "["])
            fields = lines[at].split(separator)
            place = rng.randrange(len(fields))
            fields[place : place + rng.randint(0, 1)] = [rng.choice(TOKENS)] * rng.randint(0, 2)
            lines[at] = separator.join(fields)
    coding = rng.choice(["utf-8"] * 8 + ["utf-16", "utf-8-sig", "latin-1"])
    return "".join(lines).encode(coding, errors="replace")


def answered(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command; what escapes it is the caller's."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else -1
    return code, out.getvalue(), err.getvalue()


def fault(case: Case) -> str:
    """What is wrong with the answer to a case; empty if nothing is."""
    try:
        code, out, err = answered(case.arguments)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__} left the command: {error}"
    if code in (129, 130, 143):
        # Somebody stopped us, and not the command alone.
        raise KeyboardInterrupt
    complaints = [line for line in err.splitlines() if not line.startswith("rulbook: warning: ")]
    if code not in (0, 1, 2):
        return f"exit code {code}: {err}"
    if "Traceback" in err:
        return f"a traceback: {err}"
    usage = complaints and complaints[0].startswith("usage: ")
    if not usage and len(complaints) != (0 if code == 0 else 1):
        return f"exit code {code} with {len(complaints)} lines of complaint: {err}"
    if not usage and len("".join(complaints)) > 1200:
        return f"a complaint of {len(err)} characters: {err[:300]}"
    if case.same is not None and code == 0 and out != case.same:
        return f"another answer in silence: {out[:300]}"
    if case.arguments[0] == "predict" and code == 0 and _not_finite(out):
        return f"a prediction that is not finite: {out[:300]}"
    return ""


def _not_finite(table: str) -> bool:
    lines = [line.split(",") for line in table.splitlines()[1:]]
    return any(line[-3:-2] in ([""], ["nan"], ["inf"], ["-inf"]) for line in lines)
