"""`pai-modelscope train METHOD`: fine-tuning, alone or under `accelerate launch` and `torchrun`."""

import argparse
from dataclasses import MISSING, Field, fields
from typing import Any

from pai_modelscope.commands.options import kind_of
from pai_modelscope.commands.terminal import quieten_bars
from pai_modelscope.config import TrainingConfig
from pai_modelscope.config.methods import METHODS, DataOptions, DenoisingOptions, comments


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "train", help="fine-tune a model", description="Fine-tune a model on pictures of your own."
    )
    methods = parser.add_subparsers(title="methods", metavar="METHOD", required=True)
    for name, own in METHODS.items():
        each = methods.add_parser(name, help=_first(own), description=own.__doc__)
        each.add_argument(
            "--pretrained_model_name_or_path",
            default=argparse.SUPPRESS,
            help="folder, name of 'zoo list' or hub id; default: pai-diffusion-mini-zh",
        )
        for options in (DataOptions, own, DenoisingOptions, TrainingConfig):
            group = each.add_argument_group(_first(options))
            said = comments(options)
            for field in fields(options):
                _add_flag(group, field, said[field.name])
        each.set_defaults(run=run, method=name)


def run(args: argparse.Namespace) -> int:
    """Train, and print the folder of the result. Stopped before the end, the exit status is 130.

    Raises:
        UserError: options, model or data that can't work.
    """
    from pai_modelscope.training.setup import run as train

    quieten_bars()
    given = {name: value for name, value in vars(args).items() if name not in ("run", "method", "rest")}
    done = train(args.method, given)
    print(f"{args.output_dir}/result" if done["finished"] else f"{args.output_dir}: stopped after step {done['step']}")
    return 0 if done["finished"] else 130


def _first(options: type) -> str:
    """The first sentence that a dataclass says of itself."""
    return (options.__doc__ or "").split(".")[0].split(";")[0].strip()


def _add_flag(group: Any, field: Field[Any], said: str) -> None:
    """`--some_name` as diffusers' scripts have it, and `--some-name`."""
    names = list(dict.fromkeys((f"--{field.name}", f"--{field.name.replace('_', '-')}")))
    required = field.default is MISSING or field.name == "train_data_dir"
    kind = kind_of(field)
    about = said if required else f"{said}; default: {field.default}"
    settings: dict[str, Any] = {"dest": field.name, "help": about.replace("%", "%%"), "required": required}
    if not required:
        settings["default"] = argparse.SUPPRESS
    if kind is bool:
        group.add_argument(*names, action=argparse.BooleanOptionalAction, **settings)
    else:
        group.add_argument(*names, type=kind, metavar=field.name.rsplit("_", 1)[-1].upper(), **settings)
