"""The contract of one operation, whose message is the element `Ask` of a schema."""

from pathlib import Path

from drawbar.connectors.soap import Bound, Service, Settings


def wsdl_of(namespace: str, schema: str) -> str:
    """Write a contract in which `Ask` is answered by itself, document/literal."""
    return f"""<wsdl:definitions targetNamespace="{namespace}" xmlns:tns="{namespace}" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"><wsdl:types>{schema}</wsdl:types>
  <wsdl:message name="In"><wsdl:part name="p" element="tns:Ask"/></wsdl:message>
  <wsdl:portType name="P"><wsdl:operation name="Ask"><wsdl:input message="tns:In"/><wsdl:output message="tns:In"/></wsdl:operation></wsdl:portType>
  <wsdl:binding name="B" type="tns:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="Ask"><soap:operation soapAction="a"/><wsdl:input><soap:body use="literal"/></wsdl:input>
      <wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation></wsdl:binding>
  <wsdl:service name="S"><wsdl:port name="P" binding="tns:B"><soap:address location="http://127.0.0.1:9/"/></wsdl:port></wsdl:service>
</wsdl:definitions>"""


def only_operation(folder: Path, wsdl: str) -> Bound:
    """Read a contract from a file, and give its operation."""
    file = folder / "only.wsdl"
    file.write_text(wsdl)
    service = Service(Settings(wsdl=str(file)))
    return service.bound(service.contract.operations[0])
