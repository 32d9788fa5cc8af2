"""Scores, features and drawings by hand-computed values."""

import numpy as np
import pytest

from modelyard_trainer import drawing, features, scores


def test_accuracy_and_confusion() -> None:
    truth, predicted = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
    assert scores.accuracy(truth, predicted) == 0.75
    assert scores.confusion(truth, predicted, 3).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]


def test_rmse_and_r2() -> None:
    truth, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0])
    assert scores.rmse(truth, predicted) == pytest.approx((4 / 3) ** 0.5)
    assert scores.r2(truth, predicted) == pytest.approx(-1.0)


def test_standardised_rows_have_mean_0_and_deviation_1() -> None:
    rows = np.random.default_rng(0).normal(5, 3, (200, 1, 2, 2)).astype(np.float32)
    rows[:, 0, 0, 0] = 7
    step = features.standardisation("x", rows)
    scaled = features.apply(step, rows)
    assert scaled[:, 0, 0, 0] == pytest.approx(0)
    assert scaled[:, 0, 1, 1].mean() == pytest.approx(0, abs=1e-5)
    assert scaled[:, 0, 1, 1].std() == pytest.approx(1, abs=1e-5)


def test_reference_statistics_count_every_row() -> None:
    found = features.reference("x", ("a", "b"), np.array([[0.0, 5.0], [10.0, 5.0]]))
    assert (found.rows, found.features[0].mean, found.features[0].counts) == (2, 5.0, [1, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    assert sum(found.features[1].counts) == 2


def test_a_digit_is_drawn_in_shades() -> None:
    image = np.zeros((8, 8))
    image[0, 0], image[7, 7] = 16, 8
    lines = drawing.digit(image)
    assert (len(lines), lines[0][:2], lines[7][-2:], set("".join(lines[1:7]))) == (8, "██", "▒▒", {" "})


def test_blocks_stand_side_by_side() -> None:
    block = drawing.captioned(np.zeros((8, 8)), ["says 3", "is 3"])
    assert len(block) == 12
    assert {len(line) for line in block} == {18}
    assert drawing.side_by_side([["ab", "cd"], ["ef", "gh"]]) == "ab  ef\ncd  gh"


def test_zeros_of_a_confusion_are_dots() -> None:
    table = drawing.confusion_table(np.array([[5, 0], [1, 12]]), ["no", "yes"])
    assert table.splitlines() == ["        no yes", "  no │   5   ·", " yes │   1  12"]
