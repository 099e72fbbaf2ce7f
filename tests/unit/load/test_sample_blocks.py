"""Samples on their way to another file: lost and doubled blocks change nothing."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.load.sample_blocks import GrowingSamples, ReceivedSamples
from harness.model.sample import DTYPE


def test_what_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    """No file, then half of a sample."""
    growing = GrowingSamples(tmp_path / "a.samples")
    assert (growing.block().content, growing.block().size) == (b"", 0)
    growing.path.write_bytes(b"x" * (DTYPE.itemsize // 2))
    assert (growing.block().content, growing.block().size) == (b"", 0)


@given(arrives=st.lists(st.sampled_from(["comes", "is lost", "comes twice"]), max_size=12))
def test_the_same_bytes_arrive(tmp_path_factory: object, arrives: list[str]) -> None:
    """However many blocks are lost or doubled, when one comes in the end."""
    directory = tmp_path_factory.mktemp("blocks")  # type: ignore[attr-defined]
    growing = GrowingSamples(directory / "a.samples")
    received = ReceivedSamples(directory / "b.samples")
    written = b""
    for number, how in enumerate([*arrives, "comes"]):
        written += bytes([number]) * DTYPE.itemsize
        growing.path.write_bytes(written)
        block = growing.block()
        for _ in range({"comes": 1, "is lost": 0, "comes twice": 2}[how]):
            growing.take(received.add(block))
    assert received.whole
    assert received.path.read_bytes() == written
