"""A Ray cluster: one is joined, or started on this machine."""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator

from pai_modelscope.errors import UserError, need

LOCAL = "local"  # in place of a cluster's address
_REACHED = 5.0  # seconds within which a cluster takes a connection


def join_cluster(address: str, cores: int, what: str) -> None:
    """Join the cluster at an address; LOCAL: start one here, with so many cores, that ends with this process.

    `what`: is made with it, for the message.

    Raises:
        UserError: there is no cluster at that address; Ray is not installed.
    """
    need("cluster", what, "ray")
    with _own_signals():
        _join(address, cores)


def _join(address: str, cores: int) -> None:
    import ray
    from ray.exceptions import RayError

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to other hosts
    logging.getLogger("ray").setLevel(logging.ERROR)
    if address != LOCAL:
        try:
            _reach(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError, RayError) as error:
            raise UserError(f"there is no Ray cluster at {address} ({str(error).splitlines()[0]})") from None
        return
    ray.init(
        address=LOCAL,
        num_cpus=max(os.cpu_count() or 1, cores),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _node_ip_address="127.0.0.1",
    )


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Ray would end the process by SIGTERM in a way of its own, which a supervisor takes for a failure."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _reach(address: str) -> None:
    """Raises `OSError` where nothing listens at host:port: Ray would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and "//" not in address and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _REACHED).close()
