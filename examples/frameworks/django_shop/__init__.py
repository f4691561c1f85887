"""Django: an application that drains its pools at the end of each process. `gunicorn frameworks.django_shop.wsgi`."""
