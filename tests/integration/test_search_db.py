"""Which films: filters, orders and pages, on SQLite and on PostgreSQL."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from app.db import films
from app.db.search import list_films
from app.db.session import Database
from app.domain.films import FilmStatus
from app.domain.library import Film, FilmQuery
from app.domain.tags import FilmTag
from app.errors import InvalidRequest
from app.services.search import MAX_LIMIT, SearchService
from tests.memory import finish, store_film


def tagged(database: Database, title: str, **tags: tuple[float, float]) -> Film:
    """A finished film; each tag with its score and its seconds."""
    film = store_film(database, title=title)
    found = [FilmTag(tag, score, seconds, 1, 0.0) for tag, (score, seconds) in tags.items()]
    assert finish(database, film, found)
    return film


def titles(database: Database, limit: int = 50, **query: object) -> list[str]:
    page = SearchService(database).films(FilmQuery(**query), limit=limit)  # type: ignore[arg-type]
    assert page.next_cursor is None
    return [film.title for film in page.items]


def walked(database: Database, query: FilmQuery, limit: int) -> list[Film]:
    """All pages, one after another."""
    search = SearchService(database)
    pages = [search.films(query, None, limit)]
    while pages[-1].next_cursor is not None:
        assert len(pages[-1].items) == limit
        pages.append(search.films(query, pages[-1].next_cursor, limit))
    return [film for page in pages for film in page.items]


@pytest.fixture
def library(database: Database) -> Database:
    tagged(database, "Apocalypse", War=(0.9, 100.0), Forest=(0.5, 40.0))
    tagged(database, "Bambi", Forest=(0.8, 60.0), Animal=(0.7, 50.0))
    tagged(database, "Casablanca", War=(0.4, 20.0), Romance=(0.9, 90.0))
    tagged(database, "100% Wolf_man", Animal=(0.6, 30.0), Forest=(0.1, 5.0))
    return database


class TestFilters:
    def test_newest_film_comes_first(self, library: Database) -> None:
        assert titles(library) == ["100% Wolf_man", "Casablanca", "Bambi", "Apocalypse"]

    @pytest.mark.parametrize(
        ("query", "wanted"),
        [
            pytest.param({"tags": ("War",)}, {"Apocalypse", "Casablanca"}, id="one tag"),
            pytest.param({"tags": ("Forest", "Animal")}, {"Bambi", "100% Wolf_man"}, id="all tags"),
            pytest.param({"tags": ("Forest", "Forest")},
                         {"Apocalypse", "Bambi", "100% Wolf_man"}, id="one tag twice"),
            pytest.param({"tags": ("Robot",)}, set(), id="a tag nobody has"),
            pytest.param({"tags": ("War",), "min_score": 0.5}, {"Apocalypse"}, id="score"),
            pytest.param({"tags": ("War",), "min_score": 0.9}, {"Apocalypse"}, id="exact score"),
            pytest.param({"tags": ("Forest", "Animal"), "min_score": 0.5}, {"Bambi"},
                         id="score of every tag"),
            pytest.param({"tags": ("Forest",), "min_coverage_s": 40.0}, {"Apocalypse", "Bambi"},
                         id="seconds"),
            pytest.param({"min_score": 0.85}, {"Apocalypse", "Casablanca"}, id="score of any tag"),
            pytest.param({"min_score": 0.85, "min_coverage_s": 95.0}, {"Apocalypse"},
                         id="score and seconds of any tag"),
            pytest.param({"text": "CASA"}, {"Casablanca"}, id="text whatever its case"),
            pytest.param({"text": "%"}, {"100% Wolf_man"}, id="percent sign is a letter"),
            pytest.param({"text": "f_m"}, {"100% Wolf_man"}, id="underscore is a letter"),
            pytest.param({"text": "'; DROP TABLE films; --"}, set(), id="quotes are letters"),
            pytest.param({"text": "a\0b"}, set(), id="no title holds NUL"),
            pytest.param({"status": FilmStatus.DONE, "tags": ("War",), "text": "a"},
                         {"Apocalypse", "Casablanca"}, id="everything together"),
            pytest.param({"status": FilmStatus.FAILED}, set(), id="state nobody is in"),
        ],
    )  # fmt: skip
    def test_films_that_fit_are_found(
        self, library: Database, query: dict[str, object], wanted: set[str]
    ) -> None:
        found = titles(library, **query)
        assert set(found) == wanted
        assert len(found) == len(wanted)

    def test_state_is_the_current_run_and_not_the_shown_one(self, library: Database) -> None:
        film = store_film(library, title="New")
        assert titles(library, status=FilmStatus.QUEUED) == ["New"]
        with library.session(write=True) as session:
            films.set_status(session, film.id, 1, FilmStatus.CANCELLED)
        assert titles(library, status=FilmStatus.QUEUED) == []
        assert titles(library, status=FilmStatus.CANCELLED) == ["New"]

    def test_tag_counts_name_the_tags_that_films_have(self, library: Database) -> None:
        assert SearchService(library).tag_counts() == {
            "War": 2, "Forest": 3, "Animal": 2, "Romance": 1,
        }  # fmt: skip


class TestOrderAndPages:
    @pytest.mark.parametrize(
        ("sort", "tags", "wanted"),
        [
            ("-created_at", (), "DCBA"),
            ("created_at", (), "ABCD"),
            ("-created_at", ("Forest",), "DBA"),
            ("created_at", ("Forest",), "ABD"),
            ("title", (), "DABC"),
            ("-title", (), "CBAD"),
            ("title", ("Forest",), "DAB"),
            ("-score", ("Forest",), "BAD"),
            ("-score", ("War",), "AC"),
            ("-score", ("War", "Forest"), "A"),
        ],
    )
    def test_pages_are_the_whole_list_in_order(
        self, library: Database, sort: str, tags: tuple[str, ...], wanted: str
    ) -> None:
        names = {"A": "Apocalypse", "B": "Bambi", "C": "Casablanca", "D": "100% Wolf_man"}
        query = FilmQuery(tags=tags, sort=sort)  # type: ignore[arg-type]
        for limit in (1, 2, 3):
            found = [film.title for film in walked(library, query, limit)]
            assert found == [names[letter] for letter in wanted]

    @pytest.mark.parametrize("sort", ["title", "-title", "-score", "-created_at", "created_at"])
    def test_equal_films_are_neither_lost_nor_doubled(self, database: Database, sort: str) -> None:
        ids = {tagged(database, "Same", War=(0.5, 10.0)).id for _ in range(7)}
        query = FilmQuery(tags=("War",), sort=sort)  # type: ignore[arg-type]
        found = [film.id for film in walked(database, query, 3)]
        assert len(found) == 7
        assert set(found) == ids

    def test_film_that_arrives_between_pages_moves_nothing(self, library: Database) -> None:
        search = SearchService(library)
        first = search.films(FilmQuery(), limit=2)
        tagged(library, "Late")
        second = search.films(FilmQuery(), first.next_cursor, limit=2)
        assert [film.title for film in first.items] == ["100% Wolf_man", "Casablanca"]
        assert [film.title for film in second.items] == ["Bambi", "Apocalypse"]

    def test_page_that_ends_the_list_has_no_cursor(self, library: Database) -> None:
        assert SearchService(library).films(FilmQuery(), limit=4).next_cursor is None
        assert SearchService(library).films(FilmQuery(), limit=3).next_cursor is not None

    def test_cursor_of_another_order_is_refused(self, library: Database) -> None:
        search = SearchService(library)
        cursor = search.films(FilmQuery(), limit=1).next_cursor
        for sort, tags in (("created_at", ()), ("title", ()), ("-score", ("War",))):
            with pytest.raises(InvalidRequest, match="cursor"):
                search.films(FilmQuery(tags=tags, sort=sort), cursor)  # type: ignore[arg-type]

    @pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
    def test_limit_out_of_range_is_refused(self, database: Database, limit: int) -> None:
        with pytest.raises(InvalidRequest, match="limit"):
            SearchService(database).films(FilmQuery(), limit=limit)

    def test_order_by_score_needs_a_tag(self, database: Database) -> None:
        with pytest.raises(InvalidRequest, match="tag"):
            SearchService(database).films(FilmQuery(sort="-score"))

    @pytest.mark.parametrize(
        ("query", "index"),
        [
            (FilmQuery(), "films"),
            (FilmQuery(tags=("War",)), "ix_film_tags_tag_film_id"),
            (FilmQuery(tags=("War",), sort="-score"), "ix_film_tags_tag_score_film_id"),
            (FilmQuery(sort="title"), "ix_films_title_id"),
            (FilmQuery(status=FilmStatus.DONE), "ix_films_status_id"),
        ],
        ids=["all", "tag", "score", "title", "state"],
    )
    def test_page_comes_from_an_index_without_sorting(
        self, tmp_path: Path, query: FilmQuery, index: str
    ) -> None:
        database = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")
        database.migrate()
        plans: list[str] = []

        def explain(
            connection: Connection, cursor: Any, statement: str, parameters: Any, *_: object
        ) -> None:
            if statement.startswith("SELECT films"):
                rows = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
                plans.append("\n".join(str(row[3]) for row in rows))

        event.listen(database.engine, "before_cursor_execute", explain)
        with database.session() as session:
            list_films(session, query, None, 20)
        database.dispose()
        (plan,) = plans
        assert "TEMP B-TREE" not in plan
        assert index in plan
