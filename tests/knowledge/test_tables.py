"""Rules that hold for every table: each row has a source, none stands twice, the order is by version."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from envdoctor.knowledge import (
    cpp_extension,
    cuda_arch,
    cuda_driver,
    cudnn,
    gpu,
    libstdcxx,
    nvcc_host,
    protobuf,
    protobuf_sources,
    providers,
    torch,
)
from envdoctor.knowledge.tables import HERE, Row, load, read
from envdoctor.knowledge.versions import numbers

Key = Callable[[dict[str, Any]], Any]


def by_version(*fields: str) -> Key:
    return lambda row: tuple(numbers(str(row.get(field, ""))) for field in fields)


def arch(row: dict[str, Any]) -> tuple[int, str]:
    found = re.fullmatch(r"(\d+)([af]?)", row["arch"])
    assert found is not None
    return int(found[1]), found[2]


# The field or fields that name a row, and the order in which rows stand; None where the order means nothing.
ORDERS: dict[tuple[str, str], tuple[tuple[str, ...], Key | None]] = {
    ("cpp_extension", "bounds"): (("cuda",), by_version("cuda")),
    ("cpp_extension", "named_arch"): (("name",), None),
    ("cuda_arch", "family"): (("arch",), arch),
    ("cuda_arch", "range"): (("arch",), arch),
    ("cuda_arch", "tegra"): (("arch",), arch),
    ("cuda_arch", "toolkit"): (("cuda",), by_version("cuda")),
    ("cuda_driver", "branch"): (("branch",), by_version("branch")),
    ("cuda_driver", "error"): (("code",), by_version("code")),
    ("cuda_driver", "minor_version"): (("cuda_major",), by_version("cuda_major")),
    ("cuda_driver", "toolkit"): (("cuda", "release"), by_version("cuda", "driver")),
    ("cudnn", "soname"): (("major",), by_version("major")),
    ("cudnn", "support"): (("cudnn",), by_version("cudnn")),
    ("cudnn", "wheels"): (("package",), by_version("cuda_major")),
    ("gpu", "gpu"): (("name",), by_version("cc")),
    ("libstdcxx", "distribution"): (("id", "version"), None),
    ("libstdcxx", "manylinux"): (("tag",), by_version("glibc", "glibcxx")),
    ("libstdcxx", "release"): (("gcc",), by_version("gcc")),
    ("nvcc_host", "limit"): (("cuda", "nvcc_from"), by_version("cuda", "nvcc_from")),
    ("protobuf", "family"): (("protoc_first",), by_version("protoc_first")),
    ("protobuf", "python_pair"): (
        ("runtime_from", "gencode_from"),
        by_version("runtime_from", "gencode_from"),
    ),
    ("protobuf_sources", "caffe2"): (("torch",), by_version("torch")),
    ("protobuf_sources", "grpcio_tools"): (("protobuf",), by_version("protobuf")),
    ("protobuf_sources", "header"): (("protobuf",), by_version("protobuf")),
    ("protobuf_sources", "protoc"): (("package",), None),
    ("protobuf_sources", "soname"): (("series",), by_version("series")),
    ("providers", "provider"): (("need",), None),
    ("torch", "release"): (("version",), by_version("version")),
}
MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        cpp_extension,
        cuda_arch,
        cuda_driver,
        cudnn,
        gpu,
        libstdcxx,
        nvcc_host,
        protobuf,
        protobuf_sources,
        providers,
        torch,
    )
}
TABLES = sorted(path.stem for path in HERE.glob("*.toml"))


def rows_of(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for array, rows in read(name).items():
        if array != "sources":
            for row in rows:
                yield array, row


def test_every_table_and_array_is_under_these_rules() -> None:
    found = {(name, array) for name in TABLES for array in read(name) if array != "sources"}

    assert found == set(ORDERS)
    assert set(TABLES) == set(MODULES)


@pytest.mark.parametrize("name", TABLES)
def test_every_row_names_a_source_and_every_source_is_used(name: str) -> None:
    sources = read(name)["sources"]

    used = {row["source"] for _, row in rows_of(name)}

    assert all(text.strip() for text in sources.values())
    assert used == set(sources)


@pytest.mark.parametrize("name", TABLES)
def test_a_loaded_row_carries_its_source_in_words(name: str) -> None:
    table = load(name, MODULES[name]._Table)

    rows = [row for field in table.__struct_fields__ for row in getattr(table, field)]

    assert rows
    for row in rows:
        assert isinstance(row, Row)
        assert len(row.source) > 8
        assert "{" not in row.source
        assert isinstance(row.verified, bool)


@pytest.mark.parametrize(("name", "array"), sorted(ORDERS))
def test_no_row_stands_twice_and_rows_stand_in_order(name: str, array: str) -> None:
    identity, order = ORDERS[name, array]
    rows = read(name)[array]

    names = [tuple(row.get(field, "") for field in identity) for row in rows]

    assert len(set(names)) == len(names)
    if order is not None:
        assert rows == sorted(rows, key=order)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_speaks_of_no_machine(name: str) -> None:
    text = (HERE / f"{name}.toml").read_text("utf-8")

    assert not re.search(r"(?<![\w.>])/(?:work|opt|root|home|tmp)\b|\.\./", text)
    assert not re.search(r"\b(?:TODO|FIXME)\b", text)


def test_an_unknown_field_in_a_table_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpu.toml").write_text(
        'gpu = [{ name = "A", cc = "8.0", architecture = "x", segment = "jetson", colour = 1, source = "s", '
        'verified = true }]\n[sources]\ns = "somewhere"\n'
    )
    monkeypatch.setattr("envdoctor.knowledge.tables.HERE", tmp_path)

    with pytest.raises(Exception, match="colour"):
        load("gpu", gpu._Table)
