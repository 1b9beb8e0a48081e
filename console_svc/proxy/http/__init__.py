# SPDX-License-Identifier: Apache-2.0

"""The HTTP server for browsers: HTTP/1.1 on h11, without the pages."""
