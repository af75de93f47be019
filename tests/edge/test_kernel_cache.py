"""A cache in which somebody else could have written is found, wherever in it."""

import os

import pytest

from monitor.edge.kernel_cache import digest_of, writable_by_others


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "kernels"
    (folder / "post-1a2b").mkdir(parents=True)
    (folder / "post-1a2b" / "post.nbi").write_bytes(b"index")
    (folder / "post-1a2b" / "post.1.nbc").write_bytes(b"code")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


PLACES = [".", "post-1a2b", "post-1a2b/post.nbi", "post-1a2b/post.1.nbc"]


def test_one_that_only_we_can_write_to_is_ours(cache):
    assert writable_by_others(cache) is None


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("mode", [0o002, 0o020])
def test_where_others_may_write_is_named(cache, where, mode):
    place = cache / where
    place.chmod(place.stat().st_mode | mode)
    assert str(place) in writable_by_others(cache)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away: run as root")
@pytest.mark.parametrize("where", PLACES)
def test_what_belongs_to_somebody_else_is_named(cache, where):
    os.chown(cache / where, 12_345, -1)
    assert "12345" in writable_by_others(cache)


@pytest.mark.parametrize("change", ["content", "name", "more"])
def test_its_digest_is_of_names_and_bytes(cache, change):
    before, index = digest_of(cache), cache / "post-1a2b" / "post.nbi"
    assert digest_of(cache) == before
    if change == "content":
        index.write_bytes(b"other")
    elif change == "name":
        index.rename(index.with_suffix(".other"))
    else:
        (cache / "more").write_bytes(b"")
    assert digest_of(cache) != before
