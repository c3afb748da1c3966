"""The grammar of messages: what a tool says, whatever surrounds it and whatever language it speaks.

A message is recognised by what no translation changes: names of symbols, files and options, and the punctuation around
them. Each entry of `GRAMMAR` is a kind and an RE2 pattern whose named groups are the fields. `FIELDS` lists the fields
of every kind, those that are derived included.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache

import msgspec

# Quotation marks of gcc, ld, CMake and Python in the languages they speak.
QUOTE = "[`'\"‘’‚‛“”„«»‹›「」´]"
# No such file or directory, as the C library says it.
ENOENT = (
    "(?:No such file or directory|Datei oder Verzeichnis nicht gefunden|Aucun fichier ou dossier de ce (?:type|nom)"
    "|No existe el (?:archivo|fichero) o el directorio|没有那个文件或目录|沒有此一檔案或目錄|Нет такого файла или каталога"
    "|そのようなファイルやディレクトリはありません|File o directory non esistente"
    "|Arquivo ou diretório (?:inexistente|não encontrado)|Ficheiro ou directoria inexistente"
    "|그런 파일이나 디렉터리가 없습니다|Nie ma takiego pliku ani katalogu|Ingen sådan fil eller filkatalog"
    "|Filen eller katalogen finns inte|Bestand of map bestaat niet|Böyle bir dosya ya da dizin yok"
    "|Adresář nebo soubor neexistuje|Немає такого файла або каталогу|Tiedostoa tai hakemistoa ei ole"
    "|Không có tập tin hoặc thư mục như vậy)"
)
# A symbol as the loader and the linker write it, mangled or demangled.
_MANGLED = r"[A-Za-z_$][\w$.@]*"
_LIBRARY = r"[^\s:'\"`‘’«»(),;=]+\.so(?:\.[\w.]+)?"

GRAMMAR: tuple[tuple[str, str], ...] = (
    # ld.so and dlopen.
    (
        "undefined-symbol",
        rf"(?:(?P<library>{_LIBRARY})\s*:\s*)?(?i:undefined symbol)\s*:?\s*{QUOTE}?(?P<symbol>{_MANGLED}){QUOTE}?"
        r"(?:\s*,?\s*version (?P<version>[\w.]+))?",
    ),
    (
        "undefined-symbol",
        rf"(?P<library>{_LIBRARY})\s*: (?:symbol (?P<symbol>{_MANGLED}),? version (?P<version>\S+) not defined in file"
        r" (?P<provider>\S+))",
    ),
    # The same in other languages: a library, a colon, some words, a colon, a mangled name.
    ("undefined-symbol", rf"(?P<library>{_LIBRARY})\s*:\s[^:]{{3,60}}:\s{QUOTE}?(?P<symbol>_Z\w+){QUOTE}?"),
    ("missing-library", rf"(?P<library>[\w.+-]+\.so(?:\.[\w.]+)?)\s*:\s.{{3,80}}:\s{ENOENT}"),
    ("missing-library", r"(?P<library>[\w./+-]+\.so(?:\.[\w.]+)?)\s*:\s*cannot open shared object file"),
    ("missing-library", r"(?P<library>[\w.+-]+\.so(?:\.[\w.]+)?)\s*=>\s*not found"),
    ("missing-library", r"(?P<library>lib[\w.+-]+\.so(?:\.[\w.]+)?), needed by (?P<needed_by>[^\s,]+), not found"),
    (
        "missing-version",
        rf"(?:(?P<library>{_LIBRARY})\s*:\s.*?)?{QUOTE}(?P<version>(?P<namespace>[A-Za-z][A-Za-z0-9_]*?)_[\d.]+){QUOTE}"
        r"\s*[^()\s].*?(?:\(\D*?\s(?P<needed_by>/?[^\s()]+)\))?\s*$",
    ),
    # ld, lld, gold, mold.
    (
        "undefined-reference",
        rf"(?i:undefined reference to|undefined symbol:|Undefined symbols?.*:)\s*{QUOTE}*(?P<symbol>[^`'\"‘’«»\n]+?)"
        rf"\s*(?:{QUOTE}|$)",
    ),
    (
        "undefined-reference",
        rf"\(\.(?:text|data|rodata|gcc_except)[^)]*\+0x[0-9a-f]+\)\s*:\s.*?[`‘«“„「'](?P<symbol>[^`'‘’«»“”„「」]+)['’»”“」]",
    ),
    (
        "missing-link-library",
        r"(?:\bld(?:\.\w+)?(?:\.exe)?|collect2|mold|lld)\s*: (?:[^-\s][^-]*\s)?-l(?P<library>[\w.+:-]+)",
    ),
    ("missing-link-library", r"unable to find library -l(?P<library>[\w.+:-]+)"),
    # Preprocessors.
    (
        "missing-header",
        rf"(?:(?P<file>[^\s:()]+)[:(]\d+[^\s]*:?\s)?.*?:\s*{QUOTE}?(?P<header>[\w./+-]+\.(?:h|hh|hpp|hxx|cuh|inc|inl|ipp))"
        rf"{QUOTE}?\s*:\s*{ENOENT}",
    ),
    ("missing-header", rf"{QUOTE}(?P<header>[\w./+-]+){QUOTE} file not found"),
    ("missing-header", rf"cannot open (?:source|include) file:? {QUOTE}?(?P<header>[\w./+-]+){QUOTE}?"),
    ("hash-error", r"#\s*error:?\s+(?:--\s*)?(?P<text>\S.*)"),
    ("hash-error", r"error: (?:--\s*)(?P<text>unsupported .*)"),
    # Compilers.
    (
        "no-member",
        rf"{QUOTE}(?P<type>[^`'‘’«»]+){QUOTE}[^`'‘’«»]*(?:has no member|no member)(?: named)? {QUOTE}(?P<member>[^`'‘’«»]+){QUOTE}",
    ),
    (
        "no-member",
        rf"no member named {QUOTE}(?P<member>[^'‘’`]+){QUOTE} in (?:namespace )?{QUOTE}(?P<type>[^'‘’`]+){QUOTE}",
    ),
    ("no-member", rf"{QUOTE}(?P<member>[^`'‘’«»]+){QUOTE} is not a member of {QUOTE}(?P<type>[^`'‘’«»]+){QUOTE}"),
    (
        "no-member",
        r"(?:class|struct|namespace) \"(?P<type>[^\"]+)\" has no member \"(?P<member>[^\"]+)\"",
    ),
    (
        "undeclared",
        rf"{QUOTE}(?P<name>[^`'‘’«»]+){QUOTE} (?:was not declared in this scope|has not been declared|does not name a type|undeclared)",
    ),
    ("undeclared", rf"use of undeclared identifier {QUOTE}(?P<name>[^'‘’`]+){QUOTE}"),
    ("undeclared", r"identifier \"(?P<name>[^\"]+)\" is undefined"),
    ("unsupported-arch", rf"(?i:unsupported gpu architecture) {QUOTE}?(?P<arch>(?:compute|sm|lto)_\w+)"),
    ("unsupported-arch", rf"(?i:value) {QUOTE}(?P<arch>(?:compute|sm)_\w+){QUOTE} is not defined for option"),
    ("unsupported-arch", r"(?P<arch>sm_\d+[a-z]?) is not compatible with the current PyTorch"),
    ("nvcc-fatal", r"\b(?:nvcc|ptxas|nvlink|fatbinary|cudafe\+\+)(?:\.exe)?\s*(?:fatal|error)\s*:\s*(?P<text>\S.*)"),
    ("compiler-killed", r"(?i:Killed)\s*(?:\(?program|signal terminated program) (?P<program>\w+)"),
    (
        "compiler-killed",
        r"internal compiler error: Killed|virtual memory exhausted|\b(?:cc1plus|cicc|ptxas|nvcc|clang\S*)\b.*\bKilled\b",
    ),
    (
        "compiler-killed",
        rf"out of memory allocating \d+ bytes|{QUOTE}?(?P<program>cicc|ptxas|cudafe\+\+|cc1plus){QUOTE}? died due to signal 9",
    ),
    # CMake.
    (
        "cmake-package",
        rf"(?i:could not find a package configuration file provided by) {QUOTE}(?P<package>[^\"']+){QUOTE}",
    ),
    ("cmake-package", r"(?i:could not find) (?P<package>[\w.+-]+) \((?i:missing): (?P<missing>[^()]+)\)"),
    ("cmake-package", rf"By not providing {QUOTE}Find(?P<package>[^\"']+)\.cmake{QUOTE}"),
    ("cmake-error", r"CMake Error at (?P<file>[^\s:]+(?: [^\s:]+)*?):(?P<number>\d+) \((?P<command>\w+)\)"),
    (
        "cmake-minimum",
        r"CMake (?P<required>\d+\.\d+(?:\.\d+)?)(?: or higher is required|.*required).*running version (?P<running>[\d.]+)",
    ),
    ("cmake-minimum", r"Compatibility with CMake < (?P<limit>[\d.]+) has been removed"),
    # Python.
    ("missing-module", rf"No module named:? {QUOTE}?(?P<module>[\w.]+){QUOTE}?"),
    (
        "missing-name",
        rf"cannot import name {QUOTE}?(?P<name>\w+){QUOTE}?(?: from (?:partially initialized module )?{QUOTE}?(?P<module>[\w.]+))?",
    ),
    (
        "python-exception",
        r"(?:^|[>:\s])(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning))\s*:\s*(?P<text>\S.*)",
    ),
    # Run time.
    ("cuda-error", r"(?i:CUDA(?: driver| runtime)? error)(?: code)?\s*[:=(]?\s*(?P<text>\S.*)"),
    ("cuda-error", r"\b(?P<code>cudaError[A-Z]\w+|CUDA_ERROR_[A-Z_]+)\b"),
    ("cuda-error", r"\b[Ee]rror (?P<code>\d{1,3}): (?P<text>[a-z].*)"),
    (
        "container-error",
        r"(?:docker: Error response from daemon|nvidia-container-cli|OCI runtime \w+ failed)\s*:\s*(?P<text>\S.*)",
    ),
    (
        "command-not-found",
        r"(?:^|[\s:])(?P<program>[\w./+-]+): (?:command not found|not found|commande introuvable|Befehl nicht gefunden|未找到命令|orden no encontrada)",
    ),
)


class Message(msgspec.Struct, frozen=True):
    """What a tool said: its kind and its fields; a field that was not told is not there."""

    kind: str
    fields: dict[str, str]


# Fields that no group of the grammar yields: derived from those it does.
_DERIVED: Mapping[str, tuple[str, ...]] = {
    "undefined-symbol": ("demangled", "abi"),
    "undefined-reference": ("demangled", "abi"),
    "missing-module": ("package",),
    "cmake-error": (),
}


def _fields() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for kind, pattern in GRAMMAR:
        found.setdefault(kind, set(_DERIVED.get(kind, ()))).update(re.findall(r"\(\?P<(\w+)>", pattern))
    return {kind: frozenset(fields) for kind, fields in found.items()}


FIELDS: Mapping[str, frozenset[str]] = _fields()


def message(kind: str, groups: Mapping[str, str | None]) -> Message:
    """The message of a line that one of the kind's patterns was found in."""
    fields = {name: text.strip() for name, text in groups.items() if text and text.strip()}
    derive = _derivations().get(kind)
    return Message(kind, derive(fields) if derive else fields)


@cache
def _derivations() -> Mapping[str, Callable[[dict[str, str]], dict[str, str]]]:
    return {
        "undefined-symbol": _with_symbol,
        "undefined-reference": _with_symbol,
        "missing-module": _with_package,
    }


def _with_symbol(fields: dict[str, str]) -> dict[str, str]:
    from envdoctor.elf.demangle import demangle
    from envdoctor.elf.mangled import qualified

    name = fields.get("symbol", "")
    mangled = name.lstrip("_") if name.startswith("__Z") else name
    mangled = f"_{mangled}" if mangled.startswith("Z") else mangled
    demangled = demangle(mangled.encode()) if mangled.startswith("_Z") else name
    if demangled.startswith("_Z"):
        # Damaged or cut off; the names at its beginning still say whose it is.
        demangled = qualified(mangled.encode()) or demangled
    return {**fields, "demangled": demangled, "abi": _string_abi(mangled, demangled)}


def _string_abi(mangled: str, demangled: str) -> str:
    """`new` or `old` std::string in the name; empty where it holds none."""
    if "__cxx11" in demangled or "B5cxx11" in mangled or "[abi:cxx11]" in demangled:
        return "new"
    has_string = (
        "std::string" in demangled or "std::basic_string" in demangled or re.search(r"(?:^|[a-zA-Z_])Ss", mangled)
    )
    return "old" if has_string else ""


def _with_package(fields: dict[str, str]) -> dict[str, str]:
    return {**fields, "package": fields["module"].partition(".")[0]}
