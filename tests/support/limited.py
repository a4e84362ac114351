"""Calls in a process of their own, whose memory is measured and limited."""

import json
import resource
import subprocess
import sys
from pathlib import Path

MIB = 2**20
_SCRIPT = """
import json, resource, sys, warnings
warnings.simplefilter("ignore")
from pai_modelscope.errors import UserError
{setup}
def peak():  # of this program alone: ru_maxrss begins at what the process had before it became this program
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
before, answers = peak(), {{}}
for argument in {arguments!r}:
    try:
        answers[argument] = str(call(argument))
    except UserError as error:
        answers[argument] = "UserError: " + str(error)
print(json.dumps([answers, (peak() - before) // 1024]))
"""


def answers_within(setup: str, arguments: list[str], memory: int = 256, seconds: int = 60) -> dict[str, str]:
    """What `call(argument)`, which `setup` defines, returns or refuses for each argument, all in one process.

    Asserts that the process takes at most `memory` MiB more than after its imports, and neither fails nor hangs.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (16 * 1024 * MIB, 16 * 1024 * MIB))

    script = _SCRIPT.format(setup=setup, arguments=arguments)
    command = [sys.executable, "-c", script]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=root, preexec_fn=limit)
    assert done.returncode == 0, done.stderr[-2000:]
    answers, more = json.loads(done.stdout.splitlines()[-1])
    assert more <= memory, f"{more} MiB more than before"
    return answers
