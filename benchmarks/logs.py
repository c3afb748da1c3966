"""`envdoctor explain` on 100 MB of a build's log: its time against grep looking for the same words, and its memory."""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ratio import Ratio, Unmeasured, command, medians, peak_anonymous_memory
from envdoctor.explain.catalogue import installed_signatures

ENVDOCTOR = str(Path(sys.executable).parent / "envdoctor")

SIZE = 100_000_000
SECONDS_LIMIT, MEMORY_LIMIT_MB = 5.0, 200.0
FLAGS = "-I/usr/include/torch -D_GLIBCXX_USE_CXX11_ABI=0 -O2 -fPIC -std=c++17 -Werror=return-type -L/usr/lib -lcudart"
WORD = re.compile(r"[A-Za-z][A-Za-z ]{7,}")


def measure() -> list[Ratio | Unmeasured]:
    """Time, and the anonymous memory; what is promised is the time for 100 MB."""
    with tempfile.TemporaryDirectory() as folder:
        log, words = Path(folder, "build.log"), Path(folder, "words")
        with log.open("wb") as file:
            file.writelines(_build())
        words.write_text("".join(f"{word}\n" for word in _words()))
        explain = [ENVDOCTOR, "explain", str(log), "--no-confirm"]
        ours, peer = medians(command(explain), command(["grep", "-c", "-i", "-F", "-f", str(words), str(log)]), runs=3)
        used = peak_anonymous_memory(explain)
    return [
        Ratio("explain, 100 MB of a build's log", ours, peer, "grep -i -F -f with its words", None),
        Ratio("explain, 100 MB of a build's log", ours, SECONDS_LIMIT, "the promise itself", 1.0),
        Ratio("anonymous memory of explain", used, MEMORY_LIMIT_MB, "the promise itself", 1.0, "MB"),
    ]


def _build() -> Iterator[bytes]:
    """A parallel build with a warning now and then, and at its end the fault."""
    size, number = 0, 0
    while size < SIZE:
        number += 1
        lines = f"[{number % 100:3}%] Building CXX object src/CMakeFiles/ops.dir/module{number % 37}/op{number}.cc.o\n"
        lines += f"/usr/bin/c++ {FLAGS} -o op{number}.cc.o -c /home/user/src/op{number}.cc\n"
        if number % 5 == 0:
            lines += f"/home/user/src/op{number}.cc:{number % 1000}:12: warning: unused variable 'x' [-Wunused]\n"
        size += len(lines)
        yield lines.encode()
    yield b"/home/user/src/op.cc:1:10: fatal error: mkl_cblas.h: No such file or directory\n"


def _words() -> list[str]:
    """The longest word of each signature's pattern: what a search for fixed strings would be given."""
    found = (
        WORD.findall(re.sub(r"\\\w|\[[^]]*\]|\(\?[^:)]*[:>)]", "\0", one.pattern)) for one in installed_signatures()
    )
    return sorted({max(words, key=len) for words in found if words})
