"""The one error that a user sees for bad input."""


class UserError(ValueError):
    """Bad input: the message says in one line what was wrong, what is valid and what to do.

    It takes a single string, because ModelScope re-raises pipeline errors as `type(e)(f'{name}: {e}')`.
    """


def reason(error: Exception) -> str:
    """The first sentence of a library's message, which may go on for a page."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0].rstrip(".")
