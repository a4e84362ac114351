"""What a file, a package or an author says of a licence, and whether the picture may be used."""

import re
from collections.abc import Iterable

ALLOWED_LICENSES = ("Apache-2.0", "CC-BY-3.0", "CC-BY-4.0", "CC0-1.0", "MIT", "Public-Domain")

# How the sources spell the licences that are allowed. Whatever is not here is not allowed, share-alike included.
_SPELLINGS = {
    "Apache 2.0": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "CC-BY-3.0": "CC-BY-3.0",
    "CC BY 4.0": "CC-BY-4.0",
    "CC-BY-4.0": "CC-BY-4.0",
    "https://creativecommons.org/licenses/by/4.0/": "CC-BY-4.0",
    "CC0 1.0": "CC0-1.0",
    "CC0-1.0": "CC0-1.0",
    "https://creativecommons.org/publicdomain/zero/1.0/": "CC0-1.0",
    "MIT": "MIT",
    "http://web.resource.org/cc/PublicDomain": "Public-Domain",
    "http://creativecommons.org/licenses/publicdomain/": "Public-Domain",
}
# Words beside a free licence that contradict it. In metadata and comments a drawing's coordinates can't match them.
_CONTRADICTIONS = re.compile(
    r"copyleft|art libre|L?GPL|General Public|share.?alike|non.?commercial|all rights reserved|"
    r"copyright (?:protected|\(c\)|©|[12]\d{3})|©|\(c\) ?[12]\d{3}",
    re.IGNORECASE,
)


class LicenseError(ValueError):
    """A picture may not be used; the message is the reason, in a few words that can be counted."""


def agreed_license(statements: Iterable[str | None]) -> str:
    """Return the one allowed licence that all `statements` name.

    Args:
        statements: the licence as each place spells it: a package's metadata, a LICENSE file, the picture itself.

    Raises:
        LicenseError: nothing is stated, a statement is not on the list, or two of them differ.
    """
    stated = list(statements)
    if not stated or not all(stated):
        raise LicenseError("no licence stated")
    names = {str(statement): _SPELLINGS.get(str(statement).strip()) for statement in stated}
    if unknown := sorted(statement for statement, name in names.items() if name is None):
        raise LicenseError(f"licence not allowed: {unknown[0]}")
    found = sorted({str(name) for name in names.values()})
    if len(found) > 1:
        raise LicenseError(f"licences differ: {' and '.join(found)}")
    return found[0]


def contradiction(text: str) -> str | None:
    """Return the first words of `text` that speak against free use, None if there are none."""
    match = _CONTRADICTIONS.search(text)
    return match.group() if match else None
