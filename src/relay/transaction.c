/* transaction.c - one letter to one server: MAIL, RCPT, DATA, in one go where the server
 * pipelines (RFC 5321 section 3.3, RFC 2920). */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "mail/addr.h"
#include "mail/dsn.h"
#include "queue/letter_source.h"
#include "relay_i.h"

/* RFC 5321 section 4.5.3.2 */
#define MAIL_TIME (300 * RT_S)
#define RCPT_TIME (300 * RT_S)
#define DATA_TIME (120 * RT_S)
#define BLOCK_TIME (180 * RT_S)
#define END_TIME (600 * RT_S)
#define RSET_TIME (30 * RT_S)
enum { BLOCK = 32 * 1024 };

struct talk {
    bool utf8; /* MAIL said SMTPUTF8 */
    const struct relay_conf *conf;
    struct peer *p;
    struct attempt_letter *at;
    const struct letter_source *src; /* the letter's bytes as they leave to this server */
    struct attempt_rcpt *const *rcpt;
    size_t n, accepted;
    bool *taken;   /* RCPT was answered 2yz */
    bool broken;   /* the connection is good for nothing more */
    bool answered; /* something was */
    bool astray;   /* as struct transaction_end has it */
    bool prdr;     /* each recipient may be answered after the letter */
};

static void give(struct talk *t, struct attempt_rcpt *r, const struct verdict *v)
{
    r->result = v->result;
    r->elsewhere = v->elsewhere;
    r->code = v->code;
    memcpy(r->enhanced, v->enhanced, sizeof r->enhanced);
    r->reply = v->text;
    r->host = ar_dup(t->at->a, sl_cstr(t->p->host));
    r->tls = ar_printf(t->at->a, "%s%s", t->p->tls, t->src == t->at->source ? "" : ", converted for it");
}

static void give_all(struct talk *t, const struct verdict *v)
{
    for (size_t i = 0; i < t->n; i++) give(t, t->rcpt[i], v);
}

static void give_taken(struct talk *t, const struct verdict *v)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->taken[i]) give(t, t->rcpt[i], v);
}

/* ---- addresses and parameters ---- */

/* As it goes into a command; false when it cannot. Without SMTPUTF8 the domain goes as A-labels. */
static bool wire_address(struct talk *t, struct slice address, struct slice *out)
{
    struct arena *a = t->at->a;
    struct slice local, domain, ascii;
    if (mail_addr_split(a, address, &local, &domain) != 0) return false;
    if (!(t->p->ext & SMTP_EXT_SMTPUTF8) && !is_ascii(local)) return false;
    if (!sl_starts(domain, SL("["))) {
        if (dns_to_ascii(a, domain, &ascii) != 0) return false;
        domain = ascii;
    }
    *out = smtp_address(a, local, domain);
    return true;
}

static bool is_by(const struct letter *l, char mode) { return l->wants.by && l->wants.by_mode == mode; }

/* RFC 2852 section 4.1.4, RFC 6710 section 4.2. */
static void put_wants(struct talk *t, struct buf *b)
{
    const struct letter_wants *w = &t->at->letter->wants;
    if (w->by && t->p->ext & SMTP_EXT_DELIVERBY)
        buf_printf(b, " BY=%lld;%c%s", (long long)(w->by - rt_wall_seconds()), w->by_mode,
                   w->by_trace ? "T" : "");
    if (t->p->ext & SMTP_EXT_MT_PRIORITY) buf_printf(b, " MT-PRIORITY=%d", w->priority);
}

/* RFC 6531 section 3.4: also when only a recipient needs it. */
static bool needs_utf8(const struct talk *t, const struct slice *address)
{
    bool needs = t->src->smtputf8;
    for (size_t i = 0; i < t->n; i++) needs |= !is_ascii(address[i]);
    return needs;
}

static void put_mail(struct talk *t, struct buf *b, struct slice sender, const struct slice *address)
{
    const struct letter *l = t->at->letter;
    const struct letter_source *src = t->src;
    unsigned ext = t->p->ext;
    buf_printf(b, "MAIL FROM:<%.*s>", SLF(sender));
    if (ext & SMTP_EXT_SIZE) buf_printf(b, " SIZE=%llu", (unsigned long long)src->size);
    if (src->binary) buf_str(b, " BODY=BINARYMIME");
    else if (src->eight_bit && ext & SMTP_EXT_8BITMIME) buf_str(b, " BODY=8BITMIME");
    t->utf8 = ext & SMTP_EXT_SMTPUTF8 && needs_utf8(t, address);
    if (t->utf8) buf_str(b, " SMTPUTF8");
    if (ext & SMTP_EXT_DSN && l->ret.n) buf_printf(b, " RET=%.*s", SLF(l->ret));
    if (ext & SMTP_EXT_DSN && l->envid.n) {
        buf_str(b, " ENVID=");
        smtp_xtext_encode(b, l->envid);
    }
    if (l->wants.requiretls && ext & SMTP_EXT_REQUIRETLS && conn_is_tls(t->p->c)) buf_str(b, " REQUIRETLS");
    put_wants(t, b);
    if (t->prdr) buf_str(b, " PRDR");
    buf_str(b, "\r\n");
}

/* "rfc822;text" with the text as xtext, the type as it is (RFC 3461 section 4.2). */
static void put_orcpt(struct buf *b, struct slice orcpt, bool utf8)
{
    size_t semi = sl_chr(orcpt, ';');
    if (semi == SL_NONE) return;
    struct slice type = sl_sub(orcpt, 0, semi), address = sl_from(orcpt, semi + 1);
    buf_printf(b, " ORCPT=%.*s;", SLF(type));
    if (sl_eqi(type, SL("utf-8"))) mail_orcpt_utf8(b, address, utf8);
    else smtp_xtext_encode(b, address);
}

static void put_notify(struct buf *b, unsigned notify)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {{NOTIFY_SUCCESS, "SUCCESS"}, {NOTIFY_FAILURE, "FAILURE"}, {NOTIFY_DELAY, "DELAY"}};
    if (!notify) return;
    buf_str(b, " NOTIFY=");
    if (notify & NOTIFY_NEVER) {
        buf_str(b, "NEVER");
        return;
    }
    bool more = false;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!(notify & words[i].bit)) continue;
        if (more) buf_char(b, ',');
        buf_str(b, words[i].word);
        more = true;
    }
}

/* A server that knows no DELIVERBY is to tell of a delay at least (RFC 2852 section 4.1.4.2). */
static unsigned notify_for(const struct talk *t, const struct attempt_rcpt *r)
{
    if (!is_by(t->at->letter, 'N') || t->p->ext & SMTP_EXT_DELIVERBY || r->notify & NOTIFY_NEVER)
        return r->notify;
    return r->notify ? r->notify | NOTIFY_DELAY : NOTIFY_FAILURE | NOTIFY_DELAY;
}

static void put_rcpt(struct talk *t, struct buf *b, const struct attempt_rcpt *r, struct slice address)
{
    buf_printf(b, "RCPT TO:<%.*s>", SLF(address));
    if (t->p->ext & SMTP_EXT_DSN) {
        put_notify(b, notify_for(t, r));
        put_orcpt(b, r->orcpt, t->utf8);
    }
    buf_str(b, "\r\n");
}

/* ---- before anything is said: can this server take this letter at all? ---- */

static bool takes_binary(const struct peer *p)
{
    return p->ext & SMTP_EXT_BINARYMIME && p->ext & SMTP_EXT_CHUNKING;
}

/* Is the session one that a letter with REQUIRETLS may go over (RFC 8689 section 4.2.1)? A report goes anyhow
 * (section 5). */
static bool guarded(struct talk *t, struct verdict *v)
{
    struct arena *a = t->at->a;
    const char *host = t->p->host;
    if (!requires_tls(t->at->letter)) return true;
    if (t->p->degraded) /* it may be mended */
        verdict_set(
            v, ATTEMPT_TEMPORARY, "4.7.10",
            ar_printf(a, "the letter requires TLS (REQUIRETLS), and with %s it did not come about", host));
    else if (!conn_is_tls(t->p->c))
        verdict_set(v, ATTEMPT_PERMANENT, "5.7.10",
                    ar_printf(a, "the letter requires TLS (REQUIRETLS), and %s does not offer it", host));
    else if (!t->p->verified)
        verdict_set(v, ATTEMPT_PERMANENT, "5.7.10",
                    ar_printf(a, "the letter requires verified TLS (REQUIRETLS), and %s is not proved: %s",
                              host, t->p->tls));
    else if (!(t->p->ext & SMTP_EXT_REQUIRETLS))
        verdict_set(v, ATTEMPT_PERMANENT, "5.7.30",
                    ar_printf(a,
                              "the letter requires TLS all the way, and %s does not promise it (REQUIRETLS)",
                              host));
    else return true;
    return false;
}

/* RFC 2852 section 4.1.4.1; other servers of the domain are not asked (section 7). */
static bool in_time(struct talk *t, struct verdict *v)
{
    const struct letter *l = t->at->letter;
    struct arena *a = t->at->a;
    int64_t left = l->wants.by - rt_wall_seconds();
    if (!is_by(l, 'R')) return true;
    if (!(t->p->ext & SMTP_EXT_DELIVERBY))
        verdict_set(
            v, ATTEMPT_PERMANENT, "5.3.3",
            ar_printf(a,
                      "the letter is to be delivered by a time or come back, and %s does not promise that "
                      "(DELIVERBY)",
                      t->p->host));
    else if (left < 1 || left < t->p->by_min)
        verdict_set(v, ATTEMPT_PERMANENT, "5.4.7",
                    ar_printf(a,
                              "the letter is to be delivered within %lld s, and %s promises %u s (DELIVERBY)",
                              (long long)(left > 0 ? left : 0), t->p->host, t->p->by_min));
    else return true;
    return false;
}

static bool suits(struct talk *t, struct verdict *v)
{
    const struct letter_source *src = t->src;
    struct arena *a = t->at->a;
    const char *host = t->p->host;
    if (src->smtputf8 && !(t->p->ext & SMTP_EXT_SMTPUTF8))
        verdict_set(v, ATTEMPT_PERMANENT, "5.6.7",
                    ar_printf(a, "%s takes no internationalised letters (SMTPUTF8), and this is one", host));
    else if (t->p->ext & SMTP_EXT_SIZE && t->p->size_max && src->size > t->p->size_max)
        verdict_set(v, ATTEMPT_PERMANENT, "5.3.4",
                    ar_printf(a, "the letter has %llu bytes, %s takes at most %llu",
                              (unsigned long long)src->size, host, (unsigned long long)t->p->size_max));
    else return true;
    return false;
}

/* What it would have to be converted to for this server; false: it need not be. */
static bool needs_conversion(const struct talk *t, enum mail_convert_to *to)
{
    const struct letter_source *src = t->src;
    bool eight = t->p->ext & SMTP_EXT_8BITMIME;
    *to = eight ? MAIL_CONVERT_TO_8BIT : MAIL_CONVERT_TO_7BIT;
    return src->binary ? !takes_binary(t->p) : src->eight_bit && !eight;
}

/* RFC 6152 section 3, RFC 3030 section 3. */
static bool converted(struct talk *t, struct verdict *v)
{
    struct attempt_letter *at = t->at;
    enum mail_convert_to to;
    if (!needs_conversion(t, &to)) return true;
    convert_end(&at->converted); /* the last server's may be another one */
    int e = convert_letter(t->conf, at, to, &at->converted);
    const char *lacks = t->src->binary ? "binary letters (BINARYMIME)" : "8-bit text (8BITMIME)";
    if (!e) t->src = convert_source(at->converted);
    else if (e == ERR_UNSUPPORTED)
        verdict_set(v, ATTEMPT_PERMANENT, "5.6.3",
                    ar_printf(at->a, "%s takes no %s, and this one cannot be converted: %s", t->p->host,
                              lacks, err_text(e)));
    else verdict_error(v, at->a, e, "while the letter was converted");
    return e == 0;
}

static bool fits(struct talk *t)
{
    struct verdict v;
    bool late = !in_time(t, &v);
    if (!late && guarded(t, &v) && converted(t, &v) && suits(t, &v)) return true;
    v.elsewhere = !late;
    give_all(t, &v);
    return false;
}

/* ---- the steps ---- */

/* 503, "out of order", where the server had refused nothing before: it lost count of what was said in one go,
 * or of a letter before this one. It speaks neither of this letter nor of who gets it: with a session of its
 * own, step by step, it may well be taken. */
static bool goes_astray(struct talk *t, const struct smtp_reply *r, struct verdict *v)
{
    if (r->code != 503 || !(t->p->ext & SMTP_EXT_PIPELINING || t->p->letters > 1)) return false;
    v->result = ATTEMPT_TEMPORARY;
    return t->astray = t->broken = true;
}

static int hear(struct talk *t, int64_t limit, const char *during, struct smtp_reply *r, struct verdict *v)
{
    int e = peer_hear(t->p, t->at->a, limit, r);
    if (e) {
        verdict_error(v, t->at->a, e, during);
        t->broken = true;
        return e;
    }
    t->answered |= r->code != 421; /* which ends a session, whatever was asked */
    verdict_reply(v, r);
    /* What is refused in clear may be for that alone; a wrong address (5.1.y) is wrong in any case. */
    if (t->p->degraded && v->result == ATTEMPT_PERMANENT && r->enhanced[1] != 1)
        v->result = ATTEMPT_TEMPORARY;
    if (r->code == 421) t->broken = true; /* RFC 5321 section 3.8: it closes */
    return 0;
}

static int hear_mail(struct talk *t)
{
    struct smtp_reply r;
    struct verdict v;
    if (hear(t, MAIL_TIME, "while waiting for the answer to MAIL", &r, &v) == 0 &&
        v.result == ATTEMPT_DELIVERED)
        return 0;
    if (!t->broken) (void)goes_astray(t, &r, &v);
    if (v.code / 100 == 3) t->broken = true;
    give_all(t, &v);
    return -1;
}

static int hear_rcpt(struct talk *t, size_t i)
{
    struct smtp_reply r;
    struct verdict v;
    hear(t, RCPT_TIME, "while waiting for the answer to RCPT", &r, &v);
    if (t->broken || goes_astray(t, &r, &v)) { /* those before may have been taken, but no data will follow */
        for (size_t k = 0; k < t->n; k++)
            if (k >= i || t->taken[k]) give(t, t->rcpt[k], &v);
        return -1;
    }
    if (r.code == 552) v.result = ATTEMPT_TEMPORARY; /* RFC 5321 section 4.5.3.1.10: too many recipients */
    t->taken[i] = v.result == ATTEMPT_DELIVERED;
    t->accepted += t->taken[i];
    if (!t->taken[i]) give(t, t->rcpt[i], &v);
    return 0;
}

/* 0: the server waits for the letter. */
static int hear_data(struct talk *t)
{
    struct smtp_reply r;
    struct verdict v;
    int e = hear(t, DATA_TIME, "while waiting for the answer to DATA", &r, &v);
    if (!e && r.code == 354) return 0;
    if (!e && t->accepted) (void)goes_astray(t, &r, &v);
    if (!e && v.result == ATTEMPT_DELIVERED) { /* a success where none can be */
        v.result = ATTEMPT_TEMPORARY;
        t->broken = true;
    }
    give_taken(t, &v);
    return -1;
}

/* Streams the letter, each byte as it is when stuff is NULL; memory does not depend on its size. ERR_STATE:
 * the server answered before the end, what it says waits to be heard. */
static int send_body(struct talk *t, struct smtp_stuff *stuff)
{
    const struct letter_source *src = t->src;
    char *block = ar_alloc(t->at->a, BLOCK);
    for (uint64_t at = 0; at < src->size;) {
        int64_t n = letter_source_read(src, at, block, BLOCK);
        if (n < 0) return (int)n;
        struct slice in = sl(block, (size_t)n), run;
        int64_t before = deadline_narrow(DEADLINE_IN(BLOCK_TIME));
        while (stuff && smtp_stuff_next(stuff, &in, &run)) peer_give(t->p, run);
        if (!stuff) peer_give(t->p, in);
        deadline_restore(before);
        if (conn_overhear(t->p->c)) return ERR_STATE;
        if (conn_error(t->p->c)) return conn_error(t->p->c);
        at += (uint64_t)n;
    }
    return 0;
}

/* The final dot was not said: it was not taken. Why not, the server may have said before it broke
 * off (RFC 5321 section 4.2.1 knows no such answer, but large letters are refused like this). */
static void refused_within(struct talk *t, int e)
{
    struct smtp_reply r;
    struct verdict v;
    bool said = conn_overhear(t->p->c) && hear(t, RSET_TIME, "", &r, &v) == 0 && r.code >= 400;
    if (!said) verdict_error(&v, t->at->a, e == ERR_STATE ? ERR_SYNTAX : e, "while the letter was sent");
    else (void)goes_astray(t, &r, &v);
    t->broken = true;
    give_taken(t, &v);
}

/* RFC 2033 section 4.2: an answer for each recipient that was taken, in that order. Of those that are not
 * heard nobody knows. */
static int hear_each(struct talk *t, struct smtp_reply *r, struct verdict *v)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!t->taken[i]) continue;
        int e = hear(t, END_TIME, "while waiting for the answers for each recipient", r, v);
        if (e) return e;
        give(t, t->rcpt[i], v);
        t->taken[i] = false;
    }
    return 0;
}

/* The answer to the end of the letter. PRDR (draft-hall-prdr-00 section 4.5): 353, then one for each
 * recipient that was taken, in that order, then the one that counts for those that are left. Until that is
 * heard nobody knows. */
static int hear_end(struct talk *t, struct smtp_reply *r, struct verdict *v)
{
    struct verdict each;
    if (t->p->lmtp) return hear_each(t, r, v);
    int e = hear(t, END_TIME, "while waiting for the answer to the end of the letter", r, v);
    if (e || r->code != 353 || !t->prdr) return e;
    bool *lost = ar_array(t->at->a, bool, t->n);
    for (size_t i = 0; i < t->n; i++) {
        if (!t->taken[i]) continue;
        e = hear(t, END_TIME, "while waiting for the answers for each recipient", r, &each);
        if (e) *v = each;
        if (e) return e;
        lost[i] = each.result != ATTEMPT_DELIVERED;
        if (lost[i]) give(t, t->rcpt[i], &each);
    }
    e = hear(t, END_TIME, "while waiting for the answer to the end of the letter", r, v);
    for (size_t i = 0; i < t->n && !e && v->result == ATTEMPT_DELIVERED; i++) t->taken[i] &= !lost[i];
    return e;
}

/* Before it is asked more: has it answered what nobody asked? Then no word of it is to what will be said, and
 * a letter that it refuses would look delivered. Recipients from `next` on were not named yet. */
static bool out_of_step(struct talk *t, size_t next)
{
    struct verdict v;
    if (!conn_peek(t->p->c).n) return false;
    verdict_set(&v, ATTEMPT_TEMPORARY, "4.5.0",
                SL("the server answers more than it is asked: which answer is to what is not known"));
    t->broken = true;
    for (size_t i = 0; i < t->n; i++)
        if (t->taken[i] || i >= next) give(t, t->rcpt[i], &v);
    return true;
}

/* The answer to the final dot: from its sending on nobody knows until it is heard. */
static void hand_over(struct talk *t)
{
    struct smtp_reply r;
    struct verdict v;
    struct smtp_stuff stuff;
    const bool binary = t->src->binary;
    struct slice early = conn_peek(t->p->c);
    if (!binary && early.n && early.p[0] >= '4') { /* behind 354 as within the letter, however soon it came */
        refused_within(t, ERR_STATE);
        return;
    }
    if (out_of_step(t, t->n)) return;
    smtp_stuff_begin(&stuff);
    if (binary) /* one chunk (RFC 3030 section 2) */
        peer_say(t->p, ar_printf(t->at->a, "BDAT %llu LAST\r\n", (unsigned long long)t->src->size));
    int e = send_body(t, binary ? NULL : &stuff);
    if (e) {
        refused_within(t, e);
        return;
    }
    int64_t before = deadline_narrow(DEADLINE_IN(BLOCK_TIME));
    peer_gave(t->p, t->src->size);
    if (!binary) conn_write(t->p->c, smtp_stuff_end(&stuff));
    e = conn_flush(t->p->c);
    deadline_restore(before);
    bool said = conn_pending(t->p->c) == 0;
    if (e && conn_overhear(t->p->c)) {
        refused_within(t, e);
        return;
    }
    if (!e) e = hear_end(t, &r, &v);
    else verdict_error(&v, t->at->a, e, "while the end of the letter was sent");
    if (e) {
        t->broken = true;
        if (said) v.result = ATTEMPT_UNCERTAIN;
    } else if (v.code / 100 == 3) {
        t->broken = true;
    }
    give_taken(t, &v);
    for (size_t i = 0; i < t->n; i++)
        if (t->taken[i]) t->rcpt[i]->by_taken = t->p->ext & SMTP_EXT_DELIVERBY;
    for (size_t i = 0; i < t->n; i++)
        if (t->taken[i]) t->rcpt[i]->dsn_taken = v.result == ATTEMPT_DELIVERED && t->p->ext & SMTP_EXT_DSN;
}

/* DATA was answered 354 although no recipient was taken: an empty letter to nobody ends it
 * (RFC 2920 section 3.1). */
static void end_empty(struct talk *t)
{
    struct smtp_reply r;
    peer_say(t->p, SL(".\r\n"));
    if (peer_hear(t->p, t->at->a, RSET_TIME, &r) != 0)
        log_debug("relay", "%s: no answer to an empty letter", t->p->host);
    t->broken = true;
}

static void reset(struct talk *t)
{
    struct smtp_reply r;
    if (conn_peek(t->p->c).n) { /* it has answered what nobody asked */
        t->broken = true;
        return;
    }
    peer_say(t->p, SL("RSET\r\n"));
    if (peer_hear(t->p, t->at->a, RSET_TIME, &r) != 0 || r.code != 250) t->broken = true;
}

static void pipelined(struct talk *t, const struct slice *address, struct buf *commands)
{
    for (size_t i = 0; i < t->n; i++) put_rcpt(t, commands, t->rcpt[i], address[i]);
    const bool binary = t->src->binary; /* the chunk goes when somebody was taken */
    if (!binary) buf_str(commands, "DATA\r\n");
    peer_say(t->p, buf_slice(commands));
    int bad = hear_mail(t);
    if (t->broken) return;
    for (size_t i = 0; i < t->n && !t->broken; i++) {
        struct smtp_reply r;
        struct verdict v;
        if (!bad && hear_rcpt(t, i) != 0) return;
        if (bad && hear(t, RCPT_TIME, "", &r, &v) != 0) return; /* refused with MAIL: its words stay */
    }
    if (t->broken) return;
    if (!binary && hear_data(t) == 0) {
        if (t->accepted) hand_over(t);
        else end_empty(t);
    } else if (binary && t->accepted) {
        hand_over(t);
    } else if (!t->broken) {
        reset(t);
    }
}

static void step_by_step(struct talk *t, const struct slice *address, struct buf *commands)
{
    peer_say(t->p, buf_slice(commands));
    if (hear_mail(t) != 0) return;
    for (size_t i = 0; i < t->n; i++) {
        buf_clear(commands);
        put_rcpt(t, commands, t->rcpt[i], address[i]);
        if (out_of_step(t, i)) return;
        peer_say(t->p, buf_slice(commands));
        if (hear_rcpt(t, i) != 0) return;
    }
    if (!t->accepted) {
        reset(t);
        return;
    }
    if (!t->src->binary && out_of_step(t, t->n)) return;
    if (!t->src->binary) peer_say(t->p, SL("DATA\r\n"));
    if (t->src->binary || hear_data(t) == 0) hand_over(t);
    else if (!t->broken) reset(t);
}

/* Recipients whose address cannot be put into a command are done with; the rest stays in keep. */
static size_t addresses(struct talk *t, struct attempt_rcpt **keep, struct slice *address)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (wire_address(t, t->rcpt[i]->address, &address[n])) {
            keep[n++] = t->rcpt[i];
            continue;
        }
        struct verdict v;
        verdict_set(&v, ATTEMPT_PERMANENT, is_ascii(t->rcpt[i]->address) ? "5.1.3" : "5.6.7",
                    ar_printf(t->at->a, "the address %.*s cannot be given to %s", SLF(t->rcpt[i]->address),
                              t->p->host));
        v.elsewhere = !is_ascii(t->rcpt[i]->address);
        give(t, t->rcpt[i], &v);
    }
    return n;
}

struct transaction_end transaction(const struct relay_conf *conf, struct peer *p, struct attempt_letter *at,
                                   struct attempt_rcpt *const *rcpt, size_t n)
{
    const struct transaction_end untouched = {.usable = true};
    struct talk t = {.conf = conf, .p = p, .at = at, .src = at->source, .rcpt = rcpt, .n = n};
    struct slice *address = ar_array(at->a, struct slice, n), sender = at->letter->sender;
    struct attempt_rcpt **keep = ar_array(at->a, struct attempt_rcpt *, n);
    struct buf commands = BUF_INIT;
    if (!fits(&t)) return untouched;
    t.n = addresses(&t, keep, address);
    t.rcpt = keep;
    t.taken = ar_array(at->a, bool, t.n);
    if (conf->srs && !at->letter->submitter.n) srs_forward(conf->srs, at->a, sender, &sender);
    if (sender.n && !wire_address(&t, sender, &sender)) {
        struct verdict v;
        verdict_set(&v, ATTEMPT_PERMANENT, "5.1.7",
                    ar_printf(at->a, "the sender %.*s cannot be given to %s", SLF(sender), p->host));
        v.elsewhere = !is_ascii(sender);
        give_all(&t, &v);
        return untouched;
    }
    if (!t.n) return untouched;
    p->letters++;
    if (out_of_step(&t, 0)) return (struct transaction_end){.fresh = true};
    t.prdr = p->ext & SMTP_EXT_PRDR && t.n > 1;
    put_mail(&t, &commands, sender, address);
    if (p->ext & SMTP_EXT_PIPELINING) pipelined(&t, address, &commands);
    else step_by_step(&t, address, &commands);
    buf_free(&commands);
    return (struct transaction_end){
        .usable = !t.broken && !conn_error(p->c), .fresh = !t.answered && t.broken, .astray = t.astray};
}
