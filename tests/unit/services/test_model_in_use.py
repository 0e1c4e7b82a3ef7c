import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app.domain.library import ModelRecord
from app.errors import ArtifactError, DatabaseUnavailable
from app.inference.batcher import BatchingClassifier
from app.services.model_in_use import ModelInUse
from tests.fakes import FakeEngine, make_manifest


def record(version: str) -> ModelRecord:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    return ModelRecord(version, "/models", make_manifest(version=version), True, moment)


def classifier(version: str = "old-1") -> BatchingClassifier:
    return BatchingClassifier(FakeEngine(make_manifest(version=version)))


def is_closed(one: BatchingClassifier) -> bool:
    return not one._thread.is_alive()


class Library:
    """Says which model is active and loads it."""

    def __init__(self) -> None:
        self.active: str | None = None
        self.loaded: list[BatchingClassifier] = []
        self.before: Callable[[], None] = lambda: None

    def wanted(self) -> ModelRecord | None:
        return None if self.active is None else record(self.active)

    def load(self, wanted: ModelRecord) -> BatchingClassifier:
        self.before()
        self.loaded.append(classifier(wanted.version))
        return self.loaded[-1]


@pytest.fixture
def library() -> Library:
    return Library()


def test_nothing_changes_while_no_other_model_is_active(library: Library) -> None:
    models = ModelInUse(classifier(), library.wanted, library.load)
    assert models.refresh() == "old-1"
    library.active = "old-1"
    assert models.refresh() == "old-1"
    assert library.loaded == []
    models.close()


def test_activated_model_takes_the_place_of_the_loaded_one_which_is_let_go(
    library: Library,
) -> None:
    old = classifier()
    models = ModelInUse(old, library.wanted, library.load)
    library.active = "new-2"
    assert models.refresh() == models.version == "new-2"
    with models.hold() as held:
        assert held is library.loaded[0]
    assert is_closed(old)
    models.close()
    assert is_closed(library.loaded[0])


def test_model_is_kept_for_those_who_hold_it(library: Library) -> None:
    old = classifier()
    models = ModelInUse(old, library.wanted, library.load)
    library.active = "new-2"
    with models.hold() as first:
        with models.hold() as second:
            models.refresh()
            assert first is second is old
        assert not is_closed(old)
        with models.hold() as after:
            assert after is library.loaded[0]
        assert not is_closed(old)
    assert is_closed(old)
    models.close()


def test_model_that_cannot_be_loaded_leaves_the_old_one_at_work_and_is_not_tried_at_once_again(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[int] = []

    def refuse() -> None:
        tries.append(1)
        raise ArtifactError("damaged")

    library.before = refuse
    models = ModelInUse(classifier(), library.wanted, library.load)
    library.active = "new-2"
    assert models.refresh() == models.refresh() == "old-1"
    assert len(tries) == 1
    assert [entry.levelname for entry in caplog.records] == ["ERROR"]
    caplog.clear()
    models.close()


def test_database_that_is_away_is_no_reason_to_stop_following(library: Library) -> None:
    stop = threading.Event()
    looks: list[int] = []

    def wanted() -> ModelRecord | None:
        looks.append(1)
        if len(looks) == 1:
            raise DatabaseUnavailable("away")
        library.active = "new-2"
        stop.set()
        return library.wanted()

    models = ModelInUse(classifier(), wanted, library.load)
    models.follow(stop, 0.001)
    assert models.version == "new-2"
    models.close()


def test_films_that_begin_while_a_model_is_loaded_wait_for_it(library: Library) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        loading.set()
        go_on.wait(10)

    library.before = wait
    library.active = "new-2"
    models = ModelInUse(classifier(), library.wanted, library.load)
    first = threading.Thread(target=models.refresh)
    first.start()
    assert loading.wait(10)
    seen: list[str] = []
    second = threading.Thread(target=lambda: seen.append(models.refresh()))
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert seen == ["new-2"]
    assert len(library.loaded) == 1
    models.close()
