"""Lines of text files that may be large: of bounded length, and decoded from whatever encoding the file is in."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.text_encoding import choose, decode, foreign, look, marked, readable, warn_of_encodings

_SAMPLE = limits.MIB  # bytes that tell the encoding


def text_lines(file: BinaryIO, name: str) -> Iterator[str]:
    """The lines of a file, which is read twice: once for its encoding. Of one that is not UTF-8 it is warned.

    Raises:
        UserError: a line of more than `limits.LINE_BYTES` characters, or of another encoding than those before.
    """
    encoding = _encoding_of(file, name)
    warn_of_encodings([(name, encoding)], "Metadata")
    file.seek(0)
    text = io.TextIOWrapper(file, "utf-8-sig" if encoding == "utf-8" else encoding, newline="")
    number = 0
    try:
        while line := text.readline(limits.LINE_BYTES + 1):
            number += 1
            if len(line) > limits.LINE_BYTES:
                raise _too_long(name, number)
            yield line
    except UnicodeError:
        raise UserError(
            f"{name} is not in {readable(encoding)} throughout, from about line {number + 1} on: save it as UTF-8."
        ) from None
    finally:
        if not text.closed:  # whoever opened the file closes it, perhaps before its last line was read
            text.detach()


def _encoding_of(file: BinaryIO, name: str) -> str:
    head = file.read(4096)
    if encoding := marked(head):
        return encoding
    if b"\0" in head:  # UTF-16 without a mark: whole characters of it
        sample = head + file.read(_SAMPLE)
        sample = sample[: len(sample) // 2 * 2]
    else:
        file.seek(0)
        sample = _not_ascii(file, name)
    encoding = choose([look(sample)])[0] or foreign(sample)
    if not encoding:
        decode(sample, encoding, name)  # says so
    return encoding


def _not_ascii(file: BinaryIO, name: str) -> bytes:
    """The first lines that are not ASCII, of all together about a megabyte."""
    sample, rest, number = b"", b"", 0
    while chunk := file.read(limits.MIB):
        *lines, rest = (rest + chunk).splitlines(keepends=True)
        number += len(lines)
        if len(rest) > 4 * limits.LINE_BYTES:  # no character has more bytes
            raise _too_long(name, number + 1)
        sample += b"".join(line for line in lines if not line.isascii())
        if len(sample) >= _SAMPLE:
            return sample
    return sample + (b"" if rest.isascii() else rest)


def _too_long(name: str, number: int) -> UserError:
    return UserError(f"{name}, line {number} has more than {limits.LINE_BYTES} characters: that is no line of text.")
