"""What the whole library is searched by is written when an analysis ends."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.db import frames
from app.db.session import Database
from app.db.tables import FilmFeaturesRow
from app.domain.findings import SegmentQuery
from app.domain.library import features_key
from app.inference.batcher import BatchingClassifier
from app.pipeline import summarise
from app.services.search import SearchService
from tests.fakes import TAGS, FakeEngine
from tests.house import House


@pytest.fixture(scope="module")
def classifier() -> Iterator[BatchingClassifier]:
    with BatchingClassifier(FakeEngine()) as classifier:
        yield classifier


@pytest.fixture
def house(tmp_path: Path, database: Database, classifier: BatchingClassifier) -> House:
    house = House(tmp_path, database, classifier)
    house.run(house.analysis())
    return house


def test_segments_that_are_searched_are_those_of_the_film(house: House) -> None:
    with house.database.session() as session:
        shots = frames.load_scored_shots(session, house.film_id, 1)
    wanted = summarise(shots, house.classifier.manifest)[1]
    search = SearchService(house.database)
    found = [
        one.segment for tag in TAGS for one in search.segments(SegmentQuery(tag), limit=200).items
    ]
    assert wanted
    assert sorted(found, key=str) == sorted(wanted, key=str)


def test_mean_features_point_where_the_features_do(house: House) -> None:
    base_id = house.film.base_id or ""
    features = np.load(io.BytesIO(house.storage.get_bytes(features_key(house.film_id, 1, base_id))))
    with house.database.session() as session:
        stored = session.get_one(FilmFeaturesRow, house.film_id)
    mean = features.astype(np.float64).mean(axis=0)
    found = np.frombuffer(stored.mean, "<f2").astype(np.float64)
    assert stored.base_id == base_id
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-3)
