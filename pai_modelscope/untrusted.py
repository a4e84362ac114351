"""Reading what strangers wrote: regular files of bounded size, text, JSON and YAML of bounded depth, names in a folder.

Every reader of a file from outside uses these. What they raise is one sentence that names the file.
"""

import errno
import io
import json
import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from pai_modelscope import limits
from pai_modelscope.errors import UserError, reason

if TYPE_CHECKING:
    import yaml

Name = str | os.PathLike[str]
# What `json.loads` makes of a JSON text.
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def check_regular(path: Name, most: int | None = None) -> int:
    """Check a file and give its size in bytes, for what a library then opens by its name.

    Raises:
        UserError: a folder, a named pipe or a device, or a file of more than `most` bytes.
        OSError: it is not there, or not to be read.
    """
    return _size(os.stat(_checked(path)), path, most)


def open_regular(path: Name, most: int | None = None) -> io.BufferedReader:
    """Open a file for reading bytes; a named pipe is refused, not waited for.

    Raises `UserError` and `OSError` as `check_regular`.
    """
    descriptor = os.open(_checked(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _size(os.fstat(descriptor), path, most)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Name, most: int) -> bytes:
    """Read the whole content of a file of at most `most` bytes, though it grows while it is read.

    Raises `UserError` and `OSError` as `check_regular`.
    """
    with open_regular(path, most) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise _too_large(path, f"more than {most}", most)
    return content


def read_text(path: Name, most: int | None = None) -> str:
    """Read a UTF-8 file of at most `most` bytes (`limits.TEXT_BYTES`); a byte order mark is left out.

    Raises:
        UserError: not there, not regular, too large, not UTF-8.
    """
    try:
        return read_bytes(path, limits.TEXT_BYTES if most is None else most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from None
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror or reason(error)}).") from None


def read_json(path: Name, most: int | None = None) -> Json:
    """Read the value in a JSON file. Raises `UserError` as `read_text` and `parse_json`."""
    return parse_json(read_text(path, limits.JSON_BYTES if most is None else most), str(path))


def parse_json(text: str | bytes, name: str) -> Json:
    """Parse a JSON text; `name` says in messages what holds it.

    Raises:
        UserError: no JSON, lists and objects more than `limits.DEPTH` deep, a number of thousands of digits, an object
            that has a name twice: of two values, Python would take the last, and others the first.
    """

    def once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        values = dict(pairs)
        if len(values) < len(pairs):
            raise _twice(name, next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1))
        return values

    try:
        value: Json = json.loads(text, object_pairs_hook=once)
    except UserError:
        raise
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError as error:  # UnicodeDecodeError is one
        raise UserError(f"{name} can't be read as JSON ({reason(error)}).") from None
    level: list[Json] = [value] if isinstance(value, list | dict) else []
    for _ in range(limits.DEPTH):
        level = [inner for outer in level for inner in _items(outer) if isinstance(inner, list | dict)]
        if not level:
            return value
    raise _too_deep(name)


def read_yaml(path: Name) -> object:
    """Read the value in a YAML file, of plain types alone.

    Raises:
        UserError: as `read_text`; no YAML, too deep, or aliases that unfold to more than `limits.YAML_NODES` values.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
            if self.depth >= limits.DEPTH:
                raise _too_deep(str(path))
            self.depth += 1
            node: yaml.Node | None = super().compose_node(parent, index)
            self.depth -= 1
            return node

    text = read_text(path, limits.YAML_BYTES)
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _unfolded(node, str(path), {}, 0)
        value: object = loader.construct_document(node)
        return value
    except UserError:
        raise
    except (LookupError, AttributeError):  # PyYAML looks at the first character of a number, and up a truth value
        raise UserError(
            f"{path} is no YAML (a value is not what its tag, such as !!bool, says: leave it out)."
        ) from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path} is no YAML ({' '.join(str(error).split())}).") from None


def inside(folder: Name, name: str, *, links: bool = False) -> Path:
    """Find where the file `name` of an archive, a metadata file or a hub's listing lies in `folder`.

    Args:
        links: whether symbolic links that lie in the folder may lead out of it. True for a folder of the user's own,
            where the user made them; False for one that is written to, or that came from elsewhere.

    Raises:
        UserError: a name that is empty, absolute, holds `..` or a NUL, or leads out of the folder.
    """
    windows = PureWindowsPath(name)  # splits at both kinds of slashes
    odd = not windows.parts or windows.drive or windows.root or ".." in windows.parts or "\0" in name
    path = Path(folder, name)
    try:
        if odd or len(name) > limits.PATH_CHARACTERS:
            raise ValueError
        if not links and not path.resolve().is_relative_to(Path(folder).resolve()):
            raise ValueError
    except (OSError, ValueError, RuntimeError):  # a name too long for a file system, a loop of links
        raise UserError(f"{name[:200]!r} leads out of {folder}: only paths inside that folder are taken.") from None
    return path


def _checked(path: Name) -> Name:
    """The name itself. Raises `OSError` for one that no file can have: Python has another error for it."""
    name = os.fspath(path)
    if (b"\0" if isinstance(name, bytes) else "\0") in name:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return path


def _size(status: os.stat_result, path: Name, most: int | None) -> int:
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a named pipe or a device"
        raise UserError(f"{path} is {kind}: give a regular file.")
    if most is not None and status.st_size > most:
        raise _too_large(path, str(status.st_size), most)
    return status.st_size


def _too_large(path: Name, size: str, most: int) -> UserError:
    return UserError(f"{path} has {size} bytes; valid are up to {most}.")


def _too_deep(name: str) -> UserError:
    return UserError(f"{name} nests more than {limits.DEPTH} lists and objects in each other: that is no honest file.")


def _twice(name: str, key: str) -> UserError:
    return UserError(f"{name} gives {key[:80]!r} twice in one place: leave one.")


def _items(value: Json) -> Iterable[Json]:
    """What lies directly in a list or an object."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unfolded(node: "yaml.Node", name: str, counted: dict[int, int], depth: int) -> int:
    """How many values a YAML node holds once its aliases are written out; `counted`: those known, 0 for those begun."""
    if depth > limits.DEPTH or counted.get(id(node)) == 0:
        raise _too_deep(name)
    if id(node) not in counted:
        counted[id(node)] = 0
        values = node.value if isinstance(node.value, list) else []
        inner = [node_inside for value in values for node_inside in (value if isinstance(value, tuple) else (value,))]
        keys = Counter((value[0].tag, str(value[0].value)) for value in values if isinstance(value, tuple))
        if twice := [key for (tag, key), count in keys.items() if count > 1 and not tag.endswith("merge")]:
            raise _twice(name, twice[0])
        if node.tag == "tag:yaml.org,2002:int" and len(node.value) > limits.YAML_DIGITS:
            raise UserError(f"{name} has a number of {len(node.value)} characters; valid are {limits.YAML_DIGITS}.")
        counted[id(node)] = 1 + sum(_unfolded(node_inside, name, counted, depth + 1) for node_inside in inner)
    if counted[id(node)] > limits.YAML_NODES:
        raise UserError(f"{name} unfolds to more than {limits.YAML_NODES} values: write out fewer aliases.")
    return counted[id(node)]
