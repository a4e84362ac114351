"""The service without HTTP, over the shipped model: batches, cancels, failures, crashes, models that come and go."""

import asyncio
import base64
import io
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from pai_modelscope import Sampler
from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import UserError
from pai_modelscope.images.infotext import read_png
from pai_modelscope.images.picture_text import read_label
from pai_modelscope.serving.models import Presence
from pai_modelscope.serving.service import KeyReused, NotYet, Service
from pai_modelscope.serving.store import Job, State
from pai_modelscope.serving.waiting import Full
from tests.sampling.test_loras import lora_file

SMALL = {"num_inference_steps": 2, "width": 64, "height": 64}
Open = Callable[..., Service]


@pytest.fixture
def opened(tmp_path: Path, sampler: Sampler) -> Iterator[Open]:
    """Makes services in one folder, over one model in memory; `begin=False` leaves jobs waiting."""
    services = []

    def make(begin: bool = True, open_model: Any = None, folder: str = "data", **options: Any) -> Service:
        values = {"model": ["pai-diffusion-mini-zh"], "data": str(tmp_path / folder)} | options
        service = Service(ServeOptions(**values), open_model or (lambda name: sampler))
        services.append(service)
        service.drawer.open(service.models.names[0])
        if begin:
            service.start()
        return service

    yield make
    for service in services:
        service.stop(60)


def ended(service: Service, job: Job, seconds: float = 120) -> Job:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = service.store.get(job.id)
        if now is not None and now.state.ended:
            return now
        time.sleep(0.02)
    raise AssertionError(f"{job.id} did not end")


def image(service: Service, job: Job, number: int = 0) -> Image.Image:
    picture = Image.open(service.result(job.pictures[number]["file"])).convert("RGB")
    picture.info = {}  # the text beside the pixels, which equality compares
    return picture


def data_url(colour: str = "red", side: int = 64) -> str:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def test_a_job_is_what_sampler_draws(opened: Open, sampler: Sampler) -> None:
    service = opened()
    job = ended(service, service.submit("ann", {"prompt": "熊猫", "seed": 5, **SMALL}))
    assert job.state is State.DONE and job.started and job.ended
    expected = sampler("熊猫", seed=5, **SMALL)[0]
    assert image(service, job) == expected.image and job.pictures[0]["infotext"] == expected.infotext
    assert read_png(service.result(job.pictures[0]["file"]))["seed"] == 5


def test_a_seed_is_fixed_on_acceptance_and_each_picture_has_one(opened: Open) -> None:
    service = opened(begin=False)
    one = service.submit("ann", {"prompt": "熊猫", **SMALL})
    assert isinstance(one.request["seed"], int)
    three = service.submit("ann", {"prompt": "狐狸", "num_images_per_prompt": 3, **SMALL})
    service.start()
    drawn = ended(service, three)
    assert [each["seed"] for each in drawn.pictures] == three.request["seed"] and len(set(three.request["seed"])) == 3
    assert ended(service, one).pictures[0]["seed"] == one.request["seed"]


def test_a_shared_batch_draws_nearly_what_each_alone_does_and_its_text_repeats_it(
    opened: Open, sampler: Sampler
) -> None:
    service = opened(begin=False, batch=4)
    jobs = [
        service.submit(client, {"prompt": prompt, "seed": seed, **SMALL})
        for client, prompt, seed in (("ann", "熊猫", 1), ("bob", "水墨画,湖面", 2), ("cyd", "狐狸", 3))
    ]
    other = service.submit("ann", {"prompt": "熊猫", "seed": 1, **SMALL, "num_inference_steps": 3})
    service.start()
    done = [ended(service, job) for job in jobs]
    for row, job in enumerate(done):
        drawn = image(service, job)
        alone = sampler(str(job.request["prompt"]), seed=job.request["seed"], **SMALL)[0].image
        apart = np.abs(np.asarray(drawn, dtype=int) - np.asarray(alone, dtype=int)).mean()
        assert apart <= 2, f"{apart} of 255"
        remembered = read_png(service.result(job.pictures[0]["file"]))
        assert remembered["batch_size"] == 3 and remembered["batch_pos"] == row
        options = {name: remembered[name] for name in ("seed", "batch_size", "batch_pos", *SMALL)}
        again = sampler(str(job.request["prompt"]), guidance_scale=5.0, guidance_rescale=0.7, **options)[0].image
        assert again == drawn, "bit for bit"
    assert "batch_size" not in read_png(service.result(ended(service, other).pictures[0]["file"]))


class Cramped:
    """The shipped model on a device with memory for so many rows, as a GPU that others use, too."""

    def __init__(self, sampler: Sampler, rows: int, never: str = ""):
        self._sampler, self._rows, self._never = sampler, rows, never
        self.tried: list[int] = []
        self._taken: weakref.ref[torch.Tensor] | None = None
        self.still_taken = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._sampler, name)

    def stream(self, texts: list[dict[str, object]], **options: object) -> Any:
        self.tried.append(len(texts))
        self.still_taken += self._taken is not None and self._taken() is not None
        memory = torch.zeros(1)
        self._taken = weakref.ref(memory)
        if len(texts) > self._rows or any(text["text"] == self._never for text in texts):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._sampler.stream(texts, **options)


def test_a_batch_without_memory_is_halved_and_only_the_job_that_fails_alone_fails(
    opened: Open, sampler: Sampler
) -> None:
    cramped = Cramped(sampler, rows=2, never="狐狸")
    service = opened(begin=False, batch=4, open_model=lambda name: cramped)
    prompts = ("熊猫", "水墨画", "狐狸", "月亮")
    jobs = [service.submit("ann", {"prompt": prompt, "seed": 1, **SMALL}) for prompt in prompts]
    service.start()
    states = [ended(service, job) for job in jobs]
    assert [job.state for job in states] == [State.DONE, State.DONE, State.FAILED, State.DONE]
    assert cramped.tried == [4, 2, 2, 1, 1]
    assert not cramped.still_taken, "what failed gives its memory back before its halves are drawn"
    assert states[2].error and "OutOfMemoryError" in states[2].error and "CUDA" not in states[2].error


def test_a_cancelled_job_stops_within_a_step_and_leaves_no_picture(opened: Open) -> None:
    service = opened()
    long = service.submit("ann", {"prompt": "熊猫", **SMALL, "num_inference_steps": 150})
    waits = service.submit("ann", {"prompt": "狐狸", **SMALL})
    while service.watched.get(long.id).step < 2:
        time.sleep(0.01)
    step = service.watched.get(long.id).step
    assert service.cancel(long) and not service.cancel(long)
    assert ended(service, waits, 60).state is State.DONE, "the next is drawn"
    assert step < 140
    stopped = service.store.get(long.id)
    assert stopped is not None and stopped.state is State.CANCELLED and stopped.pictures == []
    assert service.metrics.registry.get_sample_value(
        "pai_jobs_ended_total", {"model": "pai-diffusion-mini-zh", "state": "cancelled"}
    )


def test_one_of_a_batch_is_cancelled_and_the_others_are_drawn(opened: Open) -> None:
    service = opened(begin=False, batch=2)
    ann = service.submit("ann", {"prompt": "熊猫", "seed": 1, **SMALL, "num_inference_steps": 12})
    bob = service.submit("bob", {"prompt": "狐狸", "seed": 2, **SMALL, "num_inference_steps": 12})
    service.start()
    while service.watched.get(ann.id).step < 1:
        time.sleep(0.01)
    service.cancel(ann)
    assert ended(service, bob).state is State.DONE and ended(service, ann).pictures == []


def test_a_job_that_waits_and_is_cancelled_is_never_drawn(opened: Open) -> None:
    service = opened(begin=False)
    job = service.submit("ann", {"prompt": "熊猫", **SMALL})
    service.cancel(job)
    service.start()
    time.sleep(0.5)
    assert service.store.get(job.id).tries == 0 and len(service.queue) == 0


def test_the_next_service_draws_what_waited_with_its_seeds(opened: Open, sampler: Sampler) -> None:
    first = opened(begin=False)
    job = first.submit("ann", {"prompt": "熊猫", **SMALL, "image": data_url()})
    first.stop(5)
    second = opened()
    done = ended(second, job)
    assert done.state is State.DONE and done.pictures[0]["seed"] == job.request["seed"]
    start = Image.new("RGB", (64, 64), "red")
    assert image(second, done) == sampler("熊猫", seed=job.request["seed"], image=start, **SMALL)[0].image


def test_what_waited_can_still_be_drawn_together(opened: Open) -> None:
    first = opened(begin=False)
    jobs = [first.submit(client, {"prompt": "熊猫 AND 雪", **SMALL}) for client in ("ann", "bob")]
    lone = first.submit("ann", {"prompt": "熊猫", "num_images_per_prompt": 2, **SMALL})
    waited = first.queue.jobs()
    assert [job.rows for job in waited] == [2, 2, 2]
    first.stop(5)
    second = opened(begin=False, batch=4)
    assert second.queue.jobs() == waited
    second.start()
    assert all("Batch size: 2" in ended(second, job).pictures[0]["infotext"] for job in jobs)
    assert len(ended(second, lone).pictures) == 2


def test_a_folder_is_of_one_service(opened: Open, tmp_path: Path) -> None:
    opened(begin=False)
    with pytest.raises(UserError, match="another service"):
        Service(ServeOptions(data=str(tmp_path / "data")))


def test_a_repeated_key_is_one_job(opened: Open) -> None:
    service = opened(begin=False)
    body = {"prompt": "熊猫", **SMALL}
    job = service.submit("ann", body, key="k")
    assert service.submit("ann", body, key="k").id == job.id and len(service.queue) == 1
    with pytest.raises(KeyReused):
        service.submit("ann", {"prompt": "狐狸"}, key="k")
    assert service.submit("bob", body, key="k").id != job.id


def test_too_many_that_wait_are_refused(opened: Open) -> None:
    service = opened(begin=False, queue=3, queue_of_client=2)
    for _ in range(2):
        service.submit("ann", {"prompt": "熊猫", **SMALL})
    with pytest.raises(Full):
        service.submit("ann", {"prompt": "熊猫", **SMALL})
    service.submit("bob", {"prompt": "熊猫", **SMALL})
    with pytest.raises(Full):
        service.submit("cyd", {"prompt": "熊猫", **SMALL})
    assert len(service.store.of_client("cyd")) == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "熊猫", "stepz": 3}, "stepz"),
        ({"prompt": "熊猫", "num_inference_steps": 151}, "num_inference_steps"),
        ({"prompt": "熊猫", "width": 2048, "height": 2048}, "width"),
        ({"prompt": "熊猫", "width": 512, "height": 1024, "upscale": 4, "upscaler": "painter"}, "width"),
        ({"prompt": "熊猫", "num_images_per_prompt": 17}, "num_images_per_prompt"),
        ({"prompt": "熊猫", "image": "/etc/passwd"}, "image"),
        ({"prompt": "熊猫", "image": "http://127.0.0.1/a.png"}, "image"),
        ({"prompt": "熊猫", "image": "data:image/png;base64,AAAA"}, "image"),
        ({"prompt": "熊猫", "image": "upload:../../etc/passwd"}, "image"),
        ({"prompt": "熊猫", "image": f"upload:{'0' * 64}"}, "image"),
        ({"prompt": "熊猫", "mask": 7}, "mask"),
        ({"prompt": "熊猫", "control": {"canny": "/etc/passwd"}}, "control"),
        ({"prompt": "熊猫", "control": [{"kind": "canny", "image": data_url(), "model": "/tmp"}]}, "control"),
        ({"prompt": "熊猫", "loras": {"/etc/passwd": 1}}, "loras"),
        ({"prompt": "熊猫 <lora:other:1>"}, "loras"),
        ({"prompt": "熊猫", "embeddings": ["/etc/passwd"]}, "embeddings"),
        ({"prompt": "熊猫", "output_type": "pil"}, "output_type"),
        ({"prompt": ["熊猫"]}, "prompt"),
        ({"prompt": "熊猫", "seed": "1"}, "seed"),
        ({"prompt": "熊猫", "control": [{"kind": "canny", "image": data_url()}] * 5}, "control"),
        ({"prompt": "熊猫", "num_images_per_prompt": 10**9, "beautify": True}, "num_images_per_prompt"),
        ({"prompt": "熊猫", "batch_size": 17}, "batch_size"),
        ({"poem": "空山新雨后" * 101}, "poem"),
        ({f"field{number}": 1 for number in range(200)}, ""),
        ({"prompt": "熊猫", "image": data_url(side=4000)}, "image"),
        ({"prompt": "熊猫", "image": data_url(), "outpaint": [2000] * 4}, "width"),
        ({"prompt": "熊猫", "scheduler": "LCM", "loras": {"/etc/passwd": 1}}, "loras"),
    ],
)
def test_what_a_client_may_not_ask_is_named(opened: Open, body: dict[str, object], field: str) -> None:
    service = opened(begin=False)
    with pytest.raises(UserError) as error:
        service.submit("ann", body)
    assert field in {fault.field for fault in error.value.faults}
    assert len(service.queue) == 0 and service.store.of_client("ann") == []


def test_all_faults_are_named_together(opened: Open) -> None:
    with pytest.raises(UserError) as error:
        opened(begin=False).submit("ann", {"prompt": "熊猫", "stepz": 1, "image": "a.png", "width": 100})
    assert {fault.field for fault in error.value.faults} == {"stepz", "image", "width"}


def test_what_takes_more_memory_than_there_is_is_not_begun(opened: Open) -> None:
    service = opened(begin=False, pixels=2**40, batch=2)
    room = service.models.known(service.models.names[0]).room
    assert room and room < psutil.virtual_memory().total
    large = {"prompt": " AND ".join(["熊猫"] * 32), "batch_size": 16, "num_images_per_prompt": 16}
    large |= {"width": 4096, "height": 4096}
    with pytest.raises(UserError, match=r"4096x4096 takes about \d+ MiB .* this server has \d+: .*batch_size"):
        service.submit("ann", large)
    assert service.submit("ann", large | {"width": 64, "height": 64}).cost == 16 * 33 * 20 * 64 * 64


def test_uploads_are_the_clients_own(opened: Open) -> None:
    service = opened(begin=False)
    upload = service.uploads.keep("ann", data_url("blue"))
    assert service.submit("ann", {"prompt": "熊猫", "image": upload, **SMALL}).request["image"] == upload
    with pytest.raises(UserError, match="no such upload"):
        service.submit("bob", {"prompt": "熊猫", "image": upload, **SMALL})


def test_uploads_of_who_sent_most_give_way(opened: Open) -> None:
    service = opened(begin=False)
    of_bob = service.uploads.keep("bob", data_url("blue"))
    of_ann = [service.uploads.keep("ann", data_url(colour)) for colour in ("blue", "red", "lime", "black")]
    for age, name in enumerate([*reversed(of_ann), of_bob]):
        os.utime(service.uploads.path(name), (time.time() - 10 * age,) * 2)
    most = sum(service.uploads.path(name).stat().st_size for name in (of_bob, of_ann[1], of_ann[3]))
    service.uploads.remove_old(3600, most, {of_ann[1]})
    left = {name for name in [of_bob, *of_ann] if service.uploads.path(name).exists()}
    assert left == {of_bob, of_ann[1], of_ann[3]}, "the oldest is bob's, but ann has more; the second waits for a job"
    service.uploads.remove_old(5, most, set())
    assert not service.uploads.path(of_bob).exists(), "it was not used for longer"


def test_it_is_told_when_a_job_will_begin(opened: Open) -> None:
    service = opened(begin=False)
    first = service.submit("ann", {"prompt": "熊猫", **SMALL})
    large = service.submit("ann", {"prompt": "熊猫", "width": 128, "height": 128, "num_inference_steps": 8})
    last = service.submit("ann", {"prompt": "熊猫 AND 狐狸", **SMALL})
    assert [each.cost for each in (first, large, last)] == [2 * 2 * 64 * 64, 2 * 8 * 128 * 128, 3 * 2 * 64 * 64]
    assert [len(service.queue.before(each.id) or ()) for each in (first, large, last)] == [0, 1, 2]
    service.engine.pace.add(first.model, 2.0, first.cost)
    before = service.queue.before(last.id)
    assert before and service.engine.seconds(before) == pytest.approx(1.2 * (2 + 2 * large.cost / first.cost))
    service.start()
    ended(service, last)
    assert service.queue.before(last.id) is None


def test_listed_loras_and_controls_are_used(opened: Open, tmp_path: Path, sampler: Sampler) -> None:
    lora_file(tmp_path, "ink", seed=0)
    own = Sampler(sampler.model, name=sampler.name, recommended=sampler.recommended, base=sampler.base)
    own.add_lora(tmp_path / "ink.safetensors")
    service = opened(open_model=lambda name: own, lora=[str(tmp_path / "ink.safetensors")])
    assert service.loras() == ["ink"] and {"canny", "sketch"} <= set(service.controls())
    plain = ended(service, service.submit("ann", {"prompt": "熊猫", "seed": 1, **SMALL}))
    with_lora = ended(service, service.submit("ann", {"prompt": "熊猫 <lora:ink:9>", "seed": 1, **SMALL}))
    control = {"canny": data_url("red", 128)}
    steered = ended(service, service.submit("ann", {"prompt": "熊猫", "seed": 1, "control": control, **SMALL}))
    assert image(service, plain) != image(service, with_lora) and steered.state is State.DONE
    assert "ink" in with_lora.pictures[0]["infotext"] and service.result(with_lora.pictures[0]["file"]).exists()
    for job in (steered, with_lora):
        assert str(tmp_path) not in job.pictures[0]["infotext"], "no path of the server"


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_other_formats_hold_the_parameters_too(opened: Open, format: str) -> None:
    service = opened()
    job = ended(service, service.submit("ann", {"prompt": "熊猫", "seed": 1, **SMALL}, format=format))
    path = service.result(job.pictures[0]["file"])
    assert Image.open(path).format == format.upper() and read_png(path)["seed"] == 1


def submitted(service: Service, model: str) -> Job:
    """As a client that comes again while the model is being opened."""
    for _ in range(100):
        try:
            return service.submit("ann", {"prompt": "熊猫", **SMALL}, model=model)
        except NotYet as error:
            assert "/a/path" not in str(error)
            time.sleep(0.05)
    raise AssertionError(f"{model} was not opened")


def test_models_come_when_asked_and_the_oldest_goes(opened: Open, sampler: Sampler) -> None:
    names, loaded = ["pai-diffusion-mini-zh", "second", "third"], []

    fails = iter([True])

    def open_model(name: str) -> Sampler:
        if name == "third" and next(fails, False):
            raise UserError("third is damaged, says /a/path of the server")
        loaded.append(name)
        return Sampler(sampler.pipe, name=name, recommended=sampler.recommended)

    service = opened(model=names, open_model=open_model, memory_mib=200)
    presence = service.models.presence
    assert [presence(name) for name in names] == [Presence.READY, Presence.ABSENT, Presence.ABSENT]
    job = ended(service, submitted(service, "second"))
    assert job.state is State.DONE and "Model: second" in job.pictures[0]["infotext"]
    assert ended(service, submitted(service, "third")).state is State.DONE
    assert [presence(name) for name in names] == [Presence.READY, Presence.ABSENT, Presence.READY], (
        "the first is pinned"
    )
    with pytest.raises(UserError, match="no model 'fourth'"):
        service.submit("ann", {"prompt": "熊猫"}, model="fourth")
    assert ended(service, submitted(service, "second")).state is State.DONE
    assert loaded == ["pai-diffusion-mini-zh", "second", "third", "second"]


def test_watchers_are_woken_at_every_change(opened: Open) -> None:
    service = opened(begin=False)
    job = service.submit("ann", {"prompt": "熊猫", **SMALL})

    async def watch() -> list[int]:
        steps: list[int] = []
        while not (service.store.get(job.id) or job).state.ended:
            progress = service.watched.get(job.id)
            steps.append(progress.step)
            await service.watched.wait(job.id, progress.version, 60)
        return steps

    async def both() -> list[int]:
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0.05)
        service.start()
        return await watching

    steps = asyncio.run(both())
    assert steps == sorted(steps) and {0, 2} <= set(steps)


def test_a_poem_is_read_by_the_engine(opened: Open) -> None:
    service = opened()
    job = ended(service, service.submit("ann", {"poem": "空山新雨后,天气晚来秋", "scroll": True, **SMALL}))
    assert job.state is State.DONE and "山" in job.pictures[0]["prompt"] and "poem" in job.request
    assert job.pictures[0]["height"] > 2 * job.pictures[0]["width"], "the scroll"
    nothing = ended(service, service.submit("ann", {"poem": "之乎者也", **SMALL}))
    assert nothing.state in (State.DONE, State.FAILED)


def test_a_store_that_fails_for_a_while_loses_no_job(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    service = opened(begin=False)
    job = service.submit("ann", {"prompt": "熊猫", **SMALL})
    fails = iter([True])
    start = service.store.start

    def full(id: str) -> bool:
        if next(fails, False):
            raise sqlite3.OperationalError("database or disk is full")
        return start(id)

    monkeypatch.setattr(service.store, "start", full)
    service.start()
    assert ended(service, job).state is State.DONE and service.engine.alive


def test_what_is_drawn_when_the_time_to_end_is_over_is_drawn_by_the_next(opened: Open) -> None:
    first = opened()
    job = first.submit("ann", {"prompt": "熊猫", **SMALL, "num_inference_steps": 100})
    while first.watched.get(job.id).step < 1:
        time.sleep(0.01)
    assert not first.stop(0.0)
    again = opened()
    done = ended(again, job)
    assert done.state is State.DONE and done.tries == 1, "it was no fault of the job"


def test_files_that_no_job_has_are_removed_at_the_start(opened: Open) -> None:
    first = opened()
    job = ended(first, first.submit("ann", {"prompt": "熊猫", **SMALL}))
    kept, lost = first.result(job.pictures[0]["file"]), first.result("ab" * 32 + ".png")
    first.stop(10)
    lost.parent.mkdir(exist_ok=True)
    lost.write_bytes(b"of a job that was cancelled")
    opened(begin=False)
    assert kept.exists() and not lost.exists()


def test_many_requests_with_the_same_picture_at_once(opened: Open) -> None:
    service = opened(begin=False)
    with ThreadPoolExecutor(8) as pool:
        urls = [data_url("green")] * 32
        assert len(set(pool.map(lambda url: service.uploads.keep("ann", url), urls))) == 1


def test_old_jobs_and_their_pictures_are_removed(opened: Open) -> None:
    service = opened(keep_days=1e-9)
    job = ended(service, service.submit("ann", {"prompt": "熊猫", **SMALL, "image": data_url()}))
    path = service.result(job.pictures[0]["file"])
    assert path.exists()
    time.sleep(0.01)
    service.sweep()
    assert not path.exists() and service.store.get(job.id) is None
    assert list((service.folder / "uploads").iterdir()) == []


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_picture_of_the_service_carries_the_label_of_generated_content(format: str, opened: Open) -> None:
    request = {"prompt": "熊猫", "seed": 5, **SMALL}
    service = opened(aigc_producer="painters")
    first, again = (ended(service, service.submit("ann", request, format=format)) for _ in range(2))
    label = read_label(service.result(first.pictures[0]["file"]))
    assert label and (label["Label"], label["ContentProducer"]) == ("1", "painters")
    assert first.pictures[0]["file"] == again.pictures[0]["file"], "the same request gives the same bytes"
    assert read_png(service.result(first.pictures[0]["file"]))["seed"] == 5


def test_a_service_that_others_reach_marks_its_pictures_too(opened: Open, sampler: Sampler) -> None:
    request, plain = {"prompt": "熊猫", "seed": 5, **SMALL}, sampler("熊猫", seed=5, **SMALL)[0].image
    for number, (options, marked, inside) in enumerate(
        (
            ({"host": "0.0.0.0"}, True, True),
            ({"host": "::1"}, False, True),
            ({"allow_host": ["paint.example"]}, True, True),
            ({"host": "192.0.2.1", "aigc_label": "metadata"}, False, True),
            ({"aigc_label": "visible"}, True, False),
            ({"aigc_label": "off"}, False, False),
        )
    ):
        service = opened(folder=f"data{number}", safety="off", **options)
        job = ended(service, service.submit("ann", request))
        assert (image(service, job) != plain) is marked, options
        assert (read_label(service.result(job.pictures[0]["file"])) is not None) is inside, options
    with pytest.raises(UserError, match="aigc_producer is '杭州'"):
        opened(folder="other", aigc_producer="杭州")
