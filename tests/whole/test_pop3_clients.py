"""Python's poplib and imaplib, which are not ours: UTF8 said and not said, a chosen mailbox."""
import email
import email.policy
import imaplib
import poplib

from world import insecure_tls


def test_poplib_with_utf8_and_a_chosen_mailbox(world):
    one = world.home("one.test", accounts=["alice"])
    one.start()
    client = poplib.POP3(one.address, one.port(110), timeout=60)
    assert client.capa()["LANG"] == []
    client.stls(context=insecure_tls())
    assert {"UTF8", "LANG", "AUTH-RESP-CODE", "RESP-CODES", "EXPIRE", "IMPLEMENTATION"} <= set(client.capa())
    assert client.utf8().startswith(b"+OK")
    client.user("alice+Archive@one.test")
    assert client.pass_("secret").startswith(b"+OK 0 messages")
    client.quit()


LETTER = ("From: Fréd <fréd@é.test>\r\nTo: Jörg <j@a.test>\r\nSubject: Grüße\r\nX-Other: ö\r\n"
          'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
          'schön\r\n--b\r\nContent-Disposition: attachment; filename="ö.txt"\r\n\r\nx\r\n--b--\r\n').encode()


def login(one, utf8):
    client = poplib.POP3(one.address, one.port(110), timeout=20)
    client.stls(context=insecure_tls())
    if utf8:
        client.utf8()
    client.user("alice@one.test")
    client.pass_("secret")
    return client


def test_letters_in_utf8_by_pop3_and_imap_with_and_without_utf8(world):
    """RFC 6856 section 2.1, RFC 6855 section 8: without UTF8 a surrogate that ordinary programs understand."""
    one = world.home("one.test", accounts=["alice"])
    one.start()
    imap = imaplib.IMAP4(one.address, one.port(143))
    imap.starttls(ssl_context=insecure_tls())
    imap.login("alice@one.test", "secret")
    imap.append("INBOX", None, None, LETTER)
    imap.select("INBOX")
    by_imap = imap.fetch("1", "(BODY.PEEK[])")[1][0][1]
    old = login(one, False)
    by_pop3 = b"\r\n".join(old.retr(1)[1]) + b"\r\n"
    top = b"\r\n".join(old.top(1, 0)[1]) + b"\r\n"
    uidl = old.uidl()[1]
    old.quit()
    assert by_imap == by_pop3 and by_pop3.startswith(top) and top.isascii()
    seen = email.message_from_bytes(by_pop3, policy=email.policy.default)
    assert seen["subject"] == "Grüße" and seen["x-other"] is None
    assert seen["from"].addresses[0].addr_spec == "invalid@internationalized-address.invalid"
    assert "fréd@é.test" in seen["from"].addresses[0].display_name
    assert [(a.display_name, a.addr_spec) for a in seen["to"].addresses] == [("Jörg", "j@a.test")]
    text, attached = seen.iter_parts()
    assert text.get_content().strip() == "schön" and attached.get_filename() == "ö.txt"
    new = login(one, True)
    assert b"\r\n".join(new.retr(1)[1]) + b"\r\n" == LETTER
    assert new.uidl()[1] == uidl
    new.quit()
    imap.close()
    imap.xatom("ENABLE", "UTF8=ACCEPT")  # imaplib asks for capabilities before the login only
    imap.select("INBOX")
    assert imap.fetch("1", "(BODY.PEEK[])")[1][0][1] == LETTER
    imap.logout()
