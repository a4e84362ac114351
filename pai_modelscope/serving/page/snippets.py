"""A request as code that makes the same pictures elsewhere."""

import json
import pprint
from collections.abc import Mapping


def python(request: Mapping[str, object], model: str) -> str:
    """Of this package, without a service."""
    options = {name: value for name, value in request.items() if name != "prompt"}
    said = "".join(f", {name}={value!r}" for name, value in options.items())
    return (
        "from pai_modelscope import Sampler\n\n"
        f"sampler = Sampler.from_pretrained({model!r})\n"
        f"pictures = sampler({request.get('prompt', '')!r}{said})\n"
        'pictures[0].save("picture.png")\n'
    )


def curl(request: Mapping[str, object], address: str) -> str:
    """Of the service's own protocol."""
    body = json.dumps(dict(request), ensure_ascii=False).replace("'", "'\\''")
    return f"curl -H 'Prefer: wait=60' -H 'Authorization: Bearer TOKEN' \\\n  -d '{body}' \\\n  {address}/v1/jobs\n"


def cell(request: Mapping[str, object], model: str) -> str:
    """A notebook's cell, through ModelScope."""
    asked = {("text" if name == "prompt" else name): value for name, value in request.items()}
    said = pprint.pformat({**asked, "output_type": "pil"}, sort_dicts=False, width=100)
    return (
        "import pai_modelscope\n"
        "from modelscope.pipelines import pipeline\n\n"
        f"pipe = pipeline('text-to-image-synthesis', pai_modelscope.model_dir({model!r}))\n"
        f"pipe({said})['output_imgs'][0]\n"
    )
