"""`pai-modelscope`: one command line over the package. Only the command that runs imports what it needs."""

import sys
from collections.abc import Sequence

from pai_modelscope import __version__
from pai_modelscope.cli import (
    adapter,
    check_prompt,
    convert,
    curate,
    demo,
    evaluate,
    gallery,
    generate,
    label,
    serve,
    train,
    zoo,
)
from pai_modelscope.cli.environment import check_environment
from pai_modelscope.cli.options import generation_flags
from pai_modelscope.cli.terminal import Parser, close_stdout, line_of, open_streams, quieten, say

COMMANDS = (demo, generate, check_prompt, label, serve, curate, train, adapter, convert, zoo, evaluate, gallery)


def build_parser() -> Parser:
    """The parser of all commands; each sets `run`, a function from the parsed arguments to the exit status."""
    parser = Parser(prog="pai-modelscope", description="Chinese text-to-image models of the PAI-Diffusion family.")
    parser.add_argument("--version", action="version", version=f"pai_modelscope {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0 done, 1 a check that failed, 2 bad input (one line on stderr says which), 130
    stopped by Ctrl-C.

    An error of our own code, which no input should cause, stays a traceback.
    """
    open_streams()
    try:
        status = _run(sys.argv[1:] if arguments is None else [str(argument) for argument in arguments])
        sys.stdout.flush()  # what can't be written is known here, not when Python ends
        return status
    except KeyboardInterrupt:
        say("stopped")
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        close_stdout()
        return 1
    except Exception as error:
        line = line_of(error)
        if line is None:
            raise
        say(line)
    try:
        sys.stdout.flush()
    except OSError:
        close_stdout()
    return 2


def _run(arguments: list[str]) -> int:
    parser = build_parser()
    for argument in arguments:
        if not argument.isascii():
            try:
                argument.encode()
            except UnicodeEncodeError:
                parser.error(f"{argument!r} is no UTF-8 text: type it again, or give the file another name")
    args, rest = parser.parse_known_args(arguments)
    if rest and not getattr(args, "passes_on", False):
        args.parser.refuse(rest, generation_flags())
    args.rest = rest
    check_environment()
    quieten()
    return int(args.run(args) or 0)
