"""`pai-modelscope serve`: the models over HTTP, with jobs that outlive a restart."""

import argparse
import dataclasses
import json
import logging
import sys
import time

from pai_modelscope.cli.terminal import Commands, say
from pai_modelscope.config.option import bounds_of, declaration_of, fault, flag_of, is_list, kind_of
from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import Fault, UserError


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="the models over HTTP, for other programs",
        description="An HTTP service: POST /v1/jobs draws, /openapi.json says how.",
    )
    parser.add_argument("--config", metavar="FILE", help="a YAML file of these options; flags go before it")
    for field in dataclasses.fields(ServeOptions):
        declaration = declaration_of(field)
        default = declaration.absent or ("none" if field.default is None else field.default)
        several = is_list(field)
        kind = str if several else kind_of(field)
        text = f"{declaration.help}{'; may be repeated' if several else ''}; default: {default}"
        if kind is bool:
            action = argparse.BooleanOptionalAction
            parser.add_argument(flag_of(field), dest=field.name, action=action, default=argparse.SUPPRESS, help=text)
            continue
        parser.add_argument(
            flag_of(field),
            dest=field.name,
            type=kind if callable(kind) else str,
            action="append" if several else "store",
            metavar=field.name.rsplit("_", 1)[-1].upper(),
            default=argparse.SUPPRESS,
            help=text,
        )
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
    values = _of_file(args.config) if args.config else {}
    named = {field.name: field for field in dataclasses.fields(ServeOptions)}
    values |= {name: value for name, value in vars(args).items() if name in named}
    faults = [Fault(name, f"{name} is no option; valid are {', '.join(named)}") for name in values if name not in named]
    for name, field in named.items():
        if name in values:
            value = values[name]
            if value is False and "off" in bounds_of(field).choices:  # as YAML reads the word
                value = values[name] = "off"
            if is_list(field) and isinstance(value, str):
                value = values[name] = [value]
            if wrong := _list_fault(name, value) if is_list(field) else fault(field, value):
                faults.append(wrong)
    if values.get("ray") is None:  # they would have no effect
        named_alone = [name for name in ("replicas", "most_replicas", "replica_cores") if name in values]
        faults += [
            Fault(name, f"{flag_of(named[name])} is of replicas on Ray: give --ray, too") for name in named_alone
        ]
    if faults:
        raise UserError.of(faults)
    options = ServeOptions(**values)  # type: ignore[arg-type]  # compared above
    if options.most_replicas is not None and options.most_replicas < options.replicas:
        raise UserError(f"--most-replicas is {options.most_replicas}; it is at least --replicas, {options.replicas}")
    return options


def _of_file(path: str) -> dict[str, object]:
    from pai_modelscope.untrusted import read_yaml

    values = read_yaml(path)
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no options: write them as 'port: 7860', a line each")
    return {str(name).replace("-", "_"): value for name, value in values.items()}


def _list_fault(name: str, value: object) -> Fault | None:
    if value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        return None
    return Fault(name, f"{name} is {type(value).__name__}; give a list of texts")


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
