"""Sources that are packages, fetched by the tool that knows them; nothing of a package is run."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from lodesmith.acquire.source_base import PYTHON_PATTERNS, PackageSource


class DebianSource(PackageSource):
    """A Debian package, fetched by apt-get."""

    kind: ClassVar[str] = "debian"

    debian: str = Field(pattern=r"^[a-z0-9][a-z0-9+.-]+(=[0-9][A-Za-z0-9.+:~-]*)?$")
    """Package name, optionally `=version`."""

    @property
    def origin_name(self) -> str:
        """The package's name."""
        return self.debian.partition("=")[0]


class PypiSource(PackageSource):
    """A Python project's wheel, fetched by pip; nothing of it is run."""

    kind: ClassVar[str] = "pypi"

    pypi: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(==[A-Za-z0-9.+!-]+)?$")
    """Project name, optionally `==version`."""

    @property
    def origin_name(self) -> str:
        """The project's name."""
        return self.pypi.partition("==")[0]


class NpmSource(PackageSource):
    """An npm package, fetched by npm; nothing of it is run."""

    kind: ClassVar[str] = "npm"

    npm: str = Field(pattern=r"^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*(@[\w.+-]+)?$")
    """Package name, optionally `@version`."""

    @property
    def origin_name(self) -> str:
        """The package's name, with its scope."""
        return self.npm[: self.npm.find("@", 1)] if "@" in self.npm[1:] else self.npm


class PythonSource(PackageSource):
    """The source files of the running Python's standard library."""

    kind: ClassVar[str] = "python"

    python: Literal["standard-library"]
    """Always `standard-library`."""

    fingerprint: str | None = None
    """Set when the run starts: the interpreter's version. Leave it out."""

    @property
    def label(self) -> str:
        """The source's name, given or derived."""
        return self.name or f"python-{self.origin_name}"

    @property
    def origin_name(self) -> str:
        """What the recipe calls it."""
        return self.python

    @property
    def default_patterns(self) -> Sequence[str]:
        """Modules."""
        return PYTHON_PATTERNS
