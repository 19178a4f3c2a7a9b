"""What a client may rely on is the same on the stand-in as on node-soap and PHP."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
import requests
import zeep
from zeep.exceptions import Fault, TransportError
from zeep.transports import Transport

from drawbar.testing.billing import WSDL, Billing, fault
from drawbar.testing.soap import Close, Hang, Html, HttpError, SoapFault, SoapService

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
ENVELOPE = '<s:Envelope xmlns:s="{version}"><s:Body>{body}</s:Body></s:Envelope>'
FIND = '<FindInvoice xmlns="urn:drawbar:billing"><orderId>{order}</orderId></FindInvoice>'


@pytest.fixture(params=["stand-in", "soap_node", "soap_php"])
def served(request):
    if request.param == "stand-in":
        with SoapService(WSDL, Billing().answers) as service:
            yield service
    else:
        yield request.getfixturevalue(request.param)


def client_of(url):
    session = requests.Session()
    session.trust_env = False
    return zeep.Client(url, transport=Transport(session=session, timeout=5, operation_timeout=5)).service


@pytest.fixture
def billing(served):
    return client_of(served.wsdl)


def post(url, body, version=SOAP_11, **headers):
    data = ENVELOPE.format(version=version, body=body).encode()
    return requests.post(
        url, data=data, headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', **headers}, timeout=5
    )


def test_the_wsdl_names_the_address_of_the_service(served):
    answer = requests.get(served.wsdl, timeout=5)

    assert answer.headers["Content-Type"].startswith(("text/xml", "application/xml"))
    assert f'location="{served.url}"' in answer.text


def test_an_invoice_is_made_read_found_and_cancelled(billing):
    made = billing.CreateInvoice(orderId=2**53 + 1, customer="Müller & Söhne <KG>", amount=Decimal("10.00"))
    invoice = billing.GetInvoice("INV-9007199254740993")
    found = billing.FindInvoice(2**53 + 1)

    assert (made.invoiceId, made.rc) == ("INV-9007199254740993", 0)
    assert (invoice.id, invoice.orderId, invoice.status) == ("INV-9007199254740993", 2**53 + 1, "OPEN")
    assert invoice.amount == Decimal(10)
    assert [one.id for one in found] == ["INV-9007199254740993"]
    assert [billing.CancelInvoice(invoice.id), billing.CancelInvoice(invoice.id)] == [True, False]
    assert billing.GetInvoice(invoice.id).status == "CANCELLED"


def test_an_order_without_invoices_has_an_empty_answer(billing):
    assert not billing.FindInvoice(404)


def test_a_second_invoice_of_an_order_is_a_fault_with_its_detail(billing):
    order = {"orderId": 17, "customer": "x", "amount": Decimal(1)}
    billing.CreateInvoice(**order)

    with pytest.raises(Fault) as said:
        billing.CreateInvoice(**order)

    assert said.value.code.endswith(":Client")
    assert said.value.message == "order 17 has invoice INV-17"
    detail = said.value.detail.find("{urn:drawbar:billing}BillingFault")
    assert detail.findtext("{urn:drawbar:billing}code") == "ERR-017"


def test_an_unknown_invoice_is_a_fault(billing):
    with pytest.raises(Fault, match="no invoice nothing"):
        billing.GetInvoice("nothing")


def test_a_negative_amount_is_a_polite_no(billing):
    said = billing.CreateInvoice(orderId=8, customer="x", amount=Decimal("-0.01"))

    assert (said.invoiceId, said.rc) == (None, 8)
    assert not billing.FindInvoice(8)


def test_an_unknown_operation_is_refused_with_status_500(served):
    assert post(served.url, '<Nothing xmlns="urn:drawbar:billing"/>').status_code == 500


def test_a_fault_travels_with_status_500(served):
    answer = post(served.url, '<GetInvoice xmlns="urn:drawbar:billing"><invoiceId>x</invoiceId></GetInvoice>')

    assert answer.headers["Content-Type"].startswith("text/xml")
    assert "no invoice x" in answer.text
    assert answer.status_code == (
        200 if "SoapNode" in type(served).__name__ else 500
    )  # node-soap is not after the book


@pytest.mark.parametrize("data", ["no xml", "", "<a/>", "<a>"])
def test_what_is_no_envelope_is_an_error_and_the_service_goes_on(served, billing, data):
    answer = requests.post(served.url, data=data, headers={"Content-Type": "text/xml"}, timeout=5)

    assert answer.status_code >= 400
    assert not billing.FindInvoice(1)


def test_an_answer_in_soap_1_2_for_a_question_in_soap_1_2():
    with SoapService(WSDL, Billing().answers) as service:
        answer = post(service.url, FIND.format(order=1), SOAP_12)
        refused = post(service.url, "<Nothing/>", SOAP_12)

    assert answer.headers["Content-Type"].startswith("application/soap+xml")
    assert SOAP_12 in answer.text
    assert (refused.status_code, "soap:Sender" in refused.text) == (400, True)


def test_zeep_reads_the_stand_in_over_soap_1_2(tmp_path):
    wsdl = tmp_path / "billing.wsdl"
    wsdl.write_text(
        WSDL.read_text().replace("http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/")
    )
    with SoapService(wsdl, Billing().answers) as service:
        billing = client_of(service.wsdl)
        billing.CreateInvoice(orderId=1, customer="x", amount=Decimal(1))
        with pytest.raises(Fault) as said:
            billing.CreateInvoice(orderId=1, customer="x", amount=Decimal(1))

    assert said.value.message == "order 1 has invoice INV-1"


@pytest.mark.parametrize(
    "body",
    [
        '<CreateInvoice xmlns="urn:drawbar:billing"/>',
        '<CreateInvoice xmlns="urn:drawbar:billing"><orderId>abc</orderId><customer>x</customer><amount>1</amount></CreateInvoice>',
        '<FindInvoice xmlns="urn:drawbar:billing"><order>1</order></FindInvoice>',
    ],
)
def test_arguments_against_the_schema_never_reach_the_script(body):
    with SoapService(WSDL, Billing().answers) as service:
        answer = post(service.url, body)

        assert (answer.status_code, service.received) == (500, [])
        assert "soap:Client" in answer.text


def test_a_document_type_is_refused():
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]>' + ENVELOPE.format(version=SOAP_11, body=FIND.format(order="&b;"))
    with SoapService(WSDL, Billing().answers) as service:
        answer = requests.post(service.url, data=bomb, timeout=5)

    assert "DTD" in answer.text


def test_a_list_answers_call_by_call_and_its_last_answer_stays():
    answers = [
        {"done": True},
        HttpError(503, headers={"Retry-After": "7"}),
        Html(),
        SoapFault("ERR-9", "no"),
        {"done": False},
    ]
    with SoapService(WSDL, {"CancelInvoice": answers}) as service:
        billing = client_of(service.wsdl)

        assert billing.CancelInvoice("1") is True
        with pytest.raises(TransportError) as away:
            billing.CancelInvoice("1")
        assert away.value.status_code == 503
        with pytest.raises((TransportError, zeep.exceptions.XMLSyntaxError)):
            billing.CancelInvoice("1")
        with pytest.raises(Fault, match="no") as said:
            billing.CancelInvoice("1")
        assert said.value.code == "ERR-9"
        assert [billing.CancelInvoice("1"), billing.CancelInvoice("1")] == [False, False]
        assert [one.arguments for one in service.received] == [{"invoiceId": "1"}] * 6


def test_the_line_is_cut_after_the_effect():
    kept = Billing()

    def create_and_close(arguments):
        kept.create(arguments)
        return Close()

    with SoapService(WSDL, {**kept.answers, "CreateInvoice": create_and_close}) as service:
        billing = client_of(service.wsdl)
        with pytest.raises(requests.ConnectionError):
            billing.CreateInvoice(orderId=1, customer="x", amount=Decimal(1))

        assert [one.id for one in billing.FindInvoice(1)] == ["INV-1"]


def test_a_hanging_answer_hangs_and_others_are_served():
    with SoapService(WSDL, {**Billing().answers, "CancelInvoice": [Hang(0.5, {"done": True})]}) as service:
        began = time.monotonic()

        assert client_of(service.wsdl).CancelInvoice("1") is True
        assert time.monotonic() - began >= 0.5
        with pytest.raises(requests.Timeout):
            requests.post(
                service.url,
                data=ENVELOPE.format(
                    version=SOAP_11,
                    body='<CancelInvoice xmlns="urn:drawbar:billing"><invoiceId>1</invoiceId></CancelInvoice>',
                ),
                timeout=0.1,
            )
        assert not client_of(service.wsdl).FindInvoice(1)


def test_a_scripted_answer_against_the_schema_is_a_server_fault():
    with (
        SoapService(WSDL, {"GetInvoice": [{"invoice": {"id": "1"}}]}) as service,
        pytest.raises(Fault, match="the scripted answer is wrong"),
    ):
        client_of(service.wsdl).GetInvoice("1")


def test_a_script_for_no_operation_is_refused():
    with pytest.raises(ValueError, match="no operation CreateInvoise"):
        SoapService(WSDL, {"CreateInvoise": [None]})


def test_an_operation_without_a_script_is_a_server_fault():
    with SoapService(WSDL, {}) as service, pytest.raises(Fault, match="FindInvoice has no script"):
        client_of(service.wsdl).FindInvoice(1)


def test_a_closed_service_answers_nobody():
    service = SoapService(WSDL, Billing().answers)
    billing = client_of(service.wsdl)
    billing.FindInvoice(1)

    service.close()

    with pytest.raises(requests.ConnectionError):
        billing.FindInvoice(1)


def test_a_fault_of_the_server_is_told_from_one_of_the_client():
    def away(arguments):
        raise fault("ERR-500", "the billing database is away", "Server")

    with SoapService(WSDL, {"FindInvoice": away}) as service, pytest.raises(Fault) as said:
        client_of(service.wsdl).FindInvoice(1)

    assert said.value.code.endswith(":Server")
