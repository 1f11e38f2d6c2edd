# SPDX-License-Identifier: ISC
"""The test lab: real directories and awkward peers, on demand.

See README.md in this folder.  Nothing in here is part of the product.
"""
