"""Which model a command opens."""

from dataclasses import dataclass

from pai_modelscope.config.option import option


@dataclass
class ModelOptions:
    """The model that learns."""

    pretrained_model_name_or_path: str = option("pai-diffusion-mini-zh", help="folder, name of 'zoo list' or hub id")
    revision: str | None = option(None, help="of a hub's model: branch, tag or commit")


DEFAULT_MODEL = ModelOptions.pretrained_model_name_or_path
