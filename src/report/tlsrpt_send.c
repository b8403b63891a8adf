/* tlsrpt_send.c - TLS reports to those who ask for them: one for each domain and day (RFC 8460 section 5).
 *
 * What a report tells of a day that is over cannot change any more, and its id and those of its letters are
 * made of domain, day and address. So a crash at any point repeats the same report: a letter that was
 * accepted is not accepted twice, and who gets a document twice knows it by its id. Only then the rows are
 * deleted. */
#include <stdio.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "dmarc_report.h"
#include "dmarc_store_i.h"
#include "kv/record.h"
#include "mail/addr.h"
#include "report_day.h"
#include "store/store.h"
#include "tlsrpt_i.h"

#define ROUND_MAX (1800 * RT_S) /* then those who were put off wait for the next round */
enum {
    AT_ONCE = 8,
    GIVE_UP_DAYS = 3,
    SPREAD_S = 4 * 3600,
    PAGE = 500,
    POLICIES_MAX = 50,
    DETAILS_MAX = 1000
};

struct round { /* one call of tlsrpt_send() */
    struct tlsrpt *t;
    struct slice from_domain, cut; /* rows below this generation are told */
    bool now;
    int64_t today; /* its first second */
    struct tlsrpt_sent *sent;
    int64_t end; /* rt_now(): after it nobody is asked who was put off */
    int failed;
};
struct sending { /* one domain of one day */
    struct round *round;
    struct arena *a;
    struct slice object, name; /* name: as in keys */
    int64_t day;
    struct tlsrpt_out out;
    struct buf json, gzip;
    size_t bad;        /* rows that cannot be read */
    struct slice busy; /* its host that others are asking, when put_off */
    bool put_off;      /* until that one may be asked */
    bool silent;       /* to a later round: its host does not answer, and was not asked for this report */
};

/* ---- the record ---- */

size_t tlsrpt_record(struct arena *a, struct slice txt, struct slice out[TLSRPT_TO_MAX])
{
    struct slice tag, uri;
    size_t n = 0;
    if (!sl_next(&txt, ';', &tag) || !sl_eq(sl_trim(tag), SL("v=TLSRPTv1"))) return 0;
    while (txt.n && sl_next(&txt, ';', &tag)) {
        tag = sl_trim(tag);
        if (!sl_starts(tag, SL("rua="))) continue;
        tag = sl_from(tag, 4);
        while (n < TLSRPT_TO_MAX && tag.n && sl_next(&tag, ',', &uri)) {
            uri = sl_trim(uri);
            if (sl_startsi(uri, SL("mailto:")) || sl_startsi(uri, SL("https://"))) out[n++] = ar_dup(a, uri);
        }
        return n;
    }
    return 0;
}

/* 0 and *n addresses; ERR_DNS: not known now. Not exactly one record is none (section 3). */
static int destinations(struct sending *s, struct slice to[TLSRPT_TO_MAX], size_t *n)
{
    struct dns_answer txt;
    size_t records = 0;
    int e =
        dns_ask(s->round->t->conf.dns, s->a, ar_cat(s->a, SL("_smtp._tls."), s->out.domain), DNS_TXT, &txt);
    *n = 0;
    if (e) return e;
    if (txt.status == DNS_TEMPFAIL) return err_set(ERR_DNS, "%.*s", SLF(txt.why));
    for (size_t i = 0; txt.status == DNS_FOUND && i < txt.n; i++) {
        if (!sl_starts(txt.rr[i].txt, SL("v=TLSRPTv1"))) continue;
        *n = tlsrpt_record(s->a, txt.rr[i].txt, to);
        records++;
    }
    if (records != 1) *n = 0;
    return 0;
}

/* ---- rows ---- */

typedef int row_fn(struct sending *s, const struct kv_row *row, size_t n);

/* Rows whose keys begin with "KIND/NAME/", page by page. */
static int each_page(struct sending *s, char kind, row_fn *fn)
{
    struct arena a = {0}, next = {0};
    struct kv_page page = {.more = true};
    struct slice from = ar_printf(s->a, "%c/%.*s/", kind, SLF(s->name)), to = kv_prefix_end(s->a, from);
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(s->round->t->conf.store->kv, s->object, from, to, PAGE, &a, &page);
        if (e || !page.n) break;
        ar_reset(&next);
        from = kv_after(&next, page.row[page.n - 1].key);
        e = fn(s, page.row, page.n);
        fiber_breathe();
    }
    ar_free(&a);
    ar_free(&next);
    return e;
}

static void read_policy(struct arena *a, struct slice value, struct tlsrpt_policy *p)
{
    enum { STRINGS = MTA_STS_MX_MAX + 3 };
    struct rec r;
    p->string = ar_array(a, struct slice, STRINGS);
    p->mx = ar_array(a, struct slice, MTA_STS_MX_MAX);
    if (rec_open(&r, value, TLSRPT_VERSION) != 0) return;
    while (rec_next(&r)) switch (r.tag) {
        case 'd': p->domain = ar_dup(a, r.field); break;
        case 'k': p->kind = (enum policy_kind)(rec_u64(&r) % 3); break;
        case 's':
            if (p->nstring < STRINGS) p->string[p->nstring++] = ar_dup(a, r.field);
            break;
        case 'x':
            if (p->nmx < MTA_STS_MX_MAX) p->mx[p->nmx++] = ar_dup(a, r.field);
            break;
        }
    if (rec_error(&r)) p->domain = SL("");
}

/* A policy that cannot be read takes its rows along: the report tells of the others. */
static int take_policies(struct sending *s, const struct kv_row *row, size_t n)
{
    struct tlsrpt_out *o = &s->out;
    for (size_t i = 0; i < n && o->n < POLICIES_MAX; i++) {
        struct tlsrpt_policy p = {.key = ar_dup(s->a, sl_from(row[i].key, 3 + s->name.n))};
        read_policy(s->a, row[i].value, &p);
        s->bad += !p.domain.n;
        if (!p.domain.n) continue;
        if (o->n == o->room) o->policy = ar_grow(s->a, o->policy, &o->room, sizeof p);
        o->policy[o->n++] = p;
        o->domain = p.domain;
    }
    return 0;
}

/* "o/NAME/POLICY/ROW.GEN" */
static bool covered(const struct sending *s, struct slice key, struct slice *policy)
{
    struct slice rest = sl_from(key, 3 + s->name.n);
    if (rest.n != 2 * TLSRPT_HASH + 2 + TLSRPT_GEN) return false;
    *policy = sl_sub(rest, 0, TLSRPT_HASH);
    return sl_cmp(sl_from(rest, 2 * TLSRPT_HASH + 2), s->round->cut) < 0;
}

static int read_row(struct arena *a, struct slice value, struct tlsrpt_detail *d)
{
    struct rec r;
    uint64_t result = 0;
    *d = (struct tlsrpt_detail){0};
    int e = rec_open(&r, value, TLSRPT_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'r': result = rec_u64(&r); break;
        case 'h': d->host = ar_dup(a, r.field); break;
        case 'i': d->ip = ar_dup(a, r.field); break;
        case 'l': d->source = ar_dup(a, r.field); break;
        case 'w': d->reason = ar_dup(a, r.field); break;
        case 'n': d->count = rec_u64(&r); break;
        }
    if (!e) e = rec_error(&r);
    if (!e && result >= POLICY_RESULTS) e = err_set(ERR_CORRUPT, "there is no such result");
    d->result = (enum policy_result)result;
    return e;
}

static void add_detail(struct arena *a, struct tlsrpt_policy *p, const struct tlsrpt_detail *d)
{
    if (d->result == POLICY_SUCCESS) {
        p->good += d->count;
        return;
    }
    p->bad += d->count;
    struct tlsrpt_detail *last =
        p->n ? &p->detail[p->n - 1] : NULL; /* the same row, counted after a restart */
    bool same = last && last->result == d->result && sl_eq(last->host, d->host) && sl_eq(last->ip, d->ip) &&
                sl_eq(last->source, d->source) && sl_eq(last->reason, d->reason);
    if (same) last->count += d->count;
    if (same || p->n == DETAILS_MAX) return;
    if (p->n == p->room) p->detail = ar_grow(a, p->detail, &p->room, sizeof *d);
    p->detail[p->n++] = *d;
}

static int take_rows(struct sending *s, const struct kv_row *row, size_t n)
{
    struct slice key;
    struct tlsrpt_detail d;
    for (size_t i = 0; i < n; i++) {
        if (!covered(s, row[i].key, &key)) continue;
        bool good = read_row(s->a, row[i].value, &d) == 0;
        s->bad += !good;
        for (size_t k = 0; good && k < s->out.n; k++)
            if (sl_eq(s->out.policy[k].key, key)) add_detail(s->a, &s->out.policy[k], &d);
    }
    return 0;
}

static void tell_bad(const struct sending *s)
{
    if (s->bad)
        log_warn("tlsrpt", "%zu rows about sessions with %.*s cannot be read: no report will tell of them",
                 s->bad, SLF(s->out.domain.n ? s->out.domain : s->name));
}

static int delete_rows(struct sending *s, const struct kv_row *row, size_t n)
{
    struct slice key[PAGE], policy;
    size_t gone = 0;
    for (size_t i = 0; i < n; i++)
        if (row[i].key.p[0] == 'p' || covered(s, row[i].key, &policy)) key[gone++] = row[i].key;
    return dmarc_delete(s->round->t->conf.store, s->object, key, gone);
}

/* Policies last, and only when no rows can come any more. */
static int forget(struct sending *s)
{
    int e = each_page(s, 'o', delete_rows);
    return e || s->day >= s->round->today ? e : each_page(s, 'p', delete_rows);
}

/* ---- delivery ---- */

static int pack(void *arg)
{
    struct sending *s = arg;
    tlsrpt_json(&s->json, &s->out);
    return dmarc_gzip(&s->gzip, buf_slice(&s->json));
}

/* Of the end of the period, with chance made of report and address: a repetition has the same one. */
static struct letter_id letter_name(struct sending *s, struct slice mailbox)
{
    struct letter_id id;
    letter_id_floor(&id, s->out.end * 1000000);
    uint32_t h = crc32c(crc32c(0, s->out.id.p, s->out.id.n), mailbox.p, mailbox.n);
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5)
        id.s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
    return id;
}

/* No repetition would make it better. */
static bool is_hopeless(int e) { return e == ERR_DENIED || e == ERR_USAGE; }

/* A report goes whatever becomes of TLS (section 3). */
static int send_letter(struct sending *s, struct slice mailbox)
{
    const struct tlsrpt_conf *c = &s->round->t->conf;
    struct slice local, domain;
    struct buf text = BUF_INIT;
    if (mail_addr_split(s->a, mailbox, &local, &domain) != 0) return ERR_DENIED;
    tlsrpt_message(&text, &s->out, mailbox, buf_slice(&s->gzip));
    struct letter_own own = {.id = letter_name(s, mailbox),
                             .sender = s->out.contact,
                             .to = mail_addr_join(s->a, local, domain),
                             .text = buf_slice(&text),
                             .wants = {.tls_optional = true},
                             .what = ar_printf(s->a, "the TLS report about %.*s", SLF(s->out.domain))};
    int e = c->take(c->take_ctx, &own);
    buf_free(&text);
    if (!e) s->round->sent->letters++;
    return e;
}

/* Host and port of an https: URL. */
static struct slice host_of(struct arena *a, struct slice url)
{
    struct slice rest = sl_from(url, 8);
    size_t n = 0;
    while (n < rest.n && !strchr("/?#", rest.p[n])) n++;
    return ar_lower(a, sl_sub(rest, 0, n));
}

/* *answered: what it says is of this report alone, so it may be asked for others. */
static int post_now(struct sending *s, struct slice url, struct slice host, bool *answered)
{
    const struct tlsrpt_conf *c = &s->round->t->conf;
    struct fetch_answer got = {0};
    struct fetch_field type = {SL("Content-Type"), SL("application/tlsrpt+gzip")};
    struct fetch_request q = {.method = SL("POST"),
                              .url = url,
                              .field = &type,
                              .nfield = 1,
                              .body = buf_slice(&s->gzip),
                              .asker = sl_hash(host)};
    int e = fetch(c->fetch, s->a, &q, &got);
    *answered = e ? e == ERR_CANCELED || e == ERR_LIMIT || is_hopeless(e)
                  : got.status != 429 && got.status != 503; /* RFC 6585 section 4, RFC 9110 section 15.6.4 */
    if (!e && got.status / 100 != 2)
        e = err_set(ERR_UNREACHABLE, "%.*s answered %d", SLF(sl_sub(url, 0, 200)), got.status);
    if (!e) s->round->sent->posts++;
    return e;
}

static void note_wait(struct sending *s, struct slice host, int e)
{
    if (e == ERR_BUSY) s->busy = host;
    s->put_off |= e == ERR_BUSY;
    s->silent |= e == ERR_UNREACHABLE;
}

static int post(struct sending *s, struct slice url)
{
    struct tlsrpt_share *share = &s->round->t->share;
    struct slice host = host_of(s->a, url);
    bool answered;
    int e = tlsrpt_share_take(share, host);
    note_wait(s, host, e);
    if (e) return e;
    int64_t since = rt_now();
    e = post_now(s, url, host, &answered);
    tlsrpt_share_give(share, host, since, answered);
    return e;
}

/* Not worth making now, when every address is of a host that cannot be asked: why. */
static int look_first(struct sending *s, const struct slice *to, size_t n)
{
    int e = 0;
    for (size_t i = 0; i < n; i++) {
        bool mail = sl_startsi(to[i], SL("mailto:"));
        struct slice host = mail ? SL("") : host_of(s->a, to[i]);
        e = mail ? 0 : tlsrpt_share_look(&s->round->t->share, host);
        note_wait(s, host, e);
        if (!e) s->put_off = s->silent = false;
        if (!e) break;
    }
    return e;
}

/* Percent signs of a mailto: address (RFC 6068); what stands behind "?" does not count. */
static struct slice mailbox_of(struct arena *a, struct slice uri)
{
    struct slice s = sl_sub(uri, 7, sl_chr(uri, '?') == SL_NONE ? uri.n : sl_chr(uri, '?'));
    struct buf b = BUF_INIT;
    percent_decode(&b, s);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

/* Told when one of the addresses took it (section 3). When none did, one may still be to be asked: put_off,
 * silent. */
static int deliver(struct sending *s, const struct slice *to, size_t n)
{
    bool told = false, hopeless = true;
    int last = 0;
    for (size_t i = 0; i < n; i++) {
        bool mail = sl_startsi(to[i], SL("mailto:"));
        int e = mail ? send_letter(s, mailbox_of(s->a, to[i])) : post(s, to[i]);
        if (e == ERR_CANCELED) return e;
        told |= e == 0;
        hopeless &= is_hopeless(e);
        if (e) last = e;
        if (e && (mail || e != ERR_BUSY))
            log_info("tlsrpt", "the report about %.*s does not go to %.*s: %s", SLF(s->out.domain),
                     SLF(to[i]), err_text(e));
    }
    if (told) s->put_off = s->silent = false;
    return told || hopeless ? 0 : last;
}

/* ---- one domain ---- */

static void name_report(struct sending *s)
{
    struct tlsrpt_out *o = &s->out;
    const struct round *r = s->round;
    bool over = s->day < r->today;
    o->submitter = r->from_domain;
    o->contact = ar_cat(s->a, SL("postmaster@"), r->from_domain);
    o->begin = s->day;
    o->end = over ? s->day + TLSRPT_DAY_S - 1 : rt_wall_seconds();
    o->id = ar_printf(s->a, "%lld.%.*s.%.*s@%.*s", (long long)o->begin, SLF(over ? SL("day") : r->cut),
                      SLF(o->domain), SLF(r->t->conf.hostname));
}

static int send_domain(struct sending *s)
{
    struct slice to[TLSRPT_TO_MAX];
    size_t n = 0;
    uint64_t sessions = 0;
    bool last = rt_wall_seconds() > s->day + (1 + GIVE_UP_DAYS) * (int64_t)TLSRPT_DAY_S;
    int e = each_page(s, 'p', take_policies);
    if (!e && s->out.domain.n) e = destinations(s, to, &n);
    if (!e && n) e = look_first(s, to, n);
    if (!e && n) e = each_page(s, 'o', take_rows);
    for (size_t i = 0; i < s->out.n; i++) sessions += s->out.policy[i].good + s->out.policy[i].bad;
    if (!e && n && sessions) {
        name_report(s);
        e = offload_on(POOL_CARE, pack, s);
        if (!e) e = deliver(s, to, n);
    }
    if (s->put_off || s->silent) return e; /* also on its last day */
    if (e && (!last || e == ERR_CANCELED)) return e;
    if (e) log_warn("tlsrpt", "the report about %.*s is given up: %s", SLF(s->out.domain), err_text(e));
    tell_bad(s);
    e = forget(s);
    if (!e) s->round->sent->domains++;
    return e;
}

static int domain_step(struct round *r, const struct tlsrpt_late *d)
{
    struct arena a = {0};
    struct sending s = {
        .round = r, .a = &a, .object = sl_cstr(d->object), .name = sl_cstr(d->name), .day = d->day};
    int64_t due = d->day + TLSRPT_DAY_S + (int64_t)(crc32c(0, s.name.p, s.name.n) % SPREAD_S);
    if (!r->now && rt_wall_seconds() < due) return 0;
    buf_init(&s.gzip, TLSRPT_PACKED_MAX);
    int e = send_domain(&s);
    if (s.put_off) tlsrpt_share_put_off(&r->t->share, s.busy, d);
    if (e && e != ERR_CANCELED && !s.put_off) {
        r->sent->later++;
        log_info("tlsrpt", "the report about %.*s has to wait: %s", SLF(s.out.domain), err_text(e));
    }
    buf_free(&s.json);
    buf_free(&s.gzip);
    ar_free(&a);
    return e == ERR_CANCELED ? e : 0;
}

/* ---- one day ---- */

/* Domains of a day, each fiber taking the next. */
struct day_work {
    struct round *round;
    struct slice object;
    int64_t day;
    struct fmutex turn; /* over the walk */
    char from[KV_KEY_MAX + 4];
    int failed;
};

/* The next NAME of the day's policies; ERR_NOT_FOUND behind the last. */
static int next_name(struct day_work *w, char name[KV_KEY_MAX + 1])
{
    struct arena a = {0};
    struct kv_page page;
    int e = fmutex_lock(&w->turn);
    if (e) return e;
    e = kv_scan(w->round->t->conf.store->kv, w->object, sl_cstr(w->from), SL("p0"), 1, &a, &page);
    if (!e && !page.n) e = ERR_NOT_FOUND;
    if (!e) {
        struct slice rest = sl_from(page.row[0].key, 2);
        rest = sl_sub(rest, 0, sl_chr(rest, '/') == SL_NONE ? rest.n : sl_chr(rest, '/'));
        snprintf(name, KV_KEY_MAX + 1, "%.*s", SLF(rest));
        snprintf(w->from, sizeof w->from, "p/%s0", name); /* behind all of "p/NAME/" and no other's */
    }
    fmutex_unlock(&w->turn);
    ar_free(&a);
    return e;
}

static void day_fiber(void *arg)
{
    struct day_work *w = arg;
    struct tlsrpt_late d = {.day = w->day};
    int e = 0;
    snprintf(d.object, sizeof d.object, "%.*s", SLF(w->object));
    while (!e && !w->failed) {
        e = next_name(w, d.name);
        if (!e) e = domain_step(w->round, &d);
    }
    if (e && e != ERR_NOT_FOUND) w->failed = e;
}

static int side_by_side(void (*fiber)(void *), void *arg)
{
    struct group g;
    size_t fibers = 0;
    group_init(&g);
    while (fibers < AT_ONCE && group_go(&g, "tlsrpt", fiber, arg) == 0) fibers++;
    return fibers ? group_wait(&g) : err_set(ERR_BUSY, "there is no room for another fiber");
}

static int send_day(struct round *r, struct slice object, int64_t day)
{
    struct day_work w = {.round = r, .object = object, .day = day, .from = "p/"};
    fmutex_init(&w.turn);
    int e = side_by_side(day_fiber, &w);
    return e ? e : w.failed;
}

static int one_day(void *arg, struct slice object)
{
    struct round *r = arg;
    enum { ERASE_DAYS = GIVE_UP_DAYS + 3 };
    struct kv *kv = r->t->conf.store->kv;
    int64_t day;
    if (!report_day_of(object, SL("rt:"), &day)) return 0;
    bool over = day + ERASE_DAYS * (int64_t)TLSRPT_DAY_S<r->today, stray = day> r->today + TLSRPT_DAY_S;
    int e = stray ? kv_stray_day(kv, object, ERASE_DAYS * (int64_t)TLSRPT_DAY_S, &over) : 0;
    bool waits = !over && (stray || (day >= r->today && !r->now));
    if (!e && over) e = report_day_erase(kv, object, "TLS reports");
    else if (!e && !waits) e = send_day(r, object, day);
    return kv_passed_over(object, "told in TLS reports", e);
}

/* ---- those who were put off ---- */

static void late_fiber(void *arg)
{
    struct round *r = arg;
    struct tlsrpt_share *share = &r->t->share;
    struct tlsrpt_late *d;
    while (!r->failed && rt_now() < r->end && (d = tlsrpt_share_next(share)) != NULL) {
        int e = domain_step(r, d);
        tlsrpt_share_done(share, &d);
        if (e) r->failed = e;
    }
}

/* Whoever was put off waits at his host, so nobody is walked past again and again: in each pass a quick host
 * gets all that is for it, one after another, a slow one the next. */
static int send_all(struct round *r)
{
    struct store *store = r->t->conf.store;
    struct tlsrpt_share *share = &r->t->share;
    int e = dmarc_flush(store);
    r->end = rt_now() + ROUND_MAX;
    tlsrpt_share_begin(share);
    if (!e) e = kv_each_object(store->kv, SL("rt:0"), SL("rt::"), one_day, r);
    while (!e && share->late && rt_now() < r->end) {
        tlsrpt_share_begin(share);
        e = side_by_side(late_fiber, r);
        if (!e) e = r->failed;
    }
    r->sent->later += tlsrpt_share_forget_late(share);
    return e;
}

int tlsrpt_send(struct tlsrpt *t, struct slice from_domain, bool now, struct tlsrpt_sent *out)
{
    struct arena a = {0};
    char gen[TLSRPT_GEN + 1];
    int64_t day = rt_wall_seconds() / TLSRPT_DAY_S;
    *out = (struct tlsrpt_sent){0};
    lock_take(&t->lock);
    bool busy = t->sending, old_day = t->day != day;
    t->sending = true;
    lock_release(&t->lock);
    if (busy) return err_set(ERR_BUSY, "TLS reports are being sent at this moment");
    if (now || old_day) tlsrpt_rotate(t);
    lock_take(&t->lock);
    memcpy(gen, t->gen, sizeof gen);
    lock_release(&t->lock);
    struct round r = {.t = t,
                      .from_domain = ar_lower(&a, from_domain),
                      .cut = sl_cstr(gen),
                      .now = now,
                      .today = day * TLSRPT_DAY_S,
                      .sent = out};
    int e = send_all(&r);
    ar_free(&a);
    lock_take(&t->lock);
    t->sending = false;
    lock_release(&t->lock);
    return e;
}
