"""PAI's diffusers-api on EAS: `POST /eas`, and `POST /api/predict/NAME`, whose NAME is a model.

The answer comes with the pictures; eas_queue.py is the way to fetch them later, eas_watch.py to have them pushed.
Size, steps and guidance that are left out are the model's own. Reference:
https://github.com/alibaba/diffusers-api/blob/main/doc/param.md, and the client `eas_prediction`, whose token goes
without `Bearer`.
"""

import base64
import io
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import JSONResponse, Response

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.serving.admission import FIELDS
from pai_modelscope.serving.apis.common import (
    REFUSALS,
    Refusal,
    client_of,
    data_url,
    encoded,
    ended_while_there,
    fields_twice,
    file_of,
    json_object,
    links,
    refusal,
    refusal_of,
)
from pai_modelscope.serving.apis.eas_queue import EasQueue, failed, is_put, tags_of
from pai_modelscope.serving.apis.eas_watch import EasWatch
from pai_modelscope.serving.remote_pictures import is_address
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

PREFIXES = ("/api/predict", "/eas/api/predict")
_INPUT, _FAILED = 460, 469  # HTTP's status and `error_code` of a request that can't be, and of a job that failed
_NAMES = {
    "steps": "num_inference_steps",
    "cfg_scale": "guidance_scale",
    "denoising_strength": "strength",
    "image_num": "num_images_per_prompt",
    "expand": "outpaint",
}
_RESIZE = {0: "stretch", 1: "crop"}
_STRENGTH, _LORA_WEIGHT = 0.55, 0.75  # where they are left out
_PICTURES = {"image_base64": "image", "image_link": "image", "mask_base64": "mask", "mask_link": "mask"}
# What a request of this kind must hold of a picture, a mask and sides to expand by.
_FUNCTIONS = {
    "t2i": set[str](),
    "i2i": {"image_base64"},
    "inpaint": {"image_base64", "mask_base64"},
    "outpaint": {"image_base64", "expand"},
}
_GIVEN = ("image_base64", "mask_base64", "expand")
_OF_THE_ANSWER = ("task_id", "use_base64")
_LINKS = {"image_link": "image_base64", "mask_link": "mask_base64"}  # what each stands in place of
_READ_BELOW = ("func_name", *_PICTURES, "lora_path", "lora_attn", "resize_mode")
_OURS = tuple(name for name in FIELDS if name not in ("image", "mask", "loras", "resize", "outpaint"))
# What asks for nothing that this service does not do anyway.
_HARMLESS: dict[str, tuple[object, ...]] = {
    "expand_type": ("copy",),
    "save_dir": ("result",),
    "use_translate": (False,),
}
_REFUSED = {
    "controlnet_path": "ControlNets are the server's to choose: POST /v1/jobs takes control",
    "process_func": "control pictures have no place here: POST /v1/jobs takes control",
    "control_scale": "control pictures have no place here: POST /v1/jobs takes control",
}


class EasApi:
    """What `PredictClient` asks with a `StringRequest`, and `QueueClient`."""

    def router(self, service: "Service") -> APIRouter:
        queue = EasQueue(service, lambda job, asked, urls: _told(service, job, asked, urls))
        watchers = EasWatch(service, queue)
        router = APIRouter(tags=["eas"], lifespan=queue.lifespan)

        def missing(name: str) -> Response:
            valid = ", ".join(service.models.names)
            return failed(Refusal(404, f"there is no service {short_repr(name)}; there is {valid}"))

        async def answer(request: Request, name: str | None = None) -> Response:
            """Draw; from a queue's client, put it into the queue of that name."""
            if name is not None and name not in service.models.names:
                return missing(name)
            content, waits = await request.body(), not is_put(request)
            asked: dict[str, object] = {}

            def accept() -> Job | Response:
                tags = {} if waits else tags_of(request.query_params)
                body = json_object(content)
                asked.update({each: body[each] for each in _OF_THE_ANSWER if body.get(each) is not None})
                read = _read(body, file_of(service, request))
                job = service.submit(client_of(request), read, model=name, priority=1 if waits else 0)
                return job if waits else queue.put(job, asked, tags)

            try:
                accepted = await anyio.to_thread.run_sync(accept)
            except REFUSALS as error:
                no = refusal(error)
                more = {"task_id": asked["task_id"]} if isinstance(asked.get("task_id"), str) else {}
                return failed(replace(no, status=_status(no)), **more, **_marked(no))
            if isinstance(accepted, Response):
                return accepted
            job = await ended_while_there(service, accepted, request)
            told = await anyio.to_thread.run_sync(_told, service, job, asked, links(service, job, request))
            return JSONResponse(told, 200 if job.state is State.DONE else _status(refusal_of(job)))

        async def at_first(request: Request) -> Response:
            """Draw with the first model."""
            return await answer(request)

        async def results(request: Request, name: str) -> Response:
            """The results of a queue."""
            return await queue.answer(request, name, sink=True) if name in service.models.names else missing(name)

        async def requests(request: Request, name: str) -> Response:
            """The requests of a queue."""
            return await queue.answer(request, name, sink=False) if name in service.models.names else missing(name)

        async def watch(socket: WebSocket, name: str) -> None:
            """The results of a queue, as they come."""
            queue_name = name.removesuffix("/sink")
            if queue_name not in service.models.names:
                return await socket.send_denial_response(missing(queue_name))
            await watchers.answer(socket, queue_name, sink=name != queue_name)

        router.add_api_route("/eas", at_first, methods=["POST"])
        for prefix in PREFIXES:
            router.add_api_route(f"{prefix}/{{name:path}}/sink", results, methods=["GET", "PUT", "DELETE"])
            router.add_api_route(f"{prefix}/{{name:path}}", requests, methods=["GET", "PUT", "DELETE"])
            router.add_api_route(f"{prefix}/{{name:path}}", answer, methods=["POST"])
            router.add_api_websocket_route(f"{prefix}/{{name:path}}", watch)
        return router


def _status(no: Refusal) -> int:
    return {400: _INPUT, 500: _FAILED}.get(no.status, no.status)


def _marked(no: Refusal) -> dict[str, object]:
    """A no to the content is marked as a picture of such content would be."""
    return {"is_nsfw": [True]} if no.content else {}


def _told(service: "Service", job: Job, asked: Mapping[str, object], urls: list[str]) -> dict[str, object]:
    """The answer for a job that has ended. There is no OSS here, and no Blade."""
    told: dict[str, object] = {"task_id": asked.get("task_id", job.id)}
    if job.state is not State.DONE:
        no = refusal_of(job)
        return told | {"success": 0, "error_code": _status(no), "error_msg": no.message, **_marked(no)}
    if asked.get("use_base64"):
        told["images_base64"] = [encoded(service, drawn) for drawn in job.pictures]
    return told | {
        "success": 1,
        "image_url": urls,
        "oss_url": [],
        "seed": str(job.pictures[0]["seed"]),
        "seeds": [drawn["seed"] for drawn in job.pictures],
        "prompt": job.pictures[0]["prompt"],
        "is_nsfw": [drawn["flagged"] for drawn in job.pictures],
        "use_blade": False,
    }


def _read(body: Mapping[str, object], file: Callable[[str], bytes]) -> dict[str, object]:
    """The request in our words; `file` gives the file at an address.

    Raises:
        UserError: with a fault for all that can't be honoured; nothing is at an address.
    """
    given = {name: value for name, value in body.items() if value is not None}
    faults = fields_twice(given, _NAMES | _LINKS)
    if not isinstance(given.get("task_id", ""), str) or not isinstance(given.get("use_base64", False), bool):
        faults.append(Fault("task_id", "task_id is a text, and use_base64 true or false"))
    request: dict[str, object] = {}
    for name, value in given.items():
        if name in _REFUSED:
            faults.append(Fault(name, f"{name}: {_REFUSED[name]}"))
        elif name in _HARMLESS:
            if value not in _HARMLESS[name]:
                valid = ", ".join(map(repr, _HARMLESS[name]))
                faults.append(Fault(name, f"{name} is {short_repr(value)}; this service knows {valid}", valid))
        elif name in _NAMES or name in _OURS:
            request[_NAMES.get(name, name)] = value
        elif name not in _READ_BELOW and name not in _OF_THE_ANSWER:
            faults.append(Fault(name[:100], f"unknown field {short_repr(name)}"))
    if isinstance(seed := given.get("seed"), str) and re.fullmatch(r"[0-9]{1,20}", seed):
        request["seed"] = int(seed)
    request["loras"] = _loras(given, faults)
    for name in _PICTURES:
        if name in given and (name in _LINKS) is not is_address(str(given[name])):
            what = (
                "an address as in https://example.org/picture.png" if name in _LINKS else "a picture's file in base64"
            )
            faults.append(Fault(name, f"{name} is {short_repr(given[name])}; give {what}"))
    _check_function(given.get("func_name"), {_LINKS.get(name, name) for name in given}, faults)
    if faults:
        raise UserError.of(faults)
    request |= {ours: data_url(name, given[name], file) for name, ours in _PICTURES.items() if name in given}
    return _resized(request, given)


def _check_function(name: object, given: Set[str], faults: list[Fault]) -> None:
    """Whether what is given is what `func_name` needs; without one, what is given says what is meant."""
    if name is None:
        return
    if not isinstance(name, str) or name not in _FUNCTIONS:
        valid = ", ".join(_FUNCTIONS)
        faults.append(Fault("func_name", f"func_name is {short_repr(name)}; valid are {valid}", valid))
        return
    needed, there = _FUNCTIONS[name], {each for each in _GIVEN if each in given}
    faults += [Fault(each, f"func_name {name} needs {each}") for each in _GIVEN if each in needed - there]
    faults += [Fault(each, f"func_name {name} has no use for {each}") for each in _GIVEN if each in there - needed]


def _loras(given: Mapping[str, object], faults: list[Fault]) -> dict[str, object] | None:
    """The LoRAs by the names that the server lists, which paths end in; with their weights."""
    paths, weights = given.get("lora_path"), given.get("lora_attn", _LORA_WEIGHT)
    if paths is None:
        if "lora_attn" in given:
            faults.append(Fault("lora_attn", "lora_attn is given without lora_path"))
        return None
    paths = [paths] if isinstance(paths, str) else paths
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        faults.append(Fault("lora_path", f"lora_path is {short_repr(paths)}; give names of LoRAs"))
        return None
    weights = weights if isinstance(weights, list) else [weights] * len(paths)
    names = [re.sub(r"\.(safetensors|bin)$", "", path.rpartition("/")[2]) for path in paths]
    if len(weights) != len(names) or len(set(names)) != len(names):
        faults.append(Fault("lora_attn", "lora_attn: give a weight for each LoRA of lora_path, which names each once"))
    return dict(zip(names, weights, strict=False))


def _resized(request: dict[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """The request with the protocol's own defaults of pictures: they are stretched, and drawn from as far as it says.

    Raises:
        UserError: another way to resize; a size that a masked picture, which keeps its own, does not have.
    """
    mode = given.get("resize_mode", 0)
    if isinstance(mode, bool) or not isinstance(mode, int) or mode not in _RESIZE:
        message = f"resize_mode is {short_repr(mode)}; this service knows 0, which stretches, and 1, which crops"
        raise UserError.of([Fault("resize_mode", message)])
    if "image" not in request:
        return request
    if "mask" not in request and "outpaint" not in request:
        return {"strength": _STRENGTH, "resize": _RESIZE[mode]} | request
    own = _own_size(str(request["image"]), request.get("outpaint"))
    size = {"width": own[0], "height": own[1]} if own else {}
    for name in ("width", "height"):
        if name in request and own and request.pop(name) != size[name]:
            message = f"{name}: under a mask, or expanded, the picture keeps its own, here {size[name]}: leave it out"
            raise UserError.of([Fault(name, message)])
    return request


def _own_size(url: str, sides: object) -> tuple[int, int] | None:
    """Width and height of the finished picture, by the head of its file; None where others will say what is wrong."""
    from PIL import Image

    left, right, top, bottom = sides if isinstance(sides, list) and _are_sides(sides) else (0, 0, 0, 0)
    try:
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
            return picture.width + left + right, picture.height + top + bottom
    except Exception:  # said by those who open it whole
        return None


def _are_sides(sides: list[object]) -> bool:
    return len(sides) == 4 and all(isinstance(side, int) for side in sides)
