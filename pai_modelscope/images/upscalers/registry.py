"""Which upscalers there are that draw nothing over. One more is a file beside this one, and a line here."""

from pai_modelscope.images.upscalers import painter, realesrgan
from pai_modelscope.images.upscalers.upscaler import Upscaler

UPSCALERS = {upscaler.name: upscaler for upscaler in (painter.UPSCALER, realesrgan.UPSCALER)}
INFOTEXT_NAMES = {upscaler.infotext_name: upscaler for upscaler in UPSCALERS.values()}


def offered() -> tuple[str, ...]:
    """The names that messages list as valid."""
    return tuple(upscaler.name for upscaler in UPSCALERS.values() if upscaler.offered())


def upscaler_of_infotext(infotext_name: str) -> Upscaler:
    """The upscaler that a picture's parameters name; for those of other programs, Real-ESRGAN is the nearest."""
    return INFOTEXT_NAMES.get(infotext_name, realesrgan.UPSCALER)
