"""The recipe's section `privacy`: whose data it is, and where the key to it lies."""

from pydantic import Field

from lodesmith.core.config import Config


class PrivacyConfig(Config):
    """A tenant's run: what was sealed is opened inside it, and what it writes of it is sealed."""

    key_file: str = Field(min_length=1)
    """The tenant's key (`lodesmith seal --new-key`), outside the workspace. Sealed files of a
    domain are opened with it, and every record that a domain's artifact keeps is sealed."""
