"""What a model says of itself: tags, input, calibration, metrics, data, licence.

Knows the shape of `manifest.json` and refuses what it does not understand. Knows neither the
weights nor how they are run.
"""

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.preprocessing import PreprocessingSpec
from models.vocabulary import TAGS

FORMAT_VERSION: Final = 1
"""Raised when an older reader would misread a newer artifact."""

FEATURE_SIZE = 2048
"""Length of Inception-v3's global average pooling output (Szegedy et al. 2015, table 1)."""


class Calibration(BaseModel):
    """How raw network outputs become scores that can be compared with a threshold.

    Attributes:
        temperature: What the logits are divided by before the activation. The exporter has done it
            in the last layer's weights: readers only learn that it was done, and never repeat it.
            Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.
        thresholds: For each trained tag the score at and above which it is believed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=1.0, gt=0)
    thresholds: dict[str, float] = Field(default_factory=dict)


class DataSource(BaseModel):
    """One collection of pictures that a model was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    pictures: int = Field(ge=0)
    licence: str


class Manifest(BaseModel):
    """`manifest.json`.

    Attributes:
        format_version: Layout of the artifact; see `FORMAT_VERSION`.
        version: Name of this model, unique in a library, for example ``starter-1``.
        vocabulary: Every tag that could be asked for.
        tags: The trained tags, in the order of the network's outputs.
        preprocessing: Picture -> network input.
        activation: ``softmax`` (a row of scores sums to 1) or ``sigmoid`` (tags are independent).
        calibration: Temperature and thresholds, fitted on the validation split.
        base_id: Which convolutional base made the features; equal ids mean features are comparable.
        feature_size: Length of one feature row.
        metrics: Figures on the test split; the same keys as `metrics.json`, without `per_tag`.
        data_sources: What it was trained on.
        licence: Under which terms the weights may be used.
        created_at: ISO 8601, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT_VERSION
    version: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    vocabulary: tuple[str, ...] = TAGS
    tags: tuple[str, ...] = Field(min_length=1)
    preprocessing: PreprocessingSpec
    activation: Literal["softmax", "sigmoid"]
    calibration: Calibration = Calibration()
    base_id: str = Field(min_length=8, max_length=64, pattern=r"^[0-9a-f]+$")
    feature_size: int = Field(default=FEATURE_SIZE, ge=1)
    metrics: dict[str, float | None] = Field(default_factory=dict)
    data_sources: tuple[DataSource, ...] = ()
    licence: str
    created_at: str

    @model_validator(mode="after")
    def _tags_stand_in_the_vocabulary(self) -> Self:
        if len(set(self.tags)) != len(self.tags):
            raise ValueError("a trained tag stands twice")
        strangers = [tag for tag in self.tags if tag not in self.vocabulary]
        if strangers:
            raise ValueError(f"trained tags outside the vocabulary: {', '.join(strangers)}")
        unknown = [tag for tag in self.calibration.thresholds if tag not in self.tags]
        if unknown:
            raise ValueError(f"thresholds for tags that were not trained: {', '.join(unknown)}")
        return self

    def threshold_of(self, tag: str) -> float:
        """Return the score at and above which `tag` is believed; uncalibrated: twice chance."""
        chance = 1 / len(self.tags) if self.activation == "softmax" else 0.25
        return self.calibration.thresholds.get(tag, min(0.5, 2 * chance))
