"""Options of methods as another package would bring them; imports no torch."""

from dataclasses import dataclass

from pai_modelscope.config.option import option
from pai_modelscope.errors import Fault
from pai_modelscope.methods.denoising_options import DenoisingOptions
from pai_modelscope.methods.spec import MethodSpec, RunOptions


@dataclass
class BiasOptions(DenoisingOptions):
    """Only the biases of the UNet learn."""

    blocks: str = option("up", help="which blocks' biases learn", choices=("up", "down"))

    @property
    def writes_model(self) -> bool:
        return True

    def faults(self, run: RunOptions) -> list[Fault]:
        message = "snr_gamma does nothing here: leave it out"
        return super().faults(run) + ([Fault("snr_gamma", message)] if self.snr_gamma is not None else [])


@dataclass
class TwoPhaseOptions(DenoisingOptions):
    """Biases below learn at every step, those above at every other one."""

    @property
    def writes_model(self) -> bool:
        return True


def spec(name: str) -> MethodSpec:
    return MethodSpec(name, BiasOptions, "tests.support.plugin:BiasFineTuning")


BIASES = spec("biases")
TWO_PHASES = MethodSpec("two-phases", TwoPhaseOptions, "tests.support.plugin:TwoPhaseFineTuning")
