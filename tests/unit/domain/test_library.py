import base64
import json

import pytest

from app.domain.cursors import read_cursor, write_cursor
from app.domain.library import Verdict, apply_verdicts
from app.domain.tags import FilmTag
from app.errors import InvalidRequest

WAR = FilmTag("War", 0.6, 30.0, 3, 1.5)
FOREST = FilmTag("Forest", 0.4, 20.0, 2, 9.0)


class TestApplyVerdicts:
    def test_without_verdicts_the_model_has_the_word(self) -> None:
        assert apply_verdicts([FOREST, WAR], {}) == [WAR, FOREST]

    def test_rejected_tag_is_gone(self) -> None:
        assert apply_verdicts([WAR, FOREST], {"War": Verdict.REJECTED}) == [FOREST]

    def test_accepted_tag_is_certain_and_keeps_what_the_model_saw(self) -> None:
        found = apply_verdicts([WAR, FOREST], {"Forest": Verdict.ACCEPTED})
        assert found == [FilmTag("Forest", 1.0, 20.0, 2, 9.0, "human"), WAR]

    def test_accepted_tag_that_the_model_never_saw_has_no_place_in_time(self) -> None:
        assert apply_verdicts([], {"Robot": Verdict.ACCEPTED}) == [
            FilmTag("Robot", 1.0, 0.0, 0, None, "human")
        ]

    def test_rejected_tag_that_the_model_never_saw_changes_nothing(self) -> None:
        assert apply_verdicts([WAR], {"Robot": Verdict.REJECTED}) == [WAR]

    def test_equal_scores_stand_by_name(self) -> None:
        twins = [FilmTag(name, 0.5, 1.0, 1, 0.0) for name in ("Sports", "Dance", "Music")]
        assert [tag.tag for tag in apply_verdicts(twins, {})] == ["Dance", "Music", "Sports"]


class TestCursors:
    def test_cursor_comes_back(self) -> None:
        parts = ["-score", 0.1 + 0.2, "日本", 7]
        cursor = write_cursor(parts)
        assert read_cursor(cursor, [str, float, str, int]) == parts
        assert cursor.isascii()
        assert not set(cursor) & set("+/=&?# ")

    @pytest.mark.parametrize(
        "cursor",
        ["", "x", "====", "é", "a b", "[]", "\0", "A" * 100_000, write_cursor([1, 2]),
         write_cursor(["a"]), write_cursor([1.0]), write_cursor([True]),
         base64.urlsafe_b64encode(b'{"a":1}').decode(), base64.urlsafe_b64encode(b"[1").decode(),
         base64.urlsafe_b64encode(b"[" * 100_000).decode(),
         base64.urlsafe_b64encode(b"[1" + b"0" * 6000 + b"]").decode()],
        ids=range(16),
    )  # fmt: skip
    def test_anything_else_is_refused(self, cursor: str) -> None:
        with pytest.raises(InvalidRequest, match="cursor"):
            read_cursor(cursor, [int])

    @pytest.mark.parametrize("text", ["a\0", "\ud800"], ids=["NUL", "half a letter"])
    def test_text_that_no_database_holds_is_refused(self, text: str) -> None:
        cursor = base64.urlsafe_b64encode(json.dumps([text]).encode()).decode().rstrip("=")
        with pytest.raises(InvalidRequest, match="cursor"):
            read_cursor(cursor, [str])
