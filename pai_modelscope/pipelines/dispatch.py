"""Let `pipeline('text-to-image-synthesis', ID_OR_FOLDER)` reach our pipeline for models of our family.

ModelScope chooses a pipeline by the type in the model's `configuration.json`. What stands there for the PAI
checkpoints is not ours to write: nothing, `diffusers-stable-diffusion` (needs torchvision and takes any tokenizer
for CLIP's) or `chinese-stable-diffusion` (cannot be imported beside transformers 5). So two functions that
`modelscope.pipelines.pipeline` calls when it has fetched the model are wrapped, in memory and nowhere else:

- `modelscope.pipelines.builder.build_pipeline`, for a configuration that names a type;
- `modelscope.utils.hf_util.hf_pipeline`, for one that names none (else transformers' pipelines would be tried).

Both look at the folder: what a family recognizes (`pai_modelscope.families`) is ours, and its type
becomes `pai-diffusion`. Every other model, and every other task, goes on untouched to ModelScope's own code. A
`pipeline_name=` that a user gives is obeyed as well: it differs from what the folder's configuration says.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pai_modelscope.zoo.folders import PIPELINE_TYPE, json_if_readable

if TYPE_CHECKING:
    from modelscope.utils.config import ConfigDict

TASK = "text-to-image-synthesis"
_MARK = "wrapped_by_pai_modelscope"


def install() -> None:
    """Wrap the two functions; a second call (reload, re-import) replaces the first one's wrappers."""
    from modelscope.pipelines import builder
    from modelscope.utils import hf_util

    _wrap(builder, "build_pipeline", _build_pipeline)
    _wrap(hf_util, "hf_pipeline", _hf_pipeline)


def is_for_family(task: str | None, model: object, pipeline_type: str | None) -> bool:
    """Whether a call of this type is for our pipeline though it does not say so.

    model: what the user passed, by now downloaded; only a folder is looked at.
    """
    if task != TASK or not isinstance(model, str | os.PathLike) or not Path(model).is_dir():
        return False
    configured = (json_if_readable(Path(model) / "configuration.json") or {}).get("pipeline")
    if pipeline_type != (configured.get("type") if isinstance(configured, dict) else None):
        return False
    from pai_modelscope.families import recognized  # imports torch

    return recognized(Path(model)) is not None


def _build_pipeline(
    original: Callable[..., object],
    cfg: "ConfigDict",
    task_name: str | None = None,
    default_args: dict[str, object] | None = None,
) -> object:
    if isinstance(cfg.get("model"), os.PathLike):  # `model_dir` gives one; pipelines expect strings
        cfg["model"] = os.fspath(cfg["model"])
    if is_for_family(task_name, cfg.get("model"), cfg.get("type")):
        cfg["type"] = PIPELINE_TYPE
    return original(cfg, task_name=task_name, default_args=default_args)


def _hf_pipeline(
    original: Callable[..., object],
    task: str | None = None,
    model: object = None,
    framework: str | None = None,
    device: str | None = None,
    **options: object,
) -> object:
    if not is_for_family(task, model, None):
        return original(task=task, model=model, framework=framework, device=device, **options)
    from modelscope.pipelines import builder
    from modelscope.utils.config import ConfigDict

    cfg = ConfigDict(type=PIPELINE_TYPE, model=model, device=device or "gpu", **options)
    pipeline: object = builder.build_pipeline(cfg, task_name=task, default_args={})
    return pipeline


def _wrap(module: ModuleType, name: str, wrapper: Callable[..., object]) -> None:
    """Put `wrapper`, which gets the original as its first argument, in the place of a function of a module."""
    original = getattr(module, name)
    original = getattr(original, _MARK, original)
    wrapped = functools.wraps(original)(functools.partial(wrapper, original))
    setattr(wrapped, _MARK, original)
    setattr(module, name, wrapped)
