"""What the server does to inputs before the model, and to outputs after it, as the card declares it."""

from typing import Annotated, Literal

import msgspec

from modelyard_server.package.fields import File, Part, Positive


class ImageDecoding(Part, frozen=True, kw_only=True):
    """An encoded picture (PNG or JPEG) becomes numbers from 0 to 255, [channels, height, width]."""

    size: tuple[Positive, Positive]
    """Height and width that the model takes."""
    channels: Literal[1, 3] = 3
    """1 for grey, 3 for red, green and blue; transparency is dropped."""
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    """`crop` keeps the proportions and cuts the longer side, `pad` keeps them and fills up with black."""
    filter: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    max_pixels: Annotated[int, msgspec.Meta(ge=1, le=89_000_000)] = 16_777_216
    """Largest picture that is decoded: a small file can hold a huge one."""


class Tokenising(Part, frozen=True, kw_only=True):
    """Text becomes token ids, by a file of the library tokenizers."""

    file: File = "tokenizer.json"
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=32_768)] = 512
    """Tokens of a row, special ones included, at most."""
    truncate: bool = True
    """Cut a longer text; else it is an error of the request."""


class Preprocessing(Part, frozen=True, kw_only=True):
    """Steps for one input, in this order: `image` or `tokens`, then `(x * scale - mean) / std`.

    `mean` and `std` hold one value, one per element of a row, or one per channel (the first dimension of a row).
    """

    input: str
    image: ImageDecoding | None = None
    tokens: Tokenising | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def scales(self) -> bool:
        """Does it change numbers?"""
        return (self.scale, self.mean, self.std) != (1.0, (0.0,), (1.0,))


class Detokenising(Part, frozen=True, kw_only=True):
    """Token ids become text; special tokens are left out."""

    file: File = "tokenizer.json"


class Postprocessing(Part, frozen=True, kw_only=True):
    """Steps for one output."""

    output: str
    tokens: Detokenising
