# SPDX-License-Identifier: ISC
"""Tests; a package so that `tests.lab` can be imported from the tree's root."""
