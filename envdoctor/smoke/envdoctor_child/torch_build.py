"""Asks torch's own build tools for the commands of an extension, and runs none of them.

Started as `python -B -c ... JOB`. JOB is JSON:
    extensions   pairs of kind (`CppExtension`, `CUDAExtension`) and source file; the name of the module is the file's
    folder       where what the commands make shall lie
    answer       the file that the answer is written to

The answer is JSON: {"torch", "cuda", "cuda_home", "extensions": [{"commands": [[word, ...], ...], "problem"}]}. The
last command links; those before it compile. `problem` is what torch's tools raise where they refuse.
"""

from __future__ import absolute_import, division

import importlib
import json
import os
import shlex
import subprocess
import sys
import traceback

MYPY = False
if MYPY:
    from typing import Any, Dict, List

    Command = List[str]

MESSAGE_LIMIT = 2000


def main():
    # type: () -> None
    """Read the job off the command line and write the answer."""
    job = json.loads(sys.argv[1])
    del sys.argv[1:]
    sys.argv[0] = "setup.py"
    answer = _answer(job)
    with open(job["answer"], "w") as file:
        file.write(json.dumps(answer))


def _answer(job):
    # type: (Dict[str, Any]) -> Dict[str, Any]
    try:
        import torch
        from torch.utils import cpp_extension
    except Exception as error:
        traceback.print_exc()
        return {"problem": _shown(error)}
    folder = _native(job["folder"])
    wanted = [(_native(kind), _native(source)) for kind, source in job["extensions"]]
    return {
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cuda_home": cpp_extension.CUDA_HOME,
        "extensions": [_recorded(cpp_extension, kind, source, folder) for kind, source in wanted],
    }


def _native(text):
    # type: (Any) -> str
    """distutils of CPython 2.7 takes bytes alone, and JSON holds none."""
    return str(text.encode("utf-8") if sys.version_info[0] < 3 else text)


def _recorded(cpp_extension, kind, source, folder):
    # type: (Any, str, str, str) -> Dict[str, Any]
    commands = []  # type: List[Command]
    try:
        _record(cpp_extension, kind, source, folder, commands)
    except (Exception, SystemExit) as error:
        # A refusal after the commands were told concerns what they would have made.
        if len(commands) < 2:
            traceback.print_exc()
            return {"commands": [], "problem": _shown(error)}
    return {"commands": commands, "problem": ""}


def _record(cpp_extension, kind, source, folder, commands):
    # type: (Any, str, str, str, List[Command]) -> None
    class Recorder(cpp_extension.BuildExtension):  # type: ignore[misc]  # torch is there in the target alone
        def build_extensions(self):
            # type: () -> None
            # setuptools from 80 on starts compilers by `call`, older ones by `spawn`.
            self.compiler.spawn = self.compiler.call = told_by_setuptools
            cpp_extension.BuildExtension.build_extensions(self)

    def told_by_setuptools(words, *_rest, **_options):
        # type: (List[str], *Any, **Any) -> None
        commands.append([str(word) for word in words])

    def told_by_ninja(build_directory, *_rest, **_options):
        # type: (str, *Any, **Any) -> None
        told = subprocess.check_output(["ninja", "-t", "commands"], cwd=build_directory)
        commands.extend(shlex.split(line) for line in told.decode("utf-8").splitlines() if line.strip())

    # torch from 1.5 on writes a file for ninja and starts it; without ninja it calls the compiler, as older ones do.
    cpp_extension._run_ninja_build = told_by_ninja
    name = os.path.splitext(os.path.basename(source))[0]
    extension = getattr(cpp_extension, kind)(name, [source])
    distribution = importlib.import_module("setuptools").Distribution(
        {"name": name, "ext_modules": [extension], "script_name": "setup.py"}
    )
    distribution.parse_config_files()
    build = Recorder(distribution)
    build.build_lib = os.path.join(folder, "lib")
    build.build_temp = os.path.join(folder, "objects")
    build.ensure_finalized()
    build.run()


def _shown(error):
    # type: (Any) -> str
    text = str(error).strip()
    return ("%s: %s" % (type(error).__name__, text) if text else type(error).__name__)[:MESSAGE_LIMIT]
