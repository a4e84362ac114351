"""The memory that drawing is said to take, beside what it takes."""

import subprocess
import sys

import pytest

_DRAW = """
import resource, sys
from pai_modelscope import Sampler
sampler = Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")
text, side, pictures = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = {"num_inference_steps": 1, "seed": 1, "batch_size": pictures, "num_images_per_prompt": pictures}
list(sampler(text, **options, width=64, height=64))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(sampler(text, **options, width=side, height=side))
taken = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
from pai_modelscope.sampling.request import read_call, resolve
needs = sampler.limits.memory
print(taken, needs.bytes(resolve(read_call([text], {**options, "width": side, "height": side}), sampler.limits), 1))
"""


@pytest.mark.parametrize(
    ("text", "side", "pictures"), [("熊猫", 768, 1), ("熊猫", 384, 8), (" AND ".join(["熊猫"] * 12), 512, 1)]
)
def test_the_estimate_is_near_what_is_taken_and_seldom_below(text: str, side: int, pictures: int) -> None:
    command = [sys.executable, "-c", _DRAW, text, str(side), str(pictures)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, estimated = map(int, ran.stdout.split())
    assert 0.8 * taken < estimated < 2.2 * taken, f"{taken / 2**20:.0f} and {estimated / 2**20:.0f} MiB"
