"""Finding, fetching and refusing files, on small archives that are made here."""

from __future__ import annotations

import functools
import http.server
import multiprocessing
import random
import threading
import time
import warnings

import pandas as pd
import pytest
from nasafiles import zipped

from rulbook.data import cache_folder, download_cmapss, engine_runs, fetch, load_cmapss
from rulbook.data.fetch import Archive
from rulbook.data.sources.cmapss import ARCHIVE, CMAPSS_FILES


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
        ARCHIVE.unpack(archive, tmp_path / "out", verify=False)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["evil.zip"]


def test_other_members_are_never_written(tmp_path, fake_files):
    archive = tmp_path / "more.zip"
    archive.write_bytes(zipped({"run_me.py": b"print()", **fake_files}))
    folder = ARCHIVE.unpack(archive, tmp_path / "out", verify=False)
    assert sorted(file.name for file in folder.iterdir()) == sorted(CMAPSS_FILES)


def test_an_archive_without_all_files_or_cut_off_is_refused(tmp_path, fake_files, outer_zip):
    archive = tmp_path / "some.zip"
    archive.write_bytes(zipped({name: fake_files[name] for name in CMAPSS_FILES[1:]}))
    with pytest.raises(ValueError, match=r"some\.zip lacks train_FD001\.txt"):
        ARCHIVE.unpack(archive, tmp_path / "out", verify=False)
    archive.write_bytes(outer_zip[: len(outer_zip) // 2])
    with pytest.raises(ValueError, match=r"some\.zip is not a whole zip archive"):
        ARCHIVE.unpack(archive, tmp_path / "out", verify=False)


def test_a_member_far_too_large_is_refused(tmp_path, fake_files):
    archive = tmp_path / "bomb.zip"
    archive.write_bytes(zipped({**fake_files, "train_FD001.txt": bytes(65 * 2**20)}))
    with pytest.raises(ValueError, match=r"holds train_FD001\.txt of 68,157,440 bytes"):
        ARCHIVE.unpack(archive, tmp_path / "out", verify=False)


@pytest.mark.real_data
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.replace(b"\n", b"\r"),
        lambda content: b"".join(line.rstrip() + b"\n" for line in content.splitlines()),
        lambda content: content.rstrip(),
        lambda content: b"\xef\xbb\xbf" + content.replace(b" ", b"\t"),
    ],
    ids=["CRLF", "CR", "no trailing blanks", "no last line end", "a mark and tabs"],
)
def test_nasas_numbers_are_known_again_whatever_an_editor_did_to_the_lines(tmp_path, cmapss_folder, change):
    for part in ("train", "test", "RUL"):
        name = f"{part}_FD001.txt"
        (tmp_path / name).write_bytes(change((cmapss_folder / name).read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fleet = load_cmapss("FD001", tmp_path)
    expected = load_cmapss("FD001", cmapss_folder)
    pd.testing.assert_frame_equal(fleet.train, expected.train)
    assert fleet.test_rul.tolist() == expected.test_rul.tolist()


@pytest.mark.real_data
def test_one_digit_changed_is_another_file_and_the_remedy_exists_on_the_command_line(tmp_path, cmapss_folder):
    for part in ("train", "test", "RUL"):
        name = f"{part}_FD001.txt"
        (tmp_path / name).write_bytes((cmapss_folder / name).read_bytes().replace(b"518.67", b"518.66", 1))
    with pytest.raises(ValueError, match=r"train_FD001\.txt .* holds other numbers\. .*as root \(--root\)"):
        load_cmapss("FD001", tmp_path)


def damaged(archive, change):
    content = bytearray(archive)
    change(content)
    return bytes(content)


def marked(content, head, offset, value):
    place = content.find(head)
    while place >= 0:
        content[place + offset] = value
        place = content.find(head, place + 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: (marked(c, b"PK\x03\x04", 6, 1), marked(c, b"PK\x01\x02", 8, 1)),
            r"own\.zip is encrypted: unpack it with its password",
        ),
        (
            lambda c: (marked(c, b"PK\x03\x04", 8, 99), marked(c, b"PK\x01\x02", 10, 99)),
            r"own\.zip is not a whole zip archive: That compression method is not supported",
        ),
        (lambda c: c.__setitem__(slice(80, 140), bytes(60)), r"own\.zip is not a whole zip archive"),
        (lambda c: c.__delitem__(slice(-100, None)), r"own\.zip is not a whole zip archive"),
        (lambda c: c.clear(), r"own\.zip is not a whole zip archive"),
    ],
    ids=["encrypted", "unknown method", "damaged stream", "cut off", "empty"],
)
def test_an_archive_that_cannot_be_read_is_refused_in_one_line(tmp_path, inner_zip, own_cache, change, message):
    (tmp_path / "own.zip").write_bytes(damaged(inner_zip, change))
    with pytest.raises(ValueError, match=message) as refusal:
        load_cmapss("FD001", tmp_path / "own.zip")
    assert "\n" not in str(refusal.value)


def test_an_archive_with_any_bytes_changed_is_read_or_refused(tmp_path, fake_files):
    content = zipped({name: text[:200] for name, text in fake_files.items()})
    rng, target, refused = random.Random(0), tmp_path / "out", []
    for number in range(150):
        broken = bytearray(content)
        for _ in range(rng.choice([1, 1, 4])):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        (tmp_path / "own.zip").write_bytes(broken)
        try:
            ARCHIVE.unpack(tmp_path / "own.zip", target / str(number), verify=False)
        except ValueError as error:
            refused.append((number, str(error)))
    assert len(refused) > 50
    assert all("own.zip" in message and "\n" not in message for _, message in refused)
    assert not any((target / str(number)).exists() for number, _ in refused)


def test_a_member_of_an_inner_archive_far_too_large_is_refused(tmp_path, fake_files):
    archive = tmp_path / "bomb.zip"
    archive.write_bytes(zipped({"CMAPSSData.zip": zipped({**fake_files, "train_FD001.txt": bytes(65 * 2**20)})}))
    with pytest.raises(ValueError, match="NASA's is far smaller"):
        ARCHIVE.unpack(archive, tmp_path / "out", verify=False)
    assert not (tmp_path / "out").exists()


def test_a_cache_with_one_of_twelve_files_is_not_complete(own_cache, fake_files, fake_checksums, served, monkeypatch):
    folder = cache_folder()
    folder.mkdir(parents=True)
    (folder / CMAPSS_FILES[0]).write_bytes(fake_files[CMAPSS_FILES[0]])
    fetched = []

    def download(archive, target):
        fetched.append(target)
        return download_cmapss(target, url=f"{served}/nasa.zip", checksums=fake_checksums, progress=False)

    with monkeypatch.context() as patched:
        real, once = Archive.download, []

        def first(archive, target, **others):
            if once:
                return real(archive, target, **others)
            once.append(archive)
            return download(archive, target)

        patched.setattr(Archive, "download", first)
        assert ARCHIVE.found() == folder
        assert sorted(file.name for file in folder.iterdir()) == sorted(CMAPSS_FILES)
        ARCHIVE.found()
    assert fetched == [folder]


def test_a_stop_between_writing_and_moving_leaves_old_files_or_new_ones(tmp_path, inner_zip, fake_files, monkeypatch):
    (tmp_path / "own.zip").write_bytes(inner_zip)
    target = tmp_path / "out"
    target.mkdir()
    (target / CMAPSS_FILES[1]).write_bytes(b"the old one")
    moved, replace = [], type(target).replace

    def stopped(beside, place):
        moved.append(beside.read_bytes())
        if len(moved) == 2:
            raise KeyboardInterrupt
        return replace(beside, place)

    monkeypatch.setattr(type(target), "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        ARCHIVE.unpack(tmp_path / "own.zip", target, verify=False)
    # The content was whole before its name was given to it.
    assert moved == [fake_files[name] for name in CMAPSS_FILES[:2]]
    assert {file.name: file.read_bytes() for file in target.iterdir()} == {
        CMAPSS_FILES[0]: fake_files[CMAPSS_FILES[0]],
        CMAPSS_FILES[1]: b"the old one",
    }


def _unpack(arguments):
    return str(ARCHIVE.unpack(*arguments, verify=False))


def test_several_at_once_leave_one_whole_cache(tmp_path, inner_zip, fake_files):
    (tmp_path / "own.zip").write_bytes(inner_zip)
    jobs = [(tmp_path / "own.zip", tmp_path / "out")] * 4
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        others = pool.map_async(_unpack, jobs)
        threads = [threading.Thread(target=_unpack, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        others.get(timeout=120)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == fake_files


class _Hostile(_Quiet):
    def do_GET(self):
        self.send_response(200)
        if self.path == "/promises":
            self.send_header("Content-Length", str(2**40))
        elif self.path == "/cut":
            self.send_header("Content-Length", "1000")
        self.end_headers()
        try:
            if self.path == "/trickle":
                for _ in range(100):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.02)
            elif self.path == "/endless":
                while True:
                    self.wfile.write(bytes(1 << 16))
            else:
                self.wfile.write(b"short")
        except OSError:
            pass


def test_a_download_has_a_limit_of_time_and_of_size(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetch, "_LONGEST_S", 0.5)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hostile) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        for path, message in [
            ("/trickle", r"only \d+ bytes came within 0\.5 seconds"),
            ("/promises", "1,099,511,627,776 bytes are offered"),
            ("/cut", "the connection ended after 5 of 1,000 bytes"),
        ]:
            with pytest.raises(OSError, match=message):
                download_cmapss(tmp_path / "out", url=address + path, progress=False)
        monkeypatch.setattr(fetch, "_LARGEST_ARCHIVE", 1 << 20)
        with pytest.raises(OSError, match="more than 1,048,576 bytes came"):
            download_cmapss(tmp_path / "out", url=address + "/endless", progress=False)
        server.shutdown()
        thread.join()
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/x", "nonsense"):
        with pytest.raises(OSError, match="only http and https are fetched"):
            download_cmapss(tmp_path / "out", url=url, progress=False)
    assert not (tmp_path / "out").exists()
