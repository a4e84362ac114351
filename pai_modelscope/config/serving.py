"""How the service runs: what `pai-modelscope serve` takes, on the command line and in a configuration file."""

import ipaddress
from dataclasses import dataclass, replace

from pai_modelscope.config.labels import LabelOptions
from pai_modelscope.config.model import DEFAULT_MODEL
from pai_modelscope.config.option import as_declared, option


@dataclass
class ServeOptions:
    """How the service runs."""

    host: str = option("127.0.0.1", help="address to listen on; one that others reach needs --token-file")
    port: int = option(7860, help="port to listen on; 0 takes a free one", minimum=0, maximum=65535)
    model: list[str] | None = option(
        None, help="names of 'zoo list', hub ids or folders; the first draws where none is asked for",
        absent=DEFAULT_MODEL,
    )  # fmt: skip
    lora: list[str] | None = option(
        None, help="files, folders or names of LoRAs that prompts may use by <lora:name:0.8>", absent="none"
    )
    embedding: list[str] | None = option(None, help="files of embeddings whose words prompts may use", absent="none")
    data: str = option("out/serve", help="folder of jobs and their pictures; one service at a time")
    device: str | None = option(None, help="cpu or cuda", absent="the fastest there is")
    batch: int | None = option(
        None, help="pictures of several jobs drawn at once", absent="1 on a CPU, 8 on a GPU", minimum=1, maximum=64
    )
    ray: str | None = option(
        None, help="address of a Ray cluster whose replicas draw; local: one is started on this machine",
        absent="this process draws",
    )  # fmt: skip
    replicas: int = option(1, help="replicas that Ray keeps, one a GPU", minimum=1, maximum=1024)
    most_replicas: int | None = option(
        None, help="replicas that Ray may start while much waits", absent="as many as replicas", minimum=1, maximum=1024
    )
    replica_cores: int = option(1, help="processor cores, and threads, of a replica", minimum=1, maximum=1024)
    preview_steps: int = option(5, help="steps after which a picture is shown as it will look; 0: never", minimum=0)
    memory_mib: int | None = option(
        None, help="MiB that models may take; the least recently used goes out", absent="no bound", minimum=64
    )
    token_file: str | None = option(
        None,
        help="file of 'name token' a line, with bounds of its own as in jobs=8 after them; who sends none of them is "
        "refused",
        absent="none",
    )
    allow_host: list[str] | None = option(
        None, help="other names that the service is reached by, as a browser shows them", absent="none"
    )
    safety: str | None = option(
        None,
        help="what happens to a picture that the safety check objects to: flag (it is said), blur, or refuse (the job "
        "fails); off: none is checked",
        absent="blur for a service that others reach, else what a model's folder says, which is off",
        choices=("off", "flag", "blur", "refuse"),
    )
    prompt_words: str | None = option(
        None, help="file of words that prompts and poems may not contain, one a line", absent="none"
    )
    queue: int = option(256, help="jobs that may wait; beyond it clients are told to come again", minimum=1)
    queue_of_client: int = option(64, help="jobs of one client that may wait", minimum=1)
    pictures: int = option(16, help="pictures that one job may ask for", minimum=1, maximum=256)
    pixels: int = option(2**20, help="width times height that one job may ask for", minimum=64 * 64)
    picture_pixels: int = option(2**22, help="pixels that a picture of a client may have", minimum=64 * 64)
    picture_urls: bool = option(
        False, help="fetch pictures that clients give by address (http, https); of public addresses alone"
    )
    steps: int = option(150, help="steps that one job may ask for", minimum=1, maximum=1000)
    body_mib: int = option(
        16, help="MiB that a request's body may take, and a fetched picture", minimum=1, maximum=1024
    )
    requests_of_client: int = option(
        32, help="requests of one client that may be open at once; beyond it, it is told to come again", minimum=1
    )
    keep_days: float = option(7, help="days after which an ended job and its pictures are removed", above=0)
    keep_mib: int = option(
        4096, help="MiB of pictures that are kept, and of uploads; the oldest of who has most go first", minimum=1
    )
    keep_jobs: int = option(100_000, help="ended jobs that are kept; the oldest of who has most go first", minimum=1)
    aigc_label: str | None = as_declared(LabelOptions, "aigc_label", None)
    aigc_producer: str | None = as_declared(LabelOptions, "aigc_producer", None)

    @property
    def reached_by_others(self) -> bool:
        """Whether others than this machine's users are served: by another address, or a name that stands before it."""
        return not loopback(self.host) or bool(self.allow_host)


@dataclass(frozen=True)
class ClientOptions:
    """What a line of the token file may say of its client. None: as the service has it."""

    jobs: int | None = option(None, help="jobs of it that may wait, in place of --queue-of-client", minimum=1)
    pictures: int | None = as_declared(ServeOptions, "pictures", None)
    pixels: int | None = as_declared(ServeOptions, "pixels", None)
    steps: int | None = as_declared(ServeOptions, "steps", None)
    priority: int = option(
        0, help="jobs of a client with a higher one go before all of those with a lower one", minimum=-9, maximum=9
    )

    def over(self, options: ServeOptions) -> ServeOptions:
        """The service's options as they hold for this client."""
        own = {name: getattr(self, name) for name in LOWERED} | {"queue_of_client": self.jobs}
        return replace(options, **{name: value for name, value in own.items() if value is not None})


LOWERED = ("pictures", "pixels", "steps")  # of `ClientOptions`, those that may not be above the service's own


def loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
