"""What an artifact says of itself beyond its weights. Knows no network."""

from dataclasses import dataclass

from training.dataset import Split


@dataclass(frozen=True, slots=True)
class Publication:
    """Name and terms of a model that is about to be published.

    Attributes:
        version: Name of the model, unique in a library.
        licence: Under which terms the weights may be used.
        measured_split: Split whose figures are published.
        base: What the convolutional base began as.
    """

    version: str
    licence: str
    measured_split: Split
    base: str = "none"
