/* port.h - mail of an account in and out, in the forms that other programs have: Maildir (Maildir++ and plain
 * nested folders, with Dovecot's keywords) and mbox (a file, or a folder of them).
 *
 * Memory does not grow with the number of messages but by 16 bytes for each that a mailbox has already. A
 * message that cannot be read keeps no other one back: it is named in a sentence. */
#pragma once
#include "files.h"
#include "store/mailbox.h"

enum port_form { PORT_MAILDIR, PORT_MBOX };

struct port_source { /* or where mail goes to */
    struct port_files *files;
    enum port_form form;
    const char *path;
};
struct port_progress {
    uint64_t done, of; /* messages, or bytes of an mbox that is read */
    uint64_t messages;
    struct slice mailbox;
};
/* Who hears. An error of theirs ends the work. They may suspend. */
struct port_hear {
    int (*problem)(void *arg, const char *sentence);
    int (*progress)(void *arg, const struct port_progress *p); /* a few times a second; or NULL */
    void *arg;
};
struct port_report {
    uint64_t messages, there, failed; /* brought over; there already; that could not be */
    uint64_t mailboxes;
};
/* Adds what lies at path to the account's mailboxes, which are made when they are missing. A message that the
 * mailbox has (its bytes, its date) is left as it is, so an import that was broken off can be begun again.
 * What is reported is right also after an error. ERR_NOT_FOUND: nothing like that is at path; ERR_QUOTA,
 * ERR_FULL, ... SUSPENDS. */
MUST_CHECK int port_import(struct store *s, const char *acc, struct port_source from,
                           const struct port_hear *hear, struct port_report *out);
/* Writes every mailbox of the account to path. A Maildir may be there: messages that were exported into it
 * earlier stay as they are. A folder of mbox files must not. Durable when it is done. SUSPENDS. */
MUST_CHECK int port_export(struct store *s, const char *acc, struct port_source to,
                           const struct port_hear *hear, struct port_report *out);
