"""Files that appear whole or not at all."""

import os
import stat
import time

import pytest

from vgglib.machine.files import atomic_write, check_writable


def test_a_file_is_written_and_its_folder_made(tmp_path):
    path = tmp_path / "new" / "deep" / "file.bin"
    with atomic_write(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert os.listdir(path.parent) == ["file.bin"]


def test_a_file_is_replaced_only_at_the_end(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_half_way_leaves_the_old_file_and_no_litter(tmp_path, error):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]


def test_an_error_half_way_leaves_nothing_where_nothing_was(tmp_path):
    with pytest.raises(ValueError, match="broken"), atomic_write(tmp_path / "file.bin"):
        raise ValueError("broken")
    assert not os.listdir(tmp_path)


def test_a_failing_replace_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    def fail(*paths):
        raise OSError("disk full")

    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"), atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]


def test_what_a_killed_process_left_of_a_file_is_removed_after_an_hour(tmp_path):
    path = tmp_path / "a[1].pt"  # a name that is a pattern, too
    old, young, other = (tmp_path / f".{name}.part" for name in ("a[1].pt.x", "a[1].pt.y", "b.z"))
    for part in (old, young, other):
        part.touch()
    two_hours_ago = time.time() - 7200
    for part in (old, other):
        os.utime(part, (two_hours_ago, two_hours_ago))
    with atomic_write(path) as file:
        file.write(b"whole")
    assert {*tmp_path.iterdir()} == {path, young, other}


def test_the_file_can_be_read_by_those_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "file.bin"):
            pass
        assert stat.S_IMODE((tmp_path / "file.bin").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027  # reading the umask has not changed it
    finally:
        os.umask(before)


def test_check_writable_makes_the_folder_and_leaves_it_empty(tmp_path):
    check_writable(tmp_path / "new" / "deep", "results")
    assert os.listdir(tmp_path / "new" / "deep") == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_place_of_the_folder_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=f"cannot write results to '.*{name}' .*: choose a folder"):
        check_writable(tmp_path / name, "results")


def test_a_folder_that_takes_no_files_is_refused(tmp_path, monkeypatch):
    def refuse(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("vgglib.machine.files.tempfile.TemporaryFile", refuse)
    with pytest.raises(OSError, match=r"cannot write results .*\(Permission denied\): choose"):
        check_writable(tmp_path, "results")
