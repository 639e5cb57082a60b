"""Sealing a PDF: PAdES B-B with our P-256 key, one revision, an invisible field.

pyHanko signs; `ledger.seal` checks the same profile without it. No time is signed: the clock here is nobody's witness.

The file stays PDF 1.7, on which PDF/A-3 rests. For an elliptic key or a digest of SHA-3 pyHanko writes `/Version /2.0`
into the catalog, with the extensions of ISO/TS 32001 and 32002; PAdES itself asks for neither, only for its own
extension of 1.7 (ETSI EN 319 142-1), which stays.
"""

import io
from typing import Any

from ledger.custody import SealKey


def seal(pdf: bytes, key: SealKey) -> bytes:
    """Return the PDF with a seal over every byte of it."""
    from asn1crypto import keys, x509
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers
    from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    class OneSeven(signers.PdfSigner):  # type: ignore[misc]
        """Declares what PAdES adds to PDF 1.7, and raises no version."""

        def register_extensions(self, pdf_out: Any, *, md_algorithm: str) -> None:
            pdf_out.register_extension(ESIC_EXTENSION_1)

    signer = signers.SimpleSigner(
        signing_cert=x509.Certificate.load(key.certificate_der),
        signing_key=keys.PrivateKeyInfo.load(key.key_der),
        cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call]
    )
    profile = signers.PdfSignatureMetadata(
        field_name="Seal",
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )
    field = fields.SigFieldSpec("Seal", readable_field_name="Seal of the evidence pack")
    signed = OneSeven(profile, signer=signer, new_field_spec=field).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)))
    data: bytes = signed.getvalue()
    return data
