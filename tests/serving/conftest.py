"""One running service for all tests of this folder that speak HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.server import ANN, BOB, CYD, Server, start


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("serve")
    bounds = "jobs=1 pictures=1 pixels=8192 steps=3 priority=1"
    (folder / "tokens").write_text(f"ann {ANN}\nbob {BOB}\ncyd {CYD} {bounds}\n")
    running = start(folder / "data", "--token-file", str(folder / "tokens"), "--body-mib", "1")
    running.wait_until_ready()
    yield running
    running.process.terminate()
    running.process.communicate(timeout=60)


@pytest.fixture
def ann(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client
