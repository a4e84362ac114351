"""PEFT's configuration beside or within an adapter's file: how strongly each module works."""

import math
from pathlib import Path

from pai_modelscope.adapters.kinds import ChangeOptions, State
from pai_modelscope.adapters.lora_io.modules import Strength, rank_of
from pai_modelscope.adapters.lora_io.patterns import Patterns
from pai_modelscope.config.option import Bounds, problem_of_number, short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.untrusted import Json

KINDS = ("LORA", "LOHA", "LOKR", "IA3", "OFT", "BOFT")
# PEFT's initialisations that change the base model's weights too, so that the two matrices are not all there is.
_CHANGE_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
_FLAGS = ("use_rslora", "use_dora", "coft", "block_share", "use_cayley_neumann")
_NOT_READ = {"modules_to_save": "whole layers beside the matrices", "lora_bias": "biases of the matrices"}
_TERMS = Bounds(minimum=1, maximum=1000)


class PeftConfig:
    """The configuration of one part of a model, each value checked where it is asked for."""

    def __init__(self, values: dict[str, Json], file: Path):
        """Raises `UserError` for adapters that are none of `KINDS`, and for patterns that are not understood."""
        self._values, self._file = values, file
        self.kind = str(values.get("peft_type") or values.get("swift_type") or "LORA").upper()
        if self.kind not in KINDS:
            raise UserError(
                f"{file} is an adapter of the kind {self.kind[:40]}, which can't be loaded: {', '.join(KINDS)} can."
            )
        start = str(values.get("init_lora_weights", "")).lower()
        if start.startswith(_CHANGE_THE_BASE):
            raise UserError(
                f"{file} was trained with init_lora_weights={start[:40]!r}, which changes the base model too: it can't "
                "be loaded alone. Convert it to a plain LoRA with PEFT first "
                "(`path_initial_model_for_weight_conversion`)."
            )
        for name in _FLAGS:
            if not isinstance(values.get(name), bool | None):
                raise UserError(
                    f"In the configuration of {file}, {name} is {short_repr(values[name])}; give true or false."
                )
        for name, what in _NOT_READ.items():
            if values.get(name):
                raise UserError(f"{file} was trained with {name}, {what}: that can't be loaded.")
        self._patterns = {
            name: Patterns(values.get(name) or {}, f"{name} of {file}") for name in ("rank_pattern", "alpha_pattern")
        }

    def alpha(self, module: str) -> float | None:
        """Times the root of the rank with rsLoRA, as `Strength` has it; None where nothing tells."""
        key = "lora_alpha" if self.kind == "LORA" else "alpha"
        if self._values.get(key) is None:
            return None
        return self._number(key, self._of(module, "alpha_pattern", self._values[key]))

    def rank(self, module: str) -> float | None:
        value = self._of(module, "rank_pattern", self._values.get("r"))
        return None if value is None else self._number("r", value, Bounds(minimum=1))

    def check_dora(self, magnitudes: bool) -> None:
        """Raise `UserError` where the configuration says DoRA, and the file has no magnitudes."""
        if self._values.get("use_dora") and not magnitudes:
            raise UserError(
                f"The configuration of {self._file} says use_dora, and the file has no magnitudes "
                "(lora_magnitude_vector): it is incomplete. Download or copy it again."
            )

    @property
    def rank_stabilised(self) -> bool:
        return bool(self._values.get("use_rslora"))

    def oft(self) -> ChangeOptions:
        """What the formula of PEFT's OFT needs; where the configuration lacks a value, PEFT's default."""
        terms = self._number("num_cayley_neumann_terms", self._values.get("num_cayley_neumann_terms", 5), _TERMS)
        return {
            "coft": bool(self._values.get("coft", False)),
            "eps": self._number("eps", self._values.get("eps", 6e-5)),
            "block_share": bool(self._values.get("block_share", False)),
            "use_cayley_neumann": bool(self._values.get("use_cayley_neumann", True)),
            "num_cayley_neumann_terms": int(terms),
        }

    def feeds_forward(self, module: str) -> bool:
        """Whether IA3 works on a module's inputs."""
        names = self._values.get("feedforward_modules") or []
        listed = [names] if isinstance(names, str) else names
        values: Json = {str(name): True for name in listed} if isinstance(listed, list | dict) else None
        return bool(Patterns(values, f"feedforward_modules of {self._file}").get(module, False))

    def _of(self, module: str, pattern: str, usual: Json) -> Json:
        """CLIP's modules may be named with 'text_model.' or without."""
        value = self._patterns[pattern].get(module, None)
        return self._patterns[pattern].get(f"text_model.{module}", usual) if value is None else value

    def _number(self, name: str, value: Json, bounds: Bounds = Bounds()) -> float:  # noqa: B008
        fault = problem_of_number(name, value, whole=False, bounds=bounds)
        if fault or not isinstance(value, int | float):
            raise UserError(f"In the configuration of {self._file}, {fault}: it is damaged.")
        return float(value)


def strength(config: PeftConfig | None, module: str, piece: State, where: str) -> Strength:
    """Read what the configuration says of one module. Raises `UserError` where it says nothing that is needed."""
    if config is None:
        if _OF_PEFT & piece.keys():
            raise UserError(f"{where} is PEFT's: its adapter_config.json is missing. Copy it too.")
        return Strength()
    alpha = config.alpha(module)
    options: ChangeOptions = {}
    if "oft_R" in piece:
        options = config.oft()
    if "ia3_l" in piece:
        shape = piece["ia3_l"].shape
        on_input = shape[0] == 1 if len(shape) == 2 and max(shape) > 1 else config.feeds_forward(module)
        options = {"on_input": on_input}
    rank: float | None = rank_of(piece)
    if config.kind == "LOKR":
        rank = config.rank(module)  # nothing in the file tells where neither factor is a product
    if alpha is not None and rank and config.rank_stabilised:
        alpha *= math.sqrt(rank)  # rsLoRA divides by the root of the rank: the same strength, said in the usual way
    return Strength(alpha, rank, options)


_OF_PEFT = {"ia3_l", "oft_R", "boft_R"}
