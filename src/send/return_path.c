/* return_path.c - reports about letters of sends (return_path.h). A report is believed because of the address
 * that it came to, which this node has signed: whoever writes there has had the letter. That is a recipient
 * of it too, so a report says what it says once, whoever repeats it, and nobody suppresses another recipient.
 */
#include "return_path.h"

#include <jansson.h>

#include "base/log.h"
#include "base/text.h"
#include "body/body.h"
#include "crypto/crypto.h"
#include "event.h"
#include "mail/addr.h"
#include "mail/encoded.h"
#include "mail/head.h"
#include "mail/mime.h"
#include "mail/told.h"
#include "send_i.h"
#include "shape/reply.h"
#include "simulator.h"
#include "source/source.h"
#include "suppression.h"
#include "trace/trace.h"
#include "unsubscribe.h"
#include "worded.h"

enum { REPORT_MAX = 512 * 1024, RCPTS_MAX = 100, WORD_MAX = 30, AUTOMATIC_MAX = 5 };

bool return_path_is_ours(struct sends *s, struct slice local)
{
    struct send_ref r;
    return local.n > 2 && local.p[1] == '-' && send_ref_parse(s, local, &r) &&
           (r.kind == 'r' || r.kind == 'u');
}

bool return_path_hears(struct slice local)
{
    static const struct slice names[] = {SL_INIT("abuse"), SL_INIT("feedback"), SL_INIT("fbl"),
                                         SL_INIT("complaints")};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (sl_eqi(local, names[i])) return true;
    return false;
}

/* ---- the report ---- */

struct report {
    struct sends *s;
    struct arena a;
    struct slice text;
    struct send_ref letter;
    struct send_head head;
    struct send_letter to;
    struct last_hop *d;
    int result;
};

/* As it was meant: some servers encode even reports (RFC 3464 and 5965 let nobody, RFC 6533 section 3 may).
 */
static struct slice body_of(struct report *r, const struct mime_part *p)
{
    struct slice body = sl_sub(r->text, p->body_at, p->body_at + p->body_size);
    struct mime_decoder d;
    struct buf b = BUF_INIT;
    if (p->encoding != MIME_BASE64 && p->encoding != MIME_QP) return body;
    mime_decode_begin(&d, p->encoding);
    mime_decode(&d, body, &b);
    mime_decode_end(&d, &b);
    body = ar_dup(&r->a, buf_slice(&b));
    buf_free(&b);
    return body;
}

static bool is_type(const struct mime_part *p, const char *type, const char *subtype)
{
    return sl_eqi(p->type, sl_cstr(type)) && sl_eqi(p->subtype, sl_cstr(subtype));
}

static const struct mime_part *find(const struct mime_part *p, const char *type, const char *subtype)
{
    for (; p; p = p->next) {
        if (is_type(p, type, subtype)) return p;
        const struct mime_part *in = p->child ? find(p->child, type, subtype) : NULL;
        if (in) return in;
    }
    return NULL;
}

/* The recipient of the letter that is meant: the one named, or the only one. */
static struct slice recipient(const struct report *r, struct slice original, struct slice final)
{
    const struct send_addrs *lists[] = {&r->to.to, &r->to.cc, &r->to.bcc};
    struct slice only = {0};
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (size_t k = 0; k < lists[i]->n; k++) {
            const struct send_addr *m = &lists[i]->v[k];
            if (m->left_out) continue;
            if (sl_eqi(m->address, original) || sl_eqi(m->address, final)) return m->address;
            only = m->address;
            n++;
        }
    return n == 1 ? only : SL("");
}

/* Does it name its one recipient for good? Of a letter for several any of them can have written the report.
 */
static bool names_reader(struct report *r, const struct event *e, const struct reply_verdict *v,
                         struct suppression_entry *out)
{
    enum simulated ignored;
    bool about = !v || v->suppress != REPLY_KEEP;
    out->since = rt_wall_seconds();
    out->reason = SEND_OUT_COMPLAINED;
    if (v) suppression_by_reply(v, out);
    return about && send_reader(&r->to) && !simulator_is_address(r->s, e->address, &ignored);
}

static int note_tx(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, *(const struct slice *)key, SL("1"));
    return 0;
}

/* Each reason once for a letter and recipient: its account may have taken the entry away meanwhile, and the
 * same said again brings it not back. A crash in between enters it once more. */
static int suppress_once(struct report *r, const struct suppression_entry *e, uint64_t number, bool doubted)
{
    struct slice row,
        key = ar_printf(&r->a, "r/%u/%llu/%.*s", (unsigned)e->reason, (unsigned long long)number,
                        SLF(hash_name(&r->a, ar_lower(&r->a, e->address))));
    struct kv *kv = r->s->store->kv;
    char object[24];
    send_object(&r->letter.send, object);
    int bad = kv_get(kv, sl_cstr(object), key, &r->a, &row);
    if (bad != ERR_NOT_FOUND) return bad;
    bad = doubted ? suppression_add_doubted(r->s, r->head.account, e, true)
                  : suppression_add(r->s, r->head.account, e);
    return bad ? bad : kv_transact(kv, sl_cstr(object), note_tx, &key);
}

/* The source that a letter left from warms up more slowly; its trace says which it was. */
static void blame_source(struct report *r, const struct letter_id *id, struct slice address)
{
    struct trace_event *v;
    size_t n;
    if (!r->s->sources || trace_read(r->s->store->trace, id, &r->a, &v, &n) != 0) return;
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind != TRACE_RELAYED || !v[i].data.n || !sl_eqi(v[i].who, address)) continue;
        json_t *o = json_loadb(v[i].data.p, v[i].data.n, 0, NULL);
        const char *source = json_string_value(json_object_get(o, "source"));
        const char *group = json_string_value(json_object_get(o, "group"));
        if (source && group) source_warm_blame(r->s->sources, sl_cstr(source), sl_cstr(group));
        json_decref(o);
        return;
    }
}

static bool is_said(struct report *r, struct slice once)
{
    struct slice row;
    char object[24];
    send_object(&r->letter.send, object);
    return kv_get(r->s->store->kv, sl_cstr(object), once, &r->a, &row) == 0;
}

/* v: what the reply means; NULL: it is none. */
static void tell(struct report *r, struct event *e, const struct reply_verdict *v)
{
    struct suppression_entry entry = {.address = e->address, .evidence = e->reply};
    e->send = r->letter.send, e->page = r->letter.page, e->number = r->letter.number;
    struct letter_id id;
    send_letter_id(&e->send, e->number, &id);
    entry.letter = sl_cstr(id.s);
    bool doubted = v && v->suppress == REPLY_SUPPRESS_REPEATED;
    if (names_reader(r, e, v, &entry)) r->result = suppress_once(r, &entry, e->number, doubted);
    if (r->result && !err_is_temporary(r->result)) r->result = 0; /* it would be the same again */
    struct slice once =
        ar_printf(&r->a, "r/%c/%llu/%.*s", e->kind == EVENT_COMPLAINT ? 'c' : 'b',
                  (unsigned long long)e->number, SLF(hash_name(&r->a, ar_lower(&r->a, e->address))));
    bool again = is_said(r, once);
    if (!r->result) r->result = event_add_late(r->s, r->head.account, e, once, 1);
    if (!r->result && !again && e->kind == EVENT_COMPLAINT) blame_source(r, &id, e->address);
}

/* What a report says, on one line that steers no terminal. */
static struct slice shown(struct report *r, struct slice text)
{
    return printable(&r->a, text, EVENT_TEXT_MAX);
}

/* Says what the reply means, and tells it; nothing when it is about nobody. */
static void judge(struct report *r, struct event *e)
{
    struct reply_verdict v;
    struct reply_in in = {.code = e->code, .enhanced = e->enhanced, .text = e->reply, .host = e->host};
    if (!e->address.n) return;
    reply_class(r->s->replies, &r->a, &in, &v);
    e->class = sl_cstr(reply_class_word(v.class));
    tell(r, e, &v);
}

/* RFC 3464 section 2.3: a block of fields for each recipient behind the one for the message. */
static void one_recipient(struct report *r, const struct told_status *t)
{
    if (!sl_eqi(t->action, SL("failed"))) return; /* delayed, relayed, delivered: nothing ended */
    struct event e = {.kind = EVENT_LATE_BOUNCE,
                      .enhanced = printable(&r->a, sl_sub(t->status, 0, 9), 9),
                      .reply = shown(r, t->diagnostic.n ? t->diagnostic : t->status),
                      .host = shown(r, t->remote_mta)};
    e.address = recipient(r, t->original, t->final);
    e.code = t->status.n && t->status.p[0] == '4' ? 450 : 550;
    judge(r, &e);
}

static void read_dsn(struct report *r, struct slice status)
{
    struct told_status t;
    for (size_t n = 0; n < RCPTS_MAX && !r->result && told_status_next(&r->a, &status, &t); n++)
        one_recipient(r, &t);
}

/* False: it is no report. */
static bool read_words(struct report *r, struct slice text)
{
    struct slice list;
    struct worded w;
    if (!worded_begin(text, &list)) return false;
    for (size_t n = 0; n < RCPTS_MAX && !r->result && worded_next(&r->a, &list, &w); n++) {
        struct event e = {
            .kind = EVENT_LATE_BOUNCE, .enhanced = w.enhanced, .reply = shown(r, w.why), .code = w.code};
        e.address = recipient(r, w.address, SL(""));
        judge(r, &e);
    }
    return true;
}

/* RFC 5965: what its reader said of it. "not-spam" takes nothing back and counts for nothing. reader: whom
 * the letter itself names, or empty. */
static void read_complaint(struct report *r, struct slice report, struct slice reader)
{
    struct told_feedback f;
    if (!told_feedback(&r->a, report, &f) || sl_eqi(f.type, SL("not-spam"))) return;
    struct slice type = printable(&r->a, f.type, WORD_MAX);
    struct event e = {.kind = EVENT_COMPLAINT, .class = type};
    e.reply = ar_cat(&r->a, SL("a report of "), type.n ? type : SL("abuse"));
    e.address = recipient(r, f.original_rcpt, reader);
    if (e.address.n) tell(r, &e, NULL);
}

static int find_letter(struct report *r)
{
    int e = send_head_read(r->s, &r->letter.send, &r->a, &r->head);
    return e ? e : send_letter_read(r->s, &r->letter.send, r->letter.page, r->letter.number, &r->a, &r->to);
}

static void leave_by_mail(struct report *r)
{
    struct unsubscribe u = {.account = r->head.account, .group = r->head.group, .letter = r->letter};
    const struct send_addr *reader = send_reader(&r->to);
    if (!reader) return;
    u.address = reader->address;
    r->result = unsubscribe_do(r->s, &u);
}

static struct mime_tree *read_letter(struct report *r)
{
    struct slice whole;
    r->result = body_get(r->s->store->body, &r->d->letter->body, REPORT_MAX, &r->a, &whole);
    if (r->result) return NULL;
    r->text = sl_from(whole, r->d->letter->skip);
    return mime_parse(&r->a, r->text);
}

/* ---- automatic letters ---- */

struct automatic {
    struct report *r;
    struct slice key, what;
    struct letter_id id; /* of the letter that is answered */
};

static int automatic_tx(struct kv_tx *tx, void *arg)
{
    const struct automatic *x = arg;
    struct slice row;
    uint64_t n = 0;
    if (kv_tx_get(tx, x->key, &row) == 0 && (!num_u64(row, UINT32_MAX, &n) || n >= AUTOMATIC_MAX)) return 0;
    kv_tx_put(tx, x->key, ar_printf(&x->r->a, "%llu", (unsigned long long)n + 1));
    trace_tx_addf(x->r->s->store->trace, tx, &x->id, TRACE_ANSWERED, SL(""),
                  "an automatic letter came back, which changes nothing: %.*s", SLF(x->what));
    return 0;
}

/* Out of office, a challenge: its letter's trace tells of it, of the first ones. */
static void keep_automatic(struct report *r)
{
    struct mail_head h;
    char object[24];
    struct automatic x = {.r = r, .key = ar_printf(&r->a, "t/a/%llu", (unsigned long long)r->letter.number)};
    if (mail_head_parse(&r->a, r->text, &h) != 0) return;
    struct slice subject = mail_words_decode(&r->a, mail_head_get(&r->a, &h, SL("Subject"), NULL));
    struct slice kind = mail_head_get(&r->a, &h, SL("Auto-Submitted"), NULL);
    x.what = ar_printf(&r->a, "\"%.*s\"%s%.*s", SLF(printable(&r->a, subject, 200)), kind.n ? ", " : "",
                       SLF(printable(&r->a, kind, WORD_MAX)));
    send_object(&r->letter.send, object);
    send_letter_id(&r->letter.send, r->letter.number, &x.id);
    r->result = kv_transact(r->s->store->kv, sl_cstr(object), automatic_tx, &x);
}

static void read_report(struct report *r)
{
    struct mime_tree *t = read_letter(r);
    if (!t) return;
    const struct mime_part *dsn = find(t->root, "message", "delivery-status"),
                           *arf = find(t->root, "message", "feedback-report");
    if (!dsn) dsn = find(t->root, "message", "global-delivery-status"); /* RFC 6533 */
    if (arf) read_complaint(r, body_of(r, arf), SL(""));
    else if (dsn) read_dsn(r, body_of(r, dsn));
    else {
        const struct mime_part *text = find(t->root, "text", "plain");
        if (!read_words(r, body_of(r, text ? text : t->root))) keep_automatic(r);
    }
}

/* ---- complaints that come to abuse@ ---- */

/* The first address in the text that one letter of a send has alone: its return path, where its reader leaves
 * by mail, or its Message-ID. Whoever cites it has had the letter. */
static bool cites(struct report *r, struct slice text)
{
    for (size_t at, from; (at = from = sl_chr(text, '@')) != SL_NONE; text = sl_from(text, at + 1)) {
        fiber_breathe();
        while (from && at - from < SEND_REF_MAX && (is_alnum(text.p[from - 1]) || text.p[from - 1] == '-'))
            from--;
        struct slice local = sl_sub(text, from, at);
        if (local.n > 2 && local.p[1] == '-' && send_ref_parse(r->s, local, &r->letter)) return true;
    }
    return false;
}

/* The header section of the letter that is enclosed, or alone. */
static struct slice enclosed(struct report *r, const struct mime_tree *t)
{
    const struct mime_part *p = find(t->root, "message", "rfc822");
    if (!p) p = find(t->root, "message", "global"); /* RFC 6532 */
    if (p && p->inside) return sl_sub(body_of(r, p), 0, p->inside->head_size);
    if (p && p->child) return sl_sub(r->text, p->child->head_at, p->child->head_at + p->child->head_size);
    p = find(t->root, "text", "rfc822-headers");
    return p ? body_of(r, p) : SL("");
}

/* Microsoft's form has no report: only the letter, with its reader in a field of theirs. */
static struct slice marked_reader(struct report *r, struct slice head)
{
    struct mail_head h;
    if (!head.n || mail_head_parse(&r->a, head, &h) != 0) return SL("");
    return told_address(mail_head_get(&r->a, &h, SL("X-HmXmrOriginalRecipient"), NULL));
}

/* What is no complaint, or about no letter of ours, is for who reads that mailbox. */
static void read_feedback(struct report *r)
{
    struct mime_tree *t = read_letter(r);
    if (!t) return;
    const struct mime_part *arf = find(t->root, "message", "feedback-report");
    struct slice head = enclosed(r, t), reader = marked_reader(r, head);
    struct slice report = arf ? body_of(r, arf) : SL("Feedback-Type: abuse\r\n\r\n");
    if ((!arf && !reader.n) || !(cites(r, report) || cites(r, head))) return;
    r->result = find_letter(r);
    if (!r->result) read_complaint(r, report, reader);
}

/* ---- the last hop ---- */

static int tell_tx(struct kv_tx *tx, void *arg)
{
    const struct last_hop *d = arg;
    return d->tell ? d->tell(tx, d->tell_arg) : 0;
}

int return_path_told(struct sends *s, struct last_hop *d)
{
    return kv_transact(s->store->kv, SL(SENDS_OBJECT), tell_tx, d);
}

int return_path_take(struct sends *s, struct last_hop *d)
{
    struct report r = {.s = s, .d = d};
    struct slice local = sl_sub(d->address, 0, sl_rchr(d->address, '@'));
    d->where = "as a report about a letter that was sent";
    d->before = false;
    int e = send_ref_parse(s, local, &r.letter) ? find_letter(&r) : 0;
    if (!e && r.letter.kind == 'u') leave_by_mail(&r);
    else if (!e && r.letter.kind) read_report(&r);
    else if (!e && return_path_hears(local)) read_feedback(&r);
    if (!e) e = r.result;
    if (e && !err_is_temporary(e))
        e = 0; /* the send is forgotten, the report too large: nobody can mend it */
    if (!e) e = return_path_told(s, d);
    ar_free(&r.a);
    return e;
}
