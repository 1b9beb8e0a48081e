# The script that apache.conf names. It is reloaded when it is touched.
from console_svc.wsgi.api import application  # noqa: F401
