"""``rulbook evaluate``: scores, labels and the picture."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from modelfile import model_file

from rulbook.checkpoint import load_checkpoint
from rulbook.cli import main
from rulbook.data import demo_fleet, load_cmapss, prepare
from rulbook.inference import evaluate
from rulbook.runs.plots import save_figure


def test_evaluate_prints_what_the_record_says_and_draws(run_folder, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    assert main(["evaluate", str(run_folder / "best.safetensors"), "--out", str(picture)]) == 0
    record = json.loads((run_folder / "record.json").read_text())
    assert f"RMSE             {record['test']['rmse']:8.2f} cycles" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.real_data
def test_evaluate_takes_data_window_and_cap_from_the_model_and_labels_as_given_on_request(
    cmapss_folder, tmp_path, capsys
):
    fleet = load_cmapss("FD001", cmapss_folder)
    file = model_file(tmp_path / "m", fleet, {"data": {"subset": "FD001"}}, window=20, max_rul=100)
    checkpoint = load_checkpoint(file)
    printed = {}
    for labels, flags in (("capped", []), ("as given", ["--uncapped"])):
        assert main(["evaluate", file, "--root", str(cmapss_folder), "--out", str(tmp_path / "p.png"), *flags]) == 0
        printed[labels] = capsys.readouterr().out
        assert f"FD001: 100 test engines, labels {labels}" in printed[labels]
    data = prepare(fleet, window=20, max_rul=100)
    for labels, windows in (("capped", data.test), ("as given", data.test.capped_at(None))):
        # The statistics of the file, not those of the split.
        table = checkpoint.preprocessor.transform(fleet.test)
        windows = type(windows)(**{**vars_of(windows), "rows": table})
        scores = evaluate(checkpoint.model, windows, max_rul=100.0).scores()
        assert f"RMSE             {scores['rmse']:8.2f} cycles" in printed[labels]
        assert f"NASA score       {scores['nasa_score']:8.1f}" in printed[labels]
    assert printed["capped"] != printed["as given"]


def vars_of(windows):
    return {field.name: getattr(windows, field.name) for field in fields(windows)}


@pytest.mark.parametrize("facts", [{"data": {"subset": "own"}}, {}, {"data": 3}, {"data": {"subset": ["FD001"]}}])
def test_a_model_of_an_own_fleet_says_that_its_engines_are_in_no_file_here(tmp_path, capsys, facts):
    file = model_file(tmp_path / "m", demo_fleet(engines=3, test_engines=2), facts)
    assert main(["evaluate", file]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a fleet of your own, and there is no file here with its test engines" in line
    assert "--dataset" in line
    assert main(["evaluate", file, "--dataset", "demo", "--out", str(tmp_path / "p.png")]) == 0


@pytest.mark.parametrize("name", ["noext", "p.png", "p.svg"])
def test_the_picture_is_where_evaluate_says(tmp_path, capsys, name):
    file = model_file(tmp_path / "m", demo_fleet(engines=3, test_engines=2), {"data": {"subset": "demo"}})
    assert main(["evaluate", file, "--out", str(tmp_path / name)]) == 0
    assert f"picture: {tmp_path / name}\n" in capsys.readouterr().out
    assert (tmp_path / name).read_bytes().startswith(b"<?xml" if name == "p.svg" else b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"m", name}


def test_a_picture_lets_go_of_its_figure_even_where_it_fails(tmp_path):
    import matplotlib.pyplot as plt

    for name in ("p.png", "p.nothing"):
        figure, _ = plt.subplots()
        if name == "p.png":
            save_figure(figure, tmp_path / name)
        else:
            with pytest.raises(ValueError, match=r"ends in \.nothing"):
                save_figure(figure, tmp_path / name)
        assert not plt.fignum_exists(figure.number)
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
