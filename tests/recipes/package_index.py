"""A package index on this machine that serves a folder of wheels and archives, and can have its bad days."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

Day = Literal["good", "cut off", "wrong hash", "forbidden", "overloaded", "silent"]


@dataclass
class Index:
    """`url` is for PIP_INDEX_URL. `day` can change while it serves; `asked` are the paths that were asked for."""

    url: str
    day: Day = "good"
    seconds: float = 0
    """What it takes over each file."""
    asked: list[str] = field(default_factory=list)

    @property
    def files_asked(self) -> list[str]:
        return [path for path in self.asked if not path.startswith("/simple/")]


@contextmanager
def serving(folder: Path, day: Day = "good") -> Iterator[Index]:
    """Serve what lies in the folder at the time of asking."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    index = Index(f"http://127.0.0.1:{server.server_port}/simple", day)
    server.RequestHandlerClass = _handler(folder, index)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()


def _handler(folder: Path, index: Index) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            index.asked.append(self.path)
            if index.day == "silent":
                time.sleep(60)
            elif index.day in ("forbidden", "overloaded"):
                self.send_error(403 if index.day == "forbidden" else 503)
            elif self.path.startswith("/simple/"):
                self._answer(_page(folder, self.path.split("/")[2], index.day).encode(), "text/html")
            elif (folder / self.path[1:]).is_file():
                time.sleep(index.seconds)
                self._answer((folder / self.path[1:]).read_bytes(), "application/octet-stream")
            else:
                self.send_error(404)

        def _answer(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            cut = index.day == "cut off" and kind != "text/html"
            self.wfile.write(content[: len(content) // 2] if cut else content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in http.server
            pass

    return Handler


def _page(folder: Path, project: str, day: Day) -> str:
    links = []
    for path in sorted(folder.iterdir()):
        if path.name.split("-")[0].replace("_", "-").lower() == project or path.name.startswith(f"{project}-"):
            digest = "0" * 64 if day == "wrong hash" else hashlib.sha256(path.read_bytes()).hexdigest()
            links.append(f'<a href="/{path.name}#sha256={digest}">{path.name}</a>')
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"
