"""What a model folder says beside its weights: configurations and vocabulary, in a folder or in a file's header."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pai_modelscope import limits
from pai_modelscope.checkpoints.single_file.names import TEXT_TOWERS, Slot, slots
from pai_modelscope.errors import UserError, printable, reason
from pai_modelscope.untrusted import Json, parse_json, read_bytes
from pai_modelscope.zoo.folders import CONFIGURATION, SMALLEST

KEY = "pai_modelscope."  # what begins the entries of a file's header that hold these texts
INDEX, CONTROLNET = "model_index.json", "config.json"
# A file's header names what is written to a disk: nothing but these, whatever it says.
FILES = (
    INDEX,
    CONFIGURATION,
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    *(
        f"tokenizer/{name}.json"
        for name in ("tokenizer", "tokenizer_config", "special_tokens_map", "added_tokens", "vocab")
    ),
    "tokenizer/vocab.txt",
    "tokenizer/merges.txt",
    "unet/config.json",
    "vae/config.json",
)
_CLASSES = {"unet": ("UNet2DConditionModel",), "vae": ("AutoencoderKL",), "text_encoder": TEXT_TOWERS}
_PARTS = (*_CLASSES, "scheduler", "tokenizer")


@dataclass(frozen=True)
class Description:
    """`texts`: by their path in the folder; `source`: who says so, for messages."""

    texts: dict[str, str]
    source: str

    @property
    def is_model(self) -> bool:
        """Whether it is a model, else a ControlNet."""
        return INDEX in self.texts

    def json(self, path: str) -> dict[str, Json]:
        """The object in one of the texts."""
        try:
            content = parse_json(self.texts[path], f"{path} of {self.source}")
        except KeyError:
            raise UserError(f"{self.source} lacks {path}: it is incomplete.") from None
        if not isinstance(content, dict):
            raise UserError(f"{path} of {self.source} can't be read as a JSON object: it is damaged.")
        return content

    def parts(self) -> dict[str, dict[str, Slot]]:
        """The places of all tensors, by part ('controlnet' alone of a ControlNet)."""
        try:
            if not self.is_model:
                return {"controlnet": slots("controlnet", self.json(CONTROLNET))}
            tower = _class_name(self.json(INDEX).get("text_encoder"))  # one of `_CLASSES`, see `_as_written`
            return {part: slots(part, self.json(f"{part}/config.json"), tower) for part in _CLASSES}
        except UserError as error:
            raise UserError(f"{self.source} can't be converted: {error}") from None


def of_folder(folder: Path, source: str) -> Description:
    """What a model's or a ControlNet's folder says; `UserError` for one of neither kind."""
    if (folder / INDEX).is_file():
        return _as_written({path: _read(folder / path) for path in FILES if (folder / path).is_file()}, source)
    if (folder / CONTROLNET).is_file():
        described = Description({CONTROLNET: _read(folder / CONTROLNET)}, source)
        if described.json(CONTROLNET).get("_class_name") == "ControlNetModel":
            return described
    raise UserError(
        f"{source} is neither a model's folder ({INDEX}) nor a ControlNet's ({CONTROLNET} of a ControlNetModel). For "
        "LoRAs and embeddings there is `pai-modelscope adapter convert`."
    )


def of_header(metadata: dict[str, str], source: str) -> Description | None:
    """What the header of a single file of ours says; None where another program wrote it."""
    texts = {path: metadata[KEY + path] for path in (*FILES, CONTROLNET) if KEY + path in metadata}
    if INDEX in texts:
        return _as_written({path: text for path, text in texts.items() if path != CONTROLNET}, source)
    return Description({CONTROLNET: texts[CONTROLNET]}, source) if CONTROLNET in texts else None


def header(described: Description) -> dict[str, str]:
    """The texts as entries of a file's header."""
    return {KEY + path: text for path, text in described.texts.items()}


def _read(path: Path) -> str:
    try:
        return read_bytes(path, limits.JSON_BYTES).decode("utf-8")  # byte for byte, as it is written again
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read as text ({reason(error)}). Download or copy it again.") from None


def _as_written(texts: dict[str, str], source: str) -> Description:
    """A model's texts as its new folder needs them: of five parts, and opening alike in every library."""
    described = Description(texts, source)
    index = described.json(INDEX)
    for part, allowed in _CLASSES.items():
        entry = index.get(part)
        if _class_name(entry) not in allowed:
            wanted, valid = str(entry)[:80], " or ".join(allowed)
            raise UserError(f"{source} can't be converted: its {INDEX} names {wanted} for the {part}, not {valid}.")
    # No single file holds a safety checker.
    plain: dict[str, Json] = {part: [None, None] if _is_part(part, entry) else entry for part, entry in index.items()}
    if "requires_safety_checker" in plain:
        plain["requires_safety_checker"] = False
    # transformers loads in the dtype that is stored, diffusers in float32: the two would not meet.
    tower = described.json("text_encoder/config.json")
    new: dict[str, Mapping[str, object]] = {
        INDEX: plain,
        "text_encoder/config.json": {**tower, "dtype": "float32", "torch_dtype": "float32"},
        CONFIGURATION: described.json(CONFIGURATION) if CONFIGURATION in texts else SMALLEST,
    }
    rewritten = {path: _dump(content) for path, content in new.items() if _changed(texts.get(path), content)}
    return Description(texts | rewritten, source)


def _class_name(entry: object) -> str:
    """The class that an entry of model_index.json names; empty where it names none."""
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 else ""


def _is_part(part: str, entry: object) -> bool:
    return isinstance(entry, list) and part not in _PARTS


def _changed(text: str | None, content: Mapping[str, object]) -> bool:
    return text is None or parse_json(text, "it") != content


def _dump(content: Mapping[str, object]) -> str:
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    return text if text == printable(text) else json.dumps(content, indent=2) + "\n"  # halves of characters
