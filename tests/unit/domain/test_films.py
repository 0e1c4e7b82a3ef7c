import pytest

from app.domain.films import FilmStatus, Sampling


@pytest.mark.parametrize("text", ["shots", "keyframes", "interval:1", "interval:0.5"])
def test_a_sampling_reads_back_what_it_writes(text):
    assert str(Sampling.parse(text)) == text
    assert Sampling.parse(str(Sampling.parse(text.upper()))) == Sampling.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "scenes", "interval", "interval:", "interval:0", "interval:-1", "interval:nan",
     "interval:1e9", "interval:x", "shots:3"],
)  # fmt: skip
def test_an_unknown_sampling_is_refused_with_the_words_that_work(text):
    with pytest.raises(ValueError, match="interval:SECONDS"):
        Sampling.parse(text)


def test_done_failed_and_cancelled_are_ends():
    assert {s for s in FilmStatus if s.is_final} == {"done", "failed", "cancelled"}
