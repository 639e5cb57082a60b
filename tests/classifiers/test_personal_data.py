"""Numbers, addresses and telephones of people are found, and numbers that count things are not."""

import random
import re
from ipaddress import IPv4Address, IPv6Address

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.personal_data.found import personal_data_in
from classifiers.resources import read_yaml

KINDS = read_yaml("classifiers.personal_data", "numbers.yaml")
NAMED = {
    "iban": "DE89 3704 0044 0532 0130 00|BE68-5390-0754-7034|NO93 8601 1117 947|MT84MALT011000012345MTLCAST001S",
    "payment_card": "4111 1111 1111 1111|378282246310005|5555555555554444|6011-1111-1111-1117",
    "us_ssn": "536-90-4399|536 90 4399",
    "at_social_insurance": "SVNR 1237 010180|Versicherungsnummer: 1237010180",
    "be_national_number": "85.07.30-033.28|85073003328",
    "bg_egn": "EGN 7523169263",
    "ch_ahv": "756.9217.0769.85|7569217076985",
    "cz_birth_number": "rodné číslo 710319/2745",
    "de_tax_id": "36 574 261 809|36574261809",
    "dk_cpr": "CPR 211062-5629",
    "ee_lt_personal_code": "36805280109|asmens kodas 33309240064",
    "es_dni": "DNI 54362315K|NIF: 54362315-K",
    "es_nie": "NIE X-2482300-W",
    "fi_personal_identity_code": "131052-308T|131052A308T",
    "fr_nir": "2 95 10 99 126 111 93|295109912611193",
    "gb_national_insurance": "AB 12 34 56 C|AB123456C",
    "gb_nhs_number": "NHS 943 476 5870",
    "gr_amka": "AMKA 01013099997",
    "hr_oib": "OIB 33392005961",
    "ie_pps": "PPS 6433435F|PPSN: 6433435OA",
    "it_codice_fiscale": "RCCMNL83S18D969H",
    "nl_bsn": "BSN 1112.22.333|burgerservicenummer 111222333",
    "no_national_id": "151086 95088|15108695088",
    "pl_pesel": "PESEL 44051401359",
    "pt_nif": "NIF 501 964 843",
    "ro_cnp": "1630615123457",
    "se_personal_identity_number": "880320-0016|19880320-0016|personnummer 8803200016",
    "si_emso": "0101006500006",
    "tr_identity_number": "T.C. kimlik 17291716060",
}
QUIET = (
    "Order 123456789, invoice 2024-000117, tracking 1Z999AA10123456784, SKU 4006381333931, item_id 6942297802",
    "on 2024-11-29 at 12:30:15.250, from 09:00 to 17:00, 1,234,567.89 EUR, 12.345.678 views, 3.14159265358979",
    "commit 383c3c4aaa10fdacb6b7f607ff42227d70933b5e, 0f3e7c8e-4071-2b59-6ba9-31fe97ea8c90, ISBN 978-3-16-148410-0",
    "python 3.11.7.1, version 10.0.19045.3, 127.0.0.1 and 0.0.0.0 and 255.255.255.0, std::vector, a::b, 10:20",
    "latitude 48.208174, longitude 16.373819; 1764412345 seconds; 4096 x 2160; page 1 of 120; § 1234 (5) 678",
    "call 3 people, the phone costs 1299 EUR, mobile since 2019-2024, tel. on 24.12.2024 at 10:15",
    "a@b, @handle, user@localhost, x@1.2, npm i @scope/name@1.2.3",
)  # fmt: skip


def types_of(text: str) -> set[str]:
    return {one.type for one in personal_data_in(text)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_number_is_found_as_it_is_written(kind: str) -> None:
    for written in NAMED[kind].split("|"):
        assert kind in types_of(f"It says: {written}, so it does."), written


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_with_one_wrong_digit_is_none(kind: str) -> None:
    if "check" not in KINDS[kind] or kind == "dk_cpr":  # Danish ones have none since 2007, but a date
        return
    for written in NAMED[kind].split("|"):
        last = max(found.start() for found in re.finditer(r"\d", written))
        wrong = written[:last] + str((int(written[last]) + 1) % 10) + written[last + 1 :]
        assert kind not in types_of(f"It says: {wrong}, so it does."), wrong


@pytest.mark.parametrize("length", range(6, 17))
def test_hardly_any_order_number_is_taken_for_a_person(length: int) -> None:
    chance = random.Random(length)
    numbers = ["".join(chance.choices("0123456789", k=length)) for _ in range(4000)]
    counted = sum(bool(personal_data_in(f"Your order {number} has left.")) for number in numbers)
    bare = sum(bool(personal_data_in(f"We have sent {number} today.")) for number in numbers)
    assert counted == 0
    assert bare <= 0.03 * len(numbers) if length == 16 else bare <= 0.012 * len(numbers)


@pytest.mark.parametrize("kind", [name for name, said in KINDS.items() if said.get("alone") and "check" in said])
def test_what_stands_alone_is_passed_by_fewer_than_one_random_number_in_200(kind: str) -> None:
    shape, length = re.compile(KINDS[kind]["form"]), KINDS[kind]["length"][1]
    if kind == "payment_card" or not shape.fullmatch("1" * length) and not shape.fullmatch("7560" + "1" * (length - 4)):
        return  # cards also have their first digits; what has letters is no random number
    chance = random.Random(7)
    numbers = ("".join(chance.choices("0123456789", k=length)) for _ in range(8_000))
    assert sum(kind in types_of(number) for number in numbers) < 40


@pytest.mark.parametrize("text", QUIET)
def test_numbers_that_name_nobody_are_left_alone(text: str) -> None:
    assert personal_data_in(text) == []


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_telephone_numbers_of_every_country_are_found(region: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
        if number := phonenumbers.example_number_for_type(region, kind):
            for form in (phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164):
                assert found_whole("She said {} twice", phonenumbers.format_number(number, form))
            national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
            digits = sum(map(str.isdigit, national))
            assert found_whole("My phone is {} at home", national) == (
                digits >= 6 and not SHAPE_OF_TIME.match(national)
            )


SHAPE_OF_TIME = re.compile(r"\d{4}-\d{4}$|\d\d\.\d\d\.\d\d$")


def found_whole(sentence: str, piece: str) -> bool:
    text = sentence.format(piece)
    start = text.index(piece)
    return any(one.start <= start and one.end >= start + len(piece) for one in personal_data_in(text))


@given(st.integers(1, 2**32 - 1).map(IPv4Address) | st.integers(2, 2**128 - 1).map(IPv6Address))
def test_internet_addresses_are_found(address: IPv4Address | IPv6Address) -> None:
    quiet = short(address) or address.is_loopback or address.is_unspecified or str(address).startswith("255.")
    assert found_whole("from {} it came", str(address)) is not quiet


def short(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is written like a name of C++, `a::b`."""
    return not re.search(r"\d", str(address)) and str(address).count(":") < 4


@pytest.mark.parametrize(
    "address",
    ["a.b+c@mail.example.org", "Jörg.Müller@büro.example", "x_1@a-b.co", "ANNA@EXAMPLE.COM", "用户@例子.广告"],
)
def test_mail_addresses_are_found(address: str) -> None:
    assert found_whole("write to <{}>, please", address)
    assert found_whole("{}", address)


@given(
    st.lists(
        st.sampled_from([" ", "-", "+", "1", "0", "DE", "@", ".", ":", "tel ", "(", ")", "a", "card "]), max_size=60
    ).map("".join)
)
def test_places_are_in_order_and_inside_the_text(text: str) -> None:
    places = [place for one in personal_data_in(text) for place in (one.start, one.end)]
    assert places == sorted(places)
    assert all(0 <= place <= len(text) for place in places)
