"""Serves django-bolt by its own command: `django_bolt_server.py PORT api|wrapped`."""

import sys

import django
from django.conf import settings
from django.core.management import call_command

UPLOAD_BYTES_MAX = 4 * 2**20


def main() -> None:
    port, name = int(sys.argv[1]), sys.argv[2]
    settings.configure(
        SECRET_KEY="only for the comparison",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django_bolt"],
        BOLT_API=[f"framework_django_bolt:{name}"],
        BOLT_MAX_UPLOAD_SIZE=UPLOAD_BYTES_MAX,
        # No line for each request.
        LOGGING={"version": 1, "loggers": {"django.server": {"level": "WARNING"}}},
        CORS_ALLOWED_ORIGINS=["https://example.com"] if name == "wrapped" else [],
    )
    django.setup()
    call_command("runbolt", host="127.0.0.1", port=port, no_admin=True)


if __name__ == "__main__":
    main()
