"""Publish a model folder on ModelScope, after checking that others will be able to use it."""

import fnmatch
import os
import zipfile
from pathlib import Path

from pai_modelscope.errors import UserError
from pai_modelscope.untrusted import read_text
from pai_modelscope.zoo.folders import WEIGHTS, json_if_readable, problem
from pai_modelscope.zoo.hubs import reason

# What training leaves in a folder and nobody needs to download.
_PRIVATE = ["*.log", "logs/*", "checkpoint-*/*", ".pai_modelscope/*", "*.incomplete", "optimizer.bin", "events.out.*"]


def push(
    folder: str | os.PathLike[str],
    model_id: str,
    *,
    revision: str = "master",
    private: bool = False,
    message: str = "Upload model",
    token: str | None = None,
) -> str:
    """Upload a folder to ModelScope by its own client and return the model's page.

    Checked first, and all faults reported together: a card (README.md) that names a licence, a configuration.json
    that ModelScope can read, and weights that open. The repository is made when it is not there.

    model_id: OWNER/NAME. revision: the branch to commit to. private: only for a repository that is made now.
    token: default is MODELSCOPE_API_TOKEN, or the login that `modelscope login` keeps.

    Raises UserError before anything is sent for a folder with faults, and for a hub that refuses.
    """
    from modelscope_hub import HubApi, get_default_config

    folder = Path(folder).expanduser()
    problems = faults(folder)
    if len(model_id.split("/")) != 2 or not all(model_id.split("/")):
        problems.insert(0, f"the id {model_id!r} is not OWNER/NAME")
    if not (token or get_default_config().token):
        problems.append("there is no access token: set MODELSCOPE_API_TOKEN or run `modelscope login`")
    if problems:
        raise UserError(f"{str(folder)!r} was not pushed: {'; '.join(problems)}")
    api = HubApi(token=token)
    try:
        if not api.repo_exists(model_id, "model"):
            visibility = "private" if private else "public"
            api.create_repo(model_id, "model", visibility=visibility, license=licence(folder))
        # The client skips what the hub already has, so a second push resumes; its own log would dirty the folder.
        api.upload_folder(
            model_id,
            "model",
            folder,
            revision=revision,
            commit_message=message,
            ignore_patterns=_PRIVATE,
            use_cache=False,
        )
    except Exception as error:
        raise UserError(f"ModelScope did not take {model_id!r}: {reason(error)}. Check the token and the id") from error
    return f"{get_default_config().endpoint}/models/{model_id}"


def faults(folder: Path) -> list[str]:
    """List everything that keeps the folder from being published; empty when it is fit."""
    if not folder.is_dir():
        return ["there is no such folder"]
    problems: list[str | None] = [problem(folder)]
    if licence(folder) is None:
        problems.append(
            "its README.md lacks a licence" if (folder / "README.md").is_file() else "it has no README.md (model card)"
        )
    problems.append(_configuration_fault(folder))
    home = folder.parents[1] if folder.parent.name == "snapshots" else folder  # Hugging Face's cache is of links
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(fnmatch.fnmatch(name, pattern) for pattern in _PRIVATE):
            # What opens as weights may lie elsewhere: nobody's secrets do.
            outside = path.suffix not in WEIGHTS and not path.resolve().is_relative_to(home.resolve())
            problems.append(f"{name} is a link out of the folder" if outside else _weights_fault(path, name))
    return [fault for fault in problems if fault]


def licence(folder: Path) -> str | None:
    """Read the `license:` of the card's YAML head, between two lines of three dashes; None when there is none."""
    try:
        lines = read_text(folder / "README.md").splitlines()
    except UserError:
        return None
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return None
    head = lines[1 : lines.index("---", 1)]
    values = (line.split(":", 1)[1].strip().strip("'\"") for line in head if line.startswith("license:"))
    return next(values, None) or None


def _configuration_fault(folder: Path) -> str | None:
    config = json_if_readable(folder / "configuration.json")
    if config is None:
        return "it has no readable configuration.json"
    lacking = [key for key in ("framework", "task") if not config.get(key)]
    pipeline = config.get("pipeline")
    if not (isinstance(pipeline, dict) and pipeline.get("type")):
        lacking.append("pipeline.type")
    return f"its configuration.json lacks {', '.join(lacking)}" if lacking else None


def _weights_fault(path: Path, name: str) -> str | None:
    """Why a weights file cannot be opened, without reading the tensors into memory."""
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="np") as file:  # checks the header against the file's length
                file.keys()
        elif path.suffix == ".bin":
            import torch

            torch.load(path, map_location="cpu", mmap=zipfile.is_zipfile(path), weights_only=True)
    except Exception as error:
        return f"{name} does not open ({reason(error)})"
    return None
