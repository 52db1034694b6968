"""`aegis schema`: what editors complete and check against."""

from __future__ import annotations

from . import output


def schema(*, config: bool = False) -> int:
    """Print the JSON Schema of a policy file, or of a whole aegis.yaml.

    Parameters
    ----------
    config
        the schema of aegis.yaml
    """
    from ..kernel.describe import config_schema
    from ..policy.schema import schema as policy_schema

    output.json(config_schema() if config else policy_schema())
    return 0
