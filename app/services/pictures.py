"""Pictures that are made when asked for: why a key frame has a tag, and a film on one sheet.

The network that explains is loaded when it is first asked for and kept. Knows no engine: it is
told how to load one.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

from app.domain.library import FrameView, ModelRecord
from app.errors import (
    ArtifactError,
    FrameNotFound,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    TagNotTrained,
)
from app.ports import Explainer
from app.services.contents import MAX_LIMIT, FilmContents
from app.services.models import ModelService
from app.video.drawing import Cell, draw_sheet, lay_heat
from app.video.thumbnails import decode_jpeg, encode_jpeg

MOST_LOADED = 2
"""Networks kept at once, a quarter of a gigabyte each: the active model's and the one before."""

DEFAULT_COLUMNS = 4
MAX_COLUMNS = 8
DEFAULT_SHEET_FRAMES = 24
MAX_SHEET_FRAMES = 120
"""A sheet of one column is then 44,000 pixels high at most; JPEG ends at 65,535."""


class Pictures:
    """Makes pictures of what was found in films; safe from any thread.

    Args:
        contents: What was found.
        models: The models of the library.
        load: Loads the network of a model; raises `ArtifactError` where it cannot be used.
    """

    def __init__(
        self,
        contents: FilmContents,
        models: ModelService,
        load: Callable[[ModelRecord], Explainer],
    ) -> None:
        self._contents = contents
        self._models = models
        self._load = load
        self._loaded: OrderedDict[str, Explainer] = OrderedDict()
        self._loading = threading.Lock()

    def explanation(self, film_id: str, n: int, tag: str) -> bytes:
        """Return a key frame, coloured where it speaks for a tag, as JPEG.

        The model that gave the film its tags explains them, whichever is active now.

        Args:
            film_id: The film.
            n: Number of the key frame.
            tag: Name of a tag that this model was trained on; the frame need not have it.

        Raises:
            FilmNotFound: No film has this id.
            FrameNotFound: The film has no key frame with this number.
            TagNotTrained: The film's model does not know the tag.
            ModelUnavailable: That model is gone or damaged.
            OperationalError: Storage or database is away.
        """
        version = self._contents.get(film_id).model_version or ""
        picture = decode_jpeg(self._contents.frame_image(film_id, n))
        manifest = self._models.manifest_of(version)
        if manifest is not None and tag not in manifest.tags:
            raise TagNotTrained(f"the model {version!r} was not trained on {tag!r}")
        heat = self._explainer(version).explain(picture, tag)
        return encode_jpeg(lay_heat(picture, heat))

    def contact_sheet(
        self,
        film_id: str,
        tag: str | None = None,
        columns: int = DEFAULT_COLUMNS,
        limit: int = DEFAULT_SHEET_FRAMES,
    ) -> bytes:
        """Return key frames on one sheet, each with its time and first tag, as JPEG.

        Args:
            film_id: The film.
            tag: The strongest key frames of this tag, best first; None: frames of the whole film,
                evenly spread, in time order.
            columns: Pictures in a row, 1 to `MAX_COLUMNS`.
            limit: Most pictures, 1 to `MAX_SHEET_FRAMES`.

        Raises:
            FilmNotFound: No film has this id.
            FrameNotFound: The film has no key frame, or none with this tag.
            InvalidRequest: `columns` or `limit` is out of range.
            OperationalError: Storage or database is away.
        """
        if not (1 <= columns <= MAX_COLUMNS and 1 <= limit <= MAX_SHEET_FRAMES):
            raise InvalidRequest(
                f"a sheet has 1 to {MAX_COLUMNS} columns and 1 to {MAX_SHEET_FRAMES} pictures"
            )
        if tag is None:
            frames = evenly_spread(self._all_frames(film_id), limit)
        else:
            page = self._contents.frames(film_id, tag, limit=limit, sort="-score")
            frames = list(page.items)
        if not frames:
            of_tag = "" if tag is None else f" with the tag {tag!r}"
            raise FrameNotFound(f"the film has no key frame{of_tag}")
        return encode_jpeg(draw_sheet(self._cells(film_id, frames, tag), columns))

    def _all_frames(self, film_id: str) -> list[FrameView]:
        found: list[FrameView] = []
        cursor = None
        while True:
            page = self._contents.frames(film_id, cursor=cursor, limit=MAX_LIMIT, top_k=1)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _cells(self, film_id: str, frames: list[FrameView], tag: str | None) -> Iterator[Cell]:
        for frame in frames:
            picture = decode_jpeg(self._contents.frame_image(film_id, frame.n))
            yield Cell(picture, captions(frame, tag))

    def _explainer(self, version: str) -> Explainer:
        with self._loading:
            if version not in self._loaded:
                try:
                    self._loaded[version] = self._load(self._models.get(version))
                except (ArtifactError, ModelNotFound) as exc:
                    raise ModelUnavailable(
                        f"the model {version!r} that tagged the film cannot be used: {exc}; "
                        "tag the film anew with the active one"
                    ) from exc
                while len(self._loaded) > MOST_LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(version)
            return self._loaded[version]


def evenly_spread(frames: list[FrameView], limit: int) -> list[FrameView]:
    """Return `limit` of `frames` with equal steps between them, the first among them; or all."""
    if len(frames) <= limit:
        return frames
    return [frames[place * len(frames) // limit] for place in range(limit)]


def captions(frame: FrameView, tag: str | None = None) -> tuple[str, ...]:
    """Return what stands below a key frame: its time, and `tag` or else its first tag."""
    whole = int(frame.time_s)
    time = f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    said = [one for one in frame.tags if tag in (None, one.tag)][:1]
    return (time, *(f"{one.tag} {one.score:.0%}" for one in said))
