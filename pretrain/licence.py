"""What may be done with a model: said by whoever exports it, never guessed.

The licences of the texts do not decide it, and an unknown one is left out, which the Hub shows as "no licence".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.files import hash_file

#: Name of the licence's text in an exported folder.
LICENSE = "LICENSE"
#: Identifiers that the Hub knows (https://huggingface.co/docs/hub/repositories-licenses); another one is `other` there.
# fmt: off
KNOWN = frozenset(
    {
        "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0",
        "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause", "bsd-3-clause",
        "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
        "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
        "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0",
        "etalab-2.0", "eupl-1.1", "eupl-1.2", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1",
        "lgpl-3.0", "isc", "lppl-1.3c", "ms-pl", "mpl-2.0", "odc-by", "odbl", "openrail++", "osl-3.0", "postgresql",
        "ofl-1.1", "ncsa", "unlicense", "zlib", "pddl",
    }
)
# fmt: on
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+ -]{0,63}", re.ASCII)
_NO_NAMES = ("other", "unknown", "none")


@dataclass(frozen=True)
class Licence:
    """A licence's short name as the Hub writes it ("": not stated), and the file with its text if there is one."""

    name: str = ""
    file: Path | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """Keys of the model card's front matter; none where nothing was stated."""
        if not self.name:
            return {}
        if self.name in KNOWN:
            return {"license": self.name}
        link = {"license_link": LICENSE} if self.file else {}
        return {"license": "other", "license_name": self.name, **link}

    @property
    def settings(self) -> dict[str, str]:
        """Its part of an artifact's key."""
        return {"license": self.name} if self.name else {}

    @property
    def inputs(self) -> dict[str, str]:
        """Its part of an artifact's inputs."""
        return {LICENSE: hash_file(self.file)} if self.file else {}


NOT_STATED = Licence()


def read_licence(name: str | None, file: Path | None) -> Licence:
    """What `--license` and `--license-file` say; raises InputError for what is no name or no text.

    >>> read_licence("CC BY-SA 4.0", None).name
    'cc-by-sa-4.0'
    """
    if file is not None:
        try:
            file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--license-file: cannot read {file} as text: {error}") from None
        if not name:
            raise InputError(f"--license-file {file}: say its short name too, for example --license cc-by-sa-4.0")
    if not name:
        return NOT_STATED
    short = "-".join(name.lower().split())
    if not _NAME.fullmatch(name) or short in _NO_NAMES:
        raise InputError(
            f"--license {name!r}: give the licence's short name, for example apache-2.0 or cc-by-sa-4.0; "
            "leave it out if it is not decided"
        )
    return Licence(short, file)
