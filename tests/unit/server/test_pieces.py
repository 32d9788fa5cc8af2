"""Tokens to text, piece by piece, and texts that end an answer."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from modelyard_server.generation import text
from modelyard_server.generation.text import Detokeniser, StopTexts


def decode(tokens: Sequence[int]) -> str:
    """Tokens are bytes of UTF-8."""
    return bytes(tokens).decode("utf-8", "replace")


def pieces(tokens: Sequence[int]) -> list[str]:
    reader = Detokeniser(decode)
    return [*(reader.add(token) for token in tokens), reader.flush()]


def test_a_character_of_several_tokens_comes_when_it_is_whole() -> None:
    assert pieces("a€b".encode()) == ["a", "", "", "€", "b", ""]


def test_half_a_character_at_the_end_is_shown_as_such() -> None:
    assert pieces("a€".encode()[:-1]) == ["a", "", "", "\ufffd"]


def test_bytes_that_make_no_character_do_not_hold_the_text_back_for_ever() -> None:
    found = pieces([0x80] * (text.LONGEST + 1))
    assert found[text.LONGEST - 1] == "\ufffd" * text.LONGEST


@given(st.text(max_size=40))
def test_the_pieces_together_are_the_text(whole: str) -> None:
    content = whole.encode("utf-8", "ignore")
    assert "".join(pieces(content)) == content.decode()


def through(stops: Sequence[str], parts: Sequence[str]) -> tuple[str, bool]:
    gate = StopTexts(stops)
    found = ""
    for part in parts:
        out, stopped = gate.add(part)
        found += out
        if stopped:
            return found, True
    return found + gate.flush(), False


def test_a_stop_text_in_several_pieces_ends_the_answer_before_it() -> None:
    assert through(["END"], ["one E", "N", "D two"]) == ("one ", True)


def test_what_only_looked_like_a_stop_text_goes_out() -> None:
    assert through(["END"], ["EN", "Ds", " E"]) == ("", True)
    assert through(["END"], ["EN", "ds", " E"]) == ("ENds E", False)


def test_the_first_of_several_stop_texts_counts() -> None:
    assert through(["two", "one"], ["zero one two"]) == ("zero ", True)


def test_without_stop_texts_everything_goes_out_at_once() -> None:
    assert StopTexts(["", ""]).add("text") == ("text", False)


@given(st.lists(st.text("ab", max_size=3), max_size=12), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3))
def test_pieces_do_not_matter_to_stop_texts(parts: list[str], stops: list[str]) -> None:
    whole = "".join(parts)
    ends = [(at + len(stop), at) for stop in stops if (at := whole.find(stop)) >= 0]
    found, stopped = through(stops, parts)
    assert stopped == bool(ends)
    assert found == whole if not ends else whole.startswith(found)
    assert not any(stop in found for stop in stops)
