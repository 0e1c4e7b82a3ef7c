"""Resumable uploads over HTTP: tus 1.0.0 with five of its extensions.

Knows headers, statuses and when to wait; what an upload is, `services.resumable` knows. Answers
carry what the protocol demands, errors are problem documents as everywhere.

Source:
    https://tus.io/protocols/resumable-upload, version 1.0.0: core protocol and the extensions
    creation, creation-with-upload, expiration, checksum, termination.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from email.utils import formatdate
from functools import partial
from typing import Annotated, Any, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Path, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.access import GivenCaller
from app.api.dependencies import GivenServices, checked_sampling
from app.api.problems import answer_reeltag_error
from app.api.sending import place_for
from app.api.tus_headers import read_checksum, read_metadata, read_number
from app.api.tus_openapi import ANSWERS, extra_of
from app.api.uploads import pour
from app.domain.access import Caller
from app.errors import (
    InvalidRequest,
    ReeltagError,
    RequestTooSlow,
    UnsupportedMediaType,
    UnsupportedProtocol,
    UploadLocked,
    UploadNotFound,
    UploadTooLarge,
)
from app.services.films import MAX_NAME_LETTERS
from app.services.registry import Services
from app.services.resumable import ALGORITHMS, Appending, ResumableUploads
from app.services.upload_notes import Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
PART_TYPE = "application/offset+octet-stream"

WRITE_BYTES = 512 * 2**10
"""Bytes given to the disk at once: what a kill of the service can cost a slow connection."""

LOCK_WAIT_S = 5.0
LOCK_LOOK_S = 0.1
"""A broken connection's own request may need a moment to notice and let go of the upload."""

STALL_S = 15.0
"""Seconds without a byte after which a request is ended, so that another one can go on."""

Result = TypeVar("Result")


class TusRoute(APIRoute):
    """A route that checks the protocol's version, and names it in every answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answer_tus(request: Request) -> Response:
            try:
                if request.method != "OPTIONS" and request.headers.get("tus-resumable") != VERSION:
                    raise UnsupportedProtocol(f"send the header Tus-Resumable: {VERSION}")
                response = await answer(request)
            except ReeltagError as error:
                response = answer_reeltag_error(request, error)
                response.headers["Tus-Version"] = VERSION
                if request.method in {"PATCH", "POST"}:
                    response.headers["Connection"] = "close"  # the body is not read to its end
            response.headers["Tus-Resumable"] = VERSION
            return response

        return answer_tus


router = APIRouter(prefix="/v1", tags=["uploads"], route_class=TusRoute)

UploadId = Annotated[str, Path(description="The upload's id.", max_length=200)]


def uploads_of(services: Services) -> ResumableUploads:
    """Return the uploads of this library; they live on disk, so that any process may be asked."""
    settings = services.settings
    return ResumableUploads(
        settings.data_dir / "incoming",
        services.films,
        max_bytes=settings.max_upload_bytes,
        expires_s=settings.upload_expires_s,
    )


@router.options(
    "/uploads", operation_id="getUploadOptions", summary="What resumable uploads can do",
    status_code=204, response_class=Response, responses=ANSWERS["options"],
)  # fmt: skip
def get_upload_options(services: GivenServices) -> Response:
    """Tell version, extensions and limits."""
    headers = {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(services.settings.max_upload_bytes),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "/uploads", operation_id="createUpload", summary="Announce a resumable upload",
    status_code=201, response_class=Response, responses=ANSWERS["create"],
    openapi_extra=extra_of("create"),
)  # fmt: skip
async def create_upload(request: Request, services: GivenServices, caller: GivenCaller) -> Response:
    """Announce a film of `Upload-Length` bytes; the body may hold its first bytes already."""
    if "upload-length" not in request.headers:
        raise InvalidRequest("the header Upload-Length is needed; it cannot be told later here")
    length = read_number(request.headers, "upload-length")
    metadata = request.headers.get("upload-metadata", "")
    given = read_metadata(metadata)
    title = given.get("title") or None
    if title is not None and len(title) > MAX_NAME_LETTERS:
        raise InvalidRequest(f"a title has at most {MAX_NAME_LETTERS} letters")
    uploads = uploads_of(services)
    has_part = request.headers.get("content-type") == PART_TYPE
    create = partial(
        uploads.create, length, title=title, filename=given.get("filename") or given.get("name"),
        sampling=checked_sampling(given.get("sampling")), metadata=metadata, key_id=caller.key_id,
    )  # fmt: skip
    await _check_room(services, uploads, caller, length)
    upload = await to_thread.run_sync(create)
    location = f"/v1/uploads/{upload.id}"
    if has_part:
        async with place_for(services, caller):
            upload = await _append(request, uploads, upload.id, 0)
    return Response(status_code=201, headers=_headers(upload) | {"Location": location})


@router.head(
    "/uploads/{upload_id}", operation_id="getUpload", summary="Where a resumable upload stands",
    response_class=Response, responses=ANSWERS["head"], openapi_extra=extra_of("head"),
)  # fmt: skip
async def get_upload(services: GivenServices, caller: GivenCaller, upload_id: UploadId) -> Response:
    """Tell how many bytes have arrived, and the film once there is one."""
    uploads = uploads_of(services)
    upload = await _own(uploads, upload_id, caller)
    if upload.film_id is None and upload.offset == upload.length:
        # The service was killed after the last byte: nobody will send another PATCH.
        appending = await _locked(uploads, upload_id)
        try:
            await to_thread.run_sync(appending.finish)
            upload = appending.upload
        finally:
            appending.close()
    headers = _headers(upload) | {
        "Upload-Length": str(upload.length),
        "Cache-Control": "no-store",
    }
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    return Response(status_code=200, headers=headers)


@router.patch(
    "/uploads/{upload_id}", operation_id="appendToUpload", summary="Send the next bytes",
    status_code=204, response_class=Response, responses=ANSWERS["append"],
    openapi_extra=extra_of("append"),
)  # fmt: skip
async def append_to_upload(
    request: Request, services: GivenServices, caller: GivenCaller, upload_id: UploadId
) -> Response:
    """Append bytes at `Upload-Offset`; what arrives of a broken request is kept."""
    if request.headers.get("content-type") != PART_TYPE:
        raise UnsupportedMediaType(f"parts of an upload are sent as {PART_TYPE}")
    offset = read_number(request.headers, "upload-offset")
    uploads = uploads_of(services)
    upload = await _own(uploads, upload_id, caller)
    if upload.film_id is None or offset != upload.length:
        async with place_for(services, caller):
            upload = await _append(request, uploads, upload_id, offset)
    return Response(status_code=204, headers=_headers(upload))


@router.delete(
    "/uploads/{upload_id}", operation_id="deleteUpload", summary="Give a resumable upload up",
    status_code=204, response_class=Response, responses=ANSWERS["delete"],
    openapi_extra=extra_of("delete"),
)  # fmt: skip
async def delete_upload(
    services: GivenServices, caller: GivenCaller, upload_id: UploadId
) -> Response:
    """Forget the upload and its bytes; a film that it became stays."""
    uploads = uploads_of(services)
    await _own(uploads, upload_id, caller)
    await _patiently(partial(uploads.delete, upload_id))
    return Response(status_code=204)


@router.post("/uploads/{upload_id}", include_in_schema=False)
async def override_method(
    request: Request, services: GivenServices, caller: GivenCaller, upload_id: UploadId
) -> Response:
    """Serve callers that may send POST only and name the method in a header."""
    method = request.headers.get("x-http-method-override", "").upper()
    if method == "PATCH":
        return await append_to_upload(request, services, caller, upload_id)
    if method == "DELETE":
        return await delete_upload(services, caller, upload_id)
    raise HTTPException(405)


async def _append(
    request: Request, uploads: ResumableUploads, upload_id: str, offset: int
) -> Upload:
    algorithm, digest = read_checksum(request.headers)
    appending = await _locked(uploads, upload_id)
    try:
        upload = appending.upload
        announced = request.headers.get("content-length", "")
        await to_thread.run_sync(appending.begin, offset, algorithm, digest)
        if announced.isdecimal() and offset + int(announced) > upload.length:
            raise UploadTooLarge(f"the upload was announced with {upload.length} bytes")
        await pour(_what_comes(request), appending.write, WRITE_BYTES)
        await to_thread.run_sync(appending.end)
        await to_thread.run_sync(appending.finish)
        return appending.upload
    finally:
        appending.close()


async def _what_comes(request: Request) -> AsyncIterator[bytes]:
    """Give the body until it ends, the caller hangs up, or no byte comes for too long."""
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                chunk = await anext(stream)
        except (StopAsyncIteration, ClientDisconnect, TimeoutError, RequestTooSlow):
            return
        yield chunk


async def _own(uploads: ResumableUploads, upload_id: str, caller: Caller) -> Upload:
    """Return an upload as it stands; to other keys than the one that announced it, it is not there.

    Raises:
        UploadNotFound: There is none of this id, or it is another key's.
    """
    upload = await to_thread.run_sync(uploads.find, upload_id)
    if caller.key_id is not None and upload.key_id != caller.key_id:
        raise UploadNotFound("there is no such upload, or it has expired")
    return upload


async def _check_room(
    services: Services, uploads: ResumableUploads, caller: Caller, length: int
) -> None:
    if caller.key_id is not None and caller.quota.max_bytes is not None:
        length += await to_thread.run_sync(uploads.promised_bytes, caller.key_id)
    if caller.key_id is not None:
        await to_thread.run_sync(services.keys.check_room, caller, length)


async def _locked(uploads: ResumableUploads, upload_id: str) -> Appending:
    return await _patiently(partial(uploads.open, upload_id))


async def _patiently(call: Callable[[], Result]) -> Result:
    """Call again and again while somebody else holds the upload, for a while."""
    for _ in range(round(LOCK_WAIT_S / LOCK_LOOK_S)):
        try:
            return await to_thread.run_sync(call)
        except UploadLocked:
            await asyncio.sleep(LOCK_LOOK_S)
    return await to_thread.run_sync(call)


def _headers(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.offset)}
    if upload.film_id is None:
        headers["Upload-Expires"] = formatdate(upload.expires_at, usegmt=True)
    else:
        headers["Reeltag-Film"] = upload.film_id
        headers["Reeltag-Film-Created"] = "true" if upload.is_new else "false"
        headers["Content-Location"] = f"/v1/films/{upload.film_id}"
    return headers
