"""Writes a CycloneDX bill of what the released programs are made of, from what `cargo metadata` says.

    cargo metadata --locked --format-version 1 --filter-platform .. | sbom.py Cargo.lock > payment-webhooks.cdx.json

Only what is linked: no crates for tests, build scripts, macros or other platforms. The same input gives the same bytes.
"""

import json
import re
import sys
import uuid
from pathlib import Path

PROGRAMS = ["stripe-webhook", "fastspring-webhook", "paddle-webhook", "devkit"]


def checksums(lock):
    """Of each package that comes from a registry, by name and version."""
    packages = re.findall(r'\[\[package\]\]\nname = "(.+)"\nversion = "(.+)"\n(?:.+\n)*?checksum = "(.+)"', lock)
    return {(name, version): digest for name, version, digest in packages}


def is_macro(package):
    """It runs in the compiler, and so do the crates that only it needs."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def linked(nodes, packages, roots):
    """What the roots are linked with, and what each of those needs directly."""
    found, waiting = {}, list(roots)
    while waiting:
        it = waiting.pop()
        if it in found:
            continue
        found[it] = sorted(
            dependency["pkg"]
            for dependency in nodes[it]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]) and not is_macro(packages[dependency["pkg"]])
        )
        waiting += found[it]
    return found


def component(package, digests):
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    made = {
        "type": "application" if name in PROGRAMS else "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
    }
    if package["source"]:
        made["purl"] = purl
    if package.get("license"):
        # Cargo still knows the old way to write "or".
        made["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    if (name, version) in digests:
        made["hashes"] = [{"alg": "SHA-256", "content": digests[name, version]}]
    return made


def bill(metadata, lock):
    packages = {it["id"]: it for it in metadata["packages"]}
    nodes = {it["id"]: it for it in metadata["resolve"]["nodes"]}
    own = {packages[it]["name"]: it for it in metadata["workspace_members"]}
    found = linked(nodes, packages, [own[name] for name in PROGRAMS])
    digests = checksums(lock)
    made = {it: component(packages[it], digests) for it in found}
    if missing := sorted(it["name"] for it in made.values() if "purl" in it and "hashes" not in it):
        sys.exit(f"Cargo.lock has no checksum for {', '.join(missing)}")
    version = packages[own[PROGRAMS[0]]]["version"]
    everything = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "payment-webhooks",
                "name": "payment-webhooks",
                "version": version,
            }
        },
        "components": sorted(made.values(), key=lambda it: it["bom-ref"]),
        "dependencies": [
            {"ref": "payment-webhooks", "dependsOn": sorted(made[own[it]]["bom-ref"] for it in PROGRAMS)},
            *sorted(
                (
                    {"ref": made[it]["bom-ref"], "dependsOn": sorted({made[of]["bom-ref"] for of in needs})}
                    for it, needs in found.items()
                ),
                key=lambda it: it["ref"],
            ),
        ],
    }
    name = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(everything, sort_keys=True))
    return {"serialNumber": f"urn:uuid:{name}"} | everything


def main(lock):
    json.dump(bill(json.load(sys.stdin), Path(lock).read_text()), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
