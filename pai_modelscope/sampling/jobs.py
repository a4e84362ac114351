"""From what a user asks for to the single pictures to draw: options merged, checked all together, seeds dealt out."""

import dataclasses
import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pai_modelscope import limits as bounds
from pai_modelscope.adapters.lora_metadata import made_for_lcm
from pai_modelscope.config import GENERATION_FALLBACKS, GenerationOptions
from pai_modelscope.config.option import (
    bounds_of,
    kind_of,
    plain_number,
    problem,
    shown,
)
from pai_modelscope.errors import UserError
from pai_modelscope.sampling.controls import settle_controls
from pai_modelscope.sampling.embeddings import settle_embeddings
from pai_modelscope.sampling.init_image import finished_size, settle_stills
from pai_modelscope.sampling.loras import settle_loras
from pai_modelscope.sampling.schedulers import scheduler_name
from pai_modelscope.sampling.seeds import deal_seeds
from pai_modelscope.sampling.upscale import settle_upscale
from pai_modelscope.text.characters import problem_of_text

OPTIONS = tuple(field.name for field in dataclasses.fields(GenerationOptions))
_OTHER_NAMES = {
    "prompt": "text",
    "steps": "num_inference_steps",
    "cfg_scale": "guidance_scale",
    "cfg": "guidance_scale",
    "sampler": "scheduler",
    "num_images": "num_images_per_prompt",
    "size": "height and width",
}
_FIELDS = dataclasses.fields(GenerationOptions)
_SIDES = bounds_of(next(field for field in _FIELDS if field.name == "height"))  # pixels
_LEAST, _MOST = 64, 4096
_MOST_FAULTS = 20  # that one message names
_ELSEWHERE = {"seed", "height", "width", "strength"}  # more is to be said of these
_OF_STILLS = {"num_inference_steps", "height", "width", "resize", "mask_blur", "mask_only", "mask_padding"} | {
    "upscale",
    "upscaler",
    "upscale_strength",
}


@dataclass(frozen=True)
class Limits:
    """What the model allows, and its own values for options left open."""

    height: int
    width: int
    text_layers: int
    own_scheduler: str
    lcm: bool  # made for the LCM scheduler
    recommended: Mapping[str, Any]  # "generation" of configuration.json
    name: str = ""  # what the zoo calls it
    loras: Mapping[str, str] = field(default_factory=dict)  # those that are loaded: name to source
    base: str = ""  # what the zoo calls the model that it was trained from, or itself
    controlnets: Mapping[str, str] = field(default_factory=dict)  # its own: what each reads, and its folder
    timesteps: int = 1000  # that it was trained with
    repaints_only: bool = False  # its UNet wants a mask and the masked image beside the latents


@dataclass(frozen=True)
class Job:
    """One picture; its `GenerationOptions` are settled: image and mask are `Still`s, where there are any."""

    index: int
    prompt: str
    seed: int
    options: Any
    text: str = ""  # the prompt without the tags that name LoRAs


Text = str | Mapping[str, Any]


def plan(texts: Text | Sequence[Text], options: Mapping[str, Any], limits: Limits) -> list[Job]:
    """The pictures asked for, in order. Raises one `UserError` that names every value that can't work."""
    requests = _requests(texts)
    read = [_read(request) for request in requests]
    settled = [_settle(own, options, limits) for _, own, _ in read]
    found = [_problems(values, limits) for values in settled]
    opened: dict[Any, Any] = {}
    for (text, own, wrong), values, faults in zip(read, settled, found, strict=True):
        if not wrong and not text.strip() and values["mask"] is None:  # under a mask, the picture around it says enough
            faults.append("the text is empty: say in Chinese what to draw")
        faults += _stills(values, own, options, limits, opened)
    plain = [
        _loras(text, values, faults, limits) for (text, _, _), values, faults in zip(read, settled, found, strict=True)
    ]
    names = dict.fromkeys([*options, *(name for _, own, _ in read for name in own)])
    shared = _unknown(names) + _problems(_settle({}, options, limits), limits)
    faults = list(shared)
    for number, ((_, _, wrong), own_faults) in enumerate(zip(read, found, strict=True), 1):
        of_this = [*wrong, *(fault for fault in own_faults if fault not in shared)]
        faults += [f"text {number}: {fault}" if len(requests) > 1 else fault for fault in of_this]
    if faults:
        raise UserError(_together(faults))
    counts = [values["num_images_per_prompt"] for values in settled]
    if sum(counts) > bounds.PICTURES:
        raise UserError(f"{sum(counts)} pictures are asked for; valid are up to {bounds.PICTURES} in one call")
    seeds = deal_seeds([own for _, own, _ in read], counts, options)
    jobs: list[Job] = []
    for (text, _, _), bare, values, own_seeds in zip(read, plain, settled, seeds, strict=True):
        values["scheduler"] = _known_scheduler(values["scheduler"], limits)
        final = GenerationOptions(**{**values, "seed": None})  # a job's own seed stands for it
        jobs += [Job(len(jobs) + i, text, seed, final, bare) for i, seed in enumerate(own_seeds)]
    return jobs


def _requests(texts: Any) -> list[Any]:
    """The texts of a call, each a string or a dict; what is wrong with one is said with the options."""
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable):
        return [texts]
    requests = list(itertools.islice(texts, bounds.PICTURES + 1))
    if len(requests) > bounds.PICTURES:
        raise UserError(f"more than {bounds.PICTURES} texts are given: draw them in several calls")
    return requests


def _together(faults: Sequence[str]) -> str:
    """All that is wrong, in one sentence; of very much, the first."""
    several = list(dict.fromkeys(faults))
    more = [f"and {len(several) - _MOST_FAULTS} more"] if len(several) > _MOST_FAULTS else []
    return "; ".join(several[:_MOST_FAULTS] + more)


def _read(request: Any) -> tuple[str, dict[str, Any], list[str]]:
    """The text of a request, the options of its own, and what is wrong with its form."""
    if not isinstance(request, str | Mapping):
        return "", {}, [f"a text is a string or a dict with 'text', not {type(request).__name__}"]
    own = dict(request) if isinstance(request, Mapping) else {"text": request}
    text = own.pop("text", None)
    if text is None:
        return "", own, ["the dict has no 'text'"]
    if not isinstance(text, str):
        return "", own, [f"'text' is {type(text).__name__}; give a string"]
    if problem := problem_of_text(text):
        return "", own, [f"the text {problem}"]
    return text, own, []


def _unknown(names: Iterable[str]) -> list[str]:
    """At most one fault, for all names that are no options."""
    wrong = []
    for name in names:
        if not isinstance(name, str):
            wrong.append(shown(name))
        elif name not in (*OPTIONS, "generator"):
            close = difflib.get_close_matches(name, ("text", *OPTIONS), n=1, cutoff=0.7)
            meant = _OTHER_NAMES.get(name) or (close[0] if close else None)
            wrong.append(shown(name) + (f" (did you mean {meant!r}?)" if meant else ""))
    if not wrong:
        return []
    noun = "option" if len(wrong) == 1 else "options"
    return [f"unknown {noun} {', '.join(wrong)}, valid are text, {', '.join(OPTIONS)}, generator"]


def _settle(own: Mapping[str, Any], shared: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Every option at its value: the text's own, else the call's, else the model folder's, else the default."""
    defaults = {field.name: field.default for field in _FIELDS}
    model = {"height": limits.height, "width": limits.width, "scheduler": limits.own_scheduler}
    values: dict[str, Any] = {}
    for layer in (defaults, GENERATION_FALLBACKS, model, limits.recommended, shared, own):
        values |= {name: value for name, value in layer.items() if value is not None}
    return {field.name: _plain(field, values.get(field.name)) for field in _FIELDS}


def _plain(field: dataclasses.Field[Any], value: Any) -> Any:
    """Python's own number in place of one of NumPy or PyTorch; what is none stays, to be named as what is wrong."""
    kind = kind_of(field)
    if kind not in (int, float) or value is None or isinstance(value, int | float | list | tuple):
        return value
    try:
        return plain_number(value, whole=kind is int)
    except (OverflowError, TypeError, ValueError, RuntimeError):
        return value


def _loras(text: str, values: dict[str, Any], faults: list[str], limits: Limits) -> str:
    """Settles the LoRAs and embeddings of a text, adding to its faults; gives the text without the LoRAs' tags."""
    try:
        text, values["loras"] = settle_loras(text, values["loras"], limits.loras)
        values["embeddings"] = settle_embeddings(values["embeddings"] or ())
        faults += _lcm_problems(values, limits)
    except UserError as error:
        faults.append(str(error))
    return text


def _stills(
    values: dict[str, Any],
    own: Mapping[str, Any],
    shared: Mapping[str, Any],
    limits: Limits,
    opened: dict[Any, Any],
) -> list[str]:
    """Opens the pictures to start from and to be steered by; what is wrong with them, or with their absence.

    Nothing is opened where a value that says how is wrong.
    """
    if any(problem(field, values[field.name]) for field in _FIELDS if field.name in _OF_STILLS):
        return []
    if limits.repaints_only and values["mask"] is None and values["outpaint"] is None:
        return ["this model repaints parts of pictures and nothing else: give image and mask"]
    try:
        if values["control"] is not None:
            values["control"] = settle_controls(values["control"], limits.base, limits.controlnets)
    except UserError as error:
        return [str(error)]
    asked = {name for layer in (own, shared) for name, value in layer.items() if value is not None}
    faults = settle_stills(values, asked, (limits.width, limits.height), opened)
    return faults + settle_upscale(values, asked, None if faults else finished_size(values), _MOST)


def _problems(options: Mapping[str, Any], limits: Limits) -> list[str]:
    """What can't work, one phrase each."""
    faults = [
        said for field in _FIELDS if field.name not in _ELSEWHERE and (said := problem(field, options[field.name]))
    ]
    if not isinstance(options["negative_prompt"], str):
        faults.append("negative_prompt must be a string")
    elif len(options["negative_prompt"]) > bounds.PROMPT_CHARACTERS:
        faults.append(f"negative_prompt {problem_of_text(options['negative_prompt'])}")
    layers, rows = limits.text_layers, 1 if options["batch_size"] is None else options["batch_size"]
    for name, most in (("clip_skip", layers - 1), ("batch_pos", rows - 1 if _is_int(rows) else None)):
        if _is_int(options[name]) and most is not None and options[name] > most:
            faults.append(f"{name} is {shown(options[name])}; give a whole number from 0 to {most}")
    for name in ("height", "width"):
        value = options[name]
        if not _is_int(value) or value % 8 or not _SIDES.hold(value):
            near = f", such as {max(_LEAST, round(value / 8) * 8)}" if _is_int(value) and -_MOST < value < _MOST else ""
            faults.append(f"{name} is {shown(value)}; give a multiple of 8 {_SIDES} pixels{near}")
    return faults + _scheduler_problems(options, limits)


def _scheduler_problems(options: Mapping[str, Any], limits: Limits) -> list[str]:
    try:
        name = _known_scheduler(options["scheduler"], limits)
    except UserError as error:
        return [str(error)]
    steps = options["num_inference_steps"]
    if name == "LCM" and _is_int(steps) and steps > 50:
        return ["scheduler 'LCM' takes at most 50 steps"]
    if _is_int(steps) and steps > limits.timesteps:
        most = limits.timesteps
        return [f"num_inference_steps is {shown(steps)}; this model was trained with {most}: give at most as many"]
    return []


def _lcm_problems(values: Mapping[str, Any], limits: Limits) -> list[str]:
    """Whether the scheduler that few models can do with fits the model or one of the text's settled LoRAs."""
    try:
        name = _known_scheduler(values["scheduler"], limits)
    except UserError:  # said with the other options
        return []
    if name != "LCM" or limits.lcm or any(use.weight and made_for_lcm(use.source, use.name) for use in values["loras"]):
        return []
    return [
        "scheduler 'LCM' needs a model or LoRA distilled for it, else its pictures are blurs: give such a LoRA, as in "
        "loras={FILE: 1} or --lora FILE (it is known by 'lcm' in its name or in its file's metadata), or choose "
        "another scheduler, such as 'DPM++ 2M'"
    ]


def _known_scheduler(name: Any, limits: Limits) -> str:
    if not isinstance(name, str):
        raise UserError(f"scheduler is {shown(name)}; give its name as a string")
    return name if name == limits.own_scheduler else scheduler_name(name)


def _is_int(value: Any) -> bool:
    """Of settled values, in which numbers of other libraries are Python's own."""
    return isinstance(value, int) and not isinstance(value, bool)
