"""Films: take one, look at it, cancel, analyse again, delete.

Bytes are durable before the film's row and its job are stored together, so a film that was accepted
is never lost, and what is lost on the way is only a file that the sweep finds. Knows no HTTP, no
decoder and no job library.
"""

import logging
import time
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from app.db import films as rows
from app.db import keys as key_rows
from app.db.session import Database
from app.domain.films import DEFAULT_SAMPLING, FilmStatus, Sampling
from app.domain.library import (
    Film,
    FilmQuery,
    NewFilm,
    Page,
    film_prefix,
    source_key,
)
from app.domain.plan import Wish
from app.errors import (
    EmptyUpload,
    FilmBusy,
    FilmNotFound,
    InvalidRequest,
    QuotaExceeded,
    ReeltagError,
)
from app.ports import JobQueue, ObjectStore
from app.services.corrections import Corrections
from app.services.keys import check_quota
from app.services.models import ModelService
from app.services.retagging import wish_for
from app.services.search import SearchService
from app.services.upload_notes import sweep_resumable
from app.services.uploads import IncomingFile, sweep_incoming

log = logging.getLogger(__name__)

ORPHAN_AGE_S = 24 * 3600.0
"""An object without a film is deleted after a day: its upload may still be under way."""

MAX_NAME_LETTERS = 255
"""Longest title and filename that are kept, as common file systems keep them."""

UNTITLED = "Untitled"

_TURNING_MARKS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
"""Marks that make a name read as another one. Source: Unicode TR 36, section 2.1.6."""


class FilmService(Corrections):
    """What can be done with films; also reads their contents and keeps verdicts on them.

    Args:
        database: Where the rows are.
        storage: Where the bytes are.
        jobs: Where films wait for a worker.
        models: Knows which tag stands where in a score row.
        data_dir: Folder whose ``incoming`` takes films on their way in.
        default_sampling: What a film gets that asks for nothing else.
        max_upload_bytes: Largest film that is taken; None means any.
    """

    def __init__(
        self,
        database: Database,
        storage: ObjectStore,
        jobs: JobQueue,
        models: ModelService,
        *,
        data_dir: Path,
        default_sampling: str = str(DEFAULT_SAMPLING),
        max_upload_bytes: int | None = None,
    ) -> None:
        super().__init__(database, storage, models)
        self._jobs = jobs
        self._search = SearchService(database)
        self._incoming_dir = data_dir / "incoming"
        self._default_sampling = default_sampling
        self._max_upload_bytes = max_upload_bytes

    def incoming(self) -> IncomingFile:
        """Open an empty file for a film that is about to arrive.

        Raises:
            DiskFull: No space is left.
        """
        return IncomingFile(self._incoming_dir, self._max_upload_bytes)

    def add(
        self,
        incoming: IncomingFile,
        title: str | None = None,
        filename: str | None = None,
        sampling: str | None = None,
    ) -> tuple[Film, bool]:
        """Take a film that has arrived and queue it, unless the same bytes are here already.

        Args:
            incoming: All its bytes; the file is gone afterwards.
            title: What people call it; None takes the filename's.
            filename: What its file was called.
            sampling: Which frames are looked at; None takes the default.

        Returns:
            The film, and whether it is new.

        Raises:
            EmptyUpload: No byte arrived.
            InvalidRequest: The sampling cannot be understood, or the title is too long.
            QuotaExceeded: The API key that sends it has as much here as it may.
            OperationalError: The storage or the database is away; the film was not taken.
        """
        if incoming.size_bytes == 0:
            raise EmptyUpload("not one byte arrived")
        how = _sampling(sampling or self._default_sampling)
        name = clean_filename(filename or "")
        if title is not None and len(title) > MAX_NAME_LETTERS:
            raise InvalidRequest(f"a title has at most {MAX_NAME_LETTERS} letters")
        shown = clean_name(title or "") or name.rpartition(".")[0].strip(". ") or name or UNTITLED
        incoming.close()
        with self._database.session() as session:
            existing = rows.find_by_sha256(session, incoming.sha256)
        if existing is not None:
            incoming.discard()
            return existing, False
        film_id = rows.new_film_id()
        self._storage.put_file(source_key(film_id), incoming.path)
        new = NewFilm(
            film_id, incoming.sha256, shown, name, incoming.size_bytes, str(how), incoming.key_id
        )
        try:
            film = self._insert(new)
        except QuotaExceeded:
            self._delete_objects(film_id)
            raise
        if film.id != film_id:
            incoming.discard()
            self._delete_objects(film_id)
        return film, film.id == film_id

    def list(
        self, query: FilmQuery | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Film]:
        """Return a page of films; see `SearchService.films`."""
        return self._search.films(query or FilmQuery(), cursor, limit)

    def find(self, sha256: str) -> Film | None:
        """Return the film that has these bytes, by their hash in hexadecimal; None: no film."""
        with self._database.session() as session:
            return rows.find_by_sha256(session, sha256)

    def counts(self) -> dict[FilmStatus, int]:
        """Return how many films stand in each state."""
        with self._database.session() as session:
            return rows.count_by_status(session)

    def cancel(self, film_id: str) -> Film:
        """Stop the film's analysis; a film that has ended stays as it is.

        Raises:
            FilmNotFound: No film has this id.
        """
        film = self.get(film_id)
        with self._database.session(write=True) as session:
            stopped = rows.set_status(session, film_id, film.run, FilmStatus.CANCELLED)
        if stopped:
            self._forget_job(film_id, film.run)
        return self.get(film_id)

    def retag(self, film_id: str, sampling: str | None = None) -> Film:
        """Analyse the film again; until that is complete, readers see what is there.

        Another model of the same base scores the stored features: nothing is decoded.

        Args:
            film_id: The film.
            sampling: Which frames are looked at; None means as before.

        Raises:
            FilmNotFound: No film has this id.
            FilmBusy: It is being analysed.
            InvalidRequest: The sampling cannot be understood.
        """
        how = None if sampling is None else _sampling(sampling)
        self.get(film_id)
        current = self._models.current()
        with self._database.session(write=True) as session:
            held = rows.lock_film(session, film_id)
            if held is not None and not held.status.is_final:
                raise FilmBusy("cancel the film first, or wait for its end")
            film = rows.begin_run(session, film_id, how)
            if held is None or film is None:
                raise FilmNotFound(f"no film has the id {film_id}")
            same_frames = how is None or str(how) == held.sampling
            wish = wish_for(held, current, somebody_waits=True) if same_frames else Wish.DECODE
            self._jobs.enqueue(session, film_id, film.run, wish)
        return film

    def delete(self, film_id: str) -> None:
        """Delete a film with all that was found in it.

        Rows go first, all at once; objects that cannot be deleted now are left for the sweep.

        Raises:
            FilmNotFound: No film has this id.
        """
        self.get(film_id)
        with self._database.session(write=True) as session:
            film = rows.delete_film(session, film_id)
        if film is None:
            raise FilmNotFound(f"no film has the id {film_id}")
        if not film.status.is_final:
            self._forget_job(film_id, film.run)
        self._delete_objects(film_id)

    def sweep(self, older_than_s: float = ORPHAN_AGE_S) -> int:
        """Delete objects without a film and unfinished uploads, older than `older_than_s`.

        Resumable uploads go when they expire.

        Returns:
            How many objects and files went.
        """
        swept = sweep_incoming(self._incoming_dir, older_than_s)
        swept += sweep_resumable(self._incoming_dir)
        latest = time.time() - older_than_s
        for batch in _batches(_last_stored(self._storage), 500):
            with self._database.session() as session:
                kept = rows.existing_ids(session, [film_id for film_id, _ in batch])
            for film_id, stored in batch:
                if film_id not in kept and stored < latest:
                    swept += self._storage.delete_prefix(film_prefix(film_id))
        return swept

    def _insert(self, new: NewFilm) -> Film:
        """Store row and job together; return the film that has these bytes, new or not."""
        while True:
            with self._database.session(write=True) as session:
                if new.key_id is not None:
                    # under the lock of the key, so that two uploads cannot both be the last one
                    quota = key_rows.lock_key(session, new.key_id)
                    if rows.find_by_sha256(session, new.sha256) is None:
                        stored = key_rows.stored_by(session, new.key_id)
                        check_quota(quota, stored, new.size_bytes)
                film = rows.insert_film(session, new)
                if film is not None:
                    self._jobs.enqueue(session, film.id, film.run)
                    return film
                existing = rows.find_by_sha256(session, new.sha256)
                if existing is not None:
                    return existing
            # it was deleted between the two statements: then these bytes are new after all

    def _forget_job(self, film_id: str, run: int) -> None:
        try:
            self._jobs.cancel(film_id, run)
        except ReeltagError as exc:
            log.warning("job %s-%s stays queued, its run is over: %s", film_id, run, exc)

    def _delete_objects(self, film_id: str) -> None:
        try:
            self._storage.delete_prefix(film_prefix(film_id))
        except ReeltagError as exc:
            log.warning("objects of the deleted film %s are left to the sweep: %s", film_id, exc)


def clean_name(text: str) -> str:
    """Return `text` without what cannot be stored or makes it read as another name."""
    kept = (
        letter
        for letter in text
        if unicodedata.category(letter) not in {"Cc", "Cs"} and letter not in _TURNING_MARKS
    )
    return "".join(kept).strip()


def clean_filename(text: str) -> str:
    """Return the last part of a path, as `clean_name`; nothing where it is only dots."""
    name = clean_name(text.replace("\\", "/").rpartition("/")[2])[:MAX_NAME_LETTERS]
    return name if name.strip(".") else ""


def _sampling(text: str) -> Sampling:
    try:
        return Sampling.parse(text)
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc


def _last_stored(storage: ObjectStore) -> Iterator[tuple[str, float]]:
    """Yield each film id that has objects with the time the last of them was stored."""
    current, latest = "", 0.0
    for key, stored in storage.keys("films/"):
        film_id = key.split("/")[1]
        if film_id != current and current:
            yield current, latest
            latest = 0.0
        current, latest = film_id, max(latest, stored)
    if current:
        yield current, latest


def _batches(items: Iterator[tuple[str, float]], size: int) -> Iterator[list[tuple[str, float]]]:
    while batch := list(islice(items, size)):
        yield batch
