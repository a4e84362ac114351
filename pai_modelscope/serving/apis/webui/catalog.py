"""What the WebUI's clients may ask the service to list."""

import resource
import sys
from typing import TYPE_CHECKING

from pai_modelscope.serving.apis.webui.control_units import SCRIPT, modules

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_SCHEDULES = {"automatic": "Automatic", "karras": "Karras", "exponential": "Exponential", "sgm_uniform": "SGM Uniform"}


def samplers() -> list[dict[str, object]]:
    """Without those of a schedule of their own, which a request names beside the sampler."""
    from pai_modelscope.sampling.schedulers import SCHEDULERS

    names = [name for name in SCHEDULERS if not name.endswith(tuple(list(_SCHEDULES.values())[1:]))]
    return [{"name": name, "aliases": [], "options": {}} for name in names]


def schedulers() -> list[dict[str, object]]:
    return [
        {"name": name, "label": label, "aliases": None, "default_rho": -1, "need_inner_model": False}
        for name, label in _SCHEDULES.items()
    ]


def sd_models(service: "Service") -> list[dict[str, object]]:
    return [
        {"title": name, "model_name": name, "hash": None, "sha256": None, "filename": name, "config": None}
        for name in service.models.names
    ]


def upscalers() -> list[dict[str, object]]:
    from pai_modelscope.images.upscalers.registry import UPSCALERS, offered

    names = ["None", "Lanczos", *(UPSCALERS[name].infotext_name for name in offered())]
    nothing = {"model_name": None, "model_path": None, "model_url": None}
    return [{"name": name, **nothing, "scale": 4} for name in names]


def loras(service: "Service") -> list[dict[str, object]]:
    return [{"name": name, "alias": name, "path": name, "metadata": {}} for name in service.loras()]


def embeddings(service: "Service") -> dict[str, object]:
    about = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None}
    loaded = {
        word: {**about, "shape": width, "vectors": vectors} for word, (vectors, width) in service.embeddings().items()
    }
    return {"loaded": loaded, "skipped": {}}


def scripts() -> dict[str, list[str]]:
    return {"txt2img": [SCRIPT], "img2img": [SCRIPT]}


def memory() -> dict[str, object]:
    """Bytes. `used`: the most that the process has taken."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"ram": {"free": None, "used": most, "total": None}, "cuda": {"error": "not told"}}


def control_modules() -> dict[str, object]:
    names = modules()
    detail = {name: {"model_free": False, "sliders": []} for name in names}  # each needs a ControlNet beside it
    return {"module_list": names, "module_detail": detail}


def control_types(service: "Service") -> dict[str, object]:
    kinds, drawn = service.controls(), modules()
    types: dict[str, dict[str, object]] = {
        kind: {
            "module_list": [name for name in drawn if name in ("none", kind)],
            "model_list": [kind],
            "default_option": kind if kind in drawn else "none",
            "default_model": kind,
        }
        for kind in kinds
    }
    all_kinds = {"module_list": drawn, "model_list": ["None", *kinds]}
    types["All"] = {**all_kinds, "default_option": "none", "default_model": "None"}
    return {"control_types": types}
