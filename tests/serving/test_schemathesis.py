"""Requests of every kind that the service's OpenAPI describes, and of those that it does not allow: none is answered
500."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import start


@pytest.mark.slow
def test_no_request_breaks_the_service(tmp_path: Path) -> None:
    server = start(tmp_path / "data", "--queue", "4", "--steps", "2", "--pixels", "4096")
    try:
        server.wait_until_ready()
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.address}/openapi.json"]
        command += ["--checks", "not_a_server_error", "--max-examples", "50", "--request-timeout", "60"]
        command += [
            "--exclude-path-regex",
            "/events",
            "--workers",
            "2",
            "--seed",
            "1",
        ]  # whose stream ends with its job
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1500)
        assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-5000:]
    finally:
        server.process.terminate()
        server.process.communicate(timeout=120)
