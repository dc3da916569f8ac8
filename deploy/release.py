"""Packs the functions of a release, and looks at those that somebody wants to deploy. Needs nothing but Python.

    release.py pack arm64 target/lambda dist    <function>-arm64.zip of each <function>/bootstrap
    release.py stage all arm64 dist TO          the zips of dist and a template that names them, for `sam deploy`
    release.py static dist/devkit-..            fails if it needs a loader, and so a C library, of the machine
    release.py sums dist                        SHA256SUMS of all files there
"""

import hashlib
import re
import shutil
import struct
import sys
import zipfile
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parent.parent / "template.yaml"
# The field e_machine of an ELF file.
MACHINES = {"arm64": 183, "x86_64": 62}
FUNCTIONS = {
    "stripe": "StripeFunction",
    "fastspring": "FastSpringFunction",
    "paddle": "PaddleFunction",
}
SUMS = "SHA256SUMS"


class Wrong(Exception):
    """What is there is not what it should be."""


def name_of(platform, architecture):
    return f"{platform}-webhook-{architecture}.zip"


def architecture_of(binary):
    """What 64-bit, little-endian ELF file it is; None for anything else."""
    if len(binary) < 20 or binary[:6] != b"\x7fELF\x02\x01":
        return None
    (machine,) = struct.unpack_from("<H", binary, 18)
    return next((name for name, number in MACHINES.items() if number == machine), None)


def static(path):
    binary = Path(path).read_bytes()
    if architecture_of(binary) is None:
        raise Wrong(f"{path} is not an ELF file")
    (offset,) = struct.unpack_from("<Q", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 54)
    types = [struct.unpack_from("<I", binary, offset + size * number)[0] for number in range(count)]
    # PT_INTERP
    if 3 in types:
        raise Wrong(f"{path} is not static")


def pack(architecture, built, dist):
    """The same binary gives the same zip, on whatever day."""
    Path(dist).mkdir(parents=True, exist_ok=True)
    for platform in FUNCTIONS:
        path = Path(built) / f"{platform}-webhook" / "bootstrap"
        binary = path.read_bytes()
        if architecture_of(binary) != architecture:
            raise Wrong(f"{path} is not an ELF file for {architecture}")
        entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
        entry.create_system = 3
        entry.external_attr = 0o100755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(Path(dist) / name_of(platform, architecture), "w") as archive:
            archive.writestr(entry, binary, compresslevel=9)


def checked(path, architecture, sums):
    """The bytes of a zip that Lambda could run."""
    if not path.is_file():
        raise Wrong(f"{path} is not there")
    content = path.read_bytes()
    if sums is not None and sums.get(path.name) != hashlib.sha256(content).hexdigest():
        raise Wrong(f"{path} is not what {path.parent / SUMS} says")
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo("bootstrap")
            binary = archive.read(entry)
    except (zipfile.BadZipFile, KeyError):
        raise Wrong(f"{path} is not a zip with a file bootstrap") from None
    if not entry.external_attr >> 16 & 0o111:
        raise Wrong(f"bootstrap in {path} may not be executed")
    if architecture_of(binary) != architecture:
        raise Wrong(f"bootstrap in {path} is not an ELF file for {architecture}")
    return content


def known_sums(folder):
    path = folder / SUMS
    if not path.is_file():
        return None
    lines = (line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip())
    return {name.lstrip("*"): digest for digest, name in lines}


def stage(platform, architecture, zips, to):
    zips, to = Path(zips), Path(to)
    if architecture not in MACHINES:
        raise Wrong(f"ARCHITECTURE={architecture} must be arm64 or x86_64")
    sums = known_sums(zips)
    wanted = list(FUNCTIONS) if platform == "all" else [platform]
    # All of them before anything is written.
    contents = {it: checked(zips / name_of(it, architecture), architecture, sums) for it in wanted}
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    uris = {}
    for it, function in FUNCTIONS.items():
        if it in contents:
            uris[function] = name_of(it, architecture)
            (to / uris[function]).write_bytes(contents[it])
        else:
            # `sam deploy` uploads something for every function, also for those whose condition does not hold.
            uris[function] = "not-deployed"
            (to / uris[function]).mkdir(exist_ok=True)
            (to / uris[function] / "README").write_text("PLATFORM names another function.\n")
    (to / "template.yaml").write_text(template_with(TEMPLATE.read_text(), uris))


def template_with(template, uris):
    """As `sam build` writes it, which also puts a place for each CodeUri."""
    lines, resource, left = [], None, dict(uris)
    for line in template.splitlines():
        if top := re.match(r"  (\w+):\s*$", line):
            resource = top[1]
        if re.match(r"\s+CodeUri: \.\s*$", line) and resource in left:
            line = line.replace("CodeUri: .", f"CodeUri: {left.pop(resource)}")
        lines.append(line)
    if left:
        raise Wrong(f"template.yaml has no CodeUri for {', '.join(left)}")
    return "\n".join(lines) + "\n"


def sums(dist):
    files = sorted(it for it in Path(dist).iterdir() if it.is_file() and it.name != SUMS)
    lines = (f"{hashlib.sha256(it.read_bytes()).hexdigest()}  {it.name}\n" for it in files)
    (Path(dist) / SUMS).write_text("".join(lines))


def main(command, *arguments):
    try:
        {"pack": pack, "stage": stage, "static": static, "sums": sums}[command](*arguments)
    except (Wrong, OSError) as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main(*sys.argv[1:])
