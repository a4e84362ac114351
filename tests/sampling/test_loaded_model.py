"""One opened model, many callers: what one of them does to it, the next never sees."""

import gc
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel
from PIL import Image
from safetensors.torch import load_file, save_file

from pai_modelscope import Sampler, UserError
from pai_modelscope.adapters import deltas, loaded_loras
from pai_modelscope.families import STABLE_DIFFUSION
from pai_modelscope.sampling import LoadedModel
from tests.support.adapter_files import ATTENTION, CONV, MODEL, TEXT, random_lora, same_state, shipped_pipe, vectors

QUICK = {"num_inference_steps": 2, "height": 64, "width": 64, "seed": 3, "guidance_rescale": 0.0}
WORD = "<小奶猫>"


def opened() -> Any:
    return STABLE_DIFFUSION.open(MODEL, torch.device("cpu"), torch.float32)


def lora_file(path: Path, seed: int, rank: int = 4, whole: bool = False) -> str:
    """A LoRA of both networks; with `whole`, a change of one layer's weight, which is no matrix of low rank, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pipe = shipped_pipe()
    if whole:
        weight = pipe.unet.get_submodule(CONV).weight
        noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
        save_file({f"lora_unet_{CONV.replace('.', '_')}.diff": 0.05 * noise}, path)
        return str(path)
    unet, text = random_lora(pipe.unet, ATTENTION, rank, seed), random_lora(pipe.text_encoder, TEXT, rank, seed)
    state = {f"unet.{name}": tensor for name, tensor in unet.items()}
    save_file(state | {f"text_encoder.{name}": tensor for name, tensor in text.items()}, path)
    return str(path)


def control_net(seed: int) -> Any:
    torch.manual_seed(seed)
    net = ControlNetModel.from_unet(shipped_pipe().unet)
    for module in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        torch.nn.init.normal_(module.weight, std=0.02)
    return net.eval().requires_grad_(False)


class Caller:
    """Who draws with LoRAs, an embedding and a ControlNet of its own; the names are those of every caller."""

    def __init__(self, folder: Path, seed: int):
        folder.mkdir()
        self.poem = lora_file(folder / "poem.safetensors", seed)
        self.whole = lora_file(folder / "whole.safetensors", seed, whole=True)
        self.word = folder / "word.safetensors"
        save_file({WORD: 0.1 * vectors(2) + seed}, self.word)
        self.net = control_net(seed)
        picture = Image.effect_noise((64, 64), 60 + seed).convert("RGB")
        mine = {"mine": {"image": picture, "annotate": False}}
        self.jobs: list[dict[str, Any]] = [
            {"text": "熊猫"},
            {"text": "熊猫 <lora:poem:0.5>", "scheduler": ("Euler a", "DPM2")[seed]},
            {"text": f"一只{WORD}", "scheduler": ("Heun", "PNDM")[seed]},
            {"text": f"{WORD} <lora:poem:0.25>", "loras": {self.whole: 0.5 + seed / 4}, "guidance_rescale": 0.7},
            {"text": "熊猫", "control": mine, "scheduler": ("UniPC", "LMS")[seed], "loras": {self.whole: 1.0}},
            {"text": "狐狸", "image": picture, "strength": 0.9},
        ]

    def sampler(self, model: Any) -> Sampler:
        sampler = Sampler(model, name="mini")
        sampler.add_lora(self.poem)
        sampler.add_embedding(self.word)
        sampler.add_controlnet(self.net, "mine")
        return sampler

    def draw(self, sampler: Sampler, job: dict[str, Any], **more: Any) -> tuple[bytes, str]:
        (picture,) = sampler(job, **QUICK, **more)
        return picture.image.tobytes(), picture.infotext


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> list[Caller]:
    folder = tmp_path_factory.mktemp("callers")
    return [Caller(folder / str(seed), seed) for seed in range(2)]


@pytest.fixture(scope="module")
def expected(callers: list[Caller]) -> list[list[tuple[bytes, str]]]:
    """What every caller gets who has the model alone, newly opened for each picture."""
    return [[caller.draw(caller.sampler(opened()), job) for job in caller.jobs] for caller in callers]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return LoadedModel(opened())


def assert_as_opened(model: LoadedModel) -> None:
    for part in ("unet", "text_encoder", "vae"):
        network, shipped = getattr(model.pipe, part), getattr(shipped_pipe(), part)
        assert same_state(network.state_dict(), shipped.state_dict())
        assert [type(module) for module in network.modules()] == [type(module) for module in shipped.modules()]
        assert not network._forward_hooks and not network._forward_pre_hooks
    assert not getattr(model.pipe.unet, "peft_config", None) and not hasattr(model.pipe.unet, "weight_changes")
    assert model.pipe.tokenizer.get_vocab() == shipped_pipe().tokenizer.get_vocab()
    assert type(model.pipe.scheduler).__name__ == "DDIMScheduler"


def test_every_job_is_a_picture_of_its_own(expected: list[list[tuple[bytes, str]]]):
    assert len({image for pictures in expected for image, _ in pictures}) == 11  # both draw the panda without adapters


def test_callers_in_turn_get_the_pictures_that_they_get_alone(model, callers, expected):
    scheduler = model.pipe.scheduler
    samplers = [caller.sampler(model) for caller in callers]
    for number in (3, 0, 1, 4, 2, 0, 5, 3):
        for caller, sampler, pictures in zip(callers, samplers, expected, strict=True):
            assert caller.draw(sampler, caller.jobs[number]) == pictures[number]
    assert model.pipe.scheduler is scheduler
    model.release()
    assert_as_opened(model)
    assert callers[1].draw(samplers[1], callers[1].jobs[3]) == expected[1][3]  # from the files again


def test_callers_in_two_threads_get_them_too(model, callers, expected):
    failures: list[Any] = []

    def draw_all(caller: Caller, pictures: list[Any], order: list[int]) -> None:
        try:
            sampler = caller.sampler(model)
            for number in order:
                if caller.draw(sampler, caller.jobs[number]) != pictures[number]:
                    failures.append((caller.jobs[number], "another picture"))
        except BaseException as error:
            failures.append(error)

    orders = [0, 1, 2, 3, 4, 5], [4, 3, 5, 1, 0, 2]
    threads = [threading.Thread(target=draw_all, args=of) for of in zip(callers, expected, orders, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    model.release()
    assert_as_opened(model)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, UserError])
def test_after_an_error_or_an_interrupt_nothing_is_left(model, callers, expected, error):
    first, second = (caller.sampler(model) for caller in callers)

    def stop(step: int, total: int) -> None:
        assert model.pipe.unet.weight_changes.active  # in the midst of it
        raise error("stop")

    for number in (3, 4):
        with pytest.raises(error):
            callers[0].draw(first, callers[0].jobs[number], callback=stop)
        assert same_state(weights(model.pipe.unet), weights(shipped_pipe().unet))
        assert callers[1].draw(second, callers[1].jobs[number]) == expected[1][number]
        assert callers[0].draw(first, callers[0].jobs[0]) == expected[0][0]
    free = threading.Thread(target=lambda: model.lock.acquire() and model.lock.release())
    free.start()
    free.join(10)
    assert not free.is_alive()  # nobody holds the lock


def test_an_interrupt_while_weights_are_changed_is_made_good(model, callers, expected, monkeypatch):
    sampler, store = callers[0].sampler(model), deltas._store

    def halfway(layer: Any, changed: dict[str, torch.Tensor]) -> None:
        store(layer, changed)
        raise KeyboardInterrupt

    monkeypatch.setattr(deltas, "_store", halfway)
    with pytest.raises(KeyboardInterrupt):
        callers[0].draw(sampler, callers[0].jobs[3])
    monkeypatch.undo()
    assert same_state(weights(model.pipe.unet), weights(shipped_pipe().unet))
    assert callers[0].draw(sampler, callers[0].jobs[3]) == expected[0][3]


def weights(unet: Any) -> dict[str, torch.Tensor]:
    """The model's own, by their names without adapters."""
    state = {name.replace(".base_layer", ""): tensor for name, tensor in unet.state_dict().items()}
    return {name: tensor for name, tensor in state.items() if ".lora_" not in name}


def test_a_callback_may_draw_with_the_same_model(model, callers, expected):
    first, second = (caller.sampler(model) for caller in callers)
    inner = []

    def draw_another(step: int, total: int) -> None:
        inner.append(callers[1].draw(second, callers[1].jobs[1]))

    assert callers[0].draw(first, callers[0].jobs[4], callback=draw_another) == expected[0][4]
    assert inner == [expected[1][1]] * 2


def test_adapters_of_somebody_else_stay_as_they_are(callers, expected):
    """A network that is being trained has an adapter of its own, which validation pictures show."""
    pipe = opened()
    pipe.load_lora_weights(callers[0].poem, adapter_name="learner")
    pipe.set_adapters(["learner"], [0.5])
    sampler = Sampler(pipe, name="mini")
    drawn = callers[0].draw(sampler, {"text": "熊猫", "scheduler": "Euler a"})
    assert drawn[0] == expected[0][1][0]
    other = callers[1].sampler(pipe)
    assert callers[1].draw(other, callers[1].jobs[1])[0] == expected[1][1][0]  # the LoRAs that were asked for, alone
    assert callers[0].draw(sampler, {"text": "熊猫", "scheduler": "Euler a"}) == drawn


def test_the_networks_outlive_their_samplers_as_they_were_opened(callers):
    pipe = opened()
    sampler = callers[0].sampler(pipe)
    callers[0].draw(sampler, callers[0].jobs[3])
    assert getattr(pipe.unet, "peft_config", None)
    del sampler
    gc.collect()
    assert_as_opened(LoadedModel(pipe))


def test_samplers_over_one_pipeline_share_its_lock(model):
    assert Sampler(model.pipe).model.lock is Sampler(model).model.lock is model.lock
    assert LoadedModel(opened()).lock is not model.lock


def test_a_changed_file_is_another_lora(tmp_path: Path, callers):
    file = lora_file(tmp_path / "a.safetensors", 7)
    sampler = Sampler(opened())
    job = {"text": "熊猫", "loras": {file: 0.5}}
    first, again = callers[0].draw(sampler, job), callers[0].draw(sampler, job)
    lora_file(tmp_path / "a.safetensors", 8)
    second = callers[0].draw(sampler, job)
    assert first == again != second and second == callers[0].draw(Sampler(opened()), job)
    (tmp_path / "a.safetensors").unlink()
    assert callers[0].draw(sampler, job)[0] == second[0]  # it lies in the model
    sampler.model.release()
    with pytest.raises(UserError, match="There is no file"):
        sampler(job, **QUICK)
    with pytest.raises(UserError, match="A LoRA named 'a' is loaded already"):
        sampler.add_lora(callers[0].poem, "a")


def test_a_small_cache_keeps_what_was_used_last(tmp_path: Path):
    files = [lora_file(tmp_path / f"{number}.safetensors", number) for number in range(3)]
    size = sum(tensor.nbytes for tensor in load_file(files[0]).values())
    model = LoadedModel(opened(), lora_bytes=2 * size)
    sampler = Sampler(model)
    (expected,) = Sampler(opened())("熊猫", loras=dict.fromkeys(files, 0.3), **QUICK)
    for number in (0, 1, 0, 2):
        sampler("熊猫", loras={files[number]: 0.5}, **QUICK)
    kept = set(model.pipe.unet.peft_config)
    assert len(kept) == 2
    sampler("熊猫", loras={files[0]: 0.5}, **QUICK)
    assert set(model.pipe.unet.peft_config) == kept
    (drawn,) = sampler("熊猫", loras=dict.fromkeys(files, 0.3), **QUICK)  # more than it holds at once
    assert drawn.image.tobytes() == expected.image.tobytes()
    sampler("狗", **QUICK)
    assert len(model.pipe.unet.peft_config) <= 2


@pytest.mark.slow
def test_a_hundred_requests_over_ten_loras_take_no_more_memory(tmp_path: Path):
    """With a cache that holds five of them, so that one is loaded and one is taken out for nearly every picture."""
    files = [lora_file(tmp_path / f"{number}.safetensors", number, rank=32) for number in range(10)]
    model = LoadedModel(opened(), lora_bytes=5 * Path(files[0]).stat().st_size)
    sampler = Sampler(model)
    resident = []
    for number in range(100):
        sampler("熊猫", loras={files[number * 7 % 10]: 0.5}, **QUICK)
        gc.collect()
        resident.append(memory())
    assert len(model.pipe.unet.peft_config) in (4, 5)
    print(f"resident after 20: {resident[19]:.1f} MiB, after 100: {resident[99]:.1f} MiB")
    assert resident[99] - resident[19] <= 20


def memory() -> float:
    """MiB that the process holds."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def test_a_borrowed_model_draws_with_other_parts_and_leaves_the_first_as_it_was(tmp_path):
    model = LoadedModel(opened())
    before = Sampler(model)("熊猫", **QUICK)[0].image.tobytes()
    other = opened()
    with torch.no_grad():
        other.unet.conv_out.weight.mul_(1.5)
    poem = lora_file(tmp_path / "poem.safetensors", 0)
    with model.borrow({"unet": other.unet}, torch.device("cpu")) as borrowed:
        changed = Sampler(borrowed)("熊猫", **QUICK)[0].image.tobytes()
        assert changed == Sampler(LoadedModel(other))("熊猫", **QUICK)[0].image.tobytes() != before
        Sampler(borrowed)("熊猫", loras={poem: 1}, **QUICK)
        assert loaded_loras(other)
    assert not loaded_loras(other) and borrowed.pipe.vae is model.pipe.vae
    assert model.network is not other.unet and Sampler(model)("熊猫", **QUICK)[0].image.tobytes() == before
