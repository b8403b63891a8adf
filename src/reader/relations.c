/* relations.c - which thread a message belongs to, from its header fields (RFC 8474 section 5.2). */
#include "mail/conversation.h"
#include "mail/head.h"
#include "reader.h"

enum { REFERENCES_MAX = 200, PARENTS_MAX = 4 };

static size_t identifiers(struct arena *a, const struct mail_head *h, const char *field, size_t max,
                          struct slice **out)
{
    return mail_message_ids(a, mail_head_get(a, h, sl_cstr(field), NULL), max, out);
}

/* Its own identifier, then whom it answers, the nearest first, and at last the first of all. */
static void relations_of(struct arena *a, const struct mail_head *h, struct message_relations *out)
{
    struct slice *id;
    struct mail_subject subject;
    *out = (struct message_relations){0};
    if (identifiers(a, h, "Message-ID", 1, &id)) out->id[out->n++] = id[0];
    size_t n = identifiers(a, h, "In-Reply-To", PARENTS_MAX, &id);
    for (size_t i = 0; i < n; i++) out->id[out->n++] = id[i];
    n = identifiers(a, h, "References", REFERENCES_MAX, &id);
    for (size_t i = n; i > 1 && out->n < MESSAGE_RELATIONS_MAX - 1; i--) out->id[out->n++] = id[i - 1];
    if (n) out->id[out->n++] = id[0];
    mail_subject(a, mail_head_get(a, h, SL("Subject"), NULL), &subject);
    out->subject = subject.base;
    out->reply = subject.reply;
}

int reader_relations(struct reader *rd, struct arena *a, struct message_relations *out)
{
    struct mail_head h;
    struct slice head;
    int e = reader_head(rd, a, &head);
    if (e) return e;
    if (mail_head_parse(a, head, &h) != 0 && !h.n) h = (struct mail_head){0};
    relations_of(a, &h, out);
    return 0;
}

int reader_thread(struct reader *rd, struct arena *a, uint64_t *out)
{
    struct message_relations r;
    *out = rd->m.thread;
    if (*out) return 0;
    int e = reader_relations(rd, a, &r);
    if (e) return e;
    e = message_thread(rd->store, rd->box, rd->m.uid, &r, out);
    rd->m.thread = *out;
    return e;
}
