"""Annotations of messages (RFC 5257) outlive the program, go along with copies beyond one transaction, count as bytes of
the account, and leave nothing that verify would name."""


def test_annotations_are_kept(world):
    one = world.home("one.test", accounts=["alice"], config="annotate = true")
    one.start()
    client = one.imap()
    for i in range(70):
        client.append("INBOX", None, None, f"Subject: {i}\r\n\r\nx\r\n".encode())
    client.select("INBOX")
    for i in range(10):
        value = f'/vendor/test/{i} (value.priv "{"p" * 1800}" value.shared "{"s" * 1800}")'
        assert client.store("1:*", "ANNOTATION", f"({value})")[0] == "OK"
    assert client.copy("1:*", "Archive")[0] == "OK"
    assert client.store("1:*", "+FLAGS.SILENT", r"(\Flagged)")[0] == "OK"
    assert client.uid("MOVE", "1:35", "Junk")[0] == "OK"
    client.logout()
    one.stop()
    one.start()
    client = one.imap()
    for box, n in (("INBOX", 35), ("Archive", 70), ("Junk", 35)):
        assert client.select(box)[1] == [str(n).encode()]
        for kind, letter in (("priv", "p"), ("shared", "s")):
            found = client.search(None, "ANNOTATION", "/vendor/test/9", f"value.{kind}", f'"{letter * 1800}"')
            assert len(found[1][0].split()) == n
    client.logout()
    one.stop()
    assert "whole" in one.tram("verify").stdout
