#!/bin/sh
# Sealing a PDF 1.7 with an elliptic key makes pyHanko state PDF 2.0 in the catalog; with an RSA key it does not.
#
# Seen on 2026-11-28 with pyHanko 0.38.0 (PyPI) on Python 3.11. ISO 32000-1 (PDF 1.7) lets a catalog's /Version override
# the header, so every reader then takes the file for PDF 2.0. A file that claims PDF/A-3, which rests on PDF 1.7
# (ISO 19005-3), contradicts itself after such a seal, and a tool that rewrites it moves the 2.0 into the header, which
# validators refuse. There is no option for it: `PdfSigner.register_extensions` does it, together with the extension
# entry of ISO/TS 32002; overriding that method keeps the version. The signature is valid either way.
#
# Exit 0: it behaves as described. 1: it does not any more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyhanko==0.38.0 cryptography==49.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import io
import sys
from importlib.metadata import version

from asn1crypto import keys, x509
from cryptography import x509 as made
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore


def page() -> bytes:
    writer = PdfFileWriter()
    writer.output_version = (1, 7)
    content = writer.add_object(generic.StreamObject(stream_data=b""))
    writer.insert_page(PageObject(contents=content, media_box=generic.ArrayObject(map(generic.NumberObject, (0, 0, 9, 9)))))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def sealed(key) -> bytes:
    name = made.Name([made.NameAttribute(NameOID.COMMON_NAME, "made up")])
    day = datetime.datetime(2026, 1, 1)
    certificate = (
        made.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(day).not_valid_after(day.replace(year=2036)).sign(key, hashes.SHA256())
    )
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = signers.SimpleSigner(
        signing_cert=x509.Certificate.load(certificate.public_bytes(Encoding.DER)),
        signing_key=keys.PrivateKeyInfo.load(der), cert_registry=SimpleCertificateStore(),
    )
    meta = signers.PdfSignatureMetadata(field_name="Seal", md_algorithm="sha256")
    return signers.PdfSigner(meta, signer=signer).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(page()))).getvalue()


found = {}
for kind, key in (("RSA", rsa.generate_private_key(65537, 2048)), ("P-256", ec.generate_private_key(ec.SECP256R1()))):
    root = PdfFileReader(io.BytesIO(sealed(key))).root
    found[kind] = str(root["/Version"]) if "/Version" in root else "none"
    print(f"pyHanko {version('pyhanko')}, {kind}: /Version of the catalog after sealing a PDF 1.7: {found[kind]}")
sys.exit(found != {"RSA": "none", "P-256": "/2.0"})
PYTHON
