"""What the binary is made of: `components.py list TARGET VERSION` prints it as CycloneDX 1.5, `components.py licences
TARGET` the licences of all crates of others that are built in. Reads `cargo metadata` and Cargo.lock alone, no network.
"""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

BINARY = "keywright-server"
LICENCE_FILES = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)


def metadata(target):
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", target]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def built_in(meta):
    """The packages that the binary is made of, by id, and what each depends on; tests and build scripts left out."""
    nodes = {node["id"]: node for node in meta["resolve"]["nodes"]}
    packages = {package["id"]: package for package in meta["packages"]}
    macros = {
        id for id, package in packages.items() if any("proc-macro" in target["kind"] for target in package["targets"])
    }
    root = next(id for id in meta["workspace_members"] if packages[id]["name"] == BINARY)
    edges, waiting = {}, [root]
    while waiting:
        id = waiting.pop()
        if id in edges:
            continue
        edges[id] = sorted(
            dependency["pkg"]
            for dependency in nodes[id]["deps"]
            # Without a kind it is neither for tests nor for building.
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]) and dependency["pkg"] not in macros
        )
        waiting += edges[id]
    return root, {id: packages[id] for id in edges}, edges


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    found = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        # Older crates write a slash where SPDX has OR.
        expression = re.sub(r"\s*/\s*", " OR ", package["license"])
        found["licenses"] = [{"expression": expression}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


def list_components(target, version):
    meta = metadata(target)
    root, packages, edges = built_in(meta)
    lock = tomllib.loads((pathlib.Path(meta["workspace_root"]) / "Cargo.lock").read_text(encoding="utf-8"))
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}
    if packages[root]["version"] != version:
        sys.exit(f"the binary is version {version}, the sources are {packages[root]['version']}")
    own = component(packages[root], checksums) | {"type": "application", "name": "keywright"}
    others = [component(package, checksums) for id, package in packages.items() if id != root]
    others.sort(key=lambda entry: entry["bom-ref"])
    dependencies = [
        {"ref": purl(packages[id]), "dependsOn": sorted(purl(packages[to]) for to in edges[id])} for id in packages
    ]
    dependencies.sort(key=lambda entry: entry["ref"])
    time = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    content = json.dumps([own, others, dependencies, target], sort_keys=True)
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # The same content has the same number.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": own,
            "properties": [{"name": "cargo:target", "value": target}],
        },
        "components": others,
        "dependencies": dependencies,
    }
    json.dump(bom, sys.stdout, indent=1, sort_keys=True)
    print()


def licence_texts(package):
    """The texts that a package comes with, beside its manifest and in what it has taken over from others."""
    folder = pathlib.Path(package["manifest_path"]).parent
    named = [path for path in folder.rglob("*") if path.is_file() and LICENCE_FILES.match(path.name)]
    # Sources may be named so as well.
    texts = [path for path in named if path.suffix.lower() in ("", ".md", ".txt", ".apache", ".mit", ".bsl", ".boost")
             or re.match(r"(?i)licen[cs]e[-._]", path.name) and path.suffix not in (".rs", ".c", ".h", ".py", ".go")]
    return sorted({path.read_text(encoding="utf-8", errors="replace").strip() for path in texts})


def licences(target):
    root, packages, _ = built_in(metadata(target))
    by_text, without = {}, []
    for package in packages.values():
        if package["source"] is None:
            continue
        name = f"{package['name']} {package['version']}"
        texts = licence_texts(package)
        if not texts:
            without.append(f"{name}: {package['license']}, {', '.join(package['authors']) or package['repository']}")
        for text in texts:
            by_text.setdefault(text, []).append(name)
    print("What keywright is built from besides its own sources, and under which licences.")
    for text, names in sorted(by_text.items(), key=lambda entry: sorted(entry[1])):
        print("\n" + "=" * 100 + "\n" + "\n".join(sorted(names)) + "\n" + "-" * 100 + "\n" + text)
    if without:
        print("\n" + "=" * 100 + "\nWithout a text of their own:\n" + "\n".join(sorted(without)))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["list", target, version]:
            list_components(target, version)
        case ["licences", target]:
            licences(target)
        case _:
            sys.exit(__doc__)
