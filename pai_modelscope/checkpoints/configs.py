"""What a model folder's small files may say: its classes, its scheduler, its tokenizer, the LoRAs it recommends."""

import copy
import functools
import importlib
import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from pai_modelscope import limits
from pai_modelscope.adapters.result_manifest import result_file
from pai_modelscope.config.option import Bounds, problem_of_number
from pai_modelscope.errors import UserError, reason
from pai_modelscope.model_layout import AGAIN, read_json
from pai_modelscope.untrusted import check_regular
from pai_modelscope.zoo.folders import CONFIGURATION

if TYPE_CHECKING:
    from diffusers import ModelMixin, SchedulerMixin
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Part: TypeAlias = Union["ModelMixin", "PreTrainedModel", "PreTrainedTokenizerBase", "SchedulerMixin"]
Classes = Mapping[str, tuple[str, ...]]  # of a part, by the library that has them
_CHOICES = {
    "prediction_type": ("epsilon", "v_prediction", "sample"),
    "timestep_spacing": ("linspace", "leading", "trailing"),
    "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", None),  # none is learned
    "solver_type": ("midpoint", "heun", "logrho", "bh1", "bh2"),
    "final_sigmas_type": ("zero", "sigma_min", None),
    "interpolation_type": ("linear", "log_linear"),
    "timestep_type": ("discrete", "continuous"),
}
# Of values that a scheduler reads only when it is used.
_BOUNDS = {
    "num_train_timesteps": (True, Bounds(minimum=1, maximum=limits.TIMESTEPS)),
    "steps_offset": (True, Bounds(minimum=0, maximum=limits.TIMESTEPS)),
    "beta_start": (False, Bounds(above=0, maximum=1)),
    "beta_end": (False, Bounds(above=0, maximum=1)),
    "solver_order": (True, Bounds(minimum=1, maximum=3)),
    "dynamic_thresholding_ratio": (False, Bounds(above=0, maximum=1)),
    "sample_max_value": (False, Bounds(above=0)),
    "clip_sample_range": (False, Bounds(above=0)),
    "original_inference_steps": (True, Bounds(minimum=1, maximum=limits.TIMESTEPS)),
    "timestep_scaling": (False, Bounds(above=0)),
}
_SHORTEST = 3  # tokens that a text encoder reads at once: the first, the last, and one of the text


def part_class(folder: Path, part: str, entry: object, classes: Mapping[str, Classes]) -> type[Part]:
    """The class that an entry of model_index.json names for a part, if it is one of its family's `classes`.

    A scheduler may be any that diffusers has for this kind of models.

    Raises:
        UserError: any other class.
    """
    library, name = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
    known: Classes = {"diffusers": _schedulers()} if part == "scheduler" else classes[part]
    if name in known.get(str(library), ()):
        cls = getattr(importlib.import_module(str(library)), str(name), None)
        if isinstance(cls, type):
            return cls
    wanted = f"{library}.{name}"[:200]
    valid = ", ".join(valid for names in known.values() for valid in names)
    raise UserError(
        f"model_index.json in {folder} wants {wanted} for {part}, which is not known here: no code of a model folder "
        f"is run; valid are {valid}."
    )


def check_scheduler(path: Path) -> None:
    """Raise `UserError` for a scheduler_config.json whose values no schedule can be made of."""
    config = read_json(path)
    wrong = [
        f"{key} is {str(config[key])[:60]!r}; valid are {', '.join(filter(None, valid))}"
        for key, valid in _CHOICES.items()
        if key in config and config[key] not in valid
    ]
    steps = config.get("num_train_timesteps", 1000)
    betas = config.get("trained_betas")
    if betas is not None:
        numbers = betas if isinstance(betas, list) and type(steps) is int and len(betas) == steps else [None]
        if not all(isinstance(number, float) and 0 <= number <= 1 for number in numbers):
            wrong.append("trained_betas are no numbers from 0 to 1, one a timestep")
    for key, (whole, bounds) in _BOUNDS.items():
        if config.get(key) is not None:
            fault = problem_of_number(key, config[key], whole=whole, bounds=bounds)
            wrong += [fault] if fault else []
    usual = _usual_values()
    for key, value in config.items():
        if isinstance(value, int | float) and key not in _BOUNDS and not abs(value) <= limits.CONFIG_NUMBER:
            wrong.append(f"{key} is {str(value)[:40]}")
        elif isinstance(value, list | dict) and key not in ("trained_betas", "_use_default_values"):
            wrong.append(f"{key} is a {type(value).__name__}")
        elif not _of_a_type(value, usual.get(key, ())) and key not in (*_BOUNDS, *_CHOICES):
            wrong.append(f"{key} is {str(value)[:40]!r}, of another type than {usual[key][0]!r}")
    if wrong:
        raise UserError(f"{path} can't be used: {'; '.join(wrong)}. {AGAIN}")


def _of_a_type(value: object, usual: tuple[object, ...]) -> bool:
    """Whether a value is of the type of one of the usual values; without any, and where None is one, any type is."""
    if value is None or not usual or None in usual:
        return True
    kinds = {type(default) for default in usual}
    return type(value) in (kinds | {int} if float in kinds else kinds)


@functools.cache
def _usual_values() -> dict[str, tuple[object, ...]]:
    """The defaults that diffusers' schedulers have for each of their options."""
    import diffusers

    defaults: dict[str, tuple[object, ...]] = {}
    for name in _schedulers():
        for key, parameter in inspect.signature(getattr(diffusers, name).__init__).parameters.items():
            if parameter.default is not parameter.empty:
                defaults[key] = (*defaults.get(key, ()), parameter.default)
    return defaults


def check_schedule(path: Path, scheduler: "SchedulerMixin") -> None:
    """Raise `UserError` where the scheduler that was made of scheduler_config.json can't make a schedule and follow it.

    Some of its values are read at the first step, or at the third.
    """
    import torch

    latents = torch.linspace(-1, 1, 64).reshape(1, 4, 4, 4)
    for steps in (1, min(4, scheduler.config.num_train_timesteps)):
        tried = copy.deepcopy(scheduler)
        try:
            tried.set_timesteps(steps)
            sample = latents * tried.init_noise_sigma
            for timestep in tried.timesteps:
                sample = tried.step(latents, timestep, tried.scale_model_input(sample, timestep)).prev_sample
        except Exception as error:  # whatever its values set off in there
            raise UserError(f"{path} can't be used ({reason(error)[:200]}). {AGAIN}") from None


def check_tokenizer(folder: Path) -> None:
    """Raise `UserError` for a tokenizer's files that are too large, no regular files, or nest too deeply."""
    for file in sorted(folder.iterdir()):
        if file.suffix == ".json":
            read_json(file)
        elif file.name in ("vocab.txt", "merges.txt"):
            check_regular(file, limits.JSON_BYTES)
    length = read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").exists() else {}
    value = length.get("model_max_length")
    if value is None:
        return
    whole = not isinstance(value, bool) and isinstance(value, int | float) and value >= _SHORTEST
    if not whole or (isinstance(value, float) and not value.is_integer()):
        raise UserError(
            f"{folder / 'tokenizer_config.json'} gives model_max_length as {str(value)[:40]!r}; give a whole number "
            f"from {_SHORTEST} on."
        )


def check_vocabulary(folder: Path, tokenizer: "PreTrainedTokenizerBase", known: int) -> None:
    """Raise `UserError` for a tokenizer that gives numbers which its text encoder has no vectors for, or none at all.

    known: tokens of the text encoder.
    """
    numbers = tokenizer.get_vocab().values()
    if len(tokenizer) > known or not all(0 <= number < known for number in numbers):
        most = max(len(tokenizer), *numbers, 0)
        raise UserError(
            f"{folder} has {most} tokens, but the text encoder knows {known}: it is another model's tokenizer. Copy "
            "the one that belongs to this text encoder."
        )
    first = tokenizer.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id
    last = tokenizer.eos_token_id if tokenizer.sep_token_id is None else tokenizer.sep_token_id
    try:
        tokenizer("猫 cat <x>")
    except Exception as error:  # tokenizers' own, of no family
        raise UserError(f"{folder} reads no text ({reason(error)[:200]}). {AGAIN}") from None
    if None in (first, last, tokenizer.pad_token_id):
        raise UserError(f"{folder} names no token to begin, to end or to fill up a text with. {AGAIN}")


def fit_length(folder: Path, tokenizer: "PreTrainedTokenizerBase", most: object) -> None:
    """Set the tokenizer's length, which it need not name, to at most what its text encoder reads.

    Raises `UserError` where no text fits.
    """
    if type(most) is not int or most < _SHORTEST:
        raise UserError(
            f"{folder / 'text_encoder/config.json'} gives max_position_embeddings as {str(most)[:40]}; valid are "
            f"numbers from {_SHORTEST} on."
        )
    tokenizer.model_max_length = int(min(tokenizer.model_max_length, most))


def own_loras(folder: Path, loras: object) -> dict[str, float]:
    """The LoRAs that a folder's configuration.json recommends, as whole paths. Raises `UserError` for other files."""
    if not isinstance(loras, dict) or not all(type(n) in (int, float) and math.isfinite(n) for n in loras.values()):
        path = folder / CONFIGURATION
        raise UserError(f"{path}: generation.loras is no object of files in that folder and their weights.")
    return {result_file(folder, name): float(weight) for name, weight in loras.items()}


def _schedulers() -> tuple[str, ...]:
    from diffusers.schedulers import KarrasDiffusionSchedulers

    return (*(scheduler.name for scheduler in KarrasDiffusionSchedulers), "LCMScheduler", "TCDScheduler")
