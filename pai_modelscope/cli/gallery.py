"""`pai-modelscope gallery`: the static site of pictures and notebooks, and the README's cards."""

import argparse
from pathlib import Path

from pai_modelscope.cli.terminal import Commands, quieten_bars, say, show


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser("gallery", help="a static site of pictures and notebooks")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="draw the pictures of the index and write the site")
    build.add_argument("--notebooks", type=Path, default="build/notebooks", metavar="DIR", help="executed copies")
    build.add_argument("--sources", type=Path, default="notebooks", metavar="DIR", help="the notebooks themselves")
    build.add_argument("--output", type=Path, default="build/gallery", metavar="DIR", help="default: %(default)s")
    build.set_defaults(run=run_build)
    cards = actions.add_parser("cards", help="write the cards of README.md and README.zh.md")
    cards.set_defaults(run=run_cards)
    for command in (build, cards):
        command.add_argument("--index", type=Path, default="gallery/index.yaml", metavar="FILE", help="what is shown")
        kept = "build/gallery-pictures"
        command.add_argument(
            "--kept", type=Path, default=kept, metavar="DIR", help="drawings kept; default: %(default)s"
        )


def run_build(args: argparse.Namespace) -> None:
    """Write the site; the path of its first page goes to stdout."""
    from pai_modelscope.gallery import build_site, read_index

    index = read_index(args.index)
    quieten_bars()
    first = build_site(index, sources=args.sources, executed=args.notebooks, output=args.output, kept=args.kept)
    show(first)


def run_cards(args: argparse.Namespace) -> None:
    """Write the cards; the paths of the files that changed go to stdout."""
    from pai_modelscope.gallery import read_index, write_cards

    index = read_index(args.index)
    quieten_bars()
    readmes = {"en": Path("README.md"), "zh": Path("README.zh.md")}
    changed = write_cards(index, readmes, Path("docs/images/gallery"), args.kept)
    show(*changed)
    if not changed:
        say("the cards are up to date")
