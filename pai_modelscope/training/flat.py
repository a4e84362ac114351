"""`--flat`: the result in the run folder itself, as diffusers' scripts leave it, and not in its folder `result`."""

from collections.abc import Collection

from accelerate import PartialState

from pai_modelscope.errors import UserError
from pai_modelscope.methods.spec import MethodOptions
from pai_modelscope.training.ownership import RESULT, RunFolder


def flat_names(options: MethodOptions, run_name: str) -> tuple[str, ...]:
    """What `flatten` will give a place in the folder of a run called `run_name`, as far as it is known before."""
    return ("README.md", "configuration.json", *options.result_names(run_name))


def flatten(folder: RunFolder, step: int, checkpoint_files: Collection[str] = ()) -> None:
    """Move what lies in the run folder's `result` beside it, and those of `checkpoint_files` into the last checkpoint.

    Raises `UserError` where something lies in its place that no run made; all then stays in `result`.
    """
    if PartialState().is_main_process:
        result = folder.path / RESULT
        names = {path: path.name for path in sorted(result.iterdir())}
        names |= {path: f"checkpoint-{step}/{name}" for path, name in names.items() if name in checkpoint_files}
        try:
            folder.check(names.values())
        except UserError as error:
            raise UserError(f"the result stays in {result}: {error}") from None
        for path, name in names.items():
            folder.put(path, name)
        result.rmdir()
    PartialState().wait_for_everyone()
