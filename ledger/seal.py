"""Checking the seal of a PDF pack, with the standard library and `cryptography` alone.

The profile has so little freedom that no CMS parser is needed: given the certificate, the digest of the signed ranges
and the signature value, there is exactly one CMS, built here and compared byte for byte. So nothing can hide in
unsigned attributes, padding, other certificates, or a second way of encoding.

Source: RFC 5652 section 5, RFC 5035 section 5, RFC 5753 section 2; docs/formats/bundle.md, "The pack and its seal".
"""

import hashlib
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ledger.errors import SealInvalid

_BYTE_RANGE = re.compile(rb"/ByteRange \[0 ([0-9]{1,10}) ([0-9]{1,10}) ([0-9]{1,10})\]")
_SUBFILTER = re.compile(rb"/SubFilter\s*/ETSI\.CAdES\.detached\b")

_DATA = bytes.fromhex("06092a864886f70d010701")
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_SHA256 = bytes.fromhex("300d06096086480165030402010500")
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def verify_seal(pdf: bytes, certificate_der: bytes) -> None:
    """Check that the one signature of the PDF covers the whole file and is made with this certificate's key.

    Raises:
        SealInvalid: it does not, there is none, or there is more than one.
    """
    first, second, contents = signed_ranges(pdf)
    digest = hashlib.sha256(pdf[:first])
    digest.update(pdf[second:])
    public_key = require_certificate(certificate_der)
    certificate = x509.load_der_x509_certificate(certificate_der)
    attributes = signed_attributes(certificate, certificate_der, digest.digest())
    signature = _signature(contents, certificate, certificate_der, attributes)
    try:
        public_key.verify(signature, _tlv(0x31, attributes), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SealInvalid("the signature of the seal does not verify") from None


def require_certificate(certificate_der: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key of a certificate that is DER with nothing after it and has a key on P-256.

    Raises:
        SealInvalid: it is not.
    """
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        public_key = certificate.public_key()
        again = certificate.public_bytes(Encoding.DER)
    except ValueError as error:
        raise SealInvalid(f"the certificate of the seal is malformed: {error}") from error
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise SealInvalid("the key of the seal is not on P-256")
    if again != certificate_der:
        raise SealInvalid("something follows the certificate of the seal")
    return public_key


def signed_ranges(pdf: bytes) -> tuple[int, int, bytes]:
    """Return where the first range ends, where the second begins, and the padded CMS between them.

    Raises:
        SealInvalid: not exactly one signature, or it does not cover every byte outside its own value.
    """
    found, marks = list(_BYTE_RANGE.finditer(pdf)), pdf.count(b"/ByteRange")
    if not marks:
        raise SealInvalid("the PDF has no seal")
    if marks > 1:
        raise SealInvalid("the PDF has more than one signature")
    if not found:
        raise SealInvalid("the seal does not say what it covers in the form of this format")
    first, second, length = (int(number) for number in found[0].groups())
    if not 0 < first < second or second + length != len(pdf):
        raise SealInvalid("the seal does not cover the whole file")
    gap = pdf[first:second]
    if not re.fullmatch(rb"<(?:[0-9A-F]{2})+>", gap):
        raise SealInvalid("what the seal leaves out is not its own value alone")
    _require_form(pdf, first, second, found[0].start())
    return first, second, bytes.fromhex(gap[1:-1].decode("ascii"))


def _require_form(pdf: bytes, first: int, second: int, mark: int) -> None:
    """Check that the value, its range and its format stand in one object."""
    start, end = pdf.rfind(b" obj", 0, first), pdf.find(b"endobj", second)
    around = pdf[start:first] + pdf[second:end]
    if not re.search(rb"/Contents\s*\Z", pdf[max(0, first - 40) : first]) or not 0 <= start < mark < end:
        raise SealInvalid("what the seal leaves out is not its own value alone")
    if len(_SUBFILTER.findall(around)) != 1:
        raise SealInvalid("the seal is not of the format ETSI.CAdES.detached")


def _signature(padded: bytes, certificate: x509.Certificate, certificate_der: bytes, attributes: bytes) -> bytes:
    """Find the signature value in a CMS that must be, byte for byte, the one this profile allows."""
    length = 4 + int.from_bytes(padded[2:4], "big")
    cms, padding = padded[:length], padded[length:]
    if padded[:2] != b"\x30\x82" or any(padding):
        raise SealInvalid("the seal's value is not one DER structure padded with zeros")
    for size in range(8, 73):
        signature = cms[-size:]
        if cms[-size - 2 : -size] == bytes((0x04, size)):
            built = build_cms(certificate, certificate_der, attributes, signature)
            if built == cms:
                return signature
    raise SealInvalid("the seal does not match this file, this certificate and the profile of this format")


def signed_attributes(certificate: x509.Certificate, certificate_der: bytes, digest: bytes) -> bytes:
    """Return the content of the signed attributes, in DER order."""
    issuer = _tlv(0x30, _tlv(0xA4, certificate.issuer.public_bytes()))
    serial = _integer(certificate.serial_number)
    identifier = _tlv(0x30, _tlv(0x04, hashlib.sha256(certificate_der).digest()) + _tlv(0x30, issuer + serial))
    return b"".join(
        (
            _tlv(0x30, _CONTENT_TYPE + _tlv(0x31, _DATA)),
            _tlv(0x30, _MESSAGE_DIGEST + _tlv(0x31, _tlv(0x04, digest))),
            _tlv(0x30, _SIGNING_CERTIFICATE_V2 + _tlv(0x31, _tlv(0x30, _tlv(0x30, identifier)))),
        )
    )


def build_cms(certificate: x509.Certificate, certificate_der: bytes, attributes: bytes, signature: bytes) -> bytes:
    """Return the one CMS of this profile."""
    signer = _tlv(0x30, certificate.issuer.public_bytes() + _integer(certificate.serial_number))
    info = b"\x02\x01\x01" + signer + _SHA256 + _tlv(0xA0, attributes) + _ECDSA_SHA256 + _tlv(0x04, signature)
    signed = b"".join(
        (
            b"\x02\x01\x01",
            _tlv(0x31, _SHA256),
            _tlv(0x30, _DATA),
            _tlv(0xA0, certificate_der),
            _tlv(0x31, _tlv(0x30, info)),
        )
    )
    return _tlv(0x30, _SIGNED_DATA + _tlv(0xA0, _tlv(0x30, signed)))


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _integer(value: int) -> bytes:
    return _tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))
