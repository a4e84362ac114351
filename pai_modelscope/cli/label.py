"""`pai-modelscope label check`: whether pictures carry the label of generated content, and who made them."""

import argparse

from pai_modelscope.cli.terminal import Commands, show
from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser("label", help="the label of generated pictures (GB 45438-2025): check")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="say whether pictures carry it, and who made them",
        description="Whether each picture's file holds one valid label; exit status 1 if any does not.",
    )
    check.add_argument("files", nargs="+", metavar="FILE", help="a PNG, JPEG, WebP, AVIF or GIF")
    check.set_defaults(run=run_check)


def run_check(args: argparse.Namespace) -> int:
    """A line a file goes to stdout. 0 if all are labelled, else 1."""
    from pai_modelscope.images.aigc_label import LABELS
    from pai_modelscope.images.picture_text import read_label

    status = 0
    for file in args.files:
        try:
            label = read_label(file)
        except UserError as error:
            show(error)
            label, status = None, 1
        else:
            if label is None:
                show(f"{file}: no label")
                status = 1
            else:
                said = ", ".join(f"{name} {short_repr(label[name])}" for name in ("ContentProducer", "ProduceID"))
                show(f"{file}: {LABELS[label['Label']]} (Label {label['Label']}), {said}")
    return status
