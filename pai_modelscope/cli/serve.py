"""`pai-modelscope serve`: the models over HTTP, with jobs that outlive a restart."""

import argparse
import json
import logging
import sys
import time

from pai_modelscope.cli.declared import add_declared_options, declared_options_of
from pai_modelscope.cli.terminal import Commands, say
from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import Fault, UserError


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="the models over HTTP, for other programs",
        description="An HTTP service: POST /v1/jobs draws, /openapi.json says how.",
    )
    parser.add_argument("--config", metavar="FILE", help="a YAML file of these options; flags go before it")
    add_declared_options(parser, ServeOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UserError: options that can't be, a folder of another service, an address that is taken.
    """
    options = options_of(args)
    from pai_modelscope.errors import need

    need("serve", "the service", "fastapi", "fastapi_offline", "uvicorn", "prometheus_client", "python_multipart")
    from pai_modelscope.serving.server import serve

    _log_as_json()
    serve(options, lambda address: say(f"listening on {address}"))


def options_of(args: argparse.Namespace) -> ServeOptions:
    """Flags over the configuration file over the defaults. Raises `UserError` for all that can't be, together."""
    values, faults = declared_options_of(args, ServeOptions, args.config)
    if values.get("ray") is None:  # they would have no effect
        named_alone = [name for name in ("replicas", "most_replicas", "replica_cores") if name in values]
        flags = [f"--{name.replace('_', '-')}" for name in named_alone]
        faults += [
            Fault(name, f"{flag} is of replicas on Ray: give --ray, too")
            for name, flag in zip(named_alone, flags, strict=True)
        ]
    if faults:
        raise UserError.of(faults)
    options = ServeOptions(**values)  # type: ignore[arg-type]  # compared above
    if options.most_replicas is not None and options.most_replicas < options.replicas:
        raise UserError(f"--most-replicas is {options.most_replicas}; it is at least --replicas, {options.replicas}")
    return options


class _Lines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.created)),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _log_as_json() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    for name in ("pai_modelscope", "uvicorn"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
