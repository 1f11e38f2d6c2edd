# SPDX-License-Identifier: ISC
"""What these tests share with those of the whole machine."""

# pylint: disable=unused-import
from tests.system.conftest import shipped_build  # noqa: F401
