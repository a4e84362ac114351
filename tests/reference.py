"""What this program makes of fixed inputs, as digests: two versions of it are the same where two such files are.

    python -m tests.reference FILE.json             # in each tree, on the same machine
    python -m tests.reference FILE.json OTHER.json  # what differs between two files

Only public names are used, so that the script runs in any version. Digests hold on one machine only; none is kept here.
"""

import argparse
import hashlib
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from safetensors import safe_open
from safetensors.torch import save_file

MODEL = "pai-diffusion-mini-zh"
QUERY = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
KOHYA = f"lora_unet_{QUERY.replace('.', '_')}"
SMALL = {"height": 64, "width": 64, "num_inference_steps": 3, "seed": 1}
SCHEDULERS = (
    "DPM++ 2M", "DPM++ 2M Karras", "DPM++ 2M SDE", "DPM++ 2M SDE Karras", "DPM++ 3M SDE", "DPM++ SDE", "UniPC",
    "DPM++ SDE Karras", "DPM++ 2M Exponential", "Euler", "Euler Karras", "Euler a", "Heun", "LMS", "LMS Karras", "DPM2",
    "DPM2 a", "DPM2 Karras", "DEIS", "DDIM", "DDPM", "PNDM", "UniPC Karras", "Euler SGM Uniform",
)  # fmt: skip
IN_EVERY_TASK = ("DPM++ 2M", "Heun", "Euler a", "DDIM")
LONG = "一只熊猫在竹林里吃竹子,阳光明媚,远处有山,近处有小溪和石头,水墨画风格,细腻的笔触,留白,题诗,印章,仙鹤飞过"
METHODS: dict[str, dict[str, Any]] = {
    "full": {"train": "attention"},
    "full text": {"method": "full", "train_text_encoder": True, "ema_decay": 0.9, "max_train_steps": 3},
    "lora": {"rank": 4, "legacy": True, "snr_gamma": 5.0},
    "lora text": {"method": "lora", "rank": 4, "text_rank": 2},
    "lora dora": {"method": "lora", "rank": 4, "use_dora": True, "targets": "all-linear", "cache_latents": True},
    "lora replay": {"method": "lora", "rank": 2, "shuffle_tags": True, "gradient_accumulation_steps": 2},
    "lora prodigy": {"method": "lora", "rank": 2, "optimizer": "prodigy", "learning_rate": 1.0, "random_flip": True},
    "textual-inversion": {"placeholder_token": "<小方块>", "initializer_token": "方块", "num_vectors": 2},
    "dreambooth": {"instance_prompt": "一只糯糯猫", "class_prompt": "一只猫", "num_class_images": 2, "rank": 2},
    "dreambooth whole": {"method": "dreambooth", "instance_prompt": "一只糯糯猫", "train": "attention"},
    "controlnet": {"annotator": "canny", "rank": 2},
    "controlnet whole": {"method": "controlnet", "annotator": "canny", "max_train_steps": 2, "offset_noise": 0.1},
}
COMMANDS = ("", "generate", "demo", "train", "adapter", "adapter inspect", "adapter convert", "adapter merge",
    "adapter extract", "convert", "zoo", "zoo list", "zoo show", "zoo push", "evaluate", "gallery", "gallery build",
    *(f"train {name}" for name in METHODS if " " not in name))  # fmt: skip
Case = tuple[str, Callable[[], Any]]


def digest(value: Any) -> str:
    """Of a picture, an array, tensors, a file or a text."""
    if isinstance(value, Image.Image):
        value = value.tobytes()
    if isinstance(value, Path):
        value = content(value) if value.suffix == ".safetensors" else value.read_bytes()
    if hasattr(value, "tobytes"):
        value = value.tobytes()
    return hashlib.sha256(value if isinstance(value, bytes) else str(value).encode()).hexdigest()[:16]


def content(path: Path) -> bytes:
    """Tensors and metadata in the order of their names; how a file lays them out may change."""
    with safe_open(path, framework="pt") as file:
        parts = [(name, file.get_tensor(name)) for name in sorted(file.keys())]
        metadata = {k: v for k, v in (file.metadata() or {}).items() if "date" not in k and "time" not in k}
    out = io.BytesIO(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in parts:
        out.write(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        out.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return out.getvalue()


def drawing(size: int = 64, colour: str = "red") -> Image.Image:
    picture = Image.new("RGB", (size, size), "lightblue")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((size // 4, size // 4, size * 3 // 4, size * 3 // 4), fill=colour, outline="black")
    pen.line((0, size, size, 0), fill="white", width=3)
    return picture


def filled(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def adapters(folder: Path) -> dict[str, Path]:
    """A file of each kind that a WebUI's user may have."""
    square = {
        "lora": {"lora_down.weight": (4, 128), "lora_up.weight": (128, 4), "alpha": ()},
        "dora": {"lora_down.weight": (4, 128), "lora_up.weight": (128, 4), "dora_scale": (128, 1)},
        "loha": {f"hada_w{i}_{s}": (128, 4) if s == "a" else (4, 128) for i in (1, 2) for s in "ab"},
        "lokr": {"lokr_w1": (8, 8), "lokr_w2_a": (16, 2), "lokr_w2_b": (2, 16), "alpha": ()},
        "glora": {"a1.weight": (128, 4), "a2.weight": (4, 128), "b1.weight": (128, 4), "b2.weight": (4, 128)},
        "full": {"diff": (128, 128), "diff_b": (128,)},
        "oft": {"oft_blocks": (4, 32, 32), "alpha": ()},
        "ia3": {"weight": (128,), "on_input": ()},
    }
    found = {}
    for kind, shapes in square.items():
        if kind in ("full",):
            shapes = {"diff": (128, 128)}
        tensors = {f"{KOHYA}.{name}": filled(shape, i) for i, (name, shape) in enumerate(shapes.items())}
        for name in tensors:
            if name.endswith(("alpha", "on_input")):
                tensors[name] = torch.tensor(1.0)
            if name.endswith("dora_scale"):
                tensors[name] = tensors[name].abs() + 1
        found[kind] = folder / f"{kind}.safetensors"
        save_file(tensors, found[kind])
    found["word"] = folder / "小狗.safetensors"
    save_file({"emb_params": filled((2, 256), 9)}, found["word"])
    return found


def pictures(folder: Path) -> Iterator[Case]:
    from pai_modelscope import Sampler, model_dir

    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    art, mask, files = drawing(), Image.new("L", (64, 64), 0), adapters(folder)
    mask.paste(255, (16, 16, 48, 48))
    art.save(folder / "art.png")

    def draw(text: Any = "熊猫", model: Any = None, **options: Any) -> Callable[[], Any]:
        def made() -> Any:
            found = (model or sampler)(text, **{**SMALL, **options})
            return [digest(each.image) for each in found], [each.infotext.replace(str(folder), "") for each in found]

        return made

    tasks: dict[str, dict[str, Any]] = {
        "text": {},
        "image": {"image": art, "strength": 0.6},
        "mask": {"image": art, "mask": mask},
        "control": {"control": {"canny": art}},
    }
    for scheduler in SCHEDULERS:
        for task, options in tasks.items() if scheduler in IN_EVERY_TASK else [("text", {})]:
            yield f"scheduler {scheduler} {task}", draw(scheduler=scheduler, **options)
    for name, options in {
        "negative": {"negative_prompt": "蓝色"},
        "weights": {"text": "(熊猫:1.4),[雪地],((狐狸))"},
        "long": {"text": LONG},
        "clip skip": {"clip_skip": 1},
        "rescale": {"guidance_rescale": 0.7},
        "no guidance": {"guidance_scale": 1.0},
        "several": {"num_images_per_prompt": 3, "batch_size": 2},
        "row": {"batch_size": 2, "batch_pos": 1},
        "texts": {"text": ["猫", {"text": "狗", "seed": 5, "width": 128}, "鸟"]},
        "other size": {"height": 96, "width": 160},
        "fit": {"image": drawing(100), "resize": "fit", "strength": 0.5},
        "stretch": {"image": drawing(90), "resize": "stretch", "strength": 1.0},
        "mask only": {"image": drawing(160), "mask": mask.resize((160, 160)), "mask_only": True, "mask_padding": 8},
        "outpaint": {"image": drawing(48), "outpaint": (8, 8, 8, 8)},
        "control scaled": {"control": [{"kind": "canny", "image": art, "scale": 0.5, "start": 0.2, "end": 0.8}]},
        "control twice": {
            "control": [{"kind": "canny", "image": art}, {"kind": "canny", "image": drawing(64, "green")}]
        },
        "control image": {"control": {"canny": art}, "image": art, "strength": 0.7},
        "control mask": {"control": {"canny": art}, "image": art, "mask": mask},
        "hires": {"upscale": 2},
        "from file": {"image": str(folder / "art.png")},
        "full size": {"height": None, "width": None, "num_inference_steps": 2},
        **{f"adapter {kind}": {"loras": {str(file): 0.7}} for kind, file in files.items() if kind != "word"},
        "adapters together": {"loras": {str(files["lora"]): 0.5, str(files["loha"]): 0.8, str(files["dora"]): 1.0}},
        "adapter tag": {"text": "猫<lora:lora:0.6>"},
        "word": {"text": "一只小狗在雪地", "embeddings": [str(files["word"])]},
        "after all": {},
    }.items():
        yield f"picture {name}", draw(**options)
    yield "picture of a half model", draw(model=Sampler.from_pretrained(MODEL, device="cpu", torch_dtype="bfloat16"))
    yield (
        "picture with safety off",
        draw(model=Sampler.from_pretrained(str(model_dir(MODEL)), device="cpu", safety=False)),
    )


def modelscope_pipelines(folder: Path) -> Iterator[Case]:
    from modelscope.pipelines import pipeline

    import pai_modelscope

    where = str(pai_modelscope.model_dir(MODEL))
    art = drawing()
    for task, given in {
        "text-to-image-synthesis": {"text": "猫"},
        "image-to-image-generation": {"text": "猫", "img": art},
        "image-inpainting": {"img": art, "mask": drawing(64, "white").convert("L")},
        "controllable-image-generation": {"text": "猫", "image": art},
    }.items():

        def made(task: str = task, given: Any = given) -> Any:
            result = pipeline(task, where, device="cpu")(given, **SMALL)
            return [digest(each) for each in result["output_imgs"]], sorted(result)

        yield f"pipeline {task}", made


def training(folder: Path) -> Iterator[Case]:
    from pai_modelscope import Sampler, fine_tune

    pictures = folder / "set"
    pictures.mkdir()
    for number, colour in enumerate(("red", "green", "blue", "yellow", "purple")):
        drawing(64 + 16 * number, colour).save(pictures / f"{number}.png")
        (pictures / f"{number}.txt").write_text(f"一个方块,{colour},第{number}张", encoding="utf-8")
    common = {
        "train_data_dir": str(pictures), "resolution": 64, "train_batch_size": 2, "max_train_steps": 5,
        "checkpointing_steps": 2, "checkpoints_total_limit": 0, "learning_rate": 1e-3, "seed": 3,
    }  # fmt: skip

    def results(out: Path) -> dict[str, str]:
        files = sorted(path for path in out.rglob("*") if path.suffix in (".safetensors", ".json", ".png", ".bin"))
        return {
            str(path.relative_to(out)): digest(path)
            for path in files
            if path.name not in ("run.json", "state.json")
            and not {"cache", "class"} & set(path.parts)
            and (path.suffix != ".bin" or path.parent.name == "result")
        }

    for name, options in METHODS.items():
        given = {**common, **options}
        method, target = given.pop("method", name), folder / name.replace(" ", "-")

        def made(method: str = method, given: Any = given, out: Path = target) -> Any:
            result = fine_tune(method, output_dir=str(out), **given)
            log = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
            losses = [{k: v for k, v in line.items() if "loss" in k or k == "step"} for line in log]
            picture = Sampler.from_pretrained(str(result), device="cpu")("方块", **SMALL)[0].image
            return results(out), losses, digest(picture)

        yield f"train {name}", made

        def resumed(method: str = method, given: Any = given, out: Path = target) -> Any:
            again = {**given, "max_train_steps": given["max_train_steps"] + 2, "resume_from_checkpoint": "latest"}
            return digest_of_result(fine_tune(method, output_dir=str(out), **again))

        yield f"train {name}, resumed", resumed


def digest_of_result(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): digest(path) for path in sorted(folder.rglob("*.safetensors"))}


def commands(folder: Path) -> Iterator[Case]:
    def command(*words: str) -> tuple[int, str, str]:
        env = {**os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "2"}
        done = subprocess.run(
            [sys.executable, "-m", "pai_modelscope.cli", *words], capture_output=True, text=True, env=env, check=False
        )
        return done.returncode, done.stdout.replace(str(folder), ""), done.stderr.replace(str(folder), "")

    for name in COMMANDS:
        yield f"help {name}", lambda name=name: command(*name.split(), "--help")
    files = adapters(folder)
    for kind, file in files.items():
        yield f"inspect {kind}", lambda file=file: command("adapter", "inspect", str(file))
        if kind == "word":
            continue
        for form in ("diffusers", "kohya"):
            target = folder / f"{kind}-{form}.safetensors"

            def converted(file: Path = file, form: str = form, target: Path = target) -> Any:
                told = command("adapter", "convert", str(file), str(target), "--to", form)
                return told[0], digest(target) if target.exists() else told[2]

            yield f"convert {kind} to {form}", converted

        def merged(file: Path = file, target: Path = folder / f"merged-{kind}") -> Any:
            told = command("adapter", "merge", MODEL, f"{file}=0.5", str(target))
            return told[0], digest(target / "unet/diffusion_pytorch_model.safetensors")

        if kind in ("lora", "dora", "loha"):
            yield f"merge {kind}", merged
    yield (
        "single file",
        lambda: (command("convert", MODEL, str(folder / "one.safetensors"))[0], digest(folder / "one.safetensors")),
    )
    yield (
        "folder of a single file",
        lambda: (
            command("convert", str(folder / "one.safetensors"), str(folder / "back"))[0],
            digest_of_result(folder / "back"),
        ),
    )
    yield (
        "generate",
        lambda: (
            command("generate", "熊猫", "--steps", "2", "--size", "64", "--seed", "4", "--output", str(folder / "o")),
            digest(Image.open(next((folder / "o").glob("*.png")))),
        ),
    )


def plain(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.loads(json.dumps(value, ensure_ascii=False))


def record(target: Path, only: str) -> None:
    found: dict[str, Any] = {}
    for part in (pictures, modelscope_pipelines, training, commands):
        if only and part.__name__ not in only.split(","):
            continue
        with tempfile.TemporaryDirectory() as name:
            for case, make in part(Path(name)):
                begun = time.monotonic()
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    try:
                        value = make()
                    except Exception as error:
                        value = f"{type(error).__name__}: {error}"
                told = sorted({str(each.message) for each in caught if issubclass(each.category, UserWarning)})
                found[case] = plain([value, told]) if told else plain(value)
                print(f"{time.monotonic() - begun:6.1f} s  {case}", file=sys.stderr)
            found = json.loads(json.dumps(found, ensure_ascii=False).replace(name, "TMP"))
    target.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")


def compare(first: Path, second: Path) -> int:
    left, right = (json.loads(path.read_text(encoding="utf-8")) for path in (first, second))
    different = [case for case in {**left, **right} if left.get(case) != right.get(case)]
    for case in different:
        print(f"{case}\n  {str(left.get(case))[:600]}\n  {str(right.get(case))[:600]}")
    print(f"{len(different)} of {len({**left, **right})} differ")
    return bool(different)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--only", default="", help="pictures, modelscope_pipelines, training, commands")
    args = parser.parse_args()
    sys.exit(compare(args.file, args.other) if args.other else record(args.file, args.only))
