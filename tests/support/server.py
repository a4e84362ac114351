"""`pai-modelscope serve` as a process of its own."""

import contextlib
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

ANN, BOB = "ann-0123456789abcdef", "bob-0123456789abcdef"


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
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.address}/readyz").status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("it did not get ready")


def start(data: Path, *flags: str) -> Server:
    command = [sys.executable, "-m", "pai_modelscope.cli", "serve", "--port", "0", "--data", str(data), *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert process.stderr is not None
    found = re.search(r"listening on (\S+)", process.stderr.readline())
    assert found, process.stderr.read()
    return Server(process, found[1], data)
