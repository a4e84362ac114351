"""Environment variables that no launcher sets so: one line names them, and nothing waits for what never comes."""

import json
import os
import subprocess
import sys

import pytest

from tests.training.test_run_folder import lora

LAUNCHED = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29511"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RANK", "abc"),
        ("RANK", "7"),
        ("WORLD_SIZE", "0"),
        ("LOCAL_RANK", "x"),
        ("LOCAL_RANK", "9" * 5000),
        ("LOCAL_WORLD_SIZE", "1.5"),
        ("MASTER_PORT", "99999"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "abc"),
    ],
)
def test_a_number_that_is_none_is_one_line(tmp_path, monkeypatch, capsys, name, value):
    for each, usual in LAUNCHED.items():
        monkeypatch.setenv(each, usual)
    monkeypatch.setenv(name, value)
    assert lora(tmp_path / "run") == 2
    said = capsys.readouterr().err
    assert f"the environment variable {name} is {value[:3]}" in said.replace("'", "")
    assert len(said) < 500 and "Traceback" not in said and not (tmp_path / "run").exists()


OTHERS = [
    ({**LAUNCHED, "MASTER_ADDR": ""}, "MASTER_ADDR"),
    ({"ACCELERATE_USE_CPU": "maybe"}, "ACCELERATE_USE_CPU='maybe'"),
    ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "abc"}, "FSDP_VERSION='abc'"),
    ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "ACCELERATE_USE_MEGATRON_LM='true'"),
    ({"ACCELERATE_DYNAMO_BACKEND": "abc"}, "ACCELERATE_DYNAMO_BACKEND='abc'"),
    ({"ACCELERATE_TORCH_DEVICE": "abc"}, "ACCELERATE_TORCH_DEVICE='abc'"),
]
SCRIPT = """
import json, os, sys
from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.training.sharding import open_accelerator

config, said, before = TrainingConfig(output_dir="run", max_train_steps=1), [], dict(os.environ)
for variables in json.loads(sys.argv[1]):
    os.environ.update({name: value for name, value in variables.items() if value})
    try:
        said.append(str(open_accelerator(config)))
    except UserError as error:
        said.append(str(error))
    os.environ.clear()
    os.environ.update(before)
print(json.dumps([*said, open_accelerator(config).num_processes]))
"""


@pytest.mark.slow
def test_whatever_else_accelerate_refuses_is_one_line_too():
    """In a process that has no accelerator yet; afterwards it can have one."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ACCELERATE_")}
    given = json.dumps([variables for variables, _ in OTHERS])
    done = subprocess.run([sys.executable, "-c", SCRIPT, given], capture_output=True, text=True, timeout=90, env=clean)
    assert done.returncode == 0, done.stderr[-2000:]
    *said, processes = json.loads(done.stdout.splitlines()[-1])
    assert processes == 1
    for (_, named), line in zip(OTHERS, said, strict=True):
        assert line.startswith("accelerate can't start with") and named in line and "\n" not in line, line
