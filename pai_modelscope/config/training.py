"""How the one training loop runs."""

from dataclasses import dataclass

from pai_modelscope.config.option import option, problems_of

MOST = 10**9  # of what is counted: steps, samples, epochs
MOST_TOGETHER = 2**20  # samples of a process that make a step
# Those of diffusers.optimization.get_scheduler that need no rules of their own.
SCHEDULERS = ("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial")


@dataclass
class TrainingConfig:
    """How the one loop runs; what is trained and on what belongs to the method and the source."""

    output_dir: str = option(help="the run's folder: checkpoints, log.jsonl, run.json, samples, and the result")
    max_train_steps: int = option(help="optimizer steps; 0: num_train_epochs says how many", minimum=0, maximum=MOST)
    num_train_epochs: float = option(
        0.0, help="how often every sample is seen; max_train_steps counts where both are given", minimum=0, maximum=MOST
    )
    train_batch_size: int = option(8, help="samples a process takes at once", minimum=1, maximum=MOST_TOGETHER)
    gradient_accumulation_steps: int = option(
        1, help="batches a process adds up before a step", minimum=1, maximum=MOST_TOGETHER
    )
    optimizer: str = option(
        "adamw",
        help="'adamw' | 'adamw-8bit': less memory | 'prodigy': finds the rate | 'muon': fewer steps",
        choices=("adamw", "adamw-8bit", "prodigy", "muon"),
    )
    weights: str = option(
        "float32",
        help="of what learns; 'bfloat16': half the memory, rounded at random, by adamw-8bit",
        choices=("float32", "bfloat16"),
    )
    learning_rate: float = option(1e-4, help="at its highest, after the warm-up; with prodigy 1", above=0)
    scale_lr: bool = option(False, help="multiply learning_rate by the samples of a step, all processes together")
    lr_scheduler: str = option(
        "cosine", help="how the rate falls: 'constant', 'linear', 'cosine', ...", choices=SCHEDULERS
    )
    lr_warmup_steps: int = option(0, help="steps over which the learning rate rises from 0", minimum=0, maximum=MOST)
    lr_num_cycles: int = option(1, help="how often 'cosine_with_restarts' begins", minimum=1, maximum=MOST)
    lr_power: float = option(1.0, help="of 'polynomial': 1 falls in a straight line", minimum=0)
    adam_beta1: float = option(0.9, help="how long AdamW remembers gradients", minimum=0, below=1)
    adam_beta2: float = option(0.99, help="how long AdamW remembers their squares", minimum=0, below=1)
    adam_epsilon: float = option(1e-8, help="keeps AdamW's steps small where gradients are next to nothing", minimum=0)
    adam_weight_decay: float = option(0.01, help="pull of the weights towards 0", minimum=0)
    max_grad_norm: float = option(1.0, help="longer gradients are cut to this length; 0: never", minimum=0)
    ema_decay: float = option(
        0.0, help="the result is an average of the weights, such as 0.999; 0: no average is kept", minimum=0, below=1
    )
    mixed_precision: str = option("no", help="'no' | 'bf16' | 'fp16'", choices=("no", "bf16", "fp16"))
    compile: bool = option(False, help="torch.compile: minutes at the start, faster steps after")
    seed: int = option(0, help="order of the samples, noise, everything random", minimum=0, maximum=2**32 - 1)
    logging_steps: int = option(50, help="steps between lines of the log", minimum=1, maximum=MOST)
    report_to: str = option(
        "none",
        help="'none' | 'tensorboard' | 'wandb' | 'swanlab' | 'all' of these that are installed",
        choices=("none", "tensorboard", "wandb", "swanlab", "all"),
    )
    validation_steps: int = option(0, help="steps between validation pictures; 0: none", minimum=0, maximum=MOST)
    checkpointing_steps: int = option(0, help="steps between checkpoints; 0: only at the end", minimum=0, maximum=MOST)
    checkpoints_total_limit: int = option(
        1, help="the newest checkpoints that are kept; 0: all", minimum=0, maximum=MOST
    )
    resume_from_checkpoint: str | None = option(None, help="'latest', or the folder of a checkpoint; None: begin anew")
    overwrite_output_dir: bool = option(
        False, help="begin anew where an earlier run left checkpoints: they are removed"
    )
    max_train_seconds: float = option(
        0.0, help="0: no limit; else save, stop and leave the rest to a resumed run", minimum=0
    )
    max_loss_ratio: float = option(
        10.0, help="stop when the loss is so many times its median: it explodes; 0: never", minimum=0
    )

    def problems(self) -> list[str]:
        """Every value that cannot work, as one sentence each."""
        problems = problems_of(self)
        if not problems and not self.max_train_steps:
            problems.append("max_train_steps is 0; give a whole number of at least 1")
        return problems or self.problems_together()

    def problems_together(self) -> list[str]:
        """What can't work together, of values that are each valid."""
        problems = []
        if (together := self.train_batch_size * self.gradient_accumulation_steps) > MOST_TOGETHER:
            problems.append(
                f"train_batch_size times gradient_accumulation_steps is {together}; valid are up to {MOST_TOGETHER}"
            )
        if self.optimizer == "prodigy" and not 0.1 <= self.learning_rate <= 10:
            problems.append(
                f"learning_rate is {self.learning_rate}; 'prodigy' finds the rate itself and multiplies it by this: "
                "give 1, or from 0.1 to 10 for smaller or larger steps"
            )
        if self.optimizer == "prodigy" and self.scale_lr:
            problems.append("scale_lr is on; 'prodigy' finds the rate itself: leave scale_lr out")
        if self.lr_scheduler == "polynomial" and 0 < self.max_train_steps <= self.lr_warmup_steps:
            problems.append(
                f"lr_warmup_steps is {self.lr_warmup_steps} and max_train_steps {self.max_train_steps}; 'polynomial' "
                "needs steps to fall in after the warm-up: give fewer lr_warmup_steps"
            )
        if self.lr_scheduler == "polynomial" and 0 < self.learning_rate <= _POLYNOMIAL_END:
            problems.append(
                f"learning_rate is {self.learning_rate}; 'polynomial' falls to {_POLYNOMIAL_END:g}: give more, or "
                "another lr_scheduler"
            )
        if self.weights == "bfloat16" and self.optimizer != "adamw-8bit":
            problems.append(
                f"weights is 'bfloat16' and optimizer {self.optimizer!r}, whose steps would be lost in rounding: set "
                "optimizer to 'adamw-8bit', which rounds at random, or leave weights out"
            )
        if self.weights == "bfloat16" and self.mixed_precision != "bf16":
            problems.append(
                f"weights is 'bfloat16' and mixed_precision {self.mixed_precision!r}: set mixed_precision to 'bf16'"
            )
        return problems


_POLYNOMIAL_END = 1e-7  # of diffusers.optimization
