"""`pai-modelscope train METHOD`: fine-tuning, alone or under `accelerate launch` and `torchrun`."""

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TypeAlias, TypedDict, Unpack

from pai_modelscope import untrusted
from pai_modelscope.cli.terminal import Commands, Parser, quieten_bars
from pai_modelscope.config.diffusers_flags import ALIASES, NO_EFFECT, NOT_HERE
from pai_modelscope.config.model import ModelOptions
from pai_modelscope.config.option import declaration_of, is_list, kind_of, short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.methods.registry import methods
from pai_modelscope.methods.spec import MethodSpec, first_sentence

Arguments: TypeAlias = argparse._ActionsContainer  # a parser, or a group of its flags
_SWITCHES = {"use_8bit_adam", "use_ema"}
# What a flag means without a value: diffusers' DreamBooth has offset noise of one strength, switched on so.
_ALONE = {"offset_noise": 0.1}


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "train", help="fine-tune a model", description="Fine-tune a model on pictures of your own."
    )
    parser.complete = add_methods  # other packages may bring some, which no other command needs


def add_methods(parser: Parser) -> None:
    choices = parser.add_subparsers(title="methods", metavar="METHOD", required=True, parser_class=Parser)
    for spec in methods().values():
        method_parser = choices.add_parser(
            spec.name, help=first_sentence(spec.options), description=spec.options.__doc__
        )
        add_flags(method_parser, spec)
        method_parser.set_defaults(run=run, method=spec.name)


def add_flags(parser: argparse.ArgumentParser, spec: MethodSpec) -> None:
    """Every option of a method, by our name and by that of diffusers' example scripts."""
    model, revision = fields(ModelOptions)
    parser.add_argument("--config", type=Path, help="a YAML file of these options; flags go before it")
    parser.add_argument(
        "--pretrained_model_name_or_path",
        "--model",
        default=argparse.SUPPRESS,
        help=f"{declaration_of(model).help}; default: {model.default}",
    )
    flat = "put the result into output_dir itself, as diffusers' scripts do, and not into its folder 'result'"
    parser.add_argument("--flat", action="store_true", help=flat)
    parser.add_argument("--revision", default=argparse.SUPPRESS, help=declaration_of(revision).help)
    known: dict[str, Field[object]] = {}
    for options, declared in spec.groups().items():
        group = parser.add_argument_group(first_sentence(options))
        for field in declared:
            _add_flag(group, field)
            known[field.name] = field
    others = parser.add_argument_group("As diffusers' example scripts call things")
    for name, (ours, _) in ALIASES.items():
        if ours in known:
            _add_other(others, name, f"the same as --{ours}", many=is_list(known[ours]))
    for name, why in NO_EFFECT.items():
        _add_idle(others, name, f"changes nothing: {why}")
    for name in NOT_HERE.keys() - known.keys():  # understood, to be refused with a word on what to do instead
        _add_idle(others, name, argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Train, and print the folder of the result. Stopped before the end, the exit status is 130.

    Raises:
        UserError: options, model or data that can't work.
    """
    from pai_modelscope.training.run import run as train

    quieten_bars()
    options = options_of(args)
    done = train(args.method, options, flat=args.flat)
    folder = options["output_dir"]
    if not done["finished"]:
        print(f"{folder}: stopped after step {done['step']}; --resume_from_checkpoint latest goes on from there")
        return 130
    print(folder if args.flat else f"{folder}/result")
    return 0


def options_of(args: argparse.Namespace) -> dict[str, object]:
    """What the flags say, and the YAML file where they say nothing."""
    options = {
        name: value
        for name, value in vars(args).items()
        if name not in ("run", "parser", "method", "rest", "config", "flat")
    }
    if getattr(args, "config", None):
        flags = {_our_name(name) for name in options}
        content = read_yaml(args.config, args.method)
        options = {name: value for name, value in content.items() if _our_name(name) not in flags} | options
    return options


def _our_name(name: str) -> str:
    """What we call an option that may be called as in diffusers' scripts."""
    return ALIASES.get(name, (name, None))[0]


def read_yaml(path: Path, method: str) -> dict[str, object]:
    """Options by their names. Raises `UserError` for no such file, no such form, or one for another method."""
    try:
        content = untrusted.read_yaml(path)
    except UserError as error:
        raise UserError(f"--config: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise UserError(f"--config {path} must hold options by their names, such as 'train_data_dir: pictures'")
    if (named := content.pop("method", method)) != method:
        raise UserError(
            f"--config {path} is for the method {short_repr(named)}, not {method!r}: run 'train' with that one"
        )
    return content


def _names(name: str) -> Sequence[str]:
    """`--some_name` as diffusers' scripts have it, and `--some-name`."""
    return list(dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")))


def _add_flag(group: Arguments, field: Field[object]) -> None:
    needed = field.default is MISSING or field.name == "train_data_dir"
    text = declaration_of(field).help + ("; needed" if needed else f"; default: {field.default}")
    if kind_of(field) is bool:
        _add(group, field.name, text.replace("%", "%%"), action=argparse.BooleanOptionalAction)
        return
    settings: _Settings = {"metavar": _metavar(field.name)}  # texts, which `resolve_options` makes numbers of
    if is_list(field):
        settings["nargs"] = "+"
    if field.name in _ALONE:
        settings |= {"nargs": "?", "const": _ALONE[field.name]}
    _add(group, field.name, text.replace("%", "%%"), **settings)


def _add_other(group: Arguments, name: str, text: str, many: bool) -> None:
    if name in _SWITCHES:
        _add(group, name, text, action="store_true")
    elif many:
        _add(group, name, text, metavar=_metavar(name), nargs="+")
    else:
        _add(group, name, text, metavar=_metavar(name))


def _add_idle(group: Arguments, name: str, text: str) -> None:
    """A flag whose value nobody reads; some are switches."""
    _add(group, name, text, metavar=_metavar(name), nargs="?", const=True)


class _Settings(TypedDict, total=False):
    """What a flag takes beside its name and help."""

    action: str | type[argparse.Action]
    metavar: str
    nargs: str
    const: object


def _add(group: Arguments, name: str, text: str, **settings: Unpack[_Settings]) -> None:
    group.add_argument(*_names(name), dest=name, help=text, default=argparse.SUPPRESS, **settings)


def _metavar(name: str) -> str:
    return name.rsplit("_", 1)[-1].upper()
