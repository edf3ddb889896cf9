"""What goes into an archive of logs: nothing that is secret."""

from pathlib import Path

import pytest

from fakes import FakeEngine, FakeHost
from stackyard import cli
from stackyard.deploy.archive import redactor
from stackyard.secrets import REDACTED


@pytest.mark.parametrize(
    ("secret", "text", "hidden"),
    [
        ("pa55word", "mysql://nova:pa55word@db", f"mysql://nova:{REDACTED}@db"),
        ("a/b+c d", "amqp://u:a%2Fb%2Bc%20d@h", f"amqp://u:{REDACTED}@h"),
        ('qu"ote', r'{"password": "qu\"ote"}', f'{{"password": "{REDACTED}"}}'),
        ("-----BEGIN KEY-----\nMIIBhole\n-----END KEY-----", "x MIIBhole y", f"x {REDACTED} y"),
        ("abc", "abcdef", "abcdef"),
    ],
    ids=["plain", "in a URL", "in JSON", "a line of a key", "too short to be told from words"],
)
def test_secrets_are_taken_out_as_they_stand(secret: str, text: str, hidden: str) -> None:
    assert redactor([secret])(text) == hidden


def test_a_secret_that_begins_another_leaves_nothing_of_it() -> None:
    assert redactor(["secret", "secret-longer"])("secret-longer secret") == f"{REDACTED} {REDACTED}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--archive", "a.tar.gz", "keystone"), "an archive has everything"),
        (("--archive", "a.tar.gz", "--follow"), "an archive has everything"),
        (("--archive", "none/a.tar.gz"), "there is no folder none"),
        (("--archive", "a.tar.gz"), "the site demo has no containers here"),
    ],
    ids=["a container", "follow", "no folder", "no site"],
)
def test_what_cannot_be_archived_is_bad_input(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(("logs", *words), FakeHost(FakeEngine({}), tmp_path / "state"))
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("**/*.gz"))
