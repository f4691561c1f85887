"""Error answers: the "problem details" of RFC 9457, with what to do next."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import JSONResponse, Response

__all__ = ["Problem", "problem_response"]


class Problem(Exception):  # RFC 9457 calls it a problem
    """A request that is refused.

    Arguments:
        status: of the answer.
        detail: why, and what to do.
        headers: that go with it.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem_response(problem: Problem) -> Response:
    """Return a refusal as an HTTP response."""
    body = {
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    return JSONResponse(
        body, problem.status, headers=problem.headers, media_type="application/problem+json"
    )
