"""`pai-modelscope evaluate`: the table of the model card, measured again; flags go to `pai_modelscope.evaluation`."""

import argparse

from pai_modelscope.cli.terminal import Commands


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser("evaluate", add_help=False, help="measure a model: the table of the model card")
    parser.set_defaults(run=run, passes_on=True)


def run(args: argparse.Namespace) -> int:
    from pai_modelscope.evaluation.__main__ import main

    return main(args.rest, "pai-modelscope evaluate")
