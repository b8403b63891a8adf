"""What mail programs send, command by command, as their logs have it: each command is answered with OK."""
import re
import socket

import pytest

from world import insecure_tls

LETTER = b"From: a@one.test\r\nTo: alice@one.test\r\nSubject: %d\r\nMessage-ID: <%d@x>\r\n\r\nhello\r\n"
DRAFT = "{26+}\r\nSubject: d\r\n\r\n0123456789ab"

APPLE_MAIL = """ID ("name" "Mac OS X Mail" "version" "16.0 (3774.600.62)" "os" "Mac OS X" "os-version" "14.6 (23G80)" "vendor" "Apple Inc.")
NAMESPACE
LIST "" ""
LIST "" "*" RETURN (CHILDREN SPECIAL-USE)
LIST (SUBSCRIBED) "" "*" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ))
ENABLE CONDSTORE QRESYNC
SELECT INBOX
FETCH 1:* (FLAGS UID)
UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)
UID SEARCH 1:* NOT DELETED
UID FETCH 1:9 (INTERNALDATE UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (date subject from to cc message-id in-reply-to references content-type x-priority x-uniform-type-identifier x-universally-unique-identifier list-id list-unsubscribe bimi-indicator bimi-location x-bimi-indicator-hash authentication-results dkim-signature)] BODYSTRUCTURE MODSEQ)
APPEND "Drafts" (\\Seen \\Draft $NotJunk) " 7-May-2026 10:00:00 +0200" DRAFT
UID STORE 1:* +FLAGS.SILENT ($NotJunk $NotPhishing)
STATUS "Junk" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)
GETQUOTAROOT INBOX
IDLE
CHECK
CLOSE"""

IOS = """ID ("name" "iPhone Mail" "version" "22A3354" "os" "iOS" "os-version" "18.0 (22A3354)")
LIST "" "*"
LIST (SPECIAL-USE) "" *
ENABLE CONDSTORE
SELECT INBOX (CONDSTORE)
FETCH 1 (UID)
UID SEARCH RETURN (ALL) UNDELETED SINCE 1-Jan-2020
UID FETCH 1:3 (UID FLAGS RFC822.SIZE INTERNALDATE BODYSTRUCTURE BODY.PEEK[HEADER])
APPEND Sent (\\Seen) "7-May-2026 10:00:00 +0200" DRAFT
UID FETCH 1:3 BODY.PEEK[1.MIME]
UID FETCH 1:3 (BODY.PEEK[1]<0.2048>)
UID COPY 1:3 "Trash"
UID STORE 1:3 +FLAGS.SILENT (\\Deleted)
UID EXPUNGE 1:3
IDLE
UNSELECT"""

THUNDERBIRD = """ID ("name" "Thunderbird" "version" "128.4.0")
ENABLE UTF8=ACCEPT
LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)
LIST "" "%" RETURN (SPECIAL-USE)
LIST "" "INBOX"
LSUB "" "*"
SELECT "INBOX" (CONDSTORE)
getquotaroot "INBOX"
myrights "INBOX"
getacl "INBOX"
UID fetch 1:* (FLAGS)
UID fetch 1:* (FLAGS) (CHANGEDSINCE 2)
UID fetch 1:5 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])
UID fetch 2 (UID RFC822.SIZE BODY.PEEK[])
UID fetch 2 (BODYSTRUCTURE)
uid store 2 +Flags (\\Seen)
uid store 2 +FLAGS (NonJunk)
uid store 2 -FLAGS (Junk)
uid copy 2 "Archive"
uid move 2 "Archive"
uid SEARCH UNDELETED HEADER MESSAGE-ID "<0@x>"
noop
STATUS "Sent" (UIDNEXT MESSAGES UNSEEN RECENT)
create "Archives/2026"
subscribe "Archives/2026"
delete "Archives/2026"
unsubscribe "Archives/2026"
IDLE
expunge
close"""

OUTLOOK = """LIST "" "INBOX"
LIST "" ""
LSUB "" "*"
SUBSCRIBE "INBOX"
CREATE "Deleted Items"
CREATE "Sent Items"
SELECT "INBOX"
UID FETCH 1:* (UID FLAGS)
UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER] INTERNALDATE)
FETCH 1:2 (UID RFC822.SIZE BODY.PEEK[])
UID STORE 1 +FLAGS.SILENT (\\SEEN)
UID STORE 2 -FLAGS (\\SEEN)
UID SEARCH UID 1:* SINCE 1-Jan-2024
APPEND "Sent Items" (\\Seen) "07-May-2026 10:00:00 +0200" DRAFT
UID COPY 2 "Deleted Items"
UID STORE 2 +FLAGS (\\Deleted)
EXPUNGE
STATUS "Sent Items" (UNSEEN)
IDLE"""

GMAIL_IMPORT = """ID ("name" "GImap" "vendor" "Google, Inc." "support-url" "https://support.google.com/mail")
LIST "" "*"
EXAMINE "INBOX"
UID SEARCH RETURN (COUNT) ALL
UID FETCH 1:100 (UID FLAGS INTERNALDATE RFC822.SIZE)
UID FETCH 1 (UID BODY.PEEK[])
NOOP"""

K9 = """ID ("name" "K-9 Mail" "version" "6.8")
NAMESPACE
LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)
SELECT "INBOX"
UID SEARCH 1:4 NOT DELETED
UID FETCH 1:4 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (date subject from content-type to cc reply-to message-id references in-reply-to list-unsubscribe sender X-K9mail-Identity Chat-Version)])
UID FETCH 1 (BODY.PEEK[TEXT]<0.32768>)
UID STORE 1 +FLAGS.SILENT (\\Seen)
UID SEARCH UNSEEN NOT DELETED NOT FLAGGED
IDLE"""

EVOLUTION = """NAMESPACE
LIST "" * RETURN (SUBSCRIBED CHILDREN STATUS (UNSEEN))
SELECT INBOX
NOTIFY SET (selected (MessageNew (UID RFC822.SIZE RFC822.HEADER FLAGS) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge MailboxName))
UID SEARCH BODY "x"
UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)"""


class Client:
    """Sends lines and knows where answers end."""

    def __init__(self, home):
        plain = socket.create_connection((home.address, home.port(993)), timeout=60)
        self.socket, self.buffer, self.n = insecure_tls().wrap_socket(plain), b"", 0
        self.answer()

    def more(self):
        got = self.socket.recv(65536)
        assert got, self.buffer
        self.buffer += got

    def take(self, n):
        while len(self.buffer) < n:
            self.more()
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def answer(self):
        """One response, its literals within."""
        text = b""
        while True:
            while b"\r\n" not in self.buffer:
                self.more()
            line = self.take(self.buffer.index(b"\r\n") + 2)
            text += line
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            if not literal:
                return text
            text += self.take(int(literal[1]))

    def say(self, command):
        self.n += 1
        tag = f"a{self.n:03} "
        self.socket.sendall(tag.encode() + command + b"\r\n")
        while not (got := self.answer()).startswith(tag.encode()):
            if got.startswith(b"+ "):
                self.socket.sendall(b"DONE\r\n")
        assert got.startswith(tag.encode() + b"OK "), (command, got)


@pytest.mark.parametrize("log", ["APPLE_MAIL", "IOS", "THUNDERBIRD", "OUTLOOK", "GMAIL_IMPORT", "K9", "EVOLUTION"])
def test_what_clients_send_is_answered(one, log):
    with one.imap("alice") as seed:
        for n in range(4):
            assert seed.append("INBOX", None, None, LETTER % (n, n))[0] == "OK"
    client = Client(one)
    client.say(b"CAPABILITY")
    client.say(b"LOGIN alice@one.test secret")
    for line in globals()[log].split("\n"):
        client.say(line.replace("DRAFT", DRAFT).encode())
    client.say(b"LOGOUT")
