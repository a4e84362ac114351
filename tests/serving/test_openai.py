"""OpenAI's own client draws with the service."""

import base64
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from tests.serving.test_service import SMALL
from tests.support.server import ANN, Server

QUICK: Any = {"size": "64x64", "extra_body": {"seed": 3, "num_inference_steps": 2}}


@pytest.fixture(params=["/v1", "/openai/v1"])
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=ANN, base_url=f"{server.address}{request.param}", max_retries=0) as made:
        yield made


def picture(answer: Any, number: int = 0) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(answer.data[number].b64_json))).convert("RGB")


def file_of(image: Image.Image) -> tuple[str, bytes, str]:
    file = io.BytesIO()
    image.save(file, "PNG")
    return "picture.png", file.getvalue(), "image/png"


def test_a_picture_in_base64_is_the_one_of_the_own_protocol(client: openai.OpenAI, ann: httpx.Client) -> None:
    answer = client.images.generate(prompt="熊猫", **QUICK)
    assert len(answer.data or ()) == 1 and answer.size == "64x64" and answer.output_format == "png" and answer.created
    own = ann.post("/v1/jobs", json={"prompt": "熊猫", "seed": 3, **SMALL}, headers={"Prefer": "wait=60"}).json()
    content = ann.get(own["pictures"][0]["url"]).content
    assert picture(answer).tobytes() == Image.open(io.BytesIO(content)).convert("RGB").tobytes()


def test_several_as_links_in_another_format(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        prompt="狐狸", n=2, response_format="url", output_format="webp", quality="auto", user="somebody", **QUICK
    )
    urls = [each.url for each in answer.data or ()]
    assert len(set(urls)) == 2
    for url in urls:
        fetched = httpx.get(str(url))
        assert fetched.status_code == 200 and fetched.headers["content-type"] == "image/webp"


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["pai-diffusion-mini-zh"]


def test_what_is_transparent_in_the_mask_is_drawn_and_the_rest_stays(client: openai.OpenAI) -> None:
    image = Image.new("RGB", (64, 64), (200, 40, 40))
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (32, 0, 64, 64))
    options: Any = {"extra_body": {"seed": 3, "num_inference_steps": 4, "mask_blur": 0}}
    answer = client.images.edit(image=file_of(image), mask=file_of(mask), prompt="蓝色的海", **options)
    drawn = np.asarray(picture(answer), dtype=int)
    assert drawn.shape == (64, 64, 3)
    apart = np.abs(drawn - (200, 40, 40)).mean((0, 2))
    assert apart[:28].max() < 1 and apart[40:].mean() > 10, apart


def test_without_a_mask_the_whole_picture_is_drawn_from(client: openai.OpenAI) -> None:
    image = Image.new("RGB", (64, 64), (200, 40, 40))
    options: Any = {"extra_body": {"seed": 3, "num_inference_steps": 4, "strength": 0.5}}
    drawn = picture(client.images.edit(image=file_of(image), prompt="红色的墙", size="64x64", **options))
    red, green, blue = np.asarray(drawn, dtype=int).mean((0, 1))
    assert drawn.size == (64, 64) and red > green + 50 and red > blue + 50, "it begins at the red picture"


@pytest.mark.parametrize(
    ("options", "param", "says"),
    [
        ({"prompt": ""}, "prompt", "empty"),
        ({"size": "100x100"}, "size", "multiple of 8"),
        ({"size": "large"}, "size", "256x256"),
        ({"n": 99}, "n", "16"),
        ({"quality": "hd"}, "quality", "standard"),
        ({"style": "vivid"}, "style", "leave it out"),
        ({"background": "transparent"}, "background", "opaque"),
        ({"moderation": "low"}, "moderation", "auto"),
        ({"extra_body": {"partial_images": 2}}, "partial_images", "stream"),
        ({"output_format": "gif"}, "output_format", "webp"),
        ({"extra_body": {"image": "/etc/passwd"}}, "image", "data URL"),
        ({"extra_body": {"sparkle": 1}}, "sparkle", "unknown"),
        ({"n": 2, "extra_body": {"num_images_per_prompt": 1}}, "n", "one of them"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_its_words(
    client: openai.OpenAI, options: dict[str, Any], param: str, says: str
) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.images.generate(**({"prompt": "熊猫"} | options))
    assert error.value.param == param and says in error.value.message and error.value.type == "invalid_request_error"


def test_other_models_and_tokens(client: openai.OpenAI, server: Server) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.images.generate(prompt="熊猫", model="dall-e-3")
    assert missing.value.code == "model_not_found" and "pai-diffusion-mini-zh" in missing.value.message
    stranger = openai.OpenAI(api_key="wrong-0123456789abcdef", base_url=f"{server.address}/v1", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.images.generate(prompt="熊猫")


def test_a_mask_without_transparency_and_two_pictures_are_refused(client: openai.OpenAI) -> None:
    image = file_of(Image.new("RGB", (64, 64), "red"))
    opaque = file_of(Image.new("RGBA", (64, 64), (0, 0, 0, 255)))
    for mask in (image, opaque):
        with pytest.raises(openai.BadRequestError, match="transparency"):
            client.images.edit(image=image, mask=mask, prompt="熊猫")
    with pytest.raises(openai.BadRequestError, match="twice"):
        client.images.edit(image=[image, image], prompt="熊猫")


def test_a_mask_that_is_transparent_all_over_draws_everything(client: openai.OpenAI) -> None:
    image, mask = Image.new("RGB", (64, 64), "red"), Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    options: Any = {"extra_body": {"seed": [3], "num_inference_steps": 2}}
    answer = client.images.edit(image=file_of(image), mask=file_of(mask), prompt="蓝色的海", **options)
    assert np.abs(np.asarray(picture(answer), dtype=int) - (255, 0, 0)).mean() > 10


def test_a_job_that_ends_otherwise_is_not_asked_for_again(server: Server, ann: httpx.Client) -> None:
    patient = openai.OpenAI(api_key=ANN, base_url=f"{server.address}/v1", max_retries=2)

    def cancel() -> None:
        for _ in range(200):
            jobs = ann.get("/v1/jobs", params={"words": "被取消"}).json()["jobs"]
            if jobs and ann.delete(f"/v1/jobs/{jobs[0]['id']}").json()["state"] == "cancelled":
                return
            time.sleep(0.05)

    with patient, ThreadPoolExecutor(1) as pool:
        done = pool.submit(cancel)
        with pytest.raises(openai.InternalServerError, match="cancelled"):
            patient.images.generate(prompt="被取消的猫", size="256x256", extra_body={"num_inference_steps": 100})
        done.result()
    assert len(ann.get("/v1/jobs", params={"words": "被取消"}).json()["jobs"]) == 1


def test_a_client_that_goes_away_stops_its_job(client: openai.OpenAI, ann: httpx.Client) -> None:
    slow: Any = {"size": "128x128", "timeout": 1.5, "extra_body": {"num_inference_steps": 150}}
    with pytest.raises(openai.APITimeoutError):
        client.images.generate(prompt="一只走开的猫", **slow)
    job = ann.get("/v1/jobs", params={"words": "走开"}).json()["jobs"][0]
    for _ in range(100):
        state = ann.get(f"/v1/jobs/{job['id']}").json()["state"]
        if state not in ("queued", "running"):
            break
        ann.get("/healthz")
    assert state == "cancelled"


def test_a_stream_brings_partial_images_and_then_the_picture(client: openai.OpenAI) -> None:
    asked: Any = {"size": "64x64", "extra_body": {"seed": 3, "num_inference_steps": 20}}
    events = list(client.images.generate(prompt="熊猫", stream=True, partial_images=2, **asked))
    assert [event.type for event in events] == [*["image_generation.partial_image"] * 2, "image_generation.completed"]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    partial, last = (Image.open(io.BytesIO(base64.b64decode(event.b64_json))) for event in (events[1], events[2]))
    assert partial.format == last.format == "PNG" and last.size == (64, 64) and events[2].size == "64x64"
    whole = picture(client.images.generate(prompt="熊猫", **asked))
    assert whole.tobytes() == last.convert("RGB").tobytes()
    small = np.asarray(whole.resize(partial.size), dtype=int)
    assert np.abs(np.asarray(partial.convert("RGB"), dtype=int) - small).mean() < 40  # it is how the picture will look


def test_a_stream_that_nobody_reads_cancels_its_job(client: openai.OpenAI, ann: httpx.Client) -> None:
    asked: Any = {"size": "256x256", "extra_body": {"num_inference_steps": 150}}
    with client.images.generate(prompt="长颈鹿", stream=True, partial_images=3, **asked) as stream:
        assert next(iter(stream)).type == "image_generation.partial_image"
    until = time.monotonic() + 30
    while (job := ann.get("/v1/jobs", params={"words": "长颈鹿"}).json()["jobs"][0])["state"] == "running":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert job["state"] == "cancelled"


def test_an_edit_streams_and_what_a_stream_cannot_do_is_refused(client: openai.OpenAI) -> None:
    options: Any = {"extra_body": {"seed": 3, "num_inference_steps": 2}}
    image = file_of(Image.new("RGB", (64, 64), (200, 40, 40)))
    assert [event.type for event in client.images.edit(image=image, prompt="海", stream=True, **options)] == [
        "image_edit.completed"
    ]
    for wrong in (
        {"partial_images": 2},
        {"stream": True, "partial_images": 4},
        {"stream": True, "response_format": "url"},
    ):
        given: Any = wrong
        with pytest.raises(openai.BadRequestError):
            client.images.generate(prompt="海", **given)
