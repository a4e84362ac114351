"""Register with ModelScope whichever of the two packages is imported first.

Importing `modelscope.pipelines` takes seconds. So `import pai_modelscope` does not; it leaves a finder on
`sys.meta_path` that waits for that module and for the trainers' one, lets Python's own finders import them, and then
has the package that belongs to each register.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader

# ModelScope's modules, and which of ours has a `register` for each.
AWAITED = {
    "modelscope.pipelines": "pai_modelscope.pipelines",
    "modelscope.trainers.builder": "pai_modelscope.trainers",
}
_MARK = "waits_for_modelscope_on_behalf_of_pai_modelscope"


def register_on_import() -> None:
    """Register now with what is loaded of ModelScope, and with the rest as soon as it is."""
    # By mark, not by class: a reload or a second import of this package brings a new class of the same name.
    sys.meta_path[:] = [finder for finder in sys.meta_path if not hasattr(finder, _MARK)]
    for awaited in AWAITED:
        if awaited in sys.modules:
            _register(awaited)
    if AWAITED.keys() - sys.modules.keys():
        sys.meta_path.insert(0, _Finder())


def _register(awaited: str) -> None:
    # By name, so that after a reload it is the new code that registers.
    importlib.import_module(AWAITED[awaited]).register()


class _Finder:
    """Finds nothing but the awaited modules, and those through the finders behind it."""

    def __init__(self) -> None:
        setattr(self, _MARK, True)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in AWAITED:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """The module's own loader, and registration after it has run."""

    def __init__(self, loader: "Loader") -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module keeps its own loader: nothing of ours stays visible on it.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _register(module.__name__)
