"""Jobs on the disk: what was accepted is never lost, and no job has two results.

SQLite in WAL mode; every change of state is one transaction. A job that waited at a crash waits again; one that was
being drawn is drawn once more with its seeds, and is `interrupted` if that fails, too.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypedDict

from pai_modelscope.errors import UserError
from pai_modelscope.serving.retention import Held, beyond

_VERSION = 3
_TRIES = 2  # a job that ran at a crash runs once more
_LOST = "the service ended twice while this was drawn"
_INTERRUPT = "UPDATE jobs SET state = ?, ended = ?, error = ? WHERE state = ? AND tries >= ?"
_SCHEMA = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    key TEXT,              -- the client's own, so that a repeated request is one job
    digest TEXT NOT NULL,  -- of the request's body, as it came
    model TEXT NOT NULL,
    request TEXT NOT NULL,
    format TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    pictures TEXT NOT NULL DEFAULT '[]',
    error TEXT,
    refused INTEGER NOT NULL DEFAULT 0,
    together TEXT NOT NULL DEFAULT '',
    rows INTEGER NOT NULL DEFAULT 1,
    affinity TEXT NOT NULL DEFAULT '',
    cost REAL NOT NULL DEFAULT 0,
    UNIQUE (client, key)
);
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE INDEX jobs_by_client ON jobs (client, number);
"""
# What makes a store of this version one of the next.
_MIGRATIONS = {
    1: "ALTER TABLE jobs ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;",
    2: """
    ALTER TABLE jobs ADD COLUMN together TEXT NOT NULL DEFAULT '';
    ALTER TABLE jobs ADD COLUMN rows INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE jobs ADD COLUMN affinity TEXT NOT NULL DEFAULT '';
    ALTER TABLE jobs ADD COLUMN cost REAL NOT NULL DEFAULT 0;
    """,
}


class State(StrEnum):
    """Where a job is. The last four are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


class Drawn(TypedDict):
    """One picture of a job. `file`: its name among the results, made of its content."""

    file: str
    bytes: int
    seed: int
    prompt: str
    infotext: str
    flagged: bool
    width: int
    height: int


@dataclass(frozen=True)
class Job:
    """One accepted request. `request`: the options that JSON holds, seeds among them; `error`: of a failed one, what
    was wrong; `refused`: it failed because of what its pictures show; times are seconds since 1970; `together`, `rows`,
    `affinity` and `cost`: see `Waiting`."""

    id: str
    client: str
    model: str
    request: dict[str, object]
    digest: str = ""
    key: str | None = None
    format: str = "png"
    priority: int = 0
    state: State = State.QUEUED
    tries: int = 0
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    pictures: list[Drawn] = field(default_factory=list)
    error: str | None = None
    refused: bool = False
    together: str = ""  # none: it is drawn alone
    rows: int = 1
    affinity: str = ""
    cost: float = 0.0


class _Ended(NamedTuple):
    """Of a job that has ended: what its removal depends on."""

    id: str
    client: str
    ended: float
    files: list[str]
    bytes: int


_COLUMNS = tuple(Job.__dataclass_fields__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM jobs"  # names of our own


class JobStore:
    """The jobs in one file. Its methods may be called from any thread; each is one short transaction."""

    def __init__(self, path: Path):
        """Raises `UserError`: the file is no such store, or one of a newer version."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # what was answered 202 survives a power cut
            self._db.execute("PRAGMA busy_timeout = 10000")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
            elif version <= _VERSION:
                for older in range(version, _VERSION):
                    self._db.executescript(f"BEGIN; {_MIGRATIONS[older]} PRAGMA user_version = {older + 1}; COMMIT;")
            else:
                raise UserError(f"{path} is of another version of this program ({version}): give another --data")
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path} is no store of jobs ({error}): give another --data, or move it away") from None

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def recover(self) -> list[Job]:
        """Take up what a process that ended left: the jobs that wait, in the order in which they came."""
        now = time.time()
        with self._changing() as db:
            db.execute(_INTERRUPT, (State.INTERRUPTED, now, _LOST, State.RUNNING, _TRIES))
            db.execute("UPDATE jobs SET state = ?, started = NULL WHERE state = ?", (State.QUEUED, State.RUNNING))
            return [_job(row) for row in db.execute(f"{_SELECT} WHERE state = ? ORDER BY number", (State.QUEUED,))]

    def add(self, job: Job) -> Job:
        """Keep a new job; the one that is there where this client has used its key before."""
        values = {name: getattr(job, name) for name in _COLUMNS}
        values["request"] = json.dumps(job.request, ensure_ascii=False)
        values["pictures"] = json.dumps(job.pictures, ensure_ascii=False)
        with self._changing() as db:
            if job.key is not None:
                found = db.execute(f"{_SELECT} WHERE client = ? AND key = ?", (job.client, job.key)).fetchone()
                if found is not None:
                    return _job(found)
            marks = ", ".join("?" * len(_COLUMNS))
            db.execute(f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({marks})", tuple(values.values()))
        return job

    def get(self, id: str) -> Job | None:
        with self._lock:
            row = self._db.execute(f"{_SELECT} WHERE id = ?", (id,)).fetchone()
        return None if row is None else _job(row)

    def by_key(self, client: str, key: str) -> Job | None:
        with self._lock:
            row = self._db.execute(f"{_SELECT} WHERE client = ? AND key = ?", (client, key)).fetchone()
        return None if row is None else _job(row)

    def of_client(self, client: str, most: int = 100, words: str = "") -> list[Job]:
        """The newest jobs of a client, newest first; with `words`, those whose request holds them."""
        sought = f"%{_literal(words)}%"
        with self._lock:
            rows = self._db.execute(
                f"{_SELECT} WHERE client = ? AND request LIKE ? ESCAPE '\\' ORDER BY number DESC LIMIT ?",
                (client, sought, most),
            ).fetchall()
        return [_job(row) for row in rows]

    def give_back(self) -> None:
        """What is being drawn waits again, as if it had not been begun: the process ends for no fault of the job."""
        given = "UPDATE jobs SET state = ?, started = NULL, tries = tries - 1 WHERE state = ?"
        with self._changing() as db:
            db.execute(given, (State.QUEUED, State.RUNNING))

    def unended(self) -> list[Job]:
        """Those that wait or are being drawn."""
        with self._lock:
            rows = self._db.execute(f"{_SELECT} WHERE state IN (?, ?)", (State.QUEUED, State.RUNNING)).fetchall()
        return [_job(row) for row in rows]

    def files(self) -> set[str]:
        """Of all pictures of all jobs."""
        with self._lock:
            return {name for job in self._ended() for name in job.files}

    def start(self, id: str) -> bool:
        """A job that waits is being drawn from now on; whether it waited."""
        return self._change(
            "UPDATE jobs SET state = ?, started = ?, tries = tries + 1 WHERE id = ? AND state = ?",
            (State.RUNNING, time.time(), id, State.QUEUED),
        )

    def again(self, id: str) -> bool:
        """A job that was lost while it was drawn waits again, or is interrupted the second time; whether it waits."""
        with self._changing() as db:
            db.execute(f"{_INTERRUPT} AND id = ?", (State.INTERRUPTED, time.time(), _LOST, State.RUNNING, _TRIES, id))
            waits = "UPDATE jobs SET state = ?, started = NULL WHERE id = ? AND state = ?"
            return db.execute(waits, (State.QUEUED, id, State.RUNNING)).rowcount == 1

    def finish(self, id: str, pictures: Sequence[Drawn]) -> bool:
        """The pictures of a job that is being drawn; whether it was: one that ended otherwise stays as it is."""
        drawn = json.dumps(list(pictures), ensure_ascii=False)
        return self._change(
            "UPDATE jobs SET state = ?, ended = ?, pictures = ? WHERE id = ? AND state = ?",
            (State.DONE, time.time(), drawn, id, State.RUNNING),
        )

    def fail(self, id: str, error: str, refused: bool = False) -> bool:
        return self._change(
            "UPDATE jobs SET state = ?, ended = ?, error = ?, refused = ? WHERE id = ? AND state IN (?, ?)",
            (State.FAILED, time.time(), error, refused, id, State.RUNNING, State.QUEUED),
        )

    def cancel(self, id: str) -> bool:
        """End a job that waits or is being drawn; whether it had not ended."""
        return self._change(
            "UPDATE jobs SET state = ?, ended = ? WHERE id = ? AND state IN (?, ?)",
            (State.CANCELLED, time.time(), id, State.RUNNING, State.QUEUED),
        )

    def remove_old(self, before: float, most_bytes: int, most_jobs: int) -> list[str]:
        """Remove the jobs that ended before that time; then, while pictures take more bytes or jobs are more, the
        oldest of the client who has most of them.

        Returns the files of pictures that no job has any more.
        """
        with self._changing() as db:
            gone = {job.id for job in self._ended() if job.ended < before}
            for most, of_bytes in ((most_bytes, True), (most_jobs, False)):
                kept = (job for job in self._ended() if job.id not in gone)
                gone |= beyond((Held(job.id, job.client, job.bytes if of_bytes else 1) for job in kept), most)
            removed, left = set[str](), set[str]()
            for job in self._ended():
                (removed if job.id in gone else left).update(job.files)
            db.executemany("DELETE FROM jobs WHERE id = ?", [(id,) for id in gone])
        return sorted(removed - left)

    def _ended(self) -> Iterator[_Ended]:
        """The newest first; one at a time, for they may be many."""
        rows = "SELECT id, client, ended, pictures FROM jobs WHERE state NOT IN (?, ?) ORDER BY ended DESC, number DESC"
        for id, client, ended, pictures in self._db.execute(rows, (State.QUEUED, State.RUNNING)):
            drawn = json.loads(pictures)
            yield _Ended(id, client, ended, [each["file"] for each in drawn], sum(each["bytes"] for each in drawn))

    def _change(self, statement: str, values: Sequence[object]) -> bool:
        with self._changing() as db:
            return db.execute(statement, values).rowcount == 1

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone; undone if the block raises."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _job(row: Sequence[object]) -> Job:
    values = dict(zip(_COLUMNS, row, strict=True))
    values |= {"state": State(str(values["state"])), "refused": bool(values["refused"])}
    for name in ("request", "pictures"):
        values[name] = json.loads(str(values[name]))
    return Job(**values)  # type: ignore[arg-type]  # the columns are its fields


def _literal(words: str) -> str:
    """Words as LIKE reads them without a meaning of their own."""
    for character in ("\\", "%", "_"):
        words = words.replace(character, f"\\{character}")
    return words
