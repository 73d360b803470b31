"""Which sequences of pages are a whole listing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ckanext.gkopen.harvesters import InconsistentListing, Page
from ckanext.gkopen.harvesters.listing import Listing


def read(*pages: tuple[str, int | None], most: int = 100) -> Listing:
    """Feed pages given as (one letter a row, total)."""
    listing = Listing(most)
    for number, (letters, total) in enumerate(pages, 1):
        assert not listing.ended, "asked for a page after the end"
        listing.add(page(letters, total, number))
    return listing


def page(letters: str, total: int | None, number: int) -> Page:
    rows: list[dict[str, str | None]] = [{"a": letter} for letter in letters]
    return Page(number, b"", rows, total, datetime.now(UTC))


@pytest.mark.parametrize(
    "pages",
    [
        [("", 0)],
        [("abc", 3)],
        [("abc", 7), ("def", 7), ("g", 7)],
        [("abc", 7), ("def", 8), ("gh", 8)],
        [("abc", None), ("de", None), ("", None)],
        [("", None)],
    ],
)
def test_whole_listings_end(pages):
    assert read(*pages).ended


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ([("", 5)], "claims 5"),
        ([("abc", 5), ("", 5)], "claims 5"),
        ([("abc", 2)], "3 have come"),
        ([("abc", 9), ("de", 9)], "this page has 2"),
        ([("abc", 9), ("defg", 9)], "this page has 4"),
        ([("abc", 8), ("de", 8)], "from 0, write request.first_page"),
        ([("abc", 6), ("", 6)], "from 0, write request.first_page"),
        ([("abc", 9), ("def", 8)], "from 9 to 8"),
        ([("abc", 7), ("def", 9), ("gh", 8)], "from 9 to 8"),
        ([("abc", 7), ("def", 9), ("g", 9)], "this page has 1"),
        ([("abc", 9), ("abc", 9)], "same as page 1"),
        ([("abc", 9), ("def", 9), ("bca", 9)], "same as page 1"),
        ([("abc", None), ("def", None), ("abc", None)], "same as page 1"),
    ],
)
def test_what_does_not_add_up(pages, said):
    with pytest.raises(InconsistentListing) as caught:
        read(*pages)
    assert said in caught.value.en
    assert caught.value.page == len(pages)


def test_pages_for_ever_are_ended():
    with pytest.raises(InconsistentListing, match="3"):
        read(("a", None), ("b", None), ("c", None), most=3)


def test_a_total_that_is_too_small_by_a_page_shows_behind_the_end():
    listing = read(("abc", 6), ("def", 6))
    assert listing.needs_look_further
    with pytest.raises(InconsistentListing, match="more after"):
        listing.look_further(page("ghi", 6, 3))


def test_a_platform_that_repeats_its_last_page_behind_the_end_is_no_error():
    listing = read(("abc", 6), ("def", 6))
    listing.look_further(page("def", 6, 3))
    listing.look_further(page("", 0, 3))


def test_a_shorter_last_page_needs_no_look_further():
    assert not read(("abc", 5), ("de", 5)).needs_look_further


@pytest.mark.parametrize(("pages", "repeated"), [
    ([("abc", 7), ("def", 7), ("g", 7)], 0), ([("abc", 7), ("cad", 7), ("e", 7)], 2), ([("aab", 6), ("cde", 6)], 0),
    ([("abc", 9), ("adb", 9), ("aef", 9)], 3), ([("abc", 6), ("cde", 7), ("f", 7)], 1)])
def test_rows_that_come_on_two_pages_are_counted(pages, repeated):
    """Rows that one page holds twice stand so in the table."""
    assert read(*pages).repeated() == repeated


def test_when_rows_repeat_the_first_page_has_to_be_what_it_was():
    listing = read(("abc", 5), ("cd", 5))
    listing.look_again(page("abc", 5, 1))
    with pytest.raises(InconsistentListing, match="1 rows came on two pages"):
        listing.look_again(page("xab", 5, 1))
