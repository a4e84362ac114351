"""The implicit label of generated pictures: what it says, as JSON, and where in XMP it stands.

GB 45438-2025, appendix E, names the seven fields and what they hold; TC260-PG-20259A puts them into XMP. What another
program wrote is read with bounds: XML may bring entities that unfold without end.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

from PIL import Image

from pai_modelscope import limits
from pai_modelscope.config.labels import PRODUCER, PRODUCER_VARIABLE, LabelOptions
from pai_modelscope.config.option import faults_in, short_repr
from pai_modelscope.errors import UserError, reason
from pai_modelscope.untrusted import parse_json

NAMESPACE, NAME = "http://www.tc260.org.cn/ns/AIGC/1.0/", "AIGC"
FIELDS = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)
# What `Label` may be, and what it says of the content.
LABELS = {"1": "generated", "2": "perhaps generated", "3": "suspected to be generated"}
_LONGEST_PRODUCER = 200  # characters
_SPOKEN = re.compile(r"[!#-\[\]-~]+")  # appendix E, j): visible ASCII without the quote and the backslash
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    '  <rdf:Description rdf:about="" xmlns:TC260="{namespace}">\n'
    "   <TC260:{name}>{label}</TC260:{name}>\n"
    "  </rdf:Description>\n"
    " </rdf:RDF>\n"
    "</x:xmpmeta>\n"
    '<?xpacket end="r"?>'
)


@dataclass(frozen=True)
class Labelling:
    """How a picture's file is labelled, and the producer that its label names.

    Raises:
        UserError: a producer that the standard does not let stand in a label.
    """

    metadata: bool = True
    visible: bool = False
    producer: str = field(default_factory=lambda: os.environ.get(PRODUCER_VARIABLE) or PRODUCER)

    def __post_init__(self) -> None:
        if len(self.producer) > _LONGEST_PRODUCER or not _SPOKEN.fullmatch(self.producer):
            raise UserError(
                f"aigc_producer is {short_repr(self.producer)}; GB 45438-2025 takes a provider's code, or a name of up "
                f"to {_LONGEST_PRODUCER} visible ASCII characters without spaces, quotes and backslashes"
            )


def labelling(place: str | None = None, producer: str | None = None, *, usual: str = "metadata") -> Labelling:
    """The labelling that two options mean, see `LabelOptions`; `usual`: the place where none is given.

    Raises:
        UserError: a place that there is not, a producer that can't stand in a label.
    """
    if faults := faults_in(LabelOptions, {"aigc_label": place, "aigc_producer": producer}):
        raise UserError.of(faults)
    place = place or usual
    where = (place in ("metadata", "both"), place in ("visible", "both"))
    return Labelling(*where) if producer is None else Labelling(*where, producer)


def content_number(image: Image.Image, text: str) -> str:
    """The number of a picture with its parameters: the same for the same content, at any time."""
    digest = hashlib.sha256(f"{image.mode} {image.width}x{image.height}\n{text}\n".encode("utf-8", "replace"))
    digest.update(image.tobytes())
    return digest.hexdigest()[:32]


def xmp_packet(producer: str, number: str) -> str:
    """The XMP of a picture that was generated for sure.

    Who writes a label first is its producer and its propagator (appendix E, note 1).
    """
    values = ("1", producer, number, "", producer, number, "")
    label = json.dumps(dict(zip(FIELDS, values, strict=True)), separators=(",", ":"))
    return _PACKET.format(namespace=NAMESPACE, name=NAME, label=escape(label))


def labels_in_xmp(packet: str) -> list[str]:
    """The JSON of each label in a file's XMP, which stands in an element or in an attribute.

    Raises:
        UserError: XMP that is too large, no XML, or declares entities.
    """
    content = packet.strip("\ufeff\0 \t\r\n").encode("utf-8", "replace")
    if len(content) > limits.XMP_BYTES:
        raise UserError(f"its XMP has {len(content)} bytes; valid are up to {limits.XMP_BYTES}")
    wanted, found = f"{NAMESPACE} {NAME}", list[str]()
    inside: list[list[str]] = []  # the texts of the labels whose elements are open

    def start(name: str, attributes: dict[str, str]) -> None:
        if wanted in attributes:
            found.append(attributes[wanted])
        if name == wanted:
            inside.append([])

    def end(name: str) -> None:
        if name == wanted:
            found.append("".join(inside.pop()))

    def text(characters: str) -> None:
        if inside:
            inside[-1].append(characters)

    def doctype(*declared: object) -> None:
        raise UserError("its XMP has a document type declaration, by which entities may unfold without end")

    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise UserError(f"its XMP is no XML ({reason(error)})") from None
    return found


def label_fields(text: str) -> dict[str, str]:
    """The fields of a label by their names in the standard; `text`: its JSON, which may lie in a field `AIGC`.

    Raises:
        UserError: no JSON, a field missing or no text, a `Label` that there is not, no producer or number.
    """
    value = parse_json(text, "its label")
    if isinstance(value, dict) and isinstance(value.get(NAME), dict):
        value = value[NAME]
    if not isinstance(value, dict):
        raise UserError(f"its label is {short_repr(value)}; valid is a JSON object")
    fields = {name: said for name in FIELDS if isinstance(said := value.get(name), str)}
    if missing := [name for name in FIELDS if name not in fields]:
        raise UserError(f"its label lacks {', '.join(missing)}, or gives something else than a text")
    if fields["Label"] not in LABELS:
        raise UserError(f"the Label of its label is {short_repr(fields['Label'])}; valid are {', '.join(LABELS)}")
    if empty := [name for name in ("ContentProducer", "ProduceID") if not fields[name].strip()]:
        raise UserError(f"its label leaves {' and '.join(empty)} empty")
    return fields
