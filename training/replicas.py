"""One device, or several that share every training step (`tf.distribute.MirroredStrategy`).

Knows devices, tensors and variables; knows no loss and no recipe. A step gets a whole batch; each
replica sees a part of it and divides by the size of the whole, so that sums over the replicas are
what one device would have computed.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.errors import BadConfigError
from training.network import dropouts

ALL_DEVICES = "auto"

SharedStep = Callable[..., tf.Tensor]
"""`(*arrays)` of one batch, each with a row per picture -> sum over the replicas."""


class Replicas:
    """The devices of a run; with one there is no strategy and nothing is copied.

    Attributes:
        count: Devices that share a step.
    """

    def __init__(self, devices: Sequence[str] = ()) -> None:
        """Use the named devices, for example ``GPU:0`` and ``GPU:1``; none or one: as TensorFlow.

        Must be made before the variables that are to live on all of them; see `scope`.
        """
        several = len(devices) > 1
        self._strategy = _strategy_over(tuple(devices)) if several else None
        self.count = max(1, len(devices))

    def scope(self) -> AbstractContextManager[None]:
        """Make the variables created inside live on every device."""
        found: AbstractContextManager[None] = (
            self._strategy.scope() if self._strategy else nullcontext()
        )
        return found

    def shared(self, step: Callable[..., tf.Tensor]) -> SharedStep:
        """Compile a step of one replica into one of all.

        Args:
            step: `(*parts, batch_size)` -> a scalar; `batch_size` is that of the whole batch.

        Returns:
            A step that takes whole arrays, deals their rows to the replicas, and sums up.

        Raises:
            BadConfigError: When called with fewer rows than there are replicas.
        """
        if self._strategy is None:
            compiled = tf.function(step)
            return lambda *arrays: compiled(*map(tf.constant, arrays), _rows(arrays[0]))
        strategy = self._strategy
        on_all = tf.function(lambda *values: strategy.run(step, args=values))

        def run(*arrays: NDArray[np.generic]) -> tf.Tensor:
            parts = [self._dealt(np.asarray(array)) for array in arrays]
            return strategy.reduce("SUM", on_all(*parts, _rows(arrays[0])), axis=None)

        return run

    def summed(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Return the sums over all replicas; only inside a shared step."""
        if self._strategy is None:
            return list(tensors)
        context = tf.distribute.get_replica_context()
        return list(context.all_reduce(tf.distribute.ReduceOp.SUM, list(tensors)))

    def part_dropout(self, network: keras.Model) -> None:
        """Let every replica drop other features: mirrored seeds would drop the same everywhere."""
        if self._strategy is None:
            return
        for layer in dropouts(network):
            states = self._strategy.experimental_local_results(layer.seed_generator.state.value)
            for number, state in enumerate(states):
                state.assign(state + np.array([0, number << 12], np.uint32))

    def _dealt(self, array: NDArray[np.generic]) -> tf.Tensor:
        if len(array) < self.count:
            raise BadConfigError(
                f"a batch of {len(array)} cannot be shared by {self.count} devices; "
                "take a larger --batch-size, or --devices 1"
            )
        parts = np.array_split(array, self.count)
        assert self._strategy is not None  # only called with one
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )


def open_replicas(devices: str) -> Replicas:
    """Find the devices of a run.

    Args:
        devices: ``auto`` takes every GPU that TensorFlow sees, or the processor where there is
            none; a number takes so many GPUs, or so many logical processors where there is none.

    Raises:
        BadConfigError: It is no number, or more than there are.
    """
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if devices == ALL_DEVICES:
        return Replicas(gpus)
    if not devices.isdigit() or int(devices) < 1:
        raise BadConfigError(f"devices is auto or a number from 1, not {devices!r}")
    found = gpus or [device.name for device in tf.config.list_logical_devices("CPU")]
    count = int(devices)
    if count > len(found):
        raise BadConfigError(f"devices is {count}, but TensorFlow sees only {len(found)} here")
    return Replicas(found[:count])


@cache
def _strategy_over(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """Return one strategy a process: a second over the same devices would reuse the first's keys.

    TensorFlow numbers the sums of each strategy from the same start, and two with one number and
    different shapes abort the step.
    """
    return tf.distribute.MirroredStrategy(list(devices))


def _rows(array: NDArray[np.generic]) -> tf.Tensor:
    return tf.constant(len(array), tf.float32)
