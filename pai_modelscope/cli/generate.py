"""`pai-modelscope generate`: pictures from Chinese texts, each saved as soon as it is finished."""

import argparse
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pai_modelscope.cli.options import add_generation_options, add_label_options, options_of
from pai_modelscope.cli.output_folder import Folder
from pai_modelscope.cli.terminal import Commands, quieten_bars, say, show, undisturbed
from pai_modelscope.config.model import DEFAULT_MODEL
from pai_modelscope.errors import UserError

if TYPE_CHECKING:
    from pai_modelscope.sampling import Picture, Sampler

DEFAULT_OUTPUT = "out"


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser("generate", help="pictures from texts", description="Pictures from Chinese texts.")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="what to draw")
    parser.add_argument("--from-file", type=Path, metavar="FILE", help="one text a line, UTF-8; # begins a comment")
    parser.add_argument("--like", type=Path, metavar="PICTURE", help="make a saved picture again; flags change it")
    add_generation_options(parser)
    group = parser.add_argument_group("model and output")
    group.add_argument("--model", help=f"name of 'zoo list', hub id or folder; default: {DEFAULT_MODEL}")
    group.add_argument("--device", help="such as cpu, cuda, cuda:1; default: a GPU where there is one")
    group.add_argument("--dtype", help="float32, float16 or bfloat16; default: float32 on a CPU, float16 on a GPU")
    group.add_argument("--output", default=DEFAULT_OUTPUT, metavar="DIR", help="default: %(default)s")
    group.add_argument(
        "--sheet",
        action=argparse.BooleanOptionalAction,
        help="a contact sheet; default: for several pictures",
    )
    add_label_options(group)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw and save; the paths go to stdout. Ctrl-C keeps what is finished and returns 130.

    Raises:
        UserError: bad input, before any work where that can be known.
    """
    texts, options, model, dtype = read_request(args)
    if args.like is not None:
        _check_here(args.like, options | ({"model": model} if args.model is None else {}), options_of(args))
    from pai_modelscope.images.aigc_label import labelling

    folder = Folder(args.output, labelling(args.aigc_label, args.aigc_producer))
    from pai_modelscope.sampling import Sampler

    quieten_bars()
    sampler = Sampler.from_pretrained(model, device=args.device, torch_dtype=dtype)
    pictures: list[Picture] = []
    try:
        for picture in draw(sampler, texts, options):
            with undisturbed():
                for line in how_prompted(picture):
                    say(line)
                show(folder.save(picture.image, f"seed{picture.seed}", picture.infotext))
                if picture.scroll is not None:
                    show(folder.save(picture.scroll, f"seed{picture.seed}-scroll", picture.infotext))
                pictures.append(picture)
    except KeyboardInterrupt:
        say(f"stopped; {len(pictures)} finished pictures are kept in {folder.path}")
        return 130
    if args.sheet or (args.sheet is None and len(pictures) > 1):
        labels = [picture.prompt for picture in pictures]
        show(folder.save_sheet([picture.image for picture in pictures], labels))
    return 0


def how_prompted(picture: "Picture") -> list[str]:
    """Lines that say what the prompt was made of, the words of a poem and words that were added; none for a plain
    prompt."""
    lines = [] if picture.reading is None else picture.reading.report().splitlines()
    if picture.added:
        lines.append(f"added: {','.join(picture.added)}")
    return [f"prompt: {picture.prompt}", *lines] if lines else []


def draw(sampler: "Sampler", texts: list[str], options: dict[str, object]) -> "Iterator[Picture]":
    """Pictures as they are finished, under a bar that counts the steps of all of them."""
    from tqdm import tqdm

    with tqdm(unit="step", disable=None, leave=False) as bar:  # None: no bar where stderr is no terminal

        def progress(step: int, total: int) -> None:
            bar.total = total
            bar.update(step - bar.n)

        for picture in sampler.stream(texts, callback=progress, **options):
            bar.clear()
            yield picture


def read_request(args: argparse.Namespace) -> tuple[list[str], dict[str, object], str, str | None]:
    """Texts, options, model and dtype: what the flags say, else what the `--like` picture remembers."""
    from pai_modelscope.images.upscalers.registry import UPSCALERS

    texts = [*args.texts, *(read_texts(args.from_file) if args.from_file is not None else [])]
    remembered = remembered_options(args.like) if args.like is not None else {}
    texts = texts or [_text(remembered, "text") or ""][: len(remembered)]
    if not texts and getattr(args, "poem", None) is not None:
        texts = [""]  # the poem makes it
    if not texts:
        raise UserError("no text: give one, as in pai-modelscope generate '熊猫', or use --poem, --from-file or --like")
    model = (_text(remembered, "model") or DEFAULT_MODEL) if args.model is None else args.model
    dtype = _text(remembered, "torch_dtype") if args.dtype is None else args.dtype
    options = {k: v for k, v in remembered.items() if k not in ("text", "model", "torch_dtype")}
    flags = options_of(args)
    if args.like:
        _check(args.like, {name: value for name, value in options.items() if name not in flags})
    if (scheduler := _text(options, "scheduler")) is not None and "scheduler" not in flags:
        options["scheduler"] = _nearest(scheduler)
    if flags.get("upscaler") in UPSCALERS:  # another way to enlarge has no use for how this one did
        options.pop("upscale_strength", None)
    return texts, _used(options, flags), model, dtype


def _text(remembered: Mapping[str, object], name: str) -> str | None:
    value = remembered.get(name)
    return value if isinstance(value, str) else None


def _used(remembered: dict[str, object], flags: dict[str, object]) -> dict[str, object]:
    """All options without what the picture remembers of an image or a mask that there is none of."""
    if not remembered:
        return flags
    from pai_modelscope.sampling.init_image import needless

    options = remembered | flags
    without_use = needless(options).keys() - flags.keys()
    return {name: value for name, value in options.items() if name not in without_use}


def read_texts(path: Path) -> list[str]:
    """The lines of a text file, in any encoding of Chinese, without empty lines and comment lines."""
    from pai_modelscope import limits
    from pai_modelscope.text_encoding import decode_text
    from pai_modelscope.untrusted import read_bytes

    try:
        content = read_bytes(path, limits.TEXT_BYTES)
    except OSError as error:
        raise UserError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    lines = decode_text(content, str(path)).splitlines()
    texts = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not texts:
        raise UserError(f"{path} holds no text: write one a line")
    return texts


def remembered_options(path: Path) -> dict[str, object]:
    """What the picture's file remembers of its making."""
    from pai_modelscope.images import infotext

    return infotext.read_png(path)


def _check(path: Path, options: dict[str, object]) -> None:
    """Raises `UserError`, naming the picture, for what it remembers and no option can be."""
    from pai_modelscope.images.infotext_values import check_bounds

    try:
        check_bounds(options)
    except UserError as error:
        raise UserError(f"{path}: the picture's parameters can't be: {error}") from None


def _check_here(path: Path, remembered: dict[str, object], flags: dict[str, object]) -> None:
    """Raises `UserError` for a model or a LoRA that the picture names and that is not on this machine.

    A picture may be a stranger's: nothing is downloaded for its sake.
    """
    from pai_modelscope.zoo import model_dir

    loras, controls = remembered.get("loras"), remembered.get("control")
    named = {"--model": [remembered.get("model")]}
    if "loras" not in flags and isinstance(loras, Mapping):
        named["--lora"] = list(loras)
    if "control" not in flags and isinstance(controls, list):
        named["--control"] = [entry.get("model") for entry in controls]
    for flag, names in named.items():
        for name in (name for name in names if isinstance(name, str) and name):
            try:
                if not os.path.exists(name):
                    model_dir(name, local_files_only=True)
            except UserError as error:
                raise UserError(
                    f"{error} ({path} remembers this name, and nothing is downloaded for a picture's sake: {flag} says "
                    "where it is)"
                ) from None


def _nearest(name: str) -> str:
    """The sampler that draws what a picture remembers another program's for, with a warning."""
    from pai_modelscope.sampling.schedulers import nearest_scheduler, scheduler_name

    nearest = nearest_scheduler(name)
    if nearest is None:  # of the model's own kind, or an error that lists those there are
        return name
    try:
        scheduler_name(name)
    except UserError:
        warnings.warn(f"There is no sampler {name[:100]!r} here: {nearest!r}, the nearest, draws it.", stacklevel=2)
        return nearest
    return name
