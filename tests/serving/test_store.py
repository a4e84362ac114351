"""Jobs on the disk: states change once, a crash loses nothing, no job has two results."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pai_modelscope.errors import UserError
from pai_modelscope.serving.store import Drawn, Job, JobStore, State
from pai_modelscope.serving.waiting import Waiting


def job(id: str, **values: object) -> Job:
    return Job(id=id, client="ann", model="mini", request={"prompt": "熊猫", "seed": 3}, created=time.time(), **values)


def drawn(file: str, size: int = 10) -> Drawn:
    return Drawn(file=file, bytes=size, seed=3, prompt="熊猫", infotext="熊猫", flagged=False, width=64, height=64)


def test_a_job_comes_back_as_it_went(tmp_path: Path) -> None:
    kept = job("a", key="k", digest="d", format="webp", priority=1)
    JobStore(tmp_path / "jobs").add(kept)
    assert JobStore(tmp_path / "jobs").get("a") == kept
    assert JobStore(tmp_path / "jobs").get("b") is None


def test_a_key_is_one_job_of_each_client(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    first = store.add(job("a", key="k"))
    assert store.add(job("b", key="k")) == first and store.get("b") is None
    assert store.by_key("ann", "k") == first and store.by_key("bob", "k") is None
    other = Job(id="c", client="bob", model="mini", request={}, key="k", created=1.0)
    assert store.add(other).id == "c"


def test_states_change_once(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    store.add(job("a"))
    assert not store.finish("a", [drawn("1")]), "it was never begun"
    assert store.start("a") and not store.start("a")
    assert store.finish("a", [drawn("1")]) and not store.finish("a", [drawn("2")])
    assert not store.fail("a", "late") and not store.cancel("a")
    done = store.get("a")
    assert done and done.state is State.DONE and [each["file"] for each in done.pictures] == ["1"] and done.tries == 1
    store.add(job("b"))
    store.start("b")
    assert store.cancel("b") and not store.finish("b", [drawn("3")])
    assert store.get("b").state is State.CANCELLED and store.get("b").pictures == []


def test_after_a_crash_what_waited_waits_and_what_ran_runs_once_more(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    for id in ("done", "ran", "waits"):
        store.add(job(id))
    store.start("done")
    store.finish("done", [drawn("1")])
    store.start("ran")
    again = JobStore(tmp_path / "jobs")
    assert [each.id for each in again.recover()] == ["ran", "waits"]
    assert again.get("done").state is State.DONE and again.get("ran").request["seed"] == 3
    again.start("ran")
    last = JobStore(tmp_path / "jobs")
    assert [each.id for each in last.recover()] == ["waits"]
    ended = last.get("ran")
    assert ended.state is State.INTERRUPTED and ended.error and ended.ended


def test_what_is_old_or_too_much_goes_and_shared_files_stay(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    for id, file in (("old", "1"), ("mid", "2"), ("new", "3"), ("twin", "1")):
        store.add(job(id))
        store.start(id)
        store.finish(id, [drawn(file, 100)])
        time.sleep(0.01)
    store.add(job("waits"))
    before = store.get("mid").ended
    assert store.remove_old(before, 1000, 100) == [], "another job has the same picture"
    assert store.get("old") is None and store.get("mid") is not None
    assert store.remove_old(0.0, 250, 100) == ["2"]
    assert [each.id for each in store.of_client("ann")] == ["waits", "twin", "new"]
    assert store.files() == {"1", "3"}
    assert store.remove_old(0.0, 1000, 1) == ["3"]
    assert [each.id for each in store.of_client("ann")] == ["waits", "twin"]


def test_whoever_has_most_gives_way(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    for client, id, size in [("bob", "b", 90), *(("ann", f"a{number}", 50) for number in range(4))]:
        store.add(replace(job(id), client=client))
        store.start(id)
        store.finish(id, [drawn(id, size)])
        time.sleep(0.01)
    assert store.remove_old(0.0, 200, 100) == ["a0", "a1"], "bob's is the oldest, and of 100 of each he has less"
    assert store.remove_old(0.0, 1000, 2) == ["a2"]
    assert [each.id for each in (*store.of_client("ann"), *store.of_client("bob"))] == ["a3", "b"]


def test_words_are_sought_as_they_are(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    for number, prompt in enumerate(("一只熊猫", "100%纯白", "狐狸")):
        store.add(Job(id=str(number), client="ann", model="mini", request={"prompt": prompt}, created=1.0))
    assert [each.id for each in store.of_client("ann", words="熊猫")] == ["0"]
    assert [each.id for each in store.of_client("ann", words="0%")] == ["1"]
    assert store.of_client("bob") == [] and len(store.of_client("ann", most=2)) == 2


def test_other_files_and_newer_versions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"no database" * 100)
    with pytest.raises(UserError, match="no store of jobs"):
        JobStore(tmp_path / "garbage")
    JobStore(tmp_path / "jobs").close()
    with sqlite3.connect(tmp_path / "jobs") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="another version"):
        JobStore(tmp_path / "jobs")


_FIRST_VERSION = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, client TEXT NOT NULL, key TEXT,
    digest TEXT NOT NULL, model TEXT NOT NULL, request TEXT NOT NULL, format TEXT NOT NULL, priority INTEGER NOT NULL,
    state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL, started REAL, ended REAL,
    pictures TEXT NOT NULL DEFAULT '[]', error TEXT, UNIQUE (client, key)
);
INSERT INTO jobs (id, client, digest, model, request, format, priority, state, created, error) VALUES
    ('old', 'ann', '', 'mini', '{"prompt": "熊猫"}', 'png', 0, 'failed', 1.0, 'no memory'),
    ('waits', 'ann', '', 'mini', '{"prompt": "狐狸"}', 'png', 0, 'queued', 2.0, NULL);
PRAGMA user_version = 1;
"""


def test_jobs_of_the_first_version_are_kept_and_new_ones_can_be_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "jobs") as db:
        db.executescript(_FIRST_VERSION)
    for _ in range(2):  # the second finds it done
        store = JobStore(tmp_path / "jobs")
        assert [each.id for each in store.recover()] == ["waits"]
        old = store.get("old")
        assert old and (old.state, old.error, old.refused) == (State.FAILED, "no memory", False)
        waits = store.get("waits")
        assert waits and Waiting.of(waits) == Waiting("waits", "ann", "waits", model="mini"), "it is drawn alone"
        store.close()
    store = JobStore(tmp_path / "jobs")
    assert store.fail("waits", "its picture", refused=True)
    refused = store.get("waits")
    assert refused and refused.refused is True and refused.request == {"prompt": "狐狸"}


_WRITER = """
import sys
from pathlib import Path
from pai_modelscope.serving.store import Job, JobStore
store = JobStore(Path(sys.argv[1]))
for number in range(100000):
    id = f"{sys.argv[2]}-{number}"
    store.add(Job(id=id, client="ann", model="mini", request={"prompt": id}, created=1.0))
    print(id, flush=True)
    store.start(id)
    store.finish(id, [])
"""


def test_kill_9_at_any_moment_loses_no_job_that_was_answered_for(tmp_path: Path) -> None:
    told: list[str] = []
    for turn in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "jobs"), str(turn)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        told.append(process.stdout.readline().strip())
        time.sleep(random.Random(turn).uniform(0.0, 0.2))
        os.kill(process.pid, signal.SIGKILL)
        told += process.communicate()[0].split()
    store = JobStore(tmp_path / "jobs")
    store.recover()
    assert len(told) > 20
    assert [id for id in told if store.get(id) is None] == []
    (whole,) = sqlite3.connect(tmp_path / "jobs").execute("PRAGMA integrity_check").fetchone()
    assert whole == "ok"
