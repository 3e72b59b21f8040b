"""The stand-in eSputnik for the tests that need one."""

from tests.service.conftest import sandbox

__all__ = ["sandbox"]
