"""Whether the service's memory grows: jobs of all kinds over ten LoRAs and three sizes, errors and cancels among them.

    python -m benchmarks.soak [--jobs 1500] [--warm 300] [--device cpu]

The slope is that of a line through the resident memory after each tenth job, from `--warm` on.
"""

import argparse
import base64
import io
import itertools
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image

from benchmarks.common import table, write_json
from benchmarks.serving import MIB, MODEL, service
from pai_modelscope.sampling import Sampler

SIDES, LORAS, MOST_WAITING, EVERY = (64, 128, 192), 10, 8, 10


def loras(folder: Path) -> list[str]:
    """Files of ten LoRAs that change pictures."""
    from diffusers import StableDiffusionPipeline

    unet = Sampler.from_pretrained(MODEL, device="cpu").pipe.unet
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    for number in range(LORAS):
        generator = torch.Generator().manual_seed(number)
        for name, weight in unet.named_parameters():
            if "lora_" in name:
                weight.data = 0.05 * torch.randn(weight.shape, generator=generator)
        StableDiffusionPipeline.save_lora_weights(
            folder, get_peft_model_state_dict(unet), weight_name=f"lora{number}.safetensors"
        )
    return [str(folder / f"lora{number}.safetensors") for number in range(LORAS)]


def picture(side: int, seed: int) -> str:
    noise = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def bodies() -> "itertools.chain[dict[str, Any]]":
    """Requests without end, of each kind in turn; the last two of a round are refused, and cancelled."""

    def round_of(number: int) -> list[dict[str, Any]]:
        side, lora = SIDES[number % len(SIDES)], number % LORAS
        size = {"width": side, "height": side, "num_inference_steps": 3}
        given = picture(side, number)
        return [
            {"prompt": f"熊猫{number}", **size},
            {"prompt": f"狐狸<lora:lora{lora}:0.8>", **size},
            {"prompt": f"山水<lora:lora{(lora + 3) % LORAS}:0.5><lora:lora{(lora + 7) % LORAS}:0.5>", **size},
            {"prompt": "红墙", "image": given, "strength": 0.6, **size},
            {"prompt": "湖面", "image": given, "mask": picture(side, number + 1), **size},
            {"prompt": "草原", "image": given, "outpaint": [0, 64, 0, 0], "num_inference_steps": 3},
            {"prompt": "猫", "control": [{"kind": "canny", "image": given, "annotate": True}], **size},
            {"prompt": "[猫:狗:0.5] AND 雪山:0.5", "num_images_per_prompt": 2, **size},
            {"prompt": "", "poem": "空山新雨后,天气晚来秋", **size},
            {"prompt": "星空", "upscale": 2, **size},
            {"prompt": "熊猫", "width": 63},
            {"prompt": "月亮", "cancel": True, **size, "num_inference_steps": 100},
        ]

    return itertools.chain.from_iterable(map(round_of, itertools.count()))


def soak(client: httpx.Client, process: psutil.Process, jobs: int) -> tuple[list[tuple[int, float]], Counter[str]]:
    """Resident MiB after so many jobs, and how they ended."""
    held: list[str] = []
    memory, ends = [], Counter[str]()
    for number, body in enumerate(itertools.islice(bodies(), jobs), 1):
        cancel = body.pop("cancel", False)
        answer = client.post("/v1/jobs", json=body)
        if answer.status_code != 202:
            ends[f"{answer.status_code}"] += 1
        else:
            held.append(answer.json()["id"])
        if cancel:
            client.delete(f"/v1/jobs/{held[-1]}")
        while len(held) >= (MOST_WAITING if number < jobs else 1):
            told = client.get(f"/v1/jobs/{held.pop(0)}/events").text  # the stream ends with the job
            ends[told.rstrip().rpartition("event: ")[2].partition("\n")[0]] += 1
        if number % EVERY == 0:
            memory.append((number, process.memory_info().rss / MIB))
    return memory, ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1500)
    parser.add_argument("--warm", type=int, default=300)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, default=Path("build/bench/soak.json"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = [word for path in loras(folder) for word in ("--lora", path)]
        with service(folder / "data", args.device, 1, *flags) as (client, process):
            memory, ends = soak(client, process, args.jobs)
    later = np.array([each for each in memory if each[0] > args.warm])
    slope = float(np.polyfit(later[:, 0], later[:, 1], 1)[0])
    rows = [
        {
            "jobs": args.jobs,
            "ends": ", ".join(f"{count} {end}" for end, count in ends.most_common()),
            f"MiB after {args.warm}": round(float(later[0, 1])),
            "at the end": round(float(later[-1, 1])),
            "MiB per 100 jobs": round(100 * slope, 2),
        }
    ]
    print(table(rows, list(rows[0])))
    write_json(args.json, rows, options=vars(args) | {"json": str(args.json)}, memory=memory, load=os.getloadavg())


if __name__ == "__main__":
    main()
