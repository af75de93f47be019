"""Every kind of file holds the same events."""

import gzip
import json

import pyarrow.parquet
import pytest
import zstandard

from monitor.scenarios import simulate
from monitor.scenarios.day import START_NS, eastern_ns

UNTIL_NS = eastern_ns(8, 3)


def write(knight, out, **more):
    return simulate(knight, seed=1, scale=1.0, out=out, until=UNTIL_NS, **more)


def test_plain_gzip_and_zstd_hold_the_same_lines(knight, tmp_path):
    for ending in ("ndjson", "ndjson.gz", "ndjson.zst"):
        write(knight, tmp_path / f"a.{ending}")
    plain = (tmp_path / "a.ndjson").read_bytes()
    assert len(plain.splitlines()) > 3_000
    assert gzip.decompress((tmp_path / "a.ndjson.gz").read_bytes()) == plain
    with zstandard.ZstdDecompressor().stream_reader((tmp_path / "a.ndjson.zst").open("rb")) as reader:
        assert reader.read() == plain


def test_parquet_holds_the_same_rows(knight, tmp_path):
    write(knight, tmp_path / "a.ndjson")
    write(knight, tmp_path / "a.parquet")
    rows = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [{k: v for k, v in row.items() if v is not None} for row in rows] == [
        json.loads(line) for line in (tmp_path / "a.ndjson").open()
    ]


@pytest.mark.parametrize("ending", ["ndjson.gz", "parquet"])
def test_equal_scenarios_are_equal_files(knight, tmp_path, ending):
    for name in "ab":
        write(knight, tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_the_truth_is_written_beside_it_and_progress_is_told(knight, tmp_path):
    seen = []
    truth = write(
        knight, tmp_path / "a.ndjson", truth=tmp_path / "t.json", progress=lambda n, ts: seen.append((n, ts))
    )
    assert json.loads((tmp_path / "t.json").read_text()) == truth
    assert seen == sorted(seen)
    assert seen[-1][0] == len((tmp_path / "a.ndjson").read_bytes().splitlines())
    assert START_NS < seen[-1][1] < UNTIL_NS


def test_an_ending_that_nobody_can_read_is_refused(knight, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.ndjson"):
        write(knight, tmp_path / "a.csv")


def test_a_file_that_could_not_be_finished_does_not_appear(knight, tmp_path):
    def fall_over(_events, _ts):
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        write(knight, tmp_path / "a.ndjson", progress=fall_over)
    assert list(tmp_path.iterdir()) == []
