"""The loss on pictures that were not trained on, always at the same noise and timesteps."""

import torch
from accelerate import Accelerator

from pai_modelscope.methods.base import Method
from pai_modelscope.training.losses import Meter
from pai_modelscope.training.sample_order import Order
from pai_modelscope.training.sharding import autocast
from pai_modelscope.training.source import Source
from pai_modelscope.training.validation import untouched

_SEED = 20_230_501  # none that somebody trains with


def held_out_loss(
    method: Method, source: Source, accelerator: Accelerator, batch_size: int = 8, rounds: int = 1
) -> dict[str, float]:
    """'loss', and 'loss/0-249' and so on by bands of timesteps: means over all samples of `source`, each seen `rounds`
    times at noise and timesteps of its own.

    Captions are not dropped. The same weights, pictures and numbers give the same result, whatever was trained before.
    """
    meter, device = Meter(), accelerator.device
    method.to(device)
    phase = method.phases()[0].name
    with untouched(method), method.evaluating(), autocast(accelerator):
        method.eval()
        for bucket, length in enumerate(source.lengths):
            order = Order([length], 1, _SEED, [0])
            for start in range(0, length * rounds, batch_size):
                steps = range(start, min(start + batch_size, length * rounds))
                indices, keys = (
                    torch.cat([values_at(step) for step in steps]) for values_at in (order.indices, order.keys)
                )
                batch = source.batch(bucket, indices, device, keys)
                metrics = method({**batch, "keys": keys.to(device)}, phase)
                loss, count = metrics.pop("loss"), torch.tensor(len(keys), device=device)
                meter.add({**metrics, "loss:sum": loss * count, "loss:count": count})
    return meter.read(accelerator)
