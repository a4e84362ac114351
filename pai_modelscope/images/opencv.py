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
    installed = []
    for name in _PACKAGES:
        try:
            installed.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    if len(installed) > 1:
        warnings.warn(
            f"{len(installed)} packages bring the same module cv2 ({', '.join(installed)}): one has overwritten the "
            f"other, and control pictures may fail or differ. Uninstall all of them and install one: pip uninstall -y "
            f"{' '.join(_PACKAGES)}; pip install {_PACKAGES[0]}",
            stacklevel=2,
        )
