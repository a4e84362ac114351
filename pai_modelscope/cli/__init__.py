"""`pai-modelscope`: one file a command. Each offers `add_parser(commands)`, and imports what is heavy only to run."""

from pai_modelscope.cli.parser import build_parser, main

__all__ = ["build_parser", "main"]
