"""EAS's queue service: requests go in, results are fetched when they are there, by number or by request.

`NAME` is the queue of requests, `NAME/sink` that of results; an item has the same number in both. eas_watch.py has
`watch`, which pushes the results. Reference:
https://help.aliyun.com/zh/pai/user-guide/queue-service-sdk-for-python, and the client `eas_prediction`.
"""

import asyncio
import json
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import HTTPConnection

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError, printable
from pai_modelscope.serving.apis.common import Refusal, client_of, links
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

Told = Callable[[Job, Mapping[str, object], list[str]], Mapping[str, object]]
UID = "x-eas-queueservice-redis-uid"  # a header of the queue's clients alone
_REQUEST_ID = "X-Eas-Queueservice-Request-Id"
LOOK, _MOST_WAIT = 0.25, 60.0  # seconds
MOST_ITEMS, _MOST_TAGS, _MOST_OF_A_TAG = 100, 20, 255
_READ = ("_index_", "_length_")  # of what `get` says, the numbers
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS numbers (client TEXT, queue TEXT, last INTEGER, PRIMARY KEY (client, queue));
CREATE TABLE IF NOT EXISTS items (
    client TEXT, queue TEXT, number INTEGER, job TEXT, tags TEXT, asked TEXT, PRIMARY KEY (client, queue, number)
);
"""


@dataclass(frozen=True)
class Item:
    """`asked`: what of the request stands in the result, or says how that is told."""

    number: int
    job: str
    tags: dict[str, str]
    asked: dict[str, object]


class _Items:
    """The items of all queues in one file, from any thread. Each client has its own."""

    def __init__(self, path: Path):
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def add(self, job: Job, tags: dict[str, str], asked: dict[str, object]) -> int:
        """The item's number, which no other of the queue ever has."""
        with self._lock:
            (number,) = self._db.execute(
                "INSERT INTO numbers VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last",
                (job.client, job.model),
            ).fetchone()
            values = job.client, job.model, number, job.id, json.dumps(tags), json.dumps(asked)
            self._db.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", values)
        return int(number)

    def all(self, client: str, queue: str, above: int = 0, most: int = -1) -> list[Item]:
        """In the order of their numbers; those above one, and at most so many (-1: all)."""
        select = "SELECT number, job, tags, asked FROM items WHERE client = ? AND queue = ? AND number > ?"
        with self._lock:
            rows = self._db.execute(f"{select} ORDER BY number LIMIT ?", (client, queue, above, most)).fetchall()
        return [Item(number, job, json.loads(tags), json.loads(asked)) for number, job, tags, asked in rows]

    def there(self, client: str, queue: str, numbers: Iterable[int]) -> set[int]:
        """Those of the numbers whose items were not taken out."""
        select = "SELECT 1 FROM items WHERE client = ? AND queue = ? AND number = ?"
        with self._lock:
            return {number for number in numbers if self._db.execute(select, (client, queue, number)).fetchone()}

    def remove(self, client: str, queue: str, numbers: Iterable[int]) -> None:
        rows = [(client, queue, number) for number in numbers]
        with self._lock:
            self._db.executemany("DELETE FROM items WHERE client = ? AND queue = ? AND number = ?", rows)


class EasQueue:
    """The queues of a service. `told`: what a result says, of a job that ended, what was asked, and its links."""

    def __init__(self, service: "Service", told: Told):
        self._service, self._told = service, told

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        self.items = _Items(self._service.folder / "queues.sqlite")
        try:
            yield
        finally:
            self.items.close()

    def put(self, job: Job, asked: dict[str, object], tags: dict[str, str]) -> Response:
        """Give a request its number in the queue of its model; for a worker's thread."""
        number = self.items.add(job, tags, asked)
        return Response(str(number), media_type="text/plain", headers={_REQUEST_ID: job.id})

    async def answer(self, request: Request, queue: str, sink: bool) -> Response:
        """What is not `put`: look, fetch, and take out."""
        query = dict(request.query_params)
        try:
            if request.method != "GET":
                await anyio.to_thread.run_sync(self._remove, request, queue, sink, query)
                return Response("OK", media_type="text/plain")
            if "_watch_" in query:
                raise UserError("_watch_ needs a WebSocket: does a proxy on the way take the header Upgrade out?")
            if query.get("_attrs_") == "true":
                return await anyio.to_thread.run_sync(self._attributes, request, queue, sink)
            if query.get("_search_") == "true":
                return await anyio.to_thread.run_sync(self._search, request, queue, number_in(query, "_index_"))
            if not sink:
                raise UserError(f"requests are not read: results lie in the queue {queue}/sink")
            return await self._get(request, queue, query)
        except UserError as error:
            return failed(Refusal(400, str(error)))

    async def _get(self, request: Request, queue: str, query: dict[str, str]) -> Response:
        """Results from a number on, or that of a request; as soon as there is one, or none after the time asked for."""
        index, length = number_in(query, "_index_", 0), number_in(query, "_length_", 1)
        seconds, delete = _seconds(query.pop("_timeout_", "0s")), query.pop("_auto_delete_", "true")
        if query.pop("_raw_", "false") != "false" or delete not in ("true", "false") or not 1 <= length <= MOST_ITEMS:
            raise UserError(f"give _raw_=false, _auto_delete_=true or false, and _length_ from 1 to {MOST_ITEMS}")
        id, tags = query.pop("requestId", None), tags_of({name: query[name] for name in query if name not in _READ})
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds

        def look() -> tuple[list[tuple[Item, Job]], bool]:
            found = [
                (item, job)
                for item, job in self._there(request, queue)
                if item.number >= index and id in (None, item.job) and tags.items() <= item.tags.items()
            ]
            return [each for each in found if each[1].state.ended][:length], bool(found)

        results, more = await anyio.to_thread.run_sync(look)
        while not results and loop.time() < until and (more or id is None):
            await asyncio.sleep(LOOK)
            results, more = await anyio.to_thread.run_sync(look)
        if not results:
            return Response(status_code=204)

        def taken() -> bytes:
            frames = b"".join(_field(1, self.frame(item, job, request)) for item, job in results)
            if delete == "true":
                self.items.remove(client_of(request), queue, [item.number for item, _ in results])
            return frames

        content = await anyio.to_thread.run_sync(taken)
        return Response(content, media_type="application/vnd.google.protobuf")

    def frame(self, item: Item, job: Job, connection: HTTPConnection, index_only: bool = False) -> bytes:
        """A result as a DataFrameProto; with `index_only` its number and its tags. For a worker's thread."""
        told = {} if index_only else self._told(job, item.asked, links(self._service, job, connection))
        data = json.dumps(told, ensure_ascii=False).encode() if told else b""
        tags = {**item.tags, "requestId": item.job}
        pairs = [_field(1, name.encode()) + _field(2, value.encode()) for name, value in tags.items()]
        return b"\x08" + _varint(item.number) + b"".join(_field(2, pair) for pair in pairs) + _field(3, data)

    def _there(self, request: Request, queue: str) -> list[tuple[Item, Job]]:
        """The items with their jobs; those whose job was removed go, too."""
        client = client_of(request)
        found = [(item, self._service.job(client, item.job)) for item in self.items.all(client, queue)]
        self.items.remove(client, queue, [item.number for item, job in found if job is None])
        return [(item, job) for item, job in found if job is not None]

    def _attributes(self, request: Request, queue: str, sink: bool) -> Response:
        numbers = [item.number for item, job in self._there(request, queue) if job.state.ended is sink]
        first, last = (numbers[0], numbers[-1]) if numbers else (0, 0)
        told = {"meta.name": f"{queue}/sink" if sink else queue, "stream.length": str(len(numbers))}
        return JSONResponse(told | {"stream.firstEntry": str(first), "stream.lastEntry": str(last)})

    def _search(self, request: Request, queue: str, index: int) -> Response:
        """How many are before a request; `IsPending`: it is being drawn."""
        for item, job in self._there(request, queue):
            if item.number == index and not job.state.ended:
                before = self._service.queue.position(job.id) or 0
                told = {"ConsumerId": "", "IsPending": job.state is State.RUNNING, "WaitCount": before}
                return JSONResponse(told)
        return JSONResponse({})

    def _remove(self, request: Request, queue: str, sink: bool, query: dict[str, str]) -> None:
        """Take out what is there: of results, those that are; of requests, those that still wait or are drawn."""
        if unknown := query.keys() - {"_indexes_", "_trunc_", "_index_"}:
            raise UserError(f"{short_repr(min(unknown))} has no meaning here: nothing was taken out")
        if query.get("_trunc_") == "true":
            below = number_in(query, "_index_")
            chosen = [each for each in self._there(request, queue) if each[0].number < below]
        else:
            numbers = {_whole("_indexes_", each) for each in query.get("_indexes_", "").split(",")}
            chosen = [each for each in self._there(request, queue) if each[0].number in numbers]
        chosen = [(item, job) for item, job in chosen if job.state.ended is sink]
        for _, job in chosen:
            self._service.cancel(job)  # one that has ended stays as it is
        self.items.remove(client_of(request), queue, [item.number for item, _ in chosen])


def is_put(request: Request) -> bool:
    """Whether a queue's client asks, not one that waits for the answer."""
    return UID in request.headers


def tags_of(query: Mapping[str, str]) -> dict[str, str]:
    """The words that a client gives an item, or looks for. Raises `UserError`: options that are not known."""
    if unknown := [name for name in query if name.startswith("_") or name == "requestId"]:
        raise UserError.of([Fault(unknown[0][:100], f"{short_repr(unknown[0])} has no meaning here: leave it out")])
    if len(query) > _MOST_TAGS or any(len(word) > _MOST_OF_A_TAG for pair in query.items() for word in pair):
        raise UserError(f"an item has up to {_MOST_TAGS} tags of up to {_MOST_OF_A_TAG} characters")
    return dict(query)


def failed(no: Refusal, **more: object) -> JSONResponse:
    """An error as diffusers-api says it."""
    told = {"success": 0, "error_code": no.status, "error_msg": printable(no.message), **more}
    return JSONResponse(told, no.status, no.headers)


def number_in(query: Mapping[str, str], name: str, default: int | None = None) -> int:
    value = query.get(name)
    return default if value is None and default is not None else _whole(name, value)


def _whole(name: str, value: str | None) -> int:
    if value is None or re.fullmatch(r"[0-9]{1,15}", value) is None:
        raise UserError(f"{name} is {short_repr(value)}; give a whole number")
    return int(value)


def _seconds(text: str) -> float:
    """The seconds of a time such as '5s', at most a minute."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m)", text)
    if found is None:
        raise UserError(f"_timeout_ is {short_repr(text)}; give a time as in '5s'")
    return min(float(found[1]) * _UNITS[found[2]], _MOST_WAIT)


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes as Protocol Buffers have it: queueservice.proto is four of them and a number."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    content = bytearray()
    while number > 127:
        content.append(number & 127 | 128)
        number >>= 7
    return bytes([*content, number])
