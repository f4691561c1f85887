"""No more than the example needs."""

import os

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-the-example")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["frameworks.django_shop.apps.ShopConfig"]
ROOT_URLCONF = "frameworks.django_shop.urls"
USE_TZ = True
