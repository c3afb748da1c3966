"""What the files of protobuf say of themselves: headers, libraries, protoc, and code that protoc made."""

import re

from envdoctor.facts import Absent, Fact, GeneratedCode, Known, LibraryFile, ProtobufHeaders, Unreadable
from envdoctor.files import FileView
from envdoctor.knowledge.protobuf import LibraryHeader, decode, library_header, names_of_protoc, range_from_generated
from envdoctor.knowledge.protobuf_sources import series_of_soname
from envdoctor.probes.reading import names_in, text_of

HEADER_LIMIT = 128 * 1024
GENERATED_LIMIT = 256 * 1024

# stubs/common.h holds both numbers up to 3.21; later port_def.inc has the oldest protoc, and from 27 on
# runtime_version.h has the version that generated code asks for.
VERSION_FILES = ("stubs/common.h", "port_def.inc", "runtime_version.h")


def read_headers(files: FileView, include: str, origin: str) -> ProtobufHeaders | Unreadable | None:
    """The headers below an include directory; None when it has none."""
    folder = f"{include}/google/protobuf"
    if not files.is_dir(folder):
        return None
    said: list[LibraryHeader] = []
    for name in VERSION_FILES:
        text = text_of(files, f"{folder}/{name}", HEADER_LIMIT)
        if isinstance(text, Unreadable):
            return text
        header = library_header(text.value) if isinstance(text, Known) else None
        if header is not None:
            said.append(header)
            if header.min_protoc is not None:
                break
    if not said and not files.is_file(f"{folder}/{VERSION_FILES[0]}"):
        return None
    minimum = next((each.min_protoc for each in said if each.min_protoc is not None), None)
    return ProtobufHeaders(
        include,
        decode(said[0].version) if said else None,
        decode(minimum) if minimum is not None else None,
        origin,
    )


def libraries_in(files: FileView, directory: str, origin: str) -> list[LibraryFile]:
    """libprotobuf, shared and static, each real file once. Not the lite runtime: it lacks what generated code needs."""
    found: dict[str, LibraryFile] = {}
    for name in names_in(files, directory, 16384):
        if name == "libprotobuf.a" or name.startswith("libprotobuf.so"):
            path = f"{directory}/{name}"
            if files.is_file(path):
                real = files.real(path)
                version = _version_of_library(files, directory, real.rpartition("/")[2])
                found.setdefault(real, LibraryFile(_soname(real.rpartition("/")[2]), path, version, origin))
    return list(found.values())


def _soname(name: str) -> str:
    """`libprotobuf.so.32` of `libprotobuf.so.32.0.12`; builds by CMake keep their whole version in it."""
    found = re.match(r"libprotobuf\.so\.(\d+)\.0\.\d+$", name)
    return f"libprotobuf.so.{found[1]}" if found else name


def _version_of_library(files: FileView, directory: str, name: str) -> str | None:
    """The version in the name that CMake gives, in protobuf.pc beside it, or the series that the soname stands for."""
    named = re.match(r"libprotobuf\.so\.(\d+\.\d+\.\d+)\.0$|libprotobuf\.so\.(\d+\.[1-9]\d*\.\d+)$", name)
    if named:
        return cpp_version(named[1] or named[2])
    text = text_of(files, f"{directory}/pkgconfig/protobuf.pc", 16 * 1024)
    told = re.search(r"^Version:\s*(\d+\.\d+(?:\.\d+)*)", text.value, re.MULTILINE) if isinstance(text, Known) else None
    row = series_of_soname(_soname(name))
    if told and (row is None or cpp_version(told[1]).startswith(f"{row.series}.")):
        return cpp_version(told[1])
    return row.series if row else None


def cpp_version(text: str) -> str:
    """protoc's own number turned into that of the C++ library: `25.3.0` and `25.3` are `4.25.3`; `3.21.12` stays."""
    parts = text.split(".")
    if int(parts[0]) > 20:
        names = names_of_protoc(".".join(parts[:2]))
        return names.cpp if names else text
    return ".".join(parts[:3])


def generated_header(files: FileView, path: str, owner: str) -> GeneratedCode | Unreadable | None:
    """A `*.pb.h` with the headers that it accepts; None when it is not there."""
    text = text_of(files, path, GENERATED_LIMIT)
    if not isinstance(text, Known):
        return None if isinstance(text, Absent) else text
    demand = range_from_generated(text.value)
    if demand is None:
        return GeneratedCode(path, None, None, False, owner)
    return GeneratedCode(path, decode(demand.generated), decode(demand.min_runtime), demand.exact, owner)


def generated_module(files: FileView, path: str, owner: str) -> GeneratedCode | Unreadable | None:
    """A `*_pb2.py`; None when it is not there or protoc did not make it. Versions as numbered in Python."""
    text = text_of(files, path, GENERATED_LIMIT)
    if not isinstance(text, Known):
        return None if isinstance(text, Absent) else text
    code = text.value
    version = re.search(r"^# Protobuf Python Version: (\d+\.\d+\.\d+)", code, re.MULTILINE)
    if version:
        minimum = version[1] if "ValidateProtobufRuntimeVersion" in code else "3.20.0"
        return GeneratedCode(path, version[1], minimum, False, owner, "versioned")
    if re.search(r"^from google\.protobuf\.internal import builder\b", code, re.MULTILINE):
        return GeneratedCode(path, None, "3.20.0", False, owner, "builder")
    if re.search(r"\b_descriptor\.(?:FileDescriptor|FieldDescriptor|EnumDescriptor|Descriptor)\(", code):
        return GeneratedCode(path, None, None, False, owner, "descriptors")
    if "_descriptor_pool.Default().AddSerializedFile(" in code:
        return GeneratedCode(path, None, None, False, owner, "pool")
    return None


def version_in_name(path: str) -> Fact[str] | None:
    """`protoc-3.13.0.0`, as torch's wheels name it, is 3.13.0."""
    found = re.fullmatch(r"protoc-(\d+\.\d+\.\d+)(?:\.\d+)*", path.rpartition("/")[2])
    return Known(found[1], path) if found else None
