# SPDX-License-Identifier: ISC
"""Tests of the connector's page, in Chromium."""
