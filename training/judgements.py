"""What verdicts say of single key frames: which tags are known to hold, which not to.

A missing tag is neither: unknown. Knows frames and verdicts as the REST client gives them; asks
no server and writes no file.
"""

from collections import defaultdict
from collections.abc import Sequence

from reeltag.types import Frame, Verdict

STRONGEST_FRAMES = 5
"""Most key frames that stand for a tag accepted for a whole film: it holds in some of them."""

STRONG_SHARE = 0.5
"""Each of them has at least this share of the best one's score; the rest stays unknown."""

SAID_TAGS = 3
"""A frame's first tags are what the model says of it; as many as the service counts."""

SAME_FRAME_S = 1e-3
"""A key frame is known again by its time, as the service does."""

_SCOPES = ("film", "segment", "frame")
"""What is said of less of a film counts more."""

Judgements = dict[int, dict[str, bool]]
"""By the number of a key frame: tags known to hold (True) or not to (False)."""


def judge_frames(frames: Sequence[Frame], verdicts: Sequence[Verdict]) -> Judgements:
    """Return what is known of a film's key frames; those of which nothing is known are left out.

    A verdict on a key frame speaks of it; one on a segment of the key frames inside. A tag that
    was accepted for the film holds in its strongest frames; one that was rejected does not hold
    in the frames where the model said it. Frame wins over segment over film, later over earlier.

    Args:
        frames: All key frames of the film with the scores of all tags, best first.
        verdicts: What humans said of the film, the oldest first.
    """
    known: defaultdict[int, dict[str, bool]] = defaultdict(dict)
    for scope in _SCOPES:
        for verdict in (one for one in verdicts if one.scope == scope):
            for frame in _meant(frames, verdict):
                known[frame.n][verdict.tag] = verdict.verdict == "accepted"
    return dict(sorted(known.items()))


def _meant(frames: Sequence[Frame], verdict: Verdict) -> list[Frame]:
    if verdict.scope == "frame" and verdict.time_s is not None:
        at_s = verdict.time_s
        return [frame for frame in frames if abs(frame.time_s - at_s) < SAME_FRAME_S]
    if verdict.scope == "segment" and verdict.start_s is not None and verdict.end_s is not None:
        start_s, end_s = verdict.start_s, verdict.end_s
        return [frame for frame in frames if start_s <= frame.time_s < end_s]
    if verdict.verdict == "accepted":
        scored = [(_score(frame, verdict.tag), frame) for frame in frames]
        scored.sort(key=lambda pair: -pair[0])
        floor = STRONG_SHARE * scored[0][0] if scored else 0.0
        return [frame for score, frame in scored[:STRONGEST_FRAMES] if score > 0 and score >= floor]
    return [frame for frame in frames if verdict.tag in _said(frame)]


def _score(frame: Frame, tag: str) -> float:
    return max((one.score for one in frame.tags if one.tag == tag), default=0.0)


def _said(frame: Frame) -> list[str]:
    by_model = [one.tag for one in frame.tags if one.source == "model"]
    return by_model[:SAID_TAGS]
