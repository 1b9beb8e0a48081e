# SPDX-License-Identifier: Apache-2.0

"""The WSGI module that servers load: ``console_svc.wsgi.api:application``."""

from console_svc import conf as configuration
from console_svc.api import app

_conf = configuration.load_from_environment()
configuration.setup_logging(_conf)

application = app.build(_conf)
