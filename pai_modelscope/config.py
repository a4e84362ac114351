"""Every option that a user can set, and the only place where its default is written."""

from dataclasses import dataclass
from typing import Any


@dataclass
class GenerationOptions:
    """How a picture is made. `None` means: what the model folder recommends, else the value in the comment."""

    negative_prompt: str = ""
    num_inference_steps: int | None = None  # 20
    guidance_scale: float | None = None  # 7.5
    guidance_rescale: float | None = None  # 0.0
    height: int | None = None  # the model's own, pixels
    width: int | None = None
    num_images_per_prompt: int = 1
    seed: int | list[int] | None = None  # random, and reported
    scheduler: str | None = None  # the model's own
    clip_skip: int | None = None
    output_type: str = "bgr"  # 'bgr' (uint8 array) or 'pil'
    batch_size: int | None = None  # pictures denoised at once: 1 on a CPU, 8 on a GPU
    batch_pos: int | None = None  # remake a picture of a batch: its row (from 0) among `batch_size` rows
    image: Any = None  # start from this picture: a path, PIL picture, BGR array, bytes or data URL
    strength: float | None = None  # how far from `image` to go: 0.6, with a mask 1.0
    resize: str = "crop"  # how `image` comes to height and width: 'crop', 'fit' (pad) or 'stretch'
    mask: Any = None  # what of `image` is drawn anew: white; the rest comes back unchanged
    mask_blur: int = 4  # pixels over which new and old blend
    mask_only: bool = False  # draw just the surroundings of the mask, at full height and width
    mask_padding: int = 32  # pixels around the mask that `mask_only` draws too
    outpaint: tuple[int, int, int, int] | None = None  # pixels to draw around `image`: left, right, top, bottom
    loras: Any = None  # {'poem.safetensors': 0.4}: a file, zoo name or loaded name, and its weight
    embeddings: Any = None  # files whose words the texts may use, such as `<小奶猫>`
    control: Any = None  # pictures that steer, by ControlNet: {'canny': picture}, see sampling/controls.py
    upscale: int | None = None  # the finished picture so many times larger per side: 2 or 4
    upscaler: str | None = None  # 'hires' (drawn over at the large size) or 'realesrgan' (an extra): 'hires'
    upscale_strength: float | None = None  # how far 'hires' goes from the finished picture: 0.2


# What a `None` above means where the model folder recommends nothing.
GENERATION_FALLBACKS = {"num_inference_steps": 20, "guidance_scale": 7.5, "guidance_rescale": 0.0}
# How far to go from a picture, and under a mask, where `strength` is left open.
IMAGE_STRENGTH, MASK_STRENGTH = 0.6, 1.0
# How a picture is enlarged where only `upscale` is given. At 0.2 the shipped model sharpens edges and leaves shapes as
# they are, from 0.3 contours fray, and from 0.4 it draws patches into what was plain.
UPSCALER, UPSCALE_STRENGTH = "hires", 0.2


@dataclass
class TrainingConfig:
    """How the one loop runs; what is trained and on what belongs to the method and the source."""

    output_dir: str  # the run's folder: checkpoints, log.jsonl, run.json, samples, and the result
    max_train_steps: int  # optimizer steps
    train_batch_size: int = 8  # samples a process takes at once
    gradient_accumulation_steps: int = 1  # batches a process adds up before a step
    optimizer: str = "adamw"  # 'adamw' | 'muon' (where whole networks learn: fewer steps)
    learning_rate: float = 1e-4  # at its highest, after the warm-up
    scale_lr: bool = False  # multiply learning_rate by the samples of a step, all processes together
    lr_scheduler: str = "cosine"  # 'constant', 'constant_with_warmup', 'linear', 'cosine', 'polynomial', ...
    lr_warmup_steps: int = 0  # steps over which the learning rate rises from 0
    adam_beta1: float = 0.9  # how long AdamW remembers gradients
    adam_beta2: float = 0.99  # how long AdamW remembers their squares
    adam_weight_decay: float = 0.01  # pull of the weights towards 0
    max_grad_norm: float = 1.0  # longer gradients are cut to this length; 0: never
    ema_decay: float = 0.0  # the result is an average of the weights, such as 0.999; 0: no average is kept
    mixed_precision: str = "no"  # 'no' | 'bf16' | 'fp16'
    compile: bool = False  # torch.compile: minutes at the start, faster steps after
    seed: int = 0  # order of the samples, noise, everything random
    logging_steps: int = 50  # steps between lines of the log
    report_to: str = "none"  # 'none' | 'tensorboard' | 'wandb' | 'swanlab' | 'all' of these that are installed
    validation_steps: int = 0  # steps between validation pictures; 0: none
    checkpointing_steps: int = 0  # steps between checkpoints; 0: only at the end
    checkpoints_total_limit: int = 1  # the newest checkpoints that are kept; 0: all
    resume_from_checkpoint: str | None = None  # 'latest', or the folder of a checkpoint; None: begin anew
    max_train_seconds: float = 0.0  # 0: no limit; else save, stop and leave the rest to a resumed run
    max_loss_ratio: float = 10.0  # stop when the loss is so many times its median: it explodes; 0: never

    def problems(self) -> list[str]:
        """Every value that cannot work, as one sentence each."""
        found = [
            f"{name} is {getattr(self, name)}; it must be at least {least}"
            for name, least in _LEAST.items()
            if getattr(self, name) < least
        ]
        if self.learning_rate <= 0:
            found.append(f"learning_rate is {self.learning_rate}; it must be positive")
        if not 0 <= self.ema_decay < 1:
            found.append(f"ema_decay is {self.ema_decay}; it must be in [0, 1)")
        for name, valid in _VALID.items():
            if getattr(self, name) not in valid:
                found.append(f"{name} is {getattr(self, name)!r}; valid are {', '.join(map(repr, valid))}")
        return found


_LEAST = {
    **dict.fromkeys(("max_train_steps", "train_batch_size", "gradient_accumulation_steps", "logging_steps"), 1),
    **dict.fromkeys(("lr_warmup_steps", "checkpointing_steps", "checkpoints_total_limit", "validation_steps"), 0),
    **dict.fromkeys(("adam_weight_decay", "max_grad_norm", "max_train_seconds", "max_loss_ratio"), 0),
}
_VALID = {
    "optimizer": ("adamw", "muon"),
    # Those of diffusers.optimization.get_scheduler that need no rules of their own.
    "lr_scheduler": ("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"),
    "mixed_precision": ("no", "bf16", "fp16"),
    "report_to": ("none", "tensorboard", "wandb", "swanlab", "all"),
}
