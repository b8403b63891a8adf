/* letter_fields.c - what a letter's rows keep of its header section. */
#include "accept.h"
#include "base/text.h"
#include "mail/encoded.h"
#include "mail/head.h"

int letter_fields(struct arena *a, const struct mail_head *head, struct slice *message_id,
                  struct slice *subject)
{
    enum { RAW = 4 * LIMIT_SUBJECT }; /* an encoded word is at most so much longer than what it says */
    struct slice raw = mail_head_get(a, head, SL("Subject"), NULL);
    *subject = utf8_cut(mail_words_decode(a, utf8_cut(raw, RAW)), LIMIT_SUBJECT);
    *message_id = mail_head_get(a, head, SL("Message-ID"), NULL);
    if (message_id->n <= LIMIT_MESSAGE_ID) return 0;
    int e =
        err_set(ERR_TOO_LONG, "the Message-ID has %zu bytes, a line has room for %d (RFC 5322 section 2.1.1)",
                message_id->n, LIMIT_MESSAGE_ID);
    *message_id = SL("");
    return e;
}

enum stream letter_stream(struct arena *a, const struct mail_head *head, const struct letter_wants *w)
{
    struct slice p = mail_head_get(a, head, SL("Precedence"), NULL);
    bool many = sl_eqi(p, SL("bulk")) || sl_eqi(p, SL("list")) || sl_eqi(p, SL("junk")) ||
                mail_head_find(head, SL("List-Id"), 0) || (w->has_priority && w->priority < 0);
    return many ? STREAM_BULK : STREAM_TRANSACTIONAL;
}
