"""What all parts of the card stand on: their base, and bounds that many fields share."""

from typing import Annotated, Literal

import msgspec

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
File = Annotated[str, msgspec.Meta(min_length=1, max_length=253, pattern=r"^[^/\\]+$")]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """Base of every part of the card: unknown fields are errors, so that a typo is never silently ignored.

    Defaults are not written, so that a card says only what is particular to its model.
    """
