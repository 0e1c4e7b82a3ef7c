"""The network that a worker process has loaded, changed for another one while films are analysed.

Whoever scores pictures holds the model for as long as that takes; a model that was replaced is let
go when nobody holds it any more. Knows no engine: it is told how to load one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.library import ModelRecord
from app.errors import ArtifactError
from app.ports import FrameClassifier

logger = logging.getLogger(__name__)

RETRY_S = 60.0
"""An activated model that cannot be loaded here is tried again after this; the old one works on."""


@dataclass(slots=True)
class _Held:
    classifier: FrameClassifier
    holders: int = 0
    is_replaced: bool = False


class ModelInUse:
    """Holds one loaded model; safe from any thread.

    Args:
        classifier: The model that is loaded.
        wanted: Returns the model that was activated; None leaves the loaded one.
        load: Loads a model.
    """

    def __init__(
        self,
        classifier: FrameClassifier,
        wanted: Callable[[], ModelRecord | None] = lambda: None,
        load: Callable[[ModelRecord], FrameClassifier] | None = None,
    ) -> None:
        self._held = _Held(classifier)
        self._wanted = wanted
        self._load = load
        self._changing = threading.Lock()
        self._counting = threading.Lock()
        self._refused: dict[str, float] = {}

    @property
    def version(self) -> str:
        """Name of the loaded model."""
        return self._held.classifier.manifest.version

    @contextmanager
    def hold(self) -> Iterator[FrameClassifier]:
        """Give the loaded model; it stays loaded while the context lasts."""
        with self._counting:
            held = self._held
            held.holders += 1
        try:
            yield held.classifier
        finally:
            with self._counting:
                held.holders -= 1
            self._let_go(held)

    def refresh(self) -> str:
        """Load the model that was activated where it is not the loaded one; return what is loaded.

        Films in work go on with the model they hold until their chunk is done. A model that cannot
        be loaded is reported and the old one stays.

        Raises:
            OperationalError: The database or the storage is away.
        """
        if self._load is None:
            return self.version
        with self._changing:
            record = self._wanted()
            if record is None or record.version == self.version or self._is_refused(record.version):
                return self.version
            try:
                classifier = self._load(record)
            except ArtifactError as exc:
                self._refused[record.version] = time.monotonic()
                logger.error("the activated model cannot be used, %s works on: %s",
                             self.version, exc)  # fmt: skip
                return self.version
            with self._counting:
                replaced, self._held = self._held, _Held(classifier)
                replaced.is_replaced = True
            old = replaced.classifier.manifest.version
            logger.info("model %s takes the place of %s", record.version, old)
            self._let_go(replaced)
            return record.version

    def follow(self, stop: threading.Event, every_s: float) -> None:
        """Look for another activated model every `every_s` seconds until `stop` is set."""
        while not stop.wait(every_s):
            try:
                self.refresh()
            except Exception as exc:
                logger.warning("the activated model could not be looked for: %s", exc)

    def close(self) -> None:
        """Let the loaded model go."""
        with self._counting:
            self._held.is_replaced = True
        self._let_go(self._held)

    def _is_refused(self, version: str) -> bool:
        refused_s = self._refused.get(version)
        return refused_s is not None and time.monotonic() - refused_s < RETRY_S

    def _let_go(self, held: _Held) -> None:
        with self._counting:
            ends = held.is_replaced and held.holders == 0
        if ends:
            held.classifier.close()  # again does nothing
