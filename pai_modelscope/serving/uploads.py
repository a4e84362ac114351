"""Pictures that clients sent: kept under a name made of the client and the content, so that none can name another's."""

import base64
import binascii
import hashlib
import io
import os
import threading
import time
from collections.abc import Set
from pathlib import Path

from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.files import remove, whole
from pai_modelscope.images.open_images import open_image
from pai_modelscope.serving.admission import UPLOAD
from pai_modelscope.serving.remote_pictures import RemotePictures, is_address
from pai_modelscope.serving.retention import Held, beyond

_CLIENT = 16  # of a name's 64 digits, those that tell its client


class Uploads:
    """A folder of pictures as they came."""

    def __init__(self, folder: Path, pixels: int, remote: RemotePictures | None = None):
        """`pixels`: that a picture may have; `remote`: fetches those that are named by address, None: none are."""
        self._folder, self._pixels, self._remote = folder, pixels, remote
        self._lock = threading.Lock()

    def add(self, client: str, content: bytes) -> str:
        """Keep a picture; gives the id by which this client names it.

        Raises:
            UserError: no picture, or one beyond the bounds of `limits`.
        """
        name = _name(client, content)
        path = self._folder / name
        with self._lock:  # two requests may bring the same picture
            if path.exists():
                os.utime(path)  # it is as young as its last use
                return UPLOAD + name
        check_pixels(content, self._pixels)
        open_image(content)  # guarded
        with self._lock, whole(path) as partial:
            partial.write_bytes(content)
        return UPLOAD + name

    def keep(self, client: str, reference: str) -> str:
        """The upload of what a client names. Raises `UserError` and `Full`: as `file` and `add`."""
        return self.add(client, self.file(client, reference))

    def file(self, client: str, reference: str) -> bytes:
        """The file that a client names: by a data URL, by the id of an upload of its own, by an address.

        Raises:
            UserError: none of these, or nothing is there; this server fetches nothing.
            Full: too much is being fetched.
        """
        if reference.startswith(UPLOAD):
            content = self.content(reference)
            if UPLOAD + _name(client, content) != reference:
                raise UserError("there is no such upload: send the picture again")
            return content
        if is_address(reference):
            if self._remote is None:
                raise UserError("this server takes no addresses of pictures: send a data URL or an upload")
            return self._remote.fetch(client, reference)
        return picture_bytes(reference)

    def content(self, reference: str) -> bytes:
        """Raises `UserError`: it was removed, or never there."""
        try:
            return self.path(reference).read_bytes()
        except OSError:
            raise UserError("there is no such upload: send the picture again") from None

    def path(self, reference: str) -> Path:
        """Where an upload lies. Raises `UserError`: that is no upload's id."""
        name = reference.removeprefix(UPLOAD)
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise UserError("an upload's id is 'upload:' and 64 digits, as it was answered")
        return self._folder / name

    def remove_old(self, seconds: float, most_bytes: int, used: Set[str]) -> None:
        """Remove what was not used for so long; then, while all take more bytes, the oldest of the client who holds
        most. `used`: ids that stay."""
        oldest = time.time() - seconds
        with self._lock:
            found = {path.name: (path, path.stat()) for path in self._folder.glob("*")}
            free = [name for name in found if UPLOAD + name not in used]
            gone = {name for name in free if found[name][1].st_mtime < oldest}
            taken = sum(about.st_size for _, about in found.values())
            left = sorted(set(free) - gone, key=lambda name: -found[name][1].st_mtime)
            held = [Held(name, name[:_CLIENT], found[name][1].st_size) for name in left]
            gone |= beyond(held, most_bytes - taken + sum(each.size for each in held))
            for name in gone:
                remove(found[name][0])


def picture_bytes(reference: str) -> bytes:
    """The file in a data URL.

    Raises:
        UserError: it is none.
    """
    head, comma, body = reference.partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise UserError("a data URL begins with 'data:image/png;base64,'")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise UserError("the data URL is no base64") from None


def check_pixels(content: bytes, most: int) -> None:
    """Raises `UserError`: a picture whose head claims more pixels; nothing of it is decoded."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
    except Exception:  # said by those who open it whole
        return
    if width * height > most:
        raise UserError(f"the picture has {width}x{height} pixels; this server takes up to {most} in all")


def _name(client: str, content: bytes) -> str:
    return hashlib.sha256(client.encode()).hexdigest()[:_CLIENT] + hashlib.sha256(content).hexdigest()[_CLIENT:]
