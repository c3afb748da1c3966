"""Starts a command and passes its output through: on a terminal it has one of its own, elsewhere pipes.

Colours and progress bars stay, standard output and standard error stay apart, Ctrl-C and other signals reach it, and
its exit status is returned as a shell would.
"""

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

BLOCK = 1 << 16
# A program that the command leaves behind may hold the pipe: what it prints later is not waited for.
SECONDS_AFTER_THE_END = 0.3
FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def run_through(words: Sequence[str], environment: Mapping[str, str], keep: Callable[[bytes], None]) -> int:
    """The status of the command, 128 and the number of the signal where one ended it. Raises OSError: not started.

    `keep` is given every block of output as it passes.
    """
    if sys.stdout.isatty():
        return _on_a_terminal(words, environment, keep)
    return _through_pipes(words, environment, keep)


def _through_pipes(words: Sequence[str], environment: Mapping[str, str], keep: Callable[[bytes], None]) -> int:
    together = _is_same_file(1, 2)
    process = subprocess.Popen(
        list(words),
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if together else subprocess.PIPE,
        bufsize=0,
    )
    routes = {process.stdout.fileno(): 1} if process.stdout else {}
    if process.stderr:
        routes[process.stderr.fileno()] = 2
    with process, _forwarding(process.pid, False):
        _copy(process, routes, keep)
        return _status(process.wait())


def _on_a_terminal(words: Sequence[str], environment: Mapping[str, str], keep: Callable[[bytes], None]) -> int:
    import pty

    master, slave = pty.openpty()
    _copy_size(slave)
    typed = sys.stdin.isatty()
    apart = not os.isatty(2)
    try:
        process = subprocess.Popen(
            list(words),
            env=dict(environment),
            stdin=slave if typed else None,
            stdout=slave,
            stderr=subprocess.PIPE if apart else slave,
            bufsize=0,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    routes = {master: 1}
    if process.stderr:
        routes[process.stderr.fileno()] = 2
    try:
        with process, _forwarding(process.pid, True), _resizing(master), _raw(typed):
            _copy(process, routes, keep, master if typed else None)
            return _status(process.wait())
    finally:
        os.close(master)


def _copy(
    process: "subprocess.Popen[bytes]", routes: dict[int, int], keep: Callable[[bytes], None], typed: int | None = None
) -> None:
    """Copy until the command has ended and its output with it. `typed`: where what is typed goes."""
    with selectors.DefaultSelector() as ready:
        for source in routes:
            ready.register(source, selectors.EVENT_READ)
        if typed is not None:
            ready.register(0, selectors.EVENT_READ)
        open_sources = set(routes)
        ended = False
        while open_sources:
            events = ready.select(SECONDS_AFTER_THE_END)
            if not events and ended:
                return
            ended = process.poll() is not None
            for key, _ in events:
                source = key.fd
                if source not in routes:
                    _type(source, typed, ready)
                    continue
                block = _read(source)
                if block:
                    keep(block)
                    if _write(routes[source], block) or not _close(process, source):
                        continue
                # Gone on either side; the command gets SIGPIPE where its reader has gone.
                ready.unregister(source)
                open_sources.discard(source)


def _type(source: int, typed: int | None, ready: selectors.BaseSelector) -> None:
    block = _read(source)
    if block and typed is not None:
        _write(typed, block)
    else:
        ready.unregister(source)


def _close(process: "subprocess.Popen[bytes]", source: int) -> bool:
    """Close a pipe of the command; False for its terminal, which is read on so that the command does not wait."""
    for pipe in (process.stdout, process.stderr):
        if pipe is not None and not pipe.closed and pipe.fileno() == source:
            pipe.close()
            return True
    return False


def _read(source: int) -> bytes:
    try:
        return os.read(source, BLOCK)
    except OSError as error:
        # A terminal whose other side is closed says EIO where a pipe says nothing more.
        if error.errno in (errno.EIO, errno.EBADF):
            return b""
        raise


def _write(to: int, block: bytes) -> bool:
    """False where the reader has gone."""
    view = memoryview(block)
    try:
        while view:
            view = view[_write_some(to, view) :]
    except OSError:
        return False
    return True


def _write_some(to: int, view: memoryview) -> int:
    try:
        return os.write(to, view)
    except BlockingIOError:
        # Standard output may be shared with a program that made it non-blocking.
        _wait_for_room(to)
        return 0


def _wait_for_room(to: int) -> None:
    with selectors.DefaultSelector() as room:
        room.register(to, selectors.EVENT_WRITE)
        room.select(1)


def _status(returncode: int) -> int:
    return 128 - returncode if returncode < 0 else returncode


def _is_same_file(left: int, right: int) -> bool:
    try:
        one, other = os.fstat(left), os.fstat(right)
    except OSError:
        return False
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


@contextmanager
def _forwarding(child: int, own_session: bool) -> Iterator[None]:
    """While the command runs it gets our signals; all of its process group does where it has a session of its own.

    In our session an interrupt from the terminal reaches it by itself; where nobody typed it, it is handed on.
    """

    def hand_on(number: int, _frame: Any) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            (os.killpg if own_session else os.kill)(child, number)

    def interrupted(number: int, frame: Any) -> None:
        if own_session or not _in_the_foreground():
            hand_on(number, frame)

    before = {number: signal.signal(number, hand_on) for number in FORWARDED}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_the_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _take_terminal() -> None:
    """In the child: its standard output becomes the terminal that Ctrl-C is typed at."""
    import fcntl
    import termios

    fcntl.ioctl(1, termios.TIOCSCTTY, 0)


def _copy_size(terminal: int) -> None:
    import fcntl
    import termios

    with contextlib.suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8))


@contextmanager
def _resizing(master: int) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda _number, _frame: _copy_size(master))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


@contextmanager
def _raw(typed: bool) -> Iterator[None]:
    """Keys go to the command's terminal as they are typed, Ctrl-C among them; ours is put back afterwards."""
    if not typed:
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
