"""How the one training loop runs."""

import math
from dataclasses import dataclass


@dataclass
class TrainingConfig:
    """How the one loop runs; what is trained and on what belongs to the method and the source."""

    output_dir: str  # the run's folder: checkpoints, log.jsonl, run.json, samples, and the result
    max_train_steps: int  # optimizer steps; 0: num_train_epochs says how many
    num_train_epochs: float = 0.0  # how often every sample is seen; max_train_steps counts where both are given
    train_batch_size: int = 8  # samples a process takes at once
    gradient_accumulation_steps: int = 1  # batches a process adds up before a step
    optimizer: str = "adamw"  # 'adamw' | 'adamw-8bit': less memory | 'prodigy': finds the rate | 'muon': fewer steps
    weights: str = "float32"  # of what learns; 'bfloat16': half the memory, rounded at random, by adamw-8bit
    learning_rate: float = 1e-4  # at its highest, after the warm-up; with prodigy 1
    scale_lr: bool = False  # multiply learning_rate by the samples of a step, all processes together
    lr_scheduler: str = "cosine"  # 'constant', 'constant_with_warmup', 'linear', 'cosine', 'polynomial', ...
    lr_warmup_steps: int = 0  # steps over which the learning rate rises from 0
    lr_num_cycles: int = 1  # how often 'cosine_with_restarts' begins
    lr_power: float = 1.0  # of 'polynomial': 1 falls in a straight line
    adam_beta1: float = 0.9  # how long AdamW remembers gradients
    adam_beta2: float = 0.99  # how long AdamW remembers their squares
    adam_epsilon: float = 1e-8  # keeps AdamW's steps small where gradients are next to nothing
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
    overwrite_output_dir: bool = False  # begin anew where an earlier run left checkpoints: they are removed
    max_train_seconds: float = 0.0  # 0: no limit; else save, stop and leave the rest to a resumed run
    max_loss_ratio: float = 10.0  # stop when the loss is so many times its median: it explodes; 0: never

    def problems(self) -> list[str]:
        """Every value that cannot work, as one sentence each."""
        found = [
            f"{name} is {getattr(self, name)}; it must be at least {least}"
            for name, least in _LEAST.items()
            if not getattr(self, name) >= least  # nan is none
        ]
        if not 0 < self.learning_rate < math.inf:
            found.append(f"learning_rate is {self.learning_rate}; it must be positive")
        if not 0 <= self.seed < 2**32:
            found.append(f"seed is {self.seed}; it must be in [0, 2**32)")
        for name in ("adam_beta1", "adam_beta2", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                found.append(f"{name} is {getattr(self, name)}; it must be in [0, 1)")
        found += self._odd_together()
        for name, valid in _VALID.items():
            if getattr(self, name) not in valid:
                found.append(f"{name} is {getattr(self, name)!r}; valid are {', '.join(map(repr, valid))}")
        return found

    def _odd_together(self) -> list[str]:
        found = []
        if self.optimizer == "prodigy" and not 0.1 <= self.learning_rate <= 10:
            found.append(
                f"learning_rate is {self.learning_rate}; 'prodigy' finds the rate itself and multiplies it by this: "
                "give 1, or from 0.1 to 10 for smaller or larger steps"
            )
        if self.optimizer == "prodigy" and self.scale_lr:
            found.append("scale_lr is on; 'prodigy' finds the rate itself: leave scale_lr out")
        if self.lr_scheduler == "polynomial" and 0 < self.max_train_steps <= self.lr_warmup_steps:
            found.append(
                f"lr_warmup_steps is {self.lr_warmup_steps} and max_train_steps {self.max_train_steps}; 'polynomial' "
                "needs steps to fall in after the warm-up: give fewer lr_warmup_steps"
            )
        if self.lr_scheduler == "polynomial" and 0 < self.learning_rate <= _POLYNOMIAL_END:
            found.append(
                f"learning_rate is {self.learning_rate}; 'polynomial' falls to {_POLYNOMIAL_END:g}: give more, or "
                "another lr_scheduler"
            )
        if self.weights == "bfloat16" and self.optimizer != "adamw-8bit":
            found.append(
                f"weights is 'bfloat16' and optimizer {self.optimizer!r}, whose steps would be lost in rounding: set "
                "optimizer to 'adamw-8bit', which rounds at random, or leave weights out"
            )
        if self.weights == "bfloat16" and self.mixed_precision != "bf16":
            found.append(
                f"weights is 'bfloat16' and mixed_precision {self.mixed_precision!r}: set mixed_precision to 'bf16'"
            )
        return found


_POLYNOMIAL_END = 1e-7  # of diffusers.optimization
_LEAST = {
    **dict.fromkeys(("max_train_steps", "train_batch_size", "gradient_accumulation_steps", "logging_steps"), 1),
    "lr_num_cycles": 1,
    **dict.fromkeys(("lr_warmup_steps", "checkpointing_steps", "checkpoints_total_limit", "validation_steps"), 0),
    **dict.fromkeys(
        ("adam_epsilon", "adam_weight_decay", "lr_power", "max_grad_norm", "max_train_seconds", "max_loss_ratio"), 0
    ),
}
_VALID = {
    "optimizer": ("adamw", "adamw-8bit", "prodigy", "muon"),
    "weights": ("float32", "bfloat16"),
    # Those of diffusers.optimization.get_scheduler that need no rules of their own.
    "lr_scheduler": ("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"),
    "mixed_precision": ("no", "bf16", "fp16"),
    "report_to": ("none", "tensorboard", "wandb", "swanlab", "all"),
}
