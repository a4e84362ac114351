"""Libraries' notices that say nothing to a user, held back while a model is opened."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Show only errors of transformers and diffusers, and no bar for the second that loading takes."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging

    before = [(log, log.get_verbosity()) for log in (logging, diffusers_logging)]
    bar = logging.is_progress_bar_enabled()
    for log, _ in before:
        log.set_verbosity_error()
    if bar:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        for log, verbosity in before:
            log.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
