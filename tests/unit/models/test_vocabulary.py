import re

import pytest

from models.vocabulary import TAGS, VOCABULARY, UnknownTagError, find_tag, slug_of


def test_the_vocabulary_has_fifty_different_tags_and_slugs():
    assert len(TAGS) == len(set(TAGS)) == len({tag.slug for tag in VOCABULARY}) == 50
    assert [tag.name for tag in VOCABULARY] == list(TAGS)


def test_every_slug_can_stand_in_a_url():
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", tag.slug) for tag in VOCABULARY)


@pytest.mark.parametrize("word", ["Beach/Sea", "beach-sea", "BEACH/SEA", " beach-sea "])
def test_a_tag_is_found_by_name_or_slug_in_any_case(word):
    assert find_tag(word).name == "Beach/Sea"


def test_an_unknown_tag_is_refused_with_the_nearest_names():
    with pytest.raises(UnknownTagError, match="Military"):
        find_tag("Militry")


def test_a_name_without_a_letter_has_no_slug():
    with pytest.raises(ValueError, match="letter or digit"):
        slug_of("/..")
