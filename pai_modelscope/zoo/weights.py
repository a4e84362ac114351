"""Which files hold the weights of a part of a model folder."""

import json
from pathlib import Path
from typing import Any

from pai_modelscope.errors import UserError

WEIGHT_STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
AGAIN = "Download or copy it again."


def read_json(path: Path, missing: str | None = None) -> dict[str, Any]:
    """The object in a JSON file; `missing` is the error where the file is not there."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(missing or f"{path} is missing. {AGAIN}") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path} can't be read as JSON ({error}). {AGAIN}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object. {AGAIN}")
    return content


def weight_files(part: Path) -> list[Path]:
    """The weight files of one part of a model, safetensors before `.bin`, whole before sharded."""
    stem = WEIGHT_STEMS.get(part.name, "diffusion_pytorch_model")  # a ControlNet's folder has any name
    bins = "pytorch_model" if stem == "model" else stem
    for base, suffix in ((stem, "safetensors"), (bins, "bin")):
        for variant in ("", ".fp16"):
            if (path := part / f"{base}{variant}.{suffix}").exists():
                return [path]
            if (shards := part / f"{base}.{suffix}.index{variant}.json").exists():
                names = sorted(set(read_json(shards).get("weight_map", {}).values()))
                return [part / name for name in names]
    raise UserError(f"{part} holds no weights ({stem}.safetensors or {bins}.bin). {AGAIN}")
