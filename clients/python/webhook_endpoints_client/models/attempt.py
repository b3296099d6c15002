from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..models.attempt_code import AttemptCode, check_attempt_code

if TYPE_CHECKING:
    from ..models.attempt_body_note_type_0 import AttemptBodyNoteType0


T = TypeVar("T", bound="Attempt")


@_attrs_define
class Attempt:
    """
    Attributes:
        number (int): The attempt's number, starting at 1.
        started_at (datetime.datetime): An ISO 8601 time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
        duration_ms (int): How long the attempt took, in milliseconds.
        response_status (int | None): The HTTP status of the response, or null.
        response_body (None | str): The first 1,000 characters of the response body, or null. Empty if the payload was
            deleted.
        body_note (AttemptBodyNoteType0 | None): What went wrong with the response body, or null. It does not affect the
            outcome, which the status decides.
        code (AttemptCode | None): A code for `error`, or null.
        error (None | str): Why there was no response, or where a redirect points, or null.
    """

    number: int
    started_at: datetime.datetime
    duration_ms: int
    response_status: int | None
    response_body: None | str
    body_note: AttemptBodyNoteType0 | None
    code: AttemptCode | None
    error: None | str

    def to_dict(self) -> dict[str, Any]:
        from ..models.attempt_body_note_type_0 import AttemptBodyNoteType0  # noqa: PLC0415

        number = self.number

        started_at = self.started_at.isoformat()

        duration_ms = self.duration_ms

        response_status: int | None
        response_status = self.response_status

        response_body: None | str
        response_body = self.response_body

        body_note: dict[str, Any] | None
        if isinstance(self.body_note, AttemptBodyNoteType0):
            body_note = self.body_note.to_dict()
        else:
            body_note = self.body_note

        code: None | str
        if isinstance(self.code, str):
            code = self.code
        else:
            code = self.code

        error: None | str
        error = self.error

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "number": number,
                "startedAt": started_at,
                "durationMs": duration_ms,
                "responseStatus": response_status,
                "responseBody": response_body,
                "bodyNote": body_note,
                "code": code,
                "error": error,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.attempt_body_note_type_0 import AttemptBodyNoteType0  # noqa: PLC0415

        d = dict(src_dict)
        number = d.pop("number")

        started_at = datetime.datetime.fromisoformat(d.pop("startedAt"))

        duration_ms = d.pop("durationMs")

        def _parse_response_status(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        response_status = _parse_response_status(d.pop("responseStatus"))

        def _parse_response_body(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        response_body = _parse_response_body(d.pop("responseBody"))

        def _parse_body_note(data: object) -> AttemptBodyNoteType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                body_note_type_0 = AttemptBodyNoteType0.from_dict(data)

                return body_note_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(AttemptBodyNoteType0 | None, data)

        body_note = _parse_body_note(d.pop("bodyNote"))

        def _parse_code(data: object) -> AttemptCode | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                code_code = check_attempt_code(data)

                return code_code
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(AttemptCode | None, data)

        code = _parse_code(d.pop("code"))

        def _parse_error(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error = _parse_error(d.pop("error"))

        attempt = cls(
            number=number,
            started_at=started_at,
            duration_ms=duration_ms,
            response_status=response_status,
            response_body=response_body,
            body_note=body_note,
            code=code,
            error=error,
        )

        return attempt
