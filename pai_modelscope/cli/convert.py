"""`pai-modelscope convert`: a model's folder as a single file for the WebUI, and such a file as a folder."""

import argparse

from pai_modelscope.cli.terminal import Commands, show


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "convert",
        help="a model or ControlNet as a single file, and back",
        description="A model's or ControlNet's folder becomes a single file in the layout that the WebUI reads, and a "
        "file in that layout a folder. Nothing is overwritten.",
    )
    parser.add_argument("input", metavar="INPUT", help="a folder, a name of 'zoo list' or a hub id; or a file")
    parser.add_argument("output", metavar="OUTPUT", help="a .safetensors file; or, from a file, a folder")
    parser.add_argument(
        "--base",
        metavar="MODEL",
        help="folder, name or id of the model whose tokenizer, scheduler and configurations the new folder gets; "
        "default: those in the file's header, where this program wrote it; and the model that a control adapter of "
        "low rank was made for",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Convert, and print what was made.

    Raises:
        UserError: what can't be converted, and an output that exists.
    """
    from pathlib import Path

    from pai_modelscope.checkpoints.single_file.read import ENDINGS
    from pai_modelscope.families.single_file import from_single_file, to_single_file

    source = Path(args.input)
    if source.is_file() or (source.suffix in ENDINGS and not source.exists()):
        show(from_single_file(args.input, args.output, args.base))
    else:
        show(to_single_file(args.input, args.output, args.base))
