"""Methods that other packages bring: by registration and by an entry point, with one phase and with two."""

import json
import os
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pai_modelscope import Sampler, UserError, fine_tune
from pai_modelscope.cli import main
from pai_modelscope.methods import registry
from pai_modelscope.methods.registry import GROUP, method_named, methods, register_method
from pai_modelscope.training.options import resolve_options
from tests.support import plugin
from tests.support.plugin import BIASES, TWO_PHASES, TwoPhaseTraining

ROOT = Path(__file__).parents[2]
TINY = {
    "resolution": 64,
    "max_train_steps": 4,
    "train_batch_size": 2,
    "max_train_samples": 4,
    "learning_rate": 0.02,
    "logging_steps": 1,
    "train_data_dir": "shipped:style",
}
SMALL = {"height": 64, "width": 64, "num_inference_steps": 2, "seed": 1}


@pytest.fixture
def registered(monkeypatch):
    """Both methods, known to this test alone."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    register_method(BIASES)
    register_method(TWO_PHASES)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "trained.safetensors")


def pixels(sampler: Sampler) -> np.ndarray:
    return np.asarray(sampler("猫", **SMALL)[0].image)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_registered_method_shows_its_options(registered, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "Only the biases of the UNet learn" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["train", "biases", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--blocks BLOCKS" in shown and "which blocks' biases learn; default: up" in shown
    assert "--caption_dropout" in shown and "--train_data_dir" in shown


def test_a_registered_method_reads_yaml_and_says_its_problems(registered, tmp_path, capsys):
    path = tmp_path / "run.yaml"
    lines = [f"{name}: {value}" for name, value in TINY.items()]
    path.write_text("\n".join(["method: biases", "blocks: down", f"output_dir: {tmp_path / 'run'}", *lines]), "utf-8")
    assert main(["train", "biases", "--config", str(path), "--max_train_steps", "1"]) == 0
    names = weights(tmp_path / "run/checkpoint-1")
    assert names and all(name.startswith("unet.down_blocks") and name.endswith("bias") for name in names)
    assert json.loads((tmp_path / "run/run.json").read_text("utf-8"))["options"]["blocks"] == "down"
    capsys.readouterr()
    assert main(["train", "biases", "--config", str(path), "--blocks", "middle"]) == 2
    assert "blocks is 'middle'; valid are 'up', 'down'" in capsys.readouterr().err
    with pytest.raises(UserError, match="snr_gamma does nothing here"):
        resolve_options("biases", {**TINY, "output_dir": "x", "snr_gamma": 5})


def test_a_registered_method_trains_resumes_bit_for_bit_and_opens(registered, tmp_path, sampler):
    whole = fine_tune("biases", output_dir=str(tmp_path / "whole"), **TINY)
    parts = {**TINY, "output_dir": str(tmp_path / "parts")}
    fine_tune("biases", **{**parts, "max_train_seconds": 1e-9})
    assert [path.name for path in (tmp_path / "parts").glob("checkpoint-*")] == ["checkpoint-1"]
    resumed = fine_tune("biases", **{**parts, "resume_from_checkpoint": "latest"})
    assert same(weights(tmp_path / "whole/checkpoint-4"), weights(tmp_path / "parts/checkpoint-4"))
    pictures = [
        np.asarray(Sampler.from_pretrained(path, device="cpu")("猫", **SMALL)[0].image) for path in (whole, resumed)
    ]
    assert np.array_equal(*pictures)
    assert not np.array_equal(pictures[0], np.asarray(sampler("猫", **SMALL)[0].image))
    assert "Made by biases of pai_modelscope" in (whole / "README.md").read_text("utf-8")


def test_a_method_that_is_registered_late_has_a_trainer_of_modelscope(registered, tmp_path):
    from modelscope.trainers import build_trainer

    late = plugin.spec("late-biases")
    register_method(late)
    options = {name: value for name, value in TINY.items() if name != "train_data_dir"}
    trainer = build_trainer(
        "pai-diffusion-late-biases",
        {"train_dataset": TINY["train_data_dir"], "work_dir": str(tmp_path), "blocks": "down", **options},
    )
    assert trainer.run.options.method.blocks == "down" and trainer.train()["finished"]
    assert (tmp_path / "output/model_index.json").exists()


def test_two_phases_train_in_turn(registered, tmp_path):
    """Biases of the lower half at every step, those of the upper half at steps 1 and 3, counted from 0."""
    out = tmp_path / "run"
    fine_tune("two-phases", output_dir=str(out), checkpointing_steps=1, checkpoints_total_limit=0, **TINY)
    states = [weights(out / f"checkpoint-{step}") for step in range(1, 5)]
    moved = [
        {name.split(".")[1] for name in states[0] if not torch.equal(before[name], after[name])}
        for before, after in pairwise(states)
    ]
    assert moved == [{"down_blocks", "up_blocks"}, {"down_blocks"}, {"down_blocks", "up_blocks"}]
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    assert all("loss" in row and "upper/lr" in row for row in rows)
    assert ["upper/loss" in row for row in rows] == [False, True, False, True]
    names = {path.name for path in (out / "checkpoint-4").iterdir()}
    assert {"optimizer.bin", "optimizer_1.bin", "custom_checkpoint_0.pkl", "custom_checkpoint_1.pkl"} <= names
    assert len(torch.load(out / "checkpoint-1/optimizer_1.bin", weights_only=True)["state"]) == 0


@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.9, "gradient_accumulation_steps": 2, "optimizer": "prodigy"}])
@pytest.mark.slow
def test_two_phases_resume_bit_for_bit(registered, tmp_path, options):
    given = {**TINY, **options, "learning_rate": 1.0 if options else 0.02, "lr_scheduler": "linear"}
    fine_tune("two-phases", output_dir=str(tmp_path / "whole"), **given)
    for stop in (1e-9, 1e-9, 0.0):
        more = {"max_train_seconds": stop, "resume_from_checkpoint": "latest"}
        fine_tune("two-phases", output_dir=str(tmp_path / "parts"), **given, **more)
    folders = [tmp_path / name / "checkpoint-4" for name in ("whole", "parts")]
    assert same(*map(weights, folders))
    for name in ("optimizer.bin", "optimizer_1.bin"):
        one, two = (torch.load(folder / name, weights_only=True)["state"] for folder in folders)
        assert one.keys() == two.keys() and all(same(_tensors(one[key]), _tensors(two[key])) for key in one)


def _tensors(state: dict[str, object]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([("a", 2, 1), ("b", 2, 1)], "none of the method's phases .* trains at step 0"),
        ([("a", 1, 0), ("a", 1, 0)], "each with a name of its own"),
        ([("a", 0, 0), ("b", 1, 0)], "`every` must be at least 1"),
        ([("a", 1, 0)], "must train each of its weights once"),
    ],
)
def test_phases_that_can_t_train_are_refused(registered, tmp_path, monkeypatch, phases, message):
    monkeypatch.setattr(TwoPhaseTraining, "SHARES", phases)
    with pytest.raises(UserError, match=message):
        fine_tune("two-phases", output_dir=str(tmp_path), **TINY)


def test_phases_are_refused_where_processes_hold_parts_of_the_weights(monkeypatch):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedType

    from pai_modelscope.methods import Phase
    from pai_modelscope.training.sharding import check_phases

    accelerator = Accelerator(cpu=True)
    check_phases(accelerator, [Phase("a", []), Phase("b", [])])
    monkeypatch.setitem(AcceleratorState._shared_state, "distributed_type", DistributedType.FSDP)
    with pytest.raises(UserError, match=r"in 2 phases \(a, b\).* FSDP and DeepSpeed can't"):
        check_phases(accelerator, [Phase("a", []), Phase("b", [])])
    check_phases(accelerator, [Phase("a", [])])


def test_a_name_is_given_once(registered):
    register_method(BIASES)  # again: a reload
    with pytest.raises(UserError, match="there is a method 'lora' already"):
        register_method(plugin.spec("lora"))
    assert method_named("lora").target.startswith("pai_modelscope.methods.lora")


ASKS_FOR_HELP = """
    import sys
    from pai_modelscope.cli import main
    try:
        main(["train", *sys.argv[1:], "--help"])
    finally:
        print("HEAVY", [name for name in ("torch", "diffusers", "modelscope", "cv2") if name in sys.modules])
"""


def package(site: Path, name: str, entries: dict[str, str], **modules: str) -> None:
    """A package of somebody else, installed in the folder `site`."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "\n".join(f"{entry} = {value}" for entry, value in entries.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
    for module, text in modules.items():
        (site / f"{module}.py").write_text(textwrap.dedent(text), encoding="utf-8")


def in_a_process(site: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True, env=env, timeout=300
    )


def biases_of_another_package(site: Path) -> None:
    options, method = (ROOT / "tests/support" / name for name in ("plugin_options.py", "plugin.py"))
    there = {"biases_options": options.read_text("utf-8"), "biases": method.read_text("utf-8")}
    there = {name: text.replace("tests.support.plugin_options", "biases_options") for name, text in there.items()}
    there = {name: text.replace("tests.support.plugin", "biases") for name, text in there.items()}
    package(site, "pai-biases", {"biases": "biases_options:BIASES"}, **there)


def test_an_installed_method_is_there_without_torch(tmp_path):
    biases_of_another_package(tmp_path)
    done = in_a_process(tmp_path, ASKS_FOR_HELP, "biases")
    assert "which blocks' biases learn; default: up" in done.stdout and "HEAVY []" in done.stdout, done.stderr
    assert not done.stderr


@pytest.mark.slow
def test_an_installed_method_trains(tmp_path):
    biases_of_another_package(tmp_path / "site")
    code = """
        import json, sys
        from pai_modelscope import fine_tune
        print(fine_tune("biases", **json.loads(sys.argv[1])))
    """
    given = {**TINY, "max_train_steps": 1, "output_dir": str(tmp_path / "run")}
    done = in_a_process(tmp_path / "site", code, json.dumps(given))
    assert done.stdout.strip().endswith("result"), done.stderr
    assert all("up_blocks" in name for name in weights(tmp_path / "run/checkpoint-1"))
    Sampler.from_pretrained(tmp_path / "run/result", device="cpu")


def test_a_broken_entry_point_is_one_warning(tmp_path):
    package(tmp_path, "broken", {"gone": "no_such_module:SPEC", "odd": "odd:SPEC", "lora": "odd:LORA"}, odd=ODD)
    code = """
        from pai_modelscope.cli import main
        for _ in range(2):
            try:
                main(["train", "--help"])
            except SystemExit:
                pass
    """
    done = in_a_process(tmp_path, code)
    assert "controlnet" in done.stdout
    said = [line for line in done.stderr.splitlines() if "can't be used" in line]
    assert len(said) == 3 and all("of broken can't be used: " in line for line in said), done.stderr
    assert "No module named 'no_such_module'" in said[0] and "odd:SPEC is no MethodSpec" in said[1]
    assert "there is a method 'lora' already" in said[2]


ODD = """
    from pai_modelscope.methods.registry import method_named, MethodSpec
    from pai_modelscope.methods.spec import MethodOptions
    SPEC = "a text"
    LORA = MethodSpec("lora", MethodOptions, "nowhere:Class")
"""


def test_a_class_that_is_not_there_is_one_line(registered, tmp_path):
    register_method(registry.MethodSpec("nowhere", BIASES.options, "no_such_module:Class"))
    with pytest.raises(UserError, match="the method 'nowhere' can't be used: no_such_module:Class can't be imported"):
        fine_tune("nowhere", output_dir=str(tmp_path), **TINY)
    assert "nowhere" in methods()


def test_what_is_no_method_is_not_registered():
    with pytest.raises(UserError, match="register_method takes a MethodSpec, not 'biases'"):
        register_method("biases")
