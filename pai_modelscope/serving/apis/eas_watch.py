"""`watch` of EAS's queues: results are pushed over a WebSocket as they end, until the client or the server goes.

A message is a DataFrameProto. At most `_window_` results are out, pushed and not committed; a commit, which `get` and
`delete` are too, makes room for the next. `_auto_commit_` commits each when it is sent. Who comes again is pushed
what was not committed, so a result may come twice. Watchers share the results of their queue: what is out to one goes
to no other. As EAS has it, each has a name of its own (`uid`) within a group (`gid`). Groups that are each pushed
everything are refused, for a commit takes a result out for all. Reference:
https://www.alibabacloud.com/help/en/pai/user-guide/queue-service-subscription-push, and the client `eas_prediction`.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import WebSocket, WebSocketDisconnect

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.serving.apis.common import Refusal, client_of
from pai_modelscope.serving.apis.eas_queue import LOOK, MOST_ITEMS, UID, EasQueue, Item, failed, number_in, tags_of
from pai_modelscope.serving.store import Job

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_GID = "x-eas-queueservice-redis-gid"
_LEAVE = 3.0  # seconds in which a connection that broke is noticed, when its client comes again
_NO_MESSAGES = 1003  # the WebSocket's code for data of a kind that is not taken


@dataclass
class _Watcher:
    """What is asked for. `out`: the numbers of what was pushed and not committed."""

    index: int
    window: int
    index_only: bool
    auto_commit: bool
    tags: dict[str, str]
    group: str
    out: set[int] = field(default_factory=set)


class EasWatch:
    """The watchers of a service's queues."""

    def __init__(self, service: "Service", queue: EasQueue):
        self._service, self._queue = service, queue
        # By client, queue and uid; of the event loop alone.
        self._watchers: dict[tuple[str, str, str], _Watcher] = {}

    async def answer(self, socket: WebSocket, queue: str, sink: bool) -> None:
        """Push until one of both goes. A refusal is an answer over HTTP, in place of the handshake."""
        client, uid = client_of(socket), socket.headers.get(UID, "")
        key = client, queue, uid
        try:
            if not sink:
                raise UserError(f"requests are not read: results lie in the queue {queue}/sink")
            watcher = _asked(socket)
        except UserError as error:
            return await socket.send_denial_response(failed(Refusal(400, str(error))))
        until = asyncio.get_running_loop().time() + _LEAVE
        while key in self._watchers and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(LOOK)
        if key in self._watchers:
            no = f"a watcher of the uid {short_repr(uid)} is there already: give each a uid of its own"
            return await socket.send_denial_response(failed(Refusal(409, no)))
        if any(other.group != watcher.group for other in self._others(client, queue, watcher)):
            no = "watchers of another gid are there: results are committed for all, so all of a queue are of one group"
            return await socket.send_denial_response(failed(Refusal(409, no)))
        self._watchers[key] = watcher
        try:
            with suppress(WebSocketDisconnect):
                await socket.accept()
                await self._push(socket, client, queue, watcher)
        finally:
            del self._watchers[key]  # what is out to it is free for others

    async def _push(self, socket: WebSocket, client: str, queue: str, watcher: _Watcher) -> None:
        """Send what ends, one message after the other: memory holds one, whether the client reads or not.

        Raises:
            WebSocketDisconnect: the connection has ended while something was sent. That may be long after the client
                stopped to read. Until then it counts as open, so that nobody can pile up such connections.
        """
        message = asyncio.create_task(socket.receive())
        try:
            while not message.done():
                found = await self._next(client, queue, watcher)
                for item, job in found:
                    content = await anyio.to_thread.run_sync(self._queue.frame, item, job, socket, watcher.index_only)
                    await socket.send_bytes(content)
                    if watcher.auto_commit:
                        await anyio.to_thread.run_sync(self._queue.items.remove, client, queue, [item.number])
                    if message.done():
                        break
                if not found:
                    await asyncio.wait({message}, timeout=LOOK)
        finally:
            message.cancel()
        if message.result()["type"] == "websocket.receive":
            await socket.close(_NO_MESSAGES, "a watcher sends nothing: commit with PUT")

    async def _next(self, client: str, queue: str, watcher: _Watcher) -> list[tuple[Item, Job]]:
        """What there is to push and room for; it is out from now on."""

        def taken() -> set[int]:
            return set[int]().union(*(other.out for other in self._others(client, queue, watcher)))

        def look(taken: set[int]) -> tuple[set[int], list[tuple[Item, Job]]]:
            out = self._queue.items.there(client, queue, watcher.out)
            found: list[tuple[Item, Job]] = []
            gone = []
            for item in self._from(client, queue, watcher.index):
                if len(out) + len(found) >= watcher.window:
                    break
                if item.number not in out | taken and watcher.tags.items() <= item.tags.items():
                    job = self._service.job(client, item.job)
                    if job is None:
                        gone.append(item.number)
                    elif job.state.ended:
                        found.append((item, job))
            self._queue.items.remove(client, queue, gone)
            return out, found

        watcher.out, found = await anyio.to_thread.run_sync(look, taken())
        now = taken()  # another watcher may have looked at the same time
        found = [each for each in found if each[0].number not in now]
        watcher.out |= {item.number for item, _ in found}
        return found

    def _from(self, client: str, queue: str, index: int) -> Iterator[Item]:
        """The items from a number on. There may be many more than there is room for: they are read by and by."""
        above = index - 1
        while page := self._queue.items.all(client, queue, above, MOST_ITEMS):
            yield from page
            above = page[-1].number

    def _others(self, client: str, queue: str, watcher: _Watcher) -> list[_Watcher]:
        return [
            other
            for (its_client, its_queue, _), other in self._watchers.items()
            if (its_client, its_queue) == (client, queue) and other is not watcher
        ]


def _asked(socket: WebSocket) -> _Watcher:
    """What the address asks for. Raises `UserError`: what can't be honoured."""
    query = dict(socket.query_params)
    if query.pop("_watch_", "false") != "true":
        raise UserError("what a WebSocket is for here is _watch_=true")
    index, window = number_in(query, "_index_"), number_in(query, "_window_")
    switches = [query.pop(name, "false") for name in ("_index_only_", "_auto_commit_")]
    if not {"true", "false"}.issuperset(switches) or not 1 <= window <= MOST_ITEMS:
        raise UserError(f"give _index_only_ and _auto_commit_ true or false, and _window_ from 1 to {MOST_ITEMS}")
    tags = tags_of({name: value for name, value in query.items() if name not in ("_index_", "_window_")})
    index_only, auto_commit = (switch == "true" for switch in switches)
    return _Watcher(index, window, index_only, auto_commit, tags, socket.headers.get(_GID, ""))
