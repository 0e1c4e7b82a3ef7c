"""What can go wrong in training and be mended by whoever started it.

::

    TrainingError              exit code 1
    ├── BadConfigError         exit code 2: a choice is out of range or does not go with another
    ├── BadDataError           pictures, tags or split cannot be trained on
    ├── BaseWeightsError       weights for the convolutional base cannot be had or do not fit
    ├── CheckpointError        a checkpoint is missing or was made by another network
    ├── DivergedError          the loss is no longer a number
    └── ExportError            the forms of the network disagree; nothing was sealed
        └── UnsupportedLayerError

Every message says what to mend. Imports nothing, so the command line knows the tree without
TensorFlow.
"""


class TrainingError(Exception):
    """Root of the tree."""

    exit_code = 1


class BadConfigError(TrainingError):
    """A choice is out of range or does not go with another; the message names both."""

    exit_code = 2


class BadDataError(TrainingError):
    """The pictures or their tags cannot be trained on."""


class BaseWeightsError(TrainingError):
    """The weights for the convolutional base cannot be had; the message says how to give them."""


class CheckpointError(TrainingError):
    """There is no checkpoint, or it was made by another network."""


class DivergedError(TrainingError):
    """The loss is no longer a number; the last checkpoint is from before."""


class ExportError(TrainingError):
    """The forms of the network disagree, or weights do not fit float16; nothing was sealed."""


class UnsupportedLayerError(ExportError):
    """The network has a layer that the CPU form has no translation for."""
