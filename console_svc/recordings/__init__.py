# SPDX-License-Identifier: Apache-2.0

"""Recorded sessions: their format, their storage and their check."""
