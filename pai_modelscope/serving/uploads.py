"""Pictures that clients sent: kept under a name made of the client and the content, so that none can name another's."""

import base64
import binascii
import hashlib
import os
import time
from pathlib import Path

from pai_modelscope.errors import UserError
from pai_modelscope.files import whole
from pai_modelscope.images.open_images import open_image
from pai_modelscope.serving.admission import UPLOAD


class Uploads:
    """A folder of pictures as they came."""

    def __init__(self, folder: Path):
        self._folder = folder

    def add(self, client: str, content: bytes) -> str:
        """Keep a picture; gives the id by which this client names it.

        Raises:
            UserError: no picture, or one beyond the bounds of `limits`.
        """
        open_image(content)  # guarded, and the only time before it is drawn from
        name = _name(client, content)
        path = self._folder / name
        if path.exists():
            os.utime(path)  # it is as young as its last use
        else:
            with whole(path) as partial:
                partial.write_bytes(content)
        return UPLOAD + name

    def keep(self, client: str, reference: str) -> str:
        """The upload of a data URL; of an id, itself, if this client's picture is there.

        Raises:
            UserError: neither.
        """
        if reference.startswith(UPLOAD):
            content = self.content(reference)
            if UPLOAD + _name(client, content) != reference:
                raise UserError("there is no such upload: send the picture again")
            return self.add(client, content)
        head, comma, body = reference.partition(",")
        if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
            raise UserError("a data URL begins with 'data:image/png;base64,'")
        try:
            return self.add(client, base64.b64decode(body, validate=True))
        except (binascii.Error, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError("the data URL is no base64") from None

    def content(self, reference: str) -> bytes:
        """Raises `UserError`: it was removed, or never there."""
        name = reference.removeprefix(UPLOAD)
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise UserError("an upload's id is 'upload:' and 64 digits, as it was answered")
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            raise UserError("there is no such upload: send the picture again") from None

    def remove_old(self, seconds: float) -> None:
        """Remove what was not used for so long."""
        oldest = time.time() - seconds
        for path in self._folder.glob("*"):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def _name(client: str, content: bytes) -> str:
    return hashlib.sha256(f"{client}\n".encode() + content).hexdigest()
