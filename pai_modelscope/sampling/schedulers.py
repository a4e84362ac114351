"""Schedulers by the names that WebUI users know, each built from the model's own scheduler configuration.

A name is a sampler's, and after it the schedule of its noise where that is not the model's own: 'DPM++ 2M', 'DPM++ 2M
Karras'. Which of diffusers' classes is which sampler follows the table of diffusers' documentation
(api/schedulers/overview). Every scheduler here begins at pure noise if the model does, see `pure_noise`.
"""

import copy
import difflib
import functools
import re
import warnings
from collections.abc import Callable, Mapping

import diffusers
from diffusers import SchedulerMixin

from pai_modelscope.errors import UserError
from pai_modelscope.sampling import pure_noise

_Builder = Callable[[Mapping[str, object]], SchedulerMixin]

# The original WebUI's seven (Euler, Euler a, DPM++, DDIM, DDPM, PNDM, Heun) and today's: the class and its options.
_SAMPLERS: dict[str, tuple[type[SchedulerMixin], dict[str, object]]] = {
    "DPM++ 2M": (pure_noise.Multistep, {"algorithm_type": "dpmsolver++"}),
    "DPM++ 2M SDE": (pure_noise.Multistep, {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ 3M SDE": (pure_noise.Multistep, {"algorithm_type": "sde-dpmsolver++", "solver_order": 3}),
    "DPM++ SDE": (pure_noise.Singlestep, {"algorithm_type": "sde-dpmsolver++", "lower_order_final": True}),
    "UniPC": (pure_noise.UniPC, {}),
    "Euler": (pure_noise.Euler, {}),
    "Euler a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "Heun": (pure_noise.Heun, {}),
    "LMS": (pure_noise.LMS, {}),
    "DPM2": (pure_noise.DPM2, {}),
    "DPM2 a": (pure_noise.DPM2Ancestral, {}),
    "DEIS": (pure_noise.DEIS, {"algorithm_type": "deis", "solver_type": "logrho"}),
    "DDIM": (diffusers.DDIMScheduler, {}),
    "DDPM": (diffusers.DDPMScheduler, {}),
    "PNDM": (pure_noise.PNDM, {"skip_prk_steps": True}),
    "LCM": (diffusers.LCMScheduler, {}),
}
# The WebUI's schedules that diffusers has, and the option of those classes that know them. Not Beta: it needs scipy,
# and where it places two steps within one timestep, diffusers' classes lose count of the steps.
_SCHEDULES: dict[str, dict[str, object]] = {
    "Karras": {"use_karras_sigmas": True},
    "Exponential": {"use_exponential_sigmas": True},
    "SGM Uniform": {"timestep_spacing": "trailing"},
}
_SPREAD = tuple(option for options in _SCHEDULES.values() for option in options if option.startswith("use_"))


def _build(cls: type[SchedulerMixin], options: Mapping[str, object]) -> _Builder:
    keys = _keys(cls)

    def build(config: Mapping[str, object]) -> SchedulerMixin:
        # Latents have no fixed range: clipping them, a default of several classes, would spoil every picture.
        changes = {"clip_sample": False, "thresholding": False, "trained_betas": config.get("trained_betas")}
        changes |= {option: False for option in (*_SPREAD, "use_beta_sigmas") if option in keys}
        if config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in keys:
            changes["trained_betas"] = pure_noise.pure_noise_betas(config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return cls.from_config(dict(config), **{**changes, **options})

    return build


def _keys(cls: type[SchedulerMixin]) -> set[str]:
    """The options that a class has."""
    keys: set[str] = cls._get_init_keys(cls)
    return keys


def _builders() -> dict[str, _Builder]:
    builders = {}
    for name, (cls, options) in _SAMPLERS.items():
        builders[name] = _build(cls, options)
        if not issubclass(cls, pure_noise.SpreadSigmas | diffusers.EulerAncestralDiscreteScheduler):
            continue  # not one of k-diffusion's kind, to which the WebUI's schedules apply
        for schedule, of_schedule in _SCHEDULES.items():
            if of_schedule.keys() <= _keys(cls):
                builders[f"{name} {schedule}"] = _build(cls, {**options, **of_schedule})
    return builders


SCHEDULERS = _builders()

# Other names: those of k-diffusion, of ComfyUI, of InvokeAI and of diffusers' classes, squeezed.
_ALIASES = {
    "plms": "PNDM",
    "eulerancestral": "Euler a",
    "dpmpp": "DPM++ 2M",
    "dpmsolvermultistep": "DPM++ 2M",
    "unipcmultistep": "UniPC",
    "eulerdiscrete": "Euler",
    "eulerancestraldiscrete": "Euler a",
    "heundiscrete": "Heun",
    "lmsdiscrete": "LMS",
    "deismultistep": "DEIS",  # `own_name` calls it so
    "kdpm2": "DPM2",
    "kdpm2a": "DPM2 a",
    "kdpm2discrete": "DPM2",
    "kdpm2ancestraldiscrete": "DPM2 a",
    "dpm2ancestral": "DPM2 a",
    "unipcbh2": "UniPC",
}
# Samplers of the WebUI, of Forge and of ComfyUI that diffusers has not, and what comes nearest: of the same family and
# order, with fresh noise where they have it. diffusers' table names none for the first two.
_NEAREST = {
    "DPM++ 2S a": "DPM++ SDE",
    "DPM++ 2S": "DPM++ 2M",
    "DPM++ 3M": "DPM++ 2M",
    "DPM fast": "DPM++ 2M",
    "DPM adaptive": "DPM++ 2M",
    "DPM++ 2M SDE Heun": "DPM++ 2M SDE",
    "Restart": "Heun",
    "HeunPP2": "Heun",
    "IPNDM": "PNDM",
    "IPNDM_V": "PNDM",
    "DDIM CFG++": "DDIM",
    "Euler CFG++": "Euler",
    "Euler a CFG++": "Euler a",
    "TCD": "LCM",
    "SA Solver": "DPM++ 2M SDE",
    "ER SDE": "DPM++ 3M SDE",
    "Res Multistep": "DPM++ 2M",
    "Seeds 2": "DPM++ SDE",
    "Kohaku LoNyu Yog": "DPM++ 2M SDE",
    "Gradient estimation": "Euler",
}

# The same of schedules: Align Your Steps and KL Optimal are as dense as Karras' where there is little noise; empty: the
# sampler without a schedule.
_NEAREST_SCHEDULES = {"KL Optimal": "Karras", "Align Your Steps": "Karras", "Beta": "", "DDIM": "", "Turbo": ""}
# What `own_name` may answer; pictures remember other schedulers of model folders by their class.
_OWN_NAMES = {"DPM++ 2M", "UniPC", "Euler", "Euler a", "Heun", "LMS", "DDIM", "DDPM", "PNDM", "LCM"}


def scheduler_name(name: str) -> str:
    """The name in SCHEDULERS that is meant: case, spaces and underscores are free, diffusers' class names are known.

    Raises:
        UserError: none of them is meant; it names the nearest.
    """
    if found := _known(name):
        return found
    valid = f"valid are {', '.join(_SAMPLERS)}; most also with {', '.join(_SCHEDULES)} after the name"
    if nearest := nearest_scheduler(name):
        raise UserError(f"scheduler {name[:100]!r} is not known here, the nearest is {nearest!r}; {valid}")
    known = {_squeeze(each): each for each in SCHEDULERS}
    close = difflib.get_close_matches(_squeeze(name[:100]), known, n=1)
    hint = f" (did you mean {known[close[0]]!r}?)" if close else ""
    raise UserError(f"scheduler {name[:100]!r} is unknown{hint}, {valid}")


def nearest_scheduler(name: str) -> str | None:
    """The name in SCHEDULERS that comes nearest to another program's sampler; None if nothing is known of it."""
    if found := _known(name):
        return found
    sampler, schedule = _split(name, (*_SCHEDULES, *_NEAREST_SCHEDULES))
    foreign = {_squeeze(each): nearest for each, nearest in _NEAREST.items()}
    begins = [each for each in _SAMPLERS if re.match(re.escape(each) + r"[\s_]", sampler, re.IGNORECASE)]
    near = foreign.get(_squeeze(sampler)) or _known(sampler) or max(begins, key=len, default=None)
    if near is None:
        return None
    whole = f"{near} {_NEAREST_SCHEDULES.get(schedule, schedule)}".strip()
    return whole if whole in SCHEDULERS else near


def _known(name: str) -> str | None:
    sampler, schedule = _split(name, tuple(_SCHEDULES))
    known = {_squeeze(each): each for each in _SAMPLERS} | _ALIASES
    text = _squeeze(sampler).removesuffix("scheduler").removesuffix("gpu")
    found = known.get(text) or known.get(text.removeprefix("k"))  # k-diffusion's own: k_euler_a
    whole = f"{found} {schedule}".strip()
    return whole if whole in SCHEDULERS else None


def _split(name: str, schedules: tuple[str, ...]) -> tuple[str, str]:
    """A sampler and its schedule, empty where none is named: ('DPM++ 2M', 'Karras')."""
    for schedule in schedules:
        tail = r"[\s_]*" + schedule.replace(" ", r"[\s_]*") + r"\s*$"
        found = re.search(tail, name[-100:], re.IGNORECASE)
        if found and (sampler := name[: len(name) - len(found.group())]):
            return sampler, schedule
    return name, ""


def build_scheduler(name: str, own: SchedulerMixin) -> SchedulerMixin:
    """The scheduler of a name, over the schedule of the model's `own`, which it is where the name is its own."""
    return on_cpu(own if name == own_name(own) else SCHEDULERS[name](own.config))


def on_cpu(scheduler: SchedulerMixin) -> SchedulerMixin:
    """A copy whose timesteps stay on the CPU, so that looking one up does not wait for the GPU in every step."""
    copied = copy.copy(scheduler)
    set_timesteps = copied.set_timesteps

    @functools.wraps(set_timesteps)
    def set_timesteps_on_cpu(*args: object, device: object = None, **kwargs: object) -> None:
        set_timesteps(*args, device="cpu", **kwargs)

    copied.set_timesteps = set_timesteps_on_cpu
    return copied


def own_name(scheduler: SchedulerMixin) -> str:
    """The name for the scheduler that a model folder carries: one of SCHEDULERS, else diffusers' without the suffix."""
    name = type(scheduler).__name__.removesuffix("Scheduler")
    config = scheduler.config
    if name == "DPMSolverMultistep" and config.algorithm_type in ("dpmsolver++", "sde-dpmsolver++"):
        sde, karras = config.algorithm_type.startswith("sde"), config.use_karras_sigmas
        return {(0, 0): "DPM++ 2M", (0, 1): "DPM++ 2M Karras", (1, 0): "DPM++ 2M SDE"}.get((sde, karras), name)
    if config.get("use_karras_sigmas"):
        return f"{name} Karras"
    known = _ALIASES.get(name.lower(), name)
    return known if known in _OWN_NAMES else name


def _squeeze(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("++", "pp"))
