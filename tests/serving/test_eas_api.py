"""EAS's own client `eas_prediction` draws with the service, waiting and by queue."""

import base64
import contextlib
import io
import json
import socket
import time
from collections.abc import Iterator
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

WATCH = (
    QUEUE
    + """
import os, queue as queues, threading, time

def pushed(watcher):
    '''What comes, and at last why nothing does.'''
    box = queues.Queue()
    def run():
        try:
            for each in watcher.run():
                box.put([each.index, dict(each.tags), json.loads(each.data or 'null')])
        except Exception as error:
            box.put(str(error))
    threading.Thread(target=run, daemon=True).start()
    return box

def soon(box):
    try:
        return box.get(timeout=1.5)
    except queues.Empty:
        return None
"""
    + f"BODY = json.dumps({QUICK!r})\n"
)


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


def test_results_are_pushed_as_they_end(server: Server) -> None:
    """What ended before and after the watch began, never more than the window that is not committed, and over a new
    connection what was not committed."""
    code = """
first = int(requests.put(BODY, {'who': 'a'})[0])
results.get(timeout='60s', auto_delete=False)
requests.put(BODY, {'who': 'b'})
box = pushed(results.watch(0, 1, tags={'who': 'a'}))
told = {'before': box.get(timeout=60)}
second, id = requests.put(BODY, {'who': 'a'})
results.get(request_id=id, timeout='60s', auto_delete=False)
told['over'] = soon(box)
results.commit(first)
told['after'] = box.get(timeout=60)
results.watch_sock.sock.shutdown(2)
told['again'] = box.get(timeout=60)
results.commit(int(second))
told['left'] = [each[1]['who'] for each in frames(results.get(length=5))]
print(json.dumps(told | {'numbers': [first, int(second)], 'id': id}))
"""
    told = with_eas_client(WATCH + code, server.address, ANN)
    (first, second), (number, tags, data) = told["numbers"], told["before"]
    assert number == first and tags["who"] == "a" and data["task_id"] == "t1", data
    assert httpx.get(data["image_url"][0]).status_code == 200
    assert told["over"] is None, "the window is full"
    assert told["after"][:2] == told["again"][:2] == [second, {"who": "a", "requestId": told["id"]}]
    assert told["left"] == ["b"]


def test_a_watcher_may_want_numbers_alone_and_commit_nothing_itself(server: Server) -> None:
    code = """
numbers = [int(requests.put(BODY)[0]) for _ in range(3)]
box = pushed(results.watch(numbers[1], 1, index_only=True, auto_commit=True))
told = {'came': [box.get(timeout=60) for _ in range(2)], 'numbers': numbers}
until = time.monotonic() + 10
while results.attributes()['stream.length'] != '1' and time.monotonic() < until:
    time.sleep(0.1)
print(json.dumps(told | {'left': results.attributes()['stream.length']}))
"""
    told = with_eas_client(WATCH + code, server.address, ANN)
    assert [(number, data) for number, _, data in told["came"]] == [(number, None) for number in told["numbers"][1:]]
    assert told["left"] == "1", "those that were pushed are taken out, the one before them is not"


def test_watchers_share_and_others_see_nothing(server: Server) -> None:
    code = """
def sink(token=None, service=name, **own):
    made = queue(service + '/sink', token)
    vars(made).update(own)
    return made

box = pushed(results.watch(0, 5))
requests.put(BODY)
told = {'own': len(box.get(timeout=60))}
foreign, second = pushed(sink(sys.argv[3]).watch(0, 5)), pushed(sink().watch(0, 5))
refused = [
    [401, 'token', sink('wrong-0123456789abcdef').watch(0, 5)],
    [404, 'other', sink(service='other').watch(0, 5)],
    [409, 'uid', sink(uid=results.uid).watch(0, 5)],
    [409, 'gid', sink(gid='b').watch(0, 5)],
    [400, '_window_', sink().watch(0, 0)],
    [400, '_window_', sink().watch(0, 101)],
    [400, '_index_', sink().watch(-1, 5)],
    [400, '_auto_commit_', sink().watch(0, 5, auto_commit='soon')],
    [400, '_priority_', sink().watch(0, 5, tags={'_priority_': '1'})],
    [400, '/sink', requests.watch(0, 5)],
]
boxes = [pushed(watcher) for _, _, watcher in refused]
told |= {'foreign': soon(foreign), 'second': soon(second)}
told['refused'] = [[*each[:2], box.get(timeout=30)] for each, box in zip(refused, boxes)]
print(json.dumps(told))
"""
    told = with_eas_client(WATCH + code, server.address, ANN, BOB)
    assert told["own"] == 3 and told["foreign"] is None and told["second"] is None, told
    for status, word, said in told["refused"]:
        assert f"status {status} " in said and word in said, (status, word, said)


@contextlib.contextmanager
def handshake(server: Server, path: str, **headers: str) -> Iterator[tuple[int, socket.socket]]:
    """The status of the answer to a WebSocket's handshake, and the connection."""
    host, _, port = server.address.removeprefix("http://").partition(":")
    own = {"Host": f"{host}:{port}", "Authorization": ANN, "Connection": "Upgrade", "Upgrade": "websocket"}
    own |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in own.items() if value)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        answer = connection.recv(2**16)
        assert answer.startswith(b"HTTP/1.1 "), answer
        yield int(answer.split()[1]), connection


SINK = f"/api/predict/{MODEL}/sink?_watch_=true&_index_=0&_window_=1"
UID = "X-EAS-QueueService-Redis-Uid"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (SINK, {}, 101),
        (SINK, {"Origin": "http://evil.example"}, 403),
        (SINK, {"Origin": "null"}, 403),
        (SINK, {"Host": "evil.example"}, 421),
        (SINK, {"Authorization": ""}, 401),
        (SINK.replace("_watch_=true&", ""), {}, 400),
        (f"{SINK}&who={'a' * 9000}", {}, 431),
        ("/", {"Authorization": ""}, 401),
        ("/", {}, 404),
        ("/en/gradio_api/queue/join", {}, 404),
        ("/static-offline-docs/x", {}, 404),
        ("/healthz", {"Authorization": ""}, 404),
    ],
)
def test_web_sockets_pass_what_requests_do(server: Server, path: str, headers: dict[str, str], status: int) -> None:
    with handshake(server, path, **headers) as (answered, _):
        assert answered == status


def test_watchers_are_open_requests(server: Server) -> None:
    def opened(stack: contextlib.ExitStack, number: int) -> int:
        return stack.enter_context(handshake(server, SINK, Authorization=BOB, **{UID: f"{number}"}))[0]

    with contextlib.ExitStack() as stack:
        assert [opened(stack, number) for number in range(33)] == [101] * 32 + [429]
    until, status = time.monotonic() + 10, 0
    while status != 101 and time.monotonic() < until:  # they are closed
        with contextlib.ExitStack() as stack:
            status = opened(stack, 0)
    assert status == 101


def test_a_watcher_that_sends_is_closed(server: Server) -> None:
    with handshake(server, SINK, Authorization=BOB, **{UID: "talker"}) as (status, connection):
        connection.sendall(b"\x81\x82\0\0\0\0hi")
        assert status == 101 and connection.recv(2**16)[2:4] == (1003).to_bytes(2, "big")
    with handshake(server, SINK, Authorization=BOB, **{UID: "pinger"}) as (status, connection):
        assert status == 101
        with pytest.raises(ConnectionError):
            for _ in range(32):  # each would be answered, though nobody reads that
                connection.sendall(b"\x89\x80\0\0\0\0" * 10_000)
            while connection.recv(2**16):
                pass
    with handshake(server, SINK, Authorization=BOB, **{UID: "large"}) as (status, connection):
        connection.sendall(b"\x82\xff" + (2**40).to_bytes(8, "big"))
        assert status == 101 and connection.recv(2**16)[2:4] == (1009).to_bytes(2, "big")


@pytest.mark.slow
def test_a_watcher_that_is_silent_is_cut_off(server: Server) -> None:
    with handshake(server, SINK, Authorization=BOB, **{UID: "silent"}) as (status, connection):
        connection.settimeout(90)
        with pytest.raises(ConnectionError):
            while connection.recv(2**16):  # pings, which are not answered
                pass
            raise ConnectionError
    with handshake(server, SINK, Authorization=BOB, **{UID: "silent"}) as (again, _):
        assert status == again == 101


def test_a_watch_ends_with_the_server(tmp_path: Path) -> None:
    code = """
said = queues.Queue()
class Log:
    warning = debug = said.put
results.set_logger(Log())
pushed(results.watch(0, 1))
while results.watch_sock is None:
    time.sleep(0.01)
os.kill(int(sys.argv[3]), 15)
began = time.monotonic()
print(json.dumps([said.get(timeout=60), time.monotonic() - began]))
"""
    running = start(tmp_path / "data")
    told, seconds = with_eas_client(WATCH + code, running.address, ANN, str(running.process.pid))
    assert "connection closed" in told and seconds < 5
    running.process.communicate(timeout=20)


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
