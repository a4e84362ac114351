"""Options of Textual Inversion."""

from dataclasses import dataclass

from pai_modelscope.config.option import option
from pai_modelscope.errors import Fault
from pai_modelscope.methods.denoising_options import DenoisingOptions
from pai_modelscope.methods.spec import RunOptions

MOST_VECTORS = 75  # more than a prompt's chunk holds


@dataclass
class TextualInversionOptions(DenoisingOptions):
    """A new word learns."""

    placeholder_token: str = option("", help="the word, such as <小奶猫>")
    initializer_token: str = option(
        "", help="a word that comes near, such as 猫; of several characters each gives its share"
    )
    num_vectors: int = option(1, help="vectors of the word", minimum=1, maximum=MOST_VECTORS)
    learnable_property: str = option(
        "object", help="'object' | 'style': which sentences the word stands in", choices=("object", "style")
    )
    save_as_full_pipeline: bool = option(False, help="write the whole model too, whose tokenizer knows the word")
    # A caption that is left out has no word to learn from.
    caption_dropout: float = option(0.0, help="share of captions left out, for guidance", minimum=0, maximum=1)

    @property
    def text_encoder_learns(self) -> bool:
        return True  # the vectors of the word lie in it

    def faults(self, run: RunOptions) -> list[Fault]:
        faults = super().faults(run)
        if run.data.replay_data_dir:
            message = (
                f"replay_data_dir is not for {run.spec.name}: nothing that the model knows changes, so leave it out"
            )
            faults.append(Fault("replay_data_dir", message))
        return faults

    def result_names(self, run_name: str) -> tuple[str, ...]:
        return ("learned_embeds.safetensors",)
