"""Sealing a PDF: PAdES B-B with our P-256 key, one revision, an invisible field.

pyHanko signs; `ledger.seal` checks the same profile without it. No time is signed: the clock here is nobody's witness.
"""

import io

from ledger.custody import SealKey


def seal(pdf: bytes, key: SealKey) -> bytes:
    """Return the PDF with a seal over every byte of it."""
    from asn1crypto import keys, x509
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers
    from pyhanko_certvalidator.registry import SimpleCertificateStore

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
    signed = signers.PdfSigner(profile, signer=signer, new_field_spec=field).sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(pdf))
    )
    data: bytes = signed.getvalue()
    return data
