"""Secrets come by reference and are never printed."""

from __future__ import annotations

import pytest

from drawbar.config import ConfigErrors, load, scrub
from drawbar.config.secrets import scrub_event, scrub_values

DATABASE = "adapters:\n  erp: {{ kind: sql, url: {url} }}\n"


def given(tmp_path, text, **environ):
    file = tmp_path / "drawbar.yaml"
    file.write_text(text)
    return load(file, environ=environ)


def test_a_reference_is_filled_from_the_environment(tmp_path):
    config = given(
        tmp_path, DATABASE.format(url="'postgresql://u:${env:PW}@${env:HOST:-db.example}/x'"), PW="s3cret-pw"
    )

    assert config.adapters["erp"].url.get_secret_value() == "postgresql://u:s3cret-pw@db.example/x"
    assert "s3cret-pw" in config.secrets
    assert "s3cret" not in repr(config)


def test_an_empty_variable_takes_the_default(tmp_path):
    config = given(tmp_path, "state_key: ${env:KEY:-}\nserver: { port: '${env:PORT:-9000}' }\n", KEY="", PORT="")

    assert (config.state_key.get_secret_value(), config.server.port) == ("", 9000)


def test_a_reference_is_filled_from_a_file_beside_the_configuration(tmp_path):
    (tmp_path / "key").write_text("filed-secret\n")

    config = given(tmp_path, "state_key: ${file:./key}\n")

    assert config.state_key.get_secret_value() == "filed-secret"
    assert scrub("it is filed-secret!") == "it is ***!"


def test_an_escaped_reference_is_text(tmp_path):
    config = given(tmp_path, "agents:\n  a: { description: 'costs $${env:X}' }\n")

    assert config.agents["a"].description == "costs ${env:X}"


def test_an_expression_is_left_for_later(tmp_path):
    text = "workflows:\n  w: { output: \"${{ {'a': input.x}.a }} and $${{ literal }}\" }\n"

    config = given(tmp_path, text)

    assert config.workflows["w"].output.fill({"input": {"x": 1}}) == "1 and ${{ literal }}"


def test_a_wrong_value_that_is_a_secret_is_not_shown(tmp_path):
    with pytest.raises(ConfigErrors) as caught:
        given(tmp_path, "server: { port: '${env:PORT}' }\n", PORT="my-secret-number")

    assert "'port' must be a whole number" in str(caught.value)
    assert "my-secret" not in str(caught.value)


def test_a_secret_in_the_file_itself_is_a_warning(tmp_path):
    config = given(tmp_path, DATABASE.format(url="'postgresql://u:plain-pw@db/x'"))

    (warning,) = config.warnings
    assert (warning.spot.line, warning.spot.column) == (2, 26)
    assert "'url' holds a secret in the file itself; refer to it: ${env:NAME}" in str(warning)
    assert "plain-pw" in config.secrets


def test_a_url_without_a_password_is_no_secret(tmp_path):
    config = given(tmp_path, DATABASE.format(url="'${env:URL}'"), URL="sqlite:///some/place.db")

    assert config.secrets == frozenset()
    assert config.warnings == ()


def test_secrets_are_scrubbed_from_logs_and_answers_in_every_spelling(tmp_path):
    given(tmp_path, "state_key: '${env:KEY}'\n", KEY='se"cret/pass word')

    event = scrub_event(
        None, "info", {"event": 'failed for se"cret/pass word', "n": 1, "error": ValueError('se"cret/pass word')}
    )

    assert event == {"event": "failed for ***", "n": 1, "error": "***"}
    assert scrub('{"x": "se\\"cret/pass word"} se%22cret%2Fpass%20word') == '{"x": "***"} ***'
    assert scrub_values({"a": ['se"cret/pass word']}) == {"a": ["***"]}
