"""`pai-modelscope serve` as a process of its own."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from pai_modelscope.serving.app import build_app
from pai_modelscope.serving.service import Service

ANN, BOB, CYD = "ann-0123456789abcdef", "bob-0123456789abcdef", "cyd-0123456789abcdef"


@dataclass
class Server:
    """A running service and clients of it."""

    process: "subprocess.Popen[str]"
    address: str
    data: Path

    def client(self, token: str | None = ANN) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.address, headers=headers, timeout=120)

    def wait_until_ready(self) -> None:
        wait_until_ready(self.address)


def wait_until_ready(address: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("it did not get ready")


def start(data: Path, *flags: str) -> Server:
    command = [sys.executable, "-m", "pai_modelscope.cli", "serve", "--port", "0", "--data", str(data), *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert process.stderr is not None
    found = re.search(r"listening on (\S+)", line := process.stderr.readline())
    if not found:
        process.terminate()
        raise AssertionError(line + process.communicate(timeout=60)[1])
    return Server(process, found[1], data)


@contextlib.contextmanager
def in_process(service: Service) -> Iterator[str]:
    """The address of a service that runs in this process, for tests that bring models of their own."""
    config = uvicorn.Config(build_app(service), port=0, log_config=None, timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [bound]})
        thread.start()
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        try:
            wait_until_ready(address)
            yield address
        finally:
            running.should_exit = True
            thread.join(60)
