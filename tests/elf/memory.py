"""A file system in memory, over the real one where wanted: for contents that no tool would make."""

import mmap
from collections.abc import Mapping

from envdoctor.files import READ_LIMIT, FileView


class MemoryFiles:
    """Files by absolute path; without links. What is not among them is looked for in `below`."""

    def __init__(self, contents: Mapping[str, str | bytes], below: FileView | None = None) -> None:
        self.contents = {path: text.encode() if isinstance(text, str) else text for path, text in contents.items()}
        self.below = below

    def is_file(self, path: str) -> bool:
        return path in self.contents or (self.below is not None and self.below.is_file(path))

    def is_dir(self, path: str) -> bool:
        inside = path.rstrip("/") + "/"
        return any(name.startswith(inside) for name in self.contents) or (
            self.below is not None and self.below.is_dir(path)
        )

    def names(self, directory: str) -> tuple[str, ...]:
        inside = directory.rstrip("/") + "/"
        own = {name[len(inside) :].split("/")[0] for name in self.contents if name.startswith(inside)}
        return tuple(sorted(own.union(self.below.names(directory) if self.below else ())))

    def size(self, path: str) -> int:
        return len(self.contents[path]) if path in self.contents or self.below is None else self.below.size(path)

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        if path in self.contents:
            return self.contents[path][:limit]
        if self.below is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.below.read(path, limit)

    def map(self, path: str) -> mmap.mmap:
        if path not in self.contents and self.below is not None:
            return self.below.map(path)
        content = self.contents[path]
        mapped = mmap.mmap(-1, len(content))
        mapped.write(content)
        return mapped

    def real(self, path: str) -> str:
        return path if path in self.contents or self.below is None else self.below.real(path)

    def link(self, path: str) -> str | None:
        return None if path in self.contents or self.below is None else self.below.link(path)
