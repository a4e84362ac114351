"""Which files hold the weights of a part of a model folder."""

from pathlib import Path

from pai_modelscope import untrusted
from pai_modelscope.errors import UserError
from pai_modelscope.untrusted import Json

AGAIN = "Download or copy it again."


def read_json(path: Path, missing: str | None = None) -> dict[str, Json]:
    """Read the object in a JSON file; `missing` is the error where the file is not there. Raises `UserError`."""
    if not path.exists():
        raise UserError(missing or f"{path} is missing. {AGAIN}")
    content = untrusted.read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object. {AGAIN}")
    return content


def weight_stem(part: str) -> str:
    """How the weight files of a part begin: transformers' own for text encoders, diffusers' for all others."""
    return "model" if part.startswith("text_encoder") else "diffusion_pytorch_model"


def weight_files(part: Path) -> list[Path]:
    """List the weight files of one part of a model, safetensors before `.bin`, whole before sharded.

    Raises `UserError` for a part without weights, and for an index that names files outside of it.
    """
    stem = weight_stem(part.name)  # a ControlNet's folder has any name
    bins = "pytorch_model" if stem == "model" else stem
    for base, suffix in ((stem, "safetensors"), (bins, "bin")):
        for variant in ("", ".fp16"):
            if (path := part / f"{base}{variant}.{suffix}").exists():
                return [path]
            if (shards := part / f"{base}.{suffix}.index{variant}.json").exists():
                return [untrusted.inside(part, name, links=True) for name in shard_names(shards)]
    raise UserError(f"{part} holds no weights ({stem}.safetensors or {bins}.bin). {AGAIN}")


def shard_names(index: Path) -> list[str]:
    """List the files that an index of shards names. Raises `UserError`."""
    names = read_json(index).get("weight_map")
    files = [name for name in names.values() if isinstance(name, str)] if isinstance(names, dict) else []
    if not isinstance(names, dict) or not names or len(files) < len(names):
        raise UserError(f"{index} names no files by a weight_map. {AGAIN}")
    return sorted(set(files))
