"""What `endpoints:` may say, and what is said about everything else."""

import pytest
from pydantic import ValidationError

from drawbar.core.endpoints_config import EndpointsConfig
from drawbar.core.errors import ConfigError

URL = "https://a.example.com/billing"
WRONG = [
    ({}, "one of urls, dns and file"),
    ([], "one of urls, dns and file"),
    ({"urls": [URL], "file": "x"}, "exclude each other"),
    ({"dns": "a.example.com", "file": "x"}, "exclude each other"),
    ({"urls": [URL], "port": 1}, "port is for dns and file"),
    ({"urls": [URL], "refresh_s": 1}, "refresh_s is for dns and file"),
    ({"file": "x", "host": "a"}, "host is for dns"),
    ({"dns": "a.example.com", "mode": "failover"}, "needs an order"),
    ({"dns": "_b._tcp.example.com", "port": 1}, "port is not for SRV records"),
    ({"dns": "_b._tcp"}, "names no host"),
    ({"dns": "a b"}, "should match pattern"),
    ({"dns": "a.example.com", "resolver": "dns.example.com"}, "is no address of a DNS server"),
    ({"dns": "a.example.com", "resolver": "192.0.2.1:x"}, "is no address of a DNS server"),
    ({"dns": "a.example.com", "path": "billing"}, "should match pattern"),
    ([URL, URL], "stands here twice"),
    (["ftp://a.example.com"], "should match pattern"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_does_not_fit_together_is_said(given, said):
    with pytest.raises(ValidationError, match=said):
        EndpointsConfig.model_validate(given)


@pytest.mark.parametrize("given", [URL, [URL], {"urls": [URL]}])
def test_one_url_a_list_and_the_long_form_mean_the_same(given):
    assert EndpointsConfig.model_validate(given).urls == [URL]


def test_a_service_in_dns_is_proven_by_the_name_without_its_labels():
    assert EndpointsConfig(dns="_billing._tcp.example.com").host_of_dns == "example.com"
    assert EndpointsConfig(dns="_billing._tcp.example.com", host="b.example.com").host_of_dns == "b.example.com"


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("https://a.example.com/x", None),
        ("https://a.example.com/billing", URL),
        ("https://a.example.com", URL),
        ("a.example.com", URL),
        ("a.example.com:8443", "https://a.example.com:8443/billing"),
        ("http://a.example.com/billing", None),
        ("https://user:x@a.example.com/billing", None),
        ("https://a.example.com:x/billing", None),
        ("https://", None),
        ("a b", None),
    ],
)
def test_a_file_of_endpoints_keeps_scheme_and_path_of_the_configuration(entry, url):
    said = EndpointsConfig(file="x", path="/billing")
    if url is not None:
        assert said.url_of(entry) == url
    else:
        with pytest.raises(ConfigError, match="in the file of endpoints"):
            said.url_of(entry)
