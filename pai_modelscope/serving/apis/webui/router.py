"""The WebUI's paths over the service."""

import base64
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from pai_modelscope import __version__
from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.images.infotext import format_infotext
from pai_modelscope.images.infotext_syntax import split_infotext
from pai_modelscope.serving.apis.common import (
    client_of,
    data_url,
    encoded,
    ended_while_there,
    file_of,
    json_object,
    refusal_of,
)
from pai_modelscope.serving.apis.webui import catalog
from pai_modelscope.serving.apis.webui.control_units import MOST_UNITS, detected, module_named, modules
from pai_modelscope.serving.apis.webui.fields import Fields
from pai_modelscope.serving.apis.webui.payload import Asked, Settings, read_payload, read_settings
from pai_modelscope.serving.content import CONTENT_REFUSED, ContentRefused
from pai_modelscope.serving.problems import problem
from pai_modelscope.serving.store import Job, State
from pai_modelscope.serving.uploads import check_pixels, picture_bytes

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_MOST_DETECTED = 8  # pictures of one request
_OURS_TO_THEIRS = {
    "num_inference_steps": "steps",
    "guidance_scale": "cfg_scale",
    "num_images_per_prompt": "batch_size",
    "scheduler": "sampler_name",
    "strength": "denoising_strength",
    "image": "init_images",
    "upscale": "hr_scale",
    "upscale_strength": "denoising_strength",
    "clip_skip": "CLIP_stop_at_last_layers",
}


class _Client:
    """What the WebUI keeps for its only user, and this service for each: settings, and requests that are answered."""

    def __init__(self) -> None:
        self.settings = Settings()
        self._lock = threading.Lock()
        self._asked: dict[str, Job] = {}

    @contextmanager
    def waiting_for(self, job: Job) -> Iterator[None]:
        with self._lock:
            self._asked[job.id] = job
        try:
            yield
        finally:
            with self._lock:
                del self._asked[job.id]

    def jobs(self, service: "Service") -> list[Job]:
        """Those that have not ended, what is being drawn first."""
        with self._lock:
            ids = list(self._asked)
        found = [job for id in ids if (job := service.store.get(id)) is not None and not job.state.ended]
        return sorted(found, key=lambda job: job.state is not State.RUNNING)


class WebUiApi:
    """What the client `webuiapi` calls. Progress, interrupts and options are those of the client that asks."""

    def router(self, service: "Service") -> APIRouter:
        router = APIRouter(tags=["webui"])
        clients: dict[str, _Client] = {}  # as many as there are tokens

        def of(request: Request) -> _Client:
            return clients.setdefault(client_of(request), _Client())

        async def draw(request: Request, from_image: bool) -> JSONResponse:
            content, client, name = await request.body(), of(request), client_of(request)
            file = file_of(service, request)

            def accept() -> tuple[Asked, Job]:
                asked = read_payload(
                    json_object(content),
                    client.settings,
                    models=service.models.names,
                    kinds=service.controls(),
                    pixels=service.options.picture_pixels,
                    file=file,
                    from_image=from_image,
                )
                settings = asked.settings
                with _their_names():
                    return asked, service.submit(
                        name, asked.body, model=settings.model, format=settings.format or "png", priority=1
                    )

            asked, job = await anyio.to_thread.run_sync(accept)
            if asked.keep_settings:
                client.settings = asked.settings
            with client.waiting_for(job):
                job = await ended_while_there(service, job, request)
            if job.state not in (State.DONE, State.CANCELLED):
                no = refusal_of(job)
                return problem(422, no.message, code=CONTENT_REFUSED) if no.content else problem(500, no.message)
            return await anyio.to_thread.run_sync(lambda: JSONResponse(_answer(service, asked, job)))

        @router.post("/sdapi/v1/txt2img")
        async def txt2img(request: Request) -> JSONResponse:
            """Draw a prompt; the answer comes with the pictures."""
            return await draw(request, False)

        @router.post("/sdapi/v1/img2img")
        async def img2img(request: Request) -> JSONResponse:
            """Draw from a picture; with a mask, where it is white."""
            return await draw(request, True)

        @router.get("/sdapi/v1/progress")
        def progress(request: Request, skip_current_image: bool = False) -> JSONResponse:
            """How far the request that is being drawn is."""
            return JSONResponse(_progress(service, of(request).jobs(service), not skip_current_image))

        def interrupt(request: Request) -> JSONResponse:
            """End the request that is being drawn, within a step."""
            for job in of(request).jobs(service)[:1]:
                service.cancel(job)
            return JSONResponse({})

        for path in ("interrupt", "skip"):
            router.add_api_route(f"/sdapi/v1/{path}", interrupt, methods=["POST"])

        @router.get("/sdapi/v1/options")
        def options(request: Request) -> JSONResponse:
            settings = of(request).settings
            told = {
                "sd_model_checkpoint": settings.model or service.models.names[0],
                "CLIP_stop_at_last_layers": settings.clip_skip or 1,
                "samples_format": settings.format or "png",
                "sd_vae": "Automatic",
            }
            return JSONResponse(told)

        @router.post("/sdapi/v1/options")
        async def set_options(request: Request) -> JSONResponse:
            """Set options for the client's next requests."""
            client, given = of(request), json_object(await request.body())
            client.settings = read_settings(given, client.settings, service.models.names)
            return JSONResponse(None)

        @router.post("/sdapi/v1/png-info")
        async def png_info(request: Request) -> JSONResponse:
            """The parameters that a picture's file holds."""
            content = await request.body()

            def read() -> dict[str, object]:
                image = data_url("image", json_object(content).get("image"), file_of(service, request))
                return _png_info(service, client_of(request), image)

            return JSONResponse(await anyio.to_thread.run_sync(read))

        @router.post("/sdapi/v1/extra-single-image")
        async def extra_single_image(request: Request) -> JSONResponse:
            """A picture, made larger."""
            content = await request.body()
            most, file = service.options_of(client_of(request)), file_of(service, request)
            return JSONResponse(await anyio.to_thread.run_sync(lambda: _enlarged(json_object(content), most, file)))

        @router.post("/controlnet/detect")
        async def detect(request: Request) -> JSONResponse:
            """What an annotator reads from pictures."""
            content, file = await request.body(), file_of(service, request)
            pixels = service.options.picture_pixels
            return JSONResponse(await anyio.to_thread.run_sync(lambda: _detected(json_object(content), pixels, file)))

        lists: dict[str, Callable[[], object]] = {
            "/sdapi/v1/samplers": catalog.samplers,
            "/sdapi/v1/schedulers": catalog.schedulers,
            "/sdapi/v1/sd-models": lambda: catalog.sd_models(service),
            "/sdapi/v1/upscalers": catalog.upscalers,
            "/sdapi/v1/loras": lambda: catalog.loras(service),
            "/sdapi/v1/embeddings": lambda: catalog.embeddings(service),
            "/sdapi/v1/scripts": catalog.scripts,
            "/sdapi/v1/memory": catalog.memory,
            "/sdapi/v1/latent-upscale-modes": list,
            "/sdapi/v1/sd-vae": list,
            "/sdapi/v1/hypernetworks": list,
            "/sdapi/v1/face-restorers": list,
            "/sdapi/v1/realesrgan-models": list,
            "/sdapi/v1/prompt-styles": list,
            "/sdapi/v1/cmd-flags": dict,
            "/controlnet/version": lambda: {"version": 3},
            "/controlnet/model_list": lambda: {"model_list": service.controls()},
            "/controlnet/module_list": catalog.control_modules,
            "/controlnet/control_types": lambda: catalog.control_types(service),
            "/controlnet/settings": lambda: {"control_net_unit_count": MOST_UNITS},
        }
        for path, listed in lists.items():
            router.add_api_route(path, _listing(path, listed), methods=["GET"])
        for path in ("refresh-checkpoints", "refresh-loras", "refresh-vae", "refresh-embeddings"):
            router.add_api_route(f"/sdapi/v1/{path}", _listing(path, dict), methods=["POST"])
        return router


def _listing(path: str, listed: Callable[[], object]) -> Callable[[], JSONResponse]:
    def answer() -> JSONResponse:
        return JSONResponse(listed())

    answer.__name__ = path.rpartition("/")[2].replace("-", "_")
    return answer


@contextmanager
def _their_names() -> Iterator[None]:
    """Faults name the fields as the WebUI does."""
    try:
        yield
    except ContentRefused:  # of a field that has one name
        raise
    except UserError as error:
        raise UserError.of(map(_with_their_name, error.faults)) from None


def _with_their_name(fault: Fault) -> Fault:
    """Messages begin with the field's name, too."""
    name = _OURS_TO_THEIRS.get(fault.field, fault.field)
    return Fault(name, re.sub(rf"^{re.escape(fault.field)}\b", name, fault.message), fault.valid)


def _answer(service: "Service", asked: Asked, job: Job) -> dict[str, object]:
    pictures = [encoded(service, drawn) for drawn in job.pictures]
    shown = [base64.b64encode(file).decode() for file in asked.shown] if pictures else []
    info = json.dumps(_info(job, asked), ensure_ascii=False)
    return {"images": [*pictures, *shown] if asked.send else [], "parameters": asked.echo, "info": info}


def _info(job: Job, asked: Asked) -> dict[str, object]:
    """As `Processed.js()` of the WebUI, with what was not honoured."""
    seeds, prompts = [drawn["seed"] for drawn in job.pictures], [drawn["prompt"] for drawn in job.pictures]
    negative = str(job.request.get("negative_prompt") or "")
    told: dict[str, object] = {"all_prompts": prompts, "all_seeds": seeds, "interrupted": job.state is State.CANCELLED}
    told |= {"all_negative_prompts": [negative] * len(seeds), "negative_prompt": negative}
    told |= {"all_subseeds": seeds, "subseed": seeds[0] if seeds else -1, "subseed_strength": 0, "styles": []}
    told |= {"prompt": job.request.get("prompt", ""), "seed": seeds[0] if seeds else job.request.get("seed")}
    told |= {"sd_model_name": job.model, "sd_model_hash": None, "batch_size": asked.batch_size}
    told |= {"sd_vae_name": None, "sd_vae_hash": None, "seed_resize_from_w": -1, "seed_resize_from_h": -1}
    told |= {"restore_faces": False, "face_restoration_model": None, "extra_generation_params": {}}
    told |= {"infotexts": [drawn["infotext"] for drawn in job.pictures], "index_of_first_image": 0}
    told |= {"is_using_inpainting_conditioning": False, "version": f"pai_modelscope {__version__}"}
    strength = job.request.get("strength", job.request.get("upscale_strength"))
    told |= {"denoising_strength": strength, "clip_skip": asked.settings.clip_skip or 1}
    told["job_timestamp"] = datetime.fromtimestamp(job.created).strftime("%Y%m%d%H%M%S")
    if job.pictures:
        first = job.pictures[0]
        values = split_infotext(first["infotext"]).values
        told |= {"width": first["width"], "height": first["height"], "sampler_name": values.get("Sampler")}
        told |= {"steps": int(values["Steps"]), "cfg_scale": float(values.get("CFG scale", "1"))}
    told["nsfw"] = [drawn["flagged"] for drawn in job.pictures]
    told["not_honoured"] = asked.not_honoured
    return told


def _progress(service: "Service", jobs: list[Job], with_preview: bool) -> dict[str, object]:
    job = jobs[0] if jobs else None
    watched = service.watched.get(job.id) if job else None
    share, left, preview = 0.0, 0.0, None
    if job and watched and watched.steps:
        # 0 would say that nothing is drawn.
        share = min(0.99, max(0.01, watched.step / watched.steps))
        left = (time.time() - (job.started or job.created)) * (1 - share) / share
        preview = watched.preview if with_preview else None
    state = {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": job.id if job else "",
        "job_count": len(jobs),
        "job_timestamp": datetime.fromtimestamp(job.created).strftime("%Y%m%d%H%M%S") if job else "0",
        "job_no": 0,
        "sampling_step": watched.step if watched else 0,
        "sampling_steps": watched.steps if watched else 0,
    }
    return {
        "progress": share,
        "eta_relative": left,
        "state": state,
        "current_image": base64.b64encode(preview).decode() if preview else None,
        "textinfo": None if job is None or job.state is State.RUNNING else "Waiting...",
    }


def _png_info(service: "Service", client: str, image: str) -> dict[str, object]:
    from pai_modelscope.images.picture_text import read_parameters

    place = service.uploads.path(service.uploads.add(client, picture_bytes(image)))
    try:
        told = read_parameters(place)
    except UserError as error:  # as the WebUI answers of a picture without any
        return {"info": "", "items": {}, "parameters": {}, "why": str(error).replace(str(place), "the picture")}
    text = format_infotext(told.prompt, told.negative_prompt, told.values)
    parameters = {"Prompt": told.prompt, "Negative prompt": told.negative_prompt, **told.values}
    return {"info": text, "items": {"parameters": text}, "parameters": parameters}


def _enlarged(given: dict[str, object], options: ServeOptions, file: Callable[[str], bytes]) -> dict[str, object]:
    import torch
    from PIL import Image

    from pai_modelscope.images.open_images import open_image
    from pai_modelscope.images.upscalers.registry import INFOTEXT_NAMES, UPSCALERS, offered

    faults: list[Fault] = []
    fields = Fields(given, faults)
    name = fields.text("upscaler_1")
    factor = fields.number("upscaling_resize", 1, 8)
    fields.expect("resize_mode", 0)
    for nothing in ("gfpgan_visibility", "codeformer_visibility", "extras_upscaler_2_visibility"):
        fields.expect(nothing, 0)
    fields.skip("upscaler_2")  # it is not seen
    fields.skip("upscaling_resize_w", "upscaling_resize_h", "upscaling_crop", "upscale_first", "codeformer_weight")
    fields.skip("show_extras_results")
    image = fields.take("image")
    fields.finish()
    of_ours = INFOTEXT_NAMES.get(name) or UPSCALERS.get(name)
    factor = 1 if name in ("", "None") else 2 if factor is None else factor
    if name not in ("", "None", "Lanczos") and of_ours is None:
        valid = ", ".join(["None", "Lanczos", *(UPSCALERS[each].infotext_name for each in offered())])
        fields.fault("upscaler_1", f"there is no upscaler {name[:100]!r}; there are {valid}", valid)
    if of_ours is not None and factor not in (2, 4):
        fields.fault("upscaling_resize", f"{name} makes pictures 2 or 4 times as large, not {factor:g} times", "2, 4")
    if faults:
        raise UserError.of(faults)
    content = picture_bytes(data_url("image", image, file))
    check_pixels(content, options.picture_pixels)
    picture = open_image(content)
    width, height = (round(side * factor) for side in picture.size)
    if width * height > (most := options.pixels):
        message = f"{width}x{height} would be {width * height} pixels; this server draws up to {most}"
        raise UserError(message, [Fault("upscaling_resize", message)])
    if of_ours is not None:
        of_ours.check()
        picture = of_ours.enlarge(picture, int(factor), torch.device("cpu"))  # not the engine's device
    elif factor != 1:
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    enlarged = io.BytesIO()
    picture.save(enlarged, "PNG")
    return {"html_info": "", "image": base64.b64encode(enlarged.getvalue()).decode()}


def _detected(given: dict[str, object], pixels: int, file: Callable[[str], bytes]) -> dict[str, object]:
    faults: list[Fault] = []
    fields = Fields(given, faults)
    module = module_named(fields.text("controlnet_module"))
    images, older = fields.several("controlnet_input_images"), fields.several("controlnet_images")
    images = images or older  # as `webuiapi` sends them
    resolution = fields.count("controlnet_processor_res", -1, 4096)
    thresholds = [fields.number(f"controlnet_threshold_{name}", -1, 4096) for name in "ab"]
    fields.expect("controlnet_masks", [])
    fields.skip("low_vram")
    fields.finish()
    known = modules()[1:]
    if module not in known:
        valid = ", ".join(known)
        fields.fault("controlnet_module", f"there is no module {module[:100]!r}; there are {valid}", valid)
    if not 1 <= len(images) <= _MOST_DETECTED:
        fields.fault("controlnet_input_images", f"{len(images)} pictures are given; give 1 to {_MOST_DETECTED}")
    if faults:
        raise UserError.of(faults)
    urls = [data_url("controlnet_input_images", each, file) for each in images]
    read = [detected(url, module, resolution, thresholds, pixels) for url in urls]
    return {"images": [base64.b64encode(each).decode() for each in read], "info": "Success"}
