"""What is renamed into its place is there after a power loss: the folder is synced, and after the rename."""

import os
from pathlib import Path

import pytest

from monitor.edge.audit.evidence import RawRecord, write_evidence
from monitor.edge.store.folder import Folder
from monitor.edge.suspects import Suspects


def an_evidence(folder):
    write_evidence(folder, "h", 7, [RawRecord("t", 0, 1, b"{}")])


def a_snapshot(folder):
    Folder(folder).write([b"state"], 1)


def a_suspect(folder):
    suspects = Suspects(folder)
    suspects.note([("t", 0, 1, 1)])
    assert suspects.convict_noted()


@pytest.mark.parametrize("writing", [an_evidence, a_snapshot, a_suspect])
def test_the_folder_is_synced_after_the_last_rename(writing, tmp_path, monkeypatch):
    seen = []
    fsync = os.fsync

    def noted(handle):
        path = Path(f"/proc/self/fd/{handle}").readlink()
        seen.append((path == tmp_path, sorted(one.name for one in tmp_path.iterdir())))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    writing(tmp_path)
    is_the_folder, names = seen[-1]
    assert is_the_folder
    assert not [name for name in names if name.endswith(".half")]
    assert len(names) == len(list(tmp_path.iterdir()))
