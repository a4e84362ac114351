"""`pai-modelscope adapter`: what a LoRA or embedding file is, the same in another form, LoRAs into models and out."""

import argparse
from typing import TYPE_CHECKING

from pai_modelscope.cli.options import lora_and_weight, whole_number
from pai_modelscope.cli.terminal import Commands, show, show_json

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import DiffusionPipeline

    from pai_modelscope.adapters import LoraFile

LORA_FORMS = ("diffusers", "peft", "kohya")
FORMS = (*LORA_FORMS, "webui")


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser("adapter", help="LoRA and embedding files: inspect, convert, merge, extract")
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
    merge = actions.add_parser("merge", help="write a model with LoRAs merged into it; nothing is overwritten")
    merge.add_argument("model", metavar="MODEL", help="a folder, a name of 'zoo list' or a hub id")
    merge.add_argument(
        "loras", metavar="LORA", nargs="+", type=lora_and_weight, help="FILE or FILE=WEIGHT, a folder, a name or an id"
    )
    merge.add_argument("output", metavar="OUTPUT", help="the folder to write")
    merge.set_defaults(run=run_merge)
    extract = actions.add_parser("extract", help="write the difference of two models as a LoRA")
    extract.add_argument("tuned", metavar="TUNED", help="the trained or merged model: a folder, a name or an id")
    extract.add_argument("base", metavar="BASE", help="the model that it was made from")
    extract.add_argument("output", metavar="OUTPUT", help="where to write; for 'peft', a folder")
    extract.add_argument("--rank", type=whole_number, default=16, help="size of the LoRA; default: %(default)s")
    extract.add_argument("--to", required=True, choices=LORA_FORMS, help="the form of the LoRA")
    extract.set_defaults(run=run_extract)


def run_inspect(args: argparse.Namespace) -> None:
    from pai_modelscope.adapters import inspect
    from pai_modelscope.text.characters import shorten

    summary = inspect(args.file)
    if args.json:
        show_json(summary)
        return
    for name, value in summary.items():
        if name != "metadata":
            show(f"{name.replace('_', ' ')}: {_line(_as_text(value))}")
    for name, value in summary["metadata"].items():
        show(f"  {_line(name)}: {shorten(_line(str(value)), 200)}")


def run_convert(args: argparse.Namespace) -> None:
    from pai_modelscope.adapters import inspect, read_embedding, read_lora, write_embedding, write_lora
    from pai_modelscope.errors import UserError

    embedding = inspect(args.file)["type"] == "embedding"
    if embedding != (args.to == "webui") and not (embedding and args.to == "diffusers"):
        valid = "diffusers and webui" if embedding else "diffusers, peft and kohya"
        raise UserError(f"{args.file} is {'an embedding' if embedding else 'a LoRA'}: it can become {valid}")
    if embedding:
        show(write_embedding(read_embedding(args.file), args.output, args.to))
    else:
        show(write_lora(read_lora(args.file), args.output, args.to))


def run_merge(args: argparse.Namespace) -> None:
    from pathlib import Path

    from pai_modelscope.adapters import merge_lora, save_merged
    from pai_modelscope.tensor_files import check_free
    from pai_modelscope.zoo import model_dir

    check_free(Path(args.output), folder=True)
    loras = [(_lora(source), 1.0 if weight is None else weight) for source, weight in args.loras]
    folder = model_dir(args.model)
    pipe = _pipeline(folder)
    for lora, weight in loras:
        merge_lora(pipe, lora, weight)
    show(save_merged(pipe, folder, args.output))


def run_extract(args: argparse.Namespace) -> None:
    from pai_modelscope.adapters import extract_lora, write_lora
    from pai_modelscope.adapters.lora_io.write import lora_path
    from pai_modelscope.zoo import model_dir

    lora_path(args.output, args.to)
    tuned, base = (_pipeline(model_dir(model)) for model in (args.tuned, args.base))
    texts = (tuned.text_encoder, base.text_encoder)
    lora = extract_lora(tuned.unet, base.unet, args.rank, text_encoders=texts)
    show(write_lora(lora, args.output, args.to))


def _lora(source: str) -> "LoraFile":
    from pai_modelscope.adapters import lora_place, read_lora

    return read_lora(lora_place(source))


def _pipeline(folder: "Path") -> "DiffusionPipeline":
    import torch

    from pai_modelscope.families import family_of_folder

    return family_of_folder(folder).open(folder, torch.device("cpu"), torch.float32)


def _line(text: str) -> str:
    return " ".join(text.split())


def _as_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {of}" for name, of in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
