"""Tries release.py and sbom.py on small files of its own, good and bad ones, and looks at the lists of Python packages."""

import hashlib
import io
import json
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import release
import sbom

ROOT = Path(__file__).resolve().parent.parent
# Every list of packages that the Makefile installs.
LISTS = [*ROOT.glob("deploy/requirements*.txt"), *ROOT.glob("crates/devkit/*/requirements.txt")]


def binary(machine=183, start=b"\x7fELF\x02\x01"):
    return start.ljust(18, b"\0") + machine.to_bytes(2, "little") + b"code"


def zipped(content, name="bootstrap", mode=0o755):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, content)
    return file.getvalue()


GOOD = zipped(binary())
# Zips as somebody may have them, the platform, the architecture; and what is said, which is nothing where they are fine.
ZIPS = [
    ({"stripe-webhook-arm64.zip": GOOD}, "stripe", "arm64", ""),
    ({f"{it}-webhook-arm64.zip": GOOD for it in release.FUNCTIONS}, "all", "arm64", ""),
    ({"paddle-webhook-x86_64.zip": zipped(binary(62))}, "paddle", "x86_64", ""),
    ({"stripe-webhook-arm64.zip": GOOD}, "all", "arm64", "fastspring-webhook-arm64.zip is not there"),
    ({"stripe-webhook-arm64.zip": GOOD}, "stripe", "x86_64", "stripe-webhook-x86_64.zip is not there"),
    ({"stripe-webhook-arm64.zip": GOOD}, "stripe", "riscv", "ARCHITECTURE=riscv must be arm64 or x86_64"),
    ({"stripe-webhook-arm64.zip": b"PK"}, "stripe", "arm64", "stripe-webhook-arm64.zip is not a zip with a file bootstrap"),
    ({"stripe-webhook-arm64.zip": zipped(binary(), "main")}, "stripe", "arm64", "is not a zip with a file bootstrap"),
    ({"stripe-webhook-arm64.zip": zipped(binary(), mode=0o644)}, "stripe", "arm64", "may not be executed"),
    ({"stripe-webhook-arm64.zip": zipped(binary(62))}, "stripe", "arm64", "is not an ELF file for arm64"),
    ({"stripe-webhook-arm64.zip": zipped(binary(start=b"\x7fELF\x01\x01"))}, "stripe", "arm64", "is not an ELF file for arm64"),
    ({"stripe-webhook-arm64.zip": zipped(b"#!/bin/sh")}, "stripe", "arm64", "is not an ELF file for arm64"),
    ({"stripe-webhook-arm64.zip": GOOD, release.SUMS: b"00  stripe-webhook-arm64.zip\n"}, "stripe", "arm64", "is not what"),
    ({"stripe-webhook-arm64.zip": GOOD, release.SUMS: b"00  other.zip\n"}, "stripe", "arm64", "is not what"),
    (
        {
            "stripe-webhook-arm64.zip": GOOD,
            release.SUMS: f"{hashlib.sha256(GOOD).hexdigest()}  stripe-webhook-arm64.zip\n".encode(),
        },
        "stripe",
        "arm64",
        "",
    ),
]


def check_zips():
    for files, platform, architecture, says in ZIPS:
        with tempfile.TemporaryDirectory() as folder:
            dist, to = Path(folder) / "dist", Path(folder) / "to"
            dist.mkdir()
            for name, content in files.items():
                (dist / name).write_bytes(content)
            try:
                release.stage(platform, architecture, dist, to)
                said = ""
            except release.Wrong as problem:
                said = str(problem)
            if says not in said or bool(says) != bool(said):
                yield f"{sorted(files)} for {platform}, {architecture}: said {said!r}, must say {says!r}"
            elif says and to.exists():
                yield f"{sorted(files)} for {platform}, {architecture}: was refused, and written nevertheless"
            elif not says:
                yield from wrong_with_stage(files, platform, architecture, to)


def wrong_with_stage(files, platform, architecture, to):
    """The template must name for each function the zip of its own, unchanged."""
    found = re.findall(r"^  (\w+Function):$(?:\n(?!  \w).*)*?\n      CodeUri: (\S+)", (to / "template.yaml").read_text(), re.M)
    wanted = {
        function: release.name_of(it, architecture) if platform in (it, "all") else "not-deployed"
        for it, function in release.FUNCTIONS.items()
    }
    if dict(found) != wanted:
        yield f"{platform}, {architecture}: the template names {dict(found)}, must name {wanted}"
    for name in set(wanted.values()) - {"not-deployed"}:
        if (to / name).read_bytes() != files[name]:
            yield f"{platform}, {architecture}: {name} was changed"


def check_pack():
    with tempfile.TemporaryDirectory() as folder:
        built, dist = Path(folder) / "built", Path(folder) / "dist"
        for it in release.FUNCTIONS:
            (built / f"{it}-webhook").mkdir(parents=True)
            (built / f"{it}-webhook" / "bootstrap").write_bytes(binary() + it.encode())
        release.pack("arm64", built, dist)
        first = {it.name: it.read_bytes() for it in dist.iterdir()}
        release.pack("arm64", built, dist)
        if first != {it.name: it.read_bytes() for it in dist.iterdir()}:
            yield "pack: a second run packs other bytes"
        release.sums(dist)
        release.sums(dist)
        release.stage("all", "arm64", dist, Path(folder) / "to")
        lines = (dist / release.SUMS).read_text().splitlines()
        if lines != [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in sorted(first.items())]:
            yield f"sums: {lines}"
        try:
            release.pack("x86_64", built, dist)
            yield "pack: packed functions for another architecture"
        except release.Wrong:
            pass


def check_static():
    """PT_LOAD is 1, PT_INTERP 3, PT_PHDR 6."""
    for types, says in (([1, 6], ""), ([6, 3, 1], "is not static"), (None, "is not an ELF file")):
        with tempfile.NamedTemporaryFile() as file:
            headers = b"".join(it.to_bytes(4, "little") + bytes(52) for it in types or [])
            head = binary()[:20].ljust(32, b"\0") + (64).to_bytes(8, "little")
            head = head.ljust(54, b"\0") + (56).to_bytes(2, "little") + len(types or []).to_bytes(2, "little")
            file.write(b"#!/bin/sh" if types is None else head.ljust(64, b"\0") + headers)
            file.flush()
            try:
                release.static(file.name)
                said = ""
            except release.Wrong as problem:
                said = str(problem)
            if not said.endswith(says) or bool(says) != bool(said):
                yield f"static: headers {types}: said {said!r}, must say {says!r}"


def package(name, source="registry", kind="lib"):
    return {
        "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": source,
        "targets": [{"kind": [kind]}],
    }


def check_sbom():
    programs = [package(name, None) for name in sbom.PROGRAMS]
    others = [package("linked"), package("deep"), package("tests"), package("build"), package("macro", kind="proc-macro")]

    def needs(*pairs):
        return [{"pkg": name, "dep_kinds": [{"kind": kind}]} for name, kind in pairs]

    of = {
        sbom.PROGRAMS[0]: needs(("linked", None), ("tests", "dev"), ("macro", None)),
        "linked": needs(("deep", None), ("build", "build")),
    }
    metadata = {
        "packages": programs + others,
        "resolve": {"nodes": [{"id": it["id"], "deps": of.get(it["id"], [])} for it in programs + others]},
        "workspace_members": sbom.PROGRAMS,
    }
    lock = "".join(
        f'[[package]]\nname = "{name}"\nversion = "1.0.0"\nsource = "registry"\nchecksum = "{name}-sum"\n\n'
        for name in ("linked", "deep")
    )
    bill = sbom.bill(metadata, lock)
    found = {it["name"]: (it.get("purl"), it.get("hashes", [{}])[0].get("content")) for it in bill["components"]}
    wanted = dict.fromkeys(sbom.PROGRAMS, (None, None)) | {
        name: (f"pkg:cargo/{name}@1.0.0", f"{name}-sum") for name in ("linked", "deep")
    }
    if found != wanted:
        yield f"sbom: {found}, must be {wanted}"
    if {it["licenses"][0]["expression"] for it in bill["components"]} != {"MIT OR Apache-2.0"}:
        yield "sbom: a license is not an expression of SPDX"
    depends = {it["ref"]: it["dependsOn"] for it in bill["dependencies"]}
    if depends.get("pkg:cargo/linked@1.0.0") != ["pkg:cargo/deep@1.0.0"]:
        yield f"sbom: {depends}"
    if json.dumps(bill) != json.dumps(sbom.bill(metadata, lock)):
        yield "sbom: a second run says something else"
    try:
        sbom.bill(metadata, "")
        yield "sbom: a package without a checksum was taken"
    except SystemExit:
        pass


def check_lists():
    for path in LISTS:
        text = path.read_text().replace("\\\n", " ")
        packages = [line for line in text.splitlines() if not line.startswith("#")]
        if not packages:
            yield f"{path.name}: no packages"
        for it in packages:
            if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", it) or "://" in it:
                yield f"{path.name}: {it.split()[0]} must have one version and a hash, and name no place"


def main():
    checks = [check_zips, check_pack, check_static, check_sbom, check_lists]
    problems = [problem for check in checks for problem in check()]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"deploy/release.py, sbom.py and {len(LISTS)} lists of packages: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
