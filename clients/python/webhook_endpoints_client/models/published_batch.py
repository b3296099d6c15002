from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.accepted_event import AcceptedEvent
    from ..models.rejected_event import RejectedEvent


T = TypeVar("T", bound="PublishedBatch")


@_attrs_define
class PublishedBatch:
    """
    Attributes:
        accepted (int): How many events are on the queue.
        rejected (int): How many events are not.
        events (list[AcceptedEvent | RejectedEvent]): One for each event, in the order of the request.
    """

    accepted: int
    rejected: int
    events: list[AcceptedEvent | RejectedEvent]

    def to_dict(self) -> dict[str, Any]:
        from ..models.accepted_event import AcceptedEvent  # noqa: PLC0415

        accepted = self.accepted

        rejected = self.rejected

        events = []
        for events_item_data in self.events:
            events_item: dict[str, Any]
            if isinstance(events_item_data, AcceptedEvent):
                events_item = events_item_data.to_dict()
            else:
                events_item = events_item_data.to_dict()

            events.append(events_item)

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "accepted": accepted,
                "rejected": rejected,
                "events": events,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.accepted_event import AcceptedEvent  # noqa: PLC0415
        from ..models.rejected_event import RejectedEvent  # noqa: PLC0415

        d = dict(src_dict)
        accepted = d.pop("accepted")

        rejected = d.pop("rejected")

        events = []
        _events = d.pop("events")
        for events_item_data in _events:

            def _parse_events_item(data: object) -> AcceptedEvent | RejectedEvent:
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    events_item_type_0 = AcceptedEvent.from_dict(data)

                    return events_item_type_0
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                if not isinstance(data, dict):
                    raise TypeError()
                events_item_type_1 = RejectedEvent.from_dict(data)

                return events_item_type_1

            events_item = _parse_events_item(events_item_data)

            events.append(events_item)

        published_batch = cls(
            accepted=accepted,
            rejected=rejected,
            events=events,
        )

        return published_batch
