# SPDX-License-Identifier: ISC
"""Tests of whole programs, against real directories."""
