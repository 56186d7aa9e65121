"""Boots a Debian with the service in it, and looks at what only systemd itself can show. A command, not a test: it takes minutes.

As root: python tests/service/booted.py [--work DIR]. Debian's packages debootstrap, qemu-system-x86 and cpio are needed, and its
mirror. The machine is emulated: no other kernel feature, and no container, is asked of the one it runs on.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent.parent
TRIAL = Path(__file__).with_name("trial.sh")
RELEASE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,curl"
MEMORY = "3G"
LIMIT_SECONDS = 3600
INSTALL = re.compile(r"^<!-- command: install -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPERATING = ROOT / "docs" / "operating.md"
OUTSIDE = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")  # by which packages are got
KEPT = ("PATH", "PIP_CERT", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "SSL_CERT_FILE")
UNIT = """\
[Unit]
Description=What is looked at
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/bash /trial/trial.sh
ExecStopPost=/usr/bin/systemctl poweroff
StandardOutput=tty
StandardError=journal
TTYPath=/dev/ttyS0
"""
RESULT = re.compile(
    r"^(ok|not ok) (.+?)\r?$((?:\n    .*)*)", re.MULTILINE
)  # and the end of what was said, if it is bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="where to keep the bare system for the next time")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="feeder-") as folder:
        work = given.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        root = furnished(bare(work), Path(folder) / "root")
        return judged(boot(kernel(work), packed(root, Path(folder) / "root.cpio")))


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    return subprocess.run(command, check=True, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True).stdout


def bare(work: Path) -> Path:
    """Return a Debian as small as it comes."""
    place = work / RELEASE
    if not (place / "done").exists():
        shutil.rmtree(place, ignore_errors=True)
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, place)
        run("find", place / "var/cache/apt", "-type", "f", "-delete")
        (place / "done").touch()
    return place


def kernel(work: Path) -> Path:
    """Return Debian's kernel for virtual machines."""
    place = work / "kernel"
    if not place.exists():
        (name,) = re.findall(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", "linux-image-cloud-amd64"))
        run("apt-get", "download", name, cwd=work)
        run("dpkg-deb", "-x", *work.glob(f"{name}_*.deb"), place)
    return next((place / "boot").glob("vmlinuz-*"))


def furnished(bare: Path, root: Path) -> Path:
    """Return a copy of the system in which Feeder was installed as its operator is told to."""
    run("cp", "--archive", bare, root)
    trial = root / "trial"
    shutil.copytree(ROOT, trial / "feeder", ignore=shutil.ignore_patterns(".git", ".venv", "var", "public", ".*_cache"))
    for name in filter(os.path.exists, OUTSIDE):
        shutil.copy(name, root / name.lstrip("/"))
    (install,) = INSTALL.findall(OPERATING.read_text("utf-8"))
    chroot(root, f"cd /trial/feeder\n{install}", {name: os.environ[name] for name in KEPT if name in os.environ})
    shutil.copytree(trial / "feeder/examples/articles", root / "srv/articles")
    shutil.copy(TRIAL, trial)
    (root / "etc/systemd/system/trial.service").write_text(UNIT)
    (root / "init").symlink_to("lib/systemd/systemd")
    return root


def chroot(root: Path, script: str, env: Mapping[str, str]) -> None:
    run("mount", "--bind", "/dev", root / "dev")
    try:
        run("chroot", root, "/bin/sh", "-euc", script, env=env)
    finally:
        run("umount", root / "dev")


def packed(root: Path, archive: Path) -> Path:
    """Return the system as one file that a kernel unpacks into memory."""
    names = run("find", ".", "-print0", cwd=root).encode()
    with archive.open("wb") as file:
        subprocess.run(
            ["cpio", "--null", "--quiet", "-o", "-H", "newc"], check=True, cwd=root, input=names, stdout=file
        )
    return archive


def boot(kernel: Path, archive: Path) -> str:
    """Return what the machine said until it was switched off."""
    options = "console=ttyS0 panic=-1 quiet systemd.unit=multi-user.target systemd.wants=trial.service"
    machine = [
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-smp",
        "2",
        "-m",
        MEMORY,
        "-nographic",
        "-no-reboot",
    ]
    done = subprocess.run(
        [*machine, "-nic", "none", "-kernel", kernel, "-initrd", archive, "-append", options],
        check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    return done.stdout.decode(errors="replace")


def judged(told: str) -> int:
    """Print the results; return 1 if there are none, or one is bad."""
    results = RESULT.findall(told)
    print("\n".join(f"{word} {what}{why}" for word, what, why in results) or told[-5000:])
    bad = sum(word != "ok" for word, _, _ in results)
    is_whole = "ok the end was reached" in told
    print(f"{len(results) - bad} passed, {bad} failed{'' if is_whole else '; it did not come to the end'}")
    return 0 if is_whole and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
