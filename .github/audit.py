"""Compare pinned versions with an index of advisories, by pip-audit.

Run: python .github/audit.py constraints.txt

The exit code is 0 if no version has a known vulnerability, 1 if some have, and 2 if some could not be compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CLEAN = 0
VULNERABLE = 1
NOT_AUDITED = 2
MAX_ERROR = 500  # characters of pip-audit's own message


def run_pip_audit(requirements: Path) -> list[dict[str, Any]] | None:
    """Return what pip-audit says about each package, or None if no index of advisories answered."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements)]
    command += ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(done.stderr.strip()[-MAX_ERROR:], file=sys.stderr)  # noqa: T201
        return None
    return packages


def judge_packages(packages: list[dict[str, Any]] | None) -> tuple[int, str]:
    """Return the exit code and the text of an audit.

    pip-audit calls packages clean that its index does not have, so that each of these is named here.
    """
    if not packages:
        return (
            NOT_AUDITED,
            "Not audited: no index of advisories was reached. Try again with a network.",
        )
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        return NOT_AUDITED, (
            f"Not audited: the index has advisories on none of {len(packages)} packages. A mirror of PyPI seldom has "
            "any. Use a network that reaches pypi.org."
        )
    vulnerable_lines = [
        f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version'}"
        for package in packages
        for vulnerability in package.get("vulns", [])
    ]
    lines = vulnerable_lines + [
        f"{name}: not audited, the index does not have it" for name in skipped
    ]
    if vulnerable_lines:
        return VULNERABLE, "\n".join(lines)
    if skipped:
        return NOT_AUDITED, "\n".join(lines)
    return CLEAN, f"No known vulnerability in {len(packages)} of {len(packages)} packages."


def main(arguments: list[str]) -> int:
    """Audit a file of pinned versions, print the result, and return the exit code."""
    (requirements,) = map(Path, arguments)
    code, text = judge_packages(run_pip_audit(requirements))
    print(text)  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
