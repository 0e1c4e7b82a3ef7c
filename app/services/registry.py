"""All services of one process, built together by `bootstrap` and handed to whoever calls them.

Knows which services there are; not how one is built.
"""

from dataclasses import dataclass

from app.config import Settings
from app.db.session import Database
from app.ports import JobQueue, ObjectStore
from app.services.films import FilmService
from app.services.idempotency import Idempotency
from app.services.keys import KeyService
from app.services.models import ModelService
from app.services.pictures import Pictures
from app.services.publishing import ModelPublisher
from app.services.retagging import Retagging
from app.services.search import SearchService
from models.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Services:
    """What the REST interface and the commands call.

    Attributes:
        films: Films: take, look at, cancel, analyse again, delete.
        models: The models of this library.
        search: Films by what they show.
        storage: Where the bytes are; asked directly only whether it is there.
        database: Where the rows are; asked directly only whether it is current.
        jobs: The queue of analyses; asked directly only whether it is there.
        settings: What was set from outside.
        publisher: Takes models into the library and activates them.
        retagging: Brings the library's films up to the model in use.
        pictures: Why a key frame has a tag; a film on one sheet.
        keys: Who calls, and how much they may.
        idempotency: Answers that are given again to requests that come again.
    """

    films: FilmService
    models: ModelService
    search: SearchService
    storage: ObjectStore
    database: Database
    jobs: JobQueue
    settings: Settings
    publisher: ModelPublisher
    retagging: Retagging
    pictures: Pictures
    keys: KeyService
    idempotency: Idempotency

    def current_model(self) -> Manifest | None:
        """Return what the model for new analyses says of itself; None where there is none.

        It is the one that was activated, else the one that the settings name.

        Raises:
            DatabaseUnavailable: The database does not answer.
        """
        return self.models.current()
