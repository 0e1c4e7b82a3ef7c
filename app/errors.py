"""Everything Reeltag refuses or fails with.

```
ReeltagError
├── UserError                 the caller can mend it (4xx)
│   ├── InvalidRequest        400  invalid_request
│   ├── Unauthorized          401  unauthorized
│   ├── Forbidden             403  forbidden
│   │   └── QuotaExceeded          quota_exceeded
│   ├── NotFound              404  not_found
│   │   ├── FilmNotFound           film_not_found
│   │   ├── FrameNotFound          frame_not_found
│   │   ├── FeaturesNotFound       features_not_found
│   │   ├── TagNotFound            tag_not_found
│   │   ├── ModelNotFound          model_not_found
│   │   ├── VerdictNotFound        verdict_not_found
│   │   ├── KeyNotFound            key_not_found
│   │   └── UploadNotFound         upload_not_found
│   ├── Conflict              409  conflict
│   │   ├── FilmBusy               film_busy
│   │   ├── TagNotTrained          tag_not_trained
│   │   ├── ModelUnavailable       model_unavailable
│   │   ├── OffsetMismatch         upload_offset_mismatch
│   │   └── StillAnswering         idempotency_in_progress
│   ├── RequestTooSlow        408  request_too_slow
│   ├── UnsupportedProtocol   412  unsupported_protocol
│   ├── UploadTooLarge        413  upload_too_large
│   ├── BodyTooLarge          413  body_too_large
│   ├── UnsupportedMediaType  415  unsupported_media_type
│   ├── RangeNotSatisfiable   416  range_not_satisfiable
│   ├── EmptyUpload           422  empty_upload
│   ├── AnotherRequest        422  idempotency_key_reused
│   ├── UploadLocked          423  upload_locked
│   ├── RateLimited           429  rate_limited
│   │   └── TooManyUploads         too_many_uploads
│   ├── HeadersTooLarge       431  headers_too_large
│   └── ChecksumMismatch      460  checksum_mismatch
├── VideoError                the film cannot be analysed: its job fails and is not retried (422)
│   ├── NotAVideo                  not_a_video
│   ├── NoVideoTrack               no_video_track
│   ├── UnsupportedVideo           unsupported_video
│   ├── PictureTooLarge            picture_too_large
│   ├── FilmTooLong                film_too_long
│   ├── NoFrames                   no_frames
│   ├── TooManyCorruptFrames       too_many_corrupt_frames
│   ├── DecoderCrashed             decoder_crashed
│   └── DecodeTimedOut             decode_timed_out
├── ArtifactError             stops the start of the process      artifact_unusable
├── OperationalError          storage, database or disk is away: retried (503)
│   ├── StorageUnavailable         storage_unavailable
│   ├── DatabaseUnavailable        database_unavailable
│   └── DiskFull              507  disk_full
└── Cancelled                 not a failure: somebody asked to stop    cancelled
```

`status` is an HTTP status, `code` is stable and documented in `docs/api.md`, `retryable` says
whether the same call can succeed later by itself. Knows no web framework.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class ReeltagError(Exception):
    """Root of everything Reeltag raises on purpose; `str(error)` is meant for people."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong inside Reeltag"
    retryable: ClassVar[bool] = False
    retry_after_s: int | None = None


class UserError(ReeltagError):
    """The caller asked for something that cannot be done."""

    status = 400
    code = "invalid_request"
    title = "The request cannot be understood"


class InvalidRequest(UserError):
    """A parameter or a body is out of range or of the wrong form."""


class Unauthorized(UserError):
    """No key, or one that is not known."""

    status, code, title = 401, "unauthorized", "An API key is needed"


class Forbidden(UserError):
    """The key may not do this."""

    status, code, title = 403, "forbidden", "The API key does not allow this"


class QuotaExceeded(Forbidden):
    """The key has as much here as it may; something has to go first."""

    code, title = "quota_exceeded", "The API key's quota is used up"


class NotFound(UserError):
    """What was asked for is not there."""

    status, code, title = 404, "not_found", "Not found"


class FilmNotFound(NotFound):
    """No film has this id."""

    code, title = "film_not_found", "No such film"


class FrameNotFound(NotFound):
    """The film has no key frame with this number."""

    code, title = "frame_not_found", "No such key frame"


class FeaturesNotFound(NotFound):
    """No features of the film's key frames are stored."""

    code, title = "features_not_found", "No stored features"


class TagNotFound(NotFound):
    """The word is not in the vocabulary."""

    code, title = "tag_not_found", "No such tag"


class ModelNotFound(NotFound):
    """No model has this version."""

    code, title = "model_not_found", "No such model"


class VerdictNotFound(NotFound):
    """The film has no verdict with this id."""

    code, title = "verdict_not_found", "No such verdict"


class KeyNotFound(NotFound):
    """No API key has this id."""

    code, title = "key_not_found", "No such API key"


class UploadNotFound(NotFound):
    """No unfinished upload has this id."""

    code, title = "upload_not_found", "No such upload"


class Conflict(UserError):
    """The thing is in a state that does not allow this."""

    status, code, title = 409, "conflict", "Not possible in this state"


class FilmBusy(Conflict):
    """The film is being analysed."""

    code, title = "film_busy", "The film is being analysed"


class TagNotTrained(Conflict):
    """The model that tagged the film does not know the tag."""

    code, title = "tag_not_trained", "The model was not trained on this tag"


class ModelUnavailable(Conflict):
    """The model that tagged the film cannot be run any more; a retag takes the active one."""

    code, title = "model_unavailable", "The film's model is not available"


class OffsetMismatch(Conflict):
    """The bytes do not belong where the upload ends; ask it where it stands."""

    code, title = "upload_offset_mismatch", "These are not the next bytes"


class StillAnswering(Conflict):
    """An earlier request with this `Idempotency-Key` is not answered yet."""

    code, title = "idempotency_in_progress", "This request is being answered"
    retryable = True


class RequestTooSlow(UserError):
    """The body comes so slowly that it holds up others."""

    status, code, title = 408, "request_too_slow", "The request is too slow"


class UnsupportedProtocol(UserError):
    """The upload protocol's version is missing or another one."""

    status, code, title = 412, "unsupported_protocol", "This server speaks tus 1.0.0"


class UploadTooLarge(UserError):
    """The file is larger than this server takes."""

    status, code, title = 413, "upload_too_large", "The upload is too large"


class BodyTooLarge(UserError):
    """A body that is no film is larger than any such body has reason to be."""

    status, code, title = 413, "body_too_large", "The body is too large"


class UnsupportedMediaType(UserError):
    """The body is neither a video nor a form with one."""

    status, code, title = 415, "unsupported_media_type", "This is not sent as a video"


class RangeNotSatisfiable(UserError):
    """The part of a file that was asked for lies behind its end."""

    status, code, title = 416, "range_not_satisfiable", "No such part of the file"


class EmptyUpload(UserError):
    """No byte arrived."""

    status, code, title = 422, "empty_upload", "The upload is empty"


class AnotherRequest(UserError):
    """The `Idempotency-Key` belongs to a request that was another one."""

    status, code, title = 422, "idempotency_key_reused", "The Idempotency-Key is taken"


class UploadLocked(UserError):
    """Another request is sending bytes of this upload."""

    status, code, title = 423, "upload_locked", "The upload is being continued elsewhere"


class RateLimited(UserError):
    """The key sends more than it may; `retry_after_s` says when it may again."""

    status, code, title = 429, "rate_limited", "Too many requests"
    retryable = True

    def __init__(self, text: str, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class TooManyUploads(RateLimited):
    """The key is sending as many films as it may at the same time."""

    code, title = "too_many_uploads", "Too many uploads at once"


class HeadersTooLarge(UserError):
    """The request's headers are more or longer than any caller has reason to send."""

    status, code, title = 431, "headers_too_large", "The headers are too large"


class ChecksumMismatch(UserError):
    """What arrived is not what was sent. Source of the status: tus 1.0, checksum extension."""

    status, code, title = 460, "checksum_mismatch", "The bytes arrived damaged"


class VideoError(ReeltagError):
    """The film cannot be analysed; trying again would not help."""

    status, code, title = 422, "video_error", "The film cannot be analysed"


class NotAVideo(VideoError):
    """No allowed container was recognised in the bytes."""

    code, title = "not_a_video", "The file is not a film"


class NoVideoTrack(VideoError):
    """The container holds no moving pictures: audio, cover art or stills only."""

    code, title = "no_video_track", "The file has no moving pictures"


class UnsupportedVideo(VideoError):
    """The pictures are in a form that cannot be decoded here."""

    code, title = "unsupported_video", "The film's format is not supported"


class PictureTooLarge(VideoError):
    """The pictures have more pixels than the limit."""

    code, title = "picture_too_large", "The film's pictures are too large"


class FilmTooLong(VideoError):
    """The film lasts longer than the limit."""

    code, title = "film_too_long", "The film is too long"


class NoFrames(VideoError):
    """Not one frame could be decoded."""

    code, title = "no_frames", "The film has no readable frame"


class TooManyCorruptFrames(VideoError):
    """Most of the film is damaged."""

    code, title = "too_many_corrupt_frames", "Most of the film is damaged"


class DecoderCrashed(VideoError):
    """The decoder process died of this film each time it was tried."""

    code, title = "decoder_crashed", "The film crashes the decoder"


class DecodeTimedOut(VideoError):
    """No frame came for too long."""

    code, title = "decode_timed_out", "Decoding the film made no progress"


class ArtifactError(ReeltagError):
    """The model cannot be used; the process does not start."""

    code, title = "artifact_unusable", "The model cannot be loaded"


class OperationalError(ReeltagError):
    """Something Reeltag stands on is away for now."""

    status, code, title = 503, "unavailable", "Temporarily unavailable"
    retryable = True


class StorageUnavailable(OperationalError):
    """Files cannot be read or written now."""

    code, title = "storage_unavailable", "The storage is not available"


class DatabaseUnavailable(OperationalError):
    """The database does not answer now."""

    code, title = "database_unavailable", "The database is not available"


class DiskFull(OperationalError):
    """No space is left for the file; nothing of it was kept."""

    status, code, title = 507, "disk_full", "No space is left"


class Cancelled(ReeltagError):
    """Somebody asked to stop; what was finished before stays."""

    status, code, title = 409, "cancelled", "Cancelled"


NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What an operating system says where a file cannot grow. Source: POSIX.1-2017, write()."""


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what a local disk refuses into `DiskFull` or `StorageUnavailable`."""
    try:
        yield
    except OSError as exc:
        if exc.errno in NO_SPACE:
            raise DiskFull(f"no space is left: {exc.strerror}") from exc
        raise StorageUnavailable(f"the disk does not answer: {exc.strerror or exc}") from exc
