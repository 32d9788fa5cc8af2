"""Addresses of models."""

import pytest

from modelyard_operator.model_uri import ModelUri, parse


def test_parts() -> None:
    assert parse("pvc://claim/a/b/") == ModelUri("pvc", "claim", "a/b")


@pytest.mark.parametrize("uri", ["s3://bucket", "s3:///path", "ftp://host/path", "models/digits", "http://host/path"])
def test_what_is_no_address_says_what_one_is(uri: str) -> None:
    with pytest.raises(ValueError, match="use s3://bucket/path, pvc://claim/path or https://host/path"):
        parse(uri)
