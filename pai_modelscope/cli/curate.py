"""`pai-modelscope curate`: raw pairs of pictures and captions become a training set."""

import argparse

from pai_modelscope.cli.declared import add_declared_options, declared_options_of
from pai_modelscope.cli.terminal import Commands, say
from pai_modelscope.config.curation import CurateOptions
from pai_modelscope.errors import UserError

_PARTS = {"score": 2, "dedup": 1, "select": 1}  # and the folders that each takes


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "curate",
        help="raw pairs of pictures and captions become a training set",
        description="Score every pair of INPUT into OUTPUT, find duplicates, then keep those pairs of which all rules "
        "are true. What was scored before stays; 'score', 'dedup' and 'select' are the parts.",
    )
    parser.usage = (
        "pai-modelscope curate [score] INPUT OUTPUT [options]\n"
        "       pai-modelscope curate dedup|select OUTPUT [options]"
    )
    parser.add_argument("folders", nargs="+", metavar="INPUT OUTPUT", help="as 'train' takes them; the folder to write")
    parser.add_argument("--config", metavar="FILE", help="a YAML file of these options; flags go before it")
    add_declared_options(parser, CurateOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Raises `UserError`: options, an input or an output that can't be."""
    values, faults = declared_options_of(args, CurateOptions, args.config)
    if faults:
        raise UserError.of(faults)
    options = CurateOptions(**values)  # type: ignore[arg-type]  # compared above
    part = args.folders[0] if args.folders[0] in _PARTS and len(args.folders) == _PARTS[args.folders[0]] + 1 else ""
    folders = args.folders[1:] if part else args.folders
    if not part and len(folders) != 2:
        raise UserError("give INPUT and OUTPUT, or 'score INPUT OUTPUT', 'dedup OUTPUT', 'select OUTPUT'")
    from pai_modelscope.curation.run import choose, deduplicate, score

    if part in ("", "score"):
        plan = score(folders[0], folders[1], options)
        say(f"scored {plan.pairs} pairs into {folders[-1]}")
    if part == "dedup" or (not part and "thumbnail" in plan.scorers):
        say(f"found {deduplicate(folders[-1])} duplicates")
    if part in ("", "select"):
        selection = choose(folders[-1], options)
        for reason, count in selection.left_out.items():
            say(f"left out {count}: {reason}")
        say(f"kept {len(selection.kept)} of {selection.pairs}")
