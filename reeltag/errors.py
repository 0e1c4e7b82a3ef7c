"""What the client raises: one class for each kind of refusal, by the problem's stable `code`.

```
ReeltagError
├── ConnectionFailed        no answer came
├── AnalysisFailed          the film that was waited for cannot be analysed, or was cancelled
└── ApiError                the server refused: status, code, title, detail, errors
    ├── InvalidRequest
    ├── Unauthorized
    ├── Forbidden           QuotaExceeded
    ├── NotFound
    │   ├── FilmNotFound  FrameNotFound  TagNotFound  ModelNotFound  VerdictNotFound  UploadNotFound
    │   └── FeaturesNotFound
    ├── Conflict
    │   └── FilmBusy  TagNotTrained  ModelUnavailable
    ├── RateLimited         retry_after_s
    ├── UploadRefused       too large, empty, or not a video
    ├── Unavailable         heals by itself: retry_after_s
    └── ServerError         a mistake of the server
```

A code that a later server invents is raised as the class of its status.
"""

from collections.abc import Mapping
from typing import Any

import httpx


class ReeltagError(Exception):
    """Root of everything that the client raises."""


class ConnectionFailed(ReeltagError):
    """No answer came: wrong address, no server, a broken connection, or it took too long."""


class AnalysisFailed(ReeltagError):
    """The film that was waited for was not analysed.

    Attributes:
        code: Why, as `error.code` of the film; ``cancelled`` where somebody stopped it.
    """

    def __init__(self, film_id: str, code: str, detail: str) -> None:
        super().__init__(f"film {film_id}: {code}: {detail}")
        self.code = code


class ApiError(ReeltagError):
    """The server refused.

    Attributes:
        status: HTTP status.
        code: Stable word; listed in the server's documentation.
        title: The kind of problem.
        detail: What happened this time.
        errors: Parameters that are wrong, each with `where` and `detail`.
        retry_after_s: When to come back, where the server says so.
    """

    def __init__(
        self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None
    ) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.title = str(problem.get("title", f"HTTP {status}"))
        self.detail = str(problem.get("detail", ""))
        self.errors: list[dict[str, str]] = list(problem.get("errors") or ())
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.title}: {self.detail}" if self.detail else self.title)


class InvalidRequest(ApiError):
    """A parameter or a body is out of range or of the wrong form."""


class Unauthorized(ApiError):
    """No API key, or one that is not known."""


class Forbidden(ApiError):
    """The API key may not do this."""


class QuotaExceeded(Forbidden):
    """The key has as many films or bytes on the server as it may."""


class NotFound(ApiError):
    """What was asked for is not there."""


class FilmNotFound(NotFound):
    """No film has this id."""


class FeaturesNotFound(NotFound):
    """No features of the film's key frames are stored."""


class FrameNotFound(NotFound):
    """The film has no key frame with this number."""


class TagNotFound(NotFound):
    """The word is not in the vocabulary."""


class ModelNotFound(NotFound):
    """No model has this version."""


class VerdictNotFound(NotFound):
    """The film has no verdict with this id."""


class UploadNotFound(NotFound):
    """No unfinished upload has this id."""


class Conflict(ApiError):
    """The thing is in a state that does not allow this."""


class FilmBusy(Conflict):
    """The film is being analysed."""


class TagNotTrained(Conflict):
    """The model that tagged the film was not trained on the tag."""


class ModelUnavailable(Conflict):
    """The model that tagged the film cannot be run any more; a retag takes the active one."""


class RateLimited(ApiError):
    """The key sends more at once than it may; `retry_after_s` says when to come back."""


class UploadRefused(ApiError):
    """The film was not taken: too large, empty, or not sent as a video."""


class Unavailable(ApiError):
    """Something the server stands on is away for now."""


class ServerError(ApiError):
    """A mistake of the server."""


BY_CODE: Mapping[str, type[ApiError]] = {
    "quota_exceeded": QuotaExceeded,
    "film_not_found": FilmNotFound,
    "frame_not_found": FrameNotFound,
    "features_not_found": FeaturesNotFound,
    "tag_not_found": TagNotFound,
    "model_not_found": ModelNotFound,
    "verdict_not_found": VerdictNotFound,
    "upload_not_found": UploadNotFound,
    "film_busy": FilmBusy,
    "tag_not_trained": TagNotTrained,
    "model_unavailable": ModelUnavailable,
    "upload_too_large": UploadRefused,
    "unsupported_media_type": UploadRefused,
    "empty_upload": UploadRefused,
}
"""Codes whose class says more than their status."""

BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    503: Unavailable,
    507: Unavailable,
}
"""Statuses whose class says more than their hundred."""


def error_of(response: httpx.Response) -> ApiError:
    """Return what an answer with a status of 400 or above means; its body has been read."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    status = response.status_code
    default = ServerError if status >= 500 else InvalidRequest
    kind = BY_CODE.get(str(problem.get("code")), BY_STATUS.get(status, default))
    wait = response.headers.get("retry-after", "")
    return kind(status, problem, float(wait) if wait.isdecimal() else None)
