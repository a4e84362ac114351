"""Lines that articles of 2023 print and diffusers no longer runs, made to work again where the user asks for it.

`pipe.unet.load_attn_procs(torch.load(lora_path))` loaded a LoRA until diffusers 0.38; since then it raises a
`ValueError`, for it takes the attention processors of Custom Diffusion alone. After `enable()` it loads LoRAs, too:

```python
import pai_modelscope.compat

pai_modelscope.compat.enable()  # undone by disable(); or: with pai_modelscope.compat.enable(): ...
pipe.unet.load_attn_procs(torch.load('checkpoint-500/pytorch_model.bin'))
pipe('一首诗', cross_attention_kwargs={'scale': 0.4})
```

Nothing is changed before `enable()`, and `torch.load` is never changed: it reads plain tensors alone, as ever.
"""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from pai_modelscope.errors import UserError

if TYPE_CHECKING:
    from diffusers import ModelMixin
    from diffusers.loaders.unet import UNet2DConditionLoadersMixin

_MARK = "wrapped_by_pai_modelscope_compat"
_NAMES = ("attn_procs", "attn_procs_again")  # of the LoRA that is loaded, by turns


class Enabled:
    """What `enable` gives: as a context manager, it ends in `disable`."""

    def __enter__(self) -> "Enabled":
        return self

    def __exit__(self, *_: object) -> None:
        disable()


def enable() -> Enabled:
    """Have `unet.load_attn_procs` take LoRAs, as a dictionary of tensors, a file or a folder. Repeating it is harmless.

    What it loads replaces what it has loaded before, as in 2023. It raises `UserError` for what holds no LoRA, or one
    that does not fit the model; the model is then as it was. Custom Diffusion's processors, and names of a hub, go to
    diffusers' own method.
    """
    mixin = _mixin()
    original = mixin.load_attn_procs
    if not hasattr(original, _MARK):
        mixin.load_attn_procs = _wrapped(original)
    return Enabled()


def disable() -> None:
    """diffusers is as it was; LoRAs that were loaded stay where they are. Repeating it is harmless."""
    mixin = _mixin()
    mixin.load_attn_procs = getattr(mixin.load_attn_procs, _MARK, mixin.load_attn_procs)


def _mixin() -> "type[UNet2DConditionLoadersMixin]":
    from diffusers.loaders.unet import UNet2DConditionLoadersMixin

    mixin: type[UNet2DConditionLoadersMixin] = UNet2DConditionLoadersMixin
    return mixin


def _wrapped(original: Callable[..., object]) -> Callable[..., object]:
    import functools

    @functools.wraps(original)
    def load_attn_procs(self: "ModelMixin", source: object, **options: object) -> object:
        place = _local(source, options.get("weight_name"), options.get("subfolder"))
        is_lora = isinstance(source, dict) and not any("custom_diffusion" in str(key) for key in source)
        if not is_lora and place is None:
            return original(self, source, **options)
        _load(self, source if place is None else place)
        return None

    setattr(load_attn_procs, _MARK, original)
    return load_attn_procs


def _local(source: object, weight_name: object, subfolder: object) -> Path | None:
    """The file or folder that a path names, unless it holds Custom Diffusion; None for all else."""
    if not isinstance(source, str | os.PathLike) or not os.path.exists(source):
        return None
    place = Path(source, *(part for part in (subfolder, weight_name) if isinstance(part, str)))
    return None if "custom_diffusion" in place.name or any(place.glob("*custom_diffusion*")) else place


def _load(unet: "ModelMixin", source: object) -> None:
    from pai_modelscope.adapters import load_lora, loaded_loras, read_lora, unload_lora
    from pai_modelscope.adapters.lora_io.read import lora_of

    lora = read_lora(source) if isinstance(source, Path) else lora_of(source)
    if not lora.unet and not lora.changes:
        raise UserError(f"{source if isinstance(source, Path) else 'the state dict'} holds no LoRA of a UNet")
    model = SimpleNamespace(unet=unet)
    before = [name for name in _NAMES if name in loaded_loras(model)]
    load_lora(model, lora, next(name for name in _NAMES if name not in before))
    for name in before:
        unload_lora(model, name)
