/* send_render.c - a letter of a send, made when an attempt begins: its texts, the message (compose.h), its
 * signature. The same each time but for the signature. */
#include "send_render.h"

#include "base/text.h"
#include "compose.h"
#include "dns/dns.h"
#include "hosts.h"
#include "mail/addr.h"
#include "mail/authres.h"
#include "mail/submit.h"
#include "outgoing/signing.h"
#include "send_run.h"
#include "track.h"
#include "unsubscribe.h"

enum {
    WHOLE_MAX = 512 * 1024, /* a larger message is made piece by piece while it is read */
    START_MAX = 16384,      /* of such a message: within these its header section ends */
};

/* ---- what is written ---- */

static struct compose_addr addr_of(const struct send_addr *m)
{
    return (struct compose_addr){m->address, m->name};
}

static struct compose_addrs addrs_of(struct arena *a, const struct send_addrs *list)
{
    struct compose_addr *v = ar_array(a, struct compose_addr, list->n);
    for (size_t i = 0; i < list->n; i++) v[i] = addr_of(&list->v[i]);
    return (struct compose_addrs){v, list->n};
}

static bool has_field(const struct compose *c, struct slice name)
{
    for (size_t i = 0; i < c->nheaders; i++)
        if (sl_eqi(c->header[i].name, name)) return true;
    return false;
}

/* A letter's own fields come before those of all, and stand in their place. */
static void put_fields(struct arena *a, struct compose *c, const struct send_fields *own,
                       const struct send_fields *all)
{
    struct compose_header *h = ar_array(a, struct compose_header, own->n + all->n);
    c->header = h;
    for (size_t i = 0; i < own->n; i++)
        h[c->nheaders++] = (struct compose_header){own->v[i].name, own->v[i].value};
    size_t n = c->nheaders;
    for (size_t i = 0; i < all->n; i++) {
        struct compose before = {.header = h, .nheaders = n};
        if (!has_field(&before, all->v[i].name))
            h[c->nheaders++] = (struct compose_header){all->v[i].name, all->v[i].value};
    }
}

static void put_parts(struct arena *a, struct compose *c, const struct send *s, const struct send_part *part)
{
    struct compose_part *p = ar_array(a, struct compose_part, s->nparts);
    struct compose_file *f = ar_array(a, struct compose_file, s->nfiles);
    for (size_t i = 0; i < s->nparts; i++) {
        struct slice text = part[i].text.p ? part[i].text : SL("");
        if (sl_eqi(part[i].type, SL("text/plain"))) c->text = text;
        else if (sl_eqi(part[i].type, SL("text/html"))) c->html = text;
        else p[c->nparts++] = (struct compose_part){part[i].type, text};
    }
    for (size_t i = 0; i < s->nfiles; i++)
        f[i] = (struct compose_file){.type = s->file[i].type,
                                     .name = s->file[i].name,
                                     .is_inline = s->file[i].in_text,
                                     .content_id = s->file[i].content_id,
                                     .bytes = s->file[i].bytes,
                                     .size = s->file[i].bytes.n};
    c->part = p;
    c->file = f;
    c->nfiles = s->nfiles;
}

static struct slice domain_of(struct slice address) { return sl_from(address, sl_rchr(address, '@') + 1); }

static int64_t date_of(const struct send_head *h, const struct send_letter *l)
{
    int64_t t = l->send_at ? l->send_at : h->send_at;
    return t > h->taken ? t : h->taken;
}

static struct slice message_id(struct arena *a, const struct render *r, struct slice from)
{
    const struct send_ref ref = {.send = r->name.send, .page = r->name.page, .number = r->name.number};
    return r->s ? send_message_id(r->s, a, &ref, domain_of(from))
                : ar_printf(a, "<%s@%.*s>", r->id.s, SLF(domain_of(from)));
}

static int put_unsubscribe(struct arena *a, const struct render *r, const struct send_hosts *at,
                           struct compose *c)
{
    const struct send_addr *reader = send_reader(r->letter);
    bool wanted = r->head->stream == STREAM_BULK && !(r->head->options & SEND_NO_UNSUBSCRIBE);
    if (!r->s) return 0;
    struct unsubscribe u = {.account = r->head->account,
                            .address = reader ? reader->address : SL(""),
                            .group = r->head->group,
                            .letter = {'u', r->name.send, r->name.page, r->name.number}};
    int e = unsubscribe_tags(r->s, a, reader ? &u : NULL, at, &c->text);
    if (!e) e = unsubscribe_tags(r->s, a, reader ? &u : NULL, at, &c->html);
    if (!e && wanted && reader) unsubscribe_fields(r->s, a, &u, at, c);
    return e;
}

/* Whose reading it would be cannot be told of a letter for several. */
static void put_tracking(struct arena *a, const struct render *r, const struct send_hosts *at,
                         struct compose *c)
{
    const struct track letter = {r->name.send, r->name.page, r->name.number, {0}};
    if (r->s && send_reader(r->letter)) track_put(r->s, a, r->head, &letter, at->site, c);
}

static int message_of(struct arena *a, const struct render *r, const struct send_hosts *at, struct compose *c)
{
    const struct send *s = r->send;
    const struct send_letter *l = r->letter;
    struct texts_filled f;
    int e = texts_fill(a, r->texts, l, &f);
    if (e) return e == ERR_NOT_FOUND ? err_set(ERR_SYNTAX, "%s", err_text(e)) : e;
    *c = (struct compose){.from = addr_of(l->from.address.n ? &l->from : &s->from),
                          .sender = addr_of(&s->sender),
                          .to = addrs_of(a, &l->to),
                          .cc = addrs_of(a, &l->cc),
                          .reply_to = addrs_of(a, &s->reply_to),
                          .subject = f.subject,
                          .date = date_of(r->head, l)};
    c->message_id = message_id(a, r, c->from.email);
    put_fields(a, c, &f.own, &f.common);
    put_parts(a, c, s, f.part);
    e = put_unsubscribe(a, r, at, c);
    if (!e) put_tracking(a, r, at, c);
    return e;
}

/* What only this server writes (RFC 8601 section 5), as for a letter that comes in by SMTP. */
static bool is_forged(const void *hostname, struct arena *a, const struct mail_field *f)
{
    const struct slice *host = hostname;
    if (sl_eqi(f->name, SL("X-Listed")) || sl_eqi(f->name, SL("X-Junk"))) return true;
    if (!sl_eqi(sl_trim(f->name), SL("Authentication-Results"))) return false;
    struct slice ours[] = {*host, dns_to_unicode(a, *host)};
    return authres_is_forged(f->name, f->body, ours, COUNT_OF(ours));
}

/* A message that was handed over whole: what of its head only we may write goes, what is missing comes. */
static int raw_of(struct arena *a, const struct render *r, struct slice *out)
{
    struct mail_head head;
    struct buf edited = BUF_INIT;
    struct slice raw = r->send->raw, from = r->letter->from.address;
    if (!from.n) from = r->send->from.address;
    struct mail_edit edit = {.domain = domain_of(from),
                             .now = date_of(r->head, r->letter),
                             .random = hash_stable(sl_cstr(r->id.s), false),
                             .forged = r->s ? is_forged : NULL,
                             .forged_arg = r->s ? &r->s->hostname : NULL,
                             .delivery = true,
                             .submission = true};
    int e = mail_head_parse(a, raw, &head);
    if (e) return e;
    if (!mail_head_find(&head, SL("Message-ID"), 0)) {
        raw = ar_printf(a, "Message-ID: %.*s\r\n%.*s", SLF(message_id(a, r, from)), SLF(raw));
        e = mail_head_parse(a, raw, &head);
        if (e) return e;
    }
    (void)mail_head_edit(a, &head, &edit, &edited);
    buf_str(&edited, "\r\n");
    buf_put(&edited, sl_from(raw, head.body_at));
    *out = ar_dup(a, buf_slice(&edited));
    buf_free(&edited);
    return 0;
}

/* ---- the source ---- */

struct made {
    struct sends *s;
    struct content *content;
    struct slice front;      /* signatures */
    struct slice whole;      /* the message; or, when it is large: */
    struct composed message; /* read piece by piece */
    struct compose_reader reader;
    struct buf piece;
    uint64_t from, at; /* the piece's place; where the last read ended */
};

static int64_t read_whole(const struct made *m, uint64_t at, char *p, size_t n)
{
    struct slice rest = at < m->front.n ? sl_from(m->front, at) : sl_from(m->whole, at - m->front.n);
    if (rest.n > n) rest.n = n;
    if (rest.n) memcpy(p, rest.p, rest.n);
    return (int64_t)rest.n;
}

/* Until the byte at `at` of the message lies in the piece. */
static bool next_piece(struct made *m, uint64_t at)
{
    if (at < m->from) {
        m->reader = (struct compose_reader){.message = &m->message};
        m->from = 0;
        buf_clear(&m->piece);
    }
    while (at >= m->from + m->piece.n) {
        m->from += m->piece.n;
        buf_clear(&m->piece);
        if (!compose_read(&m->reader, &m->piece)) return false;
    }
    return true;
}

static int64_t made_read(void *ctx, uint64_t at, void *p, size_t n)
{
    struct made *m = ctx;
    if (at < m->front.n || m->whole.n) return read_whole(m, at, p, n);
    if (!next_piece(m, at - m->front.n)) return 0;
    struct slice rest = sl_from(buf_slice(&m->piece), at - m->front.n - m->from);
    if (rest.n > n) rest.n = n;
    memcpy(p, rest.p, rest.n);
    return (int64_t)rest.n;
}

static void made_end(void *ctx)
{
    struct made *m = ctx;
    buf_free(&m->piece);
    if (m->content) content_put(m->s, m->content);
}

/* The rest of the message, from `at` on, for the signer. */
static void feed(struct made *m, struct arena *a, struct signing_pass *pass, uint64_t at)
{
    if (m->whole.n) {
        signing_body(pass, sl_from(m->whole, at));
        return;
    }
    char *room = ar_alloc(a, START_MAX);
    int64_t got;
    while ((got = made_read(m, at, room, START_MAX)) > 0) {
        signing_body(pass, sl(room, (size_t)got));
        at += (uint64_t)got;
    }
}

/* The message's first bytes, with its header section. */
static struct slice start_of(struct made *m, struct arena *a)
{
    if (m->whole.n) return m->whole;
    char *room = ar_alloc(a, START_MAX);
    int64_t got = made_read(m, 0, room, START_MAX);
    return sl(room, got > 0 ? (size_t)got : 0);
}

/* *head: bytes of the header section with its empty line. */
static int sign(struct made *m, struct arena *a, struct slice from_domain, uint32_t *head)
{
    struct signing_pass *pass = NULL;
    struct slice start = start_of(m, a), front = {0};
    size_t end = sl_find(start, SL("\r\n\r\n"));
    if (end == SL_NONE) return err_set(ERR_SYNTAX, "the header section is too long");
    *head = (uint32_t)end + 4;
    if (!m->s->signing) return 0;
    int e = signing_begin(m->s->signing, a, from_domain, ar_dup(a, sl_sub(start, 0, end + 2)), &pass);
    if (!e && pass) feed(m, a, pass, *head);
    if (!e) e = signing_end(pass, &front);
    m->front = front;
    return e;
}

static void gather(struct made *m, struct arena *a)
{
    struct compose_reader r = {.message = &m->message};
    while (compose_read(&r, &m->piece)) {
    }
    m->whole = ar_dup(a, buf_slice(&m->piece));
    buf_clear(&m->piece);
}

/* The message with its signatures, in a; what r refers to is borrowed until the source is ended (which is to
 * be done). ERR_SYNTAX, ERR_TOO_LONG, ERR_LIMIT: it cannot be made. SUSPENDS. */
static int render_letter(struct sends *s, const struct render *r, struct arena *a, struct letter_source *out)
{
    struct made *m = ar_new(a, struct made);
    struct slice from = r->letter->from.address.n ? r->letter->from.address : r->send->from.address;
    uint64_t size = 0;
    struct send_hosts at;
    m->s = s;
    *out = (struct letter_source){.read = made_read, .ctx = m, .end = made_end};
    int e = send_hosts(s, a, r->head->account, domain_of(from), &at);
    if (!e && r->send->raw.n) {
        e = raw_of(a, r, &m->whole);
        size = m->whole.n;
    } else if (!e) {
        struct compose *c = ar_new(a, struct compose);
        e = message_of(a, r, &at, c);
        if (!e) e = compose_message(a, c, &m->message);
        size = m->message.size;
        out->smtputf8 = m->message.utf8;
        m->reader.message = &m->message;
        if (!e && size <= WHOLE_MAX) gather(m, a);
    }
    if (!e) e = sign(m, a, domain_of(from), &out->head);
    out->size = size + m->front.n;
    out->head += (uint32_t)m->front.n;
    out->eight_bit = m->whole.n && !is_ascii(m->whole);
    if (e) made_end(m);
    return e;
}

/* ---- for the queue ---- */

int send_source(void *sends, const struct letter *l, struct arena *a, struct letter_source *out)
{
    struct sends *s = sends;
    struct send_letter_name name;
    struct send_letter *letter = ar_new(a, struct send_letter);
    struct content *c;
    if (!send_name_parse(l->made, &name)) return err_set(ERR_CORRUPT, "the name of a letter is damaged");
    int e = content_get(s, &name.send, &c);
    if (e) return e == ERR_NOT_FOUND ? err_set(e, "the send %s is not there any more", name.send.s) : e;
    e = send_letter_read(s, &name.send, name.page, name.number, a, letter);
    if (e == ERR_NOT_FOUND)
        e = err_set(ERR_CORRUPT, "letter %llu of the send %s is missing", (unsigned long long)name.number,
                    name.send.s);
    struct render r = {.head = &c->head,
                       .send = &c->send,
                       .texts = c->texts,
                       .letter = letter,
                       .id = l->id,
                       .s = s,
                       .name = name};
    if (!e) e = render_letter(s, &r, a, out);
    if (e) content_put(s, c);
    else ((struct made *)out->ctx)->content = c;
    return e;
}
