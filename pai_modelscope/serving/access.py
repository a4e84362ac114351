"""Who may ask: tokens, the names that the service is reached by, and links to pictures that expire."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

from pai_modelscope import limits
from pai_modelscope.config.option import problem
from pai_modelscope.config.serving import LOWERED, ClientOptions, ServeOptions, loopback
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.untrusted import read_text

LOCAL = "local"  # what the only client is called where no tokens are asked for
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LINK_SECONDS = 24 * 3600.0


class Tokens:
    """The tokens of a file, a line each: `name token jobs=8 steps=50`. Only their digests stay in memory.

    `own`: what a line says of its client beside the token.
    """

    def __init__(self, digests: Mapping[str, bytes], own: Mapping[str, ClientOptions] | None = None):
        self._digests, self.own = dict(digests), dict(own or {})

    @classmethod
    def read(cls, path: str | Path, options: ServeOptions | None = None) -> "Tokens":
        """Read a file; what its lines say is compared with the `options` of the service.

        Raises:
            UserError: no file, none in it, or for every line that can't be what is wrong with it.
        """
        digests: dict[str, bytes] = {}
        own: dict[str, ClientOptions] = {}
        faults: list[Fault] = []
        for number, line in enumerate(read_text(path, limits.YAML_BYTES).splitlines(), 1):
            name, *rest = line.split() or ["#"]
            if name.startswith("#"):
                continue
            try:
                digest, own[name] = _digest_of(rest), _own(rest[1:], options or ServeOptions())
                if name in digests or digest in digests.values():
                    raise UserError("another line has its name, or its token: give each client its own")
                digests[name] = digest
            except UserError as error:
                faults.append(Fault(f"line {number}", f"{path}, line {number}: {error}"))
        if faults:
            raise UserError.of(faults)
        if not digests:
            raise UserError(f"{path} holds no token: write 'name token', a line each")
        return cls(digests, own)

    def client(self, authorization: str | None) -> str | None:
        """Whose token a header carries: `Bearer TOKEN`, `Basic` with it as the password, or the bare token."""
        token = _carried(authorization)
        digest, found = _digest(token or ""), None
        for name, known in self._digests.items():  # all of them, so that time tells nothing
            if hmac.compare_digest(digest, known):
                found = name
        return found if token else None


class Hosts:
    """The names that the service answers to: another, which a page elsewhere may have bound to this address, is
    refused (DNS rebinding); and so is what a page of another name sends."""

    def __init__(self, host: str, others: Sequence[str] = ()):
        everywhere = host in ("0.0.0.0", "::", "")
        self._names = {*_LOOPBACK, *(name.lower() for name in others)} | (set() if everywhere else {host.lower()})
        self._addresses = everywhere

    def knows(self, host: str | None) -> bool:
        """Whether a Host header, with or without a port, names this service."""
        try:
            name = (urlsplit(f"//{host}").hostname or "") if host else ""
        except ValueError:  # such as '['
            return False
        return name in self._names or (self._addresses and _is_address(name))

    def sent_from_here(self, origin: str | None, host: str | None) -> bool:
        """Whether an Origin header is absent, as of programs, or that of a page of this service: its host and port are
        those that the request is sent to."""
        if origin is None:
            return True
        scheme, separator, place = origin.partition("://")
        return scheme in ("http", "https") and bool(separator) and place == host and self.knows(place)


class Links:
    """Links to pictures: who has one may open it without a token, for a day."""

    def __init__(self, folder: Path):
        path = folder / "links.key"
        if not path.exists():
            partial = folder / "links.key.partial"
            with os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
            partial.replace(path)
        self._key = path.read_bytes()

    def query(self, path: str, now: float | None = None) -> str:
        """What to append to a path, after '?'."""
        expires = int((time.time() if now is None else now) + _LINK_SECONDS)
        return f"expires={expires}&signature={self._sign(path, expires)}"

    def hold(self, path: str, expires: str | None, signature: str | None) -> bool:
        """Whether path and query are as `query` made them, and not too old."""
        if not (expires and signature and expires.isascii() and expires.isdigit() and len(expires) < 20):
            return False
        good = hmac.compare_digest(self._sign(path, int(expires)).encode(), signature.encode())
        return good and int(expires) >= time.time()

    def _sign(self, path: str, expires: int) -> str:
        return hmac.new(self._key, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()


def check_bind(host: str, tokens: Tokens | None) -> None:
    """Raises `UserError`: an address that others reach, without tokens."""
    if tokens is None and not loopback(host):
        raise UserError(f"--host {host} is reached by others: give --token-file, or listen on 127.0.0.1")


def _digest_of(words: Sequence[str]) -> bytes:
    """Of the token, which is the first of a line's words after the name. Raises `UserError`: there is none."""
    if not words or len(words[0]) < 16:
        raise UserError("give a name and a token of at least 16 characters, as in 'name token'")
    return _digest(words[0])


def _own(words: Sequence[str], options: ServeOptions) -> ClientOptions:
    """The bounds that stand after a token.

    Raises:
        UserError: none that there is, one twice, or one that the service's options don't allow. It does not show a
            word without a known name, which may be a part of the token.
    """
    declared = {field.name: field for field in fields(ClientOptions)}
    own: dict[str, int] = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in declared or name in own:
            valid = ", ".join(declared)
            raise UserError(f"after the token stand bounds as in jobs=8, each once and without spaces: {valid}")
        value = int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else text
        if said := problem(declared[name], value):
            raise UserError(said)
        own[name] = int(value)
        if name in LOWERED and own[name] > (most := getattr(options, name)):
            raise UserError(f"{name} is {text}, but --{name} {most}: a line may ask for less, not for more")
    return ClientOptions(**own)


def _carried(authorization: str | None) -> str | None:
    if not authorization:
        return None
    kind, _, rest = authorization.strip().partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return authorization.strip() if not rest else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
