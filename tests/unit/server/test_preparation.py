"""Pictures and texts as clients send them: what they become, and what is refused."""

import base64
import contextlib
import io
import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from modelyard_server.engines import hardware, preparation, samples
from modelyard_server.engines.images import Images
from modelyard_server.engines.tokens import Texts
from modelyard_server.errors import BadRequestError, StartupError
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.files import Package
from modelyard_server.package.steps import ImageDecoding, Preprocessing, Tokenising
from modelyard_server.protocol.datatypes import Array
from unit.server import live

GREY = ImageDecoding(size=(2, 4), channels=1)


def picture(pixels: object, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(stream, kind, **options)
    return stream.getvalue()


SMALL = picture(np.zeros((4, 4)))


def column(*values: bytes) -> Array:
    array = np.empty((len(values),), np.object_)
    array[:] = values
    return array


class TestImages:
    def test_pixels_come_as_channels_height_width(self) -> None:
        pixels = np.arange(24).reshape(2, 4, 3) * 10
        found = Images("x", ImageDecoding(size=(2, 4)))(column(picture(pixels)))
        assert found.dtype == np.uint8
        assert found.tolist() == [pixels.transpose(2, 0, 1).tolist()]

    def test_colours_become_grey_and_transparency_is_dropped(self) -> None:
        red = np.zeros((2, 4, 4), np.uint8)
        red[..., 0] = 255
        assert set(Images("x", GREY)(column(picture(red))).ravel()) == {76}

    def test_a_jpeg_and_base64_are_pictures_too(self) -> None:
        jpeg = picture(np.full((20, 40), 100), "JPEG")
        found = Images("x", GREY)(column(jpeg, base64.b64encode(jpeg)))
        assert found.shape == (2, 1, 2, 4)
        assert set(found.ravel()) == {100}

    def test_the_orientation_of_a_camera_is_obeyed(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 3
        pixels = np.array([[0, 0, 0, 0], [255, 255, 255, 255]])
        assert Images("x", GREY)(column(picture(pixels, "PNG", exif=exif)))[0, 0].tolist() == pixels[::-1].tolist()

    @pytest.mark.parametrize(
        ("fit", "expected"),
        [("stretch", [[255] * 4] * 2), ("crop", [[255] * 4] * 2), ("pad", [[0, 255, 255, 0]] * 2)],
    )
    def test_other_proportions_are_fitted(self, fit: str, expected: object) -> None:
        step = ImageDecoding(size=(2, 4), channels=1, fit=fit, filter="nearest")  # type: ignore[arg-type]
        assert Images("x", step)(column(picture(np.full((8, 8), 255))))[0, 0].tolist() == expected

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "row 1: not a readable PNG or JPEG"),
            (b"hello", "row 1: not a readable PNG or JPEG"),
            (picture(np.zeros((9, 9)))[:45], "row 1: not a readable PNG or JPEG"),
            (picture(np.zeros((9, 9)), "GIF"), "row 1: not a readable PNG or JPEG"),
            (picture(np.zeros((100, 101))), "row 1: 101 x 100 pixels; at most 10000 are decoded"),
        ],
        ids=["empty", "text", "cut", "gif", "large"],
    )
    def test_what_is_no_picture_is_the_client_s_fault(self, content: bytes, message: str) -> None:
        step = ImageDecoding(size=(2, 4), max_pixels=10_000)
        with pytest.raises(BadRequestError, match=message):
            Images("x", step)(column(picture(np.zeros((2, 2))), content))

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=80), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", SMALL[:40]]))
    def test_any_bytes_are_a_picture_or_refused(self, content: bytes, beginning: bytes) -> None:
        with contextlib.suppress(BadRequestError):
            assert Images("x", GREY)(column(beginning + content)).shape == (1, 1, 2, 4)

    @pytest.mark.parametrize("side", [10_000, 20_000])
    def test_a_bomb_is_not_decoded(self, side: int) -> None:
        small = picture(np.zeros((1, 1)))
        header = struct.pack(">II", side, side)
        bomb = bytearray(small)
        bomb[16:24] = header
        bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
        with pytest.raises(BadRequestError, match=r"pixels|PNG or JPEG"):
            Images("x", GREY)(column(bytes(bomb)))


def texts(root: Path, *, max_tokens: int = 3, truncate: bool = True) -> Texts:
    words = ["[PAD]", "[UNK]", "a", "b", "c"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_padding(length=9)
    tokenizer.enable_truncation(7)
    tokenizer.save(str(root / "tokenizer.json"))
    return Texts(root, "x", Tokenising(max_tokens=max_tokens, truncate=truncate))


class TestTexts:
    def test_rows_have_their_own_length_whatever_the_file_pads_to(self, tmp_path: Path) -> None:
        assert [row.tolist() for row in texts(tmp_path)(column(b"a b", b"", b"c zzz a b"))] == [[2, 3], [], [4, 1, 2]]

    def test_longer_texts_are_errors_where_they_are_not_cut(self, tmp_path: Path) -> None:
        with pytest.raises(BadRequestError, match="row 1: 4 tokens; at most 3 are taken"):
            texts(tmp_path, truncate=False)(column(b"a", b"a b c a"))

    def test_text_beyond_any_token_is_not_read(self, tmp_path: Path) -> None:
        long = b" " * 300 + b"a"
        assert [row.tolist() for row in texts(tmp_path)(column(long))] == [[]]
        with pytest.raises(BadRequestError, match="301 characters; at most 300 are read"):
            texts(tmp_path, truncate=False)(column(long))

    def test_bytes_that_are_no_text_are_errors(self, tmp_path: Path) -> None:
        with pytest.raises(BadRequestError, match="row 0: is not UTF-8 text"):
            texts(tmp_path)(column(b"\xff"))

    @pytest.mark.parametrize(("content", "message"), [(None, "no such file"), ("{}", "not readable as a tokenizer")])
    def test_a_package_without_a_tokenizer_does_not_load(
        self, tmp_path: Path, content: str | None, message: str
    ) -> None:
        if content is not None:
            (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(StartupError, match=message):
            Texts(tmp_path, "x", Tokenising())


def image_card() -> ModelCard:
    """Gives back the picture."""
    return ModelCard(
        name="echo", version="1", format="echo", preprocessing=(Preprocessing(input="x", image=GREY),),
        inputs=(TensorSpec(name="x", datatype="BYTES", shape=(-1,)),),
        outputs=(TensorSpec(name="y", datatype="UINT8", shape=(-1, 1, 2, 4)),),
    )  # fmt: skip


def test_an_image_without_the_library_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "modelyard_server.engines.images", None)
    with pytest.raises(StartupError, match="preprocessing of 'x' needs"):
        preparation.of(Package(tmp_path, image_card(), ""))


def test_numbers_need_no_decoding(tmp_path: Path) -> None:
    assert preparation.of(Package(tmp_path, live.echo_card(), "")) is None


def test_samples_are_what_decoding_gives() -> None:
    assert samples.of(image_card(), 3)["x"].shape == (3, 1, 2, 4)


def infer(server: live.LiveServer, *contents: bytes) -> live.Reply:
    """Pictures in one binary request."""
    blob = b"".join(struct.pack("<I", len(content)) + content for content in contents)
    tensor = {"name": "x", "datatype": "BYTES", "shape": [len(contents)], "parameters": {"binary_data_size": len(blob)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return server.request("POST", "/v2/models/echo/infer", head + blob, headers)


def test_clients_send_pictures_in_every_protocol(start: Callable[..., live.LiveServer]) -> None:
    server = start(card=image_card())
    content = picture(np.full((2, 4), 9))
    assert infer(server, content, content).json["outputs"][0]["data"] == [9] * 16
    text = base64.b64encode(content).decode()
    assert server.infer([text], [1], "BYTES").json["outputs"][0]["data"] == [9] * 8
    for instance in ({"b64": text}, text, {"x": {"b64": text}}):
        reply = server.request("POST", "/v1/models/echo:predict", {"instances": [instance]})
        assert reply.json == {"predictions": [[[[9] * 4] * 2]]}


def test_a_bad_picture_fails_its_own_request_alone(start: Callable[..., live.LiveServer]) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    server = start(card=image_card(), max_batch_delay=0.5, max_batch_rows=3)
    good = picture(np.full((2, 4), 9))
    with ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(lambda content: infer(server, content), [good, b"no picture", good]))
    assert [reply.status for reply in replies] == [200, 400, 200]
    assert replies[1].json == {"error": "input 'x': row 0: not a readable PNG or JPEG (UnidentifiedImageError)"}


def test_several_pictures_are_decoded_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cpu_share", lambda: 3)
    contents = [picture(np.full((2, 4), value)) for value in range(20)]
    assert Images("x", GREY)(column(*contents))[:, 0, 0, 0].tolist() == list(range(20))
