"""The address of the view."""

from django.urls import path

from frameworks.django_shop.views import visit

urlpatterns = [path("", visit)]
