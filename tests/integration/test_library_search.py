"""The whole library: all, any and none of tags, counts, time, segments, likeness."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, event, update

from app.db.session import Database
from app.db.tables import FilmRow
from app.domain.findings import SegmentQuery
from app.domain.library import Film, FilmQuery, Page
from app.domain.tags import FilmTag, Segment
from app.errors import FilmNotFound, InvalidRequest
from app.services.search import SearchService
from tests.memory import finish, store_film


def tagged(
    database: Database, title: str, arrived: str = "2026-01-01", model: str = "m-1", **tags: float
) -> Film:
    """A finished film; each tag with its score, and a hundred times that in seconds."""
    film = store_film(database, title=title)
    found = [FilmTag(tag, score, 100 * score, 1, 0.0) for tag, score in tags.items()]
    assert finish(database, film, found, model)
    moment = datetime.fromisoformat(arrived).replace(tzinfo=UTC)
    with database.session(write=True) as session:
        session.execute(update(FilmRow).where(FilmRow.id == film.id).values(created_at=moment))
    return film


@pytest.fixture
def search(database: Database) -> SearchService:
    tagged(database, "A", "2025-12-31T23:59:59", War=0.9, Forest=0.5)
    tagged(database, "B", "2026-01-01", Forest=0.8, Animal=0.7)
    tagged(database, "C", "2026-01-15", "m-2", War=0.4, Romance=0.9)
    tagged(database, "D", "2026-02-01", Animal=0.6, Forest=0.1)
    tagged(database, "E", "2026-02-01")
    return SearchService(database)


QUERIES = [
    pytest.param({"any_tags": ("War", "Animal")}, "ABCD", id="any"),
    pytest.param({"any_tags": ("Robot",)}, "", id="any of none"),
    pytest.param({"not_tags": ("Forest",)}, "CE", id="none"),
    pytest.param({"not_tags": ("Forest", "Romance")}, "E", id="none of two"),
    pytest.param({"tags": ("Forest",), "any_tags": ("War", "Animal")}, "ABD", id="all and any"),
    pytest.param({"tags": ("Forest",), "not_tags": ("War",)}, "BD", id="all and none"),
    pytest.param({"tags": ("War",), "not_tags": ("War",)}, "", id="contradiction"),
    pytest.param({"any_tags": ("War", "Forest"), "min_score": 0.8}, "AB", id="any with a score"),
    pytest.param({"any_tags": ("War", "Animal"), "min_coverage_s": 65.0}, "AB", id="any, seconds"),
    pytest.param(
        {"not_tags": ("Forest",), "min_score": 0.85}, "C", id="none has no score of its own"
    ),
    pytest.param({"model_version": "m-2"}, "C", id="model"),
    pytest.param({"model_version": "m\0"}, "", id="no model holds NUL"),
    pytest.param({"created_after": datetime(2026, 1, 1, tzinfo=UTC)}, "BCDE", id="since"),
    pytest.param({"created_before": datetime(2026, 1, 1, tzinfo=UTC)}, "A", id="until"),
    pytest.param(
        {"created_after": datetime(2026, 1, 1, tzinfo=UTC),
         "created_before": datetime(2026, 2, 1, tzinfo=UTC)}, "BC", id="between"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "wanted"), QUERIES)
def test_films_that_fit_are_found(
    search: SearchService, query: dict[str, Any], wanted: str
) -> None:
    assert "".join(sorted(film.title for film in search.films(FilmQuery(**query)).items)) == wanted


@pytest.mark.parametrize(("query", "_wanted"), [*QUERIES, pytest.param({}, "", id="nothing")])
def test_a_tags_count_is_what_asking_for_it_too_finds(
    search: SearchService, query: dict[str, Any], _wanted: str
) -> None:
    counts = search.tag_counts(FilmQuery(**query))
    for tag in ("War", "Forest", "Animal", "Romance", "Robot"):
        more = FilmQuery(**(query | {"tags": (*query.get("tags", ()), tag)}))
        assert counts.get(tag, 0) == len(search.films(more).items)


def test_films_can_be_ordered_by_the_seconds_of_a_tag(search: SearchService) -> None:
    query = FilmQuery(tags=("Forest",), sort="-coverage_s")
    first = search.films(query, limit=2)
    second = search.films(query, first.next_cursor, 2)
    assert [film.title for film in first.items + second.items] == ["B", "A", "D"]
    with pytest.raises(InvalidRequest, match="tag"):
        search.films(FilmQuery(sort="-coverage_s"))


def walk(ask: Callable[[str | None], Page[Any]]) -> list[Any]:
    pages = [ask(None)]
    while pages[-1].next_cursor is not None:
        pages.append(ask(pages[-1].next_cursor))
    return [item for page in pages for item in page.items]


@pytest.mark.parametrize(
    ("interval", "starts"),
    [
        ("day", ["2025-12-31", "2026-01-01", "2026-01-15", "2026-02-01"]),
        ("month", ["2025-12-01", "2026-01-01", "2026-02-01"]),
        ("year", ["2025-01-01", "2026-01-01"]),
    ],
)
def test_timeline_counts_films_by_tag_and_arrival(
    search: SearchService, interval: Any, starts: list[str]
) -> None:
    found = walk(lambda cursor: search.timeline(FilmQuery(), interval, cursor, 2))
    assert sorted({one.start for one in found}) == starts
    assert [(one.start, one.tag) for one in found] == sorted((o.start, o.tag) for o in found)
    assert sum(one.film_count for one in found) == 8
    assert sum(one.coverage_s for one in found) == pytest.approx(490)


def test_timeline_of_a_tag_is_only_that_tag(search: SearchService) -> None:
    page = search.timeline(FilmQuery(tags=("Forest",)), "month")
    assert [(one.start, one.film_count) for one in page.items] == [
        ("2025-12-01", 1), ("2026-01-01", 1), ("2026-02-01", 1),
    ]  # fmt: skip
    assert {one.tag for one in page.items} == {"Forest"}


class TestSegments:
    @pytest.fixture
    def films(self, database: Database) -> list[Film]:
        # films of the same millisecond have ids in any order
        made = sorted(
            (store_film(database, title=f"Film {n}") for n in range(3)), key=lambda film: film.id
        )
        for film in made[:2]:
            segments = [
                Segment("War", 0.0, 4.0, 0.5), Segment("War", 6.0, 8.0, 0.9),
                Segment("Robot", 1.0, 2.0, 0.7),
            ]  # fmt: skip
            finish(database, film, segments=segments)
        finish(database, made[2], segments=[Segment("War", 0.0, 9.0, 0.7)])
        return made

    @pytest.mark.parametrize(
        ("sort", "wanted"),
        [
            ("-score", [(1, 6.0), (0, 6.0), (2, 0.0), (1, 0.0), (0, 0.0)]),
            ("-created_at", [(2, 0.0), (1, 0.0), (1, 6.0), (0, 0.0), (0, 6.0)]),
        ],
    )
    @pytest.mark.parametrize("limit", [1, 2, 10])
    def test_segments_of_all_films_come_in_order_on_pages(
        self, database: Database, films: list[Film], sort: Any, wanted: list[Any], limit: int
    ) -> None:
        search = SearchService(database)
        query = SegmentQuery("War", sort=sort)
        found = walk(lambda cursor: search.segments(query, cursor, limit))
        numbers = {film.id: n for n, film in enumerate(films)}
        assert [(numbers[one.film_id], one.segment.start_s) for one in found] == wanted
        assert {one.film_title for one in found} == {"Film 0", "Film 1", "Film 2"}

    def test_weak_and_short_segments_can_be_left_out(
        self, database: Database, films: list[Film]
    ) -> None:
        search = SearchService(database)
        strong = search.segments(SegmentQuery("War", min_score=0.7)).items
        long = search.segments(SegmentQuery("War", min_duration_s=4.0)).items
        assert sorted(one.segment.score for one in strong) == [0.7, 0.9, 0.9]
        assert sorted(one.segment.end_s for one in long) == [4.0, 4.0, 9.0]
        assert search.segments(SegmentQuery("Food")).items == ()

    def test_a_new_run_replaces_a_films_segments(
        self, database: Database, films: list[Film]
    ) -> None:
        from app.db.films import begin_run

        with database.session(write=True) as session:
            again = begin_run(session, films[2].id)
        assert again is not None
        finish(database, again, segments=[Segment("Food", 0.0, 1.0, 0.5)])
        found = SearchService(database).segments(SegmentQuery("War")).items
        assert films[2].id not in {one.film_id for one in found}

    def test_cursor_of_another_order_is_refused(
        self, database: Database, films: list[Film]
    ) -> None:
        search = SearchService(database)
        cursor = search.segments(SegmentQuery("War"), limit=1).next_cursor
        with pytest.raises(InvalidRequest, match="cursor"):
            search.segments(SegmentQuery("War", sort="-created_at"), cursor)


class TestSimilar:
    def test_films_are_ordered_by_the_cosine_of_their_tags(self, search: SearchService) -> None:
        by_title = {film.title: film for film in search.films(FilmQuery()).items}
        tags = {
            "A": {"War": 0.9, "Forest": 0.5}, "B": {"Forest": 0.8, "Animal": 0.7},
            "C": {"War": 0.4, "Romance": 0.9}, "D": {"Animal": 0.6, "Forest": 0.1},
        }  # fmt: skip

        def cosine(one: dict[str, float], other: dict[str, float]) -> float:
            dot = sum(score * other.get(tag, 0.0) for tag, score in one.items())
            return dot / math.hypot(*one.values()) / math.hypot(*other.values())

        for limit in (1, 5):
            found = walk(
                lambda cursor, n=limit: search.similar(by_title["A"].id, "tags", cursor, n)
            )
            wanted = sorted("BCD", key=lambda title: -cosine(tags["A"], tags[title]))
            assert [one.film.title for one in found] == wanted
            for one in found:
                wanted_cosine = cosine(tags["A"], tags[one.film.title])
                assert one.similarity == pytest.approx(wanted_cosine, abs=1e-5)
        assert search.similar(by_title["E"].id).items == ()

    def test_equal_films_are_neither_lost_nor_doubled(self, database: Database) -> None:
        films = [tagged(database, "Same", War=0.5, Forest=0.25) for _ in range(6)]
        search = SearchService(database)
        found = walk(lambda cursor: search.similar(films[0].id, "tags", cursor, 2))
        assert {one.film.id for one in found} == {film.id for film in films[1:]}
        assert len(found) == 5
        assert {one.similarity for one in found} == {1.0}

    def test_films_are_ordered_by_the_cosine_of_their_mean_features(
        self, database: Database
    ) -> None:
        rng = np.random.default_rng(5)
        means = rng.random((5, 64)).astype(np.float32) * 3
        films = []
        for mean in means:
            films.append(store_film(database))
            finish(database, films[-1], mean_features=mean)
        stranger = store_film(database)
        finish(database, stranger, mean_features=means[0], base_id="fedcba9876543210")
        blank = store_film(database)
        finish(database, blank, mean_features=np.zeros(64, np.float32))
        search = SearchService(database)
        unit = means / np.linalg.norm(means, axis=1, keepdims=True)
        wanted = unit @ unit[0]
        for limit in (1, 2, 9):
            found = walk(lambda cursor, n=limit: search.similar(films[0].id, "features", cursor, n))
            order = [films[n].id for n in np.argsort(-wanted) if n != 0]
            assert [one.film.id for one in found] == order
            for one in found:
                number = [film.id for film in films].index(one.film.id)
                assert one.similarity == pytest.approx(wanted[number], abs=2e-3)
        assert search.similar(blank.id, "features").items == ()

    def test_film_that_is_not_there_is_not_found(self, search: SearchService) -> None:
        for film_id in ("0" * 32, "a\0b"):
            with pytest.raises(FilmNotFound):
                search.similar(film_id)

    def test_cursor_of_the_other_likeness_is_refused(self, database: Database) -> None:
        films = [store_film(database) for _ in range(3)]
        for film in films:
            tags = [FilmTag("War", 0.5, 1.0, 1, 0.0)]
            finish(database, film, tags, mean_features=np.ones(8, np.float32))
        search = SearchService(database)
        cursor = search.similar(films[0].id, "tags", limit=1).next_cursor
        assert cursor is not None
        with pytest.raises(InvalidRequest, match="cursor"):
            search.similar(films[0].id, "features", cursor)


def plan_of(database: Database, ask: Callable[[SearchService], object]) -> str:
    """How SQLite answers: which indexes it takes and whether it sorts."""
    plans: list[str] = []

    def explain(
        connection: Connection, cursor: Any, statement: str, parameters: Any, *_: object
    ) -> None:
        if statement.startswith("SELECT"):
            rows = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.append("\n".join(str(row[3]) for row in rows))

    event.listen(database.engine, "before_cursor_execute", explain)
    ask(SearchService(database))
    return plans[-1]


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        pytest.param(
            lambda search: search.films(FilmQuery(tags=("War",), sort="-coverage_s")),
            "ix_film_tags_tag_coverage_s_film_id", id="seconds",
        ),
        pytest.param(
            lambda search: search.films(FilmQuery(model_version="m")),
            "ix_films_model_version_id", id="model",
        ),
        pytest.param(
            lambda search: search.segments(SegmentQuery("War")),
            "ix_segments_tag_score_film_id_place", id="segments",
        ),
    ],
)  # fmt: skip
def test_pages_come_from_an_index_without_sorting(
    tmp_path: Path, ask: Callable[[SearchService], object], index: str
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    database.migrate()
    plan = plan_of(database, ask)
    database.dispose()
    assert "TEMP B-TREE" not in plan
    assert index in plan
