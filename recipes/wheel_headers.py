"""Headers out of a wheel of the package index, copied into the overlay and kept in the user's cache."""

import os
import shutil
import zipfile
from dataclasses import dataclass

from envdoctor.repair.steps import Hands, Step, StepError

from .kept_copies import kept, scratch
from .pip_download import command, download

SIZE_AT_MOST = 64 << 20


@dataclass(frozen=True)
class HeadersOfWheel(Step):
    """Copy headers of a wheel to `folder`.

    `inside` is their folder in the wheel. `names` are those that are wanted; where there are none, all of them are, and
    `folder` is then a new one.
    """

    kind = "fetch"
    python: str
    requirement: str
    options: tuple[str, ...]
    inside: str
    folder: str
    names: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(f"{self.folder}/{name}" for name in self.names) or (self.folder,)

    @property
    def command(self) -> tuple[str, ...]:
        return command(self.python, self.requirement, self.options, "DIR")

    def perform(self, hands: Hands) -> None:
        copy = kept(hands, f"headers/{self.requirement}", lambda folder: self._fetch(hands, folder))
        if self.names:
            os.makedirs(self.folder, exist_ok=True)
            for name in self.names:
                shutil.copyfile(f"{copy}/{name}", f"{self.folder}/{name}")
        else:
            shutil.copytree(copy, self.folder)

    def _fetch(self, hands: Hands, folder: str) -> None:
        hands.say(f"download {self.requirement}", None)
        with scratch(hands.cache) as aside:
            wheel = download(hands, self.python, self.requirement, self.options, aside)
            try:
                with zipfile.ZipFile(wheel) as archive:
                    self._unpack(archive, folder)
            except (zipfile.BadZipFile, KeyError) as error:
                raise StepError(f"{os.path.basename(wheel)} is damaged or not what was expected: {error}") from error

    def _unpack(self, archive: zipfile.ZipFile, folder: str) -> None:
        prefix = f"{self.inside}/"
        wanted = [f"{prefix}{name}" for name in self.names]
        members = wanted or [name for name in archive.namelist() if name.startswith(prefix) and not name.endswith("/")]
        if not members:
            raise KeyError(f"it has no {self.inside}")
        for member in members:
            name = member.removeprefix(prefix)
            if archive.getinfo(member).file_size > SIZE_AT_MOST or ".." in name.split("/"):
                raise KeyError(f"{member} is no header")
            path = f"{folder}/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(member) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target)
