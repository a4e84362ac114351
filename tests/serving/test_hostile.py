"""What strangers send: each is answered with one clear refusal, the log has no trace of it, and the service draws on.

All of it goes to one running service, over every protocol that reads a body.
"""

import base64
import contextlib
import gzip
import io
import itertools
import json
import os
import socket
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from pai_modelscope.serving.admission import FIELDS
from pai_modelscope.serving.apis import mcp
from pai_modelscope.serving.apis.webui import payload
from tests.serving.test_service import data_url
from tests.support.server import ANN, BOB, Server

MODEL = "pai-diffusion-mini-zh"
SMALL = {"num_inference_steps": 2, "width": 64, "height": 64}
HERE = "@@here@@"  # where a value is put


@pytest.fixture(scope="module", autouse=True)
def unharmed(server: Server) -> Iterator[None]:
    """No trace in the log, and a picture at the end."""
    written(server)
    yield
    lines = [line for line in written(server).splitlines() if '"trace"' in line or '"level": "error"' in line]
    assert lines == []
    with server.client(BOB) as bob:
        drawn = bob.post("/v1/jobs", json={"prompt": "熊猫", **SMALL}, headers={"Prefer": "wait=60"})
    assert drawn.status_code == 200 and drawn.json()["state"] == "done"


def written(server: Server) -> str:
    """What the service wrote since the last call."""
    assert server.process.stderr is not None
    descriptor, parts = server.process.stderr.fileno(), list[bytes]()
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while part := os.read(descriptor, 2**16):
            parts.append(part)
    os.set_blocking(descriptor, True)
    return b"".join(parts).decode(errors="replace")


@dataclass(frozen=True)
class Protocol:
    """A path, a body that is drawn or answered, and the names of fields in each of its objects, by the way there."""

    path: str
    body: dict[str, Any]
    fields: dict[tuple[str | int, ...], tuple[str, ...]]
    headers: dict[str, str] = field(default_factory=dict)

    def with_value(self, way: tuple[str | int, ...], name: str, value: str) -> bytes:
        """The body with another value, which is a JSON text, in one field."""
        body = json.loads(json.dumps(self.body))
        inner = body
        for step in way:
            inner = inner[step]
        inner[name] = HERE
        return json.dumps(body).replace(json.dumps(HERE), value).encode()


RED = data_url().partition(",")[2]
EAS = {"prompt": "熊猫", "steps": 2, "width": 64, "height": 64}
WEBUI = dict(EAS)
UNIT = {"model": "canny", "module": "canny", "image": RED}
MCP = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
MCP_HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
DASHSCOPE = "/api/v1/services/aigc/text2image/image-synthesis"
DASHSCOPE_HEADERS = {"X-DashScope-Async": "enable"}
OF_WEBUI = """
prompt negative_prompt seed steps cfg_scale width height batch_size n_iter sampler_name scheduler denoising_strength eta
enable_hr send_images override_settings alwayson_scripts include_init_images
"""
OF_IMG2IMG = """
init_images mask resize_mode inpainting_fill inpainting_mask_invert inpaint_full_res inpaint_full_res_padding mask_blur
mask_blur_x mask_blur_y mask_round
"""
OF_UNIT = """
enabled module model weight guidance guidance_start guidance_end resize_mode processor_res threshold_a threshold_b
pixel_perfect save_detected_map image input_image control_mode mask
"""
OF_OPENAI = """
n size quality background moderation output_compression style user model output_format response_format stream
partial_images
"""
OF_EAS = """
task_id use_base64 steps cfg_scale denoising_strength image_num expand func_name image_base64 mask_base64 image_link
mask_link lora_path lora_attn resize_mode expand_type
"""
PROTOCOLS = {
    "native": Protocol(
        "/v1/jobs", {"prompt": "熊猫", **SMALL}, {(): (*FIELDS, "text", "model", "format")}, {"Prefer": "wait=30"}
    ),
    "openai": Protocol(
        "/v1/images/generations",
        {"prompt": "熊猫", "size": "64x64", "num_inference_steps": 2},
        {(): (*FIELDS, *OF_OPENAI.split())},
    ),
    "modelscope": Protocol(
        "/modelscope/v1/images/generations",
        {"prompt": "熊猫", "size": "64x64", "steps": 2},
        {(): (*FIELDS, "n", "size", "steps", "guidance", "image_url", "model")},
    ),
    "modelscope server": Protocol(
        "/call",
        {"input": {"text": "熊猫"}, "parameters": dict(SMALL)},
        {(): ("input", "parameters", "model"), ("input",): ("text", "prompt", "seed"), ("parameters",): FIELDS},
    ),
    "dashscope": Protocol(
        DASHSCOPE,
        {"model": MODEL, "input": {"prompt": "熊猫"}, "parameters": {"size": "64*64"}},
        {
            (): ("model", "input", "parameters", "task", "function"),
            ("input",): ("prompt", "negative_prompt", "ref_img", "base_image_url", "mask_image_url"),
            ("parameters",): ("size", "style", "ref_strength", "n", "seed", "prompt_extend", "watermark"),
        },
        DASHSCOPE_HEADERS,
    ),
    "huggingface": Protocol(
        "/hf",
        {"inputs": "熊猫", "parameters": dict(SMALL)},
        {(): ("inputs", "parameters"), ("parameters",): (*FIELDS, "target_size")},
    ),
    "eas": Protocol("/eas", EAS, {(): (*FIELDS, *OF_EAS.split())}),
    "txt2img": Protocol(
        "/sdapi/v1/txt2img",
        WEBUI,
        {(): (*OF_WEBUI.split(), *payload._OF_HIRES, *payload._NOTHING, *payload._NOISE, *payload._NO_MATTER)},
    ),
    "img2img": Protocol(
        "/sdapi/v1/img2img",
        WEBUI | {"init_images": [RED], "mask": RED, "inpaint_full_res": False, "override_settings": {}},
        {
            (): tuple(OF_IMG2IMG.split()),
            ("override_settings",): ("sd_model_checkpoint", "CLIP_stop_at_last_layers", "samples_format"),
        },
    ),
    "unit": Protocol(
        "/sdapi/v1/txt2img",
        WEBUI | {"alwayson_scripts": {"controlnet": {"args": [UNIT]}}},
        {("alwayson_scripts", "controlnet", "args", 0): tuple(OF_UNIT.split())},
    ),
    "options": Protocol(
        "/sdapi/v1/options", {}, {(): ("sd_model_checkpoint", "CLIP_stop_at_last_layers", "samples_format", "sd_vae")}
    ),
    "png-info": Protocol("/sdapi/v1/png-info", {"image": RED}, {(): ("image",)}),
    "extra": Protocol(
        "/sdapi/v1/extra-single-image",
        {"image": RED},
        {(): ("image", "upscaler_1", "upscaling_resize", "resize_mode", "upscaler_2")},
    ),
    "detect": Protocol(
        "/controlnet/detect",
        {"controlnet_module": "canny", "controlnet_input_images": [RED]},
        {(): ("controlnet_module", "controlnet_input_images", "controlnet_processor_res", "controlnet_threshold_a")},
    ),
    "mcp": Protocol(
        "/mcp",
        {**MCP, "params": {"name": "draw_picture", "arguments": {"prompt": "熊猫", **SMALL}}},
        {
            (): ("jsonrpc", "id", "method", "params"),
            ("params",): ("name", "arguments", "_meta"),
            ("params", "arguments"): (*mcp._OPTIONS, "model", "format"),
        },
        MCP_HEADERS,
    ),
}
EVERY_FIELD = [
    (name, way, field) for name, each in PROTOCOLS.items() for way, fields in each.fields.items() for field in fields
]
NOT_FINITE = (
    "NaN",
    "-Infinity",
    "1e400",
    "[NaN]",
    '{"a": 1e400}',
    r'"\ud800"',
    r'{"\udfff": 1}',
)  # no JSON of RFC 8259
VALUES = (
    *("null", "[]", "{}", "[[]]", '{"a": 1}', "-1", "0", "1" + "0" * 30, "9223372036854775808", "true", "false", '""'),
    *('" "', r'"\u0000"', r'"a\u0000b"', "0.5", "-0.0", "1e308", '"1"', "[null]", "[true, {}]", "[" * 50 + "]" * 50),
    *('"💥"', f'"{"a" * 100_000}"', f"[{'1,' * 10_000}1]", '"data:,"', '"data:image/png;base64,AAAA"', '{"../x": 1}'),
    *('[{"kind": "canny", "image": "/etc/passwd"}]', '[{"kind": [], "image": {}}]', *NOT_FINITE),
)
FILES = (
    *("../../../../etc/passwd", "/etc/passwd", r"\\host\share\a.png", "file:///etc/passwd", "C:\\Windows\\win.ini"),
    *("%2e%2e%2fetc%2fpasswd", "..%c0%af..%c0%afetc/passwd", "~/.ssh/id_rsa", "upload:../../jobs.sqlite", "a\0.png"),
)


def asked(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    """An answer; where the client's own jobs wait for each other, a later one."""
    while True:
        answer = client.post(PROTOCOLS[name].path, content=content, headers=PROTOCOLS[name].headers)
        if answer.status_code != 429:
            return answer
        time.sleep(0.05)


def refusal(answer: httpx.Response) -> str:
    """What a refusal says, in the words of any protocol."""
    told = answer.json()
    if answer.status_code == 200:  # of a tool
        assert told.get("error") or told["result"]["isError"], told
        return str(told.get("error") or told["result"]["content"])
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:500])
    said = [told[name] for name in ("detail", "error_msg", "error", "errors", "message", "Message") if told.get(name)]
    assert said, told
    return str(said[0])


def check_fields(client: httpx.Client, cases: list[tuple[tuple[str, tuple[str | int, ...], str], str]]) -> None:
    def check(case: tuple[tuple[str, tuple[str | int, ...], str], str]) -> None:
        (name, way, field), value = case
        answer = asked(client, name, PROTOCOLS[name].with_value(way, field, value))
        about = name, way, field, value[:80], answer.status_code, answer.text[:500]
        if value in NOT_FINITE and name != "mcp":
            assert "body" in refusal(answer), about
        elif answer.status_code not in (200, 202):  # many values are good ones
            assert refusal(answer) and len(answer.text) < 20_000, about

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, cases))


def test_every_field_of_every_protocol_with_a_value_of_any_kind(ann: httpx.Client) -> None:
    """Each field with one of the values, each value in several fields."""
    check_fields(ann, list(zip(EVERY_FIELD, itertools.cycle(VALUES), strict=False)))


@pytest.mark.slow
def test_every_field_of_every_protocol_with_every_value(ann: httpx.Client) -> None:
    check_fields(ann, list(itertools.product(EVERY_FIELD, VALUES)))


BODIES: list[tuple[str, bytes]] = [
    ("deep", b"[" * 100_000 + b"]" * 100_000),
    ("deep and unfinished", b'{"a":' * 100_000),
    ("no JSON", b'{"prompt": '),
    ("no object", b'"x"'),
    ("no UTF-8", b'{"prompt": "\xff\xfe"}'),
    ("nothing", b""),
    ("zeros", bytes(1000)),
    ("a name twice", b'{"prompt": "a", "prompt": "b"}'),
    ("many digits", b'{"seed": ' + b"9" * 6000 + b"}"),
    ("many names", b'{"prompt": "a", ' + b", ".join(b'"a%d": 1' % number for number in range(20_000)) + b"}"),
    ("compressed", gzip.compress(b'{"prompt": "a"}')),
    ("large", b'{"prompt": "' + b"a" * 2**21 + b'"}'),
]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_bodies_that_are_none(ann: httpx.Client, name: str) -> None:
    for what, content in BODIES:
        if name == "huggingface" and what in ("nothing", "zeros", "compressed", "no object"):
            continue  # a picture's file may be the body: below
        answer = asked(ann, name, content)
        assert refusal(answer) and len(answer.text) < 20_000, (what, answer.text)
        assert answer.status_code == 413 or what != "large"
        assert answer.elapsed.total_seconds() < 5, what
    headers = {**PROTOCOLS[name].headers, "Content-Encoding": "gzip"}
    answer = ann.post(PROTOCOLS[name].path, content=gzip.compress(b'{"prompt": "a"}'), headers=headers)
    assert answer.status_code == 415 and "compressed" in refusal(answer)


FORM = "multipart/form-data; boundary=x"
FORMS = [
    (b"", FORM),
    (b"--y\r\n\r\n--y--", FORM),
    (b"--x\r\nContent-Disposition: form-data; name=prompt\r\n\r\na", FORM),
    (b"a" * 1000, "multipart/form-data"),
    (b"--x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n\r\n--x--", FORM),
    (
        b"".join(b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % n for n in range(99)) + b"--x--",
        FORM,
    ),
    (b'--x\r\nContent-Disposition: form-data; name="loras[../x]"\r\n\r\n{\r\n--x--', FORM),
    (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="../../a"\r\n\r\n' + bytes(9) + b"\r\n--x--",
        FORM,
    ),
    (b"prompt=a&image=/etc/passwd", "application/x-www-form-urlencoded"),
    (b"prompt=%ff%fe&seed=" + b"9" * 5000, "application/x-www-form-urlencoded"),
]


@pytest.mark.parametrize(("content", "kind"), FORMS)
def test_forms_that_are_none(ann: httpx.Client, content: bytes, kind: str) -> None:
    assert refusal(ann.post("/v1/images/edits", content=content, headers={"Content-Type": kind}))


Asked = list[tuple[str, dict[str, Any]]]


def with_picture(name: str) -> Asked:
    """Bodies that have a text where a picture is meant."""
    native = {"prompt": "熊猫", **SMALL}
    unit = {"alwayson_scripts": {"controlnet": {"args": [UNIT | {"image": name}]}}}
    return [
        *(("native", native | each) for each in ({"image": name}, {"mask": name}, {"control": {"canny": name}})),
        ("native", native | {"control": [{"kind": "canny", "image": name}]}),
        *(("openai", {"prompt": "熊猫", each: name}) for each in ("image", "mask")),
        ("modelscope", {"prompt": "熊猫", "image_url": name}),
        *(("modelscope server", {"input": {"text": "熊猫", each: name}}) for each in ("image", "mask")),
        *(("dashscope", {"input": {"prompt": "熊猫", each: name}}) for each in ("ref_img", "mask_image_url")),
        ("huggingface", {"inputs": name, "parameters": {"prompt": "熊猫"}}),
        ("huggingface", {"inputs": RED, "parameters": {"prompt": "熊猫", "mask": name}}),
        ("img2img", WEBUI | {"init_images": [name]}),
        ("img2img", WEBUI | {"init_images": [RED], "mask": name}),
        ("unit", WEBUI | unit),
        ("png-info", {"image": name}),
        ("extra", {"image": name}),
        ("detect", {"controlnet_module": "canny", "controlnet_images": [name]}),
        ("mcp", {**MCP, "params": {"name": "draw_picture", "arguments": native | {"image": name}}}),
    ]


def with_name(name: str) -> Asked:
    """Bodies that have it where a LoRA, a model or another of the server's own things is named."""
    native = {"prompt": "熊猫", **SMALL}
    fields = ("model", "format", "scheduler", "upscaler", "embeddings", "output_type")
    canny = {"kind": "canny", "image": data_url()}
    return [
        *(("native", native | {each: name}) for each in fields),
        *(("native", native | {"control": [canny | {each: name}]}) for each in ("kind", "model")),
        *(("native", native | each) for each in ({"loras": {name: 1}}, {"prompt": f"<lora:{name}:1>"})),
        *(("openai", {"prompt": "熊猫", each: name}) for each in ("model", "output_format")),
        *(("modelscope", {"prompt": "熊猫", each: name}) for each in ("model", "loras")),
        ("modelscope server", {"model": name, "input": "熊猫"}),
        ("dashscope", {"model": name, "input": {"prompt": "熊猫"}}),
        *(("eas", EAS | {each: name}) for each in ("image_base64", "image_link", "lora_path", "controlnet_path")),
        *(("txt2img", WEBUI | {"override_settings": {each: name}}) for each in ("sd_model_checkpoint", "sd_vae")),
        ("txt2img", WEBUI | {"script_name": name}),
        ("extra", {"image": RED, "upscaler_1": name}),
        ("options", {"sd_model_checkpoint": name}),
        ("mcp", {**MCP, "params": {"name": name, "arguments": native}}),
    ]


@pytest.mark.parametrize("name", FILES)
def test_no_name_leads_to_a_file(ann: httpx.Client, name: str) -> None:
    for protocol, body in (*with_picture(name), *with_name(name)):
        answer = asked(ann, protocol, json.dumps(body).encode())
        assert refusal(answer) and "root:" not in answer.text, (protocol, body, answer.text)


def test_no_path_leads_to_a_file(ann: httpx.Client) -> None:
    for prefix in ("/v1/jobs/", "/v1/tasks/", "/api/v1/tasks/", "/gradio_api/file=", "/static/", "/assets/", "/docs/"):
        for name in (*FILES, "http://127.0.0.1/"):
            answer = ann.get(prefix + name.replace("\0", "%00").replace("\\", "%5c"))
            unknown = answer.status_code == 200 and answer.json()["output"]["task_status"] == "UNKNOWN"
            assert unknown or 400 <= answer.status_code < 500, (prefix, name, answer.text)


def test_no_address_is_fetched(ann: httpx.Client) -> None:
    """With the option: test_remote_pictures.py."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        own = f"http://127.0.0.1:{listening.getsockname()[1]}/a.png"
        for name in (own, own.upper(), "https://[::1]/", "http://"):
            for protocol, body in with_picture(name):
                said = refusal(asked(ann, protocol, json.dumps(body).encode()))
                assert "this server takes no addresses of pictures: send a data URL or an upload" in said, (body, said)
            for protocol, body in with_name(name):
                assert refusal(asked(ann, protocol, json.dumps(body).encode())), body
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_the_page_fetches_nothing_and_reads_no_body_that_is_none(ann: httpx.Client) -> None:
    while ann.get("/config").status_code == 503:
        time.sleep(0.1)
    config = ann.get("/config").json()
    kinds = {each["id"]: each["type"] for each in config["components"]}
    taking = [each for each in config["dependencies"] if "image" in map(kinds.get, each["inputs"])]
    assert taking
    for number, each in enumerate(taking):
        file = {"path": "http://pictures.example/a.png", "meta": {"_type": "gradio.FileData"}}
        data = [file if kinds[id] == "image" else None for id in each["inputs"]]
        session = {"session_hash": f"hostile{number}"}
        joined = ann.post("/gradio_api/queue/join", json={"data": data, "fn_index": each["id"], **session})
        assert joined.status_code == 200, joined.text
        with ann.stream("GET", "/gradio_api/queue/data", params=session) as told:
            said = next(line for line in told.iter_lines() if "process_completed" in line)
        assert "takes no addresses of pictures" in said
    for path in ("queue/join", "call/draw", "run/draw"):
        answer = ann.post(f"/gradio_api/{path}", content=b"\xff\xfe", headers={"Content-Type": "text/plain"})
        assert answer.status_code == 422 and refusal(answer)
    parts = [b'--x\r\nContent-Disposition: form-data; name="files"; filename="../a"\r\n\r\n', *[bytes(2**16)] * 20]
    assert ann.post("/gradio_api/upload", content=iter(parts), headers={"Content-Type": FORM}).status_code == 413


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, rows: bytes, *before: bytes) -> bytes:
    """A picture of one bit a pixel, with chunks before its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def packed() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(10**7))
    return file.getvalue()


def bomb(kind: bytes) -> bytes:
    return png(8, 8, bytes(16), chunk(kind, b"a\0\0" + zlib.compress(bytes(10**8))))


ENTITIES = b'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "' + b"&a;" * 1000 + b'">]>'
PICTURES: dict[str, Callable[[], bytes]] = {
    "zip": packed,
    "gzip": lambda: gzip.compress(bytes(10**7)),
    "60000 x 60000": lambda: png(60_000, 60_000, bytes(7501 * 100)),
    "1 x 60000": lambda: png(1, 60_000, bytes(2 * 60_000)),
    "0 x 5": lambda: png(0, 5, b""),
    "long text": lambda: bomb(b"zTXt"),
    "large profile": lambda: bomb(b"iCCP"),
    "many chunks": lambda: png(8, 8, bytes(16), *[chunk(b"tEXt", b"a\0b")] * 20_000),
    "cut off": lambda: base64.b64decode(RED)[:70],
    "noise": lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "entities": lambda: b"<?xml version='1.0'?>" + ENTITIES + b"<svg xmlns='http://www.w3.org/2000/svg'>&b;</svg>",
    "file in svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "html": lambda: b"<html><script>1</script></html>",
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
}


@pytest.mark.parametrize("what", PICTURES)
def test_pictures_that_are_none(ann: httpx.Client, what: str) -> None:
    content, good = PICTURES[what](), base64.b64decode(RED)
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    began = time.monotonic()
    answers = [
        ann.post("/v1/images", content=content),
        ann.post("/hf", content=content, headers={"Content-Type": "image/png"}),
        ann.post("/v1/images/edits", data={"prompt": "熊猫"}, files={"image": ("../../a.png", content)}),
        ann.post("/v1/images/edits", data={"prompt": "熊猫"}, files={"image": good, "mask": content}),
        *(asked(ann, protocol, json.dumps(body).encode()) for protocol, body in with_picture(url)),
    ]
    for answer in answers:
        assert refusal(answer) and len(answer.text) < 20_000, answer.text
    assert time.monotonic() - began < 10


HEADS: list[tuple[dict[str, str | bytes], int]] = [
    ({"Authorization": ""}, 401),
    ({"Authorization": "Bearer"}, 401),
    ({"Authorization": "Bearer wrong-0123456789abcdef"}, 401),
    ({"Authorization": f"Bearer {ANN[:-1]}"}, 401),
    ({"Authorization": f"Bearer {ANN} {ANN}"}, 401),
    ({"Authorization": "Bearer " + "a" * 50_000}, 401),
    ({"Authorization": "Basic " + "=" * 1000}, 401),
    ({"Authorization": b"Bearer \xff\xfe"}, 401),
    ({"Authorization": "", "Cookie": "token=;;;=;token"}, 401),
    ({"Authorization": "", "Cookie": 'token="' + "a" * 10_000}, 401),
    ({"Host": "evil.example"}, 421),
    ({"Host": "127.0.0.1.evil.example"}, 421),
    ({"Host": "127.0.0.1@evil.example"}, 421),
    ({"Host": "["}, 421),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "file://"}, 403),
    ({"Content-Encoding": "br"}, 415),
    ({"Idempotency-Key": "a" * 300}, 422),
    ({"Prefer": "a" * 300}, 422),
    ({"Idempotency-Key": b"\xff\xfe", "Prefer": "wait=99999999999999999999"}, 422),
]


@pytest.mark.parametrize(("headers", "status"), HEADS)
def test_heads_that_are_refused(ann: httpx.Client, headers: dict[str, Any], status: int) -> None:
    answer = ann.post("/v1/jobs", headers=headers, content=b"{}")
    assert answer.status_code == status and refusal(answer), answer.text


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "PROPFIND"])
def test_methods_that_are_none(ann: httpx.Client, method: str) -> None:
    for path in {each.path for each in PROTOCOLS.values()} - {"/v1/jobs", "/sdapi/v1/options"}:
        answer = ann.request(method, path)
        assert answer.status_code == 405 and answer.headers["Allow"] == "POST", (path, answer.text)
        assert method == "HEAD" or "this path is asked by POST" in refusal(answer)
    assert ann.request(method, "/v1/jobs").headers["Allow"] == "GET, POST"


def sent(server: Server, content: bytes, seconds: float = 5) -> bytes:
    """What is answered until the service closes the connection."""
    host, _, port = server.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            connection.sendall(content)
            while part := connection.recv(2**16):
                answer += part
    return answer


OF_ANN = f"Host: localhost\r\nAuthorization: Bearer {ANN}\r\n".encode()
POST = b"POST /v1/images HTTP/1.1\r\n" + OF_ANN
# Each with what is answered; after it the connection is closed.
SHAPES: dict[str, tuple[bytes, int]] = {
    "two lengths": (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two other lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "negative": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "with a sign": (POST + b"Content-Length: +1\r\n\r\na", 400),
    "of many digits": (POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", 400),
    "large": (POST + b"Content-Length: 99999999\r\n\r\n", 413),
    "unknown encoding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "two encodings": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "no chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
    "endless chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n%s\r\n" % (b"a" * 2**16) * 20, 413),
    "two hosts": (b"GET /v1/models HTTP/1.1\r\n" + OF_ANN + b"Host: evil.example\r\n\r\n", 400),
    "no host": (b"GET /v1/models HTTP/1.1\r\n\r\n", 400),
    "space before the colon": (POST + b"Content-Length : 1\r\n\r\na", 400),
    "zero in a head": (b"GET /v1/models HTTP/1.1\r\n" + OF_ANN + b"A: a\0b\r\n\r\n", 400),
    "long head": (b"GET /v1/models HTTP/1.1\r\n" + OF_ANN + b"A: " + b"a" * 300_000 + b"\r\n\r\n", 400),
    "many heads": (b"GET /v1/models HTTP/1.1\r\n" + OF_ANN + b"A: a\r\n" * 50_000 + b"\r\n", 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "no token, and a body without end": (
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        401,
    ),
    "nothing there, and a body without end": (
        b"POST /nothing HTTP/1.1\r\n" + OF_ANN + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        404,
    ),
    "WebSocket": (
        b"GET /v1/jobs HTTP/1.1\r\n"
        + OF_ANN
        + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        404,
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_that_another_server_may_read_otherwise(server: Server, shape: str) -> None:
    content, status = SHAPES[shape]
    answer = sent(server, content)
    reset = not answer and len(content) > 2**17  # the system forgets an answer where much was not read
    assert reset or answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert answer.count(b"HTTP/1.1 ") <= 1, "what follows it is no request"


def slow_bodies(server: Server, stack: contextlib.ExitStack) -> list[socket.socket]:
    host, _, port = server.address.removeprefix("http://").partition(":")
    opened = []
    for each in PROTOCOLS.values():
        connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
        own = "".join(f"{name}: {value}\r\n" for name, value in each.headers.items())
        head = f"POST {each.path} HTTP/1.1\r\nContent-Length: 1000\r\n{own}".encode() + OF_ANN
        connection.sendall(head + b"\r\n{")
        opened.append(connection)
    return opened


def test_others_are_served_while_bodies_come_slowly(server: Server) -> None:
    with contextlib.ExitStack() as stack, server.client(BOB) as bob:
        for connection in slow_bodies(server, stack):
            connection.sendall(b" ")
        drawn = bob.post("/v1/jobs", json={"prompt": "熊猫", **SMALL}, headers={"Prefer": "wait=30"})
        assert drawn.status_code == 200 and drawn.elapsed.total_seconds() < 20


def test_silent_connections_keep_others_out_for_seconds_only(server: Server, ann: httpx.Client) -> None:
    host, _, port = server.address.removeprefix("http://").partition(":")
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection((host, int(port)), timeout=30)) for _ in range(140)]
        for connection in silent[::2]:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
        assert ann.get("/healthz").status_code == 503
        assert all(connection.recv(1) == b"" for connection in silent), "cut off"
        assert ann.get("/healthz").status_code == 200
        silent = [stack.enter_context(socket.create_connection((host, int(port)), timeout=30)) for _ in range(3)]
        for connection in silent:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(2**16).startswith(b"HTTP/1.1 200 ")
            connection.sendall(b"GET /healthz HT")
        for connection in silent:  # the second request's head is waited for no longer, though connections are kept
            while connection.recv(2**16):
                pass


@pytest.mark.slow
def test_a_body_that_comes_slowly_is_given_up(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        opened = slow_bodies(server, stack)
        until = time.monotonic() + 45
        while opened and time.monotonic() < until:
            time.sleep(1)
            for connection in list(opened):
                try:
                    connection.sendall(b" ")
                    connection.setblocking(False)
                    answer = connection.recv(2**16)
                    assert not answer or answer.startswith(b"HTTP/1.1 408 "), answer
                    opened.remove(connection)
                except BlockingIOError:
                    connection.setblocking(True)
                except OSError:
                    opened.remove(connection)
        assert opened == []
