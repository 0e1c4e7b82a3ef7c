"""A real PostgreSQL that goes away, and several processes' worth of writers at one row."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app.db import films
from app.db import tags as tag_rows
from app.db.session import Database
from app.domain.films import FilmStatus, Stage
from app.domain.library import Verdict
from app.domain.tags import FilmTag
from app.errors import DatabaseUnavailable
from tests.memory import finish, row, scored_shots, store_film, store_shots

SHOTS = scored_shots([row(Forest=0.9), row(War=0.8)])


@pytest.mark.postgres
def test_connection_that_dies_in_the_middle_is_an_outage_and_the_next_one_works(
    postgres_url: str,
) -> None:
    database = Database(postgres_url)
    database.migrate()
    film = store_film(database)

    def die() -> None:
        with database.session(write=True) as session:
            assert films.set_progress(session, film.id, 1, Stage.PROBING, 0.5)
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            with database.session() as killer:
                killer.execute(text(f"SELECT pg_terminate_backend({pid})"))
            films.set_progress(session, film.id, 1, Stage.PROBING, 0.6)

    with pytest.raises(DatabaseUnavailable):
        die()
    with database.session() as session:
        found = films.find_film(session, film.id)
    assert found == film  # nothing of the broken transaction is there
    database.dispose()


@pytest.mark.postgres
def test_idle_connections_that_died_are_not_noticed(postgres_url: str) -> None:
    database, other = Database(postgres_url), Database(postgres_url)
    database.check()
    with other.session() as session:
        session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                 "WHERE datname = current_database() AND pid != pg_backend_pid()")
        )  # fmt: skip
    database.check()
    database.dispose()
    other.dispose()


def test_cancel_and_a_chunk_at_once_never_leave_a_chunk_behind_the_cancel(
    database: Database,
) -> None:
    for _ in range(10):
        film = store_film(database)
        start = threading.Barrier(2)

        def cancel(film_id: str = film.id, start: threading.Barrier = start) -> bool:
            start.wait()
            with database.session(write=True) as session:
                stopped = films.set_status(session, film_id, 1, FilmStatus.CANCELLED)
                assert stopped
                return bool(session.scalar(text("SELECT count(*) FROM chunks WHERE film_id = :id"),
                                           {"id": film_id}))  # fmt: skip

        with ThreadPoolExecutor(2) as pool:
            seen = pool.submit(cancel)
            start.wait()
            stored = store_shots(database, film, SHOTS)
            assert seen.result() == stored  # it was there before the cancel, or not at all


def test_end_of_a_run_and_a_verdict_at_once_keep_both(database: Database) -> None:
    for _ in range(10):
        film = store_film(database)
        store_shots(database, film, SHOTS)
        start = threading.Barrier(2)

        def judge(film_id: str = film.id, start: threading.Barrier = start) -> None:
            start.wait()
            with database.session(write=True) as session:
                held = films.lock_film(session, film_id)
                assert held is not None
                tag_rows.store_verdict(session, film_id, "War", Verdict.REJECTED)
                shown = tag_rows.load_film_tags(session, film_id)
                tag_rows.replace_film_tags(session, film_id, shown)

        with ThreadPoolExecutor(2) as pool:
            judged = pool.submit(judge)
            start.wait()
            tags = [FilmTag("War", 0.5, 2.0, 1, 2.0), FilmTag("Forest", 0.4, 2.0, 1, 0.0)]
            assert finish(database, film, tags)
            judged.result()
        with database.session() as session:
            assert [tag.tag for tag in tag_rows.load_film_tags(session, film.id)] == ["Forest"]


def test_many_writers_of_many_films_all_get_through(database: Database) -> None:
    ours = [store_film(database) for _ in range(8)]

    def write(place: int) -> int:
        return sum(store_shots(database, ours[place], SHOTS, chunk=chunk) for chunk in range(6))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(8))) == [6] * 8
