"""Reads a film by groups of pictures and decodes only those in which something may happen.

Of the others the codec key frame stands for all frames up to the next. Groups are judged by
`video/groups.py` from themselves, their neighbours and the film's first minutes, so a film read in
spans is read the same. Knows no shots; imports PyAV.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from app.video.frames import FramePainter, Look, Shown
from app.video.groups import GroupFacts, Reach, moves, reach_of
from app.video.shots import describe
from app.video.track import Track

HABIT_S = Fraction(120)
"""Seconds at the film's beginning that tell how long its encoder's groups are."""

MAX_GROUP_S = Fraction(20)
MAX_GROUP_BYTES = 48 << 20
MAX_GROUP_PACKETS = 2000
"""Larger groups are read in pieces, all decoded: their packets are held in memory."""

SPARED_FRAMES: Literal["NONREF"] = "NONREF"
"""Frames of a decoded group that are held all the same: no other frame is made from them."""


@dataclass(slots=True)
class _Group:
    """Packets from a codec key frame on, in the order of decoding.

    Attributes:
        packets: The key frame's packet first; of a later piece of a large group any.
        key: The key frame, decoded; None where that failed.
        is_piece: Whether it belongs to a group that is too large to be held.
        starts: Whether it begins with a key frame.
    """

    packets: "list[Packet[VideoStream]]"
    key: Look | None = None
    is_piece: bool = False
    starts: bool = True

    @property
    def start(self) -> int:
        """Stamp of the key frame, or of the first packet."""
        return self.packets[0].pts or 0

    @property
    def leading(self) -> "list[Packet[VideoStream]]":
        """Packets shown before the key frame: those of an open group."""
        return [one for one in self.packets[1:] if _stamp(one) < self.start] if self.starts else []


class Chooser:
    """One film read with as little decoding as its packets allow."""

    def __init__(self, track: Track, painter: FramePainter) -> None:
        """Take a track whose stamps can be believed."""
        self._track = track
        self._painter = painter

    def frames(self, from_s: Fraction) -> Iterator[Shown]:
        """Give every frame in presentation order, decoded or held.

        Args:
            from_s: Reading starts at a codec key frame at or before this time.
        """
        track = self._track
        longest_s = self._longest_group_s()
        with track.open() as container, track.open() as spare:
            stream = track.stream_of(container, "SLICE")
            decoder = track.stream_of(spare, "AUTO")
            decoder.codec_context.skip_frame = SPARED_FRAMES
            decoder.codec_context.options = {
                **decoder.codec_context.options,
                "skip_loop_filter": "all",
            }
            track.seek(container, stream, from_s)
            held: deque[_Group] = deque()
            for group in self._groups(container, stream):
                held.append(group)
                if len(held) == 2:
                    yield from self._given(held.popleft(), held[0], decoder, longest_s)
            if held:
                yield from self._given(held.popleft(), None, decoder, longest_s)

    # -- groups ----------------------------------------------------------------------------------

    def _longest_group_s(self) -> float:
        """Return the longest group of the film's first minutes, seconds."""
        track = self._track
        longest, last, end = 0, track.origin, track.origin
        read_s = track.packets_end_s
        damaged = track.corrupt_count, track.damaged_packets
        with track.open() as container:
            stream = track.stream_of(container, "SLICE")
            for packet in track.packets(container, stream):
                if packet.pts is None:
                    continue
                end = max(end, packet.pts)
                if packet.is_keyframe:
                    longest, last = max(longest, packet.pts - last), packet.pts
                if (packet.pts - track.origin) * track.time_base > HABIT_S:
                    break
        # What was only looked at is not read yet.
        track.packets_end_s = read_s
        track.corrupt_count, track.damaged_packets = damaged
        return float(max(longest, end - last) * track.time_base)

    def _groups(self, container: InputContainer, stream: VideoStream) -> Iterator[_Group]:
        group: _Group | None = None
        size_bytes = 0
        for packet in self._track.packets(container, stream):
            if packet.size == 0 or (group is None and not packet.is_keyframe):
                continue
            if packet.is_keyframe and packet.pts is not None:
                if group is not None:
                    yield group
                group, size_bytes = _Group([packet]), packet.size
                group.key = self._key_of(stream, packet)
                continue
            assert group is not None
            length = (_stamp(packet) - group.start) * self._track.time_base
            size_bytes += packet.size
            if (
                length > MAX_GROUP_S
                or size_bytes > MAX_GROUP_BYTES
                or len(group.packets) >= MAX_GROUP_PACKETS
            ):
                group.is_piece = True
                yield group
                group, size_bytes = _Group([packet], is_piece=True, starts=False), packet.size
                continue
            group.packets.append(packet)
        if group is not None:
            yield group

    def _key_of(self, stream: VideoStream, packet: "Packet[VideoStream]") -> Look | None:
        """Decode a key frame by itself."""
        frames = self._track.decode(stream, packet) + self._track.decode(stream, None)
        stream.codec_context.flush_buffers()
        good = [frame for frame in frames if not frame.is_corrupt]
        return Look(good[0], self._painter) if good else None

    # -- frames ----------------------------------------------------------------------------------

    def _given(
        self, group: _Group, after: _Group | None, decoder: VideoStream, longest_s: float
    ) -> Iterator[Shown]:
        """Give the frames from a group's key frame up to the next."""
        reach = self._reach(group, after, longest_s)
        if reach is not None and group.key is not None and reach.frames == 0:
            for pts, duration in _stamps(group, after):
                yield Shown(pts, duration, group.key, held=pts != group.start)
            return
        if reach is not None:
            shown = list(self._decoded(group, after, decoder, reach.frames))
            quiet, later = shown[reach.quiet_from].look, shown[-1].look
            if reach.frames == reach.quiet_from or not moves(
                describe(quiet.small()), describe(later.small())
            ):
                yield from shown
                return
        yield from self._decoded(group, after, decoder, None)

    def _reach(self, group: _Group, after: _Group | None, longest_s: float) -> Reach | None:
        """Tell how far a group is decoded; None: to its end."""
        if group.key is None or group.is_piece:
            return None
        if after is not None and (after.key is None or after.is_piece):
            return None
        next_facts = None if after is None else self._facts(after, None)
        return reach_of(self._facts(group, after), next_facts, longest_s)

    def _facts(self, group: _Group, after: _Group | None) -> GroupFacts:
        assert group.key is not None
        own = sorted(
            (_stamp(one), one.size) for one in group.packets[1:] if _stamp(one) > group.start
        )
        last = max([group.start, *(pts for pts, _ in own)])
        end = last if after is None else after.start
        length_s = float(max(end - group.start, 1) * self._track.time_base)
        return GroupFacts(length_s, [size for _, size in own], describe(group.key.small()))

    def _decoded(
        self, group: _Group, after: _Group | None, decoder: VideoStream, count: int | None
    ) -> Iterator[Shown]:
        """Decode the beginning of a group; other frames show what was shown before them."""
        packets = list(group.packets)
        waiting = deque(_stamps(group, after))
        end = after.start if after is not None and after.starts else None
        if count is not None:
            end = waiting[min(count + 1, len(waiting) - 1)][0]
            last = max(n for n, one in enumerate(packets) if _stamp(one) < end)
            packets = packets[: last + 1]
        elif after is not None and after.leading:
            packets += [after.packets[0], *after.leading]
        look = group.key
        whole = count is not None or after is None or after.starts
        for packet in [*packets, None] if whole else packets:
            for raw in self._track.decode(decoder, packet):
                if raw.pts is None or (group.starts and raw.pts < group.start):
                    continue
                if end is not None and raw.pts >= end:
                    continue
                if raw.is_corrupt:
                    self._track.corrupt_count += 1
                    continue
                while waiting and waiting[0][0] < raw.pts:
                    pts, duration = waiting.popleft()
                    if look is not None:
                        yield Shown(pts, duration, look, held=True)
                if waiting and waiting[0][0] == raw.pts:
                    waiting.popleft()
                look = Look(raw, self._painter)
                yield Shown(raw.pts, raw.duration, look)
        if whole:
            decoder.codec_context.flush_buffers()
        for pts, duration in waiting:
            if look is not None:
                yield Shown(pts, duration, look, held=True)


def _stamp(packet: "Packet[VideoStream]") -> int:
    return packet.pts if packet.pts is not None else packet.dts or 0


def _stamps(group: _Group, after: _Group | None) -> list[tuple[int, int]]:
    """Return stamp and duration of each frame from a key frame up to the next, in order."""
    packets = [one for one in group.packets if not group.starts or _stamp(one) >= group.start]
    if after is not None:
        packets += after.leading
    shown = {
        _stamp(one): int(one.duration or 0)
        for one in packets
        if one.pts is not None and not one.is_discard
    }
    return sorted(shown.items())
