"""Several packages bring the module `cv2`, and pip lets one overwrite the other's files."""

import warnings
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)


def warn_of_several() -> None:
    """Warn if more than one of OpenCV's packages is installed: which one's files are there is chance."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    if len(found) > 1:
        warnings.warn(
            f"{len(found)} packages bring the same module cv2 ({', '.join(found)}): one has overwritten the other, and "
            f"control pictures may fail or differ. Uninstall all of them and install one: pip uninstall -y "
            f"{' '.join(_PACKAGES)}; pip install {_PACKAGES[0]}",
            stacklevel=2,
        )
