"""From what a user asks for to the single pictures to draw: options merged, checked all together, seeds dealt out."""

import dataclasses
import difflib
import itertools
import math
import operator
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch

from pai_modelscope.adapters.purpose import made_for_lcm
from pai_modelscope.config import GENERATION_FALLBACKS, GenerationOptions
from pai_modelscope.errors import UserError
from pai_modelscope.sampling.controls import settle_controls
from pai_modelscope.sampling.embeddings import settle_embeddings
from pai_modelscope.sampling.loras import settle_loras
from pai_modelscope.sampling.schedulers import scheduler_name
from pai_modelscope.sampling.stills import finished_size, settle_stills
from pai_modelscope.sampling.upscale import settle_upscale

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
_SIDES = (64, 4096)  # pixels
_MAX_SEED = 2**63 - 1


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
    requests = [texts] if isinstance(texts, str | Mapping) else list(texts)
    read = [_read(request) for request in requests]
    settled = [_settle(own, options, limits) for _, own, _ in read]
    opened: dict[int, Any] = {}
    pictures = [_stills(v, own, options, limits, opened) for v, (_, own, _) in zip(settled, read, strict=True)]
    plain = [
        _loras(text, values, unfit, limits) for (text, _, _), values, unfit in zip(read, settled, pictures, strict=True)
    ]
    names = dict.fromkeys([*options, *(name for _, own, _ in read for name in own)])
    shared = _unknown(names) + _problems(_settle({}, options, limits), limits)
    faults = list(shared)
    for number, ((_, _, wrong), values, unfit) in enumerate(zip(read, settled, pictures, strict=True), 1):
        of_this = [*wrong, *unfit, *(fault for fault in _problems(values, limits) if fault not in shared)]
        faults += [f"text {number}: {fault}" if len(requests) > 1 else fault for fault in of_this]
    if faults:
        raise UserError("; ".join(dict.fromkeys(faults)))
    seeds = deal_seeds([own for _, own, _ in read], [values["num_images_per_prompt"] for values in settled], options)
    jobs: list[Job] = []
    for (text, _, _), bare, values, own_seeds in zip(read, plain, settled, seeds, strict=True):
        values["scheduler"] = _known_scheduler(values["scheduler"], limits)
        final = GenerationOptions(**{**values, "seed": None})  # a job's own seed stands for it
        jobs += [Job(len(jobs) + i, text, seed, final, bare) for i, seed in enumerate(own_seeds)]
    return jobs


def deal_seeds(own: Sequence[Mapping[str, Any]], counts: Sequence[int], shared: Mapping[str, Any]) -> list[list[int]]:
    """The seeds of each request's pictures. Raises `UserError` for seeds that can't be, or too few or many.

    Picture i has seed s + i (the WebUI's rule): i counts within a request that names its own seed, and over all
    pictures of the others. Random seeds follow the same rule from a random start.
    """
    has_own = [any(request.get(name) is not None for name in ("seed", "generator")) for request in own]
    others = sum(count for count, is_own in zip(counts, has_own, strict=True) if not is_own)
    common = iter(_seeds(shared.get("seed"), shared.get("generator"), others))
    return [
        _seeds(request.get("seed"), request.get("generator"), count)
        if is_own
        else list(itertools.islice(common, count))
        for request, count, is_own in zip(own, counts, has_own, strict=True)
    ]


def _seeds(seed: Any, generator: Any, count: int) -> list[int]:
    if generator is not None:
        if isinstance(generator, torch.Generator):
            return _seeds_from(generator, count)
        if not isinstance(generator, list | tuple) or not all(isinstance(g, torch.Generator) for g in generator):
            raise UserError("generator must be a torch.Generator or a list of them, one a picture")
        _check_count("generators", len(generator), count)
        return [_seeds_from(each, 1)[0] for each in generator]
    if isinstance(seed, list | tuple):
        _check_count("seeds", len(seed), count)
        return [_checked_seed(each) for each in seed]
    start = _checked_seed(-1 if seed is None else seed)
    return [(start + i) % (_MAX_SEED + 1) for i in range(count)]


def _check_count(what: str, given: int, count: int) -> None:
    if given != count:
        raise UserError(f"{given} {what} for {count} pictures: give one, or one a picture")


def _seeds_from(generator: torch.Generator, count: int) -> list[int]:
    """A generator only supplies seeds, so that every picture can be made again from its seed alone.

    A fresh generator gives its own seed first: `generator=torch.Generator().manual_seed(5)` is `seed=5`.
    """
    fresh = torch.Generator(generator.device).manual_seed(generator.initial_seed())
    is_fresh = torch.equal(fresh.get_state(), generator.get_state()) and generator.initial_seed() <= _MAX_SEED
    drawn = torch.randint(2**32, (count,), generator=generator, device=generator.device).tolist()
    return [generator.initial_seed(), *drawn[1:]] if is_fresh and count else drawn


def _checked_seed(seed: Any) -> int:
    if not _is_int(seed) or not -1 <= seed <= _MAX_SEED:
        raise UserError(f"seed {seed!r} is not valid: give a whole number from 0 to 2**63 - 1, or -1 for a random one")
    return secrets.randbelow(2**32) if seed == -1 else operator.index(seed)


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
    return text, own, [] if text.strip() else ["the text is empty: say in Chinese what to draw"]


def _unknown(names: Iterable[str]) -> list[str]:
    """At most one fault, for all names that are no options."""
    wrong = []
    for name in names:
        if name not in (*OPTIONS, "generator"):
            close = difflib.get_close_matches(name, ("text", *OPTIONS), n=1, cutoff=0.7)
            meant = _OTHER_NAMES.get(name) or (close[0] if close else None)
            wrong.append(repr(name) + (f" (did you mean {meant!r}?)" if meant else ""))
    if not wrong:
        return []
    noun = "option" if len(wrong) == 1 else "options"
    return [f"unknown {noun} {', '.join(wrong)}, valid are text, {', '.join(OPTIONS)}, generator"]


def _settle(own: Mapping[str, Any], shared: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Every option at its value: the text's own, else the call's, else the model folder's, else the default."""
    defaults = {field.name: field.default for field in dataclasses.fields(GenerationOptions)}
    model = {"height": limits.height, "width": limits.width, "scheduler": limits.own_scheduler}
    values: dict[str, Any] = {}
    for layer in (defaults, GENERATION_FALLBACKS, model, limits.recommended, shared, own):
        values |= {name: value for name, value in layer.items() if value is not None}
    return {name: values.get(name) for name in OPTIONS}


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
    opened: dict[int, Any],
) -> list[str]:
    """Opens the pictures to start from and to be steered by; what is wrong with them, or with their absence."""
    if limits.repaints_only and values["mask"] is None and values["outpaint"] is None:
        return ["this model repaints parts of pictures and nothing else: give image and mask"]
    try:
        if values["control"] is not None:
            values["control"] = settle_controls(values["control"], limits.base, limits.controlnets)
    except UserError as error:
        return [str(error)]
    asked = {name for layer in (own, shared) for name, value in layer.items() if value is not None}
    faults = settle_stills(values, bool(asked & {"height", "width"}), (limits.width, limits.height), opened)
    size = None if faults or not all(_is_int(values[side]) for side in ("height", "width")) else finished_size(values)
    return faults + settle_upscale(values, asked, size, _SIDES[1])


def _problems(options: Mapping[str, Any], limits: Limits) -> list[str]:
    """What can't work, one phrase each."""
    faults = []
    if not isinstance(options["negative_prompt"], str):
        faults.append("negative_prompt must be a string")
    for name, least, most in (
        ("num_inference_steps", 1, 1000),
        ("num_images_per_prompt", 1, None),
        ("clip_skip", 0, limits.text_layers - 1),
        ("batch_size", 1, None),
        ("batch_pos", 0, (options["batch_size"] or 1) - 1 if _is_int(options["batch_size"] or 1) else None),
    ):
        value = options[name]
        if value is not None and not (_is_int(value) and least <= value <= (math.inf if most is None else most)):
            valid = f"of at least {least}" if most is None else f"from {least} to {most}"
            faults.append(f"{name} is {value!r}; give a whole number {valid}")
    for name, most in (("guidance_scale", 100), ("guidance_rescale", 1)):
        value = options[name]
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= most:
            faults.append(f"{name} is {value!r}; give a number from 0 to {most}")
    for name in ("height", "width"):
        value = options[name]
        if not _is_int(value) or value % 8 or not _SIDES[0] <= value <= _SIDES[1]:
            near = f", such as {max(_SIDES[0], round(value / 8) * 8)}" if _is_int(value) and value < _SIDES[1] else ""
            faults.append(f"{name} is {value!r}; give a multiple of 8 from {_SIDES[0]} to {_SIDES[1]} pixels{near}")
    if options["output_type"] not in ("bgr", "pil"):
        faults.append(f"output_type is {options['output_type']!r}; valid are 'bgr' and 'pil'")
    faults += _scheduler_problems(options, limits)
    return faults


def _scheduler_problems(options: Mapping[str, Any], limits: Limits) -> list[str]:
    try:
        name = _known_scheduler(options["scheduler"], limits)
    except UserError as error:
        return [str(error)]
    steps = options["num_inference_steps"]
    return ["scheduler 'LCM' takes at most 50 steps"] if name == "LCM" and _is_int(steps) and steps > 50 else []


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
        raise UserError(f"scheduler is {name!r}; give its name as a string")
    return name if name == limits.own_scheduler else scheduler_name(name)


def _is_int(value: Any) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__")
