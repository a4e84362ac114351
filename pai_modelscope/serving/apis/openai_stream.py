"""OpenAI's streams: server-sent events of partial images, and of each picture in the end.

Reference: https://platform.openai.com/docs/api-reference/images-streaming
"""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio.to_thread

from pai_modelscope.serving.apis.common import current, encoded, refusal_of
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

MOST_PARTIAL = 3
_LOOK = 1.0  # seconds


async def events(service: "Service", job: Job, kind: str, partial_images: int) -> AsyncIterator[str]:
    """The job's events until its end; if nobody reads them any more, it is cancelled.

    Args:
        kind: 'image_generation' or 'image_edit'.
        partial_images: how many previews are sent at most, spread over the steps.
    """
    sent = 0
    try:
        while True:
            progress = service.watched.get(job.id)
            job = await current(service, job)
            if job.state.ended:
                break
            due = (sent + 1) * progress.steps <= progress.step * (partial_images + 1)
            if sent < partial_images and progress.preview is not None and due:
                image = await anyio.to_thread.run_sync(_partial, progress.preview, job.format)
                yield _event(f"{kind}.partial_image", job, _size(job), image, partial_image_index=sent)
                sent += 1
            await service.watched.wait(job.id, progress.version, _LOOK)
        if job.state is not State.DONE:
            no = refusal_of(job)
            code = "moderation_blocked" if no.content else "server_error"
            error = {"message": no.message, "type": "image_generation_error", "code": code, "param": None}
            yield f"event: error\ndata: {json.dumps({'type': 'error', 'error': error}, ensure_ascii=False)}\n\n"
            return
        nothing = {"image_tokens": 0, "text_tokens": 0}
        usage = {"input_tokens": 0, "input_tokens_details": nothing, "output_tokens": 0, "total_tokens": 0}
        for drawn in job.pictures:
            image = await anyio.to_thread.run_sync(encoded, service, drawn)
            size = f"{drawn['width']}x{drawn['height']}"
            yield _event(
                f"{kind}.completed", job, size, image, usage=usage, seed=drawn["seed"], flagged=drawn["flagged"]
            )
    except (asyncio.CancelledError, GeneratorExit):
        service.cancel(job)
        raise


def _partial(preview: bytes, format: str) -> str:
    """A preview in the format of the picture, in base64."""
    from PIL import Image

    file = io.BytesIO()
    Image.open(io.BytesIO(preview)).save(file, format)
    return base64.b64encode(file.getvalue()).decode()


def _size(job: Job) -> str:
    width, height = job.request.get("width"), job.request.get("height")
    return f"{width}x{height}" if width and height else "auto"


def _event(name: str, job: Job, size: str, image: str, **more: object) -> str:
    told = {
        "type": name,
        "b64_json": image,
        "created_at": int(job.created),
        "size": size,
        "quality": "auto",
        "background": "opaque",
        "output_format": job.format,
        **more,
    }
    return f"event: {name}\ndata: {json.dumps(told, ensure_ascii=False)}\n\n"
