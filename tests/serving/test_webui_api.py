"""A client of the WebUI draws with the service."""

import asyncio
import base64
import io
import json
import threading
import time
from typing import Any

import httpx
import numpy as np
import pytest
import webuiapi
from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.serving.apis.webui.payload import Settings, read_payload
from pai_modelscope.serving.uploads import picture_bytes
from tests.serving.test_service import SMALL
from tests.support.server import ANN, BOB, Server

QUICK: Any = {"width": 64, "height": 64, "steps": 2, "seed": 3}
MODEL = "pai-diffusion-mini-zh"


@pytest.fixture
def client(server: Server) -> webuiapi.WebUIApi:
    return opened(server, ANN)


def opened(server: Server, token: str) -> webuiapi.WebUIApi:
    made = webuiapi.WebUIApi(baseurl=f"{server.address}/sdapi/v1", sampler="DPM++ 2M", scheduler="Karras")
    made.set_auth("anybody", token)
    return made


def photo(colour: tuple[int, int, int] = (200, 40, 40)) -> Image.Image:
    image = Image.new("RGB", (64, 64), colour)
    image.paste((250, 250, 250), (16, 16, 48, 48))
    return image


def encoded(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def opened_image(content: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_a_picture_is_the_one_of_the_own_protocol(client: webuiapi.WebUIApi, ann: httpx.Client) -> None:
    answer = client.txt2img(prompt="熊猫", negative_prompt="狗", cfg_scale=5, **QUICK)
    asked = {"prompt": "熊猫", "negative_prompt": "狗", "guidance_scale": 5, "seed": 3, **SMALL}
    asked["scheduler"] = "DPM++ 2M Karras"
    own = ann.post("/v1/jobs", json=asked, headers={"Prefer": "wait=60"}).json()
    picture = Image.open(io.BytesIO(ann.get(own["pictures"][0]["url"]).content))
    assert answer.image.convert("RGB").tobytes() == picture.convert("RGB").tobytes()
    assert answer.image.info["parameters"] == answer.info["infotexts"][0] == own["pictures"][0]["infotext"]
    assert answer.info["seed"] == 3 and answer.info["sampler_name"] == "DPM++ 2M Karras"
    assert (answer.info["steps"], answer.info["cfg_scale"], answer.info["width"]) == (2, 5.0, 64)
    assert answer.parameters["prompt"] == "熊猫"


def test_batches_have_seeds_that_count_on(client: webuiapi.WebUIApi) -> None:
    answer = client.txt2img(prompt="熊猫", batch_size=2, n_iter=2, **QUICK)
    assert answer.info["all_seeds"] == [3, 4, 5, 6] and len(answer.images) == 4 and answer.info["batch_size"] == 2
    assert len({image.tobytes() for image in answer.images}) == 4
    # Without a seed, one is dealt.
    assert client.txt2img(prompt="熊猫", **{**QUICK, "seed": -1}).info["seed"] >= 0


def test_from_a_picture_and_its_mask(client: webuiapi.WebUIApi) -> None:
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (32, 0, 64, 64))
    # A mask of another size is brought to the picture's.
    given: Any = {"images": [photo()], "mask_image": mask.resize((128, 128)), "inpaint_full_res": False, "mask_blur": 0}
    kept = np.asarray(photo(), dtype=int)

    def apart(invert: int) -> np.ndarray:
        answer = client.img2img(prompt="蓝色的海", inpainting_mask_invert=invert, **given, **{**QUICK, "steps": 4})
        assert any("inpainting_fill" in phrase for phrase in answer.info["not_honoured"])
        return np.asarray(np.abs(np.asarray(answer.image.convert("RGB"), dtype=int) - kept).mean((0, 2)))

    plain, inverted = apart(0), apart(1)
    assert plain[:28].max() < 1 < 10 < plain[40:].mean(), plain
    assert inverted[36:].max() < 1 < 10 < inverted[:24].mean(), inverted
    weak = client.img2img([photo()], prompt="海", denoising_strength=0.3, **{**QUICK, "steps": 4})
    strong = client.img2img([photo()], prompt="海", denoising_strength=0.95, **{**QUICK, "steps": 4})
    away = [np.abs(np.asarray(each.image.convert("RGB"), dtype=int) - kept).mean() for each in (weak, strong)]
    assert away[0] < away[1]


def test_a_second_pass_doubles_the_size(client: webuiapi.WebUIApi) -> None:
    answer = client.txt2img(prompt="熊猫", enable_hr=True, hr_scale=2, denoising_strength=0.5, **QUICK)
    assert answer.image.size == (128, 128) and answer.info["denoising_strength"] == 0.5
    assert any("hr_upscaler" in phrase for phrase in answer.info["not_honoured"])
    with pytest.raises(RuntimeError, match="2 or 4 times"):
        client.txt2img(prompt="熊猫", enable_hr=True, hr_scale=1.5, **QUICK)


def test_controlnet_units_steer_and_their_maps_are_shown(client: webuiapi.WebUIApi, ann: httpx.Client) -> None:
    kinds = client.controlnet_model_list()
    assert "canny" in kinds and "canny" in client.controlnet_module_list()
    plain = client.txt2img(prompt="红苹果", **QUICK).image
    unit = webuiapi.ControlNetUnit(image=photo(), module="canny", model="control_v11p_sd15_canny [d14c016b]")
    answer = client.txt2img(prompt="红苹果", controlnet_units=[unit], **QUICK)
    picture, found = answer.images
    assert picture.tobytes() != plain.tobytes()
    edges = np.asarray(found.convert("L"))
    assert found.size[0] == 512 and 0 < (edges > 128).mean() < 0.1  # at the unit's own resolution
    asked = client.controlnet_detect([photo()], module="canny", processor_res=512)
    assert asked.image.tobytes() == found.tobytes()
    # The found map, given as it is, steers alike.
    finished = webuiapi.ControlNetUnit(image=found, module="none", model="canny")
    again = client.txt2img(prompt="红苹果", controlnet_units=[finished], **QUICK)
    assert len(again.images) == 1 and again.image.tobytes() == picture.tobytes()
    with pytest.raises(RuntimeError, match="processor_res"):
        client.controlnet_detect([photo().resize((512, 8))], module="canny", processor_res=2048)  # 131072x2048
    off = webuiapi.ControlNetUnit(image=photo(), module="canny", model="canny", enabled=False)
    assert client.txt2img(prompt="红苹果", controlnet_units=[off], **QUICK).image.tobytes() == plain.tobytes()


def test_controlnet_takes_what_its_own_clients_send(client: webuiapi.WebUIApi, ann: httpx.Client) -> None:
    # `/controlnet/detect` calls its pictures so; `webuiapi` calls them otherwise.
    body = {
        "controlnet_module": "canny",
        "controlnet_processor_res": 512,
        "controlnet_input_images": [encoded(photo())],
    }
    answer = ann.post("/controlnet/detect", json=body)
    assert answer.status_code == 200, answer.text
    asked = client.controlnet_detect([photo()], module="canny", threshold_a=-1, threshold_b=-1)
    assert opened_image(answer.json()["images"][0]).tobytes() == asked.image.tobytes()
    # A plugin hides the models of a module that needs none.
    details = ann.get("/controlnet/module_list").json()["module_detail"]
    assert not any(detail["model_free"] for detail in details.values())
    # Black lines on white are inverted, which is what the module says.
    paper = Image.new("RGB", (64, 64), "white")
    paper.paste((0, 0, 0), (30, 0, 34, 64))
    unit: dict[str, Any] = {"model": "canny", "image": encoded(paper), "guidance": 0.5, "pulid_mode": "Fidelity"}
    unit |= {"resize_mode": "Inner Fit (Scale to Fit)", "use_preview_as_input": False}
    units = [unit | {"module": "invert (from white bg & black line)"}]
    drawn = ann.post("/sdapi/v1/txt2img", json={"prompt": "熊猫", **QUICK, "alwayson_scripts": scripts(*units)})
    assert drawn.status_code == 200, drawn.text
    lines = np.asarray(opened_image(drawn.json()["images"][1]).convert("L"))
    assert lines[:, :28].max() == 0 and lines[:, 30:34].min() == 255
    given: dict[str, Any] = {"models": [MODEL], "kinds": ["canny"], "pixels": 2**20, "file": picture_bytes}
    read = read_payload({"prompt": "a", "alwayson_scripts": scripts(unit)}, Settings(), **given, from_image=False)
    assert read.body["control"][0]["end"] == 0.5  # type: ignore[index]
    assert "'use_preview_as_input'" in read.not_honoured[0] and "'guidance'" not in read.not_honoured[0]


def scripts(*units: dict[str, Any]) -> dict[str, Any]:
    return {"controlnet": {"args": list(units)}}


def test_lists(client: webuiapi.WebUIApi) -> None:
    assert client.util_get_model_names() == [MODEL] and client.util_get_current_model() == MODEL
    assert {"Euler a", "DPM++ 2M", "DDIM"} <= set(client.util_get_sampler_names())
    assert not [name for name in client.util_get_sampler_names() if name.endswith("Karras")]
    assert "karras" in client.util_get_scheduler_names()
    assert client.get_loras() == [] and client.get_embeddings() == {"loaded": {}, "skipped": {}}
    assert {"None", "Lanczos"} < {each["name"] for each in client.get_upscalers()}
    assert client.get_scripts()["txt2img"] == ["controlnet"] and client.controlnet_version() >= 2
    assert client.get_memory()["ram"]["used"] > 2**26
    assert client.refresh_checkpoints() == {} and client.get_sd_vae() == []


def test_options_are_the_clients_own(server: Server, client: webuiapi.WebUIApi) -> None:
    bob = opened(server, BOB)
    try:
        client.set_options({"samples_format": "webp", "CLIP_stop_at_last_layers": 2})
        assert client.get_options()["CLIP_stop_at_last_layers"] == 2
        assert bob.get_options()["CLIP_stop_at_last_layers"] == 1
        answer = client.txt2img(prompt="熊猫", **QUICK)
        assert answer.image.format == "WEBP" and "Clip skip: 2" in answer.info["infotexts"][0]
        once = client.txt2img(prompt="熊猫", override_settings={"CLIP_stop_at_last_layers": 1}, **QUICK)
        assert "Clip skip" not in once.info["infotexts"][0]
        assert client.get_options()["CLIP_stop_at_last_layers"] == 2
        client.util_set_model("mini")
        assert client.util_get_current_model() == MODEL
        refused = client.session.post(f"{client.baseurl}/options", json={"sd_vae": "other", "gimmick": 1})
        assert refused.status_code == 422 and len(refused.json()["faults"]) == 2
    finally:
        client.set_options({"samples_format": "png", "CLIP_stop_at_last_layers": 1})


def test_progress_previews_and_interrupts_are_the_clients_own(server: Server, client: webuiapi.WebUIApi) -> None:
    bob, answers = opened(server, BOB), []
    long = {**QUICK, "steps": 150, "width": 256, "height": 256}
    asking = threading.Thread(target=lambda: answers.append(client.txt2img(prompt="熊猫", **long)))
    asking.start()
    try:
        seen = _when(client, lambda told: told["progress"] > 0 and told["current_image"])
        assert 0 < seen["progress"] < 1 and seen["state"]["sampling_steps"] == 150 and seen["state"]["job_count"] == 1
        preview = Image.open(io.BytesIO(base64.b64decode(seen["current_image"])))
        assert preview.format == "JPEG" and np.asarray(preview).std() > 5
        assert bob.get_progress()["state"]["job_count"] == 0
        bob.interrupt()
        time.sleep(0.5)
        assert client.get_progress()["state"]["job_count"] == 1
    finally:
        client.interrupt()
        asking.join(60)
    assert answers[0].images == [] and answers[0].info["interrupted"] is True
    client.util_wait_for_ready(check_interval=0.1)


def _when(client: webuiapi.WebUIApi, told: Any) -> dict[str, Any]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if told(seen := client.get_progress()):
            return dict(seen)
        time.sleep(0.05)
    raise AssertionError("it never came to this")


def test_parameters_of_a_file(client: webuiapi.WebUIApi) -> None:
    drawn = client.txt2img(prompt="熊猫", negative_prompt="狗", **QUICK)
    content = base64.b64decode(drawn.json["images"][0])
    told = client.session.post(f"{client.baseurl}/png-info", json={"image": base64.b64encode(content).decode()}).json()
    assert told["parameters"]["Prompt"] == "熊猫" and told["parameters"]["Seed"] == "3"
    assert "Negative prompt: 狗" in told["info"]
    # A value with commas stays one value.
    hashes = "ink: 1a2b, wash: 3c4d"
    foreign, text = photo(), f'panda\nSteps: 2, Sampler: Euler, Seed: 3, Lora hashes: "{hashes}", Size: 64x64'
    foreign.info["parameters"] = text
    told = client.png_info(foreign).json
    assert told["info"] == told["items"]["parameters"] == text and told["parameters"]["Lora hashes"] == hashes
    nothing = client.png_info(photo()).json
    assert nothing["info"] == "" and nothing["items"] == {} and "/" not in nothing["why"]


def test_a_picture_is_made_larger(client: webuiapi.WebUIApi) -> None:
    painter = next(each["name"] for each in client.get_upscalers() if each["name"] not in ("None", "Lanczos"))
    sharp = client.extra_single_image(photo(), upscaler_1=painter, upscaling_resize=2).image
    plain = client.extra_single_image(photo(), upscaler_1="Lanczos", upscaling_resize=2).image
    assert sharp.size == plain.size == (128, 128) and sharp.tobytes() != plain.tobytes()
    # Without an upscaler it stays, and what a second one makes is not seen unless it is made visible.
    same = client.extra_single_image(photo(), upscaler_1="None", upscaler_2="Lanczos", upscaling_resize=2).image
    assert same.tobytes() == photo().tobytes()
    large = {"upscaler_1": "Lanczos", "upscaling_resize": 8}
    for wrong in ({"upscaler_1": "ESRGAN_4x"}, {"upscaler_1": painter, "upscaling_resize": 3}, large):
        image = photo().resize((512, 512)) if wrong is large else photo()
        with pytest.raises(RuntimeError, match="422"):
            client.extra_single_image(image, **wrong)


def test_texts_for_numbers_are_read_where_a_picture_is_made_larger(ann: httpx.Client) -> None:
    """As the Discord bot aiyabot sends them."""
    body = {"upscaler_1": "Lanczos", "upscaling_resize": "2.0", "gfpgan_visibility": "0.0", "upscale_first": False}
    answer = ann.post("/sdapi/v1/extra-single-image", json=body | {"image": encoded(photo())})
    assert answer.status_code == 200, answer.text
    assert opened_image(answer.json()["image"]).size == (128, 128)


def test_asynchronous(client: webuiapi.WebUIApi) -> None:
    pytest.importorskip("aiohttp")

    async def both() -> list[Any]:
        return list(await asyncio.gather(*(client.txt2img(prompt=text, use_async=True, **QUICK) for text in "猫狗")))

    first, second = asyncio.run(both())
    assert first.image.tobytes() != second.image.tobytes()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"styles": ["ink"]}, "styles"),
        ({"tiling": True}, "tiling"),
        ({"restore_faces": True}, "restore_faces"),
        ({"subseed_strength": 0.5}, "subseed_strength"),
        ({"script_name": "X/Y/Z plot"}, "script_name"),
        ({"sampler_name": "Nonesuch"}, "sampler_name"),
        ({"steps": 10**6}, "steps"),
        ({"steps": "many"}, "steps"),
        ({"width": 63}, "width"),
        ({"prompt": 7}, "prompt"),
        ({"s_min_uncond": 0.5}, "s_min_uncond"),
        ({"init_images": ["a"]}, "init_images"),
        ({"enable_hr": True, "denoising_strength": 0}, "denoising_strength"),
        ({"alwayson_scripts": {"ADetailer": {"args": [True, {}]}}}, "alwayson_scripts"),
        ({"alwayson_scripts": {"controlnet": {"args": [{"module": "canny", "model": "pose"}]}}}, "model"),
        ({"alwayson_scripts": {"controlnet": {"args": [{"model": "canny", "image": "%%%"}]}}}, "controlnet"),
        ({"alwayson_scripts": {"controlnet": {"args": [{"model": "canny", "control_mode": 2}]}}}, "control_mode"),
        ({"alwayson_scripts": {"controlnet": {"args": [{"model": "canny"}] * 9}}}, "controlnet"),
        ({"override_settings": {"sd_model_checkpoint": "other"}}, "sd_model_checkpoint"),
        ({"override_settings": {"eta_noise_seed_delta": 31337}}, "eta_noise_seed_delta"),
        ({"batch_size": 1000}, "batch_size"),
    ],
)
def test_what_cannot_be_honoured_is_refused(ann: httpx.Client, wrong: dict[str, Any], named: str) -> None:
    answer = ann.post("/sdapi/v1/txt2img", json={"prompt": "熊猫", **wrong})
    assert answer.status_code == 422, answer.text
    assert named in [fault["field"] for fault in answer.json()["faults"]], answer.text
    assert not any(ours in answer.text for ours in ("num_images", "num_inference", "upscale_strength")), answer.text


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"init_images": []},
        {"init_images": ["a", "b"]},
        {"init_images": ["http://127.0.0.1/a.png"]},
        {"init_images": ["not base64!"]},
        {"init_images": [7]},
        {"init_images": "a"},
    ],
)
def test_pictures_that_are_none(ann: httpx.Client, wrong: dict[str, Any]) -> None:
    answer = ann.post("/sdapi/v1/img2img", json={"prompt": "熊猫", **wrong})
    assert answer.status_code == 422 and "init_images" in answer.text, answer.text


# What clients send by themselves, as their sources have it.
SAMPLE = {  # of the WebUI's own page of its API, which Dify and many others have copied
    **{"styles": [""], "subseed": -1, "subseed_strength": 0, "seed_resize_from_h": -1, "seed_resize_from_w": -1},
    **{"restore_faces": False, "tiling": False, "do_not_save_samples": False, "eta": 0, "denoising_strength": 0},
    **{"s_min_uncond": 0, "s_churn": 0, "s_tmax": 0, "s_tmin": 0, "s_noise": 0, "override_settings": {}},
    **{"refiner_switch_at": 0, "disable_extra_networks": False, "firstpass_image": "", "comments": {}},
    **{"enable_hr": False, "firstphase_width": 0, "hr_scale": 2, "hr_resize_x": 0, "hr_prompt": "", "script_args": []},
    **{"sampler_index": "DPM++ SDE Karras", "send_images": True, "save_images": False, "alwayson_scripts": {}},
}
SILLY_TAVERN = {
    **{"url": "http://127.0.0.1:7860", "auth": "ann:secret-of-hers", "clip_skip": 1, "sampler_name": "DDIM"},
    **{"scheduler": "Automatic", "restore_faces": False, "enable_hr": False, "hr_upscaler": "Latent", "hr_scale": 1.0},
    **{"hr_additional_modules": [], "denoising_strength": 0.7, "hr_second_pass_steps": 0, "save_images": True},
    **{"override_settings": {"CLIP_stop_at_last_layers": 1}, "override_settings_restore_afterwards": True},
}
AI_RENDER = {"image_similarity": 0.0, "denoising_strength": 1.0, "sampler": "Euler", "sampler_index": "Euler"}
DIFY = {
    "denoising_strength": 0.9,
    "sampler_name": "Euler a",
    "restore_faces": False,
    "script_args": ["outpainting mk2"],
}


@pytest.mark.parametrize(
    ("path", "sent", "named"),
    [
        ("txt2img", SAMPLE, ["eta", "s_noise"]),
        ("txt2img", SILLY_TAVERN, ["'url', 'auth', 'clip_skip'"]),
        ("img2img", AI_RENDER, ["'image_similarity', 'sampler'"]),
        ("img2img", DIFY | {"styles": ["None"], "enable_hr": False}, []),
    ],
)
def test_requests_of_known_clients(ann: httpx.Client, path: str, sent: dict[str, Any], named: list[str]) -> None:
    body = {**sent, "prompt": "熊猫", **QUICK, "steps": 3}
    body |= {"init_images": [encoded(photo())]} if path == "img2img" else {}
    answer = ann.post(f"/sdapi/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    told = json.loads(answer.json()["info"])["not_honoured"]
    assert len(told) == len(named) and all(name in phrase for name, phrase in zip(named, told, strict=True)), told
    assert "secret-of-hers" not in answer.text and opened_image(answer.json()["images"][0]).size == (64, 64)


def test_numbers_flags_and_schedules_as_they_are_sent() -> None:
    given: dict[str, Any] = {"models": [MODEL], "kinds": [], "pixels": 2**20, "file": picture_bytes}

    def read(**sent: Any) -> dict[str, Any]:
        return read_payload({"prompt": "a", **sent}, Settings(), **given, from_image="init_images" in sent).body

    texts = read(width="64", cfg_scale="5.5", steps="20", seed="3", enable_hr="false")
    assert texts == read(width=64, cfg_scale=5.5, steps=20.0, seed=3, enable_hr=False)
    for wrong in ("", "4x", "nan", "1e3", "٣"):
        with pytest.raises(UserError, match="steps"):
            read(steps=wrong)
    assert read(seed=2**53 + 1)["seed"] == 2**53 + 1
    # A schedule without a sampler is that of the WebUI's own.
    assert read(scheduler="Karras")["scheduler"] == "Euler Karras" and "scheduler" not in read(scheduler="Automatic")
    # Grays of a mask are black or white, unless they are to stay.
    grays = Image.linear_gradient("L").resize((64, 64))
    painted = {"init_images": [encoded(photo())], "mask": encoded(grays), "inpaint_full_res": False}
    levels = [
        np.unique(np.asarray(opened_image(body["mask"].partition(",")[2])))
        for body in (read(**painted), read(**painted, mask_round=False))
    ]
    assert levels[0].tolist() == [0, 255] and len(levels[1]) > 50


def test_every_field_that_the_client_sends_by_itself_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its defaults, none is refused; those that mean something else here are told."""
    sent: list[dict[str, Any]] = []
    made = webuiapi.WebUIApi(baseurl="http://127.0.0.1:9/sdapi/v1")
    monkeypatch.setattr(made, "post_and_get_api_result", lambda url, json, use_async: sent.append(json))
    made.txt2img(prompt="熊猫")
    made.txt2img(prompt="熊猫", enable_hr=True)
    made.img2img([photo()], prompt="熊猫", mask_image=Image.new("L", (64, 64), 255))
    given: dict[str, Any] = {"models": [MODEL], "kinds": [], "pixels": 2**20, "file": picture_bytes}
    for number, payload in enumerate(sent):
        asked = read_payload(payload, Settings(), **given, from_image=number == 2)
        assert asked.body["scheduler"] == "Euler a"
        assert [phrase.split()[0] for phrase in asked.not_honoured] == [[], ["hr_upscaler"], ["inpainting_fill"]][
            number
        ]
    with pytest.raises(UserError):
        read_payload({"prompt": "熊猫"}, Settings(), **given, from_image=True)
