"""The service on an address, from its start to SIGTERM."""

import socket
from collections.abc import Callable

import uvicorn

from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import UserError
from pai_modelscope.serving.access import Tokens, check_bind
from pai_modelscope.serving.app import CONNECTIONS, build_app
from pai_modelscope.serving.connections import Http, WebSocket
from pai_modelscope.serving.service import Service

_FAREWELL = 5  # seconds that open connections have to end


def serve(options: ServeOptions, listening: Callable[[str], None] = lambda address: None) -> None:
    """Serve until SIGTERM or Ctrl-C: what is being drawn is finished, what waits is kept for the next start.

    Args:
        listening: is told the address, once connections are taken.

    Raises:
        UserError: an address that is taken, or that others reach without tokens; the folder of another service.
    """
    tokens = Tokens.read(options.token_file, options) if options.token_file else None
    check_bind(options.host, tokens)
    with _bound(options.host, options.port) as bound:
        service = Service(options)
        host = f"[{options.host}]" if ":" in options.host else options.host
        listening(f"http://{host}:{bound.getsockname()[1]}")
        config = uvicorn.Config(
            build_app(service, tokens),
            http=Http,
            ws=WebSocket,
            ws_max_size=1024,
            ws_ping_timeout=None,  # EAS's client answers none while its user is busy, but sends its own
            ws_per_message_deflate=False,  # pictures don't shrink
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_FAREWELL,
            timeout_keep_alive=75,
            limit_concurrency=CONNECTIONS,
            h11_max_incomplete_event_size=64 * 1024,
        )
        uvicorn.Server(config).run(sockets=[bound])


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; give another --port"
        ) from None
    return bound
