"""Adapters on the full-size PAI-Diffusion shape: loading and switching rank-128 LoRAs, and drawing under a ControlNet.

Random weights, as in `benchmarks.full_size`; everything beside the plain diffusers way in the same run.

    python -m benchmarks.adapters --json build/bench/adapters.json
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from benchmarks.common import interleaved, spread, table, write_json
from benchmarks.full_size import PARTS, PROMPT, SETTINGS, assemble, build

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
WEIGHT = 0.4


def write_random_lora(unet: torch.nn.Module, rank: int, seed: int, folder: Path) -> Path:
    """A LoRA of all attention layers in diffusers' form, fp16, as the released ones are."""
    from safetensors.torch import save_file

    generator, state = torch.Generator().manual_seed(seed), {}
    for name, module in unet.named_modules():
        if name.endswith(ATTENTION):
            rows, columns = module.weight.shape
            state[f"unet.{name}.lora_A.weight"] = torch.randn(rank, columns, generator=generator).half() / rank
            state[f"unet.{name}.lora_B.weight"] = torch.randn(rows, rank, generator=generator).half() / rank
    path = folder / f"lora{seed}.safetensors"
    save_file(state, path, {"format": "pt"})
    return path


def measured(what: str, plain: Callable[[], Any], ours: Callable[[], Any], repeats: int) -> list[dict[str, Any]]:
    """A row for each of both ways, from repeats in turns, each until the GPU has done what it was told."""

    def waiting(call: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: (call(), torch.cuda.synchronize() if torch.cuda.is_available() else None)

    cases = {"plain diffusers": waiting(plain), "pai_modelscope": waiting(ours)}
    torch.cuda.reset_peak_memory_stats()
    timed = interleaved(cases, repeats)
    peak = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return [{"what": what, "path": path, **spread(seconds), "peak_GiB": peak} for path, seconds in timed.items()]


def lora_rows(pipe: Any, sampler: Any, files: list[Path], steps: int, repeats: int) -> list[dict[str, Any]]:
    from pai_modelscope.adapters import load_lora, read_lora, set_loras, unload_lora

    names = [file.stem for file in files]
    sources = dict.fromkeys(map(str, files), WEIGHT)
    turns = [names[:1], names[1:], names]

    def load_plain() -> None:
        pipe.load_lora_weights(files[0].parent, weight_name=files[0].name, adapter_name="first")
        pipe.delete_adapters("first")

    def load_ours() -> None:
        load_lora(pipe, read_lora(files[0]), "first")
        unload_lora(pipe, "first")

    def switch_plain() -> None:
        for turn in turns:
            pipe.set_adapters(turn, [WEIGHT] * len(turn))

    def switch_ours() -> None:
        for turn in turns:
            set_loras(pipe, dict.fromkeys(turn, WEIGHT))

    def draw_plain() -> None:
        pipe(PROMPT, num_inference_steps=steps, guidance_scale=SETTINGS["guidance_scale"])

    def draw_ours() -> None:
        sampler(PROMPT, num_inference_steps=steps, loras=sources, **SETTINGS)

    rows = measured("read, load and unload a LoRA", load_plain, load_ours, repeats)
    draw_ours()  # loads both, under the names of their files; plain diffusers then draws with the same
    rows += measured("switch three times between two loaded LoRAs", switch_plain, switch_ours, repeats)
    rows += measured(f"a picture under two LoRAs, {steps} steps", draw_plain, draw_ours, repeats)
    for name in names:
        unload_lora(pipe, name)
    return rows


def control_rows(pipe: Any, sampler: Any, folder: Path, steps: int, repeats: int) -> list[dict[str, Any]]:
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

    net = ControlNetModel.from_unet(pipe.unet).to(pipe.dtype)
    net.save_pretrained(folder)
    side = pipe.unet.config.sample_size * pipe.vae_scale_factor
    edges = Image.new("RGB", (side, side))
    ImageDraw.Draw(edges).ellipse((side // 5, side // 5, side * 4 // 5, side * 4 // 5), outline="white")
    control = {"kind": "canny", "image": edges, "model": str(folder), "annotate": False}
    del net  # both ways draw with the one that the sampler opens, so that memory holds it once
    parts = {name: getattr(pipe, name) for name in PARTS}
    plain = StableDiffusionControlNetPipeline(
        **parts, controlnet=sampler.model.controlnets[str(folder)], safety_checker=None, feature_extractor=None
    )
    plain.set_progress_bar_config(disable=True)

    def with_diffusers() -> None:
        plain(PROMPT, image=edges, num_inference_steps=steps, guidance_scale=SETTINGS["guidance_scale"])

    def with_sampler() -> None:
        sampler(PROMPT, num_inference_steps=steps, control=control, **SETTINGS)

    with_diffusers(), with_sampler()  # loads and warms
    return measured(f"a picture under a ControlNet, {steps} steps", with_diffusers, with_sampler, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--rank", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path, default=Path("build/bench/adapters.json"))
    args = parser.parse_args()

    from pai_modelscope.sampling import Sampler

    pipe = build(args.device)
    sampler = Sampler(assemble({name: getattr(pipe, name) for name in PARTS}))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = [write_random_lora(pipe.unet, args.rank, seed, folder) for seed in (1, 2)]
        about = {"rank": args.rank, "lora_MB": round(files[0].stat().st_size / 1e6, 1), "settings": SETTINGS}
        rows = lora_rows(pipe, sampler, files, args.steps, args.repeats)
        write_json(args.json, rows, **about)  # kept if the rest is cut off
        rows += control_rows(pipe, sampler, folder / "controlnet", args.steps, args.repeats)
    print(table(rows, ["what", "path", "median_s", "min_s", "max_s", "peak_GiB"]))
    write_json(args.json, rows, **about)


if __name__ == "__main__":
    main()
