/* row_fuzz.c - bytes as the rows of an account, and as names of mailboxes. */
#include "base/fuzz.h"
#include "mailbox_i.h"
#include "origin.h"

FUZZ
{
    struct account_row a;
    struct box_row b;
    struct message m;
    struct journal_reader j;
    struct arena arena;
    struct slice name, again;
    uint64_t flags;
    uint32_t uid;
    (void)!account_row_get(input, &a);
    if (box_row_get(input, 1, &b) == 0) ASSERT(b.m.nkeywords <= MAILBOX_KEYWORDS_MAX);
    if (message_row_get(input, 1, &m) == 0) ASSERT(strlen(m.email_id) < sizeof m.email_id);
    if (journal_open(input, &j) == 0)
        while (journal_next_box(&j)) {
            while (journal_next_flags(&j, &uid, &flags)) continue;
            while (journal_next_gone(&j, &uid)) continue;
        }
    struct batch_header h;
    struct batch_range range;
    (void)!batch_header_get(input, &h);
    if (batch_range_get(input, &uid, &range) == 0) ASSERT(range.first && range.first <= range.last);
    struct rec r;
    struct origin_message o;
    if (origin_open(input, &r) == ORIGIN_MESSAGE && origin_message_get(&r, &o) == 0)
        ASSERT(strlen(o.acc) < sizeof o.acc && o.m.nkeywords <= MAILBOX_KEYWORDS_MAX);
    ar_init(&arena, 0);
    if (mailbox_name(&arena, input, &name) == 0) {
        ASSERT(mailbox_name(&arena, name, &again) == 0 && sl_eq(name, again));
        ASSERT(name.n && name.n <= MAILBOX_NAME_MAX);
    }
    ar_free(&arena);
}
