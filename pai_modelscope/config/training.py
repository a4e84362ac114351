"""How the one training loop runs."""

from dataclasses import dataclass

from pai_modelscope.config.option import faults_in, option
from pai_modelscope.errors import Fault, UserError

CANNOT_START = "training cannot start: "  # how an error of its options begins
MOST = 10**9  # of what is counted: steps, samples, epochs
MOST_TOGETHER = 2**20  # samples of a process that make a step
# Those of diffusers.optimization.get_scheduler that need no rules of their own.
SCHEDULERS = ("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial")


@dataclass
class TrainingConfig:
    """How the one loop runs; what is trained and on what belongs to the method and the source."""

    output_dir: str = option(
        kind=str,
        help="the run's folder: checkpoints, log.jsonl, run.json, samples, and the result",
        modelscope="work_dir",
    )
    max_train_steps: int = option(
        kind=int,
        help="optimizer steps; 0: num_train_epochs says how many",
        minimum=0,
        maximum=MOST,
        modelscope="max_iters",
    )
    num_train_epochs: float = option(
        0.0,
        help="how often every sample is seen; max_train_steps counts where both are given",
        minimum=0,
        maximum=MOST,
        modelscope="max_epochs",
    )
    train_batch_size: int = option(
        8,
        help="samples a process takes at once",
        minimum=1,
        maximum=MOST_TOGETHER,
        modelscope="dataloader.batch_size_per_gpu",
    )
    gradient_accumulation_steps: int = option(
        1,
        help="batches a process adds up before a step",
        minimum=1,
        maximum=MOST_TOGETHER,
        modelscope="optimizer.options.cumulative_iters",
    )
    optimizer: str = option(
        "adamw",
        help="'adamw' | 'adamw-8bit': less memory | 'prodigy': finds the rate | 'muon': fewer steps",
        choices=("adamw", "adamw-8bit", "prodigy", "muon"),
        modelscope="optimizer.type",
    )
    weights: str = option(
        "float32",
        help="of what learns; 'bfloat16': half the memory, rounded at random, by adamw-8bit",
        choices=("float32", "bfloat16"),
    )
    learning_rate: float = option(
        1e-4, help="at its highest, after the warm-up; with prodigy 1", above=0, modelscope="optimizer.lr"
    )
    scale_lr: bool = option(False, help="multiply learning_rate by the samples of a step, all processes together")
    lr_scheduler: str = option(
        "cosine",
        help="how the rate falls: 'constant', 'linear', 'cosine', ...",
        choices=SCHEDULERS,
        modelscope="lr_scheduler.type",
    )
    lr_warmup_steps: int = option(
        0,
        help="steps over which the learning rate rises from 0",
        minimum=0,
        maximum=MOST,
        modelscope="lr_scheduler.warmup_steps",
    )
    lr_num_cycles: int = option(1, help="how often 'cosine_with_restarts' begins", minimum=1, maximum=MOST)
    lr_power: float = option(1.0, help="of 'polynomial': 1 falls in a straight line", minimum=0)
    adam_beta1: float = option(0.9, help="how long AdamW remembers gradients", minimum=0, below=1)
    adam_beta2: float = option(0.99, help="how long AdamW remembers their squares", minimum=0, below=1)
    adam_epsilon: float = option(1e-8, help="keeps AdamW's steps small where gradients are next to nothing", minimum=0)
    adam_weight_decay: float = option(
        0.01, help="pull of the weights towards 0", minimum=0, modelscope="optimizer.weight_decay"
    )
    max_grad_norm: float = option(
        1.0,
        help="longer gradients are cut to this length; 0: never",
        minimum=0,
        modelscope="optimizer.options.grad_clip.max_norm",
    )
    ema_decay: float = option(
        0.0, help="the result is an average of the weights, such as 0.999; 0: no average is kept", minimum=0, below=1
    )
    mixed_precision: str = option("no", help="'no' | 'bf16' | 'fp16'", choices=("no", "bf16", "fp16"))
    compile: bool = option(False, help="torch.compile: minutes at the start, faster steps after")
    seed: int = option(
        0, help="order of the samples, noise, everything random", minimum=0, maximum=2**32 - 1, modelscope="seed"
    )
    logging_steps: int = option(
        50, help="steps between lines of the log", minimum=1, maximum=MOST, modelscope="logging.interval"
    )
    report_to: str = option(
        "none",
        help="'none' | 'tensorboard' | 'wandb' | 'swanlab' | 'all' of these that are installed",
        choices=("none", "tensorboard", "wandb", "swanlab", "all"),
    )
    validation_steps: int = option(0, help="steps between validation pictures; 0: none", minimum=0, maximum=MOST)
    checkpointing_steps: int = option(
        0,
        help="steps between checkpoints; 0: only at the end",
        minimum=0,
        maximum=MOST,
        modelscope="checkpoint.period.interval",
    )
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

    def check(self) -> None:
        """Raise `UserError` with every value that cannot work."""
        if faults := self.faults():
            raise UserError.of(faults, CANNOT_START)

    def faults(self) -> list[Fault]:
        """Every value that cannot work."""
        faults = faults_in(TrainingConfig, vars(self))
        if not faults and not self.max_train_steps:
            valid = "a whole number of at least 1"
            faults.append(Fault("max_train_steps", f"max_train_steps is 0; give {valid}", valid))
        return faults or self.faults_together()

    def faults_together(self) -> list[Fault]:
        """What can't work together, of values that are each valid."""
        faults = []
        if (together := self.train_batch_size * self.gradient_accumulation_steps) > MOST_TOGETHER:
            message = (
                f"train_batch_size times gradient_accumulation_steps is {together}; valid are up to {MOST_TOGETHER}"
            )
            faults.append(Fault("train_batch_size", message, f"a product of up to {MOST_TOGETHER}"))
        if self.optimizer == "prodigy" and not 0.1 <= self.learning_rate <= 10:
            message = (
                f"learning_rate is {self.learning_rate}; 'prodigy' finds the rate itself and multiplies it by this: "
                "give 1, or from 0.1 to 10 for smaller or larger steps"
            )
            faults.append(Fault("learning_rate", message, "from 0.1 to 10"))
        if self.optimizer == "prodigy" and self.scale_lr:
            message = "scale_lr is on; 'prodigy' finds the rate itself: leave scale_lr out"
            faults.append(Fault("scale_lr", message, "false"))
        if self.lr_scheduler == "polynomial" and 0 < self.max_train_steps <= self.lr_warmup_steps:
            message = (
                f"lr_warmup_steps is {self.lr_warmup_steps} and max_train_steps {self.max_train_steps}; 'polynomial' "
                "needs steps to fall in after the warm-up: give fewer lr_warmup_steps"
            )
            faults.append(Fault("lr_warmup_steps", message, f"below {self.max_train_steps}"))
        if self.lr_scheduler == "polynomial" and 0 < self.learning_rate <= _POLYNOMIAL_END:
            message = (
                f"learning_rate is {self.learning_rate}; 'polynomial' falls to {_POLYNOMIAL_END:g}: give more, or "
                "another lr_scheduler"
            )
            faults.append(Fault("learning_rate", message, f"above {_POLYNOMIAL_END:g}"))
        if self.weights == "bfloat16" and self.optimizer != "adamw-8bit":
            message = (
                f"weights is 'bfloat16' and optimizer {self.optimizer!r}, whose steps would be lost in rounding: set "
                "optimizer to 'adamw-8bit', which rounds at random, or leave weights out"
            )
            faults.append(Fault("optimizer", message, "'adamw-8bit'"))
        if self.weights == "bfloat16" and self.mixed_precision != "bf16":
            message = (
                f"weights is 'bfloat16' and mixed_precision {self.mixed_precision!r}: set mixed_precision to 'bf16'"
            )
            faults.append(Fault("mixed_precision", message, "'bf16'"))
        return faults


_POLYNOMIAL_END = 1e-7  # of diffusers.optimization
