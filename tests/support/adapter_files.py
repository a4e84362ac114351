"""Adapter files of every origin, for the tests of adapters; the libraries that own a format make its files."""

import copy
import functools
import json
import re
from pathlib import Path
from typing import Any

import peft
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils.state_dict_utils import (
    convert_state_dict_to_diffusers,
    convert_state_dict_to_kohya,
)
from safetensors.torch import save_file

from pai_modelscope import adapters
from pai_modelscope.adapters.lora_io.file import modules
from pai_modelscope.text.chunks import token_ids

MODEL = Path(adapters.__file__).parents[1] / "assets" / "pai-diffusion-mini-zh"
ATTENTION = r".*attn[12]\.(to_q|to_k|to_v|to_out\.0)"
TEXT = r".*(q_proj|v_proj|fc1)"
Q = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
CONV = "down_blocks.0.resnets.0.conv1"
WIDTH = json.loads((MODEL / "unet/config.json").read_text())["block_out_channels"][1]  # inputs and outputs of Q
VOCABULARY = json.loads((MODEL / "text_encoder/config.json").read_text())["vocab_size"]
CAT = "<小奶猫>"
State = dict[str, torch.Tensor]


@functools.cache
def shipped_pipe() -> Any:
    return StableDiffusionPipeline.from_pretrained(MODEL)


def random_lora(model: Any, pattern: str, rank: int = 4, seed: int = 0) -> State:
    """Both matrices of every layer whose name matches, as if trained."""
    random = torch.Generator().manual_seed(seed)
    state = {}
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d) and re.fullmatch(pattern, name):
            out, *rest = layer.weight.shape
            state[f"{name}.lora_A.weight"] = torch.randn(rank, *rest, generator=random) * 0.1
            state[f"{name}.lora_B.weight"] = torch.randn(out, rank, *[1] * (len(rest) - 1), generator=random) * 0.1
    assert state
    return state


@torch.no_grad()
def unet_output(unet: Any) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    latents, states = torch.randn(1, 4, 8, 8, generator=random), torch.randn(1, 32, 256, generator=random)
    return unet(latents, torch.tensor(500), states).sample


@torch.no_grad()
def outputs(pipe: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return unet_output(pipe.unet), pipe.text_encoder(torch.arange(1, 33)[None])[0]


def same(left: Any, right: Any) -> bool:
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def same_state(left: State, right: State) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def drawn_with(pipe: Any, lora: adapters.LoraFile) -> tuple[torch.Tensor, torch.Tensor]:
    adapters.load_lora(pipe, lora, "tried")
    result = outputs(pipe)
    adapters.unload_lora(pipe, "tried")
    return result


# Files of every kind: each maker leaves what the original program would, and says what a reader must find in it.


def in_legacy_words(state: State, prefix: str = "") -> State:
    """Attention processors' names of 2023."""
    words = {
        f".{layer}.lora_{matrix}.": f".processor.{old}_lora.{side}."
        for layer, old in (("to_q", "to_q"), ("to_k", "to_k"), ("to_v", "to_v"), ("to_out.0", "to_out"))
        for matrix, side in (("A", "down"), ("B", "up"))
    }
    renamed = {}
    for key, tensor in state.items():
        word = next(word for word in words if word in key)
        renamed[prefix + key.replace(word, words[word])] = tensor
    return renamed


def make_legacy(pipe: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    state = random_lora(pipe.unet, ATTENTION)
    torch.save(in_legacy_words(state), folder / "pytorch_lora_weights.bin")
    return folder, {"kind": "legacy attention processors", "unet": state}


def make_checkpoint(pipe: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    state = random_lora(pipe.unet, ATTENTION)
    step = folder / "checkpoint-20"
    step.mkdir()
    (folder / "checkpoint-9").mkdir()
    torch.save({}, folder / "checkpoint-9" / "pytorch_model.bin")
    torch.save({**pipe.unet.state_dict(), **in_legacy_words(state)}, step / "pytorch_model.bin")
    torch.save({"step": 20}, step / "optimizer.bin")
    return folder, {"kind": "checkpoint", "unet": state}


def make_old_diffusers(pipe: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    unet, text = random_lora(pipe.unet, ATTENTION), random_lora(pipe.text_encoder, TEXT, seed=1)
    older = {f"text_model.{key}": tensor for key, tensor in text.items()}
    written = in_legacy_words(unet, "unet.")
    written |= {f"text_encoder.{key}": tensor for key, tensor in convert_state_dict_to_diffusers(older).items()}
    save_file(written, folder / "pytorch_lora_weights.safetensors")
    return folder, {"kind": "diffusers", "unet": unet, "text_encoder": text}


def make_middle_diffusers(pipe: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    """`to_q.lora.down`, as diffusers 0.21 wrote, and an alpha of its own."""
    state = random_lora(pipe.unet, ATTENTION)
    pipe.save_lora_weights(
        folder, unet_lora_layers=convert_state_dict_to_diffusers(dict(state)), safe_serialization=False
    )
    file = folder / "pytorch_lora_weights.bin"
    torch.save({**torch.load(file), f"unet.{Q}.alpha": torch.tensor(2.0)}, file)
    assert f"unet.{Q}.lora.down.weight" in torch.load(file)
    return file, {"kind": "diffusers", "unet": state, "alphas": {f"unet.{Q}": 2.0}}


def make_diffusers(pipe: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    states, headers = {}, {}
    for part, pattern in (("unet", ATTENTION), ("text_encoder", TEXT)):
        config = peft.LoraConfig(
            r=4, lora_alpha=6, target_modules=pattern, alpha_pattern={"attn1.to_q|layers.0.*q_proj": 3}
        )
        states[part] = random_lora(getattr(pipe, part), pattern)
        headers[f"{part}_lora_adapter_metadata"] = config.to_dict()
    layers = {f"{part}_lora_layers": state for part, state in states.items()}
    pipe.save_lora_weights(folder, **layers, **headers)
    alphas = {f"{part}.{name}": 6.0 for part, state in states.items() for name in modules(state)}
    alphas |= {name: 3.0 for name in alphas if re.search(r"attn1.to_q|layers.0.*q_proj", name)}
    return folder / "pytorch_lora_weights.safetensors", {"kind": "diffusers", "alphas": alphas, **states}


def make_peft(pipe: Any, folder: Path, **more: Any) -> tuple[Path, dict[str, Any]]:
    pattern = f"{ATTENTION}|.*conv1"
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=pattern, rank_pattern={"conv1": 2}, **more)
    tuned = peft.get_peft_model(copy.deepcopy(pipe.unet), config)
    torch.manual_seed(3)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
        if "magnitude" in name:
            parameter.data *= 1.1
    tuned.save_pretrained(folder)
    state = {
        key.removeprefix("base_model.model."): tensor for key, tensor in peft.get_peft_model_state_dict(tuned).items()
    }
    ranks = {name: 2 if name.endswith("conv1") else 4 for name in modules(state)}
    scale = (lambda rank: rank**0.5) if more.get("use_rslora") else lambda rank: 1
    alphas = {f"unet.{name}": 8.0 * scale(rank) for name, rank in ranks.items()}
    return folder, {"kind": "PEFT", "unet": state, "alphas": alphas, "output": unet_output(tuned.eval())}


def make_rslora(pipe: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    return make_peft(pipe, folder, use_rslora=True)


def make_dora(pipe: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    return make_peft(pipe, folder, use_dora=True)


def make_kohya(pipe: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Every layer of both parts, convolutions too, with alphas that kohya's trainer would have written."""
    unet, text = random_lora(pipe.unet, ".*"), random_lora(pipe.text_encoder, ".*", rank=2, seed=1)
    both = {f"unet.{key}": t for key, t in unet.items()} | {f"text_encoder.text_model.{k}": t for k, t in text.items()}
    written = convert_state_dict_to_kohya(both)
    written = {key.replace("lora_te1_", "lora_te_"): tensor for key, tensor in written.items()}
    written |= {key: torch.tensor(1.0) for key in written if key.endswith(".alpha")}
    header = {"ss_network_dim": "4", "modelspec.trigger_phrase": "水墨, 写意"}
    save_file(written, folder / "墨.safetensors", header)
    names = [f"unet.{name}" for name in modules(unet)] + [f"text_encoder.{name}" for name in modules(text)]
    found = {"kind": "kohya", "unet": unet, "text_encoder": text, "alphas": dict.fromkeys(names, 1.0)}
    return folder / "墨.safetensors", found | {"trigger_words": ["水墨", "写意"]}


def make_swift(pipe: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    """ms-swift's folders: a part, an adapter, and the adapter's name within the tensors' names."""
    states = {"unet": random_lora(pipe.unet, ATTENTION), "text_encoder": random_lora(pipe.text_encoder, TEXT)}
    for part, state in states.items():
        inner = folder / part / "default"
        inner.mkdir(parents=True)
        named = {key.replace(".weight", ".default.weight"): tensor for key, tensor in state.items()}
        torch.save(named, inner / "adapter_model.bin")
        (inner / "adapter_config.json").write_text(json.dumps({"swift_type": "LORA", "r": 4, "lora_alpha": 32}))
    names = [f"{part}.{name}" for part, state in states.items() for name in modules(state)]
    return folder, {"kind": "swift", "alphas": dict.fromkeys(names, 32.0), **states}


MAKERS = [
    make_legacy,
    make_checkpoint,
    make_old_diffusers,
    make_middle_diffusers,
    make_diffusers,
    make_peft,
    make_rslora,
    make_dora,
    make_kohya,
    make_swift,
]


def spoilt(pipe: Any, how: str) -> tuple[adapters.LoraFile, str]:
    """A LoRA that does not fit the model, and what must be said of it."""
    unet = random_lora(pipe.unet, ATTENTION)
    key = next(key for key in unet if "attn2.to_k.lora_A" in key)
    if how == "nothing matches":
        unet = {key.replace("blocks.", "blocks.9"): tensor for key, tensor in unet.items()}
        return adapters.LoraFile("PEFT", unet), "missing in the model"
    if how == "a part matches":
        unet["down_blocks.7.extra.lora_A.weight"], unet["down_blocks.7.extra.lora_B.weight"] = torch.ones(2, 4, 4)
        return adapters.LoraFile("PEFT", unet), r"1 of its \d+ modules don't, unet.down_blocks.7.extra \(missing"
    if how == "text encoder":
        text = random_lora(pipe.text_encoder, TEXT)
        text = {k: t.repeat(1, 2) if "lora_A" in k else t for k, t in text.items()}
        return adapters.LoraFile("PEFT", unet, text), "text_encoder.encoder.layers.0"
    if how == "magnitude":
        dora = {f"{name}.lora_magnitude_vector": torch.ones(3) for name in modules(unet)}
        return adapters.LoraFile("PEFT", unet | dora), "3 magnitudes"
    width = {"SDXL": 2048, "SD 2.x": 1024, "SD 1.x or PAI-Diffusion": 768}[how]
    wide = {k: torch.ones(4, width) if re.search(r"attn2.to_[kv].lora_A", k) else t for k, t in unet.items()}
    assert wide[key].shape == (4, width)
    return (
        adapters.LoraFile("PEFT", wide),
        rf"{re.escape(how)} \(cross_attention_dim {width}\); this model is the mini model \(cross_attention_dim 256\)",
    )


def vectors(count: int, width: int = 256) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(count))


def rows_read(sampler: Any, text: str, *files: str) -> torch.Tensor:
    """The rows (n, width) that a sampler's text encoder reads for a text, with the words of these embeddings' files."""
    vocabulary = sampler._adapters.vocabulary(files)
    ids = torch.tensor(token_ids(vocabulary.tokenizer, [text])[0])
    encoder = sampler.pipe.text_encoder
    with vocabulary.before(encoder):
        return encoder.get_input_embeddings()(ids)


def make_embedding(kind: str, rows: torch.Tensor, folder: Path) -> Path:
    if kind == "learned_embeds.bin":
        torch.save({CAT: rows[0] if len(rows) == 1 else rows}, folder / kind)
        return folder
    if kind == "learned_embeds.safetensors":
        save_file({CAT: rows}, folder / kind)
        return folder
    if kind == "webui.pt":
        content = {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.nn.Parameter(rows)}, "name": CAT}
        torch.save({**content, "step": 500, "sd_checkpoint": None}, folder / kind)
        return folder / kind
    save_file({"emb_params": rows}, folder / f"{CAT}.safetensors")
    return folder / f"{CAT}.safetensors"
