"""What lies in a model folder: which kind, whether it is whole, which files are needed; and its copy."""

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from pai_modelscope import untrusted
from pai_modelscope.errors import UserError
from pai_modelscope.model_layout import read_json, shard_names
from pai_modelscope.untrusted import Json, inside

CONFIGURATION = "configuration.json"
PIPELINE_TYPE = "pai-diffusion"  # what a configuration.json of ours names
SMALLEST = {"framework": "pytorch", "task": "text-to-image-synthesis", "pipeline": {"type": PIPELINE_TYPE}}
# Preferred first: safetensors cannot run code and loads without a copy.
WEIGHTS = (".safetensors", ".bin")
# Copies of the same weights for other programs: WebUI's single file, Flax, TensorFlow, ONNX, OpenVINO.
_FOREIGN = (".ckpt", ".msgpack", ".h5", ".onnx", ".onnx_data", ".pb", ".pt", ".pth", ".tflite")
# diffusion_pytorch_model.fp16.safetensors, model-00001-of-00002.safetensors, model.safetensors.index.fp16.json
_NAME = re.compile(
    r"(?P<network>[^.]+?)(-\d{5}-of-\d{5})?(\.(?P<variant>[^.]+?))?(-\d{5}-of-\d{5})?"
    r"(?P<format>\.safetensors|\.bin)(\.index(\.(?P<variant_of_index>[^.]+))?\.json)?"
)
_TEXT_ENCODERS = ("CLIPTextModel", "BertModel")
_TOKENIZERS = ("BertTokenizer", "BertTokenizerFast")
# The card tells of the model's own pictures and measurements: another model's card is its author's to write.
_CARD = ("README.md", "*.png", "*.jpg", "*.jpeg", "*.gif", "*.webp")


def json_if_readable(path: Path) -> dict[str, Json] | None:
    """Read the object in a JSON file, or None when there is no such file or nothing readable in it."""
    try:
        value = untrusted.read_json(path)
    except UserError:
        return None
    return value if isinstance(value, dict) else None


def configure(folder: Path, **entries: object) -> None:
    """Write `entries` into the folder's configuration.json, by which ModelScope is to open it with our pipeline."""
    path = folder / CONFIGURATION
    content = {**(json_if_readable(path) or SMALLEST), "pipeline": SMALLEST["pipeline"], **entries}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def problem(folder: Path) -> str | None:
    """Say why the folder cannot be opened as a model, a ControlNet or an adapter; None when it is whole.

    A download that was cut off leaves a folder behind that looks finished, so every part that
    `model_index.json` names must be there with its configuration and its weights.
    """
    if (folder / "model_index.json").exists():
        index = json_if_readable(folder / "model_index.json")
        if index is None:
            return "its model_index.json is not readable JSON"
        missing = [file for part, classes in _parts(index) for file in _missing(folder / part, classes)]
        return f"it lacks {', '.join(missing)}" if missing else None
    if any((folder / part / "config.json").exists() for part in ("unet", "vae", "text_encoder")):
        return "it lacks model_index.json"
    if any(True for _ in _weights(folder.rglob("*"))):
        return _missing_shards(folder)  # a ControlNet or an adapter: weights, and at most a config.json
    return "it has no model_index.json and no weights"


def is_family(folder: Path) -> bool:
    """Whether it is a Stable-Diffusion-shaped model that reads Chinese through a BertTokenizer."""
    return is_family_index(json_if_readable(folder / "model_index.json") or {})


def is_family_index(index: Mapping[str, object]) -> bool:
    """The same of a model_index.json."""
    classes = {part: named[1] for part, named in _parts(index)}
    return (
        str(index.get("_class_name", "")).startswith("StableDiffusion")
        and classes.get("tokenizer") in _TOKENIZERS
        and classes.get("text_encoder") in _TEXT_ENCODERS
    )


def needed(files: Iterable[str]) -> list[str]:
    """Choose the files of a repository that are worth fetching: each network once, and everything that is no weights.

    Of several copies of one network, safetensors wins over .bin and the full file over variants such as fp16 or
    non_ema; a variant stays where it is the only copy. Beside a model_index.json, weights in the root are a
    single-file copy of the whole.
    """
    paths = sorted(map(PurePosixPath, files))
    whole_model = PurePosixPath("model_index.json") in paths
    groups: dict[tuple[PurePosixPath, str], dict[tuple[str, int], list[PurePosixPath]]] = defaultdict(dict)
    kept = []
    for path in paths:
        name = _NAME.fullmatch(path.name)
        if path.suffix in _FOREIGN or path.name.startswith("openvino_"):
            continue
        if name is None:
            kept.append(path)
        elif not (whole_model and path.parent == PurePosixPath(".")):
            network = name["network"].replace("pytorch_model", "model")  # text_encoder/pytorch_model.bin is model.bin
            variant = name["variant"] or name["variant_of_index"] or ""
            groups[path.parent, network].setdefault((variant, WEIGHTS.index(name["format"])), []).append(path)
    for copies in groups.values():
        kept.extend(copies[min(copies)])
    return [str(path) for path in sorted(kept)]


def copy_model(source: Path, made: Path, but: Collection[str] = ()) -> None:
    """Copy a model into the folder `made`, each network once, without its card and what training may have left in it.

    but: what stays behind too, to be written anew: a part such as 'unet', or a pattern such as 'unet/*.bin'.
    Raises `UserError` if `source` has no `model_index.json`.
    """
    index = read_json(source / "model_index.json", f"{source} is no model: it has no model_index.json.")
    parts = {part for part, named in index.items() if isinstance(named, list)}
    paths = list(source.iterdir())
    paths += [path for folder in paths if folder.name in parts for path in folder.rglob("*")]
    for name in needed(path.relative_to(source).as_posix() for path in paths if path.is_file()):
        file = PurePosixPath(name)
        beside = len(file.parts) == 1 and (name.startswith(".") or any(file.match(pattern) for pattern in _CARD))
        if not beside and file.parts[0] not in but and not any(fnmatch(name, pattern) for pattern in but):
            (made / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, made / file)


def _parts(index: Mapping[str, object]) -> Iterator[tuple[str, tuple[str, str]]]:
    for part, named in index.items():
        if isinstance(named, list) and len(named) == 2 and all(isinstance(text, str) for text in named):
            yield part, (named[0], named[1])


def _missing(part: Path, classes: tuple[str, str]) -> list[str]:
    """What a component folder lacks, as paths relative to the model folder."""
    name = classes[1]
    wanted: tuple[str, ...] = ("config.json",)
    if "Tokenizer" in name:
        wanted = ("tokenizer.json", "vocab.txt", "vocab.json")
    elif "Scheduler" in name:
        wanted = ("scheduler_config.json",)
    elif "Processor" in name or "Extractor" in name:
        wanted = ("preprocessor_config.json",)
    lacking = [] if any((part / file).is_file() for file in wanted) else [f"{part.name}/{wanted[0]}"]
    if wanted == ("config.json",):
        if not any(True for _ in _weights(part.glob("*"))):
            lacking.append(f"{part.name}'s weights")
        elif fault := _missing_shards(part):
            why = "" if fault.startswith("it lacks") else f" ({fault})"
            lacking.append(f"some of {part.name}'s weights{why}")
    return lacking


def _missing_shards(folder: Path) -> str | None:
    for index in folder.glob("*.index.json"):
        try:
            absent = [name for name in shard_names(index) if not inside(folder, name, links=True).is_file()]
        except UserError as error:
            return str(error).rstrip(".")
        if absent:
            return f"it lacks {', '.join(absent)}"
    return None


def _weights(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in paths if path.suffix in WEIGHTS and path.is_file() and path.stat().st_size > 0)
