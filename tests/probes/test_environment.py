"""The environment probe: which variables are seen, and which of their entries name nothing."""

from pathlib import Path

import pytest

from envdoctor.facts import Environment, Facts, Variable
from envdoctor.probes import environment
from tests.filetree import RootedFiles, make_target, write_tree


def probed(root: Path, variables: dict[str, str]) -> Environment:
    write_tree(root, {"/usr/bin/gcc": "", "/usr/local/cuda/bin/": ""})
    return environment.probe(make_target(RootedFiles(root), variables), Facts())


def test_values_are_kept_exactly_as_they_are_set(tmp_path: Path) -> None:
    value = ' "/usr/local/cuda:" '

    found = probed(tmp_path, {"CUDA_HOME": value, "TORCH_CUDA_ARCH_LIST": "7.0,;8.6+ptx"})

    assert found.get("CUDA_HOME") == value
    assert found.get("TORCH_CUDA_ARCH_LIST") == "7.0,;8.6+ptx"


def test_variables_that_are_not_on_the_list_are_not_seen(tmp_path: Path) -> None:
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "s",
        "PIP_INDEX_URL": "https://me:word@host/",
        "HOME": "/root",
        "HOSTNAME": "box",
    }

    found = probed(tmp_path, {**secrets, "CUDNN_ROOT": "/usr", "NCCL_DEBUG": "INFO"})

    assert [variable.name for variable in found.variables] == ["CUDNN_ROOT", "NCCL_DEBUG"]


@pytest.mark.parametrize(
    ("name", "value", "missing"),
    [
        ("PATH", "/usr/bin:/nowhere:/usr/bin", ["/nowhere"]),
        ("LD_LIBRARY_PATH", "/usr/bin;/nowhere", ["/nowhere"]),
        ("CPATH", "/usr/bin;/nowhere", ["/usr/bin;/nowhere"]),
        ("CUDA_HOME", "/usr/local/cuda", []),
        ("CUDA_HOME", "/usr/local/cuda/", []),
        ("CUDA_HOME", "/usr/local/cuda ", ["/usr/local/cuda "]),
        ("CUDA_HOME", "/usr/local/cuda:/usr", ["/usr/local/cuda:/usr"]),
        ("CUDA_HOME", "~/cuda", ["~/cuda"]),
        ("CUDA_HOME", '"/usr/local/cuda"', ['"/usr/local/cuda"']),
        ("CUDA_HOME", "", []),
        ("CUDACXX", "/usr/bin/nvcc", ["/usr/bin/nvcc"]),
        ("CUDACXX", "nvcc", []),
        ("PYTHONPATH", "", []),
        ("PYTHONPATH", "src:.:/nowhere", ["/nowhere"]),
        ("LD_PRELOAD", "libfoo.so /usr/bin/gcc:/nowhere.so", ["/nowhere.so"]),
        ("CFLAGS", "-I/nowhere", []),
        ("PATH", "/a\0b", ["/a\0b"]),
    ],
)
def test_entries_that_name_nothing_are_told(tmp_path: Path, name: str, value: str, missing: list[str]) -> None:
    found = probed(tmp_path, {name: value})

    assert found.missing_entries == tuple(Variable(name, entry) for entry in missing)


def test_a_huge_list_is_looked_at_in_part(tmp_path: Path) -> None:
    found = probed(tmp_path, {"PATH": ":".join(f"/nowhere/{number}" for number in range(100_000))})

    assert len(found.missing_entries) == environment.ENTRIES_AT_MOST
