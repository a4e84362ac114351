"""Whether tensors are those that a model needs: each name and each shape is compared before anything is written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pai_modelscope.adapters.kinds import State
from pai_modelscope.checkpoints.single_file.names import Slot

# What training leaves in a file, and towers that no picture passes through.
MEANINGLESS = re.compile(
    r"model_ema\..*|betas|(sqrt_|log_)?(one_minus_|recip_|recipm1_)?alphas_cumprod(_prev)?|posterior_.*|logvar"
    r"|lvlb_weights|scale_factor|global_step|(.*\.)?position_ids|first_stage_model\.(loss|model_ema)\..*"
    r"|(cond_stage_model\.(transformer\.)?)?(text_model\.)?(logit_scale|(text|visual)_projection.*|vision_model\..*)"
)


@dataclass
class Fitted:
    """`tensors`: those that are needed, in the model's shapes; `problems`: what keeps the others from it; `rest`: what
    the model has no place for."""

    tensors: State
    problems: list[str]
    rest: list[str]


def fit(tensors: State, places: Mapping[str, Slot]) -> Fitted:
    """Sort `tensors` into `places`, by the names that both have."""
    fitted = Fitted({}, [], [name for name in tensors if name not in places])
    for name, place in places.items():
        tensor = tensors.get(name)
        if tensor is not None and _fits(tensor.shape, place.shape):
            fitted.tensors[name] = tensor.reshape(place.shape)
        elif tensor is not None:
            fitted.problems.append(f"{name} is {_shown(tensor.shape)}, not {_shown(place.shape)}")
        elif not place.optional:
            fitted.problems.append(f"{name} is missing")
    return fitted


def _fits(shape: torch.Size, wanted: torch.Size) -> bool:
    """The same shape, or a matrix as the convolution of one pixel that it equals."""
    return shape == wanted or (shape[:2] == wanted[:2] and shape[2:].numel() == wanted[2:].numel() == 1)


def _shown(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a number"
