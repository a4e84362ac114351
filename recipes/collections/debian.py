"""Unpacked Debian packages."""

import gzip
from pathlib import Path


def changelog(package: str) -> Path:
    """Return where a package's own changelog lies, from the root it was unpacked into."""
    return Path("usr/share/doc") / package / "changelog.Debian.gz"


def check_version(root: Path, package: str, version: str) -> None:
    """Check that `package` was unpacked into `root` in the version whose pictures were named.

    Raises:
        FileNotFoundError: it was not unpacked there.
        RuntimeError: it is another version.
    """
    path = root / changelog(package)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; unpack {package} there: dpkg -x PACKAGE.deb {root}")
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
        first = lines.readline().strip()
    if f"({version})" not in first:
        raise RuntimeError(f"{package} is {first!r}; the names were written for {version}.")
