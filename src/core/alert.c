/* alert.c - the book of what is wrong, and the letter and the webhook that tell of it (alert.h). */
#include "alert.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "base/wiped.h"
#include "kv/record.h"
#include "mail/build.h"

#define OBJECT SL("_alert")
#define SLOW SL("DNS ")

enum { VERSION = 1, KEY_TEXT = 100 };
static const int64_t TELLING_POLL = RT_S / 20;

/* ---- rows ---- */

static struct slice key_of(struct arena *a, struct slice about)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < about.n && b.n < KEY_TEXT; i++)
        buf_char(&b, about.p[i] > ' ' && about.p[i] < 0x7f ? about.p[i] : '_');
    struct slice key =
        ar_printf(a, "%.*s/%016llx", SLF(buf_slice(&b)), (unsigned long long)hash_stable(about, false));
    buf_free(&b);
    return key;
}

static void make_record(const struct alert *x, struct buf *b)
{
    rec_begin(b, VERSION);
    rec_put(b, 'a', x->about);
    rec_put(b, 'w', utf8_cut(x->sentence, ALERT_SENTENCE));
    rec_put_u64(b, 't', (uint64_t)x->since);
    rec_put_u64(b, 'n', x->seen);
    if (x->over) rec_put_u64(b, 'o', (uint64_t)x->over);
    rec_put_u64(b, 'f',
                (x->twice ? 1u : 0) | (x->mailed ? 2u : 0) | (x->posted ? 4u : 0) |
                    (x->ended_posted ? 8u : 0));
}

static int parse(struct slice row, struct alert *out)
{
    struct rec r;
    uint64_t flags = 0;
    *out = (struct alert){0};
    int e = rec_open(&r, row, VERSION);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 'a': out->about = r.field; break;
        case 'w': out->sentence = r.field; break;
        case 't': out->since = (int64_t)rec_u64(&r); break;
        case 'n': out->seen = rec_u64(&r); break;
        case 'o': out->over = (int64_t)rec_u64(&r); break;
        case 'f': flags = rec_u64(&r); break;
        }
    out->twice = flags & 1, out->mailed = flags & 2, out->posted = flags & 4, out->ended_posted = flags & 8;
    return out->about.n ? rec_error(&r) : ERR_CORRUPT;
}

struct book { /* the rows as they are, and as they become */
    struct arena *a;
    struct alert *v;
    size_t n;
    struct slice *gone; /* keys of rows to delete */
    size_t ngone;
};

/* A row that cannot be read says nothing that the next examination does not find again. */
static int read_book(struct kv *kv, struct arena *a, struct book *b)
{
    struct kv_page page;
    *b = (struct book){.a = a};
    int e = kv_scan(kv, OBJECT, SL(""), SL(""), KV_PAGE_MAX, a, &page);
    if (e) return e;
    b->v = ar_array(a, struct alert, page.n + ALERTS_MOST);
    b->gone = ar_array(a, struct slice, 2 * (page.n + ALERTS_MOST));
    for (size_t i = 0; i < page.n; i++)
        if (parse(page.row[i].value, &b->v[b->n]) == 0) b->n++;
        else b->gone[b->ngone++] = page.row[i].key;
    return 0;
}

static int write_book(struct kv_tx *tx, void *arg)
{
    const struct book *b = arg;
    for (size_t i = 0; i < b->ngone; i++) kv_tx_del(tx, b->gone[i]);
    for (size_t i = 0; i < b->n; i++) {
        struct buf row = BUF_INIT;
        make_record(&b->v[i], &row);
        kv_tx_put_record(tx, key_of(b->a, b->v[i].about), &row);
        buf_free(&row);
    }
    return 0;
}

static int by_age(const void *x, const void *y)
{
    const struct alert *a = x, *b = y;
    return a->since != b->since ? (a->since < b->since ? -1 : 1) : sl_cmp(a->about, b->about);
}

int alerts_list(struct kv *kv, struct arena *a, struct alert **out, size_t *n)
{
    struct book b;
    *n = 0;
    int e = read_book(kv, a, &b);
    if (e) return e;
    for (size_t i = 0; i < b.n; i++)
        if (!b.v[i].over) b.v[(*n)++] = b.v[i];
    *out = b.v;
    if (*n) qsort(*out, *n, sizeof **out, by_age);
    return 0;
}

/* ---- what was found ---- */

static const struct alert_finding *finding_of(const struct alert_finding *v, size_t n, struct slice about)
{
    for (size_t i = 0; i < n; i++)
        if (sl_eq(v[i].about, about)) return &v[i];
    return NULL;
}

static void seen_again(struct alert *x, const struct alert_finding *f, int64_t now)
{
    if (!f->sentence.n) return;
    x->sentence = utf8_cut(f->sentence, ALERT_SENTENCE);
    if (x->over) {
        bool quiet = now < x->over + ALERT_QUIET_S;
        *x = (struct alert){.about = x->about,
                            .sentence = x->sentence,
                            .since = now,
                            .twice = f->twice,
                            .mailed = quiet && x->mailed,
                            .posted = quiet && x->posted && !x->ended_posted};
    }
    x->seen++;
}

/* false: nothing has to be kept of it. */
static bool not_seen(struct alert *x, int64_t now)
{
    if (!x->mailed && !x->posted) return false;
    if (!x->over) {
        x->over = now;
        log_info("alert", "over: %.*s", SLF(x->about));
    }
    bool in_time = now >= x->over && now < x->over + ALERT_QUIET_S;
    return in_time || (x->posted && !x->ended_posted && now < x->over + 2 * ALERT_QUIET_S);
}

static void judge(struct book *b, const struct alert_finding *v, size_t n, bool slow, int64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct alert *x = &b->v[i];
        const struct alert_finding *f = finding_of(v, n, x->about);
        bool keep = true;
        if (f) seen_again(x, f, now);
        else if (slow || !sl_starts(x->about, SLOW)) keep = not_seen(x, now);
        if (!keep) b->gone[b->ngone++] = key_of(b->a, x->about);
        else b->v[kept++] = *x;
    }
    b->n = kept;
    for (size_t i = 0; i < n; i++) {
        bool known = false;
        for (size_t k = 0; k < kept; k++) known |= sl_eq(b->v[k].about, v[i].about);
        if (known || !v[i].sentence.n || b->n >= ALERTS_MOST) continue;
        b->v[b->n++] = (struct alert){.about = v[i].about,
                                      .sentence = utf8_cut(v[i].sentence, ALERT_SENTENCE),
                                      .since = now,
                                      .seen = 1,
                                      .twice = v[i].twice};
    }
    for (size_t i = 0; i < b->n; i++) b->v[i].due = !b->v[i].over && b->v[i].seen > (b->v[i].twice ? 1 : 0);
}

/* ---- telling: one letter and one request for all that is new ---- */

static size_t due_letters(const struct book *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) n += b->v[i].due && !b->v[i].mailed;
    return n;
}

static void put_lines(const struct book *b, struct buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (!b->v[i].due || b->v[i].mailed || n++ >= ALERT_LINES) continue;
        buf_str(out, "  ");
        foreign_put(out, b->v[i].about, true);
        buf_str(out, ":\r\n    ");
        foreign_put(out, b->v[i].sentence, true);
        buf_str(out, "\r\n");
    }
    if (n > ALERT_LINES) buf_printf(out, "  and %zu more\r\n", n - ALERT_LINES);
}

static struct slice text_of(const struct alerts_conf *x, const struct book *b, struct slice to, int64_t now)
{
    struct buf out = BUF_INIT;
    struct slice domain = sl_from(to, sl_rchr(to, '@') + 1);
    mail_field(&out, SL("From"), to);
    mail_field(&out, SL("To"), to);
    mail_field(&out, SL("Subject"),
               ar_printf(b->a, "%.*s: %zu new alert%s", SLF(x->hostname), due_letters(b),
                         due_letters(b) == 1 ? "" : "s"));
    mail_date_field(&out, SL("Date"), now);
    mail_field(&out, SL("Message-ID"), mail_message_id(b->a, now, hash_stable(x->hostname, false), domain));
    mail_field(&out, SL("Auto-Submitted"), SL("auto-generated")); /* RFC 3834 section 5 */
    mail_field(&out, SL("MIME-Version"), SL("1.0"));
    mail_field(&out, SL("Content-Type"), SL("text/plain; charset=utf-8"));
    mail_field(&out, SL("Content-Transfer-Encoding"), SL("8bit"));
    buf_printf(&out, "\r\nOn %.*s this is so now, and was not before:\r\n\r\n", SLF(x->hostname));
    put_lines(b, &out);
    buf_str(&out,
            "\r\nEach is told once; `tram alerts` lists what lasts, `tram doctor` says what to do.\r\n");
    struct slice text = ar_dup(b->a, buf_slice(&out));
    buf_free(&out);
    return text;
}

static struct letter_id id_of(int64_t now, uint64_t h)
{
    struct letter_id id;
    letter_id_floor(&id, now * 1000000);
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5)
        id.s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
    return id;
}

static int write_letter(const struct alerts_conf *x, struct book *b, struct slice to, int64_t now)
{
    if (!x->take || !to.n || !due_letters(b)) return 0;
    uint64_t h = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].due && !b->v[i].mailed) h = h * 31 + hash_stable(b->v[i].about, false);
    struct letter_own own = {
        .id = id_of(now, h), .to = to, .text = text_of(x, b, to, now), .what = SL("an alert")};
    int e = x->take(x->take_ctx, &own);
    if (e && e != ERR_DENIED) return err_prefix(e, "postmaster cannot be told of an alert");
    if (e) log_warn("alert", "postmaster cannot be told: %s", err_text(e));
    for (size_t i = 0; i < b->n; i++)
        b->v[i].mailed |= b->v[i].due; /* refused for good: not tried for ever */
    return 0;
}

static json_t *alert_json(const struct alert *x)
{
    char since[CIVIL_TEXT_MAX], over[CIVIL_TEXT_MAX];
    json_t *o = json_object();
    json_object_set_new(o, "about", json_stringn(x->about.p, x->about.n));
    json_object_set_new(o, "sentence", json_stringn(x->sentence.p, x->sentence.n));
    json_object_set_new(o, "since", json_string(civil_format(x->since, since)));
    json_object_set_new(o, "state", json_string(x->over ? "over" : "begun"));
    if (x->over) json_object_set_new(o, "over", json_string(civil_format(x->over, over)));
    return o;
}

static bool to_post(const struct alert *x)
{
    return x->over ? x->posted && !x->ended_posted : x->due && !x->posted;
}

static int post(const struct alerts_conf *x, struct book *b)
{
    json_t *list = json_array(), *o;
    struct fetch_field json = {SL("content-type"), SL("application/json")};
    struct fetch_answer answer;
    for (size_t i = 0; x->webhook.n && i < b->n; i++)
        if (to_post(&b->v[i])) json_array_append_new(list, alert_json(&b->v[i]));
    size_t n = json_array_size(list);
    o = json_pack("{s:s%, s:o}", "host", x->hostname.p, x->hostname.n, "alerts", list);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    struct fetch_request q = {.method = SL("POST"),
                              .url = x->webhook,
                              .field = &json,
                              .nfield = 1,
                              .body = sl_cstr(text ? text : ""),
                              .private_hosts = x->private_hosts};
    int e = n ? fetch(x->fetch, b->a, &q, &answer) : 0;
    if (!e && n && answer.status / 100 != 2) e = err_set(ERR_REFUSED, "it answers %d", answer.status);
    wiped_free(text);
    json_decref(o);
    if (e) return err_prefix(e, "the webhook cannot be told of an alert");
    for (size_t i = 0; n && i < b->n; i++)
        if (to_post(&b->v[i])) *(b->v[i].over ? &b->v[i].ended_posted : &b->v[i].posted) = true;
    return 0;
}

static void say(const struct book *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].due && b->v[i].seen == (b->v[i].twice ? 2 : 1))
            log_warn("alert", "%.*s: %.*s", SLF(b->v[i].about), SLF(b->v[i].sentence));
}

static int tell(const struct alerts_conf *x, const struct alert_finding *v, size_t n, bool slow,
                struct slice to)
{
    struct arena a;
    struct book b;
    ar_init(&a, 0);
    int64_t now = rt_wall_seconds();
    int e = read_book(x->kv, &a, &b), mailed = 0, posted = 0;
    if (!e) {
        judge(&b, v, n, slow, now);
        say(&b);
        mailed = write_letter(x, &b, to, now);
        char why[ERR_TEXT_MAX];
        snprintf(why, sizeof why, "%s", err_text(mailed));
        posted = post(x, &b);
        if (mailed && !posted) err_set(mailed, "%s", why);
        if (b.n || b.ngone) e = kv_transact(x->kv, OBJECT, write_book, &b);
    }
    ar_free(&a);
    return e ? e : posted ? posted : mailed;
}

/* Who is told stands in rows only when he was: two who look at once would tell him twice. */
int alerts_found(const struct alerts_conf *x, const struct alert_finding *v, size_t n, bool slow,
                 struct slice to)
{
    ASSERT(x->telling && (v || !n));
    while (__atomic_exchange_n(x->telling, true, __ATOMIC_ACQUIRE)) {
        int e = fiber_sleep(TELLING_POLL);
        if (e) return e;
    }
    int e = tell(x, v, n, slow, to);
    __atomic_store_n(x->telling, false, __ATOMIC_RELEASE);
    return e;
}
