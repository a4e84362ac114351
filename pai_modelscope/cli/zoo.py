"""`pai-modelscope zoo`: which checkpoints exist, and sending one to a hub."""

import argparse

from pai_modelscope.cli.terminal import Commands, show


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser("zoo", help="the released checkpoints: list, show, push")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    actions.add_parser("list", help="all checkpoints, one a line").set_defaults(run=run_list)
    show = actions.add_parser("show", help="everything known about one checkpoint")
    show.add_argument("name", metavar="NAME", help="a name of 'zoo list' or a hub id")
    show.set_defaults(run=run_show)
    push = actions.add_parser("push", help="check a model folder and upload it to ModelScope")
    push.add_argument("folder", metavar="FOLDER")
    push.add_argument("model_id", metavar="ID", help="owner/name on the hub")
    push.set_defaults(run=run_push)


def run_list(args: argparse.Namespace) -> None:
    from pai_modelscope import zoo

    show(zoo.table())


def run_show(args: argparse.Namespace) -> None:
    from pai_modelscope import zoo

    show(zoo.show(args.name))


def run_push(args: argparse.Namespace) -> None:
    from pai_modelscope import zoo

    show(zoo.push(args.folder, args.model_id))
