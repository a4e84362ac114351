"""Where in a picture's file programs write how it was made, and how this one writes it.

The WebUI writes `parameters` into PNG text, EXIF's UserComment in JPEG, WebP and AVIF, and a GIF's comment. The label
of generated content stands in XMP, beside the parameters.
"""

import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.files import new, whole
from pai_modelscope.images import heads
from pai_modelscope.images.aigc_label import (
    NAME,
    Labelling,
    content_number,
    label_fields,
    labels_in_xmp,
    xmp_packet,
)
from pai_modelscope.images.aigc_mark import marked
from pai_modelscope.images.decoding import check_size
from pai_modelscope.images.infotext_syntax import Parameters, split_infotext
from pai_modelscope.images.invokeai import read_invokeai
from pai_modelscope.untrusted import read_bytes

_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
_EXIF, _USER_COMMENT = 0x8769, 0x9286  # tags of EXIF 2.32
_GRAPHS = ("prompt", "workflow")  # ComfyUI's own chunks
_KINDS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_XMP, _XMP_OF_JPEG = "XML:com.adobe.xmp", b"http://ns.adobe.com/xap/1.0/\0"  # XMP specification, part 3
_LABEL = re.compile(rf'\s*\{{\s*"{NAME}"\s*:')  # that begins a comment


def read_parameters(path: str | os.PathLike[str]) -> Parameters:
    """Read what a picture's file says of its making.

    Raises:
        UserError: no such file, no picture, damaged, too large, or without parameters.
    """
    texts = _read(path)
    try:
        if text := texts.get("parameters"):
            return split_infotext(text)
        parameters = read_invokeai(texts)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if parameters is not None:
        return parameters
    if any(name in texts for name in _GRAPHS):
        raise UserError(
            f"{path} holds a ComfyUI graph ({' and '.join(name for name in _GRAPHS if name in texts)}), no generation "
            "parameters: save it in ComfyUI by a node that writes the WebUI's text, or give the text by hand."
        )
    raise UserError(
        f"{path} holds no generation parameters: files as saved by this program or by the WebUI keep them, those that "
        "were edited or sent on often don't."
    )


def read_label(path: str | os.PathLike[str]) -> dict[str, str] | None:
    """Read the label of generated content in a picture's file: its fields, see `label_fields`; None if there is none.

    Beside XMP, TC260-PG-20259A lets a PNG's text `AIGC` and EXIF's UserComment hold it.

    Raises:
        UserError: no such file, no picture; a label that is malformed, or several.
    """
    texts = _read(path)
    try:
        labels = labels_in_xmp(texts[_XMP]) if _XMP in texts else []
        labels += [texts[NAME]] if NAME in texts else []
        labels += [comment] if _LABEL.match(comment := texts.get("parameters", "")) else []
        if len(labels) > 1:
            raise UserError(f"it holds {len(labels)} labels; GB 45438-2025 has one in a file")
        return label_fields(labels[0]) if labels else None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def write_picture(image: Image.Image, path: str | os.PathLike[str], text: str, label: Labelling) -> None:
    """Save the picture with its text as what the name ends with: .png, .jpg or .webp. Replaces a file.

    Raises `UserError` for another end, and if `path` can't be written.
    """
    path = Path(path)
    if (kind := _KINDS.get(path.suffix.lower())) is None:
        raise UserError(f"{path} ends with {path.suffix!r}; valid are {', '.join(_KINDS)}")
    content = picture_file(image, kind, text, label)
    try:
        with whole(path) as made:
            made.write_bytes(content)
    except OSError as error:
        raise _unwritten(path, error) from None


def write_png(image: Image.Image, path: str | os.PathLike[str], text: str, label: Labelling | None = None) -> None:
    """Save the picture with its text. Appears whole under its name or not at all, and never replaces a file.

    Raises `UserError` if `path` exists or can't be written.
    """
    path = Path(path)
    try:
        with new(path) as made:
            made.write_bytes(picture_file(image, "png", text, label))
    except FileExistsError:
        raise UserError(f"{path} exists and is not overwritten: give another name.") from None
    except OSError as error:
        raise _unwritten(path, error) from None


def picture_file(image: Image.Image, kind: str, text: str, label: Labelling | None = None) -> bytes:
    """The content of a file of this kind ('png', 'jpeg' or 'webp') of a generated picture with its text.

    Every file of a picture that this program made comes from here, and so its label; None: one in the metadata.

    Raises:
        UserError: a text too long for the kind: JPEG has room for 64 KB.
    """
    label = label or Labelling()
    packet = xmp_packet(label.producer, content_number(image, text)) if label.metadata else ""
    image = marked(image) if label.visible else image
    file, xmp = io.BytesIO(), packet.encode()
    if kind == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("parameters", text)  # UTF-8; Latin-1 chunks could not hold Chinese
        if packet:
            info.add_itxt(_XMP, packet)
        image.save(file, format="PNG", pnginfo=info)
        return file.getvalue()
    exif = Image.Exif()
    exif.get_ifd(_EXIF)[_USER_COMMENT] = b"UNICODE\0" + text.encode("utf-16-be")
    more = {"extra": _app1(_XMP_OF_JPEG + xmp)} if kind == "jpeg" else {"xmp": xmp}
    try:
        image.convert("RGB").save(file, format=kind.upper(), quality=95, exif=exif, **(more if packet else {}))
    except ValueError as error:
        raise UserError(f"the parameters find no room in a {kind} file ({error}): ask for png") from None
    return file.getvalue()


def _app1(content: bytes) -> bytes:
    """A segment of a JPEG (ITU T.81, B.2.4.6)."""
    return b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content


def _unwritten(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} can't be written ({error.strerror or error}): free space or give another folder.")


def _read(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts in a file by their names, as PNG has them; that of EXIF and of a comment is called `parameters`."""
    try:
        content = read_bytes(path, limits.PICTURE_BYTES)
        if wrong := heads.file_problem(content):
            raise ValueError(wrong)
        Image.init()
        formats = [kind for kind in _FORMATS if kind in Image.OPEN]
        with Image.open(io.BytesIO(heads.without_forged_exif(content)), formats=formats) as image:
            check_size(*image.size, str(path))
            image.load()  # PNG text may follow the pixels
            return _texts(image)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"There is no picture {path}.") from None
    except UnidentifiedImageError:
        raise UserError(f"{path} is no picture of a known format: give a PNG, JPEG, WebP, AVIF or GIF.") from None
    except Exception as error:  # decoders raise anything on damaged data
        message = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} can't be read as a picture ({message[:200]}).") from None


def _texts(image: Image.Image) -> dict[str, str]:
    chunks: Mapping[object, object] = getattr(image, "text", {})
    texts = {str(name): str(text) for name, text in chunks.items()}
    if "parameters" not in texts and (comment := _user_comment(image) or _comment(image)):
        texts["parameters"] = comment
    if _XMP not in texts and (xmp := _xmp(image)):
        texts[_XMP] = xmp.decode("utf-8", "replace")
    return texts


def _xmp(image: Image.Image) -> bytes:
    """What stands outside of a PNG's text; a JPEG has segments."""
    segments: Sequence[tuple[str, bytes]] = getattr(image, "applist", ())
    found = (content for name, content in segments if name == "APP1" and content.startswith(_XMP_OF_JPEG))
    if content := next(found, b""):
        return content.removeprefix(_XMP_OF_JPEG)
    xmp = image.info.get("xmp", b"")
    return xmp if isinstance(xmp, bytes) else b""


def _comment(image: Image.Image) -> str:
    comment = image.info.get("comment", b"")
    return comment.decode("utf-8", "ignore").strip("\0 ") if isinstance(comment, bytes) else ""


def _user_comment(image: Image.Image) -> str:
    try:
        comment = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
    except Exception:  # a picture with broken metadata is still a picture
        return ""
    if isinstance(comment, str):
        return comment.strip("\0 ")
    return _decoded(bytes(comment)) if isinstance(comment, bytes | bytearray) else ""


def _decoded(comment: bytes) -> str:
    """EXIF 2.32, UserComment: eight bytes that name the character code, then the text.

    `UNICODE` is UTF-16 without a word on its byte order: piexif, and so the WebUI, writes the larger byte first, others
    follow the file. The right one is the one that reads `Steps`.
    """
    code, text = comment[:8], comment[8:]
    if code == b"UNICODE\0":
        marks = {b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le"}
        if text[:2] in marks:
            return text[2:].decode(marks[text[:2]], "ignore").strip("\0 ")
        both = [text.decode(order, "ignore") for order in ("utf-16-be", "utf-16-le")]
        return next((reading for reading in both if "Steps" in reading), both[0]).strip("\0 ")
    if code in (b"ASCII\0\0\0", bytes(8)):
        return text.decode("utf-8", "ignore").strip("\0 ")
    if code == b"JIS\0\0\0\0\0":
        return text.decode("iso2022_jp", "ignore").strip("\0 ")
    return comment.decode("utf-8", "ignore").strip("\0 ")  # written without a code
