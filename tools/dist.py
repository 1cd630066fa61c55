"""Make a release: sdist, wheel, a folder of wheels, Debian package, RPM, Arch package, SBOM, checksums.

    python3 tools/dist.py                     all of it, into dist/
    python3 tools/dist.py wheel deb           some of it: wheel, deb, rpm, arch
    python3 tools/dist.py --python /usr/bin/python3.13 rpm

The packages hold a virtual environment of their own under /opt, made for the Python that is named, from wheels
alone. What a kind needs and the system lacks (dpkg-deb, rpmbuild, makepkg) is named, and the others are made.
The weights of dlib's model are in none of them: their licence excludes commercial use.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from package_tree import Target, make_tree

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
TOOLS = ("build>=1.6,<2", "twine>=7,<8", "cyclonedx-bom>=7.5,<8")
NEEDS = {
    "deb": ("dpkg-deb", "sudo apt install dpkg"),
    "rpm": ("rpmbuild", "sudo apt install rpm; Fedora: sudo dnf install rpm-build"),
    "arch": ("makepkg", "sudo apt install makepkg libarchive-tools; Arch: sudo pacman -S base-devel"),
}
KINDS = ("wheel", *NEEDS)


def run(*words: object, cwd: Path = ROOT, **environ: str) -> None:
    """Run a command; end with what it printed where it fails."""
    command = [str(word) for word in words]
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nlivewarp: failed with status {done.returncode}: {' '.join(command)}")


def environment(folder: Path, *requirements: str) -> Path:
    """A virtual environment of the Python that runs this, with these packages; its Python."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", ROOT / "requirements-build.txt")
    if requirements:
        run(python, "-m", "pip", "install", "--quiet", *requirements)
    return python


def make_wheel(python: Path, out: Path) -> Path:
    """Build the sdist and, from it, the wheel; check their metadata. The wheel."""
    with tempfile.TemporaryDirectory() as folder:
        run(python, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
        made = sorted(Path(folder).iterdir())
        run(python, "-m", "twine", "check", "--strict", *made)
        for path in made:
            shutil.move(path, out / path.name)
    return next(out.glob("livewarp-*.whl"))


def pins(folder: Path) -> Path:
    """The pinned requirements without dlib's weights, which no bundle may hold."""
    blocks: list[list[str]] = []
    for line in (ROOT / "requirements.txt").read_text().splitlines(keepends=True):
        if line[0].isspace() and blocks:
            blocks[-1].append(line)
        else:
            blocks.append([line])
    kept = [block for block in blocks if "face_recognition_models" not in block[0].replace("-", "_")]
    assert len(kept) < len(blocks), "requirements.txt no longer names the weights"
    path = folder / "pins.txt"
    path.write_text("".join(line for block in kept for line in block))
    return path


def collect_wheels(python: Path, pinned: Path, wheel: Path, target: Target, folder: Path) -> None:
    """Fill a folder with all wheels that the target needs; no source is downloaded, nothing else is needed."""
    options = ("--only-binary", ":all:", "--python-version", target.python, "--implementation", "cp")
    platforms = [word for tag in target.tags for word in ("--platform", tag)]
    run(python, "-m", "pip", "download", "-q", "--no-deps", "-r", pinned, "-d", folder, *options, *platforms)
    run(python, "-m", "pip", "download", "-q", "--no-deps", "-r", ROOT / "requirements-build.txt", "-d", folder)
    shutil.copy(wheel, folder)


def make_deb(tree: Path, target: Target, out: Path) -> None:
    """Wrap the tree for Debian and Ubuntu."""
    size_kb = sum(path.lstat().st_size for path in tree.rglob("*")) // 1024
    text = (PACKAGING / "control").read_text()
    control = tree / "DEBIAN" / "control"
    control.parent.mkdir()
    shutil.copy(PACKAGING / "postrm", control.parent)
    control.write_text(text.format(size_kb=size_kb, architecture=target.debian, **target.words()))
    name = f"livewarp_{target.version}-1_{target.debian}.deb"
    run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z10", "--build", tree, out / name)
    shutil.rmtree(control.parent)


def make_rpm(tree: Path, target: Target, out: Path) -> None:
    """Wrap the tree for Fedora, RHEL and openSUSE with the target's Python."""
    with tempfile.TemporaryDirectory() as top:
        words = {"tree": tree, **target.words()}
        given = [word for name, value in words.items() for word in ("--define", f"livewarp_{name} {value}")]
        folders = ("--define", f"_topdir {top}", "--define", "_binary_payload w10.zstdio")
        run("rpmbuild", "-bb", "--quiet", "--target", target.machine, *folders, *given, PACKAGING / "livewarp.spec")
        for path in Path(top).rglob("*.rpm"):
            shutil.move(path, out / path.name)


def make_arch(tree: Path, target: Target, out: Path) -> None:
    """Wrap the tree for Arch with the target's Python. makepkg refuses to run as root."""
    with tempfile.TemporaryDirectory() as top:
        shutil.copy(PACKAGING / "PKGBUILD", top)
        given = {f"LIVEWARP_{name.upper()}": value for name, value in target.words().items()}
        given |= {"LIVEWARP_TREE": str(tree), "PKGDEST": top, "PKGEXT": ".pkg.tar.zst"}
        command: tuple[str, ...] = ("makepkg", "--nodeps", "--noconfirm", "--force")
        if os.geteuid() == 0:
            for path in (Path(top), tree.parent):
                path.chmod(0o777)
            command = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command)
            given["HOME"] = top
        run(*command, cwd=Path(top), CARCH=target.machine, **given)
        for path in Path(top).glob("*.pkg.tar.zst"):
            shutil.move(path, out / path.name)


MAKE = {"deb": make_deb, "rpm": make_rpm, "arch": make_arch}


def write_sums(out: Path) -> None:
    """Write SHA256SUMS of all files in the folder."""
    files = sorted(path for path in out.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (out / "SHA256SUMS").write_text("".join(lines))


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; none: all")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder to write to [dist]")
    parser.add_argument("--python", default="/usr/bin/python3", help="the Python the packages are for [%(default)s]")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"KIND: got {', '.join(sorted(unknown))}, allowed: {', '.join(KINDS)}")
    kinds = options.kinds or list(KINDS)
    missing = {kind: NEEDS[kind] for kind in kinds if kind in NEEDS and shutil.which(NEEDS[kind][0]) is None}
    for kind, (program, remedy) in missing.items():
        print(f"livewarp: {kind}: {program} is missing ({remedy}); the others are made", file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    for old in options.out.glob("livewarp*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        work.chmod(0o755)
        print("livewarp: building sdist and wheel ...", flush=True)
        python = environment(work / "tools", *TOOLS)
        wheel = make_wheel(python, options.out)
        packages = [kind for kind in kinds if kind in MAKE and kind not in missing]
        if packages:
            target = Target.of(Path(options.python), wheel)
            print(f"livewarp: collecting wheels for Python {target.python} on {target.machine} ...", flush=True)
            (work / "wheels").mkdir()
            collect_wheels(python, pins(work), wheel, target, work / "wheels")
            tree = make_tree(work / "package" / "tree", python, target, work / "wheels", pins(work))
            bom = options.out / f"livewarp-{target.version}.cdx.json"
            inside = tree / "opt" / "livewarp" / "bin" / "python"
            run(work / "tools" / "bin" / "cyclonedx-py", "environment", "--output-reproducible", "-o", bom, inside)
            shutil.copy(bom, tree / "usr" / "share" / "doc" / "livewarp" / "sbom.cdx.json")
            for kind in packages:
                print(f"livewarp: making {kind} ...", flush=True)
                MAKE[kind](tree, target, options.out)
        write_sums(options.out)
    for path in sorted(options.out.iterdir()):
        print(f"{path.stat().st_size / 1e6:8.1f} MB  {path.name}")
    if missing:
        sys.exit(1)


if __name__ == "__main__":
    main()
