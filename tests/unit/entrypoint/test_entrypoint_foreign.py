"""What is in an environment beyond the contract: of platforms, of other systems, and of the files that it came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_entrypoint_contract import problems, read

from stackyard.entrypoint.foreign import owner

CONTRACT = {
    "MYSQL_SERVER": {"type": "hosts", "required": True},
    "MYSQL_PORT": {"type": "port", "default": 3306},
    "RABBIT_PASSWORD": {"type": "secret", "required": True},
    "RABBIT_PORT": {"type": "port"},
    "DATABASE_NAME": {"type": "name", "default": "nova"},
    "LOG_LEVEL": {"type": "enum", "values": ["info", "debug"], "default": "info"},
    "DOMAIN": {"type": "str"},
    "ZONES": {"type": "json"},
    "CERTIFICATE": {"type": "text"},
}
GIVEN = {"MYSQL_SERVER": "192.0.2.1", "RABBIT_PASSWORD": "r"}
OTHERS = {
    "OpenSDN": {"names": ["RABBITMQ_PASSWORD", "KEYSTONE_AUTH_*"], "values": {"LOG_LEVEL": ["SYS_*"]}},
    "Kolla": {"names": ["KOLLA_*", "MYSQL_SERVERS"]},
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RABBITMQ_PORT", "tcp://10.0.0.5:5672"),
        ("MYSQL_PORTS_PORT", "udp://10.0.0.5:53"),
        ("MYSQL_PORT_3306_TCP", "tcp://10.0.0.5:3306"),
        ("MYSQL_PORT_3306_TCP_ADDR", "10.0.0.5"),
        ("MYSQL_PORT_3306_TCP_PORT", "3306"),
        ("MYSQL_PORT_3306_UDP_PROTO", "udp"),
        ("MYSQL_SERVICE_HOST", "10.0.0.5"),
        ("MYSQL_SERVICE_PORT", "3306"),
        ("MYSQL_SERVICE_PORT_MYSQL", "3306"),
        ("DATABASES_NAME", "/nova-api/databases"),
        ("KUBERNETES_SERVICE_PORT_HTTPS", "443"),
    ],
)
def test_what_a_platform_injects_beside_the_contract_is_passed_over(name, text):
    assert owner(name, {}, text) == "the platform"
    assert read(CONTRACT, {**GIVEN, name: text})[1:] == ((), read(CONTRACT, GIVEN).notes)


@pytest.mark.parametrize(
    ("name", "text", "value", "which"),
    [
        ("MYSQL_PORT", "tcp://10.0.0.5:3307", 3306, "mysql"),
        ("RABBIT_PORT", "tcp://10.0.0.5:5672", None, "rabbit"),
        ("DATABASE_NAME", "/nova-api/database", "nova", "database"),
    ],
)
def test_what_a_platform_injects_under_a_name_of_the_contract_counts_as_not_given(name, text, value, which):
    outcome = read(CONTRACT, {**GIVEN, name: text})
    assert (outcome.errors, outcome.values[name]) == ((), value)
    (note,) = [each for each in outcome.notes if each.startswith("note:")]
    assert f"{name} counts as not given: {text} comes from the platform" in note
    assert f"named {which};" in note
    assert "enableServiceLinks: false" in note


@pytest.mark.parametrize("text", ["tcp://", "http://10.0.0.5:3306", "10.0.0.5:3306", "/x/mysql"])
def test_what_no_platform_gives_is_refused(text):
    assert "is not a port" in problems(read(CONTRACT, {**GIVEN, "MYSQL_PORT": text}))["MYSQL_PORT"]


def test_a_required_port_that_only_the_platform_gives_is_missing():
    contract = {"API_PORT": {"type": "port", "required": True, "help": "Port."}}
    outcome = read(contract, {"API_PORT": "tcp://10.0.0.5:80"})
    assert "is required and not given" in problems(outcome)["API_PORT"]
    assert "comes from the platform" in outcome.notes[0]


def test_a_url_is_for_a_variable_of_urls_what_it_says():
    outcome = read({"OVN_PORT": {"type": "url"}}, {"OVN_PORT": "tcp://10.0.0.5:6641"})
    assert (outcome.values, outcome.notes) == ({"OVN_PORT": "tcp://10.0.0.5:6641"}, ())


@pytest.mark.parametrize("name", ["RABBITMQ_PASSWORD", "RABBITMQ_PASSWORD_FILE", "KEYSTONE_AUTH_HOST", "MYSQL_SERVERS"])
def test_variables_of_other_systems_pass_in_silence(name):
    assert read(CONTRACT, {**GIVEN, name: "x"}, environments=OTHERS) == read(CONTRACT, GIVEN)
    without = {"RABBIT_PASSWORD": "r", name: "x"}
    assert list(problems(read(CONTRACT, without, environments=OTHERS))) == ["MYSQL_SERVER"]


def test_a_value_of_another_system_counts_as_not_given():
    outcome = read(CONTRACT, {**GIVEN, "LOG_LEVEL": "SYS_NOTICE"}, environments=OTHERS)
    assert (outcome.errors, outcome.values["LOG_LEVEL"]) == ((), "info")
    assert "note: LOG_LEVEL counts as not given: SYS_NOTICE is a value of OpenSDN" in outcome.notes
    assert "LOG_LEVEL" in problems(read(CONTRACT, {**GIVEN, "LOG_LEVEL": "SYSTEM"}, environments=OTHERS))
    assert "LOG_LEVEL" in problems(read(CONTRACT, {**GIVEN, "LOG_LEVEL": "SYS_NOTICE"}))


def test_a_value_that_fits_is_ours():
    contract = {"LOG_LEVEL": {"type": "str"}}
    outcome = read(contract, {"LOG_LEVEL": "SYS_INFO"}, environments=OTHERS)
    assert (outcome.values, outcome.notes) == ({"LOG_LEVEL": "SYS_INFO"}, ())


def test_a_near_miss_of_a_variable_that_is_given_is_a_note():
    outcome = read(CONTRACT, {**GIVEN, "MYSQL_SERVR": "192.0.2.2"})
    assert outcome.errors == ()
    assert "note: MYSQL_SERVR is unknown, and passed over; MYSQL_SERVER is given" in outcome.notes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"pw"', "has quotes around it; docker run --env-file keeps them"),
        ("'pw'", "has quotes around it; docker run --env-file keeps them"),
        ('""', "has quotes around it; docker run --env-file keeps them"),
        ("pw ", "has blanks at its end; docker run --env-file keeps them"),
        (" pw", "has blanks at its beginning; docker run --env-file keeps them"),
        ("\tpw ", "has blanks at its beginning and its end; docker run --env-file keeps them"),
        ('"pw" ', "has quotes around it and blanks at its end; docker run --env-file keeps them"),
        ("pw\r", "has a carriage return at its end (a file with Windows line ends)"),
        ('"pw"\r', "has quotes around it and a carriage return at its end (a file with Windows line ends)"),
    ],
)
@pytest.mark.parametrize("name", ["RABBIT_PASSWORD", "DOMAIN", "MYSQL_SERVER", "MYSQL_PORT"])
def test_what_a_file_leaves_around_a_value_is_named_with_the_remedy(name, text, said):
    found = problems(read(CONTRACT, {**GIVEN, name: text}))
    assert list(found) == [name]
    assert found[name].startswith(said)
    assert f"take them away; if they belong to the value, give {name}_FILE" in found[name]
    assert text not in found[name]


@pytest.mark.parametrize("text", ['"in quotes"', " blanks ", "'", '"', "it's", 'a"b"', '"a', "a  b"])
def test_any_value_can_be_given_as_a_file_and_odd_ones_also_directly(text):
    env = {"MYSQL_SERVER": "h", "RABBIT_PASSWORD_FILE": "/s"}
    assert read(CONTRACT, env, {"/s": text}).values["RABBIT_PASSWORD"] == text
    direct = read(CONTRACT, {**GIVEN, "RABBIT_PASSWORD": text})
    bare = text == text.strip() and not (len(text) > 1 and text[0] == text[-1] == '"')
    assert (direct.values["RABBIT_PASSWORD"] == text) is bare


def test_the_path_of_a_file_in_quotes_is_named_too():
    found = problems(read(CONTRACT, {"MYSQL_SERVER": "h", "RABBIT_PASSWORD_FILE": '"/s"'}))
    assert found["RABBIT_PASSWORD"].startswith("as RABBIT_PASSWORD_FILE has quotes around it; docker run --env-file")


def test_blanks_around_json_and_text_of_several_lines_do_no_harm():
    env = {**GIVEN, "ZONES": " [1]\n", "CERTIFICATE": "-----BEGIN\r\nx\r\n"}
    assert not read(CONTRACT, env).errors
    assert list(problems(read(CONTRACT, {**GIVEN, "ZONES": "'[1]'", "CERTIFICATE": '"x\ny"'}))) == [
        "ZONES",
        "CERTIFICATE",
    ]


@pytest.mark.parametrize("name", ["export RABBIT_PASSWORD", "  export\tRABBIT_PASSWORD", "export RABBIT_PASSWORD_FILE"])
def test_export_before_a_name_is_named_once(name):
    found = problems(read(CONTRACT, {"MYSQL_SERVER": "h", name: "x"}))
    assert list(found) == [name]
    assert "`export ` before it" in found[name]
    assert found[name].endswith(f"write {name.split()[-1]}")


@pytest.mark.parametrize("name", ["\ufeffRABBIT_PASSWORD", "RABBIT_PASSWORD ", " RABBIT_PASSWORD"])
def test_invisible_characters_in_a_name_are_named(name):
    found = problems(read(CONTRACT, {"MYSQL_SERVER": "h", name: "x"}))
    assert list(found) == [name]
    assert "invisible characters around it" in found[name]


def test_export_before_somebody_elses_name_is_nobodys_business():
    assert read(CONTRACT, {**GIVEN, "export EDITOR": "vi"}) == read(CONTRACT, GIVEN)


@pytest.mark.parametrize("text", ['"true"', "true ", "true\r"])
def test_an_option_with_something_around_it_is_warned_of(text):
    outcome = read({}, {"OS_DEFAULT__DEBUG": text}, overrides="oslo")
    assert outcome.errors == ()
    assert outcome.notes[0].startswith("warning: OS_DEFAULT__DEBUG has ")
    assert list(problems(read({}, {"export OS_DEFAULT__DEBUG": "1"}, overrides="oslo"))) == ["export OS_DEFAULT__DEBUG"]


def test_a_comment_behind_a_value_is_warned_of():
    outcome = read(CONTRACT, {**GIVEN, "DOMAIN": "Default  # of all"})
    assert outcome.values["DOMAIN"] == "Default  # of all"
    assert any(note.startswith("warning: DOMAIN has a # after a blank") for note in outcome.notes)


@given(st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), min_size=1, max_size=8))
def test_law_a_value_is_taken_as_it_is_or_refused(text):
    outcome = read({"S": {"type": "secret"}}, {"S": text})
    assert outcome.values["S"] == (None if outcome.errors else text)
    assert read({"S": {"type": "secret"}}, {"S_FILE": "/s"}, {"/s": text}).values["S"] == text


def test_exit_code_and_all_problems_at_once(image):
    env = {
        "export KEYSTONE_SERVER": "192.0.2.1",
        "ADMIN_PASSWORD": '"pw"',
        "METADATA_PORT": "tcp://10.0.0.1:80",
        "VIRT_TYPE": "kvm ",
    }
    for command in ("validate", "run", "config", "bootstrap"):
        done = image.start(command, env=env)
        assert done.returncode == 2, command
        for said in (
            "export KEYSTONE_SERVER",
            "has quotes around it",
            "has blanks at its end",
            "comes from the platform",
        ):
            assert said in done.stderr
        assert "is required" not in done.stderr


def test_processes_are_not_given_what_belongs_to_others(image):
    image.data |= {"environments": {"Others": {"names": ["OTHERS_*"]}}, "command": ["sh", "-c", "env"], "templates": {}}
    told = image.start(env={"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD": "x", "OTHERS_NODENAME": "y", "MINE": "z"}).stdout
    assert "MINE=z" in told
    assert "KEYSTONE_SERVER=h" in told
    assert "OTHERS_NODENAME" not in told


def test_processes_are_given_the_files_of_secrets_whose_names_begin_as_those_of_others(image, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    image.data |= {"environments": {"Others": {"names": ["ADMIN_*"]}}, "command": ["sh", "-c", "env"], "templates": {}}
    told = image.start(env={"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD_FILE": str(secret)}).stdout
    assert f"ADMIN_PASSWORD_FILE={secret}" in told


def test_plain_environment_has_the_value_that_counts(image):
    image.data |= {"plain_environment": True, "command": ["sh", "-c", "echo $METADATA_PORT"], "templates": {}}
    env = {"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD": "x", "METADATA_PORT": "tcp://10.0.0.1:80"}
    assert image.start(env=env).stdout == "8775\n"


def test_explain_names_the_owner_of_a_foreign_variable(image):
    image.data["environments"] = {"Others": {"names": ["KEYSTONE_SERVR"]}}
    told = image.start("explain", "KEYSTONE_SERVR", env={})
    assert (told.returncode, told.stdout) == (2, "")
    assert "it belongs to Others, and is ignored here" in told.stderr
    assert "did you mean" not in told.stderr
