"""Settings -> adapters -> services: the only file that names concrete adapters.

Heavy libraries are imported inside the functions that need them, so that a command which needs
none starts at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from app.config import Settings
    from app.db.session import Database
    from app.domain.library import ModelRecord
    from app.inference.batcher import BatchingClassifier
    from app.jobs import DbosJobQueue
    from app.ports import Explainer, FilmReader, FrameClassifier, ObjectStore
    from app.services.analysis import Analysis
    from app.services.model_in_use import ModelInUse
    from app.services.publishing import ModelPublisher
    from app.services.registry import Services
    from models.artifact import Artifact


def build_database(settings: Settings) -> Database:
    """Return the database that the settings name; its tables may be missing or old.

    Raises:
        ValueError: The address is neither SQLite's nor PostgreSQL's.
    """
    from app.db.session import Database

    return Database(settings.resolved_database_url)


def build_storage(settings: Settings) -> ObjectStore:
    """Return the storage that the settings name.

    Raises:
        ValueError: The address is neither ``file:///PATH`` nor ``s3://BUCKET/PREFIX``.
        StorageUnavailable: The folder cannot be made.
    """
    url = urlsplit(settings.resolved_storage_url)
    if url.scheme == "file" and url.path and not url.netloc:
        from app.storage.local import LocalStorage

        return LocalStorage(Path(unquote(url.path)))
    if url.scheme == "s3" and url.netloc:
        from app.storage.s3 import S3Storage

        return S3Storage(
            url.netloc,
            url.path.strip("/"),
            settings.s3_endpoint_url or None,
            settings.data_dir / "copies",
        )
    raise ValueError(f"the storage is file:///PATH or s3://BUCKET/PREFIX, not {url.geturl()!r}")


def build_job_queue(settings: Settings, database: Database) -> DbosJobQueue:
    """Return the queue in `database`, where film rows and jobs share a transaction.

    Its tables may be missing until `migrate` was called.
    """
    from app.jobs import DbosJobQueue

    return DbosJobQueue(database.engine)


def build_services(settings: Settings) -> Services:
    """Return all services on the database, storage and queue that the settings name.

    Nothing is asked of them yet: the tables may be missing until `prepare_database` was called.

    Raises:
        UserError: The database's or the storage's address cannot be understood.
        StorageUnavailable: The folder of the films cannot be made.
    """
    from sqlalchemy.exc import ArgumentError

    from app.errors import UserError
    from app.services.films import FilmService
    from app.services.idempotency import Idempotency
    from app.services.keys import KeyService
    from app.services.models import ModelService
    from app.services.pictures import Pictures
    from app.services.publishing import ModelPublisher
    from app.services.registry import Services
    from app.services.retagging import Retagging
    from app.services.search import SearchService

    try:
        database = build_database(settings)
        storage = build_storage(settings)
    except (ValueError, ArgumentError) as exc:
        raise UserError(str(exc)) from exc
    jobs = build_job_queue(settings, database)
    models = ModelService(database, default_path=settings.model_path)
    films = FilmService(
        database,
        storage,
        jobs,
        models,
        data_dir=settings.data_dir,
        default_sampling=settings.sampling,
        max_upload_bytes=settings.max_upload_bytes,
    )
    publisher = ModelPublisher(
        models, storage, settings.data_dir / "models", lambda artifact: try_out(settings, artifact)
    )
    return Services(
        films, models, SearchService(database), storage, database, jobs, settings,
        publisher, Retagging(database, jobs, models),
        Pictures(films, models, lambda record: build_explainer(settings, publisher, record)),
        KeyService(database), Idempotency(database, settings.idempotency_expires_s),
    )  # fmt: skip


def build_explainer(
    settings: Settings, publisher: ModelPublisher, record: ModelRecord
) -> Explainer:
    """Load the network of a model to explain its tags.

    Raises:
        ArtifactError: It cannot be used, or another model lies in its place.
    """
    from app.errors import ArtifactError
    from app.inference.explain import OpenVinoExplainer

    artifact = publisher.open(record)
    if artifact.manifest != record.manifest:
        raise ArtifactError(f"{artifact.path} holds another model than the library knows")
    return OpenVinoExplainer(artifact, settings.inference_threads)


def try_out(settings: Settings, artifact: Artifact) -> None:
    """Run an artifact's network once, in the form that every machine can run.

    Raises:
        ArtifactError: It is not the network that its manifest describes.
    """
    from app.inference.classifier import choose_engine

    choose_engine(artifact, "openvino", settings.precision, settings.inference_threads)


def prepare_database(services: Services) -> None:
    """Bring all tables, those of the queue too, to this version; several processes may at once.

    Raises:
        DatabaseUnavailable: The database does not answer.
    """
    services.database.migrate()
    build_job_queue(services.settings, services.database).migrate()


def build_analysis(services: Services, models: ModelInUse, executor_id: str) -> Analysis:
    """Return what the worker process `executor_id` does with films."""
    from app.services.analysis import Analysis, Parts

    parts = Parts(
        database=services.database,
        storage=services.storage,
        jobs=services.jobs,
        reader=build_reader(services.settings),
        models=models,
    )
    return Analysis(parts, executor_id, services.settings.chunk_s)


def build_model_in_use(
    services: Services, classifier: FrameClassifier, build: Callable[..., FrameClassifier]
) -> ModelInUse:
    """Return a worker's loaded model, which gives way to the one that is activated later.

    Args:
        services: Know which model that is.
        classifier: What is loaded now.
        build: Loads a network, as `build_classifier`.
    """
    from app.services.model_in_use import ModelInUse

    def load(record: ModelRecord) -> FrameClassifier:
        return build(services.settings, services.publisher.open(record))

    return ModelInUse(classifier, services.models.active, load)


def choose_artifact(services: Services) -> Artifact:
    """Open the model that was activated, where none was the one that the settings name.

    Raises:
        ArtifactError: It cannot be used; no other one is tried in its place.
    """
    from app.inference.classifier import open_artifact

    active = services.models.active()
    if active is not None:
        return services.publisher.open(active)
    return open_artifact(services.settings.model_path)


def build_reader(settings: Settings) -> FilmReader:
    """Return what decodes films, each in a confined child process."""
    from app.video.sandbox import SandboxedReader

    return SandboxedReader(
        max_duration_s=settings.max_duration_s,
        max_pixels=settings.max_pixels,
        memory_bytes=settings.decoder_memory_bytes,
        stall_s=settings.decoder_stall_s,
    )


def build_classifier(settings: Settings, artifact: Artifact | None = None) -> BatchingClassifier:
    """Load a network and start the thread that runs it; a context manager.

    Args:
        settings: Engine, precision, threads and batch size.
        artifact: The model; None opens the one at `settings.model_path`.

    Raises:
        ArtifactError: The model cannot be used; the message names path and reason.
    """
    from app.inference.batcher import BatchingClassifier
    from app.inference.classifier import batch_sizes_of, choose_engine, open_artifact

    engine = choose_engine(
        artifact or open_artifact(settings.model_path),
        settings.engine,
        settings.precision,
        settings.inference_threads,
    )
    return BatchingClassifier(engine, batch_sizes_of(engine, settings.max_batch_size))
