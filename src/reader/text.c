/* text.c - texts in messages: decoded, in UTF-8, folded; then plain substrings. Bodies
 * stream by, so that a message of any size is searched in bounded memory. */
#include "mail/addr.h"
#include "mail/charset.h"
#include "mail/encoded.h"
#include "mail/head.h"
#include "reader.h"
#include "rt/rt.h"

enum { LOOK_AT = 32 * 1024, HELD_MAX = 4096, PART_HEAD_MAX = 64 * 1024 };

struct scan {
    struct reader *rd;
    enum collation how;
    struct reader_needle *v;
    size_t n, longest;
    void (*each)(void *arg, struct slice folded); /* takes the texts, when nothing is looked for */
    void *arg;
    bool heads;        /* somebody asks for what is in headers */
    bool body;         /* what is fed now belongs to the body */
    struct buf folded; /* what was folded and not yet dropped */
    struct buf held;   /* UTF-8 after the last ASCII character: folding may reach into it */
};

static bool done(const struct scan *x)
{
    for (size_t i = 0; i < x->n; i++)
        if (!x->v[i].in_body && !(x->v[i].head && x->v[i].in_head)) return false;
    return !x->each;
}

static void look(struct scan *x)
{
    for (size_t i = 0; i < x->n; i++) {
        bool *found = x->body ? &x->v[i].in_body : &x->v[i].in_head;
        if (!*found && sl_find(buf_slice(&x->folded), x->v[i].folded) != SL_NONE) *found = true;
    }
    if (x->each) x->each(x->arg, buf_slice(&x->folded));
    /* A text may lie across the border to what comes next. */
    size_t keep = x->longest ? x->longest - 1 : 0;
    if (x->folded.n > keep) buf_drop(&x->folded, x->folded.n - keep);
}

static size_t after_last_ascii(struct slice s)
{
    size_t n = s.n;
    while (n && s.p[n - 1] & 0x80) n--;
    return n;
}

/* UTF-8 cut anywhere between characters. */
static void feed(struct scan *x, struct slice utf8)
{
    size_t cut = after_last_ascii(utf8);
    if (x->held.n && (cut || x->held.n + utf8.n > HELD_MAX)) {
        buf_put(&x->held, sl_sub(utf8, 0, cut));
        collation_fold(&x->folded, x->how, buf_slice(&x->held));
        buf_clear(&x->held);
    } else {
        collation_fold(&x->folded, x->how, sl_sub(utf8, 0, cut));
    }
    buf_put(&x->held, sl_from(utf8, cut));
    if (x->folded.n >= LOOK_AT) look(x);
}

/* The end of a text: nothing is found across it. */
static void end_text(struct scan *x)
{
    collation_fold(&x->folded, x->how, buf_slice(&x->held));
    buf_clear(&x->held);
    look(x);
    buf_clear(&x->folded);
}

/* ---- headers ---- */

static void feed_head(struct scan *x, struct slice head)
{
    struct arena a;
    struct mail_head h;
    ar_init(&a, 0);
    (void)!mail_head_parse(&a, head, &h); /* else its first fields */
    for (size_t i = 0; i < h.n; i++) {
        const struct mail_field *f = &h.field[i];
        feed(x, utf8_clean(&a, f->name));
        feed(x, SL(": "));
        feed(x, mail_words_decode(&a, mail_unfold(&a, f->bad ? f->raw : f->body)));
        end_text(x);
    }
    ar_free(&a);
}

static int feed_part_head(struct scan *x, const struct mime_part *p)
{
    struct arena a;
    struct slice head;
    ar_init(&a, 0);
    int e = reader_range(x->rd, p->head_at, p->head_size < PART_HEAD_MAX ? p->head_size : PART_HEAD_MAX, &a,
                         &head);
    if (!e) feed_head(x, head);
    ar_free(&a);
    return e;
}

static bool text_holds(struct arena *a, struct slice body, enum collation how, struct slice folded)
{
    struct slice text = collation_fold_ar(a, how, mail_words_decode(a, mail_unfold(a, body)));
    return sl_find(text, folded) != SL_NONE || !folded.n;
}

/* An address as a person reads it. */
static struct slice address_text(struct arena *a, const struct mail_addr *m)
{
    struct slice name = mail_words_decode(a, m->nobody ? m->group : m->name);
    if (m->nobody) return name;
    return ar_printf(a, "%.*s <%.*s%s%.*s>", SLF(name), SLF(m->local), m->domain.n ? "@" : "",
                     SLF(m->domain));
}

static bool addresses_hold(struct arena *a, struct slice body, enum collation how, struct slice folded)
{
    struct mail_addrs l;
    bool found = !folded.n;
    mail_addrs_tell(a, body, &l);
    for (size_t i = 0; i < l.n && !found; i++) {
        struct slice text = utf8_clean(a, address_text(a, &l.v[i]));
        found = sl_find(collation_fold_ar(a, how, text), folded) != SL_NONE;
    }
    return found;
}

/* Does one of the header section's fields of that name? Of a section that is too long its first fields are
 * asked. */
static bool head_holds(struct slice head, struct slice field, enum collation how, struct slice folded,
                       bool (*holds)(struct arena *a, struct slice body, enum collation how,
                                     struct slice folded))
{
    struct arena a;
    struct mail_head h;
    bool found = false;
    ar_init(&a, 0);
    (void)!mail_head_parse(&a, head, &h); /* else its first fields */
    const struct mail_field *f = mail_head_find(&h, field, 0);
    for (; f && !found; f = mail_head_find(&h, field, (size_t)(f - h.field) + 1))
        found = holds(&a, f->body, how, folded);
    ar_free(&a);
    return found;
}

bool reader_head_holds(struct slice head, struct slice field, enum collation how, struct slice folded)
{
    return head_holds(head, field, how, folded, text_holds);
}

bool reader_head_addresses(struct slice head, struct slice field, enum collation how, struct slice folded)
{
    return head_holds(head, field, how, folded, addresses_hold);
}

/* ---- kept ---- */

/* For each such field a text, or one for each address of it: the field's number here (1 byte), the length
 * (3), the text. A field without any has an empty one. */
static const struct slice folded_field[] = {SL_INIT("Subject"), SL_INIT("From"), SL_INIT("To"), SL_INIT("Cc"),
                                            SL_INIT("Bcc")};
enum { FOLDED_HEAD = 4 };

static size_t folded_number(struct slice field)
{
    size_t i = 0;
    while (i < COUNT_OF(folded_field) && !sl_eqi(field, folded_field[i])) i++;
    return i;
}

bool reader_folded_has(struct slice field, bool addresses)
{
    size_t i = folded_number(field);
    return i < COUNT_OF(folded_field) && addresses == (i > 0);
}

static void put_folded(struct buf *out, size_t number, struct slice text)
{
    buf_char(out, (char)number);
    for (int shift = 16; shift >= 0; shift -= 8) buf_char(out, (char)(text.n >> shift));
    buf_put(out, text);
}

static void put_folded_addresses(struct buf *out, struct arena *a, size_t number, struct slice body)
{
    struct mail_addrs l;
    mail_addrs_tell(a, body, &l);
    if (!l.n) put_folded(out, number, SL(""));
    for (size_t i = 0; i < l.n; i++)
        put_folded(out, number, fold_utf8_ar(a, utf8_clean(a, address_text(a, &l.v[i]))));
}

void reader_folded_put(struct buf *out, struct slice head)
{
    struct arena a;
    struct mail_head h;
    ar_init(&a, 0);
    (void)!mail_head_parse(&a, head, &h); /* else its first fields */
    for (size_t i = 0; i < h.n; i++) {
        const struct mail_field *f = &h.field[i];
        size_t number = f->bad ? COUNT_OF(folded_field) : folded_number(f->name);
        if (number == 0)
            put_folded(out, 0, fold_utf8_ar(&a, mail_words_decode(&a, mail_unfold(&a, f->body))));
        else if (number < COUNT_OF(folded_field)) put_folded_addresses(out, &a, number, f->body);
    }
    ar_free(&a);
}

bool reader_folded_holds(struct slice kept, struct slice field, struct slice folded)
{
    size_t number = folded_number(field);
    while (kept.n >= FOLDED_HEAD) {
        const unsigned char *p = (const unsigned char *)kept.p;
        size_t n = (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3], end = FOLDED_HEAD + n;
        if (end > kept.n) break;
        if (p[0] == number && (!folded.n || sl_find(sl_sub(kept, FOLDED_HEAD, end), folded) != SL_NONE))
            return true;
        kept = sl_from(kept, end);
    }
    return false;
}

/* ---- bodies ---- */

static int feed_text(void *arg, struct slice utf8)
{
    struct scan *x = arg;
    feed(x, utf8);
    return done(x);
}

static int feed_text_part(struct scan *x, const struct mime_part *p)
{
    int e = reader_text(x->rd, p, feed_text, x);
    end_text(x);
    return e < 0 ? e : 0;
}

/* What is written to be read; of message/... that are delivery-status, partial and the like. */
static bool is_text(const struct mime_part *p)
{
    return p->kind == MIME_LEAF && (sl_eqi(p->type, SL("text")) || sl_eqi(p->type, SL("message")));
}

/* The header of a part is header, that of a message within the message is body text. */
static int feed_part(struct scan *x, const struct mime_part *p)
{
    int e = 0;
    fiber_breathe();
    x->body = p->envelope && p->parent;
    if (x->heads || x->body) e = feed_part_head(x, p);
    x->body = true;
    if (!e && is_text(p)) e = feed_text_part(x, p);
    for (const struct mime_part *c = p->child; c && !e && !done(x); c = c->next) e = feed_part(x, c);
    return e;
}

int reader_search(struct reader *rd, enum collation how, struct reader_needle *v, size_t n)
{
    struct scan x = {.rd = rd, .how = how, .v = v, .n = n};
    for (size_t i = 0; i < n; i++) {
        v[i].in_head = v[i].in_body = !v[i].folded.n;
        x.heads |= v[i].head;
        if (v[i].folded.n > x.longest) x.longest = v[i].folded.n;
    }
    int e = reader_tree(rd);
    if (!e) e = feed_part(&x, rd->tree->root);
    buf_free(&x.folded);
    buf_free(&x.held);
    return e;
}

/* ---- for an index ---- */

static bool tells_addresses(struct slice field)
{
    return sl_eqi(field, SL("From")) || sl_eqi(field, SL("To")) || sl_eqi(field, SL("Cc")) ||
           sl_eqi(field, SL("Bcc"));
}

/* The same texts as reader_head_holds() and reader_head_addresses() look into. */
static void each_field(struct slice head, void (*each)(void *arg, struct slice folded), void *arg)
{
    struct arena a, one;
    struct mail_head h;
    ar_init(&a, 0);
    ar_init(&one, 0);
    (void)!mail_head_parse(&a, head, &h); /* else its first fields */
    for (size_t i = 0; i < h.n; i++) {
        const struct mail_field *f = &h.field[i];
        struct mail_addrs l = {0};
        ar_reset(&one);
        each(arg, fold_utf8_ar(&one, mail_words_decode(&one, mail_unfold(&one, f->body))));
        if (tells_addresses(f->name)) mail_addrs_tell(&one, f->body, &l);
        for (size_t k = 0; k < l.n; k++)
            each(arg, fold_utf8_ar(&one, utf8_clean(&one, address_text(&one, &l.v[k]))));
    }
    ar_free(&one);
    ar_free(&a);
}

int reader_fields(struct reader *rd, void (*each)(void *arg, struct slice folded), void *arg)
{
    struct arena a;
    struct slice head;
    ar_init(&a, 0);
    int r = reader_head(rd, &a, &head);
    if (!r) each_field(head, each, arg);
    ar_free(&a);
    return r;
}

int reader_texts(struct reader *rd, void (*each)(void *arg, struct slice folded), void *arg)
{
    struct scan x = {.rd = rd, .longest = 3, .heads = true, .each = each, .arg = arg};
    int r = reader_tree(rd);
    if (!r) r = feed_part(&x, rd->tree->root);
    buf_free(&x.folded);
    buf_free(&x.held);
    return r;
}
