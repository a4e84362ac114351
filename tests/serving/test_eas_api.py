"""EAS's own client `eas_prediction` draws with the service, waiting and by queue."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from pai_modelscope.serving.uploads import picture_bytes
from tests.serving.test_service import data_url
from tests.support.foreign_clients import state_of, with_eas_client
from tests.support.server import ANN, BOB, Server, start

MODEL = "pai-diffusion-mini-zh"
QUICK = {"task_id": "t1", "prompt": "熊猫", "steps": 2, "width": 64, "height": 64, "seed": "3"}
PREDICT = """
import json, sys
from eas_prediction import PredictClient, StringRequest
from eas_prediction.exception import PredictException

def client(address, token, **options):
    made = PredictClient(**options)
    made.set_token(token)
    made.set_timeout(120_000)
    made.init()
    return made

address, token, body = sys.argv[1:]
made = client(address, token, custom_url=address)
try:
    print(json.dumps([200, json.loads(made.predict(StringRequest(body)).response_data)]))
except PredictException as error:
    print(json.dumps([error.code, json.loads(error.message)]))
"""
QUEUE = """
import json, sys
from eas_prediction import QueueClient
from eas_prediction.exception import PredictException

def queue(name, token=None, prefix=''):
    made = QueueClient(sys.argv[1] + prefix, name)
    made.set_token(token or sys.argv[2])
    made.set_timeout(120_000)
    made.init()
    made.set_logger()
    return made

def frames(found):
    return [[each.index, dict(each.tags), json.loads(each.data)] for each in found]

name = 'pai-diffusion-mini-zh'
requests, results = queue(name), queue(name + '/sink')
for each in (requests, results):
    each.truncate(10**9)
"""


def red() -> str:
    return data_url("red").partition(",")[2]


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def predicted(server: Server, path: str = "/eas", token: str = ANN, **options: Any) -> tuple[int, dict[str, Any]]:
    body = {name: value for name, value in (QUICK | options).items() if value is not None}
    code, answer = with_eas_client(PREDICT, f"{server.address}{path}", token, json.dumps(body))
    return code, answer


@pytest.mark.parametrize("path", ["/eas", f"/api/predict/{MODEL}", f"/eas/api/predict/{MODEL}"])
def test_a_request_is_answered_with_its_pictures(server: Server, ann: httpx.Client, path: str) -> None:
    code, answer = predicted(server, path, image_num=2, cfg_scale=5, use_base64=True)
    assert code == 200 and answer["success"] == 1 and answer["task_id"] == "t1", answer
    assert answer["seed"] == "3" and answer["is_nsfw"] == [False, False] and answer["oss_url"] == []
    linked = [Image.open(io.BytesIO(httpx.get(url).content)).convert("RGB") for url in answer["image_url"]]
    assert [each.tobytes() for each in linked] == [opened(each).tobytes() for each in answer["images_base64"]]
    own = {"prompt": "熊猫", "seed": 3, "num_inference_steps": 2, "guidance_scale": 5, "width": 64, "height": 64}
    job = ann.post("/v1/jobs", json=own | {"num_images_per_prompt": 2}, headers={"Prefer": "wait=60"}).json()
    content = ann.get(job["pictures"][1]["url"]).content
    assert linked[1].tobytes() == Image.open(io.BytesIO(content)).convert("RGB").tobytes()


def test_pictures_to_start_from_to_fill_and_to_expand(ann: httpx.Client) -> None:
    def drawn(**options: Any) -> Image.Image:
        body = {"task_id": "t", "prompt": "蓝色的海", "steps": 6, "seed": 3, "use_base64": True, "image_base64": red()}
        answer = ann.post("/eas", json=body | options)
        assert answer.status_code == 200, answer.text
        return opened(answer.json()["images_base64"][0])

    assert drawn(func_name="i2i", width=64, height=96, resize_mode=1).size == (64, 96)
    mask = Image.new("L", (64, 64))
    mask.paste(255, (32, 0, 64, 64))
    file = io.BytesIO()
    mask.save(file, "PNG")
    white = base64.b64encode(file.getvalue()).decode()
    filled = drawn(func_name="inpaint", mask_base64=white, width=64, height=64, denoising_strength=1, mask_blur=0)
    apart = np.abs(np.asarray(filled, dtype=int) - (255, 0, 0)).mean((0, 2))
    assert apart[:28].max() < 1 and apart[40:].mean() > 10, apart
    wider = drawn(func_name="outpaint", expand=[32, 0, 0, 0], expand_type="copy")
    assert wider.size == (96, 64), "left, right, up, down"
    kept = np.abs(np.asarray(wider, dtype=int) - (255, 0, 0)).mean((0, 2))
    assert kept[64:].max() < 1 and kept[:24].mean() > 5, kept


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": 5}, "is int"),
        ({"width": 100}, "multiple of 8"),
        ({"steps": "many"}, "num_inference_steps"),
        ({"steps": 2, "num_inference_steps": 2}, "say the same"),
        ({"image_link": "http://127.0.0.1/a.png"}, "image_link: this server takes no addresses"),
        ({"image_base64": red(), "mask_link": "http://127.0.0.1/a.png"}, "mask_link: this server takes no addresses"),
        ({"image_link": "/etc/passwd"}, "give an address"),
        ({"image_link": ["http://127.0.0.1/a.png"]}, "give an address"),
        ({"image_base64": "http://127.0.0.1/a.png"}, "a picture's file in base64"),
        ({"image_base64": red(), "image_link": "http://127.0.0.1/a.png"}, "say the same"),
        ({"func_name": "inpaint", "image_link": "http://127.0.0.1/a.png"}, "needs mask_base64"),
        ({"image_base64": "?"}, "image"),
        ({"image_base64": [1]}, "image_base64"),
        ({"image_base64": red(), "resize_mode": 2}, "resize_mode"),
        ({"image_base64": red(), "expand": [32, 0, 0, 0], "width": 72}, "keeps its own, here 96"),
        ({"image_base64": red(), "expand": [32, 0, 0, 0], "width": 96, "expand_type": "reflect"}, "copy"),
        ({"image_base64": red(), "expand": "wide"}, "outpaint"),
        ({"func_name": "i2i"}, "needs image_base64"),
        ({"func_name": "t2i", "image_base64": red()}, "has no use for image_base64"),
        ({"func_name": "video"}, "outpaint"),
        ({"func_name": ["t2i"]}, "func_name"),
        ({"lora_path": ["lora/ink.safetensors"]}, "no LoRA 'ink'"),
        ({"lora_path": ["a", "b"], "lora_attn": [1.0]}, "a weight for each"),
        ({"lora_path": {"a": 1}}, "lora_path"),
        ({"lora_attn": 1.0}, "without lora_path"),
        ({"controlnet_path": "x"}, "controlnet_path"),
        ({"process_func": "canny"}, "process_func"),
        ({"use_translate": True}, "use_translate"),
        ({"task_id": 1}, "task_id"),
        ({"use_base64": "yes"}, "use_base64"),
        ({"sparkle": 1}, "sparkle"),
        ({"seed": "three"}, "seed"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_its_words(ann: httpx.Client, options: dict[str, Any], says: str) -> None:
    answer = ann.post("/eas", json=QUICK | options)
    told = answer.json()
    assert answer.status_code == told["error_code"] == 460 and told["success"] == 0 and says in told["error_msg"], told
    assert told.get("task_id") == ("t1" if "task_id" not in options else None)


def test_the_client_is_told_what_is_wrong(server: Server) -> None:
    code, answer = predicted(server, steps="many")
    assert code == 460 and answer["success"] == 0 and "num_inference_steps" in answer["error_msg"]
    code, answer = predicted(server, "/api/predict/other_service")
    assert code == 404 and answer["success"] == 0 and MODEL in answer["error_msg"]
    code, _ = predicted(server, token="wrong-0123456789abcdef")
    assert code == 401


def test_loras_are_found_by_the_end_of_their_paths() -> None:
    from pai_modelscope.serving.apis import eas

    def read(**asked: object) -> object:
        return eas._read({"prompt": "猫", **asked}, picture_bytes)["loras"]

    asked = {"lora_path": ["lora/ink.safetensors", "oil"], "lora_attn": [1.0, 0.5]}
    assert read(**asked) == {"ink": 1.0, "oil": 0.5} and read(lora_path="ink") == {"ink": 0.75}


@pytest.mark.slow
def test_a_signature_takes_the_tokens_place_where_none_are_asked_for(tmp_path: Path) -> None:
    """With an endpoint and a service's name the client signs and sends no token: open services answer, others can't."""
    code = PREDICT.replace("custom_url=address", f"endpoint=address, service_name='{MODEL}'")
    running = start(tmp_path / "data")
    try:
        running.wait_until_ready()
        answer = with_eas_client(code, running.address, "any-0123456789abcdef", json.dumps(QUICK))
        assert answer[0] == 200 and answer[1]["success"] == 1, answer
    finally:
        running.process.terminate()
        running.process.communicate(timeout=60)


def test_a_client_that_goes_away_stops_its_job(server: Server, ann: httpx.Client) -> None:
    code = PREDICT.replace("120_000", "1500").replace("json.loads(error.message)", "str(error)")
    body = {"task_id": "t", "prompt": "一只溜走的猫", "width": 128, "height": 128, "steps": 150}
    code = code.replace("made.init()", "made.set_retry_count(1)\n    made.init()")
    answer = with_eas_client(code, f"{server.address}/eas", ANN, json.dumps(body))
    assert answer[0] == 500 and "timed out" in answer[1]
    assert state_of(ann, "溜走的猫") == "cancelled"


def test_a_queue_gives_results_by_request_and_by_number(server: Server) -> None:
    code = """
body = json.dumps(BODY | {'use_base64': True})
first, id = requests.put(body, {'who': 'a'})
second, other = requests.put(body, {'who': 'b'})
told = {'numbers': [int(first), int(second)], 'ids': [id, other]}
told['second'] = frames(results.get(request_id=other, timeout='60s', auto_delete=False))
told['attributes'] = results.attributes()
told['tagged'] = frames(results.get(timeout='60s', tags={'who': 'b'}, auto_delete=False))
told['both'] = frames(results.get(index=int(first), length=5, timeout='60s'))
told['after'] = frames(results.get(request_id=id, timeout='1s'))
told['foreign'] = frames(queue(name + '/sink', sys.argv[3]).get(index=0, timeout='1s'))
third, _ = requests.put(body)
frames(results.get(timeout='60s', auto_delete=False))
told['third'] = int(third)
told['stay'] = frames(results.get(index=int(third), timeout='1s', auto_delete=False))
results.commit(int(third))
told['committed'] = results.attributes()['stream.length']
print(json.dumps(told))
"""
    told = with_eas_client(QUEUE + f"BODY = {QUICK!r}\n" + code, server.address, ANN, BOB)
    first, second = told["numbers"]
    assert second == first + 1 and told["third"] == second + 1
    ((number, tags, data),) = told["second"]
    assert number == second and tags == {"who": "b", "requestId": told["ids"][1]}
    assert data["success"] == 1 and data["task_id"] == "t1" and opened(data["images_base64"][0]).size == (64, 64)
    assert httpx.get(data["image_url"][0]).status_code == 200
    assert told["attributes"]["stream.lastEntry"] == str(second)
    assert [each[0] for each in told["tagged"]] == [second]
    assert [each[0] for each in told["both"]] == [first, second]
    assert told["after"] == told["foreign"] == [], "read is taken out, and another's is nobody else's"
    assert [each[0] for each in told["stay"]] == [told["third"]] and told["committed"] == "0"


def test_requests_are_searched_taken_out_and_truncated(server: Server, ann: httpx.Client) -> None:
    code = """
slow = BODY | {'steps': 150, 'width': 128, 'height': 128, 'image_num': 4}
prompts = '慢慢画的猫', '等着画的猫', '等着画的狗'
numbers = [int(requests.put(json.dumps(slow | {'prompt': prompt}))[0]) for prompt in prompts]
told = {'search': [requests.search(number) for number in (numbers[1], numbers[2], 10**6)]}
told['length'] = requests.attributes()['stream.length']
requests.delete(numbers[2])
told['left'] = requests.attributes()['stream.length']
requests.truncate(numbers[1])
told['truncated'] = requests.attributes()
requests.truncate(numbers[1] + 1)
told['end'] = requests.attributes()['stream.length']
told['results'] = frames(results.get(timeout='1s'))
told['numbers'] = numbers
print(json.dumps(told))
"""
    told = with_eas_client(QUEUE + f"BODY = {QUICK!r}\n" + code, server.address, ANN)
    one, two, none = told["search"]
    assert none == {} and one["IsPending"] is False and two["WaitCount"] > one["WaitCount"] - 1
    assert (told["length"], told["left"], told["end"]) == ("3", "2", "0") and told["results"] == []
    assert told["truncated"]["stream.length"] == "1"
    assert told["truncated"]["stream.firstEntry"] == str(told["numbers"][1])
    for words in ("慢慢画的猫", "等着画的猫", "等着画的狗"):
        assert state_of(ann, words) == "cancelled"


def test_a_queue_says_what_is_wrong(server: Server) -> None:
    code = """
def said(call):
    try:
        return call()
    except PredictException as error:
        return [error.code, json.loads(error.message)['error_msg']]

told = [
    said(lambda: requests.put('no JSON')),
    said(lambda: requests.put(json.dumps(BODY | {'steps': 'many'}))),
    said(lambda: requests.put(json.dumps(BODY), {'_priority_': '1'})),
    said(lambda: requests.get()),
    said(lambda: results.get(timeout='soon')),
    said(lambda: results.get(length=0)),
    said(lambda: results.delete('x')),
    said(lambda: queue('other/sink').get()),
]
print(json.dumps(told))
"""
    told = with_eas_client(QUEUE + f"BODY = {QUICK!r}\n" + code, server.address, ANN)
    words = ("JSON", "num_inference_steps", "_priority_", "/sink", "5s", "_length_", "_indexes_")
    assert [code for code, _ in told[:3]] == [460] * 3 and [code for code, _ in told[3:7]] == [400] * 4, told
    assert all(word in message for word, (_, message) in zip(words, told, strict=False)), told
    assert told[7] == [404, told[7][1]] and MODEL in told[7][1]


@pytest.mark.slow
def test_a_queue_is_there_after_a_restart(tmp_path: Path) -> None:
    """A request keeps its number and its result over a restart, and no number is given twice."""
    code = "print(json.dumps(requests.put(json.dumps(BODY))))"
    numbers, asks = [], QUEUE.replace("each.truncate(10**9)", "pass") + f"BODY = {QUICK!r}\n"
    for last in (False, True):
        running = start(tmp_path / "data")
        try:
            running.wait_until_ready()
            numbers.append(with_eas_client(asks + code, running.address, ANN))
            if last:
                fetch = "print(json.dumps(frames(results.get(request_id=sys.argv[3], timeout='60s'))))"
                ((number, _, data),) = with_eas_client(asks + fetch, running.address, ANN, numbers[0][1])
                assert number == 1 and data["success"] == 1
        finally:
            running.process.terminate()
            running.process.communicate(timeout=60)
    assert [number for number, _ in numbers] == ["1", "2"]
