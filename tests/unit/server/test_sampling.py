"""From scores to tokens."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_server.generation import sampling
from modelyard_server.generation.requests import Sampling

SCORES = np.array([0.0, 2.0, 1.0, 3.0], np.float32)
GREEDY = Sampling(temperature=0.0)


def pick(how: Sampling, draw: float = 0.0, counts: dict[int, int] | None = None, allowed: bytes | None = None) -> int:
    return sampling.choose(SCORES, how, counts or {}, allowed, draw).token


def shares(how: Sampling, draws: int = 400) -> dict[int, float]:
    """How often each token comes, over evenly spread random numbers."""
    counts = Counter(pick(how, (number + 0.5) / draws) for number in range(draws))
    return {token: count / draws for token, count in sorted(counts.items())}


def test_temperature_zero_takes_the_likeliest() -> None:
    assert pick(GREEDY) == 3


def test_tokens_come_as_often_as_their_probability_says() -> None:
    exact = np.exp(SCORES) / np.exp(SCORES).sum()
    assert list(shares(Sampling()).values()) == pytest.approx(exact.tolist(), abs=0.005)


def test_a_low_temperature_sharpens() -> None:
    assert shares(Sampling(temperature=0.1))[3] > 0.99


def test_top_p_keeps_the_likeliest_that_reach_it() -> None:
    assert set(shares(Sampling(top_p=0.7))) == {1, 3}
    assert set(shares(Sampling(top_p=0.0))) == {3}


def test_top_k_keeps_so_many() -> None:
    assert set(shares(Sampling(top_k=3))) == {1, 2, 3}


def test_a_flat_distribution_needs_more_than_the_head() -> None:
    scores = np.zeros(4 * sampling.HEAD, np.float32)
    tokens = {sampling.choose(scores, Sampling(top_p=0.9), {}, None, draw).token for draw in (0.0, 0.5, 0.999)}
    assert max(tokens) > sampling.HEAD


def test_the_largest_random_number_still_gives_a_token() -> None:
    assert pick(Sampling(), math.nextafter(1.0, 0.0)) == 3


def test_penalties_take_off_what_was_said() -> None:
    assert pick(Sampling(temperature=0.0, presence_penalty=1.5), counts={3: 1}) == 1
    assert pick(Sampling(temperature=0.0, frequency_penalty=0.4), counts={3: 2}) == 3
    assert pick(Sampling(temperature=0.0, frequency_penalty=0.4), counts={3: 3}) == 1


def test_a_bias_moves_a_token() -> None:
    assert pick(Sampling(temperature=0.0, bias={0: 100.0})) == 0
    assert pick(Sampling(temperature=0.0, bias={3: -100.0})) == 1


def test_only_allowed_tokens_come() -> None:
    assert pick(GREEDY, allowed=bytes([0b0101])) == 2
    assert pick(Sampling(bias={3: 100.0}), 0.99, allowed=bytes([0b0011])) == 1


def test_a_mask_shorter_than_the_scores_forbids_the_rest() -> None:
    scores = np.arange(12, dtype=np.float32)
    assert sampling.choose(scores, GREEDY, {}, bytes([0b10]), 0.0).token == 1


def test_log_probabilities_are_those_of_the_model() -> None:
    exact = SCORES - math.log(np.exp(SCORES).sum())
    chosen = sampling.choose(SCORES, Sampling(temperature=0.0, bias={0: 9.0}, top_logprobs=2), {}, None, 0.0)
    assert chosen.token == 0
    assert chosen.logprob == pytest.approx(float(exact[0]), abs=1e-6)
    assert [one.token for one in chosen.likeliest] == [3, 1]
    assert [one.logprob for one in chosen.likeliest] == pytest.approx([float(exact[3]), float(exact[1])], abs=1e-6)


def test_no_likeliest_tokens_are_listed_when_none_are_asked_for() -> None:
    assert sampling.choose(SCORES, Sampling(top_logprobs=0), {}, None, 0.5).likeliest == ()


@given(st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=20), st.floats(0, 1, exclude_max=True))
def test_the_scores_are_left_as_they_are(values: list[float], draw: float) -> None:
    scores = np.array(values, np.float32)
    before = scores.copy()
    how = Sampling(temperature=0.7, top_p=0.5, frequency_penalty=1.0, top_logprobs=3)
    chosen = sampling.choose(scores, how, {0: 2}, None, draw)
    assert 0 <= chosen.token < len(values)
    assert np.array_equal(scores, before)
