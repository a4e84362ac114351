"""What a connection may cost: bounds of time and size that uvicorn does not set."""

import asyncio

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_HEAD = 10.0  # seconds in which the head of a request must come
_MOST_SENT = 2**20  # bytes that a client may send over a WebSocket: EAS's client sends its pings for two days
_SILENCE = 60.0  # seconds in which something must come by a WebSocket


class _Bounded:
    """A connection that is cut off at a time, unless that is put off."""

    transport: asyncio.Transport
    _end: asyncio.TimerHandle | None = None

    def _end_in(self, seconds: float) -> None:
        self._go_on()
        self._end = asyncio.get_running_loop().call_later(seconds, self.transport.abort)

    def _go_on(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None


class Http(_Bounded, H11Protocol):
    """HTTP by h11, of what may be installed the one with a bound on the size of heads.

    A connection is cut off whose client does not send a request's head in time, from when it is made, or from the
    first byte of a later request. Connections are few (`limit_concurrency`), and silent ones would keep others out.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._end_in(_HEAD)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:  # the head is there
            self._go_on()
        elif self._end is None:
            self._end_in(_HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)


class WebSocket(_Bounded, WebSocketsSansIOProtocol):
    """A connection on which clients send nothing but pings, and answers to pings.

    It is cut off when more comes than that: uvicorn answers pings whether the client reads or not, and keeps the pieces
    of a message that does not end. It is cut off, too, when nothing comes: the client is gone, or what was closed waits
    for a client that does not read. Who is there connects again.
    """

    _left = _MOST_SENT

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            return self.transport.abort()
        self._end_in(_SILENCE)
        super().data_received(data)
        if not self.handshake_initiated:  # `websockets` reads fewer and shorter lines than h11, and says nothing
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n")
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        self.handshake_complete |= self.close_sent  # uvicorn takes a refusal for no answer, and logs an error

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)
