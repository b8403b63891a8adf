/* mime_imap.c - ENVELOPE and BODYSTRUCTURE, sections (RFC 9051 sections 7.5.2 and 9). */
#include "mime_imap.h"

#include "addr.h"
#include "head.h"
#include "mime_i.h"

/* ---- strings ---- */

static bool quotable(struct slice s)
{
    if (s.n > 1000) return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 32 || (unsigned char)s.p[i] > 126) return false;
    return true;
}

static void put_string(struct buf *out, struct slice s)
{
    if (!quotable(s)) {
        buf_printf(out, "{%zu}\r\n", s.n);
        for (size_t i = 0; i < s.n; i++) buf_char(out, s.p[i] ? s.p[i] : '?');
        return;
    }
    buf_char(out, '"');
    for (size_t i = 0, from = 0; i <= s.n; i++)
        if (i == s.n || s.p[i] == '"' || s.p[i] == '\\') {
            buf_put(out, sl_sub(s, from, i));
            buf_str(out, i < s.n ? "\\" : "\"");
            from = i;
        }
}

static void put_nstring(struct buf *out, struct slice s)
{
    if (s.p) put_string(out, s);
    else buf_str(out, "NIL");
}

/* An empty slice as NIL. */
static void put_filled(struct buf *out, struct slice s)
{
    if (s.n) put_string(out, s);
    else buf_str(out, "NIL");
}

/* ---- envelope ---- */

static void put_address(struct buf *out, struct slice name, struct slice route, struct slice local,
                        struct slice domain)
{
    buf_char(out, '(');
    put_filled(out, name);
    buf_char(out, ' ');
    put_filled(out, route);
    buf_char(out, ' ');
    put_nstring(out, local);
    buf_char(out, ' ');
    put_nstring(out, domain);
    buf_char(out, ')');
}

static const struct slice none;

static void put_group(struct buf *out, struct slice name)
{
    if (name.p) put_address(out, none, none, name, none);
    else put_address(out, none, none, none, none);
}

static void put_list(struct buf *out, const struct mail_addrs *l)
{
    struct slice group = none;
    for (size_t i = 0; i < l->n; i++) {
        const struct mail_addr *m = &l->v[i];
        if (m->group.p != group.p) {
            if (group.p) put_group(out, none);
            if (m->group.p) put_group(out, m->group);
            group = m->group;
        }
        /* A local part or host that is NIL would be read as a group's start or end. */
        if (!m->nobody) put_address(out, m->name, m->route, m->local, m->domain);
        buf_spill(out);
    }
    if (group.p) put_group(out, none);
}

static void put_addresses(struct buf *out, struct arena *a, struct slice body)
{
    struct mail_addrs l;
    mail_addrs_tell(a, body, &l);
    if (!l.n) {
        buf_str(out, "NIL");
        return;
    }
    buf_char(out, '(');
    put_list(out, &l);
    buf_char(out, ')');
}

/* Absent or empty, Sender and Reply-To are taken from From (RFC 9051 section 7.5.2), whose
 * text lies at [at, end) of the output. */
static void put_or_copy(struct buf *out, struct arena *a, struct slice body, struct slice from, size_t at,
                        size_t end)
{
    if (body.n || out->spill) { /* what was spilled cannot be copied */
        put_addresses(out, a, body.n ? body : from);
        return;
    }
    char *to = buf_space(out, end - at);
    if (!to) return;
    memcpy(to, out->p + at, end - at);
    out->n += end - at;
}

void mime_imap_envelope(struct buf *out, const struct mime_envelope *e)
{
    const struct slice to[] = {e->to, e->cc, e->bcc};
    struct arena a;
    ar_init(&a, 0);
    buf_char(out, '(');
    put_nstring(out, e->date);
    buf_char(out, ' ');
    put_nstring(out, e->subject);
    buf_char(out, ' ');
    size_t from = out->n;
    put_addresses(out, &a, e->from);
    size_t from_end = out->n;
    buf_char(out, ' ');
    put_or_copy(out, &a, e->sender, e->from, from, from_end);
    buf_char(out, ' ');
    put_or_copy(out, &a, e->reply_to, e->from, from, from_end);
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        buf_char(out, ' ');
        put_addresses(out, &a, to[i]);
        if (a.used > 64 * 1024) ar_reset(&a);
    }
    ar_free(&a);
    buf_char(out, ' ');
    put_nstring(out, e->in_reply_to);
    buf_char(out, ' ');
    put_nstring(out, e->message_id);
    buf_char(out, ')');
}

/* ---- body structure ---- */

static void put_params(struct buf *out, const struct mime_param *p, size_t n)
{
    if (!n) {
        buf_str(out, "NIL");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        buf_char(out, i ? ' ' : '(');
        put_string(out, p[i].name);
        buf_char(out, ' ');
        put_string(out, p[i].value);
    }
    buf_char(out, ')');
}

/* body-fld-dsp, body-fld-lang, body-fld-loc */
static void put_extension(struct buf *out, const struct mime_part *p)
{
    if (p->disposition) {
        buf_str(out, " (");
        put_string(out, p->disposition->value);
        buf_char(out, ' ');
        put_params(out, p->disposition->param, p->disposition->n);
        buf_char(out, ')');
    } else {
        buf_str(out, " NIL");
    }
    buf_char(out, ' ');
    if (!p->nlanguage) buf_str(out, "NIL");
    else if (p->nlanguage == 1) put_string(out, p->language[0]);
    for (size_t i = 0; p->nlanguage > 1 && i < p->nlanguage; i++) {
        buf_char(out, i ? ' ' : '(');
        put_string(out, p->language[i]);
    }
    if (p->nlanguage > 1) buf_char(out, ')');
    buf_char(out, ' ');
    put_nstring(out, p->location);
}

/* What stands for a part where the grammar asks for one and the message has none. */
static void put_empty_part(struct buf *out, bool extended)
{
    buf_str(out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
    buf_str(out, extended ? " NIL NIL NIL NIL)" : ")");
}

static void put_part(struct buf *out, const struct mime_part *p, bool extended);

static void put_multipart(struct buf *out, const struct mime_part *p, bool extended)
{
    buf_char(out, '(');
    for (const struct mime_part *c = p->child; c; c = c->next) put_part(out, c, extended);
    buf_char(out, ' ');
    put_string(out, p->subtype);
    if (extended) {
        buf_char(out, ' ');
        put_params(out, p->param, p->nparam);
        put_extension(out, p);
    }
    buf_char(out, ')');
}

/* The message that a part is, or NULL: it is none, or lies too deep. */
static const struct mime_part *message_of(const struct mime_part *p)
{
    return p->kind == MIME_MESSAGE ? p->child : p->inside;
}

static void put_single(struct buf *out, const struct mime_part *p, bool extended)
{
    static const struct mime_envelope no_envelope;
    const struct mime_part *in = message_of(p);
    bool message = mime_is_message(p);
    buf_char(out, '(');
    put_string(out, p->type);
    buf_char(out, ' ');
    put_string(out, p->subtype);
    buf_char(out, ' ');
    put_params(out, p->param, p->nparam);
    buf_char(out, ' ');
    put_nstring(out, p->id);
    buf_char(out, ' ');
    put_nstring(out, p->description);
    buf_char(out, ' ');
    put_string(out, p->encoding_name.n ? p->encoding_name : SL("7bit"));
    buf_printf(out, " %llu", (unsigned long long)p->body_size);
    if (message) {
        buf_char(out, ' ');
        mime_imap_envelope(out, in && in->envelope ? in->envelope : &no_envelope);
        buf_char(out, ' ');
        if (in) put_part(out, in, extended);
        else put_empty_part(out, extended);
    }
    if (message || sl_eqi(p->type, SL("text"))) buf_printf(out, " %llu", (unsigned long long)p->lines);
    if (extended) {
        buf_char(out, ' ');
        put_nstring(out, p->md5);
        put_extension(out, p);
    }
    buf_char(out, ')');
}

static void put_part(struct buf *out, const struct mime_part *p, bool extended)
{
    buf_spill(out);
    if (p->kind == MIME_MULTIPART) put_multipart(out, p, extended);
    else put_single(out, p, extended);
}

void mime_imap_structure(struct buf *out, const struct mime_part *root, bool extended)
{
    put_part(out, root, extended);
}

/* ---- sections ---- */

static const struct mime_part *nth_child(const struct mime_part *p, uint32_t k)
{
    const struct mime_part *c = k ? p->child : NULL;
    while (c && --k) c = c->next;
    return c;
}

const struct mime_part *mime_imap_part(const struct mime_tree *t, const uint32_t *path, size_t n)
{
    const struct mime_part *p = t->root;
    bool whole = true; /* p is a message, not (yet) a part of one */
    for (size_t i = 0; i < n; i++) {
        if (!whole && message_of(p)) {
            p = message_of(p);
            whole = true;
        }
        if (p->kind == MIME_MULTIPART) p = nth_child(p, path[i]);
        else if (!whole || path[i] != 1) p = NULL; /* a message that is no multipart has one part */
        if (!p) return NULL;
        whole = false;
    }
    return p;
}

bool mime_imap_section(const struct mime_tree *t, const uint32_t *path, size_t n, enum mime_what what,
                       struct mime_range *out)
{
    if (!n && what == MIME_WHOLE) {
        *out = (struct mime_range){.size = t->size};
        return true;
    }
    const struct mime_part *p = mime_imap_part(t, path, n);
    if (!p || (what == MIME_MIME && !n)) return false;
    if (n && (what == MIME_HEADER || what == MIME_TEXT)) {
        p = message_of(p);
        if (!p) return false;
    }
    bool head = what == MIME_HEADER || what == MIME_MIME;
    *out = (struct mime_range){.at = head ? p->head_at : p->body_at,
                               .size = head ? p->head_size : p->body_size,
                               .within = mime_within(p)};
    return true;
}

static bool is_among(struct slice name, const struct slice *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sl_eqi(name, v[i])) return true;
    return false;
}

void mime_imap_fields(struct buf *out, struct arena *a, struct slice head, const struct slice *name, size_t n,
                      bool but)
{
    struct mail_head h;
    /* Beyond the limits of a header section the fields that came first are told. */
    if (mail_head_parse(a, head, &h) != 0) h.complete = true;
    for (size_t i = 0; i < h.n; i++)
        if (!h.field[i].bad && is_among(h.field[i].name, name, n) != but) buf_put(out, h.field[i].raw);
    if (h.complete) buf_str(out, "\r\n");
}
