"""What a disk may hold after a power cut: the changes of a process replayed, and those dropped that were not synced."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from watched_files import Operation

Content = bytes | None  # None: a folder
Tree = dict[str, Content]  # by path relative to the folder


@dataclass(eq=False)
class File:
    """A file: its content, and what of it is on the disk for certain."""

    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""


@dataclass(eq=False)
class Folder:
    """A folder: its names, and those that are on the disk for certain."""

    names: dict[str, "Node"] = field(default_factory=dict)
    synced: dict[str, "Node"] = field(default_factory=dict)


Node = File | Folder
Entries = Callable[[Folder], Mapping[str, Node]]


def _certain(folder: Folder) -> dict[str, Node]:
    """Names that are on the disk for certain, and new folders, which most file systems keep with a file in them."""
    folders = {name: node for name, node in folder.names.items() if isinstance(node, Folder)}
    return {**folders, **folder.synced}


def _half(file: File) -> bytes:
    """The first half of what was changed since the last sync."""
    content = bytes(file.content)
    synced = file.synced
    first_difference = min(len(content), len(synced))
    if content[:first_difference] != synced[:first_difference]:
        pairs = enumerate(zip(content, synced, strict=False))
        first_difference = next(i for i, (a, b) in pairs if a != b)
    middle = (first_difference + len(content) + 1) // 2
    return content[:middle] + synced[middle:]


class Disk:
    """A folder as it was before a process, and then after each of its operations.

    Names in a folder and the content of a file are certain to survive only after its own sync, as POSIX says.
    """

    def __init__(self, folder: Path) -> None:
        self._place = folder.resolve()
        self._inodes: dict[int, File] = {}
        self.root = self._read_folder(self._place)
        self._last: tuple[Folder, dict[str, Node]] | None = None

    def _read_folder(self, place: Path) -> Folder:
        names: dict[str, Node] = {}
        for path in sorted(place.iterdir()):
            if path.is_dir():
                names[path.name] = self._read_folder(path)
            else:
                content = path.read_bytes()
                names[path.name] = File(bytearray(content), content)
                self._inodes[path.stat().st_ino] = names[path.name]
        return Folder(names, dict(names))

    def apply(self, operation: Operation) -> None:
        """Make one change."""
        match operation.kind:
            case "create":
                file = self._inodes[operation.inode] = File()
                self._set(operation.path, file)
            case "write":
                content = self._inodes[operation.inode].content
                end = operation.offset
                content.extend(bytes(max(0, end - len(content))))
                content[end : end + len(operation.data)] = operation.data
            case "truncate":
                content = self._inodes[operation.inode].content
                del content[operation.offset :]
                content.extend(bytes(operation.offset - len(content)))
            case "sync":
                file = self._inodes[operation.inode]
                file.synced = bytes(file.content)
            case "sync folder":
                folder = self._folder(operation.path)
                folder.synced = dict(folder.names)
                if self._last is not None and self._last[0] is folder:
                    self._last = None
            case "mkdir":
                self._set(operation.path, Folder())
            case "unlink" | "rmdir":
                self._set(operation.path, None)
            case "rename":
                parent, name = self._parent(operation.path)
                moved = parent.names[name]
                target = os.fsdecode(operation.data)
                self._set(operation.path, None)
                self._set(target, moved)
                if self._parent(target)[0] is parent:  # one step
                    names_left = {n: node for n, node in _certain(parent).items() if n != name}
                    self._last = parent, {**names_left, Path(target).name: moved}
            case "link":
                parent, name = self._parent(operation.path)
                self._set(os.fsdecode(operation.data), parent.names[name])
            case kind:
                assert kind.startswith("POST"), kind

    def states(self) -> dict[str, Tree]:
        """What may be there after the process or the machine dies now, by what is lost."""
        changed, entries = self._last or (None, {})
        return {
            "nothing": self._tree(lambda folder: folder.names, lambda file: bytes(file.content)),
            "contents": self._tree(lambda folder: folder.names, lambda file: file.synced),
            "half of the contents": self._tree(lambda folder: folder.names, _half),
            "names, contents": self._tree(_certain, lambda file: file.synced),
            "folders, names, contents": self._tree(lambda f: f.synced, lambda file: file.synced),
            "all but the last name": self._tree(
                lambda folder: entries if folder is changed else _certain(folder),
                lambda file: file.synced,
            ),
        }

    def _tree(self, entries: Entries, content: Callable[[File], bytes]) -> Tree:
        def below(folder: Folder, path: str) -> Iterator[tuple[str, Content]]:
            for name, node in entries(folder).items():
                if isinstance(node, Folder):
                    yield path + name, None
                    yield from below(node, f"{path}{name}/")
                else:
                    yield path + name, content(node)

        return dict(below(self.root, ""))

    def _set(self, path: str, node: Node | None) -> None:
        folder, name = self._parent(path)
        if node is None:
            del folder.names[name]
        else:
            folder.names[name] = node
        other_names = {n: child for n, child in _certain(folder).items() if n != name}
        self._last = folder, other_names if node is None else {**other_names, name: node}

    def _folder(self, path: str) -> Folder:
        node: Node = self.root
        for name in Path(path).relative_to(self._place).parts:
            assert isinstance(node, Folder)
            node = node.names[name]
        assert isinstance(node, Folder)
        return node

    def _parent(self, path: str) -> tuple[Folder, str]:
        return self._folder(str(Path(path).parent)), Path(path).name


def identity(tree: Tree) -> str:
    """A hash of names and contents."""
    digest = hashlib.sha256()
    for path, content in sorted(tree.items()):
        digest.update(f"{path}\0{'folder' if content is None else len(content)}\0".encode())
        digest.update(content or b"")
    return digest.hexdigest()


def read_tree(folder: Path) -> Tree:
    """A folder as it is."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def write_tree(tree: Tree, folder: Path) -> None:
    """Make a folder that holds this and nothing else; it is not there yet."""
    folder.mkdir(parents=True)
    for path, content in tree.items():
        place = folder / path
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
