"""The model card of a result: where it comes from and how it was made, in plain facts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from huggingface_hub import ModelCardData

import pai_modelscope
from pai_modelscope.config import TrainingConfig
from pai_modelscope.files import write_text

_SHOWN = (
    "train_batch_size",
    "gradient_accumulation_steps",
    "optimizer",
    "weights",
    "learning_rate",
    "lr_scheduler",
    "lr_warmup_steps",
    "adam_weight_decay",
    "max_grad_norm",
    "ema_decay",
    "mixed_precision",
    "seed",
)


@dataclass(frozen=True)
class CardFacts:
    """What only the caller of `train` knows; the card says 'unknown' of what is left open."""

    base_model: str = ""  # a hub id or a name of the zoo
    data: str = ""  # what it was trained on, in a sentence
    licence: str = ""  # of the base model, such as 'apache-2.0': what is trained from it inherits it
    usage: str = ""  # Python that uses the result
    options: Mapping[str, object] = field(default_factory=dict)  # all but the loop's, by their names, for run.json


def write_card(
    folder: Path, method: str, config: TrainingConfig, facts: CardFacts, step: int, samples: int, loss: float | None
) -> None:
    """README.md in `folder`. `samples`: of a step; `loss`: the last that was logged."""
    write_text(folder / "README.md", card(method, config, facts, step, samples, loss))


def card(method: str, config: TrainingConfig, facts: CardFacts, step: int, samples: int, loss: float | None) -> str:
    settings = asdict(config)
    rows = "\n".join(f"| {name} | {settings[name]} |" for name in _SHOWN)
    stopped = "" if step >= config.max_train_steps else f" It was stopped before its {config.max_train_steps} steps."
    final = f"the last logged loss is {loss:.4f}" if loss is not None else "no loss was logged"
    usage = f"```python\n{facts.usage.strip()}\n```" if facts.usage else "No use was described."
    return f"""{_head(facts)}
# {Path(config.output_dir).name}

Made by {method} of pai_modelscope {pai_modelscope.__version__} from {_base(facts)}.

## Use

{usage}

## Data

{facts.data or "The data was not described."}

## Training

{step} steps of {samples} samples; {final}.{stopped} The run folder's run.json holds all settings and versions.

| setting | value |
| --- | --- |
{rows}

## Limits

It was not evaluated beyond its training loss and the validation pictures in the run folder, if there are any. What the
base model cannot draw, and the biases of its data, remain; a small data set may be reproduced rather than learned.

## Licence

{_licence(facts)}
"""


def _base(facts: CardFacts) -> str:
    return f"`{facts.base_model}`" if facts.base_model else "a base model that is unknown"


def _licence(facts: CardFacts) -> str:
    if facts.licence:
        return f"{facts.licence}, inherited from {_base(facts)}; the licence of the data may limit use further."
    return f"Unknown: that of the base model holds, and the licence of {_base(facts)} was not stated."


def _head(facts: CardFacts) -> str:
    """The front matter, as hubs read it."""
    front_matter = ModelCardData(
        license=facts.licence or None,
        base_model=facts.base_model or None,
        library_name="diffusers",
        language="zh",
        tags=["pai_modelscope"],
    )
    return f"---\n{front_matter.to_yaml()}\n---\n"
