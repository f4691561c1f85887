"""What requests do."""

from django.http import HttpRequest, JsonResponse

from frameworks.services import manager

__all__ = ["visit"]


def visit(_request: HttpRequest) -> JsonResponse:
    """Count a visit."""
    return JsonResponse({"visits": manager.get_pool("cache").incr("visits")})
