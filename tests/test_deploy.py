"""deploy/: what the files say fits the service, the command line and each other.

A check is a function of the folder that holds `deploy/` and `.dockerignore`. It runs on the project's files, and on
copies of them with one part broken, where it must fail.
"""

import configparser
import fnmatch
import http.server
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import pytest
import yaml

from pai_modelscope import __version__
from pai_modelscope.cli import build_parser, train
from pai_modelscope.cli.serve import options_of
from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.serving import server
from pai_modelscope.serving.access import Tokens, check_bind
from pai_modelscope.serving.app import build_app
from pai_modelscope.training.options import resolve_options

ROOT = Path(__file__).parents[1]
HEALTH, READY = "/healthz", "/readyz"
DRAIN = inspect.signature(build_app).parameters["drain_seconds"].default + server._FAREWELL


# The files.


def instructions(place: Path) -> list[tuple[str, str]]:
    """Of the Dockerfile, each as its name and the rest of its line."""
    text = "\n".join(line for line in read(place, "Dockerfile").splitlines() if not line.startswith("#"))
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def instruction(place: Path, name: str) -> str:
    """The last one of a name, which holds."""
    return [rest for one, rest in instructions(place) if one == name][-1]


def unit(place: Path) -> dict[str, dict[str, list[str]]]:
    """Of the systemd unit, sections, keys and values; a key may come several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in read(place, "pai-modelscope.service").splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            keys = sections.setdefault(found[1], {})
        elif line.strip() and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            keys.setdefault(key, []).append(value)
    return sections


def compose(place: Path) -> Any:
    return yaml.safe_load(read(place, "docker-compose.yaml"))


def cluster(place: Path) -> dict[str, Any]:
    """What kubernetes.yaml declares, by its kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(read(place, "kubernetes.yaml"))}


def pod(place: Path) -> Any:
    return cluster(place)["Deployment"]["spec"]["template"]["spec"]


def kuberay(place: Path) -> dict[str, Any]:
    """What kuberay.yaml declares, by its kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(read(place, "kuberay.yaml"))}


def front(place: Path) -> Any:
    return kuberay(place)["RayCluster"]["spec"]["headGroupSpec"]["template"]["spec"]


def eas(place: Path) -> Any:
    return json.loads(read(place, "eas/service.json"))


def dlc(place: Path) -> Any:
    return json.loads(read(place, "dlc/train.json"))


def read(place: Path, name: str) -> str:
    return (place / "deploy" / name).read_text(encoding="utf-8")


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


# Their command lines.


def commands(place: Path) -> dict[str, list[str]]:
    """What each file gives to `pai-modelscope serve`, with its own name before it."""
    program, *systemd = shlex.split(unit(place)["Service"]["ExecStart"][0])
    assert program.endswith("/bin/pai-modelscope")
    own, *on_eas = shlex.split(eas(place)["containers"][0]["command"])
    assert own == "pai-modelscope"
    return {
        "Dockerfile": json.loads(instruction(place, "CMD")),
        "compose": compose(place)["services"]["paint"]["command"],
        "systemd": systemd,
        "kubernetes": pod(place)["containers"][0]["args"],
        "kuberay": shlex.split(front(place)["containers"][0]["args"][0].partition("exec pai-modelscope ")[2]),
        "eas": on_eas,
    }


def parsed(arguments: list[str]) -> Any:
    args, rest = build_parser().parse_known_args(arguments)
    assert rest == [] and callable(args.run)
    return args


def served(place: Path) -> dict[str, ServeOptions]:
    """The options that each file's command line becomes, by the program's own reading."""
    assert all(arguments[0] == "serve" for arguments in commands(place).values())
    return {name: options_of(parsed(arguments)) for name, arguments in commands(place).items()}


# The checks.


def check_options(place: Path) -> None:
    """Every command line is understood, and would be served to others with tokens only."""
    for name, options in served(place).items():
        assert options.token_file, name
        check_bind(options.host, Tokens({}))
        assert options.reached_by_others, name
        assert (options.host == "0.0.0.0") == (name != "systemd"), "in a container, 127.0.0.1 is the container's own"


def check_ports(place: Path) -> None:
    port = ServeOptions.port
    assert {options.port for options in served(place).values()} == {port}
    assert instruction(place, "EXPOSE") == str(port)
    assert compose(place)["services"]["paint"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    [declared] = pod(place)["containers"][0]["ports"]
    [service] = cluster(place)["Service"]["spec"]["ports"]
    assert declared["containerPort"] == service["port"] == port
    assert service["targetPort"] == declared["name"]
    assert eas(place)["containers"][0]["port"] == port


def probes(place: Path) -> dict[str, tuple[str, object]]:
    """Path and port that each probe asks."""
    found: dict[str, tuple[str, object]] = {}
    health = re.search(r"urlopen\('http://127\.0\.0\.1:(\d+)(/\w+)'", instruction(place, "HEALTHCHECK"))
    assert health
    found["Dockerfile"] = (health[2], int(health[1]))
    container = pod(place)["containers"][0]
    names = {one["name"]: one["containerPort"] for one in container["ports"]}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[name]["httpGet"]
        found[name] = (asked["path"], names[asked["port"]])
    for name in ("startup_check", "liveness_check", "readiness_check"):
        asked = eas(place)["containers"][0][name]["http_get"]
        found[name] = (asked["path"], asked["port"])
    return found


def check_probes(place: Path) -> None:
    for name, (path, port) in probes(place).items():
        assert path == (READY if name.startswith("readiness") else HEALTH), name
        assert port == ServeOptions.port, name


def check_end(place: Path) -> None:
    """SIGTERM reaches the program, and what is being drawn has the time to end."""
    seconds = re.fullmatch(r"(\d+)s", compose(place)["services"]["paint"]["stop_grace_period"])
    assert seconds
    service, metadata = unit(place)["Service"], eas(place)["metadata"]
    for patience in (
        int(seconds[1]),
        int(service["TimeoutStopSec"][0]),
        pod(place)["terminationGracePeriodSeconds"],
        metadata["eas"]["termination_grace_period"],
    ):
        assert patience >= DRAIN + 10
    assert metadata["rpc"]["enable_sigterm"] is True
    assert service["KillSignal"] == [instruction(place, "STOPSIGNAL")] == ["SIGTERM"]
    assert service["KillMode"] == ["mixed"]
    assert json.loads(instruction(place, "ENTRYPOINT")) == ["tini", "--", "pai-modelscope"]  # no shell before it
    assert any(
        name == "RUN" and "install --yes --no-install-recommends tini" in rest for name, rest in instructions(place)
    )


def check_rights(place: Path) -> None:
    """No root, no capability, nothing to write but the data and /tmp."""
    user, group = instruction(place, "USER").split(":")
    assert int(user) > 0 and int(group) > 0
    assert f"--uid {user} " in instruction(place, "RUN") and f"groupadd --gid {group} " in instruction(place, "RUN")
    whole, container = pod(place)["securityContext"], pod(place)["containers"][0]
    assert whole["runAsNonRoot"] is True
    assert [whole["runAsUser"], whole["runAsGroup"], whole["fsGroup"]] == [int(user), int(group), int(group)]
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"] is True and own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert pod(place)["automountServiceAccountToken"] is False
    paint = compose(place)["services"]["paint"]
    assert paint["read_only"] is True and paint["cap_drop"] == ["ALL"] and paint["tmpfs"] == ["/tmp"]
    assert paint["security_opt"] == ["no-new-privileges:true"]
    service = unit(place)["Service"]
    for key in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "RestrictNamespaces"):
        assert service[key] == ["yes"], key
    assert service["ProtectSystem"] == ["strict"] and service["CapabilityBoundingSet"] == [""]
    assert "MemoryDenyWriteExecute" not in service  # PyTorch could not draw


def below(path: str, folder: str) -> bool:
    return PurePosixPath(folder) in PurePosixPath(path).parents


def check_data(place: Path) -> None:
    """Jobs lie where they outlive a restart, and no two services would share them."""
    options = served(place)
    volume = instruction(place, "VOLUME")
    environment = instruction(place, "ENV")
    assert f"HOME={volume} " in environment and instruction(place, "WORKDIR") == volume
    assert all(below(options[name].data, volume) for name in ("Dockerfile", "compose", "kubernetes", "kuberay", "eas"))
    [mount] = compose(place)["services"]["paint"]["volumes"]
    name, _, target = mount.partition(":")
    assert target == volume and name in compose(place)["volumes"]
    deployment = cluster(place)["Deployment"]["spec"]
    assert deployment["replicas"] == 1 and deployment["strategy"] == {"type": "Recreate"}
    volumes = {one["name"]: one for one in pod(place)["volumes"]}
    mounts = {one["mountPath"]: volumes[one["name"]] for one in pod(place)["containers"][0]["volumeMounts"]}
    claim = cluster(place)["PersistentVolumeClaim"]
    assert mounts[volume]["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert mounts["/tmp"] == {"name": "tmp", "emptyDir": {}}
    service = unit(place)["Service"]
    assert below(options["systemd"].data, "%S/" + service["StateDirectory"][0])
    assert service["WorkingDirectory"] == ["%S/" + service["StateDirectory"][0]]
    assert f"HOME=%S/{service['StateDirectory'][0]} " in service["Environment"][0]
    assert eas(place)["metadata"]["instance"] == 1


def check_tokens(place: Path) -> None:
    """The file of tokens is where each file puts it, and no token stands in any of them."""
    options = served(place)
    paint = compose(place)["services"]["paint"]
    [secret] = paint["secrets"]
    assert options["Dockerfile"].token_file == options["compose"].token_file == f"/run/secrets/{secret}"
    assert compose(place)["secrets"][secret] == {"file": "./tokens.txt"}
    volumes = {one["name"]: one for one in pod(place)["volumes"]}
    folders = {one["mountPath"]: volumes[one["name"]] for one in pod(place)["containers"][0]["volumeMounts"]}
    path = PurePosixPath(options["kubernetes"].token_file or "")
    name = folders[str(path.parent)]["secret"]["secretName"]
    assert folders[str(path.parent)]["secret"]["defaultMode"] == 0o440
    assert f"create secret generic {name} --from-file={path.name}=" in read(place, "kubernetes.yaml")
    assert "Secret" not in cluster(place)
    name, _, source = unit(place)["Service"]["LoadCredential"][0].partition(":")
    assert options["systemd"].token_file == f"%d/{name}" and source.startswith("/etc/")
    [settings] = eas(place)["storage"]
    assert below(options["eas"].token_file or "", settings["mount_path"]) and settings["oss"]["readOnly"] is True


def check_kuberay(place: Path) -> None:
    """The front is kubernetes.yaml's but for the replicas, which fit into the workers and find what they start with."""
    options, alone = served(place)["kuberay"], served(place)["kubernetes"]
    assert options.ray == "auto" and front(place)["containers"][0]["command"][-2:] == ["/bin/bash", "-c"]
    same = dict.fromkeys(("ray", "device", "replicas", "most_replicas", "replica_cores"))
    assert replace(options, **same) == replace(alone, **same)
    spec = kuberay(place)["RayCluster"]["spec"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"  # nothing is drawn beside the queue
    assert spec["authOptions"] == {"mode": "token"}
    pinned = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned and spec["rayVersion"] == pinned[1]
    [workers] = spec["workerGroupSpecs"]
    [worker] = workers["template"]["spec"]["containers"]
    assert int(worker["resources"]["limits"]["cpu"]) == options.replica_cores
    assert (workers["minReplicas"], workers["maxReplicas"]) == (options.replicas, options.most_replicas)
    assert worker["image"] == front(place)["containers"][0]["image"]
    assert "EXTRAS=serve,safety,cluster" in read(place, "kuberay.yaml")
    assert front(place)["terminationGracePeriodSeconds"] >= DRAIN + 10
    assert workers["template"]["spec"]["terminationGracePeriodSeconds"] > replicas_module()._DRAIN
    for kind in ("PersistentVolumeClaim", "Service"):
        assert kuberay(place)[kind] == cluster(place)[kind]
    own, other = front(place)["containers"][0], pod(place)["containers"][0]
    for name in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
        assert own[name] == other[name]
    assert front(place)["securityContext"] == pod(place)["securityContext"]


def replicas_module() -> Any:
    from pai_modelscope.serving import replicas

    return replicas


def check_labels(place: Path) -> None:
    """In the cluster, the Service finds the Deployment's pod, which answers to the Service's name."""
    deployment, service = cluster(place)["Deployment"]["spec"], cluster(place)["Service"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == service["spec"]["selector"] == labels
    assert service["metadata"]["name"] in (served(place)["kubernetes"].allow_host or [])


def check_installation(place: Path) -> None:
    """Python is one that setup.cfg takes; what is installed is pinned, and has all that the commands need."""
    least = re.fullmatch(r">=(\d+)\.(\d+)", setup()["options"]["python_requires"])
    assert least
    arguments = dict(rest.split("=", 1) for name, rest in instructions(place) if name == "ARG")
    version = arguments["PYTHON"].split(".")
    assert (int(version[0]), int(version[1])) >= (int(least[1]), int(least[2]))
    assert f"Python :: {version[0]}.{version[1]}" in setup()["metadata"]["classifiers"]
    bases = [rest.split(" AS ")[0] for name, rest in instructions(place) if name == "FROM"]
    assert bases == ["python:${PYTHON}-slim"] * 2
    assert compose(place)["services"]["paint"]["build"]["args"] == {
        "TORCH_INDEX": "${TORCH_INDEX:-" + arguments["TORCH_INDEX"] + "}"
    }
    [pip] = [rest for name, rest in instructions(place) if name == "RUN" and "pip install" in rest]
    by_hand = re.search(r"^#   (/opt/\S+/pip install .*)$", read(place, "pai-modelscope.service"), re.MULTILINE)
    assert (
        by_hand
        and by_hand[1].split()[0] == unit(place)["Service"]["ExecStart"][0].split()[0][: -len("pai-modelscope")] + "pip"
    )
    known = setup()["options.extras_require"].keys()
    for line in (pip, by_hand[1]):
        words = shlex.split(line.replace("${EXTRAS}", arguments["EXTRAS"]))
        assert words[words.index("--constraint" if "--constraint" in words else "-c") + 1] == "constraints.txt"
        extras = set(words[-1].removeprefix(".[").removesuffix("]").split(","))
        assert extras == {"serve", "safety"} and extras <= known  # others reach it: pictures are checked


def check_context(place: Path) -> None:
    """What the Dockerfile copies is there, is sent to Docker, and is all that the installation reads."""
    ignored, *rules = [
        line for line in (place / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert ignored == "*"
    sent = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = [shlex.split(rest) for name, rest in instructions(place) if name == "COPY" and "--from" not in rest]
    sources = {source for *names, _ in copied for source in names}
    assert sources == sent and all((ROOT / source).exists() for source in sources)
    metadata = setup()["metadata"]
    read_by_pip = {"setup.cfg", "pyproject.toml", "constraints.txt", *metadata["license_files"].split()}
    assert read_by_pip | {metadata["long_description"].removeprefix("file: "), "pai_modelscope"} <= sources
    assert any(fnmatch.fnmatch("pai_modelscope/__pycache__", rule) for rule in rules)


def check_versions(place: Path) -> None:
    """Images bear the version of the package."""
    images = [
        compose(place)["services"]["paint"]["image"],
        pod(place)["containers"][0]["image"],
        eas(place)["containers"][0]["image"],
        dlc(place)["JobSpecs"][0]["Image"].removesuffix("-cuda"),
    ]
    assert all(image.rpartition("/")[2] == f"pai-modelscope:{__version__}" for image in images)
    assert f"-t pai-modelscope:{__version__} ." in read(place, "Dockerfile")


# What Alibaba Cloud documents of the two files; deploy/README.md names the pages. Fields beyond are refused.
def fields(required: str, optional: str = "", **schemas: Any) -> dict[str, Any]:
    names = [*required.split(), *optional.split()]
    return {
        "type": "object",
        "required": required.split(),
        "properties": {name: schemas.get(name, {}) for name in names},
        "additionalProperties": False,
    }


TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
PATH = {"type": "string", "pattern": "^/"}
CHECK = fields(
    "http_get",
    "initial_delay_seconds period_seconds timeout_seconds success_threshold failure_threshold",
    http_get=fields("path port", "scheme", path=PATH, port=PORT, scheme={"enum": ["HTTP", "HTTPS"]}),
    initial_delay_seconds={"type": "integer", "minimum": 0},
    **dict.fromkeys(("period_seconds", "timeout_seconds", "success_threshold", "failure_threshold"), COUNT),
)
EAS_SCHEMA = fields(
    "metadata containers cloud",
    "storage",
    metadata=fields(
        "name instance",
        "workspace_id resource cpu gpu memory disk shm_size rolling_strategy rpc eas",
        name={"type": "string", "pattern": "^[a-z][a-z0-9_]{2,62}$"},
        instance=COUNT,
        workspace_id=TEXT,
        rolling_strategy=fields(
            "max_surge max_unavailable",
            max_surge={"type": ["integer", "string"]},
            max_unavailable={"type": "integer", "minimum": 0},
        ),
        rpc=fields("enable_sigterm", "keepalive", enable_sigterm={"type": "boolean"}),
        eas=fields("termination_grace_period", termination_grace_period=COUNT),
    ),
    cloud=fields(
        "computing",
        computing=fields(
            "instances",
            instances={
                "type": "array",
                "minItems": 1,
                "items": fields("type", type={"type": "string", "pattern": r"^ecs\.[\w-]+\.\w+$"}),
            },
        ),
    ),
    containers={
        "type": "array",
        "minItems": 1,
        "items": fields(
            "image port",
            "command script env startup_check liveness_check readiness_check",
            image=TEXT,
            command=TEXT,
            script=TEXT,
            port=PORT,
            **dict.fromkeys(("startup_check", "liveness_check", "readiness_check"), CHECK),
        ),
    },
    storage={
        "type": "array",
        "items": fields(
            "mount_path oss",
            mount_path=PATH,
            oss=fields(
                "path", "readOnly", path={"type": "string", "pattern": "^oss://.+/$"}, readOnly={"type": "boolean"}
            ),
        ),
    },
)
DLC_SCHEMA = fields(
    "DisplayName JobType JobSpecs UserCommand WorkspaceId",
    "Accessibility CodeSource DataSources Envs JobMaxRunningTimeMinutes Options Priority ResourceId Settings "
    "ThirdpartyLibDir ThirdpartyLibs UserVpc",
    DisplayName={"type": "string", "pattern": r"^[\w.-]{1,256}$"},
    JobType={"pattern": "^(TF|PyTorch|MPI|XGBoost|OneFlow|ElasticBatch|Slurm|Ray)Job$"},
    UserCommand=TEXT,
    WorkspaceId=TEXT,
    JobMaxRunningTimeMinutes=COUNT,
    JobSpecs={
        "type": "array",
        "minItems": 1,
        "items": fields(
            "Type Image PodCount EcsSpec",
            "ResourceConfig RestartPolicy",
            Type={"enum": ["Worker", "Master"]},
            Image=TEXT,
            PodCount=COUNT,
            EcsSpec={"type": "string", "pattern": r"^ecs\.[\w-]+\.\w+$"},
            RestartPolicy={"enum": ["Always", "Never", "OnFailure", "ExitCode"]},
        ),
    },
    DataSources={
        "type": "array",
        "items": fields(
            "DataSourceId MountPath",
            "DataSourceVersion EnableCache MountAccess Options",
            DataSourceId=TEXT,
            MountPath=PATH,
            MountAccess={"enum": ["RO", "RW"]},
        ),
    },
)


def check_eas(place: Path) -> None:
    jsonschema.validate(eas(place), EAS_SCHEMA)


def check_dlc(place: Path) -> None:
    """The job has the documented fields; its command is understood, reads what is mounted and writes where it may."""
    job = dlc(place)
    jsonschema.validate(job, DLC_SCHEMA)
    program, *arguments = shlex.split(job["UserCommand"])
    assert program == "pai-modelscope" and arguments[:2] == ["train", "lora"]
    args = parsed(arguments)
    options = resolve_options(args.method, train.options_of(args))
    access = {one["MountPath"]: one["MountAccess"] for one in job["DataSources"]}
    assert access[str(options.data.train_data_dir)] == "RO"
    assert any(below(options.loop.output_dir, path) for path, kind in access.items() if kind == "RW")
    assert options.loop.resume_from_checkpoint == "latest" and options.loop.checkpointing_steps > 0


def check_readme(place: Path) -> None:
    """Both languages show the same commands and tables, name every file, and say what was not run."""
    english, chinese = read(place, "README.md"), read(place, "README.zh.md")
    for text, words in ((english, "not run"), (chinese, "没有运行")):
        files = [path for path in (place / "deploy").rglob("*") if path.is_file() and path.suffix != ".md"]
        assert all(f"]({path.relative_to(place / 'deploy').as_posix()})" in text for path in files)
        assert "](../.dockerignore)" in text and words in text
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            assert "://" in link or (ROOT / "deploy" / link).exists() or (place / "deploy" / link).exists(), link
    blocks = [re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for text in (english, chinese)]
    assert blocks[0] == blocks[1] and len(blocks[0]) >= 5
    shapes = [re.findall(r"^(#+ |\| |- |\d\. )", text, re.MULTILINE) for text in (english, chinese)]
    assert shapes[0] == shapes[1]
    sources = [re.findall(r"https://[^\s)>]+", text) for text in (english, chinese)]
    assert sources[0] == sources[1] and len(sources[0]) >= 8
    for line in "".join(blocks[0]).splitlines():
        command = shlex.split(line)
        named = [word for word in command if re.match(r"deploy/\w", word) and not word.endswith("tokens.txt")]
        assert all((place / word).is_file() for word in named), line
        if command[0] == "pai-modelscope":
            assert command == shlex.split(dlc(place)["UserCommand"])


CHECKS: list[Callable[[Path], None]] = [
    check_options,
    check_ports,
    check_probes,
    check_end,
    check_rights,
    check_data,
    check_tokens,
    check_labels,
    check_installation,
    check_context,
    check_versions,
    check_eas,
    check_dlc,
    check_kuberay,
    check_readme,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_files(check: Callable[[Path], None]) -> None:
    check(ROOT)


COMPOSE, UNIT, CLUSTER = "docker-compose.yaml", "pai-modelscope.service", "kubernetes.yaml"
EAS, DLC = "eas/service.json", "dlc/train.json"
BREAKS = [  # what a check must see: the file, what stands there, and what would be wrong
    (check_options, "Dockerfile", '"--token-file"', '"--token-files"'),
    (check_options, COMPOSE, "      - --token-file=/run/secrets/tokens\n", ""),
    (check_options, COMPOSE, "--port=7860", "--port=78600"),
    (check_options, UNIT, "serve --host 127.0.0.1", "server --host 127.0.0.1"),
    (check_options, CLUSTER, "- --host=0.0.0.0", "- --host=127.0.0.1"),
    (check_options, EAS, "--allow-host ENDPOINT_HOST", "--allow-hosts ENDPOINT_HOST"),
    (check_ports, "Dockerfile", "EXPOSE 7860", "EXPOSE 8000"),
    (check_ports, COMPOSE, "127.0.0.1:7860:7860", "127.0.0.1:7860:8000"),
    (check_ports, UNIT, "--port 7860", "--port 8000"),
    (check_ports, CLUSTER, "targetPort: http", "targetPort: web"),
    (check_ports, EAS, '"port": 7860,\n      "startup_check"', '"port": 8000,\n      "startup_check"'),
    (check_probes, "Dockerfile", "7860/healthz", "7860/health"),
    (check_probes, CLUSTER, "path: /readyz", "path: /healthz"),
    (check_probes, EAS, '"/readyz"', '"/ready"'),
    (check_end, "Dockerfile", 'ENTRYPOINT ["tini", "--", "pai-modelscope"]', "ENTRYPOINT pai-modelscope"),
    (check_end, COMPOSE, "stop_grace_period: 90s", "stop_grace_period: 60s"),
    (check_end, UNIT, "TimeoutStopSec=90", "TimeoutStopSec=10"),
    (check_end, CLUSTER, "terminationGracePeriodSeconds: 90", "terminationGracePeriodSeconds: 30"),
    (check_end, EAS, '"termination_grace_period": 90', '"termination_grace_period": 30'),
    (check_end, EAS, '"enable_sigterm": true', '"enable_sigterm": false'),
    (check_rights, "Dockerfile", "USER 10001:10001", "USER 0:0"),
    (check_rights, COMPOSE, "read_only: true", "read_only: false"),
    (check_rights, UNIT, "ProtectSystem=strict", "ProtectSystem=no"),
    (check_rights, CLUSTER, "runAsUser: 10001", "runAsUser: 1000"),
    (check_data, "Dockerfile", "VOLUME /var/lib/pai-modelscope", "VOLUME /data"),
    (check_data, COMPOSE, "- data:/var/lib/pai-modelscope", "- data:/data"),
    (check_data, UNIT, "StateDirectory=pai-modelscope", "StateDirectory=paint"),
    (check_data, CLUSTER, "replicas: 1", "replicas: 2"),
    (check_data, CLUSTER, "type: Recreate", "type: RollingUpdate"),
    (check_data, EAS, '"instance": 1', '"instance": 2'),
    (check_tokens, "Dockerfile", "/run/secrets/tokens", "/run/tokens"),
    (check_tokens, UNIT, "LoadCredential=tokens:", "LoadCredential=token:"),
    (check_tokens, CLUSTER, "secretName: pai-modelscope-tokens", "secretName: tokens"),
    (check_tokens, EAS, '"mount_path": "/mnt/settings"', '"mount_path": "/mnt/tokens"'),
    (check_labels, CLUSTER, "--allow-host=pai-modelscope", "--allow-host=paint"),
    (check_installation, "Dockerfile", "ARG PYTHON=3.11", "ARG PYTHON=3.10"),
    (check_installation, "Dockerfile", "EXTRAS=serve,safety\n", "EXTRAS=serve\n"),
    (check_installation, "Dockerfile", "--constraint constraints.txt ", ""),
    (check_installation, UNIT, "-c constraints.txt ", ""),
    (check_context, "Dockerfile", "COPY setup.cfg", "COPY setup.py"),
    (check_context, "../.dockerignore", "!LICENSE\n", ""),
    (check_versions, CLUSTER, f"pai-modelscope:{__version__}", "pai-modelscope:latest"),
    (check_versions, DLC, f"pai-modelscope:{__version__}-cuda", "pai-modelscope:0.0.9-cuda"),
    (check_eas, EAS, '"computing"', '"compute"'),
    (check_eas, EAS, '"pai_modelscope"', '"PAI-ModelScope"'),
    (check_kuberay, "kuberay.yaml", "--replica-cores=2", "--replica-cores=4"),
    (check_kuberay, "kuberay.yaml", 'num-cpus: "0"', 'num-cpus: "2"'),
    (check_kuberay, "kuberay.yaml", "mode: token", "mode: disabled"),
    (check_kuberay, "kuberay.yaml", "path: /readyz", "path: /healthz"),
    (check_dlc, DLC, '"PyTorchJob"', '"PytorchJob"'),
    (check_dlc, DLC, '"UserCommand"', '"Command"'),
    (check_dlc, DLC, "--max_train_steps 500", "--max_steps 500"),
    (check_dlc, DLC, "/mnt/results/ink", "/mnt/pictures/ink"),
    (check_readme, "README.md", "docker build -f deploy/Dockerfile", "docker build -f deploy/Dockerfiles"),
    (check_readme, "README.zh.md", "没有运行", "运行"),
]


@pytest.mark.parametrize(("check", "name", "good", "bad"), BREAKS)
def test_a_break_is_seen(check: Callable[[Path], None], name: str, good: str, bad: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copy(ROOT / ".dockerignore", tmp_path)
    path = tmp_path / "deploy" / name
    text = path.read_text(encoding="utf-8")
    assert good in text, "the break is where the file is"
    path.write_text(text.replace(good, bad), encoding="utf-8")
    with pytest.raises((Exception, SystemExit)):
        check(tmp_path)


def test_every_check_is_broken_once() -> None:
    assert {check for check, *_ in BREAKS} == set(CHECKS)


# The files and what they are read by.


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The application as the cluster's command line makes it, without its engine: nothing is drawn."""
    from pai_modelscope.serving.service import Service

    options = replace(served(ROOT)["kubernetes"], data=str(tmp_path_factory.mktemp("deploy")), safety="off")
    service = Service(options)
    yield build_app(service, Tokens({"ann": b"digest"}))
    service.store.close()


@pytest.mark.parametrize("name", probes(ROOT))
def test_probes_are_answered(app: Any, name: str) -> None:
    """By an address, as kubelet asks, and without a token: it is alive, and not ready as long as no model is open."""
    from starlette.testclient import TestClient

    path, port = probes(ROOT)[name]
    client = TestClient(app, base_url=f"http://10.1.2.3:{port}")
    status = 503 if path == READY else 200
    assert client.get(path).status_code == status
    assert client.get("/v1/jobs").status_code == 401
    assert TestClient(app, base_url=f"http://other.example:{port}").get(path).status_code == 421
    for host in ("pai-modelscope", "paint.example"):
        assert TestClient(app, base_url=f"http://{host}:{port}").get(path).status_code == status


@pytest.mark.parametrize("status", [200, 503])
def test_the_health_check_of_the_image_runs(status: int) -> None:
    """Its own command, on a port that is free."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == HEALTH else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as answering:
        threading.Thread(target=answering.serve_forever, daemon=True).start()
        command = json.loads(instruction(ROOT, "HEALTHCHECK").partition("CMD ")[2])
        assert command[:2] == ["python", "-c"]
        code = command[2].replace(str(ServeOptions.port), str(answering.server_port))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
        answering.shutdown()
    assert (done.returncode == 0) == (status == 200)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize(
    ("good", "bad"), [("", ""), ("TimeoutStopSec=90", "TimeoutStopSec=ninety"), ("Type=exec", "Typ=exec")]
)
def test_systemd_understands_the_unit(good: str, bad: str, tmp_path: Path) -> None:
    """With a program that is there in place of the one that the unit starts; what is unknown is said on stderr."""
    program = unit(ROOT)["Service"]["ExecStart"][0].split()[0]
    text = read(ROOT, UNIT).replace(f"ExecStart={program}", f"ExecStart={sys.executable}").replace(good, bad)
    path = tmp_path / UNIT
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, timeout=60)
    complaints = [line for line in done.stderr.splitlines() if UNIT in line]
    assert bool(complaints) == bool(good), done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_hardened() -> None:
    """systemd's own judgement, of 0 to 10: 1.5 with systemd 252."""
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager"]
    done = subprocess.run([*command, str(ROOT / "deploy" / UNIT)], capture_output=True, text=True, timeout=60)
    if "offline" in done.stderr:
        pytest.skip("this systemd does not judge files")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
