"""GPU code in a file: containers made by hand, and by nvcc where the machine has one."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from envdoctor.elf.fatbin import Fatbin, GpuCode, read_fatbin
from envdoctor.elf.file import ElfError, open_elf
from envdoctor.files import LiveFiles
from tests.elf.building import Workshop

ACCELERATED, FAMILY = 0x100000, 0x200000
ELF, PTX, LTO = 2, 1, 8


def entry(kind: int, arch: int, flags: int = 0, payload: int = 16, header: int = 64) -> bytes:
    fields = struct.pack("<HHIQIIHHIII", kind, 0x0101, header, payload, 0, 0, 0, 1, arch, 0, 0)
    return (fields + struct.pack("<Q", flags)).ljust(header, b"\0") + b"\xab" * payload


def container(*entries: bytes) -> bytes:
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def with_section(workshop: Workshop, content: bytes, section: str = ".nv_fatbin") -> Path:
    """A library whose section holds `content`."""
    workshop.path("content.bin").write_bytes(content)
    source = f'__asm__(".section {section},\\"a\\"\\n.incbin \\"{workshop.root / "content.bin"}\\"\\n.text");'
    return workshop.library("libgpu.so", source)


def read(workshop: Workshop, content: bytes, section: str = ".nv_fatbin") -> Fatbin:
    return read_fatbin(open_elf(LiveFiles(), str(with_section(workshop, content, section))))


def test_each_container_counts_once_for_a_target(workshop: Workshop) -> None:
    first = container(entry(ELF, 75), entry(ELF, 75), entry(PTX, 90, header=80))
    second = container(entry(ELF, 75), entry(ELF, 90, ACCELERATED, header=112), entry(LTO, 100, FAMILY))

    fatbin = read(workshop, first + b"\0" * 24 + second)

    assert fatbin.containers == 2
    assert fatbin.counts == {
        GpuCode("elf", 75, ""): 2,
        GpuCode("ptx", 90, ""): 1,
        GpuCode("elf", 90, "a"): 1,
        GpuCode("lto", 100, "f"): 1,
    }
    assert [code.name for code in fatbin.supported] == ["sm_75", "sm_90a", "compute_90", "lto_100f"]


def test_what_few_containers_hold_is_no_support(workshop: Workshop) -> None:
    common, stray = container(entry(ELF, 75)), container(entry(ELF, 61), entry(ELF, 75))

    assert [code.name for code in read(workshop, common * 9 + stray).supported] == ["sm_75"]


def test_code_that_was_not_linked_for_the_device_is_read_from_its_own_section(workshop: Workshop) -> None:
    assert read(workshop, container(entry(ELF, 86)), "__nv_relfatbin").containers == 1


def test_a_file_without_gpu_code_has_none(workshop: Workshop) -> None:
    fatbin = read_fatbin(open_elf(LiveFiles(), str(workshop.library("libplain.so"))))

    assert (fatbin.containers, fatbin.supported) == (0, ())


@pytest.mark.parametrize(
    "content",
    [
        container(entry(ELF, 75))[:-8],
        container(entry(ELF, 75, header=16)),
        container(entry(ELF, 75)[:-16] + b""),
        struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 1 << 63),
    ],
    ids=["truncated", "entry without header", "payload outside", "endless"],
)
def test_damaged_code_is_an_error(workshop: Workshop, content: bytes) -> None:
    with pytest.raises(ElfError, match="GPU code"):
        read(workshop, content)


def test_what_nvcc_was_told_to_make_is_what_is_found(workshop: Workshop) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc on this machine")
    listed = subprocess.run([nvcc, "--list-gpu-code"], capture_output=True, text=True, check=False).stdout.split()
    chosen = [name for name in ("sm_80", "sm_90") if name in listed]
    if not chosen:
        pytest.skip("nvcc lists none of the architectures of this test")
    source = workshop.path("k.cu")
    source.write_text("__global__ void k(int *p) { *p = 1; }")
    options = [f"-gencode=arch={name.replace('sm', 'compute')},code={name}" for name in chosen]
    options.append(f"-gencode=arch={chosen[0].replace('sm', 'compute')},code={chosen[0].replace('sm', 'compute')}")
    library = workshop.path("libk.so")
    words = [nvcc, "-shared", "-Xcompiler", "-fPIC", "-cudart", "none", *options, "-o", str(library), str(source)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nvcc does not work here: {done.stderr.strip()[:200]}")

    found = {code.name for code in read_fatbin(open_elf(LiveFiles(), str(library))).supported}

    assert found == {*chosen, chosen[0].replace("sm", "compute")}
