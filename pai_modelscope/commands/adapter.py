"""`pai-modelscope adapter`: what a LoRA or embedding file is, and the same in another form."""

import argparse
from typing import Any

FORMS = ("diffusers", "peft", "kohya", "webui")


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("adapter", help="LoRA and embedding files: inspect, convert")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    inspect = actions.add_parser("inspect", help="kind, rank, alpha, base, trigger words, metadata")
    inspect.add_argument("file", metavar="FILE", help="a LoRA or embedding: a file or a folder")
    inspect.add_argument("--json", action="store_true", help="everything, as JSON")
    inspect.set_defaults(run=run_inspect)
    convert = actions.add_parser("convert", help="write it in another form; nothing is overwritten")
    convert.add_argument("file", metavar="FILE", help="a LoRA or embedding: a file or a folder")
    convert.add_argument("output", metavar="OUTPUT", help="where to write; for 'peft', a folder")
    convert.add_argument(
        "--to", required=True, choices=FORMS, help="of a LoRA all but webui; of an embedding webui too"
    )
    convert.set_defaults(run=run_convert)


def run_inspect(args: argparse.Namespace) -> None:
    import json

    from pai_modelscope.adapters import inspect
    from pai_modelscope.text.unknown import shorten

    found = inspect(args.file)
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for name, value in found.items():
        if name != "metadata":
            print(f"{name.replace('_', ' ')}: {_shown(value)}")
    for name, value in found["metadata"].items():
        print(f"  {name}: {shorten(' '.join(str(value).split()), 200)}")


def run_convert(args: argparse.Namespace) -> None:
    from pai_modelscope.adapters import inspect, read_embedding, read_lora, write_embedding, write_lora
    from pai_modelscope.errors import UserError

    embedding = inspect(args.file)["type"] == "embedding"
    if embedding != (args.to == "webui") and not (embedding and args.to == "diffusers"):
        valid = "diffusers and webui" if embedding else "diffusers, peft and kohya"
        raise UserError(f"{args.file} is {'an embedding' if embedding else 'a LoRA'}: it can become {valid}")
    if embedding:
        print(write_embedding(read_embedding(args.file), args.output, args.to))
    else:
        print(write_lora(read_lora(args.file), args.output, args.to))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {of}" for name, of in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
