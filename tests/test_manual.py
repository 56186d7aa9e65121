"""The page of the manual is what the commands say of themselves."""

from __future__ import annotations

from manual import DATED, PAGE, page


def test_the_page_of_the_manual_says_what_the_commands_say() -> None:
    kept = PAGE.read_text("utf-8")
    dated = DATED.search(kept)
    assert dated
    assert page(dated[1]) == kept, "python tests/manual.py writes it anew"


def test_the_page_names_every_command_and_no_option_twice() -> None:
    text = PAGE.read_text("utf-8")
    assert all(f'.SS "feeder {name}' in text for name in ("init", "opml import", "opml export", "run", "restore"))
    assert text.count("\\-\\-log\\-level") == 1
