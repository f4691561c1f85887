"""All files of a move are replaced, or none is."""

from pathlib import Path

import pytest

from connpool_gen.adopting.writing import Replacement, write_all
from connpool_gen.errors import OutputError


def files(folder: Path, count: int = 3) -> list[Replacement]:
    """Write files and say what they shall hold."""
    found = []
    for number in range(count):
        path = folder / f"file{number}.py"
        path.write_bytes(b"old\r\n")
        found.append(Replacement(path, b"old\r\n", b"new %d\r\n" % number))
    return found


def held(folder: Path) -> dict[str, bytes]:
    """What all files of a folder hold."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_all_are_replaced(tmp_path: Path) -> None:
    """Every file holds its new bytes, with its mode; a link still leads to its file."""
    replacements = files(tmp_path)
    target = tmp_path / "elsewhere"
    target.mkdir()
    real = replacements[0].path.rename(target / "real.py")
    replacements[0].path.symlink_to(real)
    replacements[1].path.chmod(0o640)
    write_all(replacements)
    assert real.read_bytes() == b"new 0\r\n"
    assert replacements[0].path.is_symlink()
    assert replacements[1].path.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.iterdir()] == ["real.py"]


@pytest.mark.parametrize("fails_at", range(3))
def test_a_failure_puts_all_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    """If one file cannot be replaced, all hold what they held, and nothing lies about."""
    replacements = files(tmp_path)
    replace, calls = Path.replace, iter(range(100))

    def failing(self: Path, target: Path) -> Path:
        if next(calls) == fails_at:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OutputError, match=r"No space left on device; no file was changed"):
        write_all(replacements)
    assert held(tmp_path) == {f"file{number}.py": b"old\r\n" for number in range(3)}


def test_an_interrupt_puts_all_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between two files leaves all as they were."""
    replacements = files(tmp_path)
    replace, calls = Path.replace, iter(range(100))

    def interrupted(self: Path, target: Path) -> Path:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_all(replacements)
    assert set(held(tmp_path).values()) == {b"old\r\n"}


def test_a_file_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """What somebody has written since the file was read is kept, and no other file is replaced."""
    replacements = files(tmp_path)
    replacements[2].path.write_bytes(b"mine\n")
    with pytest.raises(OutputError, match="was changed while it was being moved"):
        write_all(replacements)
    assert held(tmp_path) == {"file0.py": b"old\r\n", "file1.py": b"old\r\n", "file2.py": b"mine\n"}
