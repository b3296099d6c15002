from typing import Literal, cast

AttemptBodyNoteType0Code = Literal["body_broke_off", "body_took_too_long", "invalid_headers"]


def check_attempt_body_note_type_0_code(value: str) -> AttemptBodyNoteType0Code:
    """Accepts any value, because a later version of the API may have others."""
    return cast(AttemptBodyNoteType0Code, value)
