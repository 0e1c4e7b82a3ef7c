"""Every choice of a training run, in one frozen object that is saved beside the run.

Knows names, defaults and what cannot be combined. Knows no data, no network and no TensorFlow.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from training.errors import BadConfigError

Head = Literal["softmax", "sigmoid"]
OptimizerName = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "linear", "constant"]
Precision = Literal["bfloat16", "float16", "float32"]

_WORDS = {
    "head": get_args(Head),
    "optimizer": get_args(OptimizerName),
    "schedule": get_args(Schedule),
    "precision": get_args(Precision),
}

_SHARES = (
    "grow_at", "label_smoothing", "dropout", "balance", "letterbox", "jpeg_noise", "video_noise",
    "unknown_weight",
)  # fmt: skip

NO_BASE = "none"
IMAGENET_BASE = "imagenet"

CONFIG_FILE = "config.json"
MIN_INPUT_PX = 75
"""Inception-v3 has no output left below it (Keras applications, `InceptionV3`)."""

MAY_CHANGE_ON_RESUME = (
    "epochs", "patience", "start_px", "input_px", "grow_at", "batch_size", "learning_rate",
    "schedule",
)  # fmt: skip
"""Choices that a resumed run may alter: how long, at which size, in which steps. With any other
the saved optimizer state would belong to another task."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How one run is done.

    Attributes:
        input_px: Side of the network input that the finished model asks for.
        start_px: Side of the input in the first epochs; smaller is faster (progressive resizing).
        grow_at: Share of all epochs after which `input_px` replaces `start_px`, 0..1.
        epochs: Passes over the training split.
        batch_size: Pictures in one step.
        optimizer: ``adamw`` or ``sgd`` (Nesterov momentum 0.9).
        learning_rate: The highest, reached after the warm-up.
        schedule: How the rate falls after the warm-up: ``cosine`` (half of one), ``linear``, or
            ``constant``, not at all.
        warmup_epochs: Epochs in which the rate climbs from nearly zero; 0 is none.
        weight_decay: Decoupled; biases and batch-norm offsets are spared.
        label_smoothing: Share of each target row that is spread over all tags, 0..1.
        dropout: Share of the 2048 features left out in training.
        hidden_units: Width of the ReLU layer between features and tags.
        head: ``softmax`` (tags compete) or ``sigmoid`` (tags are independent).
        balance: 0 treats pictures alike; 1 weighs each by one over its tags' frequency.
        mirror: Mirror half of the pictures.
        random_crop: Train on random parts of the pictures.
        crop_area_min: Smallest part of the picture's area that a random crop keeps.
        crop_aspect_min: Narrowest random crop, width over height.
        crop_aspect_max: Widest random crop; films are up to 2.39.
        colour_jitter: Strength of random brightness, contrast and saturation; 0 is off.
        letterbox: Share of the pictures that get black bars, as a wide film in a narrower frame.
        jpeg_noise: Share of the pictures that are packed as poor JPEG.
        video_noise: Share of the pictures that look like a frame of a film at a low bit rate.
        unknown_weight: With the sigmoid head: how much a missing tag counts as a negative, 0..1;
            labels name what is there, so a missing tag is unknown. 1 takes it as verified.
        mixup: Alpha of the Beta distribution that blends pairs of pictures; 0 is off.
        average: Share of the running average of the weights that one step keeps, below 1 (0.998
            remembers about 500 steps); the average is validated and published. 0 is off.
        head_epochs: With a base that has learned before: passes over cached features in which
            only the head learns, before the base does.
        unfreeze_from: Name of the first base layer that learns; empty: the whole base learns.
        patience: Epochs without a better validation score after which the run stops; 0 is never.
        precision: ``bfloat16`` computes in half width and keeps weights in float32; ``float16``
            does too, with the loss scaled, for GPUs that are faster with it.
        hold_px: Longest short side at which decoded training pictures are kept.
        seed: Everything random follows from it.
    """

    input_px: int = 139
    start_px: int = 107
    grow_at: float = 0.8
    epochs: int = 30
    batch_size: int = 64
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 7e-4
    schedule: Schedule = "cosine"
    warmup_epochs: float = 0.5
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    dropout: float = 0.4
    hidden_units: int = 512
    head: Head = "softmax"
    balance: float = 0.3
    mirror: bool = True
    random_crop: bool = True
    crop_area_min: float = 0.4
    crop_aspect_min: float = 0.75
    crop_aspect_max: float = 1.8
    colour_jitter: float = 0.2
    letterbox: float = 0.0
    jpeg_noise: float = 0.0
    video_noise: float = 0.0
    unknown_weight: float = 0.1
    mixup: float = 0.0
    average: float = 0.0
    head_epochs: int = 20
    unfreeze_from: str = ""
    patience: int = 0
    precision: Precision = "bfloat16"
    hold_px: int = 256
    seed: int = 1

    def __post_init__(self) -> None:
        for name, allowed in _WORDS.items():
            if getattr(self, name) not in allowed:
                raise BadConfigError(f"{name} is one of {', '.join(allowed)}")
        for name in ("input_px", "start_px"):
            if getattr(self, name) < MIN_INPUT_PX:
                raise BadConfigError(f"{name} is at least {MIN_INPUT_PX}, the network's smallest")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise BadConfigError(f"{name} is between 0 and 1")
        for name in ("epochs", "batch_size", "hidden_units", "learning_rate"):
            if getattr(self, name) <= 0:
                raise BadConfigError(f"{name} is more than 0")
        if self.warmup_epochs < 0:
            raise BadConfigError("warmup_epochs is at least 0")
        if not 0 <= self.average < 1:
            raise BadConfigError("average is at least 0 and below 1")
        if not 0 < self.crop_area_min <= 1:
            raise BadConfigError("crop_area_min is more than 0 and at most 1")
        if self.crop_aspect_min > self.crop_aspect_max:
            raise BadConfigError("crop_aspect_min is not above crop_aspect_max")

    def size_px(self, epoch: int) -> int:
        """Return the side of the network input in `epoch`, counted from 0."""
        return self.input_px if epoch >= round(self.grow_at * self.epochs) else self.start_px

    def save(self, run_dir: Path) -> None:
        """Write the choices as `config.json` into the run's directory."""
        text = json.dumps(asdict(self), indent=2)
        (run_dir / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")

    def differences(self, other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Return the choices that differ from saved ones, each as (saved, now)."""
        # A choice that is newer than the saved file had its default then.
        meant = as_meant(other)
        saved = {field.name: meant.get(field.name, field.default) for field in fields(self)}
        return {
            name: (value, getattr(self, name))
            for name, value in saved.items()
            if value != getattr(self, name)
        }


def as_meant(saved: dict[str, Any]) -> dict[str, Any]:
    """Return saved choices with those that an older program made without a name.

    Before `unknown_weight` existed, sigmoid runs took a missing tag as a verified negative.
    """
    if isinstance(saved, dict) and saved.get("head") == "sigmoid":
        return {"unknown_weight": 1.0} | saved
    return saved


def unsaid_of(run_dir: Path) -> dict[str, Any]:
    """Return what an older run made without a name, so that the same command goes on with it."""
    try:
        saved = json.loads((run_dir / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    meant = as_meant(saved)
    return {name: meant[name] for name in meant if name not in saved}


def read_recipe(file: Path) -> dict[str, Any]:
    """Read choices from a JSON file; those it leaves out keep their defaults.

    Raises:
        BadConfigError: The file cannot be read, or holds a choice unknown here.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise BadConfigError(f"{file}: not a recipe: {exc}") from exc
    known = [field.name for field in fields(TrainConfig)]
    unknown = sorted(set(found) - set(known)) if isinstance(found, dict) else ["not an object"]
    if unknown:
        raise BadConfigError(f"{file}: {', '.join(unknown)}; known: {', '.join(known)}")
    return dict(found)


def read_config(run_dir: Path) -> TrainConfig:
    """Read the choices that a run was started with.

    Raises:
        BadConfigError: There is no readable `config.json`, or it holds a choice unknown here.
    """
    file = run_dir / CONFIG_FILE
    try:
        return TrainConfig(**as_meant(json.loads(file.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError) as exc:
        raise BadConfigError(f"{file}: not the configuration of a run: {exc}") from exc
