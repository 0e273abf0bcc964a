import errno

import pytest

from lodesmith.core.errors import EngineError, explain_os_error
from lodesmith.core.storage import hash_json, read_json, replace_file, write_json


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "state.json"
    write_json(path, {"step": 1})

    def write_half():
        with replace_file(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert read_json(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_hash_of_json_depends_on_values_and_not_on_key_order():
    assert hash_json({"a": 1, "b": [2]}) == hash_json({"b": [2], "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": "1"})


def test_a_full_disk_is_explained_and_other_faults_are_not():
    clear = explain_os_error(OSError(errno.ENOSPC, "full", "/x/y"), doing="making prepare-1")
    assert isinstance(clear, EngineError)
    assert "no space left on the disk while making prepare-1 (/x/y)" in str(clear)
    assert explain_os_error(OSError(errno.ENOENT, "gone"), doing="x") is None
