"""One file a command of `pai-modelscope`; each offers `add_parser(commands)`, and imports what is heavy only to run."""
