"""Pictures that clients name by address: fetched from the public internet, and from nowhere else.

A name is looked up once, every address that it has must be public, and the connection goes to the very address that
was looked at: an answer that changes in between (DNS rebinding) changes nothing. Redirects are looked at in the same
way. The environment's proxies are not used, as they would look the name up again.
"""

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpcore
import httpx

from pai_modelscope import __version__
from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.serving.shares import Shares

_SECONDS = 10.0  # from the look-up of the name to the last byte
_REDIRECTS = 3
_PORTS = (80, 443)
_AT_ONCE, _OF_CLIENT = 4, 2  # pictures: each holds a thread that reads requests
_CHARACTERS = 2048  # of an address
_HEADERS: dict[str | bytes, str | bytes] = {
    "Accept": "image/*",
    "Accept-Encoding": "identity",
    "User-Agent": f"pai_modelscope/{__version__}",
}
_MOVED = (301, 302, 303, 307, 308)
_UNICAST = ipaddress.ip_network("2000::/3")  # all that is given out of IPv6
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # the last 32 bits are an address of IPv4
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # of protocols
            "192.88.99.0/24",  # relays of 6to4
            "168.63.129.16/32",  # Azure answers its own machines there
            "2001::/23",  # of protocols; Teredo, which carries addresses of IPv4
            "2002::/16",  # 6to4, which does, too
            "3fff::/20",  # of documentation
        ),
    )
)

Resolve = Callable[[str, int], Iterable[str]]


def is_address(reference: str) -> bool:
    """Whether a client names a picture by an address of the web."""
    return re.match(r"https?://", reference, re.IGNORECASE) is not None


def is_public(address: str) -> bool:
    """Whether an address of IPv4 or IPv6 is one machine's on the public internet, as far as its number tells."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        if ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _UNICAST:
            return False
    if ip.is_multicast or ip.is_reserved or not ip.is_global:
        return False
    return not any(ip in network for network in _NOT_PUBLIC)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name. Raises `OSError` or `UnicodeError`: it has none."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class RemotePictures:
    """Fetches files; whether one is a picture is for others to say."""

    def __init__(
        self,
        most_bytes: int,
        seconds: float = _SECONDS,
        resolve: Resolve = resolve,
        public: Callable[[str], bool] = is_public,
        ports: Sequence[int] = _PORTS,
    ):
        self._most, self._seconds, self._ports = most_bytes, seconds, ports
        self._resolve, self._public = resolve, public
        self._shares = Shares("pictures are being fetched", _OF_CLIENT, _AT_ONCE)
        # Nothing bounds how long the system looks up a name.
        self._lookups = ThreadPoolExecutor(_AT_ONCE, "lookup")

    def fetch(self, client: str, address: str) -> bytes:
        """The file at an address; for a worker's thread.

        Raises:
            UserError: it is not on the public internet, does not come whole in time, or is too large.
            Full: too many are being fetched.
        """
        with self._shares.held(client):
            until, url = time.monotonic() + self._seconds, self._url(address)
            for _ in range(_REDIRECTS + 1):
                try:
                    found = self._ask(url, until)
                except httpcore.TimeoutException:
                    raise UserError(f"{_name(url)} did not send it within {self._seconds:g} seconds") from None
                except (httpcore.NetworkError, httpcore.ProtocolError):
                    raise UserError(f"{_name(url)} did not answer as a server of the web does") from None
                if isinstance(found, bytes):
                    return found
                url = self._url(found, url)
            raise UserError(f"{short_repr(address)} leads on more than {_REDIRECTS} times: give the last address")

    def _url(self, address: str, base: httpx.URL | None = None) -> httpx.URL:
        """Raises `UserError`: none that may be asked."""
        whose = "the address" if base is None else f"{_name(base)} leads to another address, which"
        try:
            url = httpx.URL(address) if base is None else base.join(address)
        except (httpx.InvalidURL, ValueError):
            raise UserError(f"{whose} can't be read: give one as in https://example.org/picture.png") from None
        if len(address) > _CHARACTERS:
            raise UserError(f"{whose} has {len(address)} characters; up to {_CHARACTERS} are taken")
        if url.scheme not in ("http", "https") or not url.host or url.userinfo:
            raise UserError(f"{whose} is not of the form https://example.org/picture.png")
        if _port(url) not in self._ports:
            raise UserError(f"{whose} names port {_port(url)}; pictures are fetched from {_list(self._ports)}")
        return url

    def _ask(self, url: httpx.URL, until: float) -> bytes | str:
        """The file, or where else it is said to be."""
        request = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=_port(url), target=url.raw_path)
        with (
            httpcore.ConnectionPool(network_backend=_Checked(self._addresses, until), max_connections=1) as pool,
            pool.stream("GET", request, headers=_HEADERS | {"Host": url.netloc}) as answer,
        ):
            headers = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
            if answer.status in _MOVED and b"location" in headers:
                return headers[b"location"]
            if answer.status != 200:
                raise UserError(f"{_name(url)} answers {answer.status}")
            if headers.get(b"content-encoding", "identity").lower() != "identity":
                raise UserError(f"{_name(url)} sends it compressed, which was not asked for")
            content = bytearray()
            if int(headers.get(b"content-length", "0")) <= self._most:
                for part in answer.iter_stream():
                    content += part
                    if len(content) > self._most:
                        break
                else:
                    return bytes(content)
            raise UserError(f"{_name(url)} sends more than {self._most} bytes, the most that are taken")

    def _addresses(self, host: str, port: int, seconds: float) -> list[str]:
        """Where a name leads. It is looked up once for each connection, and only here.

        Raises:
            UserError: nowhere, or not only to public addresses; which of both is nobody's to know.
        """
        lookup = self._lookups.submit(lambda: list(dict.fromkeys(self._resolve(host, port))))
        try:
            found = lookup.result(seconds)
        except TimeoutError:
            lookup.cancel()
            raise httpcore.ConnectTimeout from None
        except (OSError, UnicodeError):
            found = []
        if not found or not all(map(self._public, found)):
            raise UserError(f"{short_repr(host)} is no public address of the internet, the only ones that are asked")
        return found


class _Checked(httpcore.NetworkBackend):
    """Connects to addresses that were looked at, and does nothing after `until`."""

    def __init__(self, addresses: Callable[[str, int, float], list[str]], until: float):
        self._addresses, self._until, self._network = addresses, until, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        found = self._addresses(host, port, _left(self._until))
        while True:
            address = found.pop(0)
            seconds = _left(self._until) / (len(found) + 1)
            try:
                stream = self._network.connect_tcp(address, port, seconds, socket_options=socket_options)
                return _Timed(stream, self._until)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not found:
                    raise


class _Timed(httpcore.NetworkStream):
    """A connection until a moment, however the other side spreads its bytes."""

    def __init__(self, stream: httpcore.NetworkStream, until: float):
        self._stream, self._until = stream, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._until))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, _left(self._until)), self._until)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(until: float) -> float:
    """Seconds. Raises `httpcore.TimeoutException`: none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout
    return seconds


def _port(url: httpx.URL) -> int:
    return url.port or {"http": 80}.get(url.scheme, 443)


def _name(url: httpx.URL) -> str:
    return short_repr(url.host)


def _list(ports: Sequence[int]) -> str:
    return " and ".join(map(str, ports))
