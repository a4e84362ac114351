"""Which fine-tuning methods there are: the package's, those of installed packages, and those that a program registers.

A package brings a method by an entry point: in its `pyproject.toml`

    [project.entry-points."pai_modelscope.methods"]
    biases = "its_package.options:BIASES"

where BIASES is a `MethodSpec`. Its module is imported when somebody asks for the methods, and imports no torch itself.
"""

from collections.abc import Callable

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.methods.controlnet.options import ControlNetOptions
from pai_modelscope.methods.dreambooth.options import DreamBoothOptions
from pai_modelscope.methods.full.options import FullOptions
from pai_modelscope.methods.lora.options import LoraOptions
from pai_modelscope.methods.spec import MethodOptions, MethodSpec
from pai_modelscope.methods.textual_inversion.options import TextualInversionOptions
from pai_modelscope.plugins import installed

GROUP = "pai_modelscope.methods"  # of entry points
_HERE = "pai_modelscope.methods"
_BUILT_IN = (
    MethodSpec("full", FullOptions, f"{_HERE}.full.method:WholeModelFineTuning"),
    MethodSpec("lora", LoraOptions, f"{_HERE}.lora.method:LoraFineTuning"),
    MethodSpec(
        "textual-inversion", TextualInversionOptions, f"{_HERE}.textual_inversion.method:TextualInversionFineTuning"
    ),
    MethodSpec("dreambooth", DreamBoothOptions, f"{_HERE}.dreambooth.method:DreamBoothFineTuning"),
    MethodSpec("controlnet", ControlNetOptions, f"{_HERE}.controlnet.method:ControlNetFineTuning"),
)
_registered: dict[str, MethodSpec] = {spec.name: spec for spec in _BUILT_IN}
_followers: list[Callable[[MethodSpec], None]] = []


def register_method(spec: MethodSpec) -> None:
    """Add a method of one's own: the command line, `fine_tune` and ModelScope's trainers then know it.

    Raises `UserError` for what is no `MethodSpec`, and if another method has its name.
    """
    if not isinstance(spec, MethodSpec):
        raise UserError(f"register_method takes a MethodSpec, not {short_repr(spec)}")
    if (known := methods().get(spec.name, spec)) != spec:
        raise UserError(f"there is a method {spec.name!r} already ({known.target}): give it another name")
    _registered[spec.name] = spec
    for follow in _followers:
        follow(spec)


def methods() -> dict[str, MethodSpec]:
    """All methods by their names. Warns, once, of an installed one that can't be used."""
    others = installed(GROUP, "method", _checked)
    return _registered | {spec.name: spec for spec in others if spec.name not in _registered}


def method_named(name: str) -> MethodSpec:
    """Raises `UserError` with the names that there are."""
    known = methods()
    if name not in known:
        raise UserError(f"there is no method {name!r}; valid are {', '.join(known)}")
    return known[name]


def follow_methods(follow: Callable[[MethodSpec], None]) -> None:
    """Call `follow` with every method that there is, and with each that is registered later."""
    for spec in methods().values():
        follow(spec)
    _followers.append(follow)


def _checked(loaded: object, place: str) -> MethodSpec:
    if not isinstance(loaded, MethodSpec) or not issubclass(loaded.options, MethodOptions):
        raise TypeError(f"{place} is no MethodSpec")
    if loaded.name in _registered:
        raise ValueError(f"there is a method {loaded.name!r} already")
    return loaded
