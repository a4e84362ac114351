"""`pai-modelscope`: one command line over the package. Only the command that runs imports what it needs."""

import os
import sys
from collections.abc import Sequence

from pai_modelscope import __version__
from pai_modelscope.commands import adapter, convert, demo, evaluate, gallery, generate, train, zoo
from pai_modelscope.commands.terminal import Parser, quieten, say
from pai_modelscope.errors import UserError

COMMANDS = (demo, generate, train, adapter, convert, zoo, evaluate, gallery)


def build_parser() -> Parser:
    """The parser of all commands; each sets `run`, a function from the parsed arguments to the exit status."""
    parser = Parser(prog="pai-modelscope", description="Chinese text-to-image models of the PAI-Diffusion family.")
    parser.add_argument("--version", action="version", version=f"pai_modelscope {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0 done, 2 bad input (one line on stderr says which), 130 stopped by Ctrl-C."""
    parser = build_parser()
    args, rest = parser.parse_known_args(arguments)
    if rest and not getattr(args, "passes_on", False):
        parser.error(f"not understood: {' '.join(rest)}")
    args.rest = rest
    quieten()
    try:
        return int(args.run(args) or 0)
    except UserError as error:
        say(" ".join(str(error).split()))
        return 2
    except KeyboardInterrupt:
        say("stopped")
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
