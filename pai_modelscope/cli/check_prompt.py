"""`pai-modelscope check-prompt`: what a model makes of a prompt, and where in a picture each word acts."""

import argparse

from pai_modelscope.cli.output_folder import Folder
from pai_modelscope.cli.terminal import Commands, quieten_bars, show
from pai_modelscope.config.model import DEFAULT_MODEL


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "check-prompt",
        help="what a model does not know of a prompt",
        description="Unknown characters, words that the model never learned, and what shows nothing.",
    )
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="a prompt")
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="name of 'zoo list', hub id or folder; default: %(default)s"
    )
    parser.add_argument(
        "--heat-map",
        action="store_true",
        help="draw each prompt, and show where in the picture each of its words acted",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the heat map's picture; default: %(default)s")
    parser.add_argument("--output", default="out", metavar="DIR", help="where heat maps go; default: %(default)s")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """The findings go to stdout, then the paths of heat maps.

    Raises:
        UserError: bad input, before anything is drawn.
    """
    folder = Folder(args.output) if args.heat_map else None
    from pai_modelscope.sampling import Sampler

    quieten_bars()
    sampler = Sampler.from_pretrained(args.model)
    for text in args.texts:
        check = sampler.check_prompt(text)
        if len(args.texts) > 1:
            show(text)
        show(*(check.report().splitlines() or ["nothing to say"]))
        if folder is not None:
            heat = sampler.heat_map(text, seed=args.seed)
            show(folder.save(heat.sheet(), f"heat-map-seed{heat.picture.seed}"))
