/* watch.c - the tap of the log, the watchers behind it, and what each wants to see. */
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "rt/rt.h"

struct watch {
    struct watch_filter f;
    struct slice at_domain;
    struct letter_id letter[WATCH_LETTERS]; /* a ring */
    size_t nletters;                        /* that were followed, ever */
    uint64_t lost;
    size_t head, n; /* of the ring: first byte, bytes */
    char ring[WATCH_RING];
    char domain[256]; /* behind at_domain */
    char one[512];    /* the session that began, as session_of() has it */
};
struct head { /* in front of each line */
    int64_t time;
    uint64_t lost;
    size_t n;
};

/* The log is one for the process, so who looks at it is, too. */
static struct watch *watching[WATCH_MAX];
static struct lock lock = LOCK_INIT;
static int nwatching; /* to be read without the lock */

/* ---- the ring ---- */

static void copy_in(struct watch *w, const void *p, size_t n)
{
    size_t at = (w->head + w->n) % WATCH_RING, first = n < WATCH_RING - at ? n : WATCH_RING - at;
    memcpy(w->ring + at, p, first);
    memcpy(w->ring, (const char *)p + first, n - first);
    w->n += n;
}

static void copy_out(struct watch *w, void *p, size_t n)
{
    size_t first = n < WATCH_RING - w->head ? n : WATCH_RING - w->head;
    memcpy(p, w->ring + w->head, first);
    memcpy((char *)p + first, w->ring, n - first);
    w->head = (w->head + n) % WATCH_RING;
    w->n -= n;
}

static void keep(struct watch *w, struct slice json)
{
    struct head h = {.time = rt_wall(), .lost = w->lost, .n = json.n};
    if (sizeof h + json.n > WATCH_RING - w->n) {
        w->lost++;
        return;
    }
    copy_in(w, &h, sizeof h);
    copy_in(w, json.p, json.n);
    w->lost = 0;
}

/* ---- what fits ---- */

static struct slice field(const struct log_line *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->f[i].name, name)) return l->f[i].value;
    return SL("");
}

static bool line_names(const struct log_line *l, struct slice name)
{
    bool yes = !name.n || text_names(sl_cstr(l->who), name) || text_names(l->said, name);
    for (size_t i = 0; !yes && i < l->n; i++) yes = text_names(l->f[i].value, name);
    return yes;
}

static bool is_among(struct slice list, struct slice word)
{
    bool yes = !list.n;
    for (struct slice one; !yes && sl_next(&list, ',', &one);) yes = sl_eq(sl_trim(one), word);
    return yes;
}

static bool is_followed(const struct watch *w, struct slice id)
{
    size_t n = w->nletters < WATCH_LETTERS ? w->nletters : WATCH_LETTERS;
    for (size_t i = 0; i < n; i++)
        if (sl_eq(sl_cstr(w->letter[i].s), id)) return true;
    return false;
}

static void follow(struct watch *w, struct slice id)
{
    struct letter_id *to = &w->letter[w->nletters % WATCH_LETTERS];
    if (!letter_id_ok(id) || is_followed(w, id)) return;
    *to = (struct letter_id){{0}};
    memcpy(to->s, id.p, LETTER_ID_LEN);
    w->nletters++;
}

/* The id in "smtpd 192.0.2.1:25 ID", whose peer may turn out to be another; else the whole name. */
static struct slice session_of(struct slice who)
{
    size_t at = sl_rchr(who, ' ');
    struct slice id = at == SL_NONE ? SL("") : sl_from(who, at + 1);
    return letter_id_ok(id) ? id : who;
}

/* The first session that begins with the peer: who comes later, or was there before, is not. */
static bool is_the_one(struct watch *w, const struct log_line *l)
{
    struct slice who = session_of(sl_cstr(l->who)), peer = w->f.begins;
    if (!w->one[0] && sl_eq(field(l, "event"), SL("begins")) &&
        (sl_eqi(field(l, "ip"), peer) || sl_eqi(field(l, "host"), peer) || sl_eqi(field(l, "domain"), peer)))
        snprintf(w->one, sizeof w->one, "%.*s", SLF(who));
    struct slice one = sl_cstr(w->one);
    return one.n && (sl_eq(who, one) || sl_eq(session_of(field(l, "session")), one));
}

static bool fits(struct watch *w, const struct log_line *l)
{
    const struct watch_filter *f = &w->f;
    if (f->begins.n) return l->level >= f->least && is_the_one(w, l);
    struct slice id = field(l, "id");
    if (l->level < f->least || (f->letters && strcmp(l->who, "letter") != 0)) return false;
    bool known = id.n && is_followed(w, id);
    bool said = !f->named && line_names(l, f->address) && line_names(l, w->at_domain) &&
                line_names(l, f->host) && line_names(l, f->session);
    if (said && !known) follow(w, id);
    return (known || said) && is_among(f->events, field(l, "event"));
}

static void on_line(const struct log_line *l)
{
    char json[LOG_LINE_MAX];
    size_t n = 0;
    lock_take(&lock);
    for (size_t i = 0; i < WATCH_MAX; i++) {
        if (!watching[i] || !fits(watching[i], l)) continue;
        if (!n) n = log_json(l, json);
        keep(watching[i], sl(json, n));
    }
    lock_release(&lock);
}

void watch_about(const struct letter_id *id, struct slice address)
{
    if (!__atomic_load_n(&nwatching, __ATOMIC_RELAXED)) return;
    lock_take(&lock);
    for (size_t i = 0; i < WATCH_MAX; i++) {
        struct watch *w = watching[i];
        bool asks = w && (w->f.address.n || w->at_domain.n) && !w->f.host.n && !w->f.session.n;
        bool fit = asks && (!w->f.address.n || text_names(address, w->f.address)) &&
                   (!w->at_domain.n || text_names(address, w->at_domain));
        if (fit) follow(w, sl_cstr(id->s));
    }
    lock_release(&lock);
}

bool watch_event_ok(struct slice word)
{
    static const struct slice words[] = {
#define X(name, w) SL_INIT(w),
        TRACE_KINDS(X)
#undef X
            SL_INIT("session"),
        SL_INIT("accepted")};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (sl_eq(word, words[i])) return true;
    return false;
}

/* ---- watchers ---- */

/* With the lock. */
static void set_tap(void)
{
    int least = LOG_ERROR + 1, n = 0;
    for (size_t i = 0; i < WATCH_MAX; i++) {
        n += watching[i] != NULL;
        if (watching[i] && (int)watching[i]->f.least < least) least = (int)watching[i]->f.least;
    }
    __atomic_store_n(&nwatching, n, __ATOMIC_RELAXED);
    log_set_tap(least > LOG_ERROR ? NULL : on_line, least > LOG_ERROR ? LOG_ERROR : (enum log_level)least);
}

int watch_open(struct watch **out, const struct watch_filter *f)
{
    struct watch *w = xcalloc(1, sizeof *w);
    size_t i = 0;
    w->f = *f;
    if (f->domain.n) {
        struct slice d = sl_sub(f->domain, 0, sizeof w->domain - 1);
        w->domain[0] = '@';
        memcpy(w->domain + 1, d.p, d.n);
        w->at_domain = sl(w->domain, d.n + 1);
    }
    lock_take(&lock);
    while (i < WATCH_MAX && watching[i]) i++;
    if (i < WATCH_MAX) watching[i] = w;
    set_tap();
    lock_release(&lock);
    if (i < WATCH_MAX) return *out = w, 0;
    free(w);
    *out = NULL;
    return err_set(ERR_LIMIT, "%d watch already, and that is the most", WATCH_MAX);
}

void watch_close(struct watch **w)
{
    if (!*w) return;
    lock_take(&lock);
    for (size_t i = 0; i < WATCH_MAX; i++)
        if (watching[i] == *w) watching[i] = NULL;
    set_tap();
    lock_release(&lock);
    free(*w);
    *w = NULL;
}

void watch_letter(struct watch *w, const struct letter_id *id)
{
    lock_take(&lock);
    follow(w, sl_cstr(id->s));
    lock_release(&lock);
}

bool watch_next(struct watch *w, struct arena *a, struct watch_line *out)
{
    struct head h = {0};
    char json[LOG_LINE_MAX];
    lock_take(&lock);
    if (w->n) {
        copy_out(w, &h, sizeof h);
        copy_out(w, json, h.n);
    } else {
        h.lost = w->lost; /* after the last line */
        h.time = rt_wall();
        w->lost = 0;
    }
    lock_release(&lock);
    *out = (struct watch_line){.time = h.time, .lost = h.lost, .json = ar_dup(a, sl(json, h.n))};
    return h.n || h.lost;
}
