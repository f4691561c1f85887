"""Where Django says that a process has begun."""

import atexit

from django.apps import AppConfig

from frameworks.services import manager

__all__ = ["ShopConfig"]


class ShopConfig(AppConfig):
    """The application; nothing is opened here, because every management command comes by."""

    name = "frameworks.django_shop"
    label = "shop"

    def ready(self) -> None:
        """Have this process, and those that are forked from it, drain their pools in the end."""
        atexit.register(manager.stop)
