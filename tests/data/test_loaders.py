"""Worker processes read what threads read, bit for bit; what can't be sent to them, or ends them, is told in a line."""

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import datasets
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pai_modelscope import fine_tune
from pai_modelscope.data import Geometry, open_training_set
from pai_modelscope.data.augmentation import CaptionSettings
from pai_modelscope.data.batches import PictureSource
from pai_modelscope.data.cached_batches import CachedSource
from pai_modelscope.data.combined import join, mix
from pai_modelscope.data.loading import ProcessLoader, Sample
from pai_modelscope.data.views import AnnotatedView, Cut, picture_view
from pai_modelscope.errors import UserError
from pai_modelscope.images.annotators import ANNOTATORS
from tests.data.test_training_sets import FORMS, make
from tests.support.latents import scale_of
from tests.support.picture_files import FEATURES, name, picture, png, write_metadata
from tests.support.worker_pictures import Deadly, OnlyHere, example

CPU = torch.device("cpu")
CUT = Cut((64, 64))


def rich_set(folder):
    """Conditions, a mask, several captions."""
    columns = {
        "conditioning_file_name": lambda n: f"{n}.png",
        "mask_file_name": lambda n: "half.png" if n == 1 else None,
        "text": lambda n: [name(n), f"{name(n)}，红，蓝"],
    }
    write_metadata(folder, 3, **columns)
    half = Image.new("L", (72, 48))
    half.paste(255, (0, 0, 36, 48))
    half.save(folder / "half.png")
    return open_training_set(folder)


def batches(source):
    keys = torch.arange(4) * 7919
    return [
        source.batch(bucket, (torch.arange(4) + step) % length, CPU, keys + step)
        for step in range(3)
        for bucket, length in enumerate(source.lengths)
    ]


def equal(one, other):
    assert len(one) == len(other) > 0
    for left, right in zip(one, other, strict=True):
        assert left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)
    return True


@pytest.mark.parametrize("annotator", [None, "canny"])
def test_processes_make_the_batches_of_threads(annotator, shipped, tmp_path) -> None:
    parts = (
        rich_set(tmp_path),
        Geometry(64, buckets=True, random_crop=True, random_flip=True),
        CaptionSettings(shuffle_tags=True),
        shipped.tokenizer,
    )
    sources = [
        PictureSource(
            *parts, vae=shipped.vae, scale=scale_of(shipped), annotator=annotator, workers=2, worker_processes=processes
        )
        for processes in (False, True)
    ]
    one, other = map(batches, sources)
    assert {"control", "mask"} <= one[0].keys() and equal(one, other)


def test_processes_write_the_cache_of_threads(shipped, tmp_path) -> None:
    pictures = rich_set(tmp_path / "set")
    parts = (pictures, Geometry(64, random_flip=True), CaptionSettings(), shipped.tokenizer)
    sources = [
        CachedSource(
            *parts,
            vae=shipped.vae,
            scale=scale_of(shipped),
            folder=tmp_path / kind,
            text_encoder=shipped.text_encoder,
            worker_processes=kind == "b",
        )
        for kind in "ab"
    ]
    assert equal(*map(batches, sources))
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / kind).iterdir()} for kind in "ab")
    assert one == other and one
    picture(3).save(tmp_path / "set" / "0.png")
    with pytest.raises(UserError, match=r"^0\.png has changed since the training set was opened"):
        CachedSource(*parts, vae=shipped.vae, scale=scale_of(shipped), folder=tmp_path / "c", worker_processes=True)


@pytest.mark.slow
def test_a_run_goes_on_with_either_to_the_same_bits(tmp_path) -> None:
    """A step with processes, one with threads and the rest with processes are the run with threads."""
    pictures = write_metadata(tmp_path / "set", 4)
    options = {"train_data_dir": str(pictures), "resolution": 64, "train_batch_size": 2, "random_flip": True, "rank": 2}
    options |= {"max_train_steps": 4, "seed": 3, "center_crop": False, "learning_rate": 1e-2, "logging_steps": 1}

    def train(folder, *parts):
        """`parts`: whether each has worker processes; all but the last stop after a step."""
        for number, processes in enumerate(parts, 1):
            result = fine_tune(
                "lora",
                output_dir=str(tmp_path / folder),
                max_train_seconds=0 if number == len(parts) else 1e-9,
                dataloader_worker_processes=processes,
                dataloader_num_workers=2,
                resume_from_checkpoint="latest",
                **options,
            )
        return load_file(result / "pytorch_lora_weights.safetensors")

    threads, both = train("threads", False), train("both", True, False, True)
    assert both.keys() == threads.keys() and all(torch.equal(both[key], threads[key]) for key in threads)
    steps = [json.loads(line).get("step") for line in (tmp_path / "both" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]


@pytest.mark.parametrize("form", FORMS)
def test_every_forms_examples_are_data(form, tmp_path) -> None:
    examples = open_training_set(make(form, tmp_path / "set"))
    sent = pickle.loads(pickle.dumps([examples[place] for place in range(3)]))
    for number, one in enumerate(sent):
        assert one.read().tobytes() == picture(number).tobytes() and one.captions == (name(number),)


def test_other_sets_examples_are_data(tmp_path) -> None:
    rows = [{"image": picture(n), "text": name(n), "conditioning_image": png(n)} for n in range(2)]
    shipped = open_training_set("shipped:control_test", limit=2, size=64)
    for training_set in (open_training_set(rows), shipped, mix(open_training_set(rows), join([shipped], [0.5]), 0.5)):
        examples = [training_set[place] for place in range(len(training_set))]
        for before, sent in zip(examples, pickle.loads(pickle.dumps(examples)), strict=True):
            assert sent.read().tobytes() == before.read().tobytes() and sent.weight == before.weight
            assert sent.read_condition().tobytes() == before.read_condition().tobytes()
            assert replace(sent, picture=before.picture, condition=before.condition) == before


# What can't be sent


def test_rows_that_cannot_be_sent_are_named_with_the_way_out() -> None:
    table = datasets.Dataset.from_list([{"image": {"bytes": png(0)}, "text": "一"}]).cast(FEATURES)
    pictures = open_training_set(table.with_transform(lambda batch: batch))
    with pytest.raises(
        UserError, match=r"^the data set, row 0 can't be sent to worker processes \(.*lambda.*\): leave out"
    ):
        ProcessLoader([pictures[0]], 1)


def test_rows_that_cannot_be_read_there_are_told_at_the_beginning() -> None:
    with pytest.raises(
        UserError, match=r"^The rows .* can't be read in a worker process \(invalid literal.*a module that"
    ):
        ProcessLoader([example(OnlyHere())], 1)


def test_a_broken_picture_is_the_same_error_as_in_threads(shipped, tmp_path) -> None:
    folder = write_metadata(tmp_path, 2)
    messages = []
    for processes in (False, True):
        write_metadata(tmp_path, 2)
        pictures = open_training_set(folder)
        parts = (pictures, Geometry(64), CaptionSettings(), shipped.tokenizer)
        source = PictureSource(*parts, vae=shipped.vae, scale=scale_of(shipped), worker_processes=processes)
        (folder / "1.png").write_bytes(png(1)[:200])
        with pytest.raises(UserError) as caught:
            source.batch(0, torch.tensor([0, 1]), CPU, torch.arange(2))
        assert caught.value.__cause__ is None and len(str(caught.value).splitlines()) == 1
        messages.append((str(caught.value), caught.value.faults))
    assert messages[0] == messages[1] and "1.png" in messages[0][0]


def test_a_worker_that_ends_is_reported_with_what_it_read(tmp_path) -> None:
    examples = [example(Deadly(tmp_path / "now"))]
    reader = ProcessLoader(examples, 1)
    samples = [Sample(0, examples[0], CUT)]
    assert reader.load(picture_view, samples)[0].shape == (3, 64, 64)
    (tmp_path / "now").touch()
    with pytest.raises(
        UserError, match=r"^A worker process ended while it read .*a\.png with the annotator 'canny': it"
    ):
        reader.load(AnnotatedView("canny"), samples)
    with pytest.raises(UserError, match=r"^A worker process ended while it read .*a\.png: it crashed"):
        reader.load(picture_view, samples)


def test_an_annotator_that_the_workers_lack_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(ANNOTATORS, "mine", ANNOTATORS["canny"])
    examples = [example(Deadly(tmp_path / "never"))]
    with pytest.raises(UserError, match=r"^Worker processes know no annotator 'mine'; there are canny, .*leave out"):
        ProcessLoader(examples, 1).load(AnnotatedView("mine"), [Sample(0, examples[0], CUT)])


# How they begin and end


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ended(pids, seconds: float = 20) -> bool:
    limit = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < limit:
        time.sleep(0.05)
    return not any(map(alive, pids))


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def start(tmp_path):
    """A program in a session of its own, so that signals to all of its processes reach nobody else."""
    programs = []

    def begin(code: str) -> subprocess.Popen[str]:
        (tmp_path / "program.py").write_text(textwrap.dedent(code), encoding="utf-8")
        program = subprocess.Popen(
            [sys.executable, str(tmp_path / "program.py")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=tmp_path,
        )
        programs.append(program)
        return program

    yield begin
    for program in programs:
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.communicate(timeout=20)


TRAIN = """
    print("begun", flush=True)
    import pai_modelscope
    {guard}pai_modelscope.fine_tune(
        "lora", train_data_dir="set", output_dir="run", resolution=64, max_train_steps=100_000, logging_steps=1,
        train_batch_size=1, rank=1, dataloader_worker_processes=True, dataloader_num_workers=2
    )
"""


@pytest.mark.slow
def test_a_program_without_a_main_guard_is_told_so(start, tmp_path) -> None:
    write_metadata(tmp_path / "set", 2)
    program = start(TRAIN.format(guard=""))
    out, err = program.communicate(timeout=120)
    assert program.returncode == 1 and out.split() == ["begun"] * 2, "one worker, which began nothing of its own"
    assert "A worker process imports this program, which trains at once: put that under `if __name__" in err
    last = err.strip().splitlines()[-1]
    assert (
        "The first worker process ended before it could read a picture." in last
        and 'if __name__ == "__main__":' in last
    )
    assert not (tmp_path / "run" / "log.jsonl").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_ctrl_c_reaches_the_loop_alone_and_all_processes_end(start, tmp_path) -> None:
    write_metadata(tmp_path / "set", 2)
    program = start(TRAIN.format(guard='if __name__ == "__main__": '))
    log = tmp_path / "run" / "log.jsonl"
    limit = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") > 2) and time.monotonic() < limit:
        assert program.poll() is None, program.communicate()[1]
        time.sleep(0.05)
    workers = children(program.pid)
    assert len(workers) >= 2
    os.killpg(program.pid, signal.SIGINT)
    _, err = program.communicate(timeout=60)
    assert program.returncode == 0 and "SIGINT: saving step" in err and "Traceback" not in err
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines() if "loss" in line]
    assert (tmp_path / "run" / f"checkpoint-{steps[-1]}").is_dir()
    assert ended(workers)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_a_parent_that_is_killed(start) -> None:
    program = start(
        """
        import time
        from pai_modelscope.data.loading import ProcessLoader
        if __name__ == "__main__":
            loader = ProcessLoader([], 1)
            print("ready", flush=True)
            time.sleep(600)
        """
    )
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    workers = children(program.pid)
    for worker in workers:  # a signal to all processes of a session, as launchers send it
        subprocess.run(["kill", "-TERM", str(worker)], check=True)
    time.sleep(0.5)
    assert len(workers) >= 2 and all(map(alive, workers))  # one is multiprocessing's resource tracker
    program.kill()
    program.communicate(timeout=20)
    assert ended(workers)
