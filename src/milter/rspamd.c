/* rspamd.c - a letter before Rspamd by its own protocol: one POST /checkv2 with all of it, one answer. It is
 * asked over a connection of its own, in HTTP/1.0: no answer comes in chunks, and it ends with the
 * connection. */
#include <stdlib.h>

#include "base/text.h"
#include "filter_i.h"
#include "mail/encoded.h"
#include "wire/rspamd.h"

enum { LINE_MAX_BYTES = 4096, LINES_MAX = 100 };

/* ---- asking ---- */

/* What could end the field or begin another is not told. */
static void put_field(struct buf *b, const char *name, struct slice value)
{
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < ' ' || value.p[i] == 127) return;
    if (value.n) buf_printf(b, "%s: %.*s\r\n", name, SLF(value));
}

static uint64_t head_size(const struct filter_content *c)
{
    uint64_t n = 2;
    for (size_t i = 0; i < c->nfield; i++) n += c->field[i].name.n + 1 + c->field[i].value.n + 2;
    return n;
}

static void put_request(struct filter_talk *t, const struct filter_content *c)
{
    struct buf *b = &t->out;
    bool here = !t->client.peer.family;
    buf_clear(b);
    buf_printf(b, "POST /checkv2 HTTP/1.0\r\nContent-Length: %llu\r\n",
               (unsigned long long)(head_size(c) + c->size));
    put_field(b, "User-Agent", t->fact[FACT_PROGRAM]);
    put_field(b, "MTA-Name", t->fact[FACT_HOST]);
    put_field(b, "Queue-Id", t->fact[FACT_LETTER_ID]);
    put_field(b, "IP", here ? SL("") : t->fact[FACT_ADDRESS]);
    put_field(b, "Helo", t->helo);
    put_field(b, "User", t->fact[FACT_LOGIN]);
    put_field(b, "TLS-Version", t->fact[FACT_TLS_VERSION]);
    put_field(b, "TLS-Cipher", t->fact[FACT_TLS_CIPHER]);
    put_field(b, "From", buf_slice(&t->sender)); /* in its angles */
    for (size_t i = 0; i < c->nrcpt; i++) put_field(b, "Rcpt", c->rcpt[i]);
    buf_str(b, "\r\n");
}

static void put_head(struct buf *b, const struct filter_content *c)
{
    for (size_t i = 0; i < c->nfield; i++)
        buf_printf(b, "%.*s:%.*s\r\n", SLF(c->field[i].name), SLF(c->field[i].value));
    buf_str(b, "\r\n");
}

static int send_body(struct filter_link *k, const struct filter_content *c)
{
    char *p = xmalloc(MILTER_CHUNK);
    uint64_t at = 0;
    int64_t n = 1;
    while (n > 0 && at < c->size && !conn_error(k->c)) {
        n = c->read(c->arg, at, p, MILTER_CHUNK);
        if (n > 0) conn_write(k->c, sl(p, (size_t)n));
        if (n > 0) at += (uint64_t)n;
    }
    free(p);
    if (n < 0) return (int)n;
    return conn_error(k->c) || at == c->size ? 0 : err_set(ERR_IO, "the letter cannot be read to its end");
}

static int send_all(struct filter_talk *t, struct filter_link *k, const struct filter_content *c)
{
    put_request(t, c);
    put_head(&t->out, c);
    conn_write(k->c, buf_slice(&t->out));
    buf_clear(&t->out);
    int e = send_body(k, c);
    return e ? e : conn_flush(k->c);
}

/* ---- its answer ---- */

static int read_status(struct filter_link *k)
{
    struct slice line;
    uint64_t code;
    int e = conn_read_line(k->c, LINE_MAX_BYTES, &line);
    if (e) return e;
    if (!sl_starts(line, SL("HTTP/1.")) || line.n < 12 || !num_u64(sl_sub(line, 9, 12), 999, &code))
        return err_set(ERR_SYNTAX, "its answer is no HTTP");
    return code == 200 ? 0 : err_set(ERR_REFUSED, "it answers %d", (int)code);
}

/* *length: of what follows; UINT64_MAX: to the end of the connection. */
static int read_field(struct slice line, uint64_t *length)
{
    size_t at = sl_chr(line, ':');
    struct slice name = sl_sub(line, 0, at), value = at == SL_NONE ? SL("") : sl_trim(sl_from(line, at + 1));
    if (sl_eqi(name, SL("Transfer-Encoding")))
        return err_set(ERR_SYNTAX, "it answers a request of HTTP/1.0 in chunks");
    if (!sl_eqi(name, SL("Content-Length"))) return 0;
    if (!num_u64(value, INT64_MAX, length)) return err_set(ERR_SYNTAX, "its answer has no length");
    return *length <= RSPAMD_ANSWER_MAX ? 0 : err_set(ERR_LIMIT, "its answer is too long");
}

static int read_head(struct filter_link *k, uint64_t *length)
{
    struct slice line;
    int e = read_status(k);
    for (int n = 0; !e; n++) {
        e = conn_read_line(k->c, LINE_MAX_BYTES, &line);
        if (!e && !line.n) return 0;
        if (!e && n == LINES_MAX) e = err_set(ERR_LIMIT, "its answer has too many header fields");
        if (!e) e = read_field(line, length);
    }
    return e;
}

static int read_rest(struct filter_link *k, uint64_t length, struct buf *out)
{
    int e = 0;
    while (e >= 0 && out->n < length) {
        struct slice in = conn_peek(k->c);
        in = sl_sub(in, 0, in.n < length - out->n ? in.n : (size_t)(length - out->n));
        buf_put(out, in);
        conn_consume(k->c, in.n);
        if (out->n > RSPAMD_ANSWER_MAX) return err_set(ERR_LIMIT, "its answer is too long");
        if (out->n < length) e = conn_fill(k->c);
    }
    return e == ERR_EOF && length == UINT64_MAX ? 0 : e < 0 ? e : 0;
}

int rspamd_ask(struct filter_talk *t, struct filter_link *k, const struct filter_content *c, struct arena *a,
               struct rspamd_answer *out)
{
    struct buf answer = BUF_INIT;
    uint64_t length = UINT64_MAX;
    int64_t before = deadline_narrow(DEADLINE_IN(k->f->timeout_s * RT_S));
    int e = link_dial(k);
    if (!e) e = send_all(t, k, c);
    if (!e) e = read_head(k, &length);
    if (!e) e = read_rest(k, length, &answer);
    deadline_restore(before);
    if (!e) e = rspamd_answer_parse(a, buf_slice(&answer), out);
    link_drop(k);
    buf_free(&answer);
    return e;
}

/* ---- what it wants changed ---- */

static int64_t count(const struct filter_content *c, struct slice name)
{
    int64_t n = 0;
    for (size_t i = 0; i < c->nfield; i++) n += sl_eqi(c->field[i].name, name);
    return n;
}

static bool goes(const struct rspamd_answer *r, struct slice name, int64_t i, int64_t of)
{
    for (size_t k = 0; k < r->nremoval; k++) {
        int64_t which = r->removal[k].which;
        if (sl_eqi(r->removal[k].name, name) && (!which || which == i || which == i - of - 1)) return true;
    }
    return false;
}

static bool named_before(const struct rspamd_answer *r, size_t k)
{
    for (size_t i = 0; i < k; i++)
        if (sl_eqi(r->removal[i].name, r->removal[k].name)) return true;
    return false;
}

/* From the last on, so that each keeps its number until its turn comes. */
static int removals(const struct filter_content *c, const struct rspamd_answer *r, rspamd_change_fn *each,
                    void *arg)
{
    int e = 0;
    for (size_t k = 0; !e && k < r->nremoval; k++) {
        struct slice name = r->removal[k].name;
        int64_t of = named_before(r, k) ? 0 : count(c, name);
        for (int64_t i = of; !e && i > 0; i--)
            if (goes(r, name, i, of))
                e = each(arg, &(struct milter_reply){
                                  .kind = MILTER_SAYS_CHANGE_HEADER, .name = name, .index = (uint32_t)i});
    }
    return e;
}

/* Encoded where it must be (RFC 2047), a word on a line. */
static struct slice subject_value(struct arena *a, struct slice text)
{
    struct buf b = BUF_INIT;
    struct slice v = mail_text_encode(a, text);
    for (size_t i = 0; i < v.n; i++) {
        bool between = v.p[i] == ' ' && i > 1 && v.p[i - 1] == '=' && v.p[i - 2] == '?';
        if (between) buf_char(&b, '\n');
        buf_char(&b, v.p[i]);
    }
    v = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return v;
}

static uint32_t place(const struct filter_content *c, int64_t order)
{
    int64_t n = (int64_t)c->nfield, at = order < 0 ? n + 1 + (order < -n ? -n - 1 : order) : order;
    return (uint32_t)(at > n + RSPAMD_CHANGES_MAX ? n + RSPAMD_CHANGES_MAX : at);
}

int rspamd_changes(const struct filter_content *c, const struct rspamd_answer *r, struct arena *a,
                   rspamd_change_fn *each, void *arg)
{
    int e = removals(c, r, each, arg);
    for (size_t i = 0; !e && i < r->nchange; i++) {
        const struct rspamd_change *x = &r->change[i];
        e = each(arg, &(struct milter_reply){.kind = x->kind,
                                             .name = x->name,
                                             .value = x->value,
                                             .text = x->text,
                                             .index = place(c, x->order)});
    }
    if (e || !r->subject.n) return e;
    return each(arg, &(struct milter_reply){.kind = MILTER_SAYS_CHANGE_HEADER,
                                            .index = 1,
                                            .name = SL("Subject"),
                                            .value = subject_value(a, r->subject)});
}
