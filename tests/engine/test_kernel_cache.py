"""The cache of kernels: what is damaged, of others or of former sources is not used, and costs time alone."""

import itertools
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import qllmft_engine
from qllmft_engine import kernel_cache, kernel_store
from qllmft_engine.compiled import frames, passes, work_queue
from qllmft_engine.kernel_cache import KernelCache, cached_njit
from qllmft_engine.kernel_store import KernelStore, open_store

NAME = "gates.kernel"
OTHER_NAME = "shots.kernel"


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "kernels"
    folder.mkdir()
    return KernelStore(folder, b"the key of this user")


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Replacements of the folder of ``NUMBA_CACHE_DIR``, of the package and of this user's caches."""
    named, package, user = (tmp_path / name for name in ("named", "package", "user"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(named))
    monkeypatch.setattr(kernel_store, "_default_places", lambda: (package, user))
    open_fresh_store.cache_clear()
    yield named, package, user
    open_fresh_store.cache_clear()


open_fresh_store = open_store


def reopen_store():
    """Return the store that the next process opens."""
    open_fresh_store.cache_clear()
    return open_fresh_store()


def flip_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def delete(path):
    path.unlink()


def put_link(path):
    target = path.with_name("target")
    path.rename(target)
    path.symlink_to(target)


def put_folder(path):
    path.unlink()
    (path / "folder").mkdir(parents=True)


def put_pipe(path):
    path.unlink()
    os.mkfifo(path)


def put_other_file(path):
    shutil.copy(path.with_name(OTHER_NAME), path)


DAMAGES = [flip_byte, truncate, empty, delete, put_link, put_folder, put_pipe, put_other_file]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_not_used_and_is_written_again(store, damage):
    store.save(NAME, b"code")
    store.save(OTHER_NAME, b"other code")
    store.save("functions.compiled", b"")
    damage(store.folder / NAME)
    assert store.load(NAME) is None
    assert store.load(OTHER_NAME) == b"other code"
    if damage is not delete:
        assert store.load("functions.compiled") is None, "the functions are not all there"
    store.save(NAME, b"code")
    assert store.load(NAME) == b"code"
    target = store.folder / "target"
    assert not target.exists() or target.read_bytes().endswith(b"code"), "written through a link"


def test_a_file_of_another_key_is_not_used(store):
    """Such as one that came with a downloaded folder."""
    KernelStore(store.folder, b"the key of somebody else").save(NAME, b"code of somebody else")
    assert store.load(NAME) is None


def test_a_full_disk_costs_the_cache_alone(store, monkeypatch):
    def fail(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kernel_store, "write_bytes", fail)
    store.save(NAME, b"code")
    assert store.load(NAME) is None


def test_files_that_are_saved_at_a_time_are_all_kept(store):
    keys = list(itertools.product(range(4), range(40)))

    def save_files(thread):
        for key in keys:
            if key[0] == thread:
                store.save(f"{key}", f"code of {key}".encode())

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(save_files, range(4)))
    assert [store.load(f"{key}") for key in keys] == [f"code of {key}".encode() for key in keys]


def test_old_files_of_other_sources_are_removed(store):
    for name in ("new-gates.kernel", "old-gates.kernel", "older-gates.kernel"):
        store.save(name, b"code")
    os.utime(store.folder / "older-gates.kernel", (0, 0))
    os.utime(store.folder / "new-gates.kernel", (0, 0))
    store.remove_stale("new")
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "new-gates.kernel",
        "old-gates.kernel",
    ]


def test_the_environment_names_the_folder_and_not_the_key(places):
    named, package, _ = places
    store = reopen_store()
    assert store.folder.parent == named
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert not (store.folder / "key").exists()
    assert [path.name for path in package.glob("*/*")] == ["key"]
    store.save(NAME, b"code")
    assert reopen_store().load(NAME) == b"code"


def test_without_a_place_beside_the_package_the_key_is_elsewhere(places):
    named, package, user = places
    package.touch()
    reopen_store().save(NAME, b"code")
    assert [path.name for path in user.glob("*/*")] == ["key"]
    shutil.rmtree(user)
    user.touch()
    assert reopen_store().load(NAME) is None
    assert sorted(path.name for path in named.glob("*/*")) == ["key"]


def test_without_any_place_nothing_is_kept(places):
    for place in places:
        place.touch()
    assert reopen_store() is None


@pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")
def test_a_folder_that_is_open_to_others_is_closed_and_gets_another_key(places):
    store = reopen_store()
    store.save(NAME, b"code")
    _, package, _ = places
    (key_folder,) = package.iterdir()
    for folder in (store.folder, key_folder):
        folder.chmod(0o777)
    store = reopen_store()
    assert store.load(NAME) is None
    for folder in (store.folder, key_folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_folder_of_another_user_is_not_used(places):
    _, package, _ = places
    folder = reopen_store().folder
    os.chown(folder, 12345, 12345)
    assert reopen_store().folder.parent == package


@pytest.mark.parametrize("damage", [put_link, lambda path: (path.rmdir(), path.touch())])
def test_a_link_or_a_file_in_the_place_of_the_folder_is_not_used(places, damage):
    _, package, _ = places
    damage(reopen_store().folder)
    assert reopen_store().folder.parent == package


@pytest.mark.parametrize("damage", [flip_byte, truncate, empty, delete, put_link, put_folder])
def test_a_damaged_key_drops_all_files(places, damage):
    store = reopen_store()
    store.save(NAME, b"code")
    _, package, _ = places
    (key,) = package.glob("*/key")
    damage(key)
    fresh_store = reopen_store()
    if damage is not put_link:
        assert fresh_store.load(NAME) is None
    fresh_store.save(NAME, b"code")
    assert reopen_store().load(NAME) == b"code"


@pytest.fixture
def compiled_square(places):
    """A function that numba compiles, and the file of its code."""

    def square(x):
        return x * x

    assert cached_njit()(square)(3.0) == 9.0
    (path,) = open_fresh_store().folder.glob("*.kernel")
    return square, path


def test_a_function_is_compiled_once(compiled_square):
    square, _ = compiled_square
    later_square = cached_njit()(square)
    assert later_square(4.0) == 16.0
    assert sum(later_square.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("damage", [flip_byte, truncate, empty, put_link, put_folder, put_pipe])
def test_a_function_with_a_damaged_file_is_compiled_again(compiled_square, damage):
    square, path = compiled_square
    damage(path)
    later_square = cached_njit()(square)
    assert later_square(4.0) == 16.0
    assert not later_square.stats.cache_hits
    assert cached_njit()(square)(5.0) == 25.0
    assert path.is_file()
    assert not path.is_symlink()


def test_functions_that_differ_have_other_names():
    """Every part counts: a kernel in the place of another one could end the process."""

    def make_function(factor):
        return lambda x: factor * x

    codegen = passes.forward.targetctx.codegen()
    functions = [make_function(2.0), make_function(3.0), lambda x: x + 1]
    names = {KernelCache(function)._name(("float64",), codegen) for function in functions}
    names.add(KernelCache(functions[0])._name(("float32",), codegen))
    assert len(names) == 4


def test_kernels_of_other_sources_have_other_names(monkeypatch):
    codegen = passes.forward.targetctx.codegen()
    cache = KernelCache(passes.forward.py_func)
    name = cache._name((), codegen)
    monkeypatch.setattr(kernel_cache, "_SOURCES", "of newer sources")
    assert cache._name((), codegen) != name


def test_every_kernel_that_is_kept_has_such_a_cache():
    """Also those of other modules, which one process compiles while another one does."""
    package = Path(qllmft_engine.__file__).parent
    texts = {file: file.read_text(encoding="utf-8") for file in package.rglob("*.py")}
    assert not [file.name for file, text in texts.items() if "cache=True" in text]
    for function in (passes.forward, work_queue.serve, frames.find_outcomes):
        assert isinstance(function._cache, KernelCache)
