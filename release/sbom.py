"""Writes a software bill of materials for each binary, in CycloneDX's JSON."""

import uuid
from datetime import UTC, datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from release.archive import sha256
from release.linked import parts
from release.project import VERSION, commit_time


def hashed(checksum):
    return [HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else []


def component(part):
    return Component(
        name=part.name,
        version=part.version,
        bom_ref=part.ref,
        licenses=[LicenseFactory().make_with_expression(part.licence)],
        purl=PackageURL.from_string(part.purl) if part.purl else None,
        hashes=hashed(part.checksum),
    )


def document(binary):
    """The bill of materials of a binary, as JSON."""
    own, uses = parts(binary.name, binary.target)
    checksum = sha256(binary.path)
    root = Component(
        name=f"{binary.name}-{binary.architecture}",
        version=VERSION,
        type=ComponentType.APPLICATION,
        bom_ref=own.ref,
        licenses=[LicenseFactory().make_with_expression(own.licence)],
        hashes=hashed(checksum),
    )
    components = {part: root if part is own else component(part) for part in uses}
    bom = Bom(
        # Random by default, and the time is now.
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"urn:sha256:{checksum}"),
        metadata=BomMetaData(
            component=root, timestamp=datetime.fromtimestamp(commit_time(), UTC)
        ),
        components=[one for part, one in components.items() if part is not own],
        dependencies=[
            Dependency(
                components[part].bom_ref,
                [Dependency(components[one].bom_ref) for one in used],
            )
            for part, used in uses.items()
        ],
    )
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"the bill of materials of {binary.name} is invalid: {error}")
    return text


def write(folder, binary):
    path = folder / f"{binary.name}-{binary.architecture}.cdx.json"
    path.write_text(document(binary))
