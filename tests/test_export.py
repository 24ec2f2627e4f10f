"""What is exported says what predict says: TorchScript, a trace, torch.export, ONNX."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import onnxruntime
import pytest
import torch

from rulbook.checkpoint import Checkpoint
from rulbook.data import demo_fleet, fleet_from_frame, prepare
from rulbook.export import Deployed, save_onnx
from rulbook.inference import predict
from rulbook.model import DualTaskModel

WINDOW = 6


def made(fleet):
    data = prepare(fleet, window=WINDOW, max_rul=90, seed=0)
    torch.manual_seed(0)
    model = DualTaskModel(data.train.rows.shape[1], "compact", initial_rul=80.0).eval()
    with torch.no_grad():  # so that engines differ, and none is clamped
        model.rul_head[-1].weight *= 2000.0
        model.rul_head[-1].bias -= model(data.test.tensors()[0])[0].mean() - 45.0
    return Checkpoint(model, data.preprocessor, data.horizon, {})


def last_windows(deployed, table):
    rows = table.groupby("unit", sort=False).tail(WINDOW)
    engines = table["unit"].nunique()
    return [
        torch.tensor(rows[columns].to_numpy(dtype=np.float64).reshape(engines, WINDOW, len(columns)))
        for columns in (deployed.settings, deployed.sensors)
    ]


@pytest.fixture(scope="module")
def fleet():
    return demo_fleet(engines=5, test_engines=5, seed=3)


@pytest.fixture(scope="module")
def checkpoint(fleet):
    return made(fleet)


def assert_says(answers, checkpoint, table):
    rul, probabilities = (np.asarray(answer) for answer in answers)
    said = predict(checkpoint, table)
    np.testing.assert_allclose(rul, said["rul"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(probabilities.max(axis=1), said["probability"], rtol=1e-4)
    names = np.array(["normal", "degrading", "critical"])
    assert names[probabilities.argmax(axis=1)].tolist() == said["health"].tolist()


def test_the_module_says_what_predict_says(checkpoint, fleet):
    deployed = Deployed(checkpoint)
    settings, sensors = last_windows(deployed, fleet.test)
    with torch.no_grad():
        answers = deployed(settings, sensors)
        assert_says(answers, checkpoint, fleet.test)
        alone = deployed(settings[:1], sensors[:1])
    assert answers[0].std() > 0.1
    torch.testing.assert_close(alone[0], answers[0][:1], rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        checkpoint.model.rul_head[-1].bias += 1000.0
        assert (deployed(settings, sensors)[0] == 90).all()
        checkpoint.model.rul_head[-1].bias -= 2000.0
        assert (deployed(settings, sensors)[0] == 0).all()
        checkpoint.model.rul_head[-1].bias += 1000.0


def test_a_fleet_without_settings_is_exported_too(fleet):
    table = fleet.train.drop(columns=list(fleet.settings))
    own = made(fleet_from_frame(table, settings=[], sensors=list(fleet.sensors)))
    deployed = Deployed(own)
    table = fleet.test.drop(columns=list(fleet.settings))
    with torch.no_grad():
        assert_says(deployed(*last_windows(deployed, table)), own, table)


def test_onnx_says_what_predict_says_and_no_class_of_a_broken_sensor(checkpoint, fleet, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's exporter warns about its own LSTM.
        path = save_onnx(checkpoint, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def answers(settings, sensors):
        return session.run(["rul", "probabilities"], {"settings": settings.numpy(), "sensors": sensors.numpy()})

    deployed = Deployed(checkpoint)
    settings, sensors = last_windows(deployed, fleet.test)
    whole = answers(settings, sensors)
    assert_says(whole, checkpoint, fleet.test)
    for one in (answers(settings[1:2], sensors[1:2]), answers(settings[1:4], sensors[1:4])):
        np.testing.assert_allclose(one[0][0], whole[0][1], rtol=1e-4)
    for engine, value in enumerate((np.nan, np.inf, -1e300, 1e12)):
        sensors[engine, 3, 2] = value
    rul, probabilities = answers(settings, sensors)
    assert np.isnan(rul[:4]).all()
    assert np.isnan(probabilities[:4]).all()
    np.testing.assert_allclose(rul[4], whole[0][4], rtol=1e-4)
    settings[4, 0, 0] = np.nan
    assert np.isnan(answers(settings, sensors)[1]).all()


# TorchScript reads source: in a process of its own, where no import hook has put a check around each function.
SCRIPT = """
import sys, warnings
sys.path.insert(0, "tests")
import torch
from rulbook.model import DualTaskModel
from rulbook.export import Deployed
from test_export import demo_fleet, last_windows, made

warnings.simplefilter("ignore")
fleet = demo_fleet(engines=5, test_engines=5, seed=3)
deployed = Deployed(made(fleet))
inputs = last_windows(deployed, fleet.test)
dynamic = tuple({0: torch.export.Dim("batch", min=1)} for _ in inputs)
forms = {
    "script": torch.jit.script(deployed),
    "trace": torch.jit.trace(deployed, inputs),
    "export": torch.export.export(deployed, tuple(inputs), dynamic_shapes=dynamic).module(),
}
for name, form in forms.items():
    for part in (inputs, [tensor[:3] for tensor in inputs]):
        for one, other in zip(form(*part), deployed(*part), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    print(name, "agrees")
x = torch.randn(5, 6, 14)
for preset in ("compact", "paper"):
    model = DualTaskModel(14, preset).eval()
    for one, other in zip(torch.jit.script(model)(x), model(x), strict=True):
        torch.testing.assert_close(one, other)
    print(preset, "agrees")
"""


def test_torchscript_trace_and_export_agree_with_the_module(request):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        cwd=request.config.rootpath,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(request.config.rootpath), os.environ.get("PYTHONPATH", "")]),
        },
        check=False,
    )
    assert done.returncode == 0, done.stderr
    forms = ("script", "trace", "export", "compact", "paper")
    assert done.stdout.splitlines() == [f"{form} agrees" for form in forms]
