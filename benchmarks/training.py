"""Speed, memory and loss of training: our loop beside one that is written as diffusers' example scripts are.

The shape is the full-size PAI-Diffusion of `benchmarks.full_size` with random weights, on random latents of 512 x 512
pixels. A row that fails, such as for memory, is written down as failed and the next one begins; figures are on disk
after every row, and rows of an earlier call stay in the file.

    python -m benchmarks.training --methods plain compiled --batch 1 8 32
    torchrun --nproc_per_node 2 -m benchmarks.training --methods compiled --batch 32      (the scaling of ours)
    python -m benchmarks.training --shape shipped --methods full few-bits --batch 8 --steps 200     (losses)
    python -m benchmarks.training --tiny --methods plain full few-bits lora --batch 2               (any CPU)
"""

import argparse
import ast
import copy
import gc
import json
import os
import statistics
import tempfile
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from benchmarks.common import environment, table, write_json
from benchmarks.training_parts import Clock, Enough, Pixels, Recorded, open_shape
from pai_modelscope.library_logs import quiet

WINDOWS = 5  # of steps over which losses are averaged and logged
KEY = ("shape", "method", "batch", "gpus", "attention")  # a row's name
RUN = ("steps", "warmup", "rate", "seed")  # what must be the same for losses to be compared
COLUMNS = [
    "method",
    "batch",
    "gpus",
    "attention",
    "images_per_s",
    "step_ms",
    "peak_GiB",
    "loss",
    "loss_change",
    "scaling",
]


@dataclass(frozen=True)
class Case:
    """A way to train by our loop."""

    loop: dict[str, Any] = field(default_factory=dict)  # of TrainingConfig
    method: dict[str, Any] = field(default_factory=dict)  # of the method
    lora: bool = False
    precision: str = "bf16"


FEW_BITS = {"weights": "bfloat16", "optimizer": "adamw-8bit"}
CASES = {
    "float32": Case(precision="no"),
    "full": Case(),
    "full-ema": Case({"ema_decay": 0.9999}),
    "compiled": Case({"compile": True}),
    "compiled-ema": Case({"compile": True, "ema_decay": 0.9999}),
    "8-bit": Case({"optimizer": "adamw-8bit"}),
    "few-bits": Case(FEW_BITS),
    "few-bits-compiled": Case({**FEW_BITS, "compile": True}),
    "few-bits-checkpointing": Case(FEW_BITS, {"gradient_checkpointing": True}),
    "lora": Case(lora=True),
    "lora-compiled": Case({"compile": True}, lora=True),
    "lora-checkpointing": Case(method={"gradient_checkpointing": True}, lora=True),
}


def plain(pipe: Any, pixels: Pixels, batch: int, total: int, clock: Clock, rate: float) -> list[float]:
    """What examples/text_to_image/train_text_to_image.py does with mixed_precision=bf16; the loss of each step."""
    import torch.nn.functional as F
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_scheduler

    accelerator = Accelerator(mixed_precision="bf16")
    device, scheduler = accelerator.device, DDPMScheduler.from_config(pipe.scheduler.config)
    vae, text_encoder = (
        part.to(device, torch.bfloat16).requires_grad_(False) for part in (pipe.vae, pipe.text_encoder)
    )
    unet = pipe.unet.float().requires_grad_(True).train()
    optimizer = torch.optim.AdamW(unet.parameters(), lr=rate, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
    schedule = get_scheduler("constant", optimizer)
    unet, optimizer, schedule = accelerator.prepare(unet, optimizer, schedule)
    losses = []
    for step in range(total):
        clock.mark()
        shown = {name: value.to(device) for name, value in pixels.batch(step, batch).items()}
        latents = vae.encode(shown["pixels"].to(torch.bfloat16)).latent_dist.sample() * vae.config.scaling_factor
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (batch,), device=device).long()
        noisy = scheduler.add_noise(latents, noise, timesteps)
        states = text_encoder(shown["ids"], return_dict=False)[0]
        target = noise
        if scheduler.config.prediction_type == "v_prediction":
            target = scheduler.get_velocity(latents, noise, timesteps)
        predicted = unet(noisy, timesteps, states, return_dict=False)[0]
        loss = F.mse_loss(predicted.float(), target.float(), reduction="mean")
        losses.append(accelerator.gather(loss.repeat(batch)).mean().item())
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        {"step_loss": loss.detach().item(), "lr": schedule.get_last_lr()[0]}
    clock.mark()
    return losses


def ours(
    case: Case, pipe: Any, source: Any, batch: int, total: int, clock: Clock, rate: float, seed: int
) -> list[float]:
    """`train` on latents and text states that were made before; the mean loss of each window of steps."""
    from pai_modelscope.config import TrainingConfig
    from pai_modelscope.methods import FullFineTuning, LoraTraining
    from pai_modelscope.text import chunk_ids
    from pai_modelscope.training import train

    frozen = torch.bfloat16 if case.precision == "bf16" else torch.float32
    parts = (
        pipe.unet.to(frozen if case.lora else torch.float32),
        pipe.text_encoder.to(frozen),
        pipe.scheduler,
        chunk_ids(pipe.tokenizer, [""])[0, 0],
    )
    pipe.vae = None
    method = (LoraTraining if case.lora else FullFineTuning)(*parts, **case.method)
    with tempfile.TemporaryDirectory() as folder:
        config = TrainingConfig(
            output_dir=folder,
            max_train_steps=total + 1,  # the source ends it before, so that nothing is saved
            train_batch_size=batch,
            learning_rate=rate,
            lr_scheduler="constant",
            mixed_precision=case.precision,
            seed=seed,
            logging_steps=max(1, total // WINDOWS),
            max_loss_ratio=0,
            **case.loop,
        )
        with suppress(Enough):
            train(method, Recorded(source, clock, total), config)
            raise KeyboardInterrupt  # a signal ended it: half a row says nothing
        log = Path(folder, "log.jsonl")
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [json.loads(line)["loss"] for line in lines]


def attention(name: str) -> Any:
    """A preferred implementation of attention; shapes that it does not know go to the next."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    order = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel([SDPBackend.CUDNN_ATTENTION, *order], set_priority=True) if name == "cudnn" else nullcontext()


def attempt(args: argparse.Namespace, opened: Any, name: str, batch: int, kind: str) -> dict[str, Any]:
    """The figures of one row, or why there are none."""
    AcceleratorState._reset_state()  # else the first precision would be that of all rows
    total, clock = args.warmup + args.steps, Clock(opened.device)
    on_gpu = opened.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    begun, row = time.perf_counter(), dict(zip(KEY, (args.shape, name, batch, opened.gpus, kind), strict=True))
    try:
        torch.manual_seed(args.seed)
        pipe = copy.deepcopy(opened.pipe)
        with attention(kind), quiet():
            if name == "plain":
                losses = plain(pipe, opened.pixels(), batch, total, clock, args.rate)
            else:
                losses = ours(CASES[name], pipe, opened.source, batch, total, clock, args.rate, args.seed)
    except Exception as error:  # the other rows' figures are worth having
        return row | {"failed": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}"}
    seconds = clock.seconds()
    row |= {name: getattr(args, name) for name in RUN} | {"seconds": seconds[args.warmup :], "losses": losses}
    row["first_step_s"] = round(seconds[0], 1)  # with the compiling
    if on_gpu:
        row["peak_GiB"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        row["reserved_GiB"] = round(torch.cuda.max_memory_reserved() / 2**30, 2)
    return row | {"whole_row_s": round(time.perf_counter() - begun, 1)}


def cleaned() -> None:
    """The next row finds the memory as the first did."""
    gc.collect()
    torch._dynamo.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def merged(rows: list[dict[str, Any]], row: dict[str, Any], again: bool) -> list[dict[str, Any]]:
    """With `row` in the place of the row of this name; `again`: it is another repeat of that one."""
    same = [each for each in rows if _alike(each, row, KEY)]
    if again and same and "seconds" in same[0]:
        if "failed" in row:
            return rows
        row["seconds"] = same[0]["seconds"] + row["seconds"]
    if "seconds" in row:
        middle = statistics.median(row["seconds"])
        row["step_ms"] = round(middle * 1000, 2)
        row["images_per_s"] = round(row["batch"] * row["gpus"] / middle, 2)
        row["loss"] = round(row["losses"][-1], 4) if row["losses"] else None
    return compared([*(each for each in rows if each not in same), row])


def compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With each row's speed beside that of one GPU, and its loss beside that of the same steps on float32 weights."""
    made = [row for row in rows if "seconds" in row]
    for row in made:
        alone = [
            each for each in made if each["gpus"] == 1 and _alike(each, row, ("shape", "method", "batch", "attention"))
        ]
        if row["gpus"] > 1 and alone:
            row["scaling"] = round(row["images_per_s"] / row["gpus"] / alone[0]["images_per_s"], 3)
        peers = [each for each in made if _alike(each, row, ("shape", "batch", "gpus", *RUN))]
        base = next((each for name in ("float32", "full") for each in peers if each["method"] == name), None)
        if base and row is not base and row["method"] in CASES and not CASES[row["method"]].lora:
            change = statistics.mean(row["losses"]) / statistics.mean(base["losses"]) - 1
            row["loss_change"], row["loss_beside"] = f"{change:+.3%}", base["method"]
    return rows


def _alike(a: dict[str, Any], b: dict[str, Any], names: tuple[str, ...]) -> bool:
    return all(a.get(name) == b.get(name) for name in names)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    valid = ", ".join(("plain", *CASES))
    parser.add_argument("--methods", nargs="+", default=["plain", "full", "compiled"], help=f"of {valid}")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32], help="of each GPU")
    parser.add_argument("--steps", type=int, default=20, help="that are measured")
    parser.add_argument("--warmup", type=int, default=5, help="steps before those")
    parser.add_argument("--repeats", type=int, default=1, help="of all rows, in turns")
    parser.add_argument("--shape", choices=("full", "shipped", "tiny"), default="full", help="of the model")
    parser.add_argument("--tiny", action="store_const", dest="shape", const="tiny", help="for any CPU: --shape tiny")
    parser.add_argument("--attention", nargs="+", choices=("default", "cudnn"), default=["default"])
    parser.add_argument("--rate", type=float, default=1e-5, help="learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cudnn-benchmark", action="store_true", help="let cuDNN try its convolutions")
    parser.add_argument(
        "--inductor", nargs="*", default=[], help="options of the compiler, such as conv_1x1_as_mm=True"
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench/training.json"))
    args = parser.parse_args()
    if odd := [name for name in args.methods if name != "plain" and name not in CASES]:
        parser.error(f"there is no method {', '.join(odd)}; valid are {valid}")
    return args


def main() -> None:
    args = arguments()
    torch.backends.cudnn.benchmark = args.cudnn_benchmark
    for option in args.inductor:
        import torch._inductor.config as inductor

        name, _, value = option.partition("=")
        setattr(inductor, name, ast.literal_eval(value))
    opened = open_shape(args.shape, args.seed)
    rows = json.loads(args.json.read_text(encoding="utf-8"))["rows"] if args.json.exists() else []
    for repeat in range(args.repeats):
        for batch in args.batch:
            for kind in args.attention:
                for name in args.methods:
                    row = attempt(args, opened, name, batch, kind)
                    cleaned()
                    if int(os.environ.get("RANK", "0")) == 0:
                        rows = merged(rows, row, again=repeat > 0)
                        write_json(args.json, rows, inductor=args.inductor, cudnn_benchmark=args.cudnn_benchmark)
    if int(os.environ.get("RANK", "0")) == 0:
        print(table([row for row in rows if "seconds" in row], COLUMNS))
        for row in rows:
            if "failed" in row:
                print(f"{row['method']}, batch {row['batch']}: {row['failed']}")
        print(json.dumps(environment()))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
