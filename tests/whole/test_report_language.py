"""In whose language senders are told what became of their letters: the account's, else the letter's, with English below."""
import email
import email.policy
import unicodedata

import pytest

from world import World, letter


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("language"))
    node, far = world.home("one.test", accounts=["alice", "bob", "dave"]), world.home("far.test", accounts=["carol"])
    world.publish()
    node.start()
    far.start()
    yield node
    world.close()


def report(node, user, n, to="nobody@far.test", options=(), **fields):
    with node.submission(user) as client:
        client.sendmail(f"{user}@one.test", to, letter(f"{user}@one.test", to, **fields), rcpt_options=list(options))
    told = email.message_from_bytes(node.wait_for(user, n)[-1], policy=email.policy.default)
    words, programs, head = told.iter_parts()
    assert told.get_content_type() == "multipart/report" and programs.get_content_type() == "message/delivery-status"
    assert str(head).find("Subject") > 0
    return told, words.get_content().replace("\r\n", "\n"), words["Content-Language"], str(programs)


def test_the_language_of_the_account_counts_first(two):
    shown = two.json("account", "set", "alice@one.test", "--language", "vi-VN")
    assert shown["language"] == "vi"
    assert "is told   in the language vi" in two.tram("account", "show", "alice@one.test").stdout
    told, words, tag, programs = report(two, "alice", 1, subject="=?utf-8?q?Ch=C3=A0o_b=E1=BA=A1n?=")
    assert tag == "vi, en"
    assert told["Subject"] == "Không gửi được thư tới nobody@far.test: Chào bạn"
    assert unicodedata.is_normalized("NFC", words) and unicodedata.is_normalized("NFC", told["Subject"])
    above, below = words.split("\n-- English --\n")
    assert "Máy chủ của người nhận không có địa chỉ này" in above and "There is no such address" in below
    assert "Action: failed" in programs and "Final-Recipient: rfc822; nobody@far.test" in programs
    told, words, tag, programs = report(two, "alice", 2, to="bob@one.test", options=["NOTIFY=SUCCESS"])
    assert told["Subject"] == "Đã giao thư tới bob@one.test: hello" and "Action: delivered" in programs
    two.tram("account", "set", "alice@one.test", "--language", "default")
    assert "language" not in two.json("account", "show", "alice@one.test")
    _, words, tag, _ = report(two, "alice", 3)
    assert tag == "en" and "-- English --" not in words


def test_what_the_letter_says_counts_where_the_account_says_nothing(two):
    for n, (tag, subject) in enumerate((("de-AT, en", "Nicht zugestellt an"), ("fr-CA", "Non remis à"), ("es-419", "No entregado a")), 1):
        told, _, said, _ = report(two, "dave", n, **{"Content-Language": tag})
        assert told["Subject"].startswith(subject) and said == f"{tag[:2]}, en"


def test_a_language_without_words_is_refused_with_those_that_have_them(two):
    for bad in ("ja", "vie", "-", "vi\r\nX"):
        no = two.tram("account", "set", "bob@one.test", "--language", bad, status=2)
        assert "vi (Vietnamese)" in no.stderr and "default" in no.stderr
    assert "language" not in two.json("account", "show", "bob@one.test")
