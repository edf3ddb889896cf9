"""The contract as a user reads it."""

from __future__ import annotations

import pytest

from stackyard.entrypoint.container import Container
from stackyard.entrypoint.explain import as_text
from stackyard.entrypoint.failure import Failure

TABLE = """\
nova-api 2026.2: Compute API

Required
  KEYSTONE_SERVER  host    -                 Where Keystone answers.
                                             sets: nova.conf [keystone_authtoken] auth_url
  ADMIN_PASSWORD   secret  -                 Password of the administrator.
                                             as a file: ADMIN_PASSWORD_FILE

Optional
  DEBUG            bool    false             Log at debug level.
  MYSQL_SERVER     host    $KEYSTONE_SERVER  Where MariaDB answers.
  METADATA_PORT    port    8775              Port of the metadata service.
  GLANCE_SERVER    host    -                 Where Glance answers.
  VIRT_TYPE        enum    auto              Hypervisor. One of auto, kvm, qemu.

Files      NAME_FILE, the path of a file, may be given instead of any NAME. Do so for secrets.
Beyond     OS_<GROUP>__<OPTION> sets any other option, such as OS_DEFAULT__DEBUG=true. There $name is another
           option's value, and $$ a dollar.
Writes     /etc/nova/nova.conf
Waits for  the database of nova
Removed    DISCOVERY_SERVER: OpenSDN finds its services without it.
"""

ONE = """\
KEYSTONE_SERVER
  Where Keystone answers.

  type      host: an IP address or a DNS name, without a port
  required  yes
  example   192.0.2.10
  file      KEYSTONE_SERVER_FILE, the path of a file that holds it
  sets      nova.conf [keystone_authtoken] auth_url
"""


@pytest.fixture
def container(image):
    image.data["wait_for"] = [{"name": "the database of nova"}]
    return Container(image.data, "")


def test_the_table(container):
    assert as_text(container, width=110) == TABLE


@pytest.mark.parametrize("name", ["KEYSTONE_SERVER", "KEYSTONE_SERVER_FILE"])
def test_one_variable_at_length(container, name):
    assert as_text(container, name, width=110) == ONE


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KEYSTONE_SERVR", "did you mean KEYSTONE_SERVER?"),
        ("DISCOVERY_SERVER", "is removed: OpenSDN"),
        ("CINDER_SERVER", "belongs to other images"),
        ("WHATEVER", "lists all"),
    ],
)
def test_a_variable_that_it_does_not_take(container, name, said):
    with pytest.raises(Failure) as caught:
        as_text(container, name)
    assert said in str(caught.value)
    assert caught.value.code == 2


def test_a_narrow_terminal_and_a_long_default_still_read(container):
    container.contract["URL"] = {"help": "Where. " * 12, "default": "http://{{ KEYSTONE_SERVER | hostport(5000) }}/v3"}
    text = as_text(container, width=60)
    assert "default: http://{{ KEYSTONE_SERVER | hostport(5000) }}/v3" in " ".join(text.split())


def test_an_image_without_variables():
    assert "takes no variables" in as_text(Container({"image": "pause", "contract": {}}, ""))
