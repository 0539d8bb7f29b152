"""Events that the clients send, made with pytak's own builders where it has them, and what is looked for in others."""

import uuid
import xml.etree.ElementTree as ET

import pytak


def fresh(name):
    """A uid that no other run and no other check uses."""
    return f"{name}-{uuid.uuid4()}"


def ping(uid):
    return pytak.serialize_cot(pytak.cot_event(uid=f"{uid}-ping", cot_type="t-x-c-t", stale=10))


def sa(uid, callsign, remarks="", dest=()):
    """A position that identifies its sender; `dest`: attributes of each marti/dest."""
    detail = ET.Element("detail")
    ET.SubElement(detail, "contact", callsign=callsign, endpoint="*:-1:stcp")
    ET.SubElement(detail, "__group", name="Cyan", role="Team Member")
    ET.SubElement(detail, "takv", device="interop", platform="pytak", os="linux", version="1")
    ET.SubElement(detail, "status", battery="87")
    ET.SubElement(detail, "track", speed="1.5", course="90.0")
    if remarks:
        ET.SubElement(detail, "remarks").text = remarks
    address(detail, dest)
    return event("a-f-G-U-C", uid, detail)


def chat(sender, callsign, to_uid, to_callsign, text):
    """A direct GeoChat as ATAK sends it."""
    detail = ET.Element("detail")
    names = {"parent": "RootContactGroup", "groupOwner": "false", "messageId": str(uuid.uuid4())}
    room = ET.SubElement(detail, "__chat", chatroom=to_callsign, id=to_uid, senderCallsign=callsign, **names)
    ET.SubElement(room, "chatgrp", uid0=sender, uid1=to_uid, id=to_uid)
    ET.SubElement(detail, "link", uid=sender, type="a-f-G-U-C", relation="p-p")
    ET.SubElement(detail, "remarks", source=f"BAO.F.ATAK.{sender}", to=to_uid).text = text
    address(detail, [{"callsign": to_callsign}])
    return event("b-t-f", f"GeoChat.{sender}.{to_uid}.{uuid.uuid4()}", detail)


def bare(kind, uid):
    """An event with an empty detail."""
    return event(kind, uid, ET.Element("detail"))


def address(detail, dest):
    if dest:
        marti = ET.SubElement(detail, "marti")
        for one in dest:
            ET.SubElement(marti, "dest", **one)


def event(kind, uid, detail):
    made = pytak.cot_event(lat=45.5, lon=-75.25, ce=10, hae=70, le=9, uid=uid, cot_type=kind, detail=detail)
    return pytak.serialize_cot(made)


def is_uid(uid):
    return lambda element: element.get("uid") == uid


def is_called(callsign):
    """Events whose contact has this callsign."""

    def wanted(element):
        contact = element.find("detail/contact")
        return contact is not None and contact.get("callsign") == callsign

    return wanted


def is_type(kind):
    return lambda element: element.get("type") == kind


def has_left(uid):
    """The server's word that this contact is gone."""

    def wanted(element):
        link = element.find("detail/link")
        return element.get("type") == "t-x-d-d" and link is not None and link.get("uid") == uid

    return wanted


def text_of(element, path):
    found = element.find(path)
    return None if found is None else "".join(found.itertext())
