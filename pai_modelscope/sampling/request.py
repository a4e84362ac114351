"""From what a user asks for to the single pictures to draw: options merged, checked all together, seeds dealt.

`Sampler` reads its arguments into a `Call` of `GenerationRequest`s; `resolve` makes of them the `ResolvedRequest`s, one
a picture, by what the model allows. No network is needed.
"""

import dataclasses
import difflib
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeVar, cast

from pai_modelscope import limits as bounds
from pai_modelscope.adapters.lora_metadata import made_for_lcm
from pai_modelscope.config import GENERATION_FALLBACKS, UPSCALER, GenerationOptions, GenerationRequest
from pai_modelscope.config.option import bounds_of, fault, kind_of, plain_number, short_repr
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.families import Task
from pai_modelscope.images.masks import How
from pai_modelscope.images.scroll import ScrollText
from pai_modelscope.prompting.beautify import beautify
from pai_modelscope.prompting.learned_words import LearnedWords
from pai_modelscope.prompting.poem import PhraseVectors, PoemReading, read_poem
from pai_modelscope.sampling.adapter_session import AdapterUse, resolve_embeddings, resolve_loras
from pai_modelscope.sampling.controls import Control, control_entries, resolve_controls
from pai_modelscope.sampling.init_image import Images, InitImage, resolve_image
from pai_modelscope.sampling.memory import MemoryNeeds
from pai_modelscope.sampling.schedulers import scheduler_name
from pai_modelscope.sampling.scrolls import resolve_scroll
from pai_modelscope.sampling.seeds import SeedSource, deal_seeds
from pai_modelscope.sampling.upscale import HIRES, Upscale, other_upscalers, resolve_upscale, upscaler_faults
from pai_modelscope.text.characters import problem_of_text, shorten
from pai_modelscope.text.prompt import DrawingPass, Prompt, read_prompt

Text = str | Mapping[str, object] | GenerationRequest
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
_ELSEWHERE = {"seed", "height", "width", "strength"}  # more is to be said of these
# What must be right before a picture is opened.
_OF_IMAGES = {"num_inference_steps", "height", "width", "resize", "mask_blur", "mask_only", "mask_padding"} | {
    "upscale",
    "upscaler",
    "upscale_strength",
}
_LCM_STEPS = 50
T = TypeVar("T")


@dataclass(frozen=True)
class ModelLimits:
    """What a model allows, and its own values for options left open."""

    height: int
    width: int
    text_layers: int
    scheduler: str  # the name of its own
    lcm: bool  # made for the LCM scheduler
    recommended: Mapping[str, object]  # "generation" of configuration.json
    name: str = ""  # what the zoo calls it
    loras: Mapping[str, str] = field(default_factory=dict)  # those that are loaded: name to source
    words: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of loaded embeddings, and their shapes
    base: str = ""  # what the zoo calls the model that it was trained from, or itself
    controlnets: Mapping[str, str] = field(default_factory=dict)  # its own: what each reads, and its folder
    timesteps: int = 1000  # that it was trained with
    inpaints_only: bool = False  # its network wants a mask and the masked image beside the latents
    tasks: Set[Task] = frozenset(("text", "image", "mask"))  # what it can do
    controls: bool = True  # ControlNets can steer it
    learned: LearnedWords | None = None  # the words that it is known to know
    phrase_vectors: PhraseVectors | None = None  # of its text tower, where that can say how near phrases are
    memory: MemoryNeeds | None = None  # that drawing takes


@dataclass(frozen=True)
class ResolvedRequest:
    """One picture to draw, everything decided. `index`: its place in the call.

    `prompt`: as the user wrote it, or as it was made of the poem, with what was `added` to beautify it.
    `passes`: those in which it is drawn: one, and another where it is drawn over at a larger size.
    """

    index: int
    prompt: str
    plain_prompt: str  # without the tags that name LoRAs
    negative_prompt: str
    passes: tuple[DrawingPass, ...]
    seed: int
    num_inference_steps: int
    guidance_scale: float
    guidance_rescale: float
    height: int
    width: int
    scheduler: str
    clip_skip: int | None
    batch_size: int | None
    batch_pos: int | None
    init_image: InitImage | None
    resize: How
    controls: tuple[Control, ...]
    loras: tuple[AdapterUse, ...]
    embeddings: tuple[str, ...]
    upscale: Upscale | None
    num_images_per_prompt: int
    output_type: str
    first: bool = True  # of the pictures of its text
    poem: str | None = None
    reading: PoemReading | None = None  # of the poem
    added: tuple[str, ...] = ()  # to the prompt
    scroll: ScrollText | None = None


@dataclass(frozen=True)
class Call:
    """What `Sampler` was called with: the requests, what they share, and what JSON can't hold.

    `images`: pictures by the names that stand for them in the requests; `generators`, `faults` (what the reading found
    wrong): by the request's place, or None for what all share.
    """

    requests: Sequence[GenerationRequest]
    shared: GenerationRequest = field(default_factory=GenerationRequest)
    images: Mapping[str, object] = field(default_factory=dict)
    generators: Mapping[int | None, object] = field(default_factory=dict)
    faults: Mapping[int | None, Sequence[Fault]] = field(default_factory=dict)


# Reading what the user gave.


def read_call(texts: object, options: Mapping[str, object]) -> Call:
    """The requests that a text, a dict with 'text' and options of its own, a `GenerationRequest`, or several of these
    make; `options`: what they share.

    Raises:
        UserError: too many texts. What else is wrong becomes faults of the call, for `resolve` to report.
    """
    several = not isinstance(texts, str | bytes | Mapping | GenerationRequest) and isinstance(texts, Iterable)
    entries = list(itertools.islice(cast(Iterable[object], texts), bounds.PICTURES + 1)) if several else [texts]
    if len(entries) > bounds.PICTURES:
        raise UserError(f"more than {bounds.PICTURES} texts are given: draw them in several calls")
    images: dict[str, object] = {}
    generators: dict[int | None, object] = {}
    faults: dict[int | None, list[Fault]] = {}
    requests = []
    names: dict[object, None] = dict.fromkeys(options)
    for place, entry in enumerate(entries):
        if isinstance(entry, GenerationRequest):
            requests.append(entry)
            continue
        prompt, own, faults[place] = _prompt_of(entry)
        names |= dict.fromkeys(own)
        generators[place] = own.get("generator")
        requests.append(_request(own, images, prompt))
    generators[None] = options.get("generator")
    faults[None] = _unknown(names)
    return Call(requests, _request(options, images), images, generators, faults)


def _prompt_of(entry: object) -> tuple[str, dict[str, object], list[Fault]]:
    """The prompt of a text, the options of its own, and what is wrong with its form."""
    if isinstance(entry, str):
        return entry, {}, []
    if not isinstance(entry, Mapping):
        message = f"a text is a string or a dict with 'text', not {type(entry).__name__}"
        return "", {}, [Fault("prompt", message, "a string or a dict with 'text'")]
    own = dict(entry)
    prompt = own.pop("text", None)
    if prompt is None and own.get("poem") is not None:
        return "", own, []
    if prompt is None:
        return "", own, [Fault("prompt", "the dict has no 'text'", "a string")]
    if not isinstance(prompt, str):
        return "", own, [Fault("prompt", f"'text' is {type(prompt).__name__}; give a string", "a string")]
    return prompt, own, []


def _request(options: Mapping[str, object], images: dict[str, object], prompt: str = "") -> GenerationRequest:
    """The request with these of its options; a picture that is in memory is put into `images` under a name."""
    values = {name: value for name, value in options.items() if name in OPTIONS}
    for name in ("image", "mask"):
        if name in values:
            values[name] = _named(values[name], images)
    if entries := control_entries(values.get("control")):
        values["control"] = [
            {**entry, "image": _named(entry.get("image"), images)} if isinstance(entry, Mapping) else entry
            for entry in entries
        ]
    make = cast(Callable[..., GenerationRequest], GenerationRequest)  # values of wrong types are `resolve`'s to report
    return make(prompt=prompt, **values)


def _named(picture: object, images: dict[str, object]) -> object:
    """A path or a URL as it is; the name that stands for a picture in memory."""
    if picture is None or isinstance(picture, str):
        return picture
    if isinstance(picture, os.PathLike):
        return os.fspath(picture)
    name = f"memory:{id(picture):x}"
    images[name] = picture
    return name


def _unknown(names: Iterable[object]) -> list[Fault]:
    """At most one fault, for all names that are no options."""
    wrong = []
    for name in names:
        if not isinstance(name, str):
            wrong.append(short_repr(name))
        elif name not in (*OPTIONS, "generator"):
            close = difflib.get_close_matches(name, ("text", *OPTIONS), n=1, cutoff=0.7)
            meant = _OTHER_NAMES.get(name) or (close[0] if close else None)
            wrong.append(short_repr(name) + (f" (did you mean {meant!r}?)" if meant else ""))
    if not wrong:
        return []
    noun = "option" if len(wrong) == 1 else "options"
    valid = f"text, {', '.join(OPTIONS)}, generator"
    return [Fault("", f"unknown {noun} {', '.join(wrong)}, valid are {valid}", valid)]


# Deciding.


def resolve(call: Call | Sequence[GenerationRequest], limits: ModelLimits) -> list[ResolvedRequest]:
    """The pictures asked for, in order.

    Raises:
        UserError: with a fault for every value of every request that can't work.
    """
    call = call if isinstance(call, Call) else Call(call)
    images = Images(call.images)
    faults = [*call.faults.get(None, ()), *_value_faults(_merged(GenerationRequest(), call.shared, limits), limits)]
    shared = {fault.message for fault in faults}
    drafts = [_draft(request, place, call, limits, images) for place, request in enumerate(call.requests)]
    for number, draft in enumerate(drafts, 1):
        of_this = [fault for fault in draft.faults if fault.message not in shared]
        faults += [_numbered(fault, number) for fault in of_this] if len(drafts) > 1 else of_this
    if faults:
        raise UserError.of(faults)
    drawn = [(draft.first, draft.beautify) for draft in drafts if draft.first is not None]
    counts = [first.num_images_per_prompt for first, _ in drawn]
    if sum(counts) > bounds.PICTURES:
        message = f"{sum(counts)} pictures are asked for; valid are up to {bounds.PICTURES} in one call"
        raise UserError(message, [Fault("num_images_per_prompt", message, f"up to {bounds.PICTURES} in one call")])
    sources: list[SeedSource] = [
        (request.seed, call.generators.get(place)) for place, request in enumerate(call.requests)
    ]
    seeds = deal_seeds(sources, counts, (call.shared.seed, call.generators.get(None)))
    indices = itertools.count()
    pictures = []
    for (first, beautified), dealt in zip(drawn, seeds, strict=True):
        for number, seed in enumerate(dealt):
            picture = dataclasses.replace(first, index=next(indices), seed=seed, first=number == 0)
            pictures.append(_beautified(picture, limits) if beautified else picture)
    return pictures


@dataclass(frozen=True)
class _Draft:
    """What becomes of a request: what is wrong with it, and its first picture where nothing is."""

    faults: list[Fault]
    first: ResolvedRequest | None = None
    beautify: bool = False


def _draft(request: GenerationRequest, place: int, call: Call, limits: ModelLimits, images: Images) -> _Draft:
    values = _merged(request, call.shared, limits)
    form = call.faults.get(place, ())
    faults = [*form, *_value_faults(values, limits)]
    prompt, reading = request.prompt, None
    if values.poem is not None and not form:
        prompt, reading = _of_poem(prompt, values.poem, limits, faults)
    elif not form and not prompt.strip() and values.mask is None:  # under a mask, the picture around it says enough
        faults.append(Fault("prompt", "the text is empty: say in Chinese what to draw"))
    scroll = resolve_scroll(values, faults)
    asked = {name for name in OPTIONS if any(getattr(layer, name) is not None for layer in (request, call.shared))}
    controls, init_image, upscale, size = _images(values, asked, limits, images, faults)
    steps = [] if faults else _steps(values, init_image, upscale)
    read, loras = _texts(prompt, values, steps, limits, faults)
    embeddings: tuple[str, ...] = ()
    try:
        embeddings = resolve_embeddings(values.embeddings or ())
    except UserError as error:
        faults += _of_field("embeddings", error)
    if faults:
        return _Draft(faults)
    first = ResolvedRequest(
        index=0,
        prompt=prompt,
        plain_prompt=read.plain,
        negative_prompt=_there(values.negative_prompt),
        passes=read.passes,
        seed=0,
        num_inference_steps=_there(values.num_inference_steps),
        guidance_scale=float(_there(values.guidance_scale)),
        guidance_rescale=float(_there(values.guidance_rescale)),
        width=size[0],
        height=size[1],
        scheduler=_known_scheduler(values.scheduler, limits),
        clip_skip=values.clip_skip,
        batch_size=values.batch_size,
        batch_pos=values.batch_pos,
        init_image=init_image,
        resize=cast(How, values.resize),
        controls=controls,
        loras=loras,
        embeddings=embeddings,
        upscale=upscale,
        num_images_per_prompt=_there(values.num_images_per_prompt),
        output_type=_there(values.output_type),
        poem=values.poem,
        reading=reading,
        scroll=scroll,
    )
    return _Draft([], first, bool(values.beautify))


def _beautified(request: ResolvedRequest, limits: ModelLimits) -> ResolvedRequest:
    """With what the prompt leaves open: its seed chooses, so that each picture of a text has words of its own."""
    made = beautify(request.prompt, request.seed, limits.learned)
    read = read_prompt(made.prompt, request.negative_prompt, [drawing.steps for drawing in request.passes])
    return dataclasses.replace(
        request, prompt=made.prompt, plain_prompt=read.plain, passes=read.passes, added=made.added
    )


def _of_poem(prompt: str, poem: str, limits: ModelLimits, faults: list[Fault]) -> tuple[str, PoemReading | None]:
    """The prompt, or the one that the poem makes where there is none; and how the poem was read. What is wrong with it
    is added to `faults`."""
    if any(fault.field == "poem" for fault in faults):  # it is no text
        return prompt, None
    try:
        reading = read_poem(poem, limits.phrase_vectors)
    except UserError as error:
        faults += _of_field("poem", error)
        return prompt, None
    prompt = prompt if prompt.strip() else reading.prompt(limits.learned)
    if not prompt:
        message = f"the poem {shorten(poem)!r} names nothing that can be drawn: give the prompt beside it"
        faults.append(Fault("poem", message))
    return prompt, reading


def _merged(request: GenerationRequest, shared: GenerationRequest, limits: ModelLimits) -> GenerationRequest:
    """Every option at its value: the request's own, else the call's, else the model folder's, else the default.

    The prompt is no option and stays out.
    """
    defaults = {field.name: field.default for field in _FIELDS}
    model = {"height": limits.height, "width": limits.width, "scheduler": limits.scheduler}
    merged: dict[str, object] = {}
    for layer in (defaults, GENERATION_FALLBACKS, model, limits.recommended, vars(shared), vars(request)):
        merged |= {name: value for name, value in layer.items() if value is not None}
    values = {field.name: _plain(field, merged.get(field.name)) for field in _FIELDS}
    make = cast(Callable[..., GenerationRequest], GenerationRequest)
    return make(**values)


def _plain(field: "dataclasses.Field[object]", value: object) -> object:
    """Python's own number in place of one of NumPy or PyTorch; what is none stays, to be named as what is wrong."""
    kind = kind_of(field)
    if kind not in (int, float) or value is None or isinstance(value, int | float | list | tuple):
        return value
    try:
        return plain_number(value, whole=kind is int)
    except (OverflowError, TypeError, ValueError, RuntimeError):
        return value


def _images(
    values: GenerationRequest, asked: set[str], limits: ModelLimits, images: Images, faults: list[Fault]
) -> tuple[tuple[Control, ...], InitImage | None, Upscale | None, tuple[int, int]]:
    """The pictures to be steered by and to start from, how the finished one is enlarged, and the drawing size. What is
    wrong with them is added to `faults`; nothing is opened where a value that says how is wrong."""
    size = _there(values.width), _there(values.height)
    wrong = any(fault(field, getattr(values, field.name)) for field in _FIELDS if field.name in _OF_IMAGES)
    if wrong or upscaler_faults(values.upscaler):
        return (), None, None, size
    if limits.inpaints_only and values.mask is None and values.outpaint is None:
        message = "this model repaints parts of pictures and nothing else: give image and mask"
        faults.append(Fault("mask", message))
        return (), None, None, size
    if impossible := _task_faults(values, limits):
        faults += impossible
        return (), None, None, size
    controls: tuple[Control, ...] = ()
    init_image = None
    finished: tuple[int, int] | None = None
    try:
        if values.control is not None:
            controls = resolve_controls(values.control, limits.base, limits.controlnets, images)
    except UserError as error:
        faults += _of_field("control", error)
        return (), None, None, size
    try:
        init_image = resolve_image(values, asked, images)
        if init_image and not asked & {"height", "width"}:
            size = init_image.drawing_size((limits.width, limits.height))
        finished = init_image.finished_size(size) if init_image else size
    except UserError as error:
        faults += _of_field("image", error)
    try:
        return controls, init_image, resolve_upscale(values, asked, finished, _MOST), size
    except UserError as error:
        faults += _of_field("upscale", error)
        return controls, init_image, None, size


def _task_faults(values: GenerationRequest, limits: ModelLimits) -> list[Fault]:
    """What is asked for that no model of this kind can do."""
    faults = []
    for task, names in (("image", ("image",)), ("mask", ("mask", "outpaint"))):
        asked = [name for name in names if getattr(values, name) is not None]
        if asked and task not in limits.tasks:
            tasks = ", ".join(sorted(limits.tasks))
            message = f"{asked[0]} is given, but models of this kind draw from {tasks} only: leave it out"
            faults.append(Fault(asked[0], message))
    if values.control is not None and not limits.controls:
        message = "control is given, but no ControlNet can steer models of this kind: leave it out"
        faults.append(Fault("control", message))
    if values.upscale is not None and (values.upscaler or UPSCALER) == HIRES and "image" not in limits.tasks:
        others = other_upscalers()
        message = f"upscaler '{HIRES}' starts from an image, which models of this kind can't: choose {others}"
        faults.append(Fault("upscaler", message, others))
    return faults


def _texts(
    prompt: str,
    values: GenerationRequest,
    steps: Sequence[int],
    limits: ModelLimits,
    faults: list[Fault],
) -> tuple[Prompt, tuple[AdapterUse, ...]]:
    """The prompt as its passes of so many steps draw it, and the LoRAs. What is wrong is added to `faults`."""
    try:
        read = read_prompt(prompt, _there(values.negative_prompt), steps)
    except UserError as error:
        faults += _of_field("prompt", error)
        return Prompt(prompt, {}, ()), ()
    try:
        loras = resolve_loras(read.loras, values.loras, limits.loras)
    except UserError as error:
        faults += _of_field("loras", error)
        return read, ()
    faults += _lcm_faults(values.scheduler, loras, limits)
    return read, loras


def _steps(values: GenerationRequest, init_image: InitImage | None, upscale: Upscale | None) -> list[int]:
    """The steps of each pass over a picture: one, and another where it is drawn over at a larger size."""
    steps = _there(values.num_inference_steps)
    first = steps if init_image is None else init_image.steps_taken(steps)
    return [first, int(steps * upscale.strength)] if upscale and upscale.draws_over else [first]


def _value_faults(values: GenerationRequest, limits: ModelLimits) -> list[Fault]:
    """What of the merged values can't work."""
    checked = (field for field in _FIELDS if field.name not in _ELSEWHERE)
    faults = [wrong for field in checked if (wrong := fault(field, getattr(values, field.name)))]
    if not any(wrong.field == "upscaler" for wrong in faults):
        faults += upscaler_faults(values.upscaler)
    negative = values.negative_prompt
    if not isinstance(negative, str):
        faults.append(Fault("negative_prompt", "negative_prompt must be a string", "a string"))
    elif len(negative) > bounds.PROMPT_CHARACTERS:
        faults.append(Fault("negative_prompt", f"negative_prompt {problem_of_text(negative)}"))
    rows = 1 if values.batch_size is None else values.batch_size
    for name, most in (("clip_skip", limits.text_layers - 1), ("batch_pos", rows - 1 if _is_int(rows) else None)):
        value = getattr(values, name)
        if _is_int(value) and most is not None and value > most:
            valid = f"a whole number from 0 to {most}"
            faults.append(Fault(name, f"{name} is {short_repr(value)}; give {valid}", valid))
    for name in ("height", "width"):
        value = getattr(values, name)
        if not _is_int(value) or value % 8 or not _SIDES.hold(value):
            near = f", such as {max(_LEAST, round(value / 8) * 8)}" if _is_int(value) and -_MOST < value < _MOST else ""
            valid = f"a multiple of 8 {_SIDES} pixels"
            faults.append(Fault(name, f"{name} is {short_repr(value)}; give {valid}{near}", valid))
    return faults + _scheduler_faults(values, limits)


def _scheduler_faults(values: GenerationRequest, limits: ModelLimits) -> list[Fault]:
    try:
        name = _known_scheduler(values.scheduler, limits)
    except UserError as error:
        return _of_field("scheduler", error)
    steps = values.num_inference_steps
    if not isinstance(steps, int) or isinstance(steps, bool):
        return []
    if name == "LCM" and steps > _LCM_STEPS:
        message = f"scheduler 'LCM' takes at most {_LCM_STEPS} steps"
        return [Fault("num_inference_steps", message, f"at most {_LCM_STEPS}")]
    if steps > limits.timesteps:
        most = limits.timesteps
        message = (
            f"num_inference_steps is {short_repr(steps)}; this model was trained with {most}: give at most as many"
        )
        return [Fault("num_inference_steps", message, f"at most {most}")]
    return []


def _lcm_faults(scheduler: object, loras: Sequence[AdapterUse], limits: ModelLimits) -> list[Fault]:
    """Whether the scheduler that few models can do with fits the model or one of the request's LoRAs."""
    try:
        name = _known_scheduler(scheduler, limits)
    except UserError:  # said with the other options
        return []
    if name != "LCM" or limits.lcm or any(use.weight and made_for_lcm(use.source, use.name) for use in loras):
        return []
    message = (
        "scheduler 'LCM' needs a model or LoRA distilled for it, else its pictures are blurs: give such a LoRA, as in "
        "loras={FILE: 1} or --lora FILE (it is known by 'lcm' in its name or in its file's metadata), or choose "
        "another scheduler, such as 'DPM++ 2M'"
    )
    return [Fault("scheduler", message)]


def _known_scheduler(name: object, limits: ModelLimits) -> str:
    if not isinstance(name, str):
        raise UserError(f"scheduler is {short_repr(name)}; give its name as a string")
    return name if name == limits.scheduler else scheduler_name(name)


def _of_field(name: str, error: UserError) -> list[Fault]:
    """The faults of an error; those that name no field are of this one."""
    return [fault if fault.field else dataclasses.replace(fault, field=name) for fault in error.faults]


def _numbered(fault: Fault, number: int) -> Fault:
    return dataclasses.replace(fault, message=f"text {number}: {fault.message}")


def _is_int(value: object) -> bool:
    """Of merged values, in which numbers of other libraries are Python's own."""
    return isinstance(value, int) and not isinstance(value, bool)


def _there(value: T | None) -> T:
    """A value that the checks found right."""
    assert value is not None
    return value
