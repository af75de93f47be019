"""A compiled file is compiled again when anything changes that its code can see, and only then."""

import pytest

from detectors import kernel


@pytest.fixture
def digest_of(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "ROOT", tmp_path)
    files = {
        "loop.py": "from typing import TYPE_CHECKING\nfrom books import tables\nfrom books.index import mix\n"
        "if TYPE_CHECKING:\n    from people import Person\n"
        "def later():\n    try:\n        import late\n    finally:\n        pass\n",
        "books/__init__.py": "from books.shell import Shell\n",
        "books/tables.py": "import units\nSIZE = 8\n",
        "books/index.py": "def mix(): ...\n",
        "books/shell.py": "class Shell: ...\n",
        "units.py": "UNIT = 1\n",
        "late.py": "LATE = 1\n",
        "people.py": "class Person: ...\n",
    }
    (tmp_path / "books").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def digest(**changed):
        for name, text in changed.items():
            (tmp_path / f"{name.replace('__', '/')}.py").write_text(text)
        kernel._imported.cache_clear()
        return kernel._digest.__wrapped__(tmp_path / "loop.py")

    yield digest
    kernel._imported.cache_clear()


@pytest.mark.parametrize("seen", ["loop", "books__tables", "books__index", "units", "late"])
def test_what_it_imports_also_through_others_is_seen(digest_of, seen):
    assert digest_of() != digest_of(**{seen: "SIZE = 9\n"})


@pytest.mark.parametrize("unseen", ["books__shell", "people"])
def test_a_contents_page_on_the_way_and_what_only_the_type_checker_reads_are_not(digest_of, unseen):
    assert digest_of() == digest_of(**{unseen: "OTHER = 9\n"})


def test_a_name_that_the_contents_page_itself_gives_is_seen(digest_of):
    text = "from books import Shell\n"
    assert digest_of(loop=text) != digest_of(books__shell="class Shell: size = 9\n")
