"""Finding, fetching and refusing files, on small archives that are made here."""

from __future__ import annotations

import functools
import http.server
import threading

import pytest
from nasafiles import zipped

from rulbook.data import cache_folder, download_cmapss, engine_runs, load_cmapss
from rulbook.data.facts import CMAPSS_FILES
from rulbook.data.fetch import unpack_cmapss


@pytest.fixture
def served(tmp_path, outer_zip, monkeypatch):
    """The nested archive behind a local HTTP server, and the address of its folder."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = tmp_path / "site"
    site.mkdir()
    (site / "nasa.zip").write_bytes(outer_zip)
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_download_unpacks_the_nested_zip_into_the_cache(served, own_cache, fake_files, fake_checksums):
    folder = download_cmapss(url=f"{served}/nasa.zip", checksums=fake_checksums, progress=False)
    assert folder == cache_folder()
    assert own_cache in folder.parents
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == fake_files
    with pytest.warns(UserWarning, match="differs from NASA's file"):
        fleet = load_cmapss("FD003", verify=False)
    assert len(fleet.test_rul) == 2


def test_download_of_something_else_is_refused_and_leaves_nothing(served, own_cache):
    with pytest.raises(ValueError, match=r"train_FD001\.txt in cmapss\.zip differs from NASA's file"):
        download_cmapss(url=f"{served}/nasa.zip", progress=False)
    assert not cache_folder().exists()


def test_failed_download_says_what_to_do(served, own_cache):
    with pytest.raises(OSError, match=r"could not be fetched .* pass its path as root"):
        download_cmapss(url=f"{served}/gone.zip", progress=False)


@pytest.mark.parametrize("which", ["inner_zip", "outer_zip"])
def test_a_zip_is_a_root(which, request, tmp_path, own_cache):
    archive = tmp_path / "CMAPSSData.zip"
    archive.write_bytes(request.getfixturevalue(which))
    for _ in range(2):
        with pytest.warns(UserWarning, match="differs from NASA's file"):
            fleet = load_cmapss("FD002", archive, verify=False)
        assert fleet.train["unit"].tolist()[0] == 1


def test_the_variable_names_the_folder(fake_folder, monkeypatch):
    monkeypatch.setenv("RULBOOK_DATA", str(fake_folder))
    with pytest.raises(ValueError, match="verify=False"):
        load_cmapss("FD001")
    monkeypatch.setenv("RULBOOK_DATA", str(fake_folder / "nowhere"))
    with pytest.raises(ValueError, match=r"RULBOOK_DATA is .*nowhere': no such folder or zip"):
        load_cmapss("FD001")


def test_a_differing_file_is_named_and_loaded_only_on_request(fake_folder):
    with pytest.raises(ValueError, match=r"train_FD001\.txt in .* differs from NASA's file"):
        load_cmapss("FD001", fake_folder)
    with pytest.warns(UserWarning, match="differs from NASA") as caught:
        fleet = load_cmapss("FD001", fake_folder, verify=False)
    assert [str(warning.message).split()[0] for warning in caught] == [
        "train_FD001.txt",
        "test_FD001.txt",
        "RUL_FD001.txt",
    ]
    assert fleet.subset == "FD001"
    assert len(engine_runs(fleet.train).units) == 2


def test_unknown_subset():
    with pytest.raises(ValueError, match="subset is 'FD005': it must be one of FD001, FD002, FD003, FD004"):
        load_cmapss("FD005")


def test_missing_file(fake_folder):
    (fake_folder / "RUL_FD004.txt").unlink()
    with pytest.raises(ValueError, match=r"RUL_FD004\.txt is not in"):
        load_cmapss("FD004", fake_folder)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (
            lambda text: text[: len(text) // 2].rsplit(" ", 9)[0],
            r"train_FD001\.txt cannot be read: line \d+ has \d+ values",
        ),
        (lambda text: "", r"train_FD001\.txt cannot be read: it is empty"),
        (lambda text: text.replace("1 2 ", "1 -2 ", 1), r"train_FD001\.txt holds cycle -2 in row 2"),
        (lambda text: text.replace("100", "x", 1), r"line \d+ holds 'x.*' as setting_3: a finite number is wanted"),
        (lambda text: text.replace("100", "nan", 1), r"line \d+ holds 'nan' as setting_3: a finite number is wanted"),
        (lambda text: text.replace("100", "inf", 1), r"line \d+ holds 'inf' as setting_3: a finite number is wanted"),
        (lambda text: text.replace("1 2 ", "1.5 2 ", 1), r"line 2 holds '1\.5' as unit: a whole number is wanted"),
        (lambda text: text.replace("  \n", " 7\n", 3), r"line 1 has 27 values"),
        (lambda text: text.replace("  \n", " 7 7 7\n").replace(" 7 7 7\n", "  \n", 1), r"line 2 has 29 values"),
    ],
    ids=["cut off", "empty", "negative cycle", "text", "nan", "infinite", "half a unit", "27 columns", "29 columns"],
)
@pytest.mark.filterwarnings("ignore:.*differs from NASA's file")
def test_damaged_files_are_refused_even_on_request(fake_folder, keep, message):
    file = fake_folder / "train_FD001.txt"
    file.write_text(keep(file.read_text()))
    with pytest.raises(ValueError, match=message):
        load_cmapss("FD001", fake_folder, verify=False)


@pytest.mark.filterwarnings("ignore:.*differs from NASA's file")
@pytest.mark.parametrize(
    ("text", "message"), [("12\n", "RUL_FD001.txt has 1 values"), ("12\nx\n", "could not convert")]
)
def test_labels_must_match_the_engines(fake_folder, text, message):
    (fake_folder / "RUL_FD001.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_cmapss("FD001", fake_folder, verify=False)


@pytest.mark.parametrize("path", ["../train_FD001.txt", "/etc/train_FD001.txt", "a\\..\\..\\train_FD001.txt"])
def test_a_path_that_leads_out_of_the_archive_is_refused(tmp_path, fake_files, path):
    archive = tmp_path / "evil.zip"
    archive.write_bytes(zipped({**fake_files, path: b"1 1"}))
    with pytest.raises(ValueError, match="a path that leads out of it: nothing was unpacked"):
        unpack_cmapss(archive, tmp_path / "out", checksums=None)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["evil.zip"]


def test_other_members_are_never_written(tmp_path, fake_files):
    archive = tmp_path / "more.zip"
    archive.write_bytes(zipped({"run_me.py": b"print()", **fake_files}))
    folder = unpack_cmapss(archive, tmp_path / "out", checksums=None)
    assert sorted(file.name for file in folder.iterdir()) == sorted(CMAPSS_FILES)


def test_an_archive_without_all_files_or_cut_off_is_refused(tmp_path, fake_files, outer_zip):
    archive = tmp_path / "some.zip"
    archive.write_bytes(zipped({name: fake_files[name] for name in CMAPSS_FILES[1:]}))
    with pytest.raises(ValueError, match=r"some\.zip lacks train_FD001\.txt"):
        unpack_cmapss(archive, tmp_path / "out", checksums=None)
    archive.write_bytes(outer_zip[: len(outer_zip) // 2])
    with pytest.raises(ValueError, match=r"some\.zip is not a whole zip archive"):
        unpack_cmapss(archive, tmp_path / "out", checksums=None)


def test_a_member_far_too_large_is_refused(tmp_path, fake_files):
    archive = tmp_path / "bomb.zip"
    archive.write_bytes(zipped({**fake_files, "train_FD001.txt": bytes(65 * 2**20)}))
    with pytest.raises(ValueError, match=r"holds train_FD001\.txt of 68,157,440 bytes"):
        unpack_cmapss(archive, tmp_path / "out", checksums=None)
