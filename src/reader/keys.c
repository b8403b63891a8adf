/* keys.c - texts and dates by which messages are put in order. */
#include "keys.h"

#include "mail/addr.h"
#include "mail/conversation.h"
#include "mail/date.h"
#include "mail/encoded.h"

bool reader_sent(struct arena *a, const struct mail_head *h, int64_t *out)
{
    struct mail_date d;
    bool found;
    struct slice date = mail_head_get(a, h, SL("Date"), &found);
    found = found && mail_date_parse(date, &d) == 0;
    if (found) *out = d.seconds;
    return found;
}

/* The first address of the field as ENVELOPE tells it: its mailbox, or what is shown of it. */
static struct slice address_text(struct arena *a, const struct mail_head *h, struct slice field, bool display)
{
    struct mail_addrs v;
    mail_addrs_tell(a, mail_head_get(a, h, field, NULL), &v);
    if (!v.n) return SL("");
    const struct mail_addr *m = &v.v[0];
    if (m->group.n) return m->group; /* ENVELOPE begins with the group's name as a mailbox */
    if (!display) return m->local;
    struct slice name = mail_words_decode(a, m->name);
    if (name.n) return name;
    return m->domain.n ? ar_printf(a, "%.*s@%.*s", SLF(m->local), SLF(m->domain)) : m->local;
}

static struct slice key_text(struct arena *a, const struct mail_head *h, enum reader_key key)
{
    struct mail_subject subject;
    switch (key) {
    case READER_KEY_FROM: return address_text(a, h, SL("From"), false);
    case READER_KEY_TO: return address_text(a, h, SL("To"), false);
    case READER_KEY_CC: return address_text(a, h, SL("Cc"), false);
    case READER_KEY_DISPLAY_FROM: return address_text(a, h, SL("From"), true);
    case READER_KEY_DISPLAY_TO: return address_text(a, h, SL("To"), true);
    case READER_KEY_SUBJECT:
        mail_subject(a, mail_head_get(a, h, SL("Subject"), NULL), &subject);
        return subject.base;
    case READER_KEYS: break;
    }
    return SL("");
}

struct slice reader_key(struct arena *a, const struct mail_head *h, enum reader_key key, enum collation how)
{
    return sl_sub(collation_key(a, how, key_text(a, h, key)), 0, READER_KEY_MAX);
}

/* ---- kept ---- */

static void put_u(struct buf *out, uint64_t v, int bytes)
{
    while (bytes--) buf_char(out, (char)(v >> 8 * bytes));
}

static uint64_t take_u(struct slice *s, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | (unsigned char)s->p[i];
    *s = sl_from(*s, (size_t)bytes);
    return v;
}

void reader_keys_put(struct buf *out, struct arena *a, const struct mail_head *h)
{
    int64_t sent = 0;
    buf_char(out, reader_sent(a, h, &sent));
    put_u(out, (uint64_t)sent, 8);
    for (unsigned i = 0; i < READER_KEYS; i++) {
        struct slice text = reader_key(a, h, (enum reader_key)i, COLLATION_UNICODE_CASEMAP);
        put_u(out, text.n, 2);
        buf_put(out, text);
    }
}

bool reader_keys_get(struct slice kept, struct reader_keys *out)
{
    *out = (struct reader_keys){0};
    if (kept.n < 9) return false;
    out->dated = take_u(&kept, 1);
    out->sent = (int64_t)take_u(&kept, 8);
    for (unsigned i = 0; i < READER_KEYS; i++) {
        size_t n = kept.n < 2 ? SIZE_MAX : (size_t)take_u(&kept, 2);
        if (n > kept.n) return false;
        out->text[i] = sl_sub(kept, 0, n);
        kept = sl_from(kept, n);
    }
    return true;
}
