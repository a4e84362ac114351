"""Flags and configuration files of a dataclass of options: one of each for every field."""

import argparse
import dataclasses

from pai_modelscope.config.option import (
    Dataclass,
    bounds_of,
    declaration_of,
    fault,
    flag_of,
    is_list,
    kind_of,
)
from pai_modelscope.errors import Fault, UserError


def add_declared_options(parser: argparse.ArgumentParser, options: type[Dataclass]) -> None:
    """Add a flag for each field; what is not given does not stand in the namespace."""
    for field in dataclasses.fields(options):
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


def declared_options_of(
    args: argparse.Namespace, options: type[Dataclass], config: str | None
) -> tuple[dict[str, object], list[Fault]]:
    """What the flags and, where they say nothing, the configuration file set; and all that is wrong with it.

    Raises:
        UserError: the file can't be read, or holds no options.
    """
    values = _of_file(config) if config else {}
    named = {field.name: field for field in dataclasses.fields(options)}
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
    return values, faults


def _of_file(path: str) -> dict[str, object]:
    from pai_modelscope.untrusted import read_yaml

    values = read_yaml(path)
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no options: write them as 'name: value', a line each")
    return {str(name).replace("-", "_"): value for name, value in values.items()}


def _list_fault(name: str, value: object) -> Fault | None:
    if value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        return None
    return Fault(name, f"{name} is {type(value).__name__}; give a list of texts")
