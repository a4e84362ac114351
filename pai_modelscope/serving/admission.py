"""What a client may ask for: a body of JSON becomes a request that names no file and no model of its own choice.

Pictures come as data URLs or as what was uploaded before, and by address where the operator says so; LoRAs, control
kinds and models by the names that the server lists.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from pai_modelscope.config import GenerationRequest
from pai_modelscope.config.option import short_repr
from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.prompting.word_list import WordList
from pai_modelscope.serving.content import check_words
from pai_modelscope.serving.models import MIB
from pai_modelscope.serving.remote_pictures import is_address

if TYPE_CHECKING:  # a server answers before PyTorch is imported
    from pai_modelscope.sampling import ModelLimits, ResolvedRequest

UPLOAD = "upload:"
PICTURES = ("image", "mask")
MODEL, FORMAT = "model", "format"  # of a body, beside the options of its pictures
# Of a program that holds the picture, or the server's to say: what it would mean, and what to do.
_NOT_FOR_CLIENTS = {
    "output_type": "pictures come as files: choose by format",
    "embeddings": "words of the embeddings that the server has loaded stand in prompts as they are",
}
FIELDS = tuple(field.name for field in fields(GenerationRequest) if field.name not in _NOT_FOR_CLIENTS)
Asked = dict[str, object]
_MOST_FIELDS, _MOST_CONTROLS, _MOST_LORAS, _MOST_OF_A_POEM = 100, 4, 32, 500
_OF_A_POEM = "山水"  # stands for the prompt that the engine makes of a poem


@dataclass(frozen=True)
class Admitted:
    """`request`: what is kept of it, which JSON holds, with its seeds; `pictures`: what it comes to, one each."""

    request: Asked
    pictures: "list[ResolvedRequest]"


def admit(
    body: Mapping[str, object],
    limits: "ModelLimits",
    options: ServeOptions,
    keep: Callable[[str], str],
    content_of: Callable[[str], bytes],
    words: WordList | None = None,
    room: int | None = None,
) -> Admitted:
    """Read a body, `keep` its pictures, and decide everything that can be decided without drawing.

    Args:
        keep: makes an upload of a data URL or an address, and gives its name; of an upload's name, the same.
        content_of: the file of an upload.
        words: that prompts may not contain.
        room: bytes of memory that there are for drawing; None: what is too much harms nobody.

    Raises:
        UserError: with a fault for every field that can't be.
        ContentRefused: it could be drawn, but for one of the words.
    """
    from pai_modelscope.sampling.request import read_call, resolve

    if too_much := _too_much(body, options):  # nothing of it is opened or looped over
        raise UserError.of(too_much)
    request, faults = _named(body, keep, limits)
    asked = asked_of(request, content_of)
    poem = asked.get("poem")
    if alone := poem is not None and not asked.get("text"):
        asked["text"] = _OF_A_POEM  # reading a poem may need the networks, which the engine holds
    try:
        pictures = resolve(read_call([asked], {}), limits)
    except UserError as error:
        raise UserError.of([*faults, *error.faults]) from None
    faults += _beyond(pictures, options) or _too_much_memory(pictures, options, limits, room)
    listed = set(limits.loras)
    for use in {use.name: use for picture in pictures for use in picture.loras}.values():
        if use.name not in listed:
            faults.append(_unlisted("loras", use.name, listed))
    if faults:
        raise UserError.of(faults)
    if words is not None:
        check_words(words, poem, () if alone else pictures)
    seeds = [picture.seed for picture in pictures]
    request["seed"] = seeds if len(seeds) > 1 else seeds[0]
    return Admitted(request, pictures)


def uploads_of(request: Mapping[str, object]) -> list[str]:
    """The ids of the uploads that a kept request names."""
    controls = request.get("control")
    entries = controls if isinstance(controls, list) else []
    named = [request.get(name) for name in PICTURES]
    named += [entry.get("image") for entry in entries if isinstance(entry, Mapping)]
    return [name for name in named if isinstance(name, str)]


def asked_of(request: Mapping[str, object], content_of: Callable[[str], bytes]) -> Asked:
    """The request as `Sampler` takes it, with the content of its uploads in place of their names."""
    from pai_modelscope.sampling.controls import control_entries

    asked = {("text" if name == "prompt" else name): value for name, value in request.items()}
    contents = {name: content_of(name) for name in set(uploads_of(request))}
    for name in PICTURES:
        if isinstance(value := asked.get(name), str):
            asked[name] = contents[value]
    if "control" in asked:
        entries = control_entries(asked["control"])
        asked["control"] = [
            {**entry, "image": contents[entry["image"]]}
            if isinstance(entry, Mapping) and isinstance(entry.get("image"), str)
            else entry
            for entry in entries
        ]
    return asked


def known_controls(limits: "ModelLimits") -> list[str]:
    """The kinds of control for which there is a ControlNet: the model's own, and the zoo's for it."""
    from pai_modelscope import zoo

    before = f"{limits.base}-controlnet-"
    of_zoo = {entry.name.removeprefix(before) for entry in zoo.ENTRIES if entry.name.startswith(before)}
    return sorted({*limits.controlnets, *of_zoo})


def _too_much(body: Mapping[str, object], options: ServeOptions) -> list[Fault]:
    """What is out of bounds by its number or length alone."""
    from pai_modelscope.sampling.controls import control_entries

    faults = []
    if len(body) > _MOST_FIELDS:
        faults.append(Fault("", f"{len(body)} fields are given; there are {len(FIELDS)}"))
    counts = (
        ("num_images_per_prompt", body.get("num_images_per_prompt"), options.pictures),
        ("batch_size", body.get("batch_size"), options.pictures),
        ("num_inference_steps", body.get("num_inference_steps"), options.steps),
        ("control", len(control_entries(body.get("control"))), _MOST_CONTROLS),
        ("loras", _length(body.get("loras")), _MOST_LORAS),
        ("poem", _length(body.get("poem")), _MOST_OF_A_POEM),
    )
    for name, value, most in counts:
        if isinstance(value, int) and value > most:
            message = f"{name}: {short_repr(value)} is asked for; this server takes up to {most}"
            faults.append(Fault(name, message, f"up to {most}"))
    return faults


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | list | dict) else 0


def _named(body: Mapping[str, object], keep: Callable[[str], str], limits: "ModelLimits") -> tuple[Asked, list[Fault]]:
    """The request with uploads for its pictures, without what is no client's to say; and what is wrong with it."""
    from pai_modelscope.sampling.controls import control_entries

    faults: list[Fault] = []
    request = {("prompt" if name == "text" else name): value for name, value in body.items() if value is not None}
    request.setdefault("prompt", "")
    for name, instead in _NOT_FOR_CLIENTS.items():
        if name in request:
            del request[name]
            faults.append(Fault(name, f"{name} is not for clients: {instead}"))
    for name in [name for name in request if name not in FIELDS]:
        del request[name]
        faults.append(_unknown(name))
    if isinstance(named := request.get("loras"), Mapping):
        # No other is looked for, on the disk or elsewhere.
        faults += [_unlisted("loras", name, limits.loras) for name in named if name not in limits.loras]
        request["loras"] = {name: weight for name, weight in named.items() if name in limits.loras}
    for name in PICTURES:
        if name in request:
            request[name] = _picture(name, request[name], keep, faults)
    if "control" in request:
        request["control"] = [_control(entry, keep, faults) for entry in control_entries(request["control"])]
    return {name: value for name, value in request.items() if value is not None}, faults


def _unknown(name: str) -> Fault:
    names = (*FIELDS, MODEL, FORMAT)
    near = difflib.get_close_matches(name[:100], names, 1, 0.7)
    meant = f" (is {near[0]} meant?)" if near else ""
    return Fault(name[:100], f"unknown field {short_repr(name)}{meant}", ", ".join(names))


def _control(entry: object, keep: Callable[[str], str], faults: list[Fault]) -> object:
    if not isinstance(entry, Mapping):
        return entry  # said by those who read controls
    if "model" in entry:
        faults.append(Fault("control", "control: the server chooses the ControlNet of a kind; leave model out"))
    kept = {name: value for name, value in entry.items() if name != "model"}
    if kept.get("image") is not None:
        kept["image"] = _picture("control", kept["image"], keep, faults)
    return kept


def _picture(name: str, value: object, keep: Callable[[str], str], faults: list[Fault]) -> str | None:
    valid = "a data URL ('data:image/png;base64,...') or the id of an upload"
    if not isinstance(value, str) or not (value.startswith(("data:", UPLOAD)) or is_address(value)):
        faults.append(Fault(name, f"{name} is {short_repr(value)}; give {valid}", valid))
        return None
    try:
        return keep(value)
    except UserError as error:
        faults.append(Fault(name, f"{name}: {error}", valid))
        return None


def _beyond(pictures: "list[ResolvedRequest]", options: ServeOptions) -> list[Fault]:
    """What this server does not draw, though the model could."""
    faults = []
    first = pictures[0]
    factor = first.upscale.factor if first.upscale else 1
    drawing = first.width, first.height
    finished = first.init_image.finished_size(drawing) if first.init_image else drawing
    pixels = max(drawing[0] * drawing[1], finished[0] * finished[1]) * factor**2
    checks = (
        ("width", pixels, options.pixels, "pixels of the finished picture"),
        ("num_inference_steps", first.num_inference_steps, options.steps, "steps"),
        ("num_images_per_prompt", len(pictures), options.pictures, "pictures of one job"),
        ("batch_size", first.batch_size or 1, options.pictures, "pictures at once"),
    )
    for name, value, most, what in checks:
        if value > most:
            faults.append(Fault(name, f"{value} {what} are asked for; this server draws up to {most}", f"up to {most}"))
    return faults


def _too_much_memory(
    pictures: "list[ResolvedRequest]", options: ServeOptions, limits: "ModelLimits", room: int | None
) -> list[Fault]:
    """On a CPU the system ends the whole service where memory runs out, so that such jobs are not begun."""
    if room is None or limits.memory is None:
        return []
    needed = limits.memory.bytes(pictures, options.batch or 1)  # it may share a batch
    if needed <= room:
        return []
    message = (
        f"{pictures[0].width}x{pictures[0].height} takes about {needed / MIB:.0f} MiB of memory while it is drawn, and "
        f"this server has {room / MIB:.0f}: ask for less at once (width, height, batch_size, texts joined by AND)"
    )
    return [Fault("width", message)]


def _unlisted(field: str, name: object, listed: Iterable[str]) -> Fault:
    valid = ", ".join(sorted(listed)) or "none"
    return Fault(field, f"this server has no LoRA {short_repr(name)}; it has {valid}", valid)
