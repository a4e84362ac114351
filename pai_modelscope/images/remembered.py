"""Files that a picture was made from, as its parameters name them: a path, and the digest of the content.

The parameters may be a stranger's. A remembered file is used only if its content has the digest, so they can't have a
file of the user's drawn over that they do not know already; and they name no place on the network.
"""

import re

from pai_modelscope import limits

_DIGEST = re.compile(r"[0-9a-f]{16}")
_ELSEWHERE = re.compile(r"[\\/]{2}|[A-Za-z][A-Za-z0-9+.\-]+:")  # \\server\share, https:, data:; C: is a drive


class RememberedFile(str):
    """The path of a picture that another was made from (empty where it had none), and the digest of its content."""

    digest: str

    @classmethod
    def read(cls, text: str) -> "RememberedFile":
        """Raises `ValueError` for what `write` does not write."""
        path, _, digest = text.rpartition("#")
        if not _DIGEST.fullmatch(digest) or len(path) > limits.PATH_CHARACTERS:
            raise ValueError("no path with the digest of a file's content")
        if _ELSEWHERE.match(path) or "\0" in path:
            raise ValueError("no path of a file on this machine")
        picture = cls(path)
        picture.digest = digest
        return picture

    @staticmethod
    def write(path: str, digest: str) -> str:
        return f"{path}#{digest}"
