# SPDX-License-Identifier: ISC
"""Benchmarks: logins through the hub beside logins at the directory itself.

tools/bench builds what is measured and starts this; docs/performance.md says
how the figures are made.
"""
