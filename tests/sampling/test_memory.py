"""The memory that drawing is said to take, beside what it takes."""

import subprocess
import sys
from pathlib import Path

import pytest

_DRAW = """
import re, sys
from pathlib import Path
from pai_modelscope import Sampler
sampler = Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")
text, side, pictures = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = {"num_inference_steps": 1, "seed": 1, "batch_size": pictures, "num_images_per_prompt": pictures}
list(sampler(text, **options, width=64, height=64))
def resident(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the highest counts from here
list(sampler(text, **options, width=side, height=side))
taken = resident("VmHWM") - before
from pai_modelscope.sampling.request import read_call, resolve
needs = sampler.limits.memory
print(taken, needs.bytes(resolve(read_call([text], {**options, "width": side, "height": side}), sampler.limits), 1))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the highest memory since a moment")
@pytest.mark.parametrize(
    ("text", "side", "pictures"), [("熊猫", 768, 1), ("熊猫", 384, 8), (" AND ".join(["熊猫"] * 12), 512, 1)]
)
def test_the_estimate_is_near_what_is_taken_and_seldom_below(text: str, side: int, pictures: int) -> None:
    command = [sys.executable, "-c", _DRAW, text, str(side), str(pictures)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, estimated = map(int, ran.stdout.split())
    assert 0.8 * taken < estimated < 2.2 * taken, f"{taken / 2**20:.0f} and {estimated / 2**20:.0f} MiB"
