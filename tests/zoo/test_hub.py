"""The hub clients that users have, against a hub on this machine: download, resume, caches, push, pipelines by id.

Each client runs in a process of its own, because it reads its server and its cache from the environment once.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pai_modelscope import UserError, model_dir
from tests.support.hub_server import Files, HubServer, read_folder

ID = "PAI/pai-diffusion-artist-large-zh"
REVISION = "v1.0.0"
UNET = "unet/diffusion_pytorch_model.safetensors"
IMPATIENT = {"MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS": "1", "MODELSCOPE_API_MAX_RETRIES": "1"}


@pytest.fixture(scope="module")
def files() -> Files:
    """The shipped model as the hub has it, with a second copy of the UNet that nobody needs."""
    found = read_folder(model_dir("pai-diffusion-mini-zh"), README__md=b"---\nlicense: apache-2.0\n---\n# Model\n")
    return {**found, "unet/diffusion_pytorch_model.bin": b"the same again", "all-in-one.ckpt": b"and again"}


@pytest.fixture
def hub(files: Files) -> Iterator[HubServer]:
    with HubServer({(ID, REVISION): files}) as server:
        yield server


def run(hub: HubServer, cache: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python code in a new process whose clients know only `hub` and keep everything in `cache`."""
    return subprocess.run(
        [sys.executable, "-c", "from pai_modelscope import model_dir, UserError, zoo\n" + code],
        env={**os.environ, **hub.environment(cache), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def found(done: subprocess.CompletedProcess[str]) -> Path:
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip().splitlines()[-1])


def user_error(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed process ends with."""
    kind, _, message = done.stderr.strip().splitlines()[-1].partition(": ")
    assert (done.returncode, kind) == (1, "pai_modelscope.errors.UserError"), done.stderr
    return message


def test_a_model_is_fetched_from_modelscope_once_and_then_found_in_its_cache(hub: HubServer, tmp_path: Path):
    folder = found(run(hub, tmp_path, f"print(model_dir({ID!r}))"))
    assert folder == tmp_path / "modelscope" / "models" / ID.replace("/", "--") / "snapshots" / REVISION
    fetched = set(hub.downloads())
    assert fetched == hub.repositories[ID, REVISION].keys() - {"unet/diffusion_pytorch_model.bin", "all-in-one.ckpt"}
    assert (folder / UNET).read_bytes() == hub.repositories[ID, REVISION][UNET]
    hub.stop()
    hub.requests.clear()
    for name in (ID, "pai-diffusion-artist-large-zh", "alibaba-pai/pai-diffusion-artist-large-zh"):
        assert found(run(hub, tmp_path, f"print(model_dir({name!r}, local_files_only=True))")) == folder
    assert found(run(hub, tmp_path, f"print(model_dir({ID!r}, revision={REVISION!r}))")) == folder
    assert hub.requests == []


def test_an_interrupted_download_continues_where_it_stopped(hub: HubServer, tmp_path: Path):
    hub.cut = {UNET}
    failed = run(hub, tmp_path, f"model_dir({ID!r})", MODELSCOPE_DOWNLOAD_MAX_RETRIES="0")
    assert f"ModelScope {ID}: {UNET}: " in user_error(failed)
    offline = user_error(run(hub, tmp_path, f"model_dir({ID!r}, local_files_only=True)"))
    assert "incomplete in " in offline and "unet's weights" in offline
    hub.requests.clear()
    folder = found(run(hub, tmp_path, f"print(model_dir({ID!r}))"))
    assert hub.downloads() == [UNET]
    half = len(hub.repositories[ID, REVISION][UNET]) // 2
    assert [line for line in hub.requests if line.endswith(f"bytes={half}-")]
    assert (folder / UNET).read_bytes() == hub.repositories[ID, REVISION][UNET]


def test_a_cache_without_its_index_is_mended(hub: HubServer, tmp_path: Path):
    folder = found(run(hub, tmp_path, f"print(model_dir({ID!r}))"))
    (folder / "model_index.json").unlink()
    hub.requests.clear()
    assert found(run(hub, tmp_path, f"print(model_dir({ID!r}))")) == folder
    assert hub.downloads() == ["model_index.json"]


def test_hugging_face_steps_in_and_its_cache_is_found(hub: HubServer, files: Files, tmp_path: Path):
    hub.repositories = {("alibaba-pai/pai-diffusion-food-large-zh", "main"): files}
    hub.cut = {UNET}  # this client goes on by itself
    folder = found(run(hub, tmp_path, "print(model_dir('PAI/pai-diffusion-food-large-zh'))"))
    assert (folder / UNET).read_bytes() == files[UNET]
    assert "unet/diffusion_pytorch_model.bin" not in hub.downloads()
    hub.stop()
    assert found(run(hub, tmp_path, "print(model_dir('pai-diffusion-food-large-zh'))")) == folder


def test_a_model_that_is_nowhere_is_one_line_with_all_that_was_tried(hub: HubServer, tmp_path: Path):
    said = user_error(run(hub, tmp_path, "model_dir('PAI/pai-diffusion-artist-large')"))
    places = ["ModelScope's cache: ", "Hugging Face's cache: ", "ModelScope PAI/", "Hugging Face PAI/"]
    assert all(place in said for place in places)
    assert "Did you mean pai-diffusion-artist-large-zh or " in said
    said = user_error(run(hub, tmp_path, f"model_dir({ID!r}, revision='v9')"))
    assert "at revision 'v9'" in said


def test_a_hub_that_is_down_is_one_line(hub: HubServer, tmp_path: Path):
    hub.stop()
    said = user_error(run(hub, tmp_path, f"model_dir({ID!r})", **IMPATIENT))
    assert said.count("Connection refused") == 2
    assert "check the id, the revision and the network, or give a local folder" in said


def test_of_several_cached_revisions_the_newest_is_taken(hub: HubServer, files: Files, tmp_path: Path):
    hub.repositories = {("someone/model", "v1"): files, ("someone/model", "v2"): files}
    for revision in ("v2", "v1"):
        run(hub, tmp_path, f"model_dir('someone/model', revision={revision!r})")
    hub.stop()
    assert found(run(hub, tmp_path, "print(model_dir('someone/model'))")).name == "v1"
    assert found(run(hub, tmp_path, "print(model_dir('someone/model', revision='v2'))")).name == "v2"


def cached(cache: Path, files: Files, commit: str) -> Path:
    """A snapshot as somebody copied it, without the names that pointed to it."""
    made = cache / "huggingface/hub/models--someone--tiny-zh/snapshots" / commit
    for name in files.keys() - {"unet/diffusion_pytorch_model.bin", "all-in-one.ckpt"}:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(files[name])
    return made


def test_a_hugging_face_cache_without_refs_opens_and_asks_nobody(hub: HubServer, files: Files, tmp_path: Path):
    only = cached(tmp_path, files, "01" * 20)
    opened = "print(model_dir('someone/tiny-zh', local_files_only=True))"
    assert found(run(hub, tmp_path, opened)) == only
    newer = cached(tmp_path, files, "00" * 20)
    os.utime(only, (1, 1))
    assert found(run(hub, tmp_path, opened, HF_HUB_OFFLINE="1")) == newer
    refs = only.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text("01" * 20)
    assert found(run(hub, tmp_path, opened)) == only
    (refs / "main").write_text("../../../model")
    (tmp_path / "huggingface" / "model").mkdir()
    assert "leads out of" in user_error(run(hub, tmp_path, opened))
    assert hub.requests == []


@pytest.mark.parametrize("name", ["someone/..", "someone/a..b", "../models", "some\x1bone/x", "a/b\0c"])
def test_an_id_that_would_be_a_path_is_none(name: str):
    with pytest.raises(UserError, match="there is no folder"):
        model_dir(name)


@pytest.mark.parametrize("revision", ["../x", "/etc", "a/../b", "\x1b", "a b"])
def test_a_revision_that_would_be_a_path_is_none(revision: str):
    with pytest.raises(UserError, match="give a branch, a tag or a commit"):
        model_dir("some/model", revision=revision, local_files_only=True)


@pytest.fixture
def folder(files: Files, tmp_path: Path) -> Path:
    """A model folder on disk, fit to be pushed."""
    for name in files.keys() - {"unet/diffusion_pytorch_model.bin", "all-in-one.ckpt"}:
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
    return tmp_path / "model"


def test_a_pushed_model_arrives_whole_and_is_not_sent_twice(hub: HubServer, folder: Path, tmp_path: Path):
    expected = read_folder(folder)
    (folder / "checkpoint-10").mkdir()
    (folder / "checkpoint-10" / "optimizer.bin").write_bytes(b"of use to nobody else")
    before = sorted(folder.rglob("*"))
    push = f"print(zoo.push({str(folder)!r}, 'me/mine', token='ms-token', private=True))"
    page = run(hub, tmp_path, push)
    assert page.stdout.endswith(f"{hub.address}/models/me/mine\n"), page.stderr
    assert [(each["Visibility"], each["License"]) for each in hub.created] == [(1, "apache-2.0")]
    assert hub.repositories["me/mine", "master"] == expected
    assert sorted(folder.rglob("*")) == before
    hub.requests.clear()
    assert run(hub, tmp_path, push).returncode == 0
    assert not [line for line in hub.requests if line.startswith("PUT")]


def test_a_push_sends_nothing_from_outside_of_the_folder(hub: HubServer, folder: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("mine")
    (folder / "notes.txt").symlink_to(tmp_path / "secret")
    push = f"zoo.push({str(folder)!r}, 'me/mine', token='ms-token')"
    assert "notes.txt is a link out of the folder" in user_error(run(hub, tmp_path, push))
    assert hub.requests == []


def test_a_refused_push_is_one_line(hub: HubServer, folder: Path, tmp_path: Path):
    hub.refuse_writes = True
    push = f"zoo.push({str(folder)!r}, 'me/mine'"
    assert "no permission" in user_error(run(hub, tmp_path, push + ", token='ms-token')"))
    hub.requests.clear()
    assert "no access token" in user_error(run(hub, tmp_path, push + ")"))
    assert hub.requests == []


# ModelScope's own call by id. One process does it all: importing ModelScope takes seconds.

TYPES = {
    REVISION: {"pipeline": {"type": "diffusers-stable-diffusion"}},
    "chinese": {"pipeline": {"type": "chinese-stable-diffusion"}},
    "ours": {"pipeline": {"type": "pai-diffusion"}},
    "none": {},
}
OTHER = "someone/english-diffusion"
BY_ID = f"""
import json, sys
from modelscope.pipelines import pipeline   # first, so that the package registers at once
import pai_modelscope
TASK, ID = 'text-to-image-synthesis', {ID!r}
QUICK = dict(num_inference_steps=2, height=64, width=64)

def tried(call):
    try:
        return type(call()).__name__
    except Exception as error:
        return f'{{type(error).__name__}}: {{error}}'

seen = {{revision: tried(lambda: pipeline(TASK, ID, model_revision=revision)) for revision in {[*TYPES]!r}}}
seen['explicit'] = tried(lambda: pipeline(TASK, ID, pipeline_name='pai-diffusion', revision='ours'))
seen['other'] = tried(lambda: pipeline(TASK, {OTHER!r}))
pipe = pipeline(TASK, ID, model_revision={REVISION!r})
picture = pipe({{'text': '雾蒙蒙的日出在湖面上'}}, seed=1, **QUICK)['output_imgs'][0]
print('ONLINE', json.dumps(seen), flush=True)
sys.stdin.readline()                        # the hub goes down
folder = pai_modelscope.model_dir(ID)
again = pipeline(TASK, folder)({{'text': '雾蒙蒙的日出在湖面上'}}, seed=1, **QUICK)['output_imgs'][0]
offline = {{
    'folder': str(folder),
    'same': bool((again == picture).all()),
    'by id': tried(lambda: pipeline(TASK, ID, model_revision={REVISION!r})),
    'explicit': tried(lambda: pipeline(TASK, ID, pipeline_name='pai-diffusion')),
}}
print('OFFLINE', json.dumps(offline), flush=True)
"""


@pytest.mark.slow
def test_modelscopes_own_call_by_id(hub: HubServer, files: Files, tmp_path: Path):
    head = {"framework": "pytorch", "task": "text-to-image-synthesis"}
    for revision, named in TYPES.items():
        config = json.dumps({**head, **named}).encode()
        hub.repositories[ID, revision] = {**files, "configuration.json": config}
    index = json.loads(files["model_index.json"])
    index["tokenizer"] = ["transformers", "CLIPTokenizer"]
    hub.repositories[OTHER, "master"] = {
        "configuration.json": json.dumps({**head, **TYPES[REVISION]}).encode(),
        "model_index.json": json.dumps(index).encode(),
    }
    child = subprocess.Popen(
        [sys.executable, "-c", BY_ID],
        env={**os.environ, **hub.environment(tmp_path), **IMPATIENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "stderr").open("w"),
        text=True,
    )
    online = answer(child, "ONLINE", tmp_path)
    ours = "PaiDiffusionPipeline"
    assert {revision: online[revision] for revision in TYPES} == dict.fromkeys(TYPES, ours)
    assert online["explicit"] == ours
    # ModelScope's own class was asked for the other model: it fails for want of torchvision, or of weights.
    assert "stablediffusionpipeline" in online["other"].lower().replace("_", "")
    hub.stop()
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    offline = answer(child, "OFFLINE", tmp_path)
    child.communicate(timeout=60)
    assert offline["folder"].endswith(f"snapshots/{REVISION}")
    assert offline["same"]
    assert "invalid model repo path" in offline["by id"]  # what README.md tells offline users to avoid
    assert offline["explicit"] == ours


def answer(child: "subprocess.Popen[str]", word: str, tmp_path: Path) -> dict[str, str]:
    """What the child prints after `word`; other lines are ModelScope's log."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(word):
            return json.loads(line.removeprefix(word))
    raise AssertionError((tmp_path / "stderr").read_text("utf-8")[-4000:])
