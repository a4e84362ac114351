"""The page in a browser: it draws, masks, cancels, restores and finds again, at a desk and on a phone."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio_client
import httpx
import numpy as np
import pytest
from PIL import Image

from pai_modelscope.images.open_images import open_image
from pai_modelscope.serving.page.words import _WORDS
from tests.serving.test_service import SMALL
from tests.support.browser import MISSING_GLYPHS, visit
from tests.support.server import ANN, BOB, Server, start

# What gradio's script says when its page is left, and a browser when it waits for the page.
BY_LEAVING = ("AbortError", "Connection errored out", "503")
MODE = "#modes [role=tabpanel]:visible"
DESK, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}


@pytest.fixture
def page(server: Server, browser: Any) -> Iterator[Any]:
    with opened(server, browser, ANN) as found:
        yield found.page
        assert not [error for error in found.errors if not any(each in error for each in BY_LEAVING)], found.errors
        assert {httpx.URL(address).host for address in found.requests if address.startswith("http")} == {"127.0.0.1"}


class opened:
    """The page, once a client has entered its token."""

    def __init__(self, server: Server, browser: Any, token: str):
        self._server, self._token, self._visit = server, token, visit(browser)

    def __enter__(self) -> Any:
        found = self._visit.__enter__()
        found.page.set_viewport_size(DESK)
        found.page.goto(self._server.address)
        found.page.fill("input[name=token]", self._token)
        found.page.click("button")
        found.page.wait_for_selector("#prompt textarea", timeout=120_000)
        return found

    def __exit__(self, *error: object) -> None:
        self._visit.__exit__(*error)


def settings(page: Any, seed: str = "3", steps: int = 2, side: int = 64) -> None:
    page.get_by_role("button", name="参数（留空用模型默认）").click()
    page.get_by_label("步数").fill(str(steps))
    page.get_by_label("宽").fill(str(side))
    page.get_by_label("高").fill(str(side))
    page.get_by_label("种子（留空随机）").fill(seed)
    page.get_by_label("种子（留空随机）").press("Tab")


def drawn(page: Any, server: Server) -> Image.Image:
    page.wait_for_selector("#pictures a[download]", timeout=60_000)
    address = page.get_attribute("#pictures a[download]", "href")
    return open_image(httpx.get(server.address + address).content)


def file_of(folder: Path, image: Image.Image) -> str:
    image.save(folder / "picture.png")
    return str(folder / "picture.png")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=int)


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.2)


def test_a_token_is_asked_for(server: Server, browser: Any) -> None:
    with visit(browser) as found:
        found.page.goto(f"{server.address}/en")
        assert found.page.url == f"{server.address}/login"
        found.page.fill("input[name=token]", "not-the-token-of-anybody")
        found.page.click("button")
        assert "令牌不对" in found.page.inner_text("body")
    cookies = httpx.post(f"{server.address}/login", data={"token": ANN}).headers["set-cookie"]
    assert "HttpOnly" in cookies and "SameSite=strict" in cookies
    forged = httpx.post(f"{server.address}/login", data={"token": ANN}, headers={"Origin": "http://evil.example"})
    assert forged.status_code == 403
    assert httpx.get(f"{server.address}/config").status_code == 401


def test_a_prompt_is_checked_and_drawn_by_the_keyboard(page: Any, server: Server, ann: httpx.Client) -> None:
    settings(page)
    page.fill("#prompt textarea", "熊猫,齉")
    page.wait_for_selector("#findings .warning", timeout=20_000)
    assert "齉" in page.inner_text("#findings")
    page.fill("#prompt textarea", "熊猫")
    page.wait_for_selector("#findings .fine", timeout=20_000)
    page.focus("#prompt textarea")
    page.keyboard.press("Control+Enter")
    own = ann.post("/v1/jobs", json={"prompt": "熊猫", "seed": 3, **SMALL}, headers={"Prefer": "wait=60"}).json()
    expected = open_image(ann.get(own["pictures"][0]["url"]).content)
    assert drawn(page, server).tobytes() == expected.tobytes()
    page.get_by_role("button", name="复制为代码").click()
    page.get_by_role("button", name="按当前参数生成").click()
    page.wait_for_function("document.querySelector('.cm-content')?.innerText.includes('Sampler')")
    code = page.inner_text(".cm-content")
    made: dict[str, Any] = {}
    exec(code.replace('pictures[0].save("picture.png")', ""), made)  # what the page wrote, on this machine
    assert made["pictures"][0].image.tobytes() == expected.tobytes()


def test_a_reload_in_the_middle_loses_nothing_and_cancel_ends_it(page: Any, ann: httpx.Client) -> None:
    settings(page, steps=150, side=256)
    page.fill("#prompt textarea", "狐狸")
    page.click("#draw")
    page.wait_for_selector("#state progress", timeout=60_000)
    page.wait_for_selector("#pictures img.preview", timeout=60_000)
    page.reload()
    page.wait_for_selector("#state progress", timeout=60_000)
    assert re.search(r"第 \d+/150 步", page.inner_text("#state"))
    page.click("#cancel")
    page.wait_for_function("document.querySelector('#state').innerText.includes('已取消')", timeout=30_000)
    newest = ann.get("/v1/jobs", params={"words": "狐狸"}).json()["jobs"][0]
    assert newest["state"] == "cancelled"


@pytest.mark.slow
def test_a_killed_and_restarted_server_goes_on_with_what_the_page_asked_for(browser: Any, tmp_path: Path) -> None:
    running = start(tmp_path / "data")
    running.wait_until_ready()
    with visit(browser) as found:
        page = found.page
        until(lambda: httpx.get(running.address).status_code == 200)
        page.goto(running.address)
        page.wait_for_selector("#prompt textarea", timeout=60_000)
        settings(page, steps=60, side=256)
        page.fill("#prompt textarea", "狐狸")
        page.click("#draw")
        page.wait_for_selector("#pictures img.preview", timeout=60_000)
        running.process.kill()
        running.process.communicate()
        again = start(tmp_path / "data", "--port", running.address.rpartition(":")[2])
        try:
            again.wait_until_ready()
            until(lambda: httpx.get(again.address).status_code == 200)
            page.reload()
            page.wait_for_selector("#pictures a[download]", timeout=120_000)
            assert "完成" in page.inner_text("#state")
            (job,) = httpx.get(f"{again.address}/v1/jobs").json()["jobs"]
            assert job["state"] == "done" and job["request"]["seed"] == 3
        finally:
            again.process.terminate()
            again.process.communicate(timeout=60)


def test_what_the_brush_paints_is_drawn_anew(page: Any, server: Server, tmp_path: Path) -> None:
    settings(page, steps=4)
    page.fill("#prompt textarea", "蓝色的海")
    page.get_by_role("tab", name="局部重绘").click()
    canvas = page.locator("canvas:visible").first
    canvas.wait_for()  # gradio's editor loses a picture that comes before it
    given = Image.new("RGB", (256, 256), (200, 40, 40))
    page.locator(f"{MODE} input[type=file]").first.set_input_files(file_of(tmp_path, given))
    until(lambda: np.median(pixels(open_image(canvas.screenshot())), (0, 1)).tolist() == [200, 40, 40])
    page.get_by_role("button", name="Brush").or_(page.get_by_label("Brush")).first.click()
    box = canvas.bounding_box()
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle - 20, height)
    page.mouse.down()
    page.mouse.move(middle + 20, height, steps=10)
    page.mouse.up()
    time.sleep(1)
    page.click("#draw")
    apart = np.abs(pixels(drawn(page, server)) - pixels(given)).mean(2)
    assert apart[:20].max() < 3 and apart[-20:].max() < 3  # the edges, which nobody painted
    assert apart.max() > 30


def test_a_picture_and_a_controlnet_steer(page: Any, server: Server, tmp_path: Path) -> None:
    settings(page)
    page.fill("#prompt textarea", "红苹果")
    given = Image.new("RGB", (64, 64), (40, 40, 200))
    given.paste((250, 250, 250), (16, 16, 48, 48))
    page.get_by_role("tab", name="图生图").click()
    page.locator(f"{MODE} input[type=file]").set_input_files(file_of(tmp_path, given))
    page.locator(f"{MODE} img").first.wait_for()
    page.click("#draw")
    first = drawn(page, server)
    assert pixels(first)[..., 2].mean() > pixels(first)[..., 0].mean()  # it still is as blue as the picture
    page.get_by_role("tab", name="ControlNet").click()
    canvas = page.locator("canvas:visible").first
    canvas.wait_for()
    page.locator(f"{MODE} input[type=file]").set_input_files(file_of(tmp_path, given))
    until(lambda: (pixels(open_image(canvas.screenshot())) == (40, 40, 200)).all(2).any())
    page.get_by_role("button", name="预览提取结果").click()
    edges = page.locator(f"{MODE} img").last
    edges.wait_for()
    black = 64 * 64 * 0.9  # but for the square's lines; around the picture it is white
    until(lambda: black < (pixels(open_image(edges.screenshot())) == 0).all(2).sum() < 64 * 64)


def test_parameters_come_back_from_a_file_and_from_history(
    page: Any, server: Server, browser: Any, ann: httpx.Client, tmp_path: Path
) -> None:
    body = {"prompt": "独角兽", "negative_prompt": "狗", "seed": 77, "guidance_scale": 3, **SMALL}
    job = ann.post("/v1/jobs", json=body, headers={"Prefer": "wait=60"}).json()
    (tmp_path / "drawn.png").write_bytes(ann.get(job["pictures"][0]["url"]).content)
    page.get_by_role("tab", name="参数还原").click()
    page.locator("[role=tabpanel]:visible input[type=file]").first.set_input_files(str(tmp_path / "drawn.png"))
    page.wait_for_selector("#restored .fine", timeout=20_000)
    page.get_by_role("tab", name="绘图").click()
    assert page.input_value("#prompt textarea") == "独角兽" and page.input_value(
        "[aria-label=反向提示词], textarea >> nth=1"
    )
    page.get_by_role("button", name="参数（留空用模型默认）").click()
    assert page.get_by_label("种子（留空随机）").input_value() == "77"
    assert page.get_by_label("引导系数").input_value() == "3"
    page.get_by_role("tab", name="历史").click()
    page.get_by_label("搜索提示词").fill("独角兽")
    page.get_by_label("搜索提示词").press("Enter")
    page.wait_for_selector("#tiles button", timeout=20_000)
    page.wait_for_function("document.querySelectorAll('#tiles button').length == 1")
    page.click("#tiles button")
    page.click("#use")
    page.wait_for_selector("#prompt textarea", state="visible")
    assert page.input_value("#prompt textarea") == "独角兽"
    with opened(server, browser, BOB) as other:
        other.page.get_by_role("tab", name="历史").click()
        other.page.get_by_label("搜索提示词").fill("独角兽")
        other.page.get_by_label("搜索提示词").press("Enter")
        time.sleep(2)
        assert "没有找到" in other.page.inner_text("#tiles")


def test_a_grid(page: Any) -> None:
    page.get_by_role("tab", name="对比网格").click()
    page.get_by_label("提示词，每行一个").fill("熊猫\n狐狸")
    page.get_by_label("种子，用逗号分开").fill("a,b")
    page.click("#draw-grid")
    page.wait_for_selector("#grid .error", timeout=20_000)
    page.get_by_label("种子，用逗号分开").fill("1")
    page.click("#draw-grid")
    page.wait_for_function("document.querySelectorAll('#grid td img').length == 2", timeout=120_000)


@pytest.mark.parametrize("path", ["/", "/en", "/?__theme=dark"])
def test_on_a_phone(page: Any, server: Server, path: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"{server.address}{path}")
    page.wait_for_selector("#prompt textarea", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate(MISSING_GLYPHS) == []
    assert ("Draw" if path == "/en" else "开始绘图") in page.inner_text("#draw")


def test_gradios_own_client_draws(server: Server, ann: httpx.Client, tmp_path: Path) -> None:
    client = gradio_client.Client(
        server.address, headers={"Authorization": f"Bearer {ANN}"}, verbose=False, download_files=str(tmp_path)
    )
    told = client.predict("熊猫", seed=3, width=64, height=64, num_inference_steps=2, api_name="/draw")
    own = ann.post("/v1/jobs", json={"prompt": "熊猫", "seed": 3, **SMALL}, headers={"Prefer": "wait=60"}).json()
    assert httpx.get(told["pictures"][0]["url"]).content == ann.get(own["pictures"][0]["url"]).content
    with pytest.raises(Exception, match="width"):
        client.predict("熊猫", width=63, api_name="/draw")


@pytest.mark.parametrize(
    "path", ["/gradio_api/proxy=http://127.0.0.1:9/", "/monitoring", "/nothing", "/gradio_api/dev/reload"]
)
def test_what_the_page_does_not_need_is_not_there(ann: httpx.Client, path: str) -> None:
    assert ann.get(path).status_code == 404


def test_every_word_is_there_in_both_languages() -> None:
    for name, (zh, en) in _WORDS.items():
        assert zh and en and re.findall(r"{\d}", zh) == re.findall(r"{\d}", en), name
