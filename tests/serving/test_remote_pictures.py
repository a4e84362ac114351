"""Pictures by address: what is fetched, from where, for how long, and what is refused."""

import gzip
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from pai_modelscope import Sampler
from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import UserError
from pai_modelscope.serving.remote_pictures import RemotePictures, is_public
from pai_modelscope.serving.service import Service
from pai_modelscope.serving.uploads import Uploads
from pai_modelscope.serving.waiting import Full
from tests.support.server import in_process

PUBLIC = """
8.8.8.8 1.1.1.1 172.15.255.255 172.32.0.1 100.63.255.255 100.128.0.1 223.255.255.255 2606:4700::1111 2a00:1450::1
64:ff9b::808:808
"""
NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254 168.63.129.16
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1
203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::808:808 100::1
2001::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%lo fec0::1
ff02::1 2606:4700::1111%lo localhost 127.1 0x7f.0.0.1 2130706433 8.8.8.8:80 [::1]
"""


# Spellings of this machine's address, and names that are none.
THIS_MACHINE = """
localhost localhost. 127.0.0.1 127.1 0x7f.1 2130706433 0177.0.0.1 [::1] [::ffff:127.0.0.1] 0.0.0.0 0 １２７.0.0.1
ⓛocalhost %6cocalhost a..b .local
"""


def test_addresses_of_the_public_internet() -> None:
    assert [address for address in PUBLIC.split() if not is_public(address)] == []
    assert [address for address in NOT_PUBLIC.split() if is_public(address)] == []


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "PNG")
    return file.getvalue()


class Handler(BaseHTTPRequestHandler):
    """`/LOCATION` after `/to/` is where it leads on."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path.startswith("/to/"):
            return self.answer(302, b"", Location=self.path.removeprefix("/to/"))
        kind = self.path.rpartition("/")[2].partition(".")[0]
        if kind in ("picture", "mask"):
            return self.answer(200, png("red" if kind == "picture" else "white"))
        if kind == "html":
            return self.answer(200, b"<html>no picture</html>")
        if kind == "gzip":
            return self.answer(200, gzip.compress(bytes(10**7)), **{"Content-Encoding": "gzip"})
        if kind in ("endless", "drip"):
            self.answer(200, None, **{"Transfer-Encoding": "chunked"})
            part, pause = (b"0" * 4096, 0.0) if kind == "endless" else (b"0", 0.05)
            return self.trickle(f"{len(part):x}\r\n".encode() + part + b"\r\n", pause)
        if kind == "large":
            return self.answer(200, None, **{"Content-Length": str(10**12)})
        if kind == "head":  # of one that never ends
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
            return self.trickle(b"a", 0.05)
        if kind == "silent":
            time.sleep(1.5)
        if kind == "rubbish":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.close_connection = True
        if kind == "absent":
            return self.answer(404, png())

    def answer(self, status: int, content: bytes | None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if content is not None:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content or b"")

    def trickle(self, part: bytes, pause: float) -> None:
        until = time.monotonic() + 5
        try:
            while time.monotonic() < until:
                self.wfile.write(part)
                time.sleep(pause)
        except OSError:
            pass
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class Web:
    """A server, which stands for the public internet, and names that lead to it and elsewhere."""

    def __init__(self, port: int, seen: list[tuple[str, dict[str, str]]]):
        self.port, self.seen, self.lookups = port, seen, list[str]()
        self.names = {"pictures.example": ["127.0.0.1"], "other.example": ["127.0.0.1"], "inside.example": ["10.0.0.1"]}
        self.names |= {"both.example": ["127.0.0.1", "10.0.0.1"], "slow.example": ["127.0.0.1"]}

    def resolve(self, host: str, port: int) -> list[str]:
        self.lookups.append(host)
        if host == "slow.example":
            time.sleep(1.5)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.names[host]

    def made(self, seconds: float = 5, most: int = 2**20) -> RemotePictures:
        def public(address: str) -> bool:
            return address == "127.0.0.1"

        return RemotePictures(most, seconds, self.resolve, public, (self.port,))

    def url(self, path: str, host: str = "pictures.example") -> str:
        return f"http://{host}:{self.port}/{path}"


@pytest.fixture
def web() -> Iterator[Web]:
    handler = type("Seen", (Handler,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield Web(server.server_address[1], handler.seen)  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_a_picture_is_fetched_by_its_name(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert web.made().fetch("ann", web.url("a/picture.png?x=1#y").replace("http", "HTTP")) == png()
    ((path, headers),) = web.seen
    assert path == "/a/picture.png?x=1" and headers["host"] == f"pictures.example:{web.port}"
    assert headers["accept-encoding"] == "identity" and not {"authorization", "cookie", "referer"} & set(headers)


def test_redirects_are_followed_three_times_and_each_is_looked_at(web: Web) -> None:
    remote, there = web.made(), web.url("picture.png", "other.example")
    assert remote.fetch("ann", web.url(f"to//to/{web.url('to//picture.png')}")) == png()
    assert remote.fetch("ann", web.url(f"to/{there}")) == png() and web.lookups[-1] == "other.example"
    with pytest.raises(UserError, match="leads on more than 3 times"):
        remote.fetch("ann", web.url("to//to//to//to/picture.png"))
    with pytest.raises(UserError, match="characters; up to 2048"):
        remote.fetch("ann", web.url("a" * 3000))


ELSEWHERE = [
    ("http://inside.example:{port}/picture.png", "no public address"),
    ("http://both.example:{port}/picture.png", "no public address"),
    ("http://unknown.example:{port}/picture.png", "no public address"),
    ("//inside.example:{port}/picture.png", "no public address"),
    ("http://pictures.example:22/picture.png", "port 22"),
    ("http://pictures.example/picture.png", "port 80"),
    ("http://ann:secret@pictures.example:{port}/picture.png", "https://example.org/picture.png"),
    ("file:///etc/passwd", "https://example.org/picture.png"),
    ("ftp://pictures.example:{port}/picture.png", "https://example.org/picture.png"),
    ("http://pictures.example:x/picture.png", "can't be read"),
]


@pytest.mark.parametrize(("target", "says"), ELSEWHERE)
def test_a_redirect_leads_nowhere_else(web: Web, target: str, says: str) -> None:
    target = target.format(port=web.port)
    with pytest.raises(UserError, match=says):
        web.made().fetch("ann", web.url(f"to/{target}"))
    assert len(web.seen) == 1, "only the first address was asked"
    if target.startswith("http:"):
        with pytest.raises(UserError, match=says):
            web.made().fetch("ann", target)
        assert len(web.seen) == 1


@pytest.mark.parametrize("host", THIS_MACHINE.split())
def test_no_spelling_of_this_machine_is_public(web: Web, host: str) -> None:
    with pytest.raises(UserError, match=r"no public address|can't be read"):
        RemotePictures(2**20, 5, ports=(web.port,)).fetch("ann", web.url("picture.png", host))
    assert web.seen == []


def test_a_name_that_leads_elsewhere_the_second_time_is_looked_up_once(web: Web) -> None:
    """DNS rebinding."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]])
    web.resolve = lambda host, port: next(answers)  # type: ignore[method-assign]
    remote = web.made()
    assert remote.fetch("ann", web.url("picture.png")) == png()
    with pytest.raises(UserError, match="no public address"):
        remote.fetch("ann", web.url("picture.png"))
    with pytest.raises(UserError, match="no public address"):
        remote.fetch("ann", web.url("to/picture.png"))
    assert [path for path, _ in web.seen] == ["/picture.png", "/to/picture.png"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("drip", "within 0.4 seconds"),
        ("head", "within 0.4 seconds"),
        ("silent", "within 0.4 seconds"),
        ("endless", "more than 100000 bytes"),
        ("large", "more than 100000 bytes"),
        ("gzip", "compressed"),
        ("absent", "answers 404"),
        ("rubbish", "did not answer as a server"),
        ("nothing", "did not answer as a server"),
    ],
)
def test_time_and_bytes_are_bounded(web: Web, path: str, says: str) -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match=says):
        web.made(0.4, 100_000).fetch("ann", web.url(path))
    assert time.monotonic() - began < 1


def test_a_slow_lookup_is_not_waited_for(web: Web) -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match=r"within 0\.2 seconds"):
        web.made(0.2).fetch("ann", web.url("picture.png", "slow.example"))
    assert time.monotonic() - began < 1


def test_one_client_does_not_take_all_threads(web: Web) -> None:
    remote = web.made(1)

    def fetched(client: str) -> str:
        try:
            remote.fetch(client, web.url("drip"))
        except (UserError, Full) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(7) as pool:
        said = list(pool.map(fetched, ["ann", "ann", "ann", "bob", "bob", "cyd", "cyd"]))
    assert sum("of yours are being fetched" in each for each in said) >= 1
    assert sum("4 pictures are being fetched" in each for each in said) >= 1
    assert sum("within 1 seconds" in each for each in said) == 4
    assert remote.fetch("ann", web.url("picture.png")) == png(), "all is free again"


def test_the_name_is_what_a_certificate_is_asked_for(web: Web) -> None:
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda wrapped, name, _: names.append(name)  # type: ignore[assignment]

    def greet(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with pytest.raises(OSError), context.wrap_socket(connection, server_side=True):  # it has no certificate
            pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=greet, args=(listening,))
        thread.start()
        web.port = listening.getsockname()[1]
        with pytest.raises(UserError, match="did not answer"):
            web.made().fetch("ann", f"https://pictures.example:{web.port}/picture.png")
        thread.join(10)
    assert names == ["pictures.example"]


def test_what_is_fetched_is_kept_as_an_upload_and_must_be_a_picture(web: Web, tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, 2**20, web.made())
    kept = uploads.keep("ann", web.url("picture.png"))
    assert kept == uploads.add("ann", png()) and uploads.content(kept) == png()
    with pytest.raises(UserError, match="not a picture"):
        uploads.keep("ann", web.url("html"))
    with pytest.raises(UserError, match="takes no addresses of pictures: send a data URL or an upload"):
        Uploads(tmp_path, 2**20).keep("ann", web.url("picture.png"))


SIZE = {"width": 64, "height": 64}
JOB = {"prompt": "熊猫", "seed": 1, "num_inference_steps": 2, **SIZE}
CANNY = {"controlnet": {"args": [{"model": "canny", "module": "canny", "image": "PICTURE"}]}}
DASHSCOPE = "/api/v1/services/aigc/image2image/image-synthesis"
# Each with its fields of pictures.
BY_ADDRESS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/images/generations", {**JOB, "image": "PICTURE"} | {"width": None, "height": None, "size": "64x64"}),
    ("/call", {"input": {"text": "熊猫", "image": "PICTURE"}, "parameters": {"num_inference_steps": 2, **SIZE}}),
    ("/hf", {"inputs": "PICTURE", "parameters": {"prompt": "熊猫", "num_inference_steps": 2, **SIZE}}),
    ("/eas", {"prompt": "熊猫", "steps": 2, "image_link": "PICTURE", "func_name": "i2i", **SIZE}),
    (
        "/eas",
        {"prompt": "熊猫", "steps": 2, "image_link": "PICTURE", "mask_link": "MASK", "func_name": "inpaint", **SIZE},
    ),
    ("/sdapi/v1/img2img", {"prompt": "熊猫", "steps": 2, "init_images": ["PICTURE"], "mask": "MASK", **SIZE}),
    ("/sdapi/v1/txt2img", {"prompt": "熊猫", "steps": 2, "alwayson_scripts": CANNY, **SIZE}),
    ("/sdapi/v1/png-info", {"image": "PICTURE"}),
    ("/sdapi/v1/extra-single-image", {"image": "PICTURE"}),
    ("/controlnet/detect", {"controlnet_module": "canny", "controlnet_images": ["PICTURE"]}),
    ("/v1/jobs", {**JOB, "image": "PICTURE"}),
    ("/v1/jobs", {**JOB, "image": "PICTURE", "mask": "MASK"}),
    ("/v1/jobs", {**JOB, "control": [{"kind": "canny", "image": "PICTURE"}]}),
    ("/modelscope/v1/images/generations", {**JOB, "image_url": "PICTURE"}),
    (DASHSCOPE, {"input": {"prompt": "熊猫", "base_image_url": "PICTURE", "mask_image_url": "MASK"}}),
    (DASHSCOPE, {"input": {"prompt": "熊猫", "ref_img": "PICTURE"}, "parameters": {"size": "64*64"}}),
]


def test_every_protocol_takes_addresses_where_the_operator_says_so(web: Web, tmp_path: Path, sampler: Sampler) -> None:
    options = ServeOptions(model=["pai-diffusion-mini-zh"], data=str(tmp_path / "data"), picture_urls=True)
    service = Service(options, lambda name: sampler)
    guarded = service.uploads._remote
    assert guarded is not None
    with in_process(service) as address, httpx.Client(base_url=address, timeout=60) as client:

        def asked(path: str, body: object, picture: str, mask: str, **headers: str) -> httpx.Response:
            text = httpx.Request("POST", address, json=body).content.decode()
            text = text.replace("PICTURE", picture).replace("MASK", mask)
            return client.post(path, content=text, headers={"X-DashScope-Async": "enable", **headers})

        for path, body in BY_ADDRESS:  # the guard itself
            answer = asked(path, body, "http://localhost/picture.png", "http://[::1]/mask.png")
            assert answer.status_code in (400, 422, 460) and "no public address" in answer.text, (path, answer.text)
        service.uploads._remote = web.made()
        for path, body in BY_ADDRESS:
            answer = asked(path, body, web.url("picture.png"), web.url("mask.png"))
            assert answer.status_code in (200, 202), (path, answer.text)
        assert asked("/v1/jobs", JOB | {"image": "PICTURE"}, web.url("html"), "").status_code == 422
        body, key = JOB | {"image": "PICTURE"}, {"Idempotency-Key": "once"}
        first, fetched = asked("/v1/jobs", body, web.url("picture.png"), "", **key).json(), len(web.seen)
        assert asked("/v1/jobs", body, web.url("picture.png"), "", **key).json()["id"] == first["id"]
        assert len(web.seen) == fetched, "a request that is repeated fetches nothing again"
        assert first["request"]["image"].startswith("upload:")
