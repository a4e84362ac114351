"""One run has a folder at a time: the second is told who has it, and a killed run has it no more."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pai_modelscope.errors import UserError
from pai_modelscope.training.ownership import STATE_FOLDER
from tests.support.command_line import names
from tests.support.training_runs import Table, run
from tests.training.test_run_folder import contents


class Waiting(Table):
    """Its second batch comes when the file `go` is there."""

    def __init__(self, go: Path):
        super().__init__()
        self.go = go

    def batch(self, *args):
        if len(self.seen) == 1:
            self.go.with_name("waits").touch()
            while not self.go.exists():
                threading.Event().wait(0.02)
        return super().batch(*args)


HOLD = """
import sys
from pathlib import Path
from tests.training.test_run_lock import Waiting
from tests.support.training_runs import run

run(Path(sys.argv[1]), table=Waiting(Path(sys.argv[2])), checkpointing_steps=1)
"""


def holding(folder: Path, go: Path) -> subprocess.Popen:
    """Another process that is in the midst of a run."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), str(go)], stderr=subprocess.DEVNULL)
    for _ in range(6000):
        if go.with_name("waits").exists():
            return process
        assert process.poll() is None
        threading.Event().wait(0.02)
    raise AssertionError("it never came to its second batch")


def test_a_second_run_is_told_who_has_the_folder_and_a_killed_one_has_it_no_more(tmp_path):
    first = holding(tmp_path / "run", tmp_path / "go")
    before = contents(tmp_path / "run")
    for options in ({}, {"overwrite_output_dir": True, "resume_from_checkpoint": None}):
        with pytest.raises(UserError, match=rf"run is in use by another run, process {first.pid} on .*, since 20"):
            run(tmp_path / "run", **options)
        assert contents(tmp_path / "run") == before
    first.send_signal(signal.SIGKILL)
    first.wait()
    (tmp_path / "run" / STATE_FOLDER / "unfinished/checkpoint-2").mkdir()
    assert run(tmp_path / "run")[1]["finished"]
    assert names(tmp_path / "run" / STATE_FOLDER) == ["lock", "made.json", "unfinished"]
    assert names(tmp_path / "run" / STATE_FOLDER / "unfinished") == []


def test_two_threads_of_a_process_do_not_share_a_folder(tmp_path):
    errors = []

    def second():
        with pytest.raises(UserError, match="in use by another run of this process") as error:
            run(tmp_path)
        errors.append(error)

    class Threading(Table):
        def batch(self, *args):
            if not self.seen:
                thread = threading.Thread(target=second)
                thread.start()
                thread.join()
            return super().batch(*args)

    assert run(tmp_path, table=Threading())[1]["finished"] and errors
    assert run(tmp_path)[1]["finished"]


def test_what_was_left_by_another_machine_is_told(tmp_path):
    """A file system may keep the locks of each machine apart; a pod that was moved must go on all the same."""
    run(tmp_path, max_train_steps=1)
    holder = {"process": 7, "host": "other\x1b[31m", "since": "2026-01-01"}
    (tmp_path / STATE_FOLDER / "holder.json").write_text(json.dumps(holder))
    with pytest.warns(UserWarning, match=r"left by another run, process 7 on other\\x1b\[31m, since 2026-01-01"):
        assert run(tmp_path)[1]["finished"]


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    from pai_modelscope.training import lock

    def no_locks(*_, **__):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.FileLock, "acquire", no_locks)
    with pytest.warns(UserWarning, match="can't be locked .*see to it that no other run"):
        assert run(tmp_path)[1]["finished"]
