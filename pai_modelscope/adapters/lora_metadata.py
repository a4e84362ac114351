"""What a LoRA is for, as far as its name or its file tells."""

import os
import re
from pathlib import Path

from pai_modelscope.adapters.lora_io.locate import find_lora
from pai_modelscope.errors import UserError
from pai_modelscope.tensor_files import read_metadata

_LCM = re.compile("lcm|latent.?consistency", re.IGNORECASE)
# Where authors describe a file: the WebUI's header (https://github.com/Stability-AI/ModelSpec) and kohya's. Others may
# name it by chance, as a list of the tags of all training pictures does.
_TELLING = ("title", "description", "usage_hint", "tags")
_KEYS = (*(f"modelspec.{key}" for key in _TELLING), "ss_output_name", "ss_training_comment")
_NAMELESS = ("pytorch_lora_weights", "adapter_model")  # diffusers and PEFT call every file so: the folder has the name


def made_for_lcm(source: str | os.PathLike[str], name: str = "") -> bool:
    """Whether a LoRA was distilled for the LCM scheduler (Luo et al. 2023, arXiv:2311.05556).

    Args:
        source: a file, a folder, or a name or id of which nothing but the name is looked at.
        name: what the user calls it.
    """
    path = Path(source)
    names = [name, path.name, path.parent.name if path.stem in _NAMELESS else ""]
    return any(map(_LCM.search, names)) or any(map(_LCM.search, _described(path)))


def _described(path: Path) -> list[str]:
    try:
        headers = [read_metadata(file) for file in find_lora(path)]
    except (UserError, OSError):  # nothing there, or no safetensors file; loading tells what is wrong
        return []
    return [header[key] for header in headers for key in _KEYS if key in header]
