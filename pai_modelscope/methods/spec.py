"""What is known of a fine-tuning method before torch is imported: its name, its options, where its class is."""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import TYPE_CHECKING

from pai_modelscope.config.data import DataOptions
from pai_modelscope.config.training import TrainingConfig
from pai_modelscope.config.validation import ValidationOptions
from pai_modelscope.errors import Fault, UserError, reason

if TYPE_CHECKING:
    from pai_modelscope.methods.base import Method
    from pai_modelscope.methods.fine_tuning import FineTuning

_WHOLE_MODEL = ("model_index.json", "unet", "text_encoder", "vae", "tokenizer", "scheduler")


@dataclass
class MethodOptions:
    """Base class of the options of a method. Its module imports no torch: the command line's help shows them."""

    @property
    def writes_model(self) -> bool:
        """Whether weights of the model itself learn, so that the result is a whole model."""
        return False

    def faults(self, run: "RunOptions") -> list[Fault]:
        """What can't work together, or would do nothing, of values that are each valid.

        `run`: all options of the run; nothing of it is opened yet.
        """
        return self.validation_faults(run)

    def validation_faults(self, run: "RunOptions") -> list[Fault]:
        """`faults` of the validation's options; most methods draw their validation pictures from prompts alone."""
        if not run.validation.validation_images:
            return []
        message = f"validation_images are for a ControlNet, not for {run.spec.name}: leave them out"
        return [Fault("validation_images", message)]

    def result_names(self, run_name: str) -> tuple[str, ...]:
        """Files and folders that the result of a run called `run_name` will hold, as far as they are known before."""
        return _WHOLE_MODEL if self.writes_model else ()


@dataclass(frozen=True)
class MethodSpec:
    """A fine-tuning method: `MethodSpec('lora', LoraOptions, 'pai_modelscope.methods.lora.method:LoraFineTuning')`."""

    name: str  # `pai-modelscope train NAME`, and ModelScope's trainer 'pai-diffusion-NAME'
    options: type[MethodOptions]  # a dataclass; the first sentence of its docstring is the method's line in the help
    target: str  # 'module:Class' of a `FineTuning`, imported when a run begins

    def load(self) -> "type[FineTuning[MethodOptions, Method]]":
        """The class. Raises `UserError` if it can't be imported."""
        module, _, name = self.target.partition(":")
        try:
            cls: type[FineTuning[MethodOptions, Method]] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            why = f"{self.target} can't be imported ({reason(error)})"
            raise UserError(f"the method {self.name!r} can't be used: {why}") from error
        return cls

    def groups(self) -> dict[type, "list[Field[object]]"]:
        """The options of a run by this method, by the class that declares them, in the order in which help shows them.

        A default that a method changes stays in the place of the option that it changes.
        """
        classes = [part for part in self.options.__mro__ if part is not object]
        declared = {name: part for part in classes for name in inspect.get_annotations(part)}
        of_method = {
            part: [field for field in fields(self.options) if declared.get(field.name) is part] for part in classes
        }
        return {
            DataOptions: list(fields(DataOptions)),
            **{part: group for part, group in of_method.items() if group},
            TrainingConfig: list(fields(TrainingConfig)),
            ValidationOptions: list(fields(ValidationOptions)),
        }

    def fields(self) -> "dict[str, Field[object]]":
        """The same by their names."""
        return {field.name: field for group in self.groups().values() for field in group}


@dataclass(frozen=True)
class RunOptions:
    """All options of a run, each part for the one that reads it."""

    spec: MethodSpec
    model: str
    revision: str | None
    data: DataOptions
    method: MethodOptions
    loop: TrainingConfig
    validation: ValidationOptions
    without_effect: Mapping[str, str]  # options of diffusers' scripts that were given and do nothing here, and why


def first_sentence(options: type) -> str:
    """What a class of options says of itself in a list."""
    return (options.__doc__ or "").split(".")[0].split(";")[0].strip()
