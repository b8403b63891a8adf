"""Python's poplib, which is not ours, says UTF8 and reads a chosen mailbox."""
import poplib

from world import insecure_tls


def test_poplib_with_utf8_and_a_chosen_mailbox(world):
    one = world.home("one.test", accounts=["alice"])
    one.start()
    client = poplib.POP3(one.address, one.port(110), timeout=20)
    assert client.capa()["LANG"] == []
    client.stls(context=insecure_tls())
    assert {"UTF8", "LANG", "AUTH-RESP-CODE", "RESP-CODES", "EXPIRE", "IMPLEMENTATION"} <= set(client.capa())
    assert client.utf8().startswith(b"+OK")
    client.user("alice+Archive@one.test")
    assert client.pass_("secret").startswith(b"+OK 0 messages")
    client.quit()
