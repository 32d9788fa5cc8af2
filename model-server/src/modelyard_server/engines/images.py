"""Encoded pictures to arrays, with Pillow. What clients send is not trusted: formats, size and so time are bounded."""

import base64
import binascii
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageOps

from modelyard_server.engines import hardware
from modelyard_server.errors import BadRequestError
from modelyard_server.package.steps import ImageDecoding
from modelyard_server.protocol.datatypes import Array

FORMATS = ("PNG", "JPEG")
SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff")
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


class Images:
    """Decodes the pictures of one input, several side by side: Pillow gives up the interpreter's lock."""

    def __init__(self, name: str, step: ImageDecoding) -> None:
        self._name = name
        self._step = step
        self._mode = "L" if step.channels == 1 else "RGB"
        self._pool = ThreadPoolExecutor(hardware.cpu_share(), thread_name_prefix=f"images-{name}")

    def __call__(self, values: Array) -> Array:
        """[rows] of bytes to uint8 [rows, channels, height, width]; raises BadRequestError that names the row."""
        rows = range(len(values))
        if len(values) == 1:
            return self._decode(0, values[0])[np.newaxis]
        return np.stack(list(self._pool.map(self._decode, rows, values.tolist())))

    def _decode(self, row: int, content: bytes) -> Array:
        where = f"input {self._name!r}: row {row}"
        try:
            with Image.open(io.BytesIO(_binary(content)), formats=FORMATS) as picture:
                self._check_size(where, picture)
                return self._fitted(ImageOps.exif_transpose(picture).convert(self._mode))
        except BadRequestError:
            raise
        except Exception as error:  # decoders fail in many ways on what is no picture, and it is always the client's
            text = str(error) if isinstance(error, Image.DecompressionBombError) else type(error).__name__
            raise BadRequestError(f"{where}: not a readable PNG or JPEG ({text})") from error

    def _check_size(self, where: str, picture: Image.Image) -> None:
        width, height = picture.size
        most = self._step.max_pixels
        if width * height > most:
            raise BadRequestError(f"{where}: {width} x {height} pixels; at most {most} are decoded")

    def _fitted(self, picture: Image.Image) -> Array:
        height, width = self._step.size
        method = FILTERS[self._step.filter]
        match self._step.fit:
            case "stretch":
                fitted = picture if picture.size == (width, height) else picture.resize((width, height), method)
            case "crop":
                fitted = ImageOps.fit(picture, (width, height), method)
            case "pad":
                fitted = ImageOps.pad(picture, (width, height), method)
        pixels = np.asarray(fitted, np.uint8)
        return pixels[np.newaxis] if self._mode == "L" else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _binary(content: bytes) -> bytes:
    """JSON cannot hold bytes, so a picture may come as base64. No picture of our formats looks like it."""
    if content.startswith(SIGNATURES):
        return content
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        return content
