"""Latency of the full-size PAI-Diffusion shape on one GPU: our sampler beside plain diffusers, eager and compiled.

The weights are random (a released checkpoint is 4 GB and is not needed to time it): the UNet of SD-1.5 with text
width 768, a 12-layer CLIP text tower with vocabulary 21128, and the Stable Diffusion AutoencoderKL.

    python -m benchmarks.full_size --json build/bench/full_size.json
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.common import interleaved, spread, table, write_json

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

PROMPT = "雾蒙蒙的日出在湖面上"
VOCABULARY = 21128
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
SETTINGS = {"guidance_scale": 7.5, "seed": 0}


def build(device: str) -> "StableDiffusionPipeline":
    """A pipeline of PAI-Diffusion's shape with random fp16 weights."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from recipes.mini.tokenizer import save_tokenizer

    torch.manual_seed(0)
    text = CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        max_position_embeddings=32,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
    )
    with torch.device(device):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            sample_size=512,
        )
        text_encoder = CLIPTextModel(text)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = save_tokenizer([], Path(folder))
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    parts = {"unet": unet, "vae": vae, "text_encoder": text_encoder, "tokenizer": tokenizer, "scheduler": scheduler}
    pipe = assemble(parts).to(torch.float16).to(device)
    for part in (unet, vae, text_encoder):
        part.eval().requires_grad_(False)
    return pipe


def assemble(parts: dict[str, Any]) -> "StableDiffusionPipeline":
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def cases(pipe: Any, sampler: Any, side: int, steps: int, device: str) -> dict[str, Callable[[], Any]]:
    """One picture of `side` pixels each way, from the text to a PIL image."""

    def with_diffusers() -> Any:
        generator = torch.Generator(device).manual_seed(SETTINGS["seed"])
        return pipe(
            PROMPT,
            height=side,
            width=side,
            num_inference_steps=steps,
            guidance_scale=SETTINGS["guidance_scale"],
            generator=generator,
        ).images[0]

    def with_sampler() -> Any:
        return sampler(PROMPT, height=side, width=side, num_inference_steps=steps, **SETTINGS)

    return {"plain diffusers": with_diffusers, "pai_modelscope": with_sampler}


def measure(
    paths: tuple[Any, Any], side: int, steps: list[int], repeats: int, device: str, label: str
) -> list[dict[str, Any]]:
    """One row for each path and number of steps, from interleaved repeats after a warm-up of two steps."""
    peaks = {}
    for name, run in cases(*paths, side, 2, device).items():  # kernels are chosen by shape
        torch.cuda.reset_peak_memory_stats()
        run()
        peaks[name] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    rows = []
    for count in steps:
        for name, seconds in interleaved(cases(*paths, side, count, device), repeats).items():
            row = {"path": f"{name}, {label}", "pixels": side, "steps": count, **spread(seconds)}
            rows.append(row | {"peak_GiB": peaks[name]})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 768])
    parser.add_argument("--steps", type=int, nargs="+", default=[25, 50])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--compile-size", type=int, default=512, help="0: no compiled rows")
    parser.add_argument("--compile-mode", default="reduce-overhead")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path, default=Path("build/bench/full_size.json"))
    args = parser.parse_args()

    from pai_modelscope.sampling import Sampler

    pipe = build(args.device)
    # Both paths own the same networks: one set of weights in memory, and one compilation for both.
    paths = (assemble({name: getattr(pipe, name) for name in PARTS}), Sampler(pipe))
    rows: list[dict[str, Any]] = []
    for side in args.sizes:
        rows += measure(paths, side, args.steps, args.repeats, args.device, "eager fp16")
        write_json(args.json, rows, settings=SETTINGS)  # compiling may outlast the time there is: these rows are kept
    compile_s = None
    if args.compile_size:
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.unet.compile(mode=args.compile_mode, fullgraph=True)
        start = time.perf_counter()
        for run in cases(*paths, args.compile_size, 4, args.device).values():
            run()
        compile_s = round(time.perf_counter() - start, 1)
        rows += measure(paths, args.compile_size, args.steps, args.repeats, args.device, "compiled UNet fp16")
    print(table(rows, ["path", "pixels", "steps", "median_s", "min_s", "max_s", "peak_GiB"]))
    if compile_s:
        print(f"compiling took {compile_s} s ({args.compile_mode}), paid once a process and shape")
    write_json(args.json, rows, compile_s=compile_s, compile_mode=args.compile_mode, settings=SETTINGS)


if __name__ == "__main__":
    main()
