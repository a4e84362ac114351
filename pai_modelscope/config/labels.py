"""The label on generated pictures that Chinese law demands: where it stands, and who is named in it."""

from dataclasses import dataclass

from pai_modelscope.config.option import option

PRODUCER = "pai_modelscope"
PRODUCER_VARIABLE = "PAI_MODELSCOPE_AIGC_PRODUCER"  # of the environment


@dataclass
class LabelOptions:
    """How the files of generated pictures are labelled (GB 45438-2025)."""

    aigc_label: str | None = option(
        None,
        help="where a file says that it was generated: metadata (in the file), visible (in a corner of the picture), "
        "both, or off",
        absent="metadata; both for a service that others reach",
        choices=("off", "metadata", "visible", "both"),
    )
    aigc_producer: str | None = option(
        None,
        help="who generates, in that label: a provider's code, or a name of visible ASCII characters",
        absent=f"the environment variable {PRODUCER_VARIABLE}, else {PRODUCER}",
    )
